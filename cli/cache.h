// Programs that the command compiled before, by what they were compiled from.
#ifndef WEFT_CLI_CACHE_H
#define WEFT_CLI_CACHE_H
#include "cli/source.h"
#include "codegen/program_cache.h"

typedef struct cli_cache {
  const char *folder;           // NULL: no caching (--no-cache, stdin, no place for it)
  wf_cache_key key;
} cli_cache;

// The key covers the source, the embedded library, this executable, LLVM, the target and the options that reach the
// program. Neither the front end nor LLVM is started.
cli_cache cli_cache_begin(cli *c);
bool cli_cache_load(cli *c, const cli_cache *cache, wf_cached *out);
// Keeps a program; a cache that cannot be written is told with --verbose. compiled: names the imports; NULL for .wir.
void cli_cache_store(cli *c, const cli_cache *cache, const wf_compiled *compiled, const wf_program *program, const wf_code *code);
#endif
