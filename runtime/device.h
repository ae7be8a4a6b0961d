// What a session runs on. One interface, behind which the host (cpu/), CUDA (cuda/) and the PTX machine (simt/) stand:
// memory, copies, the machine code of programs, launches. One thread at a time uses a device; several sessions may share one.
//
// Work is in order: each call sees what the calls before it did. A device may still be at work when a call returns; what goes
// wrong meanwhile is the status of a later call, at the latest of weft_device_synchronise. Addresses of device memory are plain
// numbers to everyone but the device; an address inside an allocation is the allocation's plus bytes.
#ifndef WEFT_RUNTIME_DEVICE_H
#define WEFT_RUNTIME_DEVICE_H
#include "runtime/cpu/thread_pool.h"
#include "runtime/plan.h"

typedef struct weft_device weft_device;
typedef struct weft_code weft_code;   // the machine code of one program, loaded on a device; each device has its own

typedef struct weft_device_info {
  char name[128];          // "NVIDIA H100 80GB HBM3"
  int major, minor;        // compute capability; 0: none
  int multiprocessors;
  size_t memory;           // bytes that sessions may take
  double flops, bandwidth; // f32 FLOPs and bytes a second that it can reach; 0: not known
  int driver;              // CUDA: 12040 is 12.4; 0: none
} weft_device_info;

typedef enum weft_code_form { WEFT_CODE_HOST, WEFT_CODE_PTX, WEFT_CODE_CUBIN } weft_code_form;

typedef struct weft_launch {
  const wf_program *program;
  weft_code *code;         // NULL (cpu): the kernel's function is bound
  int kernel;              // index into the program's kernels
  void *const *args;       // device addresses in the kernel's order
  int arg_count;
  const int64_t *symbols;  // of the whole program
  int64_t tasks;           // at least 1
  size_t scratch_bytes;
  double *seconds;         // NULL, or where the launch's time is added at the latest by the next synchronise
} weft_launch;

typedef struct weft_device_ops {
  const char *kind;        // "cpu", "cuda", "simt"
  weft_status *(*allocate)(weft_device *device, size_t bytes, void **out);
  void (*release)(weft_device *device, void *memory);
  weft_status *(*upload)(weft_device *device, void *to, const void *from, size_t bytes);
  weft_status *(*download)(weft_device *device, void *to, const void *from, size_t bytes);
  weft_status *(*copy)(weft_device *device, void *to, const void *from, size_t bytes);
  weft_status *(*zero)(weft_device *device, void *memory, size_t bytes);
  weft_status *(*load)(weft_device *device, wf_program *program, weft_code_form form, const void *data, size_t size, weft_code **out);
  void (*unload)(weft_device *device, weft_code *code);
  weft_status *(*launch)(weft_device *device, const weft_launch *launch);
  weft_status *(*synchronise)(weft_device *device);
  void (*destroy)(weft_device *device);
  weft_status *(*forget)(weft_device *device, void *memory, size_t bytes);   // may be NULL
} weft_device_ops;

// The head of every device.
struct weft_device {
  const weft_device_ops *ops;
  weft_device_info info;
  bool on_host;            // addresses are the host's own: nothing needs to be moved
  size_t kept;             // bytes that the device holds for itself: scratch memory of kernels
  weft_pool *pool;         // host threads, for kernels (cpu) and for what is done on the host; the device's
};

// Whether code for "sm_80", "sm_90a" runs on a GPU of this compute capability: code for an architecture runs on it and on later
// ones, "a" architectures on their own alone.
bool weft_device_runs(const weft_device_info *info, const char *architecture);

// threads 0: WEFT_THREADS, else the CPUs that this process may use.
weft_status *weft_cpu_create(int threads, weft_device **out);
void weft_device_destroy(weft_device *device);   // also NULL

// ---- memory -----------------------------------------------------------------------------------------------------------

// Not zeroed. Aligned to WEFT_ALIGNMENT on the host, to WEFT_DEVICE_ALIGNMENT elsewhere: what kernels count on for each buffer.
enum { WEFT_DEVICE_ALIGNMENT = 256 };   // bytes
// bytes may be 0.
weft_status *weft_device_allocate(weft_device *device, size_t bytes, void **out);
void weft_device_release(weft_device *device, void *memory);   // also NULL; waits for work that may use it
// `from` must stay as it is until the next download or synchronise.
weft_status *weft_device_upload(weft_device *device, void *to, const void *from, size_t bytes);
// Returns when the bytes are there.
weft_status *weft_device_download(weft_device *device, void *to, const void *from, size_t bytes);
// Within the device. The ranges may overlap.
weft_status *weft_device_copy(weft_device *device, void *to, const void *from, size_t bytes);
weft_status *weft_device_zero(weft_device *device, void *memory, size_t bytes);
// Contents count as lost from here: devices that check reads of unwritten memory are told what a run may not rely on.
weft_status *weft_device_forget(weft_device *device, void *memory, size_t bytes);

// ---- code and launches --------------------------------------------------------------------------------------------------

// A host object (or set), PTX text or a cubin with an entry for each kernel of the program. The bytes are copied. PTX that the
// driver does not take: the status holds its log. HOST also binds the program's functions.
weft_status *weft_device_load(weft_device *device, wf_program *program, weft_code_form form, const void *data, size_t size, weft_code **out);
void weft_device_unload(weft_device *device, weft_code *code);   // also NULL
weft_status *weft_device_launch(weft_device *device, const weft_launch *launch);
// Waits for all work. A fault of a kernel is told here.
weft_status *weft_device_synchronise(weft_device *device);
#endif
