// weft run: a network's results on inputs, by compiled code or (--device ref) by the reference evaluator.
#include "runtime/command/run.h"
#include "cli/program.h"
#include "cli/run_ref.h"
#include "cli/target.h"

int cli_run(cli *c) {
  cli_program program;
  int code = cli_program_open(c, false, &program);
  weft_command command = cli_command(c, "weft run");
  weft_command_evaluator ref = {cli_run_ref, c};
  if (code == EXIT_DONE) code = weft_command_run(&command, program.session, program.weights, cli_on_ref(c) ? &ref : NULL);
  cli_program_close(&program);
  return code;
}
