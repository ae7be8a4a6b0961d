// The numbers of a contraction on a GPU: a policy over extents. It builds no nodes.
//
// A small model of one multiprocessor picks the block: four schedulers that issue one instruction a cycle, one 128-byte read of
// shared memory a cycle, and a step of k that takes at least the way to global memory and back. The model only ranks blocks.
#include "passes/schedule.h"

enum {
  MOST_PREFETCHED = 12,     // elements a thread holds of the next step: accumulators, operands and these fit 128 registers
  MOST_PARTS = 256,         // of a long sum
  LEAST_PART = 128,         // points of k that a part is worth
  ENOUGH_THREADS = 512,     // on one multiprocessor: from there on parts only cost memory
  STEP_CYCLES = 500,        // global memory, barrier: of a step that nothing else hides
  LAUNCH_CYCLES = 4000,     // of the second launch that adds parts up
  PART_BYTES = 1200,        // a cycle, of parts that are stored and read again
  CACHE_BYTES = 16,         // a cycle, of the second-level cache for one multiprocessor
  FEW_ROWS = 17, FEW_RESULTS = 8192,   // that a loop nest with a warp a result makes as well
  CHEAP_MEMBERS = 12,       // scalar operations stored with an element; more want registers beyond the 128 of two large blocks
  RESIDENT_THREADS = 1024   // on one multiprocessor, at about 64 registers or more a thread
};

typedef struct block_shape { int bm, bn, tm, tn; } block_shape;
static const block_shape shapes[] = {
    {128, 128, 8, 8}, {64, 128, 8, 8}, {128, 64, 8, 8}, {64, 64, 8, 8}, {64, 64, 4, 8}, {32, 128, 4, 8}, {128, 32, 8, 4},
    {64, 32, 4, 4},   {32, 64, 4, 4},  {32, 32, 4, 4},  {16, 128, 4, 4}, {128, 16, 4, 4}, {16, 64, 4, 4}, {64, 16, 4, 4},
    {16, 32, 4, 2},   {32, 16, 2, 4},
};

static int64_t known(const wf_dim *dim, int64_t otherwise) {
  int64_t value;
  return wf_dim_is_const(dim, &value) ? value : otherwise;
}

static double estimate(const wf_composite *composite) { return composite->count ? wf_draft_estimate(composite->extent) : 1; }
static double blocks_of(double extent, int block) { return (double)(int64_t)((extent + block - 1) / block); }

// ---- steps of k -------------------------------------------------------------------------------------------------

// How far a step is from the wished one, as a ratio; steps of whole vectors are worth a little.
static double misfit(int64_t step, int wished) {
  double ratio = step > wished ? (double)step / wished : (double)wished / (double)step;
  return step % 4 ? ratio + 0.3 : ratio;
}

// Steps that line up with the digits of k: there index arithmetic is done once a step, not once an element. The last digits of k and
// a divisor of the one before them; 0 where none lies within a factor of two of what is wished.
static void choose_step(wf_module *module, wf_contraction *c, wf_gpu_plan *plan, int wished) {
  wf_composite *k = &c->k;
  int64_t product = 1, best = 0, best_part = 0, total = known(k->extent, -1);
  int best_at = 0;
  plan->bk = wished;
  plan->k_inner = 0;
  if (total > 0 && total <= wished) {
    plan->bk = (int)total;
    plan->k_inner = k->count;
    return;
  }
  for (int at = k->count - 1; at >= 0; at--) {
    int64_t extent = known(k->digits[at].extent, -1);
    for (int64_t part = 1; part <= extent && part * product <= 2 * wished; part++) {
      if (extent % part || 2 * part * product < wished) continue;
      if (best && misfit(part * product, wished) >= misfit(best, wished)) continue;
      best = part * product;
      best_part = part;
      best_at = at;
    }
    if (extent < 1 || extent * product > 2 * wished) break;
    product *= extent;
  }
  if (!best) return;
  int count = k->count;
  if (best_part == 1) {          // the digits behind make the step
    plan->k_inner = count - best_at - 1;
  } else {
    wf_split_digit(module, k, best_at, best_part);
    plan->k_inner = count - best_at;
  }
  plan->bk = (int)best;
}

// ---- copies -----------------------------------------------------------------------------------------------------

typedef struct vector_query { wf_module *module; const wf_atom *axis; int vector; bool fits; } vector_query;

