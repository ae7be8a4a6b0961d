// The lowering context: functions and their levels, names, facts, limits, and errors that say how one got there.
#include "frontend/lower_internal.h"

// ---- errors -------------------------------------------------------------------------------------------------------------
void wf_lower_where(wf_lower *lower, wf_diagnostic *error, wf_loc loc, const char *format, ...) {
  if (!loc.source || !loc.line) return;
  const wf_loc *at = &error->loc;
  if (loc.source == at->source && loc.line == at->line && loc.column == at->column && loc.end_line == at->end_line && loc.end_column == at->end_column) return;
  va_list arguments;
  wf_text text;
  wf_text_init(&text);
  va_start(arguments, format);
  wf_text_vprintf(&text, format, arguments);
  va_end(arguments);
  wf_note(lower->diag, error, loc, "%s", text.data);
  wf_text_deinit(&text);
}

// The main net is called by nobody in the file.
static bool is_main(const wf_lower *lower, const wf_frame *frame) { return frame->decl == lower->model->net; }

wf_diagnostic *wf_lower_error(wf_lower *lower, wf_loc loc, const char *format, ...) {
  enum { MOST_CALLS = 4 };
  va_list arguments;
  wf_text text;
  wf_text_init(&text);
  va_start(arguments, format);
  wf_text_vprintf(&text, format, arguments);
  va_end(arguments);
  wf_diagnostic *error = wf_error(lower->diag, loc, "%s", text.data);
  wf_text_deinit(&text);
  const wf_frame *frame = lower->frame;
  for (int i = 0; frame && i < MOST_CALLS; frame = frame->caller, i++)
    if (frame->decl && frame->call_loc.source && (frame->caller || !is_main(lower, frame)))
      wf_lower_where(lower, error, frame->call_loc, "in `%s`, called here", frame->decl->name);
  return error;
}

static void stop(wf_lower *lower) { lower->stopped = true; }

bool wf_lower_step(wf_lower *lower, wf_loc loc) {
  if (lower->stopped) return false;
  if (lower->diag->errors > lower->diag->error_limit) return stop(lower), false;
  if (++lower->statements <= lower->model->limits.statements) return true;
  wf_diagnostic *error = wf_lower_error(lower, loc, "more than %lld statements are carried out while unrolling", (long long)lower->model->limits.statements);
  wf_help(lower->diag, error, "--limit statements=N allows more");
  return stop(lower), false;
}

bool wf_lower_deeper(wf_lower *lower, wf_loc loc) {
  if (lower->stopped) return false;
  if (++lower->depth <= lower->model->limits.nesting) return true;
  wf_diagnostic *error = wf_lower_error(lower, loc, "calls and blocks are nested deeper than the limit of %lld", (long long)lower->model->limits.nesting);
  wf_help(lower->diag, error, "does something call itself without end? --limit nesting=N allows more");
  lower->depth--;
  return stop(lower), false;
}

// ---- texts --------------------------------------------------------------------------------------------------------------
static const char *kept(wf_lower *lower, wf_text *text) {
  const char *copy = wf_arena_strndup(lower->arena, text->data ? text->data : "", text->length);
  wf_text_deinit(text);
  return copy;
}

const char *wf_dim_text(wf_lower *lower, const wf_dim *dim) {
  wf_text text;
  wf_text_init(&text);
  wf_dim_print(&text, dim, NULL, NULL);
  return kept(lower, &text);
}

const char *wf_shape_text(wf_lower *lower, const wf_dim *const *shape, int rank) {
  wf_text text;
  wf_text_init(&text);
  wf_text_add(&text, "[");
  for (int i = 0; i < rank; i++) wf_text_printf(&text, "%s%s", i ? ", " : "", shape[i] ? wf_dim_text(lower, shape[i]) : "?");
  wf_text_add(&text, "]");
  return kept(lower, &text);
}

