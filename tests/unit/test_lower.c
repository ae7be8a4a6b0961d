// Lowering: each row is an op or net in the language, its inputs counting 1, 2, 3, ... (scaled), and what the reference
// evaluator must give. Parameters count as inputs too. Then names, facts, training functions and settings.
#include "lower_support.h"

#define ROW(text, ...) {text, {__VA_ARGS__}, sizeof((double[]){__VA_ARGS__}) / sizeof(double)}
typedef struct row { const char *text; double expected[16]; int count; } row;

static void check_rows(const row *rows, size_t count) {
  for (size_t i = 0; i < count; i++) check_row(rows[i].text, rows[i].expected, rows[i].count, (symbol_values){0});
}
#define CHECK_ROWS(rows) check_rows(rows, sizeof rows / sizeof *rows)

static void definitions(void **state) {
  static const row rows[] = {
    ROW("op f(x: f64[3]) -> f64[3] { out[i] = x[i] * 2 + i }", 2, 5, 8),
    ROW("op f(x: f64[2, 3]) -> f64[2] { out[i] = sum[j] x[i, j] }", 6, 15),
    ROW("op f(x: f64[2, 3]) -> f64[2] { out[i] = (sum[j] x[i, j]) / 3 + 1 }", 3, 6),
    ROW("op f(x: f64[2, 3], y: f64[3, 2]) -> f64[2, 2] { out[i, j] = sum[k] x[i, k] * y[k, j] }", 2.2, 2.8, 4.9, 6.4),
    ROW("op f(x: f64[2, 3]) -> f64[2] { out[i] = (max[j] x[i, j]) - (min[j] x[i, j]) + (prod[j] x[i, j]) }", 8, 122),
    ROW("op f(x: f64[2, 3]) -> i64[2] { out[i] = argmax[j] x[i, j] * (1 - 2*i) }", 2, 0),
    ROW("op f(x: f64[4]) -> f64[4] { out[i] = x[i - 1] else 0 + x[i + 1] else 10 }", 2, 4, 6, 13),
    ROW("op f(x: f64[4]) -> f64[2] { out[i] = max[r: 3] x[2*i + r - 1] else (-inf) }", 2, 4),
    ROW("op f(x: f64[4]) -> f64[4] { out[i] = x[3 - i] }", 4, 3, 2, 1),
    ROW("op f(x: f64[2, 2]) -> f64[4] { out[i] = x[i//2, i % 2] }", 1, 2, 3, 4),
    ROW("op f(x: f64[3]) -> f64[] { s = sum[i] x[i] out = s * s }", 36),
    ROW("op f(x: f64[3]) -> f64[] { out = sqrt(sum[i] x[i] * x[i]) ** 2 }", 14),
    ROW("op f(x: f64[2, 3]) -> f64[2, 3] { m[..] = sum[d'] x[.., d'] out[.., d] = x[.., d] - m[..] }", -5, -4, -3, -11, -10, -9),
    ROW("op f(x: f64[n, ..]) -> f64[n] { out[i] = sum[..] x[i, ..] }\nop g(x: f64[2, 3]) -> f64[2] { return f(x) }", 6, 15),
    ROW("op f(x: f64[3]) -> f64[3] { out[i] = sum[j: 2] (sum[k: 3] x[k] * (i + 1)) * (j + 1) }", 18, 36, 54),
    ROW("op f(x: f64[3]) -> f64[3] { out[i] = select(i % 2 == 0, x[i], -x[i]) }", 1, -2, 3),
    ROW("op f(x: f64[3]) -> f64[3] { out[i] = x[i] if x[i] > 1 else 0 }", 0, 2, 3),
    ROW("op f(x: f64[3]) -> f64[3] { out[i] = 1 / 4 + 7 // 2 + 7 % 4 + 2 ** 3 + x[i] * 0 }", 14.25, 14.25, 14.25),
    ROW("op f(x: f64[4], ids: i64[2]) -> f64[2] { out[i] = x[ids[i] + 2] }", 3, 4),
    ROW("op f(x: f64[3]) -> f64[3] { t: f64[3] t[i] = 2 out[i] = x[i] * t[i] }", 2, 4, 6),
    ROW("op f(x: f64[n]) -> f64[] { out = (sum[i] x[i]) / n }", 1.5),
    ROW("op f(x: f64[3]) -> i64[3] { out[i] = i64(x[i] * 1.5) }", 1, 3, 4),
  };
  CHECK_ROWS(rows);
}

