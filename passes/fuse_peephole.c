// Two rewrites before fusion that make values smaller or unneeded, each exact:
//   y = select(x <= 0, 0, x);  ... x[p] <= 0 ...   ==>   ... y[p] <= 0 ...     (x then lives nowhere but in y's kernel)
//   i64 argmax over at most 256 points             ==>   u8
#include "passes/fuse.h"

static bool is_zero(const wf_expr *expr) { return expr->op == WF_S_CONST && wf_expr_is_const(expr, 0); }

// x where the op is y[p] = select(x[p] <= 0, 0, x[p]), else NULL.
static wf_value *clipped_operand(const wf_op *op) {
  const wf_expr *body = op->body;
  if (!wf_is_elementwise(op) || body->op != WF_S_SELECT || !is_zero(body->args[1])) return NULL;
  const wf_expr *x = body->args[2], *test = body->args[0];
  if (x->op != WF_S_READ || x->has_default || test->op != WF_S_LE || test->args[0] != x || !is_zero(test->args[1])) return NULL;
  if (x->operand->dtype != op->results[0]->dtype || !wf_reads_at(op, x->operand, op->axis_count) || x->operand->rank != op->axis_count) return NULL;
  for (int i = 0; i < op->axis_count; i++)
    if (x->operand->shape[i] != op->results[0]->shape[i]) return NULL;
  return x->operand;
}

typedef struct narrowing { wf_module *module; wf_value *from, *to; } narrowing;

static const wf_expr *test_clipped(void *context, const wf_expr *node) {
  narrowing *n = context;
  if (node->op != WF_S_READ || node->operand != n->from || node->has_default) return NULL;
  return wf_expr_read(n->module, n->to, node->args, NULL);
}

// Rewrites comparisons x <= 0 below expr; wf_expr_rewrite hands leaves only, so the walk is our own.
static const wf_expr *rewrite_tests(narrowing *n, const wf_expr *expr) {
  if (expr->op == WF_S_LE && is_zero(expr->args[1]) && expr->args[0]->op == WF_S_READ && expr->args[0]->operand == n->from)
    return wf_expr_rewrite(n->module, expr, NULL, 0, test_clipped, n);
  if (expr->arg_count == 0 || expr->op == WF_S_READ || expr->op == WF_S_RANDOM || expr->op == WF_S_CAST) return expr;
  const wf_expr *args[8];
  bool changed = false;
  for (int i = 0; i < expr->arg_count; i++) {
    args[i] = rewrite_tests(n, expr->args[i]);
    changed |= args[i] != expr->args[i];
  }
  return changed ? wf_expr_make(n->module, expr->op, args, expr->arg_count) : expr;
}

static void use_clipped(wf_fusion *fusion, int index) {
  wf_op *op = fusion->ops[index];
  narrowing n = {fusion->module, clipped_operand(op), op->results[0]};
  if (!n.from || fusion->def[n.from->id] < 0) return;
  int def = fusion->def[n.from->id];
  for (int u = 0; u < fusion->users[def].count; u++) {
    wf_op *user = fusion->ops[fusion->users[def].items[u]];
    if (user == op || user->kind != WF_O_COMPUTE || fusion->users[def].items[u] < index) continue;
    if (wf_expr_cost(user->body) > 64) continue;   // the walk visits shared nodes again
    user->body = rewrite_tests(&n, user->body);
    wf_op_refresh_operands(fusion->module, user);
  }
  wf_fusion_refresh(fusion);
}

// ---- argmax as u8 -----------------------------------------------------------------------------------------------

static const wf_expr *read_narrow(void *context, const wf_expr *node) {
  narrowing *n = context;
  if (node->op != WF_S_READ || node->operand != n->from) return NULL;
  return wf_expr_cast(n->module, WF_I64, wf_expr_read(n->module, n->to, node->args, NULL));
}

static bool plain_reads_only(const wf_fusion *fusion, int index) {
  for (int u = 0; u < fusion->users[index].count; u++)
    if (fusion->ops[fusion->users[index].items[u]]->kind != WF_O_COMPUTE) return false;
  return fusion->users[index].count > 0;
}

typedef struct default_query { const wf_value *value; bool found; } default_query;

static void find_default(void *context, const wf_expr *node) {
  default_query *query = context;
  if (node->op == WF_S_READ && node->operand == query->value && node->has_default) query->found = true;
}

// cast(i64, u8 read) == index with index in 0..255 compares as bytes.
static const wf_expr *compare_bytes(narrowing *n, const wf_expr *expr) {
  if (expr->arg_count == 0 || expr->op == WF_S_READ || expr->op == WF_S_RANDOM) return expr;
  if (expr->op == WF_S_EQ) {
    for (int side = 0; side < 2; side++) {
      const wf_expr *wide = expr->args[side], *other = expr->args[1 - side];
      if (wide->op != WF_S_CAST || wide->args[0]->op != WF_S_READ || wide->args[0]->operand != n->to) continue;
      if (other->op == WF_S_INDEX) {
        wf_interval range = wf_dim_range(other->dim);
        if (range.low < 0 || range.high > 255) continue;
      } else if (other->op != WF_S_CONST || other->integer < 0 || other->integer > 255) {
        continue;
      }
      return wf_expr_binary(n->module, WF_S_EQ, wide->args[0], wf_expr_cast(n->module, WF_U8, other));
    }
  }
  if (expr->op == WF_S_CAST) return expr;
  const wf_expr *args[8];
  bool changed = false;
  for (int i = 0; i < expr->arg_count; i++) {
    args[i] = compare_bytes(n, expr->args[i]);
    changed |= args[i] != expr->args[i];
  }
  return changed ? wf_expr_make(n->module, expr->op, args, expr->arg_count) : expr;
}

static void narrow_arg(wf_fusion *fusion, int index) {
  wf_op *op = fusion->ops[index];
  if (op->kind != WF_O_COMPUTE) return;
  wf_value *old = op->results[0];
  if ((op->combiner != WF_R_ARGMAX && op->combiner != WF_R_ARGMIN) || old->dtype != WF_I64) return;
  double window = 1;
  for (int r = 0; r < op->reduction_count; r++) {
    int64_t extent;
    if (!wf_dim_is_const(op->reduction_axes[r]->extent, &extent)) return;
    window *= (double)extent;
  }
  if (window > 256 || fusion->wanted[old->id] || !plain_reads_only(fusion, index)) return;
  for (int u = 0; u < fusion->users[index].count; u++) {
    default_query query = {old, false};
    wf_expr_walk(fusion->ops[fusion->users[index].items[u]]->body, find_default, &query);
    if (query.found) return;
  }
  old->dtype = WF_U8;   // the value stays itself; its reads were made for i64 and are made again
  narrowing n = {fusion->module, old, old};
  for (int u = 0; u < fusion->users[index].count; u++) {
    wf_op *user = fusion->ops[fusion->users[index].items[u]];
    user->body = wf_expr_rewrite(fusion->module, user->body, NULL, 0, read_narrow, &n);
    if (wf_expr_cost(user->body) <= 64) user->body = compare_bytes(&n, user->body);
    wf_op_refresh_operands(fusion->module, user);
  }
}

void wf_fusion_peephole(wf_fusion *fusion) {
  for (int i = 0; i < fusion->op_count; i++) {
    if (fusion->ops[i] && wf_is_elementwise(fusion->ops[i])) use_clipped(fusion, i);
    if (fusion->ops[i]) narrow_arg(fusion, i);
  }
}
