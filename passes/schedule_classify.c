// An axis is batch, M, N or K by the sides of the product in which it occurs; which side is broadcast and which is the
// vector side, and in which order composite axes run, is a choice by cost.
#include "passes/schedule.h"

enum { MAX_FACTORS = 16, WORTH_IT = 1 << 18 };   // multiply-adds below which plain loops do as well

enum { MOST_AXES = 24 };

// The axes under classification: the op's own, or digits of them.
typedef struct space {
  wf_module *module;
  wf_op *op;
  const wf_atom *outputs[MOST_AXES], *reductions[MOST_AXES];
  int output_count, reduction_count;
  const wf_dim *index[WF_MAX_RANK];      // of the result, over outputs
  const wf_expr *body;
  wf_binding refine[2 * WF_MAX_RANK]; int refine_count;
  uint64_t rows;                         // outputs that must be of m, as bits
} space;

typedef struct factor { const wf_expr *expr; uint64_t axes; } factor;   // axes: bit i for outputs[i], bit 32 + i for reductions[i]
typedef struct side { const wf_expr *expr; uint64_t axes; } side;

typedef struct axes_query { const space *space; uint64_t found; } axes_query;

static void find_axes(void *context, const wf_expr *node) {
  axes_query *query = context;
  if (node->op != WF_S_INDEX) return;
  const space *space = query->space;
  for (int i = 0; i < space->output_count; i++)
    if (wf_dim_mentions(node->dim, space->outputs[i])) query->found |= 1ull << i;
  for (int i = 0; i < space->reduction_count; i++)
    if (wf_dim_mentions(node->dim, space->reductions[i])) query->found |= 1ull << (32 + i);
}

static uint64_t axes_of(const space *space, const wf_expr *expr) {
  axes_query query = {space, 0};
  wf_expr_walk(expr, find_axes, &query);
  return query.found;
}

static bool is_zero(const wf_expr *expr) { return expr->op == WF_S_CONST && wf_expr_is_const(expr, 0); }

// body = f1 * f2 * ...;  select(c, f1 * f2, 0) ==> select(c, f1, 0) * f2 where f1 has the axes of c.
static bool collect_factors(const space *space, const wf_expr *expr, factor *out, int *count) {
  if (*count >= MAX_FACTORS) return false;
  if (expr->op == WF_S_MUL)
    return collect_factors(space, expr->args[0], out, count) && collect_factors(space, expr->args[1], out, count);
  if (expr->op == WF_S_SELECT && is_zero(expr->args[2])) {
    int from = *count;
    if (!collect_factors(space, expr->args[1], out, count)) return false;
    uint64_t wanted = axes_of(space, expr->args[0]);
    for (int i = from; i < *count; i++) {
      if ((out[i].axes & wanted) != wanted) continue;
      out[i].expr = wf_expr_select(space->module, expr->args[0], out[i].expr, expr->args[2]);
      return true;
    }
    *count = from;
  }
  out[(*count)++] = (factor){expr, axes_of(space, expr)};
  return true;
}

static void join(wf_module *module, side *to, const factor *from) {
  to->expr = to->expr ? wf_expr_binary(module, WF_S_MUL, to->expr, from->expr) : from->expr;
  to->axes |= from->axes;
}

// Each factor joins a side whose axes cover its own; factors with more axes come first.
static bool split_sides(const space *space, side *x, side *y) {
  factor factors[MAX_FACTORS];
  int count = 0;
  if (!collect_factors(space, space->body, factors, &count)) return false;
  for (int i = 1; i < count; i++)
    for (int j = i; j > 0 && __builtin_popcountll(factors[j].axes) > __builtin_popcountll(factors[j - 1].axes); j--) {
      factor swap = factors[j];
      factors[j] = factors[j - 1];
      factors[j - 1] = swap;
    }
  for (int i = 0; i < count; i++) {
    if (!x->expr || (factors[i].axes & ~x->axes) == 0) join(space->module, x, &factors[i]);
    else if (!y->expr || (factors[i].axes & ~y->axes) == 0) join(space->module, y, &factors[i]);
    else return false;
  }
  return x->expr && y->expr;
}

