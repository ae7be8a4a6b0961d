// The counter-based numbers that scripts/record-parity and scripts/record-vectors use too, and small help for tests of the library:
// compile text, expand gradients, run in the reference evaluator.
#ifndef WEFT_TESTS_FORMULAS_H
#define WEFT_TESTS_FORMULAS_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "frontend/lower.h"
#include "passes/passes.h"

static inline uint64_t name_hash(const char *name) {   // FNV-1a
  uint64_t hash = 0xCBF29CE484222325u;
  for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 0x100000001B3u;
  return hash;
}

static inline uint64_t name_bits(uint64_t hash, int64_t index) {   // SplitMix64
  uint64_t z = hash + ((uint64_t)index + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

static inline double name_uniform(uint64_t hash, int64_t index, double low, double high) {
  return low + (high - low) * ((double)(name_bits(hash, index) >> 40) / 16777216.0);
}

static inline void fill_uniform(wf_tensor *tensor, const char *name, double low, double high) {
  for (int64_t i = 0; i < tensor->count; i++) {
    double value = name_uniform(name_hash(name), i, low, high);
    tensor->floats[i] = tensor->dtype == WF_F32 ? (double)(float)value : value;
  }
}

// ---- programs ---------------------------------------------------------------------------------------------------------

typedef struct program {
  wf_arena *arena;
  wf_diag *diag;
  wf_module *module;
  wf_compiled *compiled;    // of a file with a train block
} program;

static inline void program_fail(program *p, const char *what) {
  wf_diag_print(p->diag, stderr, false);
  fail_msg("%s", what);
}

static inline program program_start(void) {
  program p = {.arena = wf_arena_create()};
  p.diag = wf_diag_create(p.arena);
  return p;
}

static inline void program_expand(program *p) {
  wf_pass_options none = {0};
  const wf_pass *autodiff = wf_pass_find("autodiff");
  assert_non_null(autodiff);
  if (!wf_verify(p->module, p->diag) || !autodiff->run(p->module, &none) || !wf_verify(p->module, p->diag))
    program_fail(p, "autodiff or verify failed");
}

// A file with a train block: init, step, eval and infer with gradients expanded.
static inline program program_compile(const char *text, const wf_frontend_options *options) {
  program p = program_start();
  wf_frontend_options none = {0};
  p.compiled = wf_frontend_compile(p.arena, p.diag, wf_source_from_text(p.arena, "test.net", text), options ? options : &none);
  if (!p.compiled || p.diag->errors) program_fail(&p, "the program does not compile");
  p.module = p.compiled->module;
  program_expand(&p);
  return p;
}

static inline void program_end(program *p) { wf_arena_destroy(p->arena); }

// Values of inputs by name for any number of runs.
typedef struct environment { program *program; wf_map tensors; int64_t seed; } environment;

static inline environment environment_make(program *p) {
  environment env = {.program = p, .seed = 1};
  wf_map_init(&env.tensors, p->arena);
  return env;
}

static inline wf_tensor *tensor_like(program *p, const wf_value *value) {
  int64_t shape[WF_MAX_RANK];
  for (int i = 0; i < value->rank; i++)
    if (!wf_dim_is_const(value->shape[i], &shape[i])) fail_msg("%s: the extent of axis %d is not known", value->name, i);
  return wf_tensor_create(p->arena, value->dtype, value->rank, shape);
}

static inline wf_tensor *whole_number(program *p, int64_t number) {
  wf_tensor *tensor = wf_tensor_create(p->arena, WF_I64, 0, NULL);
  tensor->integers[0] = number;
  return tensor;
}

// Runs a function on what the environment holds (zeros elsewhere); parameters and states take their updates.
// out_results: function->results in order.
static inline void environment_run(environment *env, const wf_function *function, int64_t step, int64_t total, bool round,
                                   wf_tensor ***out_results) {
  program *p = env->program;
  wf_tensor **inputs = WF_NEW_ARRAY(p->arena, wf_tensor *, function->inputs.count);
  for (int i = 0; i < function->inputs.count; i++) {
    const wf_value *input = function->inputs.items[i];
    inputs[i] = wf_map_get(&env->tensors, input->name);
    if (input->role == WF_ROLE_STEP) inputs[i] = whole_number(p, step);
    if (input->role == WF_ROLE_SEED) inputs[i] = whole_number(p, env->seed);
    if (input->role == WF_ROLE_TOTAL) inputs[i] = whole_number(p, total);
    if (!inputs[i]) inputs[i] = tensor_like(p, input);
  }
  int updates = 0;
  for (int i = 0; i < function->ops.count; i++) updates += function->ops.items[i]->kind == WF_O_UPDATE;
  wf_tensor **results = WF_NEW_ARRAY(p->arena, wf_tensor *, function->results.count);
  wf_tensor **updated = WF_NEW_ARRAY(p->arena, wf_tensor *, updates);
  wf_ref_options options = {.round = round};
  if (!wf_ref_run(p->arena, p->diag, function, &options, inputs, results, updated)) program_fail(p, "the reference evaluator failed");
  for (int i = 0, k = 0; i < function->ops.count; i++)
    if (function->ops.items[i]->kind == WF_O_UPDATE) wf_map_set(&env->tensors, function->ops.items[i]->operands[0]->name, updated[k++]);
  if (out_results) *out_results = results;
}

static inline json_t *load_json(const char *path) {
  json_error_t error;
  json_t *root = json_load_file(path, 0, &error);
  if (!root) fail_msg("%s:%d: %s", path, error.line, error.text);
  return root;
}

static inline const char *json_text(const json_t *object, const char *key) { return json_string_value(json_object_get(object, key)); }
static inline double json_number(const json_t *object, const char *key) { return json_number_value(json_object_get(object, key)); }
#endif
