// Calls: whom a name means, which argument is which parameter, and carrying out the body of an op or net.
#include "frontend/lower_internal.h"

const char wf_apply_several[] = "several results";

wf_callable *wf_make_callable_val(wf_lower *lower, const wf_ast_decl *decl) {
  wf_callable *made = WF_NEW(lower->arena, wf_callable);
  made->decl = decl;
  return made;
}

const wf_ast_formal *wf_find_formal(const wf_ast_formals *formals, const char *name) {
  for (int i = 0; i < formals->count; i++)
    if (!strcmp(formals->items[i].name, name)) return &formals->items[i];
  return NULL;
}

// ---- compile-time parameters ------------------------------------------------------------------------------------------------
static bool fits_parameter(const char *type, wf_val *value) {
  if (!strcmp(type, "int")) return wf_is_dimlike(value) || (value->kind == WF_VAL_SCALAR && value->soft);
  if (!strcmp(type, "float")) {
    if (value->kind == WF_VAL_INT) *value = wf_float_val((double)value->integer, value->loc);
    return value->kind == WF_VAL_FLOAT || value->kind == WF_VAL_DIM || value->kind == WF_VAL_TENSOR ||
           (value->kind == WF_VAL_CALLABLE && value->callable->decl->arguments.count == 0) ||
           (value->kind == WF_VAL_SCALAR && value->soft);
  }
  if (!strcmp(type, "bool")) return value->kind == WF_VAL_BOOL;
  if (!strcmp(type, "string")) return value->kind == WF_VAL_STRING;
  if (!strcmp(type, "op")) return value->kind == WF_VAL_CALLABLE || wf_is_number(value);
  return false;
}

static bool is_parameter_type(const char *name) {
  static const char *const names[] = {"int", "float", "bool", "string", "op"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!strcmp(names[i], name)) return true;
  return false;
}

static bool convert_parameter(wf_lower *lower, const wf_ast_formal *formal, wf_val *value) {
  const char *type = formal->type->name;
  if (!formal->type->has_shape) return fits_parameter(type, value);
  if (value->kind != WF_VAL_LIST) *value = wf_list_val(lower, value, 1, value->loc);
  wf_val list = wf_list_val(lower, value->items, value->count, value->loc);
  for (int i = 0; i < list.count; i++)
    if (!fits_parameter(type, &list.items[i])) return false;
  return *value = list, true;
}

bool wf_bind_parameter(wf_lower *lower, wf_callable *callable, const wf_ast_formal *formal, const wf_val *given, wf_loc loc) {
  wf_val value = *given;
  if (value.kind == WF_VAL_NONE) return false;
  if (!is_parameter_type(formal->type->name)) {
    wf_diagnostic *error = wf_lower_error(lower, formal->type->loc, "`%s` is no type of a compile-time parameter", formal->type->name);
    wf_help(lower->diag, error, "int, float, bool, string, op, or a list of one: int[]; tensors come before `;`");
    return false;
  }
  if (!convert_parameter(lower, formal, &value)) {
    wf_diagnostic *error = wf_lower_error(lower, loc, "`%s` of `%s` is %s%s, and this is %s", formal->name, callable->decl->name, formal->type->name,
                                          formal->type->has_shape ? "[]" : "", wf_val_text(lower, given));
    wf_lower_where(lower, error, formal->loc, "the parameter is declared here");
    return false;
  }
  value.loc = loc;
  wf_set_bound(lower, callable, formal->name, value);
  return true;
}

static bool bind_defaults(wf_lower *lower, wf_frame *frame, const wf_callable *callable, bool only_known) {
  for (int i = 0; i < callable->decl->parameters.count; i++) {
    const wf_ast_formal *formal = &callable->decl->parameters.items[i];
    if (wf_scope_find(frame->scope, formal->name)) continue;
    if (only_known && (!formal->otherwise || !wf_names_known(lower, formal->otherwise))) continue;
    if (!formal->otherwise) {
      wf_diagnostic *error = wf_lower_error(lower, frame->call_loc.source ? frame->call_loc : formal->loc, "`%s` needs the parameter `%s`", callable->decl->name, formal->name);
      wf_lower_where(lower, error, formal->loc, "it has no default");
      if (callable->decl == lower->model->net) wf_help(lower->diag, error, "--set %s=VALUE gives it, or a default: %s: %s = VALUE", formal->name, formal->name, formal->type->name);
      return false;
    }
    wf_val value = wf_eval_constant(lower, formal->otherwise, "a default");
    wf_callable scratch = *callable;
    memset(&scratch.bound, 0, sizeof scratch.bound);
    if (!wf_bind_parameter(lower, &scratch, formal, &value, formal->otherwise->loc)) return false;
    wf_scope_set(lower, frame->scope, formal->name, scratch.bound.items[0].value, formal->loc);
  }
  return true;
}

