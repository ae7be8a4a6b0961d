// The thread program of a contraction:
//
//   grid batch, blocks of m, blocks of n:
//     shared a[2, bk, bm], b[2, bk, bn]                two stages: one is read while the other is filled
//     threads:
//       first step of k: global to registers, registers to stage 0, barrier
//       for steps of k:
//         the next step: global to registers
//         registers acc[tm, tn] += a[stage, k, its rows] * b[stage, k, its columns] for k of the step
//         registers to the other stage, barrier
//       epilogue and store
//
// The sum of one element runs over k in order: a fixed tree. Rows of a thread come in groups of one vector, a block's height
// apart by their number, so that a warp's reads of shared memory are whole vectors side by side: 8 threads along n, 4 along m.
// Copies are shared out so that neighbouring threads touch neighbouring elements of the operand.
#include "passes/schedule.h"

typedef struct side {            // an operand on its way into shared memory
  const char *name;
  const wf_expr *expr;
  const wf_composite *own;       // m or n
  const wf_dim *start;           // of the block, flat along own
  int extent;                    // of the block along own
  bool along_k;                  // neighbouring threads copy along k, else along own
  int vector;                    // elements of one copy, along the same
  wf_value *shared, *next;       // [stage, bk, extent + pad]; the elements of the next step that this thread copies
} side;

typedef struct build {
  wf_contract contract;
  const wf_gpu_plan *plan;
  side a, b;
  const wf_dim *thread, *row, *column;   // row, column: of this thread's vectors within a group
  const wf_dim *steps;
  int vector;                    // elements of a 16-byte access of the accumulator's type
  wf_value *acc;
} build;

static const wf_dim *number(const build *b, int64_t value) { return wf_dim_const(b->contract.draft->module->dims, value); }

static wf_block *open(build *b, wf_block *block, wf_bind bind, const char *name, int64_t extent, const wf_dim **out_axis) {
  return wf_contract_open(&b->contract, block, bind, name, number(b, extent), out_axis);
}

static void store(build *b, wf_block *block, wf_value *buffer, const wf_dim *const *indices, wf_combiner combiner, const wf_expr *value) {
  value = wf_draft_convert(b->contract.draft, value, wf_dtype_compute(buffer->dtype));
  wf_stmt_store_dims(b->contract.draft->kernel, block, buffer, indices, combiner, value);
}

static const wf_expr *read(build *b, wf_value *buffer, const wf_dim *const *indices) {
  return wf_expr_read_dims(b->contract.draft->module, buffer, indices, NULL);
}

static const wf_expr *zero(build *b) { return wf_expr_const(b->contract.draft->module, b->contract.c->op->accumulator, 0); }
static const wf_dim *quotient(const wf_dim *dim, int64_t by) { return wf_dim_floordiv(dim, wf_dim_const(dim->owner, by)); }
static const wf_dim *rest(const wf_dim *dim, int64_t by) { return wf_dim_mod(dim, wf_dim_const(dim->owner, by)); }

// ---- points of k ------------------------------------------------------------------------------------------------

static const wf_dim *flat_k(const build *b, const wf_dim *step, const wf_dim *local) {
  return wf_dim_add(wf_dim_scale(step, b->plan->bk), local);
}

// Binds k at `local` of the step. Where steps line up with the digits, the digits before are the step's alone.
static void bind_k(build *b, const wf_dim *step, const wf_dim *local) {
  const wf_composite *k = &b->contract.c->k;
  const wf_dim *values[WF_MAX_DIGITS];
  int from = k->count - b->plan->k_inner;
  if (b->plan->k_inner == 0) {
    wf_contract_bind_flat(&b->contract, k, flat_k(b, step, local));
    return;
  }
  wf_contract_digits(k, from, step, values);
  for (int i = k->count - 1; i >= from; i--) {
    values[i] = i == from ? local : wf_dim_mod(local, k->digits[i].extent);
    if (i > from) local = wf_dim_floordiv(local, k->digits[i].extent);
  }
  wf_contract_bind(&b->contract, k, values);
}

// ---- copies -----------------------------------------------------------------------------------------------------

