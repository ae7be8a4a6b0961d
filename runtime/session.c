#include "runtime/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/data/dataset.h"
#include "runtime/formula.h"
#include "runtime/json.h"
#include "runtime/memory.h"
#include "runtime/session_internal.h"

const wf_program *weft_session_program(const weft_session *session) { return session->program; }
int weft_session_threads(const weft_session *session) { return weft_pool_threads(session->device->pool); }
weft_device *weft_session_device(const weft_session *session) { return session->device; }

int weft_session_plan(const weft_session *session, const char *name) {
  for (int i = 0; i < session->program->plan_count; i++)
    if (strcmp(session->program->plans[i].name, name) == 0) return i;
  return -1;
}

// ---- values -------------------------------------------------------------------------------------------------------

int weft_session_value_count(const weft_session *session) { return session->value_count; }
weft_value *weft_session_value(weft_session *session, int index) { return &session->values[index]; }

weft_value *weft_session_find_value(weft_session *session, const char *name) {
  for (int i = 0; i < session->value_count; i++)
    if (strcmp(session->values[i].name, name) == 0) return &session->values[i];
  return NULL;
}

void weft_session_set_scalars(weft_session *session, int64_t step, int64_t seed, int64_t total) {
  session->scalars[WEFT_SCALAR_STEP] = step;
  session->scalars[WEFT_SCALAR_SEED] = seed;
  session->scalars[WEFT_SCALAR_TOTAL] = total;
  session->scalars_moved = session->device->on_host;
}

weft_status *weft_session_fetch_values(weft_session *session) {
  for (int i = 0; i < session->value_count && !session->device->on_host; i++) {
    weft_value *value = &session->values[i];
    TRY(weft_device_download(session->device, value->tensor.data, value->memory, weft_tensor_bytes(&value->tensor)));
  }
  return NULL;
}

weft_status *weft_session_store_value(weft_session *session, weft_value *value) {
  if (session->device->on_host) return NULL;
  TRY(weft_device_upload(session->device, value->memory, value->tensor.data, weft_tensor_bytes(&value->tensor)));
  return weft_device_synchronise(session->device);
}

static weft_status *broken(const wf_plan *plan, const wf_plan_buffer *buffer, const char *what) {
  return weft_fail(WEFT_INTERNAL, "plan '%s', buffer '%s': %s", plan->name, buffer->name ? buffer->name : "?", what);
}

static bool is_constant(const wf_formula *formula) {
  for (int i = 0; i < formula->count; i++)
    if (formula->code[i].op == WF_F_SYMBOL) return false;
  return true;
}

static weft_status *value_shape(const wf_plan *plan, const wf_plan_buffer *buffer, weft_tensor *out) {
  *out = (weft_tensor){.dtype = (weft_dtype)buffer->dtype, .rank = buffer->rank};
  int64_t bytes;
  if (buffer->rank > WEFT_MAX_RANK) return broken(plan, buffer, "more than 8 axes");
  if (buffer->order) return broken(plan, buffer, "parameters and states are row-major");
  for (int i = 0; i < buffer->rank; i++)
    if (!is_constant(&buffer->extents[i])) return broken(plan, buffer, "the extent of a parameter or state cannot be a run-time value");
  TRY(weft_buffer_extents(buffer, NULL, out->extents));
  if (!weft_shape_bytes(buffer->dtype, out->rank, out->extents, &bytes)) return broken(plan, buffer, "too large");
  return NULL;
}

weft_status *weft_check_memory(const weft_session *session, const char *what, size_t bytes) {
  if (bytes <= session->memory_limit) return NULL;
  return weft_fail(WEFT_ENVIRONMENT, "%s take %zu bytes, more than the %zu that there are", what, bytes, session->memory_limit);
}

