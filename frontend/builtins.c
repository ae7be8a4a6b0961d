// The built-in functions over whole tensors and compile-time values: shapes, pieces, sorting, gradients, messages.
#include "frontend/lower_internal.h"

enum { MOST_ARGUMENTS = 16 };

typedef struct builtin_call {
  wf_lower *lower;
  const wf_ast_expr *expr;
  wf_val args[MOST_ARGUMENTS];  // by parameter; of concat: all positional ones
  bool given[MOST_ARGUMENTS];
  int count;
} builtin_call;

typedef wf_val (*builtin_run)(builtin_call *call);
typedef struct builtin { const char *name, *parameters; int needed; builtin_run run; } builtin;   // parameters: "x axis", first letters optional after `needed`

// ---- arguments ------------------------------------------------------------------------------------------------------------------
static wf_value *tensor_of(builtin_call *call, int index) {
  wf_val *value = &call->args[index];
  return value->kind == WF_VAL_NONE ? NULL : wf_force(call->lower, value, "x", value->loc);
}

static bool int_of(builtin_call *call, int index, const char *what, int64_t *out) {
  const wf_val *value = &call->args[index];
  if (value->kind == WF_VAL_INT) return *out = value->integer, true;
  wf_lower_error(call->lower, value->loc, "%s of `%s` is an int known when compiling, and this is %s", what, call->expr->text, wf_val_text(call->lower, value));
  return false;
}

static bool axis_of(builtin_call *call, int index, int rank, int64_t otherwise, int *out) {
  int64_t axis = otherwise;
  if (call->given[index] && !int_of(call, index, "the axis", &axis)) return false;
  if (axis < -rank || axis >= rank) {
    wf_lower_error(call->lower, call->given[index] ? call->args[index].loc : call->expr->loc, "axis %lld of a tensor with %d axes", (long long)axis, rank);
    return false;
  }
  *out = (int)(axis < 0 ? axis + rank : axis);
  return true;
}

static const wf_dim *dim_of(builtin_call *call, const wf_val *value) {
  if (wf_is_dimlike(value)) return wf_val_dim(call->lower, value);
  wf_lower_error(call->lower, value->loc.source ? value->loc : call->expr->loc, "an extent is an int, and this is %s", wf_val_text(call->lower, value));
  return NULL;
}

// ---- building --------------------------------------------------------------------------------------------------------------------
typedef struct points { const wf_atom *axes[WF_MAX_RANK]; const wf_dim *at[WF_MAX_RANK]; int rank; } points;

static points points_of(wf_lower *lower, const wf_dim *const *shape, int rank) {
  static const char *const letters[WF_MAX_RANK] = {"i", "j", "k", "l", "p", "q", "r", "s"};
  points p = {.rank = rank};
  for (int i = 0; i < rank; i++) {
    p.at[i] = wf_dim_axis(lower->module->dims, letters[i], shape[i]);
    p.axes[i] = wf_dim_as_atom(p.at[i]);
  }
  return p;
}

static const char *wish(builtin_call *call) {
  const wf_frame *frame = call->lower->frame;
  const wf_ast_expr *value = frame && frame->assigned ? frame->assigned_value : NULL;
  bool whole = value == call->expr || (value && value->kind == WF_E_PIPE && value->b == call->expr);
  return wf_value_name(call->lower, whole ? frame->assigned : call->expr->text);
}

static wf_val build(builtin_call *call, wf_dtype type, const points *p, const wf_expr *body) {
  wf_lower *lower = call->lower;
  wf_value *value = wf_build_compute(lower->level->function, wish(call), type, p->axes, p->rank, WF_R_NONE, NULL, 0, body, call->expr->loc);
  wf_check_elements(lower, call->expr->loc, value->name, value->shape, value->rank);
  return wf_tensor_val(lower, value, call->expr->loc);
}

// ---- reshape ----------------------------------------------------------------------------------------------------------------------
static const wf_dim *product(wf_lower *lower, const wf_dim *const *shape, int from, int to) {
  const wf_dim *result = wf_const_dim(lower, 1);
  for (int i = from; i < to; i++) result = wf_dim_mul(result, shape[i]);
  return result;
}

