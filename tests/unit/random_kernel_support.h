// Random pieces of kernels as text, random buffers, and what is close enough: for the tests that hold generated code to the
// kernel interpreter.
#ifndef WEFT_TESTS_RANDOM_KERNEL_SUPPORT_H
#define WEFT_TESTS_RANDOM_KERNEL_SUPPORT_H
#include <math.h>
#include "kernel_support.h"

static uint64_t state;
static inline uint64_t next_bits(void) { return state ^= state << 13, state ^= state >> 7, state ^= state << 17; }
static inline int below(int limit) { return (int)(next_bits() % (uint64_t)limit); }
static inline double uniform(void) { return (double)(next_bits() >> 11) * 0x1p-53; }

typedef struct generator {
  wf_text text;
  const char *axes[4];          // i (task or grid), s (serial or unrolled), v (vector or unrolled), t (thread)
  int axis_count;
  int lanes, inner, threads;
} generator;

// ---- text -------------------------------------------------------------------------------------------------------------------
static inline void affine(generator *g) {
  wf_text_printf(&g->text, "%d", below(5) - 2);
  for (int k = 0; k < g->axis_count; k++) {
    int factor = below(3) ? below(7) - 3 : 0;
    if (factor) wf_text_printf(&g->text, " %c %d*%s", factor < 0 ? '-' : '+', abs(factor), g->axes[k]);
  }
}

static inline void index_of(generator *g) {
  int kind = below(5);
  if (kind == 0) wf_text_add(&g->text, g->axes[below(g->axis_count)]);
  else if (kind == 1) wf_text_printf(&g->text, "%s + %d", g->axes[2], below(4) - 1);
  else if (kind == 2) {
    wf_text_add(&g->text, "(");
    affine(g);
    wf_text_printf(&g->text, ") %s %d", below(2) ? "//" : "%", 1 + below(5));
  } else affine(g);
}

static inline void read_of(generator *g) {
  static const struct { const char *open, *name, *close; int rank; } inputs[] = {
      {"", "%a", "", 2}, {"f32(", "%b", ")", 1}, {"", "%h", "", 2}, {"f32(", "%k", ")", 1}, {"f32(", "%u", ")", 2}, {"", "%a", "", 2}};
  int which = below(6);
  wf_text_printf(&g->text, "%s(%s[", inputs[which].open, inputs[which].name);
  for (int i = 0; i < inputs[which].rank; i++) {
    if (i) wf_text_add(&g->text, ", ");
    index_of(g);
  }
  wf_text_printf(&g->text, "] else %d)%s", below(4), inputs[which].close);
}

static inline void condition(generator *g) {
  int kind = below(3);
  wf_text_add(&g->text, "(");
  if (kind == 0) affine(g), wf_text_printf(&g->text, " < %d", below(9) - 2);
  else if (kind == 1) read_of(g), wf_text_printf(&g->text, " > 0.25");
  else wf_text_printf(&g->text, "%s + %d <= n", g->axes[below(2) ? 2 : 0], below(8));
  wf_text_add(&g->text, ")");
}

static inline void expression(generator *g, int depth) {
  static const char *const unary[] = {"abs", "tanh", "exp", "sign", "erf", "sin"};
  static const char *const infix[] = {"+", "-", "*"};
  if (depth == 0) {
    if (below(4)) read_of(g);
    else if (below(2)) wf_text_printf(&g->text, "%d.5", below(3));
    else wf_text_add(&g->text, "f32("), affine(g), wf_text_add(&g->text, ")");
    return;
  }
  int kind = below(8);
  wf_text_add(&g->text, kind < 2 ? unary[below(6)] : kind < 4 ? (kind == 2 ? "max" : "min") : kind == 4 ? "select" : "");
  wf_text_add(&g->text, "(");
  if (kind == 4) condition(g), wf_text_add(&g->text, ", ");
  if (kind < 2) wf_text_add(&g->text, "tanh("), expression(g, depth - 1), wf_text_add(&g->text, ")");
  else {
    expression(g, depth - 1);
    wf_text_printf(&g->text, " %s ", kind < 5 ? "," : infix[below(3)]);
    expression(g, depth - 1);
  }
  wf_text_add(&g->text, ")");
}

// ---- running ------------------------------------------------------------------------------------------------------------------
static int64_t extent_n;
static inline int64_t bound_symbol(void *context, const wf_atom *atom) { return extent_n; }

static inline void fill(wf_tensor *t) {
  for (int64_t i = 0; i < t->count; i++)
    if (t->floats) t->floats[i] = wf_round_to(t->dtype, 2 * uniform() - 1);
    else t->integers[i] = below(6);
}

static inline int64_t place_of(const wf_value *value, const wf_tensor *t, int64_t linear) {   // %h is stored transposed
  return value->layout ? linear % t->shape[1] * t->shape[0] + linear / t->shape[1] : linear;
}

static inline bool close_enough(double got, double want) {
  return isnan(want) ? isnan(got) : got == want || fabs(got - want) <= 1e-4 * (1 + fabs(want));
}
#endif
