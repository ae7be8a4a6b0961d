// Help for the runtime's tests: statuses, a scratch folder, damaged copies of files.
#ifndef WEFT_TESTS_RT_SUPPORT_H
#define WEFT_TESTS_RT_SUPPORT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "runtime/file.h"
#include "runtime/status.h"

#define assert_ok(expression)                                                          \
  do {                                                                                 \
    weft_status *ok_status = (expression);                                             \
    if (ok_status) fail_msg("%s: %s", #expression, weft_status_message(ok_status));   \
  } while (0)

// The message holds each of the texts that `parts` lists, separated by '|'.
static inline void check_failure(weft_status *status, int code, const char *parts, const char *expression) {
  if (!status) fail_msg("%s succeeded; expected: %s", expression, parts);
  char copy[512];
  snprintf(copy, sizeof copy, "%s", parts);
  for (char *rest = copy, *part; (part = strsep(&rest, "|"));)
    if (!strstr(weft_status_message(status), part)) fail_msg("'%s' is not in: %s", part, weft_status_message(status));
  if (weft_status_code(status) != code)
    fail_msg("code %d, expected %d: %s", weft_status_code(status), code, weft_status_message(status));
  weft_status_free(status);
}
#define assert_fails(expression, code, parts) check_failure((expression), (code), (parts), #expression)

// A scratch folder, removed by scratch_end. Paths from scratch_path live until the 16th later call.
typedef struct scratch { char folder[64]; char paths[16][256]; int next; } scratch;

static inline void scratch_begin(scratch *s) {
  const char *root = getenv("TMPDIR");
  snprintf(s->folder, sizeof s->folder, "%s/weft-test-XXXXXX", root && strlen(root) < 40 ? root : "/tmp");
  s->next = 0;
  assert_non_null(mkdtemp(s->folder));
}
static inline const char *scratch_path(scratch *s, const char *name) {
  char *path = s->paths[s->next++ % 16];
  char folder[64];   // gcc 12 takes folder and paths of one struct for overlapping
  memcpy(folder, s->folder, sizeof folder);
  snprintf(path, 256, "%s/%s", folder, name);
  return path;
}
static inline void scratch_end(scratch *s) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", s->folder);
  assert_int_equal(system(command), 0);
}
static inline const char *scratch_write(scratch *s, const char *name, const void *data, size_t size) {
  const char *path = scratch_path(s, name);
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(data, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
  return path;
}
static inline int scratch_files(scratch *s) {
  char command[128];
  snprintf(command, sizeof command, "ls -A '%s' | wc -l", s->folder);
  FILE *pipe = popen(command, "r");
  int count = -1;
  assert_int_equal(fscanf(pipe, "%d", &count), 1);
  pclose(pipe);
  return count;
}
#endif
