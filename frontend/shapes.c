// Types and shapes: evaluating them, fitting a signature to what it is given, and the facts of `where`.
#include "frontend/lower_internal.h"

// ---- which names a dim expression still lacks ---------------------------------------------------------------------------
// A dim's name is a name of the frame or a constant of a file; anything else is a new symbol.
static bool is_known_dim(wf_lower *lower, const char *name) {
  if (lower->frame && wf_scope_find(lower->frame->scope, name)) return true;
  wf_ast_decl *decl = wf_find_decl(lower, name);
  return decl && decl->kind == WF_D_LET;
}

static int count_unknown(wf_lower *lower, const wf_ast_expr *expr, const char **out_name) {
  if (!expr) return 0;
  if (expr->kind == WF_E_NAME) {
    if (is_known_dim(lower, expr->text) || (*out_name && !strcmp(*out_name, expr->text))) return 0;
    *out_name = expr->text;
    return 1;
  }
  int count = count_unknown(lower, expr->a, out_name) + count_unknown(lower, expr->b, out_name) + count_unknown(lower, expr->c, out_name);
  for (int i = 0; i < expr->args.count; i++) count += count_unknown(lower, expr->args.items[i].value, out_name);
  for (int i = 0; i < expr->items.count; i++) count += count_unknown(lower, expr->items.items[i].value, out_name);
  return count;
}

static void add_fact(wf_lower *lower, const wf_dim *dim, bool zero, wf_loc loc);
static void tighten(wf_lower *lower, const wf_dim *dim, bool zero);

bool wf_names_known(wf_lower *lower, const wf_ast_expr *expr) {
  const char *name = NULL;
  return count_unknown(lower, expr, &name) == 0;
}

static void bind_symbols_of(wf_lower *lower, const wf_ast_expr *expr) {
  const char *name = NULL;
  while (count_unknown(lower, expr, &name)) {
    const wf_dim *bound = wf_map_get(&lower->symbols, name);
    const wf_dim *dim = bound ? bound : wf_dim_symbol(lower->module->dims, name);
    wf_scope_set(lower, lower->frame->scope, name, wf_dim_val(dim, expr->loc), expr->loc)->symbol = true;
    name = NULL;
  }
}

// ---- types ----------------------------------------------------------------------------------------------------------------
static void unknown_type(wf_lower *lower, const wf_ast_type *type) {
  static const char *const names[] = {
#define WF_TYPE(ENUM, name, bytes, class) #name,
#include "ir/types.def"
#undef WF_TYPE
  };
  wf_diagnostic *error = wf_lower_error(lower, type->loc, "`%s` is no element type", type->name);
  const char *hint = wf_did_you_mean(type->name, names, WF_DTYPE_COUNT);
  if (hint) wf_help(lower->diag, error, "did you mean `%s`?", hint);
  else if (type->name[0] >= 'A' && type->name[0] <= 'Z') wf_help(lower->diag, error, "a type variable is bound by a tensor argument");
  else wf_help(lower->diag, error, "a type variable begins with an upper-case letter: T");
}

static bool append_rest(wf_lower *lower, const wf_ast_item *item, const wf_dim **dims, int *count, bool quiet) {
  if (lower->frame && !lower->frame->has_rest && lower->guessed_rest.count) {
    lower->frame->has_rest = true;
    lower->frame->rest = lower->guessed_rest;
    lower->frame->rest_loc = item->loc;
  }
  if (!lower->frame || !lower->frame->has_rest) {
    if (!quiet) wf_lower_error(lower, item->loc, "`..` is not known here: no argument of the signature has it");
    return false;
  }
  for (int i = 0; i < lower->frame->rest.count && *count < WF_MAX_RANK; i++) dims[(*count)++] = lower->frame->rest.items[i];
  return true;
}

// An extent is at least 1: an error where it is known not to be, a fact to check when extents are bound where it is not known.
bool wf_assume_extent(wf_lower *lower, const wf_dim *extent, wf_loc loc) {
  int64_t known;
  const wf_dim *fact = wf_dim_offset(extent, -1);
  if (wf_dim_is_const(extent, &known)) {
    if (known >= 1) return true;
    wf_lower_error(lower, loc, "this extent is %lld; it must be at least 1", (long long)known);
    return false;
  }
  if (wf_prove(lower, fact, NULL) == WF_PROVED) return true;
  if (wf_dim_has_axis(extent)) return wf_lower_error(lower, loc, "an extent cannot depend on an axis"), false;
  if (wf_dim_range(fact).high < 0) return wf_lower_error(lower, loc, "the extent `%s` is never at least 1", wf_dim_text(lower, extent)), false;
  add_fact(lower, fact, false, loc);
  tighten(lower, fact, false);
  return true;
}

