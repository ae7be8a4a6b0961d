// Values while lowering, and elementwise arithmetic over them.
//
// Numbers, dims and axes have no element type of their own: an operation on them alone stays symbolic ("soft": operation
// and operands are kept) until it meets a value that has a type, so that 1/n in an f64 net is an f64 division.
#include "frontend/lower_internal.h"
#include <math.h>

wf_val wf_none(void) { return (wf_val){.kind = WF_VAL_NONE}; }
wf_val wf_int_val(int64_t value, wf_loc loc) { return (wf_val){.kind = WF_VAL_INT, .integer = value, .loc = loc}; }
wf_val wf_float_val(double value, wf_loc loc) { return (wf_val){.kind = WF_VAL_FLOAT, .number = value, .loc = loc}; }
wf_val wf_bool_val(bool value, wf_loc loc) { return (wf_val){.kind = WF_VAL_BOOL, .integer = value, .loc = loc}; }
wf_val wf_string_val(const char *text, wf_loc loc) { return (wf_val){.kind = WF_VAL_STRING, .text = text, .loc = loc}; }

wf_val wf_dim_val(const wf_dim *dim, wf_loc loc) {
  int64_t value;
  if (wf_dim_is_const(dim, &value)) return wf_int_val(value, loc);
  return (wf_val){.kind = WF_VAL_DIM, .dim = dim, .loc = loc};
}

wf_val wf_list_val(wf_lower *lower, const wf_val *items, int count, wf_loc loc) {
  wf_val list = {.kind = WF_VAL_LIST, .count = count, .loc = loc};
  list.items = WF_NEW_ARRAY(lower->arena, wf_val, count);
  if (count) memcpy(list.items, items, sizeof *items * (size_t)count);
  return list;
}

wf_val wf_tensor_val(wf_lower *lower, wf_value *tensor, wf_loc loc) {
  return (wf_val){.kind = WF_VAL_TENSOR, .tensor = tensor, .dtype = tensor->dtype, .rank = tensor->rank, .level = lower->level->depth, .loc = loc};
}

wf_val wf_val_tensor(wf_value *tensor) {
  return (wf_val){.kind = WF_VAL_TENSOR, .tensor = tensor, .dtype = tensor->dtype, .rank = tensor->rank, .loc = tensor->loc};
}

wf_val wf_scalar_val(const wf_expr *expr, wf_dtype type, wf_loc loc) {
  return (wf_val){.kind = WF_VAL_SCALAR, .expr = expr, .dtype = type, .loc = loc};
}

bool wf_is_number(const wf_val *value) { return value->kind == WF_VAL_INT || value->kind == WF_VAL_FLOAT; }
bool wf_is_dimlike(const wf_val *value) { return value->kind == WF_VAL_INT || value->kind == WF_VAL_DIM; }
bool wf_is_runtime(const wf_val *value) {
  return value->kind == WF_VAL_TENSOR || value->kind == WF_VAL_LAZY || value->kind == WF_VAL_SCALAR;
}

const wf_dim *wf_val_dim(wf_lower *lower, const wf_val *value) {
  return value->kind == WF_VAL_DIM ? value->dim : wf_const_dim(lower, value->integer);
}

wf_dtype wf_hint(const wf_lower *lower) { return lower->definition ? lower->definition->hint : lower->single; }

static bool is_soft(const wf_val *value) {
  return wf_is_number(value) || value->kind == WF_VAL_DIM || (value->kind == WF_VAL_SCALAR && value->soft);
}

static bool is_soft_float(const wf_val *value) {
  return value->kind == WF_VAL_FLOAT || (value->kind == WF_VAL_SCALAR && value->soft && value->number != 0);
}

wf_dtype wf_natural_type(wf_lower *lower, const wf_val *value) {
  if (value->kind == WF_VAL_BOOL) return WF_BOOL;
  if (!is_soft(value)) return value->dtype;
  wf_dtype hint = wf_hint(lower);
  if (!is_soft_float(value)) return WF_I64;
  return wf_dtype_is_float(hint) ? hint : lower->single;
}

