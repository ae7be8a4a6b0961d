// Classifies pictures with a network in a shared library of its own: no weft, no bundle and no weights beside it.
//
//   weft train examples/fashion/mlp.net --save mlp.safetensors
//   weft build examples/fashion/mlp.net --weights mlp.safetensors --lib -o libmlp.so      writes libmlp.so and mlp.h
//   cc with_library.c -I. -L. -lmlp -Wl,-rpath,'$ORIGIN' -o with_library
//   ./with_library boot.png shirt.png
#include <stdio.h>
#include <stdlib.h>
#include "mlp.h"

// Prints a failure and gives its exit code; 0 for success.
static int report(weft_status *status) {
  int code = weft_status_code(status);
  if (code) fprintf(stderr, "with_library: %s\n", weft_status_message(status));
  weft_status_free(status);
  return code;
}

static weft_status *classify(weft_model *model, const char *path) {
  weft_tensor picture, scores;
  weft_status *failed = weft_tensor_read(path, 1, &picture);   // grey
  if (failed) return failed;
  failed = weft_model_bind(model, weft_model_input(model, 0, NULL), &picture);
  free(picture.data);
  if (!failed) failed = weft_model_run(model);
  if (!failed) failed = weft_model_result(model, weft_model_output(model, 0, NULL), &scores);
  if (failed) return failed;
  const float *values = scores.data;
  int best = 0;
  for (int i = 1; i < weft_tensor_elements(&scores); i++)
    if (values[i] > values[best]) best = i;
  const char *label = weft_model_label(model, best);
  printf("%s: %s\n", path, label ? label : "?");
  return NULL;
}

int main(int argc, char **argv) {
  weft_model *model;
  int code = report(mlp_load(NULL, &model));   // the one function that this library adds to weft.h
  for (int i = 1; i < argc && code == 0; i++) code = report(classify(model, argv[i]));
  weft_model_destroy(model);
  return code;
}
