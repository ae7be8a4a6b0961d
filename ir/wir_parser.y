%code requires {
// The text form of net IR and kernel IR: all that print.c and kir_print.c write (docs/ir.md).
#include "ir/parse_internal.h"
}
%define api.pure full
%define api.prefix {wir_}
%define api.location.type {wf_loc}
%define parse.error verbose
%locations
%param { void *scanner }
%parse-param { wir_context *c }
%expect 0

%code {
#define YYLLOC_DEFAULT(current, rhs, count)                                                                  \
  do {                                                                                                       \
    if (count) {                                                                                             \
      (current) = YYRHSLOC(rhs, 1);                                                                          \
      (current).end_line = YYRHSLOC(rhs, count).end_line;                                                    \
      (current).end_column = YYRHSLOC(rhs, count).end_column;                                                \
    } else {                                                                                                 \
      (current) = YYRHSLOC(rhs, 0);                                                                          \
    }                                                                                                        \
  } while (0)

int wir_lex(WIR_STYPE *value, wf_loc *loc, void *scanner);

static void wir_error(wf_loc *loc, void *scanner, wir_context *c, const char *message) {
  (void)scanner;
  wf_error(c->diag, *loc, "%s", message);
}

static wir_rhs *rhs_new(wir_context *c, wf_operation kind, wf_loc loc) {
  wir_rhs *rhs = WF_NEW(c->arena, wir_rhs);
  rhs->kind = kind;
  rhs->loc = loc;
  return rhs;
}

static wir_stmt *stmt_new(wir_context *c, wf_stmt_kind kind, wf_loc loc) {
  wir_stmt *stmt = WF_NEW(c->arena, wir_stmt);
  stmt->kind = kind;
  stmt->loc = loc;
  return stmt;
}

static wir_list *list_of(wir_context *c, void *item) {
  wir_list *list = wir_list_new(c);
  wir_push(c, list, item);
  return list;
}

static wir_list *appended(wir_context *c, wir_list *list, void *item) {
  wir_push(c, list, item);
  return list;
}
}

%union {
  const char *text;
  int number;
  wir_node *node;
  wir_list *list;
  wir_axis *axis;
  wir_let *let;
  wir_typed *typed;
  wir_layout *layout;
  wir_mode *mode;
  wir_ref *ref;
  wir_rhs *rhs;
  wir_stmt *stmt;
  wf_op *op;
}

%token START_MODULE START_SCALAR
%token <text> NAME "a name" VALUE "a value" FUNCTION "a function's name" NUMBER "a number" STRING "a string" COMBINER "a combiner"
%token <text> KW_SYM "sym" KW_FACT "fact" KW_FUNC "func" KW_KERNEL "kernel" KW_IN "in" KW_OUT "out" KW_CONST "const" KW_HEX "hex"
%token <text> KW_COMPUTE "compute" KW_SCATTER "scatter" KW_ONTO "onto" KW_AT "at" KW_SORT "sort" KW_AXIS "axis"
%token <text> KW_DESCENDING "descending" KW_LOOP "loop" KW_TRIP "trip" KW_REVERSE "reverse" KW_CARRY "carry" KW_SLICE "slice"
%token <text> KW_WITH "with" KW_CALL "call" KW_LAUNCH "launch" KW_GRAD "grad" KW_BY "by" KW_UPDATE "update" KW_GROUP "group"
%token <text> KW_INLINE "inline" KW_LAYOUT "layout" KW_OVER "over" KW_DIV "div" KW_MOD "mod" KW_SIZE "size" KW_SWIZZLE "swizzle"
%token <text> KW_SYMBOLS "symbols" KW_FLOPS "flops" KW_BYTES "bytes" KW_SECTION "section" KW_FOR "for" KW_IF "if" KW_ALLOC "alloc"
%token <text> KW_BARRIER "barrier" KW_REDUCE "reduce" KW_LANES "lanes"
%token KW_LET "let" KW_ELSE "else" KW_AND "and" KW_OR "or" KW_TRUE "true" KW_FALSE "false" KW_INF "inf" KW_NAN "nan"
%token ARROW "->" FLOOR_DIVIDE "//" LESS_EQUAL "<=" GREATER_EQUAL ">=" EQUAL "==" NOT_EQUAL "!=" PLUS_ASSIGN "+=" TIMES_ASSIGN "*="

