// Element types and their bit-exact conversions.
#include "ir/types.h"
#include <math.h>
#include <string.h>

static const struct { const char *name; int bytes; char class; } infos[WF_DTYPE_COUNT] = {
#define WF_TYPE(ENUM, name, bytes, class) {#name, bytes, #class[0]},
#include "ir/types.def"
#undef WF_TYPE
};

const char *wf_dtype_name(wf_dtype type) { return infos[type].name; }
int wf_dtype_bytes(wf_dtype type) { return infos[type].bytes; }
bool wf_dtype_is_float(wf_dtype type) { return infos[type].class == 'F'; }
bool wf_dtype_is_int(wf_dtype type) { return infos[type].class == 'I' || infos[type].class == 'U'; }

bool wf_dtype_parse(const char *name, wf_dtype *out_type) {
  for (int i = 0; i < WF_DTYPE_COUNT; i++)
    if (strcmp(infos[i].name, name) == 0) return *out_type = (wf_dtype)i, true;
  return false;
}

wf_dtype wf_dtype_compute(wf_dtype type) { return wf_dtype_is_float(type) && type != WF_F64 ? WF_F32 : type; }

// A narrow float: `mantissa` stored bits, smallest normal 2^lowest, largest finite value. Overflow saturates or is infinite.
typedef struct format { int mantissa, lowest; double largest; bool saturates; } format;

static const format *format_of(wf_dtype type) {
  static const format tf32 = {10, -126, 0x1.ffcp127, false}, bf16 = {7, -126, 0x1.fep127, false};
  static const format f16 = {10, -14, 65504, false}, e4m3 = {3, -6, 448, true}, e5m2 = {2, -14, 57344, true};
  switch (type) {
    case WF_TF32: return &tf32;
    case WF_BF16: return &bf16;
    case WF_F16: return &f16;
    case WF_E4M3: return &e4m3;
    case WF_E5M2: return &e5m2;
    case WF_F64: case WF_F32: case WF_I64: case WF_I32: case WF_U8: case WF_BOOL: case WF_DTYPE_COUNT: break;
  }
  return NULL;
}

static double power_of_two(int exponent) {   // of normal doubles
  uint64_t bits = (uint64_t)(exponent + 1023) << 52;
  double value;
  memcpy(&value, &bits, 8);
  return value;
}

static int exponent_of(double value) {       // floor(log2 |value|); -1023 for zero and subnormal doubles
  uint64_t bits;
  memcpy(&bits, &value, 8);
  return (int)(bits >> 52 & 0x7ff) - 1023;
}

static double round_narrow(const format *f, double value) {
  if (isnan(value) || value == 0) return value;
  if (fabs(value) <= f->largest) {
    int exponent = exponent_of(value);
    if (exponent < f->lowest) exponent = f->lowest;
    double quantum = power_of_two(exponent - f->mantissa);
    return rint(value * power_of_two(f->mantissa - exponent)) * quantum;
  }
  double half = power_of_two(exponent_of(f->largest) - f->mantissa - 1);
  bool over = !f->saturates && fabs(value) >= f->largest + half;   // a tie rounds to the even, infinite, neighbour
  return copysign(over ? INFINITY : f->largest, value);
}

static uint32_t encode_narrow(const format *f, int bits, double value) {
  uint32_t sign = signbit(value) ? 1u << (bits - 1) : 0, top = (1u << (bits - 1)) - 1;
  bool has_infinity = f->largest != 448;
  uint32_t infinity = top >> f->mantissa << f->mantissa;
  if (isnan(value)) return sign | (has_infinity ? infinity | 1u << (f->mantissa - 1) : top);
  double rounded = fabs(round_narrow(f, value));
  if (isinf(rounded)) return sign | infinity;
  int exponent = exponent_of(rounded);
  if (exponent < f->lowest) return sign | (uint32_t)(rounded * power_of_two(f->mantissa - f->lowest));
  uint32_t digits = (uint32_t)(rounded * power_of_two(f->mantissa - exponent));   // with the implicit one
  return sign | (((uint32_t)(exponent - f->lowest) << f->mantissa) + digits);
}

