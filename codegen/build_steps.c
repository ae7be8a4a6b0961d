// One function as a plan: buffers for its values, a step for each operation, copies where an update or an output could not be
// made in place, and loops over carried values and slices.
//
//   loop:  carry <- initial;  LOOP t { t' <- t;  slices <- whole[t];  body;  stacked[t] <- made;  carry <- next }
#include "codegen/build_internal.h"

static wf_arena *arena_of(wf_plan_builder *p) { return p->builder->arena; }
static wf_diag *diag_of(wf_plan_builder *p) { return p->builder->module->diag; }

static void fail(wf_plan_builder *p, wf_loc loc, const char *what, const char *name) {
  wf_error(diag_of(p), loc, "plan '%s': %s '%s'", p->function->name, what, name);
  p->builder->failed = true;
}

// ---- buffers ----------------------------------------------------------------------------------------------------------
static int *slot_of(wf_plan_builder *p, const wf_value *value) {
  if (value->id >= p->value_capacity) {
    int capacity = p->builder->module->value_count + value->id + 64;
    int *grown = WF_NEW_ARRAY(arena_of(p), int, capacity);
    for (int i = 0; i < capacity; i++) grown[i] = i < p->value_capacity ? p->buffer_of[i] : -1;
    p->buffer_of = grown;
    p->value_capacity = capacity;
  }
  return &p->buffer_of[value->id];
}

// The storage order of a layout that only permutes axes; NULL for row-major and for panels (which only kernels read).
static int *storage_order(wf_plan_builder *p, const wf_value *value) {
  if (!value->layout || wf_layout_is_row_major(value->layout, value->shape)) return NULL;
  int *order = WF_NEW_ARRAY(arena_of(p), int, value->rank);
  if (value->layout->mode_count != value->rank) return NULL;
  for (int i = 0; i < value->rank; i++) order[i] = value->layout->modes[i].axis;
  const wf_layout *permuted = wf_layout_permuted(p->builder->module->dims, arena_of(p), value->rank, value->shape, order);
  return wf_layout_equal(permuted, value->layout) ? order : NULL;
}

static bool is_row_major(const wf_value *value) { return !value->layout || wf_layout_is_row_major(value->layout, value->shape); }

static int add_buffer(wf_plan_builder *p, const char *name, wf_buffer_role role, const wf_value *like, bool row_major) {
  wf_plan_buffer buffer = {.name = wf_arena_strdup(arena_of(p), name), .role = role, .dtype = like->dtype, .rank = like->rank, .alias = -1};
  buffer.extents = WF_NEW_ARRAY(arena_of(p), wf_formula, like->rank);
  const wf_dim *elements = wf_dim_const(p->builder->module->dims, 1);
  for (int i = 0; i < like->rank; i++) {
    buffer.extents[i] = wf_build_formula(p->builder, like->shape[i]);
    elements = wf_dim_mul(elements, like->shape[i]);
  }
  if (!row_major) buffer.order = storage_order(p, like);
  buffer.elements = wf_build_formula(p->builder, row_major || !like->layout ? elements : like->layout->size);
  buffer.first_step = -1;
  wf_vec_push(arena_of(p), &p->buffers, buffer);
  return p->buffers.count - 1;
}

static int temp_like(wf_plan_builder *p, const char *suffix, const wf_value *value) {
  return add_buffer(p, wf_arena_printf(arena_of(p), "%s%s", value->name, suffix), WF_BUFFER_TEMP, value, false);
}

// The buffer of a value; made where it is first asked for.
static int buffer_for(wf_plan_builder *p, const wf_value *value) {
  int at = *slot_of(p, value);
  if (at >= 0) return at;
  at = temp_like(p, "", value);
  if (value->alias_of) {
    int target = buffer_for(p, value->alias_of);
    p->buffers.items[at].alias = target;
  }
  *slot_of(p, value) = at;
  return at;
}

static int root_of(const wf_plan_builder *p, int buffer) {
  while (p->buffers.items[buffer].alias >= 0) buffer = p->buffers.items[buffer].alias;
  return buffer;
}

