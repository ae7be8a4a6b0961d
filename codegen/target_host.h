// The host as a target: x86-64 at a named level, or the machine's own features. Owns LLVM's TargetMachine, which is
// reused for every module of a compilation; one per thread.
#ifndef WEFT_CODEGEN_TARGET_HOST_H
#define WEFT_CODEGEN_TARGET_HOST_H
#include <stdbool.h>
#include <llvm-c/TargetMachine.h>
#include "ir/arena.h"
#include "ir/diag.h"

typedef struct wf_target_host {
  const char *level;            // as asked for: "x86-64-v3", "native"
  const char *triple, *cpu, *features;   // features: LLVM's list, empty for a level
  bool has_fma, has_f16c, has_masked_moves, has_avx512;   // masked moves: of 4 and 8 byte elements, without branches
  int vector_bytes;             // of one register: 16, 32, 64
  int vector_registers;         // 16, 32
  LLVMTargetMachineRef machine;
} wf_target_host;

extern const char *const wf_host_levels[];   // "x86-64-v2" ... "native", NULL at the end
// NULL with an error in diag where the level is unknown or LLVM has no x86 back end.
wf_target_host *wf_target_host_create(wf_arena *arena, wf_diag *diag, const char *level);
// The same target with a machine of its own, for another thread; borrows the strings.
wf_target_host wf_target_host_clone(const wf_target_host *target);
void wf_target_host_destroy(wf_target_host *target);
#endif
