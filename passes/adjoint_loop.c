// The adjoint of a loop: a scan the other way over the stacked carried values of the forward one.
//
//   forward     carries c, slices x, invariants w:  c', y = f(t, c, x, w)
//   backward    carries d_c, slices (c before the step, x, d_y), invariants w:  the region is f again and its reverse walk;
//               next d_c is the cotangent of c, stacked results are d_x
//
// - f's pointwise operations run again in the backward region; what is dearer (contractions, sorts, inner loops) is
//   stacked by the forward loop, which gains results for that, and comes in as a slice.
// - Cotangents of invariants are not carried: a part that is a sum over products, d_w[o, i] += sum[b] g[b, o] * h[b, i],
//   becomes one contraction after the loop over stacked values, sum[t, b] g[t, b, o] * h[t, b, i]. Parts of another form
//   (scatters, sums of inner loops) are summed in a carried value.
#include "passes/clone_ops.h"
#include "passes/differentiate.h"

typedef enum source_kind { FROM_STEP, FROM_CARRY, FROM_SLICE, FROM_INVARIANT } source_kind;

typedef struct source {            // an input of the backward region
  source_kind kind;
  wf_value *inner;
  wf_value *whole;                 // in the outer function: initial carry, whole slice, invariant; made late for saved values
  const wf_value *saved;           // of the forward region, to be stacked by the forward loop
  bool needed, used;               // its whole is needed; the region reads it
} source;

typedef struct lift {              // a part of an invariant's cotangent that is contracted outside
  wf_adjoint *outer;
  const wf_expr *scale, *body;     // over axes, then summed ones; scale (or NULL) over axes alone
  const wf_atom *const *axes, *const *summed;
  int axis_count, summed_count;
} lift;

typedef struct stacked { wf_value *inner; wf_value *whole; wf_adjoint *outer; const char *name; } stacked;   // a result of the backward loop

typedef struct backward {
  wf_tape *tape, *inner;           // of the function with the loop; of the backward region
  wf_module *module;
  wf_arena *arena;
  wf_op *op;
  wf_function *region;
  wf_clone clone;
  int forward_count;               // the region's first operations are copies of the forward ones
  WF_VEC(source) sources;
  WF_VEC(stacked) carries, stacks; // results: next carries, stacked
  WF_VEC(lift) lifts;
  bool *live;                      // by value id
  int live_limit;
} backward;

// ---- activity -----------------------------------------------------------------------------------------------------

// Which of the region's values depend on active operands, by way of carries too.
static wf_tape *region_activity(const wf_tape *tape, const wf_op *op, wf_arena *arena) {
  wf_function *region = op->region;
  wf_tape *inner = wf_tape_create(region, arena);
  for (int i = 0; i < op->operand_count; i++)
    if (wf_tape_active(tape, op->operands[i])) wf_tape_activate(inner, region->inputs.items[1 + i]);
  for (bool changed = true; changed;) {
    changed = false;
    wf_tape_propagate(inner, region->ops.items, region->ops.count);
    for (int i = 0; i < op->carry_count; i++) {
      const wf_value *carry = region->inputs.items[1 + i];
      if (wf_tape_active(inner, carry) || !wf_tape_active(inner, region->results.items[i].value)) continue;
      wf_tape_activate(inner, carry);
      changed = true;
    }
  }
  return inner;
}

void wf_loop_propagate(wf_tape *tape, const wf_op *op) {
  wf_arena *arena = wf_arena_create();
  const wf_tape *inner = region_activity(tape, op, arena);
  for (int i = 0; i < op->result_count; i++) {
    const wf_value *from = i < op->carry_count ? op->region->inputs.items[1 + i] : op->region->results.items[i].value;
    if (wf_tape_active(inner, from)) wf_tape_activate(tape, op->results[i]);
  }
  wf_arena_destroy(arena);
}

// ---- the backward region ------------------------------------------------------------------------------------------------

