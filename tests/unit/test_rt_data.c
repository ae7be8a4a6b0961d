// The readers: what a good file gives, and what each kind of damage says.
#include "rt_support.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "runtime/data/dataset.h"
#include "runtime/data/npy.h"
#include "runtime/data/unpacked.h"
#include "runtime/safetensors.h"

static scratch s;
static int setup(void **state) { scratch_begin(&s); return 0; }
static int teardown(void **state) { scratch_end(&s); return 0; }

static const char *write_gz(const char *name, const void *data, size_t size) {
  const char *path = scratch_path(&s, name);
  gzFile file = gzopen(path, "wb");
  assert_int_equal(gzwrite(file, data, (unsigned)size), size);
  gzclose(file);
  return path;
}

// ---- idx ----------------------------------------------------------------------------------------------------------

enum { IMAGES = 16 + 3 * 4, LABELS = 8 + 3 };
static const uint8_t idx_images[IMAGES] = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255};
static const uint8_t idx_labels[LABELS] = {0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9};

static weft_status *open_idx_pair(const char *images, const char *labels, weft_dataset **out) {
  return weft_idx_open((char *[]){(char *)images, (char *)labels}, 2, NULL, out);
}

static void test_idx_gives_samples_by_number(void **state) {
  const char *labels = scratch_write(&s, "l", idx_labels, LABELS), *images = write_gz("i.gz", idx_images, IMAGES);
  weft_dataset *data;
  assert_ok(open_idx_pair(images, labels, &data));
  assert_int_equal(data->count, 3);
  assert_int_equal(data->field_count, 2);
  assert_string_equal(data->fields[0].name, "image");
  assert_int_equal(data->fields[0].rank, 2);
  assert_true(data->fields[0].picture);
  assert_int_equal(data->fields[1].rank, 0);
  uint8_t pixels[8], label[2];
  assert_ok(weft_dataset_read(data, 0, (int64_t[]){2, 0}, 2, pixels));
  assert_memory_equal(pixels, ((uint8_t[]){9, 10, 11, 255, 1, 2, 3, 4}), 8);
  assert_ok(weft_dataset_read(data, 1, (int64_t[]){2, 0}, 2, label));
  assert_memory_equal(label, ((uint8_t[]){9, 7}), 2);
  char text[200];
  weft_dataset_where(data, 1, 2, text, sizeof text);
  assert_non_null(strstr(text, "/l: byte 10"));
  weft_dataset_destroy(data);
}

static void test_idx_wide_types_are_big_endian(void **state) {
  const uint8_t f32[] = {0, 0, 13, 1, 0, 0, 0, 2, 0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0}, i16[] = {0, 0, 11, 1, 0, 0, 0, 2, 0xff, 0xfe, 1, 0};
  const char *a = scratch_write(&s, "a", f32, sizeof f32), *b = scratch_write(&s, "b", i16, sizeof i16);
  weft_dataset *data;
  assert_ok(open_idx_pair(a, b, &data));
  float value[2];
  int32_t integer[2];
  assert_ok(weft_dataset_read(data, 0, (int64_t[]){0, 1}, 2, value));
  assert_ok(weft_dataset_read(data, 1, (int64_t[]){0, 1}, 2, integer));
  assert_true(value[0] == 1.0f && value[1] == -2.0f && integer[0] == -2 && integer[1] == 256);
  weft_dataset_destroy(data);
}

