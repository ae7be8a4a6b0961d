// What the formatter takes from the printer of expressions.
#ifndef WEFT_FRONTEND_PRINT_AST_H
#define WEFT_FRONTEND_PRINT_AST_H
#include "frontend/ast.h"

void wf_ast_print_items(wf_text *out, const wf_ast_items *items);   // with the brackets
void wf_ast_print_args(wf_text *out, const wf_ast_args *args);      // without the parentheses
#endif
