// Printing net IR: modules, functions, operations. What this file writes, wir_parser.y reads.
#include <stdlib.h>
#include "ir/print_internal.h"

enum { CONST_NUMBERS = 64 };  // larger constants print as bytes

static const char *const role_names[] = {[WF_ROLE_NONE] = "",       [WF_ROLE_DATA] = " data", [WF_ROLE_PARAM] = " param",
                                         [WF_ROLE_STATE] = " state", [WF_ROLE_STEP] = " step", [WF_ROLE_SEED] = " seed", [WF_ROLE_TOTAL] = " total"};

static void print_value(wf_printer *p, const wf_value *value) {
  wf_print_ref(p->out, '%', value->name);
  wf_text_add(p->out, ": ");
  wf_print_shape(p, value->dtype, value->rank, value->shape);
  wf_print_layout(p, value);
  if (value->alias_of) wf_text_add(p->out, " over "), wf_print_ref(p->out, '%', value->alias_of->name);
}

static void print_refs(wf_printer *p, wf_value *const *values, int count) {
  for (int i = 0; i < count; i++) {
    if (i) wf_text_add(p->out, ", ");
    wf_print_ref(p->out, '%', values[i]->name);
  }
}

static void print_axes(wf_printer *p, const wf_atom *const *axes, int count) {
  wf_text_add(p->out, "[");
  for (int i = 0; i < count; i++) {
    wf_text_printf(p->out, "%s%s: ", i ? ", " : "", wf_printer_axis_name(p, axes[i]));
    wf_print_dim(p, axes[i]->extent);
  }
  wf_text_add(p->out, "]");
}

// ---- one function a kind ------------------------------------------------------------------------------------------

static void print_const(wf_printer *p, const wf_op *op) {
  const wf_value *value = op->results[0];
  int64_t count = 1, extent;
  for (int i = 0; i < value->rank; i++) count *= wf_dim_is_const(value->shape[i], &extent) ? extent : 0;
  if (count > CONST_NUMBERS) {
    wf_text_add(p->out, "const hex \"");
    const unsigned char *bytes = op->data;
    for (int64_t i = 0; i < count * wf_dtype_bytes(value->dtype); i++) wf_text_printf(p->out, "%02x", bytes[i]);
    wf_text_add(p->out, "\"");
    return;
  }
  wf_text_add(p->out, "const {");
  for (int64_t i = 0; i < count; i++) {
    if (i) wf_text_add(p->out, ", ");
    if (wf_dtype_is_float(value->dtype)) wf_print_number(p->out, value->dtype, wf_load_element(value->dtype, op->data, i));
    else wf_text_printf(p->out, "%lld", (long long)wf_load_element_int(value->dtype, op->data, i));
  }
  wf_text_add(p->out, "}");
}

static void print_reduction(wf_printer *p, const wf_op *op) {
  if (op->combiner == WF_R_NONE) return;
  bool index = op->combiner == WF_R_ARGMAX || op->combiner == WF_R_ARGMIN;
  wf_dtype usual = index ? op->body->dtype : wf_dtype_compute(op->results[0]->dtype);
  wf_text_printf(p->out, " %s", wf_combiner_names[op->combiner]);
  if (op->accumulator != usual) wf_text_printf(p->out, ":%s", wf_dtype_name(op->accumulator));
  print_axes(p, op->reduction_axes, op->reduction_count);
}

static void print_compute(wf_printer *p, const wf_op *op) {
  wf_text_add(p->out, "compute ");
  wf_printer_enter(p, op->axes, op->axis_count, &op->body, 1);
  wf_printer_enter(p, op->reduction_axes, op->reduction_count, &op->body, 1);
  print_axes(p, op->axes, op->axis_count);
  print_reduction(p, op);
  wf_text_add(p->out, " ");
  p->in_body = true;
  wf_print_lets(p, &op->body, 1);
  wf_print_root(p, op->body);
  wf_print_end_lets(p);
  p->in_body = false;
  wf_printer_leave(p, op->axis_count + op->reduction_count);
}

