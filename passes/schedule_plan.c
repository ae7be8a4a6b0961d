// The numbers of a contraction: a policy over cache sizes and extents. It builds no nodes.
#include "passes/schedule.h"

enum {
  PANEL_ROWS = 320,        // of k: a panel of B (kc x nr) and the tile of A beside it stay in L1
  WHOLE_ROWS = 640,        // a k up to this is one block: its panels stream from L2
  BLOCK_ROWS = 96,         // of m: a block of A (mc x kc) stays in L2
  BLOCK_COLUMNS = 512,     // of n: a block of C (mc x nc) stays in L2
  LOCAL_COLUMNS = 128,     // of n where each task packs its own B
  WANTED_TASKS = 16
};

static int64_t known(const wf_dim *dim, int64_t otherwise) {
  int64_t value;
  return wf_dim_is_const(dim, &value) ? value : otherwise;
}

void wf_split_digit(wf_module *module, wf_composite *k, int at, int64_t inner) {
  int64_t extent = known(k->digits[at].extent, 0);
  if (inner == extent || k->count >= WF_MAX_DIGITS) return;
  memmove(&k->digits[at + 1], &k->digits[at], sizeof k->digits[0] * (size_t)(k->count - at));
  k->count++;
  k->digits[at].extent = wf_dim_const(module->dims, extent / inner);
  k->digits[at].scale *= inner;
  k->digits[at + 1].extent = wf_dim_const(module->dims, inner);
}

// Where A is copied along m, index arithmetic in the copy is what costs: blocks of m that line up with its digits turn
// it into loops. They must be whole tiles too.
static void choose_m(wf_module *module, wf_contraction *c, wf_contraction_plan *plan, int64_t most) {
  int64_t total = known(c->m.extent, -1), product = 1, best = 0, best_part = 0;
  int best_at = 0;
  if (!c->a_along_m || total <= 0 || c->m.count < 2) return;
  if (total <= most) {
    plan->mc = (int)((total + plan->mr - 1) / plan->mr * plan->mr);
    plan->m_inner = c->m.count;
    return;
  }
  for (int at = c->m.count - 1; at >= 0; at--) {
    int64_t extent = known(c->m.digits[at].extent, 0);
    for (int64_t part = 1; part <= extent && part * product <= most; part++) {
      if (extent % part || product * part < 60 || product * part % plan->mr || product * part <= best) continue;
      best = product * part;
      best_part = part;
      best_at = at;
    }
    if (extent * product > most) break;
    product *= extent;
  }
  if (!best) return;
  int count = c->m.count;
  wf_split_digit(module, &c->m, best_at, best_part);
  plan->mc = (int)best;
  plan->m_inner = count - best_at;
}

// Rows of tiles beyond those of the block, as a share of it.
static double waste_of(int64_t rows, int mr) { return (double)((rows + mr - 1) / mr * mr - rows) / (double)rows; }

// Do the last digits of m make blocks of exactly `rows`? *out_at, *out_part: the first of them, and how much of it.
static bool lines_up(const wf_contraction *c, int64_t rows, int *out_at, int64_t *out_part) {
  int64_t product = 1;
  for (int at = c->m.count - 1; at >= 0; at--) {
    int64_t extent = known(c->m.digits[at].extent, -1);
    if (rows % product || extent <= 0) return false;
    *out_at = at;
    *out_part = rows / product;
    if (*out_part <= extent) return extent % *out_part == 0;
    product *= extent;
  }
  return false;
}

// Blocks of m that hold whole windows (`unit` rows): little waste in the last tile, sizes near those of other blocks, and
// where A is copied along m, such as line up with its digits.
static void choose_window_rows(wf_module *module, wf_contraction *c, wf_contraction_plan *plan, int64_t unit, int64_t most) {
  int64_t best = unit, part;
  double least = 1e9;
  int at;
  for (int64_t rows = unit; rows <= most; rows += unit) {
    double cost = waste_of(rows, plan->mr) + (rows < 96 ? 0.0005 * (double)(96 - rows) : rows > 120 ? 0.0002 * (double)(rows - 120) : 0);
    if (c->a_along_m && !lines_up(c, rows, &at, &part)) cost += 0.05;
    if (cost >= least) continue;
    least = cost;
    best = rows;
  }
  plan->mc = (int)best;
  plan->m_inner = 0;
  if (!c->a_along_m || !lines_up(c, best, &at, &part)) return;
  int inner = c->m.count - at;
  wf_split_digit(module, &c->m, at, part);
  plan->m_inner = inner;
}

