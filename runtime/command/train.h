// `train`: trains with the program's train block and shows how it goes.
#ifndef WEFT_COMMAND_TRAIN_H
#define WEFT_COMMAND_TRAIN_H
#include "runtime/command/command.h"
#include "runtime/session.h"

// c->sets may name epochs, steps, seed and batch. An exit code. The first interrupt (SIGINT) ends training at the next step; what was to be saved is saved.
int weft_command_train(weft_command *c, weft_session *session);
#endif
