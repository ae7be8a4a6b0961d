// Blocks and warps: who runs next, where lanes part and meet. PTX manual, chapter 3; KERNELS: lowest pc first.
#include <stdio.h>
#include <string.h>
#include "runtime/simt/worker.h"

enum { TURN = 1 << 14 };   // instructions a warp executes before another gets its turn: spinning warps must not starve others

// ---- faults -----------------------------------------------------------------------------------------------------

static void record(simt_warp *w, const simt_instruction *i, uint32_t lanes, const char *format, va_list arguments) {
  simt_fault *fault = &w->block->fault;
  fault->happened = true;
  fault->instruction = i;
  fault->lanes = lanes;
  fault->warp = w->index;
  vsnprintf(fault->what, sizeof fault->what, format, arguments);
}

void simt_fail(simt_warp *w, const simt_instruction *i, uint32_t lanes, const char *format, ...) {
  if (w->block->fault.happened) return;
  va_list arguments;
  va_start(arguments, format);
  record(w, i, lanes, format, arguments);
  va_end(arguments);
}

void simt_fail_at(simt_warp *w, const simt_instruction *i, int lane, uint64_t address, const char *format, ...) {
  if (w->block->fault.happened) return;
  va_list arguments;
  va_start(arguments, format);
  record(w, i, 1u << lane, format, arguments);
  va_end(arguments);
  w->block->fault.has_address = true;
  w->block->fault.address = address;
}

// ---- where lanes part and meet ----------------------------------------------------------------------------------

// Writes the group's pc back to its lanes.
static void park(simt_warp *w) {
  for (uint32_t rest = w->group; rest; rest &= rest - 1) w->lane_pc[__builtin_ctz(rest)] = w->pc;
}

// The lowest pc of lanes that may go on, and those there. False: none may.
static bool pick(simt_warp *w) {
  uint32_t lowest = UINT32_MAX, ready = w->live & ~w->blocked;
  w->group = 0;
  if (!ready) return false;
  for (uint32_t rest = ready; rest; rest &= rest - 1) {
    uint32_t pc = w->lane_pc[__builtin_ctz(rest)];
    if (pc < lowest) lowest = pc, w->group = 0;
    if (pc == lowest) w->group |= rest & -rest;
  }
  w->pc = lowest;
  return true;
}

// Where the next lanes outside the group wait: the group must stop there to meet them.
static uint32_t next_meeting(const simt_warp *w) {
  uint32_t next = UINT32_MAX;
  for (uint32_t rest = w->live & ~w->blocked & ~w->group; rest; rest &= rest - 1) {
    uint32_t pc = w->lane_pc[__builtin_ctz(rest)];
    if (pc < next) next = pc;
  }
  return next;
}

static void branch(simt_warp *w, const simt_instruction *i, uint32_t taken) {
  park(w);
  for (uint32_t rest = w->group; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    w->lane_pc[lane] = taken >> lane & 1 ? i->target : w->pc + 1;
  }
}

static bool table_branch(simt_warp *w, const simt_instruction *i) {
  const uint32_t *index = simt_at(w->base, i->a);
  park(w);
  for (uint32_t rest = w->group; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    w->lane_pc[lane] = w->pc + 1;
    if (!(w->mask >> lane & 1)) continue;
    if (index[lane] >= i->offset) {
      simt_fail(w, i, 1u << lane, "branch index %u of %d targets", index[lane], (int)i->offset);
      return false;
    }
    w->lane_pc[lane] = i->more[index[lane]];
  }
  return true;
}

static void leave(simt_warp *w, uint32_t lanes) {
  simt_copies_finish(w, lanes, 0);
  w->live &= ~lanes;
  w->blocked &= simt_at_barriers(w);   // who waited for the lanes that are gone looks again
  w->block->live -= (uint32_t)__builtin_popcount(lanes);
  simt_barrier_check(w->block);
}

// Every lane must be in the set that it names.
static bool members_of_own_set(simt_warp *w, const simt_instruction *i, const uint32_t *set) {
  for (uint32_t rest = w->mask; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    if (set[lane] >> lane & 1) continue;
    simt_fail(w, i, 1u << lane, "lane %d is not in its own member mask 0x%08x", lane, set[lane]);
    return false;
  }
  return true;
}

// Lanes that the block never had: compilers name all 32 in member masks.
static uint32_t never_existed(const simt_warp *w) {
  const uint32_t *block = w->block->launch->block;
  uint32_t count = block[0] * block[1] * block[2] - (uint32_t)w->index * LANES;
  return count >= LANES ? 0 : UINT32_MAX << count;
}

// Takes lanes that came to this instruction before, and waited, into the group.
static void meet_waiting(simt_warp *w, const simt_instruction *i) {
  for (uint32_t rest = w->live & w->blocked & ~simt_at_barriers(w); rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    if (w->lane_pc[lane] != w->pc) continue;
    w->blocked &= ~(1u << lane);
    w->group |= 1u << lane;
    w->mask |= 1u << lane;
  }
}

