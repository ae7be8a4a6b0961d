// The verifier of net IR: every structural rule of docs/ir.md, one message a broken rule, naming the operation.
#include "ir/verify_internal.h"

static bool check_op(wf_verifier *v, const wf_function *function, wf_op *op);

static void define(wf_verifier *v, const wf_value *value) {
  if (wf_stamp_get(&v->values, value->id)) wf_broken(v, "%%%s is defined twice", value->name);
  wf_stamp_set(v, &v->values, value->id, 1);
}

static bool same_type(const wf_value *a, const wf_value *b) { return a->dtype == b->dtype && wf_same_shape(a, b); }

// ---- computes and scatters --------------------------------------------------------------------------------------------

static void own_axes(wf_verifier *v, const wf_atom *const *axes, int count) {
  for (int i = 0; i < count; i++) {
    if (wf_stamp_get(&v->atoms, axes[i]->id) == v->stamp) wf_broken(v, "the axis '%s' stands twice", axes[i]->name);
    wf_verify_dim(v, axes[i]->extent, false);
    wf_stamp_set(v, &v->atoms, axes[i]->id, v->stamp);
  }
}

static void note_operand(void *context, const wf_expr *e) {
  wf_map *reads = context;
  if (e->op == WF_S_READ) wf_map_set(reads, e->operand->name, e->operand);
}

// operands are exactly the values that the body and the targets read (and, first, what a scatter goes onto).
static void check_operands(wf_verifier *v, const wf_op *op) {
  wf_map reads;
  wf_map_init(&reads, v->arena);
  if (op->kind == WF_O_SCATTER && !op->scatter_from_zero && op->operand_count) wf_map_set(&reads, op->operands[0]->name, op->operands[0]);
  for (int i = 0; i < op->target_count; i++) wf_expr_walk(op->target[i], note_operand, &reads);
  wf_expr_walk(op->body, note_operand, &reads);
  bool good = reads.count == op->operand_count;
  for (int i = 0; i < op->operand_count && good; i++) good = wf_map_get(&reads, op->operands[i]->name) == op->operands[i];
  if (!good) wf_broken(v, "the list of operands is not what the body reads (wf_op_refresh_operands was not called)");
}

static bool is_arg(wf_combiner combiner) { return combiner == WF_R_ARGMAX || combiner == WF_R_ARGMIN; }

static bool check_compute(wf_verifier *v, const wf_op *op) {
  const wf_value *result = op->results[0];
  if (op->result_count != 1) return wf_broken(v, "a compute has one result, not %d", op->result_count);
  own_axes(v, op->axes, op->axis_count);
  own_axes(v, op->reduction_axes, op->reduction_count);
  if (result->rank != op->axis_count) return wf_broken(v, "the rank is %d, but there are %d axes", result->rank, op->axis_count);
  for (int i = 0; i < op->axis_count; i++)
    if (result->shape[i] != op->axes[i]->extent) wf_broken(v, "extent %d of the result is not the extent of axis '%s'", i, op->axes[i]->name);
  if (op->combiner == WF_R_NONE && op->reduction_count) wf_broken(v, "there are reduction axes, but no combiner");
  wf_verify_expr(v, op->body, true);
  wf_dtype wanted = wf_dtype_compute(result->dtype);
  if (is_arg(op->combiner) ? wf_dtype_is_float(result->dtype) : op->body->dtype != wanted)
    wf_broken(v, "the body is %s, the result %s", wf_dtype_name(op->body->dtype), wf_dtype_name(result->dtype));
  if (wf_dtype_is_float(op->accumulator) != wf_dtype_is_float(op->body->dtype)) wf_broken(v, "the accumulator is %s, the body %s", wf_dtype_name(op->accumulator), wf_dtype_name(op->body->dtype));
  check_operands(v, op);
  return true;
}

