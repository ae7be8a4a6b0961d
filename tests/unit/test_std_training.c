// Optimizers, schedules and clipping against PyTorch's recorded steps, and what a user adds in a .net file alone.
#include "formulas.h"

static const char *const fit = "net Main(x: f64[n, 5]) -> f64[n, 5] {\n    param w: f64[5] = 0\n    out[i, j] = x[i, j] * w[j]\n}\n"
                               "train Main {\n    data npy(\"x.npy\", \"y.npy\")\n    loss mse\n    batch 4\n    steps 5\n    optimizer %s\n}\n%s";

static program compile_fit(const char *optimizer, const char *more) {
  char text[4096];
  snprintf(text, sizeof text, fit, optimizer, more);
  return program_compile(text, NULL);
}

static void set_uniform(environment *env, const wf_function *function, const char *name, const char *seed) {
  for (int i = 0; i < function->inputs.count; i++) {
    if (strcmp(function->inputs.items[i]->name, name) != 0) continue;
    wf_tensor *tensor = tensor_like(env->program, function->inputs.items[i]);
    fill_uniform(tensor, seed, -1, 1);
    wf_map_set(&env->tensors, name, tensor);
    return;
  }
  fail_msg("the step has no input '%s'", name);
}

// One step of the fit on batch k; gives w.
static const wf_tensor *fit_step(environment *env, const wf_function *step, int k) {
  char x[16], t[16];
  snprintf(x, sizeof x, "x.%d", k);
  snprintf(t, sizeof t, "t.%d", k);
  set_uniform(env, step, "x", x);
  set_uniform(env, step, "target", t);
  if (k == 0) set_uniform(env, step, "w", "w");
  environment_run(env, step, k, 5, false, NULL);
  return wf_map_get(&env->tensors, "w");
}

static void check_optimizer(const json_t *row) {
  program p = compile_fit(json_text(row, "optimizer"), "");
  environment env = environment_make(&p);
  wf_function *step = wf_function_find(p.module, "step");
  size_t k;
  json_t *wanted;
  json_array_foreach(json_object_get(row, "steps"), k, wanted) {
    const wf_tensor *w = fit_step(&env, step, (int)k);
    for (int i = 0; i < 5; i++) {
      double value = json_number_value(json_array_get(wanted, (size_t)i));
      if (!(fabs(w->floats[i] - value) <= 1e-8)) fail_msg("%s: step %zu, w[%d] is %.10g, PyTorch has %.10g", json_text(row, "name"), k, i, w->floats[i], value);
    }
  }
  program_end(&p);
}

static void optimizers(void **state) {
  json_t *root = load_json(WEFT_SOURCE_DIR "/tests/numeric/vectors/optimizers.json"), *row;
  size_t i;
  json_array_foreach(root, i, row) check_optimizer(row);
  json_decref(root);
}

// The gradient is 1, so each step of plain sgd moves w by the rate.
static void schedules(void **state) {
  json_t *root = load_json(WEFT_SOURCE_DIR "/tests/numeric/vectors/schedules.json"), *row;
  size_t i;
  json_array_foreach(root, i, row) {
    char text[1024];
    snprintf(text, sizeof text, "op total(y: T[..]) -> T[] { out = sum[..] y[..] }\n"
             "net Main(x: f64[1]) -> f64[1] {\n    param w: f64[1] = 0\n    out[i] = x[i] * w[i]\n}\n"
             "train Main { data npy(\"x.npy\") loss total batch 1 steps 5 optimizer sgd(lr=%s) }\n", json_text(row, "text"));
    program p = program_compile(text, NULL);
    environment env = environment_make(&p);
    wf_function *step = wf_function_find(p.module, "step");
    wf_tensor *one = tensor_like(&p, step->inputs.items[0]);
    one->floats[0] = 1;
    wf_map_set(&env.tensors, "x", one);
    int total = (int)json_number(row, "total");
    double before = 0;
    for (int k = 0; k < total; k++) {
      environment_run(&env, step, k, total, false, NULL);
      double after = ((wf_tensor *)wf_map_get(&env.tensors, "w"))->floats[0];
      double rate = before - after, wanted = json_number_value(json_array_get(json_object_get(row, "rates"), (size_t)k));
      if (!(fabs(rate - wanted) <= 1e-8)) fail_msg("%s: step %d has rate %.10g, wanted %.10g", json_text(row, "text"), k, rate, wanted);
      before = after;
    }
    program_end(&p);
  }
  json_decref(root);
}

