// One kernel of the kernel IR as one LLVM function with the entry of runtime/plan.h: sections, tasks, loops, ifs, allocs.
//
// The tasks of a section are the points of its leading TASK loops, row-major; the sections' tasks follow each other. The
// entry runs the tasks [begin, end) of the whole launch.
#include "codegen/emit.h"

// Unrolled statements beyond this are emitted as loops: register buffers fall to the stack, results stay the same.
enum { STATEMENT_BUDGET = 20000, MAX_LANES = 128 };

static void emit_block(wf_emit *e, const wf_block *block);

// ---- loops ----------------------------------------------------------------------------------------------------------
typedef struct loop { LLVMBasicBlockRef body, after; wf_llvm counter, limit; } loop;

static LLVMBasicBlockRef new_block(wf_emit *e, const char *name) { return LLVMAppendBasicBlockInContext(e->context, e->function, name); }

// A rotated loop: the body runs at least once, behind a guard where the range may be empty.
static loop open_loop(wf_emit *e, const char *name, wf_llvm first, wf_llvm limit, bool may_be_empty) {
  loop l = {.body = new_block(e, name), .after = new_block(e, "after"), .limit = limit};
  LLVMBasicBlockRef before = LLVMGetInsertBlock(e->builder);
  if (may_be_empty) LLVMBuildCondBr(e->builder, wf_icmp(e, LLVMIntSLT, first, limit), l.body, l.after);
  else LLVMBuildBr(e->builder, l.body);
  LLVMPositionBuilderAtEnd(e->builder, l.body);
  l.counter = LLVMBuildPhi(e->builder, e->i64, name);
  LLVMAddIncoming(l.counter, &first, &before, 1);
  return l;
}

static void close_loop(wf_emit *e, loop *l) {
  wf_llvm next = LLVMBuildNSWAdd(e->builder, l->counter, wf_i64(e, 1), "");
  LLVMBasicBlockRef latch = LLVMGetInsertBlock(e->builder);
  LLVMAddIncoming(l->counter, &next, &latch, 1);
  LLVMBuildCondBr(e->builder, wf_icmp(e, LLVMIntSLT, next, l->limit), l->body, l->after);
  LLVMPositionBuilderAtEnd(e->builder, l->after);
}

static void emit_serial(wf_emit *e, const wf_stmt *s) {
  const wf_dim *extent = wf_specialise(e, s->axis->extent);
  loop l = open_loop(e, s->axis->name, wf_i64(e, 0), wf_emit_dim(e, extent), wf_dim_range(extent).low < 1);
  e->depth++;
  wf_bind_axis(e, s->axis, (wf_axis_state){.kind = WF_AXIS_VALUE, .value = l.counter, .depth = e->depth});
  emit_block(e, &s->body);
  e->depth--;
  close_loop(e, &l);
}

static void emit_unrolled(wf_emit *e, const wf_stmt *s, int64_t extent) {
  for (int64_t i = 0; i < extent; i++) {
    wf_bind_axis(e, s->axis, (wf_axis_state){.kind = WF_AXIS_CONSTANT, .constant = i});
    emit_block(e, &s->body);
  }
}

static void emit_lanes(wf_emit *e, const wf_stmt *s, int lanes) {
  wf_bind_axis(e, s->axis, (wf_axis_state){.kind = WF_AXIS_LANE, .depth = e->depth});
  e->lane_axis = s->axis;
  e->lanes = lanes;
  emit_block(e, &s->body);
  e->lane_axis = NULL;
  e->lanes = 0;
}

static void refuse_on_host(wf_emit *e, const wf_stmt *s, const char *what) {
  if (!e->failed) wf_error(e->module->diag, s->loc, "kernel %s: %s has no meaning on the host", e->kernel->name, what);
  e->failed = true;
}

static bool is_gpu(wf_bind bind) { return bind > WF_BIND_UNROLL; }

