// Whole functions through the passes, the code generator and the runtime, on the device under test, against the reference evaluator: outputs, updates of
// parameters, loops, sorts, and kernels that share code.
#include "kernel_support.h"
#include <math.h>
#include "device_support.h"

enum { MAX_TENSORS = 16 };
static uint64_t state;
static double uniform(void) { return (double)((state ^= state << 13, state ^= state >> 7, state ^= state << 17) >> 11) * 0x1p-53; }

typedef struct program {
  wf_arena *arena;
  wf_diag *diag;
  wf_module *module;            // as read, gradients expanded: what the reference evaluator runs
  on_device on;
} program;

static wf_module *read_module(program *p, const char *text) {
  wf_module *module = wf_parse_module(p->arena, p->diag, wf_source_from_text(p->arena, "test.wir", text));
  if (!module || p->diag->errors) fail_with(p->diag, text);
  return module;
}

static program build_with(const char *text, const char *passes) {
  program p = {.arena = wf_arena_create()};
  p.diag = wf_diag_create(p.arena);
  p.module = read_module(&p, text);
  if (!wf_pipeline_run(p.module, "autodiff", NULL)) fail_with(p.diag, text);
  p.on = device_open(p.arena, read_module(&p, text), passes, text);
  return p;
}

static program build(const char *text) { return build_with(text, wf_default_passes); }

static void end(program *p) {
  device_close(&p->on);
  wf_arena_destroy(p->arena);
}

typedef struct named_extent { const char *name; int64_t value; } named_extent;
static int64_t extent_value(void *context, const wf_atom *atom) {
  for (const named_extent *e = context; e->name; e++)
    if (strcmp(e->name, atom->name) == 0) return e->value;
  fail_msg("unbound %s", atom->name);
  return 0;
}

static void fill(wf_tensor *t) {
  for (int64_t i = 0; i < t->count; i++)
    if (t->floats) t->floats[i] = wf_round_to(t->dtype, 2 * uniform() - 1);
    else t->integers[i] = (int64_t)(uniform() * 4);
}

static double tolerance(wf_dtype type) { return type == WF_F64 ? 1e-11 : type == WF_F32 ? 3e-5 : wf_dtype_is_float(type) ? 0.02 : 0; }

static void compare(const char *what, const wf_tensor *wanted, const void *data) {
  for (int64_t i = 0; i < wanted->count; i++) {
    double got = wf_load_element(wanted->dtype, data, i), want = wanted->floats ? wanted->floats[i] : (double)wanted->integers[i];
    if (!(fabs(got - want) <= tolerance(wanted->dtype) * (1 + fabs(want)))) fail_msg("%s[%lld] is %.9g, not %.9g", what, (long long)i, got, want);
  }
}

static void check_results(program *p, const wf_function *function, int plan, wf_tensor **results) {
  for (int i = 0; i < function->results.count; i++) {
    weft_tensor output;
    must(weft_session_output(p->on.session, plan, function->results.items[i].name, &output));
    compare(function->results.items[i].name, results[i], output.data);
  }
}

static void check_updates(program *p, const wf_function *function, wf_tensor **updates) {
  int count = 0;
  must(weft_session_fetch_values(p->on.session));
  for (int i = 0; i < function->ops.count; i++) {
    const wf_op *op = function->ops.items[i];
    if (op->kind == WF_O_UPDATE) compare(op->operands[0]->name, updates[count++], weft_session_find_value(p->on.session, op->operands[0]->name)->tensor.data);
  }
}

