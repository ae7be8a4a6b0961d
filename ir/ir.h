// Net IR: SSA of few operation kinds; its heart is `compute`, the index expression. Text form: docs/ir.md.
//
//   func @mlp(%x: f32[n, 784] data, %w: f32[10, 784] param) -> (logits: %y) {
//     %h: f32[n, 10] = compute [i: n, o: 10] sum[c: 784] %x[i, c] * %w[o, c]
//     %y: f32[n, 10] = compute [i: n, o: 10] max(%h[i, o], 0)
//   }
#ifndef WEFT_IR_IR_H
#define WEFT_IR_IR_H
#include <stdbool.h>
#include <stdint.h>
#include "ir/arena.h"
#include "ir/diag.h"
#include "ir/dim.h"
#include "ir/layout.h"
#include "ir/types.h"

typedef enum wf_scalar {
#define WF_SCALAR(ENUM, ...) WF_S_##ENUM,
#include "ir/ops.def"
  WF_SCALAR_COUNT
} wf_scalar;
typedef enum wf_combiner {
#define WF_COMBINER(ENUM, name) WF_R_##ENUM,
#include "ir/ops.def"
  WF_COMBINER_COUNT
} wf_combiner;
typedef enum wf_operation {
#define WF_OPERATION(ENUM, name, traits) WF_O_##ENUM,
#include "ir/ops.def"
  WF_OPERATION_COUNT
} wf_operation;

