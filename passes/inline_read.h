// Substituting an elementwise compute at one of its reads.
#ifndef WEFT_PASSES_INLINE_READ_H
#define WEFT_PASSES_INLINE_READ_H
#include "ir/ir.h"

// Elementwise producer, all indices affine.
bool wf_can_inline_read(const wf_op *producer, const wf_expr *read);
// What the read is worth, over the producer's operands; rounded to the value's dtype as its store would have been.
const wf_expr *wf_inline_read(wf_module *module, const wf_op *producer, const wf_expr *read);
#endif
