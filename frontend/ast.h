// The syntax tree of a .net file: arena nodes, each with its place. What the grammar accepts and no more: names are not
// resolved and nothing is checked. docs/language.md is the reference.
#ifndef WEFT_FRONTEND_AST_H
#define WEFT_FRONTEND_AST_H
#include "ir/arena.h"
#include "ir/diag.h"

typedef struct wf_ast_expr wf_ast_expr;
typedef struct wf_ast_stmt wf_ast_stmt;
typedef struct wf_ast_decl wf_ast_decl;

typedef enum wf_ast_expr_kind {
  WF_E_INT,          // integer; text is the spelling
  WF_E_FLOAT,        // number; text is the spelling (`inf` too)
  WF_E_STRING,       // text: contents with escapes resolved; raw: as written, with quotes
  WF_E_BOOL,         // integer 0 or 1
  WF_E_NAME,         // text
  WF_E_LIST,         // [args...]
  WF_E_UNARY,        // op a
  WF_E_BINARY,       // a op b
  WF_E_CONDITIONAL,  // a if b else c
  WF_E_CALL,         // text(args...) [as instance]; `min max` as functions too
  WF_E_READ,         // a[items...] [else b]; a is NAME, or any primary for compile-time lists
  WF_E_REDUCE,       // text[items...] a, text one of sum max min prod argmax argmin
  WF_E_PIPE,         // a |> b, b is a NAME or a CALL (its `as` is in b->instance)
  WF_E_RANGE,        // a..b
} wf_ast_expr_kind;

typedef enum wf_ast_operator {
  WF_OP_ADD, WF_OP_SUB, WF_OP_MUL, WF_OP_DIV, WF_OP_FLOORDIV, WF_OP_MOD, WF_OP_POW,
  WF_OP_LT, WF_OP_LE, WF_OP_GT, WF_OP_GE, WF_OP_EQ, WF_OP_NE, WF_OP_AND, WF_OP_OR,
  WF_OP_NEG, WF_OP_NOT,
} wf_ast_operator;
extern const char *const wf_ast_operator_text[];   // "+", "and", ...

// One entry between [ and ] of a read, a definition's left side, a reduction's binders, a shape or a shard.
typedef struct wf_ast_item {
  wf_loc loc;
  bool rest;                    // `..`
  wf_ast_expr *value;           // NULL for `..`
  wf_ast_expr *extent;          // `value: extent`, else NULL
} wf_ast_item;
typedef WF_VEC(wf_ast_item) wf_ast_items;

typedef struct wf_ast_arg { wf_loc loc; const char *name; wf_ast_expr *value; } wf_ast_arg;   // name NULL: positional
typedef WF_VEC(wf_ast_arg) wf_ast_args;

typedef struct wf_ast_instance { wf_loc loc; const char *name; wf_ast_expr *index; } wf_ast_instance;   // as name[index]

struct wf_ast_expr {
  wf_ast_expr_kind kind;
  wf_loc loc;
  int depth;                    // levels below
  int parens;                   // written inside so many pairs of parentheses (loc is without them)
  const char *text, *raw;
  int64_t integer;
  double number;
  wf_ast_operator op;
  wf_ast_expr *a, *b, *c;
  wf_ast_args args;
  wf_ast_items items;
  wf_ast_instance *instance;
};

// f32[n, 2*h], T[..], int, int[], op, list
typedef struct wf_ast_type {
  wf_loc loc;
  const char *name;
  bool has_shape;               // `int` has none, `int[]` and `f32[]` have an empty one
  wf_ast_items shape;
} wf_ast_type;

