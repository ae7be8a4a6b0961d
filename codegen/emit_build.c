// LLVM instructions over scalars and vectors alike: a scalar that meets a vector is splatted.
#include "codegen/emit.h"

void *wf_pointer_map_get(const wf_pointer_map *map, const void *key) {
  if (!map->capacity) return NULL;
  for (size_t slot = ((uintptr_t)key >> 4) * 0x9E3779B97F4A7C15u >> 20;; slot++) {
    size_t at = slot & (size_t)(map->capacity - 1);
    if (map->keys[at] == key) return map->values[at];
    if (!map->keys[at]) return NULL;
  }
}

static void map_put(wf_pointer_map *map, const void *key, void *value) {
  size_t slot = ((uintptr_t)key >> 4) * 0x9E3779B97F4A7C15u >> 20, last = (size_t)(map->capacity - 1);
  while (map->keys[slot & last] && map->keys[slot & last] != key) slot++;
  if (!map->keys[slot & last]) map->count++;
  map->keys[slot & last] = key;
  map->values[slot & last] = value;
}

void wf_pointer_map_set(wf_pointer_map *map, wf_arena *arena, const void *key, void *value) {
  if (2 * map->count >= map->capacity) {
    wf_pointer_map old = *map;
    map->capacity = old.capacity ? 2 * old.capacity : 32;
    map->count = 0;
    map->keys = WF_NEW_ARRAY(arena, const void *, map->capacity);
    map->values = WF_NEW_ARRAY(arena, void *, map->capacity);
    for (int i = 0; i < old.capacity; i++)
      if (old.keys[i]) map_put(map, old.keys[i], old.values[i]);
  }
  map_put(map, key, value);
}

int wf_lanes_of(wf_llvm value) {
  LLVMTypeRef type = LLVMTypeOf(value);
  return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? (int)LLVMGetVectorSize(type) : 0;
}

LLVMTypeRef wf_element_type(wf_llvm value) {
  LLVMTypeRef type = LLVMTypeOf(value);
  return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? LLVMGetElementType(type) : type;
}

LLVMTypeRef wf_vector_type(LLVMTypeRef element, int lanes) { return lanes ? LLVMVectorType(element, (unsigned)lanes) : element; }
LLVMTypeRef wf_type_like(wf_llvm shape, LLVMTypeRef element) { return wf_vector_type(element, wf_lanes_of(shape)); }

wf_llvm wf_i64(wf_emit *e, int64_t number) { return LLVMConstInt(e->i64, (uint64_t)number, 1); }
wf_llvm wf_i32(wf_emit *e, int64_t number) { return LLVMConstInt(e->i32, (uint64_t)number, 1); }

static wf_llvm constant_splat(wf_emit *e, wf_llvm scalar, int lanes) {
  wf_llvm *all = WF_NEW_ARRAY(e->arena, wf_llvm, lanes);
  for (int i = 0; i < lanes; i++) all[i] = scalar;
  return LLVMConstVector(all, (unsigned)lanes);
}

wf_llvm wf_splat(wf_emit *e, wf_llvm scalar, int lanes) {
  if (!lanes || wf_lanes_of(scalar)) return scalar;
  if (LLVMIsConstant(scalar)) return constant_splat(e, scalar, lanes);
  LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(scalar), (unsigned)lanes);
  wf_llvm first = LLVMBuildInsertElement(e->builder, LLVMGetPoison(type), scalar, wf_i32(e, 0), "");
  return LLVMBuildShuffleVector(e->builder, first, LLVMGetPoison(type), LLVMConstNull(LLVMVectorType(e->i32, (unsigned)lanes)), "");
}

void wf_match(wf_emit *e, wf_llvm *a, wf_llvm *b) {
  int lanes = wf_lanes_of(*a) ? wf_lanes_of(*a) : wf_lanes_of(*b);
  *a = wf_splat(e, *a, lanes);
  *b = wf_splat(e, *b, lanes);
}

wf_llvm wf_float_like(wf_emit *e, wf_llvm shape, double number) {
  return wf_splat(e, LLVMConstReal(wf_element_type(shape), number), wf_lanes_of(shape));
}

wf_llvm wf_int_constant(LLVMTypeRef type, int64_t number) {
  unsigned spare = 64 - LLVMGetIntTypeWidth(type);
  return LLVMConstInt(type, (uint64_t)((int64_t)((uint64_t)number << spare) >> spare), 1);
}

wf_llvm wf_int_like(wf_emit *e, wf_llvm shape, int64_t number) {
  return wf_splat(e, wf_int_constant(wf_element_type(shape), number), wf_lanes_of(shape));
}

wf_llvm wf_binary(wf_emit *e, LLVMOpcode op, wf_llvm a, wf_llvm b) {
  wf_match(e, &a, &b);
  return LLVMBuildBinOp(e->builder, op, a, b, "");
}

wf_llvm wf_add_nsw(wf_emit *e, wf_llvm a, wf_llvm b) {
  wf_match(e, &a, &b);
  return LLVMBuildNSWAdd(e->builder, a, b, "");
}

