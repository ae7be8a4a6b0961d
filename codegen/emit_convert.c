// Between storage and computing types: IEEE and narrow floats by bit arithmetic, round to nearest even, subnormals kept.
// The rules are those of wf_round_to (ir/types.h).
#include "codegen/emit.h"

typedef struct narrow { int bits, mantissa, bias; bool saturates, has_infinity; } narrow;

static const narrow *narrow_of(wf_dtype type) {
  static const narrow f16 = {16, 10, 15, false, true}, e4m3 = {8, 3, 7, true, false}, e5m2 = {8, 2, 15, true, true};
  return type == WF_F16 ? &f16 : type == WF_E4M3 ? &e4m3 : type == WF_E5M2 ? &e5m2 : NULL;
}

LLVMTypeRef wf_storage_type(wf_emit *e, wf_dtype type) {
  switch (type) {
    case WF_F64: return e->f64;
    case WF_F32: case WF_TF32: return e->f32;
    case WF_BF16: case WF_F16: return e->i16;
    case WF_E4M3: case WF_E5M2: case WF_U8: case WF_BOOL: return e->i8;
    case WF_I64: return e->i64;
    case WF_I32: return e->i32;
    case WF_DTYPE_COUNT: break;
  }
  return NULL;
}

LLVMTypeRef wf_compute_type(wf_emit *e, wf_dtype type) {
  return type == WF_BOOL ? e->i1 : wf_storage_type(e, wf_dtype_compute(type));
}

static wf_llvm ints(wf_emit *e, LLVMOpcode op, wf_llvm a, int64_t b) { return wf_binary(e, op, a, wf_int_like(e, a, b)); }
static wf_llvm to_f32(wf_emit *e, wf_llvm bits) { return wf_bits_as(e, bits, e->f32); }
static wf_llvm to_bits(wf_emit *e, wf_llvm value) { return wf_bits_as(e, value, e->i32); }

static wf_llvm widen_bf16(wf_emit *e, wf_llvm raw) {
  return to_f32(e, ints(e, LLVMShl, wf_convert(e, LLVMZExt, raw, e->i32), 16));
}

// Adds half of the last kept place, less one when that place is even, then drops `drop` bits of the magnitude.
static wf_llvm round_bits(wf_emit *e, wf_llvm bits, int drop) {
  wf_llvm odd = ints(e, LLVMAnd, ints(e, LLVMLShr, bits, drop), 1);
  return wf_binary(e, LLVMAdd, ints(e, LLVMAdd, bits, (1 << (drop - 1)) - 1), odd);
}

static wf_llvm narrow_bf16(wf_emit *e, wf_llvm value) {
  wf_llvm bits = to_bits(e, value);
  wf_llvm rounded = round_bits(e, bits, 16), quiet = ints(e, LLVMOr, bits, 0x400000);
  wf_llvm chosen = wf_choose(e, wf_fcmp(e, LLVMRealUNO, value, value), quiet, rounded);
  return wf_convert(e, LLVMTrunc, ints(e, LLVMLShr, chosen, 16), e->i16);
}

static wf_llvm narrow_tf32(wf_emit *e, wf_llvm value) {
  wf_llvm rounded = ints(e, LLVMAnd, round_bits(e, to_bits(e, value), 13), (int32_t)0xffffe000);
  return wf_choose(e, wf_fcmp(e, LLVMRealUNO, value, value), value, to_f32(e, rounded));
}

static double power_of_two(int exponent) {
  double value = 1;
  for (; exponent > 0; exponent--) value *= 2;
  for (; exponent < 0; exponent++) value /= 2;
  return value;
}

