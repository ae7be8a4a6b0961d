// Kernels of a contraction, in the order of the loops that come out:
//
//   task batch, blocks of m, blocks of n:
//     for blocks of k:
//       copy the block of A (and of B where it was not packed ahead)
//       for panels of n: for tiles of m:
//         registers += A[mr, k] * B[k, nr] for k of the block
//         the last block of k: epilogue and store; else: back to C's local block
//       the last block of k: windows over the panel's rows (pooling)
//
// The sum of one element runs over k in order within a block, and over the blocks in order: a fixed tree.
#include "passes/schedule.h"

typedef struct k_block {
  const wf_dim *outer;           // flat index over the digits before the block's own (k_inner > 0)
  const wf_dim *start, *extent;  // flat
} k_block;

typedef struct build {
  wf_tile *tile;
  const wf_contraction_plan *plan;
  wf_contract contract;
  const wf_dim *m_block, *m_start, *n_start;
  wf_value *a, *b, *sums;        // buffers: A's block [mc, kc], B's panels [panel, k, nr], C's block [mc, nc] (NULL: one block of k)
  bool b_global;
  const wf_dim *batch_point[WF_MAX_DIGITS];   // digits of batch
  const wf_windows *windows;     // NULL: none
  // the innermost copy
  const wf_dim *local;           // index of the copy's other side
} build;

static const wf_dim *number(const build *b, int64_t value) { return wf_dim_const(b->tile->module->dims, value); }

static const wf_expr *value_of(build *b, const wf_expr *expr) { return wf_contract_value(&b->contract, expr); }

// ---- loops over one block of k ----------------------------------------------------------------------------------

typedef struct k_loops { const wf_dim *values[WF_MAX_DIGITS], *local; } k_loops;

// Serial loops over the block's digits but the last `keep`; *local is the flat position in the block so far.
static wf_block *open_k(build *b, wf_block *block, const k_block *kb, int keep, k_loops *loops) {
  const wf_composite *k = &b->contract.c->k;
  int from = k->count - b->plan->k_inner;
  loops->local = number(b, 0);
  wf_contract_digits(k, from, kb->outer, loops->values);
  for (int i = from; i < k->count - keep; i++) {
    block = wf_contract_open(&b->contract, block, WF_BIND_SERIAL, k->digits[i].axis->name, k->digits[i].extent, &loops->values[i]);
    loops->local = wf_dim_add(wf_dim_mul(loops->local, k->digits[i].extent), loops->values[i]);
  }
  return block;
}

// Every point of the block one by one: binds k, returns the body; *local is the flat position in the block.
static wf_block *each_k(build *b, wf_block *block, const k_block *kb, const wf_dim **local) {
  if (b->plan->k_inner == 0) {
    block = wf_contract_open(&b->contract, block, WF_BIND_SERIAL, "k", kb->extent, local);
    wf_contract_bind_flat(&b->contract, &b->contract.c->k, wf_dim_add(kb->start, *local));
    return block;
  }
  k_loops loops;
  block = open_k(b, block, kb, 0, &loops);
  wf_contract_bind(&b->contract, &b->contract.c->k, loops.values);
  *local = loops.local;
  return block;
}

// ---- copies -----------------------------------------------------------------------------------------------------

static void store(build *b, wf_block *block, wf_value *buffer, const wf_dim *const *indices, const wf_expr *value) {
  value = wf_draft_convert(b->contract.draft, value, wf_dtype_compute(buffer->dtype));
  wf_stmt_store_dims(b->contract.draft->kernel, block, buffer, indices, WF_R_NONE, value);
}

typedef struct k_run { build *b; k_loops *loops; const wf_dim *row; const k_block *kb; } k_run;

static void copy_a_along_k(void *context, wf_block *block, const wf_dim *index, const wf_dim *base, int lanes) {
  k_run *run = context;
  build *b = run->b;
  const wf_composite *k = &b->contract.c->k;
  const wf_dim *local = index;
  if (run->loops) {
    run->loops->values[k->count - 1] = index;
    wf_contract_bind(&b->contract, k, run->loops->values);
    local = wf_dim_add(wf_dim_mul(run->loops->local, k->digits[k->count - 1].extent), index);
  } else {
    wf_contract_bind_flat(&b->contract, k, wf_dim_add(run->kb->start, index));
  }
  const wf_dim *indices[] = {run->row, local};
  store(b, block, b->a, indices, value_of(b, b->contract.c->a));
}

