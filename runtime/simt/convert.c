// cvt between all types, packed conversions, moves of packs, and what follows a compare.
#include <fenv.h>
#include <math.h>
#include <string.h>
#include "runtime/simt/worker.h"

typedef union cell { uint64_t u; int64_t s; double f; float f32; } cell;

static bool is_float(simt_type type) {
  switch ((int)type) {
    case SIMT_F16: case SIMT_BF16: case SIMT_F32: case SIMT_F64: case SIMT_TF32: case SIMT_E4M3: case SIMT_E5M2: return true;
    default: return false;
  }
}
static bool is_signed(simt_type type) { return type == SIMT_S8 || type == SIMT_S16 || type == SIMT_S32 || type == SIMT_S64; }

// The bytes of a lane's register, widened by the type that reads them.
static uint64_t bits_at(simt_warp *w, uint32_t operand, uint32_t register_bytes, int lane) {
  uint64_t x = 0;
  memcpy(&x, (uint8_t *)simt_at(w->base, operand) + register_bytes * (uint32_t)lane, register_bytes);
  return x;
}

static double to_double(uint64_t bits, simt_type type, bool flush) {
  cell c = {bits};
  float x;
  switch ((int)type) {
    case SIMT_F16: return simt_from_f16((uint16_t)bits);
    case SIMT_BF16: x = simt_from_bf16((uint16_t)bits); break;
    case SIMT_F64: return c.f;
    case SIMT_E4M3: case SIMT_E5M2: return simt_from_f8((uint8_t)bits, type);
    default: x = c.f32;
  }
  return flush && fpclassify(x) == FP_SUBNORMAL ? copysign(0, x) : x;
}

static uint64_t widened(uint64_t bits, simt_type type) {
  int unused = 64 - 8 * simt_type_bytes[type];
  return is_signed(type) ? (uint64_t)((int64_t)(bits << unused) >> unused) : bits << unused >> unused;
}

static double round_integral(double x, simt_rounding rounding) {
  switch (rounding) {
    case SIMT_RN: return rint(x);
    case SIMT_RZ: return trunc(x);
    case SIMT_RM: return floor(x);
    case SIMT_RP: return ceil(x);
    case SIMT_RNA: return round(x);
  }
  return x;
}

// Float to integer clamps; NaN gives 0 for 32 bits and fewer, the top bit for 64 (PTX manual, "cvt").
static uint64_t float_to_integer(double x, simt_type type, simt_rounding rounding) {
  int bits = 8 * simt_type_bytes[type];
  if (x != x) return bits == 64 ? 1ull << 63 : 0;
  x = round_integral(x, rounding);
  if (is_signed(type)) {
    double top = ldexp(1, bits - 1);
    if (x >= top) return (uint64_t)INT64_MAX >> (64 - bits);
    if (x <= -top) return UINT64_MAX << (bits - 1);
    return (uint64_t)(int64_t)x;
  }
  if (x <= 0) return 0;
  return x >= ldexp(1, bits) ? UINT64_MAX >> (64 - bits) : (uint64_t)x;
}

static int host_rounding(simt_rounding rounding) {
  return rounding == SIMT_RZ ? FE_TOWARDZERO : rounding == SIMT_RM ? FE_DOWNWARD : rounding == SIMT_RP ? FE_UPWARD : FE_TONEAREST;
}

static uint64_t double_to_float(double x, const simt_instruction *i) {
  simt_type type = (simt_type)i->type;
  if (i->saturate && type != SIMT_E4M3 && type != SIMT_E5M2 && type != SIMT_TF32) x = x >= 1 ? 1 : x > 0 ? x : 0;
  if (i->combine) x = x > 0 || x != x ? x : 0;   // .relu
  cell c = {0};
  switch ((int)type) {
    case SIMT_F64: c.f = x; return c.u;
    case SIMT_F32:
      c.f32 = (float)x;
      if (i->flush && fpclassify(c.f32) == FP_SUBNORMAL) c.f32 = copysignf(0, c.f32);
      return c.u;
    default: return simt_round_to(x, type, (simt_rounding)i->rounding, type == SIMT_E4M3 || type == SIMT_E5M2);
  }
}

