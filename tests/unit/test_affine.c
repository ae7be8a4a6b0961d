// Inversion of index maps against its definition, by enumeration: every point p with f(p) = q comes exactly once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "ir/affine.h"

enum { MOST = 16 };
typedef struct problem {
  wf_arena *arena;
  wf_dims *dims;
  const wf_atom *axes[MOST], *targets[MOST];
  const wf_dim *maps[MOST];
  int axis_count, map_count;
  const wf_atom *bound[4 * MOST];   // the evaluation point
  int64_t values[4 * MOST];
  int bound_count;
} problem;

static void start(problem *p) {
  *p = (problem){.arena = wf_arena_create()};
  p->dims = wf_dims_create(p->arena);
}

#define C(v) wf_dim_const(p->dims, (v))

static const wf_dim *axis(problem *p, const char *name, const wf_dim *extent) {
  const wf_dim *made = wf_dim_axis(p->dims, name, extent);
  p->axes[p->axis_count++] = wf_dim_as_atom(made);
  return made;
}

static void map(problem *p, const wf_dim *index, const wf_dim *extent) {
  p->maps[p->map_count] = index;
  p->targets[p->map_count++] = wf_dim_as_atom(wf_dim_axis(p->dims, "q", extent));
}

static int64_t value_of(void *context, const wf_atom *atom) {
  const problem *p = context;
  for (int i = p->bound_count - 1; i >= 0; i--)
    if (p->bound[i] == atom) return p->values[i];
  fail_msg("unbound %s", atom->name);
  return 0;
}

static int64_t at(problem *p, const wf_dim *dim) { return wf_dim_eval(dim, value_of, p); }

static void bind(problem *p, const wf_atom *atom, int64_t value) {
  p->bound[p->bound_count] = atom;
  p->values[p->bound_count++] = value;
}

// Calls visit at every point of the box of the atoms.
typedef void (*visitor)(problem *p, void *context);
static void each_point(problem *p, const wf_atom *const *atoms, int count, visitor visit, void *context) {
  if (!count) {
    visit(p, context);
    return;
  }
  int64_t extent = at(p, atoms[0]->extent);
  for (int64_t v = 0; v < extent; v++) {
    bind(p, atoms[0], v);
    each_point(p, atoms + 1, count - 1, visit, context);
    p->bound_count--;
  }
}

typedef struct check {
  const wf_inverse *inverse;
  int64_t points, visits, hits, wanted;   // wanted: domain points that land in the box
  int seen[1 << 16];
} check;

static void count_wanted(problem *p, void *context) {
  check *c = context;
  for (int k = 0; k < p->map_count; k++) {
    int64_t q = at(p, p->maps[k]);
    if (q < 0 || q >= at(p, p->targets[k]->extent)) return;
  }
  c->wanted++;
}

static bool guards_hold(problem *p, const wf_inverse *inverse) {
  for (int i = 0; i < inverse->guard_count; i++) {
    int64_t v = at(p, inverse->guards[i].dim);
    if (inverse->guards[i].zero ? v != 0 : v < 0) return false;
  }
  return true;
}

static void visit_solution(problem *p, void *context) {
  check *c = context;
  c->visits++;
  if (!guards_hold(p, c->inverse)) return;
  int64_t rank = 0, found[MOST], wanted[MOST];
  for (int k = 0; k < p->map_count; k++) wanted[k] = at(p, p->targets[k]->as_dim);
  for (int i = 0; i < p->axis_count; i++) {
    int64_t extent = at(p, p->axes[i]->extent);
    found[i] = at(p, c->inverse->values[i]);
    if (found[i] < 0 || found[i] >= extent) fail_msg("%s = %ld leaves its box", p->axes[i]->name, (long)found[i]);
    rank = rank * extent + found[i];
  }
  int outer = p->bound_count;
  for (int i = 0; i < p->axis_count; i++) bind(p, p->axes[i], found[i]);
  for (int k = 0; k < p->map_count; k++) assert_int_equal(at(p, p->maps[k]), wanted[k]);
  p->bound_count = outer;
  assert_in_range(rank, 0, (1 << 16) - 1);
  assert_int_equal(c->seen[rank]++, 0);
  c->hits++;
}

static check result;

static void verify_inverse(problem *p, const wf_inverse *inverse) {
  memset(&result, 0, sizeof result);
  result.inverse = inverse;
  for (int i = 0; i < inverse->free_count; i++) assert_false(wf_dim_has_axis(inverse->free_axes[i]->extent));
  const wf_atom *all[2 * MOST];
  int count = 0;
  for (int k = 0; k < p->map_count; k++) all[count++] = p->targets[k];
  for (int i = 0; i < inverse->free_count; i++) all[count++] = inverse->free_axes[i];
  each_point(p, p->axes, p->axis_count, count_wanted, &result);
  each_point(p, all, count, visit_solution, &result);
  assert_int_equal(result.hits, result.wanted);
}

