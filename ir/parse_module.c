// Actions of the reader for net IR, and its entry points.
#include <errno.h>
#include <stdlib.h>
#include "ir/parse_internal.h"
#include "ir/wir_parser.h"
#define YYSTYPE WIR_STYPE   // the names that the lexer's header expects
#define YYLTYPE WIR_LTYPE
#include "ir/wir_lexer.h"

// ---- helpers ------------------------------------------------------------------------------------------------------------

wir_list *wir_list_new(wir_context *c) { return WF_NEW(c->arena, wir_list); }
void wir_push(wir_context *c, wir_list *list, void *item) { wf_vec_push(c->arena, list, item); }

wir_ref *wir_ref_new(wir_context *c, const char *name, wf_loc loc) {
  wir_ref *ref = WF_NEW(c->arena, wir_ref);
  *ref = (wir_ref){name, loc};
  return ref;
}

// The values of a list of references; NULL with an error where one is unknown.
static wf_value **values_of(wir_context *c, const wir_list *refs) {
  wf_value **values = WF_NEW_ARRAY(c->arena, wf_value *, refs->count);
  for (int i = 0; i < refs->count; i++) {
    const wir_ref *ref = refs->items[i];
    values[i] = wir_find_value(c, ref->name, ref->loc);
    if (!values[i]) return NULL;
  }
  return values;
}

// ---- the head -------------------------------------------------------------------------------------------------------------

void wir_symbol(wir_context *c, wir_ref name, const char *low, const char *high, const char *divisor) {
  wf_atom *atom = wf_symbol_atom(c->module->dims, name.name);
  if (low) atom->low = wir_integer(c, low, name.loc), atom->high = wir_integer(c, high, name.loc);
  if (divisor) atom->divisor = wir_integer(c, divisor, name.loc);
  if (atom->low > atom->high || atom->divisor < 1) wf_error(c->diag, name.loc, "the facts of symbol '%s' hold for no value", name.name);
  wf_map_set(&c->symbols, name.name, (void *)wf_dim_symbol(c->module->dims, name.name));
}

static bool compares_with_zero(const wir_node *node, bool or_above) {
  return node->kind == WIR_APPLY && ((or_above && node->op == WF_S_GE) || node->op == WF_S_EQ) && node->args[1]->kind == WIR_NUMBER &&
         !strcmp(node->args[1]->text, "0");
}

void wir_fact(wir_context *c, wir_node *comparison, wf_loc loc) {
  if (!compares_with_zero(comparison, true)) {
    wf_error(c->diag, loc, "a fact is written `fact DIM >= 0` or `fact DIM == 0`");
    return;
  }
  wf_fact fact = {wir_resolve_extent(c, comparison->args[0]), comparison->op == WF_S_EQ, loc};
  wf_vec_push(c->arena, &c->module->facts, fact);
}

// ---- types and layouts --------------------------------------------------------------------------------------------------

static wf_destination destination(wir_context *c, const wir_mode *mode) {
  static const char *const names[] = {"offset", "lane", "warp", "register"};
  for (int i = 0; mode->destination && i < 4; i++)
    if (!strcmp(mode->destination, names[i])) return (wf_destination)i;
  if (mode->destination) wf_error(c->diag, mode->loc, "unknown destination '%s' of a layout's mode", mode->destination);
  return WF_DEST_OFFSET;
}

static const wf_layout *make_layout(wir_context *c, const wir_layout *text, int rank) {
  wf_layout *layout = WF_NEW(c->arena, wf_layout);
  wf_mode *modes = WF_NEW_ARRAY(c->arena, wf_mode, text->modes->count);
  for (int i = 0; i < text->modes->count; i++) {
    const wir_mode *mode = text->modes->items[i];
    if (mode->axis >= rank) wf_error(c->diag, mode->loc, "the layout names axis %d of a value of rank %d", mode->axis, rank);
    modes[i] = (wf_mode){.axis = mode->axis, .destination = destination(c, mode), .stride = wir_resolve_extent(c, mode->stride)};
    modes[i].divisor = mode->divisor ? wir_resolve_extent(c, mode->divisor) : wf_dim_const(c->module->dims, 1);
    modes[i].extent = mode->extent ? wir_resolve_extent(c, mode->extent) : NULL;
  }
  *layout = (wf_layout){.rank = rank, .mode_count = text->modes->count, .modes = modes, .size = wir_resolve_extent(c, text->size),
                        .swizzle_bits = text->bits, .swizzle_base = text->base, .swizzle_shift = text->shift};
  return layout;
}

