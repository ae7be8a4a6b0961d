#include "runtime/data/npy.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/memory.h"

static const struct { const char *descr; wf_dtype dtype; } npy_types[] = {
    {"f8", WF_F64}, {"f4", WF_F32}, {"f2", WF_F16}, {"i8", WF_I64}, {"i4", WF_I32}, {"u1", WF_U8}, {"b1", WF_BOOL}};
enum { NPY_TYPES = sizeof npy_types / sizeof *npy_types, NPY_HEADER_LIMIT = 65536 };

// A cursor over the header's Python dictionary.
typedef struct cursor { const char *at, *end; } cursor;

static void skip_space(cursor *c) {
  while (c->at < c->end && isspace((unsigned char)*c->at)) c->at++;
}

static bool take(cursor *c, char wanted) {
  skip_space(c);
  if (c->at == c->end || *c->at != wanted) return false;
  c->at++;
  return true;
}

static bool take_string(cursor *c, char *to, size_t size) {
  skip_space(c);
  if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) return false;
  char quote = *c->at++;
  size_t length = 0;
  while (c->at < c->end && *c->at != quote && length + 1 < size) to[length++] = *c->at++;
  to[length] = 0;
  return c->at < c->end && *c->at++ == quote;
}

static bool take_word(cursor *c, char *to, size_t size) {
  skip_space(c);
  size_t length = 0;
  while (c->at < c->end && isalnum((unsigned char)*c->at) && length + 1 < size) to[length++] = *c->at++;
  to[length] = 0;
  return length > 0;
}

static bool take_shape(cursor *c, weft_array *out) {
  if (!take(c, '(')) return false;
  while (!take(c, ')')) {
    char digits[24];
    if (out->rank == WEFT_MAX_RANK || !take_word(c, digits, sizeof digits)) return false;
    char *end;
    long long extent = strtoll(digits, &end, 10);
    if (*end || extent < 0 || strlen(digits) > 18) return false;
    out->extents[out->rank++] = extent;
    if (!take(c, ',')) return take(c, ')');
  }
  return true;
}

static weft_status *set_type(const char *descr, const char *what, weft_array *out) {
  if (strlen(descr) == 3 && descr[0] == '>')
    return weft_fail(WEFT_BAD_INPUT, "%s: big-endian elements (%s); save it with .astype('<%s')", what, descr, descr + 1);
  for (int i = 0; i < NPY_TYPES; i++)
    if (strlen(descr) == 3 && strchr("<|=", descr[0]) && strcmp(npy_types[i].descr, descr + 1) == 0) {
      out->dtype = npy_types[i].dtype;
      return NULL;
    }
  return weft_fail(WEFT_BAD_INPUT, "%s: elements of type '%s'; weft reads f8 f4 f2 i8 i4 u1 b1, save it with .astype()", what, descr);
}

static weft_status *parse_dictionary(cursor c, const char *what, weft_array *out) {
  bool descr = false, order = false, shape = false, well_formed = take(&c, '{');
  char key[16], value[32];
  while (well_formed && !take(&c, '}')) {
    well_formed = take_string(&c, key, sizeof key) && take(&c, ':');
    if (!well_formed) break;
    if (strcmp(key, "descr") == 0 && !descr) {
      skip_space(&c);
      if (c.at < c.end && *c.at == '[') return weft_fail(WEFT_BAD_INPUT, "%s: a record array; weft reads plain arrays", what);
      well_formed = descr = take_string(&c, value, sizeof value);
      if (descr) TRY(set_type(value, what, out));
    } else if (strcmp(key, "fortran_order") == 0 && !order) {
      well_formed = order = take_word(&c, value, sizeof value);
      if (order && strcmp(value, "True") == 0)
        return weft_fail(WEFT_BAD_INPUT, "%s: Fortran order; save it with numpy.ascontiguousarray()", what);
    } else if (strcmp(key, "shape") == 0 && !shape) {
      well_formed = shape = take_shape(&c, out);
    } else well_formed = false;
    if (well_formed && !take(&c, ',')) {
      well_formed = take(&c, '}');
      break;
    }
  }
  if (well_formed && descr && order && shape) return NULL;
  return weft_fail(WEFT_BAD_INPUT, "%s: byte 10: a damaged .npy header", what);
}

weft_status *weft_npy_header(const uint8_t *bytes, size_t size, const char *what, weft_array *out) {
  if (size < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0) return weft_fail(WEFT_BAD_INPUT, "%s: byte 0: not an .npy array", what);
  int version = bytes[6];
  size_t start = version == 1 ? 10 : 12, length = bytes[8] | (size_t)bytes[9] << 8;
  if (version < 1 || version > 3) return weft_fail(WEFT_BAD_INPUT, "%s: byte 6: .npy version %d, weft reads 1 to 3", what, version);
  if (version > 1 && size >= 12) length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
  if (length > NPY_HEADER_LIMIT || start + length > size)
    return weft_fail(WEFT_BAD_INPUT, "%s: byte 8: the header should have %zu bytes, %zu are there", what, length,
                     size > start ? size - start : 0);
  out->offset = (int64_t)(start + length);
  return parse_dictionary((cursor){(const char *)bytes + start, (const char *)bytes + start + length}, what, out);
}

