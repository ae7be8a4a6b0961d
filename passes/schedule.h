// The contraction schedule: what a sum of products is (axes as M, N, K), the numbers of its tiles, and the rewrites that
// build its kernels. A is the side whose elements are broadcast (register tile rows), B the side along which lanes run.
#ifndef WEFT_PASSES_SCHEDULE_H
#define WEFT_PASSES_SCHEDULE_H
#include "passes/tile.h"

// One digit of a composite axis in mixed radix: axis value = sum over its digits of digit * scale.
typedef struct wf_digit { const wf_atom *axis; const wf_dim *extent; int64_t scale; } wf_digit;
enum { WF_MAX_DIGITS = 16 };
typedef struct wf_composite { wf_digit digits[WF_MAX_DIGITS]; int count; const wf_dim *extent; } wf_composite;   // outermost first

typedef struct wf_contraction {
  wf_op *op;
  const wf_expr *a, *b;          // op's body is their product
  wf_composite batch, m, n, k;   // over the op's axes, or over digits of them:
  wf_binding refine[2 * WF_MAX_RANK]; int refine_count;   // axis ==> c*high + low, where the body reads axis//c
  bool a_along_m;                // A lies contiguous along the last digit of m, else of k
  bool b_along_k;                // GPU: B lies contiguous along the last digit of k, else of n
  bool a_runs, b_runs;           // copies of A and B run along contiguous memory
  bool a_guarded, b_guarded;     // along that run some elements lie outside the operand: masked copies
  bool c_runs;                   // the result is contiguous along the last digit of n
} wf_contraction;

typedef struct wf_contraction_plan {
  int mr, nr;                    // register tile
  int mc, nc, kc;                // block of one task (nc a multiple of nr; mc of mr, or of whole windows), block of k
  int m_inner;                   // so many last digits of m make a block of exactly mc; 0: blocks are cut from the flat m
  int k_inner;                   // so many last digits of k make a block of exactly kc; 0: blocks are cut from the flat k
  bool pack_ahead;               // B is packed by a launch of its own, else by each task
} wf_contraction_plan;

enum { WF_GPU_CUTS = 2 };
typedef struct wf_gpu_cut { const wf_atom *axis; int parts; } wf_gpu_cut;   // of a reduction axis

// Of a GPU. A block of threads makes bm x bn of C in steps of bk of k, each thread tm x tn of it.
typedef struct wf_gpu_plan {
  int bm, bn, bk, tm, tn, threads;
  int k_inner;                   // so many last digits of k make a step of exactly bk; 0: steps are cut from the flat k
  int a_vector, b_vector;        // elements that a thread copies at once, along the run of the operand
  wf_gpu_cut cuts[WF_GPU_CUTS];  // of k into parts, each a sum of its own; 1 part: not cut
  bool leave;                    // a loop nest does as well
} wf_gpu_plan;

// ---- schedule_classify.c ----
// True where the op is a sum of a product of two sides and large enough to be worth the schedule; picks the sides.
bool wf_classify_contraction(wf_module *module, wf_op *op, wf_tile_target target, wf_contraction *out);
// The same where these axes of the op have to be axes of m.
bool wf_classify_rows(wf_module *module, wf_op *op, wf_tile_target target, const wf_atom *const *rows, int row_count, wf_contraction *out);
// What the op takes as a launch of its own, in units of one vector operation: a contraction or a loop nest.
double wf_schedule_cost(wf_module *module, wf_op *op, wf_tile_target target);
double wf_contraction_cost(wf_module *module, const wf_contraction *c, wf_tile_target target);
enum { WF_LONG_SUM = 1024 };     // a k from which on too few tasks are mended by cutting k
// ---- schedule_plan.c ----
// The target's policy: numbers only. May split a digit of k so that blocks line up with digits.
wf_contraction_plan wf_plan_contraction(wf_module *module, wf_contraction *c, wf_tile_target target);
// The same with blocks of m that are multiples of window_rows; mc may then be no multiple of mr. 0: no such need.
wf_contraction_plan wf_plan_windows(wf_module *module, wf_contraction *c, wf_tile_target target, int64_t window_rows);
// Splits digit `at` (a constant extent that `inner` divides) in two, the second of extent `inner`.
void wf_split_digit(wf_module *module, wf_composite *composite, int at, int64_t inner);
// ---- gpu_contract_plan.c ----
// May split a digit of k. member_cost: scalar operations of what is stored with an element.
wf_gpu_plan wf_plan_gpu_contraction(wf_module *module, wf_contraction *c, double member_cost, wf_tile_target target);
double wf_gpu_contraction_cost(wf_module *module, const wf_contraction *c, wf_tile_target target);
// ---- gpu_contract.c ----
void wf_build_gpu_contraction(wf_tile *tile, const wf_contraction *c, const wf_gpu_plan *plan, const char *name,
                              wf_op *const *members, int member_count, wf_value *const *results, int result_count);
