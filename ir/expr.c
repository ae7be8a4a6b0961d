// Scalar expressions: the hash-consed table, constructors, rewriting and walking. The simplifications that happen while a
// node is made stand in expr_simplify.c.
#include <math.h>
#include "ir/expr_internal.h"

struct wf_expr_table {
  wf_arena *arena;
  const wf_expr **slots;   // open addressing, NULL: free
  int count, capacity;     // capacity: a power of two
};

struct wf_expr_table *wf_expr_table_create(wf_arena *arena) {
  struct wf_expr_table *table = WF_NEW(arena, struct wf_expr_table);
  table->arena = arena;
  table->capacity = 1024;
  table->slots = WF_NEW_ARRAY(arena, const wf_expr *, table->capacity);
  return table;
}

static uint64_t mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
  return hash ^ (hash >> 29);
}

static uint64_t bits_of(double number) {
  uint64_t bits;
  memcpy(&bits, &number, sizeof bits);
  return bits;
}

// Depends on structure only (operands by id, dims by their own hash), so that runs are reproducible.
static uint64_t hash_of(const wf_expr *e) {
  uint64_t hash = mix(mix(17, (uint64_t)e->op), (uint64_t)e->dtype * 2 + e->has_default);
  hash = mix(mix(hash, bits_of(e->number)), (uint64_t)e->integer);
  if (e->dim) hash = mix(hash, e->dim->hash);
  if (e->operand) hash = mix(hash, (uint64_t)e->operand->id + 1);
  for (int i = 0; i < e->arg_count; i++) hash = mix(hash, (uint64_t)e->args[i]->id + 3);
  return hash;
}

static bool same(const wf_expr *a, const wf_expr *b) {
  if (a->hash != b->hash || a->op != b->op || a->dtype != b->dtype || a->arg_count != b->arg_count) return false;
  if (a->dim != b->dim || a->operand != b->operand || a->integer != b->integer || a->has_default != b->has_default) return false;
  if (bits_of(a->number) != bits_of(b->number)) return false;
  return !a->arg_count || !memcmp(a->args, b->args, sizeof *a->args * (size_t)a->arg_count);
}

static int slot_of(const struct wf_expr_table *table, const wf_expr *wanted) {
  int mask = table->capacity - 1, slot = (int)(wanted->hash & (uint64_t)mask);
  while (table->slots[slot] && !same(table->slots[slot], wanted)) slot = (slot + 1) & mask;
  return slot;
}

static void grow(struct wf_expr_table *table) {
  const wf_expr **old = table->slots;
  int old_capacity = table->capacity;
  table->capacity *= 2;
  table->slots = WF_NEW_ARRAY(table->arena, const wf_expr *, table->capacity);
  for (int i = 0; i < old_capacity; i++)
    if (old[i]) table->slots[slot_of(table, old[i])] = old[i];
}

const wf_expr *wf_expr_lookup(wf_module *module, const wf_expr *wanted) {
  wf_expr key = *wanted;
  key.hash = hash_of(&key);
  return module->exprs->slots[slot_of(module->exprs, &key)];
}

const wf_expr *wf_expr_cons(wf_module *module, const wf_expr *wanted) {
  struct wf_expr_table *table = module->exprs;
  wf_expr key = *wanted;
  key.hash = hash_of(&key);
  int slot = slot_of(table, &key);
  if (table->slots[slot]) return table->slots[slot];
  if (table->count * 4 >= table->capacity * 3) grow(table), slot = slot_of(table, &key);
  wf_expr *made = WF_NEW(module->arena, wf_expr);
  *made = key;
  made->id = table->count++;
  if (key.arg_count) {
    const wf_expr **args = WF_NEW_ARRAY(module->arena, const wf_expr *, key.arg_count);
    memcpy(args, key.args, sizeof *args * (size_t)key.arg_count);
    made->args = args;
  } else {
    made->args = NULL;
  }
  return table->slots[slot] = made;
}

