// Dims as plan formulas.
#include "codegen/build_internal.h"

typedef WF_VEC(wf_formula_code) code_list;

static bool symbol_at(const wf_atom *const *symbols, int count, const wf_atom *atom, int64_t *out) {
  for (int i = 0; i < count; i++)
    if (symbols[i] == atom) return *out = i, true;
  return false;
}

static bool add_dim(wf_arena *arena, code_list *code, const wf_dim *dim, const wf_atom *const *symbols, int count);

static void add(wf_arena *arena, code_list *code, wf_formula_op op, int64_t value) {
  wf_vec_push(arena, code, ((wf_formula_code){op, value}));
}

static bool add_atom(wf_arena *arena, code_list *code, const wf_atom *atom, const wf_atom *const *symbols, int count) {
  int64_t index;
  if (atom->kind == WF_ATOM_FLOORDIV) {
    if (!add_dim(arena, code, atom->numerator, symbols, count) || !add_dim(arena, code, atom->denominator, symbols, count)) return false;
    add(arena, code, WF_F_FLOORDIV, 0);
    return true;
  }
  if (!symbol_at(symbols, count, atom, &index)) return false;
  add(arena, code, WF_F_SYMBOL, index);
  return true;
}

static bool add_term(wf_arena *arena, code_list *code, const wf_term *term, const wf_atom *const *symbols, int count) {
  bool bare = term->coefficient == 1 && term->factor_count;
  if (!bare) add(arena, code, WF_F_CONST, term->coefficient);
  for (int i = 0; i < term->factor_count; i++) {
    if (!add_atom(arena, code, term->factors[i], symbols, count)) return false;
    if (i || !bare) add(arena, code, WF_F_MUL, 0);
  }
  return true;
}

static bool add_dim(wf_arena *arena, code_list *code, const wf_dim *dim, const wf_atom *const *symbols, int count) {
  if (!dim->term_count) add(arena, code, WF_F_CONST, 0);
  for (int t = 0; t < dim->term_count; t++) {
    if (!add_term(arena, code, &dim->terms[t], symbols, count)) return false;
    if (t) add(arena, code, WF_F_ADD, 0);
  }
  return true;
}

bool wf_formula_from_dim(wf_arena *arena, const wf_dim *dim, const wf_atom *const *symbols, int symbol_count, wf_formula *out) {
  code_list code = {0};
  if (!add_dim(arena, &code, dim, symbols, symbol_count)) return *out = (wf_formula){0}, false;
  *out = (wf_formula){code.items, code.count};
  return true;
}

wf_formula wf_build_formula(wf_builder *b, const wf_dim *dim) {
  wf_formula formula;
  if (wf_formula_from_dim(b->arena, dim, b->symbols.list.items, b->symbols.list.count, &formula)) return formula;
  wf_text text;
  wf_text_init(&text);
  wf_dim_print(&text, dim, NULL, NULL);
  wf_error(b->module->diag, WF_NOWHERE, "the plan needs '%s', which no run-time extent gives", text.data);
  wf_text_deinit(&text);
  b->failed = true;
  return formula;
}

int wf_symbol_index(const wf_builder *b, const wf_atom *atom) {
  int64_t index;
  return symbol_at(b->symbols.list.items, b->symbols.list.count, atom, &index) ? (int)index : -1;
}

void wf_add_symbols(wf_builder *b, const wf_dim *dim) {
  const wf_atom **atoms = NULL;
  int count = 0;
  wf_dim_collect(dim, b->arena, &atoms, &count);
  for (int i = 0; i < count; i++)
    if (atoms[i]->kind == WF_ATOM_SYMBOL && wf_symbol_index(b, atoms[i]) < 0) wf_vec_push(b->arena, &b->symbols.list, atoms[i]);
}

const wf_atom *wf_new_counter(wf_builder *b, const char *name) {
  const char *unique = wf_arena_printf(b->module->arena, "%s.counter%d", name, b->symbols.list.count);
  wf_atom *atom = wf_symbol_atom(b->module->dims, unique);
  atom->low = 0;
  wf_vec_push(b->arena, &b->symbols.list, atom);
  return atom;
}
