// Scalar operations of the kernel IR as LLVM instructions. Each node of the DAG is emitted once a statement.
#include "codegen/emit.h"

static bool is_unsigned(wf_dtype type) { return type == WF_U8 || type == WF_BOOL; }

wf_llvm wf_emit_constant(wf_emit *e, wf_dtype type, double number, int64_t integer) {
  LLVMTypeRef llvm = wf_compute_type(e, type);
  return wf_dtype_is_float(type) ? LLVMConstReal(llvm, number) : wf_int_constant(llvm, integer);
}

static int64_t lowest_int(wf_dtype type) { return type == WF_I64 ? INT64_MIN : type == WF_I32 ? INT32_MIN : 0; }
static int64_t highest_int(wf_dtype type) { return type == WF_I64 ? INT64_MAX : type == WF_I32 ? INT32_MAX : type == WF_U8 ? UINT8_MAX : 1; }

int64_t wf_identity_int(wf_combiner combiner, wf_dtype type) {
  switch (combiner) {
    case WF_R_PROD: return 1;
    case WF_R_MAX: case WF_R_ARGMAX: return lowest_int(type);
    case WF_R_MIN: case WF_R_ARGMIN: return highest_int(type);
    case WF_R_NONE: case WF_R_SUM: case WF_COMBINER_COUNT: break;
  }
  return 0;
}

// ---- floats ---------------------------------------------------------------------------------------------------------
// NaN wins. The sign of a zero result is left open, which saves x86 two of four instructions (all but one beside a constant).
static wf_llvm float_extreme(wf_emit *e, wf_llvm a, wf_llvm b, bool maximum) {
  wf_llvm result = wf_intrinsic_like2(e, maximum ? "llvm.maximum" : "llvm.minimum", a, b);
  if (LLVMIsAInstruction(result)) LLVMSetFastMathFlags(result, LLVMFastMathNoSignedZeros);
  return result;
}

static wf_llvm float_sign(wf_emit *e, wf_llvm a) {
  wf_llvm zero = wf_float_like(e, a, 0);
  wf_llvm below = wf_choose(e, wf_fcmp(e, LLVMRealOLT, a, zero), wf_float_like(e, a, -1), zero);
  return wf_choose(e, wf_fcmp(e, LLVMRealOGT, a, zero), wf_float_like(e, a, 1), below);
}

static wf_llvm float_floordiv(wf_emit *e, wf_llvm a, wf_llvm b) { return wf_intrinsic_like(e, "llvm.floor", wf_binary(e, LLVMFDiv, a, b)); }

static wf_llvm emit_float(wf_emit *e, wf_scalar op, wf_llvm a, wf_llvm b) {
  switch (op) {
    case WF_S_ADD: return wf_binary(e, LLVMFAdd, a, b);
    case WF_S_SUB: return wf_binary(e, LLVMFSub, a, b);
    case WF_S_MUL: return wf_binary(e, LLVMFMul, a, b);
    case WF_S_DIV: return wf_binary(e, LLVMFDiv, a, b);
    case WF_S_FLOORDIV: return float_floordiv(e, a, b);
    case WF_S_MOD: return wf_binary(e, LLVMFSub, a, wf_binary(e, LLVMFMul, b, float_floordiv(e, a, b)));
    case WF_S_NEG: return LLVMBuildFNeg(e->builder, a, "");
    case WF_S_MIN: return float_extreme(e, a, b, false);
    case WF_S_MAX: return float_extreme(e, a, b, true);
    case WF_S_ABS: return wf_intrinsic_like(e, "llvm.fabs", a);
    case WF_S_SIGN: return float_sign(e, a);
    case WF_S_FLOOR: return wf_intrinsic_like(e, "llvm.floor", a);
    case WF_S_CEIL: return wf_intrinsic_like(e, "llvm.ceil", a);
    case WF_S_ROUND: return wf_intrinsic_like(e, "llvm.roundeven", a);
    case WF_S_TRUNC: return wf_intrinsic_like(e, "llvm.trunc", a);
    case WF_S_SQRT: return wf_intrinsic_like(e, "llvm.sqrt", a);
    case WF_S_RSQRT: return wf_binary(e, LLVMFDiv, wf_float_like(e, a, 1), wf_intrinsic_like(e, "llvm.sqrt", a));
    case WF_S_LT: return wf_fcmp(e, LLVMRealOLT, a, b);
    case WF_S_LE: return wf_fcmp(e, LLVMRealOLE, a, b);
    case WF_S_GT: return wf_fcmp(e, LLVMRealOGT, a, b);
    case WF_S_GE: return wf_fcmp(e, LLVMRealOGE, a, b);
    case WF_S_EQ: return wf_fcmp(e, LLVMRealOEQ, a, b);
    case WF_S_NE: return wf_fcmp(e, LLVMRealUNE, a, b);
    case WF_S_EXP: case WF_S_EXP2: case WF_S_LOG: case WF_S_LOG2: case WF_S_SIN: case WF_S_COS: case WF_S_TANH: case WF_S_ERF: case WF_S_POW:
      return wf_emit_math(e, op, a, b);
    case WF_S_CONST: case WF_S_INDEX: case WF_S_READ: case WF_S_RANDOM: case WF_S_CAST: case WF_S_STOP: case WF_S_SELECT:
    case WF_S_AND: case WF_S_OR: case WF_S_XOR: case WF_S_NOT: case WF_SCALAR_COUNT: break;
  }
  return NULL;
}

