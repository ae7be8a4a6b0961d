#include "runtime/feed.h"

#include <stdlib.h>
#include <string.h>
#include "runtime/memory.h"

static int field_by_name(const weft_dataset *dataset, const char *name) {
  for (int i = 0; i < dataset->field_count; i++)
    if (strcmp(dataset->fields[i].name, name) == 0) return i;
  return -1;
}

static bool taken(const weft_feed *feed, int field) {
  for (int i = 0; i < feed->count; i++)
    if (feed->fields[i].field == field) return true;
  return false;
}

static weft_status *match_fields(weft_feed *feed) {
  int next = 0;
  for (int i = 0; i < feed->count; i++)
    feed->fields[i].field = field_by_name(feed->dataset, weft_session_input(feed->session, feed->plan, i)->name);
  for (int i = 0; i < feed->count; i++) {
    if (feed->fields[i].field >= 0) continue;
    while (next < feed->dataset->field_count && taken(feed, next)) next++;
    if (next == feed->dataset->field_count)
      return weft_fail(WEFT_BAD_INPUT, "the data has %d fields, but the network takes %d inputs; nothing is left for '%s'",
                       feed->dataset->field_count, feed->count, weft_session_input(feed->session, feed->plan, i)->name);
    feed->fields[i].field = next;
  }
  return NULL;
}

// The shape of `count` samples as the input takes it.
static weft_status *shape_input(const weft_feed *feed, int i, int64_t count, weft_tensor *out) {
  const wf_plan_buffer *input = weft_session_input(feed->session, feed->plan, i);
  const weft_field *field = &feed->dataset->fields[feed->fields[i].field];
  *out = (weft_tensor){.dtype = (weft_dtype)feed->fields[i].dtype, .rank = field->rank + 1, .extents = {count}};
  if (out->rank > WEFT_MAX_RANK) return weft_fail(WEFT_BAD_INPUT, "data field '%s' has more than 7 axes", field->name);
  memcpy(out->extents + 1, field->extents, (size_t)field->rank * sizeof *field->extents);
  return weft_context(weft_session_fit_shape(feed->session, input, out), "data field '%s'", field->name);
}

static weft_status *fill_feed(weft_feed *feed, int64_t batch) {
  TRY(weft_allocate((size_t)feed->count, sizeof *feed->fields, &feed->fields));
  TRY(weft_allocate((size_t)feed->count, sizeof *feed->inputs, &feed->inputs));
  TRY(match_fields(feed));
  for (int i = 0; i < feed->count; i++) {
    const wf_plan_buffer *input = weft_session_input(feed->session, feed->plan, i);
    feed->fields[i].dtype = input->dtype;
    feed->fields[i].range = weft_session_input_range(feed->session, input->name);
    feed->inputs[i].name = input->name;
    TRY(shape_input(feed, i, batch, &feed->inputs[i].tensor));
  }
  return NULL;
}

weft_status *weft_feed_create(weft_session *session, int plan, weft_dataset *dataset, int64_t batch, weft_feed *out) {
  *out = (weft_feed){.session = session, .dataset = dataset, .plan = plan, .count = weft_session_input_count(session, plan)};
  weft_status *failed = fill_feed(out, batch);
  if (failed) weft_feed_destroy(out);
  return failed;
}

void weft_feed_destroy(weft_feed *feed) {
  free(feed->fields);
  free(feed->inputs);
  *feed = (weft_feed){0};
}

weft_status *weft_feed_batch(weft_feed *feed, const weft_batch *batch) {
  for (int i = 0; i < feed->count; i++) {
    TRY(shape_input(feed, i, batch->count, &feed->inputs[i].tensor));
    feed->inputs[i].tensor.data = batch->arrays[i];
  }
  return NULL;
}
