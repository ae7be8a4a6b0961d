// What the files of the PTX machine share: the machine, its modules and statistics.
#ifndef WEFT_SIMT_MACHINE_H
#define WEFT_SIMT_MACHINE_H
#include "ir/arena.h"
#include "runtime/cpu/thread_pool.h"
#include "runtime/simt/memory.h"

typedef struct simt_worker simt_worker;   // a host thread's blocks (worker.h)

struct weft_simt {
  weft_simt_options options;
  weft_pool *pool;
  simt_memory memory;
  weft_simt_module *modules;   // a list
  simt_worker **workers;       // one a thread of the pool, made when first needed
  weft_simt_counts counts;
  weft_simt_row *rows;
  int row_capacity;
  uint64_t launches;
};

// The row of a kernel's name, made where there is none.
weft_status *simt_row(weft_simt *machine, const char *kernel, weft_simt_row **out);
void simt_worker_destroy(simt_worker *worker);

#endif
