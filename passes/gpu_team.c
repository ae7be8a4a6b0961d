// Combining across the threads of a team: butterflies within warps, shared memory beyond them. The order depends on the
// shape of the team only.
#include "passes/gpu_team.h"

static const wf_dim *number(const wf_gpu_team *team, int64_t value) { return wf_dim_const(team->block.draft->module->dims, value); }

static bool same_shape(const wf_value *buffer, wf_dtype type, const int64_t *shape) {
  return buffer->dtype == type && wf_dim_equals_const(buffer->shape[0], shape[0]) && wf_dim_equals_const(buffer->shape[1], shape[1]);
}

static bool has_room(const wf_gpu_team *team, wf_dtype type, const int64_t *shape) {
  return wf_gpu_fits(&team->block, type, (double)shape[0] * (double)shape[1] + 512);
}

// A shared buffer of its own while there is room; then one of an earlier sum again, behind a barrier.
static wf_value *take_scratch(wf_gpu_team *team, wf_dtype type, const int64_t *shape) {
  wf_draft *draft = team->block.draft;
  wf_gpu_scratch *known = team->scratch;
  while (known && !same_shape(known->buffer, type, shape)) known = known->next;
  if (known && !has_room(team, type, shape)) {
    wf_stmt_barrier(draft->kernel, team->block.body);
    return known->buffer;
  }
  wf_gpu_scratch *made = WF_NEW(draft->module->arena, wf_gpu_scratch);
  made->buffer = wf_gpu_shared(&team->block, "part", type, 2, shape);
  made->next = team->scratch;
  team->scratch = made;
  return made->buffer;
}

// Parts that meet in shared memory: one a warp of the team, or in columns one a thread.
static int part_count(const wf_gpu_team *team) {
  if (team->shape.columns) return team->shape.lanes;
  return team->shape.lanes > WF_WARP ? team->shape.lanes / WF_WARP : 1;
}

static void store_part(wf_gpu_team *team, const wf_gpu_sum *sum) {
  wf_draft *draft = team->block.draft;
  wf_block *block = team->block.body;
  const wf_dim *zero = number(team, 0), *indices[2] = {team->lane, team->team};
  if (!team->shape.columns) {
    indices[0] = team->team;
    indices[1] = wf_dim_floordiv(team->lane, number(team, WF_WARP));
    const wf_dim *place = wf_dim_mod(team->block.thread, number(team, WF_WARP));
    block = wf_stmt_if(draft->kernel, block, wf_expr_binary(draft->module, WF_S_EQ, wf_expr_index(draft->module, place), wf_expr_index(draft->module, zero)));
  }
  wf_stmt_store_dims(draft->kernel, block, sum->part, indices, WF_R_NONE, wf_register_read(draft, sum->reg, zero));
}

static void load_parts(wf_gpu_team *team, const wf_gpu_sum *sum, int parts) {
  wf_draft *draft = team->block.draft;
  const wf_dim *zero = number(team, 0), *part = wf_dim_axis(draft->module->dims, "w", number(team, parts));
  const wf_dim *indices[2] = {team->shape.columns ? part : team->team, team->shape.columns ? team->team : part};
  wf_dtype type = wf_dtype_compute(sum->reg->dtype);
  wf_register_store(draft, team->block.body, sum->reg, zero, WF_R_NONE, wf_draft_identity(draft, sum->combiner, type));
  wf_block *loop = wf_stmt_for(draft->kernel, team->block.body, parts <= 8 ? WF_BIND_UNROLL : WF_BIND_SERIAL, part);
  wf_register_store(draft, loop, sum->reg, zero, sum->combiner, wf_expr_read_dims(draft->module, sum->part, indices, NULL));
}