// ---- constructors -----------------------------------------------------------------------------------------------

const wf_expr *wf_expr_index(wf_module *module, const wf_dim *dim) {
  wf_expr e = {.op = WF_S_INDEX, .dtype = WF_I64, .dim = dim};
  int64_t value;
  if (wf_dim_is_const(dim, &value)) e.integer = value, e.number = (double)value;
  return wf_expr_cons(module, &e);
}

const wf_expr *wf_expr_const_int(wf_module *module, wf_dtype type, int64_t integer) {
  if (wf_dtype_is_float(type)) return wf_expr_const(module, type, (double)integer);
  if (type == WF_I64) return wf_expr_index(module, wf_dim_const(module->dims, integer));
  integer = wf_wrap_int(type, integer);
  wf_expr e = {.op = WF_S_CONST, .dtype = type, .integer = integer, .number = (double)integer};
  return wf_expr_cons(module, &e);
}

// float to integer saturates, NaN gives 0
static int64_t saturated(double number) {
  if (isnan(number)) return 0;
  return number >= 0x1p63 ? INT64_MAX : number <= -0x1p63 ? INT64_MIN : (int64_t)number;
}

const wf_expr *wf_expr_const(wf_module *module, wf_dtype type, double number) {
  if (type == WF_I64) return wf_expr_const_int(module, type, saturated(number));
  if (!wf_dtype_is_float(type)) return wf_expr_const_int(module, type, (int64_t)wf_round_to(type, number));
  number = isnan(number) ? NAN : wf_round_to(type, number);
  wf_expr e = {.op = WF_S_CONST, .dtype = type, .number = number};
  return wf_expr_cons(module, &e);
}

const wf_expr *wf_expr_number(wf_module *module, wf_dtype type, double number) { return wf_expr_const(module, type, number); }

const wf_expr *wf_expr_read(wf_module *module, wf_value *operand, const wf_expr *const *indices, const wf_expr *outside) {
  const wf_expr *args[WF_MAX_RANK + 1];
  int rank = operand->rank < WF_MAX_RANK ? operand->rank : WF_MAX_RANK;
  for (int i = 0; i < rank; i++) args[i] = indices[i];
  if (outside) args[rank] = outside;
  wf_expr e = {.op = WF_S_READ, .dtype = wf_dtype_compute(operand->dtype), .arg_count = rank + (outside != NULL),
               .args = args, .operand = operand, .has_default = outside != NULL};
  return wf_expr_cons(module, &e);
}

const wf_expr *wf_expr_read_dims(wf_module *module, wf_value *operand, const wf_dim *const *indices, const wf_expr *outside) {
  const wf_expr *args[WF_MAX_RANK];
  for (int i = 0; i < operand->rank && i < WF_MAX_RANK; i++) args[i] = wf_expr_index(module, indices[i]);
  return wf_expr_read(module, operand, args, outside);
}

static wf_dtype result_type(wf_scalar op, const wf_expr *const *args) {
  if (wf_scalar_has_trait(op, 'P')) return WF_BOOL;
  return op == WF_S_SELECT ? args[1]->dtype : args[0]->dtype;
}

const wf_expr *wf_expr_make(wf_module *module, wf_scalar op, const wf_expr *const *args, int count) {
  wf_dtype type = result_type(op, args);
  const wf_expr *simple = wf_expr_simplified(module, op, type, args, count);
  if (simple) return simple;
  wf_expr e = {.op = op, .dtype = type, .arg_count = count, .args = args};
  if (count == 2 && wf_scalar_has_trait(op, 'c')) {  // a+b where b+a stands already: one node for both
    const wf_expr *swapped[2] = {args[1], args[0]};
    e.args = swapped;
    const wf_expr *found = wf_expr_lookup(module, &e);
    if (found) return found;
    e.args = args;
  }
  return wf_expr_cons(module, &e);
}

const wf_expr *wf_expr_unary(wf_module *module, wf_scalar op, const wf_expr *a) { return wf_expr_make(module, op, &a, 1); }

