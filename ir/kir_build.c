// Builders of kernel IR.
#include "ir/expr_internal.h"
#include "ir/kir.h"

const char *const wf_bind_names[] = {
    [WF_BIND_SERIAL] = "serial", [WF_BIND_TASK] = "task",       [WF_BIND_VECTOR] = "vector",       [WF_BIND_UNROLL] = "unroll",
    [WF_BIND_GRID] = "grid",     [WF_BIND_CLUSTER] = "cluster", [WF_BIND_WARPGROUP] = "warpgroup", [WF_BIND_WARP] = "warp",
    [WF_BIND_LANE] = "lane",     [WF_BIND_THREAD] = "thread",   NULL,
};

wf_kernel *wf_kernel_create(wf_module *module, const char *name, wf_loc loc) {
  wf_kernel *kernel = WF_NEW(module->arena, wf_kernel);
  kernel->module = module;
  kernel->name = wf_fresh_name(module, &module->kernel_names, NULL, name);
  kernel->loc = loc;
  wf_map_init(&kernel->names, module->arena);
  wf_map_init(&kernel->suffixes, module->arena);
  wf_map_set(&module->kernel_names, kernel->name, kernel);
  wf_vec_push(module->arena, &module->kernels, kernel);
  return kernel;
}

static wf_value *buffer(wf_kernel *kernel, const char *name, wf_space space, wf_dtype type, int rank, const wf_dim *const *shape,
                        const wf_layout *layout) {
  const char *unique = wf_fresh_name(kernel->module, &kernel->names, &kernel->suffixes, name);
  wf_value *value = wf_value_new(kernel->module, unique, type, rank, shape, kernel->loc);
  value->space = space;
  value->layout = layout;
  wf_map_set(&kernel->names, unique, value);
  return value;
}

wf_value *wf_kernel_param(wf_kernel *kernel, const char *name, wf_dtype type, int rank, const wf_dim *const *shape,
                          const wf_layout *layout, bool written) {
  wf_value *value = buffer(kernel, name, WF_SPACE_GLOBAL, type, rank, shape, layout);
  wf_vec_push(kernel->module->arena, &kernel->params, value);
  wf_vec_push(kernel->module->arena, &kernel->written, written);
  return value;
}

wf_block *wf_kernel_section(wf_kernel *kernel) {
  wf_block *block = WF_NEW(kernel->module->arena, wf_block);
  wf_vec_push(kernel->module->arena, &kernel->sections, block);
  return block;
}

static wf_stmt *append(wf_kernel *kernel, wf_block *block, wf_stmt_kind kind) {
  wf_stmt *stmt = WF_NEW(kernel->module->arena, wf_stmt);
  stmt->kind = kind;
  stmt->loc = kernel->loc;
  wf_vec_push(kernel->module->arena, &block->list, stmt);
  return stmt;
}

wf_block *wf_stmt_for(wf_kernel *kernel, wf_block *block, wf_bind bind, const wf_dim *axis) {
  wf_stmt *stmt = append(kernel, block, WF_STMT_FOR);
  stmt->axis = wf_dim_as_atom(axis);
  stmt->bind = bind;
  return &stmt->body;
}

wf_block *wf_stmt_if(wf_kernel *kernel, wf_block *block, const wf_expr *condition) {
  wf_stmt *stmt = append(kernel, block, WF_STMT_IF);
  stmt->condition = condition;
  return &stmt->body;
}

wf_value *wf_stmt_alloc(wf_kernel *kernel, wf_block *block, const char *name, wf_space space, wf_dtype type, int rank,
                        const wf_dim *const *shape, const wf_layout *layout) {
  wf_stmt *stmt = append(kernel, block, WF_STMT_ALLOC);
  return stmt->buffer = buffer(kernel, name, space, type, rank, shape, layout);
}

void wf_stmt_store(wf_kernel *kernel, wf_block *block, wf_value *target, const wf_expr *const *indices, wf_combiner combiner,
                   const wf_expr *value) {
  wf_stmt *stmt = append(kernel, block, WF_STMT_STORE);
  const wf_expr **copy = WF_NEW_ARRAY(kernel->module->arena, const wf_expr *, target->rank);
  if (target->rank) memcpy(copy, indices, sizeof *copy * (size_t)target->rank);
  stmt->buffer = target;
  stmt->indices = copy;
  stmt->combiner = combiner;
  stmt->value = value;
}

void wf_stmt_store_dims(wf_kernel *kernel, wf_block *block, wf_value *target, const wf_dim *const *indices, wf_combiner combiner,
                        const wf_expr *value) {
  const wf_expr *expressions[WF_MAX_RANK];
  for (int i = 0; i < target->rank && i < WF_MAX_RANK; i++) expressions[i] = wf_expr_index(kernel->module, indices[i]);
  wf_stmt_store(kernel, block, target, expressions, combiner, value);
}

void wf_stmt_barrier(wf_kernel *kernel, wf_block *block) { append(kernel, block, WF_STMT_BARRIER); }

void wf_stmt_reduce_at(wf_kernel *kernel, wf_block *block, wf_value *target, const wf_expr *const *indices, wf_combiner combiner, int lanes) {
  wf_stmt *stmt = append(kernel, block, WF_STMT_REDUCE);
  const wf_expr **copy = WF_NEW_ARRAY(kernel->module->arena, const wf_expr *, target->rank);
  for (int i = 0; i < target->rank; i++) copy[i] = indices[i];
  stmt->buffer = target;
  stmt->indices = copy;
  stmt->combiner = combiner;
  stmt->lanes = lanes;
}

void wf_stmt_reduce(wf_kernel *kernel, wf_block *block, wf_value *target, const wf_dim *const *indices, wf_combiner combiner, int lanes) {
  const wf_expr *expressions[WF_MAX_RANK];
  for (int i = 0; i < target->rank && i < WF_MAX_RANK; i++) expressions[i] = wf_expr_index(kernel->module, indices[i]);
  wf_stmt_reduce_at(kernel, block, target, expressions, combiner, lanes);
}

static int threads_of(const wf_block *block) {
  for (int i = 0; i < block->list.count; i++) {
    const wf_stmt *stmt = block->list.items[i];
    int64_t extent;
    if (stmt->kind != WF_STMT_FOR) continue;
    if (stmt->bind == WF_BIND_THREAD) return wf_dim_is_const(stmt->axis->extent, &extent) ? (int)extent : 0;
    if (stmt->bind == WF_BIND_GRID) return threads_of(&stmt->body);
  }
  return 0;
}

int wf_kernel_threads(const wf_kernel *kernel) { return kernel->sections.count ? threads_of(kernel->sections.items[0]) : 0; }
