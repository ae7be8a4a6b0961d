/* The grammar of .net files (docs/language.md). Pure, with places; the actions only make nodes (ast.c). */
%code requires {
#include "frontend/net_lexing.h"
typedef WF_VEC(wf_ast_expr *) wf_ast_exprs;
typedef WF_VEC(wf_ast_name) wf_ast_names;
typedef WF_VEC(wf_ast_carry) wf_ast_carries;
typedef struct wf_ast_results { wf_ast_formals list; bool named; } wf_ast_results;
}
%code {
#include "frontend/ast_make.h"
int wf_net_yylex(WF_NET_YYSTYPE *value, wf_loc *loc, void *scanner);
static int next_token(WF_NET_YYSTYPE *value, wf_loc *loc, void *scanner, wf_net_lexing *in);
static void wf_net_yyerror(wf_loc *loc, void *scanner, wf_net_lexing *in, const char *message);
#define wf_net_yylex(value, loc, scanner) next_token(value, loc, scanner, in)
#define YYMAXDEPTH 20000
#define YYLLOC_DEFAULT(current, rhs, n) \
  ((current) = (n) ? wf_loc_join(YYRHSLOC(rhs, 1), YYRHSLOC(rhs, n)) : wf_loc_after(YYRHSLOC(rhs, 0)))
}
%define api.prefix {wf_net_yy}
%define api.pure full
%define api.location.type {wf_loc}
%define parse.error custom
%locations
%lex-param {void *scanner}
%parse-param {void *scanner} {wf_net_lexing *in}
%expect 0

%union {
  const char *text;
  int token;
  wf_ast_expr *expr;
  wf_ast_exprs *exprs;
  wf_ast_args *args;
  wf_ast_arg arg;
  wf_ast_items *items;
  wf_ast_item item;
  wf_ast_instance *instance;
  wf_ast_type *type;
  wf_ast_formals *formals;
  wf_ast_formal formal;
  wf_ast_results results;
  wf_ast_stmt *stmt;
  wf_ast_block *block;
  wf_ast_names *names;
  wf_ast_carries *carries;
  wf_ast_decl *decl;
  bool flag;
}

%token <text> T_NAME "name" T_INT "number" T_FLOAT "decimal number" T_STRING "string" T_REDUCE "reduction"
%token T_IMPORT "`import`" T_LET "`let`" T_OP "`op`" T_NET "`net`" T_OPTIMIZER "`optimizer`" T_TRAIN "`train`" T_MESH "`mesh`"
%token T_WHERE "`where`" T_RETURN "`return`" T_FOR "`for`" T_IN "`in`" T_IF "`if`" T_IFX "`if` in an expression" T_ELSE "`else`"
%token T_LOOP "`loop`" T_CARRY "`carry`" T_REVERSE "`reverse`" T_NEXT "`next`" T_YIELD "`yield`" T_PARAM "`param`" T_STATE "`state`"
%token T_UPDATE "`update`" T_SHARD "`shard`" T_STAGE "`stage`" T_LABELS "`labels`" T_TOP "`top`" T_AS "`as`"
%token T_AND "`and`" T_OR "`or`" T_NOT "`not`" T_TRUE "`true`" T_FALSE "`false`"
%token T_ARROW "`->`" T_PIPE "`|>`" T_REST "`..`" T_POW "`**`" T_FLOORDIV "`//`" T_ADD_ASSIGN "`+=`" T_MAX_ASSIGN "`max=`" T_MIN_ASSIGN "`min=`"
%token T_EQ "`==`" T_NE "`!=`" T_LE "`<=`" T_GE "`>=`"
%token T_RESYNC "next statement"
%token YYEOF 0 "end of file"
%token '(' "`(`" ')' "`)`" '[' "`[`" ']' "`]`" '{' "`{`" '}' "`}`" ',' "`,`" ';' "`;`" ':' "`:`" '=' "`=`"
%token '+' "`+`" '-' "`-`" '*' "`*`" '/' "`/`" '%' "`%`" '<' "`<`" '>' "`>`"

