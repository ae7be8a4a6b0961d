#include "runtime/data/loader.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/memory.h"
#include "runtime/philox.h"

enum { DEFAULT_DEPTH = 3, MOST_DEPTH = 64 };

struct weft_loader {
  weft_dataset *dataset;
  weft_loader_field *fields;
  int field_count;
  weft_loader_options options;
  int64_t *order;              // the permutation of the epoch that the thread is in
  void *staging;               // one batch of a field in the dataset's dtype
  weft_batch *slots;           // a ring: `ready` batches from `head` on are filled
  int slot_count;
  pthread_t thread;
  bool started;
  pthread_mutex_t mutex;       // guards what follows
  pthread_cond_t changed;
  int head, ready;
  bool holding, stopping, finished;
  weft_status *failed;         // of the thread; given out after the batches before it
};

void weft_convert_field(const weft_field *field, const void *from, int64_t elements, wf_dtype to_dtype, void *to) {
  if (field->dtype == to_dtype) {
    memcpy(to, from, (size_t)elements * (size_t)wf_dtype_bytes(to_dtype));
    return;
  }
  bool integers = !wf_dtype_is_float(field->dtype) && !wf_dtype_is_float(to_dtype);
  bool scale = field->picture && field->dtype == WF_U8 && wf_dtype_is_float(to_dtype);
  if (scale && to_dtype == WF_F32) {   // the common case
    for (int64_t i = 0; i < elements; i++) ((float *)to)[i] = (float)((const uint8_t *)from)[i] / 255.0f;
    return;
  }
  for (int64_t i = 0; i < elements; i++) {
    if (integers) wf_store_element_int(to_dtype, to, i, wf_load_element_int(field->dtype, from, i));
    else wf_store_element(to_dtype, to, i, wf_load_element(field->dtype, from, i) / (scale ? 255.0 : 1.0));
  }
}

static int64_t field_elements(const weft_field *field) {
  int64_t elements = 1;
  for (int i = 0; i < field->rank; i++) elements *= field->extents[i];
  return elements;
}

static weft_status *check_range(const weft_loader *loader, const weft_loader_field *field, const int64_t *indices, int64_t count, const void *data) {
  const weft_field *from = &loader->dataset->fields[field->field];
  int64_t each = field_elements(from);
  if (!field->range || wf_dtype_is_float(from->dtype)) return NULL;
  for (int64_t i = 0; i < count * each; i++) {
    int64_t value = wf_load_element_int(from->dtype, data, i);
    if (value >= 0 && value < field->range) continue;
    char where[512];
    weft_dataset_where(loader->dataset, field->field, indices[i / each], where, sizeof where);
    return weft_fail(WEFT_BAD_INPUT, "%s: %s %lld of sample %lld is outside of 0 to %lld", where, from->name, (long long)value,
                     (long long)indices[i / each], (long long)field->range - 1);
  }
  return NULL;
}

static weft_status *fill_field(weft_loader *loader, int i, const int64_t *indices, weft_batch *batch) {
  const weft_loader_field *field = &loader->fields[i];
  const weft_field *from = &loader->dataset->fields[field->field];
  bool same = from->dtype == field->dtype;
  void *raw = same ? batch->arrays[i] : loader->staging;
  TRY(weft_dataset_read(loader->dataset, field->field, indices, batch->count, raw));
  TRY(check_range(loader, field, indices, batch->count, raw));
  if (!same) weft_convert_field(from, raw, batch->count * field_elements(from), field->dtype, batch->arrays[i]);
  return NULL;
}

int64_t weft_loader_batches(int64_t samples, const weft_loader_options *options) {
  int64_t whole = samples / options->batch, rest = samples % options->batch;
  return options->drop_last && whole > 0 ? whole : whole + (rest > 0);
}

// A free slot, or NULL when the loader stops.
static weft_batch *await_free(weft_loader *loader) {
  pthread_mutex_lock(&loader->mutex);
  while (!loader->stopping && loader->ready == loader->slot_count) pthread_cond_wait(&loader->changed, &loader->mutex);
  weft_batch *slot = loader->stopping ? NULL : &loader->slots[(loader->head + loader->ready) % loader->slot_count];
  pthread_mutex_unlock(&loader->mutex);
  return slot;
}

static void publish(weft_loader *loader, weft_status *failed, bool finished) {
  pthread_mutex_lock(&loader->mutex);
  loader->failed = failed;
  loader->finished = finished || failed;
  if (!loader->finished) loader->ready++;
  pthread_cond_broadcast(&loader->changed);
  pthread_mutex_unlock(&loader->mutex);
}

static bool load_epoch(weft_loader *loader, int64_t epoch, int64_t position) {
  const weft_loader_options *options = &loader->options;
  int64_t samples = loader->dataset->count, end = weft_loader_batches(samples, options) * options->batch;
  if (end > samples) end = samples;
  if (options->shuffle) weft_shuffle(options->seed, (uint64_t)epoch, samples, loader->order);
  while (position < end) {
    weft_batch *batch = await_free(loader);
    if (!batch) return false;
    batch->epoch = epoch;
    batch->position = position;
    batch->count = end - position < options->batch ? end - position : options->batch;
    position += batch->count;
    batch->ends_epoch = position == end;
    weft_status *failed = NULL;
    for (int i = 0; i < loader->field_count && !failed; i++) failed = fill_field(loader, i, loader->order + batch->position, batch);
    publish(loader, failed, false);
    if (failed) return false;
  }
  return true;
}