typedef struct unit {            // what one thread copies at once
  const side *side;
  const wf_dim *slot;            // its first element of side->next
  const wf_dim *own, *k;         // first position in the block, in the step
} unit;

typedef void (*unit_body)(build *b, wf_block *block, const unit *u, const wf_dim *step);

static unit unit_of(const build *b, const side *s, const wf_dim *pass) {
  int along = (s->along_k ? b->plan->bk : s->extent) / s->vector;
  const wf_dim *at = wf_dim_add(wf_dim_scale(pass, b->plan->threads), b->thread);
  const wf_dim *run = wf_dim_scale(rest(at, along), s->vector), *other = quotient(at, along);
  return (unit){s, wf_dim_scale(pass, s->vector), s->along_k ? other : run, s->along_k ? run : other};
}

// All units of the tile in passes of the block's threads; the last pass may be short.
static void each_unit(build *b, wf_block *block, const side *s, const wf_dim *step, unit_body body) {
  int units = b->plan->bk * s->extent / s->vector, full = units / b->plan->threads, left = units % b->plan->threads;
  const wf_dim *pass;
  if (full) {
    wf_block *inner = open(b, block, WF_BIND_UNROLL, "u", full, &pass);
    unit u = unit_of(b, s, pass);
    body(b, inner, &u, step);
  }
  if (!left) return;
  unit u = unit_of(b, s, number(b, full));
  block = wf_stmt_if(b->contract.draft->kernel, block, wf_contract_below(&b->contract, b->thread, number(b, left)));
  body(b, block, &u, step);
}

// Where the unit lies inside the operand's own axis and inside k; NULL: always. A vector lies inside whole.
static const wf_expr *inside(build *b, const unit *u, const wf_dim *step) {
  const wf_contract *contract = &b->contract;
  const wf_composite *own = u->side->own, *k = &contract->c->k;
  const wf_dim *m = wf_dim_add(u->side->start, u->own), *at = flat_k(b, step, u->k);
  const wf_expr *a = NULL, *in_k = NULL;
  if (!wf_contract_inside(contract, m, own->extent, u->side->extent)) a = wf_contract_below(contract, m, own->extent);
  if (b->plan->k_inner == 0 && !wf_contract_inside(contract, at, k->extent, b->plan->bk)) in_k = wf_contract_below(contract, at, k->extent);
  return a && in_k ? wf_expr_binary(contract->draft->module, WF_S_AND, a, in_k) : a ? a : in_k;
}

// The lanes of a vector; nothing where it has one element.
static wf_block *open_lanes(build *b, wf_block *block, wf_bind bind, int lanes, const wf_dim **lane) {
  *lane = number(b, 0);
  return lanes == 1 ? block : open(b, block, bind, "v", lanes, lane);
}

static void fetch(build *b, wf_block *block, const unit *u, const wf_dim *step) {
  const side *s = u->side;
  const wf_expr *condition = inside(b, u, step);
  const wf_dim *lane, *slot;
  if (condition) {
    wf_block *clear = open_lanes(b, block, WF_BIND_VECTOR, s->vector, &lane);
    slot = wf_dim_add(u->slot, lane);
    store(b, clear, s->next, &slot, WF_R_NONE, zero(b));
    block = wf_stmt_if(b->contract.draft->kernel, block, condition);
  }
  block = open_lanes(b, block, WF_BIND_VECTOR, s->vector, &lane);
  slot = wf_dim_add(u->slot, lane);
  wf_contract_bind_flat(&b->contract, s->own, wf_dim_add(wf_dim_add(s->start, u->own), s->along_k ? number(b, 0) : lane));
  bind_k(b, step, s->along_k ? wf_dim_add(u->k, lane) : u->k);
  store(b, block, s->next, &slot, WF_R_NONE, wf_contract_value(&b->contract, s->expr));
}