static wf_value *new_input(backward *b, const char *name, const wf_value *like) {
  return wf_function_input(b->region, name, WF_ROLE_NONE, like->dtype, like->rank, like->shape, like->loc);
}

static void add_source(backward *b, source made) { wf_vec_push(b->arena, &b->sources, made); }

static void copy_forward(backward *b) {
  const wf_function *from = b->op->region;
  wf_clone_begin(&b->clone, b->region, b->arena);
  for (int i = 0; i < from->inputs.count; i++) {
    wf_value *input = from->inputs.items[i], *copy = new_input(b, input->name, input);
    wf_clone_map(&b->clone, input, copy);
    source made = {.inner = copy};
    if (i == 0) made.kind = FROM_STEP;
    else if (i <= b->op->carry_count) made.kind = FROM_SLICE, made.saved = input;
    else made.kind = i <= b->op->carry_count + b->op->slice_count ? FROM_SLICE : FROM_INVARIANT, made.whole = b->op->operands[i - 1];
    add_source(b, made);
  }
  for (int i = 0; i < from->ops.count; i++) wf_clone_op(&b->clone, from->ops.items[i]);
  b->forward_count = b->region->ops.count;
}

static const wf_expr *read_whole(backward *b, wf_value *value, const wf_adjoint *adjoint) {
  return wf_expr_read_dims(b->module, value, adjoint->indices, NULL);
}

// Inputs for the cotangents of the region's results: carried ones, and slices of the stacked ones. out_seeds: by result.
static void add_result_inputs(backward *b, const wf_tape *activity, wf_value **out_seeds) {
  const wf_function *from = b->op->region;
  for (int i = 0; i < from->results.count; i++) {
    const wf_value *result = from->results.items[i].value;
    bool is_carry = i < b->op->carry_count;
    if (is_carry ? !wf_tape_active(activity, from->inputs.items[1 + i])
                 : !wf_tape_active(activity, result) || !wf_tape_has_cotangent(b->tape, b->op->results[i])) continue;
    const char *name = is_carry ? wf_arena_printf(b->arena, "d_%s.next", from->inputs.items[1 + i]->name)
                                : wf_arena_printf(b->arena, "d_%s", result->name);
    wf_value *whole = wf_tape_gradient(b->tape, b->op->results[i]);
    out_seeds[i] = new_input(b, name, result);
    add_source(b, (source){.kind = is_carry ? FROM_CARRY : FROM_SLICE, .inner = out_seeds[i], .whole = whole, .used = is_carry});
  }
}

static void add_seeds(backward *b, wf_value *const *seeds) {
  const wf_function *from = b->op->region;
  for (int i = 0; i < from->results.count; i++) {
    wf_value *copy = wf_clone_find(&b->clone, from->results.items[i].value);
    if (!seeds[i] || !wf_tape_active(b->inner, copy)) continue;
    wf_adjoint *adjoint = wf_tape_adjoint(b->inner, copy);
    wf_tape_add(b->inner, adjoint, read_whole(b, seeds[i], adjoint));
  }
}

static void activate_copies(backward *b, const wf_tape *activity) {
  const wf_function *from = b->op->region;
  for (int i = 0; i < from->inputs.count; i++)
    if (wf_tape_active(activity, from->inputs.items[i])) wf_tape_activate(b->inner, wf_clone_find(&b->clone, from->inputs.items[i]));
  wf_tape_propagate(b->inner, b->region->ops.items, b->forward_count);
}

// ---- results ------------------------------------------------------------------------------------------------------

static void add_carry_results(backward *b, wf_value *const *seeds) {
  for (int i = 0; i < b->op->carry_count; i++) {
    if (!seeds[i]) continue;
    wf_value *carry = wf_clone_find(&b->clone, b->op->region->inputs.items[1 + i]), *operand = b->op->operands[i];
    stacked result = {.inner = wf_tape_gradient(b->inner, carry), .name = wf_gradient_name(b->tape, operand)};
    if (wf_tape_active(b->tape, operand)) result.outer = wf_tape_adjoint(b->tape, operand);
    wf_vec_push(b->arena, &b->carries, result);
  }
}

