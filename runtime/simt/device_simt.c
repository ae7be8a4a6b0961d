#include "runtime/simt/device_simt.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "runtime/memory.h"

typedef struct simt_device {
  weft_device base;
  weft_simt *machine;
} simt_device;

struct weft_code {
  weft_simt_module *module;
  const weft_simt_kernel **entries;   // by kernel of the program
};

static weft_simt *machine_of(weft_device *device) { return ((simt_device *)device)->machine; }
const weft_simt *weft_simt_device_machine(const weft_device *device) { return ((const simt_device *)device)->machine; }

// ---- memory: the host's, but only what was written may be read --------------------------------------------------------------

static weft_status *allocate(weft_device *device, size_t bytes, void **out) { return weft_simt_alloc(machine_of(device), bytes, out); }

static void release(weft_device *device, void *memory) { weft_status_free(weft_simt_free(machine_of(device), memory)); }

static weft_status *upload(weft_device *device, void *to, const void *from, size_t bytes) {
  TRY(weft_simt_mark_initialised(machine_of(device), to, bytes));
  memcpy(to, from, bytes);
  return NULL;
}

static weft_status *download(weft_device *device, void *to, const void *from, size_t bytes) {
  memcpy(to, from, bytes);
  return NULL;
}

static weft_status *copy(weft_device *device, void *to, const void *from, size_t bytes) {
  return weft_simt_copy(machine_of(device), to, from, bytes);
}

static weft_status *zero(weft_device *device, void *memory, size_t bytes) {
  TRY(weft_simt_mark_initialised(machine_of(device), memory, bytes));
  memset(memory, 0, bytes);
  return NULL;
}

static weft_status *forget(weft_device *device, void *memory, size_t bytes) {
  return weft_simt_mark_uninitialised(machine_of(device), memory, bytes);
}

// ---- code ---------------------------------------------------------------------------------------------------------------------

static void unload(weft_device *device, weft_code *code) {
  weft_simt_unload(code->module);
  free(code->entries);
  free(code);
}

static weft_status *find_entries(const wf_program *program, weft_code *code) {
  TRY(weft_allocate((size_t)program->kernel_count, sizeof *code->entries, &code->entries));
  for (int i = 0; i < program->kernel_count; i++) {
    const wf_plan_kernel *kernel = &program->kernels[i];
    code->entries[i] = weft_simt_entry(code->module, kernel->entry);
    if (!code->entries[i]) return weft_fail(WEFT_BAD_INPUT, "the PTX has no entry %s for kernel '%s'", kernel->entry, kernel->name);
  }
  return NULL;
}

static weft_status *load(weft_device *device, wf_program *program, weft_code_form form, const void *data, size_t size, weft_code **out) {
  weft_code *code = NULL;
  if (form != WEFT_CODE_PTX) return weft_fail(WEFT_BAD_INPUT, "the simt device runs PTX alone");
  TRY(weft_allocate(1, sizeof *code, &code));
  weft_status *failed = weft_simt_load(machine_of(device), "ptx", data, size, &code->module);
  if (!failed) failed = find_entries(program, code);
  if (failed) unload(device, code);
  else *out = code;
  return failed;
}

// ---- launches -------------------------------------------------------------------------------------------------------------------

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static weft_status *launch(weft_device *device, const weft_launch *launch) {
  const wf_plan_kernel *kernel = &launch->program->kernels[launch->kernel];
  const weft_simt_kernel *entry = launch->code->entries[launch->kernel];
  int count = launch->arg_count + kernel->symbol_count;
  int64_t *values = NULL;
  void **parameters = NULL;
  if (weft_simt_parameters(entry) != count)
    return weft_fail(WEFT_INTERNAL, "the plan passes %d arguments, the PTX takes %d", count, weft_simt_parameters(entry));
  if (launch->tasks > INT32_MAX) return weft_fail(WEFT_BAD_INPUT, "%lld blocks are more than a GPU takes in one launch", (long long)launch->tasks);
  TRY(weft_allocate((size_t)count, sizeof *values, &values));
  weft_status *failed = weft_allocate((size_t)count, sizeof *parameters, &parameters);
  for (int i = 0; i < count && !failed; i++) {
    values[i] = i < launch->arg_count ? (int64_t)(intptr_t)launch->args[i] : launch->symbols[kernel->symbols[i - launch->arg_count]];
    parameters[i] = &values[i];
  }
  double start = now();
  const uint32_t grid[3] = {(uint32_t)launch->tasks, 1, 1}, block[3] = {(uint32_t)kernel->threads, 1, 1};
  if (!failed) failed = weft_simt_launch(machine_of(device), entry, grid, block, 0, parameters);
  if (launch->seconds) *launch->seconds += now() - start;
  free(values);
  free(parameters);
  return failed;
}

static weft_status *synchronise(weft_device *device) { return NULL; }

// ---- life -----------------------------------------------------------------------------------------------------------------------

static void destroy(weft_device *device) {
  weft_simt_destroy(machine_of(device));
  weft_pool_destroy(device->pool);
  free(device);
}

static const weft_device_ops ops = {"simt", allocate, release, upload, download, copy, zero, load, unload, launch, synchronise, destroy, forget};

weft_status *weft_simt_device_create(const weft_simt_options *options, weft_device **out) {
  simt_device *device = NULL;
  *out = NULL;
  TRY(weft_allocate(1, sizeof *device, &device));
  device->base = (weft_device){.ops = &ops, .info = {.name = "simt", .major = 8, .minor = 0, .multiprocessors = 1,
                                                     .memory = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE)}};
  weft_status *failed = weft_simt_create(options, &device->machine);
  if (!failed) failed = weft_pool_create(options ? options->threads : 0, &device->base.pool);
  if (failed) destroy(&device->base);
  else *out = &device->base;
  return failed;
}
