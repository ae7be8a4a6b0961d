// Races in global memory: between blocks of a launch, and between threads of a block that no barrier orders. As in
// shared_access.c, a warp's clock counts its synchronisations, and a touch races with one that the warp has not heard of.
// Only the last writer and reader of a word are kept, so some races pass unseen; none is reported that is not there.
#include <stdio.h>
#include "runtime/simt/worker.h"

static const uint64_t several_blocks = UINT32_MAX;
enum { LANE_UNKNOWN = 63, WARPS_SEVERAL = 62 };   // in a touch's lane: several lanes; several warps, at a count of releases

typedef struct touch { uint64_t clock, step; bool strong; int warp, lane; } touch;

static uint64_t pack(touch t) { return t.clock << 40 | (t.step & 0xfffffff) << 12 | (uint64_t)t.strong << 11 | (uint64_t)t.warp << 6 | (uint64_t)t.lane; }
static touch unpack(uint64_t x) { return (touch){x >> 40, x >> 12 & 0xfffffff, x >> 11 & 1, (int)(x >> 6 & 31), (int)(x & 63)}; }

static uint64_t known(const simt_warp *w, int of) { return (w->clock[of] - w->block->clock_base) & 0xffffff; }
static uint64_t block_of(uint64_t touch) { return touch >> 8 & UINT32_MAX; }

// ---- within a block ---------------------------------------------------------------------------------------------

static bool unordered(const simt_warp *w, touch other, int lane, bool strong) {
  if (!other.clock || (other.strong && strong)) return false;
  if (other.lane == WARPS_SEVERAL) return other.clock == (w->block->releases & 0xffffff);
  if (other.warp != w->index) return other.clock > known(w, other.warp);
  return other.clock == known(w, w->index) && other.lane != lane && other.lane != LANE_UNKNOWN && other.step != (w->block->steps & 0xfffffff);
}

static bool tell_inside(simt_warp *w, const simt_instruction *i, int lane, uint64_t address, touch other, simt_access access, bool writes) {
  char thread[40] = "several warps", *what = writes ? "write" : "read";
  if (other.lane < LANES) snprintf(thread, sizeof thread, "lane %d of warp %d", other.lane, other.warp);
  else if (other.lane == LANE_UNKNOWN) snprintf(thread, sizeof thread, "warp %d", other.warp);
  simt_fail_at(w, i, lane, address, "race in global memory: %s of what %s of this block %s%s with no barrier between", simt_verb(access), thread,
               what, other.lane == WARPS_SEVERAL ? "" : "s");
  return false;
}

// The touch at hand, told together with what the same block did to the same bytes before (old, if `again`).
// other_bytes: of the word, touched before and not now; where two warps or times share a word, nothing is known of either.
static uint64_t merged(const simt_warp *w, uint64_t old, bool again, bool other_bytes, int lane, bool strong, simt_access access) {
  touch now = {known(w, w->index), w->block->steps, strong, w->index, lane};
  if (!again) return pack(now);
  touch before = unpack(old);
  bool together = before.warp == w->index && before.lane != WARPS_SEVERAL && before.clock == now.clock;
  if (other_bytes && !together) return pack((touch){.lane = LANE_UNKNOWN});
  if (together) {
    if (before.lane != lane) now.lane = LANE_UNKNOWN;
    now.strong &= before.strong;
  } else if (access == ACCESS_READ && unordered(w, before, lane, false)) {
    now.lane = WARPS_SEVERAL;
    now.clock = w->block->releases & 0xffffff;
    now.strong &= before.strong;
  }
  return pack(now);
}

// ---- between blocks ---------------------------------------------------------------------------------------------

static bool tell_between(simt_warp *w, const simt_instruction *i, int lane, uint64_t address, uint64_t other, simt_access access, bool writes) {
  if (block_of(other) == several_blocks)
    simt_fail_at(w, i, lane, address, "race between blocks: %s of what several blocks of the same launch read", simt_verb(access));
  else
    simt_fail_at(w, i, lane, address, "race between blocks: %s of what block %llu of the same launch %s", simt_verb(access),
                 (unsigned long long)block_of(other), writes ? "writes" : "reads");
  return false;
}

static uint64_t exchange(const simt_launch *launch, uint64_t *at, uint64_t value) {
  if (launch->concurrent) return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST);
  uint64_t old = *at;
  *at = value;
  return old;
}

static bool touch_cell(simt_warp *w, const simt_instruction *i, int lane, uint64_t address, simt_global_cell *cell,
                       uint64_t mask, simt_access access) {
  const simt_launch *launch = w->block->launch;
  uint64_t tag = launch->number & 0xffffff, me = w->block->index & UINT32_MAX;
  uint64_t mine = tag << 40 | me << 8 | (uint64_t)(i->strong != 0) << 4 | mask;
  bool reads = access == ACCESS_READ;
  uint64_t old = exchange(launch, reads ? &cell->read : &cell->write, mine);
  uint64_t others[2] = {reads ? __atomic_load_n(&cell->write, __ATOMIC_SEQ_CST) : old, reads ? 0 : __atomic_load_n(&cell->read, __ATOMIC_SEQ_CST)};
  for (int k = 0; k < 2; k++) {
    uint64_t other = others[k], *where = k ? &cell->reader : &cell->writer;
    if (other >> 40 != tag || !(other & mask)) continue;
    if (block_of(other) == me) {
      touch before = unpack(__atomic_load_n(where, __ATOMIC_RELAXED));
      if (unordered(w, before, lane, i->strong)) return tell_inside(w, i, lane, address, before, access, !k);
    } else if (!(other & 16 && i->strong)) {
      return tell_between(w, i, lane, address, other, access, !k);
    }
  }
  uint64_t *own = reads ? &cell->read : &cell->write, *where = reads ? &cell->reader : &cell->writer;
  bool same_launch = old >> 40 == tag, same_block = same_launch && block_of(old) == me;
  if (same_block) __atomic_store_n(own, (mine | (old & 15)) & (old & 16 ? ~0ull : ~16ull), __ATOMIC_SEQ_CST);
  else if (same_launch && reads && old & mask) __atomic_store_n(own, mine | (old & 15) | several_blocks << 8, __ATOMIC_SEQ_CST);
  __atomic_store_n(where, merged(w, *where, same_block, (old & 15 & ~mask) != 0, lane, i->strong, access), __ATOMIC_RELAXED);
  return true;
}

bool simt_touch_global(simt_warp *w, const simt_instruction *i, int lane, uint64_t address, uint32_t bytes, simt_allocation *in,
                       simt_access access) {
  uint64_t offset = address - (uint64_t)(uintptr_t)in->base;
  for (uint64_t at = offset; at < offset + bytes;) {
    uint64_t word = at / SIMT_CELL_BYTES, end = (word + 1) * SIMT_CELL_BYTES, mask = 0;
    for (; at < end && at < offset + bytes; at++) mask |= 1ull << (at & 3);
    if (!touch_cell(w, i, lane, address, &in->cells[word], mask, access)) return false;
  }
  return true;
}
