// Loop nests for groups of computes that share their parallel axes: vector lanes along the axis with the best addresses,
// accumulators in registers, tasks over the outer axes. The order of a reduction depends on extents and the target's
// vector width only.
#include "passes/draft.h"

enum { MAX_MEMBERS = 64 };
#define ENOUGH_TASKS 32.0        // outer points beyond which further axes stay inside a task
#define ENOUGH_CHUNK 4096        // elements a task takes of an axis that is split for parallelism

typedef struct nest_plan {
  wf_draft *draft;
  const wf_nest *nest;
  const wf_op *first;            // extents come from here: all members agree
  int order[WF_MAX_RANK], order_count;   // looped axes, outermost in storage first, without the lane axis
  int lane_axis;                 // the parallel axis along which lanes run, -1: none
  int lanes;
  double cost;                   // of one point of the free axes, along the chosen lanes
  int split_member, split_reduction;     // lanes along this member's reduction axis, -1: none
  const wf_dim *dims[WF_MAX_RANK];       // of every parallel axis, over kernel axes; the lane axis: its base
  wf_value *registers[MAX_MEMBERS];      // results of members so far, [lanes]
  wf_value *targets[MAX_MEMBERS];        // where results go beside registers: a parameter, or a buffer bound by the caller
  int dropped[MAX_MEMBERS];              // leading axes that the target lacks
} nest_plan;

static int elements_per_vector(const wf_draft *draft, wf_dtype type) {
  int bytes = wf_dtype_bytes(wf_dtype_compute(type));
  return draft->target.vector_bytes / (bytes < 4 ? 4 : bytes);
}

static bool const_extent(const wf_atom *axis, int64_t *out) { return wf_dim_is_const(axis->extent, out); }

static const wf_dim *number(const nest_plan *plan, int64_t value) { return wf_dim_const(plan->draft->module->dims, value); }

// ---- choices ----------------------------------------------------------------------------------------------------

static bool is_reduction(const wf_op *op) { return op->combiner != WF_R_NONE; }
static bool is_arg(const wf_op *op) { return op->combiner == WF_R_ARGMAX || op->combiner == WF_R_ARGMIN; }

static const wf_layout *storage_of(const nest_plan *plan, const wf_value *value) {
  wf_module *module = plan->draft->module;
  return value->layout ? value->layout : wf_layout_row_major(module->dims, module->arena, value->rank, value->shape);
}