// The worst step of any read of the side that moves with the axis.
typedef struct step_query { wf_module *module; const wf_atom *axis; wf_access_step worst; } step_query;

static void find_step(void *context, const wf_expr *node) {
  step_query *query = context;
  if (node->op != WF_S_READ) return;
  wf_access_step step = wf_access_step_of(query->module, node, query->axis);
  if (step > query->worst) query->worst = step;
}

static wf_access_step step_along(wf_module *module, const wf_expr *expr, const wf_atom *axis) {
  step_query query = {module, axis, WF_ACCESS_FIXED};
  wf_expr_walk(expr, find_step, &query);
  return query.worst;
}

static void push_digit(wf_composite *composite, const wf_atom *axis) {
  composite->extent = composite->count ? wf_dim_mul(composite->extent, axis->extent) : axis->extent;
  composite->digits[composite->count++] = (wf_digit){axis, axis->extent, 1};
}

static const wf_layout *result_layout(const space *space) {
  const wf_value *value = space->op->results[0];
  return value->layout ? value->layout : wf_layout_row_major(space->module->dims, space->module->arena, value->rank, value->shape);
}

static double stride_in_result(const space *space, int output) {
  const wf_dim *step = NULL, *rest = NULL;
  const wf_dim *offset = wf_layout_offset(space->module->dims, result_layout(space), space->index);
  return offset && wf_dim_split(offset, space->outputs[output], &step, &rest) ? wf_draft_estimate(step) : 0;
}

// Output axes in `mask`, by falling stride in the result; `last` (an axis, or NULL) comes last.
static void gather_output(const space *space, uint64_t mask, const wf_atom *last, wf_composite *out) {
  int order[MOST_AXES], count = 0;
  for (int i = 0; i < space->output_count; i++) {
    if (!(mask >> i & 1) || space->outputs[i] == last) continue;
    int at = count++;
    while (at > 0 && stride_in_result(space, order[at - 1]) < stride_in_result(space, i)) {
      order[at] = order[at - 1];
      at--;
    }
    order[at] = i;
  }
  out->count = 0;
  out->extent = wf_dim_const(space->module->dims, 1);
  for (int i = 0; i < count; i++) push_digit(out, space->outputs[order[i]]);
  if (last) push_digit(out, last);
}

// Reduction axes as they stand, but the one along which A is contiguous last.
static void gather_reduction(const space *space, const wf_atom *last, wf_composite *out) {
  out->count = 0;
  out->extent = wf_dim_const(space->module->dims, 1);
  for (int i = 0; i < space->reduction_count; i++)
    if (space->reductions[i] != last) push_digit(out, space->reductions[i]);
  if (last) push_digit(out, last);
}

// Are copies along the last digit whole vectors of contiguous memory?
static bool runs_along(wf_module *module, const wf_expr *expr, const wf_composite *composite, int lanes) {
  if (composite->count == 0) return false;
  const wf_digit *last = &composite->digits[composite->count - 1];
  if (step_along(module, expr, last->axis) != WF_ACCESS_UNIT) return false;
  return composite->count == 1 || wf_dim_divisible(last->extent, lanes);
}

typedef struct guard_query { const wf_atom *axis; bool found; } guard_query;

static void find_guard(void *context, const wf_expr *node) {
  guard_query *query = context;
  if (node->op != WF_S_READ || !node->has_default) return;
  for (int i = 0; i < node->operand->rank; i++) {
    const wf_expr *index = node->args[i];
    if (index->op == WF_S_INDEX && wf_dim_mentions(index->dim, query->axis) && index->dim != query->axis->as_dim) query->found = true;
  }
}

static bool guarded_along(const wf_expr *expr, const wf_composite *composite) {
  if (composite->count == 0) return false;
  guard_query query = {composite->digits[composite->count - 1].axis, false};
  wf_expr_walk(expr, find_guard, &query);
  return query.found;
}

