// The first losses of the example networks beside PyTorch's (scripts/record-parity): same weights, same batches.
#include "formulas.h"
#include "codegen/build_plan.h"
#include "runtime/load_object.h"
#include "runtime/session.h"

typedef struct parity {
  json_t *record;
  program p;
  environment env;            // weights and batches
  const wf_function *step;    // as lowered, gradients expanded
  wf_target *target;     // of the compiled one
  wf_program *program;
  wf_object *object;
  weft_session *session;
  int plan;
} parity;

// ---- the numbers that scripts/record-parity computes too ---------------------------------------------------------------

static void fill_parameter(wf_tensor *tensor, const char *name) {
  double fan = 1;
  for (int i = 1; i < tensor->rank; i++) fan *= (double)tensor->shape[i];
  size_t length = strlen(name);
  bool scale = length >= 6 && strcmp(name + length - 6, "weight") == 0;
  for (int64_t i = 0; i < tensor->count; i++) {
    double u = name_uniform(name_hash(name), i, -1, 1);
    tensor->floats[i] = tensor->rank == 1 ? 0.1 * u + (scale ? 1 : 0) : u / sqrt(fan);
  }
}

static void fill_pictures(wf_tensor *x, wf_tensor *label, const json_t *input, int64_t step) {
  int64_t batch = x->shape[0], size = x->count / batch, height = x->shape[2], width = x->shape[3];
  uint64_t labels = name_hash("label"), noise = name_hash("noise"), coarse = name_hash("coarse");
  for (int64_t s = 0; s < batch; s++) {
    label->integers[s] = (int64_t)(name_bits(labels, step * batch + s) % (uint64_t)json_number(input, "classes"));
    for (int64_t i = 0; i < size; i++) {
      int64_t c = i / (height * width), row = i / width % height * 8 / height, column = i % width * 8 / width;
      uint64_t grain = name_bits(noise, (step * batch + s) * size + i) & 127;
      uint64_t base = name_bits(coarse, ((label->integers[s] * x->shape[1] + c) * 8 + row) * 8 + column) & 127;
      x->integers[s * size + i] = (int64_t)(grain + base);
    }
  }
}

static void fill_tokens(wf_tensor *x, wf_tensor *y, const json_t *input, int64_t step) {
  int64_t batch = x->shape[0], length = x->shape[1], vocab = (int64_t)json_number(input, "vocab");
  for (int64_t s = 0; s < batch; s++) {
    char name[32];
    snprintf(name, sizeof name, "token.%lld", (long long)(step * batch + s));
    int64_t token = (step * batch + s) * 7 % vocab;
    for (int64_t t = 0; t < length; t++) {
      x->integers[s * length + t] = token;
      token = (token * 5 + (int64_t)(name_bits(name_hash(name), t) % 3) * 11 + 1) % vocab;
      y->integers[s * length + t] = token;
    }
  }
}

// ---- compiling --------------------------------------------------------------------------------------------------------

static wf_compiled *compile(parity *run, const char *precision) {
  program *p = &run->p;
  char path[1024];
  snprintf(path, sizeof path, WEFT_SOURCE_DIR "/%s", json_text(run->record, "net"));
  wf_frontend_options *options = WF_NEW(p->arena, wf_frontend_options);
  const char *key;
  json_t *value;
  json_object_foreach(json_object_get(run->record, "set"), key, value) {
    wf_setting set = {key, json_string_value(value)};
    wf_vec_push(p->arena, &options->sets, set);
  }
  wf_setting set = {"precision", precision};
  wf_vec_push(p->arena, &options->sets, set);
  wf_source *source = wf_source_read(p->arena, p->diag, path, 1 << 20);
  wf_compiled *compiled = source ? wf_frontend_compile(p->arena, p->diag, source, options) : NULL;
  if (!compiled) program_fail(p, path);
  return compiled;
}

