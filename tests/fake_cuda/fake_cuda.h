// A CUDA driver for tests, over host memory: libfakecuda.so has the entry points that runtime/cuda/cuda_symbols.def names.
// Kernels are PTX, run by the PTX machine (runtime/simt), or the functions of a fake_image. The environment says how it behaves:
//   FAKE_CUDA_DEVICES=N        GPUs (1); 0: cuInit finds none
//   FAKE_CUDA_CAPABILITY=90    compute capability (80)
//   FAKE_CUDA_MEMORY=BYTES     of the GPU (1 GiB)
//   FAKE_CUDA_FAIL=cuMemAlloc_v2:3:2   the third call of that function from now on fails with result 2
//   FAKE_CUDA_TRACE=FILE       each call's name is written there, a line each
#ifndef WEFT_TESTS_FAKE_CUDA_H
#define WEFT_TESTS_FAKE_CUDA_H
#include "runtime/plan.h"

typedef struct fake_kernel {
  const char *entry;
  wf_kernel_entry function;
  int arg_count, symbol_count;
  const int *symbols;      // as wf_plan_kernel's
} fake_kernel;

#define FAKE_IMAGE_MAGIC "fake image v1"
typedef struct fake_image {   // handed to cuModuleLoadDataEx
  char magic[16];
  int count;
  const fake_kernel *kernels;
} fake_image;
#endif
