// `simplify`: forwards trivial computes into their readers, drops the `else` of reads that are proved in bounds, and
// rebuilds every body, so that the rules of ir/expr_simplify.c see what came together. Works function by function, in
// the order of the operations: a chain of copies collapses in one run. Linear in the module.
//
//   %t = compute [a, b] %x[b, a]            %y[.. %t[e, f] ..]       ==>  %y[.. %x[f, e] ..]        copies: permutation,
//   %t = compute [a] %x[a//4, a%4]          %y[.. %t[4*i + j] ..]    ==>  %y[.. %x[i, j] ..]        broadcast, reshape
//   %t = compute [a] 0.5                    %y[.. %t[e] ..]          ==>  %y[.. 0.5 ..]             fills
//   %t = compute [a] f32(a)                 %y[.. %t[e] ..]          ==>  %y[.. f32(e) ..]          cheap functions of the place
//   %t = const {0.5}                        %y[.. %t[] ..]           ==>  %y[.. 0.5 ..]             constants of one value
//   %x[e] else v   with e proved inside     ==>  %x[e]
//   %x[e] else v   with e proved outside    ==>  v
//   stop(e)        in a module without grad ==>  e
//
// A copy is not forwarded where that would bring // or % into an index that had none: the kernels of the reader would
// lose more than the copy costs. Nor is a read with `else`: outside of the copy is not outside of what it copies.
#include "passes/passes.h"
#include "passes/replace_values.h"

enum { CHEAP = 4 };   // operations of a forwarded function of the place

typedef struct simplify {
  wf_module *module;
  bool *visible;      // by value id: made by an operation of the function itself, not inside a group
  bool differentiated;   // no `grad` is left: nothing needs `stop`
} simplify;

static bool proved(const wf_module *module, const wf_dim *nonnegative) {
  if (wf_dim_prove_nonnegative(nonnegative, NULL, NULL) == WF_PROVED) return true;
  for (int i = 0; i < module->facts.count; i++) {   // nonnegative = fact + rest, both >= 0
    const wf_fact *fact = &module->facts.items[i];
    if (wf_dim_prove_nonnegative(wf_dim_sub(nonnegative, fact->dim), NULL, NULL) == WF_PROVED) return true;
    if (fact->zero && wf_dim_prove_nonnegative(wf_dim_add(nonnegative, fact->dim), NULL, NULL) == WF_PROVED) return true;
  }
  return false;
}

// ---- reads outside ------------------------------------------------------------------------------------------------------

static const wf_expr *drop_else(simplify *s, const wf_expr *read) {
  const wf_value *value = read->operand;
  bool inside = true;
  for (int i = 0; i < value->rank; i++) {
    if (read->args[i]->op != WF_S_INDEX) { inside = false; continue; }
    const wf_dim *index = read->args[i]->dim, *room = wf_dim_offset(wf_dim_sub(value->shape[i], index), -1);
    bool below = proved(s->module, wf_dim_offset(wf_dim_scale(index, -1), -1));
    if (below || proved(s->module, wf_dim_offset(wf_dim_scale(room, -1), -1))) return read->args[value->rank];
    inside = inside && proved(s->module, index) && proved(s->module, room);
  }
  return inside ? wf_expr_read(s->module, read->operand, read->args, NULL) : NULL;
}

// ---- forwarding -----------------------------------------------------------------------------------------------------------

// What was stored as `type` and read again.
static const wf_expr *stored(wf_module *module, wf_dtype type, const wf_expr *value) {
  if (wf_dtype_compute(type) == type) return value;
  return wf_expr_cast(module, wf_dtype_compute(type), wf_expr_cast(module, type, value));
}

// The one number that all elements of a constant have, or NULL.
static const wf_expr *constant_value(wf_module *module, const wf_op *op) {
  const wf_value *value = op->results[0];
  int64_t count = 1, extent;
  for (int i = 0; i < value->rank; i++) count *= wf_dim_is_const(value->shape[i], &extent) ? extent : 0;
  size_t size = (size_t)wf_dtype_bytes(value->dtype);
  const char *data = op->data;
  if (count < 1 || (count > 1 && memcmp(data, data + size, size * (size_t)(count - 1)))) return NULL;
  wf_dtype type = wf_dtype_compute(value->dtype);
  return wf_dtype_is_float(type) ? wf_expr_const(module, type, wf_load_element(value->dtype, data, 0))
                                 : wf_expr_const_int(module, type, wf_load_element_int(value->dtype, data, 0));
}

