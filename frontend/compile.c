// From a source to a module: the main net's inputs and compile-time arguments, the functions of a file without a train
// block, and --set.
#include <time.h>
#include <stdlib.h>
#include "frontend/lower_internal.h"

// ---- --set --------------------------------------------------------------------------------------------------------------------------
const char *wf_lower_set(wf_lower *lower, const char *key) {
  const wf_frontend_options *options = lower->model->options;
  const char *value = NULL;
  wf_lower_known_set(lower, key);
  for (int i = 0; options && i < options->sets.count; i++)
    if (!strcmp(options->sets.items[i].key, key)) {
      lower->sets_taken[i] = true;
      value = options->sets.items[i].value;
    }
  return value;
}

void wf_lower_known_set(wf_lower *lower, const char *key) {
  for (int i = 0; i < lower->known_sets.count; i++)
    if (!strcmp(lower->known_sets.items[i], key)) return;
  wf_vec_push(lower->arena, &lower->known_sets, key);
}

bool wf_lower_check_sets(wf_lower *lower) {
  const wf_frontend_options *options = lower->model->options;
  bool good = true;
  for (int i = 0; options && i < options->sets.count; i++) {
    const char *key = options->sets.items[i].key;
    if (lower->sets_taken[i] || !strcmp(key, "net")) continue;
    good = false;
    wf_diagnostic *error = wf_error(lower->diag, WF_NOWHERE, "--set %s: nothing has that name", key);
    const char *hint = wf_did_you_mean(key, lower->known_sets.items, lower->known_sets.count);
    if (hint) wf_help(lower->diag, error, "did you mean `%s`?", hint);
  }
  return good;
}

// A value as in the language where it reads as one, else a string.
wf_val wf_lower_parse_value(wf_lower *lower, const char *key, const char *text) {
  wf_diag *scratch = wf_diag_create(lower->arena);
  wf_source *source = wf_source_from_text(lower->arena, wf_arena_printf(lower->arena, "--set %s", key), wf_arena_printf(lower->arena, "let value = %s\n", text));
  wf_ast_file *file = wf_parse_net(lower->arena, scratch, source);
  wf_val otherwise = wf_string_val(wf_arena_strdup(lower->arena, text), WF_NOWHERE);
  if (scratch->errors || file->decls.count != 1 || file->decls.items[0]->kind != WF_D_LET) return otherwise;
  const wf_ast_expr *expr = file->decls.items[0]->value;
  if (expr->kind == WF_E_NAME) {
    wf_ast_decl *decl = wf_find_decl(lower, expr->text);
    if (!decl) return otherwise;
  }
  return wf_eval_constant(lower, expr, "the value of --set");
}

// ---- the main net -------------------------------------------------------------------------------------------------------------------
static bool bind_sets(wf_lower *lower, wf_callable *callable) {
  for (int i = 0; i < callable->decl->parameters.count; i++) {
    const wf_ast_formal *formal = &callable->decl->parameters.items[i];
    const char *text = wf_lower_set(lower, formal->name);
    if (!text) continue;
    wf_val value = wf_lower_parse_value(lower, formal->name, text);
    if (value.kind == WF_VAL_STRING && strcmp(formal->type->name, "string")) {
      wf_error(lower->diag, WF_NOWHERE, "--set %s=%s: `%s` is %s", formal->name, text, formal->name, formal->type->name);
      return false;
    }
    if (!wf_bind_parameter(lower, callable, formal, &value, WF_NOWHERE)) return false;
  }
  return true;
}

wf_callable *wf_lower_net(wf_lower *lower, const wf_ast_decl *net, const wf_ast_args *args) {
  wf_ast_expr *call = WF_NEW(lower->arena, wf_ast_expr);
  call->kind = WF_E_CALL;
  call->text = net->name;
  call->loc = net->name_loc;
  if (args) call->args = *args;
  wf_callable *callable = wf_lower_callable(lower, call);
  return callable && bind_sets(lower, callable) ? callable : NULL;
}

static bool declare_input(wf_lower *lower, const wf_ast_formal *formal, wf_vals *out_args) {
  wf_dtype type;
  wf_dim_list shape;
  if (!formal->type->has_shape || !strcmp(formal->type->name, "list")) {
    wf_lower_error(lower, formal->type->loc, "an input has a shape: f32[n, d]");
    return false;
  }
  if (!wf_find_type(lower, formal->type->name, &type) && !wf_bind_type(lower, formal->type, "an input", lower->single, formal->type->loc)) return false;
  if (!wf_type_shape(lower, formal->type, &type, &shape, false)) return false;
  wf_val input = wf_lower_input(lower, formal->name, WF_ROLE_DATA, type, shape.count, shape.items, formal->loc);
  wf_check_elements(lower, formal->loc, formal->name, shape.items, shape.count);
  wf_vec_push(lower->arena, out_args, input);
  return true;
}

bool wf_lower_declare_inputs(wf_lower *lower, const wf_callable *callable, wf_vals *out_args) {
  int errors = lower->diag->errors;
  wf_frame *frame = WF_NEW(lower->arena, wf_frame);
  wf_scope *scope = WF_NEW(lower->arena, wf_scope);
  *frame = (wf_frame){.decl = callable->decl, .scope = scope, .path = "", .site = "", .prefix = ""};
  wf_scope_init(lower, scope, NULL, frame);
  for (int i = 0; i < callable->bound.count; i++) wf_scope_set(lower, scope, callable->bound.items[i].name, callable->bound.items[i].value, WF_NOWHERE);
  lower->frame = frame;
  wf_bind_known_defaults(lower, callable);
  lower->binding_symbols = true;
  bool good = true;
  for (int i = 0; i < callable->decl->arguments.count; i++) good = declare_input(lower, &callable->decl->arguments.items[i], out_args) && good;
  lower->binding_symbols = false;
  if (good) wf_check_where(lower, callable->decl);
  lower->frame = NULL;
  return good && lower->diag->errors == errors;
}

