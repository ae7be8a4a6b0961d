// A kernel of the host as a function with the entry of runtime/plan.h.
//
// The tasks of a section are the points of its leading TASK loops, row-major; the sections' tasks follow each other. The
// entry runs the tasks [begin, end) of the whole launch.
#include "codegen/emit.h"

// The first task's point by division; from task to task the axes count up like an odometer.
static void split_task(wf_emit *e, const wf_emit_nest *n, wf_llvm task, wf_llvm *extents, wf_llvm *point) {
  for (int i = n->count; i-- > 0;) {
    point[i] = i ? LLVMBuildURem(e->builder, task, extents[i], "") : task;
    if (i) task = LLVMBuildUDiv(e->builder, task, extents[i], "");
  }
}

static void step_axes(wf_emit *e, const wf_emit_nest *n, wf_llvm *extents, wf_llvm *cells) {
  wf_llvm carry = wf_i64(e, 1);
  for (int i = n->count; i-- > 0;) {
    wf_llvm next = LLVMBuildNSWAdd(e->builder, LLVMBuildLoad2(e->builder, e->i64, cells[i], ""), carry, "");
    wf_llvm wraps = wf_icmp(e, LLVMIntSGE, next, extents[i]);
    if (i) next = wf_choose(e, wraps, wf_i64(e, 0), next);
    LLVMBuildStore(e->builder, next, cells[i]);
    carry = wf_convert(e, LLVMZExt, wraps, e->i64);
  }
}

static void emit_tasks(wf_emit *e, const wf_emit_nest *n, wf_llvm first, wf_llvm last) {
  wf_llvm extents[16], point[16], cells[16];
  for (int i = 0; i < n->count; i++) extents[i] = wf_emit_dim(e, n->loops[i]->axis->extent);
  for (int i = 0; i < n->count; i++) cells[i] = wf_alloca(e, e->i64, n->loops[i]->axis->name);
  split_task(e, n, first, extents, point);
  for (int i = 0; i < n->count; i++) LLVMBuildStore(e->builder, point[i], cells[i]);
  wf_emit_loop l = wf_open_loop(e, "task", first, last, false);
  e->depth++;
  for (int i = 0; i < n->count; i++) {
    wf_llvm axis = LLVMBuildLoad2(e->builder, e->i64, cells[i], n->loops[i]->axis->name);
    wf_bind_axis(e, n->loops[i]->axis, (wf_axis_state){.kind = WF_AXIS_VALUE, .value = axis, .depth = e->depth});
  }
  wf_emit_block(e, n->body);
  e->depth--;
  step_axes(e, n, extents, cells);
  wf_close_loop(e, &l);
}

// Runs the tasks of [begin, end) that are the section's, whose first task is `base` of the launch.
static void emit_section(wf_emit *e, const wf_block *section, const wf_dim *base) {
  wf_emit_nest n = wf_leading_loops(section);
  const wf_dim *count = wf_section_tasks(e->kernel, section);
  wf_llvm offset = wf_emit_dim(e, base);
  wf_llvm first = LLVMBuildSub(e->builder, LLVMGetParam(e->function, 2), offset, "");
  wf_llvm last = LLVMBuildSub(e->builder, LLVMGetParam(e->function, 3), offset, "");
  first = wf_intrinsic_like2(e, "llvm.smax", first, wf_i64(e, 0));
  last = wf_intrinsic_like2(e, "llvm.smin", last, wf_emit_dim(e, count));
  LLVMBasicBlockRef run = wf_new_block(e, "section"), done = wf_new_block(e, "done");
  LLVMBuildCondBr(e->builder, wf_icmp(e, LLVMIntSLT, first, last), run, done);
  LLVMPositionBuilderAtEnd(e->builder, run);
  e->scratch_used = wf_dim_const(e->module->dims, 0);
  if (n.count) emit_tasks(e, &n, first, last);
  else wf_emit_block(e, section);
  LLVMBuildBr(e->builder, done);
  LLVMPositionBuilderAtEnd(e->builder, done);
}

// ---- the function -----------------------------------------------------------------------------------------------------
void wf_set_function_attribute(wf_emit *e, const char *name, const char *value) {
  LLVMAddAttributeAtIndex(e->function, LLVMAttributeFunctionIndex,
                          LLVMCreateStringAttribute(e->context, name, (unsigned)strlen(name), value, (unsigned)strlen(value)));
}

static void declare(wf_emit *e, const char *entry) {
  LLVMTypeRef types[5] = {e->pointer, e->pointer, e->i64, e->i64, e->pointer};
  e->function = LLVMAddFunction(e->unit, entry, LLVMFunctionType(LLVMVoidTypeInContext(e->context), types, 5, 0));
  unsigned nounwind = LLVMGetEnumAttributeKindForName("nounwind", 8);
  LLVMAddAttributeAtIndex(e->function, LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(e->context, nounwind, 0));
  wf_set_function_attribute(e, "target-cpu", e->target->cpu);
  if (e->target->features[0]) wf_set_function_attribute(e, "target-features", e->target->features);
  char width[16];
  snprintf(width, sizeof width, "%d", 8 * e->target->vector_bytes);
  wf_set_function_attribute(e, "prefer-vector-width", width);
  wf_set_function_attribute(e, "min-legal-vector-width", width);
  e->entry = wf_new_block(e, "entry");
  LLVMPositionBuilderAtEnd(e->builder, e->entry);
  e->scratch = LLVMGetParam(e->function, 4);
}

static wf_llvm load_slot(wf_emit *e, wf_llvm array, LLVMTypeRef type, int index, const char *name) {
  wf_llvm at = wf_i64(e, index), address = LLVMBuildGEP2(e->builder, type, array, &at, 1, "");
  return LLVMBuildLoad2(e->builder, type, address, name);
}

static void bind_symbols(wf_emit *e) {
  for (int i = 0; i < e->program_symbol_count; i++)
    for (int k = 0; k < e->kernel->symbols.count; k++)
      if (e->kernel->symbols.items[k] == e->program_symbols[i]) {
        wf_llvm value = load_slot(e, LLVMGetParam(e->function, 1), e->i64, i, e->program_symbols[i]->name);
        wf_bind_axis(e, e->program_symbols[i], (wf_axis_state){.kind = WF_AXIS_VALUE, .value = value});
      }
}

void wf_emit_task_entry(wf_emit *e, const char *entry, const bool *distinct) {
  declare(e, entry);
  bind_symbols(e);
  int count = e->kernel->params.count;
  wf_llvm *bases = WF_NEW_ARRAY(e->arena, wf_llvm, count);
  for (int i = 0; i < count; i++) bases[i] = load_slot(e, LLVMGetParam(e->function, 0), e->pointer, i, e->kernel->params.items[i]->name);
  wf_bind_params(e, entry, distinct, bases);
  const wf_dim *base = wf_dim_const(e->module->dims, 0);
  for (int i = 0; i < e->kernel->sections.count && !e->failed; i++) {
    emit_section(e, e->kernel->sections.items[i], base);
    base = wf_dim_add(base, wf_section_tasks(e->kernel, e->kernel->sections.items[i]));
  }
  LLVMBuildRetVoid(e->builder);
}