bool wf_type_shape(wf_lower *lower, const wf_ast_type *type, wf_dtype *out_type, wf_dim_list *out_shape, bool quiet) {
  if (!wf_find_type(lower, type->name, out_type)) {
    if (!quiet) unknown_type(lower, type);
    return false;
  }
  if (!type->has_shape) {
    if (!quiet) wf_lower_error(lower, type->loc, "a tensor's type has a shape: %s[n, d], or %s[] for a scalar", type->name, type->name);
    return false;
  }
  const wf_dim **dims = WF_NEW_ARRAY(lower->arena, const wf_dim *, WF_MAX_RANK + type->shape.count);
  int count = 0;
  for (int i = 0; i < type->shape.count; i++) {
    const wf_ast_item *item = &type->shape.items[i];
    const char *unknown = NULL;
    if (item->rest) {
      if (!append_rest(lower, item, dims, &count, quiet)) return false;
      continue;
    }
    if (lower->binding_symbols) bind_symbols_of(lower, item->value);
    if (quiet && count_unknown(lower, item->value, &unknown)) { dims[count++] = NULL; continue; }
    const wf_dim *dim = wf_eval_dim(lower, item->value);
    if (!dim) return false;
    if (!wf_assume_extent(lower, dim, item->loc)) return false;
    dims[count++] = dim;
  }
  if (count > WF_MAX_RANK) return wf_lower_error(lower, type->loc, "a tensor has at most %d axes, and this one %d", WF_MAX_RANK, count), false;
  *out_shape = (wf_dim_list){dims, count};
  return true;
}

