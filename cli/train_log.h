// What --log DIR holds: scalars.jsonl (one object a step and an epoch), curve.png, summary.json.
#ifndef WEFT_CLI_TRAIN_LOG_H
#define WEFT_CLI_TRAIN_LOG_H
#include <jansson.h>
#include <stdio.h>
#include "cli/cli.h"
#include "runtime/include/weft.h"

typedef WF_VEC(double) cli_series;

typedef struct cli_train_log {
  cli *c;
  const char *folder;           // NULL: no log
  FILE *scalars;
  cli_series steps, losses;     // of each step
  cli_series epoch_steps, epoch_losses, test_values;   // at each epoch's end: the mean loss, the first test metric after the loss
  const char *test_name;
} cli_train_log;

int cli_train_log_open(cli *c, cli_train_log *log);   // an exit code
void cli_train_log_step(cli_train_log *log, const weft_train_event *event);
void cli_train_log_epoch(cli_train_log *log, const weft_train_event *event);
// Writes the picture and the summary.
int cli_train_log_close(cli_train_log *log, const weft_train_result *result);
// {"step":1,"loss":2.3,...} and {"epoch":1,"train":{...},"test":{...}}: one line each, as --json prints them.
char *cli_step_json(const weft_train_event *event);   // malloced
char *cli_epoch_json(const weft_train_event *event);
#endif
