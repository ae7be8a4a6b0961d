// weft fmt: the tree printed in the one layout. A statement is printed flat and then wrapped at 120 columns, so that where
// the user broke lines does not matter; comments stand before the statement that follows them, or behind the one whose
// last line they share.
#include "frontend/print_ast.h"

enum { WIDTH = 120, INDENT = 4, FIELD = 10 };

typedef struct printer {
  wf_text *out;
  wf_text line;                 // the statement being printed
  const wf_ast_file *file;
  int indent, comment;          // next comment to print
  int last;                     // source line on which the last thing printed ended; 0: nothing yet
} printer;

// ---- wrapping ---------------------------------------------------------------------------------------------------------
// A place to break is a blank after a comma or before an operator, outside strings; the shallowest bracket depth in the
// last part of the line wins, the last such place among equals. Never before `if` (it would open a statement) or `//`.
static bool breaks_before(const char *at) {
  static const char *const openers[] = {"|> ", "+ ", "- ", "* ", "/ ", "and ", "or ", "-> ", "where "};
  if (at[-1] == ',' || at[-1] == ';' || at[-1] == '=') return true;
  for (size_t i = 0; i < sizeof openers / sizeof *openers; i++)
    if (!strncmp(at + 1, openers[i], strlen(openers[i]))) return true;
  return false;
}

static size_t find_break(const char *text, size_t from, size_t width) {
  int depth = 0, best_depth = 1 << 30;
  size_t best = 0;
  bool quoted = false;
  for (size_t i = from; text[i] && (i - from <= width || !best); i++) {
    char c = text[i];
    if (c == '"' && text[i - 1] != '\\') quoted = !quoted;
    if (quoted) continue;
    depth += (c == '(' || c == '[' || c == '{') - (c == ')' || c == ']' || c == '}');
    if (c != ' ' || i - from < width / 3 || !breaks_before(text + i)) continue;
    if (depth <= best_depth) best_depth = depth, best = i;
  }
  return best;
}

static void put_wrapped(printer *p, const char *text) {
  size_t from = 0, length = strlen(text), indent = (size_t)(p->indent * INDENT);
  for (bool first = true;; first = false) {
    size_t width = WIDTH - indent - (first ? 0 : INDENT);
    size_t at = length - from > width ? find_break(text, from, width) : 0;
    wf_text_printf(p->out, "%*s", (int)indent + (first ? 0 : INDENT), "");
    if (!at) break;
    wf_text_add_n(p->out, text + from, at - from);
    wf_text_add(p->out, "\n");
    from = at + 1;
  }
  wf_text_add(p->out, text + from);
}

// ---- comments and blank lines -----------------------------------------------------------------------------------------
static void blank_line(printer *p, int next) {
  if (p->last && next > p->last + 1) wf_text_add(p->out, "\n");
}

// Comments that begin before the place, each on its own line.
static void comments_before(printer *p, wf_loc loc) {
  for (; p->comment < p->file->comments.count; p->comment++) {
    const wf_ast_comment *comment = &p->file->comments.items[p->comment];
    if (comment->loc.line > loc.line || (comment->loc.line == loc.line && comment->loc.column >= loc.column)) return;
    blank_line(p, comment->loc.line);
    wf_text_printf(p->out, "%*s%s\n", p->indent * INDENT, "", comment->text);
    p->last = comment->loc.end_line;
  }
}

// Ends the line, with the comments that share the source line.
static void end_line(printer *p, int line, const wf_loc *before) {
  p->last = line;
  for (; p->comment < p->file->comments.count; p->comment++) {
    const wf_ast_comment *comment = &p->file->comments.items[p->comment];
    if (comment->loc.line != line || comment->loc.line != comment->loc.end_line || comment->text[1] == '/') break;
    if (before && (before->line < line || (before->line == line && before->column < comment->loc.column))) break;
    wf_text_printf(p->out, "  %s", comment->text);
  }
  wf_text_add(p->out, "\n");
}

