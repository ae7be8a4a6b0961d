// One point of a nest (or as many neighbouring points as there are lanes): what host and GPU nests have in common.
// Owned by passes/draft_point.c and passes/draft_reduce.c.
#ifndef WEFT_PASSES_DRAFT_POINT_H
#define WEFT_PASSES_DRAFT_POINT_H
#include "passes/draft.h"

enum { WF_NEST_MEMBERS = 64 };

bool wf_is_reduction(const wf_op *op);
bool wf_is_arg(const wf_op *op);

// ---- draft_reduce.c: registers, lanes and accumulators ----
typedef struct wf_accumulator {
  wf_value *best, *index;        // [lanes]; index: of an argmax or argmin only
  wf_op *member;
  int shared;                    // a maximum beside the argmax of the same body: that one's best, else -1
} wf_accumulator;
// Opens a vector loop where lanes > 1. *out_lane is the register index (0 without lanes).
wf_block *wf_open_lanes(wf_draft *draft, wf_block *block, int lanes, const wf_dim **out_lane);
const wf_expr *wf_register_read(wf_draft *draft, wf_value *buffer, const wf_dim *lane);
void wf_register_store(wf_draft *draft, wf_block *block, wf_value *buffer, const wf_dim *lane, wf_combiner combiner, const wf_expr *value);
void wf_accumulator_start(wf_draft *draft, wf_block *block, wf_accumulator *acc, int lanes);
// value: of the member's body at reduction point number `point` (row-major over its reduction axes).
void wf_accumulator_add(wf_draft *draft, wf_block *block, wf_accumulator *acc, const wf_dim *lane, const wf_expr *value, const wf_dim *point);
// The combiner under which the best values of the member combine: that of an argmax is max.
wf_combiner wf_accumulator_combiner(const wf_op *member);
// max[..] f beside argmax[..] f is the best value that the argmax keeps anyway.
bool wf_is_best_of(wf_module *module, const wf_op *plain, const wf_op *arg);
// Row-major number of a reduction point.
const wf_dim *wf_reduction_number(wf_module *module, const wf_op *member, const wf_dim *const *points);

// ---- draft_point.c ----
typedef struct wf_nest_plan {
  wf_draft *draft;
  const wf_nest *nest;
  const wf_op *first;            // extents come from here: all members agree
  int order[WF_MAX_RANK], order_count;   // looped axes, outermost in storage first, without the lane axis
  int lane_axis;                 // the parallel axis along which lanes run, -1: none
  int lanes;
  double cost;                   // of one point of the free axes, along the chosen lanes
  int split_member, split_reduction;     // lanes along this member's reduction axis, -1: none
  const wf_dim *dims[WF_MAX_RANK];       // of every parallel axis, over kernel axes; the lane axis: its base
  const wf_dim *flat;            // not NULL: the axes in `order` are the digits of flat + lane (first lane: flat)
  wf_value *registers[WF_NEST_MEMBERS];  // results of members so far, [lanes]
  wf_value *targets[WF_NEST_MEMBERS];    // where results go beside registers: a parameter, or a buffer bound by the caller
  int dropped[WF_NEST_MEMBERS];          // leading axes that the target lacks
} wf_nest_plan;

// A plan for `nest` with targets and prefix, without choices.
void wf_nest_plan_init(wf_nest_plan *plan, wf_draft *draft, const wf_nest *nest);
void wf_nest_point(wf_nest_plan *plan, wf_block *block, int lanes);
// Can members[next] share the reduction loops of members[from, next)?
bool wf_joins_reduction(wf_op *const *members, int from, int next);
// The digits of `flat` in the mixed radix of `extents`; the outermost digit is not reduced.
void wf_flat_digits(const wf_dim *flat, const wf_dim *const *extents, int count, const wf_dim **out_digits);
#endif
