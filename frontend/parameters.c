// Parameters and states: inputs of the outermost function under their hierarchical name, collected once a module; `update`;
// optimizers; and the function `init`, which carries out the initialisers.
#include "frontend/lower_internal.h"

const char *wf_public_name(wf_lower *lower, const char *name) {
  size_t length = strlen(name);
  while (length > 1 && name[length - 1] == '\'') length--;
  return wf_arena_strndup(lower->arena, name, length);
}

static const char *full_name(wf_lower *lower, const wf_ast_stmt *stmt) {
  const wf_frame *frame = lower->frame;
  const char *name = wf_public_name(lower, stmt->names.items[0].text);
  if (frame->decl->kind == WF_D_OPTIMIZER) return wf_arena_printf(lower->arena, "%s.%s.%s", frame->optimizer, name, frame->parameter);
  return *frame->path ? wf_arena_printf(lower->arena, "%s.%s", frame->path, name) : name;
}

static bool may_declare(wf_lower *lower, const wf_ast_stmt *stmt) {
  wf_ast_decl_kind kind = lower->frame->decl->kind;
  if (kind == WF_D_NET || (kind == WF_D_OPTIMIZER && stmt->kind == WF_ST_STATE)) return true;
  wf_diagnostic *error = wf_lower_error(lower, stmt->loc, "%s cannot stand in %s", stmt->kind == WF_ST_PARAM ? "`param`" : "`state`",
                                        kind == WF_D_OP ? "an op" : "an optimizer");
  if (kind == WF_D_OP) wf_help(lower->diag, error, "make `%s` a net: parameters live in nets", lower->frame->decl->name);
  return false;
}

static bool known_extents(wf_lower *lower, const wf_ast_stmt *stmt, const char *name, const wf_dim_list *shape) {
  for (int i = 0; i < shape->count; i++) {
    int64_t extent;
    if (wf_dim_is_const(shape->items[i], &extent)) continue;
    wf_diagnostic *error = wf_lower_error(lower, stmt->type->loc, "the shape of `%s` is %s, and `%s` is known only at run time", name,
                                          wf_shape_text(lower, shape->items, shape->count), wf_dim_text(lower, shape->items[i]));
    wf_help(lower->diag, error, "give that axis of the net's input a number, or a compile-time parameter");
    return false;
  }
  return true;
}

static bool same_parameter(const wf_parameter *known, wf_dtype type, const wf_dim_list *shape) {
  bool same = known->dtype == type && known->rank == shape->count;
  for (int i = 0; same && i < shape->count; i++) same = known->shape[i] == shape->items[i];
  return same;
}

static bool collect(wf_lower *lower, const wf_ast_stmt *stmt, const char *name, wf_dtype type, const wf_dim_list *shape) {
  intptr_t index = (intptr_t)wf_map_get(&lower->parameter_index, name);
  if (index) {
    const wf_parameter *known = &lower->parameters.items[index - 1];
    if (same_parameter(known, type, shape)) return true;
    wf_diagnostic *error = wf_lower_error(lower, stmt->loc, "`%s` is %s%s here and %s%s elsewhere", name, wf_dtype_name(type),
                                          wf_shape_text(lower, shape->items, shape->count), wf_dtype_name(known->dtype), wf_shape_text(lower, known->shape, known->rank));
    wf_lower_where(lower, error, known->loc, "there");
    return false;
  }
  wf_parameter parameter = {name, stmt->kind == WF_ST_PARAM ? WF_ROLE_PARAM : WF_ROLE_STATE, type, shape->count, shape->items, stmt->loc, lower->module->place, stmt->value, lower->frame->scope};
  wf_vec_push(lower->arena, &lower->parameters, parameter);
  wf_map_set(&lower->parameter_index, name, (void *)(intptr_t)lower->parameters.count);
  return true;
}

void wf_lower_param(wf_lower *lower, const wf_ast_stmt *stmt) {
  const char *local = stmt->names.items[0].text;
  wf_dtype type;
  wf_dim_list shape;
  wf_entry *old = wf_map_get(&lower->frame->scope->entries, local);
  if (!may_declare(lower, stmt) || !wf_type_shape(lower, stmt->type, &type, &shape, false)) return;
  const char *name = full_name(lower, stmt);
  if (old && old->is_input) {
    wf_diagnostic *error = wf_lower_error(lower, stmt->loc, "there is a parameter `%s` already", name);
    wf_lower_where(lower, error, old->loc, "here");
    return;
  }
  if (!known_extents(lower, stmt, name, &shape) || !collect(lower, stmt, name, type, &shape)) return;
  wf_check_elements(lower, stmt->loc, name, shape.items, shape.count);
  wf_value *value = wf_map_get(&lower->inputs, name);
  if (!value) {
    value = wf_function_input(wf_level_at(lower, 0)->function, name, stmt->kind == WF_ST_PARAM ? WF_ROLE_PARAM : WF_ROLE_STATE, type, shape.count, shape.items, stmt->loc);
    wf_map_set(&lower->inputs, name, value);
    if (strcmp(value->name, name)) wf_lower_error(lower, stmt->loc, "the parameter's name `%s` is taken by another value", name);
  }
  wf_val tensor = wf_val_tensor(value);
  tensor.loc = stmt->loc;
  wf_scope_set(lower, lower->frame->scope, local, tensor, stmt->names.items[0].loc)->is_input = true;
}

