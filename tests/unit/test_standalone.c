// Programs and libraries of weft build, run as a user runs them: alone, beside weft, in a root with nothing else, damaged.
#include "rt_support.h"

#include <elf.h>
#include <png.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>
#include "runtime/data/npy.h"
#include "runtime/philox.h"
#include "runtime/program_load.h"
#include "runtime/safetensors.h"

#define NET WEFT_SOURCE_DIR "/tests/golden/cli/Inputs/sides.net"
static scratch s;
static char out[1 << 16];

// Runs a shell command in the scratch folder, with the program's name for %s; gives its exit code, and what it printed in `out`.
static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int run(const char *format, ...) {
  char words[2048], command[2304];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(words, sizeof words, format, arguments);
  va_end(arguments);
  snprintf(command, sizeof command, "cd %s && { %s; } 2>&1", s.folder, words);
  FILE *pipe = popen(command, "r");
  assert_non_null(pipe);
  out[fread(out, 1, sizeof out - 1, pipe)] = 0;
  while (fgetc(pipe) != EOF) continue;
  int status = pclose(pipe);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
#define done(...) do { if (run(__VA_ARGS__) != 0) fail_msg("%s", out); } while (0)
#define prints(text) do { if (!strstr(out, text)) fail_msg("'%s' is not in: %s", text, out); } while (0)

// Data, weights trained for a few steps, a program that trains and one that carries the weights.
static int setup(void **state) {
  scratch_begin(&s);
  setenv("NO_COLOR", "1", 1);
  setenv("WEFT_CACHE", scratch_path(&s, "cache"), 1);
  unsetenv("WEFT_TARGET");
  done("python3 %s/tests/golden/cli/Inputs/make_data.py data", WEFT_SOURCE_DIR);
  done("%s train %s --data data --set epochs=3 --save w.safetensors", WEFT_BINARY, NET);
  done("%s build %s --train -o trains", WEFT_BINARY, NET);
  done("%s build %s --weights w.safetensors -o runs", WEFT_BINARY, NET);
  return 0;
}

static int teardown(void **state) {
  scratch_end(&s);
  return 0;
}

// ---- running --------------------------------------------------------------------------------------------------------------

static void test_a_program_prints_what_weft_run_prints(void **state) {
  static const char *const inputs[] = {"data/x.npy", "data/x.raw", "data/x.npz:a", "data/x.png", "data/floats.npy", "test:0-2,5 --data data", "data/x.npy --json"};
  static const char *const levels[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
  for (int level = 0; level < 3 && strcmp(levels[level], weft_machine_level()) <= 0; level++)
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
      done("%s run %s --weights w.safetensors --target cpu:%s --input %s --output a.npy > a.txt", WEFT_BINARY, NET, levels[level], inputs[i]);
      done("./runs --target %s --input %s --output b.npy > b.txt && cmp a.txt b.txt && cmp a.npy b.npy", levels[level], inputs[i]);
      done("WEFT_TARGET=%s ./trains run --weights w.safetensors --input %s --output b.npy > b.txt && cmp a.txt b.txt && cmp a.npy b.npy", levels[level], inputs[i]);
    }
  done("./runs data/x.npy > a.txt && ./runs run --input x=data/x.npy > b.txt && cmp a.txt b.txt");
  done("./runs data/x.png data/floats.npy");   // one after the other
  prints("data/x.png\n");
  prints("data/floats.npy\n");
}

static void test_mistakes_are_told(void **state) {
  assert_int_equal(run("./runs"), 2);
  prints("targets in this program: x86-64-v2 x86-64-v3 x86-64-v4");
  assert_int_equal(run("./runs --imput x=a"), 2);
  prints("unknown option `--imput`; did you mean `--input`?");
  assert_int_equal(run("./runs none.png"), 3);
  prints("none.png: No such file");
  assert_int_equal(run("./runs --input x=data/wide.npy"), 1);
  prints("wide.npy");
  assert_int_equal(run("./runs data/x.npy --target cuda"), 1);
  prints("no code for cuda; it has: x86-64-v2, x86-64-v3, x86-64-v4");
  assert_int_equal(run("./trains data/x.npy"), 2);
  prints("--weights F.safetensors");
  assert_int_equal(run("./runs train"), 2);
  prints("`weft build --train` makes one that does");
  assert_int_equal(run("./trains train --data data --set optimizer.lr=3"), 2);
  prints("`optimizer.lr` is compiled in; here epochs, steps and seed can be set\nbuild again with it: weft build FILE.net --train --set optimizer.lr=3");
  assert_int_equal(run("./trains train --data data --set batch=3"), 1);
  prints("a batch of 3 was asked for, but the program is compiled for 6; build it again with --set batch=3");
  assert_int_equal(run("./trains train --data data --set epochs=none"), 2);
  prints("`none` is not a positive whole number");
  assert_int_equal(run("%s_stub data/x.npy", WEFT_BINARY), 1);
  prints("this runtime holds no network");
  assert_int_equal(run("%s build %s -o /no/such/folder/p", WEFT_BINARY, NET), 3);
  prints("/no/such/folder/p");
  assert_int_equal(run("%s build %s", WEFT_BINARY, NET), 2);
  prints("what to make? -o PROG");
  assert_int_equal(run("%s build m.weft -o p", WEFT_BINARY), 2);
  prints("build from the .net that it came from");
  assert_int_equal(run("%s build %s -o 1.so --lib", WEFT_BINARY, NET), 2);
  prints("libcnn.so gives cnn_load");
}

// ---- what it needs --------------------------------------------------------------------------------------------------------------

// Only libc, libm and the loader.
static void assert_needs_libc_alone(const char *file) {
  done("ldd %s | awk '{print $1}'", file);
  for (char *line, *rest = out; (line = strsep(&rest, "\n"));)
    if (*line && !strstr(line, "linux-vdso") && !strstr(line, "libm.so") && !strstr(line, "libc.so") && !strstr(line, "ld-linux"))
      fail_msg("%s needs %s", file, line);
}

static double milliseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

// The GPU's code is in the program too, and the fake driver runs PTX: it says what the host says. Where a driver has no GPU the
// host serves; a GPU that refuses the code says what helps.
static void run_on_a_gpu(void) {
#ifndef __SANITIZE_ADDRESS__   // a sanitized driver cannot be loaded into a program that is not
  done("./cnn --target cpu --weights cnn.safetensors zero.raw > host.txt");
  done("WEFT_CUDA_LIBRARY=%s ./cnn --weights cnn.safetensors --verbose zero.raw 2> gpu.err | diff - host.txt && cat gpu.err", FAKE_CUDA_LIBRARY);
  prints("code for sm_80");
  done("WEFT_CUDA_LIBRARY=%s FAKE_CUDA_DEVICES=0 ./cnn --weights cnn.safetensors --verbose zero.raw", FAKE_CUDA_LIBRARY);
  prints("code for x86-64-v");
  int refused = 0;   // the first load is that of a cubin where a ptxas made one; PTX comes after it
  for (int load = 1; load <= 2 && !refused; load++)
    refused = run("WEFT_CUDA_LIBRARY=%s FAKE_CUDA_FAIL=cuModuleLoadDataEx:%d:218 ./cnn --weights cnn.safetensors zero.raw", FAKE_CUDA_LIBRARY, load);
  assert_int_not_equal(refused, 0);
  prints("the GPU does not take its code (WEFT_TARGET=cpu runs the network on the host): ./cnn: the machine code for sm_80");
#endif
}

// The Fashion CNN for every target: small, dependent on nothing, quick (the time is printed, not judged).
static void test_the_fashion_cnn_is_small_and_needs_nothing(void **state) {
  struct stat file;
  done("%s build %s/examples/fashion/cnn.net --target cpu,cuda:sm_80,cuda:sm_90a -o cnn", WEFT_BINARY, WEFT_SOURCE_DIR);
  assert_int_equal(stat(scratch_path(&s, "cnn"), &file), 0);
  printf("the Fashion CNN as a program for five targets: %lld bytes\n", (long long)file.st_size);
  assert_true(file.st_size < 2000000 && (file.st_mode & 0777) == 0755);
  assert_needs_libc_alone("cnn");
  assert_needs_libc_alone("trains");
  if (run("%s train %s/examples/fashion/cnn.net --set steps=1 --save cnn.safetensors", WEFT_BINARY, WEFT_SOURCE_DIR) == 3) {
    printf("Fashion-MNIST is not on this machine\n");
    skip();
  }
  uint8_t picture[784] = {0};
  scratch_write(&s, "zero.raw", picture, sizeof picture);
  double best = 1e9;
  for (int i = 0; i < 8; i++) {
    double start = milliseconds();
    done("exec ./cnn --target cpu --weights cnn.safetensors zero.raw");
    if (milliseconds() - start < best) best = milliseconds() - start;
  }
  prints("0.");
  run_on_a_gpu();
  printf("from the start of a shell to the first result: %.1f ms\n", best);
}

// One program takes any batch, and a row says the same in each.
static void test_a_program_takes_one_picture_or_a_thousand(void **state) {
  enum { MANY = 1000 };
  static uint8_t pictures[MANY * 16];
  for (int i = 0; i < MANY * 16; i++) pictures[i] = (uint8_t)(i * 7919 / 16);
  assert_ok(weft_tensor_write_npy(scratch_path(&s, "many.npy"), &(weft_tensor){WEFT_U8, 4, {MANY, 1, 4, 4}, pictures}));
  assert_ok(weft_tensor_write_npy(scratch_path(&s, "one.npy"), &(weft_tensor){WEFT_U8, 4, {1, 1, 4, 4}, pictures + 16 * (MANY - 1)}));
  done("./runs many.npy --output many_out.npy | tail -3");
  prints("999: ");
  done("./runs one.npy --output one_out.npy");
  weft_tensor many, one;
  assert_ok(weft_tensor_read(scratch_path(&s, "many_out.npy"), 0, &many));
  assert_ok(weft_tensor_read(scratch_path(&s, "one_out.npy"), 0, &one));
  assert_true(many.extents[0] == MANY && one.extents[0] == 1);
  for (int i = 0; i < 2; i++) assert_float_equal(((float *)many.data)[2 * (MANY - 1) + i], ((float *)one.data)[i], 1e-4f);   // sums may be cut otherwise
  free(many.data);
  free(one.data);
}

// ---- training -------------------------------------------------------------------------------------------------------------------

#define LOSSES "sed 's/,\"seconds\".*//'"   // what training prints, without the clock

static void test_a_program_trains_as_weft_does(void **state) {
  const char *level = weft_machine_level();
  done("%s train %s --target cpu:%s --data data --json --set epochs=5 --save a.safetensors | " LOSSES " > a.txt", WEFT_BINARY, NET, level);
  done("./trains train --data data --json --set epochs=5 --save b.safetensors | " LOSSES " > b.txt && cmp a.txt b.txt && cmp a.safetensors b.safetensors");
  done("%s train %s --target cpu:%s --data data --json --set steps=4 --set seed=7 | " LOSSES " > a.txt", WEFT_BINARY, NET, level);
  done("./trains train --data data --json --set steps=4 --set seed=7 | " LOSSES " > b.txt && cmp a.txt b.txt && grep -q loss a.txt");
  // It goes on from its own checkpoints and from weft's, and weft from its.
  done("./trains train --data data --json --set epochs=5 | " LOSSES " | tail -4 > whole.txt");
  done("./trains train --data data --set steps=3 --save half.safetensors && %s train %s --target cpu:%s --data data --set steps=3 --save other.safetensors", WEFT_BINARY, NET, level);
  done("cmp half.safetensors other.safetensors");
  done("./trains train --data data --json --set epochs=5 --resume half.safetensors | " LOSSES " | cmp - whole.txt");
  done("%s train %s --target cpu:%s --data data --json --set epochs=5 --resume half.safetensors | " LOSSES " | cmp - whole.txt", WEFT_BINARY, NET, level);
  done("./trains train --data data --set steps=2 --log log && ls log");
  prints("curve.png\nscalars.jsonl\nsummary.json\n");
}

static double last_loss(void) {
  const char *at = NULL;
  for (const char *next = out; (next = strstr(next, "\"loss\":")); next++) at = next;
  return at ? strtod(at + 7, NULL) : -1;
}

// The GPU's kernels of a whole training, in a program, by the fake driver.
static void test_a_program_trains_on_a_gpu(void **state) {
#ifdef __SANITIZE_ADDRESS__
  printf("a sanitized driver cannot be loaded into a program that is not\n");
  skip();
#endif
  done("%s build %s --train --target cpu,cuda:sm_80 -o both", WEFT_BINARY, NET);
  done("./both train --data data --json --target cpu --set epochs=5");
  double host = last_loss();
  done("WEFT_CUDA_LIBRARY=%s ./both train --data data --json --verbose --set epochs=5", FAKE_CUDA_LIBRARY);
  prints("code for sm_80");
  assert_true(host > 0 && host < 0.1 && last_loss() > host * 0.9999 && last_loss() < host * 1.0001);
}

// A root folder that holds the program, libc, libm, the loader and the data, with no environment.
static void test_a_program_trains_where_nothing_else_is(void **state) {
  done("mkdir -p root/lib64 root/lib root/tmp && cp trains root && cp -r data root && for f in $(ldd trains | grep -o '/[^ ]*'); do mkdir -p root$(dirname $f) && cp -L $f root$f; done");
  const char *enter = geteuid() == 0 ? "chroot root" : "unshare -r chroot root";
  if (run("%s /trains --help", enter) == 125 || strstr(out, "unshare")) {
    printf("neither root nor allowed to make a user namespace\n");
    skip();
  }
  done("env -i %s /trains train --data /data --json --set epochs=2 --save /tmp/w.safetensors | " LOSSES " > a.txt", geteuid() == 0 ? "/usr/sbin/chroot root" : "/usr/bin/unshare -r /usr/sbin/chroot root");
  done("./trains train --data data --json --set epochs=2 | " LOSSES " | cmp - a.txt && grep -q '\"epoch\":2' a.txt");
  done("env -i %s /trains run --data /data --weights /tmp/w.safetensors test:0-5", geteuid() == 0 ? "/usr/sbin/chroot root" : "/usr/bin/unshare -r /usr/sbin/chroot root");
  prints("of 6 right");
}

// ---- libraries ------------------------------------------------------------------------------------------------------------------

static void test_a_library_serves_a_c_program(void **state) {
  if (run("cc --version")) {
    printf("no C compiler\n");
    skip();
  }
  done("%s build %s --weights w.safetensors --lib -o libmlp.so", WEFT_BINARY, NET);
  assert_needs_libc_alone("libmlp.so");
  done("cc -std=c17 -Wall -Werror %s/examples/c/with_library.c -I. -L. -lmlp -Wl,-rpath,'$ORIGIN' -o with_library", WEFT_SOURCE_DIR);
  done("mkdir -p elsewhere && mv with_library libmlp.so elsewhere && elsewhere/with_library data/x.png");
  assert_string_equal(out, "data/x.png: left\n");
  assert_int_equal(run("elsewhere/with_library none.png"), 3);
  prints("none.png");
  // Two libraries with names of their own in one process.
  done("%s build %s --weights w.safetensors --lib --target cpu:x86-64-v2 -o libone.so && %s build %s --train --lib --target cpu:x86-64-v2 -o libtwo-b.so", WEFT_BINARY, NET, WEFT_BINARY, NET);
  static const char code[] = "#include \"one.h\"\n#include \"two_b.h\"\n#include <stdio.h>\nint main(void) {\n  weft_model *a, *b;\n  weft_train_result r;\n"
                             "  if (one_load(NULL, &a) || two_b_load(NULL, &b)) return 1;\n"
                             "  if (weft_model_train(b, &(weft_train_options){.data_folder = \"data\", .epochs = 2}, &r)) return 2;\n"
                             "  puts(weft_status_message(weft_model_train(a, &(weft_train_options){.data_folder = \"data\"}, &r)));\n"
                             "  weft_model_destroy(a);\n  weft_model_destroy(b);\n  return r.steps != 0;\n}\n";
  scratch_write(&s, "two.c", code, sizeof code - 1);
  done("cc two.c -I. -L. -lone -l:libtwo-b.so -Wl,-rpath,. -o two && ./two");
  prints("does not train");
}

// ---- damage ---------------------------------------------------------------------------------------------------------------------

// The segment that weft build added: where the payload starts in the file.
static size_t payload_start(const weft_bytes *program) {
  const Elf64_Ehdr *head = (const Elf64_Ehdr *)program->data;
  const Elf64_Phdr *headers = (const Elf64_Phdr *)(program->data + head->e_phoff), *last = NULL;
  for (int i = 0; i < head->e_phnum; i++)
    if (headers[i].p_type == PT_LOAD) last = &headers[i];
  return last->p_offset;
}

static uint32_t random_word(uint32_t round, uint32_t which) {
  uint32_t word[4];
  weft_philox((uint32_t[]){round, which, 0, 0}, (uint32_t[]){9, 9}, word);
  return word[0];
}

// A few bytes of the payload changed, or its end cut off: a message and exit code 1, or the change is where nothing was read.
static void test_a_damaged_program_says_so(void **state) {
  enum { ROUNDS = 300 };
  weft_bytes program;
  int refused = 0;
  assert_ok(weft_file_read(scratch_path(&s, "runs"), 1 << 24, &program));
  size_t start = payload_start(&program);
  done("./runs data/x.npy > good.txt");
  for (uint32_t round = 0; round < ROUNDS; round++) {
    weft_bytes copy = {malloc(program.size), program.size};
    memcpy(copy.data, program.data, program.size);
    bool cut = round % 10 == 0, early = round % 3 == 0;   // early: in the table of parts
    size_t at = start + random_word(round, 0) % (early ? 512 : program.size - start);
    if (cut) copy.size = at;
    else copy.data[at] ^= (uint8_t)(1 << random_word(round, 1) % 8);
    assert_ok(weft_file_write_executable(scratch_path(&s, "damaged"), copy.data, copy.size));
    int code = run("./damaged data/x.npy > damaged.txt");
    if (code == 0) done("cmp damaged.txt good.txt");   // another target's part
    else if (code != 1 || !strstr(out, "error: ")) fail_msg("round %u, byte %zu: exit code %d: %s", round, at, code, out);
    refused += code == 1;
    free(copy.data);
  }
  printf("%d of %d damaged programs were refused\n", refused, ROUNDS);
  assert_true(refused > ROUNDS / 3);
  // For another kind of machine, and of another version.
  memcpy(program.data + start + 8, "\7", 1);
  assert_ok(weft_file_write_executable(scratch_path(&s, "damaged"), program.data, program.size));
  assert_int_equal(run("./damaged data/x.npy"), 1);
  prints("a bundle of version 7");
  free(program.data);
}

// The same through weft.h, where a sanitizer watches: what loads in spite of the damage runs as before.
static void test_a_damaged_bundle_is_a_status(void **state) {
  enum { ROUNDS = 1000 };
  weft_bytes bundle;
  weft_tensor x, y;
  int refused = 0;
  float good[12];
  done("%s compile %s --weights w.safetensors --target cpu:x86-64-v2,cuda:sm_80 -o m.weft", WEFT_BINARY, NET);
  assert_ok(weft_file_read(scratch_path(&s, "m.weft"), 1 << 24, &bundle));
  assert_ok(weft_tensor_read(scratch_path(&s, "data/x.npy"), 0, &x));
  for (uint32_t round = 0; round < ROUNDS; round++) {   // round 0: whole
    size_t size = round % 10 == 9 ? random_word(round, 2) % bundle.size : bundle.size, at = random_word(round, 3) % bundle.size;
    uint8_t *exact = malloc(size), flip = round ? (uint8_t)(1 << random_word(round, 4) % 8) : 0;
    weft_model *model;
    memcpy(exact, bundle.data, size);
    if (at < size) exact[at] ^= flip;
    weft_status *failed = weft_model_load_memory("m", exact, size, &(weft_model_options){.threads = 1, .target = "cpu"}, &model);
    if (failed) {
      assert_true(weft_status_code(failed) == WEFT_BAD_INPUT && *weft_status_message(failed) && !model);
      refused++;
    } else {
      assert_ok(weft_model_bind(model, "x", &x));
      assert_ok(weft_model_run(model));
      assert_ok(weft_model_result(model, weft_model_output(model, 0, NULL), &y));
      if (!round) memcpy(good, y.data, sizeof good);
      assert_memory_equal(good, y.data, sizeof good);
    }
    weft_status_free(failed);
    weft_model_destroy(model);
    free(exact);
  }
  printf("%d of %d damaged bundles were refused\n", refused, ROUNDS);
  assert_true(refused > ROUNDS / 2);
  weft_model *model;
  assert_fails(weft_model_load(scratch_path(&s, "m.weft"), &(weft_model_options){.target = "cpu:x86-64-v3"}, &model), WEFT_BAD_INPUT, "no code for cpu:x86-64-v3; it has: x86-64-v2, sm_80");
  assert_null(model);
  free(x.data);
  free(bundle.data);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_damaged_bundle_is_a_status),
      cmocka_unit_test(test_a_program_prints_what_weft_run_prints),
      cmocka_unit_test(test_mistakes_are_told),
      cmocka_unit_test(test_the_fashion_cnn_is_small_and_needs_nothing),
      cmocka_unit_test(test_a_program_takes_one_picture_or_a_thousand),
      cmocka_unit_test(test_a_program_trains_as_weft_does),
      cmocka_unit_test(test_a_program_trains_on_a_gpu),
      cmocka_unit_test(test_a_program_trains_where_nothing_else_is),
      cmocka_unit_test(test_a_library_serves_a_c_program),
      cmocka_unit_test(test_a_damaged_program_says_so),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