// ---- whole tensors as expressions over axes of their own ----------------------------------------------------------------
wf_val wf_lazy_of(wf_lower *lower, const wf_val *value) {
  wf_value *tensor = wf_import_value(lower, value);
  wf_val lazy = {.kind = WF_VAL_LAZY, .dtype = tensor->dtype, .rank = tensor->rank, .loc = value->loc};
  static const char *const letters[WF_MAX_RANK] = {"i", "j", "k", "l", "p", "q", "r", "s"};
  const wf_dim *indices[WF_MAX_RANK];
  lazy.axes = WF_NEW_ARRAY(lower->arena, const wf_atom *, tensor->rank);
  for (int i = 0; i < tensor->rank; i++) {
    indices[i] = wf_dim_axis(lower->module->dims, letters[i], tensor->shape[i]);
    lazy.axes[i] = wf_dim_as_atom(indices[i]);
  }
  lazy.expr = wf_expr_read_dims(lower->module, tensor, indices, NULL);
  return lazy;
}

// A typed constant or index expression in the form of the place: SCALAR in a definition, LAZY of rank 0 elsewhere.
static wf_val typed(wf_lower *lower, const wf_expr *expr, wf_dtype type, wf_loc loc) {
  wf_val value = wf_scalar_val(expr, type, loc);
  if (!lower->definition) value.kind = WF_VAL_LAZY;
  return value;
}

// A tensor as an operand: read where it has rank 0, an error inside a definition where not.
static wf_val operand_of(wf_lower *lower, const wf_val *value, wf_loc loc) {
  if (value->kind == WF_VAL_LAZY && lower->definition && value->rank == 0) return wf_scalar_val(value->expr, value->dtype, value->loc);
  if (value->kind != WF_VAL_TENSOR) return *value;
  if (!lower->definition) return wf_lazy_of(lower, value);
  if (value->tensor->rank == 0)
    return wf_scalar_val(wf_expr_read_dims(lower->module, wf_import_value(lower, value), NULL, NULL), value->tensor->dtype, value->loc);
  wf_diagnostic *error = wf_lower_error(lower, loc, "`%s` is a tensor %s, not a scalar", value->tensor->name, wf_val_text(lower, value));
  wf_help(lower->diag, error, "inside an index definition read an element of it: name[axes]");
  return wf_none();
}

// ---- conversion of operands -----------------------------------------------------------------------------------------------
static wf_val coerce_soft(wf_lower *lower, const wf_val *value, wf_dtype type, wf_loc loc);

static wf_val constant_of(wf_lower *lower, const wf_val *value, wf_dtype type, wf_loc loc) {
  wf_dtype compute = wf_dtype_compute(type);
  if (wf_dtype_is_float(type)) {
    double number = value->kind == WF_VAL_INT ? (double)value->integer : value->number;
    return typed(lower, wf_expr_const(lower->module, compute, number), type, value->loc);
  }
  if (value->kind == WF_VAL_FLOAT && value->number != floor(value->number)) {
    wf_diagnostic *error = wf_lower_error(lower, value->loc.source ? value->loc : loc, "%g is not an integer, and the other operand is %s", value->number, wf_dtype_name(type));
    wf_help(lower->diag, error, "cast the other operand: f32(...)");
    return wf_none();
  }
  int64_t integer = value->kind == WF_VAL_INT ? value->integer : isinf(value->number) ? (value->number > 0 ? INT64_MAX : INT64_MIN) : (int64_t)value->number;
  return typed(lower, wf_expr_const_int(lower->module, compute, integer), type, value->loc);
}

static wf_val mismatch(wf_lower *lower, const wf_val *value, wf_dtype type, wf_loc loc) {
  wf_diagnostic *error = wf_lower_error(lower, loc, "%s meets %s in one operation", wf_dtype_name(wf_natural_type(lower, value)), wf_dtype_name(type));
  wf_lower_where(lower, error, value->loc, "this is %s", wf_dtype_name(wf_natural_type(lower, value)));
  wf_help(lower->diag, error, "cast one of them: %s(...)", wf_dtype_name(type));
  return wf_none();
}