static bool check_scatter(wf_verifier *v, const wf_op *op) {
  if (op->result_count != 1) return wf_broken(v, "a scatter has one result, not %d", op->result_count);
  const wf_value *result = op->results[0];
  own_axes(v, op->axes, op->axis_count);
  if (op->reduction_count) wf_broken(v, "a scatter has no reduction axes");
  if (op->target_count != result->rank) wf_broken(v, "there are %d target indices for a result of rank %d", op->target_count, result->rank);
  if (op->combiner == WF_R_PROD || is_arg(op->combiner)) wf_broken(v, "a scatter combines by sum, max, min or none, not %s", wf_combiner_names[op->combiner]);
  if (!op->scatter_from_zero && (!op->operand_count || !same_type(op->operands[0], result))) wf_broken(v, "what it goes onto has not the result's type and shape");
  for (int i = 0; i < op->target_count; i++) {
    wf_verify_expr(v, op->target[i], true);
    if (op->target[i]->dtype != WF_I64) wf_broken(v, "target index %d is %s, not i64", i, wf_dtype_name(op->target[i]->dtype));
  }
  wf_verify_expr(v, op->body, true);
  if (op->body->dtype != wf_dtype_compute(result->dtype)) wf_broken(v, "the body is %s, the result %s", wf_dtype_name(op->body->dtype), wf_dtype_name(result->dtype));
  check_operands(v, op);
  return true;
}

// ---- the other kinds ----------------------------------------------------------------------------------------------------

static bool check_const(wf_verifier *v, const wf_op *op) {
  if (op->result_count != 1 || !op->data) return wf_broken(v, "a constant has one result and data");
  for (int i = 0; i < op->results[0]->rank; i++)
    if (!wf_dim_is_const(op->results[0]->shape[i], &(int64_t){0})) wf_broken(v, "extent %d of a constant is no integer", i);
  return true;
}

static bool check_sort(wf_verifier *v, const wf_op *op) {
  if (op->operand_count != 1 || op->result_count != 2) return wf_broken(v, "a sort has one operand, and two results: values and indices");
  if (op->sort_axis < 0 || op->sort_axis >= op->operands[0]->rank) wf_broken(v, "axis %d is none of the operand's %d", op->sort_axis, op->operands[0]->rank);
  if (!same_type(op->operands[0], op->results[0])) wf_broken(v, "the sorted values have not the operand's type and shape");
  if (op->results[1]->dtype != WF_I64 || !wf_same_shape(op->operands[0], op->results[1])) wf_broken(v, "the indices are not i64 of the operand's shape");
  return true;
}

// slice is whole without its first extent, which is `trip`
static bool is_slice(const wf_value *slice, const wf_value *whole, const wf_dim *trip) {
  if (slice->dtype != whole->dtype || whole->rank != slice->rank + 1 || whole->shape[0] != trip) return false;
  for (int i = 0; i < slice->rank; i++)
    if (slice->shape[i] != whole->shape[i + 1]) return false;
  return true;
}

static bool check_loop(wf_verifier *v, const wf_op *op) {
  const wf_function *region = op->region;
  if (!region || !op->trip) return wf_broken(v, "a loop has a region and a trip count");
  wf_verify_dim(v, op->trip, false);
  if (region->inputs.count != op->operand_count + 1) return wf_broken(v, "@%s takes %d inputs: the counter and %d operands are given", region->name, region->inputs.count, op->operand_count);
  if (op->carry_count + op->slice_count > op->operand_count) return wf_broken(v, "more carried values and slices than operands");
  if (region->results.count != op->result_count || op->result_count < op->carry_count) return wf_broken(v, "@%s gives %d results, the loop has %d", region->name, region->results.count, op->result_count);
  const wf_value *counter = region->inputs.items[0];
  if (counter->dtype != WF_I64 || counter->rank) wf_broken(v, "the counter of @%s is not an i64 scalar", region->name);
  for (int i = 0; i < op->operand_count; i++) {
    const wf_value *input = region->inputs.items[i + 1], *operand = op->operands[i];
    bool slice = i >= op->carry_count && i < op->carry_count + op->slice_count;
    if (slice ? !is_slice(input, operand, op->trip) : !same_type(input, operand))
      wf_broken(v, "%%%s does not fit input %%%s of @%s", operand->name, input->name, region->name);
  }
  for (int i = 0; i < op->result_count; i++) {
    const wf_value *inner = region->results.items[i].value;
    bool stacked = i >= op->carry_count;
    if (stacked ? !is_slice(inner, op->results[i], op->trip) : !same_type(inner, op->results[i]))
      wf_broken(v, "%%%s does not fit result '%s' of @%s", op->results[i]->name, region->results.items[i].name, region->name);
    if (!stacked && !same_type(inner, op->operands[i])) wf_broken(v, "the carried %%%s changes its type or shape in @%s", op->operands[i]->name, region->name);
  }
  return true;
}

