// `cse`: of two operations that compute the same, the first stays and the readers of the second read it. Computes are
// compared up to the names of their axes: bodies are rewritten to canonical axes, one for each position and extent, and
// hash-consing then makes equal bodies equal pointers. Linear in the module.
#include "passes/passes.h"
#include "passes/replace_values.h"

typedef struct key {
  uint64_t hash;
  const uint64_t *words;
  int count;
  wf_op *op;
} key;

typedef struct cse {
  wf_module *module;
  wf_arena *scratch;
  wf_replacements replaced;
  key *slots;              // of one function; open addressing, op NULL: free
  int capacity;
  wf_map axes;             // "position:extent's address" -> canonical axis
} cse;

typedef struct words { wf_arena *arena; WF_VEC(uint64_t) list; } words;

static void add(words *w, uint64_t word) { wf_vec_push(w->arena, &w->list, word); }
static void add_pointer(words *w, const void *pointer) { add(w, (uint64_t)(uintptr_t)pointer); }

static const wf_atom *canonical_axis(cse *c, int position, const wf_atom *axis) {
  const char *name = wf_arena_printf(c->scratch, "%d:%p", position, (const void *)axis->extent);
  const wf_atom *found = wf_map_get(&c->axes, name);
  if (found) return found;
  found = wf_dim_as_atom(wf_dim_axis(c->module->dims, "i", axis->extent));
  wf_map_set(&c->axes, name, (void *)found);
  return found;
}

static void describe_axes(cse *c, words *w, const wf_atom *const *axes, int count, int first, wf_binding *bindings) {
  add(w, (uint64_t)count);
  for (int i = 0; i < count; i++) {
    const wf_atom *canonical = canonical_axis(c, first + i, axes[i]);
    bindings[first + i] = (wf_binding){axes[i], canonical->as_dim};
    add_pointer(w, canonical);
  }
}

static void describe_scalars(cse *c, words *w, const wf_op *op) {
  int total = op->axis_count + op->reduction_count;
  wf_binding *bindings = WF_NEW_ARRAY(c->scratch, wf_binding, total);
  describe_axes(c, w, op->axes, op->axis_count, 0, bindings);
  describe_axes(c, w, op->reduction_axes, op->reduction_count, op->axis_count, bindings);
  add(w, (uint64_t)op->combiner * 64 + (uint64_t)op->accumulator);
  add_pointer(w, wf_expr_replace_values(&c->replaced, op->body, bindings, total));
  for (int i = 0; i < op->target_count; i++) add_pointer(w, wf_expr_replace_values(&c->replaced, op->target[i], bindings, total));
  if (op->kind == WF_O_SCATTER) add_pointer(w, op->scatter_from_zero ? NULL : op->operands[0]);
}

static void describe_data(words *w, const wf_op *op) {
  int64_t bytes = wf_dtype_bytes(op->results[0]->dtype), extent;
  for (int i = 0; i < op->results[0]->rank; i++) bytes *= wf_dim_is_const(op->results[0]->shape[i], &extent) ? extent : 0;
  const unsigned char *data = op->data;
  for (int64_t at = 0; at < bytes; at += 8) {
    uint64_t word = 0;
    memcpy(&word, data + at, (size_t)(bytes - at < 8 ? bytes - at : 8));
    add(w, word);
  }
}

// Everything that tells the operation from others, but the names and the place.
static key describe(cse *c, wf_op *op) {
  words w = {.arena = c->scratch};
  add(&w, (uint64_t)op->kind);
  for (int i = 0; i < op->result_count; i++) {
    const wf_value *result = op->results[i];
    add(&w, (uint64_t)result->dtype * 16 + (uint64_t)result->rank);
    for (int k = 0; k < result->rank; k++) add_pointer(&w, result->shape[k]);
    add_pointer(&w, result->layout);
  }
  if (op->body) describe_scalars(c, &w, op);
  else for (int i = 0; i < op->operand_count; i++) add_pointer(&w, op->operands[i]);
  if (op->kind == WF_O_CONST) describe_data(&w, op);
  add(&w, (uint64_t)op->sort_axis * 4 + (uint64_t)op->descending * 2 + (uint64_t)op->reverse);
  add(&w, (uint64_t)op->carry_count * 65536 + (uint64_t)op->slice_count);
  add_pointer(&w, op->region);
  add_pointer(&w, op->trip);
  uint64_t hash = wf_hash_bytes(w.list.items, sizeof *w.list.items * (size_t)w.list.count, 0);
  return (key){hash, w.list.items, w.list.count, op};
}

static bool can_merge(const wf_op *op) {
  switch (op->kind) {
  case WF_O_CONST: case WF_O_COMPUTE: case WF_O_SCATTER: case WF_O_SORT: case WF_O_LOOP: case WF_O_CALL: return true;
  case WF_O_GRAD: case WF_O_UPDATE: case WF_O_GROUP: case WF_O_LAUNCH: case WF_OPERATION_COUNT: break;
  }
  return false;
}

static key *find(cse *c, const key *wanted) {
  int mask = c->capacity - 1, slot = (int)(wanted->hash & (uint64_t)mask);
  for (; c->slots[slot].op; slot = (slot + 1) & mask) {
    const key *k = &c->slots[slot];
    if (k->hash == wanted->hash && k->count == wanted->count && !memcmp(k->words, wanted->words, sizeof *k->words * (size_t)k->count)) break;
  }
  return &c->slots[slot];
}

// True where the operation is the same as an earlier one, which now stands for it.
static bool merge(cse *c, wf_op *op) {
  if (!can_merge(op)) return false;
  key wanted = describe(c, op);
  key *slot = find(c, &wanted);
  if (!slot->op) return *slot = wanted, false;
  for (int i = 0; i < op->result_count; i++) wf_replace_value(&c->replaced, op->results[i], slot->op->results[i]);
  return true;
}

static void run_function(cse *c, wf_function *function) {
  if (wf_function_has_aliases(function)) return;   // storage is planned: lives must not grow
  for (c->capacity = 64; c->capacity < 2 * function->ops.count; c->capacity *= 2) {}
  c->slots = WF_NEW_ARRAY(c->scratch, key, c->capacity);
  int kept = 0;
  for (int i = 0; i < function->ops.count; i++) {
    wf_op *op = function->ops.items[i];
    if (c->replaced.count) wf_op_replace_values(&c->replaced, op);
    if (!merge(c, op)) function->ops.items[kept++] = op;
  }
  function->ops.count = kept;
  wf_function_replace_results(&c->replaced, function);
}

bool wf_pass_cse(wf_module *module, const wf_pass_options *options) {
  (void)options;
  cse c = {.module = module, .scratch = wf_arena_create()};
  wf_replacements_init(&c.replaced, module, c.scratch);
  wf_map_init(&c.axes, c.scratch);
  for (int i = 0; i < module->functions.count; i++) run_function(&c, module->functions.items[i]);
  wf_arena_destroy(c.scratch);
  return true;
}
