// From syntax trees to typed scalar expressions and dims. A literal takes the type of what it stands beside.
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "ir/parse_internal.h"

enum { DEEPEST = 10000 };  // nesting; deeper text is refused, it would overflow the stack

wir_node *wir_make(wir_context *c, wir_kind kind, wf_loc loc, const char *text) {
  wir_node *node = WF_NEW(c->arena, wir_node);
  *node = (wir_node){.kind = kind, .loc = loc, .text = text};
  return node;
}

static void set_args(wir_context *c, wir_node *node, wir_node **args, int count) {
  node->args = args;
  node->arg_count = count;
  for (int i = 0; i < count; i++) node->depth = args[i]->depth >= node->depth ? args[i]->depth + 1 : node->depth;
  if (node->depth == DEEPEST) wf_error(c->diag, node->loc, "the expression is nested more than %d deep", DEEPEST);
}

wir_node *wir_apply(wir_context *c, wf_scalar op, wf_loc loc, wir_node *a, wir_node *b) {
  bool literal = op == WF_S_NEG && a->kind == WIR_NUMBER && *a->text != '-' && strcmp(a->text, "true") && strcmp(a->text, "false");
  if (literal) return wir_make(c, WIR_NUMBER, loc, wf_arena_printf(c->arena, "-%s", a->text));   // -2^63 has no positive twin
  wir_node *node = wir_make(c, WIR_APPLY, loc, wf_scalar_table[op].name);
  node->op = op;
  wir_node **args = WF_NEW_ARRAY(c->arena, wir_node *, 2);
  args[0] = a, args[1] = b;
  set_args(c, node, args, b ? 2 : 1);
  return node;
}

wir_node *wir_with_args(wir_context *c, wir_node *node, wir_list *args) {
  set_args(c, node, (wir_node **)args->items, args->count);
  return node;
}

int64_t wir_integer(wir_context *c, const char *digits, wf_loc loc) {
  errno = 0;
  char *end;
  int64_t value = strncmp(digits, "0x", 2) ? strtoll(digits, &end, 10) : (int64_t)strtoull(digits, &end, 16);
  if (*end || errno) wf_error(c->diag, loc, "'%s' is not a 64-bit integer", digits);
  return value;
}

wf_dtype wir_dtype(wir_context *c, const char *name, wf_loc loc) {
  wf_dtype type = WF_F32;
  if (wf_dtype_parse(name, &type)) return type;
  const char *candidates[WF_DTYPE_COUNT];
  for (int i = 0; i < WF_DTYPE_COUNT; i++) candidates[i] = wf_dtype_name((wf_dtype)i);
  wf_diagnostic *error = wf_error(c->diag, loc, "unknown type '%s'", name);
  const char *near = wf_did_you_mean(name, candidates, WF_DTYPE_COUNT);
  if (near) wf_help(c->diag, error, "did you mean '%s'?", near);
  return type;
}

bool wir_combiner(wir_context *c, const char *name, wf_loc loc, wf_combiner *out) {
  for (int i = 0; i < WF_COMBINER_COUNT; i++)
    if (!strcmp(name, wf_combiner_names[i])) return *out = (wf_combiner)i, true;
  wf_error(c->diag, loc, "unknown combiner '%s'", name);
  return false;
}

// ---- names ------------------------------------------------------------------------------------------------------------

wf_value *wir_find_value(wir_context *c, const char *name, wf_loc loc) {
  wf_value *found = NULL;
  for (int i = c->buffers.count - 1; i >= 0 && !found; i--)
    if (!strcmp(((wf_value *)c->buffers.items[i])->name, name)) found = c->buffers.items[i];
  if (!found && c->function) found = wf_function_find_value(c->function, name);
  if (found) return found;
  wf_diagnostic *error = wf_error(c->diag, loc, "no value '%%%s' is defined before this place", name);
  const char *near = NULL;
  if (c->function) near = wf_did_you_mean(name, c->function->names.keys, c->function->names.count);
  if (near) wf_help(c->diag, error, "did you mean '%%%s'?", near);
  return NULL;
}

static const wf_expr *lookup(wir_context *c, const char *name) {
  for (int i = c->scope.count - 1; i >= 0; i--)
    if (!strcmp(c->scope.items[i].name, name)) return c->scope.items[i].value;
  const wf_dim *symbol = wf_map_get(&c->symbols, name);
  return symbol ? wf_expr_index(c->module, symbol) : NULL;
}

