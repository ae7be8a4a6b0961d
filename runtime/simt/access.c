// Memory accesses of a warp: addresses, checks against bounds and shadows, counts, and the move of the data.
#include <string.h>
#include "runtime/simt/worker.h"

void simt_addresses(simt_warp *w, const simt_instruction *i, uint64_t *addresses) {
  if (!i->address_bytes) {
    for (int l = 0; l < LANES; l++) addresses[l] = (uint64_t)i->offset;
  } else if (i->address_bytes == 8) {
    const uint64_t *a = simt_at(w->base, i->a);
    for (int l = 0; l < LANES; l++) addresses[l] = a[l] + (uint64_t)i->offset;
  } else {
    const uint32_t *a = simt_at(w->base, i->a);
    for (int l = 0; l < LANES; l++) addresses[l] = (uint32_t)(a[l] + (uint32_t)i->offset);
  }
}

static bool aligned(simt_warp *w, const simt_instruction *i, uint32_t mask, const uint64_t *addresses, uint32_t bytes) {
  uint64_t all = 0;
  for (int l = 0; l < LANES; l++) all |= mask >> l & 1 ? addresses[l] : 0;
  if (!(all & (bytes - 1))) return true;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    if (!(addresses[lane] & (bytes - 1))) continue;
    simt_fail_at(w, i, lane, addresses[lane], "misaligned: %u bytes at an address that is no multiple of %u", bytes, bytes);
    break;
  }
  return false;
}

// ---- global -----------------------------------------------------------------------------------------------------

static void count_sectors(simt_warp *w, uint32_t mask, const uint64_t *addresses, uint32_t bytes) {
  uint64_t seen[64], used = 0;   // a small hash set of sectors
  uint32_t count = 0;
  uint64_t last = UINT64_MAX;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint64_t sector = addresses[__builtin_ctz(rest)] / 32;
    if (sector == last) continue;
    last = sector;
    uint32_t slot = (uint32_t)(sector & 63);
    while (used >> slot & 1 && seen[slot] != sector) slot = (slot + 1) & 63;
    if (used >> slot & 1) continue;
    used |= 1ull << slot;
    seen[slot] = sector;
    count++;
  }
  w->block->row.global_sectors += count;
  w->block->row.global_sectors_ideal += ((uint64_t)__builtin_popcount(mask) * bytes + 31) / 32;
}

// Names the allocation that the access most likely meant: a freed one that held the address, else the nearest within 1 MiB.
static bool tell_outside(simt_warp *w, const simt_instruction *i, int lane, uint64_t address, uint32_t bytes, simt_access access) {
  const simt_memory *memory = &w->block->launch->machine->memory;
  const simt_allocation *freed = simt_memory_freed(memory, address), *below = simt_memory_below(memory, address);
  const simt_allocation *above = below ? below + 1 : memory->live;
  uint64_t near = 1u << 20, past = below ? address + bytes - ((uint64_t)(uintptr_t)below->base + below->bytes) : near;
  uint64_t before = above < memory->live + memory->count ? (uint64_t)(uintptr_t)above->base - address : near;
  if (freed)
    simt_fail_at(w, i, lane, address, "%s of %u bytes %llu bytes into an allocation of %llu that is free already", simt_verb(access), bytes,
                 (unsigned long long)(address - (uint64_t)(uintptr_t)freed->base), (unsigned long long)freed->bytes);
  else if (past < near && past <= before)
    simt_fail_at(w, i, lane, address, "out of bounds: %s of %u bytes that ends %llu bytes past an allocation of %llu", simt_verb(access),
                 bytes, (unsigned long long)past, (unsigned long long)below->bytes);
  else if (before < near)
    simt_fail_at(w, i, lane, address, "out of bounds: %s of %u bytes %llu bytes before an allocation of %llu", simt_verb(access), bytes,
                 (unsigned long long)before, (unsigned long long)above->bytes);
  else
    simt_fail_at(w, i, lane, address, "out of bounds: %s of %u bytes in no allocation", simt_verb(access), bytes);
  return false;
}