static void *load(void *argument) {
  weft_loader *loader = argument;
  int64_t position = loader->options.position;
  for (int64_t epoch = loader->options.epoch; epoch < loader->options.end_epoch; epoch++) {
    if (!load_epoch(loader, epoch, position)) return NULL;
    position = 0;
  }
  publish(loader, NULL, true);
  return NULL;
}

weft_status *weft_loader_next(weft_loader *loader, const weft_batch **out) {
  *out = NULL;
  pthread_mutex_lock(&loader->mutex);
  if (loader->holding) {   // the batch given out before is free again
    loader->head = (loader->head + 1) % loader->slot_count;
    loader->ready--;
    loader->holding = false;
    pthread_cond_broadcast(&loader->changed);
  }
  while (loader->ready == 0 && !loader->finished) pthread_cond_wait(&loader->changed, &loader->mutex);
  weft_status *failed = NULL;
  if (loader->ready > 0) {
    *out = &loader->slots[loader->head];
    loader->holding = true;
  } else {
    failed = loader->failed;
    loader->failed = NULL;
  }
  pthread_mutex_unlock(&loader->mutex);
  return failed;
}

static weft_status *make_slots(weft_loader *loader) {
  size_t staging = 0;
  TRY(weft_allocate((size_t)loader->slot_count, sizeof *loader->slots, &loader->slots));
  for (int i = 0; i < loader->field_count; i++) {
    const weft_field *field = &loader->dataset->fields[loader->fields[i].field];
    size_t native = weft_field_bytes(field) * (size_t)loader->options.batch;
    if (native > staging) staging = native;
  }
  TRY(weft_allocate_aligned(staging, &loader->staging));
  for (int s = 0; s < loader->slot_count; s++) {
    TRY(weft_allocate((size_t)loader->field_count, sizeof *loader->slots[s].arrays, &loader->slots[s].arrays));
    for (int i = 0; i < loader->field_count; i++) {
      int64_t elements = field_elements(&loader->dataset->fields[loader->fields[i].field]) * loader->options.batch;
      TRY(weft_allocate_aligned((size_t)elements * (size_t)wf_dtype_bytes(loader->fields[i].dtype), &loader->slots[s].arrays[i]));
    }
  }
  return NULL;
}

static weft_status *prepare(weft_loader *loader, const weft_loader_field *fields) {
  TRY(weft_allocate((size_t)loader->field_count, sizeof *fields, &loader->fields));
  memcpy(loader->fields, fields, (size_t)loader->field_count * sizeof *fields);
  TRY(weft_allocate((size_t)loader->dataset->count, sizeof *loader->order, &loader->order));
  for (int64_t i = 0; i < loader->dataset->count; i++) loader->order[i] = i;
  TRY(make_slots(loader));
  int error = pthread_create(&loader->thread, NULL, load, loader);
  if (error) return weft_fail_errno(error, "cannot start the data thread");
  loader->started = true;
  return NULL;
}

weft_status *weft_loader_create(weft_dataset *dataset, const weft_loader_field *fields, int field_count,
                                const weft_loader_options *options, weft_loader **out) {
  *out = NULL;
  if (options->batch < 1) return weft_fail(WEFT_BAD_INPUT, "a batch must have at least one sample");
  weft_loader *loader = NULL;
  TRY(weft_allocate(1, sizeof *loader, &loader));
  loader->dataset = dataset;
  loader->field_count = field_count;
  loader->options = *options;
  if (loader->options.batch > dataset->count) loader->options.batch = dataset->count;
  loader->slot_count = options->depth > 0 && options->depth <= MOST_DEPTH ? options->depth : DEFAULT_DEPTH;
  pthread_mutex_init(&loader->mutex, NULL);
  pthread_cond_init(&loader->changed, NULL);
  weft_status *failed = prepare(loader, fields);
  if (failed) weft_loader_destroy(loader);
  else *out = loader;
  return failed;
}

void weft_loader_destroy(weft_loader *loader) {
  if (!loader) return;
  pthread_mutex_lock(&loader->mutex);
  loader->stopping = true;
  pthread_cond_broadcast(&loader->changed);
  pthread_mutex_unlock(&loader->mutex);
  if (loader->started) pthread_join(loader->thread, NULL);
  for (int s = 0; loader->slots && s < loader->slot_count; s++) {
    for (int i = 0; loader->slots[s].arrays && i < loader->field_count; i++) free(loader->slots[s].arrays[i]);
    free(loader->slots[s].arrays);
  }
  weft_status_free(loader->failed);
  free(loader->slots);
  free(loader->staging);
  free(loader->order);
  free(loader->fields);
  pthread_mutex_destroy(&loader->mutex);
  pthread_cond_destroy(&loader->changed);
  free(loader);
}
