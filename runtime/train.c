#include "runtime/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "runtime/checkpoint.h"
#include "runtime/feed.h"
#include "runtime/memory.h"
#include "runtime/metadata.h"

typedef struct training {
  weft_session *session;
  weft_dataset *train, *test;
  const weft_train_options *options;
  weft_train_result *result;
  int step_plan;
  weft_feed feed;
  int64_t seed, batch, epoch_steps;   // steps of one epoch
  int64_t total, limit;               // steps of the whole training, and where this run ends
  int64_t step, epoch, position;      // where training stands
  double sums[WEFT_METRICS];          // over the epoch's samples so far
  int64_t summed;                     // samples
  weft_metric metrics[WEFT_METRICS];  // of the latest step, then of the epoch
  int metric_count;
  double started;                     // clock when the current stretch of training began
  bool stop;
} training;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void note(const training *t, const char *text) {
  if (t->options->callbacks.note) t->options->callbacks.note(t->options->callbacks.context, text);
}

// ---- metrics ------------------------------------------------------------------------------------------------------

static bool is_metric(const wf_plan_buffer *buffer) { return buffer->rank == 0 && wf_dtype_is_float(buffer->dtype); }

// Scalar float outputs of the plan's latest run; the loss comes first.
static weft_status *read_metrics(weft_session *session, int plan, weft_metric *out, int *out_count) {
  int count = 1;
  bool loss = false;
  for (int i = 0; i < weft_session_output_count(session, plan); i++) {
    const wf_plan_buffer *buffer = weft_session_output_buffer(session, plan, i);
    if (!is_metric(buffer)) continue;
    bool is_loss = strcmp(buffer->name, "loss") == 0;
    if (!is_loss && count == WEFT_METRICS) continue;
    weft_tensor tensor;
    TRY(weft_session_output(session, plan, buffer->name, &tensor));
    out[is_loss ? 0 : count++] = (weft_metric){buffer->name, wf_load_element(buffer->dtype, tensor.data, 0)};
    loss = loss || is_loss;
  }
  if (!loss) return weft_fail(WEFT_INTERNAL, "plan '%s' has no scalar output 'loss'", weft_session_program(session)->plans[plan].name);
  *out_count = count;
  return NULL;
}

static void add_metrics(double *sums, const weft_metric *metrics, int count, int64_t weight) {
  for (int i = 0; i < count; i++) sums[i] += metrics[i].value * (double)weight;
}

// ---- evaluation -----------------------------------------------------------------------------------------------------

static weft_status *evaluate_batches(weft_session *session, weft_feed *feed, weft_loader *loader, weft_metric *out, int *out_count) {
  double sums[WEFT_METRICS] = {0};
  int64_t samples = 0;
  for (;;) {
    const weft_batch *batch;
    TRY(weft_loader_next(loader, &batch));
    if (!batch) break;
    TRY(weft_feed_batch(feed, batch));
    TRY(weft_session_run(session, feed->plan, feed->inputs, feed->count));
    TRY(read_metrics(session, feed->plan, out, out_count));
    add_metrics(sums, out, *out_count, batch->count);
    samples += batch->count;
  }
  for (int i = 0; i < *out_count && samples; i++) out[i].value = sums[i] / (double)samples;
  return NULL;
}

weft_status *weft_evaluate(weft_session *session, weft_dataset *test, int64_t batch, weft_metric *out, int *out_count) {
  *out_count = 0;
  int plan = weft_session_plan(session, "eval");
  if (plan < 0) return weft_fail(WEFT_BAD_INPUT, "the program has no evaluation (its train block names no loss?)");
  int64_t fixed = weft_session_fixed_batch(session, plan);
  if (fixed && test->count % fixed)
    return weft_fail(WEFT_BAD_INPUT, "%lld test samples are no whole number of batches of %lld, which the network is compiled for",
                     (long long)test->count, (long long)fixed);
  weft_loader_options options = {.batch = fixed ? fixed : batch, .end_epoch = 1};
  if (options.batch > test->count) options.batch = test->count;
  weft_feed feed;
  weft_loader *loader = NULL;
  TRY(weft_feed_create(session, plan, test, options.batch, &feed));
  weft_status *failed = weft_loader_create(test, feed.fields, feed.count, &options, &loader);
  if (!failed) failed = evaluate_batches(session, &feed, loader, out, out_count);
  weft_loader_destroy(loader);
  weft_feed_destroy(&feed);
  return weft_context(failed, "evaluation");
}

