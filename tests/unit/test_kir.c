// Kernel IR: builders, the interpreter, canonical text, reading kernels into a module.
#include <math.h>
#include "wir_support.h"

static wf_tensor *tensor(ir_test *t, wf_dtype type, int rank, const int64_t *shape, double first, double step) {
  wf_tensor *made = wf_tensor_create(t->arena, type, rank, shape);
  for (int64_t i = 0; i < made->count; i++)
    if (made->floats) made->floats[i] = first + step * (double)i;
    else made->integers[i] = (int64_t)(first + step * (double)i);
  return made;
}

static ir_test kernel_of(const char *text) {
  ir_test t = ir_test_empty();
  bool good = wf_parse_kernels(t.module, wf_source_from_text(t.arena, "k.wir", text)) && wf_verify_kernel(t.module->kernels.items[0], t.diag);
  if (!good) wf_diag_print(t.diag, stderr, false);
  assert_true(good);
  return t;
}

static bool run(ir_test *t, wf_tensor *const *buffers, const int64_t *symbols, bool round) {
  return wf_kernel_ref_run(t->arena, t->diag, t->module->kernels.items[0], buffers, symbols, round);
}

static const char *const matmul =
    "kernel @mm(%x: f32[n, 5] in, %w: f32[3, 5] in, %y: f32[n, 3] out) symbols(n) {\n"
    "  for task io: (n + 3)//4 {\n"
    "    alloc %acc: f32[4, 3] register\n"
    "    for unroll ii: 4 { for unroll o: 3 { %acc[ii, o] = 0 } }\n"
    "    for serial c: 5 { for vector ii: 4 { if 4*io + ii < n { for unroll o: 3 { %acc[ii, o] += %x[4*io + ii, c] * %w[o, c] } } } }\n"
    "    for unroll ii: 4 { if 4*io + ii < n { for unroll o: 3 { %y[4*io + ii, o] = max(%acc[ii, o], 0) } } }\n"
    "  }\n}\n";

static void test_matmul(void **state) {
  (void)state;
  ir_test t = kernel_of(matmul);
  for (int64_t n = 1; n <= 9; n += 4) {
    wf_tensor *x = tensor(&t, WF_F32, 2, (int64_t[]){n, 5}, -3, 0.25), *w = tensor(&t, WF_F32, 2, (int64_t[]){3, 5}, 2, -0.5), *y = tensor(&t, WF_F32, 2, (int64_t[]){n, 3}, 99, 0);
    assert_true(run(&t, (wf_tensor *[]){x, w, y}, &n, false));
    for (int64_t i = 0; i < n; i++)
      for (int64_t o = 0; o < 3; o++) {
        double sum = 0;
        for (int64_t c = 0; c < 5; c++) sum += x->floats[i * 5 + c] * w->floats[o * 5 + c];
        assert_true(y->floats[i * 3 + o] == (sum > 0 ? sum : 0));
      }
  }
  ir_test_end(&t);
}

static void test_rounding(void **state) {
  (void)state;
  ir_test t = kernel_of("kernel @k(%a: f32[2] in, %s: f32 out, %b: bf16[2] out) {\n  for serial i: 2 {\n    %s[] += %a[i] * %a[i]\n    %b[i] = %a[i] / 3\n  }\n}\n");
  wf_tensor *a = tensor(&t, WF_F32, 1, (int64_t[]){2}, 1 + 0x1p-12, 0), *s = tensor(&t, WF_F32, 0, NULL, -1, 0), *b = tensor(&t, WF_BF16, 1, (int64_t[]){2}, 0, 0);
  wf_tensor *all[] = {a, s, b};
  assert_true(run(&t, all, NULL, false));
  double product = (1 + 0x1p-12) * (1 + 0x1p-12);
  assert_true(s->floats[0] == -1 + product + product);
  s->floats[0] = -1;
  assert_true(run(&t, all, NULL, true));
  // the product keeps its low bits in an fma: (1 + 2^-11 + 2^-24) - 1 is not lost
  assert_true(s->floats[0] == (double)(float)((double)(float)(product - 1) + product));
  assert_true(b->floats[0] == wf_round_to(WF_BF16, (double)(float)((1 + 0x1p-12) / 3)));
  ir_test_end(&t);
}

