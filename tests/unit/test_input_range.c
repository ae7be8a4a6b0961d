// What integer inputs may be, found from what they index, and where it is said: in the program's metadata.
#include "formulas.h"

static int64_t range_of(const char *text, const char *name) {
  wf_arena *arena = wf_arena_create();
  wf_diag *diag = wf_diag_create(arena);
  wf_compiled *compiled = wf_frontend_compile(arena, diag, wf_source_from_text(arena, "test.net", text), &(wf_frontend_options){0});
  if (!compiled) wf_diag_print(diag, stderr, false);
  assert_non_null(compiled);
  int64_t range = -1;
  for (int i = 0; i < compiled->train->fields.count; i++)
    if (!strcmp(compiled->train->fields.items[i].name, name)) range = compiled->train->fields.items[i].range;
  char said[64];
  snprintf(said, sizeof said, "\"range\": %lld}", (long long)range);
  if (range > 0) assert_non_null(strstr(wf_train_spec_json(arena, compiled->train), said));
  wf_arena_destroy(arena);
  return range;
}

static void test_the_extent_of_what_is_indexed(void **unused) {
  assert_int_equal(range_of("net N(x: i64[n, 4]) -> f32[n, 4, 8] { return embedding(x, 20, 8) as e }", "x"), 20);
  assert_int_equal(range_of("net N(x: i32[n]) -> f32[n, 8] { param t: f32[9, 8] = 0  h[i, d] = t[x[i], d]  return h }", "x"), 9);
}

static void test_the_smallest_of_several(void **unused) {
  assert_int_equal(range_of("net N(x: i64[n]) -> f32[n] { param a: f32[9] = 0  param b: f32[7] = 0  h[i] = a[x[i]] + b[x[i]]  return h }", "x"), 7);
}

static void test_none_where_guarded_or_not_an_index(void **unused) {
  assert_int_equal(range_of("net N(x: i64[n]) -> f32[n] { param a: f32[9] = 0  h[i] = a[x[i]] else 0  return h }", "x"), 0);
  assert_int_equal(range_of("net N(x: f32[n]) -> f32[n] { return relu(x) }", "x"), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_extent_of_what_is_indexed),
      cmocka_unit_test(test_the_smallest_of_several),
      cmocka_unit_test(test_none_where_guarded_or_not_an_index),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
