// A cache of compiled kernels on disk, shared by all programs: one file a kernel, named by its key. The key covers the canonical
// text of the kernel, the places of its symbols, and target, LLVM, options and version of the code generator.
// Whatever is wrong with an entry, it is a miss; what cannot be stored is compiled again next time.
#ifndef WEFT_CODEGEN_KERNEL_CACHE_H
#define WEFT_CODEGEN_KERNEL_CACHE_H
#include "codegen/program_cache.h"

wf_cache_key wf_kernel_cache_key(wf_arena *arena, const wf_target *target, const wf_compile_kernel *kernel, const wf_atom *const *symbols,
                                 int symbol_count);
// The entry's symbol: the same in every program that shares the code.
const char *wf_kernel_cache_entry(wf_arena *arena, wf_cache_key key);
// Fills code, tasks and scratch_bytes. False where there is no entry, or a damaged one.
bool wf_kernel_cache_load(wf_arena *arena, const char *folder, wf_cache_key key, const wf_atom *const *symbols, int symbol_count,
                          wf_compile_kernel *kernel, wf_code *out);
void wf_kernel_cache_store(wf_arena *arena, const char *folder, wf_cache_key key, const wf_atom *const *symbols, int symbol_count,
                           const wf_compile_kernel *kernel, const wf_code *code);
// Keeps the entries that were used last, up to `limit` bytes together.
void wf_kernel_cache_sweep(wf_arena *arena, const char *folder, int64_t limit);
#endif
