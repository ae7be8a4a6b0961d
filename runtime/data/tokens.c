// Token streams: files of u16 and plain text. A sample is `length` tokens, and the same moved by one.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/data/dataset.h"
#include "runtime/memory.h"

typedef struct token_dataset {
  weft_dataset base;
  char *path;
  weft_file file;            // u16 tokens are read as they are asked for
  uint16_t *ids;             // text: the whole stream
  uint32_t *byte_offsets;    // text with characters wider than a byte: where each starts; else NULL
  int64_t first, stride, length;
} token_dataset;

static weft_status *read_windows(weft_dataset *dataset, int field, const int64_t *indices, int64_t count, void *to) {
  token_dataset *self = (token_dataset *)dataset;
  int32_t *out = to;
  for (int64_t i = 0; i < count; i++, out += self->length) {
    int64_t at = self->first + indices[i] * self->stride + field;   // field 1, y, is one further
    if (self->ids) {
      for (int64_t t = 0; t < self->length; t++) out[t] = self->ids[at + t];
      continue;
    }
    // u16 values are read into the upper half of the i32 row, then widened from the front.
    uint8_t *raw = (uint8_t *)out + self->length * 2;
    TRY(weft_file_read_at(&self->file, at * 2, raw, (size_t)self->length * 2));
    for (int64_t t = 0; t < self->length; t++) {
      int32_t id = raw[2 * t] | raw[2 * t + 1] << 8;
      out[t] = id;
    }
  }
  return NULL;
}

static void where_window(const weft_dataset *dataset, int field, int64_t index, char *text, size_t size) {
  const token_dataset *self = (const token_dataset *)dataset;
  int64_t token = self->first + index * self->stride + field;
  int64_t offset = self->byte_offsets ? self->byte_offsets[token] : token * (self->ids ? 1 : 2);
  snprintf(text, size, "%s: byte %lld", self->path, (long long)offset);
}

static void destroy_tokens(weft_dataset *dataset) {
  token_dataset *self = (token_dataset *)dataset;
  weft_file_close(&self->file);
  free(self->path);
  free(self->ids);
  free(self->byte_offsets);
}

static const weft_dataset_class token_class = {read_windows, where_window, destroy_tokens};

// Lays the windows over tokens [from, to) of `tokens`.
static weft_status *lay_windows(token_dataset *self, const weft_token_options *options, int64_t tokens) {
  if (options->length < 1) return weft_fail(WEFT_BAD_INPUT, "%s: a sample must have at least one token", self->path);
  if (!(options->from >= 0 && options->from < options->to && options->to <= 1))
    return weft_fail(WEFT_BAD_INPUT, "%s: the part from %g to %g is not within 0 to 1", self->path, options->from, options->to);
  int64_t begin = (int64_t)(options->from * (double)tokens), end = (int64_t)(options->to * (double)tokens);
  self->first = begin;
  self->length = options->length;
  self->stride = options->stride > 0 ? options->stride : options->length;
  if (end - begin < self->length + 1)
    return weft_fail(WEFT_BAD_INPUT, "%s: %lld tokens; a sample of %lld and the one after it do not fit", self->path,
                     (long long)(end - begin), (long long)self->length);
  self->base.count = (end - begin - self->length - 1) / self->stride + 1;
  TRY(weft_field_set(&self->base.fields[0], "x", WF_I32, 1, &self->length));
  return weft_field_set(&self->base.fields[1], "y", WF_I32, 1, &self->length);
}

static weft_status *open_tokens(token_dataset *self, const char *path, const weft_token_options *options) {
  TRY(weft_copy_text(path, &self->path));
  TRY(weft_file_open(path, &self->file));
  if (self->file.size % 2)
    return weft_fail(WEFT_BAD_INPUT, "%s: byte %lld: half a token (u16 tokens take two bytes)", path, (long long)self->file.size - 1);
  return lay_windows(self, options, self->file.size / 2);
}

weft_status *weft_tokens_open(const char *path, const weft_token_options *options, weft_dataset **out) {
  *out = NULL;
  token_dataset *self;
  TRY(weft_dataset_make(&token_class, sizeof *self, 2, &self));
  weft_status *failed = open_tokens(self, path, options);
  if (failed) weft_dataset_destroy(&self->base);
  else *out = &self->base;
  return failed;
}

// ---- text -----------------------------------------------------------------------------------------------------------

