// PTX of every scalar function in every type, of conversions and of random numbers: LLVM's NVPTX back end takes all of it, nothing
// is called, no f64 slips into f32 code, and ptxas, where one is found, sees no stack.
#include "codegen/ptxas.h"
#include "codegen/target_nvptx.h"
#include "kernel_support.h"

static const char *const type_names[] = {"f64", "f32", "tf32", "bf16", "f16", "f8e4m3", "f8e5m2", "i64", "i32", "u8", "bool"};
enum { TYPES = 11 };

static built ptx_of(const char *text, const char *level) {
  built b = parse_kernels(text);
  compile_form(&b, level, WF_CODE_ASSEMBLY);
  return b;
}

static void check_ptx(built *b, const char *text) {
  wf_code cubin;
  wf_ptxas_report report;
  if (strstr(b->code.bytes, "call") || strstr(b->code.bytes, ".local") || strstr(b->code.bytes, ".extern")) fail_msg("%s\n%s", text, b->code.bytes);
  const char *ptxas = wf_ptxas_find(b->arena);
  if (!ptxas) return;
  if (!wf_ptxas_run(b->arena, b->diag, ptxas, b->target->level, &b->code, &cubin, &report)) fail_with(b->diag, text);
  assert_int_equal(report.count, b->count);
  assert_string_equal(report.warnings, "");
  for (int i = 0; i < report.count; i++) {
    const wf_ptxas_kernel *k = &report.kernels[i];
    if (k->stack_bytes || k->spill_loads || k->spill_stores) fail_msg("kernel %s: stack %d, spills %d\n%s", k->entry, k->stack_bytes, k->spill_stores, text);
    assert_true(k->registers > 0);
  }
}

static void on_both(const char *text) {
  for (int i = 0; wf_gpu_levels[i]; i++) {
    built b = ptx_of(text, wf_gpu_levels[i]);
    check_ptx(&b, text);
    drop(&b);
  }
}

static const char *map_kernel(wf_arena *arena, const char *name, const char *type, const char *value, int lanes) {
  const char *vector = lanes > 1 ? wf_arena_printf(arena, "for vector v: %d { %%y[g, %d*t + v] = %s }", lanes, lanes, value) : wf_arena_printf(arena, "%%y[g, t] = %s", value);
  return wf_arena_printf(arena, "kernel @%s(%%x: %s[8, 128] in, %%z: %s[8, 128] in, %%y: %s[8, 128] out) {\n  for grid g: 8 { for thread t: %d { %s } }\n}\n", name, type, type,
                         type, 128 / lanes, vector);
}

static void add_functions(wf_arena *arena, wf_text *text, const char *type, int lanes) {
  static const char *const unary[] = {"exp", "exp2", "log", "log2", "sin", "cos", "tanh", "erf", "sqrt", "rsqrt", "floor", "ceil", "round", "trunc", "abs", "sign"};
  static const char *const binary[] = {"pow", "min", "max"};
  const char *at = lanes > 1 ? wf_arena_printf(arena, "%d*t + v", lanes) : "t";
  for (size_t i = 0; i < sizeof unary / sizeof *unary; i++)
    wf_text_add(text, map_kernel(arena, wf_arena_printf(arena, "%s_%s", unary[i], type), type, wf_arena_printf(arena, "%s(%%x[g, %s])", unary[i], at), lanes));
  for (size_t i = 0; i < sizeof binary / sizeof *binary; i++)
    wf_text_add(text, map_kernel(arena, wf_arena_printf(arena, "%s_%s", binary[i], type), type, wf_arena_printf(arena, "%s(%%x[g, %s], %%z[g, %s])", binary[i], at, at), lanes));
  wf_text_add(text, map_kernel(arena, wf_arena_printf(arena, "rest_%s", type), type, wf_arena_printf(arena, "%%x[g, %s] %% %%z[g, %s] + %%x[g, %s] / %%z[g, %s]", at, at, at, at), lanes));
}

static void run_functions(const char *type, int lanes) {
  wf_arena *arena = wf_arena_create();
  wf_text text;
  wf_text_init(&text);
  add_functions(arena, &text, type, lanes);
  on_both(text.data);
  wf_text_deinit(&text);
  wf_arena_destroy(arena);
}

static void test_functions_f32(void **state) { run_functions("f32", 1); }
static void test_functions_f32_vector(void **state) { run_functions("f32", 4); }
static void test_functions_f64(void **state) { run_functions("f64", 1); }
static void test_functions_bf16(void **state) { run_functions("bf16", 4); }

// From every type to every other.
static void test_conversions(void **state) {
  wf_arena *arena = wf_arena_create();
  for (int from = 0; from < TYPES; from++) {
    wf_text text;
    wf_text_init(&text);
    for (int to = 0; to < TYPES; to++) {
      wf_dtype type;
      assert_true(wf_dtype_parse(type_names[to], &type));
      wf_text_printf(&text, "kernel @c%d(%%x: %s[64] in, %%y: %s[64] out) { for thread t: 64 { %%y[t] = %s(%s(%%x[t])) } }\n", to, type_names[from], type_names[to],
                     wf_dtype_name(wf_dtype_compute(type)), type_names[to]);
    }
    on_both(text.data);
    wf_text_deinit(&text);
  }
  wf_arena_destroy(arena);
}

// Reductions over lanes of every type, and random numbers.
static void test_reductions(void **state) {
  wf_arena *arena = wf_arena_create();
  for (int i = 0; i < TYPES; i++) {
    const char *type = type_names[i];
    on_both(wf_arena_printf(arena,
                            "kernel @r(%%x: %s[64] in, %%y: %s[64] out) { for thread t: 64 { alloc %%a: %s register alloc %%b: %s register %%a[] = %%x[t] %%b[] = %%x[t] "
                            "reduce max %%a[] lanes 32 reduce min %%b[] lanes 4 %%y[t] = max(%%a[], %%b[]) } }",
                            type, type, type, type));
  }
  wf_arena_destroy(arena);
}

// A kernel for the host has no PTX and a thread program no host code; both are told by name.
static void test_wrong_target(void **state) {
  static const char *const texts[2] = {"kernel @k(%x: f32[32] out) { for task t: 32 { %x[t] = 0 } }", "kernel @k(%x: f32[32] out) { for thread t: 32 { %x[t] = 0 } }"};
  static const char *const levels[2] = {"sm_80", "x86-64-v2"}, *const told[2] = {"kernel k is scheduled for the host; the target is sm_80", "kernel k is a thread program, for a GPU"};
  for (int i = 0; i < 2; i++) {
    built b = parse_kernels(texts[i]);
    b.target = wf_target_create(b.arena, b.diag, levels[i]);
    assert_false(wf_compile_kernels(b.arena, b.diag, b.target, b.kernels, b.count, NULL, 0, WF_CODE_ASSEMBLY, &b.code));
    assert_non_null(strstr(b.diag->list.items[0]->message, told[i]));
    drop(&b);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_functions_f32), cmocka_unit_test(test_functions_f32_vector), cmocka_unit_test(test_functions_f64), cmocka_unit_test(test_functions_bf16),
      cmocka_unit_test(test_conversions),   cmocka_unit_test(test_reductions),           cmocka_unit_test(test_wrong_target),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
