// scatter by owners: a thread owns a column of the result (one point of the axes that map onto result axes as they are) and of
// the other result axes one element, or where they are long a slab of the longest. It starts its elements and then walks
// all source points in order, taking those that are its own: no two threads touch one element, and the order of a sum is
// that of the source. A single element stays in a register.
#include "passes/gpu.h"

enum { WANTED_THREADS = 1 << 16, UNROLLED = 4 };

typedef struct scatter {
  wf_draft *draft;
  wf_op *op;
  int owner[WF_MAX_RANK];            // by result axis: the scatter axis that maps onto it, -1
  bool owned[2 * WF_MAX_RANK];       // by scatter axis
  const wf_dim *dims[2 * WF_MAX_RANK];   // by scatter axis
  int slab_axis;                     // result axis cut into slabs, -1: none
  const wf_dim *slab, *slabs;        // elements of a slab; how many
  const wf_dim *start;               // of this thread's slab
  bool single;                       // one element a thread, at `element`
  const wf_dim *element[WF_MAX_RANK];
} scatter;

typedef struct mention { const wf_atom *axis; bool found; } mention;

static void find_axis(void *context, const wf_expr *node) {
  mention *query = context;
  if (node->op == WF_S_INDEX && wf_dim_mentions(node->dim, query->axis)) query->found = true;
}

static bool mentions(const wf_expr *expr, const wf_atom *axis) {
  mention query = {axis, false};
  wf_expr_walk(expr, find_axis, &query);
  return query.found;
}

static bool maps_onto(const wf_op *op, int result_axis, int axis) {
  const wf_expr *target = op->target[result_axis];
  bool exact = target->op == WF_S_INDEX && target->dim == op->axes[axis]->as_dim && op->axes[axis]->extent == op->results[0]->shape[result_axis];
  for (int other = 0; other < op->target_count && exact; other++)
    exact = other == result_axis || !mentions(op->target[other], op->axes[axis]);
  return exact;
}

static void find_owners(scatter *s) {
  for (int r = 0; r < s->op->results[0]->rank; r++) {
    s->owner[r] = -1;
    for (int a = 0; a < s->op->axis_count && s->owner[r] < 0; a++)
      if (maps_onto(s->op, r, a)) s->owner[r] = a;
    if (s->owner[r] >= 0) s->owned[s->owner[r]] = true;
  }
}

// So many slabs that all threads of a device have work.
static void choose_slabs(scatter *s, const wf_dim *columns) {
  wf_dims *dims = s->draft->module->dims;
  const wf_value *result = s->op->results[0];
  double longest = 1, wanted = WANTED_THREADS / wf_draft_estimate(columns);
  s->slab_axis = -1;
  s->slabs = wf_dim_const(dims, 1);
  for (int r = 0; r < result->rank; r++) {
    double extent = wf_draft_estimate(result->shape[r]);
    if (s->owner[r] >= 0 || extent <= longest) continue;
    longest = extent;
    s->slab_axis = r;
  }
  if (s->slab_axis < 0) return;
  int64_t slab = wanted < 1 ? (int64_t)longest : (int64_t)(longest / wanted);
  s->slab = wf_dim_const(dims, slab < 1 ? 1 : slab);
  s->slabs = wf_dim_ceildiv(result->shape[s->slab_axis], s->slab);
}

// Is there a thread for every element?
static bool has_single(const scatter *s) {
  double elements = 1;
  for (int r = 0; r < s->op->results[0]->rank; r++) elements *= wf_draft_estimate(s->op->results[0]->shape[r]);
  return elements <= 2 * WANTED_THREADS;
}

static const wf_expr *at_point(scatter *s, const wf_expr *expr) {
  wf_binding *bindings = WF_NEW_ARRAY(s->draft->module->arena, wf_binding, s->op->axis_count);
  for (int a = 0; a < s->op->axis_count; a++) bindings[a] = (wf_binding){s->op->axes[a], s->dims[a]};
  return wf_draft_expr(s->draft, expr, bindings, s->op->axis_count);
}

static const wf_expr *start_value(scatter *s, const wf_dim *const *indices) {
  wf_module *module = s->draft->module;
  wf_dtype type = wf_dtype_compute(s->op->results[0]->dtype);
  if (!s->op->scatter_from_zero) return wf_expr_read_dims(module, wf_draft_buffer(s->draft, s->op->operands[0]), indices, NULL);
  return wf_dtype_is_float(type) ? wf_expr_const(module, type, 0) : wf_expr_const_int(module, type, 0);
}

