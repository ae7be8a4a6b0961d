// Kernels of a contraction, in the order of the loops that come out:
//
//   task batch, blocks of m, blocks of n:
//     for blocks of k:
//       copy the block of A (and of B where it was not packed ahead)
//       for panels of n: for tiles of m:
//         registers += A[mr, k] * B[k, nr] for k of the block
//         the last block of k: epilogue and store; else: back to C's local block
//
// The sum of one element runs over k in order within a block, and over the blocks in order: a fixed tree.
#include "passes/schedule.h"

enum { MOST_MEMBERS = 256 };

typedef struct k_block {
  const wf_dim *outer;           // flat index over the digits before the block's own (k_inner > 0)
  const wf_dim *start, *extent;  // flat
} k_block;

typedef struct build {
  wf_tile *tile;
  wf_draft *draft;
  const wf_contraction *c;
  const wf_contraction_plan *plan;
  wf_binding point[4 * WF_MAX_DIGITS];
  int point_count;
  const wf_dim *m_block, *m_start, *n_start;
  wf_value *a, *b, *sums;        // buffers: A's block [mc, kc], B's panels [panel, k, nr], C's block [mc, nc] (NULL: one block of k)
  bool b_global;
  const wf_dim *batch_point[WF_MAX_DIGITS];   // digits of batch
  wf_op *const *members;
  int member_count;
  // the innermost copy
  const wf_dim *row, *local;     // indices of the copy's other side
  const k_block *block_of_k;
  const wf_expr *source;
} build;

static const wf_dim *number(const build *b, int64_t value) { return wf_dim_const(b->tile->module->dims, value); }

static const wf_dim *axis_of(const build *b, const char *name, const wf_dim *extent) {
  return wf_dim_axis(b->tile->module->dims, name, extent);
}

static wf_block *open_for(build *b, wf_block *block, wf_bind bind, const char *name, const wf_dim *extent, const wf_dim **out) {
  if (bind != WF_BIND_VECTOR && wf_dim_equals_const(extent, 1)) {
    *out = number(b, 0);
    return block;
  }
  *out = axis_of(b, name, extent);
  return wf_stmt_for(b->draft->kernel, block, bind, *out);
}

// ---- points: kernel dims for the contraction's axes -------------------------------------------------------------

static void set_point(build *b, const wf_atom *axis, const wf_dim *value) {
  for (int i = 0; i < b->point_count; i++) {
    if (b->point[i].atom != axis) continue;
    b->point[i].value = value;
    return;
  }
  b->point[b->point_count++] = (wf_binding){axis, value};
}

// Binds the axes of composite from the values of its digits.
static void bind_digits(build *b, const wf_composite *composite, const wf_dim *const *values) {
  for (int i = 0; i < composite->count; i++) {
    const wf_dim *sum = number(b, 0);
    for (int j = 0; j < composite->count; j++)
      if (composite->digits[j].axis == composite->digits[i].axis)
        sum = wf_dim_add(sum, wf_dim_scale(values[j], composite->digits[j].scale));
    set_point(b, composite->digits[i].axis, sum);
  }
}

// Digits [0, to) of the flat index; the first has no modulo.
static void digits_of(const build *b, const wf_composite *composite, int to, const wf_dim *flat, const wf_dim **out) {
  for (int i = to - 1; i >= 0; i--) {
    out[i] = i == 0 ? flat : wf_dim_mod(flat, composite->digits[i].extent);
    if (i > 0) flat = wf_dim_floordiv(flat, composite->digits[i].extent);
  }
}

static void bind_flat(build *b, const wf_composite *composite, const wf_dim *flat) {
  const wf_dim *values[WF_MAX_DIGITS];
  digits_of(b, composite, composite->count, flat, values);
  bind_digits(b, composite, values);
}

static bool is_multiple(const wf_dim *extent, int block) { return wf_dim_divisible(extent, block); }

