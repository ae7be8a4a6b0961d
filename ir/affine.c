// Inversion of index maps, the frame: axes are split into digits until no quotient holds an unknown (or the quotient gets
// a name, and an equation of its own), the equations are
// solved one by one, and what the solution does not prove becomes guards.
#include "ir/affine_internal.h"

enum { MOST_REFINEMENTS = 64 };

// ---- the system ----------------------------------------------------------------------------------------------------------
const wf_dim *wf_system_unknown(wf_system *system, const char *name, const wf_dim *extent, bool implied) {
  if (wf_dim_equals_const(extent, 1)) return wf_dim_const(system->dims, 0);
  const wf_dim *axis = wf_dim_axis(system->dims, name, extent);
  wf_unknown made = {wf_dim_as_atom(axis), NULL, implied};
  wf_vec_push(system->arena, &system->unknowns, made);
  return axis;
}

void wf_system_assign(wf_system *system, const wf_atom *axis, const wf_dim *value) {
  wf_binding binding = {axis, value};
  for (int i = 0; i < system->unknowns.count; i++) {
    wf_unknown *unknown = &system->unknowns.items[i];
    if (unknown->axis == axis) unknown->value = value;
    else if (unknown->value) unknown->value = wf_dim_substitute(unknown->value, &binding, 1);
  }
  for (int i = 0; i < system->equation_count; i++)
    if (system->equations[i]) system->equations[i] = wf_dim_substitute(system->equations[i], &binding, 1);
  for (int i = 0; i < system->guards.count; i++)
    system->guards.items[i].dim = wf_dim_substitute(system->guards.items[i].dim, &binding, 1);
}

static bool always_holds(const wf_dim *dim, bool zero) {
  wf_interval range = wf_dim_range(dim);
  return zero ? range.low == 0 && range.high == 0 : range.low >= 0;
}

void wf_system_guard(wf_system *system, const wf_dim *dim, bool zero) {
  for (int i = 0; i < system->guards.count; i++)
    if (system->guards.items[i].dim == dim && system->guards.items[i].zero == zero) return;
  wf_guard guard = {dim, zero};
  if (!always_holds(dim, zero)) wf_vec_push(system->arena, &system->guards, guard);
}

bool wf_system_mentions_live(const wf_system *system, const wf_dim *dim) {
  for (int i = 0; i < system->unknowns.count; i++)
    if (!system->unknowns.items[i].value && wf_dim_mentions(dim, system->unknowns.items[i].axis)) return true;
  return false;
}

// ---- refinement: (a + rest)//d with a = d*a1 + a0 - rest%d  ==>  a1 + rest//d --------------------------------------------
static const wf_atom *quotient_of_live(const wf_system *system, const wf_dim *dim) {
  for (int t = 0; t < dim->term_count; t++)
    for (int f = 0; f < dim->terms[t].factor_count; f++) {
      const wf_atom *atom = dim->terms[t].factors[f];
      if (atom->kind != WF_ATOM_FLOORDIV || !wf_system_mentions_live(system, atom->as_dim)) continue;
      const wf_atom *inner = quotient_of_live(system, atom->numerator);
      return inner ? inner : atom;
    }
  return NULL;
}

static bool turn_round(wf_system *system, const wf_atom *axis) {
  const wf_dim *turned = wf_system_unknown(system, axis->name, axis->extent, true);
  wf_system_assign(system, axis, wf_dim_sub(wf_dim_offset(axis->extent, -1), turned));
  return true;
}

// a = radix*a1 + a0 - shift, with 0 <= shift < radix.
static void split_axis(wf_system *system, const wf_atom *axis, const wf_dim *radix, const wf_dim *shift) {
  int64_t known;
  const wf_dim *most = wf_dim_is_const(shift, &known) ? shift : wf_dim_offset(radix, -1);
  const wf_dim *upper = wf_system_unknown(system, axis->name, wf_dim_ceildiv(wf_dim_add(axis->extent, most), radix), true);
  const wf_dim *lower = wf_system_unknown(system, axis->name, radix, false);
  wf_system_assign(system, axis, wf_dim_sub(wf_dim_add(wf_dim_mul(radix, upper), lower), shift));
}

