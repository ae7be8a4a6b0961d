// Diagnostics: collecting them, printing them with the source line and a caret, and suggestions.
#include "ir/diag.h"
#include <errno.h>
#include <stdlib.h>

wf_diag *wf_diag_create(wf_arena *arena) {
  wf_diag *diag = WF_NEW(arena, wf_diag);
  diag->arena = arena;
  diag->error_limit = 20;
  return diag;
}

static wf_diagnostic *make(wf_arena *arena, wf_severity severity, wf_loc loc, const char *format, va_list arguments) {
  wf_diagnostic *made = WF_NEW(arena, wf_diagnostic);
  wf_text text;
  wf_text_init(&text);
  wf_text_vprintf(&text, format, arguments);
  made->severity = severity;
  made->loc = loc;
  made->message = wf_arena_strndup(arena, text.data, text.length);
  wf_text_deinit(&text);
  return made;
}

wf_diagnostic *wf_error(wf_diag *diag, wf_loc loc, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  wf_diagnostic *made = make(diag->arena, WF_ERROR, loc, format, arguments);
  va_end(arguments);
  if (diag->errors++ < diag->error_limit) wf_vec_push(diag->arena, &diag->list, made);
  return made;
}

wf_diagnostic *wf_warning(wf_diag *diag, wf_loc loc, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  wf_diagnostic *made = make(diag->arena, WF_WARNING, loc, format, arguments);
  va_end(arguments);
  diag->warnings++;
  wf_vec_push(diag->arena, &diag->list, made);
  return made;
}

void wf_note(wf_diag *diag, wf_diagnostic *to, wf_loc loc, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  wf_vec_push(diag->arena, &to->notes, make(diag->arena, WF_NOTE, loc, format, arguments));
  va_end(arguments);
}

void wf_help(wf_diag *diag, wf_diagnostic *to, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  wf_vec_push(diag->arena, &to->notes, make(diag->arena, WF_HELP, WF_NOWHERE, format, arguments));
  va_end(arguments);
}

// ---- printing --------------------------------------------------------------------------------------------------------
typedef struct style { const char *severity[4], *bold, *caret, *end; } style;
static const style plain = {{"", "", "", ""}, "", "", ""};
static const style coloured = {{"\033[1;31m", "\033[1;35m", "\033[1;36m", "\033[1;32m"}, "\033[1m", "\033[1;32m", "\033[0m"};

enum { WIDEST_LINE = 160, GUTTER = 5 };   // a longer source line is shown as a window around the caret

static const char *find_line(const wf_source *source, int line, size_t *out_length) {
  const char *at = source->text, *end = source->text + source->size;
  for (; line > 1; line--) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    if (!newline) return NULL;
    at = newline + 1;
  }
  const char *newline = memchr(at, '\n', (size_t)(end - at));
  *out_length = (size_t)((newline ? newline : end) - at);
  if (*out_length && at[*out_length - 1] == '\r') --*out_length;
  return at;
}

static bool continues_character(char byte) { return ((unsigned char)byte & 0xc0) == 0x80; }

// The byte's place in the source line; control characters would move the caret or reach the terminal.
static void print_source_byte(FILE *stream, char byte) {
  fputc((unsigned char)byte < ' ' && byte != '\t' ? '?' : byte, stream);
}

static void print_excerpt(FILE *stream, const style *look, wf_loc loc) {
  size_t length;
  const char *line = loc.source->text ? find_line(loc.source, loc.line, &length) : NULL;
  if (!line) return;
  size_t from = loc.column > 0 ? (size_t)loc.column - 1 : 0, start = 0;
  if (from > length) from = length;
  if (length > WIDEST_LINE && from > WIDEST_LINE / 2) start = from - WIDEST_LINE / 2;
  while (start > 0 && continues_character(line[start])) start--;
  size_t stop = length - start > WIDEST_LINE ? start + WIDEST_LINE : length;
  size_t to = loc.end_line > loc.line ? stop : loc.end_column > loc.column ? (size_t)loc.end_column - 1 : from + 1;
  fprintf(stream, "%*d | ", GUTTER, loc.line);
  for (size_t i = start; i < stop; i++) print_source_byte(stream, line[i]);
  fprintf(stream, "\n%*s | ", GUTTER, "");
  for (size_t i = start; i < from; i++)
    if (!continues_character(line[i])) fputc(line[i] == '\t' ? '\t' : ' ', stream);
  fprintf(stream, "%s^", look->caret);
  for (size_t i = from + 1; i < to && i < stop; i++)
    if (!continues_character(line[i])) fputc('~', stream);
  fprintf(stream, "%s\n", look->end);
}

