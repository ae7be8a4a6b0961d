// weft compile --emit ptx and --emit cubin.
#ifndef WEFT_CLI_EMIT_GPU_H
#define WEFT_CLI_EMIT_GPU_H
#include "cli/cli.h"

int cli_emit_ptx(cli *c);
int cli_emit_cubin(cli *c);
#endif
