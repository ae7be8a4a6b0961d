// Launches a kernel that weft compiled from a program of your own, with the CUDA driver API and nothing else of weft:
//
//   weft compile examples/c/axpy.net --emit ptx --target cuda:sm_80 -o axpy.ptx        writes axpy.ptx and axpy.ptx.json
//   example_launch_kernel axpy.ptx
//
// The JSON says what to launch: the entry, the blocks of the grid, the threads of a block, and each argument's shape. The result
// is compared with the same computation in C. Exit codes: 0 equal, 1 a file is wrong, 2 usage, 3 no GPU, 4 the results differ.
#include <dlfcn.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WRONG_FILE = 1, USAGE = 2, NO_GPU = 3, DIFFERENT = 4 };
enum { ELEMENTS = 4096, ARGUMENTS = 3 };

// ---- the driver: the few functions that a launch takes ----------------------------------------------------------------------

typedef unsigned long long address;   // CUdeviceptr
typedef struct driver {
  int (*init)(unsigned);
  int (*device_get)(int *, int);
  int (*device_name)(char *, int, int);
  int (*context_retain)(void **, int);
  int (*context_use)(void *);
  int (*module_load)(void **, const void *, unsigned, int *, void **);
  int (*module_function)(void **, void *, const char *);
  int (*allocate)(address *, size_t);
  int (*stream_create)(void **, unsigned);
  int (*upload)(address, const void *, size_t, void *);
  int (*download)(void *, address, size_t, void *);
  int (*launch)(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **);
  int (*synchronise)(void *);
  int (*error_string)(int, const char **);
} driver;

static int open_driver(driver *d) {
  static const char *const names[] = {
      "cuInit", "cuDeviceGet", "cuDeviceGetName", "cuDevicePrimaryCtxRetain", "cuCtxSetCurrent", "cuModuleLoadDataEx", "cuModuleGetFunction",
      "cuMemAlloc_v2", "cuStreamCreate", "cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2", "cuLaunchKernel", "cuStreamSynchronize", "cuGetErrorString"};
  const char *asked = getenv("WEFT_CUDA_LIBRARY");
  void *library = dlopen(asked ? asked : "libcuda.so.1", RTLD_NOW), *symbol;
  if (!library) {
    fprintf(stderr, "launch_kernel: no CUDA driver: %s; install NVIDIA's driver for this GPU\n", dlerror());
    return NO_GPU;
  }
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (!(symbol = dlsym(library, names[i]))) {
      fprintf(stderr, "launch_kernel: the driver has no %s\n", names[i]);
      return NO_GPU;
    }
    memcpy((char *)d + i * sizeof symbol, &symbol, sizeof symbol);   // the members stand in the order of the names
  }
  return 0;
}

static int failed(const driver *d, int result, const char *what) {
  const char *text = NULL;
  if (!result) return 0;
  d->error_string(result, &text);
  fprintf(stderr, "launch_kernel: %s: %s (%d)\n", what, text ? text : "an error", result);
  return NO_GPU;
}
#define CHECK(call, what)                              \
  do {                                                 \
    if (failed(d, d->call, what)) return NO_GPU;       \
  } while (0)

// ---- what to launch: FILE.json ------------------------------------------------------------------------------------------------

typedef struct kernel { char entry[128]; unsigned grid, block; } kernel;

// The first kernel with two f32[4096] that are read and one that is written, in this order.
static int find_kernel(const char *ptx, kernel *out) {
  char path[1024];
  json_error_t error;
  snprintf(path, sizeof path, "%s.json", ptx);
  json_t *root = json_load_file(path, 0, &error), *each;
  size_t i;
  if (!root) fprintf(stderr, "launch_kernel: %s: line %d: %s\n", path, error.line, error.text);
  int found = 0;
  json_array_foreach(json_object_get(root, "kernels"), i, each) {
    json_t *arguments = json_object_get(each, "arguments");
    int fits = json_array_size(arguments) == ARGUMENTS && json_array_size(json_object_get(each, "symbols")) == 0;
    for (size_t a = 0; a < ARGUMENTS && fits; a++) {
      json_t *argument = json_array_get(arguments, a), *shape = json_object_get(argument, "shape");
      const char *dtype = json_string_value(json_object_get(argument, "dtype")), *direction = json_string_value(json_object_get(argument, "direction"));
      fits = dtype && direction && !strcmp(dtype, "f32") && !strcmp(direction, a < 2 ? "in" : "out") && json_array_size(shape) == 1 &&
             json_integer_value(json_array_get(shape, 0)) == ELEMENTS;
    }
    if (!fits || found) continue;
    snprintf(out->entry, sizeof out->entry, "%s", json_string_value(json_object_get(each, "entry")));
    out->grid = (unsigned)json_integer_value(json_object_get(each, "grid"));
    out->block = (unsigned)json_integer_value(json_object_get(each, "block"));
    found = 1;
  }
  if (root && !found) fprintf(stderr, "launch_kernel: %s lists no kernel of the form that axpy.net gives\n", path);
  json_decref(root);
  return found ? 0 : WRONG_FILE;
}

