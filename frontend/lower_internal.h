// What the files of lowering share. One prototype list under the name of the file that owns it.
#ifndef WEFT_FRONTEND_LOWER_INTERNAL_H
#define WEFT_FRONTEND_LOWER_INTERNAL_H
#include "frontend/lower.h"

typedef struct wf_dim_list { const wf_dim **items; int count; } wf_dim_list;

// ---- names ------------------------------------------------------------------------------------------------------------
typedef struct wf_entry {
  const char *name;
  wf_val value;
  wf_loc loc;                   // where the name got its meaning
  bool symbol;                  // a dim of the signature, bound by an argument's shape
  bool declared;                // `name: TYPE`, or a result: dtype and shape are what the definition must have
  wf_dtype dtype;
  wf_dim_list shape;            // an item is NULL where it is not known yet
  bool is_input;                // a param or state: `update` may name it
} wf_entry;

typedef struct wf_frame wf_frame;
typedef struct wf_scope {
  struct wf_scope *parent;      // a loop body sees what is around it; a call sees nothing of its caller
  wf_frame *frame;
  wf_map entries;               // name -> wf_entry
} wf_scope;

// One activation of an op, net or optimizer.
struct wf_frame {
  wf_frame *caller;
  wf_loc call_loc;
  const wf_ast_decl *decl;
  wf_scope *scope;
  const char *path;             // of the instance: "layer.3.attn", "" for the root
  const char *site;             // path and op names, for random()
  wf_map *instances;            // instance names used in this net -> wf_loc
  wf_map *instance_counts;      // names taken from callees and assignments -> how often
  bool has_rest;                // `..` of the signature is known
  wf_dim_list rest;
  wf_loc rest_loc;
  bool inlined;                 // on scalars, inside an index definition
  bool returned;
  wf_vals results;
  const char *optimizer, *parameter;   // while an optimizer runs: their names
  const char *assigned;         // while a statement runs: the one name that it assigns, and the expression that is its value
  const wf_ast_expr *assigned_value;
  const char *instance;         // the same where the statement has exactly one net call
  const char *prefix;           // of the names of values made here
};

// ---- index definitions ------------------------------------------------------------------------------------------------
typedef struct wf_axis_scope {  // names bound by a left side or by a reduction
  struct wf_axis_scope *parent; // whose names are seen too
  struct wf_axis_scope *around; // whose axes the point lies on too: the parent, or across the call of an inlined op
  WF_VEC(const wf_atom *) axes; // named ones and those of `..`, in order
  WF_VEC(const char *) names;   // NULL for those of `..`
  WF_VEC(bool) stated;          // by `name: extent`: such an axis may run over a part of a tensor's axis
  bool has_rest;
  const wf_atom **rest; int rest_count;
} wf_axis_scope;

typedef struct wf_definition {
  const char *name;             // of the tensor that is defined: parts are named after it
  wf_dtype hint;                // the type of what is made of numbers alone
  wf_axis_scope *outer;         // the left side's axes, with no parent
} wf_definition;

// ---- functions: the outermost one and loop bodies in it -----------------------------------------------------------------
typedef struct wf_import { wf_value *outer, *inner; int slice_axis; } wf_import;   // slice_axis -1: invariant
typedef struct wf_level {
  struct wf_level *parent;
  int depth;
  wf_function *function;
  const wf_dim *trip;           // loop bodies
  wf_value *time;
  WF_VEC(wf_import) imports;
  WF_VEC(wf_result) yields;     // in the order met
  wf_map nexts;                 // carry -> wf_value
} wf_level;

struct wf_lower {
  wf_net_model *model;
  wf_module *module;
  wf_arena *arena;
  wf_diag *diag;
  wf_level *level;
  bool training, initialising;
  wf_dtype single;              // what the text calls f32: F64 where the precision is f64, so that constants keep all their digits
  wf_frame *frame;
  wf_definition *definition;    // NULL: whole tensors
  wf_axis_scope *axes;
  wf_map globals;               // wf_lower_define: name -> wf_val
  wf_map constants;             // file-level lets: name -> wf_val, evaluated on first use
  wf_map symbols;               // wf_lower_bind_symbol: name -> wf_dim
  bool binding_symbols;         // unknown names in shapes become symbols of the module
  bool unmet;                   // a `where` did not hold
  wf_dim_list guessed_rest;     // what a `..` stands for where no argument says it; count 0: an error
  wf_map parameter_index;       // name -> index + 1
  WF_VEC(wf_parameter) parameters;
  wf_map inputs;                // of the outermost function: parameter name -> wf_value
  wf_map sites;                 // random sites of the outermost function: name -> count
  wf_map schedules;             // run-time scalars of callables without arguments: address -> wf_value
  const char *optimized;        // the parameter that an optimizer is being applied to
  const wf_frame *initial;      // the frame in which an initialiser is evaluated
  const wf_dim_list *expected_shape; bool expects; wf_dtype expected_dtype;   // what an op without arguments is to give
  int64_t statements;
  int depth;                    // of calls and blocks
  int evaluating;               // depth of expressions, through calls
  bool stopped;                 // a limit was passed: everything returns at once
  wf_val labels; int top;
  WF_VEC(const char *) known_sets;
  bool *sets_taken;
};

