// tile: every computation of a function becomes a LAUNCH of a kernel. Afterwards functions hold LAUNCH, CONST, LOOP, SORT
// and UPDATE only; the regions of loops are tiled the same way.
#include "passes/gpu.h"
#include "passes/tile.h"

// The first row that this processor has.
static wf_tile_target native_target(void) {
#if defined(__x86_64__)
#define WF_ATOM(name, bytes, registers, rows, vectors, test) \
  if (test) return (wf_tile_target){bytes, registers, rows, vectors, 0};
#include "codegen/atoms.def"
#endif
  return (wf_tile_target){16, 16, 6, 2, 0};
}

bool wf_tile_target_from(wf_module *module, const char *name, wf_tile_target *out_target) {
  static const struct { const char *name; wf_tile_target target; } known[] = {
#define WF_ATOM(name, bytes, registers, rows, vectors, test) {name, {bytes, registers, rows, vectors, 0}},
#define WF_GPU_ATOM(name, capability, bytes, registers, rows, vectors) {name, {bytes, registers, rows, vectors, capability}},
#include "codegen/atoms.def"
  };
  const char *names[sizeof known / sizeof *known + 1] = {"native"};
  if (strcmp(name, "native") == 0) {
    *out_target = native_target();
    return true;
  }
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    names[i + 1] = known[i].name;
    if (strcmp(name, known[i].name) != 0) continue;
    *out_target = known[i].target;
    return true;
  }
  wf_diagnostic *error = wf_error(module->diag, WF_NOWHERE, "tile: unknown target '%s'", name);
  const char *meant = wf_did_you_mean(name, names, (int)(sizeof names / sizeof *names));
  if (meant) wf_help(module->diag, error, "did you mean '%s'?", meant);
  else wf_help(module->diag, error, "targets are native, x86-64-v2, x86-64-v3, x86-64-v4, sm_80 and sm_90a");
  return false;
}

static void push(wf_tile *tile, wf_op *op) { wf_vec_push(tile->module->arena, &tile->out, op); }


void wf_tile_op(wf_tile *tile, wf_op *op) {
  if (wf_tile_contraction(tile, op->results[0]->name, &op, 1, op->results, 1)) return;
  if (op->kind == WF_O_COMPUTE) wf_tile_parts(tile, &op, 1);
  wf_draft *draft = wf_draft_begin(tile->function, op->results[0]->name, op->loc, tile->target);
  for (int i = 0; i < op->operand_count; i++) wf_draft_read(draft, op->operands[i]);
  wf_draft_write(draft, op->results[0]);
  draft->threads = wf_gpu_threads(&op, 1);
  wf_tile_part(draft, &op, 1);
  push(tile, wf_draft_finish(draft, &op, 1));
}

static bool tile_function(wf_module *module, wf_function *function, const wf_tile_target *target, bool contract);

static bool tile_one(wf_tile *tile, wf_op *op) {
  switch (op->kind) {
  case WF_O_COMPUTE:
  case WF_O_SCATTER: wf_tile_op(tile, op); return true;
  case WF_O_GROUP: wf_tile_group(tile, op); return true;
  case WF_O_LOOP:
    push(tile, op);
    return tile_function(tile->module, op->region, &tile->target, tile->contract);
  case WF_O_CONST:
  case WF_O_SORT:
  case WF_O_UPDATE:
  case WF_O_LAUNCH: push(tile, op); return true;
  case WF_O_CALL:
  case WF_O_GRAD:
    wf_error(tile->module->diag, op->loc, "tile: '%s' must be expanded before tiling", wf_operation_names[op->kind]);
    return false;
  case WF_OPERATION_COUNT: break;
  }
  return false;
}

static bool is_tiled(const wf_function *function) {
  for (int i = 0; i < function->ops.count; i++) {
    wf_operation kind = function->ops.items[i]->kind;
    if (kind == WF_O_COMPUTE || kind == WF_O_SCATTER || kind == WF_O_GROUP || kind == WF_O_LOOP) return false;
  }
  return true;
}

static bool tile_function(wf_module *module, wf_function *function, const wf_tile_target *target, bool contract) {
  if (is_tiled(function)) return true;
  wf_tile tile = {.module = module, .function = function, .target = *target, .contract = contract};
  for (int i = 0; i < function->ops.count; i++)
    if (!tile_one(&tile, function->ops.items[i])) return false;
  function->ops.items = tile.out.items;
  function->ops.count = tile.out.count;
  function->ops.capacity = tile.out.capacity;
  return true;
}

static bool is_region(const wf_module *module, const wf_function *function) {
  for (int i = 0; i < module->functions.count; i++)
    for (int j = 0; j < module->functions.items[i]->ops.count; j++)
      if (module->functions.items[i]->ops.items[j]->region == function) return true;
  return false;
}

bool wf_pass_tile(wf_module *module, const wf_pass_options *options) {
  wf_tile_target target;
  if (!wf_tile_target_from(module, wf_pass_option_get(options, "target", "native"), &target)) return false;
  bool contract = wf_pass_option_int(options, "contract", 1) != 0;
  for (int i = 0; i < module->functions.count; i++) {
    wf_function *function = module->functions.items[i];
    if (!is_region(module, function) && !tile_function(module, function, &target, contract)) return false;
  }
  return true;
}