bool wf_bind_known_defaults(wf_lower *lower, const wf_callable *callable) { return bind_defaults(lower, lower->frame, callable, true); }

// ---- tensor arguments ---------------------------------------------------------------------------------------------------------
static const char *argument_text(wf_lower *lower, const wf_ast_decl *decl, const wf_ast_formal *formal) {
  return wf_arena_printf(lower->arena, "argument `%s` of `%s`", formal->name, decl->name);
}

static bool is_untyped(const wf_val *value) {
  return wf_is_number(value) || value->kind == WF_VAL_DIM || value->kind == WF_VAL_BOOL || (value->kind == WF_VAL_SCALAR && value->soft);
}

// Pass 0: types and lone names; pass 1: extents that are expressions. Numbers come last: they take the type of the others.
static bool fit_argument(wf_lower *lower, const wf_ast_decl *decl, const wf_ast_formal *formal, const wf_val *actual, int pass) {
  const char *what = argument_text(lower, decl, formal);
  bool list = !strcmp(formal->type->name, "list");
  if (list) return actual->kind == WF_VAL_LIST || (wf_lower_error(lower, actual->loc, "%s is a list, and this is %s", what, wf_val_text(lower, actual)), false);
  if (!formal->type->has_shape) {
    wf_lower_error(lower, formal->type->loc, "a tensor argument has a shape: %s[n, d], or %s[] for a scalar", formal->type->name, formal->type->name);
    return false;
  }
  const wf_dim *shape[WF_MAX_RANK];
  int rank = actual->kind == WF_VAL_TENSOR ? actual->tensor->rank : 0;
  for (int i = 0; i < rank; i++) shape[i] = actual->tensor->shape[i];
  if (pass == 0 && !is_untyped(actual) && !wf_bind_type(lower, formal->type, what, actual->dtype, actual->loc)) return false;
  return wf_unify_shape(lower, formal->type, what, shape, rank, actual->loc, pass == 1);
}

// A number for a tensor argument of rank 0 becomes a scalar of the argument's type.
static bool fit_number(wf_lower *lower, const wf_ast_decl *decl, const wf_ast_formal *formal, wf_val *actual) {
  wf_dtype type;
  if (!wf_find_type(lower, formal->type->name, &type)) {
    type = wf_natural_type(lower, actual);
    if (type == WF_I64 && lower->definition) type = lower->definition->hint;
    if (!wf_bind_type(lower, formal->type, argument_text(lower, decl, formal), type, actual->loc)) return false;
  }
  if (lower->definition) return true;   // stays a number of the point
  wf_val value = wf_coerce(lower, actual, type, actual->loc);
  wf_value *tensor = value.kind == WF_VAL_NONE ? NULL : wf_force(lower, &value, formal->name, actual->loc);
  if (!tensor) return false;
  *actual = wf_tensor_val(lower, tensor, actual->loc);
  return true;
}

static bool fit_arguments(wf_lower *lower, const wf_callable *callable, wf_val *args) {
  const wf_ast_formals *formals = &callable->decl->arguments;
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < formals->count; i++)
      if (!fit_argument(lower, callable->decl, &formals->items[i], &args[i], pass)) return false;
  for (int i = 0; i < formals->count; i++)
    if (is_untyped(&args[i]) && !fit_number(lower, callable->decl, &formals->items[i], &args[i])) return false;
  for (int i = 0; i < formals->count; i++) wf_scope_set(lower, lower->frame->scope, formals->items[i].name, args[i], args[i].loc);
  return true;
}

// ---- results --------------------------------------------------------------------------------------------------------------------
static const char *result_name(const wf_ast_decl *decl, int index) {
  return decl->named_results ? decl->results.items[index].name : "out";
}

