// Node makers, places and the parts of lexing that are not patterns.
#include "frontend/ast_make.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

const char *const wf_ast_operator_text[] = {
  [WF_OP_ADD] = "+", [WF_OP_SUB] = "-", [WF_OP_MUL] = "*", [WF_OP_DIV] = "/", [WF_OP_FLOORDIV] = "//", [WF_OP_MOD] = "%",
  [WF_OP_POW] = "**", [WF_OP_LT] = "<", [WF_OP_LE] = "<=", [WF_OP_GT] = ">", [WF_OP_GE] = ">=", [WF_OP_EQ] = "==",
  [WF_OP_NE] = "!=", [WF_OP_AND] = "and", [WF_OP_OR] = "or", [WF_OP_NEG] = "-", [WF_OP_NOT] = "not",
};

// ---- places ----------------------------------------------------------------------------------------------------------
wf_loc wf_loc_join(wf_loc first, wf_loc last) {
  if (!first.source) return last;
  if (!last.source) return first;
  first.end_line = last.end_line;
  first.end_column = last.end_column;
  return first;
}

wf_loc wf_loc_after(wf_loc loc) {
  return (wf_loc){loc.source, loc.end_line, loc.end_column, loc.end_line, loc.end_column};
}

wf_loc wf_loc_end(wf_loc loc) {
  return (wf_loc){loc.source, loc.end_line, loc.end_column - 1, loc.end_line, loc.end_column};
}

void wf_net_advance(wf_net_lexing *lexing, wf_loc *loc, const char *text, size_t length) {
  loc->source = lexing->source;
  loc->line = lexing->line;
  loc->column = lexing->column;
  for (size_t i = 0; i < length; i++) {
    if (text[i] == '\n') lexing->line++, lexing->column = 1;
    else lexing->column++;
  }
  lexing->offset += length;
  loc->end_line = lexing->line;
  loc->end_column = lexing->column;
}

int wf_net_token(wf_net_lexing *lexing, const wf_loc *loc, int kind) {
  lexing->first_on_line = lexing->line_start;
  lexing->line_start = false;
  lexing->statement_start = kind == '{' || kind == '}' || kind == ';' || kind == T_ELSE;
  return kind;
}

const char *wf_net_text_at(const wf_net_lexing *lexing, wf_loc loc) {
  const char *at = lexing->source->text, *end = at + lexing->source->size;
  for (int line = 1; line < loc.line && at < end; line++) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    at = newline ? newline + 1 : end;
  }
  return (size_t)(end - at) < (size_t)loc.column ? end : at + loc.column - 1;
}

// `retrun x`, `ops f(...)`: the first word of the line, or the one at the place, is almost a keyword.
static void advise_keyword(wf_net_lexing *lexing, wf_diagnostic *error, wf_loc loc) {
  static const char *const words[] = {"import", "let", "op", "net", "optimizer", "train", "mesh", "return", "for", "if", "else", "loop",
                                      "next", "yield", "param", "state", "update", "shard", "stage", "where", "carry", "reverse"};
  const char *here = wf_net_text_at(lexing, loc), *first = here - (loc.column - 1);
  while (*first == ' ' || *first == '\t') first++;
  const char *places[] = {here, first};
  for (int i = 0; i < 2; i++) {
    size_t length = strspn(places[i], "abcdefghijklmnopqrstuvwxyz");
    const char *word = wf_arena_strndup(lexing->arena, places[i], length);
    const char *near = length > 1 ? wf_did_you_mean(word, words, sizeof words / sizeof *words) : NULL;
    if (near && strcmp(near, word) == 0 && i == 0 && here != first)
      wf_help(lexing->diag, error, "`%s` is a word of the language: it cannot be a name here", word);
    else if (near && strcmp(near, word) != 0)
      wf_help(lexing->diag, error, "did you mean `%s`?", near);
    if (near) return;
  }
}

// `mean[c] x[n, c]`: after the brackets of what is no reduction the element of a tensor follows. The line before the place is
// looked at as well, since the mistake shows where the next statement begins.
static bool advise_reduction(wf_net_lexing *lexing, wf_diagnostic *error, wf_loc loc) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
  const char *end = wf_net_text_at(lexing, loc), *start = end - (loc.column - 1);
  while (start > lexing->source->text && (start[-1] == '\n' || start == end)) start--;
  while (start > lexing->source->text && start[-1] != '\n') start--;
  for (const char *at = strchr(start, '['); at && at < end; at = strchr(at + 1, '[')) {
    const char *name = at, *close = at + strcspn(at, "]\n");
    while (name > start && strchr(letters, name[-1])) name--;
    const char *after = close + (*close == ']');
    after += strspn(after, " ");
    if (name == at || *close != ']' || after >= end || after == close + 1 || !strchr(letters, *after) || !strncmp(after, "else ", 5)) continue;
    if (after[strspn(after, letters)] != '[') continue;
    wf_help(lexing->diag, error, "`%.*s` is no reduction: there are sum, max, min, prod, argmax and argmin", (int)(at - name), name);
    return true;
  }
  return false;
}

