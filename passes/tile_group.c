// A GROUP as one launch. Inline members vanish into their readers; what is left falls into connected parts, and each part
// becomes sections of its own: a contraction with its epilogue, computes over the same points, or rows.
#include "passes/gpu.h"
#include "passes/inline_read.h"
#include "passes/schedule.h"

enum { MAX_GROUP = 256 };

typedef struct part { wf_op *members[MAX_GROUP]; int count; } part;

static const wf_expr *substitute_read(void *context, const wf_expr *node) {
  wf_op *producer = ((void **)context)[0];
  wf_module *module = ((void **)context)[1];
  if (node->op != WF_S_READ || node->operand != producer->results[0]) return NULL;
  return wf_inline_read(module, producer, node);
}

// Substitutes every inline member into the members that read it, in order, so that chains collapse.
static void substitute_inline(wf_module *module, wf_op **members, int *count) {
  int kept = 0;
  for (int i = 0; i < *count; i++) {
    wf_op *member = members[i];
    if (member->placement != WF_PLACE_INLINE) {
      members[kept++] = member;
      continue;
    }
    void *context[2] = {member, module};
    for (int j = i + 1; j < *count; j++) {
      members[j]->body = wf_expr_rewrite(module, members[j]->body, NULL, 0, substitute_read, context);
      wf_op_refresh_operands(module, members[j]);
    }
  }
  *count = kept;
}

static bool reads(const wf_op *op, const wf_value *value) {
  for (int i = 0; i < op->operand_count; i++)
    if (op->operands[i] == value) return true;
  return false;
}

// Reductions over the same window of a common operand share their loops.
static bool siblings(const wf_op *a, const wf_op *b) {
  if (a->combiner == WF_R_NONE || b->combiner == WF_R_NONE || a->axis_count != b->axis_count) return false;
  if (a->reduction_count != b->reduction_count) return false;
  for (int i = 0; i < a->axis_count; i++)
    if (a->axes[i]->extent != b->axes[i]->extent) return false;
  for (int i = 0; i < a->reduction_count; i++)
    if (a->reduction_axes[i]->extent != b->reduction_axes[i]->extent) return false;
  for (int i = 0; i < a->operand_count; i++)
    if (reads(b, a->operands[i])) return true;
  return false;
}

// Connected components by reads between members (and siblings); the order inside a part is the group's.
static int find_parts(wf_op **members, int count, int *part_of) {
  for (int i = 0; i < count; i++) part_of[i] = i;
  for (int i = 0; i < count; i++) {
    for (int j = 0; j < i; j++) {
      if (!reads(members[i], members[j]->results[0]) && !siblings(members[j], members[i])) continue;
      int from = part_of[j], to = part_of[i];
      for (int k = 0; k < count; k++)
        if (part_of[k] == from) part_of[k] = to;
    }
  }
  int parts = 0;
  for (int i = 0; i < count; i++) {
    int id = part_of[i];
    if (id < 0) continue;
    for (int k = i; k < count; k++)
      if (part_of[k] == id) part_of[k] = -1 - parts;
    parts++;
  }
  for (int i = 0; i < count; i++) part_of[i] = -1 - part_of[i];
  return parts;
}

// Shared leading axes of a part's members: all axes where every member has the same points.
static int shared_axes(const part *part) {
  int shared = part->members[0]->axis_count;
  for (int i = 0; i < part->count; i++) {
    const wf_op *member = part->members[i];
    if (member->placement == WF_PLACE_AT && member->placed_at < shared) shared = member->placed_at;
    if (member->axis_count < shared) shared = member->axis_count;
    for (int a = 0; a < shared; a++)
      if (member->axes[a]->extent != part->members[0]->axes[a]->extent) shared = a;
  }
  return shared;
}

