// Bundles as `weft compile -o M.weft` and `weft build` make them: the network for every target of the command line.
#ifndef WEFT_CLI_BUNDLE_H
#define WEFT_CLI_BUNDLE_H
#include "cli/program.h"

// inference: only the plan that runs the network. --weights travels along, reduced to what inference reads. An exit code, with
// everything told; out->data is heap memory.
int cli_bundle_make(cli *c, bool inference, weft_bytes *out);
#endif
