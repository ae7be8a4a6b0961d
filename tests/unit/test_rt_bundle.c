// Bundles: what is written reads back; damage of any kind is a message.
#include "rt_support.h"

#include "rt_program.h"
#include "runtime/philox.h"
#include "runtime/program_format.h"
#include "runtime/program_load.h"
#include "runtime/session.h"

static const weft_part test_parts[] = {{.kind = WEFT_PART_OBJECT, .target = "x86-64-v3", .data = "machine code", .size = 12},
                                       {.kind = WEFT_PART_PTX, .target = "sm_80", .data = "ptx", .size = 3},
                                       {.kind = WEFT_PART_WEIGHTS, .target = "", .data = "w", .size = 1}};
enum { PARTS = 3 };
static wf_program targets[2];   // the test program for the host, and as if for a GPU
static const wf_program *const both[2] = {&targets[0], &targets[1]};

static void make_targets(void) {
  static wf_plan_kernel kernels[KERNELS];
  static int first_symbol = 0;
  for (int i = 0; i < 2; i++) targets[i] = test_program;
  memcpy(kernels, test_kernels, sizeof kernels);
  kernels[1].threads = 128;
  kernels[1].shared_bytes = 4096;
  kernels[1].symbols = &first_symbol;
  kernels[1].symbol_count = 1;
  targets[0].target = "x86-64-v3";
  targets[1].target = "sm_80";
  targets[1].kernels = kernels;
}

static weft_bytes make_bundle(void) {
  weft_bytes bytes;
  make_targets();
  assert_ok(weft_bundle_serialize(both, 2, test_parts, PARTS, &bytes));
  return bytes;
}

static void bind_functions(wf_program *program) {
  for (int i = 0; i < program->kernel_count; i++)
    for (int j = 0; j < KERNELS; j++)
      if (strcmp(program->kernels[i].entry, test_kernels[j].entry) == 0) program->kernels[i].function = test_kernels[j].function;
}

// Right checksums for whatever the table points at.
static void reseal(uint8_t *data, size_t size) {
  uint64_t total = size;
  uint32_t parts;
  if (size < WEFT_HEADER_BYTES) return;
  memcpy(data + 16, &total, 8);
  memcpy(&parts, data + 12, 4);
  if (parts > (size - WEFT_HEADER_BYTES) / WEFT_ENTRY_BYTES) return;
  for (uint32_t i = 0; i < parts; i++) {
    uint8_t *entry = data + WEFT_HEADER_BYTES + i * WEFT_ENTRY_BYTES;
    uint64_t place[2], hash;
    uint32_t kind;
    memcpy(&kind, entry, 4);
    memcpy(place, entry + 8 + WEFT_TARGET_BYTES, 16);
    if (place[0] % WEFT_ALIGNMENT || place[0] > size || place[1] > size - place[0]) continue;
    hash = weft_part_checksum(data + place[0], place[1], (weft_part_kind)kind);
    memcpy(entry + 24 + WEFT_TARGET_BYTES, &hash, 8);
  }
  uint64_t hash = weft_table_checksum(data, (int)parts);
  memcpy(data + WEFT_SEALED_BYTES, &hash, 8);
}

static weft_part part_of(const weft_bundle *bundle, weft_part_kind kind, const char *target) {
  const weft_part *part;
  assert_ok(weft_bundle_part(bundle, kind, target, &part));
  return part ? *part : (weft_part){0};
}

