// Adds the security fields that the origin did not send itself.

#include <stddef.h>

#include "bindings/response_filter.h"

typedef response_filter_string_t text;

#define TEXT(literal) {(uint8_t *)(literal), sizeof(literal) - 1}

// What is sent unless the configuration has another value under the field's name.
static struct {
  text name, value;
} fields[] = {
    {TEXT("content-security-policy"), TEXT("")},
    {TEXT("cross-origin-opener-policy"), TEXT("same-origin")},
    {TEXT("permissions-policy"), TEXT("")},
    {TEXT("referrer-policy"), TEXT("strict-origin-when-cross-origin")},
    {TEXT("strict-transport-security"), TEXT("max-age=31536000")},
    {TEXT("x-content-type-options"), TEXT("nosniff")},
    {TEXT("x-frame-options"), TEXT("SAMEORIGIN")},
};

static void add(text *name, text value) {
  text own = {0};
  if (sluice_filter_response_header(name, &own)) {
    response_filter_string_free(&own);
    return;
  }
  text configured = {0};
  if (sluice_filter_config_get(name, &configured)) value = configured;
  if (value.len > 0) sluice_filter_response_set_header(name, &value);
  response_filter_string_free(&configured);
}

void exports_sluice_filter_on_response_on_response(void) {
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) add(&fields[i].name, fields[i].value);
}
