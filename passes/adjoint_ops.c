// Adjoints of compute, scatter and sort: what the cotangent of a result is worth at a point of the forward operation; the
// body and its reads do the rest.
#include "passes/clone_ops.h"
#include "passes/differentiate.h"

typedef struct points { const wf_atom **axes; int count; } points;   // of the forward operation: parallel, then reduction

static points points_of(wf_tape *tape, const wf_op *op) {
  points all = {WF_NEW_ARRAY(tape->arena, const wf_atom *, op->axis_count + op->reduction_count), 0};
  for (int i = 0; i < op->axis_count; i++) all.axes[all.count++] = op->axes[i];
  for (int i = 0; i < op->reduction_count; i++) all.axes[all.count++] = op->reduction_axes[i];
  return all;
}

// The linear index of the point over these axes, in their order.
static const wf_dim *linear_index(wf_module *module, const wf_atom *const *axes, int count) {
  const wf_dim *linear = wf_dim_const(module->dims, 0);
  for (int i = 0; i < count; i++) linear = wf_dim_add(wf_dim_mul(linear, axes[i]->extent), axes[i]->as_dim);
  return linear;
}

static const wf_expr *read_at_axes(wf_module *module, wf_value *value, const wf_atom *const *axes) {
  const wf_dim *indices[WF_MAX_RANK];
  for (int i = 0; i < value->rank; i++) indices[i] = axes[i]->as_dim;
  return wf_expr_read_dims(module, value, indices, NULL);
}

// The body over fresh axes; out_bindings gets old -> new.
static const wf_expr *body_over(wf_tape *tape, const wf_op *op, const wf_atom *const *from, const wf_atom **out_to, int count) {
  wf_binding *bindings = WF_NEW_ARRAY(tape->arena, wf_binding, count);
  for (int i = 0; i < count; i++) {
    out_to[i] = wf_new_axis(tape->module, from[i]->name, from[i]->extent);
    bindings[i] = (wf_binding){from[i], out_to[i]->as_dim};
  }
  return wf_expr_rewrite(tape->module, op->body, bindings, count, NULL, NULL);
}

// ---- reductions ---------------------------------------------------------------------------------------------------

// The type that holds the linear index of a reduction's point: u8 where the window has at most 256 points.
static wf_dtype index_type(wf_module *module, const wf_op *op) {
  const wf_dim *window = wf_dim_const(module->dims, 1);
  for (int i = 0; i < op->reduction_count; i++) window = wf_dim_mul(window, op->reduction_axes[i]->extent);
  return wf_dim_range(window).high <= 256 ? WF_U8 : WF_I64;
}

// max, min: the whole cotangent goes to the first point that attains it.
//   %y[i] = max[r] f   ==>   %y.argmax[i] = argmax[r] f;  d_f[i, r] = select(%y.argmax[i] == r, d_y[i], 0)
static const wf_expr *seed_extremum(wf_tape *tape, const wf_op *op, const wf_expr *cotangent) {
  wf_module *module = tape->module;
  points all = points_of(tape, op);
  const wf_atom **axes = WF_NEW_ARRAY(module->arena, const wf_atom *, all.count);
  const wf_expr *body = body_over(tape, op, all.axes, axes, all.count);
  bool max = op->combiner == WF_R_MAX;
  const char *name = wf_arena_printf(tape->arena, "%s.%s", op->results[0]->name, max ? "argmax" : "argmin");
  wf_value *saved = wf_build_compute(tape->function, name, index_type(module, op), axes, op->axis_count, max ? WF_R_ARGMAX : WF_R_ARGMIN,
                                     axes + op->axis_count, op->reduction_count, body, op->loc);
  const wf_expr *here = wf_expr_index(module, linear_index(module, op->reduction_axes, op->reduction_count));
  const wf_expr *winner = wf_expr_cast(module, WF_I64, read_at_axes(module, saved, op->axes));
  const wf_expr *wins = wf_expr_binary(module, WF_S_EQ, winner, here);
  return wf_expr_select(module, wins, cotangent, wf_zero(module, cotangent->dtype));
}

