// The cache of compiled programs: hits, misses, damage, changed imports, its bound.
#include "rt_support.h"

#include <dirent.h>
#include <fcntl.h>
#include <time.h>
#include "codegen/program_cache.h"
#include "rt_program.h"

typedef struct fixture { scratch scratch; wf_arena *arena; char folder[256]; } fixture;

static int set_up(void **state) {
  fixture *f = calloc(1, sizeof *f);
  scratch_begin(&f->scratch);
  f->arena = wf_arena_create();
  snprintf(f->folder, sizeof f->folder, "%s", scratch_path(&f->scratch, "deep/cache"));   // made when it is needed
  *state = f;
  return 0;
}

static int tear_down(void **state) {
  fixture *f = *state;
  wf_arena_destroy(f->arena);
  scratch_end(&f->scratch);
  free(f);
  return 0;
}

static wf_cache_key key_of(const char *text) {
  wf_cache_key key = {0};
  wf_cache_key_add_text(&key, text);
  return key;
}

static const wf_code machine_code = {"machine code", 12};

static void store(fixture *f, const char *key, const wf_cache_dependencies *dependencies, int64_t limit) {
  assert_ok(wf_cache_store(f->arena, f->folder, key_of(key), dependencies ? dependencies : &(wf_cache_dependencies){0}, &test_program, &machine_code, limit));
}

static bool hits(fixture *f, const char *key) {
  wf_cached cached;
  bool hit = wf_cache_load(f->arena, f->folder, key_of(key), &cached);
  if (hit) {
    assert_int_equal(cached.code.size, 12);
    assert_memory_equal(cached.code.bytes, "machine code", 12);
    assert_int_equal(cached.bundle.program.kernel_count, test_program.kernel_count);
    assert_string_equal(cached.bundle.program.schedule_hash, test_program.schedule_hash);
  } else assert_null(cached.code.bytes);
  wf_cached_close(&cached);
  return hit;
}

// The path of the folder's only entry.
static const char *only_entry(fixture *f) {
  DIR *folder = opendir(f->folder);
  const char *found = NULL;
  for (struct dirent *entry; (entry = readdir(folder));) {
    if (entry->d_name[0] == '.') continue;
    assert_null(found);
    found = wf_arena_printf(f->arena, "%s/%s", f->folder, entry->d_name);
  }
  closedir(folder);
  assert_non_null(found);
  return found;
}

static void test_an_entry_is_found_by_its_key(void **state) {
  fixture *f = *state;
  assert_false(hits(f, "a"));
  store(f, "a", NULL, WF_CACHE_BYTES);
  assert_true(hits(f, "a"));
  assert_false(hits(f, "b"));
}

static void test_parts_of_a_key_do_not_run_together(void **state) {
  wf_cache_key joined = {0}, apart = {0}, none = {0}, empty = {0};
  wf_cache_key_add_text(&joined, "ab");
  wf_cache_key_add_text(&joined, "c");
  wf_cache_key_add_text(&apart, "a");
  wf_cache_key_add_text(&apart, "bc");
  wf_cache_key_add_text(&none, NULL);
  wf_cache_key_add_text(&empty, "");
  assert_true(joined.low != apart.low && joined.high != apart.high);
  assert_true(none.low != empty.low && none.low != none.high);
}

static void test_a_damaged_entry_is_a_miss(void **state) {
  fixture *f = *state;
  store(f, "a", NULL, WF_CACHE_BYTES);
  const char *path = only_entry(f);
  weft_bytes whole;
  assert_ok(weft_file_read(path, 1 << 24, &whole));
  uint8_t *copy = malloc(whole.size);
  for (size_t at = 0; at < whole.size; at += at < 256 ? 1 : 61) {
    memcpy(copy, whole.data, whole.size);
    copy[at] ^= 0x20;
    assert_ok(weft_file_write(path, copy, whole.size));
    if (hits(f, "a")) fail_msg("byte %zu is damaged, but the entry was taken", at);
  }
  for (size_t size = 0; size < whole.size; size += 97) {
    assert_ok(weft_file_write(path, whole.data, size));
    if (hits(f, "a")) fail_msg("cut at byte %zu, but the entry was taken", size);
  }
  store(f, "a", NULL, WF_CACHE_BYTES);   // and is replaced
  assert_true(hits(f, "a"));
  free(copy);
  free(whole.data);
}

