// mesh, shard and stage: checked and kept in the syntax tree; running them is the partitioner's work.
#include "frontend/lower_internal.h"

static bool check_dimension(wf_lower *lower, const wf_ast_expr *expr, wf_map *used) {
  if (expr->kind == WF_E_LIST) {
    bool good = true;
    for (int i = 0; i < expr->args.count; i++) good = check_dimension(lower, expr->args.items[i].value, used) && good;
    return good;
  }
  const wf_ast_decl *mesh = lower->model->mesh;
  const char *names[16];
  int count = 0;
  for (int i = 0; i < mesh->args.count && count < 16; i++)
    if (mesh->args.items[i].name) names[count++] = mesh->args.items[i].name;
  bool found = false;
  for (int i = 0; i < count && expr->kind == WF_E_NAME; i++) found = found || !strcmp(names[i], expr->text);
  if (!found) {
    wf_diagnostic *error = wf_lower_error(lower, expr->loc, "`%s` is no dimension of the mesh `%s`", expr->text ? expr->text : "this", mesh->name);
    wf_lower_where(lower, error, mesh->loc, "the mesh is declared here");
    const char *hint = expr->text ? wf_did_you_mean(expr->text, names, count) : NULL;
    if (hint) wf_help(lower->diag, error, "did you mean `%s`?", hint);
    return false;
  }
  wf_loc *before = wf_map_get(used, expr->text);
  if (before) {
    wf_diagnostic *error = wf_lower_error(lower, expr->loc, "the mesh dimension `%s` is used twice for one value", expr->text);
    wf_lower_where(lower, error, *before, "here already");
    return false;
  }
  wf_map_set(used, expr->text, (void *)&expr->loc);
  return true;
}

// `shard weight[tp]` names an axis and places it nowhere: most likely the axis or the dimension was left out.
static void check_places(wf_lower *lower, const wf_ast_stmt *stmt, const char *name) {
  const wf_ast_decl *mesh = lower->model->mesh;
  const char *dimensions[16], *hint = NULL;
  int count = 0;
  for (int i = 0; i < stmt->items.count; i++)
    if (stmt->items.items[i].extent) return;
  for (int i = 0; i < mesh->args.count && count < 16; i++)
    if (mesh->args.items[i].name) dimensions[count++] = mesh->args.items[i].name;
  for (int i = 0; i < stmt->items.count && !hint; i++)
    if (!stmt->items.items[i].rest) hint = wf_did_you_mean(stmt->items.items[i].value->text, dimensions, count);
  wf_diagnostic *error = wf_lower_error(lower, stmt->loc, "no axis of `%s` is placed over a dimension of the mesh `%s`", name, mesh->name);
  wf_lower_where(lower, error, mesh->loc, "the mesh is declared here");
  if (hint || count) wf_help(lower->diag, error, "an axis, then its dimension: shard %s[o: %s]", name, hint ? hint : dimensions[0]);
}

void wf_check_shard(wf_lower *lower, const wf_ast_stmt *stmt) {
  const char *name = stmt->names.items[0].text;
  if (!lower->model->mesh) {
    wf_diagnostic *error = wf_lower_error(lower, stmt->loc, "there is no mesh to shard over");
    wf_help(lower->diag, error, "declare one: mesh NAME(data=4, tp=2)");
    return;
  }
  wf_entry *entry = wf_scope_find(lower->frame->scope, name);
  if (!entry) { wf_lookup(lower, name, stmt->names.items[0].loc); return; }
  if (entry->value.kind != WF_VAL_TENSOR) { wf_lower_error(lower, stmt->names.items[0].loc, "`%s` is no tensor to shard", name); return; }
  int rank = entry->value.tensor->rank;
  wf_map used, axes;
  wf_map_init(&used, lower->arena);
  wf_map_init(&axes, lower->arena);
  if (stmt->items.count > rank) {
    wf_diagnostic *error = wf_lower_error(lower, stmt->loc, "`%s` has %d axes and %d are named", name, rank, stmt->items.count);
    wf_lower_where(lower, error, entry->loc, "`%s` is %s", name, wf_val_text(lower, &entry->value));
    return;
  }
  for (int i = 0; i < stmt->items.count; i++) {
    const wf_ast_item *item = &stmt->items.items[i];
    if (item->rest) continue;
    if (item->value->kind != WF_E_NAME) { wf_lower_error(lower, item->loc, "write `axis: dimension of the mesh`"); return; }
    if (wf_map_index(&axes, item->value->text) >= 0) { wf_lower_error(lower, item->loc, "the axis `%s` is named twice", item->value->text); return; }
    wf_map_set(&axes, item->value->text, (void *)item);
    if (item->extent && !check_dimension(lower, item->extent, &used)) return;
  }
  check_places(lower, stmt, name);
}

void wf_check_mesh(wf_lower *lower) {
  const wf_ast_decl *mesh = lower->model->mesh;
  if (!mesh) return;
  for (int i = 0; i < mesh->args.count; i++) {
    const wf_ast_arg *arg = &mesh->args.items[i];
    if (!arg->name) { wf_lower_error(lower, arg->loc, "a dimension of a mesh has a name: data=4"); continue; }
    for (int k = 0; k < i; k++)
      if (mesh->args.items[k].name && !strcmp(mesh->args.items[k].name, arg->name)) wf_lower_error(lower, arg->loc, "the mesh has a dimension `%s` already", arg->name);
    wf_val extent = wf_eval_constant(lower, arg->value, "the extent of a mesh dimension");
    if (extent.kind != WF_VAL_NONE && (extent.kind != WF_VAL_INT || extent.integer < 1)) wf_lower_error(lower, arg->loc, "the extent of a mesh dimension is a positive int");
  }
}
