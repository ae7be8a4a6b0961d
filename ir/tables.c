// Everything that is read off the rows of ops.def: info tables, reference evaluation, combiner identities; and Philox.
#include <math.h>
#include "ir/ir.h"

const wf_scalar_info wf_scalar_table[WF_SCALAR_COUNT] = {
#define WF_SCALAR(ENUM, name, arity, traits, float_eval, int_eval, derivative) [WF_S_##ENUM] = {#name, arity, traits, derivative},
#include "ir/ops.def"
};

const char *const wf_combiner_names[WF_COMBINER_COUNT] = {
#define WF_COMBINER(ENUM, name) [WF_R_##ENUM] = #name,
#include "ir/ops.def"
};

const char *const wf_operation_names[WF_OPERATION_COUNT] = {
#define WF_OPERATION(ENUM, name, traits) [WF_O_##ENUM] = #name,
#include "ir/ops.def"
};

bool wf_scalar_has_trait(wf_scalar op, char trait) { return strchr(wf_scalar_table[op].traits, trait) != NULL; }

bool wf_scalar_find(const char *name, wf_scalar *out_op) {
  for (int op = 0; op < WF_SCALAR_COUNT; op++)
    if (!strcmp(name, wf_scalar_table[op].name)) return *out_op = (wf_scalar)op, true;
  return false;
}

// NaN wins over every number (C's fmin and fmax drop it).
static double wf_min(double a, double b) { return isnan(a) ? a : isnan(b) ? b : a < b ? a : b; }
static double wf_max(double a, double b) { return isnan(a) ? a : isnan(b) ? b : a > b ? a : b; }

static int64_t int_floordiv(int64_t a, int64_t b, bool *undefined) {
  if (b == 0) return *undefined = true, 0;
  if (b == -1) return (int64_t)(0 - (uint64_t)a);  // INT64_MIN / -1 wraps
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t int_mod(int64_t a, int64_t b, bool *undefined) {
  if (b == 0) return *undefined = true, 0;
  if (b == -1) return 0;
  int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

double wf_scalar_eval_float(wf_scalar op, const double *operands) {
  int arity = wf_scalar_table[op].arity;
  double a = arity > 0 ? operands[0] : 0, b = arity > 1 ? operands[1] : 0, c = arity > 2 ? operands[2] : 0;
  switch (op) {
#define WF_SCALAR(ENUM, name, arity, traits, float_eval, int_eval, derivative) \
  case WF_S_##ENUM: return (double)(float_eval);
#include "ir/ops.def"
  case WF_SCALAR_COUNT: break;
  }
  return NAN;
}

bool wf_scalar_eval_int(wf_scalar op, const int64_t *operands, int64_t *out_result) {
  int arity = wf_scalar_table[op].arity;
  int64_t a = arity > 0 ? operands[0] : 0, b = arity > 1 ? operands[1] : 0, c = arity > 2 ? operands[2] : 0;
  bool undefined = false;
#define WF_NO_INT (undefined = true, 0)
#define wf_int_floordiv(a, b) int_floordiv(a, b, &undefined)
#define wf_int_mod(a, b) int_mod(a, b, &undefined)
  switch (op) {
#define WF_SCALAR(ENUM, name, arity, traits, float_eval, int_eval, derivative) \
  case WF_S_##ENUM: *out_result = (int64_t)(int_eval); break;
#include "ir/ops.def"
  case WF_SCALAR_COUNT: return false;
  }
  return !undefined;
}

static double lowest(wf_dtype type) {
  switch (type) {
  case WF_F64: case WF_F32: case WF_TF32: case WF_BF16: case WF_F16: case WF_E5M2: return -INFINITY;
  case WF_E4M3: return -448;  // has no infinity
  case WF_I64: return -0x1p63;
  case WF_I32: return -0x1p31;
  case WF_U8: case WF_BOOL: return 0;
  case WF_DTYPE_COUNT: break;
  }
  return NAN;
}

static double highest(wf_dtype type) {
  switch (type) {
  case WF_F64: case WF_F32: case WF_TF32: case WF_BF16: case WF_F16: case WF_E5M2: return INFINITY;
  case WF_E4M3: return 448;
  case WF_I64: return 0x1p63;  // stores saturate to 2^63 - 1
  case WF_I32: return 0x1p31 - 1;
  case WF_U8: return 255;
  case WF_BOOL: return 1;
  case WF_DTYPE_COUNT: break;
  }
  return NAN;
}

double wf_combiner_identity(wf_combiner combiner, wf_dtype type) {
  switch (combiner) {
  case WF_R_NONE: case WF_R_SUM: return 0;
  case WF_R_PROD: return 1;
  case WF_R_MAX: case WF_R_ARGMAX: return lowest(type);
  case WF_R_MIN: case WF_R_ARGMIN: return highest(type);
  case WF_COMBINER_COUNT: break;
  }
  return NAN;
}

int64_t wf_wrap_int(wf_dtype type, int64_t value) {
  switch (type) {
  case WF_I32: return (int32_t)(uint32_t)(uint64_t)value;
  case WF_U8: return (uint8_t)(uint64_t)value;
  case WF_BOOL: return value != 0;
  default: return value;
  }
}

void wf_philox4x32_10(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)p1;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

double wf_random_uniform(uint64_t seed, uint64_t site, uint64_t step, uint64_t index) {
  uint64_t mixed = seed ^ site;
  uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)step, (uint32_t)(step >> 32)};
  uint32_t key[2] = {(uint32_t)mixed, (uint32_t)(mixed >> 32)}, out[4];
  wf_philox4x32_10(counter, key, out);
  return (double)(out[0] >> 8) * 0x1p-24;
}
