// Is a dim never negative? Bounds first; where they do not decide, a search for a point at which it is negative.
#include "ir/dim_internal.h"
#include <inttypes.h>

enum { SAMPLES = 400, SMALL_BOX = 4096, MOST_CANDIDATES = 24, MOST_POINT_ATOMS = 24, MOST_DIVISORS = 4 };

// The atoms of a dim and of the extents of its axes, oldest first, so that an extent is known before its axis.
typedef struct point {
  const wf_atom *atoms[MOST_POINT_ATOMS];
  int64_t values[MOST_POINT_ATOMS];
  int directions[MOST_POINT_ATOMS];   // of the dim in each
  int count;
  bool complete;
  int64_t divisors[MOST_DIVISORS];   // constants met below floordiv: digits turn over at their multiples
  int divisor_count;
  uint64_t random;
} point;

static void gather(point *p, const wf_dim *dim);

static void gather_atom(point *p, const wf_atom *atom) {
  int64_t divisor;
  if (atom->kind == WF_ATOM_FLOORDIV) {
    gather(p, atom->numerator);
    gather(p, atom->denominator);
    if (wf_dim_is_const(atom->denominator, &divisor) && p->divisor_count < MOST_DIVISORS) p->divisors[p->divisor_count++] = divisor;
    return;
  }
  for (int i = 0; i < p->count; i++)
    if (p->atoms[i] == atom) return;
  if (p->count == MOST_POINT_ATOMS) {
    p->complete = false;
    return;
  }
  int at = p->count++;
  for (; at > 0 && p->atoms[at - 1]->id > atom->id; at--) p->atoms[at] = p->atoms[at - 1];
  p->atoms[at] = atom;
  if (atom->kind == WF_ATOM_AXIS) gather(p, atom->extent);
}

static void gather(point *p, const wf_dim *dim) {
  for (int t = 0; t < dim->term_count; t++)
    for (int f = 0; f < dim->terms[t].factor_count; f++) gather_atom(p, dim->terms[t].factors[f]);
}

static int64_t value_at(void *context, const wf_atom *atom) {
  const point *p = context;
  for (int i = 0; i < p->count; i++)
    if (p->atoms[i] == atom) return p->values[i];
  return 0;
}

// The values that atom i may take, given the older ones: false where there are none.
static bool domain(point *p, int i, int64_t *low, int64_t *high, int64_t *step) {
  const wf_atom *atom = p->atoms[i];
  *low = 0;
  *step = 1;
  if (atom->kind == WF_ATOM_AXIS) {
    *high = wf_dim_eval(atom->extent, value_at, p) - 1;
  } else {
    wf_interval range = wf_atom_range(atom);
    *low = range.low;
    *high = range.high;
    *step = atom->divisor;
  }
  return *low <= *high;
}

static bool is_valid(point *p) {
  int64_t low, high, step;
  for (int i = 0; i < p->count; i++)
    if (!domain(p, i, &low, &high, &step) || p->values[i] < low || p->values[i] > high || (p->values[i] - low) % step) return false;
  return true;
}

static int candidates(const point *p, int i, int64_t low, int64_t high, int64_t step, int64_t *out) {
  static const int64_t sizes[] = {2, 3, 4, 5, 7, 8, 16, 17, 64, 100, 1000};
  int count = 0;
  out[count++] = low;
  if (p->atoms[i]->kind == WF_ATOM_SYMBOL)
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) out[count++] = (sizes[s] + step - 1) / step * step;
  out[count++] = low + step;
  for (int d = 0; d < p->divisor_count; d++) {
    out[count++] = p->divisors[d] - 1;
    out[count++] = p->divisors[d];
  }
  out[count++] = high;
  out[count++] = high - step;
  out[count++] = low + (high - low) / (2 * step) * step;
  return count;
}

static uint64_t next_random(point *p) {
  p->random = p->random * 6364136223846793005ull + 1442695040888963407ull;
  return p->random >> 33;
}

