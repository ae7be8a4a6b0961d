// From an open bundle to code that runs on this machine: which of its targets to take, and its machine code in place.
#ifndef WEFT_RUNTIME_PROGRAM_LOAD_H
#define WEFT_RUNTIME_PROGRAM_LOAD_H
#include "runtime/load_object.h"
#include "runtime/program_io.h"

// The psABI level that this processor reaches: "x86-64-v2" (also below it), "x86-64-v3", "x86-64-v4".
const char *weft_machine_level(void);

// wanted: "cpu" (the best level that this machine runs), "cpu:x86-64-v3", "x86-64-v3"; NULL: what the environment variable
// WEFT_TARGET says, else the best of all. The message of a failure says what there is.
weft_status *weft_bundle_choose(const weft_bundle *bundle, const char *wanted, const char **out_target);

// Chooses, reads the program and binds its kernels to their machine code. The object must live as long as they are called.
weft_status *weft_program_load(weft_bundle *bundle, const char *wanted, wf_object **out_object);
#endif