// The result takes its type from where the op is used.
static bool bind_expected(wf_lower *lower, const wf_ast_decl *decl) {
  if (decl->arguments.count || decl->results.count != 1 || !lower->expects) return true;
  wf_dtype known;
  const wf_ast_type *type = decl->results.items[0].type;
  if (!wf_find_type(lower, type->name, &known) && !wf_bind_type(lower, type, "the result", lower->expected_dtype, lower->frame->call_loc)) return false;
  const wf_dim_list *shape = lower->expected_shape;
  return wf_unify_shape(lower, type, "the result", shape->items, shape->count, lower->frame->call_loc, false) &&
         wf_unify_shape(lower, type, "the result", shape->items, shape->count, lower->frame->call_loc, true);
}

static void declare_results(wf_lower *lower, const wf_ast_decl *decl) {
  for (int i = 0; i < decl->results.count; i++) {
    wf_dtype type;
    wf_dim_list shape;
    if (!wf_type_shape(lower, decl->results.items[i].type, &type, &shape, true)) continue;
    const char *name = result_name(decl, i);
    if (wf_map_get(&lower->frame->scope->entries, name)) continue;   // an argument of that name is passed on
    wf_entry *entry = wf_scope_set(lower, lower->frame->scope, name, wf_none(), decl->results.items[i].type->loc);
    entry->declared = true;
    entry->dtype = type;
    entry->shape = shape;
  }
}

static wf_val check_result(wf_lower *lower, const wf_ast_decl *decl, int index, wf_val value) {
  const wf_ast_type *type = decl->results.count ? decl->results.items[index].type : NULL;
  if (value.kind == WF_VAL_NONE) return value;
  wf_dtype wanted;
  const char *name = lower->frame->prefix && *lower->frame->prefix ? lower->frame->prefix : result_name(decl, decl->named_results ? index : 0);
  const char *what = wf_arena_printf(lower->arena, "the result of `%s`", decl->name);
  if (!type || !strcmp(type->name, "list")) return wf_force_val(lower, &value, name, value.loc);
  if (lower->frame->inlined) return value;
  value = wf_resolve(lower, &value, value.loc);
  if (value.kind == WF_VAL_NONE) return value;
  if (is_untyped(&value)) value = wf_coerce(lower, &value, wf_find_type(lower, type->name, &wanted) ? wanted : wf_natural_type(lower, &value), value.loc);
  wf_value *tensor = value.kind == WF_VAL_NONE ? NULL : wf_force(lower, &value, name, value.loc);
  if (!tensor) return wf_none();
  wf_loc loc = value.loc.source ? value.loc : tensor->loc;
  if (!wf_bind_type(lower, type, what, tensor->dtype, loc)) return wf_none();
  wf_warn_new_extents(lower, decl, type);
  for (int pass = 0; pass < 2; pass++)
    if (!wf_unify_shape(lower, type, what, tensor->shape, tensor->rank, loc, pass)) return wf_none();
  return wf_tensor_val(lower, tensor, loc);
}

static bool collect_results(wf_lower *lower, const wf_ast_decl *decl, wf_vals *out) {
  wf_frame *frame = lower->frame;
  int count = decl->results.count ? decl->results.count : 1;
  if (frame->returned) {
    if (decl->results.count && frame->results.count != count) {
      wf_loc loc = frame->results.count ? frame->results.items[0].loc : decl->name_loc;
      wf_lower_error(lower, loc, "`%s` gives %d result%s and %d %s returned", decl->name, count, count == 1 ? "" : "s", frame->results.count, frame->results.count == 1 ? "is" : "are");
      return false;
    }
    *out = frame->results;
    return true;
  }
  for (int i = 0; i < count; i++) {
    const char *name = decl->results.count ? result_name(decl, i) : "out";
    wf_entry *entry = wf_map_get(&frame->scope->entries, name);
    if (!entry || (entry->value.kind == WF_VAL_NONE && !lower->diag->errors)) {
      wf_diagnostic *error = wf_lower_error(lower, decl->name_loc, "`%s` has no result", decl->name);
      wf_help(lower->diag, error, "end it with `return EXPR`, or define `%s`", name);
      return false;
    }
    wf_vec_push(lower->arena, out, entry->value);
  }
  return true;
}

