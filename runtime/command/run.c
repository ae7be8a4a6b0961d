#include "runtime/command/run.h"
#include <stdio.h>
#include "runtime/checkpoint.h"

typedef struct running {
  weft_command *c;
  weft_session *session;
  const weft_part *weights;
  const weft_command_evaluator *evaluator;
  weft_metadata metadata;
  int plan;
} running;

static int parameter_count(const running *r) {
  const wf_plan *plan = &weft_session_program(r->session)->plans[r->plan];
  int count = 0;
  for (int i = 0; i < plan->buffer_count; i++) count += plan->buffers[i].role == WF_BUFFER_PARAM;
  return count;
}

static weft_status *load_weights(const running *r) {
  if (r->c->weights) return weft_weights_load(r->session, r->c->weights);
  return r->weights ? weft_weights_load_memory(r->session, r->c->file, r->weights->data, r->weights->size) : NULL;
}

static weft_status *run_session(const running *r, const weft_command_run_inputs *inputs, weft_command_outputs *out) {
  weft_session_set_scalars(r->session, 0, r->metadata.seed, 1);
  TRY(weft_session_run(r->session, r->plan, inputs->items, inputs->count));
  out->count = weft_session_output_count(r->session, r->plan);
  out->items = WF_NEW_ARRAY(r->c->arena, weft_named_tensor, out->count);
  for (int i = 0; i < out->count; i++) {
    out->items[i].name = weft_session_output_buffer(r->session, r->plan, i)->name;
    TRY(weft_session_output(r->session, r->plan, out->items[i].name, &out->items[i].tensor));
  }
  return NULL;
}

static int run_once(running *r) {
  weft_command *c = r->c;
  weft_command_run_inputs inputs;
  weft_command_outputs outputs = {0};
  weft_status *failed = weft_command_read_inputs(c, r->session, r->plan, &r->metadata, &inputs);
  if (failed) return weft_command_status(c, failed);
  int code = r->evaluator ? r->evaluator->run(r->evaluator->context, r->session, r->plan, &inputs, r->metadata.seed, &outputs)
                          : weft_command_status(c, run_session(r, &inputs, &outputs));
  if (code) return code;
  weft_command_show_results(c, &r->metadata, &inputs, &outputs);
  return weft_command_status(c, weft_command_write_outputs(c, &outputs));
}

// Words that are no options fill the inputs in order; a network of one input takes one file after the other.
static int run_files(running *r) {
  weft_command *c = r->c;
  int inputs = weft_session_input_count(r->session, r->plan), code = EXIT_DONE;
  if (!c->files.count) return run_once(r);
  if (c->inputs.count || c->files.count % inputs) {
    fprintf(stderr, "%s: %d file%s for %d input%s; --input NAME=FILE says which is which\n", c->title, c->files.count, c->files.count == 1 ? "" : "s", inputs,
            inputs == 1 ? "" : "s");
    return EXIT_USAGE;
  }
  for (int i = 0; i < c->files.count && !code; i += inputs) {
    c->inputs = (weft_word_list){0};
    for (int k = 0; k < inputs; k++)
      wf_vec_push(c->arena, &c->inputs, (const char *)wf_arena_printf(c->arena, "%s=%s", weft_session_input(r->session, r->plan, k)->name, c->files.items[i + k]));
    if (c->files.count > inputs && !c->json) printf("%s\n", c->files.items[i]);
    code = run_once(r);
  }
  return code;
}

static int check_and_run(running *r) {
  weft_command *c = r->c;
  int parameters = parameter_count(r);
  if (parameters && !c->weights && !r->weights) {
    fprintf(stderr, "%s: %s has %d parameter%s; name trained weights with --weights F.safetensors\n(weft train FILE.net --save F.safetensors makes them)\n", c->title,
            c->file, parameters, parameters == 1 ? "" : "s");
    return EXIT_USAGE;
  }
  int code = weft_command_status(c, weft_metadata_parse(weft_session_program(r->session)->metadata, &r->metadata));
  if (code == EXIT_DONE) code = weft_command_status(c, load_weights(r));
  if (code == EXIT_DONE) code = run_files(r);
  weft_metadata_deinit(&r->metadata);
  return code;
}

int weft_command_run(weft_command *c, weft_session *session, const weft_part *weights, const weft_command_evaluator *evaluator) {
  running r = {.c = c, .session = session, .weights = weights, .evaluator = evaluator, .plan = weft_session_plan(session, "infer")};
  if (r.plan >= 0) return check_and_run(&r);
  fprintf(stderr, "%s: %s has nothing to run: no function `infer`\n", c->title, c->file);
  return EXIT_INPUT;
}