static void test_a_bundle_reads_back_the_same(void **state) {
  scratch s;
  scratch_begin(&s);
  const char *path = scratch_path(&s, "m.weft");
  weft_bundle bundle, gpu;
  weft_bytes first = make_bundle(), again;
  assert_ok(weft_bundle_write(path, both, 2, test_parts, PARTS));
  assert_ok(weft_bundle_open(path, &bundle));
  assert_ok(weft_bundle_open(path, &gpu));
  assert_ok(weft_bundle_select(&bundle, "x86-64-v3"));
  assert_ok(weft_bundle_select(&gpu, "sm_80"));
  assert_memory_equal(part_of(&bundle, WEFT_PART_OBJECT, "x86-64-v3").data, "machine code", 12);
  assert_memory_equal(part_of(&bundle, WEFT_PART_PTX, "sm_80").data, "ptx", 3);
  assert_true(part_of(&bundle, WEFT_PART_WEIGHTS, "").size == 1 && part_of(&bundle, WEFT_PART_CUBIN, "sm_80").size == 0);
  assert_string_equal(bundle.program.metadata, test_program.metadata);
  assert_string_equal(gpu.program.target, "sm_80");
  const wf_plan_kernel *kernel = &gpu.program.kernels[1];
  assert_true(kernel->threads == 128 && kernel->shared_bytes == 4096 && kernel->symbol_count == 1 && kernel->symbols[0] == 0);
  assert_true(bundle.program.kernels[1].threads == 0);
  assert_ok(weft_bundle_serialize((const wf_program *[]){&bundle.program, &gpu.program}, 2, test_parts, PARTS, &again));
  assert_int_equal(first.size, again.size);
  assert_memory_equal(first.data, again.data, first.size);
  weft_bundle_close(&gpu);
  // And it runs.
  bind_functions(&bundle.program);
  weft_session *session;
  assert_ok(weft_session_create(&bundle.program, &(weft_session_options){.threads = 1}, &session));
  weft_session_set_scalars(session, 0, 5, 1);
  assert_ok(weft_session_run(session, weft_session_plan(session, "init"), NULL, 0));
  float x[6] = {1, 0, 0, 3, 2, 1};
  weft_named_tensor input = {"x", {WEFT_F32, 2, {2, 3}, x}};
  weft_tensor y;
  for (int p = 0; p < bundle.program.plan_count; p++) {
    const char *name = bundle.program.plans[p].name;
    if (strcmp(name, "infer") == 0 || strcmp(name, "odd") == 0) assert_ok(weft_session_run(session, p, &input, 1));
  }
  assert_ok(weft_session_output(session, weft_session_plan(session, "infer"), "y", &y));
  assert_float_equal(((float *)y.data)[0], 0.05f, 1e-6f);
  weft_session_destroy(session);
  weft_bundle_close(&bundle);
  free(first.data);
  free(again.data);
  scratch_end(&s);
}

// Constants are stored once, however many targets have them.
static void test_targets_share_constants(void **state) {
  static int64_t numbers[5000];
  for (int i = 0; i < 5000; i++) numbers[i] = i;
  wf_plan_buffer buffer = {.name = "c", .role = WF_BUFFER_CONST, .dtype = WF_I64, .rank = 1, .extents = SHAPE(CONSTANT(5000)), .elements = CONSTANT(5000), .alias = -1, .data = numbers};
  wf_plan plan = {.name = "infer", .buffers = &buffer, .buffer_count = 1};
  wf_program programs[2] = {{.plans = &plan, .plan_count = 1, .target = "x86-64-v2"}, {.plans = &plan, .plan_count = 1, .target = "x86-64-v3"}};
  weft_bytes bytes;
  weft_bundle bundle;
  assert_ok(weft_bundle_serialize((const wf_program *[]){&programs[0], &programs[1]}, 2, NULL, 0, &bytes));
  assert_true(bytes.size > sizeof numbers && bytes.size < sizeof numbers + 2000);
  assert_ok(weft_bundle_open_memory("m", bytes.data, bytes.size, &bundle));
  assert_ok(weft_bundle_select(&bundle, "x86-64-v3"));
  assert_memory_equal(bundle.program.plans[0].buffers[0].data, numbers, sizeof numbers);
  weft_bundle_close(&bundle);
  free(bytes.data);
}

