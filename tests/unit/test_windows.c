// Windows (pooling) made from the tiles of the contraction that they read: when they join it, and what they compute.
#include "tests/unit/tile_support.h"

typedef struct pool_case {
  const char *head;              // parameters after %x and %w, and the results
  const char *after;             // operations on %c, the convolution
  int channels, out, height, width;
  const char *type;              // NULL: f32
  const char *passes;            // NULL: the usual ones
} pool_case;

// A padded 3 x 3 convolution of `n` images, then `after`.
static int check_images(const pool_case *p, int64_t n) {
  char text[4096];
  const char *t = p->type ? p->type : "f32";
  snprintf(text, sizeof text,
           "func @f(%%x: %s[n, %d, %d, %d] data, %%w: %s[%d, %d, 3, 3] param%s {\n"
           "  %%c: %s[n, %d, %d, %d] = compute [n: n, o: %d, i: %d, j: %d] sum[c: %d, r: 3, s: 3] (%%x[n, c, i + r - 1, j + s - 1] else 0) * %%w[o, c, r, s]\n%s}\n",
           t, p->channels, p->height, p->width, t, p->out, p->channels, p->head, t, p->out, p->height, p->width, p->out, p->height, p->width,
           p->channels, p->after);
  tile_case test = {.text = text, .symbol = "n", .value = n, .passes = p->passes ? p->passes : "fuse,layout,tile", .tolerance = 1e-6};
  return tile_check(&test);
}

static int check(const pool_case *p) {
  int launches = check_images(p, 3);
  assert_int_equal(check_images(p, 1), launches);
  return launches;
}

#define RELU(O, H, W)                                                                                                             \
  "  %b: f32[n, " #O ", " #H ", " #W "] = compute [n: n, o: " #O ", i: " #H ", j: " #W "] %c[n, o, i, j] + %v[o]\n"               \
  "  %a: f32[n, " #O ", " #H ", " #W "] = compute [n: n, o: " #O ", i: " #H ", j: " #W "] select(%b[n, o, i, j] <= 0, 0, %b[n, o, i, j])\n"

// One launch packs the weights, one does the rest.
static void max_pool_joins_bias_and_relu(void **state) {
  pool_case p = {", %v: f32[32] param) -> (p: %p)",
                 RELU(32, 12, 12) "  %p: f32[n, 32, 6, 6] = compute [n: n, o: 32, y: 6, x: 6] max[r: 2, s: 2] %a[n, o, 2*y + r, 2*x + s]\n", 8, 32, 12, 12, NULL, NULL};
  assert_int_equal(check(&p), 2);
}

// Blocks that line up with the digits of m hold 64 or 128 rows: no whole tiles. 20 channels are a panel and a part of one.
static void ragged_tiles_and_panels(void **state) {
  pool_case p = {", %v: f32[20] param) -> (p: %p)",
                 RELU(20, 16, 16) "  %p: f32[n, 20, 8, 8] = compute [n: n, o: 20, y: 8, x: 8] max[r: 2, s: 2] %a[n, o, 2*y + r, 2*x + s]\n", 8, 20, 16, 16, NULL, NULL};
  assert_int_equal(check(&p), 2);
  pool_case few = {") -> (p: %p)", "  %p: f32[n, 6, 8, 8] = compute [n: n, o: 6, y: 8, x: 8] max[r: 2, s: 2] %c[n, o, 2*y + r, 2*x + s]\n", 24, 6, 16, 16, NULL, NULL};
  check(&few);
  few.passes = "fuse{target=x86-64-v2},layout{target=x86-64-v2},tile{target=x86-64-v2}";
  check(&few);
}

static void mean_over_oblong_windows(void **state) {
  pool_case p = {") -> (m: %m)", "  %t: f32[n, 16, 4, 6] = compute [n: n, o: 16, y: 4, x: 6] sum[r: 3, s: 2] %c[n, o, 3*y + r, 2*x + s]\n"
                 "  %m: f32[n, 16, 4, 6] = compute [n: n, o: 16, y: 4, x: 6] %t[n, o, y, x] / 8 + 1\n", 8, 16, 12, 12, NULL, NULL};
  assert_int_equal(check(&p), 2);
}