// ---- checkpoints ------------------------------------------------------------------------------------------------------

// Sums as text, since JSON has no NaN and --allow-nan goes on with them.
static bool add_sums(json_t *sums, const double *values, int count) {
  for (int i = 0; i < count; i++) {
    char text[32];
    snprintf(text, sizeof text, "%.17g", values[i]);
    if (json_array_append_new(sums, json_string(text)) != 0) return false;
  }
  return sums != NULL;
}

static weft_status *save(training *t) {
  if (!t->options->save) return NULL;
  weft_progress progress = {.step = t->step, .epoch = t->epoch, .position = t->position, .seed = t->seed, .batch = t->batch,
                            .user = json_pack("{s:[], s:I}", "sums", "samples", (json_int_t)t->summed)};
  bool complete = add_sums(json_object_get(progress.user, "sums"), t->sums, t->metric_count);
  weft_status *failed = complete ? weft_checkpoint_save(t->session, t->options->save, &progress)
                                 : weft_fail(WEFT_ENVIRONMENT, "saving the checkpoint: out of memory");
  weft_progress_deinit(&progress);
  return failed;
}

static weft_status *check_progress(training *t, const weft_progress *progress) {
  const char *hash = weft_session_program(t->session)->schedule_hash;
  char text[256];
  if (hash && strcmp(hash, progress->schedule_hash) != 0)
    note(t, "the checkpoint was written under another schedule of kernels: training goes on, but not bit for bit");
  if (t->options->seed && t->options->seed != progress->seed) {
    snprintf(text, sizeof text, "the checkpoint's seed %lld is kept", (long long)progress->seed);
    note(t, text);
  }
  if (progress->batch != t->batch) {
    snprintf(text, sizeof text, "the checkpoint was written with batches of %lld, now they have %lld samples: training goes on, but not bit for bit",
             (long long)progress->batch, (long long)t->batch);
    note(t, text);
  }
  if (progress->position > t->train->count)
    return weft_fail(WEFT_BAD_INPUT, "%s stands at sample %lld of an epoch, but the data has %lld: it belongs to other data",
                     t->options->resume, (long long)progress->position, (long long)t->train->count);
  return NULL;
}

static weft_status *resume(training *t) {
  weft_progress progress;
  TRY(weft_context(weft_checkpoint_load(t->session, t->options->resume, &progress), "resuming"));
  weft_status *failed = check_progress(t, &progress);
  t->step = progress.step;
  t->epoch = progress.epoch;
  t->position = progress.position;
  t->seed = progress.seed;
  const json_t *sums = json_object_get(progress.user, "sums");
  for (size_t i = 0; i < json_array_size(sums) && i < WEFT_METRICS; i++) {
    const char *text = json_string_value(json_array_get(sums, i));
    t->sums[i] = text ? strtod(text, NULL) : 0;
  }
  t->summed = json_integer_value(json_object_get(progress.user, "samples"));
  weft_progress_deinit(&progress);
  return failed;
}

// ---- start ----------------------------------------------------------------------------------------------------------

static weft_status *run_init(training *t) {
  int plan = weft_session_plan(t->session, "init");
  if (plan < 0) return weft_fail(WEFT_INTERNAL, "the program has no plan 'init'");
  weft_session_set_scalars(t->session, 0, t->seed, t->total);
  TRY(weft_session_run(t->session, plan, NULL, 0));
  if (!t->options->init) return NULL;
  char *report;
  TRY(weft_weights_init(t->session, t->options->init, &report));
  if (*report) note(t, report);
  free(report);
  return NULL;
}

static weft_status *choose_batch(training *t) {
  int64_t fixed = weft_session_fixed_batch(t->session, t->step_plan);
  t->batch = fixed ? fixed : t->options->batch;
  if (t->batch < 1) return weft_fail(WEFT_BAD_INPUT, "the batch must have at least one sample");
  if (fixed && t->options->batch && t->options->batch != fixed)
    return weft_fail(WEFT_BAD_INPUT, "a batch of %lld was asked for, but the program is compiled for %lld; build it again with --set batch=%lld",
                     (long long)t->options->batch, (long long)fixed, (long long)t->options->batch);
  if (fixed > t->train->count)
    return weft_fail(WEFT_BAD_INPUT, "the data has %lld samples, fewer than one batch of %lld", (long long)t->train->count, (long long)fixed);
  if (t->batch > t->train->count) t->batch = t->train->count;
  return NULL;
}

