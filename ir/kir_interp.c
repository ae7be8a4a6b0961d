// wf_kernel_ref_run: kernel IR interpreted statement by statement in f64 (i64 for integers), lanes and tasks one after
// the other. Local buffers start as NaN (integers as a large odd number), so that a read of unwritten memory shows.
#include <math.h>
#include "ir/expr_internal.h"
#include "ir/kir.h"

typedef union scalar { double f; int64_t i; } scalar;

typedef struct instruction { const wf_expr *node; int args[WF_MAX_RANK + 1]; } instruction;   // args: earlier instructions

typedef struct code {          // a statement's expressions, operands first
  WF_VEC(instruction) list;
  int indices[WF_MAX_RANK], value;
} code;

typedef struct step {
  const wf_stmt *stmt;
  code code;                   // IF, STORE
  struct step *body;           // FOR, IF
  int body_count;
} step;

typedef struct machine {
  wf_arena *arena;             // scratch
  wf_diag *diag;
  const wf_kernel *kernel;
  bool round, failed;
  WF_VEC(int64_t) atoms;       // by atom id
  WF_VEC(wf_tensor *) buffers; // by wf_value.id
  scalar *registers;
  int register_count;
} machine;

// ---- preparing ------------------------------------------------------------------------------------------------------------

static void set_atom(machine *m, const wf_atom *atom, int64_t value) {
  while (m->atoms.count <= atom->id) wf_vec_push(m->arena, &m->atoms, 0);
  m->atoms.items[atom->id] = value;
}

static int64_t atom_value(void *context, const wf_atom *atom) {
  machine *m = context;
  return atom->id < m->atoms.count ? m->atoms.items[atom->id] : 0;
}

static int64_t dim_value(machine *m, const wf_dim *dim) { return wf_dim_eval(dim, atom_value, m); }

static void set_buffer(machine *m, const wf_value *value, wf_tensor *tensor) {
  while (m->buffers.count <= value->id) wf_vec_push(m->arena, &m->buffers, NULL);
  m->buffers.items[value->id] = tensor;
}

typedef struct compiler { machine *m; code *code; } compiler;

static int find(const code *c, const wf_expr *node) {
  for (int i = c->list.count - 1; i >= 0; i--)
    if (c->list.items[i].node == node) return i;
  return -1;
}

static void compile_node(void *context, const wf_expr *node) {
  compiler *c = context;
  if (find(c->code, node) >= 0) return;
  instruction made = {.node = node};
  for (int i = 0; i < node->arg_count; i++) made.args[i] = find(c->code, node->args[i]);
  wf_vec_push(c->m->arena, &c->code->list, made);
}

static int compile(machine *m, code *to, const wf_expr *root) {
  wf_expr_walk(root, compile_node, &(compiler){m, to});
  if (to->list.count > m->register_count) m->register_count = to->list.count;
  return find(to, root);
}

static bool failed(machine *m, const wf_stmt *stmt, const char *what, const wf_value *buffer, int axis, int64_t index) {
  if (buffer) wf_error(m->diag, stmt->loc, "kernel @%s: %s: index %lld on axis %d of %%%s is out of bounds", m->kernel->name, what, (long long)index, axis, buffer->name);
  else wf_error(m->diag, stmt->loc, "kernel @%s: %s", m->kernel->name, what);
  m->failed = true;
  return false;
}

static bool allocate(machine *m, const wf_stmt *stmt) {
  int64_t shape[WF_MAX_RANK], count = 1;
  for (int i = 0; i < stmt->buffer->rank; i++) {
    shape[i] = dim_value(m, stmt->buffer->shape[i]);
    if (shape[i] < 0 || (shape[i] && count > (INT64_C(1) << 31) / shape[i])) return failed(m, stmt, "a buffer's extents are impossible", NULL, 0, 0);
    count *= shape[i];
  }
  set_buffer(m, stmt->buffer, wf_tensor_create(m->arena, stmt->buffer->dtype, stmt->buffer->rank, shape));
  return true;
}

