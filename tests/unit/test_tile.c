// tile: each kind of computation as a kernel, at ragged, tiny and symbolic sizes, against the reference evaluator.
#include "passes/schedule.h"
#include "tests/unit/tile_support.h"

static int check_host(char *text, const char *passes) {
  tile_case test = {.text = text, .passes = passes, .tolerance = 1e-6};
  int launches = tile_check(&test);
  free(text);
  return launches;
}

// On the host, and as a thread program of a GPU.
static int check(char *text, const char *passes) {
  tile_check_gpu(&(tile_case){.text = text, .passes = passes, .tolerance = 1e-6});
  return check_host(text, passes);
}

static void elementwise_has_ragged_tails(void **state) {
  static const int sizes[] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 100};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    int n = sizes[i];
    check(tile_format("func @f(%%x: f32[5, %d] data, %%b: f32[%d] param) -> (y: %%y) {\n"
                 "  %%y: f32[5, %d] = compute [i: 5, j: %d] max(%%x[i, j] + %%b[j], 0)\n}\n", n, n, n, n), "tile");
  }
}

static void long_axis_is_split_into_tasks(void **state) {
  check(tile_format("func @f(%%x: f32[100003] data) -> (y: %%y) {\n"
               "  %%y: f32[100003] = compute [i: 100003] %%x[i] * %%x[i] + 1\n}\n"), "tile");
}

static void symbolic_extents_run_at_any_size(void **state) {
  static const int64_t sizes[] = {1, 5, 8, 33};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    tile_case test = {.text = "func @f(%x: f32[n, 3] data, %t: f32[3, n] data) -> (y: %y, z: %z, s: %s) {\n"
                              "  %y: f32[n, 3] = compute [i: n, j: 3] %x[i, j] - %t[j, i]\n"
                              "  %z: f32[n] = compute [i: n] sum[j: 3] %t[j, i]\n"
                              "  %s: f32[3] = compute [j: 3] sum[i: n] %t[j, i]\n}\n",
                      .symbol = "n", .value = sizes[i], .passes = "tile", .tolerance = 1e-6};
    tile_check(&test);
    tile_check_gpu(&test);
  }
}

static void reductions_along_any_axis(void **state) {
  static const char *const combiners[] = {"sum", "max", "min", "prod"};
  for (int c = 0; c < 4; c++) {
    for (int n = 1; n <= 37; n += 9) {
      const char *name = combiners[c];
      check(tile_format("func @f(%%x: f32[%d, 6, %d] data) -> (a: %%a, b: %%b, c: %%c) {\n"
                   "  %%a: f32[%d, 6] = compute [i: %d, j: 6] %s[k: %d] %%x[i, j, k]\n"
                   "  %%b: f32[6, %d] = compute [j: 6, k: %d] %s[i: %d] %%x[i, j, k]\n"
                   "  %%c: f32[] = compute [] %s[i: %d, j: 6, k: %d] %%x[i, j, k]\n}\n",
                   n, n + 3, n, n, name, n + 3, n + 3, n + 3, name, n, name, n, n + 3), "tile");
    }
  }
}

static void arg_reductions_take_the_first_point(void **state) {
  check(tile_format("func @f(%%x: f32[4, 6, 8] data) -> (a: %%a, b: %%b, c: %%c) {\n"
               "  %%a: i64[4, 6] = compute [i: 4, j: 6] argmax[k: 8] %%x[i, j, k]\n"
               "  %%b: u8[6, 8] = compute [j: 6, k: 8] argmin[i: 4] %%x[i, j, k]\n"
               "  %%c: i64[8] = compute [k: 8] argmax[i: 4, j: 6] %%x[i, j, k]\n}\n"), "tile");
}

static void split_sums_keep_their_value(void **state) {
  int launches = check(tile_format("func @f(%%x: f32[64, 300, 16] data) -> (a: %%a) {\n"
                              "  %%a: f32[16] = compute [k: 16] sum[i: 64, j: 300] %%x[i, j, k]\n}\n"), "tile");
  assert_int_equal(launches, 2);
}

// Prime lengths leave a ragged last part; sums over the same points are cut together; a maximum starts from -inf.
static void long_sums_are_cut_for_gpus(void **state) {
  tile_case test = {.text = "func @f(%x: f32[70003] data, %g: f32[n, 3, 40, 50] data) -> (a: %a, b: %b, c: %c, m: %m) {\n"
                            "  %a: f32[] = compute [] sum[i: 70003] %x[i] * %x[i]\n"
                            "  %m: f32[] = compute [] max[i: 70003] -%x[i] - 5\n"
                            "  %b: f32[3] = compute [c: 3] sum[n: n, h: 40, w: 50] %g[n, c, h, w]\n"
                            "  %c: f32[3] = compute [c: 3] sum[n: n, h: 40, w: 50] %g[n, c, h, w] * %g[n, c, h, w]\n}\n",
                    .symbol = "n", .value = 5, .passes = "fuse,layout,tile", .tolerance = 1e-6};
  assert_int_equal(tile_check_gpu(&test), 4);
}

