// One point of a nest: results of members stay in registers, members with the same loops share them.
#include "passes/draft_point.h"

enum { STEPS = 4, LIGHT = 16 };

static const wf_dim *number(const wf_nest_plan *plan, int64_t value) { return wf_dim_const(plan->draft->module->dims, value); }

void wf_flat_digits(const wf_dim *flat, const wf_dim *const *extents, int count, const wf_dim **out_digits) {
  for (int i = count - 1; i >= 0; i--) {
    out_digits[i] = i ? wf_dim_mod(flat, extents[i]) : flat;
    flat = wf_dim_floordiv(flat, extents[i]);
  }
}

// Every parallel axis at this lane.
static void dims_at(const wf_nest_plan *plan, const wf_dim *lane, const wf_dim **out_dims) {
  for (int a = 0; a < plan->first->axis_count; a++)
    out_dims[a] = a == plan->lane_axis ? wf_dim_add(plan->dims[a], lane) : plan->dims[a];
  if (!plan->flat) return;
  const wf_dim *extents[WF_MAX_RANK], *digits[WF_MAX_RANK];
  for (int i = 0; i < plan->order_count; i++) extents[i] = plan->first->axes[plan->order[i]]->extent;
  wf_flat_digits(wf_dim_add(plan->flat, lane), extents, plan->order_count, digits);
  for (int i = 0; i < plan->order_count; i++) out_dims[plan->order[i]] = digits[i];
}

void wf_nest_plan_init(wf_nest_plan *plan, wf_draft *draft, const wf_nest *nest) {
  *plan = (wf_nest_plan){.draft = draft, .nest = nest, .first = nest->members[0], .lanes = 1, .lane_axis = -1, .split_member = -1, .split_reduction = -1};
  for (int i = 0; i < nest->member_count; i++) {
    const wf_value *result = nest->members[i]->results[0];
    for (int s = 0; s < draft->slots.count; s++) {
      if (draft->slots.items[s].value != result) continue;
      plan->targets[i] = draft->slots.items[s].buffer;
      plan->dropped[i] = draft->slots.items[s].dropped;
    }
  }
  for (int i = 0; i < nest->free_from; i++) plan->dims[i] = nest->prefix[i];
}

// The member's expression at this lane; results of earlier members come from registers.
static const wf_expr *value_at(wf_nest_plan *plan, const wf_op *member, const wf_expr *expr, const wf_dim *lane,
                               const wf_dim *const *reduction_dims) {
  wf_draft *draft = plan->draft;
  for (int i = 0; i < plan->nest->member_count; i++)
    if (plan->registers[i]) wf_draft_replace(draft, plan->nest->members[i]->results[0], wf_register_read(plan->draft, plan->registers[i], lane));
  int count = member->axis_count + (reduction_dims ? member->reduction_count : 0);
  wf_binding *bindings = WF_NEW_ARRAY(draft->module->arena, wf_binding, count);
  const wf_dim *dims[WF_MAX_RANK];
  dims_at(plan, lane, dims);
  for (int a = 0; a < member->axis_count; a++) bindings[a] = (wf_binding){member->axes[a], dims[a]};
  if (reduction_dims)
    for (int r = 0; r < member->reduction_count; r++)
      bindings[member->axis_count + r] = (wf_binding){member->reduction_axes[r], reduction_dims[r]};
  return wf_draft_expr(draft, expr, bindings, count);
}

static bool read_by_later(const wf_nest_plan *plan, int index) {
  const wf_value *value = plan->nest->members[index]->results[0];
  for (int i = index + 1; i < plan->nest->member_count; i++)
    for (int j = 0; j < plan->nest->members[i]->operand_count; j++)
      if (plan->nest->members[i]->operands[j] == value) return true;
  return false;
}

static void store_result(wf_nest_plan *plan, wf_block *block, int index, const wf_dim *lane, const wf_expr *value) {
  wf_value *target = plan->targets[index];
  const wf_dim *indices[WF_MAX_RANK];
  if (!target) return;
  dims_at(plan, lane, indices);
  value = wf_draft_convert(plan->draft, value, wf_dtype_compute(target->dtype));
  wf_stmt_store_dims(plan->draft->kernel, block, target, indices + plan->dropped[index], WF_R_NONE, value);
}