static void add_slice_results(backward *b) {
  for (int i = 0; i < b->op->slice_count; i++) {
    int at = b->op->carry_count + i;
    wf_value *operand = b->op->operands[at], *slice = wf_clone_find(&b->clone, b->op->region->inputs.items[1 + at]);
    if (!wf_tape_active(b->tape, operand)) continue;
    stacked result = {.inner = wf_tape_gradient(b->inner, slice), .name = wf_gradient_name(b->tape, operand), .outer = wf_tape_adjoint(b->tape, operand)};
    wf_vec_push(b->arena, &b->stacks, result);
  }
}

// ---- cotangents of invariants ---------------------------------------------------------------------------------------------

static bool is_made_sum(const backward *b, const wf_value *value) {
  return value->id >= b->inner->limit && value->def && value->def->kind == WF_O_COMPUTE && value->def->combiner == WF_R_SUM;
}

typedef struct reads { const backward *b; int sums, others; bool varies; } reads;

static bool is_invariant(const backward *b, const wf_value *value) {
  for (int i = 0; i < b->sources.count; i++)
    if (b->sources.items[i].inner == value) return b->sources.items[i].kind == FROM_INVARIANT;
  return false;
}

static void note_read(void *context, const wf_expr *node) {
  reads *found = context;
  if (node->op != WF_S_READ) return;
  if (is_made_sum(found->b, node->operand)) found->sums++;
  else if (node->operand->id >= found->b->inner->limit && node->operand->def && node->operand->def->kind != WF_O_COMPUTE) found->others++;
  if (!is_invariant(found->b, node->operand)) found->varies = true;
}

static reads reads_of(const backward *b, const wf_expr *expr) {
  reads found = {.b = b};
  wf_expr_walk(expr, note_read, &found);
  return found;
}

static bool reads_all(const wf_adjoint *adjoint, const wf_expr *read) {
  for (int i = 0; i < adjoint->value->rank; i++)
    if (read->args[i]->op != WF_S_INDEX || read->args[i]->dim != adjoint->indices[i]) return false;
  return !read->has_default && read->operand->rank == adjoint->value->rank;
}

// part = scale * read of a sum, with a scale that is the same in each step.
static const wf_expr *summed_read(const backward *b, const wf_adjoint *adjoint, const wf_expr *part, const wf_expr **scale) {
  wf_module *module = b->module;
  if (part->op == WF_S_READ) return is_made_sum(b, part->operand) && reads_all(adjoint, part) ? part : NULL;
  if (part->op == WF_S_NEG) {
    const wf_expr *minus = wf_expr_const(module, part->dtype, -1);
    *scale = *scale ? wf_expr_binary(module, WF_S_MUL, *scale, minus) : minus;
    return summed_read(b, adjoint, part->args[0], scale);
  }
  if (part->op != WF_S_MUL) return NULL;
  for (int i = 0; i < 2; i++) {
    if (reads_of(b, part->args[i]).varies) continue;
    *scale = *scale ? wf_expr_binary(module, WF_S_MUL, *scale, part->args[i]) : part->args[i];
    return summed_read(b, adjoint, part->args[1 - i], scale);
  }
  return NULL;
}

static bool lift_part(backward *b, wf_adjoint *adjoint, wf_adjoint *outer, const wf_expr *part) {
  lift made = {.outer = outer, .axes = adjoint->axes, .axis_count = adjoint->value->rank, .body = part};
  const wf_expr *scale = NULL, *read = summed_read(b, adjoint, part, &scale);
  if (read) {
    const wf_op *sum = read->operand->def;
    wf_binding *bindings = WF_NEW_ARRAY(b->arena, wf_binding, sum->axis_count);
    for (int i = 0; i < sum->axis_count; i++) bindings[i] = (wf_binding){sum->axes[i], adjoint->indices[i]};
    made.body = wf_expr_rewrite(b->module, sum->body, bindings, sum->axis_count, NULL, NULL);
    made.summed = sum->reduction_axes;
    made.summed_count = sum->reduction_count;
    made.scale = scale;
  }
  reads found = reads_of(b, made.body);
  if (found.sums || found.others) return false;  // a stacked tensor of the invariant's size for each step: carry the sum
  wf_vec_push(b->arena, &b->lifts, made);
  return true;
}

