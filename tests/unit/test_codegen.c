// Host code against the kernel interpreter (f64): each kernel runs on random data, its tasks in uneven pieces, for the machine's
// own level and for x86-64-v2. Buffers end at, and then start after, a page that must not be touched.
#include "kernel_support.h"
#include <math.h>
#include <sys/mman.h>

enum { MAX_BUFFERS = 8, PAGE_BYTES = 4096 };
static uint64_t state;
static uint64_t random_bits(void) { return state ^= state << 13, state ^= state >> 7, state ^= state << 17; }
static double uniform(void) { return (double)(random_bits() >> 11) * 0x1p-53; }

typedef struct environment { const wf_kernel *kernel; const int64_t *symbols; } environment;
static int64_t symbol_value(void *context, const wf_atom *atom) {
  const environment *at = context;
  for (int i = 0; i < at->kernel->symbols.count; i++)
    if (at->kernel->symbols.items[i] == atom) return at->symbols[i];
  fail_msg("unbound %s", atom->name);
  return 0;
}
static int64_t value_of(const wf_dim *dim, environment *at) { return wf_dim_eval(dim, symbol_value, at); }

// ---- guarded memory -------------------------------------------------------------------------------------------------------
typedef struct guarded { char *map, *data; size_t map_bytes; } guarded;
static guarded guarded_alloc(size_t bytes, bool at_end) {
  size_t inner = (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES + PAGE_BYTES;
  guarded g = {.map_bytes = inner + 2 * PAGE_BYTES};
  g.map = mmap(NULL, g.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(g.map, MAP_FAILED);
  assert_int_equal(mprotect(g.map, PAGE_BYTES, PROT_NONE), 0);
  assert_int_equal(mprotect(g.map + PAGE_BYTES + inner, PAGE_BYTES, PROT_NONE), 0);
  g.data = at_end ? g.map + PAGE_BYTES + inner - bytes : g.map + PAGE_BYTES;
  return g;
}

// ---- buffers ----------------------------------------------------------------------------------------------------------------
static wf_tensor *random_tensor(wf_arena *arena, const wf_value *value, environment *at) {
  int64_t shape[WF_MAX_RANK];
  for (int i = 0; i < value->rank; i++) shape[i] = value_of(value->shape[i], at);
  wf_tensor *t = wf_tensor_create(arena, value->dtype, value->rank, shape);
  for (int64_t i = 0; i < t->count; i++)
    if (t->floats) t->floats[i] = wf_round_to(value->dtype, 4 * uniform() - 2);
    else t->integers[i] = value->dtype == WF_BOOL ? (int64_t)(random_bits() & 1) : (int64_t)(random_bits() % 5);
  return t;
}

static int64_t storage_elements(const wf_value *value, environment *at) {
  int64_t count = 1;
  for (int i = 0; i < value->rank; i++) count *= value_of(value->shape[i], at);
  return value->layout ? value_of(value->layout->size, at) : count;
}

static int64_t element_offset(wf_module *module, const wf_value *value, const wf_tensor *t, int64_t linear, environment *at) {
  if (!value->layout) return linear;
  const wf_dim *coordinates[WF_MAX_RANK];
  for (int k = t->rank; k-- > 0; linear /= t->shape[k]) coordinates[k] = wf_dim_const(module->dims, linear % t->shape[k]);
  return value_of(wf_layout_offset(module->dims, value->layout, coordinates), at);
}

static void pack(wf_module *module, const wf_value *value, const wf_tensor *t, void *data, environment *at) {
  for (int64_t i = 0; i < t->count; i++)
    if (t->floats) wf_store_element(value->dtype, data, element_offset(module, value, t, i, at), t->floats[i]);
    else wf_store_element_int(value->dtype, data, element_offset(module, value, t, i, at), t->integers[i]);
}

static double tolerance(wf_dtype type) {
  switch (type) {
    case WF_F64: return 1e-12;
    case WF_F32: return 2e-5;
    case WF_TF32: case WF_F16: return 0x1p-9;
    case WF_BF16: return 0x1p-6;
    case WF_E4M3: return 0x1p-2;
    case WF_E5M2: return 0.5;
    default: return 0;
  }
}

static void compare(const char *text, wf_module *module, const wf_value *value, const wf_tensor *wanted, const void *data, environment *at) {
  for (int64_t i = 0; i < wanted->count; i++) {
    int64_t offset = element_offset(module, value, wanted, i, at);
    if (wanted->floats) {
      double got = wf_load_element(value->dtype, data, offset), want = wf_round_to(value->dtype, wanted->floats[i]);
      bool same = isnan(want) ? isnan(got) : got == want || fabs(got - want) <= tolerance(value->dtype) * (1 + fabs(want));
      if (!same) fail_msg("%s\n%%%s[%lld] is %.9g, not %.9g", text, value->name, (long long)i, got, want);
    } else {
      int64_t got = wf_load_element_int(value->dtype, data, offset), want = wanted->integers[i];
      if (got != want) fail_msg("%s\n%%%s[%lld] is %lld, not %lld", text, value->name, (long long)i, (long long)got, (long long)want);
    }
  }
}

static void run_in_pieces(wf_kernel_entry entry, void **buffers, const int64_t *symbols, int64_t tasks, void *scratch) {
  for (int64_t begin = 0; begin < tasks;) {
    int64_t end = begin + 1 + (int64_t)(random_bits() % 5);
    entry(buffers, symbols, begin, end < tasks ? end : tasks, scratch);
    begin = end;
  }
}

static void check_placed(const char *text, built *b, const int64_t *symbols, bool at_end, bool round) {
  const wf_kernel *kernel = b->kernels[0].kernel;
  environment at = {kernel, symbols};
  wf_tensor *tensors[MAX_BUFFERS];
  guarded memory[MAX_BUFFERS], scratch = guarded_alloc((size_t)value_of(b->kernels[0].scratch_bytes, &at), false);
  void *buffers[MAX_BUFFERS];
  int count = kernel->params.count;
  for (int i = 0; i < count; i++) {
    const wf_value *value = kernel->params.items[i];
    tensors[i] = random_tensor(b->arena, value, &at);
    memory[i] = guarded_alloc((size_t)storage_elements(value, &at) * (size_t)wf_dtype_bytes(value->dtype), at_end);
    buffers[i] = memory[i].data;
    pack(b->module, value, tensors[i], buffers[i], &at);
  }
  if (!wf_kernel_ref_run(b->arena, b->diag, kernel, tensors, symbols, round)) fail_with(b->diag, text);
  run_in_pieces(b->entry, buffers, symbols, value_of(b->kernels[0].tasks, &at), scratch.data);
  for (int i = 0; i < count; i++) compare(text, b->module, kernel->params.items[i], tensors[i], buffers[i], &at);
  for (int i = 0; i < count; i++) munmap(memory[i].map, memory[i].map_bytes);
  munmap(scratch.map, scratch.map_bytes);
}

static void check_level(const char *text, const char *level, const int64_t *symbols, bool round) {
  built b = build_kernels(text, level);
  check_placed(text, &b, symbols, true, round);
  check_placed(text, &b, symbols, false, round);
  drop(&b);
}

static void check(const char *text, int64_t n, int64_t m) {
  int64_t symbols[2] = {n, m};
  state = 88172645463325252u;
  check_level(text, "native", symbols, false);
  check_level(text, "x86-64-v2", symbols, false);
}

// v4 code cannot run here; it must compile.
static void compiles_for_v4(const char *text) {
  built b = build_kernels(text, "x86-64-v4");
  drop(&b);
}

// ---- loops and memory -----------------------------------------------------------------------------------------------------------
static void test_scalar(void **unused) {
  (void)unused;
  check("sym n\nkernel @k(%x: f32[n] in, %y: f32[n] out) symbols(n) {\n for task i: n {\n %y[i] = %x[i]*2 + 1\n}\n}\n", 13, 0);
}

static const char ragged[] =
    "sym n\nkernel @k(%x: f32[n] in, %y: f32[n] out) symbols(n) {\n for task i: (n + 7)//8 {\n for vector v: 8 {\n"
    "if 8*i + v < n {\n%y[8*i + v] = %x[8*i + v]*2 + 1\n}\n}\n}\n}\n";

static void test_ragged(void **unused) {
  (void)unused;
  for (int64_t n = 1; n < 27; n += 4) check(ragged, n, 0);
  compiles_for_v4(ragged);
}

static void test_ragged_types(void **unused) {
  (void)unused;
  static const char *const types[] = {"f64", "bf16", "f16", "f8e4m3", "f8e5m2", "tf32", "i64", "i32", "u8"};
  for (int t = 0; t < 9; t++) {
    char text[512];
    snprintf(text, sizeof text, "sym n\nkernel @k(%%x: %s[n] in, %%y: %s[n] out) symbols(n) {\n for task i: (n + 7)//8 {\n for vector v: 8 {\n"
             "if 8*i + v < n {\n%%y[8*i + v] = max(%%x[8*i + v], 1)\n}\n}\n}\n}\n", types[t], types[t]);
    check(text, 21, 0);
  }
}

static const char matmul[] =
    "sym n\nsym m\nkernel @k(%x: f32[n, 20] in, %w: f32[20, m] in, %b: f32[m] in, %y: f32[n, m] out) symbols(n, m) {\n"
    "for task io: (n + 5)//6 {\n for task jo: (m + 15)//16 {\n"
    "alloc %acc: f32[6, 16] register\n"
    "for unroll i: 6 {\n for vector v: 16 {\n %acc[i, v] = 0\n}\n}\n"
    "for serial k: 20 {\n for unroll i: 6 {\n if 6*io + i < n {\n for vector v: 16 {\n if 16*jo + v < m {\n"
    "%acc[i, v] += %x[6*io + i, k]*%w[k, 16*jo + v]\n}\n}\n}\n}\n}\n"
    "for unroll i: 6 {\n if 6*io + i < n {\n for vector v: 16 {\n if 16*jo + v < m {\n"
    "%y[6*io + i, 16*jo + v] = max(%acc[i, v] + %b[16*jo + v], 0)\n}\n}\n}\n}\n}\n}\n}\n";

static void test_matmul(void **unused) {
  (void)unused;
  check(matmul, 6, 16);
  check(matmul, 13, 37);
  check(matmul, 1, 1);
  compiles_for_v4(matmul);
}

static void test_convolution(void **unused) {
  (void)unused;
  static const char text[] =
      "sym n\nkernel @k(%x: f32[n, 3, 9, 9] in, %w: f32[4, 3, 3, 3] in, %y: f32[n, 4, 9, 9] out) symbols(n) {\n"
      "for task b: n {\n for task o: 4 {\n for serial y: 9 {\n alloc %acc: f32[9] register\n"
      "for vector v: 9 {\n %acc[v] = 0\n}\n for serial c: 3 {\n for unroll r: 3 {\n for unroll s: 3 {\n for vector v: 9 {\n"
      "%acc[v] += (%x[b, c, y + r - 1, v + s - 1] else 0)*%w[o, c, r, s]\n}\n}\n}\n}\n"
      "for vector v: 9 {\n %y[b, o, y, v] = %acc[v]\n}\n}\n}\n}\n}\n";
  check(text, 2, 0);
}

static void test_strided_convolution(void **unused) {
  (void)unused;
  static const char text[] =
      "sym n\nkernel @k(%x: f32[n, 17] in, %w: f32[3] in, %y: f32[n, 8] out, %z: f32[n, 8] out) symbols(n) {\n"
      "for task b: n {\n for vector v: 8 {\n alloc %acc: f32[1] register\n %acc[0] = 0.5\n"
      "for serial r: 3 {\n %acc[0] += (%x[b, 2*v + r - 1] else 0.25)*%w[r]\n}\n %y[b, v] = %acc[0]\n"
      "%z[b, 7 - v] = %x[b, 16 - v] - (%x[b, 4 - v] else 3)\n}\n}\n}\n";
  check(text, 5, 0);
}

static void test_transposed(void **unused) {
  (void)unused;
  static const char text[] =
      "sym n\nkernel @k(%x: f32[n, 16] in, %y: f32[16, n] out) symbols(n) {\n"
      "for task i: n {\n for vector v: 16 {\n %y[v, i] = %x[i, v]\n}\n}\n}\n";
  check(text, 7, 0);
  static const char back[] =
      "sym n\nkernel @k(%x: bf16[16, n] in, %y: bf16[n, 16] out) symbols(n) {\n"
      "for task i: n {\n for vector v: 16 {\n %y[i, v] = %x[v, i]\n}\n}\n}\n";
  check(back, 7, 0);
}

static void test_digits(void **unused) {
  (void)unused;
  static const char text[] =
      "sym n\nkernel @k(%x: f32[n, 7] in, %y: f32[7*n] out, %z: f32[7*n] out) symbols(n) {\n"
      "for task i: n {\n for vector v: 7 {\n %y[7*i + v] = %x[(7*i + v)//7, (7*i + v) % 7]\n}\n}\n"
      "}\n";
  check(text, 5, 0);
  static const char hard[] =
      "sym n\nkernel @k(%x: f32[n, 7] in, %y: f32[n, 12] out) symbols(n) {\n"
      "for task i: n {\n for vector v: 12 {\n %y[i, v] = %x[i, (5*v + i) % 7] + (%x[i, (v - 5)//2] else 0.5)\n}\n}\n}\n";
  check(hard, 9, 0);
}

static void test_gather_and_scatter(void **unused) {
  (void)unused;
  static const char rows[] =
      "sym n\nkernel @k(%ids: i64[n] in, %table: f32[5, 24] in, %y: f32[n, 24] out) symbols(n) {\n"
      "for task i: n {\n for serial o: 3 {\n for vector v: 8 {\n %y[i, 8*o + v] = %table[%ids[i], 8*o + v]\n}\n}\n}\n}\n";
  check(rows, 11, 0);
  static const char lanes[] =
      "sym n\nkernel @k(%ids: i32[8*n] in, %table: f32[3] in, %y: f32[8*n] out) symbols(n) {\n"
      "for task i: n {\n for vector v: 8 {\n %y[8*i + v] = %table[i64(%ids[8*i + v])] else -1\n}\n}\n}\n";
  check(lanes, 4, 0);
  static const char scatter[] =
      "sym n\nkernel @k(%ids: i64[8*n] in, %x: f32[8*n] in, %y: f32[5] out) symbols(n) {\n"
      "for serial i: n {\n for vector v: 8 {\n if %x[8*i + v] > 0 {\n %y[%ids[8*i + v]] += %x[8*i + v]\n}\n}\n}\n}\n";
  check(scatter, 4, 0);
}

static void test_lane_reductions(void **unused) {
  (void)unused;
  static const char text[] =
      "sym n\nkernel @k(%x: f32[n, 11] in, %s: f32[n] out, %m: f32[n] out, %d: f64[n] out, %c: i64[n] out) symbols(n) {\n"
      "for task i: n {\n %s[i] = 0\n %m[i] = -inf\n %d[i] = 1\n %c[i] = 0\n for serial o: 2 {\n for vector v: 6 {\n if 6*o + v < 11 {\n"
      "%s[i] += %x[i, 6*o + v]*%x[i, 6*o + v]\n %m[i] max= %x[i, 6*o + v]\n %d[i] *= f64(%x[i, 6*o + v])\n %c[i] += 1\n}\n}\n}\n}\n}\n";
  check(text, 5, 0);
}

static void test_sections(void **unused) {
  (void)unused;
  static const char text[] =
      "sym n\nsym m\nkernel @k(%x: f32[n, m] in, %y: f32[m, n] out, %z: f32[n] out, %w: f32[1] out) symbols(n, m) {\n"
      "section {\n for task j: m {\n for task i: n {\n %y[j, i] = %x[i, j]\n}\n}\n}\n"
      "section {\n %w[0] = 7\n}\n"
      "section {\n for task i: n {\n %z[i] = 0\n for serial j: m {\n %z[i] += %x[i, j]\n}\n}\n}\n}\n";
  check(text, 3, 5);
  check(text, 1, 1);
}

static void test_local(void **unused) {
  (void)unused;
  static const char text[] =
      "sym n\nsym m\nkernel @k(%x: f32[n, m] in, %y: f32[n, m] out) symbols(n, m) {\n"
      "for task i: n {\n alloc %row: f32[m] local\n for serial j: m {\n %row[j] = exp(%x[i, j])\n}\n"
      "alloc %sum: f64[1] local\n %sum[0] = 0\n for serial j: m {\n alloc %twice: f32[m] local\n %twice[j] = 2*%row[j]\n"
      "%sum[0] += f64(%twice[j])\n}\n"
      "for serial j: m {\n %y[i, j] = 2*%row[j]/f32(%sum[0])\n}\n}\n}\n";
  check(text, 4, 19);
}

// Masks wider than a register, partly known when compiling: LLVM 22 split these into loads without a mask, or stopped.
static void test_wide_masks(void **unused) {
  (void)unused;
  static const char uniform_row[] =
      "sym n\nkernel @k(%x: f32[n, 9] in, %y: f32[n, 2, 32] out) symbols(n) {\nfor task i: n {\nfor serial s: 2 {\nfor vector v: 32 {\n"
      "%y[i, s, v] = %x[3*i - 3*s - 2, v + 2] else 3\n}\n}\n}\n}\n";
  check(uniform_row, 2, 0);
  check(uniform_row, 7, 0);
  static const char odd_widths[] =
      "sym n\nkernel @k(%x: f64[n, 9] in, %y: f64[n, 17] out, %z: f32[n, 17] out) symbols(n) {\nfor task i: n {\nfor vector v: 17 {\n"
      "%y[i, v] = %x[3*i - 2, v + 1] else 3\nif v + i < 9 {\n%z[i, v] += f32(%x[i, 8 - v - i])\n}\n}\n}\n}\n";
  check(odd_widths, 5, 0);
}

static void test_packed_panel(void **unused) {
  (void)unused;
  static const char panels[] =
      "sym n\nkernel @k(%x: f32[12, 20] layout(1 @ 12, 0 @ 1; size 240) in, %ids: i64[n] in, %y: f32[n, 12] out, %z: f32[n] out) symbols(n) {\n"
      "for task i: n {\n alloc %p: f32[12, 20] layout(0 div 6 @ 120, 1 @ 6, 0 mod 6 @ 1; size 240) local\n"
      "for serial o: 2 {\n for serial k: 20 {\n for vector v: 6 {\n %p[6*o + v, k] = %x[6*o + v, k]\n}\n}\n}\n"
      "for serial j: 12 {\n %y[i, j] = %p[j, (7*i + 3) % 20]\n}\n %z[i] = %p[2*%ids[i] + 1, %ids[i]]\n}\n}\n";
  check(panels, 9, 0);
  static const char permuted[] =
      "sym n\nkernel @k(%x: f32[n, 8] in, %y: f32[8, n] out) symbols(n) {\n"
      "for task i: n {\n alloc %p: i32[8, 2] local\n"
      "for vector v: 8 {\n for unroll t: 2 {\n %p[v, t] = i32(%x[i, v]*10) + i32(t)\n}\n}\n"
      "for serial j: 8 {\n %y[j, i] = f32(%p[7 - j, 1] - %p[j, 0])\n}\n}\n}\n";
  check(permuted, 5, 0);
}

static void test_empty_loops(void **unused) {
  (void)unused;
  static const char text[] =
      "sym n\nkernel @k(%x: f32[n] in, %y: f32[n] out) symbols(n) {\n"
      "for serial o: n//8 {\n for vector v: 8 {\n %y[8*o + v] = -%x[8*o + v]\n}\n}\n"
      "for serial i: n % 8 {\n %y[8*(n//8) + i] = 3*%x[8*(n//8) + i]\n}\n}\n";
  for (int64_t n = 1; n < 20; n += 3) check(text, n, 0);
}

static void test_conditions(void **unused) {
  (void)unused;
  static const char text[] =
      "sym n\nkernel @k(%x: f32[n, 8] in, %u: u8[n] in, %y: f32[n, 8] out) symbols(n) {\n"
      "for task i: n {\n if %u[i] > 2 {\n for vector v: 8 {\n if %x[i, v] > 0 and %x[i, v] < 1 {\n %y[i, v] = 1\n"
      "if v > 3 {\n %y[i, v] += %x[i, v]\n}\n}\n}\n}\n if %u[i] <= 2 {\n for unroll v: 8 {\n if v % 2 == 0 {\n %y[i, v] *= 2\n}\n}\n}\n}\n}\n";
  check(text, 17, 0);
}

static void test_register_types(void **unused) {
  (void)unused;
  static const char text[] =
      "sym n\nkernel @k(%x: f32[n, 8] in, %y: f32[n] out) symbols(n) {\n"
      "for task i: n {\n alloc %b: bool[8] register\n alloc %h: bf16[8] register\n alloc %t: f32[1] register\n"
      "for vector v: 8 {\n %b[v] = %x[i, v] > 0\n %h[v] = %x[i, v]\n if %x[i, v] > 1 {\n %h[v] = 1\n}\n}\n %t[0] = 0\n"
      "for unroll j: 8 {\n if %b[j] {\n %t[0] += %h[j]\n}\n}\n %y[i] = %t[0]\n}\n}\n";
  int64_t symbols[1] = {9};
  state = 7;
  check_level(text, "native", symbols, true);   // what bf16 drops counts
}

static void test_unroll_budget(void **unused) {
  (void)unused;
  static const char text[] =
      "sym n\nkernel @k(%x: f32[n] in, %y: f32[n] out) symbols(n) {\n"
      "for task i: n {\n alloc %t: f32[300] register\n for unroll a: 300 {\n for unroll b: 300 {\n %t[a] = %x[i] + f32(a)\n}\n}\n"
      "%y[i] = %t[17] + %t[299]\n}\n}\n";
  check(text, 3, 0);
}

static void test_in_place(void **unused) {
  (void)unused;
  built b = build_kernels(ragged, "native");
  float data[21];
  for (int i = 0; i < 21; i++) data[i] = (float)i;
  void *buffers[2] = {data, data};
  int64_t n = 21;
  b.entry(buffers, &n, 0, 3, NULL);
  for (int i = 0; i < 21; i++) assert_true(data[i] == 2 * (float)i + 1);
  drop(&b);
}

static void test_distinct(void **unused) {
  (void)unused;
  bool distinct[4] = {true, true, true, true};
  built b = parse_kernels(matmul);
  b.kernels[0].distinct = distinct;
  compile_form(&b, "x86-64-v3", WF_CODE_LLVM);
  assert_non_null(strstr(b.code.bytes, "!alias.scope"));
  drop(&b);
}

// The 6x16 accumulator of a matmul stays in registers on AVX2: nothing is spilled.
static void test_no_spills(void **unused) {
  (void)unused;
  static const char text[] =
      "sym n\nkernel @k(%x: f32[6*n, 640] in, %w: f32[640, 64] in, %y: f32[6*n, 64] out) symbols(n) {\n"
      "for task io: n {\n for task jo: 4 {\n alloc %acc: f32[6, 16] register\n"
      "for unroll i: 6 {\n for vector v: 16 {\n %acc[i, v] = 0\n}\n}\n"
      "for serial k: 640 {\n for unroll i: 6 {\n for vector v: 16 {\n %acc[i, v] += %x[6*io + i, k]*%w[k, 16*jo + v]\n}\n}\n}\n"
      "for unroll i: 6 {\n for vector v: 16 {\n %y[6*io + i, 16*jo + v] = max(%acc[i, v], 0)\n}\n}\n}\n}\n}\n";
  check(text, 2, 0);
  built b = parse_kernels(text);
  compile_form(&b, "x86-64-v3", WF_CODE_ASSEMBLY);
  assert_null(strstr(b.code.bytes, "(%rsp)"));
  int fused = 0;
  for (const char *at = b.code.bytes; (at = strstr(at, "vfmadd")); at++) fused++;
  assert_int_equal(fused, 12);
  drop(&b);
}

// ---- scalar functions and types ---------------------------------------------------------------------------------------------------
static bool computes(wf_scalar op, wf_dtype type) {
  const wf_scalar_info *info = &wf_scalar_table[op];
  if (wf_scalar_has_trait(op, 'S') || info->arity < 1 || op == WF_S_SELECT) return false;
  if (wf_dtype_is_float(type)) return !wf_scalar_has_trait(op, 'I');
  if (op == WF_S_NOT || op == WF_S_AND || op == WF_S_OR || op == WF_S_XOR) return type == WF_BOOL;
  if (type == WF_BOOL) return wf_scalar_has_trait(op, 'P');
  return !wf_scalar_has_trait(op, 'F');
}

static void operation_kernel(wf_text *text, wf_scalar op, wf_dtype type) {
  static const char *const positive[] = {"log", "log2", "sqrt", "rsqrt", "pow"};
  const wf_scalar_info *info = &wf_scalar_table[op];
  const char *name = wf_dtype_name(type), *result = wf_scalar_has_trait(op, 'P') ? "bool" : name;
  bool needs_positive = false, divides = op == WF_S_FLOORDIV || op == WF_S_MOD;
  for (int i = 0; i < 5; i++) needs_positive |= strcmp(info->name, positive[i]) == 0;
  const char *a = needs_positive ? "(abs(%a[8*i + v]) + 0.5)" : "%a[8*i + v]";
  const char *b = divides && !wf_dtype_is_float(type) ? "(%b[8*i + v] + 1)" : divides ? "(abs(%b[8*i + v]) + 0.5)" : "%b[8*i + v]";
  wf_text_printf(text, "sym n\nkernel @k(%%a: %s[8*n] in, %%b: %s[8*n] in, %%y: %s[8*n] out) symbols(n) {\n for task i: n {\n for vector v: 8 {\n", name, name, result);
  static const char *const infix[] = {"add", "+", "sub", "-", "mul", "*", "div", "/", "floordiv", "//", "mod", "%", "lt", "<", "le", "<=",
                                      "gt", ">", "ge", ">=", "eq", "==", "ne", "!=", "and", "and", "or", "or"};
  const char *sign = NULL;
  for (size_t i = 0; i < sizeof infix / sizeof infix[0]; i += 2)
    if (strcmp(infix[i], info->name) == 0) sign = infix[i + 1];
  if (sign) wf_text_printf(text, "%%y[8*i + v] = %s %s %s\n", a, sign, b);
  else if (info->arity == 1) wf_text_printf(text, op == WF_S_NEG ? "%%y[8*i + v] = -%s%s\n" : "%%y[8*i + v] = %s(%s)\n", op == WF_S_NEG ? "" : info->name, a);
  else wf_text_printf(text, "%%y[8*i + v] = %s(%s, %s)\n", info->name, a, b);
  wf_text_add(text, "}\n}\n}\n");
}

static void test_operations(void **unused) {
  (void)unused;
  static const wf_dtype types[] = {WF_F64, WF_F32, WF_I64, WF_I32, WF_U8, WF_BOOL};
  for (int t = 0; t < 6; t++)
    for (int op = 0; op < WF_SCALAR_COUNT; op++) {
      if (!computes((wf_scalar)op, types[t])) continue;
      if (types[t] == WF_U8 && (op == WF_S_SUB || op == WF_S_NEG)) continue;   // wraps in u8; the interpreter wraps when it stores
      wf_text text;
      wf_text_init(&text);
      operation_kernel(&text, (wf_scalar)op, types[t]);
      check(text.data, 4, 0);
      wf_text_deinit(&text);
    }
}

static void test_integer_division(void **unused) {
  (void)unused;
  static const char text[] =
      "sym n\nkernel @k(%a: i32[n] in, %y: i32[n] out, %z: i32[n] out, %w: i64[n] out) symbols(n) {\n"
      "for task i: n {\n %y[i] = (%a[i] - 2) // -3\n %z[i] = (%a[i] - 2) % (%a[i] - 7)\n %w[i] = (i64(%a[i]) - 9) // 4\n}\n}\n";
  check(text, 33, 0);
  built b = build_kernels("sym n\nkernel @k(%a: i64[n] in, %b: i64[n] in, %y: i64[n] out) symbols(n) {\nfor task i: n {\n %y[i] = %a[i] // %b[i]\n}\n}\n", "native");
  int64_t a[3] = {5, INT64_MIN, INT64_MIN}, d[3] = {0, -1, 0}, y[3], n = 3;
  void *buffers[3] = {a, d, y};
  b.entry(buffers, &n, 0, 3, NULL);   // must not trap
  assert_true(y[1] == INT64_MIN);
  drop(&b);
}

static void test_casts(void **unused) {
  (void)unused;
  for (int from = 0; from < WF_DTYPE_COUNT; from++)
    for (int to = 0; to < WF_DTYPE_COUNT; to++) {
      char text[400];
      snprintf(text, sizeof text, "sym n\nkernel @k(%%x: %s[8*n] in, %%y: %s[8*n] out) symbols(n) {\n for task i: n {\n for vector v: 8 {\n"
               "%%y[8*i + v] = %s(%%x[8*i + v])\n}\n}\n}\n", wf_dtype_name((wf_dtype)from), wf_dtype_name((wf_dtype)to), wf_dtype_name(wf_dtype_compute((wf_dtype)to)));
      int64_t symbols[1] = {3};
      state = 99;
      check_level(text, (from + to) & 1 ? "native" : "x86-64-v2", symbols, false);
    }
}

// All codes of the narrow types widen exactly, and f32 narrows as wf_store_element does, ties and specials included.
static void check_narrow(const char *name, wf_dtype type, const char *level) {
  char text[512];
  snprintf(text, sizeof text, "sym n\nkernel @k(%%x: %s[8*n] in, %%f: f32[8*n] in, %%y: f32[8*n] out, %%z: %s[8*n] out) symbols(n) {\n"
           "for task i: n {\n for vector v: 8 {\n %%y[8*i + v] = %%x[8*i + v]\n %%z[8*i + v] = %%f[8*i + v]\n}\n}\n}\n", name, name);
  built b = build_kernels(text, level);
  enum { COUNT = 1 << 16 };
  uint16_t *codes = calloc(COUNT, 2), *narrowed = calloc(COUNT, 2), wanted[1];
  float *wide = calloc(COUNT, 4), *values = calloc(COUNT, 4);
  int bytes = wf_dtype_bytes(type);
  for (int i = 0; i < COUNT; i++) {
    if (bytes == 2) codes[i] = (uint16_t)i;
    else ((uint8_t *)codes)[i] = (uint8_t)i;
    float exact = (float)wf_load_element(type, codes, i & (bytes == 2 ? COUNT - 1 : 255)), nudge = (float)(i % 5 - 2) * 0x1p-24f;
    float next = i & 1 ? exact * 1.0625f : exact;
    values[i] = i % 3 == 0 ? (exact + next) / 2 * (1 + nudge) : (float)ldexp(uniform() * 2 - 1, (int)(random_bits() % 80) - 40) * (i % 7 ? 1 : 0x1p-100f);
  }
  void *buffers[4] = {codes, values, wide, narrowed};
  int64_t n = COUNT / 8;
  b.entry(buffers, &n, 0, n, NULL);
  for (int i = 0; i < COUNT; i++) {
    double expected = wf_load_element(type, codes, i), got = (double)wide[i];
    if (!(isnan(expected) ? isnan(got) : expected == got && signbit(expected) == signbit(got))) fail_msg("%s code %d is %g, not %g", name, i, got, expected);
    wf_store_element(type, wanted, 0, (double)values[i]);
    double left = wf_load_element(type, narrowed, i), right = wf_load_element(type, wanted, 0);
    if (!(isnan(right) ? isnan(left) : left == right)) fail_msg("%s of %a is %a, not %a", name, (double)values[i], left, right);
  }
  free(codes), free(narrowed), free(wide), free(values);
  drop(&b);
}

static void test_narrow_types(void **unused) {
  (void)unused;
  static const char *const levels[] = {"native", "x86-64-v2"};
  for (int l = 0; l < 2; l++) {
    check_narrow("bf16", WF_BF16, levels[l]);
    check_narrow("f16", WF_F16, levels[l]);
    check_narrow("f8e4m3", WF_E4M3, levels[l]);
    check_narrow("f8e5m2", WF_E5M2, levels[l]);
  }
}

static void test_random(void **unused) {
  (void)unused;
  static const char text[] =
      "sym n\nkernel @k(%seed: i64 in, %step: i64 in, %y: f32[8*n] out) symbols(n) {\n"
      "for task i: n {\n for vector v: 8 {\n %y[8*i + v] = random(123456789012345, %seed[], %step[], 8*i + v)\n}\n}\n}\n";
  built b = build_kernels(text, "native");
  int64_t seed = 0x123456789abcdef, step = 77, n = 8;
  float y[64];
  void *buffers[3] = {&seed, &step, y};
  b.entry(buffers, &n, 0, n, NULL);
  for (int i = 0; i < 64; i++) assert_true((double)y[i] == wf_random_uniform((uint64_t)seed, 123456789012345u, (uint64_t)step, (uint64_t)i));
  drop(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_scalar), cmocka_unit_test(test_ragged), cmocka_unit_test(test_ragged_types), cmocka_unit_test(test_matmul),
      cmocka_unit_test(test_convolution), cmocka_unit_test(test_strided_convolution), cmocka_unit_test(test_transposed),
      cmocka_unit_test(test_digits), cmocka_unit_test(test_gather_and_scatter), cmocka_unit_test(test_lane_reductions),
      cmocka_unit_test(test_sections), cmocka_unit_test(test_local), cmocka_unit_test(test_wide_masks), cmocka_unit_test(test_packed_panel), cmocka_unit_test(test_empty_loops),
      cmocka_unit_test(test_conditions), cmocka_unit_test(test_register_types), cmocka_unit_test(test_unroll_budget),
      cmocka_unit_test(test_in_place), cmocka_unit_test(test_distinct), cmocka_unit_test(test_no_spills), cmocka_unit_test(test_operations),
      cmocka_unit_test(test_integer_division), cmocka_unit_test(test_casts), cmocka_unit_test(test_narrow_types), cmocka_unit_test(test_random)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
