// safetensors files (https://github.com/huggingface/safetensors): 8 bytes of header length, a JSON header with dtype,
// shape and byte range of each tensor, then the bytes. A file from anywhere is checked whole before it is believed.
#ifndef WEFT_RUNTIME_SAFETENSORS_H
#define WEFT_RUNTIME_SAFETENSORS_H
#include <jansson.h>
#include "ir/types.h"
#include "runtime/file.h"

typedef struct weft_stored_tensor {
  char *name;
  wf_dtype dtype;
  int rank;
  int64_t extents[WEFT_MAX_RANK];
  int64_t offset, bytes;          // in the file
} weft_stored_tensor;

typedef struct weft_safetensors {
  weft_file file;
  weft_stored_tensor *tensors;    // in the order of their bytes
  int count;
  json_t *metadata;               // object of strings; NULL where the file has none
} weft_safetensors;

weft_status *weft_safetensors_open(const char *path, weft_safetensors *out);
// The bytes of such a file, borrowed until it is closed; name: for messages.
weft_status *weft_safetensors_open_memory(const char *name, const void *data, size_t size, weft_safetensors *out);
void weft_safetensors_close(weft_safetensors *file);   // also of a zeroed struct
const weft_stored_tensor *weft_safetensors_find(const weft_safetensors *file, const char *name);
// `to` has room for tensor->bytes.
weft_status *weft_safetensors_read(const weft_safetensors *file, const weft_stored_tensor *tensor, void *to);

// Replaces the file at `path` as a whole (file.h). metadata: object of strings, borrowed, may be NULL.
weft_status *weft_safetensors_write(const char *path, const weft_named_tensor *tensors, int count, const json_t *metadata);
// The same bytes in memory, heap.
weft_status *weft_safetensors_serialize(const weft_named_tensor *tensors, int count, const json_t *metadata, weft_bytes *out);

#endif
