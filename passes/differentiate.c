// autodiff: expands every `grad` into the operations that compute it, by one reverse walk over what comes before it.
//
//   %l = ...; %d_w = grad %l by %w     ==>     %l = ...; the adjoints of what lies between %w and %l; %d_w = ...
//
// Inner `grad`s stand before outer ones and are expanded first, so a gradient of a gradient needs nothing special: the
// adjoint of every operation kind is made of operation kinds.
#include "passes/differentiate.h"
#include "passes/clone_ops.h"
#include "passes/passes.h"

// ---- tape -------------------------------------------------------------------------------------------------------

wf_tape *wf_tape_create(wf_function *function, wf_arena *arena) {
  wf_tape *tape = WF_NEW(arena, wf_tape);
  *tape = (wf_tape){.module = function->module, .function = function, .arena = arena, .limit = function->module->value_count};
  tape->active = WF_NEW_ARRAY(arena, bool, tape->limit);
  tape->adjoints = WF_NEW_ARRAY(arena, wf_adjoint *, tape->limit);
  tape->wanted = WF_NEW_ARRAY(arena, wf_value *, tape->limit);
  return tape;
}

bool wf_tape_active(const wf_tape *tape, const wf_value *value) { return value->id < tape->limit && tape->active[value->id]; }

void wf_tape_activate(wf_tape *tape, const wf_value *value) {
  if (wf_dtype_is_float(value->dtype)) tape->active[value->id] = true;
}

bool wf_tape_has_cotangent(const wf_tape *tape, const wf_value *value) {
  const wf_adjoint *adjoint = value->id < tape->limit ? tape->adjoints[value->id] : NULL;
  return adjoint && (adjoint->finished || adjoint->parts.count);
}

const char *wf_gradient_name(const wf_tape *tape, const wf_value *value) {
  return wf_arena_printf(tape->arena, "d_%s", value->name);
}

const wf_expr *wf_zero(wf_module *module, wf_dtype type) { return wf_expr_const(module, type, 0); }

static const char *axis_name(const wf_tape *tape, const wf_value *value, int axis, const char *const *names) {
  const wf_op *def = value->def;
  if (def && def->kind == WF_O_COMPUTE && axis < def->axis_count) return def->axes[axis]->name;
  if (names && names[axis]) return names[axis];
  return wf_arena_printf(tape->module->arena, "i%d", axis);
}

wf_adjoint *wf_tape_adjoint(wf_tape *tape, wf_value *value) { return wf_tape_adjoint_named(tape, value, NULL); }

wf_adjoint *wf_tape_adjoint_named(wf_tape *tape, wf_value *value, const char *const *names) {
  wf_adjoint *adjoint = tape->adjoints[value->id];
  if (adjoint) return adjoint;
  adjoint = tape->adjoints[value->id] = WF_NEW(tape->arena, wf_adjoint);
  adjoint->value = value;
  adjoint->wanted = tape->wanted[value->id];
  adjoint->axes = WF_NEW_ARRAY(tape->module->arena, const wf_atom *, value->rank);
  adjoint->indices = WF_NEW_ARRAY(tape->module->arena, const wf_dim *, value->rank);
  for (int i = 0; i < value->rank; i++) {
    adjoint->axes[i] = wf_new_axis(tape->module, axis_name(tape, value, i, names), value->shape[i]);
    adjoint->indices[i] = adjoint->axes[i]->as_dim;
  }
  return adjoint;
}

void wf_tape_add(wf_tape *tape, wf_adjoint *adjoint, const wf_expr *part) { wf_vec_push(tape->arena, &adjoint->parts, part); }

void wf_tape_add_value(wf_tape *tape, wf_adjoint *adjoint, wf_value *made) {
  adjoint->made = made;
  wf_tape_add(tape, adjoint, wf_expr_read_dims(tape->module, made, adjoint->indices, NULL));
}

// ---- finished cotangents -------------------------------------------------------------------------------------------

static void rename_value(wf_function *function, wf_value *value, const char *wanted) {
  value->name = wf_unique_name(function, wanted);
  wf_map_set(&function->names, value->name, value);
}

