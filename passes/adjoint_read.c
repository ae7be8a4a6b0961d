// The adjoint of a read x[f(p)]: d_x[q] is the sum of the read's cotangent C(p) over all points p with f(p) = q.
//
// Solving f(p) = q (ir/affine.h) makes p a function of q and of free axes k. No free axes: C itself, over q, is a part of
// d_x. Else C is taken apart as a product: factors without k stay outside, the others are contracted over k,
//   d_x[q] = outer(q) * sum[k] inner(q, k)
// and a contraction is kept a product of two plain reads where it can be (conv, matmul: what later passes look for), by
// storing a factor that is more than a read and lives on fewer axes than the sum.
//
// Guards say where p is a point at all. One that is exactly the box of a read that carries C (d_y, w) becomes that
// read's `else 0`; others are selects around C. What has no inverse is scattered.
#include "ir/affine.h"
#include "passes/clone_ops.h"
#include "passes/differentiate.h"

typedef struct factors { const wf_expr **items; int count; } factors;

typedef struct reader {
  wf_tape *tape;
  wf_module *module;
  const wf_op *op;
  const wf_atom *const *axes;       // of the forward points p
  int axis_count;
  const wf_expr *read;
  wf_adjoint *adjoint;
  wf_inverse inverse;
  wf_binding *bindings;             // p -> values over q and k
  bool safe;                        // zeros read outside of boxes stay harmless in the cotangent
} reader;

// ---- which axes an expression lives on --------------------------------------------------------------------------------

typedef struct usage { const reader *r; bool *used; } usage;

static void note_axes(void *context, const wf_expr *node) {
  usage *u = context;
  for (int i = 0; node->dim && i < u->r->axis_count; i++) u->used[i] |= wf_dim_mentions(node->dim, u->r->axes[i]);
}

static bool *axes_used(const reader *r, const wf_expr *expr) {
  usage u = {r, WF_NEW_ARRAY(r->tape->arena, bool, r->axis_count)};
  wf_expr_walk(expr, note_axes, &u);
  return u.used;
}

static bool mentions_free(const reader *r, const wf_dim *dim) {
  for (int i = 0; i < r->inverse.free_count; i++)
    if (wf_dim_mentions(dim, r->inverse.free_axes[i])) return true;
  return false;
}

static bool varies_inside(const reader *r, const wf_expr *factor) {
  const bool *used = axes_used(r, factor);
  for (int i = 0; i < r->axis_count; i++)
    if (used[i] && mentions_free(r, r->inverse.values[i])) return true;
  return false;
}

static bool is_subset(const reader *r, const bool *small, const bool *large) {
  for (int i = 0; i < r->axis_count; i++)
    if (small[i] && !large[i] && !wf_dim_equals_const(r->axes[i]->extent, 1)) return false;
  return true;
}

// Fewer axes than the points have: storing it costs less than the sum over the points.
static bool lives_on_fewer(const reader *r, const bool *used) {
  for (int i = 0; i < r->axis_count; i++)
    if (!used[i] && !wf_dim_equals_const(r->axes[i]->extent, 1)) return true;
  return false;
}

// ---- products -----------------------------------------------------------------------------------------------------

static const wf_expr *times(const reader *r, const wf_expr *a, const wf_expr *b) {
  return a ? wf_expr_binary(r->module, WF_S_MUL, a, b) : b;
}

static const wf_expr *product(const reader *r, factors list) {
  const wf_expr *all = NULL;
  for (int i = 0; i < list.count; i++) all = times(r, all, list.items[i]);
  return all;
}

static void push(const reader *r, factors *list, const wf_expr *factor) {
  const wf_expr **grown = WF_NEW_ARRAY(r->tape->arena, const wf_expr *, list->count + 1);
  for (int i = 0; i < list->count; i++) grown[i] = list->items[i];
  grown[list->count++] = factor;
  list->items = grown;
}

// C as a product; a/b is a * (1/b).
static void flatten(const reader *r, const wf_expr *expr, factors *out) {
  if (expr->op == WF_S_MUL) {
    flatten(r, expr->args[0], out);
    flatten(r, expr->args[1], out);
  } else if (expr->op == WF_S_NEG) {
    push(r, out, wf_expr_const(r->module, expr->dtype, -1));
    flatten(r, expr->args[0], out);
  } else if (expr->op == WF_S_DIV && !wf_expr_is_const(expr->args[0], 1)) {
    flatten(r, expr->args[0], out);
    push(r, out, wf_expr_binary(r->module, WF_S_DIV, wf_expr_const(r->module, expr->dtype, 1), expr->args[1]));
  } else {
    push(r, out, expr);
  }
}

