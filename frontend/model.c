// Loading a model: the file, what it imports, the library; which name means which declaration.
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include "frontend/frontend.h"

// ---- limits ---------------------------------------------------------------------------------------------------------------------
static const wf_limits default_limits = {100000, (int64_t)1 << 40, 200, 4 << 20};

bool wf_limits_set(wf_limits *limits, wf_diag *diag, const char *name, const char *value) {
  static const char *const names[] = {"statements", "elements", "nesting", "file"};
  int64_t *fields[] = {&limits->statements, &limits->elements, &limits->nesting, &limits->file};
  for (int i = 0; i < 4; i++) {
    if (strcmp(names[i], name)) continue;
    char *end;
    long long number = strtoll(value, &end, 10);
    if (*end || end == value || number < 1) return wf_error(diag, WF_NOWHERE, "the limit `%s` is a positive int, not `%s`", name, value), false;
    *fields[i] = number;
    return true;
  }
  wf_diagnostic *error = wf_error(diag, WF_NOWHERE, "there is no limit `%s`", name);
  const char *hint = wf_did_you_mean(name, names, 4);
  if (hint) wf_help(diag, error, "did you mean `%s`?", hint);
  else wf_help(diag, error, "the limits are statements, elements, nesting and file");
  return false;
}

static void fill_limits(wf_limits *limits) {
  if (!limits->statements) limits->statements = default_limits.statements;
  if (!limits->elements) limits->elements = default_limits.elements;
  if (!limits->nesting) limits->nesting = default_limits.nesting;
  if (!limits->file) limits->file = default_limits.file;
  if (limits->nesting > 400) limits->nesting = 400;   // what walks the tree recurses
}

// ---- declarations -----------------------------------------------------------------------------------------------------------------
typedef enum origin { FROM_LIBRARY, FROM_IMPORT, FROM_MAIN } origin;

typedef struct loading {
  wf_net_model *model;
  wf_map origins;               // name -> origin + 1
  wf_map paths;                 // real path -> loaded (1: being loaded, 2: done)
} loading;

static void declare(loading *load, wf_ast_decl *decl, origin from) {
  wf_net_model *model = load->model;
  intptr_t before = (intptr_t)wf_map_get(&load->origins, decl->name) - 1;
  if (before > (intptr_t)from) return;
  if (before == (intptr_t)from) {
    wf_ast_decl *other = wf_map_get(&model->decls, decl->name);
    wf_diagnostic *error = wf_error(model->diag, decl->name_loc, "`%s` is defined twice", decl->name);
    wf_note(model->diag, error, other->name_loc, "here already");
    return;
  }
  wf_map_set(&load->origins, decl->name, (void *)((intptr_t)from + 1));
  wf_map_set(&model->decls, decl->name, decl);
}

static void set_once(loading *load, wf_ast_decl **slot, wf_ast_decl *decl, const char *what) {
  if (!*slot) { *slot = decl; return; }
  wf_diagnostic *error = wf_error(load->model->diag, decl->loc, "a file has at most one `%s`", what);
  wf_note(load->model->diag, error, (*slot)->loc, "here already");
}

static void import_file(loading *load, const wf_ast_decl *import, const wf_source *importer);

static void add_file(loading *load, wf_ast_file *file, origin from) {
  wf_net_model *model = load->model;
  wf_vec_push(model->arena, &model->files, file);
  for (int i = 0; i < file->decls.count; i++) {
    wf_ast_decl *decl = file->decls.items[i];
    switch (decl->kind) {
      case WF_D_IMPORT: import_file(load, decl, file->source); break;
      case WF_D_LET: case WF_D_OP: case WF_D_NET: case WF_D_OPTIMIZER: declare(load, decl, from); break;
      case WF_D_TRAIN: if (from == FROM_MAIN) set_once(load, &model->train, decl, "train"); break;
      case WF_D_MESH: if (from == FROM_MAIN) set_once(load, &model->mesh, decl, "mesh"); break;
    }
  }
}

// ---- imports ------------------------------------------------------------------------------------------------------------------------
static const char *resolve(wf_arena *arena, const char *importer, const char *path) {
  if (path[0] == '/') return path;
  char *copy = wf_arena_strdup(arena, importer);
  const char *folder = dirname(copy);
  return strcmp(folder, ".") ? wf_arena_printf(arena, "%s/%s", folder, path) : path;
}