// ---- integers -------------------------------------------------------------------------------------------------------
// x86 traps on division by 0 and on the lowest number over -1; divisors that are not known take a safe path: by 1 there.
static wf_llvm safe_divisor(wf_emit *e, wf_llvm b, bool is_signed) {
  if (LLVMIsAConstantInt(b) && LLVMConstIntGetSExtValue(b) != 0 && LLVMConstIntGetSExtValue(b) != -1) return b;
  wf_llvm one = wf_int_like(e, b, 1), bad = wf_icmp(e, LLVMIntEQ, b, wf_int_like(e, b, 0));
  if (is_signed) bad = wf_binary(e, LLVMOr, bad, wf_icmp(e, LLVMIntEQ, b, wf_int_like(e, b, -1)));
  return wf_choose(e, bad, one, b);
}

static wf_llvm int_floordiv(wf_emit *e, bool is_signed, wf_llvm a, wf_llvm b) {
  wf_llvm divisor = safe_divisor(e, b, is_signed);
  if (!is_signed) return wf_binary(e, LLVMUDiv, a, divisor);
  wf_llvm quotient = wf_binary(e, LLVMSDiv, a, divisor);
  wf_llvm rest = wf_binary(e, LLVMSub, a, wf_binary(e, LLVMMul, quotient, divisor)), zero = wf_int_like(e, rest, 0);
  wf_llvm differ = wf_icmp(e, LLVMIntSLT, wf_binary(e, LLVMXor, rest, divisor), zero);
  wf_llvm down = wf_binary(e, LLVMAnd, wf_icmp(e, LLVMIntNE, rest, zero), differ);
  wf_llvm floored = wf_binary(e, LLVMAdd, quotient, wf_convert(e, LLVMSExt, down, wf_element_type(quotient)));
  if (divisor == b) return floored;
  return wf_choose(e, wf_icmp(e, LLVMIntEQ, b, wf_int_like(e, b, -1)), LLVMBuildNeg(e->builder, a, ""), floored);
}

static wf_llvm int_mod(wf_emit *e, bool is_signed, wf_llvm a, wf_llvm b) {
  return wf_binary(e, LLVMSub, a, wf_binary(e, LLVMMul, b, int_floordiv(e, is_signed, a, b)));
}

static wf_llvm int_extreme(wf_emit *e, bool is_signed, wf_llvm a, wf_llvm b, bool maximum) {
  LLVMIntPredicate better = is_signed ? (maximum ? LLVMIntSGT : LLVMIntSLT) : (maximum ? LLVMIntUGT : LLVMIntULT);
  return wf_choose(e, wf_icmp(e, better, a, b), a, b);
}

static wf_llvm int_abs(wf_emit *e, bool is_signed, wf_llvm a) {
  return is_signed ? wf_choose(e, wf_icmp(e, LLVMIntSLT, a, wf_int_like(e, a, 0)), LLVMBuildNeg(e->builder, a, ""), a) : a;
}

