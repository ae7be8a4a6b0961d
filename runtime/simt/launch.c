// Launches: what a GPU would refuse, blocks on the host's threads, faults as statuses.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/memory.h"
#include "runtime/simt/worker.h"

// ---- workers ----------------------------------------------------------------------------------------------------

void simt_worker_destroy(simt_worker *worker) {
  if (!worker) return;
  for (int k = 0; k < SIMT_WARPS; k++) free(worker->block.warp[k].copies);
  free(worker->block.shared);
  free(worker->block.shared_initialised);
  free(worker->block.cells);
  free(worker->frames);
  free(worker->locals);
  free(worker->local_shadows);
  free(worker);
}

static weft_status *make_worker(simt_worker **out) {
  weft_status *status = weft_allocate(1, sizeof **out, out);
  if (status) return status;
  simt_block *block = &(*out)->block;
  if ((status = weft_allocate_aligned(SIMT_SHARED_LIMIT + 64, (void **)&block->shared)) ||
      (status = weft_allocate(SIMT_SHARED_LIMIT + 64, 1, &block->shared_initialised)) ||
      (status = weft_allocate(SIMT_SHARED_LIMIT / 4 + 16, sizeof *block->cells, &block->cells))) {
    simt_worker_destroy(*out);
    *out = NULL;
    return status;
  }
  block->clock_base = 1;
  return NULL;
}

static weft_status *enlarge(uint8_t **memory, size_t *have, size_t bytes) {
  if (*have >= bytes) return NULL;
  free(*memory);
  *memory = NULL;
  *have = 0;
  TRY(weft_allocate_aligned(bytes, (void **)memory));
  *have = bytes;
  return NULL;
}

static weft_status *prepare_worker(simt_worker **worker, const weft_simt_kernel *kernel, int warps) {
  if (!*worker) TRY(make_worker(worker));
  size_t frames = (size_t)kernel->frame_bytes * (size_t)warps, locals = (size_t)kernel->local_bytes * LANES * (size_t)warps + 64;
  size_t shadows = (*worker)->local_bytes;
  TRY(enlarge(&(*worker)->frames, &(*worker)->frame_bytes, frames));
  TRY(enlarge(&(*worker)->locals, &(*worker)->local_bytes, locals));
  TRY(enlarge(&(*worker)->local_shadows, &shadows, locals));
  for (int k = 0; k < SIMT_WARPS; k++) (*worker)->block.warp[k].last = NULL;
  return NULL;
}

// ---- blocks -----------------------------------------------------------------------------------------------------

static uint32_t special_value(const simt_block *block, const simt_special *special, uint32_t thread) {
  const simt_launch *launch = block->launch;
  uint32_t lane = thread % LANES;
  const uint32_t at[3] = {thread % launch->block[0], thread / launch->block[0] % launch->block[1], thread / launch->block[0] / launch->block[1]};
  switch (special->kind) {
    case SPECIAL_TID: return at[special->axis];
    case SPECIAL_NTID: return launch->block[special->axis];
    case SPECIAL_CTAID: return block->id[special->axis];
    case SPECIAL_NCTAID: return launch->grid[special->axis];
    case SPECIAL_LANEID: return lane;
    case SPECIAL_WARPID: return thread / LANES;
    case SPECIAL_NWARPID: return (uint32_t)block->warps;
    case SPECIAL_ONE: return 1;
    case SPECIAL_LANEMASK_EQ: return 1u << lane;
    case SPECIAL_LANEMASK_LE: return (2u << lane) - 1;
    case SPECIAL_LANEMASK_LT: return (1u << lane) - 1;
    case SPECIAL_LANEMASK_GE: return ~((1u << lane) - 1);
    case SPECIAL_LANEMASK_GT: return ~((2u << lane) - 1);
    case SPECIAL_DYNAMIC_SHARED: return launch->dynamic_shared;
    case SPECIAL_TOTAL_SHARED: return block->shared_bytes;
    case SPECIAL_ZERO: case SPECIAL_CLOCK: case SPECIAL_CLOCK_HI: case SPECIAL_CLOCK64: break;
  }
  return 0;
}

