// Lowering by interpretation: the body of an op or net is carried out on values, some known now (ints, dims, lists,
// operations), some at run time (tensors of the function that is being built). Nets inside nets are expanded in place;
// parameters are inputs of the function under their hierarchical name.
//
// How a train block becomes functions (lower_train.c) with this header:
//
//   wf_lower *lower = wf_lower_create(model, module);
//   wf_function *step = wf_lower_begin(lower, "step", true);
//   wf_val x = wf_lower_input(lower, "x", WF_ROLE_DATA, WF_F32, 4, shape, loc);
//   wf_callable *net = wf_lower_net(lower, decl, args);               // compile-time arguments and --set applied
//   wf_lower_apply(lower, net, NULL, &x, 1, loc, &results);           // parameters appear as inputs of step
//   ... loss ... wf_build_grad(step, "grad", loss, params, count, loc) ...
//   wf_lower_optimizer(lower, optimizer, parameter, gradient, loc);   // states appear as inputs, updates are appended
//   wf_lower_end(lower);
//   ... eval, infer the same way with training false ...
//   wf_lower_init(lower);                                             // `init`: initialisers of all that was collected
#ifndef WEFT_FRONTEND_LOWER_H
#define WEFT_FRONTEND_LOWER_H
#include "frontend/frontend.h"

typedef struct wf_lower wf_lower;
typedef struct wf_callable wf_callable;
typedef struct wf_val wf_val;

typedef enum wf_val_kind {
  WF_VAL_NONE,       // an error was reported; take it silently
  WF_VAL_INT, WF_VAL_FLOAT, WF_VAL_BOOL, WF_VAL_STRING,
  WF_VAL_LIST,       // of any values, tensors too
  WF_VAL_CALLABLE,   // an op, net or optimizer with some compile-time arguments bound
  WF_VAL_TYPE,       // an element type
  WF_VAL_DIM,        // an extent that is not known now
  WF_VAL_TENSOR,
  WF_VAL_LAZY,       // an elementwise expression over whole tensors that is not yet a value (inside lowering only)
  WF_VAL_SCALAR,     // a scalar of the index definition that is being lowered (inside lowering only)
} wf_val_kind;

struct wf_val {
  wf_val_kind kind;
  wf_loc loc;                   // where it came from, for notes
  int64_t integer;              // INT, BOOL
  double number;                // FLOAT
  const char *text;             // STRING
  wf_dtype dtype;               // TYPE; SCALAR, LAZY: the language's type (bf16 where the expression computes in f32)
  const wf_dim *dim;            // DIM
  wf_value *tensor;             // TENSOR
  int level;                    // TENSOR: depth of the function that holds it (0: outermost; loop bodies deeper)
  const wf_callable *callable;
  const wf_expr *expr;          // SCALAR, LAZY
  bool soft;                    // SCALAR: made of numbers and axes alone; takes the other operand's type
  const wf_atom **axes; int rank;   // LAZY
  struct wf_val *items; int count;  // LIST
};

typedef struct wf_bound { const char *name; wf_val value; } wf_bound;
struct wf_callable {
  const wf_ast_decl *decl;
  WF_VEC(wf_bound) bound;
};

typedef struct wf_parameter {   // collected while nets and optimizers are applied; one a name in the whole module
  const char *name;             // hierarchical: layer.3.attn.q.weight, sgd.v.layer.3.attn.q.weight
  wf_role role;                 // PARAM or STATE
  wf_dtype dtype;
  int rank;
  const wf_dim *const *shape;
  wf_loc loc, place;            // of the declaration; of the user's call that led there, if it lies in the library
  const wf_ast_expr *initialiser;
  struct wf_scope *scope;       // in which the initialiser is evaluated
} wf_parameter;

typedef WF_VEC(wf_val) wf_vals;

wf_lower *wf_lower_create(wf_net_model *model, wf_module *module);
wf_net_model *wf_lower_model(const wf_lower *lower);

