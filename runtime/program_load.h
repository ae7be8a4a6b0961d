// From an open bundle to code that runs on this machine: which device and which of the bundle's targets to take, and its
// machine code in place.
#ifndef WEFT_RUNTIME_PROGRAM_LOAD_H
#define WEFT_RUNTIME_PROGRAM_LOAD_H
#include "runtime/device.h"
#include "runtime/program_io.h"

// The psABI level that this processor reaches: "x86-64-v2" (also below it), "x86-64-v3", "x86-64-v4".
const char *weft_machine_level(void);

// wanted: "cpu" (the best level that this machine runs), "cpu:x86-64-v3", "x86-64-v3", "cuda", "cuda:sm_80", "sm_80"; NULL: the
// best. gpu: of a GPU, whose targets are then chosen from; NULL: the host. The message of a failure says what there is.
weft_status *weft_bundle_choose(const weft_bundle *bundle, const char *wanted, const weft_device_info *gpu, const char **out_target);

// A device with a program's code on it, for weft_session_options.
typedef struct weft_loaded {
  weft_device *device;
  weft_code *code;
} weft_loaded;

// Opens the best device that the bundle has code for (a GPU before the host), or that wanted (NULL: the environment variable
// WEFT_TARGET, where it is set) asks for; chooses a target, reads its program and loads its code. given: NULL, or the device to take, which the result
// then owns, also after a failure. threads: of the host.
weft_status *weft_program_open(weft_bundle *bundle, const char *wanted, weft_device *given, int threads, weft_loaded *out);
void weft_loaded_close(weft_loaded *loaded);   // after the sessions that use it; also of a zeroed struct
#endif
