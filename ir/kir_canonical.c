// Canonical text: names replaced by their order, costs and places dropped, facts of symbols written out. Equal text is
// equal machine code, for the kernel cache and for layers of the same shape that meet in one kernel.
#include "ir/print_internal.h"

typedef struct renamer { wf_printer *printer; int buffers; } renamer;

static void rename_buffer(renamer *r, const wf_value *value) {
  const char *name = wf_arena_printf(r->printer->arena, "b%d", r->buffers++);
  wf_map_set(&r->printer->renamed, value->name, (void *)name);
}

static void rename_block(renamer *r, const wf_block *block) {
  for (int i = 0; i < block->list.count; i++) {
    const wf_stmt *stmt = block->list.items[i];
    if (stmt->kind == WF_STMT_ALLOC) rename_buffer(r, stmt->buffer);
    rename_block(r, &stmt->body);
  }
}

static void print_facts(wf_text *out, const wf_kernel *kernel) {
  for (int i = 0; i < kernel->symbols.count; i++) {
    const wf_atom *symbol = kernel->symbols.items[i];
    wf_text_printf(out, "sym s%d in [%lld, %lld] %% %lld\n", i, (long long)symbol->low, (long long)symbol->high, (long long)symbol->divisor);
  }
}

const char *wf_kernel_canonical(wf_arena *arena, const wf_kernel *kernel) {
  wf_text text;
  wf_text_init(&text);
  print_facts(&text, kernel);
  wf_printer printer;
  wf_printer_init(&printer, &text);
  printer.canonical = true;
  wf_map_init(&printer.renamed, printer.arena);
  renamer r = {.printer = &printer};
  for (int i = 0; i < kernel->params.count; i++) rename_buffer(&r, kernel->params.items[i]);
  for (int i = 0; i < kernel->sections.count; i++) rename_block(&r, kernel->sections.items[i]);
  wf_print_kernel_with(&printer, kernel);
  char *copy = wf_arena_strndup(arena, text.data, text.length);
  wf_printer_deinit(&printer);
  wf_text_deinit(&text);
  return copy;
}