static void put(build *b, wf_block *block, const unit *u, const wf_dim *step) {
  const side *s = u->side;
  const wf_dim *lane;
  block = open_lanes(b, block, s->along_k ? WF_BIND_UNROLL : WF_BIND_VECTOR, s->vector, &lane);
  const wf_dim *slot = wf_dim_add(u->slot, lane);
  const wf_dim *to[] = {rest(step, 2), s->along_k ? wf_dim_add(u->k, lane) : u->k, s->along_k ? u->own : wf_dim_add(u->own, lane)};
  store(b, block, s->shared, to, WF_R_NONE, read(b, s->next, &slot));
}

static void copy(build *b, wf_block *block, const wf_dim *step, unit_body body) {
  each_unit(b, block, &b->a, step, body);
  each_unit(b, block, &b->b, step, body);
}

// ---- the register tile ------------------------------------------------------------------------------------------

typedef struct groups { int count, size, apart; } groups;   // of the rows or columns of one thread

static groups groups_of(const build *b, int points, int block) {
  int size = points < b->vector ? points : b->vector;
  return (groups){points / size, size, block / (points / size)};
}

static void load_part(build *b, wf_block *block, const side *s, wf_value *part, groups g, const wf_dim *first, const wf_dim *stage, const wf_dim *k) {
  const wf_dim *group, *lane;
  block = open(b, block, WF_BIND_UNROLL, "g", g.count, &group);
  block = open(b, block, WF_BIND_VECTOR, "v", g.size, &lane);
  const wf_dim *to = wf_dim_add(wf_dim_scale(group, g.size), lane);
  const wf_dim *from[] = {stage, k, wf_dim_add(wf_dim_add(wf_dim_scale(group, g.apart), first), lane)};
  store(b, block, part, &to, WF_R_NONE, read(b, s->shared, from));
}

static void multiply(build *b, wf_block *block, const wf_dim *step) {
  const wf_gpu_plan *plan = b->plan;
  wf_module *module = b->contract.draft->module;
  const wf_dim *k, *i, *j, *stage = rest(step, 2);
  wf_dtype type = b->contract.c->op->accumulator;
  block = open(b, block, WF_BIND_UNROLL, "k", plan->bk, &k);
  wf_value *a = wf_draft_register(b->contract.draft, block, "a.part", type, 1, (int64_t[]){plan->tm});
  wf_value *c = wf_draft_register(b->contract.draft, block, "b.part", type, 1, (int64_t[]){plan->tn});
  load_part(b, block, &b->a, a, groups_of(b, plan->tm, plan->bm), b->row, stage, k);
  load_part(b, block, &b->b, c, groups_of(b, plan->tn, plan->bn), b->column, stage, k);
  block = open(b, block, WF_BIND_UNROLL, "i", plan->tm, &i);
  block = open(b, block, WF_BIND_UNROLL, "j", plan->tn, &j);
  const wf_dim *at[] = {i, j};
  store(b, block, b->acc, at, WF_R_SUM, wf_expr_binary(module, WF_S_MUL, read(b, a, &i), read(b, c, &j)));
}

static void clear(build *b, wf_block *block) {
  const wf_dim *i, *j;
  block = open(b, block, WF_BIND_UNROLL, "i", b->plan->tm, &i);
  block = open(b, block, WF_BIND_UNROLL, "j", b->plan->tn, &j);
  const wf_dim *at[] = {i, j};
  store(b, block, b->acc, at, WF_R_NONE, zero(b));
}

// ---- the epilogue -----------------------------------------------------------------------------------------------

// Neighbouring columns lie side by side in the result, and end together with n.
static bool stores_vectors(const build *b) {
  const wf_contraction *c = b->contract.c;
  return c->c_runs && wf_dim_divisible(c->n.digits[c->n.count - 1].extent, b->vector);
}

