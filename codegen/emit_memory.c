// Loads and stores: one element, a row of consecutive elements (also backwards), or one address a lane.
//
// Masks: a lane that is off must not touch memory that may not exist. Where dims prove every index inside its extent,
// a load ignores the mask; otherwise it is a masked move, or reads the buffer's first element in the lanes that are off.
#include "codegen/emit.h"

typedef enum access_kind { ACCESS_ONE, ACCESS_ROW, ACCESS_REVERSED, ACCESS_STRIDED, ACCESS_SCATTERED } access_kind;

typedef struct access {
  wf_emit_buffer *buffer;
  LLVMTypeRef raw;              // storage type of an element
  access_kind kind;
  wf_llvm pointer;              // of lane 0; REVERSED: of the last lane, which is the lowest address
  wf_llvm stride;               // STRIDED: i64, elements
  wf_llvm offsets;              // SCATTERED: <lanes x i64> from pointer
  int multiple;                 // GPU: the pointer is that many elements from an aligned place, at least: a power of two
} access;

wf_emit_buffer *wf_buffer_of(wf_emit *e, wf_value *value) {
  wf_emit_buffer *buffer = wf_pointer_map_get(&e->buffers, value);
  if (buffer) return buffer;
  if (!e->failed) wf_error(e->module->diag, e->kernel->loc, "kernel %s uses %%%s, which it neither takes nor allocates", e->kernel->name, value->name);
  e->failed = true;
  return NULL;
}

static const wf_dim *as_dim(wf_emit *e, const wf_expr *index) {
  if (index->op == WF_S_INDEX) return index->dim;
  if (index->op == WF_S_CONST) return wf_dim_const(e->module->dims, index->integer);
  return NULL;
}

// The offset of those indices that are dims; the others count as 0.
static const wf_dim *dim_offset(wf_emit *e, const wf_emit_buffer *buffer, const wf_expr *const *indices) {
  const wf_dim *coordinates[WF_MAX_RANK];
  for (int k = 0; k < buffer->value->rank; k++) {
    const wf_dim *dim = as_dim(e, indices[k]);
    coordinates[k] = dim ? dim : wf_dim_const(e->module->dims, 0);
  }
  const wf_dim *offset = wf_layout_offset(e->module->dims, buffer->layout, coordinates);
  if (wf_dim_has_floordiv(offset)) {
    for (int k = 0; k < buffer->value->rank; k++) coordinates[k] = wf_specialise(e, coordinates[k]);
    offset = wf_specialise(e, wf_layout_offset(e->module->dims, buffer->layout, coordinates));
  }
  if (buffer->lanes) offset = wf_dim_add(wf_dim_scale(offset, buffer->lanes), e->lane_axis->as_dim);
  return offset;
}

// What an index that is no dim (it depends on data) adds: the digits of its coordinate, each times its stride.
static wf_llvm value_offset(wf_emit *e, const wf_emit_buffer *buffer, int axis, wf_llvm index) {
  wf_llvm sum = NULL;
  for (int m = 0; m < buffer->layout->mode_count; m++) {
    const wf_mode *mode = &buffer->layout->modes[m];
    if (mode->axis != axis) continue;
    wf_llvm digit = index;
    if (mode->divisor && !wf_dim_equals_const(mode->divisor, 1)) digit = wf_binary(e, LLVMUDiv, digit, wf_emit_dim(e, mode->divisor));
    if (mode->extent) digit = wf_binary(e, LLVMURem, digit, wf_emit_dim(e, mode->extent));
    digit = wf_mul_nsw(e, digit, wf_emit_dim(e, mode->stride));
    sum = sum ? wf_add_nsw(e, sum, digit) : digit;
  }
  if (sum && buffer->lanes) sum = wf_mul_nsw(e, sum, wf_int_like(e, sum, buffer->lanes));
  return sum;
}

