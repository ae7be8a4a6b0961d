// What the tests of the IR share: reading text into a module, printing, and comparing.
#ifndef WEFT_TESTS_WIR_SUPPORT_H
#define WEFT_TESTS_WIR_SUPPORT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "ir/kir.h"

typedef struct ir_test { wf_arena *arena; wf_diag *diag; wf_module *module; } ir_test;

static inline ir_test ir_test_empty(void) {
  ir_test t = {.arena = wf_arena_create()};
  t.diag = wf_diag_create(t.arena);
  t.module = wf_module_create(t.arena, t.diag);
  return t;
}

// module is NULL where the text is wrong.
static inline ir_test ir_test_parse(const char *text) {
  ir_test t = {.arena = wf_arena_create()};
  t.diag = wf_diag_create(t.arena);
  t.module = wf_parse_module(t.arena, t.diag, wf_source_from_text(t.arena, "test.wir", text));
  return t;
}

static inline ir_test ir_test_parse_good(const char *text) {
  ir_test t = ir_test_parse(text);
  if (!t.module) wf_diag_print(t.diag, stderr, false);
  assert_non_null(t.module);
  return t;
}

static inline void ir_test_end(ir_test *t) { wf_arena_destroy(t->arena); }

static inline bool ir_test_diag_holds(const ir_test *t, const char *part) {
  for (int i = 0; i < t->diag->list.count; i++)
    if (strstr(t->diag->list.items[i]->message, part)) return true;
  wf_diag_print(t->diag, stderr, false);
  return false;
}

static inline char *ir_test_print(const ir_test *t) {
  wf_text text;
  wf_text_init(&text);
  wf_print_module(&text, t->module);
  char *copy = wf_arena_strndup(t->arena, text.data ? text.data : "", text.length);
  wf_text_deinit(&text);
  return copy;
}

static inline const char *ir_test_expr_text(ir_test *t, const wf_expr *expr) {
  wf_text text;
  wf_text_init(&text);
  wf_print_expr(&text, expr);
  char *copy = wf_arena_strndup(t->arena, text.data, text.length);
  wf_text_deinit(&text);
  return copy;
}
#endif
