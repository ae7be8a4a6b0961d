// From the file on the command line to a module, and through the passes.
#ifndef WEFT_CLI_MODULE_H
#define WEFT_CLI_MODULE_H
#include "cli/source.h"
#include "ir/kir.h"
#include "passes/passes.h"

// A .wir file is parsed; anything else goes through the front end (out_compiled may be NULL; it gets NULL for .wir).
// NULL with errors in c->diag.
wf_module *cli_load_module(cli *c, wf_compiled **out_compiled);
// Runs `passes` with the command line's --print-after, --stats, --time. stop_after: the pass after which to stop, or NULL.
// verify: after each pass, not only after the last.
bool cli_run_passes(cli *c, wf_module *module, const char *passes, const char *stop_after, bool verify);
int cli_unknown_pass(const char *verb, const char *name);                // EXIT_USAGE, with a suggestion
double cli_now(void);                                                      // seconds of the monotonic clock
void cli_print_seconds(const cli *c, const char *name, double seconds);    // with --time: how long a phase took
#endif