// Code for a GPU is packed; what claims to unpack to more than it can is refused before memory is taken.
static void test_gpu_code_is_packed(void **state) {
  static char text[100000];
  memset(text, 'x', sizeof text - 1);
  make_targets();
  weft_part part = {.kind = WEFT_PART_PTX, .target = "sm_80", .data = text, .size = sizeof text};
  const weft_part *code;
  weft_bytes bytes;
  weft_bundle bundle;
  assert_ok(weft_bundle_serialize(&both[1], 1, &part, 1, &bytes));
  assert_true(bytes.size < 10000);
  assert_ok(weft_bundle_open_memory("m", bytes.data, bytes.size, &bundle));
  for (int i = 0; i < 2; i++) {   // the second time it is there already
    assert_ok(weft_bundle_part(&bundle, WEFT_PART_PTX, "sm_80", &code));
    assert_true(code->size == sizeof text && memcmp(code->data, text, sizeof text) == 0);
  }
  weft_bundle_close(&bundle);
  assert_ok(weft_bundle_open_memory("m", bytes.data, bytes.size, &bundle));
  uint8_t *packed = (uint8_t *)bundle.parts[1].data;
  packed[3] = 0x3f;   // a gigabyte
  reseal(bytes.data, bytes.size);
  weft_bundle_close(&bundle);
  assert_ok(weft_bundle_open_memory("m", bytes.data, bytes.size, &bundle));
  assert_fails(weft_bundle_part(&bundle, WEFT_PART_PTX, "sm_80", &code), WEFT_BAD_INPUT, "m: a damaged bundle: packed code of no size");
  weft_bundle_close(&bundle);
  packed[3] = 0;
  packed[0] ^= 1;
  reseal(bytes.data, bytes.size);
  assert_ok(weft_bundle_open_memory("m", bytes.data, bytes.size, &bundle));
  assert_fails(weft_bundle_part(&bundle, WEFT_PART_PTX, "sm_80", &code), WEFT_BAD_INPUT, "m: a damaged bundle: its code for sm_80 does not unpack");
  weft_bundle_close(&bundle);
  free(bytes.data);
}

static void test_a_target_is_chosen(void **state) {
  weft_bytes bytes = make_bundle();
  weft_bundle bundle;
  const char *target;
  assert_ok(weft_bundle_open_memory("m", bytes.data, bytes.size, &bundle));
  if (strcmp(weft_machine_level(), "x86-64-v3") >= 0) {
    assert_ok(weft_bundle_choose(&bundle, NULL, NULL, &target));
    assert_string_equal(target, "x86-64-v3");
    assert_ok(weft_bundle_choose(&bundle, "cpu:x86-64-v3", NULL, &target));
  }
  assert_fails(weft_bundle_choose(&bundle, "cpu:x86-64-v2", NULL, &target), WEFT_BAD_INPUT, "no code for cpu:x86-64-v2; it has: x86-64-v3, sm_80");
  setenv("WEFT_TARGET", "cpu:x86-64-v2", 1);
  assert_fails(weft_bundle_choose(&bundle, NULL, NULL, &target), WEFT_BAD_INPUT, "no code for cpu:x86-64-v2");
  unsetenv("WEFT_TARGET");
  weft_bundle_close(&bundle);
  free(bytes.data);
}

