// The program as people and other tools read it: symbols, kernels, and each plan's buffers and steps.
#ifndef WEFT_RUNTIME_PRINT_PLAN_H
#define WEFT_RUNTIME_PRINT_PLAN_H
#include "ir/arena.h"
#include "runtime/plan.h"

// 4*n + (h + 1)//2: over the program's symbols. An empty formula prints as nothing.
void weft_print_formula(wf_text *out, const wf_formula *formula, char *const *symbols);
void weft_print_program(wf_text *out, const wf_program *program);
// One JSON object on one line; sizes are formulas as text. Malloced; NULL where memory runs out.
char *weft_program_json(const wf_program *program);
#endif
