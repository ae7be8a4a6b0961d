// .npy arrays (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): f8 f4 f2 i8 i4 u1 b1, little-endian,
// C order.
#ifndef WEFT_RUNTIME_NPY_H
#define WEFT_RUNTIME_NPY_H
#include "runtime/data/dataset.h"

// The header at the start of `bytes` (`size` of them are there; `what` names them in messages). offset: of the elements.
weft_status *weft_npy_header(const uint8_t *bytes, size_t size, const char *what, weft_array *out);
// The whole array; out->data owns it.
weft_status *weft_npy_read(const char *path, weft_array *out);
// bf16 and fp8, which numpy lacks, are written as f4.
weft_status *weft_npy_write(const char *path, const weft_tensor *tensor);

#endif
