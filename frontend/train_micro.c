// Micro-batches: the net is applied several times in one step, as if the parts came one after the other.
#include "frontend/train_step.h"

wf_value *wf_micro_slice(wf_function *function, wf_value *whole, int64_t index, int64_t size) {
  wf_module *module = function->module;
  const wf_atom *axes[WF_MAX_RANK];
  const wf_dim *indices[WF_MAX_RANK];
  for (int i = 0; i < whole->rank; i++) {
    const wf_dim *extent = i == 0 ? wf_dim_const(module->dims, size) : whole->shape[i];
    const wf_dim *axis = wf_dim_axis(module->dims, "i", extent);
    axes[i] = wf_dim_as_atom(axis);
    indices[i] = i == 0 ? wf_dim_offset(axis, index * size) : axis;
  }
  const wf_expr *read = wf_expr_read_dims(module, whole, indices, NULL);
  return wf_build_compute(function, whole->name, whole->dtype, axes, whole->rank, WF_R_NONE, NULL, 0, read, whole->loc);
}

static wf_value *newest(const wf_micro *micro, wf_value *value) {
  for (int i = 0; i < micro->states.count; i++)
    if (micro->states.items[i].state == value) return micro->states.items[i].value;
  return value;
}

static const wf_expr *replace_leaf(void *context, const wf_expr *node) {
  wf_micro *micro = context;
  wf_module *module = micro->function->module;
  wf_value *value = node->op == WF_S_READ ? newest(micro, node->operand) : NULL;
  if (!value || value == node->operand) return NULL;
  return wf_expr_read(module, value, node->args, node->has_default ? node->args[node->arg_count - 1] : NULL);
}

static void rewrite_op(wf_micro *micro, wf_op *op) {
  wf_module *module = micro->function->module;
  if (op->body) {
    op->body = wf_expr_rewrite(module, op->body, NULL, 0, replace_leaf, micro);
    for (int i = 0; i < op->target_count; i++)
      op->target[i] = wf_expr_rewrite(module, op->target[i], NULL, 0, replace_leaf, micro);
    if (op->kind == WF_O_SCATTER && op->operand_count && !op->scatter_from_zero) op->operands[0] = newest(micro, op->operands[0]);
    wf_op_refresh_operands(module, op);
    return;
  }
  for (int i = op->kind == WF_O_UPDATE; i < op->operand_count; i++) op->operands[i] = newest(micro, op->operands[i]);
}

static void set_newest(wf_micro *micro, wf_value *state, wf_value *value) {
  for (int i = 0; i < micro->states.count; i++)
    if (micro->states.items[i].state == state) {
      micro->states.items[i].value = value;
      return;
    }
  wf_micro_state row = {state, value};
  wf_vec_push(micro->function->module->arena, &micro->states, row);
}

void wf_micro_take(wf_micro *micro, int first) {
  wf_function *function = micro->function;
  for (int i = first; i < function->ops.count; i++) rewrite_op(micro, function->ops.items[i]);
  int kept = first;   // updates are set only now: reads of this part see the state before it
  for (int i = first; i < function->ops.count; i++) {
    wf_op *op = function->ops.items[i];
    if (op->kind == WF_O_UPDATE && op->operands[0]->role == WF_ROLE_STATE) set_newest(micro, op->operands[0], op->operands[1]);
    else function->ops.items[kept++] = op;
  }
  function->ops.count = kept;
}

void wf_micro_finish(wf_micro *micro, wf_loc loc) {
  for (int i = 0; i < micro->states.count; i++)
    wf_build_update(micro->function, micro->states.items[i].state, micro->states.items[i].value, loc);
}
