// Modules, functions, values and the builders that append operations.
#include <stdlib.h>
#include "ir/expr_internal.h"

wf_module *wf_module_create(wf_arena *arena, wf_diag *diag) {
  wf_module *module = WF_NEW(arena, wf_module);
  module->arena = arena;
  module->diag = diag;
  module->interner = wf_interner_create(arena);
  module->dims = wf_dims_create(arena);
  wf_map_init(&module->kernel_names, arena);
  module->exprs = wf_expr_table_create(arena);
  return module;
}

wf_function *wf_function_create(wf_module *module, const char *name, wf_loc loc) {
  wf_function *function = WF_NEW(module->arena, wf_function);
  function->module = module;
  function->name = wf_intern(module->interner, name);
  function->loc = loc;
  wf_map_init(&function->names, module->arena);
  wf_map_init(&function->suffixes, module->arena);
  wf_vec_push(module->arena, &module->functions, function);
  return function;
}

wf_function *wf_function_find(wf_module *module, const char *name) {
  for (int i = 0; i < module->functions.count; i++)
    if (!strcmp(module->functions.items[i]->name, name)) return module->functions.items[i];
  return NULL;
}

wf_value *wf_function_find_value(wf_function *function, const char *name) { return wf_map_get(&function->names, name); }

const char *wf_fresh_name(wf_module *module, const wf_map *names, wf_map *suffixes, const char *wanted) {
  const char *base = wf_intern(module->interner, wanted && *wanted ? wanted : "v");
  if (wf_map_index(names, base) < 0) return base;
  intptr_t number = suffixes ? (intptr_t)wf_map_get(suffixes, base) : 0;
  const char *name;
  do name = wf_arena_printf(module->arena, "%s.%d", base, (int)++number);
  while (wf_map_index(names, name) >= 0);
  if (suffixes) wf_map_set(suffixes, base, (void *)number);
  return wf_intern(module->interner, name);
}

const char *wf_unique_name(wf_function *function, const char *wanted) {
  return wf_fresh_name(function->module, &function->names, &function->suffixes, wanted);
}

static const wf_dim *const *copy_dims(wf_arena *arena, int rank, const wf_dim *const *shape) {
  const wf_dim **copy = WF_NEW_ARRAY(arena, const wf_dim *, rank);
  if (rank) memcpy(copy, shape, sizeof *copy * (size_t)rank);
  return copy;
}

wf_value *wf_value_new(wf_module *module, const char *name, wf_dtype type, int rank, const wf_dim *const *shape, wf_loc loc) {
  wf_value *value = WF_NEW(module->arena, wf_value);
  value->name = name;
  value->dtype = type;
  value->rank = rank;
  value->shape = copy_dims(module->arena, rank, shape);
  value->loc = loc;
  value->id = module->value_count++;
  return value;
}

wf_value *wf_value_create(wf_function *function, const char *name, wf_dtype type, int rank, const wf_dim *const *shape, wf_loc loc) {
  wf_value *value = wf_value_new(function->module, wf_unique_name(function, name), type, rank, shape, loc);
  wf_map_set(&function->names, value->name, value);
  return value;
}

wf_value *wf_function_input(wf_function *function, const char *name, wf_role role, wf_dtype type, int rank,
                            const wf_dim *const *shape, wf_loc loc) {
  wf_value *value = wf_value_create(function, name, type, rank, shape, loc);
  value->role = role;
  wf_vec_push(function->module->arena, &function->inputs, value);
  return value;
}

void wf_function_result(wf_function *function, const char *name, wf_value *value) {
  wf_result result = {wf_intern(function->module->interner, name), value};
  wf_vec_push(function->module->arena, &function->results, result);
}

const wf_dim *wf_value_elements(wf_module *module, const wf_value *value) {
  const wf_dim *elements = wf_dim_const(module->dims, 1);
  for (int i = 0; i < value->rank; i++) elements = wf_dim_mul(elements, value->shape[i]);
  return elements;
}

// ---- operations -----------------------------------------------------------------------------------------------------

wf_op *wf_op_create(wf_function *function, wf_operation kind, wf_loc loc) {
  wf_op *op = WF_NEW(function->module->arena, wf_op);
  op->kind = kind;
  op->loc = function->module->place.source ? function->module->place : loc;
  return op;
}

static wf_op *append(wf_function *function, wf_operation kind, int result_count, int operand_count, wf_loc loc) {
  wf_arena *arena = function->module->arena;
  wf_op *op = wf_op_create(function, kind, loc);
  op->results = WF_NEW_ARRAY(arena, wf_value *, result_count);
  op->operands = WF_NEW_ARRAY(arena, wf_value *, operand_count);
  op->operand_count = operand_count;
  wf_vec_push(arena, &function->ops, op);
  return op;
}

static wf_value *add_result(wf_function *function, wf_op *op, const char *name, wf_dtype type, int rank, const wf_dim *const *shape) {
  wf_value *value = wf_value_create(function, name, type, rank, shape, op->loc);
  value->def = op;
  value->result_index = op->result_count;
  return op->results[op->result_count++] = value;
}

