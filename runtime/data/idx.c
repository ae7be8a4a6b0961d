// IDX files, plain or gzip (the format of MNIST: http://yann.lecun.com/exdb/mnist/): two zero bytes, a type, a rank, that
// many big-endian 32-bit extents, then the elements, big-endian.
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "runtime/data/dataset.h"
#include "runtime/data/unpacked.h"
#include "runtime/memory.h"

typedef struct idx_type { uint8_t code; int bytes; wf_dtype dtype; } idx_type;
static const idx_type idx_types[] = {
    {0x08, 1, WF_U8}, {0x09, 1, WF_I32}, {0x0B, 2, WF_I32}, {0x0C, 4, WF_I32}, {0x0D, 4, WF_F32}, {0x0E, 8, WF_F64}};

enum { IDX_CHUNK = 1 << 20 };   // bytes unpacked before more memory is asked for, so that a lying header costs nothing

static weft_status *gz_failure(gzFile file, const char *path) {
  int code = Z_OK;
  const char *text = gzerror(file, &code);
  const char *colon = strncmp(text, path, strlen(path)) == 0 ? text + strlen(path) : text;
  if (strncmp(colon, ": ", 2) == 0) colon += 2;
  long long at = (long long)gzoffset(file);
  if (code == Z_ERRNO) return weft_fail(WEFT_ENVIRONMENT, "%s: byte %lld: %s", path, at, colon);
  return weft_fail(WEFT_BAD_INPUT, "%s: corrupt gzip data near byte %lld: %s", path, at, colon);
}

// Exactly `size` bytes, `at` being the offset in the unpacked stream.
static weft_status *gz_exactly(gzFile file, const char *path, int64_t at, void *to, size_t size) {
  for (size_t done = 0; done < size;) {
    size_t want = size - done < IDX_CHUNK ? size - done : IDX_CHUNK;
    int got = gzread(file, (char *)to + done, (unsigned)want);
    if (got < 0) return gz_failure(file, path);
    int code = Z_OK;
    if (got < (int)want) gzerror(file, &code);
    if (code != Z_OK && code != Z_STREAM_END) return gz_failure(file, path);
    if (got == 0)
      return weft_fail(WEFT_BAD_INPUT, "%s: ends at byte %lld%s, its header promises %lld more", path,
                       (long long)at + (long long)done, gzdirect(file) ? "" : " (unpacked)", (long long)(size - done));
    done += (size_t)got;
  }
  return NULL;
}

// One byte more must not be there; reading it also makes zlib check the stream's CRC.
static weft_status *gz_at_end(gzFile file, const char *path, int64_t at) {
  char extra;
  int got = gzread(file, &extra, 1), code = Z_OK;
  gzerror(file, &code);
  if (got < 0 || (code != Z_OK && code != Z_STREAM_END)) return gz_failure(file, path);
  if (got > 0)
    return weft_fail(WEFT_BAD_INPUT, "%s: goes on after byte %lld, where its header says it ends", path, (long long)at);
  return NULL;
}

static weft_status *read_header(gzFile file, weft_array *array, const idx_type **out_type) {
  uint8_t head[4], extent[4];
  TRY(gz_exactly(file, array->path, 0, head, 4));
  *out_type = NULL;
  for (size_t i = 0; i < sizeof idx_types / sizeof *idx_types; i++)
    if (idx_types[i].code == head[2]) *out_type = &idx_types[i];
  if (head[0] || head[1] || !*out_type || head[3] == 0 || head[3] > WEFT_MAX_RANK)
    return weft_fail(WEFT_BAD_INPUT, "%s: byte 0: not an IDX file (it starts with %02x %02x %02x %02x)", array->path, head[0],
                     head[1], head[2], head[3]);
  array->rank = head[3];
  array->dtype = (*out_type)->dtype;
  array->offset = 4 + 4 * array->rank;
  for (int i = 0; i < array->rank; i++) {
    TRY(gz_exactly(file, array->path, 4 + 4 * i, extent, 4));
    array->extents[i] = (int64_t)extent[0] << 24 | extent[1] << 16 | extent[2] << 8 | extent[3];
  }
  return NULL;
}

// Big-endian elements of `type` to the machine's order and the field's dtype. `to` has room for the wider form.
static void decode(const idx_type *type, const uint8_t *from, int64_t count, uint8_t *to) {
  for (int64_t i = 0; i < count; i++) {
    uint64_t bits = 0;
    for (int b = 0; b < type->bytes; b++) bits = bits << 8 | from[i * type->bytes + b];
    if (type->bytes == 1) bits = (uint64_t)(int64_t)(int8_t)bits;
    if (type->bytes == 2) bits = (uint64_t)(int64_t)(int16_t)bits;
    memcpy(to + i * wf_dtype_bytes(type->dtype), &bits, (size_t)wf_dtype_bytes(type->dtype));   // little-endian hosts
  }
}

