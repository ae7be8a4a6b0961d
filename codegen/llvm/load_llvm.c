#include "codegen/llvm/load_llvm.h"
#include <stddef.h>

#ifdef WEFT_STATIC_LLVM
bool wf_llvm_load(const char **out_message) {
  *out_message = NULL;
  return true;
}
const char *wf_llvm_file(void) { return ""; }

#else
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

// The one state of the process that is not in a context: which code the stubs jump to, like the linker's own table.
extern void *wf_llvm_slots[] __attribute__((visibility("hidden")));
extern const char wf_llvm_names[] __attribute__((visibility("hidden")));   // one after the other, in the order of the slots
void wf_llvm_resolve(void) __attribute__((visibility("hidden")));
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool loaded;
static char problem[512];

// Each slot changes only once everything is found: a stub jumps into LLVM or comes here.
static void load(void) {
  void *library = dlopen(WEFT_LLVM_SONAME, RTLD_LAZY | RTLD_LOCAL);
  if (!library) library = dlopen(WEFT_LLVM_FILE, RTLD_LAZY | RTLD_LOCAL);
  if (!library) {
    snprintf(problem, sizeof problem, "LLVM does not load (%s); compiling needs it: apt-get install libllvm22", dlerror());
    return;
  }
  for (const char *name = wf_llvm_names; *name; name += strlen(name) + 1)
    if (!dlsym(library, name)) {
      snprintf(problem, sizeof problem, "%s has no %s: it is not the LLVM that weft was built for", WEFT_LLVM_SONAME, name);
      return;
    }
  size_t i = 0;
  for (const char *name = wf_llvm_names; *name; name += strlen(name) + 1) wf_llvm_slots[i++] = dlsym(library, name);
  loaded = true;
}

bool wf_llvm_load(const char **out_message) {
  pthread_once(&once, load);
  *out_message = loaded ? NULL : problem;
  return loaded;
}

const char *wf_llvm_file(void) { return WEFT_LLVM_FILE; }

// From a stub. Targets ask wf_llvm_load before they call LLVM, so a missing library was told long before.
void wf_llvm_resolve(void) {
  const char *message;
  if (wf_llvm_load(&message)) return;
  fprintf(stderr, "%s\n", message);
  __builtin_trap();
}
#endif
