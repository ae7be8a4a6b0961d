// A file of the language twice: lowered, on the reference evaluator, and as thread programs of a GPU in the interpreter of
// kernel IR. Both are in f64 without rounding: only orders of sums differ.
#ifndef WEFT_TESTS_GPU_PROGRAM_SUPPORT_H
#define WEFT_TESTS_GPU_PROGRAM_SUPPORT_H
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "frontend/frontend.h"
#include "passes/passes.h"

#define GPU_PASSES(target) "simplify,cse,dce,fold,autodiff,simplify,cse,dce,precision,fuse{target=" target "},layout{target=" target "},tile{target=" target "},plan-memory"
#define GPU_LOWERED "simplify,cse,dce,fold,autodiff"

typedef struct gpu_symbol { const char *name; int64_t value; } gpu_symbol;

typedef struct gpu_program {
  wf_arena *arena;
  wf_diag *diag;
  wf_module *lowered, *tiled;
  const gpu_symbol *symbols; int symbol_count;
  int launches;
} gpu_program;

static wf_module *gpu_load(gpu_program *p, const wf_source *source, const wf_setting *sets, int set_count, const char *passes) {
  wf_frontend_options *options = WF_NEW(p->arena, wf_frontend_options);
  for (int i = 0; i < set_count; i++) wf_vec_push(p->arena, &options->sets, sets[i]);
  wf_compiled *made = wf_frontend_compile(p->arena, p->diag, source, options);
  bool good = made && wf_pipeline_run(made->module, passes, &(wf_pipeline_hooks){.verify = true});
  if (!good) wf_diag_print(p->diag, stderr, false);
  assert_true(good);
  return made->module;
}

static int64_t gpu_symbol_value(void *context, const wf_atom *atom) {
  const gpu_program *p = context;
  for (int i = 0; i < p->symbol_count; i++)
    if (!strcmp(p->symbols[i].name, atom->name)) return p->symbols[i].value;
  return 3;
}

static wf_tensor *gpu_tensor(gpu_program *p, const wf_value *value) {
  int64_t shape[WF_MAX_RANK];
  for (int i = 0; i < value->rank; i++) shape[i] = wf_dim_eval(value->shape[i], gpu_symbol_value, p);
  return wf_tensor_create(p->arena, value->dtype, value->rank, shape);
}

static wf_tensor *gpu_input(gpu_program *p, const wf_function *function, const wf_value *value) {
  wf_tensor *tensor = gpu_tensor(p, value);
  uint32_t seed = 17;
  int64_t bound = wf_input_bound(function, value);
  for (const char *c = value->name; *c; c++) seed = seed * 31 + (unsigned char)*c;
  for (int64_t i = 0; i < tensor->count; i++) {
    seed = seed * 1664525u + 1013904223u;
    double uniform = (double)(seed >> 8) / (1 << 24);
    if (tensor->integers) tensor->integers[i] = value->role != WF_ROLE_DATA ? 3 : (int64_t)(uniform * (double)(bound ? bound : 8));
    else if (value->role == WF_ROLE_STATE) tensor->floats[i] = 0.5 + uniform;   // variances and second moments
    else tensor->floats[i] = uniform - 0.5;
  }
  return tensor;
}

// ---- a tiled function, operation by operation ---------------------------------------------------------------------------

static void gpu_run(gpu_program *p, const wf_function *function, wf_tensor **values);

