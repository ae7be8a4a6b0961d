// Evaluating expressions: names, operators, conditionals, pipes. In an index definition the result is a scalar of the
// point, elsewhere a compile-time value or a whole tensor.
#include "frontend/lower_internal.h"
#include <math.h>

// ---- names ----------------------------------------------------------------------------------------------------------------
bool wf_find_axis(const wf_lower *lower, const char *name, const wf_atom **out_axis) {
  for (const wf_axis_scope *scope = lower->axes; scope; scope = scope->parent)
    for (int i = 0; i < scope->names.count; i++)
      if (scope->names.items[i] && !strcmp(scope->names.items[i], name)) return *out_axis = scope->axes.items[i], true;
  return false;
}

wf_ast_decl *wf_find_decl(wf_lower *lower, const char *name) { return wf_map_get(&lower->model->decls, name); }

bool wf_find_type(wf_lower *lower, const char *name, wf_dtype *out_type) {
  if (wf_dtype_parse(name, out_type)) {
    if (*out_type == WF_F32) *out_type = lower->single;
    return true;
  }
  wf_entry *entry = lower->frame ? wf_scope_find(lower->frame->scope, name) : NULL;
  if (!entry || entry->value.kind != WF_VAL_TYPE) return false;
  *out_type = entry->value.dtype;
  return true;
}

static wf_val constant_let(wf_lower *lower, wf_ast_decl *decl, wf_loc loc) {
  wf_val *known = wf_map_get(&lower->constants, decl->name);
  if (known) {
    if (known->kind == WF_VAL_NONE && known->text) wf_lower_error(lower, loc, "`%s` is defined by itself", decl->name), known->text = NULL;
    return *known;
  }
  known = WF_NEW(lower->arena, wf_val);
  known->text = decl->name;     // being evaluated
  wf_map_set(&lower->constants, decl->name, known);
  wf_frame *frame = lower->frame;
  wf_definition *definition = lower->definition;
  lower->frame = NULL;
  lower->definition = NULL;
  wf_val value = wf_eval_constant(lower, decl->value, "a constant");
  lower->frame = frame;
  lower->definition = definition;
  return *known = value;
}

static void add_scope_names(const wf_scope *scope, const char **names, int *count, int capacity) {
  for (; scope; scope = scope->parent)
    for (int i = 0; i < scope->entries.count && *count < capacity; i++) names[(*count)++] = scope->entries.keys[i];
}

// After an error a name may lack its value because the statement that gives it failed.
static bool gives(const wf_ast_block *block, const char *name) {
  for (int i = 0; i < block->count; i++) {
    const wf_ast_stmt *stmt = block->items[i];
    for (int k = 0; k < stmt->names.count; k++)
      if (!strcmp(stmt->names.items[k].text, name)) return true;
    for (int k = 0; k < stmt->carries.count; k++)
      if (!strcmp(stmt->carries.items[k].name.text, name)) return true;
    if (gives(&stmt->body, name) || gives(&stmt->otherwise, name)) return true;
  }
  return false;
}

static void unknown_name(wf_lower *lower, const char *name, wf_loc loc) {
  enum { MOST = 512 };
  const char *names[MOST];
  int count = 0;
  if (lower->diag->errors && lower->frame && gives(&lower->frame->decl->body, name)) return;
  for (const wf_axis_scope *scope = lower->axes; scope; scope = scope->parent)
    for (int i = 0; i < scope->names.count && count < MOST; i++)
      if (scope->names.items[i]) names[count++] = scope->names.items[i];
  if (lower->frame) add_scope_names(lower->frame->scope, names, &count, MOST);
  for (int i = 0; i < lower->model->decls.count && count < MOST; i++) names[count++] = lower->model->decls.keys[i];
  for (int i = 0; wf_builtin_names[i] && count < MOST; i++) names[count++] = wf_builtin_names[i];
  for (int i = 0; i < WF_SCALAR_COUNT && count < MOST; i++) names[count++] = wf_scalar_table[i].name;
  wf_diagnostic *error = wf_lower_error(lower, loc, "`%s` is not defined", name);
  const char *hint = wf_did_you_mean(name, names, count);
  if (hint) wf_help(lower->diag, error, "did you mean `%s`?", hint);
  else if (lower->definition) wf_help(lower->diag, error, "an axis is named on the left side or in the brackets of a reduction");
}

static bool find_special(wf_lower *lower, const char *name, wf_loc loc, wf_val *out_value) {
  if (!strcmp(name, "training")) return *out_value = wf_bool_val(lower->training, loc), true;
  bool step = !strcmp(name, "step"), total = !strcmp(name, "total_steps");
  if (!step && !total) return false;
  if (!lower->level || !lower->training) *out_value = wf_int_val(total, loc);
  else *out_value = wf_lower_runtime(lower, step ? WF_ROLE_STEP : WF_ROLE_TOTAL);
  return true;
}