wir_typed *wir_type(wir_context *c, wir_ref name, const char *dtype, wf_loc dtype_loc, wir_list *shape, wir_layout *layout, wir_ref *over) {
  wir_typed *typed = WF_NEW(c->arena, wir_typed);
  *typed = (wir_typed){.name = name.name, .loc = name.loc, .dtype = wir_dtype(c, dtype, dtype_loc), .over = over};
  if (shape->count > WF_MAX_RANK) wf_error(c->diag, name.loc, "rank %d is over the limit of %d", shape->count, WF_MAX_RANK);
  typed->rank = shape->count > WF_MAX_RANK ? WF_MAX_RANK : shape->count;
  for (int i = 0; i < typed->rank; i++) typed->shape[i] = wir_resolve_extent(c, shape->items[i]);
  if (layout) typed->layout = make_layout(c, layout, typed->rank);
  return typed;
}

// ---- functions --------------------------------------------------------------------------------------------------------------

void wir_begin_function(wir_context *c, const char *name, wf_loc loc) {
  if (c->scalar_mode || c->kernel) return;
  wf_function *before = wf_map_get(&c->functions, name);
  if (before) {
    wf_diagnostic *error = wf_error(c->diag, loc, "a function '@%s' stands already", name);
    wf_note(c->diag, error, before->loc, "the first is here");
  }
  c->function = wf_function_create(c->module, name, loc);
  wf_map_set(&c->functions, c->function->name, c->function);
}

static bool name_is_free(wir_context *c, const char *name, wf_loc loc) {
  const wf_value *before = wf_function_find_value(c->function, name);
  if (!before) return true;
  wf_diagnostic *error = wf_error(c->diag, loc, "a value '%%%s' is defined already", name);
  wf_note(c->diag, error, before->loc, "the first is here");
  return false;
}

static void finish_value(wir_context *c, wf_value *value, const wir_typed *typed) {
  value->layout = typed->layout;
  if (typed->over) value->alias_of = wir_find_value(c, typed->over->name, typed->over->loc);
}

void wir_input(wir_context *c, wir_typed *typed, const char *role, wf_loc role_loc) {
  static const char *const names[] = {"", "data", "param", "state", "step", "seed", "total"};
  int found = 0, count = sizeof names / sizeof *names;
  for (int i = 1; role && i < count; i++)
    if (!strcmp(role, names[i])) found = i;
  if (role && !found) wf_error(c->diag, role_loc, "'%s' is no role; roles are data param state step seed total", role);
  name_is_free(c, typed->name, typed->loc);
  wf_value *value = wf_function_input(c->function, typed->name, (wf_role)found, typed->dtype, typed->rank, typed->shape, typed->loc);
  finish_value(c, value, typed);
}

void wir_variant(wir_context *c, const char *of, wir_node *condition, wf_loc loc) {
  const wf_function *function = wf_map_get(&c->functions, of);
  if (!function || function == c->function) wf_error(c->diag, loc, "no function '@%s' stands before its variant", of);
  else if (!compares_with_zero(condition, false)) wf_error(c->diag, loc, "a variant's condition is written `DIM == 0`");
  else {
    c->function->variant_of = function;
    c->function->condition = wir_resolve_extent(c, condition->args[0]);
  }
}

void wir_end_function(wir_context *c, wir_list *results) {
  for (int i = 0; i < results->count; i++) {
    const wir_result *result = results->items[i];
    wf_value *value = wir_find_value(c, result->value.name, result->value.loc);
    if (value) wf_function_result(c->function, result->name.name, value);
  }
  c->function = NULL;
}

// ---- operations -------------------------------------------------------------------------------------------------------------

static const wf_atom **enter_axes(wir_context *c, const wir_list *axes) {
  const wf_atom **atoms = WF_NEW_ARRAY(c->arena, const wf_atom *, axes->count);
  for (int i = 0; i < axes->count; i++) atoms[i] = wir_enter_axis(c, axes->items[i]);
  return atoms;
}