static bool invert(problem *p, wf_inverse *inverse) {
  return wf_affine_invert(p->dims, p->arena, p->maps, p->targets, p->map_count, p->axes, p->axis_count, inverse);
}

// The inverse exists, is right, and iterates over that many points at most.
static wf_inverse expect_inverse(problem *p, int64_t most_visits) {
  wf_inverse inverse;
  assert_true(invert(p, &inverse));
  verify_inverse(p, &inverse);
  if (result.visits > most_visits) fail_msg("%ld visits for %ld points", (long)result.visits, (long)result.hits);
  return inverse;
}

static void finish(problem *p) { wf_arena_destroy(p->arena); }

// ---- maps by name --------------------------------------------------------------------------------------------------------
static void test_windows(void **state) {
  for (int s = 1; s <= 4; s++)
    for (int d = 1; d <= 4; d++)
      for (int R = 1; R <= 5; R++)
        for (int pad = 0; pad <= 2; pad++) {
          problem problem_, *p = &problem_;
          start(p);
          int size = 17;
          const wf_dim *y = axis(p, "y", C((size + 2 * pad - d * (R - 1) - 1) / s + 1)), *r = axis(p, "r", C(R));
          map(p, wf_dim_offset(wf_dim_add(wf_dim_scale(y, s), wf_dim_scale(r, d)), -pad), C(size));
          int64_t g = s % d == 0 ? d : d % s == 0 ? s : (s % 2 == 0 && d % 2 == 0) ? 2 : 1, S = s / g;
          expect_inverse(p, size * ((R + S - 1) / S));
          finish(p);
        }
}

static void test_pooling_needs_no_iteration(void **state) {
  problem problem_, *p = &problem_;
  start(p);
  const wf_dim *y = axis(p, "y", C(14)), *r = axis(p, "r", C(2));
  map(p, wf_dim_add(wf_dim_scale(y, 2), r), C(28));
  wf_inverse inverse = expect_inverse(p, 28);
  assert_int_equal(inverse.free_count, 0);
  assert_int_equal(inverse.guard_count, 0);
  finish(p);
}

static void test_convolution(void **state) {
  problem problem_, *p = &problem_;
  start(p);
  axis(p, "o", C(3));
  const wf_dim *n = axis(p, "n", C(2)), *y = axis(p, "y", C(4)), *x = axis(p, "x", C(4));
  const wf_dim *c = axis(p, "c", C(2)), *r = axis(p, "r", C(3)), *s = axis(p, "s", C(3));
  map(p, n, C(2));
  map(p, c, C(2));
  map(p, wf_dim_offset(wf_dim_add(wf_dim_scale(y, 2), r), -1), C(8));
  map(p, wf_dim_offset(wf_dim_add(wf_dim_scale(x, 2), s), -1), C(8));
  wf_inverse inverse = expect_inverse(p, 2 * 2 * 64 * 3 * 4);
  assert_int_equal(inverse.free_count, 3);   // o, and half of the taps each way
  finish(p);
}

static void test_reshapes(void **state) {
  problem problem_, *p = &problem_;
  start(p);
  const wf_dim *b = axis(p, "b", C(3)), *t = axis(p, "t", C(8)), *h = axis(p, "h", C(4));
  map(p, wf_dim_add(wf_dim_scale(wf_dim_add(wf_dim_scale(b, 8), t), 4), h), C(96));
  wf_inverse inverse = expect_inverse(p, 96);
  assert_int_equal(inverse.free_count + inverse.guard_count, 0);
  finish(p);
  start(p);                                  // the other way: one axis read as two
  const wf_dim *flat = axis(p, "i", C(24));
  map(p, wf_dim_floordiv(flat, C(6)), C(4));
  map(p, wf_dim_mod(flat, C(6)), C(6));
  inverse = expect_inverse(p, 24);
  assert_int_equal(inverse.free_count + inverse.guard_count, 0);
  finish(p);
  start(p);                                  // [24] as [4, 6] as [8, 3]
  const wf_dim *u = axis(p, "u", C(8)), *v = axis(p, "v", C(3));
  const wf_dim *number = wf_dim_add(wf_dim_scale(u, 3), v);
  map(p, wf_dim_floordiv(number, C(6)), C(4));
  map(p, wf_dim_mod(number, C(6)), C(6));
  inverse = expect_inverse(p, 24);
  assert_int_equal(inverse.free_count + inverse.guard_count, 0);
  finish(p);
}

