// The verifier of kernel IR: scopes of axes and buffers, binds, types, and bounds of reads and stores.
#include "ir/verify_internal.h"

typedef struct nest {
  bool outermost;       // only TASK loops stand outside
  bool in_vector;
  bool guarded;         // an `if` stands outside: a refuted bound proves nothing
} nest;

static void check_block(wf_verifier *v, const wf_kernel *kernel, const wf_block *block, nest n);

static bool written(const wf_kernel *kernel, const wf_value *buffer) {
  for (int i = 0; i < kernel->params.count; i++)
    if (kernel->params.items[i] == buffer) return kernel->written.items[i];
  return true;
}

static void check_symbols(wf_verifier *v, const wf_kernel *kernel, const wf_dim *dim) {
  const wf_atom **atoms = NULL;
  int count = 0;
  wf_dim_collect(dim, v->arena, &atoms, &count);
  for (int i = 0; i < count; i++) {
    if (atoms[i]->kind != WF_ATOM_SYMBOL) continue;
    bool known = false;
    for (int k = 0; k < kernel->symbols.count && !known; k++) known = kernel->symbols.items[k] == atoms[i];
    if (!known) wf_broken(v, "the symbol '%s' is not in the kernel's list of symbols", atoms[i]->name);
  }
}

typedef struct symbol_context { wf_verifier *v; const wf_kernel *kernel; } symbol_context;

static void visit_symbols(void *context, const wf_expr *e) {
  symbol_context *c = context;
  if (e->op == WF_S_INDEX) check_symbols(c->v, c->kernel, e->dim);
}

static void check_expr(wf_verifier *v, const wf_kernel *kernel, const wf_expr *e, nest n) {
  symbol_context context = {v, kernel};
  wf_expr_walk(e, visit_symbols, &context);
  wf_verify_expr(v, e, !n.guarded);
}

static void check_for(wf_verifier *v, const wf_kernel *kernel, const wf_stmt *stmt, nest n) {
  const wf_atom *axis = stmt->axis;
  if (!axis || axis->kind != WF_ATOM_AXIS) { wf_broken(v, "a loop has an axis"); return; }
  v->what = wf_arena_printf(v->arena, "for %s %s", wf_bind_names[stmt->bind], axis->name);
  if (wf_stamp_get(&v->atoms, axis->id) == v->stamp) wf_broken(v, "the axis is bound by a loop outside already");
  wf_verify_dim(v, axis->extent, stmt->bind == WF_BIND_SERIAL);
  check_symbols(v, kernel, axis->extent);
  bool is_constant = wf_dim_is_const(axis->extent, &(int64_t){0});
  bool task = stmt->bind == WF_BIND_TASK || stmt->bind >= WF_BIND_GRID;
  if ((stmt->bind == WF_BIND_VECTOR || stmt->bind == WF_BIND_UNROLL) && !is_constant) wf_broken(v, "the extent of a vector or unrolled loop is an integer");
  if (stmt->bind == WF_BIND_THREAD && !is_constant) wf_broken(v, "the extent of the thread loop is an integer");
  if (stmt->bind == WF_BIND_TASK && !n.outermost) wf_broken(v, "task loops stand outermost in their section");
  if (stmt->bind == WF_BIND_VECTOR && n.in_vector) wf_broken(v, "a vector loop stands in another");
  n.outermost = n.outermost && task;
  n.in_vector |= stmt->bind == WF_BIND_VECTOR;
  wf_stamp_set(v, &v->atoms, axis->id, v->stamp);
  check_block(v, kernel, &stmt->body, n);
  wf_stamp_set(v, &v->atoms, axis->id, 0);
}

static void check_alloc(wf_verifier *v, const wf_kernel *kernel, const wf_stmt *stmt, nest n) {
  const wf_value *buffer = stmt->buffer;
  v->what = wf_arena_printf(v->arena, "alloc %%%s", buffer->name);
  if (buffer->space == WF_SPACE_GLOBAL) wf_broken(v, "global buffers are parameters");
  if (n.in_vector) wf_broken(v, "an alloc stands in a vector loop");
  for (int i = 0; i < buffer->rank; i++) {
    wf_verify_dim(v, buffer->shape[i], false);
    check_symbols(v, kernel, buffer->shape[i]);
    if (buffer->space == WF_SPACE_REGISTER && !wf_dim_is_const(buffer->shape[i], &(int64_t){0})) wf_broken(v, "extent %d of registers is no integer", i);
  }
  if (wf_stamp_get(&v->values, buffer->id)) wf_broken(v, "it is allocated twice");
  wf_stamp_set(v, &v->values, buffer->id, 1);
}

