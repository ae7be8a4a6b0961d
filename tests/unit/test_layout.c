// Layouts by enumeration of all coordinates.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "ir/layout.h"

typedef struct fixture { wf_arena *arena; wf_dims *dims; } fixture;

static int setup(void **state) {
  wf_arena *arena = wf_arena_create();
  fixture *f = WF_NEW(arena, fixture);
  *f = (fixture){arena, wf_dims_create(arena)};
  *state = f;
  return 0;
}

static int teardown(void **state) {
  wf_arena_destroy(((fixture *)*state)->arena);
  return 0;
}

#define C(v) wf_dim_const(f->dims, (v))

static int64_t offset_at(fixture *f, const wf_layout *layout, const int64_t *point) {
  const wf_dim *coordinates[4];
  int64_t value;
  for (int i = 0; i < layout->rank; i++) coordinates[i] = C(point[i]);
  assert_true(wf_dim_is_const(wf_layout_offset(f->dims, layout, coordinates), &value));
  return value;
}

static void shape_of(fixture *f, const int *extents, int rank, const wf_dim **shape) {
  for (int i = 0; i < rank; i++) shape[i] = C(extents[i]);
}

static void test_row_major_and_permuted(void **state) {
  fixture *f = *state;
  const wf_dim *shape[3];
  shape_of(f, (int[]){3, 4, 5}, 3, shape);
  const wf_layout *plain = wf_layout_row_major(f->dims, f->arena, 3, shape);
  const wf_layout *turned = wf_layout_permuted(f->dims, f->arena, 3, shape, (int[]){2, 0, 1});
  int64_t p[3];
  for (p[0] = 0; p[0] < 3; p[0]++)
    for (p[1] = 0; p[1] < 4; p[1]++)
      for (p[2] = 0; p[2] < 5; p[2]++) {
        assert_int_equal(offset_at(f, plain, p), p[0] * 20 + p[1] * 5 + p[2]);
        assert_int_equal(offset_at(f, turned, p), p[2] * 12 + p[0] * 4 + p[1]);
      }
  assert_true(wf_layout_is_row_major(plain, shape));
  assert_false(wf_layout_is_row_major(turned, shape));
  assert_true(wf_layout_equal(plain, wf_layout_row_major(f->dims, f->arena, 3, shape)));
  assert_false(wf_layout_equal(plain, turned));
  assert_true(wf_dim_equals_const(wf_layout_stride(turned, 2), 12));
  assert_true(wf_dim_equals_const(plain->size, 60));
}

// An axis of extent 1 may have any stride; a symbolic extent stays symbolic.
static void test_row_major_special_extents(void **state) {
  fixture *f = *state;
  const wf_dim *shape[3] = {wf_dim_symbol(f->dims, "n"), C(1), C(7)};
  assert_true(wf_layout_is_row_major(wf_layout_permuted(f->dims, f->arena, 3, shape, (int[]){1, 0, 2}), shape));
  const wf_layout *plain = wf_layout_row_major(f->dims, f->arena, 3, shape);
  assert_ptr_equal(plain->size, wf_dim_scale(shape[0], 7));
  assert_true(wf_layout_is_row_major(plain, shape));
}

// [M//6][K][6]: the packed panel of a contraction, made by composing row-major [M, K] with a rearrangement of its offsets.
static void test_compose_is_composition(void **state) {
  fixture *f = *state;
  enum { M = 12, K = 8, R = 6 };
  const wf_dim *shape[2] = {C(M), C(K)};
  const wf_layout *plain = wf_layout_row_major(f->dims, f->arena, 2, shape);
  const wf_mode modes[3] = {{0, C(K * R), NULL, C(K * R), WF_DEST_OFFSET},
                            {0, C(1), C(K), C(R), WF_DEST_OFFSET},
                            {0, C(K), C(R), C(1), WF_DEST_OFFSET}};
  const wf_layout pack = {.rank = 1, .mode_count = 3, .modes = modes, .size = C(M * K)};
  const wf_layout *packed = wf_layout_compose(f->dims, f->arena, plain, &pack);
  assert_non_null(packed);
  bool seen[M * K] = {false};
  int64_t p[2];
  for (p[0] = 0; p[0] < M; p[0]++)
    for (p[1] = 0; p[1] < K; p[1]++) {
      int64_t flat = offset_at(f, plain, p), got = offset_at(f, packed, p);
      assert_int_equal(got, offset_at(f, &pack, &flat));
      assert_int_equal(got, p[0] / R * K * R + p[1] * R + p[0] % R);
      assert_false(seen[got]);
      seen[got] = true;
    }
  assert_null(wf_layout_stride(packed, 0));
  assert_true(wf_dim_equals_const(wf_layout_stride(packed, 1), R));
  wf_text text;
  wf_text_init(&text);
  wf_layout_print(&text, packed);
  assert_string_equal(text.data, "(0 div 6 @ 48, 1 @ 6, 0 mod 6 @ 1; size 96)");
  wf_text_deinit(&text);
}