%left KW_OR
%left KW_AND
%nonassoc '<' '>' LESS_EQUAL GREATER_EQUAL EQUAL NOT_EQUAL
%left '+' '-'
%left '*' '/' FLOOR_DIVIDE '%'

%type <text> name role assign signed destination placed
%type <number> descending reverse
%type <let> let
%type <node> expr unary body optional_div optional_mod
%type <list> exprs more_exprs lets more_lets axes more_axes refs more_refs carry slice invariants results more_results numbers more_numbers modes shape names
%type <list> typed_list members statements
%type <axis> axis
%type <typed> typed
%type <layout> layout
%type <mode> mode
%type <ref> ref over
%type <rhs> rhs
%type <stmt> stmt
%type <op> op member

%%
start: START_MODULE items
     | START_SCALAR lets expr { wir_enter_lets(c, $2); c->scalar = wir_resolve(c, $3, WF_DTYPE_COUNT); }
     ;

items: %empty | items item ;
item: symbol | fact | function | kernel ;

symbol: KW_SYM name { wir_symbol(c, (wir_ref){$2, @2}, NULL, NULL, NULL); }
      | KW_SYM name KW_IN '[' NUMBER ',' NUMBER ']' { wir_symbol(c, (wir_ref){$2, @2}, $5, $7, NULL); }
      | KW_SYM name KW_IN '[' NUMBER ',' NUMBER ']' '%' NUMBER { wir_symbol(c, (wir_ref){$2, @2}, $5, $7, $10); }
      ;
fact: KW_FACT expr { wir_fact(c, $2, @2); } ;

name: NAME | STRING | KW_SYM | KW_FACT | KW_FUNC | KW_KERNEL | KW_IN | KW_OUT | KW_CONST | KW_HEX | KW_COMPUTE | KW_SCATTER | KW_ONTO
    | KW_SORT | KW_AXIS | KW_DESCENDING | KW_LOOP | KW_TRIP | KW_REVERSE | KW_CARRY | KW_SLICE | KW_WITH | KW_CALL
    | KW_LAUNCH | KW_GRAD | KW_BY | KW_UPDATE | KW_GROUP | KW_INLINE | KW_LAYOUT | KW_OVER | KW_DIV | KW_MOD | KW_SIZE | KW_SWIZZLE
    | KW_SYMBOLS | KW_FLOPS | KW_BYTES | KW_SECTION | KW_FOR | KW_IF | KW_ALLOC | KW_AT
    | KW_BARRIER | KW_REDUCE | KW_LANES
    ;

/* ---- functions ---- */
function: function_head '(' inputs ')' ARROW '(' results ')' variant '{' ops '}' { wir_end_function(c, $7); } ;
variant: %empty | KW_FOR FUNCTION KW_AT expr { wir_variant(c, $2, $4, @2); } ;
function_head: KW_FUNC FUNCTION { wir_begin_function(c, $2, @2); } ;
inputs: %empty | more_inputs ;
more_inputs: input | more_inputs ',' input ;
input: typed role { wir_input(c, $1, $2, @2); } ;
role: %empty { $$ = NULL; } | NAME ;
results: %empty { $$ = wir_list_new(c); } | more_results ;
more_results: result_item[r] { $$ = list_of(c, $r); } | more_results[l] ',' result_item[r] { $$ = appended(c, $l, $r); } ;
%type <ref> result_item;
result_item: name ':' VALUE {
    wir_result *result = WF_NEW(c->arena, wir_result);
    *result = (wir_result){{$1, @1}, {$3, @3}};
    $$ = (wir_ref *)result;
  } ;
ops: %empty | ops op { if ($2) wf_vec_push(c->arena, &c->function->ops, $2); } ;

op: typed_list '=' rhs { $$ = wir_finish_op(c, $1, $3); }
  | KW_UPDATE VALUE '=' VALUE { $$ = wir_update(c, (wir_ref){$2, @2}, (wir_ref){$4, @4}, @$); }
  | KW_GROUP FUNCTION ARROW '(' refs ')' '{' members '}' { $$ = wir_group(c, $2, $5, $8, @2); }
  ;
members: %empty { $$ = wir_list_new(c); } | members member { $$ = appended(c, $1, $2); } ;
member: KW_OUT op { wir_place(c, $2, WF_PLACE_OUT, NULL, @1); $$ = $2; }
      | KW_INLINE op { wir_place(c, $2, WF_PLACE_INLINE, NULL, @1); $$ = $2; }
      | placed op { wir_place(c, $2, WF_PLACE_AT, $1, @1); $$ = $2; }
      ;
