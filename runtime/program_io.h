// Bundles (.weft): what a network was compiled to, for one target or several, and perhaps its weights, in one file or one
// piece of memory. Each target has a program of its own, because plans differ, and its code; constants and weights are shared.
//
// Layout, little-endian: 8 bytes "weft\r\n\x1a\n"; u32 version; u32 number of parts; u64 size of the whole; u64 checksum of these
// 24 bytes and the table; the table, for each part u32 kind, u32 0, 32 bytes target name, u64 offset, u64 size, u64 checksum; the
// parts, each at a multiple of 64 and followed by zeros up to the next. What is opened is the table; a part is checked and read when it is wanted, so that a
// program for many targets starts as fast as one for a single target. PTX and cubins are packed. Every count, index and formula is checked then.
#ifndef WEFT_RUNTIME_PROGRAM_IO_H
#define WEFT_RUNTIME_PROGRAM_IO_H
#include "runtime/file.h"
#include "runtime/plan.h"

typedef enum weft_part_kind { WEFT_PART_PROGRAM, WEFT_PART_OBJECT, WEFT_PART_PTX, WEFT_PART_CUBIN, WEFT_PART_WEIGHTS, WEFT_PART_CONSTANTS } weft_part_kind;

typedef struct weft_part {
  weft_part_kind kind;
  const char *target;      // PROGRAM and its code: "x86-64-v3", "sm_80"; WEIGHTS, CONSTANTS: "". At most 31 bytes
  const void *data;        // OBJECT: ELF; PTX: text; WEIGHTS: safetensors
  size_t size;
  uint64_t checksum;       // of a part that was read
  bool ready;              // of a part that was read: checked, and unpacked where it was stored packed (program_pack.h)
} weft_part;

// programs: told apart by their targets (NULL counts as ""). parts: their code, and weights. Kernel functions are not written:
// they are found in the code again by their entry names. Equal constants are written once.
weft_status *weft_bundle_serialize(const wf_program *const *programs, int program_count, const weft_part *parts, int part_count, weft_bytes *out);
weft_status *weft_bundle_write(const char *path, const wf_program *const *programs, int program_count, const weft_part *parts, int part_count);

typedef struct weft_bundle {
  weft_part *parts; int part_count;   // all of them; data lies in the bundle's memory
  wf_program program;      // of weft_bundle_select; kernel functions are NULL
  const char *name;        // for messages
  const uint8_t *start;    // of the memory
  weft_bytes bytes;        // owned where read from a file
  struct weft_region *region;
} weft_bundle;

// name: for messages. The memory is borrowed until the bundle is closed.
weft_status *weft_bundle_open_memory(const char *name, const void *data, size_t size, weft_bundle *out);
weft_status *weft_bundle_open(const char *path, weft_bundle *out);
// Reads the program of a target, which must be among the parts, into bundle->program. Once a bundle.
weft_status *weft_bundle_select(weft_bundle *bundle, const char *target);
// A part by kind and target, checked and unpacked; NULL where there is none.
weft_status *weft_bundle_part(const weft_bundle *bundle, weft_part_kind kind, const char *target, const weft_part **out);
void weft_bundle_close(weft_bundle *bundle);   // also of a zeroed struct

#endif