// The value that the part reads at every point of the adjoint's axes in order, or NULL.
static wf_value *whole_read(const wf_adjoint *adjoint, const wf_expr *part) {
  const wf_value *value = adjoint->value;
  if (part->op != WF_S_READ || part->has_default || part->operand->rank != value->rank || part->operand->dtype != value->dtype) return NULL;
  for (int i = 0; i < value->rank; i++) {
    if (part->args[i]->op != WF_S_INDEX || part->operand->shape[i] != value->shape[i]) return NULL;
    bool only_point = wf_dim_equals_const(value->shape[i], 1) && wf_dim_equals_const(part->args[i]->dim, 0);
    if (part->args[i]->dim != adjoint->indices[i] && !only_point) return NULL;
  }
  return part->operand;
}

static wf_value *store_sum(wf_tape *tape, wf_adjoint *adjoint, const wf_expr *sum) {
  wf_value *value = adjoint->value;
  return wf_build_compute(tape->function, wf_gradient_name(tape, value), value->dtype, adjoint->axes, value->rank, WF_R_NONE, NULL, 0, sum,
                          value->loc);
}

static void settle(wf_tape *tape, wf_adjoint *adjoint, const wf_expr *sum) {
  wf_value *whole = whole_read(adjoint, sum);
  if (!whole) {
    adjoint->gradient = store_sum(tape, adjoint, sum);
  } else if (whole == adjoint->made) {
    adjoint->gradient = whole;
    if (!adjoint->wanted) rename_value(tape->function, whole, wf_gradient_name(tape, adjoint->value));
  } else {
    adjoint->gradient = adjoint->wanted ? wf_build_copy(tape->function, "copy", whole, adjoint->value->loc) : whole;
  }
  if (!adjoint->wanted) return;
  wf_take_result(adjoint->wanted, adjoint->gradient);
  adjoint->gradient = adjoint->wanted;
}

static void finish(wf_tape *tape, wf_adjoint *adjoint) {
  if (adjoint->finished) return;
  adjoint->finished = true;
  const wf_expr *sum = NULL;
  for (int i = adjoint->parts.count - 1; i >= 0; i--)
    sum = sum ? wf_expr_binary(tape->module, WF_S_ADD, sum, adjoint->parts.items[i]) : adjoint->parts.items[i];
  if (!sum) sum = wf_zero(tape->module, wf_dtype_compute(adjoint->value->dtype));
  if (sum->op == WF_S_CONST) adjoint->constant = sum;
  if (!adjoint->constant || adjoint->wanted) settle(tape, adjoint, sum);
}

const wf_expr *wf_tape_read(wf_tape *tape, const wf_value *value, const wf_expr *const *indices, const wf_expr *outside) {
  wf_adjoint *adjoint = tape->adjoints[value->id];
  finish(tape, adjoint);
  if (adjoint->constant && !outside) return adjoint->constant;
  return wf_expr_read(tape->module, wf_tape_gradient(tape, adjoint->value), indices, outside);
}

const wf_expr *wf_tape_read_dims(wf_tape *tape, const wf_value *value, const wf_dim *const *indices) {
  const wf_expr *nodes[WF_MAX_RANK];
  for (int i = 0; i < value->rank; i++) nodes[i] = wf_expr_index(tape->module, indices[i]);
  return wf_tape_read(tape, value, nodes, NULL);
}

wf_value *wf_tape_gradient(wf_tape *tape, wf_value *value) {
  wf_adjoint *adjoint = wf_tape_adjoint(tape, value);
  finish(tape, adjoint);
  if (!adjoint->gradient) settle(tape, adjoint, adjoint->constant);
  return adjoint->gradient;
}

// ---- walks ------------------------------------------------------------------------------------------------------

static bool any_operand_active(const wf_tape *tape, const wf_op *op) {
  for (int i = 0; i < op->operand_count; i++)
    if (wf_tape_active(tape, op->operands[i])) return true;
  return false;
}

void wf_tape_propagate(wf_tape *tape, wf_op *const *ops, int count) {
  for (int i = 0; i < count; i++) {
    if (!any_operand_active(tape, ops[i])) continue;
    if (ops[i]->kind == WF_O_LOOP) {
      wf_loop_propagate(tape, ops[i]);
      continue;
    }
    bool onto = ops[i]->kind == WF_O_SCATTER && !ops[i]->scatter_from_zero && wf_tape_active(tape, ops[i]->operands[0]);
    if (ops[i]->body && !onto && !wf_body_is_active(tape, ops[i]->body)) continue;
    for (int k = 0; k < ops[i]->result_count; k++) wf_tape_activate(tape, ops[i]->results[k]);
  }
}

