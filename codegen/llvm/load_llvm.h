// LLVM's shared library is no dependency of the executable: what comes from a cache or a bundle starts without it, and mapping
// it costs 20 ms and 59 MB. The stubs that cmake/llvm_stubs.cmake makes load it at the first call of any LLVM function.
#ifndef WEFT_CODEGEN_LOAD_LLVM_H
#define WEFT_CODEGEN_LOAD_LLVM_H
#include <stdbool.h>

// Loads it now, so that its absence can be told. False with what is missing and how to get it (static). True at once where LLVM is
// linked statically. Any thread.
bool wf_llvm_load(const char **out_message);
// The file that will be loaded, as far as the build knew: it stands for LLVM's exact build in cache keys. "" for static LLVM.
const char *wf_llvm_file(void);
#endif