static weft_status *read_body(gzFile file, const idx_type *type, weft_array *array) {
  int64_t elements, bytes;
  if (!weft_shape_bytes(WF_U8, array->rank, array->extents, &elements) || elements > ((int64_t)1 << 40))
    return weft_fail(WEFT_BAD_INPUT, "%s: byte 4: the extents are too large", array->path);
  bytes = elements * type->bytes;
  uint8_t *raw = NULL;
  weft_status *failed = NULL;
  for (int64_t done = 0, room = 0; done < bytes && !failed;) {
    int64_t part = bytes - done < IDX_CHUNK ? bytes - done : IDX_CHUNK;
    if (done + part > room) {
      room = room * 2 > done + part ? room * 2 : done + part;
      if (room > bytes) room = bytes;
      uint8_t *grown = realloc(raw, (size_t)room);
      if (!grown) failed = weft_fail(WEFT_ENVIRONMENT, "%s: out of memory: %lld bytes", array->path, (long long)room);
      else raw = grown;
    }
    if (!failed) failed = gz_exactly(file, array->path, array->offset + done, raw + done, (size_t)part);
    done += part;
  }
  if (!failed) failed = gz_at_end(file, array->path, array->offset + bytes);
  if (!failed && type->code != 0x08) {
    uint8_t *decoded = NULL;
    failed = weft_allocate((size_t)elements, (size_t)wf_dtype_bytes(type->dtype), &decoded);
    if (!failed) decode(type, raw, elements, decoded);
    free(raw);
    raw = decoded;
  }
  array->data = raw;
  return failed;
}

// Plain bytes stay in the file: a training begins without reading all of it. A size that is wrong is for read_body to tell.
static bool leave_in_file(weft_array *array, weft_file *file, const idx_type *type) {
  int64_t bytes;
  if (array->packed || type->code != 0x08 || !weft_shape_bytes(WF_U8, array->rank, array->extents, &bytes)) return false;
  if (file->size != array->offset + bytes) return false;
  array->file = *file;
  *file = (weft_file){.descriptor = -1};
  return true;
}

// The header in front of what was unpacked, as the file has it.
static void keep_unpacked(const char *copy, const weft_array *array, const idx_type *type) {
  uint8_t head[4 + 4 * WEFT_MAX_RANK] = {0, 0, type->code, (uint8_t)array->rank};
  int64_t bytes;
  if (type->code != 0x08 || !weft_shape_bytes(WF_U8, array->rank, array->extents, &bytes) || bytes < WEFT_LEAST_UNPACKED) return;
  for (int i = 0; i < array->rank; i++)
    for (int b = 0; b < 4; b++) head[4 + 4 * i + b] = (uint8_t)(array->extents[i] >> (24 - 8 * b));
  weft_unpacked_store(copy, head, (size_t)array->offset, array->data, (size_t)bytes);
}

// from: a plain file or a gzip one.
static weft_status *read_file(const char *from, weft_file *probe, const char *copy, weft_array *array) {
  gzFile file = gzopen(from, "rbe");
  if (!file) return weft_fail(WEFT_ENVIRONMENT, "cannot open %s", from);
  gzbuffer(file, 1 << 17);
  const idx_type *type = NULL;
  weft_status *failed = read_header(file, array, &type);
  array->packed = !gzdirect(file);
  if (!failed && !leave_in_file(array, probe, type)) {
    failed = read_body(file, type, array);
    if (!failed && array->packed) keep_unpacked(copy, array, type);
  }
  gzclose(file);
  return failed;
}

// From the copy where there is one: its elements stay in it.
static bool read_copy(const char *copy, weft_array *array) {
  weft_file probe;
  if (!weft_unpacked_open(copy, &probe)) return false;
  weft_status *failed = read_file(copy, &probe, NULL, array);
  bool good = !failed && !array->data;   // anything else is no copy of ours
  weft_status_free(failed);
  weft_file_close(&probe);
  if (!good) {
    free(array->data);
    array->data = NULL;
  }
  array->packed = true;   // offsets in messages count unpacked bytes of the file itself
  return good;
}

static weft_status *read_idx(const char *path, const char *unpacked, weft_array *array) {
  TRY(weft_copy_text(path, &array->path));
  weft_file probe;   // for the message of a missing file or a folder; zlib's is poor
  TRY(weft_file_open(path, &probe));
  char *copy = weft_unpacked_path(unpacked, path);
  weft_status *failed = read_copy(copy, array) ? NULL : read_file(path, &probe, copy, array);
  free(copy);
  weft_file_close(&probe);
  TRY(failed);
  array->picture = array->rank >= 3 && array->dtype == WF_U8;
  return weft_copy_text(array->rank == 1 ? "label" : "image", &array->name);
}

weft_status *weft_idx_open(char *const *paths, int count, const char *unpacked, weft_dataset **out) {
  *out = NULL;
  weft_array *arrays = NULL;
  TRY(weft_allocate((size_t)count, sizeof *arrays, &arrays));
  weft_status *failed = NULL;
  for (int i = 0; i < count && !failed; i++) failed = read_idx(paths[i], unpacked, &arrays[i]);
  if (!failed) return weft_arrays_dataset(arrays, count, out);
  for (int i = 0; i < count; i++) weft_array_deinit(&arrays[i]);
  free(arrays);
  return failed;
}
