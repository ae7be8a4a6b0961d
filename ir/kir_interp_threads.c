// Thread programs in the interpreter: blocks one after the other; the threads of a block take each statement together, those
// whose conditions hold. All reads of a statement happen before its stores.
#include "ir/kir_interp.h"

enum { WARP = 32 };

typedef struct block_run {
  wf_machine *m;
  const wf_atom *thread;
  wf_pending_store *stores;     // by thread
} block_run;

static void select_thread(block_run *r, int thread) {
  r->m->thread = thread;
  wf_machine_set_atom(r->m, r->thread, thread);
}

static void run_store(block_run *r, const wf_machine_step *s, const bool *active) {
  for (int t = 0; t < r->m->threads && !r->m->failed; t++) {
    r->stores[t].tensor = NULL;
    if (!active[t]) continue;
    select_thread(r, t);
    wf_machine_prepare_store(r->m, s, &r->stores[t]);
  }
  for (int t = 0; t < r->m->threads && !r->m->failed; t++)
    if (r->stores[t].tensor) wf_machine_write(&r->stores[t]);
}

static void run_barrier(block_run *r, const wf_machine_step *s, const bool *active) {
  for (int t = 0; t < r->m->threads; t++)
    if (!active[t]) { wf_machine_failed(r->m, s->stmt, "not all threads of the block reach a barrier"); return; }
}

static bool warp_is_whole(block_run *r, const wf_machine_step *s, const bool *active) {
  for (int t = 0; t < r->m->threads; t++)
    if (active[t] != active[t / WARP * WARP]) return wf_machine_failed(r->m, s->stmt, "not all threads of a warp reach a reduce");
  return true;
}

static void run_reduce(block_run *r, const wf_machine_step *s, const bool *active) {
  const wf_stmt *stmt = s->stmt;
  int threads = r->m->threads;
  if (!warp_is_whole(r, s, active)) return;
  wf_scalar_value *now = WF_NEW_ARRAY(r->m->arena, wf_scalar_value, threads), *next = WF_NEW_ARRAY(r->m->arena, wf_scalar_value, threads);
  for (int t = 0; t < threads && !r->m->failed; t++) {
    if (!active[t]) continue;
    select_thread(r, t);
    if (wf_machine_element(r->m, s, &r->stores[t])) now[t] = r->stores[t].value;
  }
  for (int step = stmt->lanes / 2; step >= 1; step /= 2) {
    for (int t = 0; t < threads; t++) next[t] = wf_machine_combine(r->m, stmt->combiner, stmt->buffer->dtype, now[t], now[t ^ step]);
    for (int t = 0; t < threads; t++) now[t] = next[t];
  }
  for (int t = 0; t < threads && !r->m->failed; t++) {
    if (!active[t]) continue;
    r->stores[t].value = now[t];
    wf_machine_write(&r->stores[t]);
  }
}

static void run_body(block_run *r, const wf_machine_step *steps, int count, const bool *active);

static bool *new_mask(block_run *r) { return WF_NEW_ARRAY(r->m->arena, bool, r->m->threads); }

static void run_if(block_run *r, const wf_machine_step *s, const bool *active) {
  bool *taken = new_mask(r), any = false;
  for (int t = 0; t < r->m->threads && !r->m->failed; t++) {
    if (!active[t]) continue;
    select_thread(r, t);
    any |= taken[t] = wf_machine_condition(r->m, s);
  }
  if (any) run_body(r, s->body, s->body_count, taken);
}

// Each thread has its own number of turns; those that are done wait.
static void run_for(block_run *r, const wf_machine_step *s, const bool *active) {
  int64_t *extents = WF_NEW_ARRAY(r->m->arena, int64_t, r->m->threads), most = 0;
  bool *taken = new_mask(r);
  for (int t = 0; t < r->m->threads; t++) {
    if (!active[t]) continue;
    select_thread(r, t);
    extents[t] = wf_machine_dim(r->m, s->stmt->axis->extent);
    if (extents[t] > most) most = extents[t];
  }
  for (int64_t at = 0; at < most && !r->m->failed; at++) {
    for (int t = 0; t < r->m->threads; t++) taken[t] = active[t] && at < extents[t];
    wf_machine_set_atom(r->m, s->stmt->axis, at);
    run_body(r, s->body, s->body_count, taken);
  }
}

static void run_alloc(block_run *r, const wf_machine_step *s, const bool *active) {
  for (int t = 0; t < r->m->threads; t++) {
    if (!active[t]) continue;
    select_thread(r, t);
    wf_machine_poison(r->m, s->stmt->buffer);
  }
}

static void run_body(block_run *r, const wf_machine_step *steps, int count, const bool *active) {
  for (int i = 0; i < count && !r->m->failed; i++) {
    const wf_machine_step *s = &steps[i];
    switch (s->stmt->kind) {
      case WF_STMT_ALLOC: run_alloc(r, s, active); break;
      case WF_STMT_STORE: run_store(r, s, active); break;
      case WF_STMT_BARRIER: run_barrier(r, s, active); break;
      case WF_STMT_REDUCE: run_reduce(r, s, active); break;
      case WF_STMT_IF: run_if(r, s, active); break;
      case WF_STMT_FOR: run_for(r, s, active); break;
    }
  }
}

static void run_block(wf_machine *m, const wf_machine_step *loop) {
  wf_arena *kept = m->arena;
  m->arena = wf_arena_create();   // what a block takes goes with it; its buffers lie in `kept`
  block_run r = {.m = m, .thread = loop->stmt->axis};
  r.stores = WF_NEW_ARRAY(m->arena, wf_pending_store, m->threads);
  bool *all = new_mask(&r);
  for (int t = 0; t < m->threads; t++) all[t] = true;
  run_body(&r, loop->body, loop->body_count, all);
  wf_arena_destroy(m->arena);
  m->arena = kept;
}

void wf_machine_run_blocks(wf_machine *m, const wf_machine_step *steps, int count) {
  for (int i = 0; i < count && !m->failed; i++) {
    const wf_machine_step *s = &steps[i];
    bool loop = s->stmt->kind == WF_STMT_FOR;
    if (s->stmt->kind == WF_STMT_ALLOC) wf_machine_poison(m, s->stmt->buffer);
    else if (loop && s->stmt->bind == WF_BIND_THREAD) run_block(m, s);
    else if (loop && s->stmt->bind == WF_BIND_GRID) {
      int64_t extent = wf_machine_dim(m, s->stmt->axis->extent);
      for (int64_t at = 0; at < extent && !m->failed; at++) {
        wf_machine_set_atom(m, s->stmt->axis, at);
        wf_machine_run_blocks(m, s->body, s->body_count);
      }
    } else wf_machine_failed(m, s->stmt, "a statement outside the thread loop");
  }
}