static bool infer_minus_one(builtin_call *call, wf_value *x, const wf_dim **shape, int rank, int hole) {
  wf_lower *lower = call->lower;
  const wf_dim *known = wf_const_dim(lower, 1), *all = wf_value_elements(lower->module, x);
  for (int i = 0; i < rank; i++)
    if (i != hole) known = wf_dim_mul(known, shape[i]);
  shape[hole] = wf_dim_exact_div(all, known);
  if (shape[hole]) return true;
  wf_lower_error(lower, call->expr->loc, "%s elements cannot be split over %s", wf_dim_text(lower, all), wf_dim_text(lower, known));
  return false;
}

static bool reshape_target(builtin_call *call, wf_value *x, const wf_dim **shape, int *out_rank) {
  wf_lower *lower = call->lower;
  wf_val *list = &call->args[1];
  int hole = -1;
  if (list->kind != WF_VAL_LIST || list->count > WF_MAX_RANK)
    return wf_lower_error(lower, list->loc, "the new shape is a list of at most %d extents", WF_MAX_RANK), false;
  for (int i = 0; i < list->count; i++) {
    if (list->items[i].kind == WF_VAL_INT && list->items[i].integer == -1) {
      if (hole >= 0) return wf_lower_error(lower, list->items[i].loc, "only one extent can be -1"), false;
      hole = i;
      continue;
    }
    if (!(shape[i] = dim_of(call, &list->items[i]))) return false;
  }
  *out_rank = list->count;
  if (hole >= 0) return infer_minus_one(call, x, shape, list->count, hole);
  const wf_dim *all = wf_value_elements(lower->module, x), *wanted = product(lower, shape, 0, list->count);
  if (wf_prove_equal(lower, all, wanted) == WF_PROVED) return true;
  wf_diagnostic *error = wf_lower_error(lower, call->expr->loc, "%s of %s elements cannot take the shape %s of %s", wf_shape_text(lower, x->shape, x->rank), wf_dim_text(lower, all),
                                        wf_shape_text(lower, shape, list->count), wf_dim_text(lower, wanted));
  wf_help(lower->diag, error, "one extent may be -1: it takes what is left");
  return false;
}

// Groups of axes with equal products on both sides are taken together, so that [n, c, h, w] -> [n, c*h*w] keeps n by itself.
static wf_val reshape_to(builtin_call *call, wf_value *x, const wf_dim *const *shape, int rank) {
  wf_lower *lower = call->lower;
  points p = points_of(lower, shape, rank);
  const wf_dim *indices[WF_MAX_RANK];
  int i = 0, o = 0;
  while (i < x->rank) {
    int i_end = i + 1, o_end = o < rank ? o + 1 : o;
    const wf_dim *left = x->shape[i], *right = product(lower, shape, o, o_end);
    while (wf_prove_equal(lower, left, right) != WF_PROVED && (i_end < x->rank || o_end < rank)) {
      bool take_left = i_end < x->rank && (o_end >= rank || wf_prove(lower, wf_dim_sub(right, left), NULL) == WF_PROVED);
      if (take_left) left = wf_dim_mul(left, x->shape[i_end++]);
      else right = wf_dim_mul(right, shape[o_end++]);
    }
    const wf_dim *linear = wf_const_dim(lower, 0);
    for (int k = o; k < o_end; k++) linear = wf_dim_add(wf_dim_mul(linear, shape[k]), p.at[k]);
    for (int k = i_end - 1; k >= i; k--) {
      indices[k] = k == i ? linear : wf_dim_mod(linear, x->shape[k]);
      if (k > i) linear = wf_dim_floordiv(linear, x->shape[k]);
    }
    i = i_end, o = o_end;
  }
  return build(call, x->dtype, &p, wf_expr_read_dims(lower->module, x, indices, NULL));
}

static wf_val run_reshape(builtin_call *call) {
  const wf_dim *shape[WF_MAX_RANK];
  int rank;
  wf_value *x = tensor_of(call, 0);
  if (!x || !reshape_target(call, x, shape, &rank)) return wf_none();
  return reshape_to(call, x, shape, rank);
}

static wf_val run_flatten(builtin_call *call) {
  wf_lower *lower = call->lower;
  wf_value *x = tensor_of(call, 0);
  if (!x) return wf_none();
  if (x->rank < 1) return wf_lower_error(lower, call->expr->loc, "a scalar cannot be flattened"), wf_none();
  const wf_dim *shape[2] = {x->shape[0], product(lower, x->shape, 1, x->rank)};
  return reshape_to(call, x, shape, 2);
}