static void test_idx_damage_names_file_and_byte(void **state) {
  const char *labels = scratch_write(&s, "l", idx_labels, LABELS), *images = write_gz("i.gz", idx_images, IMAGES);
  weft_dataset *data;
  assert_fails(open_idx_pair(scratch_path(&s, "none"), labels, &data), WEFT_ENVIRONMENT, "none|No such file");
  assert_fails(open_idx_pair(scratch_write(&s, "short", idx_images, IMAGES - 3), labels, &data), WEFT_BAD_INPUT,
               "short: ends at byte 25|3 more");
  assert_fails(open_idx_pair(scratch_write(&s, "magic", "hello world", 11), labels, &data), WEFT_BAD_INPUT, "magic: byte 0: not an IDX");
  uint8_t longer[IMAGES + 1] = {0};
  memcpy(longer, idx_images, IMAGES);
  assert_fails(open_idx_pair(write_gz("long.gz", longer, sizeof longer), labels, &data), WEFT_BAD_INPUT, "long.gz: goes on after byte 28");
  longer[7] = 4;   // one sample more than the labels have
  uint8_t four[IMAGES + 4] = {0};
  memcpy(four, longer, IMAGES);
  assert_fails(open_idx_pair(scratch_write(&s, "four", four, sizeof four), labels, &data), WEFT_BAD_INPUT, "3 samples|four has 4");
  uint8_t huge[16] = {0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
  assert_fails(open_idx_pair(scratch_write(&s, "huge", huge, 16), labels, &data), WEFT_BAD_INPUT, "huge: byte 4|large");
  weft_bytes packed;
  assert_ok(weft_file_read(images, 10000, &packed));
  assert_fails(open_idx_pair(scratch_write(&s, "cut.gz", packed.data, packed.size - 9), labels, &data), WEFT_BAD_INPUT, "cut.gz");
  packed.data[packed.size - 6] ^= 1;   // the CRC
  assert_fails(open_idx_pair(scratch_write(&s, "crc.gz", packed.data, packed.size), labels, &data), WEFT_BAD_INPUT,
               "crc.gz: corrupt gzip data near byte");
  free(packed.data);
}

// ---- cifar ----------------------------------------------------------------------------------------------------------

static void make_cifar(void) {
  static uint8_t records[2 * 3073];
  for (int file = 1; file <= 6; file++) {
    char name[32];
    snprintf(name, sizeof name, file == 6 ? "test_batch.bin" : "data_batch_%d.bin", file);
    for (int r = 0; r < 2; r++) {
      memset(records + r * 3073, file * 10 + r, 3073);
      records[r * 3073] = (uint8_t)(file + r);
    }
    scratch_write(&s, name, records, sizeof records);
  }
}

static void test_cifar_reads_both_splits(void **state) {
  make_cifar();
  weft_dataset *data;
  static uint8_t pixels[3072];
  uint8_t label;
  assert_ok(weft_cifar10_open(s.folder, false, &data));
  assert_int_equal(data->count, 10);
  assert_ok(weft_dataset_read(data, 0, (int64_t[]){7}, 1, pixels));
  assert_ok(weft_dataset_read(data, 1, (int64_t[]){7}, 1, &label));
  assert_true(pixels[0] == 41 && pixels[3071] == 41 && label == 5);
  weft_dataset_destroy(data);
  assert_ok(weft_cifar10_open(s.folder, true, &data));
  assert_int_equal(data->count, 2);
  weft_dataset_destroy(data);
}

static void test_cifar_damage(void **state) {
  make_cifar();
  weft_dataset *data;
  static uint8_t record[3073] = {10};
  scratch_write(&s, "data_batch_3.bin", record, 3073);
  assert_fails(weft_cifar10_open(s.folder, false, &data), WEFT_BAD_INPUT, "data_batch_3.bin: byte 0: label 10");
  scratch_write(&s, "data_batch_3.bin", record, 3000);
  assert_fails(weft_cifar10_open(s.folder, false, &data), WEFT_BAD_INPUT, "data_batch_3.bin: 3000 bytes");
  unlink(scratch_path(&s, "data_batch_3.bin"));
  assert_fails(weft_cifar10_open(s.folder, false, &data), WEFT_ENVIRONMENT, "data_batch_3.bin|No such file");
}

// ---- npy, npz ---------------------------------------------------------------------------------------------------------

static void test_npy_round_trip(void **state) {
  static const weft_dtype types[] = {WEFT_F64, WEFT_F32, WEFT_F16, WEFT_I64, WEFT_I32, WEFT_U8, WEFT_BOOL};
  uint8_t bytes[6 * 8];
  for (int i = 0; i < (int)sizeof bytes; i++) bytes[i] = (uint8_t)(i & 1);
  for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
    weft_tensor tensor = {types[t], 2, {3, 2}, bytes};
    const char *path = scratch_path(&s, "a.npy");
    assert_ok(weft_npy_write(path, &tensor));
    weft_array array;
    assert_ok(weft_npy_read(path, &array));
    assert_int_equal((int)array.dtype, (int)types[t]);
    assert_true(array.rank == 2 && array.extents[0] == 3 && array.extents[1] == 2 && array.offset % 64 == 0);
    assert_memory_equal(array.data, bytes, weft_tensor_bytes(&tensor));
    weft_array_deinit(&array);
  }
  weft_tensor scalar = {WEFT_F32, 0, {0}, &(float){2.5f}};
  assert_ok(weft_npy_write(scratch_path(&s, "s.npy"), &scalar));
  weft_array array;
  assert_ok(weft_npy_read(scratch_path(&s, "s.npy"), &array));
  assert_true(array.rank == 0 && *(float *)array.data == 2.5f);
  weft_array_deinit(&array);
  uint16_t bf16[2] = {0x3f80, 0xc000};   // 1, -2: written as f4
  assert_ok(weft_npy_write(scratch_path(&s, "b.npy"), &(weft_tensor){WEFT_BF16, 1, {2}, bf16}));
  assert_ok(weft_npy_read(scratch_path(&s, "b.npy"), &array));
  assert_true(array.dtype == WF_F32 && ((float *)array.data)[1] == -2.0f);
  weft_array_deinit(&array);
}