static wf_val finish_results(wf_lower *lower, const wf_ast_decl *decl) {
  wf_vals values = {0};
  int errors = lower->diag->errors;
  if (!collect_results(lower, decl, &values)) return wf_none();
  bool good = true;
  for (int i = 0; i < values.count; i++) {
    values.items[i] = check_result(lower, decl, i, values.items[i]);
    good = good && values.items[i].kind != WF_VAL_NONE;
  }
  if (!good || (values.count == 0 && lower->diag->errors > errors)) return wf_none();
  if (values.count == 1) return values.items[0];
  wf_val list = wf_list_val(lower, values.items, values.count, decl->name_loc);
  list.text = wf_apply_several;
  return list;
}

// ---- carrying out ---------------------------------------------------------------------------------------------------------------
static const char *join(wf_lower *lower, const char *a, const char *b, const char *between) {
  if (!a || !*a) return b ? b : "";
  return b && *b ? wf_arena_printf(lower->arena, "%s%s%s", a, between, b) : a;
}

static void name_frame(wf_lower *lower, wf_frame *frame, const wf_ast_decl *decl, const char *instance) {
  wf_frame *caller = frame->caller;
  const char *path = caller ? caller->path : "", *site = caller ? caller->site : "", *prefix = caller ? caller->prefix : "";
  if (decl->kind == WF_D_NET) {
    frame->path = frame->prefix = frame->site = join(lower, path, instance, ".");
    frame->instances = WF_NEW(lower->arena, wf_map);
    wf_map_init(frame->instances, lower->arena);
    frame->instance_counts = WF_NEW(lower->arena, wf_map);
    wf_map_init(frame->instance_counts, lower->arena);
    return;
  }
  if (decl->kind == WF_D_OPTIMIZER) {
    frame->optimizer = decl->name;
    frame->parameter = lower->optimized;
    frame->path = "";
    frame->site = frame->prefix = join(lower, decl->name, lower->optimized, ".");
    return;
  }
  frame->path = path;
  frame->site = join(lower, site, decl->name, "/");
  frame->prefix = join(lower, prefix, decl->name, ".");
  frame->optimizer = caller ? caller->optimizer : NULL;
  frame->parameter = caller ? caller->parameter : NULL;
  frame->instances = NULL;
}

static wf_val run_body(wf_lower *lower, const wf_callable *callable, wf_val *args) {
  wf_frame *frame = lower->frame;
  const wf_ast_decl *decl = callable->decl;
  int errors = lower->diag->errors;
  for (int i = 0; i < callable->bound.count; i++)
    wf_scope_set(lower, frame->scope, callable->bound.items[i].name, callable->bound.items[i].value, callable->bound.items[i].value.loc);
  if (!fit_arguments(lower, callable, args) || !bind_expected(lower, decl) || !bind_defaults(lower, frame, callable, false)) return wf_none();
  wf_check_where(lower, decl);
  if (lower->diag->errors > errors) return wf_none();
  declare_results(lower, decl);
  wf_run_block(lower, &decl->body);
  if (lower->diag->errors > errors || lower->stopped) return wf_none();
  return decl->kind == WF_D_OPTIMIZER ? wf_bool_val(true, frame->call_loc) : finish_results(lower, decl);
}

static bool all_scalars(const wf_val *args, int count) {
  for (int i = 0; i < count; i++)
    if (args[i].kind == WF_VAL_LIST || (args[i].kind == WF_VAL_TENSOR && args[i].tensor->rank > 0)) return false;
  return true;
}

