// What the generated lexer and parser of .net files share.
#ifndef WEFT_FRONTEND_NET_LEXING_H
#define WEFT_FRONTEND_NET_LEXING_H
#include "frontend/ast.h"

typedef struct wf_net_lexing {
  wf_arena *arena;
  wf_diag *diag;
  const wf_source *source;
  wf_ast_file *file;
  size_t offset;                // of the byte after the current token
  int line, column;             // of that byte
  bool line_start;              // no token yet on this line
  bool statement_start;         // the last token was a brace or `;`
  wf_loc comment_loc; size_t comment_from;
  bool first_on_line;           // the last token was the first of its line
  // Recovery (see net_lexer.l).
  bool recovering;
  int depth;                    // braces opened since the error
  bool has_held;                // a token waits behind RESYNC
  int held; wf_loc held_loc; const char *held_text;
  int floordiv_line;            // line of the last `//` behind code, for advice
  int conditional_line;         // of the last `if` of an expression, for advice
  int nesting, max_nesting;     // of brackets
  bool too_deep;
} wf_net_lexing;

void wf_net_advance(wf_net_lexing *lexing, wf_loc *loc, const char *text, size_t length);
int wf_net_token(wf_net_lexing *lexing, const wf_loc *loc, int kind);
void wf_net_comment(wf_net_lexing *lexing, const wf_loc *loc, const char *text, size_t length);
void wf_net_line_comment(wf_net_lexing *lexing, const wf_loc *rest);
void wf_net_block_comment(wf_net_lexing *lexing, const wf_loc *end);
void wf_net_stray(wf_net_lexing *lexing, const wf_loc *loc, const char *text);

// The source from the place on.
const char *wf_net_text_at(const wf_net_lexing *lexing, wf_loc loc);
// Hints for the commonest causes of a syntax error.
void wf_net_advise(wf_net_lexing *lexing, wf_diagnostic *error, wf_loc loc);
// In net_lexer.l: sets up a scanner over the source and parses.
void wf_net_scan(wf_net_lexing *lexing, int (*parse)(void *scanner, wf_net_lexing *lexing));
wf_loc wf_loc_after(wf_loc loc);   // the empty place behind it
wf_loc wf_loc_end(wf_loc loc);     // its last character
#endif
