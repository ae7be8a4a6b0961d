// Loop nests for groups of computes that share their parallel axes: vector lanes along the axis with the best addresses,
// wf_accumulator in registers, tasks over the outer axes. The order of a reduction depends on extents and the target's
// vector width only.
#include "passes/gpu.h"

#define ENOUGH_TASKS 32.0        // outer points beyond which further axes stay inside a task
#define ENOUGH_CHUNK 4096        // elements a task takes of an axis that is split for parallelism

static int elements_per_vector(const wf_draft *draft, wf_dtype type) {
  int bytes = wf_dtype_bytes(wf_dtype_compute(type));
  return draft->target.vector_bytes / (bytes < 4 ? 4 : bytes);
}

static const wf_dim *number(const wf_nest_plan *plan, int64_t value) { return wf_dim_const(plan->draft->module->dims, value); }

// ---- choices ----------------------------------------------------------------------------------------------------

static const wf_layout *storage_of(const wf_nest_plan *plan, const wf_value *value) {
  wf_module *module = plan->draft->module;
  return value->layout ? value->layout : wf_layout_row_major(module->dims, module->arena, value->rank, value->shape);
}

// Free axes by falling stride of the first member's result.
static void order_axes(wf_nest_plan *plan) {
  const wf_layout *layout = storage_of(plan, plan->first->results[0]);
  double strides[WF_MAX_RANK];
  plan->order_count = 0;
  for (int axis = plan->nest->free_from; axis < plan->first->axis_count; axis++) {
    const wf_dim *stride = wf_layout_stride(layout, axis);
    strides[axis] = stride ? wf_draft_estimate(stride) : 0;
    int at = plan->order_count++;
    while (at > 0 && strides[plan->order[at - 1]] < strides[axis]) {
      plan->order[at] = plan->order[at - 1];
      at--;
    }
    plan->order[at] = axis;
  }
}

static double useful_lanes(const wf_atom *axis, int width) {
  double extent = wf_draft_estimate(axis->extent);
  return extent < width ? (extent < 1 ? 1 : extent) : width;
}

static double cost_along(const wf_nest_plan *plan, int position, const wf_atom *reduction_axis, int width) {
  double cost = 0;
  for (int i = 0; i < plan->nest->member_count; i++) {
    const wf_op *member = plan->nest->members[i];
    const wf_atom *axis = reduction_axis ? reduction_axis : position >= 0 ? member->axes[position] : NULL;
    double points = 1;
    for (int r = 0; r < member->reduction_count; r++) points *= wf_draft_estimate(member->reduction_axes[r]->extent);
    double lanes = axis ? useful_lanes(axis, width) : 1;
    if (reduction_axis && !wf_is_reduction(member)) lanes = 1;
    cost += points * (axis ? wf_access_cost(plan->draft->module, member->body, axis, lanes)
                           : wf_access_cost(plan->draft->module, member->body, member->axis_count ? member->axes[0] : NULL, 1));
    if (reduction_axis) {
      cost += 2 * width;
    } else {
      const wf_dim *indices[WF_MAX_RANK];
      for (int a = 0; a < member->axis_count; a++) indices[a] = member->axes[a]->as_dim;
      bool unit = axis && wf_access_step_of_value(plan->draft->module, member->results[0], indices, axis) == WF_ACCESS_UNIT;
      cost += unit ? 1 / lanes : 1.5;
    }
  }
  return cost;
}

