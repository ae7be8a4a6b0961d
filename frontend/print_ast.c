// Expressions and types as text, and `--emit ast`: one node a line, children indented.
#include "frontend/print_ast.h"

// tight: inside [ ] of reads, shapes and left sides, where products are written without blanks: a*width + d.
static void print(wf_text *out, const wf_ast_expr *expr, bool tight);

void wf_ast_print_items(wf_text *out, const wf_ast_items *items) {
  wf_text_add(out, "[");
  for (int i = 0; i < items->count; i++) {
    const wf_ast_item *item = &items->items[i];
    if (i) wf_text_add(out, ", ");
    if (item->rest) wf_text_add(out, "..");
    else print(out, item->value, true);
    if (item->extent) wf_text_add(out, ": "), print(out, item->extent, true);
  }
  wf_text_add(out, "]");
}

void wf_ast_print_args(wf_text *out, const wf_ast_args *args) {
  for (int i = 0; i < args->count; i++) {
    if (i) wf_text_add(out, ", ");
    if (args->items[i].name) wf_text_printf(out, "%s=", args->items[i].name);
    print(out, args->items[i].value, false);
  }
}

static void print_instance(wf_text *out, const wf_ast_instance *instance) {
  if (!instance) return;
  wf_text_printf(out, " as %s", instance->name);
  if (!instance->index) return;
  wf_text_add(out, "[");
  print(out, instance->index, true);
  wf_text_add(out, "]");
}

static bool is_tight(const wf_ast_expr *expr, bool tight) {
  if (expr->op == WF_OP_POW) return true;
  return tight && (expr->op == WF_OP_MUL || expr->op == WF_OP_DIV || expr->op == WF_OP_FLOORDIV || expr->op == WF_OP_MOD);
}

static void print_operation(wf_text *out, const wf_ast_expr *expr, bool tight) {
  const char *op = wf_ast_operator_text[expr->op], *blank = is_tight(expr, tight) ? "" : " ";
  if (expr->kind == WF_E_UNARY) {
    wf_text_printf(out, "%s%s", op, expr->op == WF_OP_NOT ? " " : "");
    print(out, expr->a, tight);
    return;
  }
  print(out, expr->a, tight);
  wf_text_printf(out, "%s%s%s", blank, op, blank);
  print(out, expr->b, tight);
}

static void print_read(wf_text *out, const wf_ast_expr *expr) {
  print(out, expr->a, false);
  wf_ast_print_items(out, &expr->items);
  if (expr->b) wf_text_add(out, " else "), print(out, expr->b, false);
}

static void print_bare(wf_text *out, const wf_ast_expr *expr, bool tight) {
  switch (expr->kind) {
    case WF_E_INT: case WF_E_FLOAT: case WF_E_BOOL: wf_text_add(out, expr->text); return;
    case WF_E_STRING: wf_text_add(out, expr->raw); return;
    case WF_E_NAME: wf_text_add(out, expr->text); print_instance(out, expr->instance); return;
    case WF_E_LIST: wf_text_add(out, "["); wf_ast_print_args(out, &expr->args); wf_text_add(out, "]"); return;
    case WF_E_UNARY: case WF_E_BINARY: print_operation(out, expr, tight); return;
    case WF_E_CONDITIONAL:
      print(out, expr->a, tight); wf_text_add(out, " if ");
      print(out, expr->b, tight); wf_text_add(out, " else ");
      print(out, expr->c, tight);
      return;
    case WF_E_CALL:
      wf_text_printf(out, "%s(", expr->text); wf_ast_print_args(out, &expr->args); wf_text_add(out, ")");
      print_instance(out, expr->instance);
      return;
    case WF_E_READ: print_read(out, expr); return;
    case WF_E_REDUCE: wf_text_add(out, expr->text); wf_ast_print_items(out, &expr->items); wf_text_add(out, " "); print(out, expr->a, tight); return;
    case WF_E_PIPE: print(out, expr->a, false); wf_text_add(out, " |> "); print(out, expr->b, false); return;
    case WF_E_RANGE: print(out, expr->a, false); wf_text_add(out, ".."); print(out, expr->b, false); return;
  }
}

