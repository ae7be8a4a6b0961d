// Unpacked copies of gzip files in a cache folder: inflating Fashion-MNIST takes 0.3 s, summing a copy some milliseconds.
// A copy is named after the path, size and time of its file and ends with a trailer (magic, size, checksum of what it holds). Whatever
// is wrong with a copy, there is none.
#ifndef WEFT_RUNTIME_UNPACKED_H
#define WEFT_RUNTIME_UNPACKED_H
#include "runtime/file.h"

#define WEFT_UNPACKED_SUFFIX ".unpacked"
enum { WEFT_LEAST_UNPACKED = 1 << 20 };   // bytes below which inflating again costs nothing

// Where the copy of `path` in `folder` (NULL: there is none) lies: heap, NULL where there can be none. Ask before reading the file: a
// file that is replaced meanwhile does not lend its name to the bytes of the earlier one.
char *weft_unpacked_path(const char *folder, const char *path);
// The copy, open; size is that of the unpacked bytes, without the trailer. copy NULL: false.
bool weft_unpacked_open(const char *copy, weft_file *out);
// Keeps head and body, one after the other. Where the folder is not there or cannot be written nothing is kept. copy NULL: nothing.
void weft_unpacked_store(const char *copy, const void *head, size_t head_size, const void *body, size_t body_size);
#endif