static void start(parity *run, const char *name, const char *precision) {
  char path[1024];
  snprintf(path, sizeof path, WEFT_SOURCE_DIR "/tests/numeric/parity/%s.json", name);
  *run = (parity){.record = load_json(path), .p = program_start()};
  run->p.compiled = compile(run, precision);
  run->p.module = run->p.compiled->module;
  run->env = environment_make(&run->p);
  run->step = wf_function_find(run->p.module, "step");
}

static void must(weft_status *status) {
  if (status) fail_msg("%s", weft_status_message(status));
}

static void build(parity *run, const char *precision) {
  program *p = &run->p;
  wf_code code;
  char message[256];
  wf_module *lowered = compile(run, precision)->module;
  run->target = wf_target_create(p->arena, p->diag, "native");
  wf_build_options options = {.target = run->target};
  if (!wf_pipeline_run(lowered, wf_default_passes, NULL) || !wf_build_program(p->arena, lowered, &options, &run->program, &code))
    program_fail(p, "the program does not build");
  run->object = wf_object_load(code.bytes, code.size, message, sizeof message);
  if (!run->object || !wf_object_bind(run->object, run->program, message, sizeof message)) fail_msg("%s", message);
  must(weft_session_create(run->program, &(weft_session_options){.threads = 2}, &run->session));
  run->plan = weft_session_plan(run->session, "step");
}

static void end(parity *run) {
  if (run->session) weft_session_destroy(run->session);
  if (run->object) wf_object_unload(run->object);
  if (run->target) wf_target_destroy(run->target);
  program_end(&run->p);
  json_decref(run->record);
}

// ---- weights and batches ----------------------------------------------------------------------------------------------

// Every parameter of the step, under PyTorch's name and shape; states start as the network does: variances 1, the rest 0.
static void give_parameters(parity *run) {
  json_t *shapes = json_object_get(run->record, "parameters");
  size_t parameters = 0;
  for (int i = 0; i < run->step->inputs.count; i++) {
    const wf_value *input = run->step->inputs.items[i];
    if (input->role != WF_ROLE_PARAM && input->role != WF_ROLE_STATE) continue;
    wf_tensor *tensor = tensor_like(&run->p, input);
    wf_map_set(&run->env.tensors, input->name, tensor);
    if (input->role == WF_ROLE_STATE) {
      for (int64_t k = 0; strstr(input->name, "running_var") && k < tensor->count; k++) tensor->floats[k] = 1;
      continue;
    }
    json_t *shape = json_object_get(shapes, input->name);
    if (json_array_size(shape) != (size_t)tensor->rank) fail_msg("PyTorch has no parameter '%s' of rank %d", input->name, tensor->rank);
    for (int k = 0; k < tensor->rank; k++) assert_int_equal(tensor->shape[k], (int64_t)json_number_value(json_array_get(shape, (size_t)k)));
    fill_parameter(tensor, input->name);
    parameters++;
  }
  assert_int_equal(parameters, json_object_size(shapes));
}

static void give_batch(parity *run, int64_t step, wf_tensor **x, wf_tensor **target) {
  const json_t *input = json_object_get(run->record, "input");
  *x = tensor_like(&run->p, run->step->inputs.items[0]);
  *target = tensor_like(&run->p, run->step->inputs.items[1]);
  if (strcmp(json_text(input, "kind"), "tokens") == 0) fill_tokens(*x, *target, input, step);
  else fill_pictures(*x, *target, input, step);
}

static weft_named_tensor to_named(parity *run, const wf_value *input, const wf_tensor *tensor, void *data) {
  weft_named_tensor named = {input->name, {.dtype = (weft_dtype)tensor->dtype, .rank = tensor->rank}};
  memcpy(named.tensor.extents, tensor->shape, sizeof(int64_t) * (size_t)tensor->rank);
  for (int64_t i = 0; i < tensor->count; i++)
    if (tensor->floats) wf_store_element(tensor->dtype, data, i, tensor->floats[i]);
    else wf_store_element_int(tensor->dtype, data, i, tensor->integers[i]);
  named.tensor.data = data;
  return named;
}

