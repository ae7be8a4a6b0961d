#include "runtime/cpu/thread_pool.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "runtime/memory.h"

enum { THREAD_LIMIT = 1024, SPINS = 2000, CHUNKS_PER_THREAD = 8 };

// The state word: bits 0-15 workers inside the launch, bit 16 the launch is open, bits 17-31 its number.
// A worker enters by adding 1 while the launch is open; the caller closes it when no tasks are left and waits until
// the count is 0. Whoever wakes up late finds it closed and goes back to sleep.
enum { INSIDE_MASK = 0xffff, OPEN = 1 << 16, NUMBER_STEP = 1 << 17 };

struct weft_pool {
  // The launch. Written by the caller while nobody is inside.
  weft_pool_function function;
  void *context;
  int64_t tasks, chunk;
  _Alignas(64) _Atomic int64_t next;
  _Alignas(64) _Atomic uint32_t state;
  _Alignas(64) _Atomic uint32_t sleepers;   // workers in futex_wait
  _Atomic uint32_t caller_waits;
  _Atomic uint32_t stopping;
  int threads, spins, started;
  pthread_t *handles;
  struct worker { weft_pool *pool; int index; _Atomic int cpu; } *workers;   // cpu: where it fell asleep
  cpu_set_t allowed;                        // of the process when the pool was made
};

static void futex_wait(_Atomic uint32_t *word, uint32_t value) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}
static void futex_wake_all(_Atomic uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0); }

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static void take_chunks(weft_pool *pool, int worker) {
  for (;;) {
    int64_t begin = atomic_fetch_add_explicit(&pool->next, pool->chunk, memory_order_relaxed);
    if (begin >= pool->tasks) return;
    int64_t end = begin + pool->chunk < pool->tasks ? begin + pool->chunk : pool->tasks;
    pool->function(pool->context, worker, begin, end);
  }
}

// Waits for an open launch other than `seen`; returns its number or, when the pool stops, 0 with *out_stop set.
static uint32_t await_launch(struct worker *worker, uint32_t seen, bool *out_stop) {
  weft_pool *pool = worker->pool;
  for (int spin = 0;; spin++) {
    uint32_t state = atomic_load(&pool->state);
    *out_stop = atomic_load(&pool->stopping);
    if (*out_stop) return 0;
    if ((state & OPEN) && state / NUMBER_STEP != seen) {
      if (atomic_compare_exchange_weak(&pool->state, &state, state + 1)) return state / NUMBER_STEP;
    } else if (spin < pool->spins) relax();
    else {
      atomic_store(&worker->cpu, sched_getcpu());
      atomic_fetch_add(&pool->sleepers, 1);
      if (!atomic_load(&pool->stopping)) futex_wait(&pool->state, state);
      atomic_fetch_sub(&pool->sleepers, 1);
      spin = 0;
    }
  }
}

static void *work(void *argument) {
  struct worker *worker = argument;
  weft_pool *pool = worker->pool;
  uint32_t seen = UINT32_MAX;
  for (;;) {
    bool stop;
    seen = await_launch(worker, seen, &stop);
    if (stop) return NULL;
    take_chunks(pool, worker->index);
    uint32_t left = atomic_fetch_sub(&pool->state, 1) - 1;
    if ((left & INSIDE_MASK) == 0 && atomic_load(&pool->caller_waits)) futex_wake_all(&pool->state);
  }
}

// Linux likes to wake a thread on the CPU where it slept, if need be behind its waker: a worker that sleeps on the caller's CPU would
// come too late for launches of some milliseconds, time after time. It is sent to the others.
static void move_sleepers_away(weft_pool *pool) {
  int here = sched_getcpu();
  if (!pool->spins || here < 0) return;
  for (int i = 1; i <= pool->started; i++) {
    if (atomic_load(&pool->workers[i].cpu) != here) continue;
    cpu_set_t others = pool->allowed;
    CPU_CLR(here, &others);
    if (CPU_COUNT(&others)) pthread_setaffinity_np(pool->handles[i], sizeof others, &others);
  }
}

