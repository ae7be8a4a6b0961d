// Shared by the tests that compile and run kernels on this machine: from text to a callable entry.
#ifndef WEFT_TESTS_KERNEL_SUPPORT_H
#define WEFT_TESTS_KERNEL_SUPPORT_H
#include "codegen/compile.h"
#include "runtime/load_object.h"
#include "runtime/plan.h"
#include "tests/unit/wir_support.h"

typedef struct built {
  wf_arena *arena;
  wf_diag *diag;
  wf_module *module;
  wf_target *target;
  wf_object *object;
  wf_kernel_entry entry;        // of the first kernel
  wf_compile_kernel kernels[32];
  wf_code code;
  int count;
} built;

static inline void fail_with(wf_diag *diag, const char *text) {
  wf_diag_print(diag, stderr, false);
  fail_msg("%s", text);
}

static inline built parse_kernels(const char *text) {
  ir_test t = ir_test_parse_good(text);
  built b = {.arena = t.arena, .diag = t.diag, .module = t.module};
  for (int i = 0; i < b.module->kernels.count && i < 32; i++)
    b.kernels[b.count++] = (wf_compile_kernel){.kernel = b.module->kernels.items[i], .entry = wf_arena_printf(b.arena, "k%d", i)};
  return b;
}

// The symbols of the entries are those of the first kernel, in its order.
static inline void compile_form(built *b, const char *level, wf_code_form form) {
  const wf_kernel *first = b->module->kernels.items[0];
  if (!b->target) b->target = wf_target_create(b->arena, b->diag, level);
  if (!b->target) fail_with(b->diag, level);
  if (!wf_compile_kernels(b->arena, b->diag, b->target, b->kernels, b->count, (const wf_atom *const *)first->symbols.items,
                          first->symbols.count, form, &b->code))
    fail_with(b->diag, "does not compile");
}

static inline built build_kernels(const char *text, const char *level) {
  built b = parse_kernels(text);
  char message[256];
  compile_form(&b, level, WF_CODE_OBJECT);
  b.object = wf_object_load(b.code.bytes, b.code.size, message, sizeof message);
  if (!b.object) fail_msg("%s", message);
  b.entry = (wf_kernel_entry)wf_object_symbol(b.object, "k0");
  assert_non_null(b.entry);
  return b;
}

static inline void drop(built *b) {
  wf_object_unload(b->object);
  wf_target_destroy(b->target);
  wf_arena_destroy(b->arena);
}
#endif
