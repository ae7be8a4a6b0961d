// Rules applied while a scalar node is made. Each is written `before ==> after` on top of the code that does it.
//
// To add a rule: the right side must be smaller (fewer nodes, or the same nodes with a constant moved outwards), so that
// making it cannot fire the rule again; it must hold bit for bit for every operand, with two stated liberties:
// x + 0 ==> x (keeps the sign of a zero), and folded library functions are correctly rounded where a device has an ulp.
#include <math.h>
#include <stdlib.h>
#include "ir/expr_internal.h"

static const wf_expr *boolean(wf_module *m, bool value) { return wf_expr_const_int(m, WF_BOOL, value); }
static bool is(const wf_expr *e, double value) { return wf_expr_is_const(e, value); }
static bool is_neg(const wf_expr *e) { return e->op == WF_S_NEG; }

// op(constants) ==> constant, evaluated in f64 or i64 and rounded to the type; undefined results stay.
static const wf_expr *fold(wf_module *m, wf_scalar op, wf_dtype type, const wf_expr *const *args, int count) {
  for (int i = 0; i < count; i++)
    if (!wf_expr_is_constant(args[i])) return NULL;
  bool floats = wf_dtype_is_float(args[count - 1]->dtype);
  double numbers[3];
  int64_t integers[3], result;
  for (int i = 0; i < count; i++) {
    numbers[i] = wf_expr_constant_float(args[i]);
    integers[i] = wf_expr_constant_int(args[i]);
  }
  if (floats) return wf_expr_number(m, type, wf_scalar_eval_float(op, numbers));
  return wf_scalar_eval_int(op, integers, &result) ? wf_expr_const_int(m, type, result) : NULL;
}

// ---- index arithmetic -----------------------------------------------------------------------------------------------

static bool always(const wf_dim *nonnegative) { return wf_dim_prove_nonnegative(nonnegative, NULL, NULL) == WF_PROVED; }

// a <= b with certainty / a < b with certainty
static bool certainly_le(const wf_dim *a, const wf_dim *b) { return always(wf_dim_sub(b, a)); }
static bool certainly_lt(const wf_dim *a, const wf_dim *b) { return always(wf_dim_offset(wf_dim_sub(b, a), -1)); }

// i < n ==> true, i >= n ==> false where the ranges of the atoms prove it
static const wf_expr *compare_index(wf_module *m, wf_scalar op, const wf_dim *a, const wf_dim *b) {
  switch (op) {
  case WF_S_LT: return certainly_lt(a, b) ? boolean(m, true) : certainly_le(b, a) ? boolean(m, false) : NULL;
  case WF_S_LE: return certainly_le(a, b) ? boolean(m, true) : certainly_lt(b, a) ? boolean(m, false) : NULL;
  case WF_S_GT: return compare_index(m, WF_S_LT, b, a);
  case WF_S_GE: return compare_index(m, WF_S_LE, b, a);
  case WF_S_EQ: return a == b ? boolean(m, true) : certainly_lt(a, b) || certainly_lt(b, a) ? boolean(m, false) : NULL;
  case WF_S_NE: return a == b ? boolean(m, false) : certainly_lt(a, b) || certainly_lt(b, a) ? boolean(m, true) : NULL;
  default: return NULL;
  }
}

// Wide constants would saturate as dims while i64 wraps; they stay scalar arithmetic.
static bool small(const wf_dim *d) {
  wf_interval range = wf_dim_range(d);
  return wf_dim_is_const(d, &(int64_t){0}) ? range.low > -(INT64_C(1) << 40) && range.high < INT64_C(1) << 40 : true;
}

