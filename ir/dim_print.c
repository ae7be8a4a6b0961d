// Printing dims as one writes them by hand. The text depends on names and structure only, never on the order in which
// atoms were made, so that text that was parsed prints the same again.
#include "ir/dim_internal.h"
#include <inttypes.h>
#include <stdlib.h>

typedef struct printer {
  wf_arena *arena;         // scratch
  wf_atom_naming naming;
  void *context;
} printer;

// coefficient * text; sums are printed by degree, then by size of the coefficient, then by text.
// bare: a lone quotient or digit, which a minus sign in front would take apart: -(e//d).
typedef struct piece { int64_t coefficient; int degree; const char *text; bool bare; } piece;
typedef WF_VEC(piece) pieces;

static const char *print_sum(printer *p, const wf_dim *dim);

// A sum, or a lone atom without parentheses.
static const char *print_operand(printer *p, const wf_dim *dim) {
  const wf_atom *atom = wf_dim_as_atom(dim);
  const char *text = print_sum(p, dim);
  bool bare = (atom && atom->kind != WF_ATOM_FLOORDIV) || (wf_dim_is_const(dim, NULL) && text[0] != '-');
  return bare ? text : wf_arena_printf(p->arena, "(%s)", text);
}

static const char *print_atom(printer *p, const wf_atom *atom) {
  if (atom->kind == WF_ATOM_FLOORDIV)
    return wf_arena_printf(p->arena, "%s//%s", print_operand(p, atom->numerator), print_operand(p, atom->denominator));
  const char *name = p->naming ? p->naming(p->context, atom) : NULL;
  return name ? name : atom->name;
}

