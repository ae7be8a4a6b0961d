// Rows of thread programs: where values live between members, and how teams combine, at lengths from one lane to several rounds.
#include "tests/unit/tile_support.h"

static void check(const char *text, const char *symbol, int64_t value, double tolerance) {
  tile_check_gpu(&(tile_case){.text = text, .symbol = symbol, .value = value, .passes = "fuse,layout,tile", .tolerance = tolerance});
}

static char *format(const char *text, ...) __attribute__((format(printf, 1, 2)));
static char *format(const char *text, ...) {
  va_list arguments;
  char *out = NULL;
  va_start(arguments, text);
  int length = vasprintf(&out, text, arguments);
  va_end(arguments);
  assert_true(length > 0);
  return out;
}

// The kernels' text for this function on a GPU.
static char *kernels_of(const char *text) {
  wf_arena *arena = wf_arena_create();
  wf_diag *diag = wf_diag_create(arena);
  wf_module *module = wf_parse_module(arena, diag, wf_source_from_text(arena, "test.wir", text));
  bool good = module && wf_pipeline_run(module, "fuse{target=sm_80},layout{target=sm_80},tile{target=sm_80}", &(wf_pipeline_hooks){.verify = true});
  if (!good) wf_diag_print(diag, stderr, false);
  assert_true(good);
  wf_text out;
  wf_text_init(&out);
  wf_print_module(&out, module);
  char *copy = strdup(out.data);
  wf_text_deinit(&out);
  wf_arena_destroy(arena);
  return copy;
}

static void softmax_of_all_lengths(void **state) {
  static const int lengths[] = {2, 3, 10, 31, 32, 33, 100, 128, 500, 700, 2048, 2500, 9000};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    int n = lengths[i], rows = n > 1000 ? 2 : 11;
    char *text = format("func @f(%%x: f32[%d, %d] data) -> (p: %%p) {\n"
                        "  %%m: f32[%d] = compute [i: %d] max[j: %d] %%x[i, j]\n"
                        "  %%e: f32[%d, %d] = compute [i: %d, j: %d] exp(%%x[i, j] - %%m[i])\n"
                        "  %%s: f32[%d] = compute [i: %d] sum[j: %d] %%e[i, j]\n"
                        "  %%p: f32[%d, %d] = compute [i: %d, j: %d] %%e[i, j] / %%s[i]\n}\n",
                        rows, n, rows, rows, n, rows, n, rows, n, rows, rows, n, rows, n, rows, n);
    check(text, NULL, 0, 1e-6);
    free(text);
  }
}

static void rows_of_unknown_length(void **state) {
  static const int64_t lengths[] = {1, 5, 32, 77, 300};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
    check("func @f(%x: f32[9, t] data, %g: f32[t] data) -> (y: %y, m: %m) {\n"
          "  %m: f32[9] = compute [i: 9] max[j: t] %x[i, j]\n"
          "  %e: f32[9, t] = compute [i: 9, j: t] exp(tanh(%x[i, j]) * %g[j]) + exp(sin(%x[i, j]) - %m[i]) + log(exp(%x[i, j]) + 1)\n"
          "  %s: f32[9] = compute [i: 9] sum[j: t] %e[i, j]\n"
          "  %y: f32[9, t] = compute [i: 9, j: t] %e[i, j] / %s[i] + %e[i, t - 1 - j]\n}\n", "t", lengths[i], 1e-6);
}

// Read where another thread made it: through shared memory, behind a barrier.
static const char reversed[] =
    "func @f(%x: f32[6, 96] data) -> (y: %y) {\n"
    "  %s: f32[6] = compute [i: 6] sum[j: 96] %x[i, j]\n"
    "  %e: f32[6, 96] = compute [i: 6, j: 96] exp(tanh(%x[i, j]) + 0.01 * %s[i]) + exp(sin(%x[i, j])) + exp(cos(%x[i, j]))\n"
    "  %y: f32[6, 96] = compute [i: 6, j: 96] %e[i, 95 - j] - %e[i, j]\n}\n";

static void exchanged_values_lie_in_shared_memory(void **state) {
  check(reversed, NULL, 0, 1e-6);
  char *text = kernels_of(reversed);
  assert_non_null(strstr(text, "alloc %e: f32[8, 96] shared"));
  assert_non_null(strstr(text, "barrier"));
  free(text);
}

