// Offsets of buffers in one arena from their lifetimes.
#ifndef WEFT_RUNTIME_ARENA_LAYOUT_H
#define WEFT_RUNTIME_ARENA_LAYOUT_H
#include <stddef.h>
#include "runtime/status.h"

typedef struct weft_lifetime {
  size_t bytes;
  int first, last;   // steps, inclusive
  size_t offset;     // result, a multiple of WEFT_ALIGNMENT
} weft_lifetime;

// Greedy: one after the other into the smallest gap that holds it between those alive at the same time, the largest
// first (Pisarchyk & Lee, "Efficient memory management for deep neural net inference", 2020), then the largest in
// bytes times steps first, then the longest first; the best of the three stays. total: bytes of the arena.
weft_status *weft_arena_lay_out(weft_lifetime *items, int count, size_t *out_total);
// The most bytes alive at one step (each rounded up to the alignment): no layout is smaller.
size_t weft_arena_lower_bound(const weft_lifetime *items, int count);

#endif