// slope*a + rest over d, with slope dividing d: does the digit below d/slope vanish? Only tried on a copy of the quotient.
static bool digit_vanishes(wf_system *system, const wf_atom *quotient, const wf_atom *axis, const wf_dim *radix) {
  const wf_dim *upper = wf_dim_axis(system->dims, axis->name, wf_dim_ceildiv(axis->extent, radix));
  const wf_dim *lower = wf_dim_axis(system->dims, axis->name, radix);
  wf_binding binding = {axis, wf_dim_add(wf_dim_mul(radix, upper), lower)};
  return !wf_dim_mentions(wf_dim_substitute(quotient->as_dim, &binding, 1), wf_dim_as_atom(lower));
}

static bool refine_by(wf_system *system, const wf_atom *quotient, const wf_atom *axis) {
  const wf_dim *slope, *rest, *d = quotient->denominator;
  if (!wf_dim_split(quotient->numerator, axis, &slope, &rest) || wf_system_mentions_live(system, d)) return false;
  bool alone = !wf_system_mentions_live(system, rest);
  if (alone && wf_dim_equals_const(slope, -1)) return turn_round(system, axis);
  if (alone && wf_dim_equals_const(slope, 1)) return split_axis(system, axis, d, wf_dim_mod(rest, d)), true;
  const wf_dim *radix = wf_dim_exact_div(d, slope);
  if (!radix || wf_dim_range(radix).low < 1 || wf_dim_has_axis(radix) || !digit_vanishes(system, quotient, axis, radix)) return false;
  return split_axis(system, axis, radix, wf_dim_const(system->dims, 0)), true;
}

static bool refine(wf_system *system, const wf_atom *quotient) {
  for (int i = 0, count = system->unknowns.count; i < count; i++) {
    const wf_unknown *unknown = &system->unknowns.items[i];
    if (!unknown->value && wf_dim_mentions(quotient->numerator, unknown->axis) && refine_by(system, quotient, unknown->axis)) return true;
  }
  return false;
}

// What no digit resolves is named: e//d = w and e = d*w + m with 0 <= m < d, one more equation in two more unknowns.
static bool name_quotient(wf_system *system, const wf_atom *quotient) {
  const wf_atom **live = WF_NEW_ARRAY(system->arena, const wf_atom *, system->unknowns.count);
  int count = 0;
  for (int i = 0; i < system->unknowns.count; i++)
    if (!system->unknowns.items[i].value) live[count++] = system->unknowns.items[i].axis;
  const wf_dim *low = wf_dim_minimum(quotient->as_dim, live, count), *high = wf_dim_maximum(quotient->as_dim, live, count);
  const wf_dim *extent = low && high ? wf_dim_offset(wf_dim_sub(high, low), 1) : NULL;
  if (!extent || wf_dim_has_axis(extent) || wf_dim_has_axis(quotient->denominator)) return false;
  const wf_dim *whole = wf_dim_add(wf_system_unknown(system, "whole", extent, true), low);
  const wf_dim *part = wf_system_unknown(system, "part", quotient->denominator, false);
  wf_binding binding = {quotient, whole};
  for (int i = 0; i < system->equation_count; i++)
    if (system->equations[i]) system->equations[i] = wf_dim_substitute(system->equations[i], &binding, 1);
  const wf_dim *value = wf_dim_add(wf_dim_mul(quotient->denominator, whole), part);
  system->named++;
  system->equations[system->equation_count++] = wf_dim_sub(quotient->numerator, value);
  return true;
}

static bool refine_all(wf_system *system) {
  int steps = system->named;
  for (int i = 0; i < system->equation_count; i++) {
    const wf_atom *quotient;
    while (system->equations[i] && (quotient = quotient_of_live(system, system->equations[i])))
      if (++steps > MOST_REFINEMENTS || !(refine(system, quotient) || name_quotient(system, quotient))) return false;
  }
  return true;
}

