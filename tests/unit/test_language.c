// The examples of docs/language.md: each indented block that starts with `// run: NUMBERS` is compiled and run, and its first
// result must be those numbers; one that starts with `// check:` is compiled.
#include <stdlib.h>
#include "lower_support.h"

typedef struct example { wf_text text; double expected[64]; int count, line; } example;

static size_t indentation(const char *line) {
  size_t count = 0;
  while (line[count] == ' ') count++;
  return count;
}

static int read_numbers(const char *text, double *out) {
  int count = 0;
  for (char *end; count < 64; text = end) {
    out[count] = strtod(text, &end);
    if (end == text) return count;
    count++;
  }
  return count;
}

static char starts_example(const char *line) {
  return !strncmp(line, "// run:", 7) ? 'r' : !strncmp(line, "// check:", 9) ? 'c' : 0;
}

// Reads the block whose first line is at *at; moves behind it.
static void read_example(const char **at, int *line, example *out) {
  size_t indent = indentation(*at);
  bool runs = starts_example(*at + indent) == 'r';
  *out = (example){.line = *line};
  out->count = runs ? read_numbers(*at + indent + strlen("// run:"), out->expected) : -1;
  wf_text_init(&out->text);
  for (bool first = true; **at && (**at == '\n' || indentation(*at) >= indent); first = false) {
    if (!first && starts_example(*at + indentation(*at))) return;
    size_t length = strcspn(*at, "\n");
    if (**at != '\n') wf_text_add_n(&out->text, *at + indent, length - indent);
    wf_text_add(&out->text, "\n");
    *at += length + ((*at)[length] == '\n');
    ++*line;
  }
}

static void examples_run(void **state) {
  wf_arena *arena = wf_arena_create();
  wf_source *page = wf_source_read(arena, wf_diag_create(arena), WEFT_SOURCE_DIR "/docs/language.md", 1 << 20);
  assert_non_null(page);
  int found = 0, line = 1;
  for (const char *at = page->text; *at;) {
    size_t indent = indentation(at), length = strcspn(at, "\n");
    if (indent >= 4 && starts_example(at + indent)) {
      example e;
      read_example(&at, &line, &e);
      print_message("docs/language.md:%d\n", e.line);
      if (e.count >= 0) check_row(e.text.data, e.expected, e.count, (symbol_values){0});
      else wf_arena_destroy(compile(e.text.data).arena);
      wf_text_deinit(&e.text);
      found++;
      continue;
    }
    at += length + (at[length] == '\n');
    line++;
  }
  assert_true(found >= 17);
  wf_arena_destroy(arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(examples_run)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
