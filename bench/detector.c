// How free is this processor now? Four independent chains of scalar additions, which need the whole front end: a stranger on the
// sibling hyper-thread shows at once. Prints additions a second for each thread, in units of 1e9. usage: detector THREADS
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void *measure(void *out) {
  uint64_t a = 1, b = 2, c = 3, d = 4;
  const long rounds = 2000000;
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (long i = 0; i < rounds; i++) {
    __asm__ volatile("add $1, %0\n add $1, %1\n add $1, %2\n add $1, %3\n"
                     "add $1, %0\n add $1, %1\n add $1, %2\n add $1, %3\n" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  double seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9;
  *(double *)out = 8.0 * (double)rounds / seconds * 1e-9;
  return NULL;
}

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 1;
  if (threads < 1 || threads > 64) return 2;
  pthread_t ids[64];
  double rates[64];
  for (int i = 1; i < threads; i++) pthread_create(&ids[i], NULL, measure, &rates[i]);
  measure(&rates[0]);
  for (int i = 1; i < threads; i++) pthread_join(ids[i], NULL);
  for (int i = 0; i < threads; i++) printf("%.3f%s", rates[i], i + 1 < threads ? " " : "\n");
  return 0;
}
