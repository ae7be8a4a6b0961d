// Runs the steps of a bound plan.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/formula.h"
#include "runtime/memory.h"
#include "runtime/session_internal.h"

typedef struct run {
  weft_session *session;
  const wf_plan *plan;
  weft_plan_state *state;
  weft_binding *binding;
  weft_watch *watch;
  weft_kernel_profile *rows;   // of this plan
} run;

static weft_status *evaluate(const run *r, const wf_formula *formula, int64_t otherwise, int64_t *out) {
  *out = otherwise;
  return formula->count ? weft_formula_checked(formula, r->binding->symbols, out) : NULL;
}

// ---- launch ---------------------------------------------------------------------------------------------------------

static double evaluate_work(const run *r, const wf_formula *formula) {
  return formula->count ? (double)wf_formula_eval(formula, r->binding->symbols) : 0;
}

static weft_status *run_launch(run *r, const wf_plan_step *step) {
  const wf_program *program = r->session->program;
  const wf_plan_kernel *kernel = &program->kernels[step->kernel];
  weft_kernel_profile *row = r->session->profile ? &r->rows[step->kernel] : NULL;
  int64_t tasks, scratch;
  TRY(evaluate(r, &kernel->tasks, 0, &tasks));
  TRY(evaluate(r, &kernel->scratch_bytes, 0, &scratch));
  if (scratch < 0) return weft_fail(WEFT_INTERNAL, "kernel '%s': negative scratch", kernel->name);
  for (int i = 0; i < step->arg_count; i++) r->state->args[i] = r->binding->addresses[step->args[i]];
  weft_launch launch = {.program = program, .code = r->session->code, .kernel = step->kernel, .args = r->state->args, .arg_count = step->arg_count,
                        .symbols = r->binding->symbols, .tasks = tasks, .scratch_bytes = (size_t)scratch, .seconds = row ? &row->seconds : NULL};
  if (row) {
    row->launches++;
    row->flops += evaluate_work(r, &kernel->flops);
    row->bytes += evaluate_work(r, &kernel->bytes);
  }
  return weft_device_launch(r->session->device, &launch);
}

// ---- copy, zero, sort -------------------------------------------------------------------------------------------------

// Element strides of a buffer's logical axes: row-major over its storage order.
static void find_strides(const wf_plan_buffer *buffer, const int64_t *extents, int64_t *strides) {
  int64_t stride = 1;
  for (int i = buffer->rank - 1; i >= 0; i--) {
    int axis = buffer->order ? buffer->order[i] : i;
    strides[axis] = stride;
    stride *= extents[axis];
  }
}

static bool same_order(const wf_plan_buffer *a, const wf_plan_buffer *b) {
  if (a->rank != b->rank) return !a->order && !b->order;
  for (int i = 0; i < a->rank; i++)
    if ((a->order ? a->order[i] : i) != (b->order ? b->order[i] : i)) return false;
  return true;
}

static size_t bytes_of(const run *r, int buffer) {
  return (size_t)r->binding->elements[buffer] * (size_t)wf_dtype_bytes(r->plan->buffers[buffer].dtype);
}

// A buffer for work that is done on the host: the device's memory where that is the host's, else a copy, with the contents if
// they matter. store_host brings the copy back; drop_host frees it.
typedef struct host_copy { int buffer; void *data; } host_copy;

static weft_status *take_host(const run *r, int buffer, bool contents, host_copy *out) {
  *out = (host_copy){buffer, r->binding->addresses[buffer]};
  if (r->session->device->on_host) return NULL;
  TRY(weft_allocate_aligned(bytes_of(r, buffer), &out->data));
  return contents ? weft_device_download(r->session->device, out->data, r->binding->addresses[buffer], bytes_of(r, buffer)) : NULL;
}

static weft_status *store_host(const run *r, const host_copy *copy) {
  if (r->session->device->on_host || !copy->data) return NULL;
  TRY(weft_device_upload(r->session->device, r->binding->addresses[copy->buffer], copy->data, bytes_of(r, copy->buffer)));
  return weft_device_synchronise(r->session->device);
}

static void drop_host(const run *r, host_copy *copy) {
  if (!r->session->device->on_host) free(copy->data);
  copy->data = NULL;
}

