// Sessions: binding, running, every kind of step, errors, the search for values that are not finite.
#include "rt_support.h"

#include <math.h>
#include "rt_program.h"
#include "runtime/session.h"
#include "runtime/session_internal.h"

static weft_session *make_session(int threads, bool profile) {
  weft_session *session = NULL;
  assert_ok(weft_session_create(&test_program, &(weft_session_options){.threads = threads, .profile = profile}, &session));
  weft_session_set_scalars(session, 0, 5, 100);
  assert_ok(weft_session_run(session, weft_session_plan(session, "init"), NULL, 0));
  return session;
}

static weft_named_tensor rows(float *data, int64_t n) { return (weft_named_tensor){"x", {WEFT_F32, 2, {n, 3}, data}}; }

static void test_plans_share_values_and_take_any_batch(void **state) {
  weft_session *session = make_session(2, false);
  assert_int_equal(weft_session_value_count(session), 4);
  assert_true(weft_session_find_value(session, "sgd.v.w")->state && !weft_session_find_value(session, "w")->state);
  assert_true(fabsf(((float *)weft_session_find_value(session, "w")->tensor.data)[2] - 0.07f) < 1e-6f);
  float x[900 * 3];
  for (int i = 0; i < 2700; i++) x[i] = (float)(i % 7);
  int infer = weft_session_plan(session, "infer");
  static const int64_t sizes[] = {1, 900, 3, 17, 900, 2, 1, 5, 6};   // more than the bindings that are kept
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    weft_named_tensor input = rows(x, sizes[s]);
    weft_tensor y;
    assert_ok(weft_session_run(session, infer, &input, 1));
    assert_ok(weft_session_output(session, infer, "y", &y));
    assert_true(y.rank == 1 && y.extents[0] == sizes[s]);
    for (int64_t i = 0; i < sizes[s]; i++)
      assert_true(fabsf(((float *)y.data)[i] - (0.05f * x[3 * i] + 0.06f * x[3 * i + 1] + 0.07f * x[3 * i + 2])) < 1e-5f);
  }
  weft_session_destroy(session);
}

static double train(weft_session *session, int steps) {
  float x[12] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1}, t[4] = {1, 2, 3, 6.5f};
  weft_named_tensor inputs[] = {{"t", {WEFT_F32, 1, {4}, t}}, rows(x, 4)};
  weft_tensor loss;
  int plan = weft_session_plan(session, "step");
  for (int i = 0; i < steps; i++) {
    weft_session_set_scalars(session, i, 5, steps);
    assert_ok(weft_session_run(session, plan, inputs, 2));
  }
  assert_ok(weft_session_output(session, plan, "loss", &loss));
  return *(float *)loss.data;
}

static void test_a_step_updates_in_place(void **state) {
  weft_session *session = make_session(1, false);
  double first = train(session, 1), last = train(session, 300);
  assert_true(first > 5 && last < 1e-3);
  weft_session *threads = make_session(3, false);   // same bits whatever the thread count
  train(threads, 1);
  train(threads, 300);
  for (int i = 0; i < weft_session_value_count(session); i++) {
    weft_value *a = weft_session_value(session, i), *b = weft_session_value(threads, i);
    assert_memory_equal(a->tensor.data, b->tensor.data, weft_tensor_bytes(&a->tensor));
  }
  weft_session_destroy(session);
  weft_session_destroy(threads);
}

static void test_rarer_steps(void **state) {
  weft_session *session = make_session(2, false);
  float x[6] = {1, NAN, 3, 5, 5, -2};
  weft_named_tensor input = rows(x, 2);
  int odd = weft_session_plan(session, "odd");
  weft_tensor out;
  assert_ok(weft_session_run(session, odd, &input, 1));
  assert_ok(weft_session_output(session, odd, "indices", &out));
  assert_memory_equal(out.data, ((int64_t[]){1, 2, 0, 1}), 32);   // NaN largest; 5, 5 keep their order
  assert_ok(weft_session_output(session, odd, "sorted", &out));
  float *sorted = out.data;
  assert_true(isnan(sorted[0]) && sorted[1] == 3 && sorted[2] == 5 && sorted[3] == 5);
  assert_ok(weft_session_output(session, odd, "stacked", &out));
  assert_memory_equal(out.data, ((int64_t[]){1, 12, 23, 34}), 32);
  assert_ok(weft_session_output(session, odd, "raw", &out));   // [n, 3] stored column by column
  float *raw = out.data;
  assert_true(raw[0] == 1 && raw[1] == 5 && isnan(raw[2]) && raw[3] == 5 && raw[4] == 3 && raw[5] == -2);
  assert_ok(weft_session_output(session, odd, "back", &out));
  assert_memory_equal(out.data, x, sizeof x);
  assert_ok(weft_session_output(session, odd, "zeros", &out));
  assert_memory_equal(out.data, ((float[]){0, 0}), 8);
  weft_session_destroy(session);
}

