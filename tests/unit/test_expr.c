// Scalar tables, evaluation, Philox, and the hash-consed expressions with their simplifications.
#include <math.h>
#include "wir_support.h"

// Known answers of Random123's kat_vectors for philox4x32-10.
static void test_philox(void **state) {
  (void)state;
  static const struct { uint32_t counter[4], key[2], out[4]; } known[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    uint32_t out[4];
    wf_philox4x32_10(known[i].counter, known[i].key, out);
    assert_memory_equal(out, known[i].out, sizeof out);
  }
  assert_true(wf_random_uniform(0, 0, 0, 0) == (double)(0x6627e8d5 >> 8) * 0x1p-24);
  assert_true(wf_random_uniform(5, 7, 1, 2) != wf_random_uniform(5, 7, 2, 1));
}

static void test_eval(void **state) {
  (void)state;
  assert_true(isnan(wf_scalar_eval_float(WF_S_MAX, (double[]){NAN, 1})) && isnan(wf_scalar_eval_float(WF_S_MIN, (double[]){1, NAN})));
  assert_true(wf_scalar_eval_float(WF_S_MOD, (double[]){-1, 3}) == 2);
  int64_t result;
  assert_true(wf_scalar_eval_int(WF_S_FLOORDIV, (int64_t[]){-7, 2}, &result) && result == -4);
  assert_true(wf_scalar_eval_int(WF_S_MOD, (int64_t[]){-7, 2}, &result) && result == 1);
  assert_true(wf_scalar_eval_int(WF_S_FLOORDIV, (int64_t[]){INT64_MIN, -1}, &result) && result == INT64_MIN);
  assert_true(wf_scalar_eval_int(WF_S_ADD, (int64_t[]){INT64_MAX, 1}, &result) && result == INT64_MIN);
  assert_false(wf_scalar_eval_int(WF_S_MOD, (int64_t[]){1, 0}, &result));
  assert_false(wf_scalar_eval_int(WF_S_EXP, (int64_t[]){1}, &result));
  assert_true(wf_combiner_identity(WF_R_MAX, WF_F32) == -INFINITY && wf_combiner_identity(WF_R_MIN, WF_U8) == 255);
  wf_scalar op;
  assert_true(wf_scalar_find("rsqrt", &op) && op == WF_S_RSQRT && !wf_scalar_find("nothing", &op));
}

typedef struct world { ir_test t; wf_value *x, *b; const wf_dim *n, *i, *j; const wf_expr *xi, *bi; } world;

static world make(void) {
  world w = {.t = ir_test_empty()};
  wf_module *m = w.t.module;
  wf_function *f = wf_function_create(m, "f", WF_NOWHERE);
  w.n = wf_dim_symbol(m->dims, "n");
  w.i = wf_dim_axis(m->dims, "i", w.n);
  w.j = wf_dim_axis(m->dims, "j", wf_dim_const(m->dims, 8));
  w.x = wf_function_input(f, "x", WF_ROLE_DATA, WF_F32, 1, &w.n, WF_NOWHERE);
  w.b = wf_function_input(f, "b", WF_ROLE_DATA, WF_BOOL, 1, &w.n, WF_NOWHERE);
  w.xi = wf_expr_read_dims(m, w.x, &w.i, NULL);
  w.bi = wf_expr_read_dims(m, w.b, &w.i, NULL);
  return w;
}

static const wf_expr *number(world *w, double value) { return wf_expr_const(w->t.module, WF_F32, value); }
static const wf_expr *two(world *w, wf_scalar op, const wf_expr *a, const wf_expr *b) { return wf_expr_binary(w->t.module, op, a, b); }
static const wf_expr *one(world *w, wf_scalar op, const wf_expr *a) { return wf_expr_unary(w->t.module, op, a); }

