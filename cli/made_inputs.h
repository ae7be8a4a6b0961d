// Made inputs of a plan, so that a network can be timed without its data.
#ifndef WEFT_CLI_MADE_INPUTS_H
#define WEFT_CLI_MADE_INPUTS_H
#include "cli/cli.h"
#include "runtime/session.h"

typedef struct cli_inputs { weft_named_tensor *items; int count; } cli_inputs;
// Random values (fixed seed) of each input's type: integers below the range that the program states (else below 2), pictures over all of u8.
// Every symbol that a shape holds takes `symbol_value`. Storage is the arena's.
cli_inputs cli_made_inputs(cli *c, weft_session *session, int plan, int64_t symbol_value);
#endif
