// The loader, checkpoints and the training loop, on the program of rt_program.h.
#include "rt_support.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "rt_program.h"
#include "runtime/checkpoint.h"
#include "runtime/data/loader.h"
#include "runtime/data/npy.h"
#include "runtime/metadata.h"
#include "runtime/philox.h"
#include "runtime/safetensors.h"
#include "runtime/train.h"

enum { SAMPLES = 53, BATCH = 8, EPOCH_STEPS = 6, STEPS = 64 };

static scratch s;
static weft_dataset *data;

static int setup(void **state) {
  scratch_begin(&s);
  float x[SAMPLES * 3], t[SAMPLES];
  for (uint32_t i = 0; i < SAMPLES; i++) {
    uint32_t word[4];
    weft_philox((uint32_t[]){i, 0, 0, 0}, (uint32_t[]){9, 9}, word);
    t[i] = 0.5f;
    for (int c = 0; c < 3; c++) {
      x[i * 3 + (uint32_t)c] = (float)(word[c] >> 8) / (float)(1 << 24) * 3 - 1.5f;
      t[i] += (float)(c + 1) * x[i * 3 + (uint32_t)c];
    }
  }
  assert_ok(weft_npy_write(scratch_path(&s, "x.npy"), &(weft_tensor){WEFT_F32, 2, {SAMPLES, 3}, x}));
  assert_ok(weft_npy_write(scratch_path(&s, "y.npy"), &(weft_tensor){WEFT_F32, 1, {SAMPLES}, t}));
  assert_ok(weft_npy_open((char *[]){(char *)scratch_path(&s, "x.npy"), (char *)scratch_path(&s, "y.npy")}, 2, &data));
  return 0;
}
static int teardown(void **state) {
  weft_dataset_destroy(data);
  scratch_end(&s);
  return 0;
}

static weft_session *make_session(const wf_program *program) {
  weft_session *session = NULL;
  assert_ok(weft_session_create(program, &(weft_session_options){.threads = 1}, &session));
  return session;
}

// ---- loader ---------------------------------------------------------------------------------------------------------

static void test_every_epoch_has_every_sample_once(void **state) {
  weft_loader_field fields[] = {{0, WF_F64, 0}, {1, WF_F32, 0}};
  weft_loader_options options = {.batch = BATCH, .shuffle = true, .seed = 3, .end_epoch = 3};
  weft_loader *loader;
  assert_ok(weft_loader_create(data, fields, 2, &options, &loader));
  float all[SAMPLES];
  int64_t indices[SAMPLES];
  for (int i = 0; i < SAMPLES; i++) indices[i] = i;
  assert_ok(weft_dataset_read(data, 1, indices, SAMPLES, all));
  for (int epoch = 0; epoch < 3; epoch++) {
    weft_shuffle(3, (uint64_t)epoch, SAMPLES, indices);
    for (int at = 0; at < SAMPLES; at += BATCH) {
      const weft_batch *batch;
      assert_ok(weft_loader_next(loader, &batch));
      assert_true(batch->epoch == epoch && batch->position == at && batch->count == (SAMPLES - at < BATCH ? SAMPLES - at : BATCH));
      assert_int_equal(batch->ends_epoch, at + BATCH >= SAMPLES);
      for (int i = 0; i < batch->count; i++) assert_true(((float *)batch->arrays[1])[i] == all[indices[at + i]]);
    }
  }
  const weft_batch *end;
  assert_ok(weft_loader_next(loader, &end));
  assert_null(end);
  weft_loader_destroy(loader);
  assert_int_equal(weft_loader_batches(SAMPLES, &(weft_loader_options){.batch = BATCH, .drop_last = true}), 6);
  assert_int_equal(weft_loader_batches(5, &(weft_loader_options){.batch = BATCH, .drop_last = true}), 1);
}