static wf_llvm data_offset(wf_emit *e, const wf_emit_buffer *buffer, const wf_expr *const *indices) {
  wf_llvm sum = NULL;
  for (int k = 0; k < buffer->value->rank; k++) {
    if (as_dim(e, indices[k])) continue;
    wf_llvm part = value_offset(e, buffer, k, wf_emit_expr(e, indices[k]));
    if (part) sum = sum ? wf_add_nsw(e, sum, part) : part;
  }
  return sum;
}

static wf_llvm step_pointer(wf_emit *e, LLVMTypeRef raw, wf_llvm pointer, wf_llvm offset) {
  return LLVMBuildGEP2(e->builder, raw, pointer, &offset, 1, "");
}

static void place_linear(wf_emit *e, access *a, wf_llvm base, const wf_dim *coefficient, const wf_dim *rest) {
  int64_t step;
  bool constant = wf_dim_is_const(coefficient, &step);
  rest = wf_lane_rest(e, coefficient, rest);
  a->kind = !constant ? ACCESS_STRIDED : step == 0 ? ACCESS_ONE : step == 1 ? ACCESS_ROW : step == -1 ? ACCESS_REVERSED : ACCESS_STRIDED;
  if (a->kind == ACCESS_REVERSED) rest = wf_dim_offset(rest, 1 - e->lanes);
  if (a->kind == ACCESS_STRIDED) a->stride = wf_emit_dim(e, coefficient);
  a->pointer = wf_emit_pointer(e, a->raw, base, rest);
}

enum { LONGEST = 16 };

static int power_dividing(const wf_dim *dim) {
  int power = LONGEST;
  while (power > 1 && !wf_dim_divisible(dim, power)) power /= 2;
  return power;
}

// Data adds whole strides of its axis.
static int data_multiple(const wf_emit_buffer *buffer, const wf_expr *const *indices, wf_emit *e) {
  int power = LONGEST;
  for (int m = 0; m < buffer->layout->mode_count; m++) {
    const wf_mode *mode = &buffer->layout->modes[m];
    int of_stride = as_dim(e, indices[mode->axis]) ? LONGEST : power_dividing(mode->stride);
    if (of_stride < power) power = of_stride;
  }
  return power;
}

static int lane_multiple(wf_emit *e, const wf_emit_buffer *buffer, const wf_expr *const *indices, const wf_dim *first) {
  if (!e->target->gpu || !e->lanes) return 1;
  int of_dims = power_dividing(wf_specialise(e, first)), of_data = data_multiple(buffer, indices, e);
  return of_dims < of_data ? of_dims : of_data;
}

static access locate(wf_emit *e, wf_emit_buffer *buffer, const wf_expr *const *indices) {
  access a = {.buffer = buffer, .raw = wf_storage_type(e, buffer->value->dtype), .kind = ACCESS_ONE};
  const wf_dim *offset = dim_offset(e, buffer, indices), *coefficient, *rest;
  wf_llvm data = data_offset(e, buffer, indices), base = buffer->base;
  if (data && wf_lanes_of(data)) {
    a.kind = ACCESS_SCATTERED;
    a.pointer = base;
    a.offsets = wf_add_nsw(e, data, wf_emit_dim(e, offset));
    return a;
  }
  if (data) base = step_pointer(e, a.raw, base, data);
  if (!e->lane_axis || !wf_dim_mentions(offset, e->lane_axis)) {
    a.pointer = wf_emit_pointer(e, a.raw, base, offset);
  } else if (wf_dim_split(offset, e->lane_axis, &coefficient, &rest)) {
    place_linear(e, &a, base, coefficient, rest);
    if (a.kind == ACCESS_ROW) a.multiple = lane_multiple(e, buffer, indices, wf_lane_rest(e, coefficient, rest));
  } else {
    a.kind = ACCESS_SCATTERED;
    a.pointer = base;
    a.offsets = wf_emit_dim(e, offset);
  }
  return a;
}

