// A reduction with few results and many points, cut into fixed chunks so that tasks have something to share:
//   out[p] = sum[k] body   ==>   part[s, p] = sum[k'] body(k := s*chunk + k');  out[p] = sum[s] part[s, p]
// The chunks depend on extents, never on the number of threads.
#include "passes/tile.h"

enum { FEW_RESULTS = 4096, MANY_POINTS = 16384, PARTS = 32 };

static double product(const wf_atom *const *axes, int count) {
  double all = 1;
  for (int i = 0; i < count; i++) all *= wf_draft_estimate(axes[i]->extent);
  return all;
}

// The number of parts along the first reduction axis: a divisor near `wanted`; for a symbol the axis itself, or in
// chunks of a constant with a ragged last one (*out_chunk).
static const wf_dim *choose_parts(wf_module *module, const wf_atom *axis, int64_t wanted, bool chunked, const wf_dim **out_chunk) {
  int64_t extent;
  if (wf_dim_is_const(axis->extent, &extent)) {
    for (int64_t parts = extent < wanted ? extent : wanted; parts >= (chunked ? 2 : 4); parts--) {
      if (extent % parts) continue;
      *out_chunk = wf_dim_const(module->dims, extent / parts);
      return wf_dim_const(module->dims, parts);
    }
    return NULL;
  }
  *out_chunk = wf_dim_const(module->dims, chunked ? 8 : 1);
  return wf_dim_ceildiv(axis->extent, *out_chunk);
}

static const wf_expr *make_safe(void *context, const wf_expr *node) {
  wf_module *module = context;
  if (node->op != WF_S_READ || node->has_default) return NULL;
  const wf_expr *zero = wf_dtype_is_float(node->dtype) ? wf_expr_const(module, node->dtype, 0) : wf_expr_const_int(module, node->dtype, 0);
  return wf_expr_read(module, node->operand, node->args, zero);
}

bool wf_split_reduction(wf_function *function, wf_op *op, int contraction, wf_op **out_partial) {
  wf_module *module = function->module;
  if (op->combiner != WF_R_SUM && op->combiner != WF_R_MAX && op->combiner != WF_R_MIN) return false;
  if (op->axis_count + 1 > WF_MAX_RANK || op->reduction_count == 0) return false;
  double results = product(op->axes, op->axis_count), points = product(op->reduction_axes, op->reduction_count);
  if (!contraction && (results > FEW_RESULTS || points < MANY_POINTS || points < 4 * results)) return false;
  const wf_dim *chunk = NULL;
  const wf_dim *parts = choose_parts(module, op->reduction_axes[0], contraction ? contraction : PARTS, contraction != 0, &chunk);
  if (!parts) return false;

  const wf_atom *old = op->reduction_axes[0];
  wf_atom const **axes = WF_NEW_ARRAY(module->arena, const wf_atom *, op->axis_count + 1);
  wf_atom const **inner = WF_NEW_ARRAY(module->arena, const wf_atom *, op->reduction_count);
  wf_binding *bindings = WF_NEW_ARRAY(module->arena, wf_binding, op->axis_count + 1);
  const wf_dim *part = wf_dim_axis(module->dims, "part", parts), *point = wf_dim_axis(module->dims, old->name, chunk);
  axes[0] = wf_dim_as_atom(part);
  int inner_count = 0;
  if (!wf_dim_equals_const(chunk, 1)) inner[inner_count++] = wf_dim_as_atom(point);
  for (int r = 1; r < op->reduction_count; r++) inner[inner_count++] = op->reduction_axes[r];
  const wf_dim *where = wf_dim_mul(part, chunk);
  if (inner_count && inner[0] == wf_dim_as_atom(point)) where = wf_dim_add(where, point);
  bindings[0] = (wf_binding){old, where};
  for (int a = 0; a < op->axis_count; a++) {
    const wf_dim *axis = wf_dim_axis(module->dims, op->axes[a]->name, op->axes[a]->extent);
    axes[a + 1] = wf_dim_as_atom(axis);
    bindings[a + 1] = (wf_binding){op->axes[a], axis};
  }
  const wf_dim *room = wf_dim_offset(wf_dim_sub(old->extent, where), -1);
  bool ragged = wf_dim_prove_nonnegative(room, module->arena, NULL) != WF_PROVED;
  if (ragged && op->combiner != WF_R_SUM) return false;
  const wf_expr *body = wf_expr_rewrite(module, op->body, bindings, op->axis_count + 1, ragged ? make_safe : NULL, module);
  if (ragged)
    body = wf_expr_select(module, wf_expr_binary(module, WF_S_LT, wf_expr_index(module, where), wf_expr_index(module, old->extent)),
                          body, wf_expr_const(module, body->dtype, 0));
  const char *name = wf_arena_printf(module->arena, "%s.part", op->results[0]->name);
  const wf_value *made = wf_build_compute(function, name, op->accumulator, axes, op->axis_count + 1,
                                          inner_count ? op->combiner : WF_R_NONE, inner, inner_count, body, op->loc);
  *out_partial = made->def;
  function->ops.count--;   // the caller places it

  const wf_dim *all = wf_dim_axis(module->dims, "part", parts);
  const wf_dim *indices[WF_MAX_RANK] = {all};
  for (int a = 0; a < op->axis_count; a++) indices[a + 1] = op->axes[a]->as_dim;
  const wf_atom **only = WF_NEW_ARRAY(module->arena, const wf_atom *, 1);
  only[0] = wf_dim_as_atom(all);
  op->reduction_axes = only;
  op->reduction_count = 1;
  op->body = wf_expr_read_dims(module, (wf_value *)made, indices, NULL);
  wf_op_refresh_operands(module, op);
  return true;
}
