// A small program with kernels written in C, as a compiler would hand it over: y = x.w + b, mean squared error, SGD with
// momentum. Plans: init, step, eval, infer, and odd (one of each rarer step kind).
#ifndef WEFT_TESTS_RT_PROGRAM_H
#define WEFT_TESTS_RT_PROGRAM_H
#include "runtime/plan.h"

enum { SYMBOL_N, SYMBOL_I, SYMBOLS };

#define CODE(...) {(wf_formula_code[]){__VA_ARGS__}, (int)(sizeof((wf_formula_code[]){__VA_ARGS__}) / sizeof(wf_formula_code))}
#define CONSTANT(k) CODE({WF_F_CONST, (k)})
#define N CODE({WF_F_SYMBOL, SYMBOL_N})
#define N_TIMES(k) CODE({WF_F_SYMBOL, SYMBOL_N}, {WF_F_CONST, (k)}, {WF_F_MUL, 0})
#define SHAPE(...) (wf_formula[]){__VA_ARGS__}
#define NO_ALIAS .alias = -1
#define ARGS(...) .args = (int[]){__VA_ARGS__}, .arg_count = (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int))
#define LAUNCH(k, ...) {.kind = WF_STEP_LAUNCH, .kernel = (k), ARGS(__VA_ARGS__)}

// ---- kernels ----------------------------------------------------------------------------------------------------------

// w[3], b, v[3], vb, seed: small values from the seed; momentum 0.
static void kernel_init(void *const *b, const int64_t *symbols, int64_t begin, int64_t end, void *scratch) {
  float *w = b[0], *bias = b[1], *v = b[2], *vb = b[3];
  int64_t seed = *(int64_t *)b[4];
  for (int i = 0; i < 3; i++) w[i] = 0.01f * (float)(seed + i), v[i] = 0;
  *bias = 0;
  *vb = 0;
}
// x, w, b -> y; a task a row, through scratch
static void kernel_forward(void *const *b, const int64_t *symbols, int64_t begin, int64_t end, void *scratch) {
  const float *x = b[0], *w = b[1], *bias = b[2];
  float *y = b[3], *sum = scratch;
  for (int64_t i = begin; i < end; i++) {
    *sum = *bias;
    for (int c = 0; c < 3; c++) *sum += x[i * 3 + c] * w[c];
    y[i] = *sum;
  }
}
// y, t -> loss, error (the mean absolute error)
static void kernel_loss(void *const *b, const int64_t *symbols, int64_t begin, int64_t end, void *scratch) {
  const float *y = b[0], *t = b[1];
  double squares = 0, absolutes = 0;
  int64_t n = symbols[SYMBOL_N];
  for (int64_t i = 0; i < n; i++) {
    double d = (double)y[i] - (double)t[i];
    squares += d * d;
    absolutes += d < 0 ? -d : d;
  }
  *(float *)b[2] = (float)(squares / (double)n);
  *(float *)b[3] = (float)(absolutes / (double)n);
}
// x, y, t -> g[4]
static void kernel_gradient(void *const *b, const int64_t *symbols, int64_t begin, int64_t end, void *scratch) {
  const float *x = b[0], *y = b[1], *t = b[2];
  float *g = b[3];
  int64_t n = symbols[SYMBOL_N];
  for (int c = 0; c < 4; c++) g[c] = 0;
  for (int64_t i = 0; i < n; i++)
    for (int c = 0; c < 4; c++) g[c] += 2 * (y[i] - t[i]) * (c < 3 ? x[i * 3 + c] : 1) / (float)n;
}
// g, step -> v, vb, w, b, in place
static void kernel_update(void *const *b, const int64_t *symbols, int64_t begin, int64_t end, void *scratch) {
  const float *g = b[0];
  float rate = 0.1f / (1.0f + 0.001f * (float)*(int64_t *)b[1]);
  float *v = b[2], *vb = b[3], *w = b[4], *bias = b[5];
  for (int c = 0; c < 3; c++) {
    v[c] = 0.5f * v[c] + g[c];
    w[c] -= rate * v[c];
  }
  *vb = 0.5f * *vb + g[3];
  *bias -= rate * *vb;
}
// x (i64[4]), counter symbol i: out[i] = 10*i + x[i]; tasks 1
static void kernel_loop(void *const *b, const int64_t *symbols, int64_t begin, int64_t end, void *scratch) {
  ((int64_t *)b[1])[0] = symbols[SYMBOL_I] * 10 + ((const int64_t *)b[0])[symbols[SYMBOL_I]];
}

