#include "runtime/cuda/cuda.h"

#include <stdlib.h>
#include <string.h>
#include "runtime/cuda/driver.h"
#include "runtime/memory.h"

// A launch that is timed: its seconds are known once `end` is reached.
typedef struct timing { cuda_event start, end; double *seconds; } timing;
enum { TIMINGS = 1024 };   // then they are read before the next launch

typedef struct cuda_gpu {
  weft_device base;
  weft_cuda_driver driver;
  cuda_device device;
  cuda_context context;
  cuda_stream stream;
  bool blocking;
  timing *timings;         // TIMINGS; events are made when first needed
  int timed;
  uint64_t *values;        // parameters of a launch and their addresses
  void **parameters;
  int room;
} cuda_gpu;

struct weft_code {
  cuda_module module;
  cuda_function *functions;   // by kernel of the program
};

#define CHECK(gpu, function, symbol, ...) TRY(weft_cuda_check(&(gpu)->driver, (gpu)->driver.function(__VA_ARGS__), symbol))

static cuda_address address(const void *memory) { return (cuda_address)(uintptr_t)memory; }

// The calling thread's context is whatever another library left there.
static weft_status *use(cuda_gpu *gpu) {
  CHECK(gpu, context_use, "cuCtxSetCurrent", gpu->context);
  return NULL;
}

// ---- memory -----------------------------------------------------------------------------------------------------------

static weft_status *out_of_memory(cuda_gpu *gpu, size_t bytes) {
  size_t available = 0, total = 0;
  gpu->driver.memory_info(&available, &total);
  return weft_fail(WEFT_ENVIRONMENT, "out of memory on %s: %zu bytes were asked for, %zu of %zu are free", gpu->base.info.name, bytes, available, total);
}

static weft_status *allocate(weft_device *device, size_t bytes, void **out) {
  cuda_gpu *gpu = (cuda_gpu *)device;
  cuda_address memory = 0;
  TRY(use(gpu));
  cuda_result result = gpu->driver.allocate(&memory, bytes);
  if (result == CUDA_OUT_OF_MEMORY) return out_of_memory(gpu, bytes);
  TRY(weft_cuda_check(&gpu->driver, result, "cuMemAlloc"));
  *out = (void *)(uintptr_t)memory;
  return NULL;
}

// Failing here means that an earlier fault broke the context: that call told it.
static void release(weft_device *device, void *memory) {
  cuda_gpu *gpu = (cuda_gpu *)device;
  if (gpu->driver.context_use(gpu->context)) return;
  gpu->driver.stream_synchronise(gpu->stream);
  gpu->driver.free(address(memory));
}

static weft_status *upload(weft_device *device, void *to, const void *from, size_t bytes) {
  cuda_gpu *gpu = (cuda_gpu *)device;
  TRY(use(gpu));
  CHECK(gpu, upload, "cuMemcpyHtoDAsync", address(to), from, bytes, gpu->stream);
  return NULL;
}

static weft_status *download(weft_device *device, void *to, const void *from, size_t bytes) {
  cuda_gpu *gpu = (cuda_gpu *)device;
  TRY(use(gpu));
  CHECK(gpu, download, "cuMemcpyDtoHAsync", to, address(from), bytes, gpu->stream);
  CHECK(gpu, stream_synchronise, "cuStreamSynchronize", gpu->stream);
  return NULL;
}

static weft_status *plain_copy(cuda_gpu *gpu, const void *to, const void *from, size_t bytes) {
  CHECK(gpu, copy, "cuMemcpyDtoDAsync", address(to), address(from), bytes, gpu->stream);
  return NULL;
}

// The driver leaves copies between overlapping ranges undefined: they go by way of other memory.
static weft_status *copy_overlapping(cuda_gpu *gpu, void *to, const void *from, size_t bytes) {
  void *between;
  TRY(allocate(&gpu->base, bytes, &between));
  weft_status *failed = plain_copy(gpu, between, from, bytes);
  if (!failed) failed = plain_copy(gpu, to, between, bytes);
  release(&gpu->base, between);
  return failed;
}

static weft_status *copy(weft_device *device, void *to, const void *from, size_t bytes) {
  cuda_gpu *gpu = (cuda_gpu *)device;
  cuda_address a = address(to), b = address(from);
  TRY(use(gpu));
  return (a > b ? a - b : b - a) < bytes ? copy_overlapping(gpu, to, from, bytes) : plain_copy(gpu, to, from, bytes);
}

