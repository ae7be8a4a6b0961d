// Element types of PTX instructions.
#ifndef WEFT_SIMT_TYPES_H
#define WEFT_SIMT_TYPES_H
#include <stdint.h>

#define SIMT_TYPES(X)                                                                                              \
  X(PRED, "pred", 4) X(B8, "b8", 1) X(U8, "u8", 1) X(S8, "s8", 1) X(B16, "b16", 2) X(U16, "u16", 2) X(S16, "s16", 2) \
  X(B32, "b32", 4) X(U32, "u32", 4) X(S32, "s32", 4) X(B64, "b64", 8) X(U64, "u64", 8) X(S64, "s64", 8)              \
  X(F16, "f16", 2) X(BF16, "bf16", 2) X(F32, "f32", 4) X(F64, "f64", 8) X(F16X2, "f16x2", 4) X(BF16X2, "bf16x2", 4)  \
  X(U16X2, "u16x2", 4) X(S16X2, "s16x2", 4) X(TF32, "tf32", 4) X(E4M3, "e4m3", 1) X(E5M2, "e5m2", 1)                 \
  X(E4M3X2, "e4m3x2", 2) X(E5M2X2, "e5m2x2", 2)

typedef enum simt_type {
  SIMT_NO_TYPE,
#define X(name, text, bytes) SIMT_##name,
  SIMT_TYPES(X)
#undef X
  SIMT_TYPE_COUNT
} simt_type;

extern const char *const simt_type_names[];
extern const uint8_t simt_type_bytes[];      // in memory
simt_type simt_type_of(const char *name);    // SIMT_NO_TYPE: it is none

typedef enum simt_rounding { SIMT_RN, SIMT_RZ, SIMT_RM, SIMT_RP, SIMT_RNA } simt_rounding;

// ---- narrow floats (floats.c) -----------------------------------------------------------------------------------

float simt_from_f16(uint16_t bits);
static inline float simt_from_bf16(uint16_t bits) {
  union { uint32_t u; float f; } x = {(uint32_t)bits << 16};
  return x.f;
}
float simt_from_f8(uint8_t bits, simt_type type);   // E4M3, E5M2
// The value of type F16, BF16, TF32, E4M3, E5M2 nearest to x by the rounding. saturate: overflow gives the largest finite.
uint32_t simt_round_to(double x, simt_type type, simt_rounding rounding, int saturate);
// a*b + c rounded to odd in f64: rounding that once more to 11 or 8 bits rounds correctly.
double simt_fma_odd(double a, double b, double c);

#endif
