// wf_kernel_ref_run: kernel IR interpreted statement by statement in f64 (i64 for integers), lanes and tasks one after
// the other; the threads of a block in lockstep (kir_interp_threads.c). Buffers that the kernel allocates start as NaN (integers
// as a large odd number), so that a read of unwritten memory shows.
#include <math.h>
#include "ir/kir_interp.h"

// ---- preparing ------------------------------------------------------------------------------------------------------------

void wf_machine_set_atom(wf_machine *m, const wf_atom *atom, int64_t value) {
  while (m->atoms.count <= atom->id) wf_vec_push(m->arena, &m->atoms, 0);
  m->atoms.items[atom->id] = value;
}

static int64_t atom_value(void *context, const wf_atom *atom) {
  wf_machine *m = context;
  return atom->id < m->atoms.count ? m->atoms.items[atom->id] : 0;
}

int64_t wf_machine_dim(wf_machine *m, const wf_dim *dim) { return wf_dim_eval(dim, atom_value, m); }

static void set_buffer(wf_machine *m, const wf_value *value, wf_tensor *tensor) {
  while (m->buffers.count <= value->id) wf_vec_push(m->arena, &m->buffers, NULL);
  m->buffers.items[value->id] = tensor;
}

typedef struct compiler { wf_machine *m; wf_machine_code *code; } compiler;

static int find(const wf_machine_code *c, const wf_expr *node) {
  for (int i = c->list.count - 1; i >= 0; i--)
    if (c->list.items[i].node == node) return i;
  return -1;
}

static void compile_node(void *context, const wf_expr *node) {
  compiler *c = context;
  if (find(c->code, node) >= 0) return;
  wf_instruction made = {.node = node};
  for (int i = 0; i < node->arg_count; i++) made.args[i] = find(c->code, node->args[i]);
  wf_vec_push(c->m->arena, &c->code->list, made);
}

static int compile(wf_machine *m, wf_machine_code *to, const wf_expr *root) {
  wf_expr_walk(root, compile_node, &(compiler){m, to});
  if (to->list.count > m->register_count) m->register_count = to->list.count;
  return find(to, root);
}

static bool failed(wf_machine *m, const wf_stmt *stmt, const char *what, const wf_value *buffer, int axis, int64_t index) {
  if (buffer) wf_error(m->diag, stmt->loc, "kernel @%s: %s: index %lld on axis %d of %%%s is out of bounds", m->kernel->name, what, (long long)index, axis, buffer->name);
  else wf_error(m->diag, stmt->loc, "kernel @%s: %s", m->kernel->name, what);
  m->failed = true;
  return false;
}

bool wf_machine_failed(wf_machine *m, const wf_stmt *stmt, const char *what) { return failed(m, stmt, what, NULL, 0, 0); }

static int copies_of(const wf_machine *m, const wf_value *buffer) { return m->threads && buffer->space == WF_SPACE_REGISTER ? m->threads : 1; }

static bool allocate(wf_machine *m, const wf_stmt *stmt) {
  int64_t shape[WF_MAX_RANK], count = 1;
  for (int i = 0; i < stmt->buffer->rank; i++) {
    shape[i] = wf_machine_dim(m, stmt->buffer->shape[i]);
    if (shape[i] < 0 || (shape[i] && count > (INT64_C(1) << 31) / shape[i])) return failed(m, stmt, "a buffer's extents are impossible", NULL, 0, 0);
    count *= shape[i];
  }
  wf_tensor *tensor = wf_tensor_create(m->arena, stmt->buffer->dtype, stmt->buffer->rank, shape);
  int64_t all = count * copies_of(m, stmt->buffer);
  if (tensor->floats) tensor->floats = WF_NEW_ARRAY(m->arena, double, all);
  else tensor->integers = WF_NEW_ARRAY(m->arena, int64_t, all);
  set_buffer(m, stmt->buffer, tensor);
  return true;
}

