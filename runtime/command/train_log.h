// What --log DIR holds: scalars.jsonl (one object a step and an epoch), curve.png, summary.json.
#ifndef WEFT_COMMAND_TRAIN_LOG_H
#define WEFT_COMMAND_TRAIN_LOG_H
#include <jansson.h>
#include <stdio.h>
#include "runtime/command/command.h"
#include "runtime/include/weft.h"

typedef WF_VEC(double) weft_command_series;

typedef struct weft_command_train_log {
  weft_command *c;
  const char *folder;           // NULL: no log
  FILE *scalars;
  weft_command_series steps, losses;     // of each step
  weft_command_series epoch_steps, epoch_losses, test_values;   // at each epoch's end: the mean loss, the first test metric after the loss
  const char *test_name;
} weft_command_train_log;

int weft_command_train_log_open(weft_command *c, weft_command_train_log *log);   // an exit code
void weft_command_train_log_step(weft_command_train_log *log, const weft_train_event *event);
void weft_command_train_log_epoch(weft_command_train_log *log, const weft_train_event *event);
// Writes the picture and the summary.
int weft_command_train_log_close(weft_command_train_log *log, const weft_train_result *result);
// {"step":1,"loss":2.3,...} and {"epoch":1,"train":{...},"test":{...}}: one line each, as --json prints them.
char *weft_command_step_json(const weft_train_event *event);   // malloced
char *weft_command_epoch_json(const weft_train_event *event);
#endif
