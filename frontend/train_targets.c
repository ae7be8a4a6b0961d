// The types of targets from the signature of the loss, and clipping.
#include "frontend/train_step.h"

// ---- targets --------------------------------------------------------------------------------------------------------

typedef struct dim_binding { const char *name; const wf_dim *dim; } dim_binding;

typedef struct signature {
  wf_train_block *block;
  wf_dims *dims;
  WF_VEC(dim_binding) names;
  const wf_dim *const *rest;   // what `..` stands for; NULL: not met
  int rest_count;
  const char *type_name;       // a type variable and what it stands for
  wf_dtype type;
} signature;

static void bind_shape(signature *sig, const wf_ast_items *shape, const wf_value *value) {
  int fixed = 0;
  for (int i = 0; i < shape->count; i++) fixed += !shape->items[i].rest;
  if (value->rank < fixed || (fixed == shape->count && value->rank != fixed)) return;   // applying the loss reports it
  int axis = 0;
  for (int i = 0; i < shape->count; i++) {
    const wf_ast_item *item = &shape->items[i];
    if (item->rest) {
      sig->rest = value->shape + axis;
      sig->rest_count = value->rank - fixed;
      axis += sig->rest_count;
      continue;
    }
    if (item->value->kind == WF_E_NAME) {
      dim_binding row = {item->value->text, value->shape[axis]};
      wf_vec_push(sig->block->arena, &sig->names, row);
    }
    axis++;
  }
}

static void bind_type(signature *sig, const wf_ast_type *type, wf_dtype dtype) {
  wf_dtype known;
  if (wf_dtype_parse(type->name, &known) || sig->type_name) return;
  sig->type_name = type->name;
  sig->type = dtype;
}

// A dim of a target: a number, a name, or a polynomial of them. A name not met before is a new symbol.
static const wf_dim *resolve_dim(signature *sig, const wf_ast_expr *expr) {
  if (expr->kind == WF_E_INT) return wf_dim_const(sig->dims, expr->integer);
  if (expr->kind == WF_E_NAME) {
    for (int i = 0; i < sig->names.count; i++)
      if (strcmp(sig->names.items[i].name, expr->text) == 0) return sig->names.items[i].dim;
    dim_binding row = {expr->text, wf_dim_symbol(sig->dims, expr->text)};
    wf_vec_push(sig->block->arena, &sig->names, row);
    return row.dim;
  }
  const wf_dim *a = expr->kind == WF_E_BINARY ? resolve_dim(sig, expr->a) : NULL;
  const wf_dim *b = a ? resolve_dim(sig, expr->b) : NULL;
  if (b && expr->op == WF_OP_ADD) return wf_dim_add(a, b);
  if (b && expr->op == WF_OP_SUB) return wf_dim_sub(a, b);
  if (b && expr->op == WF_OP_MUL) return wf_dim_mul(a, b);
  if (b && expr->op == WF_OP_FLOORDIV) return wf_dim_floordiv(a, b);
  wf_error(sig->block->diag, expr->loc, "the extent of a target must be a number, a name or a sum of products of them");
  return NULL;
}

static bool add_dim(signature *sig, wf_target *target, const wf_dim *dim) {
  if (!dim) return false;
  if (target->rank == WF_MAX_RANK) {
    wf_error(sig->block->diag, target->loc, "the target `%s` has more than %d axes", target->name, WF_MAX_RANK);
    return false;
  }
  target->shape[target->rank++] = dim;
  return true;
}

static bool resolve_target(signature *sig, const wf_ast_formal *formal, wf_target *out) {
  *out = (wf_target){.name = formal->name, .loc = formal->loc};
  bool wide = sig->block->spec->precision && strcmp(sig->block->spec->precision, "f64") == 0;
  wf_dtype single = wide ? WF_F64 : WF_F32;
  if (!wf_dtype_parse(formal->type->name, &out->dtype)) out->dtype = sig->type_name ? sig->type : single;
  else if (out->dtype == WF_F32) out->dtype = single;
  for (int i = 0; i < formal->type->shape.count; i++) {
    const wf_ast_item *item = &formal->type->shape.items[i];
    if (item->rest) {
      for (int k = 0; k < sig->rest_count; k++)
        if (!add_dim(sig, out, sig->rest[k])) return false;
    } else if (!add_dim(sig, out, resolve_dim(sig, item->value))) {
      return false;
    }
  }
  return true;
}

bool wf_train_infer_targets(wf_train_block *block, wf_function *function, const wf_vals *results, wf_targets *out) {
  const wf_ast_decl *loss = block->loss->decl;
  if (loss->arguments.count < results->count) {
    wf_diagnostic *error = wf_error(block->diag, block->loss_loc, "the net has %d results, but `%s` takes %d tensor%s", results->count,
                                    loss->name, loss->arguments.count, loss->arguments.count == 1 ? "" : "s");
    wf_note(block->diag, error, loss->name_loc, "`%s` is defined here", loss->name);
    wf_note(block->diag, error, block->net->decl->name_loc, "the results of `%s` come first, then the targets", block->net->decl->name);
    return false;
  }
  signature sig = {.block = block, .dims = function->module->dims};
  for (int i = 0; i < results->count; i++) {
    bind_type(&sig, loss->arguments.items[i].type, results->items[i].tensor->dtype);
    bind_shape(&sig, &loss->arguments.items[i].type->shape, results->items[i].tensor);
  }
  for (int i = results->count; i < loss->arguments.count; i++) {
    wf_target target;
    if (!resolve_target(&sig, &loss->arguments.items[i], &target)) return false;
    wf_vec_push(block->arena, out, target);
  }
  return true;
}