static bool is_arg(wf_combiner combiner) { return combiner == WF_R_ARGMAX || combiner == WF_R_ARGMIN; }

static void finish_compute(wir_context *c, wf_op *op, const wir_rhs *rhs, wf_dtype type) {
  op->axes = enter_axes(c, rhs->axes);
  op->axis_count = rhs->axes->count;
  if (rhs->combiner) {
    wir_combiner(c, rhs->combiner, rhs->loc, &op->combiner);
    op->reduction_axes = enter_axes(c, rhs->reduction);
    op->reduction_count = rhs->reduction->count;
  }
  wir_enter_lets(c, rhs->body->lets);
  op->body = wir_resolve(c, rhs->body, is_arg(op->combiner) ? WF_DTYPE_COUNT : wf_dtype_compute(type));
  op->accumulator = rhs->accumulator ? wir_dtype(c, rhs->accumulator, rhs->loc) : is_arg(op->combiner) ? op->body->dtype : wf_dtype_compute(type);
  wf_op_refresh_operands(c->module, op);
}

static void finish_scatter(wir_context *c, wf_op *op, const wir_rhs *rhs, wf_dtype type) {
  wir_combiner(c, rhs->combiner, rhs->loc, &op->combiner);
  op->scatter_from_zero = !rhs->refs;
  op->accumulator = wf_dtype_compute(type);
  op->axes = enter_axes(c, rhs->axes);
  op->axis_count = rhs->axes->count;
  wir_enter_lets(c, rhs->lets);
  op->target = WF_NEW_ARRAY(c->arena, const wf_expr *, rhs->targets->count);
  op->target_count = rhs->targets->count;
  for (int i = 0; i < op->target_count; i++) op->target[i] = wir_resolve(c, rhs->targets->items[i], WF_I64);
  op->body = wir_resolve(c, rhs->body, wf_dtype_compute(type));
  wf_op_refresh_operands(c->module, op);
}

static int hex_digit(char digit) { return digit <= '9' ? digit - '0' : (digit | 32) - 'a' + 10; }

static bool const_bytes(wir_context *c, const char *hex, unsigned char *data, size_t size, wf_loc loc) {
  size_t length = strlen(hex);
  if (length != 2 * size || strspn(hex, "0123456789abcdefABCDEF") != length) {
    wf_error(c->diag, loc, "the constant holds %zu bytes, so %zu hexadecimal digits are expected, not %zu", size, 2 * size, length);
    return false;
  }
  for (size_t i = 0; i < size; i++) data[i] = (unsigned char)(hex_digit(hex[2 * i]) * 16 + hex_digit(hex[2 * i + 1]));
  return true;
}

static void const_numbers(wir_context *c, const wir_list *numbers, wf_dtype type, void *data, wf_loc loc) {
  for (int i = 0; i < numbers->count; i++) {
    const char *text = numbers->items[i];
    char *end;
    errno = 0;
    if (wf_dtype_is_float(type)) wf_store_element(type, data, i, strtod(text, &end));
    else wf_store_element_int(type, data, i, strtoll(text, &end, 10));
    if (*end || (errno && !wf_dtype_is_float(type))) wf_error(c->diag, loc, "'%s' is no %s", text, wf_dtype_name(type));
  }
}

static void finish_const(wir_context *c, wf_op *op, const wir_rhs *rhs, const wir_typed *typed) {
  int64_t count = 1, extent;
  for (int i = 0; i < typed->rank; i++) {
    bool known = wf_dim_is_const(typed->shape[i], &extent) && extent >= 0;
    if (!known || (extent && count > (INT64_C(1) << 31) / extent)) {
      wf_error(c->diag, typed->loc, "the extents of a constant are integers, with at most 2^31 elements");
      return;
    }
    count *= extent;
  }
  if (rhs->numbers && rhs->numbers->count != count) {
    wf_error(c->diag, rhs->loc, "the constant has %lld elements, but %d numbers", (long long)count, rhs->numbers->count);
    return;
  }
  size_t size = (size_t)count * (size_t)wf_dtype_bytes(typed->dtype);
  if (rhs->hex && strlen(rhs->hex) != 2 * size) {
    const_bytes(c, rhs->hex, NULL, size, rhs->loc);
    return;
  }
  void *data = wf_arena_alloc(c->arena, size ? size : 1);
  if (rhs->hex) const_bytes(c, rhs->hex, data, size, rhs->loc);
  else const_numbers(c, rhs->numbers, typed->dtype, data, rhs->loc);
  op->data = data;
}

