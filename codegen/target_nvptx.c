// sm_80 is the portable baseline, sm_90a the fast path of Hopper (its instructions are not in any later architecture).
#include "codegen/target_nvptx.h"
#include <string.h>
#include <llvm-c/Target.h>

const char *const wf_gpu_levels[] = {"sm_80", "sm_90a", NULL};
// The least PTX version that has the architecture: older drivers load it.
static const char *const ptx_versions[] = {"+ptx70", "+ptx80"};

static int find_level(const char *level) {
  for (int i = 0; wf_gpu_levels[i]; i++)
    if (!strcmp(wf_gpu_levels[i], level)) return i;
  return -1;
}

wf_target *wf_target_nvptx_create(wf_arena *arena, wf_diag *diag, const char *level) {
  int at = find_level(level);
  if (at < 0) {
    wf_diagnostic *error = wf_error(diag, WF_NOWHERE, "unknown GPU architecture '%s'", level);
    wf_help(diag, error, "architectures are sm_80 and sm_90a");
    return NULL;
  }
  LLVMInitializeNVPTXTargetInfo();
  LLVMInitializeNVPTXTarget();
  LLVMInitializeNVPTXTargetMC();
  LLVMInitializeNVPTXAsmPrinter();
  wf_target *target = WF_NEW(arena, wf_target);
  *target = (wf_target){.level = wf_gpu_levels[at], .triple = "nvptx64-nvidia-cuda", .cpu = wf_gpu_levels[at], .features = ptx_versions[at], .gpu = true,
                        .has_fma = true, .has_f16c = true, .vector_bytes = 16, .vector_registers = 16};
  return wf_target_open(target, diag) ? target : NULL;
}
