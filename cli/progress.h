// One line that shows where training stands: a bar on a terminal, plain lines in a pipe.
#ifndef WEFT_CLI_PROGRESS_H
#define WEFT_CLI_PROGRESS_H
#include <stdbool.h>
#include "runtime/include/weft.h"

typedef struct cli_progress {
  bool terminal, colour;
  double shown;                 // seconds of training when the line was last drawn
  int64_t line_every;           // in a pipe: a line each so many steps
} cli_progress;

void cli_progress_step(cli_progress *progress, const weft_train_event *event);
void cli_progress_epoch(cli_progress *progress, const weft_train_event *event);
#endif
