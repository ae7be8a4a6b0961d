// The assembler takes the files in, where the build system says they lie.
#include "cli/embedded_files.h"

#define EMBED(name, file)                                                                                               \
  __asm__(".pushsection .rodata\n.balign 64\n" #name "_start:\n.incbin \"" file "\"\n" #name "_end:\n.byte 0\n.popsection\n"); \
  extern const uint8_t name##_start[] __attribute__((visibility("hidden"))), name##_end[] __attribute__((visibility("hidden")))

EMBED(weft_stub_program, WEFT_STUB_PROGRAM);
EMBED(weft_stub_library, WEFT_STUB_LIBRARY);
EMBED(weft_public_header, WEFT_PUBLIC_HEADER);

cli_embedded cli_stub_program(void) { return (cli_embedded){weft_stub_program_start, (size_t)(weft_stub_program_end - weft_stub_program_start)}; }
cli_embedded cli_stub_library(void) { return (cli_embedded){weft_stub_library_start, (size_t)(weft_stub_library_end - weft_stub_library_start)}; }
cli_embedded cli_public_header(void) { return (cli_embedded){weft_public_header_start, (size_t)(weft_public_header_end - weft_public_header_start)}; }