static const wf_atom **copy_atoms(wf_arena *arena, const wf_atom *const *atoms, int count) {
  const wf_atom **copy = WF_NEW_ARRAY(arena, const wf_atom *, count);
  if (count) memcpy(copy, atoms, sizeof *copy * (size_t)count);
  return copy;
}

static void shape_of_axes(const wf_atom *const *axes, int count, const wf_dim **out_shape) {
  for (int i = 0; i < count && i < WF_MAX_RANK; i++) out_shape[i] = axes[i]->extent;
}

wf_value *wf_build_compute(wf_function *function, const char *name, wf_dtype type, const wf_atom *const *axes, int axis_count,
                           wf_combiner combiner, const wf_atom *const *reduction_axes, int reduction_count,
                           const wf_expr *body, wf_loc loc) {
  wf_arena *arena = function->module->arena;
  wf_op *op = append(function, WF_O_COMPUTE, 1, 0, loc);
  op->axes = copy_atoms(arena, axes, axis_count);
  op->axis_count = axis_count;
  op->combiner = combiner;
  op->reduction_axes = copy_atoms(arena, reduction_axes, reduction_count);
  op->reduction_count = reduction_count;
  op->accumulator = combiner == WF_R_ARGMAX || combiner == WF_R_ARGMIN ? body->dtype : wf_dtype_compute(type);
  op->body = body;
  wf_op_refresh_operands(function->module, op);
  const wf_dim *shape[WF_MAX_RANK];
  shape_of_axes(axes, axis_count, shape);
  return add_result(function, op, name, type, axis_count < WF_MAX_RANK ? axis_count : WF_MAX_RANK, shape);
}

wf_value *wf_build_const(wf_function *function, const char *name, wf_dtype type, int rank, const int64_t *shape, const void *data, wf_loc loc) {
  wf_module *module = function->module;
  wf_op *op = append(function, WF_O_CONST, 1, 0, loc);
  const wf_dim *dims[WF_MAX_RANK];
  size_t bytes = (size_t)wf_dtype_bytes(type);
  for (int i = 0; i < rank && i < WF_MAX_RANK; i++) {
    dims[i] = wf_dim_const(module->dims, shape[i]);
    bytes *= (size_t)shape[i];
  }
  void *copy = wf_arena_alloc(module->arena, bytes ? bytes : 1);
  if (bytes) memcpy(copy, data, bytes);
  op->data = copy;
  return add_result(function, op, name, type, rank, dims);
}

wf_value *wf_build_scatter(wf_function *function, const char *name, wf_value *onto, wf_dtype type, int rank, const wf_dim *const *shape,
                           const wf_atom *const *axes, int axis_count, wf_combiner combiner, const wf_expr *const *target,
                           const wf_expr *body, wf_loc loc) {
  wf_module *module = function->module;
  wf_op *op = append(function, WF_O_SCATTER, 1, 1, loc);
  op->axes = copy_atoms(module->arena, axes, axis_count);
  op->axis_count = axis_count;
  op->combiner = combiner;
  op->accumulator = wf_dtype_compute(type);
  op->body = body;
  op->target = WF_NEW_ARRAY(module->arena, const wf_expr *, rank);
  if (rank) memcpy(op->target, target, sizeof *target * (size_t)rank);
  op->target_count = rank;
  op->scatter_from_zero = !onto;
  op->operands[0] = onto;
  op->operand_count = onto != NULL;
  wf_op_refresh_operands(module, op);
  return add_result(function, op, name, type, rank, shape);
}

wf_op *wf_build_sort(wf_function *function, const char *name, wf_value *operand, int axis, bool descending, wf_loc loc) {
  wf_op *op = append(function, WF_O_SORT, 2, 1, loc);
  op->operands[0] = operand;
  op->sort_axis = axis;
  op->descending = descending;
  add_result(function, op, name, operand->dtype, operand->rank, operand->shape);
  const char *indices = wf_arena_printf(function->module->arena, "%s.index", name);
  add_result(function, op, indices, WF_I64, operand->rank, operand->shape);
  return op;
}

// One result keeps the wished name; several are "name.result" after the callee's own names.
static const char *result_name(wf_function *function, const char *name, const wf_function *callee, int index) {
  if (callee->results.count == 1) return name;
  return wf_arena_printf(function->module->arena, "%s.%s", name, callee->results.items[index].name);
}

wf_op *wf_build_loop(wf_function *function, const char *name, wf_function *region, const wf_dim *trip, bool reverse,
                     wf_value *const *carries, int carry_count, wf_value *const *slices, int slice_count,
                     wf_value *const *invariants, int invariant_count, wf_loc loc) {
  int operand_count = carry_count + slice_count + invariant_count;
  wf_op *op = append(function, WF_O_LOOP, region->results.count, operand_count, loc);
  op->region = region;
  op->trip = trip;
  op->reverse = reverse;
  op->carry_count = carry_count;
  op->slice_count = slice_count;
  for (int i = 0; i < carry_count; i++) op->operands[i] = carries[i];
  for (int i = 0; i < slice_count; i++) op->operands[carry_count + i] = slices[i];
  for (int i = 0; i < invariant_count; i++) op->operands[carry_count + slice_count + i] = invariants[i];
  for (int i = 0; i < region->results.count; i++) {
    const wf_value *inner = region->results.items[i].value;
    const wf_dim *shape[WF_MAX_RANK + 1] = {trip};
    int rank = inner->rank, stacked = i >= carry_count;
    for (int k = 0; k < rank; k++) shape[k + stacked] = inner->shape[k];
    add_result(function, op, result_name(function, name, region, i), inner->dtype, rank + stacked, shape);
  }
  return op;
}

