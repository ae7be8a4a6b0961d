#include "runtime/json.h"

weft_status *weft_json_parse(const char *text, size_t length, const char *what, long long base, json_t **out) {
  json_error_t error;
  *out = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
  if (*out) return NULL;
  // Where memory runs out early, jansson says nothing at all.
  if (!error.text[0] || json_error_code(&error) == json_error_out_of_memory) return weft_fail(WEFT_ENVIRONMENT, "%s: out of memory", what);
  return weft_fail(WEFT_BAD_INPUT, "%s: byte %lld: %s", what, base + error.position, error.text);
}
