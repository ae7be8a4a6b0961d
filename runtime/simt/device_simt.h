// The PTX machine as a device of the runtime.
#ifndef WEFT_RUNTIME_SIMT_DEVICE_SIMT_H
#define WEFT_RUNTIME_SIMT_DEVICE_SIMT_H
#include "runtime/device.h"
#include "runtime/simt/simt.h"

// options NULL: the defaults. The device reports the compute capability whose PTX the machine knows.
weft_status *weft_simt_device_create(const weft_simt_options *options, weft_device **out);
// The machine behind a device that the above made: for its statistics.
const weft_simt *weft_simt_device_machine(const weft_device *device);
#endif
