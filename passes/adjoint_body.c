// Reverse mode over one scalar DAG: from the cotangent of its value to the cotangents of its reads. A shared node gets one
// cotangent, the sum over its uses; the derivatives are the texts of ops.def, in which a b c are the operands, r the node
// and g its cotangent.
#include "passes/clone_ops.h"
#include "passes/differentiate.h"

typedef struct node_state {
  const wf_expr *node, *cotangent;
  bool active;
  uint64_t reads;               // the active reads under it, a bit each
} node_state;

typedef struct reversal {
  wf_tape *tape;
  const wf_op *op;
  const wf_expr *stored;        // a read of the value that holds the body, or NULL
  int read_count;
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

static void note_activity(reversal *rev) {
  for (int i = 0; i < rev->order.count; i++) rev->order.items[i].active = is_active(rev, rev->order.items[i].node);
}

bool wf_body_is_active(wf_tape *tape, const wf_expr *body) {
  reversal rev = {.tape = tape};
  wf_expr_walk(body, record, &rev);
  index_nodes(&rev);
  note_activity(&rev);
  return state_of(&rev, body)->active;
}

static const wf_expr *derive(reversal *rev, const node_state *state, int operand, const char *text) {
  wf_module *module = rev->tape->module;
  const wf_expr *node = state->node;
  if (node->op == WF_S_CAST) return wf_expr_cast(module, node->args[0]->dtype, state->cotangent);
  static const char *const operand_names[] = {"a", "b", "c"};
  const char *names[5] = {"r", "g"};
  const wf_expr *values[5] = {node == rev->op->body && rev->stored ? rev->stored : node, state->cotangent};
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

// ---- what is worth storing -------------------------------------------------------------------------------------------

// A product of reads and numbers: what a contraction takes as it is.
static bool is_simple(const wf_expr *cotangent) {
  if (cotangent->op == WF_S_READ || cotangent->op == WF_S_CONST) return true;
  if (cotangent->op == WF_S_DIV) return is_simple(cotangent->args[0]);
  if (cotangent->op != WF_S_MUL && cotangent->op != WF_S_NEG && cotangent->op != WF_S_CAST) return false;
  for (int i = 0; i < cotangent->arg_count; i++)
    if (!is_simple(cotangent->args[i])) return false;
  return true;
}

static void find_reads(reversal *rev, node_state *state) {
  if (!state->active) return;
  if (state->node->op == WF_S_READ) {
    state->reads = UINT64_C(1) << (rev->read_count++ & 63);
    return;
  }
  for (int i = 0; i < state->node->arg_count; i++) state->reads |= state_of(rev, state->node->args[i])->reads;
}

// Do different reads hang under its operands, none of which has them all?
static bool separates(reversal *rev, const node_state *state) {
  for (int i = 0; i < state->node->arg_count; i++)
    if (state_of(rev, state->node->args[i])->reads == state->reads) return false;
  return true;
}

// %y = act(%h[i, o] + %b[o]): the cotangent of the sum, act'(...)*d_y, is stored once over the points of %y, so that d_b sums
// stored numbers and d_h is the stored value itself.
static const wf_expr *store_cotangent(const reversal *rev, const wf_expr *cotangent) {
  const wf_op *op = rev->op;
  wf_module *module = rev->tape->module;
  const wf_atom **axes = WF_NEW_ARRAY(module->arena, const wf_atom *, op->axis_count);
  wf_binding *bindings = WF_NEW_ARRAY(rev->tape->arena, wf_binding, op->axis_count);
  const wf_dim *indices[WF_MAX_RANK];
  for (int k = 0; k < op->axis_count; k++) {
    axes[k] = wf_new_axis(module, op->axes[k]->name, op->axes[k]->extent);
    bindings[k] = (wf_binding){op->axes[k], axes[k]->as_dim};
    indices[k] = op->axes[k]->as_dim;
  }
  const wf_expr *body = wf_expr_rewrite(module, cotangent, bindings, op->axis_count, NULL, NULL);
  const char *name = wf_arena_printf(rev->tape->arena, "d_%s.local", op->results[0]->name);
  wf_value *value = wf_build_compute(rev->tape->function, name, op->results[0]->dtype, axes, op->axis_count, WF_R_NONE, NULL, 0, body, op->loc);
  return wf_expr_read_dims(module, value, indices, NULL);
}

static void settle_cotangent(reversal *rev, node_state *state) {
  bool fits = state->node->dtype == wf_dtype_compute(rev->op->results[0]->dtype);
  if (rev->stored && fits && !is_simple(state->cotangent) && separates(rev, state)) state->cotangent = store_cotangent(rev, state->cotangent);
}

// ---- entry ------------------------------------------------------------------------------------------------------

int wf_body_cotangents(wf_tape *tape, const wf_op *op, const wf_expr *stored, const wf_expr *seed, wf_read_cotangent **out_list) {
  reversal rev = {.tape = tape, .op = op, .stored = stored};
  wf_expr_walk(op->body, record, &rev);
  index_nodes(&rev);
  note_activity(&rev);
  for (int i = 0; i < rev.order.count; i++) find_reads(&rev, &rev.order.items[i]);
  WF_VEC(wf_read_cotangent) found = {0};
  node_state *root = state_of(&rev, op->body);
  root->cotangent = root->active ? seed : NULL;
  for (int i = rev.order.count - 1; i >= 0; i--) {
    node_state *state = &rev.order.items[i];
    if (!state->cotangent || state->node->op == WF_S_READ) continue;
    settle_cotangent(&rev, state);
    push_down(&rev, state);
  }
  for (int i = 0; i < rev.order.count; i++) {
    const node_state *state = &rev.order.items[i];
    wf_read_cotangent read = {state->node, state->cotangent};
    if (state->cotangent && state->node->op == WF_S_READ && !wf_expr_is_const(state->cotangent, 0)) wf_vec_push(tape->arena, &found, read);
  }
  *out_list = found.items;
  return found.count;
}
