// Batches of a dataset, in an order that depends on the seed and the epoch only, prepared by a thread of their own.
#ifndef WEFT_RUNTIME_LOADER_H
#define WEFT_RUNTIME_LOADER_H
#include "runtime/data/dataset.h"

typedef struct weft_loader_field {
  int field;          // of the dataset
  wf_dtype dtype;     // that the batch should have; u8 pictures become [0, 1] in float types
  int64_t range;      // integers: exclusive upper bound that values are checked against, 0: none
} weft_loader_field;

typedef struct weft_loader_options {
  int64_t batch;
  bool shuffle;       // else in the dataset's order
  bool drop_last;     // leave out an epoch's last, smaller batch; an epoch of one small batch keeps it
  uint64_t seed;
  int64_t epoch, position;   // where to begin: position counts samples within the epoch
  int64_t end_epoch;         // exclusive
  int depth;                 // batches prepared ahead; 0: 3
} weft_loader_options;

typedef struct weft_batch {
  int64_t epoch, position, count;   // position: of the first sample, in the epoch's order
  bool ends_epoch;
  void **arrays;                    // by the loader's fields; 64-byte aligned
} weft_batch;

typedef struct weft_loader weft_loader;
// Borrows the dataset until destroyed; nobody else may read it meanwhile.
weft_status *weft_loader_create(weft_dataset *dataset, const weft_loader_field *fields, int field_count,
                                const weft_loader_options *options, weft_loader **out);
void weft_loader_destroy(weft_loader *loader);
// The next batch, valid until the next call; NULL after the last epoch.
weft_status *weft_loader_next(weft_loader *loader, const weft_batch **out);
// Batches of one epoch under these options.
int64_t weft_loader_batches(int64_t samples, const weft_loader_options *options);

// `elements` values of a dataset's field to another element type.
void weft_convert_field(const weft_field *field, const void *from, int64_t elements, wf_dtype to_dtype, void *to);

#endif
