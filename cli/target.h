// What --device and --target ask for, checked against what there is.
#ifndef WEFT_CLI_TARGET_H
#define WEFT_CLI_TARGET_H
#include "cli/cli.h"

// Fills c->targets and c->target from --target and --device. EXIT_DONE, or EXIT_USAGE with a message for a device or target
// that this weft does not know.
int cli_check_target(cli *c, const char *verb);
bool cli_on_ref(const cli *c);                 // --device ref
bool cli_is_gpu_target(const char *target);    // "sm_80", "sm_90a"
// Whether code of `level` runs here: EXIT_DONE, or EXIT_ENVIRONMENT with a message.
int cli_check_machine(const char *level);
// Words that tell processors apart for which "native" gives different code; out has room for CLI_CPU_WORDS.
enum { CLI_CPU_WORDS = 12 };
void cli_cpu_words(uint32_t *out);
#endif
