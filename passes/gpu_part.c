// How the threads of a block share a part's points: one thread a point, or a team a row.
#include "passes/gpu.h"

enum { SHORT_SUM = 8, LONG_ROW = 2048, FEW_ROWS = 512, MANY_POINTS = 1 << 15, WIDE_COLUMNS = 32, NARROW_COLUMNS = 8 };

static double product(const wf_atom *const *axes, int count) {
  double all = 1;
  for (int i = 0; i < count; i++) all *= wf_draft_estimate(axes[i]->extent);
  return all;
}

int wf_gpu_threads(wf_op *const *members, int count) {
  double most = 1;
  for (int i = 0; i < count; i++) {
    double points = product(members[i]->axes, members[i]->axis_count) * product(members[i]->reduction_axes, members[i]->reduction_count);
    if (points > most) most = points;
    for (int a = 0; a < members[i]->axis_count + members[i]->reduction_count; a++) {
      const wf_atom *axis = a < members[i]->axis_count ? members[i]->axes[a] : members[i]->reduction_axes[a - members[i]->axis_count];
      if (!wf_dim_is_const(axis->extent, &(int64_t){0})) return WF_GPU_THREADS;
    }
  }
  int threads = WF_WARP;
  while (threads < WF_GPU_THREADS && threads < most) threads *= 2;
  return threads;
}

static int power_of_two_from(double size, int most) {
  int lanes = 2;
  while (lanes < most && lanes < size) lanes *= 2;
  return lanes;
}

// Threads that share a row of about `longest` points, where there are `rows` of them.
static int row_lanes(const wf_draft *draft, double rows, double longest) {
  if (longest >= LONG_ROW || (longest >= 512 && rows < FEW_ROWS)) return draft->threads;
  return power_of_two_from(longest, WF_WARP);
}

// Do accesses of all members cost less where neighbours run along the reduction axis innermost in memory than along axis `fastest`?
static bool runs_along_reduction(wf_draft *draft, wf_op *const *members, int count, int fastest) {
  double reduction = 0, result = 0;
  for (int i = 0; i < count; i++) {
    const wf_op *member = members[i];
    if (!wf_is_reduction(member) || member->reduction_count == 0) continue;
    int order[WF_MAX_RANK];
    wf_gpu_order_reduction(draft->module, member, order);
    const wf_atom *inner = member->reduction_axes[order[member->reduction_count - 1]];
    reduction += wf_gpu_access_cost(draft->module, member, inner, false);
    result += wf_gpu_access_cost(draft->module, member, fastest >= 0 ? member->axes[fastest] : NULL, false);
  }
  return fastest < 0 || reduction < result;
}

// A team for each of the results of the same points; false: a thread for each.
static bool choose_teams(wf_draft *draft, wf_op *const *members, int count, int fastest, wf_gpu_teams *out_teams) {
  double results = product(members[0]->axes, members[0]->axis_count), longest = 0;
  for (int i = 0; i < count; i++) {
    double points = wf_is_reduction(members[i]) ? product(members[i]->reduction_axes, members[i]->reduction_count) : 0;
    if (points > longest) longest = points;
  }
  if (longest <= SHORT_SUM) return false;
  if (runs_along_reduction(draft, members, count, fastest)) {
    *out_teams = (wf_gpu_teams){.lanes = row_lanes(draft, results, longest)};
    return true;
  }
  if (results >= MANY_POINTS || longest < WF_WARP || draft->threads < WF_GPU_THREADS) return false;
  int columns = results >= WIDE_COLUMNS * 64 ? WIDE_COLUMNS : NARROW_COLUMNS;
  *out_teams = (wf_gpu_teams){.lanes = draft->threads / columns, .columns = true};
  return true;
}

static bool has_rows(wf_op *const *members, int count, int shared) {
  for (int i = 0; i < count; i++)
    if (members[i]->axis_count > shared) return true;
  return false;
}

void wf_gpu_part(wf_draft *draft, wf_op **members, int count, int shared) {
  wf_gpu_teams teams = {0};
  if (count == 1 && members[0]->kind == WF_O_SCATTER) {
    wf_gpu_scatter(draft, members[0]);
    return;
  }
  int fastest = wf_gpu_fastest_axis(draft, members, count, shared);
  if (has_rows(members, count, shared)) {
    double rows = product(members[0]->axes, shared), longest = 1;
    for (int i = 0; i < count; i++) {
      const wf_atom *const *axes;
      int own = wf_gpu_own_axes(members[i], shared, &axes);
      double points = product(axes, own);
      if (points > longest) longest = points;
    }
    wf_gpu_rows(draft, members, count, shared, fastest, (wf_gpu_teams){.lanes = row_lanes(draft, rows, longest)});
  } else if (choose_teams(draft, members, count, fastest, &teams)) {
    wf_gpu_rows(draft, members, count, shared, fastest, teams);
  } else {
    wf_gpu_nest(draft, members, count, fastest);
  }
}
