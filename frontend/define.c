// Index definitions: out[n, o] = sum[c] x[n, c] * w[o, c]. A reduction at the root becomes the reduction of the compute;
// one nested in the expression becomes a compute of its own over the outer axes that occur in it.
#include "frontend/lower_internal.h"

// ---- reductions ---------------------------------------------------------------------------------------------------------------
typedef struct reduction {
  wf_combiner combiner;
  wf_axis_scope scope;
  wf_val body;                  // a typed scalar
  wf_dtype type;                // of the result
} reduction;

static wf_combiner combiner_of(const char *name) {
  for (int i = 0; i < WF_COMBINER_COUNT; i++)
    if (!strcmp(wf_combiner_names[i], name)) return (wf_combiner)i;
  return WF_R_NONE;
}

static bool bind_rest(wf_lower *lower, wf_axis_scope *scope, const wf_dim_list *rest) {
  scope->has_rest = true;
  scope->rest_count = rest->count;
  scope->rest = WF_NEW_ARRAY(lower->arena, const wf_atom *, rest->count);
  for (int i = 0; i < rest->count; i++) {
    wf_axis_push(lower, scope, NULL, rest->items[i]);
    scope->rest[i] = scope->axes.items[scope->axes.count - 1];
  }
  return true;
}

static bool find_rest(wf_lower *lower, const wf_ast_expr *body, wf_dim_list *out_rest) {
  if (wf_infer_rest(lower, body, out_rest)) return true;
  if (lower->frame && lower->frame->has_rest) return *out_rest = lower->frame->rest, true;
  return false;
}

static void no_extent(wf_lower *lower, const wf_ast_item *item, const char *name) {
  wf_diagnostic *error = wf_lower_error(lower, item->loc, "the extent of the axis `%s` is not known", name);
  wf_help(lower->diag, error, "write it: %s: extent; or use `%s` as a whole index of a tensor", name, name);
}

static bool has_name(const wf_axis_scope *scope, const char *name) {
  for (int i = 0; i < scope->names.count; i++)
    if (scope->names.items[i] && !strcmp(scope->names.items[i], name)) return true;
  return false;
}

static bool bind_reduction_axis(wf_lower *lower, reduction *r, const wf_ast_item *item, const wf_ast_expr *body) {
  if (item->rest) {
    wf_dim_list rest = {0};
    if (!find_rest(lower, body, &rest)) return wf_lower_error(lower, item->loc, "`..` stands for nothing here: no tensor in this reduction is read with `..`"), false;
    return bind_rest(lower, &r->scope, &rest);
  }
  if (item->value->kind != WF_E_NAME) return wf_lower_error(lower, item->loc, "a reduction binds names of axes"), false;
  const char *name = item->value->text;
  if (has_name(&r->scope, name)) return wf_lower_error(lower, item->loc, "the axis `%s` is bound twice", name), false;
  const wf_atom *outer;
  if (wf_find_axis(lower, name, &outer)) {
    wf_diagnostic *warning = wf_warning(lower->diag, item->loc, "`%s` is an axis of the result too; here it is a new axis", name);
    wf_help(lower->diag, warning, "write it primed: %s'", name);
  }
  const wf_dim *extent = item->extent ? wf_eval_dim(lower, item->extent) : wf_infer_extent(lower, body, name);
  if (!extent) return item->extent ? false : (no_extent(lower, item, name), false);
  if (item->extent && !wf_assume_extent(lower, extent, item->loc)) return false;
  wf_axis_push(lower, &r->scope, name, extent);
  r->scope.stated.items[r->scope.stated.count - 1] = item->extent != NULL;
  return true;
}

static bool check_reduced(wf_lower *lower, reduction *r, const wf_ast_expr *expr) {
  if (r->type != WF_BOOL) return true;
  wf_diagnostic *error = wf_lower_error(lower, expr->a->loc, "`%s` cannot reduce bools", expr->text);
  wf_help(lower->diag, error, "cast: %s f32(...) counts", expr->text);
  return false;
}

