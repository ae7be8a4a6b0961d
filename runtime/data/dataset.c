#include "runtime/data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include "runtime/memory.h"

bool weft_shape_bytes(wf_dtype dtype, int rank, const int64_t *extents, int64_t *out) {
  int64_t total = wf_dtype_bytes(dtype);
  bool empty = false;
  for (int i = 0; i < rank; i++) {
    if (extents[i] < 0) return false;
    if (extents[i] == 0) empty = true;
    else if (__builtin_mul_overflow(total, extents[i], &total) || total > (int64_t)1 << 62) return false;
  }
  *out = empty ? 0 : total;
  return true;
}

size_t weft_field_bytes(const weft_field *field) {
  int64_t bytes = 0;
  return weft_shape_bytes(field->dtype, field->rank, field->extents, &bytes) ? (size_t)bytes : 0;
}

weft_status *weft_dataset_make(const weft_dataset_class *class, size_t size, int field_count, void *out) {
  weft_dataset *dataset = NULL;
  TRY(weft_allocate(1, size, out));
  dataset = *(weft_dataset **)out;
  dataset->class = class;
  weft_status *failed = weft_allocate((size_t)field_count, sizeof *dataset->fields, &dataset->fields);
  if (failed) {
    free(dataset);
    *(weft_dataset **)out = NULL;
  } else dataset->field_count = field_count;
  return failed;
}

weft_status *weft_field_set(weft_field *field, const char *name, wf_dtype dtype, int rank, const int64_t *extents) {
  field->dtype = dtype;
  field->rank = rank;
  for (int i = 0; i < rank; i++) field->extents[i] = extents[i];
  return weft_copy_text(name, &field->name);
}

weft_status *weft_dataset_read(weft_dataset *dataset, int field, const int64_t *indices, int64_t count, void *to) {
  for (int64_t i = 0; i < count; i++)
    if (indices[i] < 0 || indices[i] >= dataset->count)
      return weft_fail(WEFT_INTERNAL, "sample %lld of %lld was asked for", (long long)indices[i], (long long)dataset->count);
  return dataset->class->read(dataset, field, indices, count, to);
}

void weft_dataset_where(const weft_dataset *dataset, int field, int64_t index, char *text, size_t size) {
  dataset->class->where(dataset, field, index, text, size);
}

static void free_texts(char **texts, int count) {
  for (int i = 0; texts && i < count; i++) free(texts[i]);
  free(texts);
}

void weft_dataset_destroy(weft_dataset *dataset) {
  if (!dataset) return;
  dataset->class->destroy(dataset);
  for (int i = 0; i < dataset->field_count; i++) free(dataset->fields[i].name);
  free(dataset->fields);
  free_texts(dataset->classes, dataset->class_count);
  free_texts(dataset->vocabulary, dataset->vocabulary_count);
  free(dataset);
}
