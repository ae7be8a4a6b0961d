// Finds the first value that is not finite: after a run that was stopped, parameters are what they were, so the same run
// again shows where it began.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/memory.h"
#include "runtime/session_internal.h"

// Bit tests, since they see a whole block at once: all exponent bits set is inf or NaN.
static int64_t first_nonfinite_f32(const uint32_t *bits, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    if ((bits[i] & 0x7f800000u) == 0x7f800000u) return i;
  return -1;
}

int64_t weft_find_nonfinite(wf_dtype dtype, const void *data, int64_t count) {
  if (!wf_dtype_is_float(dtype)) return -1;
  if (dtype == WF_F32 || dtype == WF_TF32) return first_nonfinite_f32(data, count);
  for (int64_t i = 0; i < count; i++)
    if (!isfinite(wf_load_element(dtype, data, i))) return i;
  return -1;
}

typedef struct tracer {
  weft_watch watch;      // first: the callback gets its address
  weft_session *session;
  const wf_plan *plan;
  const weft_binding *binding;
  bool nan_only;         // pass over infinities
  int buffer, step;      // what was found; -1
  int64_t element;
  double value;
} tracer;

// Sets buffer, element and value where something is found.
static weft_status *search_buffer(tracer *t, int buffer) {
  const wf_plan_buffer *b = &t->plan->buffers[buffer];
  const void *data;
  int64_t count = t->binding->elements[buffer];
  TRY(weft_view(t->session, t->binding, t->plan, buffer, &data));
  int64_t at = weft_find_nonfinite(b->dtype, data, count);
  while (at >= 0 && at < count && t->nan_only && !isnan(wf_load_element(b->dtype, data, at))) at++;
  if (at < 0 || at == count) return NULL;
  t->buffer = buffer;
  t->element = at;
  t->value = wf_load_element(b->dtype, data, at);
  return NULL;
}

static weft_status *search_step(weft_watch *watch, const wf_plan_step *step) {
  tracer *t = (tracer *)watch;
  for (int i = step->arg_count - 1; i >= 0 && t->buffer < 0; i--)   // results come after operands
    if (step->args[i] >= 0) TRY(search_buffer(t, step->args[i]));
  if (t->buffer >= 0) t->step = (int)(step - t->plan->steps);
  watch->stopped = t->buffer >= 0;
  return NULL;
}

static weft_status *search_given(tracer *t) {
  for (int i = 0; i < t->plan->buffer_count && t->buffer < 0; i++) {
    wf_buffer_role role = t->plan->buffers[i].role;
    if (role == WF_BUFFER_PARAM || role == WF_BUFFER_STATE || role == WF_BUFFER_INPUT || role == WF_BUFFER_CONST) TRY(search_buffer(t, i));
  }
  return NULL;
}

static void point_text(const tracer *t, char *text, size_t size) {
  const wf_plan_buffer *buffer = &t->plan->buffers[t->buffer];
  int64_t extents[WEFT_MAX_RANK], point[WEFT_MAX_RANK], rest = t->element;
  weft_status *status = buffer->rank <= WEFT_MAX_RANK ? weft_buffer_extents(buffer, t->binding->symbols, extents) : NULL;
  for (int i = buffer->rank - 1; i >= 0 && !status && buffer->rank <= WEFT_MAX_RANK; i--) {
    int axis = buffer->order ? buffer->order[i] : i;
    point[axis] = extents[axis] ? rest % extents[axis] : 0;
    rest = extents[axis] ? rest / extents[axis] : 0;
  }
  if (status || buffer->rank == 0 || buffer->rank > WEFT_MAX_RANK) *text = 0;
  else weft_shape_text(buffer->rank, point, text, size);
  weft_status_free(status);
}

