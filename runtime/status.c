#include "runtime/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct weft_status {
  int code;
  char *message;   // heap; NULL in the constant below
};

// Handed out where there is no memory for a status; freeing it does nothing.
static const weft_status out_of_memory = {WEFT_ENVIRONMENT, NULL};

static weft_status *make(int code, char *message) {
  weft_status *status = message ? malloc(sizeof *status) : NULL;
  if (!status) {
    free(message);
    return (weft_status *)&out_of_memory;
  }
  *status = (weft_status){code, message};
  return status;
}

static char *format_message(const char *format, va_list arguments) {
  char *message = NULL;
  return vasprintf(&message, format, arguments) < 0 ? NULL : message;
}

weft_status *weft_fail(int code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *message = format_message(format, arguments);
  va_end(arguments);
  return make(code, message);
}

weft_status *weft_fail_errno(int error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *head = format_message(format, arguments);
  va_end(arguments);
  char reason[128], *message = NULL;
  const char *text = strerror_r(error, reason, sizeof reason);
  if (head && asprintf(&message, "%s: %s", head, text) < 0) message = NULL;
  free(head);
  return make(WEFT_ENVIRONMENT, message);
}

weft_status *weft_context(weft_status *status, const char *format, ...) {
  if (!status || status == &out_of_memory) return status;
  va_list arguments;
  va_start(arguments, format);
  char *head = format_message(format, arguments), *message = NULL;
  va_end(arguments);
  if (head && asprintf(&message, "%s: %s", head, status->message) >= 0) {
    free(status->message);
    status->message = message;
  }
  free(head);
  return status;
}

int weft_status_code(const weft_status *status) { return status ? status->code : WEFT_OK; }

const char *weft_status_message(const weft_status *status) {
  if (!status) return "ok";
  return status->message ? status->message : "out of memory";
}

void weft_status_free(weft_status *status) {
  if (!status || status == &out_of_memory) return;
  free(status->message);
  free(status);
}