// if (flat < extent) where that is not known
static wf_block *guard(build *b, wf_block *block, const wf_dim *flat, const wf_dim *extent, int block_size) {
  if (is_multiple(extent, block_size)) return block;
  wf_module *module = b->tile->module;
  const wf_dim *room = wf_dim_offset(wf_dim_sub(extent, flat), -1);
  if (wf_dim_prove_nonnegative(room, module->arena, NULL) == WF_PROVED) return block;
  return wf_stmt_if(b->draft->kernel, block,
                    wf_expr_binary(module, WF_S_LT, wf_expr_index(module, flat), wf_expr_index(module, extent)));
}

static const wf_expr *value_of(build *b, const wf_expr *expr) { return wf_draft_expr(b->draft, expr, b->point, b->point_count); }

// ---- loops over one block of k ----------------------------------------------------------------------------------

typedef struct k_loops { const wf_dim *values[WF_MAX_DIGITS], *local; } k_loops;

// Serial loops over the block's digits but the last `keep`; *local is the flat position in the block so far.
static wf_block *open_k(build *b, wf_block *block, const k_block *kb, int keep, k_loops *loops) {
  const wf_composite *k = &b->c->k;
  int from = k->count - b->plan->k_inner;
  loops->local = number(b, 0);
  digits_of(b, k, from, kb->outer, loops->values);
  for (int i = from; i < k->count - keep; i++) {
    block = open_for(b, block, WF_BIND_SERIAL, k->digits[i].axis->name, k->digits[i].extent, &loops->values[i]);
    loops->local = wf_dim_add(wf_dim_mul(loops->local, k->digits[i].extent), loops->values[i]);
  }
  return block;
}

// Every point of the block one by one: binds k, returns the body; *local is the flat position in the block.
static wf_block *each_k(build *b, wf_block *block, const k_block *kb, const wf_dim **local) {
  if (b->plan->k_inner == 0) {
    block = open_for(b, block, WF_BIND_SERIAL, "k", kb->extent, local);
    bind_flat(b, &b->c->k, wf_dim_add(kb->start, *local));
    return block;
  }
  k_loops loops;
  block = open_k(b, block, kb, 0, &loops);
  bind_digits(b, &b->c->k, loops.values);
  *local = loops.local;
  return block;
}

// ---- copies -----------------------------------------------------------------------------------------------------

static void store(build *b, wf_block *block, wf_value *buffer, const wf_dim *const *indices, const wf_expr *value) {
  value = wf_draft_convert(b->draft, value, wf_dtype_compute(buffer->dtype));
  wf_stmt_store_dims(b->draft->kernel, block, buffer, indices, WF_R_NONE, value);
}

typedef struct k_run { build *b; k_loops *loops; const wf_dim *row; const k_block *kb; } k_run;

static void copy_a_along_k(void *context, wf_block *block, const wf_dim *index, const wf_dim *base, int lanes) {
  k_run *run = context;
  build *b = run->b;
  const wf_composite *k = &b->c->k;
  const wf_dim *local = index;
  if (run->loops) {
    run->loops->values[k->count - 1] = index;
    bind_digits(b, k, run->loops->values);
    local = wf_dim_add(wf_dim_mul(run->loops->local, k->digits[k->count - 1].extent), index);
  } else {
    bind_flat(b, k, wf_dim_add(run->kb->start, index));
  }
  const wf_dim *indices[] = {run->row, local};
  store(b, block, b->a, indices, value_of(b, b->c->a));
}

static void copy_a_along_m(void *context, wf_block *block, const wf_dim *index, const wf_dim *base, int lanes) {
  build *b = context;
  const wf_dim *flat = wf_dim_add(b->m_start, index);
  bind_flat(b, &b->c->m, flat);
  const wf_dim *first = wf_dim_add(b->m_start, base);   // stands for all lanes where they end together with m
  bool together = wf_dim_divisible(b->c->m.extent, lanes) && wf_dim_divisible(first, lanes);
  block = guard(b, block, together ? first : flat, b->c->m.extent, b->plan->mc);
  const wf_dim *indices[] = {index, b->local};
  store(b, block, b->a, indices, value_of(b, b->c->a));
}

typedef struct m_run { build *b; const wf_dim *values[WF_MAX_DIGITS], *outer; } m_run;

