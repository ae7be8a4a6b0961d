// `infer` by the reference evaluator, from the network's source and without any pass.
#ifndef WEFT_CLI_RUN_REF_H
#define WEFT_CLI_RUN_REF_H
#include "cli/cli.h"
#include "runtime/command/run.h"

// For weft_command_run; context: the cli. session: holds parameters and states by name. An exit code, with everything told.
int cli_run_ref(void *context, weft_session *session, int plan, const weft_command_run_inputs *inputs, int64_t seed, weft_command_outputs *out);
#endif
