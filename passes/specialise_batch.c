// specialise: inference gets a variant for a batch of one, which runs in its place where the extent is bound to 1.
//   func @infer(%x: f32[n, c] data) ...  ==>  the same, and  func @infer.1(%x: f32[1, c] data) ... for @infer at n - 1 == 0
// With one row a linear layer is a product of a matrix and a vector: it wants neither the tile of several rows nor packing.
#include "passes/clone_ops.h"
#include "passes/passes.h"

// The symbol that is the first extent of the first input, where it may be 1.
static const wf_atom *batch_symbol(const wf_function *function) {
  for (int i = 0; i < function->inputs.count; i++) {
    const wf_value *input = function->inputs.items[i];
    if (input->role != WF_ROLE_DATA) continue;
    const wf_atom *atom = input->rank ? wf_dim_as_atom(input->shape[0]) : NULL;
    return atom && atom->kind == WF_ATOM_SYMBOL && atom->low <= 1 && atom->divisor == 1 ? atom : NULL;
  }
  return NULL;
}

// A sum over products whose rows are the batch alone: a matrix times a vector at a batch of one.
static bool has_single_rows(const wf_function *function, const wf_atom *batch) {
  for (int i = 0; i < function->ops.count; i++) {
    const wf_op *op = function->ops.items[i];
    bool sums = op->kind == WF_O_COMPUTE && op->combiner == WF_R_SUM && op->operand_count > 1 && op->axis_count == 2;
    if (sums && (wf_dim_as_atom(op->axes[0]->extent) == batch || wf_dim_as_atom(op->axes[1]->extent) == batch)) return true;
  }
  return false;
}

static bool has_variant(const wf_module *module, const wf_function *function) {
  for (int i = 0; i < module->functions.count; i++)
    if (module->functions.items[i]->variant_of == function) return true;
  return false;
}

static void add_variant(wf_module *module, const wf_function *function) {
  const wf_atom *batch = batch_symbol(function);
  if (!batch || !has_single_rows(function, batch)) return;
  wf_binding one = {batch, wf_dim_const(module->dims, 1)};
  wf_function *variant = wf_clone_function(module, function, "infer.1", &one, 1);
  variant->variant_of = function;
  variant->condition = wf_dim_offset(batch->as_dim, -1);
}

bool wf_pass_specialise(wf_module *module, const wf_pass_options *options) {
  if (!strncmp(wf_pass_option_get(options, "target", "native"), "sm_", 3)) return true;   // what it would bring there was not measured
  int count = module->functions.count;
  for (int i = 0; i < count; i++) {
    const wf_function *function = module->functions.items[i];
    if (!strcmp(function->name, "infer") && !has_variant(module, function)) add_variant(module, function);
  }
  return true;
}