static double extent_of(const wf_composite *composite) { return composite->count ? wf_draft_estimate(composite->extent) : 1; }

static double padded(double extent, int tile) {
  double tiles = (double)(int64_t)((extent + tile - 1) / tile);
  return tiles * tile;
}

// In units of one vector operation.
double wf_contraction_cost(wf_module *module, const wf_contraction *c, wf_tile_target target) {
  if (target.gpu) return wf_gpu_contraction_cost(module, c, target);
  int lanes = target.vector_bytes / 4, mr = target.rows, nr = target.vectors * lanes;
  double m = extent_of(&c->m), n = extent_of(&c->n), k = extent_of(&c->k), batch = extent_of(&c->batch);
  double compute = padded(m, m < mr ? (int)m : mr) * padded(n, nr) * k / (2.0 * lanes);
  double copy_a = m * k * (c->a_runs ? (c->a_guarded ? 5.0 : 2.0) / lanes : 2.5) * (double)(int64_t)((n + 511) / 512);
  double copy_b = n * k * (c->b_runs ? (c->b_guarded ? 5.0 : 2.0) / lanes : 2.5);
  double store = m * n * (c->c_runs ? 1.0 / lanes : 2.5);
  return batch * (compute + copy_a + copy_b + store);
}

static wf_access_step step_of_result(const space *space, const wf_composite *n) {
  return wf_access_step_of_value(space->module, space->op->results[0], space->index, n->digits[n->count - 1].axis);
}

// Copies and stores of the host are vectors along the last digit.
static void describe_for_host(const space *space, int lanes, wf_contraction *c) {
  wf_module *module = space->module;
  bool along_k = runs_along(module, c->a, &c->k, lanes), along_m = runs_along(module, c->a, &c->m, lanes);
  c->a_along_m = along_m && !along_k;
  c->a_runs = along_k || along_m;
  c->a_guarded = guarded_along(c->a, c->a_along_m ? &c->m : &c->k);
  c->b_guarded = guarded_along(c->b, &c->n);
  c->b_runs = runs_along(module, c->b, &c->n, 2 * lanes);
  c->c_runs = step_of_result(space, &c->n) == WF_ACCESS_UNIT &&
              (c->n.count == 1 || wf_dim_divisible(c->n.digits[c->n.count - 1].extent, 2 * lanes));
}

// Those of a GPU are neighbouring threads at neighbouring elements, whatever the extents.
static void describe_for_gpu(const space *space, wf_contraction *c) {
  wf_module *module = space->module;
  bool a_along_k = runs_along(module, c->a, &c->k, 1), b_along_k = runs_along(module, c->b, &c->k, 1);
  bool a_along_m = runs_along(module, c->a, &c->m, 1), b_along_n = runs_along(module, c->b, &c->n, 1);
  c->a_along_m = a_along_m || !a_along_k;
  c->b_along_k = b_along_k && !b_along_n;
  c->a_runs = a_along_k || a_along_m;
  c->b_runs = b_along_k || b_along_n;
  c->a_guarded = guarded_along(c->a, c->a_along_m ? &c->m : &c->k);
  c->b_guarded = guarded_along(c->b, c->b_along_k ? &c->k : &c->n);
  c->c_runs = step_of_result(space, &c->n) == WF_ACCESS_UNIT;
}

static void try_order(const space *space, wf_tile_target target, const side *a, const side *b, const wf_atom *last_m,
                      const wf_atom *last_n, const wf_atom *last_k, wf_contraction *best, double *best_cost) {
  wf_module *module = space->module;
  uint64_t outputs = (1ull << space->output_count) - 1;
  wf_contraction c = {.op = space->op, .a = a->expr, .b = b->expr, .refine_count = space->refine_count};
  memcpy(c.refine, space->refine, sizeof c.refine);
  gather_output(space, outputs & a->axes & b->axes, NULL, &c.batch);
  gather_output(space, outputs & a->axes & ~b->axes, last_m, &c.m);
  gather_output(space, outputs & b->axes & ~a->axes, last_n, &c.n);
  gather_reduction(space, last_k, &c.k);
  if (target.gpu) describe_for_gpu(space, &c);
  else describe_for_host(space, target.vector_bytes / 4, &c);
  double cost = wf_contraction_cost(module, &c, target);
  if (cost >= *best_cost) return;
  *best_cost = cost;
  *best = c;
}