// ---- update ---------------------------------------------------------------------------------------------------------------------
static wf_value *update_target(wf_lower *lower, const wf_ast_stmt *stmt) {
  const char *name = stmt->names.items[0].text;
  wf_entry *entry = wf_scope_find(lower->frame->scope, name);
  if (!entry) { wf_lookup(lower, name, stmt->names.items[0].loc); return NULL; }
  wf_value *tensor = entry->value.kind == WF_VAL_TENSOR ? entry->value.tensor : NULL;
  bool trained = tensor && !tensor->def && tensor->role == WF_ROLE_PARAM;
  if (trained && !lower->frame->optimizer) {
    wf_diagnostic *error = wf_lower_error(lower, stmt->names.items[0].loc, "`%s` is a parameter: only the optimizer updates it", name);
    wf_lower_where(lower, error, entry->loc, "it is declared here");
    wf_help(lower->diag, error, "what the net itself updates is a state: state %s: TYPE = 0", name);
    return NULL;
  }
  if (trained || (tensor && !tensor->def && tensor->role == WF_ROLE_STATE)) return tensor;
  if (entry->value.kind == WF_VAL_NONE) return NULL;
  wf_diagnostic *error = wf_lower_error(lower, stmt->names.items[0].loc, "`%s` is no parameter or state to update", name);
  wf_lower_where(lower, error, entry->loc, "it is defined here");
  wf_help(lower->diag, error, "declare it: state %s: TYPE = 0", name);
  return NULL;
}

void wf_lower_update(wf_lower *lower, const wf_ast_stmt *stmt) {
  wf_value *target = update_target(lower, stmt);
  if (!target) return;
  lower->frame->assigned = wf_arena_printf(lower->arena, "%s.next", stmt->names.items[0].text);
  lower->frame->assigned_value = stmt->value;
  wf_val value = wf_eval(lower, stmt->value);
  const char *name = wf_value_name(lower, lower->frame->assigned);
  lower->frame->assigned = NULL;
  if (value.kind == WF_VAL_NONE) return;
  value = wf_resolve(lower, &value, stmt->value->loc);
  if (!wf_is_runtime(&value) || (value.kind == WF_VAL_SCALAR && value.soft)) value = wf_coerce(lower, &value, target->dtype, stmt->value->loc);
  wf_value *tensor = value.kind == WF_VAL_NONE ? NULL : wf_force(lower, &value, name, stmt->value->loc);
  if (!tensor) return;
  bool same = tensor->dtype == target->dtype && tensor->rank == target->rank;
  for (int i = 0; same && i < tensor->rank; i++) same = wf_prove_equal(lower, tensor->shape[i], target->shape[i]) == WF_PROVED;
  if (!same) {
    wf_diagnostic *error = wf_lower_error(lower, stmt->value->loc, "`%s` is %s%s and the new value is %s%s", stmt->names.items[0].text, wf_dtype_name(target->dtype),
                                          wf_shape_text(lower, target->shape, target->rank), wf_dtype_name(tensor->dtype), wf_shape_text(lower, tensor->shape, tensor->rank));
    wf_lower_where(lower, error, target->loc, "`%s` is declared here", stmt->names.items[0].text);
    return;
  }
  if (lower->level->parent) { wf_lower_error(lower, stmt->loc, "`update` cannot stand in a loop: carry the value and update after the loop"); return; }
  if (lower->training) wf_build_update(lower->level->function, target, tensor, stmt->loc);
}

bool wf_lower_optimizer(wf_lower *lower, const wf_callable *optimizer, wf_value *parameter, wf_value *gradient, wf_loc loc) {
  if (optimizer->decl->kind != WF_D_OPTIMIZER) {
    wf_diagnostic *error = wf_lower_error(lower, loc, "`%s` is no optimizer", optimizer->decl->name);
    wf_lower_where(lower, error, optimizer->decl->name_loc, "it is defined here");
    return false;
  }
  wf_val args[2] = {wf_val_tensor(parameter), wf_val_tensor(gradient)};
  lower->optimized = parameter->name;
  wf_val done = wf_apply(lower, optimizer, args, 2, NULL, loc);
  lower->optimized = NULL;
  return done.kind != WF_VAL_NONE;
}

