// The road of one contraction: classify, cut k where there are too few tasks, plan, build.
#include "passes/schedule.h"

enum { ENOUGH_TASKS = 8 };

static double estimate(const wf_composite *composite) { return composite->count ? wf_draft_estimate(composite->extent) : 1; }

static double tasks_of(const wf_contraction *c, const wf_contraction_plan *plan) {
  double m = (estimate(&c->m) + plan->mc - 1) / plan->mc, n = (estimate(&c->n) + plan->nc - 1) / plan->nc;
  return (double)(int64_t)m * (double)(int64_t)n * estimate(&c->batch);
}

bool wf_tile_contraction(wf_tile *tile, const char *name, wf_op *const *members, int member_count, wf_value *const *results, int result_count) {
  wf_contraction c;
  wf_op *op = members[0];
  if (!tile->contract || !wf_classify_contraction(tile->module, op, tile->target, &c)) return false;
  wf_contraction_plan plan = wf_plan_contraction(tile->module, &c, tile->target);
  wf_op *partial;
  double tasks = tasks_of(&c, &plan);
  int parts = tasks <= 2 ? 8 : tasks <= 4 ? 6 : 4;
  if (tasks < ENOUGH_TASKS && estimate(&c.k) >= WF_LONG_SUM && estimate(&c.batch) < 2 &&
      wf_split_reduction(tile->function, op, parts, &partial)) {
    if (!wf_tile_contraction(tile, partial->results[0]->name, &partial, 1, partial->results, 1)) wf_tile_op(tile, partial);
    return false;   // what is left is a short sum of the parts
  }
  wf_build_contraction(tile, &c, &plan, name, members, member_count, results, result_count);
  return true;
}
