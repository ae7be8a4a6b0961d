#include "cli/cache.h"
#include <llvm/Config/llvm-config.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "cli/target.h"
#include "codegen/llvm/load_llvm.h"

static void add_file(wf_cache_key *key, const wf_source *source) {
  wf_cache_key_add_text(key, source->path);   // kernels and messages name their places
  wf_cache_key_add(key, source->text, source->size);
}

static void add_library(wf_cache_key *key) {
  for (const struct weft_embedded *file = weft_std_library; file->name; file++) {
    wf_cache_key_add_text(key, file->name);
    wf_cache_key_add(key, file->text, file->size);
  }
}

// A file, by size and time, stands for its contents.
static bool add_build(wf_cache_key *key, const char *path) {
  struct stat file;
  if (stat(path, &file) != 0) return false;
  int64_t build[] = {file.st_size, file.st_mtim.tv_sec, file.st_mtim.tv_nsec};
  wf_cache_key_add(key, build, sizeof build);
  return true;
}

// This executable stands for the version of passes and code generator. LLVM is not asked for its own: a hit must not load it.
static bool add_versions(wf_cache_key *key) {
  if (!add_build(key, "/proc/self/exe")) return false;
  add_build(key, wf_llvm_file());
  wf_cache_key_add_text(key, WEFT_VERSION);
  wf_cache_key_add_text(key, LLVM_VERSION_STRING);
  return true;
}

static void add_options(cli *c, wf_cache_key *key) {
  const char *level = c->target;
  for (int i = 0; i < c->options.sets.count; i++) wf_cache_key_add_text(key, c->options.sets.items[i]);
  wf_cache_key_add(key, &c->options.sets.count, sizeof c->options.sets.count);
  wf_cache_key_add_text(key, c->options.passes);
  wf_cache_key_add_text(key, level);
  if (strcmp(level, "native") != 0) return;
  uint32_t words[CLI_CPU_WORDS];
  cli_cpu_words(words);
  wf_cache_key_add(key, words, sizeof words);
}

cli_cache cli_cache_begin(cli *c) {
  cli_cache none = {0}, cache = {0};
  if (c->options.no_cache || !strcmp(c->options.file, "-")) return none;
  wf_diag *quiet = wf_diag_create(c->arena);   // what is wrong with the file is told when it is compiled
  wf_source *source = wf_source_read(c->arena, quiet, c->options.file, 64 << 20);
  if (!source || !add_versions(&cache.key)) return none;
  add_library(&cache.key);
  add_options(c, &cache.key);
  add_file(&cache.key, source);
  cache.folder = wf_cache_folder(c->arena);
  return cache;
}

bool cli_cache_load(cli *c, const cli_cache *cache, wf_cached *out) {
  *out = (wf_cached){0};
  if (!cache->folder) return false;
  bool hit = wf_cache_load(c->arena, cache->folder, cache->key, out);
  if (c->options.verbose) fprintf(stderr, "cache: %s in %s\n", hit ? "hit" : "miss", cache->folder);
  return hit;
}

static bool is_embedded(const wf_source *source) {
  for (const struct weft_embedded *file = weft_std_library; file->name; file++)
    if (source->size == file->size && !memcmp(source->text, file->text, file->size)) return true;
  return false;
}

static wf_cache_dependencies imports_of(cli *c, const wf_compiled *compiled) {
  wf_cache_dependencies out = {0};
  for (int i = 0; compiled && i < compiled->model->files.count; i++) {
    const wf_ast_file *file = compiled->model->files.items[i];
    if (file == compiled->model->main || is_embedded(file->source)) continue;
    wf_cache_dependency dependency = {.path = file->source->path};
    wf_cache_key_add(&dependency.hash, file->source->text, file->source->size);
    wf_vec_push(c->arena, &out.list, dependency);
  }
  return out;
}

void cli_cache_store(cli *c, const cli_cache *cache, const wf_compiled *compiled, const wf_program *program, const wf_code *code) {
  if (!cache->folder || c->diag->list.count) return;   // a program with warnings is compiled again, so that they are told again
  wf_cache_dependencies imports = imports_of(c, compiled);
  weft_status *failed = wf_cache_store(c->arena, cache->folder, cache->key, &imports, program, code, WF_CACHE_BYTES);
  if (failed && c->options.verbose) fprintf(stderr, "cache: %s\n", weft_status_message(failed));
  weft_status_free(failed);
}