wf_val wf_apply(wf_lower *lower, const wf_callable *callable, const wf_val *given, int count, const wf_ast_instance *instance, wf_loc loc) {
  const wf_ast_decl *decl = callable->decl;
  if (count != decl->arguments.count) {
    wf_diagnostic *error = wf_lower_error(lower, loc, "`%s` takes %d tensor%s and gets %d", decl->name, decl->arguments.count, decl->arguments.count == 1 ? "" : "s", count);
    wf_lower_where(lower, error, decl->name_loc, "`%s` is defined here", decl->name);
    return wf_none();
  }
  if (!wf_lower_step(lower, loc) || !wf_lower_deeper(lower, loc)) return wf_none();
  wf_map_set(&lower->model->applied, decl->name, (void *)decl);
  wf_val *args = WF_NEW_ARRAY(lower->arena, wf_val, count);
  for (int i = 0; i < count; i++) args[i] = given[i];
  wf_scope scope;
  wf_frame frame = {.caller = lower->frame, .call_loc = loc, .decl = decl};
  wf_frame *kept = WF_NEW(lower->arena, wf_frame);
  wf_scope *kept_scope = WF_NEW(lower->arena, wf_scope);
  *kept = frame;
  wf_scope_init(lower, &scope, NULL, kept);
  *kept_scope = scope;
  kept->scope = kept_scope;
  name_frame(lower, kept, decl, instance ? instance->name : NULL);
  wf_definition *definition = lower->definition;
  wf_axis_scope *axes = lower->axes, inlined = {.has_rest = true, .around = axes};
  kept->inlined = definition && decl->kind == WF_D_OP && count > 0 && all_scalars(args, count);
  lower->frame = kept;
  lower->definition = kept->inlined ? definition : NULL;
  lower->axes = kept->inlined ? &inlined : NULL;
  bool binding = lower->binding_symbols;
  lower->binding_symbols = false;
  wf_loc place = lower->module->place;
  if (!place.source && decl->loc.source && decl->loc.source->library && loc.source) lower->module->place = loc;
  wf_val result = run_body(lower, callable, args);
  lower->module->place = place;
  lower->binding_symbols = binding;
  lower->frame = kept->caller;
  lower->definition = definition;
  lower->axes = axes;
  lower->depth--;
  return result;
}

// ---- instances --------------------------------------------------------------------------------------------------------------------
static const char *explicit_instance(wf_lower *lower, const wf_ast_instance *as) {
  if (!as->index) return wf_public_name(lower, as->name);
  wf_val index = wf_eval_constant(lower, as->index, "an instance's index");
  if (index.kind == WF_VAL_INT) return wf_arena_printf(lower->arena, "%s.%lld", wf_public_name(lower, as->name), (long long)index.integer);
  if (index.kind != WF_VAL_NONE) wf_lower_error(lower, as->loc, "an instance's index is an int, and this is %s", wf_val_text(lower, &index));
  return NULL;
}

static const char *numbered(wf_lower *lower, const wf_frame *frame, const char *base) {
  intptr_t count = (intptr_t)wf_map_get(frame->instance_counts, base);
  const char *name;
  do name = ++count == 1 ? base : wf_arena_printf(lower->arena, "%s_%d", base, (int)count);
  while (wf_map_index(frame->instances, name) >= 0);
  wf_map_set(frame->instance_counts, base, (void *)count);
  return name;
}

static bool name_instance(wf_lower *lower, const wf_ast_decl *decl, const wf_ast_instance *as, wf_loc loc, wf_ast_instance *out) {
  wf_frame *frame = lower->frame;
  if (!frame || frame->decl->kind != WF_D_NET) {
    wf_diagnostic *error = wf_lower_error(lower, loc, "an op cannot call the net `%s`", decl->name);
    wf_help(lower->diag, error, frame ? "make `%s` a net: parameters live in nets" : "call it in a net", frame ? frame->decl->name : "");
    return false;
  }
  const char *name = as ? explicit_instance(lower, as) : numbered(lower, frame, frame->instance ? wf_public_name(lower, frame->instance) : decl->name);
  if (!name) return false;
  wf_loc *taken = wf_map_get(frame->instances, name);
  if (taken) {
    wf_diagnostic *error = wf_lower_error(lower, as->loc, "there is an instance `%s` already", name);
    wf_lower_where(lower, error, *taken, "here");
    wf_help(lower->diag, error, "every instance has parameters of its own; to share weights pass them as tensors");
    return false;
  }
  wf_loc *here = WF_NEW(lower->arena, wf_loc);
  *here = as ? as->loc : loc;
  wf_map_set(frame->instances, name, here);
  *out = (wf_ast_instance){loc, name, NULL};
  return true;
}

// ---- calls ------------------------------------------------------------------------------------------------------------------------
typedef struct bound_call { wf_callable *callable; wf_val *tensors; bool *given; const wf_ast_arg **parameters; } bound_call;

