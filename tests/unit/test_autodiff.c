// autodiff against finite differences in f64 through the reference evaluator, to second order: every operation kind, the
// library's patterns, every scalar function with a derivative; and the form of what it makes.
#include "grad_support.h"

static void test_matmul(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[n, 4] data, %w: f64[3, 4] param) -> (y: %y) {\n"
      "  %y: f64[n, 3] = compute [i: n, o: 3] sum[c: 4] %x[i, c] * %w[o, c]\n"
      "}\n", .n = 5, .order = 2});
}

static void test_batched_matmul(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[n, 3, 2] data, %w: f64[n, 2, 4] data) -> (y: %y) {\n"
      "  %y: f64[n, 3, 4] = compute [b: n, i: 3, j: 4] sum[k: 2] %x[b, i, k] * %w[b, k, j]\n"
      "}\n", .n = 2, .order = 2});
}

static void test_linear_with_bias_and_relu(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[n, 4] data, %w: f64[3, 4] param, %b: f64[3] param) -> (y: %y) {\n"
      "  %h: f64[n, 3] = compute [i: n, o: 3] sum[c: 4] %x[i, c] * %w[o, c]\n"
      "  %y: f64[n, 3] = compute [i: n, o: 3] max(%h[i, o] + %b[o], 0)\n"
      "}\n", .n = 5, .order = 2});
}

static void test_factors_of_a_contraction(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[n, 4] data, %w: f64[3, 4] param, %s: f64[3] param) -> (y: %y) {\n"
      "  %y: f64[n, 3] = compute [i: n, o: 3] sum[c: 4] tanh(%x[i, c]) * %w[o, c] * %s[o]\n"
      "}\n", .n = 3, .order = 2});
}

static void test_conv1d_dilated_strided_grouped(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[2, 4, 9] data, %w: f64[6, 2, 3] param) -> (y: %y) {\n"
      "  %y: f64[2, 6, 4] = compute [n: 2, o: 6, y: 4] sum[c: 2, r: 3] %x[n, o//3*2 + c, 3*y + 2*r - 2] else 0 * %w[o, c, r]\n"
      "}\n", .order = 2});
}

static void test_conv1d_of_coprime_stride_and_dilation(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[2, 2, 15] data, %w: f64[2, 2, 4] param) -> (y: %y) {\n"
      "  %y: f64[2, 2, 4] = compute [n: 2, o: 2, y: 4] sum[c: 2, r: 4] %x[n, c, 3*y + 2*r - 2] else 0 * %w[o, c, r]\n"
      "}\n"});
}

static void test_conv2d_padded(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[2, 3, 5, 5] data, %w: f64[4, 3, 3, 3] param) -> (y: %y) {\n"
      "  %y: f64[2, 4, 5, 5] = compute [n: 2, o: 4, y: 5, x: 5] sum[c: 3, r: 3, s: 3] %x[n, c, y + r - 1, x + s - 1] else 0 * %w[o, c, r, s]\n"
      "}\n", .order = 2});
}

static void test_conv2d_strided(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[1, 2, 7, 6] data, %w: f64[2, 2, 3, 3] param) -> (y: %y) {\n"
      "  %y: f64[1, 2, 4, 3] = compute [n: 1, o: 2, y: 4, x: 3] sum[c: 2, r: 3, s: 3] %x[n, c, 2*y + r - 1, 2*x + s - 1] else 0 * %w[o, c, r, s]\n"
      "}\n", .order = 2});
}

static void test_conv2d_of_symbolic_size(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[1, 2, h, h] data, %w: f64[2, 2, 3, 3] param) -> (y: %y) {\n"
      "  %y: f64[1, 2, (h - 1)//2 + 1, (h - 1)//2 + 1] = compute [n: 1, o: 2, y: (h - 1)//2 + 1, x: (h - 1)//2 + 1] sum[c: 2, r: 3, s: 3] %x[n, c, 2*y + r - 1, 2*x + s - 1] else 0 * %w[o, c, r, s]\n"
      "}\n", .n = 6});
}

static void test_conv2d_grouped(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[2, 4, 5] data, %w: f64[6, 2, 3] param) -> (y: %y) {\n"
      "  %y: f64[2, 6, 5] = compute [n: 2, o: 6, y: 5] sum[c: 2, r: 3] %x[n, 2*(o//3) + c, y + r - 1] else 0 * %w[o, c, r]\n"
      "}\n", .order = 2});
}

static void test_conv3d(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[1, 2, 3, 4, 3] data, %w: f64[2, 2, 2, 2, 2] param) -> (y: %y) {\n"
      "  %y: f64[1, 2, 2, 3, 2] = compute [n: 1, o: 2, z: 2, y: 3, x: 2] sum[c: 2, q: 2, r: 2, s: 2] %x[n, c, z + q, y + r, x + s] * %w[o, c, q, r, s]\n"
      "}\n"});
}

static void test_transposed_conv(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[2, 3, 4] data, %w: f64[3, 2, 3] param) -> (y: %y) {\n"
      "  %u: f64[2, 2, 5, 2] = compute [n: 2, o: 2, b: 5, t: 2] sum[c: 3, m: 2] %x[n, c, b - m] else 0 * %w[c, o, 2*m + t] else 0\n"
      "  %y: f64[2, 2, 8] = compute [n: 2, o: 2, j: 8] %u[n, o, (j + 1)//2, (j + 1)%2] else 0\n"
      "}\n", .order = 2});
}