static void gpu_launch(gpu_program *p, const wf_op *op, wf_tensor **values) {
  wf_tensor *buffers[512];
  int64_t symbols[32];
  int at = 0;
  assert_true(wf_kernel_threads(op->kernel) > 0);
  assert_in_range(op->operand_count + op->result_count, 1, 512);
  for (int i = 0; i < op->operand_count; i++) buffers[at++] = values[op->operands[i]->id];
  for (int i = 0; i < op->result_count; i++) {
    wf_tensor *made = buffers[at++] = values[op->results[i]->id] = gpu_tensor(p, op->results[i]);
    for (int64_t k = 0; k < made->count; k++) {   // what a kernel forgets to write shows
      if (made->floats) made->floats[k] = NAN;
      else made->integers[k] = 77;
    }
  }
  for (int i = 0; i < op->kernel->symbols.count; i++) symbols[i] = gpu_symbol_value(p, op->kernel->symbols.items[i]);
  if (!wf_kernel_ref_run(p->arena, p->diag, op->kernel, buffers, symbols, false)) {
    wf_diag_print(p->diag, stderr, false);
    fail_msg("kernel %s", op->kernel->name);
  }
  p->launches++;
}

static wf_tensor *gpu_slice(gpu_program *p, const wf_tensor *whole, int64_t at) {
  wf_tensor *slice = wf_tensor_create(p->arena, whole->dtype, whole->rank - 1, whole->shape + 1);
  for (int64_t i = 0; i < slice->count; i++) {
    if (slice->floats) slice->floats[i] = whole->floats[at * slice->count + i];
    else slice->integers[i] = whole->integers[at * slice->count + i];
  }
  return slice;
}

static void gpu_loop(gpu_program *p, const wf_op *op, wf_tensor **values) {
  const wf_function *region = op->region;
  int64_t trip = wf_dim_eval(op->trip, gpu_symbol_value, p);
  for (int c = 0; c < op->carry_count; c++) values[op->results[c]->id] = values[op->operands[c]->id];
  for (int i = op->carry_count; i < op->result_count; i++) values[op->results[i]->id] = gpu_tensor(p, op->results[i]);
  for (int64_t step = 0; step < trip; step++) {
    int64_t t = op->reverse ? trip - 1 - step : step;
    for (int i = 0; i < region->inputs.count; i++) {
      wf_tensor **to = &values[region->inputs.items[i]->id];
      if (i == 0) {
        *to = gpu_tensor(p, region->inputs.items[0]);
        (*to)->integers[0] = t;
      } else if (i <= op->carry_count) {
        *to = values[op->results[i - 1]->id];
      } else if (i <= op->carry_count + op->slice_count) {
        *to = gpu_slice(p, values[op->operands[i - 1]->id], t);
      } else {
        *to = values[op->operands[i - 1]->id];
      }
    }
    gpu_run(p, region, values);
    for (int i = 0; i < op->result_count; i++) {
      const wf_tensor *made = values[region->results.items[i].value->id];
      wf_tensor *to = values[op->results[i]->id];
      if (i < op->carry_count) {
        values[op->results[i]->id] = (wf_tensor *)made;
        continue;
      }
      for (int64_t k = 0; k < made->count; k++) {
        if (made->floats) to->floats[t * made->count + k] = made->floats[k];
        else to->integers[t * made->count + k] = made->integers[k];
      }
    }
  }
}

static void gpu_const(gpu_program *p, const wf_op *op, wf_tensor **values) {
  const wf_value *value = op->results[0];
  wf_tensor *tensor = values[value->id] = gpu_tensor(p, value);
  for (int64_t i = 0; i < tensor->count; i++) {
    if (tensor->floats) tensor->floats[i] = wf_load_element(value->dtype, op->data, i);
    else tensor->integers[i] = wf_load_element_int(value->dtype, op->data, i);
  }
}

static void gpu_run(gpu_program *p, const wf_function *function, wf_tensor **values) {
  for (int i = 0; i < function->ops.count; i++) {
    const wf_op *op = function->ops.items[i];
    switch (op->kind) {
    case WF_O_LAUNCH: gpu_launch(p, op, values); break;
    case WF_O_LOOP: gpu_loop(p, op, values); break;
    case WF_O_CONST: gpu_const(p, op, values); break;
    case WF_O_UPDATE: break;
    default: fail_msg("an operation was left: %s", wf_operation_names[op->kind]);
    }
  }
}

