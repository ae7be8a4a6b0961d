// The bundle that a standalone program or library carries.
#ifndef WEFT_STANDALONE_PAYLOAD_H
#define WEFT_STANDALONE_PAYLOAD_H
#include <stddef.h>
#include "runtime/status.h"

// path: the file of the program, NULL where it is not known. Its size is looked at where the file can be found, because memory
// behind the end of a file that was cut cannot be read. The bytes live as long as the program.
weft_status *weft_payload(const char *path, const void **out, size_t *out_size);
#endif
