// Dims and index expressions: one hash-consed algebra.
//
// A wf_dim is a polynomial with integer coefficients over atoms, in normal form: equal values that the normal form
// knows to be equal are equal pointers. Atoms are
//   symbol     a run-time extent (`n`), with facts: a range (at least [1, 2^31)) and a divisor
//   axis       a loop variable, 0 <= axis < extent, of one compute or one kernel loop
//   floordiv   floordiv(dim, dim) with a positive divisor
// e % d is kept as e - d*floordiv(e, d). What is a shape and what is an index map differ only in whether axes occur.
// Facts of a symbol are used when a dim is simplified: tighten them before. A table is for one thread at a time, queries
// included: bounds and quotients are remembered. (docs/ir.md, "Dims and bounds".)
#ifndef WEFT_IR_DIM_H
#define WEFT_IR_DIM_H
#include <stdbool.h>
#include <stdint.h>
#include "ir/arena.h"

typedef struct wf_dim wf_dim;
typedef struct wf_dims wf_dims;  // the table that conses them; owned by a module

typedef enum wf_atom_kind { WF_ATOM_SYMBOL, WF_ATOM_AXIS, WF_ATOM_FLOORDIV } wf_atom_kind;

typedef struct wf_atom {
  wf_atom_kind kind;
  int id;                       // dense from 0 within the table; symbols first met first
  const char *name;             // symbol, axis: as in the source; printing makes clashes unique
  int64_t low, high, divisor;   // symbol facts: low <= s <= high, divisor | s
  const wf_dim *extent;         // axis
  const wf_dim *numerator, *denominator;  // floordiv
  const wf_dim *as_dim;         // the polynomial 1*atom
} wf_atom;

typedef struct wf_term {        // coefficient * product of factors (sorted by id, repeats allowed); no factors: the constant
  int64_t coefficient;
  int factor_count;
  const wf_atom *const *factors;
} wf_term;

struct wf_dim {
  wf_dims *owner;
  int term_count;               // 0: the constant 0
  const wf_term *terms;         // sorted, no zero coefficients
  uint64_t hash;
};

wf_dims *wf_dims_create(wf_arena *arena);

const wf_dim *wf_dim_const(wf_dims *dims, int64_t value);
// The symbol of that name: made on first use with facts [1, 2^31-1], divisor 1.
const wf_dim *wf_dim_symbol(wf_dims *dims, const char *name);
wf_atom *wf_symbol_atom(wf_dims *dims, const char *name);   // to tighten facts, before the symbol is used in arithmetic
void wf_dims_forget_bounds(wf_dims *dims);   // after a symbol was tightened that bounds were asked of before
// A new axis, different from every other axis, with that extent.
const wf_dim *wf_dim_axis(wf_dims *dims, const char *name, const wf_dim *extent);

// Overflow of int64 saturates and sets wf_dims_overflowed.
const wf_dim *wf_dim_add(const wf_dim *a, const wf_dim *b);
const wf_dim *wf_dim_sub(const wf_dim *a, const wf_dim *b);
const wf_dim *wf_dim_mul(const wf_dim *a, const wf_dim *b);
const wf_dim *wf_dim_scale(const wf_dim *a, int64_t factor);
const wf_dim *wf_dim_offset(const wf_dim *a, int64_t by);
const wf_dim *wf_dim_floordiv(const wf_dim *a, const wf_dim *positive);  // simplified with the atoms' ranges
const wf_dim *wf_dim_mod(const wf_dim *a, const wf_dim *positive);
const wf_dim *wf_dim_ceildiv(const wf_dim *a, const wf_dim *positive);
bool wf_dims_overflowed(const wf_dims *dims);

bool wf_dim_is_const(const wf_dim *dim, int64_t *out_value);
bool wf_dim_equals_const(const wf_dim *dim, int64_t value);
// The single atom when dim is 1*atom, else NULL.
const wf_atom *wf_dim_as_atom(const wf_dim *dim);
bool wf_dim_has_axis(const wf_dim *dim);                         // any axis, also inside floordiv
bool wf_dim_mentions(const wf_dim *dim, const wf_atom *atom);    // also inside floordiv
bool wf_dim_has_floordiv(const wf_dim *dim);
// dim = coefficient * atom + rest with neither mentioning atom (not even inside floordiv); false where not linear in it.
bool wf_dim_split(const wf_dim *dim, const wf_atom *atom, const wf_dim **out_coefficient, const wf_dim **out_rest);
// dim / divisor where exact for every value of the atoms, else NULL.
const wf_dim *wf_dim_exact_div(const wf_dim *dim, const wf_dim *divisor);

// Replace atoms by dims, simplifying. Also rewrites inside floordiv, but not in extents of axes that stay.
typedef struct wf_binding { const wf_atom *atom; const wf_dim *value; } wf_binding;
const wf_dim *wf_dim_substitute(const wf_dim *dim, const wf_binding *bindings, int count);

// Constant bounds by interval arithmetic; INT64_MIN / INT64_MAX for unbounded. Axis ranges come from their extents.
typedef struct wf_interval { int64_t low, high; } wf_interval;
wf_interval wf_dim_range(const wf_dim *dim);
// Symbolic bounds: the smallest and largest value over the listed axes (all other atoms stay). dims in the result hold
// none of the axes. NULL where not found (a floordiv that the bounds cannot pass through exactly gives a safe bound).
const wf_dim *wf_dim_minimum(const wf_dim *dim, const wf_atom *const *axes, int count);
const wf_dim *wf_dim_maximum(const wf_dim *dim, const wf_atom *const *axes, int count);

typedef enum wf_truth { WF_REFUTED = -1, WF_UNKNOWN = 0, WF_PROVED = 1 } wf_truth;
// Is dim >= 0 for every value of its atoms? REFUTED: at some point it is negative (out_witness, may be NULL, gets a
// point as text "y = 27"). No general solver: intervals on the normal form, c*(e//c) <= e, c*(e//c) >= e-c+1, divisibility.
wf_truth wf_dim_prove_nonnegative(const wf_dim *dim, wf_arena *arena, const char **out_witness);
bool wf_dim_divisible(const wf_dim *dim, int64_t by);   // proved from coefficients and symbols' divisors

// The value with atoms read from the callback (axes and symbols only).
typedef int64_t (*wf_atom_value)(void *context, const wf_atom *atom);
int64_t wf_dim_eval(const wf_dim *dim, wf_atom_value value, void *context);

// Printing: "2*y + r - 1", "n//2", "(a + 3)//4", "e%4" where e - 4*(e//4) is recognised. naming NULL: atom->name.
typedef const char *(*wf_atom_naming)(void *context, const wf_atom *atom);
void wf_dim_print(wf_text *out, const wf_dim *dim, wf_atom_naming naming, void *context);
int wf_dim_compare(const wf_dim *a, const wf_dim *b);   // a total order that depends on structure only
// Every axis and symbol atom in the dim, each once, in first-met order, appended to atoms (capacity checked by count).
void wf_dim_collect(const wf_dim *dim, wf_arena *arena, const wf_atom ***out_atoms, int *out_count);
#endif
