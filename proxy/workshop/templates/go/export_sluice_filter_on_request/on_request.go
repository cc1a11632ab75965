// Package export_sluice_filter_on_request greets. Its name is the one that the bindings look for.
package export_sluice_filter_on_request

import (
	"fmt"

	wit_types "go.bytecodealliance.org/pkg/wit/types"

	"wit_component/sluice_filter_config"
	"wit_component/sluice_filter_on_request"
	"wit_component/sluice_filter_request"
)

func OnRequest() sluice_filter_on_request.Verdict {
	greeting := sluice_filter_config.Get("greeting").SomeOr("Hello")
	if name := sluice_filter_request.QueryParam("name"); name.IsSome() {
		return sluice_filter_on_request.MakeVerdictReply(text(fmt.Sprintf("%s, %s!\n", greeting, name.Some())))
	}
	sluice_filter_request.SetHeader("x-greeting", greeting)
	return sluice_filter_on_request.MakeVerdictNext()
}

func text(body string) sluice_filter_on_request.Reply {
	return sluice_filter_on_request.Reply{
		Status:  200,
		Headers: []wit_types.Tuple2[string, string]{{F0: "content-type", F1: "text/plain; charset=utf-8"}},
		Body:    []uint8(body),
	}
}