static void unknown_name(wir_context *c, const wir_node *node) {
  wf_diagnostic *error = wf_error(c->diag, node->loc, "'%s' is no axis, let or symbol here", node->text);
  const char **names = WF_NEW_ARRAY(c->arena, const char *, c->scope.count + c->symbols.count);
  int count = 0;
  for (int i = 0; i < c->scope.count; i++) names[count++] = c->scope.items[i].name;
  for (int i = 0; i < c->symbols.count; i++) names[count++] = c->symbols.keys[i];
  const char *near = wf_did_you_mean(node->text, names, count);
  if (near) wf_help(c->diag, error, "did you mean '%s'?", near);
}

const wf_atom *wir_enter_axis(wir_context *c, const wir_axis *axis) {
  const wf_dim *extent = wir_resolve_extent(c, axis->extent), *dim = wf_dim_axis(c->module->dims, axis->name, extent);
  wir_scope_entry entry = {axis->name, wf_expr_index(c->module, dim), wf_dim_as_atom(dim)};
  wf_vec_push(c->arena, &c->scope, entry);
  return entry.axis;
}

void wir_enter_lets(wir_context *c, wir_list *lets) {
  for (int i = 0; lets && i < lets->count; i++) {
    const wir_let *let = lets->items[i];
    wir_scope_entry entry = {let->name, wir_resolve(c, let->value, WF_DTYPE_COUNT), NULL};
    wf_vec_push(c->arena, &c->scope, entry);
  }
}

// ---- types, bottom up ---------------------------------------------------------------------------------------------------

static void infer(wir_context *c, wir_node *node);

static void set_type(wir_node *node, wf_dtype type) { node->typed = true, node->type = type; }

static void infer_from_args(wir_node *node, int first) {
  for (int i = first; i < node->arg_count && !node->typed; i++)
    if (node->args[i]->typed) set_type(node, node->args[i]->type);
}

static void infer_call(wir_context *c, wir_node *node) {
  wf_dtype type;
  wf_scalar op;
  if (wf_dtype_parse(node->text, &type)) set_type(node, type);
  else if (!strcmp(node->text, "cast")) set_type(node, c->scalar_type);
  else if (!strcmp(node->text, "random")) set_type(node, WF_F32);
  else if (wf_scalar_find(node->text, &op) && wf_scalar_has_trait(op, 'P')) set_type(node, WF_BOOL);
  else infer_from_args(node, !strcmp(node->text, "select"));
}

static void infer(wir_context *c, wir_node *node) {
  for (int i = 0; i < node->arg_count; i++) infer(c, node->args[i]);
  if (node->outside) infer(c, node->outside);
  switch (node->kind) {
  case WIR_NUMBER:
    if (!strcmp(node->text, "true") || !strcmp(node->text, "false")) set_type(node, WF_BOOL);
    break;
  case WIR_NAME: {
    const wf_expr *found = lookup(c, node->text);
    if (found) set_type(node, found->dtype);
    break;
  }
  case WIR_READ: {
    wf_value *value = wir_find_value(c, node->text, node->loc);
    if (value) set_type(node, wf_dtype_compute(value->dtype));
    break;
  }
  case WIR_APPLY:
    if (wf_scalar_has_trait(node->op, 'P')) set_type(node, WF_BOOL);
    else infer_from_args(node, 0);
    break;
  case WIR_CALL: infer_call(c, node); break;
  }
}

// ---- expressions, top down ------------------------------------------------------------------------------------------------

static const wf_expr *build(wir_context *c, wir_node *node, wf_dtype expected);

static const wf_expr *dummy(wir_context *c, wf_dtype type) { return wf_expr_const(c->module, type == WF_DTYPE_COUNT ? WF_F32 : type, 0); }

static bool is_integer_text(const char *text) { return !strncmp(text, "0x", 2) || (!strpbrk(text, ".eEin")); }