// ---- schedule_shared.c ----
enum { WF_MOST_MEMBERS = 256 };
// A kernel under construction and where the contraction's axes stand in it.
typedef struct wf_contract {
  wf_draft *draft;
  const wf_contraction *c;
  wf_op *const *members; int member_count;   // members[0] is c->op, the others are stored with it
  wf_value **blocks;             // by member, where not NULL: also stored to this local buffer, at [block_row, lane]
  const wf_dim *block_row;
  wf_binding list[4 * WF_MAX_DIGITS]; int count;
} wf_contract;
// A loop, or nothing where the extent is 1: then *out_axis is 0. Vector and thread loops are always made.
wf_block *wf_contract_open(wf_contract *contract, wf_block *block, wf_bind bind, const char *name, const wf_dim *extent,
                           const wf_dim **out_axis);
// flat < extent, where flat counts up to a multiple of block_size: known?
bool wf_contract_inside(const wf_contract *contract, const wf_dim *flat, const wf_dim *extent, int block_size);
const wf_expr *wf_contract_below(const wf_contract *contract, const wf_dim *flat, const wf_dim *extent);
// if (flat < extent) where that is not known
wf_block *wf_contract_guard(wf_contract *contract, wf_block *block, const wf_dim *flat, const wf_dim *extent, int block_size);
// Binds the axes of a composite from the values of its digits, or from its flat index.
void wf_contract_bind(wf_contract *contract, const wf_composite *composite, const wf_dim *const *values);
void wf_contract_bind_flat(wf_contract *contract, const wf_composite *composite, const wf_dim *flat);
// Digits [0, to) of a flat index over them; the first has no modulo.
void wf_contract_digits(const wf_composite *composite, int to, const wf_dim *flat, const wf_dim **out);
const wf_expr *wf_contract_value(const wf_contract *contract, const wf_expr *expr);
// Registers [lanes] for members that are stored and read again: made again after its store, a value would read operands
// that the store may have replaced. out_kept: one a member, NULL where it needs none.
void wf_contract_keep(wf_contract *contract, wf_block *block, int64_t lanes, wf_value **out_kept);
// The members at one point; `sum` is the contraction's element, later members are made from the members before them.
void wf_contract_store(wf_contract *contract, wf_block *block, wf_value *const *kept, const wf_dim *lane, const wf_expr *sum);
// Parameters: what an expression reads; then what members read and the launch's results.
void wf_contract_read(wf_contract *contract, const wf_expr *expr);
void wf_contract_declare(wf_contract *contract, wf_value *const *results, int result_count);
wf_op *wf_contract_finish(wf_contract *contract);   // the launch, unlinked
// ---- schedule_window.c ----
// Reductions over windows of C's points that tile C without overlap or rest (pooling), and what is made of them at their own
// points: made from the block of C that a task has at hand.
typedef struct wf_windows {
  wf_op *const *members; int count;          // members[0] is a reduction
  int64_t size[WF_MAX_RANK];                 // by axis of C: points of a window along it
  int outer[WF_MAX_RANK], inner[WF_MAX_RANK];   // by axis of C: the members' parallel and reduction axis in its index, -1: none
  int64_t rows;                              // so many consecutive rows of m hold whole windows
} wf_windows;
// points: computes over the same points, members: what may be such windows of them.
bool wf_find_windows(wf_module *module, wf_op *const *points, int point_count, wf_op *const *members, int count, wf_windows *out);
// Parts the members of a group into points (a contraction first) and windows of them. `members` is put in that order. False
// for other groups, rows after a small sum among them.
bool wf_part_windows(wf_module *module, wf_tile_target target, wf_op **members, int count, int *out_point_count, wf_windows *out);
// Does the schedule of this target take them, and is that less work than a kernel of their own? kept: C is stored anyway;
// laid_out: values have their layouts already.
bool wf_fit_windows(wf_module *module, wf_op *op, wf_tile_target target, bool kept, bool laid_out, wf_windows *windows,
                    wf_contraction *out_c, wf_contraction_plan *out_plan);
// Local buffers for the members that windows read; out_blocks: by member.
void wf_open_windows(wf_contract *contract, wf_block *block, const wf_windows *windows, const wf_contraction_plan *plan, wf_value **out_blocks);
// The windows of one panel, once its rows stand in the buffers. column: of its first lane.
void wf_build_windows(wf_contract *contract, wf_block *block, const wf_windows *windows, const wf_contraction_plan *plan,
                      const wf_dim *m_block, const wf_dim *column);
// ---- schedule_build.c ----
// Launches of one contraction and of elementwise members over the same points, which are stored with its tiles.
// epilogue[0] is c->op itself. results: what is read outside.
void wf_build_contraction(wf_tile *tile, const wf_contraction *c, const wf_contraction_plan *plan, const char *name,
                          wf_op *const *members, int member_count, wf_value *const *results, int result_count);
void wf_build_windowed(wf_tile *tile, const wf_contraction *c, const wf_contraction_plan *plan, const wf_windows *windows, const char *name,
                       wf_op *const *members, int member_count, wf_value *const *results, int result_count);
#endif
