// cp.async: copies to shared memory that complete as late as the waits allow. Until then the target counts as unwritten.
// With a seed, some bring their data at once (a target that is read too early holds the old or the new data by chance).
#include <stdlib.h>
#include <string.h>
#include "runtime/simt/worker.h"

static void bring(simt_block *block, const simt_copy *copy) {
  memcpy(block->shared + copy->to, (const void *)(uintptr_t)copy->from, copy->source_bytes);
  memset(block->shared + copy->to + copy->source_bytes, 0, (size_t)copy->bytes - copy->source_bytes);
}

static bool queue(simt_warp *w, const simt_instruction *i, simt_copy copy) {
  if (w->copy_count == w->copy_capacity) {
    int capacity = w->copy_capacity ? w->copy_capacity * 2 : 256;
    simt_copy *grown = realloc(w->copies, (size_t)capacity * sizeof *grown);
    if (!grown) {
      simt_fail(w, i, w->mask, "out of memory for asynchronous copies");
      return false;
    }
    w->copies = grown;
    w->copy_capacity = capacity;
  }
  w->copies[w->copy_count++] = copy;
  return true;
}

static bool target(simt_warp *w, const simt_instruction *i, int lane, uint64_t offset, uint32_t bytes) {
  if (offset % bytes) {
    simt_fail_at(w, i, lane, offset, "misaligned: cp.async of %u bytes to a shared address that is no multiple of it", bytes);
    return false;
  }
  if (offset > w->block->shared_bytes || w->block->shared_bytes - offset < bytes) {
    simt_fail_at(w, i, lane, offset, "out of bounds: cp.async to %u bytes of shared memory, which has %u", bytes, w->block->shared_bytes);
    return false;
  }
  return simt_touch_shared(w, i, lane, (uint32_t)offset, bytes, ACCESS_WRITE);
}

// [b] global -> [a] shared, i->count bytes, of which min(count, e) are read and the others zero; predicate more[0]: ignore.
void simt_do_copy_async(simt_warp *w, const simt_instruction *i) {
  simt_block *block = w->block;
  const simt_instruction *source = i + 1;   // decoded along with it: how the source's address is made
  uint64_t to[LANES], from[LANES], checked[LANES];
  uint8_t *pointers[LANES];
  simt_addresses(w, i, to);
  simt_addresses(w, source, from);
  const uint32_t *sizes = i->e == SIMT_NONE ? NULL : simt_at(w->base, i->e);
  uint32_t ignored = i->more ? *(const uint32_t *)simt_at(w->base, i->more[0]) : 0;
  for (uint32_t rest = w->mask; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    uint32_t bytes = i->count, take = ignored >> lane & 1 ? 0 : sizes && sizes[lane] < bytes ? sizes[lane] : bytes;
    uint64_t address = i->address_bytes == 8 && i->space == SPACE_GENERIC ? to[lane] & ~SIMT_WINDOW_MASK : to[lane];
    if (!target(w, i, lane, address, bytes)) return;
    if (from[lane] % bytes) {
      simt_fail_at(w, i, lane, from[lane], "misaligned: cp.async of %u bytes from an address that is no multiple of it", bytes);
      return;
    }
    if (take) {
      checked[lane] = from[lane];
      simt_instruction reads = *source;
      reads.text = i->text;
      if (!simt_resolve(w, &reads, 1u << lane, checked, take == 4 || take == 8 || take == 16 ? take : 1, ACCESS_READ, pointers)) {
        block->fault.instruction = i;
        return;
      }
    }
    block->random = block->random * 6364136223846793005ull + 1442695040888963407ull;
    bool early = block->launch->machine->options.seed && block->random >> 63;
    simt_copy copy = {from[lane], (uint32_t)address, (uint8_t)bytes, (uint8_t)take, (uint8_t)lane, early, w->committed[lane]};
    if (early) bring(block, &copy);
    memset(block->shared_initialised + address, 2, bytes);
    if (!queue(w, i, copy)) return;
  }
}

void simt_do_copy_commit(simt_warp *w, const simt_instruction *i) {
  (void)i;
  for (uint32_t rest = w->mask; rest; rest &= rest - 1) w->committed[__builtin_ctz(rest)]++;
}

// Completes the copies of the lanes, but for their last `pending` groups (SIMT_NONE: all, also those of no group yet).
void simt_copies_finish(simt_warp *w, uint32_t lanes, uint32_t pending) {
  int kept = 0;
  for (int k = 0; k < w->copy_count; k++) {
    simt_copy *copy = &w->copies[k];
    bool open = copy->group >= w->committed[copy->lane];
    bool ripe = pending == SIMT_NONE || (!open && w->committed[copy->lane] - copy->group > pending);
    if (!(lanes >> copy->lane & 1) || !ripe) {
      w->copies[kept++] = *copy;
      continue;
    }
    if (!copy->done) bring(w->block, copy);
    memset(w->block->shared_initialised + copy->to, 1, copy->bytes);
    w->block->steps++;   // a touch of its own
    simt_touch_shared(w, &w->block->launch->kernel->code[w->pc], copy->lane, copy->to, copy->bytes, ACCESS_WRITE);
  }
  w->copy_count = kept;
}

// offset: how many groups may stay on their way; SIMT_NONE: none, not even the open one (wait_all).
void simt_do_copy_wait(simt_warp *w, const simt_instruction *i) { simt_copies_finish(w, w->mask, (uint32_t)i->offset); }
