// How groups become kernels; shared by tile*.c and schedule*.c.
#ifndef WEFT_PASSES_TILE_H
#define WEFT_PASSES_TILE_H
#include "passes/draft.h"

typedef struct wf_tile {
  wf_module *module;
  wf_function *function;
  wf_tile_target target;
  bool contract;                 // use the contraction schedule
  WF_VEC(wf_op *) out;           // the function's new operations, in order
} wf_tile;

// The machine that runs the compiler, or what the option target=x86-64-v2|v3|v4 names. False with an error.
bool wf_tile_target_from(wf_module *module, const char *name, wf_tile_target *out_target);

// A lone COMPUTE or SCATTER as a kernel of its own.
void wf_tile_op(wf_tile *tile, wf_op *op);
// A GROUP: inline members substituted, connected parts as sections of one launch.
void wf_tile_group(wf_tile *tile, wf_op *group);

// The members of one connected part as sections of the draft's kernel: the one place where host and GPU part.
void wf_tile_part(wf_draft *draft, wf_op *const *members, int count);

// Long sums of few results at the head of a part leave their parts to a launch before.
void wf_tile_parts(wf_tile *tile, wf_op **members, int count);

// A contraction with elementwise members over the same points; members[0] is the contraction. False where it is none.
bool wf_tile_contraction(wf_tile *tile, const char *name, wf_op *const *members, int member_count, wf_value *const *results, int result_count);

// ---- split_reduction.c ----
// sum[k] body ==> partial[s] = sum[k in chunk s] body; sum[s] partial. The chunking depends on extents only.
// Appends the partial's op to `out_partial` and rewrites `op`. False where it does not pay.
// contraction: the sum is one of products and the caller wants so many parts; 0: any other reduction.
bool wf_split_reduction(wf_function *function, wf_op *op, int contraction, wf_op **out_partial);
#endif
