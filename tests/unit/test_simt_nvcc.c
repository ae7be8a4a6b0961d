// Kernels that nvcc wrote (tests/simt/kernels.cu) run in the PTX machine and give what C gives.
#include "simt_fixture.h"

static fixture open_kernels(int threads, uint64_t seed) {
  size_t size;
  char *text = read_text(WEFT_SOURCE_DIR "/tests/simt/kernels.ptx", &size);
  fixture f = open_text("kernels.ptx", text, size, threads, seed);
  free(text);
  return f;
}

static float *random_floats(fixture f, int count, float scale) {
  uint64_t state = 7;
  float *x = room(f, sizeof(float) * (size_t)count);
  for (int k = 0; k < count; k++) x[k] = scale * random_unit(&state);
  ok(weft_simt_mark_initialised(f.machine, x, sizeof(float) * (size_t)count));
  return x;
}

static void near(float got, double expected, double tolerance) {
  if (got != expected && !(fabs(got - expected) <= tolerance * (1 + fabs(expected)))) fail_msg("%g, not %g", got, expected);
}

static void saxpy(void **state) {
  fixture f = open_kernels(2, 0);
  int n = 1000;
  float a = 1.5f, *x = random_floats(f, n, 3), *y = random_floats(f, n, 2), before[1000];
  memcpy(before, y, sizeof before);
  ok(start(f, "saxpy", 8, 1, 128, 1, 0, (void *[]){&n, &a, &x, &y}));
  for (int k = 0; k < n; k++) assert_true(y[k] == fmaf(a, x[k], before[k]));
  weft_simt_counts counts;
  weft_simt_statistics(f.machine, &counts);
  assert_int_equal(counts.kernels_launched, 1);
  assert_string_equal(counts.row[0].kernel, "saxpy");
  assert_int_equal(counts.row[0].global_sectors, 3 * 1000 * 4 / 32);   // 2 loads and a store, all coalesced
  assert_int_equal(counts.row[0].global_sectors_ideal, 3 * 1000 * 4 / 32);
  shut(f);
}

static void block_sum(void **state) {
  for (uint64_t seed = 0; seed < 3; seed++) {
    fixture f = open_kernels(2, seed);
    int n = 3000;
    float *x = random_floats(f, n, 1), *out = room(f, 4 * sizeof(float)), sum = 0;
    ok(start(f, "block_sum", 4, 1, 256, 1, 256 * sizeof(float), (void *[]){&n, &x, &out}));
    double expected = 0;
    for (int k = 0; k < n; k++) expected += x[k];
    for (int k = 0; k < 4; k++) sum += out[k];
    near(sum, expected, 1e-5);
    faults(start(f, "block_sum_racy", 4, 1, 256, 1, 256 * sizeof(float), (void *[]){&n, &x, &out}), "race in shared memory",
           "kernels.cu:", "block (0, 0, 0)", NULL);
    shut(f);
  }
}

static void transpose(void **state) {
  fixture f = open_kernels(2, 5);
  int rows = 70, columns = 45;
  float *in = random_floats(f, rows * columns, 1), *out = room(f, sizeof(float) * (size_t)(rows * columns));
  ok(start(f, "transpose", 2, 3, 32, 8, 0, (void *[]){&rows, &columns, &in, &out}));
  for (int r = 0; r < rows; r++)
    for (int c = 0; c < columns; c++) assert_true(out[c * rows + r] == in[r * columns + c]);
  weft_simt_counts counts;
  weft_simt_statistics(f.machine, &counts);
  assert_int_equal(counts.row[0].bank_conflicts, 0);   // the tile has a 33rd column for that
  shut(f);
}

static void matmul(void **state) {
  fixture f = open_kernels(2, 0);
  int m = 128, n = 64, k = 48;
  float *a = random_floats(f, m * k, 1), *b = random_floats(f, k * n, 1), *c = room(f, sizeof(float) * (size_t)(m * n));
  ok(start(f, "matmul", 1, 2, 256, 1, 0, (void *[]){&m, &n, &k, &a, &b, &c}));
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {
      float sum = 0;
      for (int l = 0; l < k; l++) sum = fmaf(a[i * k + l], b[l * n + j], sum);
      assert_true(c[i * n + j] == sum);
    }
  shut(f);
}

