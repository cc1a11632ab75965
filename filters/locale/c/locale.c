// Chooses the language of an exchange.

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bindings/filter.h"
#include "placeholder.h"

typedef filter_string_t text;
typedef exports_sluice_filter_on_request_verdict_t verdict;

#define TEXT(literal) (&(text){(uint8_t *)(literal), sizeof(literal) - 1})
#define NOWHERE SIZE_MAX

// What the configuration says, read once for an instance.
static text *languages;
static size_t count;

static replacer body;

static void *allocated(void *memory) {
  if (memory == NULL) abort();
  return memory;
}

// What comes out is the caller's to free.
static text joined(const text *parts, size_t number) {
  text whole = {0};
  for (size_t i = 0; i < number; i++) whole.len += parts[i].len;
  whole.ptr = allocated(malloc(whole.len + 1));
  uint8_t *at = whole.ptr;
  for (size_t i = 0; i < number; i++) {
    memcpy(at, parts[i].ptr, parts[i].len);
    at += parts[i].len;
  }
  return whole;
}

static bool configured(size_t index, text *language) {
  char key[] = "languages.0123456789";
  char digits[10];
  size_t length = 0, prefix = strlen("languages.");
  do digits[length++] = '0' + index % 10;
  while ((index /= 10) > 0);
  for (size_t i = 0; i < length; i++) key[prefix + i] = digits[length - 1 - i];
  return sluice_filter_config_get(&(text){(uint8_t *)key, prefix + length}, language);
}

static void read_configuration(void) {
  if (count > 0) return;
  for (text language; configured(count, &language); count++) {
    languages = allocated(realloc(languages, (count + 1) * sizeof *languages));
    languages[count] = language;
  }
  if (count > 0) return;
  sluice_filter_log_log(SLUICE_FILTER_LOG_LEVEL_ERROR, TEXT("config: want languages, a list of tags"));
  abort();
}

static bool same(text left, text right) {
  return left.len == right.len && strncasecmp((char *)left.ptr, (char *)right.ptr, left.len) == 0;
}

static size_t find(text name) {
  for (size_t i = 0; i < count; i++) {
    if (same(languages[i], name)) return i;
  }
  return NOWHERE;
}

static bool is_space(uint8_t character) { return character == ' ' || character == '\t'; }

static text trimmed(text value) {
  while (value.len > 0 && is_space(value.ptr[0])) value.ptr++, value.len--;
  while (value.len > 0 && is_space(value.ptr[value.len - 1])) value.len--;
  return value;
}

// What stands before the first of these characters.
static text before(text value, const char *ends) {
  size_t length = 0;
  while (length < value.len && (value.ptr[length] == '\0' || strchr(ends, value.ptr[length]) == NULL)) length++;
  return (text){value.ptr, length};
}

// The first range whose primary subtag is a language of ours: `de` of ` de-AT;q=0.7`.
static size_t find_accepted(text ranges) {
  for (;;) {
    text range = before(ranges, ",");
    size_t found = find(trimmed(before(range, ";-")));
    if (found != NOWHERE || range.len == ranges.len) return found;
    ranges.ptr += range.len + 1;
    ranges.len -= range.len + 1;
  }
}

static size_t preferred(void) {
  size_t found = NOWHERE;
  text value;
  if (sluice_filter_request_cookie(TEXT("lang"), &value)) {
    found = find(value);
    filter_string_free(&value);
  }
  if (found == NOWHERE && sluice_filter_request_header(TEXT("accept-language"), &value)) {
    found = find_accepted(value);
    filter_string_free(&value);
  }
  return found == NOWHERE ? 0 : found;
}

static text unknown(text asked) {
  text *parts = allocated(malloc((2 * count + 3) * sizeof *parts));
  size_t number = 0;
  parts[number++] = *TEXT("There is no ");
  parts[number++] = asked;
  parts[number++] = *TEXT(" here, only ");
  for (size_t i = 0; i < count; i++) {
    if (i > 0) parts[number++] = *TEXT(", ");
    parts[number++] = languages[i];
  }
  parts[number++] = *TEXT(".\n");
  text whole = joined(parts, number);
  free(parts);
  return whole;
}

// The post-return function that the bindings export frees what is in the reply.
static void reply_unknown(text asked, verdict *ret) {
  text content = unknown(asked);
  filter_tuple2_string_string_t *headers = allocated(malloc(sizeof *headers));
  filter_string_dup(&headers->f0, "content-type");
  filter_string_dup(&headers->f1, "text/plain; charset=utf-8");
  ret->tag = EXPORTS_SLUICE_FILTER_ON_REQUEST_VERDICT_REPLY;
  ret->val.reply.status = 404;
  ret->val.reply.headers = (filter_list_tuple2_string_string_t){headers, 1};
  ret->val.reply.body = (filter_list_u8_t){content.ptr, content.len};
}

void exports_sluice_filter_on_request_on_request(verdict *ret) {
  read_configuration();
  size_t chosen;
  text asked;
  if (sluice_filter_request_query_param(TEXT("lang"), &asked)) {
    chosen = find(asked);
    if (chosen == NOWHERE) reply_unknown(asked, ret);
    filter_string_free(&asked);
    if (chosen == NOWHERE) return;
  } else {
    chosen = preferred();
  }
  sluice_filter_request_set_header(TEXT("x-language"), &languages[chosen]);
  sluice_filter_request_remove_header(TEXT("accept-language"));
  sluice_filter_request_set_note(TEXT("language"), &languages[chosen]);
  ret->tag = EXPORTS_SLUICE_FILTER_ON_REQUEST_VERDICT_NEXT;
}

static text noted_language(void) {
  text language;
  if (!sluice_filter_request_note(TEXT("language"), &language)) abort();
  return language;
}

void exports_sluice_filter_on_response_on_response(void) {
  text language = noted_language(), asked;
  sluice_filter_response_set_header(TEXT("content-language"), &language);
  sluice_filter_response_append_header(TEXT("vary"), TEXT("accept-language, cookie"));
  if (sluice_filter_request_query_param(TEXT("lang"), &asked)) {
    text cookie = joined((text[]){*TEXT("lang="), language, *TEXT("; Path=/; SameSite=Lax")}, 3);
    sluice_filter_response_append_header(TEXT("set-cookie"), &cookie);
    filter_string_free(&cookie);
    filter_string_free(&asked);
  }
  filter_string_free(&language);
}

static bool is_html(void) {
  text type, coding;
  if (!sluice_filter_response_header(TEXT("content-type"), &type)) return false;
  bool html = same(trimmed(before(type, ";")), *TEXT("text/html"));
  filter_string_free(&type);
  if (html && sluice_filter_response_header(TEXT("content-encoding"), &coding)) {
    filter_string_free(&coding);
    return false;
  }
  return html;
}

bool exports_sluice_filter_on_body_open(void) {
  if (!is_html()) return false;
  filter_string_free(&body.replacement);
  body = (replacer){.replacement = noted_language()};
  return true;
}

void exports_sluice_filter_on_body_push(filter_list_u8_t *chunk, filter_list_u8_t *ret) {
  *ret = replacer_push(&body, *chunk);
  filter_list_u8_free(chunk);
}

void exports_sluice_filter_on_body_finish(filter_list_u8_t *ret) { *ret = replacer_finish(&body); }