// Which axis the lanes run along: the cheapest of the free parallel axes, and of the reduction axes where one member reduces.
static void choose_lanes(wf_nest_plan *plan) {
  const wf_nest *nest = plan->nest;
  int width = 1 << 30, reducing = -1, reducing_count = 0;
  bool heavy = false;
  for (int i = 0; i < nest->member_count; i++) {
    const wf_op *member = nest->members[i];
    int here = elements_per_vector(plan->draft, wf_is_reduction(member) ? member->accumulator : member->results[0]->dtype);
    width = here < width ? here : width;
    heavy |= wf_expr_cost(member->body) > 24;
    if (wf_is_reduction(member)) {
      reducing = i;
      reducing_count++;
    }
  }
  plan->lane_axis = plan->split_member = plan->split_reduction = -1;
  plan->lanes = 1;
  if (width < 2) return;
  double best = cost_along(plan, -1, NULL, 1);
  for (int i = plan->order_count - 1; i >= 0; i--) {
    double cost = cost_along(plan, plan->order[i], NULL, width);
    if (cost >= best) continue;
    best = cost;
    plan->lane_axis = plan->order[i];
  }
  if (reducing_count == 1 && !wf_is_arg(nest->members[reducing])) {
    const wf_op *member = nest->members[reducing];
    for (int r = member->reduction_count - 1; r >= 0; r--) {
      double cost = cost_along(plan, -1, member->reduction_axes[r], width);
      if (cost >= best) continue;
      best = cost;
      plan->lane_axis = -1;
      plan->split_member = reducing;
      plan->split_reduction = r;
    }
  }
  plan->cost = best;
  if (plan->lane_axis < 0 && plan->split_member < 0) return;
  const wf_atom *axis = plan->lane_axis >= 0 ? plan->first->axes[plan->lane_axis]
                                             : nest->members[reducing]->reduction_axes[plan->split_reduction];
  int64_t extent = 0;
  bool known = wf_dim_is_const(axis->extent, &extent);
  int most = reducing >= 0 && !heavy ? 4 * width : heavy ? width : 2 * width;
  plan->lanes = most;
  if (known) {
    while (plan->lanes > width && (extent < plan->lanes || (extent % plan->lanes && extent < 4 * plan->lanes))) plan->lanes /= 2;
    while (plan->lanes > 1 && plan->lanes > extent) plan->lanes /= 2;
  } else if (plan->lane_axis >= 0) {
    plan->lanes = width;
  }
}

// ---- loops over the points --------------------------------------------------------------------------------------

static wf_block *open_axis(wf_nest_plan *plan, wf_block *block, wf_bind bind, int axis) {
  const wf_atom *atom = plan->first->axes[axis];
  plan->dims[axis] = wf_dim_axis(plan->draft->module->dims, atom->name, atom->extent);
  return wf_stmt_for(plan->draft->kernel, block, bind, plan->dims[axis]);
}

// The lane axis over [start, start + extent): full vectors, then halving vectors where the rest is constant, then scalars.
static void emit_lane_range(wf_nest_plan *plan, wf_block *block, const wf_dim *start, const wf_dim *extent) {
  wf_dims *dims = plan->draft->module->dims;
  int axis = plan->lane_axis;
  for (int lanes = plan->lanes; lanes >= 1; lanes /= 2) {
    int64_t known;
    bool constant = wf_dim_is_const(extent, &known);
    if (!constant && lanes < plan->lanes) lanes = 1;
    if (constant && lanes == 2) continue;
    const wf_dim *count = wf_dim_floordiv(extent, number(plan, lanes));
    if (!wf_dim_equals_const(count, 0)) {
      wf_block *body = block;
      plan->dims[axis] = start;
      if (!wf_dim_equals_const(count, 1)) {
        const wf_dim *chunk = wf_dim_axis(dims, plan->first->axes[axis]->name, count);
        body = wf_stmt_for(plan->draft->kernel, block, WF_BIND_SERIAL, chunk);
        plan->dims[axis] = wf_dim_add(start, wf_dim_scale(chunk, lanes));
      }
      wf_nest_point(plan, body, lanes);
    }
    start = wf_dim_add(start, wf_dim_scale(count, lanes));
    extent = wf_dim_sub(extent, wf_dim_scale(count, lanes));
    if (wf_dim_equals_const(extent, 0)) return;
  }
}

static void emit_inner(wf_nest_plan *plan, wf_block *block, int from) {
  for (int i = from; i < plan->order_count; i++) block = open_axis(plan, block, WF_BIND_SERIAL, plan->order[i]);
  if (plan->lane_axis >= 0) emit_lane_range(plan, block, number(plan, 0), plan->first->axes[plan->lane_axis]->extent);
  else wf_nest_point(plan, block, 1);
}

