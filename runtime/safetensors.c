#include "runtime/safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/data/dataset.h"
#include "runtime/json.h"
#include "runtime/memory.h"

// tf32 is stored as what it is in memory, f32.
static const struct { const char *name; wf_dtype dtype; } stored_types[] = {
    {"F64", WF_F64}, {"F32", WF_F32}, {"BF16", WF_BF16}, {"F16", WF_F16}, {"F8_E4M3", WF_E4M3}, {"F8_E5M2", WF_E5M2},
    {"I64", WF_I64}, {"I32", WF_I32}, {"U8", WF_U8}, {"BOOL", WF_BOOL}};
enum { STORED_TYPES = sizeof stored_types / sizeof *stored_types };
static const int64_t header_limit = 100 << 20;   // the format's own limit

static weft_status *bad_tensor(const char *path, const char *name, const char *what) {
  return weft_fail(WEFT_BAD_INPUT, "%s: tensor '%s': %s", path, name, what);
}

static weft_status *parse_type(const char *path, const json_t *entry, weft_stored_tensor *out) {
  const char *text = json_string_value(json_object_get(entry, "dtype"));
  if (!text) return bad_tensor(path, out->name, "no dtype");
  for (int i = 0; i < STORED_TYPES; i++)
    if (strcmp(stored_types[i].name, text) == 0) {
      out->dtype = stored_types[i].dtype;
      return NULL;
    }
  return weft_fail(WEFT_BAD_INPUT, "%s: tensor '%s': dtype %s; weft reads F64 F32 F16 BF16 F8_E4M3 F8_E5M2 I64 I32 U8 BOOL", path, out->name, text);
}

static weft_status *parse_shape(const char *path, const json_t *entry, weft_stored_tensor *out) {
  const json_t *shape = json_object_get(entry, "shape");
  if (!json_is_array(shape)) return bad_tensor(path, out->name, "no shape");
  if (json_array_size(shape) > WEFT_MAX_RANK) return bad_tensor(path, out->name, "more than 8 axes");
  out->rank = (int)json_array_size(shape);
  for (int i = 0; i < out->rank; i++) {
    const json_t *extent = json_array_get(shape, (size_t)i);
    if (!json_is_integer(extent) || json_integer_value(extent) < 0) return bad_tensor(path, out->name, "an extent is no count");
    out->extents[i] = json_integer_value(extent);
  }
  if (!weft_shape_bytes(out->dtype, out->rank, out->extents, &out->bytes)) return bad_tensor(path, out->name, "the shape is too large");
  return NULL;
}

static weft_status *parse_range(const weft_file *file, int64_t data, const json_t *entry, weft_stored_tensor *out) {
  const json_t *range = json_object_get(entry, "data_offsets");
  const json_t *from = json_array_get(range, 0), *to = json_array_get(range, 1);
  if (json_array_size(range) != 2 || !json_is_integer(from) || !json_is_integer(to))
    return bad_tensor(file->path, out->name, "no data_offsets");
  json_int_t begin = json_integer_value(from), end = json_integer_value(to);
  if (begin < 0 || end < begin) return bad_tensor(file->path, out->name, "data_offsets run backwards");
  if (end > file->size - data)
    return weft_fail(WEFT_BAD_INPUT, "%s: tensor '%s' ends at byte %lld, the file has %lld (cut short?)", file->path, out->name,
                     (long long)end + (long long)data, (long long)file->size);
  if (end - begin != out->bytes)
    return weft_fail(WEFT_BAD_INPUT, "%s: tensor '%s': %lld bytes stored at byte %lld, its shape and dtype take %lld", file->path,
                     out->name, (long long)(end - begin), (long long)(data + begin), (long long)out->bytes);
  out->offset = data + begin;
  return NULL;
}

static weft_status *parse_metadata(const char *path, json_t *object, json_t **out) {
  const char *key;
  json_t *value;
  if (!json_is_object(object)) return weft_fail(WEFT_BAD_INPUT, "%s: __metadata__ is no object", path);
  json_object_foreach(object, key, value)
    if (!json_is_string(value)) return weft_fail(WEFT_BAD_INPUT, "%s: __metadata__ '%s' is no string", path, key);
  *out = json_incref(object);
  return NULL;
}

