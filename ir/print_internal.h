// Shared by the printers of net IR and kernel IR: names in scope, dims, scalar expressions.
#ifndef WEFT_IR_PRINT_INTERNAL_H
#define WEFT_IR_PRINT_INTERNAL_H
#include "ir/expr_internal.h"
#include "ir/kir.h"

typedef struct wf_scope_axis { const wf_atom *axis; const char *name; } wf_scope_axis;   // the name it is printed by
typedef struct wf_seen_symbol { const wf_atom *symbol; bool in_body; } wf_seen_symbol;

typedef struct wf_printer {
  wf_text *out;
  wf_arena *arena;                      // scratch, lives as long as the printer
  WF_VEC(wf_scope_axis) axes;           // innermost last
  WF_VEC(wf_seen_symbol) symbols;       // each once; in_body: first met in an index, where a reader makes no symbols
  WF_VEC(bool) symbol_seen;             // by atom id
  const wf_atom *const *reserved;       // symbols whose names no axis and no let may take
  int reserved_count;
  bool in_body;                         // now printing indices, not extents
  bool canonical;                       // wf_kernel_canonical: names by order, no costs
  wf_map renamed;                       // canonical: buffer name -> new name
  int axis_count;                       // canonical: axes named so far
  struct wf_lets *lets;                 // named nodes of the statement being printed
} wf_printer;

void wf_printer_init(wf_printer *printer, wf_text *out);
void wf_printer_deinit(wf_printer *printer);
// Brings axes into scope with names that clash neither with each other nor with symbols that roots mention.
void wf_printer_enter(wf_printer *printer, const wf_atom *const *axes, int count, const wf_expr *const *roots, int root_count);
void wf_printer_leave(wf_printer *printer, int count);
const char *wf_printer_axis_name(wf_printer *printer, const wf_atom *axis);

void wf_print_name(wf_text *out, const char *name);      // quoted where it is no plain identifier
void wf_print_ref(wf_text *out, char sigil, const char *name);
void wf_print_buffer(wf_printer *printer, const wf_value *value);   // %name, or its canonical name
void wf_print_number(wf_text *out, wf_dtype type, double number);   // shortest text that reads back to the same
void wf_print_dim(wf_printer *printer, const wf_dim *dim);
void wf_print_shape(wf_printer *printer, wf_dtype type, int rank, const wf_dim *const *shape);
void wf_print_layout(wf_printer *printer, const wf_value *value);   // nothing where row-major
// Names the nodes that the roots share and prints "let t0 = ...; " for each; wf_print_root then uses the names.
void wf_print_lets(wf_printer *printer, const wf_expr *const *roots, int count);
void wf_print_root(wf_printer *printer, const wf_expr *root);   // its type is known where it stands
void wf_print_end_lets(wf_printer *printer);
void wf_print_kernel_with(wf_printer *printer, const wf_kernel *kernel);
#endif
