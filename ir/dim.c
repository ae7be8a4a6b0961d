// Atoms and the ring operations: constants, sums, products, queries, substitution, evaluation, order.
#include "ir/dim_internal.h"

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
  wf_term term = wf_term_make(dims, 1, factors, 1);
  return node->atom.as_dim = wf_dims_cons(dims, &term, 1);
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
  return wf_dims_cons(dims, &term, value != 0);
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
