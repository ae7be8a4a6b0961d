// Parsing of JSON with jansson, with statuses.
#ifndef WEFT_RUNTIME_JSON_H
#define WEFT_RUNTIME_JSON_H
#include <jansson.h>
#include "runtime/status.h"

// Duplicate keys are errors. what: for the message; base: the offset of the text in that file, added to jansson's.
weft_status *weft_json_parse(const char *text, size_t length, const char *what, long long base, json_t **out);

#endif