static const char *write_npy_text(const char *name, const char *dictionary, size_t data) {
  uint8_t bytes[256] = "\x93NUMPY\x01\x00";
  size_t length = strlen(dictionary);
  bytes[8] = (uint8_t)length;
  memcpy(bytes + 10, dictionary, length);
  return scratch_write(&s, name, bytes, 10 + length + data);
}

static void test_npy_damage(void **state) {
  static const struct { const char *dictionary; size_t data; const char *says; } cases[] = {
      {"{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }\n", 8, "Fortran order|ascontiguousarray"},
      {"{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }\n", 8, "big-endian|.astype('<f4')"},
      {"{'descr': '<c8', 'fortran_order': False, 'shape': (2,), }\n", 16, "'<c8'|astype"},
      {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }\n", 8, "record array"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", 7, "7 bytes of elements|asks for 8"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (3037000500,3037000500), }\n", 8, "too large"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }\n", 8, "damaged"},
      {"{'descr': '<f4', 'fortran_order': False, }\n", 8, "damaged"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,", 8, "damaged"},
  };
  weft_array array;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_fails(weft_npy_read(write_npy_text("bad.npy", cases[i].dictionary, cases[i].data), &array), WEFT_BAD_INPUT, cases[i].says);
  assert_fails(weft_npy_read(scratch_write(&s, "n.npy", "PK\3\4xxxxxxxx", 12), &array), WEFT_BAD_INPUT, "byte 0: not an .npy");
  assert_fails(weft_npy_read(scratch_write(&s, "h.npy", "\x93NUMPY\x01\x00\xff\x0f{", 11), &array), WEFT_BAD_INPUT, "byte 8|4095");
}

