// The text form: what is printed is read back to the same text; wrong text is told apart with its place.
#include <dirent.h>
#include "wir_support.h"

static char *read_file(wf_arena *arena, const char *path) {
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  char *text = wf_arena_alloc(arena, 1 << 20);
  size_t size = fread(text, 1, (1 << 20) - 1, file);
  fclose(file);
  text[size] = 0;
  return text;
}

// The text behind the comment lines at its head.
static const char *without_head(const char *text) {
  while (*text == '#') text = strchr(text, '\n') + 1;
  return text;
}

static void round_trip(const char *name, const char *text) {
  ir_test first = ir_test_parse(text);
  if (!first.module) {
    wf_diag_print(first.diag, stderr, false);
    fail_msg("%s does not parse", name);
  }
  if (!wf_verify(first.module, first.diag)) {
    wf_diag_print(first.diag, stderr, false);
    fail_msg("%s does not verify", name);
  }
  char *printed = ir_test_print(&first);
  if (strcmp(printed, without_head(text))) {
    fprintf(stderr, "%s", printed);
    fail_msg("%s prints as above", name);
  }
  ir_test second = ir_test_parse_good(printed);
  assert_string_equal(ir_test_print(&second), printed);
  ir_test_end(&second);
  ir_test_end(&first);
}

static void test_corpus(void **state) {
  (void)state;
  const char *folder = WEFT_SOURCE_DIR "/tests/golden/wir";
  DIR *directory = opendir(folder);
  assert_non_null(directory);
  int count = 0;
  for (struct dirent *entry; (entry = readdir(directory));) {
    size_t length = strlen(entry->d_name);
    if (length < 4 || strcmp(entry->d_name + length - 4, ".wir")) continue;
    wf_arena *arena = wf_arena_create();
    round_trip(entry->d_name, read_file(arena, wf_arena_printf(arena, "%s/%s", folder, entry->d_name)));
    wf_arena_destroy(arena);
    count++;
  }
  closedir(directory);
  assert_true(count >= 6);
}

static void test_large_constant(void **state) {
  (void)state;
  ir_test t = ir_test_empty();
  float data[100];
  for (int i = 0; i < 100; i++) data[i] = 0.1f * (float)i;
  wf_function *f = wf_function_create(t.module, "f", WF_NOWHERE);
  wf_value *c = wf_build_const(f, "c", WF_F32, 1, (int64_t[]){100}, data, WF_NOWHERE);
  wf_function_result(f, "c", c);
  char *printed = ir_test_print(&t);
  assert_non_null(strstr(printed, "const hex \"00000000cdcccc3d"));
  ir_test back = ir_test_parse_good(printed);
  assert_memory_equal(back.module->functions.items[0]->ops.items[0]->data, data, sizeof data);
  assert_string_equal(ir_test_print(&back), printed);
  ir_test_end(&back);
  ir_test_end(&t);
}

// An axis named as a symbol that its body reads is renamed, so that the text means the same.
static void test_clashing_names(void **state) {
  (void)state;
  ir_test t = ir_test_empty();
  wf_function *f = wf_function_create(t.module, "f", WF_NOWHERE);
  const wf_dim *n = wf_dim_symbol(t.module->dims, "n");
  wf_value *x = wf_function_input(f, "x", WF_ROLE_DATA, WF_F32, 1, &n, WF_NOWHERE);
  const wf_dim *axis = wf_dim_axis(t.module->dims, "n", n), *mirrored = wf_dim_offset(wf_dim_sub(n, axis), -1);
  const wf_atom *atom = wf_dim_as_atom(axis);
  wf_value *y = wf_build_compute(f, "x", WF_F32, &atom, 1, WF_R_NONE, NULL, 0, wf_expr_read_dims(t.module, x, &mirrored, NULL), WF_NOWHERE);
  wf_function_result(f, "y", y);
  char *printed = ir_test_print(&t);
  assert_non_null(strstr(printed, "%x.1: f32[n] = compute [n_1: n] %x[n - n_1 - 1]"));
  ir_test back = ir_test_parse_good(printed);
  assert_string_equal(ir_test_print(&back), printed);
  ir_test_end(&back);
  ir_test_end(&t);
}