static void open_launch(weft_pool *pool) {
  uint32_t number = atomic_load_explicit(&pool->state, memory_order_relaxed) / NUMBER_STEP + 1;
  bool asleep = atomic_load(&pool->sleepers);
  if (asleep) move_sleepers_away(pool);
  atomic_store(&pool->state, number * NUMBER_STEP | OPEN);
  if (asleep || atomic_load(&pool->sleepers)) futex_wake_all(&pool->state);
}

static void close_launch(weft_pool *pool) {
  uint32_t state = atomic_fetch_and(&pool->state, ~(uint32_t)OPEN) & ~(uint32_t)OPEN;
  for (int spin = 0; state & INSIDE_MASK; spin++) {
    if (spin < pool->spins) relax();
    else {
      atomic_store(&pool->caller_waits, 1);
      state = atomic_load(&pool->state);
      if (state & INSIDE_MASK) futex_wait(&pool->state, state);
      atomic_store(&pool->caller_waits, 0);
    }
    state = atomic_load(&pool->state);
  }
}

void weft_pool_run(weft_pool *pool, int64_t tasks, weft_pool_function function, void *context) {
  if (tasks <= 0) return;
  if (tasks == 1 || pool->threads == 1) {
    function(context, 0, 0, tasks);
    return;
  }
  int64_t chunk = tasks / ((int64_t)pool->threads * CHUNKS_PER_THREAD);
  pool->function = function;
  pool->context = context;
  pool->tasks = tasks;
  pool->chunk = chunk > 0 ? chunk : 1;
  atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
  open_launch(pool);
  take_chunks(pool, 0);
  close_launch(pool);
}

static int allowed_cpus(cpu_set_t *out) {
  CPU_ZERO(out);
  return sched_getaffinity(0, sizeof *out, out) == 0 ? CPU_COUNT(out) : 1;
}

static weft_status *choose_threads(int threads, int cpus, int *out) {
  const char *text = getenv("WEFT_THREADS");
  if (threads == 0 && text && *text) {
    char *end;
    long value = strtol(text, &end, 10);
    if (*end || value < 1 || value > THREAD_LIMIT)
      return weft_fail(WEFT_BAD_INPUT, "WEFT_THREADS should be 1 to %d, not '%s'", THREAD_LIMIT, text);
    threads = (int)value;
  }
  if (threads < 0 || threads > THREAD_LIMIT) return weft_fail(WEFT_BAD_INPUT, "threads should be 1 to %d, not %d", THREAD_LIMIT, threads);
  *out = threads ? threads : cpus;
  return NULL;
}

static weft_status *start(weft_pool *pool) {
  TRY(weft_allocate((size_t)pool->threads, sizeof *pool->handles, &pool->handles));
  TRY(weft_allocate((size_t)pool->threads, sizeof *pool->workers, &pool->workers));
  for (int i = 1; i < pool->threads; i++) {
    pool->workers[i] = (struct worker){pool, i, -1};
    int error = pthread_create(&pool->handles[i], NULL, work, &pool->workers[i]);
    if (error) return weft_fail_errno(error, "cannot start worker thread %d of %d", i, pool->threads - 1);
    pool->started = i;
  }
  return NULL;
}

weft_status *weft_pool_create(int threads, weft_pool **out) {
  *out = NULL;
  int chosen = 0;
  void *memory = NULL;
  cpu_set_t allowed;
  int cpus = allowed_cpus(&allowed);
  TRY(choose_threads(threads, cpus, &chosen));
  TRY(weft_allocate_aligned(sizeof(weft_pool), &memory));
  weft_pool *pool = memory;
  *pool = (weft_pool){.threads = chosen, .allowed = allowed};
  // Where threads share a CPU, spinning takes the time of the thread that is waited for.
  pool->spins = chosen <= cpus ? SPINS : 0;
  weft_status *failed = start(pool);
  if (failed) weft_pool_destroy(pool);
  else *out = pool;
  return failed;
}

void weft_pool_destroy(weft_pool *pool) {
  if (!pool) return;
  atomic_store(&pool->stopping, 1);
  atomic_fetch_add(&pool->state, NUMBER_STEP);   // the word changes, so that a worker about to sleep does not
  futex_wake_all(&pool->state);
  for (int i = 1; i <= pool->started; i++) pthread_join(pool->handles[i], NULL);
  free(pool->handles);
  free(pool->workers);
  free(pool);
}

int weft_pool_threads(const weft_pool *pool) { return pool->threads; }
