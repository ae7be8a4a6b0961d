// The CUDA driver, found with dlopen: neither a toolkit nor its headers are needed to build or to run. The declarations here
// are those of the driver API's binary interface (CUDA Driver API reference, 12.x), under names of our own.
#ifndef WEFT_RUNTIME_CUDA_DRIVER_H
#define WEFT_RUNTIME_CUDA_DRIVER_H
#include <stddef.h>
#include "runtime/status.h"

typedef int cuda_result;                 // 0: success
typedef int cuda_device;
typedef unsigned long long cuda_address;
typedef struct cuda_context_object *cuda_context;
typedef struct cuda_stream_object *cuda_stream;
typedef struct cuda_event_object *cuda_event;
typedef struct cuda_module_object *cuda_module;
typedef struct cuda_function_object *cuda_function;

enum {   // results that weft tells apart
  CUDA_OUT_OF_MEMORY = 2, CUDA_NO_DEVICE = 100, CUDA_NO_BINARY_FOR_GPU = 209, CUDA_INVALID_PTX = 218, CUDA_JIT_COMPILER_NOT_FOUND = 221,
  CUDA_UNSUPPORTED_PTX_VERSION = 222, CUDA_NOT_FOUND = 500
};
enum {   // attributes of a device
  CUDA_ATTRIBUTE_CLOCK = 13, CUDA_ATTRIBUTE_MULTIPROCESSORS = 16, CUDA_ATTRIBUTE_MEMORY_CLOCK = 36, CUDA_ATTRIBUTE_MEMORY_BITS = 37,
  CUDA_ATTRIBUTE_MAJOR = 75, CUDA_ATTRIBUTE_MINOR = 76   // clocks in kHz
};
enum {   // options of module_load; sizes and flags are values cast to a pointer
  CUDA_JIT_INFO_LOG = 3, CUDA_JIT_INFO_LOG_BYTES = 4, CUDA_JIT_ERROR_LOG = 5, CUDA_JIT_ERROR_LOG_BYTES = 6
};
enum { CUDA_STREAM_NON_BLOCKING = 1, CUDA_EVENT_DEFAULT = 0 };

typedef struct weft_cuda_driver {
  void *library;
  int version;                           // 12040 is 12.4
#define CUDA_SYMBOL(name, symbol, parameters) cuda_result (*name) parameters;
#include "runtime/cuda/cuda_symbols.def"
#undef CUDA_SYMBOL
} weft_cuda_driver;

// library NULL: $WEFT_CUDA_LIBRARY, else libcuda.so.1. Loads it, finds every symbol and starts the driver. Fails with
// WEFT_ENVIRONMENT and what to do where there is no driver or no device.
weft_status *weft_cuda_driver_open(const char *library, weft_cuda_driver *out);
void weft_cuda_driver_close(weft_cuda_driver *driver);   // also of a zeroed struct

// NULL for success, else a status with the function, the driver's words and its name for the error.
weft_status *weft_cuda_check(const weft_cuda_driver *driver, cuda_result result, const char *function);
#endif
