// Every operation of the library against PyTorch's recorded values and gradients (scripts/record-vectors), in f64 through the
// reference evaluator, and its gradients once more against central differences of its own values. Where WEFT_TEST_DEVICE names a
// device, compiled code gives the same there.
#include "formulas.h"
#include "device_support.h"

typedef struct subject {
  program p;
  environment env;
  wf_function *function;
  const json_t *spec;
  WF_VEC(wf_value *) by;      // what gradients are taken by
} subject;

static const char *current;   // the case at hand, for messages of this test program

static const json_t *input_spec(const subject *s, const char *name) {
  size_t i;
  json_t *input;
  json_array_foreach(json_object_get(s->spec, "inputs"), i, input)
    if (strcmp(json_text(input, "name"), name) == 0) return input;
  fail_msg("%s: the vectors have no input '%s'", current, name);
  return NULL;
}

static void build(subject *s) {
  program *p = &s->p;
  wf_frontend_options *options = WF_NEW(p->arena, wf_frontend_options);
  wf_net_model *model = wf_model_load(p->arena, p->diag, wf_source_from_text(p->arena, current, json_text(s->spec, "source")), options);
  if (!model || p->diag->errors) program_fail(p, current);
  p->module = wf_module_create(p->arena, p->diag);
  wf_lower *lower = wf_lower_create(model, p->module);
  s->function = wf_lower_begin(lower, "main", json_is_true(json_object_get(s->spec, "training")));
  wf_callable *net = wf_lower_net(lower, model->net, NULL);
  wf_vals args = {0}, results = {0};
  if (!net || !wf_lower_declare_inputs(lower, net, &args) ||
      !wf_lower_apply(lower, net, "", args.items, args.count, WF_NOWHERE, &results))
    program_fail(p, current);
  wf_function_result(s->function, "y", results.items[0].tensor);
  json_t *grads = json_object_get(s->spec, "grads");
  for (int i = 0; i < s->function->inputs.count; i++) {
    wf_value *input = s->function->inputs.items[i];
    if (json_object_get(grads, input->name)) wf_vec_push(p->arena, &s->by, input);
  }
  if (json_object_size(grads) != (size_t)s->by.count) fail_msg("%s: %d of %zu inputs with gradients exist", current, s->by.count, json_object_size(grads));
  if (results.count > 1) wf_function_result(s->function, "l", results.items[1].tensor);
  if (s->by.count) {
    wf_op *grad = wf_build_grad(s->function, "grad", results.items[1].tensor, s->by.items, s->by.count, WF_NOWHERE);
    for (int i = 0; i < s->by.count; i++) wf_function_result(s->function, s->by.items[i]->name, grad->results[i]);
  }
  wf_lower_end(lower);
  program_expand(p);
}

static void fill(subject *s) {
  for (int i = 0; i < s->function->inputs.count; i++) {
    const wf_value *input = s->function->inputs.items[i];
    if (input->role == WF_ROLE_SEED || input->role == WF_ROLE_STEP) continue;
    const json_t *spec = input_spec(s, input->name);
    wf_tensor *tensor = tensor_like(&s->p, input);
    assert_int_equal(tensor->rank, (int)json_array_size(json_object_get(spec, "shape")));
    for (int64_t k = 0; tensor->integers && k < tensor->count; k++)
      tensor->integers[k] = (int64_t)(name_bits(name_hash(input->name), k) % (uint64_t)json_number(spec, "below"));
    if (tensor->floats) fill_uniform(tensor, input->name, json_number(spec, "low"), json_number(spec, "high"));
    wf_map_set(&s->env.tensors, input->name, tensor);
  }
}

static wf_tensor *result_named(const subject *s, wf_tensor **results, const char *name) {
  for (int i = 0; i < s->function->results.count; i++)
    if (strcmp(s->function->results.items[i].name, name) == 0) return results[i];
  fail_msg("%s: no result '%s'", current, name);
  return NULL;
}

static void compare(const char *what, const wf_tensor *got, const json_t *wanted, double tolerance) {
  if ((size_t)got->count != json_array_size(wanted)) fail_msg("%s: %s has %lld elements, not %zu", current, what, (long long)got->count, json_array_size(wanted));
  double scale = 1e-3;
  for (int64_t i = 0; i < got->count; i++) scale = fmax(scale, fabs(json_number_value(json_array_get(wanted, (size_t)i))));
  for (int64_t i = 0; i < got->count; i++) {
    double a = got->floats ? got->floats[i] : (double)got->integers[i], b = json_number_value(json_array_get(wanted, (size_t)i));
    if (!(fabs(a - b) <= tolerance * scale)) fail_msg("%s: %s[%lld] is %.10g, PyTorch has %.10g", current, what, (long long)i, a, b);
  }
}