// ---- guards and reads ------------------------------------------------------------------------------------------------

static bool proved_inside(const reader *r, const wf_expr *read) {
  for (int i = 0; i < read->operand->rank; i++) {
    if (read->args[i]->op != WF_S_INDEX) continue;  // checked when it runs, as in the forward operation
    const wf_dim *index = read->args[i]->dim, *room = wf_dim_offset(wf_dim_sub(read->operand->shape[i], index), -1);
    if (wf_dim_prove_nonnegative(index, r->tape->arena, NULL) != WF_PROVED) return false;
    if (wf_dim_prove_nonnegative(room, r->tape->arena, NULL) != WF_PROVED) return false;
  }
  return true;
}

static bool depends_on_data(const wf_expr *read) {
  for (int i = 0; i < read->operand->rank; i++)
    if (read->args[i]->op != WF_S_INDEX) return true;
  return false;
}

static const wf_expr *zero_of(wf_module *module, wf_dtype type) {
  return wf_dtype_is_float(type) ? wf_zero(module, type) : wf_expr_const_int(module, type, 0);
}

// Reads that may leave their operand's box at points that are none get a default.
static const wf_expr *fill_read(void *context, const wf_expr *node) {
  const reader *r = context;
  if (node->op != WF_S_READ || node->has_default || (proved_inside(r, node) && !(depends_on_data(node) && r->inverse.guard_count))) return NULL;
  return wf_expr_read(r->module, node->operand, node->args, zero_of(r->module, node->dtype));
}

// From p to (q, k).
static const wf_expr *substitute(const reader *r, const wf_expr *expr) {
  return wf_expr_rewrite(r->module, expr, r->bindings, r->axis_count, fill_read, (void *)r);
}

// Does the read's box say exactly what the guard says? Its index is an axis p_i alone, over an axis as long.
static bool box_is_guard(const reader *r, const wf_expr *read, const wf_dim *guard) {
  for (int k = 0; k < read->operand->rank; k++)
    for (int i = 0; i < r->axis_count; i++) {
      if (read->args[k]->op != WF_S_INDEX || read->args[k]->dim != r->axes[i]->as_dim) continue;
      if (read->operand->shape[k] != r->axes[i]->extent) continue;
      const wf_dim *room = wf_dim_offset(wf_dim_sub(r->axes[i]->extent, r->inverse.values[i]), -1);
      if (guard == r->inverse.values[i] || guard == room) return true;
    }
  return false;
}

// Is the expression 0 wherever the guard fails, once such a read is 0 there?
static bool absorbs(const reader *r, const wf_expr *expr, const wf_dim *guard) {
  const wf_expr *const *args = expr->args;
  switch ((int)expr->op) {
    case WF_S_READ:
      return box_is_guard(r, expr, guard) && (!expr->has_default || wf_expr_is_const(args[expr->arg_count - 1], 0));
    case WF_S_CONST: return wf_expr_is_const(expr, 0);
    case WF_S_MUL: return absorbs(r, args[0], guard) || absorbs(r, args[1], guard);
    case WF_S_NEG: case WF_S_CAST: case WF_S_DIV: return absorbs(r, args[0], guard);
    case WF_S_ADD: case WF_S_SUB: return absorbs(r, args[0], guard) && absorbs(r, args[1], guard);
    case WF_S_SELECT: return absorbs(r, args[1], guard) && absorbs(r, args[2], guard);
    default: return false;
  }
}

// 0 * that is 0 whatever zeros the filled reads give: no operation here makes an infinity or NaN of a finite number.
static void note_unsafe(void *context, const wf_expr *node) {
  bool *safe = context;
  switch ((int)node->op) {
    case WF_S_DIV: case WF_S_SQRT: case WF_S_RSQRT: case WF_S_LOG: case WF_S_LOG2: case WF_S_POW: case WF_S_FLOORDIV: case WF_S_MOD:
      if (wf_expr_has_read(node->args[node->arg_count - 1])) *safe = false;
      break;
    default: break;
  }
}

static bool fills_safely(const wf_expr *expr) {
  bool safe = true;
  wf_expr_walk(expr, note_unsafe, &safe);
  return safe;
}

