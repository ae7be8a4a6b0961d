// The cache of compiled kernels: programs share what is the same, damage is a miss, and what comes from the cache computes the same.
#include "kernel_support.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>
#include "codegen/kernel_cache.h"

static char folder[] = "/tmp/weft-kernels-XXXXXX";

// Kernels that differ in what they add; @row has scratch memory that grows with its symbol.
static const char text[] =
    "sym n\n"
    "kernel @row(%x: f32[n] in, %y: f32[n] out) symbols(n) {\n for task i: 1 {\n  alloc %s: f32[n + 3] local\n"
    "  for serial k: n { %s[k] = %x[k] * 2 }\n  for serial k: n { %y[k] = %s[k] + 1 }\n }\n}\n"
    "kernel @one(%x: f32[n] in, %y: f32[n] out) symbols(n) {\n for task i: n {\n  %y[i] = %x[i] + 1\n }\n}\n"
    "kernel @two(%x: f32[n] in, %y: f32[n] out) symbols(n) {\n for task i: n {\n  %y[i] = %x[i] + 2\n }\n}\n";
enum { KERNELS = 3 };

static built compile(const char *program, const char *level, wf_compile_times *times) {
  built b = parse_kernels(program);
  const wf_kernel *first = b.module->kernels.items[0];
  char message[128];
  *times = (wf_compile_times){0};
  b.target = wf_target_create(b.arena, b.diag, level);
  wf_compile_options options = {.threads = 2, .cache = folder, .times = times};
  if (!wf_compile_program(b.arena, b.diag, b.target, b.kernels, b.count, (const wf_atom *const *)first->symbols.items, 1, &options, &b.code))
    fail_with(b.diag, program);
  b.object = wf_object_load(b.code.bytes, b.code.size, message, sizeof message);
  if (!b.object) fail_msg("%s", message);
  return b;
}

static int64_t value_of(void *context, const wf_atom *atom) { return atom->kind == WF_ATOM_SYMBOL ? *(int64_t *)context : 0; }

static void check_results(const built *b) {
  float x[5] = {1, 2, 3, 4, 5}, y[5], wanted[KERNELS][2] = {{2, 1}, {1, 1}, {1, 2}};
  void *buffers[2] = {x, y};
  int64_t n = 5;
  for (int i = 0; i < b->count; i++) {
    wf_kernel_entry entry = (wf_kernel_entry)wf_object_symbol(b->object, b->kernels[i].entry);
    assert_non_null(entry);
    void *scratch = aligned_alloc(64, (size_t)(wf_dim_eval(b->kernels[i].scratch_bytes, value_of, &n) / 64 + 1) * 64);
    entry(buffers, &n, 0, wf_dim_eval(b->kernels[i].tasks, value_of, &n), scratch);
    for (int k = 0; k < 5; k++) assert_true(y[k] == x[k] * wanted[i][0] + wanted[i][1]);
    free(scratch);
  }
}

static void run(int reused) {
  wf_compile_times times;
  built b = compile(text, "native", &times);
  assert_int_equal(times.kernels, KERNELS);
  assert_int_equal(times.reused, reused);
  check_results(&b);
  drop(&b);
}

// Calls visit for each entry's path.
static int each_entry(void (*visit)(const char *path, int64_t size)) {
  int count = 0;
  DIR *directory = opendir(folder);
  assert_non_null(directory);
  for (struct dirent *entry; (entry = readdir(directory));) {
    char path[512];
    struct stat status;
    if (!strstr(entry->d_name, ".weftk")) continue;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    if (stat(path, &status) != 0) continue;
    if (visit) visit(path, status.st_size);
    count++;
  }
  closedir(directory);
  return count;
}

static void remove_entry(const char *path, int64_t size) { unlink(path); }
static void truncate_entry(const char *path, int64_t size) { assert_int_equal(truncate(path, rand() % size), 0); }