// (l(x + h) - l(x - h)) / 2h at three elements of each tensor.
static void check_differences(subject *s, wf_tensor **results) {
  for (int i = 0; i < s->by.count; i++) {
    const char *name = s->by.items[i]->name;
    wf_tensor *tensor = wf_map_get(&s->env.tensors, name), *gradient = result_named(s, results, name);
    const json_t *spec = input_spec(s, name);
    double h = 1e-5 * (json_number(spec, "high") - json_number(spec, "low"));
    for (int64_t k = 0; k < 3; k++) {
      int64_t at = k * 7919 % tensor->count;
      double kept = tensor->floats[at], side[2];
      for (int j = 0; j < 2; j++) {
        wf_tensor **moved;
        tensor->floats[at] = j ? kept - h : kept + h;
        environment_run(&s->env, s->function, 0, 1, false, &moved);
        side[j] = result_named(s, moved, "l")->floats[0];
      }
      tensor->floats[at] = kept;
      double difference = (side[0] - side[1]) / (2 * h);
      if (!(fabs(difference - gradient->floats[at]) <= 1e-6 + 1e-4 * fabs(difference)))
        fail_msg("%s: d/d%s[%lld] is %.8g, differences give %.8g", current, name, (long long)at, gradient->floats[at], difference);
    }
  }
}

// ---- compiled ---------------------------------------------------------------------------------------------------------------

// Compiled code rounds where the IR does; the reference evaluator stays in f64.
static double device_tolerance(const wf_function *function) {
  for (int i = 0; i < function->inputs.count; i++)
    if (function->inputs.items[i]->dtype == WF_F32) return 1e-6;
  for (int i = 0; i < function->ops.count; i++)
    for (int k = 0; k < function->ops.items[i]->result_count; k++)
      if (function->ops.items[i]->results[k]->dtype == WF_F32) return 1e-6;
  return 1e-9;
}

static void compare_output(const subject *s, const char *name, const wf_tensor *wanted, const weft_tensor *got) {
  double scale = 1e-3, tolerance = device_tolerance(s->function);
  assert_int_equal(weft_tensor_elements(got), wanted->count);
  for (int64_t i = 0; i < wanted->count; i++) scale = fmax(scale, fabs(wanted->floats ? wanted->floats[i] : (double)wanted->integers[i]));
  for (int64_t i = 0; i < wanted->count; i++) {
    double a = wf_load_element((wf_dtype)got->dtype, got->data, i), b = wanted->floats ? wanted->floats[i] : (double)wanted->integers[i];
    if (!(fabs(a - b) <= tolerance * scale)) fail_msg("%s on %s: %s[%lld] is %.10g, ref has %.10g", current, test_device(), name, (long long)i, a, b);
  }
}

// The case once more, lowered for the device, on the same inputs.
static void check_device(const subject *s, wf_tensor **results) {
  subject compiled = {.p = program_start(), .spec = s->spec};
  weft_named_tensor data[32];
  int count = 0;
  build(&compiled);
  on_device d = device_open(compiled.p.arena, compiled.p.module, wf_default_passes, current);
  int plan = weft_session_plan(d.session, s->function->name);
  assert_true(plan >= 0);
  weft_session_set_scalars(d.session, 0, 1, 1);
  for (int i = 0; i < s->function->inputs.count; i++) {
    const wf_value *input = s->function->inputs.items[i];
    wf_tensor *tensor = wf_map_get(&s->env.tensors, input->name);
    bool wanted = input->role == WF_ROLE_PARAM || input->role == WF_ROLE_STATE;
    for (int k = 0; k < weft_session_input_count(d.session, plan); k++) wanted = wanted || !strcmp(weft_session_input(d.session, plan, k)->name, input->name);
    if (tensor && wanted) device_give(&d, compiled.p.arena, input, tensor, data, &count);
  }
  must(weft_context(weft_session_run(d.session, plan, data, count), "%s", current));
  for (int i = 0; i < s->function->results.count; i++) {
    weft_tensor output;
    const char *name = s->function->results.items[i].name;
    must(weft_session_output(d.session, plan, name, &output));
    compare_output(s, name, results[i], &output);
  }
  device_close(&d);
  program_end(&compiled.p);
}

static void run_case(const json_t *spec) {
  subject s = {.p = program_start(), .spec = spec};
  current = json_text(spec, "name");
  s.env = environment_make(&s.p);
  build(&s);
  fill(&s);
  wf_tensor **results;
  environment_run(&s.env, s.function, 0, 1, false, &results);
  double tolerance = strstr(current, "_far") ? 1e-6 : 2e-8;
  compare("y", result_named(&s, results, "y"), json_object_get(json_object_get(spec, "y"), "values"), tolerance);
  for (int i = 0; i < s.by.count; i++)
    compare(s.by.items[i]->name, result_named(&s, results, s.by.items[i]->name), json_object_get(json_object_get(spec, "grads"), s.by.items[i]->name), tolerance);
  if (getenv("WEFT_TEST_DEVICE")) check_device(&s, results);
  else if (!strstr(current, "_far")) check_differences(&s, results);
  program_end(&s.p);
}

static void run_file(void **state) {
  char path[1024];
  snprintf(path, sizeof path, WEFT_SOURCE_DIR "/tests/numeric/vectors/%s.json", (const char *)*state);
  json_t *root = load_json(path), *spec;
  size_t i;
  const char *only = getenv("WEFT_CASE");   // one case while looking for a mistake
  json_array_foreach(root, i, spec)
    if (!only || strcmp(only, json_text(spec, "name")) == 0) run_case(spec);
  json_decref(root);
}

#define GROUP(name) {"vectors_" name, run_file, NULL, NULL, (void *)name}
int main(void) {
  const struct CMUnitTest tests[] = {GROUP("elementwise"), GROUP("layers"), GROUP("convolutions"), GROUP("pools"), GROUP("norms"),
                                     GROUP("attentions"), GROUP("recurrent"), GROUP("losses"), GROUP("pictures_and_metrics")};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