// wanted: the type that a body made of numbers alone takes, WF_DTYPE_COUNT for its own.
static bool begin_reduction(wf_lower *lower, const wf_ast_expr *expr, wf_dtype wanted, reduction *r) {
  *r = (reduction){.combiner = combiner_of(expr->text), .scope = {.parent = lower->axes, .around = lower->axes}};
  if (!expr->items.count) return wf_lower_error(lower, expr->loc, "`%s` needs an axis: %s[c] ...", expr->text, expr->text), false;
  for (int i = 0; i < expr->items.count; i++)
    if (!bind_reduction_axis(lower, r, &expr->items.items[i], expr->a)) return false;
  lower->axes = &r->scope;
  wf_val body = wf_eval(lower, expr->a);
  if (body.kind != WF_VAL_NONE) {
    body = wf_resolve(lower, &body, expr->a->loc);
    bool untyped = wf_is_number(&body) || body.kind == WF_VAL_DIM || (body.kind == WF_VAL_SCALAR && body.soft);
    r->type = untyped && wanted != WF_DTYPE_COUNT && wanted != WF_BOOL ? wanted : wf_natural_type(lower, &body);
    body = wf_coerce(lower, &body, r->type, expr->a->loc);
  }
  lower->axes = r->scope.parent;
  r->body = body;
  if (body.kind == WF_VAL_NONE || !check_reduced(lower, r, expr)) return false;
  if (r->combiner == WF_R_ARGMAX || r->combiner == WF_R_ARGMIN) r->type = WF_I64;
  return true;
}

// ---- a reduction nested in an expression ------------------------------------------------------------------------------------------
typedef struct used_axes { const wf_atom *atoms[64]; int count; wf_arena *arena; } used_axes;

static void visit_axes(void *context, const wf_expr *node) {
  used_axes *used = context;
  if (node->op != WF_S_INDEX) return;
  const wf_atom **atoms = NULL;
  int count = 0;
  wf_dim_collect(node->dim, used->arena, &atoms, &count);
  for (int i = 0; i < count; i++) {
    bool known = atoms[i]->kind != WF_ATOM_AXIS;
    for (int k = 0; k < used->count && !known; k++) known = used->atoms[k] == atoms[i];
    if (!known && used->count < 64) used->atoms[used->count++] = atoms[i];
  }
}

static bool is_bound_by(const reduction *r, const wf_atom *atom) {
  for (int i = 0; i < r->scope.axes.count; i++)
    if (r->scope.axes.items[i] == atom) return true;
  return false;
}

// Outer axes in the body, in the order in which they were made (that of the left side).
static int outer_axes(wf_lower *lower, const reduction *r, const wf_atom **out) {
  used_axes used = {.arena = lower->arena};
  int count = 0;
  wf_expr_walk(r->body.expr, visit_axes, &used);
  for (int i = 0; i < used.count; i++) {
    if (is_bound_by(r, used.atoms[i])) continue;
    int at = count++;
    for (; at > 0 && out[at - 1]->id > used.atoms[i]->id; at--) out[at] = out[at - 1];
    out[at] = used.atoms[i];
  }
  return count;
}

wf_val wf_lower_reduce(wf_lower *lower, const wf_ast_expr *expr) {
  reduction r;
  if (!begin_reduction(lower, expr, lower->definition->hint, &r)) return wf_none();
  const wf_atom *outer[64], *inner[64];
  wf_binding bindings[64];
  const wf_dim *at[64];
  int count = outer_axes(lower, &r, outer);
  if (count > WF_MAX_RANK) return wf_lower_error(lower, expr->loc, "a reduction over %d outer axes; at most %d", count, WF_MAX_RANK), wf_none();
  for (int i = 0; i < count; i++) {
    inner[i] = wf_dim_as_atom(wf_dim_axis(lower->module->dims, outer[i]->name, outer[i]->extent));
    bindings[i] = (wf_binding){outer[i], inner[i]->as_dim};
    at[i] = outer[i]->as_dim;
  }
  const wf_expr *body = wf_expr_rewrite(lower->module, r.body.expr, bindings, count, NULL, NULL);
  const char *base = lower->definition->name;
  bool whole = lower->frame && lower->frame->assigned && lower->frame->assigned_value == expr;   // s = sum[..] ...
  const char *name = whole ? base : wf_arena_printf(lower->arena, "%s.%s", base, expr->text);
  // A part of an expression is not rounded to a narrow type: it keeps its compute type.
  wf_value *value = wf_build_compute(lower->level->function, name, wf_dtype_compute(r.type), inner, count, r.combiner,
                                     r.scope.axes.items, r.scope.axes.count, body, expr->loc);
  wf_check_elements(lower, expr->loc, name, value->shape, value->rank);
  return wf_scalar_val(wf_expr_read_dims(lower->module, value, at, NULL), r.type, expr->loc);
}

// ---- the left side --------------------------------------------------------------------------------------------------------------
static wf_dtype default_hint(const wf_lower *lower) {
  wf_entry *type = lower->frame ? wf_scope_find(lower->frame->scope, "T") : NULL;
  return type && type->value.kind == WF_VAL_TYPE && wf_dtype_is_float(type->value.dtype) ? type->value.dtype : lower->single;
}

