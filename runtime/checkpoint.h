// Checkpoints: safetensors files with all parameters and states by name, and where training stood in the metadata.
// A file is replaced as a whole or not at all (file.h).
#ifndef WEFT_RUNTIME_CHECKPOINT_H
#define WEFT_RUNTIME_CHECKPOINT_H
#include <jansson.h>
#include "runtime/session.h"

typedef struct weft_progress {
  int64_t step;              // steps done
  int64_t epoch, position;   // the next sample: position counts samples within the epoch
  int64_t seed, batch;
  json_t *user;              // more that a resume needs (sums of metrics); owned, may be NULL
  char *schedule_hash;       // of the program that wrote the file; owned
} weft_progress;
void weft_progress_deinit(weft_progress *progress);

weft_status *weft_checkpoint_save(weft_session *session, const char *path, const weft_progress *progress);
// Everything must fit: each parameter and state of the session by name, type and shape, and nothing else in the file.
weft_status *weft_checkpoint_load(weft_session *session, const char *path, weft_progress *out);

// Parameters and the states that inference reads (running means) must be there; other states are read where the file
// has them. What the file has beyond them is ignored (an optimizer's states).
// Float types are converted. Every name that is missing or does not fit is told in one status.
weft_status *weft_weights_load(weft_session *session, const char *path);
// The same from the bytes of such a file.
weft_status *weft_weights_load_memory(weft_session *session, const char *name, const void *data, size_t size);
// Whatever fits by name and shape; out_report: one line a name that does not, heap text, empty where all do. Nothing
// that fits is an error.
weft_status *weft_weights_init(weft_session *session, const char *path, char **out_report);

#endif
