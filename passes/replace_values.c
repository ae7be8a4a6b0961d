#include "passes/replace_values.h"

void wf_replacements_init(wf_replacements *r, wf_module *module, wf_arena *scratch) {
  *r = (wf_replacements){.module = module, .limit = module->value_count, .by_id = WF_NEW_ARRAY(scratch, wf_value *, module->value_count)};
}

void wf_replace_value(wf_replacements *r, const wf_value *from, wf_value *to) {
  r->by_id[from->id] = wf_replaced(r, to);
  r->count++;
}

wf_value *wf_replaced(const wf_replacements *r, wf_value *value) {
  while (value->id < r->limit && r->by_id[value->id]) value = r->by_id[value->id];
  return value;
}

static const wf_expr *replace_read(void *context, const wf_expr *node) {
  const wf_replacements *r = context;
  if (node->op != WF_S_READ) return NULL;
  wf_value *to = wf_replaced(r, node->operand);
  if (to == node->operand) return NULL;
  return wf_expr_read(r->module, to, node->args, node->has_default ? node->args[node->arg_count - 1] : NULL);
}

const wf_expr *wf_expr_replace_values(const wf_replacements *r, const wf_expr *expr, const wf_binding *bindings, int count) {
  return wf_expr_rewrite(r->module, expr, bindings, count, r->count ? replace_read : NULL, (void *)r);
}

void wf_op_replace_values(const wf_replacements *r, wf_op *op) {
  bool touched = false;
  for (int i = 0; i < op->operand_count; i++) {
    wf_value *to = wf_replaced(r, op->operands[i]);
    touched |= to != op->operands[i];
    op->operands[i] = to;
  }
  for (int i = 0; i < op->result_count; i++)
    if (op->results[i]->alias_of) op->results[i]->alias_of = wf_replaced(r, op->results[i]->alias_of);
  for (int i = 0; i < op->member_count; i++) wf_op_replace_values(r, op->members[i]);
  if (!touched) return;
  if (op->body) op->body = wf_expr_replace_values(r, op->body, NULL, 0);
  for (int i = 0; i < op->target_count; i++) op->target[i] = wf_expr_replace_values(r, op->target[i], NULL, 0);
  if (op->body || op->member_count) wf_op_refresh_operands(r->module, op);
}

void wf_function_replace_results(const wf_replacements *r, wf_function *function) {
  for (int i = 0; i < function->results.count; i++) function->results.items[i].value = wf_replaced(r, function->results.items[i].value);
}

bool wf_function_has_aliases(const wf_function *function) {
  for (int i = 0; i < function->ops.count; i++)
    for (int k = 0; k < function->ops.items[i]->result_count; k++)
      if (function->ops.items[i]->results[k]->alias_of) return true;
  return false;
}