// Blocks of k that line up with its digits: the last digits, and a divisor of the digit before them.
static void choose_k(wf_module *module, wf_contraction *c, wf_contraction_plan *plan) {
  int64_t total = known(c->k.extent, -1);
  int64_t most = total > 0 && total <= WHOLE_ROWS ? total : PANEL_ROWS, product = 1;
  plan->kc = 256;
  plan->k_inner = 0;
  for (int at = c->k.count - 1; at >= 0; at--) {
    int64_t extent = known(c->k.digits[at].extent, -1);
    if (extent > 0 && product * extent <= most) {
      product *= extent;
      plan->k_inner = c->k.count - at;
      continue;
    }
    int64_t best = 1;
    for (int64_t part = 2; extent > 0 && part * product <= most; part++)
      if (extent % part == 0) best = part;
    if (best > 1) {
      wf_split_digit(module, &c->k, at, best);
      product *= best;
      plan->k_inner = c->k.count - at - 1;
    }
    break;
  }
  if (product < 64 && product != total) plan->k_inner = 0;   // too short to line up: cut the flat k
  if (plan->k_inner) plan->kc = (int)product;
  if (total > 0 && plan->kc > total) plan->kc = (int)total;
}

static int tiles_of(double extent, int tile) { return (int)((extent + tile - 1) / tile); }

// Tiles a block, with the blocks evened out.
static int even_block(double extent, int tile, int block, int factor) {
  int tiles = tiles_of(extent, tile), blocks = tiles_of(extent, block);
  if (blocks > 1 && blocks < 16 && blocks % factor) blocks += factor - blocks % factor;
  if (blocks > tiles) blocks = tiles;
  return (tiles + blocks - 1) / blocks * tile;
}

wf_contraction_plan wf_plan_contraction(wf_module *module, wf_contraction *c, wf_tile_target target) {
  return wf_plan_windows(module, c, target, 0);
}

wf_contraction_plan wf_plan_windows(wf_module *module, wf_contraction *c, wf_tile_target target, int64_t window_rows) {
  wf_contraction_plan plan = {0};
  int lanes = target.vector_bytes / wf_dtype_bytes(c->op->accumulator);
  double m = wf_draft_estimate(c->m.extent), n = wf_draft_estimate(c->n.extent);
  double batch = c->batch.count ? wf_draft_estimate(c->batch.extent) : 1;
  plan.nr = n <= lanes ? lanes : target.vectors * lanes;
  plan.mr = target.rows;
  if (known(c->m.extent, 1 << 30) < plan.mr) plan.mr = (int)known(c->m.extent, plan.mr);
  choose_k(module, c, &plan);
  bool m_known = known(c->m.extent, -1) > 0, n_known = known(c->n.extent, -1) > 0;
  int rows = BLOCK_ROWS / plan.mr * plan.mr;
  // copies along m are whole vectors in every block
  int unit = c->a_along_m && m >= 2 * rows && rows % (plan.mr * 8) == 0 ? plan.mr * 8 : plan.mr;
  plan.mc = m_known ? even_block(m, unit, rows, batch * tiles_of(n, BLOCK_COLUMNS) >= WANTED_TASKS ? 1 : 2) : rows;
  if (window_rows) choose_window_rows(module, c, &plan, window_rows, 2 * rows + 24);
  else choose_m(module, c, &plan, 2 * rows + 24);
  if (!window_rows && !m_known && m < rows) plan.mc = tiles_of(m, plan.mr) * plan.mr;
  int m_blocks = tiles_of(m, plan.mc);
  plan.pack_ahead = m_blocks > 1;
  int columns = plan.pack_ahead ? BLOCK_COLUMNS : LOCAL_COLUMNS;
  plan.nc = n_known ? even_block(n, plan.nr, columns, 1) : columns;
  if (wf_draft_estimate(c->k.extent) >= WF_LONG_SUM) return plan;   // k is cut instead, which repeats no copies
  while (plan.nc > plan.nr && batch * m_blocks * tiles_of(n, plan.nc) < WANTED_TASKS) {
    int half = tiles_of(plan.nc / 2.0, plan.nr) * plan.nr;
    if (half < 2 * plan.nr || half == plan.nc) break;
    plan.nc = half;
  }
  return plan;
}