static void flush(printer *p, wf_loc loc) {
  comments_before(p, loc);
  blank_line(p, loc.line);
}

static void put_line(printer *p) {
  put_wrapped(p, p->line.data ? p->line.data : "");
  p->line.length = 0;
}

// ---- statements -------------------------------------------------------------------------------------------------------
#define ADD(...) wf_text_printf(&p->line, __VA_ARGS__)

static void add_expr(printer *p, const wf_ast_expr *expr) { wf_ast_print_expr(&p->line, expr); }

static void add_exprs(printer *p, wf_ast_expr *const *items, int count) {
  for (int i = 0; i < count; i++) {
    if (i) ADD(", ");
    add_expr(p, items[i]);
  }
}

static void add_named(printer *p, const char *keyword, const wf_ast_stmt *stmt) {
  ADD("%s%s", keyword, stmt->names.items[0].text);
  if (stmt->type) ADD(": "), wf_ast_print_type(&p->line, stmt->type);
  if (stmt->value) ADD(" = "), add_expr(p, stmt->value);
}

static void add_loop(printer *p, const wf_ast_stmt *stmt) {
  ADD("loop %s: ", stmt->names.items[0].text);
  add_expr(p, stmt->value);
  if (stmt->reverse) ADD(" reverse");
  for (int i = 0; i < stmt->carries.count; i++) {
    ADD("%s%s = ", i ? ", " : " carry ", stmt->carries.items[i].name.text);
    add_expr(p, stmt->carries.items[i].value);
  }
}

// The statement, or its head where it has a block.
static void add_stmt(printer *p, const wf_ast_stmt *stmt) {
  switch (stmt->kind) {
    case WF_ST_ASSIGN:
      for (int i = 0; i < stmt->names.count; i++) ADD("%s%s", i ? ", " : "", stmt->names.items[i].text);
      ADD(" = ");
      add_expr(p, stmt->value);
      return;
    case WF_ST_DEFINE: case WF_ST_SCATTER:
      ADD("%s", stmt->names.items[0].text);
      wf_ast_print_items(&p->line, &stmt->items);
      ADD(" %s ", stmt->kind == WF_ST_DEFINE ? "=" : stmt->text);
      add_expr(p, stmt->value);
      return;
    case WF_ST_LET: add_named(p, "let ", stmt); return;
    case WF_ST_DECLARE: add_named(p, "", stmt); return;
    case WF_ST_NEXT: add_named(p, "next ", stmt); return;
    case WF_ST_YIELD: add_named(p, "yield ", stmt); return;
    case WF_ST_PARAM: add_named(p, "param ", stmt); return;
    case WF_ST_STATE: add_named(p, "state ", stmt); return;
    case WF_ST_UPDATE: add_named(p, "update ", stmt); return;
    case WF_ST_SHARD: add_named(p, "shard ", stmt); wf_ast_print_items(&p->line, &stmt->items); return;
    case WF_ST_RETURN: ADD("return "); add_exprs(p, stmt->values.items, stmt->values.count); return;
    case WF_ST_CALL: add_expr(p, stmt->value); return;
    case WF_ST_FOR: ADD("for %s in ", stmt->names.items[0].text); add_expr(p, stmt->value); return;
    case WF_ST_IF: ADD("if "); add_expr(p, stmt->value); return;
    case WF_ST_LOOP: add_loop(p, stmt); return;
    case WF_ST_STAGE: ADD("stage "); add_expr(p, stmt->value); return;
    case WF_ST_LABELS: ADD("labels "); add_expr(p, stmt->value); return;
    case WF_ST_TOP: ADD("top "); add_expr(p, stmt->value); return;
  }
}

static bool has_block(const wf_ast_stmt *stmt) {
  return stmt->kind == WF_ST_FOR || stmt->kind == WF_ST_IF || stmt->kind == WF_ST_LOOP || stmt->kind == WF_ST_STAGE;
}

