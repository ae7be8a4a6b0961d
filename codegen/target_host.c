// x86-64 levels and the machine's own features as LLVM target machines.
#include "codegen/target_host.h"
#include <string.h>
#include <llvm-c/Core.h>
#include <llvm-c/Target.h>

const char *const wf_host_levels[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4", "native", NULL};

static bool known_level(const char *level) {
  for (int i = 0; wf_host_levels[i]; i++)
    if (strcmp(wf_host_levels[i], level) == 0) return true;
  return false;
}

static int level_count(void) {
  int count = 0;
  while (wf_host_levels[count]) count++;
  return count;
}

static bool has_feature(const char *features, const char *name) {
  size_t length = strlen(name);
  for (const char *at = features; (at = strstr(at, name)); at += length)
    if (at > features && at[-1] == '+' && (at[length] == ',' || at[length] == 0)) return true;
  return false;
}

static void set_native(wf_target *target, wf_arena *arena) {
  char *cpu = LLVMGetHostCPUName(), *features = LLVMGetHostCPUFeatures();
  target->cpu = wf_arena_strdup(arena, cpu);
  target->features = wf_arena_strdup(arena, features);
  LLVMDisposeMessage(cpu);
  LLVMDisposeMessage(features);
  target->has_masked_moves = has_feature(target->features, "avx2");
  target->has_fma = has_feature(target->features, "fma");
  target->has_f16c = has_feature(target->features, "f16c");
  target->has_avx512 = has_feature(target->features, "avx512f") && has_feature(target->features, "avx512vl") &&
                       has_feature(target->features, "avx512bw") && has_feature(target->features, "avx512dq");
}

static void set_level(wf_target *target, const char *level) {
  target->cpu = level;
  target->features = "";
  bool v3 = strcmp(level, "x86-64-v2") != 0;
  target->has_fma = target->has_f16c = target->has_masked_moves = v3;
  target->has_avx512 = strcmp(level, "x86-64-v4") == 0;
}

wf_target *wf_target_host_create(wf_arena *arena, wf_diag *diag, const char *level) {
  if (!known_level(level)) {
    wf_diagnostic *error = wf_error(diag, WF_NOWHERE, "unknown host level '%s'", level);
    const char *close = wf_did_you_mean(level, wf_host_levels, level_count());
    wf_help(diag, error, close ? "did you mean '%s'?" : "levels are x86-64-v2, x86-64-v3, x86-64-v4 and native%s", close ? close : "");
    return NULL;
  }
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  wf_target *target = WF_NEW(arena, wf_target);
  target->triple = "x86_64-unknown-linux-gnu";
  target->level = wf_arena_strdup(arena, level);
  if (strcmp(level, "native") == 0) set_native(target, arena);
  else set_level(target, target->level);
  target->vector_bytes = target->has_avx512 ? 64 : target->has_masked_moves ? 32 : 16;
  target->vector_registers = target->has_avx512 ? 32 : 16;
  return wf_target_open(target, diag) ? target : NULL;
}
