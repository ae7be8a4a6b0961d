// What the tests of the PTX machine share: a machine, a module from text, launches, memory from host arrays.
#ifndef WEFT_TESTS_SIMT_FIXTURE_H
#define WEFT_TESTS_SIMT_FIXTURE_H
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "runtime/simt/simt.h"

typedef struct fixture { weft_simt *machine; weft_simt_module *module; } fixture;

static inline void ok(weft_status *status) {
  if (status) print_error("%s\n", weft_status_message(status));
  assert_null(status);
}

static inline fixture open_text(const char *name, const char *text, size_t size, int threads, uint64_t seed) {
  fixture f;
  ok(weft_simt_create(&(weft_simt_options){.threads = threads, .seed = seed, .instruction_budget = 1 << 22}, &f.machine));
  ok(weft_simt_load(f.machine, name, text, size, &f.module));
  return f;
}

static inline void shut(fixture f) { weft_simt_destroy(f.machine); }

static inline char *read_text(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  fseek(file, 0, SEEK_END);
  *size = (size_t)ftell(file);
  rewind(file);
  char *text = malloc(*size + 1);
  assert_int_equal(fread(text, 1, *size, file), *size);
  text[*size] = 0;
  fclose(file);
  return text;
}

static inline void *room(fixture f, size_t bytes) {
  void *out;
  ok(weft_simt_alloc(f.machine, bytes, &out));
  return out;
}

static inline void *filled(fixture f, const void *from, size_t bytes) {
  void *out = room(f, bytes);
  memcpy(out, from, bytes);
  ok(weft_simt_mark_initialised(f.machine, out, bytes));
  return out;
}

static inline weft_status *start(fixture f, const char *kernel, uint32_t gx, uint32_t gy, uint32_t bx, uint32_t by, uint32_t shared,
                                 void **parameters) {
  const weft_simt_kernel *found = weft_simt_entry(f.module, kernel);
  assert_non_null(found);
  return weft_simt_launch(f.machine, found, (uint32_t[]){gx, gy, 1}, (uint32_t[]){bx, by, 1}, shared, parameters);
}

static inline void *zeroed(fixture f, size_t bytes) {
  void *none = calloc(bytes, 1), *out = filled(f, none, bytes);
  free(none);
  return out;
}

// A fault whose message holds all the parts (ended by NULL).
static inline void faults(weft_status *status, ...) {
  assert_non_null(status);
  assert_int_equal(weft_status_code(status), WEFT_SIMT_FAULT);
  va_list parts;
  va_start(parts, status);
  for (const char *part; (part = va_arg(parts, const char *));)
    if (!strstr(weft_status_message(status), part)) fail_msg("no '%s' in: %s", part, weft_status_message(status));
  va_end(parts);
  weft_status_free(status);
}

static inline uint64_t random_bits(uint64_t *state) {
  *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
  return *state * 0x2545f4914f6cdd1dull;
}
static inline float random_unit(uint64_t *state) { return (float)(random_bits(state) >> 40) * 0x1p-23f - 1; }

#endif