static void print_scatter(wf_printer *p, const wf_op *op) {
  wf_text_printf(p->out, "scatter %s ", wf_combiner_names[op->combiner]);
  if (!op->scatter_from_zero) {
    wf_text_add(p->out, "onto ");
    wf_print_ref(p->out, '%', op->operands[0]->name);
    wf_text_add(p->out, " ");
  }
  int count = op->target_count;
  const wf_expr **roots = WF_NEW_ARRAY(p->arena, const wf_expr *, count + 1);
  for (int i = 0; i < count; i++) roots[i] = op->target[i];
  roots[count] = op->body;
  wf_printer_enter(p, op->axes, op->axis_count, roots, count + 1);
  print_axes(p, op->axes, op->axis_count);
  wf_text_add(p->out, " ");
  p->in_body = true;
  wf_print_lets(p, roots, count + 1);
  wf_text_add(p->out, "at [");
  for (int i = 0; i < count; i++) {
    if (i) wf_text_add(p->out, ", ");
    wf_print_root(p, op->target[i]);
  }
  wf_text_add(p->out, "] ");
  wf_print_root(p, op->body);
  wf_print_end_lets(p);
  p->in_body = false;
  wf_printer_leave(p, op->axis_count);
}

static void print_sort(wf_printer *p, const wf_op *op) {
  wf_text_add(p->out, "sort ");
  print_refs(p, op->operands, op->operand_count);
  wf_text_printf(p->out, " axis %d%s", op->sort_axis, op->descending ? " descending" : "");
}

static void print_loop_part(wf_printer *p, const char *word, wf_value *const *values, int count) {
  if (!count) return;
  wf_text_printf(p->out, " %s(", word);
  print_refs(p, values, count);
  wf_text_add(p->out, ")");
}

static void print_loop(wf_printer *p, const wf_op *op) {
  wf_text_add(p->out, "loop ");
  wf_print_ref(p->out, '@', op->region->name);
  wf_text_add(p->out, " trip ");
  wf_print_dim(p, op->trip);
  if (op->reverse) wf_text_add(p->out, " reverse");
  int invariants = op->operand_count - op->carry_count - op->slice_count;
  print_loop_part(p, "carry", op->operands, op->carry_count);
  print_loop_part(p, "slice", op->operands + op->carry_count, op->slice_count);
  print_loop_part(p, "with", op->operands + op->carry_count + op->slice_count, invariants);
}

static void print_call(wf_printer *p, const wf_op *op, const char *word, const char *callee) {
  wf_text_printf(p->out, "%s ", word);
  wf_print_ref(p->out, '@', callee);
  wf_text_add(p->out, "(");
  print_refs(p, op->operands, op->operand_count);
  wf_text_add(p->out, ")");
}

static void print_grad(wf_printer *p, const wf_op *op) {
  wf_text_add(p->out, "grad ");
  print_refs(p, op->operands, 1);
  wf_text_add(p->out, " by ");
  print_refs(p, op->operands + 1, op->operand_count - 1);
}

static void print_update(wf_printer *p, const wf_op *op) {
  wf_text_add(p->out, "update ");
  print_refs(p, op->operands, 1);
  wf_text_add(p->out, " = ");
  print_refs(p, op->operands + 1, 1);
}

static void print_op(wf_printer *p, const wf_op *op, int indent);

static void print_group(wf_printer *p, const wf_op *op, int indent) {
  wf_text_add(p->out, "group ");
  wf_print_ref(p->out, '@', op->group_name ? op->group_name : "group");
  wf_text_add(p->out, " -> (");
  print_refs(p, op->results, op->result_count);
  wf_text_add(p->out, ") {\n");
  for (int i = 0; i < op->member_count; i++) {
    const wf_op *member = op->members[i];
    wf_text_printf(p->out, "%*s", indent + 2, "");
    switch (member->placement) {
    case WF_PLACE_OUT: wf_text_add(p->out, "out "); break;
    case WF_PLACE_INLINE: wf_text_add(p->out, "inline "); break;
    case WF_PLACE_AT: wf_text_printf(p->out, "at(%d) ", member->placed_at); break;
    }
    print_op(p, member, indent + 2);
    wf_text_add(p->out, "\n");
  }
  wf_text_printf(p->out, "%*s}", indent, "");
}

static void print_op(wf_printer *p, const wf_op *op, int indent) {
  if (op->kind != WF_O_GROUP && op->result_count) {
    for (int i = 0; i < op->result_count; i++) {
      if (i) wf_text_add(p->out, ", ");
      print_value(p, op->results[i]);
    }
    wf_text_add(p->out, " = ");
  }
  switch (op->kind) {
  case WF_O_CONST: print_const(p, op); break;
  case WF_O_COMPUTE: print_compute(p, op); break;
  case WF_O_SCATTER: print_scatter(p, op); break;
  case WF_O_SORT: print_sort(p, op); break;
  case WF_O_LOOP: print_loop(p, op); break;
  case WF_O_CALL: print_call(p, op, "call", op->region->name); break;
  case WF_O_GRAD: print_grad(p, op); break;
  case WF_O_UPDATE: print_update(p, op); break;
  case WF_O_GROUP: print_group(p, op, indent); break;
  case WF_O_LAUNCH: print_call(p, op, "launch", op->kernel->name); break;
  case WF_OPERATION_COUNT: break;
  }
}

