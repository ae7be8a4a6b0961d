// What the files of the session share: session.c (life, values), bind.c (shapes to addresses), execute.c (steps),
// sort.c, trace.c.
#ifndef WEFT_RUNTIME_SESSION_INTERNAL_H
#define WEFT_RUNTIME_SESSION_INTERNAL_H
#include "runtime/session.h"

enum { WEFT_BINDINGS = 4 };   // shapes that a plan keeps laid out

// Where a group of buffers that share storage lies.
typedef enum weft_home { WEFT_HOME_ARENA, WEFT_HOME_VALUE, WEFT_HOME_SCALAR, WEFT_HOME_CONST, WEFT_HOME_CALLER, WEFT_HOME_OWNED } weft_home;

typedef struct weft_group {
  weft_home home;
  int value;             // HOME_VALUE: index into the session's values
  int constant;          // HOME_CONST: the buffer with the data
  int scalar;            // HOME_SCALAR: index into the session's scalars
  int first, last;       // HOME_ARENA: lifetime
} weft_group;

// A plan for one set of symbol values.
typedef struct weft_binding {
  int64_t *symbols;      // of the whole program; LOOP counters change while running
  int64_t *elements;     // by buffer, of storage
  size_t *offsets;       // by root buffer: in the arena, or in `owned`
  size_t arena_bytes, owned_bytes;
  char *owned;           // device memory
  void **addresses;      // by buffer, of the current run, on the device
  void **downloads;      // by buffer, on the host: what weft_session_output hands out where the device is not the host
} weft_binding;

typedef struct weft_plan_state {
  int *roots;            // by buffer: the end of its alias chain
  weft_group *groups;    // by root buffer
  bool *needed;          // by symbol: some formula of the plan uses it
  bool *counters;        // by symbol: a LOOP of the plan sets it
  void **constants;      // by buffer: CONST data on the device
  int chosen;            // the plan that ran last in this one's place: itself, or a variant
  void **args;           // room for the addresses of the longest launch
  weft_binding *bindings[WEFT_BINDINGS];   // the latest first
} weft_plan_state;

typedef struct weft_range { char *input; int64_t bound; } weft_range;

struct weft_session {
  const wf_program *program;
  weft_device *device;
  weft_device *own_device;   // that device, where nobody gave one
  weft_code *code;
  weft_plan_state *plans;
  weft_value *values;
  int value_count;
  int64_t *scalars;      // step, seed, total: 256 bytes apart, on the host
  void *scalar_memory;   // the same where kernels find them
  bool scalars_moved;    // both hold the same
  char *arena;
  size_t arena_bytes, constant_bytes, value_bytes, memory_limit;
  void *staging;         // host memory for weft_view
  size_t staging_bytes;
  weft_range *ranges;
  int range_count;
  bool profile;
  weft_kernel_profile *rows;   // by plan, then kernel
  weft_kernel_profile *report; // the rows that ran, for weft_session_profile
};
enum { WEFT_SCALAR_STEP = 0, WEFT_SCALAR_SEED = 32, WEFT_SCALAR_TOTAL = 64, WEFT_SCALARS = 65 };   // indices into scalars

// session.c: a status where `bytes` is over the limit; what: "the parameters and states".
weft_status *weft_check_memory(const weft_session *session, const char *what, size_t bytes);

// session.c: the contents of a buffer of the current run, for the host to read: in place, or a copy that the next view replaces.
weft_status *weft_view(weft_session *session, const weft_binding *binding, const wf_plan *plan, int buffer, const void **out);

// bind.c
// *plan becomes the variant of it that these inputs ask for, where there is one; the plan remembers it for its outputs.
weft_status *weft_choose_variant(weft_session *session, int *plan, const weft_named_tensor *inputs, int input_count);
weft_status *weft_bind(weft_session *session, int plan, const weft_named_tensor *inputs, int input_count, weft_binding **out);
void weft_binding_destroy(weft_session *session, const wf_plan *plan, weft_binding *binding);
weft_status *weft_buffer_extents(const wf_plan_buffer *buffer, const int64_t *symbols, int64_t *out_extents);
// "[3, 28]"; returns `text`.
const char *weft_shape_text(int rank, const int64_t *extents, char *text, size_t size);

// execute.c
typedef struct weft_watch {
  int buffer;            // a root; -1: none
  bool stopped;
  // Called after each step where not NULL; sets `stopped` to end the run.
  weft_status *(*after_step)(struct weft_watch *watch, const wf_plan_step *step);
} weft_watch;
// The root buffer of an output, -1 where there is none of that name.
int weft_watched_root(const weft_session *session, int plan, const char *output);
weft_status *weft_execute(weft_session *session, int plan, weft_binding *binding, weft_watch *watch);

// sort.c: stable; NaN counts as the largest. Strides and extents by logical axis, in elements.
typedef struct weft_sort_job {
  wf_dtype dtype;
  int rank, axis;
  bool descending;
  const void *from; const int64_t *extents; const int64_t *from_strides;
  void *values; const int64_t *values_strides;      // NULL: not wanted
  int64_t *indices; const int64_t *indices_strides; // NULL: not wanted
  int64_t kept;                                     // elements written along the axis
} weft_sort_job;
weft_status *weft_sort(weft_pool *pool, const weft_sort_job *job);

#endif