static void windows_along_one_axis(void **state) {
  pool_case inner = {") -> (p: %p)", "  %p: f32[n, 16, 12, 3] = compute [n: n, o: 16, y: 12, x: 3] min[s: 4] %c[n, o, y, 4*x + s]\n", 8, 16, 12, 12, NULL, NULL};
  assert_int_equal(check(&inner), 2);
  pool_case outer = {") -> (p: %p)", "  %p: f32[n, 16, 12, 3] = compute [n: n, o: 16, x: 12, y: 3] max[s: 4] %c[n, o, 4*y + s, x]\n", 8, 16, 12, 12, NULL, NULL};
  assert_int_equal(check(&outer), 2);
}

static void the_whole_image_is_a_window(void **state) {
  pool_case p = {") -> (m: %m)", "  %t: f32[n, 32] = compute [n: n, o: 32] sum[i: 8, j: 8] %c[n, o, i, j]\n"
                 "  %m: f32[n, 32] = compute [n: n, o: 32] %t[n, o] / 64\n", 32, 32, 8, 8, NULL, NULL};
  assert_int_equal(check(&p), 2);
}

static void windows_in_double_precision(void **state) {
  pool_case p = {") -> (p: %p, k: %k)", "  %p: f64[n, 16, 6, 6] = compute [n: n, o: 16, y: 6, x: 6] max[r: 2, s: 2] %c[n, o, 2*y + r, 2*x + s]\n"
                 "  %k: i64[n, 16, 6, 6] = compute [n: n, o: 16, y: 6, x: 6] argmax[r: 2, s: 2] %c[n, o, 2*y + r, 2*x + s]\n", 8, 16, 12, 12, "f64", NULL};
  assert_int_equal(check(&p), 2);
}

static void blocks_of_k_and_values_that_others_read(void **state) {
  pool_case p = {", %v: f32[16] param) -> (p: %p, a: %a)",
                 RELU(16, 12, 12) "  %p: f32[n, 16, 6, 6] = compute [n: n, o: 16, y: 6, x: 6] max[r: 2, s: 2] %a[n, o, 2*y + r, 2*x + s]\n", 80, 16, 12, 12, NULL, NULL};
  assert_int_equal(check(&p), 2);
}

// Of maximum and place the gradient needs no other value of the convolution: it reads the pooled ones.
static void gradient_reads_pooled_values(void **state) {
  pool_case p = {", %v: f32[32] param, %g: f32[n, 32, 6, 6] data) -> (p: %p, d: %d)",
                 RELU(32, 12, 12) "  %p: f32[n, 32, 6, 6] = compute [n: n, o: 32, y: 6, x: 6] max[r: 2, s: 2] %a[n, o, 2*y + r, 2*x + s]\n"
                 "  %k: i64[n, 32, 6, 6] = compute [n: n, o: 32, y: 6, x: 6] argmax[r: 2, s: 2] %a[n, o, 2*y + r, 2*x + s]\n"
                 "  %e: f32[n, 32, 12, 12] = compute [n: n, o: 32, i: 12, j: 12] select(%k[n, o, i//2, j//2] == 2*(i%2) + j%2, %g[n, o, i//2, j//2], 0)\n"
                 "  %d: f32[n, 32, 12, 12] = compute [n: n, o: 32, i: 12, j: 12] select(%b[n, o, i, j] <= 0, 0, %e[n, o, i, j])\n", 8, 32, 12, 12, NULL, NULL};
  assert_int_equal(check(&p), 3);
}

