// The road of one contraction: classify, cut k where there are too few tasks, plan, build.
#include "passes/schedule.h"

enum { ENOUGH_TASKS = 8 };

static double estimate(const wf_composite *composite) { return composite->count ? wf_draft_estimate(composite->extent) : 1; }

static double tasks_of(const wf_contraction *c, const wf_contraction_plan *plan) {
  double m = (estimate(&c->m) + plan->mc - 1) / plan->mc, n = (estimate(&c->n) + plan->nc - 1) / plan->nc;
  return (double)(int64_t)m * (double)(int64_t)n * estimate(&c->batch);
}

typedef struct request {         // what wf_tile_contraction was asked for
  const char *name;
  wf_op *const *members; int member_count;
  wf_value *const *results; int result_count;
  bool is_part;                  // of a sum that was cut: it is not cut again
} request;

static bool tile_one(wf_tile *tile, const request *r);

static void tile_part(wf_tile *tile, wf_op *partial) {
  request part = {partial->results[0]->name, &partial, 1, partial->results, 1, true};
  if (!tile_one(tile, &part)) wf_tile_op(tile, partial);
}

// The parts become a launch before; the op is then a short sum of them.
static bool cut(wf_tile *tile, const request *r, int parts) {
  wf_op *partial;
  if (r->is_part || !wf_split_reduction(tile->function, r->members[0], parts, &partial)) return false;
  tile_part(tile, partial);
  return true;
}

// Sums are cut along their first axis.
static void put_first(wf_tile *tile, wf_op *op, const wf_atom *axis) {
  const wf_atom **axes = WF_NEW_ARRAY(tile->module->arena, const wf_atom *, op->reduction_count);
  int count = 1;
  axes[0] = axis;
  for (int i = 0; i < op->reduction_count; i++)
    if (op->reduction_axes[i] != axis) axes[count++] = op->reduction_axes[i];
  op->reduction_axes = axes;
}

// op[p] = sum[s] part[s, p];  part[s, p] = sum[r] inner[r, s, p]   ==>   op[p] = sum[s, r] inner[r, s, p]
static void sum_at_once(wf_tile *tile, wf_op *op, const wf_op *part) {
  wf_module *module = tile->module;
  const wf_atom **axes = WF_NEW_ARRAY(module->arena, const wf_atom *, op->reduction_count + part->reduction_count);
  wf_binding bindings[WF_MAX_RANK];
  for (int i = 0; i < part->axis_count; i++) bindings[i] = (wf_binding){part->axes[i], op->body->args[i]->dim};
  for (int i = 0; i < op->reduction_count; i++) axes[i] = op->reduction_axes[i];
  for (int i = 0; i < part->reduction_count; i++) axes[op->reduction_count + i] = part->reduction_axes[i];
  op->body = wf_expr_rewrite(module, part->body, bindings, part->axis_count, NULL, NULL);
  op->reduction_axes = axes;
  op->reduction_count += part->reduction_count;
  wf_op_refresh_operands(module, op);
}

static bool cut_for_gpu(wf_tile *tile, const request *r, const wf_gpu_cut *cuts) {
  wf_op *op = r->members[0], *part, *inner;
  if (r->is_part || cuts[0].parts == 1) return false;
  put_first(tile, op, cuts[0].axis);
  if (!wf_split_reduction(tile->function, op, cuts[0].parts, &part)) return false;
  if (cuts[1].parts > 1) {       // the part has the op's other reduction axes
    put_first(tile, part, cuts[1].axis);
    if (wf_split_reduction(tile->function, part, cuts[1].parts, &inner)) {
      sum_at_once(tile, op, part);
      part = inner;
    }
  }
  tile_part(tile, part);
  return true;
}

static bool tile_for_gpu(wf_tile *tile, wf_contraction *c, const request *r) {
  double member_cost = 0;
  for (int i = 1; i < r->member_count; i++) member_cost += wf_access_cost(tile->module, r->members[i]->body, NULL, 1);
  wf_gpu_plan plan = wf_plan_gpu_contraction(tile->module, c, member_cost, tile->target);
  if (plan.leave) return false;
  if (cut_for_gpu(tile, r, plan.cuts)) return false;
  wf_build_gpu_contraction(tile, c, &plan, r->name, r->members, r->member_count, r->results, r->result_count);
  return true;
}

static bool tile_for_host(wf_tile *tile, wf_contraction *c, const request *r) {
  wf_contraction_plan plan = wf_plan_contraction(tile->module, c, tile->target);
  double tasks = tasks_of(c, &plan);
  int parts = tasks <= 2 ? 8 : tasks <= 4 ? 6 : 4;
  if (tasks < ENOUGH_TASKS && estimate(&c->k) >= WF_LONG_SUM && estimate(&c->batch) < 2 && cut(tile, r, parts)) return false;
  wf_build_contraction(tile, c, &plan, r->name, r->members, r->member_count, r->results, r->result_count);
  return true;
}

static bool tile_one(wf_tile *tile, const request *r) {
  wf_contraction c;
  if (!tile->contract || !wf_classify_contraction(tile->module, r->members[0], tile->target, &c)) return false;
  return tile->target.gpu ? tile_for_gpu(tile, &c, r) : tile_for_host(tile, &c, r);
}

bool wf_tile_contraction(wf_tile *tile, const char *name, wf_op *const *members, int member_count, wf_value *const *results, int result_count) {
  return tile_one(tile, &(request){name, members, member_count, results, result_count, false});
}