// The value of a PARAM or STATE buffer, made where it is met first; plans must agree on its shape.
static weft_status *intern_value(weft_session *session, const wf_plan *plan, const wf_plan_buffer *buffer, int *out_index) {
  weft_tensor shape = {0};
  TRY(value_shape(plan, buffer, &shape));
  weft_value *value = weft_session_find_value(session, buffer->name);
  if (value) {
    *out_index = (int)(value - session->values);
    if (value->tensor.dtype == shape.dtype && value->tensor.rank == shape.rank &&
        memcmp(value->tensor.extents, shape.extents, sizeof shape.extents) == 0)
      return NULL;
    return broken(plan, buffer, "two plans give it different shapes");
  }
  value = &session->values[session->value_count];
  TRY(weft_copy_text(buffer->name, &value->name));
  *out_index = session->value_count++;
  value->state = buffer->role == WF_BUFFER_STATE;
  value->tensor = shape;
  size_t bytes = weft_tensor_bytes(&shape);
  session->value_bytes += bytes;
  TRY(weft_check_memory(session, "the parameters and states", session->value_bytes));
  TRY(weft_context(weft_device_allocate(session->device, bytes, &value->memory), "'%s'", buffer->name));
  TRY(weft_device_zero(session->device, value->memory, bytes));
  if (session->device->on_host) value->tensor.data = value->memory;
  else TRY(weft_context(weft_allocate(bytes, 1, &value->tensor.data), "'%s'", buffer->name));
  return NULL;
}

static bool infers(const wf_plan *plan) { return strcmp(plan->name, "infer") == 0 || strcmp(plan->name, "eval") == 0; }

// ---- plans: storage groups ----------------------------------------------------------------------------------------

static weft_status *find_roots(const wf_plan *plan, int *roots) {
  for (int i = 0; i < plan->buffer_count; i++) {
    int root = i;
    for (int hops = 0; plan->buffers[root].alias >= 0; hops++) {
      root = plan->buffers[root].alias;
      if (root >= plan->buffer_count || hops > plan->buffer_count) return broken(plan, &plan->buffers[i], "a damaged alias");
    }
    roots[i] = root;
  }
  return NULL;
}

// Adds what buffer `i` asks of its group's home. The strongest claim wins: value, output, input, then the arena.
static weft_status *join_group(weft_session *session, const wf_plan *plan, int i, bool shared, weft_group *group) {
  const wf_plan_buffer *buffer = &plan->buffers[i];
  int value = 0;
  switch (buffer->role) {
  case WF_BUFFER_PARAM:
  case WF_BUFFER_STATE:
    TRY(intern_value(session, plan, buffer, &value));
    session->values[value].infers = session->values[value].infers || infers(plan);
    if (group->home == WEFT_HOME_VALUE && group->value != value) return broken(plan, buffer, "shares the storage of another value");
    group->home = WEFT_HOME_VALUE;
    group->value = value;
    return NULL;
  case WF_BUFFER_OUTPUT:
    if (group->home != WEFT_HOME_VALUE) group->home = WEFT_HOME_OWNED;
    return NULL;
  case WF_BUFFER_INPUT:
    // The caller's memory is used as it is where no other buffer may write to it.
    if (group->home == WEFT_HOME_ARENA) group->home = shared ? WEFT_HOME_OWNED : WEFT_HOME_CALLER;
    return NULL;
  case WF_BUFFER_CONST:
    if (shared) return broken(plan, buffer, "shares the storage of a constant");
    group->home = WEFT_HOME_CONST;
    group->constant = i;
    return NULL;
  case WF_BUFFER_STEP:
  case WF_BUFFER_SEED:
  case WF_BUFFER_TOTAL:
    if (shared || buffer->dtype != WF_I64 || buffer->rank != 0) return broken(plan, buffer, "step, seed and total are i64 scalars of their own");
    group->home = WEFT_HOME_SCALAR;
    group->scalar = buffer->role == WF_BUFFER_STEP ? WEFT_SCALAR_STEP : buffer->role == WF_BUFFER_SEED ? WEFT_SCALAR_SEED : WEFT_SCALAR_TOTAL;
    return NULL;
  case WF_BUFFER_TEMP:
    if (buffer->first_step < group->first) group->first = buffer->first_step;
    if (buffer->last_step > group->last) group->last = buffer->last_step;
    return NULL;
  }
  return broken(plan, buffer, "an unknown role");
}

static weft_status *form_groups(weft_session *session, const wf_plan *plan, weft_plan_state *state) {
  TRY(find_roots(plan, state->roots));
  for (int i = 0; i < plan->buffer_count; i++) state->groups[i] = (weft_group){.first = plan->step_count, .last = -1};
  int *members = NULL;
  TRY(weft_allocate((size_t)plan->buffer_count, sizeof *members, &members));
  for (int i = 0; i < plan->buffer_count; i++) members[state->roots[i]]++;
  weft_status *failed = NULL;
  for (int i = 0; i < plan->buffer_count && !failed; i++)
    failed = join_group(session, plan, i, members[state->roots[i]] > 1, &state->groups[state->roots[i]]);
  free(members);
  return failed;
}

