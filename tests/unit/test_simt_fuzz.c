// 2,000 damaged PTX texts: each loads or is refused with a place, and what loads runs or faults; nothing crashes or hangs.
#include "simt_fixture.h"

static const char *const snippets[] = {
    "add.s32 %r1, %r2, %r3;", "ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%rd1];", "@%p1 bra $L__BB0_2;", "bar.sync 0;", "bar.sync 1, 64;", "{", "}", "ret;",
    ".reg .b32 %r<9999999>;", ".shared .b8 big[99999999];", "shfl.sync.idx.b32 %r1, %r2, %r3, 31, -1;", "brx.idx %r1, T;", ".branchtargets A;",
    "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%f1,%f2,%f3,%f4},{%r1,%r2,%r3,%r4},{%r1,%r2},{%f1,%f2,%f3,%f4};", "call f, (a);", "0", "-1",
    "0x7fffffffffffffff", "99999999999999999999", "%r1", "%rd1", "%f1", "%p1", "[%rd1+2147483648]", "(", ")", "<", ">", "[", "]", ".param .b8 x[1000000000000];",
    ".local .b8 l[400000];", "cp.async.ca.shared.global [%r1], [%rd1], 4;", "cp.async.wait_all;", "$L__BB0_2:", ".visible .entry", ".func (.param .b32 r) f(.param .b32 a)",
    "st.param.b32 [a+4], %r1;", ".loc 99999 1 1", ".file 1 \"", "/*", "*/", "\"", "@", "!", "|", ";", ",", "\n", "%tid.x", "%tid.w", "%clock64", "atom.shared.add.u32 %r1, [%r2], 1;",
    "fns.b32 %r1, %r2, %r3, -2147483648;", "div.s32 %r1, %r2, %r3;", "bfi.b64 %rd1, %rd2, %rd3, 255, 255;", "cvt.rzi.s64.f32 %rd1, %f1;", "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, [%r2];",
};

static size_t line_start(const char *out, size_t at) {
  while (at > 0 && out[at - 1] != '\n') at--;
  return at;
}

// Changes that often leave a text that loads: another digit, a line less, a line twice.
static size_t changed(char *out, size_t size, uint64_t *random) {
  size_t at = (size_t)(random_bits(random) >> 20) % size, first = line_start(out, at), last = at;
  while (last + 1 < size && out[last] != '\n') last++;
  size_t length = last + 1 - first;
  switch (random_bits(random) >> 62) {
    case 0:
      memmove(out + first, out + last + 1, size - last - 1);
      return size - length;
    case 1:
      memmove(out + last + 1, out + first, size - first);
      return size + length;
    default:
      while (at < size && (out[at] < '0' || out[at] > '9')) at++;
      if (at < size) out[at] = (char)('0' + (random_bits(random) >> 40) % 10);
      return size;
  }
}

static size_t broken(char *out, size_t size, uint64_t *random) {
  size_t at = (size_t)(random_bits(random) >> 20) % size, length = (size_t)(random_bits(random) >> 30) % 40;
  if (at + length > size) length = size - at;
  const char *snippet = snippets[(random_bits(random) >> 30) % (sizeof snippets / sizeof *snippets)];
  switch (random_bits(random) >> 61) {
    case 0: out[at] = (char)(random_bits(random) >> 30); return size;
    case 1: memmove(out + at, out + at + length, size - at - length); return size - length;
    case 2: return at ? at : 1;
    case 3: memmove(out + at, out + (random_bits(random) >> 20) % (size - length + 1), length); return size;
    default:   // something else at a word's start
      while (at > 0 && out[at - 1] != ' ' && out[at - 1] != '\t' && out[at - 1] != '\n') at--;
      memmove(out + at + strlen(snippet), out + at, size - at);
      memcpy(out + at, snippet, strlen(snippet));
      return size + strlen(snippet);
  }
}

static size_t damaged(const char *text, size_t size, char *out, uint64_t *random) {
  memcpy(out, text, size);
  bool gentle = random_bits(random) >> 63;
  int changes = 1 + (int)(random_bits(random) >> 62);
  for (int k = 0; k < changes && size; k++) size = gentle ? changed(out, size, random) : broken(out, size, random);
  return size;
}