wf_llvm wf_mul_nsw(wf_emit *e, wf_llvm a, wf_llvm b) {
  wf_match(e, &a, &b);
  return LLVMBuildNSWMul(e->builder, a, b, "");
}

wf_llvm wf_icmp(wf_emit *e, LLVMIntPredicate predicate, wf_llvm a, wf_llvm b) {
  wf_match(e, &a, &b);
  return LLVMBuildICmp(e->builder, predicate, a, b, "");
}

wf_llvm wf_fcmp(wf_emit *e, LLVMRealPredicate predicate, wf_llvm a, wf_llvm b) {
  wf_match(e, &a, &b);
  return LLVMBuildFCmp(e->builder, predicate, a, b, "");
}

wf_llvm wf_choose(wf_emit *e, wf_llvm condition, wf_llvm a, wf_llvm b) {
  wf_match(e, &a, &b);
  int lanes = wf_lanes_of(condition);
  if (lanes) a = wf_splat(e, a, lanes), b = wf_splat(e, b, lanes);
  return LLVMBuildSelect(e->builder, condition, a, b, "");
}

wf_llvm wf_convert(wf_emit *e, LLVMOpcode op, wf_llvm a, LLVMTypeRef element) {
  return LLVMBuildCast(e->builder, op, a, wf_type_like(a, element), "");
}

wf_llvm wf_bits_as(wf_emit *e, wf_llvm a, LLVMTypeRef element) { return wf_convert(e, LLVMBitCast, a, element); }

wf_llvm wf_intrinsic(wf_emit *e, const char *name, LLVMTypeRef *overloads, int overload_count, wf_llvm *args, int arg_count) {
  unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  wf_llvm callee = LLVMGetIntrinsicDeclaration(e->unit, id, overloads, (size_t)overload_count);
  LLVMTypeRef type = LLVMIntrinsicGetType(e->context, id, overloads, (size_t)overload_count);
  return LLVMBuildCall2(e->builder, type, callee, args, (unsigned)arg_count, "");
}

wf_llvm wf_intrinsic_like(wf_emit *e, const char *name, wf_llvm a) {
  LLVMTypeRef type = LLVMTypeOf(a);
  return wf_intrinsic(e, name, &type, 1, &a, 1);
}

wf_llvm wf_intrinsic_like2(wf_emit *e, const char *name, wf_llvm a, wf_llvm b) {
  wf_match(e, &a, &b);
  LLVMTypeRef type = LLVMTypeOf(a);
  wf_llvm args[2] = {a, b};
  return wf_intrinsic(e, name, &type, 1, args, 2);
}

// llvm.fma without the instruction would be a call of libm: there, multiply and add round separately.
wf_llvm wf_multiply_add(wf_emit *e, wf_llvm a, wf_llvm b, wf_llvm c) {
  wf_match(e, &a, &b);
  wf_match(e, &a, &c);
  wf_match(e, &b, &c);
  LLVMTypeRef type = LLVMTypeOf(a);
  wf_llvm args[3] = {a, b, c};
  return wf_intrinsic(e, e->target->has_fma ? "llvm.fma" : "llvm.fmuladd", &type, 1, args, 3);
}

wf_llvm wf_extract(wf_emit *e, wf_llvm vector, int lane) {
  return wf_lanes_of(vector) ? LLVMBuildExtractElement(e->builder, vector, wf_i32(e, lane), "") : vector;
}

wf_llvm wf_insert(wf_emit *e, wf_llvm vector, wf_llvm scalar, int lane) {
  return LLVMBuildInsertElement(e->builder, vector, scalar, wf_i32(e, lane), "");
}

wf_llvm wf_lane_numbers(wf_emit *e, LLVMTypeRef element, int lanes, int64_t first) {
  wf_llvm *all = WF_NEW_ARRAY(e->arena, wf_llvm, lanes);
  for (int i = 0; i < lanes; i++) all[i] = LLVMConstInt(element, (uint64_t)(first + i), 1);
  return LLVMConstVector(all, (unsigned)lanes);
}

wf_llvm wf_shuffle(wf_emit *e, wf_llvm vector, const int *lanes, int count) {
  wf_llvm *all = WF_NEW_ARRAY(e->arena, wf_llvm, count);
  for (int i = 0; i < count; i++) all[i] = wf_i32(e, lanes[i]);
  return LLVMBuildShuffleVector(e->builder, vector, LLVMGetPoison(LLVMTypeOf(vector)), LLVMConstVector(all, (unsigned)count), "");
}

wf_llvm wf_and_masks(wf_emit *e, wf_llvm a, wf_llvm b) {
  if (!a || !b) return a ? a : b;
  return wf_binary(e, LLVMAnd, a, b);
}

wf_llvm wf_alloca(wf_emit *e, LLVMTypeRef type, const char *name) {
  LLVMBuilderRef builder = LLVMCreateBuilderInContext(e->context);
  wf_llvm first = LLVMGetFirstInstruction(e->entry);
  if (first) LLVMPositionBuilderBefore(builder, first);
  else LLVMPositionBuilderAtEnd(builder, e->entry);
  wf_llvm result = LLVMBuildAlloca(builder, type, name);
  LLVMSetAlignment(result, 64);
  LLVMDisposeBuilder(builder);
  return result;
}