static void carry_sum(backward *b, wf_adjoint *adjoint, wf_adjoint *outer, const wf_expr *parts) {
  wf_value *invariant = outer->value;
  const char *name = wf_gradient_name(b->tape, invariant);
  wf_value *before = new_input(b, wf_arena_printf(b->arena, "%s.before", name), adjoint->value);
  const wf_expr *body = wf_expr_binary(b->module, WF_S_ADD, read_whole(b, before, adjoint), parts);
  wf_value *after = wf_build_compute(b->region, name, invariant->dtype, adjoint->axes, invariant->rank, WF_R_NONE, NULL, 0, body, invariant->loc);
  const wf_atom **axes = WF_NEW_ARRAY(b->module->arena, const wf_atom *, invariant->rank);
  for (int i = 0; i < invariant->rank; i++) axes[i] = wf_new_axis(b->module, outer->axes[i]->name, invariant->shape[i]);
  wf_value *zeros = wf_build_compute(b->tape->function, wf_arena_printf(b->arena, "%s.zero", name), invariant->dtype, axes, invariant->rank,
                                     WF_R_NONE, NULL, 0, wf_zero(b->module, wf_dtype_compute(invariant->dtype)), invariant->loc);
  add_source(b, (source){.kind = FROM_CARRY, .inner = before, .whole = zeros, .used = true});
  stacked result = {.inner = after, .name = name, .outer = outer};
  wf_vec_push(b->arena, &b->carries, result);
}

static void add_invariants(backward *b) {
  int first = b->op->carry_count + b->op->slice_count;
  for (int i = first; i < b->op->operand_count; i++) {
    wf_value *copy = wf_clone_find(&b->clone, b->op->region->inputs.items[1 + i]);
    if (!wf_tape_active(b->tape, b->op->operands[i]) || !wf_tape_has_cotangent(b->inner, copy)) continue;
    wf_adjoint *adjoint = wf_tape_adjoint(b->inner, copy), *outer = wf_tape_adjoint(b->tape, b->op->operands[i]);
    const wf_expr *rest = NULL;
    for (int k = 0; k < adjoint->parts.count; k++) {
      const wf_expr *part = adjoint->parts.items[k];
      if (lift_part(b, adjoint, outer, part)) continue;
      rest = rest ? wf_expr_binary(b->module, WF_S_ADD, part, rest) : part;
    }
    if (rest) carry_sum(b, adjoint, outer, rest);
  }
}

// ---- saving what the reverse walk needs --------------------------------------------------------------------------------------

static wf_value *add_stacked_result(wf_function *function, wf_op *loop, wf_value *value) {
  wf_module *module = function->module;
  const wf_dim *shape[WF_MAX_RANK + 1] = {loop->trip};
  for (int i = 0; i < value->rank; i++) shape[i + 1] = value->shape[i];
  const char *name = wf_arena_printf(module->arena, "%s.%s", loop->region->name, value->name);
  wf_value *whole = wf_value_create(function, name, value->dtype, value->rank + 1, shape, value->loc);
  whole->def = loop;
  whole->result_index = loop->result_count;
  wf_value **results = WF_NEW_ARRAY(module->arena, wf_value *, loop->result_count + 1);
  memcpy(results, loop->results, sizeof *results * (size_t)loop->result_count);
  results[loop->result_count++] = whole;
  loop->results = results;
  wf_function_result(loop->region, value->name, value);
  return whole;
}

// The whole of a forward value over all steps: a result that the loop has, or one that it gains.
static wf_value *stack_forward(backward *b, const wf_value *value) {
  for (int i = b->op->carry_count; i < b->op->result_count; i++)
    if (b->op->region->results.items[i].value == value) return b->op->results[i];
  return add_stacked_result(b->tape->function, b->op, (wf_value *)value);
}

