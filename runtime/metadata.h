// What a program's metadata says (docs/metadata.md), as structs.
#ifndef WEFT_RUNTIME_METADATA_H
#define WEFT_RUNTIME_METADATA_H
#include "runtime/data/dataset.h"

typedef struct weft_metadata {
  char *net;
  bool has_data, has_test;
  weft_source data, test;
  int64_t batch, epochs, steps, seed, classes;   // 0: not given
  char **labels; int label_count;
  int top;
} weft_metadata;

// json NULL or empty: all is absent. Damage is WEFT_BAD_INPUT.
weft_status *weft_metadata_parse(const char *json, weft_metadata *out);
void weft_metadata_deinit(weft_metadata *metadata);

#endif
