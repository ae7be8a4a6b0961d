// Shared by the emit_math*.c files: arithmetic on scalars and vectors of f32 or f64, and the pieces that series are made of.
#ifndef WEFT_CODEGEN_EMIT_MATH_H
#define WEFT_CODEGEN_EMIT_MATH_H
#include "codegen/emit.h"

typedef struct wf_float_format {
  int mantissa, bias;           // stored bits of mantissa
  double magic;                 // 1.5 * 2^mantissa
  double ln2_high, ln2_low;     // high has so few bits that its product with any exponent is exact
  int exp_degree, log_terms;
  double exp_low, exp_high, exp2_low, exp2_high;   // beyond: the result is 0 or infinite
  double lift, smallest_normal; // a power of two that makes subnormals normal
  int64_t sqrt_half_bits;
  double erf_last;              // |x| - 1 beyond which erf rounds to 1
} wf_float_format;
const wf_float_format *wf_format_of(wf_emit *e, wf_llvm a);

wf_llvm wf_fadd(wf_emit *e, wf_llvm a, wf_llvm b);
wf_llvm wf_fsub(wf_emit *e, wf_llvm a, wf_llvm b);
wf_llvm wf_fmul(wf_emit *e, wf_llvm a, wf_llvm b);
wf_llvm wf_fdiv(wf_emit *e, wf_llvm a, wf_llvm b);
wf_llvm wf_fscale(wf_emit *e, wf_llvm a, double by);
wf_llvm wf_foffset(wf_emit *e, wf_llvm a, double by);
wf_llvm wf_fneg(wf_emit *e, wf_llvm a);
wf_llvm wf_fabs_of(wf_emit *e, wf_llvm a);
wf_llvm wf_multiply_add_constant(wf_emit *e, wf_llvm a, double by, wf_llvm c);
wf_llvm wf_where(wf_emit *e, LLVMRealPredicate predicate, wf_llvm x, double limit, wf_llvm then, wf_llvm otherwise);
wf_llvm wf_polynomial(wf_emit *e, wf_llvm x, const double *coefficients, int count);
wf_llvm wf_round_by_magic(wf_emit *e, wf_llvm x);       // to nearest even, |x| < 2^(mantissa - 1)
wf_llvm wf_power_of_two(wf_emit *e, wf_llvm n);         // of an integral n that is a normal exponent
typedef struct wf_split { wf_llvm k, m; } wf_split;     // k integral, as a float
wf_split wf_split_exponent(wf_emit *e, wf_llvm x);
wf_llvm wf_log_specials(wf_emit *e, wf_llvm x, wf_llvm result);
wf_llvm wf_exp_of(wf_emit *e, wf_llvm x);
wf_llvm wf_sin_or_cos(wf_emit *e, wf_llvm x, bool cosine);   // emit_math_trig.c
wf_llvm wf_pow_of(wf_emit *e, wf_llvm x, wf_llvm y);         // emit_math_pow.c
#endif
