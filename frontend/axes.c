// Which axes a definition runs over and how far: extents come from `name: extent`, the declared type, or a read in which
// the name is a whole index. Where no extent is stated, all tensors that the axis is a whole index of must have the same (read.c).
#include "frontend/lower_internal.h"

void wf_axis_push(wf_lower *lower, wf_axis_scope *scope, const char *name, const wf_dim *extent) {
  const wf_dim *axis = wf_dim_axis(lower->module->dims, name ? name : wf_arena_printf(lower->arena, "a%d", scope->axes.count), extent);
  wf_vec_push(lower->arena, &scope->axes, wf_dim_as_atom(axis));
  wf_vec_push(lower->arena, &scope->names, name);
  wf_vec_push(lower->arena, &scope->stated, false);
}

// ---- walking reads ------------------------------------------------------------------------------------------------------------
typedef struct walk {
  wf_lower *lower;
  // Called for each read of a known tensor; shape of the operand. Returns true to stop.
  bool (*visit)(struct walk *walk, const wf_ast_expr *read, const wf_dim *const *shape, int rank);
  const char *name;
  const wf_dim *found;
  wf_dim_list *rest;
  wf_axis_scope *scatter;
  WF_VEC(const char *) bound;   // by reductions around
} walk;

static bool walk_expr(walk *w, const wf_ast_expr *expr);

static bool walk_items(walk *w, const wf_ast_items *items) {
  for (int i = 0; i < items->count; i++)
    if (items->items[i].value && walk_expr(w, items->items[i].value)) return true;
  return false;
}

static bool binds(const wf_ast_expr *reduce, const char *name) {
  for (int i = 0; i < reduce->items.count; i++) {
    const wf_ast_item *item = &reduce->items.items[i];
    if (item->rest ? !name : name && item->value->kind == WF_E_NAME && !strcmp(item->value->text, name)) return true;
  }
  return false;
}

static bool walk_reduce(walk *w, const wf_ast_expr *expr) {
  if (w->scatter == NULL && binds(expr, w->name)) return false;   // another axis of that name
  int bound = w->bound.count;
  for (int i = 0; i < expr->items.count; i++)
    if (expr->items.items[i].value && expr->items.items[i].value->kind == WF_E_NAME)
      wf_vec_push(w->lower->arena, &w->bound, expr->items.items[i].value->text);
  bool stopped = walk_expr(w, expr->a);
  w->bound.count = bound;
  return stopped;
}

static bool walk_read(walk *w, const wf_ast_expr *expr) {
  wf_entry *entry = expr->a->kind == WF_E_NAME && w->lower->frame ? wf_scope_find(w->lower->frame->scope, expr->a->text) : NULL;
  if (entry && entry->value.kind == WF_VAL_TENSOR &&
      w->visit(w, expr, entry->value.tensor->shape, entry->value.tensor->rank)) return true;
  if (expr->a->kind != WF_E_NAME && walk_expr(w, expr->a)) return true;
  if (walk_items(w, &expr->items)) return true;
  return expr->b && walk_expr(w, expr->b);
}

static bool walk_expr(walk *w, const wf_ast_expr *expr) {
  if (expr->kind == WF_E_REDUCE) return walk_reduce(w, expr);
  if (expr->kind == WF_E_READ) return walk_read(w, expr);
  if (expr->a && walk_expr(w, expr->a)) return true;
  if (expr->b && walk_expr(w, expr->b)) return true;
  if (expr->c && walk_expr(w, expr->c)) return true;
  for (int i = 0; i < expr->args.count; i++)
    if (walk_expr(w, expr->args.items[i].value)) return true;
  return false;
}

// ---- extents ------------------------------------------------------------------------------------------------------------------
// The axis of the operand that item `index` of the read stands for; -1 where unknown (items do not fit the rank).
static int axis_of_item(const wf_ast_items *items, int index, int rank) {
  int rest = -1;
  for (int i = 0; i < items->count; i++)
    if (items->items[i].rest) rest = i;
  if (rest < 0) return items->count == rank ? index : -1;
  if (items->count - 1 > rank) return -1;
  return index < rest ? index : index + rank - items->count;
}

