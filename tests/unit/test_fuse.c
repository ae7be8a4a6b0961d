// fuse: what ends up in one launch, and that fused kernels compute what the operations say.
#include "tests/unit/tile_support.h"

static int check(const char *text, const char *symbol, int64_t value, double tolerance) {
  tile_case test = {.text = text, .symbol = symbol, .value = value, .passes = "fuse,layout,tile", .tolerance = tolerance};
  tile_check_gpu(&test);
  return tile_check(&test);
}

static void bias_and_relu_are_stored_with_the_tiles(void **state) {
  int launches = check("func @f(%x: f32[70, 90] data, %w: f32[90, 100] param, %b: f32[100] param) -> (a: %a) {\n"
                       "  %h: f32[70, 100] = compute [i: 70, o: 100] sum[c: 90] %x[i, c] * %w[c, o]\n"
                       "  %z: f32[70, 100] = compute [i: 70, o: 100] %h[i, o] + %b[o]\n"
                       "  %a: f32[70, 100] = compute [i: 70, o: 100] select(%z[i, o] <= 0, 0, %z[i, o])\n}\n", NULL, 0, 1e-6);
  assert_int_equal(launches, 1);
}

static void elementwise_chains_are_one_launch(void **state) {
  int launches = check("func @f(%x: f32[n, 37] data) -> (c: %c) {\n"
                       "  %a: f32[n, 37] = compute [i: n, j: 37] %x[i, j] * 2\n"
                       "  %b: f32[n, 37] = compute [i: n, j: 37] %a[i, j] + %x[i, j]\n"
                       "  %c: f32[n, 37] = compute [i: n, j: 37] max(%b[i, j], %a[i, j])\n}\n", "n", 13, 1e-6);
  assert_int_equal(launches, 1);
}

static void softmax_is_one_launch(void **state) {
  static const int64_t sizes[] = {1, 40};
  for (int i = 0; i < 2; i++) {
    int launches = check("func @f(%x: f32[n, 43] data) -> (p: %p) {\n"
                         "  %m: f32[n] = compute [i: n] max[j: 43] %x[i, j]\n"
                         "  %e: f32[n, 43] = compute [i: n, j: 43] exp(%x[i, j] - %m[i])\n"
                         "  %s: f32[n] = compute [i: n] sum[j: 43] %e[i, j]\n"
                         "  %p: f32[n, 43] = compute [i: n, j: 43] %e[i, j] / %s[i]\n}\n", "n", sizes[i], 1e-5);
    assert_int_equal(launches, 1);
  }
}

static void layer_norm_is_one_launch(void **state) {
  int launches = check("func @f(%x: f32[3, 20, 100] data, %g: f32[100] param) -> (y: %y) {\n"
                       "  %t: f32[3, 20] = compute [b: 3, t: 20] sum[d: 100] %x[b, t, d]\n"
                       "  %m: f32[3, 20] = compute [b: 3, t: 20] %t[b, t] * 0.01\n"
                       "  %v: f32[3, 20] = compute [b: 3, t: 20] sum[d: 100] (%x[b, t, d] - %m[b, t]) * (%x[b, t, d] - %m[b, t])\n"
                       "  %y: f32[3, 20, 100] = compute [b: 3, t: 20, d: 100] (%x[b, t, d] - %m[b, t]) * rsqrt(%v[b, t] * 0.01 + 0.00001) * %g[d]\n}\n",
                       NULL, 0, 1e-5);
  assert_int_equal(launches, 1);
}

static void optimizer_step_of_all_parameters_is_one_launch(void **state) {
  int launches = check("func @f(%p: f32[30, 7] param, %q: f32[19] param, %m: f32[30, 7] state, %k: f32[19] state, %g: f32[30, 7] data, %d: f32[19] data) -> () {\n"
                       "  %v: f32[30, 7] = compute [i: 30, j: 7] 0.5 * %m[i, j] + %g[i, j]\n"
                       "  %a: f32[30, 7] = compute [i: 30, j: 7] %p[i, j] - 0.25 * %v[i, j]\n"
                       "  %w: f32[19] = compute [i: 19] 0.5 * %k[i] + %d[i]\n"
                       "  %b: f32[19] = compute [i: 19] %q[i] - 0.25 * %w[i]\n"
                       "  update %m = %v\n  update %p = %a\n  update %k = %w\n  update %q = %b\n}\n", NULL, 0, 1e-6);
  assert_int_equal(launches, 1);
}

