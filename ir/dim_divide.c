// Floor division: its normal form, remainders, exact quotients.
//
// floordiv(num, den) is rewritten by these identities until none applies (d, a, b positive, S any integer):
//   num in [k*den, (k+1)*den)                 ==>  k
//   (den*q + r) // den                        ==>  q + r//den        (residues least in absolute value, constants in [0, d))
//   (g*h + l) // (g*d), l in [k*g, (k+1)*g)   ==>  (h + k) // d      (drops digits below the divisor)
//   (e//a + S) // b                           ==>  (e + a*S) // (a*b)
// Each shrinks the divisor, the numerator's terms or the nesting, so the rewriting ends.
#include "ir/dim_internal.h"

static const wf_dim *quotient_plus(const wf_dim *quotient, const wf_dim *numerator, const wf_dim *denominator) {
  return wf_dim_add(quotient, wf_dim_floordiv(numerator, denominator));
}

// k where num is in [k*den, (k+1)*den) at every point, for the k that occur: 0 and -1, and any where den is constant.
static bool constant_quotient(const wf_dim *num, const wf_dim *den, int64_t *out_k) {
  int64_t d, low = wf_dim_low(num);
  if (wf_dim_is_const(den, &d)) {
    int64_t high = wf_dim_high(num);
    if (low == INT64_MIN || high == INT64_MAX) return false;
    *out_k = wf_floor_divide(low, d);
    return *out_k == wf_floor_divide(high, d);
  }
  if (low >= 0) return *out_k = 0, wf_dim_low(wf_dim_offset(wf_dim_sub(den, num), -1)) >= 0;
  return *out_k = -1, wf_dim_high(num) < 0 && wf_dim_low(wf_dim_add(num, den)) >= 0;
}

// The residue of c modulo m that is least in absolute value, ties positive.
static int64_t residue(int64_t c, int64_t m) {
  int64_t r = c % m;
  if (r < 0) r += m;
  return r > m / 2 ? r - m : r;
}

// Of one symbol, or of one exact quotient of a symbol: what its value is known to be divisible by.
static int64_t factor_divisor(const wf_atom *atom) {
  if (atom->kind == WF_ATOM_SYMBOL) return atom->divisor;
  int64_t exact = wf_atom_node_of(atom)->exact;
  return exact ? wf_dim_as_atom(atom->numerator)->divisor / exact : 1;
}

int64_t wf_term_known_divisor(wf_term term) {
  int64_t divisor = 1;
  for (int i = 0; i < term.factor_count; i++) divisor = wf_saturating_multiply(divisor, factor_divisor(term.factors[i]));
  return divisor;
}

wf_term wf_term_divide_known(wf_dims *dims, wf_term term, int64_t k) {
  wf_term result = {term.coefficient, 0, NULL};
  for (int i = 0; i < term.factor_count; i++) {
    const wf_atom *atom = term.factors[i];
    int64_t common = wf_gcd(k, factor_divisor(atom));
    const wf_dim *value = atom->as_dim;
    if (common > 1) {
      bool symbol = atom->kind == WF_ATOM_SYMBOL;
      int64_t by = common * (symbol ? 1 : wf_atom_node_of(atom)->exact);
      value = wf_atom_floordiv(dims, symbol ? value : atom->numerator, wf_dim_const(dims, by))->as_dim;
      k /= common;
    }
    result = wf_term_multiply(dims, result, value->terms[0]);
  }
  return result;
}

// num = d*quotient + rest. whole: only terms that d divides altogether move; else residues are reduced too.
static void pull_const(const wf_dim *num, int64_t d, bool whole, const wf_dim **out_quotient, const wf_dim **out_rest) {
  wf_dims *dims = num->owner;
  wf_poly quotient, rest;
  wf_poly_init(&quotient, dims);
  wf_poly_init(&rest, dims);
  for (int i = 0; i < num->term_count; i++) {
    wf_term term = num->terms[i], taken = term;
    int64_t known = term.factor_count ? wf_gcd(d, wf_term_known_divisor(term)) : 1, modulus = d / known, r;
    if (!term.factor_count) r = term.coefficient - wf_floor_divide(term.coefficient, d) * d;
    else r = residue(term.coefficient, modulus);
    if (whole && term.factor_count && r) r = term.coefficient;
    taken.coefficient = (term.coefficient - r) / modulus;
    term.coefficient = r;
    if (taken.coefficient) wf_poly_add(&quotient, known > 1 ? wf_term_divide_known(dims, taken, known) : taken);
    wf_poly_add(&rest, term);
  }
  *out_quotient = wf_poly_finish(&quotient);
  *out_rest = wf_poly_finish(&rest);
}

