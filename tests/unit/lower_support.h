// Compiling a text of the language and running a function of it on the reference evaluator, with inputs that count.
#ifndef WEFT_TESTS_LOWER_SUPPORT_H
#define WEFT_TESTS_LOWER_SUPPORT_H
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "frontend/frontend.h"

typedef struct compiled { wf_arena *arena; wf_diag *diag; wf_compiled *result; } compiled;

static inline compiled compile_with(const char *text, const wf_setting *sets, int count) {
  compiled c = {.arena = wf_arena_create()};
  c.diag = wf_diag_create(c.arena);
  wf_frontend_options *options = WF_NEW(c.arena, wf_frontend_options);
  for (int i = 0; i < count; i++) wf_vec_push(c.arena, &options->sets, sets[i]);
  c.result = wf_frontend_compile(c.arena, c.diag, wf_source_from_text(c.arena, "test.net", text), options);
  return c;
}

static inline compiled compile(const char *text) {
  compiled c = compile_with(text, NULL, 0);
  if (!c.result || !wf_verify(c.result->module, c.diag)) {
    fprintf(stderr, "%s\n", text);
    wf_diag_print(c.diag, stderr, false);
    fail();
  }
  return c;
}

static inline wf_function *function(const compiled *c, const char *name) {
  wf_function *found = wf_function_find(c->result->module, name);
  assert_non_null(found);
  return found;
}

// ---- values -------------------------------------------------------------------------------------------------------------
typedef struct symbol_values { const char *names[4]; int64_t values[4]; } symbol_values;

static inline int64_t value_of_symbol(void *context, const wf_atom *atom) {
  const symbol_values *s = context;
  for (int i = 0; i < 4 && s->names[i]; i++)
    if (!strcmp(s->names[i], atom->name)) return s->values[i];
  return 2;   // every symbol that a test does not name
}

// Input k holds 1, 2, 3, ... over 10^k; integers count 0, 1, 0, 1.
static inline wf_tensor *counting(wf_arena *arena, const wf_value *input, int k, symbol_values *symbols) {
  int64_t shape[WF_MAX_RANK];
  for (int i = 0; i < input->rank; i++) shape[i] = wf_dim_eval(input->shape[i], value_of_symbol, symbols);
  wf_tensor *tensor = wf_tensor_create(arena, input->dtype, input->rank, shape);
  for (int64_t i = 0; i < tensor->count; i++) {
    if (tensor->floats) tensor->floats[i] = (double)(i + 1) / pow(10, k);
    else tensor->integers[i] = input->rank == 0 ? 0 : i % 2;
  }
  return tensor;
}

static inline void run(const compiled *c, const char *name, symbol_values symbols, wf_tensor **out, wf_tensor **updates) {
  wf_function *f = function(c, name);
  wf_tensor *inputs[32];
  for (int i = 0; i < f->inputs.count; i++) inputs[i] = counting(c->arena, f->inputs.items[i], i, &symbols);
  if (!wf_ref_run(c->arena, c->diag, f, &(wf_ref_options){false}, inputs, out, updates)) {
    wf_diag_print(c->diag, stderr, false);
    fail();
  }
}

static inline void check_row(const char *text, const double *expected, int count, symbol_values symbols) {
  compiled c = compile(text);
  wf_tensor *results[8];
  run(&c, "infer", symbols, results, NULL);
  bool good = results[0]->count == count;
  for (int i = 0; good && i < count; i++) {
    double got = results[0]->floats ? results[0]->floats[i] : (double)results[0]->integers[i];
    good = got == expected[i] || fabs(got - expected[i]) < 1e-9 * (1 + fabs(expected[i]));
  }
  if (!good) {
    fprintf(stderr, "%s\n  gave", text);
    for (int i = 0; i < results[0]->count; i++) fprintf(stderr, " %.12g", results[0]->floats ? results[0]->floats[i] : (double)results[0]->integers[i]);
    fprintf(stderr, "\n");
    fail();
  }
  wf_arena_destroy(c.arena);
}

#endif
