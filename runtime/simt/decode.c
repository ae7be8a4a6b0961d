// Function bodies: scopes, labels, branches, calls, and the way from an opcode word to its decoder.
#include <stdio.h>
#include <string.h>
#include "runtime/simt/decode.h"

enum { INSTRUCTION_LIMIT = 1 << 22, FRAME_LIMIT = 1 << 24 };

void simt_decode_fail(simt_decoder *d, ptx_place place, const char *format, ...) {
  d->failed = true;
  char text[400];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  ptx_fail(d->tree, place, "%s", text);
}

simt_instruction *simt_emit(simt_decoder *d, simt_handler run, simt_kind kind) {
  simt_instruction made = {.run = run, .kind = (uint8_t)kind, .guard = SIMT_NONE, .e = SIMT_NONE, .text = d->statement->word,
                           .line = d->statement->place.line, .place = d->place};
  if (d->code.count >= INSTRUCTION_LIMIT) simt_decode_fail(d, d->statement->place, "the kernel has more than %d instructions", INSTRUCTION_LIMIT);
  else wf_vec_push(d->arena, &d->code, made);
  simt_instruction *i = &d->code.items[d->code.count - 1];
  if (d->statement->guard) {
    const simt_symbol *guard = simt_register(d, d->statement->guard);
    if (!guard || guard->bytes) simt_decode_fail(d, d->statement->place, "%s is no predicate", d->statement->guard);
    else i->guard = guard->offset, i->guard_negated = d->statement->guard_negated;
  }
  return i;
}

simt_handler simt_lane_handler(simt_decoder *d, simt_op op, simt_type type) {
  simt_handler found = (*d->lanes)[op][type];
  if (found) return found;
  simt_decode_fail(d, d->statement->place, "%s: no such instruction for .%s", d->statement->word, simt_type_names[type]);
  return simt_do_nothing;
}

// ---- scopes -----------------------------------------------------------------------------------------------------

static simt_scope *scope_open(simt_decoder *d) {
  simt_scope *scope = WF_NEW(d->arena, simt_scope);
  scope->outer = d->scope;
  wf_map_init(&scope->names, d->arena);
  return d->scope = scope;
}

static simt_symbol *symbol_add(simt_decoder *d, const char *name, simt_symbol_kind kind, ptx_place place) {
  if (wf_map_get(&d->scope->names, name)) simt_decode_fail(d, place, "%s is declared twice", name);
  simt_symbol *symbol = WF_NEW(d->arena, simt_symbol);
  symbol->kind = kind;
  wf_map_set(&d->scope->names, name, symbol);
  return symbol;
}

static void declare_registers(simt_decoder *d, const ptx_variable *variable) {
  simt_type type = variable->type ? simt_type_of(variable->type) : SIMT_NO_TYPE;
  if (!type || variable->vector != 1) {
    simt_decode_fail(d, variable->place, "registers of .%s are not supported", variable->type ? variable->type : "no type");
    return;
  }
  uint32_t bytes = type == SIMT_PRED ? 0 : simt_type_bytes[type] == 1 ? 2 : simt_type_bytes[type];
  uint32_t stride = bytes ? bytes * LANES : 4, count = variable->count < 0 ? 1 : (uint32_t)variable->count;
  const char *name = variable->count < 0 ? variable->name : wf_arena_printf(d->arena, "%s<", variable->name);
  if ((uint64_t)stride * count > FRAME_LIMIT || d->registers > FRAME_LIMIT) {
    simt_decode_fail(d, variable->place, "too many registers");
    return;
  }
  simt_symbol *symbol = symbol_add(d, name, variable->count < 0 ? SYMBOL_REGISTER : SYMBOL_RANGE, variable->place);
  symbol->bytes = bytes, symbol->stride = stride, symbol->count = (int)count, symbol->offset = d->registers;
  d->registers = (d->registers + stride * count + 63) / 64 * 64;
}

static uint64_t bytes_of(simt_decoder *d, const ptx_variable *variable) {
  simt_type type = variable->type ? simt_type_of(variable->type) : SIMT_NO_TYPE;
  if (!type || type == SIMT_PRED) simt_decode_fail(d, variable->place, "%s has no type that memory can hold", variable->name);
  return (uint64_t)simt_type_bytes[type] * (uint64_t)variable->vector * (variable->elements > 0 ? (uint64_t)variable->elements : 1);
}