static simt_allocation *find(simt_warp *w, uint64_t address, uint32_t bytes) {
  if (w->last && simt_inside(w->last, address, bytes)) return w->last;
  simt_allocation *found = simt_memory_below(&w->block->launch->machine->memory, address);
  return found && simt_inside(found, address, bytes) ? w->last = found : NULL;
}

static bool resolve_global(simt_warp *w, const simt_instruction *i, uint32_t mask, const uint64_t *addresses, uint32_t bytes,
                           simt_access access, uint8_t **pointers) {
  count_sectors(w, mask, addresses, bytes);
  const simt_launch *launch = w->block->launch;
  bool exchange = access == ACCESS_ATOMIC && i->op == ATOMIC_EXCHANGE;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    uint64_t address = addresses[lane];
    simt_allocation *in = find(w, address, bytes);
    if (!in) return tell_outside(w, i, lane, address, bytes, access);
    uint8_t *initialised = in->initialised + (address - (uint64_t)(uintptr_t)in->base);
    if (access != ACCESS_WRITE && !exchange && !simt_written(initialised, bytes)) {
      simt_fail_at(w, i, lane, address, "read of uninitialised global memory, %llu bytes into an allocation of %llu",
                   (unsigned long long)(address - (uint64_t)(uintptr_t)in->base), (unsigned long long)in->bytes);
      return false;
    }
    if (access != ACCESS_READ) {
      if (in->read_only) {
        simt_fail_at(w, i, lane, address, "%s of the constant %s", simt_verb(access), in->name);
        return false;
      }
      if (bytes == 4) memset(initialised, 1, 4);
      else memset(initialised, 1, bytes);
    }
    if (launch->check_races && in->cells && !simt_touch_global(w, i, lane, address, bytes, in, access)) return false;
    pointers[lane] = (uint8_t *)(uintptr_t)address;
  }
  return true;
}

// ---- local and parameters ---------------------------------------------------------------------------------------

static bool resolve_local(simt_warp *w, const simt_instruction *i, uint32_t mask, const uint64_t *addresses, uint32_t bytes,
                          simt_access access, uint8_t **pointers) {
  uint32_t limit = w->block->launch->kernel->local_bytes;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    uint64_t offset = addresses[lane];
    if (offset > limit || limit - offset < bytes) {
      simt_fail_at(w, i, lane, offset, "out of bounds: %s of %u bytes of local memory, which has %u", simt_verb(access), bytes, limit);
      return false;
    }
    uint64_t at = (uint64_t)lane * limit + offset;
    if (access == ACCESS_READ && !simt_written(w->local_initialised + at, bytes)) {
      simt_fail_at(w, i, lane, offset, "read of uninitialised local memory");
      return false;
    }
    if (access != ACCESS_READ) memset(w->local_initialised + at, 1, bytes);
    pointers[lane] = w->local + at;
  }
  return true;
}

static bool resolve_parameters(simt_warp *w, const simt_instruction *i, uint32_t mask, const uint64_t *addresses, uint32_t bytes,
                               simt_access access, uint8_t **pointers) {
  const simt_launch *launch = w->block->launch;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    if (access != ACCESS_READ || addresses[lane] > launch->kernel->parameter_bytes ||
        launch->kernel->parameter_bytes - addresses[lane] < bytes) {
      simt_fail_at(w, i, lane, addresses[lane], "out of bounds: %s of %u bytes of the parameters, which have %u", simt_verb(access), bytes,
                   launch->kernel->parameter_bytes);
      return false;
    }
    pointers[lane] = launch->parameters + addresses[lane];
  }
  return true;
}

// ---- all spaces -------------------------------------------------------------------------------------------------