// ---- steps ------------------------------------------------------------------------------------------------------------
static wf_plan_step *add_step(wf_plan_builder *p, wf_step_kind kind, int arg_count) {
  wf_plan_step step = {.kind = kind, .kernel = -1, .symbol = -1, .arg_count = arg_count, .args = WF_NEW_ARRAY(arena_of(p), int, arg_count)};
  wf_vec_push(arena_of(p), &p->steps, step);
  return &p->steps.items[p->steps.count - 1];
}

static wf_plan_step *add_copy(wf_plan_builder *p, int to, int from) {
  wf_plan_step *step = add_step(p, WF_STEP_COPY, 2);
  step->args[0] = to;
  step->args[1] = from;
  return step;
}

// A parameter keeps its mark only if no launch ever gives it storage that another parameter has.
static void narrow_distinct(wf_plan_builder *p, const wf_plan_step *step) {
  bool *distinct = (bool *)p->builder->kernels.items[step->kernel].distinct;
  for (int i = 0; i < step->arg_count; i++)
    for (int k = 0; k < step->arg_count; k++)
      if (i != k && root_of(p, step->args[i]) == root_of(p, step->args[k])) distinct[i] = false;
}

static void build_launch(wf_plan_builder *p, const wf_op *op) {
  if (op->kernel->params.count != op->operand_count + op->result_count) { fail(p, op->loc, "a launch does not fit its kernel", op->kernel->name); return; }
  int *args = WF_NEW_ARRAY(arena_of(p), int, op->kernel->params.count);
  for (int i = 0; i < op->operand_count; i++) args[i] = buffer_for(p, op->operands[i]);
  for (int i = 0; i < op->result_count; i++) args[op->operand_count + i] = buffer_for(p, op->results[i]);
  int kernel = wf_kernel_index(p->builder, op->kernel);
  wf_plan_step *step = add_step(p, WF_STEP_LAUNCH, op->kernel->params.count);
  step->args = args;
  step->kernel = kernel;
  narrow_distinct(p, step);
}

static void build_const(wf_plan_builder *p, const wf_op *op) {
  wf_value *value = op->results[0];
  int raw = add_buffer(p, value->name, WF_BUFFER_CONST, value, true);
  p->buffers.items[raw].data = op->data;
  if (is_row_major(value)) *slot_of(p, value) = raw;
  else add_copy(p, buffer_for(p, value), raw);
}

static void build_sort(wf_plan_builder *p, const wf_op *op) {
  int values = buffer_for(p, op->results[0]), indices = buffer_for(p, op->results[1]), from = buffer_for(p, op->operands[0]);
  wf_plan_step *step = add_step(p, WF_STEP_SORT, 3);
  step->args[0] = values;
  step->args[1] = indices;
  step->args[2] = from;
  step->sort_axis = op->sort_axis;
  step->descending = op->descending;
}

// ---- loops ------------------------------------------------------------------------------------------------------------
static void build_ops(wf_plan_builder *p, const wf_function *function);

// Slices are runs of the whole: both must lie row-major.
static bool slices_lie_together(wf_plan_builder *p, const wf_op *op, const wf_value *whole, const wf_value *slice) {
  if (is_row_major(whole) && is_row_major(slice)) return true;
  fail(p, op->loc, "a loop takes slices of a value whose storage is not row-major:", whole->name);
  return false;
}

static const wf_dim *elements_of(wf_plan_builder *p, const wf_value *value) { return wf_value_elements(p->builder->module, value); }

static const wf_dim *slice_offset(wf_plan_builder *p, const wf_atom *counter, const wf_value *slice) {
  return wf_dim_mul(counter->as_dim, elements_of(p, slice));
}

static void copy_slice_in(wf_plan_builder *p, const wf_op *op, const wf_value *whole, const wf_value *slice, const wf_atom *counter) {
  if (!slices_lie_together(p, op, whole, slice)) return;
  int to = buffer_for(p, slice), from = buffer_for(p, whole);
  wf_plan_step *step = add_copy(p, to, from);
  step->from_offset = wf_build_formula(p->builder, slice_offset(p, counter, slice));
  step->count = wf_build_formula(p->builder, elements_of(p, slice));
}

