// The public interface of the weft runtime: load a compiled network, bind inputs, run, train, save.
//
// Every call that can fail returns a weft_status: NULL on success, else a code and a message that the caller releases
// with weft_status_free(). There is no global state: any number of models live in one process, each used by one thread
// at a time. Names end in what they do: create/load + destroy own heap memory; out parameters come last and are NULL or
// zero after a failure. docs/runtime.md has the guide and the file formats.
#ifndef WEFT_H
#define WEFT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// ---- status -----------------------------------------------------------------------------------------------------

typedef struct weft_status weft_status;

enum {   // the exit codes of the weft command
  WEFT_OK = 0,
  WEFT_BAD_INPUT = 1,     // a file, a shape or a value is wrong
  WEFT_ENVIRONMENT = 3,   // something is missing or refused: memory, disk, a file, data
  WEFT_INTERNAL = 70      // a bug in weft
};

int weft_status_code(const weft_status *status);             // WEFT_OK for NULL
const char *weft_status_message(const weft_status *status);  // one line, never NULL; lives as long as the status
void weft_status_free(weft_status *status);                  // also of NULL

// ---- tensors ----------------------------------------------------------------------------------------------------

typedef enum weft_dtype {
  WEFT_F64, WEFT_F32, WEFT_TF32, WEFT_BF16, WEFT_F16, WEFT_F8E4M3, WEFT_F8E5M2, WEFT_I64, WEFT_I32, WEFT_U8, WEFT_BOOL
} weft_dtype;

const char *weft_dtype_name(weft_dtype dtype);   // "f32"
int weft_dtype_size(weft_dtype dtype);           // bytes

enum { WEFT_MAX_RANK = 8 };

// A dense row-major array. Where a call takes one it borrows `data` until the call returns; where a call gives one,
// `data` belongs to the object that gave it.
typedef struct weft_tensor {
  weft_dtype dtype;
  int rank;
  int64_t extents[WEFT_MAX_RANK];   // outermost first
  void *data;
} weft_tensor;

typedef struct weft_named_tensor { const char *name; weft_tensor tensor; } weft_named_tensor;

int64_t weft_tensor_elements(const weft_tensor *tensor);
size_t weft_tensor_bytes(const weft_tensor *tensor);

// ---- training ---------------------------------------------------------------------------------------------------

typedef struct weft_metric { const char *name; double value; } weft_metric;

typedef struct weft_train_event {
  int64_t step, steps;       // steps done since the start of training, and in all
  int64_t epoch, epochs;     // the epoch that the step belongs to, from 1; epochs 0: not limited
  int64_t samples;           // that this call trained on
  double seconds;            // of training in this call, without evaluation
  const weft_metric *train;  // loss, then metrics: of this step; at an epoch's end: means over its samples
  int train_count;
  const weft_metric *test;   // at an epoch's end, where it was evaluated; else NULL
  int test_count;
} weft_train_event;

// All may be NULL. step and epoch return false to stop training; what was asked to be saved is saved.
typedef struct weft_train_callbacks {
  void *context;
  bool (*step)(void *context, const weft_train_event *event);
  bool (*epoch)(void *context, const weft_train_event *event);
  void (*note)(void *context, const char *text);   // warnings: a resume under another schedule, weights that do not fit
} weft_train_callbacks;

// 0 and NULL: as the train block says, or not.
typedef struct weft_train_options {
  int64_t batch, epochs, seed;
  int64_t steps;             // stop after this many steps, counted from the start of training
  const char *save;          // a checkpoint, replaced after each epoch and at the end
  int64_t save_every;        // also after this many steps
  const char *resume;        // go on from this checkpoint
  const char *init;          // start from the tensors of this safetensors file that fit
  const char *data_folder, *net_folder;   // where data is looked up first (docs/runtime.md)
  bool evaluate;             // on the test set at the end, also where `steps` stopped early
  bool allow_nan;            // go on when the loss is not finite
  weft_train_callbacks callbacks;
} weft_train_options;

enum { WEFT_METRICS = 16 };
typedef struct weft_train_result {
  int64_t steps, epochs;     // done since the start of training
  int64_t samples;           // of this call
  double seconds;            // of training in this call
  double train[WEFT_METRICS], test[WEFT_METRICS];   // the last epoch's means (or part of it); loss first
  int train_count, test_count;                      // test_count 0: not evaluated
} weft_train_result;

#ifdef __cplusplus
}
#endif
#endif