static void copy_a_along_m(void *context, wf_block *block, const wf_dim *index, const wf_dim *base, int lanes) {
  build *b = context;
  const wf_dim *flat = wf_dim_add(b->m_start, index);
  wf_contract_bind_flat(&b->contract, &b->contract.c->m, flat);
  const wf_dim *first = wf_dim_add(b->m_start, base);   // stands for all lanes where they end together with m
  bool together = wf_dim_divisible(b->contract.c->m.extent, lanes) && wf_dim_divisible(first, lanes);
  block = wf_contract_guard(&b->contract, block, together ? first : flat, b->contract.c->m.extent, b->plan->mc);
  const wf_dim *indices[] = {index, b->local};
  store(b, block, b->a, indices, value_of(b, b->contract.c->a));
}

typedef struct m_run { build *b; const wf_dim *values[WF_MAX_DIGITS], *outer; } m_run;

// A block of m is its last digits: they are loops, and only the last one runs.
static void copy_a_along_digit(void *context, wf_block *block, const wf_dim *index, const wf_dim *base, int lanes) {
  m_run *run = context;
  build *b = run->b;
  const wf_composite *m = &b->contract.c->m;
  run->values[m->count - 1] = index;
  wf_contract_bind(&b->contract, m, run->values);
  const wf_dim *indices[] = {wf_dim_add(wf_dim_mul(run->outer, m->digits[m->count - 1].extent), index), b->local};
  store(b, block, b->a, indices, value_of(b, b->contract.c->a));
}

static void pack_a_by_digits(build *b, wf_block *block, int lanes) {
  const wf_composite *m = &b->contract.c->m;
  m_run run = {.b = b, .outer = number(b, 0)};
  int from = m->count - b->plan->m_inner;
  wf_contract_digits(m, from, b->m_block, run.values);
  for (int i = from; i < m->count - 1; i++) {
    block = wf_contract_open(&b->contract, block, WF_BIND_SERIAL, m->digits[i].axis->name, m->digits[i].extent, &run.values[i]);
    run.outer = wf_dim_add(wf_dim_mul(run.outer, m->digits[i].extent), run.values[i]);
  }
  wf_draft_run(b->contract.draft, block, m->digits[m->count - 1].extent, lanes, copy_a_along_digit, &run);
}

// Lanes of a copy along the composite: up to four vectors where every run of its last digit is a whole number of them.
static int copy_lanes(const build *b, const wf_composite *composite) {
  int lanes = b->contract.draft->target.vector_bytes / wf_dtype_bytes(b->contract.c->op->accumulator);
  int wide = 4 * lanes;
  while (wide > lanes && !wf_dim_divisible(composite->digits[composite->count - 1].extent, wide)) wide /= 2;
  return wide;
}

static void pack_a(build *b, wf_block *block, const k_block *kb) {
  int lanes = b->contract.c->a_runs ? copy_lanes(b, b->contract.c->a_along_m ? &b->contract.c->m : &b->contract.c->k) : 1;
  if (b->contract.c->a_along_m) {
    block = each_k(b, block, kb, &b->local);
    if (b->plan->m_inner) pack_a_by_digits(b, block, lanes);
    else wf_draft_run(b->contract.draft, block, number(b, b->plan->mc), lanes, copy_a_along_m, b);
    return;
  }
  const wf_dim *row;
  block = wf_contract_open(&b->contract, block, WF_BIND_SERIAL, "m", number(b, b->plan->mc), &row);
  const wf_dim *flat = wf_dim_add(b->m_start, row);
  wf_contract_bind_flat(&b->contract, &b->contract.c->m, flat);
  block = wf_contract_guard(&b->contract, block, flat, b->contract.c->m.extent, b->plan->mc);
  k_loops loops;
  k_run run = {b, NULL, row, kb};
  if (b->plan->k_inner) {
    block = open_k(b, block, kb, 1, &loops);
    run.loops = &loops;
    wf_draft_run(b->contract.draft, block, b->contract.c->k.digits[b->contract.c->k.count - 1].extent, lanes, copy_a_along_k, &run);
  } else {
    bool straight = b->contract.c->k.count == 1;
    wf_draft_run(b->contract.draft, block, kb->extent, straight ? lanes : 1, copy_a_along_k, &run);
  }
}

