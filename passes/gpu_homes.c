// Where the values of a row live between the members that make and read them. A value that every thread reads at the very
// points that it made stays in its registers; one that others read lies in shared memory; what is not bounded by a
// constant is computed again where that is cheap, else it becomes a result of the launch, read back after a barrier.
#include "passes/gpu.h"
#include "passes/inline_read.h"

enum { MOST_OF_A_VALUE = 32, MOST_REGISTERS = 80, HOMES_BYTES = WF_GPU_SHARED - (6 << 10), CHEAP = 48, MOST_READS = 8 };

int wf_gpu_own_axes(const wf_op *member, int shared, const wf_atom *const **out_axes) {
  bool extra = member->axis_count > shared;
  *out_axes = extra ? member->axes + shared : member->reduction_axes;
  return extra ? member->axis_count - shared : member->reduction_count;
}

int wf_gpu_registers(const wf_dim *points, int lanes, int width) {
  int64_t extent, round = (int64_t)lanes * width;
  if (!wf_dim_is_const(points, &extent)) return 0;
  int64_t rounds = (extent + round - 1) / round;
  return rounds * width <= MOST_OF_A_VALUE ? (int)rounds * width : 0;
}

typedef struct reads { const wf_op *reader; const wf_value *value; int shared, count; bool own, affine; } reads;

static void note_read(void *context, const wf_expr *node) {
  reads *r = context;
  const wf_atom *const *axes;
  if (node->op != WF_S_READ || node->operand != r->value) return;
  int own = wf_gpu_own_axes(r->reader, r->shared, &axes);
  r->count++;
  for (int a = 0; a < r->value->rank; a++) r->affine = r->affine && node->args[a]->op == WF_S_INDEX;
  if (own != r->value->rank - r->shared || node->has_default) r->own = false;
  for (int a = r->shared; a < r->value->rank && r->own; a++) {
    const wf_atom *axis = axes[a - r->shared];
    r->own = node->args[a]->op == WF_S_INDEX && node->args[a]->dim == axis->as_dim && axis->extent == r->value->shape[a];
  }
}

// All reads of members[index]'s result by later members.
static reads reads_of(wf_op **members, int count, int shared, int index) {
  reads r = {.value = members[index]->results[0], .shared = shared, .own = true, .affine = true};
  for (int i = index + 1; i < count; i++) {
    r.reader = members[i];
    wf_expr_walk(members[i]->body, note_read, &r);
  }
  return r;
}

static const wf_dim *points_of(wf_module *module, const wf_op *member, int shared) {
  const wf_dim *points = wf_dim_const(module->dims, 1);
  for (int a = shared; a < member->axis_count; a++) points = wf_dim_mul(points, member->axes[a]->extent);
  return points;
}

static const wf_expr *substitute(void *context, const wf_expr *node) {
  wf_op *producer = ((void **)context)[0];
  if (node->op != WF_S_READ || node->operand != producer->results[0]) return NULL;
  return wf_inline_read(((void **)context)[1], producer, node);
}

static void inline_into_readers(wf_module *module, wf_op **members, int count, int index) {
  void *context[2] = {members[index], module};
  for (int i = index + 1; i < count; i++) {
    members[i]->body = wf_expr_rewrite(module, members[i]->body, NULL, 0, substitute, context);
    wf_op_refresh_operands(module, members[i]);
  }
}

// Last members first: a value that is computed again hands its own reads on to its readers.
void wf_gpu_choose_homes(wf_gpu_block *block, wf_op **members, int count, int shared, int lanes, int width, wf_gpu_home *out_homes) {
  wf_module *module = block->draft->module;
  int registers = 0, teams = block->draft->threads / lanes;
  double bytes = 0;
  for (int i = count - 1; i >= 0; i--) {
    wf_op *member = members[i];
    wf_value *value = member->results[0];
    reads r = reads_of(members, count, shared, i);
    const wf_dim *points = points_of(module, member, shared);
    int own = wf_gpu_registers(points, lanes, width), words = (wf_dtype_bytes(value->dtype) + 3) / 4;
    double size = wf_draft_estimate(points) * teams * wf_dtype_bytes(value->dtype) + 16;
    out_homes[i] = WF_HOME_GLOBAL;
    if (r.count == 0) out_homes[i] = WF_HOME_NONE;
    else if (member->axis_count == shared) out_homes[i] = WF_HOME_SCALAR;
    else if (r.own && own && registers + own * words <= MOST_REGISTERS) out_homes[i] = WF_HOME_REGISTER;
    else if (member->body->op != WF_S_READ && wf_dim_is_const(points, &(int64_t){0}) && bytes + size <= HOMES_BYTES) out_homes[i] = WF_HOME_SHARED;
    if (out_homes[i] == WF_HOME_REGISTER) registers += own * words;
    if (out_homes[i] == WF_HOME_SHARED) bytes += size;
    if (out_homes[i] != WF_HOME_GLOBAL || wf_draft_buffer(block->draft, value)) continue;
    if (!wf_is_reduction(member) && r.affine && (r.count <= MOST_READS || !wf_expr_cost(member->body)) && wf_expr_cost(member->body) * r.count <= CHEAP) {
      inline_into_readers(module, members, count, i);
      out_homes[i] = WF_HOME_NONE;
    } else {
      wf_draft_write(block->draft, value);
    }
  }
}