// Runs a warp-wide instruction once for each set of members that has come together. Lanes whose set is not complete wait.
static bool run_together(simt_warp *w, const simt_instruction *i) {
  meet_waiting(w, i);
  const uint32_t *sets = i->c == SIMT_NONE ? NULL : simt_at(w->base, i->c);
  if (sets && !members_of_own_set(w, i, sets)) return false;
  uint32_t waiting = 0, rest = w->mask;
  while (rest) {
    uint32_t set = sets ? sets[__builtin_ctz(rest)] & ~never_existed(w) : w->live, here = 0;
    for (uint32_t r = rest; r; r &= r - 1)
      if (!sets || sets[__builtin_ctz(r)] == sets[__builtin_ctz(rest)]) here |= r & -r;
    rest &= ~here;
    if (set & ~w->live) {
      simt_fail(w, i, here, "divergence: lanes 0x%08x of the member mask 0x%08x have exited", set & ~w->live, set);
      return false;
    }
    if (set & ~here) {
      waiting |= here;
      continue;
    }
    w->mask = here;
    i->run(w, i);
  }
  park(w);
  for (uint32_t on = w->group & ~waiting; on; on &= on - 1) w->lane_pc[__builtin_ctz(on)] = w->pc + 1;
  w->blocked |= waiting;
  return !w->block->fault.happened;
}

static uint32_t guarded(simt_warp *w, const simt_instruction *i) {
  uint32_t p = *(const uint32_t *)simt_at(w->base, i->guard);
  return w->group & (i->guard_negated ? ~p : p);
}

// Executes from the group's pc to where it parts, meets others or waits. False: a fault.
static bool run_group(simt_warp *w, int *turn) {
  simt_block *block = w->block;
  const simt_instruction *code = block->launch->kernel->code;
  uint32_t next = next_meeting(w);
  uint64_t lanes = (uint64_t)__builtin_popcount(w->group);
  while (w->pc < next) {
    const simt_instruction *i = &code[w->pc];
    w->mask = i->guard == SIMT_NONE ? w->group : guarded(w, i);
    block->steps++;
    block->row.thread_instructions += lanes;
    switch ((simt_kind)i->kind) {
      case KIND_PLAIN:
        if (w->mask) i->run(w, i);
        break;
      case KIND_MEMORY:
        if (w->mask) i->run(w, i);
        if (block->fault.happened) return false;
        break;
      case KIND_BRANCH:
        if (!w->mask) break;
        if (w->mask == w->group) {
          bool back = i->target <= w->pc;
          w->pc = i->target;
          if (back && --*turn < 0) next = 0;   // the turn ends in loops only
          continue;
        }
        branch(w, i, w->mask);
        return true;
      case KIND_TABLE_BRANCH: return table_branch(w, i);
      case KIND_EXIT:
        if (!w->mask) break;
        park(w);
        for (uint32_t rest = w->group & ~w->mask; rest; rest &= rest - 1) w->lane_pc[__builtin_ctz(rest)] = w->pc + 1;
        leave(w, w->mask);
        return true;
      case KIND_TRAP:
        if (!w->mask) break;
        simt_fail(w, i, w->mask, "trap");
        return false;
      case KIND_WARP_SYNC:
        if (!w->mask) break;
        return run_together(w, i);
      case KIND_BARRIER:
        if (!w->mask) break;
        park(w);
        for (uint32_t rest = w->group & ~w->mask; rest; rest &= rest - 1) w->lane_pc[__builtin_ctz(rest)] = w->pc + 1;
        simt_barrier_arrive(w, i);
        return !block->fault.happened;
    }
    w->pc++;
    --*turn;
  }
  park(w);
  return true;
}

bool simt_run_warp(simt_warp *w) {
  simt_block *block = w->block;
  uint64_t start = block->steps;
  int turn = TURN;
  while (turn > 0 && pick(w)) {
    if (!run_group(w, &turn)) return true;
    if (block->steps >= block->launch->machine->options.instruction_budget) {
      const simt_instruction *code = block->launch->kernel->code;
      simt_fail(w, &code[w->pc < (uint32_t)block->launch->kernel->count ? w->pc : 0], w->live, "endless loop: the block has executed %llu warp instructions",
                (unsigned long long)block->steps);
      return true;
    }
    turn--;
  }
  return block->steps != start;
}

// ---- blocks -----------------------------------------------------------------------------------------------------

static uint64_t next_random(simt_block *block) {   // xorshift64*
  block->random ^= block->random >> 12, block->random ^= block->random << 25, block->random ^= block->random >> 27;
  return block->random * 0x2545f4914f6cdd1d;
}

static void order_warps(simt_block *block, uint8_t *order) {
  for (int k = 0; k < block->warps; k++) order[k] = (uint8_t)k;
  if (!block->launch->machine->options.seed) return;
  for (int k = block->warps - 1; k > 0; k--) {
    int other = (int)(next_random(block) >> 32) % (k + 1);
    if (other < 0) other = -other;
    uint8_t keep = order[k];
    order[k] = order[other];
    order[other] = keep;
  }
}

void simt_run_block(simt_block *block) {
  uint8_t order[SIMT_WARPS];
  while (block->live) {
    bool moved = false;
    order_warps(block, order);
    for (int k = 0; k < block->warps && !block->fault.happened; k++)
      moved |= simt_run_warp(&block->warp[order[k]]);
    if (block->fault.happened) return;
    if (!moved && block->live) {
      simt_tell_stuck(block);
      return;
    }
  }
}
