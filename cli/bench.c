// weft bench: times a plan (the training step, else inference) on made inputs and prints what each kernel takes.
// With --paced it is one side of a comparison: "ready", then for each line N on stdin N steps and one line with the
// milliseconds a step; the line "memory" answers with the bytes of weights, optimizer state and arena.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "cli/machine_peak.h"
#include "cli/made_inputs.h"
#include "cli/program.h"
#include "runtime/status.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

typedef struct bench {
  cli *c;
  weft_session *session;
  int plan;
  cli_inputs inputs;
  int64_t step;
} bench;

// Runs `count` steps; seconds of each go to `times` where given.
static weft_status *run_steps(bench *b, int count, double *times) {
  for (int i = 0; i < count; i++) {
    weft_session_set_scalars(b->session, b->step++, 1, 1000000);
    double start = now();
    weft_status *status = weft_session_run(b->session, b->plan, b->inputs.items, b->inputs.count);
    if (status) return status;
    if (times) times[i] = now() - start;
  }
  return NULL;
}

static weft_status *prepare(bench *b) {
  b->plan = weft_session_plan(b->session, "step");
  if (b->plan < 0) b->plan = weft_session_plan(b->session, "infer");
  if (b->plan < 0) return weft_fail(WEFT_BAD_INPUT, "the file has neither a training step nor an inference");
  weft_session_set_scalars(b->session, 0, 1, 1000000);
  int init = weft_session_plan(b->session, "init");
  weft_status *status = init >= 0 ? weft_session_run(b->session, init, NULL, 0) : NULL;
  if (status) return status;
  b->inputs = cli_made_inputs(b->c, b->session, b->plan, 64);
  return NULL;
}

// ---- the profile ----------------------------------------------------------------------------------------------------

static int by_time(const void *a, const void *b) {
  double x = (*(const weft_kernel_profile *const *)a)->seconds, y = (*(const weft_kernel_profile *const *)b)->seconds;
  return x < y ? 1 : x > y ? -1 : 0;
}

static void print_profile(bench *b, int steps, double total) {
  const weft_kernel_profile *rows;
  int count;
  weft_session_profile(b->session, &rows, &count);
  const weft_kernel_profile **sorted = WF_NEW_ARRAY(b->c->arena, const weft_kernel_profile *, count);
  for (int i = 0; i < count; i++) sorted[i] = &rows[i];
  qsort(sorted, (size_t)count, sizeof *sorted, by_time);
  int threads = weft_session_threads(b->session);
  const weft_device *device = weft_session_device(b->session);
  double flops_peak = device->on_host ? cli_peak_flops() * threads : device->info.flops;
  double bytes_peak = device->on_host ? cli_peak_bandwidth() : device->info.bandwidth;
  bool known = flops_peak > 0 && bytes_peak > 0;
  if (!b->c->options.json)
    printf("%-32s %6s %9s %6s %9s %9s %9s %9s  %s\n", "kernel", "runs", "ms", "share", "MFLOP", "MB", "GFLOP/s", "roofline", "place");
  for (int i = 0; i < count; i++) {
    const weft_kernel_profile *row = sorted[i];
    double seconds = row->seconds / steps, flops = row->flops / steps, bytes = row->bytes / steps;
    double least = !known ? 0 : flops / flops_peak > bytes / bytes_peak ? flops / flops_peak : bytes / bytes_peak;
    double share = total > 0 ? seconds / total : 0, roofline = seconds > 0 ? least / seconds : 0;
    if (b->c->options.json)
      printf("{\"kernel\":\"%s\",\"launches\":%.17g,\"ms\":%.6f,\"share\":%.4f,\"flops\":%.17g,\"bytes\":%.17g,\"roofline\":%.4f,\"place\":\"%s\"}\n", row->name,
             (double)row->launches / steps, seconds * 1e3, share, flops, bytes, roofline, row->place ? row->place : "");
    else
      printf("%-32s %6.0f %9.3f %5.1f%% %9.2f %9.2f %9.1f %8.0f%%  %s\n", row->name, (double)row->launches / steps, seconds * 1e3, share * 100, flops / 1e6,
             bytes / 1e6, seconds > 0 ? flops / seconds / 1e9 : 0, roofline * 100, row->place ? row->place : "");
  }
  if (!b->c->options.json && known && !device->on_host)
    printf("\nroofline: the least time by %s's %.0f GFLOP/s (f32 FMA) and %.1f GB/s, over the time taken\n", device->info.name, flops_peak / 1e9, bytes_peak / 1e9);
  if (!b->c->options.json && device->on_host)
    printf("\nroofline: the least time by this machine's %.0f GFLOP/s (%d thread%s, f32 FMA) and %.1f GB/s, over the time taken\n", flops_peak / 1e9, threads,
           threads == 1 ? "" : "s", bytes_peak / 1e9);
}

static int compare_doubles(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static weft_status *run_profile(bench *b) {
  int repeat = b->c->options.repeat ? b->c->options.repeat : 10;
  double *times = WF_NEW_ARRAY(b->c->arena, double, repeat);
  weft_status *status = run_steps(b, 2, NULL);
  if (status) return status;
  weft_session_profile_reset(b->session);
  if ((status = run_steps(b, repeat, times))) return status;
  double total = 0;
  for (int i = 0; i < repeat; i++) total += times[i] / repeat;
  print_profile(b, repeat, total);
  qsort(times, (size_t)repeat, sizeof *times, compare_doubles);
  weft_memory memory = weft_session_memory(b->session);
  double kept = (double)(memory.parameters + memory.states + memory.arena);
  const char *plan = weft_session_program(b->session)->plans[b->plan].name;
  if (b->c->options.json)
    printf("{\"plan\":\"%s\",\"ms\":{\"min\":%.4f,\"median\":%.4f,\"max\":%.4f},\"memory\":%.0f}\n", plan, times[0] * 1e3, times[repeat / 2] * 1e3, times[repeat - 1] * 1e3, kept);
  else
    printf("%s: min %.3f  median %.3f  max %.3f ms over %d runs; memory %.1f MB (weights %.1f, state %.1f, arena %.1f)\n", plan, times[0] * 1e3,
           times[repeat / 2] * 1e3, times[repeat - 1] * 1e3, repeat, kept / 1e6, (double)memory.parameters / 1e6, (double)memory.states / 1e6, (double)memory.arena / 1e6);
  return NULL;
}

// ---- paced by stdin ---------------------------------------------------------------------------------------------------

static weft_status *run_paced(bench *b) {
  weft_status *status = run_steps(b, 1, NULL);
  if (status) return status;
  printf("ready\n");
  fflush(stdout);
  char line[64];
  while (fgets(line, sizeof line, stdin)) {
    if (!strncmp(line, "memory", 6)) {
      weft_memory memory = weft_session_memory(b->session);
      printf("%zu\n", memory.parameters + memory.states + memory.arena);
    } else {
      int count = atoi(line);
      if (count < 1) continue;
      double start = now();
      if ((status = run_steps(b, count, NULL))) return status;
      printf("%.4f\n", (now() - start) / count * 1e3);
    }
    fflush(stdout);
  }
  return NULL;
}

int cli_bench(cli *c) {
  cli_program program;
  int code = cli_program_open(c, !c->options.paced, &program);
  if (code == EXIT_DONE) {
    bench b = {.c = c, .session = program.session};
    weft_status *status = prepare(&b);
    if (!status) status = c->options.paced ? run_paced(&b) : run_profile(&b);
    code = cli_status(c, status);
  }
  cli_program_close(&program);
  return code;
}