static void print(wf_text *out, const wf_ast_expr *expr, bool tight) {
  for (int i = 0; i < expr->parens; i++) wf_text_add(out, "(");
  print_bare(out, expr, tight);
  for (int i = 0; i < expr->parens; i++) wf_text_add(out, ")");
}

void wf_ast_print_expr(wf_text *out, const wf_ast_expr *expr) { print(out, expr, false); }

void wf_ast_print_type(wf_text *out, const wf_ast_type *type) {
  wf_text_add(out, type->name);
  if (type->has_shape) wf_ast_print_items(out, &type->shape);
}

// ---- --emit ast -------------------------------------------------------------------------------------------------------
typedef struct dump { wf_text *out; int depth; } dump;

static const char *const expr_names[] = {
  [WF_E_INT] = "int", [WF_E_FLOAT] = "float", [WF_E_STRING] = "string", [WF_E_BOOL] = "bool", [WF_E_NAME] = "name",
  [WF_E_LIST] = "list", [WF_E_UNARY] = "unary", [WF_E_BINARY] = "binary", [WF_E_CONDITIONAL] = "conditional",
  [WF_E_CALL] = "call", [WF_E_READ] = "read", [WF_E_REDUCE] = "reduce", [WF_E_PIPE] = "pipe", [WF_E_RANGE] = "range",
};
static const char *const stmt_names[] = {
  [WF_ST_ASSIGN] = "assign", [WF_ST_LET] = "let", [WF_ST_DEFINE] = "define", [WF_ST_SCATTER] = "scatter",
  [WF_ST_DECLARE] = "declare", [WF_ST_RETURN] = "return", [WF_ST_CALL] = "call", [WF_ST_FOR] = "for", [WF_ST_IF] = "if",
  [WF_ST_LOOP] = "loop", [WF_ST_NEXT] = "next", [WF_ST_YIELD] = "yield", [WF_ST_PARAM] = "param", [WF_ST_STATE] = "state",
  [WF_ST_UPDATE] = "update", [WF_ST_SHARD] = "shard", [WF_ST_STAGE] = "stage", [WF_ST_LABELS] = "labels", [WF_ST_TOP] = "top",
};
static const char *const decl_names[] = {
  [WF_D_IMPORT] = "import", [WF_D_LET] = "let", [WF_D_OP] = "op", [WF_D_NET] = "net", [WF_D_OPTIMIZER] = "optimizer",
  [WF_D_TRAIN] = "train", [WF_D_MESH] = "mesh",
};

static void head(dump *d, const char *kind, wf_loc loc) {
  wf_text_printf(d->out, "%*s%s %d:%d", d->depth * 2, "", kind, loc.line, loc.column);
}

static void dump_expr(dump *d, const char *role, const wf_ast_expr *expr);

static void dump_items(dump *d, const wf_ast_items *items) {
  for (int i = 0; i < items->count; i++) {
    const wf_ast_item *item = &items->items[i];
    if (item->rest) head(d, "rest", item->loc), wf_text_add(d->out, "\n");
    else dump_expr(d, "item", item->value);
    if (item->extent) dump_expr(d, "extent", item->extent);
  }
}

static void dump_args(dump *d, const wf_ast_args *args) {
  for (int i = 0; i < args->count; i++) dump_expr(d, args->items[i].name ? args->items[i].name : "arg", args->items[i].value);
}

