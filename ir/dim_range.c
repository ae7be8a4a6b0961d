// Bounds: constant ones by interval arithmetic on the normal form, symbolic ones over chosen axes.
//
// The lower bound of a dim is the best of its plain interval and of what these steps leave, each sound by itself:
//   an axis that the dim only rises (falls) with takes its least (greatest) value, which may be symbolic;
//   a quotient e//d whose numerator meets the rest of the dim, or whose d does, is written (e - m)/d with 0 <= m <= d-1;
//   a symbol that the dim only rises (falls) with takes its least (greatest) value.
#include "ir/dim_internal.h"

static wf_interval multiply_intervals(wf_interval a, wf_interval b) {
  int64_t products[4] = {wf_saturating_multiply(a.low, b.low), wf_saturating_multiply(a.low, b.high),
                         wf_saturating_multiply(a.high, b.low), wf_saturating_multiply(a.high, b.high)};
  wf_interval result = {products[0], products[0]};
  for (int i = 1; i < 4; i++) {
    if (products[i] < result.low) result.low = products[i];
    if (products[i] > result.high) result.high = products[i];
  }
  return result;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t greatest(int64_t a, int64_t b) { return a > b ? a : b; }

static wf_interval floordiv_range(const wf_atom *atom) {
  int64_t low = wf_dim_low(atom->numerator), high = wf_dim_high(atom->numerator);
  int64_t d = greatest(wf_dim_low(atom->denominator), 1), D = greatest(wf_dim_high(atom->denominator), d);
  return (wf_interval){least(wf_floor_divide(low, d), wf_floor_divide(low, D)),
                       greatest(wf_floor_divide(high, d), wf_floor_divide(high, D))};
}

wf_interval wf_atom_range(const wf_atom *atom) {
  switch (atom->kind) {
    case WF_ATOM_SYMBOL:
      return (wf_interval){wf_ceil_divide(atom->low, atom->divisor) * atom->divisor,
                           wf_floor_divide(atom->high, atom->divisor) * atom->divisor};
    case WF_ATOM_AXIS: return (wf_interval){0, greatest(wf_saturating_add(wf_dim_high(atom->extent), -1), 0)};
    case WF_ATOM_FLOORDIV: break;
  }
  return floordiv_range(atom);
}

static wf_interval factors_range(wf_term term) {
  wf_interval product = {term.coefficient, term.coefficient};
  for (int f = 0; f < term.factor_count; f++) product = multiply_intervals(product, wf_atom_range(term.factors[f]));
  return product;
}

static int64_t plain_low(const wf_dim *dim) {
  int64_t sum = 0;
  for (int t = 0; t < dim->term_count; t++) {
    int64_t low = factors_range(dim->terms[t]).low;
    if (low == INT64_MIN) return low;
    sum = wf_saturating_add(sum, low);
  }
  return sum;
}

// Linear in independent atoms: the plain interval is exact.
static bool is_simple(const wf_dim *dim) {
  for (int t = 0; t < dim->term_count; t++) {
    if (dim->terms[t].factor_count > 1) return false;
    if (!dim->terms[t].factor_count) continue;
    const wf_atom *atom = dim->terms[t].factors[0];
    if (atom->kind == WF_ATOM_FLOORDIV || (atom->kind == WF_ATOM_AXIS && !wf_dim_is_const(atom->extent, NULL))) return false;
  }
  return true;
}

// ---- directions --------------------------------------------------------------------------------------------------------
static int sign_of(wf_interval range) { return range.low >= 0 ? 1 : range.high <= 0 ? -1 : 2; }

static int join(int a, int b) { return a == 0 || a == b ? b : b == 0 ? a : 2; }

// Of one term that mentions the atom inside a quotient or more than once.
static int term_direction(wf_term term, const wf_atom *atom) {
  int direction = 0;
  wf_interval others = {term.coefficient, term.coefficient};
  for (int f = 0; f < term.factor_count; f++) {
    const wf_atom *factor = term.factors[f];
    if (!wf_dim_mentions(factor->as_dim, atom)) {
      others = multiply_intervals(others, wf_atom_range(factor));
      continue;
    }
    bool repeated = factor == atom && direction == 1 && f > 0 && term.factors[f - 1] == atom;
    if (direction && !repeated) return 2;
    if (factor == atom) direction = 1;
    else if (wf_dim_mentions(factor->denominator, atom)) return 2;
    else direction = wf_dim_direction(factor->numerator, atom);
    if (direction == 2) return 2;
  }
  int sign = sign_of(others);
  return sign == 2 ? 2 : direction * sign;
}

int wf_dim_direction(const wf_dim *dim, const wf_atom *atom) {
  if (!wf_dim_mentions(dim, atom)) return 0;
  wf_dims *dims = dim->owner;
  int direction = 0;
  wf_poly coefficient;
  wf_poly_init(&coefficient, dims);
  for (int t = 0; t < dim->term_count && direction != 2; t++) {
    wf_term rest;
    bool direct = wf_term_divide(dims, dim->terms[t], atom->as_dim->terms[0], &rest);
    if (direct && !wf_dim_mentions(wf_dim_of_term(dims, rest), atom)) wf_poly_add(&coefficient, rest);
    else direction = join(direction, term_direction(dim->terms[t], atom));
  }
  const wf_dim *slope = wf_poly_finish(&coefficient);
  if (direction == 2 || !slope->term_count) return direction;
  if (wf_dim_low(slope) >= 0) return join(direction, 1);
  return wf_dim_high(slope) <= 0 ? join(direction, -1) : 2;
}

// ---- elimination -------------------------------------------------------------------------------------------------------
enum { MOST_ATOMS = 48 };
typedef struct atom_list { const wf_atom *items[MOST_ATOMS]; int count; } atom_list;

static void list_atoms(const wf_dim *dim, atom_list *list) {
  for (int t = 0; t < dim->term_count; t++)
    for (int f = 0; f < dim->terms[t].factor_count; f++) {
      const wf_atom *atom = dim->terms[t].factors[f];
      bool known = false;
      for (int i = 0; i < list->count && !known; i++) known = list->items[i] == atom;
      if (known || list->count == MOST_ATOMS) continue;
      list->items[list->count++] = atom;
      if (atom->kind != WF_ATOM_FLOORDIV) continue;
      list_atoms(atom->numerator, list);
      list_atoms(atom->denominator, list);
    }
}

static const wf_dim *extreme_of(wf_dims *dims, const wf_atom *atom, bool low) {
  if (atom->kind == WF_ATOM_AXIS) return low ? dims->zero : wf_dim_offset(atom->extent, -1);
  wf_interval range = wf_atom_range(atom);
  return wf_dim_const(dims, low ? range.low : range.high);
}

static const wf_dim *at_extreme(const wf_dim *dim, const wf_atom *atom, int direction) {
  wf_binding binding = {atom, extreme_of(dim->owner, atom, direction > 0)};
  return wf_dim_substitute(dim, &binding, 1);
}

// The youngest atom of that kind with a known direction: extents are older than their axes, so no axis comes back.
static const wf_dim *eliminate_monotone(const wf_dim *dim, const atom_list *list, wf_atom_kind kind) {
  const wf_atom *best = NULL;
  int best_direction = 2;
  for (int i = 0; i < list->count; i++) {
    const wf_atom *atom = list->items[i];
    if (atom->kind != kind || (best && atom->id < best->id)) continue;
    int direction = wf_dim_direction(dim, atom);
    if (direction == 2 || direction == 0) continue;
    best = atom;
    best_direction = direction;
  }
  return best ? at_extreme(dim, best, best_direction) : NULL;
}

// A quotient written with its remainder: dim * scale >= bound at every point.
typedef struct elimination { const wf_dim *bound; int64_t scale; } elimination;

// dim = slope*(e//d) + rest. exact: d divides slope, so nothing is lost but m's ties to other atoms.
static bool eliminate_quotient(const wf_dim *dim, const wf_atom *atom, bool exact, elimination *out) {
  const wf_dim *slope, *rest;
  if (!wf_dim_split(dim, atom, &slope, &rest)) return false;
  const wf_dim *by = atom->denominator, *q = exact ? wf_dim_exact_div(slope, by) : slope;
  int64_t scale = 1;
  if (!q || (!exact && !wf_dim_is_const(by, &scale))) return false;
  wf_dim_is_const(by, &scale);
  if (exact) scale = 1;
  bool rises = wf_dim_low(q) >= 0;
  if (!rises && wf_dim_high(q) > 0) return false;
  const wf_dim *bound = wf_dim_add(wf_dim_scale(rest, scale), wf_dim_mul(q, atom->numerator));
  if (rises) bound = wf_dim_sub(bound, wf_dim_mul(q, wf_dim_offset(by, -1)));
  *out = (elimination){bound, scale};
  return true;
}

// Does the numerator share an atom with the rest of the dim?
static bool is_tied(const wf_dim *dim, const wf_atom *atom) {
  uint64_t mask = wf_dim_node_of(atom->numerator)->mask;
  for (int t = 0; t < dim->term_count; t++)
    for (int f = 0; f < dim->terms[t].factor_count; f++)
      if (dim->terms[t].factors[f] != atom && (wf_atom_node_of(dim->terms[t].factors[f])->mask & mask)) return true;
  return false;
}

static bool eliminate_tied(const wf_dim *dim, const atom_list *list, elimination *out) {
  for (int exact = 1; exact >= 0; exact--)
    for (int i = list->count - 1; i >= 0; i--) {
      const wf_atom *atom = list->items[i];
      if (atom->kind != WF_ATOM_FLOORDIV || !(is_tied(dim, atom) || (exact && !wf_dim_is_const(atom->denominator, NULL)))) continue;
      if (eliminate_quotient(dim, atom, exact, out)) return true;
    }
  return false;
}

static int64_t improved_low(const wf_dim *dim) {
  atom_list list = {.count = 0};
  list_atoms(dim, &list);
  const wf_dim *next = eliminate_monotone(dim, &list, WF_ATOM_AXIS);
  if (next) return wf_dim_low(next);
  elimination e;
  if (eliminate_tied(dim, &list, &e)) return wf_ceil_divide(wf_dim_low(e.bound), e.scale);
  next = eliminate_monotone(dim, &list, WF_ATOM_SYMBOL);
  return next ? wf_dim_low(next) : INT64_MIN;
}

int64_t wf_dim_low(const wf_dim *dim) {
  wf_dim_node *node = (wf_dim_node *)dim;
  wf_dims *dims = dim->owner;
  if (node->has_low) return node->low;
  int64_t best = plain_low(dim);
  if (dims->nesting >= WF_MOST_NESTING) return best;
  node->low = best;            // also what a cycle sees
  node->has_low = true;
  if (is_simple(dim)) return best;
  bool overflowed = dims->overflowed;
  dims->overflowed = false;
  dims->nesting++;
  int64_t better = improved_low(dim);
  dims->nesting--;
  if (!dims->overflowed && better > best) node->low = better;   // saturated polynomials prove nothing
  dims->overflowed = overflowed;
  return node->low;
}

int64_t wf_dim_high(const wf_dim *dim) {
  wf_dim_node *node = (wf_dim_node *)dim;
  if (!node->has_high) {
    int64_t low = wf_dim_low(wf_dim_scale(dim, -1));
    node->high = low == INT64_MIN ? INT64_MAX : low == INT64_MAX ? INT64_MIN : -low;
    node->has_high = dim->owner->nesting < WF_MOST_NESTING;
  }
  return node->high;
}

void wf_dims_forget_bounds(wf_dims *dims) {
  for (size_t i = 0; i < dims->dim_slots; i++)
    if (dims->dims[i]) dims->dims[i]->has_low = dims->dims[i]->has_high = false;
}

wf_interval wf_dim_range(const wf_dim *dim) { return (wf_interval){wf_dim_low(dim), wf_dim_high(dim)}; }

// ---- symbolic bounds ---------------------------------------------------------------------------------------------------
static const wf_atom *youngest_mentioned(const wf_dim *dim, const wf_atom *const *axes, int count, int below) {
  const wf_atom *found = NULL;
  for (int i = 0; i < count; i++)
    if (axes[i]->id < below && (!found || axes[i]->id > found->id) && wf_dim_mentions(dim, axes[i])) found = axes[i];
  return found;
}

static const wf_dim *untie(const wf_dim *dim, const wf_atom *axis) {
  atom_list list = {.count = 0};
  elimination e;
  list_atoms(dim, &list);
  for (int i = list.count - 1; i >= 0; i--) {
    const wf_atom *atom = list.items[i];
    if (atom->kind == WF_ATOM_FLOORDIV && wf_dim_mentions(atom->numerator, axis) && eliminate_quotient(dim, atom, true, &e))
      return e.bound;
  }
  return NULL;
}

// One step: the youngest axis with a known direction goes; where none has one, a digit becomes its bound.
static const wf_dim *minimum_step(const wf_dim *dim, const wf_atom *const *axes, int count) {
  const wf_atom *axis;
  for (int below = INT32_MAX; (axis = youngest_mentioned(dim, axes, count, below)); below = axis->id) {
    int direction = wf_dim_direction(dim, axis);
    if (direction != 2) return at_extreme(dim, axis, direction);
  }
  for (int below = INT32_MAX; (axis = youngest_mentioned(dim, axes, count, below)); below = axis->id) {
    const wf_dim *next = untie(dim, axis);
    if (next) return next;
  }
  return NULL;
}

const wf_dim *wf_dim_minimum(const wf_dim *dim, const wf_atom *const *axes, int count) {
  for (int step = 0; dim && youngest_mentioned(dim, axes, count, INT32_MAX); step++)
    dim = step < 4 * count + 64 ? minimum_step(dim, axes, count) : NULL;
  return dim;
}

const wf_dim *wf_dim_maximum(const wf_dim *dim, const wf_atom *const *axes, int count) {
  const wf_dim *negated = wf_dim_minimum(wf_dim_scale(dim, -1), axes, count);
  return negated ? wf_dim_scale(negated, -1) : NULL;
}