static wf_entry *find_entry(wf_lower *lower, const char *name) {
  return lower->frame ? wf_scope_find(lower->frame->scope, name) : NULL;
}

wf_val wf_lookup(wf_lower *lower, const char *name, wf_loc loc) {
  const wf_atom *axis;
  wf_val value;
  if (lower->definition && wf_find_axis(lower, name, &axis)) return (wf_val){.kind = WF_VAL_DIM, .dim = axis->as_dim, .loc = loc};
  wf_entry *entry = find_entry(lower, name);
  if (entry) {
    if (entry->value.kind == WF_VAL_NONE && entry->declared && !lower->diag->errors)
      wf_lower_error(lower, loc, "`%s` has a type but no value yet", name);
    return entry->value;
  }
  wf_val *global = wf_map_get(&lower->globals, name);
  if (global) return *global;
  if (find_special(lower, name, loc, &value)) return value;
  wf_ast_decl *decl = wf_find_decl(lower, name);
  if (decl && decl->kind == WF_D_LET) return constant_let(lower, decl, loc);
  if (decl) return (wf_val){.kind = WF_VAL_CALLABLE, .callable = wf_make_callable_val(lower, decl), .loc = loc};
  wf_dtype type;
  if (wf_find_type(lower, name, &type)) return (wf_val){.kind = WF_VAL_TYPE, .dtype = type, .loc = loc};
  unknown_name(lower, name, loc);
  return wf_none();
}

// ---- schedules --------------------------------------------------------------------------------------------------------------
// A callable without tensor arguments stands for its scalar: computed once a function.
wf_val wf_resolve(wf_lower *lower, const wf_val *value, wf_loc loc) {
  if (value->kind != WF_VAL_CALLABLE || value->callable->decl->kind != WF_D_OP || value->callable->decl->arguments.count) return *value;
  const char *key = wf_arena_printf(lower->arena, "%p", (const void *)value->callable);
  wf_value *known = wf_map_get(&lower->schedules, key);
  if (known) return wf_val_tensor(known);
  wf_definition *definition = lower->definition;
  wf_frame *frame = lower->frame;
  lower->definition = NULL;
  if (frame && frame->optimizer) lower->frame = NULL;   // all parameters share it: it is not named after the first of them
  wf_val result = wf_apply(lower, value->callable, NULL, 0, NULL, loc);
  wf_value *tensor = result.kind == WF_VAL_NONE ? NULL : wf_force(lower, &result, value->callable->decl->name, loc);
  lower->definition = definition;
  lower->frame = frame;
  if (!tensor) return wf_none();
  if (lower->level->depth == 0 && !lower->expects) wf_map_set(&lower->schedules, key, tensor);
  return wf_tensor_val(lower, tensor, loc);
}

// ---- random -------------------------------------------------------------------------------------------------------------------
static void collect_axes(const wf_axis_scope *scope, const wf_atom **axes, int *count, int capacity) {
  if (!scope) return;
  collect_axes(scope->around, axes, count, capacity);
  for (int i = 0; i < scope->axes.count && *count < capacity; i++) axes[(*count)++] = scope->axes.items[i];
}

static uint64_t next_site(wf_lower *lower) {
  const char *definition = lower->definition && lower->definition->name ? lower->definition->name : "value";
  const char *name = wf_arena_printf(lower->arena, "%s.%s", lower->frame ? lower->frame->site : "", definition);
  intptr_t count = (intptr_t)wf_map_get(&lower->sites, name) + 1;
  wf_map_set(&lower->sites, name, (void *)count);
  if (count > 1) name = wf_arena_printf(lower->arena, "%s#%d", name, (int)count);
  return wf_hash_text(name);
}

static const wf_expr *runtime_scalar(wf_lower *lower, wf_role role) {
  if (!lower->training && !(lower->initialising && role == WF_ROLE_SEED)) return wf_expr_const_int(lower->module, WF_I64, 0);
  wf_val value = wf_lower_runtime(lower, role);
  return wf_expr_read_dims(lower->module, wf_import_value(lower, &value), NULL, NULL);
}

