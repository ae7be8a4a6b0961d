// Rows: a team of threads makes all members at one point of the shared axes. Members over further axes and reductions
// share their points among the threads of the team, `width` neighbours at a time, round by round; members with the same
// points share the rounds. What the whole team knows is in a register of each thread.
#include "passes/gpu_team.h"

enum { UNROLLED = 4, HEAVY = 24, ACCESS_BYTES = 16 };

typedef struct rows {
  wf_draft *draft;
  wf_gpu_team team;
  wf_op **members; int count, shared;
  wf_op *own_members[WF_NEST_MEMBERS];   // with those that keep operands
  int width;                     // elements of one access
  const wf_dim *dims[WF_MAX_RANK];   // of the shared axes
  const wf_dim *row, *row_count; // flat row of the thread; NULL: every team has one
  wf_gpu_home homes[WF_NEST_MEMBERS];
  wf_value *buffers[WF_NEST_MEMBERS], *targets[WF_NEST_MEMBERS];   // registers or shared; the launch's result
  bool fresh[WF_NEST_MEMBERS];   // stored to memory since the last barrier
} rows;

typedef struct run {             // members [from, to) whose teams take the same points
  int from, to;
  const wf_atom *const *axes; int axis_count;
  int order[WF_MAX_RANK];        // of the axes, slowest first
  const wf_dim *outer[WF_MAX_RANK];  // loop variables of axes that are not flattened
  int flat_from;                 // axes from here on are flattened
  const wf_dim *extent;          // of the flattened axes
  bool registers;                // some member keeps or reads registers: rounds are unrolled
  wf_accumulator acc[WF_NEST_MEMBERS];
} run;

static const wf_dim *number(const rows *r, int64_t value) { return wf_dim_const(r->draft->module->dims, value); }
static bool is_scalar(const rows *r, int i) { return r->members[i]->axis_count == r->shared && !wf_is_reduction(r->members[i]); }
static bool is_inner_reduction(const rows *r, int i) { return r->members[i]->axis_count > r->shared && wf_is_reduction(r->members[i]); }
static bool is_dead(const rows *r, int i) { return r->homes[i] == WF_HOME_NONE && !r->targets[i]; }

static bool reads(const wf_op *op, const wf_value *value) {
  for (int i = 0; i < op->operand_count; i++)
    if (op->operands[i] == value) return true;
  return false;
}

// ---- statements at one point of a row ---------------------------------------------------------------------------

static wf_block *active(rows *r) {
  return r->row ? wf_gpu_below(r->draft, r->team.block.body, r->row, r->row_count) : r->team.block.body;
}

static wf_block *first_lane(rows *r, wf_block *block) {
  wf_module *module = r->draft->module;
  return wf_stmt_if(r->draft->kernel, block, wf_expr_binary(module, WF_S_EQ, wf_expr_index(module, r->team.lane), wf_expr_index(module, number(r, 0))));
}

// The member's body where its own axes are `own`, its reduction axes `reduced`; `place`: index in registers of the row.
static const wf_expr *value_at(rows *r, int index, const wf_dim *const *own, const wf_dim *const *reduced, const wf_dim *place) {
  const wf_op *member = r->members[index];
  wf_binding bindings[3 * WF_MAX_RANK];
  int count = 0;
  for (int i = 0; i < index; i++) {
    if (r->homes[i] != WF_HOME_SCALAR && r->homes[i] != WF_HOME_REGISTER) continue;
    if (!r->buffers[i] || !reads(member, r->members[i]->results[0])) continue;
    const wf_dim *at = r->homes[i] == WF_HOME_SCALAR ? number(r, 0) : place;
    wf_draft_replace(r->draft, r->members[i]->results[0], wf_register_read(r->draft, r->buffers[i], at));
  }
  for (int a = 0; a < r->shared; a++) bindings[count++] = (wf_binding){member->axes[a], r->dims[a]};
  for (int a = r->shared; a < member->axis_count; a++) bindings[count++] = (wf_binding){member->axes[a], own[a - r->shared]};
  for (int a = 0; reduced && a < member->reduction_count; a++) bindings[count++] = (wf_binding){member->reduction_axes[a], reduced[a]};
  return wf_draft_expr(r->draft, member->body, bindings, count);
}

