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

// Round to nearest even into the type and back; identity for f64. Integers wrap, float to integer saturates (NaN to 0).
double wf_round_to(wf_dtype type, double value);
// Load and store element `index` of an array of the type. Stores round as above. i64 beyond 2^53: use the _int pair.
double wf_load_element(wf_dtype type, const void *array, int64_t index);
void wf_store_element(wf_dtype type, void *array, int64_t index, double value);
int64_t wf_load_element_int(wf_dtype type, const void *array, int64_t index);
void wf_store_element_int(wf_dtype type, void *array, int64_t index, int64_t value);
#endif
