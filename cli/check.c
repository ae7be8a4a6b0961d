// weft check: every mistake in a .net file, without opening data.
#include <stdio.h>
#include "cli/source.h"
#include "ir/ir.h"

int cli_check(cli *c) {
  wf_frontend_options options;
  wf_source *source = cli_read_source(c);
  if (!source || !cli_frontend_options(c, &options)) return cli_report(c);
  wf_compiled *compiled = wf_frontend_compile(c->arena, c->diag, source, &options);
  if (compiled && !c->diag->errors && !wf_verify(compiled->module, c->diag)) { cli_report(c); return EXIT_OURS; }
  int code = cli_report(c);
  if (code == EXIT_DONE) printf("%s: no mistakes\n", c->options.file);
  return code;
}