static void store_target(rows *r, wf_block *block, int index, const wf_dim *const *own, const wf_expr *value) {
  const wf_dim *indices[WF_MAX_RANK];
  wf_value *target = r->targets[index];
  if (!target) return;
  for (int a = 0; a < r->members[index]->axis_count; a++) indices[a] = a < r->shared ? r->dims[a] : own[a - r->shared];
  wf_stmt_store_dims(r->draft->kernel, block, target, indices, WF_R_NONE, wf_draft_convert(r->draft, value, wf_dtype_compute(target->dtype)));
  if (r->homes[index] == WF_HOME_GLOBAL) r->fresh[index] = true;
}

// Keeps a value of the row where later members look for it, and stores the launch's result.
static void store_own(rows *r, wf_block *block, int index, const wf_dim *const *own, const wf_dim *place, const wf_expr *value) {
  wf_value *buffer = r->buffers[index];
  if (r->homes[index] == WF_HOME_REGISTER) {
    wf_register_store(r->draft, block, buffer, place, WF_R_NONE, value);
    value = wf_register_read(r->draft, buffer, place);
  } else if (r->homes[index] == WF_HOME_SHARED) {
    const wf_dim *indices[WF_MAX_RANK + 1] = {r->team.team};
    int lead = r->team.teams > 1;
    for (int a = r->shared; a < r->members[index]->axis_count; a++) indices[lead + a - r->shared] = own[a - r->shared];
    wf_stmt_store_dims(r->draft->kernel, block, buffer, indices, WF_R_NONE, wf_draft_convert(r->draft, value, wf_dtype_compute(buffer->dtype)));
    r->fresh[index] = true;
  }
  store_target(r, block, index, own, value);
}

// ---- rounds -----------------------------------------------------------------------------------------------------

// A member over further axes that reduces too: each thread sums for its own points.
static void inner_reduction(rows *r, run *run, wf_block *block, const wf_dim *const *own, const wf_dim *lane, const wf_dim *place) {
  int i = run->from;
  wf_op *member = r->members[i];
  const wf_dim *points[WF_MAX_RANK];
  wf_accumulator acc = {.member = member, .shared = -1};
  wf_accumulator_start(r->draft, block, &acc, 1);
  wf_block *loop = block;
  for (int a = 0; a < member->reduction_count; a++) {
    points[a] = wf_dim_axis(r->draft->module->dims, member->reduction_axes[a]->name, member->reduction_axes[a]->extent);
    loop = wf_stmt_for(r->draft->kernel, loop, WF_BIND_SERIAL, points[a]);
  }
  const wf_dim *zero = number(r, 0);
  wf_accumulator_add(r->draft, loop, &acc, zero, value_at(r, i, own, points, place), wf_reduction_number(r->draft->module, member, points));
  store_own(r, block, i, own, place, wf_draft_convert(r->draft, wf_register_read(r->draft, acc.index ? acc.index : acc.best, zero), wf_dtype_compute(member->results[0]->dtype)));
}

