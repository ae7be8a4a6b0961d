// A thread program as a GPU kernel.
//
// Parameters: a pointer for each buffer, then an i64 for each of kernel->symbols. The sections' blocks follow each other in a grid
// of one dimension; a block finds its section by comparing, its grid axes by division. Shared buffers are static; where a kernel
// has several sections they lie in one pool, since a block runs one section.
//
// What may be merged across a barrier: LLVM takes it that no call touches the memory of a `noalias` parameter. So only parameters
// that no block of the launch writes get it (with readonly, which makes their loads ld.global.nc); written ones have alias scopes
// alone, which say nothing of calls.
#include "codegen/emit.h"

enum { KERNEL_CONVENTION = 71, GLOBAL_SPACE = 1, SHARED_SPACE = 3, PARAM_ALIGNMENT = 256, SHARED_ALIGNMENT = 16, WARP = 32 };
// Threads that a multiprocessor shall hold at least, which leaves each 168 of its registers, and what a thread needs beside its
// register buffers. Left to itself ptxas spills a few bytes in order to hold more threads.
enum { RESIDENT_THREADS = 384, REGISTERS = 65536, REGISTERS_BESIDE = 56 };

// ---- the function -------------------------------------------------------------------------------------------------------
static void add_attribute(wf_emit *e, unsigned index, const char *name, uint64_t value) {
  unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
  LLVMAddAttributeAtIndex(e->function, index, LLVMCreateEnumAttribute(e->context, kind, value));
}

static int64_t register_words(const wf_block *block) {
  int64_t words = 0, extent;
  for (int i = 0; i < block->list.count; i++) {
    const wf_stmt *s = block->list.items[i];
    words += register_words(&s->body);
    if (s->kind != WF_STMT_ALLOC || s->buffer->space != WF_SPACE_REGISTER) continue;
    int64_t count = 1;
    for (int k = 0; k < s->buffer->rank; k++) count *= wf_dim_is_const(s->buffer->shape[k], &extent) ? extent : 1;
    words += (count * wf_dtype_bytes(s->buffer->dtype) + 3) / 4;
  }
  return words;
}

// Blocks that a multiprocessor shall hold at once.
static int resident_blocks(const wf_kernel *kernel, int threads) {
  int64_t words = 0;
  for (int i = 0; i < kernel->sections.count; i++) {
    int64_t here = register_words(kernel->sections.items[i]);
    if (here > words) words = here;
  }
  int blocks = (RESIDENT_THREADS + threads - 1) / threads;
  while (blocks > 1 && (words + REGISTERS_BESIDE) * threads * blocks > REGISTERS) blocks--;
  return blocks;
}

static void declare(wf_emit *e, const char *entry, const bool *distinct) {
  const wf_kernel *kernel = e->kernel;
  int buffers = kernel->params.count, count = buffers + kernel->symbols.count;
  LLVMTypeRef *types = WF_NEW_ARRAY(e->arena, LLVMTypeRef, count);
  for (int i = 0; i < count; i++) types[i] = i < buffers ? LLVMPointerTypeInContext(e->context, GLOBAL_SPACE) : e->i64;
  e->function = LLVMAddFunction(e->unit, entry, LLVMFunctionType(LLVMVoidTypeInContext(e->context), types, (unsigned)count, 0));
  LLVMSetFunctionCallConv(e->function, KERNEL_CONVENTION);
  add_attribute(e, LLVMAttributeFunctionIndex, "nounwind", 0);
  add_attribute(e, LLVMAttributeFunctionIndex, "convergent", 0);
  wf_set_function_attribute(e, "target-cpu", e->target->cpu);
  wf_set_function_attribute(e, "target-features", e->target->features);
  int threads = wf_kernel_threads(kernel);
  wf_set_function_attribute(e, "nvvm.reqntid", wf_arena_printf(e->arena, "%d", threads));
  wf_set_function_attribute(e, "nvvm.minctasm", wf_arena_printf(e->arena, "%d", resident_blocks(kernel, threads)));
  for (int i = 0; i < buffers; i++) {
    const wf_value *param = kernel->params.items[i];   // scalars may lie beside each other: the runtime's step, seed, total
    add_attribute(e, (unsigned)i + 1, "align", param->rank ? PARAM_ALIGNMENT : (uint64_t)wf_dtype_bytes(param->dtype));
    if (kernel->written.items[i]) continue;
    add_attribute(e, (unsigned)i + 1, "readonly", 0);
    if (distinct && distinct[i]) add_attribute(e, (unsigned)i + 1, "noalias", 0);
  }
  e->entry = wf_new_block(e, "entry");
  LLVMPositionBuilderAtEnd(e->builder, e->entry);
}

static void bind_arguments(wf_emit *e, const char *entry, const bool *distinct) {
  const wf_kernel *kernel = e->kernel;
  wf_llvm *bases = WF_NEW_ARRAY(e->arena, wf_llvm, kernel->params.count);
  for (int i = 0; i < kernel->params.count; i++) bases[i] = LLVMGetParam(e->function, (unsigned)i);
  wf_bind_params(e, entry, distinct, bases);
  for (int i = 0; i < kernel->symbols.count; i++) {
    wf_llvm value = LLVMGetParam(e->function, (unsigned)(kernel->params.count + i));
    wf_bind_axis(e, kernel->symbols.items[i], (wf_axis_state){.kind = WF_AXIS_VALUE, .value = value});
  }
}

