// Which values an integer input may hold: those of `x` in table[x[i, j], d] must lie in the table's first extent.
#include "ir/ir.h"

typedef struct search {
  const wf_function *function;
  const wf_value *value;
  int64_t bound;                // 0: none found yet
  int depth;
} search;

static int64_t bound_in(const wf_function *function, const wf_value *value, int depth);

static void tighten(search *s, int64_t bound) {
  if (bound > 0 && (!s->bound || bound < s->bound)) s->bound = bound;
}

// The value read as it is, perhaps through casts between integers.
static bool is_plain_read(const wf_expr *expr, const wf_value *value) {
  while (expr->op == WF_S_CAST && !wf_dtype_is_float(expr->dtype)) expr = expr->args[0];
  return expr->op == WF_S_READ && expr->operand == value;
}

// An unguarded read whose index on some axis is the value.
static void visit(void *context, const wf_expr *node) {
  search *s = context;
  if (node->op != WF_S_READ || node->has_default) return;
  for (int axis = 0; axis < node->operand->rank; axis++) {
    int64_t extent;
    if (is_plain_read(node->args[axis], s->value) && wf_dim_is_const(node->operand->shape[axis], &extent)) tighten(s, extent);
  }
}

// What `op` hands on: a copy of the value, an argument of a callee, an input of a loop's region.
static void follow(search *s, const wf_op *op) {
  if (op->kind == WF_O_COMPUTE && op->combiner == WF_R_NONE && is_plain_read(op->body, s->value))
    tighten(s, bound_in(s->function, op->results[0], s->depth + 1));
  if (op->kind != WF_O_CALL && op->kind != WF_O_LOOP) return;
  int first = op->kind == WF_O_LOOP;   // a region's first input is the counter
  for (int i = 0; i < op->operand_count && first + i < op->region->inputs.count; i++)
    if (op->operands[i] == s->value) tighten(s, bound_in(op->region, op->region->inputs.items[first + i], s->depth + 1));
}

static int64_t bound_in(const wf_function *function, const wf_value *value, int depth) {
  search s = {function, value, 0, depth};
  if (depth > 64) return 0;
  for (int i = 0; i < function->ops.count; i++) {
    const wf_op *op = function->ops.items[i];
    if (op->body) wf_expr_walk(op->body, visit, &s);
    follow(&s, op);
  }
  return s.bound;
}

int64_t wf_input_bound(const wf_function *function, const wf_value *input) {
  return wf_dtype_is_int(input->dtype) ? bound_in(function, input, 0) : 0;
}