static int by_offset(const void *a, const void *b) {
  const weft_stored_tensor *x = a, *y = b;
  if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
  return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

// The bytes must be covered once, without holes: the format says so, and a hole is a place to hide something.
static weft_status *check_cover(const weft_safetensors *file, int64_t data) {
  int64_t end = data;
  for (int i = 0; i < file->count; i++) {
    const weft_stored_tensor *tensor = &file->tensors[i];
    if (tensor->offset < end) return bad_tensor(file->file.path, tensor->name, "overlaps the tensor before it");
    if (tensor->offset > end)
      return weft_fail(WEFT_BAD_INPUT, "%s: bytes %lld to %lld belong to no tensor", file->file.path, (long long)end, (long long)tensor->offset);
    end = tensor->offset + tensor->bytes;
  }
  if (end != file->file.size)
    return weft_fail(WEFT_BAD_INPUT, "%s: %lld bytes after the last tensor (byte %lld)", file->file.path, (long long)(file->file.size - end), (long long)end);
  return NULL;
}

static weft_status *parse_header(weft_safetensors *out, json_t *header, int64_t data) {
  const char *name;
  json_t *entry;
  if (!json_is_object(header)) return weft_fail(WEFT_BAD_INPUT, "%s: byte 8: the header is no JSON object", out->file.path);
  TRY(weft_allocate(json_object_size(header), sizeof *out->tensors, &out->tensors));
  json_object_foreach(header, name, entry) {
    if (strcmp(name, "__metadata__") == 0) {
      TRY(parse_metadata(out->file.path, entry, &out->metadata));
      continue;
    }
    weft_stored_tensor *tensor = &out->tensors[out->count];
    TRY(weft_copy_text(name, &tensor->name));
    out->count++;
    TRY(parse_type(out->file.path, entry, tensor));
    TRY(parse_shape(out->file.path, entry, tensor));
    TRY(parse_range(&out->file, data, entry, tensor));
  }
  if (out->count) qsort(out->tensors, (size_t)out->count, sizeof *out->tensors, by_offset);
  return check_cover(out, data);
}

static weft_status *read_header(weft_safetensors *out) {
  uint8_t word[8];
  if (out->file.size < 8) return weft_fail(WEFT_BAD_INPUT, "%s: %lld bytes is too short for safetensors", out->file.path, (long long)out->file.size);
  TRY(weft_file_read_at(&out->file, 0, word, sizeof word));
  uint64_t length = 0;
  for (int i = 7; i >= 0; i--) length = length << 8 | word[i];
  if (length > (uint64_t)header_limit || (int64_t)length > out->file.size - 8)
    return weft_fail(WEFT_BAD_INPUT, "%s: byte 0: a header of %" PRIu64 " bytes in a file of %lld: not safetensors, or cut short",
                     out->file.path, length, (long long)out->file.size);
  char *text = NULL;
  TRY(weft_allocate((size_t)length + 1, 1, &text));
  weft_status *failed = weft_file_read_at(&out->file, 8, text, (size_t)length);
  json_t *header = NULL;
  if (!failed) failed = weft_json_parse(text, (size_t)length, "the header", 8, &header);
  failed = weft_context(failed, "%s", out->file.path);
  free(text);
  if (!failed) failed = parse_header(out, header, 8 + (int64_t)length);
  json_decref(header);
  return failed;
}

weft_status *weft_safetensors_open(const char *path, weft_safetensors *out) {
  *out = (weft_safetensors){0};
  TRY(weft_file_open(path, &out->file));
  weft_status *failed = read_header(out);
  if (failed) weft_safetensors_close(out);
  return failed;
}

weft_status *weft_safetensors_open_memory(const char *name, const void *data, size_t size, weft_safetensors *out) {
  *out = (weft_safetensors){0};
  TRY(weft_file_from_memory(name, data, size, &out->file));
  weft_status *failed = read_header(out);
  if (failed) weft_safetensors_close(out);
  return failed;
}

void weft_safetensors_close(weft_safetensors *file) {
  for (int i = 0; i < file->count; i++) free(file->tensors[i].name);
  free(file->tensors);
  json_decref(file->metadata);
  weft_file_close(&file->file);
  *file = (weft_safetensors){0};
}

const weft_stored_tensor *weft_safetensors_find(const weft_safetensors *file, const char *name) {
  for (int i = 0; i < file->count; i++)
    if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
  return NULL;
}

weft_status *weft_safetensors_read(const weft_safetensors *file, const weft_stored_tensor *tensor, void *to) {
  return weft_context(weft_file_read_at(&file->file, tensor->offset, to, (size_t)tensor->bytes), "tensor '%s'", tensor->name);
}

// ---- writing ------------------------------------------------------------------------------------------------------

static const char *stored_name(wf_dtype dtype) {
  for (int i = 0; i < STORED_TYPES; i++)
    if (stored_types[i].dtype == dtype) return stored_types[i].name;
  return "F32";
}

// NULL where memory runs out.
static json_t *describe(const weft_tensor *tensor, int64_t begin) {
  json_t *shape = json_array();
  bool complete = shape != NULL;
  for (int i = 0; i < tensor->rank && complete; i++) complete = json_array_append_new(shape, json_integer(tensor->extents[i])) == 0;
  if (complete)
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", stored_name((wf_dtype)tensor->dtype), "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)begin + (json_int_t)weft_tensor_bytes(tensor));
  json_decref(shape);
  return NULL;
}

