#include "runtime/command/run_inputs.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "ir/did_you_mean.h"
#include "runtime/data/image.h"
#include "runtime/data/npy.h"
#include "runtime/feed.h"
#include "runtime/file.h"
#include "runtime/print_plan.h"

typedef struct reading {
  weft_command *c;
  weft_session *session;
  int plan;
  const weft_metadata *metadata;
  weft_command_run_inputs *out;
  bool *given;                  // by input
} reading;

enum { MOST_SAMPLES = 1 << 20 };

const char *weft_command_input_text(weft_command *c, const weft_session *session, const wf_plan_buffer *input) {
  wf_text text;
  wf_text_init(&text);
  wf_text_printf(&text, "%s %s[", input->name, wf_dtype_name(input->dtype));
  for (int i = 0; i < input->rank; i++) {
    if (i) wf_text_add(&text, ", ");
    weft_print_formula(&text, &input->extents[i], weft_session_program(session)->symbols);
  }
  wf_text_add(&text, "]");
  const char *out = wf_arena_strndup(c->arena, text.data, text.length);
  wf_text_deinit(&text);
  return out;
}

static const char *inputs_text(const reading *r) {
  const char *out = "";
  for (int i = 0; i < r->out->count; i++)
    out = wf_arena_printf(r->c->arena, "%s%s%s", out, i ? ", " : "", weft_command_input_text(r->c, r->session, weft_session_input(r->session, r->plan, i)));
  return out;
}

// The extent of an axis that counts from the end; 0 where it is a run-time value or absent.
static int64_t fixed_extent(const wf_plan_buffer *input, int from_end) {
  if (input->rank < from_end) return 0;
  const wf_formula *formula = &input->extents[input->rank - from_end];
  return formula->count == 1 && formula->code[0].op == WF_F_CONST ? formula->code[0].value : 0;
}

// ---- from an array to the input's type and shape ------------------------------------------------------------------------

static weft_status *out_of_range(const wf_plan_buffer *input, const char *what, double value, const char *takes) {
  return weft_fail(WEFT_BAD_INPUT, "%s holds %.17g, but '%s' takes %s", what, value, input->name, takes);
}

static weft_status *convert_to_int(const reading *r, const wf_plan_buffer *input, const char *what, const weft_tensor *from, weft_tensor *to) {
  int64_t count = weft_tensor_elements(to), range = weft_session_input_range(r->session, input->name);
  wf_dtype type = (wf_dtype)from->dtype, wanted = input->dtype;
  for (int64_t i = 0; i < count; i++) {
    double number = wf_load_element(type, from->data, i);
    int64_t value = wf_dtype_is_float(type) ? (int64_t)number : wf_load_element_int(type, from->data, i);
    if (wf_dtype_is_float(type) && (double)value != number) return out_of_range(input, what, number, wanted == WF_U8 ? "pixels: whole numbers from 0 to 255" : "whole numbers");
    if (wanted == WF_U8 && (value < 0 || value > 255)) return out_of_range(input, what, number, "values from 0 to 255");
    if (range && (value < 0 || value >= range)) return out_of_range(input, what, number, wf_arena_printf(r->c->arena, "values below %lld", (long long)range));
    wf_store_element_int(wanted, to->data, i, value);
  }
  return NULL;
}

static weft_status *take_array(reading *r, int index, const char *what, const weft_tensor *array) {
  const wf_plan_buffer *input = weft_session_input(r->session, r->plan, index);
  weft_tensor *to = &r->out->items[index].tensor;
  *to = *array;
  to->dtype = (weft_dtype)input->dtype;
  TRY(weft_context(weft_session_fit_shape(r->session, input, to), "%s", what));
  int64_t count = weft_tensor_elements(to);
  to->data = wf_arena_alloc(r->c->arena, weft_tensor_bytes(to) + 64);
  if (!wf_dtype_is_float(input->dtype)) return convert_to_int(r, input, what, array, to);
  for (int64_t i = 0; i < count; i++) wf_store_element(input->dtype, to->data, i, wf_load_element((wf_dtype)array->dtype, array->data, i));
  return NULL;
}

// ---- files --------------------------------------------------------------------------------------------------------------

