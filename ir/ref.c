// The reference evaluator: net IR interpreted in f64 (i64 for integers and booleans), naive, the oracle for every device.
// With `round` each scalar operation and each stored value rounds to its dtype as docs/ir.md says.
#include "ir/ref_internal.h"

static bool run_function(wf_ref *ref, const wf_function *function);
static bool run_op(wf_ref *ref, const wf_op *op);

static wf_tensor *value_of(const wf_ref *ref, const wf_value *value) { return ref->values[value->id]; }

static void copy_elements(wf_tensor *to, int64_t to_first, const wf_tensor *from, int64_t from_first, int64_t count) {
  if (to->floats)
    memcpy(to->floats + to_first, from->floats + from_first, sizeof(double) * (size_t)count);
  else
    memcpy(to->integers + to_first, from->integers + from_first, sizeof(int64_t) * (size_t)count);
}

static bool store_copy(wf_ref *ref, const wf_value *value, const wf_tensor *from) {
  wf_tensor *to = wf_ref_storage(ref, value);
  if (!to) return false;
  if (to->count != from->count) {
    wf_error(ref->diag, value->loc, "'%s' has %lld elements where %lld are given", value->name, (long long)to->count, (long long)from->count);
    return false;
  }
  copy_elements(to, 0, from, 0, to->count);
  return true;
}

static bool run_const(wf_ref *ref, const wf_op *op) {
  wf_tensor *result = wf_ref_storage(ref, op->results[0]);
  if (!result) return false;
  for (int64_t i = 0; i < result->count; i++)
    if (result->floats) result->floats[i] = wf_load_element(result->dtype, op->data, i);
    else result->integers[i] = wf_load_element_int(result->dtype, op->data, i);
  return true;
}

static bool run_call(wf_ref *ref, const wf_op *op) {
  const wf_function *callee = op->region;
  wf_arena *scratch = wf_arena_create();
  wf_tensor **inputs = WF_NEW_ARRAY(scratch, wf_tensor *, op->operand_count);
  for (int i = 0; i < op->operand_count; i++) inputs[i] = ref->values[callee->inputs.items[i]->id] = value_of(ref, op->operands[i]);
  // The callee's symbols are its own: the same names may stand for other extents at another call.
  int bound = ref->symbols.count;
  wf_ref_symbol *saved = ref->symbols.items;
  int saved_capacity = ref->symbols.capacity;
  ref->symbols.items = NULL, ref->symbols.count = ref->symbols.capacity = 0;
  bool good = wf_ref_bind(ref, callee, inputs);
  for (int i = 0; good && i < bound; i++) {
    bool known = false;
    for (int k = 0; k < ref->symbols.count; k++) known |= ref->symbols.items[k].atom == saved[i].atom;
    if (!known) wf_vec_push(ref->arena, &ref->symbols, saved[i]);
  }
  good = good && run_function(ref, callee);
  ref->symbols.items = saved, ref->symbols.count = bound, ref->symbols.capacity = saved_capacity;
  for (int i = 0; good && i < op->result_count; i++) good = store_copy(ref, op->results[i], value_of(ref, callee->results.items[i].value));
  wf_arena_destroy(scratch);
  return good;
}

// ---- loop -------------------------------------------------------------------------------------------------------

static bool start_loop(wf_ref *ref, const wf_op *op) {
  const wf_function *region = op->region;
  int own = 1 + op->carry_count + op->slice_count;
  for (int i = 0; i < region->inputs.count; i++) {
    const wf_value *input = region->inputs.items[i];
    if (i >= own) {
      ref->values[input->id] = value_of(ref, op->operands[i - 1]);
      continue;
    }
    ref->values[input->id] = NULL;  // storage of its own, whatever an earlier run left
    if (!wf_ref_storage(ref, input)) return false;
    if (i >= 1 && i <= op->carry_count && !store_copy(ref, input, value_of(ref, op->operands[i - 1]))) return false;
  }
  for (int i = op->carry_count; i < op->result_count; i++)
    if (!wf_ref_storage(ref, op->results[i])) return false;
  return true;
}

static bool same_count(wf_ref *ref, const wf_op *op, const wf_tensor *whole, const wf_tensor *slice, int64_t trip) {
  if (whole->count == slice->count * trip) return true;
  wf_error(ref->diag, op->loc, "a slice of %lld elements and %lld iterations do not make the %lld elements of the whole", (long long)slice->count,
           (long long)trip, (long long)whole->count);
  return false;
}

// The carried values change at once: a next value may be another carried input.
static void advance_carries(wf_ref *ref, const wf_op *op, wf_tensor **spare) {
  const wf_function *region = op->region;
  for (int i = 0; i < op->carry_count; i++) {
    const wf_tensor *next = value_of(ref, region->results.items[i].value);
    copy_elements(spare[i], 0, next, 0, next->count);
  }
  for (int i = 0; i < op->carry_count; i++) {
    wf_tensor **input = &ref->values[region->inputs.items[1 + i]->id], *old = *input;
    *input = spare[i];
    spare[i] = old;
  }
}