// Exponent and mantissa move to f32's places; one exact product rebiases, subnormals included.
static wf_llvm widen_narrow(wf_emit *e, const narrow *n, wf_llvm raw) {
  wf_llvm bits = wf_convert(e, LLVMZExt, raw, e->i32);
  wf_llvm sign = ints(e, LLVMShl, ints(e, LLVMAnd, bits, 1 << (n->bits - 1)), 32 - n->bits);
  wf_llvm magnitude = ints(e, LLVMAnd, bits, (1 << (n->bits - 1)) - 1);
  wf_llvm moved = to_f32(e, ints(e, LLVMShl, magnitude, 23 - n->mantissa));
  wf_llvm value = to_bits(e, wf_binary(e, LLVMFMul, moved, wf_float_like(e, moved, power_of_two(127 - n->bias))));
  int infinity = ((1 << (n->bits - 1 - n->mantissa)) - 1) << n->mantissa;
  wf_llvm special = ints(e, LLVMOr, ints(e, LLVMShl, magnitude, 23 - n->mantissa), 0x7f800000);
  int first_special = n->has_infinity ? infinity : (1 << (n->bits - 1)) - 1;
  wf_llvm is_special = wf_icmp(e, LLVMIntUGE, magnitude, wf_int_like(e, magnitude, first_special));
  return to_f32(e, wf_binary(e, LLVMOr, sign, wf_choose(e, is_special, special, value)));
}

static wf_llvm narrow_normal(wf_emit *e, const narrow *n, wf_llvm magnitude) {
  wf_llvm rounded = ints(e, LLVMLShr, round_bits(e, magnitude, 23 - n->mantissa), 23 - n->mantissa);
  return ints(e, LLVMSub, rounded, (int64_t)(127 - n->bias) << n->mantissa);
}

// Adding a power of two whose last place is the format's smallest subnormal lets the adder round.
static wf_llvm narrow_subnormal(wf_emit *e, const narrow *n, wf_llvm magnitude) {
  wf_llvm value = to_f32(e, magnitude), big = wf_float_like(e, value, power_of_two(24 - n->bias - n->mantissa));
  return wf_binary(e, LLVMSub, to_bits(e, wf_binary(e, LLVMFAdd, value, big)), to_bits(e, big));
}

static wf_llvm narrow_to(wf_emit *e, const narrow *n, wf_llvm value) {
  wf_llvm bits = to_bits(e, value), magnitude = ints(e, LLVMAnd, bits, 0x7fffffff);
  int all = (1 << (n->bits - 1)) - 1, infinity = (all >> n->mantissa) << n->mantissa;
  int largest = n->saturates ? (n->has_infinity ? infinity - 1 : all - 1) : infinity;
  wf_llvm smallest_normal = wf_int_like(e, magnitude, (int64_t)(128 - n->bias) << 23);
  wf_llvm code = wf_choose(e, wf_icmp(e, LLVMIntULT, magnitude, smallest_normal), narrow_subnormal(e, n, magnitude), narrow_normal(e, n, magnitude));
  wf_llvm over = wf_int_like(e, code, largest);
  code = wf_choose(e, wf_icmp(e, LLVMIntUGT, code, over), over, code);
  int nan_code = n->has_infinity ? infinity | 1 << (n->mantissa - 1) : all;
  wf_llvm is_nan = wf_icmp(e, LLVMIntUGT, magnitude, wf_int_like(e, magnitude, 0x7f800000));
  code = wf_choose(e, is_nan, wf_int_like(e, code, nan_code), code);
  wf_llvm sign = ints(e, LLVMAnd, ints(e, LLVMLShr, bits, 32 - n->bits), 1 << (n->bits - 1));
  return wf_convert(e, LLVMTrunc, wf_binary(e, LLVMOr, code, sign), n->bits == 16 ? e->i16 : e->i8);
}

wf_llvm wf_from_storage(wf_emit *e, wf_dtype type, wf_llvm raw) {
  switch (type) {
    case WF_BF16: return widen_bf16(e, raw);
    case WF_F16:
      if (!e->target->has_f16c) return widen_narrow(e, narrow_of(type), raw);
      return wf_convert(e, LLVMFPExt, wf_bits_as(e, raw, LLVMHalfTypeInContext(e->context)), e->f32);
    case WF_E4M3: case WF_E5M2: return widen_narrow(e, narrow_of(type), raw);
    case WF_BOOL: return wf_icmp(e, LLVMIntNE, raw, wf_int_like(e, raw, 0));
    case WF_F64: case WF_F32: case WF_TF32: case WF_I64: case WF_I32: case WF_U8: case WF_DTYPE_COUNT: break;
  }
  return raw;
}