static bool ends_with(const char *path, const char *suffix) {
  size_t length = strlen(path), tail = strlen(suffix);
  return length > tail && !strcasecmp(path + length - tail, suffix);
}

static weft_status *read_npy(reading *r, int index, const char *path) {
  weft_array array = {0};
  TRY(weft_npy_read(path, &array));
  weft_tensor tensor = {.dtype = (weft_dtype)array.dtype, .rank = array.rank, .data = array.data};
  memcpy(tensor.extents, array.extents, sizeof tensor.extents);
  weft_status *failed = take_array(r, index, path, &tensor);
  weft_array_deinit(&array);
  return failed;
}

// key NULL: the archive's only array. The archive is read as a data set whose samples are all taken.
static weft_status *read_npz(reading *r, int index, const char *path, const char *key) {
  weft_dataset *dataset = NULL;
  char *names[] = {(char *)key};
  weft_status *opened = weft_npz_open(path, key ? names : NULL, key ? 1 : 0, &dataset);
  if (opened) return key ? opened : weft_context(opened, "say which array, as in %s:NAME", path);
  weft_status *failed = NULL;
  if (dataset->field_count != 1)
    failed = weft_fail(WEFT_BAD_INPUT, "%s holds %d arrays; say which: %s:%s", path, dataset->field_count, path, dataset->fields[0].name);
  const weft_field *field = &dataset->fields[0];
  weft_tensor tensor = {.dtype = (weft_dtype)field->dtype, .rank = field->rank + 1, .extents = {dataset->count}};
  if (!failed && tensor.rank > WEFT_MAX_RANK) failed = weft_fail(WEFT_BAD_INPUT, "%s: more than %d axes", path, WEFT_MAX_RANK);
  if (!failed) {
    memcpy(tensor.extents + 1, field->extents, (size_t)field->rank * sizeof *field->extents);
    int64_t *numbers = WF_NEW_ARRAY(r->c->arena, int64_t, dataset->count);
    for (int64_t i = 0; i < dataset->count; i++) numbers[i] = i;
    tensor.data = wf_arena_alloc(r->c->arena, weft_tensor_bytes(&tensor) + 64);
    failed = weft_dataset_read(dataset, 0, numbers, dataset->count, tensor.data);
    if (!failed) failed = take_array(r, index, path, &tensor);
  }
  weft_dataset_destroy(dataset);
  return failed;
}

// u8 pixels; an input of floats takes them as [0, 1]. A picture of another size is resized.
static weft_status *read_picture(reading *r, int index, const char *path) {
  const wf_plan_buffer *input = weft_session_input(r->session, r->plan, index);
  int64_t channels = fixed_extent(input, 3), height = fixed_extent(input, 2), width = fixed_extent(input, 1);
  weft_image image = {0}, resized = {0};
  TRY(weft_image_read(path, input->rank < 3 || channels == 1 ? 1 : 3, &image));
  weft_status *failed = NULL;
  bool resize = height > 0 && width > 0 && (height != image.height || width != image.width);
  if (resize) failed = weft_image_resize(&image, (int)height, (int)width, &resized);
  const weft_image *shown = resize ? &resized : &image;
  if (!failed) {
    weft_tensor tensor = {.dtype = WEFT_U8, .rank = 3, .extents = {shown->channels, shown->height, shown->width}};
    size_t bytes = weft_tensor_bytes(&tensor);
    uint8_t *pixels = wf_arena_alloc(r->c->arena, bytes);
    memcpy(pixels, shown->pixels, bytes);
    tensor.data = pixels;
    r->out->pictures = (weft_command_picture){pixels, shown->channels, shown->height, shown->width};
    r->out->picture_count = 1;
    failed = take_array(r, index, path, &tensor);
    weft_tensor *taken = &r->out->items[index].tensor;
    for (int64_t i = 0; !failed && wf_dtype_is_float(input->dtype) && i < weft_tensor_elements(taken); i++)
      wf_store_element(input->dtype, taken->data, i, pixels[i] / 255.0);
  }
  weft_image_deinit(&image);
  weft_image_deinit(&resized);
  return failed;
}