// Sample s: the first ones lean to corners, all others mix candidates. Small values of symbols are the likelier.
static bool sample(point *p, int s) {
  for (int i = 0; i < p->count; i++) {
    int64_t low, high, step, choices[MOST_CANDIDATES];
    if (!domain(p, i, &low, &high, &step)) return false;
    int count = candidates(p, i, low, high, step, choices), direction = p->directions[i];
    int64_t value = choices[next_random(p) % (uint64_t)count];
    if (p->atoms[i]->kind == WF_ATOM_AXIS && direction != 2 && s % 4) value = direction > 0 ? low : high;
    if (p->atoms[i]->kind == WF_ATOM_SYMBOL && s < count) value = choices[s];
    p->values[i] = value < low ? low : value > high ? high : value;
  }
  return is_valid(p);
}

static bool is_negative(point *p, const wf_dim *dim) { return is_valid(p) && wf_dim_eval(dim, value_at, p) < 0; }

// Smaller values where the dim stays negative: a witness one can follow by hand.
static void shrink(point *p, const wf_dim *dim) {
  for (int i = 0; i < p->count; i++) {
    int64_t low, high, step, found = p->values[i];
    domain(p, i, &low, &high, &step);
    for (int64_t k = 0; k < 9 && low + k * step < found; k++) {
      p->values[i] = low + k * step;
      if (is_negative(p, dim)) return shrink(p, dim);
    }
    p->values[i] = found;
  }
}

static bool search(point *p, const wf_dim *dim) {
  for (int i = 0; i < p->count; i++) p->directions[i] = wf_dim_direction(dim, p->atoms[i]);
  for (int s = 0; s < SAMPLES; s++)
    if (sample(p, s) && wf_dim_eval(dim, value_at, p) < 0) return shrink(p, dim), true;
  return false;
}

// Every point of a small box. Leaves p at the first negative one.
static wf_truth enumerate(point *p, const wf_dim *dim, int i) {
  if (i == p->count) return wf_dim_eval(dim, value_at, p) < 0 ? WF_REFUTED : WF_PROVED;
  int64_t low, high, step;
  if (!domain(p, i, &low, &high, &step)) return WF_PROVED;
  for (int64_t value = low; value <= high; value += step) {
    p->values[i] = value;
    if (enumerate(p, dim, i + 1) == WF_REFUTED) return WF_REFUTED;
  }
  return WF_PROVED;
}

static bool is_small(const point *p) {
  int64_t points = 1;
  for (int i = 0; i < p->count && points <= SMALL_BOX; i++) {
    wf_interval range = wf_atom_range(p->atoms[i]);
    int64_t step = p->atoms[i]->kind == WF_ATOM_SYMBOL ? p->atoms[i]->divisor : 1;
    points = wf_saturating_multiply(points, wf_saturating_add(range.high, -range.low) / step + 1);
  }
  return p->complete && points <= SMALL_BOX;
}

static const char *describe(const point *p, wf_arena *arena) {
  const char *text = "";
  for (int i = 0; i < p->count; i++)
    text = wf_arena_printf(arena, "%s%s%s = %" PRId64, text, *text ? ", " : "", p->atoms[i]->name, p->values[i]);
  return text;
}

wf_truth wf_dim_prove_nonnegative(const wf_dim *dim, wf_arena *arena, const char **out_witness) {
  if (out_witness) *out_witness = NULL;
  if (wf_dim_low(dim) >= 0) return WF_PROVED;
  point p = {.complete = true, .random = 1};
  gather(&p, dim);
  wf_truth truth = WF_UNKNOWN;
  if (is_small(&p)) truth = enumerate(&p, dim, 0);
  else if (p.complete && search(&p, dim)) truth = WF_REFUTED;
  if (truth == WF_REFUTED && out_witness) *out_witness = describe(&p, arena);
  return truth;
}
