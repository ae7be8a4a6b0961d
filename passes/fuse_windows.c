// Fusion of windows (pooling) with the contraction whose points they read, and the rewrite that spares the points a place in memory.
#include "ir/affine.h"
#include "passes/draft_point.h"
#include "passes/fuse.h"

enum { MOST_MEMBERS = 60 };

static int members_of(const wf_fusion *fusion, int cluster, wf_op **out) {
  int count = 0;
  for (int i = cluster; i >= 0; i = fusion->next[i])
    if (fusion->ops[i]) out[count++] = fusion->ops[i];
  return count;
}

// Is a value of cluster `made` needed beyond the two clusters?
static bool read_elsewhere(const wf_fusion *fusion, int made, int reader) {
  for (int i = made; i >= 0; i = fusion->next[i]) {
    if (!fusion->ops[i]) continue;
    if (fusion->wanted[fusion->ops[i]->results[0]->id]) return true;
    for (int u = 0; u < fusion->users[i].count; u++) {
      int user = fusion->cluster[fusion->users[i].items[u]];
      if (user != made && user != reader) return true;
    }
  }
  return false;
}

// Does one op read both a window and the points? Then they are rows rather (softmax), and the points are stored for it anyway.
static bool read_together(const wf_fusion *fusion, int made, int reader) {
  for (int i = reader; i >= 0; i = fusion->next[i]) {
    if (!fusion->ops[i]) continue;
    for (int u = 0; u < fusion->users[i].count; u++) {
      int user = fusion->users[i].items[u];
      for (int k = 0; fusion->cluster[user] != reader && k < fusion->ops[user]->operand_count; k++) {
        int def = fusion->def[fusion->ops[user]->operands[k]->id];
        if (def >= 0 && fusion->cluster[def] == made) return true;
      }
    }
  }
  return false;
}

static bool is_epilogue(wf_op *const *members, int count) {
  if (members[0]->kind != WF_O_COMPUTE || members[0]->combiner != WF_R_SUM) return false;
  for (int i = 1; i < count; i++)
    if (!wf_is_elementwise(members[i]) || !wf_same_points(members[i], members[0])) return false;
  return true;
}

bool wf_join_windows(wf_fusion *fusion, int index) {
  const wf_op *op = fusion->ops[index];
  int mine = fusion->cluster[index];
  if (op->kind != WF_O_COMPUTE || op->combiner == WF_R_NONE || fusion->rowwise[mine]) return false;
  for (int k = 0; k < op->operand_count; k++) {
    int def = fusion->def[op->operands[k]->id];
    if (def < 0 || fusion->cluster[def] == mine || fusion->rowwise[fusion->cluster[def]]) continue;
    int cluster = fusion->cluster[def], point_count, count;
    wf_op *points[MOST_MEMBERS], *members[MOST_MEMBERS];
    wf_windows windows;
    wf_contraction c;
    wf_contraction_plan plan;
    if (wf_fusion_size(fusion, cluster) + wf_fusion_size(fusion, mine) > MOST_MEMBERS) continue;
    point_count = members_of(fusion, cluster, points);
    count = members_of(fusion, mine, members);
    if (!is_epilogue(points, point_count) || !wf_find_windows(fusion->module, points, point_count, members, count, &windows)) continue;
    if (wf_fusion_path(fusion, cluster, mine) || wf_fusion_reaches(fusion, mine, cluster)) continue;
    if (read_together(fusion, cluster, mine)) continue;
    bool kept = read_elsewhere(fusion, cluster, mine);
    if (!wf_fit_windows(fusion->module, points[0], fusion->target, kept, false, &windows, &c, &plan)) continue;
    wf_fusion_join(fusion, cluster, mine);
    return true;
  }
  return false;
}

// ---- the best of a window ---------------------------------------------------------------------------------------
//
//   m[q] = max[w] x[f(q, w)];  a[q] = argmax[w] x[f(q, w)]
//   select(x[p] <= 0, 0, select(a[q(p)] == w(p), g, 0))   ==>   select(m[q(p)] <= 0, 0, select(a[q(p)] == w(p), g, 0))
//
// where q(p), w(p) invert f: both are 0 unless a says that p is the best of its window, and then x[p] is m[q(p)]. That is the
// gradient of relu and max pool, which so needs the pooled values only.

typedef struct best_query {
  wf_fusion *fusion;
  const wf_value *x;
  const wf_expr *const *point;   // indices of the read of x
  const wf_expr *found;          // m[q(p)]
} best_query;

static const wf_expr *strip(const wf_expr *expr) {
  while (expr->op == WF_S_CAST && !wf_dtype_is_float(expr->dtype) && !wf_dtype_is_float(expr->args[0]->dtype)) expr = expr->args[0];
  return expr;
}

static wf_op *maker(const best_query *query, const wf_value *value) {
  int def = query->fusion->def[value->id];
  return def < 0 ? NULL : query->fusion->ops[def];
}

// The maximum beside that argmax of x.
static wf_op *best_of(const best_query *query, const wf_op *arg) {
  int def = query->fusion->def[query->x->id];
  for (int u = 0; def >= 0 && u < query->fusion->users[def].count; u++) {
    wf_op *plain = query->fusion->ops[query->fusion->users[def].items[u]];
    if (plain->kind == WF_O_COMPUTE && plain != arg && wf_same_points(plain, arg) && plain->reduction_count == arg->reduction_count &&
        wf_is_best_of(query->fusion->module, plain, arg) && plain->results[0]->dtype == query->x->dtype)
      return plain;
  }
  return NULL;
}

