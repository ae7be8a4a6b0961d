// The JSON form of what a train block says (docs/metadata.md).
#include <math.h>
#include <stdlib.h>
#include "frontend/frontend.h"

static void add_string(wf_text *out, const char *text) {
  if (!text) {
    wf_text_add(out, "null");
    return;
  }
  wf_text_add(out, "\"");
  for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
    if (*c == '"' || *c == '\\') wf_text_printf(out, "\\%c", *c);
    else if (*c < 0x20) wf_text_printf(out, "\\u%04x", *c);
    else wf_text_add_n(out, (const char *)c, 1);
  }
  wf_text_add(out, "\"");
}

// The shortest digits that read back as the same number.
static void add_number(wf_text *out, double number) {
  char digits[32];
  for (int precision = 15; precision <= 17; precision++) {
    snprintf(digits, sizeof digits, "%.*g", precision, number);
    if (strtod(digits, NULL) == number) break;
  }
  wf_text_printf(out, "\"%s\"", digits);
}

static void add_argument(wf_text *out, const wf_source_argument *argument) {
  if (argument->is_text) add_string(out, argument->text);
  else if (argument->number == floor(argument->number)) wf_text_printf(out, "\"%.0f\"", argument->number);
  else add_number(out, argument->number);
}

static void add_source(wf_text *out, const wf_data_source *source) {
  if (!source) {
    wf_text_add(out, "null");
    return;
  }
  wf_text_add(out, "{\"kind\": ");
  add_string(out, source->kind);
  const char *between = "";
  wf_text_add(out, ", \"args\": [");
  for (int i = 0; i < source->arguments.count; i++) {
    const wf_source_argument *argument = &source->arguments.items[i];
    if (argument->name) continue;
    wf_text_add(out, between), between = ", ";
    add_argument(out, argument);
  }
  wf_text_add(out, "], \"options\": {");
  between = "";
  for (int i = 0; i < source->arguments.count; i++) {
    const wf_source_argument *argument = &source->arguments.items[i];
    if (!argument->name) continue;
    wf_text_add(out, between), between = ", ";
    add_string(out, argument->name);
    wf_text_add(out, ": ");
    add_argument(out, argument);
  }
  wf_text_add(out, "}}");
}

static void add_strings(wf_text *out, const char *key, const char *const *items, int count) {
  wf_text_printf(out, ", \"%s\": [", key);
  for (int i = 0; i < count; i++) {
    if (i) wf_text_add(out, ", ");
    add_string(out, items[i]);
  }
  wf_text_add(out, "]");
}

static void add_fields(wf_text *out, const wf_train_spec *spec) {
  wf_text_add(out, ", \"fields\": [");
  for (int i = 0; i < spec->fields.count; i++) {
    const wf_train_field *field = &spec->fields.items[i];
    wf_text_add(out, i ? ", {\"name\": " : "{\"name\": ");
    add_string(out, field->name);
    wf_text_printf(out, ", \"dtype\": \"%s\", \"target\": %s, \"picture\": %s", wf_dtype_name(field->dtype),
                   field->target ? "true" : "false", field->picture ? "true" : "false");
    if (field->range) wf_text_printf(out, ", \"range\": %lld", (long long)field->range);
    wf_text_add(out, "}");
  }
  wf_text_add(out, "]");
}

char *wf_train_spec_json(wf_arena *arena, const wf_train_spec *spec) {
  wf_text out;
  wf_text_init(&out);
  wf_text_add(&out, "{\"net\": ");
  add_string(&out, spec->net);
  add_fields(&out, spec);
  wf_text_add(&out, ", \"data\": ");
  add_source(&out, spec->data);
  wf_text_add(&out, ", \"test\": ");
  add_source(&out, spec->test);
  wf_text_printf(&out, ", \"batch\": %lld, \"microbatch\": %lld, \"epochs\": %lld, \"steps\": %lld, \"seed\": %lld",
                 (long long)spec->batch, (long long)spec->microbatch, (long long)spec->epochs, (long long)spec->steps, (long long)spec->seed);
  wf_text_add(&out, ", \"precision\": ");
  add_string(&out, spec->precision);
  wf_text_add(&out, ", \"optimizer\": ");
  add_string(&out, spec->optimizer);
  add_strings(&out, "metrics", spec->metrics.items, spec->metrics.count);
  add_strings(&out, "labels", spec->labels.items, spec->labels.count);
  wf_text_printf(&out, ", \"classes\": %lld, \"top\": %d}", (long long)spec->classes, spec->top);
  char *json = wf_arena_strndup(arena, out.data, out.length);
  wf_text_deinit(&out);
  return json;
}
