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
  const char *unpacked_folder;   // keeps unpacked copies of gzip data files from one training to the next; NULL: nothing is kept
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
  const char *test_names[WEFT_METRICS];             // "loss" first; they live as long as the session
} weft_train_result;

// ---- models -----------------------------------------------------------------------------------------------------

// A network that weft compiled (weft compile NET.net -o M.weft), ready to run on this machine.
typedef struct weft_model weft_model;

typedef struct weft_model_options {
  int threads;            // 0: WEFT_THREADS, else the CPUs this process may use
  size_t memory_limit;    // bytes for parameters, and for one run's buffers; 0: the machine's memory
  const char *target;     // of those in the bundle: "cpu", "cuda", "cpu:x86-64-v3"; NULL: WEFT_TARGET, else the best for this machine
} weft_model_options;

// options may be NULL. Picks the best of the bundle's targets that this machine runs. Weights in the bundle are loaded; without them, load some
// (weft_model_load_weights), or train.
weft_status *weft_model_load(const char *path, const weft_model_options *options, weft_model **out);
// The same from memory, borrowed until the model is destroyed; name: for messages.
weft_status *weft_model_load_memory(const char *name, const void *data, size_t size, const weft_model_options *options, weft_model **out);
void weft_model_destroy(weft_model *model);   // also NULL

// Parameters (and states such as running means) from a safetensors file, by name; what does not fit is told.
weft_status *weft_model_load_weights(weft_model *model, const char *path);
// All parameters and states. The file is replaced as a whole or not at all.
weft_status *weft_model_save(weft_model *model, const char *path);

// Inputs and results of inference. Names live as long as the model; NULL past the end.
const char *weft_model_input(const weft_model *model, int index, weft_dtype *out_dtype);
const char *weft_model_output(const weft_model *model, int index, weft_dtype *out_dtype);

// Sets an input for the runs that follow. The data is copied; other element types are converted (u8 pictures to floats in
// [0, 1]), and axes of extent 1 are added where the network has them (one picture without a batch axis).
weft_status *weft_model_bind(weft_model *model, const char *input, const weft_tensor *tensor);
// All inputs must be bound. Extents that the network leaves open (the batch) come from their shapes.
weft_status *weft_model_run(weft_model *model);
// A result of the latest run; the data belongs to the model and is valid until it runs again.
weft_status *weft_model_result(weft_model *model, const char *output, weft_tensor *out);
// What the net's `labels` say of a class; NULL where they say nothing.
const char *weft_model_label(const weft_model *model, int index);

// Trains with the program's own train block. Inference afterwards uses the trained parameters.
weft_status *weft_model_train(weft_model *model, const weft_train_options *options, weft_train_result *out);

// ---- files ------------------------------------------------------------------------------------------------------

// One array of an .npy file, or a PNG or JPEG picture as u8[channels, height, width] (channels: 1 grey or 3; 0: 3). The
// caller releases out->data with free().
weft_status *weft_tensor_read(const char *path, int channels, weft_tensor *out);
weft_status *weft_tensor_write_npy(const char *path, const weft_tensor *tensor);

#ifdef __cplusplus
}
#endif
#endif
