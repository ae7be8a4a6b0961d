// The functions of a train block: `step` (forward, backward, clipping, optimizer), `eval` and `infer`.
#include "frontend/train_step.h"

typedef struct pass_results { wf_value *loss, **metrics; } pass_results;   // of one pass through the net

typedef struct training {
  wf_train_block *block;
  wf_lower *lower;
  wf_train_spec *spec;
  wf_function *function;         // being built
  wf_dtype picture_type;         // what the net declares for the input that pictures fill
  wf_vals inputs, targets;       // whole: of the batch
  bool targets_known;
} training;

// ---- inputs ---------------------------------------------------------------------------------------------------------

// The symbol that stands for the batch: the first axis of the net's first input, where that is a name.
static const char *batch_symbol(const wf_callable *net) {
  if (net->decl->arguments.count == 0) return NULL;
  const wf_ast_items *shape = &net->decl->arguments.items[0].type->shape;
  return shape->count && !shape->items[0].rest && shape->items[0].value->kind == WF_E_NAME ? shape->items[0].value->text : NULL;
}

// Token sources fix the second axis of the first input as well.
static void bind_length(training *t) {
  int64_t length = wf_source_length(t->spec->data);
  const wf_ast_items *shape = &t->block->net->decl->arguments.items[0].type->shape;
  if (!length || shape->count < 2 || shape->items[1].rest || shape->items[1].value->kind != WF_E_NAME) return;
  wf_lower_bind_symbol(t->lower, shape->items[1].value->text, wf_dim_const(t->function->module->dims, length));
}

static bool check_net(wf_train_block *block) {
  const wf_ast_decl *net = block->net->decl;
  if (net->arguments.count > 0) return true;
  wf_error(block->diag, block->loc, "the net `%s` takes no tensor: there is nothing that data could fill", net->name);
  return false;
}

// The inputs as the samples of `source` have them.
static bool declare_inputs(training *t, const wf_data_source *source) {
  t->inputs = (wf_vals){0};
  if (!wf_lower_declare_inputs(t->lower, t->block->net, &t->inputs)) return false;
  if (!wf_source_is_picture(t->spec->data)) return true;
  wf_value *picture = t->inputs.items[0].tensor;
  if (!wf_dtype_is_float(picture->dtype)) {
    wf_diagnostic *error = wf_error(t->block->diag, t->block->net->decl->arguments.items[0].loc, "pictures become floats, but `%s` is %s",
                                    picture->name, wf_dtype_name(picture->dtype));
    wf_note(t->block->diag, error, t->spec->data->loc, "the pictures come from here");
    return false;
  }
  t->picture_type = picture->dtype;
  picture->dtype = WF_U8;   // the file's pixels come in; nothing has read the input yet
  wf_train_picture_extents(t->block, source, picture);
  return true;
}

static wf_value *pixels_to_floats(training *t, wf_value *pixels) {
  wf_module *module = t->function->module;
  const wf_atom *axes[WF_MAX_RANK];
  const wf_dim *indices[WF_MAX_RANK];
  for (int i = 0; i < pixels->rank; i++) {
    indices[i] = wf_dim_axis(module->dims, "i", pixels->shape[i]);
    axes[i] = wf_dim_as_atom(indices[i]);
  }
  wf_dtype type = wf_dtype_compute(t->picture_type);
  const wf_expr *value = wf_expr_cast(module, type, wf_expr_read_dims(module, pixels, indices, NULL));
  value = wf_expr_binary(module, WF_S_DIV, value, wf_expr_const(module, type, 255));
  const char *name = wf_arena_printf(module->arena, "%s.unit", pixels->name);
  return wf_build_compute(t->function, name, t->picture_type, axes, pixels->rank, WF_R_NONE, NULL, 0, value, pixels->loc);
}

