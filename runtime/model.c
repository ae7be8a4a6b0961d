// Models of the public interface (weft.h): a bundle, its machine code, a session, the inputs bound so far.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/checkpoint.h"
#include "runtime/data/image.h"
#include "runtime/data/loader.h"
#include "runtime/data/npy.h"
#include "runtime/memory.h"
#include "runtime/metadata.h"
#include "runtime/program_load.h"
#include "runtime/safetensors.h"
#include "runtime/train.h"

struct weft_model {
  weft_bundle bundle;
  weft_loaded loaded;
  weft_session *session;
  weft_metadata metadata;
  int infer;                   // the plan
  weft_named_tensor *inputs;   // by input of the plan; data owned, NULL where not bound yet
  bool has_weights;
};

// ---- life -----------------------------------------------------------------------------------------------------------

static weft_status *load_part_weights(weft_model *model, const char *name) {
  const weft_part *part;
  TRY(weft_bundle_part(&model->bundle, WEFT_PART_WEIGHTS, "", &part));
  if (!part) return NULL;
  TRY(weft_weights_load_memory(model->session, name, part->data, part->size));
  model->has_weights = true;
  return NULL;
}

static weft_status *start(weft_model *model, const char *name, const weft_model_options *options) {
  TRY(weft_program_open(&model->bundle, options ? options->target : NULL, NULL, options ? options->threads : 0, &model->loaded));
  weft_session_options session = {.device = model->loaded.device, .code = model->loaded.code, .memory_limit = options ? options->memory_limit : 0};
  TRY(weft_context(weft_metadata_parse(model->bundle.program.metadata, &model->metadata), "%s", name));
  TRY(weft_context(weft_session_create(&model->bundle.program, &session, &model->session), "%s", name));
  model->infer = weft_session_plan(model->session, "infer");
  if (model->infer < 0) return weft_fail(WEFT_BAD_INPUT, "%s: a program without inference", name);
  TRY(weft_allocate((size_t)weft_session_input_count(model->session, model->infer), sizeof *model->inputs, &model->inputs));
  for (int i = 0; i < weft_session_input_count(model->session, model->infer); i++)
    model->inputs[i].name = weft_session_input(model->session, model->infer, i)->name;
  return load_part_weights(model, name);
}

// from: NULL, or the memory to read.
static weft_status *load_model(const char *name, const void *from, size_t size, const weft_model_options *options, weft_model **out) {
  weft_model *model = NULL;
  *out = NULL;
  TRY(weft_allocate(1, sizeof *model, &model));
  weft_status *failed = from ? weft_bundle_open_memory(name, from, size, &model->bundle) : weft_bundle_open(name, &model->bundle);
  if (!failed) failed = start(model, name, options);
  if (failed) weft_model_destroy(model);
  else *out = model;
  return failed;
}

weft_status *weft_model_load(const char *path, const weft_model_options *options, weft_model **out) {
  return load_model(path, NULL, 0, options, out);
}

weft_status *weft_model_load_memory(const char *name, const void *data, size_t size, const weft_model_options *options, weft_model **out) {
  return load_model(name, data, size, options, out);
}

void weft_model_destroy(weft_model *model) {
  if (!model) return;
  for (int i = 0; model->inputs && i < weft_session_input_count(model->session, model->infer); i++) free(model->inputs[i].tensor.data);
  free(model->inputs);
  weft_session_destroy(model->session);
  weft_metadata_deinit(&model->metadata);
  weft_loaded_close(&model->loaded);
  weft_bundle_close(&model->bundle);
  free(model);
}

// ---- weights --------------------------------------------------------------------------------------------------------

weft_status *weft_model_load_weights(weft_model *model, const char *path) {
  TRY(weft_weights_load(model->session, path));
  model->has_weights = true;
  return NULL;
}

weft_status *weft_model_save(weft_model *model, const char *path) {
  int count = weft_session_value_count(model->session);
  weft_named_tensor *tensors = NULL;
  TRY(weft_session_fetch_values(model->session));
  TRY(weft_allocate((size_t)count, sizeof *tensors, &tensors));
  for (int i = 0; i < count; i++) {
    const weft_value *value = weft_session_value(model->session, i);
    tensors[i] = (weft_named_tensor){value->name, value->tensor};
  }
  weft_status *failed = weft_safetensors_write(path, tensors, count, NULL);
  free(tensors);
  return failed;
}

weft_status *weft_model_train(weft_model *model, const weft_train_options *options, weft_train_result *out) {
  TRY(weft_train_program(model->session, options, out));
  model->has_weights = true;
  return NULL;
}

// ---- running --------------------------------------------------------------------------------------------------------

