// How addresses move with an axis: what decides which axis the vector lanes run along.
#include "passes/draft.h"

wf_access_step wf_access_step_of_value(wf_module *module, const wf_value *value, const wf_dim *const *indices, const wf_atom *axis) {
  bool mentioned = false;
  if (!axis) return WF_ACCESS_FIXED;
  for (int i = 0; i < value->rank; i++) mentioned |= wf_dim_mentions(indices[i], axis);
  if (!mentioned) return WF_ACCESS_FIXED;
  const wf_layout *layout = value->layout;
  if (!layout) layout = wf_layout_row_major(module->dims, module->arena, value->rank, value->shape);
  const wf_dim *offset = wf_layout_offset(module->dims, layout, indices);
  const wf_dim *step = NULL, *rest = NULL;
  if (!offset || !wf_dim_split(offset, axis, &step, &rest)) return WF_ACCESS_FAR;
  if (wf_dim_equals_const(step, 0)) return WF_ACCESS_FIXED;
  return wf_dim_equals_const(step, 1) ? WF_ACCESS_UNIT : WF_ACCESS_FAR;
}

typedef struct mention_query { const wf_atom *axis; bool found; } mention_query;

static void find_mention(void *context, const wf_expr *node) {
  mention_query *query = context;
  if (node->op == WF_S_INDEX && wf_dim_mentions(node->dim, query->axis)) query->found = true;
}

wf_access_step wf_access_step_of(wf_module *module, const wf_expr *read, const wf_atom *axis) {
  const wf_dim *indices[WF_MAX_RANK];
  for (int i = 0; i < read->operand->rank; i++) {
    indices[i] = read->args[i]->op == WF_S_INDEX ? read->args[i]->dim : wf_dim_const(module->dims, 0);
    if (read->args[i]->op == WF_S_INDEX || !axis) continue;
    mention_query query = {axis, false};
    wf_expr_walk(read->args[i], find_mention, &query);
    if (query.found) return WF_ACCESS_FAR;
  }
  return wf_access_step_of_value(module, read->operand, indices, axis);
}

typedef struct cost_query { wf_module *module; const wf_atom *axis; double lanes, cost; } cost_query;

static void add_cost(void *context, const wf_expr *node) {
  cost_query *query = context;
  if (node->op == WF_S_INDEX || node->op == WF_S_CONST) return;
  if (node->op != WF_S_READ) {
    bool heavy = node->op == WF_S_EXP || node->op == WF_S_LOG || node->op == WF_S_TANH || node->op == WF_S_POW ||
                 node->op == WF_S_ERF || node->op == WF_S_SIN || node->op == WF_S_COS || node->op == WF_S_RANDOM;
    query->cost += (heavy ? 16.0 : 1.0) / query->lanes;
    return;
  }
  wf_access_step step = wf_access_step_of(query->module, node, query->axis);
  query->cost += step == WF_ACCESS_FAR ? 1.5 : 1.0 / query->lanes;
}

double wf_access_cost(wf_module *module, const wf_expr *body, const wf_atom *axis, double lanes) {
  cost_query query = {module, axis, lanes, 0};
  wf_expr_walk(body, add_cost, &query);
  return query.cost;
}

// ---- points ------------------------------------------------------------------------------------------------------

bool wf_same_points(const wf_op *a, const wf_op *b) {
  if (a->axis_count != b->axis_count) return false;
  for (int i = 0; i < a->axis_count; i++)
    if (a->axes[i]->extent != b->axes[i]->extent) return false;
  return true;
}

typedef struct read_query { const wf_op *op; const wf_value *value; int leading; bool fine; } read_query;

static void check_read(void *context, const wf_expr *node) {
  read_query *query = context;
  if (node->op != WF_S_READ || node->operand != query->value) return;
  for (int i = 0; i < query->leading; i++)
    if (i >= query->op->axis_count || node->args[i]->op != WF_S_INDEX || node->args[i]->dim != query->op->axes[i]->as_dim)
      query->fine = false;
}

bool wf_reads_at(const wf_op *op, const wf_value *value, int leading) {
  read_query query = {op, value, leading, leading <= value->rank};
  wf_expr_walk(op->body, check_read, &query);
  return query.fine;
}