static weft_status *describe(const tracer *t, char **out) {
  static const char *const roles[] = {[WF_BUFFER_TEMP] = "value", [WF_BUFFER_INPUT] = "input", [WF_BUFFER_PARAM] = "parameter",
                                      [WF_BUFFER_STATE] = "state", [WF_BUFFER_OUTPUT] = "output", [WF_BUFFER_CONST] = "constant"};
  const wf_plan_buffer *buffer = &t->plan->buffers[t->buffer];
  const char *name = buffer->name ? buffer->name : "?";
  char point[200];
  point_text(t, point, sizeof point);
  double value = t->value;
  if (isnan(value)) value = NAN;   // the sign of a NaN says nothing
  if (t->step < 0) return weft_format_text(out, "%s '%s'%s is %g", roles[buffer->role], name, point, value);
  const wf_plan_step *step = &t->plan->steps[t->step];
  if (step->kind != WF_STEP_LAUNCH) return weft_format_text(out, "step %d left %g in '%s'%s", t->step, value, name, point);
  const wf_plan_kernel *kernel = &t->session->program->kernels[step->kernel];
  return weft_format_text(out, "kernel %s%s%s%s wrote %g to '%s'%s", kernel->name, kernel->place ? " (" : "", kernel->place ? kernel->place : "",
                          kernel->place ? ")" : "", value, name, point);
}

// Leftovers of the run before are not findings.
static weft_status *clear(tracer *t, const weft_plan_state *state) {
  weft_device *device = t->session->device;
  TRY(weft_device_zero(device, t->session->arena, t->session->arena_bytes));
  for (int i = 0; i < t->plan->buffer_count; i++)
    if (t->plan->buffers[i].role == WF_BUFFER_OUTPUT && state->groups[state->roots[i]].home == WEFT_HOME_OWNED)
      TRY(weft_device_zero(device, t->binding->addresses[i], (size_t)t->binding->elements[i] * (size_t)wf_dtype_bytes(t->plan->buffers[i].dtype)));
  return NULL;
}

static weft_status *trace_once(tracer *t, int plan, const weft_named_tensor *inputs, int input_count) {
  weft_binding *binding;
  TRY(weft_bind(t->session, plan, inputs, input_count, &binding));
  t->binding = binding;
  TRY(clear(t, &t->session->plans[plan]));
  // An output that shares an input's storage was just cleared: bind the inputs again.
  TRY(weft_bind(t->session, plan, inputs, input_count, &binding));
  TRY(search_given(t));
  return t->buffer >= 0 ? NULL : weft_execute(t->session, plan, binding, &t->watch);
}

static weft_status *trace(weft_session *session, int plan, const weft_named_tensor *inputs, int input_count, const char *output,
                          bool nan_only, char **out_text, bool *out_nan) {
  TRY(weft_choose_variant(session, &plan, inputs, input_count));
  tracer t = {.watch = {.buffer = weft_watched_root(session, plan, output), .after_step = search_step}, .session = session,
              .plan = &session->program->plans[plan], .nan_only = nan_only, .buffer = -1, .step = -1};
  TRY(trace_once(&t, plan, inputs, input_count));
  if (t.buffer < 0) return NULL;
  *out_nan = isnan(t.value);
  return describe(&t, out_text);
}

weft_status *weft_session_trace_nonfinite(weft_session *session, int plan, const weft_named_tensor *inputs, int input_count,
                                          const char *output, char **out_text) {
  char *first = NULL, *nan = NULL;
  bool is_nan = false;
  *out_text = NULL;
  TRY(trace(session, plan, inputs, input_count, output, false, &first, &is_nan));
  if (!first) return weft_copy_text("no value that is not finite was found", out_text);
  // An infinity may be meant (a mask); a NaN never is: where the first is an infinity, the first NaN is told too.
  weft_status *failed = is_nan ? NULL : trace(session, plan, inputs, input_count, output, true, &nan, &is_nan);
  if (!failed) failed = weft_format_text(out_text, "%s%s%s", first, nan ? "; the first nan: " : "", nan ? nan : "");
  free(first);
  free(nan);
  return failed;
}
