// Runs the steps of a bound plan.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
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

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static weft_status *evaluate(const run *r, const wf_formula *formula, int64_t otherwise, int64_t *out) {
  *out = otherwise;
  return formula->count ? weft_formula_checked(formula, r->binding->symbols, out) : NULL;
}

// ---- launch ---------------------------------------------------------------------------------------------------------

typedef struct launch {
  wf_kernel_entry function;
  void *const *args;
  const int64_t *symbols;
  void **scratch;
} launch;

static void run_tasks(void *context, int worker, int64_t begin, int64_t end) {
  const launch *l = context;
  l->function(l->args, l->symbols, begin, end, l->scratch[worker]);
}

static weft_status *grow_scratch(weft_session *session, size_t bytes) {
  if (bytes <= session->scratch_bytes) return NULL;
  for (int i = 0; i < weft_pool_threads(session->pool); i++) {
    free(session->scratch[i]);
    session->scratch[i] = NULL;
    session->scratch_bytes = 0;
  }
  for (int i = 0; i < weft_pool_threads(session->pool); i++)
    TRY(weft_context(weft_allocate_aligned(bytes, &session->scratch[i]), "scratch memory of kernels"));
  session->scratch_bytes = bytes;
  return NULL;
}

static void account(run *r, int kernel, double seconds) {
  const wf_plan_kernel *k = &r->session->program->kernels[kernel];
  weft_kernel_profile *row = &r->rows[kernel];
  row->launches++;
  row->seconds += seconds;
  row->flops += k->flops.count ? (double)wf_formula_eval(&k->flops, r->binding->symbols) : 0;
  row->bytes += k->bytes.count ? (double)wf_formula_eval(&k->bytes, r->binding->symbols) : 0;
}

static weft_status *run_launch(run *r, const wf_plan_step *step) {
  const wf_plan_kernel *kernel = &r->session->program->kernels[step->kernel];
  int64_t tasks, scratch;
  TRY(evaluate(r, &kernel->tasks, 0, &tasks));
  TRY(evaluate(r, &kernel->scratch_bytes, 0, &scratch));
  if (scratch < 0) return weft_fail(WEFT_INTERNAL, "kernel '%s': negative scratch", kernel->name);
  TRY(grow_scratch(r->session, (size_t)scratch));
  for (int i = 0; i < step->arg_count; i++) r->state->args[i] = r->binding->addresses[step->args[i]];
  launch l = {kernel->function, r->state->args, r->binding->symbols, r->session->scratch};
  double start = r->session->profile ? now() : 0;
  weft_pool_run(r->session->pool, tasks, run_tasks, &l);
  if (r->session->profile) account(r, step->kernel, now() - start);
  return NULL;
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

// Copies between storage orders, point by point.
static weft_status *copy_reordered(const run *r, int to, int from) {
  const wf_plan_buffer *target = &r->plan->buffers[to], *source = &r->plan->buffers[from];
  int64_t extents[WEFT_MAX_RANK], to_strides[WEFT_MAX_RANK], from_strides[WEFT_MAX_RANK], point[WEFT_MAX_RANK] = {0};
  size_t size = (size_t)wf_dtype_bytes(source->dtype);
  char *out = r->binding->addresses[to];
  const char *in = r->binding->addresses[from];
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
  memmove((char *)r->binding->addresses[to] + (size_t)to_offset * size, (char *)r->binding->addresses[from] + (size_t)from_offset * size,
          (size_t)count * size);
  return NULL;
}

static weft_status *run_zero(run *r, const wf_plan_step *step) {
  int buffer = step->args[0];
  memset(r->binding->addresses[buffer], 0, (size_t)r->binding->elements[buffer] * (size_t)wf_dtype_bytes(r->plan->buffers[buffer].dtype));
  return NULL;
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

static weft_status *run_sort(run *r, const wf_plan_step *step) {
  int values = step->args[0], indices = step->args[1], from = step->args[2];
  const wf_plan_buffer *source = &r->plan->buffers[from];
  int64_t extents[WEFT_MAX_RANK], strides[3][WEFT_MAX_RANK];
  if (source->rank > WEFT_MAX_RANK || step->sort_axis < 0 || step->sort_axis >= source->rank)
    return weft_fail(WEFT_INTERNAL, "plan '%s': a sort along no axis", r->plan->name);
  TRY(weft_buffer_extents(source, r->binding->symbols, extents));
  find_strides(source, extents, strides[2]);
  weft_sort_job job = {.dtype = source->dtype, .rank = source->rank, .axis = step->sort_axis, .descending = step->descending,
                       .from = r->binding->addresses[from], .extents = extents, .from_strides = strides[2]};
  if (values >= 0) {
    TRY(sort_result(r, step, values, extents, strides[0], &job.kept));
    job.values = r->binding->addresses[values];
    job.values_strides = strides[0];
  }
  if (indices >= 0) {
    if (r->plan->buffers[indices].dtype != WF_I64) return weft_fail(WEFT_INTERNAL, "plan '%s': a sort's indices are not i64", r->plan->name);
    TRY(sort_result(r, step, indices, extents, strides[1], &job.kept));
    job.indices = r->binding->addresses[indices];
    job.indices_strides = strides[1];
  }
  return weft_sort(r->session->pool, &job);
}

// ---- steps ----------------------------------------------------------------------------------------------------------

static bool touches(const run *r, const wf_plan_step *step, int root) {
  for (int i = 0; i < step->arg_count; i++)
    if (step->args[i] >= 0 && r->state->roots[step->args[i]] == root) return true;
  return false;
}

static void look(run *r, const wf_plan_step *step) {
  weft_watch *watch = r->watch;
  if (watch->after_step) watch->stopped = watch->after_step(watch, step);
  if (!watch->stopped && watch->buffer >= 0 && touches(r, step, watch->buffer))
    watch->stopped = weft_find_nonfinite(r->plan->buffers[watch->buffer].dtype, r->binding->addresses[watch->buffer],
                                         r->binding->elements[watch->buffer]) >= 0;
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
    look(r, step);
  }
  return NULL;
}

weft_status *weft_execute(weft_session *session, int plan, weft_binding *binding, weft_watch *watch) {
  const wf_plan *p = &session->program->plans[plan];
  run r = {session, p, &session->plans[plan], binding, watch, session->rows + (size_t)plan * (size_t)session->program->kernel_count};
  return weft_context(run_steps(&r, 0, p->step_count), "plan '%s'", p->name);
}

weft_status *weft_session_run(weft_session *session, int plan, const weft_named_tensor *inputs, int input_count) {
  weft_binding *binding;
  weft_watch watch = {.buffer = -1};
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
  weft_watch watch = {.buffer = weft_watched_root(session, plan, output)};
  TRY(weft_bind(session, plan, inputs, input_count, &binding));
  weft_status *failed = weft_execute(session, plan, binding, &watch);
  *out_stopped = watch.stopped;
  return failed;
}
