// fuse: which operations share a launch. The strategy is one function over the graph of fuse.h; greedy joins in the
// order of the program: epilogues first, then substitution, then what is made point by point, then windows, rows and updates.
#include "passes/clone_ops.h"
#include "passes/fuse.h"

static bool may_join(const wf_fusion *fusion, int op) { return fusion->ops[op] && !(fusion->apart && fusion->apart[op]); }

static void fuse_greedy(wf_fusion *fusion) {
  wf_fusion_peephole(fusion);
  for (int i = 0; i < fusion->op_count; i++)
    if (may_join(fusion, i) && !wf_join_sibling(fusion, i)) wf_join_epilogue(fusion, i, true);
  wf_fusion_inline(fusion);
  wf_fusion_read_best(fusion);
  for (int i = 0; i < fusion->op_count; i++)
    if (may_join(fusion, i) && !wf_join_sibling(fusion, i))
      while (wf_join_epilogue(fusion, i, false)) continue;   // one producer after the other
  for (int i = 0; i < fusion->op_count; i++)
    if (may_join(fusion, i)) wf_join_windows(fusion, i);
  for (int i = 0; i < fusion->op_count; i++)
    if (may_join(fusion, i)) wf_join_row(fusion, i);
  if (fusion->target.gpu) wf_join_levels(fusion);
  else wf_join_updates(fusion);
}

static void fuse_none(wf_fusion *fusion) {}
static void fuse_search(wf_fusion *fusion) { wf_fusion_search(fusion, fuse_greedy, fusion->tries); }

typedef struct strategy { const char *name; void (*run)(wf_fusion *fusion); } strategy;
static const strategy strategies[] = {{"greedy", fuse_greedy}, {"none", fuse_none}, {"search", fuse_search}};

static const strategy *find_strategy(wf_module *module, const char *name) {
  for (size_t i = 0; i < sizeof strategies / sizeof *strategies; i++)
    if (strcmp(strategies[i].name, name) == 0) return &strategies[i];
  wf_diagnostic *error = wf_error(module->diag, WF_NOWHERE, "fuse: unknown strategy '%s'", name);
  wf_help(module->diag, error, "strategies are greedy, none and search");
  return NULL;
}

static bool has_groups(const wf_function *function) {
  for (int i = 0; i < function->ops.count; i++)
    if (function->ops.items[i]->kind == WF_O_GROUP || function->ops.items[i]->kind == WF_O_LAUNCH) return true;
  return false;
}

// Calls are kept up to here; each call site fuses on its own.
static void expand_calls(wf_function *function) {
  for (int i = 0; i < function->ops.count; i++)
    while (i < function->ops.count && function->ops.items[i]->kind == WF_O_CALL) wf_inline_call(function, i);
}

bool wf_pass_fuse(wf_module *module, const wf_pass_options *options) {
  wf_tile_target target;
  const strategy *chosen = find_strategy(module, wf_pass_option_get(options, "strategy", "greedy"));
  if (!chosen || !wf_tile_target_from(module, wf_pass_option_get(options, "target", "native"), &target)) return false;
  for (int i = 0; i < module->functions.count; i++) {
    if (has_groups(module->functions.items[i])) continue;
    expand_calls(module->functions.items[i]);
    wf_fusion *fusion = wf_fusion_create(module->functions.items[i], target);
    fusion->max_reads = (int)wf_pass_option_int(options, "max-reads", 8);
    fusion->tries = (int)wf_pass_option_int(options, "tries", 32);
    chosen->run(fusion);
    wf_fusion_finish(fusion);
  }
  return true;
}
