// From the shapes of a call's inputs to the values of the symbols, and from those to an address for each buffer.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/arena_layout.h"
#include "runtime/data/dataset.h"
#include "runtime/formula.h"
#include "runtime/memory.h"
#include "runtime/session_internal.h"

static const int64_t unbound = INT64_MIN;
static const int64_t symbol_limit = (int64_t)1 << 31;

const char *weft_shape_text(int rank, const int64_t *extents, char *text, size_t size) {
  size_t length = 0;
  snprintf(text, size, "[");
  for (int i = 0; i < rank; i++) {
    length = strlen(text);
    snprintf(text + length, size - length, "%s%lld", i ? ", " : "", (long long)extents[i]);
  }
  length = strlen(text);
  snprintf(text + length, size - length, "]");
  return text;
}

weft_status *weft_buffer_extents(const wf_plan_buffer *buffer, const int64_t *symbols, int64_t *out_extents) {
  for (int i = 0; i < buffer->rank; i++) TRY(weft_formula_checked(&buffer->extents[i], symbols, &out_extents[i]));
  return NULL;
}

// ---- symbols ------------------------------------------------------------------------------------------------------

typedef struct binder {
  weft_session *session;
  const wf_plan *plan;
  int64_t *symbols;
  struct origin { const char *input; int axis; } *origins;   // by symbol: where its value came from
} binder;

// The one unbound symbol of a formula: -1 none, -2 several.
static int unbound_symbol(const binder *b, const wf_formula *formula) {
  int found = -1;
  for (int i = 0; i < formula->count; i++) {
    if (formula->code[i].op != WF_F_SYMBOL || b->symbols[formula->code[i].value] != unbound) continue;
    int symbol = (int)formula->code[i].value;
    if (found >= 0 && found != symbol) return -2;
    found = symbol;
  }
  return found;
}

// Solves formula == extent for `symbol` where the formula is affine in it: slope and offset from three points.
static bool solve(binder *b, const wf_formula *formula, int symbol, int64_t extent, int64_t *out) {
  int64_t at[3];
  bool evaluated = true;
  for (int x = 0; x < 3 && evaluated; x++) {
    b->symbols[symbol] = x;
    weft_status *status = weft_formula_checked(formula, b->symbols, &at[x]);
    evaluated = !status;
    weft_status_free(status);
  }
  b->symbols[symbol] = unbound;
  if (!evaluated || at[2] - at[1] != at[1] - at[0] || at[1] == at[0]) return false;
  int64_t slope = at[1] - at[0];
  if ((extent - at[0]) % slope != 0) return false;
  *out = (extent - at[0]) / slope;
  return true;
}

static weft_status *bind_symbol(binder *b, int symbol, int64_t value, const char *input, int axis) {
  const char *name = b->session->program->symbols[symbol];
  if (value < 1 || value >= symbol_limit)
    return weft_fail(WEFT_BAD_INPUT, "input '%s': axis %d makes '%s' %lld; it must be 1 to 2^31 - 1", input, axis, name, (long long)value);
  b->symbols[symbol] = value;
  b->origins[symbol] = (struct origin){input, axis};
  return NULL;
}

// One pass over an input's axes: binds what has one unbound symbol. progress is set where something was bound.
static weft_status *bind_axes(binder *b, const wf_plan_buffer *buffer, const weft_tensor *tensor, bool *progress) {
  for (int i = 0; i < buffer->rank; i++) {
    int symbol = unbound_symbol(b, &buffer->extents[i]);
    int64_t value;
    if (symbol < 0 || !solve(b, &buffer->extents[i], symbol, tensor->extents[i], &value)) continue;
    TRY(bind_symbol(b, symbol, value, buffer->name, i));
    *progress = true;
  }
  return NULL;
}

static weft_status *mismatch(const binder *b, const wf_plan_buffer *buffer, const weft_tensor *tensor, int axis, int64_t wanted) {
  char shape[200], because[256] = "";
  for (int s = 0; s < b->session->program->symbol_count; s++)
    if (weft_formula_uses(&buffer->extents[axis], s) && b->origins[s].input) {
      snprintf(because, sizeof because, " (%s is %lld by axis %d of input '%s')", b->session->program->symbols[s], (long long)b->symbols[s],
               b->origins[s].axis, b->origins[s].input);
      break;
    }
  return weft_fail(WEFT_BAD_INPUT, "input '%s' has shape %s, but axis %d should be %lld%s", buffer->name,
                   weft_shape_text(tensor->rank, tensor->extents, shape, sizeof shape), axis, (long long)wanted, because);
}

