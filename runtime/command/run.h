// `run`: reads the inputs, runs the network, shows and writes the results.
#ifndef WEFT_COMMAND_RUN_H
#define WEFT_COMMAND_RUN_H
#include "runtime/command/run_results.h"
#include "runtime/program_io.h"

// Something else than the session that gives the results (`weft run --device ref`); an exit code, with everything told.
typedef struct weft_command_evaluator {
  int (*run)(void *context, weft_session *session, int plan, const weft_command_run_inputs *inputs, int64_t seed, weft_command_outputs *out);
  void *context;
} weft_command_evaluator;

// weights: of a bundle, or NULL; c->weights comes before them. evaluator: NULL for the session. An exit code.
int weft_command_run(weft_command *c, weft_session *session, const weft_part *weights, const weft_command_evaluator *evaluator);
#endif
