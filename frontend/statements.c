// Carrying out the statements of a body. `for` and `if` are unrolled; names assigned in their bodies stay.
#include "frontend/lower_internal.h"

// ---- net calls of a statement: with exactly one, the assigned name is the instance's ---------------------------------------
static int count_net_calls(wf_lower *lower, const wf_ast_expr *expr) {
  if (!expr) return 0;
  int count = 0;
  if (expr->kind == WF_E_CALL || expr->kind == WF_E_NAME) {
    wf_ast_decl *decl = wf_find_decl(lower, expr->text);
    count = decl && decl->kind == WF_D_NET;
  }
  for (int i = 0; i < expr->args.count; i++) count += count_net_calls(lower, expr->args.items[i].value);
  return count + count_net_calls(lower, expr->a) + count_net_calls(lower, expr->b) + count_net_calls(lower, expr->c);
}

// ---- assignment ---------------------------------------------------------------------------------------------------------------
static bool is_untyped(const wf_val *value) {
  return wf_is_number(value) || value->kind == WF_VAL_DIM || (value->kind == WF_VAL_SCALAR && value->soft);
}

static void assign(wf_lower *lower, const wf_ast_name *name, wf_val value) {
  wf_entry *entry = wf_map_get(&lower->frame->scope->entries, name->text);
  if (entry && entry->declared && is_untyped(&value) && entry->shape.count == 0 && !lower->frame->inlined)
    value = wf_coerce(lower, &value, entry->dtype, name->loc);
  wf_loc loc = value.loc.source ? value.loc : name->loc;
  if (value.kind == WF_VAL_LAZY && !lower->frame->inlined) value = wf_force_val(lower, &value, wf_value_name(lower, name->text), loc);
  wf_scope_set(lower, lower->frame->scope, name->text, value, name->loc);
}

static void run_assign(wf_lower *lower, const wf_ast_stmt *stmt) {
  wf_frame *frame = lower->frame;
  int count = stmt->names.count;
  frame->assigned = count == 1 ? stmt->names.items[0].text : NULL;
  frame->assigned_value = stmt->value;
  frame->instance = count_net_calls(lower, stmt->value) == 1 ? stmt->names.items[0].text : NULL;
  wf_val value = wf_eval(lower, stmt->value);
  frame->assigned = frame->instance = NULL;
  if (count == 1 && value.kind == WF_VAL_LIST && value.text == wf_apply_several) {
    wf_lower_error(lower, stmt->loc, "this gives %d values: write `a, b = ...`", value.count);
    value = wf_none();
  }
  if (count == 1) { assign(lower, &stmt->names.items[0], value); return; }
  bool fits = value.kind == WF_VAL_LIST && value.count == count;
  if (!fits && value.kind != WF_VAL_NONE) {
    if (value.kind == WF_VAL_LIST) wf_lower_error(lower, stmt->loc, "%d names take %d values", count, value.count);
    else wf_lower_error(lower, stmt->loc, "%d names take one value, %s", count, wf_val_text(lower, &value));
  }
  for (int i = 0; i < count; i++) assign(lower, &stmt->names.items[i], fits ? value.items[i] : wf_none());
}

static void run_let(wf_lower *lower, const wf_ast_stmt *stmt) {
  wf_val value = wf_eval_constant(lower, stmt->value, "a `let`");
  wf_scope_set(lower, lower->frame->scope, stmt->names.items[0].text, value, stmt->names.items[0].loc);
}

static void run_declare(wf_lower *lower, const wf_ast_stmt *stmt) {
  wf_dtype type;
  wf_dim_list shape;
  if (!wf_type_shape(lower, stmt->type, &type, &shape, false)) return;
  wf_entry *entry = wf_scope_set(lower, lower->frame->scope, stmt->names.items[0].text, wf_none(), stmt->loc);
  entry->declared = true;
  entry->dtype = type;
  entry->shape = shape;
}

static void run_return(wf_lower *lower, const wf_ast_stmt *stmt) {
  wf_frame *frame = lower->frame;
  for (int i = 0; i < stmt->values.count; i++) {
    wf_val value = wf_eval(lower, stmt->values.items[i]);
    if (value.kind != WF_VAL_NONE) value.loc = stmt->values.items[i]->loc;
    if (value.kind == WF_VAL_LIST && value.text == wf_apply_several && stmt->values.count == 1) {
      for (int k = 0; k < value.count; k++) wf_vec_push(lower->arena, &frame->results, value.items[k]);
      continue;
    }
    wf_vec_push(lower->arena, &frame->results, value);
  }
  frame->returned = true;
}

// ---- control ------------------------------------------------------------------------------------------------------------------
static void run_for_item(wf_lower *lower, const wf_ast_stmt *stmt, wf_val item) {
  wf_scope_set(lower, lower->frame->scope, stmt->names.items[0].text, item, stmt->names.items[0].loc);
  wf_run_block(lower, &stmt->body);
}

