// Kernel IR, level K1: a fused group with its schedule, as loops over tiles. Text form: docs/ir.md.
//
//   kernel @fc1(%x: f32[n, 784] in, %w: f32[10, 784] in, %y: f32[n, 10] out) {
//     for task i: n {
//       alloc %acc: f32[10] register
//       for unroll o: 10 { %acc[o] = 0 }
//       for serial c: 784 { for unroll o: 10 { %acc[o] += %x[i, c] * %w[o, c] } }
//       for unroll o: 10 { %y[i, o] = max(%acc[o], 0) }
//     }
//   }
//
// Every loop runs 0 <= axis < extent; tiles are written with two axes (y = yo*8 + yi) and an `if` where ragged. Scalar
// code is the same hash-consed wf_expr as in net IR; READ and STORE name buffers (wf_value with a space and a layout).
//
// A kernel for a GPU is a thread program (K2). Each of its sections is one nest of GRID loops around one THREAD loop:
//
//   kernel @rows(%x: f32[n, 1024] in, %y: f32[n] out) symbols(n) {
//     for grid i: n {                                   the points of the grid loops, row-major, are the section's blocks
//       alloc %part: f32[8] shared                      one a block; only between the grid loops and the thread loop
//       for thread t: 256 {                             constant, a multiple of 32, equal in all sections of a kernel
//         alloc %acc: f32[] register                    one a thread
//         %acc[] = 0
//         for serial c: 4 { %acc[] += %x[i, c*256 + t] }
//         reduce sum %acc[] lanes 32                    over 32 consecutive threads; every one of them gets the result
//         if t%32 == 0 { %part[t//32] = %acc[] }
//         barrier                                       all threads of the block
//         ...
//       }
//     }
//   }
//
// The blocks of the sections follow each other in one launch (a grid of one dimension). Threads of a block see each other's
// stores to shared (and global) memory after a barrier only. barrier and reduce stand where all threads of the block (of the
// warp) come together: under no condition and in no loop extent that differs between them.
#ifndef WEFT_IR_KIR_H
#define WEFT_IR_KIR_H
#include "ir/ir.h"

typedef enum wf_bind {
  WF_BIND_SERIAL,
  WF_BIND_TASK,     // outermost loops of a section: iterations may run at the same time, in any order
  WF_BIND_VECTOR,   // constant extent; all iterations of each statement inside happen together, lane = axis
  WF_BIND_UNROLL,   // constant extent
  WF_BIND_GRID, WF_BIND_CLUSTER, WF_BIND_WARPGROUP, WF_BIND_WARP, WF_BIND_LANE, WF_BIND_THREAD  // GPU
} wf_bind;
extern const char *const wf_bind_names[];

typedef enum wf_stmt_kind { WF_STMT_FOR, WF_STMT_IF, WF_STMT_ALLOC, WF_STMT_STORE, WF_STMT_BARRIER, WF_STMT_REDUCE } wf_stmt_kind;

typedef struct wf_stmt wf_stmt;
typedef struct wf_block { WF_VEC(wf_stmt *) list; } wf_block;

struct wf_stmt {
  wf_stmt_kind kind;
  wf_loc loc;
  // FOR
  const wf_atom *axis;
  wf_bind bind;
  // FOR, IF
  wf_block body;
  // IF: a bool expression. Inside a vector loop it masks lanes: masked reads do not touch memory.
  const wf_expr *condition;
  // ALLOC: space REGISTER (constant extents; indices constant once unrolled and vectorised) or LOCAL (per-task scratch,
  //        64-byte aligned; extents may hold symbols, never axes). Live until the enclosing block ends. Contents start undefined.
  //        SHARED (GPU: one a block, constant extents).
  // REDUCE: the register element buffer[indices] of `lanes` (a power of two, 2 to 32) consecutive threads is combined by a fixed
  //         butterfly: step lanes/2 first, down to 1.
  wf_value *buffer;             // ALLOC, STORE, REDUCE
  const wf_expr *const *indices;   // STORE, REDUCE: buffer->rank, i64
  int lanes;                    // REDUCE
  const wf_expr *value;
  wf_combiner combiner;         // NONE: assign. SUM, PROD, MAX, MIN: buffer[i] = combine(buffer[i], value); SUM of a product is an fma
};

struct wf_kernel {
  wf_module *module;
  const char *name;             // from the source: "fc1.relu", unique in the module
  WF_VEC(wf_value *) params;    // global buffers
  WF_VEC(bool) written;         // by params index: written (and perhaps read) or only read
  WF_VEC(const wf_atom *) symbols;   // run-time extents that the body uses
  WF_VEC(wf_block *) sections;  // independent task nests of one launch (no order between them); each starts with its ALLOC-free TASK loops
  const wf_dim *flops, *bytes;      // NULL: not known
  wf_loc loc;
  wf_map names, suffixes;       // buffer names, unique in the kernel
};

wf_kernel *wf_kernel_create(wf_module *module, const char *name, wf_loc loc);   // joins module->kernels
wf_value *wf_kernel_param(wf_kernel *kernel, const char *name, wf_dtype type, int rank, const wf_dim *const *shape,
                          const wf_layout *layout, bool written);
wf_block *wf_kernel_section(wf_kernel *kernel);
// Statement builders append to `block`; wf_stmt_for returns the loop's body.
wf_block *wf_stmt_for(wf_kernel *kernel, wf_block *block, wf_bind bind, const wf_dim *axis);   // axis: 1*axis atom
wf_block *wf_stmt_if(wf_kernel *kernel, wf_block *block, const wf_expr *condition);
wf_value *wf_stmt_alloc(wf_kernel *kernel, wf_block *block, const char *name, wf_space space, wf_dtype type, int rank,
                        const wf_dim *const *shape, const wf_layout *layout);
void wf_stmt_store(wf_kernel *kernel, wf_block *block, wf_value *buffer, const wf_expr *const *indices, wf_combiner combiner,
                   const wf_expr *value);
void wf_stmt_store_dims(wf_kernel *kernel, wf_block *block, wf_value *buffer, const wf_dim *const *indices, wf_combiner combiner,
                        const wf_expr *value);
void wf_stmt_barrier(wf_kernel *kernel, wf_block *block);
void wf_stmt_reduce(wf_kernel *kernel, wf_block *block, wf_value *buffer, const wf_dim *const *indices, wf_combiner combiner, int lanes);
void wf_stmt_reduce_at(wf_kernel *kernel, wf_block *block, wf_value *buffer, const wf_expr *const *indices, wf_combiner combiner, int lanes);
// Threads of a block: the extent of the THREAD loop, 0 for a kernel of the host.
int wf_kernel_threads(const wf_kernel *kernel);

void wf_print_kernel(wf_text *out, const wf_kernel *kernel);
// `text` may hold several kernels; they join the module. False with diagnostics.
bool wf_parse_kernels(wf_module *module, const wf_source *source);
bool wf_verify_kernel(const wf_kernel *kernel, wf_diag *diag);
// Two kernels with the same text after renaming values in order and dropping names are the same machine code.
const char *wf_kernel_canonical(wf_arena *arena, const wf_kernel *kernel);
// Naive interpreter in f64 (or rounding at stores): the oracle for code generators. buffers: one a parameter.
bool wf_kernel_ref_run(wf_arena *arena, wf_diag *diag, const wf_kernel *kernel, wf_tensor *const *buffers,
                       const int64_t *symbol_values, bool round);
#endif
