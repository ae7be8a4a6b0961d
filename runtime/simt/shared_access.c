// Shared memory: bounds, what was written, races between threads that no barrier orders, bank conflicts.
//
// Who is ordered before whom: each warp counts its synchronisations (clock[own]) and knows, for every other warp, up to
// which of its counts it has heard (through barriers). A word remembers its last writer and two readers with their
// counts; a touch races with one that it has not heard of. Within a warp, lanes are ordered by bar.warp.sync and barriers
// alone. Two readers of different warps are enough to catch a writer that is ordered after none or all of them.
#include <stdio.h>
#include <string.h>
#include "runtime/simt/worker.h"

static bool clashes(const simt_warp *w, const simt_touch *touch, int lane, uint8_t mask, bool strong) {
  if (!touch->clock || !(touch->mask & mask) || (touch->strong && strong)) return false;
  if (touch->clock <= w->clock[touch->warp] && touch->warp != w->index) return false;
  if (touch->warp == w->index)
    return touch->clock == w->clock[w->index] && touch->step != (uint32_t)w->block->steps && touch->lane != lane && touch->lane != LANE_MANY;
  return true;
}

static void remember(const simt_warp *w, simt_touch *touch, int lane, uint8_t mask, bool strong) {
  uint32_t now = w->clock[w->index];
  if (touch->warp == w->index && touch->clock == now) {
    if (touch->lane != lane) touch->lane = touch->mask == mask && touch->lane != LANE_MANY ? LANE_SEVERAL_SAME : LANE_MANY;
    touch->mask |= mask;
    touch->strong &= strong;
    touch->step = (uint32_t)w->block->steps;
    return;
  }
  *touch = (simt_touch){now, (uint32_t)w->block->steps, (uint8_t)w->index, (uint8_t)lane, mask, strong};
}

static bool tell_race(simt_warp *w, const simt_instruction *i, int lane, uint32_t offset, const simt_touch *other, simt_access access,
                      bool other_writes) {
  char thread[32] = "other lanes";
  if (other->lane < LANES) snprintf(thread, sizeof thread, "lane %d", other->lane);
  simt_fail_at(w, i, lane, offset, "race in shared memory: %s of what %s of warp %d %s with no barrier between", simt_verb(access), thread, other->warp,
               other_writes ? "writes" : "reads");
  return false;
}

static void remember_read(simt_warp *w, simt_shared_cell *cell, int lane, uint8_t mask, bool strong) {
  simt_touch *read = cell->read;
  int slot = read[0].warp == w->index ? 0 : read[1].warp == w->index && read[1].clock ? 1 : -1;
  if (slot < 0) {   // in place of one that is ordered before this one, else of the second
    if (read[0].clock <= w->clock[read[0].warp]) slot = 0;
    else slot = 1;
  }
  remember(w, &read[slot], lane, mask, strong);
}

// The commonest touch, told apart quickly: a whole word that this warp reads again, and nobody it has not heard of wrote.
static inline bool read_before(const simt_warp *w, simt_shared_cell *cell, int lane, bool strong) {
  const simt_touch *write = &cell->write;
  simt_touch *read = &cell->read[0];
  if (write->warp == w->index ? write->clock == w->clock[w->index] : write->clock > w->clock[write->warp]) return false;
  if (read->warp != w->index || read->clock != w->clock[w->index] || read->mask != 15 || read->strong != strong) return false;
  if (read->lane != lane) read->lane = LANE_SEVERAL_SAME;
  read->step = (uint32_t)w->block->steps;
  return true;
}

bool simt_touch_shared(simt_warp *w, const simt_instruction *i, int lane, uint32_t offset, uint32_t bytes, simt_access access) {
  bool strong = i->strong;
  for (uint32_t at = offset; at < offset + bytes;) {
    simt_shared_cell *cell = &w->block->cells[at / 4];
    uint32_t end = at / 4 * 4 + 4;
    uint8_t mask = 0;
    for (; at < end && at < offset + bytes; at++) mask |= (uint8_t)(1 << (at & 3));
    if (access == ACCESS_READ && mask == 15 && read_before(w, cell, lane, strong)) continue;
    if (clashes(w, &cell->write, lane, mask, strong)) return tell_race(w, i, lane, offset, &cell->write, access, true);
    if (access == ACCESS_READ) {
      remember_read(w, cell, lane, mask, strong);
      continue;
    }
    for (int k = 0; k < 2; k++)
      if (clashes(w, &cell->read[k], lane, mask, strong)) return tell_race(w, i, lane, offset, &cell->read[k], access, false);
    remember(w, &cell->write, lane, mask, strong);
  }
  return true;
}