static void try_sides(const space *space, wf_tile_target target, const side *a, const side *b, wf_contraction *best, double *best_cost) {
  uint64_t m_axes = a->axes & ~b->axes, n_axes = b->axes & ~a->axes;
  if (space->rows & ~m_axes) return;
  // later axes first: between equals the order of storage stays
  for (int m = space->output_count - 1; m >= 0; m--) {
    if (!(m_axes >> m & 1)) continue;
    for (int n = space->output_count - 1; n >= 0; n--) {
      if (!(n_axes >> n & 1)) continue;
      for (int k = space->reduction_count - 1; k >= 0; k--)
        try_order(space, target, a, b, space->outputs[m], space->outputs[n], space->reductions[k], best, best_cost);
    }
  }
}

// ---- axes and their digits --------------------------------------------------------------------------------------

typedef struct radix_query { const wf_atom *axis; int64_t found[4]; int count; } radix_query;

static void find_radix_in(radix_query *query, const wf_dim *dim) {
  for (int t = 0; t < dim->term_count; t++)
    for (int f = 0; f < dim->terms[t].factor_count; f++) {
      const wf_atom *atom = dim->terms[t].factors[f];
      int64_t divisor;
      if (atom->kind != WF_ATOM_FLOORDIV || wf_dim_as_atom(atom->numerator) != query->axis) continue;
      if (!wf_dim_is_const(atom->denominator, &divisor)) continue;
      int at = 0;
      while (at < query->count && query->found[at] < divisor) at++;
      if ((at < query->count && query->found[at] == divisor) || query->count == 4) continue;
      memmove(&query->found[at + 1], &query->found[at], sizeof *query->found * (size_t)(query->count - at));
      query->found[at] = divisor;
      query->count++;
    }
}

static void find_radix(void *context, const wf_expr *node) {
  if (node->op == WF_S_INDEX) find_radix_in(context, node->dim);
}

// axis (extent e) ==> digits for the radices c1 | c2 | .. | e with which the body takes it apart. Returns their count, 1: none.
static int digits_of_axis(space *space, const wf_atom *axis, const wf_atom **out) {
  radix_query query = {.axis = axis};
  int64_t extent;
  out[0] = axis;
  if (!wf_dim_is_const(axis->extent, &extent) || space->refine_count == 2 * WF_MAX_RANK) return 1;
  wf_expr_walk(space->op->body, find_radix, &query);
  if (query.count == 0 || query.count == 4) return 1;
  query.found[query.count] = extent;
  int64_t below = 1;
  for (int i = 0; i <= query.count; i++) {
    if (query.found[i] % below || query.found[i] == below) return 1;
    below = query.found[i];
  }
  const wf_dim *value = wf_dim_const(space->module->dims, 0);
  below = 1;
  for (int i = 0; i <= query.count; i++) {
    const wf_dim *digit = wf_dim_axis(space->module->dims, axis->name, wf_dim_const(space->module->dims, query.found[i] / below));
    value = wf_dim_add(value, wf_dim_scale(digit, below));
    out[query.count - i] = wf_dim_as_atom(digit);
    below = query.found[i];
  }
  space->refine[space->refine_count++] = (wf_binding){axis, value};
  return query.count + 1;
}

static void start_space(space *space, wf_module *module, wf_op *op, bool refine) {
  *space = (struct space){.module = module, .op = op, .body = op->body};
  for (int i = 0; i < op->axis_count; i++) {
    space->index[i] = op->axes[i]->as_dim;
    if (refine) space->output_count += digits_of_axis(space, op->axes[i], &space->outputs[space->output_count]);
    else space->outputs[space->output_count++] = op->axes[i];
  }
  for (int i = 0; i < op->reduction_count; i++) {
    if (refine) space->reduction_count += digits_of_axis(space, op->reduction_axes[i], &space->reductions[space->reduction_count]);
    else space->reductions[space->reduction_count++] = op->reduction_axes[i];
  }
  if (space->refine_count == 0) return;
  space->body = wf_expr_rewrite(module, op->body, space->refine, space->refine_count, NULL, NULL);
  for (int i = 0; i < op->axis_count; i++) space->index[i] = wf_dim_substitute(space->index[i], space->refine, space->refine_count);
}

