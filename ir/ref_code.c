// Compiling a compute's scalar DAG for the reference evaluator: one register a node, affine indices as slots that are
// stepped from point to point, everything else as instructions over WF_REF_LANES points.
#include "ir/ref_internal.h"

typedef struct compiler {
  wf_ref_code *code;
  const wf_expr **nodes;   // open addressing by node address
  int *node_registers;
  int node_capacity;
  int node_count;
  bool failed;
} compiler;

static int new_register(compiler *c) { return c->code->register_count++; }

static int constant(compiler *c, bool is_float, double number, int64_t integer) {
  int target = new_register(c);
  wf_ref_register value;
  if (is_float) value.f[0] = number; else value.i[0] = integer;
  wf_vec_push(c->code->arena, &c->code->constants, value);
  wf_vec_push(c->code->arena, &c->code->constant_targets, target);
  return target;
}

static int emit(compiler *c, wf_ref_instruction instruction) {
  instruction.target = new_register(c);
  wf_vec_push(c->code->arena, &c->code->instructions, instruction);
  return instruction.target;
}

static int emit_int(compiler *c, wf_scalar op, int a, int b) {
  return emit(c, (wf_ref_instruction){.kind = WF_REF_INT, .op = op, .type = WF_I64, .a = a, .b = b});
}

// ---- dims -------------------------------------------------------------------------------------------------------

static int axis_number(const wf_ref_code *code, const wf_atom *atom) {
  for (int i = 0; i < code->axis_count; i++)
    if (code->axes[i] == atom) return i;
  return -1;
}

static bool dim_value(compiler *c, const wf_dim *dim, int64_t *out_value) {
  bool good = wf_ref_dim(c->code->ref, c->code->op->loc, dim, out_value);
  if (!good) c->failed = true;
  return good;
}

// The part of a dim that is affine in the axes goes to coefficients and constant; false for a term that is not.
static bool affine_term(compiler *c, const wf_term *term, int64_t *coefficients, int64_t *constant_part) {
  int axis = -1;
  int64_t factor = term->coefficient;
  for (int i = 0; i < term->factor_count; i++) {
    const wf_atom *atom = term->factors[i];
    int number = atom->kind == WF_ATOM_AXIS ? axis_number(c->code, atom) : -1;
    if (number >= 0) {
      if (axis >= 0) return false;
      axis = number;
      continue;
    }
    if (atom->kind == WF_ATOM_FLOORDIV && wf_dim_has_axis(atom->as_dim)) return false;
    int64_t value;
    if (!dim_value(c, atom->as_dim, &value)) return true;
    factor *= value;
  }
  if (axis >= 0) coefficients[axis] += factor; else *constant_part += factor;
  return true;
}

static wf_ref_slot new_slot(compiler *c) {
  return (wf_ref_slot){.target = -1, .coefficients = WF_NEW_ARRAY(c->code->arena, int64_t, c->code->axis_count)};
}

static void bound_slot(const wf_ref_code *code, wf_ref_slot *slot) {
  slot->low = slot->high = slot->current;
  for (int i = 0; i < code->axis_count; i++) {
    int64_t span = slot->coefficients[i] * (code->extents[i] - 1);
    if (span < 0) slot->low += span; else slot->high += span;
  }
}

static int push_slot(compiler *c, wf_ref_slot slot) {
  slot.target = new_register(c);
  wf_vec_push(c->code->arena, &c->code->slots, slot);
  return slot.target;
}

// The affine part of the dim as a slot without a register; out_rest counts the terms left over.
static wf_ref_slot affine_part(compiler *c, const wf_dim *dim, int *out_rest) {
  wf_ref_slot slot = new_slot(c);
  *out_rest = 0;
  for (int i = 0; i < dim->term_count; i++)
    *out_rest += !affine_term(c, &dim->terms[i], slot.coefficients, &slot.current);
  bound_slot(c->code, &slot);
  return slot;
}

static int compile_dim(compiler *c, const wf_dim *dim);

static int compile_factor(compiler *c, const wf_atom *atom) {
  if (atom->kind != WF_ATOM_FLOORDIV) return compile_dim(c, atom->as_dim);
  int numerator = compile_dim(c, atom->numerator);
  return emit_int(c, WF_S_FLOORDIV, numerator, compile_dim(c, atom->denominator));
}

