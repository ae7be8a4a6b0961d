// Printing names, dims and scalar expressions. A shared node is printed once, as `let t0 = ...;`.
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include "ir/print_internal.h"

void wf_printer_init(wf_printer *printer, wf_text *out) {
  *printer = (wf_printer){.out = out, .arena = wf_arena_create()};
}

void wf_printer_deinit(wf_printer *printer) { wf_arena_destroy(printer->arena); }

// ---- names ------------------------------------------------------------------------------------------------------------

static bool is_plain(const char *name) {
  if (!isalpha((unsigned char)*name) && *name != '_') return false;
  for (; *name; name++)
    if (!isalnum((unsigned char)*name) && !strchr("_.'", *name)) return false;
  return true;
}

// Words that the grammar does not take as the name of an axis or a symbol.
static bool is_reserved(const char *name) {
  static const char *const words[] = {"let", "else", "and", "or", "true", "false", "inf", "nan"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (!strcmp(name, words[i])) return true;
  wf_combiner combiner = 0;
  while (combiner < WF_COMBINER_COUNT && strcmp(name, wf_combiner_names[combiner])) combiner++;
  return combiner < WF_COMBINER_COUNT;
}

void wf_print_name(wf_text *out, const char *name) {
  if (is_plain(name)) { wf_text_add(out, name); return; }
  wf_text_add(out, "\"");
  for (; *name; name++) {
    if (*name == '"' || *name == '\\') wf_text_printf(out, "\\%c", *name);
    else if ((unsigned char)*name < 32) wf_text_printf(out, "\\x%02x", (unsigned char)*name);
    else wf_text_add_n(out, name, 1);
  }
  wf_text_add(out, "\"");
}

void wf_print_ref(wf_text *out, char sigil, const char *name) {
  wf_text_add_n(out, &sigil, 1);
  wf_print_name(out, name);
}

void wf_print_buffer(wf_printer *printer, const wf_value *value) {
  const char *renamed = printer->canonical ? wf_map_get(&printer->renamed, value->name) : NULL;
  wf_print_ref(printer->out, '%', renamed ? renamed : value->name);
}

void wf_print_number(wf_text *out, wf_dtype type, double number) {
  if (isnan(number)) { wf_text_add(out, "nan"); return; }
  if (isinf(number)) { wf_text_add(out, number < 0 ? "-inf" : "inf"); return; }
  char text[40];
  if (number == rint(number) && fabs(number) < 1e9) { wf_text_printf(out, "%.0f", number); return; }
  for (int digits = 1; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, number);
    double back = strtod(text, NULL);
    if (type != WF_F64) back = wf_round_to(type, back);
    if (back == number) break;
  }
  wf_text_add(out, text);
}

// ---- scopes and dims --------------------------------------------------------------------------------------------------

typedef struct symbol_set { wf_printer *printer; WF_VEC(const wf_atom *) list; } symbol_set;

static void add_symbols_of(symbol_set *set, const wf_dim *dim) {
  const wf_atom **atoms = NULL;
  int count = 0;
  wf_dim_collect(dim, set->printer->arena, &atoms, &count);
  for (int i = 0; i < count; i++) {
    bool known = atoms[i]->kind != WF_ATOM_SYMBOL;
    for (int k = 0; k < set->list.count && !known; k++) known = set->list.items[k] == atoms[i];
    if (!known) wf_vec_push(set->printer->arena, &set->list, atoms[i]);
  }
}

static void visit_symbols(void *context, const wf_expr *node) {
  if (node->op == WF_S_INDEX) add_symbols_of(context, node->dim);
}

static bool name_taken(const wf_printer *printer, const symbol_set *symbols, const char *name) {
  for (int i = 0; i < printer->axes.count; i++)
    if (!strcmp(printer->axes.items[i].name, name)) return true;
  for (int i = 0; i < symbols->list.count; i++)
    if (!strcmp(symbols->list.items[i]->name, name)) return true;
  for (int i = 0; i < printer->reserved_count; i++)
    if (!strcmp(printer->reserved[i]->name, name)) return true;
  return false;
}

static const char *free_name(wf_printer *printer, const symbol_set *symbols, const char *wanted) {
  const char *base = wanted && is_plain(wanted) ? wanted : "i", *name = is_reserved(base) ? wf_arena_printf(printer->arena, "%s_", base) : base;
  for (int number = 1; name_taken(printer, symbols, name); number++) name = wf_arena_printf(printer->arena, "%s_%d", base, number);
  return name;
}