// One access of each thread; round: how many came before.
static void one_round(rows *r, run *run, wf_block *block, const wf_dim *round) {
  int64_t step = (int64_t)r->team.shape.lanes * r->width;
  const wf_dim *within = wf_dim_scale(r->team.lane, r->width);
  const wf_dim *extents[WF_MAX_RANK], *digits[WF_MAX_RANK], *own[WF_MAX_RANK], *lane;
  bool inner = is_inner_reduction(r, run->from);
  block = wf_gpu_below(r->draft, block, wf_dim_add(wf_dim_scale(round, step), within), run->extent);
  if (inner) lane = number(r, 0);
  else block = wf_open_lanes(r->draft, block, r->width, &lane);
  const wf_dim *place = wf_dim_add(wf_dim_scale(round, r->width), lane);
  for (int a = run->flat_from; a < run->axis_count; a++) extents[a] = run->axes[run->order[a]]->extent;
  for (int a = 0; a < run->flat_from; a++) own[run->order[a]] = run->outer[a];
  wf_gpu_digits(round, step, wf_dim_add(within, lane), extents + run->flat_from, run->axis_count - run->flat_from, digits);
  for (int a = run->flat_from; a < run->axis_count; a++) own[run->order[a]] = digits[a - run->flat_from];
  if (inner) {
    inner_reduction(r, run, block, own, lane, place);
    return;
  }
  for (int i = run->from; i < run->to; i++) {
    if (is_dead(r, i) || (wf_is_reduction(r->members[i]) && run->acc[i].shared >= 0)) continue;
    bool reduces = wf_is_reduction(r->members[i]);
    const wf_expr *value = value_at(r, i, own, own, place);
    if (reduces) wf_accumulator_add(r->draft, block, &run->acc[i], lane, value, wf_reduction_number(r->draft->module, r->members[i], own));
    else store_own(r, block, i, own, place, value);
  }
}

// `rounds` times `unrolled` rounds behind the first `done` ones; unrolled where they are few or registers are indexed.
static void some_rounds(rows *r, run *run, wf_block *block, const wf_dim *done, const wf_dim *rounds, int unrolled, bool unroll) {
  wf_dims *dims = r->draft->module->dims;
  if (wf_dim_equals_const(rounds, 0)) return;
  const wf_dim *at = number(r, 0);
  if (!wf_dim_equals_const(rounds, 1)) {
    const wf_dim *c = wf_dim_axis(dims, "c", rounds);
    block = wf_stmt_for(r->draft->kernel, block, unroll ? WF_BIND_UNROLL : WF_BIND_SERIAL, c);
    at = wf_dim_scale(c, unrolled);
  }
  if (unrolled > 1) {
    const wf_dim *u = wf_dim_axis(dims, "u", number(r, unrolled));
    block = wf_stmt_for(r->draft->kernel, block, WF_BIND_UNROLL, u);
    at = wf_dim_add(at, u);
  }
  one_round(r, run, block, wf_dim_add(done, at));
}

static bool is_heavy(const rows *r, const run *run) {
  int cost = 0;
  for (int i = run->from; i < run->to; i++) cost += wf_expr_cost(r->members[i]->body);
  return cost > HEAVY || is_inner_reduction(r, run->from);
}

static void all_rounds(rows *r, run *run) {
  wf_dims *dims = r->draft->module->dims;
  wf_block *block = active(r);
  for (int a = 0; a < run->flat_from; a++) {
    const wf_atom *axis = run->axes[run->order[a]];
    run->outer[a] = wf_dim_axis(dims, axis->name, axis->extent);
    block = wf_stmt_for(r->draft->kernel, block, WF_BIND_SERIAL, run->outer[a]);
  }
  int64_t step = (int64_t)r->team.shape.lanes * r->width;
  const wf_dim *rounds = wf_dim_ceildiv(run->extent, number(r, step)), *zero = number(r, 0);
  int64_t known;
  bool few = wf_dim_is_const(rounds, &known) && (known <= UNROLLED && !is_inner_reduction(r, run->from));
  if (run->registers || few) {
    some_rounds(r, run, block, zero, rounds, 1, true);
    return;
  }
  int unrolled = is_heavy(r, run) ? 1 : UNROLLED;
  const wf_dim *full = wf_dim_floordiv(run->extent, number(r, step * unrolled)), *done = wf_dim_scale(full, unrolled);
  some_rounds(r, run, block, zero, full, unrolled, false);
  rounds = wf_dim_ceildiv(wf_dim_sub(run->extent, wf_dim_scale(done, step)), number(r, step));
  few = wf_dim_is_const(rounds, &known) && known <= UNROLLED && unrolled > 1;
  some_rounds(r, run, block, done, rounds, 1, few);
}

// ---- members ----------------------------------------------------------------------------------------------------