static void run_for(wf_lower *lower, const wf_ast_stmt *stmt) {
  int errors = lower->diag->errors;
  if (stmt->value->kind != WF_E_RANGE) {
    wf_val list = wf_eval(lower, stmt->value);
    if (list.kind != WF_VAL_LIST) {
      if (list.kind != WF_VAL_NONE) wf_lower_error(lower, stmt->value->loc, "`for` runs over a range a..b or a list, and this is %s", wf_val_text(lower, &list));
      return;
    }
    for (int i = 0; i < list.count && lower->diag->errors == errors && !lower->stopped; i++) run_for_item(lower, stmt, list.items[i]);
    return;
  }
  wf_val from = wf_eval_constant(lower, stmt->value->a, "the start of a range"), to = wf_eval_constant(lower, stmt->value->b, "the end of a range");
  if (from.kind == WF_VAL_NONE || to.kind == WF_VAL_NONE) return;
  if (from.kind != WF_VAL_INT || to.kind != WF_VAL_INT) {
    wf_diagnostic *error = wf_lower_error(lower, stmt->value->loc, "the ends of this range must be ints known when compiling");
    wf_help(lower->diag, error, "`loop t: T { ... }` repeats at run time");
    return;
  }
  int64_t rounds = to.integer > from.integer ? to.integer - from.integer : 0;
  if (rounds > lower->model->limits.statements - lower->statements) {
    wf_diagnostic *error = wf_lower_error(lower, stmt->loc, "unrolling this %lld times passes the limit of %lld statements", (long long)rounds, (long long)lower->model->limits.statements);
    wf_help(lower->diag, error, "`loop t: T { ... }` repeats at run time; --limit statements=N allows more");
    lower->stopped = true;
    return;
  }
  // Errors of the first round would come again in every other.
  for (int64_t i = from.integer; i < to.integer && lower->diag->errors == errors && !lower->stopped; i++) {
    if (!wf_lower_step(lower, stmt->loc)) return;
    run_for_item(lower, stmt, wf_int_val(i, stmt->names.items[0].loc));
    if (lower->frame->returned) return;
  }
}

static void run_if(wf_lower *lower, const wf_ast_stmt *stmt) {
  bool condition;
  if (!wf_eval_bool(lower, stmt->value, &condition, "the condition of `if`")) return;
  wf_run_block(lower, condition ? &stmt->body : &stmt->otherwise);
}

static void run_stage(wf_lower *lower, const wf_ast_stmt *stmt) {
  wf_val stage = wf_eval_constant(lower, stmt->value, "a stage");
  if (stage.kind != WF_VAL_NONE && (stage.kind != WF_VAL_INT || stage.integer < 0)) wf_lower_error(lower, stmt->value->loc, "a stage is a number from 0");
  wf_run_block(lower, &stmt->body);
}

static void run_statement(wf_lower *lower, const wf_ast_stmt *stmt) {
  switch (stmt->kind) {
    case WF_ST_ASSIGN: run_assign(lower, stmt); return;
    case WF_ST_LET: run_let(lower, stmt); return;
    case WF_ST_DEFINE: wf_lower_define_tensor(lower, stmt); return;
    case WF_ST_SCATTER: wf_lower_scatter(lower, stmt); return;
    case WF_ST_DECLARE: run_declare(lower, stmt); return;
    case WF_ST_RETURN: run_return(lower, stmt); return;
    case WF_ST_CALL: wf_eval(lower, stmt->value); return;
    case WF_ST_FOR: run_for(lower, stmt); return;
    case WF_ST_IF: run_if(lower, stmt); return;
    case WF_ST_LOOP: wf_lower_loop(lower, stmt); return;
    case WF_ST_NEXT: wf_lower_next(lower, stmt); return;
    case WF_ST_YIELD: wf_lower_yield(lower, stmt); return;
    case WF_ST_PARAM: case WF_ST_STATE: wf_lower_param(lower, stmt); return;
    case WF_ST_UPDATE: wf_lower_update(lower, stmt); return;
    case WF_ST_SHARD: wf_check_shard(lower, stmt); return;
    case WF_ST_STAGE: run_stage(lower, stmt); return;
    case WF_ST_LABELS: wf_lower_labels_stmt(lower, stmt); return;
    case WF_ST_TOP: wf_lower_top_stmt(lower, stmt); return;
  }
}

void wf_run_block(wf_lower *lower, const wf_ast_block *block) {
  if (!wf_lower_deeper(lower, block->count ? block->items[0]->loc : WF_NOWHERE)) return;
  for (int i = 0; i < block->count && !lower->stopped && !lower->frame->returned; i++) {
    if (!wf_lower_step(lower, block->items[i]->loc)) break;
    run_statement(lower, block->items[i]);
  }
  lower->depth--;
}
