// scatter by owners: axes that map onto a result axis of the same extent are split over tasks, each of which zeroes (or
// copies) its slice and then walks all other axes in order. No two tasks touch one element, so the order is fixed.
#include "passes/draft.h"

typedef struct scatter_plan {
  wf_draft *draft;
  wf_op *op;
  int owner[WF_MAX_RANK];            // by result axis: the scatter axis that maps onto it, -1
  int owned_by[WF_MAX_RANK * 2];     // by scatter axis: the result axis, -1
  const wf_dim *dims[WF_MAX_RANK * 2];   // by scatter axis
  int lane_axis, lanes;              // result axis with the lanes, -1
} scatter_plan;

typedef struct mention { const wf_atom *axis; bool found; } mention;

static void find_axis(void *context, const wf_expr *node) {
  mention *query = context;
  if (node->op == WF_S_INDEX && wf_dim_mentions(node->dim, query->axis)) query->found = true;
}

static bool mentions(const wf_expr *expr, const wf_atom *axis) {
  mention query = {axis, false};
  wf_expr_walk(expr, find_axis, &query);
  return query.found;
}

static void find_owners(scatter_plan *plan) {
  const wf_op *op = plan->op;
  const wf_value *result = op->results[0];
  for (int a = 0; a < op->axis_count; a++) plan->owned_by[a] = -1;
  for (int r = 0; r < result->rank; r++) {
    plan->owner[r] = -1;
    for (int a = 0; a < op->axis_count; a++) {
      bool exact = op->target[r]->op == WF_S_INDEX && op->target[r]->dim == op->axes[a]->as_dim &&
                   op->axes[a]->extent == result->shape[r];
      for (int other = 0; other < op->target_count && exact; other++)
        exact = other == r || !mentions(op->target[other], op->axes[a]);
      if (!exact) continue;
      plan->owner[r] = a;
      plan->owned_by[a] = r;
      break;
    }
  }
}

static const wf_expr *at_point(scatter_plan *plan, const wf_expr *expr, const wf_dim *lane) {
  const wf_op *op = plan->op;
  wf_binding *bindings = WF_NEW_ARRAY(plan->draft->module->arena, wf_binding, op->axis_count);
  for (int a = 0; a < op->axis_count; a++) {
    const wf_dim *dim = plan->dims[a];
    if (lane && plan->lane_axis >= 0 && a == plan->owner[plan->lane_axis]) dim = wf_dim_add(dim, lane);
    bindings[a] = (wf_binding){op->axes[a], dim};
  }
  return wf_draft_expr(plan->draft, expr, bindings, op->axis_count);
}

static wf_block *open_lanes(scatter_plan *plan, wf_block *block, int lanes, const wf_dim **out_lane) {
  wf_dims *dims = plan->draft->module->dims;
  *out_lane = wf_dim_const(dims, 0);
  if (lanes == 1) return block;
  *out_lane = wf_dim_axis(dims, "l", wf_dim_const(dims, lanes));
  return wf_stmt_for(plan->draft->kernel, block, WF_BIND_VECTOR, *out_lane);
}

static wf_value *result_buffer(const scatter_plan *plan) { return wf_draft_buffer(plan->draft, plan->op->results[0]); }

// result[owned slice] = 0 or the operand that is scattered onto
static void emit_start(scatter_plan *plan, wf_block *block, int lanes) {
  wf_draft *draft = plan->draft;
  const wf_value *result = plan->op->results[0];
  const wf_dim *indices[WF_MAX_RANK], *lane;
  for (int r = 0; r < result->rank; r++) {
    if (plan->owner[r] >= 0) {
      indices[r] = plan->dims[plan->owner[r]];
      continue;
    }
    indices[r] = wf_dim_axis(draft->module->dims, "z", result->shape[r]);
    block = wf_stmt_for(draft->kernel, block, WF_BIND_SERIAL, indices[r]);
  }
  block = open_lanes(plan, block, lanes, &lane);
  if (plan->lane_axis >= 0) indices[plan->lane_axis] = wf_dim_add(indices[plan->lane_axis], lane);
  wf_dtype type = wf_dtype_compute(result->dtype);
  const wf_expr *value = wf_dtype_is_float(type) ? wf_expr_const(draft->module, type, 0) : wf_expr_const_int(draft->module, type, 0);
  if (!plan->op->scatter_from_zero)
    value = wf_expr_read_dims(draft->module, wf_draft_buffer(draft, plan->op->operands[0]), indices, NULL);
  wf_stmt_store_dims(draft->kernel, block, result_buffer(plan), indices, WF_R_NONE, value);
}