static void ensure_barrier(rows *r, int from, int to) {
  bool wanted = false;
  for (int i = from; i < to; i++)
    for (int j = 0; j < i; j++) wanted |= r->fresh[j] && reads(r->members[i], r->members[j]->results[0]);
  if (!wanted) return;
  wf_stmt_barrier(r->draft->kernel, r->team.block.body);
  memset(r->fresh, 0, sizeof r->fresh);
}

static void make_register(rows *r, int index, int64_t elements) {
  const wf_value *value = r->members[index]->results[0];
  r->buffers[index] = wf_draft_register(r->draft, r->team.block.body, value->name, value->dtype, 1, &elements);
}

// What the whole team knows: kept in a register, stored by the first thread.
static void finish_scalar(rows *r, wf_block *block, int index, const wf_expr *value) {
  if (r->homes[index] == WF_HOME_SCALAR) {
    wf_register_store(r->draft, block, r->buffers[index], number(r, 0), WF_R_NONE, value);
    value = wf_register_read(r->draft, r->buffers[index], number(r, 0));
  }
  if (r->targets[index]) store_target(r, first_lane(r, block), index, NULL, value);
}

static void emit_scalar(rows *r, int index) {
  ensure_barrier(r, index, index + 1);
  if (r->homes[index] == WF_HOME_SCALAR) make_register(r, index, 1);
  finish_scalar(r, active(r), index, value_at(r, index, NULL, NULL, NULL));
}

static void finish_reductions(rows *r, run *run) {
  wf_accumulator acc[WF_NEST_MEMBERS];
  int at[WF_NEST_MEMBERS], count = 0;
  for (int i = run->from; i < run->to; i++) {
    if (!wf_is_reduction(r->members[i]) || is_inner_reduction(r, i) || is_dead(r, i)) continue;
    at[i] = count;
    acc[count++] = run->acc[i];
  }
  if (count == 0) return;
  for (int i = 0; i < count; i++)
    if (acc[i].shared >= 0) acc[i].shared = at[acc[i].shared];
  wf_gpu_combine_accumulators(&r->team, acc, count, r->width);
  for (int i = run->from; i < run->to; i++)
    if (r->homes[i] == WF_HOME_SCALAR && wf_is_reduction(r->members[i])) make_register(r, i, 1);
  wf_block *block = active(r);
  for (int i = run->from; i < run->to; i++) {
    if (!wf_is_reduction(r->members[i]) || is_dead(r, i)) continue;
    const wf_accumulator *made = &acc[at[i]];
    const wf_expr *value = wf_register_read(r->draft, made->index ? made->index : made->best, number(r, 0));
    finish_scalar(r, block, i, wf_draft_convert(r->draft, value, wf_dtype_compute(r->members[i]->results[0]->dtype)));
  }
}

// Axes whose flat index is taken apart by constants only; the others are serial loops outside.
static void flatten(rows *r, run *run) {
  bool constant = true;
  run->extent = number(r, 1);
  run->flat_from = run->axis_count;
  while (run->flat_from > 0 && constant) {
    const wf_dim *next = run->axes[run->order[--run->flat_from]]->extent;
    run->extent = wf_dim_mul(next, run->extent);
    constant = wf_dim_is_const(next, &(int64_t){0});
  }
}

static bool touches_registers(const rows *r, int index) {
  if (r->homes[index] == WF_HOME_REGISTER) return true;
  for (int i = 0; i < index; i++)
    if (r->homes[i] == WF_HOME_REGISTER && reads(r->members[index], r->members[i]->results[0])) return true;
  return false;
}

// Reductions take their points in the order of memory; an argmax in the order of its points, of which the first wins.
static void order_points(rows *r, run *run) {
  bool free = true;
  for (int a = 0; a < run->axis_count; a++) run->order[a] = a;
  for (int i = run->from; i < run->to; i++)
    free = free && wf_is_reduction(r->members[i]) && !is_inner_reduction(r, i) && !wf_is_arg(r->members[i]) && !touches_registers(r, i);
  if (free) wf_gpu_order_reduction(r->draft->module, r->members[run->from], run->order);
}

