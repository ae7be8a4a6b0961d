// weft devices: what this machine can run on.
#include <dlfcn.h>
#include <sched.h>
#include <stdio.h>
#include "cli/target.h"
#include "runtime/program_load.h"

static int usable_cores(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
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
    printf("{\"name\":\"cpu\",\"level\":\"%s\",\"threads\":%d}\n{\"name\":\"ref\"}\n{\"name\":\"cuda\",\"driver\":%s}\n", weft_machine_level(), cores, cuda ? "true" : "false");
    return EXIT_DONE;
  }
  printf("cpu   %s, %d thread%s\n", weft_machine_level(), cores, cores == 1 ? "" : "s");
  printf("ref   net IR interpreted in f64 (slow; the oracle)\n");
  printf("cuda  %s\n", cuda ? "driver found; this version does not run on it yet" : "no driver (libcuda.so.1 is not installed)");
  return EXIT_DONE;
}
