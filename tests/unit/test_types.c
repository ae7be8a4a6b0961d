// Conversions of element types against the compiler's own _Float16, against integer rounding of float bits (bf16, tf32),
// and against a search over all codes (fp8).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "ir/types.h"

static uint64_t seed = 7;
static uint32_t random_bits(void) {
  seed = seed * 6364136223846793005ull + 1442695040888963407ull;
  return (uint32_t)(seed >> 32);
}

static float float_of(uint32_t bits) {
  float f;
  memcpy(&f, &bits, 4);
  return f;
}

static uint32_t bits_of(float f) {
  uint32_t bits;
  memcpy(&bits, &f, 4);
  return bits;
}

static uint16_t store16(wf_dtype type, double value) {
  uint16_t cell[3] = {0xdead, 0, 0xbeef};
  wf_store_element(type, cell, 1, value);
  assert_true(cell[0] == 0xdead && cell[2] == 0xbeef);
  return cell[1];
}

static void assert_same(double a, double b) {
  if (isnan(a) || isnan(b)) assert_true(isnan(a) && isnan(b));
  else assert_true(a == b && signbit(a) == signbit(b));
}

static void test_f16_all_codes(void **state) {
  for (uint32_t code = 0; code < 0x10000; code++) {
    uint16_t cell = (uint16_t)code;
    _Float16 reference;
    memcpy(&reference, &cell, 2);
    double value = wf_load_element(WF_F16, &cell, 0);
    assert_same(value, (double)reference);
    if (!isnan(value)) assert_int_equal(store16(WF_F16, value), code);
    else assert_true(isnan(wf_round_to(WF_F16, value)) && (store16(WF_F16, value) & 0x7fff) > 0x7c00);
  }
}

static void test_f16_rounding(void **state) {
  for (int i = 0; i < 300000; i++) {
    uint32_t bits = random_bits();
    if (i % 2) bits = (bits & 0x807fffff) | (uint32_t)(0x66 + i % 0x3b) << 23;   // mostly within f16's range
    float f = float_of(i % 3 ? bits : bits & 0xfffff000);                               // and many exact ties
    _Float16 reference = (_Float16)f;
    assert_same(wf_round_to(WF_F16, f), (double)reference);
  }
  assert_true(isinf(wf_round_to(WF_F16, 65520)));
  assert_same(wf_round_to(WF_F16, 65519.99), 65504);
  assert_same(wf_round_to(WF_F16, 0x1p-25), 0);              // half of the least subnormal ties to even
  assert_same(wf_round_to(WF_F16, -0x1.8p-25), -0x1p-24);
  // Rounded once: through f32 this double would tie and go down.
  assert_same(wf_round_to(WF_F16, 1 + 0x1p-11 + 0x1p-40), 1 + 0x1p-10);
}

static void test_bf16(void **state) {
  for (int i = 0; i < 300000; i++) {
    uint32_t bits = i < 0x10000 ? (uint32_t)i << 16 | (i % 2 ? 0x8000 : 0x7fff) : random_bits();
    float f = float_of(bits);
    if (isnan(f)) {
      assert_true(isnan(wf_round_to(WF_BF16, f)));
      continue;
    }
    uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    assert_same(wf_round_to(WF_BF16, f), float_of(rounded));
    assert_int_equal(store16(WF_BF16, f), rounded >> 16);
    uint16_t code = (uint16_t)(rounded >> 16);
    assert_same(wf_load_element(WF_BF16, &code, 0), float_of(rounded));
  }
}

static void test_tf32(void **state) {
  for (int i = 0; i < 100000; i++) {
    uint32_t bits = random_bits();
    float f = float_of(i % 3 ? bits : bits & 0xfffff000), stored;
    bits = bits_of(f);
    if (isnan(f)) continue;
    float expected = float_of((bits + 0xfff + (bits >> 13 & 1)) & 0xffffe000);
    assert_same(wf_round_to(WF_TF32, f), expected);
    wf_store_element(WF_TF32, &stored, 0, f);
    assert_same(stored, expected);
  }
}

// The value of a code, straight from the format's definition; NAN where it is none.
static double fp8_value(int code, int mantissa, int bias, bool has_infinity) {
  int exponent = (code & 0x7f) >> mantissa, fraction = code & ((1 << mantissa) - 1), all = 0x7f >> mantissa;
  double value = exponent ? ldexp(1 + fraction / (double)(1 << mantissa), exponent - bias) : ldexp(fraction, 1 - bias - mantissa);
  if (has_infinity && exponent == all) value = fraction ? NAN : INFINITY;
  if (!has_infinity && (code & 0x7f) == 0x7f) value = NAN;
  return code & 0x80 ? -value : value;
}