void wf_printer_enter(wf_printer *printer, const wf_atom *const *axes, int count, const wf_expr *const *roots, int root_count) {
  symbol_set symbols = {.printer = printer};
  for (int i = 0; i < root_count; i++) wf_expr_walk(roots[i], visit_symbols, &symbols);
  for (int i = 0; i < count; i++) {
    wf_scope_axis entry = {axes[i], NULL};
    entry.name = printer->canonical ? wf_arena_printf(printer->arena, "a%d", printer->axis_count++) : free_name(printer, &symbols, axes[i]->name);
    wf_vec_push(printer->arena, &printer->axes, entry);
  }
}

void wf_printer_leave(wf_printer *printer, int count) { printer->axes.count -= count; }

const char *wf_printer_axis_name(wf_printer *printer, const wf_atom *axis) {
  for (int i = printer->axes.count - 1; i >= 0; i--)
    if (printer->axes.items[i].axis == axis) return printer->axes.items[i].name;
  return axis->name;
}

static const char *name_atom(void *context, const wf_atom *atom) {
  wf_printer *printer = context;
  if (atom->kind != WF_ATOM_SYMBOL) return wf_printer_axis_name(printer, atom);
  for (int i = 0; printer->canonical && i < printer->reserved_count; i++)
    if (printer->reserved[i] == atom) return wf_arena_printf(printer->arena, "s%d", i);
  while (printer->symbol_seen.count <= atom->id) wf_vec_push(printer->arena, &printer->symbol_seen, false);
  if (!printer->symbol_seen.items[atom->id]) {
    printer->symbol_seen.items[atom->id] = true;
    wf_vec_push(printer->arena, &printer->symbols, ((wf_seen_symbol){atom, printer->in_body}));
  }
  return is_plain(atom->name) && !is_reserved(atom->name) ? atom->name : wf_arena_printf(printer->arena, "\"%s\"", atom->name);
}

void wf_print_dim(wf_printer *printer, const wf_dim *dim) { wf_dim_print(printer->out, dim, name_atom, printer); }

void wf_print_shape(wf_printer *printer, wf_dtype type, int rank, const wf_dim *const *shape) {
  wf_text_add(printer->out, wf_dtype_name(type));
  if (!rank) return;
  for (int i = 0; i < rank; i++) {
    wf_text_add(printer->out, i ? ", " : "[");
    wf_print_dim(printer, shape[i]);
  }
  wf_text_add(printer->out, "]");
}

static void print_mode(wf_printer *printer, const wf_mode *mode) {
  static const char *const destinations[] = {"", " lane", " warp", " register"};
  wf_text_printf(printer->out, "%d", mode->axis);
  if (!wf_dim_equals_const(mode->divisor, 1)) wf_text_add(printer->out, " div "), wf_print_dim(printer, mode->divisor);
  if (mode->extent) wf_text_add(printer->out, " mod "), wf_print_dim(printer, mode->extent);
  wf_text_add(printer->out, " @ ");
  wf_print_dim(printer, mode->stride);
  wf_text_add(printer->out, destinations[mode->destination]);
}

// " layout(0 @ 64, 1 @ 1; size 640; swizzle 3 4 3)": the storage digits outermost first
void wf_print_layout(wf_printer *printer, const wf_value *value) {
  const wf_layout *layout = value->layout;
  if (!layout || wf_layout_is_row_major(layout, value->shape)) return;
  wf_text_add(printer->out, " layout(");
  for (int i = 0; i < layout->mode_count; i++) {
    if (i) wf_text_add(printer->out, ", ");
    print_mode(printer, &layout->modes[i]);
  }
  wf_text_add(printer->out, "; size ");
  wf_print_dim(printer, layout->size);
  if (layout->swizzle_bits)
    wf_text_printf(printer->out, "; swizzle %d %d %d", layout->swizzle_bits, layout->swizzle_base, layout->swizzle_shift);
  wf_text_add(printer->out, ")");
}

// ---- scalar expressions -------------------------------------------------------------------------------------------------

typedef struct let_node { const wf_expr *node; int uses; const char *name; } let_node;

struct wf_lets {
  wf_printer *printer;
  WF_VEC(let_node) nodes;    // operands first
  int *slots, capacity;      // open addressing by expression id into nodes, -1: free
};

static int let_slot(const struct wf_lets *lets, const wf_expr *node) {
  int mask = lets->capacity - 1, slot = (int)((uint32_t)node->id * 2654435761u >> 5) & mask;
  while (lets->slots[slot] >= 0 && lets->nodes.items[lets->slots[slot]].node != node) slot = (slot + 1) & mask;
  return slot;
}