// The value at the same place of a function that was cloned into the one that has `value`.
static wf_value *counterpart(const wf_function *clone, const wf_function *original, const wf_value *value) {
  for (int i = 0; i < clone->inputs.count; i++)
    if (clone->inputs.items[i] == value) return original->inputs.items[i];
  for (int i = 0; i < clone->ops.count; i++)
    for (int k = 0; k < clone->ops.items[i]->result_count; k++)
      if (clone->ops.items[i]->results[k] == value) return original->ops.items[i]->results[k];
  return NULL;
}

// A loop inside gained results when its copy was differentiated: the forward one gains the same.
static void repeat_gains(const wf_op *clone, wf_op *original, wf_function *function) {
  for (int i = 0; i < clone->region->ops.count; i++)
    if (clone->region->ops.items[i]->kind == WF_O_LOOP) repeat_gains(clone->region->ops.items[i], original->region->ops.items[i], original->region);
  for (int i = original->result_count; i < clone->result_count; i++)
    add_stacked_result(function, original, counterpart(clone->region, original->region, clone->region->results.items[i].value));
}

static void save_inner_loops(backward *b, wf_op *const *forward) {
  for (int i = 0; i < b->forward_count; i++)
    if (forward[i]->kind == WF_O_LOOP) repeat_gains(forward[i], b->op->region->ops.items[i], b->op->region);
}

// ---- what the region needs ------------------------------------------------------------------------------------------------

static void mark(backward *b, const wf_value *value) {
  if (value->id < b->live_limit) b->live[value->id] = true;
}

static void mark_read(void *context, const wf_expr *node) {
  if (node->op == WF_S_READ) mark(context, node->operand);
}

static bool is_cheap(const wf_op *op) { return op->kind == WF_O_CONST || (op->kind == WF_O_COMPUTE && op->combiner == WF_R_NONE); }

static bool is_live(const backward *b, const wf_op *op) {
  for (int i = 0; i < op->result_count; i++)
    if (b->live[op->results[i]->id]) return true;
  return false;
}

// By id: read by what is left of the region, or handed out by it.
static bool *values_used(const backward *b) {
  bool *used = WF_NEW_ARRAY(b->arena, bool, b->live_limit);
  for (int i = 0; i < b->region->ops.count; i++)
    for (int k = 0; k < b->region->ops.items[i]->operand_count; k++) used[b->region->ops.items[i]->operands[k]->id] = true;
  for (int i = 0; i < b->carries.count; i++) used[b->carries.items[i].inner->id] = true;
  for (int i = 0; i < b->stacks.count; i++) used[b->stacks.items[i].inner->id] = true;
  return used;
}

static void drop_function(wf_module *module, const wf_function *function) {
  int kept = 0;
  for (int i = 0; i < module->functions.count; i++)
    if (module->functions.items[i] != function) module->functions.items[kept++] = module->functions.items[i];
  module->functions.count = kept;
}

// The region of a dropped inner loop is a copy of its own: it goes too.
static void drop_op(wf_module *module, const wf_op *op) {
  if (op->kind != WF_O_LOOP) return;
  for (int i = 0; i < op->region->ops.count; i++) drop_op(module, op->region->ops.items[i]);
  drop_function(module, op->region);
}