static void scatter_by_owners(void **state) {
  check(tile_format("func @f(%%g: f32[9, 21] data, %%ids: i64[9] data) -> (y: %%y, z: %%z) {\n"
               "  %%y: f32[5, 21] = scatter sum [i: 9, d: 21] at [%%ids[i], d] %%g[i, d]\n"
               "  %%z: f32[5] = scatter sum [i: 9] at [%%ids[i]] %%g[i, 0]\n}\n"), "tile");
}

// Results with more elements than threads are cut into slabs; some targets lie outside.
static void large_scatters_have_slabs(void **state) {
  tile_case test = {.text = "func @f(%onto: f32[300, 40, 20] data, %g: f32[8, 20] data, %rows: i64[8] data, %columns: i64[8] data) -> (y: %y, z: %z) {\n"
                            "  %y: f32[300, 40, 20] = scatter sum onto %onto [i: 8, d: 20] at [%rows[i] * 7, %columns[i] * 11 - 3, d] %g[i, d]\n"
                            "  %z: f32[20, 9] = scatter max [i: 8, d: 20] at [d, %columns[i] * 2] %g[i, d]\n}\n",
                    .passes = "tile", .tolerance = 1e-6};
  tile_check_gpu(&test);
}

static void gather_reads_by_index(void **state) {
  check(tile_format("func @f(%%t: f32[5, 19] data, %%ids: i64[9] data) -> (y: %%y) {\n"
               "  %%y: f32[9, 19] = compute [i: 9, d: 19] %%t[%%ids[i], d]\n}\n"), "tile");
}

// Every transposition of both operands; sizes that leave ragged tiles everywhere.
static void contractions_of_all_transpositions(void **state) {
  static const int sizes[][3] = {{64, 64, 64}, {97, 65, 43}, {70, 33, 300}, {200, 48, 31}, {6, 300, 150}, {50, 17, 700}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    for (int form = 0; form < 8; form++) {
      int m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
      bool at = form & 1, bt = form & 2, ct = form & 4;
      int launches = check_host(tile_format("func @f(%%a: f32[%d, %d] data, %%b: f32[%d, %d] data) -> (c: %%c) {\n"
                                  "  %%c: f32[%d, %d] = compute [%s: %d, %s: %d] sum[k: %d] %%a[%s] * %%b[%s]\n}\n",
                                  at ? k : m, at ? m : k, bt ? n : k, bt ? k : n, ct ? n : m, ct ? m : n, ct ? "j" : "i", ct ? n : m,
                                  ct ? "i" : "j", ct ? m : n, k, at ? "k, i" : "i, k", bt ? "j, k" : "k, j"), "tile");
      assert_in_range(launches, 1, 2);
    }
  }
}

static void contraction_with_symbolic_rows(void **state) {
  static const int64_t sizes[] = {1, 7, 100};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    tile_case test = {.text = "func @f(%x: f32[n, 90] data, %w: f32[70, 90] param, %g: f32[n, 70] data) -> (y: %y, dw: %dw, dx: %dx) {\n"
                              "  %y: f32[n, 70] = compute [i: n, o: 70] sum[c: 90] %x[i, c] * %w[o, c]\n"
                              "  %dw: f32[70, 90] = compute [o: 70, c: 90] sum[i: n] %g[i, o] * %x[i, c]\n"
                              "  %dx: f32[n, 90] = compute [i: n, c: 90] sum[o: 70] %g[i, o] * %w[o, c]\n}\n",
                      .symbol = "n", .value = sizes[i], .passes = "tile", .tolerance = 1e-6};
    tile_check(&test);
  }
}

// Forward, data gradient and weight gradient of a padded convolution: guards become zeros of the packed copies.
static void convolution_and_its_gradients(void **state) {
  static const int channels[][2] = {{3, 16}, {16, 24}};
  for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
    int c = channels[i][0], o = channels[i][1];
    check_host(tile_format("func @f(%%x: f32[3, %d, 10, 12] data, %%w: f32[%d, %d, 3, 3] param, %%g: f32[3, %d, 10, 12] data) -> (y: %%y, dx: %%dx, dw: %%dw) {\n"
                 "  %%y: f32[3, %d, 10, 12] = compute [n: 3, o: %d, y: 10, x: 12] sum[c: %d, r: 3, s: 3] (%%x[n, c, y + r - 1, x + s - 1] else 0) * %%w[o, c, r, s]\n"
                 "  %%dx: f32[3, %d, 10, 12] = compute [n: 3, c: %d, y: 10, x: 12] sum[o: %d, r: 3, s: 3] (%%g[n, o, y - r + 1, x - s + 1] else 0) * %%w[o, c, r, s]\n"
                 "  %%dw: f32[%d, %d, 3, 3] = compute [o: %d, c: %d, r: 3, s: 3] sum[n: 3, y: 10, x: 12] %%g[n, o, y, x] * (%%x[n, c, y + r - 1, x + s - 1] else 0)\n}\n",
                 c, o, c, o, o, o, c, c, c, o, o, c, o, c), "tile");
  }
}