static void start_warp(simt_worker *worker, simt_warp *w, int index, uint32_t threads) {
  simt_block *block = &worker->block;
  const weft_simt_kernel *kernel = block->launch->kernel;
  uint32_t first = (uint32_t)index * LANES, count = threads - first < LANES ? threads - first : LANES;
  simt_copy *copies = w->copies;
  int capacity = w->copy_capacity;
  simt_allocation *last = w->last;
  memset(w, 0, sizeof *w);
  w->copies = copies, w->copy_capacity = capacity, w->last = last;
  w->base[0] = worker->frames + (size_t)index * kernel->frame_bytes;
  w->base[1] = kernel->constants;
  w->live = count == LANES ? UINT32_MAX : (1u << count) - 1;
  w->index = index;
  w->block = block;
  size_t local = (size_t)kernel->local_bytes * LANES;
  w->local = worker->locals + local * (size_t)index;
  w->local_initialised = worker->local_shadows + local * (size_t)index;
  memset(w->local_initialised, 0, local);
  memset(w->base[0], 0, kernel->frame_bytes);
  for (int k = 0; k < SIMT_WARPS; k++) w->clock[k] = block->clock_base;
  w->clock[index]++;
  for (int k = 0; k < kernel->special_count; k++) {
    uint32_t *to = (uint32_t *)(w->base[0] + kernel->specials[k].offset);
    for (uint32_t lane = 0; lane < LANES; lane++) to[lane] = special_value(block, &kernel->specials[k], first + lane);
  }
}

static uint64_t mixed(uint64_t seed, uint64_t launch, uint64_t block) {   // splitmix64
  uint64_t x = seed * 0x9e3779b97f4a7c15ull + launch * 0xbf58476d1ce4e5b9ull + block + 1;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ x >> 27) * 0x94d049bb133111ebull;
  return (x ^ x >> 31) | 1;
}

// What the warps of this block counted must be new to those of the next one.
static void next_clock_base(simt_block *block) {
  uint32_t most = block->clock_base;
  for (int k = 0; k < block->warps; k++)
    if (block->warp[k].clock[k] > most) most = block->warp[k].clock[k];
  block->clock_base = most + 1;
  if (block->clock_base < 1u << 31) return;
  memset(block->cells, 0, (SIMT_SHARED_LIMIT / 4 + 16) * sizeof *block->cells);
  block->clock_base = 1;
}

static void run_block(simt_launch *launch, simt_worker *worker, uint64_t index) {
  simt_block *block = &worker->block;
  uint32_t threads = launch->block[0] * launch->block[1] * launch->block[2];
  block->launch = launch;
  block->index = index;
  block->id[0] = (uint32_t)(index % launch->grid[0]);
  block->id[1] = (uint32_t)(index / launch->grid[0] % launch->grid[1]);
  block->id[2] = (uint32_t)(index / launch->grid[0] / launch->grid[1]);
  block->warps = (int)((threads + LANES - 1) / LANES);
  block->live = threads;
  block->shared_bytes = launch->kernel->shared_bytes + launch->dynamic_shared;
  block->steps = 0;
  block->releases = 1;   // 0 stands for nothing
  block->random = mixed(launch->machine->options.seed, launch->number, index);
  block->fault.happened = block->fault.has_address = false;
  memset(block->barrier, 0, sizeof block->barrier);
  memset(block->shared_initialised, 0, block->shared_bytes);
  memset(block->shared, 0xcd, block->shared_bytes);
  for (int k = 0; k < block->warps; k++) start_warp(worker, &block->warp[k], k, threads);
  simt_run_block(block);
  block->row.warp_instructions += block->steps;
  next_clock_base(block);
}

// ---- faults -----------------------------------------------------------------------------------------------------

typedef struct told { uint64_t block; char text[1024]; } told;

typedef struct run_context {
  simt_launch launch;
  pthread_mutex_t lock;
  told *faults;              // the lowest blocks' faults, sorted
  int fault_count;
  uint64_t limit;            // blocks from here on need not run
} run_context;

