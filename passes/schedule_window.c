// Windows over the points of a contraction: a max pool, say, made from the block of C that a task has on chip.
//
//   C[n, o, i, j] = ...;   P[n, o, y, x] = max[r, s] C[n, o, 2*y + r, 2*x + s]
//
// What makes P a window of C is its index map alone: it brings every point of C to exactly one point of P and of its reduction
// (ir/affine.h inverts it), and along each axis of C the points of one window are neighbours. Rows of m from the outermost axis with
// windows on then come in runs that hold whole windows, and blocks of m are multiples of such a run.
#include "ir/affine.h"
#include "passes/draft_point.h"
#include "passes/schedule.h"

enum { MOST_ROWS = 256, MOST_WINDOW_MEMBERS = 32, ENOUGH_TASKS = 8 };
#define TRIP 4.0                 // vector operations that a vector's way to memory or back is worth

// ---- which reductions are windows -------------------------------------------------------------------------------

typedef struct map_query { wf_op *const *points; int point_count; const wf_expr *first; bool fine; } map_query;

static bool is_made(wf_op *const *ops, int count, const wf_value *value) {
  for (int i = 0; i < count; i++)
    if (ops[i]->results[0] == value) return true;
  return false;
}

// All reads of C's points by one op have the same plain indices.
static void note_map(void *context, const wf_expr *node) {
  map_query *query = context;
  if (node->op != WF_S_READ || !is_made(query->points, query->point_count, node->operand)) return;
  if (node->has_default) query->fine = false;
  if (!query->first) query->first = node;
  for (int i = 0; i < node->operand->rank; i++)
    if (node->args[i]->op != WF_S_INDEX || node->args[i] != query->first->args[i]) query->fine = false;
}

// The one axis of the list that the index mentions, -1: none, -2: several.
static int axis_in(const wf_dim *index, const wf_atom *const *axes, int count) {
  int found = -1;
  for (int i = 0; i < count; i++)
    if (wf_dim_mentions(index, axes[i])) found = found == -1 ? i : -2;
  return found;
}

static bool is_bijection(wf_module *module, const wf_op *op, const wf_op *point, const wf_dim *const *maps) {
  const wf_atom *axes[2 * WF_MAX_RANK];
  int count = 0;
  for (int i = 0; i < op->axis_count; i++) axes[count++] = op->axes[i];
  for (int i = 0; i < op->reduction_count; i++) axes[count++] = op->reduction_axes[i];
  wf_inverse inverse;
  return wf_affine_invert(module->dims, module->arena, maps, point->axes, point->axis_count, axes, count, &inverse) &&
         inverse.free_count == 0 && inverse.guard_count == 0;
}

// Reads of C by one reduction: one map, a bijection, neighbours along each axis.
static bool find_map(wf_module *module, wf_op *const *points, int point_count, const wf_op *op, wf_windows *out) {
  map_query query = {points, point_count, NULL, true};
  wf_expr_walk(op->body, note_map, &query);
  if (!query.fine || !query.first) return false;
  const wf_op *point = points[0];
  const wf_dim *maps[WF_MAX_RANK];
  for (int d = 0; d < point->axis_count; d++) {
    const wf_dim *step, *rest;
    maps[d] = query.first->args[d]->dim;
    out->size[d] = 1;
    out->outer[d] = axis_in(maps[d], op->axes, op->axis_count);
    out->inner[d] = axis_in(maps[d], op->reduction_axes, op->reduction_count);
    if (out->outer[d] == -2 || out->inner[d] == -2) return false;
    if (out->inner[d] < 0) continue;
    const wf_atom *axis = op->reduction_axes[out->inner[d]];
    if (!wf_dim_is_const(axis->extent, &out->size[d])) return false;
    if (!wf_dim_split(maps[d], axis, &step, &rest) || !wf_dim_equals_const(step, 1)) return false;
  }
  return is_bijection(module, op, point, maps);
}

static bool same_map(const wf_windows *a, const wf_windows *b, int rank) {
  for (int d = 0; d < rank; d++)
    if (a->size[d] != b->size[d] || a->outer[d] != b->outer[d] || a->inner[d] != b->inner[d]) return false;
  return true;
}

