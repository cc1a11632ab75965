// Package export_sluice_filter_on_request chooses the language of an exchange.
package export_sluice_filter_on_request

import (
	"fmt"
	"strings"

	"go.bytecodealliance.org/pkg/wit/types"

	"wit_component/sluice_filter_config"
	"wit_component/sluice_filter_log"
	"wit_component/sluice_filter_on_request"
	"wit_component/sluice_filter_request"
)

func OnRequest() sluice_filter_on_request.Verdict {
	languages := configured()
	language, ok := "", false
	if asked := sluice_filter_request.QueryParam("lang"); asked.IsSome() {
		if language, ok = find(languages, asked.Some()); !ok {
			return sluice_filter_on_request.MakeVerdictReply(unknown(asked.Some(), languages))
		}
	} else {
		language = preferred(languages)
	}
	sluice_filter_request.SetHeader("x-language", language)
	sluice_filter_request.RemoveHeader("accept-language")
	sluice_filter_request.SetNote("language", language)
	return sluice_filter_on_request.MakeVerdictNext()
}

func configured() (languages []string) {
	for {
		language := sluice_filter_config.Get(fmt.Sprintf("languages.%d", len(languages)))
		if language.IsNone() {
			break
		}
		languages = append(languages, language.Some())
	}
	if len(languages) == 0 {
		sluice_filter_log.Log(sluice_filter_log.Level_Error, "config: want languages, a list of tags")
		panic("bad configuration")
	}
	return languages
}

func preferred(languages []string) string {
	if cookie := sluice_filter_request.Cookie("lang"); cookie.IsSome() {
		if language, ok := find(languages, cookie.Some()); ok {
			return language
		}
	}
	if accepted := sluice_filter_request.Header("accept-language"); accepted.IsSome() {
		for accepted := range strings.SplitSeq(accepted.Some(), ",") {
			if language, ok := find(languages, primary(accepted)); ok {
				return language
			}
		}
	}
	return languages[0]
}

func find(languages []string, name string) (string, bool) {
	for _, language := range languages {
		if strings.EqualFold(language, name) {
			return language, true
		}
	}
	return "", false
}

// primary is the primary subtag of a language range: "de" of " de-AT;q=0.7".
func primary(languageRange string) string {
	subtag, _, _ := strings.Cut(languageRange, ";")
	subtag, _, _ = strings.Cut(subtag, "-")
	return strings.TrimSpace(subtag)
}

func unknown(asked string, languages []string) sluice_filter_on_request.Reply {
	text := fmt.Sprintf("There is no %s here, only %s.\n", asked, strings.Join(languages, ", "))
	return sluice_filter_on_request.Reply{
		Status:  404,
		Headers: []wit_types.Tuple2[string, string]{{F0: "content-type", F1: "text/plain; charset=utf-8"}},
		Body:    []byte(text),
	}
}