static uint32_t align_of(const ptx_variable *variable) {
  simt_type type = variable->type ? simt_type_of(variable->type) : SIMT_NO_TYPE;
  uint32_t own = type ? simt_type_bytes[type] * (uint32_t)variable->vector : 1;
  return variable->align > own ? variable->align : own ? own : 1;
}

static uint64_t place_local(simt_decoder *d, const ptx_variable *variable) {
  uint32_t align = align_of(variable);
  d->local_bytes = (d->local_bytes + align - 1) / align * align;
  uint64_t at = d->local_bytes;
  d->local_bytes += bytes_of(d, variable);
  if (d->local_bytes > 512 * 1024) simt_decode_fail(d, variable->place, "more than 512 KiB of local memory");
  return at;
}

static void declare_variable(simt_decoder *d, const ptx_variable *variable) {
  if (!strcmp(variable->space, "reg")) {
    declare_registers(d, variable);
    return;
  }
  if (variable->initial) simt_decode_fail(d, variable->place, "%s: initial values in a function are not supported", variable->name);
  simt_symbol *symbol = symbol_add(d, variable->name, SYMBOL_VARIABLE, variable->place);
  if (!strcmp(variable->space, "shared")) {
    uint32_t align = align_of(variable);
    symbol->space = SPACE_SHARED;
    symbol->dynamic = variable->elements < 0;
    if (symbol->dynamic) return;
    d->shared_bytes = (d->shared_bytes + align - 1) / align * align;
    symbol->address = d->shared_bytes;
    d->shared_bytes += bytes_of(d, variable);
  } else if (!strcmp(variable->space, "local") || !strcmp(variable->space, "param")) {
    symbol->space = SPACE_LOCAL;   // parameters of device functions live there too
    symbol->address = place_local(d, variable);
  } else {
    simt_decode_fail(d, variable->place, "%s: .%s variables in a function are not supported", variable->name, variable->space);
  }
}

// ---- branches and calls -----------------------------------------------------------------------------------------

static void fixup(simt_decoder *d, int slot, const char *label, ptx_place place) {
  simt_fixup made = {d->code.count - 1, slot, label, d->scope, place};
  wf_vec_push(d->arena, &d->fixups, made);
}

static const simt_symbol *label_in(const simt_scope *scope, const char *name) {
  for (; scope; scope = scope->outer) {
    const simt_symbol *found = wf_map_get(&scope->names, name);
    if (found) return found;
  }
  return NULL;
}

static void resolve_labels(simt_decoder *d) {
  for (int k = 0; k < d->fixups.count && !d->failed; k++) {
    const simt_fixup *at = &d->fixups.items[k];
    const simt_symbol *label = label_in(at->scope, at->label);
    if (!label || label->kind != SYMBOL_LABEL) {
      simt_decode_fail(d, at->place, "%s is no label of this function", at->label);
      return;
    }
    simt_instruction *i = &d->code.items[at->instruction];
    if (at->slot < 0) i->target = label->pc;
    else ((uint32_t *)i->more)[at->slot] = label->pc;
  }
}

static void decode_bra(simt_decoder *d, simt_spelling *sp) {
  simt_take(sp, "uni");
  if (!simt_operands(d, 1, 1)) return;
  ptx_operand *to = simt_operand(d, 0);
  if (to->kind != PTX_NAME) {
    simt_decode_fail(d, to->place, "a label is asked here");
    return;
  }
  simt_emit(d, simt_do_nothing, KIND_BRANCH);
  fixup(d, -1, to->name, to->place);
}

static void decode_brx(simt_decoder *d, simt_spelling *sp) {
  simt_take(sp, "uni"), simt_take(sp, "idx");
  if (!simt_operands(d, 2, 2)) return;
  ptx_operand *table = simt_operand(d, 1);
  const simt_symbol *found = table->kind == PTX_NAME ? simt_lookup(d, table->name) : NULL;
  if (!found || !found->targets) {
    simt_decode_fail(d, table->place, "%s: no .branchtargets of that name stand before it", d->statement->word);
    return;
  }
  uint32_t a = simt_source(d, simt_operand(d, 0), SIMT_U32);
  simt_instruction *i = simt_emit(d, simt_do_nothing, KIND_TABLE_BRANCH);
  const ptx_operands *targets = &found->targets->operands;
  i->a = a, i->offset = targets->list.count;
  i->more = WF_NEW_ARRAY(d->module->arena, uint32_t, targets->list.count);
  for (int k = 0; k < targets->list.count; k++) fixup(d, k, targets->list.items[k]->name, targets->list.items[k]->place);
}