static void tag(wf_emit *e, const access *a, wf_llvm instruction) {
  if (a->buffer->scope) LLVMSetMetadata(instruction, e->scope_kind, a->buffer->scope);
  if (a->buffer->others) LLVMSetMetadata(instruction, e->noalias_kind, a->buffer->others);
}

static unsigned element_bytes(const access *a) { return (unsigned)wf_dtype_bytes(a->buffer->value->dtype); }

// Parameters of a GPU kernel are aligned to 256 bytes, shared buffers to 16; registers and what the host has: by element.
static unsigned alignment_of(const access *a, LLVMTypeRef type) {
  bool whole = a->multiple > 1 && LLVMGetTypeKind(type) == LLVMVectorTypeKind && a->buffer->value->space != WF_SPACE_REGISTER;
  unsigned bytes = element_bytes(a) * (unsigned)(whole ? a->multiple : 1);
  return bytes < LONGEST ? bytes : LONGEST;
}

static wf_llvm load_at(wf_emit *e, const access *a, LLVMTypeRef type, wf_llvm pointer) {
  wf_llvm load = LLVMBuildLoad2(e->builder, type, pointer, "");
  LLVMSetAlignment(load, alignment_of(a, type));
  tag(e, a, load);
  return load;
}

static void store_at(wf_emit *e, const access *a, wf_llvm value, wf_llvm pointer) {
  wf_llvm store = LLVMBuildStore(e->builder, value, pointer);
  LLVMSetAlignment(store, alignment_of(a, LLVMTypeOf(value)));
  tag(e, a, store);
}

static wf_llvm lane_pointer(wf_emit *e, const access *a, int lane) {
  switch (a->kind) {
    case ACCESS_ONE: return a->pointer;
    case ACCESS_ROW: return step_pointer(e, a->raw, a->pointer, wf_i64(e, lane));
    case ACCESS_REVERSED: return step_pointer(e, a->raw, a->pointer, wf_i64(e, e->lanes - 1 - lane));
    case ACCESS_STRIDED: return step_pointer(e, a->raw, a->pointer, wf_mul_nsw(e, a->stride, wf_i64(e, lane)));
    case ACCESS_SCATTERED: return step_pointer(e, a->raw, a->pointer, wf_extract(e, a->offsets, lane));
  }
  return NULL;
}

static wf_llvm reverse(wf_emit *e, wf_llvm vector) {
  int lanes = wf_lanes_of(vector), *order = WF_NEW_ARRAY(e->arena, int, lanes);
  for (int i = 0; i < lanes; i++) order[i] = lanes - 1 - i;
  return lanes ? wf_shuffle(e, vector, order, lanes) : vector;
}

typedef struct branch { LLVMBasicBlockRef join; } branch;

static branch open_branch(wf_emit *e, wf_llvm condition) {
  branch b;
  LLVMBasicBlockRef then = LLVMAppendBasicBlockInContext(e->context, e->function, "then");
  b.join = LLVMAppendBasicBlockInContext(e->context, e->function, "join");
  LLVMBuildCondBr(e->builder, condition, then, b.join);
  LLVMPositionBuilderAtEnd(e->builder, then);
  return b;
}

static void close_branch(wf_emit *e, branch b) {
  LLVMBuildBr(e->builder, b.join);
  LLVMPositionBuilderAtEnd(e->builder, b.join);
}

// On a GPU a load that is off is branched around, which the assembler makes a predicate of; else it reads the buffer's first element.
static wf_llvm load_where(wf_emit *e, const access *a, LLVMTypeRef type, wf_llvm condition, wf_llvm pointer) {
  if (!e->target->gpu) return load_at(e, a, type, wf_choose(e, condition, pointer, a->buffer->base));
  LLVMBasicBlockRef before = LLVMGetInsertBlock(e->builder);
  branch b = open_branch(e, condition);
  LLVMBasicBlockRef then = LLVMGetInsertBlock(e->builder);
  wf_llvm values[2] = {load_at(e, a, type, pointer), LLVMConstNull(type)};
  close_branch(e, b);
  LLVMBasicBlockRef from[2] = {then, before};
  wf_llvm phi = LLVMBuildPhi(e->builder, type, "");
  LLVMAddIncoming(phi, values, from, 2);
  return phi;
}