wf_val wf_coerce(wf_lower *lower, const wf_val *value, wf_dtype type, wf_loc loc) {
  if (value->kind == WF_VAL_NONE) return *value;
  if (value->kind == WF_VAL_BOOL)
    return type == WF_BOOL ? typed(lower, wf_expr_const_int(lower->module, WF_BOOL, value->integer), WF_BOOL, value->loc) : mismatch(lower, value, type, loc);
  if (type == WF_BOOL && is_soft(value)) return mismatch(lower, value, type, loc);
  if (wf_is_number(value)) return constant_of(lower, value, type, loc);
  if (value->kind == WF_VAL_DIM) {
    const wf_expr *expr = wf_expr_index(lower->module, value->dim);
    if (type != WF_I64) expr = wf_expr_cast(lower->module, wf_dtype_compute(type), expr);
    return typed(lower, expr, type, value->loc);
  }
  if (is_soft(value)) return coerce_soft(lower, value, type, loc);
  if (!wf_is_runtime(value)) {
    wf_lower_error(lower, loc, "%s cannot be computed with", wf_val_text(lower, value));
    return wf_none();
  }
  if (value->dtype != type) return mismatch(lower, value, type, loc);
  return operand_of(lower, value, loc);
}

static wf_val coerce_soft(wf_lower *lower, const wf_val *value, wf_dtype type, wf_loc loc) {
  if (!wf_dtype_is_float(type) && is_soft_float(value)) {
    wf_diagnostic *error = wf_lower_error(lower, loc, "a float is computed here, and the other operand is %s", wf_dtype_name(type));
    wf_help(lower->diag, error, "cast: i64(...) of this, or f32(...) of the other");
    return wf_none();
  }
  wf_val operands[3];
  for (int i = 0; i < value->count; i++)
    operands[i] = (wf_scalar)value->integer == WF_S_SELECT && i == 0 ? value->items[0] : wf_coerce(lower, &value->items[i], type, loc);
  return wf_elementwise(lower, (wf_scalar)value->integer, operands, value->count, value->loc);
}

static wf_val soften(wf_lower *lower, wf_scalar op, const wf_val *operands, int count, wf_loc loc) {
  wf_val soft = wf_list_val(lower, operands, count, loc);
  soft.kind = WF_VAL_SCALAR;
  soft.soft = true;
  soft.integer = op;
  soft.number = op == WF_S_DIV || wf_scalar_has_trait(op, 'F');
  for (int i = op == WF_S_SELECT; i < count; i++)
    if (is_soft_float(&operands[i])) soft.number = 1;
  return soft;
}

// ---- elementwise -----------------------------------------------------------------------------------------------------------
static bool same_shape(wf_lower *lower, const wf_val *a, const wf_val *b, wf_loc loc) {
  bool same = a->rank == b->rank;
  for (int i = 0; same && i < a->rank; i++) same = wf_prove_equal(lower, a->axes[i]->extent, b->axes[i]->extent) == WF_PROVED;
  if (same) return true;
  const wf_dim *left[WF_MAX_RANK], *right[WF_MAX_RANK];
  for (int i = 0; i < a->rank; i++) left[i] = a->axes[i]->extent;
  for (int i = 0; i < b->rank; i++) right[i] = b->axes[i]->extent;
  const char *left_text = wf_shape_text(lower, left, a->rank), *right_text = wf_shape_text(lower, right, b->rank);
  wf_diagnostic *error = wf_lower_error(lower, loc, "the shapes %s and %s disagree", left_text, right_text);
  wf_lower_where(lower, error, a->loc, "this is %s", left_text);
  wf_lower_where(lower, error, b->loc, "this is %s", right_text);
  if (a->rank != b->rank) wf_help(lower->diag, error, "elementwise operators take equal shapes or a scalar; spread one by an index definition: out[i, j] = a[i, j] + b[j]");
  return false;
}

// Brings LAZY operands onto the axes of the first that has any.
static bool align(wf_lower *lower, wf_val *operands, int count, wf_loc loc, const wf_val **out_leader) {
  const wf_val *leader = NULL;
  for (int i = 0; i < count; i++) {
    if (operands[i].kind != WF_VAL_LAZY || operands[i].rank == 0) continue;
    if (!leader) { leader = &operands[i]; continue; }
    if (!same_shape(lower, leader, &operands[i], loc)) return false;
    wf_binding bindings[WF_MAX_RANK];
    for (int k = 0; k < leader->rank; k++) bindings[k] = (wf_binding){operands[i].axes[k], leader->axes[k]->as_dim};
    operands[i].expr = wf_expr_rewrite(lower->module, operands[i].expr, bindings, leader->rank, NULL, NULL);
  }
  *out_leader = leader;
  return true;
}

static wf_scalar scalar_of(wf_ast_operator op);

// The operation as the language writes it.
static const char *spell(wf_scalar op) {
  for (wf_ast_operator at = WF_OP_ADD; at <= WF_OP_NOT; at++)
    if (scalar_of(at) == op) return wf_ast_operator_text[at];
  return wf_scalar_table[op].name;
}