static bool fits(const wf_value *inner, const wf_value *outer, const wf_binding *bindings, int count) {
  if (inner->dtype != outer->dtype || inner->rank != outer->rank) return false;
  for (int i = 0; i < inner->rank; i++)
    if (wf_dim_substitute(inner->shape[i], bindings, count) != outer->shape[i]) return false;
  return true;
}

static bool check_call(wf_verifier *v, const wf_op *op) {
  const wf_function *callee = op->region;
  if (!callee) return wf_broken(v, "a call has a callee");
  if (callee->inputs.count != op->operand_count) return wf_broken(v, "@%s takes %d inputs, not %d", callee->name, callee->inputs.count, op->operand_count);
  if (callee->results.count != op->result_count) return wf_broken(v, "@%s gives %d results, not %d", callee->name, callee->results.count, op->result_count);
  wf_binding bindings[64];
  int count = wf_bind_callee_symbols(callee, op->operands, op->operand_count, bindings, 64);
  for (int i = 0; i < op->operand_count; i++)
    if (!fits(callee->inputs.items[i], op->operands[i], bindings, count)) wf_broken(v, "%%%s does not fit input %%%s of @%s", op->operands[i]->name, callee->inputs.items[i]->name, callee->name);
  for (int i = 0; i < op->result_count; i++)
    if (!fits(callee->results.items[i].value, op->results[i], bindings, count)) wf_broken(v, "%%%s does not fit result '%s' of @%s", op->results[i]->name, callee->results.items[i].name, callee->name);
  return true;
}

static bool check_grad(wf_verifier *v, const wf_op *op) {
  if (op->operand_count < 2 || op->result_count != op->operand_count - 1) return wf_broken(v, "grad has a scalar, values to differentiate by, and as many results");
  if (op->operands[0]->rank || !wf_dtype_is_float(op->operands[0]->dtype)) wf_broken(v, "%%%s is not a float scalar", op->operands[0]->name);
  for (int i = 0; i < op->result_count; i++)
    if (!same_type(op->results[i], op->operands[i + 1])) wf_broken(v, "%%%s has not the type and shape of %%%s", op->results[i]->name, op->operands[i + 1]->name);
  return true;
}

static bool check_update(wf_verifier *v, const wf_function *function, const wf_op *op) {
  if (op->operand_count != 2) return wf_broken(v, "update has a target and a value");
  const wf_value *target = op->operands[0];
  bool input = false;
  for (int i = 0; i < function->inputs.count && !input && !target->def; i++) input = function->inputs.items[i] == target;
  if (!input || (target->role != WF_ROLE_PARAM && target->role != WF_ROLE_STATE)) wf_broken(v, "update: %%%s is no param or state of the function", target->name);
  if (!same_type(target, op->operands[1])) wf_broken(v, "update: %%%s has not the type and shape of %%%s", op->operands[1]->name, target->name);
  return true;
}

static bool check_group(wf_verifier *v, const wf_function *function, const wf_op *op) {
  if (!op->member_count) return wf_broken(v, "a group has members");
  int group_stamp = v->stamp;
  for (int i = 0; i < op->member_count; i++) {
    wf_op *member = op->members[i];
    if (member->kind == WF_O_GROUP || member->kind == WF_O_UPDATE) wf_broken(v, "a group cannot hold a%s", member->kind == WF_O_GROUP ? " group" : "n update");
    if (!check_op(v, function, member)) return false;
    if (member->placement == WF_PLACE_AT && (member->placed_at < 0 || member->placed_at > WF_MAX_RANK)) wf_broken(v, "at(%d) is no depth", member->placed_at);
  }
  v->what = wf_arena_printf(v->arena, "group @%s", op->group_name ? op->group_name : "");
  v->stamp = group_stamp;
  for (int i = 0; i < op->member_count; i++)   // what is no result ends with the group
    for (int k = 0; k < op->members[i]->result_count; k++) wf_stamp_set(v, &v->values, op->members[i]->results[k]->id, 2);
  for (int i = 0; i < op->result_count; i++) {
    if (wf_stamp_get(&v->values, op->results[i]->id) != 2) wf_broken(v, "its result %%%s is made by no member", op->results[i]->name);
    else if (op->results[i]->def->placement != WF_PLACE_OUT) wf_broken(v, "its result %%%s is not placed out", op->results[i]->name);
    wf_stamp_set(v, &v->values, op->results[i]->id, 1);
  }
  return true;
}

