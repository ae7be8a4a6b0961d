// One line that shows where training stands: a bar on a terminal, plain lines in a pipe.
#ifndef WEFT_COMMAND_PROGRESS_H
#define WEFT_COMMAND_PROGRESS_H
#include <stdbool.h>
#include "runtime/include/weft.h"

typedef struct weft_command_progress {
  bool terminal, colour;
  double shown;                 // seconds of training when the line was last drawn
  int64_t line_every;           // in a pipe: a line each so many steps
} weft_command_progress;

void weft_command_progress_step(weft_command_progress *progress, const weft_train_event *event);
void weft_command_progress_epoch(weft_command_progress *progress, const weft_train_event *event);
#endif
