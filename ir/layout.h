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
// b after a: digits of a's offset become b's coordinate (rank-1 b). NULL where radices do not line up.
const wf_layout *wf_layout_compose(wf_dims *dims, wf_arena *arena, const wf_layout *a, const wf_layout *b);
// Elements that one aligned access along `axis` may take, at most `limit` (a power of two).
int wf_layout_vector_width(const wf_layout *layout, int axis, int limit);
// Cycles a 32-lane shared-memory access of `bytes` a lane takes beyond one, banks of 4 bytes; offsets in elements.
int wf_bank_conflicts(const int64_t *offsets, int lanes, int element_bytes);
// "[64@784, 784@1]", "[n//6@.., ...]": printed form, parsed back by the kernel IR reader.
void wf_layout_print(wf_text *out, const wf_layout *layout);
#endif