// Copies between storage orders, point by point.
static weft_status *reorder(const run *r, int to, int from, char *out, const char *in) {
  const wf_plan_buffer *target = &r->plan->buffers[to], *source = &r->plan->buffers[from];
  int64_t extents[WEFT_MAX_RANK], to_strides[WEFT_MAX_RANK], from_strides[WEFT_MAX_RANK], point[WEFT_MAX_RANK] = {0};
  size_t size = (size_t)wf_dtype_bytes(source->dtype);
  if (target->rank != source->rank || source->rank > WEFT_MAX_RANK)
    return weft_fail(WEFT_INTERNAL, "plan '%s': a copy between different ranks and orders", r->plan->name);
  TRY(weft_buffer_extents(source, r->binding->symbols, extents));
  find_strides(source, extents, from_strides);
  find_strides(target, extents, to_strides);
  for (int64_t left = r->binding->elements[from]; left > 0; left--) {
    int64_t a = 0, b = 0;
    for (int i = 0; i < source->rank; i++) {
      a += point[i] * to_strides[i];
      b += point[i] * from_strides[i];
    }
    memcpy(out + (size_t)a * size, in + (size_t)b * size, size);
    for (int i = source->rank - 1; i >= 0 && ++point[i] == extents[i]; i--) point[i] = 0;
  }
  return NULL;
}

static weft_status *copy_reordered(const run *r, int to, int from) {
  host_copy target = {0}, source = {0};
  weft_status *failed = take_host(r, to, false, &target);
  if (!failed) failed = take_host(r, from, true, &source);
  if (!failed) failed = reorder(r, to, from, target.data, source.data);
  if (!failed) failed = store_host(r, &target);
  drop_host(r, &target);
  drop_host(r, &source);
  return failed;
}

static weft_status *run_copy(run *r, const wf_plan_step *step) {
  int to = step->args[0], from = step->args[1];
  const wf_plan_buffer *target = &r->plan->buffers[to], *source = &r->plan->buffers[from];
  int64_t to_offset, from_offset, count;
  TRY(evaluate(r, &step->to_offset, 0, &to_offset));
  TRY(evaluate(r, &step->from_offset, 0, &from_offset));
  TRY(evaluate(r, &step->count, r->binding->elements[from], &count));
  if (target->dtype != source->dtype) return weft_fail(WEFT_INTERNAL, "plan '%s': a copy between element types", r->plan->name);
  if (to_offset < 0 || from_offset < 0 || count < 0 || to_offset + count > r->binding->elements[to] || from_offset + count > r->binding->elements[from])
    return weft_fail(WEFT_INTERNAL, "plan '%s': a copy from '%s' to '%s' outside of them", r->plan->name, source->name, target->name);
  if (!step->to_offset.count && !step->from_offset.count && !step->count.count && !same_order(target, source)) return copy_reordered(r, to, from);
  size_t size = (size_t)wf_dtype_bytes(source->dtype);
  return weft_device_copy(r->session->device, (char *)r->binding->addresses[to] + (size_t)to_offset * size,
                          (char *)r->binding->addresses[from] + (size_t)from_offset * size, (size_t)count * size);
}

static weft_status *run_zero(run *r, const wf_plan_step *step) {
  return weft_device_zero(r->session->device, r->binding->addresses[step->args[0]], bytes_of(r, step->args[0]));
}

// The shape of a sort's result must be the source's but along the axis, where it may be shorter (top-k).
static weft_status *sort_result(const run *r, const wf_plan_step *step, int buffer, const int64_t *from, int64_t *strides, int64_t *kept) {
  const wf_plan_buffer *b = &r->plan->buffers[buffer];
  int64_t extents[WEFT_MAX_RANK];
  bool fits = b->rank == r->plan->buffers[step->args[2]].rank;
  if (fits) {
    TRY(weft_buffer_extents(b, r->binding->symbols, extents));
    for (int i = 0; i < b->rank; i++) fits = fits && (i == step->sort_axis ? extents[i] <= from[i] : extents[i] == from[i]);
  }
  if (!fits) return weft_fail(WEFT_INTERNAL, "plan '%s': a sort's result has another shape", r->plan->name);
  find_strides(b, extents, strides);
  *kept = extents[step->sort_axis];
  return NULL;
}

// host: values, indices, from.
static weft_status *sort_on_host(run *r, const wf_plan_step *step, const host_copy *host) {
  int values = step->args[0], indices = step->args[1], from = step->args[2];
  const wf_plan_buffer *source = &r->plan->buffers[from];
  int64_t extents[WEFT_MAX_RANK], strides[3][WEFT_MAX_RANK];
  TRY(weft_buffer_extents(source, r->binding->symbols, extents));
  find_strides(source, extents, strides[2]);
  weft_sort_job job = {.dtype = source->dtype, .rank = source->rank, .axis = step->sort_axis, .descending = step->descending,
                       .from = host[2].data, .extents = extents, .from_strides = strides[2]};
  if (values >= 0) {
    TRY(sort_result(r, step, values, extents, strides[0], &job.kept));
    job.values = host[0].data;
    job.values_strides = strides[0];
  }
  if (indices >= 0) {
    if (r->plan->buffers[indices].dtype != WF_I64) return weft_fail(WEFT_INTERNAL, "plan '%s': a sort's indices are not i64", r->plan->name);
    TRY(sort_result(r, step, indices, extents, strides[1], &job.kept));
    job.indices = host[1].data;
    job.indices_strides = strides[1];
  }
  return weft_sort(r->session->device->pool, &job);
}

