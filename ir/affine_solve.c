// Solving one linear equation c_1*u_1 + ... + c_n*u_n = Q in integers over a box, each solution once.
//
// First digits are read off: where the other terms stay within a window of |c| values from L on, u = (Q - L)//c (mixed radix).
// For what is left, one row of the Hermite normal form: in a chosen order, u_k must be right modulo m = g'/g, with g' the gcd
// of the coefficients still to come and g that with c_k:  u_k = (Q/g * inverse(c_k/g)) mod m + m*j  with a new free j; the
// last one, the pivot, is what remains. For two unknowns it is the formula of a window with stride and dilation.
#include "ir/affine_internal.h"

enum { MOST_TERMS = 16, MOST_ORDERED = 5 };

typedef struct linear {
  const wf_atom *axes[MOST_TERMS];
  const wf_dim *coefficients[MOST_TERMS];
  int count;
  const wf_dim *right;       // Q
} linear;

static bool split_off(linear *l, const wf_dim *equation, const wf_atom *axis) {
  const wf_dim *coefficient, *rest;
  if (l->count == MOST_TERMS || !wf_dim_split(equation, axis, &coefficient, &rest)) return false;
  l->axes[l->count] = axis;
  l->coefficients[l->count++] = coefficient;
  return true;
}

// The equation in all live unknowns; false where it is not linear with coefficients free of them.
static bool read_linear(const wf_system *system, const wf_dim *equation, linear *out) {
  const wf_dim *right = equation;
  *out = (linear){.count = 0};
  for (int i = 0; i < system->unknowns.count; i++) {
    const wf_unknown *unknown = &system->unknowns.items[i];
    if (unknown->value || !wf_dim_mentions(equation, unknown->axis)) continue;
    if (!split_off(out, equation, unknown->axis)) return false;
    const wf_dim *coefficient = out->coefficients[out->count - 1];
    if (wf_system_mentions_live(system, coefficient)) return false;
    right = wf_dim_sub(right, wf_dim_mul(coefficient, unknown->axis->as_dim));
  }
  out->right = wf_dim_scale(right, -1);
  return true;
}

// ---- digits --------------------------------------------------------------------------------------------------------------
// +1 or -1; 0 where the sign is unknown.
static int sign_of(const wf_dim *dim) {
  wf_interval range = wf_dim_range(dim);
  return range.low >= 1 ? 1 : range.high <= -1 ? -1 : 0;
}

static bool read_digit(wf_system *system, const wf_dim *equation, const linear *l, int at) {
  const wf_dim *rest = wf_dim_add(equation, l->right);
  int sign = sign_of(l->coefficients[at]);
  rest = wf_dim_sub(rest, wf_dim_mul(l->coefficients[at], l->axes[at]->as_dim));
  const wf_dim *low = wf_dim_minimum(rest, l->axes, l->count), *high = wf_dim_maximum(rest, l->axes, l->count);
  if (!sign || !low || !high) return false;
  const wf_dim *size = wf_dim_scale(l->coefficients[at], sign);
  const wf_dim *slack = wf_dim_sub(wf_dim_offset(size, -1), wf_dim_sub(high, low));
  if (wf_dim_range(slack).low < 0) return false;
  wf_system_assign(system, l->axes[at], wf_dim_scale(wf_dim_floordiv(wf_dim_sub(l->right, low), size), sign));
  return true;
}

static bool read_any_digit(wf_system *system, const wf_dim *equation, const linear *l) {
  for (int i = 0; i < l->count; i++)
    if (read_digit(system, equation, l, i)) return true;
  return false;
}

// ---- the chain of residues -----------------------------------------------------------------------------------------------
// A positive common divisor that is the greatest; NULL where symbols leave it open.
static const wf_dim *greatest_divisor(const wf_dim *a, const wf_dim *b) {
  int64_t x, y;
  if (wf_dim_is_const(a, &x) && wf_dim_is_const(b, &y)) {
    for (y = y < 0 ? -y : y, x = x < 0 ? -x : x; y;) {
      int64_t rest = x % y;
      x = y;
      y = rest;
    }
    return wf_dim_const(a->owner, x);
  }
  if (!sign_of(a) || !sign_of(b)) return NULL;
  a = wf_dim_scale(a, sign_of(a));
  b = wf_dim_scale(b, sign_of(b));
  return wf_dim_exact_div(b, a) ? a : wf_dim_exact_div(a, b) ? b : NULL;
}

static int64_t inverse_modulo(int64_t a, int64_t m) {
  int64_t old = a % m < 0 ? a % m + m : a % m, next = m, x = 1, y = 0;
  while (next) {
    int64_t quotient = old / next, rest = old - quotient * next, step = x - quotient * y;
    old = next, next = rest, x = y, y = step;
  }
  return x < 0 ? x + m : x;
}

typedef struct step { int at; const wf_dim *divisor, *modulus; int64_t inverse; } step;   // divisor g, modulus m

