// `dce`: removes operations whose results nothing needs, then what crosses the borders of called functions for nothing
// (results, carried values, slices, invariants), then functions that were called and are called no more.
//
// What is needed: the results of public functions (those that nobody calls), updates, and what those read. Callers are
// looked at before their callees, so that a callee's result is needed where some caller needs it; then callees are swept
// before their callers, so that an input that a callee lost is an operand that its callers lose. A carried value is
// needed where its final value is, or where its region reads it for something needed.
#include "passes/passes.h"

typedef struct caller { wf_function *function; wf_op *op; } caller;

typedef struct node {             // a function
  wf_function *function;
  WF_VEC(caller) callers;
  bool *needed;                   // by result
  bool prunable;                  // called, by operations of one shape, so that its signature may shrink
} node;

typedef struct dce {
  wf_module *module;
  wf_arena *scratch;
  int *live;                      // by value id: the stamp under which it was marked
  int stamp;
  wf_map index;                   // function name -> node
  WF_VEC(node *) order;           // callers first
} dce;

static void need(dce *d, const wf_value *value) { d->live[value->id] = d->stamp; }
static bool is_needed(const dce *d, const wf_value *value) { return d->live[value->id] == d->stamp; }

static bool is_live(const dce *d, const wf_op *op) {
  if (op->kind == WF_O_UPDATE) return true;
  for (int i = 0; i < op->result_count; i++)
    if (is_needed(d, op->results[i])) return true;
  return false;
}

// ---- marking and sweeping one function ------------------------------------------------------------------------------------

static void mark_operands(dce *d, const wf_op *op) {
  for (int k = 0; k < op->operand_count; k++) need(d, op->operands[k]);
  for (int k = 0; k < op->result_count; k++)
    if (op->results[k]->alias_of) need(d, op->results[k]->alias_of);
}

static void mark_function(dce *d, const node *n) {
  d->stamp++;
  for (int i = 0; i < n->function->results.count; i++)
    if (n->needed[i]) need(d, n->function->results.items[i].value);
  for (int i = n->function->ops.count - 1; i >= 0; i--)
    if (is_live(d, n->function->ops.items[i])) mark_operands(d, n->function->ops.items[i]);
}

// Members that feed no result of their group go; a result that nobody reads is no result.
static void sweep_group(dce *d, wf_op *group) {
  int results = 0;
  for (int i = 0; i < group->result_count; i++)
    if (is_needed(d, group->results[i])) group->results[results++] = group->results[i];
  group->result_count = results;
  int kept = group->member_count;
  for (int i = group->member_count - 1; i >= 0; i--) {
    wf_op *member = group->members[i];
    if (!is_live(d, member)) continue;
    mark_operands(d, member);
    group->members[--kept] = member;
  }
  group->member_count -= kept;
  memmove(group->members, group->members + kept, sizeof *group->members * (size_t)group->member_count);
  wf_op_refresh_operands(d->module, group);
}

static void sweep_function(dce *d, wf_function *function) {
  d->stamp++;
  for (int i = 0; i < function->results.count; i++) need(d, function->results.items[i].value);
  int kept = function->ops.count;
  for (int i = function->ops.count - 1; i >= 0; i--) {
    wf_op *op = function->ops.items[i];
    if (!is_live(d, op)) continue;
    if (op->kind == WF_O_GROUP) sweep_group(d, op);
    mark_operands(d, op);
    function->ops.items[--kept] = op;
  }
  function->ops.count -= kept;
  if (function->ops.count) memmove(function->ops.items, function->ops.items + kept, sizeof *function->ops.items * (size_t)function->ops.count);
}

// ---- the graph of functions -------------------------------------------------------------------------------------------------

static node *node_of(dce *d, const wf_function *function) { return wf_map_get(&d->index, function->name); }

// Callees are pushed before their callers; the list is turned over at the end.
static node *visit(dce *d, wf_function *function) {
  node *n = node_of(d, function);
  if (n) return n;
  n = WF_NEW(d->scratch, node);
  n->function = function;
  n->needed = WF_NEW_ARRAY(d->scratch, bool, function->results.count);
  wf_map_set(&d->index, function->name, n);
  for (int i = 0; i < function->ops.count; i++) {
    wf_op *op = function->ops.items[i];
    if (!op->region) continue;
    node *callee = visit(d, op->region);
    wf_vec_push(d->scratch, &callee->callers, ((caller){function, op}));
  }
  wf_vec_push(d->scratch, &d->order, n);
  return n;
}

static bool same_shape(const wf_op *a, const wf_op *b) {
  return a->kind == b->kind && a->carry_count == b->carry_count && a->slice_count == b->slice_count;
}

static void build_graph(dce *d) {
  for (int i = 0; i < d->module->functions.count; i++) visit(d, d->module->functions.items[i]);
  for (int i = 0, j = d->order.count - 1; i < j; i++, j--) {
    node *swap = d->order.items[i];
    d->order.items[i] = d->order.items[j], d->order.items[j] = swap;
  }
  for (int i = 0; i < d->order.count; i++) {
    node *n = d->order.items[i];
    n->prunable = n->callers.count > 0;
    for (int k = 1; k < n->callers.count; k++) n->prunable &= same_shape(n->callers.items[0].op, n->callers.items[k].op);
    for (int r = 0; r < n->function->results.count; r++) n->needed[r] = !n->prunable;
  }
}

