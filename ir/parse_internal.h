// Shared by the reader of the text form: syntax trees, the reader's state, and the actions that wir_parser.y calls.
// The grammar makes trees; names and types are resolved when a whole statement stands.
#ifndef WEFT_IR_PARSE_INTERNAL_H
#define WEFT_IR_PARSE_INTERNAL_H
#include "ir/expr_internal.h"
#include "ir/kir.h"

typedef struct wir_list { void **items; int count, capacity; } wir_list;

typedef enum wir_kind { WIR_NUMBER, WIR_NAME, WIR_READ, WIR_APPLY, WIR_CALL } wir_kind;
typedef struct wir_node {
  wir_kind kind;
  wf_loc loc;
  const char *text;          // NUMBER: digits; NAME; READ: value; CALL: function or type
  wf_scalar op;              // APPLY: an infix operation or NEG
  struct wir_node **args;
  int arg_count, depth;
  struct wir_node *outside;  // READ: else
  struct wir_list *lets;     // before the body of a compute
  bool typed;                // type was found bottom up
  wf_dtype type;
} wir_node;

typedef struct wir_let { const char *name; wf_loc loc; wir_node *value; } wir_let;
typedef struct wir_axis { const char *name; wf_loc loc; wir_node *extent; } wir_axis;
typedef struct wir_ref { const char *name; wf_loc loc; } wir_ref;
typedef struct wir_mode { int axis; wir_node *divisor, *extent, *stride; const char *destination; wf_loc loc; } wir_mode;
typedef struct wir_layout { wir_list *modes; wir_node *size; int bits, base, shift; } wir_layout;
typedef struct wir_typed {   // %name: type[shape] layout(...) over %other
  const char *name;
  wf_loc loc;
  wf_dtype dtype;
  int rank;
  const wf_dim *shape[WF_MAX_RANK];
  const wf_layout *layout;
  wir_ref *over;
} wir_typed;
typedef struct wir_result { wir_ref name, value; } wir_result;

typedef struct wir_rhs {     // what stands right of `=`
  wf_operation kind;
  wf_loc loc;
  wir_list *axes, *reduction, *lets /* SCATTER */, *targets, *numbers;
  const char *combiner, *accumulator, *hex, *callee;
  wir_node *body, *trip;
  wir_list *refs, *carries, *slices, *invariants;   // of wir_ref
  int sort_axis;
  bool flag;                 // SORT: descending; LOOP: reverse
} wir_rhs;

typedef struct wir_stmt {    // of a kernel
  wf_stmt_kind kind;
  wf_loc loc;
  const char *bind, *space, *combiner;
  wir_axis *axis;
  wir_list *body, *lets, *indices;
  wir_node *condition, *value;
  wir_typed *typed;
  wir_ref buffer;
  int lanes;                 // REDUCE
} wir_stmt;

typedef struct wir_scope_entry { const char *name; const wf_expr *value; const wf_atom *axis; } wir_scope_entry;
typedef struct wir_pending { wf_op *op; const char *callee; wf_loc loc; } wir_pending;

typedef struct wir_context {
  wf_module *module;
  wf_diag *diag;
  wf_arena *arena;                       // the module's
  const wf_source *source;
  int start;                             // the token that tells the grammar what it reads; 0 once given
  int line, column;
  bool after_operand;                    // the last token was an operand and touches the next one
  wf_function *function;                 // being read
  wf_kernel *kernel;                     // being read
  wir_list buffers;                      // of wf_value: kernel buffers in scope
  WF_VEC(wir_scope_entry) scope;         // axes and lets, innermost last; wf_parse_scalar: its operands
  wf_map symbols;                        // those declared or met in a shape
  WF_VEC(wir_pending) pending;           // callees and kernels that may follow
  wf_map kernels;                        // by name
  wf_map functions;
  bool scalar_mode;
  wf_dtype scalar_type;                  // wf_parse_scalar: what cast(x) casts to
  const wf_expr *scalar;                 // its result
} wir_context;

// ---- parse_expr.c
wir_node *wir_make(wir_context *c, wir_kind kind, wf_loc loc, const char *text);
wir_node *wir_apply(wir_context *c, wf_scalar op, wf_loc loc, wir_node *a, wir_node *b);
wir_node *wir_with_args(wir_context *c, wir_node *node, wir_list *args);
// The expression of that type (where `expected` is a type) or of the type it has itself (WF_DTYPE_COUNT).
const wf_expr *wir_resolve(wir_context *c, wir_node *node, wf_dtype expected);
// An extent: symbols that were not met yet are made.
const wf_dim *wir_resolve_extent(wir_context *c, wir_node *node);
void wir_enter_lets(wir_context *c, wir_list *lets);
const wf_atom *wir_enter_axis(wir_context *c, const wir_axis *axis);
wf_value *wir_find_value(wir_context *c, const char *name, wf_loc loc);   // NULL with an error
bool wir_combiner(wir_context *c, const char *name, wf_loc loc, wf_combiner *out);
wf_dtype wir_dtype(wir_context *c, const char *name, wf_loc loc);
int64_t wir_integer(wir_context *c, const char *digits, wf_loc loc);

// ---- parse_module.c
void wir_push(wir_context *c, wir_list *list, void *item);
wir_list *wir_list_new(wir_context *c);
wir_ref *wir_ref_new(wir_context *c, const char *name, wf_loc loc);
void wir_symbol(wir_context *c, wir_ref name, const char *low, const char *high, const char *divisor);
void wir_fact(wir_context *c, wir_node *comparison, wf_loc loc);
void wir_begin_function(wir_context *c, const char *name, wf_loc loc);
void wir_input(wir_context *c, wir_typed *typed, const char *role, wf_loc role_loc);
void wir_variant(wir_context *c, const char *of, wir_node *condition, wf_loc loc);
void wir_end_function(wir_context *c, wir_list *results);
wir_typed *wir_type(wir_context *c, wir_ref name, const char *dtype, wf_loc dtype_loc, wir_list *shape, wir_layout *layout, wir_ref *over);
wf_op *wir_finish_op(wir_context *c, wir_list *typed, wir_rhs *rhs);
wf_op *wir_update(wir_context *c, wir_ref target, wir_ref value, wf_loc loc);
wf_op *wir_group(wir_context *c, const char *name, wir_list *results, wir_list *members, wf_loc loc);
void wir_place(wir_context *c, wf_op *member, wf_placement placement, const char *at, wf_loc loc);

// ---- parse_kernel.c
void wir_begin_kernel(wir_context *c, const char *name, wf_loc loc);
void wir_kernel_param(wir_context *c, wir_typed *typed, bool written);
void wir_kernel_symbols(wir_context *c, wir_list *names);
void wir_kernel_cost(wir_context *c, wir_node *flops, wir_node *bytes);
void wir_kernel_section(wir_context *c, wir_list *statements);
void wir_end_kernel(wir_context *c);
#endif
