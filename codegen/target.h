// What code is made for: the host or a GPU, as LLVM sees it and with what the emitters ask. Owns LLVM's TargetMachine, which is
// reused for every module of a compilation; one per thread.
#ifndef WEFT_CODEGEN_TARGET_H
#define WEFT_CODEGEN_TARGET_H
#include <stdbool.h>
#include <llvm-c/TargetMachine.h>
#include "ir/arena.h"
#include "ir/diag.h"

typedef struct wf_target {
  const char *level;            // as asked for: "x86-64-v3", "native", "sm_80"
  const char *triple, *cpu, *features;   // features: LLVM's list, empty for a level
  bool gpu;                     // thread programs and 32-bit indices, where they fit; else tasks
  bool has_fma, has_f16c, has_masked_moves, has_avx512;   // masked moves: of 4 and 8 byte elements, without branches
  int vector_bytes;             // of one register (GPU: of one access): 16, 32, 64
  int vector_registers;         // 16, 32
  LLVMTargetMachineRef machine;
} wf_target;

// The host level or GPU architecture of that name; NULL with an error in diag.
wf_target *wf_target_create(wf_arena *arena, wf_diag *diag, const char *level);
// The same target with a machine of its own, for another thread; borrows the strings.
wf_target wf_target_clone(const wf_target *target);
void wf_target_destroy(wf_target *target);
// For those that create targets: LLVM's machine for the triple, cpu and features that stand; false with an error.
bool wf_target_open(wf_target *target, wf_diag *diag);
#endif
