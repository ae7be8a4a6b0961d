// Binding of run-time extents: symbols get their values from the shapes of the inputs, facts are checked once.
#include "ir/ref_internal.h"

static const wf_ref_symbol *find_symbol(const wf_ref *ref, const wf_atom *atom) {
  for (int i = 0; i < ref->symbols.count; i++)
    if (ref->symbols.items[i].atom == atom) return &ref->symbols.items[i];
  return NULL;
}

typedef struct lookup { const wf_ref *ref; const wf_atom *missing; } lookup;

static int64_t symbol_value(void *context, const wf_atom *atom) {
  lookup *look = context;
  const wf_ref_symbol *symbol = find_symbol(look->ref, atom);
  if (symbol) return symbol->value;
  look->missing = atom;
  return 1;
}

static bool try_dim(const wf_ref *ref, const wf_dim *dim, int64_t *out_value, const wf_atom **out_missing) {
  lookup look = {.ref = ref};
  *out_value = wf_dim_eval(dim, symbol_value, &look);
  *out_missing = look.missing;
  return !look.missing;
}

bool wf_ref_dim(wf_ref *ref, wf_loc loc, const wf_dim *dim, int64_t *out_value) {
  const wf_atom *missing;
  if (try_dim(ref, dim, out_value, &missing)) return true;
  if (missing->kind == WF_ATOM_AXIS)
    wf_error(ref->diag, loc, "axis '%s' is used outside of its operation", missing->name);
  else
    wf_error(ref->diag, loc, "the extent '%s' has no value: no input has it in its shape", missing->name);
  return false;
}

// ---- binding ----------------------------------------------------------------------------------------------------

static bool check_facts_of_symbol(wf_ref *ref, wf_loc loc, const wf_value *input, int axis, const wf_ref_symbol *symbol) {
  const wf_atom *atom = symbol->atom;
  if (symbol->value < atom->low || symbol->value > atom->high) {
    wf_error(ref->diag, loc, "axis %d of input '%s' gives '%s' the value %lld, which must lie in [%lld, %lld]", axis, input->name,
             atom->name, (long long)symbol->value, (long long)atom->low, (long long)atom->high);
    return false;
  }
  if (atom->divisor > 1 && symbol->value % atom->divisor != 0) {
    wf_error(ref->diag, loc, "axis %d of input '%s' gives '%s' the value %lld, which must be a multiple of %lld", axis, input->name,
             atom->name, (long long)symbol->value, (long long)atom->divisor);
    return false;
  }
  return true;
}

// Binds the one unbound symbol of a shape's dim where the dim is linear in it: 2*n + 1 of 9 elements makes n 4.
static bool bind_axis(wf_ref *ref, const wf_value *input, int axis, int64_t extent) {
  const wf_atom **atoms = NULL, *unbound = NULL;
  int count = 0;
  wf_dim_collect(input->shape[axis], ref->arena, &atoms, &count);
  for (int i = 0; i < count; i++)
    if (!find_symbol(ref, atoms[i])) {
      if (unbound) return true;  // two unknowns: another axis has to tell
      unbound = atoms[i];
    }
  const wf_dim *coefficient, *rest;
  if (!unbound || unbound->kind != WF_ATOM_SYMBOL || !wf_dim_split(input->shape[axis], unbound, &coefficient, &rest)) return true;
  int64_t factor, offset;
  if (!wf_ref_dim(ref, input->loc, coefficient, &factor) || !wf_ref_dim(ref, input->loc, rest, &offset)) return false;
  if (factor == 0 || (extent - offset) % factor != 0) return true;  // the comparison of shapes reports it
  wf_ref_symbol symbol = {unbound, (extent - offset) / factor};
  if (!check_facts_of_symbol(ref, input->loc, input, axis, &symbol)) return false;
  wf_vec_push(ref->arena, &ref->symbols, symbol);
  return true;
}

