// Copying operations into a function, and inlining a call with it.
#include "passes/clone_ops.h"

void wf_clone_begin(wf_clone *clone, wf_function *to, wf_arena *scratch) {
  *clone = (wf_clone){.to = to, .scratch = scratch, .value_limit = to->module->value_count};
  clone->values = WF_NEW_ARRAY(scratch, wf_value *, clone->value_limit);
}

void wf_clone_map(wf_clone *clone, const wf_value *from, wf_value *to) { clone->values[from->id] = to; }

wf_value *wf_clone_find(const wf_clone *clone, const wf_value *from) {
  wf_value *found = from->id < clone->value_limit ? clone->values[from->id] : NULL;
  return found ? found : (wf_value *)from;
}

const wf_atom *wf_new_axis(wf_module *module, const char *name, const wf_dim *extent) {
  return wf_dim_as_atom(wf_dim_axis(module->dims, name, extent));
}

const char *wf_unique_function_name(wf_module *module, const char *wanted) {
  const char *name = wanted;
  for (int number = 1; wf_function_find(module, name); number++) name = wf_arena_printf(module->arena, "%s.%d", wanted, number);
  return name;
}

static const wf_dim *clone_dim(const wf_clone *clone, const wf_dim *dim) {
  return clone->symbol_count ? wf_dim_substitute(dim, clone->symbols, clone->symbol_count) : dim;
}

static const wf_expr *clone_read(void *context, const wf_expr *node) {
  const wf_clone *clone = context;
  if (node->op != WF_S_READ) return NULL;
  wf_value *operand = wf_clone_find(clone, node->operand);
  if (operand == node->operand) return NULL;
  return wf_expr_read(clone->to->module, operand, node->args, node->has_default ? node->args[node->arg_count - 1] : NULL);
}

typedef struct axis_map { wf_binding *bindings; int count; } axis_map;

static const wf_atom **clone_axes(const wf_clone *clone, const wf_atom *const *axes, int count, axis_map *map) {
  wf_module *module = clone->to->module;
  const wf_atom **copies = WF_NEW_ARRAY(module->arena, const wf_atom *, count);
  for (int i = 0; i < count; i++) {
    copies[i] = wf_new_axis(module, axes[i]->name, clone_dim(clone, axes[i]->extent));
    map->bindings[map->count++] = (wf_binding){axes[i], copies[i]->as_dim};
  }
  return copies;
}

static void clone_body(wf_clone *clone, const wf_op *op, wf_op *copy) {
  wf_module *module = clone->to->module;
  int axes = op->axis_count + op->reduction_count;
  axis_map map = {.bindings = WF_NEW_ARRAY(clone->scratch, wf_binding, axes + clone->symbol_count)};
  copy->axes = clone_axes(clone, op->axes, op->axis_count, &map);
  copy->reduction_axes = clone_axes(clone, op->reduction_axes, op->reduction_count, &map);
  for (int i = 0; i < clone->symbol_count; i++) map.bindings[map.count++] = clone->symbols[i];
  copy->body = wf_expr_rewrite(module, op->body, map.bindings, map.count, clone_read, clone);
  copy->target = WF_NEW_ARRAY(module->arena, const wf_expr *, op->target_count);
  for (int i = 0; i < op->target_count; i++)
    copy->target[i] = wf_expr_rewrite(module, op->target[i], map.bindings, map.count, clone_read, clone);
}

static void clone_results(wf_clone *clone, const wf_op *op, wf_op *copy) {
  copy->results = WF_NEW_ARRAY(clone->to->module->arena, wf_value *, op->result_count);
  for (int i = 0; i < op->result_count; i++) {
    const wf_value *from = op->results[i];
    wf_value *to = wf_clone_find(clone, from);
    if (to == from) {
      const wf_dim *shape[WF_MAX_RANK];
      for (int k = 0; k < from->rank; k++) shape[k] = clone_dim(clone, from->shape[k]);
      to = wf_value_create(clone->to, from->name, from->dtype, from->rank, shape, from->loc);
      wf_clone_map(clone, from, to);
    }
    to->def = copy;
    to->result_index = i;
    copy->results[i] = to;
  }
}

wf_op *wf_clone_op(wf_clone *clone, const wf_op *op) {
  wf_module *module = clone->to->module;
  wf_op *copy = wf_op_create(clone->to, op->kind, op->loc);
  *copy = *op;
  copy->operands = WF_NEW_ARRAY(module->arena, wf_value *, op->operand_count);
  for (int i = 0; i < op->operand_count; i++) copy->operands[i] = wf_clone_find(clone, op->operands[i]);
  if (op->body) {
    clone_body(clone, op, copy);
    wf_op_refresh_operands(module, copy);
  }
  if (op->trip) copy->trip = clone_dim(clone, op->trip);
  if (op->kind == WF_O_LOOP)  // a region belongs to one loop
    copy->region = wf_clone_function(module, op->region, op->region->name, clone->symbols, clone->symbol_count);
  clone_results(clone, op, copy);
  wf_vec_push(module->arena, &clone->to->ops, copy);
  return copy;
}