static void check_run(program *p, const char *name, named_extent *extents) {
  wf_function *function = wf_function_find(p->module, name);
  wf_tensor *inputs[MAX_TENSORS], *results[MAX_TENSORS], *updates[MAX_TENSORS];
  weft_named_tensor data[MAX_TENSORS];
  int data_count = 0, plan = weft_session_plan(p->on.session, name);
  assert_true(plan >= 0);
  weft_session_set_scalars(p->on.session, 5, 77, 100);
  for (int i = 0; i < function->inputs.count; i++) {
    const wf_value *input = function->inputs.items[i];
    int64_t shape[WF_MAX_RANK];
    for (int k = 0; k < input->rank; k++) shape[k] = wf_dim_eval(input->shape[k], extent_value, extents);
    inputs[i] = wf_tensor_create(p->arena, input->dtype, input->rank, shape);
    fill(inputs[i]);
    if (input->role == WF_ROLE_STEP) inputs[i]->integers[0] = 5;
    if (input->role == WF_ROLE_SEED) inputs[i]->integers[0] = 77;
    if (input->role == WF_ROLE_TOTAL) inputs[i]->integers[0] = 100;
    device_give(&p->on, p->arena, input, inputs[i], data, &data_count);
  }
  if (!wf_ref_run(p->arena, p->diag, function, &(wf_ref_options){0}, inputs, results, updates)) fail_with(p->diag, name);
  must(weft_session_run(p->on.session, plan, data, data_count));
  check_results(p, function, plan, results);
  check_updates(p, function, updates);
}

static void check(const char *text, const char *function, int64_t n) {
  named_extent extents[] = {{"n", n}, {NULL, 0}};
  state = 88172645463325252u;
  program p = build(text);
  check_run(&p, function, extents);
  extents[0].value = n + 3;   // the same program takes other extents
  check_run(&p, function, extents);
  end(&p);
}

static const char layers[] =
    "func @infer(%x: f32[n, 33] data, %w: f32[20, 33] param, %b: f32[20] param, %v: f32[10, 20] param) -> (logits: %y) {\n"
    "  %h: f32[n, 20] = compute [i: n, o: 20] sum[c: 33] %x[i, c] * %w[o, c]\n"
    "  %r: f32[n, 20] = compute [i: n, o: 20] max(%h[i, o] + %b[o], 0)\n"
    "  %y: f32[n, 10] = compute [i: n, o: 10] sum[c: 20] %r[i, c] * %v[o, c]\n}\n";

static void test_layers(void **unused) {
  (void)unused;
  check(layers, "infer", 1);
  check(layers, "infer", 29);
}

static void test_softmax(void **unused) {
  (void)unused;
  check("func @infer(%x: f64[n, 37] data) -> (y: %y, m: %m, a: %a) {\n"
        "  %m: f64[n] = compute [i: n] max[c: 37] %x[i, c]\n"
        "  %a: i64[n] = compute [i: n] argmax[c: 37] %x[i, c]\n"
        "  %e: f64[n, 37] = compute [i: n, c: 37] exp(%x[i, c] - %m[i])\n"
        "  %s: f64[n] = compute [i: n] sum[c: 37] %e[i, c]\n"
        "  %y: f64[n, 37] = compute [i: n, c: 37] %e[i, c] / %s[i]\n}\n", "infer", 5);
}

static void test_convolution(void **unused) {
  (void)unused;
  check("func @infer(%x: f32[n, 3, 12, 12] data, %w: f32[8, 3, 3, 3] param) -> (y: %p) {\n"
        "  %c: f32[n, 8, 12, 12] = compute [b: n, o: 8, y: 12, x: 12] sum[c: 3, r: 3, s: 3] (%x[b, c, y + r - 1, x + s - 1] else 0) * %w[o, c, r, s]\n"
        "  %p: f32[n, 8, 6, 6] = compute [b: n, o: 8, y: 6, x: 6] max[r: 2, s: 2] max(%c[b, o, 2*y + r, 2*x + s], 0)\n}\n", "infer", 2);
}

static const char training[] =
    "func @step(%x: f64[n, 6] data, %t: f64[n] data, %w: f64[6] param, %m: f64[6] state, %k: i64 step) -> (loss: %l) {\n"
    "  %y: f64[n] = compute [i: n] sum[c: 6] %x[i, c] * %w[c]\n"
    "  %l: f64 = compute [] sum[i: n] (%y[i] - %t[i]) * (%y[i] - %t[i])\n"
    "  %g: f64[6] = grad %l by %w\n"
    "  %m2: f64[6] = compute [c: 6] 0.9 * %m[c] + %g[c] + f64(%k[])\n"
    "  %w2: f64[6] = compute [c: 6] %w[c] - 0.01 * %m2[c]\n"
    "  update %m = %m2\n  update %w = %w2\n}\n";

