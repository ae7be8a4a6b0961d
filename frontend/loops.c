// loop t: T carry h = h0 { ... }: the body becomes a region. What it reads of the outside becomes an invariant, or, read at
// the loop's own step as a whole index, a slice; what it yields is stacked.
#include "frontend/lower_internal.h"

static wf_level *open_level(wf_lower *lower, const wf_ast_stmt *stmt, const wf_dim *trip) {
  wf_level *level = WF_NEW(lower->arena, wf_level);
  const char *base = wf_arena_printf(lower->arena, "%s.body", wf_value_name(lower, stmt->names.items[0].text));
  const char *name = base;
  for (int i = 1; wf_function_find(lower->module, name); i++) name = wf_arena_printf(lower->arena, "%s.%d", base, i);
  level->parent = lower->level;
  level->depth = lower->level->depth + 1;
  level->trip = trip;
  level->function = wf_function_create(lower->module, name, stmt->loc);
  wf_map_init(&level->nexts, lower->arena);
  level->time = wf_function_input(level->function, stmt->names.items[0].text, WF_ROLE_NONE, WF_I64, 0, NULL, stmt->names.items[0].loc);
  return level;
}

// The carried values as they come in: inputs of the region in their order.
static bool bind_carries(wf_lower *lower, const wf_ast_stmt *stmt, wf_level *level, wf_value **initial, wf_scope *inside) {
  for (int i = 0; i < stmt->carries.count; i++) {
    const wf_ast_carry *carry = &stmt->carries.items[i];
    wf_val value = wf_eval(lower, carry->value);
    initial[i] = value.kind == WF_VAL_NONE ? NULL : wf_force(lower, &value, wf_value_name(lower, carry->name.text), carry->value->loc);
    if (!initial[i]) return false;
    for (int k = 0; k < i; k++)
      if (!strcmp(stmt->carries.items[k].name.text, carry->name.text)) return wf_lower_error(lower, carry->name.loc, "`%s` is carried twice", carry->name.text), false;
    wf_value *input = wf_function_input(level->function, carry->name.text, WF_ROLE_NONE, initial[i]->dtype, initial[i]->rank, initial[i]->shape, carry->name.loc);
    wf_val inner = wf_tensor_val(lower, input, carry->name.loc);
    inner.level = level->depth;
    wf_scope_set(lower, inside, carry->name.text, inner, carry->name.loc);
  }
  return true;
}

static bool same_type(wf_lower *lower, const wf_value *a, const wf_value *b) {
  bool same = a->dtype == b->dtype && a->rank == b->rank;
  for (int i = 0; same && i < a->rank; i++) same = wf_prove_equal(lower, a->shape[i], b->shape[i]) == WF_PROVED;
  return same;
}

static bool check_next(wf_lower *lower, const wf_ast_carry *carry, wf_value *initial, wf_value *next) {
  if (same_type(lower, initial, next)) return true;
  wf_diagnostic *error = wf_lower_error(lower, next->loc, "`%s` is carried as %s%s, and the next one is %s%s", carry->name.text, wf_dtype_name(initial->dtype),
                                        wf_shape_text(lower, initial->shape, initial->rank), wf_dtype_name(next->dtype), wf_shape_text(lower, next->shape, next->rank));
  wf_lower_where(lower, error, carry->name.loc, "it starts here");
  return false;
}

static bool region_results(wf_lower *lower, const wf_ast_stmt *stmt, wf_level *level, wf_value *const *initial) {
  for (int i = 0; i < stmt->carries.count; i++) {
    const wf_ast_carry *carry = &stmt->carries.items[i];
    wf_value *next = wf_map_get(&level->nexts, carry->name.text);
    if (!next) {
      wf_diagnostic *error = wf_lower_error(lower, carry->name.loc, "`%s` is carried, and the loop does not say what comes next", carry->name.text);
      wf_help(lower->diag, error, "next %s = ...", carry->name.text);
      return false;
    }
    if (!check_next(lower, carry, initial[i], next)) return false;
    wf_function_result(level->function, carry->name.text, next);
  }
  for (int i = 0; i < level->yields.count; i++) wf_function_result(level->function, level->yields.items[i].name, level->yields.items[i].value);
  return true;
}

// Inputs of the region in the order t, carries, slices, invariants; outer values in the same order.
static void order_imports(wf_lower *lower, const wf_ast_stmt *stmt, wf_level *level, wf_value **slices, int *slice_count, wf_value **invariants, int *invariant_count) {
  wf_function *region = level->function;
  int fixed = 1 + stmt->carries.count;
  *slice_count = *invariant_count = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < level->imports.count; i++) {
      const wf_import *import = &level->imports.items[i];
      if ((import->slice_axis < 0) != (pass == 1)) continue;
      region->inputs.items[fixed++] = import->inner;
      if (pass == 0) slices[(*slice_count)++] = wf_lower_permuted(lower, level->parent, import->outer, import->slice_axis);
      else invariants[(*invariant_count)++] = import->outer;
    }
}

static void bind_after(wf_lower *lower, const wf_ast_stmt *stmt, wf_level *level, wf_op *op) {
  for (int i = 0; i < stmt->carries.count; i++)
    wf_scope_set(lower, lower->frame->scope, stmt->carries.items[i].name.text, wf_tensor_val(lower, op->results[i], stmt->carries.items[i].name.loc), stmt->carries.items[i].name.loc);
  for (int i = 0; i < level->yields.count; i++) {
    wf_value *stacked = op->results[stmt->carries.count + i];
    wf_scope_set(lower, lower->frame->scope, level->yields.items[i].name, wf_tensor_val(lower, stacked, stacked->loc), stacked->loc);
  }
}

