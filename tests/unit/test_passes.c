// The pipeline, and simplify, cse, dce and fold: what each does to a small module, and that the numbers stay.
#include "passes/passes.h"
#include "wir_support.h"

static void count_passes(void *context, const char *pass, wf_module *module, double seconds) {
  (void)module;
  assert_true(seconds >= 0);
  strcat(context, pass);
  strcat(context, " ");
}

static ir_test run(const char *text, const char *passes) {
  ir_test t = ir_test_parse_good(text);
  if (!wf_verify(t.module, t.diag) || !wf_pipeline_run(t.module, passes, &(wf_pipeline_hooks){.verify = true})) {
    wf_diag_print(t.diag, stderr, false);
    fail_msg("the pipeline '%s' fails", passes);
  }
  return t;
}

static void expect(const char *text, const char *passes, const char *wanted) {
  ir_test t = run(text, passes);
  char *printed = ir_test_print(&t);
  if (!strstr(printed, wanted)) fail_msg("no '%s' in\n%s", wanted, printed);
  ir_test back = ir_test_parse_good(printed);
  assert_string_equal(ir_test_print(&back), printed);
  ir_test_end(&back);
  ir_test_end(&t);
}

static int count_text(const char *text, const char *part) {
  int count = 0;
  while ((text = strstr(text, part))) count++, text++;
  return count;
}

static void expect_count(const char *text, const char *passes, const char *part, int wanted) {
  ir_test t = run(text, passes);
  char *printed = ir_test_print(&t);
  if (count_text(printed, part) != wanted) fail_msg("'%s' not %d times in\n%s", part, wanted, printed);
  ir_test_end(&t);
}

// ---- pipeline -----------------------------------------------------------------------------------------------------------