// INDEX op INDEX ==> INDEX of the dim
static const wf_expr *index_arithmetic(wf_module *m, wf_scalar op, const wf_expr *const *args, int count) {
  for (int i = 0; i < count; i++)
    if (args[i]->op != WF_S_INDEX || !small(args[i]->dim)) return NULL;
  const wf_dim *a = args[0]->dim, *b = count > 1 ? args[1]->dim : NULL;
  switch (op) {
  case WF_S_ADD: return wf_expr_index(m, wf_dim_add(a, b));
  case WF_S_SUB: return wf_expr_index(m, wf_dim_sub(a, b));
  case WF_S_MUL: return wf_expr_index(m, wf_dim_mul(a, b));
  case WF_S_NEG: return wf_expr_index(m, wf_dim_scale(a, -1));
  case WF_S_FLOORDIV: return wf_dim_range(b).low > 0 ? wf_expr_index(m, wf_dim_floordiv(a, b)) : NULL;
  case WF_S_MOD: return wf_dim_range(b).low > 0 ? wf_expr_index(m, wf_dim_mod(a, b)) : NULL;
  case WF_S_MIN: return certainly_le(a, b) ? args[0] : certainly_le(b, a) ? args[1] : NULL;
  case WF_S_MAX: return certainly_le(a, b) ? args[1] : certainly_le(b, a) ? args[0] : NULL;
  case WF_S_ABS: return always(a) ? args[0] : NULL;
  default: return count == 2 ? compare_index(m, op, a, b) : NULL;
  }
}

// ---- arithmetic -------------------------------------------------------------------------------------------------------

static const wf_expr *add(wf_module *m, const wf_expr *a, const wf_expr *b) {
  if (is(b, 0)) return a;                                                      // x + 0 ==> x
  if (is(a, 0)) return b;                                                      // 0 + x ==> x
  if (is_neg(b)) return wf_expr_binary(m, WF_S_SUB, a, b->args[0]);            // x + -y ==> x - y
  if (is_neg(a)) return wf_expr_binary(m, WF_S_SUB, b, a->args[0]);            // -x + y ==> y - x
  return NULL;
}

static const wf_expr *sub(wf_module *m, const wf_expr *a, const wf_expr *b) {
  bool floats = wf_dtype_is_float(a->dtype);
  if (is(b, 0)) return a;                                                      // x - 0 ==> x
  if (is_neg(b)) return wf_expr_binary(m, WF_S_ADD, a, b->args[0]);            // x - -y ==> x + y
  if (!floats && is(a, 0)) return wf_expr_unary(m, WF_S_NEG, b);               // 0 - x ==> -x (integers)
  if (!floats && a == b) return wf_expr_const_int(m, a->dtype, 0);             // x - x ==> 0 (integers)
  return NULL;
}

static const wf_expr *mul(wf_module *m, const wf_expr *a, const wf_expr *b) {
  if (is(b, 1)) return a;                                                      // x * 1 ==> x
  if (is(a, 1)) return b;                                                      // 1 * x ==> x
  if (is(b, -1)) return wf_expr_unary(m, WF_S_NEG, a);                         // x * -1 ==> -x
  if (is(a, -1)) return wf_expr_unary(m, WF_S_NEG, b);                         // -1 * x ==> -x
  if (is_neg(a) && is_neg(b)) return wf_expr_binary(m, WF_S_MUL, a->args[0], b->args[0]);  // -x * -y ==> x * y
  if (wf_dtype_is_float(a->dtype)) return NULL;
  return is(a, 0) ? a : is(b, 0) ? b : NULL;                                   // x * 0 ==> 0 (integers; floats keep NaN)
}

static const wf_expr *divide(wf_module *m, const wf_expr *a, const wf_expr *b) {
  if (is(b, 1)) return a;                                                      // x / 1 ==> x
  if (is(b, -1)) return wf_expr_unary(m, WF_S_NEG, a);                         // x / -1 ==> -x
  if (b->op != WF_S_CONST) return NULL;
  int exponent;
  double inverse = 1 / b->number;                                              // x / 2^k ==> x * 2^-k (exact)
  bool exact = isfinite(b->number) && b->number != 0 && fabs(frexp(b->number, &exponent)) == 0.5 && abs(exponent) < 14;
  return exact ? wf_expr_binary(m, WF_S_MUL, a, wf_expr_number(m, a->dtype, inverse)) : NULL;
}

