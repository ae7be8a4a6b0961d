// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) over scalars and vectors; the same
// bits as wf_random_uniform: key seed ^ site, counter (index, step), 24 bits of the first word.
#include "codegen/emit.h"

typedef struct words { wf_llvm low, high; } words;   // i32 halves

static words split(wf_emit *e, wf_llvm value) {
  wf_llvm high = wf_binary(e, LLVMLShr, value, wf_int_like(e, value, 32));
  return (words){wf_convert(e, LLVMTrunc, value, e->i32), wf_convert(e, LLVMTrunc, high, e->i32)};
}

static words multiply(wf_emit *e, wf_llvm word, uint32_t factor) {
  wf_llvm wide = wf_convert(e, LLVMZExt, word, e->i64);
  return split(e, wf_binary(e, LLVMMul, wide, wf_int_like(e, wide, (int64_t)factor)));
}

static wf_llvm mix(wf_emit *e, wf_llvm a, wf_llvm b, wf_llvm c) { return wf_binary(e, LLVMXor, wf_binary(e, LLVMXor, a, b), c); }

wf_llvm wf_emit_random(wf_emit *e, uint64_t site, wf_llvm seed, wf_llvm step, wf_llvm index) {
  words key = split(e, wf_binary(e, LLVMXor, seed, wf_int_like(e, seed, (int64_t)site)));
  words at = split(e, index), when = split(e, step);
  wf_llvm c0 = at.low, c1 = at.high, c2 = when.low, c3 = when.high;
  for (int round = 0; round < 10; round++) {
    words p0 = multiply(e, c0, 0xD2511F53u), p1 = multiply(e, c2, 0xCD9E8D57u);
    c0 = mix(e, p1.high, c1, key.low);
    c1 = p1.low;
    c2 = mix(e, p0.high, c3, key.high);
    c3 = p0.low;
    key.low = wf_binary(e, LLVMAdd, key.low, wf_int_like(e, key.low, 0x9E3779B9));
    key.high = wf_binary(e, LLVMAdd, key.high, wf_int_like(e, key.high, 0xBB67AE85));
  }
  wf_llvm bits = wf_binary(e, LLVMLShr, c0, wf_int_like(e, c0, 8));
  wf_llvm uniform = wf_convert(e, LLVMSIToFP, bits, e->f32);
  return wf_binary(e, LLVMFMul, uniform, wf_float_like(e, uniform, 0x1p-24));
}