static bool check_operand_type(wf_lower *lower, wf_scalar op, wf_dtype type, wf_loc loc) {
  if (wf_scalar_has_trait(op, 'F') && !wf_dtype_is_float(type)) {
    wf_diagnostic *error = wf_lower_error(lower, loc, "`%s` needs floats, and this is %s", spell(op), wf_dtype_name(type));
    wf_help(lower->diag, error, op == WF_S_DIV ? "cast: f32(...); `//` divides integers" : "cast: f32(...)");
    return false;
  }
  if (wf_scalar_has_trait(op, 'I') && type != WF_BOOL) {
    wf_diagnostic *error = wf_lower_error(lower, loc, "`%s` needs bools, and this is %s", spell(op), wf_dtype_name(type));
    wf_help(lower->diag, error, "compare: x != 0");
    return false;
  }
  bool takes_bool = wf_scalar_has_trait(op, 'I') || op == WF_S_SELECT || op == WF_S_EQ || op == WF_S_NE || op == WF_S_STOP;
  if (type != WF_BOOL || takes_bool) return true;
  wf_diagnostic *error = wf_lower_error(lower, loc, "`%s` cannot take a bool", spell(op));
  wf_help(lower->diag, error, "cast: f32(...) gives 0 or 1");
  return false;
}

static wf_val build(wf_lower *lower, wf_scalar op, wf_val *operands, int count, wf_dtype type, wf_loc loc) {
  const wf_val *leader;
  for (int i = 0; i < count; i++) {
    operands[i] = operand_of(lower, &operands[i], loc);
    if (operands[i].kind == WF_VAL_NONE) return wf_none();
  }
  if (!align(lower, operands, count, loc, &leader)) return wf_none();
  const wf_expr *args[3];
  for (int i = 0; i < count; i++) args[i] = operands[i].expr;
  wf_val result = typed(lower, wf_expr_make(lower->module, op, args, count), wf_scalar_has_trait(op, 'P') ? WF_BOOL : type, loc);
  if (leader) result.axes = leader->axes, result.rank = leader->rank;
  return result;
}

// Predicates on numbers alone: integers where all are, else floats of the hint.
static wf_dtype soft_type(wf_lower *lower, const wf_val *operands, int count) {
  for (int i = 0; i < count; i++)
    if (is_soft_float(&operands[i])) return wf_dtype_is_float(wf_hint(lower)) ? wf_hint(lower) : lower->single;
  return WF_I64;
}

static bool same_types(wf_lower *lower, const wf_val *operands, int count, int strong, wf_dtype type, wf_loc loc) {
  for (int i = 0; i < count; i++) {
    if (is_soft(&operands[i]) || !(wf_is_runtime(&operands[i]) || operands[i].kind == WF_VAL_BOOL) || wf_natural_type(lower, &operands[i]) == type) continue;
    wf_dtype other = wf_natural_type(lower, &operands[i]);
    wf_diagnostic *error = wf_lower_error(lower, loc, "%s meets %s in one operation", wf_dtype_name(type), wf_dtype_name(other));
    wf_lower_where(lower, error, operands[strong].loc, "this is %s", wf_dtype_name(type));
    wf_lower_where(lower, error, operands[i].loc, "this is %s", wf_dtype_name(other));
    wf_dtype to = wf_dtype_is_float(other) && !wf_dtype_is_float(type) ? other : type;
    wf_help(lower->diag, error, "cast one of them: %s(...)", wf_dtype_name(to));
    return false;
  }
  return true;
}