static void test_transposed_conv_by_selects(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[2, 3, 4] data, %w: f64[3, 2, 3] param) -> (y: %y) {\n"
      "  %y: f64[2, 2, 8] = compute [n: 2, o: 2, y: 8] sum[c: 3, r: 3] select((y + 1 - r)%2 == 0, %x[n, c, (y + 1 - r)//2] else 0 * %w[c, o, r], 0)\n"
      "}\n"});
}

static void test_max_pool(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[2, 6, 6] data) -> (y: %y) {\n"
      "  %y: f64[2, 3, 3] = compute [n: 2, y: 3, x: 3] max[r: 2, s: 2] %x[n, 2*y + r, 2*x + s]\n"
      "}\n", .order = 2});
}

static void test_max_pool_overlapping(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[2, 6, 6] data) -> (y: %y) {\n"
      "  %y: f64[2, 3, 3] = compute [n: 2, y: 3, x: 3] max[r: 3, s: 3] %x[n, 2*y + r - 1, 2*x + s - 1] else -inf\n"
      "}\n", .order = 2});
}

static void test_max_pool_that_drops_the_edge(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[2, 7, 5] data) -> (y: %y) {\n"
      "  %y: f64[2, 3, 2] = compute [n: 2, y: 3, x: 2] max[r: 2, s: 2] %x[n, 2*y + r, 2*x + s]\n"
      "}\n"});
}

static void test_min_over_a_large_window(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[2, 300] data) -> (y: %y) {\n"
      "  %y: f64[2] = compute [n: 2] min[r: 300] %x[n, r]\n"
      "}\n"});
}

static void test_avg_pool_overlapping(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[2, 7] data) -> (y: %y) {\n"
      "  %y: f64[2, 3] = compute [n: 2, y: 3] sum[r: 3] %x[n, 2*y + r] * 0.333\n"
      "}\n", .order = 2});
}

static void test_softmax(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[n, 4] data) -> (y: %y) {\n"
      "  %m: f64[n] = compute [i: n] max[d: 4] %x[i, d]\n"
      "  %e: f64[n, 4] = compute [i: n, d: 4] exp(%x[i, d] - stop(%m[i]))\n"
      "  %s: f64[n] = compute [i: n] sum[d: 4] %e[i, d]\n"
      "  %y: f64[n, 4] = compute [i: n, d: 4] %e[i, d] / %s[i]\n"
      "}\n", .n = 3, .order = 2});
}

static void test_softmax_without_stop(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[n, 4] data) -> (y: %y) {\n"
      "  %m: f64[n] = compute [i: n] max[d: 4] %x[i, d]\n"
      "  %e: f64[n, 4] = compute [i: n, d: 4] exp(%x[i, d] - %m[i])\n"
      "  %s: f64[n] = compute [i: n] sum[d: 4] %e[i, d]\n"
      "  %y: f64[n, 4] = compute [i: n, d: 4] %e[i, d] / %s[i]\n"
      "}\n", .n = 3, .order = 2});
}

static void test_log_softmax(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[n, 4] data) -> (y: %y) {\n"
      "  %m: f64[n] = compute [i: n] max[d: 4] %x[i, d]\n"
      "  %s: f64[n] = compute [i: n] sum[d: 4] exp(%x[i, d] - stop(%m[i]))\n"
      "  %y: f64[n, 4] = compute [i: n, d: 4] %x[i, d] - stop(%m[i]) - log(%s[i])\n"
      "}\n", .n = 3, .order = 2});
}

static void test_layer_norm(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[n, 4] data, %g: f64[4] param, %b: f64[4] param) -> (y: %y) {\n"
      "  %m: f64[n] = compute [i: n] sum[d: 4] %x[i, d] * 0.25\n"
      "  %v: f64[n] = compute [i: n] sum[d: 4] (%x[i, d] - %m[i]) * (%x[i, d] - %m[i])\n"
      "  %r: f64[n] = compute [i: n] rsqrt(%v[i] * 0.25 + 0.1)\n"
      "  %y: f64[n, 4] = compute [i: n, d: 4] (%x[i, d] - %m[i]) * %r[i] * %g[d] + %b[d]\n"
      "}\n", .n = 3, .order = 2});
}

static void test_attention(void **state) {
  grad_check((grad_case){.text =
      "func @f(%q: f64[n, 2, 3] data, %k: f64[n, 2, 3] data, %v: f64[n, 2, 3] data) -> (y: %y) {\n"
      "  %s: f64[2, n, n] = compute [h: 2, i: n, j: n] sum[d: 3] %q[i, h, d] * %k[j, h, d]\n"
      "  %z: f64[2, n, n] = compute [h: 2, i: n, j: n] select(j <= i, %s[h, i, j] * 0.57, -1000000)\n"
      "  %m: f64[2, n] = compute [h: 2, i: n] max[j: n] %z[h, i, j]\n"
      "  %e: f64[2, n, n] = compute [h: 2, i: n, j: n] exp(%z[h, i, j] - stop(%m[h, i]))\n"
      "  %l: f64[2, n] = compute [h: 2, i: n] sum[j: n] %e[h, i, j]\n"
      "  %p: f64[2, n, n] = compute [h: 2, i: n, j: n] %e[h, i, j] / %l[h, i]\n"
      "  %y: f64[n, 2, 3] = compute [i: n, h: 2, d: 3] sum[j: n] %p[h, i, j] * %v[j, h, d]\n"
      "}\n", .n = 3, .order = 2});
}