static void test_symbolic_reshape(void **state) {
  for (int64_t n = 1; n <= 3; n++)
    for (int64_t t = 1; t <= 4; t++) {
      problem problem_, *p = &problem_;
      start(p);
      const wf_dim *N = wf_dim_symbol(p->dims, "n"), *T = wf_dim_symbol(p->dims, "t");
      bind(p, wf_dim_as_atom(N), n);
      bind(p, wf_dim_as_atom(T), t);
      const wf_dim *b = axis(p, "b", N), *i = axis(p, "i", T);
      map(p, wf_dim_add(wf_dim_mul(b, T), i), wf_dim_mul(N, T));
      wf_inverse inverse = expect_inverse(p, n * t);
      assert_int_equal(inverse.free_count + inverse.guard_count, 0);
      finish(p);
      start(p);
      N = wf_dim_symbol(p->dims, "n"), T = wf_dim_symbol(p->dims, "t");
      bind(p, wf_dim_as_atom(N), n);
      bind(p, wf_dim_as_atom(T), t);
      const wf_dim *flat = axis(p, "i", wf_dim_mul(N, T));
      map(p, wf_dim_floordiv(flat, T), N);
      map(p, wf_dim_mod(flat, T), T);
      inverse = expect_inverse(p, n * t);
      assert_int_equal(inverse.free_count + inverse.guard_count, 0);
      finish(p);
    }
}

// Overlapping frames with a symbolic hop: frame*hop + i.
static void test_symbolic_stride(void **state) {
  for (int64_t hop = 1; hop <= 4; hop++) {
    problem problem_, *p = &problem_;
    start(p);
    const wf_dim *H = wf_dim_symbol(p->dims, "hop"), *F = wf_dim_symbol(p->dims, "frames");
    bind(p, wf_dim_as_atom(H), hop);
    bind(p, wf_dim_as_atom(F), 5);
    const wf_dim *frame = axis(p, "frame", F), *i = axis(p, "i", C(6));
    map(p, wf_dim_add(wf_dim_mul(frame, H), i), wf_dim_offset(wf_dim_mul(wf_dim_offset(F, -1), H), 6));
    expect_inverse(p, (4 * hop + 6) * ((6 + hop - 1) / hop));
    finish(p);
  }
}

static void test_plain_maps(void **state) {
  problem problem_, *p = &problem_;
  start(p);                                  // reversal
  map(p, wf_dim_sub(C(9), axis(p, "i", C(10))), C(10));
  assert_int_equal(expect_inverse(p, 10).guard_count, 0);
  finish(p);
  start(p);                                  // diagonal
  const wf_dim *i = axis(p, "i", C(5));
  map(p, i, C(5));
  map(p, i, C(5));
  wf_inverse inverse = expect_inverse(p, 25);
  assert_int_equal(inverse.guard_count, 1);
  assert_true(inverse.guards[0].zero);
  finish(p);
  start(p);                                  // broadcast: x[0, j] over [i, j]
  axis(p, "i", C(4));
  map(p, C(0), C(1));
  map(p, axis(p, "j", C(3)), C(3));
  inverse = expect_inverse(p, 12);
  assert_int_equal(inverse.free_count, 1);
  assert_int_equal(inverse.guard_count, 0);
  finish(p);
  start(p);                                  // concatenation: x[i - 3]
  map(p, wf_dim_offset(axis(p, "i", C(10)), -3), C(7));
  assert_int_equal(expect_inverse(p, 7).guard_count, 0);
  finish(p);
  start(p);                                  // nearest upsampling
  map(p, wf_dim_floordiv(axis(p, "y", C(12)), C(2)), C(6));
  assert_int_equal(expect_inverse(p, 12).guard_count, 0);
  finish(p);
  start(p);                                  // upsampling with an offset and a ragged end
  map(p, wf_dim_floordiv(wf_dim_offset(axis(p, "y", C(11)), 1), C(3)), C(4));
  expect_inverse(p, 12);
  finish(p);
  start(p);                                  // pixel shuffle: (y//2, x//2, 2*(y%2) + x%2)
  const wf_dim *y = axis(p, "y", C(6)), *x = axis(p, "x", C(8));
  map(p, wf_dim_floordiv(y, C(2)), C(3));
  map(p, wf_dim_floordiv(x, C(2)), C(4));
  map(p, wf_dim_add(wf_dim_scale(wf_dim_mod(y, C(2)), 2), wf_dim_mod(x, C(2))), C(4));
  inverse = expect_inverse(p, 48);
  assert_int_equal(inverse.free_count + inverse.guard_count, 0);
  finish(p);
  start(p);                                  // nearest resize from 6 to 8
  map(p, wf_dim_floordiv(wf_dim_scale(axis(p, "y", C(8)), 3), C(4)), C(6));
  expect_inverse(p, 24);
  finish(p);
  start(p);                                  // a transposed convolution's read: (y + 1 - r)//2
  y = axis(p, "y", C(28));
  map(p, wf_dim_floordiv(wf_dim_offset(wf_dim_sub(y, axis(p, "r", C(3))), 1), C(2)), C(14));
  expect_inverse(p, 28 * 3);
  finish(p);
  start(p);                                  // no digit helps: (2*i + 3*j)//7
  i = axis(p, "i", C(8));
  map(p, wf_dim_floordiv(wf_dim_add(wf_dim_scale(i, 2), wf_dim_scale(axis(p, "j", C(8)), 3)), C(7)), C(6));
  expect_inverse(p, 6 * 7 * 8);
  finish(p);
  start(p);                                  // coupled: (i + j, i - j)
  i = axis(p, "i", C(4));
  const wf_dim *j = axis(p, "j", C(5));
  map(p, wf_dim_add(i, j), C(8));
  map(p, wf_dim_sub(i, j), C(4));
  assert_int_equal(expect_inverse(p, 32).free_count, 0);
  finish(p);
}

