// tile for a GPU: contractions as thread programs in the interpreter and as PTX, at ragged, tiny and symbolic sizes, against the
// reference.
#include "tests/unit/tile_support.h"

static const char *const both[] = {"fuse{target=sm_80},tile{target=sm_80}", "fuse{target=sm_90a},tile{target=sm_90a}"};

// Interpreted with the schedule of one GPU, as PTX with that of the other. `stored`: what rounding of results may do.
static int run(const tile_case *test, double stored) {
  tile_case interpreted = *test, compiled = *test;
  interpreted.passes = both[0];
  interpreted.tolerance = 1e-6;
  interpreted.interpret = true;
  compiled.passes = both[1];
  compiled.tolerance = stored;
  compiled.machine = "sm_90a";
  tile_check(&compiled);
  return tile_check(&interpreted);
}

static int check(char *text) {
  int launches = run(&(tile_case){.text = text}, 1e-6);
  free(text);
  return launches;
}

static void check_compiled(char *text) {
  tile_check(&(tile_case){.text = text, .passes = both[1], .tolerance = 1e-6, .machine = "sm_90a"});
  free(text);
}

// Every transposition of both operands and of the result; sizes that leave ragged blocks everywhere.
static void products_of_all_transpositions(void **state) {
  static const int sizes[][3] = {{64, 64, 64}, {97, 65, 43}, {70, 33, 130}, {6, 300, 150}, {200, 5, 290}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    for (int form = 0; form < 8; form++) {
      int m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
      bool at = form & 1, bt = form & 2, ct = form & 4;
      char *text = tile_format("func @f(%%a: f32[%d, %d] data, %%b: f32[%d, %d] data) -> (c: %%c) {\n"
                   "  %%c: f32[%d, %d] = compute [%s: %d, %s: %d] sum[k: %d] %%a[%s] * %%b[%s]\n}\n",
                   at ? k : m, at ? m : k, bt ? n : k, bt ? k : n, ct ? n : m, ct ? m : n, ct ? "j" : "i", ct ? n : m,
                   ct ? "i" : "j", ct ? m : n, k, at ? "k, i" : "i, k", bt ? "j, k" : "k, j");
      if ((form + (int)i) % 3 == 0) check(text);
      else check_compiled(text);
    }
  }
}

static void symbolic_extents_run_at_any_size(void **state) {
  static const int64_t sizes[] = {1, 7, 70};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    tile_case test = {.text = "func @f(%x: f32[n, 90] data, %w: f32[70, 90] param, %g: f32[n, 70] data) -> (y: %y, dw: %dw, dx: %dx) {\n"
                              "  %y: f32[n, 70] = compute [i: n, o: 70] sum[c: 90] %x[i, c] * %w[o, c]\n"
                              "  %dw: f32[70, 90] = compute [o: 70, c: 90] sum[i: n] %g[i, o] * %x[i, c]\n"
                              "  %dx: f32[n, 90] = compute [i: n, c: 90] sum[o: 70] %g[i, o] * %w[o, c]\n}\n",
                      .symbol = "n", .value = sizes[i]};
    run(&test, 1e-6);
  }
}

static void symbolic_batch_of_a_convolution(void **state) {
  static const int64_t sizes[] = {1, 3};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    tile_case test = {.text = "func @f(%x: f32[n, 6, 9, 9] data, %w: f32[16, 6, 3, 3] param, %g: f32[n, 16, 9, 9] data) -> (y: %y, dw: %dw) {\n"
                              "  %y: f32[n, 16, 9, 9] = compute [n: n, o: 16, y: 9, x: 9] sum[c: 6, r: 3, s: 3] (%x[n, c, y + r - 1, x + s - 1] else 0) * %w[o, c, r, s]\n"
                              "  %dw: f32[16, 6, 3, 3] = compute [o: 16, c: 6, r: 3, s: 3] sum[n: n, y: 9, x: 9] %g[n, o, y, x] * (%x[n, c, y + r - 1, x + s - 1] else 0)\n}\n",
                      .symbol = "n", .value = sizes[i]};
    run(&test, 1e-6);
  }
}

// Forward, data gradient and weight gradient: guards of the padding are zeros in shared memory.
static void padded_convolution_and_its_gradients(void **state) {
  static const int channels[][2] = {{3, 16}, {16, 24}};
  for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
    int c = channels[i][0], o = channels[i][1];
    check(tile_format("func @f(%%x: f32[2, %d, 10, 12] data, %%w: f32[%d, %d, 3, 3] param, %%g: f32[2, %d, 10, 12] data) -> (y: %%y, dx: %%dx, dw: %%dw) {\n"
                 "  %%y: f32[2, %d, 10, 12] = compute [n: 2, o: %d, y: 10, x: 12] sum[c: %d, r: 3, s: 3] (%%x[n, c, y + r - 1, x + s - 1] else 0) * %%w[o, c, r, s]\n"
                 "  %%dx: f32[2, %d, 10, 12] = compute [n: 2, c: %d, y: 10, x: 12] sum[o: %d, r: 3, s: 3] (%%g[n, o, y - r + 1, x - s + 1] else 0) * %%w[o, c, r, s]\n"
                 "  %%dw: f32[%d, %d, 3, 3] = compute [o: %d, c: %d, r: 3, s: 3] sum[n: 2, y: 10, x: 12] %%g[n, o, y, x] * (%%x[n, c, y + r - 1, x + s - 1] else 0)\n}\n",
                 c, o, c, o, o, o, c, c, c, o, o, c, o, c));
  }
}

