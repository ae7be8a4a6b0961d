// Arithmetic on f16, bf16 and packs of two (also of 16-bit integers), and instructions under another rounding, flush or
// saturation mode.
#include <fenv.h>
#include <math.h>
#include <string.h>
#ifdef __x86_64__
#include <xmmintrin.h>
#endif
#include "runtime/simt/worker.h"

static bool is_half(simt_type type) { return type == SIMT_F16 || type == SIMT_F16X2; }

static double value(uint16_t bits, simt_type type, bool flush) {
  double x = is_half(type) ? simt_from_f16(bits) : simt_from_bf16(bits);
  return flush && is_half(type) && fabs(x) < 0x1p-14 ? copysign(0, x) : x;
}

static double lesser(double x, double y, bool nan) {
  if (x != x || y != y) return nan ? NAN : x != x ? y : x;
  return x < y || (x == y && signbit(x)) ? x : y;
}

static double arithmetic(const simt_instruction *i, double x, double y, double z) {
  switch ((simt_op)i->op) {
    case OP_ADD: return x + y;
    case OP_SUB: return x - y;
    case OP_MUL: return x * y;
    case OP_FMA: return simt_fma_odd(x, y, z);
    case OP_MIN: return lesser(x, y, false);
    case OP_MAX: return -lesser(-x, -y, false);
    case OP_MIN_NAN: return lesser(x, y, true);
    case OP_MAX_NAN: return -lesser(-x, -y, true);
    case OP_ABS: return fabs(x);
    case OP_NEG: return -x;
    case OP_EX2: return exp2(x);
    case OP_TANH: return tanh(x);
    default: return 0;
  }
}

static bool holds(int compare, double x, double y) {
  bool unordered = x != x || y != y;
  switch (compare) {
    case CMP_EQ: return x == y;
    case CMP_NE: return !unordered && x != y;
    case CMP_LT: return x < y;
    case CMP_LE: return x <= y;
    case CMP_GT: return x > y;
    case CMP_GE: return x >= y;
    case CMP_EQU: return unordered || x == y;
    case CMP_NEU: return unordered || x != y;
    case CMP_LTU: return unordered || x < y;
    case CMP_LEU: return unordered || x <= y;
    case CMP_GTU: return unordered || x > y;
    case CMP_GEU: return unordered || x >= y;
    case CMP_NUM: return !unordered;
    default: return unordered;
  }
}

static uint16_t integer(const simt_instruction *i, uint16_t x, uint16_t y) {
  bool is_signed = i->type == SIMT_S16X2, less = is_signed ? (int16_t)x < (int16_t)y : x < y;
  return i->op == OP_ADD ? (uint16_t)(x + y) : i->op == OP_MIN ? (less ? x : y) : less ? y : x;
}

static uint16_t one(const simt_instruction *i, uint16_t a, uint16_t b, uint16_t c) {
  simt_type type = (simt_type)i->type, single = is_half(type) ? SIMT_F16 : SIMT_BF16;
  if (type == SIMT_U16X2 || type == SIMT_S16X2) return integer(i, a, b);
  if (i->op == OP_NEG) return a ^ 0x8000;
  if (i->op == OP_ABS) return a & 0x7fff;
  double x = arithmetic(i, value(a, type, i->flush), value(b, type, i->flush), value(c, type, i->flush));
  if (i->saturate) x = x >= 1 ? 1 : x > 0 ? x : 0;
  if (i->combine) x = x > 0 || x != x ? x : 0;   // .relu
  uint16_t bits = (uint16_t)simt_round_to(x, single, (simt_rounding)i->rounding, 0);
  return i->flush && is_half(type) && !(bits & 0x7c00) ? bits & 0x8000 : bits;
}

static void compare_narrow(simt_warp *w, const simt_instruction *i) {
  simt_type type = (simt_type)i->type;
  bool pack = type == SIMT_F16X2 || type == SIMT_BF16X2;
  const uint16_t *a = simt_at(w->base, i->a), *b = simt_at(w->base, i->b);
  uint32_t low = 0, high = 0;
  for (int lane = 0; lane < LANES; lane++) {
    int at = pack ? 2 * lane : lane;
    low |= (uint32_t)holds(i->compare, value(a[at], type, i->flush), value(b[at], type, i->flush)) << lane;
    if (pack) high |= (uint32_t)holds(i->compare, value(a[at + 1], type, i->flush), value(b[at + 1], type, i->flush)) << lane;
  }
  if (!pack) {
    simt_compare_done(w, i, low);
    return;
  }
  simt_set_predicate(w, i->d, low);
  simt_set_predicate(w, i->e, high);
}

void simt_do_narrow(simt_warp *w, const simt_instruction *i) {
  if (i->op == OP_COMPARE) {
    compare_narrow(w, i);
    return;
  }
  int parts = simt_type_bytes[i->type] / 2;
  uint16_t *d = simt_at(w->base, i->d);
  const uint16_t *a = simt_at(w->base, i->a), *b = simt_at(w->base, i->b), *c = simt_at(w->base, i->c);
  for (int k = 0; k < LANES * parts; k++)
    if (w->mask >> k / parts & 1) d[k] = one(i, a[k], b[k], c[k]);
}

// ---- modes ------------------------------------------------------------------------------------------------------

static int host_rounding(simt_rounding rounding) {
  return rounding == SIMT_RZ ? FE_TOWARDZERO : rounding == SIMT_RM ? FE_DOWNWARD : rounding == SIMT_RP ? FE_UPWARD : FE_TONEAREST;
}

// Instructions that only move bits (neg, abs, min) leave denormals: those are flushed here.
static void flush_results(simt_warp *w, const simt_instruction *i) {
  uint32_t *d = simt_at(w->base, i->d);
  for (int lane = 0; lane < LANES; lane++)
    if (w->mask >> lane & 1 && !(d[lane] & 0x7f800000)) d[lane] &= 0x80000000;
}

void simt_do_rounded(simt_warp *w, const simt_instruction *i) {
#ifdef __x86_64__
  unsigned before = _mm_getcsr();
  fesetround(host_rounding((simt_rounding)i->rounding));
  if (i->flush) _mm_setcsr(_mm_getcsr() | 0x8040);   // flush to zero, denormals are zero
  i->inner(w, i);
  _mm_setcsr(before);
  fesetround(FE_TONEAREST);
#else
  fesetround(host_rounding((simt_rounding)i->rounding));
  i->inner(w, i);
  fesetround(FE_TONEAREST);
#endif
  if (i->count) flush_results(w, i);
}

void simt_do_saturated(simt_warp *w, const simt_instruction *i) {
  if (i->flush || i->rounding != SIMT_RN) simt_do_rounded(w, i);
  else i->inner(w, i);
  float *d = simt_at(w->base, i->d);
  double *d64 = simt_at(w->base, i->d);
  for (int lane = 0; lane < LANES; lane++) {
    if (!(w->mask >> lane & 1)) continue;
    if (i->type == SIMT_F64) d64[lane] = d64[lane] >= 1 ? 1 : d64[lane] > 0 ? d64[lane] : 0;
    else d[lane] = d[lane] >= 1 ? 1 : d[lane] > 0 ? d[lane] : 0;
  }
}