static void warp_scan(void **state) {
  fixture f = open_kernels(1, 0);
  int n = 100, in_host[100];
  for (int k = 0; k < n; k++) in_host[k] = k * 7 - 50;
  int *in = filled(f, in_host, sizeof in_host), *out = room(f, sizeof in_host);
  ok(start(f, "warp_scan", 2, 1, 64, 1, 0, (void *[]){&n, &in, &out}));
  for (int k = 0, sum = 0; k < n; k++) {
    sum = k % 32 ? sum + in[k] : in[k];
    assert_int_equal(out[k], sum);
  }
  shut(f);
}

static void histogram(void **state) {
  fixture f = open_kernels(2, 3);
  int n = 5000;
  unsigned expected[256] = {0}, *bins = zeroed(f, sizeof expected);
  uint64_t random = 3;
  uint8_t *in = room(f, (size_t)n);
  for (int k = 0; k < n; k++) expected[in[k] = (uint8_t)(random_bits(&random) >> 50)]++;
  ok(weft_simt_mark_initialised(f.machine, in, (size_t)n));
  ok(start(f, "histogram", 5, 1, 128, 1, 0, (void *[]){&n, &in, &bins}));
  assert_memory_equal(bins, expected, sizeof expected);
  shut(f);
}

static void softmax(void **state) {
  fixture f = open_kernels(2, 0);
  int rows = 3, columns = 300;
  float *in = random_floats(f, rows * columns, 5), *out = room(f, sizeof(float) * (size_t)(rows * columns));
  ok(start(f, "softmax", (uint32_t)rows, 1, 128, 1, 0, (void *[]){&columns, &in, &out}));
  for (int r = 0; r < rows; r++) {
    double sum = 0;
    for (int c = 0; c < columns; c++) sum += exp(in[r * columns + c]);
    for (int c = 0; c < columns; c++) near(out[r * columns + c], exp(in[r * columns + c]) / sum, 1e-5);
  }
  shut(f);
}

static void functions(void **state) {
  fixture f = open_kernels(2, 0);
  int n = 500;
  float *x = random_floats(f, n, 30), *out = room(f, sizeof(float) * 10 * (size_t)n);
  x[0] = 0, x[1] = 1e6f, x[2] = -3e5f;
  ok(start(f, "functions", 4, 1, 128, 1, 0, (void *[]){&n, &x, &out}));
  for (int k = 0; k < n; k++) {
    double v = x[k];
    const float *o = out + 10 * k;
    near(o[0], v > 88.8 ? INFINITY : exp(v), 2e-6);
    near(o[1], log((double)(fabsf(x[k]) + 1e-3f)), 1e-6), near(o[2], sin(v), 1e-6), near(o[3], cos(v), 1e-6), near(o[4], tanh(v), 1e-6);
    near(o[5], pow(fabs(v), (double)1.7f), 1e-6), near(o[6], erf(v), 1e-6);
    assert_true(o[7] == sqrtf(fabsf(x[k])));
    assert_true(o[8] == 1.0f / (x[k] + 40.0f));
    assert_true(o[9] == fmodf(x[k], 0.7f));
  }
  shut(f);
}

static void halves(void **state) {
  fixture f = open_kernels(1, 0);
  int n = 256;
  _Float16 x_host[512], y_host[512];
  uint64_t random = 11;
  for (int k = 0; k < 512; k++) x_host[k] = (_Float16)random_unit(&random), y_host[k] = (_Float16)(4 * random_unit(&random));
  _Float16 *x = filled(f, x_host, sizeof x_host), *y = filled(f, y_host, sizeof y_host), *out = room(f, sizeof x_host);
  ok(start(f, "halves", 2, 1, 128, 1, 0, (void *[]){&n, &x, &y, &out}));
  for (int k = 0; k < 512; k++) {
    _Float16 half = (_Float16)((float)x[k] + 0.5f), expected = (_Float16)((double)x[k] * y[k] + half);
    assert_true(out[k] == expected);
  }
  shut(f);
}

static int collatz(int n, int limit) {
  int steps = 0;
  while (n != 1 && steps < limit) n = n & 1 ? 3 * n + 1 : n / 2, steps++;
  return steps;
}

