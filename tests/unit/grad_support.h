// Checking autodiff against finite differences in f64, through the reference evaluator.
//
// A test gives a function of one result in the text form. The harness makes it a scalar, l = sum of y * r with r given,
// differentiates l by every float input and compares with central differences; with order 2 it then does the same for
// sum of d_x * r'.
#ifndef WEFT_TESTS_GRAD_SUPPORT_H
#define WEFT_TESTS_GRAD_SUPPORT_H
#include <math.h>
#include "frontend/frontend.h"
#include "passes/passes.h"
#include "wir_support.h"

typedef struct grad_case {
  const char *text;        // one function @f with one result
  const char *net;         // or a .net file, whose inference is taken
  double low, high;        // range of float inputs; both 0: [-1, 1]
  int64_t below;           // integer inputs lie in [0, below)
  int64_t n;               // value of every symbol in the inputs' shapes
  int order;               // 0: 1
} grad_case;

static int64_t grad_symbol(void *context, const wf_atom *atom) { return *(const int64_t *)context; }

static double grad_random(uint64_t seed, uint64_t index) { return wf_random_uniform(seed, 17, 0, index); }

static wf_tensor *grad_input(wf_arena *arena, const grad_case *c, const wf_value *value, uint64_t seed) {
  int64_t shape[WF_MAX_RANK], n = c->n;
  for (int i = 0; i < value->rank; i++) shape[i] = wf_dim_eval(value->shape[i], grad_symbol, &n);
  wf_tensor *tensor = wf_tensor_create(arena, value->dtype, value->rank, shape);
  double low = c->low, high = c->high;
  if (low == 0 && high == 0) low = -1, high = 1;
  for (int64_t i = 0; i < tensor->count; i++)
    if (tensor->floats) tensor->floats[i] = low + (high - low) * grad_random(seed, (uint64_t)i);
    else tensor->integers[i] = c->below ? (int64_t)(grad_random(seed, (uint64_t)i) * (double)c->below) : 0;
  return tensor;
}

// The scalar sum of value * r, r a new input.
static wf_value *grad_weigh(wf_function *f, wf_value *value, const char *name) {
  const wf_atom *axes[WF_MAX_RANK];
  const wf_dim *indices[WF_MAX_RANK];
  for (int i = 0; i < value->rank; i++) axes[i] = wf_dim_as_atom(indices[i] = wf_dim_axis(f->module->dims, "a", value->shape[i]));
  wf_value *weights = wf_function_input(f, name, WF_ROLE_DATA, value->dtype, value->rank, value->shape, WF_NOWHERE);
  const wf_expr *product = wf_expr_binary(f->module, WF_S_MUL, wf_expr_read_dims(f->module, value, indices, NULL),
                                          wf_expr_read_dims(f->module, weights, indices, NULL));
  return wf_build_compute(f, "weighed", value->dtype, NULL, 0, value->rank ? WF_R_SUM : WF_R_NONE, axes, value->rank, product, WF_NOWHERE);
}

static wf_value *grad_add(wf_module *module, wf_value *a, wf_value *b, wf_function *f) {
  const wf_expr *sum = wf_expr_binary(module, WF_S_ADD, wf_expr_read(module, a, NULL, NULL), wf_expr_read(module, b, NULL, NULL));
  return wf_build_compute(f, "total", a->dtype, NULL, 0, WF_R_NONE, NULL, 0, sum, WF_NOWHERE);
}

typedef struct grad_build { ir_test t; wf_function *f; wf_value *of; wf_op *grad; wf_value *by[16]; int by_count; } grad_build;

static void grad_fail(grad_build *b, const char *what) {
  wf_diag_print(b->t.diag, stderr, false);
  fail_msg("%s in:\n%s", what, ir_test_print(&b->t));
}

static void grad_differentiate(grad_build *b) {
  b->grad = wf_build_grad(b->f, "g", b->of, b->by, b->by_count, WF_NOWHERE);
  for (int i = 0; i < b->by_count; i++) {
    b->grad->results[i]->name = wf_unique_name(b->f, wf_arena_printf(b->t.arena, "d_%s", b->by[i]->name));
    wf_map_set(&b->f->names, b->grad->results[i]->name, b->grad->results[i]);
  }
}

static ir_test grad_compile(const char *text) {
  ir_test t = {.arena = wf_arena_create()};
  t.diag = wf_diag_create(t.arena);
  wf_frontend_options options = {0};
  wf_compiled *compiled = wf_frontend_compile(t.arena, t.diag, wf_source_from_text(t.arena, "test.net", text), &options);
  if (!compiled) wf_diag_print(t.diag, stderr, false);
  assert_non_null(compiled);
  t.module = compiled->module;
  return t;
}