typedef struct wf_scalar_info { const char *name; int arity; const char *traits, *derivative; } wf_scalar_info;
extern const wf_scalar_info wf_scalar_table[WF_SCALAR_COUNT];
extern const char *const wf_combiner_names[WF_COMBINER_COUNT];
extern const char *const wf_operation_names[WF_OPERATION_COUNT];
bool wf_scalar_has_trait(wf_scalar op, char trait);
bool wf_scalar_find(const char *name, wf_scalar *out_op);
// One operation on already evaluated operands, in f64 or in i64 (for integer and boolean operand types).
double wf_scalar_eval_float(wf_scalar op, const double *operands);
// False where the operation is undefined there (division by zero).
bool wf_scalar_eval_int(wf_scalar op, const int64_t *operands, int64_t *out_result);
double wf_combiner_identity(wf_combiner combiner, wf_dtype type);
// The bits of an integer brought into the range of an integer or bool type (wraps; bool: != 0).
int64_t wf_wrap_int(wf_dtype type, int64_t value);
// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
void wf_philox4x32_10(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
// key = seed ^ site, counter = (index low, index high, step low, step high), word 0; uniform in [0, 1) with its upper
// 24 bits: (word >> 8) * 2^-24.
double wf_random_uniform(uint64_t seed, uint64_t site, uint64_t step, uint64_t index);

typedef struct wf_value wf_value;
typedef struct wf_op wf_op;
typedef struct wf_function wf_function;
typedef struct wf_module wf_module;
typedef struct wf_kernel wf_kernel;

// ---- scalar expressions: a hash-consed DAG, one table a module; equal expressions are equal pointers ---------------
typedef struct wf_expr wf_expr;
struct wf_expr {
  wf_scalar op;
  wf_dtype dtype;               // the type it computes in; a READ of bf16 has dtype f32 (wf_dtype_compute)
  int arg_count;
  const wf_expr *const *args;   // READ: one index an axis of the operand (i64), then the default where has_default
  double number;                // CONST of float type
  int64_t integer;              // CONST of integer type or bool; RANDOM: site (as bits)
  const wf_dim *dim;            // INDEX: its value, i64; every i64 constant is an INDEX of a constant dim, never a CONST
  wf_value *operand;            // READ
  bool has_default;             // READ: `else`: the last arg is the value outside the operand's box
  uint64_t hash;
  int id;                       // dense within the module's table
};

const wf_expr *wf_expr_const(wf_module *module, wf_dtype type, double number);
const wf_expr *wf_expr_const_int(wf_module *module, wf_dtype type, int64_t integer);
const wf_expr *wf_expr_index(wf_module *module, const wf_dim *dim);
// indices: operand->rank expressions of type i64 (INDEX where affine, any i64 expression where they depend on data).
// outside: the value outside the box, or NULL where every index is in bounds.
const wf_expr *wf_expr_read(wf_module *module, wf_value *operand, const wf_expr *const *indices, const wf_expr *outside);
const wf_expr *wf_expr_read_dims(wf_module *module, wf_value *operand, const wf_dim *const *indices, const wf_expr *outside);
// Simplifies on the way (constants fold, x*1, x+0, INDEX arithmetic becomes dims). Operand types must agree already.
const wf_expr *wf_expr_make(wf_module *module, wf_scalar op, const wf_expr *const *args, int count);
const wf_expr *wf_expr_unary(wf_module *module, wf_scalar op, const wf_expr *a);
const wf_expr *wf_expr_binary(wf_module *module, wf_scalar op, const wf_expr *a, const wf_expr *b);
const wf_expr *wf_expr_select(wf_module *module, const wf_expr *condition, const wf_expr *a, const wf_expr *b);
const wf_expr *wf_expr_cast(wf_module *module, wf_dtype type, const wf_expr *a);
// seed, step: i64 scalars; index: the global linear index, i64.
const wf_expr *wf_expr_random(wf_module *module, uint64_t site, const wf_expr *seed, const wf_expr *step, const wf_expr *index);
bool wf_expr_is_const(const wf_expr *expr, double value);   // a CONST, or an INDEX of a constant dim, of that value
bool wf_expr_is_constant(const wf_expr *expr);              // of any value: then number and integer hold it
bool wf_expr_has_read(const wf_expr *expr);
int wf_expr_cost(const wf_expr *expr);       // scalar operations in the DAG, each shared node once

// Rewrite bottom up, each shared node once. `leaf` may return a replacement for a READ, RANDOM, CONST, INDEX or STOP node whose args
// were rewritten already, or NULL to keep it; atoms are substituted in every dim.
typedef const wf_expr *(*wf_expr_leaf)(void *context, const wf_expr *node);
const wf_expr *wf_expr_rewrite(wf_module *module, const wf_expr *expr, const wf_binding *bindings, int binding_count,
                               wf_expr_leaf leaf, void *context);
// Every node once, operands first.
void wf_expr_walk(const wf_expr *expr, void (*visit)(void *context, const wf_expr *node), void *context);

// ---- values, operations, functions ----------------------------------------------------------------------------
typedef enum wf_role { WF_ROLE_NONE, WF_ROLE_DATA, WF_ROLE_PARAM, WF_ROLE_STATE, WF_ROLE_STEP, WF_ROLE_SEED,
               WF_ROLE_TOTAL  // i64 scalar: steps of the whole training, known when data is opened
} wf_role;
typedef enum wf_space { WF_SPACE_GLOBAL, WF_SPACE_LOCAL, WF_SPACE_REGISTER, WF_SPACE_SHARED } wf_space;  // kernel buffers

struct wf_value {
  const char *name;             // unique in its function; hierarchical for parameters: layer.3.attn.q.weight
  wf_dtype dtype;
  int rank;
  const wf_dim *const *shape;
  wf_role role;                 // function inputs; NONE for results of operations
  wf_op *def;                   // NULL for inputs and kernel buffers
  int result_index;
  const wf_layout *layout;      // NULL: row-major
  wf_space space;
  wf_value *alias_of;           // set by plan-memory: lies in the storage of that value, which dies where this one is made
                                // (an UPDATE whose value aliases its target is then nothing to do); NULL: own storage
  wf_loc loc;
  int id;                       // dense within the module
};

// Where a member of a group lives (SEMANTICS, "Fusion is grouping with placements").
typedef enum wf_placement { WF_PLACE_OUT, WF_PLACE_INLINE, WF_PLACE_AT } wf_placement;

struct wf_op {
  wf_operation kind;
  wf_loc loc;
  wf_value **results; int result_count;
  wf_value **operands; int operand_count;  // COMPUTE, SCATTER, GROUP: the values read, each once, kept by wf_op_refresh_operands

  // COMPUTE: result[axes] = combiner over reduction axes of body. Axis atoms are this operation's own.
  // SCATTER: result = operands[0] (or zero where scatter_from_zero), then result[target] (+)= body for every point of axes,
  //          in lexicographic order of the points; combiner SUM, MAX, MIN or NONE (overwrite: last point wins).
  const wf_atom **axes; int axis_count;
  const wf_atom **reduction_axes; int reduction_count;
  wf_combiner combiner;
  wf_dtype accumulator;
  const wf_expr *body;
  const wf_expr **target; int target_count;   // SCATTER: i64 expressions over axes, one an axis of the result; outside: skipped
  bool scatter_from_zero;

  // SORT: results (sorted values, i64 indices) of operands[0] along axis; stable; NaN last when ascending.
  int sort_axis; bool descending;

  // CONST: row-major bytes of results[0]
  const void *data;

  // LOOP: region inputs: t (i64 scalar), carry_count carried values, slice_count slices, then invariants.
  //       region results: next carries, then stacked slices. operands: initial carries, whole tensors (slice axis 0), invariants.
  //       results: final carries, stacked tensors [trip, ...]. reverse: t runs trip-1 .. 0.
  // CALL: region is the callee (shared). operands, results by position.
  wf_function *region;
  int carry_count, slice_count;
  const wf_dim *trip;
  bool reverse;

  // UPDATE: operands[0] (an input of the function with role param or state) takes the value operands[1] when the function ends.
  // GRAD: operands[0] a scalar, operands[1..] the values to differentiate by; results: their gradients.

  // GROUP: members in order; results are those members' results that are read outside.
  wf_op **members; int member_count;
  wf_placement placement; int placed_at;   // of a member: AT: made for each point of the first placed_at axes it shares with the group
  const char *group_name;

  // LAUNCH: kernel over operands (read) and results (written), in the order of the kernel's parameters.
  wf_kernel *kernel;
};

typedef struct wf_result { const char *name; wf_value *value; } wf_result;

struct wf_function {
  wf_module *module;
  const char *name;
  WF_VEC(wf_value *) inputs;
  WF_VEC(wf_op *) ops;          // in an order in which values are defined before use
  WF_VEC(wf_result) results;
  wf_loc loc;
  const wf_function *variant_of;   // NULL, or: may run in that function's place where condition, over that one's symbols, is 0
  const wf_dim *condition;
  wf_map names;                 // name -> wf_value, every value ever made here; a name is never used twice
  wf_map suffixes;              // base name -> the last number tried behind it
};

typedef struct wf_fact {        // assumed when compiling, checked when extents are bound
  const wf_dim *dim;            // zero: dim == 0; else dim >= 0
  bool zero;
  wf_loc loc;
} wf_fact;

struct wf_module {
  wf_arena *arena;
  wf_interner *interner;
  wf_dims *dims;
  wf_diag *diag;
  struct wf_expr_table *exprs;
  WF_VEC(wf_function *) functions;   // public ones first in the order made: init, step, eval, infer, ...
  WF_VEC(wf_fact) facts;
  WF_VEC(wf_kernel *) kernels;
  wf_map kernel_names;          // every kernel name ever given
  int value_count;
  wf_loc place;                 // where it has a source, new operations lie there: the user's line while a library op is expanded
};

wf_module *wf_module_create(wf_arena *arena, wf_diag *diag);
wf_function *wf_function_create(wf_module *module, const char *name, wf_loc loc);
wf_function *wf_function_find(wf_module *module, const char *name);
wf_value *wf_function_input(wf_function *function, const char *name, wf_role role, wf_dtype type, int rank,
                            const wf_dim *const *shape, wf_loc loc);
wf_value *wf_function_find_value(wf_function *function, const char *name);
void wf_function_result(wf_function *function, const char *name, wf_value *value);
// Makes a value's name unique in the function: "h", "h.1", "h.2".
const char *wf_unique_name(wf_function *function, const char *wanted);

// Builders append to function->ops and return the (first) result. Names are wishes: made unique.
wf_value *wf_build_compute(wf_function *function, const char *name, wf_dtype type, const wf_atom *const *axes, int axis_count,
                           wf_combiner combiner, const wf_atom *const *reduction_axes, int reduction_count,
                           const wf_expr *body, wf_loc loc);   // shape: the extents of axes; accumulator: compute type of `type`
wf_value *wf_build_const(wf_function *function, const char *name, wf_dtype type, int rank, const int64_t *shape, const void *data, wf_loc loc);
wf_value *wf_build_scatter(wf_function *function, const char *name, wf_value *onto_or_null, wf_dtype type, int rank, const wf_dim *const *shape,
                           const wf_atom *const *axes, int axis_count, wf_combiner combiner, const wf_expr *const *target,
                           const wf_expr *body, wf_loc loc);
wf_op *wf_build_sort(wf_function *function, const char *name, wf_value *operand, int axis, bool descending, wf_loc loc);
wf_op *wf_build_loop(wf_function *function, const char *name, wf_function *region, const wf_dim *trip, bool reverse,
                     wf_value *const *carries, int carry_count, wf_value *const *slices, int slice_count,
                     wf_value *const *invariants, int invariant_count, wf_loc loc);
wf_op *wf_build_call(wf_function *function, const char *name, wf_function *callee, wf_value *const *operands, int count, wf_loc loc);
// The callee's symbols in terms of the caller's dims: each input extent that is a lone symbol binds it once. Returns the count.
int wf_bind_callee_symbols(const wf_function *callee, wf_value *const *operands, int count, wf_binding *bindings, int capacity);
wf_op *wf_build_grad(wf_function *function, const char *name, wf_value *of, wf_value *const *by, int count, wf_loc loc);
wf_op *wf_build_update(wf_function *function, wf_value *target, wf_value *value, wf_loc loc);
wf_op *wf_op_create(wf_function *function, wf_operation kind, wf_loc loc);   // unlinked, empty
wf_value *wf_value_create(wf_function *function, const char *name, wf_dtype type, int rank, const wf_dim *const *shape, wf_loc loc);
void wf_op_refresh_operands(wf_module *module, wf_op *op);   // from body and target
const wf_dim *wf_value_elements(wf_module *module, const wf_value *value);
// The smallest constant extent that the elements of an integer input index with no `else`, here or in callees: they must
// lie in [0, bound). 0: none.
int64_t wf_input_bound(const wf_function *function, const wf_value *input);

// ---- text, checks, evaluation -----------------------------------------------------------------------------------
void wf_print_module(wf_text *out, const wf_module *module);
void wf_print_function(wf_text *out, const wf_function *function);
void wf_print_op(wf_text *out, const wf_op *op);
void wf_print_expr(wf_text *out, const wf_expr *expr);
// NULL with diagnostics where the text is wrong. print(parse(t)) == t for everything that print writes.
wf_module *wf_parse_module(wf_arena *arena, wf_diag *diag, const wf_source *source);
// A scalar expression in the text form over named operands (the derivative column of ops.def).
const wf_expr *wf_parse_scalar(wf_module *module, const char *text, const char *const *names, const wf_expr *const *values, int count);

// True where the module keeps every rule of docs/ir.md; else one error a broken rule, naming the operation.
bool wf_verify(const wf_module *module, wf_diag *diag);

// FLOPs (an FMA is 2) and bytes (each operand element that is read once, each result once) of one operation.
const wf_dim *wf_op_flops(wf_module *module, const wf_op *op);
const wf_dim *wf_op_bytes(wf_module *module, const wf_op *op);

// The reference evaluator: naive, f64; with `round` the IR's rounding points are on.
typedef struct wf_tensor {      // f64 or i64 storage whatever the dtype; row-major
  wf_dtype dtype; int rank; int64_t shape[8]; int64_t count;
  double *floats; int64_t *integers;   // one of the two: floats where wf_dtype_is_float(dtype)
} wf_tensor;
wf_tensor *wf_tensor_create(wf_arena *arena, wf_dtype type, int rank, const int64_t *shape);   // zeros
typedef struct wf_ref_options { bool round; } wf_ref_options;
// inputs: one an input of the function. symbols are bound from the inputs' shapes and checked. results: function->results
// in order, then the value of each UPDATE in order (out_updates, one an UPDATE op; may be NULL). False with an error in diag.
bool wf_ref_run(wf_arena *arena, wf_diag *diag, const wf_function *function, const wf_ref_options *options,
                wf_tensor *const *inputs, wf_tensor **out_results, wf_tensor **out_updates);
#define WF_MAX_RANK 8
#endif