static void test_a_changed_import_is_a_miss(void **state) {
  fixture *f = *state;
  const char *path = scratch_write(&f->scratch, "block.net", "net B() {}", 10);
  wf_cache_dependencies imports = {0};
  wf_cache_dependency import = {.path = wf_arena_strdup(f->arena, path)};
  wf_cache_key_add(&import.hash, "net B() {}", 10);
  wf_vec_push(f->arena, &imports.list, import);
  store(f, "a", &imports, WF_CACHE_BYTES);
  assert_true(hits(f, "a"));
  scratch_write(&f->scratch, "block.net", "net C() {}", 10);
  assert_false(hits(f, "a"));
  scratch_write(&f->scratch, "block.net", "net B() {}", 10);
  assert_true(hits(f, "a"));
  unlink(import.path);
  assert_false(hits(f, "a"));
}

static void set_age(const char *folder, wf_arena *arena, wf_cache_key key, int seconds) {
  char *path = wf_arena_printf(arena, "%s/%016llx%016llx.weftc", folder, (unsigned long long)key.high, (unsigned long long)key.low);
  struct timespec times[2] = {{.tv_sec = time(NULL) - seconds}, {.tv_sec = time(NULL) - seconds}};
  assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void test_the_oldest_entries_go_beyond_the_limit(void **state) {
  fixture *f = *state;
  store(f, "a", NULL, WF_CACHE_BYTES);
  struct stat status;
  assert_int_equal(stat(only_entry(f), &status), 0);
  store(f, "b", NULL, WF_CACHE_BYTES);
  set_age(f->folder, f->arena, key_of("a"), 200);
  set_age(f->folder, f->arena, key_of("b"), 100);
  assert_true(hits(f, "a"));   // a use makes it the newest
  store(f, "c", NULL, 2 * status.st_size);
  assert_true(hits(f, "a") && hits(f, "c"));
  assert_false(hits(f, "b"));
}

static void test_what_killed_writers_left_behind_goes(void **state) {
  fixture *f = *state;
  store(f, "a", NULL, WF_CACHE_BYTES);
  char *old = wf_arena_printf(f->arena, "%s/0.weftc.77-0.tmp", f->folder), *young = wf_arena_printf(f->arena, "%s/1.weftc.78-0.tmp", f->folder);
  assert_ok(weft_file_write(old, "x", 1));
  assert_ok(weft_file_write(young, "x", 1));
  struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
  assert_int_equal(utimensat(AT_FDCWD, old, times, 0), 0);
  store(f, "b", NULL, WF_CACHE_BYTES);
  assert_int_not_equal(access(old, F_OK), 0);
  assert_int_equal(access(young, F_OK), 0);
}

static void test_a_cache_that_cannot_be_written_is_a_status(void **state) {
  fixture *f = *state;
  const char *file = scratch_write(&f->scratch, "file", "x", 1);
  const char *inside = wf_arena_printf(f->arena, "%s/cache", file);
  assert_fails(wf_cache_store(f->arena, inside, key_of("a"), &(wf_cache_dependencies){0}, &test_program, &machine_code, WF_CACHE_BYTES), WEFT_ENVIRONMENT,
               "cannot make the cache folder");
}

static void test_the_folder_follows_the_environment(void **state) {
  fixture *f = *state;
  setenv("HOME", "/home/someone", 1);
  unsetenv("WEFT_CACHE");
  unsetenv("XDG_CACHE_HOME");
  assert_string_equal(wf_cache_folder(f->arena), "/home/someone/.cache/weft");
  setenv("XDG_CACHE_HOME", "/var/cache/someone", 1);
  assert_string_equal(wf_cache_folder(f->arena), "/var/cache/someone/weft");
  setenv("WEFT_CACHE", "here", 1);
  assert_string_equal(wf_cache_folder(f->arena), "here");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(test_an_entry_is_found_by_its_key),
      TEST(test_parts_of_a_key_do_not_run_together),
      TEST(test_a_damaged_entry_is_a_miss),
      TEST(test_a_changed_import_is_a_miss),
      TEST(test_the_oldest_entries_go_beyond_the_limit),
      TEST(test_what_killed_writers_left_behind_goes),
      TEST(test_a_cache_that_cannot_be_written_is_a_status),
      TEST(test_the_folder_follows_the_environment),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
