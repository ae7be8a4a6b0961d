// The object loader: code from the compiler runs, foreign symbols are refused, and no damaged object crashes it (run under
// AddressSanitizer too). Damaged objects are loaded, not called.
#include "kernel_support.h"
#include <elf.h>

static const char text[] = "sym n\n"
    "kernel @f(%x: f32[n] in, %y: f32[n] out) symbols(n) {\n for task i: n//8 {\n for vector v: 8 {\n"
    "%y[8*i + v] = exp(%x[8*i + v]) + 0.125\n}\n}\n}\n"
    "kernel @g(%x: f64[n] in, %y: f64[n] out) symbols(n) {\n for task i: n {\n %y[i] = sin(%x[i])*3\n}\n}\n";

static void test_symbols(void **unused) {
  (void)unused;
  built b = build_kernels(text, "native");
  assert_non_null(wf_object_symbol(b.object, "k1"));
  assert_ptr_not_equal(wf_object_symbol(b.object, "k0"), wf_object_symbol(b.object, "k1"));
  assert_null(wf_object_symbol(b.object, "k2"));
  assert_null(wf_object_symbol(b.object, ""));
  double x[4] = {0, 1, 2, 3}, y[4] = {0};
  void *buffers[2] = {x, y};
  int64_t n = 4;
  ((wf_kernel_entry)wf_object_symbol(b.object, "k1"))(buffers, &n, 1, 3, NULL);
  assert_true(y[0] == 0 && y[3] == 0);
  assert_true(y[1] > 2.5244129 && y[1] < 2.5244130 && y[2] > 2.727892 && y[2] < 2.727893);
  drop(&b);
}

// Two objects live side by side, and bytes need no alignment.
static void test_two_objects(void **unused) {
  (void)unused;
  built b = build_kernels(text, "native");
  char message[64], *shifted = malloc(b.code.size + 1);
  memcpy(shifted + 1, b.code.bytes, b.code.size);
  wf_object *second = wf_object_load(shifted + 1, b.code.size, message, sizeof message);
  assert_non_null(second);
  assert_ptr_not_equal(wf_object_symbol(second, "k0"), wf_object_symbol(b.object, "k0"));
  wf_object_unload(second);
  free(shifted);
  drop(&b);
}

static const char *refusal(const void *bytes, size_t size) {
  static char message[256];
  assert_null(wf_object_load(bytes, size, message, sizeof message));
  assert_true(message[0]);
  return message;
}

static void test_not_an_object(void **unused) {
  (void)unused;
  built b = build_kernels(text, "native");
  assert_non_null(strstr(refusal("", 0), "too short"));
  char *bytes = malloc(b.code.size);
  memcpy(bytes, b.code.bytes, b.code.size);
  bytes[0] = 'X';
  assert_non_null(strstr(refusal(bytes, b.code.size), "not an ELF object"));
  memcpy(bytes, b.code.bytes, b.code.size);
  bytes[18] = 40;   // e_machine: ARM
  assert_non_null(strstr(refusal(bytes, b.code.size), "x86-64"));
  memcpy(bytes, b.code.bytes, b.code.size);
  bytes[16] = 3;    // e_type: shared object
  assert_non_null(strstr(refusal(bytes, b.code.size), "relocatable"));
  free(bytes);
  drop(&b);
}

static void test_truncated(void **unused) {
  (void)unused;
  built b = build_kernels(text, "native");
  for (size_t size = 0; size < b.code.size; size += 1 + size / 97) {
    char *bytes = malloc(size ? size : 1), message[128];   // its own block, so that a read past the end is seen
    memcpy(bytes, b.code.bytes, size);
    wf_object *object = wf_object_load(bytes, size, message, sizeof message);
    if (size < 64) assert_null(object);
    wf_object_unload(object);
    free(bytes);
  }
  drop(&b);
}

static Elf64_Sym *find_symbols(char *bytes, const Elf64_Ehdr *header, size_t *count, const char **names) {
  Elf64_Shdr *sections = (Elf64_Shdr *)(bytes + header->e_shoff);
  for (int i = 0; i < header->e_shnum; i++)
    if (sections[i].sh_type == SHT_SYMTAB) {
      *count = sections[i].sh_size / sizeof(Elf64_Sym);
      *names = bytes + sections[sections[i].sh_link].sh_offset;
      return (Elf64_Sym *)(bytes + sections[i].sh_offset);
    }
  return NULL;
}

static void test_foreign_symbol(void **unused) {
  (void)unused;
  built b = build_kernels(text, "native");
  char *bytes = aligned_alloc(64, (b.code.size + 63) / 64 * 64);
  memcpy(bytes, b.code.bytes, b.code.size);
  size_t count = 0;
  const char *names = "";
  Elf64_Sym *symbols = find_symbols(bytes, (Elf64_Ehdr *)bytes, &count, &names);
  for (size_t i = 1; i < count; i++)
    if (ELF64_ST_TYPE(symbols[i].st_info) != STT_FUNC) symbols[i].st_shndx = SHN_UNDEF, symbols[i].st_name = symbols[count - 1].st_name;
  assert_non_null(strstr(refusal(bytes, b.code.size), "may not call"));
  free(bytes);
  drop(&b);
}

static uint64_t state = 88172645463325252u;
static uint64_t random_bits(void) { return state ^= state << 13, state ^= state >> 7, state ^= state << 17; }

