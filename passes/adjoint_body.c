// Reverse mode over one scalar DAG: from the cotangent of its value to the cotangents of its reads. A shared node gets one
// cotangent, the sum over its uses; the derivatives are the texts of ops.def, in which a b c are the operands, r the node
// and g its cotangent.
#include "passes/differentiate.h"

typedef struct node_state { const wf_expr *node, *cotangent; bool active; } node_state;

typedef struct reversal {
  wf_tape *tape;
  const wf_expr *root, *stored;   // the body, and a read of the value that holds it (or NULL)
  WF_VEC(node_state) order;   // operands first
  int *slots;
  int slot_count;
} reversal;

static int *slot_of(reversal *rev, const wf_expr *node) {
  size_t at = (uintptr_t)node / sizeof(void *) * UINT64_C(0x9e3779b97f4a7c15) >> 24;
  for (;; at++) {
    int *slot = &rev->slots[at % (size_t)rev->slot_count];
    if (*slot < 0 || rev->order.items[*slot].node == node) return slot;
  }
}

static node_state *state_of(reversal *rev, const wf_expr *node) {
  int slot = *slot_of(rev, node);
  return slot < 0 ? NULL : &rev->order.items[slot];
}

static void record(void *context, const wf_expr *node) {
  reversal *rev = context;
  node_state state = {.node = node};
  wf_vec_push(rev->tape->arena, &rev->order, state);
}

static void index_nodes(reversal *rev) {
  rev->slot_count = 2 * rev->order.count + 1;
  rev->slots = WF_NEW_ARRAY(rev->tape->arena, int, rev->slot_count);
  for (int i = 0; i < rev->slot_count; i++) rev->slots[i] = -1;
  for (int i = 0; i < rev->order.count; i++) *slot_of(rev, rev->order.items[i].node) = i;
}

// The derivative text for one operand: NULL where it is zero.
static const char *derivative_text(reversal *rev, wf_scalar op, int operand) {
  const char *text = wf_scalar_table[op].derivative;
  for (int i = 0; i < operand && text; i++) {
    text = strchr(text, ';');
    if (text) text++;
  }
  if (!text || *text == ';' || !*text) return NULL;
  const char *end = strchr(text, ';');
  return end ? wf_arena_strndup(rev->tape->arena, text, (size_t)(end - text)) : text;
}

// A read counts through its operand only: not through its indices (integers) and not through its `else`.
static bool is_active(reversal *rev, const wf_expr *node) {
  if (!wf_dtype_is_float(node->dtype)) return false;
  if (node->op == WF_S_READ) return wf_tape_active(rev->tape, node->operand);
  for (int i = 0; i < node->arg_count; i++)
    if (state_of(rev, node->args[i])->active && derivative_text(rev, node->op, i)) return true;
  return false;
}

static const wf_expr *derive(reversal *rev, const node_state *state, int operand, const char *text) {
  wf_module *module = rev->tape->module;
  const wf_expr *node = state->node;
  if (node->op == WF_S_CAST) return wf_expr_cast(module, node->args[0]->dtype, state->cotangent);
  static const char *const operand_names[] = {"a", "b", "c"};
  const char *names[5] = {"r", "g"};
  const wf_expr *values[5] = {node == rev->root && rev->stored ? rev->stored : node, state->cotangent};
  for (int i = 0; i < node->arg_count; i++) {
    names[2 + i] = operand_names[i];
    values[2 + i] = node->args[i];
  }
  return wf_parse_scalar(module, text, names, values, 2 + node->arg_count);
}

static void push_down(reversal *rev, const node_state *state) {
  for (int i = state->node->arg_count - 1; i >= 0; i--) {
    node_state *argument = state_of(rev, state->node->args[i]);
    const char *text = argument->active ? derivative_text(rev, state->node->op, i) : NULL;
    if (!text) continue;
    const wf_expr *part = derive(rev, state, i, text);
    argument->cotangent = argument->cotangent ? wf_expr_binary(rev->tape->module, WF_S_ADD, part, argument->cotangent) : part;
  }
}

int wf_body_cotangents(wf_tape *tape, const wf_expr *body, const wf_expr *stored, const wf_expr *seed, wf_read_cotangent **out_list) {
  reversal rev = {.tape = tape, .root = body, .stored = stored};
  wf_expr_walk(body, record, &rev);
  index_nodes(&rev);
  for (int i = 0; i < rev.order.count; i++) rev.order.items[i].active = is_active(&rev, rev.order.items[i].node);
  WF_VEC(wf_read_cotangent) found = {0};
  node_state *root = state_of(&rev, body);
  root->cotangent = root->active ? seed : NULL;
  for (int i = rev.order.count - 1; i >= 0; i--) {
    const node_state *state = &rev.order.items[i];
    if (state->cotangent && state->node->op != WF_S_READ) push_down(&rev, state);
  }
  for (int i = 0; i < rev.order.count; i++) {
    const node_state *state = &rev.order.items[i];
    wf_read_cotangent read = {state->node, state->cotangent};
    if (state->cotangent && state->node->op == WF_S_READ && !wf_expr_is_const(state->cotangent, 0)) wf_vec_push(tape->arena, &found, read);
  }
  *out_list = found.items;
  return found.count;
}
