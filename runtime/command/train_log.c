#include "runtime/command/train_log.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "runtime/file.h"
#include "runtime/plot.h"

static json_t *metrics_object(const weft_metric *metrics, int count) {
  json_t *object = json_object();
  for (int i = 0; i < count; i++) json_object_set_new(object, metrics[i].name, json_real(metrics[i].value));
  return object;
}

static char *dump(json_t *object) {
  char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17));
  json_decref(object);
  return text;
}

// A number that JSON cannot hold (a loss that is not finite) is null.
static json_t *number(double value) {
  json_t *real = json_real(value);
  return real ? real : json_null();
}

char *weft_command_step_json(const weft_train_event *event) {
  json_t *object = json_object();
  json_object_set_new(object, "step", json_integer(event->step));
  for (int i = 0; i < event->train_count; i++) json_object_set_new(object, event->train[i].name, number(event->train[i].value));
  json_object_set_new(object, "epoch", json_integer(event->epoch));
  json_object_set_new(object, "seconds", json_real(event->seconds));
  return dump(object);
}

char *weft_command_epoch_json(const weft_train_event *event) {
  json_t *object = json_object();
  json_object_set_new(object, "epoch", json_integer(event->epoch));
  json_object_set_new(object, "step", json_integer(event->step));
  json_object_set_new(object, "train", metrics_object(event->train, event->train_count));
  if (event->test) json_object_set_new(object, "test", metrics_object(event->test, event->test_count));
  json_object_set_new(object, "seconds", json_real(event->seconds));
  return dump(object);
}

int weft_command_train_log_open(weft_command *c, weft_command_train_log *log) {
  *log = (weft_command_train_log){.c = c, .folder = c->log};
  if (!log->folder) return EXIT_DONE;
  if (mkdir(log->folder, 0777) != 0 && errno != EEXIST) {
    fprintf(stderr, "%s: cannot make the folder %s: %s\n", c->title, log->folder, strerror(errno));
    return EXIT_ENVIRONMENT;
  }
  char *path = wf_arena_printf(c->arena, "%s/scalars.jsonl", log->folder);
  log->scalars = fopen(path, "w");
  if (log->scalars) return EXIT_DONE;
  fprintf(stderr, "%s: cannot write %s: %s\n", c->title, path, strerror(errno));
  return EXIT_ENVIRONMENT;
}

static void write_line(weft_command_train_log *log, char *line) {
  if (line) fprintf(log->scalars, "%s\n", line);
  free(line);
}

void weft_command_train_log_step(weft_command_train_log *log, const weft_train_event *event) {
  if (!log->folder) return;
  write_line(log, weft_command_step_json(event));
  wf_vec_push(log->c->arena, &log->steps, (double)event->step);
  wf_vec_push(log->c->arena, &log->losses, event->train_count ? event->train[0].value : 0);
}

void weft_command_train_log_epoch(weft_command_train_log *log, const weft_train_event *event) {
  if (!log->folder) return;
  write_line(log, weft_command_epoch_json(event));
  fflush(log->scalars);
  wf_vec_push(log->c->arena, &log->epoch_steps, (double)event->step);
  wf_vec_push(log->c->arena, &log->epoch_losses, event->train_count ? event->train[0].value : 0);
  if (event->test && event->test_count > 1) {
    log->test_name = event->test[1].name;
    wf_vec_push(log->c->arena, &log->test_values, event->test[1].value);
  }
}

static int write_summary(weft_command_train_log *log, const weft_train_result *result) {
  json_t *object = json_object();
  json_object_set_new(object, "steps", json_integer(result->steps));
  json_object_set_new(object, "epochs", json_integer(result->epochs));
  json_object_set_new(object, "train_seconds", json_real(result->seconds));
  json_object_set_new(object, "samples_per_second", json_real(result->seconds > 0 ? (double)result->samples / result->seconds : 0));
  if (result->train_count) json_object_set_new(object, "train_loss", number(result->train[0]));
  if (result->test_count) json_object_set_new(object, "test_loss", number(result->test[0]));
  if (result->test_count > 1) json_object_set_new(object, result->test_names[1], number(result->test[1]));
  char *text = json_dumps(object, JSON_INDENT(1) | JSON_REAL_PRECISION(8));
  json_decref(object);
  if (!text) return weft_command_status(log->c, weft_fail(WEFT_ENVIRONMENT, "out of memory"));
  weft_status *failed = weft_file_write(wf_arena_printf(log->c->arena, "%s/summary.json", log->folder), text, strlen(text));
  free(text);
  return weft_command_status(log->c, failed);
}

// Losses in the upper chart, the first test metric in the lower one.
typedef struct curves { weft_series losses[2], tests[1]; weft_chart charts[2]; int count; } curves;

static void make_curves(const weft_command_train_log *log, curves *out) {
  out->losses[0] = (weft_series){"step", log->steps.items, log->losses.items, log->steps.count};
  out->losses[1] = (weft_series){"epoch mean", log->epoch_steps.items, log->epoch_losses.items, log->epoch_steps.count};
  out->charts[0] = (weft_chart){"loss", "step", out->losses, log->epoch_steps.count > 1 ? 2 : 1};
  out->tests[0] = (weft_series){"test", log->epoch_steps.items, log->test_values.items, log->test_values.count};
  out->charts[1] = (weft_chart){log->test_name, "step", out->tests, 1};
  out->count = log->test_values.count > 1 ? 2 : 1;
}

static int draw_curves(weft_command_train_log *log) {
  if (log->steps.count < 2) return EXIT_DONE;
  curves made;
  make_curves(log, &made);
  if (!log->c->json) weft_chart_print(stdout, &made.charts[0], 78, 14, log->c->colour_out);
  return weft_command_status(log->c, weft_charts_write_png(wf_arena_printf(log->c->arena, "%s/curve.png", log->folder), made.charts, made.count, 720, 360));
}

int weft_command_train_log_close(weft_command_train_log *log, const weft_train_result *result) {
  if (!log->folder) return EXIT_DONE;
  bool good = fflush(log->scalars) == 0 && !ferror(log->scalars);
  good = fclose(log->scalars) == 0 && good;
  if (!good) {
    fprintf(stderr, "%s: %s/scalars.jsonl is not whole: %s\n", log->c->title, log->folder, strerror(errno));
    return EXIT_ENVIRONMENT;
  }
  int drawn = draw_curves(log), code = write_summary(log, result);
  return code ? code : drawn;
}
