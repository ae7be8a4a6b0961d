// The graph under fusion: who reads whom, which operations are one cluster, and the way back to a list of operations.
#include <stdlib.h>
#include "passes/fuse.h"

static void note_users(wf_fusion *fusion, int user) {
  const wf_op *op = fusion->ops[user];
  for (int i = 0; i < op->operand_count; i++) {
    int def = fusion->def[op->operands[i]->id];
    if (def >= 0) wf_vec_push(fusion->module->arena, &fusion->users[def], user);
  }
}

void wf_fusion_refresh(wf_fusion *fusion) {
  for (int i = 0; i < fusion->op_count; i++) fusion->users[i].count = 0;
  for (int i = 0; i < fusion->op_count; i++)
    if (fusion->ops[i]) note_users(fusion, i);
}

// What nobody reads would be a group without results.
static void drop_dead(wf_fusion *fusion) {
  bool *read = wf_arena_alloc(fusion->module->arena, (size_t)fusion->value_limit + 1);
  for (int i = fusion->op_count - 1; i >= 0; i--) {
    const wf_op *op = fusion->ops[i];
    bool alive = op->kind == WF_O_UPDATE;
    for (int r = 0; r < op->result_count; r++) alive = alive || fusion->wanted[op->results[r]->id] || read[op->results[r]->id];
    if (!alive) fusion->ops[i] = NULL;
    for (int k = 0; alive && k < op->operand_count; k++) read[op->operands[k]->id] = true;
  }
}

void wf_fusion_separate(wf_fusion *fusion) {
  for (int i = 0; i < fusion->op_count; i++) {
    fusion->cluster[i] = i;
    fusion->next[i] = -1;
    fusion->rowwise[i] = fusion->horizontal[i] = false;
  }
}

wf_fusion *wf_fusion_create(wf_function *function, wf_tile_target target) {
  wf_module *module = function->module;
  wf_arena *arena = module->arena;
  wf_fusion *fusion = WF_NEW(arena, wf_fusion);
  int count = function->ops.count;
  fusion->module = module;
  fusion->function = function;
  fusion->target = target;
  fusion->op_count = count;
  fusion->ops = WF_NEW_ARRAY(arena, wf_op *, count);
  fusion->cluster = WF_NEW_ARRAY(arena, int, count);
  fusion->next = WF_NEW_ARRAY(arena, int, count);
  fusion->rowwise = WF_NEW_ARRAY(arena, bool, count);
  fusion->horizontal = WF_NEW_ARRAY(arena, bool, count);
  fusion->users = wf_arena_alloc(arena, sizeof *fusion->users * (size_t)(count + 1));
  fusion->value_limit = module->value_count + 1;
  fusion->def = WF_NEW_ARRAY(arena, int, fusion->value_limit);
  fusion->wanted = WF_NEW_ARRAY(arena, bool, fusion->value_limit);
  for (int i = 0; i < fusion->value_limit; i++) fusion->def[i] = -1;
  for (int i = 0; i < count; i++) {
    wf_op *op = fusion->ops[i] = function->ops.items[i];
    for (int r = 0; r < op->result_count; r++) fusion->def[op->results[r]->id] = i;
    if (op->kind == WF_O_UPDATE) fusion->wanted[op->operands[1]->id] = true;
  }
  for (int i = 0; i < function->results.count; i++) fusion->wanted[function->results.items[i].value->id] = true;
  wf_fusion_separate(fusion);
  drop_dead(fusion);
  wf_fusion_refresh(fusion);
  return fusion;
}

// Marks all clusters that `from` (an op) leads to, cluster by cluster; `blocked` clusters are not entered.
typedef struct walk { const wf_fusion *fusion; bool *seen; int target; bool found; } walk;

static void follow(walk *w, int cluster) {
  const wf_fusion *fusion = w->fusion;
  if (w->found || w->seen[cluster]) return;
  w->seen[cluster] = true;
  if (cluster == w->target) {
    w->found = true;
    return;
  }
  for (int i = cluster; i >= 0 && !w->found; i = fusion->next[i]) {
    if (!fusion->ops[i]) continue;
    for (int u = 0; u < fusion->users[i].count; u++) follow(w, fusion->cluster[fusion->users[i].items[u]]);
  }
}

static bool search(const wf_fusion *fusion, int a, int b, bool skip_direct) {
  walk w = {fusion, calloc((size_t)fusion->op_count + 1, sizeof(bool)), b, false};
  if (!w.seen) return true;
  w.seen[a] = true;
  for (int i = a; i >= 0 && !w.found; i = fusion->next[i]) {
    if (!fusion->ops[i]) continue;
    for (int u = 0; u < fusion->users[i].count; u++) {
      int next = fusion->cluster[fusion->users[i].items[u]];
      if (next == b && skip_direct) continue;
      follow(&w, next);
    }
  }
  free(w.seen);
  return w.found;
}

bool wf_fusion_path(const wf_fusion *fusion, int a, int b) { return search(fusion, a, b, true); }
bool wf_fusion_reaches(const wf_fusion *fusion, int a, int b) { return a == b || search(fusion, a, b, false); }

int wf_fusion_join(wf_fusion *fusion, int a, int b) {
  int to = a < b ? a : b, from = a < b ? b : a;
  bool rowwise = fusion->rowwise[a] || fusion->rowwise[b], horizontal = fusion->horizontal[a] || fusion->horizontal[b];
  for (int i = from; i >= 0; i = fusion->next[i]) fusion->cluster[i] = to;
  for (int *link = &fusion->next[to]; from >= 0; link = &fusion->next[*link]) {   // merges the ascending lists
    if (*link >= 0 && *link < from) continue;
    int rest = *link;
    *link = from;
    from = rest;
  }
  fusion->rowwise[to] = rowwise;
  fusion->horizontal[to] = horizontal;
  return to;
}

