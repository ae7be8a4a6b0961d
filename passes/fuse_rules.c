// What may be made together, and the greedy joins.
#include "passes/fuse.h"

enum { MOST_MEMBERS = 60, ROW_ELEMENTS = 16384, MOST_PARTS = 120 };

bool wf_is_elementwise(const wf_op *op) { return op->kind == WF_O_COMPUTE && op->combiner == WF_R_NONE; }
static bool is_reduction(const wf_op *op) { return op->kind == WF_O_COMPUTE && op->combiner != WF_R_NONE; }

bool wf_is_contraction(wf_fusion *fusion, wf_op *op) {
  wf_contraction ignored;
  return wf_classify_contraction(fusion->module, op, fusion->target, &ignored);
}

double wf_points(const wf_op *op, bool with_reduction) {
  double points = 1;
  for (int i = 0; i < op->axis_count; i++) points *= wf_draft_estimate(op->axes[i]->extent);
  for (int i = 0; with_reduction && i < op->reduction_count; i++) points *= wf_draft_estimate(op->reduction_axes[i]->extent);
  return points;
}

#define FOR_MEMBERS(fusion, cluster_index, name)                              \
  for (int name = (cluster_index); name >= 0; name = (fusion)->next[name])    \
    if ((fusion)->ops[name])

// Are all reads of the cluster's values by the op at its own point?
static bool reads_cluster_at_point(const wf_fusion *fusion, int cluster, const wf_op *op) {
  FOR_MEMBERS(fusion, cluster, i) {
    if (!wf_same_points(fusion->ops[i], op)) return false;
    for (int k = 0; k < op->operand_count; k++)
      if (op->operands[k] == fusion->ops[i]->results[0] && !wf_reads_at(op, op->operands[k], op->axis_count)) return false;
  }
  return true;
}

static bool has_root(const wf_fusion *fusion, int cluster) {
  FOR_MEMBERS(fusion, cluster, i) if (is_reduction(fusion->ops[i])) return true;
  return false;
}

static bool all_computes(const wf_fusion *fusion, int cluster) {
  FOR_MEMBERS(fusion, cluster, i) if (fusion->ops[i]->kind != WF_O_COMPUTE) return false;
  return true;
}

bool wf_join_epilogue(wf_fusion *fusion, int index, bool need_root) {
  const wf_op *op = fusion->ops[index];
  if (!wf_is_elementwise(op)) return false;
  for (int k = 0; k < op->operand_count; k++) {
    int def = fusion->def[op->operands[k]->id], mine = fusion->cluster[index];
    if (def < 0 || fusion->cluster[def] == mine) continue;
    int cluster = fusion->cluster[def];
    if (!all_computes(fusion, cluster) || fusion->rowwise[cluster] || (need_root && !has_root(fusion, cluster))) continue;
    if (wf_fusion_size(fusion, cluster) + wf_fusion_size(fusion, mine) > MOST_MEMBERS) continue;
    bool fits = true;
    FOR_MEMBERS(fusion, mine, i) fits = fits && wf_is_elementwise(fusion->ops[i]) && reads_cluster_at_point(fusion, cluster, fusion->ops[i]);
    if (!fits || wf_fusion_path(fusion, cluster, mine) || wf_fusion_reaches(fusion, mine, cluster)) continue;
    wf_fusion_join(fusion, cluster, mine);
    return true;
  }
  return false;
}

static bool shares_operand(const wf_op *a, const wf_op *b) {
  for (int i = 0; i < a->operand_count; i++)
    for (int j = 0; j < b->operand_count; j++)
      if (a->operands[i] == b->operands[j]) return true;
  return false;
}

// Two reductions of the same window of the same operand: max and argmax of a pooling window, say.
bool wf_join_sibling(wf_fusion *fusion, int index) {
  wf_op *op = fusion->ops[index];
  if (!is_reduction(op) || wf_fusion_size(fusion, fusion->cluster[index]) > 1 || wf_is_contraction(fusion, op)) return false;
  for (int other = 0; other < index; other++) {
    wf_op *root = fusion->ops[other];
    if (!root || !is_reduction(root) || !wf_same_points(root, op) || root->reduction_count != op->reduction_count) continue;
    int cluster = fusion->cluster[other];
    bool same = shares_operand(root, op) && !fusion->rowwise[cluster];
    for (int r = 0; r < op->reduction_count && same; r++) same = root->reduction_axes[r]->extent == op->reduction_axes[r]->extent;
    if (!same || wf_is_contraction(fusion, root) || wf_fusion_size(fusion, cluster) >= MOST_MEMBERS) continue;
    if (wf_fusion_reaches(fusion, cluster, index) || wf_fusion_reaches(fusion, index, cluster)) continue;
    wf_fusion_join(fusion, cluster, index);
    return true;
  }
  return false;
}