// Constants are copied once, so that kernels may count on the alignment.
static weft_status *copy_constants(weft_session *session, const wf_plan *plan, weft_plan_state *state) {
  for (int i = 0; i < plan->buffer_count; i++) {
    const wf_plan_buffer *buffer = &plan->buffers[i];
    if (buffer->role != WF_BUFFER_CONST) continue;
    if (!buffer->data || !is_constant(&buffer->elements)) return broken(plan, buffer, "a constant without data");
    int64_t elements;
    TRY(weft_formula_checked(&buffer->elements, NULL, &elements));
    size_t bytes = (size_t)elements * (size_t)wf_dtype_bytes(buffer->dtype);
    TRY(weft_device_allocate(session->device, bytes, &state->constants[i]));
    TRY(weft_device_upload(session->device, state->constants[i], buffer->data, bytes));
    session->constant_bytes += bytes;
  }
  return NULL;
}

// ---- plans: steps ---------------------------------------------------------------------------------------------------

static weft_status *broken_step(const wf_plan *plan, int step, const char *what) {
  return weft_fail(WEFT_INTERNAL, "plan '%s', step %d: %s", plan->name, step, what);
}

static weft_status *check_kernel(const weft_session *session, const wf_plan_kernel *kernel) {
  if (session->device->on_host) return kernel->function ? NULL : weft_fail(WEFT_INTERNAL, "kernel '%s' has no machine code", kernel->name);
  if (!session->code || kernel->threads < 1 || kernel->threads > 1024)
    return weft_fail(WEFT_INTERNAL, "kernel '%s' has no code for %s", kernel->name, session->device->ops->kind);
  for (int i = 0; i < kernel->symbol_count; i++)
    if (kernel->symbols[i] < 0 || kernel->symbols[i] >= session->program->symbol_count)
      return weft_fail(WEFT_INTERNAL, "kernel '%s' takes a symbol that there is not", kernel->name);
  return NULL;
}

static weft_status *check_step(const weft_session *session, const wf_plan *plan, int i, int end) {
  static const int least_args[] = {[WF_STEP_LAUNCH] = 0, [WF_STEP_COPY] = 2, [WF_STEP_ZERO] = 1, [WF_STEP_SORT] = 3, [WF_STEP_LOOP] = 0};
  const wf_program *program = session->program;
  const wf_plan_step *step = &plan->steps[i];
  if ((unsigned)step->kind > WF_STEP_LOOP) return broken_step(plan, i, "an unknown kind");
  if (step->arg_count < least_args[step->kind]) return broken_step(plan, i, "too few arguments");
  for (int a = 0; a < step->arg_count; a++)
    if (step->args[a] >= plan->buffer_count || (step->args[a] < 0 && (step->kind != WF_STEP_SORT || a > 1)))
      return broken_step(plan, i, "an argument that is no buffer");
  if (step->kind == WF_STEP_LAUNCH) {
    if (step->kernel < 0 || step->kernel >= program->kernel_count) return broken_step(plan, i, "no such kernel");
    TRY(check_kernel(session, &program->kernels[step->kernel]));
  }
  if (step->kind == WF_STEP_LOOP && (step->symbol < 0 || step->symbol >= program->symbol_count || step->body_count < 0 || i + step->body_count >= end))
    return broken_step(plan, i, "a damaged loop");
  return NULL;
}

// Checks [begin, end), loops inside it, and marks loop counters.
static weft_status *check_steps(const weft_session *session, const wf_plan *plan, int begin, int end, int depth, weft_plan_state *state) {
  if (depth > 16) return broken_step(plan, begin, "loops nested too deep");
  for (int i = begin; i < end; i++) {
    const wf_plan_step *step = &plan->steps[i];
    TRY(check_step(session, plan, i, end));
    if (step->kind != WF_STEP_LOOP) continue;
    state->counters[step->symbol] = true;
    TRY(check_steps(session, plan, i + 1, i + 1 + step->body_count, depth + 1, state));
    i += step->body_count;
  }
  return NULL;
}