static void import_file(loading *load, const wf_ast_decl *import, const wf_source *importer) {
  wf_net_model *model = load->model;
  if (!import->name[0]) return;   // a string that was not closed
  const char *path = resolve(model->arena, importer->path, import->name);
  char *real = realpath(path, NULL);
  if (!real) {
    wf_diagnostic *error = wf_error(model->diag, import->name_loc, "cannot find `%s`", import->name);
    wf_help(model->diag, error, "an import is relative to the file that holds it; the library needs none");
    return;
  }
  const char *key = wf_arena_strdup(model->arena, real);
  free(real);
  intptr_t state = (intptr_t)wf_map_get(&load->paths, key);
  if (state == 1) wf_error(model->diag, import->name_loc, "`%s` imports itself, directly or through others", import->name);
  if (state) return;
  wf_map_set(&load->paths, key, (void *)1);
  wf_source *source = wf_source_read(model->arena, model->diag, path, (size_t)model->limits.file);
  if (source) add_file(load, wf_parse_net(model->arena, model->diag, source), FROM_IMPORT);
  wf_map_set(&load->paths, key, (void *)2);
}

static void load_library(loading *load) {
  wf_net_model *model = load->model;
  for (const struct weft_embedded *file = weft_std_library; file->name; file++) {
    wf_source *source = WF_NEW(model->arena, wf_source);
    *source = (wf_source){wf_arena_printf(model->arena, "std/%s", file->name), wf_arena_strndup(model->arena, file->text, file->size), file->size, true};
    add_file(load, wf_parse_net(model->arena, model->diag, source), FROM_LIBRARY);
  }
}

// ---- the main net ---------------------------------------------------------------------------------------------------------------------
static wf_ast_decl *named_net(wf_net_model *model, const char *name, wf_loc loc) {
  wf_ast_decl *found = wf_map_get(&model->decls, name);
  if (found && (found->kind == WF_D_NET || found->kind == WF_D_OP)) return found;
  const char **names = WF_NEW_ARRAY(model->arena, const char *, model->decls.count);
  int count = 0;
  for (int i = 0; i < model->decls.count; i++)
    if (((wf_ast_decl *)model->decls.values[i])->kind == WF_D_NET) names[count++] = model->decls.keys[i];
  wf_diagnostic *error = wf_error(model->diag, loc, "there is no net `%s`", name);
  const char *hint = wf_did_you_mean(name, names, count);
  if (hint) wf_help(model->diag, error, "did you mean `%s`?", hint);
  return NULL;
}

static wf_ast_decl *last_of(const wf_ast_file *file, wf_ast_decl_kind kind) {
  for (int i = file->decls.count - 1; i >= 0; i--)
    if (file->decls.items[i]->kind == kind) return file->decls.items[i];
  return NULL;
}

static void choose_net(wf_net_model *model) {
  const wf_frontend_options *options = model->options;
  for (int i = 0; options && i < options->sets.count; i++)
    if (!strcmp(options->sets.items[i].key, "net")) {
      model->net = named_net(model, options->sets.items[i].value, WF_NOWHERE);
      return;
    }
  if (model->train) { model->net = named_net(model, model->train->name, model->train->name_loc); return; }
  model->net = last_of(model->main, WF_D_NET);
  if (!model->net) model->net = last_of(model->main, WF_D_OP);
}

wf_net_model *wf_model_load(wf_arena *arena, wf_diag *diag, const wf_source *source, const wf_frontend_options *options) {
  wf_net_model *model = WF_NEW(arena, wf_net_model);
  model->arena = arena;
  model->diag = diag;
  model->options = options;
  if (options) model->limits = options->limits;
  fill_limits(&model->limits);
  wf_map_init(&model->decls, arena);
  wf_map_init(&model->applied, arena);
  if (source->size > (size_t)model->limits.file) {
    wf_error(diag, (wf_loc){source, 0, 0, 0, 0}, "the file is larger than the limit of %lld bytes", (long long)model->limits.file);
    return NULL;
  }
  loading load = {.model = model};
  wf_map_init(&load.origins, arena);
  wf_map_init(&load.paths, arena);
  char *real = realpath(source->path, NULL);
  if (real) wf_map_set(&load.paths, wf_arena_strdup(arena, real), (void *)1);
  free(real);
  model->main = wf_parse_net(arena, diag, source);
  add_file(&load, model->main, FROM_MAIN);
  load_library(&load);
  choose_net(model);
  return model;
}
