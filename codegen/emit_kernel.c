// One kernel of the kernel IR as one LLVM function: loops, ifs, allocs, statements. What stands around them is in emit_tasks.c
// (the host) and emit_threads.c (GPUs).
#include <llvm-c/DebugInfo.h>
#include "codegen/emit.h"

// Unrolled statements beyond this are emitted as loops: register buffers fall to the stack, results stay the same.
enum { STATEMENT_BUDGET = 20000, MAX_LANES = 128 };

// ---- loops ----------------------------------------------------------------------------------------------------------
LLVMBasicBlockRef wf_new_block(wf_emit *e, const char *name) { return LLVMAppendBasicBlockInContext(e->context, e->function, name); }

// A rotated loop: the body runs at least once, behind a guard where the range may be empty.
wf_emit_loop wf_open_loop(wf_emit *e, const char *name, wf_llvm first, wf_llvm limit, bool may_be_empty) {
  wf_emit_loop l = {.body = wf_new_block(e, name), .after = wf_new_block(e, "after"), .limit = limit};
  LLVMBasicBlockRef before = LLVMGetInsertBlock(e->builder);
  if (may_be_empty) LLVMBuildCondBr(e->builder, wf_icmp(e, LLVMIntSLT, first, limit), l.body, l.after);
  else LLVMBuildBr(e->builder, l.body);
  LLVMPositionBuilderAtEnd(e->builder, l.body);
  l.counter = LLVMBuildPhi(e->builder, LLVMTypeOf(first), name);
  LLVMAddIncoming(l.counter, &first, &before, 1);
  return l;
}

// The last branch of a loop that is to stay one, in LLVM and (as .pragma "nounroll") in ptxas.
static void forbid_unrolling(wf_emit *e, wf_llvm branch) {
  static const char disable[] = "llvm.loop.unroll.disable", kind[] = "llvm.loop";
  LLVMMetadataRef name = LLVMMDStringInContext2(e->context, disable, sizeof disable - 1);
  LLVMMetadataRef self = LLVMTemporaryMDNode(e->context, NULL, 0), operands[2] = {self, LLVMMDNodeInContext2(e->context, &name, 1)};
  LLVMMetadataRef loop = LLVMMDNodeInContext2(e->context, operands, 2);
  LLVMMetadataReplaceAllUsesWith(self, loop);   // a loop's node names itself first
  LLVMSetMetadata(branch, LLVMGetMDKindIDInContext(e->context, kind, sizeof kind - 1), LLVMMetadataAsValue(e->context, loop));
}

void wf_close_loop(wf_emit *e, wf_emit_loop *l) {
  wf_llvm next = LLVMBuildNSWAdd(e->builder, l->counter, wf_int_like(e, l->counter, 1), "");
  LLVMBasicBlockRef latch = LLVMGetInsertBlock(e->builder);
  LLVMAddIncoming(l->counter, &next, &latch, 1);
  wf_llvm branch = LLVMBuildCondBr(e->builder, wf_icmp(e, LLVMIntSLT, next, l->limit), l->body, l->after);
  if (l->keep) forbid_unrolling(e, branch);
  LLVMPositionBuilderAtEnd(e->builder, l->after);
}

static bool has_barrier(const wf_block *block) {
  for (int i = 0; i < block->list.count; i++)
    if (block->list.items[i]->kind == WF_STMT_BARRIER || has_barrier(&block->list.items[i]->body)) return true;
  return false;
}

static void emit_serial(wf_emit *e, const wf_stmt *s) {
  const wf_dim *extent = wf_specialise(e, s->axis->extent);
  wf_llvm limit = wf_emit_index(e, extent);
  wf_emit_loop l = wf_open_loop(e, s->axis->name, wf_int_like(e, limit, 0), limit, wf_dim_range(extent).low < 1);
  l.keep = has_barrier(&s->body);   // its schedule unrolled what is worth it; ptxas goes on until registers spill
  e->depth++;
  wf_bind_axis(e, s->axis, (wf_axis_state){.kind = WF_AXIS_VALUE, .value = l.counter, .depth = e->depth});
  wf_open_hoist(e);
  wf_emit_block(e, &s->body);
  e->depth--;
  wf_close_loop(e, &l);
}

