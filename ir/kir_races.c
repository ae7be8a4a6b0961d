// Races in shared memory that indices alone give away: between two barriers one thread stores an element that another one
// reads or stores. Indices may depend on the thread and on loops of constant extent that hold no barrier, all of whose turns fall
// between the same two; conditions on the thread. All else is left to the machine that runs the program; so nothing is reported
// that might be right.
#include "ir/verify_internal.h"

enum { MAX_ACCESSES = 64, MAX_GUARDS = 16, MAX_LOOPS = 8, MAX_TURNS = 64, MAX_ELEMENTS = 48 * 1024 };   // elements: what a block's shared memory holds

typedef struct access {
  const wf_value *buffer;
  const wf_stmt *stmt;
  bool stores;
  int turns;
  int64_t *elements;            // by thread and turn: the linear index, -1 where a condition keeps the thread away
} access;

typedef struct point { const wf_atom *atoms[MAX_LOOPS + 1]; int64_t values[MAX_LOOPS + 1]; int count; } point;   // the thread first

typedef struct race_check {
  wf_verifier *v;
  const wf_atom *thread;
  int threads;
  const wf_atom *loops[MAX_LOOPS];   // open ones without a barrier
  int loop_count;
  const wf_expr *guards[MAX_GUARDS];
  int guard_count, unknown;     // unknown: open loops and conditions that this check cannot follow
  access list[MAX_ACCESSES];    // since the last barrier
  int count;
  const wf_stmt *stmt;
  bool reported;
  int elements, *first, *second;   // by element: two threads + 1 of one access, 0: none
} race_check;

// ---- values of a thread --------------------------------------------------------------------------------------------------
static bool is_among(const wf_atom *atom, const wf_atom *thread, const wf_atom *const *loops, int count) {
  bool found = atom == thread;
  for (int i = 0; i < count; i++) found |= atom == loops[i];
  return found;
}

// Of the thread and the first `loops` of the open loops.
static bool depends_on_these(const race_check *c, const wf_dim *dim, int loops) {
  const wf_atom **atoms = NULL;
  int count = 0;
  wf_dim_collect(dim, c->v->arena, &atoms, &count);
  for (int i = 0; i < count; i++)
    if (!is_among(atoms[i], c->thread, c->loops, loops)) return false;
  return true;
}

static int64_t value_at(void *context, const wf_atom *atom) {
  const point *p = context;
  for (int i = 0; i < p->count; i++)
    if (p->atoms[i] == atom) return p->values[i];
  return 0;
}

// Comparisons of indices and what and, or, not make of them.
static bool can_evaluate(const race_check *c, const wf_expr *e, int loops) {
  if (e->op == WF_S_INDEX) return depends_on_these(c, e->dim, loops);
  if (e->op == WF_S_CONST) return e->dtype == WF_BOOL;
  if (e->op == WF_S_READ || e->op == WF_S_RANDOM || e->op == WF_S_CAST || e->op == WF_S_SELECT || e->op == WF_S_STOP || !e->arg_count || e->arg_count > 2) return false;
  for (int i = 0; i < e->arg_count; i++)
    if (wf_dtype_is_float(e->args[i]->dtype) || !can_evaluate(c, e->args[i], loops)) return false;
  return true;
}

static int64_t evaluate(const wf_expr *e, point *at) {
  int64_t operands[3] = {0}, result = 0;
  if (e->op == WF_S_INDEX) return wf_dim_eval(e->dim, value_at, at);
  if (e->op == WF_S_CONST) return e->integer;
  for (int i = 0; i < e->arg_count; i++) operands[i] = evaluate(e->args[i], at);
  wf_scalar_eval_int(e->op, operands, &result);
  return result;
}

static bool stays_away(const race_check *c, point *at) {
  for (int i = 0; i < c->guard_count; i++)
    if (!evaluate(c->guards[i], at)) return true;
  return false;
}

static int64_t element_of(const wf_value *buffer, const wf_expr *const *indices, point *at) {
  int64_t element = 0, extent = 1;
  for (int i = 0; i < buffer->rank; i++) {
    wf_dim_is_const(buffer->shape[i], &extent);
    element = element * extent + evaluate(indices[i], at);
  }
  return element;
}

