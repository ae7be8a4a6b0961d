// Layouts: where the elements of a tensor lie. An ordered list of modes in mixed radix (KERNELS.md).
// A mode takes one digit of one logical coordinate: digit = (coordinate[axis] // divisor) % extent, and contributes
// digit * stride to its destination. Row-major storage has one mode an axis; a packed panel [M//6][K][6] has three.
#ifndef WEFT_IR_LAYOUT_H
#define WEFT_IR_LAYOUT_H
#include "ir/dim.h"

typedef enum wf_destination { WF_DEST_OFFSET, WF_DEST_LANE, WF_DEST_WARP, WF_DEST_REGISTER } wf_destination;

typedef struct wf_mode {
  int axis;                 // logical axis
  const wf_dim *divisor;    // 1 for the innermost digit
  const wf_dim *extent;     // NULL for the outermost digit of its axis: no modulo
  const wf_dim *stride;     // elements
  wf_destination destination;
} wf_mode;

typedef struct wf_layout {
  int rank, mode_count;
  const wf_mode *modes;
  const wf_dim *size;       // elements of storage (offset destination)
  int swizzle_bits, swizzle_base, swizzle_shift;  // XOR swizzle on shared offsets, 0 bits: none
} wf_layout;

const wf_layout *wf_layout_row_major(wf_dims *dims, wf_arena *arena, int rank, const wf_dim *const *shape);
// Storage order: order[0] is the outermost logical axis. Row-major is 0, 1, 2, ...
const wf_layout *wf_layout_permuted(wf_dims *dims, wf_arena *arena, int rank, const wf_dim *const *shape, const int *order);
// The offset of the element at these coordinates (each may hold axes), destination offset only, before swizzle.
const wf_dim *wf_layout_offset(wf_dims *dims, const wf_layout *layout, const wf_dim *const *coordinates);
// The stride of one step along a logical axis where every offset mode of that axis is one plain digit, else NULL.
const wf_dim *wf_layout_stride(const wf_layout *layout, int axis);
bool wf_layout_is_row_major(const wf_layout *layout, const wf_dim *const *shape);
bool wf_layout_equal(const wf_layout *a, const wf_layout *b);
// b after a: a's offset becomes b's coordinate (rank-1 b). NULL where radices do not line up. Each digit of a stays below
// the next larger stride, as in every layout that gives each element its own place.
const wf_layout *wf_layout_compose(wf_dims *dims, wf_arena *arena, const wf_layout *a, const wf_layout *b);
// Elements that one aligned access along `axis` may take, at most `limit` (a power of two); all of them lie in the storage.
int wf_layout_vector_width(const wf_layout *layout, int axis, int limit);
// Cycles that a shared-memory access of up to 32 lanes, one element a lane, takes beyond the fewest for its size. 32 banks
// of 4 bytes; lanes that want the same word share it; offsets in elements, a negative one is an idle lane.
int wf_bank_conflicts(const int64_t *offsets, int lanes, int element_bytes);
// "(0 @ 784, 1 @ 1; size 50176)", "(0 div 6 @ 6*n, 1 @ 6, 0 mod 6 @ 1; size ..; swizzle 3 4 3)": modes as "axis div divisor
// mod extent @ stride destination", the form of value types in the IR's text.
void wf_layout_print(wf_text *out, const wf_layout *layout);
#endif