static void test_embedding(void **state) {
  grad_check((grad_case){.text =
      "func @f(%ids: i64[n] data, %t: f64[3, 4] param) -> (y: %y) {\n"
      "  %y: f64[n, 4] = compute [i: n, d: 4] %t[%ids[i], d] * %t[%ids[i], 3 - d]\n"
      "}\n", .n = 5, .below = 3, .order = 2});
}

static void test_embedding_summed_before_it_is_scattered(void **state) {
  grad_check((grad_case){.text =
      "func @f(%ids: i64[n] data, %t: f64[3, 4] param, %w: f64[5, 4] param) -> (y: %y) {\n"
      "  %y: f64[n, 5] = compute [i: n, o: 5] sum[d: 4] %t[%ids[i], d] * %w[o, d]\n"
      "}\n", .n = 4, .below = 3, .order = 2});
}

static void test_gather_with_else(void **state) {
  grad_check((grad_case){.text =
      "func @f(%ids: i64[n] data, %t: f64[3] param) -> (y: %y) {\n"
      "  %y: f64[n] = compute [i: n] %t[%ids[i] - 1] else 7 * %t[%ids[i] - 1] else 0\n"
      "}\n", .n = 6, .below = 5});
}

static void test_reshape_and_transpose(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[n, 3, 4] data) -> (y: %y) {\n"
      "  %z: f64[n, 12] = compute [i: n, k: 12] %x[i, k//4, k%4]\n"
      "  %v: f64[n*4, 3] = compute [a: n*4, b: 3] %z[a//4, (a%4)*3 + b]\n"
      "  %y: f64[n, 2, 6] = compute [i: n, j: 2, k: 6] %v[i*4 + (6*j + k)//3, (6*j+k)%3] * %z[i, 6*j + k]\n"
      "}\n", .n = 2, .order = 2});
}

static void test_concatenation(void **state) {
  grad_check((grad_case){.text =
      "func @f(%a: f64[3, 2] data, %b: f64[2, 2] data) -> (y: %y) {\n"
      "  %y: f64[5, 2] = compute [i: 5, j: 2] select(i < 3, %a[i, j] else 0, %b[i - 3, j] else 0)\n"
      "}\n", .order = 2});
}

static void test_slice_and_flip(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[7, 3] data) -> (y: %y) {\n"
      "  %y: f64[3, 3] = compute [i: 3, j: 3] %x[2*i + 1, 2 - j] * %x[i + 4, j]\n"
      "}\n", .order = 2});
}

static void test_diagonal(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[4, 4] data) -> (y: %y) {\n"
      "  %y: f64[4] = compute [i: 4] %x[i, i] * %x[3 - i, i] + %x[2, i]\n"
      "}\n", .order = 2});
}

static void test_masked_cumulative_sum(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[n, 4] data) -> (y: %y) {\n"
      "  %y: f64[n, 4] = compute [i: n, j: 4] sum[k: n] select(k <= i, %x[k, j], 0)\n"
      "}\n", .n = 4, .order = 2});
}

static void test_broadcast(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[3] data, %c: f64 data) -> (y: %y) {\n"
      "  %y: f64[4, 3, 2] = compute [i: 4, j: 3, k: 2] %x[j] * %c[] + 2\n"
      "}\n", .order = 2});
}

static void test_broadcast_over_an_axis_that_nothing_reads(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[3] data) -> (y: %y) {\n"
      "  %y: f64[3] = compute [j: 3] sum[i: 5, k: 2] %x[j] * %x[j]\n"
      "}\n", .order = 2});
}

static void test_product_with_zeros(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[3, 4] data) -> (y: %y) {\n"
      "  %z: f64[3, 4] = compute [i: 3, d: 4] select(d == i, 0, 1) * %x[i, d] + select(i == 0, select(d == 1, -1, 0) * %x[i, d], 0)\n"
      "  %y: f64[3] = compute [i: 3] prod[d: 4] %z[i, d]\n"
      "}\n", .order = 2});
}

static void test_product_over_two_axes(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[2, 2, 3] data) -> (y: %y) {\n"
      "  %y: f64[2] = compute [i: 2] prod[a: 2, b: 3] (%x[i, a, b] + 0.5)\n"
      "}\n", .order = 2});
}

static void test_sort_and_top_k(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[3, 5] data) -> (y: %y) {\n"
      "  %v: f64[3, 5], %p: i64[3, 5] = sort %x axis 1 descending\n"
      "  %y: f64[3, 2] = compute [i: 3, k: 2] %v[i, k] * %v[i, k]\n"
      "}\n", .order = 2});
}

static void test_scatter_add(void **state) {
  grad_check((grad_case){.text =
      "func @f(%ids: i64[n] data, %x: f64[n, 2] data, %o: f64[4, 2] data) -> (y: %y) {\n"
      "  %y: f64[4, 2] = scatter sum onto %o [i: n, d: 2] at [%ids[i], d] %x[i, d] * %x[i, d]\n"
      "}\n", .n = 5, .below = 5, .order = 2});
}

static void test_scatter_overwrite(void **state) {
  grad_check((grad_case){.text =
      "func @f(%ids: i64[n] data, %x: f64[n, 2] data, %o: f64[4, 2] data) -> (y: %y) {\n"
      "  %y: f64[4, 2] = scatter none onto %o [i: n, d: 2] at [%ids[i], d] %x[i, d] * %x[i, d]\n"
      "}\n", .n = 5, .below = 5, .order = 2});
}

static void test_scatter_max(void **state) {
  grad_check((grad_case){.text =
      "func @f(%ids: i64[n] data, %x: f64[n, 2] data, %o: f64[4, 2] data) -> (y: %y) {\n"
      "  %y: f64[4, 2] = scatter max onto %o [i: n, d: 2] at [%ids[i], d] %x[i, d] * 2\n"
      "}\n", .n = 5, .below = 5, .order = 2});
}

