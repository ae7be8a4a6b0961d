// Checked allocation for the runtime: exhaustion and overflow are statuses. Everything is released with free().
#ifndef WEFT_RUNTIME_MEMORY_H
#define WEFT_RUNTIME_MEMORY_H
#include <stddef.h>
#include "runtime/status.h"

#define WEFT_ALIGNMENT 64   // bytes: a cache line and the widest vector

// out: the address of a pointer variable of any object type; set to zeroed memory (count * size bytes, at least 1).
weft_status *weft_allocate(size_t count, size_t size, void *out);
// Not zeroed, WEFT_ALIGNMENT-aligned.
weft_status *weft_allocate_aligned(size_t bytes, void **out);
weft_status *weft_copy_text(const char *text, char **out);
weft_status *weft_format_text(char **out, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
