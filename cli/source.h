// Reading the file that the command line names, and the options that the front end wants.
#ifndef WEFT_CLI_SOURCE_H
#define WEFT_CLI_SOURCE_H
#include "cli/cli.h"
#include "frontend/frontend.h"

// NULL with an error in c->diag. `-` reads stdin.
wf_source *cli_read_source(cli *c);
// --set and --limit for the front end. False with an error in c->diag.
bool cli_frontend_options(cli *c, wf_frontend_options *out_options);
#endif