static const wf_expr *holds(const reader *r, const wf_guard *guard) {
  const wf_expr *zero = wf_expr_const_int(r->module, WF_I64, 0);
  const wf_dim *dim = guard->dim;
  if (guard->zero && dim->term_count && dim->terms[0].coefficient < 0) dim = wf_dim_scale(dim, -1);  // g == 0, not -g == 0
  return wf_expr_binary(r->module, guard->zero ? WF_S_EQ : WF_S_GE, wf_expr_index(r->module, dim), zero);
}

// The product over (q, k), 0 where a guard fails; done[] marks the guards that it has taken care of. A guard without free
// axes may be left to the factors outside the sum (final: the last chance).
static const wf_expr *guarded(const reader *r, const wf_expr *expr, bool *done, bool final) {
  const wf_expr *condition = NULL, *value = substitute(r, expr);
  for (int i = 0; i < r->inverse.guard_count; i++) {
    const wf_guard *guard = &r->inverse.guards[i];
    if (done[i]) continue;
    bool absorbed = !guard->zero && r->safe && absorbs(r, expr, guard->dim);
    if (!absorbed && !final && !mentions_free(r, guard->dim)) continue;
    done[i] = true;
    if (absorbed) continue;
    const wf_expr *test = holds(r, guard);
    condition = condition ? wf_expr_binary(r->module, WF_S_AND, condition, test) : test;
  }
  return condition ? wf_expr_select(r->module, condition, value, wf_zero(r->module, value->dtype)) : value;
}

// ---- storing a factor ------------------------------------------------------------------------------------------------

static wf_dtype storage_type(const reader *r, const wf_expr *factor) {
  wf_dtype type = r->op->results[0]->dtype;
  return wf_dtype_compute(type) == factor->dtype ? type : factor->dtype;
}

//   relu(x[i, c]) in a sum over i, o, c   ==>   %y.factor[i, c] = relu(x[i, c]);  %y.factor[i, c]
static const wf_expr *stored_over(const reader *r, const wf_expr *factor, const bool *used, const char *suffix) {
  const wf_atom **axes = WF_NEW_ARRAY(r->module->arena, const wf_atom *, r->axis_count);
  const wf_dim **indices = WF_NEW_ARRAY(r->tape->arena, const wf_dim *, r->axis_count);
  wf_binding *bindings = WF_NEW_ARRAY(r->tape->arena, wf_binding, r->axis_count);
  int count = 0;
  for (int i = 0; i < r->axis_count; i++) {
    if (!used[i]) continue;
    axes[count] = wf_new_axis(r->module, r->axes[i]->name, r->axes[i]->extent);
    indices[count] = r->axes[i]->as_dim;
    bindings[count] = (wf_binding){r->axes[i], axes[count]->as_dim};
    count++;
  }
  if (count > WF_MAX_RANK) return factor;
  const wf_expr *body = wf_expr_rewrite(r->module, factor, bindings, count, NULL, NULL);
  const char *name = wf_arena_printf(r->tape->arena, "%s.%s", r->op->results[0]->name, suffix);
  wf_value *value = wf_build_compute(r->tape->function, name, storage_type(r, factor), axes, count, WF_R_NONE, NULL, 0, body, r->op->loc);
  return wf_expr_read_dims(r->module, value, indices, NULL);
}

static void remove_factor(factors *list, int index) {
  for (int i = index; i + 1 < list->count; i++) list->items[i] = list->items[i + 1];
  list->count--;
}

// Of more than two factors, one that lives on axes of another joins it.
static bool merge_two(const reader *r, factors *inner) {
  for (int i = 0; i < inner->count; i++)
    for (int k = 0; k < inner->count; k++) {
      const bool *small = axes_used(r, inner->items[i]), *large = axes_used(r, inner->items[k]);
      if (i == k || !is_subset(r, small, large) || !lives_on_fewer(r, large)) continue;
      int first = i < k ? i : k, second = i < k ? k : i;
      inner->items[first] = times(r, inner->items[first], inner->items[second]);
      remove_factor(inner, second);
      return true;
    }
  return false;
}

static bool plain(const wf_expr *factor) {
  return factor->op == WF_S_READ || factor->op == WF_S_CONST || (factor->op == WF_S_CAST && factor->args[0]->op == WF_S_READ);
}

typedef struct cover { const reader *r; const bool *used; bool found; } cover;

static void note_cover(void *context, const wf_expr *node) {
  cover *c = context;
  if (node->op == WF_S_READ && is_subset(c->r, c->used, axes_used(c->r, node))) c->found = true;
}

