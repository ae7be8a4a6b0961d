#include "runtime/print_plan.h"

#include <jansson.h>
#include <stdlib.h>

static const char *const role_names[] = {"temp", "input", "param", "state", "output", "const", "step", "seed", "total"};
_Static_assert(sizeof role_names / sizeof *role_names == WF_BUFFER_TOTAL + 1, "one name a role");
static const char *const step_names[] = {"launch", "copy", "zero", "sort", "loop"};
_Static_assert(sizeof step_names / sizeof *step_names == WF_STEP_LOOP + 1, "one name a kind");

// ---- formulas: from reverse Polish order to infix -----------------------------------------------------------------------

static bool is_leaf(wf_formula_op op) { return op == WF_F_CONST || op == WF_F_SYMBOL; }

// The index of the first code of the operand that ends at `end`.
static int operand_start(const wf_formula_code *code, int end) {
  int wanted = 1, at = end + 1;
  while (wanted && at > 0) wanted += is_leaf(code[--at].op) ? -1 : 1;
  return at;
}

static int precedence(wf_formula_op op) { return op == WF_F_ADD ? 1 : is_leaf(op) ? 3 : 2; }

static void print_operand(wf_text *out, const wf_formula_code *code, int end, char *const *symbols, int outer) {
  const wf_formula_code *root = &code[end];
  if (root->op == WF_F_CONST) {
    wf_text_printf(out, "%lld", (long long)root->value);
    return;
  }
  if (root->op == WF_F_SYMBOL) {
    wf_text_add(out, symbols[root->value]);
    return;
  }
  int own = precedence(root->op), right = end - 1, left = operand_start(code, right) - 1;
  if (own < outer) wf_text_add(out, "(");
  print_operand(out, code, left, symbols, own);
  wf_text_add(out, root->op == WF_F_ADD ? " + " : root->op == WF_F_MUL ? "*" : "//");
  print_operand(out, code, right, symbols, root->op == WF_F_FLOORDIV ? 3 : own);
  if (own < outer) wf_text_add(out, ")");
}

void weft_print_formula(wf_text *out, const wf_formula *formula, char *const *symbols) {
  if (formula->count) print_operand(out, formula->code, formula->count - 1, symbols, 0);
}

// ---- text -------------------------------------------------------------------------------------------------------------------

static void print_type(wf_text *out, const wf_program *program, const wf_plan_buffer *buffer) {
  wf_text_printf(out, "%s[", wf_dtype_name(buffer->dtype));
  for (int i = 0; i < buffer->rank; i++) {
    if (i) wf_text_add(out, ", ");
    weft_print_formula(out, &buffer->extents[i], program->symbols);
  }
  wf_text_add(out, "]");
}

static const char *buffer_name(const wf_plan *plan, int index) {
  const char *name = plan->buffers[index].name;
  return name ? name : "?";
}

static void print_buffer(wf_text *out, const wf_program *program, const wf_plan *plan, int index) {
  const wf_plan_buffer *buffer = &plan->buffers[index];
  wf_text_printf(out, "  %%%d %s %s: ", index, role_names[buffer->role], buffer_name(plan, index));
  print_type(out, program, buffer);
  for (int i = 0; buffer->order && i < buffer->rank; i++) wf_text_printf(out, "%s%d%s", i ? ", " : " order(", buffer->order[i], i + 1 == buffer->rank ? ")" : "");
  if (buffer->role == WF_BUFFER_TEMP) wf_text_printf(out, " live %d..%d", buffer->first_step, buffer->last_step);
  if (buffer->alias >= 0) wf_text_printf(out, " in %%%d", buffer->alias);
  wf_text_add(out, "\n");
}

static void print_args(wf_text *out, const wf_plan *plan, const wf_plan_step *step, int from) {
  for (int i = from; i < step->arg_count; i++) wf_text_printf(out, "%s%%%d %s", i == from ? "" : ", ", step->args[i], buffer_name(plan, step->args[i]));
}

static void print_slice(wf_text *out, const wf_program *program, const wf_formula *offset) {
  if (!offset->count) return;
  wf_text_add(out, " at ");
  weft_print_formula(out, offset, program->symbols);
}