const char *wf_val_text(wf_lower *lower, const wf_val *value) {
  switch (value->kind) {
    case WF_VAL_NONE: return "nothing";
    case WF_VAL_INT: return wf_arena_printf(lower->arena, "the int %lld", (long long)value->integer);
    case WF_VAL_FLOAT: return wf_arena_printf(lower->arena, "the float %g", value->number);
    case WF_VAL_BOOL: return value->integer ? "the bool true" : "the bool false";
    case WF_VAL_STRING: return wf_arena_printf(lower->arena, "the string \"%s\"", value->text);
    case WF_VAL_LIST: return wf_arena_printf(lower->arena, "a list of %d", value->count);
    case WF_VAL_CALLABLE: return wf_arena_printf(lower->arena, "the %s `%s`", value->callable->decl->kind == WF_D_NET ? "net" : value->callable->decl->kind == WF_D_OP ? "op" : "optimizer", value->callable->decl->name);
    case WF_VAL_TYPE: return wf_arena_printf(lower->arena, "the type %s", wf_dtype_name(value->dtype));
    case WF_VAL_DIM: return wf_arena_printf(lower->arena, "the dim %s", wf_dim_text(lower, value->dim));
    case WF_VAL_TENSOR:
      return wf_arena_printf(lower->arena, "%s%s", wf_dtype_name(value->tensor->dtype), wf_shape_text(lower, value->tensor->shape, value->tensor->rank));
    case WF_VAL_LAZY: {
      const wf_dim *shape[WF_MAX_RANK];
      for (int i = 0; i < value->rank; i++) shape[i] = value->axes[i]->extent;
      return wf_arena_printf(lower->arena, "%s%s", wf_dtype_name(value->dtype), wf_shape_text(lower, shape, value->rank));
    }
    case WF_VAL_SCALAR: return "a scalar";
  }
  return "nothing";
}

// ---- facts --------------------------------------------------------------------------------------------------------------
const wf_dim *wf_const_dim(wf_lower *lower, int64_t value) { return wf_dim_const(lower->module->dims, value); }

wf_truth wf_prove(wf_lower *lower, const wf_dim *dim, const char **out_witness) {
  wf_truth truth = wf_dim_prove_nonnegative(dim, lower->arena, out_witness);
  for (int i = 0; truth != WF_PROVED && i < lower->module->facts.count; i++) {
    const wf_fact *fact = &lower->module->facts.items[i];
    if (wf_dim_prove_nonnegative(wf_dim_sub(dim, fact->dim), lower->arena, NULL) == WF_PROVED) return WF_PROVED;
    if (fact->zero && wf_dim_prove_nonnegative(wf_dim_add(dim, fact->dim), lower->arena, NULL) == WF_PROVED) return WF_PROVED;
  }
  return truth;
}

wf_truth wf_prove_equal(wf_lower *lower, const wf_dim *a, const wf_dim *b) {
  if (a == b) return WF_PROVED;
  const wf_dim *difference = wf_dim_sub(a, b);
  int64_t value;
  if (wf_dim_is_const(difference, &value)) return value == 0 ? WF_PROVED : WF_REFUTED;
  for (int i = 0; i < lower->module->facts.count; i++) {
    const wf_fact *fact = &lower->module->facts.items[i];
    if (fact->zero && (fact->dim == difference || fact->dim == wf_dim_sub(b, a))) return WF_PROVED;
  }
  return WF_UNKNOWN;
}

void wf_check_elements(wf_lower *lower, wf_loc loc, const char *name, const wf_dim *const *shape, int rank) {
  double count = 1;
  for (int i = 0; i < rank; i++) {
    int64_t extent;
    if (wf_dim_is_const(shape[i], &extent)) count *= (double)extent;
  }
  if (count > (double)lower->model->limits.elements) {
    wf_diagnostic *error = wf_lower_error(lower, loc, "`%s` has the shape %s: more than %lld elements", name, wf_shape_text(lower, shape, rank), (long long)lower->model->limits.elements);
    wf_help(lower->diag, error, "--limit elements=N allows more");
    stop(lower);
  }
  if (wf_dims_overflowed(lower->module->dims) && !lower->stopped) {
    wf_lower_error(lower, loc, "an extent does not fit in 64 bits");
    stop(lower);
  }
}

