// Opens a dataset as a train block names it.
#include <stdlib.h>
#include <string.h>
#include "runtime/data/dataset.h"
#include "runtime/memory.h"

typedef struct opening {
  const weft_source *source;
  char **paths;              // located file arguments
  int path_count;
  const char *unpacked;      // folder of unpacked copies, or NULL
  weft_dataset **out;
} opening;

static const char *option_text(const weft_source *source, const char *key) {
  for (int i = 0; i < source->option_count; i++)
    if (strcmp(source->options[i].key, key) == 0) return source->options[i].value;
  return NULL;
}

// Argument `position`, else option `key`, else `otherwise`.
static weft_status *number(const weft_source *source, int position, const char *key, double otherwise, double *out) {
  const char *text = position >= 0 && position < source->arg_count ? source->args[position] : option_text(source, key);
  char *end;
  *out = text ? strtod(text, &end) : otherwise;
  if (text && (*end || end == text)) return weft_fail(WEFT_BAD_INPUT, "%s: %s should be a number, not '%s'", source->kind, key, text);
  return NULL;
}

static weft_status *count(const weft_source *source, int position, const char *key, int64_t otherwise, int64_t *out) {
  *out = 0;
  double value = 0;
  TRY(number(source, position, key, (double)otherwise, &value));
  if (!(value >= 0 && value < 1e15) || value != (double)(int64_t)value)
    return weft_fail(WEFT_BAD_INPUT, "%s: %s should be a count, not %g", source->kind, key, value);
  *out = (int64_t)value;
  return NULL;
}

static weft_status *open_idx(opening *o) { return weft_idx_open(o->paths, o->path_count, o->unpacked, o->out); }
static weft_status *open_npy(opening *o) { return weft_npy_open(o->paths, o->path_count, o->out); }

static weft_status *open_cifar10(opening *o) {
  const char *split = o->source->arg_count > 1 ? o->source->args[1] : option_text(o->source, "split");
  if (!split) split = o->source->test ? "test" : "train";
  if (strcmp(split, "train") != 0 && strcmp(split, "test") != 0)
    return weft_fail(WEFT_BAD_INPUT, "cifar10: split should be \"train\" or \"test\", not \"%s\"", split);
  return weft_cifar10_open(o->paths[0], strcmp(split, "test") == 0, o->out);
}

// Further arguments name arrays.
static weft_status *open_archive(opening *o, weft_status *(*open)(const char *, char *const *, int, weft_dataset **)) {
  int names = o->source->arg_count - 1;
  return open(o->paths[0], names ? o->source->args + 1 : NULL, names, o->out);
}
static weft_status *open_npz(opening *o) { return open_archive(o, weft_npz_open); }
static weft_status *open_safetensors(opening *o) { return open_archive(o, weft_safetensors_dataset_open); }

static weft_status *token_options(const weft_source *source, weft_token_options *out) {
  *out = (weft_token_options){0};
  TRY(count(source, 1, "length", 0, &out->length));
  TRY(count(source, -1, "stride", 0, &out->stride));
  TRY(number(source, -1, "from", 0, &out->from));
  TRY(number(source, -1, "to", 1, &out->to));
  const char *ids = option_text(source, "ids");
  if (ids && strcmp(ids, "bytes") != 0 && strcmp(ids, "characters") != 0)
    return weft_fail(WEFT_BAD_INPUT, "%s: ids should be \"bytes\" or \"characters\", not \"%s\"", source->kind, ids);
  out->characters = ids && strcmp(ids, "characters") == 0;
  return NULL;
}

static weft_status *open_tokens(opening *o) {
  weft_token_options options;
  TRY(token_options(o->source, &options));
  return weft_tokens_open(o->paths[0], &options, o->out);
}

static weft_status *open_text(opening *o) {
  weft_token_options options;
  TRY(token_options(o->source, &options));
  return weft_text_open(o->paths[0], &options, o->out);
}

static weft_status *open_folder(opening *o) {
  int64_t height = 0, width = 0, channels = 0;
  TRY(count(o->source, 1, "height", 0, &height));
  TRY(count(o->source, 2, "width", 0, &width));
  TRY(count(o->source, 3, "channels", 3, &channels));
  if ((height == 0) != (width == 0) || height > 32768 || width > 32768 || channels > 3)
    return weft_fail(WEFT_BAD_INPUT, "folder: give height and width, both 1 to 32768, or neither; channels is 1 or 3");
  return weft_folder_open(o->paths[0], (int)height, (int)width, (int)channels, o->out);
}

// all_paths: every argument is a file; else only the first. options: the keys that are known.
static const struct source_kind {
  const char *name;
  bool all_paths;
  int least, most;      // arguments
  const char *options;  // each within spaces
  weft_status *(*open)(opening *);
} source_kinds[] = {
    {"idx", true, 1, 16, "", open_idx},
    {"cifar10", false, 1, 2, " split ", open_cifar10},
    {"npy", true, 1, 16, "", open_npy},
    {"npz", false, 1, 16, "", open_npz},
    {"safetensors", false, 1, 16, "", open_safetensors},
    {"tokens", false, 1, 2, " length stride from to ", open_tokens},
    {"text", false, 1, 2, " length stride from to ids ", open_text},
    {"folder", false, 1, 4, " height width channels ", open_folder},
};

static const struct source_kind *find_kind(const char *name) {
  for (size_t i = 0; i < sizeof source_kinds / sizeof *source_kinds; i++)
    if (strcmp(source_kinds[i].name, name) == 0) return &source_kinds[i];
  return NULL;
}

static weft_status *check_source(const struct source_kind *kind, const weft_source *source) {
  if (!kind)
    return weft_fail(WEFT_BAD_INPUT, "no data source '%s'; there are idx cifar10 npy npz safetensors tokens text folder", source->kind);
  if (source->arg_count < kind->least || source->arg_count > kind->most)
    return weft_fail(WEFT_BAD_INPUT, "%s takes %d to %d arguments, not %d", kind->name, kind->least, kind->most, source->arg_count);
  for (int i = 0; i < source->option_count; i++) {
    char word[64] = " ";
    strncat(word, source->options[i].key, sizeof word - 3);
    if (!strstr(kind->options, strcat(word, " ")))
      return weft_fail(WEFT_BAD_INPUT, "%s has no option '%s'%s%s", kind->name, source->options[i].key,
                       *kind->options ? "; there are:" : "", kind->options);
  }
  return NULL;
}

weft_status *weft_dataset_open(const weft_source *source, const weft_data_paths *paths, weft_dataset **out) {
  *out = NULL;
  const struct source_kind *kind = find_kind(source->kind);
  TRY(check_source(kind, source));
  opening opening = {.source = source, .unpacked = paths->unpacked, .out = out};
  int files = kind->all_paths ? source->arg_count : 1;
  TRY(weft_allocate((size_t)files, sizeof *opening.paths, &opening.paths));
  weft_status *failed = NULL;
  for (int i = 0; i < files && !failed; i++) {
    failed = weft_data_locate(paths, source->args[i], &opening.paths[i]);
    opening.path_count++;
  }
  if (!failed) failed = kind->open(&opening);
  for (int i = 0; i < opening.path_count; i++) free(opening.paths[i]);
  free(opening.paths);
  return failed;
}