// prod: the product of the other points, which is right where some of them are zero too.
//   %y[i] = prod[r] f[i, r]   ==>   %y.others[i, r] = prod[r'] select(r' == r, 1, f[i, r']);  d_f = d_y[i] * %y.others[i, r]
static const wf_expr *seed_product(wf_tape *tape, const wf_op *op, const wf_expr *cotangent) {
  wf_module *module = tape->module;
  points all = points_of(tape, op);
  int count = all.count + op->reduction_count;
  const wf_atom **axes = WF_NEW_ARRAY(module->arena, const wf_atom *, count);
  // fresh: parallel axes, the point left out, then the points multiplied
  const wf_atom **fresh = WF_NEW_ARRAY(tape->arena, const wf_atom *, all.count);
  const wf_expr *body = body_over(tape, op, all.axes, fresh, all.count);
  for (int i = 0; i < op->axis_count; i++) axes[i] = fresh[i];
  for (int i = 0; i < op->reduction_count; i++) {
    axes[op->axis_count + i] = wf_new_axis(module, op->reduction_axes[i]->name, op->reduction_axes[i]->extent);
    axes[all.count + i] = fresh[op->axis_count + i];
  }
  const wf_expr *left_out = wf_expr_index(module, linear_index(module, axes + op->axis_count, op->reduction_count));
  const wf_expr *here = wf_expr_index(module, linear_index(module, axes + all.count, op->reduction_count));
  body = wf_expr_select(module, wf_expr_binary(module, WF_S_EQ, left_out, here), wf_expr_const(module, body->dtype, 1), body);
  const char *name = wf_arena_printf(tape->arena, "%s.others", op->results[0]->name);
  wf_value *others = wf_build_compute(tape->function, name, op->results[0]->dtype, axes, all.count, WF_R_PROD, axes + all.count,
                                      op->reduction_count, body, op->loc);
  return wf_expr_binary(module, WF_S_MUL, cotangent, read_at_axes(module, others, all.axes));
}

static const wf_expr *seed_of(wf_tape *tape, const wf_op *op, const wf_expr *cotangent) {
  switch (op->combiner) {
    case WF_R_NONE: case WF_R_SUM: return cotangent;
    case WF_R_MAX: case WF_R_MIN: return seed_extremum(tape, op, cotangent);
    case WF_R_PROD: return seed_product(tape, op, cotangent);
    case WF_R_ARGMAX: case WF_R_ARGMIN: case WF_COMBINER_COUNT: break;  // integer results are never active
  }
  return NULL;
}

// ---- bodies -----------------------------------------------------------------------------------------------------

static void adjoint_of_body(wf_tape *tape, const wf_op *op, const wf_expr *seed) {
  points all = points_of(tape, op);
  wf_read_cotangent *list;
  bool pointwise = op->kind == WF_O_COMPUTE && op->combiner == WF_R_NONE;
  const wf_expr *stored = pointwise ? read_at_axes(tape->module, op->results[0], op->axes) : NULL;
  int count = wf_body_cotangents(tape, op, stored, seed, &list);
  for (int i = count - 1; i >= 0; i--) wf_adjoint_read(tape, op, all.axes, all.count, list[i].read, list[i].cotangent);
}

bool wf_adjoint_compute(wf_tape *tape, wf_op *op) {
  const wf_dim *indices[WF_MAX_RANK];
  for (int i = 0; i < op->axis_count; i++) indices[i] = op->axes[i]->as_dim;
  const wf_expr *cotangent = wf_tape_read_dims(tape, op->results[0], indices);
  const wf_expr *seed = wf_expr_is_const(cotangent, 0) ? NULL : seed_of(tape, op, cotangent);
  if (seed) adjoint_of_body(tape, op, seed);
  return true;
}

// ---- scatter ----------------------------------------------------------------------------------------------------

static const wf_expr *equals(wf_module *module, const wf_expr *a, const wf_expr *b) { return wf_expr_binary(module, WF_S_EQ, a, b); }

static const wf_expr *int_zero(wf_module *module) { return wf_expr_const_int(module, WF_I64, 0); }

// points - linear index: positive, and largest at the first point.
static const wf_expr *rank_of_point(wf_module *module, const wf_op *op, const wf_atom *const *axes) {
  const wf_dim *points = wf_dim_const(module->dims, 1), *linear = linear_index(module, axes, op->axis_count);
  for (int i = 0; i < op->axis_count; i++) points = wf_dim_mul(points, op->axes[i]->extent);
  bool last_wins = op->combiner == WF_R_NONE;
  return wf_expr_index(module, last_wins ? wf_dim_offset(linear, 1) : wf_dim_sub(points, linear));
}

// Which point each element of the result was taken from, as rank_of_point; 0: from what it was scattered onto.
static wf_value *scatter_winners(wf_tape *tape, const wf_op *op) {
  wf_module *module = tape->module;
  wf_value *result = op->results[0];
  const wf_atom **axes = WF_NEW_ARRAY(module->arena, const wf_atom *, op->axis_count);
  const wf_expr *value = body_over(tape, op, op->axes, axes, op->axis_count), *target[WF_MAX_RANK];
  wf_binding *bindings = WF_NEW_ARRAY(tape->arena, wf_binding, op->axis_count);
  for (int i = 0; i < op->axis_count; i++) bindings[i] = (wf_binding){op->axes[i], axes[i]->as_dim};
  for (int i = 0; i < op->target_count; i++) target[i] = wf_expr_rewrite(module, op->target[i], bindings, op->axis_count, NULL, NULL);
  const wf_expr *rank = rank_of_point(module, op, axes);
  if (op->combiner != WF_R_NONE) {
    const wf_expr *attained = wf_expr_read(module, result, target, wf_zero(module, value->dtype));
    rank = wf_expr_select(module, equals(module, value, attained), rank, int_zero(module));
  }
  const char *name = wf_arena_printf(tape->arena, "%s.winner", result->name);
  return wf_build_scatter(tape->function, name, NULL, WF_I64, result->rank, result->shape, axes, op->axis_count,
                          op->combiner == WF_R_NONE ? WF_R_NONE : WF_R_MAX, target, rank, op->loc);
}

