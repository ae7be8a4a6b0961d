// A program as text and as JSON: formulas read as people write them, every step kind, loops set to the right.
#include "rt_support.h"

#include <jansson.h>
#include "rt_program.h"
#include "runtime/print_plan.h"

static void check_formula(wf_formula_code *code, int count, const char *expected) {
  static char *const symbols[] = {"n", "h"};
  wf_text text;
  wf_text_init(&text);
  weft_print_formula(&text, &(wf_formula){code, count}, symbols);
  assert_string_equal(text.data, expected);
  wf_text_deinit(&text);
}
#define FORMULA(expected, ...)                                           \
  do {                                                                   \
    wf_formula_code code[] = {__VA_ARGS__};                              \
    check_formula(code, (int)(sizeof code / sizeof *code), expected);    \
  } while (0)
#define C(v) {WF_F_CONST, v}
#define S(v) {WF_F_SYMBOL, v}
#define ADD {WF_F_ADD, 0}
#define MUL {WF_F_MUL, 0}
#define DIV {WF_F_FLOORDIV, 0}

static void test_formulas_are_infix(void **state) {
  FORMULA("7", C(7));
  FORMULA("4*n", C(4), S(0), MUL);
  FORMULA("(n + 1)*h", S(0), C(1), ADD, S(1), MUL);
  FORMULA("n*h + 1", S(0), S(1), MUL, C(1), ADD);
  FORMULA("(n + 3)//4", S(0), C(3), ADD, C(4), DIV);
  FORMULA("n//(h*2)", S(0), S(1), C(2), MUL, DIV);
  FORMULA("n//h//2", S(0), S(1), DIV, C(2), DIV);
}

static void assert_has(const char *text, const char *part) {
  if (!strstr(text, part)) fail_msg("'%s' is not in:\n%s", part, text);
}

static void test_the_text_names_buffers_and_steps(void **state) {
  wf_text text;
  wf_text_init(&text);
  weft_print_program(&text, &test_program);
  assert_has(text.data, "\nsymbol n\n");
  assert_has(text.data, "\nfact n <= 1000\n");
  assert_has(text.data, "\nplan infer {\n  %0 input x: f32[n, 3]\n  %1 param w: f32[3]\n");
  assert_has(text.data, "  0: launch forward(%0 x, %1 w, %2 b, %3 y)\n}\n");
  assert_has(text.data, ": sort %");
  assert_has(text.data, ": zero %");
  assert_has(text.data, ": copy %");
  assert_has(text.data, ": loop ");
  assert_has(text.data, "\n    ");   // a loop's body stands to its right
  wf_text_deinit(&text);
}

static void test_the_json_holds_the_same(void **state) {
  char *text = weft_program_json(&test_program);
  json_t *root = json_loads(text, 0, NULL);
  assert_non_null(root);
  assert_int_equal(json_array_size(json_object_get(root, "kernels")), test_program.kernel_count);
  json_t *plans = json_object_get(root, "plans");
  assert_int_equal(json_array_size(plans), test_program.plan_count);
  for (int i = 0; i < test_program.plan_count; i++) {
    json_t *plan = json_array_get(plans, (size_t)i);
    assert_string_equal(json_string_value(json_object_get(plan, "name")), test_program.plans[i].name);
    assert_int_equal(json_array_size(json_object_get(plan, "buffers")), test_program.plans[i].buffer_count);
    assert_int_equal(json_array_size(json_object_get(plan, "steps")), test_program.plans[i].step_count);
  }
  json_decref(root);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_formulas_are_infix),
      cmocka_unit_test(test_the_text_names_buffers_and_steps),
      cmocka_unit_test(test_the_json_holds_the_same),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