static bool bind_left_rest(wf_lower *lower, wf_axis_scope *scope, const wf_ast_stmt *stmt, const wf_ast_item *item, const wf_entry *declared) {
  wf_dim_list rest = {0};
  if (declared) {
    int count = declared->shape.count - (stmt->items.count - 1), at = scope->axes.count;
    rest.items = WF_NEW_ARRAY(lower->arena, const wf_dim *, count > 0 ? count : 0);
    bool known = count >= 0;
    for (int i = 0; known && i < count; i++) known = (rest.items[i] = declared->shape.items[at + i]) != NULL;
    rest.count = count;
    if (known) return bind_rest(lower, scope, &rest);
  }
  if (lower->frame && lower->frame->has_rest) return bind_rest(lower, scope, &lower->frame->rest);
  if (wf_infer_rest(lower, stmt->value, &rest)) return bind_rest(lower, scope, &rest);
  wf_diagnostic *error = wf_lower_error(lower, item->loc, "`..` stands for nothing here");
  wf_help(lower->diag, error, "it names the axes that `..` stands for in the signature or in a read on the right side");
  return false;
}

static bool check_extent(wf_lower *lower, const wf_ast_item *item, const char *name, const wf_dim *extent, const wf_dim *declared, const wf_entry *entry) {
  if (!declared || wf_prove_equal(lower, extent, declared) == WF_PROVED) return true;
  wf_diagnostic *error = wf_lower_error(lower, item->loc, "the axis `%s` has extent %s here and %s in the declared type", name, wf_dim_text(lower, extent), wf_dim_text(lower, declared));
  wf_lower_where(lower, error, entry->loc, "`%s` is declared %s", entry->name, wf_shape_text(lower, entry->shape.items, entry->shape.count));
  return false;
}

static bool bind_left_axis(wf_lower *lower, wf_axis_scope *scope, const wf_ast_stmt *stmt, const wf_ast_item *item, const wf_entry *declared) {
  if (item->value->kind != WF_E_NAME) {
    wf_diagnostic *error = wf_lower_error(lower, item->loc, "the left side of a definition names axes");
    wf_help(lower->diag, error, "to write at computed places scatter: %s[...] += ... ; for an extent write name: extent", stmt->names.items[0].text);
    return false;
  }
  const char *name = item->value->text;
  if (has_name(scope, name)) return wf_lower_error(lower, item->loc, "the axis `%s` is named twice", name), false;
  int at = scope->axes.count;
  const wf_dim *from_type = declared && at < declared->shape.count ? declared->shape.items[at] : NULL;
  const wf_dim *extent = item->extent ? wf_eval_dim(lower, item->extent) : from_type ? from_type : wf_infer_extent(lower, stmt->value, name);
  if (!extent) {
    if (!item->extent) no_extent(lower, item, name);
    return false;
  }
  if (item->extent && (!wf_assume_extent(lower, extent, item->loc) || !check_extent(lower, item, name, extent, from_type, declared))) return false;
  wf_axis_push(lower, scope, name, extent);
  scope->stated.items[scope->stated.count - 1] = item->extent != NULL;
  return true;
}

static bool check_rank(wf_lower *lower, const wf_ast_stmt *stmt, const wf_entry *declared, int rank) {
  if (rank > WF_MAX_RANK) return wf_lower_error(lower, stmt->loc, "a tensor has at most %d axes, and this one %d", WF_MAX_RANK, rank), false;
  if (!declared || declared->shape.count == rank) return true;
  wf_diagnostic *error = wf_lower_error(lower, stmt->names.items[0].loc, "`%s` is defined with %d axes and declared with %d", declared->name, rank, declared->shape.count);
  wf_lower_where(lower, error, declared->loc, "it is declared %s", wf_shape_text(lower, declared->shape.items, declared->shape.count));
  return false;
}

static int declared_item_count(const wf_entry *declared, const wf_ast_stmt *stmt) {
  bool rest = false;
  for (int i = 0; i < stmt->items.count; i++) rest = rest || stmt->items.items[i].rest;
  return rest ? declared->shape.count : stmt->items.count;
}

static bool bind_left(wf_lower *lower, wf_axis_scope *scope, const wf_ast_stmt *stmt, const wf_entry *declared) {
  if (declared && !check_rank(lower, stmt, declared, declared_item_count(declared, stmt))) return false;
  for (int i = 0; i < stmt->items.count; i++) {
    const wf_ast_item *item = &stmt->items.items[i];
    if (!(item->rest ? bind_left_rest(lower, scope, stmt, item, declared) : bind_left_axis(lower, scope, stmt, item, declared))) return false;
  }
  return check_rank(lower, stmt, declared, scope->axes.count);
}