static bool not_differentiable(wf_tape *tape, const wf_op *op) {
  wf_diagnostic *error = wf_error(tape->module->diag, op->loc, "`%s` has no gradient", wf_operation_names[op->kind]);
  wf_help(tape->module->diag, error, "run autodiff before fuse and tile");
  return false;
}

static bool adjoint_of(wf_tape *tape, wf_op *op) {
  switch (op->kind) {
    case WF_O_COMPUTE: return wf_adjoint_compute(tape, op);
    case WF_O_SCATTER: return wf_adjoint_scatter(tape, op);
    case WF_O_SORT: return wf_adjoint_sort(tape, op);
    case WF_O_LOOP: return wf_adjoint_loop(tape, op);
    case WF_O_CONST: case WF_O_UPDATE: return true;
    case WF_O_CALL: case WF_O_GRAD:  // inlined and expanded before the walk
    case WF_O_GROUP: case WF_O_LAUNCH: case WF_OPERATION_COUNT: break;
  }
  return not_differentiable(tape, op);
}

bool wf_tape_reverse(wf_tape *tape, wf_op *const *ops, int count) {
  for (int i = count - 1; i >= 0; i--) {
    bool reached = false;
    for (int k = 0; k < ops[i]->result_count; k++)
      reached |= wf_tape_active(tape, ops[i]->results[k]) && wf_tape_has_cotangent(tape, ops[i]->results[k]);
    if (reached && any_operand_active(tape, ops[i]) && !adjoint_of(tape, ops[i])) return false;
  }
  return true;
}

// ---- the pass ---------------------------------------------------------------------------------------------------

static void seed(wf_tape *tape, wf_value *of) {
  if (wf_tape_active(tape, of)) wf_tape_add(tape, wf_tape_adjoint(tape, of), wf_expr_const(tape->module, wf_dtype_compute(of->dtype), 1));
}

// Gradients in the order of the `grad`; a value that is named twice gets a copy the second time.
static void store_results(wf_tape *tape, const wf_op *grad) {
  for (int i = 0; i < grad->result_count; i++) {
    wf_value *gradient = wf_tape_gradient(tape, grad->operands[i + 1]);
    if (gradient != grad->results[i]) wf_take_result(grad->results[i], wf_build_copy(tape->function, "copy", gradient, grad->loc));
  }
}

static bool expand(wf_function *function, int index) {
  wf_op *grad = function->ops.items[index];
  wf_arena *arena = wf_arena_create();
  wf_tail tail = wf_tail_take(function, index);
  wf_op **ops = WF_NEW_ARRAY(arena, wf_op *, index);
  for (int i = 0; i < index; i++) ops[i] = function->ops.items[i];
  wf_tape *tape = wf_tape_create(function, arena);
  for (int i = 0; i < grad->result_count; i++) {
    if (!tape->wanted[grad->operands[i + 1]->id]) tape->wanted[grad->operands[i + 1]->id] = grad->results[i];
    wf_tape_activate(tape, grad->operands[i + 1]);
  }
  wf_tape_propagate(tape, ops, index);
  seed(tape, grad->operands[0]);
  bool good = wf_tape_reverse(tape, ops, index);
  if (good) store_results(tape, grad);
  tail.ops++, tail.count--;
  wf_tail_put(function, tail);
  wf_arena_destroy(arena);
  return good;
}

static bool has_grad(const wf_function *function) {
  for (int i = 0; i < function->ops.count; i++)
    if (function->ops.items[i]->kind == WF_O_GRAD) return true;
  return false;
}

// Calls on the way from a `grad` backwards are inlined first: their callees' values are saved for the reverse walk.
static void inline_calls(wf_function *function) {
  for (int i = 0; i < function->ops.count;) {
    if (function->ops.items[i]->kind == WF_O_CALL) {
      wf_inline_call(function, i);
      continue;
    }
    if (function->ops.items[i]->kind == WF_O_LOOP) inline_calls(function->ops.items[i]->region);
    i++;
  }
}

bool wf_pass_autodiff(wf_module *module, const wf_pass_options *options) {
  for (int i = 0; i < module->functions.count; i++) {  // callees and regions too: each is in the list
    wf_function *function = module->functions.items[i];
    if (!has_grad(function)) continue;
    inline_calls(function);
    for (int k = 0; k < function->ops.count;)
      if (function->ops.items[k]->kind != WF_O_GRAD) k++;
      else if (!expand(function, k)) return false;
  }
  return true;
}