// The counter is the row-major index of the point over all axes around it; in a loop the step of the loop is the outermost.
static const wf_expr *random_index(wf_lower *lower) {
  enum { MOST = 64 };
  const wf_atom *axes[MOST];
  int count = 0;
  collect_axes(lower->axes, axes, &count, MOST);
  const wf_dim *linear = wf_const_dim(lower, 0), *total = wf_const_dim(lower, 1);
  for (int i = 0; i < count; i++) {
    linear = wf_dim_add(wf_dim_mul(linear, axes[i]->extent), axes[i]->as_dim);
    total = wf_dim_mul(total, axes[i]->extent);
  }
  const wf_expr *index = wf_expr_index(lower->module, linear);
  for (wf_level *level = lower->level; level->parent; level = level->parent) {
    wf_val time = {.kind = WF_VAL_TENSOR, .tensor = level->time, .level = level->depth};
    const wf_expr *at = wf_expr_read_dims(lower->module, wf_import_value(lower, &time), NULL, NULL);
    at = wf_expr_binary(lower->module, WF_S_MUL, at, wf_expr_index(lower->module, total));
    index = wf_expr_binary(lower->module, WF_S_ADD, at, index);
    total = wf_dim_mul(total, level->trip);
  }
  return index;
}

wf_val wf_random_val(wf_lower *lower, wf_loc loc) {
  if (!lower->level) return wf_lower_error(lower, loc, "random() has no value when compiling"), wf_none();
  const wf_expr *expr = wf_expr_random(lower->module, next_site(lower), runtime_scalar(lower, WF_ROLE_SEED), runtime_scalar(lower, WF_ROLE_STEP), random_index(lower));
  if (lower->single != WF_F32) expr = wf_expr_cast(lower->module, lower->single, expr);
  wf_val value = wf_scalar_val(expr, lower->single, loc);
  if (!lower->definition) value.kind = WF_VAL_LAZY;
  return value;
}

// ---- expressions ----------------------------------------------------------------------------------------------------------------
static wf_val eval_list(wf_lower *lower, const wf_ast_expr *expr) {
  wf_val *items = WF_NEW_ARRAY(lower->arena, wf_val, expr->args.count);
  for (int i = 0; i < expr->args.count; i++) {
    items[i] = wf_eval(lower, expr->args.items[i].value);
    if (items[i].kind == WF_VAL_NONE) return wf_none();
    items[i] = wf_force_val(lower, &items[i], "item", expr->args.items[i].loc);
  }
  return wf_list_val(lower, items, expr->args.count, expr->loc);
}

static wf_val eval_binary(wf_lower *lower, const wf_ast_expr *expr) {
  wf_val a = wf_eval(lower, expr->a);
  if (a.kind == WF_VAL_BOOL && expr->op == WF_OP_AND && !a.integer) return a;
  if (a.kind == WF_VAL_BOOL && expr->op == WF_OP_OR && a.integer) return a;
  wf_val b = wf_eval(lower, expr->b);
  wf_val result = wf_operator_val(lower, expr->op, &a, &b, expr->loc);
  result.loc = expr->loc;
  return result;
}

static wf_val eval_conditional(wf_lower *lower, const wf_ast_expr *expr) {
  wf_val condition = wf_eval(lower, expr->b);
  if (condition.kind == WF_VAL_NONE) return condition;
  if (condition.kind == WF_VAL_BOOL) return wf_eval(lower, condition.integer ? expr->a : expr->c);
  wf_val operands[3] = {condition, wf_eval(lower, expr->a), wf_eval(lower, expr->c)};
  return wf_elementwise(lower, WF_S_SELECT, operands, 3, expr->loc);
}

static wf_val eval_list_item(wf_lower *lower, const wf_val *list, const wf_ast_expr *expr) {
  if (expr->items.count != 1 || expr->items.items[0].rest) return wf_lower_error(lower, expr->loc, "a list takes one index"), wf_none();
  wf_val index = wf_eval(lower, expr->items.items[0].value);
  if (index.kind == WF_VAL_NONE) return index;
  if (index.kind != WF_VAL_INT) return wf_lower_error(lower, expr->loc, "the index of a list must be known when compiling"), wf_none();
  if (index.integer < 0 || index.integer >= list->count) {
    wf_diagnostic *error = wf_lower_error(lower, expr->loc, "index %lld is outside a list of %d", (long long)index.integer, list->count);
    wf_lower_where(lower, error, list->loc, "the list is made here");
    return wf_none();
  }
  return list->items[index.integer];
}

static wf_val eval_read(wf_lower *lower, const wf_ast_expr *expr) {
  wf_val base = expr->a->kind == WF_E_NAME ? wf_none() : wf_eval(lower, expr->a);
  if (expr->a->kind == WF_E_NAME) {
    wf_entry *entry = find_entry(lower, expr->a->text);
    base = entry && entry->value.kind != WF_VAL_NONE ? entry->value : wf_lookup(lower, expr->a->text, expr->a->loc);
  }
  if (base.kind == WF_VAL_NONE) return base;
  if (base.kind == WF_VAL_LIST) return eval_list_item(lower, &base, expr);
  if (!lower->definition) return wf_lower_rank0(lower, expr, "read");
  return wf_lower_read(lower, expr);
}