bool wf_bind_type(wf_lower *lower, const wf_ast_type *type, const char *what, wf_dtype actual, wf_loc where) {
  wf_dtype known;
  if (!wf_find_type(lower, type->name, &known)) {
    static const char *const reserved[] = {"int", "float", "bool", "string", "op"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
      if (!strcmp(type->name, reserved[i])) {
        wf_diagnostic *error = wf_lower_error(lower, type->loc, "`%s` is a compile-time type, and a tensor argument stands here", type->name);
        wf_help(lower->diag, error, "compile-time parameters come after `;`");
        return false;
      }
    if (type->name[0] < 'A' || type->name[0] > 'Z') return unknown_type(lower, type), false;
    wf_scope_set(lower, lower->frame->scope, type->name, (wf_val){.kind = WF_VAL_TYPE, .dtype = actual, .loc = where}, where);
    return true;
  }
  if (known == actual) return true;
  wf_entry *entry = wf_scope_find(lower->frame->scope, type->name);
  wf_diagnostic *error = wf_lower_error(lower, where.source ? where : type->loc, "%s must be %s, and this is %s", what, wf_dtype_name(known), wf_dtype_name(actual));
  wf_lower_where(lower, error, type->loc, "it is declared `%s` here", type->name);
  if (entry) wf_lower_where(lower, error, entry->loc, "`%s` is %s because of this", type->name, wf_dtype_name(known));
  wf_help(lower->diag, error, "cast: %s(...) in an index definition, cast(x, %s) of a whole tensor", wf_dtype_name(known), wf_dtype_name(known));
  return false;
}

// ---- unification ------------------------------------------------------------------------------------------------------------
// The declared shape with what is known put in: the shape that would fit.
static const char *fitting_shape(wf_lower *lower, const wf_ast_type *type) {
  wf_text text;
  wf_text_init(&text);
  wf_text_add(&text, "[");
  for (int i = 0; i < type->shape.count; i++) {
    const wf_ast_item *item = &type->shape.items[i];
    const char *unknown = NULL;
    if (i) wf_text_add(&text, ", ");
    if (item->rest && lower->frame->has_rest) {
      for (int k = 0; k < lower->frame->rest.count; k++) wf_text_printf(&text, "%s%s", k ? ", " : "", wf_dim_text(lower, lower->frame->rest.items[k]));
    } else if (item->rest) {
      wf_text_add(&text, "..");
    } else if (count_unknown(lower, item->value, &unknown)) {
      wf_ast_print_expr(&text, item->value);
    } else {
      wf_val value = wf_eval_constant(lower, item->value, "an extent");
      wf_text_add(&text, wf_is_dimlike(&value) ? wf_dim_text(lower, wf_val_dim(lower, &value)) : "?");
    }
  }
  wf_text_add(&text, "]");
  const char *copy = wf_arena_strdup(lower->arena, text.data);
  wf_text_deinit(&text);
  return copy;
}

static bool extent_mismatch(wf_lower *lower, const wf_ast_type *type, const char *what, int axis, const wf_dim *wanted, const wf_dim *given,
                            const wf_ast_item *item, wf_loc where) {
  wf_diagnostic *error = wf_lower_error(lower, where.source ? where : item->loc, "axis %d of %s has extent %s and must have %s", axis, what,
                                        wf_dim_text(lower, given), wf_dim_text(lower, wanted));
  wf_lower_where(lower, error, item->loc, "it is declared here");
  wf_entry *entry = item->value && item->value->kind == WF_E_NAME ? wf_scope_find(lower->frame->scope, item->value->text) : NULL;
  if (entry) wf_lower_where(lower, error, entry->loc, "`%s` is %s because of this", item->value->text, wf_dim_text(lower, wanted));
  int64_t constant;
  if (!wf_dim_is_const(wf_dim_sub(given, wanted), &constant))
    wf_help(lower->diag, error, "if they are always equal, say so: where %s == %s", wf_dim_text(lower, given), wf_dim_text(lower, wanted));
  else
    wf_help(lower->diag, error, "the shape %s would fit", fitting_shape(lower, type));
  return false;
}

// 2*h against 28: h = 14.
static bool solve(wf_lower *lower, const wf_ast_type *type, const char *what, int axis, const wf_ast_item *item, const char *name, const wf_dim *given, wf_loc where) {
  const wf_dim *symbol = wf_dim_symbol(lower->module->dims, wf_arena_printf(lower->arena, "%s?", name)), *coefficient, *rest, *value = NULL;
  wf_entry *entry = wf_scope_set(lower, lower->frame->scope, name, wf_dim_val(symbol, where), where);
  entry->symbol = true;
  const wf_dim *dim = wf_eval_dim(lower, item->value);
  if (!dim) return false;
  if (wf_dim_split(dim, wf_dim_as_atom(symbol), &coefficient, &rest)) value = wf_dim_exact_div(wf_dim_sub(given, rest), coefficient);
  if (value && wf_prove(lower, wf_dim_offset(value, -1), NULL) != WF_REFUTED) {
    entry->value = wf_dim_val(value, where);
    return true;
  }
  wf_text text;
  wf_text_init(&text);
  wf_ast_print_expr(&text, item->value);
  wf_diagnostic *error = wf_lower_error(lower, where.source ? where : item->loc, "axis %d of %s has extent %s, which is not %s for any %s", axis, what, wf_dim_text(lower, given), text.data, name);
  wf_text_deinit(&text);
  wf_lower_where(lower, error, item->loc, "it is declared here");
  entry->value = wf_none();
  return false;
}

static bool unify_item(wf_lower *lower, const wf_ast_type *type, const char *what, int axis, const wf_ast_item *item, const wf_dim *given, wf_loc where, bool compound) {
  bool bare = item->value->kind == WF_E_NAME;
  const char *unknown = NULL;
  int count = count_unknown(lower, item->value, &unknown);
  if (bare && count) {
    wf_scope_set(lower, lower->frame->scope, item->value->text, wf_dim_val(given, where), where)->symbol = true;
    return true;
  }
  if (!bare && !compound) return true;
  if (bare && compound) return true;
  if (count == 1) return solve(lower, type, what, axis, item, unknown, given, where);
  if (count > 1) return wf_lower_error(lower, item->loc, "this extent has several unknown names; at most one can be found from a shape"), false;
  const wf_dim *wanted = wf_eval_dim(lower, item->value);
  if (!wanted) return false;
  return wf_prove_equal(lower, wanted, given) == WF_PROVED || extent_mismatch(lower, type, what, axis, wanted, given, item, where);
}

static bool unify_rest(wf_lower *lower, const wf_ast_type *type, const char *what, const wf_ast_item *item, const wf_dim *const *shape, int axis, int count, wf_loc where) {
  wf_frame *frame = lower->frame;
  if (!frame->has_rest) {
    frame->has_rest = true;
    frame->rest_loc = where;
    frame->rest.items = WF_NEW_ARRAY(lower->arena, const wf_dim *, count);
    for (int i = 0; i < count; i++) frame->rest.items[i] = shape[axis + i];
    frame->rest.count = count;
    return true;
  }
  bool same = frame->rest.count == count;
  for (int i = 0; same && i < count; i++) same = wf_prove_equal(lower, frame->rest.items[i], shape[axis + i]) == WF_PROVED;
  if (same) return true;
  wf_diagnostic *error = wf_lower_error(lower, where.source ? where : item->loc, "`..` of %s is %s and must be %s", what, wf_shape_text(lower, shape + axis, count),
                                        wf_shape_text(lower, frame->rest.items, frame->rest.count));
  wf_lower_where(lower, error, frame->rest_loc, "`..` is %s because of this", wf_shape_text(lower, frame->rest.items, frame->rest.count));
  wf_lower_where(lower, error, item->loc, "it is declared here");
  wf_help(lower->diag, error, "the shape %s would fit", fitting_shape(lower, type));
  return false;
}

bool wf_unify_shape(wf_lower *lower, const wf_ast_type *type, const char *what, const wf_dim *const *shape, int rank, wf_loc where, bool compound) {
  int rest = -1, fixed = type->shape.count;
  for (int i = 0; i < type->shape.count; i++) {
    if (!type->shape.items[i].rest) continue;
    if (rest >= 0) return wf_lower_error(lower, type->shape.items[i].loc, "`..` may stand once in a shape"), false;
    rest = i;
    fixed--;
  }
  if (rest < 0 ? fixed != rank : fixed > rank) {
    wf_diagnostic *error = wf_lower_error(lower, where.source ? where : type->loc, "%s must have %s%d ax%s, and this has the shape %s", what, rest < 0 ? "" : "at least ", fixed,
                                          fixed == 1 ? "is" : "es", wf_shape_text(lower, shape, rank));
    wf_lower_where(lower, error, type->loc, "it is declared here");
    wf_help(lower->diag, error, "the shape %s would fit", fitting_shape(lower, type));
    return false;
  }
  int axis = 0;
  bool fits = true;
  for (int i = 0; i < type->shape.count && fits; i++) {
    const wf_ast_item *item = &type->shape.items[i];
    int width = item->rest ? rank - fixed : 1;
    if (!item->rest) fits = unify_item(lower, type, what, axis, item, shape[axis], where, compound);
    else if (!compound) fits = unify_rest(lower, type, what, item, shape, axis, width, where);
    axis += width;
  }
  return fits;
}

// A name that only the result's type holds takes the extent that the body gives; where it looks like one that is known, that is
// said once.
void wf_warn_new_extents(wf_lower *lower, const wf_ast_decl *decl, const wf_ast_type *type) {
  const char *names[128];
  int count = 0;
  const wf_map *entries = &lower->frame->scope->entries;
  for (int i = 0; i < entries->count && count < 128; i++) names[count++] = entries->keys[i];
  for (int i = 0; i < type->shape.count; i++) {
    const wf_ast_item *item = &type->shape.items[i];
    const char *name = NULL;
    if (item->rest || !count_unknown(lower, item->value, &name) || strlen(name) < 3) continue;
    const char *meant = wf_did_you_mean(name, names, count);
    bool said = false;
    for (int k = 0; k < lower->diag->list.count && !said; k++) {
      const wf_loc *loc = &lower->diag->list.items[k]->loc;
      said = loc->source == item->loc.source && loc->line == item->loc.line && loc->column == item->loc.column;
    }
    if (!meant || said) continue;
    wf_diagnostic *warning = wf_warning(lower->diag, item->loc, "nothing but the result of `%s` has the extent `%s`: the body says what it is", decl->name, name);
    wf_help(lower->diag, warning, "did you mean `%s`?", meant);
  }
}

// ---- facts ------------------------------------------------------------------------------------------------------------------
static void add_fact(wf_lower *lower, const wf_dim *dim, bool zero, wf_loc loc) {
  for (int i = 0; i < lower->module->facts.count; i++)
    if (lower->module->facts.items[i].dim == dim && lower->module->facts.items[i].zero == zero) return;
  wf_vec_push(lower->module->arena, &lower->module->facts, ((wf_fact){dim, zero, loc}));
}

static int64_t gcd(int64_t a, int64_t b) { return b ? gcd(b, a % b) : a; }

// What a fact says of one symbol goes into the symbol, where the algebra sees it.
static void tighten(wf_lower *lower, const wf_dim *dim, bool zero) {
  const wf_atom **atoms = NULL;
  int count = 0;
  int64_t slope, offset;
  const wf_dim *coefficient, *rest;
  wf_dim_collect(dim, lower->arena, &atoms, &count);
  if (count != 1 || atoms[0]->kind != WF_ATOM_SYMBOL || !wf_dim_split(dim, atoms[0], &coefficient, &rest)) return;
  if (!wf_dim_is_const(coefficient, &slope) || !wf_dim_is_const(rest, &offset) || slope == 0) return;
  wf_atom *symbol = wf_symbol_atom(lower->module->dims, atoms[0]->name);
  // slope*s + offset >= 0
  int64_t low = (-offset + slope - 1) / slope, high = slope < 0 ? offset / -slope : INT64_MAX;
  if (slope > 0 && low > symbol->low) symbol->low = low;
  if (slope < 0 && offset >= 0 && high < symbol->high) symbol->high = high;
  if (zero && slope < 0 && offset >= 0) symbol->low = high;
  wf_dims_forget_bounds(lower->module->dims);   // the fact itself was asked about before
}

static bool divides_symbol(wf_lower *lower, const wf_ast_expr *expr) {
  if (expr->op != WF_OP_EQ || expr->a->kind != WF_E_BINARY || expr->a->op != WF_OP_MOD || expr->b->kind != WF_E_INT || expr->b->integer != 0) return false;
  wf_val left = wf_eval_constant(lower, expr->a->a, "this"), right = wf_eval_constant(lower, expr->a->b, "this");
  const wf_atom *atom = left.kind == WF_VAL_DIM ? wf_dim_as_atom(left.dim) : NULL;
  if (!atom || atom->kind != WF_ATOM_SYMBOL || right.kind != WF_VAL_INT || right.integer < 1) return false;
  wf_atom *symbol = wf_symbol_atom(lower->module->dims, atom->name);
  symbol->divisor = symbol->divisor / gcd(symbol->divisor, right.integer) * right.integer;
  return true;
}

static const wf_dim *fact_of(wf_ast_operator op, const wf_dim *a, const wf_dim *b) {
  if (op == WF_OP_LT) return wf_dim_offset(wf_dim_sub(b, a), -1);
  if (op == WF_OP_LE) return wf_dim_sub(b, a);
  if (op == WF_OP_GT) return wf_dim_offset(wf_dim_sub(a, b), -1);
  return wf_dim_sub(a, b);      // >= and ==
}

static void broken_where(wf_lower *lower, const wf_ast_decl *decl, const wf_ast_expr *expr, const wf_val *a, const wf_val *b) {
  lower->unmet = true;
  wf_text text;
  wf_text_init(&text);
  wf_ast_print_expr(&text, expr);
  wf_loc loc = lower->frame->call_loc.source ? lower->frame->call_loc : expr->loc;
  wf_diagnostic *error = wf_error(lower->diag, loc, "`%s` needs %s", decl->name, text.data);
  wf_text_deinit(&text);
  wf_lower_where(lower, error, expr->loc, a && wf_is_dimlike(a) ? "here the left side is %s and the right side %s" : "it says so here",
                 a ? wf_dim_text(lower, wf_val_dim(lower, a)) : "", b && wf_is_dimlike(b) ? wf_dim_text(lower, wf_val_dim(lower, b)) : "");
}

static void check_fact(wf_lower *lower, const wf_ast_decl *decl, const wf_ast_expr *expr) {
  if (expr->kind == WF_E_BINARY && expr->op == WF_OP_AND) {
    check_fact(lower, decl, expr->a);
    check_fact(lower, decl, expr->b);
    return;
  }
  bool comparison = expr->kind == WF_E_BINARY && expr->op >= WF_OP_LT && expr->op <= WF_OP_NE;
  wf_val a = comparison ? wf_eval_constant(lower, expr->a, "a side of `where`") : wf_none();
  wf_val b = comparison ? wf_eval_constant(lower, expr->b, "a side of `where`") : wf_none();
  bool dims = comparison && wf_is_dimlike(&a) && wf_is_dimlike(&b);
  if (!dims || expr->op == WF_OP_NE || (a.kind == WF_VAL_INT && b.kind == WF_VAL_INT)) {
    bool holds;
    if (wf_eval_bool(lower, expr, &holds, "a `where` clause") && !holds) broken_where(lower, decl, expr, &a, &b);
    return;
  }
  const wf_dim *x = wf_val_dim(lower, &a), *y = wf_val_dim(lower, &b), *fact = fact_of(expr->op, x, y);
  bool zero = expr->op == WF_OP_EQ;
  if (zero ? wf_prove_equal(lower, x, y) == WF_PROVED : wf_prove(lower, fact, NULL) == WF_PROVED) return;
  // Facts hold for every binding of the symbols or are checked when they are bound.
  int64_t constant;
  if (wf_dim_is_const(fact, &constant)) { broken_where(lower, decl, expr, &a, &b); return; }
  add_fact(lower, fact, zero, expr->loc);
  if (!divides_symbol(lower, expr)) tighten(lower, fact, zero);
}

void wf_check_where(wf_lower *lower, const wf_ast_decl *decl) {
  for (int i = 0; i < decl->where.count; i++) check_fact(lower, decl, decl->where.items[i]);
}