// Drops dead operations; live results of dear forward ones become slices.
static void prune(backward *b) {
  b->live_limit = b->module->value_count;
  b->live = WF_NEW_ARRAY(b->arena, bool, b->live_limit);
  for (int i = 0; i < b->carries.count; i++) mark(b, b->carries.items[i].inner);
  for (int i = 0; i < b->stacks.count; i++) mark(b, b->stacks.items[i].inner);
  for (int i = 0; i < b->lifts.count; i++) wf_expr_walk(b->lifts.items[i].body, mark_read, b);
  for (int i = 0; i < b->lifts.count; i++)
    if (b->lifts.items[i].scale) wf_expr_walk(b->lifts.items[i].scale, mark_read, b);
  WF_VEC(wf_op *) kept = {0};
  for (int i = b->region->ops.count - 1; i >= 0; i--) {
    wf_op *op = b->region->ops.items[i];
    if (!is_live(b, op)) {
      drop_op(b->module, op);
      continue;
    }
    if (i < b->forward_count && !is_cheap(op)) {
      for (int k = 0; k < op->result_count; k++) {
        if (!b->live[op->results[k]->id]) continue;
        op->results[k]->def = NULL;
        op->results[k]->result_index = 0;
        add_source(b, (source){.kind = FROM_SLICE, .inner = op->results[k], .saved = b->op->region->ops.items[i]->results[k]});
      }
      drop_op(b->module, op);
      continue;
    }
    for (int k = 0; k < op->operand_count; k++) mark(b, op->operands[k]);
    wf_vec_push(b->arena, &kept, op);
  }
  b->region->ops.count = 0;
  for (int i = kept.count - 1; i >= 0; i--) wf_vec_push(b->module->arena, &b->region->ops, kept.items[i]);
  bool *used = values_used(b);
  for (int i = 0; i < b->sources.count; i++) {
    source *s = &b->sources.items[i];
    s->needed |= b->live[s->inner->id];
    s->used |= used[s->inner->id];
  }
}

// ---- putting it together ------------------------------------------------------------------------------------------------

static wf_value *whole_of(const backward *b, const wf_value *inner) {
  for (int i = 0; i < b->sources.count; i++)
    if (b->sources.items[i].inner == inner && b->sources.items[i].kind != FROM_CARRY) return b->sources.items[i].whole;
  for (int i = 0; i < b->stacks.count; i++)
    if (b->stacks.items[i].inner == inner) return b->stacks.items[i].whole;
  return NULL;
}

// Values that a contraction outside reads and that only the backward region has: stacked too.
static void stack_read(void *context, const wf_expr *node) {
  backward *b = context;
  if (node->op != WF_S_READ) return;
  for (int i = 0; i < b->sources.count; i++)
    if (b->sources.items[i].inner == node->operand && b->sources.items[i].kind != FROM_CARRY) return;
  for (int i = 0; i < b->stacks.count; i++)
    if (b->stacks.items[i].inner == node->operand) return;
  stacked result = {.inner = node->operand, .name = wf_arena_printf(b->arena, "%s.all", node->operand->name)};
  wf_vec_push(b->arena, &b->stacks, result);
}

static wf_value **collect_sources(backward *b, source_kind kind, int *out_count) {
  wf_value **wholes = WF_NEW_ARRAY(b->arena, wf_value *, b->sources.count);
  *out_count = 0;
  for (int i = 0; i < b->sources.count; i++) {
    const source *s = &b->sources.items[i];
    if (s->kind != kind || (!s->used && kind != FROM_STEP)) continue;
    if (kind != FROM_STEP) wholes[(*out_count)++] = s->whole;
    wf_vec_push(b->module->arena, &b->region->inputs, s->inner);
  }
  return wholes;
}

static void name_result(backward *b, stacked *result, wf_value *value) {
  value->name = wf_unique_name(b->tape->function, result->name);
  wf_map_set(&b->tape->function->names, value->name, value);
  result->whole = value;
}

