// NVIDIA GPUs as targets: PTX for an architecture.
#ifndef WEFT_CODEGEN_TARGET_NVPTX_H
#define WEFT_CODEGEN_TARGET_NVPTX_H
#include "codegen/target.h"

extern const char *const wf_gpu_levels[];    // "sm_80", "sm_90a", NULL at the end
// NULL with an error in diag where the architecture is unknown or LLVM has no NVPTX back end.
wf_target *wf_target_nvptx_create(wf_arena *arena, wf_diag *diag, const char *level);
#endif
