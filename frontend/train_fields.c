#include "frontend/train_fields.h"

// ---- the fields --------------------------------------------------------------------------------------------------

static const char *const field_names[] = {"data", "test", "augment", "loss", "metric", "optimizer", "clip", "precision",
                                          "batch", "microbatch", "epochs", "steps", "seed", "labels"};
enum { FIELD_COUNT = sizeof field_names / sizeof *field_names };


// `--set loss=mse` reads like a field of its own small train block, so that errors point into the setting.
static const wf_ast_field *field_from_setting(wf_train_block *block, const char *name, const char *text) {
  const char *path = wf_arena_printf(block->arena, "--set %s", name);
  const char *whole = wf_arena_printf(block->arena, "train Set {\n%s %s\n}\n", name, text);
  int before = block->diag->errors;
  const wf_ast_file *file = wf_parse_net(block->arena, block->diag, wf_source_from_text(block->arena, path, whole));
  if (!file || block->diag->errors > before || file->decls.count != 1) return NULL;
  const wf_ast_decl *decl = file->decls.items[0];
  return decl->kind == WF_D_TRAIN && decl->fields.count == 1 ? &decl->fields.items[0] : NULL;
}

static const wf_ast_field *find_field(wf_train_block *block, const char *name) {
  const char *set = wf_lower_set(block->lower, name);
  wf_lower_known_set(block->lower, name);
  if (set) return field_from_setting(block, name, set);
  const wf_ast_decl *train = block->model->train;
  for (int i = 0; i < train->fields.count; i++)
    if (strcmp(train->fields.items[i].name, name) == 0) return &train->fields.items[i];
  return NULL;
}

static void check_names(wf_train_block *block) {
  const wf_ast_decl *train = block->model->train;
  for (int i = 0; i < train->fields.count; i++) {
    const wf_ast_field *field = &train->fields.items[i];
    bool known = false;
    for (int k = 0; k < FIELD_COUNT; k++) known |= strcmp(field->name, field_names[k]) == 0;
    if (!known) {
      wf_diagnostic *error = wf_error(block->diag, field->loc, "a train block has no field `%s`", field->name);
      const char *near = wf_did_you_mean(field->name, field_names, FIELD_COUNT);
      if (near) wf_help(block->diag, error, "did you mean `%s`?", near);
    }
    for (int k = 0; k < i; k++)
      if (strcmp(train->fields.items[k].name, field->name) == 0) {
        wf_diagnostic *error = wf_error(block->diag, field->loc, "the field `%s` is given twice", field->name);
        wf_note(block->diag, error, train->fields.items[k].loc, "first here");
        break;
      }
  }
}

static wf_ast_expr *single_value(wf_train_block *block, const wf_ast_field *field) {
  if (field->values.count == 1) return field->values.items[0];
  wf_error(block->diag, field->loc, "the field `%s` takes one value, not %d", field->name, field->values.count);
  return NULL;
}

// A field whose name is almost right was reported already.
static bool misspelt(wf_train_block *block, const char *name) {
  for (int i = 0; i < block->model->train->fields.count; i++) {
    const char *given = block->model->train->fields.items[i].name, *near = wf_did_you_mean(given, field_names, FIELD_COUNT);
    if (near && strcmp(near, name) == 0) return true;
  }
  return false;
}

static void missing(wf_train_block *block, const char *name, const char *example) {
  if (misspelt(block, name)) return;
  wf_diagnostic *error = wf_error(block->diag, block->loc, "the train block has no `%s`", name);
  wf_help(block->diag, error, "add a line like: %s", example);
}

// ---- numbers ---------------------------------------------------------------------------------------------------------

static int64_t whole_field(wf_train_block *block, const char *name, int64_t least, int64_t otherwise, wf_loc *out_loc) {
  const wf_ast_field *field = find_field(block, name);
  if (!field) return otherwise;
  if (out_loc) *out_loc = field->loc;
  wf_ast_expr *value = single_value(block, field);
  if (!value) return otherwise;
  wf_val number = wf_lower_constant(block->lower, value);
  if (number.kind == WF_VAL_NONE) return otherwise;
  if (number.kind != WF_VAL_INT) {
    wf_error(block->diag, value->loc, "`%s` takes a whole number", name);
    return otherwise;
  }
  if (number.integer < least) {
    wf_error(block->diag, value->loc, "`%s` must be at least %lld, not %lld", name, (long long)least, (long long)number.integer);
    return otherwise;
  }
  return number.integer;
}

