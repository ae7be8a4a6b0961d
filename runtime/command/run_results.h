// What `weft run` shows: predictions where the network names labels or top, else a summary of each output.
#ifndef WEFT_COMMAND_RUN_RESULTS_H
#define WEFT_COMMAND_RUN_RESULTS_H
#include "runtime/command/run_inputs.h"

typedef struct weft_command_outputs { weft_named_tensor *items; int count; } weft_command_outputs;

void weft_command_show_results(weft_command *c, const weft_metadata *metadata, const weft_command_run_inputs *inputs, const weft_command_outputs *outputs);
// Writes what --output asks for.
weft_status *weft_command_write_outputs(weft_command *c, const weft_command_outputs *outputs);
#endif
