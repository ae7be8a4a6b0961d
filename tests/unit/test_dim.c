// The dim algebra against brute force over small boxes, and the normal forms that the compiler relies on.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "ir/dim.h"

// ---- a box: atoms with values ------------------------------------------------------------------------------------------
enum { MOST = 8 };
typedef struct box {
  wf_dims *dims;
  const wf_dim *atoms[MOST];
  int64_t values[MOST];
  int count;
} box;

static int64_t value_of(void *context, const wf_atom *atom) {
  const box *b = context;
  for (int i = 0; i < b->count; i++)
    if (wf_dim_as_atom(b->atoms[i]) == atom) return b->values[i];
  fail_msg("unknown atom %s", atom->name);
  return 0;
}

static int64_t at(box *b, const wf_dim *dim) { return wf_dim_eval(dim, value_of, b); }

// Next point of the box in lexicographic order, symbols before axes; start with first_point.
static bool seek(box *b, int i, bool reset) {
  for (; i < b->count; i++) {
    const wf_atom *atom = wf_dim_as_atom(b->atoms[i]);
    b->values[i] = atom->kind == WF_ATOM_AXIS ? 0 : (atom->low + atom->divisor - 1) / atom->divisor * atom->divisor;
    if (atom->kind == WF_ATOM_AXIS && at(b, atom->extent) < 1) return false;
  }
  return true;
}

static int64_t last_value(box *b, int i) {
  const wf_atom *atom = wf_dim_as_atom(b->atoms[i]);
  return atom->kind == WF_ATOM_AXIS ? at(b, atom->extent) - 1 : atom->high;
}

static bool first_point(box *b) { return seek(b, 0, true); }

static bool next_point(box *b) {
  for (int i = b->count - 1; i >= 0; i--) {
    const wf_atom *atom = wf_dim_as_atom(b->atoms[i]);
    b->values[i] += atom->kind == WF_ATOM_AXIS ? 1 : atom->divisor;
    if (b->values[i] <= last_value(b, i) && seek(b, i + 1, true)) return true;
  }
  return false;
}

static uint64_t seed = 12345;
static int pick(int n) {
  seed = seed * 6364136223846793005ull + 1442695040888963407ull;
  return (int)((seed >> 33) % (uint64_t)n);
}

static int64_t floor_div(int64_t a, int64_t b) {
  int64_t q = a / b;
  return q * b > a ? q - 1 : q;
}

// ---- random expressions, each with its own value at every point ----------------------------------------------------------
typedef struct tree { char op; int64_t number; int atom; struct tree *a, *b; const wf_dim *dim; } tree;

static tree *random_tree(wf_arena *arena, box *b, int depth) {
  tree *t = WF_NEW(arena, tree);
  int kind = depth ? pick(9) : pick(3);
  if (kind == 0) {
    t->op = 'c', t->number = pick(13) - 4, t->dim = wf_dim_const(b->dims, t->number);
  } else if (kind <= 2) {
    t->op = 'v', t->atom = pick(b->count), t->dim = b->atoms[t->atom];
  } else {
    t->op = "++-*k/%/%"[kind];
    t->a = random_tree(arena, b, depth - 1);
    if (t->op == 'k' || t->op == '/' || t->op == '%') {
      t->number = 1 + pick(8);
      const wf_dim *den = wf_dim_const(b->dims, t->number);
      t->atom = -1;
      if (t->op != 'k' && pick(3) == 0) t->atom = pick(2), den = b->atoms[t->atom];   // the two symbols
      t->dim = t->op == 'k' ? wf_dim_scale(t->a->dim, t->number)
               : t->op == '/' ? wf_dim_floordiv(t->a->dim, den) : wf_dim_mod(t->a->dim, den);
    } else {
      t->b = random_tree(arena, b, depth - 1);
      t->dim = t->op == '+' ? wf_dim_add(t->a->dim, t->b->dim) : t->op == '-' ? wf_dim_sub(t->a->dim, t->b->dim)
                                                                               : wf_dim_mul(t->a->dim, t->b->dim);
    }
  }
  return t;
}