// One panel of B: buffer[.., panel, local k, lane]
static void store_b(build *b, wf_block *block, wf_value *buffer, const wf_dim *panel, const wf_dim *local, const wf_dim *lane) {
  const wf_dim *indices[WF_MAX_RANK];
  int at = 0;
  if (b->b_global)
    for (int i = 0; i < b->contract.c->batch.count; i++) indices[at++] = b->batch_point[i];
  indices[at++] = panel;
  indices[at++] = local;
  indices[at++] = lane;
  store(b, block, buffer, indices, value_of(b, b->contract.c->b));
}

// n_start + panel*nr + lane for the panels [0, panels) or the one given.
static void pack_b_panel(build *b, wf_block *block, wf_value *buffer, const wf_dim *panel, const k_block *kb) {
  int nr = b->plan->nr;
  const wf_dim *lane, *local, *first = wf_dim_add(b->n_start, wf_dim_scale(panel, nr));
  if (b->contract.c->b_runs) {
    block = each_k(b, block, kb, &local);
    block = wf_contract_open(&b->contract, block, WF_BIND_VECTOR, "j", number(b, nr), &lane);
  } else {
    block = wf_contract_open(&b->contract, block, WF_BIND_SERIAL, "j", number(b, nr), &lane);
  }
  const wf_dim *flat = wf_dim_add(first, lane);
  wf_contract_bind_flat(&b->contract, &b->contract.c->n, flat);
  block = wf_contract_guard(&b->contract, block, flat, b->contract.c->n.extent, nr);
  if (!b->contract.c->b_runs) block = each_k(b, block, kb, &local);
  store_b(b, block, buffer, panel, local, lane);
}

// ---- the register tile ------------------------------------------------------------------------------------------

static wf_block *open_tile_row(build *b, wf_block *block, const wf_dim **row, const wf_dim **lane, wf_block **out_row) {
  *out_row = wf_contract_open(&b->contract, block, WF_BIND_UNROLL, "i", number(b, b->plan->mr), row);
  return wf_contract_open(&b->contract, *out_row, WF_BIND_VECTOR, "j", number(b, b->plan->nr), lane);
}

static void start_tile(build *b, wf_block *block, wf_value *acc, const wf_dim *tile_row, const wf_dim *tile_column) {
  const wf_dim *row, *lane;
  wf_block *outer, *inner = open_tile_row(b, block, &row, &lane, &outer);
  wf_module *module = b->tile->module;
  const wf_dim *from[] = {wf_dim_add(tile_row, row), wf_dim_add(tile_column, lane)}, *to[] = {row, lane};
  const wf_expr *value = b->sums ? wf_expr_read_dims(module, b->sums, from, NULL)
                                 : wf_expr_const(module, b->contract.c->op->accumulator, 0);
  store(b, inner, acc, to, value);
}

static void multiply(build *b, wf_block *block, wf_value *acc, const wf_dim *tile_row, const wf_dim *panel, const k_block *kb) {
  wf_module *module = b->tile->module;
  int64_t extent;
  int unroll = wf_dim_is_const(kb->extent, &extent) ? (extent % 4 == 0 ? 4 : extent % 3 == 0 ? 3 : 1) : 1;
  const wf_dim *chunk, *step = number(b, 0), *row, *lane;
  block = wf_contract_open(&b->contract, block, WF_BIND_SERIAL, "k", wf_dim_floordiv(kb->extent, number(b, unroll)), &chunk);
  if (unroll > 1) block = wf_contract_open(&b->contract, block, WF_BIND_UNROLL, "u", number(b, unroll), &step);
  const wf_dim *local = wf_dim_add(wf_dim_scale(chunk, unroll), step);
  wf_block *outer, *inner = open_tile_row(b, block, &row, &lane, &outer);
  const wf_dim *a_at[] = {wf_dim_add(tile_row, row), local}, *acc_at[] = {row, lane}, *b_at[WF_MAX_RANK];
  int at = 0;
  if (b->b_global)
    for (int i = 0; i < b->contract.c->batch.count; i++) b_at[at++] = b->batch_point[i];
  b_at[at++] = b->b_global ? wf_dim_add(wf_dim_floordiv(b->n_start, number(b, b->plan->nr)), panel) : panel;
  b_at[at++] = b->b_global ? wf_dim_add(kb->start, local) : local;
  b_at[at++] = lane;
  const wf_expr *product = wf_expr_binary(module, WF_S_MUL, wf_expr_read_dims(module, b->a, a_at, NULL),
                                          wf_expr_read_dims(module, b->b, b_at, NULL));
  wf_stmt_store_dims(b->contract.draft->kernel, inner, acc, acc_at, WF_R_SUM, product);
}