// Do `vector` elements from a multiple of it on lie side by side, at an aligned place?
static void check_read(void *context, const wf_expr *node) {
  vector_query *query = context;
  if (node->op != WF_S_READ || !query->fits) return;
  const wf_dim *indices[WF_MAX_RANK];
  query->fits = false;
  for (int i = 0; i < node->operand->rank; i++) {
    if (node->args[i]->op != WF_S_INDEX) return;
    indices[i] = node->args[i]->dim;
    if (node->has_default && wf_dim_mentions(indices[i], query->axis) && indices[i] != query->axis->as_dim) return;
  }
  wf_dims *dims = query->module->dims;
  const wf_value *operand = node->operand;
  const wf_layout *layout = operand->layout;
  if (!layout) layout = wf_layout_row_major(dims, query->module->arena, operand->rank, operand->shape);
  const wf_dim *offset = wf_layout_offset(dims, layout, indices), *step, *rest;
  if (!offset || !wf_dim_split(offset, query->axis, &step, &rest)) return;
  query->fits = wf_dim_divisible(rest, query->vector) && (wf_dim_equals_const(step, 0) || wf_dim_equals_const(step, 1));
}

static int vector_along(wf_module *module, const wf_expr *expr, const wf_composite *composite, int most) {
  if (composite->count == 0) return 1;
  const wf_digit *last = &composite->digits[composite->count - 1];
  for (int vector = most; vector > 1; vector /= 2) {
    vector_query query = {module, last->axis, vector, wf_dim_divisible(last->extent, vector)};
    wf_expr_walk(expr, check_read, &query);
    if (query.fits) return vector;
  }
  return 1;
}

// ---- blocks of C ------------------------------------------------------------------------------------------------

static int threads_of(const block_shape *s) { return s->bm / s->tm * (s->bn / s->tn); }

// Instructions of copying one element. Where a window moves over an operand and threads stand at one point of it each, the place in
// the window is a constant of the code; with more threads than points it is arithmetic.
static double copy_cost(const wf_contraction *c, const block_shape *s) {
  bool window_a = c->a_guarded && c->a_along_m, window_b = c->b_guarded && !c->b_along_k;
  return (window_a && threads_of(s) > s->bm) || (window_b && threads_of(s) > s->bn) ? 16 : 4;
}

// Cycles of one multiprocessor for its share of all blocks.
static double cycles(const block_shape *s, double m, double n, double k, double batch, double copy, int processors) {
  int threads = threads_of(s), warps = threads / 32;
  double blocks = batch * blocks_of(m, s->bm) * blocks_of(n, s->bn), share = blocks_of(blocks, processors);
  double copies = (double)(s->bm + s->bn) / threads;
  double issued = (s->tm * s->tn + (s->tm + s->tn) / 4.0 + copy * copies) / 4, shared = (s->tm + s->tn) / 4.0 + copies;
  double busy = share * warps * k * (issued > shared ? issued : shared);
  double resident = share < RESIDENT_THREADS / threads ? share : RESIDENT_THREADS / threads, busy_warps = resident * warps;
  if (busy_warps < 8) busy /= 0.3 + 0.0875 * busy_warps;
  double fetched = share * k * (s->bm + s->bn) * 4 / CACHE_BYTES;
  double waiting = share / resident * (k / 8 + 4) * STEP_CYCLES;
  return (busy > waiting ? busy : waiting) + fetched / 2;
}

typedef struct choice { const block_shape *shape; wf_gpu_cut cuts[WF_GPU_CUTS]; double cycles; } choice;

// The reduction axes that may be cut into parts, longest first: those of the op itself, but not the one along which neighbouring
// threads copy.
typedef struct cut_axes { const wf_atom *axes[WF_MAX_DIGITS]; int count; } cut_axes;

static cut_axes cut_axes_of(const wf_contraction *c) {
  cut_axes all = {.count = 0};
  int count = c->k.count > 1 ? c->k.count - 1 : c->k.count;
  for (int i = 0; i < count; i++) {
    const wf_atom *axis = c->k.digits[i].axis;
    bool own = false;
    for (int r = 0; r < c->op->reduction_count; r++) own |= c->op->reduction_axes[r] == axis;
    if (!own) continue;
    int at = all.count++;
    for (; at > 0 && wf_draft_estimate(all.axes[at - 1]->extent) < wf_draft_estimate(axis->extent); at--) all.axes[at] = all.axes[at - 1];
    all.axes[at] = axis;
  }
  return all;
}

// `parts` (a power of two) as cuts of one axis, or of two where one is not long enough. An axis of unknown extent takes all.
static bool cut_into(const cut_axes *axes, int parts, wf_gpu_cut *out) {
  for (int i = 0; i < WF_GPU_CUTS; i++) {
    const wf_atom *axis = i < axes->count ? axes->axes[i] : NULL;
    int here = 1;
    while (axis && here < parts && known(axis->extent, parts) % (2 * here) == 0) here *= 2;
    out[i] = (wf_gpu_cut){axis, here};
    parts /= here;
  }
  return parts == 1;
}