enum { K_INIT, K_FORWARD, K_LOSS, K_GRADIENT, K_UPDATE, K_LOOP, KERNELS };
static wf_plan_kernel test_kernels[KERNELS] = {
    [K_INIT] = {"init", "init", "linear.net:1", CONSTANT(1), {0}, {0}, {0}, kernel_init},
    [K_FORWARD] = {"forward", "forward", "linear.net:2", N, CONSTANT(4), N_TIMES(6), N_TIMES(16), kernel_forward},
    [K_LOSS] = {"loss", "loss", "linear.net:3", CONSTANT(1), {0}, {0}, {0}, kernel_loss},
    [K_GRADIENT] = {"gradient", "gradient", "linear.net:3", CONSTANT(1), {0}, {0}, {0}, kernel_gradient},
    [K_UPDATE] = {"update", "update", "linear.net:4", CONSTANT(1), {0}, {0}, {0}, kernel_update},
    [K_LOOP] = {"loop", "loop", NULL, CONSTANT(1), {0}, {0}, {0}, kernel_loop},
};

// ---- plans ------------------------------------------------------------------------------------------------------------

#define INPUT_X {.name = "x", .role = WF_BUFFER_INPUT, .dtype = WF_F32, .rank = 2, .extents = SHAPE(N, CONSTANT(3)), .elements = N_TIMES(3), NO_ALIAS}
#define INPUT_T {.name = "t", .role = WF_BUFFER_INPUT, .dtype = WF_F32, .rank = 1, .extents = SHAPE(N), .elements = N, NO_ALIAS}
#define VALUE3(n, r) {.name = n, .role = r, .dtype = WF_F32, .rank = 1, .extents = SHAPE(CONSTANT(3)), .elements = CONSTANT(3), NO_ALIAS}
#define SCALAR(n, r) {.name = n, .role = r, .dtype = WF_F32, .rank = 0, .elements = CONSTANT(1), NO_ALIAS}
#define COUNTER(n, r) {.name = n, .role = r, .dtype = WF_I64, .rank = 0, .elements = CONSTANT(1), NO_ALIAS}

static wf_plan_buffer init_buffers[] = {VALUE3("w", WF_BUFFER_PARAM), SCALAR("b", WF_BUFFER_PARAM), VALUE3("sgd.v.w", WF_BUFFER_STATE),
                                        SCALAR("sgd.v.b", WF_BUFFER_STATE), COUNTER("seed", WF_BUFFER_SEED)};
static wf_plan_step init_steps[] = {LAUNCH(K_INIT, 0, 1, 2, 3, 4)};

static wf_plan_buffer step_buffers[] = {
    INPUT_X, INPUT_T, VALUE3("w", WF_BUFFER_PARAM), SCALAR("b", WF_BUFFER_PARAM), VALUE3("sgd.v.w", WF_BUFFER_STATE),
    SCALAR("sgd.v.b", WF_BUFFER_STATE),
    {.name = "y", .role = WF_BUFFER_TEMP, .dtype = WF_F32, .rank = 1, .extents = SHAPE(N), .elements = N, .first_step = 0, .last_step = 2, NO_ALIAS},
    SCALAR("loss", WF_BUFFER_OUTPUT), SCALAR("error", WF_BUFFER_OUTPUT),
    {.name = "g", .role = WF_BUFFER_TEMP, .dtype = WF_F32, .rank = 1, .extents = SHAPE(CONSTANT(4)), .elements = CONSTANT(4), .first_step = 2, .last_step = 3, NO_ALIAS},
    COUNTER("step", WF_BUFFER_STEP)};
static wf_plan_step step_steps[] = {LAUNCH(K_FORWARD, 0, 2, 3, 6), LAUNCH(K_LOSS, 6, 1, 7, 8), LAUNCH(K_GRADIENT, 0, 6, 1, 9),
                                    LAUNCH(K_UPDATE, 9, 10, 4, 5, 2, 3)};

static wf_plan_buffer eval_buffers[] = {
    INPUT_X, INPUT_T, VALUE3("w", WF_BUFFER_PARAM), SCALAR("b", WF_BUFFER_PARAM),
    {.name = "y", .role = WF_BUFFER_TEMP, .dtype = WF_F32, .rank = 1, .extents = SHAPE(N), .elements = N, .first_step = 0, .last_step = 1, NO_ALIAS},
    SCALAR("loss", WF_BUFFER_OUTPUT), SCALAR("error", WF_BUFFER_OUTPUT)};
static wf_plan_step eval_steps[] = {LAUNCH(K_FORWARD, 0, 2, 3, 4), LAUNCH(K_LOSS, 4, 1, 5, 6)};

static wf_plan_buffer infer_buffers[] = {
    INPUT_X, VALUE3("w", WF_BUFFER_PARAM), SCALAR("b", WF_BUFFER_PARAM),
    {.name = "y", .role = WF_BUFFER_OUTPUT, .dtype = WF_F32, .rank = 1, .extents = SHAPE(N), .elements = N, NO_ALIAS}};