wf_llvm wf_to_storage(wf_emit *e, wf_dtype type, wf_llvm value) {
  switch (type) {
    case WF_TF32: return narrow_tf32(e, value);
    case WF_BF16: return narrow_bf16(e, value);
    case WF_F16:
      if (!e->target->has_f16c) return narrow_to(e, narrow_of(type), value);
      return wf_bits_as(e, wf_convert(e, LLVMFPTrunc, value, LLVMHalfTypeInContext(e->context)), e->i16);
    case WF_E4M3: case WF_E5M2: return narrow_to(e, narrow_of(type), value);
    case WF_BOOL: return wf_convert(e, LLVMZExt, value, e->i8);
    case WF_F64: case WF_F32: case WF_I64: case WF_I32: case WF_U8: case WF_DTYPE_COUNT: break;
  }
  return value;
}

// f64 to f32 rounded to odd, so that a second rounding to fewer bits is as if made from f64 at once.
static wf_llvm truncate_to_odd(wf_emit *e, wf_llvm value) {
  wf_llvm nearest = wf_convert(e, LLVMFPTrunc, value, e->f32), back = wf_convert(e, LLVMFPExt, nearest, e->f64);
  wf_llvm inexact = wf_fcmp(e, LLVMRealONE, back, value);
  wf_llvm larger = wf_fcmp(e, LLVMRealOGT, wf_intrinsic_like(e, "llvm.fabs", back), wf_intrinsic_like(e, "llvm.fabs", value));
  wf_llvm bits = to_bits(e, nearest);
  wf_llvm toward_zero = wf_choose(e, larger, ints(e, LLVMSub, bits, 1), bits);
  return to_f32(e, wf_choose(e, inexact, ints(e, LLVMOr, toward_zero, 1), bits));
}

static wf_llvm float_to_float(wf_emit *e, wf_dtype from, wf_dtype to, wf_llvm value) {
  bool from_f64 = from == WF_F64, narrow_target = to != WF_F64 && to != WF_F32;
  if (to == WF_F64) return from_f64 ? value : wf_convert(e, LLVMFPExt, value, e->f64);
  if (from_f64) value = narrow_target ? truncate_to_odd(e, value) : wf_convert(e, LLVMFPTrunc, value, e->f32);
  return narrow_target ? wf_from_storage(e, to, wf_to_storage(e, to, value)) : value;
}

static wf_llvm float_to_int(wf_emit *e, wf_dtype to, wf_llvm value) {
  if (to == WF_BOOL) return wf_fcmp(e, LLVMRealUNE, value, wf_float_like(e, value, 0));
  LLVMTypeRef types[2] = {wf_type_like(value, wf_compute_type(e, to)), LLVMTypeOf(value)};
  return wf_intrinsic(e, to == WF_U8 ? "llvm.fptoui.sat" : "llvm.fptosi.sat", types, 2, &value, 1);
}

static bool is_unsigned(wf_dtype type) { return type == WF_U8 || type == WF_BOOL; }

static wf_llvm int_to_int(wf_emit *e, wf_dtype from, wf_dtype to, wf_llvm value) {
  if (from == to) return value;
  if (to == WF_BOOL) return wf_icmp(e, LLVMIntNE, value, wf_int_like(e, value, 0));
  LLVMTypeRef type = wf_compute_type(e, to);
  unsigned old_width = LLVMGetIntTypeWidth(wf_element_type(value)), width = LLVMGetIntTypeWidth(type);
  if (old_width == width) return value;
  return wf_convert(e, width < old_width ? LLVMTrunc : is_unsigned(from) ? LLVMZExt : LLVMSExt, value, type);
}

wf_llvm wf_emit_cast(wf_emit *e, wf_dtype from, wf_dtype to, wf_llvm value) {
  bool from_float = wf_dtype_is_float(from), to_float = wf_dtype_is_float(to);
  if (from_float && to_float) return float_to_float(e, wf_dtype_compute(from), to, value);
  if (from_float) return float_to_int(e, to, value);
  if (!to_float) return int_to_int(e, from, to, value);
  bool by_f64 = to != WF_F64 && to != WF_F32 && (from == WF_I64 || from == WF_I32);   // keeps one rounding into narrow types
  wf_llvm number = wf_convert(e, is_unsigned(from) ? LLVMUIToFP : LLVMSIToFP, value, to == WF_F64 || by_f64 ? e->f64 : e->f32);
  return float_to_float(e, by_f64 || to == WF_F64 ? WF_F64 : WF_F32, to, number);
}