static bool term_divides(wf_dims *dims, wf_term by, wf_term term, wf_term *out) {
  if (!wf_term_divide(dims, term, by, out) || term.coefficient % by.coefficient) return false;
  out->coefficient = term.coefficient / by.coefficient;
  return true;
}

static bool mentions_any(const wf_dim *dim, const wf_dim *of) {
  return (wf_dim_node_of(dim)->mask & wf_dim_node_of(of)->mask) != 0;
}

// num = g*high + low; a digit e - d*(e//d) that straddles the two is kept whole in low where `digits`.
static void separate(const wf_dim *num, wf_term g, bool digits, const wf_dim **out_high, const wf_dim **out_low) {
  wf_dims *dims = num->owner;
  wf_poly high, low;
  wf_poly_init(&low, dims);
  for (int i = 0; i < num->term_count; i++) {
    wf_term shared;
    if (!term_divides(dims, g, num->terms[i], &shared)) wf_poly_add(&low, num->terms[i]);
  }
  const wf_dim *below = wf_poly_finish(&low);
  wf_poly_init(&high, dims);
  wf_poly_init(&low, dims);
  wf_poly_add_dim(&low, below, 1);
  for (int i = 0; i < num->term_count; i++) {
    wf_term shared;
    if (!term_divides(dims, g, num->terms[i], &shared)) continue;
    const wf_dim *monomial = wf_dim_of_term(dims, num->terms[i]);
    if (digits && wf_dim_has_floordiv(monomial) && mentions_any(monomial, below)) wf_poly_add(&low, num->terms[i]);
    else wf_poly_add(&high, shared);
  }
  *out_high = wf_poly_finish(&high);
  *out_low = wf_poly_finish(&low);
}

// (g*h + l) // (g*d) with l//g constant.
static const wf_dim *drop_low_digits(const wf_dim *num, const wf_dim *den, wf_term g) {
  wf_dims *dims = num->owner;
  const wf_dim *divisor = wf_dim_of_term(dims, g), *high, *low;
  if (divisor == dims->one || divisor == den || wf_dim_low(divisor) < 1) return NULL;
  const wf_dim *rest = wf_dim_exact_div(den, divisor);
  for (int digits = 0; rest && digits < 2; digits++) {
    int64_t k;
    separate(num, g, digits, &high, &low);
    if (constant_quotient(low, divisor, &k)) return wf_dim_floordiv(wf_dim_offset(high, k), rest);
    if (!wf_dim_has_floordiv(num)) break;
  }
  return NULL;
}

// Tries the common divisor of the denominator and each term in turn, larger constants first.
static const wf_dim *drop_any_digits(const wf_dim *num, const wf_dim *den) {
  wf_dims *dims = num->owner;
  wf_term common = den->terms[0];
  for (int i = 1; i < den->term_count; i++) common = wf_term_gcd(dims, common, den->terms[i]);
  int64_t content = wf_dim_content(den), below = INT64_MAX;
  for (;;) {
    int64_t best = 0;
    for (int i = 0; i < num->term_count; i++) {
      int64_t g = num->terms[i].factor_count ? wf_gcd(num->terms[i].coefficient, content) : 0;
      if (g < below && g > best) best = g;
    }
    if (!best) return NULL;
    for (int i = 0; i < num->term_count; i++) {
      if (!num->terms[i].factor_count || wf_gcd(num->terms[i].coefficient, content) != best) continue;
      wf_term g = wf_term_gcd(dims, common, num->terms[i]);
      g.coefficient = best;
      const wf_dim *done = drop_low_digits(num, den, g);
      if (done) return done;
    }
    below = best;
  }
}