typedef enum wf_ast_stmt_kind {
  WF_ST_ASSIGN,     // names = value           (one name or several)
  WF_ST_LET,        // let names[0] = value
  WF_ST_DEFINE,     // names[0][items] = value
  WF_ST_SCATTER,    // names[0][items] += value; text: "+=", "max=", "min="
  WF_ST_DECLARE,    // names[0]: type
  WF_ST_RETURN,     // return values
  WF_ST_CALL,       // value: a call for its effect: error, assert
  WF_ST_FOR,        // for names[0] in value { body }
  WF_ST_IF,         // if value { body } else { otherwise }; `else if` is an IF alone in otherwise
  WF_ST_LOOP,       // loop names[0]: value [reverse] [carry carries] { body }
  WF_ST_NEXT,       // next names[0] = value
  WF_ST_YIELD,      // yield names[0] = value
  WF_ST_PARAM,      // param names[0]: type = value
  WF_ST_STATE,      // state names[0]: type = value
  WF_ST_UPDATE,     // update names[0] = value
  WF_ST_SHARD,      // shard names[0][items]; items are `axis: mesh dimension` (or a list of them)
  WF_ST_STAGE,      // stage value { body }
  WF_ST_LABELS,     // labels value
  WF_ST_TOP,        // top value
} wf_ast_stmt_kind;

typedef WF_VEC(wf_ast_stmt *) wf_ast_block;
typedef struct wf_ast_name { wf_loc loc; const char *text; } wf_ast_name;
typedef struct wf_ast_carry { wf_ast_name name; wf_ast_expr *value; } wf_ast_carry;

struct wf_ast_stmt {
  wf_ast_stmt_kind kind;
  wf_loc loc;
  WF_VEC(wf_ast_name) names;
  const char *text;
  wf_ast_items items;
  wf_ast_type *type;
  wf_ast_expr *value;
  WF_VEC(wf_ast_expr *) values;
  WF_VEC(wf_ast_carry) carries;
  bool reverse, has_else;
  wf_ast_block body, otherwise;
};

typedef enum wf_ast_decl_kind { WF_D_IMPORT, WF_D_LET, WF_D_OP, WF_D_NET, WF_D_OPTIMIZER, WF_D_TRAIN, WF_D_MESH } wf_ast_decl_kind;

typedef struct wf_ast_formal { wf_loc loc; const char *name; wf_ast_type *type; wf_ast_expr *otherwise; } wf_ast_formal;
typedef WF_VEC(wf_ast_formal) wf_ast_formals;
typedef struct wf_ast_field { wf_loc loc; const char *name; WF_VEC(wf_ast_expr *) values; } wf_ast_field;   // of a train block

struct wf_ast_decl {
  wf_ast_decl_kind kind;
  wf_loc loc;                   // IMPORT, LET: all of it; else the head up to the brace
  wf_loc name_loc;
  const char *name;             // IMPORT: the path; TRAIN: the net's name
  wf_ast_formals arguments;     // tensors
  wf_ast_formals parameters;    // compile-time, after `;`
  bool named_results;
  wf_ast_formals results;       // name NULL unless named_results
  WF_VEC(wf_ast_expr *) where;
  wf_ast_block body;
  wf_ast_expr *value;           // LET
  wf_ast_args args;             // TRAIN: compile-time arguments; MESH: dimensions
  WF_VEC(wf_ast_field) fields;  // TRAIN
  wf_loc end;                   // the closing brace
};

typedef struct wf_ast_comment { wf_loc loc; const char *text; } wf_ast_comment;   // text as written, with its slashes

typedef struct wf_ast_file {
  const wf_source *source;
  wf_arena *arena;
  WF_VEC(wf_ast_decl *) decls;
  WF_VEC(wf_ast_comment) comments;
} wf_ast_file;

// Parses a whole file. Errors go to diag (several in one run); what could be read is returned all the same. Nesting
// deeper than max_nesting (0: 200) is an error.
wf_ast_file *wf_parse_net(wf_arena *arena, wf_diag *diag, const wf_source *source);

// fmt: the file in the one layout, comments kept, at most one blank line in a row. format(format(x)) == format(x).
void wf_ast_format(wf_text *out, const wf_ast_file *file);
// --emit ast: one node a line, children indented.
void wf_ast_dump(wf_text *out, const wf_ast_file *file);
void wf_ast_print_expr(wf_text *out, const wf_ast_expr *expr);   // on one line, as the formatter writes it
void wf_ast_print_type(wf_text *out, const wf_ast_type *type);

wf_loc wf_loc_join(wf_loc first, wf_loc last);
#endif
