// The reference evaluator: every operation kind, guarded and data-dependent reads, integers, rounding, extents and errors.
#include <math.h>
#include <time.h>
#include "wir_support.h"

typedef struct ref_run { ir_test t; wf_function *f; wf_tensor *inputs[8], *results[8], *updates[4]; int bound; bool good; } ref_run;

static ref_run begin(const char *text) {
  ref_run run = {.t = ir_test_parse_good(text)};
  run.f = wf_function_find(run.t.module, "f");
  assert_non_null(run.f);
  return run;
}

// The next input: shape, then values (all doubles; integers are cast).
static void give(ref_run *run, int rank, const int64_t *shape, const double *values) {
  wf_tensor *tensor = wf_tensor_create(run->t.arena, run->f->inputs.items[run->bound]->dtype, rank, shape);
  for (int64_t i = 0; i < tensor->count; i++)
    if (tensor->floats) tensor->floats[i] = values[i];
    else tensor->integers[i] = (int64_t)values[i];
  run->inputs[run->bound++] = tensor;
}

#define GIVE(run, shape, ...) give(run, sizeof((int64_t[])shape) / sizeof(int64_t), (int64_t[])shape, (double[]){__VA_ARGS__})
#define SHAPE(...) {__VA_ARGS__}

static bool evaluate(ref_run *run, bool round) {
  assert_int_equal(run->bound, run->f->inputs.count);
  wf_ref_options options = {.round = round};
  return run->good = wf_ref_run(run->t.arena, run->t.diag, run->f, &options, run->inputs, run->results, run->updates);
}

static void end(ref_run *run) { ir_test_end(&run->t); }

static void expect(ref_run *run, const wf_tensor *tensor, int count, const double *wanted) {
  if (!run->good) wf_diag_print(run->t.diag, stderr, false);
  assert_true(run->good);
  assert_int_equal(tensor->count, count);
  for (int i = 0; i < count; i++) {
    double got = tensor->floats ? tensor->floats[i] : (double)tensor->integers[i];
    if (got == wanted[i] || (isnan(got) && isnan(wanted[i]))) continue;
    fail_msg("element %d is %.17g, not %.17g", i, got, wanted[i]);
  }
}

#define EXPECT(run, index, ...) expect(run, (run)->results[index], sizeof((double[]){__VA_ARGS__}) / sizeof(double), (double[]){__VA_ARGS__})

static void expect_error(ref_run *run, const char *part) {
  assert_false(evaluate(run, false));
  assert_true(ir_test_diag_holds(&run->t, part));
  end(run);
}

static void test_matmul_with_symbols(void **state) {
  ref_run run = begin("func @f(%x: f64[n, k] data, %w: f64[m, k] param) -> (y: %y) {\n"
                      "  %y: f64[n, m] = compute [i: n, o: m] sum[c: k] %x[i, c] * %w[o, c]\n}\n");
  GIVE(&run, SHAPE(2, 3), 1, 2, 3, 4, 5, 6);
  GIVE(&run, SHAPE(2, 3), 1, 0, -1, 2, 1, 1);
  evaluate(&run, false);
  EXPECT(&run, 0, -2, 7, -2, 19);
  assert_int_equal(run.results[0]->shape[1], 2);
  end(&run);
}

// More points than one batch of lanes, with rows that end inside a batch.
static void test_long_rows(void **state) {
  ref_run run = begin("func @f(%x: f64[n] data) -> (y: %y, s: %s) {\n"
                      "  %y: f64[n, 7] = compute [i: n, j: 7] %x[i] * 10 + f64(j)\n"
                      "  %s: f64[7] = compute [j: 7] sum[i: n] %y[n - 1 - i, j]\n}\n");
  double values[200];
  for (int i = 0; i < 200; i++) values[i] = i;
  give(&run, 1, (int64_t[]){200}, values);
  evaluate(&run, false);
  assert_true(run.good);
  for (int i = 0; i < 200; i++)
    for (int j = 0; j < 7; j++) assert_true(run.results[0]->floats[i * 7 + j] == i * 10 + j);
  for (int j = 0; j < 7; j++) assert_true(run.results[1]->floats[j] == 199000 + 200 * j);
  end(&run);
}