static wf_llvm special_register(wf_emit *e, const char *name, int64_t limit) {
  wf_llvm value = wf_intrinsic(e, name, NULL, 0, NULL, 0);
  LLVMMetadataRef range[2] = {LLVMValueAsMetadata(wf_i32(e, 0)), LLVMValueAsMetadata(wf_i32(e, limit))};
  LLVMSetMetadata(value, LLVMGetMDKindIDInContext(e->context, "range", 5), LLVMMetadataAsValue(e->context, LLVMMDNodeInContext2(e->context, range, 2)));
  return value;
}

// ---- shared memory ------------------------------------------------------------------------------------------------------
static int64_t bytes_of(const wf_kernel *kernel, const wf_value *buffer) {
  const wf_layout *layout = buffer->layout ? buffer->layout : wf_layout_row_major(kernel->module->dims, kernel->module->arena, buffer->rank, buffer->shape);
  int64_t count = 0;
  wf_dim_is_const(layout->size, &count);
  return (count * wf_dtype_bytes(buffer->dtype) + SHARED_ALIGNMENT - 1) / SHARED_ALIGNMENT * SHARED_ALIGNMENT;
}

int wf_kernel_shared_bytes(const wf_kernel *kernel) {
  int64_t most = 0;
  for (int i = 0; i < kernel->sections.count; i++) {
    wf_emit_nest nest = wf_leading_loops(kernel->sections.items[i]);
    int64_t sum = 0;
    for (int k = 0; k < nest.body->list.count; k++)
      if (nest.body->list.items[k]->kind == WF_STMT_ALLOC) sum += bytes_of(kernel, nest.body->list.items[k]->buffer);
    if (sum > most) most = sum;
  }
  return (int)most;
}

static wf_llvm shared_array(wf_emit *e, const char *name, int64_t bytes) {
  LLVMTypeRef type = LLVMArrayType2(e->i8, (uint64_t)bytes);
  wf_llvm array = LLVMAddGlobalInAddressSpace(e->unit, type, wf_arena_printf(e->arena, "%s_%s", LLVMGetValueName(e->function), name), SHARED_SPACE);
  LLVMSetLinkage(array, LLVMInternalLinkage);
  LLVMSetInitializer(array, LLVMGetPoison(type));
  LLVMSetAlignment(array, SHARED_ALIGNMENT);
  return array;
}