const wf_expr *wf_expr_binary(wf_module *module, wf_scalar op, const wf_expr *a, const wf_expr *b) {
  const wf_expr *args[2] = {a, b};
  return wf_expr_make(module, op, args, 2);
}

const wf_expr *wf_expr_select(wf_module *module, const wf_expr *condition, const wf_expr *a, const wf_expr *b) {
  const wf_expr *args[3] = {condition, a, b};
  return wf_expr_make(module, WF_S_SELECT, args, 3);
}

const wf_expr *wf_expr_cast(wf_module *module, wf_dtype type, const wf_expr *a) {
  const wf_expr *simple = wf_expr_simplified(module, WF_S_CAST, type, &a, 1);
  if (simple) return simple;
  wf_expr e = {.op = WF_S_CAST, .dtype = type, .arg_count = 1, .args = &a};
  return wf_expr_cons(module, &e);
}

const wf_expr *wf_expr_random(wf_module *module, uint64_t site, const wf_expr *seed, const wf_expr *step, const wf_expr *index) {
  const wf_expr *args[3] = {seed, step, index};
  wf_expr e = {.op = WF_S_RANDOM, .dtype = WF_F32, .arg_count = 3, .args = args, .integer = (int64_t)site};
  return wf_expr_cons(module, &e);
}

bool wf_expr_is_constant(const wf_expr *expr) {
  return expr->op == WF_S_CONST || (expr->op == WF_S_INDEX && wf_dim_is_const(expr->dim, &(int64_t){0}));
}

double wf_expr_constant_float(const wf_expr *expr) { return expr->number; }

int64_t wf_expr_constant_int(const wf_expr *expr) {
  return wf_dtype_is_float(expr->dtype) ? saturated(expr->number) : expr->integer;
}

bool wf_expr_is_const(const wf_expr *expr, double value) { return wf_expr_is_constant(expr) && expr->number == value; }

// ---- traversal ----------------------------------------------------------------------------------------------------

// Which nodes were met, and what became of them. Small DAGs stay on the stack; larger ones use the module's arena.
typedef struct visited {
  wf_arena *arena;
  const wf_expr **keys, **values;
  int count, capacity;
  const wf_expr *small_keys[128], *small_values[128];
} visited;

static void visited_init(visited *set, wf_arena *arena) {
  set->arena = arena;
  set->keys = set->small_keys;
  set->values = set->small_values;
  set->count = 0;
  set->capacity = 128;
  memset(set->small_keys, 0, sizeof set->small_keys);
}

static int visited_slot(const visited *set, const wf_expr *key) {
  int mask = set->capacity - 1, slot = (int)((uint32_t)key->id * 2654435761u >> 7) & mask;
  while (set->keys[slot] && set->keys[slot] != key) slot = (slot + 1) & mask;
  return slot;
}

static void visited_put(visited *set, const wf_expr *key, const wf_expr *value) {
  if (set->count * 2 >= set->capacity) {
    visited bigger = {.arena = set->arena, .capacity = set->capacity * 4, .count = set->count};
    bigger.keys = WF_NEW_ARRAY(set->arena, const wf_expr *, bigger.capacity);
    bigger.values = WF_NEW_ARRAY(set->arena, const wf_expr *, bigger.capacity);
    for (int i = 0; i < set->capacity; i++) {
      if (!set->keys[i]) continue;
      int slot = visited_slot(&bigger, set->keys[i]);
      bigger.keys[slot] = set->keys[i];
      bigger.values[slot] = set->values[i];
    }
    set->keys = bigger.keys;
    set->values = bigger.values;
    set->capacity = bigger.capacity;
  }
  int slot = visited_slot(set, key);
  set->keys[slot] = key;
  set->values[slot] = value;
  set->count++;
}

static bool visited_has(const visited *set, const wf_expr *key) { return set->keys[visited_slot(set, key)] != NULL; }

