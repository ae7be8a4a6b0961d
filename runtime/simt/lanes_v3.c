// Lane arithmetic for x86-64-v3 (AVX2, FMA).
#ifdef __x86_64__
#pragma GCC target("arch=x86-64-v3")
#define SIMT_LANES_TABLE simt_lanes_v3
#include "runtime/simt/lanes.inc"
#else
typedef int simt_lanes_v3_empty;
#endif