// ---- rows: softmax, layer norm -----------------------------------------------------------------------------------

static int common_leading(const wf_op *a, const wf_op *b) {
  int shared = 0;
  while (shared < a->axis_count && shared < b->axis_count && a->axes[shared]->extent == b->axes[shared]->extent) shared++;
  return shared;
}

// At most one axis beyond the shared ones, and a row that stays in the cache.
static bool is_row_of(const wf_op *op, int leading) {
  double row = 1;
  for (int a = leading; a < op->axis_count; a++) row *= wf_draft_estimate(op->axes[a]->extent);
  for (int r = 0; r < op->reduction_count; r++) row *= wf_draft_estimate(op->reduction_axes[r]->extent);
  return op->axis_count - leading <= 1 && row <= ROW_ELEMENTS && (op->combiner == WF_R_NONE || op->reduction_count == 1);
}

static int leading_of_cluster(const wf_fusion *fusion, int cluster, int leading) {
  const wf_op *first = NULL;
  FOR_MEMBERS(fusion, cluster, i) {
    if (!first) first = fusion->ops[i];
    int shared = common_leading(first, fusion->ops[i]);
    if (shared < leading) leading = shared;
  }
  return leading;
}

static bool cluster_is_rows(wf_fusion *fusion, int cluster, int leading) {
  FOR_MEMBERS(fusion, cluster, i) if (!is_row_of(fusion->ops[i], leading) || wf_is_contraction(fusion, fusion->ops[i])) return false;
  return true;
}

// Reads of values of cluster `made` by members of cluster `reader` keep to the shared leading axes.
static bool reads_rows(const wf_fusion *fusion, int made, int reader, int leading) {
  FOR_MEMBERS(fusion, reader, i) {
    FOR_MEMBERS(fusion, made, j) {
      const wf_value *value = fusion->ops[j]->results[0];
      for (int k = 0; k < fusion->ops[i]->operand_count; k++)
        if (fusion->ops[i]->operands[k] == value && !wf_reads_at(fusion->ops[i], value, leading)) return false;
    }
  }
  return true;
}

bool wf_join_row(wf_fusion *fusion, int index) {
  const wf_op *op = fusion->ops[index];
  if (op->kind != WF_O_COMPUTE || op->axis_count == 0) return false;
  for (int k = 0; k < op->operand_count; k++) {
    int def = fusion->def[op->operands[k]->id], mine = fusion->cluster[index];
    if (def < 0 || fusion->cluster[def] == mine || fusion->ops[def]->kind != WF_O_COMPUTE) continue;
    int cluster = fusion->cluster[def];
    if (!all_computes(fusion, cluster) || wf_fusion_size(fusion, cluster) + wf_fusion_size(fusion, mine) > MOST_MEMBERS) continue;
    if (!has_root(fusion, cluster) && !has_root(fusion, mine)) continue;
    int leading = common_leading(fusion->ops[def], op);
    leading = leading_of_cluster(fusion, cluster, leading_of_cluster(fusion, mine, leading));
    if (leading == 0 || !cluster_is_rows(fusion, cluster, leading) || !cluster_is_rows(fusion, mine, leading)) continue;
    if (!reads_rows(fusion, cluster, mine, leading) || !reads_rows(fusion, cluster, cluster, leading) ||
        !reads_rows(fusion, mine, mine, leading))
      continue;
    if (wf_fusion_path(fusion, cluster, mine) || wf_fusion_reaches(fusion, mine, cluster)) continue;
    int joint = wf_fusion_join(fusion, cluster, mine);
    fusion->rowwise[joint] = true;
    return true;
  }
  return false;
}

// ---- horizontal: the optimizer step of all parameters -----------------------------------------------------------

static bool is_update_cluster(const wf_fusion *fusion, int cluster) {
  bool feeds = false;
  FOR_MEMBERS(fusion, cluster, i) {
    if (!wf_is_elementwise(fusion->ops[i])) return false;
    for (int u = 0; u < fusion->users[i].count; u++) {
      int user = fusion->users[i].items[u];
      if (fusion->ops[user]->kind == WF_O_UPDATE) feeds = true;
      else if (fusion->cluster[user] != cluster) return false;
    }
  }
  return feeds && !fusion->rowwise[cluster];
}

void wf_join_updates(wf_fusion *fusion) {
  int into = -1, parts = 0;
  for (int i = 0; i < fusion->op_count; i++) {
    if (!fusion->ops[i] || fusion->cluster[i] != i || !is_update_cluster(fusion, i)) continue;
    int size = wf_fusion_size(fusion, i);
    if (into < 0 || parts + size > MOST_PARTS) {
      into = i;
      parts = size;
      continue;
    }
    parts += size;
    into = wf_fusion_join(fusion, into, i);
    fusion->horizontal[into] = true;
  }
}
