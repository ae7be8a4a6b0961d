#include "runtime/simt/machine.h"

#include <stdlib.h>
#include <string.h>
#include "runtime/memory.h"

weft_status *weft_simt_create(const weft_simt_options *options, weft_simt **out) {
  *out = NULL;
  weft_simt *machine;
  TRY(weft_allocate(1, sizeof *machine, &machine));
  if (options) machine->options = *options;
  if (machine->options.max_faults < 1) machine->options.max_faults = 1;
  if (!machine->options.instruction_budget) machine->options.instruction_budget = 1ull << 30;
  weft_status *status = weft_pool_create(machine->options.threads, &machine->pool);
  if (!status) status = weft_allocate((size_t)weft_pool_threads(machine->pool), sizeof *machine->workers, &machine->workers);
  if (status) {
    weft_simt_destroy(machine);
    return status;
  }
  *out = machine;
  return NULL;
}

void weft_simt_destroy(weft_simt *machine) {
  if (!machine) return;
  while (machine->modules) weft_simt_unload(machine->modules);
  if (machine->workers)
    for (int i = 0; i < weft_pool_threads(machine->pool); i++) simt_worker_destroy(machine->workers[i]);
  free(machine->workers);
  if (machine->pool) weft_pool_destroy(machine->pool);
  simt_memory_deinit(&machine->memory);
  for (int i = 0; i < machine->counts.rows; i++) free((char *)machine->rows[i].kernel);
  free(machine->rows);
  free(machine);
}

// ---- memory -----------------------------------------------------------------------------------------------------

weft_status *weft_simt_alloc(weft_simt *machine, uint64_t bytes, void **out) {
  return simt_memory_add(&machine->memory, bytes, NULL, out);
}

weft_status *weft_simt_free(weft_simt *machine, void *pointer) { return simt_memory_remove(&machine->memory, pointer); }

static weft_status *range_of(weft_simt *machine, const void *pointer, uint64_t bytes, uint8_t **initialised) {
  *initialised = NULL;
  if (!bytes) return NULL;
  uint64_t address = (uint64_t)(uintptr_t)pointer;
  simt_allocation *found = simt_memory_below(&machine->memory, address);
  if (!found || !simt_inside(found, address, bytes))
    return weft_fail(WEFT_BAD_INPUT, "%llu bytes at %p do not lie inside one allocation", (unsigned long long)bytes, pointer);
  *initialised = found->initialised + (address - (uint64_t)(uintptr_t)found->base);
  return NULL;
}

weft_status *weft_simt_mark_initialised(weft_simt *machine, const void *pointer, uint64_t bytes) {
  uint8_t *initialised;
  TRY(range_of(machine, pointer, bytes, &initialised));
  if (initialised) memset(initialised, 1, bytes);
  return NULL;
}

weft_status *weft_simt_mark_uninitialised(weft_simt *machine, const void *pointer, uint64_t bytes) {
  uint8_t *initialised;
  TRY(range_of(machine, pointer, bytes, &initialised));
  if (initialised) memset(initialised, 0, bytes);
  return NULL;
}

weft_status *weft_simt_copy(weft_simt *machine, void *to, const void *from, uint64_t bytes) {
  uint8_t *target, *source;
  TRY(range_of(machine, to, bytes, &target));
  TRY(range_of(machine, from, bytes, &source));
  if (!bytes) return NULL;
  memmove(to, from, bytes);
  memmove(target, source, bytes);
  return NULL;
}

// ---- statistics -------------------------------------------------------------------------------------------------

weft_status *simt_row(weft_simt *machine, const char *kernel, weft_simt_row **out) {
  *out = NULL;
  for (int i = 0; i < machine->counts.rows; i++)
    if (!strcmp(machine->rows[i].kernel, kernel)) {
      *out = &machine->rows[i];
      return NULL;
    }
  if (machine->counts.rows == machine->row_capacity) {
    int capacity = machine->row_capacity ? machine->row_capacity * 2 : 16;
    weft_simt_row *rows = realloc(machine->rows, (size_t)capacity * sizeof *rows);
    if (!rows) return weft_fail(WEFT_ENVIRONMENT, "out of memory for statistics");
    machine->rows = rows;
    machine->row_capacity = capacity;
  }
  char *name;
  TRY(weft_copy_text(kernel, &name));
  *out = &machine->rows[machine->counts.rows++];
  **out = (weft_simt_row){.kernel = name};
  return NULL;
}

void weft_simt_statistics(const weft_simt *machine, weft_simt_counts *out) {
  *out = machine->counts;
  out->row = machine->rows;
  for (int i = 0; i < out->rows; i++) {
    const weft_simt_row *row = &machine->rows[i];
    out->total.launches += row->launches;
    out->total.faults += row->faults;
    out->total.warp_instructions += row->warp_instructions;
    out->total.thread_instructions += row->thread_instructions;
    out->total.global_sectors += row->global_sectors;
    out->total.global_sectors_ideal += row->global_sectors_ideal;
    out->total.shared_accesses += row->shared_accesses;
    out->total.bank_conflicts += row->bank_conflicts;
  }
  out->kernels_launched = out->total.launches;
  out->faults = out->total.faults;
}
