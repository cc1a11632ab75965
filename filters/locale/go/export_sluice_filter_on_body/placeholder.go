package export_sluice_filter_on_body

import (
	"bytes"
	"slices"
)

var placeholder = []byte("{{language}}")

// A replacer puts something else where a text that comes in chunks has the placeholder.
type replacer struct {
	replacement []byte
	// held is the end of what came so far when it may be the beginning of a placeholder.
	held []byte
}

func (r *replacer) push(chunk []byte) []byte {
	text := slices.Concat(r.held, chunk)
	end := len(text) - begun(text)
	r.held = text[end:]
	return bytes.ReplaceAll(text[:end], placeholder, r.replacement)
}

func (r *replacer) finish() []byte {
	held := r.held
	r.held = nil
	return held
}

// begun is how many bytes at the end of the text are the beginning of a placeholder.
func begun(text []byte) int {
	for length := len(placeholder) - 1; length > 0; length-- {
		if bytes.HasSuffix(text, placeholder[:length]) {
			return length
		}
	}
	return 0
}
