// Computes over the same points, a thread a point or a few neighbouring points: elementwise values, and reductions that
// are short or whose neighbours in memory are the results.
#include "passes/gpu.h"

enum { ACCESS_BYTES = 16, MOST_REGISTERS = 64, ENOUGH_THREADS = 16384 };

typedef struct widths { wf_module *module; const wf_atom *axis; int bytes, unit, far; } widths;   // accesses by their step

static void note(widths *w, wf_access_step step, wf_dtype type) {
  if (step == WF_ACCESS_FAR) w->far++;
  if (step != WF_ACCESS_UNIT) return;
  w->unit++;
  if (wf_dtype_bytes(type) > w->bytes) w->bytes = wf_dtype_bytes(type);
}

static void note_read(void *context, const wf_expr *node) {
  widths *w = context;
  if (node->op == WF_S_READ) note(w, wf_access_step_of(w->module, node, w->axis), node->operand->dtype);
}

static bool made_here(const wf_nest *nest, const wf_value *value) {
  for (int i = 0; i < nest->member_count; i++)
    if (nest->members[i]->results[0] == value) return true;
  return false;
}

static const wf_expr *forget(void *context, const wf_expr *node) {
  const wf_nest_plan *plan = context;
  if (node->op != WF_S_READ || !made_here(plan->nest, node->operand)) return NULL;
  return wf_dtype_is_float(node->dtype) ? wf_expr_const(plan->draft->module, node->dtype, 1) : wf_expr_const_int(plan->draft->module, node->dtype, 1);
}

// All accesses of the nest with its axes at dims[], by their step along `axis`.
static widths measure(const wf_nest_plan *plan, const wf_dim *const *dims, const wf_atom *axis) {
  wf_module *module = plan->draft->module;
  widths w = {.module = module, .axis = axis, .bytes = 1};
  for (int i = 0; i < plan->nest->member_count; i++) {
    const wf_op *member = plan->nest->members[i];
    wf_binding bindings[WF_MAX_RANK];
    for (int a = 0; a < member->axis_count; a++) bindings[a] = (wf_binding){member->axes[a], dims[a]};
    wf_expr_walk(wf_expr_rewrite(module, member->body, bindings, member->axis_count, forget, (void *)plan), note_read, &w);
    if (plan->targets[i]) note(&w, wf_access_step_of_value(module, member->results[0], dims, axis), member->results[0]->dtype);
  }
  return w;
}

static int width_of(const wf_nest_plan *plan, const widths *w) {
  int width = ACCESS_BYTES / w->bytes;
  if (width > 8) width = 8;
  double points = 1;
  for (int a = 0; a < plan->first->axis_count; a++) points *= wf_draft_estimate(plan->first->axes[a]->extent);
  while (width > 1 && (width * plan->nest->member_count > MOST_REGISTERS || points < (double)width * ENOUGH_THREADS)) width /= 2;
  return width;
}

// `width` elements a thread: along the flat index where it runs through memory, else along the fastest axis where `width`
// divides it. Sets plan->lanes, and plan->lane_axis for the second.
static void choose_width(wf_nest_plan *plan, const wf_gpu_points *points, bool *out_flat) {
  wf_module *module = plan->draft->module;
  const wf_dim *extents[WF_MAX_RANK], *digits[WF_MAX_RANK], *dims[WF_MAX_RANK];
  int count = points->count - points->grid_count;
  *out_flat = true;
  plan->lanes = 1;
  if (count == 0) return;
  const wf_dim *flat = wf_dim_axis(module->dims, "f", points->extent);
  for (int a = 0; a < plan->first->axis_count; a++) dims[a] = plan->first->axes[a]->as_dim;
  for (int i = 0; i < count; i++) extents[i] = plan->first->axes[points->order[points->grid_count + i]]->extent;
  wf_flat_digits(flat, extents, count, digits);
  for (int i = 0; i < count; i++) dims[points->order[points->grid_count + i]] = digits[i];
  widths w = measure(plan, dims, wf_dim_as_atom(flat));
  if (w.far == 0 && w.unit) {
    plan->lanes = width_of(plan, &w);
    return;
  }
  int fastest = points->order[points->count - 1];
  for (int a = 0; a < plan->first->axis_count; a++) dims[a] = plan->first->axes[a]->as_dim;
  w = measure(plan, dims, plan->first->axes[fastest]);
  int width = width_of(plan, &w);
  while (width > 1 && !wf_dim_divisible(plan->first->axes[fastest]->extent, width)) width /= 2;
  if (width == 1 || w.unit <= w.far) return;
  plan->lanes = width;
  plan->lane_axis = fastest;
  *out_flat = false;
}

