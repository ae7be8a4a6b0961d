// .npz archives: a zip file (APPNOTE.TXT) of .npy members, stored or deflated. The central directory is the truth.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "runtime/data/npy.h"
#include "runtime/memory.h"

enum { END_SIZE = 22, CENTRAL_SIZE = 46, LOCAL_SIZE = 30, COMMENT_LIMIT = 65535, STORED = 0, DEFLATED = 8 };

typedef struct zip_member {
  char name[256];
  int method;
  uint32_t crc, packed, size, header;   // header: offset of the local header
} zip_member;

typedef struct zip_reader {
  weft_file file;
  uint8_t *directory;
  size_t directory_size, at;
  int64_t directory_offset;
  int members;
} zip_reader;

static uint32_t read16(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8; }
static uint32_t read32(const uint8_t *p) { return read16(p) | read16(p + 2) << 16; }

static weft_status *damaged(const zip_reader *zip, int64_t offset, const char *what) {
  return weft_fail(WEFT_BAD_INPUT, "%s: byte %lld: %s", zip->file.path, (long long)offset, what);
}

static weft_status *read_directory(zip_reader *zip) {
  int64_t tail = zip->file.size < END_SIZE + COMMENT_LIMIT ? zip->file.size : END_SIZE + COMMENT_LIMIT;
  uint8_t *bytes = NULL;
  TRY(weft_allocate((size_t)tail, 1, &bytes));
  weft_status *failed = weft_file_read_at(&zip->file, zip->file.size - tail, bytes, (size_t)tail);
  int64_t end = tail - END_SIZE;
  while (!failed && end >= 0 && memcmp(bytes + end, "PK\5\6", 4) != 0) end--;
  if (!failed && end < 0) failed = damaged(zip, zip->file.size, "no zip directory: not an .npz file, or cut short");
  if (!failed) {
    zip->members = (int)read16(bytes + end + 10);
    zip->directory_size = read32(bytes + end + 12);
    zip->directory_offset = read32(bytes + end + 16);
    if (zip->directory_offset == UINT32_MAX || zip->members == 65535)
      failed = weft_fail(WEFT_BAD_INPUT, "%s: a zip64 archive (4 GiB or more); save the arrays as .npy or .safetensors", zip->file.path);
    else if (zip->directory_offset + (int64_t)zip->directory_size > zip->file.size - tail + end)
      failed = damaged(zip, zip->file.size - tail + end, "the zip directory lies outside the file");
  }
  free(bytes);
  if (!failed) failed = weft_allocate(zip->directory_size, 1, &zip->directory);
  if (!failed) failed = weft_file_read_at(&zip->file, zip->directory_offset, zip->directory, zip->directory_size);
  return failed;
}

static weft_status *next_member(zip_reader *zip, zip_member *out) {
  const uint8_t *entry = zip->directory + zip->at;
  size_t left = zip->directory_size - zip->at;
  if (left < CENTRAL_SIZE || memcmp(entry, "PK\1\2", 4) != 0)
    return damaged(zip, zip->directory_offset + (int64_t)zip->at, "a damaged zip directory");
  size_t name = read16(entry + 28), length = CENTRAL_SIZE + name + read16(entry + 30) + read16(entry + 32);
  if (length > left || name >= sizeof out->name)
    return damaged(zip, zip->directory_offset + (int64_t)zip->at, "a damaged zip directory entry");
  *out = (zip_member){.method = (int)read16(entry + 10), .crc = read32(entry + 16), .packed = read32(entry + 20),
                      .size = read32(entry + 24), .header = read32(entry + 42)};
  memcpy(out->name, entry + CENTRAL_SIZE, name);
  if (read16(entry + 8) & 1) return damaged(zip, zip->directory_offset + (int64_t)zip->at, "an encrypted member");
  zip->at += length;
  return NULL;
}

static weft_status *unpack(const zip_reader *zip, const zip_member *member, const uint8_t *packed, uint8_t *to) {
  z_stream stream = {.next_in = (uint8_t *)packed, .avail_in = member->packed, .next_out = to, .avail_out = member->size};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return weft_fail(WEFT_ENVIRONMENT, "out of memory");
  int code = inflate(&stream, Z_FINISH);
  uLong done = stream.total_out, used = stream.total_in;
  inflateEnd(&stream);
  if (code == Z_STREAM_END && done == member->size) return NULL;
  return weft_fail(WEFT_BAD_INPUT, "%s: member '%s': corrupt data near byte %lld", zip->file.path, member->name,
                   (long long)(member->header + used));
}

