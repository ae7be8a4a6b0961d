#include "cli/made_inputs.h"

// xorshift64* (Vigna 2016): enough for made data.
static uint64_t next_random(uint64_t *state) {
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * 0x2545F4914F6CDD1DULL;
}

static void fill(weft_tensor *tensor, int64_t range, uint64_t *state) {
  wf_dtype type = (wf_dtype)tensor->dtype;
  int64_t count = weft_tensor_elements(tensor);
  for (int64_t i = 0; i < count; i++) {
    uint64_t bits = next_random(state) >> 11;
    if (wf_dtype_is_float(type)) wf_store_element(type, tensor->data, i, (double)bits * 0x1p-52 - 1);
    else if (type == WF_U8 && !range) wf_store_element_int(type, tensor->data, i, (int64_t)(bits & 255));
    else wf_store_element_int(type, tensor->data, i, (int64_t)(bits % (uint64_t)(range > 0 ? range : 2)));
  }
}

cli_inputs cli_made_inputs(cli *c, weft_session *session, int plan, int64_t symbol_value) {
  const wf_program *program = weft_session_program(session);
  int64_t *symbols = WF_NEW_ARRAY(c->arena, int64_t, program->symbol_count);
  for (int i = 0; i < program->symbol_count; i++) symbols[i] = symbol_value;
  cli_inputs inputs = {.count = weft_session_input_count(session, plan)};
  inputs.items = WF_NEW_ARRAY(c->arena, weft_named_tensor, inputs.count);
  uint64_t state = 0x9E3779B97F4A7C15ULL;
  for (int i = 0; i < inputs.count; i++) {
    const wf_plan_buffer *buffer = weft_session_input(session, plan, i);
    weft_tensor *tensor = &inputs.items[i].tensor;
    inputs.items[i].name = buffer->name;
    tensor->dtype = (weft_dtype)buffer->dtype;
    tensor->rank = buffer->rank;
    for (int k = 0; k < buffer->rank; k++) tensor->extents[k] = wf_formula_eval(&buffer->extents[k], symbols);
    tensor->data = wf_arena_alloc(c->arena, weft_tensor_bytes(tensor) + 64);
    fill(tensor, weft_session_input_range(session, buffer->name), &state);
  }
  return inputs;
}