static void test_lstm(void **state) {
  grad_check((grad_case){.text =
      "func @cell(%t: i64, %h: f64[2, 3], %c: f64[2, 3], %x: f64[2, 2], %w: f64[4, 3, 2], %u: f64[4, 3, 3], %b: f64[4, 3]) -> (h: %hn, c: %cn, y: %hn) {\n"
      "  %z: f64[4, 2, 3] = compute [g: 4, i: 2, o: 3] sum[c: 2] %x[i, c] * %w[g, o, c]\n"
      "  %q: f64[4, 2, 3] = compute [g: 4, i: 2, o: 3] sum[c: 3] %h[i, c] * %u[g, o, c]\n"
      "  %s: f64[4, 2, 3] = compute [g: 4, i: 2, o: 3] %z[g, i, o] + %q[g, i, o] + %b[g, o]\n"
      "  %cn: f64[2, 3] = compute [i: 2, o: 3] %c[i, o] / (1 + exp(-%s[0, i, o])) + tanh(%s[1, i, o]) / (1 + exp(-%s[2, i, o]))\n"
      "  %hn: f64[2, 3] = compute [i: 2, o: 3] tanh(%cn[i, o]) / (1 + exp(-%s[3, i, o]))\n"
      "}\n"
      "func @f(%x: f64[n, 2, 2] data, %h0: f64[2, 3] data, %c0: f64[2, 3], %w: f64[4, 3, 2] param, %u: f64[4, 3, 3] param, %b: f64[4, 3] param) -> (y: %z) {\n"
      "  %h: f64[2, 3], %c: f64[2, 3], %y: f64[n, 2, 3] = loop @cell trip n carry(%h0, %c0) slice(%x) with(%w, %u, %b)\n"
      "  %z: f64[n, 2, 3] = compute [t: n, i: 2, o: 3] %y[t, i, o] * %h[i, o] + %c[i, o]\n"
      "}\n", .n = 3, .order = 2});
}

static void test_reverse_loop_with_step_and_unused_carry(void **state) {
  grad_check((grad_case){.text =
      "func @step(%t: i64, %h: f64[2], %k: i64, %x: f64[2], %w: f64[2]) -> (h: %hn, k: %kn, y: %y) {\n"
      "  %hn: f64[2] = compute [i: 2] %h[i] * %w[i] + %x[i] * f64(%t[])\n"
      "  %kn: i64 = compute [] %k[] + 1\n"
      "  %y: f64[2] = compute [i: 2] tanh(%hn[i]) * f64(%k[])\n"
      "}\n"
      "func @f(%x: f64[n, 2] data, %h0: f64[2] data, %k0: i64 data, %w: f64[2] param) -> (y: %z) {\n"
      "  %h: f64[2], %k: i64, %y: f64[n, 2] = loop @step trip n reverse carry(%h0, %k0) slice(%x) with(%w)\n"
      "  %z: f64[n, 2] = compute [t: n, i: 2] %y[t, i] * %h[i]\n"
      "}\n", .n = 3, .below = 4, .order = 2});
}

static void test_loop_that_gathers_from_an_invariant(void **state) {
  grad_check((grad_case){.text =
      "func @step(%t: i64, %h: f64[2], %id: i64, %table: f64[3, 2], %s: f64) -> (h: %hn) {\n"
      "  %hn: f64[2] = compute [i: 2] %h[i] * %table[%id[], i] * %s[] + %s[]\n"
      "}\n"
      "func @f(%ids: i64[n] data, %h0: f64[2] data, %table: f64[3, 2] param, %s: f64 param) -> (y: %h) {\n"
      "  %h: f64[2] = loop @step trip n carry(%h0) slice(%ids) with(%table, %s)\n"
      "}\n", .n = 4, .below = 3, .order = 2});
}

static void test_loop_in_a_loop(void **state) {
  grad_check((grad_case){.text =
      "func @inner(%t: i64, %h: f64[2], %w: f64[2, 2]) -> (h: %hn) {\n"
      "  %p: f64[2] = compute [i: 2] sum[j: 2] %w[i, j] * %h[j]\n"
      "  %hn: f64[2] = compute [i: 2] sin(%p[i])\n"
      "}\n"
      "func @outer(%t: i64, %h: f64[2], %x: f64[2], %w: f64[2, 2]) -> (h: %g, y: %y) {\n"
      "  %a: f64[2] = compute [i: 2] %h[i] + %x[i]\n"
      "  %g: f64[2] = loop @inner trip 2 carry(%a) with(%w)\n"
      "  %y: f64[2] = compute [i: 2] %g[i] * %a[i]\n"
      "}\n"
      "func @f(%x: f64[n, 2] data, %h0: f64[2] data, %w: f64[2, 2] param) -> (y: %y) {\n"
      "  %h: f64[2], %y: f64[n, 2] = loop @outer trip n carry(%h0) slice(%x) with(%w)\n"
      "}\n", .n = 3, .order = 2});
}

static void test_carries_that_swap(void **state) {
  grad_check((grad_case){.text =
      "func @step(%t: i64, %a: f64[2], %b: f64[2]) -> (a: %b, b: %c) {\n"
      "  %c: f64[2] = compute [i: 2] %a[i] * %b[i] + %a[i]\n"
      "}\n"
      "func @f(%a: f64[2] data, %b: f64[2] data) -> (y: %y) {\n"
      "  %u: f64[2], %v: f64[2] = loop @step trip 3 carry(%a, %b)\n"
      "  %y: f64[2] = compute [i: 2] %u[i] * %v[1 - i]\n"
      "}\n", .order = 2});
}

