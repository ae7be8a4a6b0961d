// The PTX machine: reads PTX text and executes it on the CPU, 32 lanes of a warp at a time, and checks what a GPU never
// tells (docs/runtime.md, "The PTX machine"). It proves GPU kernels on a machine that has no GPU.
//
// "Global memory" is host memory that weft_simt_alloc handed out: device pointers are host pointers, and the host reads
// and writes them directly (and says what it wrote with weft_simt_mark_initialised). One thread at a time uses a machine;
// a launch spreads its blocks over the machine's own threads. Same seed, same results, for any number of threads.
#ifndef WEFT_RUNTIME_SIMT_H
#define WEFT_RUNTIME_SIMT_H
#include <stdint.h>
#include "runtime/status.h"

typedef struct weft_simt weft_simt;
typedef struct weft_simt_module weft_simt_module;
typedef struct weft_simt_kernel weft_simt_kernel;   // an .entry of a module; lives as long as the module

typedef struct weft_simt_options {   // zeros are the defaults
  int threads;                  // host threads; 0: WEFT_THREADS, else the CPUs that this process may run on
  uint64_t seed;                // 0: warps in order, asynchronous copies as late as the waits allow; else drawn from it
  int max_faults;               // faulting blocks after which a launch stops; 0: 1
  uint64_t instruction_budget;  // warp instructions a block may execute before it counts as endless; 0: 2^30
} weft_simt_options;

// options NULL: the defaults.
weft_status *weft_simt_create(const weft_simt_options *options, weft_simt **out);
void weft_simt_destroy(weft_simt *machine);   // with its modules and memory; also of NULL

// ---- memory -----------------------------------------------------------------------------------------------------

// At least 256-byte aligned, with red zones around it, uninitialised. bytes 0 gives a pointer that no access may use.
weft_status *weft_simt_alloc(weft_simt *machine, uint64_t bytes, void **out);
// A pointer that weft_simt_alloc did not hand out, or that is free already: WEFT_BAD_INPUT. NULL: nothing happens.
weft_status *weft_simt_free(weft_simt *machine, void *pointer);
// The host wrote these bytes: kernels may read them. They must lie inside one allocation.
weft_status *weft_simt_mark_initialised(weft_simt *machine, const void *pointer, uint64_t bytes);
// The opposite: their contents count as lost (an arena that is used again).
weft_status *weft_simt_mark_uninitialised(weft_simt *machine, const void *pointer, uint64_t bytes);
// Host copies that carry "initialised" along: from one allocation to another.
weft_status *weft_simt_copy(weft_simt *machine, void *to, const void *from, uint64_t bytes);

// ---- modules ----------------------------------------------------------------------------------------------------

// Parses and decodes all of it; name is what messages call the text ("softmax.ptx"). Errors (WEFT_BAD_INPUT) have
// "name:line:column: what"; an instruction that the machine does not know is such an error. The text is not kept.
weft_status *weft_simt_load(weft_simt *machine, const char *name, const char *text, uint64_t size,
                            weft_simt_module **out);
void weft_simt_unload(weft_simt_module *module);   // also of NULL

int weft_simt_kernels(const weft_simt_module *module);
const weft_simt_kernel *weft_simt_kernel_at(const weft_simt_module *module, int index);
const weft_simt_kernel *weft_simt_entry(const weft_simt_module *module, const char *name);   // NULL: there is none
const char *weft_simt_kernel_name(const weft_simt_kernel *kernel);
int weft_simt_parameters(const weft_simt_kernel *kernel);
uint32_t weft_simt_parameter_size(const weft_simt_kernel *kernel, int index);        // bytes
uint32_t weft_simt_parameter_alignment(const weft_simt_kernel *kernel, int index);   // bytes
uint32_t weft_simt_static_shared(const weft_simt_kernel *kernel);                    // bytes
// A .global or .const variable of the module: its memory, which host and kernels share. NULL: there is none.
void *weft_simt_variable(const weft_simt_module *module, const char *name, uint64_t *bytes);

// ---- launches ---------------------------------------------------------------------------------------------------

// parameters: a pointer to the value of each, as cuLaunchKernel's kernelParams. Returns when all blocks are through.
// A configuration that the kernel or any GPU would refuse: WEFT_BAD_INPUT. A fault: WEFT_SIMT_FAULT, one line with
// kernel, what, instruction, PTX line, place of its .loc, block, thread, and the address where there is one; of several
// faulting blocks it is the first block's. Memory holds what the blocks wrote up to then.
enum { WEFT_SIMT_FAULT = 4 };
weft_status *weft_simt_launch(weft_simt *machine, const weft_simt_kernel *kernel, const uint32_t grid[3],
                              const uint32_t block[3], uint32_t dynamic_shared, void **parameters);

// ---- statistics -------------------------------------------------------------------------------------------------

typedef struct weft_simt_row {
  const char *kernel;
  uint64_t launches, faults;
  uint64_t warp_instructions;      // executed by a warp or a part of it
  uint64_t thread_instructions;    // the same, times the lanes that took part
  uint64_t global_sectors;         // 32-byte sectors that loads, stores and atomics of a warp touched
  uint64_t global_sectors_ideal;   // the same, had the lanes' bytes been packed
  uint64_t shared_accesses;        // passes over the 32 banks that shared loads and stores took, had no banks collided
  uint64_t bank_conflicts;         // further passes because of collisions
} weft_simt_row;

typedef struct weft_simt_counts {
  uint64_t kernels_launched, faults;
  int rows;
  const weft_simt_row *row;   // one a kernel name, in order of first launch; valid until the next launch
  weft_simt_row total;        // kernel: NULL
} weft_simt_counts;

void weft_simt_statistics(const weft_simt *machine, weft_simt_counts *out);

#endif