static bool unknown_argument(wf_lower *lower, const wf_ast_decl *decl, const wf_ast_arg *arg) {
  const char *names[128];
  int count = 0;
  for (int i = 0; i < decl->arguments.count && count < 128; i++) names[count++] = decl->arguments.items[i].name;
  for (int i = 0; i < decl->parameters.count && count < 128; i++) names[count++] = decl->parameters.items[i].name;
  wf_diagnostic *error = wf_lower_error(lower, arg->loc, "`%s` has no parameter `%s`", decl->name, arg->name);
  wf_lower_where(lower, error, decl->name_loc, "`%s` is defined here", decl->name);
  const char *hint = wf_did_you_mean(arg->name, names, count);
  if (hint) wf_help(lower->diag, error, "did you mean `%s`?", hint);
  return false;
}

static bool bind_argument(wf_lower *lower, bound_call *call, const wf_ast_arg *arg, int position) {
  const wf_ast_decl *decl = call->callable->decl;
  int tensor = -1;
  const wf_ast_formal *parameter = NULL;
  if (!arg->name && position < decl->arguments.count) tensor = position;
  else if (!arg->name && position - decl->arguments.count < decl->parameters.count) parameter = &decl->parameters.items[position - decl->arguments.count];
  else if (arg->name) {
    for (int i = 0; i < decl->arguments.count; i++)
      if (!strcmp(decl->arguments.items[i].name, arg->name)) tensor = i;
    parameter = wf_find_formal(&decl->parameters, arg->name);
    if (tensor < 0 && !parameter) return unknown_argument(lower, decl, arg);
  } else {
    wf_diagnostic *error = wf_lower_error(lower, arg->loc, "`%s` takes at most %d arguments", decl->name, decl->arguments.count + decl->parameters.count);
    wf_lower_where(lower, error, decl->name_loc, "`%s` is defined here", decl->name);
    return false;
  }
  if (tensor < 0) {
    wf_definition *definition = lower->definition;
    wf_axis_scope *axes = lower->axes;
    lower->definition = NULL, lower->axes = NULL;
    wf_val value = wf_eval(lower, arg->value);
    lower->definition = definition, lower->axes = axes;
    const wf_ast_arg **before = &call->parameters[parameter - decl->parameters.items];
    if (*before) {
      wf_diagnostic *error = wf_lower_error(lower, arg->loc, "`%s` of `%s` is given twice", parameter->name, decl->name);
      wf_lower_where(lower, error, (*before)->loc, "first here");
      return false;
    }
    *before = arg;
    return wf_bind_parameter(lower, call->callable, parameter, &value, arg->loc);
  }
  if (call->given[tensor]) return wf_lower_error(lower, arg->loc, "`%s` of `%s` is given twice", decl->arguments.items[tensor].name, decl->name), false;
  wf_val value = wf_eval(lower, arg->value);
  if (value.kind == WF_VAL_NONE) return false;
  value = wf_resolve(lower, &value, arg->loc);
  if (value.kind == WF_VAL_LIST && value.text == wf_apply_several) return wf_lower_error(lower, arg->loc, "this gives %d values, and one is needed", value.count), false;
  call->tensors[tensor] = wf_force_val(lower, &value, decl->arguments.items[tensor].name, arg->loc);
  call->tensors[tensor].loc = arg->loc;
  call->given[tensor] = true;
  return call->tensors[tensor].kind != WF_VAL_NONE;
}

static bool check_tensor_argument(wf_lower *lower, const bound_call *call, int index) {
  const wf_val *value = &call->tensors[index];
  if (wf_is_runtime(value) || wf_is_number(value) || value->kind == WF_VAL_DIM || value->kind == WF_VAL_BOOL || value->kind == WF_VAL_LIST) return true;
  wf_lower_error(lower, value->loc, "`%s` of `%s` is a tensor, and this is %s", call->callable->decl->arguments.items[index].name, call->callable->decl->name, wf_val_text(lower, value));
  return false;
}

static bool bind_piped(wf_lower *lower, bound_call *call, const wf_ast_expr *expr, const wf_val *piped) {
  const wf_ast_decl *decl = call->callable->decl;
  if (!decl->arguments.count) return wf_lower_error(lower, expr->loc, "`%s` takes no tensor, and one is piped into it", decl->name), false;
  wf_val value = wf_resolve(lower, piped, expr->loc);
  call->tensors[0] = wf_force_val(lower, &value, decl->arguments.items[0].name, piped->loc);
  call->given[0] = true;
  return call->tensors[0].kind != WF_VAL_NONE;
}