static void decode_ret(simt_decoder *d, simt_spelling *sp) {
  simt_take(sp, "uni");
  simt_operands(d, 0, 0);
  if (!d->return_label) {
    simt_emit(d, simt_do_nothing, KIND_EXIT);
    return;
  }
  simt_emit(d, simt_do_nothing, KIND_BRANCH);
  fixup(d, -1, d->return_label, d->statement->place);
  d->fixups.items[d->fixups.count - 1].scope = d->return_scope;
}
static void decode_exit(simt_decoder *d, simt_spelling *sp) { (void)sp, simt_operands(d, 0, 0), simt_emit(d, simt_do_nothing, KIND_EXIT); }
static void decode_trap(simt_decoder *d, simt_spelling *sp) { (void)sp, simt_operands(d, 0, 0), simt_emit(d, simt_do_nothing, KIND_TRAP); }

static const ptx_function *function_named(simt_decoder *d, const char *name) {
  const ptx_function *found = NULL;
  for (int k = 0; k < d->tree->functions.count; k++)
    if (!d->tree->functions.items[k]->entry && !strcmp(d->tree->functions.items[k]->name, name) && (!found || d->tree->functions.items[k]->body))
      found = d->tree->functions.items[k];
  return found;
}

// The callee's name for a parameter stands for the caller's variable.
static void bind(simt_decoder *d, simt_scope *inside, const ptx_variables *formal, const ptx_operand *actual) {
  int given = actual ? actual->items.list.count : 0;
  if (given != formal->list.count) {
    simt_decode_fail(d, d->statement->place, "call: %d arguments or results, not %d", formal->list.count, given);
    return;
  }
  for (int k = 0; k < given; k++) {
    const ptx_operand *argument = actual->items.list.items[k];
    const simt_symbol *variable = argument->kind == PTX_NAME ? simt_lookup(d, argument->name) : NULL;
    if (!variable || variable->kind != SYMBOL_VARIABLE || variable->space != SPACE_LOCAL || strcmp(formal->list.items[k]->space, "param")) {
      simt_decode_fail(d, argument->place, "call: arguments and results are .param variables of the caller");
      return;
    }
    wf_map_set(&inside->names, formal->list.items[k]->name, (void *)variable);
  }
}

static void decode_body(simt_decoder *d, const ptx_function *function);

// Written out in place: registers and variables of its own for each call.
static void inline_call(simt_decoder *d, const ptx_function *callee, const ptx_operand *results, const ptx_operand *arguments) {
  for (int k = 0; k < d->depth; k++)
    if (d->calling[k] == callee) {
      simt_decode_fail(d, d->statement->place, "%s calls itself: recursion is not supported", callee->name);
      return;
    }
  if (d->depth == 16) {
    simt_decode_fail(d, d->statement->place, "calls nest deeper than 16");
    return;
  }
  simt_scope *caller = d->scope, *return_scope = d->return_scope;
  const char *return_label = d->return_label;
  const ptx_statement *statement = d->statement;
  simt_scope *inside = scope_open(d);
  d->scope = caller;
  bind(d, inside, &callee->results, results);
  bind(d, inside, &callee->parameters, arguments);
  d->scope = inside;
  inside->outer = NULL;   // the caller's names are not the callee's
  d->return_label = "return of a call";
  d->return_scope = inside;
  d->calling[d->depth++] = callee;
  decode_body(d, callee);
  d->depth--;
  simt_symbol *end = symbol_add(d, d->return_label, SYMBOL_LABEL, callee->place);
  end->pc = (uint32_t)d->code.count;
  d->return_label = return_label;
  d->return_scope = return_scope;
  d->statement = statement;
}

static void decode_call(simt_decoder *d, simt_spelling *sp) {
  simt_take(sp, "uni");
  if (!simt_operands(d, 1, 3)) return;
  int count = d->statement->operands.list.count, at = simt_operand(d, 0)->kind == PTX_LIST;
  const ptx_operand *results = at ? simt_operand(d, 0) : NULL, *arguments = at + 1 < count ? simt_operand(d, at + 1) : NULL;
  ptx_operand *name = at < count ? simt_operand(d, at) : NULL;
  const ptx_function *callee = name && name->kind == PTX_NAME ? function_named(d, name->name) : NULL;
  if (!callee || !callee->body || (arguments && arguments->kind != PTX_LIST)) {
    simt_decode_fail(d, d->statement->place, callee ? "%s has no body in this file" : "%s is no function of this file (calls through pointers are not supported)",
                     name && name->name ? name->name : "this");
    return;
  }
  if (d->statement->guard) {
    simt_decode_fail(d, d->statement->place, "call under a guard is not supported");
    return;
  }
  simt_scope *scope = d->scope;
  inline_call(d, callee, results, arguments);
  d->scope = scope;
}