static void test_unwritten_and_bounds(void **state) {
  (void)state;
  ir_test t = kernel_of("kernel @k(%k: i64[2] in, %y: f32[2] out) {\n  for task i: 2 {\n    alloc %l: f32[2] local\n    %l[0] = 1\n    %y[i] = %l[i]\n  }\n"
                        "  for task j: 2 {\n    %y[%k[j]] += 2\n  }\n}\n");
  wf_tensor *k = tensor(&t, WF_I64, 1, (int64_t[]){2}, 0, 1), *y = tensor(&t, WF_F32, 1, (int64_t[]){2}, 0, 0);
  assert_true(run(&t, (wf_tensor *[]){k, y}, NULL, false));
  assert_true(y->floats[0] == 3 && isnan(y->floats[1]));
  k->integers[1] = 2;
  assert_false(run(&t, (wf_tensor *[]){k, y}, NULL, false));
  assert_true(ir_test_diag_holds(&t, "kernel @k: a store: index 2 on axis 0 of %y is out of bounds"));
  assert_false(run(&t, (wf_tensor *[]){y, k}, NULL, false));
  assert_true(ir_test_diag_holds(&t, "the buffer given for %k has another type or shape"));
  ir_test_end(&t);
}

static void test_integers(void **state) {
  (void)state;
  ir_test t = kernel_of("kernel @k(%a: i32[3] in, %y: i32[3] out, %r: f32[3] out) {\n  for serial i: 3 {\n    %y[i] max= select(%a[i] < 2, %a[i] * 2000000000, -5)\n"
                        "    %r[i] = random(0x7, 1, 2, i) + f32(%a[i] // 2)\n  }\n}\n");
  wf_tensor *a = tensor(&t, WF_I32, 1, (int64_t[]){3}, 0, 1), *y = tensor(&t, WF_I32, 1, (int64_t[]){3}, -9, 0), *r = tensor(&t, WF_F32, 1, (int64_t[]){3}, 0, 0);
  assert_true(run(&t, (wf_tensor *[]){a, y, r}, NULL, false));
  assert_int_equal(y->integers[0], 0);
  assert_int_equal(y->integers[1], 2000000000);
  assert_int_equal(y->integers[2], -5);
  assert_true(r->floats[2] == wf_random_uniform(1, 7, 2, 2) + 1);
  a->integers[1] = -2;   // -4e9 wraps to 294967296
  assert_true(run(&t, (wf_tensor *[]){a, y, r}, NULL, false));
  assert_int_equal(y->integers[1], 2000000000);
  y->integers[1] = 0;
  assert_true(run(&t, (wf_tensor *[]){a, y, r}, NULL, false));
  assert_int_equal(y->integers[1], 294967296);
  assert_true(r->floats[1] == wf_random_uniform(1, 7, 2, 1) - 1);
  ir_test_end(&t);
}

