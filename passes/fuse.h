// The fusion pass: a graph of operations and the clusters they have been joined into; strategies join clusters.
#ifndef WEFT_PASSES_FUSE_H
#define WEFT_PASSES_FUSE_H
#include "passes/schedule.h"

typedef struct wf_fusion {
  wf_module *module;
  wf_function *function;
  wf_tile_target target;
  int max_reads;                 // reads of one value into which it may be substituted
  int tries;                     // of the search
  int op_count;
  wf_op **ops;                   // NULL where substituted away
  int *cluster;                  // by op: the index of the cluster's first op
  int *next;                     // by op: the cluster's next one, -1 behind the last
  bool *rowwise;                 // by cluster: members share leading axes only
  bool *horizontal;              // by cluster: independent parts
  WF_VEC(int) *users;            // by op: the ops that read its results
  int value_limit;
  int *def;                      // by value id: the op, -1
  bool *apart;                   // by op: joins no cluster of its operands and is substituted nowhere; NULL: none
  bool *wanted;                  // by value id: a result of the function or a value of an update
} wf_fusion;

// ---- fuse_graph.c ----
wf_fusion *wf_fusion_create(wf_function *function, wf_tile_target target);
void wf_fusion_separate(wf_fusion *fusion);                    // each op a cluster of its own, as at the start
void wf_fusion_refresh(wf_fusion *fusion);                     // users, after bodies changed
// Is there a path from cluster a to cluster b through an op of neither?
bool wf_fusion_path(const wf_fusion *fusion, int a, int b);
bool wf_fusion_reaches(const wf_fusion *fusion, int a, int b);  // any path
int wf_fusion_join(wf_fusion *fusion, int a, int b);            // returns the joint cluster's index
int wf_fusion_size(const wf_fusion *fusion, int cluster);
// Writes the clusters back as GROUP operations, in an order in which values are defined before use and updates come late.
void wf_fusion_finish(wf_fusion *fusion);

// ---- fuse_rules.c ----
bool wf_is_elementwise(const wf_op *op);
bool wf_is_contraction(wf_fusion *fusion, wf_op *op);
double wf_points(const wf_op *op, bool with_reduction);
// Joining rules: each returns true after joining `op` to a cluster that made one of its operands.
bool wf_join_epilogue(wf_fusion *fusion, int op, bool need_root);
bool wf_join_sibling(wf_fusion *fusion, int op);
bool wf_join_row(wf_fusion *fusion, int op);
void wf_join_updates(wf_fusion *fusion);

// ---- fuse_windows.c ----
// Reductions over windows of a contraction's points join it where its schedule takes them.
bool wf_join_windows(wf_fusion *fusion, int op);
// x[p] where argmax[window of p] is p   ==>   max[window of p]
void wf_fusion_read_best(wf_fusion *fusion);

// ---- fuse_search.c ----
void wf_fusion_search(wf_fusion *fusion, void (*greedy)(wf_fusion *fusion), int tries);

// ---- fuse_level.c ----
// Small clusters that do not depend on each other share a launch.
void wf_join_levels(wf_fusion *fusion);

// ---- fuse_peephole.c ----
// Exact rewrites that let values stay small or on chip.
void wf_fusion_peephole(wf_fusion *fusion);

// ---- fuse_inline.c ----
// Substitutes cheap elementwise producers into their readers.
void wf_fusion_inline(wf_fusion *fusion);
#endif
