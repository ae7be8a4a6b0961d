// Thread programs of everything that is no contraction: computes over the same points, rows, reductions, scatters.
// A block has draft->threads threads. Threads form teams: one thread makes a point (gpu_nest.c), or a team of 2 to all of
// them makes a row (gpu_rows.c). How a sum is cut and combined depends on extents and the target only.
#ifndef WEFT_PASSES_GPU_H
#define WEFT_PASSES_GPU_H
#include "passes/draft_point.h"

enum { WF_GPU_THREADS = 256, WF_WARP = 32, WF_GPU_SHARED = 48 << 10 };   // shared bytes that every block may have

// ---- gpu_part.c: the choice ----
// The members of one connected part as a section of the kernel. `shared`: leading axes that all members have.
void wf_gpu_part(wf_draft *draft, wf_op **members, int count, int shared);
// Threads of a block for a launch of these members: all sections have the same.
int wf_gpu_threads(wf_op *const *members, int count);

// ---- gpu_block.c: blocks and threads of a section ----
// The first `shared` axes of members in the order of their threads: grid[0..grid_count) are grid loops, the others are flattened,
// fastest last.
typedef struct wf_gpu_points {
  const wf_op *op;
  int order[WF_MAX_RANK], count, grid_count;
  const wf_dim *extent;          // of the flattened axes
} wf_gpu_points;
// fastest: the axis along which neighbouring threads run, -1: by the storage of the result.
wf_gpu_points wf_gpu_order(wf_draft *draft, wf_op *const *members, int count, int shared, int fastest);
// The grid is taken apart into all axes, none is flattened.
void wf_gpu_order_as_grid(wf_draft *draft, wf_gpu_points *points);

typedef struct wf_gpu_block {
  wf_draft *draft;
  wf_block *grid, *body;         // inside the grid loops; inside the thread loop
  const wf_dim *thread;          // 0 <= thread < draft->threads
  const wf_dim *chunk;           // number of the block along the flattened axes
  const wf_dim *dims[WF_MAX_RANK];   // of axes that are grid loops
  int64_t shared_bytes;
} wf_gpu_block;
// `chunks` blocks along the flattened axes inside the grid loops of `points`; NULL: none.
void wf_gpu_open(wf_gpu_block *block, wf_draft *draft, const wf_gpu_points *points, const wf_dim *chunks);
bool wf_gpu_fits(const wf_gpu_block *block, wf_dtype type, double elements);
wf_value *wf_gpu_shared(wf_gpu_block *block, const char *name, wf_dtype type, int rank, const int64_t *shape);
// The digits of chunk*size + within, 0 <= within < size: kept apart where radices allow.
void wf_gpu_digits(const wf_dim *chunk, int64_t size, const wf_dim *within, const wf_dim *const *extents, int count, const wf_dim **out_digits);
// `block` itself where index < extent always holds, else the body of an `if`.
wf_block *wf_gpu_below(wf_draft *draft, wf_block *block, const wf_dim *index, const wf_dim *extent);

// ---- gpu_nest.c: a thread a point ----
void wf_gpu_nest(wf_draft *draft, wf_op **members, int count, int fastest);

// ---- gpu_rows.c: a team a row ----
typedef struct wf_gpu_teams {
  int lanes;                     // threads of a team, a power of two
  bool columns;                  // neighbouring threads are of different teams; else of one
} wf_gpu_teams;
void wf_gpu_rows(wf_draft *draft, wf_op **members, int count, int shared, int fastest, wf_gpu_teams teams);

// ---- gpu_homes.c: where the values of a row live ----
typedef enum wf_gpu_home {
  WF_HOME_NONE,                  // nobody in the part reads it
  WF_HOME_SCALAR,                // a register of every thread of the team
  WF_HOME_REGISTER,              // registers: each thread has the points that it makes and reads
  WF_HOME_SHARED, WF_HOME_GLOBAL // read after a barrier
} wf_gpu_home;
// The points of a member that its team shares: its own axes after the shared ones, or its reduction axes where it has none.
int wf_gpu_own_axes(const wf_op *member, int shared, const wf_atom *const **out_axes);
// Chooses homes, one a member. Values that fit nowhere are computed again by their readers, or become results of the launch.
// A round is one access of each thread of a team: `lanes` threads times `width` elements.
void wf_gpu_choose_homes(wf_gpu_block *block, wf_op **members, int count, int shared, int lanes, int width, wf_gpu_home *out_homes);
// Registers of one thread for the points of a row, whole rounds; 0: too many, or not known.
int wf_gpu_registers(const wf_dim *points, int lanes, int width);

// ---- gpu_keep.c ----
// Adds members that read an operand once for several others, where it fits registers; at most `most` in all. Returns the count.
int wf_gpu_keep_operands(wf_function *function, wf_op **members, int count, int most, int shared, int lanes, int width);

// ---- gpu_split.c ----
// Rewrites `op` to a sum of the parts that *out_partial makes (unlinked). False where the op fills the machine as it is.
bool wf_gpu_split_reduction(wf_function *function, wf_op *op, wf_op **out_partial);
void wf_gpu_order_reduction(wf_module *module, const wf_op *op, int *out_order);   // outermost in memory first

// ---- gpu_scatter.c ----
void wf_gpu_scatter(wf_draft *draft, wf_op *op);

// ---- gpu_cost.c ----
// Bytes moved, sector by sector, and operations of one point where neighbouring threads run along the axis (NULL: along none).
double wf_gpu_access_cost(wf_module *module, const wf_op *member, const wf_atom *axis, bool stores);
// Neighbouring threads run along the axis, of the first `shared`, on which accesses move least; ties go to the innermost. -1: none
// is longer than 1.
int wf_gpu_fastest_axis(wf_draft *draft, wf_op *const *members, int count, int shared);
double wf_gpu_nest_cost(wf_module *module, const wf_op *op);
#endif