static char *read_text(const char *path) {
  FILE *file = fopen(path, "rb");
  char *text = file ? calloc(1, 1 << 22) : NULL;
  if (text) text[fread(text, 1, (1 << 22) - 1, file)] = 0;
  else fprintf(stderr, "launch_kernel: cannot read %s\n", path);
  if (file) fclose(file);
  return text;
}

// ---- the launch ---------------------------------------------------------------------------------------------------------------

static int run(const driver *d, const char *ptx, const kernel *k, const float *x, const float *y, float *out) {
  enum { BYTES = ELEMENTS * sizeof(float), ERROR_LOG = 5, ERROR_LOG_BYTES = 6 };   // CU_JIT_ERROR_LOG_BUFFER and its size
  int gpu, options[] = {ERROR_LOG, ERROR_LOG_BYTES};
  char name[128], log[4096] = "";
  void *context, *stream, *module, *function, *values[] = {log, (void *)sizeof log};
  address memory[ARGUMENTS];
  void *parameters[ARGUMENTS] = {&memory[0], &memory[1], &memory[2]};   // pointers to the values of the arguments
  CHECK(init(0), "cuInit (is there a GPU?)");
  CHECK(device_get(&gpu, 0), "cuDeviceGet");
  CHECK(device_name(name, sizeof name, gpu), "cuDeviceGetName");
  CHECK(context_retain(&context, gpu), "cuDevicePrimaryCtxRetain");
  CHECK(context_use(context), "cuCtxSetCurrent");
  CHECK(stream_create(&stream, 1), "cuStreamCreate");
  if (failed(d, d->module_load(&module, ptx, 2, options, values), "cuModuleLoadDataEx")) {
    fprintf(stderr, "%s\n", log);
    return WRONG_FILE;
  }
  CHECK(module_function(&function, module, k->entry), "cuModuleGetFunction");
  for (int i = 0; i < ARGUMENTS; i++) CHECK(allocate(&memory[i], BYTES), "cuMemAlloc");
  CHECK(upload(memory[0], x, BYTES, stream), "cuMemcpyHtoDAsync");
  CHECK(upload(memory[1], y, BYTES, stream), "cuMemcpyHtoDAsync");
  CHECK(launch(function, k->grid, 1, 1, k->block, 1, 1, 0, stream, parameters, NULL), "cuLaunchKernel");
  CHECK(download(out, memory[2], BYTES, stream), "cuMemcpyDtoHAsync");
  CHECK(synchronise(stream), "cuStreamSynchronize");
  printf("%s ran %s: %u blocks of %u threads\n", name, k->entry, k->grid, k->block);
  return 0;
}

static int compare(const float *x, const float *y, const float *out) {
  for (int i = 0; i < ELEMENTS; i++) {
    float expected = fmaxf(2 * x[i] + y[i], 0);
    if (fabsf(out[i] - expected) <= 1e-6f * fmaxf(1, fabsf(expected))) continue;
    fprintf(stderr, "launch_kernel: element %d is %g, C gives %g\n", i, out[i], expected);
    return DIFFERENT;
  }
  printf("%d elements as C gives them\n", ELEMENTS);
  return 0;
}

int main(int argc, char **argv) {
  static float x[ELEMENTS], y[ELEMENTS], out[ELEMENTS];
  driver d;
  kernel k;
  if (argc != 2) {
    fprintf(stderr, "usage: launch_kernel FILE.ptx   (FILE.ptx.json beside it)\n");
    return USAGE;
  }
  for (int i = 0; i < ELEMENTS; i++) {
    x[i] = (float)(i % 101) - 50;
    y[i] = (float)(i % 13) / 8;
  }
  int code = find_kernel(argv[1], &k);
  char *ptx = code ? NULL : read_text(argv[1]);
  if (!code && !ptx) code = WRONG_FILE;
  if (!code) code = open_driver(&d);
  if (!code) code = run(&d, ptx, &k, x, y, out);
  if (!code) code = compare(x, y, out);
  free(ptx);
  return code;
}