wf_val wf_elementwise(wf_lower *lower, wf_scalar op, const wf_val *given, int count, wf_loc loc) {
  wf_val operands[3];
  int first = op == WF_S_SELECT, strong = -1;
  for (int i = 0; i < count; i++) {
    operands[i] = wf_resolve(lower, &given[i], loc);
    if (operands[i].kind == WF_VAL_NONE) return wf_none();
    if (i >= first && strong < 0 && !is_soft(&operands[i])) strong = i;
  }
  if (strong < 0 && !wf_scalar_has_trait(op, 'P') && !wf_scalar_has_trait(op, 'I')) return soften(lower, op, operands, count, loc);
  if (strong < 0 && wf_scalar_has_trait(op, 'I')) return check_operand_type(lower, op, WF_I64, loc), wf_none();
  wf_dtype type = strong < 0 ? soft_type(lower, operands, count) : wf_natural_type(lower, &operands[strong]);
  if (!wf_is_runtime(&operands[strong < 0 ? 0 : strong]) && strong >= 0 && operands[strong].kind != WF_VAL_BOOL) {
    wf_lower_error(lower, loc, "%s cannot be computed with", wf_val_text(lower, &operands[strong]));
    return wf_none();
  }
  if (!check_operand_type(lower, op, type, loc) || !same_types(lower, operands + first, count - first, strong - first, type, loc)) return wf_none();
  for (int i = 0; i < count; i++) {
    operands[i] = wf_coerce(lower, &operands[i], i < first ? WF_BOOL : type, loc);
    if (operands[i].kind == WF_VAL_NONE) return wf_none();
  }
  return build(lower, op, operands, count, type, loc);
}

wf_val wf_cast_val(wf_lower *lower, wf_dtype type, const wf_val *given, wf_loc loc) {
  wf_val value = wf_resolve(lower, given, loc);
  if (value.kind == WF_VAL_NONE) return value;
  if (value.kind == WF_VAL_FLOAT && !wf_dtype_is_float(type)) value = wf_int_val((int64_t)value.number, value.loc);
  bool soft = is_soft(&value);
  if (soft && type == WF_BOOL) return wf_elementwise(lower, WF_S_NE, (wf_val[]){value, wf_int_val(0, loc)}, 2, loc);
  if (soft && is_soft_float(&value) && !wf_dtype_is_float(type)) value = wf_coerce(lower, &value, WF_F64, loc), soft = false;
  wf_val operand = wf_coerce(lower, &value, soft ? type : wf_natural_type(lower, &value), loc);
  if (operand.kind == WF_VAL_NONE || soft) return operand;
  if (!operand.expr) return operand;
  // A narrow type is rounded to and then computed with in its compute type.
  wf_dtype compute = wf_dtype_compute(type);
  if (operand.dtype != type) {
    if (compute != type) operand.expr = wf_expr_cast(lower->module, type, operand.expr);
    operand.expr = wf_expr_cast(lower->module, compute, operand.expr);
  }
  operand.dtype = type;
  operand.loc = loc;
  return operand;
}

// ---- the operators of the language -----------------------------------------------------------------------------------------
static int64_t floor_div(int64_t a, int64_t b) { return a / b - ((a % b != 0) && ((a < 0) != (b < 0))); }

static bool overflows(wf_ast_operator op, int64_t a, int64_t b, int64_t *out) {
  return op == WF_OP_ADD ? __builtin_add_overflow(a, b, out) : op == WF_OP_SUB ? __builtin_sub_overflow(a, b, out) : __builtin_mul_overflow(a, b, out);
}

static wf_val int_power(wf_lower *lower, int64_t a, int64_t b, wf_loc loc) {
  int64_t result = 1;
  for (int64_t i = 0; i < b && i < 64 && a != 0 && a != 1 && a != -1; i++)
    if (__builtin_mul_overflow(result, a, &result) || i == 63) return wf_float_val(pow((double)a, (double)b), loc);
  if (b > 0 && a == 0) result = 0;
  if (a == -1 && b % 2) result = -1;
  return wf_int_val(result, loc);
}

// Of two numbers of which none, where one is NaN, or one of the three holds.
static wf_val fold_comparison(wf_lower *lower, wf_ast_operator op, bool less, bool equal, bool greater, wf_loc loc) {
  if (op < WF_OP_LT || op > WF_OP_NE) return wf_lower_error(lower, loc, "`%s` needs bools", wf_ast_operator_text[op]), wf_none();
  bool holds = op == WF_OP_LT ? less : op == WF_OP_LE ? less || equal : op == WF_OP_GT ? greater : op == WF_OP_GE ? greater || equal
             : op == WF_OP_EQ ? equal : !equal;
  return wf_bool_val(holds, loc);
}