static void test_pipeline(void **state) {
  (void)state;
  ir_test t = ir_test_parse_good("func @f(%x: f32[n] data) -> (x: %x) {\n}\n");
  char order[256] = "";
  wf_pipeline_hooks hooks = {.context = order, .after = count_passes, .verify = true};
  assert_true(wf_pipeline_run(t.module, " simplify , fold{limit=16, work = 10},dce{},", &hooks));
  assert_string_equal(order, "simplify fold dce ");
  assert_true(wf_pipeline_run(t.module, "", NULL));
  assert_true(strstr(wf_default_passes, "simplify,cse,dce,fold"));
  static const struct { const char *passes, *message; } wrong[] = {
      {"simplfy", "no pass is named 'simplfy'"},
      {"fold{limt=3}", "the pass 'fold' has no option 'limt'"},
      {"fold{limit=many}", "is of type int, which 'many' is not"},
      {"fold{limit}", "wants a value"},
      {"fold{limit=3", "lack their '}'"},
      {"dce cse", "is wrong at 'cse'"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    order[0] = 0;
    assert_false(wf_pipeline_run(t.module, wf_arena_printf(t.arena, "dce,%s", wrong[i].passes), &hooks));
    assert_true(ir_test_diag_holds(&t, wrong[i].message));
    assert_string_equal(order, "");   // nothing runs where the list is wrong
  }
  ir_test_end(&t);
}

static void test_options(void **state) {
  (void)state;
  wf_arena *arena = wf_arena_create();
  wf_pass_options options = {0};
  wf_vec_push(arena, &options.list, ((wf_pass_option){"limit", "12"}));
  assert_int_equal(wf_pass_option_int(&options, "limit", 3), 12);
  assert_int_equal(wf_pass_option_int(&options, "work", 3), 3);
  assert_string_equal(wf_pass_option_get(NULL, "limit", "no"), "no");
  wf_arena_destroy(arena);
}

// ---- simplify ---------------------------------------------------------------------------------------------------------------

#define F(inputs, body) "func @f(" inputs ") -> (y: %y) {\n" body "\n}\n"

static void test_simplify(void **state) {
  (void)state;
  expect(F("%x: f32[n, m] data", "%t: f32[m, n] = compute [a: m, b: n] %x[b, a] %y: f32[m, n] = compute [a: m, b: n] exp(%t[a, b])"), "simplify",
         "compute [a: m, b: n] exp(%x[b, a])");
  expect(F("%x: f32[3, 4] data", "%t: f32[12] = compute [a: 12] %x[a//4, a%4] %y: f32[3, 4] = compute [i: 3, j: 4] %t[4*i + j] * 2"), "simplify",
         "compute [i: 3, j: 4] %x[i, j] * 2");
  // the flattened copy stays: its reader would get // and %
  expect(F("%x: f32[3, 4] data", "%t: f32[12] = compute [a: 12] %x[a//4, a%4] %y: f32[12] = compute [i: 12] %t[i] * 2"), "simplify", "%t[i] * 2");
  expect(F("%x: f32[n] data", "%t: f32[n] = compute [a: n] 0.5 %u: f32[n] = compute [b: n] %t[b] * 4 %y: f32[n] = compute [i: n] %x[i] + %u[i]"), "simplify",
         "compute [i: n] %x[i] + 2");
  expect(F("%x: f32[n] data", "%t: f32[n] = compute [a: n] f32(a) %y: f32[n] = compute [i: n] %x[i] * %t[n - i - 1]"), "simplify", "%x[i] * f32(n - i - 1)");
  expect(F("%x: f32[n] data", "%c: f32 = const {0.25} %y: f32[n] = compute [i: n] %x[i] * %c[]"), "simplify", "%x[i] * 0.25");
  expect(F("%x: f32[n] data", "%y: f32[n] = compute [i: n] %x[i] else 0"), "simplify", "compute [i: n] %x[i]\n");
  expect(F("%x: f32[n] data", "%y: f32[n] = compute [i: n] %x[i + n] else 7"), "simplify", "compute [i: n] 7");
  expect("fact n - 4 >= 0\n" F("%x: f32[n] data", "%y: f32[4] = compute [i: 4] %x[i] else 0"), "simplify", "compute [i: 4] %x[i]\n");
  expect(F("%x: f32[n] data", "%y: f32[n] = compute [i: n] %x[i - 1] else 0"), "simplify", "%x[i - 1] else 0");
  // stop is for autodiff; it goes where no gradient is left to take
  expect(F("%x: f32[n] data", "%t: f32[n] = compute [i: n] stop(%x[i]) %y: f32[n] = compute [i: n] %x[i] - %t[i]"), "simplify", "%x[i] - %x[i]");
  expect(F("%x: f32 param", "%t: f32 = compute [] stop(%x[]) * %x[] %y: f32 = grad %t by %x"), "simplify", "stop(%x[]) * %x[]");
  // outside of the copy is not outside of what it copies
  expect(F("%x: f32[9] data", "%t: f32[8] = compute [a: 8] %x[a + 1] %y: f32[9] = compute [i: 9] %t[i - 1] else 0"), "simplify", "%t[i - 1] else 0");
  // a value that was rounded when it was stored is rounded still
  expect(F("%x: f32[n] data", "%t: bf16[n] = compute [a: n] f32(a) %y: f32[n] = compute [i: n] %x[i] * %t[i]"), "simplify", "%x[i] * f32(bf16(f32(i)))");
  expect(F("%x: f32[n] data", "%t: bf16[n] = compute [a: n] %x[a] %y: f32[n] = compute [i: n] %t[i] * 2"), "simplify", "%t[i] * 2");
}

// ---- cse --------------------------------------------------------------------------------------------------------------------

static void test_cse(void **state) {
  (void)state;
  expect_count(F("%x: f32[n] data", "%a: f32[n] = compute [i: n] exp(%x[i]) %b: f32[n] = compute [j: n] exp(%x[j]) %c: f32[n] = compute [k: n] %a[k] * 2 "
                                    "%d: f32[n] = compute [k: n] %b[k] * 2 %y: f32[n] = compute [i: n] %c[i] + %d[i]"),
               "cse", "compute", 3);
  expect(F("%x: f32[n] data", "%a: f32 = compute [] sum[i: n] %x[i] %b: f32 = compute [] sum[j: n] %x[j] %y: f32 = compute [] %a[] * %b[]"), "cse", "%a[] * %a[]");
  // not the same: another combiner, another accumulator, another result type, axes in another order
  expect_count(F("%x: f32[n] data", "%a: f32 = compute [] sum[i: n] %x[i] %b: f32 = compute [] prod[i: n] %x[i] %c: f32 = compute [] sum:f64[i: n] %x[i] "
                                    "%y: f32 = compute [] %a[] + %b[] + %c[]"),
               "cse", "compute", 4);
  expect_count(F("%x: f32[4, 4] data", "%a: f32[4, 4] = compute [i: 4, j: 4] %x[i, j] * 2 %b: f32[4, 4] = compute [i: 4, j: 4] %x[j, i] * 2 "
                                       "%y: f32[4, 4] = compute [i: 4, j: 4] %a[i, j] + %b[i, j]"),
               "cse", "compute", 3);
  expect_count(F("%x: f32[n] data", "%a: f32[3] = const {1, 2, 3} %b: f32[3] = const {1, 2, 3} %c: f32[3] = const {1, 2, 4} "
                                    "%y: f32[3] = compute [i: 3] %a[i] + %b[i] + %c[i]"),
               "cse", "const", 2);
  expect(F("%x: f32[n] data", "%a: f32[n], %i: i64[n] = sort %x axis 0 %b: f32[n], %j: i64[n] = sort %x axis 0 %y: f32[n] = compute [k: n] %b[k]"), "cse", "%a[k]");
}

// ---- dce --------------------------------------------------------------------------------------------------------------------

static const char *const loop_text =
    "func @cell(%t: i64, %h: f32[4], %w: f32[4]) -> (h: %next) {\n"
    "  %c: f32[4] = compute [i: 4] %w[i] %dead: f32[4] = compute [i: 4] exp(%h[i])\n"
    "  %a: f32[4] = compute [i: 4] %h[i] * %c[i] %b: f32[4] = compute [j: 4] %h[j] * %c[j]\n"
    "  %next: f32[4] = compute [i: 4] %a[i] + %b[i]\n}\n"
    "func @unused(%x: f32[4]) -> (x: %x) {\n}\n"
    "func @f(%x: f32[4] data, %w: f32[4] param) -> (y: %y) {\n"
    "  %z: f32[4] = call @unused(%x)\n"
    "  %y: f32[4] = loop @cell trip 3 carry(%x) with(%w)\n"
    "  %new: f32[4] = compute [i: 4] %w[i] - 1\n  update %w = %new\n}\n";

static void test_dce(void **state) {
  (void)state;
  expect_count(F("%x: f32[n] data", "%a: f32[n] = compute [i: n] exp(%x[i]) %b: f32[n] = compute [i: n] %a[i] * 2 %y: f32[n] = compute [i: n] %x[i]"), "dce", "compute", 1);
  expect_count(loop_text, "dce", "@unused", 0);
  expect_count(loop_text, "dce", "%dead", 0);
  expect(loop_text, "dce", "update %w = %new");
  expect("func @f(%x: f32[n]) -> (y: %y) { group @g -> (%y, %z) { inline %a: f32[n] = compute [i: n] exp(%x[i]) out %y: f32[n] = compute [i: n] %x[i] * 2 "
         "out %z: f32[n] = compute [i: n] %a[i] } }",
         "dce", "group @g -> (%y) {\n    out %y");
}

// Of three carried values, one feeds the result, one only itself, one nothing; a stacked result, a slice and an invariant
// serve nothing that is needed.
static const char *const prune_text =
    "func @cell(%t: i64, %h: f32[4], %self: f32[4], %idle: f32[4], %xs: f32[4], %ys: f32[4], %w: f32[4], %v: f32[4])"
    " -> (h: %h1, self: %self1, idle: %idle1, stack: %s, waste: %z) {\n"
    "  %h1: f32[4] = compute [i: 4] %h[i] * %w[i] + %xs[i]\n  %self1: f32[4] = compute [i: 4] %self[i] + %v[i]\n"
    "  %idle1: f32[4] = compute [i: 4] %h[i] + 3\n  %s: f32[4] = compute [i: 4] exp(%h1[i])\n  %z: f32[4] = compute [i: 4] %ys[i] + %idle[i]\n}\n"
    "func @f(%x: f32[4] data, %a: f32[3, 4] data, %b: f32[3, 4] data, %w: f32[4] param) -> (y: %y) {\n"
    "  %v: f32[4] = compute [i: 4] exp(%w[i])\n"
    "  %h: f32[4], %self: f32[4], %idle: f32[4], %stack: f32[3, 4], %waste: f32[3, 4] = loop @cell trip 3 carry(%x, %x, %x) slice(%a, %b) with(%w, %v)\n"
    "  %y: f32[4] = compute [i: 4] sum[t: 3] %stack[t, i]\n}\n";

static void test_regions_shrink(void **state) {
  (void)state;
  expect(prune_text, "dce", "  %h: f32[4], %stack: f32[3, 4] = loop @cell trip 3 carry(%x) slice(%a) with(%w)\n");
  expect_count(prune_text, "dce", "%v", 0);
  expect_count(prune_text, "dce", "%idle", 0);
  // an argument that the callee does not read
  expect("func @g(%p: f32[4], %q: f32[4]) -> (r: %r, s: %s) {\n %r: f32[4] = compute [i: 4] %p[i] * 2 %s: f32[4] = compute [i: 4] %q[i] * 3\n}\n"
         "func @f(%x: f32[4] data) -> (y: %y) {\n %e: f32[4] = compute [i: 4] exp(%x[i])\n %y: f32[4], %z: f32[4] = call @g(%x, %e)\n}\n",
         "dce", "-> (y: %y) {\n  %y: f32[4] = call @g(%x)\n}");
}

static void test_regions(void **state) {
  (void)state;
  expect(loop_text, "simplify,cse,dce", "%a: f32[4] = compute [i: 4] %h[i] * %w[i]\n  %next: f32[4] = compute [i: 4] %a[i] + %a[i]");
}

// ---- fold -------------------------------------------------------------------------------------------------------------------

static void test_fold(void **state) {
  (void)state;
  const char *text = F("%x: f32[3] data", "%c: f32[3] = const {1, 2, 3} %d: f32[2] = const {10, 20} %o: f32[3, 2] = compute [i: 3, j: 2] %c[i] * %d[j] "
                                          "%s: f32[3] = compute [i: 3] sum[j: 2] %o[i, j] %y: f32[3] = compute [i: 3] %x[i] + %s[i]");
  expect(text, "fold", "%s: f32[3] = const {30, 60, 90}");
  expect(text, "fold{limit=3}", "%o: f32[3, 2] = compute");
  expect(F("%x: f32[3] data", "%c: i64[3] = const {1, 2, 9} %z: i64[3] = const {1, 0, 3} %y: i64[3] = compute [i: 3] %c[i] // %z[i]"), "fold", "%y: i64[3] = compute");   // undefined: stays
  expect(F("%x: f32[3] data", "%c: i64[3] = const {7, -7, 9} %z: i64[3] = const {2, 2, 3} %y: i64[3] = compute [i: 3] %c[i] // %z[i]"), "fold", "const {3, -4, 3}");
  expect(F("%x: f32[n] data", "%c: f32 = const {3} %y: f32 = compute [] %c[] / f32(n)"), "fold", "%y: f32 = compute");   // a run-time extent
}

// ---- numbers ------------------------------------------------------------------------------------------------------------------

static void fill(wf_tensor *t, unsigned seed) {
  for (int64_t i = 0; i < t->count; i++) {
    seed = seed * 1664525u + 1013904223u;
    if (t->floats) t->floats[i] = (double)(int)(seed >> 16) / 32768.0 - 1;
    else t->integers[i] = (seed >> 16) % 3;
  }
}

static wf_tensor *evaluate(ir_test *t) {
  wf_function *f = wf_function_find(t->module, "f");
  wf_tensor *inputs[8], *results[8], *updates[8];
  for (int i = 0; i < f->inputs.count; i++) {
    int64_t shape[WF_MAX_RANK];
    for (int k = 0; k < f->inputs.items[i]->rank; k++)
      if (!wf_dim_is_const(f->inputs.items[i]->shape[k], &shape[k])) shape[k] = 5;
    inputs[i] = wf_tensor_create(t->arena, f->inputs.items[i]->dtype, f->inputs.items[i]->rank, shape);
    fill(inputs[i], (unsigned)i);
  }
  if (!wf_ref_run(t->arena, t->diag, f, NULL, inputs, results, updates)) {
    wf_diag_print(t->diag, stderr, false);
    fail();
  }
  return results[0];
}

static void test_numbers_stay(void **state) {
  (void)state;
  static const char *const texts[] = {
      F("%x: f32[n, 4] data, %k: i64[n] data", "%t: f32[4, n] = compute [a: 4, b: n] %x[b, a] %u: f32[4*n] = compute [a: 4*n] %t[a//n, a%n] "
        "%z: f32[n, 4] = scatter sum [i: n, j: 4] at [%k[i], j] %u[j*n + i] * 2 %c: f32[4] = const {1, 2, 3, 4} %d: f32[4] = compute [i: 4] %c[i] * %c[i] "
        "%v: f32[4, n] = compute [a: 4, b: n] %x[b, a] %p: f32[n, 4] = compute [i: n, j: 4] %z[i - 1, j] else 3 "
        "%y: f32[n, 4] = compute [i: n, j: 4] select(%x[i, j] < 0, %z[i, j] - -%d[j], %v[j, i] / 4 + 0) * %t[j, i] + %p[i, j]"),
      NULL};
  ir_test plain = ir_test_parse_good(texts[0]), passed = run(texts[0], "simplify,cse,dce,fold,simplify,dce");
  wf_tensor *a = evaluate(&plain), *b = evaluate(&passed);
  assert_int_equal(a->count, b->count);
  for (int64_t i = 0; i < a->count; i++) assert_true(a->floats[i] == b->floats[i]);
  assert_true(passed.module->functions.items[0]->ops.count < plain.module->functions.items[0]->ops.count);
  ir_test_end(&plain);
  ir_test_end(&passed);
  const char *const loops[] = {loop_text, prune_text};
  for (int l = 0; l < 2; l++) {
    ir_test loop = ir_test_parse_good(loops[l]), loop_passed = run(loops[l], "simplify,cse,dce,fold");
    a = evaluate(&loop), b = evaluate(&loop_passed);
    for (int64_t i = 0; i < a->count; i++) assert_true(a->floats[i] == b->floats[i]);
    ir_test_end(&loop);
    ir_test_end(&loop_passed);
  }
}

// ---- the dump is the language ---------------------------------------------------------------------------------------------

static void read_back(void *context, const char *pass, wf_module *module, double seconds) {
  (void)seconds;
  ir_test t = {.arena = context, .module = module};
  char *printed = ir_test_print(&t);
  ir_test back = ir_test_parse_good(printed);
  if (strcmp(ir_test_print(&back), printed)) fail_msg("after '%s' the text does not read back to itself", pass);
  assert_true(wf_verify(back.module, back.diag));
  ir_test_end(&back);
}

static void test_text_after_every_pass(void **state) {
  (void)state;
  static const char *const files[] = {"train", "mlp", "kinds", "index", "scalars"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    ir_test t = {.arena = wf_arena_create()};
    t.diag = wf_diag_create(t.arena);
    wf_source *source = wf_source_read(t.arena, t.diag, wf_arena_printf(t.arena, WEFT_SOURCE_DIR "/tests/golden/wir/%s.wir", files[i]), 1 << 20);
    assert_non_null(source);
    t.module = wf_parse_module(t.arena, t.diag, source);
    assert_non_null(t.module);
    wf_pipeline_hooks hooks = {.context = t.arena, .after = read_back, .verify = true};
    if (!wf_pipeline_run(t.module, wf_default_passes, &hooks)) {
      wf_diag_print(t.diag, stderr, false);
      fail_msg("%s does not go through the default pipeline", files[i]);
    }
    ir_test_end(&t);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pipeline), cmocka_unit_test(test_options), cmocka_unit_test(test_simplify), cmocka_unit_test(test_cse),
      cmocka_unit_test(test_dce),      cmocka_unit_test(test_regions), cmocka_unit_test(test_fold),     cmocka_unit_test(test_numbers_stay), cmocka_unit_test(test_regions_shrink),
      cmocka_unit_test(test_text_after_every_pass),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
