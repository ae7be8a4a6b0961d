// The scalar functions that weft makes itself: their errors in units of the last place against the C library in a wider type,
// and C's Annex F at the special points. Both with and without FMA (x86-64-v2 has none).
#include "kernel_support.h"
#include <float.h>
#include <math.h>

typedef long double (*oracle)(long double, long double);
static long double o_exp(long double a, long double b) { return expl(a); }
static long double o_exp2(long double a, long double b) { return exp2l(a); }
static long double o_log(long double a, long double b) { return logl(a); }
static long double o_log2(long double a, long double b) { return log2l(a); }
static long double o_sin(long double a, long double b) { return sinl(a); }
static long double o_cos(long double a, long double b) { return cosl(a); }
static long double o_tanh(long double a, long double b) { return tanhl(a); }
static long double o_erf(long double a, long double b) { return erfl(a); }
static long double o_pow(long double a, long double b) { return powl(a, b); }

// limits: greatest error allowed in f32 and f64; the ranges in which arguments are drawn
typedef struct function { const char *name; oracle exact; double limit32, limit64, low, high, low64, high64; } function;
static const function functions[] = {
    {"exp", o_exp, 1, 1, -104, 89, -746, 710},     {"exp2", o_exp2, 1.25, 1.25, -150, 128, -1075, 1024},
    {"log", o_log, 1, 1, 0, 4, 0, 4},              {"log2", o_log2, 2, 2, 0, 4, 0, 4},
    {"sin", o_sin, 1, 2, -100, 100, -100, 100},    {"cos", o_cos, 1, 2, -100, 100, -100, 100},
    {"tanh", o_tanh, 3, 3, -10, 10, -22, 22},      {"erf", o_erf, 2.5, 2, -4.2, 4.2, -6.5, 6.5},
};
enum { SAMPLES = 1 << 16 };

static built build_function(const char *name, const char *type, bool binary, const char *level) {
  char text[512];
  if (binary)
    snprintf(text, sizeof text, "kernel @f(%%x: %s[n] in, %%z: %s[n] in, %%y: %s[n] out) symbols(n) {\n for task i: n//8 {\n for vector v: 8 {\n"
             "%%y[8*i + v] = %s(%%x[8*i + v], %%z[8*i + v])\n}\n}\n}\n", type, type, type, name);
  else
    snprintf(text, sizeof text, "kernel @f(%%x: %s[n] in, %%z: %s[n] in, %%y: %s[n] out) symbols(n) {\n for task i: n//8 {\n for vector v: 8 {\n"
             "%%y[8*i + v] = %s(%%x[8*i + v])\n}\n}\n}\n", type, type, type, name);
  char whole[600];
  snprintf(whole, sizeof whole, "sym n\n%s", text);
  return build_kernels(whole, level);
}

static uint64_t state = 88172645463325252u;
static uint64_t random_bits(void) { return state ^= state << 13, state ^= state >> 7, state ^= state << 17; }
static double between(double low, double high) { return low + (high - low) * (double)(random_bits() >> 11) * 0x1p-53; }

// A unit of the last place of the exact value, subnormals included.
static double error_of(long double got, long double exact, bool wide) {
  if (isnan(exact)) return isnan(got) ? 0 : INFINITY;
  long double largest = wide ? (long double)DBL_MAX : (long double)FLT_MAX;
  int digits = wide ? 53 : 24, least = wide ? -1074 : -149;
  if (fabsl(exact) > largest) return isinf(got) || fabsl(got) == largest ? (signbit(got) == signbit(exact) ? 0 : INFINITY) : INFINITY;
  if (isinf(got)) return fabsl(exact) >= largest * (1 - 0x1p-23L) ? 1 : INFINITY;
  if (isnan(got)) return INFINITY;
  int exponent;
  frexpl(exact == 0 ? (long double)0 : exact, &exponent);
  int place = exact == 0 ? least : exponent - digits > least ? exponent - digits : least;
  return (double)(fabsl(got - exact) / ldexpl(1, place));
}

static double worst_error(wf_kernel_entry entry, oracle exact, const double *x, const double *z, int64_t n, bool wide, double *at) {
  void *buffers[3];
  for (int i = 0; i < 3; i++) buffers[i] = aligned_alloc(64, SAMPLES * 8);
  for (int64_t i = 0; i < n; i++)
    if (wide) ((double *)buffers[0])[i] = x[i], ((double *)buffers[1])[i] = z[i];
    else ((float *)buffers[0])[i] = (float)x[i], ((float *)buffers[1])[i] = (float)z[i];
  entry(buffers, &n, 0, n / 8, NULL);
  double worst = 0;
  for (int64_t i = 0; i < n; i++) {
    long double a = wide ? (long double)((double *)buffers[0])[i] : (long double)((float *)buffers[0])[i];
    long double b = wide ? (long double)((double *)buffers[1])[i] : (long double)((float *)buffers[1])[i];
    long double got = wide ? (long double)((double *)buffers[2])[i] : (long double)((float *)buffers[2])[i];
    double error = error_of(got, exact(a, b), wide);
    if (error > worst) worst = error, at[0] = (double)a, at[1] = (double)b, at[2] = (double)got;
  }
  for (int i = 0; i < 3; i++) free(buffers[i]);
  return worst;
}