static void build(backward *b) {
  for (int i = 0; i < b->sources.count; i++)
    if (b->sources.items[i].saved && b->sources.items[i].needed) b->sources.items[i].whole = stack_forward(b, b->sources.items[i].saved);
  b->region->inputs.count = 0;
  int steps, carries, slices, invariants;
  collect_sources(b, FROM_STEP, &steps);
  wf_value **carry = collect_sources(b, FROM_CARRY, &carries), **slice = collect_sources(b, FROM_SLICE, &slices);
  wf_value **invariant = collect_sources(b, FROM_INVARIANT, &invariants);
  for (int i = 0; i < b->carries.count; i++) wf_function_result(b->region, b->carries.items[i].name, b->carries.items[i].inner);
  for (int i = 0; i < b->stacks.count; i++) wf_function_result(b->region, b->stacks.items[i].name, b->stacks.items[i].inner);
  if (!b->carries.count && !b->stacks.count) {  // only wholes are contracted: there is nothing to do step by step
    drop_function(b->module, b->region);
    return;
  }
  wf_op *loop = wf_build_loop(b->tape->function, b->region->name, b->region, b->op->trip, !b->op->reverse, carry, carries, slice, slices, invariant,
                              invariants, b->op->loc);
  for (int i = 0; i < b->carries.count; i++) name_result(b, &b->carries.items[i], loop->results[i]);
  for (int i = 0; i < b->stacks.count; i++) name_result(b, &b->stacks.items[i], loop->results[b->carries.count + i]);
}

typedef struct lifting { const backward *b; const wf_atom *step; } lifting;

// A value of one step, read in the outer function.
static const wf_expr *read_outside(void *context, const wf_expr *node) {
  const lifting *l = context;
  wf_module *module = l->b->module;
  if (node->op != WF_S_READ) return NULL;
  if (node->operand == l->b->sources.items[0].inner) return wf_expr_index(module, l->step->as_dim);
  const wf_expr *outside = node->has_default ? node->args[node->arg_count - 1] : NULL;
  wf_value *whole = whole_of(l->b, node->operand);
  if (is_invariant(l->b, node->operand)) return wf_expr_read(module, whole, node->args, outside);
  const wf_expr *indices[WF_MAX_RANK + 1] = {wf_expr_index(module, l->step->as_dim)};
  for (int i = 0; i < node->operand->rank; i++) indices[i + 1] = node->args[i];
  return wf_expr_read(module, whole, indices, outside);
}

// sum[t] select(t == q, f(t), 0) is f(q): an invariant of which each step reads its own slice.
typedef struct pick { const wf_dim *index; const wf_expr *value; } pick;

static bool is_axis(const wf_expr *expr, const wf_atom *axis) { return expr->op == WF_S_INDEX && expr->dim == axis->as_dim; }

static bool picks_step(const wf_expr *body, const wf_atom *step, pick *out) {
  if (body->op != WF_S_SELECT || body->args[0]->op != WF_S_EQ || !wf_expr_is_const(body->args[2], 0)) return false;
  const wf_expr *const *sides = body->args[0]->args;
  int side = is_axis(sides[0], step) ? 1 : is_axis(sides[1], step) ? 0 : -1;
  const wf_atom *other = side >= 0 && sides[side]->op == WF_S_INDEX ? wf_dim_as_atom(sides[side]->dim) : NULL;
  if (!other || other->kind != WF_ATOM_AXIS || other->extent != step->extent) return false;
  *out = (pick){other->as_dim, body->args[1]};
  return true;
}

