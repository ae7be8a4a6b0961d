// Runs a tiled function and compares it with the reference evaluator: compiled for this machine, as thread programs in the
// interpreter of kernels, or as PTX on the PTX machine.
#ifndef WEFT_TESTS_TILE_SUPPORT_H
#define WEFT_TESTS_TILE_SUPPORT_H
#include <math.h>
#include "tests/unit/wir_support.h"
#include "codegen/compile.h"
#include "passes/passes.h"
#include "runtime/load_object.h"
#include "runtime/plan.h"
#include "tests/unit/simt_fixture.h"

typedef struct tile_case {
  const char *text;              // one function
  const char *symbol;            // the run-time extent, NULL: none
  int64_t value;
  const char *passes;            // "fuse,tile"
  double tolerance;              // relative; the inputs make sums and products exact in f32
  bool interpret;                // passes name a GPU: kernels run in the interpreter
  const char *machine;           // passes name this GPU: kernels run as PTX on the PTX machine
} tile_case;

typedef struct tile_run {
  wf_arena *arena;
  wf_diag *diag;
  wf_module *module;
  const tile_case *test;
  wf_tensor **tensors;           // by value id, logical order
  wf_target *target;
} tile_run;

// printf into a string of its own; free it.
static inline char *tile_format(const char *text, ...) __attribute__((format(printf, 1, 2)));
static inline char *tile_format(const char *text, ...) {
  va_list arguments;
  char *out = NULL;
  va_start(arguments, text);
  int length = vasprintf(&out, text, arguments);
  va_end(arguments);
  assert_true(length > 0);
  return out;
}

// The module's text after the passes, or its kernels' alone; free it.
static inline char *tile_text_after(const char *text, const char *passes, bool kernels_only) {
  ir_test t = ir_test_parse_good(text);
  bool passed = wf_pipeline_run(t.module, passes, &(wf_pipeline_hooks){.verify = true});
  if (!passed) wf_diag_print(t.diag, stderr, false);
  assert_true(passed);
  wf_text out;
  wf_text_init(&out);
  for (int i = 0; kernels_only && i < t.module->kernels.count; i++) wf_print_kernel(&out, t.module->kernels.items[i]);
  if (!kernels_only) wf_print_module(&out, t.module);
  char *copy = strdup(out.data);
  wf_text_deinit(&out);
  ir_test_end(&t);
  return copy;
}

static int64_t tile_symbol(void *context, const wf_atom *atom) {
  const tile_case *test = context;
  assert_int_equal(atom->kind, WF_ATOM_SYMBOL);
  assert_non_null(test->symbol);
  assert_string_equal(atom->name, test->symbol);
  return test->value;
}

static wf_tensor *tile_tensor(tile_run *run, const wf_value *value) {
  int64_t shape[WF_MAX_RANK];
  for (int i = 0; i < value->rank; i++) shape[i] = wf_dim_eval(value->shape[i], tile_symbol, (void *)run->test);
  return wf_tensor_create(run->arena, value->dtype, value->rank, shape);
}

// Small whole numbers and halves: sums are exact, so that orders of summation do not matter.
static void tile_fill(wf_tensor *tensor, uint32_t seed) {
  for (int64_t i = 0; i < tensor->count; i++) {
    seed = seed * 1664525u + 1013904223u;
    int number = (int)(seed >> 24) % 9 - 4;
    if (tensor->floats) tensor->floats[i] = number * 0.5;
    else tensor->integers[i] = tensor->dtype == WF_BOOL ? number & 1 : number < 0 ? -number : number;
  }
}

// The storage offset of element `at` (logical, row-major) of a value.
static int64_t tile_offset(tile_run *run, const wf_value *value, const wf_tensor *tensor, int64_t at) {
  if (!value->layout) return at;
  const wf_dim *indices[WF_MAX_RANK];
  for (int i = value->rank - 1; i >= 0; i--) {
    indices[i] = wf_dim_const(run->module->dims, at % tensor->shape[i]);
    at /= tensor->shape[i];
  }
  return wf_dim_eval(wf_layout_offset(run->module->dims, value->layout, indices), tile_symbol, (void *)run->test);
}

static void *tile_store(tile_run *run, const wf_value *value, const wf_tensor *tensor) {
  char *memory = wf_arena_alloc(run->arena, (size_t)tensor->count * 8 + 128);
  memory += 64 - (uintptr_t)memory % 64;
  for (int64_t i = 0; i < tensor->count; i++) {
    int64_t at = tile_offset(run, value, tensor, i);
    if (tensor->floats) wf_store_element(value->dtype, memory, at, tensor->floats[i]);
    else wf_store_element_int(value->dtype, memory, at, tensor->integers[i]);
  }
  return memory;
}