// Its length, then the JSON header, padded with spaces so that the tensors start at a multiple of 64 bytes.
static weft_status *make_header(const weft_named_tensor *tensors, int count, const json_t *metadata, char **out, size_t *out_length) {
  json_t *header = json_object();
  int64_t at = 0;
  bool built = header && (!metadata || json_object_set(header, "__metadata__", (json_t *)metadata) == 0);
  const char *twice = NULL;
  for (int i = 0; i < count && built && !twice; i++) {
    if (json_object_get(header, tensors[i].name)) twice = tensors[i].name;
    else built = json_object_set_new(header, tensors[i].name, describe(&tensors[i].tensor, at)) == 0;
    at += (int64_t)weft_tensor_bytes(&tensors[i].tensor);
  }
  char *text = built && !twice ? json_dumps(header, JSON_COMPACT) : NULL;
  json_decref(header);
  if (twice) return weft_fail(WEFT_INTERNAL, "two tensors are named '%s'", twice);
  if (!text) return weft_fail(WEFT_ENVIRONMENT, "out of memory");
  *out_length = (strlen(text) + 8 + 63) / 64 * 64;
  weft_status *failed = weft_allocate(*out_length, 1, out);
  if (!failed) {
    memset(*out, ' ', *out_length);
    for (int i = 0; i < 8; i++) (*out)[i] = (char)((uint64_t)(*out_length - 8) >> 8 * i);
    memcpy(*out + 8, text, strlen(text));
  }
  free(text);
  return failed;
}

weft_status *weft_safetensors_write(const char *path, const weft_named_tensor *tensors, int count, const json_t *metadata) {
  char *header = NULL;
  size_t length = 0;
  TRY(make_header(tensors, count, metadata, &header, &length));
  weft_writer writer;
  weft_status *failed = weft_writer_open(path, &writer);
  if (failed) {
    free(header);
    return failed;
  }
  failed = weft_writer_add(&writer, header, length);
  for (int i = 0; i < count && !failed; i++) failed = weft_writer_add(&writer, tensors[i].tensor.data, weft_tensor_bytes(&tensors[i].tensor));
  if (!failed) failed = weft_writer_commit(&writer);
  weft_writer_close(&writer);
  free(header);
  return failed;
}

weft_status *weft_safetensors_serialize(const weft_named_tensor *tensors, int count, const json_t *metadata, weft_bytes *out) {
  char *header = NULL;
  size_t length = 0, size;
  *out = (weft_bytes){0};
  TRY(make_header(tensors, count, metadata, &header, &length));
  size = length;
  for (int i = 0; i < count; i++) size += weft_tensor_bytes(&tensors[i].tensor);
  weft_status *failed = weft_allocate(size, 1, &out->data);
  if (!failed) {
    uint8_t *at = out->data;
    memcpy(at, header, length);
    at += length;
    for (int i = 0; i < count; i++) {
      size_t bytes = weft_tensor_bytes(&tensors[i].tensor);
      if (bytes) memcpy(at, tensors[i].tensor.data, bytes);
      at += bytes;
    }
    out->size = size;
  }
  free(header);
  return failed;
}

// ---- as a dataset ---------------------------------------------------------------------------------------------------

static weft_status *take_array(const char *path, const weft_stored_tensor *tensor, weft_array *out) {
  out->dtype = tensor->dtype;
  out->rank = tensor->rank;
  out->offset = tensor->offset;
  memcpy(out->extents, tensor->extents, sizeof out->extents);
  TRY(weft_copy_text(path, &out->path));
  TRY(weft_copy_text(tensor->name, &out->name));
  return weft_file_open(path, &out->file);
}

static weft_status *take_arrays(const weft_safetensors *file, const char *path, char *const *names, int count, weft_array *arrays) {
  for (int i = 0; i < count; i++) {
    const weft_stored_tensor *tensor = names ? weft_safetensors_find(file, names[i]) : &file->tensors[i];
    if (!tensor) return weft_fail(WEFT_BAD_INPUT, "%s: no tensor '%s'", path, names[i]);
    TRY(take_array(path, tensor, &arrays[i]));
  }
  return NULL;
}

weft_status *weft_safetensors_dataset_open(const char *path, char *const *names, int count, weft_dataset **out) {
  *out = NULL;
  weft_safetensors file;
  weft_array *arrays = NULL;
  TRY(weft_safetensors_open(path, &file));
  if (!names) count = file.count;
  weft_status *failed = weft_allocate((size_t)count, sizeof *arrays, &arrays);
  if (!failed) failed = take_arrays(&file, path, names, count, arrays);
  weft_safetensors_close(&file);
  if (!failed) return weft_arrays_dataset(arrays, count, out);
  for (int i = 0; arrays && i < count; i++) weft_array_deinit(&arrays[i]);
  free(arrays);
  return failed;
}
