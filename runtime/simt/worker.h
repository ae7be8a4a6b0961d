// The executing side of the PTX machine: decoded instructions, warps, the block that a host thread runs.
//
// Registers are [register][lane]: a 32-bit register is 32 consecutive words. A predicate is one word, a bit a lane.
// Handlers do one instruction for the lanes in warp->mask; lanes that have exited may be overwritten.
#ifndef WEFT_SIMT_WORKER_H
#define WEFT_SIMT_WORKER_H
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "runtime/simt/machine.h"
#include "runtime/simt/types.h"

enum { LANES = 32, SIMT_WARPS = 32, SIMT_BARRIERS = 16, SIMT_SHARED_LIMIT = 227 * 1024 };

// Generic addresses of spaces that are no host memory: no host pointer has these top bytes.
#define SIMT_SHARED_WINDOW 0x0100000000000000ull
#define SIMT_LOCAL_WINDOW 0x0200000000000000ull
#define SIMT_PARAM_WINDOW 0x0300000000000000ull
#define SIMT_WINDOW_MASK 0xff00000000000000ull

typedef enum simt_space { SPACE_GENERIC, SPACE_GLOBAL, SPACE_SHARED, SPACE_LOCAL, SPACE_PARAM, SPACE_CONST } simt_space;

typedef struct simt_warp simt_warp;
typedef struct simt_block simt_block;
typedef struct simt_instruction simt_instruction;
typedef void (*simt_handler)(simt_warp *w, const simt_instruction *i);

typedef enum simt_kind {
  KIND_PLAIN,        // registers only: cannot fault
  KIND_MEMORY,       // may fault
  KIND_BRANCH, KIND_TABLE_BRANCH, KIND_EXIT, KIND_TRAP,
  KIND_WARP_SYNC,    // waits for the lanes of a mask (operand c; NONE: all that live), then `run`
  KIND_BARRIER
} simt_kind;

#define SIMT_NONE UINT32_MAX

struct simt_instruction {
  simt_handler run;
  simt_handler inner;              // what a wrapper in `run` (rounding, saturation) does
  uint32_t d, a, b, c;             // offsets in the registers, or | 0x80000000 in the constants
  uint32_t e;                      // a second predicate destination, a predicate operand; SIMT_NONE: none
  uint32_t guard;                  // SIMT_NONE: none
  uint32_t target;                 // pc
  uint8_t kind, guard_negated, op, compare, combine, negated;   // op: of atomics, votes, shuffles...
  uint8_t type, from;              // simt_type
  uint8_t space, width, register_bytes, address_bytes;
  uint8_t rounding, flush, saturate, strong, count;
  int64_t offset;
  const uint32_t *more;            // operands beyond d, a, b, c: vectors, fragments, branch targets
  const char *text;                // the opcode
  int32_t line;                    // in the PTX
  int32_t place;                   // in module->places; -1: none
};

static inline void *simt_at(uint8_t *const *base, uint32_t operand) { return base[operand >> 31] + (operand & 0x7fffffff); }

// ---- shared memory's shadow -------------------------------------------------------------------------------------

enum { LANE_MANY = 0xff, LANE_SEVERAL_SAME = 0xfe };   // lanes of one warp; the latter: more than one, same bytes

typedef struct simt_touch {   // clock 0: nobody
  uint32_t clock;             // of the warp that touched
  uint32_t step;              // the block's steps then: lanes of one instruction do not race here
  uint8_t warp, lane, mask, strong;
} simt_touch;
typedef struct simt_shared_cell { simt_touch write, read[2]; } simt_shared_cell;   // one a word

// ---- warps ------------------------------------------------------------------------------------------------------

typedef struct simt_copy {    // a cp.async on its way
  uint64_t from;              // host address
  uint32_t to;                // shared offset
  uint8_t bytes, source_bytes, lane;
  bool done;                  // the seed let it complete at once
  uint32_t group;
} simt_copy;

struct simt_warp {
  uint8_t *base[2];           // registers, constants
  uint32_t mask;              // lanes that execute the instruction at hand
  uint32_t live;              // neither exited nor beyond the block
  uint32_t pc, group;         // the lanes that go on together, and where
  uint32_t blocked;           // lanes that wait
  uint32_t carry;             // CC.CF, a bit a lane
  uint32_t lane_pc[LANES];    // of lanes outside the group
  uint32_t waiting[SIMT_BARRIERS];   // subsets of blocked
  const simt_instruction *waiting_for[SIMT_BARRIERS];
  int index;
  simt_block *block;
  uint8_t *local, *local_initialised;   // [lane][local_bytes]
  uint32_t clock[SIMT_WARPS]; // what this warp knows of every warp's progress; its own at [index]
  uint32_t committed[LANES];  // cp.async groups
  simt_copy *copies;
  int copy_count, copy_capacity;
  simt_allocation *last;      // the allocation that was accessed last
};

