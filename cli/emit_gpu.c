// weft compile --emit ptx|cubin: the kernels of all plans in one file, and beside it FILE.json with what another host program needs
// to launch them (docs/runtime.md).
#include "cli/emit_gpu.h"
#include <stdio.h>
#include <stdlib.h>
#include "cli/module.h"
#include "cli/program.h"
#include "cli/target.h"
#include "codegen/emit.h"
#include "codegen/ptxas.h"
#include "runtime/json.h"

typedef struct gpu_build { wf_module *module; wf_program *program; wf_code ptx; } gpu_build;

// ---- the description ------------------------------------------------------------------------------------------------------
// An integer where it is one, else text over the symbols: "(n + 7)//8" (// rounds down).
static json_t *dim_json(const wf_dim *dim) {
  int64_t value;
  if (wf_dim_is_const(dim, &value)) return json_integer(value);
  wf_text text;
  wf_text_init(&text);
  wf_dim_print(&text, dim, NULL, NULL);
  json_t *json = json_string(text.data);
  wf_text_deinit(&text);
  return json;
}

// Storage that is not row-major, in the form of the IR's text; NULL where it is.
static json_t *layout_json(const wf_value *param) {
  if (!param->layout || wf_layout_is_row_major(param->layout, param->shape)) return NULL;
  wf_text text;
  wf_text_init(&text);
  wf_layout_print(&text, param->layout);
  json_t *json = json_string(text.data);
  wf_text_deinit(&text);
  return json;
}

static json_t *argument_json(const wf_kernel *kernel, int index) {
  const wf_value *param = kernel->params.items[index];
  json_t *shape = json_array(), *layout = layout_json(param);
  for (int i = 0; i < param->rank; i++) json_array_append_new(shape, dim_json(param->shape[i]));
  json_t *json = json_pack("{s:s, s:s, s:o, s:s}", "name", param->name, "dtype", wf_dtype_name(param->dtype), "shape", shape, "direction",
                           kernel->written.items[index] ? "out" : "in");
  if (layout) json_object_set_new(json, "layout", layout);
  return json;
}

static const wf_kernel *kernel_of(const wf_module *module, const char *name) {
  for (int i = 0; i < module->kernels.count; i++)
    if (!strcmp(module->kernels.items[i]->name, name)) return module->kernels.items[i];
  return NULL;
}

static json_t *kernel_json(const gpu_build *b, const wf_plan_kernel *plan) {
  const wf_kernel *kernel = kernel_of(b->module, plan->name);
  json_t *arguments = json_array(), *symbols = json_array();
  for (int i = 0; kernel && i < kernel->params.count; i++) json_array_append_new(arguments, argument_json(kernel, i));
  for (int i = 0; i < plan->symbol_count; i++) json_array_append_new(symbols, json_string(b->program->symbols[plan->symbols[i]]));
  json_t *grid = kernel ? dim_json(wf_kernel_tasks(kernel)) : json_null();
  return json_pack("{s:s, s:s, s:s?, s:o, s:i, s:i, s:o, s:o}", "entry", plan->entry, "name", plan->name, "place", plan->place, "grid", grid, "block",
                   plan->threads, "shared_bytes", plan->shared_bytes, "arguments", arguments, "symbols", symbols);
}

static json_t *launches_json(const wf_program *program, const wf_plan *plan) {
  json_t *launches = json_array();
  for (int i = 0; i < plan->step_count; i++)
    if (plan->steps[i].kind == WF_STEP_LAUNCH) json_array_append_new(launches, json_string(program->kernels[plan->steps[i].kernel].name));
  return json_pack("{s:s, s:o}", "name", plan->name, "launches", launches);
}