// Elements of the input's own type, row-major; one axis may be a run-time value.
static weft_status *read_raw(reading *r, int index, const char *path) {
  const wf_plan_buffer *input = weft_session_input(r->session, r->plan, index);
  weft_tensor *to = &r->out->items[index].tensor;
  *to = (weft_tensor){.dtype = (weft_dtype)input->dtype, .rank = input->rank};
  int64_t rest = wf_dtype_bytes(input->dtype);
  int open = -1, opens = 0;
  for (int i = 0; i < input->rank; i++) {
    to->extents[i] = fixed_extent(input, input->rank - i);
    if (to->extents[i]) rest *= to->extents[i];
    else open = i, opens++;
  }
  if (opens > 1) return weft_fail(WEFT_BAD_INPUT, "%s: raw bytes do not tell the shape of %s; use .npy", path, weft_command_input_text(r->c, r->session, input));
  weft_bytes bytes;
  TRY(weft_file_read(path, (size_t)1 << 34, &bytes));
  weft_status *failed = NULL;
  if (!bytes.size || (int64_t)bytes.size % rest || (open < 0 && (int64_t)bytes.size != rest))
    failed = weft_fail(WEFT_BAD_INPUT, "%s: %zu bytes do not fill %s, which takes %s%lld", path, bytes.size, weft_command_input_text(r->c, r->session, input),
                       open < 0 ? "" : "a multiple of ", (long long)rest);
  if (open >= 0) to->extents[open] = (int64_t)bytes.size / rest;
  if (!failed) {
    to->data = wf_arena_alloc(r->c->arena, bytes.size + 64);
    memcpy(to->data, bytes.data, bytes.size);
  }
  free(bytes.data);
  return failed;
}

// The bytes of the text, one sample.
static weft_status *read_text(reading *r, int index, const char *text) {
  const wf_plan_buffer *input = weft_session_input(r->session, r->plan, index);
  if (wf_dtype_is_float(input->dtype) || !*text)
    return weft_fail(WEFT_BAD_INPUT, "text fills an input of tokens, but %s takes %s", weft_command_input_text(r->c, r->session, input), *text ? "numbers" : "at least one");
  weft_tensor tensor = {.dtype = WEFT_U8, .rank = 2, .extents = {1, (int64_t)strlen(text)}, .data = (void *)text};
  r->out->text = true;
  return take_array(r, index, "the text", &tensor);
}

// ---- samples of a data set --------------------------------------------------------------------------------------------------

static weft_status *bad_samples(const char *text) {
  return weft_fail(WEFT_BAD_INPUT, "'%s' does not name samples: test:5, test:0-9 and train:0-3,7 do", text);
}

// "0-9,12" to numbers.
static weft_status *parse_numbers(reading *r, const char *spec, const char *text, weft_command_samples *out) {
  WF_VEC(int64_t) list = {0};
  for (const char *at = text;;) {
    char *end;
    errno = 0;
    if (*at < '0' || *at > '9') return bad_samples(spec);
    int64_t first = strtoll(at, &end, 10), last = first;
    if (*end == '-') {
      if (end[1] < '0' || end[1] > '9') return bad_samples(spec);
      last = strtoll(end + 1, &end, 10);
    }
    if (errno || last < first || (*end && *end != ',')) return bad_samples(spec);
    if (last - first >= MOST_SAMPLES - list.count) return weft_fail(WEFT_BAD_INPUT, "'%s': more than %d samples at once", spec, MOST_SAMPLES);
    for (int64_t i = first; i <= last; i++) wf_vec_push(r->c->arena, &list, i);
    if (!*end) break;
    at = end + 1;
  }
  out->numbers = list.items;
  out->count = list.count;
  return NULL;
}

static weft_status *read_field(reading *r, weft_dataset *dataset, int field, wf_dtype type, void **out_raw, void **out) {
  const weft_command_samples *samples = &r->out->samples;
  const weft_field *info = &dataset->fields[field];
  int64_t elements = samples->count;
  for (int i = 0; i < info->rank; i++) elements *= info->extents[i];
  void *raw = wf_arena_alloc(r->c->arena, weft_field_bytes(info) * (size_t)samples->count + 64);
  TRY(weft_dataset_read(dataset, field, samples->numbers, samples->count, raw));
  *out = raw;
  if (out_raw) *out_raw = raw;
  if (info->dtype == type) return NULL;
  *out = wf_arena_alloc(r->c->arena, (size_t)elements * (size_t)wf_dtype_bytes(type) + 64);
  weft_convert_field(info, raw, elements, type, *out);
  return NULL;
}

