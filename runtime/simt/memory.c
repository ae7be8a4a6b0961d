#include "runtime/simt/memory.h"

#include <stdlib.h>
#include <string.h>

static uint64_t address_of(const simt_allocation *allocation) { return (uint64_t)(uintptr_t)allocation->base; }

// The number of live allocations that start at or below address.
static int rank_of(const simt_memory *memory, uint64_t address) {
  int low = 0, high = memory->count;
  while (low < high) {
    int middle = low + (high - low) / 2;
    if (address_of(&memory->live[middle]) <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}

simt_allocation *simt_memory_below(const simt_memory *memory, uint64_t address) {
  int rank = rank_of(memory, address);
  return rank ? &memory->live[rank - 1] : NULL;
}

const simt_allocation *simt_memory_freed(const simt_memory *memory, uint64_t address) {
  int kept = memory->freed_count < 64 ? memory->freed_count : 64;
  for (int i = 1; i <= kept; i++) {   // the latest first
    const simt_allocation *freed = &memory->freed[(memory->freed_count - i) & 63];
    if (address - address_of(freed) < freed->bytes) return freed;
  }
  return NULL;
}

static void release(simt_allocation *allocation) {
  free(allocation->block);
  free(allocation->initialised);
  free(allocation->cells);
  allocation->block = NULL;
  allocation->initialised = NULL;
  allocation->cells = NULL;
}

static weft_status *grow(simt_memory *memory) {
  if (memory->count < memory->capacity) return NULL;
  int capacity = memory->capacity ? memory->capacity * 2 : 64;
  simt_allocation *live = realloc(memory->live, (size_t)capacity * sizeof *live);
  if (!live) return weft_fail(WEFT_ENVIRONMENT, "out of memory for %d allocations", capacity);
  memory->live = live;
  memory->capacity = capacity;
  return NULL;
}

weft_status *simt_memory_add(simt_memory *memory, uint64_t bytes, const char *name, void **out) {
  *out = NULL;
  TRY(grow(memory));
  simt_allocation made = {.bytes = bytes, .name = name};
  if (bytes < UINT64_MAX / 2) {
    uint64_t rounded = (bytes + SIMT_RED_ZONE - 1) / SIMT_RED_ZONE * SIMT_RED_ZONE;
    made.block = aligned_alloc(SIMT_RED_ZONE, rounded + 2 * SIMT_RED_ZONE);
    made.initialised = calloc(bytes + 1, 1);
  }
  if (!made.block || !made.initialised) {
    release(&made);
    return weft_fail(WEFT_ENVIRONMENT, "out of memory: %llu bytes of global memory for the PTX machine",
                     (unsigned long long)bytes);
  }
  made.base = (uint8_t *)made.block + SIMT_RED_ZONE;
  int rank = rank_of(memory, address_of(&made));
  memmove(memory->live + rank + 1, memory->live + rank, (size_t)(memory->count - rank) * sizeof made);
  memory->live[rank] = made;
  memory->count++;
  *out = made.base;
  return NULL;
}

weft_status *simt_memory_remove(simt_memory *memory, void *pointer) {
  if (!pointer) return NULL;
  int rank = rank_of(memory, (uint64_t)(uintptr_t)pointer);
  simt_allocation *found = rank ? &memory->live[rank - 1] : NULL;
  if (!found || found->base != pointer)
    return weft_fail(WEFT_BAD_INPUT, "free of %p, which is %s", pointer,
                     simt_memory_freed(memory, (uint64_t)(uintptr_t)pointer) ? "free already" : "no allocation");
  // The range is remembered; the memory goes, so a later allocation may lie there (it is looked up first).
  release(found);
  memory->freed[memory->freed_count++ & 63] = *found;
  memmove(found, found + 1, (size_t)(memory->count - rank) * sizeof *found);
  memory->count--;
  return NULL;
}

void simt_memory_deinit(simt_memory *memory) {
  for (int i = 0; i < memory->count; i++) release(&memory->live[i]);
  free(memory->live);
  *memory = (simt_memory){0};
}