static void test_pictures_become_floats_and_labels_are_checked(void **state) {
  const uint8_t images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 51, 102, 255}, labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 9, 10};
  weft_dataset *set;
  const weft_batch *batch;
  weft_loader *loader;
  char *paths[] = {(char *)scratch_write(&s, "i", images, sizeof images), (char *)scratch_write(&s, "l", labels, sizeof labels)};
  assert_ok(weft_idx_open(paths, 2, NULL, &set));
  weft_loader_options options = {.batch = 2, .end_epoch = 1};
  weft_loader_field fields[] = {{0, WF_F32, 0}, {1, WF_I64, 11}};
  assert_ok(weft_loader_create(set, fields, 2, &options, &loader));
  assert_ok(weft_loader_next(loader, &batch));
  float *pixels = batch->arrays[0];
  assert_true(pixels[0] == 0 && pixels[1] == 51 / 255.0f && pixels[3] == 1);
  assert_memory_equal(batch->arrays[1], ((int64_t[]){9, 10}), 16);
  weft_loader_destroy(loader);
  fields[1].range = 10;
  assert_ok(weft_loader_create(set, fields, 2, &options, &loader));
  assert_fails(weft_loader_next(loader, &batch), WEFT_BAD_INPUT, "/l: byte 9: label 10 of sample 1 is outside of 0 to 9");
  weft_loader_destroy(loader);   // and stopping a loader early does not hang
  options.end_epoch = 1000;
  assert_ok(weft_loader_create(set, fields, 1, &options, &loader));
  weft_loader_destroy(loader);
  weft_dataset_destroy(set);
}

// ---- training -------------------------------------------------------------------------------------------------------

typedef struct log { double losses[STEPS + 1]; int64_t first; int epochs, notes; weft_train_event event; double test_error; char note[512]; int64_t stop_at; } log_;

static bool log_step(void *context, const weft_train_event *event) {
  log_ *l = context;
  if (!l->first) l->first = event->step;
  l->losses[event->step] = event->train[0].value;
  l->event = *event;
  assert_string_equal(event->train[0].name, "loss");
  assert_string_equal(event->train[1].name, "error");
  return event->step != l->stop_at;
}
static bool log_epoch(void *context, const weft_train_event *event) {
  log_ *l = context;
  l->epochs++;
  assert_int_equal(event->epoch, l->event.epoch);
  if (event->test) l->test_error = event->test[1].value;
  return true;
}
static void log_note(void *context, const char *text) {
  log_ *l = context;
  l->notes++;
  snprintf(l->note, sizeof l->note, "%s", text);
}

static weft_status *train(weft_session *session, weft_train_options options, log_ *l, weft_train_result *result) {
  weft_train_result unused;
  int64_t stop = l->stop_at;
  memset(l, 0, sizeof *l);
  l->stop_at = stop;
  options.callbacks = (weft_train_callbacks){l, log_step, log_epoch, log_note};
  return weft_train(session, data, data, &options, result ? result : &unused);
}

static void test_training_learns_and_counts(void **state) {
  weft_session *session = make_session(&test_program);
  log_ l = {0};
  weft_train_result result;
  assert_ok(train(session, (weft_train_options){.batch = BATCH, .epochs = 10, .seed = 1}, &l, &result));
  assert_true(l.first == 1 && l.event.step == 60 && l.event.steps == 60 && l.epochs == 10 && l.event.epoch == 10);
  assert_true(l.losses[1] > 0.5 && l.losses[60] < 0.01);
  assert_true(result.steps == 60 && result.epochs == 10 && result.samples == 480 && result.train_count == 2 && result.test_count == 2);
  // The test means cover all 53 samples, the last small batch too.
  weft_metric metrics[WEFT_METRICS];
  int count;
  assert_ok(weft_evaluate(session, data, SAMPLES, metrics, &count));
  assert_true(count == 2 && fabs(metrics[1].value - result.test[1]) < 1e-7 && fabs(l.test_error - result.test[1]) < 1e-12);
  assert_ok(train(session, (weft_train_options){.batch = BATCH, .epochs = 10, .steps = 4, .seed = 1}, &l, &result));
  assert_true(l.event.step == 4 && l.epochs == 0 && result.test_count == 0 && result.train_count == 2);
  assert_ok(train(session, (weft_train_options){.batch = BATCH, .epochs = 10, .steps = 4, .seed = 1, .evaluate = true}, &l, &result));
  assert_int_equal(result.test_count, 2);
  assert_ok(train(session, (weft_train_options){.batch = BATCH, .steps = 9, .seed = 1}, &l, &result));   // no epochs: steps alone
  assert_true(l.event.step == 9 && l.epochs == 1);
  assert_ok(train(session, (weft_train_options){.batch = 100, .epochs = 2, .seed = 1}, &l, &result));    // smaller data than a batch
  assert_true(l.event.step == 2 && result.samples == 2 * SAMPLES);
  weft_session_destroy(session);
}