static wf_val fold_ints(wf_lower *lower, wf_ast_operator op, int64_t a, int64_t b, wf_loc loc) {
  int64_t result;
  switch (op) {
    case WF_OP_ADD: case WF_OP_SUB: case WF_OP_MUL:
      if (overflows(op, a, b, &result)) return wf_lower_error(lower, loc, "%lld %s %lld does not fit in 64 bits", (long long)a, wf_ast_operator_text[op], (long long)b), wf_none();
      return wf_int_val(result, loc);
    case WF_OP_FLOORDIV: case WF_OP_MOD:
      if (b == 0) return wf_lower_error(lower, loc, "division by zero"), wf_none();
      if (b == -1) return wf_int_val(op == WF_OP_MOD ? 0 : (int64_t)(0 - (uint64_t)a), loc);
      return wf_int_val(op == WF_OP_FLOORDIV ? floor_div(a, b) : a - b * floor_div(a, b), loc);
    case WF_OP_DIV:
      if (b == 0) return wf_lower_error(lower, loc, "division by zero"), wf_none();
      return wf_float_val((double)a / (double)b, loc);
    case WF_OP_POW: return b >= 0 ? int_power(lower, a, b, loc) : wf_float_val(pow((double)a, (double)b), loc);
    case WF_OP_LT: case WF_OP_LE: case WF_OP_GT: case WF_OP_GE: case WF_OP_EQ: case WF_OP_NE:
    case WF_OP_AND: case WF_OP_OR: case WF_OP_NEG: case WF_OP_NOT: break;
  }
  return fold_comparison(lower, op, a < b, a == b, a > b, loc);
}

static wf_val fold_floats(wf_lower *lower, wf_ast_operator op, double a, double b, wf_loc loc) {
  switch (op) {
    case WF_OP_ADD: return wf_float_val(a + b, loc);
    case WF_OP_SUB: return wf_float_val(a - b, loc);
    case WF_OP_MUL: return wf_float_val(a * b, loc);
    case WF_OP_DIV: return wf_float_val(a / b, loc);
    case WF_OP_FLOORDIV: return wf_float_val(floor(a / b), loc);
    case WF_OP_MOD: return wf_float_val(a - b * floor(a / b), loc);
    case WF_OP_POW: return wf_float_val(pow(a, b), loc);
    case WF_OP_LT: case WF_OP_LE: case WF_OP_GT: case WF_OP_GE: case WF_OP_EQ: case WF_OP_NE:
    case WF_OP_AND: case WF_OP_OR: case WF_OP_NEG: case WF_OP_NOT: break;
  }
  return fold_comparison(lower, op, a < b, a == b, a > b, loc);
}

static wf_val divide_dims(wf_lower *lower, wf_ast_operator op, const wf_dim *a, const wf_dim *b, wf_loc loc) {
  const char *witness = NULL;
  wf_truth positive = wf_prove(lower, wf_dim_offset(b, -1), &witness);
  if (positive != WF_PROVED) {
    wf_lower_error(lower, loc, positive == WF_REFUTED ? "the divisor `%s` can be zero or negative" : "the divisor `%s` is not known to be positive", wf_dim_text(lower, b));
    return wf_none();
  }
  return wf_dim_val(op == WF_OP_FLOORDIV ? wf_dim_floordiv(a, b) : wf_dim_mod(a, b), loc);
}

// Comparisons of dims are decided when compiling where they can be; else they are run-time values.
static wf_val compare_dims(wf_lower *lower, wf_ast_operator op, const wf_dim *a, const wf_dim *b, bool *out_known, wf_loc loc) {
  wf_truth truth = WF_UNKNOWN;
  const wf_dim *less = wf_dim_sub(b, a), *more = wf_dim_sub(a, b);
  if (op == WF_OP_LE || op == WF_OP_LT) truth = wf_prove(lower, op == WF_OP_LT ? wf_dim_offset(less, -1) : less, NULL);
  if (op == WF_OP_GE || op == WF_OP_GT) truth = wf_prove(lower, op == WF_OP_GT ? wf_dim_offset(more, -1) : more, NULL);
  if (truth == WF_REFUTED) {   // refuted at one point is not false everywhere
    const wf_dim *opposite = op == WF_OP_LT ? more : op == WF_OP_LE ? wf_dim_offset(more, -1) : op == WF_OP_GT ? less : wf_dim_offset(less, -1);
    truth = wf_prove(lower, opposite, NULL) == WF_PROVED ? WF_REFUTED : WF_UNKNOWN;
  }
  if (op == WF_OP_EQ || op == WF_OP_NE) {
    truth = wf_prove_equal(lower, a, b);
    if (truth != WF_PROVED && (wf_prove(lower, wf_dim_offset(less, -1), NULL) == WF_PROVED || wf_prove(lower, wf_dim_offset(more, -1), NULL) == WF_PROVED)) truth = WF_REFUTED;
    else if (truth != WF_PROVED) truth = WF_UNKNOWN;
    if (op == WF_OP_NE) truth = (wf_truth)-(int)truth;
  }
  *out_known = truth != WF_UNKNOWN;
  return wf_bool_val(truth == WF_PROVED, loc);
}

