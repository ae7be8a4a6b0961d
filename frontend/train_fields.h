// The train block read: fields from the file or from --set, sources and callables resolved, nothing lowered yet.
#ifndef WEFT_FRONTEND_TRAIN_FIELDS_H
#define WEFT_FRONTEND_TRAIN_FIELDS_H
#include "frontend/lower.h"

typedef struct wf_train_block {
  wf_lower *lower;
  wf_arena *arena;
  wf_diag *diag;
  wf_net_model *model;
  wf_train_spec *spec;
  wf_loc loc;                          // of the train block's head
  wf_callable *net, *loss, *optimizer, *clip;   // clip may be NULL
  WF_VEC(wf_callable *) metrics, augments;
  wf_loc loss_loc, optimizer_loc, clip_loc;
  WF_VEC(wf_loc) metric_locs, augment_locs;
} wf_train_block;

// Fills the block and block->spec from model->train and the settings. False with errors.
bool wf_train_read_fields(wf_train_block *block);
// True for sources that give u8 pictures: idx, cifar10, folder.
bool wf_source_is_picture(const wf_data_source *source);
// How many fields a sample of the source has; 0 where only the file knows (npz, safetensors).
int wf_source_field_count(const wf_data_source *source);
// The sequence length of a token source, else 0.
int64_t wf_source_length(const wf_data_source *source);
#endif
