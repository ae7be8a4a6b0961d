// How fast the PTX machine executes: thread-steps (instructions times lanes) a second of one core on nvcc's matmul tile and a sum.
//   simt_speed tests/simt/kernels.ptx
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "runtime/simt/simt.h"

// Seconds that a core worked for this process: what other processes take does not count.
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void need(weft_status *status) {
  if (!status) return;
  fprintf(stderr, "%s\n", weft_status_message(status));
  exit(weft_status_code(status));
}

static float *ones(weft_simt *machine, size_t count) {
  void *out;
  need(weft_simt_alloc(machine, count * sizeof(float), &out));
  for (size_t k = 0; k < count; k++) ((float *)out)[k] = 1;
  need(weft_simt_mark_initialised(machine, out, count * sizeof(float)));
  return out;
}

static void time_kernel(weft_simt *machine, const weft_simt_kernel *kernel, const uint32_t grid[3], const uint32_t block[3], uint32_t shared,
                        void **parameters) {
  weft_simt_counts before, after;
  double best = 0;
  for (int k = 0; k < 5; k++) {
    weft_simt_statistics(machine, &before);
    double start = now();
    need(weft_simt_launch(machine, kernel, grid, block, shared, parameters));
    double seconds = now() - start;
    weft_simt_statistics(machine, &after);
    double rate = (double)(after.total.thread_instructions - before.total.thread_instructions) / seconds;
    if (rate > best) best = rate;
  }
  printf("%-10s %8.1f million thread-steps a second of a core\n", weft_simt_kernel_name(kernel), best / 1e6);
}

int main(int argc, char **argv) {
  FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
  if (!file) {
    fprintf(stderr, "usage: simt_speed tests/simt/kernels.ptx\n");
    return 2;
  }
  static char text[1 << 20];
  size_t size = fread(text, 1, sizeof text, file);
  fclose(file);
  weft_simt *machine;
  weft_simt_module *module;
  need(weft_simt_create(&(weft_simt_options){.threads = 1}, &machine));
  need(weft_simt_load(machine, argv[1], text, size, &module));
  int m = 256, n = 256, k = 128, count = 1 << 18;
  float *a = ones(machine, (size_t)(m * k)), *b = ones(machine, (size_t)(k * n)), *c = ones(machine, (size_t)(m * n)), *x = ones(machine, (size_t)count);
  time_kernel(machine, weft_simt_entry(module, "matmul"), (uint32_t[]){4, 4, 1}, (uint32_t[]){256, 1, 1}, 0, (void *[]){&m, &n, &k, &a, &b, &c});
  time_kernel(machine, weft_simt_entry(module, "block_sum"), (uint32_t[]){16, 1, 1}, (uint32_t[]){256, 1, 1}, 1024, (void *[]){&count, &x, &c});
  weft_simt_destroy(machine);
  return 0;
}