%precedence T_PIPE
%right T_IFX
%precedence NO_ELSE
%precedence T_ELSE
%left T_OR
%left T_AND
%precedence T_NOT
%nonassoc T_EQ T_NE T_LE T_GE '<' '>'
%left '+' '-'
%precedence REDUCTION
%left '*' '/' T_FLOORDIV '%'
%precedence UNARY
%right T_POW
%precedence NO_INDEX
%precedence '['

%type <text> name
%type <expr> expr primary postfix outside range callee
%type <exprs> exprs where fields_values
%type <args> args arg_list opt_args
%type <arg> arg
%type <items> items item_list
%type <item> item
%type <instance> instance opt_as
%type <type> type
%type <formals> formals formal_list opt_formal_list
%type <formal> formal
%type <results> results
%type <stmt> stmt if_stmt
%type <block> stmts block
%type <names> names
%type <carries> carries carry_list
%type <decl> decl head train_head fields
%type <token> scatter
%type <flag> reverse
%type <text> field_name
%%
file: decls
decls: %empty
     | decls decl { wf_vec_push(in->arena, &in->file->decls, $2); }
     | decls ';'
     | decls error T_RESYNC { yyerrok; }

decl: T_IMPORT T_STRING { $$ = wf_make_decl(in, WF_D_IMPORT, @$, wf_unquote(in, $2), @2); }
    | T_LET name '=' expr { $$ = wf_make_decl(in, WF_D_LET, @$, $2, @2); $$->value = $4; }
    | head block { $$ = $1; $$->body = *$2; $$->end = wf_loc_end(@2); }
    | T_MESH name '(' args ')' { $$ = wf_make_decl(in, WF_D_MESH, @$, $2, @2); $$->args = *$4; $$->end = @5; }
    | train_head '{' fields '}' { $$ = $1; $$->fields = $3->fields; $$->end = @4; }
    | train_head '{' fields error '}' { $$ = $1; $$->fields = $3->fields; $$->end = @5; in->recovering = false; yyerrok; }

head: T_OP name '(' formals ')' results where { $$ = wf_make_callable(in, WF_D_OP, @$, $2, @2, $4, &$6, $7); }
    | T_NET name '(' formals ')' results where { $$ = wf_make_callable(in, WF_D_NET, @$, $2, @2, $4, &$6, $7); }
    | T_OPTIMIZER name '(' formals ')' results where { $$ = wf_make_callable(in, WF_D_OPTIMIZER, @$, $2, @2, $4, &$6, $7); }

/* Two lists in one array: [0] tensors, [1] compile-time parameters. */
formals: opt_formal_list { $$ = WF_NEW_ARRAY(in->arena, wf_ast_formals, 2); $$[0] = *$1; }
       | opt_formal_list ';' opt_formal_list { $$ = WF_NEW_ARRAY(in->arena, wf_ast_formals, 2); $$[0] = *$1; $$[1] = *$3; }
opt_formal_list: %empty { $$ = WF_NEW(in->arena, wf_ast_formals); } | formal_list
formal_list: formal { $$ = WF_NEW(in->arena, wf_ast_formals); wf_vec_push(in->arena, $$, $1); }
           | formal_list ',' formal { $$ = $1; wf_vec_push(in->arena, $$, $3); }
formal: name ':' type { $$ = (wf_ast_formal){@$, $1, $3, NULL}; }
      | name ':' type '=' expr { $$ = (wf_ast_formal){@$, $1, $3, $5}; }
results: %empty { $$ = (wf_ast_results){0}; }
       | T_ARROW type { $$ = (wf_ast_results){0}; wf_vec_push(in->arena, &$$.list, ((wf_ast_formal){@2, NULL, $2, NULL})); }
       | T_ARROW '(' formal_list ')' { $$ = (wf_ast_results){*$3, true}; }
where: %empty { $$ = WF_NEW(in->arena, wf_ast_exprs); }
     | T_WHERE exprs { $$ = $2; }
type: name { $$ = wf_make_type(in, @$, $1, NULL); }
    | name '[' items ']' { $$ = wf_make_type(in, @$, $1, $3); }
    | T_OP { $$ = wf_make_type(in, @$, "op", NULL); }
    | T_OP '[' items ']' { $$ = wf_make_type(in, @$, "op", $3); }