typedef struct simt_barrier {
  uint32_t arrived, expected; // threads; expected 0: all that live
  bool used;
  uint32_t clock[SIMT_WARPS]; // joined over arrivals
  uint32_t red_count, red_and, red_or;
} simt_barrier;

typedef struct simt_fault {
  bool happened;
  char what[320];
  const simt_instruction *instruction;
  uint32_t lanes;
  int warp;
  bool has_address;
  uint64_t address;
} simt_fault;

typedef struct simt_launch simt_launch;

struct simt_block {
  simt_launch *launch;
  uint64_t index;             // linear
  uint32_t id[3];
  simt_warp warp[SIMT_WARPS];
  int warps;
  uint32_t live;              // threads
  simt_barrier barrier[SIMT_BARRIERS];
  uint8_t *shared, *shared_initialised;
  simt_shared_cell *cells;
  uint32_t shared_bytes;
  uint32_t clock_base;
  uint32_t releases;          // of barriers
  uint64_t steps;
  uint64_t random;
  simt_fault fault;
  weft_simt_row row;          // this worker's counts
};

struct simt_worker {
  simt_block block;
  uint8_t *frames, *locals, *local_shadows;
  size_t frame_bytes, local_bytes;
};

// ---- kernels ----------------------------------------------------------------------------------------------------

typedef enum simt_special_kind {
  SPECIAL_TID, SPECIAL_NTID, SPECIAL_CTAID, SPECIAL_NCTAID, SPECIAL_LANEID, SPECIAL_WARPID, SPECIAL_NWARPID, SPECIAL_ZERO,
  SPECIAL_ONE, SPECIAL_LANEMASK_EQ, SPECIAL_LANEMASK_LE, SPECIAL_LANEMASK_LT, SPECIAL_LANEMASK_GE, SPECIAL_LANEMASK_GT,
  SPECIAL_DYNAMIC_SHARED, SPECIAL_TOTAL_SHARED, SPECIAL_CLOCK, SPECIAL_CLOCK_HI, SPECIAL_CLOCK64
} simt_special_kind;

typedef struct simt_special { simt_special_kind kind; int axis; uint32_t offset; } simt_special;
typedef struct simt_parameter { const char *name; uint32_t offset, bytes, align; } simt_parameter;
typedef struct simt_place { int file, line, column; } simt_place;

struct weft_simt_kernel {
  const char *name;
  weft_simt_module *module;
  simt_instruction *code;
  int count;
  uint8_t *constants;
  uint32_t frame_bytes;       // a warp's registers
  uint32_t shared_bytes, local_bytes, parameter_bytes;
  simt_special *specials;
  int special_count;
  simt_parameter *parameters;
  int parameter_count;
  uint32_t required_threads[3], maximum_threads[3];
  bool ordered;               // what it computes depends on the order of blocks: float or returning atomics
  bool synchronises;          // has fences or acquire/release of its own beyond the block
};

struct weft_simt_module {
  weft_simt *machine;
  weft_simt_module *next;
  wf_arena *arena;
  const char *name;
  weft_simt_kernel **kernels;
  int kernel_count;
  simt_place *places;
  int place_count;
  const char **files;         // by .file number
  int file_count;
  struct simt_variable *variables;   // .global and .const
  int variable_count;
};
typedef struct simt_variable { const char *name; void *address; uint64_t bytes; } simt_variable;

struct simt_launch {
  weft_simt *machine;
  const weft_simt_kernel *kernel;
  uint32_t grid[3], block[3];
  uint32_t dynamic_shared;
  uint8_t *parameters;
  bool check_races;           // of global memory
  bool concurrent;            // blocks run on several host threads
  uint64_t number;
};

static inline uint32_t simt_at_barriers(const simt_warp *w) {   // lanes that wait for the block
  uint32_t lanes = 0;
  for (int id = 0; id < SIMT_BARRIERS; id++) lanes |= w->waiting[id];
  return lanes;
}

