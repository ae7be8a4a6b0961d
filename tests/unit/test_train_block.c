// What a train block becomes: the interfaces of step, eval and infer, the settings, and the metadata.
#include "formulas.h"

static const char *const cnn =
    "net Tiny(x: f32[n, 1, 6, 6]; hidden: int = 4) -> f32[n, 3] {\n"
    "    labels [\"a\", \"b\", \"quote \\\" here\"]\n    top 2\n"
    "    h = x |> conv2d(2, 3, bias=false) as conv |> batch_norm as bn |> relu |> flatten\n"
    "    return h |> linear(hidden) as fc1 |> relu |> linear(3) as fc2\n}\n"
    "train Tiny {\n    data idx(\"a.gz\", \"b.gz\")\n    test idx(\"c.gz\", \"d.gz\")\n    augment normalize(mean=0.5, std=0.25)\n"
    "    loss cross_entropy\n    metric accuracy, top_k(2)\n    optimizer sgd(lr=0.1, momentum=0.9)\n    batch 8 epochs 3 seed 7\n}\n";

static const wf_value *input_named(const wf_function *function, const char *name) {
  for (int i = 0; i < function->inputs.count; i++)
    if (strcmp(function->inputs.items[i]->name, name) == 0) return function->inputs.items[i];
  fail_msg("%s has no input '%s'", function->name, name);
  return NULL;
}

static void assert_extent(const wf_value *value, int axis, int64_t wanted) {
  int64_t got = -1;
  assert_true(axis < value->rank);
  if (!wf_dim_is_const(value->shape[axis], &got) || got != wanted) fail_msg("%s: axis %d is %lld, not %lld", value->name, axis, (long long)got, (long long)wanted);
}

static void assert_results(const wf_function *function, const char *const *names, int count) {
  assert_int_equal(function->results.count, count);
  for (int i = 0; i < count; i++) assert_string_equal(function->results.items[i].name, names[i]);
}

static void interfaces(void **state) {
  program p = program_compile(cnn, NULL);
  const wf_function *step = wf_function_find(p.module, "step"), *eval = wf_function_find(p.module, "eval"), *infer = wf_function_find(p.module, "infer");
  assert_non_null(step);
  assert_non_null(eval);
  assert_non_null(infer);
  const wf_value *x = step->inputs.items[0], *target = step->inputs.items[1];
  assert_string_equal(x->name, "x");
  assert_int_equal(x->dtype, WF_U8);
  assert_extent(x, 0, 8);
  assert_string_equal(target->name, "target");
  assert_int_equal(target->dtype, WF_I64);
  assert_extent(target, 0, 8);
  assert_int_equal(input_named(step, "conv.weight")->role, WF_ROLE_PARAM);
  assert_int_equal(input_named(step, "bn.running_mean")->role, WF_ROLE_STATE);
  assert_int_equal(input_named(step, "sgd.v.fc1.weight")->role, WF_ROLE_STATE);
  assert_extent(input_named(step, "fc1.weight"), 0, 4);
  for (int i = 1; i < step->inputs.count; i++)
    assert_true(step->inputs.items[i - 1]->role <= step->inputs.items[i]->role || step->inputs.items[i]->role == WF_ROLE_PARAM);
  static const char *const measures[] = {"loss", "accuracy", "top_k"};
  assert_results(step, measures, 3);
  assert_results(eval, measures, 3);
  assert_false(wf_dim_is_const(eval->inputs.items[0]->shape[0], &(int64_t){0}));
  assert_int_equal(infer->inputs.items[0]->dtype, WF_U8);
  assert_int_equal(infer->results.count, 1);
  for (int i = 0; i < infer->inputs.count; i++) assert_false(strncmp(infer->inputs.items[i]->name, "sgd.", 4) == 0);
  for (int i = 0; i < eval->ops.count; i++) assert_false(eval->ops.items[i]->kind == WF_O_UPDATE);
  program_end(&p);
}

// Every parameter and state of the step is made by init, with the same type.
static void init_is_whole(void **state) {
  program p = program_compile(cnn, NULL);
  const wf_function *step = wf_function_find(p.module, "step"), *init = wf_function_find(p.module, "init");
  int kept = 0;
  for (int i = 0; i < step->inputs.count; i++) {
    const wf_value *input = step->inputs.items[i];
    if (input->role != WF_ROLE_PARAM && input->role != WF_ROLE_STATE) continue;
    kept++;
    int found = 0;
    for (int k = 0; k < init->results.count; k++)
      if (strcmp(init->results.items[k].name, input->name) == 0) found += init->results.items[k].value->rank == input->rank;
    if (found != 1) fail_msg("init gives '%s' %d times", input->name, found);
  }
  assert_int_equal(kept, init->results.count);
  program_end(&p);
}

