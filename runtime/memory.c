#include "runtime/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

weft_status *weft_allocate(size_t count, size_t size, void *out) {
  void *memory = calloc(count ? count : 1, size ? size : 1);
  memcpy(out, &memory, sizeof memory);
  if (memory) return NULL;
  return weft_fail(WEFT_ENVIRONMENT, "out of memory: %zu elements of %zu bytes", count, size);
}

weft_status *weft_allocate_aligned(size_t bytes, void **out) {
  *out = NULL;
  if (bytes <= SIZE_MAX - WEFT_ALIGNMENT) {
    size_t rounded = (bytes + WEFT_ALIGNMENT - 1) / WEFT_ALIGNMENT * WEFT_ALIGNMENT;
    *out = aligned_alloc(WEFT_ALIGNMENT, rounded ? rounded : WEFT_ALIGNMENT);
  }
  return *out ? NULL : weft_fail(WEFT_ENVIRONMENT, "out of memory: %zu bytes", bytes);
}

weft_status *weft_copy_text(const char *text, char **out) {
  *out = strdup(text);
  return *out ? NULL : weft_fail(WEFT_ENVIRONMENT, "out of memory");
}

weft_status *weft_format_text(char **out, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vasprintf(out, format, arguments);
  va_end(arguments);
  if (length >= 0) return NULL;
  *out = NULL;
  return weft_fail(WEFT_ENVIRONMENT, "out of memory");
}