int wf_bind_callee_symbols(const wf_function *callee, wf_value *const *operands, int count, wf_binding *bindings, int capacity) {
  int bound = 0;
  for (int i = 0; i < count && i < callee->inputs.count; i++) {
    const wf_value *input = callee->inputs.items[i];
    for (int k = 0; k < input->rank && k < operands[i]->rank; k++) {
      const wf_atom *atom = wf_dim_as_atom(input->shape[k]);
      bool known = !atom || atom->kind != WF_ATOM_SYMBOL;
      for (int b = 0; b < bound && !known; b++) known = bindings[b].atom == atom;
      if (!known && bound < capacity) bindings[bound++] = (wf_binding){atom, operands[i]->shape[k]};
    }
  }
  return bound;
}

wf_op *wf_build_call(wf_function *function, const char *name, wf_function *callee, wf_value *const *operands, int count, wf_loc loc) {
  wf_op *op = append(function, WF_O_CALL, callee->results.count, count, loc);
  op->region = callee;
  if (count) memcpy(op->operands, operands, sizeof *operands * (size_t)count);
  wf_binding bindings[64];
  int bound = wf_bind_callee_symbols(callee, operands, count, bindings, 64);
  for (int i = 0; i < callee->results.count; i++) {
    const wf_value *inner = callee->results.items[i].value;
    const wf_dim *shape[WF_MAX_RANK];
    for (int k = 0; k < inner->rank; k++) shape[k] = wf_dim_substitute(inner->shape[k], bindings, bound);
    add_result(function, op, result_name(function, name, callee, i), inner->dtype, inner->rank, shape);
  }
  return op;
}

wf_op *wf_build_grad(wf_function *function, const char *name, wf_value *of, wf_value *const *by, int count, wf_loc loc) {
  wf_op *op = append(function, WF_O_GRAD, count, count + 1, loc);
  op->operands[0] = of;
  for (int i = 0; i < count; i++) {
    op->operands[i + 1] = by[i];
    const char *result = count == 1 ? name : wf_arena_printf(function->module->arena, "%s.%s", name, by[i]->name);
    add_result(function, op, result, by[i]->dtype, by[i]->rank, by[i]->shape);
  }
  return op;
}

wf_op *wf_build_update(wf_function *function, wf_value *target, wf_value *value, wf_loc loc) {
  wf_op *op = append(function, WF_O_UPDATE, 0, 2, loc);
  op->operands[0] = target;
  op->operands[1] = value;
  return op;
}

// ---- operands from bodies ---------------------------------------------------------------------------------------------

typedef struct collector {
  wf_arena *arena;
  WF_VEC(wf_value *) found;
  wf_map seen;   // by name once there are many; names are unique in a function
} collector;

static void collect(collector *c, wf_value *value) {
  if (c->found.count < 16) {
    for (int i = 0; i < c->found.count; i++)
      if (c->found.items[i] == value) return;
  } else {
    if (!c->seen.arena) {
      wf_map_init(&c->seen, c->arena);
      for (int i = 0; i < c->found.count; i++) wf_map_set(&c->seen, c->found.items[i]->name, c->found.items[i]);
    }
    if (wf_map_get(&c->seen, value->name)) return;
    wf_map_set(&c->seen, value->name, value);
  }
  wf_vec_push(c->arena, &c->found, value);
}

static void visit_read(void *context, const wf_expr *node) {
  if (node->op == WF_S_READ) collect(context, node->operand);
}

static void collect_group(collector *c, const wf_op *group) {
  wf_map inside;
  wf_map_init(&inside, c->arena);
  for (int i = 0; i < group->member_count; i++)
    for (int k = 0; k < group->members[i]->result_count; k++)
      wf_map_set(&inside, group->members[i]->results[k]->name, group->members[i]->results[k]);
  for (int i = 0; i < group->member_count; i++)
    for (int k = 0; k < group->members[i]->operand_count; k++)
      if (!wf_map_get(&inside, group->members[i]->operands[k]->name)) collect(c, group->members[i]->operands[k]);
}

void wf_op_refresh_operands(wf_module *module, wf_op *op) {
  collector c = {.arena = module->arena};
  if (op->kind == WF_O_GROUP) {
    collect_group(&c, op);
  } else {
    if (op->kind == WF_O_SCATTER && !op->scatter_from_zero) collect(&c, op->operands[0]);
    for (int i = 0; i < op->target_count; i++) wf_expr_walk(op->target[i], visit_read, &c);
    if (op->body) wf_expr_walk(op->body, visit_read, &c);
  }
  op->operands = c.found.items;
  op->operand_count = c.found.count;
}
