// weft check: every mistake in a .net file, without opening data: of the main net, and of what it does not call.
#include <stdio.h>
#include <string.h>
#include "cli/source.h"
#include "ir/ir.h"

static bool is_set(const wf_frontend_options *options, const char *name) {
  for (int i = 0; i < options->sets.count; i++)
    if (!strcmp(options->sets.items[i].key, name)) return true;
  return false;
}

// Has all that its signature leaves open a default? Else it is for others to call, and no program.
static bool stands_alone(const wf_frontend_options *options, const wf_ast_decl *decl) {
  for (int i = 0; i < decl->parameters.count; i++)
    if (!decl->parameters.items[i].otherwise && !is_set(options, decl->parameters.items[i].name)) return false;
  const wf_ast_formals *open = decl->arguments.count ? &decl->arguments : &decl->results;   // an op without arguments fits where it is used
  for (int i = 0; i < open->count; i++)
    for (int k = 0; k < open->items[i].type->shape.count; k++)
      if (open->items[i].type->shape.items[k].rest) return false;
  return true;
}

int cli_check(cli *c) {
  wf_frontend_options options;
  wf_source *source = cli_read_source(c);
  if (!source || !cli_frontend_options(c, &options)) return cli_report(c);
  wf_net_model *model = wf_model_load(c->arena, c->diag, source, &options);
  bool parsed = model && !c->diag->errors;
  bool others_only = parsed && !model->train && !is_set(&options, "net") &&
                     (model->net ? !stands_alone(&options, model->net) : model->main->decls.count > 0);
  wf_compiled *compiled = parsed && !others_only ? wf_frontend_compile_model(model) : NULL;
  if (compiled && !c->diag->errors && !wf_verify(compiled->module, c->diag)) { cli_report(c); return EXIT_OURS; }
  if (parsed) wf_frontend_check(model);
  int code = cli_report(c);
  if (code == EXIT_DONE) printf("%s: no mistakes\n", c->options.file);
  return code;
}
