// Package export_sluice_filter_on_response tells the client the language of an exchange.
package export_sluice_filter_on_response

import (
	"wit_component/sluice_filter_request"
	"wit_component/sluice_filter_response"
)

func OnResponse() {
	language := sluice_filter_request.Note("language").Some()
	sluice_filter_response.SetHeader("content-language", language)
	sluice_filter_response.AppendHeader("vary", "accept-language, cookie")
	if sluice_filter_request.QueryParam("lang").IsSome() {
		sluice_filter_response.AppendHeader("set-cookie", "lang="+language+"; Path=/; SameSite=Lax")
	}
}