static void copy_slice_out(wf_plan_builder *p, const wf_op *op, const wf_value *stacked, const wf_value *slice, const wf_atom *counter) {
  if (!slices_lie_together(p, op, stacked, slice)) return;
  int to = buffer_for(p, stacked), from = buffer_for(p, slice);
  wf_plan_step *step = add_copy(p, to, from);
  step->to_offset = wf_build_formula(p->builder, slice_offset(p, counter, slice));
  step->count = wf_build_formula(p->builder, elements_of(p, slice));
}

// for thread t: 32 { if t == 0 { ... } }
static wf_block *one_thread(wf_kernel *kernel, wf_block *section) {
  wf_module *module = kernel->module;
  const wf_dim *zero = wf_dim_const(module->dims, 0), *thread = wf_dim_axis(module->dims, "t", wf_dim_const(module->dims, 32));
  wf_block *body = wf_stmt_for(kernel, section, WF_BIND_THREAD, thread);
  return wf_stmt_if(kernel, body, wf_expr_binary(module, WF_S_EQ, wf_expr_index(module, thread), wf_expr_index(module, zero)));
}

// A kernel that writes the counter where the region reads it as a value.
static void launch_counter(wf_plan_builder *p, const wf_op *op, const wf_value *t, const wf_atom *counter) {
  wf_module *module = p->builder->module;
  wf_kernel *kernel = wf_kernel_create(module, wf_arena_printf(module->arena, "%s", counter->name), op->loc);
  wf_value *out = wf_kernel_param(kernel, "t", WF_I64, 0, NULL, NULL, true);
  wf_vec_push(module->arena, &kernel->symbols, counter);
  wf_block *block = wf_kernel_section(kernel);
  if (p->builder->gpu) block = one_thread(kernel, block);
  wf_stmt_store(kernel, block, out, NULL, WF_R_NONE, wf_expr_index(module, counter->as_dim));
  kernel->flops = wf_dim_const(module->dims, 0);
  kernel->bytes = wf_dim_const(module->dims, 8);
  int buffer = buffer_for(p, t), index = wf_kernel_index(p->builder, kernel);
  wf_plan_step *step = add_step(p, WF_STEP_LAUNCH, 1);
  step->args[0] = buffer;
  step->kernel = index;
}

static bool reads_input(const wf_function *function, const wf_value *value) {
  for (int i = 0; i < function->ops.count; i++)
    for (int k = 0; k < function->ops.items[i]->operand_count; k++)
      if (function->ops.items[i]->operands[k] == value) return true;
  for (int i = 0; i < function->results.count; i++)
    if (function->results.items[i].value == value) return true;
  return false;
}

static void forget_values(wf_plan_builder *p, const wf_function *region) {
  for (int i = 0; i < region->inputs.count; i++) *slot_of(p, region->inputs.items[i]) = -1;
  for (int i = 0; i < region->ops.count; i++)
    for (int k = 0; k < region->ops.items[i]->result_count; k++) *slot_of(p, region->ops.items[i]->results[k]) = -1;
}

static void bind_carries_and_invariants(wf_plan_builder *p, const wf_op *op) {
  const wf_function *region = op->region;
  int own = op->carry_count + op->slice_count;
  for (int i = 0; i < op->carry_count; i++) {
    wf_value *carry = region->inputs.items[1 + i];
    int from = buffer_for(p, op->operands[i]), to = temp_like(p, "", carry);
    *slot_of(p, carry) = to;
    add_copy(p, to, from);
  }
  for (int i = own; i < op->operand_count; i++) *slot_of(p, region->inputs.items[1 + i]) = buffer_for(p, op->operands[i]);
}

