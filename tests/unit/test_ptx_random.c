// Random thread programs as PTX on the PTX machine against the kernel interpreter: grids, threads, shared memory between barriers,
// reductions over lanes, vector accesses, affine reads that leave their buffer, masks, quotients. A failure prints kernel and seed.
#include "random_kernel_support.h"
#include "simt_fixture.h"

enum { BUFFERS = 8, FIRST_OUT = 5 };

static void statement(generator *g) {
  static const char *const assign[] = {"=", "+=", "max=", "min="};
  static const char *const targets[] = {"%y[i, t, s, v]", "%y[i, t, s, v]", "%z[i, v, s, t]", "%q[s, v]"};
  bool masked = below(2);
  if (masked) wf_text_add(&g->text, "if "), condition(g), wf_text_add(&g->text, " {\n");
  wf_text_printf(&g->text, "%s %s ", targets[below(4)], assign[below(4)]);
  expression(g, 1 + below(2));
  wf_text_add(&g->text, masked ? "\n}\n" : "\n");
}

static void section(generator *g) {
  wf_text_printf(&g->text, "for grid i: n {\nalloc %%sh: f32[%d] shared\nfor thread t: %d {\nalloc %%q: f32[%d, %d] register\nalloc %%w: f32 register\n", g->threads, g->threads,
                 g->inner, g->lanes);
  wf_text_printf(&g->text, "for unroll s: %d {\nfor vector v: %d {\n%%q[s, v] = 0\n}\n}\n", g->inner, g->lanes);
  wf_text_printf(&g->text, "for unroll s: %d {\nfor %s v: %d {\n", g->inner, below(5) ? "vector" : "unroll", g->lanes);
  for (int count = 1 + below(4); count > 0; count--) statement(g);
  wf_text_add(&g->text, "}\n}\n");
  if (below(3)) wf_text_printf(&g->text, "for serial s: %d {\nfor unroll v: %d {\n%%y[i, t, s, v] += 1.5\n}\n}\n", g->inner, g->lanes);
  wf_text_printf(&g->text, "for unroll s: %d {\nfor vector v: %d {\n%%y[i, t, s, v] += %%q[s, v]\n}\n}\n", g->inner, g->lanes);
}

static void generate(generator *g) {
  static const int widths[] = {2, 4, 3, 8};
  g->lanes = widths[below(4)];
  g->inner = 1 + below(3);
  g->threads = 32 << below(2);
  wf_text_printf(&g->text,
                 "sym n\nkernel @k(%%a: f32[n, 9] in, %%b: f64[11] in, %%h: bf16[7, n] layout(1 @ 7, 0 @ 1; size 7*n) in, %%k: i32[13] in, %%u: u8[5, 5] in, "
                 "%%y: f32[n, %d, %d, %d] out, %%z: f32[n, %d, %d, %d] out, %%r: f64[n] out) symbols(n) {\n",
                 g->threads, g->inner, g->lanes, g->lanes, g->inner, g->threads);
  section(g);
  // what the threads hand to each other, through shared memory and the lanes of a warp
  wf_text_printf(&g->text, "%%sh[t] = %%q[0, 0]\nbarrier\n%%w[] = %%sh[(t + %d)%%%d]\n", below(g->threads), g->threads);
  bool part = below(2);
  wf_text_printf(&g->text, part ? "if t < 32 {\nreduce %s %%w[] lanes %d\n}\n" : "reduce %s %%w[] lanes %d\n", below(2) ? "sum" : "max", 2 << below(5));
  wf_text_printf(&g->text, "if t == %d {\n%%r[i] += f64(%%w[])\n}\n}\n}\n}\n", below(g->threads));
}

static void *place_in(fixture f, const wf_value *value, const wf_tensor *t) {
  size_t bytes = (size_t)t->count * (size_t)wf_dtype_bytes(value->dtype);
  void *data = malloc(bytes);
  for (int64_t k = 0; k < t->count; k++)
    if (t->floats) wf_store_element(value->dtype, data, place_of(value, t, k), t->floats[k]);
    else wf_store_element_int(value->dtype, data, k, t->integers[k]);
  void *there = filled(f, data, bytes);
  free(data);
  return there;
}

static bool run_kernel(generator *g, const char *level, uint64_t seed) {
  built b = parse_kernels(g->text.data);
  const wf_kernel *kernel = b.kernels[0].kernel;
  bool distinct[BUFFERS] = {true, true, true, true, true, true, true, true}, good = true;
  if (!wf_verify_kernel(kernel, b.diag)) fail_with(b.diag, g->text.data);
  if (seed & 2) b.kernels[0].distinct = distinct;
  compile_form(&b, level, WF_CODE_OBJECT);
  fixture f = open_text("random.ptx", b.code.bytes, b.code.size, 1, seed);
  wf_tensor *tensors[BUFFERS];
  void *data[BUFFERS], *parameters[BUFFERS + 1];
  for (int i = 0; i < BUFFERS; i++) {
    const wf_value *value = kernel->params.items[i];
    int64_t shape[WF_MAX_RANK];
    for (int k = 0; k < value->rank; k++) shape[k] = wf_dim_eval(value->shape[k], bound_symbol, NULL);
    tensors[i] = wf_tensor_create(b.arena, value->dtype, value->rank, shape);
    fill(tensors[i]);
    data[i] = place_in(f, value, tensors[i]);
    parameters[i] = &data[i];
  }
  parameters[BUFFERS] = &extent_n;
  if (!wf_kernel_ref_run(b.arena, b.diag, kernel, tensors, &extent_n, false)) fail_with(b.diag, g->text.data);
  weft_status *status = start(f, "k0", (uint32_t)extent_n, 1, (uint32_t)wf_kernel_threads(kernel), 1, 0, parameters);
  if (status) fail_msg("seed %llu: %s\n%s", (unsigned long long)seed, weft_status_message(status), g->text.data);
  for (int i = FIRST_OUT; i < BUFFERS; i++)
    for (int64_t k = 0; k < tensors[i]->count && good; k++) {
      double got = wf_load_element(kernel->params.items[i]->dtype, data[i], k);
      good = close_enough(got, tensors[i]->floats[k]);
      if (!good) print_message("seed %llu, n = %lld, %s: %%%s[%lld] is %.9g, not %.9g\n%s", (unsigned long long)seed, (long long)extent_n, level,
                               kernel->params.items[i]->name, (long long)k, got, tensors[i]->floats[k], g->text.data);
    }
  shut(f);
  drop(&b);
  return good;
}

static void test_random_kernels(void **unused) {
  int count = getenv("WEFT_FUZZ") ? atoi(getenv("WEFT_FUZZ")) : 40, wrong = 0;
  for (int i = 0; i < count; i++) {
    generator g = {.axes = {"i", "s", "v", "t"}, .axis_count = 4};
    uint64_t seed = (uint64_t)i * 0x9E3779B97F4A7C15u + 1;
    state = seed;
    wf_text_init(&g.text);
    generate(&g);
    extent_n = 1 + below(5);
    wrong += !run_kernel(&g, i & 1 ? "sm_80" : "sm_90a", seed);
    wf_text_deinit(&g.text);
  }
  assert_int_equal(wrong, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_kernels)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