static void finish_loop(wir_context *c, wf_op *op, const wir_rhs *rhs) {
  wir_list *all = wir_list_new(c);
  const wir_list *const parts[] = {rhs->carries, rhs->slices, rhs->invariants};
  for (int part = 0; part < 3; part++)
    for (int i = 0; i < parts[part]->count; i++) wir_push(c, all, parts[part]->items[i]);
  op->operands = values_of(c, all);
  op->operand_count = op->operands ? all->count : 0;
  op->carry_count = rhs->carries->count;
  op->slice_count = rhs->slices->count;
  op->trip = wir_resolve_extent(c, rhs->trip);
  op->reverse = rhs->flag;
}

static void finish_operands(wir_context *c, wf_op *op, const wir_rhs *rhs) {
  op->operands = values_of(c, rhs->refs);
  op->operand_count = op->operands ? rhs->refs->count : 0;
}

static void add_results(wir_context *c, wf_op *op, const wir_list *typed) {
  op->results = WF_NEW_ARRAY(c->arena, wf_value *, typed->count);
  for (int i = 0; i < typed->count; i++) {
    const wir_typed *text = typed->items[i];
    name_is_free(c, text->name, text->loc);
    wf_value *value = wf_value_create(c->function, text->name, text->dtype, text->rank, text->shape, text->loc);
    finish_value(c, value, text);
    value->def = op;
    value->result_index = i;
    op->results[op->result_count++] = value;
  }
}

static void later(wir_context *c, wf_op *op, const wir_rhs *rhs) {
  wir_pending pending = {op, rhs->callee, rhs->loc};
  wf_vec_push(c->arena, &c->pending, pending);
}

wf_op *wir_finish_op(wir_context *c, wir_list *typed, wir_rhs *rhs) {
  const wir_typed *first = typed->items[0];
  wf_op *op = wf_op_create(c->function, rhs->kind, first->loc);
  if (rhs->refs && rhs->kind != WF_O_SCATTER) finish_operands(c, op, rhs);
  if (rhs->refs && rhs->kind == WF_O_SCATTER) {
    op->operands = values_of(c, rhs->refs);
    if (!op->operands) return NULL;
    op->operand_count = 1;
  }
  int scope = c->scope.count;
  switch (rhs->kind) {
  case WF_O_CONST: finish_const(c, op, rhs, first); break;
  case WF_O_COMPUTE: finish_compute(c, op, rhs, first->dtype); break;
  case WF_O_SCATTER: finish_scatter(c, op, rhs, first->dtype); break;
  case WF_O_SORT: op->sort_axis = rhs->sort_axis, op->descending = rhs->flag; break;
  case WF_O_LOOP: finish_loop(c, op, rhs), later(c, op, rhs); break;
  case WF_O_CALL: case WF_O_LAUNCH: later(c, op, rhs); break;
  case WF_O_GRAD: case WF_O_UPDATE: case WF_O_GROUP: case WF_OPERATION_COUNT: break;
  }
  c->scope.count = scope;
  add_results(c, op, typed);
  return op;
}

wf_op *wir_update(wir_context *c, wir_ref target, wir_ref value, wf_loc loc) {
  wf_op *op = wf_op_create(c->function, WF_O_UPDATE, loc);
  op->operands = WF_NEW_ARRAY(c->arena, wf_value *, 2);
  op->operands[0] = wir_find_value(c, target.name, target.loc);
  op->operands[1] = wir_find_value(c, value.name, value.loc);
  op->operand_count = 2;
  return op->operands[0] && op->operands[1] ? op : NULL;
}

