#include <stdlib.h>
#include <string.h>

#include "bindings/filter.h"

typedef filter_string_t text;
typedef exports_sluice_filter_on_request_reply_t reply;

// The memory of what is allocated here is the instance's, which lives for one exchange: nothing is freed.

static text literal(const char *characters) { return (text){(uint8_t *)characters, strlen(characters)}; }

static text joined(size_t count, const text parts[]) {
  size_t length = 0;
  for (size_t i = 0; i < count; i++) length += parts[i].len;
  text whole = {malloc(length), 0};
  if (whole.ptr == NULL) abort();
  for (size_t i = 0; i < count; i++) {
    memcpy(whole.ptr + whole.len, parts[i].ptr, parts[i].len);
    whole.len += parts[i].len;
  }
  return whole;
}

// What a reply holds is freed after it was read, so all of it is allocated.
static text copied(const char *characters) { return joined(1, (text[]){literal(characters)}); }

static reply plain(text body) {
  filter_tuple2_string_string_t *header = malloc(sizeof *header);
  if (header == NULL) abort();
  *header = (filter_tuple2_string_string_t){copied("content-type"), copied("text/plain; charset=utf-8")};
  return (reply){.status = 200, .headers = {header, 1}, .body = {body.ptr, body.len}};
}

void exports_sluice_filter_on_request_on_request(exports_sluice_filter_on_request_verdict_t *verdict) {
  text key = literal("greeting"), parameter = literal("name"), field = literal("x-greeting");
  text greeting, name;
  if (!sluice_filter_config_get(&key, &greeting)) greeting = literal("Hello");
  if (sluice_filter_request_query_param(&parameter, &name)) {
    verdict->tag = EXPORTS_SLUICE_FILTER_ON_REQUEST_VERDICT_REPLY;
    verdict->val.reply = plain(joined(4, (text[]){greeting, literal(", "), name, literal("!\n")}));
    return;
  }
  sluice_filter_request_set_header(&field, &greeting);
  verdict->tag = EXPORTS_SLUICE_FILTER_ON_REQUEST_VERDICT_NEXT;
}
