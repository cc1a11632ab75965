// A service of wasi:http 0.3 in C: says what it was asked, then gives the body back as it comes.
//
// An exchange is a struct that is advanced until it would have to wait; then its waitables are left with the host, which
// calls back with the event that came.

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/filter.h"

#define CHUNK 65536
#define TEXT(literal) ((text){(uint8_t *)(literal), sizeof(literal) - 1})

typedef filter_string_t text;
typedef filter_waitable_status_t status;
typedef exports_wasi_http_handler_result_own_response_error_code_t answer;

typedef struct {
  filter_waitable_set_t waitables;
  wasi_http_types_stream_u8_t content;
  wasi_http_types_stream_u8_writer_t body;
  wasi_http_types_future_result_void_error_code_writer_t received;
  wasi_http_types_result_void_error_code_t well_received;
  wasi_http_types_future_result_option_own_trailers_error_code_writer_t trailers;
  wasi_http_types_result_option_own_trailers_error_code_t no_trailers;
  bool streaming;      // until the streams are dropped
  unsigned unresolved; // of the two futures
  bool more;           // of the content, for all that is known
  uint8_t *unsent;
  size_t left;
  uint8_t *first, chunk[CHUNK];
} exchange;

static void *allocated(void *memory) {
  if (memory == NULL) abort();
  return memory;
}

// --- What it says first ---

static const text METHODS[] = {
    TEXT("GET"),     TEXT("HEAD"),    TEXT("POST"),  TEXT("PUT"),   TEXT("DELETE"),
    TEXT("CONNECT"), TEXT("OPTIONS"), TEXT("TRACE"), TEXT("PATCH"),
};

#define LONGEST_ESCAPE 6

static uint8_t *put(uint8_t *at, text written) {
  memcpy(at, written.ptr, written.len);
  return at + written.len;
}

// As it stands in a string of JSON (RFC 8259 section 7).
static uint8_t *put_escaped(uint8_t *at, text written) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < written.len; i++) {
    uint8_t byte = written.ptr[i];
    if (byte == '"' || byte == '\\') *at++ = '\\';
    if (byte >= ' ') {
      *at++ = byte;
    } else {
      at = put(at, TEXT("\\u00"));
      *at++ = digits[byte >> 4];
      *at++ = digits[byte & 15];
    }
  }
  return at;
}

// The field lines of that name combined (RFC 9110 section 5.3). What comes out is the caller's to free.
static text combined(wasi_http_types_borrow_request_t request, text name) {
  wasi_http_types_own_headers_t headers = wasi_http_types_method_request_get_headers(request);
  wasi_http_types_list_field_value_t values;
  wasi_http_types_method_fields_get(wasi_http_types_borrow_fields(headers), &name, &values);
  wasi_http_types_fields_drop_own(headers);
  size_t length = 0;
  for (size_t i = 0; i < values.len; i++) length += values.ptr[i].len + 2;
  text whole = {allocated(malloc(length + 1)), 0};
  uint8_t *at = whole.ptr;
  for (size_t i = 0; i < values.len; i++) {
    if (i > 0) at = put(at, TEXT(", "));
    at = put(at, (text){values.ptr[i].ptr, values.ptr[i].len});
  }
  whole.len = at - whole.ptr;
  wasi_http_types_list_field_value_free(&values);
  return whole;
}

static void say_what_was_asked(exchange *exchange, wasi_http_types_borrow_request_t request) {
  wasi_http_types_method_t method;
  wasi_http_types_method_request_get_method(request, &method);
  text name = method.tag == WASI_HTTP_TYPES_METHOD_OTHER ? method.val.other : METHODS[method.tag];
  text path = {0};
  wasi_http_types_method_request_get_path_with_query(request, &path);
  text greeting = combined(request, TEXT("x-greeting"));

  uint8_t *at = exchange->first = allocated(malloc(64 + LONGEST_ESCAPE * (name.len + path.len + greeting.len)));
  at = put_escaped(put(at, TEXT("{\"method\":\"")), name);
  at = put_escaped(put(at, TEXT("\",\"path\":\"")), path);
  at = put_escaped(put(at, TEXT("\",\"greeting\":\"")), greeting);
  at = put(at, TEXT("\"}\n"));
  exchange->unsent = exchange->first;
  exchange->left = at - exchange->first;

  free(greeting.ptr);
  filter_string_free(&path);
  wasi_http_types_method_free(&method);
}

// --- Its exchange ---

static void sent(exchange *exchange, status status) {
  exchange->unsent += FILTER_WAITABLE_COUNT(status);
  exchange->left -= FILTER_WAITABLE_COUNT(status);
  if (FILTER_WAITABLE_STATE(status) == FILTER_WAITABLE_DROPPED) { // nobody reads any more
    exchange->left = 0;
    exchange->more = false;
  }
}

static void got(exchange *exchange, status status) {
  exchange->unsent = exchange->chunk;
  exchange->left = FILTER_WAITABLE_COUNT(status);
  exchange->more = FILTER_WAITABLE_STATE(status) == FILTER_WAITABLE_COMPLETED;
}

