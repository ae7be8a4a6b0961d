// Loads the relocatable x86-64 ELF objects that weft compiles: no linker, no LLVM. The object may call memcpy, memmove and
// memset of the process and nothing else. Every offset in it is checked: a damaged object is a message, never a crash
// (though damaged machine code cannot be told: keep a checksum beside the bytes).
#ifndef WEFT_RUNTIME_LOAD_OBJECT_H
#define WEFT_RUNTIME_LOAD_OBJECT_H
#include <stdbool.h>
#include <stddef.h>
#include "runtime/plan.h"

typedef struct wf_object wf_object;

// A set of objects is one run of bytes too: "WEFTOBJS", the count, each size (u64, little endian), then the objects, each at a
// multiple of 16 from the start. One object alone stays as it is.
size_t wf_object_set_size(const size_t *sizes, int count);
void wf_object_set_write(const void *const *parts, const size_t *sizes, int count, void *out);

// Loads an object or a set. Copies what it needs from bytes. NULL with a message (always ended by a 0) where the object is damaged, is for another
// machine, needs a foreign symbol, or memory runs out.
wf_object *wf_object_load(const void *bytes, size_t size, char *message, size_t message_size);
// The address of a global function, NULL where there is none of that name. Lives as long as the object.
void *wf_object_symbol(const wf_object *object, const char *name);
// Points every kernel of the program at its entry in the object. False with a message where one is missing.
bool wf_object_bind(const wf_object *object, wf_program *program, char *message, size_t message_size);
void wf_object_unload(wf_object *object);   // NULL is fine
#endif