static void batched_and_grouped_contractions(void **state) {
  check_host(tile_format("func @f(%%q: f32[2, 3, 40, 32] data, %%k: f32[2, 3, 40, 32] data, %%x: f32[2, 2, 20, 9, 9] data, %%w: f32[2, 24, 20, 3, 3] param) -> (s: %%s, y: %%y) {\n"
               "  %%s: f32[2, 3, 40, 40] = compute [b: 2, h: 3, i: 40, j: 40] sum[d: 32] %%q[b, h, i, d] * %%k[b, h, j, d]\n"
               "  %%y: f32[2, 2, 24, 9, 9] = compute [n: 2, g: 2, o: 24, y: 9, x: 9] sum[c: 20, r: 3, s: 3] (%%x[n, g, c, y + r - 1, x + s - 1] else 0) * %%w[g, o, c, r, s]\n}\n"), "tile");
}

// Heads merged into one axis: o is taken apart into a head (batch) and a place in it (n).
static void merged_heads_are_contractions(void **state) {
  int launches = check_host(tile_format("func @f(%%p: f32[2, 4, 40, 48] data, %%v: f32[2, 48, 64] data) -> (y: %%y) {\n"
                              "  %%y: f32[2, 40, 64] = compute [b: 2, t: 40, o: 64] sum[i: 48] %%p[b, o//16, t, i] * %%v[b, i, o]\n}\n"), "tile");
  assert_int_equal(launches, 1);
  wf_arena *arena = wf_arena_create();
  wf_module *module = wf_parse_module(arena, wf_diag_create(arena), wf_source_from_text(arena, "t.wir",
      "func @f(%p: f32[2, 4, 64, 64] data, %v: f32[2, 64, 64] data) -> (y: %y) {\n"
      "  %y: f32[2, 64, 64] = compute [b: 2, t: 64, o: 64] sum[i: 64] %p[b, o//16, t, i] * %v[b, i, o]\n}\n"));
  assert_true(wf_pipeline_run(module, "tile{target=x86-64-v3}", &(wf_pipeline_hooks){.verify = true}));
  wf_text text;
  wf_text_init(&text);
  wf_print_module(&text, module);
  assert_non_null(strstr(text.data, "f32[6, 16] register"));
  wf_text_deinit(&text);
  wf_arena_destroy(arena);
}

// The gradient of a 1x1 convolution has a window of one point that neither operand is read by.
static void unit_axes_belong_to_either_side(void **state) {
  const char *text = "func @f(%d: f32[8, 24, 7, 7] data, %x: f32[8, 32, 14, 14] data) -> (y: %y) {\n"
                     "  %y: f32[24, 32, 1, 1] = compute [o: 24, k: 32, r: 1, s: 1] sum[n: 8, i: 7, j: 7] %d[n, o, i, j] * %x[n, k, 2*i, 2*j]\n}\n";
  check_host(strdup(text), "tile");
  wf_arena *arena = wf_arena_create();
  wf_module *module = wf_parse_module(arena, wf_diag_create(arena), wf_source_from_text(arena, "t.wir", text));
  wf_tile_target target;
  wf_contraction c;
  assert_true(wf_tile_target_from(module, "sm_80", &target));
  assert_true(wf_classify_contraction(module, module->functions.items[0]->ops.items[0], target, &c));
  assert_true(wf_tile_target_from(module, "x86-64-v3", &target));
  assert_true(wf_classify_contraction(module, module->functions.items[0]->ops.items[0], target, &c));
  wf_arena_destroy(arena);
}

static void long_sums_of_few_results_are_cut(void **state) {
  int launches = check_host(tile_format("func @f(%%a: f32[16, 400, 20] data, %%b: f32[16, 400, 24] data) -> (c: %%c) {\n"
                              "  %%c: f32[20, 24] = compute [i: 20, j: 24] sum[n: 16, k: 400] %%a[n, k, i] * %%b[n, k, j]\n}\n"), "tile");
  assert_in_range(launches, 2, 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(elementwise_has_ragged_tails), cmocka_unit_test(long_axis_is_split_into_tasks),
      cmocka_unit_test(symbolic_extents_run_at_any_size), cmocka_unit_test(reductions_along_any_axis),
      cmocka_unit_test(arg_reductions_take_the_first_point), cmocka_unit_test(split_sums_keep_their_value),
      cmocka_unit_test(long_sums_are_cut_for_gpus), cmocka_unit_test(scatter_by_owners), cmocka_unit_test(large_scatters_have_slabs), cmocka_unit_test(gather_reads_by_index),
      cmocka_unit_test(contractions_of_all_transpositions), cmocka_unit_test(contraction_with_symbolic_rows),
      cmocka_unit_test(convolution_and_its_gradients), cmocka_unit_test(batched_and_grouped_contractions),
      cmocka_unit_test(long_sums_of_few_results_are_cut), cmocka_unit_test(merged_heads_are_contractions),
      cmocka_unit_test(unit_axes_belong_to_either_side),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
