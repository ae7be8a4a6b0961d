// The options of all verbs in one table: name, kind, where it goes, which verbs take it.
#include <stdio.h>
#include <stdlib.h>
#include "cli/cli.h"
#include "runtime/command/options.h"

#define COMPILES "train run compile opt bench"
#define ROW(name, kind, field, verbs, argument, help) {name, verbs, argument, help, WEFT_OPTION_##kind, offsetof(cli_options, field)}
static const weft_option_row rows[] = {
  ROW("--device", TEXT, device, COMPILES, "NAME", "auto (a GPU where there is one), cpu, cuda, simt or ref"),
  ROW("--target", TEXT, target, COMPILES " build", "LIST", "cpu[:native|:x86-64-v2|:x86-64-v3|:x86-64-v4], cuda[:sm_80|:sm_90a]"),
  ROW("--passes", TEXT, passes, COMPILES " build", "LIST", "the passes to run, such as 'simplify,fuse{strategy=none},tile'"),
  ROW("--set", LIST, sets, COMPILES " check build", "KEY=VALUE", "a field of the train block or a compile-time parameter"),
  ROW("--threads", NUMBER, threads, COMPILES " build", "N", "threads of the host device"),
  ROW("--json", FLAG, json, COMPILES " devices", NULL, "one JSON object a line"),
  ROW("--verbose", FLAG, verbose, COMPILES " build", NULL, "say what is done"),
  ROW("--no-cache", FLAG, no_cache, COMPILES " build", NULL, "neither read nor write the kernel cache"),
  ROW("--limit", LIST, limits, COMPILES " check build", "NAME=N", "raise a limit: statements, elements, nesting, file"),
  ROW("--data", TEXT, data, "train run bench", "DIR", "where the data lies"),
  ROW("--save", TEXT, save, "train", "FILE", "write a checkpoint (.safetensors) after each epoch and at the end"),
  ROW("--save-every", NUMBER, save_every, "train", "N", "also save after each N steps"),
  ROW("--resume", TEXT, resume, "train", "FILE", "go on from a checkpoint"),
  ROW("--init", TEXT, init, "train", "FILE", "start from these weights (.safetensors)"),
  ROW("--log", TEXT, log, "train", "DIR", "write scalars (JSON lines) and a picture of the curves"),
  ROW("--eval", FLAG, eval, "train", NULL, "evaluate on the test data even when steps stop early"),
  ROW("--allow-nan", FLAG, allow_nan, "train", NULL, "go on when the loss is not finite"),
  ROW("--weights", TEXT, weights, "run compile build", "FILE", "weights (.safetensors)"),
  ROW("--input", LIST, inputs, "run", "NAME=FILE", "an input: .npy, .npz:KEY, .png, .jpg, raw, text:WORDS; test:0-9 takes samples"),
  ROW("--output", LIST, outputs, "run", "NAME=FILE", "write a result as .npy"),
  ROW("--emit", TEXT, emit, "compile", "STAGE", "ast, ir, ir@PASS, kernels, plan, llvm, asm, obj, ptx or cubin"),
  ROW("-o", TEXT, output_file, "compile build opt", "FILE", "write there"),
  ROW("--train", FLAG, train, "build", NULL, "a program that also trains"),
  ROW("--lib", FLAG, library, "build", NULL, "a shared library and a header instead of a program"),
  ROW("--print-after", TEXT, print_after, "opt", "PASS", "print the IR after that pass, or after all"),
  ROW("--list-passes", FLAG, list_passes, "opt", NULL, "list the passes"),
  ROW("--stats", FLAG, stats, "opt", NULL, "operations, FLOPs and bytes after each pass"),
  ROW("--time", FLAG, time, "opt compile build", NULL, "the time of each phase"),
  ROW("--repeat", NUMBER, repeat, "bench", "N", "steps to measure (default 10)"),
  ROW("--paced", FLAG, paced, "bench", NULL, "run as many steps as each line on stdin says"),
  ROW("-w", FLAG, write, "fmt", NULL, "rewrite the file in place"),
  ROW("--help", FLAG, help, "all", NULL, "this text"),
};
static const weft_option_table table = {rows, sizeof rows / sizeof *rows};

static const struct { const char *name, *summary; bool file; } verb_rows[] = {
#define CLI_VERB(name, file_argument, summary) {#name, summary, file_argument},
#include "cli/verbs.def"
#undef CLI_VERB
};

void cli_print_help(const char *verb) {
  if (!verb) {
    printf("weft compiles networks to kernels.\n\nusage: weft VERB [FILE.net] [options]     (weft VERB --help)\n\n");
    for (size_t i = 0; i < sizeof verb_rows / sizeof *verb_rows; i++) printf("  %-9s %s\n", verb_rows[i].name, verb_rows[i].summary);
    printf("\nExit codes: 0 done, 1 the input is wrong, 2 usage, 3 the environment lacks something, 4 a check failed, 70 a bug of weft.\n");
    return;
  }
  for (size_t i = 0; i < sizeof verb_rows / sizeof *verb_rows; i++)
    if (!strcmp(verb, verb_rows[i].name)) printf("usage: weft %s%s [options]: %s\n\n", verb, verb_rows[i].file ? " FILE.net" : " [FILE]", verb_rows[i].summary);
  weft_options_print(&table, verb);
}

int cli_parse_options(cli *c, const char *verb, int argc, char **argv) {
  weft_word_list files = {0};
  const char *title = wf_arena_printf(c->arena, "weft %s", verb);
  int code = weft_options_parse(&table, c->arena, title, verb, argc, argv, &c->options, &files);
  if (code) return code;
  if (files.count) c->options.file = files.items[0];
  if (files.count < 2) return EXIT_DONE;
  fprintf(stderr, "%s: one file is enough, but `%s` is a second one\ntry: %s --help\n", title, files.items[1], title);
  return EXIT_USAGE;
}