// Stored, the factor is no larger than something that it reads.
static bool is_small(const reader *r, const wf_expr *factor) {
  cover c = {r, axes_used(r, factor), false};
  wf_expr_walk(factor, note_cover, &c);
  return c.found && lives_on_fewer(r, c.used);
}

static void simplify_contraction(const reader *r, factors *inner) {
  while (inner->count > 2 && merge_two(r, inner)) {}
  for (int i = 0; i < inner->count; i++)
    if (!plain(inner->items[i]) && is_small(r, inner->items[i])) inner->items[i] = stored_over(r, inner->items[i], axes_used(r, inner->items[i]), "factor");
}

// ---- parts --------------------------------------------------------------------------------------------------------

static const char *part_name(const reader *r) {
  return wf_arena_printf(r->tape->arena, "%s.part", wf_gradient_name(r->tape, r->adjoint->value));
}

// sum over the free axes, as a value of the operand's shape.
static wf_value *contract(const reader *r, const wf_expr *body) {
  const wf_adjoint *adjoint = r->adjoint;
  int rank = adjoint->value->rank;
  const wf_atom **axes = WF_NEW_ARRAY(r->module->arena, const wf_atom *, rank);
  wf_binding *bindings = WF_NEW_ARRAY(r->tape->arena, wf_binding, rank);
  for (int i = 0; i < rank; i++) {
    axes[i] = wf_new_axis(r->module, adjoint->axes[i]->name, adjoint->axes[i]->extent);
    bindings[i] = (wf_binding){adjoint->axes[i], axes[i]->as_dim};
  }
  body = wf_expr_rewrite(r->module, body, bindings, rank, NULL, NULL);
  return wf_build_compute(r->tape->function, part_name(r), adjoint->value->dtype, axes, rank, WF_R_SUM, r->inverse.free_axes,
                          r->inverse.free_count, body, r->op->loc);
}

static bool guards_vary(const reader *r) {
  for (int i = 0; i < r->inverse.guard_count; i++)
    if (mentions_free(r, r->inverse.guards[i].dim)) return true;
  return false;
}

// The sum of one over the free axes.
static const wf_expr *repeats(const reader *r, wf_dtype type) {
  const wf_dim *points = wf_dim_const(r->module->dims, 1);
  for (int i = 0; i < r->inverse.free_count; i++) points = wf_dim_mul(points, r->inverse.free_axes[i]->extent);
  int64_t count;
  if (wf_dim_is_const(points, &count)) return wf_expr_const(r->module, type, (double)count);
  return wf_expr_cast(r->module, type, wf_expr_index(r->module, points));
}

static void take_apart(const reader *r, const wf_expr *cotangent, factors *out_inner, factors *out_outer) {
  factors all = {0};
  *out_inner = *out_outer = (factors){0};
  flatten(r, cotangent, &all);
  for (int i = 0; i < all.count; i++) push(r, varies_inside(r, all.items[i]) ? out_inner : out_outer, all.items[i]);
}

static void add_sum(reader *r, const wf_expr *cotangent) {
  factors inner, outer;
  take_apart(r, cotangent, &inner, &outer);
  bool *done = WF_NEW_ARRAY(r->tape->arena, bool, r->inverse.guard_count);
  if (inner.count == 0 && guards_vary(r)) inner = outer, outer = (factors){0};
  const wf_expr *sum;
  if (inner.count) {
    simplify_contraction(r, &inner);
    r->safe = fills_safely(product(r, inner)) && (!outer.count || fills_safely(product(r, outer)));
    wf_value *value = contract(r, guarded(r, product(r, inner), done, false));
    sum = wf_expr_read_dims(r->module, value, r->adjoint->indices, NULL);
    if (!outer.count) r->adjoint->made = value;
  } else {
    sum = repeats(r, cotangent->dtype);
  }
  const wf_expr *rest = product(r, outer);
  const wf_expr *one = wf_expr_const(r->module, cotangent->dtype, 1);
  const wf_expr *scale = guarded(r, rest ? rest : one, done, true);
  if (wf_expr_is_const(scale, 1)) wf_tape_add(r->tape, r->adjoint, sum);
  else if (wf_expr_is_const(scale, -1)) wf_tape_add(r->tape, r->adjoint, wf_expr_unary(r->module, WF_S_NEG, sum));
  else if (scale->op == WF_S_SELECT && wf_expr_is_const(scale->args[1], 1))
    wf_tape_add(r->tape, r->adjoint, wf_expr_select(r->module, scale->args[0], sum, scale->args[2]));
  else wf_tape_add(r->tape, r->adjoint, times(r, scale, sum));
}