static weft_status *zero(weft_device *device, void *memory, size_t bytes) {
  cuda_gpu *gpu = (cuda_gpu *)device;
  TRY(use(gpu));
  CHECK(gpu, set, "cuMemsetD8Async", address(memory), 0, bytes, gpu->stream);
  return NULL;
}

// ---- code -------------------------------------------------------------------------------------------------------------

// What the driver's compiler said, without the line ends at its end.
static void trim(char *log) {
  size_t length = strlen(log);
  while (length && (log[length - 1] == '\n' || log[length - 1] == ' ')) log[--length] = 0;
}

static weft_status *load_module(cuda_gpu *gpu, const char *image, cuda_module *out) {
  enum { LOG = 8192 };
  char *logs = NULL;   // errors, then information
  int names[] = {CUDA_JIT_ERROR_LOG, CUDA_JIT_ERROR_LOG_BYTES, CUDA_JIT_INFO_LOG, CUDA_JIT_INFO_LOG_BYTES};
  TRY(weft_allocate(2, LOG, &logs));
  void *values[] = {logs, (void *)(uintptr_t)LOG, logs + LOG, (void *)(uintptr_t)LOG};
  weft_status *failed = weft_cuda_check(&gpu->driver, gpu->driver.module_load(out, image, 4, names, values), "cuModuleLoadDataEx");
  logs[LOG - 1] = logs[2 * LOG - 1] = 0;
  trim(logs);
  trim(logs + LOG);
  if (failed && (*logs || logs[LOG])) {
    weft_status *told = weft_fail(weft_status_code(failed), "%s; the driver's log:\n%s%s%s", weft_status_message(failed), logs, *logs && logs[LOG] ? "\n" : "",
                                  logs + LOG);
    weft_status_free(failed);
    failed = told;
  }
  free(logs);
  return failed;
}

static weft_status *find_functions(cuda_gpu *gpu, const wf_program *program, weft_code *code) {
  TRY(weft_allocate((size_t)program->kernel_count, sizeof *code->functions, &code->functions));
  for (int i = 0; i < program->kernel_count; i++) {
    const wf_plan_kernel *kernel = &program->kernels[i];
    TRY(weft_context(weft_cuda_check(&gpu->driver, gpu->driver.module_function(&code->functions[i], code->module, kernel->entry), "cuModuleGetFunction"),
                     "kernel '%s', entry %s", kernel->name, kernel->entry));
  }
  return NULL;
}

static void unload(weft_device *device, weft_code *code) {
  cuda_gpu *gpu = (cuda_gpu *)device;
  if (code->module && !gpu->driver.context_use(gpu->context)) gpu->driver.module_unload(code->module);
  free(code->functions);
  free(code);
}

static weft_status *load(weft_device *device, wf_program *program, weft_code_form form, const void *data, size_t size, weft_code **out) {
  cuda_gpu *gpu = (cuda_gpu *)device;
  char *image = NULL;   // the driver finds the end of PTX by its 0
  weft_code *code = NULL;
  if (form == WEFT_CODE_HOST) return weft_fail(WEFT_BAD_INPUT, "code for the host does not run on the cuda device");
  TRY(use(gpu));
  TRY(weft_allocate(1, sizeof *code, &code));
  weft_status *failed = weft_allocate(size + 1, 1, &image);
  if (!failed) {
    memcpy(image, data, size);
    failed = weft_context(load_module(gpu, image, &code->module), "loading %s on %s", form == WEFT_CODE_PTX ? "PTX" : "a cubin", device->info.name);
  }
  free(image);
  if (!failed) failed = find_functions(gpu, program, code);
  if (failed) unload(device, code);
  else *out = code;
  return failed;
}

// ---- launches -----------------------------------------------------------------------------------------------------------

static weft_status *read_timings(cuda_gpu *gpu) {
  int count = gpu->timed;
  gpu->timed = 0;
  for (int i = 0; i < count; i++) {
    float milliseconds = 0;
    CHECK(gpu, event_elapsed, "cuEventElapsedTime", &milliseconds, gpu->timings[i].start, gpu->timings[i].end);
    *gpu->timings[i].seconds += (double)milliseconds * 1e-3;
  }
  return NULL;
}

