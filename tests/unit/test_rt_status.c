// Statuses, formulas, Philox and files of the runtime.
#include "rt_support.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include "runtime/formula.h"
#include "runtime/philox.h"

static weft_status *inner(void) { return weft_fail(WEFT_BAD_INPUT, "byte %d: bad magic", 4); }
static weft_status *outer(void) {
  TRY(weft_context(inner(), "file %s", "a.gz"));
  return NULL;
}

static void test_context_is_added_on_the_way_up(void **state) {
  weft_status *status = weft_context(outer(), "train");
  assert_string_equal(weft_status_message(status), "train: file a.gz: byte 4: bad magic");
  assert_int_equal(weft_status_code(status), 1);
  weft_status_free(status);
  assert_null(weft_context(NULL, "train"));
  assert_int_equal(weft_status_code(NULL), 0);
  assert_fails(weft_fail_errno(ENOSPC, "cannot write %s", "x"), WEFT_ENVIRONMENT, "cannot write x: No space left");
}

static void test_formulas(void **state) {
  // (n * 3 + 1) // 2
  wf_formula_code code[] = {{WF_F_SYMBOL, 0}, {WF_F_CONST, 3}, {WF_F_MUL, 0}, {WF_F_CONST, 1}, {WF_F_ADD, 0}, {WF_F_CONST, 2}, {WF_F_FLOORDIV, 0}};
  wf_formula formula = {code, 7};
  assert_int_equal(wf_formula_eval(&formula, (int64_t[]){5}), 8);
  assert_int_equal(wf_formula_eval(&formula, (int64_t[]){-2}), -3);   // floor, not truncation
  assert_true(weft_formula_valid(&formula, 1));
  assert_false(weft_formula_valid(&formula, 0));
  assert_false(weft_formula_valid(&(wf_formula){code, 6}, 1));
  assert_false(weft_formula_valid(&(wf_formula){code + 2, 1}, 1));
  assert_false(weft_formula_valid(&(wf_formula){code, 0}, 1));
  assert_true(weft_formula_uses(&formula, 0));
  int64_t value;
  assert_fails(weft_formula_checked(&formula, (int64_t[]){INT64_MAX / 2}, &value), WEFT_BAD_INPUT, "64 bits");
}

static void test_philox_known_answers(void **state) {
  // From the authors' kat_vectors: philox4x32 10.
  uint32_t out[4];
  weft_philox((uint32_t[]){0, 0, 0, 0}, (uint32_t[]){0, 0}, out);
  assert_memory_equal(out, ((uint32_t[]){0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}), 16);
  weft_philox((uint32_t[]){0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, (uint32_t[]){0xa4093822, 0x299f31d0}, out);
  assert_memory_equal(out, ((uint32_t[]){0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}), 16);
}

static void test_shuffle_is_a_permutation_of_seed_and_epoch(void **state) {
  enum { N = 1000 };
  int64_t a[N], b[N], seen[N] = {0};
  weft_shuffle(7, 3, N, a);
  weft_shuffle(7, 3, N, b);
  assert_memory_equal(a, b, sizeof a);
  for (int i = 0; i < N; i++) seen[a[i]]++;
  for (int i = 0; i < N; i++) assert_int_equal(seen[i], 1);
  weft_shuffle(7, 4, N, b);
  assert_memory_not_equal(a, b, sizeof a);
  weft_shuffle(8, 3, N, b);
  assert_memory_not_equal(a, b, sizeof a);
  int64_t small[5];
  weft_shuffle(1, 0, 5, small);   // pinned: these bits are part of what a checkpoint means
  assert_memory_equal(small, ((int64_t[]){4, 2, 1, 0, 3}), sizeof small);
}

static void test_writing_leaves_links_and_devices_what_they_are(void **state) {
  scratch s;
  struct stat status;
  scratch_begin(&s);
  const char *file = scratch_write(&s, "file", "old", 3), *link = scratch_path(&s, "link"), *pipe = scratch_path(&s, "pipe");
  char text[8] = "";
  assert_int_equal(symlink(file, link), 0);
  assert_ok(weft_file_write(link, "new", 3));
  assert_true(lstat(link, &status) == 0 && S_ISLNK(status.st_mode));
  FILE *in = fopen(file, "rb");
  assert_int_equal(fread(text, 1, sizeof text, in), 3);
  fclose(in);
  assert_string_equal(text, "new");
  assert_int_equal(mkfifo(pipe, 0600), 0);
  int end = open(pipe, O_RDONLY | O_NONBLOCK);
  assert_ok(weft_file_write_executable(pipe, "sent", 4));
  assert_int_equal(read(end, text, sizeof text), 4);
  close(end);
  assert_true(lstat(pipe, &status) == 0 && S_ISFIFO(status.st_mode) && !(status.st_mode & 0111));
  scratch_end(&s);
}

static void test_writing_replaces_whole_or_not_at_all(void **state) {
  scratch s;
  scratch_begin(&s);
  const char *path = scratch_path(&s, "out");
  assert_ok(weft_file_write(path, "first", 5));
  // A full disk: the file size limit makes write fail the same way.
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit kept, limit;
  getrlimit(RLIMIT_FSIZE, &kept);
  limit = kept;
  limit.rlim_cur = 100;
  setrlimit(RLIMIT_FSIZE, &limit);
  char big[1000] = {0};
  weft_status *status = weft_file_write(path, big, sizeof big);
  setrlimit(RLIMIT_FSIZE, &kept);
  assert_fails(status, WEFT_ENVIRONMENT, "cannot write|out");
  weft_bytes read;
  assert_ok(weft_file_read(path, 100, &read));
  assert_int_equal(read.size, 5);
  assert_memory_equal(read.data, "first", 5);
  free(read.data);
  assert_int_equal(scratch_files(&s), 1);   // no temporary file stays
  assert_fails(weft_file_write(scratch_path(&s, "no/such/folder"), "x", 1), WEFT_ENVIRONMENT, "cannot write|No such file");
  assert_fails(weft_file_read(path, 4, &read), WEFT_BAD_INPUT, "limit");
  assert_fails(weft_file_read(s.folder, 4, &read), WEFT_BAD_INPUT, "folder");
  scratch_end(&s);
}

static void test_a_file_that_shrinks_is_reported_with_its_offset(void **state) {
  scratch s;
  scratch_begin(&s);
  const char *path = scratch_write(&s, "data", "0123456789", 10);
  weft_file file;
  assert_ok(weft_file_open(path, &file));
  assert_int_equal(truncate(path, 4), 0);
  char to[10];
  assert_fails(weft_file_read_at(&file, 2, to, 8), WEFT_BAD_INPUT, "data: byte 4|6 bytes more");
  weft_file_close(&file);
  scratch_end(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_context_is_added_on_the_way_up),
      cmocka_unit_test(test_formulas),
      cmocka_unit_test(test_philox_known_answers),
      cmocka_unit_test(test_shuffle_is_a_permutation_of_seed_and_epoch),
      cmocka_unit_test(test_writing_replaces_whole_or_not_at_all),
      cmocka_unit_test(test_writing_leaves_links_and_devices_what_they_are),
      cmocka_unit_test(test_a_file_that_shrinks_is_reported_with_its_offset),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
