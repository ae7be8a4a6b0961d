// What the files of the reference evaluator share. A compute is compiled to a flat list of instructions over registers
// of WF_REF_LANES points each, so that one instruction is decoded once for that many points (ref_code.c, ref_exec.c).
#ifndef WEFT_IR_REF_INTERNAL_H
#define WEFT_IR_REF_INTERNAL_H
#include "ir/ir.h"

#define WF_REF_LANES 128

typedef struct wf_ref_symbol { const wf_atom *atom; int64_t value; } wf_ref_symbol;

typedef struct wf_ref {
  wf_arena *arena;                     // of the results; also holds every value of the run
  wf_diag *diag;
  bool round;
  wf_tensor **values;                  // by wf_value.id
  WF_VEC(wf_ref_symbol) symbols;       // those bound so far
} wf_ref;

// ---- ref_bind.c: extents -------------------------------------------------------------------------------------------
// Binds the symbols in the shapes of the function's inputs, then checks shapes, symbols' facts and the module's facts.
bool wf_ref_bind(wf_ref *ref, const wf_function *function, wf_tensor *const *inputs);
// The value of an axis-free dim; an error at `loc` where one of its symbols has no value.
bool wf_ref_dim(wf_ref *ref, wf_loc loc, const wf_dim *dim, int64_t *out_value);
// The storage of a value: the tensor it has, if the shape fits, else a new one.
wf_tensor *wf_ref_storage(wf_ref *ref, const wf_value *value);

// ---- ref_code.c: a scalar DAG as instructions ------------------------------------------------------------------------
typedef union wf_ref_register { double f[WF_REF_LANES]; int64_t i[WF_REF_LANES]; } wf_ref_register;

typedef struct wf_ref_slot {           // constant + sum of coefficient * axis, kept up to date point by point
  int target;                          // register
  int64_t current;                     // its value at the next point
  int64_t *coefficients;               // one an axis
  int64_t low, high;                   // over the whole box
} wf_ref_slot;

typedef enum wf_ref_kind { WF_REF_FLOAT, WF_REF_INT, WF_REF_SELECT, WF_REF_CAST, WF_REF_GATHER, WF_REF_READ, WF_REF_RANDOM } wf_ref_kind;

typedef struct wf_ref_instruction {
  wf_ref_kind kind;
  wf_scalar op;
  wf_dtype type;                       // of the result
  wf_dtype from;                       // CAST: the operand's type
  int target, a, b, c;                 // registers; GATHER: a is the element's offset
  const wf_tensor *tensor;             // GATHER, READ
  const wf_value *value;
  const int *indices;                  // READ: registers, one an axis
  int outside;                         // READ: register of the default, -1: outside is an error
  uint64_t site;                       // RANDOM
} wf_ref_instruction;

typedef struct wf_ref_code {
  wf_ref *ref;
  wf_arena *arena;                     // scratch, gone with the code
  const wf_op *op;
  int axis_count;                      // parallel axes, then reduction axes
  const wf_atom **axes;
  int64_t *extents, *position;
  int64_t points;
  wf_ref_register *registers;
  WF_VEC(wf_ref_slot) slots;
  WF_VEC(wf_ref_instruction) instructions;
  WF_VEC(wf_ref_register) constants;   // fills: registers set once, lane 0 holds the value
  WF_VEC(int) constant_targets;
  int register_count;
  int body;                            // register
  int targets[WF_MAX_RANK];            // SCATTER: registers
} wf_ref_code;

// NULL with an error where a symbol has no value. wf_ref_code_destroy frees it.
wf_ref_code *wf_ref_compile(wf_ref *ref, const wf_op *op);
void wf_ref_code_destroy(wf_ref_code *code);

// ---- ref_exec.c --------------------------------------------------------------------------------------------------
// Evaluates the next points in lexicographic order of the axes, at most WF_REF_LANES; returns how many, -1 on an error.
int wf_ref_next(wf_ref_code *code, int64_t remaining);

// ---- ref_compute.c -----------------------------------------------------------------------------------------------
bool wf_ref_compute(wf_ref *ref, const wf_op *op);
bool wf_ref_scatter(wf_ref *ref, const wf_op *op);
bool wf_ref_sort(wf_ref *ref, const wf_op *op);
// Wraps an integer into the type.
int64_t wf_ref_wrap(wf_dtype type, int64_t value);
#endif