static void received_told(exchange *exchange) {
  wasi_http_types_future_result_void_error_code_drop_writable(exchange->received);
  exchange->unresolved--;
}

static void trailers_told(exchange *exchange) {
  wasi_http_types_future_result_option_own_trailers_error_code_drop_writable(exchange->trailers);
  exchange->unresolved--;
}

// A future has to be resolved before it is dropped, which takes until somebody reads it or drops his end.
static void end_streams(exchange *exchange) {
  exchange->streaming = false;
  wasi_http_types_stream_u8_drop_writable(exchange->body);
  wasi_http_types_stream_u8_drop_readable(exchange->content);
  if (wasi_http_types_future_result_void_error_code_write(exchange->received, &exchange->well_received) !=
      FILTER_WAITABLE_STATUS_BLOCKED)
    received_told(exchange);
  if (wasi_http_types_future_result_option_own_trailers_error_code_write(exchange->trailers, &exchange->no_trailers) !=
      FILTER_WAITABLE_STATUS_BLOCKED)
    trailers_told(exchange);
}

// As far as it goes without waiting.
static filter_callback_code_t advance(exchange *exchange) {
  while (exchange->streaming) {
    status status;
    if (exchange->left > 0) {
      status = wasi_http_types_stream_u8_write(exchange->body, exchange->unsent, exchange->left);
      if (status == FILTER_WAITABLE_STATUS_BLOCKED) break;
      sent(exchange, status);
    } else if (exchange->more) {
      status = wasi_http_types_stream_u8_read(exchange->content, exchange->chunk, CHUNK);
      if (status == FILTER_WAITABLE_STATUS_BLOCKED) break;
      got(exchange, status);
    } else {
      end_streams(exchange);
    }
  }
  if (exchange->streaming || exchange->unresolved > 0) return FILTER_CALLBACK_CODE_WAIT(exchange->waitables);
  filter_waitable_set_drop(exchange->waitables);
  free(exchange->first);
  free(exchange);
  return FILTER_CALLBACK_CODE_EXIT;
}

// The response, whose body and trailers this exchange writes.
static wasi_http_types_own_response_t begin(exchange *exchange, wasi_http_types_own_request_t request) {
  wasi_http_types_tuple2_field_name_field_value_t json = {TEXT("content-type"), {0}};
  text type = TEXT("application/json");
  json.f1.ptr = type.ptr;
  json.f1.len = type.len;
  wasi_http_types_list_tuple2_field_name_field_value_t lines = {&json, 1};
  wasi_http_types_own_fields_t headers;
  wasi_http_types_header_error_t refused;
  if (!wasi_http_types_static_fields_from_list(&lines, &headers, &refused)) abort();

  wasi_http_types_future_result_void_error_code_t received =
      wasi_http_types_future_result_void_error_code_new(&exchange->received);
  wasi_http_types_tuple2_stream_u8_future_result_option_own_trailers_error_code_t content;
  wasi_http_types_static_request_consume_body(request, received, &content);
  exchange->content = content.f0;
  wasi_http_types_future_result_option_own_trailers_error_code_drop_readable(content.f1);

  wasi_http_types_stream_u8_t body = wasi_http_types_stream_u8_new(&exchange->body);
  wasi_http_types_future_result_option_own_trailers_error_code_t trailers =
      wasi_http_types_future_result_option_own_trailers_error_code_new(&exchange->trailers);
  wasi_http_types_tuple2_own_response_future_result_void_error_code_t response;
  wasi_http_types_static_response_new(headers, &body, trailers, &response);
  wasi_http_types_future_result_void_error_code_drop_readable(response.f1);
  return response.f0;
}

filter_callback_code_t exports_wasi_http_handler_handle(wasi_http_types_own_request_t request) {
  exchange *exchange = allocated(malloc(sizeof *exchange));
  memset(exchange, 0, offsetof(typeof(*exchange), chunk)); // a page that is never written to costs nothing
  say_what_was_asked(exchange, wasi_http_types_borrow_request(request));
  answer answered = {.is_err = false, .val.ok = begin(exchange, request)};
  exchange->streaming = exchange->more = true;
  exchange->unresolved = 2;
  exchange->waitables = filter_waitable_set_new();
  filter_waitable_join(exchange->content, exchange->waitables);
  filter_waitable_join(exchange->body, exchange->waitables);
  filter_waitable_join(exchange->received, exchange->waitables);
  filter_waitable_join(exchange->trailers, exchange->waitables);
  filter_context_set_0(exchange); // of this task: an instance may have several
  exports_wasi_http_handler_handle_return(answered);
  return advance(exchange);
}

filter_callback_code_t exports_wasi_http_handler_handle_callback(filter_event_t *event) {
  exchange *exchange = filter_context_get_0();
  if (event->event == FILTER_EVENT_STREAM_WRITE) sent(exchange, event->code);
  if (event->event == FILTER_EVENT_STREAM_READ) got(exchange, event->code);
  if (event->event == FILTER_EVENT_FUTURE_WRITE) {
    if (event->waitable == exchange->received) received_told(exchange);
    else trailers_told(exchange);
  }
  return advance(exchange);
}