static void whole_tensors(void **state) {
  static const row rows[] = {
    ROW("op f(x: f64[2, 2]) -> f64[2, 2] { return (x + x * 2) ** 2 - 1 }", 8, 35, 80, 143),
    ROW("op f(x: f64[2, 3]) -> f64[6] { return reshape(x, [-1]) }", 1, 2, 3, 4, 5, 6),
    ROW("op f(x: f64[2, 3]) -> f64[3, 2] { return permute(x, [1, 0]) }", 1, 4, 2, 5, 3, 6),
    ROW("op f(x: f64[2, 3]) -> f64[3, 2] { return reshape(x, [3, 2]) }", 1, 2, 3, 4, 5, 6),
    ROW("op f(x: f64[2, 1, 2]) -> f64[2, 2] { return flatten(x) }", 1, 2, 3, 4),
    ROW("op f(x: f64[2], y: f64[1]) -> f64[3] { return concat(x, y) }", 1, 2, 0.1),
    ROW("op f(x: f64[2, 1], y: f64[2, 2]) -> f64[2, 3] { return concat(x, y, axis=1) }", 1, 0.1, 0.2, 2, 0.3, 0.4),
    ROW("op f(x: f64[4]) -> f64[2] { return slice(x, 0, 1, 3) }", 2, 3),
    ROW("op f(x: f64[3]) -> f64[3] { v, i = sort(-x) return v }", -3, -2, -1),
    ROW("op f(x: f64[3]) -> i64[3] { v, i = sort(x, descending=true) return i }", 2, 1, 0),
    ROW("op f(x: f64[4]) -> f64[2] { v, i = topk(x, 2) return v + cast(i, f64) }", 7, 5),
    ROW("op f(x: f64[2]) -> f64[2] { return zeros([2], f64) + full([2], 3.0, f64) + cast(iota(2), f64) }", 3, 4),
    ROW("op f(x: f64[2, 3]) -> f64[] { return full([], size(x) * 10 + shape(x, 1), f64) }", 63),
    ROW("op f(x: f64[3]) -> f64[3] { y = sum[i] x[i] * x[i] * x[i] return grad(y, x) + x }", 4, 14, 30),
    ROW("op f(x: f64[2, 2], ids: i64[3]) -> f64[2] { out = zeros([2], f64) out[ids[i]] += x[0, 0] * (i + 1) }", 4, 2),
    ROW("op f(x: f64[3], ids: i64[3]) -> f64[2] { out = full([2], -9.0, f64) out[ids[i]] max= x[i] }", 3, 2),
  };
  // GRAD is expanded by autodiff before anything runs; here only that it is made.
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (!strstr(rows[i].text, "grad(")) check_row(rows[i].text, rows[i].expected, rows[i].count, (symbol_values){0});
  compiled c = compile(rows[13].text);
  bool found = false;
  for (int i = 0; i < function(&c, "infer")->ops.count; i++) found = found || function(&c, "infer")->ops.items[i]->kind == WF_O_GRAD;
  assert_true(found);
  wf_arena_destroy(c.arena);
}

