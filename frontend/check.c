// What the main net does not call: each op and net of the file is carried out on made-up inputs, several times with other extents,
// numbers and element types. A mistake that shows at the same place in the same words each time does not come from what was made
// up: names, arguments, types, ranks. What depends on extents differs or vanishes, and is left to whoever calls the op.
#include "frontend/lower_internal.h"

typedef struct attempt { int64_t extent, number; int rest; wf_dtype type; } attempt;   // rest: the axes of `..`
static const attempt attempts[] = {{24, 2, 1, WF_F32}, {60, 3, 2, WF_F32}, {4, 1, 1, WF_I64}, {16, 4, 2, WF_F32}};
enum { ATTEMPTS = sizeof attempts / sizeof *attempts };

// Every name in the extents of the arguments stands for the attempt's extent; names that are bound already are not asked for.
static void bind_names(wf_lower *lower, const wf_ast_expr *expr, const wf_dim *extent) {
  if (!expr) return;
  if (expr->kind == WF_E_NAME) wf_lower_bind_symbol(lower, expr->text, extent);
  bind_names(lower, expr->a, extent);
  bind_names(lower, expr->b, extent);
  bind_names(lower, expr->c, extent);
  for (int i = 0; i < expr->args.count; i++) bind_names(lower, expr->args.items[i].value, extent);
}

static wf_val guess(wf_lower *lower, const wf_ast_formal *formal, const attempt *a) {
  const char *type = formal->type->name;
  wf_val value = wf_none();
  if (!strcmp(type, "int")) value = wf_int_val(a->number, formal->loc);
  if (!strcmp(type, "float")) value = wf_float_val(0.5, formal->loc);
  if (!strcmp(type, "bool")) value = wf_bool_val(a->number % 2, formal->loc);
  if (value.kind != WF_VAL_NONE && formal->type->has_shape) value = wf_list_val(lower, &value, 1, formal->loc);
  return value;
}

// False where something has to be known that cannot be made up: an op, a string, a list of tensors.
static bool bind(wf_lower *lower, wf_callable *callable, const attempt *a) {
  const wf_ast_decl *decl = callable->decl;
  for (int i = 0; i < decl->parameters.count; i++) {
    const wf_ast_formal *formal = &decl->parameters.items[i];
    if (formal->otherwise) continue;
    wf_val value = guess(lower, formal, a);
    if (value.kind == WF_VAL_NONE) return false;
    wf_set_bound(lower, callable, formal->name, value);
  }
  for (int i = 0; i < decl->arguments.count; i++) {
    const wf_ast_type *type = decl->arguments.items[i].type;
    wf_dtype known;
    if (!strcmp(type->name, "list")) return false;
    for (int k = 0; k < type->shape.count; k++) bind_names(lower, type->shape.items[k].value, wf_const_dim(lower, a->extent));
    if (!wf_find_type(lower, type->name, &known) && type->name[0] >= 'A' && type->name[0] <= 'Z')
      wf_set_bound(lower, callable, type->name, (wf_val){.kind = WF_VAL_TYPE, .dtype = a->type, .loc = type->loc});
  }
  return true;
}

// Carries the declaration out; its mistakes go to a list of their own. NULL where that cannot be tried, or a `where` does not
// hold of what was made up.
static wf_diag *try_decl(const wf_net_model *model, const wf_ast_decl *decl, const attempt *a) {
  wf_net_model *copy = WF_NEW(model->arena, wf_net_model);
  *copy = *model;
  wf_map_init(&copy->applied, model->arena);
  copy->net = (wf_ast_decl *)decl;
  copy->diag = wf_diag_create(model->arena);
  wf_lower *lower = wf_lower_create(copy, wf_module_create(model->arena, copy->diag));
  const wf_dim *rest[] = {wf_const_dim(lower, a->extent), wf_const_dim(lower, a->extent)};
  wf_callable *callable = wf_make_callable_val(lower, decl);
  wf_vals args = {0}, results = {0};
  lower->guessed_rest = (wf_dim_list){rest, a->rest};
  wf_lower_define(lower, "batch", wf_int_val(a->extent, WF_NOWHERE));
  wf_lower_define(lower, "epochs", wf_int_val(1, WF_NOWHERE));
  if (!bind(lower, callable, a)) return NULL;
  wf_function *function = wf_lower_begin(lower, decl->name, false);
  if (wf_lower_declare_inputs(lower, callable, &args) && wf_lower_apply(lower, callable, NULL, args.items, args.count, decl->name_loc, &results))
    for (int i = 0; i < results.count && results.items[i].kind != WF_VAL_LIST; i++) {
      wf_value *value = wf_force(lower, &results.items[i], "out", decl->name_loc);
      if (value) wf_function_result(function, wf_lower_result_name(lower, callable, i), value);
    }
  wf_lower_end(lower);
  if (!copy->diag->errors) wf_lower_init(lower);
  return lower->unmet ? NULL : copy->diag;
}

static bool same_place(const wf_loc *a, const wf_loc *b) { return a->source == b->source && a->line == b->line && a->column == b->column; }

static bool is_reported(const wf_diag *diag, const wf_diagnostic *error) {
  for (int i = 0; i < diag->list.count; i++)
    if (diag->list.items[i]->severity == WF_ERROR && same_place(&diag->list.items[i]->loc, &error->loc)) return true;
  return false;
}

static bool is_said_by(const wf_diag *diag, const wf_diagnostic *error) {
  for (int i = 0; i < diag->list.count; i++)
    if (same_place(&diag->list.items[i]->loc, &error->loc) && !strcmp(diag->list.items[i]->message, error->message)) return true;
  return false;
}

static void check_decl(wf_net_model *model, const wf_ast_decl *decl) {
  wf_diag *said[ATTEMPTS];
  for (int i = 0; i < ATTEMPTS; i++) {
    said[i] = try_decl(model, decl, &attempts[i]);
    if (!said[i] || !said[i]->errors) return;
  }
  for (int e = 0; e < said[0]->list.count; e++) {
    wf_diagnostic *error = said[0]->list.items[e];
    bool always = error->severity == WF_ERROR;
    for (int i = 1; i < ATTEMPTS && always; i++) always = is_said_by(said[i], error);
    if (!always || is_reported(model->diag, error)) continue;
    wf_error(model->diag, error->loc, "%s", error->message)->notes = error->notes;
  }
}

bool wf_frontend_check(wf_net_model *model) {
  for (int i = 0; i < model->main->decls.count && model->diag->errors < model->diag->error_limit; i++) {
    const wf_ast_decl *decl = model->main->decls.items[i];
    bool op = decl->kind == WF_D_OP && decl->arguments.count;   // an op without arguments takes its type from where it stands
    if ((op || decl->kind == WF_D_NET) && wf_map_get(&model->applied, decl->name) != decl) check_decl(model, decl);
  }
  return model->diag->errors == 0;
}