static int64_t tree_value(const box *b, const tree *t) {
  if (t->op == 'c') return t->number;
  if (t->op == 'v') return b->values[t->atom];
  int64_t x = tree_value(b, t->a), d = t->b || t->atom < 0 ? t->number : b->values[t->atom];
  switch (t->op) {
    case '+': return x + tree_value(b, t->b);
    case '-': return x - tree_value(b, t->b);
    case '*': return x * tree_value(b, t->b);
    case 'k': return x * t->number;
    case '/': return floor_div(x, d);
    default: return x - d * floor_div(x, d);
  }
}

static void make_box(box *b, wf_arena *arena) {
  b->dims = wf_dims_create(arena);
  b->count = 0;
  wf_atom *n = wf_symbol_atom(b->dims, "n"), *t = wf_symbol_atom(b->dims, "t");
  n->high = 5;
  t->low = 2, t->high = 6, t->divisor = 2;
  b->atoms[b->count++] = n->as_dim;
  b->atoms[b->count++] = t->as_dim;
  b->atoms[b->count++] = wf_dim_axis(b->dims, "i", n->as_dim);
  b->atoms[b->count++] = wf_dim_axis(b->dims, "j", t->as_dim);
  b->atoms[b->count++] = wf_dim_axis(b->dims, "x", wf_dim_const(b->dims, 7));
  b->atoms[b->count++] = wf_dim_axis(b->dims, "y", wf_dim_const(b->dims, 4));
}

static const char *text_of(wf_arena *arena, const wf_dim *dim) {
  wf_text text;
  wf_text_init(&text);
  wf_dim_print(&text, dim, NULL, NULL);
  const char *copy = wf_arena_strdup(arena, text.data);
  wf_text_deinit(&text);
  return copy;
}

static void check_values(wf_arena *arena, box *b, const tree *t) {
  wf_interval range = wf_dim_range(t->dim);
  const wf_atom *axes[4];
  for (int i = 0; i < 4; i++) axes[i] = wf_dim_as_atom(b->atoms[i + 2]);
  const wf_dim *low = wf_dim_minimum(t->dim, axes, 4), *high = wf_dim_maximum(t->dim, axes, 4);
  const char *witness = NULL;
  wf_truth truth = wf_dim_prove_nonnegative(t->dim, arena, &witness);
  bool negative = false, divisible = wf_dim_divisible(t->dim, 3);
  assert_true(first_point(b));
  do {
    int64_t value = tree_value(b, t);
    if (at(b, t->dim) != value) fail_msg("%s: %ld, not %ld", text_of(arena, t->dim), (long)at(b, t->dim), (long)value);
    if (value < range.low || value > range.high)
      fail_msg("%s = %ld, out of [%ld, %ld]", text_of(arena, t->dim), (long)value, (long)range.low, (long)range.high);
    if (low && at(b, low) > value) fail_msg("%s = %ld, below its minimum %s", text_of(arena, t->dim), (long)value, text_of(arena, low));
    if (high && at(b, high) < value) fail_msg("%s above its maximum %s", text_of(arena, t->dim), text_of(arena, high));
    if (divisible) assert_int_equal(value % 3, 0);
    negative |= value < 0;
  } while (next_point(b));
  if (truth == WF_PROVED && negative) fail_msg("%s: wrongly proved", text_of(arena, t->dim));
  if (truth == WF_REFUTED && !negative) fail_msg("%s: wrongly refuted at %s", text_of(arena, t->dim), witness);
  if (truth == WF_REFUTED) assert_non_null(witness);
  for (int i = 0; i < 4; i++) assert_false(low && wf_dim_mentions(low, axes[i]));
}

