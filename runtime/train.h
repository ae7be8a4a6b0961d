// The training loop over a session: plans init, step and eval, a training set and perhaps a test set.
#ifndef WEFT_RUNTIME_TRAIN_H
#define WEFT_RUNTIME_TRAIN_H
#include "runtime/data/dataset.h"
#include "runtime/session.h"

// Trains until the epochs or steps of `options` are done or a callback stops it. The options are complete here: batch,
// and epochs or steps (one may be 0), are given; data_folder and net_folder are not used. test may be NULL.
//
// Steps run in batches of `batch` samples in an order that (seed, epoch) give; an epoch's last, smaller batch is left
// out. The program reads the steps of the whole training (for schedules) as epochs * steps of an epoch, or as `steps`
// where epochs is 0; an early stop does not change it.
//
// A loss that is not finite ends training with WEFT_BAD_INPUT: the message names the step and the first value that went
// bad; parameters and the checkpoint on disk are what they were before that step.
weft_status *weft_train(weft_session *session, weft_dataset *train, weft_dataset *test, const weft_train_options *options,
                        weft_train_result *out);

// Means of the eval plan's scalar outputs over all samples, weighted by batch sizes. out has room for WEFT_METRICS.
weft_status *weft_evaluate(weft_session *session, weft_dataset *test, int64_t batch, weft_metric *out, int *out_count);

// Fills what options leave open from the program's metadata, opens its data sets and trains.
weft_status *weft_train_program(weft_session *session, const weft_train_options *options, weft_train_result *out);

#endif
