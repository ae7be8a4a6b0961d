// Shared by the verifiers of net IR and kernel IR. Marks are stamps in arrays by id, so that each check is O(1) and a
// module is verified in linear time.
#ifndef WEFT_IR_VERIFY_INTERNAL_H
#define WEFT_IR_VERIFY_INTERNAL_H
#include "ir/expr_internal.h"
#include "ir/kir.h"

typedef WF_VEC(int) wf_stamps;

typedef struct wf_verifier {
  const wf_module *module;
  wf_diag *diag;
  wf_arena *arena;              // scratch
  int errors;
  const char *where;            // "function @f" or "kernel @k"
  wf_stamps values;             // by value id: 1 where in scope
  wf_stamps atoms;              // by atom id: the stamp of the last operation that owns the axis
  wf_stamps fact_symbols;       // by atom id: 1 where a fact of the module mentions the symbol
  int stamp;
  wf_loc loc;                   // of the statement being checked
  const char *what;             // its name
} wf_verifier;

void wf_verifier_init(wf_verifier *v, const wf_module *module, wf_diag *diag);
bool wf_verifier_end(wf_verifier *v);   // true where nothing was found
// "verify: function @f: %y: ..."; always false
bool wf_broken(wf_verifier *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
void wf_stamp_set(wf_verifier *v, wf_stamps *stamps, int id, int value);
int wf_stamp_get(const wf_stamps *stamps, int id);
// A dim over symbols and the axes stamped `v->stamp` (no axes where axes_allowed is false).
void wf_verify_dim(wf_verifier *v, const wf_dim *dim, bool axes_allowed);
// Types, arities, scopes; bounds of reads that stand without `else` where check_bounds.
void wf_verify_expr(wf_verifier *v, const wf_expr *root, bool check_bounds);
// An index that is refuted against the extent is an error; unknown is allowed.
void wf_verify_in_bounds(wf_verifier *v, const wf_value *value, int axis, const wf_expr *index);
bool wf_same_shape(const wf_value *a, const wf_value *b);
void wf_verify_kernel_with(wf_verifier *v, const wf_kernel *kernel);
// The rules of thread programs (kir_verify_threads.c): the shape of sections, spaces, where barriers and reduces may stand.
void wf_verify_threads(wf_verifier *v, const wf_kernel *kernel);
// Shared memory that a block reads or writes at an element that another thread stores, with no barrier in between (kir_races.c).
// around: the block that holds the shared buffers and the thread loop.
void wf_verify_shared_races(wf_verifier *v, const wf_kernel *kernel, const wf_block *around, const wf_stmt *thread_loop);
#endif