static void lets_reserve(struct wf_lets *lets, int capacity) {
  lets->capacity = capacity;
  lets->slots = WF_NEW_ARRAY(lets->printer->arena, int, capacity);
  for (int i = 0; i < capacity; i++) lets->slots[i] = -1;
  for (int i = 0; i < lets->nodes.count; i++) lets->slots[let_slot(lets, lets->nodes.items[i].node)] = i;
}

static let_node *let_find(struct wf_lets *lets, const wf_expr *node) {
  int slot = lets ? let_slot(lets, node) : 0;
  return lets && lets->slots[slot] >= 0 ? &lets->nodes.items[lets->slots[slot]] : NULL;
}

static void visit_uses(void *context, const wf_expr *node) {
  struct wf_lets *lets = context;
  if (let_find(lets, node)) return;
  for (int i = 0; i < node->arg_count; i++) let_find(lets, node->args[i])->uses++;
  if (lets->nodes.count * 2 >= lets->capacity) lets_reserve(lets, lets->capacity * 4);
  wf_vec_push(lets->printer->arena, &lets->nodes, ((let_node){node, 0, NULL}));
  lets->slots[let_slot(lets, node)] = lets->nodes.count - 1;
}

// Leaves and plain reads are short enough to print at each use.
static bool worth_a_name(const wf_expr *node) {
  if (node->op == WF_S_CONST || node->op == WF_S_INDEX) return false;
  if (node->op != WF_S_READ) return true;
  for (int i = 0; i < node->arg_count; i++)
    if (node->args[i]->op != WF_S_INDEX && node->args[i]->op != WF_S_CONST) return true;
  return false;
}

typedef enum level { LEVEL_OR, LEVEL_AND, LEVEL_COMPARE, LEVEL_ADD, LEVEL_MUL, LEVEL_UNARY } level;

