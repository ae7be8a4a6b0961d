// From the syntax tree to decoded instructions: one kernel at a time, device functions written out where they are called.
#ifndef WEFT_SIMT_DECODE_H
#define WEFT_SIMT_DECODE_H
#include "runtime/simt/ptx_tree.h"
#include "runtime/simt/worker.h"

typedef enum simt_symbol_kind { SYMBOL_REGISTER, SYMBOL_RANGE, SYMBOL_VARIABLE, SYMBOL_LABEL, SYMBOL_TARGETS } simt_symbol_kind;

typedef struct simt_symbol {
  simt_symbol_kind kind;
  uint32_t offset, bytes, stride;   // registers: bytes 0 is a predicate
  int count;                        // of a range
  simt_space space;                 // variables: address is an offset in it, or a host address
  uint64_t address;
  bool dynamic;                     // .extern .shared: after all other shared variables
  uint32_t pc;                      // labels
  const ptx_statement *targets;     // of a .branchtargets
} simt_symbol;

typedef struct simt_scope {
  struct simt_scope *outer;
  wf_map names;
} simt_scope;

typedef struct simt_fixup { int instruction, slot; const char *label; simt_scope *scope; ptx_place place; } simt_fixup;

typedef struct simt_decoder {
  ptx_tree *tree;
  wf_arena *arena;
  weft_simt_module *module;
  weft_simt_kernel *kernel;
  const simt_lanes_table *lanes;
  wf_map *globals;            // module scope: symbols
  wf_map shared;              // module-level .shared variables that this kernel uses: symbols
  simt_scope *scope;
  WF_VEC(simt_instruction) code;
  WF_VEC(simt_special) specials;
  WF_VEC(simt_fixup) fixups;
  WF_VEC(int) dynamic_code;        // instructions whose offset is from the start of dynamic shared memory
  WF_VEC(uint32_t) dynamic_constants;
  uint8_t *constants;
  uint32_t constant_bytes, constant_capacity;
  wf_map constant_map;
  wf_map special_map;
  uint32_t registers;         // bytes of the frame so far
  uint64_t local_bytes, shared_bytes;
  int depth;                  // of calls
  const ptx_function *calling[16];
  const char *return_label;   // where `ret` goes; NULL: it ends the thread
  simt_scope *return_scope;
  int place;                  // in module->places; -1: none
  const ptx_statement *statement;
  bool failed;
} simt_decoder;

// An opcode's parts. Whatever no decoder takes is an error: a modifier is never dropped.
typedef struct simt_spelling {
  char root[24];
  char part[16][24];
  bool taken[16];
  int count;
} simt_spelling;

void simt_decode_fail(simt_decoder *d, ptx_place place, const char *format, ...) __attribute__((format(printf, 3, 4)));
// Decodes an entry. False: tree->error says why.
bool simt_decode_kernel(simt_decoder *d, const ptx_function *function);

// ---- spelling
bool simt_take(simt_spelling *sp, const char *part);
simt_type simt_take_type(simt_decoder *d, simt_spelling *sp);   // the next that is a type; an error where there is none
bool simt_take_rounding(simt_spelling *sp, uint8_t *rounding);  // rn rz rm rp rna
int simt_take_one(simt_spelling *sp, const char *const *names, int count);   // index of the one that is there; -1

// ---- operands
bool simt_operands(simt_decoder *d, int least, int most);
ptx_operand *simt_operand(simt_decoder *d, int index);
uint32_t simt_destination(simt_decoder *d, ptx_operand *operand, uint32_t bytes);   // "_": SIMT_NONE
uint32_t simt_source(simt_decoder *d, ptx_operand *operand, simt_type type);
uint32_t simt_predicate(simt_decoder *d, ptx_operand *operand, bool *negated);      // negated NULL: none allowed
uint32_t simt_constant(simt_decoder *d, uint64_t bits, uint32_t bytes);
const simt_symbol *simt_register(simt_decoder *d, const char *name);                // NULL: no register
const simt_symbol *simt_lookup(simt_decoder *d, const char *name);
uint32_t simt_register_bytes(simt_decoder *d, ptx_operand *operand);                // 0: no register
// Fills a, offset, address_bytes (and space LOCAL for parameters of device functions).
void simt_address_operand(simt_decoder *d, simt_instruction *i, ptx_operand *operand);

// ---- emission
simt_instruction *simt_emit(simt_decoder *d, simt_handler run, simt_kind kind);
simt_handler simt_lane_handler(simt_decoder *d, simt_op op, simt_type type);

typedef void (*simt_decode_function)(simt_decoder *d, simt_spelling *sp);
typedef struct simt_decode_row { const char *root; simt_decode_function decode; } simt_decode_row;
extern const simt_decode_row simt_decode_arithmetic[], simt_decode_memory[], simt_decode_warp[];   // end with NULL
void simt_do_predicate(simt_warp *w, const simt_instruction *i);

#endif