static wf_machine_step *prepare(wf_machine *m, const wf_block *block) {
  wf_machine_step *steps = WF_NEW_ARRAY(m->arena, wf_machine_step, block->list.count);
  for (int i = 0; i < block->list.count && !m->failed; i++) {
    const wf_stmt *stmt = block->list.items[i];
    wf_machine_step *s = &steps[i];
    s->stmt = stmt;
    switch (stmt->kind) {
    case WF_STMT_ALLOC: allocate(m, stmt); break;
    case WF_STMT_IF: s->code.value = compile(m, &s->code, stmt->condition); break;
    case WF_STMT_STORE:
      for (int k = 0; k < stmt->buffer->rank; k++) s->code.indices[k] = compile(m, &s->code, stmt->indices[k]);
      s->code.value = compile(m, &s->code, stmt->value);
      break;
    case WF_STMT_REDUCE:
      for (int k = 0; k < stmt->buffer->rank; k++) s->code.indices[k] = compile(m, &s->code, stmt->indices[k]);
      break;
    case WF_STMT_FOR: wf_machine_set_atom(m, stmt->axis, 0); break;   // the room for it lives as long as the machine
    case WF_STMT_BARRIER: break;
    }
    s->body = prepare(m, &stmt->body);
    s->body_count = stmt->body.list.count;
  }
  return steps;
}

// ---- scalars --------------------------------------------------------------------------------------------------------------

static double rounded(const wf_machine *m, wf_dtype type, double value) { return m->round ? wf_round_to(type, value) : value; }

// The element's position, or -1 with the first bad axis.
static int64_t element(const wf_machine *m, const wf_value *buffer, const wf_tensor *tensor, const int64_t *indices, int *out_axis) {
  int64_t at = copies_of(m, buffer) > 1 ? m->thread : 0;
  for (int i = 0; i < tensor->rank; i++) {
    if (indices[i] < 0 || indices[i] >= tensor->shape[i]) return *out_axis = i, -1;
    at = at * tensor->shape[i] + indices[i];
  }
  return at;
}

static wf_scalar_value load(const wf_tensor *tensor, int64_t at) { return tensor->floats ? (wf_scalar_value){.f = tensor->floats[at]} : (wf_scalar_value){.i = tensor->integers[at]}; }

static wf_scalar_value run_read(wf_machine *m, const wf_stmt *stmt, const wf_instruction *in) {
  const wf_expr *node = in->node;
  const wf_tensor *tensor = node->operand->id < m->buffers.count ? m->buffers.items[node->operand->id] : NULL;
  if (!tensor) return failed(m, stmt, "a read of a buffer that does not exist", NULL, 0, 0), (wf_scalar_value){0};
  int64_t indices[WF_MAX_RANK];
  for (int i = 0; i < tensor->rank; i++) indices[i] = m->registers[in->args[i]].i;
  int axis = 0;
  int64_t at = element(m, node->operand, tensor, indices, &axis);
  if (at >= 0) return load(tensor, at);
  if (node->has_default) return m->registers[in->args[tensor->rank]];
  return failed(m, stmt, "a read", node->operand, axis, indices[axis]), (wf_scalar_value){0};
}

static int64_t to_int(double value) { return isnan(value) ? 0 : value >= 0x1p63 ? INT64_MAX : value <= -0x1p63 ? INT64_MIN : (int64_t)value; }

static wf_scalar_value run_cast(wf_machine *m, wf_dtype to, wf_dtype from, wf_scalar_value value) {
  bool to_float = wf_dtype_is_float(to), from_float = wf_dtype_is_float(from);
  if (to_float) return (wf_scalar_value){.f = rounded(m, to, from_float ? value.f : (double)value.i)};
  if (!from_float) return (wf_scalar_value){.i = wf_wrap_int(to, value.i)};
  return (wf_scalar_value){.i = to == WF_I64 ? to_int(value.f) : (int64_t)wf_round_to(to, value.f)};
}

static wf_scalar_value run_operation(wf_machine *m, const wf_stmt *stmt, const wf_instruction *in) {
  const wf_expr *node = in->node;
  if (node->op == WF_S_CAST) return run_cast(m, node->dtype, node->args[0]->dtype, m->registers[in->args[0]]);
  if (node->op == WF_S_SELECT) return m->registers[in->args[0]].i ? m->registers[in->args[1]] : m->registers[in->args[2]];
  double floats[3] = {0};
  int64_t integers[3] = {0}, result = 0;
  bool of_floats = wf_dtype_is_float(node->args[node->arg_count - 1]->dtype);
  for (int i = 0; i < node->arg_count; i++) floats[i] = m->registers[in->args[i]].f, integers[i] = m->registers[in->args[i]].i;
  if (!of_floats) {
    if (!wf_scalar_eval_int(node->op, integers, &result)) failed(m, stmt, "an integer division by zero", NULL, 0, 0);
    return (wf_scalar_value){.i = wf_wrap_int(node->dtype, result)};
  }
  double value = wf_scalar_eval_float(node->op, floats);
  return wf_dtype_is_float(node->dtype) ? (wf_scalar_value){.f = rounded(m, node->dtype, value)} : (wf_scalar_value){.i = (int64_t)value};
}