void wf_gpu_combine(wf_gpu_team *team, wf_gpu_sum *sums, int count) {
  wf_draft *draft = team->block.draft;
  const wf_dim *zero = number(team, 0);
  int parts = part_count(team), within = team->shape.lanes < WF_WARP ? team->shape.lanes : WF_WARP;
  for (int i = 0; i < count && !team->shape.columns; i++)
    wf_stmt_reduce(draft->kernel, team->block.body, sums[i].reg, &zero, sums[i].combiner, within);
  if (parts == 1) return;
  int64_t shape[2] = {team->shape.columns ? parts : team->teams, team->shape.columns ? team->teams : parts};
  for (int from = 0, to; from < count; from = to) {   // one barrier for as many sums as have scratch of their own
    for (to = from; to < count && (to == from || has_room(team, sums[to].reg->dtype, shape)); to++) {
      sums[to].part = take_scratch(team, sums[to].reg->dtype, shape);
      store_part(team, &sums[to]);
    }
    wf_stmt_barrier(draft->kernel, team->block.body);
    for (int i = from; i < to; i++) load_parts(team, &sums[i], parts);
  }
}

// The elements of one thread, first to last.
static wf_value *fold(wf_gpu_team *team, wf_value *from, wf_combiner combiner, int width) {
  wf_draft *draft = team->block.draft;
  if (width == 1) return from;
  int64_t one = 1;
  const wf_dim *zero = number(team, 0);
  wf_value *to = wf_draft_register(draft, team->block.body, from->name, from->dtype, 1, &one);
  wf_register_store(draft, team->block.body, to, zero, WF_R_NONE, wf_register_read(draft, from, zero));
  for (int i = 1; i < width; i++) wf_register_store(draft, team->block.body, to, zero, combiner, wf_register_read(draft, from, number(team, i)));
  return to;
}

// The team's best value, then the first point among the threads that have it (a NaN is had by those that have one).
static void combine_arg(wf_gpu_team *team, wf_accumulator *acc) {
  wf_draft *draft = team->block.draft;
  wf_module *module = draft->module;
  int64_t one = 1;
  const wf_dim *zero = number(team, 0), *points = number(team, 1);
  wf_value *top = wf_draft_register(draft, team->block.body, "top", acc->best->dtype, 1, &one);
  wf_value *first = wf_draft_register(draft, team->block.body, "first", WF_I64, 1, &one);
  const wf_expr *mine = wf_register_read(draft, acc->best, zero), *all = wf_register_read(draft, top, zero);
  wf_register_store(draft, team->block.body, top, zero, WF_R_NONE, mine);
  wf_gpu_combine(team, &(wf_gpu_sum){.reg = top, .combiner = wf_accumulator_combiner(acc->member)}, 1);
  for (int r = 0; r < acc->member->reduction_count; r++) points = wf_dim_mul(points, acc->member->reduction_axes[r]->extent);
  const wf_expr *has = wf_expr_binary(module, WF_S_EQ, mine, all);
  if (wf_dtype_is_float(mine->dtype))
    has = wf_expr_binary(module, WF_S_OR, has, wf_expr_binary(module, WF_S_AND, wf_expr_binary(module, WF_S_NE, mine, mine), wf_expr_binary(module, WF_S_NE, all, all)));
  const wf_expr *index = wf_draft_convert(draft, wf_register_read(draft, acc->index, zero), WF_I64);
  wf_register_store(draft, team->block.body, first, zero, WF_R_NONE, wf_expr_select(module, has, index, wf_expr_index(module, points)));
  wf_gpu_combine(team, &(wf_gpu_sum){.reg = first, .combiner = WF_R_MIN}, 1);
  acc->best = top;
  acc->index = first;
}

void wf_gpu_combine_accumulators(wf_gpu_team *team, wf_accumulator *acc, int count, int width) {
  wf_gpu_sum *sums = WF_NEW_ARRAY(team->block.draft->module->arena, wf_gpu_sum, count);
  int plain = 0;
  for (int i = 0; i < count; i++) {
    if (wf_is_arg(acc[i].member) || acc[i].shared >= 0) continue;
    acc[i].best = fold(team, acc[i].best, acc[i].member->combiner, width);
    sums[plain++] = (wf_gpu_sum){.reg = acc[i].best, .combiner = acc[i].member->combiner};
  }
  if (plain) wf_gpu_combine(team, sums, plain);
  for (int i = 0; i < count; i++)
    if (wf_is_arg(acc[i].member)) combine_arg(team, &acc[i]);
  for (int i = 0; i < count; i++)
    if (acc[i].shared >= 0) acc[i].best = acc[acc[i].shared].best;
}
