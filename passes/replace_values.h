// Reading other values in place of some: what passes do after they merged or removed operations.
#ifndef WEFT_PASSES_REPLACE_VALUES_H
#define WEFT_PASSES_REPLACE_VALUES_H
#include "ir/ir.h"

typedef struct wf_replacements {
  wf_module *module;
  wf_value **by_id;       // NULL: stays
  int limit;              // ids from here on stay
  int count;              // replacements so far
} wf_replacements;

void wf_replacements_init(wf_replacements *replacements, wf_module *module, wf_arena *scratch);
void wf_replace_value(wf_replacements *replacements, const wf_value *from, wf_value *to);
wf_value *wf_replaced(const wf_replacements *replacements, wf_value *value);
// The operation, its members, bodies and targets read the replacements. Defs before uses: replacements of replacements
// are followed.
void wf_op_replace_values(const wf_replacements *replacements, wf_op *op);
void wf_function_replace_results(const wf_replacements *replacements, wf_function *function);
bool wf_function_has_aliases(const wf_function *function);   // plan-memory was here
// The same expression at other axes, reading the replacements.
const wf_expr *wf_expr_replace_values(const wf_replacements *replacements, const wf_expr *expr, const wf_binding *bindings, int count);
#endif