// (e//a + S) // b where exactly one quotient stands alone with coefficient 1.
static const wf_dim *flatten(const wf_dim *num, const wf_dim *den) {
  const wf_atom *found = NULL;
  for (int i = 0; i < num->term_count; i++) {
    const wf_term *term = &num->terms[i];
    if (term->factor_count != 1 || term->coefficient != 1 || term->factors[0]->kind != WF_ATOM_FLOORDIV) continue;
    if (found) return NULL;
    found = term->factors[0];
  }
  if (!found || wf_dim_mentions(wf_dim_sub(num, found->as_dim), found)) return NULL;
  wf_dims *dims = num->owner;
  bool overflowed = dims->overflowed;
  dims->overflowed = false;
  const wf_dim *rest = wf_dim_sub(num, found->as_dim), *by = wf_dim_mul(found->denominator, den);
  const wf_dim *flat = wf_dim_add(found->numerator, wf_dim_mul(found->denominator, rest));
  bool fits = !dims->overflowed;
  dims->overflowed = overflowed;
  return fits ? wf_dim_floordiv(flat, by) : NULL;
}

static const wf_dim *finish(const wf_dim *num, const wf_dim *den) {
  const wf_dim *done = drop_any_digits(num, den);
  if (!done) done = flatten(num, den);
  return done ? done : wf_atom_floordiv(num->owner, num, den)->as_dim;
}

static const wf_dim *divide_by_const(const wf_dim *num, int64_t d) {
  wf_dims *dims = num->owner;
  const wf_dim *den = wf_dim_const(dims, d), *quotient, *rest;
  int64_t k;
  if (constant_quotient(num, den, &k)) return wf_dim_const(dims, k);
  pull_const(num, d, true, &quotient, &rest);
  if (rest != num && constant_quotient(rest, den, &k)) return wf_dim_offset(quotient, k);
  pull_const(num, d, false, &quotient, &rest);
  if (rest != num) return quotient_plus(quotient, rest, den);
  return finish(num, den);
}

// num = den*quotient + rest for a den of one term: residues as for constants.
static void pull_monomial(const wf_dim *num, wf_term den, const wf_dim **out_quotient, const wf_dim **out_rest) {
  wf_dims *dims = num->owner;
  wf_poly quotient, rest;
  wf_poly_init(&quotient, dims);
  wf_poly_init(&rest, dims);
  for (int i = 0; i < num->term_count; i++) {
    wf_term term = num->terms[i], taken;
    if (wf_term_divide(dims, term, den, &taken)) {
      int64_t r = residue(term.coefficient, den.coefficient);
      taken.coefficient = (term.coefficient - r) / den.coefficient;
      term.coefficient = r;
      wf_poly_add(&quotient, taken);
    }
    wf_poly_add(&rest, term);
  }
  *out_quotient = wf_poly_finish(&quotient);
  *out_rest = wf_poly_finish(&rest);
}

// A multiple of a den of several terms whose removal leaves fewer terms.
static const wf_dim *find_multiple(const wf_dim *num, const wf_dim *den) {
  for (int j = 0; j < den->term_count; j++)
    for (int i = 0; i < num->term_count; i++) {
      wf_term q;
      if (!term_divides(num->owner, den->terms[j], num->terms[i], &q)) continue;
      const wf_dim *multiple = wf_dim_of_term(num->owner, q);
      if (wf_dim_sub(num, wf_dim_mul(multiple, den))->term_count < num->term_count) return multiple;
    }
  return NULL;
}

static const wf_dim *divide_by_symbolic(const wf_dim *num, const wf_dim *den) {
  wf_dims *dims = num->owner;
  const wf_dim *quotient, *rest;
  int64_t k;
  if (constant_quotient(num, den, &k)) return wf_dim_const(dims, k);
  if (den->term_count == 1 && den->terms[0].coefficient > 0) {
    pull_monomial(num, den->terms[0], &quotient, &rest);
    if (rest != num) return quotient_plus(quotient, rest, den);
  } else {
    const wf_dim *multiple = find_multiple(num, den);
    if (multiple) return quotient_plus(multiple, wf_dim_sub(num, wf_dim_mul(multiple, den)), den);
  }
  return finish(num, den);
}

