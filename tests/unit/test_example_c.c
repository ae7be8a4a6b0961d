// examples/c/classify.c on a bundle that the weft command made: the C interface end to end.
#include "rt_support.h"

#include <libgen.h>
#include <png.h>
#include <sys/wait.h>
#include "runtime/safetensors.h"

static scratch s;

// Runs a shell command; gives its exit code and what it printed.
static int run(char *output, size_t size, const char *command) {
  FILE *pipe = popen(command, "r");
  assert_non_null(pipe);
  output[fread(output, 1, size - 1, pipe)] = 0;
  return WEXITSTATUS(pclose(pipe));
}

static const char *write_grey(const char *name, uint8_t left, uint8_t right) {
  const char *path = scratch_path(&s, name);
  png_image image = {.version = PNG_IMAGE_VERSION, .width = 2, .height = 2, .format = PNG_FORMAT_GRAY};
  assert_true(png_image_write_to_file(&image, path, 0, (uint8_t[]){left, right, left, right}, 0, NULL));
  return path;
}

static void test_the_c_example_classifies(void **state) {
  scratch_begin(&s);
  static const char net[] = "net Side(x: f32[n, 1, 2, 2]) -> f32[n, 2] {\n    labels [\"left\", \"right\"]\n    return x |> flatten |> linear(2, bias=false) as fc\n}\n";
  float weight[8] = {1, 0, 1, 0, 0, 1, 0, 1};   // left and right column
  char command[1024], output[1024], binary[512] = WEFT_BINARY;
  const char *folder = dirname(binary), *path = scratch_write(&s, "side.net", net, sizeof net - 1);
  assert_ok(weft_safetensors_write(scratch_path(&s, "w.safetensors"), (weft_named_tensor[]){{"fc.weight", {WEFT_F32, 2, {2, 4}, weight}}}, 1, NULL));
  snprintf(command, sizeof command, "%s compile %s -o %s/m.weft --weights %s/w.safetensors 2>&1", WEFT_BINARY, path, s.folder, s.folder);
  if (run(output, sizeof output, command)) fail_msg("%s", output);
  write_grey("a.png", 200, 20);
  write_grey("b.png", 20, 200);
  snprintf(command, sizeof command, "cd %s && %s/example_classify m.weft a.png b.png 2>&1", s.folder, folder);
  assert_int_equal(run(output, sizeof output, command), 0);
  assert_string_equal(output, "a.png: left\nb.png: right\n");
  snprintf(command, sizeof command, "cd %s && %s/example_classify m.weft c.png 2>&1", s.folder, folder);
  assert_int_equal(run(output, sizeof output, command), WEFT_ENVIRONMENT);
  assert_string_equal(output, "classify: cannot open c.png: No such file or directory\n");
  snprintf(command, sizeof command, "cd %s && %s/example_classify a.png a.png 2>&1", s.folder, folder);
  assert_int_equal(run(output, sizeof output, command), WEFT_BAD_INPUT);
  assert_non_null(strstr(output, "not a weft bundle"));
  scratch_end(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_c_example_classifies)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