bool wf_find_windows(wf_module *module, wf_op *const *points, int point_count, wf_op *const *members, int count, wf_windows *out) {
  if (count == 0 || count > MOST_WINDOW_MEMBERS || members[0]->kind != WF_O_COMPUTE || members[0]->combiner == WF_R_NONE) return false;
  for (int i = 0; i < count; i++) {
    const wf_op *member = members[i];
    wf_windows map;
    if (member->kind != WF_O_COMPUTE || !wf_same_points(member, members[0])) return false;
    bool reads_points = false;
    for (int k = 0; k < member->operand_count; k++) {
      reads_points |= is_made(points, point_count, member->operands[k]);
      if (is_made(members, count, member->operands[k]) && !wf_reads_at(member, member->operands[k], member->axis_count)) return false;
    }
    if (member->combiner == WF_R_NONE ? reads_points : !find_map(module, points, point_count, member, &map)) return false;
    if (member->combiner == WF_R_NONE) continue;
    if (i > 0 && !same_map(out, &map, points[0]->axis_count)) return false;
    *out = map;
  }
  out->members = members;
  out->count = count;
  for (int d = 0; d < points[0]->axis_count; d++)
    if (out->size[d] > 1) return true;
  return false;
}

// Rows: at most one axis beyond the leading ones that all members share.
static bool are_rows(wf_op *const *members, int count) {
  int shared = members[0]->axis_count, most = shared;
  for (int i = 1; i < count; i++) {
    if (members[i]->axis_count < shared) shared = members[i]->axis_count;
    if (members[i]->axis_count > most) most = members[i]->axis_count;
    for (int a = 0; a < shared; a++)
      if (members[i]->axes[a]->extent != members[0]->axes[a]->extent) shared = a;
  }
  return shared > 0 && most - shared <= 1;
}

bool wf_part_windows(wf_module *module, wf_tile_target target, wf_op **members, int count, int *out_point_count, wf_windows *out) {
  wf_contraction ignored;
  wf_op **parted = WF_NEW_ARRAY(module->arena, wf_op *, count);
  int points = 0, others = 0;
  if (members[0]->kind != WF_O_COMPUTE || members[0]->combiner != WF_R_SUM) return false;
  if (are_rows(members, count) && !wf_classify_contraction(module, members[0], target, &ignored)) return false;
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < count; i++) {
      bool point = i == 0 || (members[i]->kind == WF_O_COMPUTE && members[i]->combiner == WF_R_NONE && wf_same_points(members[i], members[0]));
      if (point == (pass == 0)) parted[points + others] = members[i];
      points += point && pass == 0;
      others += !point && pass == 1;
    }
  for (int i = 0; i < points; i++)
    for (int k = 0; k < parted[i]->operand_count; k++)
      if (is_made(parted + points, others, parted[i]->operands[k])) return false;
  if (!wf_find_windows(module, parted, points, parted + points, others, out)) return false;
  memcpy(members, parted, sizeof *members * (size_t)count);
  out->members = members + points;
  *out_point_count = points;
  return true;
}

// ---- whether the schedule takes them ----------------------------------------------------------------------------

// The digit of m that counts the points inside windows along axis d: its last; -1: none.
static int window_digit(const wf_contraction *c, int d) {
  for (int i = c->m.count - 1; i >= 0; i--)
    if (c->m.digits[i].axis == c->op->axes[d]) return i;
  return -1;
}

static int64_t size_at(const wf_contraction *c, const wf_windows *windows, int digit) {
  for (int d = 0; d < c->op->axis_count; d++)
    if (windows->size[d] > 1 && window_digit(c, d) == digit) return windows->size[d];
  return 1;
}

static int first_window_digit(const wf_contraction *c, const wf_windows *windows) {
  for (int i = 0; i < c->m.count; i++)
    if (size_at(c, windows, i) > 1) return i;
  return -1;
}

static int lane_axis(const wf_contraction *c) {
  for (int d = 0; d < c->op->axis_count; d++)
    if (c->op->axes[d] == c->n.digits[0].axis) return d;
  return -1;
}

// Rows of m that hold whole windows; false where windows leave m or the panels' lanes are not one axis.
static bool place(const wf_contraction *c, wf_windows *windows) {
  int64_t extent;
  if (c->n.count != 1 || lane_axis(c) < 0 || windows->outer[lane_axis(c)] < 0 || !wf_dim_is_const(c->n.extent, &extent)) return false;
  for (int d = 0; d < c->op->axis_count; d++)
    if (windows->size[d] > 1 && window_digit(c, d) < 0) return false;
  int first = first_window_digit(c, windows);
  windows->rows = size_at(c, windows, first);
  for (int i = first; i < c->m.count; i++) {
    if (!wf_dim_is_const(c->m.digits[i].extent, &extent) || extent % size_at(c, windows, i)) return false;
    if (i > first) windows->rows *= extent;
    if (windows->rows > MOST_ROWS) return false;
  }
  return true;
}