static void accumulate(wf_nest_plan *plan, wf_block *block, wf_accumulator *acc, const wf_dim *lane, const wf_dim *const *reduction_dims) {
  wf_op *member = acc->member;
  const wf_expr *value = value_at(plan, member, member->body, lane, reduction_dims);
  wf_accumulator_add(plan->draft, block, acc, lane, value, wf_reduction_number(plan->draft->module, member, reduction_dims));
}

// The loop over one reduction axis: unrolled where the whole window is small.
static wf_block *open_reduction(wf_nest_plan *plan, wf_block *block, const wf_op *member, int r, const wf_dim **out_dim) {
  double window = 1;
  bool known = true;
  for (int i = 0; i < member->reduction_count; i++) {
    int64_t extent = 0;
    known = known && wf_dim_is_const(member->reduction_axes[i]->extent, &extent);
    window *= (double)extent;
  }
  const wf_atom *axis = member->reduction_axes[r];
  bool innermost = r + 1 == member->reduction_count, light = wf_expr_cost(member->body) <= LIGHT;
  if (plan->draft->target.gpu && innermost && window > 9 && light && wf_dim_divisible(axis->extent, STEPS)) {   // loads in flight
    const wf_dim *step = wf_dim_axis(plan->draft->module->dims, axis->name, wf_dim_floordiv(axis->extent, number(plan, STEPS)));
    const wf_dim *u = wf_dim_axis(plan->draft->module->dims, "u", number(plan, STEPS));
    *out_dim = wf_dim_add(wf_dim_scale(step, STEPS), u);
    return wf_stmt_for(plan->draft->kernel, wf_stmt_for(plan->draft->kernel, block, WF_BIND_SERIAL, step), WF_BIND_UNROLL, u);
  }
  *out_dim = wf_dim_axis(plan->draft->module->dims, axis->name, axis->extent);
  return wf_stmt_for(plan->draft->kernel, block, known && window <= 9 ? WF_BIND_UNROLL : WF_BIND_SERIAL, *out_dim);
}

// Halves the lanes until one is left: a tree that depends on the lane count only.
static wf_value *combine_lanes(wf_nest_plan *plan, wf_block *block, wf_value *from, wf_combiner combiner, int lanes) {
  while (lanes > 1) {
    int64_t half = lanes / 2;
    const wf_dim *lane;
    wf_value *to = wf_draft_register(plan->draft, block, "part", from->dtype, 1, &half);
    wf_block *inner = wf_open_lanes(plan->draft, block, (int)half, &lane);
    wf_register_store(plan->draft, inner, to, lane, WF_R_NONE, wf_register_read(plan->draft, from, lane));
    wf_register_store(plan->draft, inner, to, lane, combiner, wf_register_read(plan->draft, from, wf_dim_offset(lane, half)));
    from = to;
    lanes = (int)half;
  }
  return from;
}

