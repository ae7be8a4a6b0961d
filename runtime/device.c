#include "runtime/device.h"

#include <stdio.h>

bool weft_device_runs(const weft_device_info *info, const char *architecture) {
  int number = 0;
  char suffix = 0;
  if (sscanf(architecture, "sm_%d%c", &number, &suffix) < 1) return false;
  int capability = info->major * 10 + info->minor;
  return suffix == 'a' ? capability == number : capability >= number;
}

weft_status *weft_device_allocate(weft_device *device, size_t bytes, void **out) {
  *out = NULL;
  return device->ops->allocate(device, bytes ? bytes : 1, out);
}

void weft_device_release(weft_device *device, void *memory) {
  if (memory) device->ops->release(device, memory);
}

weft_status *weft_device_upload(weft_device *device, void *to, const void *from, size_t bytes) {
  return bytes ? device->ops->upload(device, to, from, bytes) : NULL;
}

weft_status *weft_device_download(weft_device *device, void *to, const void *from, size_t bytes) {
  return bytes ? device->ops->download(device, to, from, bytes) : NULL;
}

weft_status *weft_device_copy(weft_device *device, void *to, const void *from, size_t bytes) {
  return bytes && to != from ? device->ops->copy(device, to, from, bytes) : NULL;
}

weft_status *weft_device_zero(weft_device *device, void *memory, size_t bytes) {
  return bytes ? device->ops->zero(device, memory, bytes) : NULL;
}

weft_status *weft_device_forget(weft_device *device, void *memory, size_t bytes) {
  return bytes && device->ops->forget ? device->ops->forget(device, memory, bytes) : NULL;
}

weft_status *weft_device_load(weft_device *device, wf_program *program, weft_code_form form, const void *data, size_t size, weft_code **out) {
  *out = NULL;
  return device->ops->load(device, program, form, data, size, out);
}

void weft_device_unload(weft_device *device, weft_code *code) {
  if (code) device->ops->unload(device, code);
}

weft_status *weft_device_launch(weft_device *device, const weft_launch *launch) {
  const wf_plan_kernel *kernel = &launch->program->kernels[launch->kernel];
  if (launch->tasks <= 0) return NULL;
  return weft_context(device->ops->launch(device, launch), "kernel %s%s%s%s", kernel->name, kernel->place ? " (" : "",
                      kernel->place ? kernel->place : "", kernel->place ? ")" : "");
}

weft_status *weft_device_synchronise(weft_device *device) { return device->ops->synchronise(device); }

void weft_device_destroy(weft_device *device) {
  if (device) device->ops->destroy(device);
}
