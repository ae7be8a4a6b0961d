// The random parts of the library: initialisers, dropout, augmentation. Same seed, same bits; the statistics and shapes that they promise.
#include "formulas.h"

static program compile(const char *body, const char *more) {
  char text[4096];
  snprintf(text, sizeof text, "%s\ntrain Main { data npy(\"x.npy\", \"y.npy\") loss mse batch 8 optimizer sgd(lr=0) %s }\n", body, more);
  return program_compile(text, NULL);
}

static wf_tensor *run_named(environment *env, const char *function_name, const char *result, int64_t step) {
  wf_function *function = wf_function_find(env->program->module, function_name);
  assert_non_null(function);
  wf_tensor **results;
  environment_run(env, function, step, 10, false, &results);
  for (int i = 0; i < function->results.count; i++)
    if (strcmp(function->results.items[i].name, result) == 0) return results[i];
  fail_msg("no result '%s'", result);
  return NULL;
}

typedef struct moments { double mean, deviation, low, high; } moments;
static moments moments_of(const wf_tensor *t) {
  moments m = {0, 0, t->floats[0], t->floats[0]};
  for (int64_t i = 0; i < t->count; i++) {
    m.mean += t->floats[i] / (double)t->count;
    m.low = fmin(m.low, t->floats[i]);
    m.high = fmax(m.high, t->floats[i]);
  }
  for (int64_t i = 0; i < t->count; i++) m.deviation += (t->floats[i] - m.mean) * (t->floats[i] - m.mean) / (double)t->count;
  m.deviation = sqrt(m.deviation);
  return m;
}

static void initialisers(void **state) {
  static const struct { const char *text; double mean, deviation, bound; } rows[] = {
    {"uniform(0.5)", 0, 0.2886751, 0.5}, {"normal(2, mean=1)", 1, 2, 12}, {"kaiming_uniform(64)", 0, 0.1767767, 0.3061863},
    {"kaiming_normal(64)", 0, 0.1767767, 1.1}, {"xavier_uniform(32, 64)", 0, 0.1443376, 0.25}, {"xavier_normal(32, 64)", 0, 0.1443376, 0.9},
    {"trunc_normal(0.02)", 0, 0.0175925, 0.04}, {"constant_init(0.25)", 0.25, 0, 0.25}, {"ones()", 1, 0, 1}, {"zeros_init()", 0, 0, 0}, {"3", 3, 0, 3}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char body[512];
    snprintf(body, sizeof body, "net Main(x: f32[n, 4]) -> f32[n, 4] {\n    param w: f32[64, 125] = %s\n    param v: f32[64, 125] = %s\n"
             "    out[n, c: 4] = x[n, c] * w[0, c] * v[0, c]\n}\n", rows[i].text, rows[i].text);
    program p = compile(body, "");
    environment env = environment_make(&p);
    wf_tensor *w = run_named(&env, "init", "w", 0), *v = run_named(&env, "init", "v", 0), *again = run_named(&env, "init", "w", 0);
    moments m = moments_of(w);
    if (fabs(m.mean - rows[i].mean) > 4 * (rows[i].deviation + 1e-9) / sqrt(8000) || fabs(m.deviation - rows[i].deviation) > 0.04 * rows[i].deviation + 1e-9)
      fail_msg("%s has mean %g, deviation %g", rows[i].text, m.mean, m.deviation);
    assert_true(fmax(-m.low, m.high) <= rows[i].bound + 1e-6);
    env.seed = 2;
    wf_tensor *other = run_named(&env, "init", "w", 0);
    bool varies = rows[i].deviation > 0;
    assert_memory_equal(w->floats, again->floats, sizeof(double) * (size_t)w->count);
    assert_int_equal(memcmp(w->floats, v->floats, sizeof(double) * (size_t)w->count) != 0, varies);
    assert_int_equal(memcmp(w->floats, other->floats, sizeof(double) * (size_t)w->count) != 0, varies);
    program_end(&p);
  }
}

