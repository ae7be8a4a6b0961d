#include "cli/run_ref.h"
#include <stdio.h>
#include "cli/module.h"
#include "cli/program.h"

static wf_tensor *from_runtime(cli *c, const weft_tensor *tensor) {
  wf_tensor *out = wf_tensor_create(c->arena, (wf_dtype)tensor->dtype, tensor->rank, tensor->extents);
  for (int64_t i = 0; i < out->count; i++) {
    if (out->floats) out->floats[i] = wf_load_element(out->dtype, tensor->data, i);
    else out->integers[i] = wf_load_element_int(out->dtype, tensor->data, i);
  }
  return out;
}

// Floats keep f64, in which they were computed.
static weft_tensor to_runtime(const wf_tensor *tensor) {
  bool floats = tensor->floats != NULL;
  weft_tensor out = {.dtype = floats ? WEFT_F64 : WEFT_I64, .rank = tensor->rank, .data = floats ? (void *)tensor->floats : tensor->integers};
  memcpy(out.extents, tensor->shape, sizeof *out.extents * (size_t)tensor->rank);
  return out;
}

static wf_tensor *scalar(cli *c, int64_t value) {
  wf_tensor *out = wf_tensor_create(c->arena, WF_I64, 0, NULL);
  out->integers[0] = value;
  return out;
}

static const weft_tensor *find_data(const weft_command_run_inputs *inputs, const char *name) {
  for (int i = 0; i < inputs->count; i++)
    if (!strcmp(inputs->items[i].name, name)) return &inputs->items[i].tensor;
  return NULL;
}

static wf_tensor *input_of(cli *c, weft_session *session, const weft_command_run_inputs *inputs, int64_t seed, const wf_value *value) {
  const weft_value *kept = NULL;
  const weft_tensor *given = NULL;
  switch (value->role) {
  case WF_ROLE_DATA:
  case WF_ROLE_NONE: given = find_data(inputs, value->name); break;
  case WF_ROLE_PARAM:
  case WF_ROLE_STATE:
    kept = weft_session_find_value(session, value->name);
    given = kept ? &kept->tensor : NULL;
    break;
  case WF_ROLE_STEP: return scalar(c, 0);
  case WF_ROLE_SEED: return scalar(c, seed);
  case WF_ROLE_TOTAL: return scalar(c, 1);
  }
  return given ? from_runtime(c, given) : NULL;
}

int cli_run_ref(void *context, weft_session *session, int plan, const weft_command_run_inputs *inputs, int64_t seed, weft_command_outputs *out) {
  cli *c = context;
  wf_module *module = cli_load_module(c, NULL);
  wf_function *function = module ? wf_function_find(module, "infer") : NULL;
  if (!function) return cli_report(c);
  wf_tensor **values = WF_NEW_ARRAY(c->arena, wf_tensor *, function->inputs.count);
  for (int i = 0; i < function->inputs.count; i++) {
    const wf_value *value = function->inputs.items[i];
    values[i] = input_of(c, session, inputs, seed, value);
    if (!values[i]) {   // plans drop what nothing reads; the evaluator still wants its shape
      fprintf(stderr, "weft run: nothing fills %s, which no result depends on; --device ref cannot run without it\n", value->name);
      return EXIT_INPUT;
    }
  }
  wf_tensor **results = WF_NEW_ARRAY(c->arena, wf_tensor *, function->results.count);
  if (!wf_ref_run(c->arena, c->diag, function, &(wf_ref_options){0}, values, results, NULL)) return cli_report(c);
  out->count = function->results.count;
  out->items = WF_NEW_ARRAY(c->arena, weft_named_tensor, out->count);
  for (int i = 0; i < out->count; i++) out->items[i] = (weft_named_tensor){function->results.items[i].name, to_runtime(results[i])};
  return cli_report(c);
}
