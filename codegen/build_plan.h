// From a module whose functions hold only lowered operations (launch, update, const, loop, sort) to the program that the
// runtime executes, and the object that holds its machine code.
#ifndef WEFT_CODEGEN_BUILD_PLAN_H
#define WEFT_CODEGEN_BUILD_PLAN_H
#include "codegen/compile.h"
#include "runtime/plan.h"

typedef struct wf_build_options {
  const wf_target *target;      // NULL: no code is made; the plans are complete, entries are named
  int threads;                  // that compile, 0: one a CPU
  const char *metadata;         // becomes program->metadata, may be NULL
  wf_compile_times *times;      // of an object; may be NULL
  const char *cache;            // of kernels, for objects: a folder, or NULL
  wf_code_form form;            // of the code that comes out: an object (0; for a GPU PTX), assembly, LLVM text
} wf_build_options;

// Plans: every function that is no loop's region. A callee that inlining left behind is passed over; an operation that no pass
// lowered in any other function is an error. Kernels of equal structure share one entry. out_program lives in `arena` and borrows
// the data of constants from the module. False with an error in module->diag.
bool wf_build_program(wf_arena *arena, wf_module *module, const wf_build_options *options, wf_program **out_program, wf_code *out_object);

// The formula of a dim over the symbols (each must be among them).
bool wf_formula_from_dim(wf_arena *arena, const wf_dim *dim, const wf_atom *const *symbols, int symbol_count, wf_formula *out);
#endif