// An activation, a loss, a metric, a schedule and an optimizer of a user's own, with no C.
static void user_defined(void **state) {
  const char *text =
      "op squareplus(x: T[..]; b: float = 4) -> T[..] { out[..] = 0.5 * (x[..] + sqrt(x[..] * x[..] + b)) }\n"
      "op fourth(y: T[..], target: T[..]) -> T[] { out = sum[..] (y[..] - target[..]) ** 4 }\n"
      "op far(y: T[..], target: T[..]) -> f32[] { out = max[..] f32(abs(y[..] - target[..])) }\n"
      "op half_life(; lr: float, steps: int) -> f32[] { out = lr * 0.5 ** (f32(step) / steps) }\n"
      "optimizer sign_momentum(p: T[..], g: T[..]; lr: float, beta: float = 0.5) {\n"
      "    state m: T[..] = 0\n    m' = beta * m + (1 - beta) * g\n    update m = m'\n    update p = p - T(lr) * sign(m')\n}\n"
      "net Main(x: f64[3]) -> f64[3] {\n    param w: f64[3] = 0\n    y[i] = x[i] * w[i]\n    return squareplus(y, b=1)\n}\n"
      "train Main { data npy(\"x.npy\", \"y.npy\") loss fourth metric far batch 3 steps 9\n"
      "    optimizer sign_momentum(lr=half_life(0.1, 2)) }\n";
  program p = program_compile(text, NULL);
  environment env = environment_make(&p);
  wf_function *step = wf_function_find(p.module, "step");
  set_uniform(&env, step, "x", "x");
  set_uniform(&env, step, "target", "t");
  set_uniform(&env, step, "w", "w");
  const wf_tensor *x = wf_map_get(&env.tensors, "x"), *target = wf_map_get(&env.tensors, "target");
  double w[3], m[3] = {0};
  for (int i = 0; i < 3; i++) w[i] = ((wf_tensor *)wf_map_get(&env.tensors, "w"))->floats[i];
  for (int k = 0; k < 4; k++) {
    double loss = 0, far = 0;
    for (int i = 0; i < 3; i++) {
      double z = x->floats[i] * w[i], root = sqrt(z * z + 1), d = 0.5 * (z + root) - target->floats[i];
      loss += d * d * d * d;
      far = fmax(far, fabs(d));
      m[i] = 0.5 * m[i] + 0.5 * (4 * d * d * d * 0.5 * (1 + z / root) * x->floats[i]);
      w[i] -= 0.1 * pow(0.5, k / 2.0) * ((m[i] > 0) - (m[i] < 0));
    }
    wf_tensor **results;
    environment_run(&env, step, k, 9, false, &results);
    assert_true(fabs(results[0]->floats[0] - loss) < 1e-7);
    assert_true(fabs(results[1]->floats[0] - far) < 1e-6);
    for (int i = 0; i < 3; i++) assert_true(fabs(((wf_tensor *)wf_map_get(&env.tensors, "w"))->floats[i] - w[i]) < 1e-8);
  }
  assert_non_null(wf_map_get(&env.tensors, "sign_momentum.m.w"));
  program_end(&p);
}

// Two micro-batches give the mean loss and gradient of the whole batch.
static void microbatches(void **state) {
  program whole = compile_fit("sgd(lr=0.1, momentum=0.9)", ""), parts = compile_fit("sgd(lr=0.1, momentum=0.9)\n    microbatch 2", "");
  environment a = environment_make(&whole), b = environment_make(&parts);
  for (int k = 0; k < 3; k++) {
    const wf_tensor *v = fit_step(&a, wf_function_find(whole.module, "step"), k), *w = fit_step(&b, wf_function_find(parts.module, "step"), k);
    for (int i = 0; i < 5; i++) assert_true(fabs(v->floats[i] - w->floats[i]) < 1e-12);
  }
  program_end(&whole);
  program_end(&parts);
}

// Running statistics go from one micro-batch to the next, as if each came alone.
static void microbatches_hand_states_on(void **state) {
  program p = program_compile("net Main(x: f64[n, 3]) -> f64[n, 3] { return batch_norm(x) as bn }\n"
                              "train Main { data npy(\"x.npy\", \"y.npy\") loss mse batch 4 microbatch 2 steps 1 optimizer sgd(lr=0.1) }\n", NULL);
  environment env = environment_make(&p);
  const wf_function *step = wf_function_find(p.module, "step");
  set_uniform(&env, step, "x", "x");
  set_uniform(&env, step, "target", "t");
  environment_run(&env, step, 0, 1, false, NULL);
  const wf_tensor *x = wf_map_get(&env.tensors, "x"), *running = wf_map_get(&env.tensors, "bn.running_mean");
  for (int c = 0; c < 3; c++) {
    double first = (x->floats[c] + x->floats[3 + c]) / 2, second = (x->floats[6 + c] + x->floats[9 + c]) / 2;
    assert_true(fabs(running->floats[c] - (0.9 * (0.1 * first) + 0.1 * second)) < 1e-12);
  }
  program_end(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(microbatches_hand_states_on), cmocka_unit_test(optimizers), cmocka_unit_test(schedules), cmocka_unit_test(user_defined),
                                     cmocka_unit_test(microbatches)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
