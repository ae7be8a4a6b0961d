// Node makers for the actions of net_parser.y.
#ifndef WEFT_FRONTEND_AST_MAKE_H
#define WEFT_FRONTEND_AST_MAKE_H
#include "frontend/net_lexing.h"
#include "frontend/net_parser.h"

wf_ast_expr *wf_make_expr(wf_net_lexing *in, wf_ast_expr_kind kind, wf_loc loc, wf_ast_expr *a, wf_ast_expr *b, wf_ast_expr *c);
wf_ast_expr *wf_make_binary(wf_net_lexing *in, wf_loc loc, wf_ast_operator op, wf_ast_expr *a, wf_ast_expr *b);
wf_ast_expr *wf_make_unary(wf_net_lexing *in, wf_loc loc, wf_ast_operator op, wf_ast_expr *a);
wf_ast_expr *wf_make_name(wf_net_lexing *in, wf_loc loc, const char *text);
wf_ast_expr *wf_make_int(wf_net_lexing *in, wf_loc loc, const char *text);
wf_ast_expr *wf_make_float(wf_net_lexing *in, wf_loc loc, const char *text);
wf_ast_expr *wf_make_bool(wf_net_lexing *in, wf_loc loc, bool value);
wf_ast_expr *wf_make_string(wf_net_lexing *in, wf_loc loc, const char *raw);
wf_ast_expr *wf_make_call(wf_net_lexing *in, wf_loc loc, const char *callee, const wf_ast_args *args, wf_ast_instance *instance);
wf_ast_instance *wf_make_instance(wf_net_lexing *in, wf_loc loc, const char *name, wf_ast_expr *index);
wf_ast_args *wf_make_positional(wf_net_lexing *in, const wf_ast_exprs *values);
wf_ast_type *wf_make_type(wf_net_lexing *in, wf_loc loc, const char *name, const wf_ast_items *shape_or_null);
wf_ast_stmt *wf_make_stmt(wf_net_lexing *in, wf_ast_stmt_kind kind, wf_loc loc, const char *name_or_null, wf_loc name_loc, wf_ast_expr *value);
wf_ast_decl *wf_make_decl(wf_net_lexing *in, wf_ast_decl_kind kind, wf_loc loc, const char *name, wf_loc name_loc);
// formals: two lists, tensors and compile-time parameters.
wf_ast_decl *wf_make_callable(wf_net_lexing *in, wf_ast_decl_kind kind, wf_loc loc, const char *name, wf_loc name_loc,
                              const wf_ast_formals *formals, const wf_ast_results *results, const wf_ast_exprs *where);
const char *wf_unquote(wf_net_lexing *in, const char *raw);
#endif
