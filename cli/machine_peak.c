#include "cli/machine_peak.h"
#include <immintrin.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHAINS = 12, ROUNDS = 200000, TRIES = 5 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// Independent chains, enough to cover the latency of an FMA on two ports. Each returns the operations that it did.
__attribute__((target("avx512f"))) static double chains_512(void) {
  __m512 sums[CHAINS], factor = _mm512_set1_ps(0.999f);
  for (int i = 0; i < CHAINS; i++) sums[i] = factor;
  for (int round = 0; round < ROUNDS; round++)
    for (int i = 0; i < CHAINS; i++) __asm__("vfmadd213ps %1, %1, %0" : "+v"(sums[i]) : "v"(factor));
  for (int i = 0; i < CHAINS; i++) __asm__ volatile("" : : "v"(sums[i]));
  return 2.0 * 16 * CHAINS * ROUNDS;
}

__attribute__((target("avx2,fma"))) static double chains_256(void) {
  __m256 sums[CHAINS], factor = _mm256_set1_ps(0.999f);
  for (int i = 0; i < CHAINS; i++) sums[i] = factor;
  for (int round = 0; round < ROUNDS; round++)
    for (int i = 0; i < CHAINS; i++) __asm__("vfmadd213ps %1, %1, %0" : "+x"(sums[i]) : "x"(factor));
  for (int i = 0; i < CHAINS; i++) __asm__ volatile("" : : "x"(sums[i]));
  return 2.0 * 8 * CHAINS * ROUNDS;
}

static double chains_128(void) {
  __m128 sums[CHAINS], factor = _mm_set1_ps(0.999f);
  for (int i = 0; i < CHAINS; i++) sums[i] = factor;
  for (int round = 0; round < ROUNDS; round++)
    for (int i = 0; i < CHAINS; i++) __asm__("mulps %1, %0\n addps %1, %0" : "+x"(sums[i]) : "x"(factor));
  for (int i = 0; i < CHAINS; i++) __asm__ volatile("" : : "x"(sums[i]));
  return 2.0 * 4 * CHAINS * ROUNDS;
}

double cli_peak_flops(void) {
  __builtin_cpu_init();
  double (*chains)(void) = __builtin_cpu_supports("avx512f") ? chains_512 : __builtin_cpu_supports("fma") ? chains_256 : chains_128;
  double best = 0;
  for (int i = 0; i < TRIES; i++) {
    double start = now(), operations = chains(), rate = operations / (now() - start);
    best = rate > best ? rate : best;
  }
  return best;
}

static float sum_of(const float *data, size_t count) {
  __m128 sums[8] = {0};
  for (size_t i = 0; i < count; i += 32)
    for (int k = 0; k < 8; k++) sums[k] = _mm_add_ps(sums[k], _mm_load_ps(data + i + 4 * (size_t)k));
  for (int k = 1; k < 8; k++) sums[0] = _mm_add_ps(sums[0], sums[k]);
  return _mm_cvtss_f32(sums[0]);
}

double cli_peak_bandwidth(void) {
  size_t count = (size_t)32 << 20;   // 128 MiB: beyond any cache
  float *data = aligned_alloc(64, count * sizeof *data);
  if (!data) return 0;
  memset(data, 1, count * sizeof *data);
  double best = 0;
  for (int i = 0; i < 3; i++) {
    double start = now();
    float sum = sum_of(data, count);
    double rate = (double)(count * sizeof *data) / (now() - start);
    __asm__ volatile("" : : "x"(sum));
    best = rate > best ? rate : best;
  }
  free(data);
  return best;
}
