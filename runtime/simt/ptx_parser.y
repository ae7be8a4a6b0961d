%code requires {
// PTX text as the PTX manual writes it ("PTX ISA", sections 4 and 5): what LLVM and nvcc emit for kernels.
#include "runtime/simt/ptx_tree.h"
}
%define api.pure full
%define api.prefix {ptx_}
%define api.location.type {ptx_place}
%define parse.error verbose
%locations
%param { void *scanner }
%parse-param { ptx_tree *tree }
%expect 0

%code {
#define YYLLOC_DEFAULT(current, rhs, count) ((current) = (count) ? YYRHSLOC(rhs, 1) : YYRHSLOC(rhs, 0))

int ptx_lex(PTX_STYPE *value, ptx_place *place, void *scanner);

static void ptx_error(ptx_place *place, void *scanner, ptx_tree *tree, const char *message) {
  (void)scanner;
  ptx_fail(tree, *place, "%s", message);
}

static ptx_operand *value(ptx_tree *tree, ptx_operand_kind kind, ptx_place place, const char *name, int64_t integer) {
  ptx_operand *operand = ptx_operand_new(tree, kind, place);
  operand->name = name;
  operand->integer = integer;
  return operand;
}

static ptx_operand *group(ptx_tree *tree, ptx_operand_kind kind, ptx_place place, ptx_operands items) {
  ptx_operand *operand = ptx_operand_new(tree, kind, place);
  operand->items = items;
  return operand;
}

static ptx_operands appended(ptx_tree *tree, ptx_operands items, ptx_operand *item) {
  wf_vec_push(tree->arena, &items.list, item);
  return items;
}

static void start_head(ptx_tree *tree, const char *space, bool external) {
  tree->head = (ptx_variable){.space = space, .vector = 1, .external = external};
}

static void start_function(ptx_tree *tree, ptx_place place, bool entry) {
  tree->function = WF_NEW(tree->arena, ptx_function);
  tree->function->place = place;
  tree->function->entry = entry;
}

static void finish_function(ptx_tree *tree) {
  wf_vec_push(tree->arena, &tree->functions, tree->function);
  tree->function = NULL;
}

// A variable where a declaration may stand: in a body it is a statement, outside the module's.
static void declare(ptx_tree *tree, ptx_variable *variable) {
  if (!tree->function) wf_vec_push(tree->arena, &tree->variables.list, variable);
  else ptx_statement_add(tree, PTX_VARIABLE, variable->place)->variable = variable;
}
}

%union {
  const char *text;
  int64_t integer;
  ptx_operand *operand;
  ptx_operands operands;
  ptx_variable *variable;
}
%token <text> NAME TYPE SPACE LINKAGE EXTERN VECTOR STRING THREADS TUNING UNKNOWN
%token <integer> INTEGER FLOAT32 FLOAT64
%token REG ENTRY FUNC ALIGN PRAGMA TARGETS PTR NORETURN ALIAS PROTOTYPE
%type <integer> number array array_more external
%type <operand> operand simple address constant result
%type <operands> operands some_operands constants names

%%

file: %empty | file item;

item: external SPACE { start_head(tree, $2, $1); } qualifiers variables ';'
    | external ENTRY { start_function(tree, @2, true); } function
    | external FUNC { start_function(tree, @2, false); } results function
    | PRAGMA strings ';'
    | ALIAS NAME ',' NAME ';' { ptx_fail(tree, @1, ".alias is not supported"); }
    ;

external: %empty { $$ = 0; } | external LINKAGE { $$ = $1; } | external EXTERN { $$ = 1; };
strings: STRING | strings ',' STRING;

// ---- declarations

qualifiers: %empty | qualifiers qualifier;
qualifier: TYPE { tree->head.type = $1; }
         | VECTOR { tree->head.vector = $1[1] - '0'; }
         | ALIGN INTEGER { tree->head.align = $2 > 0 && $2 <= 4096 ? (uint32_t)$2 : 1; }
         | PTR | SPACE
         ;

