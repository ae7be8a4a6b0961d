// From a runtime stub and a bundle to a program: ELF64 editing that needs no linker.
#ifndef WEFT_CLI_PLACE_PAYLOAD_H
#define WEFT_CLI_PLACE_PAYLOAD_H
#include "cli/embedded_files.h"
#include "runtime/file.h"

// Appends the payload as a segment that the loader maps read-only, and fills the stub's slot (runtime/standalone/slot.h). The
// segment's header takes the place of a note's. out->data is heap memory.
weft_status *cli_place_payload(cli_embedded stub, const void *payload, size_t size, weft_bytes *out);
// Gives the placeholders of the library's stub, in a program that was made from it, their names: the function that loads the
// network, and the name by which the library asks to be found. Both shorter than 64 bytes.
weft_status *cli_name_library(weft_bytes *program, const char *function, const char *library);
#endif