static void gpu_compare(const char *function, const char *name, const wf_tensor *want, const wf_tensor *got) {
  double scale = 0;
  assert_int_equal(want->count, got->count);
  for (int64_t i = 0; want->floats && i < want->count; i++)
    if (fabs(want->floats[i]) > scale) scale = fabs(want->floats[i]);
  for (int64_t i = 0; i < want->count; i++) {
    double a = want->floats ? want->floats[i] : (double)want->integers[i];
    double b = got->floats ? got->floats[i] : (double)got->integers[i];
    if (a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-9 * (1e-3 + scale)) continue;
    fail_msg("%s: %s[%lld]: want %.12g, got %.12g", function, name, (long long)i, a, b);
  }
}

static bool gpu_is_region(const wf_module *module, const wf_function *function) {
  for (int f = 0; f < module->functions.count; f++)
    for (int i = 0; i < module->functions.items[f]->ops.count; i++)
      if (module->functions.items[f]->ops.items[i]->region == function) return true;
  return false;
}

static void gpu_check_function(gpu_program *p, const wf_function *tiled) {
  const wf_function *lowered = wf_function_find(p->lowered, tiled->name);
  assert_non_null(lowered);
  wf_tensor **inputs = WF_NEW_ARRAY(p->arena, wf_tensor *, lowered->inputs.count);
  wf_tensor **want = WF_NEW_ARRAY(p->arena, wf_tensor *, lowered->results.count), **updates = WF_NEW_ARRAY(p->arena, wf_tensor *, lowered->ops.count);
  wf_tensor **values = WF_NEW_ARRAY(p->arena, wf_tensor *, p->tiled->value_count);
  for (int i = 0; i < lowered->inputs.count; i++) inputs[i] = gpu_input(p, lowered, lowered->inputs.items[i]);
  wf_ref_options options = {.round = false};
  bool evaluated = wf_ref_run(p->arena, p->diag, lowered, &options, inputs, want, updates);
  if (!evaluated) wf_diag_print(p->diag, stderr, false);
  assert_true(evaluated);
  for (int i = 0; i < tiled->inputs.count; i++)
    for (int j = 0; j < lowered->inputs.count; j++)
      if (!strcmp(lowered->inputs.items[j]->name, tiled->inputs.items[i]->name)) values[tiled->inputs.items[i]->id] = inputs[j];
  gpu_run(p, tiled, values);
  for (int i = 0; i < tiled->results.count; i++)
    gpu_compare(tiled->name, tiled->results.items[i].name, want[i], values[tiled->results.items[i].value->id]);
  for (int i = 0, update = 0; i < lowered->ops.count; i++) {
    const wf_op *op = lowered->ops.items[i];
    if (op->kind != WF_O_UPDATE) continue;
    for (int j = 0; j < tiled->ops.count; j++) {
      const wf_op *same = tiled->ops.items[j];
      if (same->kind == WF_O_UPDATE && !strcmp(same->operands[0]->name, op->operands[0]->name))
        gpu_compare(tiled->name, op->operands[0]->name, updates[update], values[same->operands[1]->id]);
    }
    update++;
  }
}

// Every function of the file that is not a region. Returns the launches that ran.
static int gpu_check(const wf_source *(*source)(wf_arena *arena, wf_diag *diag, const char *name), const char *name, const char *passes,
                     const wf_setting *sets, int set_count, const gpu_symbol *symbols, int symbol_count) {
  gpu_program p = {.arena = wf_arena_create(), .symbols = symbols, .symbol_count = symbol_count};
  p.diag = wf_diag_create(p.arena);
  const wf_source *text = source(p.arena, p.diag, name);
  assert_non_null(text);
  p.lowered = gpu_load(&p, text, sets, set_count, GPU_LOWERED);
  p.tiled = gpu_load(&p, text, sets, set_count, passes);
  for (int i = 0; i < p.tiled->functions.count; i++)
    if (!gpu_is_region(p.tiled, p.tiled->functions.items[i])) gpu_check_function(&p, p.tiled->functions.items[i]);
  wf_arena_destroy(p.arena);
  return p.launches;
}
#endif