static void test_random_expressions(void **state) {
  int decided = 0, bounded = 0, total = 1500;
  for (int round = 0; round < total; round++) {
    wf_arena *arena = wf_arena_create();
    box b;
    make_box(&b, arena);
    tree *t = random_tree(arena, &b, 1 + round % 4);
    check_values(arena, &b, t);
    decided += wf_dim_prove_nonnegative(t->dim, arena, NULL) != WF_UNKNOWN;
    const wf_atom *x = wf_dim_as_atom(b.atoms[4]);
    bounded += wf_dim_minimum(t->dim, &x, 1) != NULL;
    assert_false(wf_dims_overflowed(b.dims));
    wf_arena_destroy(arena);
  }
  assert_in_range(decided, total * 95 / 100, total);
  assert_in_range(bounded, total * 80 / 100, total);
}

// The point that a witness names does make the dim negative.
static void test_witness_is_true(void **state) {
  for (int round = 0; round < 600; round++) {
    wf_arena *arena = wf_arena_create();
    box b;
    make_box(&b, arena);
    wf_symbol_atom(b.dims, "n")->high = 100000;   // too large to enumerate
    tree *t = random_tree(arena, &b, 1 + round % 3);
    const char *witness;
    if (wf_dim_prove_nonnegative(t->dim, arena, &witness) == WF_REFUTED) {
      first_point(&b);
      char *copy = wf_arena_strdup(arena, witness);
      for (char *part = strtok(copy, ", "); part; part = strtok(NULL, ", ")) {
        const char *name = part, *number = (strtok(NULL, ", "), strtok(NULL, ", "));
        for (int i = 0; i < b.count; i++)
          if (strcmp(wf_dim_as_atom(b.atoms[i])->name, name) == 0) b.values[i] = atoll(number);
      }
      if (tree_value(&b, t) >= 0) fail_msg("%s at %s is %ld", text_of(arena, t->dim), witness, (long)tree_value(&b, t));
    }
    wf_arena_destroy(arena);
  }
}

static void test_substitute_commutes_with_eval(void **state) {
  for (int round = 0; round < 600; round++) {
    wf_arena *arena = wf_arena_create();
    box b;
    make_box(&b, arena);
    tree *t = random_tree(arena, &b, 3), *x = random_tree(arena, &b, 2), *i = random_tree(arena, &b, 1);
    wf_binding bindings[2] = {{wf_dim_as_atom(b.atoms[4]), x->dim}, {wf_dim_as_atom(b.atoms[2]), i->dim}};
    // Simplifications may use the ranges of the atoms, so the values put in stay within them.
    const wf_dim *got = wf_dim_substitute(t->dim, bindings, 2);
    assert_true(first_point(&b));
    do {
      int64_t new_x = tree_value(&b, x), new_i = tree_value(&b, i);
      if (new_x < 0 || new_x >= 7 || new_i < 0 || new_i >= b.values[0]) continue;
      box moved = b;
      moved.values[4] = new_x, moved.values[2] = new_i;
      assert_int_equal(at(&b, got), tree_value(&moved, t));
    } while (next_point(&b));
    wf_arena_destroy(arena);
  }
}