static weft_status *synchronise(weft_device *device) {
  cuda_gpu *gpu = (cuda_gpu *)device;
  TRY(use(gpu));
  cuda_result result = gpu->driver.stream_synchronise(gpu->stream);
  if (result) gpu->timed = 0;
  TRY(weft_context(weft_cuda_check(&gpu->driver, result, "cuStreamSynchronize"),
                   gpu->blocking ? "cuda" : "a kernel since the last wait failed (WEFT_CUDA_BLOCKING=1 tells which)"));
  return read_timings(gpu);
}

static weft_status *begin_timing(cuda_gpu *gpu, double *seconds) {
  if (!gpu->timings) TRY(weft_allocate(TIMINGS, sizeof *gpu->timings, &gpu->timings));
  if (gpu->timed == TIMINGS) TRY(synchronise(&gpu->base));
  timing *t = &gpu->timings[gpu->timed];
  if (!t->start) CHECK(gpu, event_create, "cuEventCreate", &t->start, CUDA_EVENT_DEFAULT);
  if (!t->end) CHECK(gpu, event_create, "cuEventCreate", &t->end, CUDA_EVENT_DEFAULT);
  t->seconds = seconds;
  CHECK(gpu, event_record, "cuEventRecord", t->start, gpu->stream);
  return NULL;
}

static weft_status *end_timing(cuda_gpu *gpu) {
  CHECK(gpu, event_record, "cuEventRecord", gpu->timings[gpu->timed].end, gpu->stream);
  gpu->timed++;
  return NULL;
}

static weft_status *fill_parameters(cuda_gpu *gpu, const weft_launch *launch, const wf_plan_kernel *kernel) {
  int count = launch->arg_count + kernel->symbol_count;
  if (count > gpu->room) {
    free(gpu->values);
    free(gpu->parameters);
    gpu->values = NULL;
    gpu->parameters = NULL;
    gpu->room = 0;
    TRY(weft_allocate((size_t)count, sizeof *gpu->values, &gpu->values));
    TRY(weft_allocate((size_t)count, sizeof *gpu->parameters, &gpu->parameters));
    gpu->room = count;
  }
  for (int i = 0; i < launch->arg_count; i++) gpu->values[i] = address(launch->args[i]);
  for (int i = 0; i < kernel->symbol_count; i++) gpu->values[launch->arg_count + i] = (uint64_t)launch->symbols[kernel->symbols[i]];
  for (int i = 0; i < count; i++) gpu->parameters[i] = &gpu->values[i];
  return NULL;
}

static weft_status *launch(weft_device *device, const weft_launch *launch) {
  cuda_gpu *gpu = (cuda_gpu *)device;
  const wf_plan_kernel *kernel = &launch->program->kernels[launch->kernel];
  if (!launch->code || kernel->threads < 1) return weft_fail(WEFT_INTERNAL, "no code for the GPU");
  if (launch->tasks > INT32_MAX) return weft_fail(WEFT_BAD_INPUT, "%lld blocks are more than a GPU takes in one launch", (long long)launch->tasks);
  TRY(use(gpu));
  TRY(fill_parameters(gpu, launch, kernel));
  if (launch->seconds) TRY(begin_timing(gpu, launch->seconds));
  CHECK(gpu, launch, "cuLaunchKernel", launch->code->functions[launch->kernel], (unsigned)launch->tasks, 1, 1, (unsigned)kernel->threads, 1, 1, 0,
        gpu->stream, gpu->parameters, NULL);
  if (launch->seconds) TRY(end_timing(gpu));
  return gpu->blocking ? synchronise(device) : NULL;
}

// ---- life -------------------------------------------------------------------------------------------------------------

static void destroy(weft_device *device) {
  cuda_gpu *gpu = (cuda_gpu *)device;
  const weft_cuda_driver *driver = &gpu->driver;
  if (gpu->context && !driver->context_use(gpu->context)) {
    if (gpu->stream) driver->stream_synchronise(gpu->stream);
    for (int i = 0; gpu->timings && i < TIMINGS; i++) {
      if (gpu->timings[i].start) driver->event_destroy(gpu->timings[i].start);
      if (gpu->timings[i].end) driver->event_destroy(gpu->timings[i].end);
    }
    if (gpu->stream) driver->stream_destroy(gpu->stream);
  }
  if (gpu->context) driver->context_release(gpu->device);
  weft_cuda_driver_close(&gpu->driver);
  weft_pool_destroy(device->pool);
  free(gpu->timings);
  free(gpu->values);
  free(gpu->parameters);
  free(gpu);
}

