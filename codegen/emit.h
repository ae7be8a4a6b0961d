// Shared by the emit_*.c files: the state of lowering one kernel to LLVM IR.
//
// A value of the kernel IR is a scalar of LLVM IR where it is the same for all lanes of the enclosing vector loop and a
// vector <lanes x T> where it varies. Storage types: bf16, f16 and fp8 are integers of their width, bool is a byte of 0 or 1.
// Computing types: f32 for narrow floats, i1 for bool, i8 (unsigned) for u8.
#ifndef WEFT_CODEGEN_EMIT_H
#define WEFT_CODEGEN_EMIT_H
#include <llvm-c/Core.h>
#include "codegen/compile.h"
#include "ir/kir.h"

typedef LLVMValueRef wf_llvm;

typedef struct wf_pointer_map { const void **keys; void **values; int count, capacity; } wf_pointer_map;
void *wf_pointer_map_get(const wf_pointer_map *map, const void *key);
void wf_pointer_map_set(wf_pointer_map *map, wf_arena *arena, const void *key, void *value);

typedef enum wf_axis_kind { WF_AXIS_UNBOUND, WF_AXIS_VALUE, WF_AXIS_CONSTANT, WF_AXIS_LANE } wf_axis_kind;
typedef struct wf_axis_state {
  wf_axis_kind kind;
  wf_llvm value;                // VALUE: i64; for a GPU i32 where the axis fits
  int64_t constant;             // CONSTANT: an unrolled iteration
  int depth;                    // loops around the place where it was bound
} wf_axis_state;

typedef struct wf_emit_buffer {
  wf_value *value;
  wf_llvm base;
  const wf_layout *layout;
  int lanes;                    // > 0: allocated inside a vector loop, each element once a lane
  wf_llvm scope, others;        // alias scopes: its own (NULL: shared with nothing that we know), those it never meets
} wf_emit_buffer;

enum { WF_MAX_HOISTS = 32 };
typedef struct wf_hoist { wf_llvm before; wf_pointer_map values; } wf_hoist;   // where quotients of a loop depth go; wf_atom -> value

typedef struct wf_emit {
  wf_module *module;
  const wf_kernel *kernel;
  const wf_target *target;
  wf_arena *arena;              // scratch for this kernel
  LLVMContextRef context;
  LLVMModuleRef unit;
  LLVMBuilderRef builder;
  wf_llvm function, symbols, scratch;
  LLVMBasicBlockRef entry;      // allocas go here
  LLVMTypeRef i1, i8, i16, i32, i64, f32, f64, pointer;
  wf_axis_state *axes; int axis_capacity;   // by atom id
  const wf_atom *const *program_symbols; int program_symbol_count;
  int depth;
  wf_hoist hoists[WF_MAX_HOISTS];   // GPU: by depth
  wf_llvm inserts_before;       // the builder stands before this instruction; NULL: at the end of its block
  const wf_atom *lane_axis;     // of the enclosing vector loop, NULL outside
  int lanes;                    // 0 outside a vector loop
  int lane_first;               // of the window of lanes that is emitted; 0 where all are emitted at once
  bool windowed;
  wf_llvm mask;                 // <lanes x i1> of the enclosing ifs, NULL: all lanes
  wf_pointer_map buffers;       // wf_value -> wf_emit_buffer
  wf_pointer_map bounds;        // GPU: wf_atom -> wf_interval
  wf_pointer_map proofs;        // wf_dim -> truth that it is >= 0, as 1 + (proved)
  struct { wf_llvm value; int generation; } *memo; int memo_count, generation;   // by expr id: common subexpressions of a statement
  const wf_dim *scratch_used, *scratch_peak;   // bytes
  int statements;               // emitted so far, counting unrolled copies
  unsigned scope_kind, noalias_kind, align_attribute;
  wf_llvm local_scope, local_others;   // alias scopes of LOCAL buffers
  bool failed;
} wf_emit;