static void test_call(void **state) {
  grad_check((grad_case){.text =
      "func @g(%x: f64[m, 2], %w: f64[2]) -> (a: %a, x: %x, b: %a) {\n"
      "  %s: f64[m] = compute [i: m] sum[j: 2] %x[i, j] * %w[j]\n"
      "  %a: f64[m] = compute [i: m] tanh(%s[i])\n"
      "}\n"
      "func @f(%x: f64[3, 2] data, %w: f64[2] param) -> (y: %y) {\n"
      "  %a: f64[3], %same: f64[3, 2], %b: f64[3] = call @g(%x, %w)\n"
      "  %d0: f64[3, 2] = compute [i: 3, j: 2] %x[i, j] * %x[i, 1 - j]\n"
      "  %c: f64[3], %d: f64[3, 2], %e: f64[3] = call @g(%d0, %w)\n"
      "  %y: f64[3] = compute [i: 3] %a[i] * %b[i] + %c[i] * %e[2 - i] + %d[i, 0] * %same[i, 1]\n"
      "}\n", .order = 2});
}

static void test_casts_and_rounded_types(void **state) {
  grad_check((grad_case){.text =
      "func @f(%x: f64[4] data) -> (y: %y) {\n"
      "  %y: f64[4] = compute [i: 4] f64(f32(%x[i])) * %x[i]\n"
      "}\n"});
}

static void test_cross_entropy(void **state) {
  grad_case c = {.text =
      "func @f(%x: f64[n, 4] data, %t: i64[n] data) -> (y: %y) {\n"
      "  %m: f64[n] = compute [i: n] max[d: 4] %x[i, d]\n"
      "  %s: f64[n] = compute [i: n] sum[d: 4] exp(%x[i, d] - stop(%m[i]))\n"
      "  %l: f64[n, 4] = compute [i: n, d: 4] %x[i, d] - stop(%m[i]) - log(%s[i])\n"
      "  %y: f64 = compute [] sum[i: n] -%l[i, %t[i]]\n"
      "}\n", .n = 3, .below = 4, .order = 2};
  grad_check(c);
  wf_arena *arena = wf_arena_create();
  char *text = grad_text(c, arena);
  if (strstr(text, "scatter")) fail_msg("an index that depends on data, on an axis that the others fix, is a comparison:\n%s", text);
  wf_arena_destroy(arena);
}

// ---- index maps by chance ------------------------------------------------------------------------------------------

static int chance(uint64_t *seed, int below) {
  *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (int)((*seed >> 33) % (uint64_t)below);
}

static void add_map(wf_text *out, uint64_t *seed, const char *const *axes, int count) {
  wf_text_printf(out, "%d", chance(seed, 5) - 2);
  bool digit = chance(seed, 4) == 0;
  if (digit) wf_text_add(out, " + (1");
  for (int i = 0; i < count; i++)
    if (chance(seed, 3)) wf_text_printf(out, " + %d*%s", chance(seed, 5) - (chance(seed, 4) == 0 ? 3 : 0), axes[i]);
  if (digit) wf_text_printf(out, ")%s%d", chance(seed, 2) ? "//" : "%", 2 + chance(seed, 3));
}

// Two guarded reads of one operand through random maps, times a function of the point: whatever form autodiff finds for it
// (gather, guard, contraction, scatter), differences must agree.
static void test_random_maps(void **state) {
  static const char *const axes[] = {"a", "b", "c", "d"};
  for (uint64_t trial = 1; trial <= 300; trial++) {
    uint64_t seed = trial;
    int parallel = 1 + chance(&seed, 2), reduced = chance(&seed, 3), extents[4];
    wf_text text;
    wf_text_init(&text);
    wf_text_add(&text, "func @f(%x: f64[6, 5] data, %w: f64[4] param) -> (y: %y) {\n  %y: f64[");
    for (int i = 0; i < 4; i++) extents[i] = 1 + chance(&seed, 5);
    for (int i = 0; i < parallel; i++) wf_text_printf(&text, "%s%d", i ? ", " : "", extents[i]);
    wf_text_add(&text, "] = compute [");
    for (int i = 0; i < parallel + reduced; i++)
      wf_text_printf(&text, "%s%s: %d", i == parallel ? "] sum[" : i ? ", " : "", axes[i], extents[i]);
    wf_text_add(&text, "] %w[a % 4]");
    for (int i = 0; i < 2; i++) {
      wf_text_add(&text, i ? (chance(&seed, 2) ? " + %x[" : " * %x[") : " * %x[");
      add_map(&text, &seed, axes, parallel + reduced);
      wf_text_add(&text, ", ");
      add_map(&text, &seed, axes, parallel + reduced);
      wf_text_add(&text, "] else 0.5");
    }
    wf_text_add(&text, "\n}\n");
    grad_check((grad_case){.text = text.data});
    wf_text_deinit(&text);
  }
}

// ---- every scalar function ------------------------------------------------------------------------------------------

static const char *call_text(wf_arena *arena, const wf_scalar_info *info) {
  if (!strchr(info->traits, 'i')) return wf_arena_printf(arena, info->arity == 1 ? "%s(%%x[i])" : "%s(%%x[i], %%y[i])", info->name);
  static const struct { const char *name, *sign; } infix[] = {{"add", "+"}, {"sub", "-"}, {"mul", "*"}, {"div", "/"}, {"mod", "%"}};
  for (size_t i = 0; i < sizeof infix / sizeof *infix; i++)
    if (!strcmp(infix[i].name, info->name)) return wf_arena_printf(arena, "%%x[i] %s %%y[i]", infix[i].sign);
  return NULL;
}

