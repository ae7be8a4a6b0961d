// x[i, j] = body(i, j);  ... x[f, g] else v ...   ==>   ... select(inside(f, g), body(f, g), v) ...
#include "passes/inline_read.h"

static const wf_expr *zero_of(wf_module *module, wf_dtype type) {
  return wf_dtype_is_float(type) ? wf_expr_const(module, type, 0) : wf_expr_const_int(module, type, 0);
}

// Outside the box of x the body is not wanted, but a select does not stop its reads: each gets a default of its own.
static const wf_expr *make_safe(void *context, const wf_expr *node) {
  if (node->op != WF_S_READ || node->has_default) return NULL;
  return wf_expr_read(context, node->operand, node->args, zero_of(context, node->dtype));
}

static const wf_expr *both(wf_module *module, const wf_expr *a, const wf_expr *b) {
  return a ? wf_expr_binary(module, WF_S_AND, a, b) : b;
}

// The predicate that the indices lie in the box, NULL where that is proved.
static const wf_expr *inside_box(wf_module *module, const wf_value *value, const wf_expr *read) {
  const wf_expr *all = NULL;
  for (int i = 0; i < value->rank; i++) {
    const wf_dim *index = read->args[i]->dim;
    const wf_dim *room = wf_dim_offset(wf_dim_sub(value->shape[i], index), -1);
    if (wf_dim_prove_nonnegative(index, module->arena, NULL) != WF_PROVED)
      all = both(module, all, wf_expr_binary(module, WF_S_GE, read->args[i], wf_expr_const_int(module, WF_I64, 0)));
    if (wf_dim_prove_nonnegative(room, module->arena, NULL) != WF_PROVED)
      all = both(module, all, wf_expr_binary(module, WF_S_LT, read->args[i], wf_expr_index(module, value->shape[i])));
  }
  return all;
}

bool wf_can_inline_read(const wf_op *producer, const wf_expr *read) {
  if (producer->kind != WF_O_COMPUTE || producer->combiner != WF_R_NONE) return false;
  for (int i = 0; i < read->operand->rank; i++)
    if (read->args[i]->op != WF_S_INDEX) return false;
  return true;
}

const wf_expr *wf_inline_read(wf_module *module, const wf_op *producer, const wf_expr *read) {
  wf_value *value = producer->results[0];
  wf_binding bindings[WF_MAX_RANK];
  for (int i = 0; i < value->rank; i++) bindings[i] = (wf_binding){producer->axes[i], read->args[i]->dim};
  const wf_expr *condition = read->has_default ? inside_box(module, value, read) : NULL;
  const wf_expr *body = wf_expr_rewrite(module, producer->body, bindings, value->rank, condition ? make_safe : NULL, module);
  wf_dtype compute = wf_dtype_compute(value->dtype);
  if (value->dtype != compute) body = wf_expr_cast(module, value->dtype, body);   // the rounding that the store would do
  if (body->dtype != compute) body = wf_expr_cast(module, compute, body);
  return condition ? wf_expr_select(module, condition, body, read->args[read->arg_count - 1]) : body;
}
