// compute, scatter and sort for the reference evaluator.
#include <math.h>
#include <stdlib.h>
#include "ir/ref_internal.h"

// ---- reductions ---------------------------------------------------------------------------------------------------

typedef struct reduction {
  wf_combiner combiner;
  bool is_float;          // of the body
  wf_dtype accumulator;
  bool round;
  int64_t length, seen;   // points of one result, points of it taken so far
  double float_state;
  int64_t int_state, best;
} reduction;

static double round_sum(const reduction *state, double value) {
  if (!state->round || state->accumulator == WF_F64) return value;
  return state->accumulator == WF_F32 ? (float)value : wf_round_to(state->accumulator, value);
}

// The first point wins, the first NaN wins over all.
static void take_float(reduction *state, double value) {
  bool first = state->seen == 0;
  double old = state->float_state;
  switch (state->combiner) {
    case WF_R_SUM: state->float_state = first ? value : round_sum(state, old + value); return;
    case WF_R_PROD: state->float_state = first ? value : round_sum(state, old * value); return;
    case WF_R_MAX: case WF_R_ARGMAX:
      if (!first && (isnan(old) || !(value > old || isnan(value)))) return;
      break;
    case WF_R_MIN: case WF_R_ARGMIN:
      if (!first && (isnan(old) || !(value < old || isnan(value)))) return;
      break;
    case WF_R_NONE: case WF_COMBINER_COUNT: break;
  }
  state->float_state = value;
  state->best = state->seen;
}

static void take_int(reduction *state, int64_t value) {
  bool first = state->seen == 0;
  int64_t old = state->int_state;
  switch (state->combiner) {
    case WF_R_SUM: state->int_state = first ? value : (int64_t)((uint64_t)old + (uint64_t)value); return;
    case WF_R_PROD: state->int_state = first ? value : (int64_t)((uint64_t)old * (uint64_t)value); return;
    case WF_R_MAX: case WF_R_ARGMAX:
      if (!first && value <= old) return;
      break;
    case WF_R_MIN: case WF_R_ARGMIN:
      if (!first && value >= old) return;
      break;
    case WF_R_NONE: case WF_COMBINER_COUNT: break;
  }
  state->int_state = value;
  state->best = state->seen;
}

static void store(const wf_ref *ref, wf_tensor *tensor, int64_t at, double number, int64_t integer) {
  if (tensor->floats)
    tensor->floats[at] = ref->round ? wf_round_to(tensor->dtype, number) : number;
  else
    tensor->integers[at] = wf_ref_wrap(tensor->dtype, integer);
}

static bool picks_point(wf_combiner combiner) { return combiner == WF_R_ARGMAX || combiner == WF_R_ARGMIN; }

static void finish(const wf_ref *ref, reduction *state, wf_tensor *tensor, int64_t at) {
  store(ref, tensor, at, state->float_state, picks_point(state->combiner) ? state->best : state->int_state);
  state->seen = 0;
}

static bool run_reduction(wf_ref_code *code, reduction *state, wf_tensor *result) {
  int64_t at = 0;
  for (int64_t done = 0; done < code->points;) {
    int n = wf_ref_next(code, code->points - done);
    if (n < 0) return false;
    const wf_ref_register *body = &code->registers[code->body];
    for (int lane = 0; lane < n; lane++) {
      if (state->is_float) take_float(state, body->f[lane]); else take_int(state, body->i[lane]);
      if (++state->seen == state->length) finish(code->ref, state, result, at++);
    }
    done += n;
  }
  return true;
}

static int64_t int_identity(wf_combiner combiner) {
  return combiner == WF_R_MAX ? INT64_MIN : combiner == WF_R_MIN ? INT64_MAX : combiner == WF_R_PROD;
}

static bool reduce_nothing(const wf_ref *ref, const wf_op *op, wf_tensor *result) {
  if (picks_point(op->combiner) && result->count) {
    wf_error(ref->diag, op->loc, "'%s': %s over no points", op->results[0]->name, wf_combiner_names[op->combiner]);
    return false;
  }
  double number = wf_dtype_is_float(op->body->dtype) ? wf_combiner_identity(op->combiner, op->body->dtype) : 0;
  for (int64_t i = 0; i < result->count; i++) store(ref, result, i, number, int_identity(op->combiner));
  return true;
}

static bool run_pointwise(wf_ref_code *code, wf_tensor *result) {
  for (int64_t done = 0; done < code->points;) {
    int n = wf_ref_next(code, code->points - done);
    if (n < 0) return false;
    const wf_ref_register *body = &code->registers[code->body];
    if (result->floats && !code->ref->round)
      memcpy(result->floats + done, body->f, sizeof(double) * (size_t)n);
    else
      for (int lane = 0; lane < n; lane++) store(code->ref, result, done + lane, body->f[lane], body->i[lane]);
    done += n;
  }
  return true;
}