static wf_llvm any_lane(wf_emit *e, wf_llvm mask) {
  LLVMTypeRef type = LLVMTypeOf(mask);
  return wf_lanes_of(mask) ? wf_intrinsic(e, "llvm.vector.reduce.or", &type, 1, &mask, 1) : mask;
}

// condition NULL: all lanes; i1 or a mask: where it is off, the buffer's first element is read instead.
static wf_llvm gather(wf_emit *e, const access *a, wf_llvm condition) {
  wf_llvm result = LLVMGetPoison(LLVMVectorType(a->raw, (unsigned)e->lanes));
  for (int lane = 0; lane < e->lanes; lane++) {
    wf_llvm pointer = lane_pointer(e, a, lane);
    wf_llvm on = condition ? wf_extract(e, condition, lane) : NULL;
    wf_llvm loaded = on ? load_where(e, a, a->raw, on, pointer) : load_at(e, a, a->raw, pointer);
    result = wf_insert(e, result, loaded, lane);
  }
  return result;
}

static bool has_masked_move(const wf_emit *e, const access *a) {
  return e->target->has_avx512 || (e->target->has_masked_moves && element_bytes(a) >= 4);
}

static wf_llvm masked_load(wf_emit *e, const access *a, wf_llvm mask, wf_llvm otherwise) {
  LLVMTypeRef types[2] = {LLVMVectorType(a->raw, (unsigned)e->lanes), LLVMTypeOf(a->pointer)};
  wf_llvm args[3] = {a->pointer, wf_splat(e, mask, e->lanes), otherwise ? otherwise : LLVMConstNull(types[0])};
  wf_llvm call = wf_intrinsic(e, "llvm.masked.load", types, 2, args, 3);
  LLVMAddCallSiteAttribute(call, 1, LLVMCreateEnumAttribute(e->context, e->align_attribute, element_bytes(a)));
  tag(e, a, call);
  return call;
}

static bool fits_any_row(const wf_emit *e, const access *a) { return e->target->gpu || wf_dim_range(a->buffer->layout->size).low >= e->lanes; }

// Can consecutive elements be had by one load? Else they are gathered.
static bool is_one_load(const wf_emit *e, const access *a, wf_llvm condition) {
  if (a->kind != ACCESS_ROW && a->kind != ACCESS_REVERSED) return false;
  return !condition || (!wf_lanes_of(condition) && fits_any_row(e, a)) || has_masked_move(e, a);
}

static wf_llvm load_row(wf_emit *e, const access *a, wf_llvm condition, wf_llvm otherwise) {
  LLVMTypeRef type = LLVMVectorType(a->raw, (unsigned)e->lanes);
  if (!condition) return load_at(e, a, type, a->pointer);
  if (!wf_lanes_of(condition) && fits_any_row(e, a)) return load_where(e, a, type, condition, a->pointer);
  return masked_load(e, a, condition, otherwise);
}

// Raw elements; lanes where condition is off hold anything (otherwise, if it can be had for nothing).
static wf_llvm load_raw(wf_emit *e, const access *a, wf_llvm condition, wf_llvm otherwise) {
  if (a->kind == ACCESS_ONE) {
    return condition ? load_where(e, a, a->raw, any_lane(e, condition), a->pointer) : load_at(e, a, a->raw, a->pointer);
  }
  if (!is_one_load(e, a, condition)) return gather(e, a, condition);
  if (a->kind == ACCESS_ROW) return load_row(e, a, condition, otherwise);
  return reverse(e, load_row(e, a, condition ? reverse(e, condition) : NULL, NULL));
}