static void test_consing(void **state) {
  (void)state;
  world w = make();
  const wf_expr *e = one(&w, WF_S_EXP, w.xi);
  assert_ptr_equal(e, one(&w, WF_S_EXP, wf_expr_read_dims(w.t.module, w.x, &w.i, NULL)));
  assert_ptr_equal(two(&w, WF_S_MUL, e, w.xi), two(&w, WF_S_MUL, w.xi, e));
  assert_ptr_not_equal(two(&w, WF_S_SUB, e, w.xi), two(&w, WF_S_SUB, w.xi, e));
  assert_ptr_not_equal(number(&w, 0), number(&w, -0.0));
  assert_ptr_equal(wf_expr_const_int(w.t.module, WF_I64, 7), wf_expr_index(w.t.module, wf_dim_const(w.t.module->dims, 7)));
  assert_true(wf_expr_const(w.t.module, WF_F32, 0.1)->number == (double)0.1f);
  for (int k = 0; k < 5000; k++) assert_ptr_equal(number(&w, k), number(&w, k));
  ir_test_end(&w.t);
}

static void test_algebra(void **state) {
  (void)state;
  world w = make();
  const wf_expr *x = w.xi, *y = one(&w, WF_S_EXP, x), *b = w.bi;
  assert_ptr_equal(two(&w, WF_S_ADD, x, number(&w, 0)), x);
  assert_ptr_equal(two(&w, WF_S_MUL, number(&w, 1), x), x);
  assert_ptr_equal(two(&w, WF_S_MUL, x, number(&w, -1)), one(&w, WF_S_NEG, x));
  assert_int_equal(two(&w, WF_S_MUL, x, number(&w, 0))->op, WF_S_MUL);   // NaN * 0 is NaN
  assert_ptr_equal(two(&w, WF_S_ADD, x, one(&w, WF_S_NEG, y)), two(&w, WF_S_SUB, x, y));
  assert_ptr_equal(two(&w, WF_S_DIV, x, number(&w, 4)), two(&w, WF_S_MUL, x, number(&w, 0.25)));
  assert_int_equal(two(&w, WF_S_DIV, x, number(&w, 3))->op, WF_S_DIV);
  assert_ptr_equal(two(&w, WF_S_POW, x, number(&w, 2)), two(&w, WF_S_MUL, x, x));
  assert_true(wf_expr_is_const(two(&w, WF_S_DIV, number(&w, 1), number(&w, 3)), (double)(1.0f / 3.0f)));
  const wf_expr *less = two(&w, WF_S_LT, x, y), *no = one(&w, WF_S_NOT, b);
  assert_int_equal(one(&w, WF_S_NOT, less)->op, WF_S_NOT);               // NaN: no comparison says it
  assert_ptr_equal(wf_expr_select(w.t.module, no, x, y), wf_expr_select(w.t.module, b, y, x));
  assert_ptr_equal(wf_expr_select(w.t.module, b, wf_expr_select(w.t.module, b, x, y), y), wf_expr_select(w.t.module, b, x, y));
  assert_ptr_equal(wf_expr_select(w.t.module, b, x, x), x);
  assert_ptr_equal(wf_expr_cast(w.t.module, WF_F32, wf_expr_cast(w.t.module, WF_F64, x)), x);
  assert_int_equal(wf_expr_cast(w.t.module, WF_F32, wf_expr_cast(w.t.module, WF_BF16, x))->op, WF_S_CAST);
  assert_ptr_equal(one(&w, WF_S_STOP, number(&w, 2)), number(&w, 2));
  ir_test_end(&w.t);
}

static void test_index_arithmetic(void **state) {
  (void)state;
  world w = make();
  wf_module *m = w.t.module;
  const wf_expr *i = wf_expr_index(m, w.i), *j = wf_expr_index(m, w.j), *n = wf_expr_index(m, w.n);
  const wf_expr *sum = two(&w, WF_S_ADD, two(&w, WF_S_MUL, j, wf_expr_const_int(m, WF_I64, 2)), i);
  assert_int_equal(sum->op, WF_S_INDEX);
  assert_ptr_equal(sum->dim, wf_dim_add(wf_dim_scale(w.j, 2), w.i));
  assert_true(wf_expr_is_const(two(&w, WF_S_LT, i, n), 1));
  assert_true(wf_expr_is_const(two(&w, WF_S_GE, j, wf_expr_const_int(m, WF_I64, 8)), 0));
  assert_int_equal(two(&w, WF_S_LT, i, j)->op, WF_S_LT);
  assert_ptr_equal(two(&w, WF_S_MIN, i, n), i);
  assert_ptr_equal(one(&w, WF_S_NOT, two(&w, WF_S_LT, i, j)), two(&w, WF_S_GE, i, j));
  const wf_expr *zero = wf_expr_const_int(m, WF_I64, 0);
  assert_int_equal(two(&w, WF_S_FLOORDIV, i, zero)->op, WF_S_FLOORDIV);   // undefined: left for the evaluator to tell
  assert_int_equal(two(&w, WF_S_MOD, zero, zero)->op, WF_S_MOD);
  ir_test_end(&w.t);
}