static void print_copy(wf_text *out, const wf_program *program, const wf_plan *plan, const wf_plan_step *step) {
  wf_text_printf(out, "%%%d %s", step->args[0], buffer_name(plan, step->args[0]));
  print_slice(out, program, &step->to_offset);
  wf_text_printf(out, " <- %%%d %s", step->args[1], buffer_name(plan, step->args[1]));
  print_slice(out, program, &step->from_offset);
  if (!step->count.count) return;
  wf_text_add(out, " count ");
  weft_print_formula(out, &step->count, program->symbols);
}

static void print_step(wf_text *out, const wf_program *program, const wf_plan *plan, int index, int depth) {
  const wf_plan_step *step = &plan->steps[index];
  wf_text_printf(out, "  %*s%d: %s ", 2 * depth, "", index, step_names[step->kind]);
  switch (step->kind) {
  case WF_STEP_LAUNCH:
    wf_text_printf(out, "%s(", program->kernels[step->kernel].name);
    print_args(out, plan, step, 0);
    wf_text_add(out, ")");
    break;
  case WF_STEP_COPY: print_copy(out, program, plan, step); break;
  case WF_STEP_ZERO: print_args(out, plan, step, 0); break;
  case WF_STEP_SORT:
    print_args(out, plan, step, 0);
    wf_text_printf(out, " axis %d%s", step->sort_axis, step->descending ? " descending" : "");
    break;
  case WF_STEP_LOOP:
    wf_text_printf(out, "%s in 0..", program->symbols[step->symbol]);
    weft_print_formula(out, &step->trip, program->symbols);
    wf_text_printf(out, "%s: %d steps", step->reverse ? " downwards" : "", step->body_count);
    break;
  }
  wf_text_add(out, "\n");
}

// The steps of a loop stand below it, moved to the right.
static void print_steps(wf_text *out, const wf_program *program, const wf_plan *plan, int begin, int end, int depth) {
  for (int i = begin; i < end; i++) {
    print_step(out, program, plan, i, depth);
    if (plan->steps[i].kind != WF_STEP_LOOP) continue;
    int body = plan->steps[i].body_count;
    print_steps(out, program, plan, i + 1, i + 1 + body, depth + 1);
    i += body;
  }
}

static void print_size(wf_text *out, const wf_program *program, const char *name, const wf_formula *formula) {
  if (!formula->count || (formula->count == 1 && formula->code[0].op == WF_F_CONST && formula->code[0].value == 0)) return;
  wf_text_printf(out, " %s ", name);
  weft_print_formula(out, formula, program->symbols);
}

static void print_kernel(wf_text *out, const wf_program *program, const wf_plan_kernel *kernel) {
  wf_text_printf(out, "kernel %s = %s%s%s", kernel->name, kernel->entry, kernel->place ? " from " : "", kernel->place ? kernel->place : "");
  print_size(out, program, "tasks", &kernel->tasks);
  print_size(out, program, "scratch", &kernel->scratch_bytes);
  print_size(out, program, "flops", &kernel->flops);
  print_size(out, program, "bytes", &kernel->bytes);
  wf_text_add(out, "\n");
}

void weft_print_program(wf_text *out, const wf_program *program) {
  wf_text_printf(out, "program schedule %s\n", program->schedule_hash ? program->schedule_hash : "none");
  for (int i = 0; i < program->symbol_count; i++) wf_text_printf(out, "symbol %s\n", program->symbols[i]);
  for (int i = 0; i < program->fact_count; i++) wf_text_printf(out, "fact %s\n", program->facts[i].text);
  for (int i = 0; i < program->kernel_count; i++) print_kernel(out, program, &program->kernels[i]);
  for (int i = 0; i < program->plan_count; i++) {
    const wf_plan *plan = &program->plans[i];
    wf_text_printf(out, "\nplan %s", plan->name);
    if (plan->variant_of) {
      wf_text_printf(out, " for %s at ", program->plans[plan->variant_of - 1].name);
      weft_print_formula(out, &plan->condition, program->symbols);
      wf_text_add(out, " == 0");
    }
    wf_text_add(out, " {\n");
    for (int k = 0; k < plan->buffer_count; k++) print_buffer(out, program, plan, k);
    print_steps(out, program, plan, 0, plan->step_count, 0);
    wf_text_add(out, "}\n");
  }
}

// ---- JSON -------------------------------------------------------------------------------------------------------------------

static json_t *formula_json(const wf_program *program, const wf_formula *formula) {
  wf_text text;
  wf_text_init(&text);
  weft_print_formula(&text, formula, program->symbols);
  json_t *out = json_stringn(text.data ? text.data : "", text.length);
  wf_text_deinit(&text);
  return out;
}