train_head: T_TRAIN name { $$ = wf_make_decl(in, WF_D_TRAIN, @$, $2, @2); }
          | T_TRAIN name '(' args ')' { $$ = wf_make_decl(in, WF_D_TRAIN, @$, $2, @2); $$->args = *$4; }
fields: %empty { $$ = wf_make_decl(in, WF_D_TRAIN, @$, "", @$); }
      | fields field_name fields_values {
          wf_ast_field field = {wf_loc_join(@2, @3), $2, {0}};
          memcpy(&field.values, $3, sizeof field.values);
          $$ = $1; wf_vec_push(in->arena, &$$->fields, field); }
      | fields ';' { $$ = $1; }
      | fields error T_RESYNC { $$ = $1; yyerrok; }
field_name: T_NAME | T_OPTIMIZER { $$ = "optimizer"; } | T_LABELS { $$ = "labels"; } | T_TOP { $$ = "top"; }
fields_values: exprs

block: '{' stmts '}' { $$ = $2; }
     | '{' stmts error '}' { $$ = $2; in->recovering = false; yyerrok; }
stmts: %empty { $$ = WF_NEW(in->arena, wf_ast_block); }
     | stmts stmt { $$ = $1; wf_vec_push(in->arena, $$, $2); }
     | stmts ';' { $$ = $1; }
     | stmts error T_RESYNC { $$ = $1; yyerrok; }

stmt: names '=' expr { $$ = wf_make_stmt(in, WF_ST_ASSIGN, @$, NULL, @1, $3); memcpy(&$$->names, $1, sizeof $$->names); }
    | T_LET name '=' expr { $$ = wf_make_stmt(in, WF_ST_LET, @$, $2, @2, $4); }
    | name '[' items ']' '=' expr { $$ = wf_make_stmt(in, WF_ST_DEFINE, @$, $1, @1, $6); $$->items = *$3; }
    | name '[' items ']' scatter expr { $$ = wf_make_stmt(in, WF_ST_SCATTER, @$, $1, @1, $6); $$->items = *$3;
        $$->text = $5 == T_ADD_ASSIGN ? "+=" : $5 == T_MAX_ASSIGN ? "max=" : "min="; }
    | name ':' type { $$ = wf_make_stmt(in, WF_ST_DECLARE, @$, $1, @1, NULL); $$->type = $3; }
    | T_RETURN exprs { $$ = wf_make_stmt(in, WF_ST_RETURN, @$, NULL, @1, NULL); memcpy(&$$->values, $2, sizeof $$->values); }
    | name '(' args ')' { $$ = wf_make_stmt(in, WF_ST_CALL, @$, NULL, @1, wf_make_call(in, @$, $1, $3, NULL)); }
    | T_FOR name T_IN range block { $$ = wf_make_stmt(in, WF_ST_FOR, @$, $2, @2, $4); $$->body = *$5; }
    | if_stmt
    | T_LOOP name ':' expr reverse carries block {
        $$ = wf_make_stmt(in, WF_ST_LOOP, @$, $2, @2, $4); $$->reverse = $5; $$->body = *$7;
        memcpy(&$$->carries, $6, sizeof $$->carries); }
    | T_NEXT name '=' expr { $$ = wf_make_stmt(in, WF_ST_NEXT, @$, $2, @2, $4); }
    | T_YIELD name '=' expr { $$ = wf_make_stmt(in, WF_ST_YIELD, @$, $2, @2, $4); }
    | T_PARAM name ':' type '=' expr { $$ = wf_make_stmt(in, WF_ST_PARAM, @$, $2, @2, $6); $$->type = $4; }
    | T_STATE name ':' type '=' expr { $$ = wf_make_stmt(in, WF_ST_STATE, @$, $2, @2, $6); $$->type = $4; }
    | T_UPDATE name '=' expr { $$ = wf_make_stmt(in, WF_ST_UPDATE, @$, $2, @2, $4); }
    | T_SHARD name '[' items ']' { $$ = wf_make_stmt(in, WF_ST_SHARD, @$, $2, @2, NULL); $$->items = *$4; }
    | T_STAGE expr block { $$ = wf_make_stmt(in, WF_ST_STAGE, @$, NULL, @1, $2); $$->body = *$3; }
    | T_LABELS expr { $$ = wf_make_stmt(in, WF_ST_LABELS, @$, NULL, @1, $2); }
    | T_TOP expr { $$ = wf_make_stmt(in, WF_ST_TOP, @$, NULL, @1, $2); }