// Every cut of a 2 x 3 x 4 tensor's offsets into two digits either composes rightly or is refused.
static void test_compose_exhaustively(void **state) {
  fixture *f = *state;
  const wf_dim *shape[3] = {C(2), C(3), C(4)};
  const wf_layout *plain = wf_layout_row_major(f->dims, f->arena, 3, shape);
  int composed = 0;
  for (int cut = 1; cut <= 24; cut++) {
    if (24 % cut) continue;
    const wf_mode modes[2] = {{0, C(cut), NULL, C(1), WF_DEST_OFFSET}, {0, C(1), C(cut), C(24 / cut), WF_DEST_OFFSET}};
    const wf_layout transpose = {.rank = 1, .mode_count = 2, .modes = modes, .size = C(24)};
    const wf_layout *got = wf_layout_compose(f->dims, f->arena, plain, &transpose);
    if (!got) continue;
    composed++;
    int64_t p[3];
    for (p[0] = 0; p[0] < 2; p[0]++)
      for (p[1] = 0; p[1] < 3; p[1]++)
        for (p[2] = 0; p[2] < 4; p[2]++) {
          int64_t flat = offset_at(f, plain, p);
          assert_int_equal(offset_at(f, got, p), flat / cut + flat % cut * (24 / cut));
        }
  }
  assert_in_range(composed, 5, 8);   // 1 2 4 12 24 line up; 3, 6 and 8 cut an axis at no whole digit
}

static void test_vector_width(void **state) {
  fixture *f = *state;
  const wf_dim *shape[2] = {C(10), C(24)};
  const wf_layout *plain = wf_layout_row_major(f->dims, f->arena, 2, shape);
  assert_int_equal(wf_layout_vector_width(plain, 1, 16), 8);
  assert_int_equal(wf_layout_vector_width(plain, 1, 4), 4);
  assert_int_equal(wf_layout_vector_width(plain, 0, 16), 1);
  wf_layout swizzled = *plain;
  swizzled.swizzle_bits = 3, swizzled.swizzle_base = 2, swizzled.swizzle_shift = 3;
  assert_int_equal(wf_layout_vector_width(&swizzled, 1, 16), 4);
  const wf_dim *open[2] = {C(10), wf_dim_symbol(f->dims, "n")};
  assert_int_equal(wf_layout_vector_width(wf_layout_row_major(f->dims, f->arena, 2, open), 1, 16), 1);
  wf_symbol_atom(f->dims, "m")->divisor = 4;
  const wf_dim *fours[2] = {C(10), wf_dim_symbol(f->dims, "m")};
  assert_int_equal(wf_layout_vector_width(wf_layout_row_major(f->dims, f->arena, 2, fours), 1, 16), 4);
}

static void test_bank_conflicts(void **state) {
  int64_t offsets[32];
  for (int i = 0; i < 32; i++) offsets[i] = i;
  assert_int_equal(wf_bank_conflicts(offsets, 32, 4), 0);
  assert_int_equal(wf_bank_conflicts(offsets, 32, 16), 0);
  assert_int_equal(wf_bank_conflicts(offsets, 32, 2), 0);
  for (int i = 0; i < 32; i++) offsets[i] = 32 * i;
  assert_int_equal(wf_bank_conflicts(offsets, 32, 4), 31);
  for (int i = 0; i < 32; i++) offsets[i] = 2 * i;
  assert_int_equal(wf_bank_conflicts(offsets, 32, 4), 1);
  for (int i = 0; i < 32; i++) offsets[i] = 7;       // one word for all
  assert_int_equal(wf_bank_conflicts(offsets, 32, 4), 0);
  for (int i = 0; i < 32; i++) offsets[i] = i < 2 ? 32 * i : -1;
  assert_int_equal(wf_bank_conflicts(offsets, 32, 4), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_row_major_and_permuted, setup, teardown),
    cmocka_unit_test_setup_teardown(test_row_major_special_extents, setup, teardown),
    cmocka_unit_test_setup_teardown(test_compose_is_composition, setup, teardown),
    cmocka_unit_test_setup_teardown(test_compose_exhaustively, setup, teardown),
    cmocka_unit_test_setup_teardown(test_vector_width, setup, teardown),
    cmocka_unit_test(test_bank_conflicts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