static void test_sort_ascending_is_stable_with_nan_last(void **state) {
  weft_pool *pool;
  assert_ok(weft_pool_create(2, &pool));
  enum { LINES = 3, COUNT = 1000 };
  static float from[LINES * COUNT], values[LINES * COUNT];
  static int64_t indices[LINES * COUNT];
  for (int i = 0; i < LINES * COUNT; i++) from[i] = i % 97 == 5 ? NAN : (float)((i * 7919) % 50);
  int64_t extents[2] = {LINES, COUNT}, strides[2] = {COUNT, 1};
  weft_sort_job job = {WF_F32, 2, 1, false, from, extents, strides, values, strides, indices, strides, COUNT};
  assert_ok(weft_sort(pool, &job));
  for (int l = 0; l < LINES; l++)
    for (int i = 1; i < COUNT; i++) {
      float a = values[l * COUNT + i - 1], b = values[l * COUNT + i];
      int64_t ia = indices[l * COUNT + i - 1], ib = indices[l * COUNT + i];
      assert_true(isnan(b) || a <= b);
      if (a == b || (isnan(a) && isnan(b))) assert_true(ia < ib);
      if (!isnan(b)) assert_true(from[l * COUNT + ib] == b);
    }
  weft_pool_destroy(pool);
}

static void test_input_mistakes_say_what_disagrees(void **state) {
  weft_session *session = make_session(1, false);
  float data[30] = {0};
  int step = weft_session_plan(session, "step"), infer = weft_session_plan(session, "infer");
  weft_named_tensor x = rows(data, 4), t = {"t", {WEFT_F32, 1, {5}, data}};
  weft_named_tensor both[] = {x, t};
  assert_fails(weft_session_run(session, step, both, 2), WEFT_BAD_INPUT, "input 't' has shape [5]|axis 0 should be 4|n is 4 by axis 0 of input 'x'");
  assert_fails(weft_session_run(session, step, &x, 1), WEFT_BAD_INPUT, "input 't' is missing");
  both[1].name = "q";
  assert_fails(weft_session_run(session, infer, both, 2), WEFT_BAD_INPUT, "no input 'q'|there are: x");
  x.tensor.dtype = WEFT_F64;
  assert_fails(weft_session_run(session, infer, &x, 1), WEFT_BAD_INPUT, "'x' is f64, the network takes f32");
  x = (weft_named_tensor){"x", {WEFT_F32, 1, {3}, data}};
  assert_fails(weft_session_run(session, infer, &x, 1), WEFT_BAD_INPUT, "shape [3], the network takes 2 axes");
  x = (weft_named_tensor){"x", {WEFT_F32, 2, {3, 4}, data}};
  assert_fails(weft_session_run(session, infer, &x, 1), WEFT_BAD_INPUT, "[3, 4]|axis 1 should be 3");
  x = rows(data, 0);
  assert_fails(weft_session_run(session, infer, &x, 1), WEFT_BAD_INPUT, "axis 0 makes 'n' 0");
  x = rows(data, 1001);
  assert_fails(weft_session_run(session, infer, &x, 1), WEFT_BAD_INPUT, "n <= 1000|n = 1001");
  weft_tensor y;
  assert_fails(weft_session_output(session, infer, "y", &y), WEFT_BAD_INPUT, "has not run yet");
  assert_int_equal(weft_session_plan(session, "nothing"), -1);
  weft_session_destroy(session);
}

static void test_shapes_are_fitted_by_ones(void **state) {
  weft_session *session = make_session(1, false);
  // [n, 1, 28, 28]
  wf_plan_buffer picture = {.name = "x", .rank = 4, .extents = SHAPE(N, CONSTANT(1), CONSTANT(28), CONSTANT(28))};
  weft_tensor a = {WEFT_U8, 3, {7, 28, 28}, NULL}, b = {WEFT_U8, 2, {28, 28}, NULL}, c = {WEFT_U8, 3, {1, 28, 28}, NULL}, d = {WEFT_U8, 3, {3, 28, 29}, NULL};
  assert_ok(weft_session_fit_shape(session, &picture, &a));
  assert_true(a.rank == 4 && a.extents[0] == 7 && a.extents[1] == 1 && a.extents[2] == 28);
  assert_ok(weft_session_fit_shape(session, &picture, &b));
  assert_true(b.rank == 4 && b.extents[0] == 1 && b.extents[3] == 28);
  assert_ok(weft_session_fit_shape(session, &picture, &c));
  assert_true(c.rank == 4 && c.extents[0] == 1 && c.extents[1] == 1);
  assert_fails(weft_session_fit_shape(session, &picture, &d), WEFT_BAD_INPUT, "takes [_, 1, 28, 28], not [3, 28, 29]");
  wf_plan_buffer label = {.name = "t", .rank = 1, .extents = SHAPE(N)};
  weft_tensor e = {WEFT_U8, 1, {5}, NULL}, f = {WEFT_U8, 0, {0}, NULL};
  assert_ok(weft_session_fit_shape(session, &label, &e));
  assert_ok(weft_session_fit_shape(session, &label, &f));
  assert_true(e.extents[0] == 5 && f.rank == 1 && f.extents[0] == 1);
  weft_session_destroy(session);
}