// lower.c
wf_diagnostic *wf_lower_error(wf_lower *lower, wf_loc loc, const char *format, ...) __attribute__((format(printf, 3, 4)));   // with notes of the calls that led there
void wf_lower_where(wf_lower *lower, wf_diagnostic *error, wf_loc loc, const char *format, ...) __attribute__((format(printf, 4, 5)));   // a note, unless the place is unknown
bool wf_lower_step(wf_lower *lower, wf_loc loc);   // counts a statement; false once a limit is passed
bool wf_lower_deeper(wf_lower *lower, wf_loc loc); // enters a call or block (leave: lower->depth--)
const char *wf_dim_text(wf_lower *lower, const wf_dim *dim);
const char *wf_shape_text(wf_lower *lower, const wf_dim *const *shape, int rank);   // "[n, 10]"
const char *wf_val_text(wf_lower *lower, const wf_val *value);                      // "an int", "a tensor f32[n, 10]"
const wf_dim *wf_const_dim(wf_lower *lower, int64_t value);
wf_truth wf_prove(wf_lower *lower, const wf_dim *dim, const char **out_witness);     // dim >= 0, with the module's facts
wf_truth wf_prove_equal(wf_lower *lower, const wf_dim *a, const wf_dim *b);
void wf_check_elements(wf_lower *lower, wf_loc loc, const char *name, const wf_dim *const *shape, int rank);
wf_level *wf_level_at(wf_lower *lower, int depth);
wf_value *wf_import_value(wf_lower *lower, const wf_val *tensor);   // the tensor as a value of the current function
wf_value *wf_import_from(wf_lower *lower, wf_level *level, wf_value *outer, int slice_axis);
wf_value *wf_lower_permuted(wf_lower *lower, wf_level *level, wf_value *tensor, int axis);   // that axis in front
const char *wf_value_name(wf_lower *lower, const char *local);   // "layer.0.attn.q" for `q` in that instance; `out` is the instance itself
void wf_scope_init(wf_lower *lower, wf_scope *scope, wf_scope *parent, wf_frame *frame);
wf_entry *wf_scope_find(const wf_scope *scope, const char *name);
wf_entry *wf_scope_set(wf_lower *lower, wf_scope *scope, const char *name, wf_val value, wf_loc loc);

// values.c
wf_val wf_none(void);
wf_val wf_int_val(int64_t value, wf_loc loc);
wf_val wf_float_val(double value, wf_loc loc);
wf_val wf_bool_val(bool value, wf_loc loc);
wf_val wf_string_val(const char *text, wf_loc loc);
wf_val wf_dim_val(const wf_dim *dim, wf_loc loc);      // INT where the dim is a constant
wf_val wf_list_val(wf_lower *lower, const wf_val *items, int count, wf_loc loc);
wf_val wf_tensor_val(wf_lower *lower, wf_value *tensor, wf_loc loc);   // of the current level
bool wf_is_number(const wf_val *value);                // INT, FLOAT
bool wf_is_dimlike(const wf_val *value);               // INT, DIM
bool wf_is_runtime(const wf_val *value);               // TENSOR, LAZY, SCALAR
const wf_dim *wf_val_dim(wf_lower *lower, const wf_val *value);   // of an INT or DIM
// Elementwise: numbers take the other operands' type; in an index definition the result is a SCALAR, else LAZY.
wf_val wf_elementwise(wf_lower *lower, wf_scalar op, const wf_val *operands, int count, wf_loc loc);
wf_val wf_cast_val(wf_lower *lower, wf_dtype type, const wf_val *value, wf_loc loc);
// As an operand of that type: numbers are converted, other types are an error. SCALAR or LAZY.
wf_val wf_coerce(wf_lower *lower, const wf_val *value, wf_dtype type, wf_loc loc);
wf_val wf_scalar_val(const wf_expr *expr, wf_dtype type, wf_loc loc);
wf_val wf_operator_val(wf_lower *lower, wf_ast_operator op, const wf_val *a, const wf_val *b, wf_loc loc);
wf_dtype wf_hint(const wf_lower *lower);
wf_dtype wf_natural_type(wf_lower *lower, const wf_val *value);   // the type that a value has or, of numbers, takes
// A run-time value as a tensor of the current function; numbers become rank 0. NULL after an error.
wf_value *wf_force(wf_lower *lower, const wf_val *value, const char *name, wf_loc loc);
wf_val wf_force_val(wf_lower *lower, const wf_val *value, const char *name, wf_loc loc);   // LAZY -> TENSOR, others as they are
wf_val wf_lazy_of(wf_lower *lower, const wf_val *tensor);