// A block of m is its last digits: they are loops, and only the last one runs.
static void copy_a_along_digit(void *context, wf_block *block, const wf_dim *index, const wf_dim *base, int lanes) {
  m_run *run = context;
  build *b = run->b;
  const wf_composite *m = &b->c->m;
  run->values[m->count - 1] = index;
  bind_digits(b, m, run->values);
  const wf_dim *indices[] = {wf_dim_add(wf_dim_mul(run->outer, m->digits[m->count - 1].extent), index), b->local};
  store(b, block, b->a, indices, value_of(b, b->c->a));
}

static void pack_a_by_digits(build *b, wf_block *block, int lanes) {
  const wf_composite *m = &b->c->m;
  m_run run = {.b = b, .outer = number(b, 0)};
  int from = m->count - b->plan->m_inner;
  digits_of(b, m, from, b->m_block, run.values);
  for (int i = from; i < m->count - 1; i++) {
    block = open_for(b, block, WF_BIND_SERIAL, m->digits[i].axis->name, m->digits[i].extent, &run.values[i]);
    run.outer = wf_dim_add(wf_dim_mul(run.outer, m->digits[i].extent), run.values[i]);
  }
  wf_draft_run(b->draft, block, m->digits[m->count - 1].extent, lanes, copy_a_along_digit, &run);
}

// Lanes of a copy along the composite: up to four vectors where every run of its last digit is a whole number of them.
static int copy_lanes(const build *b, const wf_composite *composite) {
  int lanes = b->draft->target.vector_bytes / wf_dtype_bytes(b->c->op->accumulator);
  int wide = 4 * lanes;
  while (wide > lanes && !wf_dim_divisible(composite->digits[composite->count - 1].extent, wide)) wide /= 2;
  return wide;
}

static void pack_a(build *b, wf_block *block, const k_block *kb) {
  int lanes = b->c->a_runs ? copy_lanes(b, b->c->a_along_m ? &b->c->m : &b->c->k) : 1;
  if (b->c->a_along_m) {
    block = each_k(b, block, kb, &b->local);
    if (b->plan->m_inner) pack_a_by_digits(b, block, lanes);
    else wf_draft_run(b->draft, block, number(b, b->plan->mc), lanes, copy_a_along_m, b);
    return;
  }
  const wf_dim *row;
  block = open_for(b, block, WF_BIND_SERIAL, "m", number(b, b->plan->mc), &row);
  const wf_dim *flat = wf_dim_add(b->m_start, row);
  bind_flat(b, &b->c->m, flat);
  block = guard(b, block, flat, b->c->m.extent, b->plan->mc);
  k_loops loops;
  k_run run = {b, NULL, row, kb};
  if (b->plan->k_inner) {
    block = open_k(b, block, kb, 1, &loops);
    run.loops = &loops;
    wf_draft_run(b->draft, block, b->c->k.digits[b->c->k.count - 1].extent, lanes, copy_a_along_k, &run);
  } else {
    bool straight = b->c->k.count == 1;
    wf_draft_run(b->draft, block, kb->extent, straight ? lanes : 1, copy_a_along_k, &run);
  }
}

// One panel of B: buffer[.., panel, local k, lane]
static void store_b(build *b, wf_block *block, wf_value *buffer, const wf_dim *panel, const wf_dim *local, const wf_dim *lane) {
  const wf_dim *indices[WF_MAX_RANK];
  int at = 0;
  if (b->b_global)
    for (int i = 0; i < b->c->batch.count; i++) indices[at++] = b->batch_point[i];
  indices[at++] = panel;
  indices[at++] = local;
  indices[at++] = lane;
  store(b, block, buffer, indices, value_of(b, b->c->b));
}

// n_start + panel*nr + lane for the panels [0, panels) or the one given.
static void pack_b_panel(build *b, wf_block *block, wf_value *buffer, const wf_dim *panel, const k_block *kb) {
  int nr = b->plan->nr;
  const wf_dim *lane, *local, *first = wf_dim_add(b->n_start, wf_dim_scale(panel, nr));
  if (b->c->b_runs) {
    block = each_k(b, block, kb, &local);
    block = open_for(b, block, WF_BIND_VECTOR, "j", number(b, nr), &lane);
  } else {
    block = open_for(b, block, WF_BIND_SERIAL, "j", number(b, nr), &lane);
  }
  const wf_dim *flat = wf_dim_add(first, lane);
  bind_flat(b, &b->c->n, flat);
  block = guard(b, block, flat, b->c->n.extent, nr);
  if (!b->c->b_runs) block = each_k(b, block, kb, &local);
  store_b(b, block, buffer, panel, local, lane);
}

