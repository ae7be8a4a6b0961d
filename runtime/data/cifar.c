// The binary version of CIFAR-10 (https://www.cs.toronto.edu/~kriz/cifar.html): records of one label byte and
// 3072 pixel bytes (red, green, blue planes of 32x32).
#include <stdio.h>
#include <stdlib.h>
#include "runtime/data/dataset.h"
#include "runtime/memory.h"

enum { RECORD = 3073, CLASSES = 10, FILES = 5 };

typedef struct cifar_dataset {
  weft_dataset base;
  weft_file files[FILES];
  int64_t first[FILES + 1];   // number of the first sample of each file
  int file_count;
} cifar_dataset;

static const weft_file *find_record(const cifar_dataset *self, int64_t index, int64_t *out_offset) {
  int file = 0;
  while (index >= self->first[file + 1]) file++;
  *out_offset = (index - self->first[file]) * RECORD;
  return &self->files[file];
}

static weft_status *read_records(weft_dataset *dataset, int field, const int64_t *indices, int64_t count, void *to) {
  size_t bytes = field == 0 ? RECORD - 1 : 1;
  for (int64_t i = 0; i < count; i++) {
    int64_t offset;
    const weft_file *file = find_record((cifar_dataset *)dataset, indices[i], &offset);
    TRY(weft_file_read_at(file, offset + (field == 0), (char *)to + (size_t)i * bytes, bytes));
  }
  return NULL;
}

static void where_record(const weft_dataset *dataset, int field, int64_t index, char *text, size_t size) {
  int64_t offset;
  const weft_file *file = find_record((const cifar_dataset *)dataset, index, &offset);
  snprintf(text, size, "%s: byte %lld", file->path, (long long)offset + (field == 0));
}

static void destroy_cifar(weft_dataset *dataset) {
  cifar_dataset *self = (cifar_dataset *)dataset;
  for (int i = 0; i < self->file_count; i++) weft_file_close(&self->files[i]);
}

static const weft_dataset_class cifar_class = {read_records, where_record, destroy_cifar};

static weft_status *check_labels(const weft_file *file) {
  for (int64_t offset = 0; offset < file->size; offset += RECORD) {
    uint8_t label;
    TRY(weft_file_read_at(file, offset, &label, 1));
    if (label >= CLASSES)
      return weft_fail(WEFT_BAD_INPUT, "%s: byte %lld: label %d, CIFAR-10 has 0 to 9", file->path, (long long)offset, label);
  }
  return NULL;
}

static weft_status *add_file(cifar_dataset *self, const char *folder, const char *name) {
  char *path = NULL;
  TRY(weft_format_text(&path, "%s/%s", folder, name));
  weft_file *file = &self->files[self->file_count];
  weft_status *failed = weft_file_open(path, file);
  free(path);
  TRY(failed);
  self->file_count++;
  if (file->size == 0 || file->size % RECORD != 0)
    return weft_fail(WEFT_BAD_INPUT, "%s: %lld bytes is no whole number of %d-byte CIFAR-10 records (it breaks off at byte %lld)",
                     file->path, (long long)file->size, RECORD, (long long)(file->size / RECORD * RECORD));
  self->first[self->file_count] = self->first[self->file_count - 1] + file->size / RECORD;
  return check_labels(file);
}

static weft_status *add_files(cifar_dataset *self, const char *folder, bool test) {
  if (test) TRY(add_file(self, folder, "test_batch.bin"));
  for (int i = 1; !test && i <= FILES; i++) {
    char name[32];
    snprintf(name, sizeof name, "data_batch_%d.bin", i);
    TRY(add_file(self, folder, name));
  }
  self->base.count = self->first[self->file_count];
  self->base.fields[0].picture = true;
  TRY(weft_field_set(&self->base.fields[0], "image", WF_U8, 3, (int64_t[]){3, 32, 32}));
  return weft_field_set(&self->base.fields[1], "label", WF_U8, 0, NULL);
}

weft_status *weft_cifar10_open(const char *folder, bool test, weft_dataset **out) {
  *out = NULL;
  cifar_dataset *self;
  TRY(weft_dataset_make(&cifar_class, sizeof *self, 2, &self));
  weft_status *failed = add_files(self, folder, test);
  if (failed) weft_dataset_destroy(&self->base);
  else *out = &self->base;
  return failed;
}
