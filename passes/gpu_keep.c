// Operands of a row that several members read at the very points that their threads make are read once:
//   a[i] = sum[j] x[i, j];  y[i, j] = x[i, j] - a[i]   ==>   k[i, j] = x[i, j];  a[i] = sum[j] k[i, j];  y[i, j] = k[i, j] - a[i]
// where k stays in registers.
#include "passes/gpu.h"

typedef struct query { const wf_op *reader; const wf_value *operand; int shared, count; wf_value *kept; wf_module *module; } query;

// Is this read of the operand at the reader's own point?
static bool at_own_point(const query *q, const wf_expr *node) {
  const wf_atom *const *own;
  if (node->op != WF_S_READ || node->operand != q->operand || node->has_default) return false;
  int count = wf_gpu_own_axes(q->reader, q->shared, &own);
  if (node->operand->rank != q->shared + count) return false;
  for (int a = 0; a < node->operand->rank; a++) {
    const wf_atom *axis = a < q->shared ? q->reader->axes[a] : own[a - q->shared];
    if (node->args[a]->op != WF_S_INDEX || node->args[a]->dim != axis->as_dim || axis->extent != node->operand->shape[a]) return false;
  }
  return true;
}

static void count_read(void *context, const wf_expr *node) {
  query *q = context;
  if (at_own_point(q, node)) q->count++;
}

static const wf_expr *read_kept(void *context, const wf_expr *node) {
  query *q = context;
  return at_own_point(q, node) ? wf_expr_read(q->module, q->kept, node->args, NULL) : NULL;
}

static bool is_made_here(wf_op *const *members, int count, const wf_value *value) {
  for (int i = 0; i < count; i++)
    if (members[i]->results[0] == value) return true;
  return false;
}

// Members that read the operand at their own points.
static int readers_of(wf_op *const *members, int count, int shared, const wf_value *operand) {
  int readers = 0;
  for (int i = 0; i < count; i++) {
    query q = {.reader = members[i], .operand = operand, .shared = shared};
    wf_expr_walk(members[i]->body, count_read, &q);
    readers += q.count > 0;
  }
  return readers;
}

static wf_op *make_copy(wf_function *function, wf_value *operand, wf_loc loc) {
  wf_module *module = function->module;
  const wf_atom *axes[WF_MAX_RANK];
  const wf_dim *indices[WF_MAX_RANK];
  for (int a = 0; a < operand->rank; a++) {
    indices[a] = wf_dim_axis(module->dims, "k", operand->shape[a]);
    axes[a] = wf_dim_as_atom(indices[a]);
  }
  const wf_expr *body = wf_expr_read_dims(module, operand, indices, NULL);
  wf_op *made = wf_build_compute(function, operand->name, operand->dtype, axes, operand->rank, WF_R_NONE, NULL, 0, body, loc)->def;
  function->ops.count--;   // it lives in the kernel only
  made->placement = WF_PLACE_AT;
  return made;
}

int wf_gpu_keep_operands(wf_function *function, wf_op **members, int count, int most, int shared, int lanes, int width) {
  wf_module *module = function->module;
  int made = 0;
  for (int i = made; i < count; i++) {
    for (int k = 0; k < members[i]->operand_count && count < most; k++) {
      wf_value *operand = members[i]->operands[k];
      if (operand->rank <= shared || is_made_here(members, count, operand) || readers_of(members, count, shared, operand) < 2) continue;
      const wf_dim *points = wf_dim_const(module->dims, 1);
      for (int a = shared; a < operand->rank; a++) points = wf_dim_mul(points, operand->shape[a]);
      if (wf_gpu_registers(points, lanes, width) == 0) continue;
      wf_op *copy = make_copy(function, operand, members[i]->loc);
      for (int m = 0; m < count; m++) {
        query q = {.reader = members[m], .operand = operand, .shared = shared, .kept = copy->results[0], .module = module};
        members[m]->body = wf_expr_rewrite(module, members[m]->body, NULL, 0, read_kept, &q);
        wf_op_refresh_operands(module, members[m]);
      }
      memmove(members + 1, members, sizeof *members * (size_t)count);
      members[0] = copy;
      count++;
      made++;
      i++;
      k = -1;
    }
  }
  return count;
}
