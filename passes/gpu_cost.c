// What accesses of neighbouring threads cost. A warp's access moves sectors of 32 bytes: neighbours in memory share one,
// a far step takes one a thread, one address for all takes next to nothing.
#include "passes/gpu.h"

enum { SECTOR = 32 };

typedef struct query { wf_module *module; const wf_atom *axis; double cost; } query;

static double access(wf_access_step step, wf_dtype type) {
  switch (step) {
  case WF_ACCESS_FIXED: return 0.5;
  case WF_ACCESS_UNIT: return wf_dtype_bytes(type);
  case WF_ACCESS_FAR: break;
  }
  return SECTOR;
}

static void add(void *context, const wf_expr *node) {
  query *q = context;
  if (node->op == WF_S_INDEX || node->op == WF_S_CONST) return;
  if (node->op == WF_S_READ) q->cost += access(wf_access_step_of(q->module, node, q->axis), node->operand->dtype);
  else q->cost += 0.125;
}

double wf_gpu_access_cost(wf_module *module, const wf_op *member, const wf_atom *axis, bool stores) {
  query q = {module, axis, 0};
  double points = 1;
  wf_expr_walk(member->body, add, &q);
  for (int r = 0; r < member->reduction_count; r++) points *= wf_draft_estimate(member->reduction_axes[r]->extent);
  double cost = q.cost * points;
  if (!stores) return cost;
  const wf_dim *indices[WF_MAX_RANK];
  for (int a = 0; a < member->axis_count; a++) indices[a] = member->axes[a]->as_dim;
  return cost + access(wf_access_step_of_value(module, member->results[0], indices, axis), member->results[0]->dtype);
}

double wf_gpu_nest_cost(wf_module *module, const wf_op *op) {
  double points = 1, best = 0;
  bool known = false;
  for (int a = 0; a < op->axis_count + op->reduction_count; a++) {
    const wf_atom *axis = a < op->axis_count ? op->axes[a] : op->reduction_axes[a - op->axis_count];
    double cost = wf_gpu_access_cost(module, op, axis, a < op->axis_count);
    if (!known || cost < best) best = cost;
    known = true;
  }
  for (int a = 0; a < op->axis_count; a++) points *= wf_draft_estimate(op->axes[a]->extent);
  return points * best;
}

int wf_gpu_fastest_axis(wf_draft *draft, wf_op *const *members, int count, int shared) {
  int best = -1;
  double least = 0;
  for (int axis = shared - 1; axis >= 0; axis--) {
    if (wf_dim_equals_const(members[0]->axes[axis]->extent, 1)) continue;
    double cost = 0;
    for (int i = 0; i < count; i++) cost += wf_gpu_access_cost(draft->module, members[i], members[i]->axes[axis], wf_draft_buffer(draft, members[i]->results[0]) != NULL);
    if (best >= 0 && cost >= least) continue;
    best = axis;
    least = cost;
  }
  return best;
}