static void pooling_keeps_maximum_and_place(void **state) {
  int launches = check("func @f(%x: f32[2, 20, 6, 8] data, %g: f32[2, 20, 3, 4] data) -> (p: %p, d: %d) {\n"
                       "  %a: f32[2, 20, 6, 8] = compute [n: 2, c: 20, y: 6, x: 8] select(%x[n, c, y, x] <= 0, 0, %x[n, c, y, x])\n"
                       "  %p: f32[2, 20, 3, 4] = compute [n: 2, c: 20, i: 3, j: 4] max[r: 2, s: 2] %a[n, c, 2*i + r, 2*j + s]\n"
                       "  %k: i64[2, 20, 3, 4] = compute [n: 2, c: 20, i: 3, j: 4] argmax[r: 2, s: 2] %a[n, c, 2*i + r, 2*j + s]\n"
                       "  %d: f32[2, 20, 6, 8] = compute [n: 2, c: 20, y: 6, x: 8] select(%k[n, c, y//2, x//2] == 2*(y%2) + x%2, %g[n, c, y//2, x//2], 0)\n}\n",
                       NULL, 0, 1e-6);
  assert_int_equal(launches, 2);
}

// A convolution between elementwise operations, with both gradients: channels-last storage inside, row-major outside.
static void convolution_chain_with_layouts(void **state) {
  check("func @f(%x: f32[4, 3, 16, 16] data, %w: f32[32, 3, 3, 3] param, %u: f32[48, 32, 3, 3] param, %g: f32[4, 48, 16, 16] data) -> (s: %s, du: %du, dw: %dw) {\n"
        "  %c: f32[4, 32, 16, 16] = compute [n: 4, o: 32, y: 16, x: 16] sum[c: 3, r: 3, s: 3] (%x[n, c, y + r - 1, x + s - 1] else 0) * %w[o, c, r, s]\n"
        "  %a: f32[4, 32, 16, 16] = compute [n: 4, o: 32, y: 16, x: 16] select(%c[n, o, y, x] <= 0, 0, %c[n, o, y, x])\n"
        "  %e: f32[4, 48, 16, 16] = compute [n: 4, o: 48, y: 16, x: 16] sum[c: 32, r: 3, s: 3] (%a[n, c, y + r - 1, x + s - 1] else 0) * %u[o, c, r, s]\n"
        "  %s: f32[4, 48] = compute [n: 4, o: 48] sum[y: 16, x: 16] %e[n, o, y, x] * %g[n, o, y, x]\n"
        "  %du: f32[48, 32, 3, 3] = compute [o: 48, c: 32, r: 3, s: 3] sum[n: 4, y: 16, x: 16] %g[n, o, y, x] * (%a[n, c, y + r - 1, x + s - 1] else 0)\n"
        "  %da: f32[4, 32, 16, 16] = compute [n: 4, c: 32, y: 16, x: 16] sum[o: 48, r: 3, s: 3] (%g[n, o, y - r + 1, x - s + 1] else 0) * %u[o, c, r, s]\n"
        "  %dc: f32[4, 32, 16, 16] = compute [n: 4, o: 32, y: 16, x: 16] select(%c[n, o, y, x] <= 0, 0, %da[n, o, y, x])\n"
        "  %dw: f32[32, 3, 3, 3] = compute [o: 32, c: 3, r: 3, s: 3] sum[n: 4, y: 16, x: 16] %dc[n, o, y, x] * (%x[n, c, y + r - 1, x + s - 1] else 0)\n}\n",
        NULL, 0, 1e-5);
}

// A half-precision value keeps its rounding when its store is fused away.
static void narrow_values_round_when_fused(void **state) {
  char *out = tile_text_after("func @f(%x: f32[8] data) -> (b: %b) {\n"
                              "  %a: bf16[8] = compute [i: 8] %x[i] * 1.0078125\n"
                              "  %b: f32[8] = compute [i: 8] %a[i] * 1.00390625\n}\n", "fuse", false);
  assert_non_null(strstr(out, "bf16("));
  assert_null(strstr(out, "%a"));
  free(out);
}

