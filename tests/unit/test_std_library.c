// The embedded library parses, defines each name once, and docs/library.md names all of it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include "frontend/frontend.h"

static const wf_ast_file *parse(wf_arena *arena, const struct weft_embedded *file) {
  wf_diag *diag = wf_diag_create(arena);
  const char *text = wf_arena_strndup(arena, file->text, file->size);
  const wf_ast_file *ast = wf_parse_net(arena, diag, wf_source_from_text(arena, file->name, text));
  wf_diag_print(diag, stderr, false);
  assert_int_equal(diag->errors, 0);
  return ast;
}

// `name` as a whole word of the text.
static bool mentions(const char *text, const char *name) {
  size_t length = strlen(name);
  for (const char *at = strstr(text, name); at; at = strstr(at + 1, name)) {
    bool starts = at == text || !(isalnum((unsigned char)at[-1]) || at[-1] == '_');
    bool ends = !(isalnum((unsigned char)at[length]) || at[length] == '_');
    if (starts && ends) return true;
  }
  return false;
}

static void documented_once(void **state) {
  wf_arena *arena = wf_arena_create();
  wf_diag *diag = wf_diag_create(arena);
  const wf_source *docs = wf_source_read(arena, diag, WEFT_SOURCE_DIR "/docs/library.md", 1 << 20);
  assert_non_null(docs);
  wf_map seen;
  wf_map_init(&seen, arena);
  int files = 0;
  for (const struct weft_embedded *file = weft_std_library; file->name; file++, files++) {
    const wf_ast_file *ast = parse(arena, file);
    for (int i = 0; i < ast->decls.count; i++) {
      const char *name = ast->decls.items[i]->name;
      if (wf_map_get(&seen, name)) fail_msg("%s: '%s' is defined in %s already", file->name, name, (char *)wf_map_get(&seen, name));
      wf_map_set(&seen, name, (void *)file->name);
      if (!mentions(docs->text, name)) fail_msg("docs/library.md does not name '%s' of %s", name, file->name);
    }
  }
  assert_true(files >= 10);
  assert_true(seen.count >= 70);
  wf_arena_destroy(arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(documented_once)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