static void print_one(FILE *stream, const style *look, const wf_diagnostic *d) {
  static const char *const words[] = {"error", "warning", "note", "help"};
  if (d->loc.source && d->loc.line > 0)
    fprintf(stream, "%s%s:%d:%d:%s ", look->bold, d->loc.source->path, d->loc.line, d->loc.column, look->end);
  else if (d->loc.source)
    fprintf(stream, "%s%s:%s ", look->bold, d->loc.source->path, look->end);
  fprintf(stream, "%s%s:%s %s\n", look->severity[d->severity], words[d->severity], look->end, d->message);
  if (d->loc.source && d->loc.line > 0) print_excerpt(stream, look, d->loc);
}

typedef struct ordered { const wf_diagnostic *diagnostic; int source, place; } ordered;

static int by_place(const void *left, const void *right) {
  const ordered *a = left, *b = right;
  const wf_loc *x = &a->diagnostic->loc, *y = &b->diagnostic->loc;
  if (a->source != b->source) return a->source - b->source;
  if (x->line != y->line) return x->line < y->line ? -1 : 1;
  if (x->column != y->column) return x->column < y->column ? -1 : 1;
  return a->place - b->place;
}

// Sources rank by the first diagnostic that names them.
static int rank_source(const wf_diag *diag, const wf_source *source) {
  for (int i = 0; i < diag->list.count; i++)
    if (diag->list.items[i]->loc.source == source) return i;
  return diag->list.count;
}

void wf_diag_print(const wf_diag *diag, FILE *stream, bool colour) {
  const style *look = colour ? &coloured : &plain;
  int count = diag->list.count;
  ordered *order = WF_NEW_ARRAY(diag->arena, ordered, count);
  for (int i = 0; i < count; i++)
    order[i] = (ordered){diag->list.items[i], rank_source(diag, diag->list.items[i]->loc.source), i};
  qsort(order, (size_t)count, sizeof *order, by_place);
  for (int i = 0; i < count; i++) {
    const wf_diagnostic *d = order[i].diagnostic;
    print_one(stream, look, d);
    for (int n = 0; n < d->notes.count; n++) print_one(stream, look, d->notes.items[n]);
  }
  if (diag->errors > diag->error_limit)
    fprintf(stream, "%d more errors are not shown\n", diag->errors - diag->error_limit);
}

// ---- sources ---------------------------------------------------------------------------------------------------------
static wf_source *make_source(wf_arena *arena, const char *path, const char *text, size_t size) {
  wf_source *source = WF_NEW(arena, wf_source);
  source->path = wf_arena_strdup(arena, path);
  source->text = wf_arena_strndup(arena, text, size);
  source->size = size;
  return source;
}

wf_source *wf_source_from_text(wf_arena *arena, const char *path, const char *text) {
  return make_source(arena, path, text, strlen(text));
}

static bool read_at_most(FILE *file, wf_text *text, size_t limit) {
  char buffer[1 << 14];
  size_t got;
  while (text->length <= limit && (got = fread(buffer, 1, sizeof buffer, file)) > 0) wf_text_add_n(text, buffer, got);
  return !ferror(file);
}

wf_source *wf_source_read(wf_arena *arena, wf_diag *diag, const char *path, size_t limit) {
  FILE *file = fopen(path, "rb");
  if (!file) return wf_error(diag, WF_NOWHERE, "cannot open `%s`: %s", path, strerror(errno)), NULL;
  wf_text text;
  wf_text_init(&text);
  wf_source *source = NULL;
  if (!read_at_most(file, &text, limit)) wf_error(diag, WF_NOWHERE, "cannot read `%s`: %s", path, strerror(errno));
  else if (text.length > limit) wf_error(diag, WF_NOWHERE, "`%s` is larger than the limit of %zu bytes", path, limit);
  else source = make_source(arena, path, text.data, text.length);
  fclose(file);
  wf_text_deinit(&text);
  return source;
}