// Turns of the open loops that the indices mention, as one count: 0 where they are too many.
static int turns_of(const race_check *c, const wf_value *buffer, const wf_expr *const *indices, point *at, int64_t *extents) {
  int64_t turns = 1;
  at->count = 1;
  at->atoms[0] = c->thread;
  for (int i = 0; i < c->loop_count; i++) {
    bool mentioned = false;
    for (int k = 0; k < buffer->rank; k++) mentioned |= indices[k]->op == WF_S_INDEX && wf_dim_mentions(indices[k]->dim, c->loops[i]);
    if (!mentioned) continue;
    wf_dim_is_const(c->loops[i]->extent, &extents[at->count]);
    at->atoms[at->count] = c->loops[i];
    turns *= extents[at->count++];
    if (turns > MAX_TURNS) return 0;
  }
  return (int)turns;
}

static void set_turn(point *at, const int64_t *extents, int64_t turn) {
  for (int i = 1; i < at->count; i++) {
    at->values[i] = turn % extents[i];
    turn /= extents[i];
  }
}

// ---- accesses ------------------------------------------------------------------------------------------------------------
static void note(race_check *c, const access *a, bool enter) {
  for (int i = 0; i < c->threads * a->turns; i++) {
    int64_t at = a->elements[i];
    int thread = i / a->turns + 1;
    if (at < 0 || at >= c->elements) continue;
    if (!enter) c->first[at] = c->second[at] = 0;
    else if (!c->first[at]) c->first[at] = thread;
    else if (c->first[at] != thread) c->second[at] = thread;
  }
}

// A thread of `a` and another one of `b` that meet at an element; false where there are none.
static bool meet(race_check *c, const access *a, const access *b, int64_t *out_element, int out_threads[2]) {
  bool found = false;
  note(c, a, true);
  for (int i = 0; i < c->threads * b->turns && !found; i++) {
    int64_t at = b->elements[i];
    int u = i / b->turns;
    if (at < 0 || at >= c->elements) continue;
    int other = c->first[at] != u + 1 ? c->first[at] : c->second[at];
    found = other != 0 && other != u + 1;
    if (found) *out_element = at, out_threads[0] = other - 1, out_threads[1] = u;
  }
  note(c, a, false);
  return found;
}

static void report(race_check *c, const access *a, const access *b, int64_t element, const int threads[2]) {
  c->v->loc = c->stmt->loc;
  c->v->what = wf_arena_printf(c->v->arena, "shared %%%s", a->buffer->name);
  const char *verb = a->stores && b->stores ? "stores" : a->stores ? "reads" : "stores";
  const char *other = a->stores ? "stored" : "read";
  wf_broken(c->v, "thread %d %s element %lld, which thread %d has %s with no barrier in between", threads[1], verb, (long long)element, threads[0], other);
  c->reported = true;
}

static bool can_follow(const race_check *c, const wf_value *buffer, const wf_expr *const *indices) {
  if (buffer->space != WF_SPACE_SHARED || c->unknown || c->reported || c->count == MAX_ACCESSES) return false;
  for (int i = 0; i < buffer->rank; i++)
    if (!can_evaluate(c, indices[i], c->loop_count) || !wf_dim_is_const(buffer->shape[i], &(int64_t){0})) return false;
  return true;
}

static void add_access(race_check *c, const wf_value *buffer, const wf_expr *const *indices, bool stores) {
  point at;
  int64_t extents[MAX_LOOPS + 1];
  if (!can_follow(c, buffer, indices)) return;
  int turns = turns_of(c, buffer, indices, &at, extents);
  int points = c->threads * turns;
  if (!points) return;
  access *a = &c->list[c->count];
  *a = (access){.buffer = buffer, .stmt = c->stmt, .stores = stores, .turns = turns, .elements = WF_NEW_ARRAY(c->v->arena, int64_t, points)};
  for (int i = 0; i < points; i++) {
    at.values[0] = i / turns;
    set_turn(&at, extents, i % turns);
    a->elements[i] = stays_away(c, &at) ? -1 : element_of(buffer, indices, &at);
  }
  for (int i = 0; i < c->count; i++) {
    const access *before = &c->list[i];
    int64_t element;
    int threads[2];
    if (before->buffer != buffer || !(stores || before->stores) || !meet(c, before, a, &element, threads)) continue;
    report(c, before, a, element, threads);
    return;
  }
  c->count++;
}