// ---- permute, slice, concat ---------------------------------------------------------------------------------------------------------
static wf_val run_permute(builtin_call *call) {
  wf_lower *lower = call->lower;
  wf_value *x = tensor_of(call, 0);
  const wf_val *order = &call->args[1];
  if (!x) return wf_none();
  bool used[WF_MAX_RANK] = {0}, good = order->kind == WF_VAL_LIST && order->count == x->rank;
  const wf_dim *shape[WF_MAX_RANK], *indices[WF_MAX_RANK];
  for (int i = 0; good && i < x->rank; i++) {
    int64_t from = order->items[i].kind == WF_VAL_INT ? order->items[i].integer : -1;
    good = from >= 0 && from < x->rank && !used[from];
    if (good) used[from] = true, shape[i] = x->shape[from];
  }
  if (!good) return wf_lower_error(lower, order->loc, "the order is a list of the axes 0 to %d, each once", x->rank - 1), wf_none();
  points p = points_of(lower, shape, x->rank);
  for (int i = 0; i < x->rank; i++) indices[order->items[i].integer] = p.at[i];
  return build(call, x->dtype, &p, wf_expr_read_dims(lower->module, x, indices, NULL));
}

static wf_val slice_of(builtin_call *call, wf_value *x, int axis, const wf_dim *begin, const wf_dim *end) {
  wf_lower *lower = call->lower;
  const wf_dim *shape[WF_MAX_RANK], *indices[WF_MAX_RANK];
  for (int i = 0; i < x->rank; i++) shape[i] = i == axis ? wf_dim_sub(end, begin) : x->shape[i];
  points p = points_of(lower, shape, x->rank);
  for (int i = 0; i < x->rank; i++) indices[i] = i == axis ? wf_dim_add(p.at[i], begin) : p.at[i];
  return build(call, x->dtype, &p, wf_expr_read_dims(lower->module, x, indices, NULL));
}

static wf_val run_slice(builtin_call *call) {
  wf_lower *lower = call->lower;
  wf_value *x = tensor_of(call, 0);
  int axis;
  if (!x || !axis_of(call, 1, x->rank, 0, &axis)) return wf_none();
  const wf_dim *begin = dim_of(call, &call->args[2]), *end = dim_of(call, &call->args[3]);
  if (!begin || !end) return wf_none();
  bool inside = wf_prove(lower, begin, NULL) == WF_PROVED && wf_prove(lower, wf_dim_sub(x->shape[axis], end), NULL) == WF_PROVED &&
                wf_prove(lower, wf_dim_offset(wf_dim_sub(end, begin), -1), NULL) == WF_PROVED;
  if (!inside) {
    wf_lower_error(lower, call->expr->loc, "the piece from %s to %s is not known to lie in axis %d of extent %s", wf_dim_text(lower, begin), wf_dim_text(lower, end), axis, wf_dim_text(lower, x->shape[axis]));
    return wf_none();
  }
  return slice_of(call, x, axis, begin, end);
}

static bool check_parts(builtin_call *call, wf_value *const *parts, int count, int axis) {
  wf_lower *lower = call->lower;
  for (int i = 1; i < count; i++) {
    bool same = parts[i]->rank == parts[0]->rank && parts[i]->dtype == parts[0]->dtype;
    for (int k = 0; same && k < parts[0]->rank; k++) same = k == axis || wf_prove_equal(lower, parts[0]->shape[k], parts[i]->shape[k]) == WF_PROVED;
    if (same) continue;
    wf_diagnostic *error = wf_lower_error(lower, call->expr->loc, "%s%s and %s%s cannot be joined along axis %d", wf_dtype_name(parts[0]->dtype), wf_shape_text(lower, parts[0]->shape, parts[0]->rank),
                                          wf_dtype_name(parts[i]->dtype), wf_shape_text(lower, parts[i]->shape, parts[i]->rank), axis);
    wf_help(lower->diag, error, "all other axes must be equal");
    return false;
  }
  return true;
}

