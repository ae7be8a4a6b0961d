// pow: exp(y log|x|) with the logarithm as an unevaluated sum of two doubles (Dekker, "A floating-point technique for extending
// the available precision", 1971), since y multiplies its error. f32 computes in f64, where one double is enough.
#include "codegen/emit_math.h"

typedef struct pair { wf_llvm high, low; } pair;

static pair two_sum(wf_emit *e, wf_llvm a, wf_llvm b) {
  wf_llvm sum = wf_fadd(e, a, b), back = wf_fsub(e, sum, a);
  return (pair){sum, wf_fadd(e, wf_fsub(e, a, wf_fsub(e, sum, back)), wf_fsub(e, b, back))};
}

static pair halves(wf_emit *e, wf_llvm a) {   // 26 bits each
  wf_llvm big = wf_fscale(e, a, 0x1p27 + 1), high = wf_fsub(e, big, wf_fsub(e, big, a));
  return (pair){high, wf_fsub(e, a, high)};
}

static pair two_product(wf_emit *e, wf_llvm a, wf_llvm b) {
  wf_llvm product = wf_fmul(e, a, b);
  if (e->target->has_fma) return (pair){product, wf_multiply_add(e, a, b, wf_fneg(e, product))};
  pair x = halves(e, a), y = halves(e, b);
  wf_llvm error = wf_fsub(e, wf_fmul(e, x.high, y.high), product);
  error = wf_fadd(e, error, wf_fmul(e, x.high, y.low));
  error = wf_fadd(e, error, wf_fmul(e, x.low, y.high));
  return (pair){product, wf_fadd(e, error, wf_fmul(e, x.low, y.low))};
}

static pair product(wf_emit *e, pair a, pair b) {
  pair p = two_product(e, a.high, b.high);
  p.low = wf_fadd(e, p.low, wf_fadd(e, wf_fmul(e, a.high, b.low), wf_fmul(e, a.low, b.high)));
  return p;
}

static pair sum(wf_emit *e, pair a, pair b) {
  pair s = two_sum(e, a.high, b.high);
  s.low = wf_fadd(e, s.low, wf_fadd(e, a.low, b.low));
  return two_sum(e, s.high, s.low);
}

// (m - 1)/(m + 1)
static pair half_ratio(wf_emit *e, wf_llvm m) {
  wf_llvm f = wf_foffset(e, m, -1);
  pair d = two_sum(e, m, wf_float_like(e, m, 1));
  wf_llvm s = wf_fdiv(e, f, d.high);
  pair back = two_product(e, s, d.high);
  wf_llvm left = wf_fsub(e, wf_fsub(e, wf_fsub(e, f, back.high), back.low), wf_fmul(e, s, d.low));
  return (pair){s, wf_fdiv(e, left, d.high)};
}

// log m = 2 s + s z (2/3 + z (2/5 + ...)), z = s^2; all but the inner series in pairs
static pair log_mantissa(wf_emit *e, wf_llvm m) {
  double c[10];
  for (int k = 0; k < 10; k++) c[k] = 2.0 / (2 * k + 5);
  pair s = half_ratio(e, m), z = product(e, s, s);
  wf_llvm inner = wf_fmul(e, z.high, wf_polynomial(e, z.high, c, 10));
  pair third = sum(e, (pair){wf_float_like(e, m, 0x1.5555555555555p-1), wf_float_like(e, m, 0x1.5555555555555p-55)}, (pair){inner, wf_float_like(e, m, 0)});
  pair cubic = product(e, s, product(e, z, third));
  return sum(e, (pair){wf_fscale(e, s.high, 2), wf_fscale(e, s.low, 2)}, cubic);
}

static pair log_pair(wf_emit *e, wf_llvm x) {
  wf_split y = wf_split_exponent(e, x);
  pair whole = {wf_fscale(e, y.k, 0x1.62e42feep-1), wf_fscale(e, y.k, 0x1.a39ef35793c76p-33)};
  return sum(e, whole, log_mantissa(e, y.m));
}

// exp(p.high + p.low); the low part counts where the result is neither 0 nor infinite
static wf_llvm exp_pair(wf_emit *e, pair p) {
  wf_llvm low = wf_where(e, LLVMRealOLT, wf_fabs_of(e, p.high), 746, p.low, wf_float_like(e, p.low, 0));
  wf_llvm value = wf_exp_of(e, p.high);
  wf_llvm corrected = wf_multiply_add(e, value, low, value);
  return wf_where(e, LLVMRealOEQ, value, __builtin_inf(), value, corrected);
}