static const wf_expr *floor_divide(wf_module *m, wf_scalar op, const wf_expr *a, const wf_expr *b) {
  if (wf_dtype_is_float(a->dtype) || !is(b, 1)) return NULL;
  return op == WF_S_FLOORDIV ? a : wf_expr_const_int(m, a->dtype, 0);          // x // 1 ==> x, x % 1 ==> 0 (integers)
}

static const wf_expr *power(wf_module *m, const wf_expr *a, const wf_expr *b) {
  if (is(b, 0)) return wf_expr_number(m, a->dtype, 1);                         // pow(x, 0) ==> 1
  if (is(b, 1)) return a;                                                      // pow(x, 1) ==> x
  if (is(b, 2)) return wf_expr_binary(m, WF_S_MUL, a, a);                      // pow(x, 2) ==> x * x
  if (is(b, -1)) return wf_expr_binary(m, WF_S_DIV, wf_expr_number(m, a->dtype, 1), a);  // pow(x, -1) ==> 1 / x
  return NULL;
}

// ---- logic ------------------------------------------------------------------------------------------------------------

static const wf_expr *logic(wf_scalar op, const wf_expr *a, const wf_expr *b) {
  if (a == b) return a;                                                        // x and x ==> x, x or x ==> x
  if (a->dtype != WF_BOOL) return NULL;
  double neutral = op == WF_S_AND, dominant = !neutral;
  if (is(a, neutral)) return b;                                                // true and x ==> x, false or x ==> x
  if (is(b, neutral)) return a;
  return is(a, dominant) ? a : is(b, dominant) ? b : NULL;                     // false and x ==> false, true or x ==> true
}

static const wf_expr *negation(wf_module *m, const wf_expr *a) {
  if (a->dtype != WF_BOOL) return NULL;
  if (a->op == WF_S_NOT) return a->args[0];                                    // not not x ==> x
  if (a->op == WF_S_EQ) return wf_expr_binary(m, WF_S_NE, a->args[0], a->args[1]);  // not (a == b) ==> a != b
  if (a->op == WF_S_NE) return wf_expr_binary(m, WF_S_EQ, a->args[0], a->args[1]);  // not (a != b) ==> a == b
  if (!a->arg_count || wf_dtype_is_float(a->args[0]->dtype)) return NULL;      // NaN: not (a < b) is no comparison
  switch (a->op) {                                                             // not (a < b) ==> a >= b (integers), and so on
  case WF_S_LT: return wf_expr_binary(m, WF_S_GE, a->args[0], a->args[1]);
  case WF_S_LE: return wf_expr_binary(m, WF_S_GT, a->args[0], a->args[1]);
  case WF_S_GT: return wf_expr_binary(m, WF_S_LE, a->args[0], a->args[1]);
  case WF_S_GE: return wf_expr_binary(m, WF_S_LT, a->args[0], a->args[1]);
  default: return NULL;
  }
}

// x < x ==> false (also for NaN); x <= x ==> true, x == x ==> true, x != x ==> false (integers only)
static const wf_expr *reflexive(wf_module *m, wf_scalar op, const wf_expr *a) {
  if (op == WF_S_LT || op == WF_S_GT) return boolean(m, false);
  if (wf_dtype_is_float(a->dtype)) return NULL;
  return boolean(m, op != WF_S_NE);
}