static wf_val run_concat(builtin_call *call) {
  wf_lower *lower = call->lower;
  wf_value *parts[MOST_ARGUMENTS];
  const wf_val *items = call->args + 1;
  int count = call->count, axis;
  if (count == 1 && items[0].kind == WF_VAL_LIST) count = items[0].count, items = items[0].items;
  if (count < 1 || count > MOST_ARGUMENTS - 1) return wf_lower_error(lower, call->expr->loc, "concat joins 1 to %d tensors", MOST_ARGUMENTS - 1), wf_none();
  for (int i = 0; i < count; i++)
    if (!(parts[i] = wf_force(lower, &items[i], "part", items[i].loc))) return wf_none();
  if (!axis_of(call, 0, parts[0]->rank, 0, &axis) || !check_parts(call, parts, count, axis)) return wf_none();
  const wf_dim *shape[WF_MAX_RANK], *total = wf_const_dim(lower, 0);
  for (int i = 0; i < count; i++) total = wf_dim_add(total, parts[i]->shape[axis]);
  for (int i = 0; i < parts[0]->rank; i++) shape[i] = i == axis ? total : parts[0]->shape[i];
  points p = points_of(lower, shape, parts[0]->rank);
  const wf_dim *here = p.at[axis], *start = total;
  wf_dtype compute = wf_dtype_compute(parts[0]->dtype);
  const wf_expr *zero = wf_dtype_is_float(compute) ? wf_expr_const(lower->module, compute, 0) : wf_expr_const_int(lower->module, compute, 0), *body = NULL;
  for (int i = count - 1; i >= 0; i--) {
    start = wf_dim_sub(start, parts[i]->shape[axis]);
    p.at[axis] = wf_dim_sub(here, start);
    const wf_expr *read = wf_expr_read_dims(lower->module, parts[i], p.at, count == 1 ? NULL : zero);
    const wf_expr *before = wf_expr_binary(lower->module, WF_S_LT, wf_expr_index(lower->module, here), wf_expr_index(lower->module, wf_dim_add(start, parts[i]->shape[axis])));
    body = body ? wf_expr_select(lower->module, before, read, body) : read;
  }
  return build(call, parts[0]->dtype, &p, body);
}

// ---- making tensors -------------------------------------------------------------------------------------------------------------------
static bool shape_list(builtin_call *call, int index, points *out) {
  const wf_val *list = &call->args[index];
  const wf_dim *shape[WF_MAX_RANK];
  if (list->kind != WF_VAL_LIST || list->count > WF_MAX_RANK)
    return wf_lower_error(call->lower, list->loc, "a shape is a list of at most %d extents", WF_MAX_RANK), false;
  for (int i = 0; i < list->count; i++)
    if (!(shape[i] = dim_of(call, &list->items[i]))) return false;
  *out = points_of(call->lower, shape, list->count);
  return true;
}

static wf_dtype made_type(builtin_call *call, int index, wf_dtype otherwise) {
  if (call->given[index] && call->args[index].kind == WF_VAL_TYPE) return call->args[index].dtype;
  if (call->given[index]) wf_lower_error(call->lower, call->args[index].loc, "an element type is needed here, and this is %s", wf_val_text(call->lower, &call->args[index]));
  wf_entry *type = call->lower->frame ? wf_scope_find(call->lower->frame->scope, "T") : NULL;
  return type && type->value.kind == WF_VAL_TYPE && otherwise == call->lower->single ? type->value.dtype : otherwise;
}

static wf_val filled(builtin_call *call, const points *p, wf_val value, wf_dtype type) {
  value = wf_coerce(call->lower, &value, type, call->expr->loc);
  if (value.kind == WF_VAL_TENSOR) value = wf_lazy_of(call->lower, &value);
  if (value.kind == WF_VAL_NONE) return value;
  if (value.rank) return wf_lower_error(call->lower, call->expr->loc, "the value to fill with is a scalar"), wf_none();
  return build(call, type, p, value.expr);
}

static wf_val run_zeros(builtin_call *call) {
  points p;
  if (call->args[0].kind == WF_VAL_TENSOR || call->args[0].kind == WF_VAL_LAZY) {
    wf_value *like = tensor_of(call, 0);
    if (!like) return wf_none();
    p = points_of(call->lower, like->shape, like->rank);
    return filled(call, &p, wf_int_val(0, call->expr->loc), made_type(call, 1, like->dtype));
  }
  if (!shape_list(call, 0, &p)) return wf_none();
  return filled(call, &p, wf_int_val(0, call->expr->loc), made_type(call, 1, call->lower->single));
}