static uint64_t integer_to_float(uint64_t bits, const simt_instruction *i) {
  bool sign = is_signed((simt_type)i->from);
  if (i->type == SIMT_F32) {   // one rounding
    cell c = {0};
    volatile float x = sign ? (float)(int64_t)bits : (float)bits;
    c.f32 = i->saturate ? (x >= 1 ? 1 : x > 0 ? x : 0) : x;
    return c.u;
  }
  volatile double x = sign ? (double)(int64_t)bits : (double)bits;
  return double_to_float(x, i);
}

static uint64_t integer_to_integer(uint64_t bits, const simt_instruction *i) {
  if (!i->saturate) return bits;
  int width = 8 * simt_type_bytes[i->type];
  uint64_t top_unsigned = UINT64_MAX >> (64 - width);
  int64_t top = INT64_MAX >> (64 - width), bottom = -top - 1, x = (int64_t)bits;
  bool from_signed = is_signed((simt_type)i->from);
  if (is_signed((simt_type)i->type)) {
    if (!from_signed) return bits > (uint64_t)top ? (uint64_t)top : bits;
    return (uint64_t)(x > top ? top : x < bottom ? bottom : x);
  }
  if (from_signed && x < 0) return 0;
  return bits > top_unsigned ? top_unsigned : bits;
}

static uint64_t convert(const simt_instruction *i, uint64_t bits) {
  simt_type to = (simt_type)i->type, from = (simt_type)i->from;
  if (!is_float(from)) {
    bits = widened(bits, from);
    return is_float(to) ? integer_to_float(bits, i) : integer_to_integer(bits, i);
  }
  double x = to_double(bits, from, i->flush);
  if (!is_float(to)) return float_to_integer(x, to, (simt_rounding)i->rounding);
  if (i->op) x = round_integral(x, (simt_rounding)i->rounding);   // .rni and friends between floats
  return double_to_float(x, i);
}

// d (register_bytes wide) = a (address_bytes wide). Values narrower than d are extended by their type.
void simt_do_convert(simt_warp *w, const simt_instruction *i) {
  uint8_t *d = simt_at(w->base, i->d);
  uint64_t results[LANES];
  int before = fegetround();
  if (!i->op) fesetround(host_rounding((simt_rounding)i->rounding));   // floor and friends want the nearest
  for (int lane = 0; lane < LANES; lane++)
    if (w->mask >> lane & 1) results[lane] = convert(i, bits_at(w, i->a, i->address_bytes, lane));
  fesetround(before);
  for (int lane = 0; lane < LANES; lane++) {
    if (!(w->mask >> lane & 1)) continue;
    uint64_t x = is_float((simt_type)i->type) ? results[lane] : widened(results[lane], (simt_type)i->type);
    memcpy(d + (uint32_t)lane * i->register_bytes, &x, i->register_bytes);
  }
}

// cvt to a pack: the high half from a, the low from b. From a pack (fp8): both halves of a.
void simt_do_convert_pair(simt_warp *w, const simt_instruction *i) {
  uint8_t *d = simt_at(w->base, i->d);
  simt_instruction one = *i;
  uint32_t part = simt_type_bytes[i->type];
  uint64_t results[LANES];
  for (int lane = 0; lane < LANES; lane++) {
    uint64_t high, low;
    if (i->b == SIMT_NONE) {
      uint64_t pack = bits_at(w, i->a, i->address_bytes, lane);
      low = convert(&one, pack & (i->address_bytes == 2 ? 0xff : 0xffff));
      high = convert(&one, pack >> (i->address_bytes == 2 ? 8 : 16));
    } else {
      high = convert(&one, bits_at(w, i->a, i->address_bytes, lane));
      low = convert(&one, bits_at(w, i->b, i->address_bytes, lane));
    }
    results[lane] = high << 8 * part | low;
  }
  for (int lane = 0; lane < LANES; lane++)
    if (w->mask >> lane & 1) memcpy(d + (uint32_t)lane * i->register_bytes, &results[lane], i->register_bytes);
}

