// Long reductions of few results as two launches: parts that fill the machine, then their sum. Parts are cut from the axes
// that are outermost in memory, so that each reads whole runs:
//   out[p] = sum[k] body   ==>   part[s, p] = sum[k'] body(k := digits of s, k');   out[p] = sum[s] part[s, p]
// How many parts there are depends on extents only.
#include "passes/gpu.h"
#include "passes/tile.h"

enum { ENOUGH_RESULTS = 2048, LONG_SUM = 32768, SHORTEST_PART = 1024, FEWEST_PARTS = 4 };

static double product(const wf_atom *const *axes, int count) {
  double all = 1;
  for (int i = 0; i < count; i++) all *= wf_draft_estimate(axes[i]->extent);
  return all;
}

typedef struct stride_query { wf_module *module; const wf_atom *axis; double most; } stride_query;

static void find_stride(void *context, const wf_expr *node) {
  stride_query *q = context;
  const wf_dim *indices[WF_MAX_RANK], *step = NULL, *rest = NULL;
  if (node->op != WF_S_READ) return;
  const wf_value *value = node->operand;
  for (int i = 0; i < value->rank; i++) indices[i] = node->args[i]->op == WF_S_INDEX ? node->args[i]->dim : wf_dim_const(q->module->dims, 0);
  const wf_layout *layout = value->layout ? value->layout : wf_layout_row_major(q->module->dims, q->module->arena, value->rank, value->shape);
  const wf_dim *offset = wf_layout_offset(q->module->dims, layout, indices);
  double stride = offset && wf_dim_split(offset, q->axis, &step, &rest) ? wf_draft_estimate(step) : 1e12;
  if (stride < 0) stride = -stride;
  if (stride > q->most) q->most = stride;
}

// Reduction axes, outermost in memory first.
void wf_gpu_order_reduction(wf_module *module, const wf_op *op, int *out_order) {
  double strides[WF_MAX_RANK];
  for (int r = 0; r < op->reduction_count; r++) {
    stride_query q = {module, op->reduction_axes[r], 0};
    wf_expr_walk(op->body, find_stride, &q);
    strides[r] = q.most;
    int at = r;
    while (at > 0 && strides[out_order[at - 1]] < strides[r]) {
      out_order[at] = out_order[at - 1];
      at--;
    }
    out_order[at] = r;
  }
}

typedef struct cut {
  int order[WF_MAX_RANK], whole; // axes order[0..whole) go to the parts as they are
  const wf_dim *chunk, *chunks;  // of axis order[whole]; NULL: it stays whole
} cut;

// The divisor of an extent nearest below `wanted`, 1 where none is worth it.
static int64_t divisor_near(int64_t extent, int64_t wanted) {
  for (int64_t parts = extent < wanted ? extent : wanted; parts > 1 && 4 * parts >= wanted; parts--)
    if (extent % parts == 0) return parts;
  return 1;
}

static bool choose_cut(wf_module *module, const wf_op *op, double wanted, cut *out) {
  double parts = 1;
  *out = (cut){.whole = 0};
  wf_gpu_order_reduction(module, op, out->order);
  for (; out->whole < op->reduction_count; out->whole++) {
    const wf_dim *extent = op->reduction_axes[out->order[out->whole]]->extent;
    double size = wf_draft_estimate(extent);
    int64_t known;
    bool last = out->whole + 1 == op->reduction_count;
    if (parts * size <= wanted * 1.5 && !last) {
      parts *= size;
      if (parts >= wanted * 0.5) {
        out->whole++;
        return true;
      }
      continue;
    }
    if (!wf_dim_is_const(extent, &known)) {   // chunks of a constant, the last one ragged
      if (!last) return parts >= FEWEST_PARTS;
      out->chunk = wf_dim_const(module->dims, SHORTEST_PART);
      out->chunks = wf_dim_ceildiv(extent, out->chunk);
      return true;
    }
    int64_t more = (int64_t)(wanted / parts + 0.5), count = divisor_near(known, more);
    if (count == 1 && more > 1 && known >= 4 * more) count = more;   // no divisor: the last chunk is ragged
    if (count > 1) {
      out->chunk = wf_dim_const(module->dims, (known + count - 1) / count);
      out->chunks = wf_dim_ceildiv(extent, out->chunk);
      parts *= (double)count;
    }
    return parts >= FEWEST_PARTS;
  }
  return parts >= FEWEST_PARTS;
}

static const wf_expr *make_safe(void *context, const wf_expr *node) {
  wf_module *module = context;
  if (node->op != WF_S_READ || node->has_default) return NULL;
  const wf_expr *zero = wf_dtype_is_float(node->dtype) ? wf_expr_const(module, node->dtype, 0) : wf_expr_const_int(module, node->dtype, 0);
  return wf_expr_read(module, node->operand, node->args, zero);
}