static void control(void **state) {
  static const row rows[] = {
    ROW("let two = 2\nop f(x: f64[2]; k: int = two + 1) -> f64[2] { for i in 0..k { x = x * 2 } return x }", 8, 16),
    ROW("op f(x: f64[2]; ks: int[] = [3, 4]) -> f64[2] { for k in ks { x = x + k } return x }", 8, 9),
    ROW("op f(x: f64[2]; b: bool = false) -> f64[2] { if b and training { return x } else if not b { return -x } else { error(\"no\") } }", -1, -2),
    ROW("op f(x: f64[2]) -> f64[2] { let k = len([1, 2]); if k == 2 { y = x } assert(k > 1, \"k\") return y * k }", 2, 4),
    ROW("op twice(x: T[..]; f: op) -> T[..] { return f(f(x)) }\nop neg2(x: T[..]; by: float = 2) -> T[..] { out[..] = -by * x[..] }\nop g(x: f64[2]) -> f64[2] { return twice(x, neg2(by=3)) }", 9, 18),
    ROW("op pair(x: T[..]) -> (a: T[..], b: T[..]) { a = x + 1 b = x * 10 }\nop g(x: f64[2]) -> f64[2] { a, b = pair(x) return a + b }", 12, 23),
    ROW("op halve(x: T[2*h]) -> T[h] { out[i: h] = x[2*i] }\nop g(x: f64[4]) -> f64[2] { return halve(x) }", 1, 3),
    ROW("op g(x: f64[3]) -> f64[3] { out[i] = relu(x[i] - 2) + leaky_relu(x[i] - 2, slope=0.5) }", -0.5, 0, 2),
    ROW("op g(x: f64[2]) -> f64[2] { return x |> relu |> scale(3) }\nop scale(x: T[..]; by: float) -> T[..] { out[..] = x[..] * by }\nop h(x: f64[2]) -> f64[2] { return g(x) }", 3, 6),
    ROW("op g(x: f64[n, c]; rows: list = 0) -> f64[n, c] { return x }\nop total(xs: list) -> f64[] { s = 0 for x in xs { s = s + (sum[..] x[..]) } return s }\nop h(x: f64[2], y: f64[3]) -> f64[] { return total([x, y] + [x]) }", 6.6),
  };
  for (size_t i = 0; i + 1 < sizeof rows / sizeof *rows; i++) check_row(rows[i].text, rows[i].expected, rows[i].count, (symbol_values){0});
}

static void loops(void **state) {
  static const row rows[] = {
    ROW("op f(x: f64[2, 3]) -> f64[2] { h0 = zeros([2], f64) loop t: 3 carry h = h0 { h'[n] = 2 * h[n] + x[n, t] next h = h' } return h }", 11, 32),
    ROW("op f(x: f64[3]) -> f64[3] { loop t: 3 reverse carry s = sum[i] x[i] * 0 { next s = s + x[t] yield ss = s + x[t] } return ss }", 6, 5, 3),
    ROW("op f(x: f64[3]) -> f64[3] { loop t: 3 { y = x[2 - t] yield z = y } return z }", 3, 2, 1),
    ROW("op f(x: f64[2, 2]) -> f64[2, 2] { loop i: 2 { loop j: 2 { v = x[i, j] * 10 yield row = v } yield rows = row } return rows }", 10, 20, 30, 40),
  };
  CHECK_ROWS(rows);
}

static void symbolic(void **state) {
  check_row("op f(x: f64[n, d]) -> f64[n] where d >= 2 { out[i] = x[i, 1] }", (double[]){2, 5}, 2, (symbol_values){{"n", "d"}, {2, 3}});
  check_row("op f(x: f64[n]) -> f64[n + 1] { out[i] = x[i] else 7 }", (double[]){1, 2, 3, 7}, 4, (symbol_values){{"n"}, {3}});
  check_row("op f(x: f64[a, b]) -> f64[a*b] { return reshape(x, [a*b]) }", (double[]){1, 2, 3, 4, 5, 6}, 6, (symbol_values){{"a", "b"}, {2, 3}});
  check_row("op f(x: f64[h]) -> f64[h//2] where h % 2 == 0 { out[i] = x[2*i] + x[2*i + 1] }", (double[]){3, 7}, 2, (symbol_values){{"h"}, {4}});
}

static const char *const mlp =
  "net Mlp(x: f32[n, 4]; hidden: int = 3) -> f32[n, 2] {\n  labels [\"a\", \"b\"] top 2\n  for i in 0..2 { x = x |> linear(hidden) as layer[i] |> relu }\n  return linear(x, 2)\n}\n"
  "train Mlp {\n  data npy(\"x.npy\", \"y.npy\")\n  loss cross_entropy\n  metric accuracy\n  optimizer sgd(lr=cosine(0.1), momentum=0.9)\n  batch 8 epochs 2 seed 3\n}\n";