static bool same_own_points(const rows *r, int a, int b) {
  const wf_atom *const *x, *const *y;
  int count = wf_gpu_own_axes(r->members[a], r->shared, &x);
  if (wf_gpu_own_axes(r->members[b], r->shared, &y) != count) return false;
  for (int i = 0; i < count; i++)
    if (x[i]->extent != y[i]->extent) return false;
  return true;
}

// May members[next] go into the rounds of [from, next)? Not where it needs what is complete only after them.
static bool joins(const rows *r, int from, int next) {
  if (is_scalar(r, next) || is_inner_reduction(r, next) || is_inner_reduction(r, from) || !same_own_points(r, from, next)) return false;
  for (int i = from; i < next; i++)
    if (r->homes[i] != WF_HOME_REGISTER && reads(r->members[next], r->members[i]->results[0])) return false;
  return true;
}

static int best_of(const rows *r, const run *run, int index) {
  for (int i = run->from; i < run->to; i++)
    if (i != index && wf_is_best_of(r->draft->module, r->members[index], r->members[i])) return i;
  return -1;
}

static int emit_run(rows *r, int from) {
  run run = {.from = from, .to = from + 1};
  while (run.to < r->count && joins(r, from, run.to)) run.to++;
  ensure_barrier(r, run.from, run.to);
  run.axis_count = wf_gpu_own_axes(r->members[from], r->shared, &run.axes);
  order_points(r, &run);
  flatten(r, &run);
  int64_t points;
  for (int i = run.from; i < run.to; i++) {
    if (is_dead(r, i)) continue;
    run.registers = run.registers || touches_registers(r, i);
    if (r->homes[i] == WF_HOME_REGISTER && wf_dim_is_const(run.extent, &points)) make_register(r, i, wf_gpu_registers(run.extent, r->team.shape.lanes, r->width));
    if (!wf_is_reduction(r->members[i]) || is_inner_reduction(r, i)) continue;
    run.acc[i] = (wf_accumulator){.member = r->members[i], .shared = best_of(r, &run, i)};
    if (run.acc[i].shared < 0) wf_accumulator_start(r->draft, r->team.block.body, &run.acc[i], r->width);
  }
  all_rounds(r, &run);
  finish_reductions(r, &run);
  return run.to;
}

// ---- the section ------------------------------------------------------------------------------------------------

typedef struct step_query { rows *r; const wf_atom *axis; int unit, far, bytes; } step_query;

static void note_step(void *context, const wf_expr *node) {
  step_query *q = context;
  if (node->op != WF_S_READ) return;
  for (int i = 0; i < q->r->count; i++)
    if (q->r->members[i]->results[0] == node->operand) return;
  wf_access_step step = wf_access_step_of(q->r->draft->module, node, q->axis);
  int bytes = wf_dtype_bytes(node->operand->dtype);
  if (step == WF_ACCESS_UNIT && bytes > q->bytes) q->bytes = bytes;
  q->unit += step == WF_ACCESS_UNIT;
  q->far += step == WF_ACCESS_FAR;
}

// Elements of one access: where every row divides by it and rows are long enough to keep all threads busy.
static void choose_width(rows *r) {
  step_query q = {.r = r, .bytes = 1};
  double shortest = 1e30;
  int64_t most = 4;
  r->width = 1;
  if (r->team.shape.columns) return;
  for (int i = 0; i < r->count; i++) {
    const wf_atom *const *axes;
    if (is_scalar(r, i)) continue;
    if (is_inner_reduction(r, i) || wf_is_arg(r->members[i])) return;
    int count = wf_gpu_own_axes(r->members[i], r->shared, &axes);
    int order[WF_MAX_RANK];
    for (int a = 0; a < count; a++) order[a] = a;
    if (wf_is_reduction(r->members[i])) wf_gpu_order_reduction(r->draft->module, r->members[i], order);
    q.axis = axes[order[count - 1]];
    double points = 1;
    for (int a = 0; a < count; a++) points *= wf_draft_estimate(axes[a]->extent);
    if (points < shortest) shortest = points;
    wf_expr_walk(r->members[i]->body, note_step, &q);
    bool stored = r->members[i]->axis_count > r->shared;
    if (stored && wf_dtype_bytes(r->members[i]->results[0]->dtype) > q.bytes) q.bytes = wf_dtype_bytes(r->members[i]->results[0]->dtype);
    while (most > 1 && !wf_dim_divisible(q.axis->extent, most)) most /= 2;
  }
  while (most > 1 && (most * q.bytes > ACCESS_BYTES || shortest < (double)most * r->team.shape.lanes)) most /= 2;
  if (q.unit > q.far) r->width = (int)most;
}

