// Finite differences on every differentiable operation of the library, through the front end: what inference computes, and,
// for what differs in training (batch statistics, dropout) and for the losses, the training step itself.
#include "grad_support.h"

typedef struct library_case { const char *inputs, *call; double low, high; int below, order; } library_case;

static const library_case cases[] = {
    {.inputs = "x: f64[2, 3]", .call = "relu(x)"},
    {.inputs = "x: f64[2, 3]", .call = "leaky_relu(x, slope=0.1)"},
    {.inputs = "x: f64[2, 5]", .call = "relu6(x)", .low = -3, .high = 9},
    {.inputs = "x: f64[2, 3]", .call = "elu(x)"},
    {.inputs = "x: f64[2, 3]", .call = "selu(x)"},
    {.inputs = "x: f64[2, 3]", .call = "sigmoid(x)", .order = 2},
    {.inputs = "x: f64[2, 3]", .call = "log_sigmoid(x)"},
    {.inputs = "x: f64[2, 3]", .call = "softplus(x)"},
    {.inputs = "x: f64[2, 3]", .call = "silu(x)", .order = 2},
    {.inputs = "x: f64[2, 3]", .call = "mish(x)"},
    {.inputs = "x: f64[2, 5]", .call = "hard_sigmoid(x)", .low = -5, .high = 5},
    {.inputs = "x: f64[2, 5]", .call = "hard_swish(x)", .low = -5, .high = 5},
    {.inputs = "x: f64[2, 3]", .call = "gelu(x)", .order = 2},
    {.inputs = "x: f64[2, 3]", .call = "gelu_tanh(x)"},
    {.inputs = "x: f64[2, 3]", .call = "tanh(x)"},
    {.inputs = "x: f64[2, 3]", .call = "softmax(x)", .order = 2},
    {.inputs = "x: f64[2, 3, 2]", .call = "log_softmax(x)", .order = 2},
    {.inputs = "x: f64[2, 3]", .call = "linear(x, 4)", .order = 2},
    {.inputs = "x: f64[2, 2, 3]", .call = "linear(x, 2, bias=false)"},
    {.inputs = "x: f64[2, 4, 7]", .call = "conv1d(x, 6, 3, stride=2, padding=1, groups=2)", .order = 2},
    {.inputs = "x: f64[2, 2, 5, 5]", .call = "conv2d(x, 2, 3, padding=1)"},
    {.inputs = "x: f64[1, 2, 6, 5]", .call = "conv2d(x, 4, 3, stride=2, padding=2, dilation=2, groups=2)"},
    {.inputs = "x: f64[1, 2, 3, 3, 3]", .call = "conv3d(x, 2, 2, padding=1)"},
    {.inputs = "x: f64[2, 2, 4]", .call = "conv_transpose1d(x, 4, 3, stride=2, padding=1, extra=1, groups=2)", .order = 2},
    {.inputs = "x: f64[1, 2, 3, 3]", .call = "conv_transpose2d(x, 2, 3, stride=2, padding=1)"},
    {.inputs = "x: f64[2, 2, 7]", .call = "max_pool1d(x, 3, stride=2, padding=1)"},
    {.inputs = "x: f64[2, 2, 5, 4]", .call = "max_pool2d(x, 2)"},
    {.inputs = "x: f64[1, 1, 4, 4, 4]", .call = "max_pool3d(x, 2)"},
    {.inputs = "x: f64[2, 2, 7]", .call = "avg_pool1d(x, 3, stride=2, padding=1)"},
    {.inputs = "x: f64[2, 2, 5, 4]", .call = "avg_pool2d(x, 2)"},
    {.inputs = "x: f64[1, 1, 4, 4, 4]", .call = "avg_pool3d(x, 2)"},
    {.inputs = "x: f64[2, 3, 2, 2]", .call = "global_avg_pool(x)"},
    {.inputs = "x: f64[2, 3, 2, 2]", .call = "global_max_pool(x)"},
    {.inputs = "x: f64[2, 3, 2, 2]", .call = "batch_norm(x)", .low = 0.3, .high = 1.5},
    {.inputs = "x: f64[3, 4]", .call = "layer_norm(x)", .order = 2},
    {.inputs = "x: f64[2, 4, 3]", .call = "group_norm(x, 2)", .order = 2},
    {.inputs = "x: f64[3, 4]", .call = "rms_norm(x)", .order = 2},
    {.inputs = "x: f64[2, 3, 4]", .call = "multi_head_attention(x, 2)"},
    {.inputs = "x: f64[1, 3, 8]", .call = "multi_head_attention(x, 4, kv_heads=2, causal=true)"},
    {.inputs = "q: f64[1, 2, 2, 2], k: f64[1, 2, 3, 2], v: f64[1, 2, 3, 3]", .call = "attention(q, k, v, causal=true)", .order = 2},
    {.inputs = "x: f64[2, 3], h: f64[2, 2]", .call = "gru_cell(x, h)"},
    {.inputs = "x: f64[2, 3, 2]", .call = "gru(x, 2)"},
    {.inputs = "x: f64[2, 3, 2]", .call = "lstm(x, 2)", .order = 2},
    {.inputs = "ids: i64[5]", .call = "embedding(ids, 3, 2)", .below = 3},
    {.inputs = "x: f64[2, 3, 4]", .call = "flatten(x)"},
    {.inputs = "x: f64[2, 3, 4]", .call = "permute(reshape(x, [4, 2, 3]), [2, 0, 1])"},
    {.inputs = "x: f64[2, 3], y: f64[2, 2]", .call = "concat(x, y, axis=1)"},
    {.inputs = "x: f64[2, 5]", .call = "slice(x, 1, 1, 4)"},
    {.inputs = "x: f64[1, 2, 4, 4]", .call = "normalize(x, mean=[0.1, 0.2], std=[0.5, 0.25])"},
    {.inputs = "x: f64[1, 1, 3, 4]", .call = "resize(x, 5, 6)"},
    {.inputs = "x: f64[1, 1, 5, 6]", .call = "center_crop(x, 3, 4)"},
};

