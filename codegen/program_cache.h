// A cache of compiled programs on disk: one file an entry, named by its key. An entry holds what it depends on beside the key
// (imported sources, with hashes), then a bundle (runtime/program_io.h). Whatever is wrong with an entry, it is a miss.
#ifndef WEFT_CODEGEN_PROGRAM_CACHE_H
#define WEFT_CODEGEN_PROGRAM_CACHE_H
#include "codegen/compile.h"
#include "runtime/program_io.h"

typedef struct wf_cache_key { uint64_t low, high; } wf_cache_key;   // 128 bits; starts as zeros
// Adds a part; its length counts too, so that parts do not run into each other. NULL text is a part of its own.
void wf_cache_key_add(wf_cache_key *key, const void *bytes, size_t size);
void wf_cache_key_add_text(wf_cache_key *key, const char *text);

// $WEFT_CACHE, else $XDG_CACHE_HOME/weft, else $HOME/.cache/weft. NULL where none of them is set.
const char *wf_cache_folder(wf_arena *arena);

typedef struct wf_cache_dependency { const char *path; wf_cache_key hash; } wf_cache_dependency;   // hash: of the file's bytes
typedef struct wf_cache_dependencies { WF_VEC(wf_cache_dependency) list; } wf_cache_dependencies;

typedef struct wf_cached {
  weft_bundle bundle;           // the program, whose kernels have no functions yet
  wf_code code;                 // its host object; lies in `bytes`
  weft_bytes bytes;
} wf_cached;
// False where there is no entry, where it is damaged, or where a dependency changed. A hit becomes the newest entry.
bool wf_cache_load(wf_arena *arena, const char *folder, wf_cache_key key, wf_cached *out);
void wf_cached_close(wf_cached *cached);   // also of a zeroed struct

weft_status *wf_cache_make_folders(wf_arena *arena, const char *folder);   // and what is above it
// Of the files whose names end in `suffix`, keeps those that were used last, up to `limit` bytes together.
void wf_cache_sweep(wf_arena *arena, const char *folder, const char *suffix, int64_t limit);

enum { WF_CACHE_BYTES = 256 << 20 };
// Writes an entry as a whole or not at all, then removes the oldest entries beyond `limit` bytes.
weft_status *wf_cache_store(wf_arena *arena, const char *folder, wf_cache_key key, const wf_cache_dependencies *dependencies,
                            const wf_program *program, const wf_code *code, int64_t limit);
#endif