static weft_status *check_axes(const binder *b, const wf_plan_buffer *buffer, const weft_tensor *tensor) {
  for (int i = 0; i < buffer->rank; i++) {
    int64_t wanted;
    if (unbound_symbol(b, &buffer->extents[i]) != -1)
      return weft_fail(WEFT_BAD_INPUT, "input '%s': no value of the run-time extents gives axis %d an extent of %lld", buffer->name, i,
                       (long long)tensor->extents[i]);
    TRY(weft_formula_checked(&buffer->extents[i], b->symbols, &wanted));
    if (wanted != tensor->extents[i]) return mismatch(b, buffer, tensor, i, wanted);
  }
  return NULL;
}

static weft_status *check_input(const wf_plan_buffer *buffer, const weft_tensor *tensor) {
  char shape[200];
  if ((int)tensor->dtype != (int)buffer->dtype)
    return weft_fail(WEFT_BAD_INPUT, "input '%s' is %s, the network takes %s", buffer->name, weft_dtype_name(tensor->dtype),
                     wf_dtype_name(buffer->dtype));
  if (tensor->rank != buffer->rank)
    return weft_fail(WEFT_BAD_INPUT, "input '%s' has shape %s, the network takes %d axes", buffer->name,
                     weft_shape_text(tensor->rank, tensor->extents, shape, sizeof shape), buffer->rank);
  return NULL;
}

static weft_status *check_range(const weft_session *session, const wf_plan_buffer *buffer, const weft_tensor *tensor) {
  int64_t bound = weft_session_input_range(session, buffer->name), count = weft_tensor_elements(tensor);
  if (!bound || !wf_dtype_is_int(buffer->dtype)) return NULL;
  for (int64_t i = 0; i < count; i++) {
    int64_t value = wf_load_element_int(buffer->dtype, tensor->data, i);
    if (value < 0 || value >= bound)
      return weft_fail(WEFT_BAD_INPUT, "input '%s': element %lld is %lld, the network takes 0 to %lld", buffer->name, (long long)i,
                       (long long)value, (long long)bound - 1);
  }
  return NULL;
}

static const weft_tensor *find_input(const weft_named_tensor *inputs, int count, const char *name) {
  for (int i = 0; i < count; i++)
    if (strcmp(inputs[i].name, name) == 0) return &inputs[i].tensor;
  return NULL;
}

static weft_status *unknown_input(const wf_plan *plan, const char *name) {
  char known[300] = "";
  for (int i = 0; i < plan->buffer_count; i++) {
    size_t length = strlen(known);
    if (plan->buffers[i].role == WF_BUFFER_INPUT) snprintf(known + length, sizeof known - length, "%s%s", length ? ", " : "", plan->buffers[i].name);
  }
  return weft_fail(WEFT_BAD_INPUT, "no input '%s'; there are: %s", name, *known ? known : "none");
}

static weft_status *check_inputs(const binder *b, const weft_named_tensor *inputs, int count) {
  for (int i = 0; i < b->plan->buffer_count; i++) {
    const wf_plan_buffer *buffer = &b->plan->buffers[i];
    if (buffer->role != WF_BUFFER_INPUT) continue;
    const weft_tensor *tensor = find_input(inputs, count, buffer->name);
    if (!tensor) return weft_fail(WEFT_BAD_INPUT, "input '%s' is missing", buffer->name);
    TRY(check_input(buffer, tensor));
    TRY(check_range(b->session, buffer, tensor));
  }
  for (int i = 0; i < count; i++) {
    bool known = false;
    for (int j = 0; j < b->plan->buffer_count && !known; j++)
      known = b->plan->buffers[j].role == WF_BUFFER_INPUT && strcmp(b->plan->buffers[j].name, inputs[i].name) == 0;
    if (!known) return unknown_input(b->plan, inputs[i].name);
  }
  return NULL;
}

