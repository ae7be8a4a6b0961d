// Parts of a bundle that are stored in less room: PTX and cubins, of which there is much and which a GPU's driver takes longer to
// load than zlib to unpack. Code and plans of the host stay as they are, so that a program starts at once.
#ifndef WEFT_RUNTIME_PROGRAM_PACK_H
#define WEFT_RUNTIME_PROGRAM_PACK_H
#include "runtime/program_io.h"

static inline bool weft_is_packed(weft_part_kind kind) { return kind == WEFT_PART_PTX || kind == WEFT_PART_CUBIN; }

// 8 bytes with the size, little-endian, then zlib's stream. out->data is heap memory.
weft_status *weft_pack(const void *data, size_t size, weft_bytes *out);
// The size that a packed part unpacks to; 0: it is damaged, or claims more than zlib can reach.
size_t weft_unpacked_size(const void *packed, size_t size);
// `to` has room for that size. False: damaged.
bool weft_unpack(const void *packed, size_t size, void *to);
#endif
