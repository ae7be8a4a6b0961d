// The host as a device: memory is the process's own, kernels are functions that threads run task by task.
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "runtime/device.h"
#include "runtime/load_object.h"
#include "runtime/memory.h"

typedef struct cpu_device {
  weft_device base;
  void **scratch;          // by worker
  size_t scratch_bytes;    // of each
} cpu_device;

struct weft_code { wf_object *object; };

// Large blocks ask for large pages.
static weft_status *allocate(weft_device *device, size_t bytes, void **out) {
  enum { LARGE_PAGE = 2 << 20 };
  if (bytes < 2 * LARGE_PAGE || bytes > SIZE_MAX / 2) return weft_allocate_aligned(bytes, out);
  size_t rounded = (bytes + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
  *out = aligned_alloc(LARGE_PAGE, rounded);
  if (!*out) return weft_fail(WEFT_ENVIRONMENT, "out of memory: %zu bytes", bytes);
  madvise(*out, rounded, MADV_HUGEPAGE);   // advice: failing changes nothing
  return NULL;
}

static void release(weft_device *device, void *memory) { free(memory); }

static weft_status *move(weft_device *device, void *to, const void *from, size_t bytes) {
  memmove(to, from, bytes);
  return NULL;
}

static weft_status *zero(weft_device *device, void *memory, size_t bytes) {
  memset(memory, 0, bytes);
  return NULL;
}

static weft_status *load(weft_device *device, wf_program *program, weft_code_form form, const void *data, size_t size, weft_code **out) {
  char message[512];
  if (form != WEFT_CODE_HOST) return weft_fail(WEFT_BAD_INPUT, "PTX and cubins do not run on the cpu device");
  wf_object *object = wf_object_load(data, size, message, sizeof message);
  if (!object) return weft_fail(WEFT_BAD_INPUT, "%s", message);
  weft_status *failed = NULL;
  if (!wf_object_bind(object, program, message, sizeof message)) failed = weft_fail(WEFT_BAD_INPUT, "%s", message);
  if (!failed) failed = weft_allocate(1, sizeof **out, out);
  if (failed) wf_object_unload(object);
  else (*out)->object = object;
  return failed;
}

static void unload(weft_device *device, weft_code *code) {
  wf_object_unload(code->object);
  free(code);
}

static void free_scratch(cpu_device *device) {
  for (int i = 0; device->scratch && i < weft_pool_threads(device->base.pool); i++) {
    free(device->scratch[i]);
    device->scratch[i] = NULL;
  }
  device->scratch_bytes = device->base.kept = 0;
}

static weft_status *grow_scratch(cpu_device *device, size_t bytes) {
  if (bytes <= device->scratch_bytes) return NULL;
  free_scratch(device);
  for (int i = 0; i < weft_pool_threads(device->base.pool); i++)
    TRY(weft_context(weft_allocate_aligned(bytes, &device->scratch[i]), "scratch memory of kernels"));
  device->scratch_bytes = bytes;
  device->base.kept = bytes * (size_t)weft_pool_threads(device->base.pool);
  return NULL;
}

typedef struct tasks {
  const weft_launch *launch;
  wf_kernel_entry function;
  void **scratch;
} tasks;

static void run_tasks(void *context, int worker, int64_t begin, int64_t end) {
  const tasks *t = context;
  t->function(t->launch->args, t->launch->symbols, begin, end, t->scratch[worker]);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static weft_status *launch(weft_device *device, const weft_launch *launch) {
  cpu_device *cpu = (cpu_device *)device;
  const wf_plan_kernel *kernel = &launch->program->kernels[launch->kernel];
  if (!kernel->function) return weft_fail(WEFT_INTERNAL, "no machine code");
  TRY(grow_scratch(cpu, launch->scratch_bytes));
  tasks t = {launch, kernel->function, cpu->scratch};
  double start = launch->seconds ? now() : 0;
  weft_pool_run(device->pool, launch->tasks, run_tasks, &t);
  if (launch->seconds) *launch->seconds += now() - start;
  return NULL;
}

static weft_status *synchronise(weft_device *device) { return NULL; }

static void destroy(weft_device *device) {
  cpu_device *cpu = (cpu_device *)device;
  free_scratch(cpu);
  free(cpu->scratch);
  weft_pool_destroy(device->pool);
  free(cpu);
}

static const weft_device_ops ops = {"cpu", allocate, release, move, move, move, zero, load, unload, launch, synchronise, destroy, NULL};

weft_status *weft_cpu_create(int threads, weft_device **out) {
  cpu_device *cpu = NULL;
  *out = NULL;
  TRY(weft_allocate(1, sizeof *cpu, &cpu));
  cpu->base = (weft_device){.ops = &ops, .on_host = true,
                            .info = {.name = "cpu", .memory = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE)}};
  weft_status *failed = weft_pool_create(threads, &cpu->base.pool);
  if (!failed) failed = weft_allocate((size_t)weft_pool_threads(cpu->base.pool), sizeof *cpu->scratch, &cpu->scratch);
  if (failed) destroy(&cpu->base);
  else *out = &cpu->base;
  return failed;
}