// ---- packs ------------------------------------------------------------------------------------------------------

// a into more[0..count): register_bytes each; SIMT_NONE: a part nobody wants.
void simt_do_unpack(simt_warp *w, const simt_instruction *i) {
  uint32_t whole = (uint32_t)i->register_bytes * i->count;
  uint8_t copy[LANES * 16];
  memcpy(copy, simt_at(w->base, i->a), (size_t)whole * LANES);
  for (int k = 0; k < i->count; k++) {
    if (i->more[k] == SIMT_NONE) continue;
    uint8_t *d = simt_at(w->base, i->more[k]);
    for (uint32_t lane = 0; lane < LANES; lane++)
      if (w->mask >> lane & 1) memcpy(d + lane * i->register_bytes, copy + lane * whole + (uint32_t)k * i->register_bytes, i->register_bytes);
  }
}

void simt_do_pack(simt_warp *w, const simt_instruction *i) {
  uint32_t whole = (uint32_t)i->register_bytes * i->count;
  uint8_t made[LANES * 16], *d = simt_at(w->base, i->d);
  for (int k = 0; k < i->count; k++) {
    const uint8_t *a = simt_at(w->base, i->more[k]);
    for (uint32_t lane = 0; lane < LANES; lane++) memcpy(made + lane * whole + (uint32_t)k * i->register_bytes, a + lane * i->register_bytes, i->register_bytes);
  }
  for (uint32_t lane = 0; lane < LANES; lane++)
    if (w->mask >> lane & 1) memcpy(d + lane * whole, made + lane * whole, whole);
}

// ---- compares ---------------------------------------------------------------------------------------------------

// setp: d and e get the result and its complement, each combined with predicate c (SIMT_NONE: none).
// set (register_bytes != 0): d gets all ones or 1.0.
void simt_compare_done(simt_warp *w, const simt_instruction *i, uint32_t bits) {
  uint32_t complement = ~bits;
  if (i->c != SIMT_NONE) {
    uint32_t p = *(const uint32_t *)simt_at(w->base, i->c);
    if (i->negated) p = ~p;
    switch (i->combine) {
      case COMBINE_AND: bits &= p, complement &= p; break;
      case COMBINE_OR: bits |= p, complement |= p; break;
      case COMBINE_XOR: bits ^= p, complement ^= p; break;
    }
  }
  if (!i->register_bytes) {
    simt_set_predicate(w, i->d, bits);
    simt_set_predicate(w, i->e, complement);
    return;
  }
  uint8_t *d = simt_at(w->base, i->d);
  uint64_t yes = i->op ? (i->register_bytes == 2 ? 0x3c00 : 0x3f800000) : UINT64_MAX;   // op: into a float
  for (uint32_t lane = 0; lane < LANES; lane++) {
    uint64_t x = bits >> lane & 1 ? yes : 0;
    if (w->mask >> lane & 1) memcpy(d + lane * i->register_bytes, &x, i->register_bytes);
  }
}

// The block's own steps stand for time: the same for every run.
void simt_do_clock(simt_warp *w, const simt_instruction *i) {
  uint64_t now = w->block->steps;
  uint32_t *d32 = simt_at(w->base, i->d);
  uint64_t *d64 = simt_at(w->base, i->d);
  for (int lane = 0; lane < LANES; lane++) {
    if (!(w->mask >> lane & 1)) continue;
    if (i->op == SPECIAL_CLOCK64) d64[lane] = now;
    else d32[lane] = (uint32_t)(i->op == SPECIAL_CLOCK_HI ? now >> 32 : now);
  }
}