static void finish_columns(build *b, wf_block *block, groups g, const wf_dim *acc_row) {
  const wf_contraction *c = b->contract.c;
  const wf_dim *group, *lane;
  wf_value *kept[WF_MOST_MEMBERS];
  bool vectors = g.size > 1 && stores_vectors(b);
  block = open(b, block, WF_BIND_UNROLL, "h", g.count, &group);
  const wf_dim *first = wf_dim_add(b->b.start, wf_dim_add(wf_dim_scale(group, g.apart), b->column));
  if (vectors) block = wf_contract_guard(&b->contract, block, first, c->n.extent, b->plan->bn);
  wf_contract_keep(&b->contract, block, g.size, kept);
  block = open(b, block, vectors ? WF_BIND_VECTOR : WF_BIND_UNROLL, "j", g.size, &lane);
  const wf_dim *n = wf_dim_add(first, lane);
  if (!vectors) block = wf_contract_guard(&b->contract, block, n, c->n.extent, b->plan->bn);
  wf_contract_bind_flat(&b->contract, &c->n, n);
  const wf_dim *from[] = {acc_row, wf_dim_add(wf_dim_scale(group, g.size), lane)};
  wf_contract_store(&b->contract, block, kept, lane, read(b, b->acc, from));
}

static void finish(build *b, wf_block *block) {
  const wf_contraction *c = b->contract.c;
  groups rows = groups_of(b, b->plan->tm, b->plan->bm);
  const wf_dim *group, *i;
  block = open(b, block, WF_BIND_UNROLL, "g", rows.count, &group);
  block = open(b, block, WF_BIND_UNROLL, "i", rows.size, &i);
  const wf_dim *m = wf_dim_add(wf_dim_add(b->a.start, wf_dim_scale(group, rows.apart)), wf_dim_add(b->row, i));
  wf_contract_bind_flat(&b->contract, &c->m, m);
  block = wf_contract_guard(&b->contract, block, m, c->m.extent, b->plan->bm);
  finish_columns(b, block, groups_of(b, b->plan->tn, b->plan->bn), wf_dim_add(wf_dim_scale(group, rows.size), i));
}

// ---- one block --------------------------------------------------------------------------------------------------

// Copies along k turn the tile around: a pad of one vector spreads their stores over the banks.
static void alloc_shared(build *b, wf_block *block, side *s) {
  int stages = wf_dim_equals_const(b->steps, 1) ? 1 : 2, pad = s->along_k ? b->vector : 0;
  const wf_dim *shape[] = {number(b, stages), number(b, b->plan->bk), number(b, s->extent + pad)};
  s->shared = wf_stmt_alloc(b->contract.draft->kernel, block, s->name, WF_SPACE_SHARED, b->contract.c->op->accumulator, 3, shape, NULL);
}

static void alloc_next(build *b, wf_block *block, side *s) {
  int units = b->plan->bk * s->extent / s->vector, passes = (units + b->plan->threads - 1) / b->plan->threads;
  const char *name = wf_arena_printf(b->contract.draft->module->arena, "%s.next", s->name);
  s->next = wf_draft_register(b->contract.draft, block, name, b->contract.c->op->accumulator, 1, (int64_t[]){passes * s->vector});
}

// A warp is 8 threads along n and 4 along m, or as near to that as the block's own threads allow.
static void place_thread(build *b) {
  int along_n = b->plan->bn / b->plan->tn, along_m = b->plan->bm / b->plan->tm;
  int wide = along_n < 8 ? along_n : 8;
  if (32 / wide > along_m) wide = 32 / along_m;
  int high = 32 / wide, warps = along_n / wide;
  const wf_dim *lane = rest(b->thread, 32), *warp = quotient(b->thread, 32);
  const wf_dim *x = wf_dim_add(wf_dim_scale(rest(warp, warps), wide), rest(lane, wide));
  const wf_dim *y = wf_dim_add(wf_dim_scale(quotient(warp, warps), high), quotient(lane, wide));
  b->row = wf_dim_scale(y, groups_of(b, b->plan->tm, b->plan->bm).size);
  b->column = wf_dim_scale(x, groups_of(b, b->plan->tn, b->plan->bn).size);
}