// The place of the thread, taken apart into the flattened axes; the lane axis in steps of the lanes.
static void bind_digits(wf_nest_plan *plan, const wf_gpu_points *points, const wf_gpu_block *block) {
  const wf_dim *extents[WF_MAX_RANK], *digits[WF_MAX_RANK];
  int count = points->count - points->grid_count;
  for (int i = 0; i < count; i++) {
    int axis = points->order[points->grid_count + i];
    extents[i] = plan->first->axes[axis]->extent;
    if (axis == plan->lane_axis) extents[i] = wf_dim_exact_div(extents[i], wf_dim_const(plan->draft->module->dims, plan->lanes));
  }
  wf_gpu_digits(block->chunk, plan->draft->threads, block->thread, extents, count, digits);
  for (int i = 0; i < count; i++) {
    int axis = points->order[points->grid_count + i];
    plan->dims[axis] = axis == plan->lane_axis ? wf_dim_scale(digits[i], plan->lanes) : digits[i];
  }
}

void wf_gpu_nest(wf_draft *draft, wf_op **members, int count, int fastest) {
  wf_dims *dims = draft->module->dims;
  wf_nest nest = {.members = members, .member_count = count};
  wf_nest_plan plan;
  wf_gpu_block block;
  bool flat;
  wf_nest_plan_init(&plan, draft, &nest);
  wf_gpu_points points = wf_gpu_order(draft, members, count, members[0]->axis_count, fastest);
  choose_width(&plan, &points, &flat);
  const wf_dim *lanes = wf_dim_const(dims, plan.lanes), *full = wf_dim_floordiv(points.extent, lanes);
  const wf_dim *rest = wf_dim_sub(points.extent, wf_dim_scale(full, plan.lanes));
  wf_gpu_open(&block, draft, &points, wf_dim_ceildiv(points.extent, wf_dim_const(dims, (int64_t)plan.lanes * draft->threads)));
  for (int i = 0; i < points.grid_count; i++) plan.dims[points.order[i]] = block.dims[points.order[i]];
  const wf_dim *index = wf_dim_add(wf_dim_scale(block.chunk, draft->threads), block.thread);
  wf_block *body = wf_gpu_below(draft, block.body, index, full);
  plan.order_count = 0;
  for (int i = points.grid_count; i < points.count; i++) plan.order[plan.order_count++] = points.order[i];
  if (flat && plan.lanes > 1) plan.flat = wf_dim_scale(index, plan.lanes);
  else bind_digits(&plan, &points, &block);
  wf_nest_point(&plan, body, plan.lanes);
  if (!flat || wf_dim_equals_const(rest, 0)) return;
  wf_module *module = draft->module;   // the thread after the last full one takes what is left
  wf_block *tail = wf_stmt_if(draft->kernel, block.body, wf_expr_binary(module, WF_S_EQ, wf_expr_index(module, index), wf_expr_index(module, full)));
  const wf_dim *one = wf_dim_const(dims, 0);
  if (!wf_dim_equals_const(rest, 1)) {
    one = wf_dim_axis(dims, "r", rest);
    tail = wf_stmt_for(draft->kernel, tail, WF_BIND_SERIAL, one);
  }
  plan.flat = wf_dim_add(wf_dim_scale(full, plan.lanes), one);
  wf_nest_point(&plan, tail, 1);
}
