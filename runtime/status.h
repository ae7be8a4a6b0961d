// Status values of the runtime: NULL is success, else a code (the exit codes of the weft command), a message, and the
// context that callers put before it on the way up: "train: data/a.gz: byte 120: not in gzip format".
#ifndef WEFT_RUNTIME_STATUS_H
#define WEFT_RUNTIME_STATUS_H
#include <stdarg.h>
#include "runtime/include/weft.h"

// Never NULL. Out of memory while making one: a constant status with code WEFT_ENVIRONMENT.
weft_status *weft_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The same for a failed system call: appends ": " and the text of `error` (an errno value); code WEFT_ENVIRONMENT.
weft_status *weft_fail_errno(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Puts "context: " before the message. Takes and returns ownership; NULL stays NULL.
weft_status *weft_context(weft_status *status, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The one macro that returns.
#define TRY(expression)                                 \
  do {                                                  \
    weft_status *try_status = (expression);             \
    if (try_status) return try_status;                  \
  } while (0)

#endif