static const wf_expr *swap_read(void *context, const wf_expr *node) {
  world *w = context;
  return node->op == WF_S_READ && node->operand == w->x ? wf_expr_unary(w->t.module, WF_S_EXP, node) : NULL;
}

static void count(void *context, const wf_expr *node) { (void)node; ++*(int *)context; }

static void test_rewrite_and_walk(void **state) {
  (void)state;
  world w = make();
  const wf_expr *square = two(&w, WF_S_MUL, w.xi, w.xi), *e = two(&w, WF_S_ADD, square, square);
  int nodes = 0;
  wf_expr_walk(e, count, &nodes);
  assert_int_equal(nodes, 4);   // i, x[i], the square, the sum: each once
  assert_int_equal(wf_expr_cost(e), 2);
  assert_true(wf_expr_has_read(e) && !wf_expr_has_read(number(&w, 1)));
  wf_binding binding = {wf_dim_as_atom(w.i), wf_dim_offset(w.j, 3)};
  assert_string_equal(ir_test_expr_text(&w.t, wf_expr_rewrite(w.t.module, square, &binding, 1, NULL, NULL)), "%x[j + 3] * %x[j + 3]");
  const wf_expr *swapped = wf_expr_rewrite(w.t.module, square, NULL, 0, swap_read, &w);
  assert_string_equal(ir_test_expr_text(&w.t, swapped), "let t0 = exp(%x[i]); t0 * t0");
  // A chain of doublings has 2^60 paths; each node is done once.
  const wf_expr *deep = w.xi;
  for (int k = 0; k < 60; k++) deep = two(&w, WF_S_ADD, one(&w, WF_S_SIN, deep), one(&w, WF_S_COS, deep));
  nodes = 0;
  wf_expr_walk(deep, count, &nodes);
  assert_int_equal(nodes, 2 + 180);
  assert_ptr_not_equal(wf_expr_rewrite(w.t.module, deep, &binding, 1, NULL, NULL), deep);
  ir_test_end(&w.t);
}

static void test_names_and_costs(void **state) {
  (void)state;
  world w = make();
  wf_function *f = w.t.module->functions.items[0];
  wf_value *a = wf_value_create(f, "h", WF_F32, 0, NULL, WF_NOWHERE), *b = wf_value_create(f, "h", WF_F32, 0, NULL, WF_NOWHERE);
  assert_string_equal(a->name, "h");
  assert_string_equal(b->name, "h.1");
  assert_ptr_equal(wf_function_find_value(f, "h.1"), b);
  const wf_atom *axes[] = {wf_dim_as_atom(w.i)}, *over[] = {wf_dim_as_atom(w.j)};
  const wf_expr *body = two(&w, WF_S_MUL, w.xi, w.xi);
  wf_value *y = wf_build_compute(f, "y", WF_F32, axes, 1, WF_R_SUM, over, 1, body, WF_NOWHERE);
  assert_ptr_equal(wf_op_flops(w.t.module, y->def), wf_dim_scale(w.n, 16));
  assert_ptr_equal(wf_op_bytes(w.t.module, y->def), wf_dim_scale(w.n, 8));
  assert_int_equal(y->def->operand_count, 1);
  ir_test_end(&w.t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_philox),           cmocka_unit_test(test_eval),    cmocka_unit_test(test_consing),
      cmocka_unit_test(test_algebra),          cmocka_unit_test(test_index_arithmetic), cmocka_unit_test(test_rewrite_and_walk),
      cmocka_unit_test(test_names_and_costs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