// ---- scopes -------------------------------------------------------------------------------------------------------------
void wf_scope_init(wf_lower *lower, wf_scope *scope, wf_scope *parent, wf_frame *frame) {
  *scope = (wf_scope){.parent = parent, .frame = frame};
  wf_map_init(&scope->entries, lower->arena);
}

wf_entry *wf_scope_find(const wf_scope *scope, const char *name) {
  for (; scope; scope = scope->parent) {
    wf_entry *entry = wf_map_get(&scope->entries, name);
    if (entry) return entry;
  }
  return NULL;
}

wf_entry *wf_scope_set(wf_lower *lower, wf_scope *scope, const char *name, wf_val value, wf_loc loc) {
  wf_entry *entry = WF_NEW(lower->arena, wf_entry);
  wf_entry *old = wf_map_get(&scope->entries, name);
  if (old && old->declared) *entry = *old;
  entry->name = name;
  entry->value = value;
  entry->loc = loc;
  wf_map_set(&scope->entries, name, entry);
  return entry;
}

const char *wf_value_name(wf_lower *lower, const char *local) {
  const char *prefix = lower->frame ? lower->frame->prefix : NULL;
  if (!prefix || !*prefix) return local;
  return strcmp(local, "out") ? wf_arena_printf(lower->arena, "%s.%s", prefix, local) : prefix;
}

// ---- levels -------------------------------------------------------------------------------------------------------------
wf_level *wf_level_at(wf_lower *lower, int depth) {
  wf_level *level = lower->level;
  while (level && level->depth > depth) level = level->parent;
  return level;
}

// x with the axis in front: what a loop takes slices of.
static wf_value *axis_first(wf_lower *lower, wf_level *level, wf_value *x, int axis) {
  if (axis == 0) return x;
  const wf_atom *axes[WF_MAX_RANK];
  const wf_dim *indices[WF_MAX_RANK];
  for (int i = 0; i < x->rank; i++) {
    int from = i == 0 ? axis : i <= axis ? i - 1 : i;
    indices[from] = wf_dim_axis(lower->module->dims, i == 0 ? "t" : "i", x->shape[from]);
    axes[i] = wf_dim_as_atom(indices[from]);
  }
  const wf_expr *body = wf_expr_read_dims(lower->module, x, indices, NULL);
  const char *name = wf_arena_printf(lower->arena, "%s.by_step", x->name);
  return wf_build_compute(level->function, name, x->dtype, axes, x->rank, WF_R_NONE, NULL, 0, body, x->loc);
}

wf_value *wf_import_from(wf_lower *lower, wf_level *level, wf_value *outer, int slice_axis) {
  for (int i = 0; i < level->imports.count; i++) {
    wf_import *import = &level->imports.items[i];
    if (import->outer == outer && import->slice_axis == slice_axis) return import->inner;
  }
  const wf_dim *shape[WF_MAX_RANK];
  int rank = 0;
  for (int i = 0; i < outer->rank; i++)
    if (i != slice_axis) shape[rank++] = outer->shape[i];
  const char *name = slice_axis < 0 ? outer->name : wf_arena_printf(lower->arena, "%s.at", outer->name);
  wf_import import = {outer, wf_function_input(level->function, name, WF_ROLE_NONE, outer->dtype, rank, shape, outer->loc), slice_axis};
  wf_vec_push(lower->arena, &level->imports, import);
  return import.inner;
}

static wf_value *import_into(wf_lower *lower, wf_level *level, wf_value *tensor, int depth) {
  if (level->depth <= depth) return tensor;
  return wf_import_from(lower, level, import_into(lower, level->parent, tensor, depth), -1);
}

wf_value *wf_import_value(wf_lower *lower, const wf_val *value) { return import_into(lower, lower->level, value->tensor, value->level); }

wf_value *wf_lower_permuted(wf_lower *lower, wf_level *level, wf_value *tensor, int axis) { return axis_first(lower, level, tensor, axis); }

