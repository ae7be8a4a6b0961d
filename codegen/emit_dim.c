// Dims as i64 values and addresses. Terms are added in the order of the loops that they depend on, so that LICM finds
// each partial sum that is invariant in an inner loop. A GPU has 32-bit integer units: there, sums whose terms are all bounded
// by 2^31 together are computed in i32 and widened once.
#include "codegen/emit.h"

enum { MAX_TERMS = 256 };

wf_axis_state *wf_axis_of(wf_emit *e, const wf_atom *atom) {
  if (atom->id >= e->axis_capacity) {
    int capacity = atom->id + 64;
    wf_axis_state *grown = WF_NEW_ARRAY(e->arena, wf_axis_state, capacity);
    if (e->axis_capacity) memcpy(grown, e->axes, sizeof *grown * (size_t)e->axis_capacity);
    e->axes = grown;
    e->axis_capacity = capacity;
  }
  return &e->axes[atom->id];
}

void wf_bind_axis(wf_emit *e, const wf_atom *atom, wf_axis_state state) { *wf_axis_of(e, atom) = state; }

bool wf_proved_nonnegative(wf_emit *e, const wf_dim *dim) {
  intptr_t known = (intptr_t)wf_pointer_map_get(&e->proofs, dim);
  if (!known) {
    known = 1 + (wf_dim_prove_nonnegative(dim, e->arena, NULL) == WF_PROVED);
    wf_pointer_map_set(&e->proofs, e->arena, dim, (void *)known);
  }
  return known == 2;
}

static void collect_constants(wf_emit *e, const wf_dim *dim, wf_binding *bindings, int *count) {
  for (int t = 0; t < dim->term_count; t++)
    for (int f = 0; f < dim->terms[t].factor_count; f++) {
      const wf_atom *atom = dim->terms[t].factors[f];
      if (atom->kind == WF_ATOM_FLOORDIV) {
        collect_constants(e, atom->numerator, bindings, count);
        collect_constants(e, atom->denominator, bindings, count);
      } else if (atom->kind == WF_ATOM_AXIS && wf_axis_of(e, atom)->kind == WF_AXIS_CONSTANT && *count < MAX_TERMS) {
        bool known = false;
        for (int i = 0; i < *count; i++) known |= bindings[i].atom == atom;
        if (!known) bindings[(*count)++] = (wf_binding){atom, wf_dim_const(dim->owner, wf_axis_of(e, atom)->constant)};
      }
    }
}

const wf_dim *wf_specialise(wf_emit *e, const wf_dim *dim) {
  wf_binding bindings[MAX_TERMS];
  int count = 0;
  collect_constants(e, dim, bindings, &count);
  return count ? wf_dim_substitute(dim, bindings, count) : dim;
}

static int dim_depth(wf_emit *e, const wf_dim *dim);

static int atom_depth(wf_emit *e, const wf_atom *atom) {
  if (atom->kind == WF_ATOM_SYMBOL) return 0;
  if (atom->kind == WF_ATOM_AXIS) return wf_axis_of(e, atom)->depth;
  int a = dim_depth(e, atom->numerator), b = dim_depth(e, atom->denominator);
  return a > b ? a : b;
}

static int term_depth(wf_emit *e, const wf_term *term) {
  int depth = term->factor_count ? 0 : 1 << 20;   // the constant goes last: it fits an address's displacement
  bool only_constants = true;
  for (int f = 0; f < term->factor_count; f++) {
    int of = atom_depth(e, term->factors[f]);
    if (of > depth) depth = of;
    only_constants &= term->factors[f]->kind == WF_ATOM_AXIS && wf_axis_of(e, term->factors[f])->kind == WF_AXIS_CONSTANT;
  }
  return only_constants ? 1 << 20 : depth;
}

static int dim_depth(wf_emit *e, const wf_dim *dim) {
  int depth = 0;
  for (int t = 0; t < dim->term_count; t++)
    for (int f = 0; f < dim->terms[t].factor_count; f++) {
      int of = atom_depth(e, dim->terms[t].factors[f]);
      if (of > depth) depth = of;
    }
  return depth;
}

