// Evaluation of plan formulas with overflow caught. wf_formula_eval (plan.h) is the unchecked form for bound plans.
#ifndef WEFT_RUNTIME_FORMULA_H
#define WEFT_RUNTIME_FORMULA_H
#include "runtime/plan.h"
#include "runtime/status.h"

enum { WEFT_FORMULA_DEPTH = 64 };   // operands on the stack at once; the loader refuses deeper ones

// Well formed over `symbol_count` symbols: operands present, one result, depth within the limit, no empty code.
bool weft_formula_valid(const wf_formula *formula, int symbol_count);
// Overflow of 64 bits and division by zero are statuses.
weft_status *weft_formula_checked(const wf_formula *formula, const int64_t *symbols, int64_t *out);
bool weft_formula_uses(const wf_formula *formula, int symbol);

#endif