variables: variable | variables ',' variable;
variable: NAME array { $<variable>$ = ptx_variable_new(tree, @1, $1, $2); } initial { declare(tree, $<variable>3); };
array: %empty { $$ = 0; } | '[' ']' array_more { $$ = -1; } | '[' INTEGER ']' array_more { $$ = $2 > 0 && $2 < (1ll << 40) / $4 ? $2 * $4 : (ptx_fail(tree, @2, "an array of that many elements"), 1); };
array_more: %empty { $$ = 1; } | array_more '[' INTEGER ']' { $$ = $3 > 0 && $3 < (1ll << 40) / $1 ? $1 * $3 : (ptx_fail(tree, @3, "an array of that many elements"), 1); };
initial: %empty | '=' constant { $<variable>0->initial = $2; };
constants: constant { $$ = appended(tree, (ptx_operands){0}, $1); } | constants ',' constant { $$ = appended(tree, $1, $3); };
constant: simple
        | NAME '(' NAME ')' { $$ = value(tree, PTX_NAME, @3, $3, 0); }   // generic(name)
        | NAME '(' NAME ')' '+' INTEGER { $$ = value(tree, PTX_NAME, @3, $3, $6); }
        | NAME '+' INTEGER { $$ = value(tree, PTX_NAME, @1, $1, $3); }
        | '{' constants '}' { $$ = group(tree, PTX_VECTOR, @1, $2); }
        ;

registers: register | registers ',' register;
register: NAME { declare(tree, ptx_variable_new(tree, @1, $1, 0)); }
        | NAME '<' INTEGER '>' {
            ptx_variable *variable = ptx_variable_new(tree, @1, $1, 0);
            variable->count = $3 >= 0 && $3 < 1 << 20 ? (int)$3 : 0;
            if (variable->count != $3) ptx_fail(tree, @3, "that many registers");
            declare(tree, variable);
          }
        ;

// ---- functions

function: NAME { tree->function->name = $1; } parameters tuning body { finish_function(tree); };
results: %empty | '(' ')' | '(' result_list ')';
result_list: result_variable | result_list ',' result_variable;
result_variable: function_space qualifiers NAME array { wf_vec_push(tree->arena, &tree->function->results.list, ptx_variable_new(tree, @3, $3, $4)); };
parameters: %empty | '(' ')' | '(' parameter_list ')';
parameter_list: parameter | parameter_list ',' parameter;
parameter: function_space qualifiers NAME array { wf_vec_push(tree->arena, &tree->function->parameters.list, ptx_variable_new(tree, @3, $3, $4)); };
function_space: SPACE { start_head(tree, $1, false); } | REG { start_head(tree, "reg", false); };
tuning: %empty
      | tuning THREADS INTEGER { uint32_t *to = *$2 == 'r' ? tree->function->required_threads : tree->function->maximum_threads; to[0] = (uint32_t)$3, to[1] = to[2] = 1; }
      | tuning THREADS INTEGER ',' INTEGER { uint32_t *to = *$2 == 'r' ? tree->function->required_threads : tree->function->maximum_threads; to[0] = (uint32_t)$3, to[1] = (uint32_t)$5, to[2] = 1; }
      | tuning THREADS INTEGER ',' INTEGER ',' INTEGER { uint32_t *to = *$2 == 'r' ? tree->function->required_threads : tree->function->maximum_threads; to[0] = (uint32_t)$3, to[1] = (uint32_t)$5, to[2] = (uint32_t)$7; }
      | tuning TUNING INTEGER
      | tuning NORETURN
      | tuning PRAGMA strings ';'
      ;
body: ';' | '{' { tree->function->body = true; } statements '}';