// The terms in order of depth, stable.
static int sorted_terms(wf_emit *e, const wf_dim *dim, const wf_term ***out, int **out_depths) {
  const wf_term **terms = WF_NEW_ARRAY(e->arena, const wf_term *, dim->term_count);
  int *depths = WF_NEW_ARRAY(e->arena, int, dim->term_count);
  for (int t = 0; t < dim->term_count; t++) {
    int depth = term_depth(e, &dim->terms[t]), at = t;
    for (; at > 0 && depths[at - 1] > depth; at--) terms[at] = terms[at - 1], depths[at] = depths[at - 1];
    terms[at] = &dim->terms[t];
    depths[at] = depth;
  }
  *out = terms;
  *out_depths = depths;
  return dim->term_count;
}

// ---- widths -----------------------------------------------------------------------------------------------------------
enum { TOO_LARGE = INT32_MAX };
static int64_t capped(int64_t value) { return value < TOO_LARGE ? value : TOO_LARGE; }

static wf_interval bounds_of(wf_emit *e, const wf_dim *dim);

static wf_interval narrower(wf_interval a, wf_interval b) { return (wf_interval){a.low > b.low ? a.low : b.low, a.high < b.high ? a.high : b.high}; }

static wf_interval bounds_of_quotient(wf_emit *e, const wf_atom *atom) {
  wf_interval a = bounds_of(e, atom->numerator), d = bounds_of(e, atom->denominator);
  if (d.low < 1) return (wf_interval){INT64_MIN, INT64_MAX};
  return (wf_interval){a.low >= 0 ? 0 : a.low, a.high < 0 ? -1 : a.high / d.low};
}

// For a GPU no run-time extent passes WF_GPU_EXTENT_LIMIT, which a program states as a fact; wf_dim_range knows nothing of it.
static wf_interval bounds_of_atom(wf_emit *e, const wf_atom *atom) {
  wf_interval range = wf_dim_range(atom->as_dim), *known = wf_pointer_map_get(&e->bounds, atom);
  if (!e->target->gpu) return range;
  if (known) return *known;
  wf_interval bound = {INT64_MIN, INT64_MAX};
  if (atom->kind == WF_ATOM_SYMBOL) bound.high = WF_GPU_EXTENT_LIMIT;
  else if (atom->kind == WF_ATOM_AXIS) bound.high = bounds_of(e, atom->extent).high;
  else bound = bounds_of_quotient(e, atom);
  known = WF_NEW(e->arena, wf_interval);
  *known = narrower(range, bound);
  wf_pointer_map_set(&e->bounds, e->arena, atom, known);
  return *known;
}

// A bound of |term|, of the products on the way too; TOO_LARGE where i32 does not hold it.
static int64_t term_bound(wf_emit *e, const wf_term *term) {
  if (term->coefficient <= -TOO_LARGE || term->coefficient >= TOO_LARGE) return TOO_LARGE;
  int64_t bound = term->coefficient < 0 ? -term->coefficient : term->coefficient;
  for (int f = 0; f < term->factor_count; f++) {
    wf_interval range = bounds_of_atom(e, term->factors[f]);
    if (range.low <= -TOO_LARGE || range.high >= TOO_LARGE) return TOO_LARGE;
    int64_t largest = range.high > -range.low ? range.high : -range.low;
    bound = capped(bound * (largest > 1 ? largest : 1));
  }
  return bound;
}

static int64_t dim_bound(wf_emit *e, const wf_dim *dim) {
  int64_t bound = 0;
  for (int t = 0; t < dim->term_count; t++) bound = capped(bound + term_bound(e, &dim->terms[t]));
  return bound;
}

// The sum of the terms' intervals, saturated, within what the dim's own range gives.
static wf_interval bounds_of(wf_emit *e, const wf_dim *dim) {
  wf_interval range = wf_dim_range(dim), sum = {0, 0};
  if (!e->target->gpu) return range;
  for (int t = 0; t < dim->term_count; t++) {
    const wf_term *term = &dim->terms[t];
    wf_interval factor = term->factor_count == 1 ? bounds_of_atom(e, term->factors[0]) : (wf_interval){1, 1};
    int64_t c = term->coefficient, bound = term_bound(e, term);
    bool plain = term->factor_count <= 1 && bound < TOO_LARGE;
    if (!plain && bound >= TOO_LARGE) return range;
    sum.low += !plain ? -bound : c > 0 ? c * factor.low : c * factor.high;
    sum.high += !plain ? bound : c > 0 ? c * factor.high : c * factor.low;
  }
  return narrower(range, sum);
}