if_stmt: T_IF expr block { $$ = wf_make_stmt(in, WF_ST_IF, @$, NULL, @1, $2); $$->body = *$3; }
       | T_IF expr block T_ELSE block { $$ = wf_make_stmt(in, WF_ST_IF, @$, NULL, @1, $2); $$->body = *$3; $$->otherwise = *$5; $$->has_else = true; }
       | T_IF expr block T_ELSE if_stmt { $$ = wf_make_stmt(in, WF_ST_IF, @$, NULL, @1, $2); $$->body = *$3;
           wf_vec_push(in->arena, &$$->otherwise, $5); $$->has_else = true; }
range: expr | expr T_REST expr { $$ = wf_make_expr(in, WF_E_RANGE, @$, $1, $3, NULL); }
reverse: %empty { $$ = false; } | T_REVERSE { $$ = true; }
carries: %empty { $$ = WF_NEW(in->arena, wf_ast_carries); } | T_CARRY carry_list { $$ = $2; }
carry_list: name '=' expr { $$ = WF_NEW(in->arena, wf_ast_carries); wf_vec_push(in->arena, $$, ((wf_ast_carry){{@1, $1}, $3})); }
          | carry_list ',' name '=' expr { $$ = $1; wf_vec_push(in->arena, $$, ((wf_ast_carry){{@3, $3}, $5})); }
scatter: T_ADD_ASSIGN { $$ = T_ADD_ASSIGN; } | T_MAX_ASSIGN { $$ = T_MAX_ASSIGN; } | T_MIN_ASSIGN { $$ = T_MIN_ASSIGN; }
names: name { $$ = WF_NEW(in->arena, wf_ast_names); wf_vec_push(in->arena, $$, ((wf_ast_name){@1, $1})); }
     | names ',' name { $$ = $1; wf_vec_push(in->arena, $$, ((wf_ast_name){@3, $3})); }
name: T_NAME | T_IN { $$ = "in"; }

exprs: expr { $$ = WF_NEW(in->arena, wf_ast_exprs); wf_vec_push(in->arena, $$, $1); }
     | exprs ',' expr { $$ = $1; wf_vec_push(in->arena, $$, $3); }
expr: postfix
    | name '(' args ')' T_AS instance { $$ = wf_make_call(in, @$, $1, $3, $6); }
    | expr T_PIPE callee { $$ = wf_make_expr(in, WF_E_PIPE, @$, $1, $3, NULL); }
    | expr T_IFX expr T_ELSE expr %prec T_IFX { $$ = wf_make_expr(in, WF_E_CONDITIONAL, @$, $1, $3, $5); }
    | expr T_OR expr { $$ = wf_make_binary(in, @$, WF_OP_OR, $1, $3); }
    | expr T_AND expr { $$ = wf_make_binary(in, @$, WF_OP_AND, $1, $3); }
    | expr T_EQ expr { $$ = wf_make_binary(in, @$, WF_OP_EQ, $1, $3); }
    | expr T_NE expr { $$ = wf_make_binary(in, @$, WF_OP_NE, $1, $3); }
    | expr '<' expr { $$ = wf_make_binary(in, @$, WF_OP_LT, $1, $3); }
    | expr '>' expr { $$ = wf_make_binary(in, @$, WF_OP_GT, $1, $3); }
    | expr T_LE expr { $$ = wf_make_binary(in, @$, WF_OP_LE, $1, $3); }
    | expr T_GE expr { $$ = wf_make_binary(in, @$, WF_OP_GE, $1, $3); }
    | expr '+' expr { $$ = wf_make_binary(in, @$, WF_OP_ADD, $1, $3); }
    | expr '-' expr { $$ = wf_make_binary(in, @$, WF_OP_SUB, $1, $3); }
    | expr '*' expr { $$ = wf_make_binary(in, @$, WF_OP_MUL, $1, $3); }
    | expr '/' expr { $$ = wf_make_binary(in, @$, WF_OP_DIV, $1, $3); }
    | expr T_FLOORDIV expr { $$ = wf_make_binary(in, @$, WF_OP_FLOORDIV, $1, $3); }
    | expr '%' expr { $$ = wf_make_binary(in, @$, WF_OP_MOD, $1, $3); }
    | expr T_POW expr { $$ = wf_make_binary(in, @$, WF_OP_POW, $1, $3); }
    | '-' expr %prec UNARY { $$ = wf_make_unary(in, @$, WF_OP_NEG, $2); }
    | T_NOT expr { $$ = wf_make_unary(in, @$, WF_OP_NOT, $2); }
    | T_REDUCE '[' items ']' expr %prec REDUCTION { $$ = wf_make_expr(in, WF_E_REDUCE, @$, $5, NULL, NULL); $$->text = $1; $$->items = *$3; }