static bool check_shape(wf_ref *ref, const wf_value *input, const wf_tensor *tensor) {
  for (int axis = 0; axis < input->rank; axis++) {
    int64_t wanted;
    if (!wf_ref_dim(ref, input->loc, input->shape[axis], &wanted)) return false;
    if (wanted == tensor->shape[axis]) continue;
    wf_text text;
    wf_text_init(&text);
    wf_dim_print(&text, input->shape[axis], NULL, NULL);
    bool fixed = wf_dim_is_const(input->shape[axis], &wanted);
    wf_diagnostic *error = wf_error(ref->diag, input->loc, "axis %d of input '%s' has %lld elements, not %s", axis, input->name,
                                    (long long)tensor->shape[axis], text.data);
    if (!fixed) wf_note(ref->diag, error, input->loc, "%s is %lld: extents are bound by the first input that has them in its shape", text.data, (long long)wanted);
    wf_text_deinit(&text);
    return false;
  }
  return true;
}

static bool check_facts(wf_ref *ref, const wf_module *module) {
  for (int i = 0; i < module->facts.count; i++) {
    const wf_fact *fact = &module->facts.items[i];
    const wf_atom *missing;
    int64_t value;
    if (!try_dim(ref, fact->dim, &value, &missing)) continue;  // about extents of another function
    if (fact->zero ? value == 0 : value >= 0) continue;
    wf_text text;
    wf_text_init(&text);
    wf_dim_print(&text, fact->dim, NULL, NULL);
    wf_error(ref->diag, fact->loc, "the inputs break the rule %s %s 0: it is %lld", text.data, fact->zero ? "==" : ">=", (long long)value);
    wf_text_deinit(&text);
    return false;
  }
  return true;
}

bool wf_ref_bind(wf_ref *ref, const wf_function *function, wf_tensor *const *inputs) {
  for (int i = 0; i < function->inputs.count; i++) {
    const wf_value *input = function->inputs.items[i];
    if (inputs[i]->rank != input->rank || wf_dtype_is_float(inputs[i]->dtype) != wf_dtype_is_float(input->dtype)) {
      wf_error(ref->diag, input->loc, "input '%s' is %s of rank %d, not %s of rank %d", input->name, wf_dtype_name(inputs[i]->dtype),
               inputs[i]->rank, wf_dtype_name(input->dtype), input->rank);
      return false;
    }
  }
  // Twice: an axis with two unknowns may be solved by a later axis.
  for (int round = 0; round < 2; round++)
    for (int i = 0; i < function->inputs.count; i++)
      for (int axis = 0; axis < function->inputs.items[i]->rank; axis++)
        if (!bind_axis(ref, function->inputs.items[i], axis, inputs[i]->shape[axis])) return false;
  for (int i = 0; i < function->inputs.count; i++)
    if (!check_shape(ref, function->inputs.items[i], inputs[i])) return false;
  return check_facts(ref, function->module);
}

// ---- storage ----------------------------------------------------------------------------------------------------

wf_tensor *wf_tensor_create(wf_arena *arena, wf_dtype type, int rank, const int64_t *shape) {
  wf_tensor *tensor = WF_NEW(arena, wf_tensor);
  tensor->dtype = type;
  tensor->rank = rank;
  tensor->count = 1;
  for (int i = 0; i < rank; i++) tensor->count *= tensor->shape[i] = shape[i];
  if (wf_dtype_is_float(type))
    tensor->floats = WF_NEW_ARRAY(arena, double, tensor->count);
  else
    tensor->integers = WF_NEW_ARRAY(arena, int64_t, tensor->count);
  return tensor;
}

wf_tensor *wf_ref_storage(wf_ref *ref, const wf_value *value) {
  int64_t shape[WF_MAX_RANK], count = 1;
  for (int i = 0; i < value->rank; i++) {
    if (!wf_ref_dim(ref, value->loc, value->shape[i], &shape[i])) return NULL;
    if (shape[i] < 0 || __builtin_mul_overflow(count, shape[i], &count) || count > INT64_C(1) << 33) {
      wf_error(ref->diag, value->loc, "'%s' has %s: axis %d is %lld", value->name,
               shape[i] < 0 ? "a negative extent" : "more elements than the reference evaluator holds", i, (long long)shape[i]);
      return NULL;
    }
  }
  wf_tensor *tensor = ref->values[value->id];
  if (!tensor || memcmp(tensor->shape, shape, sizeof *shape * (size_t)value->rank) != 0)
    tensor = ref->values[value->id] = wf_tensor_create(ref->arena, value->dtype, value->rank, shape);
  return tensor;
}
