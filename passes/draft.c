// A kernel under construction: parameters for the values of a function, redirection of reads, and the final LAUNCH.
#include "passes/draft.h"


wf_draft *wf_draft_begin(wf_function *function, const char *name, wf_loc loc, wf_tile_target target) {
  wf_module *module = function->module;
  wf_draft *draft = WF_NEW(module->arena, wf_draft);
  draft->module = module;
  draft->function = function;
  draft->target = target;
  draft->kernel = wf_kernel_create(module, name, loc);
  return draft;
}

static wf_slot *find_slot(const wf_draft *draft, const wf_value *value) {
  for (int i = 0; i < draft->slots.count; i++)
    if (draft->slots.items[i].value == value) return &draft->slots.items[i];
  return NULL;
}

static wf_slot *make_slot(wf_draft *draft, const wf_value *value) {
  wf_slot *slot = find_slot(draft, value);
  if (slot) return slot;
  wf_vec_push(draft->module->arena, &draft->slots, ((wf_slot){.value = value}));
  return &draft->slots.items[draft->slots.count - 1];
}

void wf_draft_bind(wf_draft *draft, const wf_value *value, wf_value *buffer, int dropped) {
  *make_slot(draft, value) = (wf_slot){.value = value, .buffer = buffer, .dropped = dropped};
}

void wf_draft_bind_team(wf_draft *draft, const wf_value *value, wf_value *buffer, int dropped, const wf_dim *team) {
  *make_slot(draft, value) = (wf_slot){.value = value, .buffer = buffer, .dropped = dropped, .team = team};
}

void wf_draft_replace(wf_draft *draft, const wf_value *value, const wf_expr *by) {
  *make_slot(draft, value) = (wf_slot){.value = value, .replacement = by};
}

wf_value *wf_draft_buffer(const wf_draft *draft, const wf_value *value) {
  const wf_slot *slot = find_slot(draft, value);
  return slot ? slot->buffer : NULL;
}

static void add_param(wf_draft *draft, wf_value *value, bool written) {
  wf_draft_bind(draft, value,
               wf_kernel_param(draft->kernel, value->name, value->dtype, value->rank, value->shape, value->layout, written), 0);
}

void wf_draft_read(wf_draft *draft, wf_value *value) {
  if (wf_draft_buffer(draft, value)) return;
  add_param(draft, value, false);
  wf_vec_push(draft->module->arena, &draft->reads, value);
}

void wf_draft_write(wf_draft *draft, wf_value *value) {
  add_param(draft, value, true);
  wf_vec_push(draft->module->arena, &draft->writes, value);
}

static const wf_expr *redirect(void *context, const wf_expr *node) {
  const wf_draft *draft = context;
  if (node->op != WF_S_READ) return NULL;
  const wf_slot *slot = find_slot(draft, node->operand);
  if (!slot) return NULL;
  if (slot->replacement) return slot->replacement;
  const wf_expr *outside = node->has_default ? node->args[node->arg_count - 1] : NULL;
  if (!slot->team) return wf_expr_read(draft->module, slot->buffer, node->args + slot->dropped, outside);
  const wf_expr *indices[WF_MAX_RANK + 1] = {wf_expr_index(draft->module, slot->team)};
  for (int i = 1; i < slot->buffer->rank; i++) indices[i] = node->args[slot->dropped + i - 1];
  return wf_expr_read(draft->module, slot->buffer, indices, outside);
}

const wf_expr *wf_draft_expr(wf_draft *draft, const wf_expr *expr, const wf_binding *bindings, int count) {
  return wf_expr_rewrite(draft->module, expr, bindings, count, redirect, draft);
}

const wf_expr *wf_draft_convert(wf_draft *draft, const wf_expr *expr, wf_dtype to) {
  return expr->dtype == to ? expr : wf_expr_cast(draft->module, to, expr);
}