// The same computation under other names, axes, and symbols is the same text; another fact or another body is not.
static void test_canonical(void **state) {
  (void)state;
  ir_test a = kernel_of(matmul);
  ir_test b = kernel_of(
      "kernel @other(%p: f32[m, 5] in, %q: f32[3, 5] in, %r: f32[m, 3] out) symbols(m) flops 3*m bytes m {\n"
      "  for task t: (m + 3)//4 {\n"
      "    alloc %sum: f32[4, 3] register\n"
      "    for unroll a: 4 { for unroll b: 3 { %sum[a, b] = 0 } }\n"
      "    for serial z: 5 { for vector y: 4 { if 4*t + y < m { for unroll x: 3 { %sum[y, x] += %p[4*t + y, z] * %q[x, z] } } } }\n"
      "    for unroll c: 4 { if 4*t + c < m { for unroll d: 3 { %r[4*t + c, d] = max(%sum[c, d], 0) } } }\n"
      "  }\n}\n");
  const char *first = wf_kernel_canonical(a.arena, a.module->kernels.items[0]), *second = wf_kernel_canonical(b.arena, b.module->kernels.items[0]);
  assert_string_equal(first, second);
  assert_null(strstr(first, "flops"));
  ir_test c = kernel_of("kernel @k(%x: f32[4] in, %y: f32[4] out) {\n  for task i: 4 {\n    %y[i] = %x[i]\n  }\n}\n");
  ir_test d = kernel_of("kernel @k(%x: f32[4] in, %y: f32[4] out) {\n  for task i: 4 {\n    %y[i] = %x[3 - i]\n  }\n}\n");
  ir_test e = kernel_of("sym n in [1, 2147483647] % 8\nkernel @k(%x: f32[n] in, %y: f32[n] out) symbols(n) {\n  for task i: n {\n    %y[i] = %x[i]\n  }\n}\n");
  ir_test f = kernel_of("kernel @k(%x: f32[n] in, %y: f32[n] out) symbols(n) {\n  for task i: n {\n    %y[i] = %x[i]\n  }\n}\n");
  assert_string_not_equal(wf_kernel_canonical(c.arena, c.module->kernels.items[0]), wf_kernel_canonical(d.arena, d.module->kernels.items[0]));
  assert_string_not_equal(wf_kernel_canonical(e.arena, e.module->kernels.items[0]), wf_kernel_canonical(f.arena, f.module->kernels.items[0]));
  ir_test *all[] = {&a, &b, &c, &d, &e, &f};
  for (int i = 0; i < 6; i++) ir_test_end(all[i]);
}

static void test_builders(void **state) {
  (void)state;
  ir_test t = ir_test_empty();
  wf_module *m = t.module;
  const wf_dim *eight = wf_dim_const(m->dims, 8), *i = wf_dim_axis(m->dims, "i", eight);
  wf_kernel *k = wf_kernel_create(m, "copy", WF_NOWHERE);
  assert_string_equal(wf_kernel_create(m, "copy", WF_NOWHERE)->name, "copy.1");
  m->kernels.count--;
  wf_value *x = wf_kernel_param(k, "x", WF_F32, 1, &eight, NULL, false), *y = wf_kernel_param(k, "x", WF_F32, 1, &eight, NULL, true);
  wf_block *body = wf_stmt_for(k, wf_kernel_section(k), WF_BIND_TASK, i);
  wf_value *tmp = wf_stmt_alloc(k, body, "tmp", WF_SPACE_REGISTER, WF_F32, 0, NULL, NULL);
  wf_stmt_store(k, body, tmp, NULL, WF_R_NONE, wf_expr_read_dims(m, x, &i, NULL));
  wf_stmt_store_dims(k, body, y, &i, WF_R_NONE, wf_expr_read(m, tmp, NULL, NULL));
  assert_true(wf_verify_kernel(k, t.diag));
  wf_text text;
  wf_text_init(&text);
  wf_print_kernel(&text, k);
  assert_string_equal(text.data,
                      "kernel @copy(%x: f32[8] in, %x.1: f32[8] out) {\n  for task i: 8 {\n    alloc %tmp: f32 register\n    %tmp[] = %x[i]\n"
                      "    %x.1[i] = %tmp[]\n  }\n}\n");
  wf_text_deinit(&text);
  ir_test_end(&t);
}