static void test_training_step(void **unused) {
  (void)unused;
  check(training, "step", 9);
}

// Updates read the old values: a swap needs copies that do not step on each other.
static void test_swap(void **unused) {
  (void)unused;
  check("func @step(%x: f32[n] data, %a: f32[5] param, %b: f32[5] param, %c: f32[5] state) -> (old: %a, twice: %x, again: %x) {\n"
        "  update %a = %b\n  update %b = %a\n  update %c = %a\n}\n", "step", 3);
}

static const char scan[] =
    "func @cell(%t: i64, %h: f64[4], %x: f64[4], %w: f64[4, 4]) -> (h: %h2, y: %y) {\n"
    "  %s: f64[4] = compute [i: 4] sum[j: 4] %w[i, j] * %h[j]\n"
    "  %h2: f64[4] = compute [i: 4] tanh(%s[i] + %x[i] + 0.1 * f64(%t[]))\n"
    "  %y: f64[4] = compute [i: 4] %h2[i] * %h[i]\n}\n"
    "func @infer(%x: f64[n, 4] data, %h0: f64[4] data, %w: f64[4, 4] param) -> (h: %h, y: %y, back: %b, last: %l) {\n"
    "  %h: f64[4], %y: f64[n, 4] = loop @cell trip n carry(%h0) slice(%x) with(%w)\n"
    "  %l: f64[4], %b: f64[n, 4] = loop @cell trip n reverse carry(%h) slice(%y) with(%w)\n}\n";

static void test_scan(void **unused) {
  (void)unused;
  check(scan, "infer", 6);
}

static void test_carries_that_swap(void **unused) {
  (void)unused;
  check("func @step(%t: i64, %a: f32[3], %b: f32[3]) -> (a: %b, b: %c) {\n  %c: f32[3] = compute [i: 3] %a[i] + %b[i] * 0.5\n}\n"
        "func @infer(%x: f32[n] data, %p: f32[3] data, %q: f32[3] data) -> (a: %a, b: %b) {\n"
        "  %a: f32[3], %b: f32[3] = loop @step trip 5 carry(%p, %q)\n}\n", "infer", 4);
}

static void test_nested_scan(void **unused) {
  (void)unused;
  check("func @inner(%t: i64, %a: f64[2], %s: f64[2]) -> (a: %b, y: %b) {\n  %b: f64[2] = compute [i: 2] 0.5 * %a[i] + %s[1 - i]\n}\n"
        "func @outer(%t: i64, %h: f64[2], %x: f64[3, 2]) -> (h: %g, ys: %y) {\n"
        "  %g: f64[2], %y: f64[3, 2] = loop @inner trip 3 carry(%h) slice(%x)\n}\n"
        "func @infer(%x: f64[n, 3, 2] data, %h: f64[2] data) -> (h: %e, ys: %ys) {\n"
        "  %e: f64[2], %ys: f64[n, 3, 2] = loop @outer trip n carry(%h) slice(%x)\n}\n", "infer", 4);
}

static void test_sort_and_const(void **unused) {
  (void)unused;
  check("func @infer(%x: f32[n, 7] data) -> (v: %v, k: %k, y: %y, c: %c) {\n"
        "  %v: f32[n, 7], %k: i64[n, 7] = sort %x axis 1 descending\n"
        "  %c: f32[3] = const {1, 2.5, -3}\n"
        "  %y: f32[n, 3] = compute [i: n, j: 3] %v[i, j] * %c[j]\n}\n", "infer", 4);
}

