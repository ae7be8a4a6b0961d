// exp, exp2, log, log2, tanh, erf for f32 and f64, scalar and vector, the same on every machine: our own series, no libm.
//
// Greatest errors found over dense samples (tests/unit/test_math.c), in units of the last place:
//         exp  exp2  log  log2  tanh  erf   sin  cos  pow
//   f32   1    1.25  1    2     3     2.5   1    1    1
//   f64   1    1.25  1    2     3     2     2    2    1.5
// sin and cos hold for |x| < 2^20; the absolute error grows with |x| beyond, and from 2^31 on x counts as 0.
// NaN, infinities, zeros and subnormals follow C's Annex F.
//
// Integers are read from and made into floats by adding 1.5 * 2^(mantissa bits): the sum's low bits are the integer, rounded to
// nearest even. That is one addition where vectors have no conversion (i64 before AVX-512), and it never traps.
#include "codegen/emit_math.h"

static const double erf_near_f32[] = {
    0x1.20dd74fe1f978p+0, -0x1.81273dbd259d2p-2, 0x1.ce2cef75e59b8p-4, -0x1.b7f88b4335d52p-6, 0x1.5401db0ef2931p-8,
    -0x1.a3dc18fe9a0e9p-11, 0x1.49234da4034bbp-14};
static const double erf_far_f32[] = {
    -0x1.d97fbf41c845fp+0, -0x1.51c9aa7d9378ap+1, -0x1.afad22cdac99bp-1, -0x1.53fe362b9b6b1p-5, 0x1.443f660912e92p-7,
    -0x1.dfa0c5d795e04p-10, 0x1.873a2fbc578c9p-13};
static const double erf_near_f64[] = {
    0x1.20dd750429b6dp+0, -0x1.812746b0379bcp-2, 0x1.ce2f21a040cb5p-4, -0x1.b82ce311f9202p-6, 0x1.565bccf8fd727p-8,
    -0x1.c02db03742681p-11, 0x1.f9a2ba119ff7cp-14, -0x1.f4ca44b024ea2p-17, 0x1.b97f80a4e12a4p-20, -0x1.5c053af87571ep-23,
    0x1.d70e34cc01c0bp-27, -0x1.ab8923d8184f4p-31};
static const double erf_far_f64[] = {
    -0x1.d97fbf27aa2a1p+0, -0x1.51c9b0006c236p+1, -0x1.afabc11a2964cp-1, -0x1.5477f09bfbcaep-5, 0x1.48c9d3e9c12ecp-7,
    -0x1.033f658b135fdp-9, 0x1.f1b37f60707d4p-13, 0x1.b8df8e66e6aeep-16, -0x1.c7a97c4dfaf53p-16, 0x1.4271e5ce234c2p-17,
    -0x1.14908a7cfc3a1p-19, 0x1.343f06eed97fap-23, 0x1.a1332e18ff6a1p-24, -0x1.bd6468218ffe9p-25, 0x1.fe3890df1eed1p-27,
    -0x1.87a4bdc87e989p-29, 0x1.926e1c4e403d8p-32, -0x1.f74af3d26b2a2p-36, 0x1.221147b563ffbp-40};

static const wf_float_format f32_format = {23, 127, 0x1.8p23, 0x1.62e4p-1, 0x1.7f7d1cf79abcap-20, 7, 4, -104, 89,
                                           -151, 129, 0x1p23, 0x1p-126, 0x3f3504f3, 3};
static const wf_float_format f64_format = {52, 1023, 0x1.8p52, 0x1.62e42feep-1, 0x1.a39ef35793c76p-33, 13, 10, -746, 710,
                                           -1076, 1025, 0x1p54, 0x1p-1022, 0x3fe6a09e667f3bcd, 5};

