// Copying operations into a function: inlining of calls, regions of loops that are made from other regions.
#ifndef WEFT_PASSES_CLONE_OPS_H
#define WEFT_PASSES_CLONE_OPS_H
#include "ir/ir.h"

typedef struct wf_clone {
  wf_function *to;
  wf_arena *scratch;
  wf_value **values;            // by id of the original; NULL: not copied yet
  int value_limit;              // ids from here on are not originals
  const wf_binding *symbols;    // the originals' symbols in terms of the target's dims
  int symbol_count;
} wf_clone;

void wf_clone_begin(wf_clone *clone, wf_function *to, wf_arena *scratch);
void wf_clone_map(wf_clone *clone, const wf_value *from, wf_value *to);
wf_value *wf_clone_find(const wf_clone *clone, const wf_value *from);   // the value itself where it has no copy
// Appends a copy of the operation; a result that is mapped already becomes the result of the copy.
wf_op *wf_clone_op(wf_clone *clone, const wf_op *op);
// A function of its own with the same inputs, operations and results.
wf_function *wf_clone_function(wf_module *module, const wf_function *from, const char *name, const wf_binding *symbols, int symbol_count);
// An axis with the name and extent of another.
const wf_atom *wf_new_axis(wf_module *module, const char *name, const wf_dim *extent);
// A name that no function of the module has.
const char *wf_unique_function_name(wf_module *module, const char *wanted);

// Takes the operations from `first` on off the function, so that builders append in the middle; put them back after.
typedef struct wf_tail { wf_op **ops; int count; } wf_tail;
wf_tail wf_tail_take(wf_function *function, int first);
void wf_tail_put(wf_function *function, wf_tail tail);
// Replaces the call by a copy of its callee; its results are then results of the copies.
void wf_inline_call(wf_function *function, int index);
// Makes `value` the only result of the operation that now makes `made`, which nobody reads yet.
void wf_take_result(wf_value *value, wf_value *made);
// result = a copy of value, to stand where one value must go by two names.
wf_value *wf_build_copy(wf_function *function, const char *name, wf_value *value, wf_loc loc);
#endif
