#include "runtime/command/train.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include "runtime/command/progress.h"
#include "runtime/command/train_log.h"
#include "runtime/train.h"

typedef struct watcher {
  weft_command *c;
  weft_command_progress progress;
  weft_command_train_log log;
} watcher;

static volatile sig_atomic_t interrupted;   // the one thing that a signal handler may touch
static void on_interrupt(int signal) { (void)signal; interrupted = 1; }

static void print_line(char *line) {
  if (line) puts(line);
  free(line);
  fflush(stdout);
}

static bool on_step(void *context, const weft_train_event *event) {
  watcher *w = context;
  weft_command_train_log_step(&w->log, event);
  if (w->c->json) print_line(weft_command_step_json(event));
  else weft_command_progress_step(&w->progress, event);
  return !interrupted;
}

static bool on_epoch(void *context, const weft_train_event *event) {
  watcher *w = context;
  weft_command_train_log_epoch(&w->log, event);
  if (w->c->json) print_line(weft_command_epoch_json(event));
  else weft_command_progress_epoch(&w->progress, event);
  return !interrupted;
}

static void on_note(void *context, const char *text) {
  (void)context;
  fflush(stdout);
  fprintf(stderr, "note: %s\n", text);
}

static void print_result(const watcher *w, const weft_train_result *result) {
  if (w->c->json) return;
  if (w->progress.terminal) printf("\r\033[K");
  printf("trained %lld steps in %.1f s (%.0f samples/s)", (long long)result->steps, result->seconds,
         result->seconds > 0 ? (double)result->samples / result->seconds : 0);
  if (result->test_count) printf("; test loss %.4f", result->test[0]);
  if (result->test_count > 1) printf(", %s %.4f", result->test_names[1], result->test[1]);
  printf("\n");
  if (w->c->save) printf("saved %s\n", w->c->save);
}

static weft_train_options train_options(weft_command *c, watcher *w) {
  return (weft_train_options){
      .save = c->save,
      .save_every = c->save_every,
      .resume = c->resume,
      .init = c->init,
      .data_folder = c->data,
      .net_folder = c->net_folder,
      .unpacked_folder = c->unpacked,
      .evaluate = c->eval,
      .allow_nan = c->allow_nan,
      .callbacks = {.context = w, .step = on_step, .epoch = on_epoch, .note = on_note},
  };
}

// ---- --set ----------------------------------------------------------------------------------------------------------------

static bool read_number(const char *text, int64_t *out) {
  char *end;
  errno = 0;
  *out = strtoll(text, &end, 10);
  return !errno && end > text && !*end && *out > 0;
}

// A compiled program still takes what the runtime reads: how long to train, from which seed. The batch as well, where the
// program leaves it open; the runtime tells where it does not.
static int take_setting(const weft_command *c, const char *setting, weft_train_options *options) {
  const struct { const char *key; int64_t *value; } known[] = {
      {"batch", &options->batch}, {"epochs", &options->epochs}, {"steps", &options->steps}, {"seed", &options->seed}};
  const char *equals = strchr(setting, '=');
  size_t length = equals ? (size_t)(equals - setting) : 0;
  for (int i = 0; i < 4; i++) {
    if (strlen(known[i].key) != length || strncmp(setting, known[i].key, length)) continue;
    if (read_number(equals + 1, known[i].value)) return EXIT_DONE;
    fprintf(stderr, "%s: --set %s: `%s` is not a positive whole number\n", c->title, setting, equals + 1);
    return EXIT_USAGE;
  }
  if (!equals) fprintf(stderr, "%s: --set %s: expected KEY=VALUE\n", c->title, setting);
  else
    fprintf(stderr, "%s: --set %s: `%.*s` is compiled in; here epochs, steps and seed can be set\nbuild again with it: weft build FILE.net --train --set %s\n",
            c->title, setting, (int)length, setting, setting);
  return EXIT_USAGE;
}

int weft_command_train(weft_command *c, weft_session *session) {
  watcher w = {.c = c, .progress = {.terminal = c->terminal, .colour = c->colour_out}};
  weft_train_options options = train_options(c, &w);
  int code = EXIT_DONE;
  for (int i = 0; i < c->sets.count && !code; i++) code = take_setting(c, c->sets.items[i], &options);
  if (code == EXIT_DONE) code = weft_command_train_log_open(c, &w.log);
  if (code) return code;
  signal(SIGINT, on_interrupt);
  weft_train_result result = {0};
  weft_status *status = weft_train_program(session, &options, &result);
  if (!status) print_result(&w, &result);
  int closed = weft_command_train_log_close(&w.log, &result);
  return status ? weft_command_status(c, status) : closed;
}
