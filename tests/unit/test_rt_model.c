// The public interface: a bundle with code from the compiler is loaded, bound, run, trained and saved; two models at once.
#include "rt_support.h"

#include <math.h>
#include "kernel_support.h"
#include "runtime/include/weft.h"
#include "runtime/program_io.h"

enum { SYMBOL_N };
#define CODE(...) {(wf_formula_code[]){__VA_ARGS__}, (int)(sizeof((wf_formula_code[]){__VA_ARGS__}) / sizeof(wf_formula_code))}
#define CONSTANT(k) CODE({WF_F_CONST, (k)})
#define N CODE({WF_F_SYMBOL, SYMBOL_N})
#define N_TIMES(k) CODE({WF_F_SYMBOL, SYMBOL_N}, {WF_F_CONST, (k)}, {WF_F_MUL, 0})
#define ARGS(...) .args = (int[]){__VA_ARGS__}, .arg_count = (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int))

// y = x.w; the step moves w by -(x.w - t) x summed over the batch, a tenth.
static const char kernels_text[] =
    "sym n\n"
    "kernel @infer(%x: f32[n, 1, 2] in, %w: f32[2] in, %y: f32[n] out) symbols(n) {\n for task i: n {\n"
    "%y[i] = %x[i, 0, 0]*%w[0] + %x[i, 0, 1]*%w[1]\n}\n}\n"
    "kernel @init(%w: f32[2] out) symbols(n) {\n for serial i: 2 {\n %w[i] = 0\n}\n}\n"
    "kernel @loss(%y: f32[n] in, %t: f32[n] in, %l: f32[] out) symbols(n) {\n %l[] = 0\n for serial i: n {\n"
    "%l[] += (%y[i] - %t[i])*(%y[i] - %t[i])\n}\n}\n"
    "kernel @update(%x: f32[n, 1, 2] in, %y: f32[n] in, %t: f32[n] in, %w: f32[2] out) symbols(n) {\n for serial i: n {\n for serial c: 2 {\n"
    "%w[c] += (%t[i] - %y[i])*%x[i, 0, c]*0.1\n}\n}\n}\n";

#define X {.name = "x", .role = WF_BUFFER_INPUT, .dtype = WF_F32, .rank = 3, .extents = (wf_formula[]){N, CONSTANT(1), CONSTANT(2)}, .elements = N_TIMES(2), .alias = -1}
#define W {.name = "w", .role = WF_BUFFER_PARAM, .dtype = WF_F32, .rank = 1, .extents = (wf_formula[]){CONSTANT(2)}, .elements = CONSTANT(2), .alias = -1}
#define ROW(n, r, l) {.name = n, .role = r, .dtype = WF_F32, .rank = 1, .extents = (wf_formula[]){N}, .elements = N, .first_step = 0, .last_step = l, .alias = -1}
static wf_plan_buffer infer_buffers[] = {X, W, ROW("y", WF_BUFFER_OUTPUT, 0)}, init_buffers[] = {W};
static wf_plan_buffer step_buffers[] = {X, W, ROW("y", WF_BUFFER_TEMP, 2), ROW("t", WF_BUFFER_INPUT, 0),
                                        {.name = "loss", .role = WF_BUFFER_OUTPUT, .dtype = WF_F32, .elements = CONSTANT(1), .alias = -1}};
static wf_plan_step infer_steps[] = {{.kind = WF_STEP_LAUNCH, .kernel = 0, ARGS(0, 1, 2)}}, init_steps[] = {{.kind = WF_STEP_LAUNCH, .kernel = 1, ARGS(0)}};
static wf_plan_step step_steps[] = {{.kind = WF_STEP_LAUNCH, .kernel = 0, ARGS(0, 1, 2)}, {.kind = WF_STEP_LAUNCH, .kernel = 2, ARGS(2, 3, 4)},
                                    {.kind = WF_STEP_LAUNCH, .kernel = 3, ARGS(0, 2, 3, 1)}};
static wf_plan_kernel kernels[] = {{.name = "infer", .entry = "k0", .tasks = N}, {.name = "init", .entry = "k1", .tasks = CONSTANT(1)},
                                   {.name = "loss", .entry = "k2", .tasks = CONSTANT(1)}, {.name = "update", .entry = "k3", .tasks = CONSTANT(1)}};
static wf_plan plans[] = {{.name = "init", .buffers = init_buffers, .buffer_count = 1, .steps = init_steps, .step_count = 1},
                          {.name = "step", .buffers = step_buffers, .buffer_count = 5, .steps = step_steps, .step_count = 3},
                          {.name = "infer", .buffers = infer_buffers, .buffer_count = 3, .steps = infer_steps, .step_count = 1}};
