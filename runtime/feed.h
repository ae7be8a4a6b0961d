// From a dataset's fields to a plan's inputs.
#ifndef WEFT_RUNTIME_FEED_H
#define WEFT_RUNTIME_FEED_H
#include "runtime/data/loader.h"
#include "runtime/session.h"

typedef struct weft_feed {
  weft_session *session;
  weft_dataset *dataset;
  int plan, count;
  weft_loader_field *fields;     // by input
  weft_named_tensor *inputs;     // set by weft_feed_batch
} weft_feed;

// Fields go to inputs of the same name, what is left in order. batch: to check the shapes of samples.
weft_status *weft_feed_create(weft_session *session, int plan, weft_dataset *dataset, int64_t batch, weft_feed *out);
void weft_feed_destroy(weft_feed *feed);
// Points the inputs at a loaded batch.
weft_status *weft_feed_batch(weft_feed *feed, const weft_batch *batch);

#endif
