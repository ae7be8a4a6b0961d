// weft run: a network's results on inputs, by compiled code or (--device ref) by the reference evaluator.
#include <stdio.h>
#include "cli/program.h"
#include "cli/run_ref.h"
#include "cli/run_results.h"
#include "cli/target.h"
#include "runtime/checkpoint.h"

typedef struct running {
  cli *c;
  cli_program *program;
  weft_metadata metadata;
  int plan;
} running;

// ---- weights --------------------------------------------------------------------------------------------------------------

static int parameter_count(const running *r) {
  const wf_plan *plan = &r->program->program->plans[r->plan];
  int count = 0;
  for (int i = 0; i < plan->buffer_count; i++) count += plan->buffers[i].role == WF_BUFFER_PARAM;
  return count;
}

static weft_status *load_weights(running *r) {
  if (r->c->options.weights) return weft_weights_load(r->program->session, r->c->options.weights);
  const weft_part *bundled = r->program->weights;
  return bundled ? weft_weights_load_memory(r->program->session, r->c->options.file, bundled->data, bundled->size) : NULL;
}

// ---- running ----------------------------------------------------------------------------------------------------------------

static weft_status *run_compiled(running *r, const cli_run_inputs *inputs, cli_outputs *out) {
  weft_session *session = r->program->session;
  weft_session_set_scalars(session, 0, r->metadata.seed, 1);
  TRY(weft_session_run(session, r->plan, inputs->items, inputs->count));
  out->count = weft_session_output_count(session, r->plan);
  out->items = WF_NEW_ARRAY(r->c->arena, weft_named_tensor, out->count);
  for (int i = 0; i < out->count; i++) {
    out->items[i].name = weft_session_output_buffer(session, r->plan, i)->name;
    TRY(weft_session_output(session, r->plan, out->items[i].name, &out->items[i].tensor));
  }
  return NULL;
}

static int run(running *r) {
  cli *c = r->c;
  cli_run_inputs inputs;
  cli_outputs outputs = {0};
  weft_status *failed = cli_read_inputs(c, r->program->session, r->plan, &r->metadata, &inputs);
  if (!failed) failed = load_weights(r);
  if (failed) return cli_status(c, failed);
  int code = cli_on_ref(c) ? cli_run_ref(c, r->program->session, r->plan, &inputs, r->metadata.seed, &outputs)
                           : cli_status(c, run_compiled(r, &inputs, &outputs));
  if (code) return code;
  cli_show_results(c, &r->metadata, &inputs, &outputs);
  return cli_status(c, cli_write_outputs(c, &outputs));
}

static int check_and_run(running *r) {
  cli *c = r->c;
  r->plan = weft_session_plan(r->program->session, "infer");
  if (r->plan < 0) {
    fprintf(stderr, "weft run: %s has nothing to run: no function `infer`\n", c->options.file);
    return EXIT_INPUT;
  }
  int parameters = parameter_count(r);
  if (parameters && !c->options.weights && !r->program->weights) {
    fprintf(stderr, "weft run: %s has %d parameter%s; name trained weights with --weights F.safetensors\n(weft train FILE.net --save F.safetensors makes them)\n",
            c->options.file, parameters, parameters == 1 ? "" : "s");
    return EXIT_USAGE;
  }
  int code = cli_status(c, weft_metadata_parse(r->program->program->metadata, &r->metadata));
  if (code == EXIT_DONE) code = run(r);
  weft_metadata_deinit(&r->metadata);
  return code;
}

int cli_run(cli *c) {
  cli_program program;
  running r = {.c = c, .program = &program};
  int code = cli_program_open(c, false, &program);
  if (code == EXIT_DONE) code = check_and_run(&r);
  cli_program_close(&program);
  return code;
}