// ---- the register tile ------------------------------------------------------------------------------------------

static wf_block *open_tile_row(build *b, wf_block *block, const wf_dim **row, const wf_dim **lane, wf_block **out_row) {
  *out_row = open_for(b, block, WF_BIND_UNROLL, "i", number(b, b->plan->mr), row);
  return open_for(b, *out_row, WF_BIND_VECTOR, "j", number(b, b->plan->nr), lane);
}

static void start_tile(build *b, wf_block *block, wf_value *acc, const wf_dim *tile_row, const wf_dim *tile_column) {
  const wf_dim *row, *lane;
  wf_block *outer, *inner = open_tile_row(b, block, &row, &lane, &outer);
  wf_module *module = b->tile->module;
  const wf_dim *from[] = {wf_dim_add(tile_row, row), wf_dim_add(tile_column, lane)}, *to[] = {row, lane};
  const wf_expr *value = b->sums ? wf_expr_read_dims(module, b->sums, from, NULL)
                                 : wf_expr_const(module, b->c->op->accumulator, 0);
  store(b, inner, acc, to, value);
}

static void multiply(build *b, wf_block *block, wf_value *acc, const wf_dim *tile_row, const wf_dim *panel, const k_block *kb) {
  wf_module *module = b->tile->module;
  int64_t extent;
  int unroll = wf_dim_is_const(kb->extent, &extent) ? (extent % 4 == 0 ? 4 : extent % 3 == 0 ? 3 : 1) : 1;
  const wf_dim *chunk, *step = number(b, 0), *row, *lane;
  block = open_for(b, block, WF_BIND_SERIAL, "k", wf_dim_floordiv(kb->extent, number(b, unroll)), &chunk);
  if (unroll > 1) block = open_for(b, block, WF_BIND_UNROLL, "u", number(b, unroll), &step);
  const wf_dim *local = wf_dim_add(wf_dim_scale(chunk, unroll), step);
  wf_block *outer, *inner = open_tile_row(b, block, &row, &lane, &outer);
  const wf_dim *a_at[] = {wf_dim_add(tile_row, row), local}, *acc_at[] = {row, lane}, *b_at[WF_MAX_RANK];
  int at = 0;
  if (b->b_global)
    for (int i = 0; i < b->c->batch.count; i++) b_at[at++] = b->batch_point[i];
  b_at[at++] = b->b_global ? wf_dim_add(wf_dim_floordiv(b->n_start, number(b, b->plan->nr)), panel) : panel;
  b_at[at++] = b->b_global ? wf_dim_add(kb->start, local) : local;
  b_at[at++] = lane;
  const wf_expr *product = wf_expr_binary(module, WF_S_MUL, wf_expr_read_dims(module, b->a, a_at, NULL),
                                          wf_expr_read_dims(module, b->b, b_at, NULL));
  wf_stmt_store_dims(b->draft->kernel, inner, acc, acc_at, WF_R_SUM, product);
}

static void keep_tile(build *b, wf_block *block, wf_value *acc, const wf_dim *tile_row, const wf_dim *tile_column) {
  const wf_dim *row, *lane;
  wf_block *outer, *inner = open_tile_row(b, block, &row, &lane, &outer);
  const wf_dim *from[] = {row, lane}, *to[] = {wf_dim_add(tile_row, row), wf_dim_add(tile_column, lane)};
  store(b, inner, b->sums, to, wf_expr_read_dims(b->tile->module, acc, from, NULL));
}

static bool read_by_later(const build *b, int index) {
  for (int i = index + 1; i < b->member_count; i++)
    for (int k = 0; k < b->members[i]->operand_count; k++)
      if (b->members[i]->operands[k] == b->members[index]->results[0]) return true;
  return false;
}