static bool check_launch(wf_verifier *v, const wf_op *op) {
  const wf_kernel *kernel = op->kernel;
  if (!kernel) return wf_broken(v, "a launch has a kernel");
  if (kernel->params.count != op->operand_count + op->result_count) return wf_broken(v, "@%s has %d parameters, not %d", kernel->name, kernel->params.count, op->operand_count + op->result_count);
  int read = 0, written = 0;
  for (int i = 0; i < kernel->params.count; i++) {
    const wf_value *param = kernel->params.items[i];
    bool out = kernel->written.items[i];
    if (out ? written == op->result_count : read == op->operand_count) return wf_broken(v, "@%s writes another number of buffers than the launch has results", kernel->name);
    const wf_value *given = out ? op->results[written++] : op->operands[read++];
    if (given->dtype != param->dtype || given->rank != param->rank) wf_broken(v, "%%%s does not fit parameter %%%s of @%s", given->name, param->name, kernel->name);
  }
  return true;
}

// ---- operations, functions, the module ----------------------------------------------------------------------------------

static bool check_kind(wf_verifier *v, const wf_function *function, wf_op *op) {
  switch (op->kind) {
  case WF_O_CONST: return check_const(v, op);
  case WF_O_COMPUTE: return op->result_count ? check_compute(v, op) : wf_broken(v, "a compute has one result");
  case WF_O_SCATTER: return check_scatter(v, op);
  case WF_O_SORT: return check_sort(v, op);
  case WF_O_LOOP: return check_loop(v, op);
  case WF_O_CALL: return check_call(v, op);
  case WF_O_GRAD: return check_grad(v, op);
  case WF_O_UPDATE: return check_update(v, function, op);
  case WF_O_GROUP: return check_group(v, function, op);
  case WF_O_LAUNCH: return check_launch(v, op);
  case WF_OPERATION_COUNT: break;
  }
  return wf_broken(v, "an operation of unknown kind");
}

static bool check_op(wf_verifier *v, const wf_function *function, wf_op *op) {
  v->loc = op->loc;
  v->what = op->result_count ? wf_arena_printf(v->arena, "%%%s", op->results[0]->name) : wf_operation_names[op->kind];
  v->stamp++;
  for (int i = 0; i < op->operand_count; i++)
    if (wf_stamp_get(&v->values, op->operands[i]->id) != 1) return wf_broken(v, "uses %%%s, which is not defined before", op->operands[i]->name);
  check_kind(v, function, op);
  for (int i = 0; i < op->result_count && op->kind != WF_O_GROUP; i++) {
    const wf_value *result = op->results[i];
    if (result->def != op || result->result_index != i) wf_broken(v, "%%%s does not know that it is defined here", result->name);
    if (result->rank > WF_MAX_RANK) wf_broken(v, "%%%s has rank %d, over the limit of %d", result->name, result->rank, WF_MAX_RANK);
    for (int k = 0; k < result->rank; k++) wf_verify_dim(v, result->shape[k], false);
    define(v, result);
  }
  return true;
}

static void check_name(wf_verifier *v, wf_map *names, const wf_value *value) {
  if (wf_map_get(names, value->name)) wf_broken(v, "two values are named %%%s", value->name);
  wf_map_set(names, value->name, (void *)value);
}