static void test_refusals(void **state) {
  problem problem_, *p = &problem_;
  wf_inverse inverse;
  start(p);                                  // symbolic strides
  const wf_dim *i = axis(p, "i", C(8)), *j = axis(p, "j", C(8)), *s = wf_dim_symbol(p->dims, "s"), *t = wf_dim_symbol(p->dims, "t");
  map(p, wf_dim_add(wf_dim_mul(i, s), wf_dim_mul(j, t)), C(6));
  assert_false(invert(p, &inverse));
  finish(p);
  start(p);                                  // a product
  map(p, wf_dim_mul(axis(p, "i", C(4)), axis(p, "j", C(4))), C(16));
  assert_false(invert(p, &inverse));
  finish(p);
}

// ---- random maps -----------------------------------------------------------------------------------------------------------
static uint64_t seed = 99;
static int pick(int n) {
  seed = seed * 6364136223846793005ull + 1442695040888963407ull;
  return (int)((seed >> 33) % (uint64_t)n);
}

static const wf_dim *random_index(problem *p, bool digits) {
  const wf_dim *index = C(pick(5) - 2);
  for (int terms = 1 + pick(3); terms > 0; terms--) {
    const wf_dim *a = p->axes[pick(p->axis_count)]->as_dim;
    if (digits && pick(3) == 0) a = wf_dim_floordiv(wf_dim_offset(a, pick(3)), C(2 + pick(2)));
    else if (digits && pick(3) == 0) a = wf_dim_mod(wf_dim_offset(a, pick(2)), C(2 + pick(2)));
    index = wf_dim_add(index, wf_dim_scale(a, pick(7) - 3));
  }
  return index;
}

static void test_random_maps(void **state) {
  int inverted[2] = {0, 0}, total = 1500;
  for (int round = 0; round < total; round++) {
    problem problem_, *p = &problem_;
    start(p);
    static const char *const names[] = {"i", "j", "k", "l"};
    for (int i = 0, count = 1 + pick(4); i < count; i++) axis(p, names[i], C(1 + pick(7)));
    for (int k = 0, count = 1 + pick(3); k < count; k++) map(p, random_index(p, round % 2), C(1 + pick(9)));
    wf_inverse inverse;
    if (invert(p, &inverse)) {
      verify_inverse(p, &inverse);
      inverted[round % 2]++;
    }
    finish(p);
  }
  printf("random maps inverted: %d affine, %d with digits, of %d each\n", inverted[0], inverted[1], total / 2);
  assert_in_range(inverted[0], total * 45 / 100, total);
  assert_in_range(inverted[1], total * 45 / 100, total);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_windows),         cmocka_unit_test(test_pooling_needs_no_iteration),
    cmocka_unit_test(test_convolution),     cmocka_unit_test(test_reshapes),
    cmocka_unit_test(test_symbolic_reshape), cmocka_unit_test(test_symbolic_stride),
    cmocka_unit_test(test_plain_maps),      cmocka_unit_test(test_refusals),
    cmocka_unit_test(test_random_maps),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