// Is `read` a[q(p)] and `number` w(p)?
static bool inverts(const best_query *query, const wf_op *arg, const wf_expr *read, const wf_expr *place) {
  wf_module *module = query->fusion->module;
  const wf_expr *body = arg->body;
  const wf_atom *axes[2 * WF_MAX_RANK], *targets[WF_MAX_RANK];
  const wf_dim *maps[WF_MAX_RANK];
  wf_binding at[WF_MAX_RANK];
  wf_inverse inverse;
  int count = 0, rank = query->x->rank;
  if (body->op != WF_S_READ || body->operand != query->x || body->has_default || place->op != WF_S_INDEX) return false;
  for (int i = 0; i < arg->axis_count; i++) axes[count++] = arg->axes[i];
  for (int i = 0; i < arg->reduction_count; i++) axes[count++] = arg->reduction_axes[i];
  for (int d = 0; d < rank; d++) {
    if (body->args[d]->op != WF_S_INDEX || query->point[d]->op != WF_S_INDEX) return false;
    maps[d] = body->args[d]->dim;
    targets[d] = wf_dim_as_atom(wf_dim_axis(module->dims, "p", query->x->shape[d]));
    at[d] = (wf_binding){targets[d], query->point[d]->dim};
  }
  if (!wf_affine_invert(module->dims, module->arena, maps, targets, rank, axes, count, &inverse) || inverse.free_count || inverse.guard_count) return false;
  const wf_dim *number = wf_dim_const(module->dims, 0);
  for (int i = 0; i < count; i++) {
    const wf_dim *value = wf_dim_substitute(inverse.values[i], at, rank);
    if (i >= arg->axis_count) number = wf_dim_add(wf_dim_mul(number, axes[i]->extent), value);
    else if (read->args[i]->op != WF_S_INDEX || read->args[i]->dim != value) return false;
  }
  return number == place->dim;
}

// Looks for a[q(p)] == w(p) in the condition of a branch.
static bool says_best(best_query *query, const wf_expr *condition) {
  if (condition->op == WF_S_AND) return says_best(query, condition->args[0]) || says_best(query, condition->args[1]);
  if (condition->op != WF_S_EQ) return false;
  for (int side = 0; side < 2; side++) {
    const wf_expr *read = strip(condition->args[side]), *place = strip(condition->args[1 - side]);
    wf_op *arg = read->op == WF_S_READ && !read->has_default ? maker(query, read->operand) : NULL;
    if (!arg || arg->kind != WF_O_COMPUTE || arg->combiner != WF_R_ARGMAX || !inverts(query, arg, read, place)) continue;
    wf_op *best = best_of(query, arg);
    if (!best) continue;
    query->found = wf_expr_read(query->fusion->module, best->results[0], read->args, NULL);
    return true;
  }
  return false;
}

static bool is_zero(const wf_expr *expr) { return expr->op == WF_S_CONST && wf_expr_is_const(expr, 0); }

// select(x[p] <= 0, 0, rest) with a rest that is 0 wherever p is not the best of its window.
static const wf_expr *read_best(best_query *query, const wf_expr *expr) {
  if (expr->op != WF_S_SELECT || !is_zero(expr->args[1])) return NULL;
  const wf_expr *test = expr->args[0], *rest = expr->args[2];
  if (test->op != WF_S_LE || !is_zero(test->args[1]) || test->args[0]->op != WF_S_READ || test->args[0]->has_default) return NULL;
  query->x = test->args[0]->operand;
  query->point = test->args[0]->args;
  if (rest->op != WF_S_SELECT || !is_zero(rest->args[2]) || !says_best(query, rest->args[0])) return NULL;
  wf_module *module = query->fusion->module;
  return wf_expr_select(module, wf_expr_binary(module, WF_S_LE, query->found, test->args[1]), expr->args[1], rest);
}

// Anywhere in a body; the walk is our own because wf_expr_rewrite hands leaves only.
static const wf_expr *read_bests(best_query *query, const wf_expr *expr) {
  if (expr->arg_count == 0 || expr->op == WF_S_READ || expr->op == WF_S_RANDOM || expr->op == WF_S_CAST || expr->op == WF_S_STOP) return expr;
  const wf_expr *found = read_best(query, expr), *args[8];
  if (found) return found;
  bool changed = false;
  for (int i = 0; i < expr->arg_count; i++) {
    args[i] = read_bests(query, expr->args[i]);
    changed |= args[i] != expr->args[i];
  }
  return changed ? wf_expr_make(query->fusion->module, expr->op, args, expr->arg_count) : expr;
}

void wf_fusion_read_best(wf_fusion *fusion) {
  for (int i = 0; i < fusion->op_count; i++) {
    wf_op *op = fusion->ops[i];
    best_query query = {.fusion = fusion};
    if (!op || op->kind != WF_O_COMPUTE || wf_expr_cost(op->body) > 64) continue;   // the walk visits shared nodes again
    const wf_expr *body = read_bests(&query, op->body);
    if (body == op->body) continue;
    op->body = body;
    wf_op_refresh_operands(fusion->module, op);
    wf_fusion_refresh(fusion);
  }
}
