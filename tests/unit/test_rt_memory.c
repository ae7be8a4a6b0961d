// Each allocation of a run that reads data, trains, saves, resumes and reads a bundle fails in turn: a status every time, no
// crash, and nothing is lost. This file's malloc family stands in front of the C library's.
#include "rt_support.h"

#include <errno.h>
#include <stdatomic.h>
#include "rt_program.h"
#include "runtime/checkpoint.h"
#include "runtime/data/npy.h"
#include "runtime/program_io.h"
#include "runtime/train.h"

#if defined(__SANITIZE_ADDRESS__) || !defined(__GLIBC__)
int main(void) {
  printf("skip: failing allocations: the sanitizer has its own allocator\n");
  return 0;
}
#else

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);
static atomic_long countdown;   // 0: none fails
static atomic_long live;        // blocks

static bool fails(void) {
  if (atomic_load(&countdown) == 0 || atomic_fetch_sub(&countdown, 1) != 1) return false;
  errno = ENOMEM;
  return true;
}
static void *counted(void *block) {
  if (block) atomic_fetch_add(&live, 1);
  return block;
}
void *malloc(size_t size) { return fails() ? NULL : counted(__libc_malloc(size)); }
void *calloc(size_t count, size_t size) { return fails() ? NULL : counted(__libc_calloc(count, size)); }
void *aligned_alloc(size_t alignment, size_t size) { return fails() ? NULL : counted(__libc_memalign(alignment, size)); }
void *realloc(void *block, size_t size) {
  if (fails()) return NULL;
  if (!block) return counted(__libc_malloc(size));
  return __libc_realloc(block, size);
}
void free(void *block) {
  if (block) atomic_fetch_sub(&live, 1);
  __libc_free(block);
}

static scratch s;
static char x_path[256], y_path[256], save_path[256], bundle_path[256], text_path[256];

static weft_status *train(weft_session *session, weft_dataset *data, bool resume) {
  weft_train_result result;
  weft_train_options options = {.batch = 4, .epochs = resume ? 2 : 1, .seed = 1, .save = save_path, .resume = resume ? save_path : NULL};
  return weft_train(session, data, data, &options, &result);
}

static weft_status *with_data(weft_dataset *data) {
  weft_session *session = NULL;
  TRY(weft_session_create(&test_program, &(weft_session_options){.threads = 1}, &session));
  weft_status *failed = train(session, data, false);
  if (!failed) failed = train(session, data, true);
  if (!failed) failed = weft_weights_load(session, save_path);
  weft_session_destroy(session);
  return failed;
}

static weft_status *everything(void) {
  weft_dataset *data = NULL, *text = NULL;
  weft_bundle bundle;
  TRY(weft_npy_open((char *[]){x_path, y_path}, 2, &data));
  weft_status *failed = with_data(data);
  weft_dataset_destroy(data);
  TRY(failed);
  TRY(weft_text_open(text_path, &(weft_token_options){.length = 2, .to = 1, .characters = true}, &text));
  weft_dataset_destroy(text);
  TRY(weft_bundle_write(bundle_path, &(const wf_program *){&test_program}, 1, NULL, 0));
  TRY(weft_bundle_open(bundle_path, &bundle));
  failed = weft_bundle_select(&bundle, "");
  weft_bundle_close(&bundle);
  return failed;
}

// jansson takes some of its failed allocations for mistakes in the text, so not every message can say it.
static bool tells_memory(const char *message) { return strstr(message, "memory") || strstr(message, "Cannot allocate"); }

static void test_each_allocation_fails_in_turn(void **state) {
  if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 1);   // a thousand runs, each with its fsyncs
  scratch_begin(&s);
  float x[10 * 3] = {1, 2, 3}, y[10] = {1};
  snprintf(x_path, sizeof x_path, "%s", scratch_path(&s, "x.npy"));
  snprintf(y_path, sizeof y_path, "%s", scratch_path(&s, "y.npy"));
  snprintf(save_path, sizeof save_path, "%s", scratch_path(&s, "c.safetensors"));
  snprintf(bundle_path, sizeof bundle_path, "%s", scratch_path(&s, "m.weft"));
  snprintf(text_path, sizeof text_path, "%s", scratch_write(&s, "t.txt", "hello world", 11));
  assert_ok(weft_npy_write(x_path, &(weft_tensor){WEFT_F32, 2, {10, 3}, x}));
  assert_ok(weft_npy_write(y_path, &(weft_tensor){WEFT_F32, 1, {10}, y}));
  assert_ok(everything());   // also warms what the C library keeps
  long before = atomic_load(&live), failures = 0, told = 0, memory = 0;
  for (long at = 1; at < 20000; at++) {
    atomic_store(&countdown, at);
    weft_status *status = everything();
    bool reached = atomic_load(&countdown) == 0;
    atomic_store(&countdown, 0);
    if (!reached && status) fail_msg("%s", weft_status_message(status));
    failures++;
    if (status) told++;
    if (status && tells_memory(weft_status_message(status))) memory++;
    weft_status_free(status);
    if (atomic_load(&live) != before) fail_msg("allocation %ld: %ld blocks are lost", at, atomic_load(&live) - before);
    if (!reached) break;
  }
  printf("%ld allocations failed, %ld of them ended the run, %ld of these say why\n", failures - 1, told, memory);
  assert_true(memory > told * 3 / 4);
  assert_true(failures > 200 && failures < 19999);
  scratch_end(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation_fails_in_turn)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