static wf_val eval_pipe(wf_lower *lower, const wf_ast_expr *expr) {
  wf_val piped = wf_eval(lower, expr->a);
  if (piped.kind == WF_VAL_NONE) return piped;
  piped.loc = expr->a->loc;
  return wf_apply_call(lower, expr->b, &piped);
}

static wf_val eval_one(wf_lower *lower, const wf_ast_expr *expr) {
  switch (expr->kind) {
    case WF_E_INT: return wf_int_val(expr->integer, expr->loc);
    case WF_E_FLOAT: return wf_float_val(expr->number, expr->loc);
    case WF_E_STRING: return wf_string_val(expr->text, expr->loc);
    case WF_E_BOOL: return wf_bool_val(expr->integer != 0, expr->loc);
    case WF_E_NAME: {
      wf_val value = wf_lookup(lower, expr->text, expr->loc);
      if (value.kind != WF_VAL_CALLABLE) value.loc = expr->loc;
      return value;
    }
    case WF_E_LIST: return eval_list(lower, expr);
    case WF_E_UNARY: {
      wf_val a = wf_eval(lower, expr->a);
      return wf_operator_val(lower, expr->op, &a, NULL, expr->loc);
    }
    case WF_E_BINARY: return eval_binary(lower, expr);
    case WF_E_CONDITIONAL: return eval_conditional(lower, expr);
    case WF_E_CALL: return wf_apply_call(lower, expr, NULL);
    case WF_E_READ: return eval_read(lower, expr);
    case WF_E_REDUCE: return lower->definition ? wf_lower_reduce(lower, expr) : wf_lower_rank0(lower, expr, expr->text);
    case WF_E_PIPE: return eval_pipe(lower, expr);
    case WF_E_RANGE: wf_lower_error(lower, expr->loc, "a range `a..b` stands only in `for name in a..b`"); return wf_none();
  }
  return wf_none();
}

// Deep expressions in deep calls: both have limits of their own, and their product is what the stack sees.
wf_val wf_eval(wf_lower *lower, const wf_ast_expr *expr) {
  enum { DEEPEST_EVALUATION = 1200 };
  if (lower->stopped) return wf_none();
  if (lower->evaluating >= DEEPEST_EVALUATION) {
    wf_lower_error(lower, expr->loc, "expressions and calls are nested deeper than the limit of %d", DEEPEST_EVALUATION);
    lower->stopped = true;
    return wf_none();
  }
  lower->evaluating++;
  wf_val value = eval_one(lower, expr);
  lower->evaluating--;
  return value;
}

wf_val wf_eval_constant(wf_lower *lower, const wf_ast_expr *expr, const char *what) {
  wf_definition *definition = lower->definition;
  wf_axis_scope *axes = lower->axes;
  lower->definition = NULL;
  lower->axes = NULL;
  wf_val value = wf_eval(lower, expr);
  lower->definition = definition;
  lower->axes = axes;
  bool soft = value.kind == WF_VAL_SCALAR && value.soft;
  if (wf_is_runtime(&value) && !soft) {
    wf_lower_error(lower, expr->loc, "%s must be known when compiling, and this is %s", what, wf_val_text(lower, &value));
    return wf_none();
  }
  return value;
}

const wf_dim *wf_eval_dim(wf_lower *lower, const wf_ast_expr *expr) {
  wf_val value = wf_eval_constant(lower, expr, "an extent");
  if (value.kind == WF_VAL_NONE) return NULL;
  if (wf_is_dimlike(&value)) return wf_val_dim(lower, &value);
  if (value.kind == WF_VAL_FLOAT && value.number == floor(value.number) && fabs(value.number) < 1e15) return wf_const_dim(lower, (int64_t)value.number);
  wf_diagnostic *error = wf_lower_error(lower, expr->loc, "an extent is an int, and this is %s", wf_val_text(lower, &value));
  if (value.kind == WF_VAL_FLOAT) wf_help(lower->diag, error, "`//` divides ints");
  return NULL;
}

bool wf_eval_bool(wf_lower *lower, const wf_ast_expr *expr, bool *out_value, const char *what) {
  wf_definition *definition = lower->definition;
  lower->definition = NULL;
  wf_val value = wf_eval(lower, expr);
  lower->definition = definition;
  if (value.kind == WF_VAL_NONE) return false;
  if (value.kind == WF_VAL_BOOL) return *out_value = value.integer != 0, true;
  wf_diagnostic *error = wf_is_runtime(&value) ? wf_lower_error(lower, expr->loc, "%s must be decided when compiling, and its value is known only at run time", what)
                                               : wf_lower_error(lower, expr->loc, "%s must be a bool, and this is %s", what, wf_val_text(lower, &value));
  if (wf_is_runtime(&value)) wf_help(lower->diag, error, "choose element by element: select(cond, a, b)");
  else if (wf_is_dimlike(&value)) wf_help(lower->diag, error, "compare: n != 0");
  return false;
}