placed: KW_AT '(' NUMBER ')' { $$ = $3; } ;

typed_list: typed { $$ = list_of(c, $1); } | typed_list ',' typed { $$ = appended(c, $1, $3); } ;
typed: VALUE ':' NAME shape layout over { $$ = wir_type(c, (wir_ref){$1, @1}, $3, @3, $4, $5, $6); } ;
shape: %empty { $$ = wir_list_new(c); } | '[' exprs ']' { $$ = $2; } ;
over: %empty { $$ = NULL; } | KW_OVER ref { $$ = $2; } ;
layout: %empty { $$ = NULL; }
      | KW_LAYOUT '(' modes ';' KW_SIZE expr ')' {
          $$ = WF_NEW(c->arena, wir_layout);
          *$$ = (wir_layout){.modes = $3, .size = $6};
        }
      | KW_LAYOUT '(' modes ';' KW_SIZE expr ';' KW_SWIZZLE NUMBER NUMBER NUMBER ')' {
          $$ = WF_NEW(c->arena, wir_layout);
          *$$ = (wir_layout){$3, $6, (int)wir_integer(c, $9, @9), (int)wir_integer(c, $10, @10), (int)wir_integer(c, $11, @11)};
        }
      ;
modes: mode { $$ = list_of(c, $1); } | modes ',' mode { $$ = appended(c, $1, $3); } ;
mode: NUMBER optional_div optional_mod '@' expr destination {
        $$ = WF_NEW(c->arena, wir_mode);
        *$$ = (wir_mode){(int)wir_integer(c, $1, @1), $2, $3, $5, $6, @$};
      } ;
optional_div: %empty { $$ = NULL; } | KW_DIV expr { $$ = $2; } ;
optional_mod: %empty { $$ = NULL; } | KW_MOD expr { $$ = $2; } ;
destination: %empty { $$ = NULL; } | NAME ;

ref: VALUE { $$ = wir_ref_new(c, $1, @1); } ;
refs: %empty { $$ = wir_list_new(c); } | more_refs ;
more_refs: ref { $$ = list_of(c, $1); } | more_refs ',' ref { $$ = appended(c, $1, $3); } ;

rhs: KW_CONST '{' numbers '}' { $$ = rhs_new(c, WF_O_CONST, @$); $$->numbers = $3; }
   | KW_CONST KW_HEX STRING { $$ = rhs_new(c, WF_O_CONST, @$); $$->hex = $3; }
   | KW_COMPUTE '[' axes ']' body {
       $$ = rhs_new(c, WF_O_COMPUTE, @$);
       $$->axes = $3, $$->body = $5;
     }
   | KW_COMPUTE '[' axes ']' COMBINER '[' axes ']' body {
       $$ = rhs_new(c, WF_O_COMPUTE, @$);
       $$->axes = $3, $$->combiner = $5, $$->reduction = $7, $$->body = $9;
     }
   | KW_COMPUTE '[' axes ']' COMBINER ':' NAME '[' axes ']' body {
       $$ = rhs_new(c, WF_O_COMPUTE, @$);
       $$->axes = $3, $$->combiner = $5, $$->accumulator = $7, $$->reduction = $9, $$->body = $11;
     }
   | KW_SCATTER COMBINER '[' axes ']' lets KW_AT '[' exprs ']' expr {
       $$ = rhs_new(c, WF_O_SCATTER, @$);
       $$->combiner = $2, $$->axes = $4, $$->lets = $6, $$->targets = $9, $$->body = $11;
     }
   | KW_SCATTER COMBINER KW_ONTO ref '[' axes ']' lets KW_AT '[' exprs ']' expr {
       $$ = rhs_new(c, WF_O_SCATTER, @$);
       $$->combiner = $2, $$->refs = list_of(c, $4), $$->axes = $6, $$->lets = $8, $$->targets = $11, $$->body = $13;
     }
   | KW_SORT ref KW_AXIS NUMBER descending {
       $$ = rhs_new(c, WF_O_SORT, @$);
       $$->refs = list_of(c, $2), $$->sort_axis = (int)wir_integer(c, $4, @4), $$->flag = $5;
     }
   | KW_LOOP FUNCTION KW_TRIP expr reverse carry slice invariants {
       $$ = rhs_new(c, WF_O_LOOP, @$);
       $$->callee = $2, $$->trip = $4, $$->flag = $5, $$->carries = $6, $$->slices = $7, $$->invariants = $8;
     }
   | KW_CALL FUNCTION '(' refs ')' { $$ = rhs_new(c, WF_O_CALL, @$); $$->callee = $2, $$->refs = $4; }
   | KW_LAUNCH FUNCTION '(' refs ')' { $$ = rhs_new(c, WF_O_LAUNCH, @$); $$->callee = $2, $$->refs = $4; }
   | KW_GRAD ref[of] KW_BY more_refs {
       $$ = rhs_new(c, WF_O_GRAD, @$);
       $$->refs = list_of(c, $of);
       for (int i = 0; i < $4->count; i++) wir_push(c, $$->refs, $4->items[i]);
     }
   ;