// ---- the whole definition ---------------------------------------------------------------------------------------------------------
static wf_val typed_body(wf_lower *lower, const wf_ast_stmt *stmt, const wf_entry *declared, wf_dtype *out_type) {
  wf_val body = wf_eval(lower, stmt->value);
  if (body.kind == WF_VAL_NONE) return body;
  body = wf_resolve(lower, &body, stmt->value->loc);
  *out_type = wf_natural_type(lower, &body);
  bool untyped = wf_is_number(&body) || body.kind == WF_VAL_DIM || (body.kind == WF_VAL_SCALAR && body.soft);
  if (declared && untyped) *out_type = declared->dtype;
  return wf_coerce(lower, &body, *out_type, stmt->value->loc);
}

static bool check_type(wf_lower *lower, const wf_ast_stmt *stmt, const wf_entry *declared, wf_dtype type) {
  if (!declared || declared->dtype == type) return true;
  wf_diagnostic *error = wf_lower_error(lower, stmt->value->loc, "`%s` is declared %s, and this is %s", declared->name, wf_dtype_name(declared->dtype), wf_dtype_name(type));
  wf_lower_where(lower, error, declared->loc, "declared here");
  wf_help(lower->diag, error, "cast: %s(...)", wf_dtype_name(declared->dtype));
  return false;
}

static wf_value *build_definition(wf_lower *lower, const wf_ast_stmt *stmt, const wf_axis_scope *scope, const wf_entry *declared) {
  const char *name = lower->definition->name;
  wf_function *function = lower->level->function;
  if (stmt->value->kind == WF_E_REDUCE) {
    reduction r;
    if (!begin_reduction(lower, stmt->value, declared ? declared->dtype : WF_DTYPE_COUNT, &r) || !check_type(lower, stmt, declared, r.type)) return NULL;
    return wf_build_compute(function, name, r.type, scope->axes.items, scope->axes.count, r.combiner, r.scope.axes.items, r.scope.axes.count, r.body.expr, stmt->loc);
  }
  wf_dtype type;
  wf_val body = typed_body(lower, stmt, declared, &type);
  if (body.kind == WF_VAL_NONE || !check_type(lower, stmt, declared, type)) return NULL;
  return wf_build_compute(function, name, type, scope->axes.items, scope->axes.count, WF_R_NONE, NULL, 0, body.expr, stmt->loc);
}

// In an op that is inlined on scalars every tensor is a scalar of the point.
static void define_inlined(wf_lower *lower, const wf_ast_stmt *stmt) {
  const char *name = stmt->names.items[0].text;
  wf_val value = wf_eval(lower, stmt->value);
  wf_entry *entry = wf_scope_find(lower->frame->scope, name);
  if (value.kind != WF_VAL_NONE && entry && entry->declared && wf_natural_type(lower, &value) == entry->dtype && value.kind == WF_VAL_SCALAR && !value.soft)
    value = wf_coerce(lower, &value, entry->dtype, stmt->value->loc);
  wf_scope_set(lower, lower->frame->scope, name, value, stmt->loc);
}

void wf_lower_define_tensor(wf_lower *lower, const wf_ast_stmt *stmt) {
  const char *name = stmt->names.items[0].text;
  if (lower->frame->inlined) {
    define_inlined(lower, stmt);
    return;
  }
  wf_entry *entry = wf_scope_find(lower->frame->scope, name), *declared = entry && entry->declared ? entry : NULL;
  wf_axis_scope scope = {0};
  wf_definition definition = {.name = wf_value_name(lower, name), .hint = declared ? declared->dtype : default_hint(lower), .outer = &scope};
  wf_val value = wf_none();
  if (bind_left(lower, &scope, stmt, declared)) {
    lower->definition = &definition;
    lower->axes = &scope;
    wf_value *tensor = build_definition(lower, stmt, &scope, declared);
    lower->definition = NULL;
    lower->axes = NULL;
    if (tensor) wf_check_elements(lower, stmt->loc, name, tensor->shape, tensor->rank);
    if (tensor) value = wf_tensor_val(lower, tensor, stmt->names.items[0].loc);
  }
  wf_scope_set(lower, lower->frame->scope, name, value, stmt->names.items[0].loc);
}