// Any larger exponent gives 0, 1 or infinity too.
static wf_llvm bounded(wf_emit *e, wf_llvm y) {
  y = wf_where(e, LLVMRealOGT, y, 0x1p70, wf_float_like(e, y, 0x1p70), y);
  return wf_where(e, LLVMRealOLT, y, -0x1p70, wf_float_like(e, y, -0x1p70), y);
}

static wf_llvm magnitude_f64(wf_emit *e, wf_llvm x, wf_llvm y) {
  y = bounded(e, y);
  pair logarithm = log_pair(e, x), p = two_product(e, y, logarithm.high);
  p.low = wf_multiply_add(e, y, logarithm.low, p.low);
  return exp_pair(e, p);
}

static wf_llvm magnitude_f32(wf_emit *e, wf_llvm x, wf_llvm y) {
  wf_llvm wide = wf_fmul(e, wf_convert(e, LLVMFPExt, bounded(e, y), e->f64), wf_emit_math(e, WF_S_LOG, wf_convert(e, LLVMFPExt, x, e->f64), NULL));
  return wf_convert(e, LLVMFPTrunc, wf_exp_of(e, wide), e->f32);
}

typedef struct parity { wf_llvm integral, odd; } parity;

static parity parity_of(wf_emit *e, wf_llvm y) {
  wf_llvm half = wf_fscale(e, y, 0.5);
  wf_llvm integral = wf_fcmp(e, LLVMRealOEQ, wf_intrinsic_like(e, "llvm.trunc", y), y);
  wf_llvm even = wf_fcmp(e, LLVMRealOEQ, wf_intrinsic_like(e, "llvm.trunc", half), half);
  return (parity){integral, wf_binary(e, LLVMAnd, integral, wf_binary(e, LLVMXor, even, wf_int_like(e, even, 1)))};
}

// 0 and infinity for x: one or the other by the sign of y.
static wf_llvm extreme_base(wf_emit *e, wf_llvm size, wf_llvm y, wf_llvm result) {
  wf_llvm grows = wf_fcmp(e, LLVMRealOGT, y, wf_float_like(e, y, 0)), infinity = wf_float_like(e, y, __builtin_inf()), zero = wf_float_like(e, y, 0);
  result = wf_where(e, LLVMRealOEQ, size, 0, wf_choose(e, grows, zero, infinity), result);
  return wf_where(e, LLVMRealOEQ, size, __builtin_inf(), wf_choose(e, grows, infinity, zero), result);
}

wf_llvm wf_pow_of(wf_emit *e, wf_llvm x, wf_llvm y) {
  wf_match(e, &x, &y);
  wf_llvm size = wf_fabs_of(e, x), nan = wf_float_like(e, x, __builtin_nan("")), one = wf_float_like(e, x, 1);
  wf_llvm result = wf_element_type(x) == e->f64 ? magnitude_f64(e, size, y) : magnitude_f32(e, size, y);
  parity p = parity_of(e, y);
  result = extreme_base(e, size, y, result);
  wf_llvm negative = wf_fcmp(e, LLVMRealOLT, wf_intrinsic_like2(e, "llvm.copysign", one, x), wf_float_like(e, x, 0));
  result = wf_choose(e, wf_binary(e, LLVMAnd, negative, p.odd), wf_fneg(e, result), result);
  wf_llvm undefined = wf_binary(e, LLVMAnd, wf_fcmp(e, LLVMRealOLT, x, wf_float_like(e, x, 0)), wf_binary(e, LLVMXor, p.integral, wf_int_like(e, p.integral, 1)));
  wf_llvm finite = wf_fcmp(e, LLVMRealOLT, size, wf_float_like(e, x, __builtin_inf()));
  result = wf_choose(e, wf_binary(e, LLVMAnd, undefined, finite), nan, result);
  result = wf_choose(e, wf_fcmp(e, LLVMRealUNO, x, y), nan, result);
  result = wf_where(e, LLVMRealOEQ, x, 1, one, result);
  return wf_where(e, LLVMRealOEQ, y, 0, one, result);
}