static void format_fault(const simt_block *block, told *out) {
  const simt_fault *fault = &block->fault;
  const simt_launch *launch = block->launch;
  const weft_simt_module *module = launch->kernel->module;
  const simt_instruction *i = fault->instruction;
  char place[300] = "", address[40] = "";
  if (i && i->place >= 0) {
    const simt_place *at = &module->places[i->place];
    const char *file = at->file >= 0 && at->file < module->file_count ? module->files[at->file] : NULL;
    snprintf(place, sizeof place, ", %s:%d:%d", file ? file : "?", at->line, at->column);
  }
  if (fault->has_address) snprintf(address, sizeof address, ", address 0x%llx", (unsigned long long)fault->address);
  uint32_t thread = (uint32_t)fault->warp * LANES + (fault->lanes ? (uint32_t)__builtin_ctz(fault->lanes) : 0);
  snprintf(out->text, sizeof out->text, "kernel %s: %s (%s, %s:%d%s; block (%u, %u, %u), thread (%u, %u, %u), warp %d, lanes 0x%08x%s)",
           launch->kernel->name, fault->what, i ? i->text : "?", module->name, i ? i->line : 0, place, block->id[0], block->id[1], block->id[2],
           thread % launch->block[0], thread / launch->block[0] % launch->block[1], thread / launch->block[0] / launch->block[1],
           fault->warp, fault->lanes, address);
  out->block = block->index;
}

// Keeps the max_faults lowest blocks' faults: the same ones in whatever order the blocks ran.
static void keep_fault(run_context *run, const simt_block *block) {
  int most = run->launch.machine->options.max_faults;
  pthread_mutex_lock(&run->lock);
  int at = run->fault_count;
  while (at > 0 && run->faults[at - 1].block > block->index) at--;
  if (at < most) {
    int moved = (run->fault_count < most ? run->fault_count : most - 1) - at;
    memmove(run->faults + at + 1, run->faults + at, (size_t)moved * sizeof *run->faults);
    format_fault(block, &run->faults[at]);
    if (run->fault_count < most) run->fault_count++;
    if (run->fault_count == most) __atomic_store_n(&run->limit, run->faults[most - 1].block, __ATOMIC_RELAXED);
  }
  pthread_mutex_unlock(&run->lock);
}

static void run_blocks(void *context, int worker, int64_t begin, int64_t end) {
  run_context *run = context;
  simt_worker *mine = run->launch.machine->workers[worker];
  for (int64_t index = begin; index < end; index++) {
    if ((uint64_t)index > __atomic_load_n(&run->limit, __ATOMIC_RELAXED)) return;
    run_block(&run->launch, mine, (uint64_t)index);
    if (mine->block.fault.happened) keep_fault(run, &mine->block);
  }
}

// ---- launches ---------------------------------------------------------------------------------------------------

static weft_status *check_shape(const weft_simt_kernel *kernel, const uint32_t grid[3], const uint32_t block[3], uint32_t dynamic_shared) {
  uint64_t threads = (uint64_t)block[0] * block[1] * block[2];
  const char *name = kernel->name;
  if (!grid[0] || !grid[1] || !grid[2] || grid[0] > INT32_MAX || grid[1] > 65535 || grid[2] > 65535)
    return weft_fail(WEFT_BAD_INPUT, "kernel %s: a grid of %u x %u x %u blocks", name, grid[0], grid[1], grid[2]);
  if (!threads || block[0] > 1024 || block[1] > 1024 || block[2] > 64 || threads > 1024)
    return weft_fail(WEFT_BAD_INPUT, "kernel %s: a block of %u x %u x %u threads", name, block[0], block[1], block[2]);
  const uint32_t *required = kernel->required_threads, *most = kernel->maximum_threads;
  if (required[0] && memcmp(required, block, 3 * sizeof *block))
    return weft_fail(WEFT_BAD_INPUT, "kernel %s: a block of %u x %u x %u threads, where it requires %u x %u x %u", name, block[0], block[1], block[2],
                     required[0], required[1], required[2]);
  if (most[0] && threads > (uint64_t)most[0] * most[1] * most[2])
    return weft_fail(WEFT_BAD_INPUT, "kernel %s: %llu threads, where it allows %llu", name, (unsigned long long)threads,
                     (unsigned long long)most[0] * most[1] * most[2]);
  if ((uint64_t)kernel->shared_bytes + dynamic_shared > SIMT_SHARED_LIMIT)
    return weft_fail(WEFT_BAD_INPUT, "kernel %s: %u + %u bytes of shared memory, of %u", name, kernel->shared_bytes, dynamic_shared, SIMT_SHARED_LIMIT);
  return NULL;
}

