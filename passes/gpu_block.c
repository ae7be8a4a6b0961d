// Grid loops, the thread loop, shared buffers, and the order in which threads take points.
#include "passes/gpu.h"

static double stride_of(wf_draft *draft, const wf_value *value, int axis) {
  wf_module *module = draft->module;
  const wf_layout *layout = value->layout;
  if (!layout) layout = wf_layout_row_major(module->dims, module->arena, value->rank, value->shape);
  const wf_dim *stride = wf_layout_stride(layout, axis);
  return stride ? wf_draft_estimate(stride) : 0;
}

// Axes are flattened from the fastest outwards as long as taking the flat index apart divides by constants only, and
// beyond that where a block would otherwise lack points.
static void choose_flat(wf_draft *draft, wf_gpu_points *points) {
  bool constant = true;
  points->extent = wf_dim_const(draft->module->dims, 1);
  points->grid_count = points->count;
  while (points->grid_count > 0) {
    const wf_dim *next = points->op->axes[points->order[points->grid_count - 1]]->extent;
    if (!constant && wf_draft_estimate(points->extent) >= draft->threads) break;
    points->extent = wf_dim_mul(next, points->extent);
    points->grid_count--;
    constant = constant && wf_dim_is_const(next, &(int64_t){0});
  }
}

wf_gpu_points wf_gpu_order(wf_draft *draft, wf_op *const *members, int count, int shared, int fastest) {
  wf_gpu_points points = {.op = members[0]};
  const wf_value *stored = members[0]->results[0];
  for (int i = count - 1; i >= 0; i--)
    if (wf_draft_buffer(draft, members[i]->results[0])) stored = members[i]->results[0];
  double strides[WF_MAX_RANK];
  for (int axis = 0; axis < shared; axis++) {
    strides[axis] = axis == fastest ? -1 : stride_of(draft, stored, axis);
    int at = points.count++;
    while (at > 0 && strides[points.order[at - 1]] < strides[axis]) {
      points.order[at] = points.order[at - 1];
      at--;
    }
    points.order[at] = axis;
  }
  choose_flat(draft, &points);
  return points;
}

void wf_gpu_order_as_grid(wf_draft *draft, wf_gpu_points *points) {
  points->grid_count = points->count;
  points->extent = wf_dim_const(draft->module->dims, 1);
}

void wf_gpu_open(wf_gpu_block *block, wf_draft *draft, const wf_gpu_points *points, const wf_dim *chunks) {
  wf_dims *dims = draft->module->dims;
  *block = (wf_gpu_block){.draft = draft, .grid = wf_kernel_section(draft->kernel), .chunk = wf_dim_const(dims, 0)};
  for (int i = 0; i < points->grid_count; i++) {
    const wf_atom *axis = points->op->axes[points->order[i]];
    const wf_dim *dim = wf_dim_axis(dims, axis->name, axis->extent);
    block->dims[points->order[i]] = dim;
    block->grid = wf_stmt_for(draft->kernel, block->grid, WF_BIND_GRID, dim);
  }
  if (chunks || points->grid_count == 0) {
    if (!chunks) chunks = wf_dim_const(dims, 1);
    const wf_dim *chunk = wf_dim_axis(dims, "b", chunks);
    block->grid = wf_stmt_for(draft->kernel, block->grid, WF_BIND_GRID, chunk);
    if (!wf_dim_equals_const(chunks, 1)) block->chunk = chunk;
  }
  block->thread = wf_dim_axis(dims, "t", wf_dim_const(dims, draft->threads));
  block->body = wf_stmt_for(draft->kernel, block->grid, WF_BIND_THREAD, block->thread);
}

bool wf_gpu_fits(const wf_gpu_block *block, wf_dtype type, double elements) {
  return (double)block->shared_bytes + elements * wf_dtype_bytes(type) + 16 <= WF_GPU_SHARED;
}

// Shared buffers stand before the thread loop, which was made first.
wf_value *wf_gpu_shared(wf_gpu_block *block, const char *name, wf_dtype type, int rank, const int64_t *shape) {
  const wf_dim *dims[WF_MAX_RANK];
  int64_t elements = 1;
  for (int i = 0; i < rank; i++) {
    dims[i] = wf_dim_const(block->draft->module->dims, shape[i]);
    elements *= shape[i];
  }
  wf_value *buffer = wf_stmt_alloc(block->draft->kernel, block->grid, name, WF_SPACE_SHARED, type, rank, dims, NULL);
  int last = block->grid->list.count - 1;
  wf_stmt *made = block->grid->list.items[last];
  block->grid->list.items[last] = block->grid->list.items[last - 1];
  block->grid->list.items[last - 1] = made;
  block->shared_bytes += (elements * wf_dtype_bytes(type) + 15) / 16 * 16;
  return buffer;
}

wf_block *wf_gpu_below(wf_draft *draft, wf_block *block, const wf_dim *index, const wf_dim *extent) {
  wf_module *module = draft->module;
  const wf_dim *room = wf_dim_offset(wf_dim_sub(extent, index), -1);
  if (wf_dim_prove_nonnegative(room, module->arena, NULL) == WF_PROVED) return block;
  return wf_stmt_if(draft->kernel, block, wf_expr_binary(module, WF_S_LT, wf_expr_index(module, index), wf_expr_index(module, extent)));
}

void wf_gpu_digits(const wf_dim *chunk, int64_t size, const wf_dim *within, const wf_dim *const *extents, int count, const wf_dim **out_digits) {
  wf_dims *dims = chunk->owner;
  int64_t extent = 0;
  while (count > 1 && size > 1 && wf_dim_is_const(extents[count - 1], &extent) && size % extent == 0) {
    out_digits[--count] = wf_dim_mod(within, wf_dim_const(dims, extent));
    within = wf_dim_floordiv(within, wf_dim_const(dims, extent));
    size /= extent;
  }
  if (count > 1 && wf_dim_is_const(extents[count - 1], &extent) && extent % size == 0) {
    const wf_dim *radix = wf_dim_const(dims, extent / size);
    out_digits[--count] = wf_dim_add(wf_dim_scale(wf_dim_mod(chunk, radix), size), within);
    chunk = wf_dim_floordiv(chunk, radix);
    within = wf_dim_const(dims, 0);
    size = 1;
  }
  wf_flat_digits(wf_dim_add(wf_dim_scale(chunk, size), within), extents, count, out_digits);
}
