// weft fmt: the standard form of a .net file, to stdout, to -o FILE or (-w) in place.
#include <stdio.h>
#include "cli/cli.h"
#include "cli/source.h"
#include "frontend/frontend.h"

int cli_fmt(cli *c) {
  wf_source *source = cli_read_source(c);
  if (!source) return cli_report(c);
  wf_ast_file *file = wf_parse_net(c->arena, c->diag, source);
  if (!file || c->diag->errors) return cli_report(c);
  wf_text text;
  wf_text_init(&text);
  wf_ast_format(&text, file);
  bool same = text.length == source->size && !memcmp(text.data, source->text, source->size);
  int code = c->options.write && same ? EXIT_DONE
                                      : cli_write(c, c->options.write ? c->options.file : c->options.output_file, text.data, text.length);
  wf_text_deinit(&text);
  return code;
}
