#include "runtime/program_pack.h"
#include <stdlib.h>
#include <zlib.h>
#include "runtime/memory.h"

enum { HEAD = 8, BEST_RATIO = 1032 };   // of deflate
#define MOST_BYTES ((uint64_t)1 << 30)

weft_status *weft_pack(const void *data, size_t size, weft_bytes *out) {
  uLongf length = compressBound(size);
  *out = (weft_bytes){0};
  TRY(weft_allocate(HEAD + length, 1, &out->data));
  for (int i = 0; i < HEAD; i++) out->data[i] = (uint8_t)((uint64_t)size >> 8 * i);
  if (compress2(out->data + HEAD, &length, data, size, Z_BEST_COMPRESSION) == Z_OK) {
    out->size = HEAD + length;
    return NULL;
  }
  free(out->data);
  *out = (weft_bytes){0};
  return weft_fail(WEFT_ENVIRONMENT, "out of memory while packing a bundle");
}

size_t weft_unpacked_size(const void *packed, size_t size) {
  const uint8_t *head = packed;
  uint64_t unpacked = 0;
  if (size <= HEAD) return 0;
  for (int i = HEAD - 1; i >= 0; i--) unpacked = unpacked << 8 | head[i];
  return unpacked <= MOST_BYTES && unpacked / BEST_RATIO <= size ? (size_t)unpacked : 0;
}

bool weft_unpack(const void *packed, size_t size, void *to) {
  uLongf length = weft_unpacked_size(packed, size), wanted = length;
  return uncompress(to, &length, (const uint8_t *)packed + HEAD, size - HEAD) == Z_OK && length == wanted;
}
