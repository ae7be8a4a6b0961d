// Actions of the reader for kernel IR.
#include "ir/parse_internal.h"

void wir_begin_kernel(wir_context *c, const char *name, wf_loc loc) {
  const wf_kernel *before = wf_map_get(&c->kernels, name);
  if (before) {
    wf_diagnostic *error = wf_error(c->diag, loc, "a kernel '@%s' stands already", name);
    wf_note(c->diag, error, before->loc, "the first is here");
  }
  c->kernel = wf_kernel_create(c->module, name, loc);
  wf_map_set(&c->kernels, c->kernel->name, c->kernel);
}

static void check_new(wir_context *c, const wir_typed *typed) {
  if (wf_map_index(&c->kernel->names, typed->name) >= 0) wf_error(c->diag, typed->loc, "a buffer '%%%s' stands already in this kernel", typed->name);
}

void wir_kernel_param(wir_context *c, wir_typed *typed, bool written) {
  check_new(c, typed);
  wf_value *value = wf_kernel_param(c->kernel, typed->name, typed->dtype, typed->rank, typed->shape, typed->layout, written);
  value->loc = typed->loc;
  wir_push(c, &c->buffers, value);
}

void wir_kernel_symbols(wir_context *c, wir_list *names) {
  for (int i = 0; i < names->count; i++) {
    const wir_ref *name = names->items[i];
    const wf_dim *symbol = wf_dim_symbol(c->module->dims, name->name);
    wf_map_set(&c->symbols, name->name, (void *)symbol);
    wf_vec_push(c->arena, &c->kernel->symbols, wf_dim_as_atom(symbol));
  }
}

void wir_kernel_cost(wir_context *c, wir_node *flops, wir_node *bytes) {
  if (flops) c->kernel->flops = wir_resolve_extent(c, flops);
  if (bytes) c->kernel->bytes = wir_resolve_extent(c, bytes);
}

static void build_block(wir_context *c, wf_block *block, const wir_list *statements);

static void build_for(wir_context *c, wf_block *block, const wir_stmt *text) {
  int bind = 0;
  while (wf_bind_names[bind] && strcmp(wf_bind_names[bind], text->bind)) bind++;
  if (!wf_bind_names[bind]) {
    wf_diagnostic *error = wf_error(c->diag, text->loc, "a loop cannot be bound to '%s'", text->bind);
    const char *near = wf_did_you_mean(text->bind, wf_bind_names, bind);
    if (near) wf_help(c->diag, error, "did you mean '%s'?", near);
    bind = WF_BIND_SERIAL;
  }
  const wf_atom *axis = wir_enter_axis(c, text->axis);
  wf_block *body = wf_stmt_for(c->kernel, block, (wf_bind)bind, axis->as_dim);
  block->list.items[block->list.count - 1]->loc = text->loc;
  build_block(c, body, text->body);
}

static void build_if(wir_context *c, wf_block *block, const wir_stmt *text) {
  int scope = c->scope.count;
  wir_enter_lets(c, text->lets);
  const wf_expr *condition = wir_resolve(c, text->condition, WF_BOOL);
  c->scope.count = scope;
  wf_block *body = wf_stmt_if(c->kernel, block, condition);
  block->list.items[block->list.count - 1]->loc = text->loc;
  build_block(c, body, text->body);
}

static void build_alloc(wir_context *c, wf_block *block, const wir_stmt *text) {
  static const char *const names[] = {"global", "local", "register", "shared"};
  int space = 0;
  while (space < 4 && strcmp(names[space], text->space)) space++;
  if (space == 4) wf_error(c->diag, text->loc, "'%s' is no space; spaces are local register shared", text->space);
  const wir_typed *typed = text->typed;
  check_new(c, typed);
  wf_value *value = wf_stmt_alloc(c->kernel, block, typed->name, space == 4 ? WF_SPACE_LOCAL : (wf_space)space, typed->dtype, typed->rank,
                                  typed->shape, typed->layout);
  value->loc = typed->loc;
  block->list.items[block->list.count - 1]->loc = text->loc;
  wir_push(c, &c->buffers, value);
}

// The buffer and the combiner of a store or a reduce; NULL with an error.
static wf_value *target_of(wir_context *c, const wir_stmt *text, wf_combiner *out_combiner) {
  wf_value *buffer = wir_find_value(c, text->buffer.name, text->buffer.loc);
  if (!buffer || !wir_combiner(c, text->combiner, text->loc, out_combiner)) return NULL;
  if (text->indices->count == buffer->rank) return buffer;
  wf_error(c->diag, text->loc, "'%%%s' has rank %d, not %d", buffer->name, buffer->rank, text->indices->count);
  return NULL;
}

static void build_reduce(wir_context *c, wf_block *block, const wir_stmt *text) {
  wf_combiner combiner;
  wf_value *buffer = target_of(c, text, &combiner);
  if (!buffer) return;
  int scope = c->scope.count;
  const wf_expr *indices[WF_MAX_RANK];
  wir_enter_lets(c, text->lets);
  for (int i = 0; i < buffer->rank; i++) indices[i] = wir_resolve(c, text->indices->items[i], WF_I64);
  c->scope.count = scope;
  wf_stmt_reduce_at(c->kernel, block, buffer, indices, combiner, text->lanes);
  block->list.items[block->list.count - 1]->loc = text->loc;
}

static void build_barrier(wir_context *c, wf_block *block, const wir_stmt *text) {
  wf_stmt_barrier(c->kernel, block);
  block->list.items[block->list.count - 1]->loc = text->loc;
}

static void build_store(wir_context *c, wf_block *block, const wir_stmt *text) {
  wf_combiner combiner;
  wf_value *buffer = target_of(c, text, &combiner);
  if (!buffer) return;
  int scope = c->scope.count;
  const wf_expr *indices[WF_MAX_RANK];
  wir_enter_lets(c, text->lets);
  for (int i = 0; i < buffer->rank; i++) indices[i] = wir_resolve(c, text->indices->items[i], WF_I64);
  const wf_expr *value = wir_resolve(c, text->value, wf_dtype_compute(buffer->dtype));
  c->scope.count = scope;
  wf_stmt_store(c->kernel, block, buffer, indices, combiner, value);
  block->list.items[block->list.count - 1]->loc = text->loc;
}

static void build_block(wir_context *c, wf_block *block, const wir_list *statements) {
  int scope = c->scope.count, buffers = c->buffers.count;
  for (int i = 0; i < statements->count; i++) {
    const wir_stmt *text = statements->items[i];
    switch (text->kind) {
    case WF_STMT_FOR: build_for(c, block, text); break;
    case WF_STMT_IF: build_if(c, block, text); break;
    case WF_STMT_ALLOC: build_alloc(c, block, text); break;
    case WF_STMT_STORE: build_store(c, block, text); break;
    case WF_STMT_BARRIER: build_barrier(c, block, text); break;
    case WF_STMT_REDUCE: build_reduce(c, block, text); break;
    }
    c->scope.count = scope;   // an axis ends with its loop
  }
  c->buffers.count = buffers;
}

void wir_kernel_section(wir_context *c, wir_list *statements) { build_block(c, wf_kernel_section(c->kernel), statements); }

void wir_end_kernel(wir_context *c) {
  c->buffers.count = 0;
  c->scope.count = 0;
  c->kernel = NULL;
}