int wf_fusion_size(const wf_fusion *fusion, int cluster) {
  int size = 0;
  for (int i = cluster; i >= 0; i = fusion->next[i]) size += fusion->ops[i] != NULL;
  return size;
}

// ---- back to operations -----------------------------------------------------------------------------------------

static bool read_outside(const wf_fusion *fusion, int op, int cluster) {
  if (fusion->wanted[fusion->ops[op]->results[0]->id]) return true;
  for (int u = 0; u < fusion->users[op].count; u++)
    if (fusion->cluster[fusion->users[op].items[u]] != cluster) return true;
  return false;
}

// Leading axes that all members of a row cluster share.
static int shared_axes(const wf_op *group) {
  const wf_op *first = group->members[0];
  int shared = first->axis_count;
  for (int i = 0; i < group->member_count; i++) {
    const wf_op *member = group->members[i];
    if (member->axis_count < shared) shared = member->axis_count;
    for (int a = 0; a < shared; a++)
      if (member->axes[a]->extent != first->axes[a]->extent) shared = a;
  }
  return shared;
}

// The leading axes at which all members of the cluster read the value: fewer than all where windows of it are read.
static int depth_of(const wf_fusion *fusion, int op, int cluster) {
  const wf_value *value = fusion->ops[op]->results[0];
  int depth = fusion->ops[op]->axis_count;
  for (int u = 0; u < fusion->users[op].count; u++) {
    int user = fusion->users[op].items[u];
    while (fusion->cluster[user] == cluster && depth > 0 && !wf_reads_at(fusion->ops[user], value, depth)) depth--;
  }
  return depth;
}

static wf_op *make_group(wf_fusion *fusion, int cluster, int size) {
  wf_module *module = fusion->module;
  wf_op *group = wf_op_create(fusion->function, WF_O_GROUP, fusion->ops[cluster]->loc);
  group->members = WF_NEW_ARRAY(module->arena, wf_op *, size);
  group->results = WF_NEW_ARRAY(module->arena, wf_value *, size);
  for (int i = cluster; i < fusion->op_count; i++)
    if (fusion->ops[i] && fusion->cluster[i] == cluster) group->members[group->member_count++] = fusion->ops[i];
  int shared = fusion->rowwise[cluster] ? shared_axes(group) : -1, at = 0;
  for (int i = cluster; i < fusion->op_count; i++) {
    if (!fusion->ops[i] || fusion->cluster[i] != cluster) continue;
    wf_op *member = group->members[at++];
    if (read_outside(fusion, i, cluster)) {
      member->placement = WF_PLACE_OUT;
      group->results[group->result_count++] = member->results[0];
      group->group_name = member->results[0]->name;
    } else {
      member->placement = WF_PLACE_AT;
      member->placed_at = shared >= 0 ? shared : depth_of(fusion, i, cluster);
    }
  }
  if (fusion->horizontal[cluster]) group->group_name = "update";
  wf_op_refresh_operands(module, group);
  return group;
}

static bool feeds_update_only(const wf_fusion *fusion, int cluster) {
  for (int i = cluster; i < fusion->op_count; i++) {
    if (!fusion->ops[i] || fusion->cluster[i] != cluster) continue;
    for (int u = 0; u < fusion->users[i].count; u++) {
      int user = fusion->users[i].items[u];
      if (fusion->cluster[user] != cluster && fusion->ops[user]->kind != WF_O_UPDATE) return false;
    }
  }
  return true;
}

typedef struct order { wf_fusion *fusion; char *state; } order;   // by cluster: 0 new, 1 open, 2 done

static void place(order *o, int cluster) {
  wf_fusion *fusion = o->fusion;
  if (o->state[cluster]) return;
  o->state[cluster] = 1;
  for (int i = cluster; i < fusion->op_count; i++) {
    if (!fusion->ops[i] || fusion->cluster[i] != cluster) continue;
    for (int k = 0; k < fusion->ops[i]->operand_count; k++) {
      int def = fusion->def[fusion->ops[i]->operands[k]->id];
      if (def >= 0 && fusion->cluster[def] != cluster) place(o, fusion->cluster[def]);
    }
  }
  o->state[cluster] = 2;
  int size = wf_fusion_size(fusion, cluster);
  wf_op *op = size > 1 ? make_group(fusion, cluster, size) : fusion->ops[cluster];
  wf_vec_push(fusion->module->arena, &fusion->function->ops, op);
}

void wf_fusion_finish(wf_fusion *fusion) {
  order o = {fusion, wf_arena_alloc(fusion->module->arena, (size_t)fusion->op_count + 1)};
  fusion->function->ops.items = NULL;
  fusion->function->ops.count = fusion->function->ops.capacity = 0;
  for (int late = 0; late < 3; late++) {   // what only updates read comes after all readers of the old values; updates last
    for (int i = 0; i < fusion->op_count; i++) {
      if (!fusion->ops[i] || fusion->cluster[i] != i) continue;
      int rank = fusion->ops[i]->kind == WF_O_UPDATE ? 2 : feeds_update_only(fusion, i) ? 1 : 0;
      bool result = fusion->ops[i]->result_count && fusion->wanted[fusion->ops[i]->results[0]->id] && fusion->users[i].count == 0;
      if (result && rank == 1) rank = 0;
      if (rank <= late) place(&o, i);
    }
  }
}