static const char *net_text(wf_arena *arena, const library_case *c) {
  bool several = strstr(c->call, "gru(") || strstr(c->call, "lstm(");
  const char *first = !several ? "" : strstr(c->call, "gru(") ? "y, last = " : "y, last, memory = ";
  return wf_arena_printf(arena, several ? "net N(%s) -> %s[..] {\n    %s%s\n    return y\n}\n" : "net N(%s) -> %s[..] {\n    %sy = %s\n    return y\n}\n",
                         c->inputs, strstr(c->call, "embedding") ? "f32" : "f64", first, c->call);
}

static void test_inference(void **state) {
  wf_arena *arena = wf_arena_create();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const library_case *c = &cases[i];
    grad_check((grad_case){.net = net_text(arena, c), .low = c->low, .high = c->high, .below = c->below, .order = c->order});
  }
  wf_arena_destroy(arena);
}

// ---- the training step -----------------------------------------------------------------------------------------------

typedef struct step_case { const char *inputs, *body, *result, *loss; int below; double low, high; } step_case;

// One step of plain descent with rate 1 moves a parameter by its gradient.
static const step_case steps[] = {
    {"x: f64[4, 3]", "x |> linear(4) as a |> gelu |> dropout(0.5) |> linear(2) as b", "f64[4, 2]", "mse", 0, 0, 0},
    {"x: f64[3, 2, 2, 2]", "x |> conv2d(3, 1) as a |> batch_norm as b |> relu |> flatten |> linear(2) as c", "f64[3, 2]", "mse", 0, 0, 0},
    {"x: f64[4, 3]", "x |> linear(3) as a", "f64[4, 3]", "cross_entropy", 3, 0, 0},
    {"x: f64[4, 3]", "x |> linear(3) as a", "f64[4, 3]", "cross_entropy(smoothing=0.1)", 3, 0, 0},
    {"x: f64[4, 3]", "x |> linear(3) as a |> log_softmax", "f64[4, 3]", "nll", 3, 0, 0},
    {"x: f64[4, 3]", "x |> linear(2) as a", "f64[4, 2]", "l1", 0, 0, 0},
    {"x: f64[4, 3]", "x |> linear(2) as a", "f64[4, 2]", "smooth_l1", 0, 0, 0},
    {"x: f64[4, 3]", "x |> linear(2) as a", "f64[4, 2]", "huber(delta=0.7)", 0, 0, 0},
    {"x: f64[4, 3]", "x |> linear(2) as a", "f64[4, 2]", "bce_with_logits(positive=2)", 0, 0, 1},
    {"x: f64[4, 3]", "x |> linear(2) as a", "f64[4, 2]", "dice", 0, 0, 1},
};