// Free axes by falling stride of the first member's result.
static void order_axes(nest_plan *plan) {
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

static double cost_along(const nest_plan *plan, int position, const wf_atom *reduction_axis, int width) {
  double cost = 0;
  for (int i = 0; i < plan->nest->member_count; i++) {
    const wf_op *member = plan->nest->members[i];
    const wf_atom *axis = reduction_axis ? reduction_axis : position >= 0 ? member->axes[position] : NULL;
    double points = 1;
    for (int r = 0; r < member->reduction_count; r++) points *= wf_draft_estimate(member->reduction_axes[r]->extent);
    double lanes = axis ? useful_lanes(axis, width) : 1;
    if (reduction_axis && !is_reduction(member)) lanes = 1;
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
static void choose_lanes(nest_plan *plan) {
  const wf_nest *nest = plan->nest;
  int width = 1 << 30, reducing = -1, reducing_count = 0;
  bool heavy = false;
  for (int i = 0; i < nest->member_count; i++) {
    const wf_op *member = nest->members[i];
    int here = elements_per_vector(plan->draft, is_reduction(member) ? member->accumulator : member->results[0]->dtype);
    width = here < width ? here : width;
    heavy |= wf_expr_cost(member->body) > 24;
    if (is_reduction(member)) {
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
  if (reducing_count == 1 && !is_arg(nest->members[reducing])) {
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
  bool known = const_extent(axis, &extent);
  int most = reducing >= 0 && !heavy ? 4 * width : heavy ? width : 2 * width;
  plan->lanes = most;
  if (known) {
    while (plan->lanes > width && (extent < plan->lanes || (extent % plan->lanes && extent < 4 * plan->lanes))) plan->lanes /= 2;
    while (plan->lanes > 1 && plan->lanes > extent) plan->lanes /= 2;
  } else if (plan->lane_axis >= 0) {
    plan->lanes = width;
  }
}

// ---- one point, or `lanes` points along the lane axis -----------------------------------------------------------

// Opens a vector loop where lanes > 1. *out_lane is the register index (0 without lanes).
static wf_block *open_lanes(nest_plan *plan, wf_block *block, int lanes, const wf_dim **out_lane) {
  *out_lane = number(plan, 0);
  if (lanes == 1) return block;
  *out_lane = wf_dim_axis(plan->draft->module->dims, "l", number(plan, lanes));
  return wf_stmt_for(plan->draft->kernel, block, WF_BIND_VECTOR, *out_lane);
}

static const wf_expr *read_register(nest_plan *plan, wf_value *buffer, const wf_dim *lane) {
  return wf_expr_read_dims(plan->draft->module, buffer, &lane, NULL);
}

// The member's expression at this lane; results of earlier members come from registers.
static const wf_expr *value_at(nest_plan *plan, const wf_op *member, const wf_expr *expr, const wf_dim *lane,
                               const wf_dim *const *reduction_dims) {
  wf_draft *draft = plan->draft;
  for (int i = 0; i < plan->nest->member_count; i++)
    if (plan->registers[i]) wf_draft_replace(draft, plan->nest->members[i]->results[0], read_register(plan, plan->registers[i], lane));
  int count = member->axis_count + (reduction_dims ? member->reduction_count : 0);
  wf_binding *bindings = WF_NEW_ARRAY(draft->module->arena, wf_binding, count);
  for (int a = 0; a < member->axis_count; a++) {
    const wf_dim *dim = plan->dims[a];
    if (a == plan->lane_axis) dim = wf_dim_add(dim, lane);
    bindings[a] = (wf_binding){member->axes[a], dim};
  }
  if (reduction_dims)
    for (int r = 0; r < member->reduction_count; r++)
      bindings[member->axis_count + r] = (wf_binding){member->reduction_axes[r], reduction_dims[r]};
  return wf_draft_expr(draft, expr, bindings, count);
}

static void store_register(nest_plan *plan, wf_block *block, wf_value *buffer, const wf_dim *lane, wf_combiner combiner,
                           const wf_expr *value) {
  value = wf_draft_convert(plan->draft, value, wf_dtype_compute(buffer->dtype));
  wf_stmt_store_dims(plan->draft->kernel, block, buffer, &lane, combiner, value);
}

static bool read_by_later(const nest_plan *plan, int index) {
  const wf_value *value = plan->nest->members[index]->results[0];
  for (int i = index + 1; i < plan->nest->member_count; i++)
    for (int j = 0; j < plan->nest->members[i]->operand_count; j++)
      if (plan->nest->members[i]->operands[j] == value) return true;
  return false;
}

static void store_result(nest_plan *plan, wf_block *block, int index, const wf_dim *lane, const wf_expr *value) {
  const wf_op *member = plan->nest->members[index];
  wf_value *target = plan->targets[index];
  const wf_dim *indices[WF_MAX_RANK];
  if (!target) return;
  for (int a = 0; a < member->axis_count; a++)
    indices[a] = a == plan->lane_axis ? wf_dim_add(plan->dims[a], lane) : plan->dims[a];
  value = wf_draft_convert(plan->draft, value, wf_dtype_compute(target->dtype));
  wf_stmt_store_dims(plan->draft->kernel, block, target, indices + plan->dropped[index], WF_R_NONE, value);
}

typedef struct accumulators {
  wf_value *best, *index;
  wf_op *member;
  int shared;                    // a maximum beside the argmax of the same body: that one's best, else -1
} accumulators;

static void start_accumulator(nest_plan *plan, wf_block *block, accumulators *acc, int lanes) {
  int64_t shape = lanes;
  const wf_dim *lane;
  wf_op *member = acc->member;
  wf_combiner combiner = member->combiner == WF_R_ARGMAX ? WF_R_MAX : member->combiner == WF_R_ARGMIN ? WF_R_MIN : member->combiner;
  wf_dtype type = is_arg(member) ? member->body->dtype : member->accumulator;
  acc->best = wf_draft_register(plan->draft, block, "acc", type, 1, &shape);
  if (is_arg(member)) acc->index = wf_draft_register(plan->draft, block, "arg", member->results[0]->dtype, 1, &shape);
  wf_block *inner = open_lanes(plan, block, lanes, &lane);
  store_register(plan, inner, acc->best, lane, WF_R_NONE, wf_draft_identity(plan->draft, combiner, wf_dtype_compute(type)));
  if (acc->index) store_register(plan, inner, acc->index, lane, WF_R_NONE, wf_expr_const_int(plan->draft->module, acc->index->dtype, 0));
}

// first point wins, NaN wins: (v > best) or (v is NaN and best is not)
static const wf_expr *beats(wf_module *module, const wf_op *member, const wf_expr *value, const wf_expr *best) {
  const wf_expr *more = wf_expr_binary(module, member->combiner == WF_R_ARGMAX ? WF_S_GT : WF_S_LT, value, best);
  if (!wf_dtype_is_float(value->dtype)) return more;
  const wf_expr *first_nan = wf_expr_binary(module, WF_S_AND, wf_expr_binary(module, WF_S_NE, value, value),
                                            wf_expr_binary(module, WF_S_EQ, best, best));
  return wf_expr_binary(module, WF_S_OR, more, first_nan);
}

static void accumulate(nest_plan *plan, wf_block *block, accumulators *acc, const wf_dim *lane, const wf_dim *const *reduction_dims) {
  wf_module *module = plan->draft->module;
  wf_op *member = acc->member;
  const wf_expr *value = value_at(plan, member, member->body, lane, reduction_dims);
  if (!is_arg(member)) {
    store_register(plan, block, acc->best, lane, member->combiner, value);
    return;
  }
  const wf_dim *point = number(plan, 0);
  for (int r = 0; r < member->reduction_count; r++)
    point = wf_dim_add(wf_dim_mul(point, member->reduction_axes[r]->extent), reduction_dims[r]);
  const wf_expr *best = read_register(plan, acc->best, lane), *index = read_register(plan, acc->index, lane);
  const wf_expr *wins = beats(module, member, value, best);
  const wf_expr *here = wf_draft_convert(plan->draft, wf_expr_index(module, point), index->dtype);
  store_register(plan, block, acc->index, lane, WF_R_NONE, wf_expr_select(module, wins, here, index));
  store_register(plan, block, acc->best, lane, WF_R_NONE, wf_expr_select(module, wins, value, best));
}

// The loop over one reduction axis: unrolled where the whole window is small.
static wf_block *open_reduction(nest_plan *plan, wf_block *block, const wf_op *member, int r, const wf_dim **out_dim) {
  double window = 1;
  bool known = true;
  for (int i = 0; i < member->reduction_count; i++) {
    int64_t extent = 0;
    known = known && const_extent(member->reduction_axes[i], &extent);
    window *= (double)extent;
  }
  const wf_atom *axis = member->reduction_axes[r];
  *out_dim = wf_dim_axis(plan->draft->module->dims, axis->name, axis->extent);
  return wf_stmt_for(plan->draft->kernel, block, known && window <= 9 ? WF_BIND_UNROLL : WF_BIND_SERIAL, *out_dim);
}

// Halves the lanes until one is left: a tree that depends on the lane count only.
static wf_value *combine_lanes(nest_plan *plan, wf_block *block, wf_value *from, wf_combiner combiner, int lanes) {
  while (lanes > 1) {
    int64_t half = lanes / 2;
    const wf_dim *lane;
    wf_value *to = wf_draft_register(plan->draft, block, "part", from->dtype, 1, &half);
    wf_block *inner = open_lanes(plan, block, (int)half, &lane);
    store_register(plan, inner, to, lane, WF_R_NONE, read_register(plan, from, lane));
    store_register(plan, inner, to, lane, combiner, read_register(plan, from, wf_dim_offset(lane, half)));
    from = to;
    lanes = (int)half;
  }
  return from;
}

// Lanes along a reduction axis: full vectors, then a tail that falls on the first lanes.
static void reduce_along_lanes(nest_plan *plan, wf_block *block, accumulators *acc) {
  wf_op *member = acc->member;
  wf_dims *dims = plan->draft->module->dims;
  const wf_dim *points[WF_MAX_RANK];
  int split = plan->split_reduction, lanes = plan->lanes;
  start_accumulator(plan, block, acc, lanes);
  wf_block *inner = block;
  for (int r = 0; r < member->reduction_count; r++) {
    if (r == split) continue;
    points[r] = wf_dim_axis(dims, member->reduction_axes[r]->name, member->reduction_axes[r]->extent);
    inner = wf_stmt_for(plan->draft->kernel, inner, WF_BIND_SERIAL, points[r]);
  }
  const wf_dim *extent = member->reduction_axes[split]->extent;
  const wf_dim *full = wf_dim_floordiv(extent, number(plan, lanes));
  const wf_dim *lane, *base = number(plan, 0);
  wf_block *body = inner;
  if (!wf_dim_equals_const(full, 1)) {
    const wf_dim *chunk = wf_dim_axis(dims, "c", full);
    body = wf_stmt_for(plan->draft->kernel, inner, WF_BIND_SERIAL, chunk);
    base = wf_dim_scale(chunk, lanes);
  }
  wf_block *vector = open_lanes(plan, body, lanes, &lane);
  points[split] = wf_dim_add(base, lane);
  accumulate(plan, vector, acc, lane, points);
  const wf_dim *done = wf_dim_scale(full, lanes), *rest = wf_dim_sub(extent, done);
  if (!wf_dim_equals_const(rest, 0)) {
    const wf_dim *tail = wf_dim_axis(dims, "t", rest);
    wf_block *tail_body = wf_stmt_for(plan->draft->kernel, inner, WF_BIND_SERIAL, tail);
    points[split] = wf_dim_add(done, tail);
    accumulate(plan, tail_body, acc, number(plan, 0), points);
  }
  acc->best = combine_lanes(plan, block, acc->best, member->combiner, lanes);
}

// Can members[next] share the reduction loops of members[from, next)?
static bool joins_reduction(const wf_nest *nest, int from, int next) {
  const wf_op *a = nest->members[from], *b = nest->members[next];
  if (!is_reduction(b) || a->reduction_count != b->reduction_count) return false;
  for (int r = 0; r < a->reduction_count; r++)
    if (a->reduction_axes[r]->extent != b->reduction_axes[r]->extent) return false;
  for (int i = 0; i < b->operand_count; i++)
    for (int m = from; m < next; m++)
      if (b->operands[i] == nest->members[m]->results[0]) return false;
  return true;
}

// max[..] f beside argmax[..] f is the best value that the argmax keeps anyway.
static bool is_best_of(nest_plan *plan, const wf_op *plain, const wf_op *arg) {
  if (!(plain->combiner == WF_R_MAX && arg->combiner == WF_R_ARGMAX) && !(plain->combiner == WF_R_MIN && arg->combiner == WF_R_ARGMIN))
    return false;
  wf_binding bindings[2 * WF_MAX_RANK];
  int count = 0;
  for (int a = 0; a < plain->axis_count; a++) bindings[count++] = (wf_binding){plain->axes[a], arg->axes[a]->as_dim};
  for (int r = 0; r < plain->reduction_count; r++)
    bindings[count++] = (wf_binding){plain->reduction_axes[r], arg->reduction_axes[r]->as_dim};
  return plain->accumulator == arg->body->dtype &&
         wf_expr_rewrite(plan->draft->module, plain->body, bindings, count, NULL, NULL) == arg->body;
}

// Reductions members[from, to) in one loop nest.
static void emit_reductions(nest_plan *plan, wf_block *block, int from, int to, int lanes) {
  accumulators acc[MAX_MEMBERS] = {0};
  const wf_dim *points[WF_MAX_RANK], *lane;
  wf_op *const *members = plan->nest->members;
  for (int i = from; i < to; i++) {
    acc[i].member = members[i];
    acc[i].shared = -1;
    for (int j = from; j < to; j++)
      if (is_best_of(plan, members[i], members[j])) acc[i].shared = j;
  }
  if (plan->split_member == from) {
    reduce_along_lanes(plan, block, &acc[from]);
  } else {
    for (int i = from; i < to; i++)
      if (acc[i].shared < 0) start_accumulator(plan, block, &acc[i], lanes);
    wf_block *inner = block;
    for (int r = 0; r < members[from]->reduction_count; r++) inner = open_reduction(plan, inner, members[from], r, &points[r]);
    inner = open_lanes(plan, inner, lanes, &lane);
    for (int i = from; i < to; i++)
      if (acc[i].shared < 0) accumulate(plan, inner, &acc[i], lane, points);
    for (int i = from; i < to; i++)
      if (acc[i].shared >= 0) acc[i].best = acc[acc[i].shared].best;
  }
  wf_block *vector = open_lanes(plan, block, lanes, &lane);
  for (int i = from; i < to; i++) {
    wf_value *result = members[i]->results[0];
    wf_value *made = acc[i].index ? acc[i].index : acc[i].best;
    const wf_expr *value = wf_draft_convert(plan->draft, read_register(plan, made, lane), wf_dtype_compute(result->dtype));
    store_result(plan, vector, i, lane, value);
    if (!read_by_later(plan, i)) continue;
    if (made->dtype != result->dtype) {
      int64_t shape = lanes;
      wf_value *rounded = wf_draft_register(plan->draft, block, result->name, result->dtype, 1, &shape);
      const wf_dim *again;
      wf_block *rounding = open_lanes(plan, block, lanes, &again);
      store_register(plan, rounding, rounded, again, WF_R_NONE, read_register(plan, made, again));
      made = rounded;
    }
    plan->registers[i] = made;
  }
}

// Elementwise members[from, to) in one vector loop.
static void emit_maps(nest_plan *plan, wf_block *block, int from, int to, int lanes) {
  wf_op *const *members = plan->nest->members;
  wf_value *kept[MAX_MEMBERS] = {0};
  int64_t shape = lanes;
  const wf_dim *lane;
  for (int i = from; i < to; i++)
    if (read_by_later(plan, i)) kept[i] = wf_draft_register(plan->draft, block, members[i]->results[0]->name, members[i]->results[0]->dtype, 1, &shape);
  wf_block *vector = open_lanes(plan, block, lanes, &lane);
  for (int i = from; i < to; i++) {
    const wf_expr *value = value_at(plan, members[i], members[i]->body, lane, NULL);
    if (kept[i]) {
      store_register(plan, vector, kept[i], lane, WF_R_NONE, value);
      value = read_register(plan, kept[i], lane);
      plan->registers[i] = kept[i];
    }
    store_result(plan, vector, i, lane, value);
  }
}

// Remembers and restores the members' slots: value_at redirects reads to registers of this point.
static void emit_point(nest_plan *plan, wf_block *block, int lanes) {
  wf_draft *draft = plan->draft;
  int slot_count = draft->slots.count;
  wf_slot *saved = WF_NEW_ARRAY(draft->module->arena, wf_slot, slot_count);
  memcpy(saved, draft->slots.items, sizeof *saved * (size_t)slot_count);
  memset(plan->registers, 0, sizeof plan->registers);
  for (int i = 0; i < plan->nest->member_count;) {
    int end = i + 1;
    wf_op *const *members = plan->nest->members;
    if (is_reduction(members[i])) {
      while (end < plan->nest->member_count && plan->split_member < 0 && joins_reduction(plan->nest, i, end)) end++;
      emit_reductions(plan, block, i, end, lanes);
    } else {
      while (end < plan->nest->member_count && !is_reduction(members[end])) end++;
      emit_maps(plan, block, i, end, lanes);
    }
    i = end;
  }
  memcpy(draft->slots.items, saved, sizeof *saved * (size_t)slot_count);
  draft->slots.count = slot_count;
}

// ---- loops over the points --------------------------------------------------------------------------------------

static wf_block *open_axis(nest_plan *plan, wf_block *block, wf_bind bind, int axis) {
  const wf_atom *atom = plan->first->axes[axis];
  plan->dims[axis] = wf_dim_axis(plan->draft->module->dims, atom->name, atom->extent);
  return wf_stmt_for(plan->draft->kernel, block, bind, plan->dims[axis]);
}

// The lane axis over [start, start + extent): full vectors, then halving vectors where the rest is constant, then scalars.
static void emit_lane_range(nest_plan *plan, wf_block *block, const wf_dim *start, const wf_dim *extent) {
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
      emit_point(plan, body, lanes);
    }
    start = wf_dim_add(start, wf_dim_scale(count, lanes));
    extent = wf_dim_sub(extent, wf_dim_scale(count, lanes));
    if (wf_dim_equals_const(extent, 0)) return;
  }
}

static void emit_inner(nest_plan *plan, wf_block *block, int from) {
  for (int i = from; i < plan->order_count; i++) block = open_axis(plan, block, WF_BIND_SERIAL, plan->order[i]);
  if (plan->lane_axis >= 0) emit_lane_range(plan, block, number(plan, 0), plan->first->axes[plan->lane_axis]->extent);
  else emit_point(plan, block, 1);
}

static void start_plan(nest_plan *plan, wf_draft *draft, const wf_nest *nest) {
  *plan = (nest_plan){.draft = draft, .nest = nest, .first = nest->members[0]};
  for (int i = 0; i < nest->member_count; i++) {
    const wf_value *result = nest->members[i]->results[0];
    for (int s = 0; s < draft->slots.count; s++) {
      if (draft->slots.items[s].value != result) continue;
      plan->targets[i] = draft->slots.items[s].buffer;
      plan->dropped[i] = draft->slots.items[s].dropped;
    }
  }
  for (int i = 0; i < nest->free_from; i++) plan->dims[i] = nest->prefix[i];
  order_axes(plan);
  choose_lanes(plan);
  int kept = 0;
  for (int i = 0; i < plan->order_count; i++)
    if (plan->order[i] != plan->lane_axis) plan->order[kept++] = plan->order[i];
  plan->order_count = kept;
}

double wf_draft_nest_cost(wf_module *module, wf_op *op, wf_tile_target target) {
  wf_draft draft = {.module = module, .target = target};
  wf_nest nest = {.members = &op, .member_count = 1};
  nest_plan plan;
  start_plan(&plan, &draft, &nest);
  double points = 1;
  for (int a = 0; a < op->axis_count; a++) points *= wf_draft_estimate(op->axes[a]->extent);
  return points * plan.cost;
}

void wf_draft_nest_serial(wf_draft *draft, wf_block *block, const wf_nest *nest) {
  nest_plan plan;
  start_plan(&plan, draft, nest);
  emit_inner(&plan, block, 0);
}

// Elements of the lane axis that one task takes, 0 where the outer axes alone are tasks enough.
static int64_t task_chunk(const nest_plan *plan, double outer_tasks) {
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
  nest_plan plan;
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