static weft_status *bind_inputs(binder *b, const weft_named_tensor *inputs, int count) {
  for (bool progress = true; progress;) {
    progress = false;
    for (int i = 0; i < b->plan->buffer_count; i++)
      if (b->plan->buffers[i].role == WF_BUFFER_INPUT)
        TRY(bind_axes(b, &b->plan->buffers[i], find_input(inputs, count, b->plan->buffers[i].name), &progress));
  }
  for (int i = 0; i < b->plan->buffer_count; i++)
    if (b->plan->buffers[i].role == WF_BUFFER_INPUT)
      TRY(check_axes(b, &b->plan->buffers[i], find_input(inputs, count, b->plan->buffers[i].name)));
  return NULL;
}

static weft_status *check_facts(const binder *b) {
  const wf_program *program = b->session->program;
  for (int i = 0; i < program->fact_count; i++) {
    const wf_fact_formula *fact = &program->facts[i];
    if (unbound_symbol(b, &fact->formula) != -1) continue;   // of another plan
    int64_t value;
    TRY(weft_formula_checked(&fact->formula, b->symbols, &value));
    if (fact->zero ? value == 0 : value >= 0) continue;
    char bound[256] = "";
    for (int s = 0; s < program->symbol_count; s++) {
      size_t length = strlen(bound);
      if (weft_formula_uses(&fact->formula, s))
        snprintf(bound + length, sizeof bound - length, "%s%s = %lld", length ? ", " : "", program->symbols[s], (long long)b->symbols[s]);
    }
    return weft_fail(WEFT_BAD_INPUT, "the network was compiled for %s, but the inputs give %s", fact->text, bound);
  }
  return NULL;
}

static weft_status *find_symbols(weft_session *session, int plan, const weft_named_tensor *inputs, int count, int64_t *symbols) {
  const weft_plan_state *state = &session->plans[plan];
  binder b = {session, &session->program->plans[plan], symbols, NULL};
  for (int s = 0; s < session->program->symbol_count; s++) symbols[s] = unbound;
  TRY(weft_allocate((size_t)session->program->symbol_count, sizeof *b.origins, &b.origins));
  weft_status *failed = check_inputs(&b, inputs, count);
  if (!failed) failed = bind_inputs(&b, inputs, count);
  if (!failed) failed = check_facts(&b);
  free(b.origins);
  for (int s = 0; s < session->program->symbol_count && !failed; s++) {
    if (symbols[s] != unbound) continue;
    if (state->needed[s] && !state->counters[s])
      failed = weft_fail(WEFT_BAD_INPUT, "plan '%s': no input gives the run-time extent '%s'", b.plan->name, session->program->symbols[s]);
    symbols[s] = 0;
  }
  return failed;
}

// ---- storage ------------------------------------------------------------------------------------------------------

void weft_binding_destroy(weft_session *session, const wf_plan *plan, weft_binding *binding) {
  if (!binding) return;
  for (int i = 0; binding->downloads && i < plan->buffer_count; i++) free(binding->downloads[i]);
  free(binding->symbols);
  free(binding->elements);
  free(binding->offsets);
  weft_device_release(session->device, binding->owned);
  free(binding->addresses);
  free(binding->downloads);
  free(binding);
}

// Bytes of each root: the most that any buffer of its group needs.
static weft_status *measure(const weft_session *session, const wf_plan *plan, const int *roots, weft_binding *binding, size_t *bytes) {
  for (int i = 0; i < plan->buffer_count; i++) {
    const wf_plan_buffer *buffer = &plan->buffers[i];
    weft_status *failed = weft_formula_checked(&buffer->elements, binding->symbols, &binding->elements[i]);
    int64_t size = 0;
    if (!failed && !weft_shape_bytes(buffer->dtype, 1, &binding->elements[i], &size)) failed = weft_fail(WEFT_BAD_INPUT, "it is too large");
    if (!failed) failed = weft_check_memory(session, "its elements", (size_t)size);   // also keeps the sums below from overflow
    if (failed) return weft_context(failed, "plan '%s': the size of '%s'", plan->name, buffer->name ? buffer->name : "?");
    if ((size_t)size > bytes[roots[i]]) bytes[roots[i]] = (size_t)size;
  }
  return NULL;
}

