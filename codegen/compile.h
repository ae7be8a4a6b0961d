// Kernels to code: LLVM IR, a light pass pipeline, and for the host an object, assembly or LLVM text, for a GPU PTX (whatever the
// form, but for LLVM text). No JIT: objects are loaded by runtime/load_object.h, here as in standalone programs; PTX by the driver.
#ifndef WEFT_CODEGEN_COMPILE_H
#define WEFT_CODEGEN_COMPILE_H
#include "codegen/target.h"
#include "ir/kir.h"

// No run-time extent of a program for a GPU is larger (a fact of the program), so that most index arithmetic fits 32 bits.
enum { WF_GPU_EXTENT_LIMIT = 1 << 18 };

typedef enum wf_code_form {
  WF_CODE_OBJECT,               // for runtime/load_object.h: of a large program a set, compiled in parallel
  WF_CODE_ASSEMBLY, WF_CODE_LLVM,
  WF_CODE_LLVM_RAW,             // before any pass
  WF_CODE_ELF                   // one object, for other tools
} wf_code_form;

typedef struct wf_compile_kernel {
  const wf_kernel *kernel;
  const char *entry;            // symbol of its entry function
  const bool *distinct;         // by parameter: no other parameter of any launch shares its storage; NULL: unknown
  const wf_dim *tasks, *scratch_bytes;   // out: formulas of a launch
} wf_compile_kernel;

// CPU seconds of all threads together; whole: of the calling thread's clock from first to last. reused: kernels from the cache.
typedef struct wf_compile_times { double emit, verify, passes, machine, whole; int kernels, reused; } wf_compile_times;

typedef struct wf_code { char *bytes; size_t size; } wf_code;   // bytes end with a 0 that size does not count; in the arena

// One unit of code that holds all kernels. symbols: the order of the symbols argument of the entries (the program's). False with an
// error in diag. Compiles in the calling thread; one target serves one thread.
bool wf_compile_kernels(wf_arena *arena, wf_diag *diag, const wf_target *target, wf_compile_kernel *kernels, int count,
                        const wf_atom *const *symbols, int symbol_count, wf_code_form form, wf_code *out);

typedef struct wf_compile_options {
  int threads;                  // 0: one a CPU
  const char *cache;            // the folder of a kernel cache (codegen/kernel_cache.h), NULL: none. The kernels get its entries' names
  wf_compile_times *times;      // grows by what it took; may be NULL
} wf_compile_options;

// The same for any number of kernels; the object is a set where there are many, PTX is one text. The bytes do not depend on the
// number of threads, nor on what the cache holds.
bool wf_compile_program(wf_arena *arena, wf_diag *diag, const wf_target *target, wf_compile_kernel *kernels, int count,
                        const wf_atom *const *symbols, int symbol_count, const wf_compile_options *options, wf_code *out);

// Equal keys: the same machine code serves both kernels. Covers structure, the places of the symbols and what is known of them,
// and distinct parameters.
const char *wf_compile_key(wf_arena *arena, const wf_compile_kernel *kernel, const wf_atom *const *symbols, int symbol_count);
// What a cache of objects must add to its keys: target, LLVM's and the code generator's version.
const char *wf_compile_version(wf_arena *arena, const wf_target *target);
#endif