static void precision_changes_types(void **state) {
  const char *text = "func @f(%x: f32[8, 4] data, %w: f32[6, 4] param) -> (y: %y, r: %r) {\n"
                     "  %y: f32[8, 6] = compute [i: 8, o: 6] sum[c: 4] %x[i, c] * %w[o, c]\n"
                     "  %r: f32[8, 6] = compute [i: 8, o: 6] exp(%y[i, o]) * 0.1\n}\n";
  char *wide = tile_text_after(text, "precision{to=f64},fuse,tile", false), *narrow = tile_text_after(text, "precision{compute=bf16}", false);
  assert_null(strstr(wide, "f32"));
  assert_non_null(strstr(wide, "* 0.1"));
  assert_non_null(strstr(narrow, "bf16(%x[i, c])"));
  assert_non_null(strstr(narrow, "%y: f32[8, 6]"));
  free(wide);
  free(narrow);
}

static void attention_is_few_launches(void **state) {
  int launches = check("func @f(%q: f32[2, 3, 40, 32] data, %k: f32[2, 3, 40, 32] data, %v: f32[2, 3, 40, 32] data) -> (o: %o) {\n"
                       "  %s: f32[2, 3, 40, 40] = compute [b: 2, h: 3, i: 40, j: 40] sum[d: 32] %q[b, h, i, d] * %k[b, h, j, d]\n"
                       "  %z: f32[2, 3, 40, 40] = compute [b: 2, h: 3, i: 40, j: 40] select(j <= i, %s[b, h, i, j] * 0.125, -1000)\n"
                       "  %m: f32[2, 3, 40] = compute [b: 2, h: 3, i: 40] max[j: 40] %z[b, h, i, j]\n"
                       "  %e: f32[2, 3, 40, 40] = compute [b: 2, h: 3, i: 40, j: 40] exp(%z[b, h, i, j] - %m[b, h, i])\n"
                       "  %l: f32[2, 3, 40] = compute [b: 2, h: 3, i: 40] sum[j: 40] %e[b, h, i, j]\n"
                       "  %p: f32[2, 3, 40, 40] = compute [b: 2, h: 3, i: 40, j: 40] %e[b, h, i, j] / %l[b, h, i]\n"
                       "  %o: f32[2, 3, 40, 32] = compute [b: 2, h: 3, i: 40, d: 32] sum[j: 40] %p[b, h, i, j] * %v[b, h, j, d]\n}\n",
                       NULL, 0, 1e-5);
  assert_int_equal(launches, 3);
}

static void in_place_updates(void **state) {
  wf_arena *arena = wf_arena_create();
  wf_diag *diag = wf_diag_create(arena);
  const char *text = "func @f(%p: f32[30] param, %m: f32[30] state, %g: f32[30] data, %t: f32[30, 30] param) -> (s: %s) {\n"
                     "  %v: f32[30] = compute [i: 30] 0.5 * %m[i] + %g[i]\n"
                     "  %a: f32[30] = compute [i: 30] %p[i] - 0.25 * %v[i]\n"
                     "  %s: f32[] = compute [] sum[i: 30] %p[i] * %g[i]\n"
                     "  %n: f32[30, 30] = compute [i: 30, j: 30] %t[j, i]\n"
                     "  update %m = %v\n  update %p = %a\n  update %t = %n\n}\n";
  wf_module *module = wf_parse_module(arena, diag, wf_source_from_text(arena, "t.wir", text));
  assert_non_null(module);
  assert_true(wf_pipeline_run(module, "fuse,tile,plan-memory", &(wf_pipeline_hooks){.verify = true}));
  wf_function *f = module->functions.items[0];
  assert_ptr_equal(wf_function_find_value(f, "v")->alias_of, wf_function_find_value(f, "m"));
  assert_ptr_equal(wf_function_find_value(f, "a")->alias_of, wf_function_find_value(f, "p"));
  assert_null(wf_function_find_value(f, "n")->alias_of);   // a transposition reads elements that it has overwritten
  wf_arena_destroy(arena);
}