static void visit_read(void *context, const wf_expr *node) {
  race_check *c = context;
  if (node->op == WF_S_READ) add_access(c, node->operand, node->args, false);
}

static void check_block(race_check *c, const wf_block *block);

static void check_if(race_check *c, const wf_stmt *stmt) {
  wf_expr_walk(stmt->condition, visit_read, c);
  bool known = c->guard_count < MAX_GUARDS && can_evaluate(c, stmt->condition, 0);
  if (known) c->guards[c->guard_count++] = stmt->condition;
  else c->unknown++;
  check_block(c, &stmt->body);
  if (known) c->guard_count--;
  else c->unknown--;
}

static bool holds_barrier(const wf_block *block) {
  for (int i = 0; i < block->list.count; i++)
    if (block->list.items[i]->kind == WF_STMT_BARRIER || holds_barrier(&block->list.items[i]->body)) return true;
  return false;
}

// A loop that may run no time is not followed. One that holds a barrier is followed through one turn, whichever it is.
static void check_for(race_check *c, const wf_stmt *stmt) {
  bool may_be_empty = wf_dim_range(stmt->axis->extent).low < 1, opened = c->loop_count < MAX_LOOPS && wf_dim_is_const(stmt->axis->extent, &(int64_t){0}) && !holds_barrier(&stmt->body);
  if (opened) c->loops[c->loop_count++] = stmt->axis;
  c->unknown += may_be_empty;
  check_block(c, &stmt->body);
  c->unknown -= may_be_empty;
  c->loop_count -= opened;
}

static void check_block(race_check *c, const wf_block *block) {
  for (int i = 0; i < block->list.count && !c->reported; i++) {
    const wf_stmt *stmt = c->stmt = block->list.items[i];
    switch (stmt->kind) {
      case WF_STMT_FOR: check_for(c, stmt); break;
      case WF_STMT_IF: check_if(c, stmt); break;
      case WF_STMT_STORE:
        for (int k = 0; k < stmt->buffer->rank; k++) wf_expr_walk(stmt->indices[k], visit_read, c);
        wf_expr_walk(stmt->value, visit_read, c);
        add_access(c, stmt->buffer, stmt->indices, true);
        break;
      case WF_STMT_BARRIER: c->count = 0; break;
      case WF_STMT_ALLOC: case WF_STMT_REDUCE: break;
    }
  }
}

// Of the largest shared buffer.
static int64_t most_elements(const wf_block *around) {
  int64_t most = 0, extent;
  for (int i = 0; i < around->list.count; i++) {
    const wf_stmt *stmt = around->list.items[i];
    int64_t count = 1;
    for (int k = 0; stmt->kind == WF_STMT_ALLOC && k < stmt->buffer->rank && count <= MAX_ELEMENTS; k++)
      count *= wf_dim_is_const(stmt->buffer->shape[k], &extent) ? extent : 1;
    if (stmt->kind == WF_STMT_ALLOC && count > most) most = count;
  }
  return most < MAX_ELEMENTS ? most : MAX_ELEMENTS;
}

void wf_verify_shared_races(wf_verifier *v, const wf_kernel *kernel, const wf_block *around, const wf_stmt *thread_loop) {
  int elements = (int)most_elements(around);
  if (!elements) return;
  race_check *c = WF_NEW(v->arena, race_check);
  *c = (race_check){.v = v, .thread = thread_loop->axis, .threads = wf_kernel_threads(kernel), .elements = elements};
  c->first = WF_NEW_ARRAY(v->arena, int, elements);
  c->second = WF_NEW_ARRAY(v->arena, int, elements);
  check_block(c, &thread_loop->body);
}