static wf_llvm int_sign(wf_emit *e, bool is_signed, wf_llvm a) {
  wf_llvm zero = wf_int_like(e, a, 0);
  wf_llvm above = wf_convert(e, LLVMZExt, wf_icmp(e, is_signed ? LLVMIntSGT : LLVMIntUGT, a, zero), wf_element_type(a));
  wf_llvm below = wf_convert(e, LLVMZExt, wf_icmp(e, LLVMIntSLT, a, zero), wf_element_type(a));
  return is_signed ? wf_binary(e, LLVMSub, above, below) : above;
}

static wf_llvm emit_int(wf_emit *e, wf_scalar op, bool s, wf_llvm a, wf_llvm b) {
  switch (op) {
    case WF_S_ADD: return wf_binary(e, LLVMAdd, a, b);
    case WF_S_SUB: return wf_binary(e, LLVMSub, a, b);
    case WF_S_MUL: return wf_binary(e, LLVMMul, a, b);
    case WF_S_FLOORDIV: return int_floordiv(e, s, a, b);
    case WF_S_MOD: return int_mod(e, s, a, b);
    case WF_S_NEG: return LLVMBuildNeg(e->builder, a, "");
    case WF_S_MIN: return int_extreme(e, s, a, b, false);
    case WF_S_MAX: return int_extreme(e, s, a, b, true);
    case WF_S_ABS: return int_abs(e, s, a);
    case WF_S_SIGN: return int_sign(e, s, a);
    case WF_S_LT: return wf_icmp(e, s ? LLVMIntSLT : LLVMIntULT, a, b);
    case WF_S_LE: return wf_icmp(e, s ? LLVMIntSLE : LLVMIntULE, a, b);
    case WF_S_GT: return wf_icmp(e, s ? LLVMIntSGT : LLVMIntUGT, a, b);
    case WF_S_GE: return wf_icmp(e, s ? LLVMIntSGE : LLVMIntUGE, a, b);
    case WF_S_EQ: return wf_icmp(e, LLVMIntEQ, a, b);
    case WF_S_NE: return wf_icmp(e, LLVMIntNE, a, b);
    case WF_S_AND: return wf_binary(e, LLVMAnd, a, b);
    case WF_S_OR: return wf_binary(e, LLVMOr, a, b);
    case WF_S_XOR: return wf_binary(e, LLVMXor, a, b);
    case WF_S_NOT: return wf_icmp(e, LLVMIntEQ, a, wf_int_like(e, a, 0));
    case WF_S_DIV: case WF_S_FLOOR: case WF_S_CEIL: case WF_S_ROUND: case WF_S_TRUNC: case WF_S_SQRT: case WF_S_RSQRT:
    case WF_S_EXP: case WF_S_EXP2: case WF_S_LOG: case WF_S_LOG2: case WF_S_SIN: case WF_S_COS: case WF_S_TANH: case WF_S_ERF: case WF_S_POW:
    case WF_S_CONST: case WF_S_INDEX: case WF_S_READ: case WF_S_RANDOM: case WF_S_CAST: case WF_S_STOP: case WF_S_SELECT: case WF_SCALAR_COUNT: break;
  }
  return NULL;
}

// ---- nodes ----------------------------------------------------------------------------------------------------------
static wf_llvm truth(wf_emit *e, const wf_expr *condition) {
  wf_llvm value = wf_emit_expr(e, condition);
  return condition->dtype == WF_BOOL ? value : wf_emit_cast(e, condition->dtype, WF_BOOL, value);
}

static wf_llvm emit_select(wf_emit *e, const wf_expr *x) {
  wf_llvm condition = truth(e, x->args[0]), a = wf_emit_expr(e, x->args[1]), b = wf_emit_expr(e, x->args[2]);
  if (!wf_lanes_of(condition) && !LLVMIsAConstantInt(condition)) wf_match(e, &a, &b);
  return wf_choose(e, condition, a, b);
}

// An index comparison that mentions the lane axis is a mask made in 32 bits; others compare the dims.
static wf_llvm emit_index_compare(wf_emit *e, const wf_expr *x) {
  const wf_dim *a = x->args[0]->dim, *b = x->args[1]->dim;
  switch (x->op) {
    case WF_S_LT: return wf_emit_nonnegative(e, wf_dim_offset(wf_dim_sub(b, a), -1));
    case WF_S_LE: return wf_emit_nonnegative(e, wf_dim_sub(b, a));
    case WF_S_GT: return wf_emit_nonnegative(e, wf_dim_offset(wf_dim_sub(a, b), -1));
    case WF_S_GE: return wf_emit_nonnegative(e, wf_dim_sub(a, b));
    default: return NULL;
  }
}