static void run_body(wf_lower *lower, const wf_ast_stmt *stmt, wf_level *level, wf_scope *inside) {
  wf_scope *outside = lower->frame->scope;
  lower->level = level;
  lower->frame->scope = inside;
  wf_val time = wf_tensor_val(lower, level->time, stmt->names.items[0].loc);
  wf_scope_set(lower, inside, stmt->names.items[0].text, time, stmt->names.items[0].loc);
  wf_run_block(lower, &stmt->body);
  lower->frame->scope = outside;
  lower->level = level->parent;
}

void wf_lower_loop(wf_lower *lower, const wf_ast_stmt *stmt) {
  int errors = lower->diag->errors;
  const wf_dim *trip = wf_eval_dim(lower, stmt->value);
  if (!trip) return;
  if (lower->frame->inlined) { wf_lower_error(lower, stmt->loc, "an op with a loop works on whole tensors, not on scalars"); return; }
  wf_level *level = open_level(lower, stmt, trip);
  wf_scope *inside = WF_NEW(lower->arena, wf_scope);
  wf_scope_init(lower, inside, lower->frame->scope, lower->frame);
  wf_value **initial = WF_NEW_ARRAY(lower->arena, wf_value *, stmt->carries.count);
  if (!bind_carries(lower, stmt, level, initial, inside)) return;
  run_body(lower, stmt, level, inside);
  if (lower->diag->errors > errors || lower->stopped || !region_results(lower, stmt, level, initial)) return;
  if (lower->frame->returned) { wf_lower_error(lower, stmt->loc, "`return` cannot stand in a loop"); return; }
  wf_value **slices = WF_NEW_ARRAY(lower->arena, wf_value *, level->imports.count), **invariants = WF_NEW_ARRAY(lower->arena, wf_value *, level->imports.count);
  int slice_count, invariant_count;
  order_imports(lower, stmt, level, slices, &slice_count, invariants, &invariant_count);
  if (!level->function->results.count) { wf_lower_error(lower, stmt->loc, "this loop carries and yields nothing"); return; }
  const char *prefix = wf_value_name(lower, level->function->results.count == 1 ? level->function->results.items[0].name : stmt->names.items[0].text);
  wf_op *op = wf_build_loop(lower->level->function, prefix, level->function, trip, stmt->reverse, initial, stmt->carries.count, slices, slice_count,
                            invariants, invariant_count, stmt->loc);
  bind_after(lower, stmt, level, op);
}

// ---- inside the body ----------------------------------------------------------------------------------------------------------------
static wf_value *value_of(wf_lower *lower, const wf_ast_stmt *stmt) {
  const char *word = stmt->kind == WF_ST_NEXT ? "next" : "yield";
  if (!lower->level->parent) {
    wf_lower_error(lower, stmt->loc, "`%s` stands only in a loop", word);
    return NULL;
  }
  lower->frame->assigned = wf_arena_printf(lower->arena, "%s.%s", stmt->names.items[0].text, word);
  lower->frame->assigned_value = stmt->value;
  wf_val value = wf_eval(lower, stmt->value);
  const char *name = wf_value_name(lower, lower->frame->assigned);
  lower->frame->assigned = NULL;
  return value.kind == WF_VAL_NONE ? NULL : wf_force(lower, &value, name, stmt->value->loc);
}

void wf_lower_next(wf_lower *lower, const wf_ast_stmt *stmt) {
  const char *name = stmt->names.items[0].text;
  wf_value *value = value_of(lower, stmt);
  if (!value) return;
  wf_value *carried = NULL;
  for (int i = 0; i < lower->level->function->inputs.count; i++)
    if (!strcmp(lower->level->function->inputs.items[i]->name, name)) carried = lower->level->function->inputs.items[i];
  if (!carried || carried == lower->level->time) {
    wf_diagnostic *error = wf_lower_error(lower, stmt->names.items[0].loc, "`%s` is not carried by this loop", name);
    wf_help(lower->diag, error, "loop t: T carry %s = ... { ... }", name);
    return;
  }
  if (wf_map_get(&lower->level->nexts, name)) { wf_lower_error(lower, stmt->loc, "the next `%s` is given twice", name); return; }
  wf_map_set(&lower->level->nexts, name, value);
}

void wf_lower_yield(wf_lower *lower, const wf_ast_stmt *stmt) {
  wf_value *value = value_of(lower, stmt);
  if (!value) return;
  for (int i = 0; i < lower->level->yields.count; i++)
    if (!strcmp(lower->level->yields.items[i].name, stmt->names.items[0].text)) {
      wf_lower_error(lower, stmt->loc, "`%s` is yielded twice", stmt->names.items[0].text);
      return;
    }
  if (value->rank >= WF_MAX_RANK) {
    wf_lower_error(lower, stmt->loc, "what is yielded has %d axes and is stacked to %d; a tensor has at most %d", value->rank, value->rank + 1, WF_MAX_RANK);
    return;
  }
  wf_vec_push(lower->arena, &lower->level->yields, ((wf_result){stmt->names.items[0].text, value}));
}
