// What the files of the dim algebra share; nobody else includes it.
#ifndef WEFT_IR_DIM_INTERNAL_H
#define WEFT_IR_DIM_INTERNAL_H
#include "ir/dim.h"

enum {
  WF_MOST_FACTORS = 32,    // of one term; beyond, and beyond WF_MOST_TERMS, arithmetic saturates as on overflow
  WF_MOST_TERMS = 4096,
  WF_MOST_NESTING = 64     // of simplifications that need bounds that need simplifications; deeper ones are skipped
};

// Every wf_dim is the head of one of these, every wf_atom of a wf_atom_node.
typedef struct wf_dim_node {
  wf_dim dim;
  uint64_t mask;           // bit id % 64 of every atom mentioned, also inside floordiv
  bool has_axis, has_floordiv, has_low, has_high;
  int64_t low, high;       // cached bounds
} wf_dim_node;

typedef struct wf_atom_node {
  wf_atom atom;
  uint64_t mask;
  int64_t exact;           // floordiv of a symbol by a constant that divides it: that constant, else 0
} wf_atom_node;

typedef struct wf_quotient { const wf_dim *numerator, *denominator, *result; } wf_quotient;

struct wf_dims {
  wf_arena *arena;
  wf_dim_node **dims;      // open addressing by hash
  size_t dim_slots, dim_count;
  const wf_atom *const **monomials;   // open addressing; entries end with NULL
  size_t monomial_slots, monomial_count;
  wf_quotient *quotients;  // memo of wf_dim_floordiv
  size_t quotient_slots, quotient_count;
  wf_atom_node **floordivs;
  size_t floordiv_slots, floordiv_count;
  wf_map symbols;
  int atom_count;
  int nesting;
  bool overflowed, has_exact;
  const wf_dim *zero, *one;
};

static inline const wf_dim_node *wf_dim_node_of(const wf_dim *dim) { return (const wf_dim_node *)dim; }
static inline const wf_atom_node *wf_atom_node_of(const wf_atom *atom) { return (const wf_atom_node *)atom; }
static inline uint64_t wf_atom_bit(const wf_atom *atom) { return 1ull << (atom->id & 63); }

// Saturating int64; INT64_MIN and INT64_MAX stand for the infinities in intervals.
int64_t wf_saturating_add(int64_t a, int64_t b);
int64_t wf_saturating_multiply(int64_t a, int64_t b);
int64_t wf_floor_divide(int64_t a, int64_t b);    // b > 0; infinities stay
int64_t wf_ceil_divide(int64_t a, int64_t b);
int64_t wf_gcd(int64_t a, int64_t b);             // of absolute values

// A polynomial being built: terms in any order, merged and consed by wf_poly_finish, which also releases it.
typedef struct wf_poly {
  wf_dims *dims;
  wf_term *terms, small[16];
  int count, capacity;
} wf_poly;
void wf_poly_init(wf_poly *poly, wf_dims *dims);
void wf_poly_add(wf_poly *poly, wf_term term);
void wf_poly_add_dim(wf_poly *poly, const wf_dim *dim, int64_t factor);
const wf_dim *wf_poly_finish(wf_poly *poly);

wf_term wf_term_make(wf_dims *dims, int64_t coefficient, const wf_atom *const *factors, int count);   // factors sorted by id
const wf_dim *wf_dims_cons(wf_dims *dims, const wf_term *terms, int count);   // terms sorted, merged, none zero
int64_t wf_checked_multiply(wf_dims *dims, int64_t a, int64_t b);             // saturates and notes the overflow
wf_term wf_term_multiply(wf_dims *dims, wf_term a, wf_term b);
// a's monomial / b's monomial; the coefficient of the result is a's. False where it does not divide.
bool wf_term_divide(wf_dims *dims, wf_term a, wf_term b, wf_term *out);
wf_term wf_term_gcd(wf_dims *dims, wf_term a, wf_term b);   // common factors, coefficient 1
bool wf_term_same_monomial(wf_term a, wf_term b);
int wf_term_order(const wf_term *a, const wf_term *b);      // graded lexicographic by id, constants last
const wf_dim *wf_dim_of_term(wf_dims *dims, wf_term term);
int64_t wf_dim_constant_part(const wf_dim *dim);
int64_t wf_dim_content(const wf_dim *dim);                  // gcd of all coefficients; 0 for 0

// The floordiv atom as it stands, not simplified.
const wf_atom *wf_atom_floordiv(wf_dims *dims, const wf_dim *numerator, const wf_dim *denominator);
int64_t wf_term_known_divisor(wf_term term);   // of the monomial's value, from symbols' divisors
wf_term wf_term_divide_known(wf_dims *dims, wf_term term, int64_t k);   // the term divided by k, which divides its known divisor

wf_interval wf_atom_range(const wf_atom *atom);
int64_t wf_dim_low(const wf_dim *dim);
int64_t wf_dim_high(const wf_dim *dim);
// +1: dim never falls as atom grows, -1: never rises, 0: does not mention it, 2: unknown.
int wf_dim_direction(const wf_dim *dim, const wf_atom *atom);
#endif