static weft_status *use_formula(const weft_session *session, const wf_plan *plan, const wf_formula *formula, bool optional, weft_plan_state *state) {
  if (optional && formula->count == 0) return NULL;
  if (!weft_formula_valid(formula, session->program->symbol_count)) return weft_fail(WEFT_INTERNAL, "plan '%s': a damaged formula", plan->name);
  for (int i = 0; i < formula->count; i++)
    if (formula->code[i].op == WF_F_SYMBOL) state->needed[formula->code[i].value] = true;
  return NULL;
}

// Checks every formula of the plan and marks the symbols they need.
static weft_status *use_formulas(const weft_session *session, const wf_plan *plan, weft_plan_state *state) {
  for (int i = 0; i < plan->buffer_count; i++) {
    TRY(use_formula(session, plan, &plan->buffers[i].elements, false, state));
    for (int a = 0; a < plan->buffers[i].rank; a++) TRY(use_formula(session, plan, &plan->buffers[i].extents[a], false, state));
  }
  for (int i = 0; i < plan->step_count; i++) {
    const wf_plan_step *step = &plan->steps[i];
    if (step->kind == WF_STEP_LOOP) TRY(use_formula(session, plan, &step->trip, false, state));
    if (step->kind == WF_STEP_COPY) {
      TRY(use_formula(session, plan, &step->to_offset, true, state));
      TRY(use_formula(session, plan, &step->from_offset, true, state));
      TRY(use_formula(session, plan, &step->count, true, state));
    }
    if (step->kind != WF_STEP_LAUNCH) continue;
    const wf_plan_kernel *kernel = &session->program->kernels[step->kernel];
    TRY(use_formula(session, plan, &kernel->tasks, false, state));
    TRY(use_formula(session, plan, &kernel->scratch_bytes, true, state));
    TRY(use_formula(session, plan, &kernel->flops, true, state));
    TRY(use_formula(session, plan, &kernel->bytes, true, state));
  }
  return NULL;
}

static weft_status *prepare_plan(weft_session *session, const wf_plan *plan, weft_plan_state *state) {
  size_t buffers = (size_t)plan->buffer_count, symbols = (size_t)session->program->symbol_count;
  int longest = 0;
  for (int i = 0; i < plan->step_count; i++)
    if (plan->steps[i].arg_count > longest) longest = plan->steps[i].arg_count;
  TRY(weft_allocate(buffers, sizeof *state->roots, &state->roots));
  TRY(weft_allocate(buffers, sizeof *state->groups, &state->groups));
  TRY(weft_allocate(buffers, sizeof *state->constants, &state->constants));
  TRY(weft_allocate(symbols, sizeof *state->needed, &state->needed));
  TRY(weft_allocate(symbols, sizeof *state->counters, &state->counters));
  TRY(weft_allocate((size_t)longest, sizeof *state->args, &state->args));
  TRY(check_steps(session, plan, 0, plan->step_count, 0, state));
  TRY(use_formulas(session, plan, state));
  TRY(form_groups(session, plan, state));
  return copy_constants(session, plan, state);
}

// ---- life -----------------------------------------------------------------------------------------------------------

// Integer targets lie below the metadata's "classes", other fields below their own "range" (docs/metadata.md).
static weft_status *add_range(weft_session *session, const json_t *field, int64_t classes) {
  const char *name = json_string_value(json_object_get(field, "name"));
  int64_t bound = json_integer_value(json_object_get(field, "range"));
  if (bound <= 0 && json_is_true(json_object_get(field, "target"))) bound = classes;
  if (!name || bound <= 0) return NULL;
  weft_range *range = &session->ranges[session->range_count];
  range->bound = bound;
  TRY(weft_copy_text(name, &range->input));
  session->range_count++;
  return NULL;
}

static weft_status *read_ranges(weft_session *session) {
  const char *text = session->program->metadata;
  json_t *metadata = NULL;
  if (text && *text) TRY(weft_json_parse(text, strlen(text), "the program's metadata", 0, &metadata));
  const json_t *fields = json_object_get(metadata, "fields");
  int64_t classes = json_integer_value(json_object_get(metadata, "classes"));
  weft_status *failed = weft_allocate(json_array_size(fields), sizeof *session->ranges, &session->ranges);
  for (size_t i = 0; i < json_array_size(fields) && !failed; i++) failed = add_range(session, json_array_get(fields, i), classes);
  json_decref(metadata);
  return failed;
}