static double estimate(const wf_composite *composite) { return composite->count ? wf_draft_estimate(composite->extent) : 1; }

// A row of tiles beyond those of the block costs its multiplications; a kernel of their own would read C once more, and have
// it stored. Where too few tasks are left, cutting k is worth more.
static bool pays(const wf_contraction *c, const wf_contraction_plan *plan, bool kept) {
  double rows = (plan->mc + plan->mr - 1) / plan->mr * plan->mr, waste = rows / plan->mc - 1;
  double tasks = estimate(&c->m) / plan->mc * ((estimate(&c->n) + plan->nc - 1) / plan->nc) * estimate(&c->batch);
  if (tasks < ENOUGH_TASKS && estimate(&c->k) >= WF_LONG_SUM) return false;
  return waste * estimate(&c->k) / 2 < (kept ? TRIP : 2 * TRIP);
}

bool wf_fit_windows(wf_module *module, wf_op *op, wf_tile_target target, bool kept, bool laid_out, wf_windows *windows,
                    wf_contraction *out_c, wf_contraction_plan *out_plan) {
  const wf_atom *rows[WF_MAX_RANK];
  int count = 0;
  if (target.gpu) return false;   // the contraction schedule of GPUs stores C
  for (int d = 0; d < op->axis_count; d++)
    if (windows->size[d] > 1) rows[count++] = op->axes[d];
  if (!wf_classify_rows(module, op, target, rows, count, out_c) || !place(out_c, windows)) return false;
  if (!laid_out) out_c->a_along_m = false;   // layouts will let copies of A run along k where they can
  *out_plan = wf_plan_windows(module, out_c, target, windows->rows);
  return place(out_c, windows) && pays(out_c, out_plan, kept);   // digits may have been split
}

// ---- their code -------------------------------------------------------------------------------------------------

static const wf_dim *number(const wf_contract *contract, int64_t value) { return wf_dim_const(contract->draft->module->dims, value); }

static bool reads(const wf_op *op, const wf_value *value) {
  for (int k = 0; k < op->operand_count; k++)
    if (op->operands[k] == value) return true;
  return false;
}

void wf_open_windows(wf_contract *contract, wf_block *block, const wf_windows *windows, const wf_contraction_plan *plan, wf_value **out_blocks) {
  const wf_dim *shape[] = {number(contract, plan->mc), number(contract, plan->nr)};
  for (int i = 0; i < contract->member_count; i++) {
    const wf_value *value = contract->members[i]->results[0];
    for (int w = 0; w < windows->count && !out_blocks[i]; w++)
      if (reads(windows->members[w], value))
        out_blocks[i] = wf_stmt_alloc(contract->draft->kernel, block, value->name, WF_SPACE_LOCAL, value->dtype, 2, shape, NULL);
  }
}

typedef struct redirect_query {
  wf_contract *contract;
  const wf_windows *windows;
  const wf_op *op;
  const wf_dim *row, *column;    // of the window's first point, of the panel's first lane
  int64_t strides[WF_MAX_RANK];  // by axis of C: rows of one step inside a window
} redirect_query;

// C[map(q, w)] ==> block[row + w, lane]
static const wf_expr *read_block(void *context, const wf_expr *node) {
  const redirect_query *q = context;
  const wf_contraction *c = q->contract->c;
  if (node->op != WF_S_READ) return NULL;
  for (int i = 0; i < q->contract->member_count; i++) {
    if (node->operand != q->contract->members[i]->results[0]) continue;
    const wf_dim *row = q->row;
    for (int d = 0; d < c->op->axis_count; d++)
      if (q->windows->size[d] > 1)
        row = wf_dim_add(row, wf_dim_scale(q->op->reduction_axes[q->windows->inner[d]]->as_dim, q->strides[d]));
    const wf_dim *lane = wf_dim_sub(q->op->axes[q->windows->outer[lane_axis(c)]]->as_dim, q->column), *at[] = {row, lane};
    return wf_expr_read_dims(q->contract->draft->module, q->contract->blocks[i], at, NULL);
  }
  return NULL;
}