static bool same_points(const part *part) {
  const wf_op *first = part->members[0];
  for (int i = 0; i < part->count; i++) {
    if (part->members[i]->axis_count != first->axis_count) return false;
    for (int a = 0; a < first->axis_count; a++)
      if (part->members[i]->axes[a]->extent != first->axes[a]->extent) return false;
    if (part->members[i]->placement == WF_PLACE_AT && part->members[i]->placed_at < first->axis_count) return false;
  }
  return true;
}

// Rows: tasks over the shared leading axes, members one after the other inside, values of a row in local buffers.
static void emit_rows(wf_draft *draft, part *part) {
  wf_module *module = draft->module;
  int shared = shared_axes(part);
  wf_block *block = wf_kernel_section(draft->kernel);
  const wf_dim *prefix[WF_MAX_RANK];
  for (int a = 0; a < shared; a++) {
    prefix[a] = wf_dim_axis(module->dims, part->members[0]->axes[a]->name, part->members[0]->axes[a]->extent);
    block = wf_stmt_for(draft->kernel, block, WF_BIND_TASK, prefix[a]);
  }
  for (int i = 0; i < part->count; i++) {
    wf_op *member = part->members[i];
    wf_value *value = member->results[0];
    if (member->placement == WF_PLACE_AT || !wf_draft_buffer(draft, value)) {
      wf_value *row = wf_stmt_alloc(draft->kernel, block, value->name, WF_SPACE_LOCAL, value->dtype, value->rank - shared,
                                    value->shape + shared, NULL);
      wf_draft_bind(draft, value, row, shared);
    }
  }
  for (int i = 0; i < part->count; i++) {
    wf_nest nest = {.members = &part->members[i], .member_count = 1, .free_from = shared, .prefix = prefix};
    wf_draft_nest_serial(draft, block, &nest);
  }
}

static void emit_part(wf_draft *draft, part *part) {
  if (draft->target.gpu) {
    wf_gpu_part(draft, part->members, part->count, part->members[0]->kind == WF_O_SCATTER ? 0 : shared_axes(part));
  } else if (part->count == 1 && part->members[0]->kind == WF_O_SCATTER) {
    wf_draft_scatter(draft, part->members[0]);
  } else if (same_points(part)) {
    wf_nest nest = {.members = part->members, .member_count = part->count};
    wf_draft_nest_tasks(draft, &nest);
  } else {
    emit_rows(draft, part);
  }
}

void wf_tile_part(wf_draft *draft, wf_op *const *members, int count) {
  part part = {.count = count};
  memcpy(part.members, members, sizeof *members * (size_t)count);
  emit_part(draft, &part);
}

// A reduction, then elementwise members over its points.
static bool is_contraction_shape(wf_op **members, int count) {
  part all = {.count = count};
  memcpy(all.members, members, sizeof *members * (size_t)count);
  for (int i = 1; i < count; i++)
    if (members[i]->kind != WF_O_COMPUTE || members[i]->combiner != WF_R_NONE) return false;
  return members[0]->combiner == WF_R_SUM && same_points(&all);
}

static bool is_member(wf_op *const *members, int count, const wf_value *value) {
  for (int i = 0; i < count; i++)
    if (members[i]->results[0] == value) return true;
  return false;
}

static void tile_members(wf_tile *tile, const char *name, wf_loc loc, wf_op **members, int count, wf_value *const *results, int result_count);

// Reductions that share their loops are cut together, and their parts are one launch.
static void split_for_gpu(wf_tile *tile, wf_op **members, int count) {
  wf_op *partials[MAX_GROUP];
  wf_value *results[MAX_GROUP];
  int made = 0;
  for (int i = 0; i < count && (i == 0 || wf_joins_reduction(members, 0, i)); i++)
    if (wf_gpu_split_reduction(tile->function, members[i], &partials[made])) made++;
  for (int i = 0; i < made; i++) results[i] = partials[i]->results[0];
  if (made) tile_members(tile, results[0]->name, members[0]->loc, partials, made, results, made);
}

