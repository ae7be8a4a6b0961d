// The rules of thread programs. A value is uniform over a group of threads (a block, a warp) where it is the same in all of
// them; barriers and reduces stand only under conditions and in loops that are uniform over the group that they join.
#include "ir/verify_internal.h"

enum { WARP = 32, MAX_THREADS = 1024, MAX_SHARED_BYTES = 48 * 1024 };

typedef struct thread_check {
  wf_verifier *v;
  const wf_kernel *kernel;
  const wf_atom *thread;        // the axis of the thread loop
  wf_binding warp;              // thread = 32*warp + lane
  const wf_atom *lane;
} thread_check;

// What is known of the place of a statement.
typedef struct place { bool block_differs, warp_differs, in_vector; } place;

// ---- uniform values -----------------------------------------------------------------------------------------------------
static const wf_dim *over_warps(const thread_check *c, const wf_dim *dim) { return wf_dim_substitute(dim, &c->warp, 1); }

// lane + rest >= 0 and rest - lane >= 0 are the same for all lanes where rest's distance from a multiple of 32 is right.
static bool bound_is_warp_uniform(const thread_check *c, const wf_dim *nonnegative) {
  const wf_dim *dim = over_warps(c, nonnegative), *coefficient, *rest;
  int64_t step;
  if (!wf_dim_mentions(dim, c->lane)) return true;
  if (!wf_dim_split(dim, c->lane, &coefficient, &rest) || !wf_dim_is_const(coefficient, &step)) return false;
  if (step == 1) return wf_dim_divisible(rest, WARP);
  return step == -1 && wf_dim_divisible(wf_dim_offset(rest, 1), WARP);
}

static bool compare_is_warp_uniform(const thread_check *c, const wf_expr *e) {
  const wf_dim *a = e->args[0]->dim, *b = e->args[1]->dim;
  switch (e->op) {
    case WF_S_LT: return bound_is_warp_uniform(c, wf_dim_offset(wf_dim_sub(b, a), -1));
    case WF_S_LE: return bound_is_warp_uniform(c, wf_dim_sub(b, a));
    case WF_S_GT: return bound_is_warp_uniform(c, wf_dim_offset(wf_dim_sub(a, b), -1));
    case WF_S_GE: return bound_is_warp_uniform(c, wf_dim_sub(a, b));
    default: return !wf_dim_mentions(over_warps(c, wf_dim_sub(a, b)), c->lane);
  }
}

static bool only_read(const wf_kernel *kernel, const wf_value *buffer) {
  for (int i = 0; i < kernel->params.count; i++)
    if (kernel->params.items[i] == buffer) return !kernel->written.items[i];
  return false;
}

static bool is_uniform(const thread_check *c, const wf_expr *e, bool over_block) {
  if (e->op == WF_S_INDEX) return over_block ? !wf_dim_mentions(e->dim, c->thread) : !wf_dim_mentions(over_warps(c, e->dim), c->lane);
  if (e->op == WF_S_READ && !only_read(c->kernel, e->operand)) return false;
  bool compares = e->arg_count == 2 && e->args[0]->op == WF_S_INDEX && e->args[1]->op == WF_S_INDEX;
  if (compares && !over_block && compare_is_warp_uniform(c, e)) return true;
  for (int i = 0; i < e->arg_count; i++)
    if (!is_uniform(c, e->args[i], over_block)) return false;
  return true;
}

static place below(const thread_check *c, place p, const wf_expr *condition) {
  p.block_differs |= !is_uniform(c, condition, true);
  p.warp_differs |= !is_uniform(c, condition, false);
  return p;
}