// ---- init -------------------------------------------------------------------------------------------------------------------------
// A scalar spread over the parameter's shape.
static wf_value *fill(wf_lower *lower, const wf_parameter *parameter, const wf_expr *expr) {
  const wf_atom *axes[WF_MAX_RANK];
  for (int i = 0; i < parameter->rank; i++) axes[i] = wf_dim_as_atom(wf_dim_axis(lower->module->dims, "i", parameter->shape[i]));
  return wf_build_compute(lower->level->function, parameter->name, parameter->dtype, axes, parameter->rank, WF_R_NONE, NULL, 0, expr, parameter->loc);
}

static wf_value *check_initial(wf_lower *lower, const wf_parameter *parameter, wf_value *value) {
  bool same = value->dtype == parameter->dtype && value->rank == parameter->rank;
  for (int i = 0; same && i < value->rank; i++) same = value->shape[i] == parameter->shape[i];
  if (same) return value;
  wf_lower_error(lower, parameter->initialiser->loc, "`%s` is %s%s and its initialiser gives %s%s", parameter->name, wf_dtype_name(parameter->dtype),
                 wf_shape_text(lower, parameter->shape, parameter->rank), wf_dtype_name(value->dtype), wf_shape_text(lower, value->shape, value->rank));
  return NULL;
}

static wf_value *initialise(wf_lower *lower, const wf_parameter *parameter) {
  wf_frame frame = *parameter->scope->frame;
  wf_dim_list shape = {(const wf_dim **)parameter->shape, parameter->rank};
  frame.site = frame.prefix = parameter->name;
  frame.caller = NULL;
  frame.assigned = NULL;
  lower->frame = &frame;
  lower->initial = &frame;
  wf_val value = wf_eval(lower, parameter->initialiser);
  lower->expects = true;
  lower->expected_dtype = parameter->dtype;
  lower->expected_shape = &shape;
  if (value.kind != WF_VAL_NONE) value = wf_resolve(lower, &value, parameter->initialiser->loc);
  lower->expects = false;
  wf_value *result = NULL;
  if (wf_is_number(&value) || value.kind == WF_VAL_DIM || value.kind == WF_VAL_BOOL || (value.kind == WF_VAL_SCALAR && value.soft)) value = wf_coerce(lower, &value, parameter->dtype, parameter->initialiser->loc);
  if (value.kind == WF_VAL_LAZY && value.rank == 0 && value.dtype == parameter->dtype) result = fill(lower, parameter, value.expr);
  else if (value.kind != WF_VAL_NONE) result = wf_force(lower, &value, parameter->name, parameter->initialiser->loc);
  lower->frame = NULL;
  lower->initial = NULL;
  return result ? check_initial(lower, parameter, result) : NULL;
}

bool wf_lower_init(wf_lower *lower) {
  int errors = lower->diag->errors;
  wf_function *function = wf_lower_begin(lower, "init", false);
  lower->initialising = true;
  for (int i = 0; i < lower->parameters.count; i++) {
    lower->module->place = lower->parameters.items[i].place;
    wf_value *value = initialise(lower, &lower->parameters.items[i]);
    if (value) wf_function_result(function, lower->parameters.items[i].name, value);
  }
  lower->module->place = WF_NOWHERE;
  lower->initialising = false;
  wf_lower_end(lower);
  return lower->diag->errors == errors;
}

// ---- labels and top -----------------------------------------------------------------------------------------------------------------
void wf_lower_labels_stmt(wf_lower *lower, const wf_ast_stmt *stmt) {
  wf_val labels = wf_eval_constant(lower, stmt->value, "the labels");
  bool strings = labels.kind == WF_VAL_LIST;
  for (int i = 0; strings && i < labels.count; i++) strings = labels.items[i].kind == WF_VAL_STRING;
  if (labels.kind == WF_VAL_NONE) return;
  if (!strings) { wf_lower_error(lower, stmt->value->loc, "labels are a list of strings"); return; }
  if (!*lower->frame->path) lower->labels = labels;
}

void wf_lower_top_stmt(wf_lower *lower, const wf_ast_stmt *stmt) {
  wf_val top = wf_eval_constant(lower, stmt->value, "top");
  if (top.kind == WF_VAL_NONE) return;
  if (top.kind != WF_VAL_INT || top.integer < 1 || top.integer > 1000000) { wf_lower_error(lower, stmt->value->loc, "top takes a positive int"); return; }
  if (!*lower->frame->path) lower->top = (int)top.integer;
}
