// The syntax tree of PTX text, in an arena. Opcodes stay words ("ld.global.v4.f32"); decode.c gives them meaning.
#ifndef WEFT_SIMT_PTX_TREE_H
#define WEFT_SIMT_PTX_TREE_H
#include <stdbool.h>
#include "ir/arena.h"
#include "runtime/status.h"

typedef struct ptx_place { int line, column; } ptx_place;

typedef enum ptx_operand_kind {
  PTX_NAME,      // register, special register, variable, label, function; name + integer in an initialiser
  PTX_INTEGER,
  PTX_FLOAT32,   // 0f3F800000: integer holds the bits
  PTX_FLOAT64,   // 0d..., or a decimal number: integer holds the bits
  PTX_ADDRESS,   // [name + integer], [integer], [name, item...]
  PTX_VECTOR,    // {item, ...}
  PTX_LIST,      // (item, ...)
  PTX_PAIR       // item|item
} ptx_operand_kind;

typedef struct ptx_operand ptx_operand;
typedef struct ptx_operands { WF_VEC(ptx_operand *) list; } ptx_operands;
struct ptx_operand {
  ptx_operand_kind kind;
  ptx_place place;
  bool negated;        // !p, or -x before a name
  const char *name;    // NULL in an address: absolute
  int64_t integer;
  ptx_operands items;
};

typedef struct ptx_variable {
  ptx_place place;
  const char *space;   // "reg", "param", "shared", "global", "const", "local"
  const char *type;    // "b32"
  const char *name;
  int vector;          // 1, 2, 4
  uint32_t align;      // 0: not given
  int count;           // of %r<count>; -1: one register of that name
  int64_t elements;    // of an array; -1: []; 0: a scalar
  bool external;
  ptx_operand *initial;
} ptx_variable;
typedef struct ptx_variables { WF_VEC(ptx_variable *) list; } ptx_variables;

typedef enum ptx_statement_kind {
  PTX_INSTRUCTION, PTX_LABEL, PTX_VARIABLE, PTX_OPEN, PTX_CLOSE, PTX_LOC, PTX_TARGETS
} ptx_statement_kind;

typedef struct ptx_statement {
  ptx_statement_kind kind;
  ptx_place place;
  const char *word;        // opcode, or a label's name
  const char *guard;       // predicate's name; NULL: none
  bool guard_negated;
  ptx_operands operands;   // TARGETS: the labels
  ptx_variable *variable;
  int file, line, column;  // LOC
} ptx_statement;
typedef struct ptx_statements { WF_VEC(ptx_statement *) list; } ptx_statements;

typedef struct ptx_function {
  ptx_place place;
  const char *name;
  bool entry, body;
  ptx_variables results, parameters;
  ptx_statements statements;
  uint32_t required_threads[3], maximum_threads[3];   // zeros: not given
} ptx_function;

typedef struct ptx_file { int number; const char *name; } ptx_file;

typedef struct ptx_tree {
  wf_arena *arena;
  WF_VEC(ptx_function *) functions;
  ptx_variables variables;
  WF_VEC(ptx_file) files;
  // while parsing
  const char *source;
  int line, column;
  int depth;               // of initialisers
  ptx_variable head;       // the declaration at hand: what stands before the names
  ptx_function *function;
  ptx_place error_place;
  const char *error;       // the first
} ptx_tree;

// The tree lives in arena. Errors are "source:line:column: what".
weft_status *ptx_read(wf_arena *arena, const char *source, const char *text, uint64_t size, ptx_tree **out);

// For the parser.
void ptx_fail(ptx_tree *tree, ptx_place place, const char *format, ...) __attribute__((format(printf, 3, 4)));
ptx_operand *ptx_operand_new(ptx_tree *tree, ptx_operand_kind kind, ptx_place place);
ptx_statement *ptx_statement_add(ptx_tree *tree, ptx_statement_kind kind, ptx_place place);
ptx_variable *ptx_variable_new(ptx_tree *tree, ptx_place place, const char *name, int64_t elements);
void ptx_read_loc(ptx_tree *tree, ptx_place place, const char *text);
void ptx_read_file(ptx_tree *tree, const char *text);

#endif
