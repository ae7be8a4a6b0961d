// Registers, vector lanes and accumulators under construction.
#include "passes/draft_point.h"

bool wf_is_reduction(const wf_op *op) { return op->combiner != WF_R_NONE; }
bool wf_is_arg(const wf_op *op) { return op->combiner == WF_R_ARGMAX || op->combiner == WF_R_ARGMIN; }

wf_block *wf_open_lanes(wf_draft *draft, wf_block *block, int lanes, const wf_dim **out_lane) {
  wf_dims *dims = draft->module->dims;
  *out_lane = wf_dim_const(dims, 0);
  if (lanes == 1) return block;
  *out_lane = wf_dim_axis(dims, "l", wf_dim_const(dims, lanes));
  return wf_stmt_for(draft->kernel, block, WF_BIND_VECTOR, *out_lane);
}

const wf_expr *wf_register_read(wf_draft *draft, wf_value *buffer, const wf_dim *lane) {
  return wf_expr_read_dims(draft->module, buffer, &lane, NULL);
}

void wf_register_store(wf_draft *draft, wf_block *block, wf_value *buffer, const wf_dim *lane, wf_combiner combiner, const wf_expr *value) {
  value = wf_draft_convert(draft, value, wf_dtype_compute(buffer->dtype));
  wf_stmt_store_dims(draft->kernel, block, buffer, &lane, combiner, value);
}

wf_combiner wf_accumulator_combiner(const wf_op *member) {
  return member->combiner == WF_R_ARGMAX ? WF_R_MAX : member->combiner == WF_R_ARGMIN ? WF_R_MIN : member->combiner;
}

void wf_accumulator_start(wf_draft *draft, wf_block *block, wf_accumulator *acc, int lanes) {
  int64_t shape = lanes;
  const wf_dim *lane;
  wf_op *member = acc->member;
  wf_dtype type = wf_is_arg(member) ? member->body->dtype : member->accumulator;
  acc->best = wf_draft_register(draft, block, "acc", type, 1, &shape);
  if (wf_is_arg(member)) acc->index = wf_draft_register(draft, block, "arg", member->results[0]->dtype, 1, &shape);
  wf_block *inner = wf_open_lanes(draft, block, lanes, &lane);
  const wf_expr *identity = wf_draft_identity(draft, wf_accumulator_combiner(member), wf_dtype_compute(type));
  wf_register_store(draft, inner, acc->best, lane, WF_R_NONE, identity);
  if (acc->index) wf_register_store(draft, inner, acc->index, lane, WF_R_NONE, wf_expr_const_int(draft->module, acc->index->dtype, 0));
}

// first point wins, NaN wins: (v > best) or (v is NaN and best is not)
static const wf_expr *beats(wf_module *module, const wf_op *member, const wf_expr *value, const wf_expr *best) {
  const wf_expr *more = wf_expr_binary(module, member->combiner == WF_R_ARGMAX ? WF_S_GT : WF_S_LT, value, best);
  if (!wf_dtype_is_float(value->dtype)) return more;
  const wf_expr *first_nan = wf_expr_binary(module, WF_S_AND, wf_expr_binary(module, WF_S_NE, value, value),
                                            wf_expr_binary(module, WF_S_EQ, best, best));
  return wf_expr_binary(module, WF_S_OR, more, first_nan);
}

void wf_accumulator_add(wf_draft *draft, wf_block *block, wf_accumulator *acc, const wf_dim *lane, const wf_expr *value, const wf_dim *point) {
  wf_module *module = draft->module;
  wf_op *member = acc->member;
  if (!wf_is_arg(member)) {
    wf_register_store(draft, block, acc->best, lane, member->combiner, value);
    return;
  }
  const wf_expr *best = wf_register_read(draft, acc->best, lane), *index = wf_register_read(draft, acc->index, lane);
  const wf_expr *wins = beats(module, member, value, best);
  const wf_expr *here = wf_draft_convert(draft, wf_expr_index(module, point), index->dtype);
  wf_register_store(draft, block, acc->index, lane, WF_R_NONE, wf_expr_select(module, wins, here, index));
  wf_register_store(draft, block, acc->best, lane, WF_R_NONE, wf_expr_select(module, wins, value, best));
}

bool wf_is_best_of(wf_module *module, const wf_op *plain, const wf_op *arg) {
  if (!(plain->combiner == WF_R_MAX && arg->combiner == WF_R_ARGMAX) && !(plain->combiner == WF_R_MIN && arg->combiner == WF_R_ARGMIN))
    return false;
  wf_binding bindings[2 * WF_MAX_RANK];
  int count = 0;
  for (int a = 0; a < plain->axis_count; a++) bindings[count++] = (wf_binding){plain->axes[a], arg->axes[a]->as_dim};
  for (int r = 0; r < plain->reduction_count; r++)
    bindings[count++] = (wf_binding){plain->reduction_axes[r], arg->reduction_axes[r]->as_dim};
  return plain->accumulator == arg->body->dtype && wf_expr_rewrite(module, plain->body, bindings, count, NULL, NULL) == arg->body;
}

const wf_dim *wf_reduction_number(wf_module *module, const wf_op *member, const wf_dim *const *points) {
  const wf_dim *number = wf_dim_const(module->dims, 0);
  for (int r = 0; r < member->reduction_count; r++)
    number = wf_dim_add(wf_dim_mul(number, member->reduction_axes[r]->extent), points[r]);
  return number;
}

bool wf_joins_reduction(wf_op *const *members, int from, int next) {
  const wf_op *a = members[from], *b = members[next];
  if (!wf_is_reduction(b) || a->reduction_count != b->reduction_count) return false;
  for (int r = 0; r < a->reduction_count; r++)
    if (a->reduction_axes[r]->extent != b->reduction_axes[r]->extent) return false;
  for (int i = 0; i < b->operand_count; i++)
    for (int m = from; m < next; m++)
      if (b->operands[i] == members[m]->results[0]) return false;
  return true;
}
