// weft devices: what this machine can run on.
#include <dlfcn.h>
#include <sched.h>
#include <stdio.h>
#include "cli/cli.h"

static int usable_cores(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

// The x86-64 level of psABI that this processor reaches.
static const char *host_level(void) {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) return "x86-64-v4";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) return "x86-64-v3";
  return "x86-64-v2";
}

static bool cuda_driver(void) {
  void *driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (driver) dlclose(driver);
  return driver != NULL;
}

int cli_devices(cli *c) {
  int cores = usable_cores();
  bool cuda = cuda_driver();
  if (c->options.json) {
    printf("{\"name\":\"cpu\",\"level\":\"%s\",\"threads\":%d}\n{\"name\":\"ref\"}\n{\"name\":\"cuda\",\"driver\":%s}\n", host_level(), cores, cuda ? "true" : "false");
    return EXIT_DONE;
  }
  printf("cpu   %s, %d thread%s\n", host_level(), cores, cores == 1 ? "" : "s");
  printf("ref   net IR interpreted in f64 (slow; the oracle)\n");
  printf("cuda  %s\n", cuda ? "driver found; this version does not run on it yet" : "no driver (libcuda.so.1 is not installed)");
  return EXIT_DONE;
}
