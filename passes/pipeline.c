// The pass table, the reader of pass lists with their typed options, and the loop that runs them.
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include "passes/passes.h"

const wf_pass wf_pass_table[] = {
#define WF_PASS(name, function, help) {name, help, function},
#include "passes/passes.def"
    {NULL, NULL, NULL},
};

const wf_pass_option_info wf_pass_option_table[] = {
#define WF_PASS_OPTION(pass, key, type, otherwise, help) {pass, key, type, otherwise, help},
#include "passes/passes.def"
    {NULL, NULL, NULL, NULL, NULL},
};

const char *const wf_default_passes =
#define WF_PASS(name, function, help) name ","
#define WF_AGAIN(name) name ","
#include "passes/passes.def"
    "";

const wf_pass *wf_pass_find(const char *name) {
  for (const wf_pass *pass = wf_pass_table; pass->name; pass++)
    if (!strcmp(pass->name, name)) return pass;
  return NULL;
}

const char *wf_pass_option_get(const wf_pass_options *options, const char *key, const char *otherwise) {
  for (int i = 0; options && i < options->list.count; i++)
    if (!strcmp(options->list.items[i].key, key)) return options->list.items[i].value;
  return otherwise;
}

int64_t wf_pass_option_int(const wf_pass_options *options, const char *key, int64_t otherwise) {
  const char *value = wf_pass_option_get(options, key, NULL);
  if (!value) return otherwise;
  return !strcmp(value, "true") ? 1 : strtoll(value, NULL, 10);
}

// ---- reading "name{key=value,...},name" -----------------------------------------------------------------------------------

typedef struct stage { const wf_pass *pass; wf_pass_options options; } stage;
typedef struct reader {
  wf_arena *arena;
  wf_diag *diag;
  const char *text;    // the whole list, for messages
  const char *at;
  WF_VEC(stage) stages;
} reader;

static void skip_space(reader *r) {
  while (isspace((unsigned char)*r->at)) r->at++;
}

static bool accept(reader *r, char c) {
  skip_space(r);
  return *r->at == c ? (r->at++, true) : false;
}

// A word of letters, digits and - _ . | / : +
static const char *word(reader *r) {
  skip_space(r);
  const char *start = r->at;
  while (isalnum((unsigned char)*r->at) || (*r->at && strchr("-_.|/:+", *r->at))) r->at++;
  return wf_arena_strndup(r->arena, start, (size_t)(r->at - start));
}

static bool unknown_pass(reader *r, const char *name) {
  const char *names[256];
  int count = 0;
  for (const wf_pass *pass = wf_pass_table; pass->name && count < 256; pass++) names[count++] = pass->name;
  wf_diagnostic *error = wf_error(r->diag, WF_NOWHERE, "no pass is named '%s'", name);
  const char *near = wf_did_you_mean(name, names, count);
  if (near) wf_help(r->diag, error, "did you mean '%s'?", near);
  else wf_help(r->diag, error, "weft opt --list-passes shows them");
  return false;
}

static const wf_pass_option_info *find_option(reader *r, const char *pass, const char *key) {
  const char *keys[64];
  int count = 0;
  for (const wf_pass_option_info *info = wf_pass_option_table; info->pass; info++) {
    if (strcmp(info->pass, pass)) continue;
    if (!strcmp(info->key, key)) return info;
    if (count < 64) keys[count++] = info->key;
  }
  wf_diagnostic *error = wf_error(r->diag, WF_NOWHERE, "the pass '%s' has no option '%s'", pass, key);
  const char *near = wf_did_you_mean(key, keys, count);
  if (near) wf_help(r->diag, error, "did you mean '%s'?", near);
  return NULL;
}

static bool is_choice(const char *choices, const char *value) {
  size_t length = strlen(value);
  for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
    if (!strncmp(at, value, length) && (at[length] == '|' || !at[length])) return true;
  return false;
}

static bool value_fits(reader *r, const wf_pass_option_info *info, const char *value) {
  char *end;
  errno = 0;
  bool good = true;
  if (!strcmp(info->type, "int")) good = *value && (strtoll(value, &end, 10), !*end) && !errno;
  else if (!strcmp(info->type, "bool")) good = is_choice("true|false|1|0", value);
  else if (strcmp(info->type, "text")) good = is_choice(info->type, value);
  if (!good) wf_error(r->diag, WF_NOWHERE, "the option '%s' of pass '%s' is of type %s, which '%s' is not", info->key, info->pass, info->type, value);
  return good;
}

static bool read_option(reader *r, stage *s) {
  const char *key = word(r);
  const wf_pass_option_info *info = find_option(r, s->pass->name, key);
  if (!info) return false;
  if (!accept(r, '=')) {
    wf_error(r->diag, WF_NOWHERE, "the option '%s' of pass '%s' wants a value: %s=...", key, s->pass->name, key);
    return false;
  }
  wf_pass_option option = {info->key, word(r)};
  if (!value_fits(r, info, option.value)) return false;
  wf_vec_push(r->arena, &s->options.list, option);
  return true;
}

static bool read_stage(reader *r) {
  const char *name = word(r);
  stage s = {.pass = wf_pass_find(name)};
  if (!s.pass) return unknown_pass(r, name);
  if (accept(r, '{') && !accept(r, '}')) {
    do if (!read_option(r, &s)) return false;
    while (accept(r, ','));
    if (!accept(r, '}')) {
      wf_error(r->diag, WF_NOWHERE, "the options of pass '%s' lack their '}'", name);
      return false;
    }
  }
  wf_vec_push(r->arena, &r->stages, s);
  return true;
}

static bool read_list(reader *r) {
  for (skip_space(r); *r->at; skip_space(r)) {
    if (!read_stage(r)) return false;
    skip_space(r);
    if (*r->at && !accept(r, ',')) {
      wf_error(r->diag, WF_NOWHERE, "the list of passes '%s' is wrong at '%s'", r->text, r->at);
      return false;
    }
  }
  return true;
}

// ---- running ------------------------------------------------------------------------------------------------------------------

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static bool run_stage(wf_module *module, const stage *s, bool last, const wf_pipeline_hooks *hooks) {
  double start = now();
  if (!s->pass->run(module, &s->options)) return false;
  double seconds = now() - start;
  bool wanted = hooks && (hooks->verify || (last && hooks->verify_end)), verified = !wanted || wf_verify(module, module->diag);
  if (hooks && hooks->verify_seconds) *hooks->verify_seconds += now() - start - seconds;
  if (!verified) {
    wf_error(module->diag, WF_NOWHERE, "the pass '%s' left a module that does not verify: this is a bug of weft", s->pass->name);
    return false;
  }
  if (hooks && hooks->after) hooks->after(hooks->context, s->pass->name, module, seconds);
  return true;
}

bool wf_pipeline_run(wf_module *module, const char *passes, const wf_pipeline_hooks *hooks) {
  reader r = {.arena = module->arena, .diag = module->diag, .text = passes, .at = passes};
  if (!read_list(&r)) return false;
  for (int i = 0; i < r.stages.count; i++)
    if (!run_stage(module, &r.stages.items[i], i == r.stages.count - 1, hooks)) return false;
  return true;
}
