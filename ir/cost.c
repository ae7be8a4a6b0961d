// What an operation costs: FLOPs and bytes as formulas over symbols.
#include "ir/kir.h"

static const wf_dim *points(wf_module *module, const wf_atom *const *axes, int count) {
  const wf_dim *product = wf_dim_const(module->dims, 1);
  for (int i = 0; i < count; i++) product = wf_dim_mul(product, axes[i]->extent);
  return product;
}

typedef struct flop_count { int flops; } flop_count;

static void visit_flops(void *context, const wf_expr *node) {
  flop_count *count = context;
  if (node->op == WF_S_RANDOM) count->flops += 1;
  else if (!strchr(wf_scalar_table[node->op].traits, 'S') && node->op != WF_S_STOP && wf_dtype_is_float(node->arg_count ? node->args[node->arg_count - 1]->dtype : WF_I64))
    count->flops += 1;
}

// Floating-point operations of one point: the body's, and one for the combination.
static int flops_a_point(const wf_op *op) {
  flop_count count = {0};
  wf_expr_walk(op->body, visit_flops, &count);
  return count.flops + (op->combiner != WF_R_NONE);
}

static const wf_dim *function_flops(wf_module *module, const wf_function *function) {
  const wf_dim *sum = wf_dim_const(module->dims, 0);
  for (int i = 0; i < function->ops.count; i++) sum = wf_dim_add(sum, wf_op_flops(module, function->ops.items[i]));
  return sum;
}

static const wf_dim *group_flops(wf_module *module, const wf_op *op) {
  const wf_dim *sum = wf_dim_const(module->dims, 0);
  for (int i = 0; i < op->member_count; i++) sum = wf_dim_add(sum, wf_op_flops(module, op->members[i]));
  return sum;
}

const wf_dim *wf_op_flops(wf_module *module, const wf_op *op) {
  switch (op->kind) {
  case WF_O_COMPUTE: case WF_O_SCATTER: {
    const wf_dim *all = wf_dim_mul(points(module, op->axes, op->axis_count), points(module, op->reduction_axes, op->reduction_count));
    return wf_dim_scale(all, flops_a_point(op));
  }
  case WF_O_LOOP: return wf_dim_mul(op->trip, function_flops(module, op->region));
  case WF_O_CALL: return function_flops(module, op->region);
  case WF_O_GROUP: return group_flops(module, op);
  case WF_O_LAUNCH: return op->kernel->flops ? op->kernel->flops : wf_dim_const(module->dims, 0);
  case WF_O_CONST: case WF_O_SORT: case WF_O_GRAD: case WF_O_UPDATE: case WF_OPERATION_COUNT: break;
  }
  return wf_dim_const(module->dims, 0);
}

static const wf_dim *value_bytes(wf_module *module, const wf_value *value) {
  return wf_dim_scale(wf_value_elements(module, value), wf_dtype_bytes(value->dtype));
}

const wf_dim *wf_op_bytes(wf_module *module, const wf_op *op) {
  if (op->kind == WF_O_LAUNCH && op->kernel->bytes) return op->kernel->bytes;
  const wf_dim *sum = wf_dim_const(module->dims, 0);
  for (int i = 0; i < op->operand_count; i++) sum = wf_dim_add(sum, value_bytes(module, op->operands[i]));
  for (int i = 0; i < op->result_count; i++) sum = wf_dim_add(sum, value_bytes(module, op->results[i]));
  return sum;
}
