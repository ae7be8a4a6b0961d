// The command line: one file a verb, one options table, shared helpers.
#ifndef WEFT_CLI_CLI_H
#define WEFT_CLI_CLI_H
#include <stdbool.h>
#include <stdint.h>
#include "ir/arena.h"
#include "ir/diag.h"
#include "runtime/command/command.h"

// Everything that any verb's options can say. Lists keep the order of the command line.
typedef struct cli_options {
  const char *file;                 // the positional argument
  const char *device, *target, *passes, *emit, *output_file, *weights, *save, *resume, *init, *log, *data, *print_after;
  weft_word_list sets, inputs, outputs, limits;
  int threads, repeat, save_every;
  bool eval, json, paced, verbose, allow_nan, list_passes, stats, time, write, train, library, help, no_cache;
} cli_options;

typedef struct cli {
  wf_arena *arena;
  wf_diag *diag;
  cli_options options;
  WF_VEC(const char *) targets;            // what --target lists, or its default: "native", "x86-64-v3", "sm_80", "sm_90a"
  const char *target;                      // the first of them: what a verb compiles for that makes one program (target.c)
  const char *device;                      // that runs it: "cpu", "cuda", "simt", "ref"; "auto": the bundle says
  double start;                            // of the process, by the monotonic clock
  bool colour_out, colour_err, terminal;   // stdout and stderr are terminals and NO_COLOR is not set; stdout is a terminal
} cli;

#define CLI_VERB(name, file_argument, summary) int cli_##name(cli *c);
#include "cli/verbs.def"
#undef CLI_VERB

// options.c: fills cli->options from the words after the verb; EXIT_DONE or EXIT_USAGE with a message.
int cli_parse_options(cli *c, const char *verb, int argc, char **argv);
void cli_print_help(const char *verb);

// Prints what the sink holds; the exit code that goes with it (EXIT_DONE without errors).
int cli_report(cli *c);
// Writes text to `path` (by a temporary name and rename) or, for NULL and "-", to stdout. EXIT_DONE or EXIT_ENVIRONMENT.
int cli_write(cli *c, const char *path, const char *text, size_t length);
#endif