void wf_net_advise(wf_net_lexing *lexing, wf_diagnostic *error, wf_loc loc) {
  const char *text = wf_net_text_at(lexing, loc);
  if (advise_reduction(lexing, error, loc)) return;
  if (lexing->floordiv_line == loc.line)
    wf_help(lexing->diag, error, "behind code `//` is floor division; a comment there starts with `#`");
  else if (lexing->conditional_line == loc.line && text[0] == '{')
    wf_help(lexing->diag, error, "an `if` behind code on its line belongs to `a if cond else b`; start a line with it, or put `;` before it");
  else if (lexing->conditional_line == loc.line)
    wf_help(lexing->diag, error, "write `a if cond else b`; put a condition that ends in a read into parentheses, or its `else` is the read's");
  else if (!*text && lexing->nesting > 0)
    wf_help(lexing->diag, error, "a bracket is not closed");
  else if (loc.column == 1 && (!strncmp(text, "op ", 3) || !strncmp(text, "net ", 4) || !strncmp(text, "train ", 6)))
    wf_help(lexing->diag, error, "is a `}` missing before it?");
  else if (!strncmp(text, "else", 4))
    wf_help(lexing->diag, error, "write `a if cond else b`; put a condition that ends in a read into parentheses, or its `else` is the read's");
  else if (text[0] == '=' && text[1] != '=')
    wf_help(lexing->diag, error, "`==` compares; `=` defines a name, `name[axes] = ...` a tensor by its elements");
  else
    advise_keyword(lexing, error, loc);
}

// ---- comments ----------------------------------------------------------------------------------------------------------
void wf_net_comment(wf_net_lexing *lexing, const wf_loc *loc, const char *text, size_t length) {
  while (length > 0 && (text[length - 1] == '\r' || text[length - 1] == ' ' || text[length - 1] == '\t')) length--;
  wf_ast_comment comment = {*loc, wf_arena_strndup(lexing->arena, text, length)};
  wf_vec_push(lexing->arena, &lexing->file->comments, comment);
}

static void comment_since(wf_net_lexing *lexing, const wf_loc *end) {
  wf_loc loc = wf_loc_join(lexing->comment_loc, end ? *end : lexing->comment_loc);
  wf_net_comment(lexing, &loc, lexing->source->text + lexing->comment_from, (end ? lexing->offset : lexing->comment_from + 2) - lexing->comment_from);
}

void wf_net_line_comment(wf_net_lexing *lexing, const wf_loc *rest) { comment_since(lexing, rest); }
void wf_net_block_comment(wf_net_lexing *lexing, const wf_loc *end) { comment_since(lexing, end); }

void wf_net_stray(wf_net_lexing *lexing, const wf_loc *loc, const char *text) {
  unsigned char byte = (unsigned char)text[0];
  lexing->recovering = true;   // what follows on the line would only be reported once more
  lexing->depth = 0;
  if (byte > ' ' && byte < 127) wf_error(lexing->diag, *loc, "`%c` means nothing here", byte);
  else wf_error(lexing->diag, *loc, "a byte of value %d means nothing here; names and operators are ASCII", byte);
}

// ---- expressions -------------------------------------------------------------------------------------------------------
enum { DEEPEST_EXPRESSION = 1000 };   // walks of the tree recurse

static int depth_of(const wf_ast_expr *expr) { return expr ? expr->depth : 0; }

static void deepen(wf_net_lexing *in, wf_ast_expr *expr, const wf_ast_expr *child) {
  if (depth_of(child) + 1 > expr->depth) expr->depth = depth_of(child) + 1;
  if (expr->depth <= DEEPEST_EXPRESSION || in->too_deep) return;
  wf_error(in->diag, expr->loc, "this expression is nested deeper than the limit of %d", DEEPEST_EXPRESSION);
  in->too_deep = true;
}

wf_ast_expr *wf_make_expr(wf_net_lexing *in, wf_ast_expr_kind kind, wf_loc loc, wf_ast_expr *a, wf_ast_expr *b, wf_ast_expr *c) {
  wf_ast_expr *expr = WF_NEW(in->arena, wf_ast_expr);
  expr->kind = kind;
  expr->loc = loc;
  expr->a = a;
  expr->b = b;
  expr->c = c;
  deepen(in, expr, a);
  deepen(in, expr, b);
  deepen(in, expr, c);
  return expr;
}

wf_ast_expr *wf_make_binary(wf_net_lexing *in, wf_loc loc, wf_ast_operator op, wf_ast_expr *a, wf_ast_expr *b) {
  wf_ast_expr *expr = wf_make_expr(in, WF_E_BINARY, loc, a, b, NULL);
  expr->op = op;
  return expr;
}

wf_ast_expr *wf_make_unary(wf_net_lexing *in, wf_loc loc, wf_ast_operator op, wf_ast_expr *a) {
  wf_ast_expr *expr = wf_make_expr(in, WF_E_UNARY, loc, a, NULL, NULL);
  expr->op = op;
  return expr;
}

