// The objects of a whole program, several at a time. This thread emits one LLVM module after another, each in a context of its own;
// workers, and then this thread too, run passes and back end on those that are ready. Which kernels share a module depends on their
// order alone, so the bytes do not depend on the number of threads.
#include <pthread.h>
#include <time.h>
#include <unistd.h>
#include "codegen/compile_internal.h"
#include "codegen/kernel_cache.h"
#include "runtime/load_object.h"

enum { KERNELS_A_UNIT = 8, MAX_THREADS = 16 };

typedef struct job {
  wf_compile_kernel *kernels;   // of the unit
  int kernel_count;
  wf_cache_key key;             // with a cache: of its one kernel
  wf_unit unit;
  wf_arena *arena;              // of the worker that takes it: messages and bytes
  wf_diag *diag;
  wf_code code;
  bool good, reused;            // reused: code came from the cache
} job;

typedef struct pool {
  const wf_target *target;
  const wf_atom *const *symbols;
  int symbol_count;
  const char *cache;
  job *jobs;
  int count, ready, taken;
  bool closed;                  // no more jobs become ready
  pthread_mutex_t lock;
  pthread_cond_t changed;
} pool;

static job *take(pool *p) {
  pthread_mutex_lock(&p->lock);
  while (p->taken == p->ready && !p->closed) pthread_cond_wait(&p->changed, &p->lock);
  job *taken = p->taken < p->ready ? &p->jobs[p->taken++] : NULL;
  pthread_mutex_unlock(&p->lock);
  return taken;
}

static void publish(pool *p, bool last) {
  pthread_mutex_lock(&p->lock);
  if (!last) p->ready++;
  p->closed |= last;
  pthread_cond_broadcast(&p->changed);
  pthread_mutex_unlock(&p->lock);
}

static void finish_jobs(pool *p, const wf_target *target) {
  for (job *j; (j = take(p));) {
    if (j->reused) continue;
    j->arena = wf_arena_create();
    j->diag = wf_diag_create(j->arena);
    j->good = wf_unit_finish(&j->unit, j->arena, j->diag, target, WF_CODE_OBJECT, &j->code);
    wf_unit_destroy(&j->unit);
  }
}

