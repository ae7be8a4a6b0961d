// shfl, vote, match, redux, elect: instructions that the lanes of a member mask execute together (execute.c brings them).
#include "runtime/simt/worker.h"

// d|e = a moved by b, c2 = more[0] the clamp and segment mask. PTX manual, "shfl.sync".
void simt_do_shuffle(simt_warp *w, const simt_instruction *i) {
  uint32_t *d = simt_at(w->base, i->d), values[LANES], valid = 0;
  const uint32_t *a = simt_at(w->base, i->a), *b = simt_at(w->base, i->b), *c = simt_at(w->base, i->more[0]);
  for (int lane = 0; lane < LANES; lane++) {
    uint32_t by = b[lane] & 31, clamp = c[lane] & 31, segment = c[lane] >> 8 & 31;
    int last = (int)(((uint32_t)lane & segment) | (clamp & ~segment)), first = (int)((uint32_t)lane & segment), from = lane;
    bool in = false;
    switch (i->op) {
      case SHUFFLE_UP: from = lane - (int)by, in = from >= last; break;
      case SHUFFLE_DOWN: from = lane + (int)by, in = from <= last; break;
      case SHUFFLE_BUTTERFLY: from = lane ^ (int)by, in = from <= last; break;
      case SHUFFLE_INDEX: from = first | (int)(by & ~segment), in = from <= last; break;
    }
    if (!in) from = lane;
    values[lane] = w->mask >> (from & 31) & 1 ? a[from & 31] : 0xa5a5a5a5;   // from no member: undefined, so make it odd
    valid |= (uint32_t)in << lane;
  }
  for (int lane = 0; lane < LANES; lane++)
    if (w->mask >> lane & 1 && i->d != SIMT_NONE) d[lane] = values[lane];
  simt_set_predicate(w, i->e, valid);
}

void simt_do_vote(simt_warp *w, const simt_instruction *i) {
  uint32_t p = *(const uint32_t *)simt_at(w->base, i->a);
  if (i->negated) p = ~p;
  p &= w->mask;
  bool all = p == w->mask, any = p != 0;
  if (i->op == VOTE_BALLOT) {
    uint32_t *d = simt_at(w->base, i->d);
    for (int lane = 0; lane < LANES; lane++)
      if (w->mask >> lane & 1) d[lane] = p;
    return;
  }
  bool result = i->op == VOTE_ALL ? all : i->op == VOTE_ANY ? any : all || !any;
  simt_set_predicate(w, i->d, result ? UINT32_MAX : 0);
}

void simt_do_match(simt_warp *w, const simt_instruction *i) {
  uint32_t *d = simt_at(w->base, i->d), results[LANES] = {0}, everyone = UINT32_MAX;
  const uint32_t *a32 = simt_at(w->base, i->a);
  const uint64_t *a64 = simt_at(w->base, i->a);
  for (int lane = 0; lane < LANES; lane++)
    for (int other = 0; other < LANES; other++) {
      if (!(w->mask >> lane & w->mask >> other & 1)) continue;
      bool same = i->type == SIMT_B32 ? a32[lane] == a32[other] : a64[lane] == a64[other];
      results[lane] |= (uint32_t)same << other;
    }
  for (uint32_t rest = w->mask; rest; rest &= rest - 1)
    if (results[__builtin_ctz(rest)] != w->mask) everyone = 0;
  for (uint32_t rest = w->mask; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    d[lane] = i->op == VOTE_ALL ? (everyone ? w->mask : 0) : results[lane];
  }
  simt_set_predicate(w, i->e, everyone);
}

void simt_do_reduce(simt_warp *w, const simt_instruction *i) {
  uint32_t *d = simt_at(w->base, i->d), result = 0;
  const uint32_t *a = simt_at(w->base, i->a);
  bool first = true, is_signed = i->type == SIMT_S32;
  for (uint32_t rest = w->mask; rest; rest &= rest - 1) {
    uint32_t x = a[__builtin_ctz(rest)];
    bool less = is_signed ? (int32_t)x < (int32_t)result : x < result;
    if (first) result = x;
    else
      switch (i->op) {
        case ATOMIC_ADD: result += x; break;
        case ATOMIC_MIN: result = less ? x : result; break;
        case ATOMIC_MAX: result = less ? result : x; break;
        case ATOMIC_AND: result &= x; break;
        case ATOMIC_OR: result |= x; break;
        case ATOMIC_XOR: result ^= x; break;
      }
    first = false;
  }
  for (int lane = 0; lane < LANES; lane++)
    if (w->mask >> lane & 1) d[lane] = result;
}

// bar.warp.sync: orders the memory accesses of the lanes.
void simt_do_warp_barrier(simt_warp *w, const simt_instruction *i) {
  (void)i;
  w->clock[w->index]++;
}

void simt_do_active_mask(simt_warp *w, const simt_instruction *i) {
  uint32_t *d = simt_at(w->base, i->d);
  for (int lane = 0; lane < LANES; lane++)
    if (w->mask >> lane & 1) d[lane] = w->mask;
}

// elect.sync: the lowest lane of the mask.
void simt_do_elect(simt_warp *w, const simt_instruction *i) {
  uint32_t leader = (uint32_t)__builtin_ctz(w->mask), *d = i->d == SIMT_NONE ? NULL : simt_at(w->base, i->d);
  for (int lane = 0; d && lane < LANES; lane++)
    if (w->mask >> lane & 1) d[lane] = leader;
  simt_set_predicate(w, i->e, 1u << leader);
}