static void test_guarded_reads_strides_and_digits(void **state) {
  ref_run run = begin("func @f(%x: f64[6] data) -> (a: %a, b: %b, c: %c) {\n"
                      "  %a: f64[4] = compute [i: 4] %x[3*i - 2] else -1\n"
                      "  %b: f64[2, 3] = compute [i: 2, j: 3] %x[(3*i + j)//2] + %x[(3*i + j)%4] * 10\n"
                      "  %c: f64[6] = compute [i: 6] %x[5 - i] + select(i < 2, 100, 0)\n}\n");
  GIVE(&run, SHAPE(6), 0, 1, 2, 3, 4, 5);
  evaluate(&run, false);
  EXPECT(&run, 0, -1, 1, 4, -1);
  EXPECT(&run, 1, 0, 10, 21, 31, 2, 12);
  EXPECT(&run, 2, 105, 104, 3, 2, 1, 0);
  end(&run);
}

static void test_every_combiner(void **state) {
  ref_run run = begin("func @f(%x: f64[2, 4] data) -> (s: %s, p: %p, a: %a, i: %i, aa: %aa, ii: %ii) {\n"
                      "  %s: f64[2] = compute [i: 2] sum[j: 4] %x[i, j]\n"
                      "  %p: f64[2] = compute [i: 2] prod[j: 4] %x[i, j]\n"
                      "  %a: f64[2] = compute [i: 2] max[j: 4] %x[i, j]\n"
                      "  %i: f64[2] = compute [i: 2] min[j: 4] %x[i, j]\n"
                      "  %aa: i64[2] = compute [i: 2] argmax[j: 4] %x[i, j]\n"
                      "  %ii: i64[2] = compute [i: 2] argmin[a: 2, b: 2] %x[i, 2*a + b]\n}\n");
  GIVE(&run, SHAPE(2, 4), 3, 1, 3, 1, 2, NAN, 5, NAN);
  evaluate(&run, false);
  EXPECT(&run, 0, 8, NAN);
  EXPECT(&run, 1, 9, NAN);
  EXPECT(&run, 2, 3, NAN);
  EXPECT(&run, 3, 1, NAN);
  EXPECT(&run, 4, 0, 1);   // the first point wins; NaN wins over all
  EXPECT(&run, 5, 1, 1);
  end(&run);
}

static void test_empty_axes(void **state) {
  ref_run run = begin("func @f(%x: f64[2, n] data) -> (s: %s, m: %m) {\n"
                      "  %s: f64[2] = compute [i: 2] sum[j: n - 1] %x[i, j]\n"
                      "  %m: f64[2] = compute [i: 2] max[j: n - 1] %x[i, j]\n}\n");
  GIVE(&run, SHAPE(2, 1), 7, 8);
  evaluate(&run, false);
  EXPECT(&run, 0, 0, 0);
  EXPECT(&run, 1, -INFINITY, -INFINITY);
  end(&run);
}

static void test_integers_wrap_and_floor(void **state) {
  ref_run run = begin("func @f(%x: i32[4] data, %u: u8[2] data) -> (w: %w, d: %d, m: %m, u: %v, c: %c) {\n"
                      "  %w: i32[4] = compute [i: 4] %x[i] * 1000000\n"
                      "  %d: i32[4] = compute [i: 4] %x[i] // 3\n"
                      "  %m: i32[4] = compute [i: 4] %x[i] % 3\n"
                      "  %v: u8[2] = compute [i: 2] %u[i] + 10\n"
                      "  %c: i32[2] = compute [i: 2] i32(f64(%u[i]) * 1e9)\n}\n");
  GIVE(&run, SHAPE(4), 5000, -7, 7, -9);
  GIVE(&run, SHAPE(2), 250, 1);
  evaluate(&run, false);
  EXPECT(&run, 0, 705032704, -7000000, 7000000, -9000000);
  EXPECT(&run, 1, 1666, -3, 2, -3);
  EXPECT(&run, 2, 2, 2, 1, 0);
  EXPECT(&run, 3, 4, 11);
  EXPECT(&run, 4, 2147483647, 1000000000);
  end(&run);
}