static wf_plan_step infer_steps[] = {LAUNCH(K_FORWARD, 0, 1, 2, 3)};

// odd: a = x + nothing (COPY), sorted a with indices, a loop that writes c from a constant, a transposed copy, zero.
static const int64_t odd_constant[4] = {1, 2, 3, 4};
static wf_plan_buffer odd_buffers[] = {
    INPUT_X,                                                                                                                             // 0
    {.name = "sorted", .role = WF_BUFFER_OUTPUT, .dtype = WF_F32, .rank = 2, .extents = SHAPE(N, CONSTANT(2)), .elements = N_TIMES(2), NO_ALIAS},   // 1: top 2
    {.name = "indices", .role = WF_BUFFER_OUTPUT, .dtype = WF_I64, .rank = 2, .extents = SHAPE(N, CONSTANT(2)), .elements = N_TIMES(2), NO_ALIAS},  // 2
    {.name = "constant", .role = WF_BUFFER_CONST, .dtype = WF_I64, .rank = 1, .extents = SHAPE(CONSTANT(4)), .elements = CONSTANT(4), .data = odd_constant, NO_ALIAS},
    {.name = "element", .role = WF_BUFFER_TEMP, .dtype = WF_I64, .rank = 0, .elements = CONSTANT(1), .first_step = 1, .last_step = 3, NO_ALIAS},    // 4
    {.name = "stacked", .role = WF_BUFFER_OUTPUT, .dtype = WF_I64, .rank = 1, .extents = SHAPE(CONSTANT(4)), .elements = CONSTANT(4), NO_ALIAS},    // 5
    {.name = "turned", .role = WF_BUFFER_TEMP, .dtype = WF_F32, .rank = 2, .extents = SHAPE(N, CONSTANT(3)), .order = (int[]){1, 0}, .elements = N_TIMES(3), .first_step = 4, .last_step = 6, NO_ALIAS},
    {.name = "raw", .role = WF_BUFFER_OUTPUT, .dtype = WF_F32, .rank = 1, .extents = SHAPE(N_TIMES(3)), .elements = N_TIMES(3), NO_ALIAS},          // 7
    {.name = "back", .role = WF_BUFFER_OUTPUT, .dtype = WF_F32, .rank = 2, .extents = SHAPE(N, CONSTANT(3)), .elements = N_TIMES(3), NO_ALIAS},     // 8
    {.name = "zeros", .role = WF_BUFFER_OUTPUT, .dtype = WF_F32, .rank = 1, .extents = SHAPE(N), .elements = N, NO_ALIAS},                          // 9
};
static wf_plan_step odd_steps[] = {
    {.kind = WF_STEP_SORT, ARGS(1, 2, 0), .sort_axis = 1, .descending = true},
    {.kind = WF_STEP_LOOP, .symbol = SYMBOL_I, .trip = CONSTANT(4), .body_count = 2, .reverse = true},
    LAUNCH(K_LOOP, 3, 4),
    {.kind = WF_STEP_COPY, ARGS(5, 4), .to_offset = CODE({WF_F_SYMBOL, SYMBOL_I}), .count = CONSTANT(1)},
    {.kind = WF_STEP_COPY, ARGS(6, 0)},
    {.kind = WF_STEP_COPY, ARGS(7, 6), .count = N_TIMES(3)},   // raw storage of the transposed buffer
    {.kind = WF_STEP_COPY, ARGS(8, 6)},
    {.kind = WF_STEP_ZERO, ARGS(9)},
};

#define PLAN(n) \
  {.name = #n, .buffers = n##_buffers, .buffer_count = sizeof n##_buffers / sizeof *n##_buffers, .steps = n##_steps, \
   .step_count = sizeof n##_steps / sizeof *n##_steps}
static wf_plan test_plans[] = {PLAN(init), PLAN(step), PLAN(eval), PLAN(infer), PLAN(odd)};
static wf_fact_formula test_facts[] = {{CODE({WF_F_CONST, 1000}, {WF_F_SYMBOL, SYMBOL_N}, {WF_F_CONST, -1}, {WF_F_MUL, 0}, {WF_F_ADD, 0}), false, "n <= 1000"}};

static const wf_program test_program = {
    .symbols = (char *[]){"n", "i"}, .symbol_count = SYMBOLS, .facts = test_facts, .fact_count = 1, .kernels = test_kernels, .kernel_count = KERNELS,
    .plans = test_plans, .plan_count = sizeof test_plans / sizeof *test_plans, .schedule_hash = "0123456789abcdef", .metadata = "{\"net\": \"Linear\", \"ranges\": {\"none\": 4}}"};
#endif