static void metadata(void **state) {
  program p = program_compile(cnn, NULL);
  json_error_t error;
  json_t *root = json_loads(wf_train_spec_json(p.arena, p.compiled->train), 0, &error);
  if (!root) fail_msg("%s", error.text);
  assert_string_equal(json_text(root, "net"), "Tiny");
  assert_string_equal(json_text(root, "optimizer"), "sgd");
  assert_int_equal((int)json_number(root, "batch"), 8);
  assert_int_equal((int)json_number(root, "epochs"), 3);
  assert_int_equal((int)json_number(root, "seed"), 7);
  assert_int_equal((int)json_number(root, "classes"), 3);
  assert_int_equal((int)json_number(root, "top"), 2);
  assert_true(json_is_null(json_object_get(root, "precision")));
  json_t *data = json_object_get(root, "test"), *labels = json_object_get(root, "labels"), *fields = json_object_get(root, "fields");
  assert_string_equal(json_text(data, "kind"), "idx");
  assert_string_equal(json_string_value(json_array_get(json_object_get(data, "args"), 1)), "d.gz");
  assert_string_equal(json_string_value(json_array_get(labels, 2)), "quote \" here");
  assert_int_equal(json_array_size(fields), 2);
  assert_true(json_is_true(json_object_get(json_array_get(fields, 0), "picture")));
  assert_true(json_is_true(json_object_get(json_array_get(fields, 1), "target")));
  json_decref(root);
  program_end(&p);
}

static void settings(void **state) {
  wf_arena *arena = wf_arena_create();
  wf_frontend_options options = {0};
  static const wf_setting sets[] = {{"batch", "16"}, {"hidden", "9"}, {"optimizer.lr", "0.5"}, {"loss", "cross_entropy(smoothing=0.1)"},
                                    {"augment", "normalize(mean=0.1, std=0.2)"}, {"steps", "3"}, {"precision", "f64"}};
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) wf_vec_push(arena, &options.sets, sets[i]);
  program p = program_compile(cnn, &options);
  const wf_function *step = wf_function_find(p.module, "step");
  assert_extent(step->inputs.items[0], 0, 16);
  assert_extent(input_named(step, "fc1.weight"), 0, 9);
  assert_int_equal(p.compiled->train->steps, 3);
  assert_string_equal(p.compiled->train->precision, "f64");
  program_end(&p);
  wf_arena_destroy(arena);
}

static void unknown_setting(void **state) {
  wf_arena *arena = wf_arena_create();
  wf_diag *diag = wf_diag_create(arena);
  wf_frontend_options options = {0};
  wf_setting set = {"optimizer.lrr", "0.5"};
  wf_vec_push(arena, &options.sets, set);
  assert_null(wf_frontend_compile(arena, diag, wf_source_from_text(arena, "test.net", cnn), &options));
  assert_true(diag->errors > 0);
  wf_arena_destroy(arena);
}

static void token_source(void **state) {
  program p = program_compile("net Chars(x: i64[n, t]) -> f32[n, t, 32] {\n    return x |> embedding(32, 4) |> linear(32)\n}\n"
                              "train Chars { data text(\"a.txt\", 12, to=0.9) loss cross_entropy metric accuracy optimizer adam batch 4 }\n", NULL);
  const wf_function *step = wf_function_find(p.module, "step"), *infer = wf_function_find(p.module, "infer");
  assert_extent(step->inputs.items[0], 0, 4);
  assert_extent(step->inputs.items[0], 1, 12);
  assert_extent(step->inputs.items[1], 1, 12);
  assert_false(wf_dim_is_const(infer->inputs.items[0]->shape[1], &(int64_t){0}));
  assert_int_equal(p.compiled->train->classes, 32);
  assert_non_null(strstr(wf_train_spec_json(p.arena, p.compiled->train), "\"args\": [\"a.txt\", \"12\"], \"options\": {\"to\": \"0.9\""));
  program_end(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(interfaces), cmocka_unit_test(init_is_whole), cmocka_unit_test(metadata),
                                     cmocka_unit_test(settings), cmocka_unit_test(unknown_setting), cmocka_unit_test(token_source)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