// The same comparison with another place of the window must keep the value itself.
static void gradient_of_another_place_keeps_the_value(void **state) {
  pool_case p = {", %v: f32[32] param, %g: f32[n, 32, 6, 6] data) -> (p: %p, d: %d)",
                 RELU(32, 12, 12) "  %p: f32[n, 32, 6, 6] = compute [n: n, o: 32, y: 6, x: 6] max[r: 2, s: 2] %a[n, o, 2*y + r, 2*x + s]\n"
                 "  %k: i64[n, 32, 6, 6] = compute [n: n, o: 32, y: 6, x: 6] argmax[r: 2, s: 2] %a[n, o, 2*y + r, 2*x + s]\n"
                 "  %d: f32[n, 32, 12, 12] = compute [n: n, o: 32, i: 12, j: 12] select(%a[n, o, i, j] <= 0, 0, "
                 "select(%k[n, o, i//2, j//2] == 2*(j%2) + i%2, %g[n, o, i//2, j//2], 0))\n", 8, 32, 12, 12, NULL, NULL};
  check(&p);
}

static void what_does_not_tile_is_a_launch_of_its_own(void **state) {
  pool_case rest = {") -> (p: %p)", "  %p: f32[n, 16, 6, 6] = compute [n: n, o: 16, y: 6, x: 6] max[r: 2, s: 2] %c[n, o, 2*y + r, 2*x + s]\n", 8, 16, 13, 13, NULL, NULL};
  assert_int_equal(check(&rest), 3);
  pool_case overlap = {") -> (p: %p)", "  %p: f32[n, 16, 5, 5] = compute [n: n, o: 16, y: 5, x: 5] max[r: 3, s: 3] %c[n, o, 2*y + r, 2*x + s]\n", 8, 16, 12, 12, NULL, NULL};
  assert_int_equal(check(&overlap), 3);
  pool_case strided = {") -> (p: %p)", "  %p: f32[n, 16, 6, 6] = compute [n: n, o: 16, y: 6, x: 6] max[r: 2, s: 2] %c[n, o, y + 6*r, x + 6*s]\n", 8, 16, 12, 12, NULL, NULL};
  assert_int_equal(check(&strided), 3);
  pool_case channels = {") -> (p: %p)", "  %p: f32[n, 8, 12, 12] = compute [n: n, o: 8, y: 12, x: 12] max[r: 2] %c[n, 2*o + r, y, x]\n", 8, 16, 12, 12, NULL, NULL};
  check(&channels);
}

// A group that was made for the contraction schedule, tiled without it.
static void groups_fall_back_to_two_launches(void **state) {
  pool_case p = {") -> (p: %p)", "  %p: f32[n, 16, 6, 6] = compute [n: n, o: 16, y: 6, x: 6] max[r: 2, s: 2] %c[n, o, 2*y + r, 2*x + s]\n", 8, 16, 12, 12, NULL, NULL};
  p.passes = "fuse,layout,tile{contract=0}";
  assert_int_equal(check(&p), 2);
}

// A small sum, its rows' maximum and what reads both are rows, one launch: not windows that the schedule refuses.
static void rows_after_a_small_sum_stay_rows(void **state) {
  tile_case test = {.text = "func @f(%x: f32[n, 40] data, %w: f32[10, 40] param, %b: f32[10] param) -> (l: %l, k: %k) {\n"
                            "  %s: f32[n, 10] = compute [i: n, o: 10] sum[c: 40] %x[i, c] * %w[o, c]\n"
                            "  %z: f32[n, 10] = compute [i: n, o: 10] %s[i, o] + %b[o]\n"
                            "  %m: f32[n] = compute [i: n] max[o: 10] %z[i, o]\n"
                            "  %l: f32[n] = compute [i: n] sum[o: 10] %z[i, o] - %m[i]\n"
                            "  %k: i64[n] = compute [i: n] argmax[o: 10] %z[i, o]\n}\n",
                    .symbol = "n", .value = 9, .passes = "fuse,layout,tile", .tolerance = 1e-6};
  assert_int_equal(tile_check(&test), 1);
}