// Statements that one run of the block emits.
static int64_t block_size(const wf_block *block) {
  int64_t size = 0;
  for (int i = 0; i < block->list.count; i++) {
    const wf_stmt *s = block->list.items[i];
    int64_t inner = s->kind == WF_STMT_FOR || s->kind == WF_STMT_IF ? block_size(&s->body) : 0, extent = 1;
    if (s->kind == WF_STMT_FOR && s->bind == WF_BIND_UNROLL && !wf_dim_is_const(s->axis->extent, &extent)) extent = 1;
    size += 1 + (inner < INT32_MAX && extent < INT32_MAX ? inner * extent : INT32_MAX);
  }
  return size;
}

static void emit_for(wf_emit *e, const wf_stmt *s) {
  int64_t extent;
  bool constant = wf_dim_is_const(s->axis->extent, &extent);
  if (is_gpu(s->bind)) {
    refuse_on_host(e, s, "a loop over a grid or its threads");
    return;
  }
  bool lanes = s->bind == WF_BIND_VECTOR && constant && !e->lane_axis && extent > 1 && extent <= MAX_LANES;
  bool unrolled = (s->bind == WF_BIND_UNROLL || s->bind == WF_BIND_VECTOR) && constant;
  if (lanes) emit_lanes(e, s, (int)extent);
  else if (unrolled && e->statements + extent * block_size(&s->body) <= STATEMENT_BUDGET) emit_unrolled(e, s, extent);
  else emit_serial(e, s);
}

// ---- windows ----------------------------------------------------------------------------------------------------------
// A statement under a mask that is wider than a register is emitted in windows of lanes. LLVM 22 goes wrong where it splits masked
// moves itself: a half whose mask it finds to be false becomes a load without a mask.
typedef struct lane_use { wf_emit *e; bool varies, guarded; int bytes; } lane_use;

static void look_at_node(void *context, const wf_expr *node) {
  lane_use *use = context;
  if (node->op == WF_S_INDEX) use->varies |= wf_dim_mentions(node->dim, use->e->lane_axis);
  if (node->op != WF_S_READ) return;
  int bytes = wf_dtype_bytes(node->operand->dtype);
  use->guarded |= node->has_default;
  if (bytes > use->bytes) use->bytes = bytes;
}

static void look_at_store(lane_use *use, const wf_stmt *s) {
  int bytes = wf_dtype_bytes(s->buffer->dtype);
  if (bytes > use->bytes) use->bytes = bytes;
  for (int i = 0; i < s->buffer->rank; i++) wf_expr_walk(s->indices[i], look_at_node, use);
  wf_expr_walk(s->value, look_at_node, use);
}

static void look_at_block(lane_use *use, const wf_block *block) {
  for (int i = 0; i < block->list.count; i++) {
    const wf_stmt *s = block->list.items[i];
    if (s->kind == WF_STMT_STORE) look_at_store(use, s);
    if (s->kind == WF_STMT_IF) wf_expr_walk(s->condition, look_at_node, use);
    if (s->kind == WF_STMT_IF || s->kind == WF_STMT_FOR) look_at_block(use, &s->body);
  }
}

// Lanes of one window: all of them where nothing is masked or masked moves are not used.
static int window_of(wf_emit *e, const wf_stmt *s) {
  lane_use use = {.e = e, .bytes = 4};
  if (!e->lane_axis || e->windowed || !e->target->has_masked_moves) return e->lanes;
  if (s->kind == WF_STMT_IF) {
    wf_expr_walk(s->condition, look_at_node, &use);
    bool masked = use.varies;
    look_at_block(&use, &s->body);
    use.guarded |= masked;
  } else {
    look_at_store(&use, s);
  }
  int lanes = e->target->vector_bytes / use.bytes;
  return use.varies && use.guarded && e->lanes > lanes ? lanes : e->lanes;
}

