// NVIDIA's assembler, where one is installed: PTX to a cubin, and what it says of each kernel. weft needs it for cubins alone; the
// driver assembles PTX itself.
#ifndef WEFT_CODEGEN_PTXAS_H
#define WEFT_CODEGEN_PTXAS_H
#include "codegen/compile.h"

typedef struct wf_ptxas_kernel {
  const char *entry;
  int registers, shared_bytes, stack_bytes, spill_stores, spill_loads;   // bytes a thread; shared: a block
} wf_ptxas_kernel;

typedef struct wf_ptxas_report {
  wf_ptxas_kernel *kernels; int count;
  const char *warnings;         // advisories of the C75xx family and warnings, a line each; empty where there are none
} wf_ptxas_report;

// $WEFT_PTXAS, else the first of PATH, $CUDA_HOME/bin, /usr/local/cuda/bin. NULL: none.
const char *wf_ptxas_find(wf_arena *arena);
// level: "sm_80". False with an error in diag that holds what ptxas said. Report and cubin lie in the arena.
bool wf_ptxas_run(wf_arena *arena, wf_diag *diag, const char *ptxas, const char *level, const wf_code *ptx, wf_code *out_cubin, wf_ptxas_report *out_report);
#endif