static bool is_used(const weft_feed *feed, int field) {
  for (int i = 0; i < feed->count; i++)
    if (feed->fields[i].field == field) return true;
  return false;
}

// The true class: the first field of one whole number a sample that no input takes.
static weft_status *read_truth(reading *r, const weft_feed *feed) {
  weft_dataset *dataset = feed->dataset;
  for (int i = 0; i < dataset->field_count; i++) {
    const weft_field *field = &dataset->fields[i];
    int64_t elements = 1;
    for (int k = 0; k < field->rank; k++) elements *= field->extents[k];
    if (is_used(feed, i) || wf_dtype_is_float(field->dtype) || elements != 1) continue;
    void *values;
    TRY(read_field(r, dataset, i, WF_I64, NULL, &values));
    r->out->samples.truth = values;
    return NULL;
  }
  return NULL;
}

static void take_picture(reading *r, const weft_field *field, const void *pixels) {
  if (!field->picture || field->rank < 2 || field->rank > 3 || field->dtype != WF_U8) return;
  const int64_t *size = field->extents + field->rank - 2;
  r->out->pictures = (weft_command_picture){pixels, field->rank == 3 ? (int)field->extents[0] : 1, (int)size[0], (int)size[1]};
  r->out->picture_count = r->out->samples.count;
}

// only < 0: every input; else that one.
static weft_status *fill_from_feed(reading *r, weft_feed *feed, int only) {
  weft_batch batch = {.count = r->out->samples.count, .arrays = WF_NEW_ARRAY(r->c->arena, void *, feed->count)};
  for (int i = 0; i < feed->count; i++) {
    void *raw;
    TRY(read_field(r, feed->dataset, feed->fields[i].field, feed->fields[i].dtype, &raw, &batch.arrays[i]));
    take_picture(r, &feed->dataset->fields[feed->fields[i].field], raw);
  }
  TRY(weft_feed_batch(feed, &batch));
  for (int i = 0; i < feed->count; i++) {
    if (only >= 0 && i != only) continue;
    r->out->items[i].tensor = feed->inputs[i].tensor;
    r->given[i] = true;
  }
  return read_truth(r, feed);
}

static weft_status *check_numbers(const reading *r, const weft_dataset *dataset, const char *set) {
  for (int64_t i = 0; i < r->out->samples.count; i++)
    if (r->out->samples.numbers[i] >= dataset->count)
      return weft_fail(WEFT_BAD_INPUT, "the %s data has %lld samples, counted from 0; there is no %lld", set, (long long)dataset->count,
                       (long long)r->out->samples.numbers[i]);
  return NULL;
}

static void keep_classes(reading *r, const weft_dataset *dataset) {
  weft_command_samples *samples = &r->out->samples;
  samples->classes = WF_NEW_ARRAY(r->c->arena, char *, dataset->class_count);
  samples->class_count = dataset->class_count;
  for (int i = 0; i < dataset->class_count; i++) samples->classes[i] = wf_arena_strdup(r->c->arena, dataset->classes[i]);
}

static weft_status *read_samples(reading *r, int only, const char *spec) {
  bool test = spec[1] == 'e';
  weft_command_samples *samples = &r->out->samples;
  const char *set = test ? "test" : "train";
  if (samples->set && strcmp(samples->set, set)) return weft_fail(WEFT_BAD_INPUT, "samples come from the test or from the train data, not from both");
  TRY(parse_numbers(r, spec, strchr(spec, ':') + 1, samples));
  samples->set = set;
  if (!(test ? r->metadata->has_test : r->metadata->has_data))
    return weft_fail(WEFT_BAD_INPUT, "'%s': %s names no %s data", spec, r->c->file, test ? "test" : "training");
  weft_data_paths paths = {r->c->data, r->c->net_folder, r->c->unpacked};
  weft_dataset *dataset = NULL;
  TRY(weft_dataset_open(test ? &r->metadata->test : &r->metadata->data, &paths, &dataset));
  weft_feed feed = {0};
  weft_status *failed = check_numbers(r, dataset, set);
  if (!failed) failed = weft_feed_create(r->session, r->plan, dataset, samples->count, &feed);
  if (!failed) {
    failed = fill_from_feed(r, &feed, only);
    weft_feed_destroy(&feed);
  }
  if (!failed) keep_classes(r, dataset);
  weft_dataset_destroy(dataset);
  return failed;
}