static void read_numbers(wf_train_block *block) {
  wf_train_spec *spec = block->spec;
  wf_loc micro_loc = block->loc;
  spec->batch = whole_field(block, "batch", 1, 32, NULL);
  spec->microbatch = whole_field(block, "microbatch", 1, 0, &micro_loc);
  spec->epochs = whole_field(block, "epochs", 1, 0, NULL);
  spec->steps = whole_field(block, "steps", 1, 0, NULL);
  spec->seed = whole_field(block, "seed", INT64_MIN, 0, NULL);
  if (!spec->epochs && !spec->steps) spec->epochs = 1;
  if (spec->microbatch && spec->batch % spec->microbatch != 0) {
    wf_diagnostic *error = wf_error(block->diag, micro_loc, "a batch of %lld cannot be cut into micro-batches of %lld",
                                    (long long)spec->batch, (long long)spec->microbatch);
    wf_help(block->diag, error, "microbatch must divide batch");
  }
  wf_lower_define(block->lower, "batch", (wf_val){.kind = WF_VAL_INT, .integer = spec->batch});
  wf_lower_define(block->lower, "epochs", (wf_val){.kind = WF_VAL_INT, .integer = spec->epochs});
}

static void read_precision(wf_train_block *block) {
  static const char *const known[] = {"f64", "f32", "tf32", "bf16", "f16"};
  const wf_ast_field *field = find_field(block, "precision");
  if (!field) return;
  wf_ast_expr *value = single_value(block, field);
  if (!value) return;
  const char *text = value->kind == WF_E_NAME || value->kind == WF_E_STRING ? value->text : NULL;
  for (int i = 0; text && i < (int)(sizeof known / sizeof *known); i++)
    if (strcmp(text, known[i]) == 0) {
      block->spec->precision = known[i];
      if (strcmp(text, "f64") == 0) wf_lower_widen(block->lower);
      return;
    }
  wf_diagnostic *error = wf_error(block->diag, value->loc, "`precision` is one of f64 f32 tf32 bf16 f16");
  const char *near = text ? wf_did_you_mean(text, known, sizeof known / sizeof *known) : NULL;
  if (near) wf_help(block->diag, error, "did you mean `%s`?", near);
}

// ---- sources --------------------------------------------------------------------------------------------------------

typedef struct source_parameter { const char *name; char type; } source_parameter;   // t text, n number, i whole number

typedef struct source_form {
  const char *kind;
  source_parameter parameters[7];
  int positional, least;         // may stand without a name; must be given
  bool more;                     // any number of further texts
  int fields;                    // of a sample; 0: only the file knows
  bool picture;
  const char *example;
} source_form;

static const source_form source_forms[] = {
  {"idx", {{"images", 't'}, {"labels", 't'}}, 2, 1, true, 2, true, "idx(\"images.gz\", \"labels.gz\")"},
  {"cifar10", {{"folder", 't'}, {"split", 't'}}, 2, 1, false, 2, true, "cifar10(\"cifar-10-batches-bin\", \"train\")"},
  {"npy", {{"x", 't'}, {"y", 't'}}, 2, 1, true, 2, false, "npy(\"x.npy\", \"y.npy\")"},
  {"npz", {{"file", 't'}}, 1, 1, true, 0, false, "npz(\"data.npz\")"},
  {"safetensors", {{"file", 't'}}, 1, 1, true, 0, false, "safetensors(\"data.safetensors\")"},
  {"tokens", {{"file", 't'}, {"length", 'i'}, {"stride", 'i'}, {"from", 'n'}, {"to", 'n'}}, 2, 2, false, 2, false,
   "tokens(\"train.bin\", 256)"},
  {"text", {{"file", 't'}, {"length", 'i'}, {"stride", 'i'}, {"from", 'n'}, {"to", 'n'}, {"ids", 't'}}, 2, 2, false, 2, false,
   "text(\"book.txt\", 128)"},
  {"folder", {{"path", 't'}, {"height", 'i'}, {"width", 'i'}, {"channels", 'i'}}, 4, 1, false, 2, true,
   "folder(\"pictures\", 64, 64)"},
};
enum { SOURCE_COUNT = sizeof source_forms / sizeof *source_forms, SOURCE_ARGUMENTS = 16 };

