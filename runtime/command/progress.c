#include "runtime/command/progress.h"
#include <stdio.h>
#include <string.h>

static void format_time(double seconds, char *out, size_t size) {
  int whole = seconds < 0 || seconds > 3.5e6 ? 0 : (int)(seconds + 0.5);
  if (whole >= 3600) snprintf(out, size, "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60);
  else snprintf(out, size, "%d:%02d", whole / 60, whole % 60);
}

static void print_metrics(const weft_metric *metrics, int count, const char *prefix) {
  for (int i = 0; i < count; i++) printf("  %s%s %.4f", prefix, metrics[i].name, metrics[i].value);
}

static void draw_bar(const weft_train_event *event) {
  enum { WIDTH = 24 };
  static const char *const parts[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  double share = event->steps > 0 ? (double)event->step / (double)event->steps : 0;
  int eighths = (int)(share * WIDTH * 8);
  for (int i = 0; i < WIDTH; i++) fputs(eighths >= (i + 1) * 8 ? "█" : eighths > i * 8 ? parts[eighths - i * 8] : " ", stdout);
}

static void print_rate(const weft_train_event *event) {
  double rate = event->seconds > 0 ? (double)event->samples / event->seconds : 0;
  printf("  %.0f samples/s", rate);
}

void weft_command_progress_step(weft_command_progress *progress, const weft_train_event *event) {
  if (!progress->terminal) {
    if (progress->line_every <= 0) progress->line_every = event->steps > 200 ? event->steps / 20 : 10;
    if (event->step % progress->line_every && event->step != 1) return;
    printf("step %lld/%lld", (long long)event->step, (long long)event->steps);
    print_metrics(event->train, event->train_count, "");
    print_rate(event);
    printf("\n");
    fflush(stdout);
    return;
  }
  if (event->seconds - progress->shown < 0.1 && event->step != event->steps) return;
  progress->shown = event->seconds;
  char left[32];
  double per_step = event->samples > 0 && event->step > 0 ? event->seconds / (double)event->step : 0;
  format_time(per_step * (double)(event->steps - event->step), left, sizeof left);
  printf("\r\033[K");
  if (event->epochs) printf("epoch %lld/%lld ", (long long)event->epoch, (long long)event->epochs);
  draw_bar(event);
  print_metrics(event->train, event->train_count, "");
  print_rate(event);
  printf("  %s left", left);
  fflush(stdout);
}

void weft_command_progress_epoch(weft_command_progress *progress, const weft_train_event *event) {
  if (progress->terminal) printf("\r\033[K");
  printf("epoch %lld", (long long)event->epoch);
  print_metrics(event->train, event->train_count, "");
  if (event->test) print_metrics(event->test, event->test_count, "test ");
  char time[32];
  format_time(event->seconds, time, sizeof time);
  printf("  %s\n", time);
  fflush(stdout);
}
