// precision: in which types a module computes.
//   to=f64            every f32 value, parameter and expression becomes f64. A literal becomes the shortest decimal that
//                     rounds to it in f32: what was written as 0.1 is 0.1 again, not 0.100000001490116.
//   compute=bf16|f16|tf32   the two sides of every sum of products are rounded to that type before they are multiplied;
//                     the sum runs in f32, parameters and all other values stay f32 (master weights).
#include <stdlib.h>
#include "passes/passes.h"

typedef struct retype {
  wf_module *module;
  wf_dtype from, to;
  const wf_expr **memo;          // by expression id
  int memo_count;
} retype;

static const wf_expr *widen_constant(retype *r, const wf_expr *expr) {
  char text[40];
  double number = expr->number;
  for (int digits = 6; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, expr->number);
    number = strtod(text, NULL);
    if ((float)number == (float)expr->number || expr->number != expr->number) break;
  }
  return wf_expr_const(r->module, r->to, number);
}

static const wf_expr *convert(retype *r, const wf_expr *expr);

static const wf_expr *convert_uncached(retype *r, const wf_expr *expr) {
  const wf_expr *args[16];
  if (expr->op == WF_S_CONST) return expr->dtype == r->from ? widen_constant(r, expr) : expr;
  if (expr->op == WF_S_INDEX || expr->arg_count > 16) return expr;
  for (int i = 0; i < expr->arg_count; i++) args[i] = convert(r, expr->args[i]);
  if (expr->op == WF_S_READ)
    return wf_expr_read(r->module, expr->operand, args, expr->has_default ? args[expr->arg_count - 1] : NULL);
  if (expr->op == WF_S_RANDOM) {   // the same bits whatever the precision
    const wf_expr *drawn = wf_expr_random(r->module, (uint64_t)expr->integer, args[0], args[1], args[2]);
    return drawn->dtype == r->from ? wf_expr_cast(r->module, r->to, drawn) : drawn;
  }
  if (expr->op == WF_S_CAST) {
    wf_dtype to = expr->dtype == r->from ? r->to : expr->dtype;
    return args[0]->dtype == to ? args[0] : wf_expr_cast(r->module, to, args[0]);
  }
  return wf_expr_make(r->module, expr->op, args, expr->arg_count);
}

static const wf_expr *convert(retype *r, const wf_expr *expr) {
  if (expr->id < r->memo_count && r->memo[expr->id]) return r->memo[expr->id];
  const wf_expr *made = convert_uncached(r, expr);
  if (expr->id < r->memo_count) r->memo[expr->id] = made;
  return made;
}

static void find_id(void *context, const wf_expr *node) {
  int *most = context;
  if (node->id >= *most) *most = node->id + 1;
}

static void each_op(wf_module *module, void (*visit)(void *context, wf_op *op), void *context) {
  for (int f = 0; f < module->functions.count; f++)
    for (int i = 0; i < module->functions.items[f]->ops.count; i++) visit(context, module->functions.items[f]->ops.items[i]);
}

static void measure_op(void *context, wf_op *op) {
  if (op->body) wf_expr_walk(op->body, find_id, context);
  for (int i = 0; i < op->target_count; i++) wf_expr_walk(op->target[i], find_id, context);
}

static void retype_value(retype *r, wf_value *value) {
  if (value->dtype == r->from) value->dtype = r->to;
}

// Before any expression is made again: reads take their type from the value.
static void retype_results(void *context, wf_op *op) {
  retype *r = context;
  for (int i = 0; i < op->result_count; i++) {
    wf_value *value = op->results[i];
    if (op->kind == WF_O_CONST && value->dtype == r->from) {
      int64_t count = 1, extent;
      for (int a = 0; a < value->rank; a++) count *= wf_dim_is_const(value->shape[a], &extent) ? extent : 1;
      void *data = wf_arena_alloc(r->module->arena, (size_t)(count * wf_dtype_bytes(r->to) + 1));
      for (int64_t k = 0; k < count; k++) wf_store_element(r->to, data, k, wf_load_element(r->from, op->data, k));
      op->data = data;
    }
    retype_value(r, value);
  }
  if (op->accumulator == r->from) op->accumulator = r->to;
}

static void retype_body(void *context, wf_op *op) {
  retype *r = context;
  if (op->body) op->body = convert(r, op->body);
  for (int i = 0; i < op->target_count; i++) op->target[i] = convert(r, op->target[i]);
}

static void retype_module(wf_module *module, wf_dtype from, wf_dtype to) {
  retype r = {module, from, to, NULL, 0};
  each_op(module, measure_op, &r.memo_count);
  r.memo = WF_NEW_ARRAY(module->arena, const wf_expr *, r.memo_count);
  for (int f = 0; f < module->functions.count; f++)
    for (int i = 0; i < module->functions.items[f]->inputs.count; i++) retype_value(&r, module->functions.items[f]->inputs.items[i]);
  each_op(module, retype_results, &r);
  each_op(module, retype_body, &r);
}

// ---- narrow products --------------------------------------------------------------------------------------------

typedef struct narrow { wf_module *module; wf_dtype type; } narrow;

static const wf_expr *rounded(narrow *n, const wf_expr *side) {
  return wf_expr_cast(n->module, WF_F32, wf_expr_cast(n->module, n->type, side));
}

// a * b ==> f32(bf16(a)) * f32(bf16(b)); select(c, a * b, 0) likewise inside.
static const wf_expr *narrow_product(narrow *n, const wf_expr *body) {
  if (body->op == WF_S_SELECT && body->args[2]->op == WF_S_CONST && wf_expr_is_const(body->args[2], 0)) {
    const wf_expr *inner = narrow_product(n, body->args[1]);
    return inner == body->args[1] ? body : wf_expr_select(n->module, body->args[0], inner, body->args[2]);
  }
  if (body->op != WF_S_MUL || !wf_expr_has_read(body->args[0]) || !wf_expr_has_read(body->args[1])) return body;
  return wf_expr_binary(n->module, WF_S_MUL, rounded(n, body->args[0]), rounded(n, body->args[1]));
}

static void narrow_op(void *context, wf_op *op) {
  narrow *n = context;
  if (op->kind != WF_O_COMPUTE || op->combiner != WF_R_SUM || op->body->dtype != WF_F32 || op->reduction_count == 0) return;
  op->body = narrow_product(n, op->body);
}

bool wf_pass_convert_precision(wf_module *module, const wf_pass_options *options) {
  wf_dtype type;
  const char *to = wf_pass_option_get(options, "to", "f32"), *compute = wf_pass_option_get(options, "compute", "f32");
  if (strcmp(to, "f64") == 0) retype_module(module, WF_F32, WF_F64);
  if (strcmp(compute, "f32") == 0) return true;
  if (strcmp(to, "f64") == 0) {
    wf_error(module->diag, WF_NOWHERE, "precision: to=f64 and compute=%s exclude one another", compute);
    return false;
  }
  narrow n = {module, wf_dtype_parse(compute, &type) ? type : WF_F32};
  each_op(module, narrow_op, &n);
  return true;
}
