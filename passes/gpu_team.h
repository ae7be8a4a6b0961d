// A section whose teams of threads make a row each (gpu_rows.c), and what combines values across a team (gpu_team.c).
#ifndef WEFT_PASSES_GPU_TEAM_H
#define WEFT_PASSES_GPU_TEAM_H
#include "passes/gpu.h"

typedef struct wf_gpu_scratch { wf_value *buffer; struct wf_gpu_scratch *next; } wf_gpu_scratch;

typedef struct wf_gpu_team {
  wf_gpu_block block;
  wf_gpu_teams shape;
  int teams;                     // of a block
  const wf_dim *lane, *team;     // of the thread: its place in its team, its team's in the block
  wf_gpu_scratch *scratch;       // shared buffers that hold one element a thread or less
} wf_gpu_team;

// One register element a thread, combined over the team by a fixed tree: every thread of it gets the result.
typedef struct wf_gpu_sum { wf_value *reg; wf_combiner combiner; wf_value *part; } wf_gpu_sum;
void wf_gpu_combine(wf_gpu_team *team, wf_gpu_sum *sums, int count);
// The accumulators of `width` elements a thread become single registers with the team's result (best, index), one for each.
void wf_gpu_combine_accumulators(wf_gpu_team *team, wf_accumulator *acc, int count, int width);
#endif
