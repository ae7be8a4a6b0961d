// A pool of worker threads for kernel launches: the caller takes part, workers spin briefly between launches and then
// sleep, and a launch never waits for a worker that has not woken up. One thread at a time launches on a pool.
#ifndef WEFT_RUNTIME_THREAD_POOL_H
#define WEFT_RUNTIME_THREAD_POOL_H
#include <stdint.h>
#include "runtime/status.h"

typedef struct weft_pool weft_pool;
// Tasks [begin, end); worker: 0 for the caller, up to threads - 1. No two running calls have the same worker.
typedef void (*weft_pool_function)(void *context, int worker, int64_t begin, int64_t end);

// threads 0: WEFT_THREADS, else the CPUs that this process may run on.
weft_status *weft_pool_create(int threads, weft_pool **out);
void weft_pool_destroy(weft_pool *pool);
int weft_pool_threads(const weft_pool *pool);
void weft_pool_run(weft_pool *pool, int64_t tasks, weft_pool_function function, void *context);

#endif
