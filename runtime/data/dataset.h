// Training data behind one interface: samples are read by number into arrays, whatever the file format.
// One thread at a time reads a dataset.
#ifndef WEFT_RUNTIME_DATASET_H
#define WEFT_RUNTIME_DATASET_H
#include "ir/types.h"
#include "runtime/file.h"
#include "runtime/status.h"

// One part of a sample: the picture, its label, a row of tokens.
typedef struct weft_field {
  char *name;
  wf_dtype dtype;
  int rank;
  int64_t extents[WEFT_MAX_RANK];   // of one sample
  bool picture;                     // u8 pixels: a reader that wants floats divides by 255
} weft_field;

typedef struct weft_dataset weft_dataset;

typedef struct weft_dataset_class {
  // Field `field` of `count` samples to `to`, one after the other, in the field's dtype.
  weft_status *(*read)(weft_dataset *dataset, int field, const int64_t *indices, int64_t count, void *to);
  // The file and byte offset of a sample's field, for messages: "labels.gz: byte 12". Truncates to `size`.
  void (*where)(const weft_dataset *dataset, int field, int64_t index, char *text, size_t size);
  void (*destroy)(weft_dataset *dataset);   // the reader's own part; not the fields
} weft_dataset_class;

struct weft_dataset {
  const weft_dataset_class *class;
  weft_field *fields;
  int field_count;
  int64_t count;                    // samples
  char **classes; int class_count;  // names of the classes where the source has them (image folders), else NULL
  char **vocabulary; int vocabulary_count;   // text: UTF-8 of each id, else NULL
};

size_t weft_field_bytes(const weft_field *field);   // of one sample
weft_status *weft_dataset_read(weft_dataset *dataset, int field, const int64_t *indices, int64_t count, void *to);
void weft_dataset_where(const weft_dataset *dataset, int field, int64_t index, char *text, size_t size);
void weft_dataset_destroy(weft_dataset *dataset);   // also NULL

// ---- sources ----------------------------------------------------------------------------------------------------

// Where relative names are looked up; NULL members are skipped. unpacked: a folder that keeps unpacked copies of gzip files, or NULL.
typedef struct weft_data_paths { const char *data_folder, *net_folder, *unpacked; } weft_data_paths;
// The full path of `name` (file or folder): as it is where absolute, else in data_folder, net_folder, $WEFT_DATA,
// /usr/share/datasets and its sub-folders. A missing ".gz" is tried. Absent: WEFT_ENVIRONMENT with what was looked
// for, where, and how to get it.
weft_status *weft_data_locate(const weft_data_paths *paths, const char *name, char **out);

// A source as a train block names it: idx("a.gz", "b.gz"), text("x.txt", 64, to=0.9). Values are text.
typedef struct weft_option { char *key, *value; } weft_option;
typedef struct weft_source {
  char *kind;                             // idx cifar10 npy npz safetensors tokens text folder
  char **args; int arg_count;
  weft_option *options; int option_count;
  bool test;                              // it stands for the test set: decides the default split
} weft_source;
weft_status *weft_dataset_open(const weft_source *source, const weft_data_paths *paths, weft_dataset **out);

// ---- readers (each takes full paths) ------------------------------------------------------------------------------

// One file a field, plain or gzip; the first axis counts samples. unpacked: as in weft_data_paths.
weft_status *weft_idx_open(char *const *paths, int count, const char *unpacked, weft_dataset **out);
// The binary version of CIFAR-10: data_batch_1..5.bin, or test_batch.bin. Fields image u8[3, 32, 32], label u8.
weft_status *weft_cifar10_open(const char *folder, bool test, weft_dataset **out);
// One .npy a field, named x, y, then field2...; the first axis counts samples.
weft_status *weft_npy_open(char *const *paths, int count, weft_dataset **out);
// Arrays of an archive; names NULL: all in the file's order.
weft_status *weft_npz_open(const char *path, char *const *names, int count, weft_dataset **out);
weft_status *weft_safetensors_dataset_open(const char *path, char *const *names, int count, weft_dataset **out);

typedef struct weft_token_options {
  int64_t length;      // tokens of a sample
  int64_t stride;      // from one sample's first token to the next one's; 0: length
  double from, to;     // the part of the file, as fractions
  bool characters;     // text: ids number the distinct characters in order, else they are the bytes
} weft_token_options;
// u16 little-endian. Fields x and y, i32[length]; y is x moved by one token.
weft_status *weft_tokens_open(const char *path, const weft_token_options *options, weft_dataset **out);
weft_status *weft_text_open(const char *path, const weft_token_options *options, weft_dataset **out);

// One sub-folder a class (sorted by name), JPEG and PNG files in it (sorted). Fields image u8[channels, height, width],
// label i32. height, width 0: the first picture's, and all must have it; else pictures are resized. channels 1 or 3.
weft_status *weft_folder_open(const char *folder, int height, int width, int channels, weft_dataset **out);

// ---- help for readers ---------------------------------------------------------------------------------------------

// An empty dataset with room for fields; `size` bytes hold the reader's own struct, which starts with a weft_dataset.
weft_status *weft_dataset_make(const weft_dataset_class *class, size_t size, int field_count, void *out);
weft_status *weft_field_set(weft_field *field, const char *name, wf_dtype dtype, int rank, const int64_t *extents);
// elements * bytes without overflow; false where it does not fit in 2^62.
bool weft_shape_bytes(wf_dtype dtype, int rank, const int64_t *extents, int64_t *out);

// A dataset of whole arrays in memory or in one file: the shared reader of idx, npy, npz and safetensors.
typedef struct weft_array {
  char *name, *path;                // path: for messages and, where data is NULL, the open file's
  wf_dtype dtype;
  int rank;
  int64_t extents[WEFT_MAX_RANK];
  uint8_t *data;                    // heap, owned; NULL: in `file`
  weft_file file;
  int64_t offset;                   // of the first element in the (unpacked) file
  bool packed;                      // offsets count unpacked bytes
  bool picture;
} weft_array;
void weft_array_deinit(weft_array *array);
// Takes over the arrays (also when it fails). They need rank >= 1 and the same first extent.
weft_status *weft_arrays_dataset(weft_array *arrays, int count, weft_dataset **out);

#endif