static void contract_outside(backward *b, const lift *made) {
  wf_module *module = b->module;
  int count = made->axis_count + made->summed_count;
  const wf_atom **axes = WF_NEW_ARRAY(module->arena, const wf_atom *, made->axis_count);
  const wf_atom **summed = WF_NEW_ARRAY(module->arena, const wf_atom *, made->summed_count + 1);
  wf_binding *bindings = WF_NEW_ARRAY(b->arena, wf_binding, count), *outer = WF_NEW_ARRAY(b->arena, wf_binding, count);
  for (int i = 0; i < made->axis_count; i++) {
    axes[i] = wf_new_axis(module, made->axes[i]->name, made->axes[i]->extent);
    bindings[i] = (wf_binding){made->axes[i], axes[i]->as_dim};
    outer[i] = (wf_binding){made->axes[i], made->outer->indices[i]};
  }
  summed[0] = wf_new_axis(module, "t", b->op->trip);
  for (int i = 0; i < made->summed_count; i++) {
    summed[i + 1] = wf_new_axis(module, made->summed[i]->name, made->summed[i]->extent);
    bindings[made->axis_count + i] = (wf_binding){made->summed[i], summed[i + 1]->as_dim};
  }
  lifting context = {b, summed[0]};
  const wf_expr *body = wf_expr_rewrite(module, made->body, bindings, count, read_outside, &context);
  int sums = made->summed_count + 1;
  pick picked;
  if (picks_step(body, summed[0], &picked)) {
    wf_binding at = {summed[0], picked.index};
    body = wf_expr_rewrite(module, picked.value, &at, 1, NULL, NULL);
    summed++, sums--;
  }
  wf_value *operand = made->outer->value;
  const char *name = wf_arena_printf(b->arena, "%s.part", wf_gradient_name(b->tape, operand));
  wf_value *value = wf_build_compute(b->tape->function, name, operand->dtype, axes, made->axis_count, sums ? WF_R_SUM : WF_R_NONE, summed, sums, body,
                                     b->op->loc);
  if (!made->scale) {
    wf_tape_add_value(b->tape, made->outer, value);
    return;
  }
  const wf_expr *scale = wf_expr_rewrite(module, made->scale, outer, made->axis_count, read_outside, &context);
  wf_tape_add(b->tape, made->outer, wf_expr_binary(module, WF_S_MUL, scale, wf_expr_read_dims(module, value, made->outer->indices, NULL)));
}

static void hand_out(backward *b) {
  for (int i = b->lifts.count - 1; i >= 0; i--) contract_outside(b, &b->lifts.items[i]);
  for (int i = b->stacks.count - 1; i >= 0; i--)
    if (b->stacks.items[i].outer) wf_tape_add_value(b->tape, b->stacks.items[i].outer, b->stacks.items[i].whole);
  for (int i = b->carries.count - 1; i >= 0; i--)
    if (b->carries.items[i].outer) wf_tape_add_value(b->tape, b->carries.items[i].outer, b->carries.items[i].whole);
}

// What is saved or handed out step by step gets one more axis.
static bool can_stack(const wf_op *op, wf_diag *diag) {
  for (int i = 0; i < op->region->ops.count; i++)
    for (int k = 0; k < op->region->ops.items[i]->result_count; k++) {
      const wf_value *value = op->region->ops.items[i]->results[k];
      if (value->rank < WF_MAX_RANK) continue;
      wf_error(diag, value->loc, "'%s' of rank %d inside a loop cannot be saved for the gradient: no value has more than %d axes", value->name,
               value->rank, WF_MAX_RANK);
      return false;
    }
  return true;
}

bool wf_adjoint_loop(wf_tape *tape, wf_op *op) {
  wf_module *module = tape->module;
  if (!can_stack(op, module->diag)) return false;
  backward b = {.tape = tape, .module = module, .arena = tape->arena, .op = op};
  const char *name = wf_arena_printf(module->arena, "%s.adjoint", op->region->name);
  b.region = wf_function_create(module, wf_unique_function_name(module, name), op->loc);
  const wf_tape *activity = region_activity(tape, op, tape->arena);
  wf_value **seeds = WF_NEW_ARRAY(b.arena, wf_value *, op->result_count);
  copy_forward(&b);
  add_result_inputs(&b, activity, seeds);
  b.inner = wf_tape_create(b.region, b.arena);
  activate_copies(&b, activity);
  add_seeds(&b, seeds);
  wf_op **forward = WF_NEW_ARRAY(b.arena, wf_op *, b.forward_count);
  memcpy(forward, b.region->ops.items, sizeof *forward * (size_t)b.forward_count);
  if (!wf_tape_reverse(b.inner, forward, b.forward_count)) return false;
  add_carry_results(&b, seeds);
  add_slice_results(&b);
  add_invariants(&b);
  save_inner_loops(&b, forward);
  prune(&b);
  for (int i = 0; i < b.lifts.count; i++) wf_expr_walk(b.lifts.items[i].body, stack_read, &b);
  build(&b);
  hand_out(&b);
  return true;
}