// Records the block's first fault. lanes: those at fault.
void simt_fail(simt_warp *w, const simt_instruction *i, uint32_t lanes, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void simt_fail_at(simt_warp *w, const simt_instruction *i, int lane, uint64_t address, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

// ---- execution (execute.c, warp.c, barrier.c) -------------------------------------------------------------------

// Runs the block to its end or first fault.
void simt_run_block(simt_block *block);
// Runs the warp until it ends, blocks or has had its turn. False: it could not take a step.
bool simt_run_warp(simt_warp *w);
void simt_barrier_arrive(simt_warp *w, const simt_instruction *i);
void simt_barrier_check(simt_block *block);   // after threads exited
void simt_tell_stuck(simt_block *block);

// ---- memory access (access.c, shared_access.c, async.c) ---------------------------------------------------------

typedef enum simt_access { ACCESS_READ, ACCESS_WRITE, ACCESS_ATOMIC } simt_access;
static inline const char *simt_verb(simt_access access) {
  return access == ACCESS_READ ? "read" : access == ACCESS_WRITE ? "write" : "atomic access";
}
// All of the bytes hold 1.
static inline bool simt_written(const uint8_t *initialised, uint32_t bytes) {
  switch (bytes) {
    case 4: {
      uint32_t x;
      memcpy(&x, initialised, 4);
      return x == 0x01010101;
    }
    case 8:
    case 16: {
      uint64_t x, y;
      memcpy(&x, initialised, 8);
      memcpy(&y, initialised + bytes - 8, 8);
      return x == 0x0101010101010101 && x == y;
    }
    default:
      for (uint32_t k = 0; k < bytes; k++)
        if (initialised[k] != 1) return false;
      return true;
  }
}

// Checks accesses of the lanes in mask and gives their host pointers. False: a fault.
bool simt_resolve(simt_warp *w, const simt_instruction *i, uint32_t mask, const uint64_t *addresses, uint32_t bytes,
                  simt_access access, uint8_t **pointers);
bool simt_resolve_shared(simt_warp *w, const simt_instruction *i, uint32_t mask, const uint64_t *offsets, uint32_t bytes,
                         simt_access access, uint8_t **pointers);
void simt_addresses(simt_warp *w, const simt_instruction *i, uint64_t *addresses);
// Remembers a touch of a global word. False: it races with another (global_races.c, shared_access.c).
bool simt_touch_global(simt_warp *w, const simt_instruction *i, int lane, uint64_t address, uint32_t bytes, simt_allocation *in,
                       simt_access access);
bool simt_touch_shared(simt_warp *w, const simt_instruction *i, int lane, uint32_t offset, uint32_t bytes, simt_access access);

void simt_do_load(simt_warp *w, const simt_instruction *i);
void simt_do_store(simt_warp *w, const simt_instruction *i);
void simt_do_atomic(simt_warp *w, const simt_instruction *i);
void simt_do_fence(simt_warp *w, const simt_instruction *i);
void simt_do_nothing(simt_warp *w, const simt_instruction *i);
void simt_do_address_to_space(simt_warp *w, const simt_instruction *i);
void simt_do_address_to_generic(simt_warp *w, const simt_instruction *i);
void simt_do_is_space(simt_warp *w, const simt_instruction *i);

void simt_do_copy_async(simt_warp *w, const simt_instruction *i);
void simt_do_copy_commit(simt_warp *w, const simt_instruction *i);
void simt_do_copy_wait(simt_warp *w, const simt_instruction *i);
void simt_copies_finish(simt_warp *w, uint32_t lanes, uint32_t pending);

// ---- collectives (collective.c, matrix.c) -----------------------------------------------------------------------

enum { SHUFFLE_UP, SHUFFLE_DOWN, SHUFFLE_BUTTERFLY, SHUFFLE_INDEX };
enum { VOTE_ALL, VOTE_ANY, VOTE_UNI, VOTE_BALLOT };
enum { ATOMIC_ADD, ATOMIC_MIN, ATOMIC_MAX, ATOMIC_EXCHANGE, ATOMIC_CAS, ATOMIC_AND, ATOMIC_OR, ATOMIC_XOR, ATOMIC_INC, ATOMIC_DEC };
void simt_do_shuffle(simt_warp *w, const simt_instruction *i);
void simt_do_vote(simt_warp *w, const simt_instruction *i);
void simt_do_match(simt_warp *w, const simt_instruction *i);
void simt_do_reduce(simt_warp *w, const simt_instruction *i);
void simt_do_warp_barrier(simt_warp *w, const simt_instruction *i);
void simt_do_active_mask(simt_warp *w, const simt_instruction *i);
void simt_do_elect(simt_warp *w, const simt_instruction *i);
void simt_do_load_matrix(simt_warp *w, const simt_instruction *i);
void simt_do_store_matrix(simt_warp *w, const simt_instruction *i);
void simt_do_mma(simt_warp *w, const simt_instruction *i);

// ---- conversions and odd operations, scalar (convert.c, float_ops.c) --------------------------------------------

void simt_do_convert(simt_warp *w, const simt_instruction *i);
void simt_do_convert_pair(simt_warp *w, const simt_instruction *i);
void simt_do_narrow(simt_warp *w, const simt_instruction *i);       // f16, bf16 and packed arithmetic
void simt_do_rounded(simt_warp *w, const simt_instruction *i);      // `inner` under another rounding or flush mode
void simt_do_saturated(simt_warp *w, const simt_instruction *i);    // `inner`, then clamped to [0, 1]
void simt_do_clock(simt_warp *w, const simt_instruction *i);
void simt_do_unpack(simt_warp *w, const simt_instruction *i);
void simt_do_pack(simt_warp *w, const simt_instruction *i);

// ---- lanes: arithmetic, compiled for several CPUs (lanes.inc) ---------------------------------------------------

#define SIMT_OPS(X)                                                                                                  \
  X(MOV) X(ADD) X(SUB) X(MUL_LO) X(MUL_HI) X(MUL_WIDE) X(MAD_LO) X(MAD_HI) X(MAD_WIDE) X(MUL24_LO) X(MUL24_HI)         \
  X(MAD24_LO) X(MAD24_HI) X(DIV) X(REM) X(MIN) X(MAX) X(MIN_NAN) X(MAX_NAN) X(ABS) X(NEG) X(AND) X(OR) X(XOR) X(NOT)   \
  X(CNOT) X(SHL) X(SHR) X(BFE) X(BFI) X(BREV) X(CLZ) X(FFIND) X(POPC) X(PRMT) X(LOP3) X(SHF_L_WRAP) X(SHF_L_CLAMP)     \
  X(SHF_R_WRAP) X(SHF_R_CLAMP) X(SZEXT_WRAP) X(SZEXT_CLAMP) X(BMSK_WRAP) X(BMSK_CLAMP) X(FNS) X(SAD) X(SLCT_S32)       \
  X(SLCT_F32) X(SELP) X(ADD_SAT) X(SUB_SAT) X(MAD_HI_SAT) X(CARRY_ADD) X(CARRY_SUB) X(CARRY_MAD_LO) X(CARRY_MAD_HI)            \
  X(DP4A) X(DP2A_LO) X(DP2A_HI) X(FMA) X(MUL) X(RCP) X(SQRT) X(RSQRT) X(EX2) X(LG2) X(SIN) X(COS) X(TANH) X(COPYSIGN)   \
  X(TEST) X(COMPARE) X(CVT_U32) X(CVT_S32) X(CVT_U64) X(CVT_F32) X(CVT_U16)

typedef enum simt_op {
#define X(name) OP_##name,
  SIMT_OPS(X)
#undef X
  SIMT_OP_COUNT
} simt_op;

enum { CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE, CMP_EQU, CMP_NEU, CMP_LTU, CMP_LEU, CMP_GTU, CMP_GEU, CMP_NUM, CMP_NAN };
enum { COMBINE_NONE, COMBINE_AND, COMBINE_OR, COMBINE_XOR };
enum { CARRY_IN = 1, CARRY_OUT = 2 };   // instruction->combine of the CARRY ops
enum { TEST_FINITE, TEST_INFINITE, TEST_NUMBER, TEST_NAN, TEST_NORMAL, TEST_SUBNORMAL };

typedef simt_handler simt_lanes_table[SIMT_OP_COUNT][SIMT_TYPE_COUNT];   // NULL: no such instruction
extern const simt_lanes_table simt_lanes_base, simt_lanes_v3;
const simt_lanes_table *simt_lanes(void);                                // for this CPU

// A compare's bits to its predicates or set's register.
void simt_compare_done(simt_warp *w, const simt_instruction *i, uint32_t bits);

static inline void simt_set_predicate(simt_warp *w, uint32_t operand, uint32_t bits) {
  if (operand == SIMT_NONE) return;
  uint32_t *p = simt_at(w->base, operand);
  *p = (*p & ~w->mask) | (bits & w->mask);
}

#endif