// Header of an open file; checks the file's size against the shape.
static weft_status *open_array(const char *path, weft_array *out) {
  TRY(weft_copy_text(path, &out->path));
  TRY(weft_file_open(path, &out->file));
  size_t size = out->file.size < NPY_HEADER_LIMIT + 12 ? (size_t)out->file.size : NPY_HEADER_LIMIT + 12;
  uint8_t *head = NULL;
  weft_status *failed = weft_allocate(size, 1, &head);
  if (!failed) failed = weft_file_read_at(&out->file, 0, head, size);
  if (!failed) failed = weft_npy_header(head, size, path, out);
  free(head);
  TRY(failed);
  int64_t bytes;
  if (!weft_shape_bytes(out->dtype, out->rank, out->extents, &bytes)) return weft_fail(WEFT_BAD_INPUT, "%s: the shape is too large", path);
  if (out->file.size - out->offset != bytes)
    return weft_fail(WEFT_BAD_INPUT, "%s: %lld bytes of elements after byte %lld, the shape asks for %lld", path,
                     (long long)(out->file.size - out->offset), (long long)out->offset, (long long)bytes);
  return NULL;
}

weft_status *weft_npy_read(const char *path, weft_array *out) {
  *out = (weft_array){0};
  weft_status *failed = open_array(path, out);
  if (!failed) failed = weft_copy_text("array", &out->name);
  size_t bytes = failed ? 0 : (size_t)(out->file.size - out->offset);
  if (!failed) failed = weft_allocate(bytes, 1, &out->data);
  if (!failed) failed = weft_file_read_at(&out->file, out->offset, out->data, bytes);
  if (failed) weft_array_deinit(out);
  else weft_file_close(&out->file);
  return failed;
}

weft_status *weft_npy_open(char *const *paths, int count, weft_dataset **out) {
  *out = NULL;
  weft_array *arrays = NULL;
  TRY(weft_allocate((size_t)count, sizeof *arrays, &arrays));
  weft_status *failed = NULL;
  for (int i = 0; i < count && !failed; i++) {
    failed = open_array(paths[i], &arrays[i]);
    if (!failed && i < 2) failed = weft_copy_text(i ? "y" : "x", &arrays[i].name);
    else if (!failed) failed = weft_format_text(&arrays[i].name, "field%d", i);
  }
  if (!failed) return weft_arrays_dataset(arrays, count, out);
  for (int i = 0; i < count; i++) weft_array_deinit(&arrays[i]);
  free(arrays);
  return failed;
}

static weft_status *write_header(weft_writer *writer, const char *descr, const weft_tensor *tensor) {
  char shape[256] = "", header[512];
  size_t length = 0;
  for (int i = 0; i < tensor->rank; i++)
    length += (size_t)snprintf(shape + length, sizeof shape - length, "%lld,%s", (long long)tensor->extents[i], i + 1 < tensor->rank ? " " : "");
  int text = snprintf(header + 10, sizeof header - 10, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, shape);
  int padded = (10 + text + 1 + 63) / 64 * 64 - 10;   // elements start at a multiple of 64
  memset(header + 10 + text, ' ', (size_t)(padded - text));
  header[10 + padded - 1] = '\n';
  memcpy(header, "\x93NUMPY\x01\x00", 8);
  header[8] = (char)(padded & 255);
  header[9] = (char)(padded >> 8);
  return weft_writer_add(writer, header, (size_t)(10 + padded));
}

static weft_status *write_elements(weft_writer *writer, const weft_tensor *tensor, wf_dtype as) {
  if (as == (wf_dtype)tensor->dtype || tensor->dtype == WEFT_TF32)
    return weft_writer_add(writer, tensor->data, weft_tensor_bytes(tensor));
  int64_t count = weft_tensor_elements(tensor);
  float part[1024];
  for (int64_t done = 0; done < count;) {
    int64_t size = count - done < 1024 ? count - done : 1024;
    for (int64_t i = 0; i < size; i++) part[i] = (float)wf_load_element((wf_dtype)tensor->dtype, tensor->data, done + i);
    TRY(weft_writer_add(writer, part, (size_t)size * sizeof *part));
    done += size;
  }
  return NULL;
}

weft_status *weft_npy_write(const char *path, const weft_tensor *tensor) {
  const char *descr = "<f4";
  wf_dtype as = WF_F32;
  char name[4];
  for (int i = 0; i < NPY_TYPES; i++)
    if (npy_types[i].dtype == (wf_dtype)tensor->dtype) {
      as = npy_types[i].dtype;
      snprintf(name, sizeof name, "%c%s", wf_dtype_bytes(as) == 1 ? '|' : '<', npy_types[i].descr);
      descr = name;
    }
  weft_writer writer;
  TRY(weft_writer_open(path, &writer));
  weft_status *failed = write_header(&writer, descr, tensor);
  if (!failed) failed = write_elements(&writer, tensor, as);
  if (!failed) failed = weft_writer_commit(&writer);
  weft_writer_close(&writer);
  return failed;
}
