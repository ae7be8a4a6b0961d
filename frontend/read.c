// Reads x[i, j*2 + r] else 0: indices, the proof that they stay inside, slices of loops.
#include "frontend/lower_internal.h"

typedef struct reading {
  wf_lower *lower;
  const wf_ast_expr *expr;
  const char *name;
  wf_value *tensor;             // of the level it lives on; slices are taken from it
  int level;
  int count, slice_axis;
  const wf_dim *dims[WF_MAX_RANK];     // NULL where the index depends on data
  const wf_expr *indices[WF_MAX_RANK];
  const wf_ast_item *items[WF_MAX_RANK];
} reading;

static bool add_index(reading *r, const wf_ast_item *item, const wf_dim *dim, const wf_expr *expr) {
  if (r->count >= r->tensor->rank || r->count >= WF_MAX_RANK) {
    r->count++;
    return true;                // counted for the message
  }
  r->items[r->count] = item;
  r->dims[r->count] = dim;
  r->indices[r->count++] = expr;
  return true;
}

static bool add_rest(reading *r, const wf_ast_item *item) {
  const wf_axis_scope *scope = r->lower->axes;
  while (scope && !scope->has_rest) scope = scope->parent;
  if (!scope) {
    wf_diagnostic *error = wf_lower_error(r->lower, item->loc, "`..` stands for nothing here");
    wf_help(r->lower->diag, error, "write `..` on the left side too, or bind it: sum[..]");
    return false;
  }
  for (int i = 0; i < scope->rest_count; i++)
    add_index(r, item, scope->rest[i]->as_dim, wf_expr_index(r->lower->module, scope->rest[i]->as_dim));
  return true;
}

// The loop's own step as a whole index makes a slice of an outer tensor whose axis has the loop's extent.
static bool is_slice(const reading *r, const wf_val *index) {
  const wf_level *level = r->lower->level;
  return level->parent && index->kind == WF_VAL_TENSOR && index->tensor == level->time && r->level < level->depth &&
         r->slice_axis < 0 && r->count < r->tensor->rank &&
         wf_prove_equal(r->lower, r->tensor->shape[r->count], level->trip) == WF_PROVED;
}

static bool add_value(reading *r, const wf_ast_item *item) {
  wf_lower *lower = r->lower;
  if (item->extent) return wf_lower_error(lower, item->loc, "`name: extent` stands on the left side of a definition, not in a read"), false;
  wf_val index = wf_eval(lower, item->value);
  if (index.kind == WF_VAL_NONE) return false;
  if (wf_is_dimlike(&index)) {
    const wf_dim *dim = wf_val_dim(lower, &index);
    return add_index(r, item, dim, wf_expr_index(lower->module, dim));
  }
  if (is_slice(r, &index)) {
    r->slice_axis = r->count;
    return add_index(r, item, NULL, NULL);
  }
  wf_dtype type = wf_natural_type(lower, &index);
  if (!wf_dtype_is_int(type)) {
    wf_diagnostic *error = wf_lower_error(lower, item->loc, "an index is an integer, and this is %s", wf_dtype_name(type));
    wf_help(lower->diag, error, wf_dtype_is_float(type) ? "cast it: i64(...); `//` divides ints" : "cast it: i64(...)");
    return false;
  }
  wf_val scalar = wf_coerce(lower, &index, type, item->loc);
  if (scalar.kind == WF_VAL_NONE) return false;
  const wf_expr *expr = type == WF_I64 ? scalar.expr : wf_expr_cast(lower->module, WF_I64, scalar.expr);
  return add_index(r, item, NULL, expr);
}

static bool add_items(reading *r) {
  const wf_ast_items *items = &r->expr->items;
  for (int i = 0; i < items->count; i++)
    if (!(items->items[i].rest ? add_rest(r, &items->items[i]) : add_value(r, &items->items[i]))) return false;
  if (r->count == r->tensor->rank) return true;
  wf_val value = wf_val_tensor(r->tensor);
  wf_diagnostic *error = wf_lower_error(r->lower, r->expr->loc, "`%s` has %d ax%s and is read with %d ind%s", r->name, r->tensor->rank,
                                        r->tensor->rank == 1 ? "is" : "es", r->count, r->count == 1 ? "ex" : "ices");
  wf_lower_where(r->lower, error, r->tensor->loc, "`%s` is %s", r->name, wf_val_text(r->lower, &value));
  return false;
}

