// Targets of all kinds: LLVM's machines, their copies and their end.
#include "codegen/target.h"
#include "codegen/llvm/load_llvm.h"
#include <string.h>
#include <llvm-c/Core.h>
#include "codegen/target_host.h"
#include "codegen/target_nvptx.h"

static LLVMTargetMachineRef create_machine(LLVMTargetRef llvm_target, const wf_target *target) {
  return LLVMCreateTargetMachine(llvm_target, target->triple, target->cpu, target->features, LLVMCodeGenLevelDefault, LLVMRelocPIC,
                                 LLVMCodeModelSmall);
}

bool wf_target_open(wf_target *target, wf_diag *diag) {
  LLVMTargetRef llvm_target;
  char *message = NULL;
  if (LLVMGetTargetFromTriple(target->triple, &llvm_target, &message)) {
    wf_error(diag, WF_NOWHERE, "LLVM has no back end for %s: %s", target->triple, message);
    LLVMDisposeMessage(message);
    return false;
  }
  target->machine = create_machine(llvm_target, target);
  return true;
}

wf_target *wf_target_create(wf_arena *arena, wf_diag *diag, const char *level) {
  const char *missing;
  if (!wf_llvm_load(&missing)) {
    wf_error(diag, WF_NOWHERE, "%s", missing);
    return NULL;
  }
  return strncmp(level, "sm_", 3) ? wf_target_host_create(arena, diag, level) : wf_target_nvptx_create(arena, diag, level);
}

wf_target wf_target_clone(const wf_target *target) {
  wf_target copy = *target;
  copy.machine = create_machine(LLVMGetTargetMachineTarget(target->machine), target);
  return copy;
}

void wf_target_destroy(wf_target *target) {
  if (target && target->machine) LLVMDisposeTargetMachine(target->machine);
  if (target) target->machine = NULL;
}