// A new empty function; all that follows goes there until wf_lower_end. training: what `training` means inside, and
// whether `update` takes effect.
wf_function *wf_lower_begin(wf_lower *lower, const char *name, bool training);
void wf_lower_end(wf_lower *lower);
// From here on f32 in the text means f64 (precision f64).
void wf_lower_widen(wf_lower *lower);
wf_function *wf_lower_function(wf_lower *lower);
wf_val wf_lower_input(wf_lower *lower, const char *name, wf_role role, wf_dtype type, int rank, const wf_dim *const *shape, wf_loc loc);
// The input with role STEP, SEED or TOTAL of the current outermost function, made on first use.
wf_val wf_lower_runtime(wf_lower *lower, wf_role role);
wf_val wf_val_tensor(wf_value *tensor);          // of the outermost function

// Names that every scope sees (batch, epochs, step, total_steps ...).
void wf_lower_define(wf_lower *lower, const char *name, wf_val value);

// A compile-time expression outside any op: numbers, strings, lists, library constants, wf_lower_define'd names.
wf_val wf_lower_constant(wf_lower *lower, const wf_ast_expr *expr);
// `adamw(lr=cosine(0.1))`, `cross_entropy`: a name, or a call whose arguments are compile-time values. NULL with an error.
wf_callable *wf_lower_callable(wf_lower *lower, const wf_ast_expr *expr);
wf_callable *wf_lower_callable_named(wf_lower *lower, const char *name, wf_loc loc);
void wf_callable_bind(wf_lower *lower, wf_callable *callable, const char *name, wf_val value);   // replaces an earlier value
// The net with the compile-time arguments of `train Net(...)` and of --set (keys that are parameters of it). Keys of
// --set that it took are marked; see wf_lower_set_taken.
wf_callable *wf_lower_net(wf_lower *lower, const wf_ast_decl *net, const wf_ast_args *args);

// --set key=value. The value of a key, or NULL; the key then counts as taken. After all functions are lowered,
// wf_lower_check_sets reports the keys that nobody took, with a suggestion.
const char *wf_lower_set(wf_lower *lower, const char *key);
// Text of a --set as a compile-time value: 3, 0.5, true, [1, 2], a name of an op, otherwise a string.
wf_val wf_lower_parse_value(wf_lower *lower, const char *key, const char *text);
void wf_lower_known_set(wf_lower *lower, const char *key);   // a key that suggestions may name
bool wf_lower_check_sets(wf_lower *lower);

// The declared arguments of a net or op as data inputs of the current function: symbols of the signature become symbols of
// the module, its facts module facts. Adds to out_args. type variables take f32. False with errors.
bool wf_lower_declare_inputs(wf_lower *lower, const wf_callable *callable, wf_vals *out_args);
// Gives the symbolic dim of the entry net a value or another name before inputs are declared (batch=64 ...): optional.
void wf_lower_bind_symbol(wf_lower *lower, const char *symbol, const wf_dim *value);

// Applies an op or net to tensors. instance: the name under which its parameters live ("" or NULL: the root, so that the
// main net's parameters are `conv1.weight`). Results are appended. False with errors in diag.
bool wf_lower_apply(wf_lower *lower, const wf_callable *callable, const char *instance, const wf_val *args, int count, wf_loc loc, wf_vals *out_results);
// The names of the results of the callable: declared names, else the names of the returned values.
const char *wf_lower_result_name(wf_lower *lower, const wf_callable *callable, int index);

// The optimizer on one parameter (an input of the current function with role PARAM).
bool wf_lower_optimizer(wf_lower *lower, const wf_callable *optimizer, wf_value *parameter, wf_value *gradient, wf_loc loc);

// What the current function has taken as inputs with that role, in order.
void wf_lower_inputs_with_role(wf_lower *lower, wf_role role, wf_value ***out_values, int *out_count);
// All parameters and states collected so far.
int wf_lower_parameter_count(const wf_lower *lower);
const wf_parameter *wf_lower_parameter(const wf_lower *lower, int index);
// Makes `init`: results are all collected parameters and states by name.
bool wf_lower_init(wf_lower *lower);
// `labels` and `top` met while applying nets, NULL/0 where none.
const wf_val *wf_lower_labels(const wf_lower *lower);
int wf_lower_top(const wf_lower *lower);

// In lower_train.c: builds step, eval and infer from the train block and fills the spec. False with errors.
bool wf_lower_train(wf_lower *lower, wf_train_spec *spec);
#endif