// ---- the memo and the public functions -----------------------------------------------------------------------------------
static wf_quotient *find_quotient(wf_dims *dims, const wf_dim *num, const wf_dim *den) {
  for (size_t at = num->hash * 31 ^ den->hash;; at++) {
    wf_quotient *slot = &dims->quotients[at & (dims->quotient_slots - 1)];
    if (!slot->numerator || (slot->numerator == num && slot->denominator == den)) return slot;
  }
}

static void remember(wf_dims *dims, const wf_dim *num, const wf_dim *den, const wf_dim *result) {
  if (2 * ++dims->quotient_count > dims->quotient_slots) {
    wf_quotient *old = dims->quotients;
    size_t old_slots = dims->quotient_slots;
    dims->quotient_slots *= 2;
    dims->quotients = WF_NEW_ARRAY(dims->arena, wf_quotient, dims->quotient_slots);
    for (size_t i = 0; i < old_slots; i++)
      if (old[i].numerator) *find_quotient(dims, old[i].numerator, old[i].denominator) = old[i];
  }
  *find_quotient(dims, num, den) = (wf_quotient){num, den, result};
}

const wf_dim *wf_dim_floordiv(const wf_dim *a, const wf_dim *positive) {
  wf_dims *dims = a->owner;
  int64_t d;
  bool constant = wf_dim_is_const(positive, &d);
  if (positive == dims->one) return a;
  if (!a->term_count || (constant && d <= 0)) return dims->zero;
  if (a == positive) return dims->one;
  wf_quotient *memo = find_quotient(dims, a, positive);
  if (memo->numerator) return memo->result;
  if (dims->nesting >= WF_MOST_NESTING) return wf_atom_floordiv(dims, a, positive)->as_dim;
  dims->nesting++;
  const wf_dim *result = constant ? divide_by_const(a, d) : divide_by_symbolic(a, positive);
  dims->nesting--;
  remember(dims, a, positive, result);
  return result;
}

const wf_dim *wf_dim_mod(const wf_dim *a, const wf_dim *positive) {
  return wf_dim_sub(a, wf_dim_mul(positive, wf_dim_floordiv(a, positive)));
}

const wf_dim *wf_dim_ceildiv(const wf_dim *a, const wf_dim *positive) {
  return wf_dim_floordiv(wf_dim_offset(wf_dim_add(a, positive), -1), positive);
}

// Long division; the first term of a dim leads in graded lexicographic order.
static const wf_dim *divide_exactly(const wf_dim *dim, const wf_dim *divisor) {
  wf_poly quotient;
  wf_poly_init(&quotient, dim->owner);
  for (int step = 0; dim->term_count; step++) {
    wf_term q;
    if (step > WF_MOST_TERMS || !term_divides(dim->owner, divisor->terms[0], dim->terms[0], &q)) return NULL;
    wf_poly_add(&quotient, q);
    dim = wf_dim_sub(dim, wf_dim_mul(wf_dim_of_term(dim->owner, q), divisor));
  }
  return wf_poly_finish(&quotient);
}

const wf_dim *wf_dim_exact_div(const wf_dim *dim, const wf_dim *divisor) {
  int64_t d;
  if (!divisor->term_count) return NULL;
  if (!wf_dim_is_const(divisor, &d)) return divide_exactly(dim, divisor);
  if (d < 0) {
    const wf_dim *negated = wf_dim_exact_div(dim, wf_dim_const(dim->owner, -d));
    return negated ? wf_dim_scale(negated, -1) : NULL;
  }
  const wf_dim *quotient, *rest;
  pull_const(dim, d, true, &quotient, &rest);
  return rest->term_count ? NULL : quotient;
}

bool wf_dim_divisible(const wf_dim *dim, int64_t by) {
  return by != 0 && wf_dim_exact_div(dim, wf_dim_const(dim->owner, by)) != NULL;
}
