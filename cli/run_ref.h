// `infer` by the reference evaluator, from the network's source and without any pass.
#ifndef WEFT_CLI_RUN_REF_H
#define WEFT_CLI_RUN_REF_H
#include "cli/run_results.h"

// session: holds parameters and states by name. An exit code, with everything told.
int cli_run_ref(cli *c, weft_session *session, int plan, const cli_run_inputs *inputs, int64_t seed, cli_outputs *out);
#endif
