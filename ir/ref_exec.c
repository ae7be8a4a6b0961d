// Executing a compiled scalar DAG, WF_REF_LANES points at a time.
#include <math.h>
#include "ir/ref_internal.h"

static inline double wf_min(double a, double b) { return a != a ? a : b != b ? b : a < b ? a : b; }
static inline double wf_max(double a, double b) { return a != a ? a : b != b ? b : a > b ? a : b; }
static inline int64_t wf_int_floordiv(int64_t a, int64_t b) {
  if (b == -1) return (int64_t)(0 - (uint64_t)a);
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}
static inline int64_t wf_int_mod(int64_t a, int64_t b) {
  if (b == -1) return 0;
  return a % b + (a % b != 0 && (a < 0) != (b < 0) ? b : 0);
}

// ---- scalar functions: a loop over lanes for each row of ops.def -----------------------------------------------------

// `mod` of floats is spelled over floor in ops.def; rows without a float or an integer form are 0 and never asked for.
#define WF_NO_INT 0
static void run_float(wf_scalar op, int n, const double *x, const double *y, const double *z, double *out) {
  switch (op) {
#define WF_SCALAR(ENUM, name, arity, traits, float_eval, int_eval, derivative)   \
  case WF_S_##ENUM:                                                              \
    for (int lane = 0; lane < n; lane++) {                                       \
      double a = x[lane], b = y[lane], c = z[lane];                              \
      (void)a, (void)b, (void)c;                                                 \
      out[lane] = float_eval;                                                    \
    }                                                                            \
    break;
#include "ir/ops.def"
    case WF_SCALAR_COUNT: break;
  }
}

static void run_int(wf_scalar op, int n, const int64_t *x, const int64_t *y, const int64_t *z, int64_t *out) {
  if (op == WF_S_NOT) {  // logical, as for floats
    for (int lane = 0; lane < n; lane++) out[lane] = x[lane] == 0;
    return;
  }
  switch (op) {
#define WF_SCALAR(ENUM, name, arity, traits, float_eval, int_eval, derivative)   \
  case WF_S_##ENUM:                                                              \
    for (int lane = 0; lane < n; lane++) {                                       \
      int64_t a = x[lane], b = y[lane], c = z[lane];                             \
      (void)a, (void)b, (void)c;                                                 \
      out[lane] = int_eval;                                                      \
    }                                                                            \
    break;
#include "ir/ops.def"
    case WF_SCALAR_COUNT: break;
  }
}

int64_t wf_ref_wrap(wf_dtype type, int64_t value) {
  switch ((int)type) {
    case WF_I32: return (int32_t)(uint32_t)(uint64_t)value;
    case WF_U8: return (uint8_t)(uint64_t)value;
    case WF_BOOL: return value != 0;
    default: return value;
  }
}

static void wrap_lanes(wf_dtype type, int n, int64_t *lanes) {
  if (type == WF_I64) return;
  for (int lane = 0; lane < n; lane++) lanes[lane] = wf_ref_wrap(type, lanes[lane]);
}

static void round_lanes(wf_dtype type, int n, double *lanes) {
  if (type == WF_F64) return;
  if (type == WF_F32)
    for (int lane = 0; lane < n; lane++) lanes[lane] = (float)lanes[lane];
  else
    for (int lane = 0; lane < n; lane++) lanes[lane] = wf_round_to(type, lanes[lane]);
}

// ---- errors -----------------------------------------------------------------------------------------------------

static const char *op_name(const wf_ref_code *code) { return code->op->result_count ? code->op->results[0]->name : "operation"; }

static bool divided_by_zero(wf_ref_code *code, const wf_ref_instruction *in) {
  wf_error(code->ref->diag, code->op->loc, "'%s': integer division by zero in %s", op_name(code), in->op == WF_S_MOD ? "mod" : "floordiv");
  return false;
}

static bool outside(wf_ref_code *code, const wf_ref_instruction *in, int axis, int64_t index) {
  wf_diagnostic *error = wf_error(code->ref->diag, code->op->loc, "'%s': index %lld on axis %d of '%s' is outside [0, %lld)", op_name(code),
                                  (long long)index, axis, in->value->name, (long long)in->tensor->shape[axis]);
  wf_help(code->ref->diag, error, "a read with `else` has a value outside its operand's box");
  return false;
}

// ---- instructions ------------------------------------------------------------------------------------------------

static bool run_int_checked(wf_ref_code *code, const wf_ref_instruction *in, int n) {
  wf_ref_register *r = code->registers;
  if (in->op == WF_S_FLOORDIV || in->op == WF_S_MOD)
    for (int lane = 0; lane < n; lane++)
      if (r[in->b].i[lane] == 0) return divided_by_zero(code, in);
  run_int(in->op, n, r[in->a].i, r[in->b].i, r[in->c].i, r[in->target].i);
  wrap_lanes(in->type, n, r[in->target].i);
  return true;
}

static void run_float_typed(wf_ref_code *code, const wf_ref_instruction *in, int n) {
  wf_ref_register *r = code->registers;
  double *out = r[in->target].f;
  run_float(in->op, n, r[in->a].f, r[in->b].f, r[in->c].f, out);
  if (!wf_dtype_is_float(in->type))  // a predicate
    for (int lane = 0; lane < n; lane++) r[in->target].i[lane] = out[lane] != 0;
  else if (code->ref->round)
    round_lanes(in->type, n, out);
}

