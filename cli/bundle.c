#include "cli/bundle.h"
#include <stdio.h>
#include <stdlib.h>
#include "cli/module.h"
#include "cli/target.h"
#include "codegen/ptxas.h"
#include "runtime/checkpoint.h"
#include "runtime/memory.h"
#include "runtime/safetensors.h"

typedef struct making {
  cli *c;
  bool inference;
  WF_VEC(const wf_program *) programs;
  WF_VEC(weft_part) parts;
} making;

// ---- one target -------------------------------------------------------------------------------------------------------

static void mark(wf_function *function, wf_map *reached) {
  if (wf_map_get(reached, function->name)) return;
  wf_map_set(reached, function->name, function);
  for (int i = 0; i < function->ops.count; i++)
    if (function->ops.items[i]->region) mark(function->ops.items[i]->region, reached);
}

// Keeps `infer`, its variants and what they call, where there is an `infer`.
static void keep_inference(cli *c, wf_module *module) {
  wf_function *infer = wf_function_find(module, "infer");
  wf_map reached;
  int kept = 0;
  if (!infer) return;
  wf_map_init(&reached, c->arena);
  mark(infer, &reached);
  for (int i = 0; i < module->functions.count; i++)
    if (module->functions.items[i]->variant_of == infer) mark(module->functions.items[i], &reached);
  for (int i = 0; i < module->functions.count; i++)
    if (wf_map_get(&reached, module->functions.items[i]->name)) module->functions.items[kept++] = module->functions.items[i];
  module->functions.count = kept;
}

// PTX serves its architecture and later ones; beside it a cubin, where ptxas is at hand, saves the driver the compiling.
static int add_gpu_code(making *m, const char *target, const wf_code *ptx) {
  cli *c = m->c;
  wf_code cubin;
  wf_ptxas_report report;
  const char *ptxas = wf_ptxas_find(c->arena);
  wf_vec_push(c->arena, &m->parts, ((weft_part){.kind = WEFT_PART_PTX, .target = target, .data = ptx->bytes, .size = ptx->size}));
  if (!ptxas) return EXIT_DONE;
  double start = cli_now();
  if (!wf_ptxas_run(c->arena, c->diag, ptxas, target, ptx, &cubin, &report)) return cli_report(c), EXIT_OURS;
  cli_print_seconds(c, "ptxas", cli_now() - start);
  wf_vec_push(c->arena, &m->parts, ((weft_part){.kind = WEFT_PART_CUBIN, .target = target, .data = cubin.bytes, .size = cubin.size}));
  return EXIT_DONE;
}

static int add_code(making *m, const char *target, const wf_code *code) {
  if (cli_is_gpu_target(target)) return add_gpu_code(m, target, code);
  wf_vec_push(m->c->arena, &m->parts, ((weft_part){.kind = WEFT_PART_OBJECT, .target = target, .data = code->bytes, .size = code->size}));
  return EXIT_DONE;
}

// Plans depend on the target, so each goes the whole road. What the front end warns of is told once, by the first.
static int make_target(making *m, const char *target) {
  cli *c = m->c;
  wf_compiled *compiled = NULL;
  wf_program *program;
  wf_code code;
  if (m->programs.count) c->diag = wf_diag_create(c->arena);
  c->target = target;
  wf_module *module = cli_load_module(c, &compiled);
  if (!module) return cli_report(c);
  if (m->inference) keep_inference(c, module);
  int failed = cli_build_program(c, module, compiled, true, WF_CODE_OBJECT, &program, &code);
  if (failed) return failed;
  program->target = (char *)target;
  wf_vec_push(c->arena, &m->programs, (const wf_program *)program);
  if (c->options.verbose) fprintf(stderr, "%s: %d kernels, %zu bytes of code\n", target, program->kernel_count, code.size);
  return add_code(m, target, &code);
}

// ---- weights ------------------------------------------------------------------------------------------------------------

static weft_status *take_weights(weft_session *session, weft_bytes *out) {
  int count = weft_session_value_count(session), kept = 0;
  weft_named_tensor *tensors = NULL;
  TRY(weft_allocate((size_t)count, sizeof *tensors, &tensors));
  for (int i = 0; i < count; i++) {
    const weft_value *value = weft_session_value(session, i);
    if (value->infers || !value->state) tensors[kept++] = (weft_named_tensor){value->name, value->tensor};
  }
  weft_status *failed = weft_safetensors_serialize(tensors, kept, NULL, out);
  free(tensors);
  return failed;
}

// A session tells whether they fit, and keeps what inference reads: an optimizer's states stay behind.
static weft_status *read_weights(cli *c, const wf_program *program, weft_bytes *out) {
  weft_session *session = NULL;
  weft_session_options options = {.threads = 1};
  wf_program copy = *program;
  copy.kernels = WF_NEW_ARRAY(c->arena, wf_plan_kernel, copy.kernel_count);
  memcpy(copy.kernels, program->kernels, sizeof *copy.kernels * (size_t)copy.kernel_count);
  cli_leave_unbound(&copy);
  TRY(weft_session_create(&copy, &options, &session));
  weft_status *failed = weft_weights_load(session, c->options.weights);
  if (!failed) failed = take_weights(session, out);
  weft_session_destroy(session);
  return failed;
}

static weft_status *assemble(making *m, weft_bytes *out) {
  weft_bytes weights = {0};
  if (m->c->options.weights) TRY(read_weights(m->c, m->programs.items[0], &weights));
  if (weights.data) wf_vec_push(m->c->arena, &m->parts, ((weft_part){.kind = WEFT_PART_WEIGHTS, .target = "", .data = weights.data, .size = weights.size}));
  weft_status *failed = weft_bundle_serialize(m->programs.items, m->programs.count, m->parts.items, m->parts.count, out);
  free(weights.data);
  return failed;
}

int cli_bundle_make(cli *c, bool inference, weft_bytes *out) {
  making m = {.c = c, .inference = inference};
  *out = (weft_bytes){0};
  for (int i = 0; i < c->targets.count; i++) {
    int failed = make_target(&m, c->targets.items[i]);
    if (failed) return failed;
  }
  double start = cli_now();
  weft_status *failed = assemble(&m, out);
  cli_print_seconds(c, "bundle", cli_now() - start);
  return cli_status(c, failed);
}