descending: %empty { $$ = 0; } | KW_DESCENDING { $$ = 1; } ;
reverse: %empty { $$ = 0; } | KW_REVERSE { $$ = 1; } ;
carry: %empty { $$ = wir_list_new(c); } | KW_CARRY '(' more_refs ')' { $$ = $3; } ;
slice: %empty { $$ = wir_list_new(c); } | KW_SLICE '(' more_refs ')' { $$ = $3; } ;
invariants: %empty { $$ = wir_list_new(c); } | KW_WITH '(' more_refs ')' { $$ = $3; } ;

numbers: %empty { $$ = wir_list_new(c); } | more_numbers ;
more_numbers: signed { $$ = list_of(c, (void *)$1); } | more_numbers ',' signed { $$ = appended(c, $1, (void *)$3); } ;
signed: NUMBER
      | '-' NUMBER { $$ = wf_arena_printf(c->arena, "-%s", $2); }
      | KW_INF { $$ = "inf"; }
      | '-' KW_INF { $$ = "-inf"; }
      | KW_NAN { $$ = "nan"; }
      ;

axes: %empty { $$ = wir_list_new(c); } | more_axes ;
more_axes: axis { $$ = list_of(c, $1); } | more_axes ',' axis { $$ = appended(c, $1, $3); } ;
axis: name ':' expr { $$ = WF_NEW(c->arena, wir_axis); *$$ = (wir_axis){$1, @1, $3}; } ;

/* ---- scalar expressions ---- */
body: expr | more_lets expr { $$ = $2; $$->lets = $1; } ;
lets: %empty { $$ = wir_list_new(c); } | more_lets ;
more_lets: let { $$ = list_of(c, $1); } | more_lets let { $$ = appended(c, $1, $2); } ;
let: KW_LET name '=' expr ';' { $$ = WF_NEW(c->arena, wir_let); *$$ = (wir_let){$2, @2, $4}; } ;
exprs: %empty { $$ = wir_list_new(c); } | more_exprs ;
more_exprs: expr { $$ = list_of(c, $1); } | more_exprs ',' expr { $$ = appended(c, $1, $3); } ;

expr: unary
    | expr KW_OR expr { $$ = wir_apply(c, WF_S_OR, @2, $1, $3); }
    | expr KW_AND expr { $$ = wir_apply(c, WF_S_AND, @2, $1, $3); }
    | expr '<' expr { $$ = wir_apply(c, WF_S_LT, @2, $1, $3); }
    | expr '>' expr { $$ = wir_apply(c, WF_S_GT, @2, $1, $3); }
    | expr LESS_EQUAL expr { $$ = wir_apply(c, WF_S_LE, @2, $1, $3); }
    | expr GREATER_EQUAL expr { $$ = wir_apply(c, WF_S_GE, @2, $1, $3); }
    | expr EQUAL expr { $$ = wir_apply(c, WF_S_EQ, @2, $1, $3); }
    | expr NOT_EQUAL expr { $$ = wir_apply(c, WF_S_NE, @2, $1, $3); }
    | expr '+' expr { $$ = wir_apply(c, WF_S_ADD, @2, $1, $3); }
    | expr '-' expr { $$ = wir_apply(c, WF_S_SUB, @2, $1, $3); }
    | expr '*' expr { $$ = wir_apply(c, WF_S_MUL, @2, $1, $3); }
    | expr '/' expr { $$ = wir_apply(c, WF_S_DIV, @2, $1, $3); }
    | expr FLOOR_DIVIDE expr { $$ = wir_apply(c, WF_S_FLOORDIV, @2, $1, $3); }
    | expr '%' expr { $$ = wir_apply(c, WF_S_MOD, @2, $1, $3); }
    ;