static const simt_decode_row control[] = {
    {"bra", decode_bra}, {"brx", decode_brx}, {"ret", decode_ret}, {"exit", decode_exit}, {"trap", decode_trap}, {"call", decode_call}, {NULL, NULL},
};

// ---- statements -------------------------------------------------------------------------------------------------

static bool spell(simt_decoder *d, const char *word, simt_spelling *sp) {
  *sp = (simt_spelling){0};
  for (const char *at = word; at;) {
    const char *end = strchr(at, '.');
    size_t length = end ? (size_t)(end - at) : strlen(at);
    if (length >= sizeof sp->root || sp->count == 16) {
      simt_decode_fail(d, d->statement->place, "%s is not known to the PTX machine", word);
      return false;
    }
    if (at == word) memcpy(sp->root, at, length);
    else memcpy(sp->part[sp->count++], at, length);
    at = end ? end + 1 : NULL;
  }
  return true;
}

static simt_decode_function decoder_of(const char *root) {
  static const simt_decode_row *const tables[] = {control, simt_decode_arithmetic, simt_decode_memory, simt_decode_warp};
  for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
    for (const simt_decode_row *row = tables[t]; row->root; row++)
      if (!strcmp(row->root, root)) return row->decode;
  return NULL;
}

static void decode_instruction(simt_decoder *d) {
  simt_spelling sp;
  if (!spell(d, d->statement->word, &sp)) return;
  simt_decode_function decode = decoder_of(sp.root);
  if (!decode) {
    simt_decode_fail(d, d->statement->place, "%s is not known to the PTX machine", d->statement->word);
    return;
  }
  decode(d, &sp);
  for (int k = 0; k < sp.count && !d->failed; k++)
    if (!sp.taken[k]) simt_decode_fail(d, d->statement->place, "%s: .%s is not supported", d->statement->word, sp.part[k]);
}

static void set_place(simt_decoder *d, const ptx_statement *statement) {
  weft_simt_module *module = d->module;
  simt_place place = {statement->file, statement->line, statement->column};
  if (module->place_count && !memcmp(&module->places[module->place_count - 1], &place, sizeof place)) {
    d->place = module->place_count - 1;
    return;
  }
  if ((module->place_count & (module->place_count - 1)) == 0) {   // a power of two: full
    simt_place *grown = WF_NEW_ARRAY(module->arena, simt_place, module->place_count ? 2 * module->place_count : 1);
    if (module->place_count) memcpy(grown, module->places, (size_t)module->place_count * sizeof *grown);
    module->places = grown;
  }
  module->places[module->place_count] = place;
  d->place = module->place_count++;
}

static void decode_statement(simt_decoder *d, const ptx_statement *statement, const char **last_label) {
  d->statement = statement;
  switch (statement->kind) {
    case PTX_OPEN: scope_open(d); break;
    case PTX_CLOSE: d->scope = d->scope->outer; break;
    case PTX_VARIABLE: declare_variable(d, statement->variable); break;
    case PTX_LOC: set_place(d, statement); break;
    case PTX_LABEL:
      symbol_add(d, statement->word, SYMBOL_LABEL, statement->place)->pc = (uint32_t)d->code.count;
      *last_label = statement->word;
      break;
    case PTX_TARGETS:
      if (*last_label) ((simt_symbol *)simt_lookup(d, *last_label))->targets = statement;
      break;
    case PTX_INSTRUCTION: decode_instruction(d); break;
  }
}

static void decode_body(simt_decoder *d, const ptx_function *function) {
  const char *last_label = NULL;
  for (int k = 0; k < function->statements.list.count && !d->failed; k++) {
    decode_statement(d, function->statements.list.items[k], &last_label);
    if (function->statements.list.items[k]->kind != PTX_LABEL) last_label = NULL;
  }
}

// ---- kernels ----------------------------------------------------------------------------------------------------

