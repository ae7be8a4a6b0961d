#include "runtime/cuda/driver.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static const char no_driver[] =
    "install NVIDIA's driver for this GPU (its package carries libcuda.so.1; in a container, start it with the GPU passed through), or run on --device cpu";

static int code_of(cuda_result result) {
  switch (result) {
  case CUDA_OUT_OF_MEMORY:
  case CUDA_NO_DEVICE:
  case CUDA_NO_BINARY_FOR_GPU:
  case CUDA_JIT_COMPILER_NOT_FOUND:
  case CUDA_UNSUPPORTED_PTX_VERSION: return WEFT_ENVIRONMENT;
  }
  return WEFT_INTERNAL;
}

weft_status *weft_cuda_check(const weft_cuda_driver *driver, cuda_result result, const char *function) {
  const char *name = NULL, *text = NULL;
  if (result == 0) return NULL;
  if (driver->error_name(result, &name) != 0 || !name) name = "an error without a name";
  if (driver->error_string(result, &text) != 0 || !text) text = "no description";
  return weft_fail(code_of(result), "%s: %s (%s, %d)", function, text, name, result);
}

static weft_status *find_symbols(const char *library, weft_cuda_driver *driver) {
  static const char *const names[] = {
#define CUDA_SYMBOL(name, symbol, parameters) #symbol,
#include "runtime/cuda/cuda_symbols.def"
#undef CUDA_SYMBOL
  };
  void *addresses[sizeof names / sizeof *names];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    addresses[i] = dlsym(driver->library, names[i]);
    if (!addresses[i]) return weft_fail(WEFT_ENVIRONMENT, "the CUDA driver %s has no %s: it is too old; %s", library, names[i], no_driver);
  }
  size_t at = 0;
  // dlsym's object pointers are functions here (POSIX); memcpy says so without a cast that ISO C lacks.
#define CUDA_SYMBOL(name, symbol, parameters) memcpy(&driver->name, &addresses[at++], sizeof driver->name);
#include "runtime/cuda/cuda_symbols.def"
#undef CUDA_SYMBOL
  return NULL;
}

static weft_status *start(const char *library, weft_cuda_driver *driver) {
  int count = 0;
  TRY(find_symbols(library, driver));
  cuda_result result = driver->init(0);
  if (result) {   // whatever it is, the machine has no usable GPU
    weft_status *failed = weft_cuda_check(driver, result, "cuInit"), *told;
    told = weft_fail(WEFT_ENVIRONMENT, "no usable CUDA device: %s; `nvidia-smi` shows what the driver sees; else run on --device cpu", weft_status_message(failed));
    weft_status_free(failed);
    return told;
  }
  TRY(weft_cuda_check(driver, driver->driver_version(&driver->version), "cuDriverGetVersion"));
  TRY(weft_cuda_check(driver, driver->device_count(&count), "cuDeviceGetCount"));
  if (count > 0) return NULL;
  return weft_fail(WEFT_ENVIRONMENT, "no CUDA device: the driver is there, but it sees no GPU (is CUDA_VISIBLE_DEVICES empty?); run on --device cpu");
}

weft_status *weft_cuda_driver_open(const char *library, weft_cuda_driver *out) {
  *out = (weft_cuda_driver){0};
  const char *asked = getenv("WEFT_CUDA_LIBRARY");
  if (!library) library = asked && *asked ? asked : "libcuda.so.1";
  out->library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (!out->library) return weft_fail(WEFT_ENVIRONMENT, "no CUDA driver: %s; %s", dlerror(), no_driver);
  weft_status *failed = start(library, out);
  if (failed) weft_cuda_driver_close(out);
  return failed;
}

void weft_cuda_driver_close(weft_cuda_driver *driver) {
  if (driver->library) dlclose(driver->library);
  *driver = (weft_cuda_driver){0};
}
