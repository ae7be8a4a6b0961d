// Every example at reduced size as thread programs: init, training step, evaluation and inference against the reference.
#include "tests/unit/gpu_program_support.h"

static const wf_source *example(wf_arena *arena, wf_diag *diag, const char *name) {
  return wf_source_read(arena, diag, wf_arena_printf(arena, "%s/examples/%s", WEFT_SOURCE_DIR, name), 1 << 20);
}

#define CHECK(file, sets, ...)                                                                                          \
  do {                                                                                                                  \
    static const gpu_symbol symbols[] = {__VA_ARGS__};                                                                  \
    assert_true(gpu_check(example, file, GPU_PASSES("sm_80"), sets, (int)(sizeof sets / sizeof *sets), symbols,         \
                          (int)(sizeof symbols / sizeof *symbols)) > 0);                                                \
  } while (0)

static void mlp(void **state) {
  static const wf_setting sets[] = {{"batch", "3"}, {"hidden", "24"}};
  CHECK("fashion/mlp.net", sets, {"n", 2});
}

static void cnn(void **state) {
  static const wf_setting sets[] = {{"batch", "2"}, {"hidden", "12"}};
  CHECK("fashion/cnn.net", sets, {"n", 1});
}

static void residual_network(void **state) {
  static const wf_setting sets[] = {{"batch", "2"}, {"width", "2"}};
  CHECK("fashion/resnet.net", sets, {"n", 1});
}

static void transformer(void **state) {
  static const wf_setting sets[] = {{"batch", "2"}, {"width", "16"}, {"layers", "1"}, {"heads", "2"}, {"context", "128"}, {"vocab", "128"}};
  CHECK("text/gpt.net", sets, {"n", 1}, {"t", 7});
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(mlp), cmocka_unit_test(cnn), cmocka_unit_test(residual_network), cmocka_unit_test(transformer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
