// Source places and diagnostics. A diagnostic has a place, a message, notes that say where the other side of a
// disagreement came from, and a suggestion; it is printed with the source line and a caret.
#ifndef WEFT_IR_DIAG_H
#define WEFT_IR_DIAG_H
#include <stdbool.h>
#include <stdio.h>
#include "ir/arena.h"
#include "ir/did_you_mean.h"

typedef struct wf_source { const char *path, *text; size_t size; bool library; } wf_source;  // path as the user named it; "std/nn.net" for the library

typedef struct wf_loc {        // a span of a source; line and column count from 1; source NULL: no place
  const wf_source *source;
  int line, column, end_line, end_column;
} wf_loc;
#define WF_NOWHERE ((wf_loc){0})

typedef enum wf_severity { WF_ERROR, WF_WARNING, WF_NOTE, WF_HELP } wf_severity;

typedef struct wf_diagnostic {
  wf_severity severity;
  wf_loc loc;
  const char *message;
  WF_VEC(struct wf_diagnostic *) notes;  // WF_NOTE and WF_HELP lines that belong to it
} wf_diagnostic;

typedef struct wf_diag {       // the sink: one a run
  wf_arena *arena;
  WF_VEC(wf_diagnostic *) list;
  int errors, warnings;
  int error_limit;             // after this many errors later ones are counted, not kept; default 20
} wf_diag;

wf_diag *wf_diag_create(wf_arena *arena);
// Returns the diagnostic (never NULL), to which notes and help can be added.
wf_diagnostic *wf_error(wf_diag *diag, wf_loc loc, const char *format, ...) __attribute__((format(printf, 3, 4)));
wf_diagnostic *wf_warning(wf_diag *diag, wf_loc loc, const char *format, ...) __attribute__((format(printf, 3, 4)));
void wf_note(wf_diag *diag, wf_diagnostic *to, wf_loc loc, const char *format, ...) __attribute__((format(printf, 4, 5)));
void wf_help(wf_diag *diag, wf_diagnostic *to, const char *format, ...) __attribute__((format(printf, 3, 4)));
// All kept diagnostics in source order, gcc-like head line (path:line:col: error: ...), source line, caret line.
// colour follows the caller (a terminal and no NO_COLOR).
void wf_diag_print(const wf_diag *diag, FILE *stream, bool colour);

// Reads a whole file as a source. NULL with an error in `diag` where it cannot be read or is over `limit` bytes.
wf_source *wf_source_read(wf_arena *arena, wf_diag *diag, const char *path, size_t limit);
wf_source *wf_source_from_text(wf_arena *arena, const char *path, const char *text);
#endif