// From the file's form to the net's: pixels to [0, 1], then the augmentations on the first input.
static bool preprocess(training *t, wf_vals *inputs) {
  wf_train_block *block = t->block;
  if (wf_source_is_picture(t->spec->data)) inputs->items[0] = wf_val_tensor(pixels_to_floats(t, inputs->items[0].tensor));
  for (int i = 0; i < block->augments.count; i++) {
    wf_vals results = {0};
    const char *instance = wf_arena_printf(block->arena, "augment.%d", i);
    if (!wf_lower_apply(t->lower, block->augments.items[i], instance, &inputs->items[0], 1, block->augment_locs.items[i], &results))
      return false;
    if (results.count != 1 || results.items[0].kind != WF_VAL_TENSOR) {
      wf_error(block->diag, block->augment_locs.items[i], "an augmentation gives one tensor");
      return false;
    }
    inputs->items[0] = results.items[0];
  }
  return true;
}

// ---- targets ----------------------------------------------------------------------------------------------------------

static bool name_taken(const training *t, const char *name) {
  for (int i = 0; i < t->inputs.count; i++)
    if (strcmp(t->inputs.items[i].tensor->name, name) == 0) return true;
  return false;
}

// Declares the targets of the whole batch; rows: its size where the net saw a part, 0 where it saw all.
static bool declare_targets(training *t, const wf_vals *results, int64_t rows) {
  wf_targets targets = {0};
  if (!wf_train_infer_targets(t->block, t->function, results, &targets)) return false;
  for (int i = 0; i < targets.count; i++) {
    wf_target *target = &targets.items[i];
    if (rows && target->rank) target->shape[0] = wf_dim_const(t->function->module->dims, rows);
    const char *name = name_taken(t, target->name) ? wf_arena_printf(t->block->arena, "%s_target", target->name) : target->name;
    wf_val value = wf_lower_input(t->lower, name, WF_ROLE_DATA, target->dtype, target->rank, target->shape, target->loc);
    wf_vec_push(t->block->arena, &t->targets, value);
  }
  t->targets_known = true;
  return true;
}

static void add_field(training *t, const wf_value *value, bool target, bool picture) {
  wf_train_field field = {.name = value->name, .dtype = value->dtype, .target = target, .picture = picture};
  wf_vec_push(t->block->arena, &t->spec->fields, field);
}

static bool describe_fields(training *t) {
  const wf_data_source *data = t->spec->data;
  for (int i = 0; i < t->inputs.count; i++) add_field(t, t->inputs.items[i].tensor, false, i == 0 && wf_source_is_picture(data));
  for (int i = 0; i < t->targets.count; i++) add_field(t, t->targets.items[i].tensor, true, false);
  int given = wf_source_field_count(data), wanted = t->spec->fields.count;
  if (!given || given >= wanted) return true;
  wf_diagnostic *error = wf_error(t->block->diag, data->loc, "`%s` gives %d field%s a sample, but %d are needed", data->kind, given,
                                  given == 1 ? "" : "s", wanted);
  wf_note(t->block->diag, error, t->block->net->decl->name_loc, "`%s` takes %d", t->block->net->decl->name, t->inputs.count);
  wf_note(t->block->diag, error, t->block->loss->decl->name_loc, "`%s` takes %d more", t->block->loss->decl->name, t->targets.count);
  return false;
}

// A class index must be below the extent that the loss reduces: the last of the result that is one axis longer.
static void describe_classes(training *t, const wf_vals *results) {
  int64_t extent;
  const wf_value *y = results->items[0].tensor, *target = t->targets.count ? t->targets.items[0].tensor : NULL;
  if (target && wf_dtype_is_int(target->dtype) && y->rank == target->rank + 1 && wf_dim_is_const(y->shape[y->rank - 1], &extent))
    t->spec->classes = extent;
}

// ---- one pass ----------------------------------------------------------------------------------------------------------