const wf_float_format *wf_format_of(wf_emit *e, wf_llvm a) { return wf_element_type(a) == e->f64 ? &f64_format : &f32_format; }
wf_llvm wf_fadd(wf_emit *e, wf_llvm a, wf_llvm b) { return wf_binary(e, LLVMFAdd, a, b); }
wf_llvm wf_fsub(wf_emit *e, wf_llvm a, wf_llvm b) { return wf_binary(e, LLVMFSub, a, b); }
wf_llvm wf_fmul(wf_emit *e, wf_llvm a, wf_llvm b) { return wf_binary(e, LLVMFMul, a, b); }
wf_llvm wf_fdiv(wf_emit *e, wf_llvm a, wf_llvm b) { return wf_binary(e, LLVMFDiv, a, b); }
wf_llvm wf_fscale(wf_emit *e, wf_llvm a, double by) { return wf_fmul(e, a, wf_float_like(e, a, by)); }
wf_llvm wf_foffset(wf_emit *e, wf_llvm a, double by) { return wf_fadd(e, a, wf_float_like(e, a, by)); }
wf_llvm wf_fneg(wf_emit *e, wf_llvm a) { return LLVMBuildFNeg(e->builder, a, ""); }
wf_llvm wf_fabs_of(wf_emit *e, wf_llvm a) { return wf_intrinsic_like(e, "llvm.fabs", a); }
wf_llvm wf_multiply_add_constant(wf_emit *e, wf_llvm a, double by, wf_llvm c) { return wf_multiply_add(e, a, wf_float_like(e, a, by), c); }
static LLVMTypeRef bits_type(wf_emit *e, wf_llvm a) { return wf_element_type(a) == e->f64 ? e->i64 : e->i32; }
static wf_llvm to_bits(wf_emit *e, wf_llvm a) { return wf_bits_as(e, a, bits_type(e, a)); }
static wf_llvm int_op(wf_emit *e, LLVMOpcode op, wf_llvm a, int64_t b) { return wf_binary(e, op, a, wf_int_like(e, a, b)); }
wf_llvm wf_where(wf_emit *e, LLVMRealPredicate predicate, wf_llvm x, double limit, wf_llvm then, wf_llvm otherwise) {
  return wf_choose(e, wf_fcmp(e, predicate, x, wf_float_like(e, x, limit)), then, otherwise);
}

// c[0] + c[1] x + ... by Horner's rule.
wf_llvm wf_polynomial(wf_emit *e, wf_llvm x, const double *c, int count) {
  wf_llvm sum = wf_float_like(e, x, c[count - 1]);
  for (int i = count - 2; i >= 0; i--) sum = wf_multiply_add(e, sum, x, wf_float_like(e, x, c[i]));
  return sum;
}

wf_llvm wf_round_by_magic(wf_emit *e, wf_llvm x) {
  double magic = wf_format_of(e, x)->magic;
  return wf_foffset(e, wf_foffset(e, x, magic), -magic);
}

wf_llvm wf_power_of_two(wf_emit *e, wf_llvm n) {
  const wf_float_format *f = wf_format_of(e, n);
  wf_llvm bits = to_bits(e, wf_foffset(e, n, f->magic + f->bias));
  return wf_bits_as(e, int_op(e, LLVMShl, bits, f->mantissa), wf_element_type(n));
}

// value * 2^n in two steps, so that results may be subnormal or overflow though 2^n itself does not fit.
static wf_llvm scale(wf_emit *e, wf_llvm value, wf_llvm n) {
  wf_llvm half = wf_round_by_magic(e, wf_fscale(e, n, 0.5));
  return wf_fmul(e, wf_fmul(e, value, wf_power_of_two(e, half)), wf_power_of_two(e, wf_fsub(e, n, half)));
}

// exp(r) - 1 for |r| <= ln(2)/2: r + r^2 (1/2! + r/3! + ...)
static wf_llvm series_expm1(wf_emit *e, wf_llvm r) {
  double c[16], factorial = 1;
  int degree = wf_format_of(e, r)->exp_degree;
  for (int k = 2; k <= degree; k++) c[k - 2] = 1 / (factorial *= k);
  return wf_multiply_add(e, wf_fmul(e, r, r), wf_polynomial(e, r, c, degree - 1), r);
}

typedef struct reduced { wf_llvm n, r; } reduced;   // x = n ln(2) + r

static reduced reduce_exp(wf_emit *e, wf_llvm x) {
  const wf_float_format *f = wf_format_of(e, x);
  wf_llvm n = wf_round_by_magic(e, wf_fscale(e, x, 0x1.71547652b82fep+0));
  wf_llvm r = wf_multiply_add_constant(e, n, -f->ln2_high, x);
  return (reduced){n, wf_multiply_add_constant(e, n, -f->ln2_low, r)};
}

