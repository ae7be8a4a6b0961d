#include "runtime/command/run_results.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "ir/did_you_mean.h"
#include "ir/types.h"
#include "runtime/data/npy.h"
#include "runtime/plot.h"

// ---- predictions --------------------------------------------------------------------------------------------------------

typedef struct rated { int64_t class; double probability; } rated;

enum { NEXT_SHOWN = 5 };

typedef struct predictions {
  weft_command *c;
  const weft_metadata *metadata;
  const weft_command_run_inputs *inputs;
  const weft_named_tensor *output;
  int64_t rows, stride, offset, classes;   // row i starts at i*stride + offset
  int top;
  int64_t right, judged;
} predictions;

// Softmax over the last axis; of axes between the first and the last the last point counts (the next token).
static void rate(const predictions *p, int64_t row, rated *out) {
  const weft_tensor *tensor = &p->output->tensor;
  double most = -INFINITY, total = 0;
  for (int64_t i = 0; i < p->classes; i++) {
    out[i] = (rated){i, wf_load_element((wf_dtype)tensor->dtype, tensor->data, row * p->stride + p->offset + i)};
    if (out[i].probability > most) most = out[i].probability;
  }
  for (int64_t i = 0; i < p->classes; i++) total += out[i].probability = exp(out[i].probability - most);
  for (int64_t i = 0; i < p->classes; i++) out[i].probability /= total;
}

// The best first; among equals the lower class.
static int by_probability(const void *a, const void *b) {
  const rated *x = a, *y = b;
  if (x->probability != y->probability) return x->probability < y->probability ? 1 : -1;
  return x->class < y->class ? -1 : x->class > y->class;
}

static const char *class_name(const predictions *p, int64_t class) {
  if (class >= 0 && class < p->metadata->label_count) return p->metadata->labels[class];
  if (class >= 0 && class < p->inputs->samples.class_count) return p->inputs->samples.classes[class];
  if (p->inputs->text && class >= ' ' && class <= '~') return wf_arena_printf(p->c->arena, "next '%c'", (char)class);
  return wf_arena_printf(p->c->arena, p->inputs->text ? "next byte %lld" : "class %lld", (long long)class);
}

static void print_json_row(const predictions *p, int64_t row, const rated *best, int shown) {
  const weft_command_samples *samples = &p->inputs->samples;
  json_t *top = json_array(), *line = json_object();
  for (int i = 0; i < shown; i++)
    json_array_append_new(top, json_pack("{s:I, s:s, s:f}", "class", (json_int_t)best[i].class, "label", class_name(p, best[i].class), "probability",
                                         isfinite(best[i].probability) ? best[i].probability : 0.0));
  json_object_set_new(line, "sample", json_integer(samples->set ? samples->numbers[row] : row));
  json_object_set_new(line, "class", json_integer(best[0].class));
  json_object_set_new(line, "label", json_string(class_name(p, best[0].class)));
  json_object_set_new(line, "probability", isfinite(best[0].probability) ? json_real(best[0].probability) : json_null());
  if (samples->truth) json_object_set_new(line, "true", json_integer(samples->truth[row]));
  if (samples->truth) json_object_set_new(line, "true_label", json_string(class_name(p, samples->truth[row])));
  json_object_set_new(line, "top", top);
  char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(9));
  if (text) puts(text);
  free(text);
  json_decref(line);
}

enum { MOST_PICTURES = 16, PICTURE_COLUMNS = 28 };

static void draw_picture(const predictions *p, int64_t row) {
  const weft_command_picture *shown = &p->inputs->pictures;
  if (!shown->pixels || p->inputs->picture_count != p->rows || p->rows > MOST_PICTURES) return;
  int64_t bytes = (int64_t)shown->channels * shown->height * shown->width;
  weft_image image = {shown->channels, shown->height, shown->width, (uint8_t *)shown->pixels + row * bytes};
  weft_status_free(weft_picture_print(stdout, &image, PICTURE_COLUMNS, p->c->colour_out));
}

static void print_row(const predictions *p, int64_t row, const rated *best, int shown) {
  const weft_command_samples *samples = &p->inputs->samples;
  draw_picture(p, row);
  const char *good = p->c->colour_out ? "\033[32m" : "", *bad = p->c->colour_out ? "\033[31m" : "", *plain = p->c->colour_out ? "\033[0m" : "";
  if (samples->set) printf("%s %lld: ", samples->set, (long long)samples->numbers[row]);
  else if (p->rows > 1) printf("%lld: ", (long long)row);
  printf("%s %.4f", class_name(p, best[0].class), best[0].probability);
  if (samples->truth) {
    bool right = samples->truth[row] == best[0].class;
    printf("   true: %s %s(%s)%s", class_name(p, samples->truth[row]), right ? good : bad, right ? "right" : "wrong", plain);
  }
  printf("\n");
  for (int i = 1; i < shown; i++) printf("    %-20s %.4f\n", class_name(p, best[i].class), best[i].probability);
}

static void show_predictions(predictions *p) {
  rated *best = WF_NEW_ARRAY(p->c->arena, rated, p->classes);
  int shown = p->top < 1 ? 1 : p->top > p->classes ? (int)p->classes : p->top;
  for (int64_t row = 0; row < p->rows; row++) {
    rate(p, row, best);
    qsort(best, (size_t)p->classes, sizeof *best, by_probability);
    if (p->inputs->samples.truth) {
      p->judged++;
      p->right += p->inputs->samples.truth[row] == best[0].class;
    }
    if (p->c->json) print_json_row(p, row, best, shown);
    else print_row(p, row, best, shown);
  }
  if (p->judged > 1 && !p->c->json) printf("%lld of %lld right\n", (long long)p->right, (long long)p->judged);
}