static void declare_parameters(simt_decoder *d, const ptx_function *function) {
  weft_simt_kernel *kernel = d->kernel;
  int count = function->parameters.list.count;
  kernel->parameters = WF_NEW_ARRAY(d->module->arena, simt_parameter, count);
  uint64_t offset = 0;
  for (int k = 0; k < count && !d->failed; k++) {
    const ptx_variable *variable = function->parameters.list.items[k];
    uint32_t align = align_of(variable);
    uint64_t bytes = bytes_of(d, variable);
    offset = (offset + align - 1) / align * align;
    if (offset + bytes > 32764 || strcmp(variable->space, "param")) {
      simt_decode_fail(d, variable->place, "%s: parameters are .param variables of at most 32,764 bytes together", variable->name);
      return;
    }
    kernel->parameters[k] = (simt_parameter){wf_arena_strdup(d->module->arena, variable->name), (uint32_t)offset, (uint32_t)bytes, align};
    simt_symbol *symbol = symbol_add(d, variable->name, SYMBOL_VARIABLE, variable->place);
    symbol->space = SPACE_PARAM;
    symbol->address = offset;
    offset += bytes;
  }
  kernel->parameter_count = count;
  kernel->parameter_bytes = (uint32_t)offset;
}

// Dynamic shared memory comes after all variables: now that is known.
static void place_dynamic(simt_decoder *d) {
  d->shared_bytes = (d->shared_bytes + 15) / 16 * 16;
  if (!d->dynamic_code.count && !d->dynamic_constants.count) return;
  d->shared_bytes = (d->shared_bytes + 127) / 128 * 128;
  for (int k = 0; k < d->dynamic_code.count; k++) d->code.items[d->dynamic_code.items[k]].offset += (int64_t)d->shared_bytes;
  for (int k = 0; k < d->dynamic_constants.count; k++) {
    uint32_t slot = d->dynamic_constants.items[k], offset = slot & 0x7fffffff, bytes = slot >> 31 ? 8 : 4;
    for (uint32_t lane = 0; lane < LANES; lane++) {
      uint64_t address = 0;
      memcpy(&address, d->constants + offset + bytes * lane, bytes);
      address += d->shared_bytes;
      memcpy(d->constants + offset + bytes * lane, &address, bytes);
    }
  }
}

static void *kept(simt_decoder *d, const void *data, size_t bytes) {
  void *copy = wf_arena_alloc(d->module->arena, bytes + 64);
  if (bytes) memcpy(copy, data, bytes);
  return copy;
}

static void finish(simt_decoder *d, const ptx_function *function) {
  weft_simt_kernel *kernel = d->kernel;
  resolve_labels(d);
  place_dynamic(d);
  for (int k = 0; k < d->code.count; k++) d->code.items[k].text = wf_arena_strdup(d->module->arena, d->code.items[k].text);
  kernel->code = kept(d, d->code.items, (size_t)d->code.count * sizeof *d->code.items);
  kernel->count = d->code.count;
  kernel->constants = kept(d, d->constants, d->constant_bytes);
  kernel->specials = kept(d, d->specials.items, (size_t)d->specials.count * sizeof *d->specials.items);
  kernel->special_count = d->specials.count;
  kernel->frame_bytes = d->registers;
  kernel->shared_bytes = (uint32_t)d->shared_bytes;
  kernel->local_bytes = (uint32_t)((d->local_bytes + 15) / 16 * 16);
  memcpy(kernel->required_threads, function->required_threads, sizeof kernel->required_threads);
  memcpy(kernel->maximum_threads, function->maximum_threads, sizeof kernel->maximum_threads);
  if (d->shared_bytes > SIMT_SHARED_LIMIT) simt_decode_fail(d, function->place, "%s: %llu bytes of shared memory", function->name, (unsigned long long)d->shared_bytes);
  if (kernel->frame_bytes > FRAME_LIMIT) simt_decode_fail(d, function->place, "%s: too many registers", function->name);
}

bool simt_decode_kernel(simt_decoder *d, const ptx_function *function) {
  ptx_statement end = {.kind = PTX_INSTRUCTION, .place = function->place, .word = "exit"};
  d->statement = &end;
  d->registers = 256;   // offset 0: what operands that an instruction lacks point at
  simt_constant(d, 0, 8);
  scope_open(d);
  declare_parameters(d, function);
  decode_body(d, function);
  d->statement = &end;
  simt_emit(d, simt_do_nothing, KIND_EXIT);   // for bodies that end without one
  if (!d->failed) finish(d, function);
  return !d->failed && !d->tree->error;
}