static weft_status *plan_steps(training *t) {
  const weft_train_options *options = t->options;
  t->epoch_steps = weft_loader_batches(t->train->count, &(weft_loader_options){.batch = t->batch, .drop_last = true});
  if (options->epochs <= 0 && options->steps <= 0) return weft_fail(WEFT_BAD_INPUT, "neither epochs nor steps say how long to train");
  if (options->epochs > INT32_MAX) return weft_fail(WEFT_BAD_INPUT, "%lld epochs are too many", (long long)options->epochs);
  t->total = options->epochs > 0 ? options->epochs * t->epoch_steps : options->steps;
  t->limit = options->steps > 0 && options->steps < t->total ? options->steps : t->total;
  return NULL;
}

static weft_status *prepare(training *t) {
  t->step_plan = weft_session_plan(t->session, "step");
  if (t->step_plan < 0) return weft_fail(WEFT_BAD_INPUT, "the program does not train: it was compiled without a train block");
  TRY(choose_batch(t));
  TRY(plan_steps(t));
  TRY(weft_feed_create(t->session, t->step_plan, t->train, t->batch, &t->feed));
  return t->options->resume ? resume(t) : run_init(t);
}

// ---- steps ----------------------------------------------------------------------------------------------------------

static weft_train_event make_event(const training *t, const weft_metric *test, int test_count) {
  double running = t->started > 0 ? now() - t->started : 0;
  return (weft_train_event){.step = t->step, .steps = t->limit, .epoch = t->epoch + 1, .epochs = t->options->epochs,
                            .samples = t->result->samples, .seconds = t->result->seconds + running, .train = t->metrics,
                            .train_count = t->metric_count, .test = test, .test_count = test_count};
}

static weft_status *not_finite(training *t) {
  char *cause = NULL;
  weft_metric loss[WEFT_METRICS];
  int count;
  TRY(read_metrics(t->session, t->step_plan, loss, &count));
  TRY(weft_session_trace_nonfinite(t->session, t->step_plan, t->feed.inputs, t->feed.count, "loss", &cause));
  const char *kept = t->options->save && access(t->options->save, F_OK) == 0 ? t->options->save : NULL;
  weft_status *status = weft_fail(WEFT_BAD_INPUT, "step %lld: the loss is %s; the first value that is not finite: %s%s%s", (long long)t->step + 1,
                                  isnan(loss[0].value) ? "nan" : loss[0].value < 0 ? "-inf" : "inf", cause,
                                  kept ? "; the last checkpoint stays in " : "", kept ? kept : "");
  free(cause);
  return status;
}

static weft_status *run_step(training *t, const weft_batch *batch) {
  bool stopped = false;
  TRY(weft_feed_batch(&t->feed, batch));
  weft_session_set_scalars(t->session, t->step, t->seed, t->total);
  if (t->options->allow_nan) TRY(weft_session_run(t->session, t->step_plan, t->feed.inputs, t->feed.count));
  else TRY(weft_session_run_watching(t->session, t->step_plan, t->feed.inputs, t->feed.count, "loss", &stopped));
  if (stopped) return not_finite(t);
  TRY(read_metrics(t->session, t->step_plan, t->metrics, &t->metric_count));
  add_metrics(t->sums, t->metrics, t->metric_count, batch->count);
  t->summed += batch->count;
  t->result->samples += batch->count;
  t->step++;
  t->position = batch->position + batch->count;
  return NULL;
}

static void take_means(training *t) {
  for (int i = 0; i < t->metric_count; i++) {
    t->metrics[i].value = t->summed ? t->sums[i] / (double)t->summed : 0;
    t->result->train[i] = t->metrics[i].value;
  }
  t->result->train_count = t->metric_count;
}

static weft_status *evaluate_now(training *t, weft_metric *test, int *out_count) {
  *out_count = 0;
  if (!t->test) return NULL;
  TRY(weft_evaluate(t->session, t->test, t->batch, test, out_count));
  for (int i = 0; i < *out_count; i++) {
    t->result->test[i] = test[i].value;
    t->result->test_names[i] = test[i].name;
  }
  t->result->test_count = *out_count;
  return NULL;
}