static void *work(void *context) {
  pool *p = context;
  wf_target own = wf_target_clone(p->target);
  finish_jobs(p, &own);
  wf_target_destroy(&own);
  return NULL;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int thread_count(int wanted, int jobs) {
  long cpus = sysconf(_SC_NPROCESSORS_ONLN);
  int count = wanted > 0 ? wanted : cpus > 0 ? (int)cpus : 1;
  if (count > jobs) count = jobs;
  return count > MAX_THREADS ? MAX_THREADS : count;
}

static bool emit_jobs(pool *p) {
  for (int i = 0; i < p->count; i++) {
    job *j = &p->jobs[i];
    if (!j->reused && !wf_unit_emit(&j->unit, p->target, j->kernels, j->kernel_count, p->symbols, p->symbol_count)) return false;
    publish(p, false);
  }
  return true;
}

// A unit of the cache holds one kernel, so that any program can use it; LLVM is a sixth slower then.
static void make_jobs(wf_arena *arena, pool *p, wf_compile_kernel *kernels, int count) {
  int each = p->cache ? 1 : KERNELS_A_UNIT;
  p->count = (count + each - 1) / each;
  p->jobs = WF_NEW_ARRAY(arena, job, p->count);
  for (int i = 0; i < p->count; i++) {
    job *j = &p->jobs[i];
    j->kernels = kernels + i * each;
    j->kernel_count = count - i * each < each ? count - i * each : each;
  }
}

// ---- the cache ------------------------------------------------------------------------------------------------------

static void look_up(wf_arena *arena, pool *p) {
  weft_status *failed = p->cache ? wf_cache_make_folders(arena, p->cache) : NULL;
  if (failed) p->cache = NULL;
  weft_status_free(failed);
  for (int i = 0; p->cache && i < p->count; i++) {
    job *j = &p->jobs[i];
    j->key = wf_kernel_cache_key(arena, p->target, j->kernels, p->symbols, p->symbol_count);
    j->kernels->entry = wf_kernel_cache_entry(arena, j->key);
    j->reused = wf_kernel_cache_load(arena, p->cache, j->key, p->symbols, p->symbol_count, j->kernels, &j->code);
    j->good = j->reused;
  }
}

// Now and then, so that a compilation seldom pays for listing the folder.
static bool should_sweep(wf_cache_key key) { return key.low % 32 == 0; }

static void store_new(wf_arena *arena, const pool *p) {
  bool sweep = false;
  for (int i = 0; p->cache && i < p->count; i++) {
    const job *j = &p->jobs[i];
    if (j->reused || !j->good) continue;
    wf_kernel_cache_store(arena, p->cache, j->key, p->symbols, p->symbol_count, j->kernels, &j->code);
    sweep |= should_sweep(j->key);
  }
  if (sweep) wf_kernel_cache_sweep(arena, p->cache, WF_CACHE_BYTES);
}

static void join_objects(wf_arena *arena, const pool *p, wf_code *out) {
  size_t size = 0;
  const void **parts = WF_NEW_ARRAY(arena, const void *, p->count);
  size_t *sizes = WF_NEW_ARRAY(arena, size_t, p->count);
  for (int i = 0; i < p->count; i++) parts[i] = p->jobs[i].code.bytes, sizes[i] = p->jobs[i].code.size;
  size = wf_object_set_size(sizes, p->count);
  *out = (wf_code){wf_arena_alloc(arena, size + 1), size};
  wf_object_set_write(parts, sizes, p->count, out->bytes);
}

// PTX begins with its version, target and address size, the same in all parts: the first part's are kept.
static const char *behind_header(const char *ptx) {
  const char *at = strstr(ptx, ".address_size");
  const char *line = at ? strchr(at, '\n') : NULL;
  return line ? line + 1 : ptx;
}

static void join_ptx(wf_arena *arena, const pool *p, wf_code *out) {
  wf_text text;
  wf_text_init(&text);
  for (int i = 0; i < p->count; i++) wf_text_add(&text, i ? behind_header(p->jobs[i].code.bytes) : p->jobs[i].code.bytes);
  *out = (wf_code){wf_arena_strndup(arena, text.data ? text.data : "", text.length), text.length};
  wf_text_deinit(&text);
}

static void add_times(wf_compile_times *to, const job *j) {
  const wf_compile_times *from = &j->unit.times;
  to->kernels += j->kernel_count;
  to->reused += j->reused ? j->kernel_count : 0;
  to->emit += from->emit;
  to->verify += from->verify;
  to->passes += from->passes;
  to->machine += from->machine;
}

static bool collect(wf_arena *arena, wf_diag *diag, pool *p, wf_compile_times *times, wf_code *out) {
  bool good = true;
  for (int i = 0; i < p->count; i++) {
    const job *j = &p->jobs[i];
    good = good && j->good;
    for (int k = 0; j->diag && k < j->diag->list.count; k++) wf_error(diag, WF_NOWHERE, "%s", j->diag->list.items[k]->message);
  }
  if (good) store_new(arena, p);
  if (good && p->target->gpu) join_ptx(arena, p, out);
  else if (good) join_objects(arena, p, out);
  for (int i = 0; i < p->count; i++) {
    if (times) add_times(times, &p->jobs[i]);
    wf_unit_destroy(&p->jobs[i].unit);
    if (p->jobs[i].arena) wf_arena_destroy(p->jobs[i].arena);
  }
  return good;
}

bool wf_compile_program(wf_arena *arena, wf_diag *diag, const wf_target *target, wf_compile_kernel *kernels, int count,
                        const wf_atom *const *symbols, int symbol_count, const wf_compile_options *options, wf_code *out) {
  pool p = {.target = target, .symbols = symbols, .symbol_count = symbol_count, .cache = options->cache};
  pthread_t workers[MAX_THREADS];
  double start = now();
  *out = (wf_code){0};
  make_jobs(arena, &p, kernels, count);
  look_up(arena, &p);
  int started = 0, wanted = thread_count(options->threads, p.count);
  pthread_mutex_init(&p.lock, NULL);
  pthread_cond_init(&p.changed, NULL);
  while (started < wanted - 1 && pthread_create(&workers[started], NULL, work, &p) == 0) started++;
  bool emitted = emit_jobs(&p);
  publish(&p, true);
  finish_jobs(&p, target);
  for (int i = 0; i < started; i++) pthread_join(workers[i], NULL);
  pthread_cond_destroy(&p.changed);
  pthread_mutex_destroy(&p.lock);
  bool good = collect(arena, diag, &p, options->times, out) && emitted;
  if (options->times) options->times->whole += now() - start;
  return good;
}
