// The table of dims and the ring operations: constants, atoms, sums, products, substitution, evaluation.
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

static int64_t checked_multiply(wf_dims *dims, int64_t a, int64_t b) {
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

static wf_term make_term(wf_dims *dims, int64_t coefficient, const wf_atom *const *factors, int count) {
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
  int64_t coefficient = checked_multiply(dims, a.coefficient, b.coefficient);
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
  return make_term(dims, coefficient, merged, count);
}

bool wf_term_divide(wf_dims *dims, wf_term a, wf_term b, wf_term *out) {
  const wf_atom *rest[WF_MOST_FACTORS];
  int count = 0, j = 0;
  for (int i = 0; i < a.factor_count; i++) {
    if (j < b.factor_count && a.factors[i] == b.factors[j]) j++;
    else rest[count++] = a.factors[i];
  }
  if (j < b.factor_count) return false;
  *out = make_term(dims, a.coefficient, rest, count);
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
  return make_term(dims, 1, common, count);
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

// terms: sorted, merged, no zeros.
static const wf_dim *cons(wf_dims *dims, const wf_term *terms, int count) {
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
    term.coefficient = checked_multiply(poly->dims, term.coefficient, factor);
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
    poly->terms[i].coefficient = checked_multiply(poly->dims, poly->terms[i].coefficient, scale);
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
  return cons(poly->dims, poly->terms, poly->count);
}

const wf_dim *wf_dim_of_term(wf_dims *dims, wf_term term) {
  wf_poly poly;
  wf_poly_init(&poly, dims);
  wf_poly_add(&poly, term);
  return wf_poly_finish(&poly);
}

// ---- atoms -----------------------------------------------------------------------------------------------------------
wf_dims *wf_dims_create(wf_arena *arena) {
  wf_dims *dims = WF_NEW(arena, wf_dims);
  dims->arena = arena;
  dims->dim_slots = dims->monomial_slots = dims->floordiv_slots = dims->quotient_slots = 256;
  dims->dims = WF_NEW_ARRAY(arena, wf_dim_node *, dims->dim_slots);
  dims->monomials = WF_NEW_ARRAY(arena, const wf_atom *const *, dims->monomial_slots);
  dims->floordivs = WF_NEW_ARRAY(arena, wf_atom_node *, dims->floordiv_slots);
  dims->quotients = WF_NEW_ARRAY(arena, wf_quotient, dims->quotient_slots);
  wf_map_init(&dims->symbols, arena);
  dims->zero = wf_dim_const(dims, 0);
  dims->one = wf_dim_const(dims, 1);
  return dims;
}

static wf_atom_node *new_atom(wf_dims *dims, wf_atom_kind kind, const char *name) {
  wf_atom_node *node = WF_NEW(dims->arena, wf_atom_node);
  node->atom.kind = kind;
  node->atom.id = dims->atom_count++;
  node->atom.name = name ? wf_arena_strdup(dims->arena, name) : NULL;
  node->mask = wf_atom_bit(&node->atom);
  return node;
}

static const wf_dim *wrap_atom(wf_dims *dims, wf_atom_node *node) {
  const wf_atom *factors[1] = {&node->atom};
  wf_term term = make_term(dims, 1, factors, 1);
  return node->atom.as_dim = cons(dims, &term, 1);
}

wf_atom *wf_symbol_atom(wf_dims *dims, const char *name) {
  wf_atom_node *node = wf_map_get(&dims->symbols, name);
  if (!node) {
    node = new_atom(dims, WF_ATOM_SYMBOL, name);
    node->atom.low = 1;
    node->atom.high = INT32_MAX;
    node->atom.divisor = 1;
    wrap_atom(dims, node);
    wf_map_set(&dims->symbols, node->atom.name, node);
  }
  return &node->atom;
}

const wf_dim *wf_dim_symbol(wf_dims *dims, const char *name) { return wf_symbol_atom(dims, name)->as_dim; }

const wf_dim *wf_dim_axis(wf_dims *dims, const char *name, const wf_dim *extent) {
  wf_atom_node *node = new_atom(dims, WF_ATOM_AXIS, name);
  node->atom.extent = extent;
  return wrap_atom(dims, node);
}

static wf_atom_node **find_floordiv(wf_dims *dims, const wf_dim *numerator, const wf_dim *denominator) {
  for (size_t at = numerator->hash ^ denominator->hash * 31;; at++) {
    wf_atom_node **slot = &dims->floordivs[at & (dims->floordiv_slots - 1)];
    if (!*slot || ((*slot)->atom.numerator == numerator && (*slot)->atom.denominator == denominator)) return slot;
  }
}

static void grow_floordivs(wf_dims *dims) {
  wf_atom_node **old = dims->floordivs;
  size_t old_slots = dims->floordiv_slots;
  dims->floordiv_slots *= 2;
  dims->floordivs = WF_NEW_ARRAY(dims->arena, wf_atom_node *, dims->floordiv_slots);
  for (size_t i = 0; i < old_slots; i++)
    if (old[i]) *find_floordiv(dims, old[i]->atom.numerator, old[i]->atom.denominator) = old[i];
}

const wf_atom *wf_atom_floordiv(wf_dims *dims, const wf_dim *numerator, const wf_dim *denominator) {
  wf_atom_node **slot = find_floordiv(dims, numerator, denominator);
  if (*slot) return &(*slot)->atom;
  if (2 * ++dims->floordiv_count > dims->floordiv_slots) {
    grow_floordivs(dims);
    slot = find_floordiv(dims, numerator, denominator);
  }
  wf_atom_node *node = *slot = new_atom(dims, WF_ATOM_FLOORDIV, NULL);
  node->atom.numerator = numerator;
  node->atom.denominator = denominator;
  node->mask |= wf_dim_node_of(numerator)->mask | wf_dim_node_of(denominator)->mask;
  const wf_atom *symbol = wf_dim_as_atom(numerator);
  int64_t by;
  if (symbol && symbol->kind == WF_ATOM_SYMBOL && wf_dim_is_const(denominator, &by) && symbol->divisor % by == 0)
    node->exact = by, dims->has_exact = true;
  wrap_atom(dims, node);
  return &node->atom;
}

// ---- ring operations ---------------------------------------------------------------------------------------------------
const wf_dim *wf_dim_const(wf_dims *dims, int64_t value) {
  wf_term term = {value, 0, NULL};
  return cons(dims, &term, value != 0);
}

static const wf_dim *add_scaled(const wf_dim *a, const wf_dim *b, int64_t factor) {
  wf_poly poly;
  wf_poly_init(&poly, a->owner);
  wf_poly_add_dim(&poly, a, 1);
  wf_poly_add_dim(&poly, b, factor);
  return wf_poly_finish(&poly);
}

const wf_dim *wf_dim_add(const wf_dim *a, const wf_dim *b) {
  if (!a->term_count) return b;
  if (!b->term_count) return a;
  return add_scaled(a, b, 1);
}

const wf_dim *wf_dim_sub(const wf_dim *a, const wf_dim *b) {
  if (a == b) return a->owner->zero;
  return b->term_count ? add_scaled(a, b, -1) : a;
}

const wf_dim *wf_dim_mul(const wf_dim *a, const wf_dim *b) {
  if (a == a->owner->one) return b;
  if (b == b->owner->one) return a;
  wf_poly poly;
  wf_poly_init(&poly, a->owner);
  for (int i = 0; i < a->term_count; i++)
    for (int j = 0; j < b->term_count; j++) wf_poly_add(&poly, wf_term_multiply(a->owner, a->terms[i], b->terms[j]));
  return wf_poly_finish(&poly);
}

const wf_dim *wf_dim_scale(const wf_dim *a, int64_t factor) {
  if (factor == 1) return a;
  return add_scaled(a->owner->zero, a, factor);
}

const wf_dim *wf_dim_offset(const wf_dim *a, int64_t by) {
  if (!by) return a;
  wf_poly poly;
  wf_poly_init(&poly, a->owner);
  wf_poly_add_dim(&poly, a, 1);
  wf_poly_add(&poly, (wf_term){by, 0, NULL});
  return wf_poly_finish(&poly);
}

bool wf_dims_overflowed(const wf_dims *dims) { return dims->overflowed; }

// ---- queries -----------------------------------------------------------------------------------------------------------
bool wf_dim_is_const(const wf_dim *dim, int64_t *out_value) {
  if (dim->term_count > 1 || (dim->term_count == 1 && dim->terms[0].factor_count)) return false;
  if (out_value) *out_value = dim->term_count ? dim->terms[0].coefficient : 0;
  return true;
}

bool wf_dim_equals_const(const wf_dim *dim, int64_t value) {
  int64_t got;
  return wf_dim_is_const(dim, &got) && got == value;
}

const wf_atom *wf_dim_as_atom(const wf_dim *dim) {
  if (dim->term_count != 1 || dim->terms[0].factor_count != 1 || dim->terms[0].coefficient != 1) return NULL;
  return dim->terms[0].factors[0];
}

int64_t wf_dim_constant_part(const wf_dim *dim) {
  if (!dim->term_count) return 0;
  const wf_term *last = &dim->terms[dim->term_count - 1];
  return last->factor_count ? 0 : last->coefficient;
}

int64_t wf_dim_content(const wf_dim *dim) {
  int64_t content = 0;
  for (int i = 0; i < dim->term_count && content != 1; i++) content = wf_gcd(content, dim->terms[i].coefficient);
  return content;
}

bool wf_dim_has_axis(const wf_dim *dim) { return wf_dim_node_of(dim)->has_axis; }
bool wf_dim_has_floordiv(const wf_dim *dim) { return wf_dim_node_of(dim)->has_floordiv; }

static bool atom_mentions(const wf_atom *in, const wf_atom *atom) {
  if (in == atom) return true;
  if (in->kind != WF_ATOM_FLOORDIV || !(wf_atom_node_of(in)->mask & wf_atom_bit(atom))) return false;
  return wf_dim_mentions(in->numerator, atom) || wf_dim_mentions(in->denominator, atom);
}

bool wf_dim_mentions(const wf_dim *dim, const wf_atom *atom) {
  if (!(wf_dim_node_of(dim)->mask & wf_atom_bit(atom))) return false;
  for (int t = 0; t < dim->term_count; t++)
    for (int f = 0; f < dim->terms[t].factor_count; f++)
      if (atom_mentions(dim->terms[t].factors[f], atom)) return true;
  return false;
}

bool wf_dim_split(const wf_dim *dim, const wf_atom *atom, const wf_dim **out_coefficient, const wf_dim **out_rest) {
  wf_poly coefficient, rest;
  wf_poly_init(&coefficient, dim->owner);
  wf_poly_init(&rest, dim->owner);
  for (int t = 0; t < dim->term_count; t++) {
    wf_term term = dim->terms[t];
    int direct = 0;
    for (int f = 0; f < term.factor_count; f++) {
      if (term.factors[f] == atom) direct++;
      else if (atom_mentions(term.factors[f], atom)) return false;
    }
    if (direct > 1) return false;
    if (!direct) wf_poly_add(&rest, term);
    else if (wf_term_divide(dim->owner, term, atom->as_dim->terms[0], &term)) wf_poly_add(&coefficient, term);
  }
  *out_coefficient = wf_poly_finish(&coefficient);
  *out_rest = wf_poly_finish(&rest);
  return true;
}

// ---- substitution ----------------------------------------------------------------------------------------------------
typedef struct rewriting {
  const wf_binding *bindings;
  int binding_count;
  uint64_t mask;
  WF_VEC(wf_binding) memo;   // floordiv atoms done
} rewriting;

static const wf_dim *rewrite_dim(rewriting *r, const wf_dim *dim);

static const wf_dim *rewrite_atom(rewriting *r, const wf_atom *atom) {
  if (!(wf_atom_node_of(atom)->mask & r->mask)) return atom->as_dim;
  for (int i = 0; i < r->binding_count; i++)
    if (r->bindings[i].atom == atom) return r->bindings[i].value;
  if (atom->kind != WF_ATOM_FLOORDIV) return atom->as_dim;
  for (int i = 0; i < r->memo.count; i++)
    if (r->memo.items[i].atom == atom) return r->memo.items[i].value;
  const wf_dim *numerator = rewrite_dim(r, atom->numerator), *denominator = rewrite_dim(r, atom->denominator);
  const wf_dim *value = wf_dim_floordiv(numerator, denominator);
  wf_binding done = {atom, value};
  wf_vec_push(value->owner->arena, &r->memo, done);
  return value;
}

static const wf_dim *rewrite_dim(rewriting *r, const wf_dim *dim) {
  if (!(wf_dim_node_of(dim)->mask & r->mask)) return dim;
  wf_poly sum;
  wf_poly_init(&sum, dim->owner);
  for (int t = 0; t < dim->term_count; t++) {
    const wf_dim *product = NULL;
    wf_term kept = {dim->terms[t].coefficient, 0, NULL};
    for (int f = 0; f < dim->terms[t].factor_count; f++) {
      const wf_atom *atom = dim->terms[t].factors[f];
      const wf_dim *value = rewrite_atom(r, atom);
      if (value == atom->as_dim) kept = wf_term_multiply(dim->owner, kept, atom->as_dim->terms[0]);
      else product = product ? wf_dim_mul(product, value) : value;
    }
    if (!product) wf_poly_add(&sum, kept);
    else for (int i = 0; i < product->term_count; i++) wf_poly_add(&sum, wf_term_multiply(dim->owner, kept, product->terms[i]));
  }
  return wf_poly_finish(&sum);
}

const wf_dim *wf_dim_substitute(const wf_dim *dim, const wf_binding *bindings, int count) {
  rewriting r = {bindings, count, 0, {0}};
  for (int i = 0; i < count; i++) r.mask |= wf_atom_bit(bindings[i].atom);
  return rewrite_dim(&r, dim);
}

// ---- evaluation, collection, order -----------------------------------------------------------------------------------
static int64_t eval_atom(const wf_atom *atom, wf_atom_value value, void *context) {
  if (atom->kind != WF_ATOM_FLOORDIV) return value(context, atom);
  int64_t denominator = wf_dim_eval(atom->denominator, value, context);
  return denominator > 0 ? wf_floor_divide(wf_dim_eval(atom->numerator, value, context), denominator) : 0;
}

// Products and sums wrap in the unlikely case that they leave int64.
int64_t wf_dim_eval(const wf_dim *dim, wf_atom_value value, void *context) {
  uint64_t sum = 0;
  for (int t = 0; t < dim->term_count; t++) {
    uint64_t product = (uint64_t)dim->terms[t].coefficient;
    for (int f = 0; f < dim->terms[t].factor_count; f++)
      product *= (uint64_t)eval_atom(dim->terms[t].factors[f], value, context);
    sum += product;
  }
  return (int64_t)sum;
}

static void collect_atom(const wf_atom *atom, wf_arena *arena, const wf_atom ***atoms, int *count) {
  if (atom->kind == WF_ATOM_FLOORDIV) {
    wf_dim_collect(atom->numerator, arena, atoms, count);
    wf_dim_collect(atom->denominator, arena, atoms, count);
    return;
  }
  for (int i = 0; i < *count; i++)
    if ((*atoms)[i] == atom) return;
  if ((*count & (*count - 1)) == 0) {   // the capacity is the least power of two that holds count
    int capacity = *count ? 2 * *count : 1;
    const wf_atom **grown = WF_NEW_ARRAY(arena, const wf_atom *, capacity);
    if (*count) memcpy(grown, *atoms, (size_t)*count * sizeof *grown);
    *atoms = grown;
  }
  (*atoms)[(*count)++] = atom;
}

void wf_dim_collect(const wf_dim *dim, wf_arena *arena, const wf_atom ***out_atoms, int *out_count) {
  for (int t = 0; t < dim->term_count; t++)
    for (int f = 0; f < dim->terms[t].factor_count; f++) collect_atom(dim->terms[t].factors[f], arena, out_atoms, out_count);
}

static int compare_atoms(const wf_atom *a, const wf_atom *b) {
  if (a == b) return 0;
  if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
  if (a->kind == WF_ATOM_FLOORDIV) {
    int order = wf_dim_compare(a->numerator, b->numerator);
    return order ? order : wf_dim_compare(a->denominator, b->denominator);
  }
  int order = strcmp(a->name, b->name);
  return order ? order : a->id < b->id ? -1 : 1;
}

int wf_dim_compare(const wf_dim *a, const wf_dim *b) {
  if (a == b) return 0;
  for (int t = 0; t < a->term_count && t < b->term_count; t++) {
    const wf_term *x = &a->terms[t], *y = &b->terms[t];
    if (x->factor_count != y->factor_count) return x->factor_count < y->factor_count ? -1 : 1;
    for (int f = 0; f < x->factor_count; f++) {
      int order = compare_atoms(x->factors[f], y->factors[f]);
      if (order) return order;
    }
    if (x->coefficient != y->coefficient) return x->coefficient < y->coefficient ? -1 : 1;
  }
  return a->term_count - b->term_count;
}