static const wf_expr *build_number(wir_context *c, const wir_node *node, wf_dtype expected) {
  if (node->typed) return wf_expr_const_int(c->module, WF_BOOL, !strcmp(node->text, "true"));
  bool integer = is_integer_text(node->text);
  if (expected == WF_DTYPE_COUNT) expected = integer ? WF_I64 : WF_F64;
  if (wf_dtype_is_float(expected)) return wf_expr_const(c->module, expected, strtod(node->text, NULL));
  if (!integer) wf_error(c->diag, node->loc, "'%s' stands where a value of type %s is expected", node->text, wf_dtype_name(expected));
  return wf_expr_const_int(c->module, expected, integer ? wir_integer(c, node->text, node->loc) : 0);
}

// The operands of one operation, all of one type.
static wf_dtype common_type(const wir_node *node, int first, wf_dtype expected) {
  for (int i = first; i < node->arg_count; i++)
    if (node->args[i]->typed) return node->args[i]->type;
  return expected;
}

static void build_args(wir_context *c, wir_node *node, int first, wf_dtype type, const wf_expr **out) {
  for (int i = first; i < node->arg_count; i++) out[i] = build(c, node->args[i], type == WF_DTYPE_COUNT && i > first ? out[first]->dtype : type);
}

static bool types_agree(wir_context *c, const wir_node *node, const wf_expr *const *args, int first) {
  for (int i = first + 1; i < node->arg_count; i++) {
    if (args[i]->dtype == args[first]->dtype) continue;
    wf_diagnostic *error = wf_error(c->diag, node->loc, "the operands of '%s' have different types, %s and %s", node->text,
                                    wf_dtype_name(args[first]->dtype), wf_dtype_name(args[i]->dtype));
    wf_help(c->diag, error, "cast one of them: %s(...)", wf_dtype_name(args[first]->dtype));
    return false;
  }
  return true;
}

static bool type_suits(wir_context *c, const wir_node *node, wf_scalar op, wf_dtype type) {
  bool needs_float = wf_scalar_has_trait(op, 'F'), needs_int = wf_scalar_has_trait(op, 'I');
  if ((!needs_float || wf_dtype_is_float(type)) && (!needs_int || !wf_dtype_is_float(type))) return true;
  wf_error(c->diag, node->loc, "'%s' takes %s operands, not %s", node->text, needs_float ? "float" : "integer or bool", wf_dtype_name(type));
  return false;
}

static const wf_expr *build_operation(wir_context *c, wir_node *node, wf_scalar op, wf_dtype expected) {
  const wf_expr *args[3];
  if (node->arg_count != wf_scalar_table[op].arity) {
    wf_error(c->diag, node->loc, "'%s' takes %d operands, not %d", node->text, wf_scalar_table[op].arity, node->arg_count);
    return dummy(c, expected);
  }
  int first = op == WF_S_SELECT;
  if (first) args[0] = build(c, node->args[0], WF_BOOL);
  build_args(c, node, first, common_type(node, first, wf_scalar_has_trait(op, 'P') ? WF_DTYPE_COUNT : expected), args);
  bool good = types_agree(c, node, args, first) && type_suits(c, node, op, args[first]->dtype);
  if (good && first && args[0]->dtype != WF_BOOL) {
    wf_error(c->diag, node->loc, "the condition of 'select' is %s, not bool", wf_dtype_name(args[0]->dtype));
    good = false;
  }
  return good ? wf_expr_make(c->module, op, args, node->arg_count) : dummy(c, expected);
}

static const wf_expr *build_random(wir_context *c, wir_node *node) {
  const wf_expr *args[3];
  if (node->arg_count != 4 || node->args[0]->kind != WIR_NUMBER) {
    wf_error(c->diag, node->loc, "'random' takes a site's number, then seed, step and index");
    return dummy(c, WF_F32);
  }
  for (int i = 0; i < 3; i++) {
    args[i] = build(c, node->args[i + 1], WF_I64);
    if (args[i]->dtype != WF_I64) return wf_error(c->diag, node->args[i + 1]->loc, "seed, step and index of 'random' are i64"), dummy(c, WF_F32);
  }
  return wf_expr_random(c->module, (uint64_t)wir_integer(c, node->args[0]->text, node->args[0]->loc), args[0], args[1], args[2]);
}

static void unknown_function(wir_context *c, const wir_node *node) {
  const char *names[WF_SCALAR_COUNT];
  for (int i = 0; i < WF_SCALAR_COUNT; i++) names[i] = wf_scalar_table[i].name;
  wf_diagnostic *error = wf_error(c->diag, node->loc, "unknown scalar function '%s'", node->text);
  const char *near = wf_did_you_mean(node->text, names, WF_SCALAR_COUNT);
  if (near) wf_help(c->diag, error, "did you mean '%s'?", near);
}