// The bytes of a member, checked against its CRC.
static weft_status *read_member(const zip_reader *zip, const zip_member *member, uint8_t **out) {
  uint8_t local[LOCAL_SIZE], *packed = NULL, *data = NULL;
  *out = NULL;
  TRY(weft_file_read_at(&zip->file, member->header, local, sizeof local));
  if (memcmp(local, "PK\3\4", 4) != 0) return damaged(zip, member->header, "a damaged zip member header");
  int64_t start = member->header + (int64_t)LOCAL_SIZE + read16(local + 26) + read16(local + 28);
  if (start + member->packed > zip->directory_offset) return damaged(zip, member->header, "a zip member runs into the directory");
  if (member->method != STORED && member->method != DEFLATED)
    return weft_fail(WEFT_BAD_INPUT, "%s: member '%s' is packed by method %d; weft reads stored and deflated", zip->file.path,
                     member->name, member->method);
  // Deflate packs at most 1032 to 1: a larger claim is a lie that would only cost memory.
  if (member->method == STORED ? member->size != member->packed : member->size / 1040 > (uint64_t)member->packed + 1)
    return damaged(zip, member->header, "a zip member with an impossible size");
  weft_status *failed = weft_allocate(member->packed, 1, &packed);
  if (!failed) failed = weft_file_read_at(&zip->file, start, packed, member->packed);
  if (!failed && member->method == DEFLATED) {
    failed = weft_allocate(member->size, 1, &data);
    if (!failed) failed = unpack(zip, member, packed, data);
  } else if (!failed) {
    data = packed;
    packed = NULL;
  }
  if (!failed && crc32(0, data, member->size) != member->crc)
    failed = weft_fail(WEFT_BAD_INPUT, "%s: member '%s' at byte %u: its checksum does not fit", zip->file.path, member->name, member->header);
  free(packed);
  if (failed) free(data);
  else *out = data;
  return failed;
}

static weft_status *read_array(const zip_reader *zip, const zip_member *member, const char *name, weft_array *out) {
  char what[512];
  snprintf(what, sizeof what, "%s: member '%s'", zip->file.path, member->name);
  TRY(weft_copy_text(what, &out->path));
  TRY(weft_copy_text(name, &out->name));
  TRY(read_member(zip, member, &out->data));
  TRY(weft_npy_header(out->data, member->size, what, out));
  int64_t bytes;
  if (!weft_shape_bytes(out->dtype, out->rank, out->extents, &bytes) || bytes != (int64_t)member->size - out->offset)
    return weft_fail(WEFT_BAD_INPUT, "%s: %lld bytes of elements, the shape asks for another number", what,
                     (long long)((int64_t)member->size - out->offset));
  out->packed = true;
  memmove(out->data, out->data + out->offset, (size_t)bytes);
  return NULL;
}

static int wanted_place(const char *name, char *const *names, int count) {
  for (int i = 0; i < count; i++)
    if (strcmp(names[i], name) == 0) return i;
  return -1;
}

static weft_status *read_wanted(zip_reader *zip, char *const *names, int count, weft_array *arrays) {
  for (int i = 0; i < zip->members; i++) {
    zip_member member;
    TRY(next_member(zip, &member));
    char name[256];
    snprintf(name, sizeof name, "%s", member.name);
    char *ending = strrchr(name, '.');
    if (ending && strcmp(ending, ".npy") == 0) *ending = 0;
    int place = names ? wanted_place(name, names, count) : i;
    if (place < 0) continue;
    if (arrays[place].path) return weft_fail(WEFT_BAD_INPUT, "%s: two members '%s'", zip->file.path, member.name);
    TRY(read_array(zip, &member, name, &arrays[place]));
  }
  for (int i = 0; names && i < count; i++)
    if (!arrays[i].path) return weft_fail(WEFT_BAD_INPUT, "%s: no array '%s'", zip->file.path, names[i]);
  return NULL;
}

weft_status *weft_npz_open(const char *path, char *const *names, int count, weft_dataset **out) {
  *out = NULL;
  zip_reader zip = {0};
  weft_array *arrays = NULL;
  TRY(weft_file_open(path, &zip.file));
  weft_status *failed = read_directory(&zip);
  if (!failed && !names) count = zip.members;
  if (!failed) failed = weft_allocate((size_t)count, sizeof *arrays, &arrays);
  if (!failed) failed = read_wanted(&zip, names, count, arrays);
  free(zip.directory);
  weft_file_close(&zip.file);
  if (!failed) return weft_arrays_dataset(arrays, count, out);
  for (int i = 0; arrays && i < count; i++) weft_array_deinit(&arrays[i]);
  free(arrays);
  return failed;
}
