// Diagnostics as the user sees them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "ir/diag.h"

typedef struct fixture { wf_arena *arena; wf_diag *diag; } fixture;

static int setup(void **state) {
  wf_arena *arena = wf_arena_create();
  fixture *f = WF_NEW(arena, fixture);
  *f = (fixture){arena, wf_diag_create(arena)};
  *state = f;
  return 0;
}

static int teardown(void **state) {
  wf_arena_destroy(((fixture *)*state)->arena);
  return 0;
}

static void expect(fixture *f, const char *expected) {
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  wf_diag_print(f->diag, stream, false);
  fclose(stream);
  assert_string_equal(text, expected);
  free(text);
}

static wf_loc span(const wf_source *source, int line, int column, int end_column) {
  return (wf_loc){source, line, column, line, end_column};
}

static void test_error_with_notes(void **state) {
  fixture *f = *state;
  const wf_source *s = wf_source_from_text(f->arena, "cnn.net", "op f(x) {\n    param w\n    return x |> liner(w)\n}\n");
  wf_diagnostic *d = wf_error(f->diag, span(s, 3, 17, 22), "`%s` is unknown", "liner");
  wf_note(f->diag, d, span(s, 2, 11, 12), "`w` is made here");
  wf_help(f->diag, d, "did you mean `linear`?");
  expect(f,
         "cnn.net:3:17: error: `liner` is unknown\n"
         "    3 |     return x |> liner(w)\n"
         "      |                 ^~~~~\n"
         "cnn.net:2:11: note: `w` is made here\n"
         "    2 |     param w\n"
         "      |           ^\n"
         "help: did you mean `linear`?\n");
  assert_int_equal(f->diag->errors, 1);
}

static void test_source_order_and_counts(void **state) {
  fixture *f = *state;
  const wf_source *s = wf_source_from_text(f->arena, "a.net", "one\ntwo\n");
  wf_error(f->diag, span(s, 2, 1, 4), "second");
  wf_warning(f->diag, span(s, 1, 1, 4), "first");
  wf_error(f->diag, WF_NOWHERE, "no place");
  expect(f,
         "a.net:1:1: warning: first\n    1 | one\n      | ^~~\n"
         "a.net:2:1: error: second\n    2 | two\n      | ^~~\n"
         "error: no place\n");
  assert_true(f->diag->errors == 2 && f->diag->warnings == 1);
}

static void test_error_limit(void **state) {
  fixture *f = *state;
  f->diag->error_limit = 2;
  for (int i = 0; i < 5; i++) {
    wf_diagnostic *d = wf_error(f->diag, WF_NOWHERE, "number %d", i);
    assert_non_null(d);
    wf_help(f->diag, d, "help %d", i);
  }
  expect(f, "error: number 0\nhelp: help 0\nerror: number 1\nhelp: help 1\n3 more errors are not shown\n");
  assert_int_equal(f->diag->errors, 5);
}

// Tabs keep their width, a character of several bytes takes one column, a span over lines is underlined to its line's end.
static void test_caret_placement(void **state) {
  fixture *f = *state;
  const wf_source *s = wf_source_from_text(f->arena, "t.net", "\tx = \xc3\xa4 + 1\r\nlast");
  wf_error(f->diag, span(s, 1, 9, 10), "plus");
  wf_error(f->diag, (wf_loc){s, 1, 2, 2, 3}, "long");
  wf_error(f->diag, span(s, 2, 5, 5), "at the end");
  wf_error(f->diag, span(s, 9, 1, 2), "beyond");
  expect(f,
         "t.net:1:2: error: long\n    1 | \tx = \xc3\xa4 + 1\n      | \t^~~~~~~~~\n"
         "t.net:1:9: error: plus\n    1 | \tx = \xc3\xa4 + 1\n      | \t      ^\n"
         "t.net:2:5: error: at the end\n    2 | last\n      |     ^\n"
         "t.net:9:1: error: beyond\n");
}

// A line of a megabyte is shown as a window; control characters do not reach the terminal.
static void test_long_and_dirty_lines(void **state) {
  fixture *f = *state;
  char *line = wf_arena_alloc(f->arena, 1000001);
  memset(line, 'x', 1000000);
  line[500000] = '@';
  line[499999] = '\033';
  const wf_source *s = wf_source_from_text(f->arena, "long.net", line);
  wf_error(f->diag, span(s, 1, 500001, 500002), "here");
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  wf_diag_print(f->diag, stream, false);
  fclose(stream);
  assert_true(size < 600 && strstr(text, "?@x") && !strchr(text, '\033'));
  char *shown = strchr(text, '\n') + 1, *under = strchr(shown, '\n') + 1;
  assert_int_equal(strchr(shown, '@') - shown, strchr(under, '^') - under);
  free(text);
}

static void test_colour(void **state) {
  fixture *f = *state;
  wf_error(f->diag, WF_NOWHERE, "x");
  char *text = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&text, &size);
  wf_diag_print(f->diag, stream, true);
  fclose(stream);
  assert_non_null(strstr(text, "\033[1;31merror:"));
  free(text);
}

static void test_did_you_mean(void **state) {
  const char *names[] = {"linear", "relu", "softmax", "log_softmax", "conv2d", "x"};
  assert_string_equal(wf_did_you_mean("liner", names, 6), "linear");
  assert_string_equal(wf_did_you_mean("rleu", names, 6), "relu");       // one transposition
  assert_string_equal(wf_did_you_mean("sofmtax", names, 6), "softmax");
  assert_string_equal(wf_did_you_mean("conv2", names, 6), "conv2d");
  assert_null(wf_did_you_mean("attention", names, 6));
  assert_null(wf_did_you_mean("y", names, 6));
  assert_null(wf_did_you_mean("", names, 6));
  assert_null(wf_did_you_mean("linear", names, 0));
  char giant[5000];
  memset(giant, 'a', sizeof giant - 1);
  giant[sizeof giant - 1] = 0;
  assert_null(wf_did_you_mean(giant, names, 6));
}

static void test_reading_sources(void **state) {
  fixture *f = *state;
  char path[] = "/tmp/weft-test-XXXXXX";
  int file = mkstemp(path);
  assert_true(file >= 0 && write(file, "hello\nworld", 11) == 11);
  close(file);
  const wf_source *s = wf_source_read(f->arena, f->diag, path, 100);
  assert_non_null(s);
  assert_int_equal(s->size, 11);
  assert_string_equal(s->text, "hello\nworld");
  assert_non_null(wf_source_read(f->arena, f->diag, path, 11));
  assert_int_equal(f->diag->errors, 0);
  assert_null(wf_source_read(f->arena, f->diag, path, 10));
  unlink(path);
  assert_null(wf_source_read(f->arena, f->diag, path, 100));
  assert_null(wf_source_read(f->arena, f->diag, "/", 100));
  assert_int_equal(f->diag->errors, 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_error_with_notes, setup, teardown),
    cmocka_unit_test_setup_teardown(test_source_order_and_counts, setup, teardown),
    cmocka_unit_test_setup_teardown(test_error_limit, setup, teardown),
    cmocka_unit_test_setup_teardown(test_caret_placement, setup, teardown),
    cmocka_unit_test_setup_teardown(test_long_and_dirty_lines, setup, teardown),
    cmocka_unit_test_setup_teardown(test_colour, setup, teardown),
    cmocka_unit_test(test_did_you_mean),
    cmocka_unit_test_setup_teardown(test_reading_sources, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