static const source_form *find_form(const char *kind) {
  for (int i = 0; i < SOURCE_COUNT; i++)
    if (strcmp(source_forms[i].kind, kind) == 0) return &source_forms[i];
  return NULL;
}

bool wf_source_is_picture(const wf_data_source *source) { return source && find_form(source->kind)->picture; }

int wf_source_field_count(const wf_data_source *source) {
  const source_form *form = find_form(source->kind);
  return form->fields && form->more ? source->arguments.count : form->fields;
}

int64_t wf_source_length(const wf_data_source *source) {
  bool tokens = source && (strcmp(source->kind, "tokens") == 0 || strcmp(source->kind, "text") == 0);
  return tokens && source->arguments.count > 1 ? (int64_t)source->arguments.items[1].number : 0;
}

static wf_diagnostic *unknown_source(wf_train_block *block, wf_loc loc, const char *kind) {
  const char *names[SOURCE_COUNT];
  for (int i = 0; i < SOURCE_COUNT; i++) names[i] = source_forms[i].kind;
  wf_diagnostic *error = wf_error(block->diag, loc, "there is no data source `%s`", kind);
  const char *near = wf_did_you_mean(kind, names, SOURCE_COUNT);
  if (near) wf_help(block->diag, error, "did you mean `%s`?", near);
  else wf_help(block->diag, error, "the sources are idx, cifar10, npy, npz, safetensors, tokens, text and folder");
  return error;
}

static int form_parameters(const source_form *form, const char **names) {
  int count = 0;
  while (form->parameters[count].name) names[count] = form->parameters[count].name, count++;
  return count;
}

// The position of an argument among the parameters of its source, or -1 with an error.
static int argument_position(wf_train_block *block, const wf_ast_arg *arg, int ordinal, const source_form *form) {
  const char *names[8];
  int count = form_parameters(form, names);
  if (!arg->name && ordinal < (form->more ? SOURCE_ARGUMENTS : form->positional)) return ordinal;
  for (int i = 0; arg->name && i < count; i++)
    if (strcmp(arg->name, names[i]) == 0) return i;
  wf_diagnostic *error = arg->name ? wf_error(block->diag, arg->loc, "%s has no argument `%s`", form->kind, arg->name)
                                   : wf_error(block->diag, arg->loc, "%s takes no more than %d arguments without a name", form->kind,
                                              form->more ? SOURCE_ARGUMENTS : form->positional);
  const char *near = arg->name ? wf_did_you_mean(arg->name, names, count) : NULL;
  if (near) wf_help(block->diag, error, "did you mean `%s`?", near);
  else wf_help(block->diag, error, "for example %s", form->example);
  return -1;
}

static bool source_argument(wf_train_block *block, const wf_ast_arg *arg, const char *name, char type, wf_source_argument *out) {
  wf_val value = wf_lower_constant(block->lower, arg->value);
  if (value.kind == WF_VAL_NONE) return false;
  out->is_text = type == 't';
  if (type == 't' && value.kind == WF_VAL_STRING) return out->text = value.text, true;
  if (type != 't' && value.kind == WF_VAL_INT && value.integer >= (type == 'i')) return out->number = (double)value.integer, true;
  if (type == 'n' && value.kind == WF_VAL_FLOAT) return out->number = value.number, true;
  wf_error(block->diag, arg->loc, type == 't' ? "`%s` is a text in quotes" : type == 'i' ? "`%s` is a whole number above 0" : "`%s` is a number", name);
  return false;
}