static json_t *buffer_json(const wf_program *program, const wf_plan_buffer *buffer) {
  json_t *shape = json_array(), *order = buffer->order ? json_array() : json_null();
  for (int i = 0; i < buffer->rank; i++) {
    json_array_append_new(shape, formula_json(program, &buffer->extents[i]));
    if (buffer->order) json_array_append_new(order, json_integer(buffer->order[i]));
  }
  return json_pack("{s:s?, s:s, s:s, s:o, s:o, s:i, s:[i,i]}", "name", buffer->name, "role", role_names[buffer->role], "dtype", wf_dtype_name(buffer->dtype),
                   "shape", shape, "order", order, "alias", buffer->alias, "live", buffer->first_step, buffer->last_step);
}

static json_t *step_json(const wf_program *program, const wf_plan_step *step) {
  json_t *args = json_array();
  for (int i = 0; i < step->arg_count; i++) json_array_append_new(args, json_integer(step->args[i]));
  json_t *out = json_pack("{s:s, s:o}", "kind", step_names[step->kind], "buffers", args);
  switch (step->kind) {
  case WF_STEP_LAUNCH: json_object_set_new(out, "kernel", json_integer(step->kernel)); break;
  case WF_STEP_COPY:
    json_object_set_new(out, "to_offset", formula_json(program, &step->to_offset));
    json_object_set_new(out, "from_offset", formula_json(program, &step->from_offset));
    json_object_set_new(out, "count", formula_json(program, &step->count));
    break;
  case WF_STEP_ZERO: break;
  case WF_STEP_SORT:
    json_object_set_new(out, "axis", json_integer(step->sort_axis));
    json_object_set_new(out, "descending", json_boolean(step->descending));
    break;
  case WF_STEP_LOOP:
    json_object_set_new(out, "symbol", json_string(program->symbols[step->symbol]));
    json_object_set_new(out, "trip", formula_json(program, &step->trip));
    json_object_set_new(out, "steps", json_integer(step->body_count));
    json_object_set_new(out, "reverse", json_boolean(step->reverse));
    break;
  }
  return out;
}

static json_t *kernel_json(const wf_program *program, const wf_plan_kernel *kernel) {
  return json_pack("{s:s, s:s, s:s?, s:o, s:o, s:o, s:o}", "name", kernel->name, "entry", kernel->entry, "place", kernel->place, "tasks",
                   formula_json(program, &kernel->tasks), "scratch_bytes", formula_json(program, &kernel->scratch_bytes), "flops",
                   formula_json(program, &kernel->flops), "bytes", formula_json(program, &kernel->bytes));
}

static json_t *plan_json(const wf_program *program, const wf_plan *plan) {
  json_t *buffers = json_array(), *steps = json_array();
  for (int i = 0; i < plan->buffer_count; i++) json_array_append_new(buffers, buffer_json(program, &plan->buffers[i]));
  for (int i = 0; i < plan->step_count; i++) json_array_append_new(steps, step_json(program, &plan->steps[i]));
  json_t *out = json_pack("{s:s, s:o, s:o}", "name", plan->name, "buffers", buffers, "steps", steps);
  if (out && plan->variant_of) {
    json_object_set_new(out, "variant_of", json_string(program->plans[plan->variant_of - 1].name));
    json_object_set_new(out, "condition", formula_json(program, &plan->condition));   // 0: it runs
  }
  return out;
}

char *weft_program_json(const wf_program *program) {
  json_t *symbols = json_array(), *facts = json_array(), *kernels = json_array(), *plans = json_array();
  for (int i = 0; i < program->symbol_count; i++) json_array_append_new(symbols, json_string(program->symbols[i]));
  for (int i = 0; i < program->fact_count; i++) json_array_append_new(facts, json_string(program->facts[i].text));
  for (int i = 0; i < program->kernel_count; i++) json_array_append_new(kernels, kernel_json(program, &program->kernels[i]));
  for (int i = 0; i < program->plan_count; i++) json_array_append_new(plans, plan_json(program, &program->plans[i]));
  json_t *metadata = program->metadata ? json_loads(program->metadata, 0, NULL) : NULL;
  json_t *root = json_pack("{s:s?, s:o, s:o, s:o, s:o, s:o}", "schedule_hash", program->schedule_hash, "symbols", symbols, "facts", facts, "kernels", kernels,
                           "plans", plans, "metadata", metadata ? metadata : json_null());
  char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
  json_decref(root);
  return text;
}