const char *wf_lower_result_name(wf_lower *lower, const wf_callable *callable, int index) {
  const wf_ast_decl *decl = callable->decl;
  if (decl->named_results && index < decl->results.count) return wf_public_name(lower, decl->results.items[index].name);
  for (int i = 0; i < decl->body.count; i++) {
    const wf_ast_stmt *stmt = decl->body.items[i];
    if (stmt->kind == WF_ST_RETURN && stmt->values.count > 1 && index < stmt->values.count && stmt->values.items[index]->kind == WF_E_NAME)
      return wf_public_name(lower, stmt->values.items[index]->text);
  }
  return index ? wf_arena_printf(lower->arena, "out_%d", index + 1) : "out";
}

// ---- a file without a train block -----------------------------------------------------------------------------------------------------
static bool lower_infer(wf_lower *lower, const wf_callable *net) {
  wf_vals args = {0}, results = {0};
  wf_function *infer = wf_lower_begin(lower, "infer", false);
  bool good = wf_lower_declare_inputs(lower, net, &args) && wf_lower_apply(lower, net, NULL, args.items, args.count, net->decl->name_loc, &results);
  for (int i = 0; good && i < results.count; i++) {
    wf_value *value = wf_force(lower, &results.items[i], "out", net->decl->name_loc);
    if (value) wf_function_result(infer, wf_lower_result_name(lower, net, i), value);
  }
  wf_lower_end(lower);
  return good;
}

static void fill_spec(wf_lower *lower, wf_train_spec *spec) {
  const wf_val *labels = wf_lower_labels(lower);
  spec->net = lower->model->net->name;
  spec->top = wf_lower_top(lower);
  for (int i = 0; labels && i < labels->count; i++) wf_vec_push(lower->arena, &spec->labels, labels->items[i].text);
}

// `init` reads nothing of the others and comes first.
static void put_init_first(wf_module *module) {
  int at = -1;
  for (int i = 0; i < module->functions.count; i++)
    if (!strcmp(module->functions.items[i]->name, "init")) at = i;
  if (at <= 0) return;
  wf_function *init = module->functions.items[at];
  memmove(module->functions.items + 1, module->functions.items, sizeof init * (size_t)at);
  module->functions.items[0] = init;
}

static bool lower_without_train(wf_lower *lower, wf_train_spec *spec) {
  wf_callable *net = wf_lower_net(lower, lower->model->net, NULL);
  if (!net || !lower_infer(lower, net) || !wf_lower_init(lower)) return false;
  put_init_first(lower->module);
  fill_spec(lower, spec);
  return wf_lower_check_sets(lower);
}

static bool lower_with_train(wf_lower *lower, wf_train_spec *spec) {
  if (!wf_lower_train(lower, spec) || !wf_lower_init(lower)) return false;
  put_init_first(lower->module);
  return wf_lower_check_sets(lower);
}

// The inputs of inference, where no train block listed them; and what the integers among all may be.
static void finish_fields(const wf_module *module, wf_train_spec *spec) {
  bool listed = spec->fields.count > 0;
  for (int f = 0; f < module->functions.count; f++) {
    const wf_function *function = module->functions.items[f];
    for (int i = 0; i < function->inputs.count; i++) {
      const wf_value *input = function->inputs.items[i];
      if (input->role != WF_ROLE_DATA) continue;
      if (!listed && !strcmp(function->name, "infer")) {
        wf_train_field field = {.name = input->name, .dtype = input->dtype};
        wf_vec_push(module->arena, &spec->fields, field);
      }
      int64_t bound = wf_input_bound(function, input);
      for (int k = 0; bound && k < spec->fields.count; k++) {
        wf_train_field *field = &spec->fields.items[k];
        if (!strcmp(field->name, input->name) && (!field->range || bound < field->range)) field->range = bound;
      }
    }
  }
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

wf_compiled *wf_frontend_compile(wf_arena *arena, wf_diag *diag, const wf_source *source, const wf_frontend_options *options) {
  double start = now();
  wf_net_model *model = wf_model_load(arena, diag, source, options);
  if (!model || diag->errors) return NULL;
  double parsed = now() - start;
  wf_compiled *compiled = wf_frontend_compile_model(model);
  if (compiled) compiled->parse_seconds = parsed;
  return compiled;
}

wf_compiled *wf_frontend_compile_model(wf_net_model *model) {
  double start = now();
  wf_diag *diag = model->diag;
  if (!model->net) {
    wf_error(diag, (wf_loc){model->main->source, 0, 0, 0, 0}, "there is no net or op in this file");
    return NULL;
  }
  wf_compiled *compiled = WF_NEW(model->arena, wf_compiled);
  compiled->model = model;
  compiled->module = wf_module_create(model->arena, diag);
  compiled->train = WF_NEW(model->arena, wf_train_spec);
  wf_lower *lower = wf_lower_create(model, compiled->module);
  wf_check_mesh(lower);
  bool trains = model->train && !strcmp(model->train->name, model->net->name);
  bool good = trains ? lower_with_train(lower, compiled->train) : lower_without_train(lower, compiled->train);
  if (!good || diag->errors) return NULL;
  finish_fields(compiled->module, compiled->train);
  compiled->lower_seconds = now() - start;
  return compiled;
}