static wf_value *apply_measure(training *t, const wf_callable *op, wf_loc loc, const wf_vals *args, const char *field) {
  wf_diag *diag = t->block->diag;
  int count = op->decl->arguments.count;
  if (count > args->count) {
    wf_diagnostic *error = wf_error(diag, loc, "`%s` takes %d tensors, but there are only %d: the results of the net and the targets of the loss",
                                    op->decl->name, count, args->count);
    wf_note(diag, error, op->decl->name_loc, "`%s` is defined here", op->decl->name);
    return NULL;
  }
  wf_vals results = {0};
  if (!wf_lower_apply(t->lower, op, field, args->items, count, loc, &results)) return NULL;
  wf_value *value = results.count == 1 && results.items[0].kind == WF_VAL_TENSOR ? results.items[0].tensor : NULL;
  if (value && value->rank == 0 && wf_dtype_is_float(value->dtype)) return value;
  wf_diagnostic *error = wf_error(diag, loc, "a %s must be a float scalar, the mean over the batch", field);
  wf_note(diag, error, op->decl->name_loc, "`%s` gives something else", op->decl->name);
  return NULL;
}

static bool measure(training *t, const wf_vals *args, pass_results *out) {
  wf_train_block *block = t->block;
  out->loss = apply_measure(t, block->loss, block->loss_loc, args, "loss");
  out->metrics = WF_NEW_ARRAY(block->arena, wf_value *, block->metrics.count);
  bool fine = out->loss != NULL;
  for (int i = 0; i < block->metrics.count; i++) {
    out->metrics[i] = apply_measure(t, block->metrics.items[i], block->metric_locs.items[i], args, "metric");
    fine &= out->metrics[i] != NULL;
  }
  return fine;
}

// Part `index` of `parts` of the batch through augmentation, net, loss and metrics.
static bool run_pass(training *t, int64_t index, int64_t parts, pass_results *out) {
  wf_train_block *block = t->block;
  int64_t size = t->spec->batch / parts;
  wf_vals inputs = {0}, args = {0};
  for (int i = 0; i < t->inputs.count; i++) {
    wf_val whole = t->inputs.items[i];
    wf_vec_push(block->arena, &inputs, parts == 1 ? whole : wf_val_tensor(wf_micro_slice(t->function, whole.tensor, index, size)));
  }
  if (!preprocess(t, &inputs)) return false;
  if (!wf_lower_apply(t->lower, block->net, "", inputs.items, inputs.count, block->loc, &args)) return false;
  if (!t->targets_known) {
    if (!declare_targets(t, &args, parts == 1 ? 0 : t->spec->batch)) return false;
    describe_classes(t, &args);
  }
  for (int i = 0; i < t->targets.count; i++) {
    wf_val whole = t->targets.items[i];
    wf_vec_push(block->arena, &args, parts == 1 ? whole : wf_val_tensor(wf_micro_slice(t->function, whole.tensor, index, size)));
  }
  return measure(t, &args, out);
}

// ---- functions ----------------------------------------------------------------------------------------------------------

static void begin(training *t, const char *name, bool trains) {
  t->function = wf_lower_begin(t->lower, name, trains);
  t->targets = (wf_vals){0};
  t->targets_known = false;
}

// Inputs by role: data, parameters, states, then the run-time scalars; within a role as they were met.
static void end(training *t) {
  static const wf_role order[] = {WF_ROLE_DATA, WF_ROLE_PARAM, WF_ROLE_STATE, WF_ROLE_STEP, WF_ROLE_SEED, WF_ROLE_TOTAL};
  wf_function *function = t->function;
  wf_value **sorted = WF_NEW_ARRAY(t->block->arena, wf_value *, function->inputs.count);
  int count = 0;
  for (size_t r = 0; r < sizeof order / sizeof *order; r++)
    for (int i = 0; i < function->inputs.count; i++)
      if (function->inputs.items[i]->role == order[r]) sorted[count++] = function->inputs.items[i];
  for (int i = 0; i < count; i++) function->inputs.items[i] = sorted[i];
  wf_lower_end(t->lower);
}