// The members at one point: C's element comes from the register, later members from the members before them. What is
// stored and read again is kept: made again after its store it would read operands that the store may have replaced.
static void store_members(build *b, wf_block *block, wf_value *const *kept, const wf_dim *lane, const wf_expr *sum) {
  wf_draft *draft = b->draft;
  wf_module *module = b->tile->module;
  wf_value *targets[MOST_MEMBERS];
  for (int i = 0; i < b->member_count; i++) targets[i] = wf_draft_buffer(draft, b->members[i]->results[0]);
  for (int i = 0; i < b->member_count; i++) {
    const wf_op *member = b->members[i];
    const wf_value *value = member->results[0];
    const wf_dim *indices[WF_MAX_RANK];
    wf_binding bindings[WF_MAX_RANK];
    for (int a = 0; a < member->axis_count; a++) {
      const wf_dim *own = wf_dim_substitute(b->c->op->axes[a]->as_dim, b->c->refine, b->c->refine_count);
      bindings[a] = (wf_binding){member->axes[a], wf_dim_substitute(own, b->point, b->point_count)};
      indices[a] = bindings[a].value;
    }
    const wf_expr *made = i == 0 ? sum : wf_draft_expr(draft, member->body, bindings, member->axis_count);
    wf_dtype compute = wf_dtype_compute(value->dtype);
    made = wf_draft_convert(draft, made, compute);
    if (value->dtype != compute) made = wf_expr_cast(module, compute, wf_expr_cast(module, value->dtype, made));
    if (kept[i]) {
      store(b, block, kept[i], &lane, made);
      made = wf_expr_read_dims(module, kept[i], &lane, NULL);
    }
    if (targets[i]) store(b, block, targets[i], indices, made);
    wf_draft_replace(draft, value, made);
  }
  for (int i = 0; i < b->member_count; i++) wf_draft_bind(draft, b->members[i]->results[0], targets[i], 0);
}

static void finish_tile(build *b, wf_block *block, wf_value *acc, const wf_dim *tile_row, const wf_dim *tile_column) {
  const wf_dim *row, *lane;
  block = open_for(b, block, WF_BIND_UNROLL, "i", number(b, b->plan->mr), &row);
  const wf_dim *m = wf_dim_add(wf_dim_add(b->m_start, tile_row), row);
  bind_flat(b, &b->c->m, m);
  block = guard(b, block, m, b->c->m.extent, b->plan->mr);
  wf_value *kept[MOST_MEMBERS] = {0};
  int64_t lanes = b->plan->nr;
  for (int i = 1; i < b->member_count; i++) {
    const wf_value *value = b->members[i]->results[0];
    if (wf_draft_buffer(b->draft, value) && read_by_later(b, i)) kept[i] = wf_draft_register(b->draft, block, value->name, value->dtype, 1, &lanes);
  }
  block = open_for(b, block, WF_BIND_VECTOR, "j", number(b, b->plan->nr), &lane);
  const wf_dim *n = wf_dim_add(wf_dim_add(b->n_start, tile_column), lane), *from[] = {row, lane};
  bind_flat(b, &b->c->n, n);
  block = guard(b, block, n, b->c->n.extent, b->plan->nr);
  store_members(b, block, kept, lane, wf_expr_read_dims(b->tile->module, acc, from, NULL));
}

// ---- one block of k ---------------------------------------------------------------------------------------------

