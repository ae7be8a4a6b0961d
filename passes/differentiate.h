// What the files of autodiff share. A tape is one reverse walk over the operations of one function (docs/autodiff.md).
//
// The cotangent of a value is kept as a list of parts: scalar expressions over axes of the cotangent's own, one part a
// forward use. Parts that need no reduction are never stored; those that do are reads of a compute made for them. When
// every use was visited the parts become one n-ary sum in the order of the forward uses.
#ifndef WEFT_PASSES_DIFFERENTIATE_H
#define WEFT_PASSES_DIFFERENTIATE_H
#include "ir/ir.h"

typedef struct wf_adjoint {
  wf_value *value;
  wf_atom const **axes;
  const wf_dim **indices;              // the axes as dims
  WF_VEC(const wf_expr *) parts;       // over axes; the last forward use first
  wf_value *made;                      // the last value made for one part of this cotangent and read by nobody else
  bool finished;
  const wf_expr *constant;             // finished: the same number everywhere, or NULL
  wf_value *gradient;                  // finished: its value, where it has been stored
  wf_value *wanted;                    // from the tape
} wf_adjoint;

typedef struct wf_tape {
  wf_module *module;
  wf_function *function;
  wf_arena *arena;                     // scratch
  bool *active;                        // by value id: depends on what is differentiated by
  wf_adjoint **adjoints;               // by value id
  wf_value **wanted;                   // by value id: the result of the `grad` that has to hold its gradient, or NULL
  int limit;                           // values made later are neither active nor differentiated
} wf_tape;

// ---- differentiate.c ---------------------------------------------------------------------------------------------
wf_tape *wf_tape_create(wf_function *function, wf_arena *arena);
bool wf_tape_active(const wf_tape *tape, const wf_value *value);
void wf_tape_activate(wf_tape *tape, const wf_value *value);
// Marks what depends on active values through these operations.
void wf_tape_propagate(wf_tape *tape, wf_op *const *ops, int count);
// Visits the operations backwards, appending their adjoints to the function. False with an error in the module's diag.
bool wf_tape_reverse(wf_tape *tape, wf_op *const *ops, int count);
wf_adjoint *wf_tape_adjoint(wf_tape *tape, wf_value *value);          // made on first use
// The same; axes that the value's own operation does not name take these names (NULL: none).
wf_adjoint *wf_tape_adjoint_named(wf_tape *tape, wf_value *value, const char *const *names);
bool wf_tape_has_cotangent(const wf_tape *tape, const wf_value *value);
void wf_tape_add(wf_tape *tape, wf_adjoint *adjoint, const wf_expr *part);
// The part that reads all of `made`, a value of the same shape that was made for this alone.
void wf_tape_add_value(wf_tape *tape, wf_adjoint *adjoint, wf_value *made);
// The cotangent at a point. Sums up the parts: no part may be added after. outside: as for a read, or NULL.
const wf_expr *wf_tape_read(wf_tape *tape, const wf_value *value, const wf_expr *const *indices, const wf_expr *outside);
const wf_expr *wf_tape_read_dims(wf_tape *tape, const wf_value *value, const wf_dim *const *indices);
// The cotangent as a value; zeros where nothing was added.
wf_value *wf_tape_gradient(wf_tape *tape, wf_value *value);
const char *wf_gradient_name(const wf_tape *tape, const wf_value *value);   // "d_fc1.weight"
const wf_expr *wf_zero(wf_module *module, wf_dtype type);

// ---- adjoint_body.c: reverse mode over a scalar DAG ----------------------------------------------------------------
// Does it depend on active values by a way that has a derivative (not through stop, an index, an `else`)?
bool wf_body_is_active(wf_tape *tape, const wf_expr *body);
typedef struct wf_read_cotangent { const wf_expr *read, *cotangent; } wf_read_cotangent;
// The cotangents of the active reads in the body of `op`, in the order in which they first occur, given that of its value.
// stored: for a pointwise operation the read of its result, which derivatives use in place of the body (exp(x)' is the
// stored exp(x)); else NULL.
int wf_body_cotangents(wf_tape *tape, const wf_op *op, const wf_expr *stored, const wf_expr *seed, wf_read_cotangent **out_list);

// ---- adjoint_read.c ----------------------------------------------------------------------------------------------
// Adds to the cotangent of the operand the sum of `cotangent` over all points of the axes that read each element.
void wf_adjoint_read(wf_tape *tape, const wf_op *op, const wf_atom *const *axes, int axis_count, const wf_expr *read,
                     const wf_expr *cotangent);

// ---- adjoint_ops.c, adjoint_loop.c: an operation's cotangents to its operands' ------------------------------------------
bool wf_adjoint_compute(wf_tape *tape, wf_op *op);
bool wf_adjoint_scatter(wf_tape *tape, wf_op *op);
bool wf_adjoint_sort(wf_tape *tape, wf_op *op);
bool wf_adjoint_loop(wf_tape *tape, wf_op *op);
// Marks the results of a loop that depend on active operands.
void wf_loop_propagate(wf_tape *tape, const wf_op *op);
#endif
