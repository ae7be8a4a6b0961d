// weft train: compiles the network and trains it on its data.
#include "runtime/command/train.h"
#include "cli/program.h"

int cli_train(cli *c) {
  cli_program program;
  int code = cli_program_open(c, false, &program);
  weft_command command = cli_command(c, "weft train");
  if (cli_is_bundle(c->options.file)) command.sets = c->options.sets;   // else the front end has taken them
  if (code == EXIT_DONE) code = weft_command_train(&command, program.session);
  cli_program_close(&program);
  return code;
}
