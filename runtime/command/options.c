#include "runtime/command/options.h"
#include <stdio.h>
#include <stdlib.h>
#include "ir/did_you_mean.h"

static bool takes(const weft_option_row *row, const char *verb) {
  if (!strcmp(row->verbs, "all")) return true;
  size_t length = strlen(verb);
  for (const char *at = row->verbs; (at = strstr(at, verb)); at += length)
    if ((at == row->verbs || at[-1] == ' ') && (at[length] == 0 || at[length] == ' ')) return true;
  return false;
}

void weft_options_print(const weft_option_table *table, const char *verb) {
  for (int i = 0; i < table->count; i++) {
    const weft_option_row *row = &table->rows[i];
    if (!takes(row, verb)) continue;
    char left[64];
    snprintf(left, sizeof left, "%s%s%s", row->name, row->argument ? " " : "", row->argument ? row->argument : "");
    printf("  %-22s %s\n", left, row->help);
  }
}

static int usage(const char *title, const char *format, const char *word, const char *hint) {
  fprintf(stderr, "%s: ", title);
  fprintf(stderr, format, word);
  if (hint) fprintf(stderr, "; did you mean `%s`?", hint);
  fprintf(stderr, "\ntry: %s --help\n", title);
  return EXIT_USAGE;
}

static const weft_option_row *find_row(const weft_option_table *table, wf_arena *arena, const char *verb, const char *word, const char **out_hint) {
  const char **names = WF_NEW_ARRAY(arena, const char *, table->count);
  int count = 0;
  for (int i = 0; i < table->count; i++) {
    if (!takes(&table->rows[i], verb)) continue;
    if (!strcmp(table->rows[i].name, word)) return &table->rows[i];
    names[count++] = table->rows[i].name;
  }
  *out_hint = wf_did_you_mean(word, names, count);
  return NULL;
}

static bool store(wf_arena *arena, const weft_option_row *row, const char *value, void *options) {
  char *field = (char *)options + row->offset;
  switch (row->kind) {
  case WEFT_OPTION_FLAG: *(bool *)field = true; return true;
  case WEFT_OPTION_TEXT: *(const char **)field = value; return true;
  case WEFT_OPTION_LIST: wf_vec_push(arena, (weft_word_list *)field, value); return true;
  case WEFT_OPTION_NUMBER: {
    char *end;
    long number = strtol(value, &end, 10);
    if (*end || end == value || number < 1 || number > 1 << 20) return false;
    *(int *)field = (int)number;
    return true;
  }
  }
  return false;
}

int weft_options_parse(const weft_option_table *table, wf_arena *arena, const char *title, const char *verb, int argc, char **argv, void *options,
                       weft_word_list *files) {
  for (int i = 0; i < argc; i++) {
    const char *word = argv[i];
    if (word[0] != '-' || !word[1]) {
      wf_vec_push(arena, files, word);
      continue;
    }
    const char *equals = word[1] == '-' ? strchr(word, '=') : NULL, *value = equals ? equals + 1 : NULL;
    const char *name = equals ? wf_arena_strndup(arena, word, (size_t)(equals - word)) : word, *hint = NULL;
    const weft_option_row *row = find_row(table, arena, verb, name, &hint);
    bool flag = row && row->kind == WEFT_OPTION_FLAG;
    if (!row) return usage(title, "unknown option `%s`", name, hint);
    if (flag && value) return usage(title, "`%s` takes no value", name, NULL);
    if (!flag && !value) {
      if (i + 1 == argc) return usage(title, "`%s` needs a value", name, NULL);
      value = argv[++i];
    }
    if (!store(arena, row, value, options)) return usage(title, "`%s` is not a positive whole number", value, NULL);
  }
  return EXIT_DONE;
}
