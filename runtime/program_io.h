// Bundles (.weft): a program with its machine code and perhaps weights in one file or one piece of memory.
//
// Layout, little-endian: 8 bytes "weft\r\n\x1a\n"; u32 version; u32 number of parts; u64 size of the whole; u64 checksum of all
// that follows; a table of parts (u32 kind, u32 0, 32 bytes target name, u64 offset, u64 size); the parts, each at a
// multiple of 64. The first part is the program. Every count, index and formula in it is checked when it is read.
#ifndef WEFT_RUNTIME_PROGRAM_IO_H
#define WEFT_RUNTIME_PROGRAM_IO_H
#include "runtime/file.h"
#include "runtime/plan.h"

typedef enum weft_part_kind { WEFT_PART_PROGRAM, WEFT_PART_OBJECT, WEFT_PART_PTX, WEFT_PART_CUBIN, WEFT_PART_WEIGHTS } weft_part_kind;

typedef struct weft_part {
  weft_part_kind kind;
  const char *target;      // OBJECT: "x86-64-v3"; PTX, CUBIN: "sm_80"; WEIGHTS: "". At most 31 bytes
  const void *data;        // OBJECT: ELF; PTX: text; WEIGHTS: safetensors
  size_t size;
} weft_part;

// Kernel functions are not written: they are found in an object again by their entry names.
weft_status *weft_bundle_serialize(const wf_program *program, const weft_part *parts, int part_count, weft_bytes *out);
weft_status *weft_bundle_write(const char *path, const wf_program *program, const weft_part *parts, int part_count);

typedef struct weft_bundle {
  wf_program program;      // kernel functions are NULL
  weft_part *parts;        // without the program; data lies in `bytes`
  int part_count;
  weft_bytes bytes;        // owned where read from a file
  struct weft_region *region;
} weft_bundle;

// name: for messages. The memory is borrowed until the bundle is closed.
weft_status *weft_bundle_open_memory(const char *name, const void *data, size_t size, weft_bundle *out);
weft_status *weft_bundle_open(const char *path, weft_bundle *out);
void weft_bundle_close(weft_bundle *bundle);   // also of a zeroed struct

#endif
