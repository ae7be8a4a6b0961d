// Files: whole and random-access reads that name file and byte offset when they fail, and writes that replace a file
// only when the new one is complete on disk.
#ifndef WEFT_RUNTIME_FILE_H
#define WEFT_RUNTIME_FILE_H
#include <stddef.h>
#include <stdint.h>
#include "runtime/status.h"

typedef struct weft_bytes { uint8_t *data; size_t size; } weft_bytes;   // data: heap, released by free()

// A file open for reading at any offset. Reads do not share a position, so threads may read one file together.
typedef struct weft_file { int descriptor; int64_t size; char *path; const uint8_t *memory; } weft_file;   // memory: borrowed, or NULL
weft_status *weft_file_open(const char *path, weft_file *out);
// Bytes in memory as a file; name: for messages.
weft_status *weft_file_from_memory(const char *name, const void *data, size_t size, weft_file *out);
void weft_file_close(weft_file *file);   // also of a zeroed struct
// Exactly `size` bytes at `offset`, else a status with path and offset (a file that shrank is bad input).
weft_status *weft_file_read_at(const weft_file *file, int64_t offset, void *to, size_t size);

// The whole file; more than `limit` bytes is bad input. A byte of 0 follows the data.
weft_status *weft_file_read(const char *path, size_t limit, weft_bytes *out);

// A replacement in the making: a temporary file in the same folder. A link is followed; devices and pipes are written to in place
// (temporary is NULL).
typedef struct weft_writer { int descriptor; char *path, *temporary; } weft_writer;
weft_status *weft_writer_open(const char *path, weft_writer *out);
weft_status *weft_writer_add(weft_writer *writer, const void *data, size_t size);
// fsync, rename over path, fsync of the folder. On failure the earlier file is untouched.
weft_status *weft_writer_commit(weft_writer *writer);
// Removes the temporary file if it was not committed, and releases the writer. Call always.
void weft_writer_close(weft_writer *writer);
weft_status *weft_file_write(const char *path, const void *data, size_t size);
weft_status *weft_file_write_executable(const char *path, const void *data, size_t size);   // mode 0755

#endif