static void tile_load(tile_run *run, const wf_value *value, wf_tensor *tensor, const void *memory) {
  for (int64_t i = 0; i < tensor->count; i++) {
    int64_t at = tile_offset(run, value, tensor, i);
    if (tensor->floats) tensor->floats[i] = wf_load_element(value->dtype, memory, at);
    else tensor->integers[i] = wf_load_element_int(value->dtype, memory, at);
  }
}

static wf_code tile_compile(tile_run *run, wf_compile_kernel *made) {
  wf_code code;
  bool fine = wf_compile_kernels(run->arena, run->diag, run->target, made, 1, (const wf_atom *const *)made->kernel->symbols.items,
                                 made->kernel->symbols.count, WF_CODE_OBJECT, &code);
  if (!fine) wf_diag_print(run->diag, stderr, false);
  assert_true(fine);
  return code;
}

// The kernel runs task by task, last task first: tasks may not depend on one another.
static void tile_execute(tile_run *run, const wf_kernel *kernel, void **buffers, const int64_t *symbols) {
  char message[256];
  wf_compile_kernel made = {.kernel = kernel, .entry = "k"};
  wf_code code = tile_compile(run, &made);
  wf_object *object = wf_object_load(code.bytes, code.size, message, sizeof message);
  if (!object) fail_msg("%s", message);
  wf_kernel_entry entry = (wf_kernel_entry)wf_object_symbol(object, "k");
  int64_t tasks = wf_dim_eval(made.tasks, tile_symbol, (void *)run->test);
  size_t scratch_bytes = (size_t)wf_dim_eval(made.scratch_bytes, tile_symbol, (void *)run->test);
  void *scratch = aligned_alloc(64, (scratch_bytes + 127) / 64 * 64);
  memset(scratch, 0xff, scratch_bytes);
  for (int64_t task = tasks - 1; task >= 0; task--) entry(buffers, symbols, task, task + 1, scratch);
  free(scratch);
  wf_object_unload(object);
}

// As PTX; buffers are brought there and, from `from` on, back.
static void tile_on_machine(tile_run *run, const wf_kernel *kernel, void **buffers, int from, int64_t *symbols) {
  wf_compile_kernel made = {.kernel = kernel, .entry = "k"};
  wf_code code = tile_compile(run, &made);
  fixture f = open_text("kernel.ptx", code.bytes, code.size, 1, 0);
  void *there[256], *parameters[256 + 16];
  size_t bytes[256];
  int count = kernel->params.count, at = 0;
  for (int i = 0; i < count; i++) {
    const wf_value *value = kernel->params.items[i];
    int64_t elements = wf_dim_eval(value->layout ? value->layout->size : wf_value_elements(run->module, value), tile_symbol, (void *)run->test);
    bytes[i] = (size_t)elements * (size_t)wf_dtype_bytes(value->dtype);
    there[i] = i < from ? filled(f, buffers[i], bytes[i]) : room(f, bytes[i]);
    parameters[at++] = &there[i];
  }
  for (int i = 0; i < kernel->symbols.count; i++) parameters[at++] = &symbols[i];
  int64_t blocks = wf_dim_eval(made.tasks, tile_symbol, (void *)run->test);
  ok(start(f, "k", (uint32_t)blocks, 1, (uint32_t)wf_kernel_threads(kernel), 1, 0, parameters));
  for (int i = from; i < count; i++) memcpy(buffers[i], there[i], bytes[i]);
  shut(f);
}

static void tile_interpret(tile_run *run, const wf_op *op, const int64_t *symbols) {
  wf_tensor *buffers[256];
  int at = 0;
  for (int i = 0; i < op->operand_count; i++) buffers[at++] = run->tensors[op->operands[i]->id];
  for (int i = 0; i < op->result_count; i++) buffers[at++] = run->tensors[op->results[i]->id];
  bool fine = wf_kernel_ref_run(run->arena, run->diag, op->kernel, buffers, symbols, false);
  if (!fine) wf_diag_print(run->diag, stderr, false);
  assert_true(fine);
}