static int write_description(cli *c, const gpu_build *b) {
  if (!c->options.output_file || !strcmp(c->options.output_file, "-")) return EXIT_DONE;
  json_t *symbols = json_array(), *facts = json_array(), *kernels = json_array(), *plans = json_array();
  for (int i = 0; i < b->program->symbol_count; i++) json_array_append_new(symbols, json_string(b->program->symbols[i]));
  for (int i = 0; i < b->program->fact_count; i++) json_array_append_new(facts, json_string(b->program->facts[i].text));
  for (int i = 0; i < b->program->kernel_count; i++) json_array_append_new(kernels, kernel_json(b, &b->program->kernels[i]));
  for (int i = 0; i < b->program->plan_count; i++) json_array_append_new(plans, launches_json(b->program, &b->program->plans[i]));
  const char *path = wf_arena_printf(c->arena, "%s.json", c->options.output_file), *slash = strrchr(c->options.output_file, '/');
  json_t *root = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "file", slash ? slash + 1 : c->options.output_file, "target", c->target, "symbols", symbols, "facts",
                           facts, "kernels", kernels, "plans", plans);
  char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
  char *line = wf_arena_printf(c->arena, "%s\n", text ? text : "null");
  int code = cli_write(c, path, line, strlen(line));
  free(text);
  json_decref(root);
  return code;
}

// ---- the assembler --------------------------------------------------------------------------------------------------------
static void print_report(const gpu_build *b, const wf_ptxas_report *report) {
  fprintf(stderr, "%-16s %9s %7s %6s %7s %7s  %s\n", "entry", "registers", "shared", "stack", "spilled", "threads", "kernel");
  for (int i = 0; i < b->program->kernel_count; i++) {
    const wf_plan_kernel *plan = &b->program->kernels[i];
    for (int k = 0; k < report->count; k++) {
      const wf_ptxas_kernel *kernel = &report->kernels[k];
      if (strcmp(kernel->entry, plan->entry)) continue;
      fprintf(stderr, "%-16s %9d %7d %6d %7d %7d  %s\n", plan->entry, kernel->registers, kernel->shared_bytes, kernel->stack_bytes,
              kernel->spill_stores + kernel->spill_loads, plan->threads, plan->name);
    }
  }
  fputs(report->warnings, stderr);
}

static int no_assembler(void) {
  fprintf(stderr, "weft compile: no ptxas is found, which makes cubins: it comes with NVIDIA's CUDA toolkit (package cuda-nvcc); set WEFT_PTXAS to its "
                  "path, or CUDA_HOME\nPTX needs none: weft compile --emit ptx; the driver assembles it when it is loaded\n");
  return EXIT_ENVIRONMENT;
}

static int assemble(cli *c, const gpu_build *b, wf_code *out_cubin) {
  wf_ptxas_report report;
  const char *ptxas = wf_ptxas_find(c->arena);
  if (!ptxas) return no_assembler();
  double start = cli_now();
  if (!wf_ptxas_run(c->arena, c->diag, ptxas, c->target, &b->ptx, out_cubin, &report)) return cli_report(c), EXIT_OURS;
  cli_print_seconds(c, "ptxas", cli_now() - start);
  if (c->options.verbose) print_report(b, &report);
  return EXIT_DONE;
}

// ---- the stages -----------------------------------------------------------------------------------------------------------
static int build(cli *c, const char *stage, gpu_build *out) {
  if (!cli_is_gpu_target(c->target)) {
    fprintf(stderr, "weft compile: --emit %s is for a GPU, and --target names the host; try --target cuda:sm_80\n", stage);
    return EXIT_USAGE;
  }
  wf_compiled *compiled = NULL;
  out->module = cli_load_module(c, &compiled);
  if (!out->module) return cli_report(c);
  return cli_build_program(c, out->module, compiled, true, WF_CODE_OBJECT, &out->program, &out->ptx);
}

int cli_emit_ptx(cli *c) {
  gpu_build b;
  wf_code cubin;
  int code = build(c, "ptx", &b);
  if (!code && c->options.verbose && wf_ptxas_find(c->arena)) code = assemble(c, &b, &cubin);
  if (!code) code = cli_write(c, c->options.output_file, b.ptx.bytes, b.ptx.size);
  return code ? code : write_description(c, &b);
}

int cli_emit_cubin(cli *c) {
  gpu_build b;
  wf_code cubin;
  if (c->terminal && !c->options.output_file) {
    fprintf(stderr, "weft compile: a cubin is not for a terminal; name a file with -o\n");
    return EXIT_USAGE;
  }
  int code = build(c, "cubin", &b);
  if (!code) code = assemble(c, &b, &cubin);
  if (!code) code = cli_write(c, c->options.output_file, cubin.bytes, cubin.size);
  return code ? code : write_description(c, &b);
}