// result = 0, or the operand that is scattered onto, for the thread's own elements
static void emit_start(scatter *s, wf_block *block) {
  wf_draft *draft = s->draft;
  wf_module *module = draft->module;
  const wf_value *result = s->op->results[0];
  const wf_dim *indices[WF_MAX_RANK];
  for (int r = 0; r < result->rank; r++) {
    if (s->owner[r] >= 0) {
      indices[r] = s->dims[s->owner[r]];
      continue;
    }
    const wf_dim *extent = r == s->slab_axis ? s->slab : result->shape[r], *z = wf_dim_const(module->dims, 0);
    if (!wf_dim_equals_const(extent, 1)) {
      z = wf_dim_axis(module->dims, "z", extent);
      block = wf_stmt_for(draft->kernel, block, WF_BIND_SERIAL, z);
    }
    indices[r] = r == s->slab_axis ? wf_dim_add(s->start, z) : z;
    if (r == s->slab_axis) block = wf_gpu_below(draft, block, indices[r], result->shape[r]);
  }
  wf_stmt_store_dims(draft->kernel, block, wf_draft_buffer(draft, result), indices, WF_R_NONE, start_value(s, indices));
}

// Is the target in the result, and in this thread's slab of it?
static const wf_expr *is_mine(scatter *s, const wf_expr *const *target) {
  wf_module *module = s->draft->module;
  const wf_value *result = s->op->results[0];
  const wf_expr *all = wf_expr_const_int(module, WF_BOOL, 1);
  for (int r = 0; r < result->rank; r++) {
    if (s->owner[r] >= 0) continue;
    if (s->single) {
      all = wf_expr_binary(module, WF_S_AND, all, wf_expr_binary(module, WF_S_EQ, target[r], wf_expr_index(module, s->element[r])));
      continue;
    }
    bool slab = r == s->slab_axis;
    const wf_dim *low = slab ? s->start : wf_dim_const(module->dims, 0), *high = slab ? wf_dim_add(s->start, s->slab) : result->shape[r];
    all = wf_expr_binary(module, WF_S_AND, all, wf_expr_binary(module, WF_S_GE, target[r], wf_expr_index(module, low)));
    all = wf_expr_binary(module, WF_S_AND, all, wf_expr_binary(module, WF_S_LT, target[r], wf_expr_index(module, high)));
    const wf_dim *room = wf_dim_sub(result->shape[r], high);
    if (wf_dim_prove_nonnegative(room, module->arena, NULL) == WF_PROVED) continue;
    all = wf_expr_binary(module, WF_S_AND, all, wf_expr_binary(module, WF_S_LT, target[r], wf_expr_index(module, result->shape[r])));
  }
  return all;
}

// The loops over the axes that no thread owns; the innermost in steps where they come out even.
static wf_block *open_sources(scatter *s, wf_block *block) {
  wf_draft *draft = s->draft;
  wf_dims *dims = draft->module->dims;
  int last = -1;
  for (int a = 0; a < s->op->axis_count; a++)
    if (!s->owned[a]) last = a;
  for (int a = 0; a < s->op->axis_count; a++) {
    const wf_atom *axis = s->op->axes[a];
    if (s->owned[a]) continue;
    if (a == last && wf_dim_divisible(axis->extent, UNROLLED)) {
      const wf_dim *step = wf_dim_axis(dims, axis->name, wf_dim_floordiv(axis->extent, wf_dim_const(dims, UNROLLED)));
      const wf_dim *u = wf_dim_axis(dims, "u", wf_dim_const(dims, UNROLLED));
      block = wf_stmt_for(draft->kernel, block, WF_BIND_SERIAL, step);
      block = wf_stmt_for(draft->kernel, block, WF_BIND_UNROLL, u);
      s->dims[a] = wf_dim_add(wf_dim_scale(step, UNROLLED), u);
      continue;
    }
    s->dims[a] = wf_dim_axis(dims, axis->name, axis->extent);
    block = wf_stmt_for(draft->kernel, block, WF_BIND_SERIAL, s->dims[a]);
  }
  return block;
}