// ---- functions and modules ------------------------------------------------------------------------------------------

static void print_function(wf_printer *p, const wf_function *function) {
  wf_text_add(p->out, "func ");
  wf_print_ref(p->out, '@', function->name);
  bool tall = function->inputs.count > 4;
  wf_text_add(p->out, "(");
  for (int i = 0; i < function->inputs.count; i++) {
    wf_text_add(p->out, tall ? (i ? ",\n    " : "\n    ") : i ? ", " : "");
    print_value(p, function->inputs.items[i]);
    wf_text_add(p->out, role_names[function->inputs.items[i]->role]);
  }
  wf_text_add(p->out, ") -> (");
  for (int i = 0; i < function->results.count; i++) {
    if (i) wf_text_add(p->out, ", ");
    wf_print_name(p->out, function->results.items[i].name);
    wf_text_add(p->out, ": ");
    print_refs(p, &function->results.items[i].value, 1);
  }
  wf_text_add(p->out, ")");
  if (function->variant_of) {
    wf_text_add(p->out, " for ");
    wf_print_ref(p->out, '@', function->variant_of->name);
    wf_text_add(p->out, " at ");
    wf_print_dim(p, function->condition);
    wf_text_add(p->out, " == 0");
  }
  wf_text_add(p->out, " {\n");
  for (int i = 0; i < function->ops.count; i++) {
    wf_text_add(p->out, "  ");
    print_op(p, function->ops.items[i], 2);
    wf_text_add(p->out, "\n");
  }
  wf_text_add(p->out, "}\n");
}

static int by_id(const void *a, const void *b) {
  return ((const wf_seen_symbol *)a)->symbol->id - ((const wf_seen_symbol *)b)->symbol->id;
}

// A reader makes symbols where it meets them in a shape; those with facts, or first met in an index, are declared.
static void print_head(wf_text *out, wf_printer *p) {
  int count = p->symbols.count;
  if (count) qsort(p->symbols.items, (size_t)count, sizeof *p->symbols.items, by_id);
  for (int i = 0; i < count; i++) {
    const wf_atom *symbol = p->symbols.items[i].symbol;
    bool usual = symbol->low == 1 && symbol->high == INT64_C(2147483647) && symbol->divisor == 1;
    if (usual && !p->symbols.items[i].in_body) continue;
    wf_text_add(out, "sym ");
    wf_print_name(out, symbol->name);
    if (!usual) wf_text_printf(out, " in [%lld, %lld]", (long long)symbol->low, (long long)symbol->high);
    if (symbol->divisor != 1) wf_text_printf(out, " %% %lld", (long long)symbol->divisor);
    wf_text_add(out, "\n");
  }
}

static void print_fact(wf_printer *p, const wf_fact *fact) {
  wf_text_add(p->out, "fact ");
  wf_print_dim(p, fact->dim);
  wf_text_add(p->out, fact->zero ? " == 0\n" : " >= 0\n");
}

static void print_body(wf_printer *p, const wf_module *module) {
  for (int i = 0; i < module->facts.count; i++) print_fact(p, &module->facts.items[i]);
  for (int i = 0; i < module->functions.count; i++) {
    if (p->out->length) wf_text_add(p->out, "\n");
    print_function(p, module->functions.items[i]);
  }
  for (int i = 0; i < module->kernels.count; i++) {
    if (p->out->length) wf_text_add(p->out, "\n");
    wf_print_kernel_with(p, module->kernels.items[i]);
  }
}

void wf_print_module(wf_text *out, const wf_module *module) {
  wf_text body;
  wf_text_init(&body);
  wf_printer printer;
  wf_printer_init(&printer, &body);
  print_body(&printer, module);
  size_t before = out->length;
  print_head(out, &printer);
  if (out->length > before && !module->facts.count && body.length) wf_text_add(out, "\n");
  wf_text_add_n(out, body.data ? body.data : "", body.length);
  wf_printer_deinit(&printer);
  wf_text_deinit(&body);
}

void wf_print_function(wf_text *out, const wf_function *function) {
  wf_printer printer;
  wf_printer_init(&printer, out);
  print_function(&printer, function);
  wf_printer_deinit(&printer);
}

void wf_print_op(wf_text *out, const wf_op *op) {
  wf_printer printer;
  wf_printer_init(&printer, out);
  print_op(&printer, op, 0);
  wf_printer_deinit(&printer);
}
