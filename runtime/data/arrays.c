// A dataset of whole arrays: sample i is row i of each.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/data/dataset.h"
#include "runtime/memory.h"

typedef struct arrays_dataset {
  weft_dataset base;
  weft_array *arrays;
} arrays_dataset;

void weft_array_deinit(weft_array *array) {
  free(array->name);
  free(array->path);
  free(array->data);
  weft_file_close(&array->file);
}

static weft_status *read_rows(weft_dataset *dataset, int field, const int64_t *indices, int64_t count, void *to) {
  const weft_array *array = &((arrays_dataset *)dataset)->arrays[field];
  size_t row = weft_field_bytes(&dataset->fields[field]);
  for (int64_t i = 0; i < count; i++) {
    int64_t at = indices[i] * (int64_t)row;
    if (array->data) memcpy((char *)to + (size_t)i * row, array->data + at, row);
    else TRY(weft_file_read_at(&array->file, array->offset + at, (char *)to + (size_t)i * row, row));
  }
  return NULL;
}

static void where_row(const weft_dataset *dataset, int field, int64_t index, char *text, size_t size) {
  const weft_array *array = &((const arrays_dataset *)dataset)->arrays[field];
  int64_t at = array->offset + index * (int64_t)weft_field_bytes(&dataset->fields[field]);
  snprintf(text, size, "%s: byte %lld%s", array->path, (long long)at, array->packed ? " (unpacked)" : "");
}

static void destroy_arrays(weft_dataset *dataset) {
  arrays_dataset *self = (arrays_dataset *)dataset;
  for (int i = 0; self->arrays && i < dataset->field_count; i++) weft_array_deinit(&self->arrays[i]);
  free(self->arrays);
}

static const weft_dataset_class arrays_class = {read_rows, where_row, destroy_arrays};

static weft_status *check_arrays(const weft_array *arrays, int count) {
  if (count == 0) return weft_fail(WEFT_BAD_INPUT, "a dataset needs at least one array");
  for (int i = 0; i < count; i++) {
    const weft_array *array = &arrays[i];
    if (array->rank < 1) return weft_fail(WEFT_BAD_INPUT, "%s: '%s' is a scalar; data needs a first axis that counts samples", array->path, array->name);
    if (array->extents[0] != arrays[0].extents[0])
      return weft_fail(WEFT_BAD_INPUT, "%s: %lld samples, but %s has %lld", array->path, (long long)array->extents[0],
                       arrays[0].path, (long long)arrays[0].extents[0]);
    if (array->extents[0] == 0) return weft_fail(WEFT_BAD_INPUT, "%s: no samples", array->path);
  }
  return NULL;
}

weft_status *weft_arrays_dataset(weft_array *arrays, int count, weft_dataset **out) {
  *out = NULL;
  arrays_dataset *self = NULL;
  weft_status *failed = check_arrays(arrays, count);
  if (!failed) failed = weft_dataset_make(&arrays_class, sizeof *self, count, &self);
  if (failed) {
    for (int i = 0; i < count; i++) weft_array_deinit(&arrays[i]);
    free(arrays);
    return failed;
  }
  self->arrays = arrays;
  self->base.count = arrays[0].extents[0];
  for (int i = 0; i < count && !failed; i++) {
    failed = weft_field_set(&self->base.fields[i], arrays[i].name, arrays[i].dtype, arrays[i].rank - 1, arrays[i].extents + 1);
    self->base.fields[i].picture = arrays[i].picture;
  }
  if (failed) weft_dataset_destroy(&self->base);
  else *out = &self->base;
  return failed;
}
