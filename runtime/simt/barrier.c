// Barriers of a block, what they make known to whom, and the account of who waits for whom when nothing moves.
#include <stdio.h>
#include <string.h>
#include "runtime/simt/worker.h"

static void join(uint32_t *clock, const uint32_t *with) {
  for (int k = 0; k < SIMT_WARPS; k++)
    if (with[k] > clock[k]) clock[k] = with[k];
}

static void give_result(simt_warp *w, const simt_instruction *i, uint32_t lanes, const simt_barrier *barrier) {
  if (i->op == 1) {   // popc
    uint32_t *d = simt_at(w->base, i->d);
    for (int l = 0; l < LANES; l++)
      if (lanes >> l & 1) d[l] = barrier->red_count;
  } else if (i->op) {
    uint32_t *d = simt_at(w->base, i->d), bits = (i->op == 2 ? barrier->red_and : barrier->red_or) ? UINT32_MAX : 0;
    *d = (*d & ~lanes) | (bits & lanes);
  }
}

static void release(simt_block *block, int id) {
  simt_barrier *barrier = &block->barrier[id];
  block->releases++;
  for (int k = 0; k < block->warps; k++) {
    simt_warp *w = &block->warp[k];
    uint32_t lanes = w->waiting[id];
    if (!lanes) continue;
    give_result(w, w->waiting_for[id], lanes, barrier);
    w->waiting[id] = 0;
    w->blocked &= ~lanes;
    join(w->clock, barrier->clock);
    w->clock[w->index]++;
  }
  memset(barrier, 0, sizeof *barrier);
}

static bool complete(const simt_block *block, const simt_barrier *barrier) {
  return barrier->used && barrier->arrived >= (barrier->expected ? barrier->expected : block->live);
}

void simt_barrier_check(simt_block *block) {
  for (int id = 0; id < SIMT_BARRIERS; id++)
    if (complete(block, &block->barrier[id])) release(block, id);
}

static void contribute(simt_warp *w, const simt_instruction *i, simt_barrier *barrier) {
  if (!i->op) return;
  uint32_t p = *(const uint32_t *)simt_at(w->base, i->e);
  if (i->negated) p = ~p;
  if (!barrier->used) barrier->red_and = 1;
  barrier->red_count += (uint32_t)__builtin_popcount(p & w->mask);
  barrier->red_and &= (p & w->mask) == w->mask;
  barrier->red_or |= (p & w->mask) != 0;
}

// i: a the id, b the count (SIMT_NONE: none), c != 0: aligned (all lanes of the warp together), target != 0: arrives only;
// op: 1 popc, 2 and, 3 or of predicate e into d. The group's lanes are parked at the instruction.
void simt_barrier_arrive(simt_warp *w, const simt_instruction *i) {
  simt_block *block = w->block;
  int first = __builtin_ctz(w->mask);
  uint32_t id = ((const uint32_t *)simt_at(w->base, i->a))[first];
  uint32_t count = i->b == SIMT_NONE ? 0 : ((const uint32_t *)simt_at(w->base, i->b))[first];
  if (id >= SIMT_BARRIERS) {
    simt_fail(w, i, w->mask, "barrier %u: there are 16", id);
    return;
  }
  if (count % LANES) {
    simt_fail(w, i, w->mask, "barrier %u for %u threads, which is no multiple of 32", id, count);
    return;
  }
  if (i->c) {   // aligned: lanes that came before wait in `blocked` at this pc
    for (uint32_t rest = w->live & w->blocked & ~simt_at_barriers(w); rest; rest &= rest - 1) {
      int lane = __builtin_ctz(rest);
      if (w->lane_pc[lane] == w->pc) w->mask |= 1u << lane;
    }
    if (w->mask != w->live) {
      w->blocked |= w->mask;
      return;
    }
  }
  simt_barrier *barrier = &block->barrier[id];
  if (barrier->used && barrier->expected != count) {
    simt_fail(w, i, w->mask, "barrier %u for %u threads, where others wait for %u (0: all)", id, count, barrier->expected);
    return;
  }
  contribute(w, i, barrier);
  barrier->used = true;
  barrier->expected = count;
  barrier->arrived += i->c && count ? LANES : (uint32_t)__builtin_popcount(w->mask);
  join(barrier->clock, w->clock);
  for (uint32_t rest = w->mask; rest; rest &= rest - 1) w->lane_pc[__builtin_ctz(rest)] = w->pc + 1;
  if (i->target) {
    w->blocked &= ~w->mask;
    w->clock[w->index]++;
  } else {
    w->blocked |= w->mask;
    w->waiting[id] |= w->mask;
    w->waiting_for[id] = i;
  }
  if (complete(block, barrier)) release(block, (int)id);
}

// ---- when nothing moves -----------------------------------------------------------------------------------------

static void tell_divergence(simt_warp *w, uint32_t stuck) {
  const simt_instruction *code = w->block->launch->kernel->code;
  uint32_t pc = w->lane_pc[__builtin_ctz(stuck)], here = 0;
  for (uint32_t rest = stuck; rest; rest &= rest - 1)
    if (w->lane_pc[__builtin_ctz(rest)] == pc) here |= rest & -rest;
  uint32_t others = w->live & ~here;
  if (!others) {
    simt_fail(w, &code[pc], here, "divergence: lanes of the member mask have exited");
    return;
  }
  uint32_t other = w->lane_pc[__builtin_ctz(others)];
  if (simt_at_barriers(w) >> __builtin_ctz(others) & 1) other--;
  simt_fail(w, &code[pc], here, "divergence: lanes 0x%08x are here, lanes 0x%08x wait elsewhere (line %d: %s)", here, others,
            code[other].line, code[other].text);
}

void simt_tell_stuck(simt_block *block) {
  for (int k = 0; k < block->warps; k++) {
    uint32_t stuck = block->warp[k].live & ~simt_at_barriers(&block->warp[k]);
    if (stuck) {
      tell_divergence(&block->warp[k], stuck);
      return;
    }
  }
  char text[240] = "";
  size_t length = 0;
  simt_warp *first = NULL;
  const simt_instruction *at = NULL;
  for (int id = 0; id < SIMT_BARRIERS; id++)
    for (int k = 0; k < block->warps && length < sizeof text - 80; k++) {
      simt_warp *w = &block->warp[k];
      if (!w->waiting[id]) continue;
      if (!first) first = w, at = w->waiting_for[id];
      uint32_t expected = block->barrier[id].expected ? block->barrier[id].expected : block->live;
      length += (size_t)snprintf(text + length, sizeof text - length, "%swarp %d at barrier %d (line %d; %u of %u threads)",
                                 length ? ", " : "", k, id, w->waiting_for[id]->line, block->barrier[id].arrived, expected);
    }
  simt_fail(first ? first : &block->warp[0], at, first ? first->live : 0, "barrier deadlock: %s", text);
}
