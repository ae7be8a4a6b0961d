// The CUDA device: one GPU, its primary context, one stream.
#ifndef WEFT_RUNTIME_CUDA_CUDA_H
#define WEFT_RUNTIME_CUDA_CUDA_H
#include "runtime/device.h"

typedef struct weft_cuda_options {
  const char *library;     // NULL: $WEFT_CUDA_LIBRARY, else libcuda.so.1
  int ordinal;             // of the GPU, as CUDA counts them
  int threads;             // of the host, for what is done there (sorts); 0: as weft_cpu_create
  bool blocking;           // wait after each launch, so that a fault names its kernel; also where $WEFT_CUDA_BLOCKING is set
} weft_cuda_options;

// options may be NULL. WEFT_ENVIRONMENT with what to do where there is no driver or no such device.
weft_status *weft_cuda_create(const weft_cuda_options *options, weft_device **out);

// The GPUs of this machine, at most `most`, without taking any into use.
weft_status *weft_cuda_list(const char *library, weft_device_info *out, int most, int *out_count);
#endif
