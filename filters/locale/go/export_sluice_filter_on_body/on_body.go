// Package export_sluice_filter_on_body puts the language of an exchange into its page.
package export_sluice_filter_on_body

import (
	"strings"

	"wit_component/sluice_filter_request"
	"wit_component/sluice_filter_response"
)

var body replacer

func Open() bool {
	mediaType, _, _ := strings.Cut(sluice_filter_response.Header("content-type").SomeOr(""), ";")
	if !strings.EqualFold(strings.TrimSpace(mediaType), "text/html") {
		return false
	}
	if sluice_filter_response.Header("content-encoding").IsSome() {
		return false
	}
	body = replacer{replacement: []byte(sluice_filter_request.Note("language").Some())}
	return true
}

func Push(chunk []byte) []byte { return body.push(chunk) }

func Finish() []byte { return body.finish() }