// ---- the interface --------------------------------------------------------------------------------------------------------
wf_lower *wf_lower_create(wf_net_model *model, wf_module *module) {
  wf_lower *lower = WF_NEW(model->arena, wf_lower);
  lower->model = model;
  lower->module = module;
  lower->arena = model->arena;
  lower->diag = model->diag;
  wf_map_init(&lower->globals, lower->arena);
  wf_map_init(&lower->constants, lower->arena);
  wf_map_init(&lower->symbols, lower->arena);
  wf_map_init(&lower->parameter_index, lower->arena);
  lower->single = WF_F32;
  if (model->options) lower->sets_taken = WF_NEW_ARRAY(lower->arena, bool, model->options->sets.count);
  return lower;
}

wf_net_model *wf_lower_model(const wf_lower *lower) { return lower->model; }

wf_function *wf_lower_begin(wf_lower *lower, const char *name, bool training) {
  wf_level *level = WF_NEW(lower->arena, wf_level);
  level->function = wf_function_create(lower->module, name, lower->model->net ? lower->model->net->name_loc : WF_NOWHERE);
  lower->level = level;
  lower->training = training;
  lower->initialising = false;
  wf_map_init(&lower->inputs, lower->arena);
  wf_map_init(&lower->sites, lower->arena);
  wf_map_init(&lower->schedules, lower->arena);
  return level->function;
}

void wf_lower_widen(wf_lower *lower) { lower->single = WF_F64; }

void wf_lower_end(wf_lower *lower) { lower->level = NULL; }
wf_function *wf_lower_function(wf_lower *lower) { return lower->level ? lower->level->function : NULL; }

wf_val wf_lower_input(wf_lower *lower, const char *name, wf_role role, wf_dtype type, int rank, const wf_dim *const *shape, wf_loc loc) {
  return wf_val_tensor(wf_function_input(wf_level_at(lower, 0)->function, name, role, type, rank, shape, loc));
}

wf_val wf_lower_runtime(wf_lower *lower, wf_role role) {
  wf_function *function = wf_level_at(lower, 0)->function;
  for (int i = 0; i < function->inputs.count; i++)
    if (function->inputs.items[i]->role == role) return wf_val_tensor(function->inputs.items[i]);
  const char *name = role == WF_ROLE_STEP ? "step" : role == WF_ROLE_SEED ? "seed" : "total_steps";
  return wf_lower_input(lower, name, role, WF_I64, 0, NULL, WF_NOWHERE);
}

void wf_lower_define(wf_lower *lower, const char *name, wf_val value) {
  wf_val *copy = WF_NEW(lower->arena, wf_val);
  *copy = value;
  wf_map_set(&lower->globals, name, copy);
}

void wf_lower_bind_symbol(wf_lower *lower, const char *symbol, const wf_dim *value) { wf_map_set(&lower->symbols, symbol, (void *)value); }

wf_val wf_lower_constant(wf_lower *lower, const wf_ast_expr *expr) { return wf_eval_constant(lower, expr, "this"); }

