#include "codegen/kernel_cache.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "codegen/build_plan.h"
#include "codegen/emit.h"

static const char magic[8] = "weftk\n\0\1";   // the last byte is the version of an entry's form
static const char suffix[] = ".weftk";
enum { MOST_BYTES = 64 << 20, MOST_CODES = 4096 };

// An entry: this head, the formula of the scratch memory (operation and value, i64 each), the code.
typedef struct entry_head { char magic[8]; uint32_t code_count, zero; uint64_t code_size; wf_cache_key hash; } entry_head;
_Static_assert(sizeof(entry_head) == 40, "the head is written as it lies");

wf_cache_key wf_kernel_cache_key(wf_arena *arena, const wf_target *target, const wf_compile_kernel *kernel, const wf_atom *const *symbols,
                                 int symbol_count) {
  wf_cache_key key = {0};
  wf_cache_key_add_text(&key, wf_compile_version(arena, target));
  wf_cache_key_add_text(&key, wf_compile_key(arena, kernel, symbols, symbol_count));
  return key;
}

const char *wf_kernel_cache_entry(wf_arena *arena, wf_cache_key key) {
  return wf_arena_printf(arena, "wf_%016llx%016llx", (unsigned long long)key.high, (unsigned long long)key.low);
}

static char *entry_path(wf_arena *arena, const char *folder, wf_cache_key key) {
  return wf_arena_printf(arena, "%s/%016llx%016llx%s", folder, (unsigned long long)key.high, (unsigned long long)key.low, suffix);
}

static wf_cache_key hash_of(wf_cache_key key, const void *body, size_t size) {
  wf_cache_key hash = key;       // an entry under another's name is damage too
  wf_cache_key_add(&hash, body, size);
  return hash;
}

// ---- formulas -------------------------------------------------------------------------------------------------------

// Reverse Polish to a dim. NULL where the entry says nonsense.
static const wf_dim *dim_of(wf_dims *dims, const int64_t (*codes)[2], uint32_t count, const wf_atom *const *symbols, int symbol_count) {
  const wf_dim *stack[64];
  int depth = 0;
  for (uint32_t i = 0; i < count; i++) {
    int64_t op = codes[i][0], value = codes[i][1];
    if (op == WF_F_CONST || op == WF_F_SYMBOL) {
      if (depth == 64 || (op == WF_F_SYMBOL && (value < 0 || value >= symbol_count))) return NULL;
      stack[depth++] = op == WF_F_CONST ? wf_dim_const(dims, value) : symbols[value]->as_dim;
      continue;
    }
    int64_t divisor;
    if (depth < 2) return NULL;
    const wf_dim *b = stack[--depth], *a = stack[depth - 1];
    if (op == WF_F_ADD) stack[depth - 1] = wf_dim_add(a, b);
    else if (op == WF_F_MUL) stack[depth - 1] = wf_dim_mul(a, b);
    else if (op == WF_F_FLOORDIV && !(wf_dim_is_const(b, &divisor) && divisor < 1)) stack[depth - 1] = wf_dim_floordiv(a, b);
    else return NULL;
  }
  return depth == 1 ? stack[0] : NULL;
}

// ---- loading and storing --------------------------------------------------------------------------------------------

static bool read_entry(wf_arena *arena, const weft_bytes *bytes, wf_cache_key key, const wf_atom *const *symbols, int symbol_count,
                       wf_compile_kernel *kernel, wf_code *out) {
  entry_head head;
  if (bytes->size < sizeof head) return false;
  memcpy(&head, bytes->data, sizeof head);
  const uint8_t *body = bytes->data + sizeof head;
  size_t size = bytes->size - sizeof head;
  if (memcmp(head.magic, magic, sizeof magic) != 0 || head.zero || head.code_count > MOST_CODES) return false;
  size_t codes_size = (size_t)head.code_count * 16;
  if (size < codes_size || size - codes_size != head.code_size) return false;
  wf_cache_key hash = hash_of(key, body, size);
  if (hash.low != head.hash.low || hash.high != head.hash.high) return false;
  int64_t(*codes)[2] = wf_arena_alloc(arena, codes_size + 1);
  memcpy(codes, body, codes_size);
  const wf_dim *scratch = dim_of(kernel->kernel->module->dims, codes, head.code_count, symbols, symbol_count);
  if (!scratch) return false;
  char *code = wf_arena_alloc(arena, head.code_size + 1);
  memcpy(code, body + codes_size, head.code_size);
  code[head.code_size] = 0;
  *out = (wf_code){code, head.code_size};
  kernel->tasks = wf_kernel_tasks(kernel->kernel);
  kernel->scratch_bytes = scratch;
  return true;
}

bool wf_kernel_cache_load(wf_arena *arena, const char *folder, wf_cache_key key, const wf_atom *const *symbols, int symbol_count,
                          wf_compile_kernel *kernel, wf_code *out) {
  weft_bytes bytes;
  char *path = entry_path(arena, folder, key);
  weft_status *failed = weft_file_read(path, MOST_BYTES, &bytes);
  if (failed) {
    weft_status_free(failed);
    return false;
  }
  bool good = read_entry(arena, &bytes, key, symbols, symbol_count, kernel, out);
  free(bytes.data);
  if (good) utimensat(AT_FDCWD, path, NULL, 0);
  return good;
}

// No fsync: an entry that a crash left torn does not have its hash.
static void write_entry(wf_arena *arena, const char *path, const wf_text *text) {
  char *temporary = wf_arena_printf(arena, "%s.%ld.tmp", path, (long)getpid());
  FILE *file = fopen(temporary, "wb");
  if (!file) return;
  bool good = fwrite(text->data, 1, text->length, file) == text->length;
  if (fclose(file) != 0 || !good || rename(temporary, path) != 0) unlink(temporary);
}

void wf_kernel_cache_store(wf_arena *arena, const char *folder, wf_cache_key key, const wf_atom *const *symbols, int symbol_count,
                           const wf_compile_kernel *kernel, const wf_code *code) {
  wf_formula formula;
  wf_text body, text;
  const wf_dim *scratch = kernel->scratch_bytes ? kernel->scratch_bytes : wf_dim_const(kernel->kernel->module->dims, 0);
  if (!wf_formula_from_dim(arena, scratch, symbols, symbol_count, &formula) || formula.count > MOST_CODES) return;
  wf_text_init(&body);
  wf_text_init(&text);
  for (int i = 0; i < formula.count; i++) {
    int64_t pair[2] = {formula.code[i].op, formula.code[i].value};
    wf_text_add_n(&body, (const char *)pair, sizeof pair);
  }
  wf_text_add_n(&body, code->bytes, code->size);
  entry_head head = {.code_count = (uint32_t)formula.count, .code_size = code->size, .hash = hash_of(key, body.data, body.length)};
  memcpy(head.magic, magic, sizeof magic);
  wf_text_add_n(&text, (const char *)&head, sizeof head);
  wf_text_add_n(&text, body.data, body.length);
  write_entry(arena, entry_path(arena, folder, key), &text);
  wf_text_deinit(&body);
  wf_text_deinit(&text);
}

void wf_kernel_cache_sweep(wf_arena *arena, const char *folder, int64_t limit) { wf_cache_sweep(arena, folder, suffix, limit); }