static void keep_tile(build *b, wf_block *block, wf_value *acc, const wf_dim *tile_row, const wf_dim *tile_column) {
  const wf_dim *row, *lane;
  wf_block *outer, *inner = open_tile_row(b, block, &row, &lane, &outer);
  const wf_dim *from[] = {row, lane}, *to[] = {wf_dim_add(tile_row, row), wf_dim_add(tile_column, lane)};
  store(b, inner, b->sums, to, wf_expr_read_dims(b->tile->module, acc, from, NULL));
}

// Rows of the block's tiles: more than mc where windows ask for an mc that is no multiple of mr.
static int64_t tile_rows(const build *b) { return (b->plan->mc + b->plan->mr - 1) / b->plan->mr * b->plan->mr; }

static void finish_tile(build *b, wf_block *block, wf_value *acc, const wf_dim *tile_row, const wf_dim *tile_column) {
  const wf_dim *row, *lane;
  block = wf_contract_open(&b->contract, block, WF_BIND_UNROLL, "i", number(b, b->plan->mr), &row);
  const wf_dim *m = wf_dim_add(wf_dim_add(b->m_start, tile_row), row);
  wf_contract_bind_flat(&b->contract, &b->contract.c->m, m);
  bool whole = b->plan->mc % b->plan->mr == 0;
  b->contract.block_row = wf_dim_add(tile_row, row);
  if (!whole) block = wf_contract_guard(&b->contract, block, b->contract.block_row, number(b, b->plan->mc), b->plan->mr);
  block = wf_contract_guard(&b->contract, block, m, b->contract.c->m.extent, whole ? b->plan->mr : b->plan->mc);
  wf_value *kept[WF_MOST_MEMBERS];
  wf_contract_keep(&b->contract, block, b->plan->nr, kept);
  block = wf_contract_open(&b->contract, block, WF_BIND_VECTOR, "j", number(b, b->plan->nr), &lane);
  const wf_dim *n = wf_dim_add(wf_dim_add(b->n_start, tile_column), lane), *from[] = {row, lane};
  wf_contract_bind_flat(&b->contract, &b->contract.c->n, n);
  block = wf_contract_guard(&b->contract, block, n, b->contract.c->n.extent, b->plan->nr);
  wf_contract_store(&b->contract, block, kept, lane, wf_expr_read_dims(b->tile->module, acc, from, NULL));
}

// ---- one block of k ---------------------------------------------------------------------------------------------

static void emit_k_block(build *b, wf_block *block, const k_block *kb, bool last) {
  const wf_contraction_plan *plan = b->plan;
  const wf_dim *panel, *tile;
  pack_a(b, block, kb);
  if (!b->b_global) {
    const wf_dim *packed;
    wf_block *panels = wf_contract_open(&b->contract, block, WF_BIND_SERIAL, "p", number(b, plan->nc / plan->nr), &packed);
    panels = wf_contract_guard(&b->contract, panels, wf_dim_add(b->n_start, wf_dim_scale(packed, plan->nr)), b->contract.c->n.extent, plan->nc);
    pack_b_panel(b, panels, b->b, packed, kb);
  }
  block = wf_contract_open(&b->contract, block, WF_BIND_SERIAL, "p", number(b, plan->nc / plan->nr), &panel);
  const wf_dim *column = wf_dim_scale(panel, plan->nr);
  block = wf_contract_guard(&b->contract, block, wf_dim_add(b->n_start, column), b->contract.c->n.extent, plan->nc);
  if (last && b->windows) wf_open_windows(&b->contract, block, b->windows, plan, b->contract.blocks);
  wf_block *panel_block = block;
  block = wf_contract_open(&b->contract, block, WF_BIND_SERIAL, "t", number(b, tile_rows(b) / plan->mr), &tile);
  const wf_dim *row = wf_dim_scale(tile, plan->mr);
  block = wf_contract_guard(&b->contract, block, wf_dim_add(b->m_start, row), b->contract.c->m.extent, plan->mc);
  int64_t shape[] = {plan->mr, plan->nr};
  wf_value *acc = wf_draft_register(b->contract.draft, block, "acc", b->contract.c->op->accumulator, 2, shape);
  start_tile(b, block, acc, row, column);
  multiply(b, block, acc, row, panel, kb);
  if (last) finish_tile(b, block, acc, row, column);
  else keep_tile(b, block, acc, row, column);
  if (last && b->windows) wf_build_windows(&b->contract, panel_block, b->windows, plan, b->m_block, wf_dim_add(b->n_start, column));
}