static void dump_expr(dump *d, const char *role, const wf_ast_expr *expr) {
  head(d, role, expr->loc);
  wf_text_printf(d->out, " %s", expr_names[expr->kind]);
  if (expr->text) wf_text_printf(d->out, " %s", expr->raw ? expr->raw : expr->text);
  if (expr->kind == WF_E_UNARY || expr->kind == WF_E_BINARY) wf_text_printf(d->out, " %s", wf_ast_operator_text[expr->op]);
  print_instance(d->out, expr->instance);
  wf_text_add(d->out, "\n");
  d->depth++;
  if (expr->a) dump_expr(d, "a", expr->a);
  if (expr->b) dump_expr(d, expr->kind == WF_E_READ ? "else" : "b", expr->b);
  if (expr->c) dump_expr(d, "c", expr->c);
  dump_args(d, &expr->args);
  dump_items(d, &expr->items);
  d->depth--;
}

static void dump_block(dump *d, const char *role, const wf_ast_block *block);

static void dump_stmt(dump *d, const wf_ast_stmt *stmt) {
  head(d, stmt_names[stmt->kind], stmt->loc);
  for (int i = 0; i < stmt->names.count; i++) wf_text_printf(d->out, " %s", stmt->names.items[i].text);
  if (stmt->text) wf_text_printf(d->out, " %s", stmt->text);
  if (stmt->type) wf_text_add(d->out, " : "), wf_ast_print_type(d->out, stmt->type);
  wf_text_add(d->out, stmt->reverse ? " reverse\n" : "\n");
  d->depth++;
  dump_items(d, &stmt->items);
  if (stmt->value) dump_expr(d, "value", stmt->value);
  for (int i = 0; i < stmt->values.count; i++) dump_expr(d, "value", stmt->values.items[i]);
  for (int i = 0; i < stmt->carries.count; i++) dump_expr(d, stmt->carries.items[i].name.text, stmt->carries.items[i].value);
  if (stmt->body.count) dump_block(d, "body", &stmt->body);
  if (stmt->otherwise.count) dump_block(d, "else", &stmt->otherwise);
  d->depth--;
}

static void dump_block(dump *d, const char *role, const wf_ast_block *block) {
  wf_text_printf(d->out, "%*s%s\n", d->depth * 2, "", role);
  d->depth++;
  for (int i = 0; i < block->count; i++) dump_stmt(d, block->items[i]);
  d->depth--;
}

static void dump_formals(dump *d, const char *role, const wf_ast_formals *formals) {
  for (int i = 0; i < formals->count; i++) {
    const wf_ast_formal *formal = &formals->items[i];
    head(d, role, formal->loc);
    wf_text_printf(d->out, " %s: ", formal->name ? formal->name : "_");
    wf_ast_print_type(d->out, formal->type);
    if (formal->otherwise) wf_text_add(d->out, " = "), print(d->out, formal->otherwise, false);
    wf_text_add(d->out, "\n");
  }
}

static void dump_decl(dump *d, const wf_ast_decl *decl) {
  head(d, decl_names[decl->kind], decl->loc);
  wf_text_printf(d->out, " %s\n", decl->name);
  d->depth++;
  dump_formals(d, "argument", &decl->arguments);
  dump_formals(d, "parameter", &decl->parameters);
  dump_formals(d, "result", &decl->results);
  for (int i = 0; i < decl->where.count; i++) dump_expr(d, "where", decl->where.items[i]);
  if (decl->value) dump_expr(d, "value", decl->value);
  dump_args(d, &decl->args);
  for (int i = 0; i < decl->fields.count; i++) {
    head(d, "field", decl->fields.items[i].loc);
    wf_text_printf(d->out, " %s\n", decl->fields.items[i].name);
    d->depth++;
    for (int k = 0; k < decl->fields.items[i].values.count; k++) dump_expr(d, "value", decl->fields.items[i].values.items[k]);
    d->depth--;
  }
  if (decl->body.count) dump_block(d, "body", &decl->body);
  d->depth--;
}

void wf_ast_dump(wf_text *out, const wf_ast_file *file) {
  dump d = {out, 0};
  for (int i = 0; i < file->decls.count; i++) dump_decl(&d, file->decls.items[i]);
}