static bool visit_extent(walk *w, const wf_ast_expr *read, const wf_dim *const *shape, int rank) {
  for (int i = 0; i < read->items.count; i++) {
    const wf_ast_item *item = &read->items.items[i];
    if (item->rest || item->value->kind != WF_E_NAME || strcmp(item->value->text, w->name)) continue;
    int axis = axis_of_item(&read->items, i, rank);
    if (axis < 0) continue;
    w->found = shape[axis];
    return true;
  }
  return false;
}

const wf_dim *wf_infer_extent(wf_lower *lower, const wf_ast_expr *body, const char *name) {
  walk w = {.lower = lower, .visit = visit_extent, .name = name};
  walk_expr(&w, body);
  return w.found;
}

// ---- `..` -----------------------------------------------------------------------------------------------------------------------
static bool visit_rest(walk *w, const wf_ast_expr *read, const wf_dim *const *shape, int rank) {
  for (int i = 0; i < read->items.count; i++) {
    if (!read->items.items[i].rest) continue;
    int count = rank - (read->items.count - 1);
    if (count < 0) return false;
    w->rest->items = WF_NEW_ARRAY(w->lower->arena, const wf_dim *, count);
    for (int k = 0; k < count; k++) w->rest->items[k] = shape[i + k];
    w->rest->count = count;
    w->found = wf_const_dim(w->lower, count);
    return true;
  }
  return false;
}

bool wf_infer_rest(wf_lower *lower, const wf_ast_expr *body, wf_dim_list *out_rest) {
  walk w = {.lower = lower, .visit = visit_rest, .rest = out_rest};
  walk_expr(&w, body);
  return w.found != NULL;
}

// ---- scatter --------------------------------------------------------------------------------------------------------------------
static bool is_free(walk *w, const char *name) {
  for (int i = 0; i < w->bound.count; i++)
    if (!strcmp(w->bound.items[i], name)) return false;
  for (int i = 0; i < w->scatter->names.count; i++)
    if (w->scatter->names.items[i] && !strcmp(w->scatter->names.items[i], name)) return false;
  wf_entry *entry = w->lower->frame ? wf_scope_find(w->lower->frame->scope, name) : NULL;
  return !entry || entry->symbol;
}

static bool visit_free(walk *w, const wf_ast_expr *read, const wf_dim *const *shape, int rank) {
  for (int i = 0; i < read->items.count; i++) {
    const wf_ast_item *item = &read->items.items[i];
    if (item->rest || item->value->kind != WF_E_NAME || !is_free(w, item->value->text)) continue;
    int axis = axis_of_item(&read->items, i, rank);
    if (axis >= 0) wf_axis_push(w->lower, w->scatter, item->value->text, shape[axis]);
  }
  return false;
}

void wf_infer_scatter_axes(wf_lower *lower, const wf_ast_items *targets, const wf_ast_expr *body, wf_axis_scope *scope) {
  walk w = {.lower = lower, .visit = visit_free, .scatter = scope};
  for (int i = 0; i < targets->count; i++) {
    const wf_ast_item *item = &targets->items[i];
    if (item->rest) continue;
    if (item->extent && item->value->kind == WF_E_NAME) {
      const wf_dim *extent = wf_eval_dim(lower, item->extent);
      if (extent && wf_assume_extent(lower, extent, item->loc)) wf_axis_push(lower, scope, item->value->text, extent);
      continue;
    }
    walk_expr(&w, item->value);
    if (item->value->kind != WF_E_NAME || !is_free(&w, item->value->text)) continue;
    const wf_dim *extent = wf_infer_extent(lower, body, item->value->text);
    if (extent) wf_axis_push(lower, scope, item->value->text, extent);
  }
  walk_expr(&w, body);
}
