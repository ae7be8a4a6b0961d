// Random kernels against the kernel interpreter: nests of task, serial, unrolled and vector loops, affine reads that leave their
// buffer (with `else`), quotients and remainders, masks, combiners. A failure prints the kernel and its seed.
#include "random_kernel_support.h"

static void statement(generator *g) {
  static const char *const assign[] = {"=", "+=", "max=", "min="};
  bool masked = below(2);
  if (masked) wf_text_add(&g->text, "if "), condition(g), wf_text_add(&g->text, " {\n");
  int place = below(4);
  static const char *const targets[] = {"%y[i, s, v]", "%y[i, s, v]", "%z[i, v, s]", "%t[s, v]"};
  wf_text_printf(&g->text, "%s %s ", targets[place], assign[below(4)]);
  expression(g, 1 + below(2));
  wf_text_add(&g->text, masked ? "\n}\n" : "\n");
}

static void lane_sum(generator *g) {
  wf_text_add(&g->text, "%r[i] += f64(");
  expression(g, 1);
  wf_text_add(&g->text, ")\n");
}

static void generate(generator *g) {
  static const int widths[] = {2, 4, 6, 8, 16, 32};
  g->lanes = widths[below(6)];
  g->inner = 1 + below(3);
  wf_text_printf(&g->text,
                 "sym n\nkernel @k(%%a: f32[n, 9] in, %%b: f64[11] in, %%h: bf16[7, n] layout(1 @ 7, 0 @ 1; size 7*n) in, %%k: i32[13] in, %%u: u8[5, 5] in, "
                 "%%y: f32[n, %d, %d] out, %%z: f32[n, %d, %d] out, %%r: f64[n] out) symbols(n) {\n",
                 g->inner, g->lanes, g->lanes, g->inner);
  wf_text_printf(&g->text, "for task i: n {\nalloc %%t: f32[%d, %d] %s\n", g->inner, g->lanes, below(2) ? "register" : "local");
  wf_text_printf(&g->text, "for unroll s: %d {\nfor vector v: %d {\n%%t[s, v] = 0\n}\n}\n", g->inner, g->lanes);
  wf_text_printf(&g->text, "for %s s: %d {\nfor %s v: %d {\n", below(2) ? "unroll" : "serial", g->inner, below(5) ? "vector" : "unroll", g->lanes);
  for (int count = 1 + below(4); count > 0; count--) statement(g);
  if (below(2)) lane_sum(g);
  wf_text_printf(&g->text, "%%y[i, s, v] += %%t[s, v]\n}\n}\n}\n}\n");
}

// ---- running ------------------------------------------------------------------------------------------------------------------
enum { BUFFERS = 8 };

static bool run_kernel(generator *g, const char *level, uint64_t seed) {
  built b = build_kernels(g->text.data, level);
  const wf_kernel *kernel = b.kernels[0].kernel;
  wf_tensor *tensors[BUFFERS];
  void *data[BUFFERS], *scratch = aligned_alloc(64, 1 << 16);
  bool good = true;
  for (int i = 0; i < BUFFERS; i++) {
    const wf_value *value = kernel->params.items[i];
    int64_t shape[3];
    for (int k = 0; k < value->rank; k++) shape[k] = wf_dim_eval(value->shape[k], bound_symbol, NULL);
    tensors[i] = wf_tensor_create(b.arena, value->dtype, value->rank, shape);
    fill(tensors[i]);
    data[i] = malloc((size_t)tensors[i]->count * 8);
    for (int64_t k = 0; k < tensors[i]->count; k++)
      if (tensors[i]->floats) wf_store_element(value->dtype, data[i], place_of(value, tensors[i], k), tensors[i]->floats[k]);
      else wf_store_element_int(value->dtype, data[i], k, tensors[i]->integers[k]);
  }
  if (!wf_kernel_ref_run(b.arena, b.diag, kernel, tensors, &extent_n, false)) fail_with(b.diag, g->text.data);
  b.entry(data, &extent_n, 0, extent_n, scratch);
  for (int i = 5; i < BUFFERS; i++)
    for (int64_t k = 0; k < tensors[i]->count && good; k++) {
      double got = wf_load_element(kernel->params.items[i]->dtype, data[i], k);
      good = close_enough(got, tensors[i]->floats[k]);
      if (!good) print_message("seed %llu, n = %lld, %s: %%%s[%lld] is %.9g, not %.9g\n%s", (unsigned long long)seed, (long long)extent_n, level,
                               kernel->params.items[i]->name, (long long)k, got, tensors[i]->floats[k], g->text.data);
    }
  for (int i = 0; i < BUFFERS; i++) free(data[i]);
  free(scratch);
  drop(&b);
  return good;
}

static void test_random_kernels(void **unused) {
  (void)unused;
  int count = getenv("WEFT_FUZZ") ? atoi(getenv("WEFT_FUZZ")) : 80, wrong = 0;
  for (int i = 0; i < count; i++) {
    generator g = {.axes = {"i", "s", "v"}, .axis_count = 3};
    uint64_t seed = (uint64_t)i * 0x9E3779B97F4A7C15u + 1;
    state = seed;
    wf_text_init(&g.text);
    generate(&g);
    extent_n = 1 + below(9);
    wrong += !run_kernel(&g, i & 1 ? "native" : "x86-64-v2", seed);
    wf_text_deinit(&g.text);
  }
  assert_int_equal(wrong, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_kernels)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