static int compare_texts(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

// The product of the factors and of `digit` (an "e%d", or NULL). A quotient or a digit among several is parenthesised.
static const char *print_product(printer *p, const wf_atom *const *factors, int count, const char *digit, bool alone) {
  const char *texts[WF_MOST_FACTORS + 1];
  int total = count + (digit != NULL);
  for (int i = 0; i < count; i++) {
    texts[i] = print_atom(p, factors[i]);
    if (factors[i]->kind == WF_ATOM_FLOORDIV && !(alone && total == 1)) texts[i] = wf_arena_printf(p->arena, "(%s)", texts[i]);
  }
  if (digit) texts[count] = alone && total == 1 ? digit : wf_arena_printf(p->arena, "(%s)", digit);
  qsort(texts, (size_t)total, sizeof *texts, compare_texts);
  const char *text = total ? texts[0] : "";
  for (int i = 1; i < total; i++) text = wf_arena_printf(p->arena, "%s*%s", text, texts[i]);
  return text;
}

static void add_piece(printer *p, pieces *list, wf_term term, const char *digit) {
  bool alone = term.coefficient == 1 || term.coefficient == -1;
  int degree = term.factor_count + (digit != NULL);
  bool bare = alone && degree == 1 && (digit || term.factors[0]->kind == WF_ATOM_FLOORDIV);
  piece made = {term.coefficient, degree, print_product(p, term.factors, term.factor_count, digit, alone), bare};
  wf_vec_push(p->arena, list, made);
}

// ---- digits: k*e - k*d*(e//d) ==> k*(e%d) --------------------------------------------------------------------------------
typedef struct digit { wf_term factor; const wf_atom *quotient; const wf_dim *e, *d; const char *text; int removed; } digit;

static int64_t coefficient_in(const wf_dim *dim, wf_term monomial) {
  for (int i = 0; i < dim->term_count; i++)
    if (wf_term_same_monomial(dim->terms[i], monomial)) return dim->terms[i].coefficient;
  return 0;
}

// Every term of k*e but the constant stands in the rest with the same coefficient.
static bool holds(const wf_dim *rest, const wf_dim *multiple) {
  for (int i = 0; i < multiple->term_count; i++)
    if (multiple->terms[i].factor_count && coefficient_in(rest, multiple->terms[i]) != multiple->terms[i].coefficient) return false;
  return true;
}

// k*e - k*d*atom where atom is e//d.
static bool is_digit_of(printer *p, const wf_dim *dim, const wf_atom *atom, const wf_dim *e, const wf_dim *d, digit *out) {
  const wf_dim *slope, *rest;
  if (!wf_dim_split(dim, atom, &slope, &rest)) return false;
  const wf_dim *factor = wf_dim_exact_div(slope, wf_dim_scale(d, -1));
  if (!factor || factor->term_count != 1) return false;
  const wf_dim *multiple = wf_dim_mul(factor, e);
  if (!multiple->term_count || !holds(rest, multiple)) return false;
  const char *text = wf_arena_printf(p->arena, "%s%%%s", print_operand(p, e), print_operand(p, d));
  *out = (digit){factor->terms[0], atom, e, d, text, multiple->term_count};
  return true;
}

// Also a middle digit, (e//a)%b: there the atom is e//(a*b) and e//a stands in the dim.
static bool is_digit(printer *p, const wf_dim *dim, const wf_atom *atom, digit *out) {
  if (atom->kind != WF_ATOM_FLOORDIV) return false;
  if (is_digit_of(p, dim, atom, atom->numerator, atom->denominator, out)) return true;
  for (int t = 0; t < dim->term_count; t++)
    for (int f = 0; f < dim->terms[t].factor_count; f++) {
      const wf_atom *upper = dim->terms[t].factors[f];
      if (upper == atom || upper->kind != WF_ATOM_FLOORDIV) continue;
      const wf_dim *d = wf_dim_exact_div(atom->denominator, upper->denominator);
      if (!d || wf_dim_floordiv(upper->as_dim, d) != atom->as_dim) continue;
      if (is_digit_of(p, dim, atom, upper->as_dim, d, out)) return true;
    }
  return false;
}

// The digit that takes most terms away, ties by text; false where there is none.
static bool best_digit(printer *p, const wf_dim *dim, digit *best) {
  bool found = false;
  *best = (digit){.text = ""};
  for (int t = 0; t < dim->term_count; t++)
    for (int f = 0; f < dim->terms[t].factor_count; f++) {
      digit candidate;
      if (!is_digit(p, dim, dim->terms[t].factors[f], &candidate)) continue;
      bool better = !found || candidate.removed > best->removed ||
                    (candidate.removed == best->removed && strcmp(candidate.text, best->text) < 0);
      if (better) *best = candidate;
      found = true;
    }
  return found;
}

static int64_t magnitude(int64_t c) { return c == INT64_MIN ? INT64_MAX : c < 0 ? -c : c; }

static int order_pieces(const void *left, const void *right) {
  const piece *a = left, *b = right;
  if (a->degree != b->degree) return b->degree - a->degree;
  if (magnitude(a->coefficient) != magnitude(b->coefficient)) return magnitude(a->coefficient) > magnitude(b->coefficient) ? -1 : 1;
  return strcmp(a->text, b->text);
}

static const char *print_piece(printer *p, const piece *item) {
  uint64_t size = item->coefficient < 0 ? 0 - (uint64_t)item->coefficient : (uint64_t)item->coefficient;
  if (!item->degree) return wf_arena_printf(p->arena, "%" PRIu64, size);
  return size == 1 ? item->text : wf_arena_printf(p->arena, "%" PRIu64 "*%s", size, item->text);
}

// A positive piece leads where there is one.
static const char *join_pieces(printer *p, pieces *list) {
  if (!list->count) return "0";
  qsort(list->items, (size_t)list->count, sizeof *list->items, order_pieces);
  int first = 0;
  while (first < list->count && list->items[first].coefficient < 0) first++;
  if (first == list->count) first = 0;
  const piece *lead = &list->items[first];
  const char *text = print_piece(p, lead);
  if (lead->coefficient < 0) text = wf_arena_printf(p->arena, lead->bare ? "-(%s)" : "-%s", text);
  for (int i = 0; i < list->count; i++) {
    if (i == first) continue;
    const char *sign = list->items[i].coefficient < 0 ? "-" : "+";
    text = wf_arena_printf(p->arena, "%s %s %s", text, sign, print_piece(p, &list->items[i]));
  }
  return text;
}

static const char *print_sum(printer *p, const wf_dim *dim) {
  pieces list = {0};
  digit next = {.text = ""};
  while (wf_dim_has_floordiv(dim) && best_digit(p, dim, &next)) {
    const wf_dim *factor = wf_dim_of_term(dim->owner, next.factor);
    const wf_dim *value = wf_dim_sub(next.e, wf_dim_mul(next.d, next.quotient->as_dim));
    dim = wf_dim_sub(dim, wf_dim_mul(factor, value));
    add_piece(p, &list, next.factor, next.text);
  }
  for (int t = 0; t < dim->term_count; t++) add_piece(p, &list, dim->terms[t], NULL);
  return join_pieces(p, &list);
}

void wf_dim_print(wf_text *out, const wf_dim *dim, wf_atom_naming naming, void *context) {
  printer p = {wf_arena_create(), naming, context};
  wf_text_add(out, print_sum(&p, dim));
  wf_arena_destroy(p.arena);
}