unary: '-' unary { $$ = wir_apply(c, WF_S_NEG, @1, $2, NULL); }
     | NUMBER { $$ = wir_make(c, WIR_NUMBER, @1, $1); }
     | KW_INF { $$ = wir_make(c, WIR_NUMBER, @1, "inf"); }
     | KW_NAN { $$ = wir_make(c, WIR_NUMBER, @1, "nan"); }
     | KW_TRUE { $$ = wir_make(c, WIR_NUMBER, @1, "true"); }
     | KW_FALSE { $$ = wir_make(c, WIR_NUMBER, @1, "false"); }
     | name { $$ = wir_make(c, WIR_NAME, @1, $1); }
     | name '(' exprs ')' { $$ = wir_with_args(c, wir_make(c, WIR_CALL, @1, $1), $3); }
     | COMBINER '(' exprs ')' { $$ = wir_with_args(c, wir_make(c, WIR_CALL, @1, $1), $3); }
     | VALUE '[' exprs ']' { $$ = wir_with_args(c, wir_make(c, WIR_READ, @1, $1), $3); }
     | VALUE '[' exprs ']' KW_ELSE unary { $$ = wir_with_args(c, wir_make(c, WIR_READ, @1, $1), $3); $$->outside = $6; }
     | '(' expr ')' { $$ = $2; }
     ;

/* ---- kernels ---- */
kernel: kernel_head '(' params ')' kernel_facts '{' kernel_body '}' { wir_end_kernel(c); } ;
kernel_head: KW_KERNEL FUNCTION { wir_begin_kernel(c, $2, @2); } ;
params: %empty | more_params ;
more_params: param | more_params ',' param ;
param: typed KW_IN { wir_kernel_param(c, $1, false); } | typed KW_OUT { wir_kernel_param(c, $1, true); } ;
kernel_facts: %empty | kernel_facts kernel_fact ;
kernel_fact: KW_SYMBOLS '(' names ')' { wir_kernel_symbols(c, $3); }
           | KW_FLOPS expr { wir_kernel_cost(c, $2, NULL); }
           | KW_BYTES expr { wir_kernel_cost(c, NULL, $2); }
           ;
names: name { $$ = list_of(c, wir_ref_new(c, $1, @1)); } | names ',' name { $$ = appended(c, $1, wir_ref_new(c, $3, @3)); } ;
kernel_body: statements { wir_kernel_section(c, $1); } | sections ;
sections: section | sections section ;
section: KW_SECTION '{' statements '}' { wir_kernel_section(c, $3); } ;
statements: %empty { $$ = wir_list_new(c); } | statements stmt { $$ = appended(c, $1, $2); } ;
stmt: KW_FOR NAME axis '{' statements '}' {
        $$ = stmt_new(c, WF_STMT_FOR, @1);
        $$->bind = $2, $$->axis = $3, $$->body = $5;
      }
    | KW_IF lets expr '{' statements '}' {
        $$ = stmt_new(c, WF_STMT_IF, @1);
        $$->lets = $2, $$->condition = $3, $$->body = $5;
      }
    | KW_ALLOC typed NAME { $$ = stmt_new(c, WF_STMT_ALLOC, @2); $$->typed = $2, $$->space = $3; }
    | KW_BARRIER { $$ = stmt_new(c, WF_STMT_BARRIER, @1); }
    | KW_REDUCE COMBINER lets VALUE '[' exprs ']' KW_LANES NUMBER {
        $$ = stmt_new(c, WF_STMT_REDUCE, @1);
        $$->combiner = $2, $$->lets = $3, $$->buffer = (wir_ref){$4, @4}, $$->indices = $6, $$->lanes = (int)wir_integer(c, $9, @9);
      }
    | lets VALUE '[' exprs ']' assign expr {
        $$ = stmt_new(c, WF_STMT_STORE, @2);
        $$->lets = $1, $$->buffer = (wir_ref){$2, @2}, $$->indices = $4, $$->combiner = $6, $$->value = $7;
      }
    ;
assign: '=' { $$ = "none"; } | PLUS_ASSIGN { $$ = "sum"; } | TIMES_ASSIGN { $$ = "prod"; } | COMBINER '=' { $$ = $1; } ;
%%