// A zip archive of one deflated and one stored .npy member. Returns its size.
static size_t make_npz(uint8_t *zip, const uint8_t *const member[2], const size_t size[2]) {
  static const char *const names[2] = {"x.npy", "y.npy"};
  uint8_t packed[2048];
  size_t at = 0, headers[2], stored[2];
#define PUT16(v) (zip[at] = (uint8_t)(v), zip[at + 1] = (uint8_t)((v) >> 8), at += 2)
#define PUT32(v) (PUT16((v) & 0xffff), PUT16((uint32_t)(v) >> 16))
  for (int i = 0; i < 2; i++) {
    z_stream stream = {.next_in = (uint8_t *)member[i], .avail_in = (unsigned)size[i], .next_out = packed, .avail_out = sizeof packed};
    deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, 0);
    deflate(&stream, Z_FINISH);
    stored[i] = i ? size[i] : stream.total_out;
    deflateEnd(&stream);
    headers[i] = at;
    memcpy(zip + at, "PK\3\4", 4), at += 4;
    PUT16(20), PUT16(0), PUT16(i ? 0 : 8), PUT32(0), PUT32(0), PUT32(0), PUT32(0), PUT16(5), PUT16(0);
    memcpy(zip + at, names[i], 5), at += 5;
    memcpy(zip + at, i ? member[i] : packed, stored[i]), at += stored[i];
  }
  size_t directory = at;
  for (int i = 0; i < 2; i++) {
    memcpy(zip + at, "PK\1\2", 4), at += 4;
    PUT16(20), PUT16(20), PUT16(0), PUT16(i ? 0 : 8), PUT32(0), PUT32(crc32(0, member[i], (unsigned)size[i]));
    PUT32(stored[i]), PUT32(size[i]), PUT16(5), PUT16(0), PUT16(0), PUT16(0), PUT16(0), PUT32(0), PUT32(headers[i]);
    memcpy(zip + at, names[i], 5), at += 5;
  }
  size_t end = at;
  memcpy(zip + at, "PK\5\6", 4), at += 4;
  PUT16(0), PUT16(0), PUT16(2), PUT16(2), PUT32(end - directory), PUT32(directory), PUT16(0);
  return at;
}

static size_t example_npz(uint8_t *zip) {
  float x[6] = {1, 2, 3, 4, 5, 6};
  int64_t y[3] = {7, 8, 9};
  assert_ok(weft_npy_write(scratch_path(&s, "x.npy"), &(weft_tensor){WEFT_F32, 2, {3, 2}, x}));
  assert_ok(weft_npy_write(scratch_path(&s, "y.npy"), &(weft_tensor){WEFT_I64, 1, {3}, y}));
  weft_bytes a, b;
  assert_ok(weft_file_read(scratch_path(&s, "x.npy"), 1000, &a));
  assert_ok(weft_file_read(scratch_path(&s, "y.npy"), 1000, &b));
  size_t size = make_npz(zip, (const uint8_t *const[]){a.data, b.data}, (size_t[]){a.size, b.size});
  free(a.data);
  free(b.data);
  return size;
}

static void test_npz_members_by_name(void **state) {
  uint8_t zip[4096];
  const char *path = scratch_write(&s, "a.npz", zip, example_npz(zip));
  weft_dataset *data;
  assert_ok(weft_npz_open(path, NULL, 0, &data));
  assert_true(data->count == 3 && data->field_count == 2 && data->fields[0].dtype == WF_F32);
  float row[2];
  assert_ok(weft_dataset_read(data, 0, (int64_t[]){1}, 1, row));
  assert_true(row[0] == 3 && row[1] == 4);
  weft_dataset_destroy(data);
  assert_ok(weft_npz_open(path, (char *[]){"y"}, 1, &data));
  int64_t label;
  assert_ok(weft_dataset_read(data, 0, (int64_t[]){2}, 1, &label));
  assert_true(label == 9 && data->field_count == 1);
  weft_dataset_destroy(data);
  assert_fails(weft_npz_open(path, (char *[]){"z"}, 1, &data), WEFT_BAD_INPUT, "no array 'z'");
}

// Any single damaged byte or cut is an error or gives the same numbers (a byte that nothing depends on); never a crash.
static void test_npz_survives_any_damage(void **state) {
  uint8_t zip[4096];
  size_t size = example_npz(zip);
  int refused = 0;
  for (size_t i = 0; i < size; i++) {
    zip[i] ^= 0x55;
    weft_dataset *data = NULL;
    weft_status *status = weft_npz_open(scratch_write(&s, "bad.npz", zip, size), NULL, 0, &data);
    refused += status != NULL;
    weft_status_free(status);
    weft_dataset_destroy(data);
    zip[i] ^= 0x55;
    status = weft_npz_open(scratch_write(&s, "cut.npz", zip, i), NULL, 0, &data);
    assert_non_null(status);
    weft_status_free(status);
  }
  assert_true(refused > (int)size / 2);
}

