// The verifiers: one broken module or kernel a rule, each told with a message that names the operation.
#include "wir_support.h"

static void expect_broken(const char *text, const char *message) {
  ir_test t = ir_test_parse_good(text);
  if (wf_verify(t.module, t.diag)) fail_msg("is taken for good, though: %s", message);
  if (!ir_test_diag_holds(&t, message)) fail_msg("is not told: %s", message);
  ir_test_end(&t);
}

static void expect_good(const char *text) {
  ir_test t = ir_test_parse_good(text);
  if (!wf_verify(t.module, t.diag)) wf_diag_print(t.diag, stderr, false);
  assert_int_equal(t.diag->errors, 0);
  ir_test_end(&t);
}

static void test_text_rules(void **state) {
  (void)state;
  static const struct { const char *text, *message; } cases[] = {
      // computes
      {"func @f(%x: f32[n]) -> () { %y: f32[n, 2] = compute [i: n] %x[i] }", "function @f: %y: the rank is 2, but there are 1 axes"},
      {"func @f(%x: f32[n]) -> () { %y: f32[m] = compute [i: n] %x[i] }", "extent 0 of the result is not the extent of axis 'i'"},
      {"func @f(%x: f32[n]) -> () { %y: f32[n] = compute [i: n] none[j: 4] %x[i] }", "there are reduction axes, but no combiner"},
      {"func @f(%x: f32[n]) -> () { %y: f32 = compute [] argmax[i: n] %x[i] }", "the body is f32, the result f32"},
      {"func @f(%x: f32[n]) -> () { %y: f32 = compute [] sum:i64[i: n] %x[i] }", "the accumulator is i64, the body f32"},
      // bounds
      {"func @f(%x: f32[8]) -> () { %y: f32[8] = compute [i: 8] %x[i + 1] }", "index 0 of %x is beyond the extent"},
      {"func @f(%x: f32[8]) -> () { %y: f32[8] = compute [i: 8] %x[i - 1] }", "index 0 of %x is negative"},
      // scatter
      {"func @f(%x: f32[n], %k: i64[n]) -> () { %y: f32[4, 4] = scatter sum [i: n] at [%k[i]] %x[i] }", "there are 1 target indices for a result of rank 2"},
      {"func @f(%x: f32[n], %k: i64[n]) -> () { %y: f32[4] = scatter prod [i: n] at [%k[i]] %x[i] }", "a scatter combines by sum, max, min or none, not prod"},
      {"func @f(%x: f32[n], %k: i64[n]) -> () { %y: f32[4] = scatter sum onto %x [i: n] at [%k[i]] %x[i] }", "what it goes onto has not the result's type and shape"},
      // sort
      {"func @f(%x: f32[n]) -> () { %y: f32[n], %k: i64[n] = sort %x axis 1 }", "axis 1 is none of the operand's 1"},
      {"func @f(%x: f32[n]) -> () { %y: f32[n], %k: i32[n] = sort %x axis 0 }", "the indices are not i64"},
      {"func @f(%x: f32[n]) -> () { %y: f64[n], %k: i64[n] = sort %x axis 0 }", "the sorted values have not the operand's type"},
      // loop
      {"func @r(%t: f32, %h: f32) -> (h: %h) { }\nfunc @f(%x: f32) -> () { %y: f32 = loop @r trip 3 carry(%x) }", "the counter of @r is not an i64 scalar"},
      {"func @r(%t: i64, %h: f32) -> (h: %h) { }\nfunc @f(%x: f64) -> () { %y: f32 = loop @r trip 3 carry(%x) }", "%x does not fit input %h of @r"},
      {"func @r(%t: i64, %h: f32) -> (h: %h) { }\nfunc @f(%x: f32[4]) -> () { %y: f32 = loop @r trip 3 slice(%x) }", "%x does not fit input %h of @r"},
      {"func @r(%t: i64, %h: f32) -> (h: %h) { }\nfunc @f(%x: f32) -> () { %y: f32[4] = loop @r trip 3 with(%x) }", "%y does not fit result 'h' of @r"},
      {"func @r(%t: i64) -> () { }\nfunc @f(%x: f32) -> () { %y: f32 = loop @r trip 3 carry(%x) }", "@r takes 1 inputs"},
      // call
      {"func @g(%a: f32[m]) -> (a: %a) { }\nfunc @f(%x: f32[4], %z: f32) -> () { %y: f32[4] = call @g(%x, %z) }", "@g takes 1 inputs, not 2"},
      {"func @g(%a: f32[m], %b: f32[m]) -> (a: %a) { }\nfunc @f(%x: f32[4], %z: f32[5]) -> () { %y: f32[4] = call @g(%x, %z) }", "%z does not fit input %b of @g"},
      {"func @g(%a: f32[m]) -> (a: %a) { }\nfunc @f(%x: f32[4]) -> () { %y: f32[5] = call @g(%x) }", "%y does not fit result 'a' of @g"},
      {"func @f(%x: f32) -> (y: %y) { %y: f32 = call @f(%x) }", "@f calls itself"},
      // update, grad
      {"func @f(%x: f32[n] data) -> () { update %x = %x }", "%x is no param or state of the function"},
      {"func @f(%x: f32[n] param, %y: f32[4]) -> () { update %x = %y }", "%y has not the type and shape of %x"},
      {"func @f(%x: f32 param) -> () { update %x = %x update %x = %x }", "%x is updated twice"},
      {"func @f(%x: f32[n]) -> () { %g: f32[n] = grad %x by %x }", "%x is not a float scalar"},
      {"func @f(%x: f32, %w: f32[n]) -> () { %g: f32[4] = grad %x by %w }", "%g has not the type and shape of %w"},
      // groups
      {"func @f(%x: f32[n]) -> (y: %y) { group @g -> () { out %y: f32[n] = compute [i: n] %x[i] } }", "its result 'y' is not defined"},
      {"func @f(%x: f32[n]) -> () { group @g -> (%x) { out %y: f32[n] = compute [i: n] %x[i] } }", "its result %x is made by no member"},
      {"func @f(%x: f32[n]) -> () { group @g -> (%y) { inline %y: f32[n] = compute [i: n] %x[i] } }", "its result %y is not placed out"},
      {"func @f(%x: f32[n]) -> () { group @g -> () { } }", "a group has members"},
      // launches
      {"kernel @k(%a: f32[n] in) { }\nfunc @f(%x: f32[n]) -> () { %y: f32[n] = launch @k(%x) }", "@k has 1 parameters, not 2"},
      {"kernel @k(%a: f32[n] in, %b: f32[n] in) { }\nfunc @f(%x: f32[n]) -> () { %y: f32[n] = launch @k(%x) }", "@k writes another number of buffers"},
      {"kernel @k(%a: f64[n] in, %b: f32[n] out) { }\nfunc @f(%x: f32[n]) -> () { %y: f32[n] = launch @k(%x) }", "%x does not fit parameter %a of @k"},
      // inputs
      {"func @f(%s: f32 step) -> () { }", "the step, the seed and the total are i64 scalars"},
      // kernels
      {"kernel @k(%a: f32[n] out) symbols(n) { for vector i: n { %a[i] = 0 } }", "the extent of a vector or unrolled loop is an integer"},
      {"kernel @k(%a: f32[4] out) { for serial i: 4 { for task j: 4 { %a[i] = 0 } } }", "task loops stand outermost"},
      {"kernel @k(%a: f32[4] out) { for vector i: 4 { for vector j: 4 { %a[i] = 0 } } }", "a vector loop stands in another"},
      {"kernel @k(%a: f32[4] in) { for serial i: 4 { %a[i] = 0 } }", "the parameter is only read"},
      {"kernel @k(%a: f32[4] out) { for serial i: 4 { %a[i + 1] = 0 } }", "store to %a: index 0 of %a is beyond the extent"},
      {"kernel @k(%a: f32[4] out) { for serial i: 4 { %a[i] argmax= 0 } }", "a store combines by sum, prod, max or min"},
      {"kernel @k(%a: f32[4] out) { for serial i: n { %a[0] = 0 } }", "the symbol 'n' is not in the kernel's list"},
      {"kernel @k(%a: f32[4] out) { alloc %b: f32[4] local }", "a section starts with its task loops"},
      {"kernel @k(%a: f32[4] out) symbols(n) { for task i: 4 { alloc %b: f32[n] register } }", "extent 0 of registers is no integer"},
      {"kernel @k(%a: f32[4] out) { for vector i: 4 { alloc %b: f32[4] register } }", "an alloc stands in a vector loop"},
      {"kernel @k(%a: f32[4] out) { for task i: 4 { alloc %b: f32[4] global } }", "global buffers are parameters"},
      // thread programs
      {"kernel @k(%a: f32[4] out) { for grid i: 4 { %a[i] = 0 } }", "grid loops around shared buffers and one thread loop"},
      {"kernel @k(%a: f32[40] out) { for thread t: 40 { %a[t] = 0 } }", "40 threads: a multiple of 32 up to 1024"},
      {"kernel @k(%a: f32[64] out) { section { for thread t: 64 { %a[t] = 0 } } section { for thread t: 32 { %a[t] = 0 } } }", "another section has 64 threads"},
      {"kernel @k(%a: f32[64] out) symbols(n) { for thread t: n { %a[0] = 0 } }", "the extent of the thread loop is an integer"},
      {"kernel @k(%a: f32[64] out) { for grid i: 2 { alloc %r: f32 register for thread t: 32 { %a[t] = 0 } } }", "stand shared buffers alone"},
      {"kernel @k(%a: f32[64] out) { for grid i: 2 { for thread t: 32 { alloc %r: f32[4] shared %a[t] = 0 } } }", "a thread has registers alone"},
      {"kernel @k(%a: f32[64] out) { for grid i: 2 { alloc %s: f32[12289] shared for thread t: 32 { %a[t] = 0 } } }", "a block takes 49156 bytes of shared memory"},
      {"kernel @k(%a: f32[64] out) { for thread t: 64 { if t < 32 { barrier } } }", "barrier: it stands where the threads of a block may part"},
      {"kernel @k(%a: f32[64] out) { for thread t: 64 { for serial j: t { barrier } } }", "barrier: it stands where the threads of a block may part"},
      {"kernel @k(%a: f32[64] out) { for thread t: 64 { if %a[0] > 0 { barrier } } }", "barrier: it stands where the threads of a block may part"},
      {"kernel @k(%a: f32[64] out) { for thread t: 64 { alloc %r: f32 register %r[] = 0 if t < 33 { reduce sum %r[] lanes 32 } } }", "the threads of a warp may part"},
      {"kernel @k(%a: f32[64] out) { for thread t: 64 { alloc %r: f32 register %r[] = 0 reduce sum %r[] lanes 12 } }", "12 lanes: a power of two"},
      {"kernel @k(%a: f32[64] out) { for thread t: 64 { alloc %r: f32 register %r[] = 0 reduce argmax %r[] lanes 32 } }", "a reduce combines by sum, prod, max or min"},
      {"kernel @k(%a: f32[64] out) { for thread t: 64 { reduce sum %a[0] lanes 32 } }", "a reduce combines registers"},
      {"kernel @k(%a: f32[64] out) { for grid i: 1 { alloc %s: f32[64] shared for thread t: 64 { %s[t] = 0 %a[t] = %s[63 - t] } } }", "thread 0 reads element 63, which thread 63 has stored with no barrier"},
      {"kernel @k(%a: f32[64] out) { for grid i: 1 { alloc %s: f32[2] shared for thread t: 64 { if t%32 == 0 { %s[t//32] = 1 } %a[t] = %s[0] + %s[1] } } }", "reads element 0, which thread 0 has stored"},
      {"kernel @k(%a: f32[64] out) { for grid i: 1 { alloc %s: f32[64] shared for thread t: 64 { %s[t] = 1 barrier %a[t] = %s[63 - t] %s[t] = 2 } } }", "stores element 0, which thread 63 has read"},
      {"kernel @k(%a: f32[64] out) { for grid i: 1 { alloc %s: f32[2, 8] shared for thread t: 64 { if t%32 < 8 { %s[t//32, t%32] = 1 } for serial j: 8 { %a[t] = %s[t//32, j] } } } }", "thread 0 reads element 1, which thread 1 has stored"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    expect_broken(cases[i].text, cases[i].message);
}

// What the text form cannot say, broken by hand in a good module.
typedef void (*breaker)(ir_test *t, wf_function *f);

static const char *const base = "func @f(%x: f32[n] data, %b: bool[n] data) -> (z: %z) { %y: f32[n] = compute [i: n] exp(%x[i]) %z: f32[n] = compute [i: n] %y[i] * 2 }";

static void break_order(ir_test *t, wf_function *f) { (void)t; wf_op *first = f->ops.items[0]; f->ops.items[0] = f->ops.items[1]; f->ops.items[1] = first; }
static void break_name(ir_test *t, wf_function *f) { (void)t; f->ops.items[1]->results[0]->name = f->ops.items[0]->results[0]->name; }
static void break_def(ir_test *t, wf_function *f) { (void)t; f->ops.items[1]->results[0]->def = NULL; }
static void break_operands(ir_test *t, wf_function *f) { (void)t; f->ops.items[1]->operand_count = 0; }
static void break_twice(ir_test *t, wf_function *f) { wf_vec_push(t->arena, &f->ops, f->ops.items[1]); }
static void break_axis(ir_test *t, wf_function *f) { (void)t; f->ops.items[1]->body = f->ops.items[0]->body, f->ops.items[1]->operands = f->ops.items[0]->operands; }
static void break_axis_twice(ir_test *t, wf_function *f) { (void)t; f->ops.items[1]->reduction_axes = f->ops.items[1]->axes, f->ops.items[1]->reduction_count = 1, f->ops.items[1]->combiner = WF_R_SUM; }
static void break_body_type(ir_test *t, wf_function *f) { f->ops.items[1]->body = wf_expr_const(t->module, WF_F64, 0); wf_op_refresh_operands(t->module, f->ops.items[1]); }
static void break_function_name(ir_test *t, wf_function *f) { wf_function_create(t->module, f->name, WF_NOWHERE); }
static void break_data(ir_test *t, wf_function *f) { wf_build_const(f, "c", WF_F32, 0, NULL, "\0\0\0", WF_NOWHERE)->def->data = NULL; (void)t; }
static void break_loop(ir_test *t, wf_function *f) { (void)t; f->ops.items[1]->kind = WF_O_LOOP; }
static void break_extent(ir_test *t, wf_function *f) { (void)t; f->ops.items[1]->results[0]->shape = (const wf_dim *const *)&f->ops.items[0]->axes[0]->as_dim; }

static const wf_expr *raw(ir_test *t, wf_expr e) {
  wf_expr *made = WF_NEW(t->arena, wf_expr);
  *made = e;
  made->id = 100000;
  return made;
}

static void break_operands_type(ir_test *t, wf_function *f) {
  const wf_expr **args = WF_NEW_ARRAY(t->arena, const wf_expr *, 2);
  args[0] = wf_expr_const(t->module, WF_F32, 1), args[1] = wf_expr_const(t->module, WF_F64, 1);
  f->ops.items[1]->body = raw(t, (wf_expr){.op = WF_S_ADD, .dtype = WF_F32, .arg_count = 2, .args = args});
  wf_op_refresh_operands(t->module, f->ops.items[1]);
}

static void break_read_rank(ir_test *t, wf_function *f) {
  wf_op *op = f->ops.items[1];
  op->body = raw(t, (wf_expr){.op = WF_S_READ, .dtype = WF_F32, .operand = f->ops.items[0]->results[0]});
  wf_op_refresh_operands(t->module, op);
}

static void break_float_only(ir_test *t, wf_function *f) {
  const wf_expr **args = WF_NEW_ARRAY(t->arena, const wf_expr *, 1);
  args[0] = wf_expr_const_int(t->module, WF_I32, 1);
  f->ops.items[1]->body = raw(t, (wf_expr){.op = WF_S_EXP, .dtype = WF_I32, .arg_count = 1, .args = args});
  wf_op_refresh_operands(t->module, f->ops.items[1]);
}

static void test_broken_by_hand(void **state) {
  (void)state;
  static const struct { breaker breaker; const char *message; } cases[] = {
      {break_order, "%z: uses %y, which is not defined before"},
      {break_name, "two values are named %y"},
      {break_def, "%z does not know that it is defined here"},
      {break_operands, "the list of operands is not what the body reads"},
      {break_twice, "%z is defined twice"},
      {break_axis, "the axis 'i' is not in scope"},
      {break_axis_twice, "the axis 'i' stands twice"},
      {break_body_type, "the body is f64, the result f32"},
      {break_function_name, "two functions are named @f"},
      {break_data, "a constant has one result and data"},
      {break_loop, "a loop has a region and a trip count"},
      {break_extent, "extent 0 of the result is not the extent of axis"},
      {break_operands_type, "the operands of add have types f32 and f64"},
      {break_read_rank, "reads %y with 0 indices, but its rank is 1"},
      {break_float_only, "exp takes float operands, not i32"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ir_test t = ir_test_parse_good(base);
    assert_true(wf_verify(t.module, t.diag));
    cases[i].breaker(&t, t.module->functions.items[0]);
    if (wf_verify(t.module, t.diag)) fail_msg("is taken for good, though: %s", cases[i].message);
    if (!ir_test_diag_holds(&t, cases[i].message)) fail_msg("is not told: %s", cases[i].message);
    ir_test_end(&t);
  }
}

static void test_good(void **state) {
  (void)state;
  // unknown is allowed, and a fact that the prover does not see through refutes nothing
  expect_good("fact n - 4 >= 0\nfunc @f(%x: f32[n]) -> () { %y: f32[4] = compute [i: 4] %x[i] }");
  expect_good("func @f(%x: f32[n], %k: i64[m]) -> () { %y: f32[m] = compute [i: m] %x[%k[i]] }");
  expect_good("func @f(%x: f32[8]) -> () { %y: f32[9] = compute [i: 9] %x[i] else 0 }");
  expect_good("func @g(%a: f32[m]) -> (a: %b) { %b: f32[2*m] = compute [i: 2*m] %a[i//2] }\nfunc @f(%x: f32[4]) -> () { %y: f32[8] = call @g(%x) }");
  expect_good("kernel @k(%a: f32[64] out, %b: i32 in) symbols(n) { for grid i: n { alloc %s: f32[64] shared for thread t: 64 { alloc %r: f32 register %s[t] = 1 barrier "
              "if %b[] < 3 and n > 2 { barrier } for serial j: n { barrier } %r[] = %s[63 - t] if t//32 == 0 { reduce sum %r[] lanes 32 } "
              "if 32 <= t { reduce max %r[] lanes 8 } barrier if t < 32 { %s[t] += %s[t + 32] } barrier if t == 0 { %a[t] = %r[] } } } }");
  expect_good("kernel @k(%a: f32[64] out) { for grid i: 1 { alloc %s: f32[2, 64] shared for thread t: 64 { %s[0, t] = 0 barrier for serial j: 4 { "
              "for unroll u: 2 { %a[t] = %s[j%2, 63 - t] } %s[(j + 1)%2, t] = 1 barrier } for unroll u: 2 { %s[u, t] = %s[1 - u, t] } } } }");
  expect_good("kernel @k(%a: f32[5] out) { for task o: 3 { for vector i: 2 { if 2*o + i < 5 { %a[2*o + i] = 1 } } } }");
}

// Twice the operations take about twice the time; a quadratic rule takes four times.
static void test_large_module(void **state) {
  (void)state;
  ir_test t = ir_test_empty();
  wf_function *f = wf_function_create(t.module, "f", WF_NOWHERE);
  const wf_dim *n = wf_dim_symbol(t.module->dims, "n");
  wf_value *x = wf_function_input(f, "x", WF_ROLE_DATA, WF_F32, 1, &n, WF_NOWHERE);
  for (int i = 0; i < 20000; i++) {
    const wf_dim *axis = wf_dim_axis(t.module->dims, "i", n);
    const wf_atom *atom = wf_dim_as_atom(axis);
    const wf_expr *body = wf_expr_unary(t.module, WF_S_EXP, wf_expr_read_dims(t.module, x, &axis, NULL));
    x = wf_build_compute(f, "h", WF_F32, &atom, 1, WF_R_NONE, NULL, 0, body, WF_NOWHERE);
  }
  wf_function_result(f, "y", x);
  assert_true(wf_verify(t.module, t.diag));
  char *printed = ir_test_print(&t);
  ir_test back = ir_test_parse_good(printed);
  assert_string_equal(ir_test_print(&back), printed);
  ir_test_end(&back);
  ir_test_end(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_text_rules), cmocka_unit_test(test_broken_by_hand), cmocka_unit_test(test_good), cmocka_unit_test(test_large_module),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