callee: name opt_as { $$ = wf_make_name(in, @1, $1); $$->instance = $2; }
      | name '(' args ')' opt_as { $$ = wf_make_call(in, @$, $1, $3, $5); }
      | T_REDUCE '(' args ')' { $$ = wf_make_call(in, @$, $1, $3, NULL); }
opt_as: %empty { $$ = NULL; } | T_AS instance { $$ = $2; }
instance: name { $$ = wf_make_instance(in, @$, $1, NULL); }
        | name '[' expr ']' { $$ = wf_make_instance(in, @$, $1, $3); }
primary: T_INT { $$ = wf_make_int(in, @$, $1); }
       | T_FLOAT { $$ = wf_make_float(in, @$, $1); }
       | T_STRING { $$ = wf_make_string(in, @$, $1); }
       | T_TRUE { $$ = wf_make_bool(in, @$, true); }
       | T_FALSE { $$ = wf_make_bool(in, @$, false); }
       | name { $$ = wf_make_name(in, @$, $1); }
       | name '(' args ')' { $$ = wf_make_call(in, @$, $1, $3, NULL); }
       | T_REDUCE '(' args ')' { $$ = wf_make_call(in, @$, $1, $3, NULL); }
       | '[' opt_args ']' { $$ = wf_make_expr(in, WF_E_LIST, @$, NULL, NULL, NULL); $$->args = *$2; }
       | '(' expr ')' { $$ = $2; $$->parens++; }
postfix: primary
       | postfix '[' items ']' %prec NO_ELSE { $$ = wf_make_expr(in, WF_E_READ, @$, $1, NULL, NULL); $$->items = *$3; }
       | postfix '[' items ']' T_ELSE outside { $$ = wf_make_expr(in, WF_E_READ, @$, $1, $6, NULL); $$->items = *$3; }
outside: postfix %prec NO_INDEX
       | '-' primary { $$ = wf_make_unary(in, @$, WF_OP_NEG, $2); }

opt_args: %empty { $$ = WF_NEW(in->arena, wf_ast_args); } | exprs { $$ = wf_make_positional(in, $1); }
args: %empty { $$ = WF_NEW(in->arena, wf_ast_args); } | arg_list
arg_list: arg { $$ = WF_NEW(in->arena, wf_ast_args); wf_vec_push(in->arena, $$, $1); }
        | arg_list ',' arg { $$ = $1; wf_vec_push(in->arena, $$, $3); }
arg: expr { $$ = (wf_ast_arg){@$, NULL, $1}; }
   | name '=' expr { $$ = (wf_ast_arg){@$, $1, $3}; }
items: %empty { $$ = WF_NEW(in->arena, wf_ast_items); } | item_list
item_list: item { $$ = WF_NEW(in->arena, wf_ast_items); wf_vec_push(in->arena, $$, $1); }
         | item_list ',' item { $$ = $1; wf_vec_push(in->arena, $$, $3); }
item: T_REST { $$ = (wf_ast_item){@$, true, NULL, NULL}; }
    | expr { $$ = (wf_ast_item){@$, false, $1, NULL}; }
    | expr ':' expr { $$ = (wf_ast_item){@$, false, $1, $3}; }
%%

// A nested list or block that is too deep ends the file there: what walks the tree recurses.
static int too_deep(wf_net_lexing *in, wf_loc loc) {
  if (!in->too_deep) wf_error(in->diag, loc, "brackets are nested deeper than the limit of %d", in->max_nesting);
  in->too_deep = true;
  return 0;
}