// Windows of nearly equal size, none of one lane.
static void emit_in_windows(wf_emit *e, const wf_stmt *s, void (*emit)(wf_emit *, const wf_stmt *)) {
  int all = e->lanes, window = window_of(e, s);
  if (window >= all) { emit(e, s); return; }
  int count = (all + window - 1) / window;
  e->windowed = true;
  for (int i = 0; i < count; i++) {
    e->lane_first = i * all / count;
    e->lanes = (i + 1) * all / count - e->lane_first;
    e->generation++;
    emit(e, s);
  }
  e->windowed = false;
  e->lane_first = 0;
  e->lanes = all;
}

// ---- ifs and allocs ---------------------------------------------------------------------------------------------------
static void emit_masked(wf_emit *e, const wf_stmt *s, wf_llvm condition) {
  wf_llvm outer = e->mask;
  e->mask = wf_and_masks(e, outer, condition);
  emit_block(e, &s->body);
  e->mask = outer;
}

static void emit_if(wf_emit *e, const wf_stmt *s) {
  e->generation++;
  wf_llvm condition = wf_emit_expr(e, s->condition);
  if (wf_lanes_of(condition)) { emit_masked(e, s, condition); return; }
  if (LLVMIsAConstantInt(condition)) {
    if (LLVMConstIntGetZExtValue(condition)) emit_block(e, &s->body);
    return;
  }
  LLVMBasicBlockRef then = new_block(e, "then"), join = new_block(e, "join");
  LLVMBuildCondBr(e->builder, condition, then, join);
  LLVMPositionBuilderAtEnd(e->builder, then);
  emit_block(e, &s->body);
  LLVMBuildBr(e->builder, join);
  LLVMPositionBuilderAtEnd(e->builder, join);
}

static wf_emit_buffer *add_buffer(wf_emit *e, wf_value *value) {
  wf_emit_buffer *buffer = WF_NEW(e->arena, wf_emit_buffer);
  buffer->value = value;
  buffer->layout = value->layout ? value->layout : wf_layout_row_major(e->module->dims, e->module->arena, value->rank, value->shape);
  wf_pointer_map_set(&e->buffers, e->arena, value, buffer);
  return buffer;
}

static const wf_dim *larger(wf_emit *e, const wf_dim *a, const wf_dim *b) {
  if (wf_proved_nonnegative(e, wf_dim_sub(a, b))) return a;
  if (wf_proved_nonnegative(e, wf_dim_sub(b, a))) return b;
  return wf_dim_add(a, b);
}

static void alloc_local(wf_emit *e, wf_emit_buffer *buffer, const wf_dim *elements) {
  wf_dims *dims = e->module->dims;
  const wf_dim *bytes = wf_dim_scale(elements, wf_dtype_bytes(buffer->value->dtype)), *line = wf_dim_const(dims, 64);
  buffer->base = wf_emit_pointer(e, e->i8, e->scratch, e->scratch_used);
  buffer->scope = e->local_scope;
  buffer->others = e->local_others;
  e->scratch_used = wf_dim_add(e->scratch_used, wf_dim_mul(wf_dim_ceildiv(bytes, line), line));
  e->scratch_peak = larger(e, e->scratch_peak, e->scratch_used);
}

static void emit_alloc(wf_emit *e, const wf_stmt *s) {
  wf_emit_buffer *buffer = add_buffer(e, s->buffer);
  buffer->lanes = e->lanes;
  const wf_dim *elements = wf_dim_scale(buffer->layout->size, e->lanes ? e->lanes : 1);
  int64_t count;
  if (s->buffer->space == WF_SPACE_LOCAL) { alloc_local(e, buffer, elements); return; }
  if (s->buffer->space == WF_SPACE_REGISTER && wf_dim_is_const(elements, &count) && count > 0 && count <= 1 << 16) {
    LLVMTypeRef type = LLVMArrayType2(wf_storage_type(e, s->buffer->dtype), (uint64_t)count);
    buffer->base = wf_alloca(e, type, s->buffer->name);
    return;
  }
  if (!e->failed) wf_error(e->module->diag, s->loc, "kernel %s: %%%s cannot be allocated in registers of the host", e->kernel->name, s->buffer->name);
  e->failed = true;
  buffer->base = LLVMGetPoison(e->pointer);
}

