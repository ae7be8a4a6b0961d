// Arenas, interning, vectors, maps, text buffers.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "ir/arena.h"

static void test_alloc_is_aligned_zeroed_and_apart(void **state) {
  wf_arena *arena = wf_arena_create();
  enum { COUNT = 3000 };
  unsigned char *blocks[COUNT];
  size_t sizes[COUNT], total = 0;
  for (int i = 0; i < COUNT; i++) {
    sizes[i] = i % 500 == 0 ? 3000000 / (size_t)(i + 1) : (size_t)(i * 7 % 300);
    blocks[i] = wf_arena_alloc(arena, sizes[i]);
    assert_int_equal((uintptr_t)blocks[i] % 16, 0);
    for (size_t b = 0; b < sizes[i]; b++) assert_int_equal(blocks[i][b], 0);
    memset(blocks[i], i % 255 + 1, sizes[i]);
    total += sizes[i];
  }
  for (int i = 0; i < COUNT; i++)
    for (size_t b = 0; b < sizes[i]; b++) assert_int_equal(blocks[i][b], i % 255 + 1);
  assert_true(wf_arena_bytes(arena) >= total);
  wf_arena_destroy(arena);
  wf_arena_destroy(NULL);
}

static void test_strings(void **state) {
  wf_arena *arena = wf_arena_create();
  assert_string_equal(wf_arena_strndup(arena, "layer.3", 5), "layer");
  assert_string_equal(wf_arena_printf(arena, "%s.%d", "layer", 3), "layer.3");
  assert_string_equal(wf_arena_printf(arena, "%s", ""), "");
  wf_arena_destroy(arena);
}

static void test_interner(void **state) {
  wf_arena *arena = wf_arena_create();
  wf_interner *interner = wf_interner_create(arena);
  const char *seen[2000];
  for (int i = 0; i < 2000; i++) {
    char name[32];
    snprintf(name, sizeof name, "value.%d", i);
    seen[i] = wf_intern(interner, name);
    assert_string_equal(seen[i], name);
    assert_ptr_not_equal(seen[i], name);
  }
  for (int i = 0; i < 2000; i++) {
    char name[40];
    int length = snprintf(name, sizeof name, "value.%d+rest", i) - 5;
    assert_ptr_equal(wf_intern_n(interner, name, (size_t)length), seen[i]);
  }
  assert_ptr_equal(wf_intern(interner, ""), wf_intern_n(interner, "x", 0));
  wf_arena_destroy(arena);
}

static void test_vector(void **state) {
  wf_arena *arena = wf_arena_create();
  WF_VEC(int) list = {0};
  for (int i = 0; i < 10000; i++) wf_vec_push(arena, &list, i * 3);
  assert_int_equal(list.count, 10000);
  for (int i = 0; i < 10000; i++) assert_int_equal(list.items[i], i * 3);
  wf_arena_destroy(arena);
}

static void test_map(void **state) {
  wf_arena *arena = wf_arena_create();
  wf_map map;
  wf_map_init(&map, arena);
  assert_null(wf_map_get(&map, "absent"));
  assert_int_equal(wf_map_index(&map, "absent"), -1);
  int values[1000];
  for (int i = 0; i < 1000; i++) wf_map_set(&map, wf_arena_printf(arena, "key%d", i), &values[i]);
  wf_map_set(&map, "key7", &values[999]);
  assert_int_equal(map.count, 1000);
  for (int i = 0; i < 1000; i++) {
    char key[16];
    snprintf(key, sizeof key, "key%d", i);
    assert_ptr_equal(wf_map_get(&map, key), &values[i == 7 ? 999 : i]);
    assert_string_equal(map.keys[i], key);     // order of insertion
    assert_int_equal(wf_map_index(&map, key), i);
  }
  assert_null(wf_map_get(&map, "key1000"));
  wf_arena_destroy(arena);
}

static void test_text(void **state) {
  wf_text text;
  wf_text_init(&text);
  assert_string_equal(text.data, "");
  for (int i = 0; i < 500; i++) wf_text_printf(&text, "%d,", i % 10);
  wf_text_add(&text, "end");
  wf_text_add_n(&text, "ing...", 3);
  assert_int_equal(text.length, 1006);
  assert_string_equal(text.data + 1000, "ending");
  wf_text_deinit(&text);
  assert_null(text.data);
}

static void test_hash(void **state) {
  assert_true(wf_hash_text("abc") == wf_hash_bytes("abc", 3, 0));
  assert_true(wf_hash_text("abc") != wf_hash_text("abd"));
  assert_true(wf_hash_bytes("abc", 3, 0) != wf_hash_bytes("abc", 3, 1));
  assert_true(wf_hash_bytes("abc\0", 4, 0) != wf_hash_bytes("abc", 3, 0));
  int buckets[64] = {0};
  for (int i = 0; i < 6400; i++) buckets[wf_hash_bytes(&i, sizeof i, 0) % 64]++;
  for (int i = 0; i < 64; i++) assert_in_range(buckets[i], 50, 160);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_alloc_is_aligned_zeroed_and_apart),
    cmocka_unit_test(test_strings),
    cmocka_unit_test(test_interner),
    cmocka_unit_test(test_vector),
    cmocka_unit_test(test_map),
    cmocka_unit_test(test_text),
    cmocka_unit_test(test_hash),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
