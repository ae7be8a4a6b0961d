// Classifies pictures with a bundle that weft compiled, through weft.h alone:
//
//   weft train   examples/fashion/mlp.net --save mlp.safetensors
//   weft compile examples/fashion/mlp.net -o mlp.weft --weights mlp.safetensors
//   example_classify mlp.weft boot.png shirt.png
//
// Needs the runtime library and nothing of the compiler; the bundle holds the code and the weights.
#include <stdio.h>
#include <stdlib.h>
#include <weft.h>

// Prints a failure and gives its exit code; 0 for success.
static int report(weft_status *status) {
  int code = weft_status_code(status);
  if (code) fprintf(stderr, "classify: %s\n", weft_status_message(status));
  weft_status_free(status);
  return code;
}

static void print_best(const weft_model *model, const char *path, const weft_tensor *scores) {
  const float *values = scores->data;
  int best = 0;
  for (int i = 1; i < weft_tensor_elements(scores); i++)
    if (values[i] > values[best]) best = i;
  const char *label = weft_model_label(model, best);
  if (label) printf("%s: %s\n", path, label);
  else printf("%s: class %d\n", path, best);
}

// One picture through the net; the first input and the first result are the ones that matter.
static weft_status *classify(weft_model *model, const char *path) {
  weft_tensor picture, scores;
  weft_status *failed = weft_tensor_read(path, 1, &picture);   // grey
  if (failed) return failed;
  failed = weft_model_bind(model, weft_model_input(model, 0, NULL), &picture);
  free(picture.data);
  if (!failed) failed = weft_model_run(model);
  if (!failed) failed = weft_model_result(model, weft_model_output(model, 0, NULL), &scores);
  if (!failed) print_best(model, path, &scores);
  return failed;
}

int main(int argc, char **argv) {
  weft_model *model;
  if (argc < 3) {
    fprintf(stderr, "usage: classify BUNDLE.weft PICTURE...\n");
    return 2;
  }
  int code = report(weft_model_load(argv[1], NULL, &model));
  for (int i = 2; i < argc && code == 0; i++) code = report(classify(model, argv[i]));
  if (model) weft_model_destroy(model);
  return code;
}
