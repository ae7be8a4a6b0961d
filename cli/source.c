#include "cli/source.h"

static wf_limits default_limits(void) { return (wf_limits){.file = 4 << 20}; }

static const char *set_value(cli *c, const char *setting, const char *option, const char **out_key) {
  const char *equals = strchr(setting, '=');
  if (!equals || equals == setting) {
    wf_diagnostic *error = wf_error(c->diag, WF_NOWHERE, "%s %s: expected KEY=VALUE", option, setting);
    wf_help(c->diag, error, "for example `%s`", option[2] == 's' ? "--set batch=8" : "--limit statements=200000");
    return NULL;
  }
  *out_key = wf_arena_strndup(c->arena, setting, (size_t)(equals - setting));
  return equals + 1;
}

bool cli_frontend_options(cli *c, wf_frontend_options *out_options) {
  *out_options = (wf_frontend_options){.limits = default_limits()};
  for (int i = 0; i < c->options.sets.count; i++) {
    const char *key = NULL, *value = set_value(c, c->options.sets.items[i], "--set", &key);
    if (value) wf_vec_push(c->arena, &out_options->sets, ((wf_setting){key, value}));
  }
  for (int i = 0; i < c->options.limits.count; i++) {
    const char *key = NULL, *value = set_value(c, c->options.limits.items[i], "--limit", &key);
    if (value) wf_limits_set(&out_options->limits, c->diag, key, value);
  }
  return c->diag->errors == 0;
}

wf_source *cli_read_source(cli *c) {
  wf_frontend_options options;
  if (!cli_frontend_options(c, &options)) return NULL;
  const char *path = strcmp(c->options.file, "-") ? c->options.file : "/dev/stdin";
  return wf_source_read(c->arena, c->diag, path, (size_t)options.limits.file);
}