static const wf_expr *build_call(wir_context *c, wir_node *node, wf_dtype expected) {
  wf_dtype type;
  wf_scalar op;
  if (wf_dtype_parse(node->text, &type) || !strcmp(node->text, "cast")) {
    if (node->arg_count != 1) return wf_error(c->diag, node->loc, "a cast takes one operand"), dummy(c, node->type);
    return wf_expr_cast(c->module, node->type, build(c, node->args[0], WF_DTYPE_COUNT));
  }
  if (!strcmp(node->text, "random")) return build_random(c, node);
  if (wf_scalar_find(node->text, &op) && wf_scalar_table[op].arity > 0) return build_operation(c, node, op, expected);
  unknown_function(c, node);
  return dummy(c, expected);
}

static const wf_expr *build_read(wir_context *c, wir_node *node) {
  wf_value *value = node->typed ? wir_find_value(c, node->text, node->loc) : NULL;
  if (!value) return dummy(c, WF_F32);
  if (node->arg_count != value->rank) {
    wf_diagnostic *error = wf_error(c->diag, node->loc, "'%%%s' has rank %d, not %d", value->name, value->rank, node->arg_count);
    wf_note(c->diag, error, value->loc, "'%%%s' is defined here", value->name);
    return dummy(c, node->type);
  }
  const wf_expr *indices[WF_MAX_RANK], *outside = NULL;
  for (int i = 0; i < value->rank; i++) {
    indices[i] = build(c, node->args[i], WF_I64);
    if (indices[i]->dtype == WF_I64) continue;
    wf_error(c->diag, node->args[i]->loc, "an index is i64, not %s", wf_dtype_name(indices[i]->dtype));
    return dummy(c, node->type);
  }
  if (node->outside) outside = build(c, node->outside, node->type);
  if (outside && outside->dtype != node->type) {
    wf_error(c->diag, node->outside->loc, "the value outside is %s, the read %s", wf_dtype_name(outside->dtype), wf_dtype_name(node->type));
    return dummy(c, node->type);
  }
  return wf_expr_read(c->module, value, indices, outside);
}

static const wf_expr *build(wir_context *c, wir_node *node, wf_dtype expected) {
  switch (node->kind) {
  case WIR_NUMBER: return build_number(c, node, expected);
  case WIR_NAME: {
    const wf_expr *found = lookup(c, node->text);
    if (found) return found;
    unknown_name(c, node);
    return dummy(c, expected);
  }
  case WIR_READ: return build_read(c, node);
  case WIR_APPLY: return build_operation(c, node, node->op, expected);
  case WIR_CALL: return build_call(c, node, expected);
  }
  return dummy(c, expected);
}

const wf_expr *wir_resolve(wir_context *c, wir_node *node, wf_dtype expected) {
  if (node->depth >= DEEPEST) return dummy(c, expected);
  int errors = c->diag->errors;
  infer(c, node);
  const wf_expr *result = c->diag->errors == errors ? build(c, node, expected) : dummy(c, expected);
  if (expected == WF_DTYPE_COUNT || result->dtype == expected) return result;
  if (c->diag->errors == errors)
    wf_error(c->diag, node->loc, "this is of type %s, where %s is expected", wf_dtype_name(result->dtype), wf_dtype_name(expected));
  return dummy(c, expected);
}

static void declare_symbols(wir_context *c, const wir_node *node) {
  if (node->kind == WIR_NAME && !lookup(c, node->text)) wf_map_set(&c->symbols, node->text, (void *)wf_dim_symbol(c->module->dims, node->text));
  for (int i = 0; i < node->arg_count; i++) declare_symbols(c, node->args[i]);
}

const wf_dim *wir_resolve_extent(wir_context *c, wir_node *node) {
  if (node->depth < DEEPEST) declare_symbols(c, node);
  const wf_expr *value = wir_resolve(c, node, WF_I64);
  if (value->op == WF_S_INDEX) return value->dim;
  wf_error(c->diag, node->loc, "an extent is made of integers, symbols and + - * // %%");
  return wf_dim_const(c->module->dims, 1);
}