// Rows of 100 summed by 64 threads: a register a thread, a warp at a time, then the warps' sums through shared memory.
static const char *const block_sum =
    "kernel @rows(%x: f32[n, 100] in, %y: f32[n] out) symbols(n) {\n"
    "  for grid i: n {\n"
    "    alloc %part: f32[2] shared\n"
    "    for thread t: 64 {\n"
    "      alloc %acc: f32 register\n"
    "      %acc[] = 0\n"
    "      for serial c: 2 { if 64*c + t < 100 { %acc[] += %x[i, 64*c + t] } }\n"
    "      reduce sum %acc[] lanes 32\n"
    "      if t%32 == 0 { %part[t//32] = %acc[] }\n"
    "      BARRIER\n"
    "      if t == 0 { %y[i] = %part[0] + %part[1] }\n"
    "    }\n  }\n}\n";

static const char *block_sum_with(ir_test *t, const char *barrier) {
  const char *at = strstr(block_sum, "BARRIER");
  return wf_arena_printf(t->arena, "%.*s%s%s", (int)(at - block_sum), block_sum, barrier, at + 7);
}

static void test_block_reduction(void **state) {
  (void)state;
  ir_test s = ir_test_empty(), t = kernel_of(block_sum_with(&s, "barrier"));
  assert_int_equal(wf_kernel_threads(t.module->kernels.items[0]), 64);
  int64_t n = 3;
  wf_tensor *x = tensor(&t, WF_F32, 2, (int64_t[]){n, 100}, -3, 0.25), *y = tensor(&t, WF_F32, 1, &n, 99, 0);
  assert_true(run(&t, (wf_tensor *[]){x, y}, &n, false));
  for (int64_t i = 0; i < n; i++) {
    double sum = 0;
    for (int64_t c = 0; c < 100; c++) sum += x->floats[i * 100 + c];
    assert_true(y->floats[i] == sum);
  }
  ir_test_end(&t);
  t = ir_test_parse(block_sum_with(&s, ""));
  assert_non_null(t.module);
  assert_false(wf_verify_kernel(t.module->kernels.items[0], t.diag));
  assert_true(ir_test_diag_holds(&t, "thread 0 reads element 1, which thread 32 has stored with no barrier"));
  ir_test_end(&t);
  ir_test_end(&s);
}

// All threads read before any stores: a shift by one through one statement; and shared memory starts as NaN.
static void test_lockstep(void **state) {
  (void)state;
  ir_test t = kernel_of("kernel @k(%x: i32[33] out, %m: i32[32] out, %y: f32[2] out) {\n  for grid g: 2 {\n    alloc %s: f32[2] shared\n    for thread t: 32 {\n"
                        "      alloc %r: i32 register\n"
                        "      if g == 0 { %x[t] = %x[t + 1] }\n      %r[] = i32(t)\n      reduce max %r[] lanes 8\n      %m[t] = %r[]\n"
                        "      if t == 5 { if g == 0 { %s[0] = 7 } }\n      barrier\n      for serial j: t//31 { %y[g] = %s[0] }\n    }\n  }\n}\n");
  wf_tensor *x = tensor(&t, WF_I32, 1, (int64_t[]){33}, 0, 1), *m = tensor(&t, WF_I32, 1, (int64_t[]){32}, 0, 0), *y = tensor(&t, WF_F32, 1, (int64_t[]){2}, 0, 0);
  assert_true(run(&t, (wf_tensor *[]){x, m, y}, NULL, false));
  for (int i = 0; i < 32; i++) assert_true(x->integers[i] == i + 1 && m->integers[i] == i / 8 * 8 + 7);
  assert_true(y->floats[0] == 7 && isnan(y->floats[1]));
  ir_test_end(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_matmul),   cmocka_unit_test(test_rounding),  cmocka_unit_test(test_unwritten_and_bounds),
      cmocka_unit_test(test_integers), cmocka_unit_test(test_canonical), cmocka_unit_test(test_builders),
      cmocka_unit_test(test_block_reduction), cmocka_unit_test(test_lockstep),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