// A reduction at every point of a row: each thread sums for its own points.
static void reductions_inside_rows(void **state) {
  check("func @f(%x: f32[7, 40] data, %v: f32[7, 40, 12] data) -> (y: %y, k: %k) {\n"
        "  %m: f32[7] = compute [i: 7] max[j: 40] %x[i, j]\n"
        "  %e: f32[7, 40] = compute [i: 7, j: 40] exp(%x[i, j] - %m[i])\n"
        "  %y: f32[7, 12] = compute [i: 7, d: 12] sum[j: 40] %e[i, j] * %v[i, j, d]\n"
        "  %k: i64[7, 12] = compute [i: 7, d: 12] argmax[j: 40] %e[i, j] * %v[i, j, d]\n}\n", NULL, 0, 1e-6);
}

static void operands_of_a_row_are_read_once(void **state) {
  const char *text = "func @f(%x: f32[64, 256] data) -> (y: %y) {\n"
                     "  %s: f32[64] = compute [i: 64] sum[j: 256] %x[i, j]\n"
                     "  %y: f32[64, 256] = compute [i: 64, j: 256] %x[i, j] * %s[i]\n}\n";
  check(text, NULL, 0, 1e-6);
  char *kernels = kernels_of(text);
  const char *kernel = strstr(kernels, "kernel @y"), *first = strstr(kernel, "= %x["), *again = first ? strstr(first + 3, "%x[") : NULL;
  assert_non_null(first);
  assert_null(again);
  free(kernels);
}

// First point wins, a NaN wins; ties within and between threads, warps and rounds.
static void arg_reductions_of_teams(void **state) {
  static const int lengths[] = {20, 100, 600, 3000};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    int n = lengths[i];
    char *text = format("func @f(%%x: f32[5, %d] data, %%t: f32[%d, 5] data, %%w: i32[5, %d] data) -> (a: %%a, b: %%b, c: %%c, d: %%d, e: %%e) {\n"
                        "  %%a: i64[5] = compute [i: 5] argmax[j: %d] %%x[i, j]\n"
                        "  %%b: i64[5] = compute [i: 5] argmin[j: %d] log(%%x[i, j] + 1)\n"
                        "  %%c: i64[5] = compute [i: 5] argmax[j: %d] %%t[j, i]\n"
                        "  %%d: i64[5] = compute [i: 5] argmin[j: %d] %%w[i, j]\n"
                        "  %%e: f32[5] = compute [i: 5] max[j: %d] %%x[i, j]\n}\n", n, n, n, n, n, n, n, n);
    check(text, NULL, 0, 0);
    free(text);
  }
}

static void combiners_and_types_of_teams(void **state) {
  check("func @f(%x: f64[5, 300] data, %b: bf16[6, 600] data, %w: i64[4, 100] data, %c: f32[400, 48] data) -> (a: %a, m: %m, s: %s, p: %p, w: %w', c: %c') {\n"
        "  %a: f64[5] = compute [i: 5] sum[j: 300] %x[i, j]\n"
        "  %m: bf16[6] = compute [i: 6] min[j: 600] %b[i, j]\n"
        "  %s: f32[6] = compute [i: 6] sum[j: 600] %b[i, j]\n"
        "  %p: f64[5] = compute [i: 5] prod[j: 300] %x[i, j] * 0.5 + 1\n"
        "  %w': i64[4] = compute [i: 4] sum[j: 100] %w[i, j]\n"
        "  %c': f32[48] = compute [j: 48] max[i: 400] %c[i, j]\n}\n", NULL, 0, 1e-6);
}

// The mean and the variance of each channel, then the normalised values of the row; 70 channels leave a ragged block.
static void rows_over_two_axes(void **state) {
  check("func @f(%x: f32[n, 70, 6, 5] data) -> (y: %y) {\n"
        "  %t: f32[n, 70] = compute [n: n, c: 70] sum[h: 6, w: 5] %x[n, c, h, w]\n"
        "  %m: f32[n, 70] = compute [n: n, c: 70] %t[n, c] * 0.03125\n"
        "  %v: f32[n, 70] = compute [n: n, c: 70] sum[h: 6, w: 5] (%x[n, c, h, w] - %m[n, c]) * (%x[n, c, h, w] - %m[n, c])\n"
        "  %y: f32[n, 70, 6, 5] = compute [n: n, c: 70, h: 6, w: 5] (%x[n, c, h, w] - %m[n, c]) * rsqrt(%v[n, c] + 1)\n}\n", "n", 3, 1e-6);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(softmax_of_all_lengths), cmocka_unit_test(rows_of_unknown_length),
      cmocka_unit_test(exchanged_values_lie_in_shared_memory), cmocka_unit_test(reductions_inside_rows),
      cmocka_unit_test(operands_of_a_row_are_read_once), cmocka_unit_test(arg_reductions_of_teams),
      cmocka_unit_test(combiners_and_types_of_teams), cmocka_unit_test(rows_over_two_axes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
