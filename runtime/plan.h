// The plan: what the compiler hands to the runtime. A flat list of steps over buffers; sizes are formulas over symbols,
// so that one plan serves any batch. A program holds several plans (init, step, eval, infer) that share parameters and
// state by name. Nothing here knows the compiler.
#ifndef WEFT_RUNTIME_PLAN_H
#define WEFT_RUNTIME_PLAN_H
#include <stdbool.h>
#include <stdint.h>
#include "ir/types.h"

// A formula in reverse Polish order over the program's symbols.
typedef enum wf_formula_op { WF_F_CONST, WF_F_SYMBOL, WF_F_ADD, WF_F_MUL, WF_F_FLOORDIV } wf_formula_op;
typedef struct wf_formula_code { wf_formula_op op; int64_t value; } wf_formula_code;   // CONST: the value; SYMBOL: its index
typedef struct wf_formula { wf_formula_code *code; int count; } wf_formula;
int64_t wf_formula_eval(const wf_formula *formula, const int64_t *symbols);

typedef enum wf_buffer_role {
  WF_BUFFER_TEMP, WF_BUFFER_INPUT, WF_BUFFER_PARAM, WF_BUFFER_STATE, WF_BUFFER_OUTPUT, WF_BUFFER_CONST,
  WF_BUFFER_STEP, WF_BUFFER_SEED, WF_BUFFER_TOTAL   // i64 scalars that the runtime sets
} wf_buffer_role;

typedef struct wf_plan_buffer {
  char *name;                   // PARAM, STATE: the key shared with other plans and checkpoints. INPUT, OUTPUT: the public name
  wf_buffer_role role;
  wf_dtype dtype;
  int rank;
  wf_formula *extents;          // logical shape, outermost first
  int *order;                   // storage order of the logical axes (NULL: row-major). PARAM, INPUT, OUTPUT are row-major
  wf_formula elements;          // of storage
  int first_step, last_step;    // TEMP: lifetime, inclusive step indices; a step inside a LOOP counts as the whole LOOP
  int alias;                    // shares the storage of this buffer (in-place update, in-place elementwise), -1: own storage
  const void *data;             // CONST
} wf_plan_buffer;

typedef enum wf_step_kind { WF_STEP_LAUNCH, WF_STEP_COPY, WF_STEP_ZERO, WF_STEP_SORT, WF_STEP_LOOP } wf_step_kind;
typedef struct wf_plan_step {
  wf_step_kind kind;
  int kernel;                   // LAUNCH: index into the program's kernels
  int *args, arg_count;         // LAUNCH: buffers in the kernel's order; COPY: to, from; ZERO: buffer; SORT: values, indices (i64), from
  int sort_axis; bool descending;
  // LOOP: this symbol runs 0..trip-1 (trip-1..0 where reverse) over the next body_count steps
  int symbol;
  wf_formula trip; int body_count; bool reverse;
  // COPY inside a LOOP: element offsets into to and from (formulas over symbols, empty: 0) and the count copied (empty: all)
  wf_formula to_offset, from_offset, count;
} wf_plan_step;

// Host machine code of a kernel. buffers: base addresses in parameter order; symbols: the program's symbol values;
// runs tasks [begin, end); scratch: scratch_bytes of 64-byte aligned memory that no other running task uses.
typedef void (*wf_kernel_entry)(void *const *buffers, const int64_t *symbols, int64_t begin, int64_t end, void *scratch);

typedef struct wf_plan_kernel {
  char *name;                   // for people: "conv1.relu"
  char *entry;                  // symbol in the host object
  char *place;                  // "cnn.net:12"
  wf_formula tasks, scratch_bytes, flops, bytes;   // of a GPU kernel, tasks are the blocks of its grid (one dimension)
  wf_kernel_entry function;     // host code: bound by the loader
  // GPU: threads of a block (0: host code), static shared memory of a block; the entry takes a pointer for each argument of the
  // launch, then an i64 for each of these symbols (indices into the program's).
  int threads, shared_bytes;
  int *symbols, symbol_count;
} wf_plan_kernel;

typedef struct wf_plan {
  char *name;                   // init, step, eval, infer
  wf_plan_buffer *buffers; int buffer_count;
  wf_plan_step *steps; int step_count;
  // 0: a plan of its own. Else 1 + the index of another, with inputs and outputs of the same names, in whose place this one runs
  // where `condition` is 0 for the symbols that the inputs give that one; the first variant whose condition holds is taken.
  int variant_of;
  wf_formula condition;
} wf_plan;

typedef struct wf_fact_formula { wf_formula formula; bool zero; char *text; } wf_fact_formula;   // formula == 0, else >= 0

typedef struct wf_program {
  char **symbols; int symbol_count;   // extents, then LOOP counters
  wf_fact_formula *facts; int fact_count;
  wf_plan_kernel *kernels; int kernel_count;
  wf_plan *plans; int plan_count;
  char *schedule_hash;          // in checkpoints; a resume under another warns
  char *metadata;               // JSON: what the train block and the net say of data, labels, metrics (docs/runtime.md)
  char *target;                 // of the code that goes with it: "x86-64-v3", "native", "sm_80"; NULL: no code
} wf_program;
#endif
