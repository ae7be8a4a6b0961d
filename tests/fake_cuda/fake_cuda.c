// The fake driver: see fake_cuda.h. State is global here as it is in a driver.
#include "tests/fake_cuda/fake_cuda.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/cuda/driver.h"
#include "runtime/simt/simt.h"

enum { NOT_INITIALISED = 3, INVALID_VALUE = 1, INVALID_HANDLE = 400, LAUNCH_FAILED = 719 };

typedef struct allocation { char *start; size_t bytes; struct allocation *next; } allocation;
struct cuda_function_object {
  const fake_kernel *kernel;          // of a fake image, or
  const weft_simt_kernel *entry;      // of PTX
  struct cuda_function_object *next;
};
struct cuda_module_object {
  fake_image image;
  weft_simt_module *ptx;              // NULL: the image
  struct cuda_function_object *functions;
};
struct cuda_event_object { int recorded; };
struct cuda_stream_object { cuda_result broken; };   // what a failed launch leaves for the next wait
struct cuda_context_object { int uses; };

static struct cuda_context_object the_context;
static weft_simt *machine;            // runs PTX; device memory is its memory
static cuda_context current;
static allocation *allocations;
static size_t allocated;
static int started, clock_ticks;

static long setting(const char *name, long otherwise) {
  const char *text = getenv(name);
  return text && *text ? strtol(text, NULL, 10) : otherwise;
}

static size_t memory_size(void) { return (size_t)setting("FAKE_CUDA_MEMORY", 1L << 30); }

// ---- calls: written down, and made to fail ------------------------------------------------------------------------------

static void write_down(const char *symbol) {
  const char *path = getenv("FAKE_CUDA_TRACE");
  FILE *file = path && *path ? fopen(path, "a") : NULL;
  if (!file) return;
  fprintf(file, "%s\n", symbol);
  fclose(file);
}

// FAKE_CUDA_FAIL counts down in place.
static cuda_result planned_failure(const char *symbol) {
  char *plan = getenv("FAKE_CUDA_FAIL"), name[64], next[96];
  int count, result;
  if (!plan || sscanf(plan, "%63[^:]:%d:%d", name, &count, &result) != 3 || strcmp(name, symbol)) return 0;
  if (count == 1) {
    unsetenv("FAKE_CUDA_FAIL");
    return result;
  }
  snprintf(next, sizeof next, "%s:%d:%d", name, count - 1, result);
  setenv("FAKE_CUDA_FAIL", next, 1);
  return 0;
}