static weft_status *run_sort(run *r, const wf_plan_step *step) {
  host_copy host[3] = {0};
  weft_status *failed = NULL;
  const wf_plan_buffer *source = &r->plan->buffers[step->args[2]];
  if (source->rank > WEFT_MAX_RANK || step->sort_axis < 0 || step->sort_axis >= source->rank)
    return weft_fail(WEFT_INTERNAL, "plan '%s': a sort along no axis", r->plan->name);
  for (int i = 0; i < 3 && !failed; i++)
    if (step->args[i] >= 0) failed = take_host(r, step->args[i], i == 2, &host[i]);
  if (!failed) failed = sort_on_host(r, step, host);
  for (int i = 0; i < 2 && !failed; i++) failed = store_host(r, &host[i]);
  for (int i = 0; i < 3; i++) drop_host(r, &host[i]);
  return failed;
}

// ---- steps ----------------------------------------------------------------------------------------------------------

static bool touches(const run *r, const wf_plan_step *step, int root) {
  for (int i = 0; i < step->arg_count; i++)
    if (step->args[i] >= 0 && r->state->roots[step->args[i]] == root) return true;
  return false;
}

static weft_status *look(run *r, const wf_plan_step *step) {
  weft_watch *watch = r->watch;
  const void *data;
  if (watch->after_step) TRY(watch->after_step(watch, step));
  if (watch->stopped || watch->buffer < 0 || !touches(r, step, watch->buffer)) return NULL;
  TRY(weft_view(r->session, r->binding, r->plan, watch->buffer, &data));
  watch->stopped = weft_find_nonfinite(r->plan->buffers[watch->buffer].dtype, data, r->binding->elements[watch->buffer]) >= 0;
  return NULL;
}

static weft_status *run_steps(run *r, int begin, int end);

static weft_status *run_loop(run *r, int at) {
  const wf_plan_step *step = &r->plan->steps[at];
  int64_t trip;
  TRY(evaluate(r, &step->trip, 0, &trip));
  for (int64_t i = 0; i < trip && !r->watch->stopped; i++) {
    r->binding->symbols[step->symbol] = step->reverse ? trip - 1 - i : i;
    TRY(run_steps(r, at + 1, at + 1 + step->body_count));
  }
  return NULL;
}

static weft_status *run_steps(run *r, int begin, int end) {
  for (int i = begin; i < end && !r->watch->stopped; i++) {
    const wf_plan_step *step = &r->plan->steps[i];
    switch (step->kind) {
    case WF_STEP_LAUNCH: TRY(run_launch(r, step)); break;
    case WF_STEP_COPY: TRY(run_copy(r, step)); break;
    case WF_STEP_ZERO: TRY(run_zero(r, step)); break;
    case WF_STEP_SORT: TRY(run_sort(r, step)); break;
    case WF_STEP_LOOP:
      TRY(run_loop(r, i));
      i += step->body_count;
      continue;
    }
    TRY(look(r, step));
  }
  return NULL;
}

weft_status *weft_execute(weft_session *session, int plan, weft_binding *binding, weft_watch *watch) {
  const wf_plan *p = &session->program->plans[plan];
  run r = {session, p, &session->plans[plan], binding, watch, session->rows + (size_t)plan * (size_t)session->program->kernel_count};
  weft_status *failed = run_steps(&r, 0, p->step_count), *late = weft_device_synchronise(session->device);
  if (!failed) failed = late;
  else weft_status_free(late);
  return weft_context(failed, "plan '%s'", p->name);
}

weft_status *weft_session_run(weft_session *session, int plan, const weft_named_tensor *inputs, int input_count) {
  weft_binding *binding;
  weft_watch watch = {.buffer = -1};
  TRY(weft_choose_variant(session, &plan, inputs, input_count));
  TRY(weft_bind(session, plan, inputs, input_count, &binding));
  return weft_execute(session, plan, binding, &watch);
}

int weft_watched_root(const weft_session *session, int plan, const char *output) {
  const wf_plan *p = &session->program->plans[plan];
  for (int i = 0; i < p->buffer_count; i++)
    if (p->buffers[i].role == WF_BUFFER_OUTPUT && strcmp(p->buffers[i].name, output) == 0) return session->plans[plan].roots[i];
  return -1;
}

weft_status *weft_session_run_watching(weft_session *session, int plan, const weft_named_tensor *inputs, int input_count,
                                       const char *output, bool *out_stopped) {
  weft_binding *binding;
  TRY(weft_choose_variant(session, &plan, inputs, input_count));
  weft_watch watch = {.buffer = weft_watched_root(session, plan, output)};
  TRY(weft_bind(session, plan, inputs, input_count, &binding));
  weft_status *failed = weft_execute(session, plan, binding, &watch);
  *out_stopped = watch.stopped;
  return failed;
}