static bool affine_indices(const wf_expr *read) {
  for (int i = 0; i < read->operand->rank; i++)
    if (read->args[i]->op != WF_S_INDEX) return false;
  return true;
}

static bool has_floordiv(const wf_expr *read) {
  for (int i = 0; i < read->operand->rank; i++)
    if (read->args[i]->op == WF_S_INDEX && wf_dim_has_floordiv(read->args[i]->dim)) return true;
  return false;
}

static void visit_random(void *context, const wf_expr *node) {
  if (node->op == WF_S_RANDOM) *(bool *)context = true;
}

static bool is_cheap_function(const wf_expr *body) {
  bool random = false;
  wf_expr_walk(body, visit_random, &random);
  return !random && !wf_expr_has_read(body) && wf_expr_cost(body) <= CHEAP;
}

static const wf_expr *forward_compute(simplify *s, const wf_op *producer, const wf_expr *read) {
  const wf_expr *body = producer->body;
  bool copy = body->op == WF_S_READ && !body->has_default && body->operand->dtype == producer->results[0]->dtype && affine_indices(body);
  if (!copy && !is_cheap_function(body)) return NULL;
  wf_binding bindings[WF_MAX_RANK];
  for (int i = 0; i < producer->axis_count; i++) bindings[i] = (wf_binding){producer->axes[i], read->args[i]->dim};
  const wf_expr *moved = wf_expr_rewrite(s->module, body, bindings, producer->axis_count, NULL, NULL);
  if (copy) return has_floordiv(moved) && !has_floordiv(read) ? NULL : moved;
  return stored(s->module, producer->results[0]->dtype, moved);
}

static const wf_expr *forward(simplify *s, const wf_expr *read) {
  const wf_op *producer = read->operand->def;
  if (!producer || !s->visible[read->operand->id]) return NULL;
  if (producer->kind == WF_O_CONST && !read->has_default) return constant_value(s->module, producer);
  bool plain = producer->kind == WF_O_COMPUTE && producer->combiner == WF_R_NONE && !read->has_default && affine_indices(read);
  return plain ? forward_compute(s, producer, read) : NULL;
}

static const wf_expr *simplify_leaf(void *context, const wf_expr *node) {
  simplify *s = context;
  if (node->op == WF_S_STOP && s->differentiated) return node->args[0];
  if (node->op != WF_S_READ) return NULL;
  const wf_expr *current = node;
  if (node->has_default) {
    const wf_expr *dropped = drop_else(s, node);
    if (!dropped) return NULL;
    current = dropped;
  }
  for (const wf_expr *next; current->op == WF_S_READ && (next = forward(s, current));) current = next;
  return current == node ? NULL : current;
}

static void simplify_op(simplify *s, wf_op *op) {
  if (op->kind != WF_O_COMPUTE && op->kind != WF_O_SCATTER) return;
  op->body = wf_expr_rewrite(s->module, op->body, NULL, 0, simplify_leaf, s);
  for (int i = 0; i < op->target_count; i++) op->target[i] = wf_expr_rewrite(s->module, op->target[i], NULL, 0, simplify_leaf, s);
  wf_op_refresh_operands(s->module, op);
}

static void simplify_function(simplify *s, const wf_function *function) {
  if (wf_function_has_aliases(function)) return;   // storage is planned: a value may be gone where it would be read now
  for (int k = 0; k < function->ops.count; k++) {
    wf_op *op = function->ops.items[k];
    simplify_op(s, op);
    for (int i = 0; i < op->result_count && op->kind != WF_O_GROUP; i++) s->visible[op->results[i]->id] = true;
  }
}

static bool has_grad(const wf_module *module) {
  for (int i = 0; i < module->functions.count; i++)
    for (int k = 0; k < module->functions.items[i]->ops.count; k++)
      if (module->functions.items[i]->ops.items[k]->kind == WF_O_GRAD) return true;
  return false;
}

bool wf_pass_simplify(wf_module *module, const wf_pass_options *options) {
  (void)options;
  wf_arena *scratch = wf_arena_create();
  simplify s = {module, WF_NEW_ARRAY(scratch, bool, module->value_count), !has_grad(module)};
  for (int i = 0; i < module->functions.count; i++) simplify_function(&s, module->functions.items[i]);
  wf_arena_destroy(scratch);
  return true;
}