// Laws of arithmetic as identities of pointers, on random operands.
static void test_laws(void **state) {
  int kept = 0, total = 0;
  for (int round = 0; round < 500; round++) {
    wf_arena *arena = wf_arena_create();
    box b;
    make_box(&b, arena);
    const wf_dim *x = random_tree(arena, &b, 2)->dim, *y = random_tree(arena, &b, 2)->dim, *z = random_tree(arena, &b, 1)->dim;
    const wf_dim *d = wf_dim_const(b.dims, 1 + pick(9)), *e = wf_dim_const(b.dims, 1 + pick(5)), *n = b.atoms[0];
    assert_ptr_equal(wf_dim_add(x, y), wf_dim_add(y, x));
    assert_ptr_equal(wf_dim_mul(x, y), wf_dim_mul(y, x));
    assert_ptr_equal(wf_dim_sub(wf_dim_add(x, y), y), x);
    assert_ptr_equal(wf_dim_mul(wf_dim_add(x, y), z), wf_dim_add(wf_dim_mul(x, z), wf_dim_mul(y, z)));
    assert_ptr_equal(wf_dim_exact_div(wf_dim_mul(x, d), d), x);
    assert_ptr_equal(wf_dim_exact_div(wf_dim_mul(x, wf_dim_offset(n, 2)), wf_dim_offset(n, 2)), x);
    assert_ptr_equal(wf_dim_add(wf_dim_mul(d, wf_dim_floordiv(x, d)), wf_dim_mod(x, d)), x);
    assert_true(wf_dim_equals_const(wf_dim_floordiv(wf_dim_mod(x, d), d), 0));
    // These the normal form keeps nearly always; the count guards against losing them.
    const wf_dim *pairs[][2] = {
      {wf_dim_floordiv(wf_dim_add(x, wf_dim_mul(d, y)), d), wf_dim_add(wf_dim_floordiv(x, d), y)},
      {wf_dim_floordiv(wf_dim_floordiv(x, d), e), wf_dim_floordiv(x, wf_dim_mul(d, e))},
      {wf_dim_floordiv(wf_dim_mul(x, e), wf_dim_mul(d, e)), wf_dim_floordiv(x, d)},
      {wf_dim_floordiv(wf_dim_mul(x, n), wf_dim_mul(d, n)), wf_dim_floordiv(x, d)},
      {wf_dim_mod(wf_dim_mod(x, d), d), wf_dim_mod(x, d)},
      {wf_dim_mod(wf_dim_mod(x, wf_dim_mul(d, e)), d), wf_dim_mod(x, d)},
      {wf_dim_mod(wf_dim_add(wf_dim_mod(x, d), y), d), wf_dim_mod(wf_dim_add(x, y), d)},
      {wf_dim_floordiv(wf_dim_add(wf_dim_mod(x, d), wf_dim_mul(y, d)), d), y},
      {wf_dim_floordiv(wf_dim_add(x, wf_dim_mul(n, y)), n), wf_dim_add(wf_dim_floordiv(x, n), y)},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) kept += pairs[i][0] == pairs[i][1], total++;
    wf_arena_destroy(arena);
  }
  printf("laws kept: %d of %d\n", kept, total);
  assert_in_range(kept, total * 97 / 100, total);
}

// ---- forms by name -------------------------------------------------------------------------------------------------------
typedef struct named {
  wf_arena *arena;
  wf_dims *dims;
  const wf_dim *n, *t, *k, *even, *b, *i, *j, *x, *y, *yo, *yi;
} named;

static int setup(void **state) {
  wf_arena *arena = wf_arena_create();
  named *f = WF_NEW(arena, named);
  f->arena = arena;
  wf_dims *d = f->dims = wf_dims_create(arena);
  wf_symbol_atom(d, "even")->divisor = 4;
  f->n = wf_dim_symbol(d, "n"), f->t = wf_dim_symbol(d, "t"), f->k = wf_dim_symbol(d, "k"), f->even = wf_dim_symbol(d, "even");
  f->b = wf_dim_axis(d, "b", f->n), f->i = wf_dim_axis(d, "i", f->t), f->j = wf_dim_axis(d, "j", f->k);
  f->x = wf_dim_axis(d, "x", wf_dim_const(d, 28)), f->y = wf_dim_axis(d, "y", wf_dim_const(d, 28));
  f->yo = wf_dim_axis(d, "yo", wf_dim_const(d, 4)), f->yi = wf_dim_axis(d, "yi", wf_dim_const(d, 8));
  *state = f;
  return 0;
}

static int teardown(void **state) {
  wf_arena_destroy(((named *)*state)->arena);
  return 0;
}

#define ADD wf_dim_add
#define SUB wf_dim_sub
#define MUL wf_dim_mul
#define DIV wf_dim_floordiv
#define MOD wf_dim_mod
#define C(v) wf_dim_const(f->dims, (v))

