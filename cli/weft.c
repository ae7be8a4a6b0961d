// The weft command: finds the verb, parses its options, hands over to its file.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "cli/module.h"
#include "cli/program.h"
#include "cli/target.h"

typedef struct verb_row { const char *name; bool file; int (*run)(cli *c); } verb_row;
static const verb_row verbs[] = {
#define CLI_VERB(name, file_argument, summary) {#name, file_argument, cli_##name},
#include "cli/verbs.def"
#undef CLI_VERB
};
enum { VERB_COUNT = sizeof verbs / sizeof *verbs };

int cli_report(cli *c) {
  fflush(stdout);
  wf_diag_print(c->diag, stderr, c->colour_err);
  return c->diag->errors ? EXIT_INPUT : EXIT_DONE;
}

int cli_write(cli *c, const char *path, const char *text, size_t length) {
  if (!path || !strcmp(path, "-")) {
    if (fwrite(text, 1, length, stdout) == length && fflush(stdout) == 0) return EXIT_DONE;
    fprintf(stderr, "weft: cannot write to stdout: %s\n", strerror(errno));
    return EXIT_ENVIRONMENT;
  }
  return cli_status(c, weft_file_write(path, text, length));
}

static int unknown_verb(const char *word) {
  const char *names[VERB_COUNT];
  for (int i = 0; i < VERB_COUNT; i++) names[i] = verbs[i].name;
  const char *hint = wf_did_you_mean(word, names, VERB_COUNT);
  fprintf(stderr, "weft: unknown verb `%s`%s%s%s\ntry: weft --help\n", word, hint ? "; did you mean `" : "", hint ? hint : "", hint ? "`?" : "");
  return EXIT_USAGE;
}

static int run_verb(const verb_row *verb, int argc, char **argv) {
  wf_arena *arena = wf_arena_create();
  cli c = {.arena = arena, .diag = wf_diag_create(arena), .start = cli_now()};
  weft_command terminal = {0};
  weft_command_look(&terminal);
  c.terminal = terminal.terminal;
  c.colour_out = terminal.colour_out;
  c.colour_err = terminal.colour_err;
  int code = cli_parse_options(&c, verb->name, argc, argv);
  if (code == EXIT_DONE && c.options.help) cli_print_help(verb->name);
  else if (code == EXIT_DONE && verb->file && !c.options.file) {
    fprintf(stderr, "weft %s: which file?\nusage: weft %s FILE.net [options]\n", verb->name, verb->name);
    code = EXIT_USAGE;
  } else if (code == EXIT_DONE) {
    code = cli_check_target(&c, verb->name);
    if (code == EXIT_DONE) code = verb->run(&c);
  }
  wf_arena_destroy(arena);
  return code;
}

int main(int argc, char **argv) {
  if (argc < 2) { cli_print_help(NULL); return EXIT_USAGE; }
  if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) { cli_print_help(NULL); return EXIT_DONE; }
  if (!strcmp(argv[1], "--version")) { printf("weft %s\n", WEFT_VERSION); return EXIT_DONE; }
  for (int i = 0; i < VERB_COUNT; i++)
    if (!strcmp(argv[1], verbs[i].name)) return run_verb(&verbs[i], argc - 2, argv + 2);
  return unknown_verb(argv[1]);
}
