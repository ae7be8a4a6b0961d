// The extents of the pictures that come in: what the source states, else symbols where `augment` decides the size that the net sees.
#include "frontend/train_step.h"

enum { CIFAR_SIDE = 32 };

static int64_t source_number(const wf_data_source *source, const char *name, int position) {
  for (int i = 0; i < source->arguments.count; i++) {
    const wf_source_argument *argument = &source->arguments.items[i];
    if (!argument->is_text && (argument->name ? !strcmp(argument->name, name) : i == position)) return (int64_t)argument->number;
  }
  return 0;
}

// Height (0) or width (1) of the source's pictures, 0 where only the files know.
static int64_t stated_extent(const wf_data_source *source, int side) {
  if (!strcmp(source->kind, "cifar10")) return CIFAR_SIDE;
  if (strcmp(source->kind, "folder") != 0) return 0;
  return side == 0 ? source_number(source, "height", 1) : source_number(source, "width", 2);
}

static bool mentions(const wf_ast_expr *expr, const wf_ast_items *shape) {
  if (!expr) return false;
  if (expr->kind == WF_E_NAME)
    for (int i = 0; i < shape->count; i++) {
      const wf_ast_expr *extent = shape->items[i].value;
      if (extent && extent->kind == WF_E_NAME && !strcmp(extent->text, expr->text)) return true;
    }
  return mentions(expr->a, shape) || mentions(expr->b, shape) || mentions(expr->c, shape);
}

// The op gives this axis the same extent whatever comes in: resize(28), center_crop(28).
static bool fixes_axis(const wf_ast_decl *op, int axis, int rank) {
  if (op->arguments.count != 1 || op->results.count != 1) return false;
  const wf_ast_items *from = &op->arguments.items[0].type->shape, *to = &op->results.items[0].type->shape;
  if (to->count != rank) return false;
  for (int i = 0; i <= axis; i++)
    if (to->items[i].rest) return false;
  return !mentions(to->items[axis].value, from);
}

static bool augments_fix_axis(const wf_train_block *block, int axis, int rank) {
  for (int i = 0; i < block->augments.count; i++)
    if (fixes_axis(block->augments.items[i]->decl, axis, rank)) return true;
  return false;
}

void wf_train_picture_extents(const wf_train_block *block, const wf_data_source *source, wf_value *picture) {
  static const char *const names[] = {"height", "width"};
  wf_dims *dims = wf_lower_function(block->lower)->module->dims;
  if (picture->rank < 3) return;   // pictures as rows: only the whole number of pixels is known
  const wf_dim **shape = WF_NEW_ARRAY(block->arena, const wf_dim *, picture->rank);
  memcpy(shape, picture->shape, (size_t)picture->rank * sizeof *shape);
  for (int side = 0; side < 2; side++) {
    int axis = picture->rank - 2 + side;
    int64_t stated = stated_extent(source, side);
    if (stated) shape[axis] = wf_dim_const(dims, stated);
    else if (augments_fix_axis(block, axis, picture->rank))
      shape[axis] = wf_dim_symbol(dims, wf_arena_printf(block->arena, "%s.%s", picture->name, names[side]));
  }
  picture->shape = shape;
}