// ---- bounds -------------------------------------------------------------------------------------------------------------------
static bool is_whole_axis(const wf_dim *dim) { return wf_dim_as_atom(dim) && wf_dim_as_atom(dim)->kind == WF_ATOM_AXIS; }

static void refuted(reading *r, int axis, const char *witness, bool low) {
  wf_lower *lower = r->lower;
  const char *index = wf_dim_text(lower, r->dims[axis]), *extent = wf_dim_text(lower, r->tensor->shape[axis]);
  wf_diagnostic *error;
  if (is_whole_axis(r->dims[axis]))
    error = wf_lower_error(lower, r->items[axis]->loc, "the axis `%s` has extent %s, and axis %d of `%s` has extent %s", index,
                           wf_dim_text(lower, wf_dim_as_atom(r->dims[axis])->extent), axis, r->name, extent);
  else
    error = wf_lower_error(lower, r->items[axis]->loc, "`%s` is read outside: index `%s` of axis %d (extent %s) is %s%s%s", r->name, index, axis,
                           extent, low ? "negative" : "too large", witness && *witness ? " at " : "", witness && *witness ? witness : "");
  wf_val value = wf_val_tensor(r->tensor);
  wf_lower_where(lower, error, r->tensor->loc, "`%s` is %s", r->name, wf_val_text(lower, &value));
  if (is_whole_axis(r->dims[axis]) && wf_prove(lower, wf_dim_sub(r->tensor->shape[axis], wf_dim_as_atom(r->dims[axis])->extent), NULL) == WF_PROVED)
    wf_help(lower->diag, error, "to read only a part, state the extent where the axis is bound: %s: %s", index,
            wf_dim_text(lower, wf_dim_as_atom(r->dims[axis])->extent));
  else
    wf_help(lower->diag, error, "a value for outside: %s[...] else 0", r->name);
}

// The least value of the condition over the axes: what must hold of the extents.
static const wf_dim *least_over_axes(reading *r, const wf_dim *condition) {
  const wf_atom **atoms = NULL;
  int count = 0, axes = 0;
  wf_dim_collect(condition, r->lower->arena, &atoms, &count);
  for (int i = 0; i < count; i++)
    if (atoms[i]->kind == WF_ATOM_AXIS) atoms[axes++] = atoms[i];
  return wf_dim_minimum(condition, atoms, axes);
}

// w - 6 >= 0 is written w >= 6.
static void suggest_fact(reading *r, wf_diagnostic *error, const wf_dim *least) {
  wf_lower *lower = r->lower;
  int64_t constant = 0;
  for (int i = 0; i < least->term_count; i++)
    if (least->terms[i].factor_count == 0) constant = least->terms[i].coefficient;
  if (constant < 0) wf_help(lower->diag, error, "say that it cannot happen: where %s >= %lld", wf_dim_text(lower, wf_dim_offset(least, -constant)), (long long)-constant);
  else wf_help(lower->diag, error, "say that it cannot happen: where %s >= 0", wf_dim_text(lower, least));
}

static void unknown(reading *r, int axis, const wf_dim *least) {
  wf_lower *lower = r->lower;
  const char *index = wf_dim_text(lower, r->dims[axis]), *extent = wf_dim_text(lower, r->tensor->shape[axis]);
  wf_diagnostic *error;
  if (is_whole_axis(r->dims[axis]))
    error = wf_lower_error(lower, r->items[axis]->loc, "the axis `%s` has extent %s, and axis %d of `%s` has extent %s", index,
                           wf_dim_text(lower, wf_dim_as_atom(r->dims[axis])->extent), axis, r->name, extent);
  else
    error = wf_lower_error(lower, r->items[axis]->loc, "`%s` may be read outside: index `%s` of axis %d (extent %s)", r->name, index, axis, extent);
  wf_val value = wf_val_tensor(r->tensor);
  wf_lower_where(lower, error, r->tensor->loc, "`%s` is %s", r->name, wf_val_text(lower, &value));
  if (least) suggest_fact(r, error, least);
  wf_help(lower->diag, error, "or give a value for outside: %s[...] else 0", r->name);
}

// An axis whose extent nobody stated, as a whole index, runs over all of the tensor's axis.
static bool agrees(reading *r, int axis) {
  const wf_atom *atom = wf_dim_as_atom(r->dims[axis]);
  if (!atom || atom->kind != WF_ATOM_AXIS) return true;
  for (const wf_axis_scope *scope = r->lower->axes; scope; scope = scope->parent)
    for (int i = 0; i < scope->axes.count; i++)
      if (scope->axes.items[i] == atom)
        return scope->stated.items[i] || wf_prove_equal(r->lower, atom->extent, r->tensor->shape[axis]) == WF_PROVED;
  return true;
}