wf_op *wir_group(wir_context *c, const char *name, wir_list *results, wir_list *members, wf_loc loc) {
  wf_op *op = wf_op_create(c->function, WF_O_GROUP, loc);
  op->group_name = name;
  op->members = WF_NEW_ARRAY(c->arena, wf_op *, members->count);
  for (int i = 0; i < members->count; i++)
    if (members->items[i]) op->members[op->member_count++] = members->items[i];
  op->results = values_of(c, results);
  op->result_count = op->results ? results->count : 0;
  wf_op_refresh_operands(c->module, op);
  return op;
}

void wir_place(wir_context *c, wf_op *member, wf_placement placement, const char *at, wf_loc loc) {
  if (!member) return;
  member->placement = placement;
  if (at) member->placed_at = (int)wir_integer(c, at, loc);
}

// ---- entry points -------------------------------------------------------------------------------------------------------------

static void resolve_pending(wir_context *c) {
  for (int i = 0; i < c->pending.count; i++) {
    const wir_pending *pending = &c->pending.items[i];
    const wf_map *names = pending->op->kind == WF_O_LAUNCH ? &c->kernels : &c->functions;
    void *found = wf_map_get(names, pending->callee);
    if (pending->op->kind == WF_O_LAUNCH) pending->op->kernel = found;
    else pending->op->region = found;
    if (found) continue;
    wf_diagnostic *error = wf_error(c->diag, pending->loc, "no %s '@%s' in this module", pending->op->kind == WF_O_LAUNCH ? "kernel" : "function", pending->callee);
    const char *near = wf_did_you_mean(pending->callee, names->keys, names->count);
    if (near) wf_help(c->diag, error, "did you mean '@%s'?", near);
  }
}

static void context_init(wir_context *c, wf_module *module, wf_diag *diag, const wf_source *source, int start) {
  *c = (wir_context){.module = module, .diag = diag, .arena = module->arena, .source = source, .start = start, .line = 1, .column = 1,
                     .scalar_type = WF_F32};
  wf_map_init(&c->symbols, c->arena);
  wf_map_init(&c->kernels, c->arena);
  wf_map_init(&c->functions, c->arena);
  for (int i = 0; i < module->functions.count; i++) wf_map_set(&c->functions, module->functions.items[i]->name, module->functions.items[i]);
  for (int i = 0; i < module->kernels.count; i++) wf_map_set(&c->kernels, module->kernels.items[i]->name, module->kernels.items[i]);
}

static bool run(wir_context *c, const char *text, size_t size) {
  int errors = c->diag->errors;
  yyscan_t scanner;
  if (size > INT32_MAX || wir_lex_init_extra(c, &scanner)) {
    wf_error(c->diag, WF_NOWHERE, "the text cannot be read: it is too large");
    return false;
  }
  YY_BUFFER_STATE buffer = wir__scan_bytes(text, (int)size, scanner);
  int status = wir_parse(scanner, c);
  wir__delete_buffer(buffer, scanner);
  wir_lex_destroy(scanner);
  if (!status) resolve_pending(c);
  return !status && c->diag->errors == errors;
}

wf_module *wf_parse_module(wf_arena *arena, wf_diag *diag, const wf_source *source) {
  wir_context c;
  wf_module *module = wf_module_create(arena, diag);
  context_init(&c, module, diag, source, START_MODULE);
  return run(&c, source->text, source->size) ? module : NULL;
}

bool wf_parse_kernels(wf_module *module, const wf_source *source) {
  wir_context c;
  context_init(&c, module, module->diag, source, START_MODULE);
  return run(&c, source->text, source->size);
}

const wf_expr *wf_parse_scalar(wf_module *module, const char *text, const char *const *names, const wf_expr *const *values, int count) {
  wir_context c;
  wf_source *source = wf_source_from_text(module->arena, "scalar", text);
  context_init(&c, module, module->diag, source, START_SCALAR);
  c.scalar_mode = true;
  for (int i = 0; i < count; i++) {
    wir_scope_entry entry = {names[i], values[i], NULL};
    wf_vec_push(c.arena, &c.scope, entry);
    if (!strcmp(names[i], "a")) c.scalar_type = values[i]->dtype;
  }
  return run(&c, text, strlen(text)) ? c.scalar : NULL;
}