static wf_value *alloc_block(build *b, wf_block *block, const char *name, int rank, const int64_t *shape, const int *order) {
  wf_module *module = b->tile->module;
  const wf_dim *dims[4];
  for (int i = 0; i < rank; i++) dims[i] = number(b, shape[i]);
  const wf_layout *layout = order ? wf_layout_permuted(module->dims, module->arena, rank, dims, order) : NULL;
  return wf_stmt_alloc(b->contract.draft->kernel, block, name, WF_SPACE_LOCAL, b->contract.c->op->accumulator, rank, dims, layout);
}

static void clear_sums(build *b, wf_block *block) {
  const wf_dim *row, *panel, *lane;
  block = wf_contract_open(&b->contract, block, WF_BIND_SERIAL, "m", number(b, tile_rows(b)), &row);
  block = wf_contract_open(&b->contract, block, WF_BIND_SERIAL, "p", number(b, b->plan->nc / b->plan->nr), &panel);
  block = wf_contract_open(&b->contract, block, WF_BIND_VECTOR, "j", number(b, b->plan->nr), &lane);
  const wf_dim *at[] = {row, wf_dim_add(wf_dim_scale(panel, b->plan->nr), lane)};
  store(b, block, b->sums, at, wf_expr_const(b->tile->module, b->contract.c->op->accumulator, 0));
}

static void emit_task(build *b, wf_block *block) {
  const wf_contraction_plan *plan = b->plan;
  const wf_composite *k = &b->contract.c->k;
  int64_t a_shape[] = {tile_rows(b), plan->kc}, b_shape[] = {plan->nc / plan->nr, plan->kc, plan->nr}, sums_shape[] = {tile_rows(b), plan->nc};
  const int turned[] = {1, 0};
  const wf_dim *zero = number(b, 0), *kc = number(b, plan->kc);
  const wf_dim *full;            // blocks before the last
  if (plan->k_inner) full = wf_dim_offset(wf_dim_exact_div(k->extent, kc), -1);
  else full = wf_dim_floordiv(wf_dim_offset(k->extent, -1), kc);
  b->a = alloc_block(b, block, "a", 2, a_shape, b->contract.c->a_along_m ? turned : NULL);
  if (!b->b_global) b->b = alloc_block(b, block, "b", 3, b_shape, NULL);
  if (!wf_dim_equals_const(full, 0)) {
    b->sums = alloc_block(b, block, "sums", 2, sums_shape, NULL);
    clear_sums(b, block);
    const wf_dim *index;
    wf_block *body = wf_contract_open(&b->contract, block, WF_BIND_SERIAL, "kb", full, &index);
    k_block kb = {index, wf_dim_mul(index, kc), kc};
    emit_k_block(b, body, &kb, false);
  }
  k_block kb = {full, wf_dim_mul(full, kc), plan->k_inner ? kc : wf_dim_sub(k->extent, wf_dim_mul(full, kc))};
  if (wf_dim_equals_const(full, 0)) kb.outer = kb.start = zero;
  emit_k_block(b, block, &kb, true);
}

// ---- launches ---------------------------------------------------------------------------------------------------

static wf_block *open_batch(build *b, wf_block *block) {
  for (int i = 0; i < b->contract.c->batch.count; i++) {
    const wf_digit *digit = &b->contract.c->batch.digits[i];
    block = wf_contract_open(&b->contract, block, WF_BIND_TASK, digit->axis->name, digit->extent, &b->batch_point[i]);
  }
  if (b->contract.c->batch.count) wf_contract_bind(&b->contract, &b->contract.c->batch, b->batch_point);
  return block;
}