static void test_every_scalar_function(void **state) {
  wf_arena *arena = wf_arena_create();
  int checked = 0;
  for (int op = 0; op < WF_SCALAR_COUNT; op++) {
    const wf_scalar_info *info = &wf_scalar_table[op];
    if (!*info->derivative || op == WF_S_CAST || op == WF_S_SELECT || strchr(info->traits, 'P')) continue;
    const char *call = call_text(arena, info);
    assert_non_null(call);
    const char *text = wf_arena_printf(arena, "func @f(%%x: f64[6] data, %%y: f64[6] data) -> (z: %%z) {\n  %%z: f64[6] = compute [i: 6] %s + %%y[i] * 0\n}\n", call);
    grad_check((grad_case){.text = text, .low = 0.2, .high = 2.2, .order = op == WF_S_MOD ? 1 : 2});
    checked++;
  }
  assert_true(checked >= 20);
  wf_arena_destroy(arena);
}

static void test_select_and_ties(void **state) {
  // x[i] against itself: both sides of max get half; relu as the library writes it has derivative 0 at 0.
  ir_test t = ir_test_parse_good("func @f(%x: f64[2] data) -> (g: %g) {\n"
                                 "  %y: f64[2] = compute [i: 2] max(%x[i], 3 * %x[i]) + select(%x[i] <= 0, 0, %x[i])\n"
                                 "  %l: f64 = compute [] sum[i: 2] %y[i]\n"
                                 "  %g: f64[2] = grad %l by %x\n"
                                 "}\n");
  wf_pass_options none = {0};
  assert_true(wf_pass_autodiff(t.module, &none));
  int64_t shape = 2;
  wf_tensor *x = wf_tensor_create(t.arena, WF_F64, 1, &shape), *g;
  x->floats[1] = 2;
  wf_ref_options options = {0};
  assert_true(wf_ref_run(t.arena, t.diag, wf_function_find(t.module, "f"), &options, &x, &g, NULL));
  assert_true(g->floats[0] == 2 && g->floats[1] == 4);
  ir_test_end(&t);
}

// ---- form -------------------------------------------------------------------------------------------------------

static void expect_line(const char *text, const char *line) {
  if (!strstr(text, line)) fail_msg("expected\n%s\nin\n%s", line, text);
}

static void expect_none(const char *text, const char *word) {
  if (strstr(text, word)) fail_msg("expected no %s in\n%s", word, text);
}

static void test_matmul_is_two_contractions(void **state) {
  wf_arena *arena = wf_arena_create();
  char *text = grad_text((grad_case){.text = "func @f(%x: f64[n, 4] data, %w: f64[3, 4] param) -> (y: %y) {\n"
                                             "  %y: f64[n, 3] = compute [i: n, o: 3] sum[c: 4] %x[i, c] * %w[o, c]\n"
                                             "}\n"}, arena);
  expect_line(text, "%d_x: f64[n, 4] = compute [i: n, c: 4] sum[o: 3] %r[i, o] * %w[o, c]\n");
  expect_line(text, "%d_w: f64[3, 4] = compute [o: 3, c: 4] sum[i: n] %r[i, o] * %x[i, c]\n");
  expect_none(text, "scatter");
  expect_none(text, "select");
  wf_arena_destroy(arena);
}

static void test_convolution_is_two_contractions(void **state) {
  wf_arena *arena = wf_arena_create();
  const char *conv = "func @f(%%x: f64[n, 3, 8, 8] data, %%w: f64[4, 3, 3, 3] param) -> (y: %%y) {\n"
                     "  %%y: f64[n, 4, %d, %d] = compute [b: n, o: 4, y: %d, x: %d] sum[c: 3, r: 3, s: 3] "
                     "%%x[b, c, %d*y + %d*r - 1, %d*x + %d*s - 1] else 0 * %%w[o, c, r, s]\n}\n";
  static const int steps[][3] = {{8, 1, 1}, {4, 2, 1}, {6, 1, 2}, {2, 3, 2}};
  for (int i = 0; i < 4; i++) {
    int size = steps[i][0], stride = steps[i][1], dilation = steps[i][2];
    char *text = grad_text((grad_case){.text = wf_arena_printf(arena, conv, size, size, size, size, stride, dilation, stride, dilation)}, arena);
    expect_none(text, "scatter");
    expect_none(text, "select");
    expect_none(text, ".factor");
    expect_line(text, "%d_x: f64[n, 3, 8, 8] = compute");
  }
  wf_arena_destroy(arena);
}

static void test_stride_tries_only_taps_of_its_phase(void **state) {
  wf_arena *arena = wf_arena_create();
  char *text = grad_text((grad_case){.text = "func @f(%x: f64[n, 8] data, %w: f64[4] param) -> (y: %y) {\n"
                                             "  %y: f64[n, 4] = compute [b: n, y: 4] sum[r: 4] %x[b, 2*y + r - 1] else 0 * %w[r]\n"
                                             "}\n"}, arena);
  char *line = strstr(text, "%d_x:");
  assert_non_null(line);
  expect_line(line, "sum[r: 2] ");
  wf_arena_destroy(arena);
}