static void test_a_loss_that_is_not_finite_stops_before_the_update(void **state) {
  weft_session *session = make_session(1, false);
  float x[12] = {1, 0, 0, 0, INFINITY, 0}, t[4] = {0}, kept[3];
  float *w = weft_session_find_value(session, "w")->tensor.data;
  memcpy(kept, w, sizeof kept);
  weft_named_tensor inputs[] = {rows(x, 4), {"t", {WEFT_F32, 1, {4}, t}}};
  int plan = weft_session_plan(session, "step");
  bool stopped;
  char *text;
  assert_ok(weft_session_run_watching(session, plan, inputs, 2, "loss", &stopped));
  assert_true(stopped);
  assert_memory_equal(w, kept, sizeof kept);
  assert_ok(weft_session_trace_nonfinite(session, plan, inputs, 2, "loss", &text));
  assert_string_equal(text, "input 'x'[1, 1] is inf");
  free(text);
  x[4] = INFINITY;   // times a weight of 0
  w[1] = 0;
  assert_ok(weft_session_trace_nonfinite(session, plan, inputs, 2, "loss", &text));
  assert_string_equal(text, "input 'x'[1, 1] is inf; the first nan: kernel forward (linear.net:2) wrote nan to 'y'[1]");
  free(text);
  x[4] = 3e38f;   // finite, but its square is not
  w[1] = 3;
  assert_ok(weft_session_trace_nonfinite(session, plan, inputs, 2, "loss", &text));
  assert_non_null(strstr(text, "kernel forward (linear.net:2) wrote inf to 'y'[1]"));
  free(text);
  assert_true(w[1] == 3);
  w[0] = NAN;
  assert_ok(weft_session_trace_nonfinite(session, plan, inputs, 2, "loss", &text));
  assert_string_equal(text, "parameter 'w'[0] is nan");
  free(text);
  w[0] = w[1] = x[4] = 0;
  assert_ok(weft_session_run_watching(session, plan, inputs, 2, "loss", &stopped));
  assert_false(stopped);
  weft_session_destroy(session);
}

static void test_profile_and_memory(void **state) {
  weft_session *session = make_session(1, true);
  train(session, 10);
  const weft_kernel_profile *profile;
  int count;
  bool seen = false;
  weft_session_profile(session, &profile, &count);
  for (int i = 0; i < count; i++)
    if (strcmp(profile[i].name, "forward") == 0) {
      assert_string_equal(profile[i].plan, "step");
      assert_true(profile[i].launches == 10 && profile[i].flops == 240 && profile[i].bytes == 640 && profile[i].seconds > 0);
      seen = true;
    }
  assert_true(seen && count == 5);   // init and four kernels of step
  weft_memory memory = weft_session_memory(session);
  assert_true(memory.parameters == 16 && memory.states == 16 && memory.arena == 128);
  weft_session_destroy(session);
}

static void test_damaged_plans_are_refused(void **state) {
  weft_session *session;
  wf_plan plans[5];
  memcpy(plans, test_plans, sizeof plans);
  wf_program program = test_program;
  program.plans = plans;
  wf_plan_step steps[8];
  plans[4].steps = steps;
  wf_plan_step broken[] = {
      {.kind = WF_STEP_LAUNCH, .kernel = 99, ARGS(0)}, {.kind = WF_STEP_COPY, ARGS(0)}, {.kind = WF_STEP_COPY, ARGS(0, 10)},
      {.kind = WF_STEP_LOOP, .symbol = 1, .trip = CONSTANT(1), .body_count = 9}, {.kind = WF_STEP_LOOP, .symbol = 7, .trip = CONSTANT(1)},
      {.kind = (wf_step_kind)9}, {.kind = WF_STEP_LOOP, .symbol = 1, .trip = CODE({WF_F_ADD, 0})}};
  for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
    memcpy(steps, odd_steps, sizeof steps);
    steps[4] = broken[i];
    assert_fails(weft_session_create(&program, &(weft_session_options){.threads = 1}, &session), WEFT_INTERNAL, "plan 'odd'");
  }
  memcpy(steps, odd_steps, sizeof steps);
  steps[3].to_offset = (wf_formula)CONSTANT(4);   // caught when it runs
  assert_ok(weft_session_create(&program, &(weft_session_options){.threads = 1}, &session));
  float x[3] = {0};
  weft_named_tensor input = rows(x, 1);
  assert_fails(weft_session_run(session, 4, &input, 1), WEFT_INTERNAL, "a copy from 'element' to 'stacked' outside");
  weft_session_destroy(session);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_plans_share_values_and_take_any_batch),
      cmocka_unit_test(test_a_step_updates_in_place),
      cmocka_unit_test(test_rarer_steps),
      cmocka_unit_test(test_sort_ascending_is_stable_with_nan_last),
      cmocka_unit_test(test_input_mistakes_say_what_disagrees),
      cmocka_unit_test(test_shapes_are_fitted_by_ones),
      cmocka_unit_test(test_a_loss_that_is_not_finite_stops_before_the_update),
      cmocka_unit_test(test_profile_and_memory),
      cmocka_unit_test(test_damaged_plans_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