static void run_code(wf_machine *m, const wf_stmt *stmt, const wf_machine_code *c) {
  for (int i = 0; i < c->list.count && !m->failed; i++) {
    const wf_instruction *in = &c->list.items[i];
    const wf_expr *node = in->node;
    wf_scalar_value *r = &m->registers[i];
    switch (node->op) {
    case WF_S_CONST: *r = wf_dtype_is_float(node->dtype) ? (wf_scalar_value){.f = node->number} : (wf_scalar_value){.i = node->integer}; break;
    case WF_S_INDEX: r->i = wf_machine_dim(m, node->dim); break;
    case WF_S_READ: *r = run_read(m, stmt, in); break;
    case WF_S_RANDOM:
      r->f = wf_random_uniform((uint64_t)m->registers[in->args[0]].i, (uint64_t)node->integer, (uint64_t)m->registers[in->args[1]].i, (uint64_t)m->registers[in->args[2]].i);
      break;
    default: *r = run_operation(m, stmt, in);
    }
  }
}

// ---- statements -------------------------------------------------------------------------------------------------------------

static wf_scalar combining(wf_combiner combiner) {
  switch (combiner) {
  case WF_R_SUM: return WF_S_ADD;
  case WF_R_PROD: return WF_S_MUL;
  case WF_R_MAX: return WF_S_MAX;
  case WF_R_MIN: return WF_S_MIN;
  case WF_R_NONE: case WF_R_ARGMAX: case WF_R_ARGMIN: case WF_COMBINER_COUNT: break;
  }
  return WF_S_CONST;
}

// `buffer += a * b` is a fused multiply-add: the product is not rounded.
static double accumulate(wf_machine *m, const wf_machine_step *s, double old, double value) {
  const wf_instruction *last = &s->code.list.items[s->code.value];
  bool fused = m->round && s->stmt->combiner == WF_R_SUM && last->node->op == WF_S_MUL && wf_dtype_is_float(last->node->dtype);
  if (fused) return fma(m->registers[last->args[0]].f, m->registers[last->args[1]].f, old);
  return wf_scalar_eval_float(combining(s->stmt->combiner), (double[]){old, value});
}

bool wf_machine_element(wf_machine *m, const wf_machine_step *s, wf_pending_store *out) {
  const wf_stmt *stmt = s->stmt;
  run_code(m, stmt, &s->code);
  wf_tensor *tensor = stmt->buffer->id < m->buffers.count ? m->buffers.items[stmt->buffer->id] : NULL;
  if (m->failed || !tensor) return false;
  int64_t indices[WF_MAX_RANK];
  for (int i = 0; i < tensor->rank; i++) indices[i] = m->registers[s->code.indices[i]].i;
  int axis = 0;
  int64_t at = element(m, stmt->buffer, tensor, indices, &axis);
  if (at < 0) return failed(m, stmt, "a store", stmt->buffer, axis, indices[axis]);
  *out = (wf_pending_store){tensor, at, load(tensor, at)};
  return true;
}

wf_scalar_value wf_machine_combine(const wf_machine *m, wf_combiner combiner, wf_dtype type, wf_scalar_value a, wf_scalar_value b) {
  int64_t combined = b.i;
  if (wf_dtype_is_float(type)) return (wf_scalar_value){.f = rounded(m, type, wf_scalar_eval_float(combining(combiner), (double[]){a.f, b.f}))};
  wf_scalar_eval_int(combining(combiner), (int64_t[]){a.i, b.i}, &combined);
  return (wf_scalar_value){.i = wf_wrap_int(type, combined)};
}

bool wf_machine_prepare_store(wf_machine *m, const wf_machine_step *s, wf_pending_store *out) {
  const wf_stmt *stmt = s->stmt;
  if (!wf_machine_element(m, s, out)) return false;
  wf_scalar_value value = m->registers[s->code.value], old = out->value;
  bool floats = wf_dtype_is_float(stmt->buffer->dtype);
  if (floats && stmt->combiner != WF_R_NONE) value.f = accumulate(m, s, old.f, value.f);
  if (floats) out->value.f = rounded(m, stmt->buffer->dtype, value.f);
  else if (stmt->combiner == WF_R_NONE) out->value.i = wf_wrap_int(stmt->buffer->dtype, value.i);
  else out->value = wf_machine_combine(m, stmt->combiner, stmt->buffer->dtype, old, value);
  return true;
}