// The code point at `at` and its length in bytes; length 0 where it is not UTF-8.
static uint32_t decode_utf8(const uint8_t *at, size_t left, int *out_length) {
  static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
  int length = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : at[0] >> 3 == 30 ? 4 : 0;
  *out_length = 0;
  if (length == 0 || (size_t)length > left) return 0;
  uint32_t code = length == 1 ? at[0] : at[0] & (0x7F >> length);
  for (int i = 1; i < length; i++) {
    if (at[i] >> 6 != 2) return 0;
    code = code << 6 | (at[i] & 0x3F);
  }
  if (code < smallest[length] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return 0;
  *out_length = length;
  return code;
}

static weft_status *name_id(weft_dataset *dataset, const uint8_t *bytes, int length) {
  TRY(weft_format_text(&dataset->vocabulary[dataset->vocabulary_count], "%.*s", length, (const char *)bytes));
  dataset->vocabulary_count++;
  return NULL;
}

static weft_status *take_bytes(token_dataset *self, const weft_bytes *text) {
  TRY(weft_allocate(256, sizeof *self->base.vocabulary, &self->base.vocabulary));
  for (int i = 0; i < 256; i++) TRY(name_id(&self->base, (uint8_t[]){(uint8_t)i}, 1));
  for (size_t i = 0; i < text->size; i++) self->ids[i] = text->data[i];
  return NULL;
}

// Marks, then numbers, the code points that occur; ids in the order of the code points.
static weft_status *number_characters(token_dataset *self, const weft_bytes *text, uint32_t *id_of) {
  int length, distinct = 0;
  for (size_t at = 0; at < text->size; at += (size_t)length) {
    uint32_t code = decode_utf8(text->data + at, text->size - at, &length);
    if (length == 0) return weft_fail(WEFT_BAD_INPUT, "%s: byte %zu: not UTF-8; read it by bytes instead of characters", self->path, at);
    if (!id_of[code]) distinct++;
    id_of[code] = 1;
  }
  if (distinct > UINT16_MAX) return weft_fail(WEFT_BAD_INPUT, "%s: more than 65535 distinct characters", self->path);
  TRY(weft_allocate((size_t)distinct, sizeof *self->base.vocabulary, &self->base.vocabulary));
  uint32_t next = 0;
  for (uint32_t code = 0; code <= 0x10FFFF; code++) {
    if (!id_of[code]) continue;
    id_of[code] = next++;
    uint8_t bytes[4];
    int size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (size == 1) bytes[0] = (uint8_t)code;
    for (int i = size - 1, rest = (int)code; size > 1 && i >= 0; i--, rest >>= 6)
      bytes[i] = i ? (uint8_t)(0x80 | (rest & 0x3F)) : (uint8_t)(0xF00 >> size | rest);
    TRY(name_id(&self->base, bytes, size));
  }
  return NULL;
}

static weft_status *take_characters(token_dataset *self, const weft_bytes *text, int64_t *out_count) {
  uint32_t *id_of = NULL;
  if (text->size > UINT32_MAX) return weft_fail(WEFT_BAD_INPUT, "%s: over 4 GiB; read it by bytes", self->path);
  TRY(weft_allocate(text->size, sizeof *self->byte_offsets, &self->byte_offsets));
  TRY(weft_allocate(0x110000, sizeof *id_of, &id_of));
  weft_status *failed = number_characters(self, text, id_of);
  int64_t count = 0;
  int length;
  for (size_t at = 0; at < text->size && !failed; at += (size_t)length) {
    self->byte_offsets[count] = (uint32_t)at;
    self->ids[count++] = (uint16_t)id_of[decode_utf8(text->data + at, text->size - at, &length)];
  }
  free(id_of);
  *out_count = count;
  return failed;
}

static weft_status *open_text(token_dataset *self, const char *path, const weft_token_options *options) {
  TRY(weft_copy_text(path, &self->path));
  weft_bytes text;
  TRY(weft_file_read(path, (size_t)1 << 36, &text));
  int64_t count = (int64_t)text.size;
  weft_status *failed = weft_allocate(text.size, sizeof *self->ids, &self->ids);
  if (!failed) failed = options->characters ? take_characters(self, &text, &count) : take_bytes(self, &text);
  free(text.data);
  TRY(failed);
  return lay_windows(self, options, count);
}

weft_status *weft_text_open(const char *path, const weft_token_options *options, weft_dataset **out) {
  *out = NULL;
  token_dataset *self;
  TRY(weft_dataset_make(&token_class, sizeof *self, 2, &self));
  weft_status *failed = open_text(self, path, options);
  if (failed) weft_dataset_destroy(&self->base);
  else *out = &self->base;
  return failed;
}