// ---- safetensors ----------------------------------------------------------------------------------------------------

static weft_status *open_safetensors_text(const char *header, size_t data) {
  uint8_t bytes[1024] = {(uint8_t)strlen(header), (uint8_t)(strlen(header) >> 8)};
  memcpy(bytes + 8, header, strlen(header));
  weft_safetensors file;
  weft_status *status = weft_safetensors_open(scratch_write(&s, "bad.st", bytes, 8 + strlen(header) + data), &file);
  if (!status) weft_safetensors_close(&file);
  return status;
}

static void test_safetensors_round_trip(void **state) {
  float a[6] = {1, 2, 3, 4, 5, 6};
  uint8_t b[3] = {7, 8, 9};
  weft_named_tensor tensors[] = {{"layer.0.weight", {WEFT_F32, 2, {3, 2}, a}}, {"b", {WEFT_U8, 1, {3}, b}}, {"scalar", {WEFT_BF16, 0, {0}, b}}};
  json_t *metadata = json_pack("{s:s}", "step", "12");
  const char *path = scratch_path(&s, "a.safetensors");
  assert_ok(weft_safetensors_write(path, tensors, 3, metadata));
  json_decref(metadata);
  weft_safetensors file;
  assert_ok(weft_safetensors_open(path, &file));
  assert_int_equal(file.count, 3);
  assert_string_equal(json_string_value(json_object_get(file.metadata, "step")), "12");
  const weft_stored_tensor *tensor = weft_safetensors_find(&file, "layer.0.weight");
  assert_true(tensor && tensor->rank == 2 && tensor->extents[0] == 3 && tensor->dtype == WF_F32 && tensor->offset % 64 == 0);
  float read[6];
  assert_ok(weft_safetensors_read(&file, tensor, read));
  assert_memory_equal(read, a, sizeof a);
  weft_safetensors_close(&file);
  weft_dataset *data;
  assert_ok(weft_safetensors_dataset_open(path, (char *[]){"layer.0.weight", "b"}, 2, &data));
  assert_true(data->count == 3);
  assert_ok(weft_dataset_read(data, 0, (int64_t[]){2}, 1, read));
  assert_true(read[0] == 5 && read[1] == 6);
  weft_dataset_destroy(data);
  assert_fails(weft_safetensors_write(path, (weft_named_tensor[]){tensors[1], tensors[1]}, 2, NULL), WEFT_INTERNAL, "two tensors are named");
}

