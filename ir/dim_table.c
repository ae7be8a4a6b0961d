// The table of dims: saturating integers, interned monomials, consed polynomials and their normal form.
#include "ir/dim_internal.h"
#include <stdlib.h>

// ---- saturating integers -----------------------------------------------------------------------------------------------
int64_t wf_saturating_add(int64_t a, int64_t b) {
  int64_t sum;
  if (a == INT64_MIN || a == INT64_MAX) return a;
  if (b == INT64_MIN || b == INT64_MAX) return b;
  return __builtin_add_overflow(a, b, &sum) ? (a < 0 ? INT64_MIN : INT64_MAX) : sum;
}

int64_t wf_saturating_multiply(int64_t a, int64_t b) {
  int64_t product;
  if (a == 0 || b == 0) return 0;
  if (a == INT64_MIN || a == INT64_MAX || b == INT64_MIN || b == INT64_MAX || __builtin_mul_overflow(a, b, &product))
    return (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
  return product;
}

int64_t wf_floor_divide(int64_t a, int64_t b) {
  if (a == INT64_MIN || a == INT64_MAX) return a;
  return a / b - (a % b < 0);
}

int64_t wf_ceil_divide(int64_t a, int64_t b) {
  if (a == INT64_MIN || a == INT64_MAX) return a;
  return a / b + (a % b > 0);
}

int64_t wf_gcd(int64_t a, int64_t b) {
  uint64_t x = a < 0 ? 0 - (uint64_t)a : (uint64_t)a, y = b < 0 ? 0 - (uint64_t)b : (uint64_t)b;
  while (y) {
    uint64_t rest = x % y;
    x = y;
    y = rest;
  }
  return x > INT64_MAX ? INT64_MAX : (int64_t)x;
}

static int64_t checked_add(wf_dims *dims, int64_t a, int64_t b) {
  int64_t sum;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  dims->overflowed = true;
  return a < 0 ? INT64_MIN : INT64_MAX;
}

int64_t wf_checked_multiply(wf_dims *dims, int64_t a, int64_t b) {
  int64_t product;
  if (!__builtin_mul_overflow(a, b, &product)) return product;
  dims->overflowed = true;
  return (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
}

// ---- monomials: interned, so that equal ones are one pointer -----------------------------------------------------------
static uint64_t hash_factors(const wf_atom *const *factors, int count) {
  uint64_t h = 0x51ed270b;
  for (int i = 0; i < count; i++) h = (h ^ (uint64_t)factors[i]->id) * 0x9e3779b97f4a7c15ull, h ^= h >> 29;
  return h;
}

static bool same_factors(const wf_atom *const *entry, const wf_atom *const *factors, int count) {
  for (int i = 0; i < count; i++)
    if (entry[i] != factors[i]) return false;
  return entry[count] == NULL;
}

static const wf_atom *const **find_monomial(wf_dims *dims, const wf_atom *const *factors, int count) {
  for (size_t at = hash_factors(factors, count);; at++) {
    const wf_atom *const **slot = &dims->monomials[at & (dims->monomial_slots - 1)];
    if (!*slot || same_factors(*slot, factors, count)) return slot;
  }
}

static int factor_count(const wf_atom *const *factors) {
  int count = 0;
  while (factors[count]) count++;
  return count;
}

static void grow_monomials(wf_dims *dims) {
  const wf_atom *const **old = dims->monomials;
  size_t old_slots = dims->monomial_slots;
  dims->monomial_slots *= 2;
  dims->monomials = WF_NEW_ARRAY(dims->arena, const wf_atom *const *, dims->monomial_slots);
  for (size_t i = 0; i < old_slots; i++)
    if (old[i]) *find_monomial(dims, old[i], factor_count(old[i])) = old[i];
}

wf_term wf_term_make(wf_dims *dims, int64_t coefficient, const wf_atom *const *factors, int count) {
  if (!count) return (wf_term){coefficient, 0, NULL};
  const wf_atom *const **slot = find_monomial(dims, factors, count);
  if (!*slot) {
    if (2 * ++dims->monomial_count > dims->monomial_slots) {
      grow_monomials(dims);
      slot = find_monomial(dims, factors, count);
    }
    const wf_atom **copy = WF_NEW_ARRAY(dims->arena, const wf_atom *, count + 1);
    memcpy(copy, factors, (size_t)count * sizeof *copy);
    *slot = copy;
  }
  return (wf_term){coefficient, count, *slot};
}

bool wf_term_same_monomial(wf_term a, wf_term b) { return a.factors == b.factors; }

wf_term wf_term_multiply(wf_dims *dims, wf_term a, wf_term b) {
  int64_t coefficient = wf_checked_multiply(dims, a.coefficient, b.coefficient);
  if (!a.factor_count) return (wf_term){coefficient, b.factor_count, b.factors};
  if (!b.factor_count) return (wf_term){coefficient, a.factor_count, a.factors};
  if (a.factor_count + b.factor_count > WF_MOST_FACTORS) {
    dims->overflowed = true;
    return (wf_term){INT64_MAX, 0, NULL};
  }
  const wf_atom *merged[WF_MOST_FACTORS];
  int count = 0, i = 0, j = 0;
  while (i < a.factor_count || j < b.factor_count) {
    bool left = j == b.factor_count || (i < a.factor_count && a.factors[i]->id <= b.factors[j]->id);
    merged[count++] = left ? a.factors[i++] : b.factors[j++];
  }
  return wf_term_make(dims, coefficient, merged, count);
}

bool wf_term_divide(wf_dims *dims, wf_term a, wf_term b, wf_term *out) {
  const wf_atom *rest[WF_MOST_FACTORS];
  int count = 0, j = 0;
  for (int i = 0; i < a.factor_count; i++) {
    if (j < b.factor_count && a.factors[i] == b.factors[j]) j++;
    else rest[count++] = a.factors[i];
  }
  if (j < b.factor_count) return false;
  *out = wf_term_make(dims, a.coefficient, rest, count);
  return true;
}

wf_term wf_term_gcd(wf_dims *dims, wf_term a, wf_term b) {
  const wf_atom *common[WF_MOST_FACTORS];
  int count = 0;
  for (int i = 0, j = 0; i < a.factor_count && j < b.factor_count;) {
    if (a.factors[i] == b.factors[j]) common[count++] = a.factors[i], i++, j++;
    else if (a.factors[i]->id < b.factors[j]->id) i++;
    else j++;
  }
  return wf_term_make(dims, 1, common, count);
}

int wf_term_order(const wf_term *a, const wf_term *b) {
  if (a->factors == b->factors) return 0;
  if (a->factor_count != b->factor_count) return b->factor_count - a->factor_count;
  for (int i = 0; i < a->factor_count; i++)
    if (a->factors[i] != b->factors[i]) return a->factors[i]->id < b->factors[i]->id ? -1 : 1;
  return 0;
}

// ---- the table of dims ---------------------------------------------------------------------------------------------------
static uint64_t hash_terms(const wf_term *terms, int count) {
  uint64_t h = (uint64_t)count;
  for (int i = 0; i < count; i++) {
    h = (h ^ (uint64_t)terms[i].coefficient) * 0xff51afd7ed558ccdull;
    h = (h ^ h >> 31 ^ hash_factors(terms[i].factors, terms[i].factor_count)) * 0xc4ceb9fe1a85ec53ull;
  }
  return h ^ h >> 33;
}

static bool same_terms(const wf_dim *dim, const wf_term *terms, int count) {
  if (dim->term_count != count) return false;
  for (int i = 0; i < count; i++)
    if (dim->terms[i].factors != terms[i].factors || dim->terms[i].coefficient != terms[i].coefficient) return false;
  return true;
}

static wf_dim_node **find_dim(wf_dims *dims, const wf_term *terms, int count, uint64_t hash) {
  for (size_t at = hash;; at++) {
    wf_dim_node **slot = &dims->dims[at & (dims->dim_slots - 1)];
    if (!*slot || ((*slot)->dim.hash == hash && same_terms(&(*slot)->dim, terms, count))) return slot;
  }
}

static void grow_dims(wf_dims *dims) {
  wf_dim_node **old = dims->dims;
  size_t old_slots = dims->dim_slots;
  dims->dim_slots *= 2;
  dims->dims = WF_NEW_ARRAY(dims->arena, wf_dim_node *, dims->dim_slots);
  for (size_t i = 0; i < old_slots; i++)
    if (old[i]) *find_dim(dims, old[i]->dim.terms, old[i]->dim.term_count, old[i]->dim.hash) = old[i];
}

static void note_atoms(wf_dim_node *node) {
  for (int t = 0; t < node->dim.term_count; t++)
    for (int f = 0; f < node->dim.terms[t].factor_count; f++) {
      const wf_atom *atom = node->dim.terms[t].factors[f];
      node->mask |= wf_atom_node_of(atom)->mask;
      if (atom->kind == WF_ATOM_AXIS) node->has_axis = true;
      if (atom->kind != WF_ATOM_FLOORDIV) continue;
      node->has_floordiv = true;
      node->has_axis |= wf_dim_node_of(atom->numerator)->has_axis || wf_dim_node_of(atom->denominator)->has_axis;
    }
}

const wf_dim *wf_dims_cons(wf_dims *dims, const wf_term *terms, int count) {
  uint64_t hash = hash_terms(terms, count);
  wf_dim_node **slot = find_dim(dims, terms, count, hash);
  if (*slot) return &(*slot)->dim;
  if (2 * ++dims->dim_count > dims->dim_slots) {
    grow_dims(dims);
    slot = find_dim(dims, terms, count, hash);
  }
  wf_dim_node *node = WF_NEW(dims->arena, wf_dim_node);
  wf_term *copy = WF_NEW_ARRAY(dims->arena, wf_term, count);
  if (count) memcpy(copy, terms, (size_t)count * sizeof *copy);
  node->dim = (wf_dim){dims, count, copy, hash};
  note_atoms(node);
  *slot = node;
  return &node->dim;
}

// ---- building polynomials ------------------------------------------------------------------------------------------------
void wf_poly_init(wf_poly *poly, wf_dims *dims) {
  poly->dims = dims;
  poly->terms = poly->small;
  poly->count = 0;
  poly->capacity = (int)(sizeof poly->small / sizeof *poly->small);
}

static void poly_grow(wf_poly *poly) {
  poly->capacity *= 2;
  wf_term *grown = WF_NEW_ARRAY(poly->dims->arena, wf_term, poly->capacity);
  memcpy(grown, poly->terms, (size_t)poly->count * sizeof *grown);
  poly->terms = grown;
}

static int order_terms(const void *a, const void *b) { return wf_term_order(a, b); }

static void sort_and_merge(wf_poly *poly) {
  wf_term *terms = poly->terms;
  bool sorted = true;
  for (int i = 1; sorted && i < poly->count; i++) sorted = wf_term_order(&terms[i - 1], &terms[i]) < 0;
  if (!sorted) qsort(terms, (size_t)poly->count, sizeof *terms, order_terms);
  int kept = 0;
  for (int i = 0; i < poly->count;) {
    wf_term sum = terms[i++];
    while (i < poly->count && wf_term_same_monomial(terms[i], sum))
      sum.coefficient = checked_add(poly->dims, sum.coefficient, terms[i++].coefficient);
    if (sum.coefficient) terms[kept++] = sum;
  }
  poly->count = kept;
}

void wf_poly_add(wf_poly *poly, wf_term term) {
  if (!term.coefficient) return;
  if (poly->count == poly->capacity) {
    sort_and_merge(poly);
    if (poly->count == WF_MOST_TERMS) {
      poly->dims->overflowed = true;
      return;
    }
    if (poly->count > poly->capacity / 2) poly_grow(poly);
  }
  poly->terms[poly->count++] = term;
}

void wf_poly_add_dim(wf_poly *poly, const wf_dim *dim, int64_t factor) {
  for (int i = 0; i < dim->term_count; i++) {
    wf_term term = dim->terms[i];
    term.coefficient = wf_checked_multiply(poly->dims, term.coefficient, factor);
    wf_poly_add(poly, term);
  }
}

static int64_t exact_product(wf_term term) {
  int64_t product = 1;
  for (int i = 0; i < term.factor_count; i++) {
    int64_t by = wf_atom_node_of(term.factors[i])->exact;
    if (by) product = wf_saturating_multiply(product, by);
  }
  return product;
}

// The term with each exact n//k replaced by n: k times its value.
static wf_term without_exact(wf_dims *dims, wf_term term) {
  wf_term base = {term.coefficient, 0, NULL};
  for (int i = 0; i < term.factor_count; i++) {
    const wf_atom *atom = term.factors[i];
    const wf_dim *value = wf_atom_node_of(atom)->exact ? atom->numerator : atom->as_dim;
    base = wf_term_multiply(dims, base, value->terms[0]);
  }
  return base;
}

// Exact quotients (n//2 where 2 divides n) are rational multiples of n: over a common denominator the terms of one base
// merge, and each base gets back one term r*(n//d), r and d coprime. So n//2 + n//2 is n, whatever the way to it.
static void merge_exact(wf_poly *poly) {
  int64_t common = 1;
  for (int i = 0; i < poly->count; i++) {
    int64_t by = exact_product(poly->terms[i]);
    common = wf_saturating_multiply(common, by / wf_gcd(common, by));
  }
  if (common == 1) return;
  for (int i = 0; i < poly->count; i++) {
    int64_t scale = common / exact_product(poly->terms[i]);
    poly->terms[i] = without_exact(poly->dims, poly->terms[i]);
    poly->terms[i].coefficient = wf_checked_multiply(poly->dims, poly->terms[i].coefficient, scale);
  }
  sort_and_merge(poly);
  wf_poly merged;
  wf_poly_init(&merged, poly->dims);
  for (int i = 0; i < poly->count; i++) {
    wf_term term = poly->terms[i];
    int64_t shared = wf_gcd(term.coefficient, common);
    term.coefficient /= shared;
    wf_poly_add(&merged, shared == common ? term : wf_term_divide_known(poly->dims, term, common / shared));
  }
  sort_and_merge(&merged);
  poly->count = 0;
  for (int i = 0; i < merged.count; i++) wf_poly_add(poly, merged.terms[i]);
}

const wf_dim *wf_poly_finish(wf_poly *poly) {
  sort_and_merge(poly);
  if (poly->dims->has_exact) merge_exact(poly);
  return wf_dims_cons(poly->dims, poly->terms, poly->count);
}

const wf_dim *wf_dim_of_term(wf_dims *dims, wf_term term) {
  wf_poly poly;
  wf_poly_init(&poly, dims);
  wf_poly_add(&poly, term);
  return wf_poly_finish(&poly);
}
