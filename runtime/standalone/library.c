// What a library of `weft build --lib` adds to the functions of weft.h: the one that loads its own network. Its name here is a
// place that weft build fills.
#include <dlfcn.h>
#include <stdio.h>
#include "runtime/include/weft.h"
#include "runtime/standalone/payload.h"
#include "runtime/standalone/slot.h"

// The archives of png, jpeg and jansson are not made for shared libraries: they take the addresses of the standard streams in a
// way that only programs can. Linked with --wrap, they find these copies, which are set once when the library is loaded.
extern FILE *__real_stdin, *__real_stdout, *__real_stderr;
__attribute__((visibility("hidden"))) FILE *__wrap_stdin, *__wrap_stdout, *__wrap_stderr;

__attribute__((constructor)) static void copy_streams(void) {
  __wrap_stdin = __real_stdin;
  __wrap_stdout = __real_stdout;
  __wrap_stderr = __real_stderr;
}

weft_status *WEFT_SLOT_FUNCTION(const weft_model_options *options, weft_model **out);

weft_status *WEFT_SLOT_FUNCTION(const weft_model_options *options, weft_model **out) {
  Dl_info self;
  const void *data;
  size_t size;
  const char *path = dladdr(&weft_program_slot, &self) ? self.dli_fname : NULL;
  *out = NULL;
  TRY(weft_payload(path, &data, &size));
  return weft_model_load_memory(path ? path : "library", data, size, options, out);
}