static size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

static weft_status *lay_out(const weft_session *session, const wf_plan *plan, const weft_plan_state *state, const size_t *bytes, weft_binding *binding) {
  weft_lifetime *items = NULL;
  int *owners = NULL, count = 0;
  size_t unit = session->device->on_host ? WEFT_ALIGNMENT : WEFT_DEVICE_ALIGNMENT;   // offsets are sums of sizes
  TRY(weft_allocate((size_t)plan->buffer_count, sizeof *items, &items));
  weft_status *failed = weft_allocate((size_t)plan->buffer_count, sizeof *owners, &owners);
  for (int i = 0; i < plan->buffer_count && !failed; i++) {
    const weft_group *group = &state->groups[i];
    if (state->roots[i] != i) continue;
    if (group->home == WEFT_HOME_ARENA) {
      owners[count] = i;
      items[count++] = (weft_lifetime){round_up(bytes[i], unit), group->first, group->last, 0};
    } else if (group->home == WEFT_HOME_OWNED || group->home == WEFT_HOME_CALLER) {
      // A caller's input keeps room too, for data that is not aligned.
      binding->offsets[i] = binding->owned_bytes;
      binding->owned_bytes += round_up(bytes[i], unit);
    }
  }
  if (!failed) failed = weft_arena_lay_out(items, count, &binding->arena_bytes);
  for (int i = 0; i < count && !failed; i++) binding->offsets[owners[i]] = items[i].offset;
  free(items);
  free(owners);
  return failed;
}

static weft_status *check_values(const weft_session *session, const wf_plan *plan, const weft_plan_state *state, const size_t *bytes) {
  for (int i = 0; i < plan->buffer_count; i++) {
    const weft_group *group = &state->groups[i];
    if (state->roots[i] != i || group->home != WEFT_HOME_VALUE) continue;
    const weft_value *value = &session->values[group->value];
    if (bytes[i] > weft_tensor_bytes(&value->tensor))
      return weft_fail(WEFT_INTERNAL, "plan '%s': something larger shares the storage of '%s'", plan->name, value->name);
  }
  return NULL;
}

static weft_status *make_binding(weft_session *session, int plan, const int64_t *symbols, weft_binding *binding) {
  const wf_plan *p = &session->program->plans[plan];
  const weft_plan_state *state = &session->plans[plan];
  size_t buffers = (size_t)p->buffer_count, symbol_count = (size_t)session->program->symbol_count, *bytes = NULL;
  TRY(weft_allocate(symbol_count, sizeof *binding->symbols, &binding->symbols));
  memcpy(binding->symbols, symbols, symbol_count * sizeof *symbols);
  TRY(weft_allocate(buffers, sizeof *binding->elements, &binding->elements));
  TRY(weft_allocate(buffers, sizeof *binding->offsets, &binding->offsets));
  TRY(weft_allocate(buffers, sizeof *binding->addresses, &binding->addresses));
  TRY(weft_allocate(buffers, sizeof *binding->downloads, &binding->downloads));
  TRY(weft_allocate(buffers, sizeof *bytes, &bytes));
  weft_status *failed = measure(session, p, state->roots, binding, bytes);
  if (!failed) failed = check_values(session, p, state, bytes);
  if (!failed) failed = lay_out(session, p, state, bytes, binding);
  free(bytes);
  void *owned = NULL;
  if (!failed) failed = weft_check_memory(session, "the buffers of one run", binding->arena_bytes + binding->owned_bytes);
  if (!failed) failed = weft_device_allocate(session->device, binding->owned_bytes, &owned);
  binding->owned = owned;
  return failed;
}

static bool same_symbols(const weft_session *session, const weft_plan_state *state, const int64_t *a, const int64_t *b) {
  for (int s = 0; s < session->program->symbol_count; s++)
    if (!state->counters[s] && a[s] != b[s]) return false;
  return true;
}