static void test_resume_is_bit_for_bit(void **state) {
  weft_session *session = make_session(&test_program);
  log_ whole = {0}, part = {0};
  const char *path = scratch_path(&s, "c.safetensors");
  weft_train_options options = {.batch = BATCH, .epochs = 10, .seed = 7};
  weft_train_result full, result;
  assert_ok(train(session, options, &whole, &full));
  static const int64_t places[] = {1, 5, 6, 7, 11, 12, 29, 30, 41, 59};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    options.save = path;
    options.resume = NULL;
    options.steps = places[i];
    assert_ok(train(session, options, &part, &result));
    weft_session_destroy(session);
    session = make_session(&test_program);
    options.save = NULL;
    options.resume = path;
    options.steps = 0;
    options.seed = 0;
    assert_ok(train(session, options, &part, &result));
    options.seed = 7;
    assert_int_equal(part.first, places[i] + 1);
    assert_int_equal(part.notes, 0);
    assert_memory_equal(part.losses + part.first, whole.losses + part.first, (size_t)(60 - places[i]) * sizeof(double));
    assert_memory_equal(result.train, full.train, sizeof full.train);   // means of the epoch that was cut in two
    assert_memory_equal(result.test, full.test, sizeof full.test);
  }
  weft_session_destroy(session);
}

static void test_killed_at_any_time_the_checkpoint_is_whole(void **state) {
  log_ whole = {0}, part = {0};
  const char *path = scratch_path(&s, "c.safetensors");
  weft_train_options options = {.batch = BATCH, .epochs = 10, .seed = 7, .save = path, .save_every = 1};
  weft_session *session = make_session(&test_program);
  assert_ok(train(session, (weft_train_options){.batch = BATCH, .epochs = 10, .seed = 7}, &whole, NULL));
  weft_session_destroy(session);
  int resumed = 0;
  for (int round = 0; round < 10; round++) {
    unlink(path);
    pid_t child = fork();
    if (child == 0) {
      weft_session *mine = NULL;
      weft_train_result result;
      if (!weft_session_create(&test_program, &(weft_session_options){.threads = 1}, &mine)) weft_status_free(weft_train(mine, data, NULL, &options, &result));
      _exit(0);
    }
    usleep((useconds_t)(1500 + round * 3100));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    if (access(path, F_OK) != 0) continue;
    weft_train_options again = {.batch = BATCH, .epochs = 10, .resume = path};
    session = make_session(&test_program);
    assert_ok(train(session, again, &part, NULL));
    if (part.first) assert_memory_equal(part.losses + part.first, whole.losses + part.first, (size_t)(61 - part.first) * sizeof(double));
    weft_session_destroy(session);
    resumed++;
  }
  printf("%d of 10 killed runs had saved a checkpoint\n", resumed);
  assert_true(resumed > 0);
}

static void test_callbacks_stop_and_save(void **state) {
  weft_session *session = make_session(&test_program);
  log_ l = {.stop_at = 8};
  const char *path = scratch_path(&s, "c.safetensors");
  assert_ok(train(session, (weft_train_options){.batch = BATCH, .epochs = 10, .seed = 1, .save = path}, &l, NULL));
  assert_int_equal(l.event.step, 8);
  weft_progress progress;
  assert_ok(weft_checkpoint_load(session, path, &progress));
  assert_true(progress.step == 8 && progress.epoch == 1 && progress.position == 2 * BATCH && progress.seed == 1);
  assert_string_equal(progress.schedule_hash, test_program.schedule_hash);
  weft_progress_deinit(&progress);
  weft_session_destroy(session);
}

static void test_a_loss_that_is_not_finite(void **state) {
  weft_session *session = make_session(&test_program);
  log_ l = {0};
  const char *path = scratch_path(&s, "c.safetensors"), *init = scratch_path(&s, "init.safetensors");
  weft_train_options options = {.batch = BATCH, .epochs = 10, .seed = 1, .save = path, .steps = 6};
  assert_ok(train(session, options, &l, NULL));
  weft_bytes before, after;
  assert_ok(weft_file_read(path, 1 << 20, &before));
  float w[3] = {1, NAN, 1};
  assert_ok(weft_safetensors_write(init, (weft_named_tensor[]){{"w", {WEFT_F32, 1, {3}, w}}}, 1, NULL));
  options.init = init;
  assert_fails(train(session, options, &l, NULL), WEFT_BAD_INPUT, "step 1: the loss is nan|parameter 'w'[1] is nan|last checkpoint stays in|c.safetensors");
  assert_non_null(strstr(l.note, "'b' is not in the file"));
  assert_ok(weft_file_read(path, 1 << 20, &after));
  assert_int_equal(before.size, after.size);
  assert_memory_equal(before.data, after.data, before.size);
  options.allow_nan = true;
  options.save = NULL;
  assert_ok(train(session, options, &l, NULL));
  assert_true(l.event.step == 6 && isnan(l.losses[6]));
  options.save = path;   // with sums that are NaN, in the middle of an epoch
  options.steps = 8;
  assert_ok(train(session, options, &l, NULL));
  options.resume = path;
  options.steps = 9;
  assert_ok(train(session, options, &l, NULL));
  assert_true(l.first == 9 && isnan(l.losses[9]));
  free(before.data);
  free(after.data);
  weft_session_destroy(session);
}

