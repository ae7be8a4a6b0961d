// weft train: compiles the network, trains it on its data, shows how it goes.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli/program.h"
#include "cli/progress.h"
#include "cli/train_log.h"
#include "runtime/train.h"

typedef struct watcher {
  cli *c;
  cli_progress progress;
  cli_train_log log;
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
  cli_train_log_step(&w->log, event);
  if (w->c->options.json) print_line(cli_step_json(event));
  else cli_progress_step(&w->progress, event);
  return !interrupted;
}

static bool on_epoch(void *context, const weft_train_event *event) {
  watcher *w = context;
  cli_train_log_epoch(&w->log, event);
  if (w->c->options.json) print_line(cli_epoch_json(event));
  else cli_progress_epoch(&w->progress, event);
  return !interrupted;
}

static void on_note(void *context, const char *text) {
  (void)context;
  fflush(stdout);
  fprintf(stderr, "note: %s\n", text);
}

static void print_result(const watcher *w, const weft_train_result *result) {
  if (w->c->options.json) return;
  if (w->progress.terminal) printf("\r\033[K");
  printf("trained %lld steps in %.1f s (%.0f samples/s)", (long long)result->steps, result->seconds,
         result->seconds > 0 ? (double)result->samples / result->seconds : 0);
  if (result->test_count) printf("; test loss %.4f", result->test[0]);
  if (result->test_count > 1) printf(", %s %.4f", result->test_names[1], result->test[1]);
  printf("\n");
  if (w->c->options.save) printf("saved %s\n", w->c->options.save);
}

static weft_train_options train_options(cli *c, watcher *w) {
  return (weft_train_options){
      .save = c->options.save,
      .save_every = c->options.save_every,
      .resume = c->options.resume,
      .init = c->options.init,
      .data_folder = c->options.data,
      .net_folder = cli_net_folder(c),
      .evaluate = c->options.eval,
      .allow_nan = c->options.allow_nan,
      .callbacks = {.context = w, .step = on_step, .epoch = on_epoch, .note = on_note},
  };
}

int cli_train(cli *c) {
  cli_program program;
  int code = cli_program_open(c, false, &program);
  watcher w = {.c = c, .progress = {.terminal = c->terminal, .colour = c->colour_out}};
  if (code == EXIT_DONE) code = cli_train_log_open(c, &w.log);
  if (code == EXIT_DONE) {
    signal(SIGINT, on_interrupt);
    weft_train_options options = train_options(c, &w);
    weft_train_result result = {0};
    weft_status *status = weft_train_program(program.session, &options, &result);
    if (!status) print_result(&w, &result);
    int closed = cli_train_log_close(&w.log, &result);
    code = status ? cli_status(c, status) : closed;
  }
  cli_program_close(&program);
  return code;
}
