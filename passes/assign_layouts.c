// layout: the storage order of intermediate values. Values of one rank that are linked by operations are one class; a
// class takes the innermost axis (or row-major) under which the operations that touch it cost least; then each value is
// row-major after all where that alone costs less. Convolutions and
// their gradients come out with channels last, because then all three contractions copy whole runs.
// Parameters, inputs and outputs stay row-major: packing transposes them.
#include "passes/schedule.h"

typedef struct assign {
  wf_module *module;
  wf_function *function;
  wf_tile_target target;
  WF_VEC(wf_op *) ops;           // computes, members of groups included
  int *parent;                   // by value id: union-find; -1: not free to choose
  wf_value **values;             // by value id
  int limit;
} assign;

static int find(assign *a, int id) {
  while (a->parent[id] != id) id = a->parent[id] = a->parent[a->parent[id]];
  return id;
}

static void collect_ops(assign *a) {
  for (int i = 0; i < a->function->ops.count; i++) {
    wf_op *op = a->function->ops.items[i];
    if (op->kind == WF_O_COMPUTE) wf_vec_push(a->module->arena, &a->ops, op);
    for (int m = 0; op->kind == WF_O_GROUP && m < op->member_count; m++)
      if (op->members[m]->kind == WF_O_COMPUTE) wf_vec_push(a->module->arena, &a->ops, op->members[m]);
  }
}

static void pin(assign *a, const wf_value *value) {
  if (value->id < a->limit) a->parent[value->id] = -1;
}

// Windows over a contraction are made from its tiles: what they read of it is no row, and free to lie as the tiles do.
static bool has_windows(assign *a, const wf_op *group) {
  wf_op **members = WF_NEW_ARRAY(a->module->arena, wf_op *, group->member_count);
  wf_windows ignored;
  int points;
  memcpy(members, group->members, sizeof *members * (size_t)group->member_count);
  return wf_part_windows(a->module, a->target, members, group->member_count, &points, &ignored);
}

// Only values that computes make and computes read may move.
static void find_free(assign *a) {
  for (int i = 0; i < a->limit; i++) a->parent[i] = -1;
  for (int i = 0; i < a->ops.count; i++) {
    wf_value *value = a->ops.items[i]->results[0];
    if (value->rank < 3 || value->layout) continue;
    a->parent[value->id] = value->id;
    a->values[value->id] = value;
  }
  for (int i = 0; i < a->function->ops.count; i++) {
    const wf_op *op = a->function->ops.items[i];
    if (op->kind == WF_O_COMPUTE || op->kind == WF_O_GROUP) continue;
    for (int k = 0; k < op->operand_count; k++) pin(a, op->operands[k]);
  }
  for (int i = 0; i < a->function->ops.count; i++) {
    const wf_op *op = a->function->ops.items[i];
    bool rows = op->kind == WF_O_GROUP && !has_windows(a, op);
    for (int m = 0; op->kind == WF_O_GROUP && m < op->member_count; m++) {
      if (op->members[m]->kind != WF_O_COMPUTE)
        for (int k = 0; k < op->members[m]->operand_count; k++) pin(a, op->members[m]->operands[k]);
      if (rows && op->members[m]->placement == WF_PLACE_AT && op->members[m]->placed_at < op->members[m]->axis_count)
        pin(a, op->members[m]->results[0]);
    }
  }
  for (int i = 0; i < a->function->results.count; i++) pin(a, a->function->results.items[i].value);
}

static bool is_free(const assign *a, const wf_value *value) { return value->id < a->limit && a->parent[value->id] >= 0; }

static void link_classes(assign *a) {
  for (int i = 0; i < a->ops.count; i++) {
    const wf_op *op = a->ops.items[i];
    const wf_value *first = is_free(a, op->results[0]) ? op->results[0] : NULL;
    for (int k = 0; k < op->operand_count; k++) {
      const wf_value *operand = op->operands[k];
      if (!is_free(a, operand)) continue;
      if (first && first->rank == operand->rank) a->parent[find(a, operand->id)] = find(a, first->id);
      if (!first) first = operand;
    }
  }
}

static bool touches(assign *a, const wf_op *op, int class) {
  if (is_free(a, op->results[0]) && find(a, op->results[0]->id) == class) return true;
  for (int k = 0; k < op->operand_count; k++)
    if (is_free(a, op->operands[k]) && find(a, op->operands[k]->id) == class) return true;
  return false;
}

// Axis `last` innermost, the others in order; -1: row-major.
static void set_class(assign *a, int class, int last) {
  for (int id = 0; id < a->limit; id++) {
    if (a->parent[id] < 0 || find(a, id) != class) continue;
    wf_value *value = a->values[id];
    int order[WF_MAX_RANK], at = 0;
    for (int axis = 0; axis < value->rank; axis++)
      if (axis != last) order[at++] = axis;
    if (last >= 0) order[at] = last;
    value->layout = last < 0 || last == value->rank - 1
                        ? NULL : wf_layout_permuted(a->module->dims, a->module->arena, value->rank, value->shape, order);
  }
}

static double cost_of(assign *a, int class) {
  double cost = 0;
  for (int i = 0; i < a->ops.count; i++)
    if (touches(a, a->ops.items[i], class)) cost += wf_schedule_cost(a->module, a->ops.items[i], a->target);
  return cost;
}

static void choose(assign *a, int class) {
  int best = -1, rank = a->values[class]->rank;
  double least = cost_of(a, class);
  for (int last = 0; last < rank - 1; last++) {
    set_class(a, class, last);
    double cost = cost_of(a, class);
    if (cost >= least * 0.98) continue;
    least = cost;
    best = last;
  }
  set_class(a, class, best);
}

static double cost_around(assign *a, const wf_value *value) {
  double cost = 0;
  for (int i = 0; i < a->ops.count; i++) {
    const wf_op *op = a->ops.items[i];
    bool touched = op->results[0] == value;
    for (int k = 0; k < op->operand_count; k++) touched |= op->operands[k] == value;
    if (touched) cost += wf_schedule_cost(a->module, a->ops.items[i], a->target);
  }
  return cost;
}

// A value may do better alone than its class: the picture before a first convolution has few channels, and copies of it run
// along its rows.
static void turn_back(assign *a, int id) {
  wf_value *value = a->values[id];
  const wf_layout *layout = value->layout;
  if (!layout) return;
  double before = cost_around(a, value);
  value->layout = NULL;
  if (cost_around(a, value) >= before * 0.98) value->layout = layout;
}

bool wf_pass_assign_layouts(wf_module *module, const wf_pass_options *options) {
  wf_tile_target target;
  if (!wf_tile_target_from(module, wf_pass_option_get(options, "target", "native"), &target)) return false;
  for (int f = 0; f < module->functions.count; f++) {
    assign a = {.module = module, .function = module->functions.items[f], .target = target, .limit = module->value_count};
    a.parent = WF_NEW_ARRAY(module->arena, int, a.limit);
    a.values = WF_NEW_ARRAY(module->arena, wf_value *, a.limit);
    collect_ops(&a);
    find_free(&a);
    link_classes(&a);
    for (int id = 0; id < a.limit; id++)
      if (a.parent[id] >= 0 && find(&a, id) == id) choose(&a, id);
    for (int id = 0; id < a.limit; id++)
      if (a.parent[id] >= 0) turn_back(&a, id);
  }
  return true;
}