// body where inside, else what the reduction starts with
static const wf_expr *guard(wf_module *module, const wf_op *op, const wf_expr *body, const wf_dim *where, const wf_dim *extent) {
  double identity = wf_combiner_identity(op->combiner, body->dtype);
  return wf_expr_select(module, wf_expr_binary(module, WF_S_LT, wf_expr_index(module, where), wf_expr_index(module, extent)), body,
                        wf_expr_const(module, body->dtype, identity));
}

static wf_op *build_partial(wf_function *function, wf_op *op, const cut *c, const wf_dim *part, const wf_dim *const *digits) {
  wf_module *module = function->module;
  const wf_atom **axes = WF_NEW_ARRAY(module->arena, const wf_atom *, op->axis_count + 1);
  const wf_atom **inner = WF_NEW_ARRAY(module->arena, const wf_atom *, op->reduction_count);
  wf_binding *bindings = WF_NEW_ARRAY(module->arena, wf_binding, op->axis_count + op->reduction_count);
  int inner_count = 0, count = 0;
  const wf_dim *ragged = NULL;
  axes[0] = wf_dim_as_atom(part);
  for (int a = 0; a < op->axis_count; a++) {
    const wf_dim *axis = wf_dim_axis(module->dims, op->axes[a]->name, op->axes[a]->extent);
    axes[a + 1] = wf_dim_as_atom(axis);
    bindings[count++] = (wf_binding){op->axes[a], axis};
  }
  for (int r = 0; r < op->reduction_count; r++) {
    const wf_atom *old = op->reduction_axes[r];
    int place = 0;
    while (c->order[place] != r) place++;
    if (place < c->whole) {
      bindings[count++] = (wf_binding){old, digits[place]};
      continue;
    }
    bool chunked = place == c->whole && c->chunk;
    const wf_dim *axis = wf_dim_axis(module->dims, old->name, chunked ? c->chunk : old->extent);
    inner[inner_count++] = wf_dim_as_atom(axis);
    const wf_dim *where = chunked ? wf_dim_add(wf_dim_mul(digits[place], c->chunk), axis) : axis;
    bindings[count++] = (wf_binding){old, where};
    if (wf_dim_prove_nonnegative(wf_dim_offset(wf_dim_sub(old->extent, where), -1), module->arena, NULL) != WF_PROVED) ragged = where;
  }
  const wf_expr *body = wf_expr_rewrite(module, op->body, bindings, count, ragged ? make_safe : NULL, module);
  if (ragged) body = guard(module, op, body, ragged, op->reduction_axes[c->order[c->whole]]->extent);
  const char *name = wf_arena_printf(module->arena, "%s.part", op->results[0]->name);
  wf_value *made = wf_build_compute(function, name, op->accumulator, axes, op->axis_count + 1, op->combiner, inner, inner_count, body, op->loc);
  function->ops.count--;   // the caller places it
  return made->def;
}

bool wf_gpu_split_reduction(wf_function *function, wf_op *op, wf_op **out_partial) {
  wf_module *module = function->module;
  if (op->combiner != WF_R_SUM && op->combiner != WF_R_MAX && op->combiner != WF_R_MIN) return false;
  if (op->axis_count + 1 > WF_MAX_RANK || op->reduction_count == 0 || !wf_dtype_is_float(op->accumulator)) return false;
  double results = product(op->axes, op->axis_count), points = product(op->reduction_axes, op->reduction_count);
  double wanted = ENOUGH_RESULTS / results;
  if (wanted > points / SHORTEST_PART) wanted = points / SHORTEST_PART;
  cut c;
  if (points < LONG_SUM || wanted < FEWEST_PARTS || !choose_cut(module, op, wanted, &c)) return false;
  const wf_dim *extents[WF_MAX_RANK], *digits[WF_MAX_RANK], *parts = wf_dim_const(module->dims, 1);
  int count = c.whole + (c.chunk != NULL);
  for (int i = 0; i < count; i++) {
    extents[i] = i < c.whole ? op->reduction_axes[c.order[i]]->extent : c.chunks;
    parts = wf_dim_mul(parts, extents[i]);
  }
  const wf_dim *part = wf_dim_axis(module->dims, "part", parts);
  wf_flat_digits(part, extents, count, digits);
  wf_op *partial = *out_partial = build_partial(function, op, &c, part, digits);
  const wf_dim *all = wf_dim_axis(module->dims, "part", parts), *indices[WF_MAX_RANK] = {all};
  for (int a = 0; a < op->axis_count; a++) indices[a + 1] = op->axes[a]->as_dim;
  const wf_atom **only = WF_NEW_ARRAY(module->arena, const wf_atom *, 1);
  only[0] = wf_dim_as_atom(all);
  op->reduction_axes = only;
  op->reduction_count = 1;
  op->body = wf_expr_read_dims(module, partial->results[0], indices, NULL);
  wf_op_refresh_operands(module, op);
  return true;
}