// ---- clipping -------------------------------------------------------------------------------------------------------

static const wf_expr *read_at(wf_module *module, wf_value *value, const wf_atom *const *axes) {
  const wf_dim *indices[WF_MAX_RANK];
  for (int i = 0; i < value->rank; i++) indices[i] = axes[i]->as_dim;
  return wf_expr_read_dims(module, value, indices, NULL);
}

static void make_axes(wf_module *module, const wf_value *like, const wf_atom **axes) {
  for (int i = 0; i < like->rank; i++) axes[i] = wf_dim_as_atom(wf_dim_axis(module->dims, "i", like->shape[i]));
}

static wf_value *sum_of_squares(wf_function *function, wf_value *value, wf_loc loc) {
  const wf_atom *axes[WF_MAX_RANK];
  make_axes(function->module, value, axes);
  const wf_expr *read = read_at(function->module, value, axes);
  const wf_expr *square = wf_expr_binary(function->module, WF_S_MUL, read, read);
  const char *name = wf_arena_printf(function->module->arena, "%s.squares", value->name);
  return wf_build_compute(function, name, wf_dtype_compute(value->dtype), NULL, 0, WF_R_SUM, axes, value->rank, square, loc);
}

// The square root of the sum of the squares of all gradients.
static wf_value *total_norm(wf_function *function, wf_value *const *gradients, int count, wf_loc loc) {
  wf_module *module = function->module;
  const wf_expr *total = NULL;
  for (int i = 0; i < count; i++) {
    wf_value *squares = sum_of_squares(function, gradients[i], loc);
    const wf_expr *read = wf_expr_read(module, squares, NULL, NULL);
    if (total && read->dtype != total->dtype) read = wf_expr_cast(module, total->dtype, read);
    total = total ? wf_expr_binary(module, WF_S_ADD, total, read) : read;
  }
  const wf_expr *root = wf_expr_unary(module, WF_S_SQRT, total);
  return wf_build_compute(function, "norm", total->dtype, NULL, 0, WF_R_NONE, NULL, 0, root, loc);
}

static wf_value *scaled(wf_function *function, wf_value *value, wf_value *factor, wf_loc loc) {
  wf_module *module = function->module;
  const wf_atom *axes[WF_MAX_RANK];
  make_axes(module, value, axes);
  const wf_expr *read = read_at(module, value, axes), *by = wf_expr_read(module, factor, NULL, NULL);
  if (by->dtype != read->dtype) by = wf_expr_cast(module, read->dtype, by);
  const char *name = wf_arena_printf(module->arena, "%s.clipped", value->name);
  return wf_build_compute(function, name, value->dtype, axes, value->rank, WF_R_NONE, NULL, 0,
                          wf_expr_binary(module, WF_S_MUL, read, by), loc);
}

static wf_value *apply_clip(wf_train_block *block, wf_value *value) {
  wf_vals results = {0};
  wf_val argument = wf_val_tensor(value);
  if (!wf_lower_apply(block->lower, block->clip, "clip", &argument, 1, block->clip_loc, &results)) return NULL;
  wf_value *result = results.count == 1 && results.items[0].kind == WF_VAL_TENSOR ? results.items[0].tensor : NULL;
  if (result && result->rank == value->rank) return result;
  wf_diagnostic *error = wf_error(block->diag, block->clip_loc, "`%s` must give one tensor of the shape of its argument", block->clip->decl->name);
  wf_note(block->diag, error, block->clip->decl->name_loc, "defined here");
  return NULL;
}

bool wf_train_clip(wf_train_block *block, wf_function *function, wf_value **gradients, int count) {
  if (!block->clip || count == 0) return true;
  const wf_ast_decl *decl = block->clip->decl;
  if (decl->arguments.count != 1) {
    wf_diagnostic *error = wf_error(block->diag, block->clip_loc, "a clip op takes one tensor, `%s` takes %d", decl->name, decl->arguments.count);
    wf_note(block->diag, error, decl->name_loc, "defined here");
    return false;
  }
  if (decl->arguments.items[0].type->shape.count > 0) {
    for (int i = 0; i < count; i++)
      if (!(gradients[i] = apply_clip(block, gradients[i]))) return false;
    return true;
  }
  wf_value *factor = apply_clip(block, total_norm(function, gradients, count, block->clip_loc));
  if (!factor) return false;
  for (int i = 0; i < count; i++) gradients[i] = scaled(function, gradients[i], factor, block->clip_loc);
  return true;
}
