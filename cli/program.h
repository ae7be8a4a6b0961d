// From the file on the command line to a program that is ready to run on the host.
#ifndef WEFT_CLI_PROGRAM_H
#define WEFT_CLI_PROGRAM_H
#include "cli/cli.h"
#include "codegen/build_plan.h"
#include "runtime/load_object.h"
#include "runtime/session.h"

typedef struct cli_program {
  wf_program *program;
  wf_code code;                 // its host object
  wf_object *object;            // that object, loaded
  weft_session *session;
} cli_program;

// The passes that the command line asks for (--passes, --target, precision). NULL with an error.
const char *cli_passes(cli *c, const char *precision);
// "x86-64-v3", "native": from --target.
const char *cli_host_level(cli *c);
// Compiles (or takes from the cache), loads and opens a session; --threads and profile are applied. Else the exit code,
// with everything told.
int cli_program_open(cli *c, bool profile, cli_program *out);
void cli_program_close(cli_program *program);
// Prints a status (NULL: nothing) and frees it; its exit code.
int cli_status(cli *c, weft_status *status);
// The folder of the file on the command line, where data is looked up.
const char *cli_net_folder(cli *c);
#endif