// Is the target inside the result's box? Only axes that some task does not own are in doubt.
static const wf_expr *inside(scatter_plan *plan, const wf_expr *const *target) {
  wf_module *module = plan->draft->module;
  const wf_value *result = plan->op->results[0];
  const wf_expr *all = NULL;
  for (int r = 0; r < result->rank; r++) {
    if (plan->owner[r] >= 0) continue;
    const wf_expr *low = wf_expr_binary(module, WF_S_GE, target[r], wf_expr_const_int(module, WF_I64, 0));
    const wf_expr *high = wf_expr_binary(module, WF_S_LT, target[r], wf_expr_index(module, result->shape[r]));
    const wf_expr *both = wf_expr_binary(module, WF_S_AND, low, high);
    all = all ? wf_expr_binary(module, WF_S_AND, all, both) : both;
  }
  return all;
}

static void emit_points(scatter_plan *plan, wf_block *block, int lanes) {
  wf_draft *draft = plan->draft;
  wf_op *op = plan->op;
  const wf_dim *lane;
  const wf_expr *target[WF_MAX_RANK];
  for (int a = 0; a < op->axis_count; a++) {
    if (plan->owned_by[a] >= 0) continue;
    plan->dims[a] = wf_dim_axis(draft->module->dims, op->axes[a]->name, op->axes[a]->extent);
    block = wf_stmt_for(draft->kernel, block, WF_BIND_SERIAL, plan->dims[a]);
  }
  for (int r = 0; r < op->target_count; r++) target[r] = at_point(plan, op->target[r], NULL);
  const wf_expr *condition = inside(plan, target);
  if (condition && !(condition->op == WF_S_CONST && condition->integer)) block = wf_stmt_if(draft->kernel, block, condition);
  block = open_lanes(plan, block, lanes, &lane);
  if (plan->lane_axis >= 0) target[plan->lane_axis] = at_point(plan, op->target[plan->lane_axis], lane);
  const wf_expr *value = at_point(plan, op->body, lane);
  value = wf_draft_convert(draft, value, wf_dtype_compute(op->results[0]->dtype));
  wf_stmt_store(draft->kernel, block, result_buffer(plan), target, op->combiner, value);
}

static void emit_part(scatter_plan *plan, const wf_dim *start, const wf_dim *chunks, int lanes) {
  wf_draft *draft = plan->draft;
  wf_op *op = plan->op;
  if (chunks && wf_dim_equals_const(chunks, 0)) return;
  wf_block *block = wf_kernel_section(draft->kernel);
  for (int a = 0; a < op->axis_count; a++) {
    if (plan->owned_by[a] < 0) continue;
    bool lane = plan->lane_axis >= 0 && plan->owned_by[a] == plan->lane_axis;
    const wf_dim *axis = wf_dim_axis(draft->module->dims, op->axes[a]->name, lane ? chunks : op->axes[a]->extent);
    block = wf_stmt_for(draft->kernel, block, WF_BIND_TASK, axis);
    plan->dims[a] = lane ? wf_dim_add(start, wf_dim_scale(axis, lanes)) : axis;
  }
  emit_start(plan, block, lanes);
  emit_points(plan, block, lanes);
}

void wf_draft_scatter(wf_draft *draft, wf_op *op) {
  scatter_plan plan = {.draft = draft, .op = op, .lane_axis = -1, .lanes = 1};
  wf_dims *dims = draft->module->dims;
  const wf_value *result = op->results[0];
  find_owners(&plan);
  const wf_layout *layout = result->layout;
  if (!layout) layout = wf_layout_row_major(dims, draft->module->arena, result->rank, result->shape);
  for (int r = 0; r < result->rank; r++) {
    const wf_dim *stride = wf_layout_stride(layout, r);
    if (plan.owner[r] >= 0 && stride && wf_dim_equals_const(stride, 1)) plan.lane_axis = r;
  }
  const wf_dim *zero = wf_dim_const(dims, 0);
  if (plan.lane_axis < 0) {
    emit_part(&plan, zero, NULL, 1);
    return;
  }
  int width = draft->target.vector_bytes / (wf_dtype_bytes(result->dtype) < 4 ? 4 : wf_dtype_bytes(result->dtype));
  int64_t extent;
  if (wf_dim_is_const(result->shape[plan.lane_axis], &extent))
    while (width > 1 && width > extent) width /= 2;
  plan.lanes = width;
  const wf_dim *full = wf_dim_floordiv(result->shape[plan.lane_axis], wf_dim_const(dims, width));
  emit_part(&plan, zero, full, width);
  const wf_dim *done = wf_dim_scale(full, width);
  emit_part(&plan, done, wf_dim_sub(result->shape[plan.lane_axis], done), 1);
}