static int hold(wf_net_lexing *in, int token, wf_loc loc, const WF_NET_YYSTYPE *value) {
  in->held = token;
  in->held_loc = loc;
  in->held_text = value->text;
  in->has_held = true;
  in->recovering = false;
  return T_RESYNC;
}

static int read_token(WF_NET_YYSTYPE *value, wf_loc *loc, void *scanner, wf_net_lexing *in) {
  if (in->too_deep) return 0;
  int token = (wf_net_yylex)(value, loc, scanner);
  bool opens = token == '(' || token == '[' || token == '{', closes = token == ')' || token == ']' || token == '}';
  if (opens && ++in->nesting > in->max_nesting) return too_deep(in, *loc);
  if (closes && in->nesting > 0) in->nesting--;
  return token;
}

// While recovering, skips to the next line or the brace that closes the block, sends RESYNC, then what was found there.
static int next_token(WF_NET_YYSTYPE *value, wf_loc *loc, void *scanner, wf_net_lexing *in) {
  if (in->has_held) {
    in->has_held = false;
    *loc = in->held_loc;
    value->text = in->held_text;
    return in->held;
  }
  bool closed = false;
  for (;;) {
    int token = read_token(value, loc, scanner, in);
    if (!in->recovering) return token;
    if (token == 0 || (in->depth == 0 && (in->first_on_line || closed || token == '}'))) return hold(in, token, *loc, value);
    if (token == '{') in->depth++;
    if (token == '}' && --in->depth == 0) closed = true;
  }
}

static const char *spell(wf_net_lexing *in, int token, wf_loc loc, yysymbol_kind_t symbol) {
  if (token == 0) return "the file ends here";
  if (loc.line == loc.end_line && loc.end_column > loc.column)
    return wf_arena_printf(in->arena, "unexpected `%.*s`", loc.end_column - loc.column, wf_net_text_at(in, loc));
  return wf_arena_printf(in->arena, "unexpected %s", yysymbol_name(symbol));
}

static int yyreport_syntax_error(const yypcontext_t *context, void *scanner, wf_net_lexing *in) {
  enum { MOST = 5 };
  yysymbol_kind_t expected[MOST], found = yypcontext_token(context);
  wf_loc loc = *yypcontext_location(context);
  int token = found == YYSYMBOL_YYEOF ? 0 : 1, count = yypcontext_expected_tokens(context, expected, MOST);
  if (in->too_deep) return 0;
  if (found == YYSYMBOL_T_RESYNC) {   // of a line that was reported already
    in->recovering = true;
    return 0;
  }
  wf_text text;
  wf_text_init(&text);
  wf_text_add(&text, spell(in, token, loc, found));
  int kept = 0;
  for (int i = 0; i < count; i++)   // `in` may stand for a name; nobody needs to hear of it
    if (expected[i] != YYSYMBOL_T_IN || count == 1) expected[kept++] = expected[i];
  count = kept;
  for (int i = 0; i < count; i++)
    wf_text_printf(&text, "%s%s", i == 0 ? ", expected " : i + 1 < count ? ", " : " or ", yysymbol_name(expected[i]));
  wf_diagnostic *error = wf_error(in->diag, loc, "%s", text.data);
  wf_text_deinit(&text);
  wf_net_advise(in, error, loc);
  in->recovering = true;
  in->depth = wf_net_text_at(in, loc)[0] == '{' && token ? 1 : 0;
  return 0;
}

static void wf_net_yyerror(wf_loc *loc, void *scanner, wf_net_lexing *in, const char *message) {
  if (!in->too_deep) wf_error(in->diag, *loc, "this is nested too deeply to read");
  in->too_deep = true;
}

wf_ast_file *wf_parse_net(wf_arena *arena, wf_diag *diag, const wf_source *source) {
  wf_net_lexing in = {.arena = arena, .diag = diag, .source = source, .line = 1, .column = 1, .line_start = true,
                      .statement_start = true, .max_nesting = 200};
  in.file = WF_NEW(arena, wf_ast_file);
  in.file->arena = arena;
  in.file->source = source;
  wf_net_scan(&in, (int (*)(void *, wf_net_lexing *))wf_net_yyparse);
  return in.file;
}