wf_function *wf_clone_function(wf_module *module, const wf_function *from, const char *name, const wf_binding *symbols, int symbol_count) {
  wf_arena *scratch = wf_arena_create();
  wf_function *to = wf_function_create(module, wf_unique_function_name(module, name), from->loc);
  wf_clone clone;
  wf_clone_begin(&clone, to, scratch);
  clone.symbols = symbols;
  clone.symbol_count = symbol_count;
  for (int i = 0; i < from->inputs.count; i++) {
    const wf_value *input = from->inputs.items[i];
    const wf_dim *shape[WF_MAX_RANK];
    for (int k = 0; k < input->rank; k++) shape[k] = clone_dim(&clone, input->shape[k]);
    wf_clone_map(&clone, input, wf_function_input(to, input->name, input->role, input->dtype, input->rank, shape, input->loc));
  }
  for (int i = 0; i < from->ops.count; i++) wf_clone_op(&clone, from->ops.items[i]);
  for (int i = 0; i < from->results.count; i++)
    wf_function_result(to, from->results.items[i].name, wf_clone_find(&clone, from->results.items[i].value));
  wf_arena_destroy(scratch);
  return to;
}

// ---- editing a function -------------------------------------------------------------------------------------------

wf_tail wf_tail_take(wf_function *function, int first) {
  wf_tail tail = {.count = function->ops.count - first};
  tail.ops = WF_NEW_ARRAY(function->module->arena, wf_op *, tail.count);
  for (int i = 0; i < tail.count; i++) tail.ops[i] = function->ops.items[first + i];
  function->ops.count = first;
  return tail;
}

void wf_tail_put(wf_function *function, wf_tail tail) {
  for (int i = 0; i < tail.count; i++) wf_vec_push(function->module->arena, &function->ops, tail.ops[i]);
}

void wf_take_result(wf_value *value, wf_value *made) {
  wf_op *op = made->def;
  value->def = op;
  value->result_index = made->result_index;
  op->results[made->result_index] = value;
}

wf_value *wf_build_copy(wf_function *function, const char *name, wf_value *value, wf_loc loc) {
  wf_module *module = function->module;
  const wf_atom *axes[WF_MAX_RANK];
  const wf_dim *indices[WF_MAX_RANK];
  for (int i = 0; i < value->rank; i++) {
    axes[i] = wf_new_axis(module, wf_arena_printf(module->arena, "i%d", i), value->shape[i]);
    indices[i] = axes[i]->as_dim;
  }
  const wf_expr *read = wf_expr_read_dims(module, value, indices, NULL);
  return wf_build_compute(function, name, value->dtype, axes, value->rank, WF_R_NONE, NULL, 0, read, loc);
}

// The callee's symbols in terms of the caller's dims, from the shapes of the operands.
static int bind_symbols(const wf_op *call, wf_arena *scratch, wf_binding **out_bindings) {
  WF_VEC(wf_binding) found = {0};
  for (int i = 0; i < call->operand_count; i++) {
    const wf_value *input = call->region->inputs.items[i];
    for (int k = 0; k < input->rank; k++) {
      const wf_atom *atom = wf_dim_as_atom(input->shape[k]);
      bool wanted = atom && atom->kind == WF_ATOM_SYMBOL && call->operands[i]->shape[k] != input->shape[k];
      for (int b = 0; wanted && b < found.count; b++) wanted = found.items[b].atom != atom;
      wf_binding binding = {atom, call->operands[i]->shape[k]};
      if (wanted) wf_vec_push(scratch, &found, binding);
    }
  }
  *out_bindings = found.items;
  return found.count;
}

void wf_inline_call(wf_function *function, int index) {
  const wf_op *call = function->ops.items[index];
  const wf_function *callee = call->region;
  wf_arena *scratch = wf_arena_create();
  wf_tail tail = wf_tail_take(function, index);
  wf_clone clone;
  wf_clone_begin(&clone, function, scratch);
  wf_binding *bindings;
  clone.symbol_count = bind_symbols(call, scratch, &bindings);
  clone.symbols = bindings;
  for (int i = 0; i < call->operand_count; i++) wf_clone_map(&clone, callee->inputs.items[i], call->operands[i]);
  // A result that the callee makes is made by the copy; an input, or a value returned twice, needs a copy of its own.
  bool *direct = WF_NEW_ARRAY(scratch, bool, call->result_count);
  for (int i = 0; i < call->result_count; i++) {
    const wf_value *inner = callee->results.items[i].value;
    direct[i] = wf_clone_find(&clone, inner) == inner;
    if (direct[i]) wf_clone_map(&clone, inner, call->results[i]);
  }
  for (int i = 0; i < callee->ops.count; i++) wf_clone_op(&clone, callee->ops.items[i]);
  for (int i = 0; i < call->result_count; i++) {
    if (direct[i]) continue;
    wf_value *source = wf_clone_find(&clone, callee->results.items[i].value);
    wf_take_result(call->results[i], wf_build_copy(function, call->results[i]->name, source, call->loc));
  }
  tail.ops++, tail.count--;
  wf_tail_put(function, tail);
  wf_arena_destroy(scratch);
}
