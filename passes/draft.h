// What the tiling passes share: a kernel under construction over a function's values, and loop nests on it.
// Owned by passes/draft.c and passes/draft_nest.c; not part of the public contract of passes.h.
#ifndef WEFT_PASSES_DRAFT_H
#define WEFT_PASSES_DRAFT_H
#include "ir/kir.h"
#include "passes/passes.h"

typedef struct wf_tile_target {  // a row of codegen/atoms.def
  int vector_bytes, registers;   // of the machine's widest vectors; GPU: of one access of a thread, of a thread
  int rows, vectors;             // register tile of a contraction; GPU: of one thread, in rows and in vectors of a row
  int gpu;                       // compute capability times 10: 80, 90; 0: a host
} wf_tile_target;

// How reads of a function's value look inside the kernel: a buffer from which the first `dropped` axes are gone
// (they are loop variables at every read), or one expression that stands for every read.
typedef struct wf_slot {
  const wf_value *value;
  wf_value *buffer;
  int dropped;
  const wf_dim *team;            // not NULL: the buffer has a first axis more, read here
  const wf_expr *replacement;
} wf_slot;

typedef struct wf_draft {
  wf_module *module;
  wf_function *function;
  wf_kernel *kernel;
  wf_tile_target target;
  int threads;                   // of a GPU block, the same in all sections
  WF_VEC(wf_slot) slots;
  WF_VEC(wf_value *) reads;      // the launch's operands, in parameter order
  WF_VEC(wf_value *) writes;     // the launch's results, parameters after the operands
} wf_draft;

// ---- draft.c ----
wf_draft *wf_draft_begin(wf_function *function, const char *name, wf_loc loc, wf_tile_target target);
// Declares the operands first, then the results: parameters stand in that order.
void wf_draft_read(wf_draft *draft, wf_value *value);
void wf_draft_write(wf_draft *draft, wf_value *value);
wf_value *wf_draft_buffer(const wf_draft *draft, const wf_value *value);      // NULL where it has no slot
void wf_draft_bind(wf_draft *draft, const wf_value *value, wf_value *buffer, int dropped);   // overrides an earlier slot
void wf_draft_bind_team(wf_draft *draft, const wf_value *value, wf_value *buffer, int dropped, const wf_dim *team);
void wf_draft_replace(wf_draft *draft, const wf_value *value, const wf_expr *by);
// The expression over kernel buffers and kernel axes: atoms bound, reads of values with a slot redirected.
const wf_expr *wf_draft_expr(wf_draft *draft, const wf_expr *expr, const wf_binding *bindings, int count);
// Collects symbols, sums FLOPs and bytes of `members`, and returns the LAUNCH op (unlinked).
wf_op *wf_draft_finish(wf_draft *draft, wf_op *const *members, int member_count);
// The type in which values of a buffer are combined and stored.
const wf_expr *wf_draft_convert(wf_draft *draft, const wf_expr *expr, wf_dtype to);
const wf_expr *wf_draft_identity(wf_draft *draft, wf_combiner combiner, wf_dtype type);
wf_value *wf_draft_register(wf_draft *draft, wf_block *block, const char *name, wf_dtype type, int rank, const int64_t *shape);
// body for each index in [0, extent): vector loops of `lanes`, then of halves where the rest is constant, then single steps.
// base is the index of the first of the `lanes` lanes.
typedef void (*wf_draft_body)(void *context, wf_block *block, const wf_dim *index, const wf_dim *base, int lanes);
void wf_draft_run(wf_draft *draft, wf_block *block, const wf_dim *extent, int lanes, wf_draft_body body, void *context);
// A guess of a dim's size for cost models: constants as they are, symbols as 64 within their facts.
double wf_draft_estimate(const wf_dim *dim);

// ---- draft_access.c ----
typedef enum wf_access_step { WF_ACCESS_FIXED, WF_ACCESS_UNIT, WF_ACCESS_FAR } wf_access_step;
// How the address of a read moves with one step of the axis (NULL: not at all). FAR: any other stride, a floordiv, or an index that
// depends on data.
wf_access_step wf_access_step_of(wf_module *module, const wf_expr *read, const wf_atom *axis);
wf_access_step wf_access_step_of_value(wf_module *module, const wf_value *value, const wf_dim *const *indices, const wf_atom *axis);
// Cost of one point of the body where `axis` runs over `lanes` lanes: operations, plus accesses by their step.
double wf_access_cost(wf_module *module, const wf_expr *body, const wf_atom *axis, double lanes);

bool wf_same_points(const wf_op *a, const wf_op *b);   // parallel axes agree by position
// Does every read of `value` in the op have the op's own leading axes as its first `leading` indices?
bool wf_reads_at(const wf_op *op, const wf_value *value, int leading);

// ---- draft_nest.c ----
// Computes that have the same parallel axes (by position, extents equal), made together point by point. Members read
// one another only at the same point. `free` and later axes are looped over here; the axes before are bound already.
typedef struct wf_nest {
  wf_op **members; int member_count;
  int free_from;
  const wf_dim *const *prefix;   // free_from dims over kernel axes
} wf_nest;
// With tasks: makes its own sections. Serial: loops into `block`.
void wf_draft_nest_tasks(wf_draft *draft, const wf_nest *nest);
// What one compute takes along its best axis, in units of one vector operation.
double wf_draft_nest_cost(wf_module *module, wf_op *op, wf_tile_target target);
void wf_draft_nest_serial(wf_draft *draft, wf_block *block, const wf_nest *nest);

// ---- draft_scatter.c ----
void wf_draft_scatter(wf_draft *draft, wf_op *op);

#endif