static const wf_program program = {
    .symbols = (char *[]){"n"}, .symbol_count = 1, .kernels = kernels, .kernel_count = 4, .plans = plans, .plan_count = 3, .schedule_hash = "h",
    .metadata = "{\"net\": \"Dot\", \"data\": {\"kind\": \"npy\", \"args\": [\"x.npy\", \"t.npy\"], \"options\": {}}, \"test\": null, \"batch\": 2, \"epochs\": 60, "
                "\"labels\": [\"cat\", \"dog\"]}"};

static scratch s;
static built code;

static weft_status *write_parts(const char *path, const char *target, const weft_part *parts, int count) {
  wf_program named = program;
  named.target = (char *)target;
  return weft_bundle_write(path, &(const wf_program *){&named}, 1, parts, count);
}

static const char *write_bundle(const char *name, const char *weights) {
  weft_bytes file = {0};
  if (weights) assert_ok(weft_file_read(weights, 1 << 20, &file));
  weft_part parts[] = {{.kind = WEFT_PART_OBJECT, .target = "x86-64-v2", .data = code.code.bytes, .size = code.code.size},
                       {.kind = WEFT_PART_WEIGHTS, .target = "", .data = file.data, .size = file.size}};
  const char *path = scratch_path(&s, name);
  assert_ok(write_parts(path, "x86-64-v2", parts, weights ? 2 : 1));
  free(file.data);
  return path;
}

static int setup(void **state) {
  scratch_begin(&s);
  code = build_kernels(kernels_text, "x86-64-v2");
  float x[8] = {1, 0, 0, 1, 1, 1, 1, -1}, t[4] = {2, 3, 5, -1};
  assert_ok(weft_tensor_write_npy(scratch_path(&s, "x.npy"), &(weft_tensor){WEFT_F32, 2, {4, 2}, x}));
  assert_ok(weft_tensor_write_npy(scratch_path(&s, "t.npy"), &(weft_tensor){WEFT_F32, 1, {4}, t}));
  return 0;
}
static int teardown(void **state) {
  drop(&code);
  scratch_end(&s);
  return 0;
}

static float dot(weft_model *model, float a, float b) {
  float x[2] = {a, b};
  weft_tensor y;
  assert_ok(weft_model_bind(model, "x", &(weft_tensor){WEFT_F32, 1, {2}, x}));   // axes of 1 are added
  assert_ok(weft_model_run(model));
  assert_ok(weft_model_result(model, "y", &y));
  assert_true(y.rank == 1 && y.extents[0] == 1);
  return *(float *)y.data;
}

static void test_load_train_save_run_two_models(void **state) {
  weft_model *first, *second;
  weft_train_result result;
  const char *bundle = write_bundle("m.weft", NULL), *weights = scratch_path(&s, "w.safetensors");
  assert_ok(weft_model_load(bundle, &(weft_model_options){.threads = 1}, &first));
  assert_fails(weft_model_run(first), WEFT_BAD_INPUT, "no weights yet");
  assert_ok(weft_model_train(first, &(weft_train_options){.data_folder = s.folder, .seed = 3}, &result));
  assert_true(result.steps == 120 && result.train[0] < 1e-4);
  assert_true(fabsf(dot(first, 10, 1) - 23) < 0.1f);   // w = (2, 3)
  assert_ok(weft_model_save(first, weights));
  assert_ok(weft_model_load(write_bundle("w.weft", weights), NULL, &second));   // weights travel in the bundle
  assert_true(dot(second, 10, 1) == dot(first, 10, 1));
  assert_ok(weft_model_train(second, &(weft_train_options){.data_folder = s.folder, .seed = 3, .steps = 1}, &result));   // starts afresh
  assert_true(dot(second, 10, 1) != dot(first, 10, 1));
  assert_ok(weft_model_load_weights(second, weights));
  assert_true(dot(second, 10, 1) == dot(first, 10, 1));
  weft_model_destroy(first);
  assert_true(fabsf(dot(second, 0, 1) - 3) < 0.1f);
  weft_model_destroy(second);
}