static void test_damage_is_told(void **state) {
  weft_bytes bytes = make_bundle();
  weft_bundle bundle;
  assert_fails(weft_bundle_open_memory("m", bytes.data, 10, &bundle), WEFT_BAD_INPUT, "m: byte 0: not a weft bundle");
  assert_fails(weft_bundle_open_memory("m", bytes.data, bytes.size - 1, &bundle), WEFT_BAD_INPUT, "cut short");
  assert_fails(weft_bundle_open_memory("m", "PK\3\4aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 36, &bundle), WEFT_BAD_INPUT, "not a weft bundle");
  bytes.data[8] = 9;
  assert_fails(weft_bundle_open_memory("m", bytes.data, bytes.size, &bundle), WEFT_BAD_INPUT, "version 9|compile the network again");
  bytes.data[8] = WEFT_BUNDLE_VERSION;
  bytes.data[60] ^= 4;
  assert_fails(weft_bundle_open_memory("m", bytes.data, bytes.size, &bundle), WEFT_BAD_INPUT, "checksum of the table");
  bytes.data[60] ^= 4;
  bytes.data[bytes.size / 4] ^= 4;   // in the first program: the other part does not care
  assert_ok(weft_bundle_open_memory("m", bytes.data, bytes.size, &bundle));
  assert_fails(weft_bundle_select(&bundle, "x86-64-v3"), WEFT_BAD_INPUT, "m: the checksum of part 0, x86-64-v3 does not fit");
  assert_fails(weft_bundle_select(&bundle, "x86-64-v4"), WEFT_BAD_INPUT, "m holds no program for x86-64-v4");
  weft_bundle_close(&bundle);
  free(bytes.data);
  assert_fails(weft_bundle_open("/no/such.weft", &bundle), WEFT_ENVIRONMENT, "/no/such.weft");
}

// The session of a mutant is made or refused; it is never run.
static void try_target(const uint8_t *data, size_t size, const char *target, int *accepted) {
  weft_bundle bundle;
  weft_status *status = weft_bundle_open_memory("m", data, size, &bundle);
  if (!status) status = weft_bundle_select(&bundle, target);
  const weft_part *code;
  weft_status_free(status ? NULL : weft_bundle_part(&bundle, WEFT_PART_PTX, "sm_80", &code));   // unpacks
  if (!status) {
    weft_session *session = NULL;
    bind_functions(&bundle.program);
    ++*accepted;
    weft_status *refused = weft_session_create(&bundle.program, &(weft_session_options){.threads = 1, .memory_limit = 1 << 24}, &session);
    weft_status_free(refused);
    weft_session_destroy(session);
  }
  weft_bundle_close(&bundle);
  weft_status_free(status);
}

// Mutants with the right checksum get as far as the readers; those that are accepted make a session or are refused.
static void test_mutants_never_crash(void **state) {
  weft_bytes bytes = make_bundle();
  uint8_t *copy = malloc(bytes.size);
  int accepted = 0;
  for (uint32_t round = 0; round < 5000; round++) {
    memcpy(copy, bytes.data, bytes.size);
    size_t size = bytes.size;
    uint32_t word[4];
    weft_philox((uint32_t[]){round, 0, 0, 0}, (uint32_t[]){4, 2}, word);
    for (uint32_t i = 0; i <= word[0] % 3; i++) {
      uint32_t at[4];
      weft_philox((uint32_t[]){round, i, 1, 0}, (uint32_t[]){4, 2}, at);
      static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
      copy[32 + at[0] % (bytes.size - 32)] = at[1] % 2 ? values[at[2] % 5] : (uint8_t)at[2];
    }
    if (word[1] % 8 == 0) size = (32 + word[2] % (bytes.size - 32)) / WEFT_ALIGNMENT * WEFT_ALIGNMENT;
    uint8_t *exact = malloc(size);   // so that a sanitizer sees a byte too far
    memcpy(exact, copy, size);
    reseal(exact, size);
    try_target(exact, size, targets[word[3] % 2].target, &accepted);
    free(exact);
  }
  printf("%d of 5000 mutants were well formed\n", accepted);
  assert_true(accepted > 100 && accepted < 4500);
  free(copy);
  free(bytes.data);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_bundle_reads_back_the_same),
      cmocka_unit_test(test_targets_share_constants),
      cmocka_unit_test(test_gpu_code_is_packed),
      cmocka_unit_test(test_a_target_is_chosen),
      cmocka_unit_test(test_damage_is_told),
      cmocka_unit_test(test_mutants_never_crash),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