static void test_gather_and_scatter(void **unused) {
  (void)unused;
  check("func @infer(%ids: i64[n] data, %g: f32[n, 5] data, %table: f32[4, 5] param) -> (y: %y, d: %d) {\n"
        "  %y: f32[n, 5] = compute [i: n, c: 5] %table[%ids[i], c]\n"
        "  %d: f32[4, 5] = scatter sum [i: n, c: 5] at [%ids[i], c] %g[i, c]\n}\n", "infer", 13);
}

static void test_narrow_layer(void **unused) {
  (void)unused;
  check("func @infer(%x: bf16[n, 40] data, %w: bf16[24, 40] param) -> (y: %r) {\n"
        "  %h: f32[n, 24] = compute [i: n, o: 24] sum[c: 40] %x[i, c] * %w[o, c]\n"
        "  %r: bf16[n, 24] = compute [i: n, o: 24] max(%h[i, o], 0)\n}\n", "infer", 6);
}

static void test_random_mask(void **unused) {
  (void)unused;
  check("func @step(%x: f32[n, 6] data, %seed: i64 seed, %k: i64 step) -> (y: %y) {\n"
        "  %y: f32[n, 6] = compute [i: n, c: 6] select(random(123456789, %seed[], %k[], 6*i + c) < 0.5, %x[i, c] * 2, 0)\n}\n", "step", 7);
}

// Layers of one shape are one piece of machine code.
static void test_shared_code(void **unused) {
  (void)unused;
  static const char text[] =
      "func @eval(%x: f32[n, 16] data, %a: f32[16, 16] param, %b: f32[16, 16] param) -> (y: %z) {\n"
      "  %y: f32[n, 16] = compute [i: n, o: 16] sum[c: 16] %x[i, c] * %a[o, c]\n"
      "  %z: f32[n, 16] = compute [i: n, o: 16] sum[c: 16] %y[i, c] * %b[o, c]\n}\n";
  program p = build(text);
  assert_int_equal(p.on.program->kernel_count, 2);
  assert_string_equal(p.on.program->kernels[0].entry, p.on.program->kernels[1].entry);
  assert_string_not_equal(p.on.program->kernels[0].name, p.on.program->kernels[1].name);
  named_extent extents[] = {{"n", 5}, {NULL, 0}};
  check_run(&p, "eval", extents);
  end(&p);
}

static void test_unlowered(void **unused) {
  (void)unused;
  wf_arena *arena = wf_arena_create();
  wf_diag *diag = wf_diag_create(arena);
  wf_module *module = wf_parse_module(arena, diag, wf_source_from_text(arena, "test.wir", layers));
  wf_program *program;
  wf_code code;
  assert_false(wf_build_program(arena, module, &(wf_build_options){0}, &program, &code));
  assert_non_null(strstr(diag->list.items[0]->message, "no pass has lowered"));
  wf_arena_destroy(arena);
}

static void test_facts(void **unused) {
  (void)unused;
  program p = build("sym n in [4, 100] % 4\nfunc @infer(%x: f32[n] data) -> (y: %y) {\n  %y: f32[n] = compute [i: n] %x[i] + 1\n}\n");
  float x[128] = {0};
  for (int64_t n = 1; n <= 104; n++) {
    weft_named_tensor input = {"x", {.dtype = WEFT_F32, .rank = 1, .extents = {n}, .data = x}};
    weft_status *status = weft_session_run(p.on.session, 0, &input, 1);
    assert_int_equal(weft_status_code(status), n % 4 == 0 && n <= 100 ? WEFT_OK : WEFT_BAD_INPUT);
    weft_status_free(status);
  }
  end(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_layers), cmocka_unit_test(test_softmax), cmocka_unit_test(test_convolution), cmocka_unit_test(test_training_step),
      cmocka_unit_test(test_swap), cmocka_unit_test(test_scan), cmocka_unit_test(test_carries_that_swap), cmocka_unit_test(test_nested_scan),
      cmocka_unit_test(test_sort_and_const), cmocka_unit_test(test_gather_and_scatter), cmocka_unit_test(test_narrow_layer),
      cmocka_unit_test(test_random_mask), cmocka_unit_test(test_shared_code), cmocka_unit_test(test_unlowered), cmocka_unit_test(test_facts)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