static wf_val run_full(builtin_call *call) {
  points p;
  if (!shape_list(call, 0, &p)) return wf_none();
  wf_val value = wf_resolve(call->lower, &call->args[1], call->expr->loc);
  if (value.kind == WF_VAL_NONE) return value;
  wf_dtype type = wf_is_runtime(&value) && !value.soft ? value.dtype : made_type(call, 2, value.kind == WF_VAL_INT ? WF_I64 : call->lower->single);
  return filled(call, &p, value, call->given[2] ? made_type(call, 2, type) : type);
}

static wf_val run_iota(builtin_call *call) {
  const wf_dim *extent = dim_of(call, &call->args[0]);
  if (!extent) return wf_none();
  points p = points_of(call->lower, &extent, 1);
  return build(call, WF_I64, &p, wf_expr_index(call->lower->module, p.at[0]));
}

// ---- sort, topk -----------------------------------------------------------------------------------------------------------------------
static wf_val pair(builtin_call *call, wf_val a, wf_val b) {
  if (a.kind == WF_VAL_NONE || b.kind == WF_VAL_NONE) return wf_none();
  wf_val list = wf_list_val(call->lower, (wf_val[]){a, b}, 2, call->expr->loc);
  list.text = wf_apply_several;
  return list;
}

static wf_val run_sort(builtin_call *call) {
  wf_lower *lower = call->lower;
  wf_value *x = tensor_of(call, 0);
  int axis;
  if (!x || !axis_of(call, 1, x->rank, -1, &axis)) return wf_none();
  if (call->given[2] && call->args[2].kind != WF_VAL_BOOL) return wf_lower_error(lower, call->args[2].loc, "`descending` is a bool"), wf_none();
  wf_op *op = wf_build_sort(lower->level->function, wish(call), x, axis, call->given[2] && call->args[2].integer, call->expr->loc);
  return pair(call, wf_tensor_val(lower, op->results[0], call->expr->loc), wf_tensor_val(lower, op->results[1], call->expr->loc));
}

static wf_val run_topk(builtin_call *call) {
  wf_lower *lower = call->lower;
  wf_value *x = tensor_of(call, 0);
  const wf_dim *k = x ? dim_of(call, &call->args[1]) : NULL;
  if (!k) return wf_none();
  if (x->rank < 1 || wf_prove(lower, wf_dim_sub(x->shape[x->rank - 1], k), NULL) != WF_PROVED || wf_prove(lower, wf_dim_offset(k, -1), NULL) != WF_PROVED)
    return wf_lower_error(lower, call->expr->loc, "the first %s of the last axis of %s", wf_dim_text(lower, k), wf_shape_text(lower, x->shape, x->rank)), wf_none();
  const wf_dim *zero = wf_const_dim(lower, 0);
  wf_op *op = wf_build_sort(lower->level->function, wf_value_name(lower, "sorted"), x, x->rank - 1, true, call->expr->loc);
  return pair(call, slice_of(call, op->results[0], x->rank - 1, zero, k), slice_of(call, op->results[1], x->rank - 1, zero, k));
}

// ---- gradients --------------------------------------------------------------------------------------------------------------------------
static wf_val run_grad(builtin_call *call) {
  wf_lower *lower = call->lower;
  wf_value *y = tensor_of(call, 0), *by[64];
  const wf_val *given = &call->args[1], *items = given->kind == WF_VAL_LIST ? given->items : given;
  int count = given->kind == WF_VAL_LIST ? given->count : 1;
  if (!y) return wf_none();
  if (y->rank != 0 || !wf_dtype_is_float(y->dtype)) {
    wf_diagnostic *error = wf_lower_error(lower, call->args[0].loc, "the gradient is that of a float scalar, and this is %s%s", wf_dtype_name(y->dtype), wf_shape_text(lower, y->shape, y->rank));
    wf_help(lower->diag, error, "sum it: s = sum[..] y[..]");
    return wf_none();
  }
  if (count < 1 || count > 64) return wf_lower_error(lower, call->expr->loc, "grad takes 1 to 64 tensors to differentiate by"), wf_none();
  for (int i = 0; i < count; i++) {
    if (!(by[i] = wf_force(lower, &items[i], "by", items[i].loc))) return wf_none();
    if (!wf_dtype_is_float(by[i]->dtype)) return wf_lower_error(lower, items[i].loc, "there is no gradient by %s: it holds %s", by[i]->name, wf_dtype_name(by[i]->dtype)), wf_none();
  }
  wf_op *op = wf_build_grad(lower->level->function, wish(call), y, by, count, call->expr->loc);
  if (given->kind != WF_VAL_LIST) return wf_tensor_val(lower, op->results[0], call->expr->loc);
  wf_val results[64];
  for (int i = 0; i < count; i++) results[i] = wf_tensor_val(lower, op->results[i], call->expr->loc);
  return wf_list_val(lower, results, count, call->expr->loc);
}