static void strided_and_dilated_convolutions(void **state) {
  check(tile_format("func @f(%%x: f32[2, 8, 11, 13] data, %%w: f32[24, 8, 3, 3] param) -> (y: %%y, z: %%z) {\n"
               "  %%y: f32[2, 24, 6, 7] = compute [n: 2, o: 24, y: 6, x: 7] sum[c: 8, r: 3, s: 3] (%%x[n, c, 2*y + r - 1, 2*x + s - 1] else 0) * %%w[o, c, r, s]\n"
               "  %%z: f32[2, 24, 7, 9] = compute [n: 2, o: 24, y: 7, x: 9] sum[c: 8, r: 3, s: 3] %%x[n, c, y + 2*r, x + 2*s] * %%w[o, c, r, s]\n}\n"));
}

static void convolutions_of_one_and_three_dimensions(void **state) {
  check(tile_format("func @f(%%x: f32[2, 20, 70] data, %%w: f32[32, 20, 5] param, %%v: f32[2, 4, 5, 6, 7] data, %%u: f32[16, 4, 3, 3, 3] param) -> (y: %%y, z: %%z) {\n"
               "  %%y: f32[2, 32, 70] = compute [n: 2, o: 32, x: 70] sum[c: 20, s: 5] (%%x[n, c, x + s - 2] else 0) * %%w[o, c, s]\n"
               "  %%z: f32[2, 16, 5, 6, 7] = compute [n: 2, o: 16, z: 5, y: 6, x: 7] sum[c: 4, q: 3, r: 3, s: 3] (%%v[n, c, z + q - 1, y + r - 1, x + s - 1] else 0) * %%u[o, c, q, r, s]\n}\n"));
}

static void batched_and_grouped_products(void **state) {
  check(tile_format("func @f(%%q: f32[2, 3, 40, 32] data, %%k: f32[2, 3, 40, 32] data, %%x: f32[2, 2, 20, 9, 9] data, %%w: f32[2, 24, 20, 3, 3] param) -> (s: %%s, y: %%y) {\n"
               "  %%s: f32[2, 3, 40, 40] = compute [b: 2, h: 3, i: 40, j: 40] sum[d: 32] %%q[b, h, i, d] * %%k[b, h, j, d]\n"
               "  %%y: f32[2, 2, 24, 9, 9] = compute [n: 2, g: 2, o: 24, y: 9, x: 9] sum[c: 20, r: 3, s: 3] (%%x[n, g, c, y + r - 1, x + s - 1] else 0) * %%w[g, o, c, r, s]\n}\n"));
}

// Heads merged into one axis: o is taken apart into a head (batch) and a place in it (n).
static void merged_heads_are_contractions(void **state) {
  int launches = check(tile_format("func @f(%%p: f32[2, 4, 40, 48] data, %%v: f32[2, 48, 64] data) -> (y: %%y) {\n"
                              "  %%y: f32[2, 40, 64] = compute [b: 2, t: 40, o: 64] sum[i: 48] %%p[b, o//16, t, i] * %%v[b, i, o]\n}\n"));
  assert_int_equal(launches, 1);
}

// Bias, activation, residual and a second result, all from the register tile.
static void members_are_stored_with_the_tile(void **state) {
  static const int widths[] = {64, 61};
  for (int i = 0; i < 2; i++) {
    int n = widths[i];
    int launches = check(tile_format("func @f(%%x: f32[70, 80] data, %%w: f32[%d, 80] param, %%b: f32[%d] param, %%r: f32[70, %d] data) -> (y: %%y, h: %%h) {\n"
                                "  %%h: f32[70, %d] = compute [i: 70, o: %d] sum[c: 80] %%x[i, c] * %%w[o, c]\n"
                                "  %%a: f32[70, %d] = compute [i: 70, o: %d] max(%%h[i, o] + %%b[o], 0)\n"
                                "  %%y: f32[70, %d] = compute [i: 70, o: %d] %%a[i, o] + %%r[i, o]\n}\n", n, n, n, n, n, n, n, n, n));
    assert_int_equal(launches, 1);
  }
}

static void narrow_operands_and_wide_sums(void **state) {
  run(&(tile_case){.text = "func @f(%x: bf16[70, 80] data, %w: f16[64, 80] param) -> (y: %y) {\n"
                           "  %y: bf16[70, 64] = compute [i: 70, o: 64] sum[c: 80] %x[i, c] * %w[o, c]\n}\n"}, 1.0 / 256);
  run(&(tile_case){.text = "func @f(%x: f64[70, 80] data, %w: f64[50, 80] param) -> (y: %y) {\n"
                           "  %y: f64[70, 50] = compute [i: 70, o: 50] sum[c: 80] %x[i, c] * %w[o, c]\n}\n"}, 1e-12);
}