// A net alone, with no train block around it, in training mode: its results are y0, y1...
typedef struct lowered { program p; environment env; wf_function *function; } lowered;
static lowered lower_net(const char *text, bool training) {
  lowered l = {.p = program_start()};
  wf_frontend_options *options = WF_NEW(l.p.arena, wf_frontend_options);
  wf_net_model *model = wf_model_load(l.p.arena, l.p.diag, wf_source_from_text(l.p.arena, "random.net", text), options);
  if (!model || l.p.diag->errors) program_fail(&l.p, "the net does not load");
  l.p.module = wf_module_create(l.p.arena, l.p.diag);
  wf_lower *lower = wf_lower_create(model, l.p.module);
  l.function = wf_lower_begin(lower, "main", training);
  wf_callable *net = wf_lower_net(lower, model->net, NULL);
  wf_vals args = {0}, results = {0};
  if (!net || !wf_lower_declare_inputs(lower, net, &args) || !wf_lower_apply(lower, net, "", args.items, args.count, WF_NOWHERE, &results))
    program_fail(&l.p, "the net does not lower");
  for (int i = 0; i < results.count; i++) {
    char name[16];
    snprintf(name, sizeof name, "y%d", i);
    wf_function_result(l.function, wf_arena_strdup(l.p.arena, name), results.items[i].tensor);
  }
  wf_lower_end(lower);
  return l;
}

static void dropout(void **state) {
  lowered l = lower_net("net Main(x: f32[40, 50]) -> (a: f32[40, 50], b: f32[40, 50]) {\n    a = dropout(x, 0.25)\n    b = dropout(x, 0.25)\n    return a, b\n}\n", true);
  l.env = environment_make(&l.p);
  wf_tensor *x = tensor_like(&l.p, l.function->inputs.items[0]), **first, **second, **again;
  for (int64_t i = 0; i < x->count; i++) x->floats[i] = 1 + (double)i;
  wf_map_set(&l.env.tensors, "x", x);
  environment_run(&l.env, l.function, 0, 10, false, &first);
  environment_run(&l.env, l.function, 1, 10, false, &second);
  environment_run(&l.env, l.function, 0, 10, false, &again);
  int zeros = 0, both = 0, steps = 0;
  for (int64_t i = 0; i < x->count; i++) {
    double y = first[0]->floats[i];
    assert_true(y == 0 || fabs(y - x->floats[i] / 0.75) < 1e-3);
    zeros += y == 0;
    both += y == 0 && first[1]->floats[i] == 0;
    steps += y == 0 && second[0]->floats[i] == 0;
    assert_true(again[0]->floats[i] == y);
  }
  assert_in_range(zeros, 420, 580);      // 500 expected, deviation 19
  assert_in_range(both, 80, 170);        // 125 where the two are independent
  assert_in_range(steps, 80, 170);
  program_end(&l.p);
}

enum { SAMPLES = 32, SIDE = 6 };
static wf_tensor *pictures(lowered *l) {
  l->env = environment_make(&l->p);
  wf_tensor *x = tensor_like(&l->p, l->function->inputs.items[0]);
  for (int64_t i = 0; i < x->count; i++) x->floats[i] = 1 + (double)i;
  wf_map_set(&l->env.tensors, "x", x);
  return x;
}
static double pixel(const wf_tensor *t, int n, int c, int y, int x) {
  return y < 0 || y >= SIDE || x < 0 || x >= SIDE ? 0 : t->floats[((n * 2 + c) * SIDE + y) * SIDE + x];
}

#define AUGMENT(call) "net Main(x: f32[32, 2, 6, 6]) -> f32[32, 2, 6, 6] {\n    return " call "\n}\n"

