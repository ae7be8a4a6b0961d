// Shared by build_plan.c (programs), build_steps.c (one function's buffers and steps) and build_formula.c.
#ifndef WEFT_CODEGEN_BUILD_INTERNAL_H
#define WEFT_CODEGEN_BUILD_INTERNAL_H
#include "codegen/build_plan.h"

typedef struct wf_symbol_table { WF_VEC(const wf_atom *) list; } wf_symbol_table;

typedef struct wf_builder {
  wf_arena *arena;
  wf_module *module;
  wf_symbol_table symbols;      // extents, then loop counters
  WF_VEC(wf_compile_kernel) kernels;   // one a kernel of the module that a plan launches; `distinct` is narrowed by each launch
  wf_map entries;               // code key -> kernel index + 1
  bool gpu;                     // kernels are thread programs, those that the plan adds too
  bool failed;
} wf_builder;

typedef struct wf_plan_builder {
  wf_builder *builder;
  wf_function *function;
  WF_VEC(wf_plan_buffer) buffers;
  WF_VEC(wf_plan_step) steps;
  int *buffer_of;               // by value id, -1: none yet. Loop regions write their own values anew at each use
  int value_capacity;
  int loops;                    // open ones
} wf_plan_builder;

wf_formula wf_build_formula(wf_builder *b, const wf_dim *dim);
int wf_symbol_index(const wf_builder *b, const wf_atom *atom);   // -1: none
void wf_add_symbols(wf_builder *b, const wf_dim *dim);
const wf_atom *wf_new_counter(wf_builder *b, const char *name);  // a symbol that counts a loop, from 0
int wf_kernel_index(wf_builder *b, const wf_kernel *kernel);
bool wf_build_plan(wf_builder *b, wf_function *function, wf_plan *out);
#endif