static void emit_stmt(wf_emit *e, const wf_stmt *s) {
  e->statements++;
  switch (s->kind) {
    case WF_STMT_FOR: emit_for(e, s); return;
    case WF_STMT_IF: emit_in_windows(e, s, emit_if); return;
    case WF_STMT_ALLOC: emit_alloc(e, s); return;
    case WF_STMT_BARRIER: case WF_STMT_REDUCE: refuse_on_host(e, s, "a statement of a thread program"); return;
    case WF_STMT_STORE:
      e->generation++;
      emit_in_windows(e, s, wf_emit_store);
      return;
  }
}

static void emit_block(wf_emit *e, const wf_block *block) {
  const wf_dim *used = e->scratch_used;
  for (int i = 0; i < block->list.count && !e->failed; i++) emit_stmt(e, block->list.items[i]);
  e->scratch_used = used;
}

// ---- tasks ------------------------------------------------------------------------------------------------------------
typedef struct nest { const wf_stmt *loops[16]; int count; const wf_block *body; } nest;

static nest leading_tasks(const wf_block *section) {
  nest n = {.body = section};
  while (n.body->list.count == 1 && n.count < 16) {
    const wf_stmt *s = n.body->list.items[0];
    if (s->kind != WF_STMT_FOR || s->bind != WF_BIND_TASK) break;
    n.loops[n.count++] = s;
    n.body = &s->body;
  }
  return n;
}

static const wf_dim *section_tasks(const wf_kernel *kernel, const wf_block *section) {
  nest n = leading_tasks(section);
  const wf_dim *tasks = wf_dim_const(kernel->module->dims, 1);
  for (int i = 0; i < n.count; i++) tasks = wf_dim_mul(tasks, n.loops[i]->axis->extent);
  return tasks;
}

const wf_dim *wf_kernel_tasks(const wf_kernel *kernel) {
  const wf_dim *tasks = wf_dim_const(kernel->module->dims, 0);
  for (int i = 0; i < kernel->sections.count; i++) tasks = wf_dim_add(tasks, section_tasks(kernel, kernel->sections.items[i]));
  return tasks;
}

// The first task's point by division; from task to task the axes count up like an odometer.
static void split_task(wf_emit *e, const nest *n, wf_llvm task, wf_llvm *extents, wf_llvm *point) {
  for (int i = n->count; i-- > 0;) {
    point[i] = i ? LLVMBuildURem(e->builder, task, extents[i], "") : task;
    if (i) task = LLVMBuildUDiv(e->builder, task, extents[i], "");
  }
}

static void step_axes(wf_emit *e, const nest *n, wf_llvm *extents, wf_llvm *cells) {
  wf_llvm carry = wf_i64(e, 1);
  for (int i = n->count; i-- > 0;) {
    wf_llvm next = LLVMBuildNSWAdd(e->builder, LLVMBuildLoad2(e->builder, e->i64, cells[i], ""), carry, "");
    wf_llvm wraps = wf_icmp(e, LLVMIntSGE, next, extents[i]);
    if (i) next = wf_choose(e, wraps, wf_i64(e, 0), next);
    LLVMBuildStore(e->builder, next, cells[i]);
    carry = wf_convert(e, LLVMZExt, wraps, e->i64);
  }
}