static double decode_narrow(const format *f, int bits, uint32_t code) {
  uint32_t top = (1u << (bits - 1)) - 1, magnitude = code & top, fraction = magnitude & ((1u << f->mantissa) - 1);
  uint32_t field = magnitude >> f->mantissa, all = top >> f->mantissa;
  bool has_infinity = f->largest != 448;
  double value;
  if (has_infinity && field == all) value = fraction ? NAN : INFINITY;
  else if (!has_infinity && magnitude == top) value = NAN;
  else if (field == 0) value = fraction * power_of_two(f->lowest - f->mantissa);
  else value = (fraction + (1u << f->mantissa)) * power_of_two((int)field - 1 + f->lowest - f->mantissa);
  return copysign(value, code >> (bits - 1) & 1 ? -1.0 : 1.0);
}

static int64_t saturate(double value, double low, double high) {
  if (isnan(value)) return 0;
  if (value <= low) return (int64_t)low;
  if (value >= high) return high == 0x1p63 ? INT64_MAX : (int64_t)high;
  return (int64_t)value;
}

static int64_t to_integer(wf_dtype type, double value) {
  switch (type) {
    case WF_I32: return saturate(value, INT32_MIN, INT32_MAX);
    case WF_U8: return saturate(value, 0, UINT8_MAX);
    case WF_BOOL: return value != 0;
    case WF_I64: case WF_F64: case WF_F32: case WF_TF32: case WF_BF16: case WF_F16: case WF_E4M3: case WF_E5M2:
    case WF_DTYPE_COUNT: break;
  }
  return saturate(value, -0x1p63, 0x1p63);
}

double wf_round_to(wf_dtype type, double value) {
  if (type == WF_F64) return value;
  if (type == WF_F32) return (double)(float)value;
  const format *f = format_of(type);
  return f ? round_narrow(f, value) : (double)to_integer(type, value);
}

double wf_load_element(wf_dtype type, const void *array, int64_t index) {
  switch (type) {
    case WF_F64: return ((const double *)array)[index];
    case WF_F32: case WF_TF32: return (double)((const float *)array)[index];
    case WF_BF16: case WF_F16: return decode_narrow(format_of(type), 16, ((const uint16_t *)array)[index]);
    case WF_E4M3: case WF_E5M2: return decode_narrow(format_of(type), 8, ((const uint8_t *)array)[index]);
    case WF_I64: case WF_I32: case WF_U8: case WF_BOOL: case WF_DTYPE_COUNT: break;
  }
  return (double)wf_load_element_int(type, array, index);
}

void wf_store_element(wf_dtype type, void *array, int64_t index, double value) {
  switch (type) {
    case WF_F64: ((double *)array)[index] = value; return;
    case WF_F32: ((float *)array)[index] = (float)value; return;
    case WF_TF32: ((float *)array)[index] = (float)round_narrow(format_of(type), value); return;
    case WF_BF16: case WF_F16: ((uint16_t *)array)[index] = (uint16_t)encode_narrow(format_of(type), 16, value); return;
    case WF_E4M3: case WF_E5M2: ((uint8_t *)array)[index] = (uint8_t)encode_narrow(format_of(type), 8, value); return;
    case WF_I64: case WF_I32: case WF_U8: case WF_BOOL: case WF_DTYPE_COUNT: break;
  }
  wf_store_element_int(type, array, index, to_integer(type, value));
}

int64_t wf_load_element_int(wf_dtype type, const void *array, int64_t index) {
  switch (type) {
    case WF_I64: return ((const int64_t *)array)[index];
    case WF_I32: return ((const int32_t *)array)[index];
    case WF_U8: return ((const uint8_t *)array)[index];
    case WF_BOOL: return ((const uint8_t *)array)[index] != 0;
    case WF_F64: case WF_F32: case WF_TF32: case WF_BF16: case WF_F16: case WF_E4M3: case WF_E5M2: case WF_DTYPE_COUNT: break;
  }
  return saturate(wf_load_element(type, array, index), -0x1p63, 0x1p63);
}

void wf_store_element_int(wf_dtype type, void *array, int64_t index, int64_t value) {
  switch (type) {
    case WF_I64: ((int64_t *)array)[index] = value; return;
    case WF_I32: ((int32_t *)array)[index] = (int32_t)(uint32_t)(uint64_t)value; return;
    case WF_U8: ((uint8_t *)array)[index] = (uint8_t)(uint64_t)value; return;
    case WF_BOOL: ((uint8_t *)array)[index] = value != 0; return;
    case WF_F64: case WF_F32: case WF_TF32: case WF_BF16: case WF_F16: case WF_E4M3: case WF_E5M2: case WF_DTYPE_COUNT: break;
  }
  wf_store_element(type, array, index, (double)value);
}