// How u_at must be chosen when `others` is the gcd of the coefficients that come after it.
static bool plan_step(const linear *l, int at, const wf_dim *others, step *out) {
  const wf_dim *g = greatest_divisor(others, l->coefficients[at]);
  const wf_dim *m = g ? wf_dim_exact_div(others, g) : NULL, *c = g ? wf_dim_exact_div(l->coefficients[at], g) : NULL;
  int64_t modulus, coefficient;
  if (!m || !c) return false;
  *out = (step){at, g, m, 1};
  if (wf_dim_equals_const(m, 1) || wf_dim_equals_const(c, 1)) return true;
  if (!wf_dim_is_const(c, &coefficient)) return false;
  if (wf_dim_is_const(m, &modulus)) out->inverse = inverse_modulo(coefficient, modulus);
  else if (coefficient == -1) out->inverse = -1;
  else return false;
  return true;
}

typedef struct plan { step steps[MOST_TERMS]; int pivot; double points; } plan;

// order[0] is the pivot, solved last; order[count - 1] is solved first. points: iterations of the free axes.
static bool plan_order(const linear *l, const int *order, plan *out) {
  const wf_dim *g = wf_dim_scale(l->coefficients[order[0]], sign_of(l->coefficients[order[0]]));
  if (!g->term_count) return false;
  out->pivot = order[0];
  out->points = 1;
  for (int i = 1; i < l->count; i++) {
    if (!plan_step(l, order[i], g, &out->steps[i])) return false;
    double extent = (double)wf_dim_range(l->axes[order[i]]->extent).high, modulus = (double)wf_dim_range(out->steps[i].modulus).low;
    out->points *= modulus > 1 && extent / modulus < 1 ? 1 : extent / modulus;
    g = out->steps[i].divisor;
  }
  return true;
}

static void try_orders(const linear *l, int *order, int fixed, plan *best) {
  plan candidate;
  if (fixed == l->count) {
    if (plan_order(l, order, &candidate) && (best->points < 0 || candidate.points < best->points)) *best = candidate;
    return;
  }
  for (int i = fixed; i < l->count; i++) {
    int swapped = order[i];
    order[i] = order[fixed], order[fixed] = swapped;
    try_orders(l, order, fixed + 1, best);
    order[fixed] = order[i], order[i] = swapped;
  }
}

// Many unknowns: each as the pivot once, the others in their order.
static void try_pivots(const linear *l, int *order, plan *best) {
  for (int pivot = 0; pivot < l->count; pivot++) {
    plan candidate;
    for (int i = 0; i < l->count; i++) order[i] = i == 0 ? pivot : i <= pivot ? i - 1 : i;
    if (plan_order(l, order, &candidate) && (best->points < 0 || candidate.points < best->points)) *best = candidate;
  }
}

// Q of the equation as it stands, with everything but the unknowns still to be solved on the right.
static const wf_dim *right_side(const wf_dim *equation, const linear *l, const plan *p, int left) {
  for (int i = 1; i <= left; i++) {
    int at = p->steps[i].at;
    equation = wf_dim_sub(equation, wf_dim_mul(l->coefficients[at], l->axes[at]->as_dim));
  }
  equation = wf_dim_sub(equation, wf_dim_mul(l->coefficients[p->pivot], l->axes[p->pivot]->as_dim));
  return wf_dim_scale(equation, -1);
}

static void take_step(wf_system *system, const wf_dim *equation, const linear *l, const plan *p, int k) {
  const step *s = &p->steps[k];
  const wf_atom *axis = l->axes[s->at];
  if (wf_dim_equals_const(s->modulus, 1)) return;   // any value will do: it stays live
  const wf_dim *reduced = wf_dim_scale(wf_dim_floordiv(right_side(equation, l, p, k), s->divisor), s->inverse);
  const wf_dim *residue = wf_dim_mod(reduced, s->modulus);
  const wf_dim *j = wf_system_unknown(system, axis->name, wf_dim_ceildiv(axis->extent, s->modulus), true);
  wf_system_assign(system, axis, wf_dim_add(residue, wf_dim_mul(s->modulus, j)));
}

static bool solve_chain(wf_system *system, int index, const linear *l) {
  plan best = {.points = -1};
  int order[MOST_TERMS];
  for (int i = 0; i < l->count; i++) order[i] = i;
  if (l->count <= MOST_ORDERED) try_orders(l, order, 0, &best);
  else try_pivots(l, order, &best);
  if (best.points < 0) return false;
  const wf_dim *common = best.steps[l->count - 1].divisor;
  wf_system_guard(system, wf_dim_mod(l->right, common), true);
  for (int k = l->count - 1; k > 0; k--) take_step(system, system->equations[index], l, &best, k);
  const wf_dim *pivot = l->coefficients[best.pivot], *right = right_side(system->equations[index], l, &best, 0);
  int sign = sign_of(pivot);
  system->equations[index] = NULL;
  wf_system_assign(system, l->axes[best.pivot], wf_dim_floordiv(wf_dim_scale(right, sign), wf_dim_scale(pivot, sign)));
  return true;
}

bool wf_system_solve(wf_system *system, int index) {
  linear l;
  for (;;) {
    const wf_dim *equation = system->equations[index];
    if (!read_linear(system, equation, &l)) return false;
    if (!l.count) break;
    if (!read_any_digit(system, equation, &l)) return solve_chain(system, index, &l);
  }
  wf_system_guard(system, system->equations[index], true);
  system->equations[index] = NULL;
  return true;
}
