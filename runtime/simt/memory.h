// Global memory of the PTX machine: allocations with bounds, a shadow byte for each byte (written or not) and, where a
// launch asks, cells that tell who of the launch touched a word.
#ifndef WEFT_SIMT_MEMORY_H
#define WEFT_SIMT_MEMORY_H
#include <stdbool.h>
#include <stdint.h>
#include "runtime/simt/simt.h"

// Cells take eight times the memory that they watch, so larger allocations have none.
enum { SIMT_RED_ZONE = 256, SIMT_CELL_BYTES = 4, SIMT_CELLS_LIMIT = 1 << 29 };

// Who touched a word last (global_races.c). write, read: launch << 40 | block (32 bits) << 8 | strong << 4 | mask of its bytes;
// writer, reader: where in that block, clock << 40 | step (28 bits) << 12 | strong << 11 | warp << 6 | lane.
typedef struct simt_global_cell { uint64_t write, read, writer, reader; } simt_global_cell;

typedef struct simt_allocation {
  uint8_t *base;            // what the user got
  uint64_t bytes;
  uint8_t *initialised;     // one byte a byte
  simt_global_cell *cells;  // one a word; NULL until a launch needs them, and beyond SIMT_CELLS_LIMIT
  void *block;              // what malloc gave: base with its red zones
  bool read_only;           // to kernels: .const variables
  const char *name;         // a module's variable; else NULL
} simt_allocation;

// Allocations sorted by address. Freed ones stay for a while, so that their use can be told.
typedef struct simt_memory {
  simt_allocation *live;
  int count, capacity;
  simt_allocation freed[64];   // ring
  int freed_count;             // ever
} simt_memory;

weft_status *simt_memory_add(simt_memory *memory, uint64_t bytes, const char *name, void **out);
weft_status *simt_memory_remove(simt_memory *memory, void *pointer);
void simt_memory_deinit(simt_memory *memory);
// The live allocation that holds the byte at address, or the one that starts closest below it; NULL: none below.
simt_allocation *simt_memory_below(const simt_memory *memory, uint64_t address);
const simt_allocation *simt_memory_freed(const simt_memory *memory, uint64_t address);

static inline bool simt_inside(const simt_allocation *allocation, uint64_t address, uint64_t bytes) {
  uint64_t offset = address - (uint64_t)(uintptr_t)allocation->base;
  return offset < allocation->bytes && bytes <= allocation->bytes - offset;
}

#endif