statements: %empty | statements statement;
statement: ';'
         | '{' { ptx_statement_add(tree, PTX_OPEN, @1); } statements '}' { ptx_statement_add(tree, PTX_CLOSE, @4); }
         | REG { start_head(tree, "reg", false); } qualifiers registers ';'
         | SPACE { start_head(tree, $1, false); } qualifiers variables ';'
         | EXTERN SPACE { start_head(tree, $2, true); } qualifiers variables ';'
         | PRAGMA strings ';'
         | NAME ':' { ptx_statement_add(tree, PTX_LABEL, @1)->word = $1; }
         | TARGETS names ';' { ptx_statement_add(tree, PTX_TARGETS, @1)->operands = $2; }
         | PROTOTYPE ';'
         | NAME operands ';' {
             ptx_statement *made = ptx_statement_add(tree, PTX_INSTRUCTION, @1);
             made->word = $1, made->operands = $2;
           }
         | '@' NAME NAME operands ';' {
             ptx_statement *made = ptx_statement_add(tree, PTX_INSTRUCTION, @3);
             made->word = $3, made->guard = $2, made->operands = $4;
           }
         | '@' '!' NAME NAME operands ';' {
             ptx_statement *made = ptx_statement_add(tree, PTX_INSTRUCTION, @4);
             made->word = $4, made->guard = $3, made->guard_negated = true, made->operands = $5;
           }
         ;
names: NAME { $$ = appended(tree, (ptx_operands){0}, value(tree, PTX_NAME, @1, $1, 0)); }
     | names ',' NAME { $$ = appended(tree, $1, value(tree, PTX_NAME, @3, $3, 0)); }
     ;

// ---- operands

operands: %empty { $$ = (ptx_operands){0}; } | some_operands;
some_operands: operand { $$ = appended(tree, (ptx_operands){0}, $1); } | some_operands ',' operand { $$ = appended(tree, $1, $3); };
operand: simple | address | result
       | '!' NAME { $$ = value(tree, PTX_NAME, @2, $2, 0); $$->negated = true; }
       | '{' some_operands '}' { $$ = group(tree, PTX_VECTOR, @1, $2); }
       | '(' some_operands ')' { $$ = group(tree, PTX_LIST, @1, $2); }
       | '(' ')' { $$ = group(tree, PTX_LIST, @1, (ptx_operands){0}); }
       | NAME '+' INTEGER { $$ = value(tree, PTX_NAME, @1, $1, $3); }
       ;
result: NAME '|' NAME { $$ = group(tree, PTX_PAIR, @1, appended(tree, appended(tree, (ptx_operands){0}, value(tree, PTX_NAME, @1, $1, 0)), value(tree, PTX_NAME, @3, $3, 0))); };
simple: NAME { $$ = value(tree, PTX_NAME, @1, $1, 0); }
      | number { $$ = value(tree, PTX_INTEGER, @1, NULL, $1); }
      | FLOAT32 { $$ = value(tree, PTX_FLOAT32, @1, NULL, $1); }
      | FLOAT64 { $$ = value(tree, PTX_FLOAT64, @1, NULL, $1); }
      | '-' FLOAT32 { $$ = value(tree, PTX_FLOAT32, @1, NULL, $2 ^ 0x80000000ll); }
      | '-' FLOAT64 { $$ = value(tree, PTX_FLOAT64, @1, NULL, (int64_t)((uint64_t)$2 ^ 1ull << 63)); }
      ;
number: INTEGER | '-' INTEGER { $$ = (int64_t)(0 - (uint64_t)$2); };
address: '[' NAME ']' { $$ = value(tree, PTX_ADDRESS, @1, $2, 0); }
       | '[' NAME '+' number ']' { $$ = value(tree, PTX_ADDRESS, @1, $2, $4); }
       | '[' NAME '-' INTEGER ']' { $$ = value(tree, PTX_ADDRESS, @1, $2, (int64_t)(0 - (uint64_t)$4)); }
       | '[' number ']' { $$ = value(tree, PTX_ADDRESS, @1, NULL, $2); }
       | '[' NAME ',' some_operands ']' { $$ = value(tree, PTX_ADDRESS, @1, $2, 0); $$->items = $4; }
       ;
%%