static void long_sums_of_few_blocks_are_cut(void **state) {
  int launches = check(tile_format("func @f(%%a: f32[16, 400, 20] data, %%b: f32[16, 400, 24] data) -> (c: %%c) {\n"
                              "  %%c: f32[20, 24] = compute [i: 20, j: 24] sum[n: 16, k: 400] %%a[n, k, i] * %%b[n, k, j]\n}\n"));
  assert_int_equal(launches, 2);
}

// Two axes are cut where one is too short, and all parts are added up at once.
static void two_axes_are_cut(void **state) {
  const char *text = "func @f(%g: f32[16, 16, 20, 64] data, %x: f32[16, 16, 12, 64] data) -> (w: %w) {\n"
                     "  %w: f32[20, 12] = compute [o: 20, c: 12] sum[y: 16, x: 16, n: 64] %g[y, x, o, n] * %x[y, x, c, n]\n}\n";
  int launches = check(tile_format("%s", text));
  assert_int_equal(launches, 2);
  char *kernels = tile_text_after(text, both[0], true);
  assert_non_null(strstr(kernels, "%w.part.part: f32[8, 16, 20, 12] out"));
  free(kernels);
}

// Convolutions of random sizes, strides, paddings and dilations in two dimensions, in both storage orders.
static void convolutions_of_random_shapes(void **state) {
  uint32_t seed = 11;
  for (int i = 0; i < 12; i++) {
    int r[10];
    for (int k = 0; k < 10; k++) {
      seed = seed * 1664525u + 1013904223u;
      r[k] = (int)(seed >> 20);
    }
    int stride = 1 + r[0] % 3, dilation = 1 + r[1] % 2, kernel = 3 - 2 * (r[2] % 4 == 0), pad = r[3] % (kernel + 1), c = 3 + r[4] % 14, o = 16 + r[5] % 30;
    int reach = dilation * (kernel - 1) + 1, h = reach + 4 * stride + r[6] % 9, w = reach + 4 * stride + r[7] % 11, batch = 1 + r[8] % 4;
    int y = (h + 2 * pad - reach) / stride + 1, x = (w + 2 * pad - reach) / stride + 1;
    char *layout = r[9] % 2 ? tile_format(" layout(1 @ %d, 2 @ %d, 3 @ %d, 0 @ 1; size %d)", y * x * batch, x * batch, batch, o * y * x * batch) : tile_format(" ");
    check(tile_format("func @f(%%x: f32[%d, %d, %d, %d] data, %%w: f32[%d, %d, %d, %d] param) -> (z: %%z) {\n"
                 "  %%y: f32[%d, %d, %d, %d]%s = compute [n: %d, o: %d, y: %d, x: %d] sum[c: %d, r: %d, s: %d] "
                 "(%%x[n, c, %d*y + %d*r - %d, %d*x + %d*s - %d] else 0) * %%w[o, c, r, s]\n"
                 "  %%z: f32[%d, %d, %d, %d] = compute [n: %d, o: %d, y: %d, x: %d] %%y[n, o, y, x]\n}\n",
                 batch, c, h, w, o, c, kernel, kernel, batch, o, y, x, layout, batch, o, y, x, c, kernel, kernel, stride, dilation, pad, stride, dilation, pad,
                 batch, o, y, x, batch, o, y, x));
    free(layout);
  }
}

// What the schedule promises, in the text of the kernel.
static void tiles_are_shared_and_double_buffered(void **state) {
  char *text = tile_text_after("func @f(%x: f32[4096, 4096] data, %w: f32[4096, 4096] param) -> (y: %y) {\n"
                          "  %y: f32[4096, 4096] = compute [i: 4096, o: 4096] sum[c: 4096] %x[i, c] * %w[o, c]\n}\n", both[1], true);
  assert_non_null(strstr(text, "alloc %a: f32[2, 8, 132] shared"));
  assert_non_null(strstr(text, "for thread t: 256"));
  assert_non_null(strstr(text, "alloc %acc: f32[8, 8] register"));
  assert_null(strstr(text, "else 0"));
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(products_of_all_transpositions), cmocka_unit_test(symbolic_extents_run_at_any_size),
      cmocka_unit_test(symbolic_batch_of_a_convolution), cmocka_unit_test(padded_convolution_and_its_gradients),
      cmocka_unit_test(strided_and_dilated_convolutions), cmocka_unit_test(convolutions_of_one_and_three_dimensions),
      cmocka_unit_test(batched_and_grouped_products), cmocka_unit_test(merged_heads_are_contractions),
      cmocka_unit_test(members_are_stored_with_the_tile), cmocka_unit_test(narrow_operands_and_wide_sums),
      cmocka_unit_test(convolutions_of_random_shapes), cmocka_unit_test(two_axes_are_cut),
      cmocka_unit_test(long_sums_of_few_blocks_are_cut), cmocka_unit_test(tiles_are_shared_and_double_buffered),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