static void test_digits(void **state) {
  named *f = *state;
  const wf_dim *split = ADD(MUL(C(8), f->yo), f->yi);
  assert_ptr_equal(DIV(split, C(8)), f->yo);
  assert_ptr_equal(MOD(split, C(8)), f->yi);
  assert_ptr_equal(DIV(split, C(16)), DIV(f->yo, C(2)));
  const wf_dim *flat = ADD(MUL(f->b, f->t), f->i);          // [b, t] -> [b*t + i]
  assert_ptr_equal(DIV(flat, f->t), f->b);
  assert_ptr_equal(MOD(flat, f->t), f->i);
  const wf_dim *deep = ADD(MUL(flat, f->k), f->j);          // (b*t + i)*k + j
  assert_ptr_equal(DIV(deep, f->k), flat);
  assert_ptr_equal(DIV(deep, MUL(f->t, f->k)), f->b);
  assert_ptr_equal(MOD(DIV(deep, f->k), f->t), f->i);
  assert_ptr_equal(MOD(deep, f->k), f->j);
  assert_ptr_equal(DIV(ADD(MUL(f->i, f->k), f->j), MUL(C(2), f->k)), DIV(f->i, C(2)));
  // an axis whose extent is a sum: padding
  const wf_dim *wide = wf_dim_offset(f->t, 2), *p = wf_dim_axis(f->dims, "p", wide);
  assert_ptr_equal(DIV(ADD(MUL(f->b, wide), p), wide), f->b);
  assert_ptr_equal(MOD(ADD(MUL(f->b, wide), p), wide), p);
}

static void test_quotients(void **state) {
  named *f = *state;
  assert_ptr_equal(DIV(DIV(f->x, C(2)), C(3)), DIV(f->x, C(6)));
  assert_ptr_equal(DIV(DIV(f->i, f->k), f->n), DIV(f->i, MUL(f->k, f->n)));
  assert_ptr_equal(DIV(MUL(C(6), f->x), C(4)), ADD(f->x, DIV(f->x, C(2))));
  assert_ptr_equal(DIV(MUL(f->k, f->i), MUL(f->k, f->n)), DIV(f->i, f->n));
  assert_ptr_equal(MOD(MOD(f->x, C(12)), C(4)), MOD(f->x, C(4)));
  assert_ptr_equal(wf_dim_scale(DIV(f->even, C(4)), 4), f->even);
  assert_ptr_equal(wf_dim_scale(DIV(f->even, C(4)), 2), DIV(f->even, C(2)));
  assert_true(wf_dim_equals_const(MOD(f->even, C(4)), 0));
  assert_ptr_equal(DIV(wf_dim_offset(f->even, 3), C(4)), DIV(f->even, C(4)));
  assert_true(wf_dim_divisible(f->even, 4));
  assert_false(wf_dim_divisible(f->even, 8));
  assert_true(wf_dim_divisible(wf_dim_scale(f->even, 2), 8));
  assert_true(wf_dim_equals_const(DIV(C(-7), C(2)), -4));
  assert_true(wf_dim_equals_const(wf_dim_ceildiv(C(7), C(2)), 4));
  assert_true(wf_dim_equals_const(DIV(f->i, f->t), 0));
  assert_true(wf_dim_equals_const(DIV(wf_dim_offset(f->i, -1), f->t), 0) == false);
}

static wf_truth prove(named *f, const wf_dim *dim, const char **witness) { return wf_dim_prove_nonnegative(dim, f->arena, witness); }