static bool bind_call(wf_lower *lower, bound_call *call, const wf_callable *callee, const wf_ast_expr *expr, const wf_val *piped) {
  const wf_ast_decl *decl = callee->decl;
  *call = (bound_call){wf_make_callable_val(lower, decl), WF_NEW_ARRAY(lower->arena, wf_val, decl->arguments.count),
                       WF_NEW_ARRAY(lower->arena, bool, decl->arguments.count),
                       WF_NEW_ARRAY(lower->arena, const wf_ast_arg *, decl->parameters.count)};
  for (int i = 0; i < callee->bound.count; i++) wf_vec_push(lower->arena, &call->callable->bound, callee->bound.items[i]);
  int position = piped != NULL;
  if (piped && !bind_piped(lower, call, expr, piped)) return false;
  for (int i = 0; i < expr->args.count; i++) {
    if (!bind_argument(lower, call, &expr->args.items[i], position)) return false;
    if (!expr->args.items[i].name) position++;
  }
  return true;
}

// No tensor is given: the op itself with these compile-time arguments (a schedule, an initialiser, a loss).
static bool is_partial(const bound_call *call) {
  const wf_ast_decl *decl = call->callable->decl;
  for (int i = 0; i < decl->arguments.count; i++)
    if (call->given[i]) return false;
  return decl->arguments.count || decl->kind == WF_D_OP;
}

static bool check_tensors(wf_lower *lower, const bound_call *call, const wf_ast_expr *expr) {
  const wf_ast_decl *decl = call->callable->decl;
  for (int i = 0; i < decl->arguments.count; i++) {
    if (call->given[i]) {
      if (!check_tensor_argument(lower, call, i)) return false;
      continue;
    }
    wf_diagnostic *error = wf_lower_error(lower, expr->loc, "`%s` needs the tensor `%s`", decl->name, decl->arguments.items[i].name);
    wf_lower_where(lower, error, decl->arguments.items[i].loc, "it is declared here");
    return false;
  }
  return true;
}

// Optimizers are not called, whole tensors not in index definitions, and only nets have instances.
static bool check_call(wf_lower *lower, const bound_call *call, const wf_ast_expr *expr) {
  const wf_ast_decl *decl = call->callable->decl;
  if (decl->kind == WF_D_OPTIMIZER) return wf_lower_error(lower, expr->loc, "an optimizer is named in the train block, not called"), false;
  if (lower->definition && (decl->kind == WF_D_NET || !all_scalars(call->tensors, decl->arguments.count))) {
    wf_diagnostic *error = wf_lower_error(lower, expr->loc, "`%s` works on whole tensors and cannot be called inside an index definition", decl->name);
    wf_help(lower->diag, error, "call it before and give the result a name: y = %s(...)", decl->name);
    return false;
  }
  if (decl->kind == WF_D_NET || !expr->instance) return true;
  wf_diagnostic *error = wf_lower_error(lower, expr->instance->loc, "`%s` is an op: it has no parameters for `as` to name", decl->name);
  wf_lower_where(lower, error, decl->name_loc, "`%s` is defined here", decl->name);
  return false;
}

static wf_val call_decl(wf_lower *lower, const wf_callable *callee, const wf_ast_expr *expr, const wf_val *piped) {
  const wf_ast_decl *decl = callee->decl;
  bound_call call;
  wf_ast_instance instance = {0};
  if (!bind_call(lower, &call, callee, expr, piped)) return wf_none();
  if (is_partial(&call)) return (wf_val){.kind = WF_VAL_CALLABLE, .callable = call.callable, .loc = expr->loc};
  if (!check_tensors(lower, &call, expr) || !check_call(lower, &call, expr)) return wf_none();
  if (decl->kind == WF_D_NET && !name_instance(lower, decl, expr->instance, expr->loc, &instance)) return wf_none();
  wf_val result = wf_apply(lower, call.callable, call.tensors, decl->arguments.count, &instance, expr->loc);
  result.loc = expr->loc;
  return result;
}

static wf_val call_cast(wf_lower *lower, wf_dtype type, const wf_ast_expr *call, const wf_val *piped) {
  if (call->args.count + (piped != NULL) != 1) return wf_lower_error(lower, call->loc, "a cast takes one value"), wf_none();
  wf_val value = piped ? *piped : wf_eval(lower, call->args.items[0].value);
  return wf_cast_val(lower, type, &value, call->loc);
}