static void emit_unrolled(wf_emit *e, const wf_stmt *s, int64_t extent) {
  for (int64_t i = 0; i < extent; i++) {
    wf_bind_axis(e, s->axis, (wf_axis_state){.kind = WF_AXIS_CONSTANT, .constant = i});
    wf_emit_block(e, &s->body);
  }
}

static void emit_lanes(wf_emit *e, const wf_stmt *s, int lanes) {
  wf_bind_axis(e, s->axis, (wf_axis_state){.kind = WF_AXIS_LANE, .depth = e->depth});
  e->lane_axis = s->axis;
  e->lanes = lanes;
  wf_emit_block(e, &s->body);
  e->lane_axis = NULL;
  e->lanes = 0;
}

static void refuse(wf_emit *e, const wf_stmt *s, const char *what) {
  const char *where = e->target->gpu ? "inside a thread loop" : "on the host";
  if (!e->failed) wf_error(e->module->diag, s->loc, "kernel %s: %s has no meaning %s", e->kernel->name, what, where);
  e->failed = true;
}

static bool stands_outside(wf_bind bind, bool gpu) { return bind > WF_BIND_UNROLL || (gpu && bind == WF_BIND_TASK); }

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
  if (stands_outside(s->bind, e->target->gpu)) {
    refuse(e, s, s->bind == WF_BIND_TASK ? "a loop over tasks" : "a loop over a grid or its threads");
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
  wf_emit_block(e, &s->body);
  e->mask = outer;
}

static void emit_if(wf_emit *e, const wf_stmt *s) {
  e->generation++;
  wf_llvm condition = wf_emit_expr(e, s->condition);
  if (wf_lanes_of(condition)) { emit_masked(e, s, condition); return; }
  if (LLVMIsAConstantInt(condition)) {
    if (LLVMConstIntGetZExtValue(condition)) wf_emit_block(e, &s->body);
    return;
  }
  LLVMBasicBlockRef then = wf_new_block(e, "then"), join = wf_new_block(e, "join");
  LLVMBuildCondBr(e->builder, condition, then, join);
  LLVMPositionBuilderAtEnd(e->builder, then);
  wf_emit_block(e, &s->body);
  LLVMBuildBr(e->builder, join);
  LLVMPositionBuilderAtEnd(e->builder, join);
}

wf_emit_buffer *wf_add_buffer(wf_emit *e, wf_value *value) {
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
  wf_emit_buffer *buffer = wf_add_buffer(e, s->buffer);
  buffer->lanes = e->lanes;
  const wf_dim *elements = wf_dim_scale(buffer->layout->size, e->lanes ? e->lanes : 1);
  int64_t count;
  if (s->buffer->space == WF_SPACE_LOCAL && !e->target->gpu) { alloc_local(e, buffer, elements); return; }
  if (s->buffer->space == WF_SPACE_REGISTER && wf_dim_is_const(elements, &count) && count > 0 && count <= 1 << 16) {
    LLVMTypeRef type = LLVMArrayType2(wf_storage_type(e, s->buffer->dtype), (uint64_t)count);
    buffer->base = wf_alloca(e, type, s->buffer->name);
    return;
  }
  if (!e->failed) wf_error(e->module->diag, s->loc, "kernel %s: %%%s cannot be allocated in registers of the %s", e->kernel->name, s->buffer->name,
                             e->target->gpu ? "GPU" : "host");
  e->failed = true;
  buffer->base = LLVMGetPoison(e->pointer);
}

static void emit_stmt(wf_emit *e, const wf_stmt *s) {
  e->statements++;
  switch (s->kind) {
    case WF_STMT_FOR: emit_for(e, s); return;
    case WF_STMT_IF: emit_in_windows(e, s, emit_if); return;
    case WF_STMT_ALLOC: emit_alloc(e, s); return;
    case WF_STMT_BARRIER: case WF_STMT_REDUCE:
      if (e->target->gpu) wf_emit_together(e, s);
      else refuse(e, s, "a statement of a thread program");
      return;
    case WF_STMT_STORE:
      e->generation++;
      emit_in_windows(e, s, wf_emit_store);
      return;
  }
}