static void expect_names(const wf_function *f, wf_role role, const char *const *names) {
  int found = 0;
  for (int i = 0; i < f->inputs.count; i++)
    if (f->inputs.items[i]->role == role) assert_string_equal(f->inputs.items[i]->name, names[found++]);
  assert_null(names[found]);
}

static void training_functions(void **state) {
  compiled c = compile(mlp);
  const char *const params[] = {"layer.0.weight", "layer.0.bias", "layer.1.weight", "layer.1.bias", "linear.weight", "linear.bias", NULL};
  const char *const states[] = {"sgd.v.layer.0.weight", "sgd.v.layer.0.bias", "sgd.v.layer.1.weight", "sgd.v.layer.1.bias", "sgd.v.linear.weight", "sgd.v.linear.bias", NULL};
  const char *const data[] = {"x", "target", NULL};
  expect_names(function(&c, "step"), WF_ROLE_PARAM, params);
  expect_names(function(&c, "step"), WF_ROLE_STATE, states);
  expect_names(function(&c, "step"), WF_ROLE_DATA, data);
  expect_names(function(&c, "eval"), WF_ROLE_PARAM, params);
  assert_ptr_equal(c.result->module->functions.items[0], function(&c, "init"));
  assert_int_equal(function(&c, "init")->results.count, 12);
  int updates = 0;
  for (int i = 0; i < function(&c, "step")->ops.count; i++) updates += function(&c, "step")->ops.items[i]->kind == WF_O_UPDATE;
  assert_int_equal(updates, 12);
  assert_int_equal(c.result->train->batch, 8);
  assert_int_equal(c.result->train->labels.count, 2);
  assert_int_equal(c.result->train->top, 2);
  wf_arena_destroy(c.arena);
}

static void initialisers(void **state) {
  compiled c = compile("net N(x: f32[n, 4]) -> f32[n, 3] {\n  param a: f32[3] = 0.5\n  state b: i64[2] = 7\n  param c: f32[100] = uniform(0.25)\n  param d: f32[100] = uniform(0.25)\n"
                       "  update b = b + 1\n  out[i, j] = x[i, 0] * a[j] + c[0] + d[0]\n}\n");
  wf_tensor *results[8];
  run(&c, "init", (symbol_values){0}, results, NULL);
  assert_float_equal(results[0]->floats[2], 0.5, 0);
  assert_int_equal(results[1]->integers[1], 7);
  double sum = 0;
  bool differ = false;
  for (int i = 0; i < 100; i++) {
    assert_true(results[2]->floats[i] >= -0.25 && results[2]->floats[i] < 0.25);
    sum += results[2]->floats[i];
    differ = differ || results[2]->floats[i] != results[3]->floats[i];   // another site, other numbers
  }
  assert_true(fabs(sum) < 10 && differ);
  for (int i = 0; i < function(&c, "infer")->ops.count; i++) assert_int_not_equal(function(&c, "infer")->ops.items[i]->kind, WF_O_UPDATE);
  wf_arena_destroy(c.arena);
}

static void settings(void **state) {
  const wf_setting sets[] = {{"hidden", "5"}, {"batch", "2"}, {"optimizer.lr", "0.5"}};
  compiled c = compile_with(mlp, sets, 3);
  assert_non_null(c.result);
  assert_int_equal(c.result->train->batch, 2);
  int64_t extent;
  assert_true(wf_dim_is_const(wf_function_find_value(function(&c, "step"), "layer.0.weight")->shape[0], &extent));
  assert_int_equal(extent, 5);
  wf_arena_destroy(c.arena);
  const wf_setting wrong[] = {{"hiden", "5"}};
  c = compile_with(mlp, wrong, 1);
  assert_null(c.result);
  assert_non_null(strstr(c.diag->list.items[0]->message, "hiden"));
  assert_non_null(strstr(c.diag->list.items[0]->notes.items[0]->message, "hidden"));
  wf_arena_destroy(c.arena);
}

// An argument that a source does not have read names[-1] (found by mutating examples).
static void wrong_source_argument(void **state) {
  compiled c = compile_with("net N(x: f32[n, 4]) { return linear(x, 2) }\ntrain N { data text(\"a\", 128, strde=64) loss mse optimizer sgd batch 2 epochs 1 }", NULL, 0);
  assert_null(c.result);
  assert_non_null(strstr(c.diag->list.items[0]->message, "strde"));
  wf_arena_destroy(c.arena);
}

