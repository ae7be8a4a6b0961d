#include "runtime/command/command.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void weft_command_look(weft_command *c) {
  bool plain = getenv("NO_COLOR") && *getenv("NO_COLOR");
  c->terminal = isatty(STDOUT_FILENO);
  c->colour_out = c->terminal && !plain;
  c->colour_err = isatty(STDERR_FILENO) && !plain;
}

const char *weft_command_folder(wf_arena *arena, const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? wf_arena_strndup(arena, path, (size_t)(slash - path + 1)) : ".";
}

int weft_command_status(const weft_command *c, weft_status *status) {
  if (!status) return EXIT_DONE;
  fflush(stdout);
  fprintf(stderr, "%s%s\n", c->colour_err ? "\033[1;31merror:\033[0m " : "error: ", weft_status_message(status));
  int code = weft_status_code(status);
  weft_status_free(status);
  return code;
}