// ---- guards -------------------------------------------------------------------------------------------------------
static const wf_dim *below_extent(wf_emit *e, const wf_value *buffer, int axis, const wf_dim *index) {
  return wf_dim_offset(wf_dim_sub(buffer->shape[axis], index), -1);
}

static wf_llvm guard_axis(wf_emit *e, const wf_value *buffer, int axis, const wf_expr *index) {
  const wf_dim *dim = as_dim(e, index);
  if (!dim) return wf_icmp(e, LLVMIntULT, wf_emit_expr(e, index), wf_emit_dim(e, buffer->shape[axis]));
  dim = wf_specialise(e, dim);
  const wf_dim *above = below_extent(e, buffer, axis, dim);
  wf_llvm low = wf_proved_nonnegative(e, dim) ? NULL : wf_emit_nonnegative(e, dim);
  wf_llvm high = wf_proved_nonnegative(e, above) ? NULL : wf_emit_nonnegative(e, above);
  return wf_and_masks(e, low, high);
}

// NULL where every index is proved inside.
static wf_llvm guard_of(wf_emit *e, const wf_value *buffer, const wf_expr *const *indices) {
  wf_llvm inside = NULL;
  for (int k = 0; k < buffer->rank; k++) inside = wf_and_masks(e, inside, guard_axis(e, buffer, k, indices[k]));
  return inside;
}

static bool proved_inside(wf_emit *e, const wf_value *buffer, const wf_expr *const *indices) {
  for (int k = 0; k < buffer->rank; k++) {
    const wf_dim *dim = as_dim(e, indices[k]);
    if (!dim) return false;
    dim = wf_specialise(e, dim);
    if (!wf_proved_nonnegative(e, dim) || !wf_proved_nonnegative(e, below_extent(e, buffer, k, dim))) return false;
  }
  return true;
}

static wf_llvm emit_guarded(wf_emit *e, const wf_expr *read, wf_emit_buffer *buffer) {
  wf_value *value = read->operand;
  wf_llvm inside = guard_of(e, value, read->args);
  access a = locate(e, buffer, read->args);
  if (!inside) return wf_from_storage(e, value->dtype, load_raw(e, &a, NULL, NULL));
  wf_llvm otherwise = wf_emit_expr(e, read->args[value->rank]), passed = NULL;
  bool same_type = wf_element_type(otherwise) == a.raw;
  if (same_type && e->lanes && wf_lanes_of(inside)) passed = wf_splat(e, otherwise, e->lanes);
  bool off_is_passed = passed && a.kind == ACCESS_ROW && has_masked_move(e, &a);
  wf_llvm loaded = wf_from_storage(e, value->dtype, load_raw(e, &a, inside, passed));
  return off_is_passed ? loaded : wf_choose(e, inside, loaded, otherwise);
}

wf_llvm wf_emit_read(wf_emit *e, const wf_expr *read) {
  wf_emit_buffer *buffer = wf_buffer_of(e, read->operand);
  if (!buffer) return LLVMConstNull(wf_compute_type(e, read->operand->dtype));
  if (read->has_default) return emit_guarded(e, read, buffer);
  access a = locate(e, buffer, read->args);
  bool needs_mask = e->mask && read->operand->space != WF_SPACE_REGISTER && !proved_inside(e, read->operand, read->args);
  return wf_from_storage(e, read->operand->dtype, load_raw(e, &a, needs_mask ? e->mask : NULL, NULL));
}

// ---- stores -------------------------------------------------------------------------------------------------------
static void masked_store(wf_emit *e, const access *a, wf_llvm raw, wf_llvm mask) {
  LLVMTypeRef types[2] = {LLVMTypeOf(raw), LLVMTypeOf(a->pointer)};
  wf_llvm args[3] = {raw, a->pointer, mask};
  wf_llvm call = wf_intrinsic(e, "llvm.masked.store", types, 2, args, 3);
  LLVMAddCallSiteAttribute(call, 2, LLVMCreateEnumAttribute(e->context, e->align_attribute, element_bytes(a)));
  tag(e, a, call);
}

