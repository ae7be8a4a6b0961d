// The numbers of the bundle format (program_io.h), for its writer and its reader.
#ifndef WEFT_RUNTIME_PROGRAM_FORMAT_H
#define WEFT_RUNTIME_PROGRAM_FORMAT_H
#include "ir/arena.h"
#include "runtime/memory.h"
#include "runtime/program_io.h"

#define WEFT_BUNDLE_MAGIC "weft\r\n\x1a\n"   // damaged by any transfer that touches line ends
enum {
  WEFT_BUNDLE_VERSION = 4, WEFT_HEADER_BYTES = 32, WEFT_TARGET_BYTES = 32, WEFT_ENTRY_BYTES = 8 + WEFT_TARGET_BYTES + 24,
  WEFT_SEALED_BYTES = 24   // of the header, before the checksum
};
// Bounds of a GPU kernel that no device passes.
enum { WEFT_MOST_THREADS = 1024, WEFT_MOST_SHARED_BYTES = 1 << 20 };

static inline size_t weft_padded(size_t size) { return (size + WEFT_ALIGNMENT - 1) / WEFT_ALIGNMENT * WEFT_ALIGNMENT; }

// Checksums cover the padding, so that every byte that is looked at, or lies between such, is known to be whole. data: the
// header, with the table behind it.
static inline uint64_t weft_table_checksum(const uint8_t *data, int parts) {
  uint64_t head = wf_hash_bytes(data, WEFT_SEALED_BYTES, WEFT_BUNDLE_VERSION);
  size_t end = weft_padded(WEFT_HEADER_BYTES + WEFT_ENTRY_BYTES * (size_t)parts);
  return wf_hash_bytes(data + WEFT_HEADER_BYTES, end - WEFT_HEADER_BYTES, head);
}
static inline uint64_t weft_part_checksum(const void *data, size_t size, weft_part_kind kind) {
  return wf_hash_bytes(data, weft_padded(size), (uint64_t)kind);
}

#endif