typedef struct limits { int processors, most_points, most_threads; } limits;   // points: of C, of one thread

static void try_shape(const wf_contraction *c, const block_shape *s, const cut_axes *axes, limits most, choice *best) {
  double m = estimate(&c->m), n = estimate(&c->n), k = estimate(&c->k), batch = estimate(&c->batch);
  if (s->tm * s->tn > most.most_points || threads_of(s) > most.most_threads) return;
  double blocks = batch * blocks_of(m, s->bm) * blocks_of(n, s->bn);
  for (int parts = 1; parts <= MOST_PARTS; parts *= 2) {
    choice now = {.shape = s};
    bool busy = blocks * threads_of(s) * parts / 2 >= (double)ENOUGH_THREADS * most.processors;   // half as many parts do
    if (parts > 1 && (busy || k / parts < LEAST_PART)) break;
    if (!cut_into(axes, parts, now.cuts)) break;
    now.cycles = cycles(s, m, n, k / parts, batch * parts, copy_cost(c, s), most.processors);
    if (parts > 1) now.cycles = 1.1 * now.cycles + LAUNCH_CYCLES + parts * m * n * batch * 8 / PART_BYTES;
    if (!best->shape || now.cycles < best->cycles) *best = now;
  }
}

// Results so few that blocks of C would be mostly empty, of operands that lie along k both.
static bool few_results(const wf_contraction *c) {
  double m = estimate(&c->m), n = estimate(&c->n);
  return (m < FEW_ROWS || n < FEW_ROWS) && m * n <= FEW_RESULTS && !c->a_along_m && c->a_runs && c->b_along_k;
}

// Each result a sum of its own: both operands are read again for each, from the cache.
static double results_cycles(const wf_contraction *c) {
  return STEP_CYCLES * 6 + estimate(&c->m) * estimate(&c->n) * estimate(&c->k) * estimate(&c->batch) * 8 / 1500;
}

wf_gpu_plan wf_plan_gpu_contraction(wf_module *module, wf_contraction *c, double member_cost, wf_tile_target target) {
  bool wide = wf_dtype_bytes(c->op->accumulator) == 8;   // two registers an element
  limits most = {target.gpu >= 90 ? 132 : 108, wide ? 16 : 64, member_cost > CHEAP_MEMBERS ? 128 : 256};
  choice best = {0};
  cut_axes axes = cut_axes_of(c);
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) try_shape(c, &shapes[i], &axes, most, &best);
  const block_shape *s = best.shape;
  wf_gpu_plan plan = {.bm = s->bm, .bn = s->bn, .tm = s->tm, .tn = s->tn, .threads = threads_of(s)};
  memcpy(plan.cuts, best.cuts, sizeof plan.cuts);
  plan.leave = few_results(c) && best.cycles > results_cycles(c);
  double each = (double)(s->bm + s->bn) / plan.threads;
  choose_step(module, c, &plan, each * 16 <= MOST_PREFETCHED && !wide ? 16 : 8);
  int vector = target.vector_bytes / wf_dtype_bytes(c->op->accumulator);
  plan.a_vector = vector_along(module, c->a, c->a_along_m ? &c->m : &c->k, vector);
  plan.b_vector = vector_along(module, c->b, c->b_along_k ? &c->k : &c->n, vector);
  if (!c->a_along_m && plan.bk % plan.a_vector) plan.a_vector = 1;
  if (c->b_along_k && plan.bk % plan.b_vector) plan.b_vector = 1;
  return plan;
}

// In units of one operation of four lanes. What differs between the orders of axes is what neighbouring threads touch.
double wf_gpu_contraction_cost(wf_module *module, const wf_contraction *c, wf_tile_target target) {
  double m = estimate(&c->m), n = estimate(&c->n), k = estimate(&c->k), batch = estimate(&c->batch);
  double compute = m * n * k / 8;
  double copy_a = m * k * blocks_of(n, 128) * ((c->a_runs ? 1 : 4) + (c->a_guarded ? 0.5 : 0) + (c->a_along_m ? 0 : 0.25));
  double copy_b = n * k * blocks_of(m, 128) * ((c->b_runs ? 1 : 4) + (c->b_guarded ? 0.5 : 0) + (c->b_along_k ? 0.25 : 0));
  return batch * (compute + copy_a + copy_b + m * n * (c->c_runs ? 1 : 4));
}
