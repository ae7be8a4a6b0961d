// From the file on the command line to a program that is ready to run on the host.
#ifndef WEFT_CLI_PROGRAM_H
#define WEFT_CLI_PROGRAM_H
#include "cli/cli.h"
#include "codegen/build_plan.h"
#include "codegen/program_cache.h"
#include "frontend/frontend.h"
#include "runtime/program_load.h"
#include "runtime/session.h"

typedef struct cli_program {
  wf_program *program;
  wf_code code;                 // its host object or PTX; empty for --device ref, and of bundles
  const weft_part *weights;     // of a bundle, or NULL
  weft_loaded loaded;           // the device, and that code on it
  weft_session *session;
  weft_bundle bundle;           // what `program` lies in where the file is a bundle,
  wf_cached cached;             // or where it comes from the cache
} cli_program;

// The passes that the command line asks for (--passes, --target, precision). NULL with an error.
const char *cli_passes(cli *c, const char *precision);
bool cli_is_bundle(const char *path);   // .weft
// Net IR through the passes and into a program; with_code: in `form`, for the target of the command line. Else the exit code, with everything told.
int cli_build_program(cli *c, wf_module *module, const wf_compiled *compiled, bool with_code, wf_code_form form, wf_program **out_program,
              wf_code *out_code);
// Lets a session be made that keeps shapes and values but must never run.
void cli_leave_unbound(wf_program *program);
// Compiles (or takes from the cache, or from a bundle), loads and opens a session; --threads and profile are applied. Else the
// exit code, with everything told. With --device ref kernels stay unbound.
int cli_program_open(cli *c, bool profile, cli_program *out);
void cli_program_close(cli_program *program);
// Prints a status (NULL: nothing) and frees it; its exit code.
int cli_status(cli *c, weft_status *status);
// The part of the command line that reaches the runtime.
weft_command cli_command(cli *c, const char *title);
#endif