static void emit_k_block(build *b, wf_block *block, const k_block *kb, bool last) {
  const wf_contraction_plan *plan = b->plan;
  const wf_dim *panel, *tile;
  pack_a(b, block, kb);
  if (!b->b_global) {
    const wf_dim *packed;
    wf_block *panels = open_for(b, block, WF_BIND_SERIAL, "p", number(b, plan->nc / plan->nr), &packed);
    panels = guard(b, panels, wf_dim_add(b->n_start, wf_dim_scale(packed, plan->nr)), b->c->n.extent, plan->nc);
    pack_b_panel(b, panels, b->b, packed, kb);
  }
  block = open_for(b, block, WF_BIND_SERIAL, "p", number(b, plan->nc / plan->nr), &panel);
  const wf_dim *column = wf_dim_scale(panel, plan->nr);
  block = guard(b, block, wf_dim_add(b->n_start, column), b->c->n.extent, plan->nc);
  block = open_for(b, block, WF_BIND_SERIAL, "t", number(b, plan->mc / plan->mr), &tile);
  const wf_dim *row = wf_dim_scale(tile, plan->mr);
  block = guard(b, block, wf_dim_add(b->m_start, row), b->c->m.extent, plan->mc);
  int64_t shape[] = {plan->mr, plan->nr};
  wf_value *acc = wf_draft_register(b->draft, block, "acc", b->c->op->accumulator, 2, shape);
  start_tile(b, block, acc, row, column);
  multiply(b, block, acc, row, panel, kb);
  if (last) finish_tile(b, block, acc, row, column);
  else keep_tile(b, block, acc, row, column);
}

static wf_value *alloc_block(build *b, wf_block *block, const char *name, int rank, const int64_t *shape, const int *order) {
  wf_module *module = b->tile->module;
  const wf_dim *dims[4];
  for (int i = 0; i < rank; i++) dims[i] = number(b, shape[i]);
  const wf_layout *layout = order ? wf_layout_permuted(module->dims, module->arena, rank, dims, order) : NULL;
  return wf_stmt_alloc(b->draft->kernel, block, name, WF_SPACE_LOCAL, b->c->op->accumulator, rank, dims, layout);
}

static void clear_sums(build *b, wf_block *block) {
  const wf_dim *row, *panel, *lane;
  block = open_for(b, block, WF_BIND_SERIAL, "m", number(b, b->plan->mc), &row);
  block = open_for(b, block, WF_BIND_SERIAL, "p", number(b, b->plan->nc / b->plan->nr), &panel);
  block = open_for(b, block, WF_BIND_VECTOR, "j", number(b, b->plan->nr), &lane);
  const wf_dim *at[] = {row, wf_dim_add(wf_dim_scale(panel, b->plan->nr), lane)};
  store(b, block, b->sums, at, wf_expr_const(b->tile->module, b->c->op->accumulator, 0));
}

static void emit_task(build *b, wf_block *block) {
  const wf_contraction_plan *plan = b->plan;
  const wf_composite *k = &b->c->k;
  int64_t a_shape[] = {plan->mc, plan->kc}, b_shape[] = {plan->nc / plan->nr, plan->kc, plan->nr}, sums_shape[] = {plan->mc, plan->nc};
  const int turned[] = {1, 0};
  const wf_dim *zero = number(b, 0), *kc = number(b, plan->kc);
  const wf_dim *full;            // blocks before the last
  if (plan->k_inner) full = wf_dim_offset(wf_dim_exact_div(k->extent, kc), -1);
  else full = wf_dim_floordiv(wf_dim_offset(k->extent, -1), kc);
  b->a = alloc_block(b, block, "a", 2, a_shape, b->c->a_along_m ? turned : NULL);
  if (!b->b_global) b->b = alloc_block(b, block, "b", 3, b_shape, NULL);
  if (!wf_dim_equals_const(full, 0)) {
    b->sums = alloc_block(b, block, "sums", 2, sums_shape, NULL);
    clear_sums(b, block);
    const wf_dim *index;
    wf_block *body = open_for(b, block, WF_BIND_SERIAL, "kb", full, &index);
    k_block kb = {index, wf_dim_mul(index, kc), kc};
    emit_k_block(b, body, &kb, false);
  }
  k_block kb = {full, wf_dim_mul(full, kc), plan->k_inner ? kc : wf_dim_sub(k->extent, wf_dim_mul(full, kc))};
  if (wf_dim_equals_const(full, 0)) kb.outer = kb.start = zero;
  emit_k_block(b, block, &kb, true);
}

// ---- launches ---------------------------------------------------------------------------------------------------

static void read_operands_of_node(void *context, const wf_expr *node) {
  if (node->op == WF_S_READ) wf_draft_read(context, node->operand);
}