// emit_build.c: LLVM instructions over scalars and vectors alike; a scalar meets a vector as a splat.
int wf_lanes_of(wf_llvm value);                                 // 0 for a scalar
LLVMTypeRef wf_element_type(wf_llvm value);
LLVMTypeRef wf_type_like(wf_llvm shape, LLVMTypeRef element);   // element, or a vector of as many lanes as shape
LLVMTypeRef wf_vector_type(LLVMTypeRef element, int lanes);     // element where lanes is 0
wf_llvm wf_splat(wf_emit *e, wf_llvm scalar, int lanes);        // as it is where lanes is 0 or it is a vector already
void wf_match(wf_emit *e, wf_llvm *a, wf_llvm *b);
wf_llvm wf_float_like(wf_emit *e, wf_llvm shape, double number);   // of shape's own float type
wf_llvm wf_int_like(wf_emit *e, wf_llvm shape, int64_t number);    // of shape's own integer type
wf_llvm wf_int_constant(LLVMTypeRef type, int64_t number);         // wrapped to the type's width
wf_llvm wf_i64(wf_emit *e, int64_t number);
wf_llvm wf_i32(wf_emit *e, int64_t number);
wf_llvm wf_binary(wf_emit *e, LLVMOpcode op, wf_llvm a, wf_llvm b);
wf_llvm wf_add_nsw(wf_emit *e, wf_llvm a, wf_llvm b);
wf_llvm wf_mul_nsw(wf_emit *e, wf_llvm a, wf_llvm b);
wf_llvm wf_icmp(wf_emit *e, LLVMIntPredicate predicate, wf_llvm a, wf_llvm b);
wf_llvm wf_fcmp(wf_emit *e, LLVMRealPredicate predicate, wf_llvm a, wf_llvm b);
wf_llvm wf_choose(wf_emit *e, wf_llvm condition, wf_llvm a, wf_llvm b);
wf_llvm wf_convert(wf_emit *e, LLVMOpcode op, wf_llvm a, LLVMTypeRef element);
wf_llvm wf_bits_as(wf_emit *e, wf_llvm a, LLVMTypeRef element); // bitcast, lane by lane
wf_llvm wf_intrinsic(wf_emit *e, const char *name, LLVMTypeRef *overloads, int overload_count, wf_llvm *args, int arg_count);
wf_llvm wf_intrinsic_like(wf_emit *e, const char *name, wf_llvm a);           // one operand, overloaded on its type
wf_llvm wf_intrinsic_like2(wf_emit *e, const char *name, wf_llvm a, wf_llvm b);
wf_llvm wf_multiply_add(wf_emit *e, wf_llvm a, wf_llvm b, wf_llvm c);   // fused where the target has it
wf_llvm wf_extract(wf_emit *e, wf_llvm vector, int lane);
wf_llvm wf_insert(wf_emit *e, wf_llvm vector, wf_llvm scalar, int lane);
wf_llvm wf_lane_numbers(wf_emit *e, LLVMTypeRef element, int lanes, int64_t first);   // first, first + 1, ...
wf_llvm wf_shuffle(wf_emit *e, wf_llvm vector, const int *lanes, int count);
wf_llvm wf_and_masks(wf_emit *e, wf_llvm a_or_null, wf_llvm b_or_null);
wf_llvm wf_alloca(wf_emit *e, LLVMTypeRef type, const char *name);   // in the entry block

// emit_dim.c: dims as i64 values; for a GPU computed in 32 bits where that is proved to fit.
void wf_open_hoist(wf_emit *e);                                // at the head of a section and of each loop of a GPU
wf_axis_state *wf_axis_of(wf_emit *e, const wf_atom *atom);
void wf_bind_axis(wf_emit *e, const wf_atom *atom, wf_axis_state state);
bool wf_proved_nonnegative(wf_emit *e, const wf_dim *dim);
const wf_dim *wf_specialise(wf_emit *e, const wf_dim *dim);     // unrolled axes replaced by their constants
wf_llvm wf_emit_dim(wf_emit *e, const wf_dim *dim);             // scalar, or a vector where it mentions the lane axis
wf_llvm wf_emit_index(wf_emit *e, const wf_dim *dim);           // the same as i32 where a GPU computes it so
wf_llvm wf_emit_pointer(wf_emit *e, LLVMTypeRef element, wf_llvm base, const wf_dim *offset);   // offset: no lane axis
// rest + coefficient * the first lane emitted
const wf_dim *wf_lane_rest(wf_emit *e, const wf_dim *coefficient, const wf_dim *rest);
wf_llvm wf_emit_nonnegative(wf_emit *e, const wf_dim *dim);     // i1, or a mask where it mentions the lane axis