static bool fits_i32(const wf_dim *dim) {
  wf_interval range = wf_dim_range(dim);
  return range.low >= INT32_MIN && range.high <= INT32_MAX;
}

static wf_llvm emit_node_cast(wf_emit *e, const wf_expr *x) {
  wf_llvm value = wf_emit_expr(e, x->args[0]);
  wf_dtype from = x->args[0]->dtype;
  if (x->args[0]->op == WF_S_INDEX && (wf_lanes_of(value) || e->target->gpu) && wf_dtype_is_float(x->dtype) && fits_i32(x->args[0]->dim)) {
    value = wf_convert(e, LLVMTrunc, value, e->i32);   // vectors of i64 to float are scalarised before AVX-512
    from = WF_I32;
  }
  return wf_emit_cast(e, from, x->dtype, value);
}

static wf_llvm emit_operation(wf_emit *e, const wf_expr *x) {
  const wf_expr *left = x->args[0], *right = x->arg_count > 1 ? x->args[1] : NULL;
  if (right && left->op == WF_S_INDEX && right->op == WF_S_INDEX) {
    wf_llvm compared = emit_index_compare(e, x);
    if (compared) return compared;
  }
  wf_llvm a = wf_emit_expr(e, left), b = right ? wf_emit_expr(e, right) : NULL;
  if (wf_dtype_is_float(left->dtype)) return emit_float(e, x->op, a, b);
  return emit_int(e, x->op, !is_unsigned(left->dtype), a, b);
}

static wf_llvm emit_node(wf_emit *e, const wf_expr *x) {
  switch (x->op) {
    case WF_S_CONST: return wf_emit_constant(e, x->dtype, x->number, x->integer);
    case WF_S_INDEX: return wf_emit_dim(e, x->dim);
    case WF_S_READ: return wf_emit_read(e, x);
    case WF_S_RANDOM: return wf_emit_random(e, (uint64_t)x->integer, wf_emit_expr(e, x->args[0]), wf_emit_expr(e, x->args[1]), wf_emit_expr(e, x->args[2]));
    case WF_S_CAST: return emit_node_cast(e, x);
    case WF_S_STOP: return wf_emit_expr(e, x->args[0]);
    case WF_S_SELECT: return emit_select(e, x);
    default: return emit_operation(e, x);
  }
}

wf_llvm wf_emit_expr(wf_emit *e, const wf_expr *x) {
  if (x->id >= e->memo_count) {
    int count = x->id + 256;
    void *grown = wf_arena_alloc(e->arena, sizeof *e->memo * (size_t)count);
    if (e->memo_count) memcpy(grown, e->memo, sizeof *e->memo * (size_t)e->memo_count);
    e->memo = grown;
    e->memo_count = count;
  }
  if (e->memo[x->id].generation == e->generation) return e->memo[x->id].value;
  wf_llvm value = emit_node(e, x);
  if (!value) {
    if (!e->failed) wf_error(e->module->diag, e->kernel->loc, "kernel %s: %s has no code for operands of type %s", e->kernel->name, wf_scalar_table[x->op].name, wf_dtype_name(x->args[0]->dtype));
    e->failed = true;
    value = LLVMConstNull(wf_compute_type(e, x->dtype));
  }
  e->memo[x->id].generation = e->generation;
  e->memo[x->id].value = value;
  return value;
}

wf_llvm wf_emit_combine(wf_emit *e, wf_combiner combiner, wf_dtype type, wf_llvm a, wf_llvm b) {
  static const wf_scalar ops[WF_COMBINER_COUNT] = {[WF_R_SUM] = WF_S_ADD, [WF_R_PROD] = WF_S_MUL, [WF_R_MAX] = WF_S_MAX, [WF_R_MIN] = WF_S_MIN};
  if (combiner == WF_R_NONE || !ops[combiner]) return b;
  if (type == WF_BOOL && (combiner == WF_R_SUM || combiner == WF_R_MAX)) return wf_binary(e, LLVMOr, a, b);
  if (type == WF_BOOL) return wf_binary(e, LLVMAnd, a, b);
  return wf_dtype_is_float(type) ? emit_float(e, ops[combiner], a, b) : emit_int(e, ops[combiner], !is_unsigned(type), a, b);
}