// evaluate.c
wf_val wf_eval(wf_lower *lower, const wf_ast_expr *expr);
wf_val wf_eval_constant(wf_lower *lower, const wf_ast_expr *expr, const char *what);   // a compile-time value, else an error
const wf_dim *wf_eval_dim(wf_lower *lower, const wf_ast_expr *expr);                   // NULL after an error
bool wf_eval_bool(wf_lower *lower, const wf_ast_expr *expr, bool *out_value, const char *what);
wf_val wf_resolve(wf_lower *lower, const wf_val *value, wf_loc loc);                    // a schedule becomes its scalar
wf_val wf_lookup(wf_lower *lower, const char *name, wf_loc loc);                        // NONE with an error where unknown
bool wf_find_type(wf_lower *lower, const char *name, wf_dtype *out_type);               // an element type or a bound type variable
bool wf_find_axis(const wf_lower *lower, const char *name, const wf_atom **out_axis);
// site of the next random() here.
wf_val wf_random_val(wf_lower *lower, wf_loc loc);

// define.c
void wf_lower_define_tensor(wf_lower *lower, const wf_ast_stmt *stmt);
void wf_lower_scatter(wf_lower *lower, const wf_ast_stmt *stmt);
wf_val wf_lower_reduce(wf_lower *lower, const wf_ast_expr *expr);    // nested in an expression
// A scalar expression outside any definition (a reduction or a read): rank 0.
wf_val wf_lower_rank0(wf_lower *lower, const wf_ast_expr *expr, const char *name);

// axes.c
bool wf_infer_rest(wf_lower *lower, const wf_ast_expr *body, wf_dim_list *out_rest);
// The extent of an axis from the reads of the body in which it is a whole index. NULL where there is none.
const wf_dim *wf_infer_extent(wf_lower *lower, const wf_ast_expr *body, const char *name);
void wf_axis_push(wf_lower *lower, wf_axis_scope *scope, const char *name, const wf_dim *extent);
// Names that are axes of a scatter: whole indices that are not known otherwise, in order.
void wf_infer_scatter_axes(wf_lower *lower, const wf_ast_items *targets, const wf_ast_expr *body, wf_axis_scope *scope);

// read.c
wf_val wf_lower_read(wf_lower *lower, const wf_ast_expr *expr);

// shapes.c
// Makes a tensor type with unbound names fit the shape: names are bound in the current frame. where: the place the shape came from.
bool wf_unify_shape(wf_lower *lower, const wf_ast_type *type, const char *what, const wf_dim *const *shape, int rank, wf_loc where, bool compound);
bool wf_bind_type(wf_lower *lower, const wf_ast_type *type, const char *what, wf_dtype actual, wf_loc where);
bool wf_type_shape(wf_lower *lower, const wf_ast_type *type, wf_dtype *out_type, wf_dim_list *out_shape, bool quiet);   // all names known
void wf_warn_new_extents(wf_lower *lower, const wf_ast_decl *decl, const wf_ast_type *type);
bool wf_assume_extent(wf_lower *lower, const wf_dim *extent, wf_loc loc);
void wf_check_where(wf_lower *lower, const wf_ast_decl *decl);

// apply.c
wf_val wf_apply_call(wf_lower *lower, const wf_ast_expr *call, const wf_val *piped);
wf_val wf_apply(wf_lower *lower, const wf_callable *callable, const wf_val *args, int count, const wf_ast_instance *instance, wf_loc loc);
wf_callable *wf_make_callable_val(wf_lower *lower, const wf_ast_decl *decl);
bool wf_bind_known_defaults(wf_lower *lower, const wf_callable *callable);   // those that need no dim of an argument
bool wf_names_known(wf_lower *lower, const wf_ast_expr *expr);   // in shapes.c
void wf_set_bound(wf_lower *lower, wf_callable *callable, const char *name, wf_val value);   // the type is checked already
bool wf_bind_parameter(wf_lower *lower, wf_callable *callable, const wf_ast_formal *formal, const wf_val *value, wf_loc loc);
extern const char wf_apply_several[];   // text of the LIST in which several results come
wf_ast_decl *wf_find_decl(wf_lower *lower, const char *name);
const wf_ast_formal *wf_find_formal(const wf_ast_formals *formals, const char *name);

// statements.c
void wf_run_block(wf_lower *lower, const wf_ast_block *block);

// parameters.c
void wf_lower_param(wf_lower *lower, const wf_ast_stmt *stmt);
void wf_lower_update(wf_lower *lower, const wf_ast_stmt *stmt);
const char *wf_public_name(wf_lower *lower, const char *name);    // without primes

void wf_lower_labels_stmt(wf_lower *lower, const wf_ast_stmt *stmt);
void wf_lower_top_stmt(wf_lower *lower, const wf_ast_stmt *stmt);

// loops.c
void wf_lower_next(wf_lower *lower, const wf_ast_stmt *stmt);
void wf_lower_yield(wf_lower *lower, const wf_ast_stmt *stmt);
void wf_lower_loop(wf_lower *lower, const wf_ast_stmt *stmt);

// builtins.c
bool wf_is_builtin(const char *name);
wf_val wf_call_builtin(wf_lower *lower, const wf_ast_expr *call, const wf_val *piped);
extern const char *const wf_builtin_names[];

// placement.c
void wf_check_shard(wf_lower *lower, const wf_ast_stmt *stmt);
void wf_check_mesh(wf_lower *lower);
#endif