static bool comment_within(const printer *p, int from, int to) {
  return p->comment < p->file->comments.count && p->file->comments.items[p->comment].loc.line >= from &&
         p->file->comments.items[p->comment].loc.line < to;
}

// `head { statement }` stays on one line where it was and fits. The head is in p->line.
static bool try_one_line(printer *p, const wf_ast_block *block, int first, int last) {
  if (first != last || block->count > 1 || comment_within(p, first, last)) return false;
  if (block->count == 1 && has_block(block->items[0])) return false;
  size_t length = p->line.length;
  ADD(" {");
  if (block->count) ADD(" "), add_stmt(p, block->items[0]);
  ADD(block->count ? " }" : "}");
  if (p->line.length + (size_t)(p->indent * INDENT) <= WIDTH) return true;
  p->line.data[p->line.length = length] = 0;
  return false;
}

static void put_block(printer *p, const wf_ast_block *block, wf_loc end);

static wf_loc end_of(wf_loc loc) { return (wf_loc){loc.source, loc.end_line, loc.end_column - 1, loc.end_line, loc.end_column}; }

static void put_block_stmt(printer *p, const wf_ast_stmt *stmt) {
  if (!stmt->has_else && try_one_line(p, &stmt->body, stmt->loc.line, stmt->loc.end_line)) {
    put_line(p);
    end_line(p, stmt->loc.end_line, NULL);
    return;
  }
  ADD(" {");
  put_line(p);
  end_line(p, stmt->value->loc.end_line, stmt->body.count ? &stmt->body.items[0]->loc : NULL);
  wf_loc end = end_of(stmt->loc);
  bool chained = stmt->has_else && stmt->otherwise.count == 1 && stmt->otherwise.items[0]->kind == WF_ST_IF;
  if (!stmt->has_else) {
    put_block(p, &stmt->body, end);
  } else {
    wf_loc body_end = stmt->otherwise.count ? stmt->otherwise.items[0]->loc : end;
    if (stmt->body.count && stmt->body.items[stmt->body.count - 1]->loc.end_line < body_end.line) body_end.column = 0;
    put_block(p, &stmt->body, body_end);
    p->last = 0;
    wf_text_printf(p->out, "%*s} else ", p->indent * INDENT, "");
    if (chained) {
      size_t at = p->out->length;
      add_stmt(p, stmt->otherwise.items[0]);
      int indent = p->indent;
      put_block_stmt(p, stmt->otherwise.items[0]);
      // The head was indented as a line of its own: take those blanks out again.
      memmove(p->out->data + at, p->out->data + at + indent * INDENT, p->out->length - at - (size_t)(indent * INDENT) + 1);
      p->out->length -= (size_t)(indent * INDENT);
      return;
    }
    wf_text_add(p->out, "{\n");
    put_block(p, &stmt->otherwise, end);
  }
  wf_text_printf(p->out, "%*s}", p->indent * INDENT, "");
  end_line(p, stmt->loc.end_line, NULL);
}

static void put_stmt(printer *p, const wf_ast_stmt *stmt) {
  flush(p, stmt->loc);
  add_stmt(p, stmt);
  if (has_block(stmt)) {
    put_block_stmt(p, stmt);
    return;
  }
  put_line(p);
  end_line(p, stmt->loc.end_line, NULL);
}

static void put_block(printer *p, const wf_ast_block *block, wf_loc end) {
  p->indent++;
  p->last = 0;                  // no blank line after the brace
  for (int i = 0; i < block->count; i++) put_stmt(p, block->items[i]);
  comments_before(p, end);
  p->indent--;
}

// ---- declarations -----------------------------------------------------------------------------------------------------
static void add_formals(printer *p, const wf_ast_formals *formals) {
  for (int i = 0; i < formals->count; i++) {
    const wf_ast_formal *formal = &formals->items[i];
    ADD("%s%s: ", i ? ", " : "", formal->name);
    wf_ast_print_type(&p->line, formal->type);
    if (formal->otherwise) ADD(" = "), add_expr(p, formal->otherwise);
  }
}

