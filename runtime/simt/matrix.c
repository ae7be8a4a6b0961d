// ldmatrix, stmatrix, mma.sync. Fragments: PTX manual, "Matrix fragments for mma.m16n8k*".
//
// With g = lane / 4, t = lane % 4 and e elements a 32-bit register, element j of register r is
//   A (16 x K): row g + 8*(r % 2), column (t + 4*(r / 2))*e + j      B (K x 8): row (t + 4*r)*e + j, column g
//   C (16 x 8), one element a register: row g + 8*(r / 2), column 2*t + r % 2
#include <math.h>
#include <string.h>
#include "runtime/simt/worker.h"

static bool whole_warp(simt_warp *w, const simt_instruction *i) {
  if (w->mask == UINT32_MAX) return true;
  simt_fail(w, i, w->mask, "divergence: %s needs all 32 lanes, 0x%08x are here", i->text, w->mask);
  return false;
}

// Pointers to the 16-byte rows of `count` matrices, lane k's address for row k.
static bool rows_of(simt_warp *w, const simt_instruction *i, simt_access access, uint8_t **rows) {
  uint64_t addresses[LANES];
  simt_addresses(w, i, addresses);
  uint32_t mask = i->count == 4 ? UINT32_MAX : (1u << 8 * i->count) - 1;
  return simt_resolve(w, i, mask, addresses, 16, access, rows);
}

void simt_do_load_matrix(simt_warp *w, const simt_instruction *i) {
  uint8_t *rows[LANES];
  if (!whole_warp(w, i) || !rows_of(w, i, ACCESS_READ, rows)) return;
  for (int m = 0; m < i->count; m++) {
    uint32_t *d = simt_at(w->base, i->more[m]);
    for (int lane = 0; lane < LANES; lane++) {
      uint16_t pair[2];
      for (int k = 0; k < 2; k++) {
        int row = i->op ? 2 * (lane % 4) + k : lane / 4, column = i->op ? lane / 4 : 2 * (lane % 4) + k;   // op: .trans
        memcpy(&pair[k], rows[8 * m + row] + 2 * column, 2);
      }
      d[lane] = pair[0] | (uint32_t)pair[1] << 16;
    }
  }
}

void simt_do_store_matrix(simt_warp *w, const simt_instruction *i) {
  uint8_t *rows[LANES];
  if (!whole_warp(w, i) || !rows_of(w, i, ACCESS_WRITE, rows)) return;
  for (int m = 0; m < i->count; m++) {
    const uint32_t *s = simt_at(w->base, i->more[m]);
    for (int lane = 0; lane < LANES; lane++)
      for (int k = 0; k < 2; k++) {
        int row = i->op ? 2 * (lane % 4) + k : lane / 4, column = i->op ? lane / 4 : 2 * (lane % 4) + k;
        uint16_t half = (uint16_t)(s[lane] >> 16 * k);
        memcpy(rows[8 * m + row] + 2 * column, &half, 2);
      }
  }
}

static int elements_of(simt_type type) {
  return type == SIMT_TF32 ? 1 : type == SIMT_F16 || type == SIMT_BF16 ? 2 : 4;
}

static double element(uint32_t word, int j, simt_type type) {
  switch ((int)type) {
    case SIMT_TF32: {
      word &= 0xffffe000;   // the hardware reads 19 bits
      float x;
      memcpy(&x, &word, 4);
      return x;
    }
    case SIMT_F16: return simt_from_f16((uint16_t)(word >> 16 * j));
    case SIMT_BF16: return simt_from_bf16((uint16_t)(word >> 16 * j));
    case SIMT_S8: return (int8_t)(word >> 8 * j);
    case SIMT_U8: return (uint8_t)(word >> 8 * j);
    default: return simt_from_f8((uint8_t)(word >> 8 * j), type);
  }
}

static void gather(simt_warp *w, const uint32_t *operands, int registers, simt_type type, bool is_a, double *out, int depth) {
  int e = elements_of(type);
  for (int r = 0; r < registers; r++) {
    const uint32_t *words = simt_at(w->base, operands[r]);
    for (int lane = 0; lane < LANES; lane++)
      for (int j = 0; j < e; j++) {
        int g = lane / 4, t = lane % 4;
        if (is_a) out[(g + 8 * (r % 2)) * depth + (t + 4 * (r / 2)) * e + j] = element(words[lane], j, type);
        else out[g * depth + (t + 4 * r) * e + j] = element(words[lane], j, type);
      }
  }
}

// Row (of A) times column (of B), in f64: exact for tf32, f16, bf16 and 8-bit factors but for the last bits of long sums.
static double product(const double *a, const double *b, int depth, int lane, int r) {
  const double *row = a + (lane / 4 + 8 * (r / 2)) * depth, *column = b + (2 * (lane % 4) + r % 2) * depth;
  double sum = 0;
  for (int k = 0; k < depth; k++) sum += row[k] * column[k];
  return sum;
}

static uint32_t accumulated(simt_warp *w, const simt_instruction *i, const uint32_t *c, double sum, int lane, int r) {
  if (i->from == SIMT_F16) {
    uint32_t in = ((uint32_t *)simt_at(w->base, c[r / 2]))[lane];
    return simt_round_to(sum + simt_from_f16((uint16_t)(in >> 16 * (r % 2))), SIMT_F16, SIMT_RN, 0);
  }
  uint32_t in = ((uint32_t *)simt_at(w->base, c[r]))[lane];
  if (i->from == SIMT_S32) {
    int64_t total = (int64_t)sum + (int32_t)in;
    if (i->saturate) total = total > INT32_MAX ? INT32_MAX : total < INT32_MIN ? INT32_MIN : total;
    return (uint32_t)total;
  }
  float value;
  memcpy(&value, &in, 4);
  value = (float)(sum + value);
  memcpy(&in, &value, 4);
  return in;
}

// Products summed in f64 and rounded once: tensor cores keep fewer bits and their order is not written down.
static void accumulate(simt_warp *w, const simt_instruction *i, const double *a, const double *b, int depth) {
  const uint32_t *d = i->more, *c = i->more + i->width - (i->from == SIMT_F16 ? 2 : 4);
  uint32_t results[4][LANES];
  for (int r = 0; r < 4; r++)
    for (int lane = 0; lane < LANES; lane++) results[r][lane] = accumulated(w, i, c, product(a, b, depth, lane, r), lane, r);
  for (int lane = 0; lane < LANES; lane++)
    for (int r = 0; r < 4; r++) {
      if (i->from != SIMT_F16) ((uint32_t *)simt_at(w->base, d[r]))[lane] = results[r][lane];
      else if (r % 2) ((uint32_t *)simt_at(w->base, d[r / 2]))[lane] = results[r - 1][lane] | results[r][lane] << 16;
    }
}

// more: the registers of D, A, B, C; count: those of A; type: of A (rounding: of B), from: of C and D.
void simt_do_mma(simt_warp *w, const simt_instruction *i) {
  double a[16 * 32], b[8 * 32];
  if (!whole_warp(w, i)) return;
  int e = elements_of((simt_type)i->type), depth = i->count * 2 * e, results = i->from == SIMT_F16 ? 2 : 4;
  gather(w, i->more + results, i->count, (simt_type)i->type, true, a, depth);
  gather(w, i->more + results + i->count, i->count / 2, (simt_type)i->rounding, false, b, depth);
  accumulate(w, i, a, b, depth);
}
