// Every example at reduced size as thread programs: init, training step, evaluation and inference against the reference.
#include <stdlib.h>
#include "tests/unit/gpu_program_support.h"

static const wf_source *example(wf_arena *arena, wf_diag *diag, const char *name) {
  return wf_source_read(arena, diag, wf_arena_printf(arena, "%s/examples/%s", WEFT_SOURCE_DIR, name), 1 << 20);
}

#define CHECK(file, sets, ...)                                                                                          \
  do {                                                                                                                  \
    static const gpu_symbol symbols[] = {__VA_ARGS__};                                                                  \
    assert_true(gpu_check(example, file, GPU_PASSES("sm_80"), sets, (int)(sizeof sets / sizeof *sets), symbols,         \
                          (int)(sizeof symbols / sizeof *symbols)) > 0);                                                \
  } while (0)

static void mlp(void **state) {
  static const wf_setting sets[] = {{"batch", "3"}, {"hidden", "24"}};
  CHECK("fashion/mlp.net", sets, {"n", 2});
}

static void cnn(void **state) {
  static const wf_setting sets[] = {{"batch", "2"}, {"hidden", "12"}};
  CHECK("fashion/cnn.net", sets, {"n", 1});
}

static void residual_network(void **state) {
  static const wf_setting sets[] = {{"batch", "2"}, {"width", "2"}};
  CHECK("fashion/resnet.net", sets, {"n", 1});
}

static void transformer(void **state) {
  static const wf_setting sets[] = {{"batch", "2"}, {"width", "16"}, {"layers", "1"}, {"heads", "2"}, {"context", "128"}, {"vocab", "128"}};
  CHECK("text/gpt.net", sets, {"n", 1}, {"t", 7});
}

// ---- the library: a net of one layer between others, trained for a step --------------------------------------------

typedef struct layer_case { const char *inputs, *body, *result, *loss, *optimizer; } layer_case;

static const layer_case layers[] = {
    {"x: f32[n, 3, 12, 10]", "x |> conv2d(6, 3, stride=2, padding=1) as a |> batch_norm as b |> relu |> max_pool2d(2) |> flatten |> linear(4) as c", "f32[n, 4]", "cross_entropy", "sgd(lr=0.1, momentum=0.9, nesterov=true)"},
    {"x: f32[n, 4, 9, 9]", "x |> conv2d(8, 3, padding=2, dilation=2, groups=2) as a |> silu |> avg_pool2d(3, stride=2, padding=1) |> flatten |> linear(3) as c", "f32[n, 3]", "mse", "adam(lr=0.01)"},
    {"x: f32[n, 4, 20]", "x |> conv1d(6, 5, stride=3, padding=2) as a |> gelu |> max_pool1d(3, stride=2, padding=1) |> flatten |> linear(3) as c", "f32[n, 3]", "l1", "rmsprop(momentum=0.5, centered=true)"},
    {"x: f32[n, 2, 5, 6, 4]", "x |> conv3d(3, 3, padding=1) as a |> leaky_relu |> max_pool3d(2) |> flatten |> linear(3) as c", "f32[n, 3]", "huber(delta=0.5)", "lamb(lr=0.01)"},
    {"x: f32[n, 3, 5, 4]", "x |> conv_transpose2d(4, 3, stride=2, padding=1, extra=1) as a |> group_norm(2) as g |> elu |> global_avg_pool |> flatten |> linear(3) as c", "f32[n, 3]", "smooth_l1", "adamw(lr=0.01)"},
    {"x: f32[n, 40]", "x |> linear(37) as a |> layer_norm as l |> gelu_tanh |> dropout(0.5) |> linear(5) as c", "f32[n, 5]", "cross_entropy(smoothing=0.1)", "adamw(lr=one_cycle(0.1))"},
    {"x: f32[n, 13]", "x |> linear(600) as a |> rms_norm as l |> tanh |> softmax |> linear(3) as c", "f32[n, 3]", "mse", "sgd(lr=step_decay(0.1, 5))"},
    {"x: f32[n, 5]", "x |> linear(2500) as a |> log_softmax |> linear(3) as c |> sigmoid", "f32[n, 3]", "dice", "sgd(lr=0.1, weight_decay=0.01)"},
    {"x: f32[n, 9, 8]", "x |> multi_head_attention(4, kv_heads=2, causal=true) as a |> mish |> flatten |> linear(3) as c", "f32[n, 3]", "bce_with_logits(positive=2)", "adam(lr=linear_warmup(0.01, 10))"},
    {"x: f32[n, 7, 3]", "lstm(x, 5) as r", "f32[n, 7, 5]", "mse", "sgd(lr=0.1)"},
    {"x: f32[n, 6, 3]", "gru(x, 4) as r", "f32[n, 6, 4]", "mse", "sgd(lr=0.1)"},
    {"ids: i64[n, 6]", "embedding(ids, 11, 5) as e |> flatten |> linear(3) as c", "f32[n, 3]", "cross_entropy", "adamw(lr=0.01)"},
};

static const char *layer_text(wf_arena *arena, const layer_case *c) {
  bool several = strstr(c->body, "lstm(") || strstr(c->body, "gru(");
  const char *body = !several ? wf_arena_printf(arena, "    return %s\n", c->body)
                     : strstr(c->body, "gru(") ? wf_arena_printf(arena, "    y, last = %s\n    return y\n", c->body)
                                               : wf_arena_printf(arena, "    y, last, memory = %s\n    return y\n", c->body);
  return wf_arena_printf(arena, "net N(%s) -> %s {\n%s}\ntrain N {\n    data npz(\"data.npz\")\n    loss %s\n    clip clip_norm(1.0)\n"
                         "    optimizer %s\n    batch 4 epochs 1\n}\n", c->inputs, c->result, body, c->loss, c->optimizer);
}

static const wf_source *layer(wf_arena *arena, wf_diag *diag, const char *number) {
  return wf_source_from_text(arena, "layer.net", layer_text(arena, &layers[atoi(number)]));
}

static void check_layers(const char *passes) {
  static const gpu_symbol symbols[] = {{"n", 3}};
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    char number[16];
    snprintf(number, sizeof number, "%zu", i);
    print_message("%s\n", layers[i].body);
    assert_true(gpu_check(layer, number, passes, NULL, 0, symbols, 1) > 0);
  }
}

static void library_fused(void **state) { check_layers(GPU_PASSES("sm_80")); }
static void library_by_operations(void **state) { check_layers(GPU_LOWERED ",simplify,cse,dce,tile{target=sm_90a}"); }

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(mlp), cmocka_unit_test(cnn), cmocka_unit_test(residual_network), cmocka_unit_test(transformer),
      cmocka_unit_test(library_fused), cmocka_unit_test(library_by_operations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
