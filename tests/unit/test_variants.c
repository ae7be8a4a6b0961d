// Variants of a plan: the shapes of the inputs choose, each gives the same results, and a bundle keeps them.
#include "kernel_support.h"
#include <math.h>
#include "codegen/build_plan.h"
#include "passes/passes.h"
#include "runtime/program_io.h"
#include "runtime/session.h"

// Two layers, of which the first is wide enough to be packed and split.
static const char text[] =
    "func @infer(%x: f32[n, 700] data, %w: f32[48, 700] param, %v: f32[10, 48] param) -> (y: %y, h: %h) {\n"
    "  %s: f32[n, 48] = compute [i: n, o: 48] sum[k: 700] %x[i, k] * %w[o, k]\n"
    "  %h: f32[n, 48] = compute [i: n, o: 48] max(%s[i, o], 0)\n"
    "  %y: f32[n, 10] = compute [i: n, o: 10] sum[k: 48] %h[i, k] * %v[o, k]\n"
    "}\n";
enum { ROWS = 1000, WIDTH = 700, HIDDEN = 48, RESULTS = 10 };

typedef struct fixture {
  wf_arena *arena;
  wf_diag *diag;
  wf_target *target;
  wf_program *program;
  wf_object *object;
  wf_code code;
  weft_session *session;
  float *x;
} fixture;

static void must(weft_status *status) {
  if (status) fail_msg("%s", weft_status_message(status));
}

static void fill(float *to, int count, uint32_t seed) {
  for (int i = 0; i < count; i++) {
    seed = seed * 1664525u + 1013904223u;
    to[i] = (float)(seed >> 8) / (float)(1 << 24) - 0.5f;
  }
}

static void open_session(fixture *f, const wf_program *program) {
  must(weft_session_create(program, &(weft_session_options){.threads = 2, .profile = true}, &f->session));
  static const struct { const char *name; int count; } values[] = {{"w", HIDDEN * WIDTH}, {"v", RESULTS * HIDDEN}};
  for (int i = 0; i < 2; i++) fill(weft_session_find_value(f->session, values[i].name)->tensor.data, values[i].count, (uint32_t)i + 5);
}

static int set_up(void **state) {
  fixture *f = calloc(1, sizeof *f);
  char message[128];
  f->arena = wf_arena_create();
  f->diag = wf_diag_create(f->arena);
  f->x = malloc(sizeof *f->x * ROWS * WIDTH);
  fill(f->x, ROWS * WIDTH, 1);
  wf_module *module = wf_parse_module(f->arena, f->diag, wf_source_from_text(f->arena, "test.wir", text));
  f->target = wf_target_create(f->arena, f->diag, "native");
  if (!module || !wf_pipeline_run(module, wf_default_passes, &(wf_pipeline_hooks){.verify = true}) ||
      !wf_build_program(f->arena, module, &(wf_build_options){.target = f->target}, &f->program, &f->code))
    fail_with(f->diag, text);
  f->object = wf_object_load(f->code.bytes, f->code.size, message, sizeof message);
  if (!f->object || !wf_object_bind(f->object, f->program, message, sizeof message)) fail_msg("%s", message);
  open_session(f, f->program);
  *state = f;
  return 0;
}

static int tear_down(void **state) {
  fixture *f = *state;
  weft_session_destroy(f->session);
  wf_object_unload(f->object);
  wf_target_destroy(f->target);
  wf_arena_destroy(f->arena);
  free(f->x);
  free(f);
  return 0;
}

// Runs rows [first, first + count) and returns which plan's kernels were launched; y: count*RESULTS.
static const char *run(fixture *f, int first, int count, float *y) {
  int plan = weft_session_plan(f->session, "infer"), rows;
  const weft_kernel_profile *profile;
  weft_named_tensor x = {"x", {WEFT_F32, 2, {count, WIDTH}, f->x + first * WIDTH}};
  weft_tensor out;
  weft_session_profile_reset(f->session);
  must(weft_session_run(f->session, plan, &x, 1));
  must(weft_session_output(f->session, plan, "y", &out));
  assert_true(out.rank == 2 && out.extents[0] == count && out.extents[1] == RESULTS);
  memcpy(y, out.data, sizeof *y * (size_t)(count * RESULTS));
  weft_session_profile(f->session, &profile, &rows);
  assert_true(rows > 0);
  for (int i = 1; i < rows; i++) assert_string_equal(profile[i].plan, profile[0].plan);
  return profile[0].plan;
}

static void check_rows(fixture *f) {
  float *all = malloc(sizeof *all * ROWS * RESULTS), one[RESULTS], two[2 * RESULTS];
  assert_string_equal(run(f, 0, ROWS, all), "infer");
  for (int i = 0; i < ROWS; i += 37) {
    assert_string_equal(run(f, i, 1, one), "infer.1");
    for (int k = 0; k < RESULTS; k++)
      if (fabsf(one[k] - all[i * RESULTS + k]) > 3e-5f * (1 + fabsf(one[k]))) fail_msg("row %d: %g and %g", i, (double)one[k], (double)all[i * RESULTS + k]);
  }
  assert_string_equal(run(f, 4, 2, two), "infer");
  for (int k = 0; k < 2 * RESULTS; k++) assert_true(fabsf(two[k] - all[4 * RESULTS + k]) <= 3e-5f * (1 + fabsf(two[k])));
  free(all);
}

static void test_choice(void **state) { check_rows(*state); }

// Neither plan takes an input that fits no batch.
static void test_misfit(void **state) {
  fixture *f = *state;
  weft_named_tensor x = {"x", {WEFT_F32, 2, {1, WIDTH - 1}, f->x}};
  weft_status *failed = weft_session_run(f->session, weft_session_plan(f->session, "infer"), &x, 1);
  assert_non_null(failed);
  weft_status_free(failed);
}

// The variant and its condition travel in a bundle.
static void test_bundle(void **state) {
  fixture *f = *state;
  weft_part part = {.kind = WEFT_PART_OBJECT, .target = f->program->target, .data = f->code.bytes, .size = f->code.size};
  weft_bytes bytes;
  weft_bundle bundle;
  char message[128];
  must(weft_bundle_serialize(&(const wf_program *){f->program}, 1, &part, 1, &bytes));
  must(weft_bundle_open_memory("test", bytes.data, bytes.size, &bundle));
  must(weft_bundle_select(&bundle, f->program->target));
  wf_program *program = &bundle.program;
  if (!wf_object_bind(f->object, program, message, sizeof message)) fail_msg("%s", message);
  weft_session_destroy(f->session);
  open_session(f, program);
  check_rows(f);
  weft_session_destroy(f->session);
  weft_bundle_close(&bundle);
  free(bytes.data);
  open_session(f, f->program);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_choice), cmocka_unit_test(test_misfit), cmocka_unit_test(test_bundle)};
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