// ---- statements ---------------------------------------------------------------------------------------------------------
static void check_reduce(thread_check *c, const wf_stmt *stmt, place p) {
  const wf_value *buffer = stmt->buffer;
  c->v->what = wf_arena_printf(c->v->arena, "reduce %%%s", buffer->name);
  if (buffer->space != WF_SPACE_REGISTER) wf_broken(c->v, "a reduce combines registers");
  if (stmt->lanes < 2 || stmt->lanes > WARP || stmt->lanes & (stmt->lanes - 1)) wf_broken(c->v, "%d lanes: a power of two from 2 to 32 is wanted", stmt->lanes);
  if (stmt->combiner == WF_R_NONE || stmt->combiner == WF_R_ARGMAX || stmt->combiner == WF_R_ARGMIN) wf_broken(c->v, "a reduce combines by sum, prod, max or min");
  if (p.in_vector) wf_broken(c->v, "it stands in a vector loop");
  if (p.warp_differs) wf_broken(c->v, "it stands where the threads of a warp may part");
  for (int i = 0; i < buffer->rank; i++)
    if (!is_uniform(c, stmt->indices[i], false)) wf_broken(c->v, "index %d is not the same in all threads of a warp", i);
}

static void check_barrier(thread_check *c, place p) {
  c->v->what = "barrier";
  if (p.in_vector) wf_broken(c->v, "it stands in a vector loop");
  if (p.block_differs) wf_broken(c->v, "it stands where the threads of a block may part");
}

static void check_body(thread_check *c, const wf_block *block, place p);

static bool joins_threads(const wf_block *block) {
  for (int i = 0; i < block->list.count; i++) {
    const wf_stmt *stmt = block->list.items[i];
    if (stmt->kind == WF_STMT_BARRIER || stmt->kind == WF_STMT_REDUCE || joins_threads(&stmt->body)) return true;
  }
  return false;
}

static place inside(const thread_check *c, place p, const wf_stmt *stmt, const wf_expr *condition) {
  return joins_threads(&stmt->body) ? below(c, p, condition) : p;
}

static void check_for(thread_check *c, const wf_stmt *stmt, place p) {
  c->v->what = wf_arena_printf(c->v->arena, "for %s %s", wf_bind_names[stmt->bind], stmt->axis->name);
  if (stmt->bind == WF_BIND_TASK || stmt->bind >= WF_BIND_GRID) wf_broken(c->v, "inside the thread loop stand serial, vector and unroll loops");
  p = inside(c, p, stmt, wf_expr_index(c->kernel->module, stmt->axis->extent));
  p.in_vector |= stmt->bind == WF_BIND_VECTOR;
  check_body(c, &stmt->body, p);
}

static void check_body(thread_check *c, const wf_block *block, place p) {
  for (int i = 0; i < block->list.count; i++) {
    const wf_stmt *stmt = block->list.items[i];
    c->v->loc = stmt->loc;
    switch (stmt->kind) {
      case WF_STMT_FOR: check_for(c, stmt, p); break;
      case WF_STMT_IF: check_body(c, &stmt->body, inside(c, p, stmt, stmt->condition)); break;
      case WF_STMT_ALLOC:
        c->v->what = wf_arena_printf(c->v->arena, "alloc %%%s", stmt->buffer->name);
        if (stmt->buffer->space != WF_SPACE_REGISTER) wf_broken(c->v, "a thread has registers alone; shared buffers stand before the thread loop");
        break;
      case WF_STMT_STORE: break;
      case WF_STMT_BARRIER: check_barrier(c, p); break;
      case WF_STMT_REDUCE: check_reduce(c, stmt, p); break;
    }
  }
}

// ---- sections -----------------------------------------------------------------------------------------------------------
static int64_t shared_bytes(wf_verifier *v, const wf_stmt *stmt) {
  const wf_value *buffer = stmt->buffer;
  const wf_layout *layout = buffer->layout;
  int64_t count = 1, extent;
  v->what = wf_arena_printf(v->arena, "alloc %%%s", buffer->name);
  if (buffer->space != WF_SPACE_SHARED) wf_broken(v, "between the grid loops and the thread loop stand shared buffers alone");
  for (int i = 0; i < buffer->rank; i++) {
    if (!wf_dim_is_const(buffer->shape[i], &extent) || extent > MAX_SHARED_BYTES) return wf_broken(v, "extent %d of shared memory is no integer up to %d", i, MAX_SHARED_BYTES), 0;
    count *= extent;
    if (count > MAX_SHARED_BYTES) break;
  }
  if (layout && !wf_dim_is_const(layout->size, &count)) return wf_broken(v, "the size of shared memory is no integer"), 0;
  return count * wf_dtype_bytes(buffer->dtype);
}

