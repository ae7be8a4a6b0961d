// What the `weft` command and standalone programs share: the words of the command line that reach the runtime, where things
// are printed, exit codes. Files of this folder may print; the rest of the runtime does not.
#ifndef WEFT_COMMAND_COMMAND_H
#define WEFT_COMMAND_COMMAND_H
#include <stdbool.h>
#include "ir/arena.h"
#include "runtime/status.h"

enum { EXIT_DONE = 0, EXIT_INPUT = 1, EXIT_USAGE = 2, EXIT_ENVIRONMENT = 3, EXIT_CHECK = 4, EXIT_OURS = 70 };

typedef WF_VEC(const char *) weft_word_list;   // in the order of the command line

typedef struct weft_command {
  wf_arena *arena;
  const char *title;            // "weft run", "./classify run": starts messages
  const char *file;             // the network that runs, for messages: "cnn.net", "./classify"
  const char *net_folder;       // where data is looked up after --data
  const char *unpacked;         // folder of unpacked copies of data files (runtime/data/unpacked.h), or NULL
  const char *target, *weights, *save, *resume, *init, *log, *data;
  weft_word_list inputs, outputs, sets, files;   // files: words that are no options
  int threads, save_every;
  bool eval, json, verbose, allow_nan, help;
  bool colour_out, colour_err, terminal;   // stdout and stderr are terminals and NO_COLOR is not set; stdout is a terminal
} weft_command;

// Looks at stdout, stderr and NO_COLOR.
void weft_command_look(weft_command *c);
// The folder of a path, for net_folder.
const char *weft_command_folder(wf_arena *arena, const char *path);
// Prints a status (NULL: nothing) and frees it; its exit code.
int weft_command_status(const weft_command *c, weft_status *status);
#endif