// Arguments in the order of the parameters; those that leave a gap before them keep their names.
static void keep_arguments(wf_train_block *block, wf_data_source *source, const source_form *form, const wf_source_argument *found,
                           const bool *given) {
  bool gap = false;
  for (int i = 0; i < SOURCE_ARGUMENTS; i++) {
    gap |= !given[i] || (i >= form->positional && !form->more);
    if (!given[i]) continue;
    wf_source_argument argument = found[i];
    argument.name = gap ? form->parameters[i].name : NULL;
    wf_vec_push(block->arena, &source->arguments, argument);
  }
}

static wf_data_source *read_source(wf_train_block *block, const wf_ast_expr *expr) {
  const char *kind = expr->kind == WF_E_CALL || expr->kind == WF_E_NAME ? expr->text : NULL;
  if (!kind) {
    wf_error(block->diag, expr->loc, "a data source is written like %s", source_forms[0].example);
    return NULL;
  }
  const source_form *form = find_form(kind);
  if (!form) return unknown_source(block, expr->loc, kind), NULL;
  wf_source_argument found[SOURCE_ARGUMENTS] = {{0}};
  bool given[SOURCE_ARGUMENTS] = {false};
  const char *names[8];
  int count = form_parameters(form, names);
  for (int i = 0; i < expr->args.count; i++) {
    const wf_ast_arg *arg = &expr->args.items[i];
    int at = argument_position(block, arg, i, form);
    if (at < 0) return NULL;
    const char *name = at < count ? names[at] : "name";
    if (!source_argument(block, arg, name, at < count ? form->parameters[at].type : 't', &found[at])) return NULL;
    given[at] = true;
  }
  for (int i = 0; i < form->least; i++)
    if (!given[i]) {
      wf_diagnostic *error = wf_error(block->diag, expr->loc, "%s needs `%s`", kind, names[i]);
      wf_help(block->diag, error, "for example %s", form->example);
      return NULL;
    }
  wf_data_source *source = WF_NEW(block->arena, wf_data_source);
  source->kind = form->kind;
  source->loc = expr->loc;
  keep_arguments(block, source, form, found, given);
  return source;
}

static wf_data_source *source_field(wf_train_block *block, const char *name) {
  const wf_ast_field *field = find_field(block, name);
  wf_ast_expr *value = field ? single_value(block, field) : NULL;
  return value ? read_source(block, value) : NULL;
}

static void read_sources(wf_train_block *block) {
  int before = block->diag->errors;
  block->spec->data = source_field(block, "data");
  block->spec->test = source_field(block, "test");
  const wf_data_source *data = block->spec->data, *test = block->spec->test;
  if (!data && block->diag->errors == before) missing(block, "data", "data idx(\"images.gz\", \"labels.gz\")");
  if (data && test && wf_source_is_picture(data) != wf_source_is_picture(test)) {
    wf_diagnostic *error = wf_error(block->diag, test->loc, "test data from `%s` do not have the form of the training data", test->kind);
    wf_note(block->diag, error, data->loc, "training data come from `%s`", data->kind);
  }
}

// ---- callables ---------------------------------------------------------------------------------------------------------

static wf_callable *callable_of(wf_train_block *block, const wf_ast_expr *expr, wf_ast_decl_kind kind, const char *field) {
  wf_callable *callable = wf_lower_callable(block->lower, expr);
  if (!callable) return NULL;
  if (callable->decl->kind != kind) {
    wf_diagnostic *error = wf_error(block->diag, expr->loc, "`%s` takes an %s, and `%s` is none", field,
                                    kind == WF_D_OPTIMIZER ? "optimizer" : "op", callable->decl->name);
    wf_note(block->diag, error, callable->decl->name_loc, "`%s` is defined here", callable->decl->name);
    return NULL;
  }
  return callable;
}

// --set optimizer.lr=0.1: the compile-time parameters of what a field names.
static void bind_settings(wf_train_block *block, const char *field, wf_callable *callable) {
  for (int i = 0; i < callable->decl->parameters.count; i++) {
    const char *name = callable->decl->parameters.items[i].name;
    const char *key = wf_arena_printf(block->arena, "%s.%s", field, name);
    const char *text = wf_lower_set(block->lower, key);
    wf_lower_known_set(block->lower, key);
    if (!text) continue;
    wf_val value = wf_lower_parse_value(block->lower, key, text);
    if (value.kind != WF_VAL_NONE) wf_callable_bind(block->lower, callable, name, value);
  }
}