static void test_gather_and_scatter(void **state) {
  ref_run run = begin("func @f(%t: f64[3, 2] data, %ids: i64[4] data) -> (g: %g, s: %s, o: %o, m: %m) {\n"
                      "  %g: f64[4, 2] = compute [i: 4, d: 2] %t[%ids[i], d] else -1\n"
                      "  %s: f64[3, 2] = scatter sum [i: 4, d: 2] at [%ids[i], d] f64(i + 1)\n"
                      "  %o: f64[3, 2] = scatter none onto %t [i: 4, d: 2] at [%ids[i], d] f64(i + 1)\n"
                      "  %m: f64[3, 2] = scatter max onto %t [i: 4, d: 2] at [%ids[i], d] f64(2*i)\n}\n");
  GIVE(&run, SHAPE(3, 2), 1, 2, 3, 4, 5, 6);
  GIVE(&run, SHAPE(4), 2, 0, 2, 3);
  evaluate(&run, false);
  EXPECT(&run, 0, 5, 6, 1, 2, 5, 6, -1, -1);
  EXPECT(&run, 1, 2, 2, 0, 0, 4, 4);
  EXPECT(&run, 2, 2, 2, 3, 4, 3, 3);   // the last point wins; what lies outside is skipped
  EXPECT(&run, 3, 2, 2, 3, 4, 5, 6);
  end(&run);
}

static void test_sort_is_stable_and_puts_nan_last(void **state) {
  ref_run run = begin("func @f(%x: f64[5, 2] data) -> (u: %u, p: %p, v: %v, q: %q) {\n"
                      "  %u: f64[5, 2], %p: i64[5, 2] = sort %x axis 0\n"
                      "  %v: f64[5, 2], %q: i64[5, 2] = sort %x axis 0 descending\n}\n");
  GIVE(&run, SHAPE(5, 2), 2, 1, NAN, 1, 1, 3, 2, 1, 0, 0);
  evaluate(&run, false);
  EXPECT(&run, 0, 0, 0, 1, 1, 2, 1, 2, 1, NAN, 3);
  EXPECT(&run, 1, 4, 4, 2, 0, 0, 1, 3, 3, 1, 2);
  EXPECT(&run, 2, NAN, 3, 2, 1, 2, 1, 1, 1, 0, 0);
  EXPECT(&run, 3, 1, 2, 0, 0, 3, 1, 2, 3, 4, 4);
  end(&run);
}

static const char *const loop_text =
    "func @step(%%t: i64, %%h: f64[2], %%x: f64[2], %%w: f64[2]) -> (h: %%hn, y: %%y) {\n"
    "  %%hn: f64[2] = compute [i: 2] %%h[i] * %%w[i] + %%x[i]\n"
    "  %%y: f64[2] = compute [i: 2] %%hn[i] + f64(%%t[]) * 100\n}\n"
    "func @f(%%x: f64[n, 2] data, %%h: f64[2] data, %%w: f64[2] param) -> (h: %%last, y: %%y) {\n"
    "  %%last: f64[2], %%y: f64[n, 2] = loop @step trip n%s carry(%%h) slice(%%x) with(%%w)\n}\n";

static void test_loop_forward_and_reverse(void **state) {
  for (int reverse = 0; reverse < 2; reverse++) {
    char text[1000];
    snprintf(text, sizeof text, loop_text, reverse ? " reverse" : "");
    ref_run run = begin(text);
    GIVE(&run, SHAPE(3, 2), 1, 2, 3, 4, 5, 6);
    GIVE(&run, SHAPE(2), 1, 0);
    GIVE(&run, SHAPE(2), 2, 10);
    evaluate(&run, false);
    if (reverse) {
      EXPECT(&run, 0, 35, 642);
      EXPECT(&run, 1, 35, 642, 117, 164, 207, 206);
    } else {
      EXPECT(&run, 0, 23, 246);
      EXPECT(&run, 1, 3, 2, 109, 124, 223, 446);
    }
    end(&run);
  }
}