static void test_bounds_proofs(void **state) {
  named *f = *state;
  const char *witness;
  assert_int_equal(prove(f, SUB(wf_dim_offset(f->t, -1), f->i), NULL), WF_PROVED);
  const wf_dim *rows = MUL(f->n, f->t), *flat = ADD(MUL(f->b, f->t), f->i);
  assert_int_equal(prove(f, SUB(wf_dim_offset(rows, -1), flat), NULL), WF_PROVED);
  // a strided convolution of a symbolic height: 2*oy + r <= h - 1
  const wf_dim *h = wf_dim_symbol(f->dims, "h"), *out = wf_dim_offset(DIV(wf_dim_offset(h, -3), C(2)), 1);
  const wf_dim *oy = wf_dim_axis(f->dims, "oy", out), *r = wf_dim_axis(f->dims, "r", C(3));
  const wf_dim *map = ADD(wf_dim_scale(oy, 2), r);
  assert_int_equal(prove(f, SUB(wf_dim_offset(h, -1), map), NULL), WF_PROVED);
  assert_int_equal(prove(f, SUB(wf_dim_offset(h, -2), map), &witness), WF_REFUTED);
  assert_non_null(witness);
  assert_int_equal(prove(f, wf_dim_offset(map, -1), &witness), WF_REFUTED);
  assert_string_equal(witness, "h = 3, oy = 0, r = 0");
  assert_int_equal(prove(f, SUB(C(26), f->y), &witness), WF_REFUTED);
  assert_string_equal(witness, "y = 27");
  assert_int_equal(prove(f, SUB(f->x, wf_dim_scale(DIV(f->x, C(3)), 3)), NULL), WF_PROVED);
  assert_int_equal(prove(f, SUB(f->i, MUL(f->k, DIV(f->i, f->k))), NULL), WF_PROVED);
  assert_int_equal(prove(f, SUB(wf_dim_offset(f->k, -1), MOD(f->i, f->k)), NULL), WF_PROVED);
  // nearest resize: y*14//28 stays below 14
  assert_int_equal(prove(f, SUB(C(20), DIV(MUL(f->y, C(21)), C(28))), NULL), WF_PROVED);
}

static void test_symbolic_bounds(void **state) {
  named *f = *state;
  const wf_atom *i = wf_dim_as_atom(f->i), *both[2] = {wf_dim_as_atom(f->i), wf_dim_as_atom(f->b)};
  const wf_dim *flat = ADD(MUL(f->b, f->t), f->i);
  assert_ptr_equal(wf_dim_maximum(flat, &i, 1), wf_dim_offset(ADD(MUL(f->b, f->t), f->t), -1));
  assert_ptr_equal(wf_dim_maximum(flat, both, 2), wf_dim_offset(MUL(f->n, f->t), -1));
  assert_ptr_equal(wf_dim_minimum(flat, &i, 1), MUL(f->b, f->t));
  assert_ptr_equal(wf_dim_minimum(SUB(C(5), f->i), &i, 1), SUB(C(6), f->t));
}

static void test_split_and_queries(void **state) {
  named *f = *state;
  const wf_dim *slope, *rest, *map = ADD(MUL(f->x, MUL(C(2), f->t)), f->j);
  assert_true(wf_dim_split(map, wf_dim_as_atom(f->x), &slope, &rest));
  assert_ptr_equal(slope, MUL(C(2), f->t));
  assert_ptr_equal(rest, f->j);
  assert_false(wf_dim_split(MUL(f->x, f->x), wf_dim_as_atom(f->x), &slope, &rest));
  assert_false(wf_dim_split(DIV(f->x, C(2)), wf_dim_as_atom(f->x), &slope, &rest));
  assert_true(wf_dim_has_axis(DIV(f->x, C(2))) && wf_dim_has_floordiv(DIV(f->x, C(2))));
  assert_false(wf_dim_has_axis(MUL(f->n, f->t)));
  const wf_atom **atoms = NULL;
  int count = 0;
  wf_dim_collect(ADD(map, DIV(f->y, C(3))), f->arena, &atoms, &count);
  wf_dim_collect(map, f->arena, &atoms, &count);
  assert_int_equal(count, 4);
  assert_true(wf_dim_compare(f->x, f->x) == 0);
  assert_true(wf_dim_compare(f->x, f->y) == -wf_dim_compare(f->y, f->x));
  assert_null(wf_dim_exact_div(wf_dim_offset(MUL(f->n, f->t), 1), f->n));
}

static void expect_text(named *f, const wf_dim *dim, const char *expected) {
  assert_string_equal(text_of(f->arena, dim), expected);
}