static void test_a_full_disk_keeps_the_earlier_checkpoint(void **state) {
  weft_session *session = make_session(&test_program);
  log_ l = {0};
  const char *path = scratch_path(&s, "c.safetensors");
  weft_train_options options = {.batch = BATCH, .epochs = 1, .seed = 1, .save = path};
  assert_ok(train(session, options, &l, NULL));
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit kept, limit;
  getrlimit(RLIMIT_FSIZE, &kept);
  limit = kept;
  limit.rlim_cur = 200;
  setrlimit(RLIMIT_FSIZE, &limit);
  options.epochs = 2;
  weft_status *status = train(session, options, &l, NULL);
  setrlimit(RLIMIT_FSIZE, &kept);
  assert_fails(status, WEFT_ENVIRONMENT, "saving the checkpoint|cannot write");
  weft_progress progress;
  assert_ok(weft_checkpoint_load(session, path, &progress));
  assert_int_equal(progress.step, EPOCH_STEPS);
  weft_progress_deinit(&progress);
  assert_int_equal(scratch_files(&s), 3);
  weft_session_destroy(session);
}

// ---- checkpoints ------------------------------------------------------------------------------------------------------

static void test_checkpoint_misfits_are_all_told(void **state) {
  weft_session *session = make_session(&test_program);
  const char *path = scratch_path(&s, "w.safetensors");
  float values[4] = {1, 2, 3, 4};
  uint16_t halves[1] = {0x4000};   // 2 in f16
  weft_progress progress;
  assert_ok(weft_safetensors_write(path, (weft_named_tensor[]){{"w", {WEFT_F32, 1, {4}, values}}, {"extra", {WEFT_F32, 0, {0}, values}}}, 2, NULL));
  assert_fails(weft_weights_load(session, path), WEFT_BAD_INPUT, "'w' is f32[4] in the file, f32[3] in the network|'b' is not in the file");
  assert_fails(weft_checkpoint_load(session, path, &progress), WEFT_BAD_INPUT, "no checkpoint of a training run|--init");
  char *report;
  assert_fails(weft_weights_init(session, path, &report), WEFT_BAD_INPUT, "no tensor fits");
  // Weights: an optimizer's states are ignored and float types converted.
  assert_ok(weft_safetensors_write(path, (weft_named_tensor[]){{"w", {WEFT_F32, 1, {3}, values}}, {"b", {WEFT_F16, 0, {0}, halves}}, {"adam.m.w", {WEFT_F32, 0, {0}, values}}}, 3, NULL));
  assert_ok(weft_weights_load(session, path));
  assert_true(((float *)weft_session_find_value(session, "w")->tensor.data)[2] == 3 && *(float *)weft_session_find_value(session, "b")->tensor.data == 2);
  // A state that inference reads is asked for too.
  wf_plan plans[5];
  wf_plan_buffer buffers[8];
  memcpy(plans, test_plans, sizeof plans);
  memcpy(buffers, eval_buffers, sizeof eval_buffers);
  buffers[7] = init_buffers[2];
  plans[2].buffers = buffers;
  plans[2].buffer_count = 8;
  wf_program program = test_program;
  program.plans = plans;
  weft_session *norm = make_session(&program);
  assert_fails(weft_weights_load(norm, path), WEFT_BAD_INPUT, "'sgd.v.w' is not in the file");
  weft_session_destroy(norm);
  assert_ok(weft_weights_init(session, path, &report));
  assert_string_equal(report, "'adam.m.w' is not in the network");
  free(report);
  weft_session_destroy(session);
}

