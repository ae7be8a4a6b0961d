// weft devices: what this machine can run on.
#include <sched.h>
#include <stdio.h>
#include "cli/target.h"
#include "runtime/cuda/cuda.h"
#include "runtime/program_load.h"

static int usable_cores(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

enum { MOST = 16 };

static void print_gpu(const cli *c, int ordinal, const weft_device_info *info) {
  if (c->options.json)
    printf("{\"name\":\"cuda\",\"ordinal\":%d,\"device\":\"%s\",\"capability\":\"%d.%d\",\"multiprocessors\":%d,\"memory\":%zu,\"driver\":\"%d.%d\"}\n", ordinal, info->name,
           info->major, info->minor, info->multiprocessors, info->memory, info->driver / 1000, info->driver % 1000 / 10);
  else
    printf("cuda  %d: %s, compute capability %d.%d, %d multiprocessors, %.1f GB, driver for CUDA %d.%d\n", ordinal, info->name, info->major, info->minor,
           info->multiprocessors, (double)info->memory / 1e9, info->driver / 1000, info->driver % 1000 / 10);
}

int cli_devices(cli *c) {
  weft_device_info gpus[MOST];
  int cores = usable_cores(), count;
  if (c->options.json) printf("{\"name\":\"cpu\",\"level\":\"%s\",\"threads\":%d}\n{\"name\":\"ref\"}\n{\"name\":\"simt\"}\n", weft_machine_level(), cores);
  else
    printf("cpu   %s, %d thread%s\nref   net IR interpreted in f64 (slow; the oracle)\nsimt  PTX for sm_80 interpreted on the host, with checks (slow)\n", weft_machine_level(), cores, cores == 1 ? "" : "s");
  weft_status *failed = weft_cuda_list(NULL, gpus, MOST, &count);
  for (int i = 0; i < count; i++) print_gpu(c, i, &gpus[i]);
  if (failed && c->options.json) printf("{\"name\":\"cuda\",\"driver\":false}\n");
  else if (failed) printf("cuda  %s\n", weft_status_message(failed));
  weft_status_free(failed);
  return EXIT_DONE;
}