// Names of PTX hold letters, digits, _ and $.
static const char *plain_name(wf_emit *e, const char *name) {
  char *copy = wf_arena_strdup(e->arena, name);
  for (char *at = copy; *at; at++)
    if (!((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9'))) *at = '_';
  return copy;
}

static void alloc_shared(wf_emit *e, const wf_stmt *s, wf_llvm pool, int64_t *at) {
  wf_emit_buffer *buffer = wf_add_buffer(e, s->buffer);
  int64_t bytes = bytes_of(e->kernel, s->buffer);
  wf_llvm offset = wf_i64(e, *at);
  buffer->base = pool ? LLVMBuildGEP2(e->builder, e->i8, pool, &offset, 1, "") : shared_array(e, plain_name(e, s->buffer->name), bytes);
  *at += bytes;
}

// ---- sections -----------------------------------------------------------------------------------------------------------
// A grid has less than 2^31 blocks, so their numbers and the extents of grid loops are 32 bits wide.
static wf_llvm block_count(wf_emit *e, const wf_dim *dim) {
  wf_llvm value = wf_emit_index(e, dim);
  return LLVMTypeOf(value) == e->i32 ? value : wf_convert(e, LLVMTrunc, value, e->i32);
}

static void bind_grid(wf_emit *e, const wf_emit_nest *n, wf_llvm block) {
  for (int i = n->count; i-- > 0;) {
    wf_llvm value = block;
    if (i) {
      wf_llvm extent = block_count(e, n->loops[i]->axis->extent);
      value = LLVMBuildURem(e->builder, block, extent, n->loops[i]->axis->name);
      block = LLVMBuildUDiv(e->builder, block, extent, "");
    }
    wf_bind_axis(e, n->loops[i]->axis, (wf_axis_state){.kind = WF_AXIS_VALUE, .value = value});
  }
}

static void emit_section(wf_emit *e, const wf_block *section, wf_llvm block, wf_llvm thread, wf_llvm pool) {
  wf_emit_nest n = wf_leading_loops(section);
  int64_t shared = 0;
  bind_grid(e, &n, block);
  wf_open_hoist(e);
  for (int i = 0; i < n.body->list.count; i++) {
    const wf_stmt *s = n.body->list.items[i];
    if (s->kind == WF_STMT_ALLOC) alloc_shared(e, s, pool, &shared);
    if (s->kind != WF_STMT_FOR) continue;
    wf_bind_axis(e, s->axis, (wf_axis_state){.kind = WF_AXIS_VALUE, .value = thread});
    wf_emit_block(e, &s->body);
  }
}

static void emit_sections(wf_emit *e, wf_llvm block, wf_llvm thread) {
  const wf_kernel *kernel = e->kernel;
  int shared = wf_kernel_shared_bytes(kernel), last = kernel->sections.count - 1;
  wf_llvm pool = shared && last > 0 ? shared_array(e, "shared", shared) : NULL;
  LLVMBasicBlockRef done = wf_new_block(e, "done");
  for (int i = 0; i <= last && !e->failed; i++) {
    LLVMBasicBlockRef run = wf_new_block(e, "section"), next = i < last ? wf_new_block(e, "next") : done;
    wf_llvm count = i < last ? block_count(e, wf_section_tasks(kernel, kernel->sections.items[i])) : NULL;
    if (count) LLVMBuildCondBr(e->builder, wf_icmp(e, LLVMIntULT, block, count), run, next);
    else LLVMBuildBr(e->builder, run);
    LLVMPositionBuilderAtEnd(e->builder, run);
    emit_section(e, kernel->sections.items[i], block, thread, pool);
    LLVMBuildBr(e->builder, done);
    LLVMPositionBuilderAtEnd(e->builder, next);
    if (count) block = LLVMBuildSub(e->builder, block, count, "");
  }
  LLVMPositionBuilderAtEnd(e->builder, done);
}

void wf_emit_thread_entry(wf_emit *e, const char *entry, const bool *distinct) {
  declare(e, entry, distinct);
  bind_arguments(e, entry, distinct);
  wf_llvm thread = special_register(e, "llvm.nvvm.read.ptx.sreg.tid.x", wf_kernel_threads(e->kernel));
  wf_llvm block = special_register(e, "llvm.nvvm.read.ptx.sreg.ctaid.x", INT32_MAX);
  emit_sections(e, block, thread);
  LLVMBuildRetVoid(e->builder);
}

// ---- barrier and reduce -------------------------------------------------------------------------------------------------
static wf_llvm shuffle32(wf_emit *e, wf_llvm value, int step) {
  wf_llvm args[4] = {wf_i32(e, -1), value, wf_i32(e, step), wf_i32(e, WARP - 1)};
  return wf_intrinsic(e, "llvm.nvvm.shfl.sync.bfly.i32", NULL, 0, args, 4);
}

static wf_llvm shuffle_bits(wf_emit *e, wf_llvm bits, int step) {
  unsigned width = LLVMGetIntTypeWidth(LLVMTypeOf(bits));
  if (width == 32) return shuffle32(e, bits, step);
  if (width < 32) return wf_convert(e, LLVMTrunc, shuffle32(e, wf_convert(e, LLVMZExt, bits, e->i32), step), LLVMTypeOf(bits));
  wf_llvm half = wf_i64(e, 32);
  wf_llvm low = shuffle32(e, wf_convert(e, LLVMTrunc, bits, e->i32), step);
  wf_llvm high = shuffle32(e, wf_convert(e, LLVMTrunc, wf_binary(e, LLVMLShr, bits, half), e->i32), step);
  return wf_binary(e, LLVMOr, wf_convert(e, LLVMZExt, low, e->i64), wf_binary(e, LLVMShl, wf_convert(e, LLVMZExt, high, e->i64), half));
}

// The same element of the thread whose lane differs in the bit `step`.
static wf_llvm shuffle(wf_emit *e, wf_llvm raw, int step) {
  LLVMTypeRef type = LLVMTypeOf(raw);
  if (type == e->f32) return wf_bits_as(e, shuffle_bits(e, wf_bits_as(e, raw, e->i32), step), type);
  if (type == e->f64) return wf_bits_as(e, shuffle_bits(e, wf_bits_as(e, raw, e->i64), step), type);
  return shuffle_bits(e, raw, step);
}

static void emit_reduce(wf_emit *e, const wf_stmt *s) {
  wf_emit_buffer *buffer = wf_buffer_of(e, s->buffer);
  if (!buffer) return;
  wf_dtype stored = s->buffer->dtype, type = wf_dtype_compute(stored);
  wf_llvm raw = wf_load_element_raw(e, buffer, s->indices);
  for (int step = s->lanes / 2; step >= 1; step /= 2) {
    wf_llvm other = wf_from_storage(e, stored, shuffle(e, raw, step));
    raw = wf_to_storage(e, stored, wf_emit_combine(e, s->combiner, type, wf_from_storage(e, stored, raw), other));
  }
  wf_store_element_raw(e, buffer, s->indices, raw);
}

void wf_emit_together(wf_emit *e, const wf_stmt *s) {
  e->generation++;
  if (s->kind == WF_STMT_REDUCE) {
    emit_reduce(e, s);
    return;
  }
  wf_llvm all = wf_i32(e, 0);
  wf_intrinsic(e, "llvm.nvvm.barrier.cta.sync.aligned.all", NULL, 0, &all, 1);
}
