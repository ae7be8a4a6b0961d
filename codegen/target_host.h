// The host as a target: x86-64 at a named level, or the machine's own features.
#ifndef WEFT_CODEGEN_TARGET_HOST_H
#define WEFT_CODEGEN_TARGET_HOST_H
#include "codegen/target.h"

extern const char *const wf_host_levels[];   // "x86-64-v2" ... "native", NULL at the end
// NULL with an error in diag where the level is unknown or LLVM has no x86 back end.
wf_target *wf_target_host_create(wf_arena *arena, wf_diag *diag, const char *level);
#endif