static double number_of(const wf_val *value) { return value->kind == WF_VAL_INT ? (double)value->integer : value->number; }

static wf_val fold_function(wf_scalar op, const wf_val *args, int count, wf_loc loc) {
  double numbers[3] = {0};
  bool ints = true;
  int64_t integers[3] = {0}, result;
  for (int i = 0; i < count; i++) {
    numbers[i] = number_of(&args[i]);
    integers[i] = args[i].integer;
    ints = ints && args[i].kind == WF_VAL_INT;
  }
  if (ints && !wf_scalar_has_trait(op, 'F') && wf_scalar_eval_int(op, integers, &result)) return wf_int_val(result, loc);
  return wf_float_val(wf_scalar_eval_float(op, numbers), loc);
}

static wf_val call_function(wf_lower *lower, wf_scalar op, const wf_ast_expr *call, const wf_val *piped) {
  wf_val args[16];
  int count = 0, arity = wf_scalar_table[op].arity;
  bool numbers = true, several = op == WF_S_MIN || op == WF_S_MAX;
  if (piped) args[count++] = *piped;
  for (int i = 0; i < call->args.count && count < 16; i++) {
    if (call->args.items[i].name) return wf_lower_error(lower, call->args.items[i].loc, "`%s` takes its arguments by position", call->text), wf_none();
    args[count++] = wf_eval(lower, call->args.items[i].value);
  }
  if (count != arity && !(several && count > 2))
    return wf_lower_error(lower, call->loc, "`%s` takes %d argument%s and gets %d", call->text, arity, arity == 1 ? "" : "s", call->args.count + (piped != NULL)), wf_none();
  for (int i = 0; i < count; i++) {
    if (args[i].kind == WF_VAL_NONE) return wf_none();
    numbers = numbers && wf_is_number(&args[i]);
  }
  if (op == WF_S_SELECT && args[0].kind == WF_VAL_BOOL && !lower->definition) return args[0].integer ? args[1] : args[2];
  if (op == WF_S_STOP && numbers) return args[0];
  wf_val result = args[0];
  for (int i = arity == 1 ? 0 : 1; i < (several ? count : arity == 1 ? 1 : 2); i++) {
    if (several) args[0] = result, args[1] = args[i];
    result = numbers ? fold_function(op, args, arity, call->loc) : wf_elementwise(lower, op, args, arity, call->loc);
  }
  return result;
}

static bool is_function(const char *name, wf_scalar *out_op) {
  return wf_scalar_find(name, out_op) && wf_scalar_table[*out_op].arity > 0 && !wf_scalar_has_trait(*out_op, 'i') && !wf_scalar_has_trait(*out_op, 'S');
}

wf_val wf_apply_call(wf_lower *lower, const wf_ast_expr *call, const wf_val *piped) {
  wf_dtype type;
  wf_scalar op;
  wf_entry *entry = lower->frame ? wf_scope_find(lower->frame->scope, call->text) : NULL;
  if (entry && entry->value.kind == WF_VAL_CALLABLE) return call_decl(lower, entry->value.callable, call, piped);
  if (wf_find_type(lower, call->text, &type)) return call_cast(lower, type, call, piped);
  wf_ast_decl *decl = wf_find_decl(lower, call->text);
  if (decl && decl->kind != WF_D_LET) return call_decl(lower, wf_make_callable_val(lower, decl), call, piped);
  bool function = is_function(call->text, &op), builtin = wf_is_builtin(call->text);
  if ((function || builtin) && call->instance) {
    wf_lower_error(lower, call->instance->loc, "`%s` has no parameters for `as` to name", call->text);
    return wf_none();
  }
  if (function) return call_function(lower, op, call, piped);
  if (builtin) return wf_call_builtin(lower, call, piped);
  wf_val value = entry ? entry->value : wf_lookup(lower, call->text, call->loc);
  if (entry || value.kind != WF_VAL_NONE) {
    wf_diagnostic *error = wf_lower_error(lower, call->loc, "`%s` is %s and cannot be called", call->text, wf_val_text(lower, &value));
    if (wf_is_runtime(&value)) wf_help(lower->diag, error, "elements are read with brackets: %s[...]", call->text);
  }
  return wf_none();
}
