// The CUDA device against a fake driver: sessions give what they give on the host, calls come in the right order, and every
// failure of the driver is a status that says what happened.
#include "rt_support.h"

#include <math.h>
#include "rt_program.h"
#include "runtime/checkpoint.h"
#include "runtime/cuda/cuda.h"
#include "runtime/program_load.h"
#include "runtime/session.h"
#include "tests/fake_cuda/fake_cuda.h"

static const int all_symbols[] = {SYMBOL_N, SYMBOL_I};

// The test program as a GPU program: the same kernels, behind launches of blocks.
typedef struct gpu_program {
  wf_program program;
  wf_plan_kernel kernels[KERNELS];
  fake_kernel functions[KERNELS];
  char entries[KERNELS][16];
  fake_image image;
} gpu_program;

static void make_program(gpu_program *g) {
  *g = (gpu_program){.program = test_program, .image = {.magic = FAKE_IMAGE_MAGIC, .count = KERNELS}};
  int args[KERNELS] = {0};
  for (int p = 0; p < test_program.plan_count; p++)
    for (int i = 0; i < test_program.plans[p].step_count; i++) {
      const wf_plan_step *step = &test_program.plans[p].steps[i];
      if (step->kind == WF_STEP_LAUNCH) args[step->kernel] = step->arg_count;
    }
  for (int i = 0; i < KERNELS; i++) {
    snprintf(g->entries[i], sizeof g->entries[i], "kernel_%d", i);
    g->kernels[i] = test_kernels[i];
    g->kernels[i].entry = g->entries[i];
    g->kernels[i].function = NULL;
    g->kernels[i].threads = 32;
    g->kernels[i].symbols = (int *)all_symbols;
    g->kernels[i].symbol_count = 2;
    g->functions[i] = (fake_kernel){g->entries[i], test_kernels[i].function, args[i], 2, all_symbols};
  }
  g->program.kernels = g->kernels;
  g->image.kernels = g->functions;
}

typedef struct gpu {
  gpu_program program;
  weft_device *device;
  weft_code *code;
  weft_session *session;
} gpu;

static void run_init(weft_session *session) {
  weft_session_set_scalars(session, 0, 5, 100);
  assert_ok(weft_session_run(session, weft_session_plan(session, "init"), NULL, 0));
}

static void start(gpu *g, bool profile) {
  make_program(&g->program);
  assert_ok(weft_cuda_create(NULL, &g->device));
  assert_ok(weft_device_load(g->device, &g->program.program, WEFT_CODE_PTX, &g->program.image, sizeof g->program.image, &g->code));
  assert_ok(weft_session_create(&g->program.program, &(weft_session_options){.device = g->device, .code = g->code, .profile = profile}, &g->session));
  run_init(g->session);
}

static void stop(gpu *g) {
  weft_session_destroy(g->session);
  weft_device_unload(g->device, g->code);
  weft_device_destroy(g->device);
}

static weft_session *host_session(void) {
  weft_session *session;
  assert_ok(weft_session_create(&test_program, &(weft_session_options){.threads = 1}, &session));
  run_init(session);
  return session;
}

static int quiet_environment(void **state) {
  static const char *const names[] = {"FAKE_CUDA_DEVICES", "FAKE_CUDA_CAPABILITY", "FAKE_CUDA_MEMORY", "FAKE_CUDA_FAIL", "FAKE_CUDA_TRACE", "WEFT_CUDA_BLOCKING"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) unsetenv(names[i]);
  setenv("WEFT_CUDA_LIBRARY", FAKE_CUDA_LIBRARY, 1);
  return 0;
}

// ---- results ----------------------------------------------------------------------------------------------------------------

static float inputs_x[12] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1}, inputs_t[4] = {1, 2, 3, 6.5f};

static weft_status *train(weft_session *session, int steps) {
  weft_named_tensor inputs[] = {{"t", {WEFT_F32, 1, {4}, inputs_t}}, {"x", {WEFT_F32, 2, {4, 3}, inputs_x}}};
  for (int i = 0; i < steps; i++) {
    weft_session_set_scalars(session, i, 5, steps);
    weft_status *failed = weft_session_run(session, weft_session_plan(session, "step"), inputs, 2);
    if (failed) return failed;
  }
  return NULL;
}

static void same_outputs(weft_session *a, weft_session *b, const char *plan_name) {
  int plan = weft_session_plan(a, plan_name);
  for (int i = 0; i < weft_session_output_count(a, plan); i++) {
    const char *name = weft_session_output_buffer(a, plan, i)->name;
    weft_tensor x, y;
    assert_ok(weft_session_output(a, plan, name, &x));
    assert_ok(weft_session_output(b, plan, name, &y));
    assert_int_equal(weft_tensor_bytes(&x), weft_tensor_bytes(&y));
    assert_memory_equal(x.data, y.data, weft_tensor_bytes(&x));
  }
}