static wf_llvm clamp(wf_emit *e, wf_llvm x, double low, double high) {   // NaN stays
  x = wf_where(e, LLVMRealOLT, x, low, wf_float_like(e, x, low), x);
  return wf_where(e, LLVMRealOGT, x, high, wf_float_like(e, x, high), x);
}

wf_llvm wf_exp_of(wf_emit *e, wf_llvm x) {
  const wf_float_format *f = wf_format_of(e, x);
  reduced y = reduce_exp(e, clamp(e, x, f->exp_low, f->exp_high));
  return scale(e, wf_foffset(e, series_expm1(e, y.r), 1), y.n);
}

static wf_llvm exp2_of(wf_emit *e, wf_llvm x) {
  const wf_float_format *f = wf_format_of(e, x);
  x = clamp(e, x, f->exp2_low, f->exp2_high);
  wf_llvm n = wf_round_by_magic(e, x), r = wf_fscale(e, wf_fsub(e, x, n), 0x1.62e42fefa39efp-1);
  return scale(e, wf_foffset(e, series_expm1(e, r), 1), n);
}

// exp(x) - 1 for -40 <= x <= 0, relative to the result: (2^n - 1) + 2^n (exp(r) - 1)
static wf_llvm expm1_of_negative(wf_emit *e, wf_llvm x) {
  reduced y = reduce_exp(e, x);
  wf_llvm power = wf_power_of_two(e, y.n);
  return wf_multiply_add(e, power, series_expm1(e, y.r), wf_foffset(e, power, -1));
}

// tanh|x| = -m / (2 + m), m = exp(-2|x|) - 1
static wf_llvm tanh_of(wf_emit *e, wf_llvm x) {
  wf_llvm doubled = clamp(e, wf_fscale(e, wf_fabs_of(e, x), -2), -40, 0), m = expm1_of_negative(e, doubled);
  return wf_intrinsic_like2(e, "llvm.copysign", wf_fdiv(e, wf_fneg(e, m), wf_foffset(e, m, 2)), x);
}

// x = 2^k m with m in [sqrt(1/2), sqrt(2)), for positive normal x
wf_split wf_split_exponent(wf_emit *e, wf_llvm x) {
  const wf_float_format *f = wf_format_of(e, x);
  int64_t bias_bits = (int64_t)f->bias << f->mantissa;
  int64_t exponent_mask = (int64_t)((uint64_t)(2 * f->bias + 1) << f->mantissa);
  wf_llvm tiny = wf_fcmp(e, LLVMRealOLT, x, wf_float_like(e, x, f->smallest_normal));
  wf_llvm bits = to_bits(e, wf_choose(e, tiny, wf_fscale(e, x, f->lift), x));
  wf_llvm shifted = int_op(e, LLVMAdd, bits, bias_bits - f->sqrt_half_bits);
  wf_llvm biased = int_op(e, LLVMLShr, int_op(e, LLVMAnd, shifted, exponent_mask), f->mantissa);
  wf_llvm number = wf_bits_as(e, int_op(e, LLVMAdd, biased, f->mantissa == 52 ? 0x4338000000000000 : 0x4b400000), wf_element_type(x));
  int lifted = f->mantissa == 52 ? 54 : 23;
  wf_llvm bias = wf_choose(e, tiny, wf_float_like(e, x, -f->magic - f->bias - lifted), wf_float_like(e, x, -f->magic - f->bias));
  wf_llvm m = wf_binary(e, LLVMSub, bits, int_op(e, LLVMSub, int_op(e, LLVMAnd, shifted, exponent_mask), bias_bits));
  return (wf_split){wf_fadd(e, number, bias), wf_bits_as(e, m, wf_element_type(x))};
}