// Where the element kept what it was scattered onto: untouched, or (max, min) at least as good as every point.
static const wf_expr *kept(wf_tape *tape, const wf_op *op, wf_value *winners, const wf_atom *const *axes) {
  wf_module *module = tape->module;
  if (op->combiner == WF_R_NONE) return equals(module, read_at_axes(module, winners, axes), int_zero(module));
  const wf_expr *result = read_at_axes(module, op->results[0], axes);
  return equals(module, op->scatter_from_zero ? wf_zero(module, result->dtype) : read_at_axes(module, op->operands[0], axes), result);
}

static void adjoint_of_onto(wf_tape *tape, const wf_op *op, wf_value *winners) {
  if (op->scatter_from_zero || !wf_tape_active(tape, op->operands[0])) return;
  wf_adjoint *onto = wf_tape_adjoint(tape, op->operands[0]);
  const wf_expr *part = wf_tape_read_dims(tape, op->results[0], onto->indices);
  if (winners) part = wf_expr_select(tape->module, kept(tape, op, winners, onto->axes), part, wf_zero(tape->module, part->dtype));
  wf_tape_add(tape, onto, part);
}

static const wf_expr *scatter_seed(wf_tape *tape, const wf_op *op, wf_value *winners) {
  wf_module *module = tape->module;
  wf_value *result = op->results[0];
  const wf_expr *zero = wf_zero(module, op->body->dtype);
  const wf_expr *cotangent = wf_tape_read(tape, result, op->target, zero);
  if (!winners) return cotangent;
  const wf_expr *won = equals(module, wf_expr_read(module, winners, op->target, int_zero(module)), rank_of_point(module, op, op->axes));
  if (op->combiner != WF_R_NONE) {  // what it was scattered onto comes first in a tie
    const wf_expr *attained = wf_expr_read(module, result, op->target, zero);
    const wf_expr *onto = op->scatter_from_zero ? zero : wf_expr_read(module, op->operands[0], op->target, zero);
    won = wf_expr_binary(module, WF_S_AND, won, wf_expr_binary(module, WF_S_NE, onto, attained));
  }
  return wf_expr_select(module, won, cotangent, zero);
}

//   sum:        d_body[p] = d_result[target(p)] else 0,  d_onto = d_result
//   overwrite:  the same at the last point that wrote the element; d_onto where none did
//   max, min:   the same at the first point that attains the result
bool wf_adjoint_scatter(wf_tape *tape, wf_op *op) {
  wf_value *winners = op->combiner == WF_R_SUM ? NULL : scatter_winners(tape, op);
  adjoint_of_body(tape, op, scatter_seed(tape, op, winners));
  adjoint_of_onto(tape, op, winners);
  return true;
}

// ---- sort -------------------------------------------------------------------------------------------------------

//   %v, %p = sort %x   ==>   d_x[.., %p[.., k, ..], ..] += d_v[.., k, ..]
bool wf_adjoint_sort(wf_tape *tape, wf_op *op) {
  wf_module *module = tape->module;
  wf_value *operand = op->operands[0];
  const wf_atom **axes = WF_NEW_ARRAY(module->arena, const wf_atom *, operand->rank);
  const wf_dim *indices[WF_MAX_RANK];
  const wf_expr *target[WF_MAX_RANK];
  for (int i = 0; i < operand->rank; i++) {
    axes[i] = wf_new_axis(module, i == op->sort_axis ? "k" : wf_arena_printf(module->arena, "i%d", i), operand->shape[i]);
    indices[i] = axes[i]->as_dim;
    target[i] = wf_expr_index(module, indices[i]);
  }
  target[op->sort_axis] = wf_expr_read_dims(module, op->results[1], indices, NULL);
  const wf_expr *body = wf_tape_read_dims(tape, op->results[0], indices);
  wf_adjoint *adjoint = wf_tape_adjoint(tape, operand);
  const char *name = wf_arena_printf(tape->arena, "%s.part", wf_gradient_name(tape, operand));
  wf_tape_add_value(tape, adjoint, wf_build_scatter(tape->function, name, NULL, operand->dtype, operand->rank, operand->shape, axes,
                                                    operand->rank, WF_R_SUM, target, body, op->loc));
  return true;
}