typedef struct rewriter {
  wf_module *module;
  const wf_binding *bindings;
  int binding_count;
  wf_expr_leaf leaf;
  void *context;
  visited done;
} rewriter;

static const wf_expr *rewrite(rewriter *r, const wf_expr *e);

static const wf_expr *rebuild(rewriter *r, const wf_expr *e) {
  if (e->op == WF_S_INDEX && r->binding_count)
    return wf_expr_index(r->module, wf_dim_substitute(e->dim, r->bindings, r->binding_count));
  if (!e->arg_count) return e;
  const wf_expr *args[WF_MAX_RANK + 1];
  bool changed = false;
  for (int i = 0; i < e->arg_count; i++) {
    args[i] = rewrite(r, e->args[i]);
    changed |= args[i] != e->args[i];
  }
  if (!changed) return e;
  if (e->op == WF_S_READ) return wf_expr_read(r->module, e->operand, args, e->has_default ? args[e->arg_count - 1] : NULL);
  if (e->op == WF_S_RANDOM) return wf_expr_random(r->module, (uint64_t)e->integer, args[0], args[1], args[2]);
  if (e->op == WF_S_CAST) return wf_expr_cast(r->module, e->dtype, args[0]);
  return wf_expr_make(r->module, e->op, args, e->arg_count);
}

static const wf_expr *rewrite(rewriter *r, const wf_expr *e) {
  int slot = visited_slot(&r->done, e);
  if (r->done.keys[slot]) return r->done.values[slot];
  const wf_expr *result = rebuild(r, e);
  bool offered = result->op == WF_S_READ || result->op == WF_S_RANDOM || result->op == WF_S_CONST || result->op == WF_S_INDEX || result->op == WF_S_STOP;
  if (r->leaf && offered) {
    const wf_expr *replaced = r->leaf(r->context, result);
    if (replaced) result = replaced;
  }
  visited_put(&r->done, e, result);
  return result;
}

const wf_expr *wf_expr_rewrite(wf_module *module, const wf_expr *expr, const wf_binding *bindings, int binding_count,
                               wf_expr_leaf leaf, void *context) {
  rewriter r = {.module = module, .bindings = bindings, .binding_count = binding_count, .leaf = leaf, .context = context};
  visited_init(&r.done, module->arena);
  return rewrite(&r, expr);
}

static void walk(visited *done, const wf_expr *e, void (*visit)(void *, const wf_expr *), void *context) {
  if (visited_has(done, e)) return;
  visited_put(done, e, e);
  for (int i = 0; i < e->arg_count; i++) walk(done, e->args[i], visit, context);
  visit(context, e);
}

// Without a module at hand, a DAG too large for the stack needs an arena of its own.
static void count_nodes(const wf_expr *e, int limit, int *count) {
  if (++*count >= limit) return;
  for (int i = 0; i < e->arg_count && *count < limit; i++) count_nodes(e->args[i], limit, count);
}

void wf_expr_walk(const wf_expr *expr, void (*visit)(void *context, const wf_expr *node), void *context) {
  int count = 0;
  count_nodes(expr, 64, &count);
  visited done;
  wf_arena *arena = count < 64 ? NULL : wf_arena_create();
  visited_init(&done, arena);
  walk(&done, expr, visit, context);
  if (arena) wf_arena_destroy(arena);
}

static void visit_read(void *context, const wf_expr *node) {
  if (node->op == WF_S_READ) *(bool *)context = true;
}

bool wf_expr_has_read(const wf_expr *expr) {
  bool found = false;
  wf_expr_walk(expr, visit_read, &found);
  return found;
}

static void visit_cost(void *context, const wf_expr *node) {
  if (node->op == WF_S_RANDOM) *(int *)context += 80;  // ten rounds of two wide multiplications
  else if (!strchr(wf_scalar_table[node->op].traits, 'S')) *(int *)context += 1;
}

int wf_expr_cost(const wf_expr *expr) {
  int cost = 0;
  wf_expr_walk(expr, visit_cost, &cost);
  return cost;
}