static wf_callable *callable_field(wf_train_block *block, const char *name, wf_ast_decl_kind kind, wf_loc *out_loc) {
  const wf_ast_field *field = find_field(block, name);
  wf_ast_expr *value = field ? single_value(block, field) : NULL;
  if (!value) return NULL;
  *out_loc = value->loc;
  wf_callable *callable = callable_of(block, value, kind, name);
  if (callable) bind_settings(block, name, callable);
  return callable;
}

static void read_augments(wf_train_block *block, const wf_ast_expr *expr) {
  if (expr->kind == WF_E_PIPE) {
    read_augments(block, expr->a);
    read_augments(block, expr->b);
    return;
  }
  wf_callable *callable = callable_of(block, expr, WF_D_OP, "augment");
  if (!callable) return;
  bind_settings(block, "augment", callable);
  wf_vec_push(block->arena, &block->augments, callable);
  wf_vec_push(block->arena, &block->augment_locs, expr->loc);
}

// The results of `eval` beside the loss; a second op of the same name gets a number.
static const char *metric_name(wf_train_block *block, const char *name) {
  int same = 1;
  for (int i = 0; i < block->metrics.count; i++) same += strcmp(block->metrics.items[i]->decl->name, name) == 0;
  return same == 1 ? name : wf_arena_printf(block->arena, "%s_%d", name, same);
}

static void read_metrics(wf_train_block *block) {
  const wf_ast_field *field = find_field(block, "metric");
  for (int i = 0; field && i < field->values.count; i++) {
    wf_callable *callable = callable_of(block, field->values.items[i], WF_D_OP, "metric");
    if (!callable) continue;
    bind_settings(block, "metric", callable);
    wf_vec_push(block->arena, &block->spec->metrics, metric_name(block, callable->decl->name));
    wf_vec_push(block->arena, &block->metrics, callable);
    wf_vec_push(block->arena, &block->metric_locs, field->values.items[i]->loc);
  }
}

static void read_callables(wf_train_block *block) {
  int before = block->diag->errors;
  block->loss = callable_field(block, "loss", WF_D_OP, &block->loss_loc);
  if (!block->loss && block->diag->errors == before) missing(block, "loss", "loss cross_entropy");
  before = block->diag->errors;
  block->optimizer = callable_field(block, "optimizer", WF_D_OPTIMIZER, &block->optimizer_loc);
  if (!block->optimizer && block->diag->errors == before) missing(block, "optimizer", "optimizer adamw(lr=1e-3)");
  if (block->optimizer) block->spec->optimizer = block->optimizer->decl->name;
  block->clip = callable_field(block, "clip", WF_D_OP, &block->clip_loc);
  read_metrics(block);
  const wf_ast_field *augment = find_field(block, "augment");
  wf_ast_expr *pipeline = augment ? single_value(block, augment) : NULL;
  if (pipeline) read_augments(block, pipeline);
}

static void read_labels(wf_train_block *block) {
  const wf_ast_field *field = find_field(block, "labels");
  wf_ast_expr *value = field ? single_value(block, field) : NULL;
  if (!value) return;
  wf_val list = wf_lower_constant(block->lower, value);
  bool texts = list.kind == WF_VAL_LIST;
  for (int i = 0; texts && i < list.count; i++) {
    texts = list.items[i].kind == WF_VAL_STRING;
    if (texts) wf_vec_push(block->arena, &block->spec->labels, list.items[i].text);
  }
  if (!texts && list.kind != WF_VAL_NONE) wf_error(block->diag, value->loc, "`labels` takes a list of texts, like [\"cat\", \"dog\"]");
}

bool wf_train_read_fields(wf_train_block *block) {
  int before = block->diag->errors;
  check_names(block);
  read_numbers(block);
  read_precision(block);
  read_sources(block);
  read_callables(block);
  read_labels(block);
  return block->diag->errors == before;
}