// carry <- next; through temporaries where a next value is itself a carry that another copy overwrites.
static void copy_carries(wf_plan_builder *p, const wf_op *op) {
  const wf_function *region = op->region;
  int *from = WF_NEW_ARRAY(arena_of(p), int, op->carry_count), *to = WF_NEW_ARRAY(arena_of(p), int, op->carry_count);
  for (int i = 0; i < op->carry_count; i++) {
    to[i] = buffer_for(p, region->inputs.items[1 + i]);
    from[i] = buffer_for(p, region->results.items[i].value);
  }
  for (int i = 0; i < op->carry_count; i++)
    for (int k = 0; k < i; k++)
      if (root_of(p, from[i]) == root_of(p, to[k]) && root_of(p, from[k]) != root_of(p, to[k])) {
        int held = temp_like(p, ".next", region->results.items[i].value);
        add_copy(p, held, from[i]);
        from[i] = held;
        break;
      }
  for (int i = 0; i < op->carry_count; i++)
    if (root_of(p, from[i]) != root_of(p, to[i])) add_copy(p, to[i], from[i]);
}

static void build_loop(wf_plan_builder *p, const wf_op *op) {
  const wf_function *region = op->region;
  const wf_atom *counter = wf_new_counter(p->builder, op->result_count ? op->results[0]->name : region->name);
  int64_t trip = 0;
  if (p->builder->gpu && wf_dim_is_const(op->trip, &trip) && trip > WF_GPU_EXTENT_LIMIT) fail(p, op->loc, "a GPU counts loops up to 262144 turns only, not as many as", region->name);
  forget_values(p, region);
  bind_carries_and_invariants(p, op);
  for (int i = op->carry_count; i < op->result_count; i++) buffer_for(p, op->results[i]);
  int at = p->steps.count;
  wf_plan_step *loop = add_step(p, WF_STEP_LOOP, 0);
  loop->symbol = wf_symbol_index(p->builder, counter);
  loop->trip = wf_build_formula(p->builder, op->trip);
  loop->reverse = op->reverse;
  if (reads_input(region, region->inputs.items[0])) launch_counter(p, op, region->inputs.items[0], counter);
  for (int i = op->carry_count; i < op->carry_count + op->slice_count; i++) copy_slice_in(p, op, op->operands[i], region->inputs.items[1 + i], counter);
  p->loops++;
  build_ops(p, region);
  p->loops--;
  for (int i = op->carry_count; i < op->result_count; i++) copy_slice_out(p, op, op->results[i], region->results.items[i].value, counter);
  copy_carries(p, op);
  p->steps.items[at].body_count = p->steps.count - at - 1;
  for (int i = 0; i < op->carry_count; i++) *slot_of(p, op->results[i]) = buffer_for(p, region->inputs.items[1 + i]);
}

static void build_op(wf_plan_builder *p, const wf_op *op) {
  switch (op->kind) {
    case WF_O_LAUNCH: build_launch(p, op); return;
    case WF_O_CONST: build_const(p, op); return;
    case WF_O_SORT: build_sort(p, op); return;
    case WF_O_LOOP: build_loop(p, op); return;
    case WF_O_UPDATE: return;   // when the function ends
    case WF_O_COMPUTE: case WF_O_SCATTER: case WF_O_CALL: case WF_O_GRAD: case WF_O_GROUP: case WF_OPERATION_COUNT: break;
  }
  fail(p, op->loc, "an operation that no pass has lowered:", wf_operation_names[op->kind]);
}

static void build_ops(wf_plan_builder *p, const wf_function *function) {
  for (int i = 0; i < function->ops.count && !p->builder->failed; i++) build_op(p, function->ops.items[i]);
}

// ---- inputs, outputs, updates -------------------------------------------------------------------------------------------
static wf_buffer_role role_of(wf_role role) {
  switch (role) {
    case WF_ROLE_PARAM: return WF_BUFFER_PARAM;
    case WF_ROLE_STATE: return WF_BUFFER_STATE;
    case WF_ROLE_STEP: return WF_BUFFER_STEP;
    case WF_ROLE_SEED: return WF_BUFFER_SEED;
    case WF_ROLE_TOTAL: return WF_BUFFER_TOTAL;
    case WF_ROLE_DATA: case WF_ROLE_NONE: break;
  }
  return WF_BUFFER_INPUT;
}

static void build_inputs(wf_plan_builder *p) {
  for (int i = 0; i < p->function->inputs.count; i++) {
    const wf_value *input = p->function->inputs.items[i];
    if (!is_row_major(input)) fail(p, input->loc, "an input must lie row-major:", input->name);
    int buffer = add_buffer(p, input->name, role_of(input->role), input, true);
    *slot_of(p, input) = buffer;
  }
}

