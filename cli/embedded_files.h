// Files that the weft command carries: the runtime stubs, and the public header.
#ifndef WEFT_CLI_EMBEDDED_FILES_H
#define WEFT_CLI_EMBEDDED_FILES_H
#include <stddef.h>
#include <stdint.h>

typedef struct cli_embedded { const uint8_t *data; size_t size; } cli_embedded;
cli_embedded cli_stub_program(void);
cli_embedded cli_stub_library(void);
cli_embedded cli_public_header(void);
#endif
