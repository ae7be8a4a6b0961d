// Lane arithmetic for any CPU, and the choice between the versions.
#define SIMT_LANES_TABLE simt_lanes_base
#include "runtime/simt/lanes.inc"

const simt_lanes_table *simt_lanes(void) {
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) return &simt_lanes_v3;
#endif
  return &simt_lanes_base;
}