static const weft_device_ops ops = {"cuda", allocate, release, upload, download, copy, zero, load, unload, launch, synchronise, destroy, NULL};

// f32 lanes of a multiprocessor: 64 in 8.0, 128 in all later ones (CUDA C++ Programming Guide, arithmetic throughput).
static void estimate_peaks(weft_device_info *info, int clock, int memory_clock, int memory_bits) {
  int lanes = info->major == 8 && info->minor == 0 ? 64 : 128;
  info->flops = 2.0 * lanes * info->multiprocessors * clock * 1e3;
  info->bandwidth = 2.0 * memory_clock * 1e3 * memory_bits / 8;   // two transfers a clock
}

static weft_status *describe(const weft_cuda_driver *driver, int ordinal, cuda_device *out_device, weft_device_info *out) {
  *out = (weft_device_info){.driver = driver->version};
  int clock, memory_clock, memory_bits;
  const struct { int attribute, *value; } numbers[] = {
      {CUDA_ATTRIBUTE_MAJOR, &out->major}, {CUDA_ATTRIBUTE_MINOR, &out->minor}, {CUDA_ATTRIBUTE_MULTIPROCESSORS, &out->multiprocessors},
      {CUDA_ATTRIBUTE_CLOCK, &clock}, {CUDA_ATTRIBUTE_MEMORY_CLOCK, &memory_clock}, {CUDA_ATTRIBUTE_MEMORY_BITS, &memory_bits}};
  TRY(weft_cuda_check(driver, driver->device_get(out_device, ordinal), "cuDeviceGet"));
  TRY(weft_cuda_check(driver, driver->device_name(out->name, sizeof out->name, *out_device), "cuDeviceGetName"));
  TRY(weft_cuda_check(driver, driver->device_memory(&out->memory, *out_device), "cuDeviceTotalMem"));
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    TRY(weft_cuda_check(driver, driver->device_attribute(numbers[i].value, numbers[i].attribute, *out_device), "cuDeviceGetAttribute"));
  estimate_peaks(out, clock, memory_clock, memory_bits);
  return NULL;
}

static weft_status *open_gpu(cuda_gpu *gpu, const weft_cuda_options *options) {
  int count;
  TRY(weft_cuda_driver_open(options->library, &gpu->driver));
  CHECK(gpu, device_count, "cuDeviceGetCount", &count);
  if (options->ordinal < 0 || options->ordinal >= count)
    return weft_fail(WEFT_ENVIRONMENT, "no CUDA device %d: there are %d (`weft devices` lists them)", options->ordinal, count);
  TRY(describe(&gpu->driver, options->ordinal, &gpu->device, &gpu->base.info));
  CHECK(gpu, context_retain, "cuDevicePrimaryCtxRetain", &gpu->context, gpu->device);
  TRY(use(gpu));
  CHECK(gpu, stream_create, "cuStreamCreate", &gpu->stream, CUDA_STREAM_NON_BLOCKING);
  return weft_pool_create(options->threads, &gpu->base.pool);
}

weft_status *weft_cuda_create(const weft_cuda_options *options, weft_device **out) {
  cuda_gpu *gpu = NULL;
  const weft_cuda_options defaults = {0};
  const char *blocking = getenv("WEFT_CUDA_BLOCKING");
  *out = NULL;
  if (!options) options = &defaults;
  TRY(weft_allocate(1, sizeof *gpu, &gpu));
  gpu->base.ops = &ops;
  gpu->blocking = options->blocking || (blocking && *blocking && strcmp(blocking, "0"));
  weft_status *failed = open_gpu(gpu, options);
  if (failed) destroy(&gpu->base);
  else *out = &gpu->base;
  return failed;
}

weft_status *weft_cuda_list(const char *library, weft_device_info *out, int most, int *out_count) {
  weft_cuda_driver driver;
  cuda_device device;
  int count = 0;
  *out_count = 0;
  TRY(weft_cuda_driver_open(library, &driver));
  weft_status *failed = weft_cuda_check(&driver, driver.device_count(&count), "cuDeviceGetCount");
  for (int i = 0; i < count && i < most && !failed; i++) {
    failed = describe(&driver, i, &device, &out[i]);
    if (!failed) ++*out_count;
  }
  weft_cuda_driver_close(&driver);
  return failed;
}
