// weft opt: runs passes over a .net or .wir file and prints the IR.
#include <stdio.h>
#include "cli/module.h"
#include "cli/program.h"

static int list_passes(void) {
  for (const wf_pass *pass = wf_pass_table; pass->name; pass++) {
    printf("%-14s %s\n", pass->name, pass->help);
    for (const wf_pass_option_info *option = wf_pass_option_table; option->pass; option++)
      if (!strcmp(option->pass, pass->name)) printf("    %s=%-*s %s: %s\n", option->key, 15 - (int)strlen(option->key), option->otherwise, option->type, option->help);
  }
  printf("\ndefault: %s\n", wf_default_passes);
  return EXIT_DONE;
}

int cli_opt(cli *c) {
  if (c->options.list_passes) return list_passes();
  if (!c->options.file) {
    fprintf(stderr, "weft opt: which file?\nusage: weft opt FILE.net|FILE.wir [--passes LIST] [-o FILE]\n");
    return EXIT_USAGE;
  }
  const char *after = c->options.print_after;
  if (after && strcmp(after, "all") != 0 && !wf_pass_find(after)) return cli_unknown_pass("opt", after);
  wf_module *module = cli_load_module(c, NULL);
  if (!module) return cli_report(c);
  if (!cli_run_passes(c, module, cli_passes(c, NULL), NULL, true)) return cli_report(c);
  wf_text text;
  wf_text_init(&text);
  wf_print_module(&text, module);
  int code = c->options.print_after ? EXIT_DONE : cli_write(c, c->options.output_file, text.data, text.length);
  wf_text_deinit(&text);
  int reported = cli_report(c);
  return code ? code : reported;
}