// Windows of random sizes over images of random sizes, on this machine and, interpreted, with the tiles of others.
static void windows_of_random_sizes(void **state) {
  static const char *const targets[] = {"native", "x86-64-v2", "x86-64-v3", "x86-64-v4"};
  uint32_t seed = 11;
  for (int i = 0; i < 24; i++) {
    int r[8];
    for (int k = 0; k < 8; k++) r[k] = (int)((seed = seed * 1664525u + 1013904223u) >> 20);
    const char *target = targets[i % 3 ? 0 : 1 + i / 3 % 3];
    int wy = 1 + r[0] % 3, wx = 1 + r[1] % 3, y = 3 + r[2] % 5, x = 3 + r[3] % 5, out = 8 + r[4] % 26, c = 4 + r[5] % 12, n = 1 + r[6] % 4;
    char *layout = r[7] % 2 ? tile_format(" ") : tile_format(" layout(0 @ %d, 2 @ %d, 3 @ %d, 1 @ 1; size %d)", c * wy * y * wx * x, c * wx * x, c, n * c * wy * y * wx * x);
    char *text = tile_format("func @f(%%in: f32[%d, %d, %d, %d] data, %%w: f32[%d, %d, 3, 3] param, %%b: f32[%d] param) -> (p: %%p, k: %%k) {\n"
                             "  %%h: f32[%d, %d, %d, %d]%s = compute [n: %d, c: %d, i: %d, j: %d] %%in[n, c, i, j] * 2\n"
                             "  %%c: f32[%d, %d, %d, %d] = compute [n: %d, o: %d, i: %d, j: %d] sum[c: %d, r: 3, s: 3] (%%h[n, c, i + r - 1, j + s - 1] else 0) * %%w[o, c, r, s]\n"
                             "  %%a: f32[%d, %d, %d, %d] = compute [n: %d, o: %d, i: %d, j: %d] max(%%c[n, o, i, j] + %%b[o], 0)\n"
                             "  %%p: f32[%d, %d, %d, %d] = compute [n: %d, o: %d, y: %d, x: %d] max[r: %d, s: %d] %%a[n, o, %d*y + r, %d*x + s]\n"
                             "  %%k: i64[%d, %d, %d, %d] = compute [n: %d, o: %d, y: %d, x: %d] argmax[r: %d, s: %d] %%a[n, o, %d*y + r, %d*x + s]\n}\n",
                             n, c, wy * y, wx * x, out, c, out, n, c, wy * y, wx * x, layout, n, c, wy * y, wx * x, n, out, wy * y, wx * x, n, out, wy * y, wx * x, c,
                             n, out, wy * y, wx * x, n, out, wy * y, wx * x, n, out, y, x, n, out, y, x, wy, wx, wy, wx, n, out, y, x, n, out, y, x, wy, wx, wy, wx);
    char *passes = tile_format("fuse{target=%s},tile{target=%s}", target, target);
    tile_case test = {.text = text, .passes = passes, .tolerance = 1e-6, .interpret = strcmp(target, "native") != 0};
    tile_check(&test);
    free(passes);
    free(text);
    free(layout);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(max_pool_joins_bias_and_relu), cmocka_unit_test(ragged_tiles_and_panels), cmocka_unit_test(mean_over_oblong_windows),
      cmocka_unit_test(windows_along_one_axis), cmocka_unit_test(the_whole_image_is_a_window), cmocka_unit_test(windows_in_double_precision),
      cmocka_unit_test(blocks_of_k_and_values_that_others_read), cmocka_unit_test(gradient_reads_pooled_values),
      cmocka_unit_test(gradient_of_another_place_keeps_the_value), cmocka_unit_test(what_does_not_tile_is_a_launch_of_its_own),
      cmocka_unit_test(groups_fall_back_to_two_launches), cmocka_unit_test(windows_of_random_sizes),
      cmocka_unit_test(rows_after_a_small_sum_stay_rows),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
