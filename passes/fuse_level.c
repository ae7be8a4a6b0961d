// What does not depend on each other and is too small to fill a GPU shares a launch: a launch costs microseconds, which
// the hundred small tensors of a network's optimizer would pay a hundred times. Larger ones stay alone: those of one shape
// share their code instead.
#include "passes/fuse.h"

enum { FEW_POINTS = 16384, FEW_TERMS = 1 << 18, MOST_VALUES = 240, MOST_OPS = 96, MOST_CODE = 1200, REDUCTION_CODE = 40 };

// Steps to the end of the program along the longest way. Clusters of equal height do not reach one another, nor do unions
// of them: each step goes down.
static int height_of(const wf_fusion *fusion, int cluster, int *heights) {
  if (heights[cluster] >= 0) return heights[cluster];
  int most = 0;
  for (int i = cluster; i < fusion->op_count; i++) {
    if (!fusion->ops[i] || fusion->cluster[i] != cluster) continue;
    for (int u = 0; u < fusion->users[i].count; u++) {
      int next = fusion->cluster[fusion->users[i].items[u]];
      if (next == cluster) continue;
      int height = 1 + height_of(fusion, next, heights);
      if (height > most) most = height;
    }
  }
  return heights[cluster] = most;
}

static double elements(const wf_value *value) {
  double all = 1;
  for (int i = 0; i < value->rank; i++) all *= wf_draft_estimate(value->shape[i]);
  return all;
}

static void add_code(void *context, const wf_expr *node) {
  int *code = context;
  switch (node->op) {
  case WF_S_CONST: case WF_S_INDEX: break;
  case WF_S_RANDOM: *code += MOST_CODE; break;   // initial values: many of one shape, made once
  case WF_S_EXP: case WF_S_EXP2: case WF_S_LOG: case WF_S_LOG2: case WF_S_SIN: case WF_S_COS: case WF_S_TANH: case WF_S_ERF:
  case WF_S_POW: *code += 16; break;
  case WF_S_DIV: case WF_S_SQRT: case WF_S_RSQRT: *code += 4; break;
  default: *code += 1; break;
  }
}

// About how many instructions the cluster's section has: a joint kernel is one that takes little to compile.
static int code_of(const wf_fusion *fusion, int cluster) {
  int code = 0;
  for (int i = cluster; i < fusion->op_count; i++) {
    if (!fusion->ops[i] || fusion->cluster[i] != cluster) continue;
    if (fusion->ops[i]->combiner != WF_R_NONE) code += REDUCTION_CODE;
    wf_expr_walk(fusion->ops[i]->body, add_code, &code);
  }
  return code;
}

// Values that the launch of the cluster touches; 0: not a small one.
static int small_values(wf_fusion *fusion, int cluster) {
  int values = 0;
  double terms = 0;
  if (fusion->rowwise[cluster]) return 0;
  for (int i = cluster; i < fusion->op_count; i++) {
    wf_op *op = fusion->ops[i];
    if (!op || fusion->cluster[i] != cluster) continue;
    if (op->kind != WF_O_COMPUTE || wf_points(op, false) > FEW_POINTS || wf_is_contraction(fusion, op)) return 0;
    for (int k = 0; k < op->operand_count; k++) terms += elements(op->operands[k]);
    terms += wf_points(op, true);
    values += op->operand_count + 1;
  }
  return terms <= FEW_TERMS ? values : 0;
}

static bool feeds_update(const wf_fusion *fusion, int cluster) {
  for (int i = cluster; i < fusion->op_count; i++) {
    if (!fusion->ops[i] || fusion->cluster[i] != cluster) continue;
    for (int u = 0; u < fusion->users[i].count; u++)
      if (fusion->ops[fusion->users[i].items[u]]->kind == WF_O_UPDATE) return true;
  }
  return false;
}

void wf_join_levels(wf_fusion *fusion) {
  int *heights = WF_NEW_ARRAY(fusion->module->arena, int, fusion->op_count), highest = 0;
  for (int i = 0; i < fusion->op_count; i++) heights[i] = -1;
  for (int i = 0; i < fusion->op_count; i++)
    if (fusion->ops[i] && fusion->cluster[i] == i && height_of(fusion, i, heights) > highest) highest = heights[i];
  for (int height = 0; height <= highest; height++) {
    int into = -1, values = 0, ops = 0, code = 0;
    for (int i = 0; i < fusion->op_count; i++) {
      if (!fusion->ops[i] || fusion->cluster[i] != i || heights[i] != height) continue;
      int mine = small_values(fusion, i), size = wf_fusion_size(fusion, i);
      if (mine == 0) continue;
      int more = code_of(fusion, i);
      if (more >= MOST_CODE) continue;
      if (into < 0 || values + mine > MOST_VALUES || ops + size > MOST_OPS || code + more > MOST_CODE) {
        into = i;
        values = mine;
        ops = size;
        code = more;
        continue;
      }
      bool updates = feeds_update(fusion, into) && feeds_update(fusion, i);
      values += mine;
      ops += size;
      code += more;
      into = wf_fusion_join(fusion, into, i);
      fusion->horizontal[into] = updates;
    }
  }
}