// ---- what is known when compiling ---------------------------------------------------------------------------------------------------------
static bool shape_of(builtin_call *call, const wf_dim **shape, int *rank) {
  wf_val value = wf_resolve(call->lower, &call->args[0], call->expr->loc);
  if (value.kind == WF_VAL_TENSOR) {
    *rank = value.tensor->rank;
    for (int i = 0; i < *rank; i++) shape[i] = value.tensor->shape[i];
    return true;
  }
  if (value.kind == WF_VAL_LAZY || value.kind == WF_VAL_SCALAR) {
    *rank = value.rank;
    for (int i = 0; i < *rank; i++) shape[i] = value.axes[i]->extent;
    return true;
  }
  if (value.kind != WF_VAL_NONE) wf_lower_error(call->lower, call->args[0].loc, "`%s` takes a tensor, and this is %s", call->expr->text, wf_val_text(call->lower, &value));
  return false;
}

static wf_val run_shape(builtin_call *call) {
  const wf_dim *shape[WF_MAX_RANK];
  wf_val extents[WF_MAX_RANK];
  int rank, axis;
  if (!shape_of(call, shape, &rank)) return wf_none();
  for (int i = 0; i < rank; i++) extents[i] = wf_dim_val(shape[i], call->expr->loc);
  if (!call->given[1]) return wf_list_val(call->lower, extents, rank, call->expr->loc);
  return axis_of(call, 1, rank, 0, &axis) ? extents[axis] : wf_none();
}

static wf_val run_size(builtin_call *call) {
  const wf_dim *shape[WF_MAX_RANK];
  int rank;
  return shape_of(call, shape, &rank) ? wf_dim_val(product(call->lower, shape, 0, rank), call->expr->loc) : wf_none();
}

static wf_val run_len(builtin_call *call) {
  if (call->args[0].kind == WF_VAL_LIST) return wf_int_val(call->args[0].count, call->expr->loc);
  return wf_lower_error(call->lower, call->args[0].loc, "`len` takes a list, and this is %s", wf_val_text(call->lower, &call->args[0])), wf_none();
}

static wf_val run_cast(builtin_call *call) {
  if (call->args[1].kind != WF_VAL_TYPE) return wf_lower_error(call->lower, call->args[1].loc, "an element type is needed here, and this is %s", wf_val_text(call->lower, &call->args[1])), wf_none();
  return wf_cast_val(call->lower, call->args[1].dtype, &call->args[0], call->expr->loc);
}

static wf_val run_random(builtin_call *call) { return wf_random_val(call->lower, call->expr->loc); }

static wf_val run_error(builtin_call *call) {
  wf_lower_error(call->lower, call->expr->loc, "%s", call->args[0].kind == WF_VAL_STRING ? call->args[0].text : "error");
  return wf_none();
}

static wf_val run_assert(builtin_call *call) {
  const wf_val *condition = &call->args[0];
  if (condition->kind != WF_VAL_BOOL) {
    if (condition->kind != WF_VAL_NONE) wf_lower_error(call->lower, call->expr->loc, "what is asserted must be decided when compiling, and this is %s", wf_val_text(call->lower, condition));
    return wf_none();
  }
  if (!condition->integer) wf_lower_error(call->lower, call->expr->loc, "%s", call->given[1] && call->args[1].kind == WF_VAL_STRING ? call->args[1].text : "this does not hold");
  return wf_none();
}