static void note_dear(void *context, const wf_expr *node) {
  bool *dear = context;
  switch ((int)node->op) {
    case WF_S_EXP: case WF_S_EXP2: case WF_S_LOG: case WF_S_LOG2: case WF_S_SIN: case WF_S_COS: case WF_S_TANH: case WF_S_ERF: case WF_S_POW:
      *dear = true;
      break;
    default: break;
  }
}

static bool *every_axis(const reader *r) {
  bool *used = WF_NEW_ARRAY(r->tape->arena, bool, r->axis_count);
  for (int i = 0; i < r->axis_count; i++) used[i] = true;
  return used;
}

// Every point has its own element. A part of the operand's box only, and dear: C is stored over the points and read under
// the guard. (A gate g of an LSTM cell reads z[i, o + g*h]; d_z would evaluate all four gates at each of its elements.)
static const wf_expr *move(reader *r, const wf_expr *cotangent) {
  bool dear = false;
  if (r->inverse.guard_count || depends_on_data(r->read)) wf_expr_walk(cotangent, note_dear, &dear);
  if (dear) cotangent = stored_over(r, cotangent, every_axis(r), "cotangent");
  r->safe = fills_safely(cotangent);
  bool *done = WF_NEW_ARRAY(r->tape->arena, bool, r->inverse.guard_count);
  return guarded(r, cotangent, done, true);
}

// ---- scatter ----------------------------------------------------------------------------------------------------

static bool *axes_of_read(const reader *r) {
  bool *used = WF_NEW_ARRAY(r->tape->arena, bool, r->axis_count);
  for (int i = 0; i < r->read->operand->rank; i++) {
    const bool *here = axes_used(r, r->read->args[i]);
    for (int k = 0; k < r->axis_count; k++) used[k] |= here[k];
  }
  return used;
}

// Axes that the read's indices do not mention are summed before: the scatter then moves each element once.
static const wf_expr *presum(const reader *r, const bool *used, const wf_expr *cotangent) {
  const wf_atom **axes = WF_NEW_ARRAY(r->module->arena, const wf_atom *, r->axis_count), **summed = WF_NEW_ARRAY(r->module->arena, const wf_atom *, r->axis_count);
  const wf_dim **indices = WF_NEW_ARRAY(r->tape->arena, const wf_dim *, r->axis_count);
  wf_binding *bindings = WF_NEW_ARRAY(r->tape->arena, wf_binding, r->axis_count);
  int kept = 0, gone = 0;
  for (int i = 0; i < r->axis_count; i++) {
    const wf_atom *fresh = wf_new_axis(r->module, r->axes[i]->name, r->axes[i]->extent);
    bindings[i] = (wf_binding){r->axes[i], fresh->as_dim};
    if (used[i]) axes[kept] = fresh, indices[kept++] = r->axes[i]->as_dim;
    else summed[gone++] = fresh;
  }
  if (!gone || kept > WF_MAX_RANK) return cotangent;
  const wf_expr *body = wf_expr_rewrite(r->module, cotangent, bindings, r->axis_count, NULL, NULL);
  const char *name = wf_arena_printf(r->tape->arena, "%s.cotangent", r->op->results[0]->name);
  wf_value *sum = wf_build_compute(r->tape->function, name, storage_type(r, cotangent), axes, kept, WF_R_SUM, summed, gone, body, r->op->loc);
  return wf_expr_read_dims(r->module, sum, indices, NULL);
}

//   %y[i, d] = %table[%ids[i], d]   ==>   d_table = scatter [i, d] [%ids[i], d] += d_y[i, d]
static void add_scatter(const reader *r, const wf_expr *cotangent) {
  const bool *used = axes_of_read(r);
  const wf_expr *body = presum(r, used, cotangent);
  bool all = body == cotangent;
  const wf_atom **axes = WF_NEW_ARRAY(r->module->arena, const wf_atom *, r->axis_count);
  wf_binding *bindings = WF_NEW_ARRAY(r->tape->arena, wf_binding, r->axis_count);
  int count = 0;
  for (int i = 0; i < r->axis_count; i++) {
    if (!used[i] && !all) continue;
    axes[count] = wf_new_axis(r->module, r->axes[i]->name, r->axes[i]->extent);
    bindings[count] = (wf_binding){r->axes[i], axes[count]->as_dim};
    count++;
  }
  wf_value *operand = r->read->operand;
  const wf_expr *target[WF_MAX_RANK];
  for (int i = 0; i < operand->rank; i++) target[i] = wf_expr_rewrite(r->module, r->read->args[i], bindings, count, NULL, NULL);
  body = wf_expr_rewrite(r->module, body, bindings, count, NULL, NULL);
  wf_value *made = wf_build_scatter(r->tape->function, part_name(r), NULL, operand->dtype, operand->rank, operand->shape, axes, count,
                                    WF_R_SUM, target, body, r->op->loc);
  wf_tape_add_value(r->tape, r->adjoint, made);
}