static void add_head(printer *p, const wf_ast_decl *decl) {
  ADD("%s %s(", decl->kind == WF_D_OP ? "op" : decl->kind == WF_D_NET ? "net" : "optimizer", decl->name);
  add_formals(p, &decl->arguments);
  if (decl->parameters.count) ADD(decl->arguments.count ? "; " : "; "), add_formals(p, &decl->parameters);
  ADD(")");
  if (decl->named_results) ADD(" -> ("), add_formals(p, &decl->results), ADD(")");
  else if (decl->results.count) ADD(" -> "), wf_ast_print_type(&p->line, decl->results.items[0].type);
  if (!decl->where.count) return;
  ADD(" where ");
  add_exprs(p, decl->where.items, decl->where.count);
}

static void put_callable(printer *p, const wf_ast_decl *decl) {
  add_head(p, decl);
  if (try_one_line(p, &decl->body, decl->loc.line, decl->end.end_line)) {
    put_line(p);
    end_line(p, decl->end.end_line, NULL);
    return;
  }
  ADD(" {");
  put_line(p);
  end_line(p, decl->loc.end_line, decl->body.count ? &decl->body.items[0]->loc : NULL);
  put_block(p, &decl->body, decl->end);
  wf_text_add(p->out, "}");
  end_line(p, decl->end.end_line, NULL);
}

static void add_field(printer *p, const wf_ast_field *field, bool padded) {
  ADD("%-*s ", padded ? FIELD : 0, field->name);
  add_exprs(p, field->values.items, field->values.count);
}

static bool shares_line(const wf_ast_decl *decl, int a, int b) {
  return a >= 0 && b < decl->fields.count && decl->fields.items[a].loc.end_line == decl->fields.items[b].loc.line;
}

static void put_train(printer *p, const wf_ast_decl *decl) {
  ADD("train %s", decl->name);
  if (decl->args.count) ADD("("), wf_ast_print_args(&p->line, &decl->args), ADD(")");
  ADD(" {");
  put_line(p);
  end_line(p, decl->loc.end_line, NULL);
  p->indent++;
  p->last = 0;
  for (int i = 0; i < decl->fields.count; i++) {
    const wf_ast_field *field = &decl->fields.items[i];
    if (shares_line(decl, i - 1, i)) ADD("   ");
    else flush(p, field->loc);
    add_field(p, field, !shares_line(decl, i - 1, i) && !shares_line(decl, i, i + 1));
    if (shares_line(decl, i, i + 1)) continue;
    put_line(p);
    end_line(p, field->loc.end_line, NULL);
  }
  comments_before(p, decl->end);
  p->indent--;
  wf_text_add(p->out, "}");
  end_line(p, decl->end.end_line, NULL);
}

static void put_decl(printer *p, const wf_ast_decl *decl) {
  flush(p, decl->loc);
  switch (decl->kind) {
    case WF_D_IMPORT: ADD("import \"%s\"", decl->name); break;
    case WF_D_LET: ADD("let %s = ", decl->name); add_expr(p, decl->value); break;
    case WF_D_MESH: ADD("mesh %s(", decl->name); wf_ast_print_args(&p->line, &decl->args); ADD(")"); break;
    case WF_D_OP: case WF_D_NET: case WF_D_OPTIMIZER: put_callable(p, decl); return;
    case WF_D_TRAIN: put_train(p, decl); return;
  }
  put_line(p);
  end_line(p, decl->loc.end_line, NULL);
}

void wf_ast_format(wf_text *out, const wf_ast_file *file) {
  printer p = {.out = out, .file = file};
  wf_text_init(&p.line);
  for (int i = 0; i < file->decls.count; i++) put_decl(&p, file->decls.items[i]);
  comments_before(&p, (wf_loc){file->source, 1 << 30, 0, 1 << 30, 0});
  wf_text_deinit(&p.line);
}