static void open_rows(rows *r, int fastest) {
  wf_draft *draft = r->draft;
  wf_gpu_points points = wf_gpu_order(draft, r->members, r->count, r->shared, fastest);
  int lanes = r->team.shape.lanes;
  r->team.teams = draft->threads / lanes;
  const wf_dim *chunks = NULL;
  if (r->team.teams == 1) wf_gpu_order_as_grid(draft, &points);
  else chunks = wf_dim_ceildiv(points.extent, number(r, r->team.teams));
  wf_gpu_open(&r->team.block, draft, &points, chunks);
  const wf_dim *thread = r->team.block.thread, *extents[WF_MAX_RANK], *digits[WF_MAX_RANK];
  r->team.lane = r->team.shape.columns ? wf_dim_floordiv(thread, number(r, r->team.teams)) : wf_dim_mod(thread, number(r, lanes));
  r->team.team = r->team.shape.columns ? wf_dim_mod(thread, number(r, r->team.teams)) : wf_dim_floordiv(thread, number(r, lanes));
  for (int i = 0; i < points.grid_count; i++) r->dims[points.order[i]] = r->team.block.dims[points.order[i]];
  if (r->team.teams == 1) return;
  r->row = wf_dim_add(wf_dim_scale(r->team.block.chunk, r->team.teams), r->team.team);
  r->row_count = points.extent;
  for (int i = points.grid_count; i < points.count; i++) extents[i] = r->members[0]->axes[points.order[i]]->extent;
  wf_gpu_digits(r->team.block.chunk, r->team.teams, r->team.team, extents + points.grid_count, points.count - points.grid_count, digits + points.grid_count);
  for (int i = points.grid_count; i < points.count; i++) r->dims[points.order[i]] = digits[i];
}

// Registers are made where their values are; shared buffers now.
static void place_values(rows *r) {
  for (int i = 0; i < r->count; i++) r->targets[i] = wf_draft_buffer(r->draft, r->members[i]->results[0]);
  wf_gpu_choose_homes(&r->team.block, r->members, r->count, r->shared, r->team.shape.lanes, r->width, r->homes);
  for (int i = 0; i < r->count; i++) {
    wf_value *value = r->members[i]->results[0];
    r->targets[i] = wf_draft_buffer(r->draft, value);
    if (r->homes[i] != WF_HOME_SHARED) continue;
    int64_t shape[WF_MAX_RANK + 1] = {r->team.teams};
    int rank = r->team.teams > 1;
    for (int a = r->shared; a < value->rank; a++) wf_dim_is_const(value->shape[a], &shape[rank++]);
    r->buffers[i] = wf_gpu_shared(&r->team.block, value->name, value->dtype, rank, shape);
    wf_draft_bind_team(r->draft, value, r->buffers[i], r->shared, r->team.teams > 1 ? r->team.team : NULL);
  }
}

void wf_gpu_rows(wf_draft *draft, wf_op **members, int count, int shared, int fastest, wf_gpu_teams teams) {
  rows r = {.draft = draft, .members = members, .count = count, .shared = shared};
  r.team.shape = teams;
  open_rows(&r, fastest);
  choose_width(&r);
  memcpy(r.own_members, members, sizeof *members * (size_t)count);
  r.members = r.own_members;
  r.count = wf_gpu_keep_operands(draft->function, r.members, count, WF_NEST_MEMBERS, shared, teams.lanes, r.width);
  place_values(&r);
  for (int i = 0; i < r.count;) {
    if (is_dead(&r, i)) i++;
    else if (is_scalar(&r, i)) emit_scalar(&r, i++);
    else i = emit_run(&r, i);
  }
}
