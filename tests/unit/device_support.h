// Numeric tests run on the device that WEFT_TEST_DEVICE names: cpu (where it is not set), simt, or cuda. A module goes through the
// passes and the code generator for that device and becomes a session on it.
#ifndef WEFT_TESTS_DEVICE_SUPPORT_H
#define WEFT_TESTS_DEVICE_SUPPORT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "codegen/build_plan.h"
#include "passes/passes.h"
#include "runtime/cuda/cuda.h"
#include "runtime/simt/device_simt.h"
#include "runtime/session.h"

typedef struct on_device {
  wf_program *program;
  weft_device *device;
  weft_code *code;
  weft_session *session;
} on_device;

static inline void must(weft_status *status) {
  if (status) fail_msg("%s", weft_status_message(status));
}

static inline const char *test_device(void) {
  const char *name = getenv("WEFT_TEST_DEVICE");
  return name && *name ? name : "cpu";
}
static inline bool test_on_gpu(void) { return strcmp(test_device(), "cpu") != 0; }

static inline void open_test_device(on_device *d) {
  if (strcmp(test_device(), "cuda") == 0) must(weft_cuda_create(NULL, &d->device));
  else if (strcmp(test_device(), "simt") == 0) must(weft_simt_device_create(&(weft_simt_options){.threads = 2}, &d->device));
  else must(weft_cpu_create(2, &d->device));
}

static inline const char *test_target(const on_device *d) {
  if (!test_on_gpu()) return "native";
  return weft_device_runs(&d->device->info, "sm_90a") ? "sm_90a" : "sm_80";
}

// fuse,tile -> fuse{target=sm_80},tile{target=sm_80}
static inline const char *passes_for(wf_arena *arena, const char *passes, const char *target) {
  const char *out = "";
  if (!strcmp(target, "native")) return passes;
  for (const char *at = passes; *at;) {
    size_t length = strcspn(at, ",");
    const char *name = wf_arena_strndup(arena, at, length);
    bool aware = !strcmp(name, "specialise") || !strcmp(name, "fuse") || !strcmp(name, "layout") || !strcmp(name, "tile");
    out = wf_arena_printf(arena, aware ? "%s%s{target=%s}," : "%s%s,", out, name, target);
    at += length + (at[length] == ',');
  }
  return out;
}

static inline void tell(wf_diag *diag, const char *what) {
  wf_diag_print(diag, stderr, false);
  fail_msg("%s", what);
}

// Lowers the module, which is changed, and loads what comes out. what: for messages.
static inline on_device device_open(wf_arena *arena, wf_module *module, const char *passes, const char *what) {
  on_device d = {0};
  wf_code code;
  open_test_device(&d);
  const char *name = test_target(&d);
  wf_target *target = wf_target_create(arena, module->diag, name);
  wf_build_options options = {.target = target};
  if (!target || !wf_pipeline_run(module, passes_for(arena, passes, name), &(wf_pipeline_hooks){.verify = true})) tell(module->diag, what);
  if (!wf_build_program(arena, module, &options, &d.program, &code)) tell(module->diag, what);
  wf_target_destroy(target);
  must(weft_device_load(d.device, d.program, test_on_gpu() ? WEFT_CODE_PTX : WEFT_CODE_HOST, code.bytes, code.size, &d.code));
  must(weft_session_create(d.program, &(weft_session_options){.device = d.device, .code = d.code}, &d.session));
  return d;
}

static inline void device_close(on_device *d) {
  weft_session_destroy(d->session);
  weft_device_unload(d->device, d->code);
  weft_device_destroy(d->device);
}

// ---- tensors of the reference evaluator as the runtime's bytes --------------------------------------------------------------

static inline void tensor_bytes(const wf_tensor *t, void *data) {
  for (int64_t i = 0; i < t->count; i++)
    if (t->floats) wf_store_element(t->dtype, data, i, t->floats[i]);
    else wf_store_element_int(t->dtype, data, i, t->integers[i]);
}

// Gives an input of the function its tensor in the session; a data input becomes a named tensor.
static inline void device_give(on_device *d, wf_arena *arena, const wf_value *input, const wf_tensor *t, weft_named_tensor *data, int *data_count) {
  if (input->role == WF_ROLE_STEP || input->role == WF_ROLE_SEED || input->role == WF_ROLE_TOTAL) return;
  if (input->role == WF_ROLE_PARAM || input->role == WF_ROLE_STATE) {
    weft_value *value = weft_session_find_value(d->session, input->name);
    if (!value) return;   // nothing reads it
    tensor_bytes(t, value->tensor.data);
    must(weft_session_store_value(d->session, value));
    return;
  }
  weft_named_tensor *named = &data[(*data_count)++];
  *named = (weft_named_tensor){input->name, {.dtype = (weft_dtype)t->dtype, .rank = t->rank}};
  memcpy(named->tensor.extents, t->shape, sizeof(int64_t) * (size_t)t->rank);
  named->tensor.data = wf_arena_alloc(arena, (size_t)t->count * 8 + 64);
  tensor_bytes(t, named->tensor.data);
}
#endif
