// The verifier's rules for scalar expressions and dims.
#include "ir/verify_internal.h"

void wf_verifier_init(wf_verifier *v, const wf_module *module, wf_diag *diag) {
  *v = (wf_verifier){.module = module, .diag = diag, .arena = wf_arena_create(), .where = "the module"};
  for (int i = 0; i < module->facts.count; i++) {
    const wf_atom **atoms = NULL;
    int count = 0;
    wf_dim_collect(module->facts.items[i].dim, v->arena, &atoms, &count);
    for (int k = 0; k < count; k++) wf_stamp_set(v, &v->fact_symbols, atoms[k]->id, 1);
  }
}

bool wf_verifier_end(wf_verifier *v) {
  wf_arena_destroy(v->arena);
  return !v->errors;
}

bool wf_broken(wf_verifier *v, const char *format, ...) {
  char message[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  const char *what = v->what ? wf_arena_printf(v->arena, ": %s", v->what) : "";
  wf_error(v->diag, v->loc, "verify: %s%s: %s", v->where, what, message);
  v->errors++;
  return false;
}

void wf_stamp_set(wf_verifier *v, wf_stamps *stamps, int id, int value) {
  while (stamps->count <= id) wf_vec_push(v->arena, stamps, 0);
  stamps->items[id] = value;
}

int wf_stamp_get(const wf_stamps *stamps, int id) { return id < stamps->count ? stamps->items[id] : 0; }

bool wf_same_shape(const wf_value *a, const wf_value *b) {
  if (a->rank != b->rank) return false;
  for (int i = 0; i < a->rank; i++)
    if (a->shape[i] != b->shape[i]) return false;
  return true;
}

void wf_verify_dim(wf_verifier *v, const wf_dim *dim, bool axes_allowed) {
  if (!wf_dim_has_axis(dim)) return;
  const wf_atom **atoms = NULL;
  int count = 0;
  wf_dim_collect(dim, v->arena, &atoms, &count);
  for (int i = 0; i < count; i++) {
    if (atoms[i]->kind != WF_ATOM_AXIS) continue;
    if (!axes_allowed) wf_broken(v, "an extent mentions the axis '%s'", atoms[i]->name);
    else if (wf_stamp_get(&v->atoms, atoms[i]->id) != v->stamp) wf_broken(v, "the axis '%s' is not in scope", atoms[i]->name);
  }
}

// A fact may hold that the bounds prover does not know; then a witness proves nothing.
static bool has_fact(wf_verifier *v, const wf_dim *dim) {
  const wf_atom **atoms = NULL;
  int count = 0;
  wf_dim_collect(dim, v->arena, &atoms, &count);
  for (int i = 0; i < count; i++)
    if (wf_stamp_get(&v->fact_symbols, atoms[i]->id)) return true;
  return false;
}

static void check_nonnegative(wf_verifier *v, const wf_value *value, int axis, const wf_dim *dim, const char *side) {
  const char *witness = "";
  if (wf_dim_prove_nonnegative(dim, v->arena, &witness) != WF_REFUTED || has_fact(v, dim)) return;
  wf_broken(v, "index %d of %%%s is %s (%s)", axis, value->name, side, witness ? witness : "");
}

void wf_verify_in_bounds(wf_verifier *v, const wf_value *value, int axis, const wf_expr *index) {
  if (index->op != WF_S_INDEX) return;
  check_nonnegative(v, value, axis, index->dim, "negative");
  check_nonnegative(v, value, axis, wf_dim_offset(wf_dim_sub(value->shape[axis], index->dim), -1), "beyond the extent");
}

static void check_read(wf_verifier *v, const wf_expr *e, bool check_bounds) {
  const wf_value *value = e->operand;
  if (wf_stamp_get(&v->values, value->id) != 1) { wf_broken(v, "reads %%%s, which is not defined before", value->name); return; }
  if (e->arg_count != value->rank + e->has_default) { wf_broken(v, "reads %%%s with %d indices, but its rank is %d", value->name, e->arg_count - e->has_default, value->rank); return; }
  if (e->dtype != wf_dtype_compute(value->dtype)) wf_broken(v, "a read of %%%s is %s, not %s", value->name, wf_dtype_name(e->dtype), wf_dtype_name(wf_dtype_compute(value->dtype)));
  for (int i = 0; i < value->rank; i++) {
    if (e->args[i]->dtype != WF_I64) wf_broken(v, "index %d of %%%s is %s, not i64", i, value->name, wf_dtype_name(e->args[i]->dtype));
    else if (!e->has_default && check_bounds) wf_verify_in_bounds(v, value, i, e->args[i]);
  }
  if (e->has_default && e->args[value->rank]->dtype != e->dtype)
    wf_broken(v, "the value outside %%%s is %s, not %s", value->name, wf_dtype_name(e->args[value->rank]->dtype), wf_dtype_name(e->dtype));
}

static void check_operation(wf_verifier *v, const wf_expr *e) {
  const wf_scalar_info *info = &wf_scalar_table[e->op];
  if (e->arg_count != info->arity) { wf_broken(v, "%s has %d operands, not %d", info->name, e->arg_count, info->arity); return; }
  if (e->op == WF_S_CAST) return;
  int first = e->op == WF_S_SELECT;
  wf_dtype type = e->args[first]->dtype;
  if (first && e->args[0]->dtype != WF_BOOL) wf_broken(v, "the condition of select is %s, not bool", wf_dtype_name(e->args[0]->dtype));
  for (int i = first + 1; i < e->arg_count; i++)
    if (e->args[i]->dtype != type) wf_broken(v, "the operands of %s have types %s and %s", info->name, wf_dtype_name(type), wf_dtype_name(e->args[i]->dtype));
  if (wf_scalar_has_trait(e->op, 'F') && !wf_dtype_is_float(type)) wf_broken(v, "%s takes float operands, not %s", info->name, wf_dtype_name(type));
  if (wf_scalar_has_trait(e->op, 'I') && wf_dtype_is_float(type)) wf_broken(v, "%s takes integer or bool operands, not %s", info->name, wf_dtype_name(type));
  wf_dtype wanted = wf_scalar_has_trait(e->op, 'P') ? WF_BOOL : type;
  if (e->dtype != wanted) wf_broken(v, "%s is %s, not %s", info->name, wf_dtype_name(e->dtype), wf_dtype_name(wanted));
}

typedef struct visit_context { wf_verifier *v; bool check_bounds; } visit_context;

static void visit(void *context, const wf_expr *e) {
  visit_context *c = context;
  switch (e->op) {
  case WF_S_CONST: break;
  case WF_S_INDEX: wf_verify_dim(c->v, e->dim, true); break;
  case WF_S_READ: check_read(c->v, e, c->check_bounds); break;
  case WF_S_RANDOM:
    for (int i = 0; i < e->arg_count; i++)
      if (e->args[i]->dtype != WF_I64) wf_broken(c->v, "operand %d of random is %s, not i64", i, wf_dtype_name(e->args[i]->dtype));
    break;
  default: check_operation(c->v, e);
  }
}

void wf_verify_expr(wf_verifier *v, const wf_expr *root, bool check_bounds) {
  visit_context context = {v, check_bounds};
  wf_expr_walk(root, visit, &context);
}