static void flip_entry(const char *path, int64_t size) {
  FILE *file = fopen(path, "r+b");
  int64_t at = rand() % 3 ? rand() % size : rand() % 40;
  assert_non_null(file);
  fseek(file, (long)at, SEEK_SET);
  int byte = fgetc(file);
  fseek(file, (long)at, SEEK_SET);
  fputc(byte ^ 1 << rand() % 8, file);
  fclose(file);
}

static void other_version(const char *path, int64_t size) {
  FILE *file = fopen(path, "r+b");
  assert_non_null(file);
  fseek(file, 7, SEEK_SET);
  fputc(2, file);
  fclose(file);
}

static void test_reuse(void **unused) {
  (void)unused;
  each_entry(remove_entry);
  run(0);
  assert_int_equal(each_entry(NULL), KERNELS);
  run(KERNELS);
}

// Another program: names differ, one kernel is new, and the others lie elsewhere.
static void test_other_program(void **unused) {
  (void)unused;
  const char *other = "sym m\n"
                      "kernel @b(%a: f32[m] in, %c: f32[m] out) symbols(m) {\n for task t: m {\n  %c[t] = %a[t] + 2\n }\n}\n"
                      "kernel @a(%a: f32[m] in, %c: f32[m] out) symbols(m) {\n for task t: m {\n  %c[t] = %a[t] + 7\n }\n}\n";
  wf_compile_times times;
  each_entry(remove_entry);
  run(0);
  built b = compile(other, "native", &times);
  assert_int_equal(times.kernels, 2);
  assert_int_equal(times.reused, 1);
  drop(&b);
  b = compile(text, "x86-64-v2", &times);   // another target shares nothing
  assert_int_equal(times.reused, 0);
  drop(&b);
}

static void test_damage(void **unused) {
  (void)unused;
  static void (*const damages[])(const char *, int64_t) = {truncate_entry, flip_entry, other_version, remove_entry};
  srand(7);
  each_entry(remove_entry);
  run(0);
  for (int round = 0; round < 40; round++) {
    each_entry(damages[round % 4]);
    run(0);
    if (round % 8 == 0) run(KERNELS);   // what was damaged is whole again
  }
}

// An entry in another's place is damage as well.
static void test_swapped(void **unused) {
  (void)unused;
  built b = parse_kernels(text);
  wf_target *target = wf_target_create(b.arena, b.diag, "native");
  char *paths[KERNELS];
  const wf_kernel *first = b.module->kernels.items[0];
  for (int i = 0; i < KERNELS; i++) {
    wf_cache_key key = wf_kernel_cache_key(b.arena, target, &b.kernels[i], (const wf_atom *const *)first->symbols.items, 1);
    paths[i] = wf_arena_printf(b.arena, "%s/%016llx%016llx.weftk", folder, (unsigned long long)key.high, (unsigned long long)key.low);
  }
  each_entry(remove_entry);
  run(0);
  assert_int_equal(rename(paths[1], paths[2]), 0);
  run(1);
  wf_target_destroy(target);
  drop(&b);
}

static void test_sweep(void **unused) {
  (void)unused;
  wf_arena *arena = wf_arena_create();
  each_entry(remove_entry);
  run(0);
  wf_kernel_cache_sweep(arena, folder, 1 << 20);
  assert_int_equal(each_entry(NULL), KERNELS);
  wf_kernel_cache_sweep(arena, folder, 1);
  assert_int_equal(each_entry(NULL), 0);
  wf_arena_destroy(arena);
}

static int begin(void **unused) { return mkdtemp(folder) ? 0 : -1; }
static int end(void **unused) {
  each_entry(remove_entry);
  return rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_reuse), cmocka_unit_test(test_other_program), cmocka_unit_test(test_damage),
                                     cmocka_unit_test(test_swapped), cmocka_unit_test(test_sweep)};
  return cmocka_run_group_tests(tests, begin, end);
}
