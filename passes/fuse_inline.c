// Substitution: an elementwise value is computed again at each read, where that costs less than a trip through memory.
#include "passes/fuse.h"
#include "passes/inline_read.h"

#define TRIP 4.0          // operations that one element's way to memory and back is worth
enum { MOST_OPERATIONS = 160 };

typedef struct reads { const wf_value *value; const wf_op *producer; int count; bool affine; const wf_expr *list[64]; } reads;

static void collect_reads(void *context, const wf_expr *node) {
  reads *found = context;
  if (node->op != WF_S_READ || node->operand != found->value) return;
  found->affine = found->affine && wf_can_inline_read(found->producer, node);
  if (found->count < 64) found->list[found->count] = node;
  found->count++;
}

static void add_cost(void *context, const wf_expr *node) {
  double *cost = context;
  switch (node->op) {
  case WF_S_CONST: case WF_S_INDEX: break;
  case WF_S_EXP: case WF_S_EXP2: case WF_S_LOG: case WF_S_LOG2: case WF_S_SIN: case WF_S_COS: case WF_S_TANH: case WF_S_ERF:
  case WF_S_POW: case WF_S_RANDOM: *cost += 16; break;
  case WF_S_DIV: case WF_S_SQRT: case WF_S_RSQRT: *cost += 4; break;
  default: *cost += 1; break;
  }
}

// How often the producer's body would run for one read: a contraction reads each element once a copy.
static double evaluations(wf_fusion *fusion, wf_op *consumer, const wf_expr *read, bool contraction) {
  if (!contraction) return wf_points(consumer, true);
  double points = 1;
  for (int i = 0; i < consumer->axis_count + consumer->reduction_count; i++) {
    const wf_atom *axis = i < consumer->axis_count ? consumer->axes[i] : consumer->reduction_axes[i - consumer->axis_count];
    for (int k = 0; k < read->operand->rank; k++) {
      if (read->args[k]->op != WF_S_INDEX || !wf_dim_mentions(read->args[k]->dim, axis)) continue;
      points *= wf_draft_estimate(axis->extent);
      break;
    }
  }
  return points;
}

static const wf_expr *substitute(void *context, const wf_expr *node) {
  void **pair = context;
  const wf_op *producer = pair[0];
  if (node->op != WF_S_READ || node->operand != producer->results[0]) return NULL;
  return wf_inline_read(pair[1], producer, node);
}

static const wf_expr *substituted(wf_module *module, wf_op *producer, const wf_expr *body) {
  void *pair[2] = {producer, module};
  return wf_expr_rewrite(module, body, NULL, 0, substitute, pair);
}

// Would the consumer stay what it is: a contraction, and of a size that compiles?
static bool survives(wf_fusion *fusion, wf_op *consumer, const wf_expr *body) {
  if (wf_expr_cost(body) > MOST_OPERATIONS) return false;
  const wf_expr *old = consumer->body;
  bool before = wf_is_contraction(fusion, consumer);
  consumer->body = body;
  bool after = wf_is_contraction(fusion, consumer);
  consumer->body = old;
  return !before || after;
}

static bool pays(wf_fusion *fusion, int index) {
  wf_op *producer = fusion->ops[index];
  wf_value *value = producer->results[0];
  double cost = 0, extra = -wf_points(producer, false), own = wf_points(producer, false);
  int sites = 0, consumers = 0;
  wf_expr_walk(producer->body, add_cost, &cost);
  for (int u = 0; u < fusion->users[index].count; u++) {
    wf_op *consumer = fusion->ops[fusion->users[index].items[u]];
    if (consumer->kind != WF_O_COMPUTE) return false;
    reads found = {.value = value, .producer = producer, .affine = true};
    wf_expr_walk(consumer->body, collect_reads, &found);
    if (!found.affine || found.count == 0 || found.count > fusion->max_reads) return false;
    if (!survives(fusion, consumer, substituted(fusion->module, producer, consumer->body))) return false;
    bool contraction = wf_is_contraction(fusion, consumer);
    for (int i = 0; i < found.count; i++) extra += evaluations(fusion, consumer, found.list[i], contraction);
    sites += found.count;
    consumers++;
  }
  if (consumers == 0 || sites > fusion->max_reads) return false;
  return extra <= 0 || extra * cost <= own * TRIP * (1 + consumers);
}

void wf_fusion_inline(wf_fusion *fusion) {
  for (int i = 0; i < fusion->op_count; i++) {
    wf_op *producer = fusion->ops[i];
    if (!producer || !wf_is_elementwise(producer) || fusion->wanted[producer->results[0]->id]) continue;
    if ((fusion->apart && fusion->apart[i]) || wf_fusion_size(fusion, fusion->cluster[i]) > 1 || !pays(fusion, i)) continue;
    for (int u = 0; u < fusion->users[i].count; u++) {
      wf_op *consumer = fusion->ops[fusion->users[i].items[u]];
      consumer->body = substituted(fusion->module, producer, consumer->body);
      wf_op_refresh_operands(fusion->module, consumer);
    }
    fusion->ops[i] = NULL;
    wf_fusion_refresh(fusion);
  }
}