static cuda_result enter(const char *symbol, int needs_context) {
  write_down(symbol);
  cuda_result failed = planned_failure(symbol);
  if (failed) return failed;
  if (!started && strcmp(symbol, "cuInit") && strncmp(symbol, "cuGetError", 10)) return NOT_INITIALISED;
  return needs_context && !current ? 201 : 0;   // CUDA_ERROR_INVALID_CONTEXT
}
#define ENTER(symbol, needs_context)                          \
  do {                                                        \
    cuda_result entered = enter(#symbol, needs_context);      \
    if (entered) return entered;                              \
  } while (0)

// Whether the machine failed; what it says goes to stderr, since a driver has nothing but numbers.
static int give_up(weft_status *status) {
  if (!status) return 0;
  fprintf(stderr, "fake driver: %s\n", weft_status_message(status));
  weft_status_free(status);
  return 1;
}

// ---- driver and devices ---------------------------------------------------------------------------------------------------

cuda_result cuInit(unsigned flags) {
  ENTER(cuInit, 0);
  if (setting("FAKE_CUDA_DEVICES", 1) == 0) return CUDA_NO_DEVICE;
  if (!machine && give_up(weft_simt_create(NULL, &machine))) return CUDA_OUT_OF_MEMORY;
  started = 1;
  return 0;
}

cuda_result cuDriverGetVersion(int *version) {
  ENTER(cuDriverGetVersion, 0);
  *version = 13000;
  return 0;
}

static const struct { cuda_result result; const char *name, *text; } errors[] = {
    {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {CUDA_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {CUDA_NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {CUDA_INVALID_PTX, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {CUDA_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
};

static int error_at(cuda_result result) {
  for (int i = 0; i < (int)(sizeof errors / sizeof *errors); i++)
    if (errors[i].result == result) return i;
  return -1;
}

cuda_result cuGetErrorName(cuda_result result, const char **text) {
  *text = error_at(result) < 0 ? NULL : errors[error_at(result)].name;
  return *text ? 0 : INVALID_VALUE;
}

cuda_result cuGetErrorString(cuda_result result, const char **text) {
  *text = error_at(result) < 0 ? NULL : errors[error_at(result)].text;
  return *text ? 0 : INVALID_VALUE;
}

cuda_result cuDeviceGetCount(int *count) {
  ENTER(cuDeviceGetCount, 0);
  *count = (int)setting("FAKE_CUDA_DEVICES", 1);
  return 0;
}

cuda_result cuDeviceGet(cuda_device *device, int ordinal) {
  ENTER(cuDeviceGet, 0);
  *device = ordinal;
  return ordinal < setting("FAKE_CUDA_DEVICES", 1) ? 0 : 101;
}

cuda_result cuDeviceGetName(char *name, int length, cuda_device device) {
  ENTER(cuDeviceGetName, 0);
  snprintf(name, (size_t)length, "Fake GPU %d", device);
  return 0;
}

cuda_result cuDeviceTotalMem_v2(size_t *bytes, cuda_device device) {
  ENTER(cuDeviceTotalMem_v2, 0);
  *bytes = memory_size();
  return 0;
}

cuda_result cuDeviceGetAttribute(int *value, int attribute, cuda_device device) {
  ENTER(cuDeviceGetAttribute, 0);
  long capability = setting("FAKE_CUDA_CAPABILITY", 80);
  *value = attribute == CUDA_ATTRIBUTE_MAJOR ? (int)capability / 10 : attribute == CUDA_ATTRIBUTE_MINOR ? (int)capability % 10 : 2;
  return 0;
}

// ---- contexts, streams, events --------------------------------------------------------------------------------------------

cuda_result cuDevicePrimaryCtxRetain(cuda_context *context, cuda_device device) {
  ENTER(cuDevicePrimaryCtxRetain, 0);
  the_context.uses++;
  *context = &the_context;
  return 0;
}

cuda_result cuDevicePrimaryCtxRelease_v2(cuda_device device) {
  ENTER(cuDevicePrimaryCtxRelease_v2, 0);
  if (--the_context.uses == 0) current = NULL;
  return 0;
}

cuda_result cuCtxSetCurrent(cuda_context context) {
  ENTER(cuCtxSetCurrent, 0);
  current = context;
  return 0;
}

cuda_result cuStreamCreate(cuda_stream *stream, unsigned flags) {
  ENTER(cuStreamCreate, 1);
  *stream = calloc(1, sizeof **stream);
  return *stream ? 0 : CUDA_OUT_OF_MEMORY;
}

cuda_result cuStreamDestroy_v2(cuda_stream stream) {
  ENTER(cuStreamDestroy_v2, 1);
  free(stream);
  return 0;
}

cuda_result cuStreamSynchronize(cuda_stream stream) {
  ENTER(cuStreamSynchronize, 1);
  return stream->broken;
}

cuda_result cuEventCreate(cuda_event *event, unsigned flags) {
  ENTER(cuEventCreate, 1);
  *event = calloc(1, sizeof **event);
  return *event ? 0 : CUDA_OUT_OF_MEMORY;
}

cuda_result cuEventDestroy_v2(cuda_event event) {
  ENTER(cuEventDestroy_v2, 1);
  free(event);
  return 0;
}

cuda_result cuEventRecord(cuda_event event, cuda_stream stream) {
  ENTER(cuEventRecord, 1);
  event->recorded = ++clock_ticks;
  return stream->broken;
}

// A tick of the fake clock is a millisecond.
cuda_result cuEventElapsedTime(float *milliseconds, cuda_event start, cuda_event end) {
  ENTER(cuEventElapsedTime, 1);
  if (!start->recorded || !end->recorded) return INVALID_HANDLE;
  *milliseconds = (float)(end->recorded - start->recorded);
  return 0;
}

// ---- memory -----------------------------------------------------------------------------------------------------------------

cuda_result cuMemGetInfo_v2(size_t *available, size_t *total) {
  ENTER(cuMemGetInfo_v2, 1);
  *total = memory_size();
  *available = *total - allocated;
  return 0;
}

cuda_result cuMemAlloc_v2(cuda_address *address, size_t bytes) {
  ENTER(cuMemAlloc_v2, 1);
  if (bytes == 0) return INVALID_VALUE;
  if (bytes > memory_size() - allocated) return CUDA_OUT_OF_MEMORY;
  void *start;
  if (give_up(weft_simt_alloc(machine, bytes, &start))) return CUDA_OUT_OF_MEMORY;
  allocation *a = malloc(sizeof *a);
  *a = (allocation){start, bytes, allocations};
  memset(a->start, 0xA5, bytes);   // fresh memory holds no zeros
  allocations = a;
  allocated += bytes;
  *address = (cuda_address)(uintptr_t)a->start;
  return 0;
}

cuda_result cuMemFree_v2(cuda_address address) {
  ENTER(cuMemFree_v2, 1);
  for (allocation **at = &allocations; *at; at = &(*at)->next) {
    allocation *a = *at;
    if ((cuda_address)(uintptr_t)a->start != address) continue;
    *at = a->next;
    allocated -= a->bytes;
    give_up(weft_simt_free(machine, a->start));
    free(a);
    return 0;
  }
  return INVALID_VALUE;
}

// Whether the range lies in one allocation.
static int inside(cuda_address address, size_t bytes) {
  for (const allocation *a = allocations; a; a = a->next) {
    cuda_address start = (cuda_address)(uintptr_t)a->start;
    if (address >= start && bytes <= a->bytes && address - start <= a->bytes - bytes) return 1;
  }
  return 0;
}

cuda_result cuMemcpyHtoDAsync_v2(cuda_address to, const void *from, size_t bytes, cuda_stream stream) {
  ENTER(cuMemcpyHtoDAsync_v2, 1);
  if (!inside(to, bytes) || inside((cuda_address)(uintptr_t)from, 1)) return INVALID_VALUE;
  memcpy((void *)(uintptr_t)to, from, bytes);
  give_up(weft_simt_mark_initialised(machine, (void *)(uintptr_t)to, bytes));
  return stream->broken;
}

cuda_result cuMemcpyDtoHAsync_v2(void *to, cuda_address from, size_t bytes, cuda_stream stream) {
  ENTER(cuMemcpyDtoHAsync_v2, 1);
  if (!inside(from, bytes) || inside((cuda_address)(uintptr_t)to, 1)) return INVALID_VALUE;
  memcpy(to, (const void *)(uintptr_t)from, bytes);
  return stream->broken;
}

cuda_result cuMemcpyDtoDAsync_v2(cuda_address to, cuda_address from, size_t bytes, cuda_stream stream) {
  ENTER(cuMemcpyDtoDAsync_v2, 1);
  if (!inside(to, bytes) || !inside(from, bytes)) return INVALID_VALUE;
  if ((to > from ? to - from : from - to) < bytes) return INVALID_VALUE;   // the driver leaves this undefined
  give_up(weft_simt_copy(machine, (void *)(uintptr_t)to, (const void *)(uintptr_t)from, bytes));
  return stream->broken;
}

cuda_result cuMemsetD8Async(cuda_address to, unsigned char value, size_t bytes, cuda_stream stream) {
  ENTER(cuMemsetD8Async, 1);
  if (!inside(to, bytes)) return INVALID_VALUE;
  memset((void *)(uintptr_t)to, value, bytes);
  give_up(weft_simt_mark_initialised(machine, (void *)(uintptr_t)to, bytes));
  return stream->broken;
}

// ---- modules and launches -----------------------------------------------------------------------------------------------------

static void write_log(unsigned options, const int *names, void **values, const char *text) {
  char *log = NULL;
  size_t room = 0;
  for (unsigned i = 0; i < options; i++) {
    if (names[i] == CUDA_JIT_ERROR_LOG) log = values[i];
    if (names[i] == CUDA_JIT_ERROR_LOG_BYTES) room = (size_t)(uintptr_t)values[i];
  }
  if (log && room) snprintf(log, room, "%s\n", text);
}

// PTX that the machine does not take leaves its message in the log.
static cuda_result load_ptx(cuda_module module, const char *text, unsigned options, const int *names, void **values) {
  weft_status *failed = weft_simt_load(machine, "ptx", text, strlen(text), &module->ptx);
  if (!failed) return 0;
  write_log(options, names, values, weft_status_message(failed));
  weft_status_free(failed);
  return CUDA_INVALID_PTX;
}

cuda_result cuModuleLoadDataEx(cuda_module *module, const void *image, unsigned options, int *names, void **values) {
  ENTER(cuModuleLoadDataEx, 1);
  cuda_result result = 0;
  cuda_module made = calloc(1, sizeof *made);
  if (!strncmp(image, FAKE_IMAGE_MAGIC, sizeof FAKE_IMAGE_MAGIC)) memcpy(&made->image, image, sizeof(fake_image));
  else result = load_ptx(made, image, options, names, values);
  if (result) free(made);
  else *module = made;
  return result;
}

cuda_result cuModuleUnload(cuda_module module) {
  ENTER(cuModuleUnload, 1);
  weft_simt_unload(module->ptx);
  for (cuda_function next, each = module->functions; each; each = next) {
    next = each->next;
    free(each);
  }
  free(module);
  return 0;
}

cuda_result cuModuleGetFunction(cuda_function *function, cuda_module module, const char *name) {
  ENTER(cuModuleGetFunction, 1);
  struct cuda_function_object found = {.next = module->functions};
  if (module->ptx) found.entry = weft_simt_entry(module->ptx, name);
  for (int i = 0; i < module->image.count; i++)
    if (!strcmp(module->image.kernels[i].entry, name)) found.kernel = &module->image.kernels[i];
  if (!found.entry && !found.kernel) return CUDA_NOT_FOUND;
  *function = module->functions = malloc(sizeof found);
  **function = found;
  return 0;
}

// One block a task; the kernel's pointers must be the GPU's.
static cuda_result run(const fake_kernel *kernel, unsigned blocks, void **parameters) {
  void *buffers[32], *scratch = aligned_alloc(64, 1 << 16);
  int64_t symbols[32] = {0};
  cuda_result result = 0;
  for (int i = 0; i < kernel->arg_count; i++) {
    cuda_address address = *(cuda_address *)parameters[i];
    if (!inside(address, 1)) result = 700;
    buffers[i] = (void *)(uintptr_t)address;
  }
  for (int i = 0; i < kernel->symbol_count; i++) symbols[kernel->symbols[i]] = *(int64_t *)parameters[kernel->arg_count + i];
  if (!result) kernel->function(buffers, symbols, 0, blocks, scratch);
  free(scratch);
  return result;
}

cuda_result cuLaunchKernel(cuda_function function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                           unsigned block_z, unsigned shared_bytes, cuda_stream stream, void **parameters, void **extra) {
  ENTER(cuLaunchKernel, 1);
  if (!grid_x || grid_y != 1 || grid_z != 1 || !block_x || block_x > 1024 || block_y != 1 || block_z != 1 || extra) return INVALID_VALUE;
  if (stream->broken) return stream->broken;
  stream->broken = planned_failure("a kernel");   // found out at the next wait
  if (stream->broken) return 0;
  if (function->kernel) stream->broken = run(function->kernel, grid_x, parameters);
  else if (give_up(weft_simt_launch(machine, function->entry, (uint32_t[]){grid_x, 1, 1}, (uint32_t[]){block_x, 1, 1}, shared_bytes, parameters)))
    stream->broken = LAUNCH_FAILED;
  return 0;
}