static void emit_points(scatter *s, wf_block *block) {
  wf_draft *draft = s->draft;
  wf_op *op = s->op;
  wf_value *result = op->results[0], *buffer = wf_draft_buffer(draft, result), *own = NULL;
  const wf_expr *target[WF_MAX_RANK];
  const wf_dim *zero = wf_dim_const(draft->module->dims, 0);
  int64_t one = 1;
  if (s->single) {
    own = wf_draft_register(draft, block, result->name, result->dtype, 1, &one);
    wf_register_store(draft, block, own, zero, WF_R_NONE, start_value(s, s->element));
  }
  wf_block *inner = open_sources(s, block);
  for (int r = 0; r < op->target_count; r++) target[r] = at_point(s, op->target[r]);
  const wf_expr *mine = is_mine(s, target);
  if (!(mine->op == WF_S_CONST && mine->integer)) inner = wf_stmt_if(draft->kernel, inner, mine);
  const wf_expr *value = wf_draft_convert(draft, at_point(s, op->body), wf_dtype_compute(result->dtype));
  if (!s->single) {
    wf_stmt_store(draft->kernel, inner, buffer, target, op->combiner, value);
    return;
  }
  wf_register_store(draft, inner, own, zero, op->combiner, value);
  wf_stmt_store_dims(draft->kernel, block, buffer, s->element, WF_R_NONE, wf_register_read(draft, own, zero));
}

static double stride_in_result(const scatter *s, int r) {
  const wf_value *result = s->op->results[0];
  wf_module *module = s->draft->module;
  const wf_layout *layout = result->layout ? result->layout : wf_layout_row_major(module->dims, module->arena, result->rank, result->shape);
  const wf_dim *stride = wf_layout_stride(layout, r);
  return stride ? wf_draft_estimate(stride) : 0;
}

// A thread an element; neighbouring threads have neighbours in memory.
static void scatter_elements(scatter *s) {
  wf_draft *draft = s->draft;
  const wf_value *result = s->op->results[0];
  const wf_dim *extents[WF_MAX_RANK], *digits[WF_MAX_RANK], *all = wf_dim_const(draft->module->dims, 1);
  int order[WF_MAX_RANK];
  s->single = true;
  for (int r = 0; r < result->rank; r++) {
    all = wf_dim_mul(all, result->shape[r]);
    int at = r;
    while (at > 0 && stride_in_result(s, order[at - 1]) < stride_in_result(s, r)) {
      order[at] = order[at - 1];
      at--;
    }
    order[at] = r;
  }
  for (int i = 0; i < result->rank; i++) extents[i] = result->shape[order[i]];
  wf_gpu_block block;
  wf_gpu_points none = {.op = s->op};
  wf_gpu_open(&block, draft, &none, wf_dim_ceildiv(all, wf_dim_const(draft->module->dims, draft->threads)));
  wf_block *body = wf_gpu_below(draft, block.body, wf_dim_add(wf_dim_scale(block.chunk, draft->threads), block.thread), all);
  wf_gpu_digits(block.chunk, draft->threads, block.thread, extents, result->rank, digits);
  for (int i = 0; i < result->rank; i++) {
    s->element[order[i]] = digits[i];
    if (s->owner[order[i]] >= 0) s->dims[s->owner[order[i]]] = digits[i];
  }
  emit_points(s, body);
}

void wf_gpu_scatter(wf_draft *draft, wf_op *op) {
  scatter s = {.draft = draft, .op = op};
  wf_dims *dims = draft->module->dims;
  const wf_value *result = op->results[0];
  const wf_dim *extents[WF_MAX_RANK + 1], *digits[WF_MAX_RANK + 1], *columns = wf_dim_const(dims, 1);
  int order[WF_MAX_RANK], count = 0;
  find_owners(&s);
  if (has_single(&s)) {
    scatter_elements(&s);
    return;
  }
  for (int r = 0; r < result->rank; r++) {   // neighbouring threads own neighbouring elements
    if (s.owner[r] < 0) continue;
    columns = wf_dim_mul(columns, result->shape[r]);
    int at = count++;
    while (at > 0 && stride_in_result(&s, order[at - 1]) < stride_in_result(&s, r)) {
      order[at] = order[at - 1];
      at--;
    }
    order[at] = r;
  }
  choose_slabs(&s, columns);
  extents[0] = s.slabs;
  for (int i = 0; i < count; i++) extents[i + 1] = result->shape[order[i]];
  const wf_dim *all = wf_dim_mul(columns, s.slabs);
  wf_gpu_block block;
  wf_gpu_points none = {.op = op};
  wf_gpu_open(&block, draft, &none, wf_dim_ceildiv(all, wf_dim_const(dims, draft->threads)));
  const wf_dim *index = wf_dim_add(wf_dim_scale(block.chunk, draft->threads), block.thread);
  wf_block *body = wf_gpu_below(draft, block.body, index, all);
  wf_flat_digits(index, extents, count + 1, digits);
  for (int i = 0; i < count; i++) s.dims[s.owner[order[i]]] = digits[i + 1];
  s.start = s.slab_axis >= 0 ? wf_dim_mul(digits[0], s.slab) : wf_dim_const(dims, 0);
  emit_start(&s, body);
  emit_points(&s, body);
}