void wf_machine_write(const wf_pending_store *store) {
  if (store->tensor->floats) store->tensor->floats[store->at] = store->value.f;
  else store->tensor->integers[store->at] = store->value.i;
}

void wf_machine_poison(wf_machine *m, const wf_value *buffer) {
  wf_tensor *tensor = m->buffers.items[buffer->id];
  int64_t first = copies_of(m, buffer) > 1 ? m->thread * tensor->count : 0;
  for (int64_t i = first; i < first + tensor->count; i++)
    if (tensor->floats) tensor->floats[i] = NAN;
    else tensor->integers[i] = 0x5a5a5a5a5a5a5a5b;
}

bool wf_machine_condition(wf_machine *m, const wf_machine_step *s) {
  run_code(m, s->stmt, &s->code);
  return !m->failed && m->registers[s->code.value].i;
}

static void run_steps(wf_machine *m, const wf_machine_step *steps, int count) {
  wf_pending_store store;
  for (int i = 0; i < count && !m->failed; i++) {
    const wf_machine_step *s = &steps[i];
    switch (s->stmt->kind) {
    case WF_STMT_ALLOC: wf_machine_poison(m, s->stmt->buffer); break;
    case WF_STMT_STORE:
      if (wf_machine_prepare_store(m, s, &store)) wf_machine_write(&store);
      break;
    case WF_STMT_BARRIER: case WF_STMT_REDUCE: failed(m, s->stmt, "a statement of a thread program", NULL, 0, 0); break;
    case WF_STMT_IF:
      if (wf_machine_condition(m, s)) run_steps(m, s->body, s->body_count);
      break;
    case WF_STMT_FOR: {
      int64_t extent = wf_machine_dim(m, s->stmt->axis->extent);
      for (int64_t at = 0; at < extent && !m->failed; at++) {
        wf_machine_set_atom(m, s->stmt->axis, at);
        run_steps(m, s->body, s->body_count);
      }
      break;
    }
    }
  }
}

static bool check_params(wf_machine *m, wf_tensor *const *buffers) {
  for (int i = 0; i < m->kernel->params.count; i++) {
    const wf_value *param = m->kernel->params.items[i];
    bool good = buffers[i]->rank == param->rank && !!buffers[i]->floats == wf_dtype_is_float(param->dtype);
    for (int k = 0; good && k < param->rank; k++) {
      bool known = true;
      const wf_atom *atom = wf_dim_as_atom(param->shape[k]);   // an outer extent may be a symbol that the body does not use
      if (atom && atom->kind == WF_ATOM_SYMBOL) {
        known = false;
        for (int s = 0; s < m->kernel->symbols.count; s++) known |= m->kernel->symbols.items[s] == atom;
      }
      good = !known || buffers[i]->shape[k] == wf_machine_dim(m, param->shape[k]);
    }
    if (!good) {
      wf_error(m->diag, m->kernel->loc, "kernel @%s: the buffer given for %%%s has another type or shape", m->kernel->name, param->name);
      return false;
    }
    set_buffer(m, param, buffers[i]);
  }
  return true;
}

bool wf_kernel_ref_run(wf_arena *arena, wf_diag *diag, const wf_kernel *kernel, wf_tensor *const *buffers,
                       const int64_t *symbol_values, bool round) {
  (void)arena;   // results lie in the caller's buffers
  wf_machine m = {.arena = wf_arena_create(), .diag = diag, .kernel = kernel, .round = round, .threads = wf_kernel_threads(kernel)};
  for (int i = 0; i < kernel->symbols.count; i++) wf_machine_set_atom(&m, kernel->symbols.items[i], symbol_values[i]);
  bool good = check_params(&m, buffers);
  for (int i = 0; good && i < kernel->sections.count; i++) {
    const wf_block *section = kernel->sections.items[i];
    const wf_machine_step *steps = prepare(&m, section);
    m.registers = WF_NEW_ARRAY(m.arena, wf_scalar_value, m.register_count);
    if (m.threads) wf_machine_run_blocks(&m, steps, section->list.count);
    else run_steps(&m, steps, section->list.count);
    good = !m.failed;
  }
  wf_arena_destroy(m.arena);
  return good;
}