typedef struct step_run { ir_test t; wf_function *step; wf_tensor *inputs[32]; wf_tensor *loss, *updates[32]; } step_run;

static void run_step(step_run *run) {
  wf_ref_options options = {0};
  wf_tensor *results[8];
  if (!wf_ref_run(run->t.arena, run->t.diag, run->step, &options, run->inputs, results, run->updates)) {
    wf_diag_print(run->t.diag, stderr, false);
    fail();
  }
  run->loss = results[0];
}

static void check_parameter(step_run *run, int input, const wf_tensor *next, const char *what) {
  wf_tensor *parameter = run->inputs[input];
  for (int64_t k = 0; k < parameter->count; k++) {
    double old = parameter->floats[k], gradient = old - next->floats[k], h = 1e-5;
    parameter->floats[k] = old + h;
    run_step(run);
    double up = run->loss->floats[0];
    parameter->floats[k] = old - h;
    run_step(run);
    double numeric = (up - run->loss->floats[0]) / (2 * h);
    parameter->floats[k] = old;
    if (fabs(numeric - gradient) > 1e-6 * (1 + fabs(numeric)))
      fail_msg("%s: the gradient of %s[%lld] is %.10g, differences give %.10g", what, run->step->inputs.items[input]->name, (long long)k, gradient, numeric);
  }
}

static void check_step(const step_case *c) {
  wf_arena *arena = wf_arena_create();
  const char *text = wf_arena_printf(arena,
                                     "net N(%s) -> %s {\n    return %s\n}\ntrain N {\n    data npz(\"data.npz\")\n    loss %s\n"
                                     "    optimizer sgd(lr=1)\n    batch 4 epochs 1\n}\n", c->inputs, c->result, c->body, c->loss);
  step_run run = {.t = grad_compile(text)};
  wf_pass_options none = {0};
  assert_true(wf_pass_autodiff(run.t.module, &none));
  assert_true(wf_verify(run.t.module, run.t.diag));
  run.step = wf_function_find(run.t.module, "step");
  assert_in_range(run.step->inputs.count, 1, 32);
  grad_case ranges = {.low = c->low, .high = c->high, .below = c->below};
  for (int i = 0; i < run.step->inputs.count; i++) run.inputs[i] = grad_input(run.t.arena, &ranges, run.step->inputs.items[i], (uint64_t)i + 1);
  run_step(&run);
  wf_tensor *first[32];
  memcpy(first, run.updates, sizeof first);
  int update = 0, checked = 0;
  for (int i = 0; i < run.step->ops.count; i++) {
    const wf_op *op = run.step->ops.items[i];
    if (op->kind != WF_O_UPDATE) continue;
    const wf_tensor *next = first[update++];
    for (int k = 0; k < run.step->inputs.count; k++)
      if (run.step->inputs.items[k] == op->operands[0] && op->operands[0]->role == WF_ROLE_PARAM) check_parameter(&run, k, next, text), checked++;
  }
  assert_true(checked >= 2);
  ir_test_end(&run.t);
  wf_arena_destroy(arena);
}

static void test_training(void **state) {
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) check_step(&steps[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_inference), cmocka_unit_test(test_training)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