static wf_block *open_batch(build *b, wf_block *block) {
  for (int i = 0; i < b->c->batch.count; i++) {
    const wf_digit *digit = &b->c->batch.digits[i];
    block = open_for(b, block, WF_BIND_TASK, digit->axis->name, digit->extent, &b->batch_point[i]);
  }
  if (b->c->batch.count) bind_digits(b, &b->c->batch, b->batch_point);
  return block;
}

// B as panels [batch.., n/nr, k, nr], made by a launch of its own.
static wf_value *build_pack(wf_tile *tile, const wf_contraction *c, const wf_contraction_plan *plan, const char *name) {
  wf_module *module = tile->module;
  build b = {.tile = tile, .c = c, .b_global = true};
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
  b.draft = wf_draft_begin(tile->function, wanted, c->op->loc, tile->target);
  wf_expr_walk(c->b, read_operands_of_node, b.draft);
  wf_draft_write(b.draft, packed);
  wf_block *block = open_batch(&b, wf_kernel_section(b.draft->kernel));
  const wf_dim *panel;
  block = open_for(&b, block, WF_BIND_TASK, "p", panels, &panel);
  b.n_start = number(&b, 0);
  k_block all = {number(&b, 0), number(&b, 0), c->k.extent};
  pack_b_panel(&b, block, wf_draft_buffer(b.draft, packed), panel, &all);
  wf_vec_push(module->arena, &tile->out, wf_draft_finish(b.draft, NULL, 0));
  return packed;
}

static bool is_member(const build *b, const wf_value *value) {
  for (int i = 0; i < b->member_count; i++)
    if (b->members[i]->results[0] == value) return true;
  return false;
}

// Multiplications and additions of the sum, and the members stored with it; what copies compute is not counted.
static const wf_dim *flops_of(const build *b) {
  const wf_dim *flops = wf_dim_scale(wf_dim_mul(wf_dim_mul(b->c->m.extent, b->c->n.extent), b->c->k.extent), 2);
  if (b->c->batch.count) flops = wf_dim_mul(flops, b->c->batch.extent);
  for (int i = 1; i < b->member_count; i++) flops = wf_dim_add(flops, wf_op_flops(b->tile->module, b->members[i]));
  return flops;
}

void wf_build_contraction(wf_tile *tile, const wf_contraction *c, const wf_contraction_plan *plan, const char *name,
                          wf_op *const *members, int member_count, wf_value *const *results, int result_count) {
  wf_value *packed = plan->pack_ahead ? build_pack(tile, c, plan, name) : NULL;
  build b = {.tile = tile, .c = c, .plan = plan, .b_global = packed != NULL, .members = members, .member_count = member_count};
  b.draft = wf_draft_begin(tile->function, name, c->op->loc, tile->target);
  wf_expr_walk(c->a, read_operands_of_node, b.draft);
  if (packed) wf_draft_read(b.draft, packed);
  else wf_expr_walk(c->b, read_operands_of_node, b.draft);
  for (int i = 1; i < member_count; i++)
    for (int j = 0; j < members[i]->operand_count; j++)
      if (!is_member(&b, members[i]->operands[j])) wf_draft_read(b.draft, members[i]->operands[j]);
  for (int i = 0; i < result_count; i++) wf_draft_write(b.draft, results[i]);
  if (packed) b.b = wf_draft_buffer(b.draft, packed);
  wf_block *block = open_batch(&b, wf_kernel_section(b.draft->kernel));
  const wf_dim *n_block;
  block = open_for(&b, block, WF_BIND_TASK, "mb", wf_dim_ceildiv(c->m.extent, number(&b, plan->mc)), &b.m_block);
  block = open_for(&b, block, WF_BIND_TASK, "nb", wf_dim_ceildiv(c->n.extent, number(&b, plan->nc)), &n_block);
  b.m_start = wf_dim_scale(b.m_block, plan->mc);
  b.n_start = wf_dim_scale(n_block, plan->nc);
  emit_task(&b, block);
  wf_op *launch = wf_draft_finish(b.draft, members, member_count);
  launch->kernel->flops = flops_of(&b);
  wf_vec_push(tile->module->arena, &tile->out, launch);
}