// The mean of scalars that the parts of the batch gave.
static wf_value *mean_of(training *t, const char *name, wf_value *const *parts, int64_t count) {
  if (count == 1) return parts[0];
  wf_module *module = t->function->module;
  const wf_expr *total = wf_expr_read(module, parts[0], NULL, NULL);
  for (int64_t i = 1; i < count; i++) total = wf_expr_binary(module, WF_S_ADD, total, wf_expr_read(module, parts[i], NULL, NULL));
  total = wf_expr_binary(module, WF_S_MUL, total, wf_expr_const(module, total->dtype, 1.0 / (double)count));
  return wf_build_compute(t->function, name, parts[0]->dtype, NULL, 0, WF_R_NONE, NULL, 0, total, t->block->loc);
}

// accumulated + gradient*scale; accumulated NULL: gradient*scale.
static wf_value *accumulate(training *t, wf_value *accumulated, wf_value *gradient, double scale) {
  wf_module *module = t->function->module;
  const wf_atom *axes[WF_MAX_RANK];
  const wf_dim *indices[WF_MAX_RANK];
  for (int i = 0; i < gradient->rank; i++) {
    indices[i] = wf_dim_axis(module->dims, "i", gradient->shape[i]);
    axes[i] = wf_dim_as_atom(indices[i]);
  }
  const wf_expr *read = wf_expr_read_dims(module, gradient, indices, NULL);
  const wf_expr *sum = wf_expr_binary(module, WF_S_MUL, read, wf_expr_const(module, read->dtype, scale));
  if (accumulated) sum = wf_expr_binary(module, WF_S_ADD, wf_expr_read_dims(module, accumulated, indices, NULL), sum);
  return wf_build_compute(t->function, gradient->name, gradient->dtype, axes, gradient->rank, WF_R_NONE, NULL, 0, sum, t->block->loc);
}

static void add_gradients(training *t, wf_value *loss, wf_value **params, int count, int64_t parts, wf_value **gradients) {
  if (count == 0) return;
  wf_op *grad = wf_build_grad(t->function, "grad", loss, params, count, t->block->loss_loc);
  for (int i = 0; i < count; i++) {
    wf_value *value = grad->results[i];
    value->name = wf_unique_name(t->function, wf_arena_printf(t->block->arena, "%s.grad", params[i]->name));
    wf_map_set(&t->function->names, value->name, value);
    gradients[i] = parts == 1 ? value : accumulate(t, gradients[i], value, 1.0 / (double)parts);
  }
}

static bool optimize(training *t, wf_value **params, wf_value **gradients, int count) {
  if (!wf_train_clip(t->block, t->function, gradients, count)) return false;
  for (int i = 0; i < count; i++)
    if (!wf_lower_optimizer(t->lower, t->block->optimizer, params[i], gradients[i], t->block->optimizer_loc)) return false;
  return true;
}

static void publish(training *t, wf_value *loss, wf_value *const *metrics) {
  wf_function_result(t->function, "loss", loss);
  for (int i = 0; i < t->spec->metrics.count; i++) wf_function_result(t->function, t->spec->metrics.items[i], metrics[i]);
}

static bool build_parts(training *t, int64_t parts) {
  wf_arena *arena = t->block->arena;
  wf_micro micro = {.function = t->function};
  int metric_count = t->spec->metrics.count, param_count = 0;
  wf_value **params = NULL, **gradients = NULL;
  wf_value **losses = WF_NEW_ARRAY(arena, wf_value *, parts), **metrics;
  int64_t cells = parts * metric_count;
  metrics = WF_NEW_ARRAY(arena, wf_value *, cells);
  for (int64_t i = 0; i < parts; i++) {
    int first = t->function->ops.count;
    pass_results pass;
    if (!run_pass(t, i, parts, &pass)) return false;
    if (parts > 1) wf_micro_take(&micro, first);
    losses[i] = pass.loss;
    for (int m = 0; m < metric_count; m++) metrics[m * parts + i] = pass.metrics[m];
    if (i == 0) {
      wf_lower_inputs_with_role(t->lower, WF_ROLE_PARAM, &params, &param_count);
      gradients = WF_NEW_ARRAY(arena, wf_value *, param_count);
    }
    add_gradients(t, pass.loss, params, param_count, parts, gradients);
  }
  wf_micro_finish(&micro, t->block->loc);
  wf_value **means = WF_NEW_ARRAY(arena, wf_value *, metric_count);
  for (int m = 0; m < metric_count; m++) means[m] = mean_of(t, t->spec->metrics.items[m], metrics + m * parts, parts);
  publish(t, mean_of(t, "loss", losses, parts), means);
  return describe_fields(t) && optimize(t, params, gradients, param_count);
}