// depth 0: the scalar alone; depth 1: with its gradients; then the weighed sum of those, and its gradients.
static grad_build grad_make(const grad_case *c, int scalars, bool grad) {
  grad_build b = {.t = c->net ? grad_compile(c->net) : ir_test_parse_good(c->text)};
  b.f = wf_function_find(b.t.module, c->net ? "infer" : "f");
  assert_non_null(b.f);
  for (int i = 0; i < b.f->inputs.count; i++)
    if (wf_dtype_is_float(b.f->inputs.items[i]->dtype)) b.by[b.by_count++] = b.f->inputs.items[i];
  b.of = grad_weigh(b.f, b.f->results.items[0].value, "r");
  b.f->results.count = 0;
  for (int level = 1; level < scalars; level++) {
    grad_differentiate(&b);
    wf_value *total = NULL, *gradients[16];
    for (int i = 0; i < b.by_count; i++) gradients[i] = b.grad->results[i];
    for (int i = 0; i < b.by_count; i++) {
      wf_value *one = grad_weigh(b.f, gradients[i], "rr");
      total = total ? grad_add(b.t.module, total, one, b.f) : one;
    }
    b.of = total;
  }
  wf_function_result(b.f, "l", b.of);
  if (grad) {
    grad_differentiate(&b);
    for (int i = 0; i < b.by_count; i++) wf_function_result(b.f, b.grad->results[i]->name, b.grad->results[i]);
  }
  wf_pass_options none = {0};
  if (!wf_pass_autodiff(b.t.module, &none)) grad_fail(&b, "autodiff failed");
  if (!wf_verify(b.t.module, b.t.diag)) grad_fail(&b, "the verifier refuses");
  return b;
}

static wf_tensor **grad_run(grad_build *b, wf_arena *arena, wf_tensor **inputs) {
  wf_tensor **results = WF_NEW_ARRAY(arena, wf_tensor *, b->f->results.count);
  wf_ref_options options = {.round = false};
  if (!wf_ref_run(arena, b->t.diag, b->f, &options, inputs, results, NULL)) grad_fail(b, "evaluation failed");
  return results;
}

static double grad_scalar(grad_build *b, wf_tensor **inputs) {
  wf_arena *arena = wf_arena_create();
  double value = grad_run(b, arena, inputs)[0]->floats[0];
  wf_arena_destroy(arena);
  return value;
}

// The printed module must read back to the same text: what autodiff makes is the language.
static void grad_check_text(grad_build *b) {
  char *text = ir_test_print(b->t.module ? &b->t : NULL);
  ir_test again = ir_test_parse_good(text);
  assert_string_equal(ir_test_print(&again), text);
  ir_test_end(&again);
}

static void grad_check_order(const grad_case *c, int order) {
  grad_build plain = grad_make(c, order, false), full = grad_make(c, order, true);
  grad_check_text(&full);
  assert_int_equal(plain.f->inputs.count, full.f->inputs.count);
  wf_arena *arena = wf_arena_create();
  wf_tensor *inputs[64];
  for (int i = 0; i < full.f->inputs.count; i++) inputs[i] = grad_input(arena, c, full.f->inputs.items[i], (uint64_t)i + 1);
  wf_tensor **results = grad_run(&full, arena, inputs);
  int gradient = 1;
  for (int i = 0; i < full.f->inputs.count && gradient <= full.by_count; i++) {
    if (full.f->inputs.items[i] != full.by[gradient - 1]) continue;
    const wf_tensor *analytic = results[gradient++];
    for (int64_t k = 0; k < inputs[i]->count; k++) {
      double h = 1e-5, old = inputs[i]->floats[k];
      inputs[i]->floats[k] = old + h;
      double up = grad_scalar(&plain, inputs);
      inputs[i]->floats[k] = old - h;
      double down = grad_scalar(&plain, inputs), numeric = (up - down) / (2 * h), got = analytic->floats[k];
      inputs[i]->floats[k] = old;
      if (fabs(numeric - got) <= 2e-7 * (1 + fabs(numeric))) continue;
      fail_msg("order %d: d_%s[%lld] is %.10g, differences give %.10g in:\n%s", order, full.f->inputs.items[i]->name, (long long)k, got, numeric,
               ir_test_print(&full.t));
    }
  }
  wf_arena_destroy(arena);
  ir_test_end(&plain.t);
  ir_test_end(&full.t);
}

static inline void grad_check(grad_case c) {
  for (int order = 1; order <= (c.order ? c.order : 1); order++) grad_check_order(&c, order);
}

// The text of the function's gradients, for tests of their form.
static inline char *grad_text(grad_case c, wf_arena *arena) {
  grad_build b = grad_make(&c, 1, true);
  char *text = wf_arena_strdup(arena, ir_test_print(&b.t));
  ir_test_end(&b.t);
  return text;
}
#endif
