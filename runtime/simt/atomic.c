// atom and red: lane by lane in order, each one indivisible also between the host's threads.
#include <string.h>
#include "runtime/simt/worker.h"

static uint64_t narrow_add(uint64_t old, uint64_t operand, simt_type type) {
  uint64_t result = 0;
  bool half = type == SIMT_F16 || type == SIMT_F16X2;
  int parts = type == SIMT_F16X2 || type == SIMT_BF16X2 ? 2 : 1;
  for (int k = 0; k < parts; k++) {
    uint16_t a = (uint16_t)(old >> 16 * k), b = (uint16_t)(operand >> 16 * k);
    double sum = half ? (double)simt_from_f16(a) + simt_from_f16(b) : (double)simt_from_bf16(a) + simt_from_bf16(b);
    result |= (uint64_t)simt_round_to(sum, half ? SIMT_F16 : SIMT_BF16, SIMT_RN, 0) << 16 * k;
  }
  return result;
}

static uint64_t add(uint64_t old, uint64_t operand, simt_type type) {
  if (type == SIMT_F32) {
    float a, b;
    memcpy(&a, &old, 4), memcpy(&b, &operand, 4);
    a += b;
    uint32_t bits;
    memcpy(&bits, &a, 4);
    return bits;
  }
  if (type == SIMT_F64) {
    double a, b;
    memcpy(&a, &old, 8), memcpy(&b, &operand, 8);
    a += b;
    memcpy(&old, &a, 8);
    return old;
  }
  if (type == SIMT_F16 || type == SIMT_BF16 || type == SIMT_F16X2 || type == SIMT_BF16X2) return narrow_add(old, operand, type);
  return old + operand;
}

static bool smaller(uint64_t a, uint64_t b, simt_type type) {
  switch ((int)type) {
    case SIMT_S32: return (int32_t)a < (int32_t)b;
    case SIMT_S64: return (int64_t)a < (int64_t)b;
    case SIMT_U32: return (uint32_t)a < (uint32_t)b;
    default: return a < b;
  }
}

static uint64_t combine(const simt_instruction *i, uint64_t old, uint64_t b, uint64_t c) {
  simt_type type = (simt_type)i->type;
  switch (i->op) {
    case ATOMIC_ADD: return add(old, b, type);
    case ATOMIC_MIN: return smaller(b, old, type) ? b : old;
    case ATOMIC_MAX: return smaller(old, b, type) ? b : old;
    case ATOMIC_EXCHANGE: return b;
    case ATOMIC_CAS: return old == b ? c : old;
    case ATOMIC_AND: return old & b;
    case ATOMIC_OR: return old | b;
    case ATOMIC_XOR: return old ^ b;
    case ATOMIC_INC: return (uint32_t)old >= (uint32_t)b ? 0 : old + 1;
    case ATOMIC_DEC: return (uint32_t)old == 0 || (uint32_t)old > (uint32_t)b ? b : old - 1;
  }
  return old;
}

#define UPDATE(T)                                                                                          \
  {                                                                                                        \
    T *p = (T *)pointer, before = __atomic_load_n(p, __ATOMIC_RELAXED);                                    \
    while (!__atomic_compare_exchange_n(p, &before, (T)combine(i, before, b, c), false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {} \
    return before;                                                                                         \
  }
static uint64_t update(const simt_instruction *i, uint8_t *pointer, uint64_t b, uint64_t c) {
  switch (simt_type_bytes[i->type]) {
    case 2: UPDATE(uint16_t)
    case 4: UPDATE(uint32_t)
    default: UPDATE(uint64_t)
  }
}

static uint64_t operand(simt_warp *w, uint32_t at, uint32_t bytes, int lane) {
  uint64_t x = 0;
  if (at != SIMT_NONE) memcpy(&x, (uint8_t *)simt_at(w->base, at) + bytes * (uint32_t)lane, bytes);
  return x;
}

// d (SIMT_NONE: red) = old; [a] = op(old, b, c).
void simt_do_atomic(simt_warp *w, const simt_instruction *i) {
  uint64_t addresses[LANES];
  uint8_t *pointers[LANES];
  uint32_t bytes = simt_type_bytes[i->type];
  simt_addresses(w, i, addresses);
  if (!simt_resolve(w, i, w->mask, addresses, bytes, ACCESS_ATOMIC, pointers)) return;
  for (uint32_t rest = w->mask; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    uint64_t old = update(i, pointers[lane], operand(w, i->b, bytes, lane), operand(w, i->c, bytes, lane));
    if (i->d != SIMT_NONE) memcpy((uint8_t *)simt_at(w->base, i->d) + bytes * (uint32_t)lane, &old, bytes);
  }
}
