#include "placeholder.h"

#include <stdlib.h>
#include <string.h>

typedef filter_list_u8_t bytes;

static bytes allocate(size_t length) {
  uint8_t *memory = malloc(length > 0 ? length : 1);
  if (memory == NULL) abort();
  return (bytes){memory, length};
}

static void append(bytes *out, const void *data, size_t length) {
  memcpy(out->ptr + out->len, data, length);
  out->len += length;
}

// Where the next placeholder is, `end` when there is none.
static const uint8_t *find(const uint8_t *from, const uint8_t *end) {
  while (end - from >= (ptrdiff_t)PLACEHOLDER_LENGTH) {
    from = memchr(from, PLACEHOLDER[0], end - from - PLACEHOLDER_LENGTH + 1);
    if (from == NULL) return end;
    if (memcmp(from, PLACEHOLDER, PLACEHOLDER_LENGTH) == 0) return from;
    from++;
  }
  return end;
}

// How many bytes before `end` are the beginning of a placeholder.
static size_t begun(const uint8_t *from, const uint8_t *end) {
  size_t length = PLACEHOLDER_LENGTH - 1;
  if ((size_t)(end - from) < length) length = end - from;
  while (length > 0 && memcmp(end - length, PLACEHOLDER, length) != 0) length--;
  return length;
}

bytes replacer_push(replacer *self, bytes chunk) {
  bytes text = allocate(self->held_length + chunk.len);
  text.len = 0;
  append(&text, self->held, self->held_length);
  append(&text, chunk.ptr, chunk.len);
  const uint8_t *from = text.ptr, *end = text.ptr + text.len;

  size_t longest = self->replacement.len > PLACEHOLDER_LENGTH ? self->replacement.len : PLACEHOLDER_LENGTH;
  bytes out = allocate(text.len / PLACEHOLDER_LENGTH * longest + text.len % PLACEHOLDER_LENGTH);
  out.len = 0;
  for (const uint8_t *at; (at = find(from, end)) != end; from = at + PLACEHOLDER_LENGTH) {
    append(&out, from, at - from);
    append(&out, self->replacement.ptr, self->replacement.len);
  }
  self->held_length = begun(from, end);
  append(&out, from, end - from - self->held_length);
  memcpy(self->held, end - self->held_length, self->held_length);
  free(text.ptr);
  return out;
}

bytes replacer_finish(replacer *self) {
  bytes out = allocate(self->held_length);
  memcpy(out.ptr, self->held, self->held_length);
  self->held_length = 0;
  return out;
}
