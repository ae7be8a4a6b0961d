// Element types: one table (types.def) for the compiler and the runtime, and bit-exact conversions.
#ifndef WEFT_IR_TYPES_H
#define WEFT_IR_TYPES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum wf_dtype {
#define WF_TYPE(ENUM, name, bytes, class) WF_##ENUM,
#include "ir/types.def"
#undef WF_TYPE
  WF_DTYPE_COUNT
} wf_dtype;

const char *wf_dtype_name(wf_dtype type);
bool wf_dtype_parse(const char *name, wf_dtype *out_type);
int wf_dtype_bytes(wf_dtype type);
bool wf_dtype_is_float(wf_dtype type);
bool wf_dtype_is_int(wf_dtype type);    // i64 i32 u8
// The type in which a body over this storage type computes: f32 for tf32 bf16 f16 fp8, else itself.
wf_dtype wf_dtype_compute(wf_dtype type);

// Round to nearest even into the type and back, once, straight from f64; identity for f64. NaN stays NaN. f32, tf32
// (10 bits of mantissa, f32's exponents), bf16 and f16 overflow to infinity; f8e4m3 (OCP: no infinity, largest 448) and
// f8e5m2 (largest 57344) saturate, infinities too: the rule of the GPUs' only conversion, cvt.satfinite. Subnormals are kept.
// Float to integer truncates and saturates (NaN to 0); to bool it is value != 0.
double wf_round_to(wf_dtype type, double value);
// Load and store element `index` of an array of the type. Stores round as above. i64 beyond 2^53: use the _int pair,
// whose integer stores wrap.
double wf_load_element(wf_dtype type, const void *array, int64_t index);
void wf_store_element(wf_dtype type, void *array, int64_t index, double value);
int64_t wf_load_element_int(wf_dtype type, const void *array, int64_t index);
void wf_store_element_int(wf_dtype type, void *array, int64_t index, int64_t value);
#endif