// ---- entry ------------------------------------------------------------------------------------------------------

// The gradient of an input takes the axis names of its last read: d_x[i, c].
static const char *const *names_of_axes(const reader *r) {
  const char **names = WF_NEW_ARRAY(r->tape->arena, const char *, r->read->operand->rank);
  for (int i = 0; i < r->read->operand->rank; i++) {
    const wf_atom *atom = r->read->args[i]->op == WF_S_INDEX ? wf_dim_as_atom(r->read->args[i]->dim) : NULL;
    if (atom && atom->kind == WF_ATOM_AXIS) names[i] = atom->name;
  }
  return names;
}

// Axes of the forward points that stay free come first, in their order: [o, r, s] for every stride of a convolution.
static void order_free_axes(reader *r) {
  wf_inverse *inverse = &r->inverse;
  const wf_atom **ordered = WF_NEW_ARRAY(r->module->arena, const wf_atom *, inverse->free_count);
  bool *taken = WF_NEW_ARRAY(r->tape->arena, bool, inverse->free_count);
  int count = 0;
  for (int i = 0; i < r->axis_count; i++)
    for (int k = 0; k < inverse->free_count; k++)
      if (!taken[k] && inverse->values[i] == inverse->free_axes[k]->as_dim) taken[k] = true, ordered[count++] = inverse->free_axes[k];
  for (int k = 0; k < inverse->free_count; k++)
    if (!taken[k]) ordered[count++] = inverse->free_axes[k];
  inverse->free_axes = ordered;
}

// Solves for the indices that do not depend on data; where that fixes every axis, the others are conditions:
//   %y[b] = %x[b, %t[b]]   ==>   d_x[b, o] = select(%t[b] == o, d_y[b], 0)
static bool invert(reader *r) {
  const wf_dim *maps[WF_MAX_RANK];
  const wf_atom *targets[WF_MAX_RANK];
  int count = 0;
  for (int i = 0; i < r->read->operand->rank; i++) {
    if (r->read->args[i]->op != WF_S_INDEX) continue;
    maps[count] = r->read->args[i]->dim;
    targets[count++] = r->adjoint->axes[i];
  }
  if (!wf_affine_invert(r->module->dims, r->module->arena, maps, targets, count, r->axes, r->axis_count, &r->inverse)) return false;
  order_free_axes(r);
  r->bindings = WF_NEW_ARRAY(r->tape->arena, wf_binding, r->axis_count);
  for (int i = 0; i < r->axis_count; i++) r->bindings[i] = (wf_binding){r->axes[i], r->inverse.values[i]};
  return !depends_on_data(r->read) || r->inverse.free_count == 0;
}

// part where every index that depends on data hits the element.
static const wf_expr *where_hit(const reader *r, const wf_expr *part) {
  const wf_expr *condition = NULL;
  for (int i = 0; i < r->read->operand->rank; i++) {
    if (r->read->args[i]->op == WF_S_INDEX) continue;
    const wf_expr *hit = wf_expr_binary(r->module, WF_S_EQ, substitute(r, r->read->args[i]), wf_expr_index(r->module, r->adjoint->indices[i]));
    condition = condition ? wf_expr_binary(r->module, WF_S_AND, condition, hit) : hit;
  }
  return condition ? wf_expr_select(r->module, condition, part, wf_zero(r->module, part->dtype)) : part;
}

void wf_adjoint_read(wf_tape *tape, const wf_op *op, const wf_atom *const *axes, int axis_count, const wf_expr *read, const wf_expr *cotangent) {
  reader r = {.tape = tape, .module = tape->module, .op = op, .axes = axes, .axis_count = axis_count, .read = read};
  r.adjoint = wf_tape_adjoint_named(tape, read->operand, names_of_axes(&r));
  if (!invert(&r)) {
    add_scatter(&r, cotangent);
  } else if (r.inverse.free_count) {
    add_sum(&r, cotangent);
  } else {
    wf_tape_add(tape, r.adjoint, where_hit(&r, move(&r, cotangent)));
  }
}