static step *prepare(machine *m, const wf_block *block) {
  step *steps = WF_NEW_ARRAY(m->arena, step, block->list.count);
  for (int i = 0; i < block->list.count && !m->failed; i++) {
    const wf_stmt *stmt = block->list.items[i];
    step *s = &steps[i];
    s->stmt = stmt;
    switch (stmt->kind) {
    case WF_STMT_ALLOC: allocate(m, stmt); break;
    case WF_STMT_IF: s->code.value = compile(m, &s->code, stmt->condition); break;
    case WF_STMT_STORE:
      for (int k = 0; k < stmt->buffer->rank; k++) s->code.indices[k] = compile(m, &s->code, stmt->indices[k]);
      s->code.value = compile(m, &s->code, stmt->value);
      break;
    case WF_STMT_FOR: case WF_STMT_BARRIER: case WF_STMT_REDUCE: break;
    }
    s->body = prepare(m, &stmt->body);
    s->body_count = stmt->body.list.count;
  }
  return steps;
}

// ---- scalars --------------------------------------------------------------------------------------------------------------

static double rounded(const machine *m, wf_dtype type, double value) { return m->round ? wf_round_to(type, value) : value; }

// The element's position, or -1 with the first bad axis.
static int64_t element(const wf_tensor *tensor, const int64_t *indices, int *out_axis) {
  int64_t at = 0;
  for (int i = 0; i < tensor->rank; i++) {
    if (indices[i] < 0 || indices[i] >= tensor->shape[i]) return *out_axis = i, -1;
    at = at * tensor->shape[i] + indices[i];
  }
  return at;
}

static scalar load(const wf_tensor *tensor, int64_t at) { return tensor->floats ? (scalar){.f = tensor->floats[at]} : (scalar){.i = tensor->integers[at]}; }

static scalar run_read(machine *m, const wf_stmt *stmt, const instruction *in) {
  const wf_expr *node = in->node;
  const wf_tensor *tensor = node->operand->id < m->buffers.count ? m->buffers.items[node->operand->id] : NULL;
  if (!tensor) return failed(m, stmt, "a read of a buffer that does not exist", NULL, 0, 0), (scalar){0};
  int64_t indices[WF_MAX_RANK];
  for (int i = 0; i < tensor->rank; i++) indices[i] = m->registers[in->args[i]].i;
  int axis = 0;
  int64_t at = element(tensor, indices, &axis);
  if (at >= 0) return load(tensor, at);
  if (node->has_default) return m->registers[in->args[tensor->rank]];
  return failed(m, stmt, "a read", node->operand, axis, indices[axis]), (scalar){0};
}

static int64_t to_int(double value) { return isnan(value) ? 0 : value >= 0x1p63 ? INT64_MAX : value <= -0x1p63 ? INT64_MIN : (int64_t)value; }

static scalar run_cast(machine *m, wf_dtype to, wf_dtype from, scalar value) {
  bool to_float = wf_dtype_is_float(to), from_float = wf_dtype_is_float(from);
  if (to_float) return (scalar){.f = rounded(m, to, from_float ? value.f : (double)value.i)};
  if (!from_float) return (scalar){.i = wf_wrap_int(to, value.i)};
  return (scalar){.i = to == WF_I64 ? to_int(value.f) : (int64_t)wf_round_to(to, value.f)};
}

static scalar run_operation(machine *m, const wf_stmt *stmt, const instruction *in) {
  const wf_expr *node = in->node;
  if (node->op == WF_S_CAST) return run_cast(m, node->dtype, node->args[0]->dtype, m->registers[in->args[0]]);
  if (node->op == WF_S_SELECT) return m->registers[in->args[0]].i ? m->registers[in->args[1]] : m->registers[in->args[2]];
  double floats[3] = {0};
  int64_t integers[3] = {0}, result = 0;
  bool of_floats = wf_dtype_is_float(node->args[node->arg_count - 1]->dtype);
  for (int i = 0; i < node->arg_count; i++) floats[i] = m->registers[in->args[i]].f, integers[i] = m->registers[in->args[i]].i;
  if (!of_floats) {
    if (!wf_scalar_eval_int(node->op, integers, &result)) failed(m, stmt, "an integer division by zero", NULL, 0, 0);
    return (scalar){.i = wf_wrap_int(node->dtype, result)};
  }
  double value = wf_scalar_eval_float(node->op, floats);
  return wf_dtype_is_float(node->dtype) ? (scalar){.f = rounded(m, node->dtype, value)} : (scalar){.i = (int64_t)value};
}