static bool is_comparison(wf_ast_operator op) { return op >= WF_OP_LT && op <= WF_OP_NE; }

static wf_scalar scalar_of(wf_ast_operator op) {
  static const wf_scalar table[] = {
    [WF_OP_ADD] = WF_S_ADD, [WF_OP_SUB] = WF_S_SUB, [WF_OP_MUL] = WF_S_MUL, [WF_OP_DIV] = WF_S_DIV,
    [WF_OP_FLOORDIV] = WF_S_FLOORDIV, [WF_OP_MOD] = WF_S_MOD, [WF_OP_POW] = WF_S_POW, [WF_OP_LT] = WF_S_LT, [WF_OP_LE] = WF_S_LE,
    [WF_OP_GT] = WF_S_GT, [WF_OP_GE] = WF_S_GE, [WF_OP_EQ] = WF_S_EQ, [WF_OP_NE] = WF_S_NE, [WF_OP_AND] = WF_S_AND,
    [WF_OP_OR] = WF_S_OR, [WF_OP_NEG] = WF_S_NEG, [WF_OP_NOT] = WF_S_NOT,
  };
  return table[op];
}

static wf_val dims_operator(wf_lower *lower, wf_ast_operator op, const wf_val *a, const wf_val *b, bool *out_done, wf_loc loc) {
  const wf_dim *x = wf_val_dim(lower, a), *y = wf_val_dim(lower, b);
  *out_done = true;
  if (op == WF_OP_ADD) return wf_dim_val(wf_dim_add(x, y), loc);
  if (op == WF_OP_SUB) return wf_dim_val(wf_dim_sub(x, y), loc);
  if (op == WF_OP_MUL) return wf_dim_val(wf_dim_mul(x, y), loc);
  if (op == WF_OP_FLOORDIV || op == WF_OP_MOD) return divide_dims(lower, op, x, y, loc);
  bool known = false;
  wf_val result = is_comparison(op) ? compare_dims(lower, op, x, y, &known, loc) : wf_none();
  *out_done = known;
  return result;
}

// x ** 2 and x ** 3 are products: exact, and cheaper than pow.
static wf_val power(wf_lower *lower, const wf_val *a, const wf_val *b, wf_loc loc) {
  if (wf_is_runtime(a) && b->kind == WF_VAL_INT && b->integer >= 1 && b->integer <= 3) {
    wf_val result = *a;
    for (int64_t i = 1; i < b->integer; i++) result = wf_elementwise(lower, WF_S_MUL, (wf_val[]){result, *a}, 2, loc);
    return result;
  }
  return wf_elementwise(lower, WF_S_POW, (wf_val[]){*a, *b}, 2, loc);
}

static wf_val list_operator(wf_lower *lower, wf_ast_operator op, const wf_val *a, const wf_val *b, wf_loc loc) {
  if (op != WF_OP_ADD || a->kind != b->kind) {
    wf_lower_error(lower, loc, "`%s` is not defined for %s and %s", wf_ast_operator_text[op], wf_val_text(lower, a), wf_val_text(lower, b));
    return wf_none();
  }
  wf_val *items = WF_NEW_ARRAY(lower->arena, wf_val, a->count + b->count);
  memcpy(items, a->items, sizeof *items * (size_t)a->count);
  memcpy(items + a->count, b->items, sizeof *items * (size_t)b->count);
  return wf_list_val(lower, items, a->count + b->count, loc);
}

static wf_val bools_operator(wf_ast_operator op, bool a, bool b, wf_loc loc) {
  return wf_bool_val(op == WF_OP_AND ? a && b : op == WF_OP_OR ? a || b : op == WF_OP_EQ ? a == b : a != b, loc);
}

