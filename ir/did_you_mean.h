// Suggestions for names that were mistyped.
#ifndef WEFT_IR_DID_YOU_MEAN_H
#define WEFT_IR_DID_YOU_MEAN_H

// The candidate closest to `name` (Damerau-Levenshtein, at most a third of its length away), or NULL.
const char *wf_did_you_mean(const char *name, const char *const *candidates, int count);

#endif
