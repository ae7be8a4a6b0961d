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

#ifdef __cplusplus
}
#endif
#endif