static void run_select(wf_ref_code *code, const wf_ref_instruction *in, int n) {
  wf_ref_register *r = code->registers;
  for (int lane = 0; lane < n; lane++)
    r[in->target].i[lane] = r[in->a].i[lane] ? r[in->b].i[lane] : r[in->c].i[lane];
}

static void run_cast(wf_ref_code *code, const wf_ref_instruction *in, int n) {
  const wf_ref_register *a = &code->registers[in->a];
  wf_ref_register *out = &code->registers[in->target];
  bool from_float = wf_dtype_is_float(in->from), to_float = wf_dtype_is_float(in->type);
  for (int lane = 0; lane < n; lane++) {
    if (from_float && to_float) out->f[lane] = a->f[lane];
    else if (to_float) out->f[lane] = (double)a->i[lane];
    else if (!from_float) out->i[lane] = wf_ref_wrap(in->type, a->i[lane]);
    else if (in->type == WF_BOOL) out->i[lane] = a->f[lane] != 0;
    else if (in->type == WF_I64) out->i[lane] = a->f[lane] != a->f[lane] ? 0 : a->f[lane] >= 0x1p63 ? INT64_MAX : a->f[lane] < -0x1p63 ? INT64_MIN : (int64_t)a->f[lane];
    else out->i[lane] = (int64_t)wf_round_to(in->type, a->f[lane]);
  }
  if (to_float && code->ref->round) round_lanes(in->type, n, out->f);
}

static void run_gather(wf_ref_code *code, const wf_ref_instruction *in, int n) {
  const int64_t *offset = code->registers[in->a].i;
  wf_ref_register *out = &code->registers[in->target];
  if (in->tensor->floats)
    for (int lane = 0; lane < n; lane++) out->f[lane] = in->tensor->floats[offset[lane]];
  else
    for (int lane = 0; lane < n; lane++) out->i[lane] = in->tensor->integers[offset[lane]];
}

static bool run_read(wf_ref_code *code, const wf_ref_instruction *in, int n) {
  wf_ref_register *r = code->registers, *out = &r[in->target];
  const wf_tensor *tensor = in->tensor;
  for (int lane = 0; lane < n; lane++) {
    int64_t offset = 0;
    int axis = 0;
    for (; axis < tensor->rank; axis++) {
      int64_t index = r[in->indices[axis]].i[lane];
      if (index < 0 || index >= tensor->shape[axis]) break;
      offset = offset * tensor->shape[axis] + index;
    }
    if (axis < tensor->rank) {
      if (in->outside < 0) return outside(code, in, axis, r[in->indices[axis]].i[lane]);
      out->i[lane] = r[in->outside].i[lane];
    } else if (tensor->floats) {
      out->f[lane] = tensor->floats[offset];
    } else {
      out->i[lane] = tensor->integers[offset];
    }
  }
  return true;
}

static void run_random(wf_ref_code *code, const wf_ref_instruction *in, int n) {
  wf_ref_register *r = code->registers;
  for (int lane = 0; lane < n; lane++)
    r[in->target].f[lane] = wf_random_uniform((uint64_t)r[in->a].i[lane], in->site, (uint64_t)r[in->b].i[lane], (uint64_t)r[in->c].i[lane]);
}

static bool run_instruction(wf_ref_code *code, const wf_ref_instruction *in, int n) {
  switch (in->kind) {
    case WF_REF_FLOAT: run_float_typed(code, in, n); return true;
    case WF_REF_INT: return run_int_checked(code, in, n);
    case WF_REF_SELECT: run_select(code, in, n); return true;
    case WF_REF_CAST: run_cast(code, in, n); return true;
    case WF_REF_GATHER: run_gather(code, in, n); return true;
    case WF_REF_READ: return run_read(code, in, n);
    case WF_REF_RANDOM: run_random(code, in, n); return true;
  }
  return false;
}

// ---- points -----------------------------------------------------------------------------------------------------

// Steps every slot to the first point of the next row of the innermost axis.
static void carry(wf_ref_code *code) {
  for (int axis = code->axis_count - 1; axis >= 0; axis--) {
    if (code->position[axis] < code->extents[axis]) return;
    code->position[axis] = 0;
    for (int i = 0; i < code->slots.count; i++)
      code->slots.items[i].current -= code->slots.items[i].coefficients[axis] * code->extents[axis];
    if (axis == 0) return;
    code->position[axis - 1]++;
    for (int i = 0; i < code->slots.count; i++) code->slots.items[i].current += code->slots.items[i].coefficients[axis - 1];
  }
}

static void fill_slots(wf_ref_code *code, int n) {
  int inner = code->axis_count - 1;
  for (int filled = 0; filled < n;) {
    int64_t run = inner < 0 ? 1 : code->extents[inner] - code->position[inner];
    if (run > n - filled) run = n - filled;
    for (int i = 0; i < code->slots.count; i++) {
      wf_ref_slot *slot = &code->slots.items[i];
      int64_t value = slot->current, step = inner < 0 ? 0 : slot->coefficients[inner];
      int64_t *lanes = code->registers[slot->target].i + filled;
      for (int64_t lane = 0; lane < run; lane++) lanes[lane] = value + lane * step;
      slot->current = value + run * step;
    }
    filled += (int)run;
    if (inner < 0) return;
    code->position[inner] += run;
    carry(code);
  }
}

int wf_ref_next(wf_ref_code *code, int64_t remaining) {
  int n = remaining < WF_REF_LANES ? (int)remaining : WF_REF_LANES;
  fill_slots(code, n);
  for (int i = 0; i < code->instructions.count; i++)
    if (!run_instruction(code, &code->instructions.items[i], n)) return -1;
  return n;
}
