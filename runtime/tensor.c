// Element types and sizes of the public interface; they are the compiler's by number.
#include <assert.h>
#include "ir/types.h"
#include "runtime/include/weft.h"

static_assert((int)WEFT_F64 == (int)WF_F64 && (int)WEFT_BF16 == (int)WF_BF16 && (int)WEFT_F8E5M2 == (int)WF_E5M2 &&
                  (int)WEFT_I64 == (int)WF_I64 && (int)WEFT_BOOL == (int)WF_BOOL && (int)WF_DTYPE_COUNT == (int)WEFT_BOOL + 1,
              "weft.h lists the element types in the order of ir/types.def");

const char *weft_dtype_name(weft_dtype dtype) { return wf_dtype_name((wf_dtype)dtype); }
int weft_dtype_size(weft_dtype dtype) { return wf_dtype_bytes((wf_dtype)dtype); }

int64_t weft_tensor_elements(const weft_tensor *tensor) {
  int64_t elements = 1;
  for (int i = 0; i < tensor->rank; i++) elements *= tensor->extents[i];
  return elements;
}

size_t weft_tensor_bytes(const weft_tensor *tensor) {
  return (size_t)weft_tensor_elements(tensor) * (size_t)weft_dtype_size(tensor->dtype);
}
