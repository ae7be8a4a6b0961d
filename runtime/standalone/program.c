// The main function of standalone programs (weft build): run and, where the program holds it, train, with the words and the
// output of the weft command.
#include <stdio.h>
#include <sys/auxv.h>
#include <unistd.h>
#include "runtime/command/options.h"
#include "runtime/command/run.h"
#include "runtime/command/train.h"
#include "runtime/program_load.h"
#include "runtime/standalone/payload.h"

#define ROW(name, kind, field, verbs, argument, help) {name, verbs, argument, help, WEFT_OPTION_##kind, offsetof(weft_command, field)}
static const weft_option_row rows[] = {
  ROW("--input", LIST, inputs, "run", "NAME=FILE", "an input: .npy, .npz:KEY, .png, .jpg, raw, text:WORDS; test:0-9 takes samples"),
  ROW("--output", LIST, outputs, "run", "NAME=FILE", "write a result as .npy"),
  ROW("--weights", TEXT, weights, "run", "FILE", "weights (.safetensors)"),
  ROW("--set", LIST, sets, "train", "KEY=VALUE", "epochs, steps or seed"),
  ROW("--save", TEXT, save, "train", "FILE", "write a checkpoint (.safetensors) after each epoch and at the end"),
  ROW("--save-every", NUMBER, save_every, "train", "N", "also save after each N steps"),
  ROW("--resume", TEXT, resume, "train", "FILE", "go on from a checkpoint"),
  ROW("--init", TEXT, init, "train", "FILE", "start from these weights (.safetensors)"),
  ROW("--log", TEXT, log, "train", "DIR", "write scalars (JSON lines) and a picture of the curves"),
  ROW("--eval", FLAG, eval, "train", NULL, "evaluate on the test data even when steps stop early"),
  ROW("--allow-nan", FLAG, allow_nan, "train", NULL, "go on when the loss is not finite"),
  ROW("--data", TEXT, data, "train run", "DIR", "where the data lies"),
  ROW("--threads", NUMBER, threads, "train run", "N", "threads of the host device"),
  ROW("--target", TEXT, target, "train run", "NAME", "the code to run: one of the targets in this program"),
  ROW("--json", FLAG, json, "train run", NULL, "one JSON object a line"),
  ROW("--verbose", FLAG, verbose, "train run", NULL, "say what is done"),
  ROW("--help", FLAG, help, "all", NULL, "this text"),
};
static const weft_option_table table = {rows, sizeof rows / sizeof *rows};

typedef struct program {
  weft_command command;
  weft_bundle bundle;
  weft_loaded loaded;
  weft_session *session;
} program;

// The file that runs, where the system tells: /proc may not be there, and the name it was started by may be relative to
// another folder by now.
static const char *own_file(char *room, size_t size) {
  ssize_t length = readlink("/proc/self/exe", room, size - 1);
  if (length > 0) {
    room[length] = 0;
    return room;
  }
  return (const char *)getauxval(AT_EXECFN);
}

static weft_status *open_payload(program *p) {
  char room[4096];
  const void *data;
  size_t size;
  TRY(weft_payload(own_file(room, sizeof room), &data, &size));
  return weft_bundle_open_memory(p->command.file, data, size, &p->bundle);
}

static weft_status *open_session(program *p) {
  TRY(weft_program_open(&p->bundle, p->command.target, NULL, p->command.threads, &p->loaded));
  weft_session_options options = {.device = p->loaded.device, .code = p->loaded.code};
  TRY(weft_session_create(&p->bundle.program, &options, &p->session));
  if (p->command.verbose) fprintf(stderr, "code for %s\n", p->bundle.program.target);
  return NULL;
}

static void print_help(program *p, const char *verb) {
  printf("usage: %s [run] [FILE...] [options]: run the network on inputs\n       %s train [options]: train it, where the program was built for that\n\n", p->command.file,
         p->command.file);
  weft_options_print(&table, verb);
  printf("\ntargets in this program:");
  for (int i = 0; i < p->bundle.part_count; i++)
    if (p->bundle.parts[i].kind == WEFT_PART_PROGRAM) printf(" %s", p->bundle.parts[i].target);
  printf("\nExit codes: 0 done, 1 the input is wrong, 2 usage, 3 the environment lacks something, 70 a bug of weft.\n");
}

static int run(program *p) {
  const weft_part *weights;
  weft_status *failed = weft_bundle_part(&p->bundle, WEFT_PART_WEIGHTS, "", &weights);
  return failed ? weft_command_status(&p->command, failed) : weft_command_run(&p->command, p->session, weights, NULL);
}

static int train(program *p) {
  weft_command *c = &p->command;
  if (c->files.count) {
    fprintf(stderr, "%s: `%s`: training takes no files; --data DIR says where the data lies\n", c->title, c->files.items[0]);
    return EXIT_USAGE;
  }
  if (weft_session_plan(p->session, "step") < 0) {
    fprintf(stderr, "%s: this program runs the network and does not train it; `weft build --train` makes one that does\n", c->title);
    return EXIT_USAGE;
  }
  return weft_command_train(c, p->session);
}

static int act(program *p, const char *verb, int argc, char **argv) {
  weft_command *c = &p->command;
  int code = weft_command_status(c, open_payload(p));
  if (code == EXIT_DONE) code = weft_options_parse(&table, c->arena, c->title, verb, argc, argv, c, &c->files);
  if (code) return code;
  if (c->help || (argc == 0 && strcmp(verb, "run") == 0)) {
    print_help(p, verb);
    return c->help ? EXIT_DONE : EXIT_USAGE;
  }
  code = weft_command_status(c, open_session(p));
  if (code) return code;
  return strcmp(verb, "run") == 0 ? run(p) : train(p);
}

int main(int argc, char **argv) {
  bool named = argc > 1 && (strcmp(argv[1], "run") == 0 || strcmp(argv[1], "train") == 0);
  const char *file = argc ? argv[0] : "program", *verb = named ? argv[1] : "run";
  wf_arena *arena = wf_arena_create();
  program p = {.command = {.arena = arena, .file = file, .net_folder = weft_command_folder(arena, file)}};
  p.command.title = named ? wf_arena_printf(arena, "%s %s", file, verb) : file;
  weft_command_look(&p.command);
  int code = act(&p, verb, argc > 0 ? argc - 1 - named : 0, argv + 1 + named);
  weft_session_destroy(p.session);
  weft_loaded_close(&p.loaded);
  weft_bundle_close(&p.bundle);
  wf_arena_destroy(arena);
  return code;
}