// ---- the table ------------------------------------------------------------------------------------------------------------------------------
static const builtin table[] = {
  {"reshape", "x shape", 2, run_reshape}, {"flatten", "x", 1, run_flatten}, {"permute", "x order", 2, run_permute},
  {"slice", "x axis begin end", 4, run_slice}, {"concat", "axis *", 0, run_concat}, {"zeros", "shape type", 1, run_zeros},
  {"full", "shape value type", 2, run_full}, {"iota", "n", 1, run_iota}, {"sort", "x axis descending", 1, run_sort},
  {"topk", "x k", 2, run_topk}, {"grad", "y by", 2, run_grad}, {"shape", "x axis", 1, run_shape}, {"size", "x", 1, run_size},
  {"len", "list", 1, run_len}, {"cast", "x type", 2, run_cast}, {"random", "", 0, run_random}, {"error", "text", 1, run_error},
  {"assert", "cond text", 1, run_assert},
};
enum { TABLE = sizeof table / sizeof *table };
const char *const wf_builtin_names[] = {
  "reshape", "flatten", "permute", "slice", "concat", "zeros", "full", "iota", "sort", "topk", "grad", "shape", "size", "len", "cast",
  "random", "error", "assert", "training", "step", "total_steps", NULL,
};

static const builtin *find(const char *name) {
  for (int i = 0; i < TABLE; i++)
    if (!strcmp(table[i].name, name)) return &table[i];
  return NULL;
}

bool wf_is_builtin(const char *name) { return find(name) != NULL; }

static int find_parameter(const builtin *b, const char *name) {
  int index = 0;
  for (const char *at = b->parameters; *at; index++) {
    size_t length = strcspn(at, " ");
    if (strlen(name) == length && !strncmp(at, name, length)) return index;
    at += length + (at[length] == ' ');
  }
  return -1;
}

static int count_parameters(const builtin *b) {
  int count = *b->parameters != 0;
  for (const char *at = b->parameters; *at; at++) count += *at == ' ';
  return count;
}

static bool place_argument(builtin_call *call, const builtin *b, const char *name, wf_val value, wf_loc loc, int *position) {
  int index = name ? find_parameter(b, name) : (*position)++, most = count_parameters(b);
  bool several = b->run == run_concat;
  if (several && !name) index = ++call->count, most = MOST_ARGUMENTS;
  if (index < 0) return wf_lower_error(call->lower, loc, "`%s` has no parameter `%s`", b->name, name), false;
  if (index >= most || (call->given[index] && !several)) return wf_lower_error(call->lower, loc, "`%s` gets too many arguments", b->name), false;
  call->args[index] = value;
  call->args[index].loc = loc;
  call->given[index] = true;
  return value.kind != WF_VAL_NONE;
}

static bool needs_function(const builtin *b) {
  return b->run != run_len && b->run != run_error && b->run != run_assert && b->run != run_cast && b->run != run_shape && b->run != run_size;
}

// Of these the arguments are compile-time values or whole tensors even in an index definition.
static bool works_in_definition(const builtin *b) { return b->run == run_len || b->run == run_shape || b->run == run_size || b->run == run_random || b->run == run_cast; }

wf_val wf_call_builtin(wf_lower *lower, const wf_ast_expr *expr, const wf_val *piped) {
  const builtin *b = find(expr->text);
  builtin_call *call = WF_NEW(lower->arena, builtin_call);
  int position = 0;
  call->lower = lower;
  call->expr = expr;
  if (lower->definition && !works_in_definition(b)) {
    wf_diagnostic *error = wf_lower_error(lower, expr->loc, "`%s` works on whole tensors and cannot be called inside an index definition", b->name);
    wf_help(lower->diag, error, "call it before and give the result a name");
    return wf_none();
  }
  wf_definition *definition = lower->definition;
  if (b->run == run_shape || b->run == run_size || b->run == run_len) lower->definition = NULL;
  bool good = !piped || place_argument(call, b, NULL, *piped, piped->loc, &position);
  for (int i = 0; good && i < expr->args.count; i++) {
    wf_val value = wf_eval(lower, expr->args.items[i].value);
    good = place_argument(call, b, expr->args.items[i].name, value, expr->args.items[i].loc, &position);
  }
  for (int i = 0; good && i < b->needed; i++)
    if (!call->given[i]) wf_lower_error(lower, expr->loc, "`%s` takes (%s)", b->name, b->parameters), good = false;
  if (good && needs_function(b) && !lower->level) wf_lower_error(lower, expr->loc, "`%s` makes a tensor, which has no value when compiling", b->name), good = false;
  wf_val result = good ? b->run(call) : wf_none();
  lower->definition = definition;
  return result;
}