static void test_printing(void **state) {
  named *f = *state;
  const wf_dim *r = wf_dim_axis(f->dims, "r", C(3));
  expect_text(f, wf_dim_offset(ADD(r, wf_dim_scale(f->y, 2)), -1), "2*y + r - 1");
  expect_text(f, SUB(C(27), f->x), "27 - x");
  expect_text(f, ADD(MUL(f->b, f->t), f->i), "b*t + i");
  expect_text(f, DIV(f->n, C(2)), "n//2");
  expect_text(f, wf_dim_scale(DIV(f->n, C(2)), -1), "-(n//2)");   // -n//2 would be (-n)//2
  expect_text(f, wf_dim_offset(wf_dim_scale(MOD(f->x, C(4)), -1), -1), "-(x%4) - 1");
  expect_text(f, DIV(wf_dim_offset(f->n, 3), C(4)), "(n + 3)//4");
  expect_text(f, MOD(f->x, C(4)), "x%4");
  expect_text(f, ADD(wf_dim_scale(MOD(f->x, C(4)), 2), f->y), "2*(x%4) + y");
  expect_text(f, wf_dim_offset(MOD(wf_dim_offset(f->x, 1), C(4)), 2), "(x + 1)%4 + 2");
  expect_text(f, SUB(C(7), MOD(f->x, C(4))), "7 - x%4");
  expect_text(f, MOD(f->i, f->k), "i%k");
  expect_text(f, MUL(f->t, DIV(f->i, f->k)), "(i//k)*t");
  expect_text(f, DIV(f->i, wf_dim_offset(f->k, 1)), "i//(k + 1)");
  expect_text(f, wf_dim_scale(f->x, -3), "-3*x");
  expect_text(f, C(0), "0");
  expect_text(f, C(-5), "-5");
  expect_text(f, DIV(MOD(f->x, C(12)), C(4)), "(x//4)%3");
}

// The text depends on names, not on the order in which atoms were made.
static void test_printing_ignores_creation_order(void **state) {
  named *f = *state;
  const char *texts[2];
  for (int round = 0; round < 2; round++) {
    wf_dims *dims = wf_dims_create(f->arena);
    const wf_dim *first = wf_dim_axis(dims, round ? "q" : "p", wf_dim_const(dims, 9));
    const wf_dim *second = wf_dim_axis(dims, round ? "p" : "q", wf_dim_const(dims, 9));
    const wf_dim *p = round ? second : first, *q = round ? first : second;
    const wf_dim *sum = ADD(ADD(MUL(p, q), DIV(q, wf_dim_const(dims, 2))), ADD(ADD(q, p), MOD(p, wf_dim_const(dims, 5))));
    texts[round] = text_of(f->arena, sum);
  }
  assert_string_equal(texts[0], texts[1]);
}

static void test_overflow_saturates(void **state) {
  named *f = *state;
  assert_false(wf_dims_overflowed(f->dims));
  const wf_dim *big = MUL(C(INT64_MAX), C(2));
  assert_true(wf_dim_equals_const(big, INT64_MAX));
  assert_true(wf_dims_overflowed(f->dims));
  const wf_dim *power = f->n;
  for (int i = 0; i < 100; i++) power = MUL(power, wf_dim_offset(f->n, 1));   // too many terms and factors: no crash
  assert_true(wf_dims_overflowed(f->dims));
  wf_interval range = wf_dim_range(MUL(MUL(f->n, f->t), MUL(f->k, f->n)));
  assert_true(range.low == 1 && range.high == INT64_MAX);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_random_expressions),
    cmocka_unit_test(test_witness_is_true),
    cmocka_unit_test(test_substitute_commutes_with_eval),
    cmocka_unit_test(test_laws),
    cmocka_unit_test_setup_teardown(test_digits, setup, teardown),
    cmocka_unit_test_setup_teardown(test_quotients, setup, teardown),
    cmocka_unit_test_setup_teardown(test_bounds_proofs, setup, teardown),
    cmocka_unit_test_setup_teardown(test_symbolic_bounds, setup, teardown),
    cmocka_unit_test_setup_teardown(test_split_and_queries, setup, teardown),
    cmocka_unit_test_setup_teardown(test_printing, setup, teardown),
    cmocka_unit_test_setup_teardown(test_printing_ignores_creation_order, setup, teardown),
    cmocka_unit_test_setup_teardown(test_overflow_saturates, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
