// Both sides of the GEMM bench in one process: C = A B in f32, row-major, by kernels that weft makes now and by OpenBLAS
// (opened at run time). Reads lines "weft N" and "openblas N" and answers with the milliseconds of one product, the best of
// three. Threads spin after a product, so the caller leaves a pause between the sides. usage: gemm_sides THREADS
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "codegen/compile.h"
#include "passes/passes.h"
#include "runtime/cpu/thread_pool.h"
#include "runtime/load_object.h"
#include "runtime/plan.h"

enum { MOST_LAUNCHES = 8, MOST_VALUES = 64 };

typedef struct product {         // compiled for one size
  int64_t n;
  int launches;
  wf_kernel_entry entries[MOST_LAUNCHES];
  int64_t tasks[MOST_LAUNCHES];
  size_t scratch_bytes;
  void *buffers[MOST_LAUNCHES][MOST_VALUES];
  void *values[MOST_VALUES];
  float *a, *b, *c;
} product;

typedef struct bench {
  weft_pool *pool;
  char *scratch[64];
  void (*sgemm)(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int);
  product sizes[16];
  int size_count;
} bench;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void *aligned(size_t bytes) {
  void *memory = aligned_alloc(64, (bytes + 127) / 64 * 64);
  if (!memory) exit(3);
  memset(memory, 0, bytes);
  return memory;
}

static void stop(wf_diag *diag, const char *what) {
  wf_diag_print(diag, stderr, false);
  fprintf(stderr, "gemm_sides: %s\n", what);
  exit(70);
}

static int64_t no_symbol(void *context, const wf_atom *atom) { return 1; }

static void build(product *p, int64_t n) {
  char text[512], message[256];
  wf_arena *arena = wf_arena_create();
  wf_diag *diag = wf_diag_create(arena);
  snprintf(text, sizeof text,
           "func @gemm(%%a: f32[%ld, %ld] data, %%b: f32[%ld, %ld] data) -> (c: %%c) {\n"
           "  %%c: f32[%ld, %ld] = compute [i: %ld, j: %ld] sum[k: %ld] %%a[i, k] * %%b[k, j]\n}\n",
           (long)n, (long)n, (long)n, (long)n, (long)n, (long)n, (long)n, (long)n, (long)n);
  wf_module *module = wf_parse_module(arena, diag, wf_source_from_text(arena, "gemm.wir", text));
  if (!module || !wf_pipeline_run(module, "fuse,tile", NULL)) stop(diag, "the passes failed");
  wf_target *target = wf_target_create(arena, diag, "native");
  wf_function *function = module->functions.items[0];
  p->n = n;
  for (int i = 0; i < function->inputs.count; i++) p->values[function->inputs.items[i]->id] = aligned((size_t)(n * n) * 4);
  for (int i = 0; i < function->ops.count; i++) {
    const wf_op *op = function->ops.items[i];
    wf_compile_kernel kernel = {.kernel = op->kernel, .entry = "k"};
    wf_code code;
    if (!target || !wf_compile_kernels(arena, diag, target, &kernel, 1, NULL, 0, WF_CODE_OBJECT, &code)) stop(diag, "does not compile");
    wf_object *object = wf_object_load(code.bytes, code.size, message, sizeof message);
    if (!object) stop(diag, message);
    p->entries[p->launches] = (wf_kernel_entry)wf_object_symbol(object, "k");
    p->tasks[p->launches] = wf_dim_eval(kernel.tasks, no_symbol, NULL);
    size_t scratch = (size_t)wf_dim_eval(kernel.scratch_bytes, no_symbol, NULL);
    if (scratch > p->scratch_bytes) p->scratch_bytes = scratch;
    for (int k = 0; k < op->operand_count; k++) p->buffers[p->launches][k] = p->values[op->operands[k]->id];
    for (int k = 0; k < op->result_count; k++) {
      size_t elements = (size_t)wf_dim_eval(wf_value_elements(module, op->results[k]), no_symbol, NULL);
      p->buffers[p->launches][op->operand_count + k] = p->values[op->results[k]->id] = aligned(elements * 4);
    }
    p->launches++;
  }
  p->a = p->values[function->inputs.items[0]->id];
  p->b = p->values[function->inputs.items[1]->id];
  p->c = p->values[function->results.items[0].value->id];
  for (int64_t i = 0; i < n * n; i++) {
    p->a[i] = (float)(i % 7) - 3;
    p->b[i] = (float)(i % 5) - 2;
  }
  wf_target_destroy(target);
}

typedef struct launch { const product *p; int index; char **scratch; } launch;

static void run_tasks(void *context, int worker, int64_t begin, int64_t end) {
  const launch *l = context;
  l->p->entries[l->index](l->p->buffers[l->index], NULL, begin, end, l->scratch[worker]);
}

static void run_weft(bench *b, product *p) {
  for (int i = 0; i < p->launches; i++) {
    launch l = {p, i, b->scratch};
    weft_pool_run(b->pool, p->tasks[i], run_tasks, &l);
  }
}

static void run_openblas(bench *b, product *p, float *out) {
  int n = (int)p->n;
  b->sgemm(101, 111, 111, n, n, n, 1, p->a, n, p->b, n, 0, out, n);
}

static product *product_of(bench *b, int64_t n) {
  for (int i = 0; i < b->size_count; i++)
    if (b->sizes[i].n == n) return &b->sizes[i];
  if (b->size_count == 16) exit(2);
  product *p = &b->sizes[b->size_count++];
  build(p, n);
  for (int i = 0; i < weft_pool_threads(b->pool); i++) {
    free(b->scratch[i]);
    b->scratch[i] = aligned(p->scratch_bytes + (1 << 20));
  }
  float *out = aligned((size_t)(n * n) * 4);
  run_weft(b, p);
  run_openblas(b, p, out);
  for (int64_t i = 0; i < n * n; i++)   // small whole numbers: both are exact
    if (out[i] != p->c[i]) {
      fprintf(stderr, "gemm_sides: element %ld of %ld: weft %g, OpenBLAS %g\n", (long)i, (long)n, p->c[i], out[i]);
      exit(4);
    }
  free(out);
  return p;
}

int main(int argc, char **argv) {
  static bench b;
  char side[16], count[16];
  long n;
  int threads = argc > 1 ? atoi(argv[1]) : 1;
  if (threads < 1 || threads > 64) return 2;
  snprintf(count, sizeof count, "%d", threads);
  setenv("OPENBLAS_NUM_THREADS", count, 1);
  void *library = dlopen("libopenblas.so.0", RTLD_NOW);
  if (library) b.sgemm = (void (*)(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int))dlsym(library, "cblas_sgemm");
  if (!b.sgemm) {
    fprintf(stderr, "gemm_sides: needs OpenBLAS (apt-get install libopenblas0-pthread)\n");
    return 3;
  }
  if (weft_pool_create(threads, &b.pool)) return 3;
  while (scanf("%15s %ld", side, &n) == 2) {
    product *p = product_of(&b, n);
    float *out = aligned((size_t)(n * n) * 4);
    double best = 1e300;
    for (int i = 0; i < 3; i++) {
      double start = now();
      if (strcmp(side, "weft") == 0) run_weft(&b, p);
      else run_openblas(&b, p, out);
      double taken = now() - start;
      best = taken < best ? taken : best;
    }
    free(out);
    printf("%.6f\n", best);
    fflush(stdout);
  }
  weft_pool_destroy(b.pool);
  return 0;
}