static weft_status *prepare(weft_session *session, const weft_session_options *options) {
  const wf_program *program = session->program;
  size_t values = 0;
  for (int i = 0; i < program->plan_count; i++) values += (size_t)program->plans[i].buffer_count;
  if (!options->device) TRY(weft_cpu_create(options->threads, &session->own_device));
  session->device = options->device ? options->device : session->own_device;
  session->code = options->code;
  TRY(weft_allocate((size_t)program->plan_count, sizeof *session->plans, &session->plans));
  TRY(weft_allocate(values, sizeof *session->values, &session->values));
  void *scalars = NULL;
  TRY(weft_allocate_aligned(WEFT_SCALARS * sizeof *session->scalars, &scalars));
  session->scalars = scalars;
  memset(scalars, 0, WEFT_SCALARS * sizeof *session->scalars);
  if (session->device->on_host) session->scalar_memory = scalars;
  else TRY(weft_device_allocate(session->device, WEFT_SCALARS * sizeof *session->scalars, &session->scalar_memory));
  session->profile = options->profile;
  session->memory_limit = options->memory_limit ? options->memory_limit : session->device->info.memory;
  size_t rows = (size_t)program->plan_count * (size_t)program->kernel_count;
  TRY(weft_allocate(rows, sizeof *session->rows, &session->rows));
  TRY(weft_allocate(rows, sizeof *session->report, &session->report));
  TRY(read_ranges(session));
  for (int i = 0; i < program->plan_count; i++) session->plans[i].chosen = i;
  for (int i = 0; i < program->plan_count; i++) TRY(prepare_plan(session, &program->plans[i], &session->plans[i]));
  return NULL;
}

weft_status *weft_session_create(const wf_program *program, const weft_session_options *options, weft_session **out) {
  *out = NULL;
  weft_session *session = NULL;
  TRY(weft_allocate(1, sizeof *session, &session));
  session->program = program;
  weft_status *failed = prepare(session, options);
  if (failed) weft_session_destroy(session);
  else *out = session;
  return failed;
}

static void destroy_plan(weft_session *session, const wf_plan *plan, weft_plan_state *state) {
  for (int i = 0; i < WEFT_BINDINGS; i++) weft_binding_destroy(session, plan, state->bindings[i]);
  for (int i = 0; state->constants && i < plan->buffer_count; i++) weft_device_release(session->device, state->constants[i]);
  free(state->constants);
  free(state->roots);
  free(state->groups);
  free(state->needed);
  free(state->counters);
  free(state->args);
}

void weft_session_destroy(weft_session *session) {
  if (!session) return;
  for (int i = 0; session->plans && i < session->program->plan_count; i++) destroy_plan(session, &session->program->plans[i], &session->plans[i]);
  for (int i = 0; i < session->value_count; i++) {
    weft_value *value = &session->values[i];
    free(value->name);
    if (value->tensor.data != value->memory) free(value->tensor.data);
    weft_device_release(session->device, value->memory);
  }
  for (int i = 0; i < session->range_count; i++) free(session->ranges[i].input);
  if (session->scalar_memory != session->scalars) weft_device_release(session->device, session->scalar_memory);
  if (session->arena) weft_device_release(session->device, session->arena);
  weft_device_destroy(session->own_device);
  free(session->plans);
  free(session->values);
  free(session->scalars);
  free(session->staging);
  free(session->ranges);
  free(session->rows);
  free(session->report);
  free(session);
}

// ---- looking --------------------------------------------------------------------------------------------------------

static int count_role(const wf_plan *plan, wf_buffer_role role) {
  int count = 0;
  for (int i = 0; i < plan->buffer_count; i++) count += plan->buffers[i].role == role;
  return count;
}

static const wf_plan_buffer *find_role(const wf_plan *plan, wf_buffer_role role, int index) {
  for (int i = 0; i < plan->buffer_count; i++)
    if (plan->buffers[i].role == role && index-- == 0) return &plan->buffers[i];
  return NULL;
}

int weft_session_input_count(const weft_session *session, int plan) { return count_role(&session->program->plans[plan], WF_BUFFER_INPUT); }
int weft_session_output_count(const weft_session *session, int plan) { return count_role(&session->program->plans[plan], WF_BUFFER_OUTPUT); }

const wf_plan_buffer *weft_session_input(const weft_session *session, int plan, int index) {
  return find_role(&session->program->plans[plan], WF_BUFFER_INPUT, index);
}

