// SORT steps: each line along the axis by a stable merge sort of (key, index) pairs; lines are tasks of the pool.
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/memory.h"
#include "runtime/session_internal.h"

typedef struct pair {
  union { double real; int64_t integer; } key;
  int64_t index;
} pair;

typedef struct sorting {
  const weft_sort_job *job;
  pair **lines;   // by worker: two lines, the second for merging
} sorting;

// Total orders; NaN is above everything.
static bool real_before(double a, double b, bool descending) {
  if (isnan(a) || isnan(b)) return descending ? isnan(a) && !isnan(b) : !isnan(a) && isnan(b);
  return descending ? a > b : a < b;
}

static bool before(const weft_sort_job *job, const pair *a, const pair *b) {
  if (wf_dtype_is_float(job->dtype)) return real_before(a->key.real, b->key.real, job->descending);
  return job->descending ? a->key.integer > b->key.integer : a->key.integer < b->key.integer;
}

// Bottom-up merge sort; returns where the sorted line is, `line` or `spare`.
static pair *merge_sort(const weft_sort_job *job, pair *line, pair *spare, int64_t count) {
  for (int64_t width = 1; width < count; width *= 2) {
    for (int64_t begin = 0; begin < count; begin += 2 * width) {
      int64_t middle = begin + width < count ? begin + width : count, end = begin + 2 * width < count ? begin + 2 * width : count;
      int64_t a = begin, b = middle;
      for (int64_t out = begin; out < end; out++) {
        bool take_b = a == middle || (b < end && before(job, &line[b], &line[a]));   // equal: the earlier stays first
        spare[out] = line[take_b ? b++ : a++];
      }
    }
    pair *kept = line;
    line = spare;
    spare = kept;
  }
  return line;
}

static void sort_line(const weft_sort_job *job, pair *room, int64_t line) {
  int64_t from = 0, values = 0, indices = 0, count = job->extents[job->axis];
  for (int i = job->rank - 1; i >= 0; i--) {   // the line's number to a point of the other axes
    if (i == job->axis) continue;
    int64_t at = line % job->extents[i];
    line /= job->extents[i];
    from += at * job->from_strides[i];
    if (job->values) values += at * job->values_strides[i];
    if (job->indices) indices += at * job->indices_strides[i];
  }
  bool real = wf_dtype_is_float(job->dtype);
  for (int64_t i = 0; i < count; i++) {
    int64_t at = from + i * job->from_strides[job->axis];
    room[i].index = i;
    if (real) room[i].key.real = wf_load_element(job->dtype, job->from, at);
    else room[i].key.integer = wf_load_element_int(job->dtype, job->from, at);
  }
  const pair *sorted = merge_sort(job, room, room + count, count);
  for (int64_t i = 0; i < job->kept; i++) {
    int64_t at = values + (job->values ? i * job->values_strides[job->axis] : 0);
    if (job->values && real) wf_store_element(job->dtype, job->values, at, sorted[i].key.real);
    else if (job->values) wf_store_element_int(job->dtype, job->values, at, sorted[i].key.integer);
    if (job->indices) job->indices[indices + i * job->indices_strides[job->axis]] = sorted[i].index;
  }
}

static void sort_lines(void *context, int worker, int64_t begin, int64_t end) {
  const sorting *s = context;
  for (int64_t line = begin; line < end; line++) sort_line(s->job, s->lines[worker], line);
}

weft_status *weft_sort(weft_pool *pool, const weft_sort_job *job) {
  int64_t lines = 1, count = job->extents[job->axis];
  for (int i = 0; i < job->rank; i++)
    if (i != job->axis) lines *= job->extents[i];
  sorting s = {.job = job};
  size_t threads = (size_t)weft_pool_threads(pool);
  TRY(weft_allocate(threads, sizeof *s.lines, &s.lines));
  weft_status *failed = NULL;
  for (size_t i = 0; i < threads && !failed; i++) failed = weft_allocate((size_t)count * 2, sizeof(pair), &s.lines[i]);
  if (!failed) weft_pool_run(pool, lines, sort_lines, &s);
  for (size_t i = 0; i < threads; i++) free(s.lines[i]);
  free(s.lines);
  return failed;
}