static const char *describe(const wf_plan_buffer *buffer, weft_dtype *out_dtype) {
  if (buffer && out_dtype) *out_dtype = (weft_dtype)buffer->dtype;
  return buffer ? buffer->name : NULL;
}

const char *weft_model_input(const weft_model *model, int index, weft_dtype *out_dtype) {
  return describe(index < 0 ? NULL : weft_session_input(model->session, model->infer, index), out_dtype);
}

const char *weft_model_output(const weft_model *model, int index, weft_dtype *out_dtype) {
  return describe(index < 0 ? NULL : weft_session_output_buffer(model->session, model->infer, index), out_dtype);
}

static weft_named_tensor *find_input(weft_model *model, const char *name, const wf_plan_buffer **out_buffer) {
  for (int i = 0; (*out_buffer = weft_session_input(model->session, model->infer, i)); i++)
    if (strcmp((*out_buffer)->name, name) == 0) return &model->inputs[i];
  return NULL;
}

static weft_status *check_tensor(const char *input, const weft_tensor *tensor) {
  int64_t bytes;
  if ((unsigned)tensor->dtype > WEFT_BOOL || tensor->rank < 0 || tensor->rank > WEFT_MAX_RANK || !tensor->data ||
      !weft_shape_bytes((wf_dtype)tensor->dtype, tensor->rank, tensor->extents, &bytes))
    return weft_fail(WEFT_BAD_INPUT, "input '%s': no proper tensor (type, 0 to 8 extents of at least 0, data)", input);
  return NULL;
}

weft_status *weft_model_bind(weft_model *model, const char *input, const weft_tensor *tensor) {
  const wf_plan_buffer *buffer;
  weft_named_tensor *slot = find_input(model, input, &buffer);
  if (!slot) return weft_fail(WEFT_BAD_INPUT, "the network has no input '%s'", input);
  TRY(check_tensor(input, tensor));
  weft_tensor bound = *tensor;
  TRY(weft_session_fit_shape(model->session, buffer, &bound));
  bound.dtype = (weft_dtype)buffer->dtype;
  TRY(weft_allocate_aligned(weft_tensor_bytes(&bound), &bound.data));
  weft_field field = {.dtype = (wf_dtype)tensor->dtype, .picture = tensor->dtype == WEFT_U8};
  weft_convert_field(&field, tensor->data, weft_tensor_elements(&bound), buffer->dtype, bound.data);
  free(slot->tensor.data);
  slot->tensor = bound;
  return NULL;
}

weft_status *weft_model_run(weft_model *model) {
  int count = weft_session_input_count(model->session, model->infer);
  if (!model->has_weights && weft_session_value_count(model->session) > 0)
    return weft_fail(WEFT_BAD_INPUT, "the network has no weights yet: load some, or train it");
  for (int i = 0; i < count; i++)
    if (!model->inputs[i].tensor.data) return weft_fail(WEFT_BAD_INPUT, "input '%s' is not bound", model->inputs[i].name);
  return weft_session_run(model->session, model->infer, model->inputs, count);
}

weft_status *weft_model_result(weft_model *model, const char *output, weft_tensor *out) {
  return weft_session_output(model->session, model->infer, output, out);
}

const char *weft_model_label(const weft_model *model, int index) {
  return index >= 0 && index < model->metadata.label_count ? model->metadata.labels[index] : NULL;
}

// ---- files ------------------------------------------------------------------------------------------------------------

static weft_status *read_npy(const char *path, weft_tensor *out) {
  weft_array array;
  TRY(weft_npy_read(path, &array));
  *out = (weft_tensor){.dtype = (weft_dtype)array.dtype, .rank = array.rank, .data = array.data};
  memcpy(out->extents, array.extents, sizeof out->extents);
  array.data = NULL;
  weft_array_deinit(&array);
  return NULL;
}

weft_status *weft_tensor_read(const char *path, int channels, weft_tensor *out) {
  char magic[6] = {0};
  weft_file file;
  *out = (weft_tensor){0};
  TRY(weft_file_open(path, &file));
  weft_status *failed = file.size >= 6 ? weft_file_read_at(&file, 0, magic, 6) : NULL;
  weft_file_close(&file);
  TRY(failed);
  if (memcmp(magic, "\x93NUMPY", 6) == 0) return read_npy(path, out);
  weft_image image;
  TRY(weft_image_read(path, channels ? channels : 3, &image));
  *out = (weft_tensor){WEFT_U8, 3, {image.channels, image.height, image.width}, image.pixels};
  return NULL;
}

weft_status *weft_tensor_write_npy(const char *path, const weft_tensor *tensor) { return weft_npy_write(path, tensor); }
