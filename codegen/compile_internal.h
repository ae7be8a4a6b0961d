// One LLVM module on its way from kernels to bytes: emitted in the thread that owns the weft module, finished in any.
#ifndef WEFT_CODEGEN_COMPILE_INTERNAL_H
#define WEFT_CODEGEN_COMPILE_INTERNAL_H
#include <llvm-c/Core.h>
#include "codegen/compile.h"

typedef struct wf_unit { LLVMContextRef context; LLVMModuleRef module; wf_compile_times times; } wf_unit;
bool wf_unit_emit(wf_unit *unit, const wf_target *target, wf_compile_kernel *kernels, int count, const wf_atom *const *symbols,
                  int symbol_count);
bool wf_unit_finish(wf_unit *unit, wf_arena *arena, wf_diag *diag, const wf_target *target, wf_code_form form, wf_code *out);
void wf_unit_destroy(wf_unit *unit);
#endif