static double magnitude_sample(const function *f, bool wide) {   // all binary magnitudes
  double value = ldexp(between(1, 2), (int)(random_bits() % (wide ? 2090 : 270)) - (wide ? 1070 : 145));
  return f->low < 0 && (random_bits() & 1) ? -value : value;
}

static void check_function(const function *f, const char *level, bool wide) {
  double *x = malloc(SAMPLES * sizeof *x), at[3] = {0};
  double low = wide ? f->low64 : f->low, high = wide ? f->high64 : f->high, size = 0x1p20;
  for (int i = 0; i < SAMPLES; i++) {
    x[i] = i % 3 == 0 ? between(low, high) : i % 3 == 1 ? between(0, 1) * (f->low < 0 && i & 1 ? -1 : 1) : magnitude_sample(f, wide);
    if (f->exact == o_sin || f->exact == o_cos) x[i] = fabs(x[i]) > size ? between(-size, size) : x[i];
  }
  built b = build_function(f->name, wide ? "f64" : "f32", false, level);
  double worst = worst_error(b.entry, f->exact, x, x, SAMPLES, wide, at);
  print_message("%s %s %s: %.3f ulp at %.17g\n", level, wide ? "f64" : "f32", f->name, worst, at[0]);
  if (worst > (wide ? f->limit64 : f->limit32)) fail_msg("%s(%.17g) = %.17g", f->name, at[0], at[2]);
  drop(&b);
  free(x);
}

static void check_pow(const char *level, bool wide) {
  double *x = malloc(SAMPLES * sizeof *x), *z = malloc(SAMPLES * sizeof *z), at[3] = {0};
  for (int i = 0; i < SAMPLES; i++) {
    x[i] = i & 1 ? between(0, 8) : ldexp(between(1, 2), (int)(random_bits() % 200) - 100);
    z[i] = i % 5 == 0 ? (double)(int)(random_bits() % 41) - 20 : between(-30, 30);
    if (i % 7 == 0) x[i] = 1 + between(-1e-4, 1e-4), z[i] = between(-1e6, 1e6);
    if (i % 35 == 0) x[i] = -x[i], z[i] = (double)(int)(random_bits() % 19) - 9;
  }
  built b = build_function("pow", wide ? "f64" : "f32", true, level);
  double worst = worst_error(b.entry, o_pow, x, z, SAMPLES, wide, at);
  print_message("%s %s pow: %.3f ulp at %.17g, %.17g\n", level, wide ? "f64" : "f32", worst, at[0], at[1]);
  if (worst > (wide ? 1.5 : 1)) fail_msg("pow(%.17g, %.17g) = %.17g", at[0], at[1], at[2]);
  drop(&b);
  free(x);
  free(z);
}

static void test_errors(void **unused) {
  (void)unused;
  static const char *const levels[] = {"native", "x86-64-v2"};
  for (int l = 0; l < 2; l++)
    for (int wide = 0; wide < 2; wide++) {
      for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) check_function(&functions[i], levels[l], wide);
      check_pow(levels[l], wide);
    }
}

static bool same(double a, double b) {
  if (isnan(b)) return isnan(a);
  return (a == b || fabs(a - b) <= 2e-7 * fabs(b)) && signbit(a) == signbit(b);
}

static void check_special(const char *name, oracle exact, const double *points, int count, bool binary, bool wide) {
  double x[256] = {0}, z[256] = {0};
  int64_t n = 0;
  for (int i = 0; i < count; i++)
    for (int k = 0; k < (binary ? count : 1); k++) x[n] = points[i], z[n++] = points[k];
  n = (n + 7) / 8 * 8;
  built b = build_function(name, wide ? "f64" : "f32", binary, "native");
  float f[3][256];
  double d[3][256];
  for (int i = 0; i < n; i++) d[0][i] = x[i], d[1][i] = z[i], f[0][i] = (float)x[i], f[1][i] = (float)z[i];
  void *narrow_buffers[3] = {f[0], f[1], f[2]}, *wide_buffers[3] = {d[0], d[1], d[2]};
  b.entry(wide ? wide_buffers : narrow_buffers, &n, 0, n / 8, NULL);
  for (int i = 0; i < n; i++) {
    double got = wide ? d[2][i] : (double)f[2][i], wanted = (double)exact(x[i], z[i]);
    if (!same(got, wanted)) fail_msg("%s %s(%g, %g) is %g, not %g", wide ? "f64" : "f32", name, x[i], z[i], got, wanted);
  }
  drop(&b);
}

static void test_specials(void **unused) {
  (void)unused;
  static const double ordinary[] = {0.0, -0.0, INFINITY, -INFINITY, NAN};
  static const double bases[] = {0.0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, INFINITY, -INFINITY, NAN};
  for (int wide = 0; wide < 2; wide++) {
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
      check_special(functions[i].name, functions[i].exact, ordinary, 5, false, wide);
    check_special("pow", o_pow, bases, 13, true, wide);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_errors), cmocka_unit_test(test_specials)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