wf_val wf_lower_rank0(wf_lower *lower, const wf_ast_expr *expr, const char *name) {
  if (!lower->level) return wf_lower_error(lower, expr->loc, "a tensor has no value when compiling"), wf_none();
  const char *assigned = lower->frame && lower->frame->assigned ? lower->frame->assigned : NULL;
  wf_axis_scope scope = {0}, *axes = lower->axes;
  wf_definition definition = {.name = wf_value_name(lower, assigned ? assigned : name), .hint = default_hint(lower), .outer = &scope};
  lower->definition = &definition;
  lower->axes = &scope;
  wf_val value = expr->kind == WF_E_REDUCE ? wf_lower_reduce(lower, expr) : wf_lower_read(lower, expr);
  lower->definition = NULL;
  lower->axes = axes;
  if (value.kind == WF_VAL_SCALAR && !value.soft) value.kind = WF_VAL_LAZY;
  return value;
}

// ---- scatter ------------------------------------------------------------------------------------------------------------------------
static bool scatter_target(wf_lower *lower, const wf_ast_item *item, const wf_expr **out) {
  wf_val index = wf_eval(lower, item->value);
  if (index.kind == WF_VAL_NONE) return false;
  if (wf_is_dimlike(&index)) return *out = wf_expr_index(lower->module, wf_val_dim(lower, &index)), true;
  wf_dtype type = wf_natural_type(lower, &index);
  if (!wf_dtype_is_int(type)) return wf_lower_error(lower, item->loc, "an index is an integer, and this is %s", wf_dtype_name(type)), false;
  wf_val scalar = wf_coerce(lower, &index, type, item->loc);
  if (scalar.kind == WF_VAL_NONE) return false;
  *out = type == WF_I64 ? scalar.expr : wf_expr_cast(lower->module, WF_I64, scalar.expr);
  return true;
}

static wf_value *build_scatter(wf_lower *lower, const wf_ast_stmt *stmt, wf_value *onto, const wf_axis_scope *scope) {
  const wf_expr *targets[WF_MAX_RANK];
  for (int i = 0; i < stmt->items.count; i++)
    if (!scatter_target(lower, &stmt->items.items[i], &targets[i])) return NULL;
  wf_val body = wf_eval(lower, stmt->value);
  if (body.kind != WF_VAL_NONE) body = wf_coerce(lower, &body, onto->dtype, stmt->value->loc);
  if (body.kind == WF_VAL_NONE) return NULL;
  wf_combiner combiner = stmt->text[0] == '+' ? WF_R_SUM : stmt->text[1] == 'a' ? WF_R_MAX : WF_R_MIN;
  return wf_build_scatter(lower->level->function, lower->definition->name, onto, onto->dtype, onto->rank, onto->shape,
                          scope->axes.items, scope->axes.count, combiner, targets, body.expr, stmt->loc);
}

static bool has_rest_target(const wf_ast_items *items) {
  for (int i = 0; i < items->count; i++)
    if (items->items[i].rest) return true;
  return false;
}

void wf_lower_scatter(wf_lower *lower, const wf_ast_stmt *stmt) {
  const char *name = stmt->names.items[0].text;
  wf_entry *entry = wf_scope_find(lower->frame->scope, name);
  if (!entry) { wf_lookup(lower, name, stmt->names.items[0].loc); return; }
  if (entry->value.kind == WF_VAL_NONE && lower->diag->errors) return;
  if (entry->value.kind != WF_VAL_TENSOR) {
    wf_diagnostic *error = wf_lower_error(lower, stmt->names.items[0].loc, "`%s` is no tensor to scatter into", name);
    wf_help(lower->diag, error, "start from zeros: %s = zeros([n, d])", name);
    return;
  }
  wf_value *onto = wf_import_value(lower, &entry->value);
  if (has_rest_target(&stmt->items)) { wf_lower_error(lower, stmt->loc, "`..` cannot stand among the targets of a scatter: name the axes"); return; }
  if (stmt->items.count != onto->rank) {
    wf_diagnostic *error = wf_lower_error(lower, stmt->loc, "`%s` has %d axes and %d targets are given", name, onto->rank, stmt->items.count);
    wf_lower_where(lower, error, entry->loc, "`%s` is %s", name, wf_val_text(lower, &entry->value));
    return;
  }
  wf_axis_scope scope = {0};
  wf_definition definition = {.name = wf_value_name(lower, name), .hint = onto->dtype, .outer = &scope};
  wf_infer_scatter_axes(lower, &stmt->items, stmt->value, &scope);
  lower->definition = &definition;
  lower->axes = &scope;
  wf_value *result = build_scatter(lower, stmt, onto, &scope);
  lower->definition = NULL;
  lower->axes = NULL;
  wf_scope_set(lower, lower->frame->scope, name, result ? wf_tensor_val(lower, result, stmt->loc) : wf_none(), stmt->loc);
}