// emit_convert.c: between storage and computing types.
LLVMTypeRef wf_storage_type(wf_emit *e, wf_dtype type);
LLVMTypeRef wf_compute_type(wf_emit *e, wf_dtype type);
wf_llvm wf_from_storage(wf_emit *e, wf_dtype type, wf_llvm raw);
wf_llvm wf_to_storage(wf_emit *e, wf_dtype type, wf_llvm value);
wf_llvm wf_emit_cast(wf_emit *e, wf_dtype from, wf_dtype to, wf_llvm value);

// emit_memory.c
wf_emit_buffer *wf_buffer_of(wf_emit *e, wf_value *value);
wf_llvm wf_emit_read(wf_emit *e, const wf_expr *read);
void wf_emit_store(wf_emit *e, const wf_stmt *store);

// emit_expr.c
wf_llvm wf_emit_expr(wf_emit *e, const wf_expr *expr);
wf_llvm wf_emit_combine(wf_emit *e, wf_combiner combiner, wf_dtype type, wf_llvm a, wf_llvm b);
wf_llvm wf_emit_constant(wf_emit *e, wf_dtype type, double number, int64_t integer);
int64_t wf_identity_int(wf_combiner combiner, wf_dtype type);   // wf_combiner_identity is a double and cannot hold INT64_MAX

// emit_math*.c: scalar functions by our own expansions. NULL where op is no such function.
wf_llvm wf_emit_math(wf_emit *e, wf_scalar op, wf_llvm a, wf_llvm b);

// emit_random.c
wf_llvm wf_emit_random(wf_emit *e, uint64_t site, wf_llvm seed, wf_llvm step, wf_llvm index);

// emit_kernel.c
typedef struct wf_emit_loop {
  LLVMBasicBlockRef body, after;
  wf_llvm counter, limit;
  bool keep;                    // not to be unrolled by anyone
} wf_emit_loop;
typedef struct wf_emit_nest { const wf_stmt *loops[16]; int count; const wf_block *body; } wf_emit_nest;
typedef struct wf_emitted_kernel { const wf_dim *tasks, *scratch_bytes; } wf_emitted_kernel;
LLVMBasicBlockRef wf_new_block(wf_emit *e, const char *name);
// A rotated loop: the body runs at least once, behind a guard where the range may be empty.
wf_emit_loop wf_open_loop(wf_emit *e, const char *name, wf_llvm first, wf_llvm limit, bool may_be_empty);
void wf_close_loop(wf_emit *e, wf_emit_loop *loop);
void wf_emit_block(wf_emit *e, const wf_block *block);
wf_emit_buffer *wf_add_buffer(wf_emit *e, wf_value *value);     // its base is the caller's to set
// Parameters with their base addresses; those that are distinct get alias scopes.
void wf_bind_params(wf_emit *e, const char *entry, const bool *distinct, const wf_llvm *bases);
wf_emit_nest wf_leading_loops(const wf_block *section);         // the TASK or GRID loops around all else
const wf_dim *wf_section_tasks(const wf_kernel *kernel, const wf_block *section);
// Adds the kernel's entry function to `unit` under `entry`. program_symbols: the order of the host entry's symbols argument.
// distinct: by parameter, true where no other parameter shares its storage (may be NULL). False with an error in the module's diag.
bool wf_emit_kernel(const wf_kernel *kernel, const wf_target *target, LLVMContextRef context, LLVMModuleRef unit, const char *entry,
                    const wf_atom *const *program_symbols, int symbol_count, const bool *distinct, wf_emitted_kernel *out);
// Tasks (GPU: blocks) of a kernel without emitting it: the sum over sections of the products of their leading loops.
const wf_dim *wf_kernel_tasks(const wf_kernel *kernel);

// emit_tasks.c: the entry of a host kernel. emit_threads.c: the entry of a thread program, barrier and reduce.
void wf_emit_task_entry(wf_emit *e, const char *entry, const bool *distinct);
void wf_emit_thread_entry(wf_emit *e, const char *entry, const bool *distinct);
void wf_emit_together(wf_emit *e, const wf_stmt *stmt);
int wf_kernel_shared_bytes(const wf_kernel *kernel);            // of a block
void wf_set_function_attribute(wf_emit *e, const char *name, const char *value);

// emit_memory.c: one element, as it is stored.
wf_llvm wf_load_element_raw(wf_emit *e, wf_emit_buffer *buffer, const wf_expr *const *indices);
void wf_store_element_raw(wf_emit *e, wf_emit_buffer *buffer, const wf_expr *const *indices, wf_llvm raw);
#endif