static bool build_step(training *t) {
  begin(t, "step", true);
  const char *symbol = batch_symbol(t->block->net);
  if (symbol) wf_lower_bind_symbol(t->lower, symbol, wf_dim_const(t->function->module->dims, t->spec->batch));
  bind_length(t);
  int64_t parts = t->spec->microbatch ? t->spec->batch / t->spec->microbatch : 1;
  bool fine = declare_inputs(t, t->spec->data) && build_parts(t, parts);
  end(t);
  return fine;
}

static bool build_eval(training *t) {
  begin(t, "eval", false);
  const char *symbol = batch_symbol(t->block->net);
  if (symbol) wf_lower_bind_symbol(t->lower, symbol, wf_dim_symbol(t->function->module->dims, symbol));
  pass_results pass;
  bool fine = declare_inputs(t, t->spec->test ? t->spec->test : t->spec->data) && run_pass(t, 0, 1, &pass);
  if (fine) publish(t, pass.loss, pass.metrics);
  end(t);
  return fine;
}

static bool build_infer(training *t) {
  begin(t, "infer", false);
  const wf_ast_items *shape = &t->block->net->decl->arguments.items[0].type->shape;
  if (wf_source_length(t->spec->data) && shape->count > 1 && !shape->items[1].rest && shape->items[1].value->kind == WF_E_NAME)
    wf_lower_bind_symbol(t->lower, shape->items[1].value->text, wf_dim_symbol(t->function->module->dims, shape->items[1].value->text));
  wf_vals inputs = {0}, results = {0};
  bool fine = declare_inputs(t, t->spec->data);
  for (int i = 0; fine && i < t->inputs.count; i++) wf_vec_push(t->block->arena, &inputs, t->inputs.items[i]);
  fine = fine && preprocess(t, &inputs) &&
         wf_lower_apply(t->lower, t->block->net, "", inputs.items, inputs.count, t->block->loc, &results);
  for (int i = 0; fine && i < results.count; i++)
    wf_function_result(t->function, wf_lower_result_name(t->lower, t->block->net, i), results.items[i].tensor);
  end(t);
  return fine;
}

static void describe_labels(training *t) {
  const wf_val *labels = wf_lower_labels(t->lower);
  bool given = t->spec->labels.count > 0;   // the train block's own come first
  for (int i = 0; !given && labels && i < labels->count; i++) wf_vec_push(t->block->arena, &t->spec->labels, labels->items[i].text);
  if (!t->spec->top) t->spec->top = wf_lower_top(t->lower);
}

bool wf_lower_train(wf_lower *lower, wf_train_spec *spec) {
  wf_net_model *model = wf_lower_model(lower);
  wf_train_block block = {.lower = lower, .arena = model->arena, .diag = model->diag, .model = model, .spec = spec, .loc = model->train->loc};
  spec->has_train = true;
  if (!model->net) return false;
  spec->net = model->net->name;
  block.net = wf_lower_net(lower, model->net, &model->train->args);
  bool fine = wf_train_read_fields(&block) && block.net != NULL;
  if (!fine || !check_net(&block)) return false;
  training t = {.block = &block, .lower = lower, .spec = spec};
  if (!build_step(&t) || !build_eval(&t) || !build_infer(&t)) return false;
  describe_labels(&t);
  return true;
}
