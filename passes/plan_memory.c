// plan-memory: which values may lie in the storage of a value that dies where they are made. Lifetimes themselves are
// the plan's; this pass only decides what a kernel may do in place, which needs its text: every read of the dying buffer
// must be at the very index that is stored, in the same block, at or before the store.
#include "passes/passes.h"

typedef struct in_place { const wf_value *from, *to; bool safe; } in_place;

static bool same_indices(const wf_expr *const *a, const wf_expr *const *b, int rank) {
  for (int i = 0; i < rank; i++)
    if (a[i] != b[i]) return false;
  return true;
}

typedef struct read_check { in_place *query; const wf_block *block; int at; } read_check;

// A read of `from` in statement `at` is fine where a store to `to` at the same index follows in the block (or is it),
// and none came before.
static void check_read(void *context, const wf_expr *node) {
  read_check *check = context;
  if (node->op != WF_S_READ || node->operand != check->query->from) return;
  bool follows = false;
  for (int i = 0; i < check->block->list.count; i++) {
    const wf_stmt *stmt = check->block->list.items[i];
    if (stmt->kind != WF_STMT_STORE || stmt->buffer != check->query->to) continue;
    bool same = same_indices(stmt->indices, node->args, node->operand->rank);
    if (i < check->at) check->query->safe = false;
    else follows |= same && stmt->combiner == WF_R_NONE;
  }
  if (!follows) check->query->safe = false;
}

static void check_expr(in_place *query, const wf_block *block, int at, const wf_expr *expr) {
  read_check check = {query, block, at};
  wf_expr_walk(expr, check_read, &check);
}

static void check_block(in_place *query, const wf_block *block) {
  for (int i = 0; i < block->list.count && query->safe; i++) {
    const wf_stmt *stmt = block->list.items[i];
    switch (stmt->kind) {
    case WF_STMT_FOR: check_block(query, &stmt->body); break;
    case WF_STMT_IF:
      check_expr(query, block, i, stmt->condition);
      check_block(query, &stmt->body);
      break;
    case WF_STMT_ALLOC: case WF_STMT_BARRIER: case WF_STMT_REDUCE: break;
    case WF_STMT_STORE:
      for (int j = 0; j < stmt->buffer->rank; j++) check_expr(query, block, i, stmt->indices[j]);
      check_expr(query, block, i, stmt->value);
      break;
    }
  }
}

static bool same_storage(const wf_value *a, const wf_value *b) {
  if (a->dtype != b->dtype || a->rank != b->rank) return false;
  for (int i = 0; i < a->rank; i++)
    if (a->shape[i] != b->shape[i]) return false;
  if (a->layout && b->layout) return wf_layout_equal(a->layout, b->layout);
  const wf_layout *layout = a->layout ? a->layout : b->layout;
  return !layout || wf_layout_is_row_major(layout, a->shape);
}

// May `launch` write its result number `to` over its operand number `from`? (-1: the launch does not read the target.)
static bool may_overwrite(const wf_op *launch, int from, int to) {
  const wf_kernel *kernel = launch->kernel;
  if (from < 0) return true;
  in_place query = {kernel->params.items[from], kernel->params.items[launch->operand_count + to], true};
  for (int i = 0; i < kernel->sections.count; i++) check_block(&query, kernel->sections.items[i]);
  return query.safe;
}

static int operand_of(const wf_op *op, const wf_value *value) {
  for (int i = 0; i < op->operand_count; i++)
    if (op->operands[i] == value) return i;
  return -1;
}

static bool is_result(const wf_function *function, const wf_value *value) {
  for (int i = 0; i < function->results.count; i++)
    if (function->results.items[i].value == value) return true;
  return false;
}

static int position_of(const wf_function *function, const wf_op *op) {
  for (int i = 0; i < function->ops.count; i++)
    if (function->ops.items[i] == op) return i;
  return -1;
}

// The last operation that reads the value; `except` is left out.
static int last_read(const wf_function *function, const wf_value *value, const wf_op *except) {
  int last = -1;
  for (int i = 0; i < function->ops.count; i++)
    if (function->ops.items[i] != except && operand_of(function->ops.items[i], value) >= 0) last = i;
  return last;
}

// update p = v: v is written straight into p where its launch is the last to read p.
static void plan_update(wf_function *function, wf_op *update) {
  wf_value *target = update->operands[0], *value = update->operands[1];
  wf_op *launch = value->def;
  if (!launch || launch->kind != WF_O_LAUNCH || value->alias_of || is_result(function, value) || is_result(function, target)) return;
  if (!same_storage(value, target) || last_read(function, target, update) > position_of(function, launch)) return;
  if (may_overwrite(launch, operand_of(launch, target), value->result_index)) value->alias_of = target;
}

static bool taken(const wf_op *launch, const wf_value *operand) {
  for (int r = 0; r < launch->result_count; r++)
    if (launch->results[r]->alias_of == operand) return true;
  return false;
}

static void plan_launch(wf_function *function, wf_op *launch, int position) {
  for (int r = 0; r < launch->result_count; r++) {
    wf_value *result = launch->results[r];
    if (result->alias_of || is_result(function, result)) continue;
    for (int i = 0; i < launch->operand_count && !result->alias_of; i++) {
      wf_value *operand = launch->operands[i];
      if (!operand->def || operand->def->kind != WF_O_LAUNCH || is_result(function, operand) || taken(launch, operand)) continue;
      bool in_parameter = false;   // storage that outlives the function's end
      for (const wf_value *root = operand; root; root = root->alias_of) in_parameter |= root->def == NULL;
      if (in_parameter || !same_storage(result, operand) || last_read(function, operand, NULL) != position) continue;
      if (may_overwrite(launch, i, r)) result->alias_of = operand;
    }
  }
}

bool wf_pass_plan_memory(wf_module *module, const wf_pass_options *options) {
  for (int f = 0; f < module->functions.count; f++) {
    wf_function *function = module->functions.items[f];
    for (int i = 0; i < function->ops.count; i++)
      if (function->ops.items[i]->kind == WF_O_UPDATE) plan_update(function, function->ops.items[i]);
    for (int i = 0; i < function->ops.count; i++)
      if (function->ops.items[i]->kind == WF_O_LAUNCH) plan_launch(function, function->ops.items[i], i);
  }
  return true;
}
