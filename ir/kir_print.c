// Printing kernel IR; wir_parser.y reads it back.
#include "ir/print_internal.h"

static const char *const space_names[] = {[WF_SPACE_GLOBAL] = "global", [WF_SPACE_LOCAL] = "local",
                                          [WF_SPACE_REGISTER] = "register", [WF_SPACE_SHARED] = "shared"};

static void print_declaration(wf_printer *p, const wf_value *value) {
  wf_print_buffer(p, value);
  wf_text_add(p->out, ": ");
  wf_print_shape(p, value->dtype, value->rank, value->shape);
  wf_print_layout(p, value);
}

static const char *assignment(wf_combiner combiner) {
  switch (combiner) {
  case WF_R_NONE: return "=";
  case WF_R_SUM: return "+=";
  case WF_R_PROD: return "*=";
  case WF_R_MAX: return "max=";
  case WF_R_MIN: return "min=";
  case WF_R_ARGMAX: return "argmax=";
  case WF_R_ARGMIN: return "argmin=";
  case WF_COMBINER_COUNT: break;
  }
  return "=";
}

static void print_element(wf_printer *p, const wf_stmt *stmt) {
  wf_print_buffer(p, stmt->buffer);
  wf_text_add(p->out, "[");
  for (int i = 0; i < stmt->buffer->rank; i++) {
    if (i) wf_text_add(p->out, ", ");
    wf_print_root(p, stmt->indices[i]);
  }
  wf_text_add(p->out, "]");
}

static void print_reduce(wf_printer *p, const wf_stmt *stmt) {
  wf_text_printf(p->out, "reduce %s ", wf_combiner_names[stmt->combiner]);
  wf_print_lets(p, stmt->indices, stmt->buffer->rank);
  print_element(p, stmt);
  wf_text_printf(p->out, " lanes %d\n", stmt->lanes);
  wf_print_end_lets(p);
}

static void print_store(wf_printer *p, const wf_stmt *stmt) {
  int rank = stmt->buffer->rank;
  const wf_expr *roots[WF_MAX_RANK + 1];
  for (int i = 0; i < rank; i++) roots[i] = stmt->indices[i];
  roots[rank] = stmt->value;
  wf_print_lets(p, roots, rank + 1);
  print_element(p, stmt);
  wf_text_printf(p->out, " %s ", assignment(stmt->combiner));
  wf_print_root(p, stmt->value);
  wf_print_end_lets(p);
  wf_text_add(p->out, "\n");
}

static void print_block(wf_printer *p, const wf_block *block, int indent);

static void print_for(wf_printer *p, const wf_stmt *stmt, int indent) {
  wf_text_printf(p->out, "for %s ", wf_bind_names[stmt->bind]);
  wf_printer_enter(p, &stmt->axis, 1, NULL, 0);
  wf_text_printf(p->out, "%s: ", wf_printer_axis_name(p, stmt->axis));
  wf_print_dim(p, stmt->axis->extent);
  wf_text_add(p->out, " {\n");
  print_block(p, &stmt->body, indent + 2);
  wf_text_printf(p->out, "%*s}\n", indent, "");
  wf_printer_leave(p, 1);
}

static void print_if(wf_printer *p, const wf_stmt *stmt, int indent) {
  wf_text_add(p->out, "if ");
  wf_print_lets(p, &stmt->condition, 1);
  wf_print_root(p, stmt->condition);
  wf_print_end_lets(p);
  wf_text_add(p->out, " {\n");
  print_block(p, &stmt->body, indent + 2);
  wf_text_printf(p->out, "%*s}\n", indent, "");
}

static void print_block(wf_printer *p, const wf_block *block, int indent) {
  for (int i = 0; i < block->list.count; i++) {
    const wf_stmt *stmt = block->list.items[i];
    wf_text_printf(p->out, "%*s", indent, "");
    switch (stmt->kind) {
    case WF_STMT_FOR: print_for(p, stmt, indent); break;
    case WF_STMT_IF: print_if(p, stmt, indent); break;
    case WF_STMT_ALLOC:
      wf_text_add(p->out, "alloc ");
      print_declaration(p, stmt->buffer);
      wf_text_printf(p->out, " %s\n", space_names[stmt->buffer->space]);
      break;
    case WF_STMT_STORE: print_store(p, stmt); break;
    case WF_STMT_BARRIER: wf_text_add(p->out, "barrier\n"); break;
    case WF_STMT_REDUCE: print_reduce(p, stmt); break;
    }
  }
}

static void print_head(wf_printer *p, const wf_kernel *kernel) {
  wf_text_add(p->out, "kernel ");
  wf_print_ref(p->out, '@', p->canonical ? "k" : kernel->name);
  bool tall = kernel->params.count > 4;
  wf_text_add(p->out, "(");
  for (int i = 0; i < kernel->params.count; i++) {
    wf_text_add(p->out, tall ? (i ? ",\n    " : "\n    ") : i ? ", " : "");
    print_declaration(p, kernel->params.items[i]);
    wf_text_add(p->out, kernel->written.items[i] ? " out" : " in");
  }
  wf_text_add(p->out, ")");
  for (int i = 0; i < kernel->symbols.count; i++) {
    wf_text_add(p->out, i ? ", " : " symbols(");
    wf_print_dim(p, kernel->symbols.items[i]->as_dim);
  }
  if (kernel->symbols.count) wf_text_add(p->out, ")");
  if (p->canonical) return;
  if (kernel->flops) wf_text_add(p->out, " flops "), wf_print_dim(p, kernel->flops);
  if (kernel->bytes) wf_text_add(p->out, " bytes "), wf_print_dim(p, kernel->bytes);
}

void wf_print_kernel_with(wf_printer *p, const wf_kernel *kernel) {
  p->reserved = kernel->symbols.items;
  p->reserved_count = kernel->symbols.count;
  print_head(p, kernel);
  wf_text_add(p->out, " {\n");
  p->in_body = true;
  for (int i = 0; i < kernel->sections.count; i++) {
    bool braces = kernel->sections.count > 1;
    if (braces) wf_text_add(p->out, "  section {\n");
    print_block(p, kernel->sections.items[i], braces ? 4 : 2);
    if (braces) wf_text_add(p->out, "  }\n");
  }
  wf_text_add(p->out, "}\n");
  p->in_body = false;
  p->reserved_count = 0;
}

void wf_print_kernel(wf_text *out, const wf_kernel *kernel) {
  wf_printer printer;
  wf_printer_init(&printer, out);
  wf_print_kernel_with(&printer, kernel);
  wf_printer_deinit(&printer);
}