static void check_thread_loop(wf_verifier *v, const wf_kernel *kernel, const wf_block *around, const wf_stmt *loop) {
  int64_t threads = 0;
  v->loc = loop->loc;
  v->what = wf_arena_printf(v->arena, "for thread %s", loop->axis->name);
  if (!wf_dim_is_const(loop->axis->extent, &threads)) return;   // told already
  if (threads < WARP || threads > MAX_THREADS || threads % WARP) {
    wf_broken(v, "%lld threads: a multiple of 32 up to 1024 is wanted", (long long)threads);
    return;
  }
  if (threads != wf_kernel_threads(kernel)) wf_broken(v, "another section has %d threads; all have as many", wf_kernel_threads(kernel));
  wf_dims *dims = kernel->module->dims;
  const wf_dim *lane = wf_dim_axis(dims, "lane", wf_dim_const(dims, WARP)), *warp = wf_dim_axis(dims, "warp", wf_dim_const(dims, threads / WARP));
  thread_check c = {.v = v, .kernel = kernel, .thread = loop->axis, .lane = wf_dim_as_atom(lane)};
  c.warp = (wf_binding){loop->axis, wf_dim_add(wf_dim_scale(warp, WARP), lane)};
  check_body(&c, &loop->body, (place){0});
  wf_verify_shared_races(v, kernel, around, loop);
}

static void check_section(wf_verifier *v, const wf_kernel *kernel, const wf_block *section) {
  const wf_block *block = section;
  while (block->list.count == 1 && block->list.items[0]->kind == WF_STMT_FOR && block->list.items[0]->bind == WF_BIND_GRID) block = &block->list.items[0]->body;
  int at = 0, count = block->list.count;
  int64_t shared = 0;
  for (; at < count && block->list.items[at]->kind == WF_STMT_ALLOC; at++) {
    v->loc = block->list.items[at]->loc;
    shared += shared_bytes(v, block->list.items[at]);
  }
  v->what = NULL;
  if (shared > MAX_SHARED_BYTES) wf_broken(v, "a block takes %lld bytes of shared memory; there are %d", (long long)shared, MAX_SHARED_BYTES);
  const wf_stmt *loop = at + 1 == count ? block->list.items[at] : NULL;
  if (loop && loop->kind == WF_STMT_FOR && loop->bind == WF_BIND_THREAD) check_thread_loop(v, kernel, block, loop);
  else wf_broken(v, "a section of a thread program is grid loops around shared buffers and one thread loop");
}

static bool has_gpu_loop(const wf_block *block) {
  for (int i = 0; i < block->list.count; i++) {
    const wf_stmt *stmt = block->list.items[i];
    bool gpu = stmt->kind == WF_STMT_BARRIER || stmt->kind == WF_STMT_REDUCE || (stmt->kind == WF_STMT_FOR && stmt->bind >= WF_BIND_GRID) ||
               (stmt->kind == WF_STMT_ALLOC && stmt->buffer->space == WF_SPACE_SHARED);
    if (gpu || has_gpu_loop(&stmt->body)) return true;
  }
  return false;
}

void wf_verify_threads(wf_verifier *v, const wf_kernel *kernel) {
  bool threads = false;
  for (int i = 0; i < kernel->sections.count; i++) threads |= has_gpu_loop(kernel->sections.items[i]);
  for (int i = 0; threads && i < kernel->sections.count; i++) {
    v->loc = kernel->loc;
    check_section(v, kernel, kernel->sections.items[i]);
  }
}
