// weft compile: a bundle (-o M.weft), or one stage of the road as text or object (--emit).
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "cli/bundle.h"
#include "cli/emit_gpu.h"
#include "cli/module.h"
#include "cli/target.h"
#include "runtime/print_plan.h"

typedef struct stage { const char *name; int (*emit)(cli *c); } stage;

static int write_text(cli *c, const wf_text *text) {
  return cli_write(c, c->options.output_file, text->data ? text->data : "", text->length);
}

// ---- stages -----------------------------------------------------------------------------------------------------------

static int emit_ast(cli *c) {
  wf_source *source = cli_read_source(c);
  wf_ast_file *file = source ? wf_parse_net(c->arena, c->diag, source) : NULL;
  if (!file || c->diag->errors) return cli_report(c);
  wf_text text;
  wf_text_init(&text);
  wf_ast_dump(&text, file);
  int code = write_text(c, &text);
  wf_text_deinit(&text);
  return code;
}

// The module after the passes up to `last`: NULL runs all of them, "" none. NULL with everything told.
static wf_module *module_after(cli *c, const char *last) {
  wf_compiled *compiled = NULL;
  wf_module *module = cli_load_module(c, &compiled);
  if (!module || (last && !*last)) return module;
  const char *passes = cli_passes(c, compiled && compiled->train ? compiled->train->precision : NULL);
  return passes && cli_run_passes(c, module, passes, last, true) ? module : NULL;
}

static int emit_module(cli *c, const char *last) {
  wf_module *module = module_after(c, last);
  if (!module) return cli_report(c);
  wf_text text;
  wf_text_init(&text);
  wf_print_module(&text, module);
  int code = write_text(c, &text);
  wf_text_deinit(&text);
  int reported = cli_report(c);
  return code ? code : reported;
}

static int emit_ir(cli *c) { return emit_module(c, ""); }

static int emit_kernels(cli *c) {
  wf_module *module = module_after(c, NULL);
  if (!module) return cli_report(c);
  wf_text text;
  wf_text_init(&text);
  for (int i = 0; i < module->kernels.count; i++) {
    if (i) wf_text_add(&text, "\n");
    wf_print_kernel(&text, module->kernels.items[i]);
  }
  int code = write_text(c, &text);
  wf_text_deinit(&text);
  int reported = cli_report(c);
  return code ? code : reported;
}

static int build(cli *c, bool with_code, wf_code_form form, wf_program **out_program, wf_code *out_code) {
  wf_compiled *compiled = NULL;
  wf_module *module = cli_load_module(c, &compiled);
  if (!module) return cli_report(c);
  return cli_build_program(c, module, compiled, with_code, form, out_program, out_code);
}

static int emit_plan(cli *c) {
  wf_program *program;
  wf_code none;
  int code = build(c, false, WF_CODE_OBJECT, &program, &none);
  if (code) return code;
  wf_text text;
  wf_text_init(&text);
  if (c->options.json) {
    char *json = weft_program_json(program);
    wf_text_printf(&text, "%s\n", json ? json : "null");
    free(json);
  } else weft_print_program(&text, program);
  code = write_text(c, &text);
  wf_text_deinit(&text);
  return code;
}

static int emit_code(cli *c, wf_code_form form) {
  wf_program *program;
  wf_code bytes;
  if (form == WF_CODE_ELF && cli_is_gpu_target(c->target)) {
    fprintf(stderr, "weft compile: --emit obj is for the host; for a GPU there is ptx and cubin\n");
    return EXIT_USAGE;
  }
  if (form == WF_CODE_ELF && c->terminal && !c->options.output_file) {
    fprintf(stderr, "weft compile: an object is not for a terminal; name a file with -o\n");
    return EXIT_USAGE;
  }
  int code = build(c, true, form, &program, &bytes);
  return code ? code : cli_write(c, c->options.output_file, bytes.bytes ? bytes.bytes : "", bytes.size);
}

static int emit_llvm(cli *c) { return emit_code(c, WF_CODE_LLVM); }
static int emit_assembly(cli *c) { return emit_code(c, WF_CODE_ASSEMBLY); }
static int emit_object(cli *c) { return emit_code(c, WF_CODE_ELF); }

static const stage stages[] = {{"ast", emit_ast}, {"ir", emit_ir}, {"kernels", emit_kernels}, {"plan", emit_plan}, {"llvm", emit_llvm}, {"asm", emit_assembly},
                               {"obj", emit_object}, {"ptx", cli_emit_ptx}, {"cubin", cli_emit_cubin}};
enum { STAGE_COUNT = sizeof stages / sizeof *stages };

static int unknown_stage(const char *name) {
  const char *names[STAGE_COUNT];
  for (int i = 0; i < STAGE_COUNT; i++) names[i] = stages[i].name;
  const char *hint = wf_did_you_mean(name, names, STAGE_COUNT);
  fprintf(stderr, "weft compile: unknown stage `%s`", name);
  if (hint) fprintf(stderr, "; did you mean `%s`?", hint);
  fprintf(stderr, "\nthere is ast, ir, ir@PASS, kernels, plan, llvm, asm, obj, ptx and cubin\n");
  return EXIT_USAGE;
}

static int emit(cli *c) {
  const char *name = c->options.emit;
  if (!strncmp(name, "ir@", 3)) return wf_pass_find(name + 3) ? emit_module(c, name + 3) : cli_unknown_pass("compile", name + 3);
  for (int i = 0; i < STAGE_COUNT; i++)
    if (!strcmp(name, stages[i].name)) return stages[i].emit(c);
  return unknown_stage(name);
}

// ---- bundles ------------------------------------------------------------------------------------------------------------

static int write_bundle(cli *c) {
  weft_bytes bytes;
  int failed = cli_bundle_make(c, false, &bytes);
  if (failed) return failed;
  weft_status *status = weft_file_write(c->options.output_file, bytes.data, bytes.size);
  free(bytes.data);
  return cli_status(c, status);
}

static int compile(cli *c) {
  if (cli_is_bundle(c->options.file)) {
    fprintf(stderr, "weft compile: %s is compiled already; compile the .net that it came from\n", c->options.file);
    return EXIT_USAGE;
  }
  if (c->options.emit) return emit(c);
  if (!c->options.output_file || !strcmp(c->options.output_file, "-")) {
    fprintf(stderr, "weft compile: what to make? -o M.weft for a bundle, or --emit STAGE\ntry: weft compile --help\n");
    return EXIT_USAGE;
  }
  if (cli_is_bundle(c->options.output_file)) return write_bundle(c);
  fprintf(stderr, "weft compile: `%s`: a bundle's name ends in .weft; for another form add --emit STAGE\n", c->options.output_file);
  return EXIT_USAGE;
}

int cli_compile(cli *c) {
  int code = compile(c);
  cli_print_seconds(c, "total", cli_now() - c->start);
  return code;
}
