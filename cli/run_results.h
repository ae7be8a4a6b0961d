// What `weft run` shows: predictions where the network names labels or top, else a summary of each output.
#ifndef WEFT_CLI_RUN_RESULTS_H
#define WEFT_CLI_RUN_RESULTS_H
#include "cli/run_inputs.h"

typedef struct cli_outputs { weft_named_tensor *items; int count; } cli_outputs;

void cli_show_results(cli *c, const weft_metadata *metadata, const cli_run_inputs *inputs, const cli_outputs *outputs);
// Writes what --output asks for.
weft_status *cli_write_outputs(cli *c, const cli_outputs *outputs);
#endif