// Lanes along a reduction axis: full vectors, then a tail that falls on the first lanes.
static void reduce_along_lanes(wf_nest_plan *plan, wf_block *block, wf_accumulator *acc) {
  wf_op *member = acc->member;
  wf_dims *dims = plan->draft->module->dims;
  const wf_dim *points[WF_MAX_RANK];
  int split = plan->split_reduction, lanes = plan->lanes;
  wf_accumulator_start(plan->draft, block, acc, lanes);
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
  wf_block *vector = wf_open_lanes(plan->draft, body, lanes, &lane);
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

// Reductions members[from, to) in one loop nest.
static void emit_reductions(wf_nest_plan *plan, wf_block *block, int from, int to, int lanes) {
  wf_accumulator acc[WF_NEST_MEMBERS] = {0};
  const wf_dim *points[WF_MAX_RANK], *lane = wf_dim_const(plan->draft->module->dims, 0);   // read where nothing is stored as well
  wf_op *const *members = plan->nest->members;
  for (int i = from; i < to; i++) {
    acc[i].member = members[i];
    acc[i].shared = -1;
    for (int j = from; j < to; j++)
      if (wf_is_best_of(plan->draft->module, members[i], members[j])) acc[i].shared = j;
  }
  if (plan->split_member == from) {
    reduce_along_lanes(plan, block, &acc[from]);
  } else {
    for (int i = from; i < to; i++)
      if (acc[i].shared < 0) wf_accumulator_start(plan->draft, block, &acc[i], lanes);
    wf_block *inner = block;
    for (int r = 0; r < members[from]->reduction_count; r++) inner = open_reduction(plan, inner, members[from], r, &points[r]);
    inner = wf_open_lanes(plan->draft, inner, lanes, &lane);
    for (int i = from; i < to; i++)
      if (acc[i].shared < 0) accumulate(plan, inner, &acc[i], lane, points);
    for (int i = from; i < to; i++)
      if (acc[i].shared >= 0) acc[i].best = acc[acc[i].shared].best;
  }
  bool stored = false;
  for (int i = from; i < to; i++) stored = stored || plan->targets[i];
  wf_block *vector = stored ? wf_open_lanes(plan->draft, block, lanes, &lane) : block;
  for (int i = from; i < to; i++) {
    wf_value *result = members[i]->results[0];
    wf_value *made = acc[i].index ? acc[i].index : acc[i].best;
    const wf_expr *value = wf_draft_convert(plan->draft, wf_register_read(plan->draft, made, lane), wf_dtype_compute(result->dtype));
    store_result(plan, vector, i, lane, value);
    if (!read_by_later(plan, i)) continue;
    if (made->dtype != result->dtype) {
      int64_t shape = lanes;
      wf_value *rounded = wf_draft_register(plan->draft, block, result->name, result->dtype, 1, &shape);
      const wf_dim *again;
      wf_block *rounding = wf_open_lanes(plan->draft, block, lanes, &again);
      wf_register_store(plan->draft, rounding, rounded, again, WF_R_NONE, wf_register_read(plan->draft, made, again));
      made = rounded;
    }
    plan->registers[i] = made;
  }
}

// Elementwise members[from, to) in one vector loop.
static void emit_maps(wf_nest_plan *plan, wf_block *block, int from, int to, int lanes) {
  wf_op *const *members = plan->nest->members;
  wf_value *kept[WF_NEST_MEMBERS] = {0};
  int64_t shape = lanes;
  const wf_dim *lane;
  for (int i = from; i < to; i++)
    if (read_by_later(plan, i)) kept[i] = wf_draft_register(plan->draft, block, members[i]->results[0]->name, members[i]->results[0]->dtype, 1, &shape);
  wf_block *vector = wf_open_lanes(plan->draft, block, lanes, &lane);
  for (int i = from; i < to; i++) {
    const wf_expr *value = value_at(plan, members[i], members[i]->body, lane, NULL);
    if (kept[i]) {
      wf_register_store(plan->draft, vector, kept[i], lane, WF_R_NONE, value);
      value = wf_register_read(plan->draft, kept[i], lane);
      plan->registers[i] = kept[i];
    }
    store_result(plan, vector, i, lane, value);
  }
}

// Remembers and restores the members' slots: value_at redirects reads to registers of this point.
void wf_nest_point(wf_nest_plan *plan, wf_block *block, int lanes) {
  wf_draft *draft = plan->draft;
  int slot_count = draft->slots.count;
  wf_slot *saved = WF_NEW_ARRAY(draft->module->arena, wf_slot, slot_count);
  memcpy(saved, draft->slots.items, sizeof *saved * (size_t)slot_count);
  memset(plan->registers, 0, sizeof plan->registers);
  for (int i = 0; i < plan->nest->member_count;) {
    int end = i + 1;
    wf_op *const *members = plan->nest->members;
    if (wf_is_reduction(members[i])) {
      while (end < plan->nest->member_count && plan->split_member < 0 && wf_joins_reduction(members, i, end)) end++;
      emit_reductions(plan, block, i, end, lanes);
    } else {
      while (end < plan->nest->member_count && !wf_is_reduction(members[end])) end++;
      emit_maps(plan, block, i, end, lanes);
    }
    i = end;
  }
  memcpy(draft->slots.items, saved, sizeof *saved * (size_t)slot_count);
  draft->slots.count = slot_count;
}