void wf_tile_parts(wf_tile *tile, wf_op **members, int count) {
  part all = {.count = count};
  wf_op *partial = NULL;
  memcpy(all.members, members, sizeof *members * (size_t)count);
  if (members[0]->kind != WF_O_COMPUTE || !same_points(&all)) return;
  if (tile->target.gpu) {
    split_for_gpu(tile, members, count);
    return;
  }
  if (count > 1 && members[1]->combiner != WF_R_NONE) return;
  if (wf_split_reduction(tile->function, members[0], 0, &partial)) wf_tile_op(tile, partial);
}

static void tile_members(wf_tile *tile, const char *name, wf_loc loc, wf_op **members, int count, wf_value *const *results, int result_count) {
  int part_of[MAX_GROUP], parts = find_parts(members, count, part_of);
  if (parts == 1 && is_contraction_shape(members, count) && wf_tile_contraction(tile, name, members, count, results, result_count)) return;
  if (parts == 1) wf_tile_parts(tile, members, count);
  wf_draft *draft = wf_draft_begin(tile->function, name, loc, tile->target);
  draft->threads = wf_gpu_threads(members, count);
  for (int i = 0; i < count; i++)
    for (int j = 0; j < members[i]->operand_count; j++)
      if (!is_member(members, count, members[i]->operands[j])) wf_draft_read(draft, members[i]->operands[j]);
  for (int i = 0; i < result_count; i++) wf_draft_write(draft, results[i]);
  for (int p = 0; p < parts; p++) {
    part part = {.count = 0};
    for (int i = 0; i < count; i++)
      if (part_of[i] == p) part.members[part.count++] = members[i];
    emit_part(draft, &part);
  }
  wf_vec_push(tile->module->arena, &tile->out, wf_draft_finish(draft, members, count));
}

static bool is_result(const wf_op *group, const wf_value *value) {
  for (int i = 0; i < group->result_count; i++)
    if (group->results[i] == value) return true;
  return false;
}

// One launch for a contraction and windows over it; where the schedule does not take them, the windows follow in a launch of
// their own, and what they read is stored.
static void tile_windows(wf_tile *tile, const char *name, wf_op *group, wf_op **members, int count, int points, wf_windows *windows) {
  wf_contraction c;
  wf_contraction_plan plan;
  wf_value *results[2][MAX_GROUP];
  int result_count[2] = {0, 0};
  bool kept = false;
  for (int i = 0; i < points; i++) kept |= is_result(group, members[i]->results[0]);
  if (tile->contract && wf_fit_windows(tile->module, members[0], tile->target, kept, true, windows, &c, &plan)) {
    wf_build_windowed(tile, &c, &plan, windows, name, members, points, group->results, group->result_count);
    return;
  }
  for (int i = 0; i < count; i++) {
    wf_value *value = members[i]->results[0];
    bool read = false;
    for (int j = points; i < points && j < count; j++) read |= reads(members[j], value);
    if (!read && !is_result(group, value)) continue;
    members[i]->placement = WF_PLACE_OUT;
    results[i >= points][result_count[i >= points]++] = value;
  }
  tile_members(tile, results[0][result_count[0] - 1]->name, group->loc, members, points, results[0], result_count[0]);
  tile_members(tile, name, members[points]->loc, members + points, count - points, results[1], result_count[1]);
}

void wf_tile_group(wf_tile *tile, wf_op *group) {
  wf_op *members[MAX_GROUP];
  wf_windows windows;
  int count = group->member_count, points;
  memcpy(members, group->members, sizeof *members * (size_t)count);
  substitute_inline(tile->module, members, &count);
  const char *name = group->group_name ? group->group_name : group->results[0]->name;
  if (wf_part_windows(tile->module, tile->target, members, count, &points, &windows)) tile_windows(tile, name, group, members, count, points, &windows);
  else tile_members(tile, name, group->loc, members, count, group->results, group->result_count);
}