static void check_fp8(wf_dtype type, int mantissa, int bias, bool has_infinity, double largest) {
  for (int code = 0; code < 256; code++) {
    uint8_t cell = (uint8_t)code, back;
    double value = fp8_value(code, mantissa, bias, has_infinity);
    assert_same(wf_load_element(type, &cell, 0), value);
    if (!isfinite(value)) continue;
    wf_store_element(type, &back, 0, value);
    assert_int_equal(back, code);
  }
  for (int i = 0; i < 20000; i++) {
    double x = ldexp((double)(random_bits() % 4096) / 4096 + (i % 2), (int)(random_bits() % 30) - 20), best = 0;
    int best_code = 0;
    for (int code = 0; code < 0x80; code++) {
      double value = fp8_value(code, mantissa, bias, has_infinity);
      if (!isfinite(value)) continue;
      double nearer = fabs(value - x) - fabs(best - x);
      if (nearer < 0 || (nearer == 0 && code % 2 == 0)) best = value, best_code = code;
    }
    uint8_t cell;
    wf_store_element(type, &cell, 0, x);
    assert_int_equal(cell, best_code);
    assert_same(wf_round_to(type, -x), -best);
  }
  assert_same(wf_round_to(type, 1e30), largest);
  assert_same(wf_round_to(type, -INFINITY), -largest);
  assert_true(isnan(wf_round_to(type, NAN)));
  uint8_t cell;
  wf_store_element(type, &cell, 0, NAN);
  assert_true(isnan(wf_load_element(type, &cell, 0)));
}

static void test_fp8(void **state) {
  check_fp8(WF_E4M3, 3, 7, false, 448);
  check_fp8(WF_E5M2, 2, 15, true, 57344);
}

static void test_integers(void **state) {
  assert_true(wf_round_to(WF_I32, 2.9) == 2 && wf_round_to(WF_I32, -2.9) == -2);
  assert_true(wf_round_to(WF_I32, 1e30) == INT32_MAX && wf_round_to(WF_I32, -1e30) == INT32_MIN);
  assert_true(wf_round_to(WF_I32, NAN) == 0);
  assert_true(wf_round_to(WF_U8, -3) == 0 && wf_round_to(WF_U8, 300) == 255);
  assert_true(wf_round_to(WF_BOOL, 0.25) == 1 && wf_round_to(WF_BOOL, 0) == 0);
  int32_t narrow;
  wf_store_element_int(WF_I32, &narrow, 0, 0x100000005);      // wraps
  assert_int_equal(narrow, 5);
  uint8_t byte;
  wf_store_element_int(WF_U8, &byte, 0, -1);
  assert_int_equal(byte, 255);
  int64_t wide;
  wf_store_element(WF_I64, &wide, 0, 1e30);
  assert_true(wide == INT64_MAX);
  wf_store_element_int(WF_I64, &wide, 0, INT64_MAX - 1);      // beyond 2^53
  assert_true(wf_load_element_int(WF_I64, &wide, 0) == INT64_MAX - 1);
}

static void test_table(void **state) {
  wf_dtype type;
  for (int i = 0; i < WF_DTYPE_COUNT; i++) {
    assert_true(wf_dtype_parse(wf_dtype_name((wf_dtype)i), &type));
    assert_int_equal(type, i);
    assert_false(wf_dtype_is_float(type) && wf_dtype_is_int(type));
  }
  assert_false(wf_dtype_parse("f17", &type));
  assert_true(wf_dtype_is_int(WF_U8) && !wf_dtype_is_int(WF_BOOL));
  assert_true(wf_dtype_compute(WF_BF16) == WF_F32 && wf_dtype_compute(WF_F64) == WF_F64 && wf_dtype_compute(WF_I32) == WF_I32);
  assert_true(wf_dtype_bytes(WF_TF32) == 4 && wf_dtype_bytes(WF_E4M3) == 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_f16_all_codes), cmocka_unit_test(test_f16_rounding), cmocka_unit_test(test_bf16),
    cmocka_unit_test(test_tf32),          cmocka_unit_test(test_fp8),          cmocka_unit_test(test_integers),
    cmocka_unit_test(test_table),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
