// `fold`: operations whose operands are all constants become constants, evaluated by the reference with the IR's rounding.
// A constant grows no program: results over `limit` elements and evaluations over `work` points stay.
#include "passes/passes.h"

typedef struct fold { wf_module *module; int64_t limit, work; } fold;

static void visit_random(void *context, const wf_expr *node) {
  if (node->op == WF_S_RANDOM) *(bool *)context = true;
}

// The product of constant extents, or -1.
static int64_t points(const wf_atom *const *axes, int count, int64_t so_far, int64_t most) {
  for (int i = 0; i < count; i++) {
    int64_t extent;
    if (so_far < 0 || !wf_dim_is_const(axes[i]->extent, &extent) || (extent > 0 && so_far > most / extent)) return -1;
    so_far *= extent;
  }
  return so_far;
}

// A fill without operands is cheaper made than stored; a scalar is not.
static bool worth_it(const fold *f, const wf_op *op) {
  if (op->kind != WF_O_COMPUTE || op->results[0]->layout) return false;
  if (!op->operand_count && op->axis_count) return false;
  for (int i = 0; i < op->operand_count; i++)
    if (!op->operands[i]->def || op->operands[i]->def->kind != WF_O_CONST) return false;
  int64_t elements = points(op->axes, op->axis_count, 1, f->limit);
  if (elements < 1 || points(op->reduction_axes, op->reduction_count, elements, f->work) < 1) return false;
  bool random = false;
  wf_expr_walk(op->body, visit_random, &random);
  return !random;
}

// False where the evaluation fails: a read out of bounds, a division by zero, a run-time extent in the body.
static bool fold_op(fold *f, wf_op *op, wf_arena *scratch) {
  wf_value *result = op->results[0];
  wf_diag *quiet = wf_diag_create(scratch);
  wf_module bare = *f->module;   // facts speak of extents that a constant does not have
  bare.facts.count = 0;
  wf_function alone = {.module = &bare, .name = "fold"};
  for (int i = 0; i < op->operand_count; i++) wf_vec_push(scratch, &alone.ops, op->operands[i]->def);
  wf_vec_push(scratch, &alone.ops, op);
  wf_vec_push(scratch, &alone.results, ((wf_result){"result", result}));
  wf_tensor *value;
  if (!wf_ref_run(scratch, quiet, &alone, &(wf_ref_options){.round = true}, NULL, &value, NULL)) return false;
  char *data = wf_arena_alloc(f->module->arena, (size_t)(value->count * wf_dtype_bytes(result->dtype)) + 1);
  for (int64_t i = 0; i < value->count; i++)
    if (value->floats) wf_store_element(result->dtype, data, i, value->floats[i]);
    else wf_store_element_int(result->dtype, data, i, value->integers[i]);
  wf_op constant = {.kind = WF_O_CONST, .loc = op->loc, .results = op->results, .result_count = 1, .data = data, .placement = op->placement, .placed_at = op->placed_at};
  *op = constant;
  return true;
}

bool wf_pass_fold(wf_module *module, const wf_pass_options *options) {
  fold f = {module, wf_pass_option_int(options, "limit", 4096), wf_pass_option_int(options, "work", 1000000)};
  for (int i = 0; i < module->functions.count; i++) {
    const wf_function *function = module->functions.items[i];
    for (int k = 0; k < function->ops.count; k++) {
      wf_op *op = function->ops.items[k];
      if (!worth_it(&f, op)) continue;
      wf_arena *scratch = wf_arena_create();
      fold_op(&f, op, scratch);
      wf_arena_destroy(scratch);
    }
  }
  return true;
}