wf_val wf_operator_val(wf_lower *lower, wf_ast_operator op, const wf_val *left, const wf_val *right, wf_loc loc) {
  wf_val a = wf_resolve(lower, left, loc), b = right ? wf_resolve(lower, right, loc) : wf_int_val(0, loc);
  if (a.kind == WF_VAL_NONE || b.kind == WF_VAL_NONE) return wf_none();
  if (op == WF_OP_NEG) {
    if (a.kind == WF_VAL_FLOAT) return wf_float_val(-a.number, loc);
    if (wf_is_dimlike(&a)) return wf_operator_val(lower, WF_OP_SUB, &b, &a, loc);
    return wf_elementwise(lower, WF_S_NEG, &a, 1, loc);
  }
  if (op == WF_OP_NOT) return a.kind == WF_VAL_BOOL ? wf_bool_val(!a.integer, loc) : wf_elementwise(lower, WF_S_NOT, &a, 1, loc);
  if (a.kind == WF_VAL_LIST || b.kind == WF_VAL_LIST) return list_operator(lower, op, &a, &b, loc);
  if (a.kind == WF_VAL_STRING && b.kind == WF_VAL_STRING && (op == WF_OP_EQ || op == WF_OP_NE))
    return wf_bool_val((strcmp(a.text, b.text) == 0) == (op == WF_OP_EQ), loc);
  if (a.kind == WF_VAL_BOOL && b.kind == WF_VAL_BOOL && (op == WF_OP_AND || op == WF_OP_OR || op == WF_OP_EQ || op == WF_OP_NE))
    return bools_operator(op, a.integer, b.integer, loc);
  if (a.kind == WF_VAL_INT && b.kind == WF_VAL_INT) return fold_ints(lower, op, a.integer, b.integer, loc);
  if (wf_is_number(&a) && wf_is_number(&b))
    return fold_floats(lower, op, a.kind == WF_VAL_INT ? (double)a.integer : a.number, b.kind == WF_VAL_INT ? (double)b.integer : b.number, loc);
  if (wf_is_dimlike(&a) && wf_is_dimlike(&b)) {
    bool done;
    wf_val result = dims_operator(lower, op, &a, &b, &done, loc);
    if (done) return result;
  }
  if (op == WF_OP_POW) return power(lower, &a, &b, loc);
  return wf_elementwise(lower, scalar_of(op), (wf_val[]){a, b}, 2, loc);
}

// ---- becoming a tensor -------------------------------------------------------------------------------------------------------
// The tensor where the expression is no more than that tensor at its own axes.
static wf_value *read_whole(const wf_val *lazy) {
  const wf_expr *expr = lazy->expr;
  if (expr->op != WF_S_READ || expr->has_default || expr->operand->rank != lazy->rank || expr->operand->dtype != lazy->dtype) return NULL;
  for (int i = 0; i < lazy->rank; i++)
    if (expr->args[i]->op != WF_S_INDEX || expr->args[i]->dim != lazy->axes[i]->as_dim) return NULL;
  return expr->operand;
}

wf_value *wf_force(wf_lower *lower, const wf_val *given, const char *name, wf_loc loc) {
  wf_definition *definition = lower->definition;
  lower->definition = NULL;
  wf_val value = wf_resolve(lower, given, loc);
  if (is_soft(&value) || value.kind == WF_VAL_BOOL) value = wf_coerce(lower, &value, wf_natural_type(lower, &value), loc);
  lower->definition = definition;
  if (value.kind == WF_VAL_NONE) return NULL;
  if (value.kind == WF_VAL_TENSOR) return wf_import_value(lower, &value);
  if (value.kind == WF_VAL_SCALAR && value.expr) value.kind = WF_VAL_LAZY, value.rank = 0;
  wf_value *same = value.kind == WF_VAL_LAZY ? read_whole(&value) : NULL;
  if (same) return same;
  if (value.kind != WF_VAL_LAZY) {
    wf_lower_error(lower, loc, "a tensor is needed here, and this is %s", wf_val_text(lower, &value));
    return NULL;
  }
  return wf_build_compute(lower->level->function, name, value.dtype, value.axes, value.rank, WF_R_NONE, NULL, 0, value.expr, loc);
}

wf_val wf_force_val(wf_lower *lower, const wf_val *value, const char *name, wf_loc loc) {
  bool soft = value->kind == WF_VAL_SCALAR && value->soft && !lower->definition;
  if (value->kind != WF_VAL_LAZY || soft) return *value;
  wf_value *tensor = wf_force(lower, value, name, loc);
  return tensor ? wf_tensor_val(lower, tensor, value->loc) : wf_none();
}
