// The inputs of `weft run`: arrays, pictures, raw bytes, text, and samples of the train block's data.
#ifndef WEFT_COMMAND_RUN_INPUTS_H
#define WEFT_COMMAND_RUN_INPUTS_H
#include "runtime/command/command.h"
#include "runtime/metadata.h"
#include "runtime/session.h"

// Samples of a data set that were asked for.
typedef struct weft_command_samples {
  const char *set;              // "test", "train"; NULL: none
  int64_t *numbers, count;
  int64_t *truth;               // the class of each, NULL where the data does not tell
  char **classes; int class_count;   // names that the data has for classes
} weft_command_samples;

typedef struct weft_command_picture { const uint8_t *pixels; int channels, height, width; } weft_command_picture;   // of one sample; count of them follow

typedef struct weft_command_run_inputs {
  weft_named_tensor *items; int count;   // one an INPUT of the plan, in plan order
  weft_command_samples samples;
  weft_command_picture pictures;         // pixels NULL: the inputs hold no picture
  int64_t picture_count;
  bool text;                    // an input is text, byte by byte
} weft_command_run_inputs;

// Everything lives in the arena. plan: of the session, which must know the shapes; --data is looked at.
weft_status *weft_command_read_inputs(weft_command *c, weft_session *session, int plan, const weft_metadata *metadata, weft_command_run_inputs *out);
// The extents of an input for messages: "x u8[n, 1, 28, 28]".
const char *weft_command_input_text(weft_command *c, const weft_session *session, const wf_plan_buffer *input);
#endif