static simt_space space_of(uint64_t address) {
  switch (address & SIMT_WINDOW_MASK) {
    case SIMT_SHARED_WINDOW: return SPACE_SHARED;
    case SIMT_LOCAL_WINDOW: return SPACE_LOCAL;
    case SIMT_PARAM_WINDOW: return SPACE_PARAM;
    default: return SPACE_GLOBAL;
  }
}

static bool resolve_in(simt_warp *w, const simt_instruction *i, simt_space space, uint32_t mask, const uint64_t *addresses,
                       uint32_t bytes, simt_access access, uint8_t **pointers) {
  switch (space) {
    case SPACE_SHARED: return simt_resolve_shared(w, i, mask, addresses, bytes, access, pointers);
    case SPACE_LOCAL: return resolve_local(w, i, mask, addresses, bytes, access, pointers);
    case SPACE_PARAM: return resolve_parameters(w, i, mask, addresses, bytes, access, pointers);
    case SPACE_GLOBAL:
    case SPACE_CONST:
    case SPACE_GENERIC: return resolve_global(w, i, mask, addresses, bytes, access, pointers);
  }
  return false;
}

static bool resolve_generic(simt_warp *w, const simt_instruction *i, uint32_t mask, const uint64_t *addresses, uint32_t bytes,
                            simt_access access, uint8_t **pointers) {
  uint64_t offsets[LANES];
  while (mask) {
    simt_space space = space_of(addresses[__builtin_ctz(mask)]);
    uint32_t same = 0;
    for (uint32_t rest = mask; rest; rest &= rest - 1) {
      int lane = __builtin_ctz(rest);
      if (space_of(addresses[lane]) != space) continue;
      same |= 1u << lane;
      offsets[lane] = space == SPACE_GLOBAL ? addresses[lane] : addresses[lane] & ~SIMT_WINDOW_MASK;
    }
    if (!resolve_in(w, i, space, same, offsets, bytes, access, pointers)) return false;
    mask &= ~same;
  }
  return true;
}

bool simt_resolve(simt_warp *w, const simt_instruction *i, uint32_t mask, const uint64_t *addresses, uint32_t bytes,
                  simt_access access, uint8_t **pointers) {
  if (!aligned(w, i, mask, addresses, bytes)) return false;
  if (i->space == SPACE_GENERIC) return resolve_generic(w, i, mask, addresses, bytes, access, pointers);
  return resolve_in(w, i, (simt_space)i->space, mask, addresses, bytes, access, pointers);
}

// ---- loads and stores -------------------------------------------------------------------------------------------

static void to_register(simt_warp *w, const simt_instruction *i, uint32_t operand, uint8_t *const *pointers, uint32_t at) {
  uint8_t *d = simt_at(w->base, operand);
  uint32_t bytes = simt_type_bytes[i->type], mask = w->mask;
  if (bytes == i->register_bytes && bytes == 4) {
    uint32_t *words = (uint32_t *)d;
    for (int l = 0; l < LANES; l++)
      if (mask >> l & 1) memcpy(&words[l], pointers[l] + at, 4);
    return;
  }
  bool sign = i->type == SIMT_S8 || i->type == SIMT_S16 || i->type == SIMT_S32;
  for (int l = 0; l < LANES; l++) {
    if (!(mask >> l & 1)) continue;
    uint64_t x = 0;
    memcpy(&x, pointers[l] + at, bytes);
    if (sign) x = (uint64_t)((int64_t)(x << (64 - 8 * bytes)) >> (64 - 8 * bytes));
    memcpy(d + (uint32_t)l * i->register_bytes, &x, i->register_bytes);
  }
}

static uint32_t vector_operand(const simt_instruction *i, int k) { return i->width == 1 ? i->d : i->more[k]; }

void simt_do_load(simt_warp *w, const simt_instruction *i) {
  uint64_t addresses[LANES];
  uint8_t *pointers[LANES];
  uint32_t bytes = simt_type_bytes[i->type];
  simt_addresses(w, i, addresses);
  if (!simt_resolve(w, i, w->mask, addresses, bytes * i->width, ACCESS_READ, pointers)) return;
  for (int k = 0; k < i->width; k++)
    if (vector_operand(i, k) != SIMT_NONE) to_register(w, i, vector_operand(i, k), pointers, bytes * (uint32_t)k);
}