// After a text, what rates each token by the next one.
static bool rates_next(const predictions *p, const weft_tensor *tensor) {
  return p->inputs->text && tensor->rank == 3 && !p->metadata->label_count;
}

// The first result, where the network says that it rates classes.
static bool find_predictions(predictions *p, const weft_command_outputs *outputs) {
  if (!outputs->count) return false;
  p->output = &outputs->items[0];
  if (rates_next(p, &p->output->tensor)) p->top = p->top ? p->top : NEXT_SHOWN;
  else if (!p->metadata->label_count && !p->metadata->top) return false;
  const weft_tensor *tensor = &p->output->tensor;
  int rank = tensor->rank;
  if (rank < 1 || !wf_dtype_is_float((wf_dtype)tensor->dtype) || tensor->extents[rank - 1] < 2 || !weft_tensor_elements(tensor)) return false;
  p->classes = tensor->extents[rank - 1];
  p->rows = rank == 1 ? 1 : tensor->extents[0];
  p->stride = weft_tensor_elements(tensor) / p->rows;
  p->offset = p->stride - p->classes;
  return !p->inputs->samples.set || p->inputs->samples.count == p->rows;
}

// ---- summaries ------------------------------------------------------------------------------------------------------------

typedef struct summary { double least, mean, most; int64_t not_finite; } summary;

static summary summarize(const weft_tensor *tensor, int64_t count) {
  summary s = {INFINITY, 0, -INFINITY, 0};
  double total = 0;
  for (int64_t i = 0; i < count; i++) {
    double value = wf_load_element((wf_dtype)tensor->dtype, tensor->data, i);
    if (!isfinite(value)) s.not_finite++;
    else {
      if (value < s.least) s.least = value;
      if (value > s.most) s.most = value;
      total += value;
    }
  }
  s.mean = count > s.not_finite ? total / (double)(count - s.not_finite) : NAN;
  return s;
}

enum { FIRST_VALUES = 8 };

static void print_summary(const weft_named_tensor *output) {
  const weft_tensor *tensor = &output->tensor;
  int64_t count = weft_tensor_elements(tensor);
  printf("%s %s[", output->name, weft_dtype_name(tensor->dtype));
  for (int i = 0; i < tensor->rank; i++) printf("%s%lld", i ? ", " : "", (long long)tensor->extents[i]);
  printf("]");
  summary s = summarize(tensor, count);
  if (count > s.not_finite) printf(": min %.6g  mean %.6g  max %.6g", s.least, s.mean, s.most);
  if (s.not_finite) printf("  (%lld not finite)", (long long)s.not_finite);
  printf("\n ");
  for (int64_t i = 0; i < count && i < FIRST_VALUES; i++) printf(" %.6g", wf_load_element((wf_dtype)tensor->dtype, tensor->data, i));
  printf("%s\n", count > FIRST_VALUES ? " ..." : "");
}

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static void print_json_summary(const weft_named_tensor *output) {
  const weft_tensor *tensor = &output->tensor;
  int64_t count = weft_tensor_elements(tensor);
  summary s = summarize(tensor, count);
  json_t *shape = json_array(), *first = json_array();
  for (int i = 0; i < tensor->rank; i++) json_array_append_new(shape, json_integer(tensor->extents[i]));
  for (int64_t i = 0; i < count && i < FIRST_VALUES; i++) json_array_append_new(first, number(wf_load_element((wf_dtype)tensor->dtype, tensor->data, i)));
  json_t *line = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:o}", "output", output->name, "dtype", weft_dtype_name(tensor->dtype), "shape", shape, "min",
                           number(s.least), "mean", number(s.mean), "max", number(s.most), "not_finite", (json_int_t)s.not_finite, "first", first);
  char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(9));
  if (text) puts(text);
  free(text);
  json_decref(line);
}

void weft_command_show_results(weft_command *c, const weft_metadata *metadata, const weft_command_run_inputs *inputs, const weft_command_outputs *outputs) {
  predictions p = {.c = c, .metadata = metadata, .inputs = inputs, .top = metadata->top};
  bool predicts = find_predictions(&p, outputs);
  if (predicts) show_predictions(&p);
  for (int i = predicts; i < outputs->count; i++) {
    if (c->json) print_json_summary(&outputs->items[i]);
    else print_summary(&outputs->items[i]);
  }
}

// ---- --output -------------------------------------------------------------------------------------------------------------

static weft_status *write_one(weft_command *c, const weft_command_outputs *outputs, const char *setting) {
  const char *equals = strchr(setting, '='), **names = WF_NEW_ARRAY(c->arena, const char *, outputs->count);
  if (!equals && outputs->count != 1) return weft_fail(WEFT_BAD_INPUT, "--output %s: expected NAME=FILE.npy", setting);
  const char *name = equals ? wf_arena_strndup(c->arena, setting, (size_t)(equals - setting)) : outputs->items[0].name;
  const char *path = equals ? equals + 1 : setting, *list = "";
  for (int i = 0; i < outputs->count; i++) {
    if (!strcmp(outputs->items[i].name, name)) return weft_npy_write(path, &outputs->items[i].tensor);
    names[i] = outputs->items[i].name;
    list = wf_arena_printf(c->arena, "%s%s%s", list, i ? ", " : "", names[i]);
  }
  const char *hint = wf_did_you_mean(name, names, outputs->count);
  return weft_fail(WEFT_BAD_INPUT, "the network has no result '%s'%s%s%s; it gives %s", name, hint ? "; did you mean '" : "", hint ? hint : "",
                   hint ? "'?" : "", list);
}

weft_status *weft_command_write_outputs(weft_command *c, const weft_command_outputs *outputs) {
  for (int i = 0; i < c->outputs.count; i++) TRY(write_one(c, outputs, c->outputs.items[i]));
  return NULL;
}
