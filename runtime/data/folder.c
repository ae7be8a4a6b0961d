// Folders of pictures: one sub-folder a class.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include "runtime/data/dataset.h"
#include "runtime/data/image.h"
#include "runtime/memory.h"

typedef struct picture { char *path; int32_t label; } picture;

typedef struct folder_dataset {
  weft_dataset base;
  picture *pictures;
  int64_t capacity;
  int channels, height, width;
  bool resize;
} folder_dataset;

static weft_status *read_picture(const folder_dataset *self, const picture *picture, uint8_t *to) {
  weft_image image, resized;
  TRY(weft_image_read(picture->path, self->channels, &image));
  weft_status *failed = NULL;
  if (image.height != self->height || image.width != self->width) {
    if (self->resize) {
      failed = weft_image_resize(&image, self->height, self->width, &resized);
      weft_image_deinit(&image);
      if (!failed) image = resized;
    } else
      failed = weft_fail(WEFT_BAD_INPUT, "%s: %d x %d pixels, the first picture has %d x %d; name a height and a width to resize to",
                         picture->path, image.width, image.height, self->width, self->height);
  }
  if (!failed) memcpy(to, image.pixels, (size_t)image.channels * (size_t)image.height * (size_t)image.width);
  weft_image_deinit(&image);
  return failed;
}

static weft_status *read_pictures(weft_dataset *dataset, int field, const int64_t *indices, int64_t count, void *to) {
  folder_dataset *self = (folder_dataset *)dataset;
  size_t bytes = weft_field_bytes(&dataset->fields[0]);
  for (int64_t i = 0; i < count; i++) {
    const picture *picture = &self->pictures[indices[i]];
    if (field == 1) ((int32_t *)to)[i] = picture->label;
    else TRY(read_picture(self, picture, (uint8_t *)to + (size_t)i * bytes));
  }
  return NULL;
}

static void where_picture(const weft_dataset *dataset, int field, int64_t index, char *text, size_t size) {
  (void)field;
  snprintf(text, size, "%s", ((const folder_dataset *)dataset)->pictures[index].path);
}

static void destroy_folder(weft_dataset *dataset) {
  folder_dataset *self = (folder_dataset *)dataset;
  for (int64_t i = 0; i < dataset->count; i++) free(self->pictures[i].path);
  free(self->pictures);
}

static const weft_dataset_class folder_class = {read_pictures, where_picture, destroy_folder};

static int by_bytes(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }
static int visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static int is_picture(const struct dirent *entry) {
  const char *ending = strrchr(entry->d_name, '.');
  return visible(entry) && ending && (!strcasecmp(ending, ".png") || !strcasecmp(ending, ".jpg") || !strcasecmp(ending, ".jpeg"));
}

static weft_status *add_picture(folder_dataset *self, const char *folder, const char *name, int32_t label) {
  if (self->base.count == self->capacity) {
    int64_t capacity = self->capacity ? self->capacity * 2 : 256;
    picture *grown = realloc(self->pictures, (size_t)capacity * sizeof *grown);
    if (!grown) return weft_fail(WEFT_ENVIRONMENT, "out of memory");
    self->pictures = grown;
    self->capacity = capacity;
  }
  picture *added = &self->pictures[self->base.count];
  added->label = label;
  TRY(weft_format_text(&added->path, "%s/%s", folder, name));
  self->base.count++;
  return NULL;
}

typedef struct listing { struct dirent **entries; int count; } listing;

static weft_status *list_folder(const char *folder, int (*filter)(const struct dirent *), listing *out) {
  out->count = scandir(folder, &out->entries, filter, by_bytes);
  if (out->count >= 0) return NULL;
  *out = (listing){0};
  return weft_fail_errno(errno, "cannot read %s", folder);
}

static void free_listing(listing *list) {
  for (int i = 0; i < list->count; i++) free(list->entries[i]);
  free(list->entries);
}

static weft_status *add_class(folder_dataset *self, const char *folder, const char *name) {
  char *path = NULL;
  struct stat status;
  TRY(weft_format_text(&path, "%s/%s", folder, name));
  if (stat(path, &status) < 0 || !S_ISDIR(status.st_mode)) {   // a stray file beside the classes
    free(path);
    return NULL;
  }
  listing list = {0};
  int32_t label = self->base.class_count;
  weft_status *failed = list_folder(path, is_picture, &list);
  if (!failed && list.count == 0) failed = weft_fail(WEFT_BAD_INPUT, "%s: a class folder without .png, .jpg or .jpeg files", path);
  if (!failed) failed = weft_copy_text(name, &self->base.classes[label]);
  if (!failed) self->base.class_count++;
  for (int i = 0; i < list.count && !failed; i++) failed = add_picture(self, path, list.entries[i]->d_name, label);
  free_listing(&list);
  free(path);
  return failed;
}

static weft_status *fill_folder(folder_dataset *self, const char *folder, int height, int width, int channels) {
  listing list = {0};
  TRY(list_folder(folder, visible, &list));
  weft_status *failed = weft_allocate((size_t)list.count, sizeof *self->base.classes, &self->base.classes);
  for (int i = 0; i < list.count && !failed; i++) failed = add_class(self, folder, list.entries[i]->d_name);
  free_listing(&list);
  TRY(failed);
  if (self->base.count == 0) return weft_fail(WEFT_BAD_INPUT, "%s: no sub-folders with pictures (one a class)", folder);
  self->channels = channels;
  self->height = height;
  self->width = width;
  self->resize = height > 0 && width > 0;
  if (!self->resize) {
    weft_image first;
    TRY(weft_image_read(self->pictures[0].path, channels, &first));
    self->height = first.height;
    self->width = first.width;
    weft_image_deinit(&first);
  }
  self->base.fields[0].picture = true;
  TRY(weft_field_set(&self->base.fields[0], "image", WF_U8, 3, (int64_t[]){channels, self->height, self->width}));
  return weft_field_set(&self->base.fields[1], "label", WF_I32, 0, NULL);
}

weft_status *weft_folder_open(const char *folder, int height, int width, int channels, weft_dataset **out) {
  *out = NULL;
  if (channels != 1 && channels != 3) return weft_fail(WEFT_BAD_INPUT, "%s: channels is %d; pictures have 1 or 3", folder, channels);
  folder_dataset *self;
  TRY(weft_dataset_make(&folder_class, sizeof *self, 2, &self));
  weft_status *failed = fill_folder(self, folder, height, width, channels);
  if (failed) weft_dataset_destroy(&self->base);
  else *out = &self->base;
  return failed;
}
