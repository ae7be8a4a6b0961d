// Bundles: what is written reads back; damage of any kind is a message.
#include "rt_support.h"

#include "ir/arena.h"
#include "rt_program.h"
#include "runtime/philox.h"
#include "runtime/program_io.h"
#include "runtime/session.h"

static const weft_part test_parts[] = {{WEFT_PART_OBJECT, "x86-64-v3", "machine code", 12}, {WEFT_PART_WEIGHTS, "", "w", 1}};

static weft_bytes make_bundle(void) {
  weft_bytes bytes;
  assert_ok(weft_bundle_serialize(&test_program, test_parts, 2, &bytes));
  return bytes;
}

static void bind_functions(wf_program *program) {
  for (int i = 0; i < program->kernel_count; i++)
    for (int j = 0; j < KERNELS; j++)
      if (strcmp(program->kernels[i].entry, test_kernels[j].entry) == 0) program->kernels[i].function = test_kernels[j].function;
}

static void test_a_bundle_reads_back_the_same(void **state) {
  scratch s;
  scratch_begin(&s);
  const char *path = scratch_path(&s, "m.weft");
  assert_ok(weft_bundle_write(path, &test_program, test_parts, 2));
  weft_bundle bundle;
  weft_bytes first = make_bundle(), again;
  assert_ok(weft_bundle_open(path, &bundle));
  assert_int_equal(bundle.part_count, 2);
  assert_true(bundle.parts[0].kind == WEFT_PART_OBJECT && bundle.parts[0].size == 12 && bundle.parts[1].kind == WEFT_PART_WEIGHTS);
  assert_string_equal(bundle.parts[0].target, "x86-64-v3");
  assert_memory_equal(bundle.parts[0].data, "machine code", 12);
  assert_string_equal(bundle.program.metadata, test_program.metadata);
  assert_ok(weft_bundle_serialize(&bundle.program, test_parts, 2, &again));
  assert_int_equal(first.size, again.size);
  assert_memory_equal(first.data, again.data, first.size);
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

static void test_damage_is_told(void **state) {
  weft_bytes bytes = make_bundle();
  weft_bundle bundle;
  assert_fails(weft_bundle_open_memory("m", bytes.data, 10, &bundle), WEFT_BAD_INPUT, "m: byte 0: not a weft bundle");
  assert_fails(weft_bundle_open_memory("m", bytes.data, bytes.size - 1, &bundle), WEFT_BAD_INPUT, "cut short");
  assert_fails(weft_bundle_open_memory("m", "PK\3\4aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 36, &bundle), WEFT_BAD_INPUT, "not a weft bundle");
  bytes.data[8] = 9;
  assert_fails(weft_bundle_open_memory("m", bytes.data, bytes.size, &bundle), WEFT_BAD_INPUT, "version 9|compile the network again");
  bytes.data[8] = 1;
  bytes.data[bytes.size / 2] ^= 4;
  assert_fails(weft_bundle_open_memory("m", bytes.data, bytes.size, &bundle), WEFT_BAD_INPUT, "checksum");
  free(bytes.data);
  assert_fails(weft_bundle_open("/no/such.weft", &bundle), WEFT_ENVIRONMENT, "/no/such.weft");
}

static void reseal(uint8_t *data, size_t size) {
  uint64_t hash = wf_hash_bytes(data + 32, size - 32, 1), total = size;
  memcpy(data + 16, &total, 8);
  memcpy(data + 24, &hash, 8);
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
    if (word[1] % 8 == 0) size = 32 + word[2] % (bytes.size - 32);
    uint8_t *exact = malloc(size);   // so that a sanitizer sees a byte too far
    memcpy(exact, copy, size);
    reseal(exact, size);
    weft_bundle bundle;
    weft_status *status = weft_bundle_open_memory("m", exact, size, &bundle);
    if (!status) {
      weft_session *session = NULL;
      bind_functions(&bundle.program);
      accepted++;
      weft_status *refused = weft_session_create(&bundle.program, &(weft_session_options){.threads = 1, .memory_limit = 1 << 24}, &session);
      weft_status_free(refused);
      weft_session_destroy(session);
      weft_bundle_close(&bundle);
    }
    weft_status_free(status);
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
      cmocka_unit_test(test_damage_is_told),
      cmocka_unit_test(test_mutants_never_crash),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