// The binding for these symbols, made or found, moved to the front.
static weft_status *take_binding(weft_session *session, int plan, const int64_t *symbols) {
  weft_plan_state *state = &session->plans[plan];
  int at = 0;
  while (at < WEFT_BINDINGS && state->bindings[at] && !same_symbols(session, state, state->bindings[at]->symbols, symbols)) at++;
  weft_binding *binding = at < WEFT_BINDINGS ? state->bindings[at] : NULL;
  if (!binding) {
    TRY(weft_allocate(1, sizeof *binding, &binding));
    weft_status *failed = make_binding(session, plan, symbols, binding);
    if (failed) {
      weft_binding_destroy(session, &session->program->plans[plan], binding);
      return failed;
    }
    if (at == WEFT_BINDINGS) weft_binding_destroy(session, &session->program->plans[plan], state->bindings[--at]);
  }
  memmove(&state->bindings[1], &state->bindings[0], (size_t)at * sizeof *state->bindings);
  state->bindings[0] = binding;
  return NULL;
}

// Contents do not outlive a run, so growing is freeing and allocating.
static weft_status *grow_arena(weft_session *session, size_t bytes) {
  if (bytes <= session->arena_bytes) return NULL;
  void *arena = NULL;
  weft_device_release(session->device, session->arena);
  session->arena = NULL;
  session->arena_bytes = 0;
  TRY(weft_context(weft_device_allocate(session->device, bytes, &arena), "the arena of %zu bytes", bytes));
  session->arena = arena;
  session->arena_bytes = bytes;
  return NULL;
}

// On the host the caller's memory serves as it is where nobody may write to it.
static weft_status *place_input(weft_session *session, const weft_group *group, const weft_tensor *tensor, void **address) {
  if (session->device->on_host && group->home == WEFT_HOME_CALLER && (uintptr_t)tensor->data % WEFT_ALIGNMENT == 0) {
    *address = tensor->data;
    return NULL;
  }
  return weft_device_upload(session->device, *address, tensor->data, weft_tensor_bytes(tensor));
}

static weft_status *set_addresses(weft_session *session, const wf_plan *plan, weft_plan_state *state, weft_binding *binding,
                          const weft_named_tensor *inputs, int count) {
  for (int i = 0; i < plan->buffer_count; i++) {
    if (state->roots[i] != i) continue;
    const weft_group *group = &state->groups[i];
    switch (group->home) {
    case WEFT_HOME_ARENA: binding->addresses[i] = session->arena + binding->offsets[i]; break;
    case WEFT_HOME_VALUE: binding->addresses[i] = session->values[group->value].memory; break;
    case WEFT_HOME_SCALAR: binding->addresses[i] = (int64_t *)session->scalar_memory + group->scalar; break;
    case WEFT_HOME_CONST: binding->addresses[i] = state->constants[group->constant]; break;
    case WEFT_HOME_CALLER:
    case WEFT_HOME_OWNED: binding->addresses[i] = binding->owned + binding->offsets[i]; break;
    }
  }
  for (int i = 0; i < plan->buffer_count; i++) {
    if (plan->buffers[i].role != WF_BUFFER_INPUT) continue;
    int root = state->roots[i];
    TRY(place_input(session, &state->groups[root], find_input(inputs, count, plan->buffers[i].name), &binding->addresses[root]));
  }
  for (int i = 0; i < plan->buffer_count; i++) binding->addresses[i] = binding->addresses[state->roots[i]];
  return NULL;
}

static weft_status *move_scalars(weft_session *session) {
  if (session->scalars_moved || session->device->on_host) return NULL;
  TRY(weft_device_upload(session->device, session->scalar_memory, session->scalars, WEFT_SCALARS * sizeof *session->scalars));
  session->scalars_moved = true;
  return NULL;
}

static bool has_variant(const wf_program *program, int plan) {
  for (int i = 0; i < program->plan_count; i++)
    if (program->plans[i].variant_of == plan + 1) return true;
  return false;
}