static const char *infix(wf_scalar op, level *out_level) {
  static const struct { wf_scalar op; level level; const char *text; } table[] = {
      {WF_S_OR, LEVEL_OR, " or "},        {WF_S_AND, LEVEL_AND, " and "},     {WF_S_LT, LEVEL_COMPARE, " < "},
      {WF_S_LE, LEVEL_COMPARE, " <= "},   {WF_S_GT, LEVEL_COMPARE, " > "},    {WF_S_GE, LEVEL_COMPARE, " >= "},
      {WF_S_EQ, LEVEL_COMPARE, " == "},   {WF_S_NE, LEVEL_COMPARE, " != "},   {WF_S_ADD, LEVEL_ADD, " + "},
      {WF_S_SUB, LEVEL_ADD, " - "},       {WF_S_MUL, LEVEL_MUL, " * "},       {WF_S_DIV, LEVEL_MUL, " / "},
      {WF_S_FLOORDIV, LEVEL_MUL, " // "}, {WF_S_MOD, LEVEL_MUL, " % "},
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (table[i].op == op) return *out_level = table[i].level, table[i].text;
  return NULL;
}

static void print(wf_printer *p, const wf_expr *e, level at_least, bool known);

// Whether the reader finds the node's type without help from where it stands.
static bool types_itself(const wf_expr *e) { return e->op == WF_S_CONST ? e->dtype == WF_BOOL : !wf_expr_is_constant(e); }

static void print_const(wf_printer *p, const wf_expr *e, bool known) {
  if (e->dtype == WF_BOOL) { wf_text_add(p->out, e->integer ? "true" : "false"); return; }
  if (!known) wf_text_printf(p->out, "%s(", wf_dtype_name(e->dtype));
  if (wf_dtype_is_float(e->dtype)) wf_print_number(p->out, e->dtype, e->number);
  else wf_text_printf(p->out, "%lld", (long long)e->integer);
  if (!known) wf_text_add(p->out, ")");
}

static void print_index(wf_printer *p, const wf_expr *e, level at_least) {
  const wf_atom *atom = wf_dim_as_atom(e->dim);
  bool bare = at_least <= LEVEL_ADD || wf_expr_is_constant(e) || (atom && atom->kind != WF_ATOM_FLOORDIV);
  if (!bare) wf_text_add(p->out, "(");
  wf_print_dim(p, e->dim);
  if (!bare) wf_text_add(p->out, ")");
}

static void print_list(wf_printer *p, const wf_expr *const *items, int count, bool known) {
  for (int i = 0; i < count; i++) {
    if (i) wf_text_add(p->out, ", ");
    print(p, items[i], LEVEL_OR, known);
  }
}

static void print_read(wf_printer *p, const wf_expr *e) {
  wf_print_buffer(p, e->operand);
  wf_text_add(p->out, "[");
  print_list(p, e->args, e->arg_count - e->has_default, true);
  wf_text_add(p->out, "]");
  if (!e->has_default) return;
  wf_text_add(p->out, " else ");
  print(p, e->args[e->arg_count - 1], LEVEL_UNARY, true);
}

static void print_infix(wf_printer *p, const wf_expr *e, const char *text, level own, level at_least, bool known) {
  bool parens = own < at_least, compare = own == LEVEL_COMPARE;
  if (parens) wf_text_add(p->out, "(");
  known = (known && !compare) || types_itself(e->args[0]) || types_itself(e->args[1]);
  print(p, e->args[0], compare ? own + 1 : own, known);
  wf_text_add(p->out, text);
  print(p, e->args[1], own + 1, known);
  if (parens) wf_text_add(p->out, ")");
}

static void print_call(wf_printer *p, const wf_expr *e, bool known) {
  const char *name = e->op == WF_S_CAST ? wf_dtype_name(e->dtype) : wf_scalar_table[e->op].name;
  wf_text_printf(p->out, "%s(", name);
  if (e->op == WF_S_RANDOM) wf_text_printf(p->out, "0x%llx, ", (unsigned long long)e->integer);
  bool typed = e->op == WF_S_RANDOM || (e->op != WF_S_CAST && known);
  int first = e->op == WF_S_SELECT;
  for (int i = first; i < e->arg_count; i++) typed |= e->op != WF_S_CAST && types_itself(e->args[i]);
  if (first) print(p, e->args[0], LEVEL_OR, true), wf_text_add(p->out, ", ");
  print_list(p, e->args + first, e->arg_count - first, typed);
  wf_text_add(p->out, ")");
}

static void print_node(wf_printer *p, const wf_expr *e, level at_least, bool known) {
  level own;
  const char *text = infix(e->op, &own);
  if (e->op == WF_S_CONST) print_const(p, e, known);
  else if (e->op == WF_S_INDEX) print_index(p, e, at_least);
  else if (e->op == WF_S_READ) print_read(p, e);
  else if (text) print_infix(p, e, text, own, at_least, known);
  else if (e->op == WF_S_NEG) wf_text_add(p->out, "-"), print(p, e->args[0], LEVEL_UNARY, known);
  else print_call(p, e, known);
}

static void print(wf_printer *p, const wf_expr *e, level at_least, bool known) {
  const let_node *let = let_find(p->lets, e);
  if (let && let->name) wf_text_add(p->out, let->name);
  else print_node(p, e, at_least, known);
}

void wf_print_lets(wf_printer *printer, const wf_expr *const *roots, int count) {
  struct wf_lets *lets = WF_NEW(printer->arena, struct wf_lets);
  lets->printer = printer;
  lets_reserve(lets, 64);
  for (int i = 0; i < count; i++) {
    wf_expr_walk(roots[i], visit_uses, lets);
    let_find(lets, roots[i])->uses++;
  }
  printer->lets = lets;
  bool any = false;
  for (int i = 0; i < lets->nodes.count; i++) any |= lets->nodes.items[i].uses > 1 && worth_a_name(lets->nodes.items[i].node);
  symbol_set symbols = {.printer = printer};
  for (int i = 0; i < lets->nodes.count && any; i++) visit_symbols(&symbols, lets->nodes.items[i].node);
  for (int i = 0, number = 0; any && i < lets->nodes.count; i++) {
    let_node *let = &lets->nodes.items[i];
    if (let->uses < 2 || !worth_a_name(let->node)) continue;
    const char *name;
    do name = wf_arena_printf(printer->arena, "t%d", number++);
    while (name_taken(printer, &symbols, name));
    wf_text_printf(printer->out, "let %s = ", name);
    print(printer, let->node, LEVEL_OR, false);
    wf_text_add(printer->out, "; ");
    let->name = name;
  }
}

void wf_print_root(wf_printer *printer, const wf_expr *root) { print(printer, root, LEVEL_OR, true); }

void wf_print_end_lets(wf_printer *printer) { printer->lets = NULL; }

void wf_print_expr(wf_text *out, const wf_expr *expr) {
  wf_printer printer;
  wf_printer_init(&printer, out);
  wf_print_lets(&printer, &expr, 1);
  print(&printer, expr, LEVEL_OR, false);
  wf_printer_deinit(&printer);
}