const wf_expr *wf_draft_identity(wf_draft *draft, wf_combiner combiner, wf_dtype type) {
  double value = wf_combiner_identity(combiner, type);
  if (wf_dtype_is_float(type)) return wf_expr_const(draft->module, type, value);
  int64_t integer = (int64_t)value;
  if (type == WF_I64 && combiner == WF_R_MIN) integer = INT64_MAX;
  if (type == WF_I64 && combiner == WF_R_MAX) integer = INT64_MIN;
  return wf_expr_const_int(draft->module, type, integer);
}

wf_value *wf_draft_register(wf_draft *draft, wf_block *block, const char *name, wf_dtype type, int rank, const int64_t *shape) {
  const wf_dim *dims[WF_MAX_RANK];
  for (int i = 0; i < rank; i++) dims[i] = wf_dim_const(draft->module->dims, shape[i]);
  return wf_stmt_alloc(draft->kernel, block, name, WF_SPACE_REGISTER, type, rank, dims, NULL);
}

static void run_piece(wf_draft *draft, wf_block *block, const wf_dim *start, const wf_dim *count, int lanes, wf_draft_body body,
                      void *context) {
  wf_dims *dims = draft->module->dims;
  const wf_dim *index = start, *base;
  if (!wf_dim_equals_const(count, 1)) {
    const wf_dim *chunk = wf_dim_axis(dims, "c", count);
    block = wf_stmt_for(draft->kernel, block, WF_BIND_SERIAL, chunk);
    index = wf_dim_add(start, wf_dim_scale(chunk, lanes));
  }
  base = index;
  if (lanes > 1) {
    const wf_dim *lane = wf_dim_axis(dims, "l", wf_dim_const(dims, lanes));
    block = wf_stmt_for(draft->kernel, block, WF_BIND_VECTOR, lane);
    index = wf_dim_add(index, lane);
  }
  body(context, block, index, base, lanes);
}

void wf_draft_run(wf_draft *draft, wf_block *block, const wf_dim *extent, int lanes, wf_draft_body body, void *context) {
  wf_dims *dims = draft->module->dims;
  const wf_dim *start = wf_dim_const(dims, 0);
  int64_t known;
  bool constant = wf_dim_is_const(extent, &known), first = true;
  for (; lanes >= 1; lanes /= 2, first = false) {
    if (!constant && !first) lanes = 1;
    if (constant && lanes == 2) continue;
    const wf_dim *count = wf_dim_floordiv(extent, wf_dim_const(dims, lanes));
    if (!wf_dim_equals_const(count, 0)) run_piece(draft, block, start, count, lanes, body, context);
    start = wf_dim_add(start, wf_dim_scale(count, lanes));
    extent = wf_dim_sub(extent, wf_dim_scale(count, lanes));
    if (wf_dim_equals_const(extent, 0)) return;
  }
}

static int64_t estimate_atom(void *context, const wf_atom *atom) {
  if (atom->kind == WF_ATOM_AXIS) return 0;
  int64_t guess = 64;
  if (guess < atom->low) guess = atom->low;
  if (guess > atom->high) guess = atom->high;
  return guess;
}

double wf_draft_estimate(const wf_dim *dim) {
  return (double)wf_dim_eval(dim, estimate_atom, NULL);
}

// ---- the end of a kernel: symbols, work, the launch -------------------------------------------------------------

static void add_symbols_of_dim(wf_kernel *kernel, const wf_dim *dim) {
  if (!dim) return;
  const wf_atom **atoms = NULL;
  int count = 0;
  wf_dim_collect(dim, kernel->module->arena, &atoms, &count);
  for (int i = 0; i < count; i++) {
    if (atoms[i]->kind != WF_ATOM_SYMBOL) continue;
    bool known = false;
    for (int j = 0; j < kernel->symbols.count && !known; j++) known = kernel->symbols.items[j] == atoms[i];
    if (!known) wf_vec_push(kernel->module->arena, &kernel->symbols, atoms[i]);
  }
}