weft_status *weft_choose_variant(weft_session *session, int *plan, const weft_named_tensor *inputs, int input_count) {
  const wf_program *program = session->program;
  int64_t *symbols = NULL, condition;
  int chosen = *plan;
  if (!has_variant(program, *plan)) return NULL;
  TRY(weft_allocate((size_t)program->symbol_count, sizeof *symbols, &symbols));
  weft_status *failed = find_symbols(session, *plan, inputs, input_count, symbols);
  for (int i = 0; i < program->plan_count && !failed && chosen == *plan; i++) {
    if (program->plans[i].variant_of != *plan + 1) continue;
    failed = weft_formula_checked(&program->plans[i].condition, symbols, &condition);
    if (!failed && condition == 0) chosen = i;
  }
  free(symbols);
  TRY(failed);
  session->plans[*plan].chosen = chosen;
  *plan = chosen;
  return NULL;
}

weft_status *weft_bind(weft_session *session, int plan, const weft_named_tensor *inputs, int input_count, weft_binding **out) {
  int64_t *symbols = NULL;
  *out = NULL;
  TRY(weft_allocate((size_t)session->program->symbol_count, sizeof *symbols, &symbols));
  weft_status *failed = find_symbols(session, plan, inputs, input_count, symbols);
  if (!failed) failed = take_binding(session, plan, symbols);
  free(symbols);
  TRY(failed);
  weft_plan_state *state = &session->plans[plan];
  TRY(grow_arena(session, state->bindings[0]->arena_bytes));
  TRY(set_addresses(session, &session->program->plans[plan], state, state->bindings[0], inputs, input_count));
  TRY(weft_device_forget(session->device, session->arena, session->arena_bytes));
  TRY(move_scalars(session));
  *out = state->bindings[0];
  return NULL;
}

// ---- fitting shapes -------------------------------------------------------------------------------------------------

// The extent where the formula is constant, else -1.
static int64_t constant_extent(const wf_formula *formula) {
  int64_t value;
  for (int i = 0; i < formula->count; i++)
    if (formula->code[i].op == WF_F_SYMBOL) return -1;
  weft_status *status = weft_formula_checked(formula, NULL, &value);
  weft_status_free(status);
  return status ? -1 : value;
}

// Walks both shapes: an input's axis of 1 is filled in where missing, a source's extent of 1 is dropped where in the way.
static bool fit(const wf_plan_buffer *input, int rank, const int64_t *extents, int64_t *out) {
  int at = 0;
  for (int i = 0; i < input->rank; i++) {
    int64_t wanted = constant_extent(&input->extents[i]);
    if (wanted == 1 && !(at < rank && extents[at] == 1)) {
      out[i] = 1;
      continue;
    }
    while (at < rank && extents[at] == 1 && wanted > 1) at++;
    if (at == rank || (wanted >= 0 && extents[at] != wanted)) return false;
    out[i] = extents[at++];
  }
  while (at < rank && extents[at] == 1) at++;
  return at == rank;
}

int64_t weft_session_fixed_batch(const weft_session *session, int plan) {
  const wf_plan_buffer *input = weft_session_input(session, plan, 0);
  int64_t extent = input && input->rank > 0 ? constant_extent(&input->extents[0]) : -1;
  return extent > 0 ? extent : 0;
}

weft_status *weft_session_fit_shape(const weft_session *session, const wf_plan_buffer *input, weft_tensor *shape) {
  (void)session;
  int64_t widened[WEFT_MAX_RANK + 1] = {1}, out[WEFT_MAX_RANK] = {0};
  memcpy(widened + 1, shape->extents, (size_t)shape->rank * sizeof *widened);
  if (fit(input, shape->rank, shape->extents, out) || fit(input, shape->rank + 1, widened, out)) {
    memcpy(shape->extents, out, sizeof out);
    shape->rank = input->rank;
    return NULL;
  }
  char given[200], wanted[200] = "[";
  for (int i = 0; i < input->rank; i++) {
    int64_t extent = constant_extent(&input->extents[i]);
    size_t length = strlen(wanted);
    if (extent >= 0) snprintf(wanted + length, sizeof wanted - length, "%s%lld", i ? ", " : "", (long long)extent);
    else snprintf(wanted + length, sizeof wanted - length, "%s_", i ? ", " : "");
  }
  return weft_fail(WEFT_BAD_INPUT, "input '%s' takes %s], not %s", input->name, wanted,
                   weft_shape_text(shape->rank, shape->extents, given, sizeof given));
}