static void emit_tasks(wf_emit *e, const nest *n, wf_llvm first, wf_llvm last) {
  wf_llvm extents[16], point[16], cells[16];
  for (int i = 0; i < n->count; i++) extents[i] = wf_emit_dim(e, n->loops[i]->axis->extent);
  for (int i = 0; i < n->count; i++) cells[i] = wf_alloca(e, e->i64, n->loops[i]->axis->name);
  split_task(e, n, first, extents, point);
  for (int i = 0; i < n->count; i++) LLVMBuildStore(e->builder, point[i], cells[i]);
  loop l = open_loop(e, "task", first, last, false);
  e->depth++;
  for (int i = 0; i < n->count; i++) {
    wf_llvm axis = LLVMBuildLoad2(e->builder, e->i64, cells[i], n->loops[i]->axis->name);
    wf_bind_axis(e, n->loops[i]->axis, (wf_axis_state){.kind = WF_AXIS_VALUE, .value = axis, .depth = e->depth});
  }
  emit_block(e, n->body);
  e->depth--;
  step_axes(e, n, extents, cells);
  close_loop(e, &l);
}

// Runs the tasks of [begin, end) that are the section's, whose first task is `base` of the launch.
static void emit_section(wf_emit *e, const wf_block *section, const wf_dim *base) {
  nest n = leading_tasks(section);
  const wf_dim *count = section_tasks(e->kernel, section);
  wf_llvm offset = wf_emit_dim(e, base);
  wf_llvm first = LLVMBuildSub(e->builder, LLVMGetParam(e->function, 2), offset, "");
  wf_llvm last = LLVMBuildSub(e->builder, LLVMGetParam(e->function, 3), offset, "");
  first = wf_intrinsic_like2(e, "llvm.smax", first, wf_i64(e, 0));
  last = wf_intrinsic_like2(e, "llvm.smin", last, wf_emit_dim(e, count));
  LLVMBasicBlockRef run = new_block(e, "section"), done = new_block(e, "done");
  LLVMBuildCondBr(e->builder, wf_icmp(e, LLVMIntSLT, first, last), run, done);
  LLVMPositionBuilderAtEnd(e->builder, run);
  e->scratch_used = wf_dim_const(e->module->dims, 0);
  if (n.count) emit_tasks(e, &n, first, last);
  else emit_block(e, section);
  LLVMBuildBr(e->builder, done);
  LLVMPositionBuilderAtEnd(e->builder, done);
}

// ---- the function -----------------------------------------------------------------------------------------------------
static void set_attribute(wf_emit *e, const char *name, const char *value) {
  LLVMAddAttributeAtIndex(e->function, LLVMAttributeFunctionIndex,
                          LLVMCreateStringAttribute(e->context, name, (unsigned)strlen(name), value, (unsigned)strlen(value)));
}