// Two lanes of one store to one address with different values: what stays is anyone's guess.
static bool check_collisions(simt_warp *w, const simt_instruction *i, const uint64_t *addresses, uint8_t *const *pointers) {
  uint32_t bytes = simt_type_bytes[i->type];
  for (int k = 0; k < i->width; k++) {
    const uint8_t *s = simt_at(w->base, vector_operand(i, k));
    for (uint32_t rest = w->mask; rest; rest &= rest - 1) {
      int lane = __builtin_ctz(rest);
      if (!memcmp(pointers[lane] + bytes * (uint32_t)k, s + (uint32_t)lane * i->register_bytes, bytes)) continue;
      simt_fail_at(w, i, lane, addresses[lane], "race: another lane of this warp stores a different value to the same address");
      return false;
    }
  }
  return true;
}

void simt_do_store(simt_warp *w, const simt_instruction *i) {
  uint64_t addresses[LANES];
  uint8_t *pointers[LANES];
  uint32_t bytes = simt_type_bytes[i->type];
  simt_addresses(w, i, addresses);
  if (!simt_resolve(w, i, w->mask, addresses, bytes * i->width, ACCESS_WRITE, pointers)) return;
  for (int k = 0; k < i->width; k++) {
    const uint8_t *s = simt_at(w->base, vector_operand(i, k));
    if (bytes == 4 && i->register_bytes == 4) {
      for (int l = 0; l < LANES; l++)
        if (w->mask >> l & 1) memcpy(pointers[l] + 4 * k, s + 4 * l, 4);
    } else {
      for (int l = 0; l < LANES; l++)
        if (w->mask >> l & 1) memcpy(pointers[l] + bytes * (uint32_t)k, s + (uint32_t)l * i->register_bytes, bytes);
    }
  }
  if (!i->strong && !w->block->launch->concurrent) check_collisions(w, i, addresses, pointers);
  else if (!i->strong && i->space != SPACE_GLOBAL && i->space != SPACE_GENERIC) check_collisions(w, i, addresses, pointers);
}

void simt_do_fence(simt_warp *w, const simt_instruction *i) { (void)w, (void)i; }
void simt_do_nothing(simt_warp *w, const simt_instruction *i) { (void)w, (void)i; }

// ---- cvta, isspacep ---------------------------------------------------------------------------------------------

static uint64_t window(simt_space space) {
  return space == SPACE_SHARED ? SIMT_SHARED_WINDOW : space == SPACE_LOCAL ? SIMT_LOCAL_WINDOW : space == SPACE_PARAM ? SIMT_PARAM_WINDOW : 0;
}

void simt_do_address_to_generic(simt_warp *w, const simt_instruction *i) {
  uint64_t *d = simt_at(w->base, i->d), add = window((simt_space)i->space);
  const uint64_t *a = simt_at(w->base, i->a);
  for (int l = 0; l < LANES; l++)
    if (w->mask >> l & 1) d[l] = a[l] + add;
}

void simt_do_address_to_space(simt_warp *w, const simt_instruction *i) {
  uint64_t *d = simt_at(w->base, i->d), subtract = window((simt_space)i->space);
  const uint64_t *a = simt_at(w->base, i->a);
  for (int l = 0; l < LANES; l++)
    if (w->mask >> l & 1) d[l] = a[l] - subtract;
}

void simt_do_is_space(simt_warp *w, const simt_instruction *i) {
  const uint64_t *a = simt_at(w->base, i->a);
  uint32_t bits = 0;
  for (int l = 0; l < LANES; l++) bits |= (uint32_t)(space_of(a[l]) == (simt_space)i->space) << l;
  simt_set_predicate(w, i->d, bits);
}