static int calls_in_c(int value) {
  int table[8];
  for (int j = 0; j < 8; j++) table[(j * 5 + value) & 7] = collatz(value + j + 1, 200);
  switch (value & 7) {
    case 0: return table[1] + 3;
    case 1: return table[2] * 7;
    case 2: return table[3] - table[4];
    case 3: return table[5] ^ 11;
    case 4: return table[6] << 2;
    case 5: return -table[7];
    default: return table[(value >> 3) & 7];
  }
}

static void calls(void **state) {
  fixture f = open_kernels(2, 9);
  int n = 90, in_host[90];
  for (int k = 0; k < n; k++) in_host[k] = k * 3 + 1;
  int *in = filled(f, in_host, sizeof in_host), *out = room(f, sizeof in_host);
  ok(start(f, "calls", 3, 1, 32, 1, 0, (void *[]){&n, &in, &out}));
  for (int k = 0; k < n; k++) assert_int_equal(out[k], calls_in_c(in_host[k]));
  shut(f);
}

// ---- planted faults

static weft_status *run_one(fixture f, int kernel) {
  int n = 1000, m = 128, columns = 64, k = 48, rows = 70, width = 300;
  float *x = random_floats(f, 128 * 128, 1), *y = random_floats(f, 128 * 128, 1), *z = room(f, 128 * 128 * sizeof(float));
  unsigned *bins = zeroed(f, 1024);
  switch (kernel) {
    case 0: return start(f, "block_sum", 4, 1, 256, 1, 1024, (void *[]){&n, &x, &z});
    case 1: return start(f, "transpose", 2, 3, 32, 8, 0, (void *[]){&rows, &columns, &x, &z});
    case 2: return start(f, "matmul", 1, 2, 256, 1, 0, (void *[]){&m, &columns, &k, &x, &y, &z});
    case 3: return start(f, "histogram", 5, 1, 128, 1, 0, (void *[]){&n, &x, &bins});
    default: return start(f, "softmax", 3, 1, 128, 1, 0, (void *[]){&width, &x, &z});
  }
}

// Blanks the opcode at `at` up to its `;`, runs, puts it back. True: a fault was told.
static bool caught_without(char *text, size_t size, char *at, int kernel, uint64_t seed) {
  char saved[200], *end = strchr(at, ';');
  size_t length = (size_t)(end - at);
  memcpy(saved, at, length);
  memset(at, ' ', length);
  fixture f = open_text("kernels.ptx", text, size, 2, seed);
  weft_status *status = run_one(f, kernel);
  bool caught = weft_status_code(status) == WEFT_SIMT_FAULT;
  if (!caught) print_message("not caught in kernel %d: %.*s left out\n", kernel, (int)length, saved);
  weft_status_free(status);
  shut(f);
  memcpy(at, saved, length);
  return caught;
}

// Each barrier in turn is left out of each kernel: the checks alone, with no look at results, see it.
static void planted_faults(void **state) {
  static const char *const names[] = {".entry block_sum(", ".entry transpose(", ".entry matmul(", ".entry histogram(", ".entry softmax("};
  size_t size;
  char *text = read_text(WEFT_SOURCE_DIR "/tests/simt/kernels.ptx", &size);
  int planted = 0, caught = 0;
  for (int kernel = 0; kernel < 5; kernel++) {
    char *begin = strstr(text, names[kernel]), *end = strstr(begin, "\n}\n");
    for (char *at = begin; (at = strstr(at, "bar.sync")) && at < end; at++) {
      planted += 2;
      caught += caught_without(text, size, at, kernel, 0) + caught_without(text, size, at, kernel, 1);
    }
  }
  free(text);
  print_message("%d of %d planted faults caught\n", caught, planted);
  assert_true(planted >= 20 && caught >= planted * 95 / 100);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(saxpy), cmocka_unit_test(block_sum), cmocka_unit_test(transpose), cmocka_unit_test(matmul),
      cmocka_unit_test(warp_scan), cmocka_unit_test(histogram), cmocka_unit_test(softmax), cmocka_unit_test(functions),
      cmocka_unit_test(halves), cmocka_unit_test(calls), cmocka_unit_test(planted_faults),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