static void test_wrong_text(void **state) {
  (void)state;
  static const struct { const char *text, *message; int line, column; } cases[] = {
      {"func @f(%x: f32[n]) -> (y: %y) {\n  %y: f32[n] = compute [i: n] %z[i]\n}\n", "no value '%z'", 2, 31},
      {"func @f(%x: f33[n]) -> () {\n}\n", "unknown type 'f33'", 1, 13},
      {"func @f(%x: f32[n]) -> () {\n  %y: f32[n] = compute [i: n] %x[j]\n}\n", "'j' is no axis", 2, 34},
      {"func @f(%x: f32[n]) -> () {\n  %y: f32[n] = compute [i: n] expp(%x[i])\n}\n", "unknown scalar function 'expp'", 2, 31},
      {"func @f(%x: f32[n]) -> () {\n  %y: f32[n] = compute [i: n] %x[i, i]\n}\n", "has rank 1, not 2", 2, 31},
      {"func @f(%x: f32[n]) -> () {\n  %y: f32[n] = compute [i: n] %x[i] + i\n}\n", "different types, f32 and i64", 2, 37},
      {"func @f(%x: f32[n]) -> () {\n  %y: f32[n] = compute [i: n] %x[i] +\n}\n", "syntax error", 3, 1},
      {"func @f(%x: f32[n]) -> () {\n  %x: f32[n] = compute [i: n] %x[i]\n}\n", "'%x' is defined already", 2, 3},
      {"func @f(%x: f32[n]) -> () {\n  %y: f32[n] = call @g(%x)\n}\n", "no function '@g'", 2, 16},
      {"func @f(%x: f32[n]) -> () {\n  %y: i64[n] = compute [i: n] %x[i]\n}\n", "f32, where i64 is expected", 2, 31},
      {"func @f() -> () {\n  %y: f32[3] = const {1, 2}\n}\n", "3 elements, but 2 numbers", 2, 16},
      {"kernel @k(%y: f32[4] out) {\n  for vectr i: 4 {\n  }\n}\n", "cannot be bound to 'vectr'", 2, 3},
      {"fact n + 1\n", "a fact is written", 1, 6},
      {"func @f(%x: f32[n]) -> () {\n  $\n}\n", "stray character", 2, 3},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ir_test t = ir_test_parse(cases[i].text);
    assert_null(t.module);
    assert_true(ir_test_diag_holds(&t, cases[i].message));
    wf_loc loc = t.diag->list.items[0]->loc;
    if (loc.line != cases[i].line || loc.column != cases[i].column)
      fail_msg("'%s' is told at %d:%d, not %d:%d", cases[i].message, loc.line, loc.column, cases[i].line, cases[i].column);
    ir_test_end(&t);
  }
}

static void test_nesting_is_limited(void **state) {
  (void)state;
  wf_text text;
  wf_text_init(&text);
  wf_text_add(&text, "func @f(%x: f32[n]) -> () {\n  %y: f32[n] = compute [i: n] %x[i]");
  for (int i = 0; i < 50000; i++) wf_text_add(&text, " + %x[i]");
  wf_text_add(&text, "\n}\n");
  ir_test t = ir_test_parse(text.data);
  assert_null(t.module);
  assert_true(ir_test_diag_holds(&t, "nested more than"));
  ir_test_end(&t);
  wf_text_deinit(&text);
}

// The derivative column of ops.def is text of this grammar.
static void test_derivatives_parse(void **state) {
  (void)state;
  ir_test t = ir_test_empty();
  const wf_dim *n = wf_dim_const(t.module->dims, 4);
  wf_function *f = wf_function_create(t.module, "f", WF_NOWHERE);
  static const char *const names[] = {"a", "b", "c", "g", "r"};
  const wf_expr *values[5];
  for (int i = 0; i < 5; i++) values[i] = wf_expr_read_dims(t.module, wf_function_input(f, names[i], WF_ROLE_DATA, WF_F32, 1, &n, WF_NOWHERE), &(const wf_dim *){wf_dim_const(t.module->dims, 0)}, NULL);
  for (int op = 0; op < WF_SCALAR_COUNT; op++) {
    char *copy = wf_arena_strdup(t.arena, wf_scalar_table[op].derivative), *rest = copy;
    while (rest && *rest) {
      char *part = strsep(&rest, ";");
      if (!*part || op == WF_S_SELECT) continue;   // select's first operand is bool
      const wf_expr *parsed = wf_parse_scalar(t.module, part, names, values, 5);
      if (!parsed) wf_diag_print(t.diag, stderr, false);
      assert_non_null(parsed);
      assert_int_equal(parsed->dtype, WF_F32);
    }
  }
  const wf_expr *tanh = wf_parse_scalar(t.module, "g*(1 - r*r)", names, values, 5);
  assert_string_equal(ir_test_expr_text(&t, tanh), "%g[0] * (1 - %r[0] * %r[0])");
  assert_null(wf_parse_scalar(t.module, "g*", names, values, 5));
  assert_null(wf_parse_scalar(t.module, "g*zz", names, values, 5));
  ir_test_end(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_corpus),       cmocka_unit_test(test_large_constant),     cmocka_unit_test(test_clashing_names),
      cmocka_unit_test(test_wrong_text),   cmocka_unit_test(test_nesting_is_limited), cmocka_unit_test(test_derivatives_parse),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