static void check_store(wf_verifier *v, const wf_kernel *kernel, const wf_stmt *stmt, nest n) {
  const wf_value *buffer = stmt->buffer;
  v->what = wf_arena_printf(v->arena, "store to %%%s", buffer->name);
  if (wf_stamp_get(&v->values, buffer->id) != 1) { wf_broken(v, "the buffer is not in scope"); return; }
  if (!written(kernel, buffer)) wf_broken(v, "the parameter is only read (`in`)");
  if (stmt->combiner == WF_R_ARGMAX || stmt->combiner == WF_R_ARGMIN) wf_broken(v, "a store combines by sum, prod, max or min");
  for (int i = 0; i < buffer->rank; i++) {
    check_expr(v, kernel, stmt->indices[i], n);
    if (stmt->indices[i]->dtype != WF_I64) wf_broken(v, "index %d is %s, not i64", i, wf_dtype_name(stmt->indices[i]->dtype));
    else if (!n.guarded) wf_verify_in_bounds(v, buffer, i, stmt->indices[i]);
  }
  check_expr(v, kernel, stmt->value, n);
  if (stmt->value->dtype != wf_dtype_compute(buffer->dtype)) wf_broken(v, "the value is %s, the buffer %s", wf_dtype_name(stmt->value->dtype), wf_dtype_name(buffer->dtype));
}

static void check_reduce(wf_verifier *v, const wf_kernel *kernel, const wf_stmt *stmt, nest n) {
  const wf_value *buffer = stmt->buffer;
  v->what = wf_arena_printf(v->arena, "reduce %%%s", buffer->name);
  if (wf_stamp_get(&v->values, buffer->id) != 1) { wf_broken(v, "the buffer is not in scope"); return; }
  for (int i = 0; i < buffer->rank; i++) {
    check_expr(v, kernel, stmt->indices[i], n);
    if (stmt->indices[i]->dtype == WF_I64 && !n.guarded) wf_verify_in_bounds(v, buffer, i, stmt->indices[i]);
  }
}

static void check_block(wf_verifier *v, const wf_kernel *kernel, const wf_block *block, nest n) {
  for (int i = 0; i < block->list.count; i++) {
    const wf_stmt *stmt = block->list.items[i];
    v->loc = stmt->loc;
    switch (stmt->kind) {
    case WF_STMT_FOR: check_for(v, kernel, stmt, n); break;
    case WF_STMT_ALLOC: check_alloc(v, kernel, stmt, n); break;
    case WF_STMT_STORE: check_store(v, kernel, stmt, n); break;
    case WF_STMT_REDUCE: check_reduce(v, kernel, stmt, n); break;
    case WF_STMT_BARRIER: break;
    case WF_STMT_IF: {
      v->what = "if";
      check_expr(v, kernel, stmt->condition, n);
      if (stmt->condition->dtype != WF_BOOL) wf_broken(v, "the condition is %s, not bool", wf_dtype_name(stmt->condition->dtype));
      nest inner = n;
      inner.outermost = false;
      inner.guarded = true;
      check_block(v, kernel, &stmt->body, inner);
      break;
    }
    }
  }
  for (int i = 0; i < block->list.count; i++)
    if (block->list.items[i]->kind == WF_STMT_ALLOC) wf_stamp_set(v, &v->values, block->list.items[i]->buffer->id, 2);
}

static void check_section(wf_verifier *v, const wf_kernel *kernel, const wf_block *section) {
  for (int i = 0; i < section->list.count; i++)
    if (section->list.items[i]->kind == WF_STMT_ALLOC && section->list.items[i]->buffer->space != WF_SPACE_SHARED) wf_broken(v, "a section starts with its task loops, not with an alloc");
  check_block(v, kernel, section, (nest){.outermost = true});
}

void wf_verify_kernel_with(wf_verifier *v, const wf_kernel *kernel) {
  v->where = wf_arena_printf(v->arena, "kernel @%s", kernel->name);
  v->what = NULL;
  v->loc = kernel->loc;
  v->stamp++;
  for (int i = 0; i < kernel->params.count; i++) {
    const wf_value *param = kernel->params.items[i];
    for (int k = 0; k < param->rank; k++) {
      wf_verify_dim(v, param->shape[k], false);
      if (k) check_symbols(v, kernel, param->shape[k]);   // inner extents make strides
    }
    wf_stamp_set(v, &v->values, param->id, 1);
  }
  for (int i = 0; i < kernel->sections.count; i++) check_section(v, kernel, kernel->sections.items[i]);
  wf_verify_threads(v, kernel);
}

bool wf_verify_kernel(const wf_kernel *kernel, wf_diag *diag) {
  wf_verifier v;
  wf_verifier_init(&v, kernel->module, diag);
  wf_verify_kernel_with(&v, kernel);
  return wf_verifier_end(&v);
}