// The optimizer step is stored with the tiles of the weight gradient, over the old weights and the old momentum.
static void weight_update_is_stored_with_its_gradient(void **state) {
  const char *text = "func @f(%w: f32[70, 90] param, %m: f32[70, 90] state, %g: f32[100, 70] data, %x: f32[100, 90] data) -> () {\n"
                     "  %d: f32[70, 90] = compute [o: 70, c: 90] sum[n: 100] %g[n, o] * %x[n, c]\n"
                     "  %v: f32[70, 90] = compute [o: 70, c: 90] 0.5 * %m[o, c] + %d[o, c]\n"
                     "  %a: f32[70, 90] = compute [o: 70, c: 90] %w[o, c] - 0.25 * %v[o, c]\n"
                     "  update %m = %v\n  update %w = %a\n}\n";
  assert_int_equal(check(text, NULL, 0, 1e-6), 1);
  wf_arena *arena = wf_arena_create();
  wf_module *module = wf_parse_module(arena, wf_diag_create(arena), wf_source_from_text(arena, "t.wir", text));
  assert_true(wf_pipeline_run(module, "fuse,tile,plan-memory", &(wf_pipeline_hooks){.verify = true}));
  wf_function *f = module->functions.items[0];
  assert_ptr_equal(wf_function_find_value(f, "v")->alias_of, wf_function_find_value(f, "m"));
  assert_ptr_equal(wf_function_find_value(f, "a")->alias_of, wf_function_find_value(f, "w"));
  wf_arena_destroy(arena);
}

// The search groups otherwise than greedy, and the numbers stay.
static void search_keeps_the_numbers(void **state) {
  const char *text = "func @f(%x: f32[128, 200] data, %w: f32[128, 200] param, %b: f32[128] param, %v: f32[10, 128] param) -> (q: %q, m: %m) {\n"
                     "  %s: f32[128, 128] = compute [i: 128, o: 128] sum[k: 200] %x[i, k] * %w[o, k]\n"
                     "  %f: f32[128, 128] = compute [i: 128, o: 128] %s[i, o] * 0.0625 + %b[o]\n"
                     "  %r: f32[128, 128] = compute [i: 128, o: 128] select(%f[i, o] <= 0, 0, %f[i, o])\n"
                     "  %d: f32[128, 128] = compute [i: 128, o: 128] %r[i, o] * 0.25\n"
                     "  %z: f32[128, 10] = compute [i: 128, o: 10] sum[k: 128] %d[i, k] * %v[o, k]\n"
                     "  %m: f32[128] = compute [i: 128] max[o: 10] %z[i, o]\n"
                     "  %g: f32[128, 128] = compute [i: 128, k: 128] sum[o: 10] (%z[i, o] - %m[i]) * %v[o, k]\n"
                     "  %q: f32[128, 128] = compute [i: 128, o: 128] select(%r[i, o] <= 0, 0, %g[i, o])\n}\n";
  tile_case test = {.text = text, .passes = "fuse{strategy=search},layout,tile", .tolerance = 1e-4};
  tile_check(&test);
  char *greedy = tile_text_after(text, "fuse", false), *found = tile_text_after(text, "fuse{strategy=search}", false);
  char *again = tile_text_after(text, "fuse{strategy=search}", false);
  assert_string_not_equal(greedy, found);
  assert_string_equal(found, again);
  free(greedy);
  free(found);
  free(again);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bias_and_relu_are_stored_with_the_tiles), cmocka_unit_test(elementwise_chains_are_one_launch),
      cmocka_unit_test(softmax_is_one_launch), cmocka_unit_test(layer_norm_is_one_launch),
      cmocka_unit_test(optimizer_step_of_all_parameters_is_one_launch), cmocka_unit_test(pooling_keeps_maximum_and_place),
      cmocka_unit_test(convolution_chain_with_layouts), cmocka_unit_test(narrow_values_round_when_fused),
      cmocka_unit_test(attention_is_few_launches), cmocka_unit_test(precision_changes_types), cmocka_unit_test(in_place_updates),
      cmocka_unit_test(weight_update_is_stored_with_its_gradient), cmocka_unit_test(search_keeps_the_numbers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