// ---- which results are needed -----------------------------------------------------------------------------------------------

// True where a carried value that nobody wanted turned out to be read by its region.
static bool need_read_carries(dce *d, node *n) {
  bool changed = false;
  const wf_op *op = n->prunable ? n->callers.items[0].op : NULL;
  for (int i = 0; op && op->kind == WF_O_LOOP && i < op->carry_count; i++) {
    if (n->needed[i] || !is_needed(d, n->function->inputs.items[1 + i])) continue;
    n->needed[i] = changed = true;
  }
  return changed;
}

static void find_needed(dce *d) {
  for (int i = 0; i < d->order.count; i++) {
    node *n = d->order.items[i];
    do mark_function(d, n);
    while (need_read_carries(d, n));
    for (int k = 0; k < n->function->ops.count; k++) {
      const wf_op *op = n->function->ops.items[k];
      for (int r = 0; op->region && r < op->result_count; r++)
        if (is_needed(d, op->results[r])) node_of(d, op->region)->needed[r] = true;
    }
  }
}

// ---- shrinking signatures -----------------------------------------------------------------------------------------------------

static void drop_operand(wf_op *op, int index) {
  op->operand_count--;
  memmove(op->operands + index, op->operands + index + 1, sizeof *op->operands * (size_t)(op->operand_count - index));
}

static void drop_result(wf_op *op, int index) {
  op->result_count--;
  memmove(op->results + index, op->results + index + 1, sizeof *op->results * (size_t)(op->result_count - index));
  for (int i = index; i < op->result_count; i++) op->results[i]->result_index = i;
}

// Input `index` of the function; its callers lose the operand. The counter of a loop is no operand.
static void drop_input(node *n, int index) {
  wf_function *f = n->function;
  f->inputs.count--;
  memmove(f->inputs.items + index, f->inputs.items + index + 1, sizeof *f->inputs.items * (size_t)(f->inputs.count - index));
  for (int i = 0; i < n->callers.count; i++) {
    wf_op *op = n->callers.items[i].op;
    bool loop = op->kind == WF_O_LOOP;
    int operand = index - loop;
    if (loop && operand < op->carry_count) op->carry_count--;
    else if (loop && operand < op->carry_count + op->slice_count) op->slice_count--;
    drop_operand(op, operand);
  }
}

static void drop_results(node *n) {
  wf_function *f = n->function;
  for (int r = f->results.count - 1; r >= 0; r--) {
    if (n->needed[r]) continue;
    bool carry = n->callers.items[0].op->kind == WF_O_LOOP && r < n->callers.items[0].op->carry_count;
    for (int i = 0; i < n->callers.count; i++) drop_result(n->callers.items[i].op, r);
    f->results.count--;
    memmove(f->results.items + r, f->results.items + r + 1, sizeof *f->results.items * (size_t)(f->results.count - r));
    if (carry) drop_input(n, 1 + r);
  }
}

// After the sweep: slices, invariants and arguments that the function does not read. A carried value stays.
static void drop_inputs(dce *d, node *n) {
  const wf_op *op = n->callers.items[0].op;
  int first = op->kind == WF_O_LOOP ? 1 + op->carry_count : 0;
  for (int i = n->function->inputs.count - 1; i >= first; i--)
    if (!is_needed(d, n->function->inputs.items[i])) drop_input(n, i);
}

static void shrink(dce *d) {
  for (int i = d->order.count - 1; i >= 0; i--) {
    node *n = d->order.items[i];
    if (n->prunable) drop_results(n);
    sweep_function(d, n->function);
    if (n->prunable) drop_inputs(d, n);
  }
}

// ---- functions --------------------------------------------------------------------------------------------------------------

static void reach(wf_map *reached, wf_function *function) {
  if (wf_map_get(reached, function->name)) return;
  wf_map_set(reached, function->name, function);
  for (int i = 0; i < function->ops.count; i++)
    if (function->ops.items[i]->region) reach(reached, function->ops.items[i]->region);
}

static void sweep_functions(dce *d) {
  wf_map reached;
  wf_map_init(&reached, d->scratch);
  for (int i = 0; i < d->order.count; i++)
    if (!d->order.items[i]->callers.count) reach(&reached, d->order.items[i]->function);
  wf_module *module = d->module;
  int kept = 0;
  for (int i = 0; i < module->functions.count; i++)
    if (wf_map_get(&reached, module->functions.items[i]->name)) module->functions.items[kept++] = module->functions.items[i];
  module->functions.count = kept;
}

bool wf_pass_dce(wf_module *module, const wf_pass_options *options) {
  (void)options;
  dce d = {.module = module, .scratch = wf_arena_create()};
  d.live = WF_NEW_ARRAY(d.scratch, int, module->value_count);
  wf_map_init(&d.index, d.scratch);
  build_graph(&d);
  find_needed(&d);
  shrink(&d);
  sweep_functions(&d);
  wf_arena_destroy(d.scratch);
  return true;
}
