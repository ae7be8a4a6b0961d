// A program ready to run on a device: parameters and states by name (one copy for all plans), plans bound to the shapes
// of their inputs, an arena that all plans share. One thread at a time uses a session.
#ifndef WEFT_RUNTIME_SESSION_H
#define WEFT_RUNTIME_SESSION_H
#include "runtime/device.h"
#include "runtime/status.h"

typedef struct weft_session weft_session;

typedef struct weft_session_options {
  weft_device *device;   // borrowed; NULL: the host, as a device of the session's own
  weft_code *code;       // the program's, loaded on the device; borrowed. NULL on the host: the kernels' functions are bound
  int threads;    // of the session's own device; 0: WEFT_THREADS, else the CPUs this process may use
  bool profile;   // time each launch
  size_t memory_limit;   // bytes for parameters and states, and for one run's arena; 0: the device's memory
} weft_session_options;

// Borrows the program. Parameters and states are zero until the init plan or a
// checkpoint fills them.
weft_status *weft_session_create(const wf_program *program, const weft_session_options *options, weft_session **out);
void weft_session_destroy(weft_session *session);
const wf_program *weft_session_program(const weft_session *session);
int weft_session_threads(const weft_session *session);
weft_device *weft_session_device(const weft_session *session);

// The index of a plan, -1 where the program has none of that name.
int weft_session_plan(const weft_session *session, const char *name);

// ---- values -------------------------------------------------------------------------------------------------------

typedef struct weft_value {
  char *name;
  bool state;            // not trained: kept with the optimizer's
  bool infers;           // eval or infer reads it: parameters, running means, not an optimizer's moments
  weft_tensor tensor;    // row-major, aligned, on the host; the session's
  void *memory;          // where kernels find it. On the host: tensor.data; else tensor.data is a copy, moved by the calls below
} weft_value;
int weft_session_value_count(const weft_session *session);
weft_value *weft_session_value(weft_session *session, int index);
weft_value *weft_session_find_value(weft_session *session, const char *name);   // NULL where absent
// From the device to tensor.data, of every value; and back, of one. Nothing happens where both are the same memory.
weft_status *weft_session_fetch_values(weft_session *session);
weft_status *weft_session_store_value(weft_session *session, weft_value *value);

// The i64 scalars that plans may read. step: the number of the training step that runs, from 0. total: steps in all.
void weft_session_set_scalars(weft_session *session, int64_t step, int64_t seed, int64_t total);

// ---- running ------------------------------------------------------------------------------------------------------

// Every INPUT of the plan must be given, by name, in its dtype and rank. Binds the symbols from the shapes, checks the
// program's facts, lays the arena out (kept for the last few shapes) and runs all steps.
weft_status *weft_session_run(weft_session *session, int plan, const weft_named_tensor *inputs, int input_count);
// An output of the plan's latest run, on the host; its data is valid until the plan runs again.
weft_status *weft_session_output(weft_session *session, int plan, const char *name, weft_tensor *out);
int weft_session_output_count(const weft_session *session, int plan);
// The buffer of the plan's i-th OUTPUT, in plan order.
const wf_plan_buffer *weft_session_output_buffer(const weft_session *session, int plan, int index);

// The same, but stops as soon as the named scalar output is not finite: before later steps (the optimizer's) use it.
// out_stopped tells; parameters that the later steps would have updated are then what they were.
weft_status *weft_session_run_watching(weft_session *session, int plan, const weft_named_tensor *inputs, int input_count,
                                       const char *output, bool *out_stopped);
// For after such a stop: runs the plan again and describes the first value that is not finite, in execution order:
// "parameter 'fc1.weight'[3, 7] is nan", "kernel fc1.relu (mlp.net:4) wrote inf to 'fc1.out'[0, 2]". Heap text.
weft_status *weft_session_trace_nonfinite(weft_session *session, int plan, const weft_named_tensor *inputs, int input_count,
                                          const char *output, char **out_text);

// The index of the first element that is not finite, -1 where all are (and for integers).
int64_t weft_find_nonfinite(wf_dtype dtype, const void *data, int64_t count);

// ---- shapes of inputs -----------------------------------------------------------------------------------------------

int weft_session_input_count(const weft_session *session, int plan);
// The buffer of the plan's i-th INPUT, in plan order.
const wf_plan_buffer *weft_session_input(const weft_session *session, int plan, int index);
// Changes shape->extents and rank into ones that the input takes, by adding and dropping extents of 1 (a picture without
// a batch or channel axis); the elements stay. A status names both shapes where they do not fit.
weft_status *weft_session_fit_shape(const weft_session *session, const wf_plan_buffer *input, weft_tensor *shape);
// The first extent of the plan's first input where it is no run-time value, else 0.
int64_t weft_session_fixed_batch(const weft_session *session, int plan);
// Exclusive upper bound of an integer input's values (the classes, the vocabulary), 0 where the program states none.
int64_t weft_session_input_range(const weft_session *session, const char *input);

// ---- profile --------------------------------------------------------------------------------------------------------

typedef struct weft_kernel_profile {
  const char *plan, *name, *place;
  int64_t launches;
  double seconds, flops, bytes;
} weft_kernel_profile;
// One row a kernel and plan that ran; rows belong to the session.
void weft_session_profile(const weft_session *session, const weft_kernel_profile **out_rows, int *out_count);
void weft_session_profile_reset(weft_session *session);

typedef struct weft_memory { size_t parameters, states, arena, other; } weft_memory;   // bytes; other: outputs, inputs, constants, scratch
weft_memory weft_session_memory(const weft_session *session);

#endif