// False where one of the axes has been taken apart.
static bool keep_rows(space *space, const wf_atom *const *rows, int count) {
  for (int r = 0; r < count; r++) {
    uint64_t before = space->rows;
    for (int i = 0; i < space->output_count; i++)
      if (space->outputs[i] == rows[r]) space->rows |= 1ull << i;
    if (space->rows == before) return false;
  }
  return true;
}

// An axis of extent 1 that nobody reads by (the window of a 1x1 convolution's gradient) belongs to either side.
static void adopt_unit_axes(const space *space, side *x, const side *y) {
  uint64_t read = x->axes | y->axes;
  for (int i = 0; i < space->output_count; i++)
    if (!(read >> i & 1) && wf_dim_equals_const(space->outputs[i]->extent, 1)) x->axes |= 1ull << i;
  for (int i = 0; i < space->reduction_count; i++)
    if (!(read >> (32 + i) & 1) && wf_dim_equals_const(space->reductions[i]->extent, 1)) x->axes |= 1ull << (32 + i);
}

static bool classify(const space *space, wf_tile_target target, wf_contraction *out, double *best_cost) {
  side x = {0}, y = {0};
  if (!split_sides(space, &x, &y)) return false;
  adopt_unit_axes(space, &x, &y);
  uint64_t outputs = (1ull << space->output_count) - 1, reductions = ((1ull << space->reduction_count) - 1) << 32;
  if (((x.axes | y.axes) & outputs) != outputs || ((x.axes | y.axes) & reductions) != reductions) return false;
  if (!(x.axes & ~y.axes & outputs) || !(y.axes & ~x.axes & outputs)) return false;
  if (!(x.axes & y.axes & reductions)) return false;
  try_sides(space, target, &x, &y, out, best_cost);
  try_sides(space, target, &y, &x, out, best_cost);
  return true;
}

bool wf_classify_contraction(wf_module *module, wf_op *op, wf_tile_target target, wf_contraction *out) {
  return wf_classify_rows(module, op, target, NULL, 0, out);
}

bool wf_classify_rows(wf_module *module, wf_op *op, wf_tile_target target, const wf_atom *const *rows, int row_count, wf_contraction *out) {
  if (op->kind != WF_O_COMPUTE || op->combiner != WF_R_SUM || op->reduction_count == 0) return false;
  if (op->accumulator != WF_F32 && op->accumulator != WF_F64) return false;
  if (op->body->dtype != op->accumulator || op->axis_count + op->reduction_count > 12) return false;
  double best_cost = 1e300;
  space space;
  start_space(&space, module, op, false);
  if (keep_rows(&space, rows, row_count)) classify(&space, target, out, &best_cost);
  start_space(&space, module, op, true);
  if (space.refine_count && space.output_count + space.reduction_count <= 12 && keep_rows(&space, rows, row_count))
    classify(&space, target, out, &best_cost);
  if (best_cost >= 1e300) return false;
  double work = extent_of(&out->m) * extent_of(&out->n) * extent_of(&out->k) * extent_of(&out->batch);
  return work >= WORTH_IT && extent_of(&out->n) >= target.vector_bytes / 4 && extent_of(&out->m) >= 2 && extent_of(&out->k) >= 8;
}

double wf_schedule_cost(wf_module *module, wf_op *op, wf_tile_target target) {
  wf_contraction c;
  if (wf_classify_contraction(module, op, target, &c)) return wf_contraction_cost(module, &c, target);
  return op->kind == WF_O_COMPUTE ? wf_draft_nest_cost(module, op, target) : 0;
}