static void store_row(wf_emit *e, const access *a, wf_llvm raw, wf_llvm mask) {
  raw = wf_splat(e, raw, e->lanes);
  if (a->kind == ACCESS_REVERSED) raw = reverse(e, raw), mask = mask ? reverse(e, mask) : NULL;
  if (mask && a->buffer->value->space == WF_SPACE_REGISTER) {
    raw = wf_choose(e, mask, raw, load_at(e, a, LLVMTypeOf(raw), a->pointer));
    mask = NULL;
  }
  if (mask) masked_store(e, a, raw, mask);
  else store_at(e, a, raw, a->pointer);
}

// The stored sum of a product is one fused operation.
static wf_llvm combined(wf_emit *e, const wf_stmt *store, wf_llvm old, wf_llvm value, wf_llvm *factors) {
  wf_dtype type = wf_dtype_compute(store->buffer->dtype);
  if (factors) return wf_multiply_add(e, factors[0], factors[1], old);
  return wf_emit_combine(e, store->combiner, type, old, value);
}

typedef struct pending { const wf_stmt *store; wf_llvm value; wf_llvm factors[2]; bool fused; } pending;

static wf_llvm lane_of(wf_emit *e, wf_llvm value, int lane) { return value ? wf_extract(e, value, lane) : NULL; }

static wf_llvm merged(wf_emit *e, const pending *p, wf_llvm raw_old, int lane) {
  wf_llvm factors[2] = {p->factors[0], p->factors[1]}, value = p->value;
  if (lane >= 0) {
    factors[0] = lane_of(e, factors[0], lane);
    factors[1] = lane_of(e, factors[1], lane);
    value = lane_of(e, value, lane);
  }
  if (p->store->combiner == WF_R_NONE) return wf_to_storage(e, p->store->buffer->dtype, value);
  wf_llvm old = wf_from_storage(e, p->store->buffer->dtype, raw_old);
  return wf_to_storage(e, p->store->buffer->dtype, combined(e, p->store, old, value, p->fused ? factors : NULL));
}

// Lane by lane, in order: lanes may meet at one address.
static void store_lanes(wf_emit *e, const access *a, const pending *p) {
  for (int lane = 0; lane < e->lanes; lane++) {
    wf_llvm pointer = lane_pointer(e, a, lane);
    branch b = {0};
    if (e->mask) b = open_branch(e, wf_extract(e, e->mask, lane));
    wf_llvm old = p->store->combiner == WF_R_NONE ? NULL : load_at(e, a, a->raw, pointer);
    store_at(e, a, merged(e, p, old, lane), pointer);
    if (e->mask) close_branch(e, b);
  }
}

static void store_one(wf_emit *e, const access *a, const pending *p) {
  branch b = {0};
  bool in_register = a->buffer->value->space == WF_SPACE_REGISTER;
  wf_llvm any = e->mask ? any_lane(e, e->mask) : NULL;
  if (any && !in_register) b = open_branch(e, any);
  wf_llvm old = p->store->combiner == WF_R_NONE && !(any && in_register) ? NULL : load_at(e, a, a->raw, a->pointer);
  wf_llvm raw = merged(e, p, old, -1);
  if (any && in_register) raw = wf_choose(e, any, raw, old);
  store_at(e, a, raw, a->pointer);
  if (any && !in_register) close_branch(e, b);
}