static int compile_dim(compiler *c, const wf_dim *dim) {
  int rest;
  int result = push_slot(c, affine_part(c, dim, &rest));
  for (int i = 0; rest && i < dim->term_count; i++) {
    const wf_term *term = &dim->terms[i];
    int64_t ignored[64] = {0}, nothing = 0;
    if (c->code->axis_count > 64 || affine_term(c, term, ignored, &nothing)) continue;
    int product = constant(c, false, 0, term->coefficient);
    for (int k = 0; k < term->factor_count; k++) product = emit_int(c, WF_S_MUL, product, compile_factor(c, term->factors[k]));
    result = emit_int(c, WF_S_ADD, result, product);
  }
  return result;
}

// ---- nodes ------------------------------------------------------------------------------------------------------

static int *find_node(compiler *c, const wf_expr *node) {
  size_t at = ((uintptr_t)node >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 20;
  for (;; at++) {
    size_t place = at & (size_t)(c->node_capacity - 1);
    if (c->nodes[place] == node || !c->nodes[place]) {
      c->nodes[place] = node;
      return &c->node_registers[place];
    }
  }
}

// All indices affine and inside for every point: one slot gives the element's offset.
static bool plain_offset(compiler *c, const wf_expr *node, const wf_tensor *tensor, wf_ref_slot *out_offset) {
  wf_ref_slot offset = new_slot(c);
  int64_t stride = 1;
  for (int axis = tensor->rank - 1; axis >= 0; axis--) {
    if (node->args[axis]->op != WF_S_INDEX) return false;
    int rest;
    wf_ref_slot index = affine_part(c, node->args[axis]->dim, &rest);
    if (rest || index.low < 0 || index.high >= tensor->shape[axis]) return false;
    offset.current += stride * index.current;
    for (int i = 0; i < c->code->axis_count; i++) offset.coefficients[i] += stride * index.coefficients[i];
    stride *= tensor->shape[axis];
  }
  bound_slot(c->code, &offset);
  *out_offset = offset;
  return true;
}

static int compile_read(compiler *c, const wf_expr *node) {
  const wf_tensor *tensor = c->code->ref->values[node->operand->id];
  wf_ref_instruction read = {.kind = WF_REF_GATHER, .type = node->dtype, .tensor = tensor, .value = node->operand, .outside = -1};
  if (!tensor) {
    wf_error(c->code->ref->diag, c->code->op->loc, "'%s' is read before it has a value", node->operand->name);
    c->failed = true;
    return 0;
  }
  wf_ref_slot offset;
  if (plain_offset(c, node, tensor, &offset)) {
    read.a = push_slot(c, offset);
    return emit(c, read);
  }
  int *indices = WF_NEW_ARRAY(c->code->arena, int, tensor->rank);
  for (int axis = 0; axis < tensor->rank; axis++) indices[axis] = *find_node(c, node->args[axis]);
  read.kind = WF_REF_READ;
  read.indices = indices;
  if (node->has_default) read.outside = *find_node(c, node->args[tensor->rank]);
  return emit(c, read);
}

static int compile_operation(compiler *c, const wf_expr *node) {
  wf_ref_instruction made = {.kind = WF_REF_FLOAT, .op = node->op, .type = node->dtype, .site = (uint64_t)node->integer};
  int *operands[3] = {&made.a, &made.b, &made.c};
  for (int i = 0; i < node->arg_count && i < 3; i++) *operands[i] = *find_node(c, node->args[i]);
  if (node->op == WF_S_RANDOM) made.kind = WF_REF_RANDOM;
  else if (node->op == WF_S_SELECT) made.kind = WF_REF_SELECT;
  else if (node->op == WF_S_CAST) made.kind = WF_REF_CAST, made.from = node->args[0]->dtype;
  else if (!wf_dtype_is_float(node->args[0]->dtype)) made.kind = WF_REF_INT;
  return emit(c, made);
}

// Indices of a read that became one slot need no registers of their own: an INDEX node is compiled when it is asked for.
static void compile_node(void *context, const wf_expr *node) {
  compiler *c = context;
  int target;
  switch ((int)node->op) {
    case WF_S_CONST: target = constant(c, wf_dtype_is_float(node->dtype), node->number, node->integer); break;
    case WF_S_INDEX: target = compile_dim(c, node->dim); break;
    case WF_S_READ: target = compile_read(c, node); break;
    default: target = compile_operation(c, node); break;
  }
  *find_node(c, node) = target;
}

static void count_node(void *context, const wf_expr *node) { ++*(int *)context; }

// Walks of several roots meet shared nodes again: those are compiled already.
static void compile_new_node(void *context, const wf_expr *node) {
  compiler *c = context;
  if (*find_node(c, node) < 0) compile_node(context, node);
}

// Drops slots whose register no instruction reads (indices that were folded into an offset).
static void drop_unused_slots(compiler *c) {
  wf_ref_code *code = c->code;
  bool *used = WF_NEW_ARRAY(code->arena, bool, code->register_count);
  used[code->body] = true;
  for (int i = 0; i < WF_MAX_RANK; i++)
    if (code->targets[i] >= 0) used[code->targets[i]] = true;
  for (int i = 0; i < code->instructions.count; i++) {
    const wf_ref_instruction *in = &code->instructions.items[i];
    used[in->a] = used[in->b] = used[in->c] = true;
    for (int k = 0; in->indices && k < in->tensor->rank; k++) used[in->indices[k]] = true;
    if (in->outside >= 0) used[in->outside] = true;
  }
  int kept = 0;
  for (int i = 0; i < code->slots.count; i++)
    if (used[code->slots.items[i].target]) code->slots.items[kept++] = code->slots.items[i];
  code->slots.count = kept;
}

static bool set_axes(wf_ref_code *code, const wf_op *op) {
  code->axis_count = op->axis_count + op->reduction_count;
  code->axes = WF_NEW_ARRAY(code->arena, const wf_atom *, code->axis_count);
  code->extents = WF_NEW_ARRAY(code->arena, int64_t, code->axis_count);
  code->position = WF_NEW_ARRAY(code->arena, int64_t, code->axis_count);
  code->points = 1;
  for (int i = 0; i < code->axis_count; i++) {
    code->axes[i] = i < op->axis_count ? op->axes[i] : op->reduction_axes[i - op->axis_count];
    if (!wf_ref_dim(code->ref, op->loc, code->axes[i]->extent, &code->extents[i])) return false;
    if (code->extents[i] < 0) {
      wf_error(code->ref->diag, op->loc, "axis '%s' has the negative extent %lld", code->axes[i]->name, (long long)code->extents[i]);
      return false;
    }
    code->points *= code->extents[i];
  }
  return true;
}

static void compile_roots(compiler *c, const wf_op *op) {
  wf_ref_code *code = c->code;
  c->node_count = 0;
  wf_expr_walk(op->body, count_node, &c->node_count);
  for (int i = 0; i < op->target_count; i++) wf_expr_walk(op->target[i], count_node, &c->node_count);
  for (c->node_capacity = 16; c->node_capacity < 2 * c->node_count; c->node_capacity *= 2) {}
  c->nodes = WF_NEW_ARRAY(code->arena, const wf_expr *, c->node_capacity);
  c->node_registers = WF_NEW_ARRAY(code->arena, int, c->node_capacity);
  memset(c->node_registers, 0xff, sizeof(int) * (size_t)c->node_capacity);
  wf_expr_walk(op->body, compile_new_node, c);
  code->body = *find_node(c, op->body);
  for (int i = 0; i < WF_MAX_RANK; i++) code->targets[i] = -1;
  for (int i = 0; i < op->target_count; i++) {
    wf_expr_walk(op->target[i], compile_new_node, c);
    code->targets[i] = *find_node(c, op->target[i]);
  }
}

wf_ref_code *wf_ref_compile(wf_ref *ref, const wf_op *op) {
  wf_arena *arena = wf_arena_create();
  wf_ref_code *code = WF_NEW(arena, wf_ref_code);
  *code = (wf_ref_code){.ref = ref, .arena = arena, .op = op};
  compiler c = {.code = code};
  if (set_axes(code, op)) {
    compile_roots(&c, op);
    if (!c.failed) {
      drop_unused_slots(&c);
      code->registers = WF_NEW_ARRAY(arena, wf_ref_register, code->register_count);
      for (int i = 0; i < code->constants.count; i++)
        for (int lane = 0; lane < WF_REF_LANES; lane++)
          code->registers[code->constant_targets.items[i]].i[lane] = code->constants.items[i].i[0];
      return code;
    }
  }
  wf_arena_destroy(arena);
  return NULL;
}

void wf_ref_code_destroy(wf_ref_code *code) { wf_arena_destroy(code->arena); }