// Passes over the banks for the lanes of one part of the warp: the most words that any bank has to give.
static uint32_t passes(uint32_t mask, const uint64_t *offsets, uint32_t words) {
  uint32_t seen[LANES * 4], count[LANES] = {0}, most = 0, total = 0;
  int8_t head[LANES], next[LANES * 4];
  memset(head, -1, sizeof head);
  for (uint32_t rest = mask; rest; rest &= rest - 1)
    for (uint32_t k = 0; k < words; k++) {
      uint32_t word = (uint32_t)(offsets[__builtin_ctz(rest)] / 4) + k, bank = word & 31;
      int at = head[bank];
      while (at >= 0 && seen[at] != word) at = next[at];
      if (at >= 0) continue;
      seen[total] = word;
      next[total] = head[bank];
      head[bank] = (int8_t)total++;
      if (++count[bank] > most) most = count[bank];
    }
  return most;
}

// 8-byte accesses go by half warps, 16-byte ones by quarters.
static void count_banks(simt_warp *w, uint32_t mask, const uint64_t *offsets, uint32_t bytes) {
  if (bytes == 4 && mask == UINT32_MAX) {   // consecutive words
    uint64_t differs = 0;
    for (uint32_t l = 0; l < LANES; l++) differs |= offsets[l] ^ (offsets[0] + 4 * l);
    if (!differs) {
      w->block->row.shared_accesses++;
      return;
    }
  }
  int parts = bytes == 8 ? 2 : bytes == 16 ? 4 : 1, lanes = LANES / parts;
  for (int p = 0; p < parts; p++) {
    uint32_t part = mask & (parts == 1 ? UINT32_MAX : ((1u << lanes) - 1) << (p * lanes));
    if (!part) continue;
    w->block->row.shared_accesses++;
    w->block->row.bank_conflicts += passes(part, offsets, bytes < 4 ? 1 : bytes / 4) - 1;
  }
}

static bool tell_unwritten(simt_warp *w, const simt_instruction *i, int lane, uint64_t offset, uint32_t bytes) {
  bool pending = memchr(w->block->shared_initialised + offset, 2, bytes) != NULL;
  simt_fail_at(w, i, lane, offset, pending ? "read of shared memory that a cp.async still writes: a wait is missing"
                                           : "read of uninitialised shared memory");
  return false;
}

bool simt_resolve_shared(simt_warp *w, const simt_instruction *i, uint32_t mask, const uint64_t *offsets, uint32_t bytes,
                         simt_access access, uint8_t **pointers) {
  simt_block *block = w->block;
  bool reads = access == ACCESS_READ || (access == ACCESS_ATOMIC && i->op != ATOMIC_EXCHANGE);
  uint64_t last = UINT64_MAX;
  int repeats = 0;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    uint64_t offset = offsets[lane];
    repeats = offset == last ? repeats + 1 : 0;
    last = offset;
    if (repeats > 1) {   // more than two lanes at one address leave the same traces as two
      pointers[lane] = block->shared + offset;
      continue;
    }
    if (offset > block->shared_bytes || block->shared_bytes - offset < bytes) {
      simt_fail_at(w, i, lane, offset, "out of bounds: %u bytes of shared memory, which has %u", bytes, block->shared_bytes);
      return false;
    }
    if (reads && !simt_written(block->shared_initialised + offset, bytes)) return tell_unwritten(w, i, lane, offset, bytes);
    if (access != ACCESS_READ) memset(block->shared_initialised + offset, 1, bytes);
    if (!simt_touch_shared(w, i, lane, (uint32_t)offset, bytes, access)) return false;
    pointers[lane] = block->shared + offset;
  }
  count_banks(w, mask, offsets, bytes);
  return true;
}