// The result of a function that bears the name of a parameter or state of another one is that parameter (`init`).
static wf_buffer_role result_role(wf_plan_builder *p, const wf_result *result) {
  for (int f = 0; f < p->function->module->functions.count; f++) {
    const wf_function *other = p->function->module->functions.items[f];
    for (int i = 0; other != p->function && i < other->inputs.count; i++) {
      const wf_value *input = other->inputs.items[i];
      bool kept = input->role == WF_ROLE_PARAM || input->role == WF_ROLE_STATE;
      if (kept && !strcmp(input->name, result->name)) return role_of(input->role);
    }
  }
  return WF_BUFFER_OUTPUT;
}

// A result's buffer is the output where it is its own, in row-major order; else the output is a copy, made before updates.
static void build_outputs(wf_plan_builder *p) {
  for (int i = 0; i < p->function->results.count; i++) {
    const wf_result *result = &p->function->results.items[i];
    int buffer = buffer_for(p, result->value);
    bool own = p->buffers.items[buffer].role == WF_BUFFER_TEMP && p->buffers.items[buffer].alias < 0 && is_row_major(result->value);
    if (own) {
      p->buffers.items[buffer].role = result_role(p, result);
      p->buffers.items[buffer].name = wf_arena_strdup(arena_of(p), result->name);
    } else {
      int output = add_buffer(p, result->name, result_role(p, result), result->value, true);
      add_copy(p, output, buffer);
    }
  }
}

// Values that some update overwrites before another one reads them are kept in temporaries first.
static void build_updates(wf_plan_builder *p) {
  WF_VEC(int) to = {0}, from = {0};
  for (int i = 0; i < p->function->ops.count; i++) {
    const wf_op *op = p->function->ops.items[i];
    if (op->kind != WF_O_UPDATE) continue;
    int target = buffer_for(p, op->operands[0]), value = buffer_for(p, op->operands[1]);
    if (root_of(p, target) == root_of(p, value)) continue;
    for (int k = 0; k < to.count; k++)
      if (root_of(p, to.items[k]) == root_of(p, value)) {
        int held = temp_like(p, ".old", op->operands[1]);
        add_copy(p, held, value);
        value = held;
        break;
      }
    wf_vec_push(arena_of(p), &to, target);
    wf_vec_push(arena_of(p), &from, value);
  }
  for (int i = 0; i < to.count; i++) add_copy(p, to.items[i], from.items[i]);
}

// ---- lifetimes ----------------------------------------------------------------------------------------------------------
static void touch(wf_plan_builder *p, const wf_plan_step *step, int first, int last) {
  for (int i = 0; i < step->arg_count; i++) {
    wf_plan_buffer *buffer = &p->buffers.items[step->args[i]];
    if (buffer->first_step < 0) buffer->first_step = first;
    buffer->last_step = last;
  }
}

// A step inside loops counts as the whole outermost loop.
static void find_lifetimes(wf_plan_builder *p) {
  for (int i = 0; i < p->steps.count; i++) {
    const wf_plan_step *step = &p->steps.items[i];
    if (step->kind != WF_STEP_LOOP) { touch(p, step, i, i); continue; }
    for (int k = i; k <= i + step->body_count; k++) touch(p, &p->steps.items[k], i, i + step->body_count);
    i += step->body_count;
  }
  for (int i = 0; i < p->buffers.count; i++)
    if (p->buffers.items[i].first_step < 0) p->buffers.items[i].first_step = p->buffers.items[i].last_step = 0;
}

bool wf_build_plan(wf_builder *b, wf_function *function, wf_plan *out) {
  wf_plan_builder p = {.builder = b, .function = function};
  build_inputs(&p);
  build_ops(&p, function);
  if (b->failed) return false;
  build_outputs(&p);
  build_updates(&p);
  find_lifetimes(&p);
  *out = (wf_plan){.name = wf_arena_strdup(b->arena, function->name), .buffers = p.buffers.items, .buffer_count = p.buffers.count,
                   .steps = p.steps.items, .step_count = p.steps.count};
  return !b->failed;
}
