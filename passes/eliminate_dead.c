// `dce`: removes operations whose results nothing needs, then functions that were called and are called no more. What is
// needed: the results of each function, updates, and what those read.
#include "passes/passes.h"

typedef struct dce { wf_module *module; bool *live; } dce;

static void need(dce *d, const wf_value *value) { d->live[value->id] = true; }

static bool is_live(const dce *d, const wf_op *op) {
  if (op->kind == WF_O_UPDATE) return true;
  for (int i = 0; i < op->result_count; i++)
    if (d->live[op->results[i]->id]) return true;
  return false;
}

static void sweep_function(dce *d, wf_function *function);

// Members that feed no result of their group go; a result that nobody reads is no result.
static void sweep_group(dce *d, wf_op *group) {
  int results = 0;
  for (int i = 0; i < group->result_count; i++)
    if (d->live[group->results[i]->id]) group->results[results++] = group->results[i];
  group->result_count = results;
  int kept = group->member_count;
  for (int i = group->member_count - 1; i >= 0; i--) {
    wf_op *member = group->members[i];
    if (!is_live(d, member)) continue;
    for (int k = 0; k < member->operand_count; k++) need(d, member->operands[k]);
    group->members[--kept] = member;
  }
  group->member_count -= kept;
  memmove(group->members, group->members + kept, sizeof *group->members * (size_t)group->member_count);
  wf_op_refresh_operands(d->module, group);
}

static void sweep_function(dce *d, wf_function *function) {
  for (int i = 0; i < function->results.count; i++) need(d, function->results.items[i].value);
  int kept = function->ops.count;
  for (int i = function->ops.count - 1; i >= 0; i--) {
    wf_op *op = function->ops.items[i];
    if (!is_live(d, op)) continue;
    if (op->kind == WF_O_GROUP) sweep_group(d, op);
    for (int k = 0; k < op->operand_count; k++) need(d, op->operands[k]);
    for (int k = 0; k < op->result_count; k++)
      if (op->results[k]->alias_of) need(d, op->results[k]->alias_of);
    function->ops.items[--kept] = op;
  }
  function->ops.count -= kept;
  memmove(function->ops.items, function->ops.items + kept, sizeof *function->ops.items * (size_t)function->ops.count);
}

// ---- functions --------------------------------------------------------------------------------------------------------

static void note_callees(wf_map *called, const wf_function *function) {
  for (int i = 0; i < function->ops.count; i++) {
    wf_function *callee = function->ops.items[i]->region;
    if (callee) wf_map_set(called, callee->name, callee);
  }
}

static void reach(wf_map *reached, wf_function *function) {
  if (wf_map_get(reached, function->name)) return;
  wf_map_set(reached, function->name, function);
  for (int i = 0; i < function->ops.count; i++)
    if (function->ops.items[i]->region) reach(reached, function->ops.items[i]->region);
}

// Public functions are those that nobody called when the pass began.
static void sweep_functions(wf_module *module, const wf_map *called_before, wf_arena *scratch) {
  wf_map reached;
  wf_map_init(&reached, scratch);
  for (int i = 0; i < module->functions.count; i++)
    if (!wf_map_get(called_before, module->functions.items[i]->name)) reach(&reached, module->functions.items[i]);
  int kept = 0;
  for (int i = 0; i < module->functions.count; i++)
    if (wf_map_get(&reached, module->functions.items[i]->name)) module->functions.items[kept++] = module->functions.items[i];
  module->functions.count = kept;
}

bool wf_pass_dce(wf_module *module, const wf_pass_options *options) {
  (void)options;
  wf_arena *scratch = wf_arena_create();
  dce d = {module, WF_NEW_ARRAY(scratch, bool, module->value_count)};
  wf_map called;
  wf_map_init(&called, scratch);
  for (int i = 0; i < module->functions.count; i++) note_callees(&called, module->functions.items[i]);
  for (int i = 0; i < module->functions.count; i++) sweep_function(&d, module->functions.items[i]);
  sweep_functions(module, &called, scratch);
  wf_arena_destroy(scratch);
  return true;
}