// B as panels [batch.., n/nr, k, nr], made by a launch of its own.
static wf_value *build_pack(wf_tile *tile, const wf_contraction *c, const wf_contraction_plan *plan, const char *name) {
  wf_module *module = tile->module;
  build b = {.tile = tile, .contract = {.c = c}, .b_global = true};
  wf_contraction_plan whole = *plan;
  whole.k_inner = c->k.count;
  b.plan = &whole;
  const wf_dim *shape[WF_MAX_RANK];
  int rank = 0;
  for (int i = 0; i < c->batch.count; i++) shape[rank++] = c->batch.digits[i].extent;
  const wf_dim *panels = shape[rank++] = wf_dim_ceildiv(c->n.extent, wf_dim_const(module->dims, plan->nr));
  shape[rank++] = c->k.extent;
  shape[rank++] = wf_dim_const(module->dims, plan->nr);
  const char *wanted = wf_arena_printf(module->arena, "%s.pack", name);
  const wf_dim *const *kept = memcpy(WF_NEW_ARRAY(module->arena, const wf_dim *, rank), shape, sizeof *shape * (size_t)rank);
  wf_value *packed = wf_value_create(tile->function, wf_unique_name(tile->function, wanted), c->op->accumulator, rank, kept, c->op->loc);
  b.contract.draft = wf_draft_begin(tile->function, wanted, c->op->loc, tile->target);
  wf_contract_read(&b.contract, c->b);
  wf_draft_write(b.contract.draft, packed);
  wf_block *block = open_batch(&b, wf_kernel_section(b.contract.draft->kernel));
  const wf_dim *panel;
  block = wf_contract_open(&b.contract, block, WF_BIND_TASK, "p", panels, &panel);
  b.n_start = number(&b, 0);
  k_block all = {number(&b, 0), number(&b, 0), c->k.extent};
  pack_b_panel(&b, block, wf_draft_buffer(b.contract.draft, packed), panel, &all);
  wf_vec_push(module->arena, &tile->out, wf_draft_finish(b.contract.draft, NULL, 0));
  return packed;
}

void wf_build_contraction(wf_tile *tile, const wf_contraction *c, const wf_contraction_plan *plan, const char *name,
                          wf_op *const *members, int member_count, wf_value *const *results, int result_count) {
  wf_build_windowed(tile, c, plan, NULL, name, members, member_count, results, result_count);
}

// Operands of the windows' members that no member makes.
static void read_operands_of_windows(build *b) {
  const wf_windows *w = b->windows;
  for (int i = 0; i < w->count; i++)
    for (int k = 0; k < w->members[i]->operand_count; k++) {
      wf_value *operand = w->members[i]->operands[k];
      bool made = false;
      for (int j = 0; j < w->count; j++) made |= w->members[j]->results[0] == operand;
      for (int j = 0; j < b->contract.member_count; j++) made |= b->contract.members[j]->results[0] == operand;
      if (!made) wf_draft_read(b->contract.draft, operand);
    }
}

void wf_build_windowed(wf_tile *tile, const wf_contraction *c, const wf_contraction_plan *plan, const wf_windows *windows, const char *name,
                       wf_op *const *members, int member_count, wf_value *const *results, int result_count) {
  wf_value *blocks[WF_MOST_MEMBERS] = {0};
  wf_value *packed = plan->pack_ahead ? build_pack(tile, c, plan, name) : NULL;
  build b = {.tile = tile, .plan = plan, .b_global = packed != NULL, .windows = windows,
             .contract = {.c = c, .members = members, .member_count = member_count, .blocks = windows ? blocks : NULL}};
  b.contract.draft = wf_draft_begin(tile->function, name, c->op->loc, tile->target);
  wf_contract_read(&b.contract, c->a);
  if (packed) wf_draft_read(b.contract.draft, packed);
  else wf_contract_read(&b.contract, c->b);
  if (windows) read_operands_of_windows(&b);
  wf_contract_declare(&b.contract, results, result_count);
  if (packed) b.b = wf_draft_buffer(b.contract.draft, packed);
  wf_block *block = open_batch(&b, wf_kernel_section(b.contract.draft->kernel));
  const wf_dim *n_block;
  block = wf_contract_open(&b.contract, block, WF_BIND_TASK, "mb", wf_dim_ceildiv(c->m.extent, number(&b, plan->mc)), &b.m_block);
  block = wf_contract_open(&b.contract, block, WF_BIND_TASK, "nb", wf_dim_ceildiv(c->n.extent, number(&b, plan->nc)), &n_block);
  b.m_start = wf_dim_scale(b.m_block, plan->mc);
  b.n_start = wf_dim_scale(n_block, plan->nc);
  emit_task(&b, block);
  wf_op *launch = wf_contract_finish(&b.contract);
  for (int i = 0; windows && i < windows->count; i++)
    launch->kernel->flops = wf_dim_add(launch->kernel->flops, wf_op_flops(tile->module, windows->members[i]));
  wf_vec_push(tile->module->arena, &tile->out, launch);
}