// Loops over the windows of a block; binds the axes of m at the first point of each, which stands in row query->row.
static wf_block *open_each_window(wf_contract *contract, wf_block *block, const wf_windows *windows, const wf_contraction_plan *plan,
                                  const wf_dim *m_block, redirect_query *query) {
  const wf_composite *m = &contract->c->m;
  int first = first_window_digit(contract->c, windows);
  const wf_dim *unit, *values[WF_MAX_DIGITS], *inside;
  int64_t runs = plan->mc / windows->rows, stride = windows->rows / size_at(contract->c, windows, first), extent;
  block = wf_contract_open(contract, block, WF_BIND_SERIAL, m->digits[first].axis->name, number(contract, runs), &unit);
  query->row = wf_dim_scale(unit, windows->rows);
  block = wf_contract_guard(contract, block, wf_dim_add(wf_dim_scale(m_block, plan->mc), query->row), m->extent, plan->mc);
  wf_composite outer = *m;
  outer.digits[first].extent = wf_dim_exact_div(m->digits[first].extent, number(contract, size_at(contract->c, windows, first)));
  wf_contract_digits(&outer, first + 1, wf_dim_add(wf_dim_scale(m_block, runs), unit), values);
  for (int i = first; i < m->count; i++) {
    int64_t size = size_at(contract->c, windows, i);
    if (i > first) {
      wf_dim_is_const(m->digits[i].extent, &extent);
      block = wf_contract_open(contract, block, WF_BIND_SERIAL, m->digits[i].axis->name, number(contract, extent / size), &inside);
      stride /= extent;
      query->row = wf_dim_add(query->row, wf_dim_scale(inside, size * stride));
      values[i] = inside;
    }
    values[i] = wf_dim_scale(values[i], size);
    for (int d = 0; d < contract->c->op->axis_count; d++)
      if (size > 1 && window_digit(contract->c, d) == i) query->strides[d] = stride;
  }
  wf_contract_bind(contract, m, values);
  return block;
}

static void emit_lanes(wf_contract *contract, wf_block *block, const wf_windows *windows, redirect_query *query, const wf_dim *start, int lanes) {
  wf_module *module = contract->draft->module;
  const wf_contraction *c = contract->c;
  wf_op **copies = WF_NEW_ARRAY(module->arena, wf_op *, windows->count);
  for (int i = 0; i < windows->count; i++) {
    copies[i] = WF_NEW(module->arena, wf_op);
    *copies[i] = *windows->members[i];
    query->op = windows->members[i];
    copies[i]->body = wf_expr_rewrite(module, copies[i]->body, NULL, 0, read_block, query);
  }
  wf_nest nest = {.members = copies, .member_count = windows->count};
  wf_nest_plan plan;
  wf_nest_plan_init(&plan, contract->draft, &nest);
  plan.lanes = lanes;
  plan.lane_axis = windows->outer[lane_axis(c)];
  for (int a = 0; a < copies[0]->axis_count; a++) plan.dims[a] = number(contract, 0);
  for (int d = 0; d < c->op->axis_count; d++) {
    if (windows->outer[d] < 0) continue;
    const wf_dim *own = wf_dim_substitute(c->op->axes[d]->as_dim, c->refine, c->refine_count);
    own = wf_dim_substitute(own, contract->list, contract->count);
    plan.dims[windows->outer[d]] = d == lane_axis(c) ? start : wf_dim_floordiv(own, number(contract, windows->size[d]));
  }
  wf_nest_point(&plan, block, lanes);
}

void wf_build_windows(wf_contract *contract, wf_block *block, const wf_windows *windows, const wf_contraction_plan *plan,
                      const wf_dim *m_block, const wf_dim *column) {
  redirect_query query = {.contract = contract, .windows = windows, .column = column};
  wf_module *module = contract->draft->module;
  block = open_each_window(contract, block, windows, plan, m_block, &query);
  int64_t extent = 0;
  wf_dim_is_const(contract->c->n.extent, &extent);
  int64_t rest = extent % plan->nr;
  wf_block *full = block, *last = block;
  if (rest && extent > plan->nr) {
    const wf_dim *end = wf_dim_offset(column, plan->nr - 1);
    full = wf_stmt_if(contract->draft->kernel, block, wf_contract_below(contract, end, contract->c->n.extent));
    last = wf_stmt_if(contract->draft->kernel, block, wf_expr_binary(module, WF_S_GE, wf_expr_index(module, end), wf_expr_index(module, contract->c->n.extent)));
  }
  if (extent >= plan->nr) emit_lanes(contract, full, windows, &query, column, plan->nr);
  int64_t done = 0;
  for (int lanes = plan->nr; rest && lanes >= 1; lanes /= 2) {   // a ragged last panel
    if (lanes == 2) continue;
    for (; rest - done >= lanes; done += lanes) emit_lanes(contract, last, windows, &query, wf_dim_offset(column, done), lanes);
  }
}