static bool try_text(const char *text, size_t size, uint64_t seed) {
  weft_simt *machine;
  weft_simt_module *module;
  ok(weft_simt_create(&(weft_simt_options){.threads = 1, .seed = seed, .instruction_budget = 3000}, &machine));
  weft_status *status = weft_simt_load(machine, "t.ptx", text, size, &module);
  bool loaded = !status;
  if (status) {
    int line, column;
    assert_int_equal(weft_status_code(status), WEFT_BAD_INPUT);
    if (sscanf(weft_status_message(status), "t.ptx:%d:%d: ", &line, &column) != 2) fail_msg("no place in: %s", weft_status_message(status));
  }
  weft_status_free(status);
  for (int k = 0; loaded && k < weft_simt_kernels(module); k++) {
    const weft_simt_kernel *kernel = weft_simt_kernel_at(module, k);
    uint64_t memory[64][8] = {{0}};
    void *buffer, *parameters[64];
    bool fits = weft_simt_parameters(kernel) <= 64;
    ok(weft_simt_alloc(machine, 4096, &buffer));
    memset(buffer, 3, 4096);
    ok(weft_simt_mark_initialised(machine, buffer, 4096));
    for (int p = 0; fits && p < weft_simt_parameters(kernel); p++) {
      fits = weft_simt_parameter_size(kernel, p) <= 64;
      memory[p][0] = weft_simt_parameter_size(kernel, p) == 8 ? (uint64_t)(uintptr_t)buffer : 50;
      parameters[p] = memory[p];
    }
    if (fits) weft_status_free(weft_simt_launch(machine, kernel, (uint32_t[]){2, 1, 1}, (uint32_t[]){64, 1, 1}, 1024, parameters));
  }
  weft_simt_destroy(machine);
  return loaded;
}

static void damaged_texts(void **state) {
  size_t size;
  char *all = read_text(WEFT_SOURCE_DIR "/tests/simt/kernels.ptx", &size), *out = malloc(size + 65536);
  uint64_t random = 1;
  int loaded = 0;
  for (int k = 0; k < 2000; k++) {
    // one function of the file: from one `.visible .entry` to the next
    const char *start = all, *end;
    for (int skip = (int)(random_bits(&random) >> 60); skip >= 0 && strstr(start + 1, "\n.visible .entry"); skip--) start = strstr(start + 1, "\n.visible .entry");
    end = strstr(start + 1, "\n.visible .entry");
    if (!end) end = strstr(start, "\t.file") ? strstr(start, "\t.file") : start + strlen(start);
    size_t length = damaged(start, (size_t)(end - start), out, &random);
    char *exact = malloc(length ? length : 1);   // its end is the end: reading past it would be seen
    memcpy(exact, out, length);
    loaded += try_text(exact, length, (uint64_t)k & 1);
    free(exact);
  }
  print_message("%d of 2000 load\n", loaded);
  assert_true(loaded > 100 && loaded < 1900);   // both ways are tried
  free(all);
  free(out);
}

// Depth and size that would exhaust a careless reader.
static void bombs(void **state) {
  static const struct { const char *before, *repeated, *after; } cases[] = {
      {".entry k() {", "{", "}"}, {".global .b32 x = ", "{", "1;"}, {".entry k() { mov.b64 x, ", "{", ";}"}, {".entry k() {", ".reg .b32 %r<1000000>;\n{", "}"},
      {".entry k(.param .u64 a", ", .param .u64 b", ") { ret; }"}, {"/*", "*", ""}, {".entry k() { add.s32 a", ", a", "; }"}, {".entry k() { l", "l", ": bra l; }"},
      {".entry k() { add", ".s32", " a, b, c; }"}, {".global .b8 x[1000000000]", "[1000000000]", ";"}, {"", ".shared .b8 x[99999999999];", ""},
  };
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    size_t count = 20000, each = strlen(cases[c].repeated), room_for = count * each + 200;
    char *text = malloc(room_for), *to = text + sprintf(text, "%s", cases[c].before);
    for (size_t k = 0; k < count; k++) memcpy(to, cases[c].repeated, each), to += each;
    to += sprintf(to, "%s", cases[c].after);
    try_text(text, (size_t)(to - text), 0);
    free(text);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(damaged_texts), cmocka_unit_test(bombs)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