static void test_carries_change_at_once(void **state) {
  ref_run run = begin("func @step(%t: i64, %a: f64, %b: f64) -> (a: %b, b: %c) {\n  %c: f64 = compute [] %a[] + %b[]\n}\n"
                      "func @f(%a: f64 data, %b: f64 data) -> (a: %x, b: %y) {\n"
                      "  %x: f64, %y: f64 = loop @step trip 10 carry(%a, %b)\n}\n");
  give(&run, 0, NULL, (double[]){0});
  give(&run, 0, NULL, (double[]){1});
  evaluate(&run, false);
  EXPECT(&run, 0, 55);
  EXPECT(&run, 1, 89);
  end(&run);
}

static void test_call_with_other_extents_const_and_update(void **state) {
  ref_run run = begin("func @total(%x: f64[m]) -> (s: %s) {\n  %s: f64 = compute [] sum[i: m] %x[i]\n}\n"
                      "func @f(%a: f64[n] data, %b: f64[k] data, %w: f64[2] param) -> (y: %y) {\n"
                      "  %s: f64 = call @total(%a)\n  %t: f64 = call @total(%b)\n"
                      "  %c: f64[2] = const {1, -2.5}\n"
                      "  %y: f64[2] = compute [i: 2] %s[] * 1000 + %t[] + %c[i]\n"
                      "  update %w = %c\n}\n");
  GIVE(&run, SHAPE(2), 1, 2);
  GIVE(&run, SHAPE(3), 4, 5, 6);
  GIVE(&run, SHAPE(2), 0, 0);
  evaluate(&run, false);
  EXPECT(&run, 0, 3016, 3012.5);
  expect(&run, run.updates[0], 2, (double[]){1, -2.5});
  end(&run);
}

static void test_group_runs_its_members(void **state) {
  ref_run run = begin("func @f(%x: f64[2] data) -> (y: %y) {\n"
                      "  group @g -> (%y) {\n"
                      "    inline %a: f64[2] = compute [i: 2] %x[i] + 1\n"
                      "    out %y: f64[2] = compute [i: 2] %a[i] * %a[i]\n  }\n}\n");
  GIVE(&run, SHAPE(2), 1, 2);
  evaluate(&run, false);
  EXPECT(&run, 0, 4, 9);
  end(&run);
}

static void test_rounding_points(void **state) {
  const char *text = "func @f(%x: f32[1] data) -> (y: %y, z: %z) {\n"
                     "  %y: f32[1] = compute [i: 1] (%x[i] + 1e8) - 1e8\n"
                     "  %z: bf16[1] = compute [i: 1] %x[i] * 1.01\n}\n";
  for (int round = 0; round < 2; round++) {
    ref_run run = begin(text);
    GIVE(&run, SHAPE(1), 1);
    evaluate(&run, round);
    EXPECT(&run, 0, round ? 0 : 1);
    assert_true(fabs(run.results[1]->floats[0] - (round ? 1.0078125 : 1.01)) < 1e-7);
    end(&run);
  }
}

static void test_random_is_the_scalar_function(void **state) {
  ref_run run = begin("func @f(%seed: i64 seed, %step: i64 step) -> (y: %y) {\n"
                      "  %y: f32[300] = compute [i: 300] random(77, %seed[], %step[], i)\n}\n");
  give(&run, 0, NULL, (double[]){5});
  give(&run, 0, NULL, (double[]){9});
  evaluate(&run, false);
  assert_true(run.good);
  for (int i = 0; i < 300; i++) assert_true(run.results[0]->floats[i] == wf_random_uniform(5, 77, 9, (uint64_t)i));
  end(&run);
}

// ---- errors -----------------------------------------------------------------------------------------------------

static void test_index_out_of_range_names_operation_and_index(void **state) {
  ref_run run = begin("func @f(%t: f64[3] data, %ids: i64[2] data) -> (y: %y) {\n  %y: f64[2] = compute [i: 2] %t[%ids[i]]\n}\n");
  GIVE(&run, SHAPE(3), 1, 2, 3);
  GIVE(&run, SHAPE(2), 1, 3);
  expect_error(&run, "'y': index 3 on axis 0 of 't' is outside [0, 3)");
}

static void test_integer_division_by_zero(void **state) {
  ref_run run = begin("func @f(%x: i64[2] data) -> (y: %y) {\n  %y: i64[2] = compute [i: 2] 7 // %x[i]\n}\n");
  GIVE(&run, SHAPE(2), 1, 0);
  expect_error(&run, "'y': integer division by zero");
}

