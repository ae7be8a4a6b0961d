// Narrow floats: f16, bf16, tf32, fp8.
#include <math.h>
#include <string.h>
#include "runtime/simt/types.h"

const char *const simt_type_names[] = {"none",
#define X(name, text, bytes) text,
                                       SIMT_TYPES(X)
#undef X
};
const uint8_t simt_type_bytes[] = {0,
#define X(name, text, bytes) bytes,
                                   SIMT_TYPES(X)
#undef X
};

simt_type simt_type_of(const char *name) {
  for (int i = 1; i < SIMT_TYPE_COUNT; i++)
    if (!strcmp(name, simt_type_names[i])) return (simt_type)i;
  return SIMT_NO_TYPE;
}

// exponent and mantissa bits, bias, and what the top exponent means
typedef struct form { int exponent, mantissa, bias, bits; } form;

static form form_of(simt_type type) {
  switch ((int)type) {
    case SIMT_F16: return (form){5, 10, 15, 16};
    case SIMT_BF16: return (form){8, 7, 127, 16};
    case SIMT_TF32: return (form){8, 10, 127, 32};
    case SIMT_E4M3: return (form){4, 3, 7, 8};
    default: return (form){5, 2, 15, 8};
  }
}

static double value_of(uint32_t bits, form f, int finite_top) {
  uint32_t mantissa = bits & ((1u << f.mantissa) - 1), exponent = bits >> f.mantissa & ((1u << f.exponent) - 1);
  double sign = bits >> (f.exponent + f.mantissa) & 1 ? -1 : 1;
  if (exponent == (1u << f.exponent) - 1 && !finite_top) return mantissa ? NAN : sign * INFINITY;
  if (!exponent) return sign * ldexp(mantissa, 1 - f.bias - f.mantissa);
  return sign * ldexp(mantissa + (1u << f.mantissa), (int)exponent - f.bias - f.mantissa);
}

float simt_from_f16(uint16_t bits) {
  uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 31, mantissa = bits & 1023;
  union { uint32_t u; float f; } x;
  if (exponent == 31) x.u = sign | 0x7f800000 | mantissa << 13;
  else if (exponent) x.u = sign | (exponent + 112) << 23 | mantissa << 13;
  else {
    x.f = (float)mantissa * 0x1p-24f;
    x.u |= sign;
  }
  return x.f;
}

float simt_from_f8(uint8_t bits, simt_type type) {
  if (type == SIMT_E4M3 && (bits & 0x7f) == 0x7f) return NAN;
  return (float)value_of(bits, form_of(type), type == SIMT_E4M3);
}

// Rounds a non-negative number of units in the last place.
static double round_units(double units, simt_rounding rounding, int negative) {
  double down = floor(units), rest = units - down;
  switch (rounding) {
    case SIMT_RZ: return down;
    case SIMT_RM: return rest > 0 && negative ? down + 1 : down;
    case SIMT_RP: return rest > 0 && !negative ? down + 1 : down;
    case SIMT_RNA: return rest >= 0.5 ? down + 1 : down;
    case SIMT_RN: break;
  }
  return rest > 0.5 || (rest == 0.5 && fmod(down, 2) == 1) ? down + 1 : down;
}

uint32_t simt_round_to(double x, simt_type type, simt_rounding rounding, int saturate) {
  form f = form_of(type);
  uint32_t sign = signbit(x) ? 1u << (f.exponent + f.mantissa) : 0;
  uint32_t top = ((1u << f.exponent) - 1) << f.mantissa;             // infinity
  uint32_t largest = type == SIMT_E4M3 ? 0x7e : top - 1;
  int shift = type == SIMT_TF32 ? 13 : 0;
  if (x != x) {
    if (type == SIMT_E4M3 || type == SIMT_F16 || type == SIMT_BF16) return (1u << (f.exponent + f.mantissa)) - 1;
    return type == SIMT_E5M2 ? 0x7f : 0x7fffffff;
  }
  double magnitude = fabs(x);
  uint32_t bits;
  if (isinf(x)) {
    bits = saturate || type == SIMT_E4M3 ? (type == SIMT_E4M3 && !saturate ? 0x7f : largest) : top;
    return (bits | sign) << shift;
  }
  int exponent = magnitude > 0 ? ilogb(magnitude) : 1 - f.bias;
  if (exponent < 1 - f.bias) exponent = 1 - f.bias;
  double units = round_units(ldexp(magnitude, f.mantissa - exponent), rounding, sign != 0);
  // units < 2^mantissa: denormal (exponent field 0); the carry into the next binade comes out by itself
  double field = units + ldexp(exponent + f.bias - 1, f.mantissa);
  if (field > largest) {
    int away = rounding == SIMT_RN || rounding == SIMT_RNA || (rounding == SIMT_RM && sign) || (rounding == SIMT_RP && !sign);
    bits = saturate || !away ? largest : type == SIMT_E4M3 ? 0x7f : top;
  } else {
    bits = (uint32_t)field;
  }
  return (bits | sign) << shift;
}

double simt_fma_odd(double a, double b, double c) {
  double product = a * b;   // exact: both factors have at most 11 bits
  double sum = product + c, part = sum - product, error = (product - (sum - part)) + (c - part);
  uint64_t bits;
  memcpy(&bits, &sum, 8);
  if (error == 0 || error != error || isinf(sum) || bits & 1) return sum;
  bits += (error > 0) == (sum > 0) ? 1 : -1;   // the odd neighbour on the error's side
  memcpy(&sum, &bits, 8);
  return sum;
}