// Lanes reduced by halves, a fixed tree; lanes that are off hold the identity.
static wf_llvm reduce_lanes(wf_emit *e, const wf_stmt *store, wf_llvm value) {
  wf_dtype type = wf_dtype_compute(store->buffer->dtype);
  if (e->mask) {
    double identity = wf_combiner_identity(store->combiner, type);
    int64_t whole = wf_dtype_is_float(type) ? 0 : wf_identity_int(store->combiner, type);
    value = wf_choose(e, e->mask, value, wf_emit_constant(e, type, identity, whole));
  }
  int lanes = wf_lanes_of(value);
  while (lanes > 1) {
    int half = lanes / 2, low[64], high[64], odd = lanes & 1;
    wf_llvm last = odd ? wf_extract(e, value, lanes - 1) : NULL;
    for (int i = 0; i < half; i++) low[i] = i, high[i] = half + i;
    value = wf_emit_combine(e, store->combiner, type, wf_shuffle(e, value, low, half), wf_shuffle(e, value, high, half));
    if (last) value = wf_insert(e, value, wf_emit_combine(e, store->combiner, type, wf_extract(e, value, 0), last), 0);
    lanes = half;
  }
  return wf_extract(e, value, 0);
}

static wf_llvm value_for(wf_emit *e, const wf_expr *value, wf_dtype buffer) {
  wf_dtype computing = wf_dtype_compute(buffer), to = value->dtype == WF_F64 && buffer != WF_F32 ? buffer : computing;
  wf_llvm result = wf_emit_expr(e, value);
  return wf_dtype_compute(value->dtype) == computing ? result : wf_emit_cast(e, value->dtype, to, result);
}

static void prepare(wf_emit *e, pending *p, const wf_stmt *store) {
  wf_dtype computing = wf_dtype_compute(store->buffer->dtype);
  const wf_expr *value = store->value;
  p->store = store;
  p->fused = store->combiner == WF_R_SUM && value->op == WF_S_MUL && wf_dtype_is_float(computing) && wf_dtype_compute(value->dtype) == computing;
  if (!p->fused) {
    p->value = value_for(e, value, store->buffer->dtype);
    return;
  }
  p->factors[0] = wf_emit_expr(e, value->args[0]);
  p->factors[1] = wf_emit_expr(e, value->args[1]);
}

static bool varies(const pending *p) {
  return p->fused ? wf_lanes_of(p->factors[0]) || wf_lanes_of(p->factors[1]) : wf_lanes_of(p->value) > 0;
}

void wf_emit_store(wf_emit *e, const wf_stmt *store) {
  wf_emit_buffer *buffer = wf_buffer_of(e, store->buffer);
  if (!buffer) return;
  pending p = {0};
  prepare(e, &p, store);
  access a = locate(e, buffer, store->indices);
  if (a.kind == ACCESS_ROW || a.kind == ACCESS_REVERSED) {
    wf_llvm old = NULL;
    if (store->combiner != WF_R_NONE) old = load_raw(e, &a, buffer->value->space == WF_SPACE_REGISTER ? NULL : e->mask, NULL);
    store_row(e, &a, merged(e, &p, old, -1), e->mask);
    return;
  }
  if (a.kind != ACCESS_ONE) { store_lanes(e, &a, &p); return; }
  if (e->lanes && store->combiner != WF_R_NONE && (varies(&p) || store->combiner == WF_R_SUM || store->combiner == WF_R_PROD)) {
    wf_llvm value = p.fused ? wf_binary(e, LLVMFMul, p.factors[0], p.factors[1]) : p.value;
    p.value = reduce_lanes(e, store, wf_splat(e, value, e->lanes));
    p.fused = false;
    store_one(e, &a, &p);
  } else if (e->lanes && varies(&p)) {
    store_lanes(e, &a, &p);
  } else {
    store_one(e, &a, &p);
  }
}

// ---- registers that a reduce takes and gives ------------------------------------------------------------------------
wf_llvm wf_load_element_raw(wf_emit *e, wf_emit_buffer *buffer, const wf_expr *const *indices) {
  access a = locate(e, buffer, indices);
  return load_at(e, &a, a.raw, a.pointer);
}

void wf_store_element_raw(wf_emit *e, wf_emit_buffer *buffer, const wf_expr *const *indices, wf_llvm raw) {
  access a = locate(e, buffer, indices);
  store_at(e, &a, raw, a.pointer);
}