static void run_code(machine *m, const wf_stmt *stmt, const code *c) {
  for (int i = 0; i < c->list.count && !m->failed; i++) {
    const instruction *in = &c->list.items[i];
    const wf_expr *node = in->node;
    scalar *r = &m->registers[i];
    switch (node->op) {
    case WF_S_CONST: *r = wf_dtype_is_float(node->dtype) ? (scalar){.f = node->number} : (scalar){.i = node->integer}; break;
    case WF_S_INDEX: r->i = dim_value(m, node->dim); break;
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
static double accumulate(machine *m, const step *s, double old, double value) {
  const instruction *last = &s->code.list.items[s->code.value];
  bool fused = m->round && s->stmt->combiner == WF_R_SUM && last->node->op == WF_S_MUL && wf_dtype_is_float(last->node->dtype);
  if (fused) return fma(m->registers[last->args[0]].f, m->registers[last->args[1]].f, old);
  return wf_scalar_eval_float(combining(s->stmt->combiner), (double[]){old, value});
}

static void run_store(machine *m, const step *s) {
  const wf_stmt *stmt = s->stmt;
  run_code(m, stmt, &s->code);
  wf_tensor *tensor = stmt->buffer->id < m->buffers.count ? m->buffers.items[stmt->buffer->id] : NULL;
  if (m->failed || !tensor) return;
  int64_t indices[WF_MAX_RANK];
  for (int i = 0; i < tensor->rank; i++) indices[i] = m->registers[s->code.indices[i]].i;
  int axis = 0;
  int64_t at = element(tensor, indices, &axis), combined;
  if (at < 0) { failed(m, stmt, "a store", stmt->buffer, axis, indices[axis]); return; }
  scalar value = m->registers[s->code.value];
  if (tensor->floats) {
    double result = stmt->combiner == WF_R_NONE ? value.f : accumulate(m, s, tensor->floats[at], value.f);
    tensor->floats[at] = rounded(m, stmt->buffer->dtype, result);
  } else {
    combined = value.i;
    if (stmt->combiner != WF_R_NONE) wf_scalar_eval_int(combining(stmt->combiner), (int64_t[]){tensor->integers[at], value.i}, &combined);
    tensor->integers[at] = wf_wrap_int(stmt->buffer->dtype, combined);
  }
}

static void poison(machine *m, const wf_value *buffer) {
  wf_tensor *tensor = m->buffers.items[buffer->id];
  for (int64_t i = 0; i < tensor->count; i++)
    if (tensor->floats) tensor->floats[i] = NAN;
    else tensor->integers[i] = 0x5a5a5a5a5a5a5a5b;
}

static void run_steps(machine *m, const step *steps, int count) {
  for (int i = 0; i < count && !m->failed; i++) {
    const step *s = &steps[i];
    switch (s->stmt->kind) {
    case WF_STMT_ALLOC: poison(m, s->stmt->buffer); break;
    case WF_STMT_STORE: run_store(m, s); break;
    case WF_STMT_BARRIER: case WF_STMT_REDUCE: failed(m, s->stmt, "a statement of a thread program", NULL, 0, 0); break;
    case WF_STMT_IF:
      run_code(m, s->stmt, &s->code);
      if (!m->failed && m->registers[s->code.value].i) run_steps(m, s->body, s->body_count);
      break;
    case WF_STMT_FOR: {
      int64_t extent = dim_value(m, s->stmt->axis->extent);
      for (int64_t at = 0; at < extent && !m->failed; at++) {
        set_atom(m, s->stmt->axis, at);
        run_steps(m, s->body, s->body_count);
      }
      break;
    }
    }
  }
}

static bool check_params(machine *m, wf_tensor *const *buffers) {
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
      good = !known || buffers[i]->shape[k] == dim_value(m, param->shape[k]);
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
  machine m = {.arena = wf_arena_create(), .diag = diag, .kernel = kernel, .round = round};
  for (int i = 0; i < kernel->symbols.count; i++) set_atom(&m, kernel->symbols.items[i], symbol_values[i]);
  bool good = check_params(&m, buffers);
  for (int i = 0; good && i < kernel->sections.count; i++) {
    const wf_block *section = kernel->sections.items[i];
    const step *steps = prepare(&m, section);
    m.registers = WF_NEW_ARRAY(m.arena, scalar, m.register_count);
    run_steps(&m, steps, section->list.count);
    good = !m.failed;
  }
  wf_arena_destroy(m.arena);
  return good;
}
