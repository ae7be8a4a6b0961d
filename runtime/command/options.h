// Options from tables: name, kind, where the value goes, which verbs take it.
#ifndef WEFT_COMMAND_OPTIONS_H
#define WEFT_COMMAND_OPTIONS_H
#include "runtime/command/command.h"

typedef enum weft_option_kind { WEFT_OPTION_FLAG, WEFT_OPTION_TEXT, WEFT_OPTION_NUMBER, WEFT_OPTION_LIST } weft_option_kind;

typedef struct weft_option_row {
  const char *name;
  const char *verbs;            // separated by spaces, "all"
  const char *argument, *help;
  weft_option_kind kind;
  size_t offset;                // in the struct that is filled: bool, const char *, int, weft_word_list
} weft_option_row;

typedef struct weft_option_table { const weft_option_row *rows; int count; } weft_option_table;

// Fills `options` from the words behind the verb; files: those that are no options. title starts the messages. EXIT_DONE, or
// EXIT_USAGE with a message.
int weft_options_parse(const weft_option_table *table, wf_arena *arena, const char *title, const char *verb, int argc, char **argv, void *options,
                       weft_word_list *files);
// The rows that the verb takes, for --help.
void weft_options_print(const weft_option_table *table, const char *verb);
#endif