static bool is_small(wf_emit *e, const wf_dim *dim) {
  wf_interval range = bounds_of(e, dim);
  return (range.low >= 0 || wf_dim_range(dim).low >= 0 || (e->target->gpu && wf_proved_nonnegative(e, dim))) && range.high <= INT32_MAX;
}

// What a dim is computed in.
static LLVMTypeRef type_of_dim(wf_emit *e, const wf_dim *dim) { return e->target->gpu && dim_bound(e, dim) < TOO_LARGE ? e->i32 : e->i64; }

static wf_llvm as_type(wf_emit *e, wf_llvm value, LLVMTypeRef type, bool nonnegative) {
  if (wf_element_type(value) == type) return value;
  return wf_convert(e, type == e->i32 ? LLVMTrunc : nonnegative ? LLVMZExt : LLVMSExt, value, type);
}

static wf_llvm emit_in(wf_emit *e, const wf_dim *dim, LLVMTypeRef type);

// ---- atoms and terms ----------------------------------------------------------------------------------------------------
// Floor semantics; unsigned where the range proves it non-negative, in 32 bits where it fits.
static wf_llvm emit_quotient(wf_emit *e, const wf_atom *atom) {
  if (is_small(e, atom->numerator) && is_small(e, atom->denominator)) {
    wf_llvm a = emit_in(e, atom->numerator, type_of_dim(e, atom->numerator)), d = emit_in(e, atom->denominator, type_of_dim(e, atom->denominator));
    wf_llvm quotient = wf_binary(e, LLVMUDiv, as_type(e, a, e->i32, true), as_type(e, d, e->i32, true));
    return e->target->gpu ? quotient : wf_convert(e, LLVMZExt, quotient, e->i64);
  }
  wf_llvm a = wf_emit_dim(e, atom->numerator), d = wf_emit_dim(e, atom->denominator);
  if (wf_dim_range(atom->numerator).low >= 0 || wf_proved_nonnegative(e, atom->numerator)) return wf_binary(e, LLVMUDiv, a, d);
  wf_llvm quotient = wf_binary(e, LLVMSDiv, a, d);
  wf_llvm rest = wf_binary(e, LLVMSub, a, wf_binary(e, LLVMMul, quotient, d));
  wf_llvm below = wf_icmp(e, LLVMIntSLT, rest, wf_int_like(e, rest, 0));
  return wf_binary(e, LLVMAdd, quotient, wf_convert(e, LLVMSExt, below, e->i64));
}

static bool is_fixed(wf_emit *e, const wf_dim *dim) {
  for (int t = 0; t < dim->term_count; t++)
    for (int f = 0; f < dim->terms[t].factor_count; f++) {
      const wf_atom *atom = dim->terms[t].factors[f];
      wf_axis_kind kind = atom->kind == WF_ATOM_AXIS ? wf_axis_of(e, atom)->kind : WF_AXIS_VALUE;
      if (kind != WF_AXIS_VALUE) return false;
      if (atom->kind == WF_ATOM_FLOORDIV && !(is_fixed(e, atom->numerator) && is_fixed(e, atom->denominator))) return false;
    }
  return true;
}

void wf_open_hoist(wf_emit *e) {
  if (!e->target->gpu || e->depth >= WF_MAX_HOISTS) return;
  LLVMBasicBlockRef body = LLVMAppendBasicBlockInContext(e->context, e->function, "body");
  e->hoists[e->depth] = (wf_hoist){.before = LLVMBuildBr(e->builder, body)};
  LLVMPositionBuilderAtEnd(e->builder, body);
}

