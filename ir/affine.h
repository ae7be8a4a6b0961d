// Inversion of integer index maps: which points of a domain does a read `x[f(p)]` bring to the element q?
// The adjoint of the read sums over exactly those points (docs/ir.md, "Autodiff").
#ifndef WEFT_IR_AFFINE_H
#define WEFT_IR_AFFINE_H
#include "ir/dim.h"

typedef struct wf_guard {       // a condition on a point (q, z)
  const wf_dim *dim;            // zero: dim == 0; else dim >= 0. "c divides e" is the guard e%c == 0
  bool zero;
} wf_guard;

// The solutions of f(p) = q: for each q in the target box, the points p = values(q, z) for those z in the box of the free
// axes at which every guard holds are all points of the domain with f(p) = q, each exactly once.
typedef struct wf_inverse {
  const wf_dim **values; int value_count;       // one an axis of the domain, over targets and free axes
  const wf_atom **free_axes; int free_count;    // new axes; their extents hold no axes
  wf_guard *guards; int guard_count;            // only those that are not true everywhere
} wf_inverse;

// maps[k]: over `axes` (and symbols); targets[k]: the axis atom that stands for q_k, its extent the operand's. Where a guard fails,
// values may leave the domain (a read there needs the guard around it). A window with stride s and dilation d iterates
// over its ceil(R/S) taps of the right phase only. Axes of the domain may lie in extents of no other axis of it.
// False where the maps have no such inverse here: a product of axes, a stride of unknown sign, symbolic strides without a known common divisor;
// *out is then unset, and the adjoint is a scatter.
bool wf_affine_invert(wf_dims *dims, wf_arena *arena, const wf_dim *const *maps, const wf_atom *const *targets, int map_count,
                      const wf_atom *const *axes, int axis_count, wf_inverse *out);
#endif