// The same text gives the same module, and a layer added elsewhere changes no random site.
static void random_sites(void **state) {
  const char *one = "net N(x: f32[n, 4]) -> f32[n, 4] { y = linear(x, 4) as b return dropout(y) }";
  const char *two = "net N(x: f32[n, 4]) -> f32[n, 4] { z = linear(x, 4) as a y = linear(z, 4) as b return dropout(y) }";
  compiled a = compile(one), b = compile(two);
  const wf_value *wa = NULL, *wb = NULL;
  for (int i = 0; i < function(&a, "init")->results.count; i++)
    if (!strcmp(function(&a, "init")->results.items[i].name, "b.weight")) wa = function(&a, "init")->results.items[i].value;
  for (int i = 0; i < function(&b, "init")->results.count; i++)
    if (!strcmp(function(&b, "init")->results.items[i].name, "b.weight")) wb = function(&b, "init")->results.items[i].value;
  wf_text ta, tb;
  wf_text_init(&ta), wf_text_init(&tb);
  wf_print_expr(&ta, wa->def->body), wf_print_expr(&tb, wb->def->body);
  assert_string_equal(ta.data, tb.data);
  wf_text_deinit(&ta), wf_text_deinit(&tb);
  wf_arena_destroy(a.arena), wf_arena_destroy(b.arena);
}

// ---- limits -------------------------------------------------------------------------------------------------------------------
static void limits(void **state) {
  static const struct { const char *text, *message; } rows[] = {
    {"op f(x: f32[2]) -> f32[2] { for i in 0..1000000000 { let a = i } return x }", "statements"},
    {"op f(x: f32[2]) -> f32[2] { for i in 0..1000000 { for j in 0..1000000 { } } return x }", "statements"},
    {"net f(x: f32[2, 4]) -> f32[2, 4] { for i in 0..2000000 { x = linear(x, 4) } return x }", "statements"},
    {"op f(x: f32[2]) -> f32[2] { return f(x) }", "nested deeper"},
    {"op f(x: f32[2]) -> f32[2] { y = zeros([1000000, 1000000, 1000000]) return x }", "elements"},
    {"op f(x: f32[2]) -> f32[2] { y[i: 10000000, j: 10000000] = x[i % 2] return x }", "elements"},
    {"op f(x: f32[n, 4611686018427387904, 4611686018427387904]) -> f32[n] { return zeros([n]) }", "elements"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    compiled c = compile_with(rows[i].text, NULL, 0);
    if (c.result) fail_msg("%s: no error", rows[i].text);
    assert_true(c.diag->errors >= 1 && c.diag->errors < 5);
    bool found = false;
    for (int k = 0; k < c.diag->list.count; k++) found = found || strstr(c.diag->list.items[k]->message, rows[i].message);
    if (!found) {
      wf_diag_print(c.diag, stderr, false);
      fail_msg("%s: no error says `%s`", rows[i].text, rows[i].message);
    }
    wf_arena_destroy(c.arena);
  }
}

// Depth of expressions times depth of calls: what the stack sees.
static void deep_calls(void **state) {
  wf_text text;
  wf_text_init(&text);
  wf_text_add(&text, "op f(x: f32[2]) -> f32[2] { return f(x)");
  for (int i = 0; i < 900; i++) wf_text_add(&text, " + 1");
  wf_text_add(&text, " }");
  compiled c = compile_with(text.data, NULL, 0);
  assert_null(c.result);
  assert_non_null(strstr(c.diag->list.items[0]->message, "nested deeper"));
  wf_text_deinit(&text);
  wf_arena_destroy(c.arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(definitions), cmocka_unit_test(whole_tensors), cmocka_unit_test(control), cmocka_unit_test(loops),
    cmocka_unit_test(symbolic), cmocka_unit_test(training_functions), cmocka_unit_test(initialisers), cmocka_unit_test(settings),
    cmocka_unit_test(wrong_source_argument), cmocka_unit_test(random_sites), cmocka_unit_test(limits), cmocka_unit_test(deep_calls),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