static void add_symbols_of_node(void *context, const wf_expr *node) {
  if (node->op == WF_S_INDEX) add_symbols_of_dim(context, node->dim);
}

static void add_symbols_of_value(wf_kernel *kernel, const wf_value *value) {
  for (int i = 0; i < value->rank; i++) add_symbols_of_dim(kernel, value->shape[i]);
}

static void add_symbols_of_block(wf_kernel *kernel, const wf_block *block) {
  for (int i = 0; i < block->list.count; i++) {
    const wf_stmt *stmt = block->list.items[i];
    switch (stmt->kind) {
    case WF_STMT_FOR: add_symbols_of_dim(kernel, stmt->axis->extent); break;
    case WF_STMT_IF: wf_expr_walk(stmt->condition, add_symbols_of_node, kernel); break;
    case WF_STMT_ALLOC: add_symbols_of_value(kernel, stmt->buffer); break;
    case WF_STMT_STORE:
      for (int j = 0; j < stmt->buffer->rank; j++) wf_expr_walk(stmt->indices[j], add_symbols_of_node, kernel);
      wf_expr_walk(stmt->value, add_symbols_of_node, kernel);
      break;
    case WF_STMT_BARRIER: case WF_STMT_REDUCE: break;
    }
    add_symbols_of_block(kernel, &stmt->body);
  }
}

// A section that is one task says so.
static void ensure_task(wf_kernel *kernel, wf_block *section) {
  const wf_stmt *first = section->list.items[0];
  if (section->list.count == 1 && first->kind == WF_STMT_FOR && (first->bind == WF_BIND_TASK || first->bind == WF_BIND_GRID)) return;
  wf_block inner = *section;
  *section = (wf_block){0};
  wf_dims *dims = kernel->module->dims;
  *wf_stmt_for(kernel, section, WF_BIND_TASK, wf_dim_axis(dims, "once", wf_dim_const(dims, 1))) = inner;
}

static const wf_dim *value_bytes(wf_module *module, const wf_value *value) {
  return wf_dim_scale(wf_value_elements(module, value), wf_dtype_bytes(value->dtype));
}

wf_op *wf_draft_finish(wf_draft *draft, wf_op *const *members, int member_count) {
  wf_module *module = draft->module;
  wf_kernel *kernel = draft->kernel;
  kernel->flops = kernel->bytes = wf_dim_const(module->dims, 0);
  for (int i = 0; i < member_count; i++) kernel->flops = wf_dim_add(kernel->flops, wf_op_flops(module, members[i]));
  wf_op *launch = wf_op_create(draft->function, WF_O_LAUNCH, kernel->loc);
  launch->kernel = kernel;
  launch->operands = draft->reads.items;
  launch->operand_count = draft->reads.count;
  launch->results = draft->writes.items;
  launch->result_count = draft->writes.count;
  for (int i = 0; i < draft->reads.count; i++) kernel->bytes = wf_dim_add(kernel->bytes, value_bytes(module, draft->reads.items[i]));
  for (int i = 0; i < draft->writes.count; i++) {
    kernel->bytes = wf_dim_add(kernel->bytes, value_bytes(module, draft->writes.items[i]));
    draft->writes.items[i]->def = launch;
    draft->writes.items[i]->result_index = i;
  }
  for (int i = 0; i < kernel->params.count; i++) add_symbols_of_value(kernel, kernel->params.items[i]);
  if (!draft->target.gpu)
    for (int i = 0; i < kernel->sections.count; i++) ensure_task(kernel, kernel->sections.items[i]);
  for (int i = 0; i < kernel->sections.count; i++) add_symbols_of_block(kernel, kernel->sections.items[i]);
  add_symbols_of_dim(kernel, kernel->flops);
  add_symbols_of_dim(kernel, kernel->bytes);
  return launch;
}