static void test_safetensors_damage(void **state) {
  static const struct { const char *header; size_t data; const char *says; } cases[] = {
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4, "'a' ends at byte|cut short"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "4 bytes stored|take 8"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 12, "4 bytes after the last tensor"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, "belong to no tensor"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}", 3, "overlaps"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}", 4, "duplicate"},
      {"{\"a\":{\"dtype\":\"Q4\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2, "dtype Q4"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[-2],\"data_offsets\":[0,2]}}", 2, "extent"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, "too large"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,0]}}", 2, "backwards"},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2]}}", 2, "no data_offsets"},
      {"{\"a\":7}", 0, "no dtype"},
      {"{\"__metadata__\":{\"a\":7}}", 0, "no string"},
      {"[1]", 0, "no JSON object"},
      {"{\"a\":", 0, "the header"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_fails(open_safetensors_text(cases[i].header, cases[i].data), WEFT_BAD_INPUT, cases[i].says);
  weft_safetensors file;
  assert_fails(weft_safetensors_open(scratch_write(&s, "x", "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10), &file), WEFT_BAD_INPUT, "byte 0");
  assert_fails(weft_safetensors_open(scratch_write(&s, "y", "abc", 3), &file), WEFT_BAD_INPUT, "too short");
}

// ---- tokens and text --------------------------------------------------------------------------------------------------

static void test_tokens_windows_and_shift(void **state) {
  uint16_t tokens[10];
  for (int i = 0; i < 10; i++) tokens[i] = (uint16_t)(60000 + i);
  const char *path = scratch_write(&s, "t.bin", tokens, sizeof tokens);
  weft_dataset *data;
  assert_ok(weft_tokens_open(path, &(weft_token_options){.length = 3, .to = 1}, &data));
  assert_int_equal(data->count, 3);   // 0..3, 3..6, 6..9; the last needs token 9 for y
  int32_t x[6], y[6];
  assert_ok(weft_dataset_read(data, 0, (int64_t[]){2, 0}, 2, x));
  assert_ok(weft_dataset_read(data, 1, (int64_t[]){2, 0}, 2, y));
  assert_memory_equal(x, ((int32_t[]){60006, 60007, 60008, 60000, 60001, 60002}), sizeof x);
  assert_memory_equal(y, ((int32_t[]){60007, 60008, 60009, 60001, 60002, 60003}), sizeof y);
  weft_dataset_destroy(data);
  assert_ok(weft_tokens_open(path, &(weft_token_options){.length = 3, .stride = 1, .from = 0.5, .to = 1}, &data));
  assert_int_equal(data->count, 2);
  assert_ok(weft_dataset_read(data, 0, (int64_t[]){1}, 1, x));
  assert_int_equal(x[0], 60006);
  weft_dataset_destroy(data);
  assert_fails(weft_tokens_open(path, &(weft_token_options){.length = 10, .to = 1}, &data), WEFT_BAD_INPUT, "10 tokens|do not fit");
  assert_fails(weft_tokens_open(scratch_write(&s, "odd", "abc", 3), &(weft_token_options){.length = 1, .to = 1}, &data), WEFT_BAD_INPUT,
               "odd: byte 2: half a token");
}

static void test_text_by_bytes_and_by_characters(void **state) {
  const char *path = scratch_write(&s, "t.txt", "b\xc3\xa4""ab", 5);   // "bäab"
  weft_dataset *data;
  int32_t x[4];
  assert_ok(weft_text_open(path, &(weft_token_options){.length = 4, .to = 1}, &data));
  assert_int_equal(data->vocabulary_count, 256);
  assert_ok(weft_dataset_read(data, 0, (int64_t[]){0}, 1, x));
  assert_memory_equal(x, ((int32_t[]){'b', 0xc3, 0xa4, 'a'}), sizeof x);
  weft_dataset_destroy(data);
  assert_ok(weft_text_open(path, &(weft_token_options){.length = 3, .to = 1, .characters = true}, &data));
  assert_int_equal(data->vocabulary_count, 3);
  assert_string_equal(data->vocabulary[0], "a");
  assert_string_equal(data->vocabulary[2], "\xc3\xa4");
  assert_ok(weft_dataset_read(data, 0, (int64_t[]){0}, 1, x));
  assert_memory_equal(x, ((int32_t[]){1, 2, 0}), 12);
  char where[200];
  weft_dataset_where(data, 1, 0, where, sizeof where);
  assert_non_null(strstr(where, "byte 1"));
  weft_dataset_destroy(data);
  assert_fails(weft_text_open(scratch_write(&s, "bad", "ok\xff", 3), &(weft_token_options){.length = 1, .to = 1, .characters = true}, &data),
               WEFT_BAD_INPUT, "bad: byte 2: not UTF-8");
}

// ---- unpacked copies ------------------------------------------------------------------------------------------------

enum { LARGE_ROWS = 1500, LARGE_ROW = 28 * 28, LARGE = 16 + LARGE_ROWS * LARGE_ROW };

static uint8_t large_pixel(int64_t row, int at) { return (uint8_t)(row * 7 + at * 3 + (row ^ at) / 5); }

static const char *write_large(void) {
  uint8_t *bytes = malloc(LARGE);
  memcpy(bytes, (uint8_t[]){0, 0, 8, 3, 0, 0, LARGE_ROWS >> 8, LARGE_ROWS & 255, 0, 0, 0, 28, 0, 0, 0, 28}, 16);
  for (int64_t i = 0; i < LARGE_ROWS * LARGE_ROW; i++) bytes[16 + i] = large_pixel(i / LARGE_ROW, (int)(i % LARGE_ROW));
  const char *path = write_gz("large.gz", bytes, LARGE);
  free(bytes);
  return path;
}

static void expect_large(const char *path, const char *folder) {
  weft_dataset *data;
  uint8_t row[LARGE_ROW], want[LARGE_ROW];
  assert_ok(weft_idx_open((char *[]){(char *)path}, 1, folder, &data));
  assert_int_equal(data->count, LARGE_ROWS);
  for (int64_t i = 0; i < LARGE_ROWS; i++) {
    for (int k = 0; k < LARGE_ROW; k++) want[k] = large_pixel(i, k);
    assert_ok(weft_dataset_read(data, 0, &i, 1, row));
    assert_memory_equal(row, want, LARGE_ROW);
  }
  weft_dataset_destroy(data);
}

// Other bytes of the same size and time.
static void spoil_keeping_the_time(const char *path) {
  struct stat before;
  assert_int_equal(stat(path, &before), 0);
  FILE *file = fopen(path, "r+b");
  fseek(file, before.st_size / 2, SEEK_SET);
  for (int i = 0; i < 64; i++) fputc(0x55, file);
  fclose(file);
  assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[]){before.st_atim, before.st_mtim}, 0), 0);
}