bool wf_ref_compute(wf_ref *ref, const wf_op *op) {
  wf_tensor *result = wf_ref_storage(ref, op->results[0]);
  wf_ref_code *code = result ? wf_ref_compile(ref, op) : NULL;
  if (!code) return false;
  reduction state = {.combiner = op->combiner, .is_float = wf_dtype_is_float(op->body->dtype), .accumulator = op->accumulator,
                     .round = ref->round, .length = 1};
  for (int i = op->axis_count; i < code->axis_count; i++) state.length *= code->extents[i];
  bool good = op->combiner == WF_R_NONE ? run_pointwise(code, result)
              : state.length == 0       ? reduce_nothing(ref, op, result)
                                        : run_reduction(code, &state, result);
  wf_ref_code_destroy(code);
  return good;
}

// ---- scatter ----------------------------------------------------------------------------------------------------

static void combine_at(const wf_ref_code *code, wf_tensor *result, int64_t at, double number, int64_t integer) {
  if (code->op->combiner != WF_R_NONE) {
    reduction state = {.combiner = code->op->combiner, .accumulator = result->dtype, .round = code->ref->round, .seen = 1};
    if (result->floats) state.float_state = result->floats[at], take_float(&state, number);
    else state.int_state = result->integers[at], take_int(&state, integer);
    number = state.float_state, integer = state.int_state;
  }
  store(code->ref, result, at, number, integer);
}

static void scatter_lane(wf_ref_code *code, wf_tensor *result, int lane) {
  int64_t at = 0;
  for (int axis = 0; axis < result->rank; axis++) {
    int64_t index = code->registers[code->targets[axis]].i[lane];
    if (index < 0 || index >= result->shape[axis]) return;
    at = at * result->shape[axis] + index;
  }
  combine_at(code, result, at, code->registers[code->body].f[lane], code->registers[code->body].i[lane]);
}

static void fill_scatter(wf_ref *ref, const wf_op *op, wf_tensor *result) {
  size_t bytes = 8 * (size_t)result->count;
  void *to = result->floats ? (void *)result->floats : (void *)result->integers;
  if (op->scatter_from_zero) {
    memset(to, 0, bytes);
    return;
  }
  const wf_tensor *onto = ref->values[op->operands[0]->id];
  memcpy(to, onto->floats ? (const void *)onto->floats : (const void *)onto->integers, bytes);
}

bool wf_ref_scatter(wf_ref *ref, const wf_op *op) {
  wf_tensor *result = wf_ref_storage(ref, op->results[0]);
  wf_ref_code *code = result ? wf_ref_compile(ref, op) : NULL;
  if (!code) return false;
  fill_scatter(ref, op, result);
  int64_t done = 0;
  while (done < code->points) {
    int n = wf_ref_next(code, code->points - done);
    if (n < 0) break;
    for (int lane = 0; lane < n; lane++) scatter_lane(code, result, lane);
    done += n;
  }
  bool good = done >= code->points;
  wf_ref_code_destroy(code);
  return good;
}

// ---- sort -------------------------------------------------------------------------------------------------------

typedef struct sort_row { const double *floats; const int64_t *integers; int64_t stride; bool descending; } sort_row;

// NaN counts as larger than every number: last when ascending, first when descending.
static int compare_floats(double a, double b) {
  if (isnan(a) || isnan(b)) return isnan(a) - isnan(b);
  return (a > b) - (a < b);
}

static int compare_in_row(const void *left, const void *right, void *context) {
  const sort_row *row = context;
  int64_t i = *(const int64_t *)left, j = *(const int64_t *)right;
  int order = row->floats ? compare_floats(row->floats[i * row->stride], row->floats[j * row->stride])
                          : (row->integers[i * row->stride] > row->integers[j * row->stride]) -
                                (row->integers[i * row->stride] < row->integers[j * row->stride]);
  if (order) return row->descending ? -order : order;
  return (i > j) - (i < j);
}

static void sort_one(const wf_tensor *from, wf_tensor *values, wf_tensor *indices, int64_t base, sort_row row, int64_t length, int64_t *order) {
  row.floats = from->floats ? from->floats + base : NULL;
  row.integers = from->integers ? from->integers + base : NULL;
  for (int64_t i = 0; i < length; i++) order[i] = i;
  qsort_r(order, (size_t)length, sizeof *order, compare_in_row, &row);
  for (int64_t i = 0; i < length; i++) {
    int64_t to = base + i * row.stride, source = base + order[i] * row.stride;
    if (from->floats) values->floats[to] = from->floats[source]; else values->integers[to] = from->integers[source];
    indices->integers[to] = order[i];
  }
}

bool wf_ref_sort(wf_ref *ref, const wf_op *op) {
  const wf_tensor *from = ref->values[op->operands[0]->id];
  wf_tensor *values = wf_ref_storage(ref, op->results[0]), *indices = wf_ref_storage(ref, op->results[1]);
  if (!values || !indices) return false;
  int64_t length = from->shape[op->sort_axis], stride = 1;
  for (int i = op->sort_axis + 1; i < from->rank; i++) stride *= from->shape[i];
  wf_arena *scratch = wf_arena_create();
  int64_t *order = WF_NEW_ARRAY(scratch, int64_t, length);
  for (int64_t row = 0; length && row < from->count / length; row++)
    sort_one(from, values, indices, row / stride * stride * length + row % stride, (sort_row){.stride = stride, .descending = op->descending},
             length, order);
  wf_arena_destroy(scratch);
  return true;
}
