// What lower_train.c and train_micro.c share while `step`, `eval` and `infer` are built.
#ifndef WEFT_FRONTEND_TRAIN_STEP_H
#define WEFT_FRONTEND_TRAIN_STEP_H
#include "frontend/train_fields.h"

// ---- micro-batches (train_micro.c) ---------------------------------------------------------------------------------
// One step over k micro-batches applies the net k times in one function. Each state (running statistics) goes from one
// to the next; random() has a site of its own in each.
typedef struct wf_micro_state { wf_value *state, *value; } wf_micro_state;
typedef struct wf_micro {
  wf_function *function;
  WF_VEC(wf_micro_state) states;   // the newest value of each state that was updated
} wf_micro;
// Rewrites the operations from `first` on, made for one micro-batch, and takes their updates of states.
void wf_micro_take(wf_micro *micro, int first);
// The updates that were taken, once.
void wf_micro_finish(wf_micro *micro, wf_loc loc);
// Rows [index*size, (index+1)*size) of the first axis.
wf_value *wf_micro_slice(wf_function *function, wf_value *whole, int64_t index, int64_t size);

// ---- pictures (train_pictures.c) -------------------------------------------------------------------------------------
// Gives the input that pictures fill the height and width of the source's pictures where they may differ from what the
// net takes. Nothing has read the input yet.
void wf_train_picture_extents(const wf_train_block *block, const wf_data_source *source, wf_value *picture);

// ---- targets (train_targets.c) ---------------------------------------------------------------------------------------
// The tensors that the loss takes after the net's results: their types follow from the loss's signature and the results.
typedef struct wf_target { const char *name; wf_dtype dtype; int rank; const wf_dim *shape[WF_MAX_RANK]; wf_loc loc; } wf_target;
typedef WF_VEC(wf_target) wf_targets;
bool wf_train_infer_targets(wf_train_block *block, wf_function *function, const wf_vals *results, wf_targets *out);

// The gradients times the factor of the clip op, or each through it. In place.
bool wf_train_clip(wf_train_block *block, wf_function *function, wf_value **gradients, int count);
#endif
