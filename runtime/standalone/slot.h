// The place in a runtime stub that says where the payload lies. A stub (an executable, and a shared library) is linked when weft
// is built; `weft build` copies it, appends a bundle as one more segment that the loader maps, and fills this record in. So a
// program finds its network in its own memory, with no file to open, and pages that are not used are not read.
#ifndef WEFT_STANDALONE_SLOT_H
#define WEFT_STANDALONE_SLOT_H
#include <stdint.h>

#define WEFT_SLOT_MARK "weft payload slot, version 1\n"   // once in a stub: how weft build finds the record
typedef struct weft_slot {
  char mark[32];
  uint64_t address, size;      // of the bundle; address: relative to where the program is loaded; size 0: nothing was placed
  uint64_t file_bytes;         // of the whole program
} weft_slot;
extern const weft_slot weft_program_slot;

// The names in the shared library's stub that weft build replaces by shorter ones: the function that loads the model, the
// library's own name.
#define WEFT_SLOT_FUNCTION weft_slot_function_______________________________________________
#define WEFT_SLOT_LIBRARY "weft_slot_library________________________________________________"
enum { WEFT_SLOT_NAME_BYTES = 64 };
#endif