static void test_any_damage_of_a_checkpoint_is_an_error_or_harmless(void **state) {
  weft_session *session = make_session(&test_program);
  log_ l = {0};
  const char *path = scratch_path(&s, "c.safetensors");
  assert_ok(train(session, (weft_train_options){.batch = BATCH, .epochs = 1, .seed = 1, .save = path}, &l, NULL));
  weft_bytes file;
  weft_progress progress;
  assert_ok(weft_file_read(path, 1 << 20, &file));
  for (size_t i = 0; i < file.size; i++) {
    file.data[i] ^= (uint8_t)(1 << i % 8);
    weft_status *status = weft_checkpoint_load(session, scratch_write(&s, "bad", file.data, file.size), &progress);
    if (!status) weft_progress_deinit(&progress);
    weft_status_free(status);
    file.data[i] ^= (uint8_t)(1 << i % 8);
  }
  for (size_t i = 0; i < file.size; i += 3) {
    weft_status *status = weft_checkpoint_load(session, scratch_write(&s, "cut", file.data, i), &progress);
    assert_non_null(status);
    weft_status_free(status);
  }
  free(file.data);
  weft_session_destroy(session);
}

static void test_a_resume_that_differs_is_noted(void **state) {
  weft_session *session = make_session(&test_program);
  log_ l = {0};
  const char *path = scratch_path(&s, "c.safetensors");
  assert_ok(train(session, (weft_train_options){.batch = BATCH, .epochs = 1, .seed = 1, .save = path}, &l, NULL));
  wf_program other = test_program;
  other.schedule_hash = "fedcba9876543210";
  weft_session *second = make_session(&other);
  assert_ok(train(second, (weft_train_options){.batch = 4, .epochs = 2, .seed = 2, .resume = path}, &l, NULL));
  assert_int_equal(l.notes, 3);   // schedule, seed, batch
  assert_fails(train(session, (weft_train_options){.batch = 8, .epochs = 2, .resume = scratch_path(&s, "gone")}, &l, NULL), WEFT_ENVIRONMENT, "resuming|gone");
  assert_fails(train(session, (weft_train_options){.batch = 8}, &l, NULL), WEFT_BAD_INPUT, "neither epochs nor steps");
  weft_session_destroy(session);
  weft_session_destroy(second);
}

static void test_training_from_metadata(void **state) {
  wf_program program = test_program;
  program.metadata = "{\"net\": \"Linear\", \"fields\": [{\"name\": \"x\", \"dtype\": \"f32\", \"target\": false}], \"data\": {\"kind\": \"npy\", "
                     "\"args\": [\"x.npy\", \"y.npy\"], \"options\": {}}, \"test\": null, \"batch\": 8, \"epochs\": 3, \"steps\": 0, \"seed\": 5, "
                     "\"metrics\": [\"error\"], \"classes\": 0, \"labels\": [\"a\", \"b\"], \"top\": 2}";
  weft_session *session = make_session(&program);
  weft_train_result result;
  weft_train_options options = {.net_folder = s.folder};
  assert_ok(weft_train_program(session, &options, &result));
  assert_true(result.steps == 18 && result.test_count == 0);
  options.net_folder = NULL;
  assert_fails(weft_train_program(session, &options, &result), WEFT_ENVIRONMENT, "data: 'x.npy' was not found");
  weft_metadata metadata;
  assert_ok(weft_metadata_parse(program.metadata, &metadata));
  assert_true(metadata.label_count == 2 && metadata.top == 2 && metadata.seed == 5 && metadata.data.arg_count == 2 && !metadata.has_test);
  weft_metadata_deinit(&metadata);
  assert_fails(weft_metadata_parse("{\"data\": {\"args\": []}}", &metadata), WEFT_BAD_INPUT, "without a kind");
  assert_fails(weft_metadata_parse("{", &metadata), WEFT_BAD_INPUT, "metadata");
  weft_session_destroy(session);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
      T(test_every_epoch_has_every_sample_once), T(test_pictures_become_floats_and_labels_are_checked), T(test_training_learns_and_counts),
      T(test_resume_is_bit_for_bit), T(test_killed_at_any_time_the_checkpoint_is_whole), T(test_callbacks_stop_and_save),
      T(test_a_loss_that_is_not_finite), T(test_a_full_disk_keeps_the_earlier_checkpoint), T(test_checkpoint_misfits_are_all_told),
      T(test_any_damage_of_a_checkpoint_is_an_error_or_harmless), T(test_a_resume_that_differs_is_noted), T(test_training_from_metadata),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
