// What decides whether two kernels share their machine code.
#include "codegen/compile.h"

const char *wf_compile_key(wf_arena *arena, const wf_compile_kernel *kernel, const wf_atom *const *symbols, int symbol_count) {
  wf_text text;
  wf_text_init(&text);
  wf_text_add(&text, wf_kernel_canonical(arena, kernel->kernel));
  for (int k = 0; k < kernel->kernel->symbols.count; k++)
    for (int i = 0; i < symbol_count; i++)
      if (symbols[i] == kernel->kernel->symbols.items[k])
        wf_text_printf(&text, "\nsymbol %d %lld %lld %lld", i, (long long)symbols[i]->low, (long long)symbols[i]->high, (long long)symbols[i]->divisor);
  wf_text_add(&text, "\ndistinct ");
  for (int i = 0; kernel->distinct && i < kernel->kernel->params.count; i++) wf_text_add(&text, kernel->distinct[i] ? "1" : "0");
  const char *key = wf_arena_strdup(arena, text.data);
  wf_text_deinit(&text);
  return key;
}