static void check_names(wf_verifier *v, const wf_op *op, wf_map *names) {
  for (int i = 0; i < op->member_count; i++) check_names(v, op->members[i], names);
  for (int i = 0; i < op->result_count && op->kind != WF_O_GROUP; i++) check_name(v, names, op->results[i]);
}

static void check_input(wf_verifier *v, const wf_value *input) {
  bool scalar = input->role == WF_ROLE_STEP || input->role == WF_ROLE_SEED || input->role == WF_ROLE_TOTAL;
  if (scalar && (input->dtype != WF_I64 || input->rank)) wf_broken(v, "%%%s: the step, the seed and the total are i64 scalars", input->name);
  if (input->def) wf_broken(v, "the input %%%s has a definition", input->name);
  for (int k = 0; k < input->rank; k++) wf_verify_dim(v, input->shape[k], false);
  define(v, input);
}

static void check_updates_once(wf_verifier *v, const wf_function *function) {
  wf_map updated;
  wf_map_init(&updated, v->arena);
  for (int i = 0; i < function->ops.count; i++) {
    const wf_op *op = function->ops.items[i];
    if (op->kind != WF_O_UPDATE || op->operand_count != 2) continue;
    if (wf_map_get(&updated, op->operands[0]->name)) wf_broken(v, "%%%s is updated twice", op->operands[0]->name);
    wf_map_set(&updated, op->operands[0]->name, op->operands[0]);
  }
}

static void check_function(wf_verifier *v, const wf_function *function) {
  wf_map names;
  wf_map_init(&names, v->arena);
  v->where = wf_arena_printf(v->arena, "function @%s", function->name);
  v->what = NULL;
  v->loc = function->loc;
  for (int i = 0; i < function->inputs.count; i++) {
    check_input(v, function->inputs.items[i]);
    check_name(v, &names, function->inputs.items[i]);
  }
  for (int i = 0; i < function->ops.count; i++) {
    check_names(v, function->ops.items[i], &names);
    if (!check_op(v, function, function->ops.items[i])) break;
  }
  v->what = NULL;
  v->loc = function->loc;
  for (int i = 0; i < function->results.count; i++)
    if (wf_stamp_get(&v->values, function->results.items[i].value->id) != 1) wf_broken(v, "its result '%s' is not defined", function->results.items[i].name);
  check_updates_once(v, function);
}

// Calls and loops form no cycle. state: 0 not met, 1 on the path, 2 done; by position in the map of functions.
static bool check_acyclic(wf_verifier *v, const wf_map *index, int *states, const wf_function *function) {
  int at = wf_map_index(index, function->name);
  if (at < 0) return wf_broken(v, "@%s is no function of the module", function->name);
  if (states[at] == 2) return true;
  if (states[at] == 1) return wf_broken(v, "@%s calls itself", function->name);
  states[at] = 1;
  bool good = true;
  for (int i = 0; i < function->ops.count && good; i++)
    if (function->ops.items[i]->region) good = check_acyclic(v, index, states, function->ops.items[i]->region);
  states[at] = 2;
  return good;
}

static void check_functions(wf_verifier *v, const wf_module *module) {
  wf_map index;
  wf_map_init(&index, v->arena);
  for (int i = 0; i < module->functions.count; i++) {
    wf_function *function = module->functions.items[i];
    if (wf_map_get(&index, function->name)) wf_broken(v, "two functions are named @%s", function->name);
    wf_map_set(&index, function->name, function);
  }
  int *states = WF_NEW_ARRAY(v->arena, int, module->functions.count);
  for (int i = 0; i < module->functions.count; i++)
    if (!check_acyclic(v, &index, states, module->functions.items[i])) return;
  for (int i = 0; i < module->functions.count; i++) check_function(v, module->functions.items[i]);
}

bool wf_verify(const wf_module *module, wf_diag *diag) {
  wf_verifier v;
  wf_verifier_init(&v, module, diag);
  for (int i = 0; i < module->facts.count; i++) wf_verify_dim(&v, module->facts.items[i].dim, false);
  check_functions(&v, module);
  for (int i = 0; i < module->kernels.count; i++) wf_verify_kernel_with(&v, module->kernels.items[i]);
  return wf_verifier_end(&v);
}
