// Shared by kir_interp.c (expressions, kernels of the host) and kir_interp_threads.c (blocks of threads).
#ifndef WEFT_IR_KIR_INTERP_H
#define WEFT_IR_KIR_INTERP_H
#include "ir/expr_internal.h"
#include "ir/kir.h"

typedef union wf_scalar_value { double f; int64_t i; } wf_scalar_value;

typedef struct wf_instruction { const wf_expr *node; int args[WF_MAX_RANK + 1]; } wf_instruction;   // args: earlier instructions

typedef struct wf_machine_code {          // a statement's expressions, operands first
  WF_VEC(wf_instruction) list;
  int indices[WF_MAX_RANK], value;
} wf_machine_code;

typedef struct wf_machine_step {
  const wf_stmt *stmt;
  wf_machine_code code;        // IF, STORE, REDUCE (indices)
  struct wf_machine_step *body; // FOR, IF
  int body_count;
} wf_machine_step;

typedef struct wf_machine {
  wf_arena *arena;             // scratch
  wf_diag *diag;
  const wf_kernel *kernel;
  bool round, failed;
  WF_VEC(int64_t) atoms;       // by atom id
  WF_VEC(wf_tensor *) buffers; // by wf_value.id
  wf_scalar_value *registers;   // of one thread's statement
  int register_count;
  int threads, thread;          // of a thread program: registers hold an element a thread; 0 threads: a kernel of the host
} wf_machine;

// What a store (or reduce) is about to do: the element and its new value.
typedef struct wf_pending_store { wf_tensor *tensor; int64_t at; wf_scalar_value value; } wf_pending_store;

bool wf_machine_failed(wf_machine *machine, const wf_stmt *stmt, const char *what);   // false, with an error
void wf_machine_set_atom(wf_machine *machine, const wf_atom *atom, int64_t value);
int64_t wf_machine_dim(wf_machine *machine, const wf_dim *dim);
bool wf_machine_condition(wf_machine *machine, const wf_machine_step *step);
bool wf_machine_prepare_store(wf_machine *machine, const wf_machine_step *step, wf_pending_store *out);
void wf_machine_write(const wf_pending_store *store);
// The element buffer[indices] of a reduce, in the current thread.
bool wf_machine_element(wf_machine *machine, const wf_machine_step *step, wf_pending_store *out);
wf_scalar_value wf_machine_combine(const wf_machine *machine, wf_combiner combiner, wf_dtype type, wf_scalar_value a, wf_scalar_value b);
void wf_machine_poison(wf_machine *machine, const wf_value *buffer);
// The section of a thread program: all blocks one after the other, the threads of a block in lockstep.
void wf_machine_run_blocks(wf_machine *machine, const wf_machine_step *steps, int count);
#endif