// ---- --input ----------------------------------------------------------------------------------------------------------------

static bool is_samples(const char *spec) { return !strncmp(spec, "test:", 5) || !strncmp(spec, "train:", 6); }

static weft_status *find_input(const reading *r, const char *name, int *out) {
  const char **names = WF_NEW_ARRAY(r->c->arena, const char *, r->out->count);
  for (*out = 0; *out < r->out->count; ++*out) {
    names[*out] = r->out->items[*out].name;
    if (!strcmp(name, names[*out])) return NULL;
  }
  const char *hint = wf_did_you_mean(name, names, r->out->count);
  return weft_fail(WEFT_BAD_INPUT, "the network has no input '%s'%s%s%s; it takes %s", name, hint ? "; did you mean '" : "", hint ? hint : "",
                   hint ? "'?" : "", inputs_text(r));
}

static weft_status *read_file(reading *r, int index, const char *spec) {
  const char *colon = strrchr(spec, ':');
  if (!strncmp(spec, "text:", 5)) return read_text(r, index, spec + 5);
  if (colon && ends_with(wf_arena_strndup(r->c->arena, spec, (size_t)(colon - spec)), ".npz"))
    return read_npz(r, index, wf_arena_strndup(r->c->arena, spec, (size_t)(colon - spec)), colon + 1);
  if (ends_with(spec, ".npz")) return read_npz(r, index, spec, NULL);
  if (ends_with(spec, ".npy")) return read_npy(r, index, spec);
  if (ends_with(spec, ".png") || ends_with(spec, ".jpg") || ends_with(spec, ".jpeg")) return read_picture(r, index, spec);
  return read_raw(r, index, spec);
}

// NAME=SPEC, or SPEC alone: every input from samples, else the only input.
static weft_status *read_one(reading *r, const char *setting) {
  const char *equals = strchr(setting, '=');
  if (!equals && is_samples(setting)) return read_samples(r, -1, setting);
  if (!equals && r->out->count != 1) return weft_fail(WEFT_BAD_INPUT, "--input %s: say which input it fills, NAME=%s; there are %s", setting, setting, inputs_text(r));
  int index = 0;
  if (equals) TRY(find_input(r, wf_arena_strndup(r->c->arena, setting, (size_t)(equals - setting)), &index));
  const char *spec = equals ? equals + 1 : setting;
  if (r->given[index]) return weft_fail(WEFT_BAD_INPUT, "input '%s' is given twice", r->out->items[index].name);
  r->given[index] = true;
  return is_samples(spec) ? read_samples(r, index, spec) : read_file(r, index, spec);
}

weft_status *weft_command_read_inputs(weft_command *c, weft_session *session, int plan, const weft_metadata *metadata, weft_command_run_inputs *out) {
  *out = (weft_command_run_inputs){.count = weft_session_input_count(session, plan)};
  out->items = WF_NEW_ARRAY(c->arena, weft_named_tensor, out->count);
  for (int i = 0; i < out->count; i++) out->items[i].name = weft_session_input(session, plan, i)->name;
  reading r = {c, session, plan, metadata, out, WF_NEW_ARRAY(c->arena, bool, out->count)};
  for (int i = 0; i < c->inputs.count; i++) TRY(read_one(&r, c->inputs.items[i]));
  for (int i = 0; i < out->count; i++)
    if (!r.given[i])
      return weft_fail(WEFT_BAD_INPUT, "nothing fills %s: --input %s=FILE%s%s", weft_command_input_text(c, session, weft_session_input(session, plan, i)),
                       out->items[i].name, metadata->has_test ? ", or samples: --input " : "", metadata->has_test ? "test:0-9" : "");
  return NULL;
}