static void tile_launch(tile_run *run, const wf_op *op) {
  void *buffers[256];
  int64_t symbols[16];
  int at = 0;
  assert_in_range(op->operand_count + op->result_count, 1, 256);
  for (int i = 0; i < op->operand_count; i++) buffers[at++] = tile_store(run, op->operands[i], run->tensors[op->operands[i]->id]);
  for (int i = 0; i < op->result_count; i++) {
    wf_tensor *made = tile_tensor(run, op->results[i]);
    for (int64_t k = 0; k < made->count; k++) {   // what a kernel forgets to write shows
      if (made->floats) made->floats[k] = NAN;
      else made->integers[k] = 77;
    }
    run->tensors[op->results[i]->id] = made;
    buffers[at++] = tile_store(run, op->results[i], made);
  }
  for (int i = 0; i < op->kernel->symbols.count; i++) symbols[i] = run->test->value;
  if (run->test->interpret) {
    tile_interpret(run, op, symbols);
    return;
  }
  if (run->test->machine) tile_on_machine(run, op->kernel, buffers, op->operand_count, symbols);
  else tile_execute(run, op->kernel, buffers, symbols);
  for (int i = 0; i < op->result_count; i++)
    tile_load(run, op->results[i], run->tensors[op->results[i]->id], buffers[op->operand_count + i]);
}

static void tile_compare(const tile_run *run, const char *name, const wf_tensor *want, const wf_tensor *got) {
  assert_int_equal(want->count, got->count);
  for (int64_t i = 0; i < want->count; i++) {
    double a = want->floats ? want->floats[i] : (double)want->integers[i];
    double b = got->floats ? got->floats[i] : (double)got->integers[i];
    if (a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= run->test->tolerance * (1 + fabs(a))) continue;
    wf_text text;
    wf_text_init(&text);
    wf_print_module(&text, run->module);
    fprintf(stderr, "%s\n%s[%lld]: want %g, got %g\n", text.data, name, (long long)i, a, b);
    wf_text_deinit(&text);
    fail();
  }
}

// Returns the number of launches.
static int tile_check(const tile_case *test) {
  ir_test t = ir_test_parse_good(test->text);
  wf_arena *arena = t.arena;
  wf_diag *diag = t.diag;
  wf_module *module = t.module;
  wf_function *function = module->functions.items[0];
  tile_run run = {.arena = arena, .diag = diag, .module = module, .test = test};
  run.target = test->interpret ? NULL : wf_target_create(arena, diag, test->machine ? test->machine : "native");
  assert_true(test->interpret || run.target != NULL);
  wf_tensor *inputs[64], *want[64], *updates[64];
  for (int i = 0; i < function->inputs.count; i++) {
    inputs[i] = tile_tensor(&run, function->inputs.items[i]);
    tile_fill(inputs[i], (uint32_t)(i * 7919 + 17));
  }
  wf_ref_options options = {.round = false};
  bool evaluated = wf_ref_run(arena, diag, function, &options, inputs, want, updates);
  bool passed = evaluated && wf_pipeline_run(module, test->passes ? test->passes : "fuse,tile", &(wf_pipeline_hooks){.verify = true});
  if (!passed) wf_diag_print(diag, stderr, false);
  assert_true(passed);
  run.tensors = WF_NEW_ARRAY(arena, wf_tensor *, module->value_count);
  for (int i = 0; i < function->inputs.count; i++) run.tensors[function->inputs.items[i]->id] = inputs[i];
  int launches = 0, update = 0;
  for (int i = 0; i < function->ops.count; i++) {
    const wf_op *op = function->ops.items[i];
    if (op->kind == WF_O_LAUNCH) {
      tile_launch(&run, op);
      launches++;
    } else if (op->kind == WF_O_UPDATE) {
      tile_compare(&run, op->operands[0]->name, updates[update++], run.tensors[op->operands[1]->id]);
    } else {
      fail_msg("an operation was left: %s", wf_operation_names[op->kind]);
    }
  }
  for (int i = 0; i < function->results.count; i++)
    tile_compare(&run, function->results.items[i].name, want[i], run.tensors[function->results.items[i].value->id]);
  if (run.target) wf_target_destroy(run.target);
  wf_arena_destroy(arena);
  return launches;
}

// The same for a GPU, its thread programs interpreted.
static inline int tile_check_gpu(const tile_case *test) {
  tile_case gpu = *test;
  bool fuses = test->passes == NULL || strstr(test->passes, "fuse");
  gpu.passes = fuses ? "fuse{target=sm_80},layout{target=sm_80},tile{target=sm_80}" : "tile{target=sm_80}";
  gpu.interpret = true;
  return tile_check(&gpu);
}
#endif
