#include "runtime/simt/ptx_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include "runtime/simt/ptx_parser.h"
#define YYSTYPE PTX_STYPE   // the lexer's header asks for them
#define YYLTYPE PTX_LTYPE
#include "runtime/simt/ptx_lexer.h"

void ptx_fail(ptx_tree *tree, ptx_place place, const char *format, ...) {
  if (tree->error) return;
  char text[400];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  tree->error = wf_arena_strdup(tree->arena, text);
  tree->error_place = place;
}

ptx_operand *ptx_operand_new(ptx_tree *tree, ptx_operand_kind kind, ptx_place place) {
  ptx_operand *operand = WF_NEW(tree->arena, ptx_operand);
  operand->kind = kind;
  operand->place = place;
  return operand;
}

ptx_statement *ptx_statement_add(ptx_tree *tree, ptx_statement_kind kind, ptx_place place) {
  ptx_statement *statement = WF_NEW(tree->arena, ptx_statement);
  statement->kind = kind;
  statement->place = place;
  if (tree->function) wf_vec_push(tree->arena, &tree->function->statements.list, statement);
  return statement;
}

ptx_variable *ptx_variable_new(ptx_tree *tree, ptx_place place, const char *name, int64_t elements) {
  ptx_variable *variable = WF_NEW(tree->arena, ptx_variable);
  *variable = tree->head;
  variable->place = place;
  variable->name = name;
  variable->elements = elements;
  variable->count = -1;
  return variable;
}

void ptx_read_loc(ptx_tree *tree, ptx_place place, const char *text) {
  int file = 0, line = 0, column = 0;
  sscanf(text, ".loc %9d %9d %9d", &file, &line, &column);
  ptx_statement *statement = ptx_statement_add(tree, PTX_LOC, place);
  statement->file = file, statement->line = line, statement->column = column;
}

void ptx_read_file(ptx_tree *tree, const char *text) {
  int number = 0;
  sscanf(text, ".file %9d", &number);
  const char *open = strchr(text, '"'), *close = open ? strchr(open + 1, '"') : NULL;
  if (!close) return;
  ptx_file file = {number, wf_arena_strndup(tree->arena, open + 1, (size_t)(close - open - 1))};
  wf_vec_push(tree->arena, &tree->files, file);
}

weft_status *ptx_read(wf_arena *arena, const char *source, const char *text, uint64_t size, ptx_tree **out) {
  *out = NULL;
  if (size > INT32_MAX / 2) return weft_fail(WEFT_BAD_INPUT, "%s: more than 1 GiB of PTX", source);
  ptx_tree *tree = WF_NEW(arena, ptx_tree);
  tree->arena = arena;
  tree->source = source;
  tree->line = tree->column = 1;
  void *scanner;
  if (ptx_lex_init_extra(tree, &scanner)) return weft_fail(WEFT_ENVIRONMENT, "out of memory for %s", source);
  ptx__scan_bytes(text, (int)size, scanner);
  int failed = ptx_parse(scanner, tree);
  ptx_lex_destroy(scanner);
  if (failed || tree->error)
    return weft_fail(WEFT_BAD_INPUT, "%s:%d:%d: %s", source, tree->error_place.line, tree->error_place.column,
                     tree->error ? tree->error : "the text nests too deep");
  *out = tree;
  return NULL;
}