const wf_plan_buffer *weft_session_output_buffer(const weft_session *session, int plan, int index) {
  return find_role(&session->program->plans[plan], WF_BUFFER_OUTPUT, index);
}

int64_t weft_session_input_range(const weft_session *session, const char *input) {
  for (int i = 0; i < session->range_count; i++)
    if (strcmp(session->ranges[i].input, input) == 0) return session->ranges[i].bound;
  return 0;
}

static size_t buffer_bytes(const weft_binding *binding, const wf_plan *plan, int buffer) {
  return (size_t)binding->elements[buffer] * (size_t)wf_dtype_bytes(plan->buffers[buffer].dtype);
}

weft_status *weft_view(weft_session *session, const weft_binding *binding, const wf_plan *plan, int buffer, const void **out) {
  *out = binding->addresses[buffer];
  if (session->device->on_host) return NULL;
  size_t bytes = buffer_bytes(binding, plan, buffer);
  if (bytes > session->staging_bytes || !session->staging) {
    free(session->staging);
    session->staging_bytes = 0;
    TRY(weft_allocate_aligned(bytes, &session->staging));
    session->staging_bytes = bytes;
  }
  *out = session->staging;
  return weft_device_download(session->device, session->staging, binding->addresses[buffer], bytes);
}

// The output on the host. Downloads have room of their own, since several outputs are looked at together.
static weft_status *output_data(weft_session *session, const weft_binding *binding, const wf_plan *plan, int buffer, void **out) {
  *out = binding->addresses[buffer];
  if (session->device->on_host) return NULL;
  size_t bytes = buffer_bytes(binding, plan, buffer);
  if (!binding->downloads[buffer]) TRY(weft_allocate_aligned(bytes, &binding->downloads[buffer]));
  *out = binding->downloads[buffer];
  return weft_device_download(session->device, *out, binding->addresses[buffer], bytes);
}

weft_status *weft_session_output(weft_session *session, int plan, const char *name, weft_tensor *out) {
  plan = session->plans[plan].chosen;
  const wf_plan *p = &session->program->plans[plan];
  const weft_binding *binding = session->plans[plan].bindings[0];
  *out = (weft_tensor){0};
  for (int i = 0; i < p->buffer_count; i++) {
    const wf_plan_buffer *buffer = &p->buffers[i];
    if (buffer->role != WF_BUFFER_OUTPUT || strcmp(buffer->name, name) != 0) continue;
    if (!binding) return weft_fail(WEFT_BAD_INPUT, "plan '%s' has not run yet", p->name);
    out->dtype = (weft_dtype)buffer->dtype;
    out->rank = buffer->rank;
    TRY(output_data(session, binding, p, i, &out->data));
    return weft_buffer_extents(buffer, binding->symbols, out->extents);
  }
  return weft_fail(WEFT_BAD_INPUT, "plan '%s' has no output '%s'", p->name, name);
}

void weft_session_profile(const weft_session *session, const weft_kernel_profile **out_rows, int *out_count) {
  int count = 0, kernels = session->program->kernel_count;
  for (int i = 0; i < session->program->plan_count * kernels; i++) {
    if (!session->rows[i].launches) continue;
    weft_kernel_profile *row = &session->report[count++];
    *row = session->rows[i];
    row->plan = session->program->plans[i / kernels].name;
    row->name = session->program->kernels[i % kernels].name;
    row->place = session->program->kernels[i % kernels].place;
  }
  *out_rows = session->report;
  *out_count = count;
}

void weft_session_profile_reset(weft_session *session) {
  memset(session->rows, 0, (size_t)session->program->plan_count * (size_t)session->program->kernel_count * sizeof *session->rows);
}

weft_memory weft_session_memory(const weft_session *session) {
  weft_memory memory = {.arena = session->arena_bytes, .other = session->constant_bytes + session->device->kept};
  for (int i = 0; i < session->value_count; i++)
    *(session->values[i].state ? &memory.states : &memory.parameters) += weft_tensor_bytes(&session->values[i].tensor);
  for (int i = 0; i < session->program->plan_count; i++)
    for (int b = 0; b < WEFT_BINDINGS; b++)
      if (session->plans[i].bindings[b]) memory.other += session->plans[i].bindings[b]->owned_bytes;
  return memory;
}