static void same_values(weft_session *a, weft_session *b) {
  assert_ok(weft_session_fetch_values(a));
  assert_ok(weft_session_fetch_values(b));
  for (int i = 0; i < weft_session_value_count(a); i++) {
    const weft_tensor *x = &weft_session_value(a, i)->tensor, *y = &weft_session_value(b, i)->tensor;
    assert_memory_equal(x->data, y->data, weft_tensor_bytes(x));
  }
}

static void test_every_step_kind_gives_what_the_host_gives(void **state) {
  gpu g;
  start(&g, false);
  weft_session *host = host_session();
  assert_ok(train(g.session, 30));
  assert_ok(train(host, 30));
  same_outputs(host, g.session, "step");
  same_values(host, g.session);
  for (int64_t n = 1; n < 8; n++) {   // more shapes than stay laid out; sort, loop, copies, zeros
    float x[21];
    for (int i = 0; i < 21; i++) x[i] = (float)(i * 7 % 11) - 4;
    weft_named_tensor input = {"x", {WEFT_F32, 2, {n, 3}, x}};
    assert_ok(weft_session_run(g.session, weft_session_plan(host, "odd"), &input, 1));
    assert_ok(weft_session_run(host, weft_session_plan(host, "odd"), &input, 1));
    same_outputs(host, g.session, "odd");
    assert_ok(weft_session_run(g.session, weft_session_plan(host, "infer"), &input, 1));
    assert_ok(weft_session_run(host, weft_session_plan(host, "infer"), &input, 1));
    same_outputs(host, g.session, "infer");
  }
  weft_session_destroy(host);
  stop(&g);
}

static void test_checkpoints_move_between_devices(void **state) {
  scratch s;
  gpu g;
  scratch_begin(&s);
  start(&g, false);
  weft_session *host = host_session();
  const char *path = scratch_path(&s, "c.safetensors");
  weft_progress progress = {.step = 3};
  assert_ok(train(g.session, 3));
  assert_ok(weft_checkpoint_save(g.session, path, &progress));
  assert_ok(weft_checkpoint_load(host, path, &progress));
  weft_progress_deinit(&progress);
  same_values(host, g.session);
  assert_ok(train(host, 2));
  assert_ok(weft_checkpoint_save(host, path, &progress));
  assert_ok(weft_checkpoint_load(g.session, path, &progress));
  weft_progress_deinit(&progress);
  assert_ok(train(g.session, 2));
  assert_ok(train(host, 2));
  same_values(host, g.session);
  weft_session_destroy(host);
  stop(&g);
  scratch_end(&s);
}

static void test_the_first_bad_value_is_found(void **state) {
  gpu g;
  bool stopped;
  char *text;
  start(&g, false);
  float bad[12] = {1, 0, INFINITY};
  weft_named_tensor inputs[] = {{"t", {WEFT_F32, 1, {4}, inputs_t}}, {"x", {WEFT_F32, 2, {4, 3}, bad}}};
  int plan = weft_session_plan(g.session, "step");
  assert_ok(weft_session_run_watching(g.session, plan, inputs, 2, "loss", &stopped));
  assert_true(stopped);
  assert_ok(weft_session_trace_nonfinite(g.session, plan, inputs, 2, "loss", &text));
  assert_non_null(strstr(text, "input 'x'[0, 2] is inf"));
  free(text);
  stop(&g);
}

static void test_a_profile_reads_events(void **state) {
  gpu g;
  const weft_kernel_profile *rows;
  int count;
  start(&g, true);
  weft_session_profile_reset(g.session);
  assert_ok(train(g.session, 600));   // more launches than timings are kept
  weft_session_profile(g.session, &rows, &count);
  assert_int_equal(count, 4);
  for (int i = 0; i < count; i++) assert_true(rows[i].launches == 600 && rows[i].seconds > 0.599 && rows[i].seconds < 0.601);
  stop(&g);
}

// ---- order ------------------------------------------------------------------------------------------------------------------

