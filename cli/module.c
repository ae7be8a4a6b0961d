#include "cli/module.h"
#include <stdio.h>
#include <time.h>

double cli_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

void cli_print_seconds(const cli *c, const char *name, double seconds) {
  if (c->options.time) fprintf(stderr, "%-14s %9.3f ms\n", name, seconds * 1e3);
}

static bool is_ir_text(const char *path) {
  size_t length = strlen(path);
  return length > 4 && !strcmp(path + length - 4, ".wir");
}

wf_module *cli_load_module(cli *c, wf_compiled **out_compiled) {
  if (out_compiled) *out_compiled = NULL;
  wf_frontend_options options;
  wf_source *source = cli_read_source(c);
  if (!source || !cli_frontend_options(c, &options)) return NULL;
  if (is_ir_text(c->options.file)) {
    wf_module *module = wf_parse_module(c->arena, c->diag, source);
    return module && wf_verify(module, c->diag) ? module : NULL;
  }
  wf_compiled *compiled = wf_frontend_compile(c->arena, c->diag, source, &options);
  if (compiled) {
    cli_print_seconds(c, "parse", compiled->parse_seconds);
    cli_print_seconds(c, "lower", compiled->lower_seconds);
  }
  if (!compiled || c->diag->errors) return NULL;
  if (out_compiled) *out_compiled = compiled;
  return compiled->module;
}

// ---- what is printed after each pass ------------------------------------------------------------------------------

typedef struct watch { cli *c; const char *print_after; bool stats; } watch;

static int64_t symbol_as_one(void *context, const wf_atom *atom) {
  (void)context;
  return atom->low;
}

static void print_stats(const char *pass, wf_module *module) {
  int operations = 0;
  double flops = 0, bytes = 0;
  for (int f = 0; f < module->functions.count; f++) {
    const wf_function *function = module->functions.items[f];
    operations += function->ops.count;
    for (int i = 0; i < function->ops.count; i++) {
      const wf_dim *work = wf_op_flops(module, function->ops.items[i]), *traffic = wf_op_bytes(module, function->ops.items[i]);
      if (work) flops += (double)wf_dim_eval(work, symbol_as_one, NULL);
      if (traffic) bytes += (double)wf_dim_eval(traffic, symbol_as_one, NULL);
    }
  }
  fprintf(stderr, "%-14s %5d operations  %4d kernels  %12.4g FLOPs  %12.4g bytes\n", pass, operations, module->kernels.count, flops, bytes);
}

static void after_pass(void *context, const char *pass, wf_module *module, double seconds) {
  watch *w = context;
  cli_print_seconds(w->c, pass, seconds);
  if (w->stats) print_stats(pass, module);
  if (!w->print_after || (strcmp(w->print_after, "all") && strcmp(w->print_after, pass))) return;
  wf_text text;
  wf_text_init(&text);
  wf_text_printf(&text, "# after %s\n", pass);
  wf_print_module(&text, module);
  wf_text_add(&text, "\n");
  cli_write(w->c, NULL, text.data, text.length);
  wf_text_deinit(&text);
}

// The prefix of a pass list that ends with the pass `last`; NULL where it does not occur. Commas inside braces belong to options.
static const char *passes_until(wf_arena *arena, const char *passes, const char *last) {
  size_t length = strlen(last);
  int depth = 0;
  const char *start = passes;
  for (const char *at = passes;; at++) {
    if (*at == '{') depth++;
    if (*at == '}') depth--;
    if (*at && !(*at == ',' && depth == 0)) continue;
    if (!strncmp(start, last, length) && (start[length] == '{' || start[length] == ',' || !start[length]))
      return wf_arena_strndup(arena, passes, (size_t)(at - passes));
    if (!*at) return NULL;
    start = at + 1;
  }
}

bool cli_run_passes(cli *c, wf_module *module, const char *passes, const char *stop_after, bool verify) {
  if (stop_after) {
    const char *prefix = passes_until(c->arena, passes, stop_after);
    if (!prefix) {
      wf_diagnostic *error = wf_error(c->diag, WF_NOWHERE, "no pass `%s` in this pipeline", stop_after);
      wf_help(c->diag, error, "it runs: %s", passes);
      return false;
    }
    passes = prefix;
  }
  watch w = {.c = c, .print_after = c->options.print_after, .stats = c->options.stats};
  double verify_seconds = 0;
  wf_pipeline_hooks hooks = {.context = &w, .after = after_pass, .verify = verify, .verify_end = true, .verify_seconds = &verify_seconds};
  bool good = wf_pipeline_run(module, passes, &hooks);
  cli_print_seconds(c, "verify", verify_seconds);
  return good;
}

int cli_unknown_pass(const char *verb, const char *name) {
  const char *names[64];
  int count = 0;
  for (const wf_pass *pass = wf_pass_table; pass->name && count < 64; pass++) names[count++] = pass->name;
  const char *hint = wf_did_you_mean(name, names, count);
  fprintf(stderr, "weft %s: no pass `%s`%s%s%s\ntry: weft opt --list-passes\n", verb, name, hint ? "; did you mean `" : "", hint ? hint : "", hint ? "`?" : "");
  return EXIT_USAGE;
}