// log(m) = f - (f^2/2 - s (f^2/2 + R)), f = m - 1, s = f/(2 + f), R = s^2 (2/3 + 2/5 s^2 + ...); low: a small number to add
static wf_llvm log_mantissa(wf_emit *e, wf_llvm m, wf_llvm low) {
  double c[16];
  int terms = wf_format_of(e, m)->log_terms;
  for (int k = 0; k < terms; k++) c[k] = 2.0 / (2 * k + 3);
  wf_llvm f = wf_foffset(e, m, -1), s = wf_fdiv(e, f, wf_foffset(e, f, 2)), z = wf_fmul(e, s, s);
  wf_llvm series = wf_fmul(e, z, wf_polynomial(e, z, c, terms)), half = wf_fscale(e, wf_fmul(e, f, f), 0.5);
  wf_llvm inner = wf_multiply_add(e, s, wf_fadd(e, half, series), low);
  return wf_fsub(e, f, wf_fsub(e, half, inner));
}

wf_llvm wf_log_specials(wf_emit *e, wf_llvm x, wf_llvm result) {
  double infinity = __builtin_inf();
  result = wf_where(e, LLVMRealOEQ, x, infinity, x, result);
  result = wf_where(e, LLVMRealOEQ, x, 0, wf_float_like(e, x, -infinity), result);
  return wf_where(e, LLVMRealUGE, x, 0, result, wf_float_like(e, x, __builtin_nan("")));
}

static wf_llvm keep_nan(wf_emit *e, wf_llvm x, wf_llvm result) { return wf_choose(e, wf_fcmp(e, LLVMRealUNO, x, x), x, result); }

static wf_llvm log_of(wf_emit *e, wf_llvm x) {
  const wf_float_format *f = wf_format_of(e, x);
  wf_split y = wf_split_exponent(e, x);
  wf_llvm mantissa = log_mantissa(e, y.m, wf_fscale(e, y.k, f->ln2_low));
  return keep_nan(e, x, wf_log_specials(e, x, wf_multiply_add_constant(e, y.k, f->ln2_high, mantissa)));
}

static wf_llvm log2_of(wf_emit *e, wf_llvm x) {
  wf_split y = wf_split_exponent(e, x);
  wf_llvm mantissa = log_mantissa(e, y.m, wf_float_like(e, x, 0));
  return keep_nan(e, x, wf_log_specials(e, x, wf_multiply_add_constant(e, mantissa, 0x1.71547652b82fep+0, y.k)));
}

// Coefficients: scripts/fit-erf.
static wf_llvm erf_of(wf_emit *e, wf_llvm x) {
  bool wide = wf_element_type(x) == e->f64;
  const double *near = wide ? erf_near_f64 : erf_near_f32, *far = wide ? erf_far_f64 : erf_far_f32;
  int near_count = wide ? (int)(sizeof erf_near_f64 / 8) : (int)(sizeof erf_near_f32 / 8);
  int far_count = wide ? (int)(sizeof erf_far_f64 / 8) : (int)(sizeof erf_far_f32 / 8);
  wf_llvm size = wf_fabs_of(e, x), beyond = clamp(e, wf_foffset(e, size, -1), 0, wf_format_of(e, x)->erf_last);
  wf_llvm inside = wf_fmul(e, x, wf_polynomial(e, wf_fmul(e, x, x), near, near_count));
  reduced y = reduce_exp(e, wf_polynomial(e, beyond, far, far_count));
  wf_llvm tail = wf_fmul(e, wf_foffset(e, series_expm1(e, y.r), 1), wf_power_of_two(e, y.n));
  wf_llvm outside = wf_intrinsic_like2(e, "llvm.copysign", wf_fsub(e, wf_float_like(e, x, 1), tail), x);
  return wf_where(e, LLVMRealOGE, size, 1, outside, inside);
}

wf_llvm wf_emit_math(wf_emit *e, wf_scalar op, wf_llvm a, wf_llvm b) {
  switch (op) {
    case WF_S_EXP: return wf_exp_of(e, a);
    case WF_S_EXP2: return exp2_of(e, a);
    case WF_S_LOG: return log_of(e, a);
    case WF_S_LOG2: return log2_of(e, a);
    case WF_S_TANH: return tanh_of(e, a);
    case WF_S_ERF: return erf_of(e, a);
    case WF_S_SIN: return wf_sin_or_cos(e, a, false);
    case WF_S_COS: return wf_sin_or_cos(e, a, true);
    case WF_S_POW: return wf_pow_of(e, a, b);
    default: return NULL;
  }
}