// Quotients are dear on a GPU, and kernels ask for the same ones under many conditions, where LLVM does not merge them. Each is
// computed once, at the head of the innermost loop that it depends on; divisors are never 0.
static wf_llvm emit_floordiv(wf_emit *e, const wf_atom *atom) {
  bool fixed = e->target->gpu && is_fixed(e, atom->numerator) && is_fixed(e, atom->denominator);
  int depth = fixed ? atom_depth(e, atom) : WF_MAX_HOISTS;
  if (depth >= WF_MAX_HOISTS || !e->hoists[depth].before) return emit_quotient(e, atom);
  wf_hoist *hoist = &e->hoists[depth];
  wf_llvm known = wf_pointer_map_get(&hoist->values, atom), outer = e->inserts_before;
  if (known) return known;
  LLVMBasicBlockRef here = LLVMGetInsertBlock(e->builder);
  e->inserts_before = hoist->before;
  LLVMPositionBuilderBefore(e->builder, hoist->before);
  known = emit_quotient(e, atom);
  e->inserts_before = outer;
  if (outer) LLVMPositionBuilderBefore(e->builder, outer);
  else LLVMPositionBuilderAtEnd(e->builder, here);
  wf_pointer_map_set(&hoist->values, e->arena, atom, known);
  return known;
}

static wf_llvm emit_symbol(wf_emit *e, const wf_atom *atom) {
  wf_axis_state *state = wf_axis_of(e, atom);
  if (state->kind == WF_AXIS_VALUE) return state->value;
  if (!e->failed) wf_error(e->module->diag, e->kernel->loc, "kernel %s uses symbol %s, which the program does not bind", e->kernel->name, atom->name);
  e->failed = true;
  return wf_i64(e, 1);
}

static wf_llvm emit_atom(wf_emit *e, const wf_atom *atom, LLVMTypeRef type) {
  if (atom->kind == WF_ATOM_FLOORDIV) return as_type(e, emit_floordiv(e, atom), type, wf_dim_range(atom->as_dim).low >= 0);
  if (atom->kind == WF_ATOM_SYMBOL) return as_type(e, emit_symbol(e, atom), type, true);
  wf_axis_state *state = wf_axis_of(e, atom);
  switch (state->kind) {
    case WF_AXIS_VALUE: return as_type(e, state->value, type, true);
    case WF_AXIS_CONSTANT: return wf_int_constant(type, state->constant);
    case WF_AXIS_LANE: return wf_lane_numbers(e, type, e->lanes, e->lane_first);
    case WF_AXIS_UNBOUND: break;
  }
  if (!e->failed) wf_error(e->module->diag, e->kernel->loc, "kernel %s reads axis %s outside its loop", e->kernel->name, atom->name);
  e->failed = true;
  return wf_int_constant(type, 0);
}

static wf_llvm emit_term(wf_emit *e, const wf_term *term, LLVMTypeRef type) {
  wf_llvm product = NULL;
  int64_t coefficient = term->coefficient;
  for (int f = 0; f < term->factor_count; f++) {
    const wf_atom *atom = term->factors[f];
    if (atom->kind == WF_ATOM_AXIS && wf_axis_of(e, atom)->kind == WF_AXIS_CONSTANT) {
      coefficient *= wf_axis_of(e, atom)->constant;
      continue;
    }
    wf_llvm value = emit_atom(e, atom, type);
    product = product ? wf_mul_nsw(e, product, value) : value;
  }
  if (!product || coefficient == 0) return wf_int_constant(type, coefficient);
  return coefficient == 1 ? product : wf_mul_nsw(e, product, wf_int_like(e, product, coefficient));
}

static wf_llvm emit_in(wf_emit *e, const wf_dim *dim, LLVMTypeRef type) {
  const wf_dim *coefficient, *rest;
  if (e->lane_axis && dim->term_count > 1 && wf_dim_split(dim, e->lane_axis, &coefficient, &rest) && coefficient->term_count) {
    wf_llvm lanes = wf_lane_numbers(e, type, e->lanes, e->lane_first), scale = emit_in(e, coefficient, type);
    if (!wf_dim_equals_const(coefficient, 1)) lanes = wf_mul_nsw(e, lanes, scale);
    return wf_add_nsw(e, wf_splat(e, emit_in(e, rest, type), e->lanes), lanes);
  }
  const wf_term **terms;
  int *depths, count = sorted_terms(e, dim, &terms, &depths);
  wf_llvm sum = NULL;
  for (int t = 0; t < count; t++) {
    wf_llvm value = emit_term(e, terms[t], type);
    sum = sum ? wf_add_nsw(e, sum, value) : value;
  }
  return sum ? sum : wf_int_constant(type, 0);
}