static void test_activation_is_stored_before_it_is_contracted(void **state) {
  wf_arena *arena = wf_arena_create();
  char *text = grad_text((grad_case){.text = "func @f(%x: f64[n, 4] data, %w: f64[3, 4] param, %b: f64[3] param) -> (y: %y) {\n"
                                             "  %h: f64[n, 3] = compute [i: n, o: 3] sum[c: 4] %x[i, c] * %w[o, c]\n"
                                             "  %y: f64[n, 3] = compute [i: n, o: 3] tanh(%h[i, o] + %b[o])\n"
                                             "}\n"}, arena);
  expect_line(text, "%d_y.local: f64[n, 3] = compute [i: n, o: 3] ");
  expect_line(text, "%d_b: f64[3] = compute [o: 3] sum[i: n] %d_y.local[i, o]\n");
  expect_line(text, "%d_w: f64[3, 4] = compute [o: 3, c: 4] sum[i: n] %d_y.local[i, o] * %x[i, c]\n");
  wf_arena_destroy(arena);
}

static void test_loop_contracts_invariants_outside(void **state) {
  wf_arena *arena = wf_arena_create();
  char *text = grad_text((grad_case){.text = "func @step(%t: i64, %h: f64[2, 3], %w: f64[3, 3]) -> (h: %hn) {\n"
                                             "  %p: f64[2, 3] = compute [i: 2, o: 3] sum[c: 3] %h[i, c] * %w[o, c]\n"
                                             "  %hn: f64[2, 3] = compute [i: 2, o: 3] tanh(%p[i, o])\n"
                                             "}\n"
                                             "func @f(%h0: f64[2, 3] data, %w: f64[3, 3] param) -> (y: %h) {\n"
                                             "  %h: f64[2, 3] = loop @step trip 5 carry(%h0) with(%w)\n"
                                             "}\n"}, arena);
  expect_line(text, "%d_w: f64[3, 3] = compute [o: 3, c: 3] sum[t: 5, i: 2] %d_p.all[t, i, o] * %step.h[t, i, c]\n");
  expect_line(text, "reverse carry(");
  wf_arena_destroy(arena);
}

static void test_gradient_of_what_does_not_depend_is_zero(void **state) {
  ir_test t = ir_test_parse_good("func @f(%x: f64[2] data, %ids: i64[2] data) -> (a: %a, b: %b, c: %c) {\n"
                                 "  %l: f64 = compute [] sum[i: 2] %x[i]\n"
                                 "  %k: f64 = compute [] sum[i: 2] stop(%x[i] * %x[i])\n"
                                 "  %a: f64[2], %b: f64[2] = grad %l by %x, %x\n"
                                 "  %c: f64[2] = grad %k by %x\n"
                                 "}\n");
  wf_pass_options none = {0};
  assert_true(wf_pass_autodiff(t.module, &none));
  assert_true(wf_verify(t.module, t.diag));
  int64_t shape = 2;
  wf_tensor *inputs[2] = {wf_tensor_create(t.arena, WF_F64, 1, &shape), wf_tensor_create(t.arena, WF_I64, 1, &shape)}, *results[3];
  wf_ref_options options = {0};
  assert_true(wf_ref_run(t.arena, t.diag, wf_function_find(t.module, "f"), &options, inputs, results, NULL));
  for (int i = 0; i < 2; i++) assert_true(results[0]->floats[i] == 1 && results[1]->floats[i] == 1 && results[2]->floats[i] == 0);
  ir_test_end(&t);
}

static void test_gradient_by_a_value_inside(void **state) {
  ir_test t = ir_test_parse_good("func @f(%x: f64[2] data) -> (dh: %dh, dx: %dx) {\n"
                                 "  %h: f64[2] = compute [i: 2] %x[i] * %x[i]\n"
                                 "  %l: f64 = compute [] sum[i: 2] %h[i] * %h[i] * %x[i]\n"
                                 "  %dh: f64[2], %dx: f64[2] = grad %l by %h, %x\n"
                                 "}\n");
  wf_pass_options none = {0};
  assert_true(wf_pass_autodiff(t.module, &none));
  assert_true(wf_verify(t.module, t.diag));
  int64_t shape = 2;
  wf_tensor *x = wf_tensor_create(t.arena, WF_F64, 1, &shape), *results[2];
  x->floats[0] = 2, x->floats[1] = 3;
  wf_ref_options options = {0};
  assert_true(wf_ref_run(t.arena, t.diag, wf_function_find(t.module, "f"), &options, &x, results, NULL));
  for (int i = 0; i < 2; i++) {
    double v = x->floats[i];
    assert_true(results[0]->floats[i] == 2 * v * v * v);      // 2 h x
    assert_true(results[1]->floats[i] == 5 * v * v * v * v);  // (x^5)'
  }
  ir_test_end(&t);
}

static void test_gates_that_lie_on_one_axis(void **state) {
  grad_case c = {.text =
      "func @f(%z: f64[n, 8] data, %c: f64[n, 2] data) -> (y: %h) {\n"
      "  %cn: f64[n, 2] = compute [n: n, a: 2] (1 / (1 + exp(-%z[n, a + 2]))) * %c[n, a] + (1 / (1 + exp(-%z[n, a]))) * tanh(%z[n, a + 4])\n"
      "  %h: f64[n, 2] = compute [n: n, a: 2] (1 / (1 + exp(-%z[n, a + 6]))) * tanh(%cn[n, a])\n"
      "}\n", .n = 2, .order = 2};
  grad_check(c);
  wf_arena *arena = wf_arena_create();
  char *text = grad_text(c, arena);
  expect_line(text, "%cn.cotangent[n, i1 - 4] else 0");
  expect_none(text, "select(");
  wf_arena_destroy(arena);
}