static void test_extents_that_disagree(void **state) {
  const char *text = "sym n in [2, 100] % 2\nfact n - 4 >= 0\n"
                     "func @f(%a: f64[n] data, %b: f64[n, 3] data) -> (y: %y) {\n  %y: f64[n] = compute [i: n] %a[i] + %b[i, 0]\n}\n";
  static const struct { int64_t a, b, c; const char *message; } cases[] = {
      {4, 6, 3, "axis 0 of input 'b' has 6 elements, not n"},
      {4, 4, 2, "axis 1 of input 'b' has 2 elements, not 3"},
      {5, 5, 3, "multiple of 2"},
      {102, 102, 3, "must lie in [2, 100]"},
      {2, 2, 3, "the inputs break the rule"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ref_run run = begin(text);
    run.inputs[0] = wf_tensor_create(run.t.arena, WF_F64, 1, (int64_t[]){cases[i].a});
    run.inputs[1] = wf_tensor_create(run.t.arena, WF_F64, 2, (int64_t[]){cases[i].b, cases[i].c});
    run.bound = 2;
    expect_error(&run, cases[i].message);
  }
}

static void test_shape_solved_for_its_symbol(void **state) {
  ref_run run = begin("func @f(%a: f64[2*n + 1] data) -> (y: %y) {\n  %y: f64[n] = compute [i: n] %a[2*i + 1]\n}\n");
  GIVE(&run, SHAPE(5), 0, 1, 2, 3, 4);
  evaluate(&run, false);
  EXPECT(&run, 0, 1, 3);
  end(&run);
}

static void test_grad_is_not_evaluated(void **state) {
  ref_run run = begin("func @f(%x: f64 data) -> (y: %g) {\n  %y: f64 = compute [] %x[] * 2\n  %g: f64 = grad %y by %x\n}\n");
  give(&run, 0, NULL, (double[]){5});
  expect_error(&run, "does not run `grad`");
}

// Networks run in the evaluator: it must not crawl. The bound is far below what it reaches (about 100 million a second).
static void test_speed(void **state) {
  ref_run run = begin("func @f(%x: f64[160, 160] data, %w: f64[160, 160] data) -> (y: %y) {\n"
                      "  %y: f64[160, 160] = compute [i: 160, o: 160] sum[c: 160] %x[i, c] * %w[o, c]\n}\n");
  for (int i = 0; i < 2; i++) run.inputs[i] = wf_tensor_create(run.t.arena, WF_F64, 2, (int64_t[]){160, 160});
  run.bound = 2;
  clock_t start = clock();
  assert_true(evaluate(&run, false));
  double seconds = (double)(clock() - start) / CLOCKS_PER_SEC, operations = 2.0 * 160 * 160 * 160;
  print_message("%.0f million scalar operations a second\n", operations / seconds / 1e6);
  assert_true(operations / seconds > 5e6);
  end(&run);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_matmul_with_symbols),
      cmocka_unit_test(test_long_rows),
      cmocka_unit_test(test_guarded_reads_strides_and_digits),
      cmocka_unit_test(test_every_combiner),
      cmocka_unit_test(test_empty_axes),
      cmocka_unit_test(test_integers_wrap_and_floor),
      cmocka_unit_test(test_gather_and_scatter),
      cmocka_unit_test(test_sort_is_stable_and_puts_nan_last),
      cmocka_unit_test(test_loop_forward_and_reverse),
      cmocka_unit_test(test_carries_change_at_once),
      cmocka_unit_test(test_call_with_other_extents_const_and_update),
      cmocka_unit_test(test_group_runs_its_members),
      cmocka_unit_test(test_rounding_points),
      cmocka_unit_test(test_random_is_the_scalar_function),
      cmocka_unit_test(test_index_out_of_range_names_operation_and_index),
      cmocka_unit_test(test_integer_division_by_zero),
      cmocka_unit_test(test_extents_that_disagree),
      cmocka_unit_test(test_shape_solved_for_its_symbol),
      cmocka_unit_test(test_grad_is_not_evaluated),
      cmocka_unit_test(test_speed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