wf_llvm wf_emit_index(wf_emit *e, const wf_dim *dim) {
  if (e->target->gpu && wf_dim_has_floordiv(dim)) dim = wf_specialise(e, dim);
  return emit_in(e, dim, type_of_dim(e, dim));
}
wf_llvm wf_emit_dim(wf_emit *e, const wf_dim *dim) { return as_type(e, wf_emit_index(e, dim), e->i64, wf_dim_range(dim).low >= 0); }

static wf_llvm plus(wf_emit *e, wf_llvm sum, wf_llvm value) { return sum ? wf_add_nsw(e, sum, value) : value; }

// One getelementptr a loop depth: base + outer terms, + inner terms, + constant. For a GPU the terms of a depth that fit together
// are one sum of 32 bits.
wf_llvm wf_emit_pointer(wf_emit *e, LLVMTypeRef element, wf_llvm base, const wf_dim *offset) {
  if (e->target->gpu && wf_dim_has_floordiv(offset)) offset = wf_specialise(e, offset);
  const wf_term **terms;
  int *depths, count = sorted_terms(e, offset, &terms, &depths);
  wf_llvm pointer = base;
  for (int t = 0; t < count;) {
    wf_llvm wide = NULL, narrow = NULL;
    int64_t bound = 0;
    for (int depth = depths[t]; t < count && depths[t] == depth; t++) {
      int64_t with = e->target->gpu ? capped(bound + term_bound(e, terms[t])) : TOO_LARGE;
      if (with < TOO_LARGE) narrow = plus(e, narrow, emit_term(e, terms[t], e->i32)), bound = with;
      else wide = plus(e, wide, emit_term(e, terms[t], e->i64));
    }
    wf_llvm sum = narrow ? wf_convert(e, LLVMSExt, narrow, e->i64) : wide;
    if (narrow && wide) sum = wf_add_nsw(e, wide, sum);
    if (LLVMIsAConstantInt(sum) && LLVMConstIntGetSExtValue(sum) == 0) continue;
    pointer = LLVMBuildGEP2(e->builder, element, pointer, &sum, 1, "");
  }
  return pointer;
}

const wf_dim *wf_lane_rest(wf_emit *e, const wf_dim *coefficient, const wf_dim *rest) {
  return e->lane_first ? wf_dim_add(rest, wf_dim_scale(coefficient, e->lane_first)) : rest;
}

// lane >= -rest, or lane <= rest, in 32 bits: the scalar is clamped to what lane numbers can tell apart.
static wf_llvm emit_lane_bound(wf_emit *e, const wf_dim *rest, bool rising) {
  wf_llvm bound = wf_emit_dim(e, rising ? wf_dim_scale(rest, -1) : rest);
  bound = wf_intrinsic_like2(e, "llvm.smax", bound, wf_i64(e, -1));
  bound = wf_intrinsic_like2(e, "llvm.smin", bound, wf_i64(e, e->lanes));
  bound = wf_splat(e, wf_convert(e, LLVMTrunc, bound, e->i32), e->lanes);
  return wf_icmp(e, rising ? LLVMIntSGE : LLVMIntSLE, wf_lane_numbers(e, e->i32, e->lanes, 0), bound);
}

wf_llvm wf_emit_nonnegative(wf_emit *e, const wf_dim *dim) {
  const wf_dim *coefficient, *rest;
  int64_t step;
  if (!e->target->gpu && e->lane_axis && wf_dim_split(dim, e->lane_axis, &coefficient, &rest) && wf_dim_is_const(coefficient, &step) &&
      (step == 1 || step == -1))
    return emit_lane_bound(e, wf_lane_rest(e, coefficient, rest), step == 1);
  wf_llvm value = wf_emit_index(e, dim);
  wf_interval range = wf_dim_range(dim);
  if (wf_lanes_of(value) && wf_element_type(value) == e->i64 && range.low >= INT32_MIN && range.high <= INT32_MAX) value = wf_convert(e, LLVMTrunc, value, e->i32);
  return wf_icmp(e, LLVMIntSGE, value, wf_int_like(e, value, 0));
}
