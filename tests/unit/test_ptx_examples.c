// Every kernel of every example (forward, backward, optimizer), for every GPU architecture, through ptxas: none may spill, use a
// stack or local memory, or draw one of its advisories. Skipped where no ptxas is found.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "codegen/ptxas.h"
#include "codegen/target_nvptx.h"

enum { LINE = 4096 };

// "entry registers shared stack spilled threads kernel": told where something is wrong; the number of kernels.
static int check_line(const char *what, const char *line) {
  char entry[256], name[1024];
  int registers, shared, stack, spilled, threads;
  if (strstr(line, "(C7") || strstr(line, "warning") || strstr(line, "error")) fail_msg("%s: %s", what, line);
  if (sscanf(line, "%255s %d %d %d %d %d %1023s", entry, &registers, &shared, &stack, &spilled, &threads, name) != 7) return 0;
  if (stack || spilled) fail_msg("%s: kernel %s (%s) has a stack of %d bytes and spills %d", what, entry, name, stack, spilled);
  assert_true(registers > 0 && registers <= 255 && threads >= 32);
  return 1;
}

static void check_example(wf_arena *arena, const char *path, const char *level) {
  const char *what = wf_arena_printf(arena, "%s for %s", path, level);
  const char *command = wf_arena_printf(arena, "'%s' compile '%s' --emit cubin --target cuda:%s --verbose -o test_ptx_examples.cubin 2>&1", WEFT_BINARY, path, level);
  FILE *pipe = popen(command, "r");
  char line[LINE];
  int kernels = 0;
  assert_non_null(pipe);
  while (fgets(line, sizeof line, pipe)) kernels += check_line(what, line);
  if (pclose(pipe)) fail_msg("%s does not compile", what);
  if (!kernels) fail_msg("%s: no kernels were told", what);
}

static void test_examples(void **state) {
  wf_arena *arena = wf_arena_create();
  glob_t files;
  if (!wf_ptxas_find(arena)) {
    wf_arena_destroy(arena);
    print_message("skipped: no ptxas is found\n");
    skip();
  }
  assert_int_equal(glob(WEFT_SOURCE_DIR "/examples/*/*.net", 0, NULL, &files), 0);
  for (size_t i = 0; i < files.gl_pathc; i++)
    for (int k = 0; wf_gpu_levels[k]; k++) check_example(arena, files.gl_pathv[i], wf_gpu_levels[k]);
  globfree(&files);
  wf_arena_destroy(arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_examples)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