static void test_calls_come_in_order(void **state) {
  scratch s;
  gpu g;
  weft_bytes trace;
  scratch_begin(&s);
  start(&g, false);
  const char *path = scratch_path(&s, "trace");
  assert_ok(train(g.session, 1));   // laid out
  setenv("FAKE_CUDA_TRACE", path, 1);
  assert_ok(train(g.session, 1));
  unsetenv("FAKE_CUDA_TRACE");
  assert_ok(weft_file_read(path, 1 << 20, &trace));
  char order[256] = "";
  for (char *rest = (char *)trace.data, *line; rest < (char *)trace.data + trace.size && (line = strsep(&rest, "\n"));)
    if (*line && strcmp(line, "cuCtxSetCurrent")) strncat(order, !strcmp(line, "cuLaunchKernel") ? "L" : strstr(line, "HtoD") ? "u" : strstr(line, "Synchronize") ? "s" : "?", 2);
  assert_string_equal(order, "uuuLLLLs");   // two inputs and the scalars, the kernels, one wait
  free(trace.data);
  stop(&g);
  scratch_end(&s);
}

// ---- failures ---------------------------------------------------------------------------------------------------------------

static void test_no_driver_and_no_device(void **state) {
  weft_device *device;
  assert_fails(weft_cuda_create(&(weft_cuda_options){.library = "/nowhere/libcuda.so.1"}, &device), WEFT_ENVIRONMENT, "no CUDA driver|/nowhere/libcuda.so.1|install|--device cpu");
  assert_null(device);
  assert_fails(weft_cuda_create(&(weft_cuda_options){.library = "libm.so.6"}, &device), WEFT_ENVIRONMENT, "has no cuInit|too old");
  setenv("FAKE_CUDA_DEVICES", "0", 1);
  assert_fails(weft_cuda_create(NULL, &device), WEFT_ENVIRONMENT, "no usable CUDA device|cuInit: no CUDA-capable device is detected (CUDA_ERROR_NO_DEVICE, 100)|nvidia-smi");
  setenv("FAKE_CUDA_DEVICES", "2", 1);
  assert_fails(weft_cuda_create(&(weft_cuda_options){.ordinal = 2}, &device), WEFT_ENVIRONMENT, "no CUDA device 2: there are 2");
  weft_device_info infos[4];
  int count;
  setenv("FAKE_CUDA_CAPABILITY", "90", 1);
  assert_ok(weft_cuda_list(NULL, infos, 4, &count));
  assert_true(count == 2 && infos[1].major == 9 && infos[1].driver == 13000 && infos[1].memory == (size_t)1 << 30);
  assert_string_equal(infos[1].name, "Fake GPU 1");
  assert_true(weft_device_runs(&infos[0], "sm_90a") && weft_device_runs(&infos[0], "sm_80") && !weft_device_runs(&infos[0], "sm_100a"));
}

static void test_ptx_that_does_not_load_brings_its_log(void **state) {
  gpu_program program;
  weft_device *device;
  weft_code *code;
  make_program(&program);
  assert_ok(weft_cuda_create(NULL, &device));
  assert_fails(weft_device_load(device, &program.program, WEFT_CODE_PTX, "garbage", 7, &code), WEFT_INTERNAL,
               "loading PTX on Fake GPU 0|cuModuleLoadDataEx: a PTX JIT compilation failed (CUDA_ERROR_INVALID_PTX, 218)|log:\nptx:1:");
  assert_null(code);
  program.kernels[1].entry = "elsewhere";
  assert_fails(weft_device_load(device, &program.program, WEFT_CODE_PTX, &program.image, sizeof program.image, &code), WEFT_INTERNAL,
               "entry elsewhere|cuModuleGetFunction: named symbol not found");
  weft_device_destroy(device);
}

static void test_memory_that_runs_out(void **state) {
  gpu g;
  start(&g, false);
  weft_session_destroy(g.session);
  setenv("FAKE_CUDA_MEMORY", "2000", 1);
  assert_ok(weft_session_create(&g.program.program, &(weft_session_options){.device = g.device, .code = g.code}, &g.session));
  static float x[3000];
  weft_named_tensor input = {"x", {WEFT_F32, 2, {1000, 3}, x}};
  assert_fails(weft_session_run(g.session, weft_session_plan(g.session, "infer"), &input, 1), WEFT_ENVIRONMENT, "out of memory on Fake GPU 0|bytes were asked for|are free");
  setenv("FAKE_CUDA_MEMORY", "1000000", 1);   // and the session goes on
  run_init(g.session);
  assert_ok(weft_session_run(g.session, weft_session_plan(g.session, "infer"), &input, 1));
  stop(&g);
}