static void test_loop_that_reads_its_slice_of_an_invariant(void **state) {
  grad_case c = {.text =
      "func @step(%t: i64, %h: f64[2], %a: f64[2, n], %w: f64[2, 2]) -> (h: %hn) {\n"
      "  %hn: f64[2] = compute [i: 2] sin(%h[1 - i] * %w[i, i] + %a[i, %t[]])\n"
      "}\n"
      "func @f(%a: f64[2, n] data, %h0: f64[2] data, %w: f64[2, 2]) -> (y: %h) {\n"
      "  %h: f64[2] = loop @step trip n carry(%h0) with(%a, %w)\n"
      "}\n", .n = 3, .order = 2};
  grad_check(c);
  wf_arena *arena = wf_arena_create();
  char *text = grad_text(c, arena);
  expect_line(text, "%d_a: f64[2, n] = compute [i: 2, i1: n] %d_hn.local.all[i1, i]\n");
  wf_arena_destroy(arena);
}

static void test_gradient_inside_a_region(void **state) {
  // Newton's steps on sum of (h^2 - x)^2 / 4: the loop's region differentiates, and the loop is differentiated.
  grad_check((grad_case){.text =
      "func @step(%t: i64, %h: f64[2], %x: f64[2]) -> (h: %n) {\n"
      "  %l: f64 = compute [] sum[i: 2] (%h[i] * %h[i] - %x[i]) * (%h[i] * %h[i] - %x[i]) * 0.25\n"
      "  %g: f64[2] = grad %l by %h\n"
      "  %n: f64[2] = compute [i: 2] %h[i] - %g[i] * 0.1\n"
      "}\n"
      "func @f(%x: f64[2] data, %h0: f64[2] data) -> (y: %h) {\n"
      "  %h: f64[2] = loop @step trip 3 carry(%h0) with(%x)\n"
      "}\n", .order = 2});
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_matmul),
      cmocka_unit_test(test_batched_matmul),
      cmocka_unit_test(test_linear_with_bias_and_relu),
      cmocka_unit_test(test_factors_of_a_contraction),
      cmocka_unit_test(test_conv1d_dilated_strided_grouped),
      cmocka_unit_test(test_conv1d_of_coprime_stride_and_dilation),
      cmocka_unit_test(test_conv2d_padded),
      cmocka_unit_test(test_conv2d_strided),
      cmocka_unit_test(test_conv2d_of_symbolic_size),
      cmocka_unit_test(test_conv2d_grouped),
      cmocka_unit_test(test_conv3d),
      cmocka_unit_test(test_transposed_conv),
      cmocka_unit_test(test_transposed_conv_by_selects),
      cmocka_unit_test(test_max_pool),
      cmocka_unit_test(test_max_pool_overlapping),
      cmocka_unit_test(test_max_pool_that_drops_the_edge),
      cmocka_unit_test(test_min_over_a_large_window),
      cmocka_unit_test(test_avg_pool_overlapping),
      cmocka_unit_test(test_softmax),
      cmocka_unit_test(test_softmax_without_stop),
      cmocka_unit_test(test_log_softmax),
      cmocka_unit_test(test_layer_norm),
      cmocka_unit_test(test_attention),
      cmocka_unit_test(test_embedding),
      cmocka_unit_test(test_embedding_summed_before_it_is_scattered),
      cmocka_unit_test(test_gather_with_else),
      cmocka_unit_test(test_reshape_and_transpose),
      cmocka_unit_test(test_concatenation),
      cmocka_unit_test(test_slice_and_flip),
      cmocka_unit_test(test_diagonal),
      cmocka_unit_test(test_masked_cumulative_sum),
      cmocka_unit_test(test_broadcast),
      cmocka_unit_test(test_broadcast_over_an_axis_that_nothing_reads),
      cmocka_unit_test(test_product_with_zeros),
      cmocka_unit_test(test_product_over_two_axes),
      cmocka_unit_test(test_sort_and_top_k),
      cmocka_unit_test(test_scatter_add),
      cmocka_unit_test(test_scatter_overwrite),
      cmocka_unit_test(test_scatter_max),
      cmocka_unit_test(test_lstm),
      cmocka_unit_test(test_reverse_loop_with_step_and_unused_carry),
      cmocka_unit_test(test_loop_that_gathers_from_an_invariant),
      cmocka_unit_test(test_loop_in_a_loop),
      cmocka_unit_test(test_carries_that_swap),
      cmocka_unit_test(test_call),
      cmocka_unit_test(test_casts_and_rounded_types),
      cmocka_unit_test(test_gates_that_lie_on_one_axis),
      cmocka_unit_test(test_loop_that_reads_its_slice_of_an_invariant),
      cmocka_unit_test(test_gradient_inside_a_region),
      cmocka_unit_test(test_cross_entropy),
      cmocka_unit_test(test_random_maps),
      cmocka_unit_test(test_every_scalar_function),
      cmocka_unit_test(test_select_and_ties),
      cmocka_unit_test(test_matmul_is_two_contractions),
      cmocka_unit_test(test_convolution_is_two_contractions),
      cmocka_unit_test(test_stride_tries_only_taps_of_its_phase),
      cmocka_unit_test(test_activation_is_stored_before_it_is_contracted),
      cmocka_unit_test(test_loop_contracts_invariants_outside),
      cmocka_unit_test(test_gradient_of_what_does_not_depend_is_zero),
      cmocka_unit_test(test_gradient_by_a_value_inside),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
