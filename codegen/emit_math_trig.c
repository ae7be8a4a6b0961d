// sin and cos. pi/2 is subtracted in three parts of 33, 33 and 53 bits (Cody and Waite), so that n times the first two is exact
// for |n| < 2^20; the quadrant is the low bits of n. f32 computes in f64, where two parts and shorter series do.
#include "codegen/emit_math.h"

enum { SINE_TERMS_F64 = 8, SINE_TERMS_F32 = 5 };
static const double half_pi[3] = {0x1.921fb544p+0, 0x1.0b4611a6p-34, 0x1.3198a2e037073p-69};

// r + r^3 (-1/3! + r^2/5! - ...)
static wf_llvm sine(wf_emit *e, wf_llvm r, wf_llvm square, int terms) {
  double c[16], factorial = 1;
  for (int k = 0; k < terms; k++) c[k] = (k & 1 ? 1 : -1) / (factorial *= (2 * k + 2) * (2 * k + 3));
  return wf_multiply_add(e, wf_fmul(e, r, square), wf_polynomial(e, square, c, terms), r);
}

// 1 - r^2/2 + r^4 (1/4! - r^2/6! + ...), with what 1 - r^2/2 rounds off put back
static wf_llvm cosine(wf_emit *e, wf_llvm square, int terms) {
  double c[16], factorial = 2;
  for (int k = 0; k < terms; k++) c[k] = (k & 1 ? -1 : 1) / (factorial *= (2 * k + 3) * (2 * k + 4));
  wf_llvm half = wf_fscale(e, square, 0.5), one = wf_float_like(e, square, 1), head = wf_fsub(e, one, half);
  wf_llvm lost = wf_fsub(e, wf_fsub(e, one, head), half);
  wf_llvm tail = wf_multiply_add(e, wf_fmul(e, square, square), wf_polynomial(e, square, c, terms), lost);
  return wf_fadd(e, head, tail);
}

static wf_llvm in_f64(wf_emit *e, wf_llvm x, bool want_cosine, int terms) {
  wf_llvm huge = wf_fscale(e, x, 0);   // NaN of infinities, else 0
  x = wf_where(e, LLVMRealOLT, wf_fabs_of(e, x), 0x1p31, x, huge);
  wf_llvm shifted = wf_foffset(e, wf_fscale(e, x, 0x1.45f306dc9c883p-1), 0x1.8p52), n = wf_foffset(e, shifted, -0x1.8p52);
  wf_llvm r = x;
  for (int part = 0; part < 3; part++) r = wf_multiply_add_constant(e, n, -half_pi[part], r);
  wf_llvm quadrant = wf_bits_as(e, shifted, e->i64), square = wf_fmul(e, r, r);
  if (want_cosine) quadrant = wf_binary(e, LLVMAdd, quadrant, wf_int_like(e, quadrant, 1));
  wf_llvm odd = wf_binary(e, LLVMAnd, quadrant, wf_int_like(e, quadrant, 1));
  wf_llvm swap = wf_icmp(e, LLVMIntNE, odd, wf_int_like(e, odd, 0));
  wf_llvm value = wf_choose(e, swap, cosine(e, square, terms - 1), sine(e, r, square, terms));
  wf_llvm sign = wf_binary(e, LLVMShl, wf_binary(e, LLVMAnd, quadrant, wf_int_like(e, quadrant, 2)), wf_int_like(e, quadrant, 62));
  return wf_bits_as(e, wf_binary(e, LLVMXor, wf_bits_as(e, value, e->i64), sign), e->f64);
}

wf_llvm wf_sin_or_cos(wf_emit *e, wf_llvm x, bool want_cosine) {
  bool wide = wf_element_type(x) == e->f64;
  wf_llvm argument = wide ? x : wf_convert(e, LLVMFPExt, x, e->f64);
  wf_llvm result = in_f64(e, argument, want_cosine, wide ? SINE_TERMS_F64 : SINE_TERMS_F32);
  if (!wide) result = wf_convert(e, LLVMFPTrunc, result, e->f32);
  return want_cosine ? result : wf_where(e, LLVMRealOEQ, x, 0, x, result);   // sin(-0) is -0
}