// ---- losses -------------------------------------------------------------------------------------------------------------

static double recorded(const parity *run, const char *precision, int step) {
  return json_number_value(json_array_get(json_object_get(run->record, precision), (size_t)step));
}

static double reference_loss(parity *run, int step) {
  wf_tensor *x, *target, **results;
  give_batch(run, step, &x, &target);
  wf_map_set(&run->env.tensors, run->step->inputs.items[0]->name, x);
  wf_map_set(&run->env.tensors, run->step->inputs.items[1]->name, target);
  environment_run(&run->env, run->step, step, (int64_t)json_number(run->record, "total_steps"), false, &results);
  return results[0]->floats[0];
}

static void load_weights(parity *run) {
  for (int i = 0; i < run->step->inputs.count; i++) {
    const wf_value *input = run->step->inputs.items[i];
    const wf_tensor *tensor = wf_map_get(&run->env.tensors, input->name);
    if (!tensor) continue;
    weft_value *value = weft_session_find_value(run->session, input->name);
    assert_non_null(value);
    assert_int_equal((int)value->tensor.dtype, (int)tensor->dtype);
    to_named(run, input, tensor, value->tensor.data);
  }
}

static double compiled_loss(parity *run, int step) {
  wf_tensor *given[2];
  weft_named_tensor inputs[2];
  weft_tensor loss;
  give_batch(run, step, &given[0], &given[1]);
  for (int i = 0; i < 2; i++)
    inputs[i] = to_named(run, run->step->inputs.items[i], given[i], wf_arena_alloc(run->p.arena, (size_t)given[i]->count * 8));
  weft_session_set_scalars(run->session, step, 1, (int64_t)json_number(run->record, "total_steps"));
  must(weft_session_run(run->session, run->plan, inputs, 2));
  must(weft_session_output(run->session, run->plan, "loss", &loss));
  return wf_load_element((wf_dtype)loss.dtype, loss.data, 0);
}

// f64: within 1e-8 of PyTorch's. f32: at each step no further from PyTorch's f64 loss than three times what PyTorch's own f32 loss is
// off, or 1e-5.
static void check_loss(const parity *run, const char *name, bool wide, int step, double got) {
  double exact = recorded(run, "f64", step);
  double allowed = wide ? 1e-8 : fmax(1e-5, 3 * fabs(recorded(run, "f32", step) - exact));
  if (!(fabs(got - exact) <= allowed))
    fail_msg("%s: loss %d is %.12g, PyTorch has %.12g in f64: off by %.2g, allowed are %.2g", name, step, got, exact, fabs(got - exact), allowed);
}

static void check_reference(const char *name, int steps) {
  parity run;
  start(&run, name, "f64");
  program_expand(&run.p);
  give_parameters(&run);
  for (int k = 0; k < steps; k++) check_loss(&run, name, true, k, reference_loss(&run, k));
  end(&run);
}

static void check_compiled(const char *name, const char *precision) {
  parity run;
  start(&run, name, precision);
  give_parameters(&run);
  build(&run, precision);
  load_weights(&run);
  int steps = (int)json_number(run.record, "steps");
  for (int k = 0; k < steps; k++) {
    double loss = compiled_loss(&run, k);
    if (getenv("WEFT_VERBOSE")) print_message("%s %s %2d %.12g off by %.2g\n", name, precision, k, loss, fabs(loss - recorded(&run, "f64", k)));
    check_loss(&run, name, strcmp(precision, "f64") == 0, k, loss);
  }
  end(&run);
}

static void reference_mlp(void **state) { check_reference("mlp", 3); }
static void compiled_f64(void **state) { check_compiled(*state, "f64"); }
static void compiled_f32(void **state) { check_compiled(*state, "f32"); }

#define NET(name) {name "_f64", compiled_f64, NULL, NULL, (void *)name}, {name "_f32", compiled_f32, NULL, NULL, (void *)name}
int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(reference_mlp), NET("mlp"), NET("cnn"), NET("resnet"), NET("cifar"), NET("gpt")};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