void wf_emit_block(wf_emit *e, const wf_block *block) {
  const wf_dim *used = e->scratch_used;
  for (int i = 0; i < block->list.count && !e->failed; i++) emit_stmt(e, block->list.items[i]);
  e->scratch_used = used;
}

// ---- sections ---------------------------------------------------------------------------------------------------------
wf_emit_nest wf_leading_loops(const wf_block *section) {
  wf_emit_nest n = {.body = section};
  while (n.body->list.count == 1 && n.count < 16) {
    const wf_stmt *s = n.body->list.items[0];
    if (s->kind != WF_STMT_FOR || (s->bind != WF_BIND_TASK && s->bind != WF_BIND_GRID)) break;
    n.loops[n.count++] = s;
    n.body = &s->body;
  }
  return n;
}

const wf_dim *wf_section_tasks(const wf_kernel *kernel, const wf_block *section) {
  wf_emit_nest n = wf_leading_loops(section);
  const wf_dim *tasks = wf_dim_const(kernel->module->dims, 1);
  for (int i = 0; i < n.count; i++) tasks = wf_dim_mul(tasks, n.loops[i]->axis->extent);
  return tasks;
}

const wf_dim *wf_kernel_tasks(const wf_kernel *kernel) {
  const wf_dim *tasks = wf_dim_const(kernel->module->dims, 0);
  for (int i = 0; i < kernel->sections.count; i++) tasks = wf_dim_add(tasks, wf_section_tasks(kernel, kernel->sections.items[i]));
  return tasks;
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

void wf_bind_params(wf_emit *e, const char *entry, const bool *distinct, const wf_llvm *bases) {
  int count = e->kernel->params.count;
  LLVMMetadataRef *scopes = WF_NEW_ARRAY(e->arena, LLVMMetadataRef, count + 1), domain = named_node(e, entry, NULL);
  for (int i = 0; i < count; i++)
    if (distinct && distinct[i]) scopes[i] = named_node(e, wf_arena_printf(e->arena, "%s.%s", entry, e->kernel->params.items[i]->name), domain);
  scopes[count] = named_node(e, wf_arena_printf(e->arena, "%s.local", entry), domain);
  for (int i = 0; i < count; i++) {
    wf_emit_buffer *buffer = wf_add_buffer(e, e->kernel->params.items[i]);
    buffer->base = bases[i];
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

static bool fits_target(wf_emit *e) {
  bool threads = wf_kernel_threads(e->kernel) > 0;
  if (threads == e->target->gpu) return true;
  wf_error(e->module->diag, e->kernel->loc, "kernel %s is %s; the target is %s", e->kernel->name, threads ? "a thread program, for a GPU" : "scheduled for the host",
           e->target->level);
  return false;
}

bool wf_emit_kernel(const wf_kernel *kernel, const wf_target *target, LLVMContextRef context, LLVMModuleRef unit, const char *entry,
                    const wf_atom *const *program_symbols, int symbol_count, const bool *distinct, wf_emitted_kernel *out) {
  wf_arena *arena = wf_arena_create();
  wf_emit e = {.module = kernel->module, .kernel = kernel, .target = target, .arena = arena, .context = context, .unit = unit,
               .program_symbols = program_symbols, .program_symbol_count = symbol_count};
  e.failed = !fits_target(&e);
  if (!e.failed) {
    init_emit(&e, context);
    if (target->gpu) wf_emit_thread_entry(&e, entry, distinct);
    else wf_emit_task_entry(&e, entry, distinct);
    LLVMDisposeBuilder(e.builder);
  }
  *out = (wf_emitted_kernel){.tasks = wf_kernel_tasks(kernel), .scratch_bytes = e.failed ? NULL : e.scratch_peak};
  wf_arena_destroy(arena);
  return !e.failed;
}