static void declare(wf_emit *e, const char *entry) {
  LLVMTypeRef types[5] = {e->pointer, e->pointer, e->i64, e->i64, e->pointer};
  e->function = LLVMAddFunction(e->unit, entry, LLVMFunctionType(LLVMVoidTypeInContext(e->context), types, 5, 0));
  unsigned nounwind = LLVMGetEnumAttributeKindForName("nounwind", 8);
  LLVMAddAttributeAtIndex(e->function, LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(e->context, nounwind, 0));
  set_attribute(e, "target-cpu", e->target->cpu);
  if (e->target->features[0]) set_attribute(e, "target-features", e->target->features);
  char width[16];
  snprintf(width, sizeof width, "%d", 8 * e->target->vector_bytes);
  set_attribute(e, "prefer-vector-width", width);
  set_attribute(e, "min-legal-vector-width", width);
  e->entry = new_block(e, "entry");
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

// ---- alias scopes -----------------------------------------------------------------------------------------------------
static LLVMMetadataRef named_node(wf_emit *e, const char *name, LLVMMetadataRef domain) {
  LLVMMetadataRef parts[2] = {LLVMMDStringInContext2(e->context, name, strlen(name)), domain};
  return LLVMMDNodeInContext2(e->context, parts, domain ? 2 : 1);
}

// List `count` holds the scopes of distinct parameters and, last, the one of all LOCAL buffers; NULL where shared.
static wf_llvm scope_list(wf_emit *e, LLVMMetadataRef *scopes, int count, int without) {
  LLVMMetadataRef *chosen = WF_NEW_ARRAY(e->arena, LLVMMetadataRef, count);
  int kept = 0;
  for (int i = 0; i < count; i++)
    if (scopes[i] && i != without) chosen[kept++] = scopes[i];
  return kept ? LLVMMetadataAsValue(e->context, LLVMMDNodeInContext2(e->context, chosen, (size_t)kept)) : NULL;
}

static wf_llvm own_scope(wf_emit *e, LLVMMetadataRef scope) {
  return scope ? LLVMMetadataAsValue(e->context, LLVMMDNodeInContext2(e->context, &scope, 1)) : NULL;
}

static void bind_params(wf_emit *e, const char *entry, const bool *distinct) {
  int count = e->kernel->params.count;
  LLVMMetadataRef *scopes = WF_NEW_ARRAY(e->arena, LLVMMetadataRef, count + 1), domain = named_node(e, entry, NULL);
  for (int i = 0; i < count; i++)
    if (distinct && distinct[i]) scopes[i] = named_node(e, wf_arena_printf(e->arena, "%s.%s", entry, e->kernel->params.items[i]->name), domain);
  scopes[count] = named_node(e, wf_arena_printf(e->arena, "%s.local", entry), domain);
  for (int i = 0; i < count; i++) {
    wf_emit_buffer *buffer = add_buffer(e, e->kernel->params.items[i]);
    buffer->base = load_slot(e, LLVMGetParam(e->function, 0), e->pointer, i, e->kernel->params.items[i]->name);
    buffer->scope = own_scope(e, scopes[i]);
    buffer->others = scope_list(e, scopes, count + 1, i);
  }
  e->local_scope = own_scope(e, scopes[count]);
  e->local_others = scope_list(e, scopes, count + 1, count);
}

static void init_emit(wf_emit *e, LLVMContextRef context) {
  e->i1 = LLVMInt1TypeInContext(context), e->i8 = LLVMInt8TypeInContext(context), e->i16 = LLVMInt16TypeInContext(context);
  e->i32 = LLVMInt32TypeInContext(context), e->i64 = LLVMInt64TypeInContext(context);
  e->f32 = LLVMFloatTypeInContext(context), e->f64 = LLVMDoubleTypeInContext(context);
  e->pointer = LLVMPointerTypeInContext(context, 0);
  e->builder = LLVMCreateBuilderInContext(context);
  e->scope_kind = LLVMGetMDKindIDInContext(context, "alias.scope", 11);
  e->noalias_kind = LLVMGetMDKindIDInContext(context, "noalias", 7);
  e->align_attribute = LLVMGetEnumAttributeKindForName("align", 5);
  e->scratch_used = e->scratch_peak = wf_dim_const(e->module->dims, 0);
}

bool wf_emit_kernel(const wf_kernel *kernel, const wf_target_host *target, LLVMContextRef context, LLVMModuleRef unit, const char *entry,
                    const wf_atom *const *program_symbols, int symbol_count, const bool *distinct, wf_emitted_kernel *out) {
  wf_arena *arena = wf_arena_create();
  wf_emit e = {.module = kernel->module, .kernel = kernel, .target = target, .arena = arena, .context = context, .unit = unit,
               .program_symbols = program_symbols, .program_symbol_count = symbol_count};
  init_emit(&e, context);
  declare(&e, entry);
  bind_symbols(&e);
  bind_params(&e, entry, distinct);
  const wf_dim *base = wf_dim_const(kernel->module->dims, 0);
  for (int i = 0; i < kernel->sections.count && !e.failed; i++) {
    emit_section(&e, kernel->sections.items[i], base);
    base = wf_dim_add(base, section_tasks(kernel, kernel->sections.items[i]));
  }
  LLVMBuildRetVoid(e.builder);
  LLVMDisposeBuilder(e.builder);
  *out = (wf_emitted_kernel){.tasks = base, .scratch_bytes = e.scratch_peak};
  wf_arena_destroy(arena);
  return !e.failed;
}