static weft_status *prepare_cells(weft_simt *machine) {
  for (int k = 0; k < machine->memory.count; k++) {
    simt_allocation *at = &machine->memory.live[k];
    if (at->cells || at->read_only || !at->bytes || at->bytes > SIMT_CELLS_LIMIT) continue;
    at->cells = calloc(at->bytes / SIMT_CELL_BYTES + 1, sizeof *at->cells);
    if (!at->cells) return weft_fail(WEFT_ENVIRONMENT, "out of memory for the shadow of %llu bytes", (unsigned long long)at->bytes);
  }
  return NULL;
}

static weft_status *gather_parameters(const weft_simt_kernel *kernel, void **parameters, uint8_t **out) {
  TRY(weft_allocate(kernel->parameter_bytes + 64, 1, out));
  for (int k = 0; k < kernel->parameter_count; k++)
    memcpy(*out + kernel->parameters[k].offset, parameters[k], kernel->parameters[k].bytes);
  return NULL;
}

static void add_row(weft_simt_row *to, const weft_simt_row *from) {
  to->warp_instructions += from->warp_instructions;
  to->thread_instructions += from->thread_instructions;
  to->global_sectors += from->global_sectors;
  to->global_sectors_ideal += from->global_sectors_ideal;
  to->shared_accesses += from->shared_accesses;
  to->bank_conflicts += from->bank_conflicts;
}

static weft_status *outcome(run_context *run) {
  if (!run->fault_count) return NULL;
  if (run->fault_count == 1) return weft_fail(WEFT_SIMT_FAULT, "%s", run->faults[0].text);
  return weft_fail(WEFT_SIMT_FAULT, "%s, and %d more faulting blocks", run->faults[0].text, run->fault_count - 1);
}

static weft_status *run_all(weft_simt *machine, run_context *run, uint64_t blocks, weft_simt_row *row) {
  int workers = weft_pool_threads(machine->pool);
  if (run->launch.concurrent) weft_pool_run(machine->pool, (int64_t)blocks, run_blocks, run);
  else run_blocks(run, 0, 0, (int64_t)blocks);
  for (int k = 0; k < workers; k++)
    if (machine->workers[k]) {
      add_row(row, &machine->workers[k]->block.row);
      memset(&machine->workers[k]->block.row, 0, sizeof machine->workers[k]->block.row);
    }
  row->launches++;
  row->faults += (uint64_t)run->fault_count;
  return outcome(run);
}

weft_status *weft_simt_launch(weft_simt *machine, const weft_simt_kernel *kernel, const uint32_t grid[3], const uint32_t block[3],
                              uint32_t dynamic_shared, void **parameters) {
  TRY(check_shape(kernel, grid, block, dynamic_shared));
  uint64_t blocks = (uint64_t)grid[0] * grid[1] * grid[2];
  int threads = weft_pool_threads(machine->pool), warps = (int)((block[0] * block[1] * block[2] + LANES - 1) / LANES);
  weft_simt_row *row;
  TRY(simt_row(machine, kernel->name, &row));
  run_context run = {.limit = UINT64_MAX};
  run.launch = (simt_launch){.machine = machine, .kernel = kernel, .dynamic_shared = dynamic_shared, .number = ++machine->launches};
  memcpy(run.launch.grid, grid, sizeof run.launch.grid);
  memcpy(run.launch.block, block, sizeof run.launch.block);
  run.launch.concurrent = threads > 1 && blocks > 1 && !kernel->ordered && !kernel->synchronises;
  run.launch.check_races = !kernel->synchronises;
  for (int k = 0; k < (run.launch.concurrent ? threads : 1); k++) TRY(prepare_worker(&machine->workers[k], kernel, warps));
  if (run.launch.check_races) TRY(prepare_cells(machine));
  TRY(weft_allocate((size_t)machine->options.max_faults, sizeof *run.faults, &run.faults));
  weft_status *status = gather_parameters(kernel, parameters, &run.launch.parameters);
  pthread_mutex_init(&run.lock, NULL);
  if (!status) status = run_all(machine, &run, blocks, row);
  pthread_mutex_destroy(&run.lock);
  free(run.launch.parameters);
  free(run.faults);
  return status;
}