static wf_ast_expr *make_text(wf_net_lexing *in, wf_ast_expr_kind kind, wf_loc loc, const char *text) {
  wf_ast_expr *expr = wf_make_expr(in, kind, loc, NULL, NULL, NULL);
  expr->text = text;
  return expr;
}

wf_ast_expr *wf_make_name(wf_net_lexing *in, wf_loc loc, const char *text) { return make_text(in, WF_E_NAME, loc, text); }

wf_ast_expr *wf_make_int(wf_net_lexing *in, wf_loc loc, const char *text) {
  wf_ast_expr *expr = make_text(in, WF_E_INT, loc, text);
  errno = 0;
  expr->integer = strtoll(text, NULL, 10);
  if (errno == ERANGE) wf_error(in->diag, loc, "%s does not fit in 64 bits", text);
  expr->number = (double)expr->integer;
  return expr;
}

wf_ast_expr *wf_make_float(wf_net_lexing *in, wf_loc loc, const char *text) {
  wf_ast_expr *expr = make_text(in, WF_E_FLOAT, loc, text);
  expr->number = strcmp(text, "inf") ? strtod(text, NULL) : INFINITY;
  return expr;
}

wf_ast_expr *wf_make_bool(wf_net_lexing *in, wf_loc loc, bool value) {
  wf_ast_expr *expr = make_text(in, WF_E_BOOL, loc, value ? "true" : "false");
  expr->integer = value;
  return expr;
}

const char *wf_unquote(wf_net_lexing *in, const char *raw) {
  size_t length = strlen(raw);
  char *text = wf_arena_strdup(in->arena, raw), *to = text;
  for (size_t i = 1; i + 1 < length; i++) {
    if (raw[i] != '\\') { *to++ = raw[i]; continue; }
    i++;
    *to++ = raw[i] == 'n' ? '\n' : raw[i] == 't' ? '\t' : raw[i];
  }
  *to = 0;
  return text;
}

wf_ast_expr *wf_make_string(wf_net_lexing *in, wf_loc loc, const char *raw) {
  wf_ast_expr *expr = make_text(in, WF_E_STRING, loc, wf_unquote(in, raw));
  expr->raw = raw;
  return expr;
}

wf_ast_expr *wf_make_call(wf_net_lexing *in, wf_loc loc, const char *callee, const wf_ast_args *args, wf_ast_instance *instance) {
  wf_ast_expr *expr = make_text(in, WF_E_CALL, loc, callee);
  expr->args = *args;
  expr->instance = instance;
  for (int i = 0; i < args->count; i++) deepen(in, expr, args->items[i].value);
  return expr;
}

wf_ast_instance *wf_make_instance(wf_net_lexing *in, wf_loc loc, const char *name, wf_ast_expr *index) {
  wf_ast_instance *instance = WF_NEW(in->arena, wf_ast_instance);
  *instance = (wf_ast_instance){loc, name, index};
  return instance;
}

wf_ast_args *wf_make_positional(wf_net_lexing *in, const wf_ast_exprs *values) {
  wf_ast_args *args = WF_NEW(in->arena, wf_ast_args);
  for (int i = 0; i < values->count; i++)
    wf_vec_push(in->arena, args, ((wf_ast_arg){values->items[i]->loc, NULL, values->items[i]}));
  return args;
}

// ---- types, statements, declarations -----------------------------------------------------------------------------------
wf_ast_type *wf_make_type(wf_net_lexing *in, wf_loc loc, const char *name, const wf_ast_items *shape) {
  wf_ast_type *type = WF_NEW(in->arena, wf_ast_type);
  type->loc = loc;
  type->name = name;
  type->has_shape = shape != NULL;
  if (shape) type->shape = *shape;
  return type;
}

wf_ast_stmt *wf_make_stmt(wf_net_lexing *in, wf_ast_stmt_kind kind, wf_loc loc, const char *name, wf_loc name_loc, wf_ast_expr *value) {
  wf_ast_stmt *stmt = WF_NEW(in->arena, wf_ast_stmt);
  stmt->kind = kind;
  stmt->loc = loc;
  stmt->value = value;
  if (name) wf_vec_push(in->arena, &stmt->names, ((wf_ast_name){name_loc, name}));
  return stmt;
}

wf_ast_decl *wf_make_decl(wf_net_lexing *in, wf_ast_decl_kind kind, wf_loc loc, const char *name, wf_loc name_loc) {
  wf_ast_decl *decl = WF_NEW(in->arena, wf_ast_decl);
  decl->kind = kind;
  decl->loc = loc;
  decl->name = name;
  decl->name_loc = name_loc;
  decl->end = wf_loc_end(loc);
  return decl;
}

wf_ast_decl *wf_make_callable(wf_net_lexing *in, wf_ast_decl_kind kind, wf_loc loc, const char *name, wf_loc name_loc,
                              const wf_ast_formals *formals, const wf_ast_results *results, const wf_ast_exprs *where) {
  wf_ast_decl *decl = wf_make_decl(in, kind, loc, name, name_loc);
  decl->arguments = formals[0];
  decl->parameters = formals[1];
  decl->results = results->list;
  decl->named_results = results->named;
  memcpy(&decl->where, where, sizeof decl->where);
  return decl;
}