static bool run_iteration(wf_ref *ref, const wf_op *op, int64_t t, int64_t trip) {
  const wf_function *region = op->region;
  value_of(ref, region->inputs.items[0])->integers[0] = t;
  for (int i = 0; i < op->slice_count; i++) {
    wf_tensor *slice = value_of(ref, region->inputs.items[1 + op->carry_count + i]), *whole = value_of(ref, op->operands[op->carry_count + i]);
    if (!same_count(ref, op, whole, slice, trip)) return false;
    copy_elements(slice, 0, whole, t * slice->count, slice->count);
  }
  if (!run_function(ref, region)) return false;
  for (int i = op->carry_count; i < op->result_count; i++) {
    const wf_tensor *slice = value_of(ref, region->results.items[i].value);
    wf_tensor *whole = value_of(ref, op->results[i]);
    if (!same_count(ref, op, whole, slice, trip)) return false;
    copy_elements(whole, t * slice->count, slice, 0, slice->count);
  }
  return true;
}

static bool run_loop(wf_ref *ref, const wf_op *op) {
  int64_t trip;
  if (!wf_ref_dim(ref, op->loc, op->trip, &trip) || !start_loop(ref, op)) return false;
  wf_tensor **spare = WF_NEW_ARRAY(ref->arena, wf_tensor *, op->carry_count);
  for (int i = 0; i < op->carry_count; i++) {
    const wf_tensor *carry = value_of(ref, op->region->inputs.items[1 + i]);
    spare[i] = wf_tensor_create(ref->arena, carry->dtype, carry->rank, carry->shape);
  }
  for (int64_t step = 0; step < trip; step++) {
    if (!run_iteration(ref, op, op->reverse ? trip - 1 - step : step, trip)) return false;
    advance_carries(ref, op, spare);
  }
  for (int i = 0; i < op->carry_count; i++)
    if (!store_copy(ref, op->results[i], value_of(ref, op->region->inputs.items[1 + i]))) return false;
  return true;
}

// ---- dispatch ---------------------------------------------------------------------------------------------------

static bool run_group(wf_ref *ref, const wf_op *op) {
  for (int i = 0; i < op->member_count; i++)
    if (!run_op(ref, op->members[i])) return false;
  return true;
}

static bool not_evaluated(wf_ref *ref, const wf_op *op) {
  wf_error(ref->diag, op->loc, "the reference evaluator does not run `%s`: %s", wf_operation_names[op->kind],
           op->kind == WF_O_GRAD ? "the pass autodiff expands it" : "it runs net IR, before tiling");
  return false;
}

static bool run_op(wf_ref *ref, const wf_op *op) {
  switch (op->kind) {
    case WF_O_CONST: return run_const(ref, op);
    case WF_O_COMPUTE: return wf_ref_compute(ref, op);
    case WF_O_SCATTER: return wf_ref_scatter(ref, op);
    case WF_O_SORT: return wf_ref_sort(ref, op);
    case WF_O_LOOP: return run_loop(ref, op);
    case WF_O_CALL: return run_call(ref, op);
    case WF_O_GROUP: return run_group(ref, op);
    case WF_O_UPDATE: return true;  // takes effect when the function ends: wf_ref_run hands the value out
    case WF_O_GRAD: case WF_O_LAUNCH: case WF_OPERATION_COUNT: break;
  }
  return not_evaluated(ref, op);
}

static bool run_function(wf_ref *ref, const wf_function *function) {
  for (int i = 0; i < function->ops.count; i++)
    if (!run_op(ref, function->ops.items[i])) return false;
  return true;
}

// A function may return its input: results never share storage with what the caller gave.
static wf_tensor *result_copy(wf_ref *ref, const wf_value *value) {
  wf_tensor *from = value_of(ref, value);
  wf_tensor *copy = wf_tensor_create(ref->arena, value->dtype, from->rank, from->shape);
  copy_elements(copy, 0, from, 0, from->count);
  return copy;
}

bool wf_ref_run(wf_arena *arena, wf_diag *diag, const wf_function *function, const wf_ref_options *options, wf_tensor *const *inputs,
                wf_tensor **out_results, wf_tensor **out_updates) {
  wf_ref ref = {.arena = arena, .diag = diag, .round = options && options->round};
  ref.values = WF_NEW_ARRAY(arena, wf_tensor *, function->module->value_count);
  if (!wf_ref_bind(&ref, function, inputs)) return false;
  for (int i = 0; i < function->inputs.count; i++) ref.values[function->inputs.items[i]->id] = inputs[i];
  if (!run_function(&ref, function)) return false;
  for (int i = 0; i < function->results.count; i++) out_results[i] = result_copy(&ref, function->results.items[i].value);
  int update = 0;
  for (int i = 0; out_updates && i < function->ops.count; i++)
    if (function->ops.items[i]->kind == WF_O_UPDATE) out_updates[update++] = result_copy(&ref, function->ops.items[i]->operands[1]);
  return true;
}