static void start_plan(wf_nest_plan *plan, wf_draft *draft, const wf_nest *nest) {
  wf_nest_plan_init(plan, draft, nest);
  order_axes(plan);
  choose_lanes(plan);
  int kept = 0;
  for (int i = 0; i < plan->order_count; i++)
    if (plan->order[i] != plan->lane_axis) plan->order[kept++] = plan->order[i];
  plan->order_count = kept;
}

double wf_draft_nest_cost(wf_module *module, wf_op *op, wf_tile_target target) {
  if (target.gpu) return wf_gpu_nest_cost(module, op);
  wf_draft draft = {.module = module, .target = target};
  wf_nest nest = {.members = &op, .member_count = 1};
  wf_nest_plan plan;
  start_plan(&plan, &draft, &nest);
  double points = 1;
  for (int a = 0; a < op->axis_count; a++) points *= wf_draft_estimate(op->axes[a]->extent);
  return points * plan.cost;
}

void wf_draft_nest_serial(wf_draft *draft, wf_block *block, const wf_nest *nest) {
  wf_nest_plan plan;
  start_plan(&plan, draft, nest);
  emit_inner(&plan, block, 0);
}

// Elements of the lane axis that one task takes, 0 where the outer axes alone are tasks enough.
static int64_t task_chunk(const wf_nest_plan *plan, double outer_tasks) {
  if (plan->lane_axis < 0 || outer_tasks >= ENOUGH_TASKS) return 0;
  double extent = wf_draft_estimate(plan->first->axes[plan->lane_axis]->extent), work = 0;
  for (int i = 0; i < plan->nest->member_count; i++) {
    const wf_op *member = plan->nest->members[i];
    double points = 1 + wf_expr_cost(member->body);
    for (int r = 0; r < member->reduction_count; r++) points *= wf_draft_estimate(member->reduction_axes[r]->extent);
    work += points;
  }
  int64_t chunk = (int64_t)(ENOUGH_CHUNK * 4 / work);
  chunk = (chunk + plan->lanes - 1) / plan->lanes * plan->lanes;
  if (chunk < plan->lanes) chunk = plan->lanes;
  return extent >= 2.0 * (double)chunk ? chunk : 0;
}

void wf_draft_nest_tasks(wf_draft *draft, const wf_nest *nest) {
  wf_nest_plan plan;
  start_plan(&plan, draft, nest);
  double tasks = 1;
  int task_axes = 0;
  while (task_axes < plan.order_count && tasks < ENOUGH_TASKS)
    tasks *= wf_draft_estimate(plan.first->axes[plan.order[task_axes++]]->extent);
  int64_t chunk = task_chunk(&plan, tasks);
  for (int part = 0; part < (chunk ? 2 : 1); part++) {   // with chunks: the full ones, then a section for the rest
    const wf_dim *extent = plan.lane_axis >= 0 ? plan.first->axes[plan.lane_axis]->extent : NULL;
    const wf_dim *chunks = chunk ? wf_dim_floordiv(extent, number(&plan, chunk)) : NULL;
    const wf_dim *rest = chunk ? wf_dim_sub(extent, wf_dim_scale(chunks, chunk)) : NULL;
    if (part == 1 && wf_dim_equals_const(rest, 0)) break;
    wf_block *block = wf_kernel_section(draft->kernel);
    for (int i = 0; i < task_axes; i++) block = open_axis(&plan, block, WF_BIND_TASK, plan.order[i]);
    if (!chunk) {
      emit_inner(&plan, block, task_axes);
      continue;
    }
    const wf_dim *start = wf_dim_scale(chunks, chunk);
    if (part == 0) {
      const wf_dim *task = wf_dim_axis(draft->module->dims, "t", chunks);
      block = wf_stmt_for(draft->kernel, block, WF_BIND_TASK, task);
      start = wf_dim_scale(task, chunk);
    }
    for (int i = task_axes; i < plan.order_count; i++) block = open_axis(&plan, block, WF_BIND_SERIAL, plan.order[i]);
    emit_lane_range(&plan, block, start, part == 0 ? number(&plan, chunk) : rest);
  }
}