// True where the index is inside for sure. Without `else` anything less is an error.
static bool check_axis(reading *r, int axis, bool *out_failed) {
  const wf_dim *low = r->dims[axis], *high = wf_dim_sub(wf_dim_offset(r->tensor->shape[axis], -1), r->dims[axis]);
  const char *witness = NULL;
  wf_truth truth = wf_prove(r->lower, low, &witness);
  bool at_low = truth != WF_PROVED;
  if (truth == WF_PROVED) truth = wf_prove(r->lower, high, &witness);
  if (truth == WF_PROVED && (r->expr->b || agrees(r, axis))) return true;
  if (r->expr->b) return false;
  // Refuted for some extents only: a fact about them can help. Inside, but not the whole axis: no fact does.
  const wf_dim *least = least_over_axes(r, at_low ? low : high);
  int64_t constant;
  bool always = !least || wf_dim_is_const(least, &constant) || wf_dim_range(least).high < 0;
  if (truth == WF_PROVED || (truth == WF_REFUTED && always)) refuted(r, axis, witness, at_low);
  else unknown(r, axis, least);
  *out_failed = true;
  return false;
}

static wf_val finish(reading *r) {
  wf_lower *lower = r->lower;
  bool inside = true, failed = false;
  for (int i = 0; i < r->count && !failed; i++) {
    if (r->dims[i]) inside = check_axis(r, i, &failed) && inside;
    else if (i != r->slice_axis) inside = false;
  }
  if (failed) return wf_none();
  const wf_expr *outside = NULL;
  if (r->expr->b && !inside) {
    wf_val value = wf_eval(lower, r->expr->b);
    value = wf_coerce(lower, &value, r->tensor->dtype, r->expr->b->loc);
    if (value.kind == WF_VAL_NONE) return value;
    outside = value.expr;
  }
  wf_val whole = {.kind = WF_VAL_TENSOR, .tensor = r->tensor, .level = r->level};
  wf_value *operand;
  if (r->slice_axis >= 0) {
    wf_level *level = lower->level;
    wf_definition *definition = lower->definition;
    lower->level = level->parent;
    operand = wf_import_value(lower, &whole);
    lower->level = level;
    lower->definition = definition;
    operand = wf_import_from(lower, level, operand, r->slice_axis);
    for (int i = r->slice_axis; i + 1 < r->count; i++) r->indices[i] = r->indices[i + 1];
  } else {
    operand = wf_import_value(lower, &whole);
  }
  return wf_scalar_val(wf_expr_read(lower->module, operand, r->indices, outside), r->tensor->dtype, r->expr->loc);
}

// ---- entry --------------------------------------------------------------------------------------------------------------------
static bool only_rest(const wf_ast_items *items) {
  for (int i = 0; i < items->count; i++)
    if (!items->items[i].rest) return false;
  return true;
}

wf_val wf_lower_read(wf_lower *lower, const wf_ast_expr *expr) {
  wf_val base = wf_none();
  wf_entry *entry = expr->a->kind == WF_E_NAME && lower->frame ? wf_scope_find(lower->frame->scope, expr->a->text) : NULL;
  if (entry && entry->value.kind != WF_VAL_NONE) base = entry->value;
  else base = wf_eval(lower, expr->a);
  if (base.kind == WF_VAL_NONE) return base;
  if (base.kind != WF_VAL_TENSOR && only_rest(&expr->items) && (wf_is_runtime(&base) || wf_is_number(&base) || base.kind == WF_VAL_DIM || base.kind == WF_VAL_BOOL)) return base;
  if (base.kind != WF_VAL_TENSOR) {
    wf_diagnostic *error = wf_lower_error(lower, expr->loc, "%s cannot be read with indices", wf_val_text(lower, &base));
    if (expr->a->kind != WF_E_NAME) wf_help(lower->diag, error, "give the tensor a name first");
    return wf_none();
  }
  reading r = {.lower = lower, .expr = expr, .tensor = base.tensor, .level = base.level, .slice_axis = -1,
               .name = expr->a->kind == WF_E_NAME ? expr->a->text : base.tensor->name};
  if (!add_items(&r)) return wf_none();
  return finish(&r);
}
