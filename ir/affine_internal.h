// What the files of index map inversion share; nobody else includes it.
#ifndef WEFT_IR_AFFINE_INTERNAL_H
#define WEFT_IR_AFFINE_INTERNAL_H
#include "ir/affine.h"

// An axis of the domain, or one that stands for a part of such an axis. Live while value is NULL; then other equations may
// still fix it, and what is live in the end is a free axis.
typedef struct wf_unknown {
  const wf_atom *axis;
  const wf_dim *value;     // over live unknowns and targets
  bool implied;            // its box follows from the box of the unknown that it is a part of
} wf_unknown;

typedef struct wf_system {
  wf_dims *dims;
  wf_arena *arena;
  WF_VEC(wf_unknown) unknowns;
  const wf_dim **equations; int equation_count;   // each == 0; NULL: solved
  int named;               // equations added for quotients
  WF_VEC(wf_guard) guards;
} wf_system;

// A new unknown with that extent; 0 at once where the extent is 1.
const wf_dim *wf_system_unknown(wf_system *system, const char *name, const wf_dim *extent, bool implied);
// Gives a live unknown its value, everywhere.
void wf_system_assign(wf_system *system, const wf_atom *axis, const wf_dim *value);
void wf_system_guard(wf_system *system, const wf_dim *dim, bool zero);
bool wf_system_mentions_live(const wf_system *system, const wf_dim *dim);
// Solves equation `index`, which holds no live unknown under a floordiv. False where it cannot; the system is then unusable.
bool wf_system_solve(wf_system *system, int index);
#endif