static const wf_expr *choose(wf_module *m, const wf_expr *c, const wf_expr *a, const wf_expr *b) {
  if (c->op == WF_S_CONST) return c->integer ? a : b;                          // select(true, a, b) ==> a
  if (a == b) return a;                                                        // select(c, a, a) ==> a
  if (c->op == WF_S_NOT) return wf_expr_select(m, c->args[0], b, a);           // select(not c, a, b) ==> select(c, b, a)
  if (a->op == WF_S_SELECT && a->args[0] == c) return wf_expr_select(m, c, a->args[1], b);  // select(c, select(c, x, y), b) ==> select(c, x, b)
  if (b->op == WF_S_SELECT && b->args[0] == c) return wf_expr_select(m, c, a, b->args[2]);  // select(c, a, select(c, x, y)) ==> select(c, a, y)
  if (a->dtype != WF_BOOL) return NULL;
  if (is(a, 1) && is(b, 0)) return c;                                          // select(c, true, false) ==> c
  if (is(a, 0) && is(b, 1)) return wf_expr_unary(m, WF_S_NOT, c);              // select(c, false, true) ==> not c
  return NULL;
}

// ---- casts --------------------------------------------------------------------------------------------------------------

static bool holds_exactly(wf_dtype wide, wf_dtype narrow) {
  bool narrow_float = wf_dtype_is_float(narrow), wide_float = wf_dtype_is_float(wide);
  if (narrow_float != wide_float || narrow == WF_TF32) return false;
  if (narrow_float) return wide == WF_F64 || (wide == WF_F32 && narrow != WF_F64);
  return wf_dtype_bytes(wide) > wf_dtype_bytes(narrow);
}

static const wf_expr *cast(wf_module *m, wf_dtype type, const wf_expr *a) {
  if (a->dtype == type) return a;                                              // f32(x: f32) ==> x
  if (a->op == WF_S_CAST && a->args[0]->dtype == type && holds_exactly(a->dtype, type))
    return a->args[0];                                                         // bf16(f32(x: bf16)) ==> x
  if (!wf_expr_is_constant(a)) return NULL;
  bool integral = !wf_dtype_is_float(a->dtype) && !wf_dtype_is_float(type);
  return integral ? wf_expr_const_int(m, type, wf_expr_constant_int(a)) : wf_expr_number(m, type, wf_expr_constant_float(a));
}

const wf_expr *wf_expr_simplified(wf_module *m, wf_scalar op, wf_dtype type, const wf_expr *const *args, int count) {
  if (op == WF_S_CAST) return cast(m, type, args[0]);
  const wf_expr *a = args[0], *b = count > 1 ? args[1] : NULL;
  const wf_expr *found = fold(m, op, type, args, count);
  if (!found && a->op == WF_S_INDEX) found = index_arithmetic(m, op, args, count);
  if (found) return found;
  switch (op) {
  case WF_S_ADD: return add(m, a, b);
  case WF_S_SUB: return sub(m, a, b);
  case WF_S_MUL: return mul(m, a, b);
  case WF_S_DIV: return divide(m, a, b);
  case WF_S_FLOORDIV: case WF_S_MOD: return floor_divide(m, op, a, b);
  case WF_S_POW: return power(m, a, b);
  case WF_S_MIN: case WF_S_MAX: return a == b ? a : NULL;                      // max(x, x) ==> x
  case WF_S_NEG: return is_neg(a) ? a->args[0] : NULL;                         // --x ==> x
  case WF_S_ABS: return is_neg(a) ? wf_expr_unary(m, op, a->args[0]) : a->op == WF_S_ABS ? a : NULL;  // abs(-x), abs(abs(x)) ==> abs(x)
  case WF_S_STOP: return a->op == WF_S_STOP || !wf_dtype_is_float(type) ? a : NULL;  // stop(stop(x)) ==> stop(x)
  case WF_S_AND: case WF_S_OR: return logic(op, a, b);
  case WF_S_NOT: return negation(m, a);
  case WF_S_LT: case WF_S_LE: case WF_S_GT: case WF_S_GE: case WF_S_EQ: case WF_S_NE: return a == b ? reflexive(m, op, a) : NULL;
  case WF_S_SELECT: return choose(m, a, b, args[2]);
  default: return NULL;
  }
}
