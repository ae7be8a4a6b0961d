#include "runtime/standalone/payload.h"
#include <elf.h>
#include <sys/stat.h>
#include "runtime/standalone/slot.h"

extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));   // by the linker: where this program is loaded

weft_status *weft_payload(const char *path, const void **out, size_t *out_size) {
  const weft_slot *slot = &weft_program_slot;
  struct stat file;
  *out = NULL;
  *out_size = 0;
  if (!slot->size) return weft_fail(WEFT_BAD_INPUT, "this runtime holds no network; `weft build` puts one in");
  if (path && stat(path, &file) == 0 && (uint64_t)file.st_size < slot->file_bytes)
    return weft_fail(WEFT_BAD_INPUT, "%s: %lld bytes, it was written with %llu: cut short", path, (long long)file.st_size, (unsigned long long)slot->file_bytes);
  *out = (const char *)&__ehdr_start + slot->address;
  *out_size = (size_t)slot->size;
  return NULL;
}
