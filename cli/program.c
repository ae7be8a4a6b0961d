#include "cli/program.h"
#include <stdio.h>
#include "cli/module.h"

int cli_status(cli *c, weft_status *status) {
  if (!status) return EXIT_DONE;
  fflush(stdout);
  fprintf(stderr, "%s%s%s\n", c->colour_err ? "\033[1;31merror:\033[0m " : "error: ", weft_status_message(status), "");
  int code = weft_status_code(status);
  weft_status_free(status);
  return code;
}

const char *cli_net_folder(cli *c) {
  const char *slash = strrchr(c->options.file, '/');
  return slash ? wf_arena_strndup(c->arena, c->options.file, (size_t)(slash - c->options.file + 1)) : ".";
}

const char *cli_host_level(cli *c) {
  const char *target = c->options.target;
  if (!target || !strcmp(target, "cpu")) return "native";
  return strncmp(target, "cpu:", 4) ? target : target + 4;
}

// fuse,tile -> fuse{target=x86-64-v3},tile{target=x86-64-v3}
static const char *with_target(cli *c, const char *passes, const char *level) {
  static const char *const aware[] = {"fuse", "layout", "tile"};
  wf_text out;
  wf_text_init(&out);
  for (const char *at = passes; *at;) {
    size_t length = strcspn(at, ",");
    wf_text_add_n(&out, at, length);
    for (int i = 0; i < 3; i++)
      if (strlen(aware[i]) == length && !strncmp(at, aware[i], length)) wf_text_printf(&out, "{target=%s}", level);
    at += length;
    if (*at == ',') wf_text_add_n(&out, at++, 1);
  }
  const char *text = wf_arena_strndup(c->arena, out.data, out.length);
  wf_text_deinit(&out);
  return text;
}

const char *cli_passes(cli *c, const char *precision) {
  if (c->options.passes) return c->options.passes;
  const char *passes = wf_default_passes, *level = cli_host_level(c);
  if (strcmp(level, "native")) passes = with_target(c, passes, level);
  if (!precision || !strcmp(precision, "f32")) return passes;
  const char *option = !strcmp(precision, "f64") ? "to" : "compute", *fuse = strstr(passes, "fuse");
  return wf_arena_printf(c->arena, "%.*sprecision{%s=%s},%s", (int)(fuse - passes), passes, option, precision, fuse);
}

static bool bind_entries(cli *c, cli_program *out) {
  char message[256];
  out->object = wf_object_load(out->code.bytes, out->code.size, message, sizeof message);
  if (!out->object) {
    fprintf(stderr, "weft: the code that was just compiled does not load: %s\n", message);
    return false;
  }
  for (int i = 0; i < out->program->kernel_count; i++) {
    wf_plan_kernel *kernel = &out->program->kernels[i];
    kernel->function = (wf_kernel_entry)wf_object_symbol(out->object, kernel->entry);
    if (kernel->function) continue;
    fprintf(stderr, "weft: the compiled code has no kernel %s\n", kernel->entry);
    return false;
  }
  return true;
}

static int compile(cli *c, cli_program *out) {
  wf_compiled *compiled = NULL;
  wf_module *module = cli_load_module(c, &compiled);
  if (!module) return cli_report(c);
  const char *passes = cli_passes(c, compiled && compiled->train ? compiled->train->precision : NULL);
  if (!passes || !cli_run_passes(c, module, passes, NULL)) return cli_report(c);
  wf_build_options options = {.metadata = compiled && compiled->train ? wf_train_spec_json(c->arena, compiled->train) : NULL};
  wf_target_host *target = wf_target_host_create(c->arena, c->diag, cli_host_level(c));
  if (!target) return cli_report(c);
  options.target = target;
  bool built = wf_build_program(c->arena, module, &options, &out->program, &out->code);
  wf_target_host_destroy(target);
  int code = cli_report(c);
  return built || code ? code : EXIT_OURS;
}

int cli_program_open(cli *c, bool profile, cli_program *out) {
  *out = (cli_program){0};
  int code = compile(c, out);
  if (code) return code;
  if (!bind_entries(c, out)) return EXIT_OURS;
  weft_session_options options = {.threads = c->options.threads, .profile = profile};
  return cli_status(c, weft_session_create(out->program, &options, &out->session));
}

void cli_program_close(cli_program *program) {
  weft_session_destroy(program->session);
  wf_object_unload(program->object);
}