static void emit_steps(build *b, wf_block *block) {
  const wf_dim *first = number(b, 0), *step, *last = wf_dim_offset(b->steps, -1);
  bool single = wf_dim_equals_const(b->steps, 1);
  copy(b, block, first, fetch);
  copy(b, block, first, put);
  wf_stmt_barrier(b->contract.draft->kernel, block);
  block = wf_contract_open(&b->contract, block, WF_BIND_SERIAL, "s", b->steps, &step);
  const wf_dim *next = wf_dim_offset(step, 1);
  if (!single) copy(b, wf_contract_guard(&b->contract, block, step, last, 1 << 30), next, fetch);
  multiply(b, block, step);
  if (single) return;
  copy(b, wf_contract_guard(&b->contract, block, step, last, 1 << 30), next, put);
  wf_stmt_barrier(b->contract.draft->kernel, block);
}

static void emit_block(build *b, wf_block *block) {
  alloc_shared(b, block, &b->a);
  alloc_shared(b, block, &b->b);
  block = open(b, block, WF_BIND_THREAD, "t", b->plan->threads, &b->thread);
  place_thread(b);
  b->acc = wf_draft_register(b->contract.draft, block, "acc", b->contract.c->op->accumulator, 2, (int64_t[]){b->plan->tm, b->plan->tn});
  alloc_next(b, block, &b->a);
  alloc_next(b, block, &b->b);
  clear(b, block);
  emit_steps(b, block);
  finish(b, block);
}

static const wf_dim *steps_of(const wf_contraction *c, const wf_gpu_plan *plan) {
  const wf_dim *bk = wf_dim_const(c->k.extent->owner, plan->bk);
  return plan->k_inner ? wf_dim_exact_div(c->k.extent, bk) : wf_dim_ceildiv(c->k.extent, bk);
}

// The side with fewer blocks runs inside: blocks that run at the same time then read the same tiles of the other side.
static wf_block *open_grid(build *b, wf_block *block) {
  const wf_contraction *c = b->contract.c;
  const wf_dim *point[WF_MAX_DIGITS], *m_block, *n_block;
  for (int i = 0; i < c->batch.count; i++)
    block = wf_contract_open(&b->contract, block, WF_BIND_GRID, c->batch.digits[i].axis->name, c->batch.digits[i].extent, &point[i]);
  wf_contract_bind(&b->contract, &c->batch, point);
  const wf_dim *m_blocks = wf_dim_ceildiv(c->m.extent, number(b, b->plan->bm)), *n_blocks = wf_dim_ceildiv(c->n.extent, number(b, b->plan->bn));
  bool m_inside = wf_draft_estimate(m_blocks) < wf_draft_estimate(n_blocks);
  if (!m_inside) block = wf_contract_open(&b->contract, block, WF_BIND_GRID, "mb", m_blocks, &m_block);
  block = wf_contract_open(&b->contract, block, WF_BIND_GRID, "nb", n_blocks, &n_block);
  if (m_inside) block = wf_contract_open(&b->contract, block, WF_BIND_GRID, "mb", m_blocks, &m_block);
  b->a.start = wf_dim_scale(m_block, b->plan->bm);
  b->b.start = wf_dim_scale(n_block, b->plan->bn);
  return block;
}

void wf_build_gpu_contraction(wf_tile *tile, const wf_contraction *c, const wf_gpu_plan *plan, const char *name,
                              wf_op *const *members, int member_count, wf_value *const *results, int result_count) {
  build b = {.plan = plan, .contract = {.c = c, .members = members, .member_count = member_count}};
  b.a = (side){.name = "a", .expr = c->a, .own = &c->m, .extent = plan->bm, .along_k = !c->a_along_m, .vector = plan->a_vector};
  b.b = (side){.name = "b", .expr = c->b, .own = &c->n, .extent = plan->bn, .along_k = c->b_along_k, .vector = plan->b_vector};
  b.vector = tile->target.vector_bytes / wf_dtype_bytes(c->op->accumulator);
  b.steps = steps_of(c, plan);
  b.contract.draft = wf_draft_begin(tile->function, name, c->op->loc, tile->target);
  wf_contract_read(&b.contract, c->a);
  wf_contract_read(&b.contract, c->b);
  wf_contract_declare(&b.contract, results, result_count);
  emit_block(&b, open_grid(&b, wf_kernel_section(b.contract.draft->kernel)));
  wf_vec_push(tile->module->arena, &tile->out, wf_contract_finish(&b.contract));
}