static void flips(void **state) {
  lowered l = lower_net(AUGMENT("random_flip(x)"), true);
  wf_tensor *x = pictures(&l), **out;
  environment_run(&l.env, l.function, 0, 10, false, &out);
  int flipped = 0;
  for (int n = 0; n < SAMPLES; n++) {
    bool mirror = pixel(out[0], n, 0, 0, 0) != pixel(x, n, 0, 0, 0);
    flipped += mirror;
    for (int c = 0; c < 2; c++)
      for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) assert_true(pixel(out[0], n, c, i, j) == pixel(x, n, c, i, mirror ? SIDE - 1 - j : j));
  }
  assert_in_range(flipped, 6, 26);
  program_end(&l.p);
}

static bool is_moved(const wf_tensor *out, const wf_tensor *x, int n, int dy, int dx) {
  for (int c = 0; c < 2; c++)
    for (int i = 0; i < SIDE; i++)
      for (int j = 0; j < SIDE; j++)
        if (pixel(out, n, c, i, j) != pixel(x, n, c, i + dy, j + dx)) return false;
  return true;
}

static void crops(void **state) {
  lowered l = lower_net(AUGMENT("random_crop(x, padding=2)"), true);
  wf_tensor *x = pictures(&l), **out;
  environment_run(&l.env, l.function, 0, 10, false, &out);
  int moves[25] = {0}, different = 0;
  for (int n = 0; n < SAMPLES; n++) {
    int found = -1;
    for (int m = 0; m < 25 && found < 0; m++)
      if (is_moved(out[0], x, n, m / 5 - 2, m % 5 - 2)) found = m;
    if (found < 0) fail_msg("sample %d is no crop", n);
    different += moves[found]++ == 0;
  }
  assert_true(different >= 10);
  program_end(&l.p);
}

// Windows of 3 x 4 in pictures of 6 x 6: all places come up, and the middle one outside training.
static void windows(void **state) {
  for (int training = 1; training >= 0; training--) {
    lowered l = lower_net("net Main(x: f32[32, 2, 6, 6]) -> f32[32, 2, 3, 4] {\n    return random_window(x, 3, 4)\n}\n", training);
    wf_tensor *x = pictures(&l), **out;
    environment_run(&l.env, l.function, 0, 10, false, &out);
    bool rows[4] = {false}, columns[3] = {false};
    for (int n = 0; n < SAMPLES; n++) {
      const double *got = out[0]->floats + n * 24;
      int64_t first = (int64_t)got[0] - 1 - n * 72, top = first / SIDE, left = first % SIDE;
      assert_true(top >= 0 && top < 4 && left >= 0 && left < 3);
      if (!training) assert_true(top == 1 && left == 1);
      rows[top] = columns[left] = true;
      for (int i = 0; i < 24; i++) assert_true(got[i] == pixel(x, n, i / 12, (int)top + i / 4 % 3, (int)left + i % 4));
    }
    for (int i = 0; training && i < 4; i++) assert_true(rows[i] && (i == 3 || columns[i]));
    program_end(&l.p);
  }
}

static void cutouts(void **state) {
  lowered l = lower_net(AUGMENT("cutout(x, side=3)"), true);
  wf_tensor *x = pictures(&l), **out;
  environment_run(&l.env, l.function, 0, 10, false, &out);
  for (int n = 0; n < SAMPLES; n++) {
    int zeros = 0;
    for (int i = 0; i < SIDE; i++)
      for (int j = 0; j < SIDE; j++) {
        double y = pixel(out[0], n, 0, i, j);
        assert_true(y == 0 || y == pixel(x, n, 0, i, j));
        assert_true((y == 0) == (pixel(out[0], n, 1, i, j) == 0));
        zeros += y == 0;
      }
    assert_in_range(zeros, 4, 9);
  }
  program_end(&l.p);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(initialisers), cmocka_unit_test(dropout), cmocka_unit_test(flips),
                                     cmocka_unit_test(crops), cmocka_unit_test(windows), cmocka_unit_test(cutouts)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
