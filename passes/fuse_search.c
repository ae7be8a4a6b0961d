// The strategy `search`: greedy again and again with one decision forbidden each time, keeping what costs less. A decision is that an
// operation joins a cluster that makes one of its operands, or is substituted into its readers. Operations with much to read and
// write come first; every try is a whole grouping by the rules of greedy, so whatever comes out can be built. Deterministic.
#include "passes/fuse.h"

#define LAUNCH 4000.0            // vector operations that starting a kernel and joining its tasks is worth
#define VECTORS_A_BYTE 0.25      // vector operations that a byte's way to or from memory is worth

typedef struct start {           // the function before any rewrite
  wf_op **ops, *copies;
  wf_dtype *types;               // of results, by op
} start;

static start remember(const wf_fusion *fusion) {
  wf_arena *arena = fusion->module->arena;
  start s = {WF_NEW_ARRAY(arena, wf_op *, fusion->op_count), WF_NEW_ARRAY(arena, wf_op, fusion->op_count), WF_NEW_ARRAY(arena, wf_dtype, fusion->op_count)};
  for (int i = 0; i < fusion->op_count; i++) {
    s.ops[i] = fusion->ops[i];
    if (!fusion->ops[i]) continue;
    s.copies[i] = *fusion->ops[i];
    if (fusion->ops[i]->result_count) s.types[i] = fusion->ops[i]->results[0]->dtype;
  }
  return s;
}

static void restore(wf_fusion *fusion, const start *s) {
  for (int i = 0; i < fusion->op_count; i++) {
    fusion->ops[i] = s->ops[i];
    if (!s->ops[i]) continue;
    *s->ops[i] = s->copies[i];
    if (s->ops[i]->result_count) s->ops[i]->results[0]->dtype = s->types[i];
  }
  wf_fusion_separate(fusion);
  wf_fusion_refresh(fusion);
}

static double bytes_of(wf_module *module, const wf_value *value) {
  return wf_draft_estimate(wf_value_elements(module, value)) * wf_dtype_bytes(value->dtype);
}

static bool read_outside(const wf_fusion *fusion, int op) {
  const wf_value *value = fusion->ops[op]->results[0];
  bool outside = fusion->wanted[value->id];
  for (int u = 0; u < fusion->users[op].count; u++) outside |= fusion->cluster[fusion->users[op].items[u]] != fusion->cluster[op];
  return outside;
}

// Launches, what the operations take, and the bytes that cross the borders of clusters.
static double cost_of(wf_fusion *fusion) {
  wf_module *module = fusion->module;
  int *read_by = WF_NEW_ARRAY(module->arena, int, fusion->value_limit);   // by value id: the cluster that has paid for it, plus 1
  double cost = 0;
  for (int cluster = 0; cluster < fusion->op_count; cluster++) {
    if (!fusion->ops[cluster] || fusion->cluster[cluster] != cluster || !fusion->ops[cluster]->result_count) continue;
    cost += LAUNCH;
    for (int i = cluster; i >= 0; i = fusion->next[i]) {
      const wf_op *op = fusion->ops[i];
      if (!op) continue;
      cost += wf_schedule_cost(module, fusion->ops[i], fusion->target);
      if (op->result_count && read_outside(fusion, i)) cost += bytes_of(module, op->results[0]) * VECTORS_A_BYTE;
      for (int k = 0; k < op->operand_count; k++) {
        const wf_value *value = op->operands[k];
        int def = fusion->def[value->id];
        if ((def >= 0 && fusion->cluster[def] == cluster) || read_by[value->id] == cluster + 1) continue;
        read_by[value->id] = cluster + 1;
        cost += bytes_of(module, value) * VECTORS_A_BYTE;
      }
    }
  }
  return cost;
}

typedef struct candidate { int op; double bytes; } candidate;

// Computes, those with most bytes first; among equals the order of the program.
static int candidates_of(const wf_fusion *fusion, candidate *out) {
  int count = 0;
  for (int i = 0; i < fusion->op_count; i++) {
    const wf_op *op = fusion->ops[i];
    if (!op || op->kind != WF_O_COMPUTE) continue;
    double bytes = bytes_of(fusion->module, op->results[0]);
    for (int k = 0; k < op->operand_count; k++) bytes += bytes_of(fusion->module, op->operands[k]);
    int at = count++;
    for (; at > 0 && out[at - 1].bytes < bytes; at--) out[at] = out[at - 1];
    out[at] = (candidate){i, bytes};
  }
  return count;
}

void wf_fusion_search(wf_fusion *fusion, void (*greedy)(wf_fusion *fusion), int tries) {
  start begin = remember(fusion);
  candidate *list = WF_NEW_ARRAY(fusion->module->arena, candidate, fusion->op_count);
  int count = candidates_of(fusion, list);
  fusion->apart = WF_NEW_ARRAY(fusion->module->arena, bool, fusion->op_count);
  greedy(fusion);
  double best = cost_of(fusion);
  for (int i = 0; i < count && tries > 0; i++) {
    bool joined = !fusion->ops[list[i].op] || wf_fusion_size(fusion, fusion->cluster[list[i].op]) > 1;
    if (!joined) continue;   // alone already, as far as the last grouping tells
    tries--;
    fusion->apart[list[i].op] = true;
    restore(fusion, &begin);
    greedy(fusion);
    double cost = cost_of(fusion);
    if (cost < best * (1 - 1e-6)) best = cost;
    else fusion->apart[list[i].op] = false;
  }
  restore(fusion, &begin);
  greedy(fusion);
}
