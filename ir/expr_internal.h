// Shared by expr.c (the table) and expr_simplify.c (the rules applied while a node is made).
#ifndef WEFT_IR_EXPR_INTERNAL_H
#define WEFT_IR_EXPR_INTERNAL_H
#include "ir/ir.h"

struct wf_expr_table *wf_expr_table_create(wf_arena *arena);
// The node exactly as described, consed.
const wf_expr *wf_expr_cons(wf_module *module, const wf_expr *wanted);
// The node as described if it was made before, else NULL.
const wf_expr *wf_expr_lookup(wf_module *module, const wf_expr *wanted);
// An equal, simpler expression, or NULL where no rule fits. args have been simplified.
const wf_expr *wf_expr_simplified(wf_module *module, wf_scalar op, wf_dtype type, const wf_expr *const *args, int count);
// A constant of any type from an evaluated float or integer.
const wf_expr *wf_expr_number(wf_module *module, wf_dtype type, double number);
// The constant as a double and as an int64 (whatever its type).
double wf_expr_constant_float(const wf_expr *expr);
int64_t wf_expr_constant_int(const wf_expr *expr);
// A value that belongs to no function; the name is taken as it is.
wf_value *wf_value_new(wf_module *module, const char *name, wf_dtype type, int rank, const wf_dim *const *shape, wf_loc loc);
// `wanted`, or `wanted.1`, `wanted.2`, ... : the first that names does not hold. suffixes (may be NULL) speeds the search.
const char *wf_fresh_name(wf_module *module, const wf_map *names, wf_map *suffixes, const char *wanted);
#endif