static void test_inputs_are_described_and_converted(void **state) {
  weft_model *model;
  weft_dtype dtype;
  weft_tensor y;
  assert_ok(weft_model_load(write_bundle("m.weft", NULL), NULL, &model));
  assert_string_equal(weft_model_input(model, 0, &dtype), "x");
  assert_true(dtype == WEFT_F32 && !weft_model_input(model, 1, NULL) && !weft_model_input(model, -1, NULL));
  assert_string_equal(weft_model_output(model, 0, NULL), "y");
  assert_string_equal(weft_model_label(model, 1), "dog");
  assert_null(weft_model_label(model, 2));
  weft_train_result result;
  assert_ok(weft_model_train(model, &(weft_train_options){.data_folder = s.folder}, &result));
  double f64[6] = {1, 0, 0, 1, 1, 1};
  assert_ok(weft_model_bind(model, "x", &(weft_tensor){WEFT_F64, 2, {3, 2}, f64}));
  assert_ok(weft_model_run(model));
  assert_ok(weft_model_result(model, "y", &y));
  assert_true(y.extents[0] == 3 && fabsf(((float *)y.data)[2] - 5) < 0.1f);
  uint8_t pixels[2] = {255, 0};
  assert_ok(weft_model_bind(model, "x", &(weft_tensor){WEFT_U8, 2, {1, 2}, pixels}));
  assert_ok(weft_model_run(model));
  assert_ok(weft_model_result(model, "y", &y));
  assert_true(fabsf(*(float *)y.data - 2) < 0.1f);   // 255 is 1.0
  weft_model_destroy(model);
}

static void test_mistakes_are_statuses(void **state) {
  weft_model *model;
  weft_tensor tensor;
  float x[3] = {0};
  assert_fails(weft_model_load("/no/m.weft", NULL, &model), WEFT_ENVIRONMENT, "/no/m.weft");
  assert_null(model);
  weft_part ptx = {.kind = WEFT_PART_PTX, .target = "sm_80", .data = "x", .size = 1};
  assert_ok(write_parts(scratch_path(&s, "p.weft"), "sm_80", &ptx, 1));
  assert_fails(weft_model_load(scratch_path(&s, "p.weft"), NULL, &model), WEFT_ENVIRONMENT, "no code that this machine|no CUDA driver|it has: sm_80");
  assert_ok(write_parts(scratch_path(&s, "n.weft"), "x86-64-v2", NULL, 0));
  assert_fails(weft_model_load(scratch_path(&s, "n.weft"), NULL, &model), WEFT_BAD_INPUT, "the program for x86-64-v2 has no machine code");
  weft_part bad = {.kind = WEFT_PART_OBJECT, .target = "x86-64-v2", .data = "\x7f""ELF and so on", .size = 14};
  assert_ok(write_parts(scratch_path(&s, "b.weft"), "x86-64-v2", &bad, 1));
  assert_fails(weft_model_load(scratch_path(&s, "b.weft"), NULL, &model), WEFT_BAD_INPUT, "the machine code for x86-64-v2");
  weft_bytes bundle;
  assert_ok(weft_file_read(write_bundle("m.weft", NULL), 1 << 20, &bundle));
  assert_ok(weft_model_load_memory("m", bundle.data, bundle.size, NULL, &model));
  assert_fails(weft_model_bind(model, "z", &(weft_tensor){WEFT_F32, 1, {2}, x}), WEFT_BAD_INPUT, "no input 'z'");
  assert_fails(weft_model_bind(model, "x", &(weft_tensor){WEFT_F32, 1, {3}, x}), WEFT_BAD_INPUT, "input 'x' takes [_, 1, 2], not [3]");
  assert_fails(weft_model_bind(model, "x", &(weft_tensor){WEFT_F32, 99, {3}, x}), WEFT_BAD_INPUT, "no proper tensor");
  assert_fails(weft_model_bind(model, "x", &(weft_tensor){WEFT_F32, 1, {2}, NULL}), WEFT_BAD_INPUT, "no proper tensor");
  assert_fails(weft_model_load_weights(model, scratch_path(&s, "x.npy")), WEFT_BAD_INPUT, "x.npy");
  assert_fails(weft_model_result(model, "q", &tensor), WEFT_BAD_INPUT, "no output 'q'");
  assert_fails(weft_model_save(model, "/no/w.safetensors"), WEFT_ENVIRONMENT, "/no/w.safetensors");
  assert_fails(weft_model_train(model, &(weft_train_options){0}, &(weft_train_result){0}), WEFT_ENVIRONMENT, "x.npy' was not found");
  weft_model_destroy(model);
  free(bundle.data);
}

static void test_tensors_from_files(void **state) {
  weft_tensor tensor;
  assert_ok(weft_tensor_read(scratch_path(&s, "x.npy"), 0, &tensor));
  assert_true(tensor.dtype == WEFT_F32 && tensor.rank == 2 && tensor.extents[0] == 4 && ((float *)tensor.data)[7] == -1);
  free(tensor.data);
  assert_fails(weft_tensor_read(scratch_write(&s, "t", "text", 4), 0, &tensor), WEFT_BAD_INPUT, "neither a PNG nor a JPEG");
  assert_fails(weft_tensor_read(scratch_path(&s, "none"), 0, &tensor), WEFT_ENVIRONMENT, "none");
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
      T(test_load_train_save_run_two_models), T(test_inputs_are_described_and_converted), T(test_mistakes_are_statuses), T(test_tensors_from_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
