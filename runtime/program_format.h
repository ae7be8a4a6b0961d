// The numbers of the bundle format (program_io.h), for its writer and its reader.
#ifndef WEFT_RUNTIME_PROGRAM_FORMAT_H
#define WEFT_RUNTIME_PROGRAM_FORMAT_H
#include "runtime/program_io.h"

#define WEFT_BUNDLE_MAGIC "weft\r\n\x1a\n"   // damaged by any transfer that touches line ends
enum { WEFT_BUNDLE_VERSION = 1, WEFT_HEADER_BYTES = 32, WEFT_TARGET_BYTES = 32, WEFT_ENTRY_BYTES = 8 + WEFT_TARGET_BYTES + 16 };

#endif