// ---- the frame -----------------------------------------------------------------------------------------------------------
static int count_live(const wf_system *system, const wf_dim *dim) {
  int count = 0;
  for (int i = 0; i < system->unknowns.count; i++)
    count += !system->unknowns.items[i].value && wf_dim_mentions(dim, system->unknowns.items[i].axis);
  return count;
}

// The open equation with the fewest unknowns: what it fixes makes the others smaller. -1: all are solved.
static int next_equation(const wf_system *system) {
  int best = -1, fewest = 0;
  for (int i = 0; i < system->equation_count; i++) {
    if (!system->equations[i]) continue;
    int count = count_live(system, system->equations[i]);
    if (best < 0 || count < fewest) best = i, fewest = count;
  }
  return best;
}

static bool solve_all(wf_system *system) {
  for (int index; (index = next_equation(system)) >= 0;)
    if (!refine_all(system) || !wf_system_solve(system, index)) return false;
  return true;
}

// What stayed live among the first `count` unknowns are the caller's own axes: they get fresh ones.
static void free_axes(wf_system *system, int count, wf_inverse *out) {
  for (int i = 0; i < count; i++) {
    const wf_atom *axis = system->unknowns.items[i].axis;
    if (!system->unknowns.items[i].value)
      wf_system_assign(system, axis, wf_system_unknown(system, axis->name, axis->extent, true));
  }
  out->free_axes = WF_NEW_ARRAY(system->arena, const wf_atom *, system->unknowns.count);
  for (int i = count; i < system->unknowns.count; i++)
    if (!system->unknowns.items[i].value) out->free_axes[out->free_count++] = system->unknowns.items[i].axis;
}

static void guard_boxes(wf_system *system) {
  for (int i = 0; i < system->unknowns.count; i++) {
    const wf_unknown *unknown = &system->unknowns.items[i];
    if (!unknown->value || unknown->implied) continue;
    wf_system_guard(system, unknown->value, false);
    wf_system_guard(system, wf_dim_sub(wf_dim_offset(unknown->axis->extent, -1), unknown->value), false);
  }
}

static void drop_true_guards(wf_system *system) {
  int kept = 0;
  for (int i = 0; i < system->guards.count; i++)
    if (!always_holds(system->guards.items[i].dim, system->guards.items[i].zero)) system->guards.items[kept++] = system->guards.items[i];
  system->guards.count = kept;
}

bool wf_affine_invert(wf_dims *dims, wf_arena *arena, const wf_dim *const *maps, const wf_atom *const *targets, int map_count,
                      const wf_atom *const *axes, int axis_count, wf_inverse *out) {
  wf_system system = {.dims = dims, .arena = arena, .equation_count = map_count};
  system.equations = WF_NEW_ARRAY(arena, const wf_dim *, map_count + MOST_REFINEMENTS);
  for (int i = 0; i < map_count; i++) system.equations[i] = wf_dim_sub(maps[i], targets[i]->as_dim);
  for (int i = 0; i < axis_count; i++) {
    wf_unknown unknown = {axes[i], NULL, false};
    wf_vec_push(arena, &system.unknowns, unknown);
  }
  for (int i = 0; i < axis_count; i++)
    if (wf_dim_equals_const(axes[i]->extent, 1)) wf_system_assign(&system, axes[i], wf_dim_const(dims, 0));
  if (!solve_all(&system)) return false;
  *out = (wf_inverse){.value_count = axis_count, .values = WF_NEW_ARRAY(arena, const wf_dim *, axis_count)};
  free_axes(&system, axis_count, out);
  guard_boxes(&system);
  drop_true_guards(&system);
  for (int i = 0; i < axis_count; i++) out->values[i] = system.unknowns.items[i].value;
  out->guards = system.guards.items;
  out->guard_count = system.guards.count;
  return true;
}
