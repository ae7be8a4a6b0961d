// lift: the sites of random numbers become constants beside the computation, so that layers of one shape have one kernel.
//   random(0x1f2e, seed, step, index)  ==>  random(0, xor(seed, site[]), step, index)   with site: i64 = const 0x1f2e
// The bits stay the same: the generator's key is seed xor site.
#include "passes/passes.h"

typedef struct lift {
  wf_function *function;
  wf_map sites;                  // the text of a site -> its value
} lift;

static wf_value *site_value(lift *l, const char *wanted, int64_t site, wf_loc loc) {
  wf_module *module = l->function->module;
  const char *key = wf_arena_printf(module->arena, "%llx", (unsigned long long)site);
  wf_value *known = wf_map_get(&l->sites, key);
  if (known) return known;
  const char *name = wf_arena_printf(module->arena, "%s.site", wanted);
  wf_value *made = wf_build_const(l->function, name, WF_I64, 0, NULL, &site, loc);
  wf_map_set(&l->sites, key, made);
  return made;
}

typedef struct rewriting { lift *lift; const wf_op *op; } rewriting;

static const wf_expr *replace_random(void *context, const wf_expr *node) {
  rewriting *r = context;
  wf_module *module = r->lift->function->module;
  if (node->op != WF_S_RANDOM || !node->integer) return NULL;
  wf_value *site = site_value(r->lift, r->op->results[0]->name, node->integer, r->op->loc);
  const wf_expr *seed = wf_expr_binary(module, WF_S_XOR, node->args[0], wf_expr_read(module, site, NULL, NULL));
  return wf_expr_random(module, 0, seed, node->args[1], node->args[2]);
}

static void lift_op(lift *l, wf_op *op) {
  rewriting r = {l, op};
  const wf_expr *body = op->body ? wf_expr_rewrite(l->function->module, op->body, NULL, 0, replace_random, &r) : NULL;
  if (body == op->body) return;
  op->body = body;
  wf_op_refresh_operands(l->function->module, op);
}

// The constants were appended while the others were rewritten: they come first.
static void put_first(wf_function *function, int before) {
  int made = function->ops.count - before;
  if (!made) return;
  wf_op **constants = WF_NEW_ARRAY(function->module->arena, wf_op *, made);
  memcpy(constants, function->ops.items + before, (size_t)made * sizeof *constants);
  memmove(function->ops.items + made, function->ops.items, (size_t)before * sizeof *constants);
  memcpy(function->ops.items, constants, (size_t)made * sizeof *constants);
}

static bool is_region(const wf_module *module, const wf_function *function) {
  for (int f = 0; f < module->functions.count; f++)
    for (int i = 0; i < module->functions.items[f]->ops.count; i++)
      if (module->functions.items[f]->ops.items[i]->region == function) return true;
  return false;
}

bool wf_pass_lift_sites(wf_module *module, const wf_pass_options *options) {
  (void)options;
  for (int f = 0; f < module->functions.count; f++) {
    lift l = {.function = module->functions.items[f]};
    if (is_region(module, l.function)) continue;   // a loop would make its constants anew each time
    int count = l.function->ops.count;
    wf_map_init(&l.sites, module->arena);
    for (int i = 0; i < count; i++) lift_op(&l, l.function->ops.items[i]);
    put_first(l.function, count);
  }
  return true;
}
