// Replacing a placeholder in a text that comes in chunks.

#ifndef PLACEHOLDER_H
#define PLACEHOLDER_H

#include "bindings/filter.h"

#define PLACEHOLDER "{{language}}"
#define PLACEHOLDER_LENGTH (sizeof PLACEHOLDER - 1)

typedef struct {
  filter_string_t replacement;
  // The end of what came so far when it may be the beginning of a placeholder.
  uint8_t held[PLACEHOLDER_LENGTH];
  size_t held_length;
} replacer;

// What comes out is the caller's to free.
filter_list_u8_t replacer_push(replacer *self, filter_list_u8_t chunk);
filter_list_u8_t replacer_finish(replacer *self);

#endif