static void test_a_copy_serves_in_place_of_its_file(void **state) {
  const char *path = write_large();
  weft_dataset *data;
  expect_large(path, s.folder);
  char *copy = weft_unpacked_path(s.folder, path);
  struct stat status;
  assert_int_equal(stat(copy, &status), 0);
  spoil_keeping_the_time(path);
  expect_large(path, s.folder);   // the file itself can no longer be read
  assert_fails(weft_idx_open((char *[]){(char *)path}, 1, NULL, &data), WEFT_BAD_INPUT, "large.gz");
  assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[]){{1, 0}, {1, 0}}, 0), 0);
  assert_fails(weft_idx_open((char *[]){(char *)path}, 1, s.folder, &data), WEFT_BAD_INPUT, "large.gz");   // another file since
  free(copy);
}

static void test_a_damaged_copy_is_made_again(void **state) {
  const char *path = write_large();
  expect_large(path, s.folder);
  char *copy = weft_unpacked_path(s.folder, path);
  for (int i = 0; i < 40; i++) {
    FILE *file = fopen(copy, "r+b");
    long at = i < 20 ? LARGE + i : (long)i * (LARGE / 40);   // the trailer; the bytes
    fseek(file, at, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, at, SEEK_SET);
    fputc(byte ^ (1 << i % 8), file);
    fclose(file);
    expect_large(path, s.folder);
  }
  assert_int_equal(truncate(copy, LARGE / 2), 0);
  expect_large(path, s.folder);
  assert_int_equal(truncate(copy, 0), 0);
  expect_large(path, s.folder);
  spoil_keeping_the_time(path);
  expect_large(path, s.folder);   // the last copy is whole
  free(copy);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
      T(test_idx_gives_samples_by_number), T(test_idx_wide_types_are_big_endian), T(test_idx_damage_names_file_and_byte),
      T(test_a_copy_serves_in_place_of_its_file), T(test_a_damaged_copy_is_made_again),
      T(test_cifar_reads_both_splits), T(test_cifar_damage), T(test_npy_round_trip), T(test_npy_damage), T(test_npz_members_by_name),
      T(test_npz_survives_any_damage), T(test_safetensors_round_trip), T(test_safetensors_damage), T(test_tokens_windows_and_shift),
      T(test_text_by_bytes_and_by_characters),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
