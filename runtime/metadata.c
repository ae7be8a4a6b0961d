#include "runtime/metadata.h"

#include <stdlib.h>
#include <string.h>
#include "runtime/json.h"
#include "runtime/memory.h"

static weft_status *damaged(const char *what) { return weft_fail(WEFT_BAD_INPUT, "the program's metadata: %s", what); }

static weft_status *read_texts(const json_t *array, char ***out, int *out_count) {
  size_t count = json_array_size(array);
  TRY(weft_allocate(count, sizeof **out, out));
  for (size_t i = 0; i < count; i++) {
    const char *text = json_string_value(json_array_get(array, i));
    if (!text) return damaged("a text was expected");
    TRY(weft_copy_text(text, &(*out)[i]));
    *out_count = (int)i + 1;
  }
  return NULL;
}

static weft_status *read_options(json_t *object, weft_source *out) {
  const char *key;
  json_t *value;
  TRY(weft_allocate(json_object_size(object), sizeof *out->options, &out->options));
  json_object_foreach(object, key, value) {
    weft_option *option = &out->options[out->option_count++];
    if (!json_is_string(value)) return damaged("the value of an option is no text");
    TRY(weft_copy_text(key, &option->key));
    TRY(weft_copy_text(json_string_value(value), &option->value));
  }
  return NULL;
}

static weft_status *read_source(const json_t *object, bool test, weft_source *out, bool *out_given) {
  *out_given = json_is_object(object);
  if (!*out_given) return NULL;
  const char *kind = json_string_value(json_object_get(object, "kind"));
  if (!kind) return damaged("a source without a kind");
  out->test = test;
  TRY(weft_copy_text(kind, &out->kind));
  TRY(read_texts(json_object_get(object, "args"), &out->args, &out->arg_count));
  return read_options(json_object_get(object, "options"), out);
}

static weft_status *read_count(const json_t *object, const char *key, int64_t *out) {
  *out = json_integer_value(json_object_get(object, key));
  return *out < 0 ? damaged("a negative count") : NULL;
}

static weft_status *read_all(const json_t *object, weft_metadata *out) {
  const char *net = json_string_value(json_object_get(object, "net"));
  int64_t top;
  if (!json_is_object(object)) return damaged("no JSON object");
  TRY(weft_copy_text(net ? net : "", &out->net));
  TRY(read_source(json_object_get(object, "data"), false, &out->data, &out->has_data));
  TRY(read_source(json_object_get(object, "test"), true, &out->test, &out->has_test));
  TRY(read_count(object, "batch", &out->batch));
  TRY(read_count(object, "epochs", &out->epochs));
  TRY(read_count(object, "steps", &out->steps));
  out->seed = json_integer_value(json_object_get(object, "seed"));   // any number is a seed
  TRY(read_count(object, "classes", &out->classes));
  TRY(read_count(object, "top", &top));
  out->top = top > 1000 ? 1000 : (int)top;
  return read_texts(json_object_get(object, "labels"), &out->labels, &out->label_count);
}

weft_status *weft_metadata_parse(const char *json, weft_metadata *out) {
  *out = (weft_metadata){0};
  if (!json || !*json) return NULL;
  json_t *object = NULL;
  TRY(weft_json_parse(json, strlen(json), "the program's metadata", 0, &object));
  weft_status *failed = read_all(object, out);
  json_decref(object);
  if (failed) weft_metadata_deinit(out);
  return failed;
}

static void free_source(weft_source *source) {
  free(source->kind);
  for (int i = 0; i < source->arg_count; i++) free(source->args[i]);
  for (int i = 0; i < source->option_count; i++) {
    free(source->options[i].key);
    free(source->options[i].value);
  }
  free(source->args);
  free(source->options);
}

void weft_metadata_deinit(weft_metadata *metadata) {
  free(metadata->net);
  free_source(&metadata->data);
  free_source(&metadata->test);
  for (int i = 0; i < metadata->label_count; i++) free(metadata->labels[i]);
  free(metadata->labels);
  *metadata = (weft_metadata){0};
}