// The clock stands still while the epoch is saved and evaluated.
static weft_status *end_epoch(training *t) {
  weft_metric test[WEFT_METRICS];
  int test_count;
  t->result->seconds += now() - t->started;
  t->started = 0;
  take_means(t);
  memset(t->sums, 0, sizeof t->sums);
  t->summed = 0;
  t->epoch++;
  t->position = 0;
  TRY(save(t));
  TRY(evaluate_now(t, test, &test_count));
  weft_train_event event = make_event(t, test_count ? test : NULL, test_count);
  event.epoch = t->epoch;
  if (t->options->callbacks.epoch && !t->options->callbacks.epoch(t->options->callbacks.context, &event)) t->stop = true;
  t->started = now();
  return NULL;
}

static weft_status *run_steps(training *t, weft_loader *loader) {
  const weft_train_callbacks *callbacks = &t->options->callbacks;
  while (!t->stop && t->step < t->limit) {
    const weft_batch *batch;
    TRY(weft_loader_next(loader, &batch));
    if (!batch) return weft_fail(WEFT_INTERNAL, "the data ended at step %lld of %lld", (long long)t->step, (long long)t->limit);
    bool last = batch->ends_epoch;
    t->epoch = batch->epoch;   // a checkpoint that stood at an epoch's end names the next one
    TRY(run_step(t, batch));
    if (callbacks->step) {
      weft_train_event event = make_event(t, NULL, 0);
      if (!callbacks->step(callbacks->context, &event)) t->stop = true;
    }
    if (last) TRY(end_epoch(t));
    else if (t->options->save_every > 0 && t->step % t->options->save_every == 0) TRY(save(t));
  }
  return NULL;
}

static weft_status *train_all(training *t) {
  weft_loader *loader = NULL;
  weft_loader_options options = {.batch = t->batch, .shuffle = true, .drop_last = true, .seed = (uint64_t)t->seed, .epoch = t->epoch,
                                 .position = t->position, .end_epoch = INT64_MAX};
  TRY(weft_loader_create(t->train, t->feed.fields, t->feed.count, &options, &loader));
  t->started = now();
  weft_status *failed = run_steps(t, loader);
  t->result->seconds += t->started > 0 ? now() - t->started : 0;
  t->started = 0;
  weft_loader_destroy(loader);
  return failed;
}

// What remains where training ended inside an epoch, or had nothing to do.
static weft_status *finish(training *t) {
  weft_metric test[WEFT_METRICS];
  int test_count = 0;
  t->result->steps = t->step;
  t->result->epochs = t->epoch;
  if (t->position > 0) {
    take_means(t);
    TRY(save(t));
  }
  if (!t->options->evaluate || t->result->test_count) return NULL;
  return evaluate_now(t, test, &test_count);
}

weft_status *weft_train(weft_session *session, weft_dataset *train, weft_dataset *test, const weft_train_options *options,
                        weft_train_result *out) {
  *out = (weft_train_result){0};
  training t = {.session = session, .train = train, .test = test, .options = options, .result = out, .seed = options->seed};
  weft_status *failed = prepare(&t);
  if (!failed) failed = train_all(&t);
  if (!failed) failed = finish(&t);
  weft_feed_destroy(&t.feed);
  return failed;
}

// ---- from the program's metadata --------------------------------------------------------------------------------------

weft_status *weft_train_program(weft_session *session, const weft_train_options *given, weft_train_result *out) {
  *out = (weft_train_result){0};
  weft_metadata metadata;
  weft_dataset *train = NULL, *test = NULL;
  weft_train_options options = *given;
  weft_data_paths paths = {given->data_folder, given->net_folder, given->unpacked_folder};
  TRY(weft_metadata_parse(weft_session_program(session)->metadata, &metadata));
  if (!options.batch) options.batch = metadata.batch;
  if (!options.epochs) options.epochs = metadata.epochs;
  if (!options.steps) options.steps = metadata.steps;
  if (!options.seed) options.seed = metadata.seed;
  weft_status *failed = metadata.has_data ? NULL : weft_fail(WEFT_BAD_INPUT, "the train block names no data");
  if (!failed) failed = weft_context(weft_dataset_open(&metadata.data, &paths, &train), "data");
  if (!failed && metadata.has_test) failed = weft_context(weft_dataset_open(&metadata.test, &paths, &test), "test data");
  if (!failed) failed = weft_train(session, train, test, &options, out);
  weft_dataset_destroy(train);
  weft_dataset_destroy(test);
  weft_metadata_deinit(&metadata);
  return failed;
}