static void test_a_fault_of_a_kernel_is_told(void **state) {
  gpu g;
  start(&g, false);
  setenv("FAKE_CUDA_FAIL", "a kernel:2:700", 1);
  assert_fails(train(g.session, 1), WEFT_INTERNAL, "plan 'step'|illegal memory access|CUDA_ERROR_ILLEGAL_ADDRESS, 700");
  assert_fails(train(g.session, 1), WEFT_INTERNAL, "illegal memory access");   // it stays broken, as on a GPU
  stop(&g);
  setenv("WEFT_CUDA_BLOCKING", "1", 1);
  start(&g, false);
  setenv("FAKE_CUDA_FAIL", "a kernel:2:700", 1);
  assert_fails(train(g.session, 1), WEFT_INTERNAL, "kernel loss|illegal memory access");
  stop(&g);
}

// Each function of the driver fails once, at each of its calls: a status, never a crash.
static void test_every_call_may_fail(void **state) {
  static const char *const symbols[] = {
#define CUDA_SYMBOL(name, symbol, parameters) #symbol,
#include "runtime/cuda/cuda_symbols.def"
#undef CUDA_SYMBOL
  };
  int failures = 0;
  for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++)
    for (int call = 1; call < 40; call++) {
      char plan[96];
      gpu g = {0};
      make_program(&g.program);
      snprintf(plan, sizeof plan, "%s:%d:999", symbols[i], call);
      setenv("FAKE_CUDA_FAIL", plan, 1);
      weft_status *failed = weft_cuda_create(NULL, &g.device);
      if (!failed) failed = weft_device_load(g.device, &g.program.program, WEFT_CODE_PTX, &g.program.image, sizeof g.program.image, &g.code);
      if (!failed) failed = weft_session_create(&g.program.program, &(weft_session_options){.device = g.device, .code = g.code, .profile = true}, &g.session);
      if (!failed) failed = train(g.session, 1);
      bool reached = !getenv("FAKE_CUDA_FAIL");
      if (failed) {
        if (!strstr(weft_status_message(failed), "no description")) fail_msg("%s, call %d: %s", symbols[i], call, weft_status_message(failed));
        failures++;
      }
      weft_status_free(failed);
      stop(&g);
      if (!reached) break;   // it is called less often
    }
  assert_true(failures > 60);
}

// ---- bundles --------------------------------------------------------------------------------------------------------------

// The target that a bundle is opened for; the code stands on the device.
static const char *opened(weft_bytes bytes, const char *wanted, const char *kind) {
  weft_bundle bundle;
  weft_loaded loaded;
  static char target[32];
  assert_ok(weft_bundle_open_memory("m", bytes.data, bytes.size, &bundle));
  assert_ok(weft_program_open(&bundle, wanted, NULL, 1, &loaded));
  assert_string_equal(loaded.device->ops->kind, kind);
  snprintf(target, sizeof target, "%s", bundle.program.target);
  weft_loaded_close(&loaded);
  weft_bundle_close(&bundle);
  return target;
}

// The best architecture that the GPU runs; by PTX where the cubin is refused.
static void test_a_bundle_picks_its_gpu_code(void **state) {
  gpu_program g;
  make_program(&g);
  wf_program first = g.program, second = g.program, apart = g.program;
  first.target = "sm_60";
  second.target = "sm_80";
  apart.target = "sm_90a";
  weft_part parts[] = {{.kind = WEFT_PART_PTX, .target = "sm_60", .data = &g.image, .size = sizeof g.image},
                       {.kind = WEFT_PART_PTX, .target = "sm_80", .data = &g.image, .size = sizeof g.image},
                       {.kind = WEFT_PART_CUBIN, .target = "sm_80", .data = "damaged", .size = 8}};
  weft_bytes bytes;
  assert_ok(weft_bundle_serialize((const wf_program *[]){&first, &second, &apart}, 3, parts, 3, &bytes));
  assert_string_equal(opened(bytes, NULL, "cuda"), "sm_80");   // the fake is no 9.0
  assert_string_equal(opened(bytes, "cuda", "cuda"), "sm_80");
  assert_string_equal(opened(bytes, "cuda:sm_60", "cuda"), "sm_60");
  free(bytes.data);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, quiet_environment)
  const struct CMUnitTest tests[] = {
      TEST(test_every_step_kind_gives_what_the_host_gives), TEST(test_checkpoints_move_between_devices),
      TEST(test_the_first_bad_value_is_found), TEST(test_a_profile_reads_events), TEST(test_calls_come_in_order),
      TEST(test_no_driver_and_no_device), TEST(test_ptx_that_does_not_load_brings_its_log), TEST(test_memory_that_runs_out),
      TEST(test_a_fault_of_a_kernel_is_told), TEST(test_every_call_may_fail), TEST(test_a_bundle_picks_its_gpu_code),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