static void mutate(char *bytes, size_t size) {
  static const uint64_t strange[] = {0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0xffffffff, UINT64_MAX, 0x8000000000000000u, 4096};
  const Elf64_Ehdr *header = (const Elf64_Ehdr *)bytes;
  for (uint64_t left = 1 + random_bits() % 6; left-- > 0;) {
    size_t at = random_bits() % size;
    if (random_bits() % 3 == 0 && header->e_shoff < size) at = header->e_shoff + random_bits() % (size - header->e_shoff);   // section headers
    uint64_t value = random_bits() & 1 ? strange[random_bits() % 11] : random_bits();
    size_t width = (size_t)1 << random_bits() % 4;
    if (at + width <= size) memcpy(bytes + at, &value, width);
  }
}

static void test_mutated(void **unused) {
  (void)unused;
  built b = build_kernels(text, "native");
  int refused = 0;
  for (int i = 0; i < 20000; i++) {
    char *bytes = malloc(b.code.size), message[128];
    memcpy(bytes, b.code.bytes, b.code.size);
    mutate(bytes, b.code.size);
    wf_object *object = wf_object_load(bytes, b.code.size, message, sizeof message);
    if (object) assert_null(wf_object_symbol(object, "no such function"));
    else refused++;
    wf_object_unload(object);
    free(bytes);
  }
  print_message("%d of 20000 damaged objects were refused\n", refused);
  assert_true(refused > 1000);
  drop(&b);
}

// ---- sets of objects ----------------------------------------------------------------------------------------------------
enum { SET_KERNELS = 12 };   // more than share one LLVM module

static built compile_set(int threads) {
  char many[4096] = "sym n\n";
  for (int i = 0; i < SET_KERNELS; i++) {
    size_t length = strlen(many);
    snprintf(many + length, sizeof many - length, "kernel @f%d(%%x: f32[n] in, %%y: f32[n] out) symbols(n) {\n for task i: n {\n %%y[i] = %%x[i] + %d\n}\n}\n", i, i);
  }
  built b = parse_kernels(many);
  const wf_kernel *first = b.module->kernels.items[0];
  b.target = wf_target_create(b.arena, b.diag, "native");
  if (!wf_compile_program(b.arena, b.diag, b.target, b.kernels, b.count, (const wf_atom *const *)first->symbols.items, 1, &(wf_compile_options){.threads = threads}, &b.code))
    fail_with(b.diag, many);
  return b;
}

// The bytes are the same for any number of threads, and every kernel is found in its object.
static void test_set(void **unused) {
  (void)unused;
  built one = compile_set(1), three = compile_set(3);
  char message[128];
  assert_int_equal(one.code.size, three.code.size);
  assert_memory_equal(one.code.bytes, three.code.bytes, one.code.size);
  one.object = wf_object_load(one.code.bytes, one.code.size, message, sizeof message);
  if (!one.object) fail_msg("%s", message);
  for (int i = 0; i < SET_KERNELS; i++) {
    char name[16];
    snprintf(name, sizeof name, "k%d", i);
    wf_kernel_entry entry = (wf_kernel_entry)wf_object_symbol(one.object, name);
    assert_non_null(entry);
    float x[2] = {1, 2}, y[2];
    void *buffers[2] = {x, y};
    int64_t n = 2;
    entry(buffers, &n, 0, 2, NULL);
    assert_true(y[0] == 1 + (float)i && y[1] == 2 + (float)i);
  }
  compile_form(&one, "native", WF_CODE_ELF);   // for other tools: one object
  assert_memory_equal(one.code.bytes, ELFMAG, SELFMAG);
  assert_memory_equal(three.code.bytes, "WEFTOBJS", 8);
  drop(&one);
  drop(&three);
}

static void test_damaged_set(void **unused) {
  (void)unused;
  built b = compile_set(2);
  char message[128];
  for (int i = 0; i < 3000; i++) {
    size_t size = i % 4 ? b.code.size : random_bits() % b.code.size;
    char *bytes = malloc(size ? size : 1);
    memcpy(bytes, b.code.bytes, size);
    if (size > 40) bytes[random_bits() % (i & 1 ? 40 : size)] ^= (char)random_bits();
    wf_object_unload(wf_object_load(bytes, size, message, sizeof message));
    free(bytes);
  }
  drop(&b);
}

// Entries that the object lacks are named.
static void test_bind(void **unused) {
  (void)unused;
  built b = build_kernels(text, "native");
  wf_plan_kernel kernels[2] = {{.name = "first", .entry = "k1"}, {.name = "second", .entry = "k9"}};
  wf_program program = {.kernels = kernels, .kernel_count = 1};
  char message[128];
  assert_true(wf_object_bind(b.object, &program, message, sizeof message));
  assert_ptr_equal(kernels[0].function, wf_object_symbol(b.object, "k1"));
  program.kernel_count = 2;
  assert_false(wf_object_bind(b.object, &program, message, sizeof message));
  assert_non_null(strstr(message, "'second' (k9)"));
  drop(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_symbols), cmocka_unit_test(test_two_objects), cmocka_unit_test(test_not_an_object),
                                     cmocka_unit_test(test_truncated), cmocka_unit_test(test_foreign_symbol), cmocka_unit_test(test_mutated), cmocka_unit_test(test_set),
                                     cmocka_unit_test(test_damaged_set), cmocka_unit_test(test_bind)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