wf_callable *wf_lower_callable(wf_lower *lower, const wf_ast_expr *expr) {
  wf_callable *made = NULL;
  if (expr->kind == WF_E_NAME || expr->kind == WF_E_CALL) {
    wf_ast_decl *decl = wf_find_decl(lower, expr->text);
    if (decl && decl->kind != WF_D_LET) made = wf_make_callable_val(lower, decl);
    else if (expr->kind == WF_E_CALL || !decl) wf_lookup(lower, expr->text, expr->loc);
  }
  if (!made) {
    if (expr->kind != WF_E_NAME && expr->kind != WF_E_CALL) wf_lower_error(lower, expr->loc, "the name of an op is needed here");
    return NULL;
  }
  int position = 0;
  for (int i = 0; i < expr->args.count; i++) {
    const wf_ast_arg *arg = &expr->args.items[i];
    const wf_ast_formal *formal = NULL;
    if (arg->name) formal = wf_find_formal(&made->decl->parameters, arg->name);
    else if (position < made->decl->parameters.count) formal = &made->decl->parameters.items[position++];
    if (!formal) {
      const char *names[64];
      int count = 0;
      for (int k = 0; k < made->decl->parameters.count && k < 64; k++) names[count++] = made->decl->parameters.items[k].name;
      const char *hint = arg->name ? wf_did_you_mean(arg->name, names, count) : NULL;
      wf_diagnostic *error = arg->name ? wf_lower_error(lower, arg->loc, "`%s` has no parameter `%s`", made->decl->name, arg->name)
                                       : wf_lower_error(lower, arg->loc, "`%s` has only %d parameters", made->decl->name, made->decl->parameters.count);
      wf_lower_where(lower, error, made->decl->name_loc, "`%s` is defined here", made->decl->name);
      if (hint) wf_help(lower->diag, error, "did you mean `%s`?", hint);
      return NULL;
    }
    wf_val value = !strcmp(formal->type->name, "op") || !strcmp(formal->type->name, "float")
                       ? wf_eval(lower, arg->value) : wf_eval_constant(lower, arg->value, "an argument");
    if (!wf_bind_parameter(lower, made, formal, &value, arg->loc)) return NULL;
  }
  return made;
}

wf_callable *wf_lower_callable_named(wf_lower *lower, const char *name, wf_loc loc) {
  wf_ast_expr *expr = WF_NEW(lower->arena, wf_ast_expr);
  expr->kind = WF_E_NAME;
  expr->text = name;
  expr->loc = loc;
  return wf_lower_callable(lower, expr);
}

void wf_callable_bind(wf_lower *lower, wf_callable *callable, const char *name, wf_val value) {
  const wf_ast_formal *formal = wf_find_formal(&callable->decl->parameters, name);
  if (formal) wf_bind_parameter(lower, callable, formal, &value, value.loc);
  else wf_set_bound(lower, callable, name, value);
}

void wf_set_bound(wf_lower *lower, wf_callable *callable, const char *name, wf_val value) {
  for (int i = 0; i < callable->bound.count; i++)
    if (!strcmp(callable->bound.items[i].name, name)) {
      callable->bound.items[i].value = value;
      return;
    }
  wf_vec_push(lower->arena, &callable->bound, ((wf_bound){name, value}));
}

bool wf_lower_apply(wf_lower *lower, const wf_callable *callable, const char *instance, const wf_val *args, int count, wf_loc loc, wf_vals *out_results) {
  int errors = lower->diag->errors;
  wf_ast_instance named = {loc, instance ? instance : "", NULL};
  wf_val result = wf_apply(lower, callable, args, count, &named, loc);
  if (result.kind == WF_VAL_NONE || lower->diag->errors > errors) return false;
  result.loc = loc;
  if (result.kind == WF_VAL_LIST && result.text == wf_apply_several) {
    for (int i = 0; i < result.count; i++) {
      result.items[i].loc = loc;
      wf_vec_push(lower->arena, out_results, result.items[i]);
    }
    return true;
  }
  wf_vec_push(lower->arena, out_results, result);
  return true;
}

void wf_lower_inputs_with_role(wf_lower *lower, wf_role role, wf_value ***out_values, int *out_count) {
  wf_function *function = wf_level_at(lower, 0)->function;
  *out_values = WF_NEW_ARRAY(lower->arena, wf_value *, function->inputs.count);
  *out_count = 0;
  for (int i = 0; i < function->inputs.count; i++)
    if (function->inputs.items[i]->role == role) (*out_values)[(*out_count)++] = function->inputs.items[i];
}

int wf_lower_parameter_count(const wf_lower *lower) { return lower->parameters.count; }
const wf_parameter *wf_lower_parameter(const wf_lower *lower, int index) { return &lower->parameters.items[index]; }
const wf_val *wf_lower_labels(const wf_lower *lower) { return lower->labels.kind == WF_VAL_LIST ? &lower->labels : NULL; }
int wf_lower_top(const wf_lower *lower) { return lower->top; }
