// Loads, stores, atomics, fences, address conversions, asynchronous copies.
#include <string.h>
#include "runtime/simt/decode.h"

static simt_space take_space(simt_spelling *sp) {
  static const char *const names[] = {"global", "shared", "shared::cta", "local", "param", "param::entry", "param::func", "const"};
  static const simt_space spaces[] = {SPACE_GLOBAL, SPACE_SHARED, SPACE_SHARED, SPACE_LOCAL, SPACE_PARAM, SPACE_PARAM, SPACE_PARAM, SPACE_CONST};
  int found = simt_take_one(sp, names, 8);
  return found < 0 ? SPACE_GENERIC : spaces[found];
}

// Hints about caches do not change what an access means.
static void take_cache_hints(simt_spelling *sp) {
  static const char *const names[] = {"ca", "cg", "cs", "cv", "lu", "wb", "wt", "L1::evict_normal", "L1::evict_unchanged", "L1::evict_first",
                                      "L1::evict_last", "L1::no_allocate", "L2::evict_last", "L2::evict_normal", "L2::evict_first",
                                      "L2::64B", "L2::128B", "L2::256B"};
  while (simt_take_one(sp, names, (int)(sizeof names / sizeof *names)) >= 0) {}
}

// Strength and scope. What reaches beyond the block makes the kernel one that orders its blocks itself.
static bool take_strength(simt_decoder *d, simt_spelling *sp, simt_space space) {
  static const char *const orders[] = {"weak", "volatile", "relaxed", "acquire", "release", "acq_rel", "sc"};
  static const char *const scopes[] = {"cta", "cluster", "gpu", "sys"};
  int order = simt_take_one(sp, orders, 7), scope = simt_take_one(sp, scopes, 4);
  bool strong = order >= 1;
  if (strong && scope != 0 && space != SPACE_SHARED && space != SPACE_LOCAL) d->kernel->synchronises = true;
  return strong;
}

static int take_width(simt_spelling *sp) {
  static const char *const names[] = {"v2", "v4", "v8"};
  int found = simt_take_one(sp, names, 3);
  return found < 0 ? 1 : 2 << found;
}

// Memory type and register width of an access, and its registers: one, or a list of `width`.
static void data_operand(simt_decoder *d, simt_instruction *i, ptx_operand *data, bool results) {
  uint32_t bytes = simt_type_bytes[i->type], width = i->width;
  if (i->type == SIMT_PRED || bytes * width > 32 || (width > 1) != (data->kind == PTX_VECTOR) || (width > 1 && data->items.list.count != (int)width)) {
    simt_decode_fail(d, d->statement->place, "%s: %u values of .%s do not fit its operand", d->statement->word, width, simt_type_names[i->type]);
    return;
  }
  uint32_t *more = WF_NEW_ARRAY(d->module->arena, uint32_t, width), register_bytes = 0;
  ptx_operand **items = width > 1 ? data->items.list.items : &data;
  for (uint32_t k = 0; k < width; k++)   // registers may be wider than what is in memory
    if (simt_register_bytes(d, items[k]) > register_bytes) register_bytes = simt_register_bytes(d, items[k]);
  if (!register_bytes) register_bytes = bytes == 1 ? 2 : bytes;
  if (register_bytes < bytes || register_bytes > 8) simt_decode_fail(d, d->statement->place, "%s: a register is too narrow", d->statement->word);
  simt_type as = (simt_type)i->type;
  if (register_bytes != bytes) as = register_bytes == 2 ? SIMT_B16 : register_bytes == 4 ? SIMT_B32 : SIMT_B64;
  for (uint32_t k = 0; k < width; k++) more[k] = results ? simt_destination(d, items[k], register_bytes) : simt_source(d, items[k], as);
  i->register_bytes = (uint8_t)register_bytes;
  i->d = more[0];
  i->more = more;
}

static void access(simt_decoder *d, simt_spelling *sp, bool load) {
  simt_space space = take_space(sp);
  bool strong = take_strength(d, sp, space);
  take_cache_hints(sp);
  if (load) simt_take(sp, "nc");
  simt_instruction made = {.space = (uint8_t)space, .strong = strong, .width = (uint8_t)take_width(sp)};
  made.type = (uint8_t)simt_take_type(d, sp);
  if (!simt_operands(d, 2, 2)) return;
  data_operand(d, &made, simt_operand(d, load ? 0 : 1), load);
  simt_instruction *i = simt_emit(d, load ? simt_do_load : simt_do_store, KIND_MEMORY);
  i->space = made.space, i->strong = made.strong, i->width = made.width, i->type = made.type;
  i->register_bytes = made.register_bytes, i->d = made.d, i->more = made.more;
  simt_address_operand(d, i, simt_operand(d, load ? 1 : 0));
  if (i->space == SPACE_CONST) i->space = SPACE_GLOBAL;
}
static void decode_ld(simt_decoder *d, simt_spelling *sp) { access(d, sp, true); }
static void decode_st(simt_decoder *d, simt_spelling *sp) { access(d, sp, false); }

// ldu: a load that all lanes do alike.
static void decode_ldu(simt_decoder *d, simt_spelling *sp) { access(d, sp, true); }

static void atomic(simt_decoder *d, simt_spelling *sp, bool returns) {
  static const char *const ops[] = {"add", "min", "max", "exch", "cas", "and", "or", "xor", "inc", "dec"};
  simt_space space = take_space(sp);
  take_strength(d, sp, SPACE_SHARED);   // an atomic alone does not order other accesses of the kernel's
  take_cache_hints(sp);
  simt_take(sp, "noftz");
  int op = simt_take_one(sp, ops, 10);
  simt_type type = simt_take_type(d, sp);
  if (d->failed) return;
  bool is_float = type == SIMT_F32 || type == SIMT_F64 || type == SIMT_F16 || type == SIMT_BF16 || type == SIMT_F16X2 || type == SIMT_BF16X2;
  if (op < 0 || simt_type_bytes[type] < 2 || type == SIMT_PRED || (is_float && op != ATOMIC_ADD) ||
      ((op == ATOMIC_INC || op == ATOMIC_DEC) && type != SIMT_U32)) {
    simt_decode_fail(d, d->statement->place, "%s is not supported", d->statement->word);
    return;
  }
  int operands = 2 + returns + (op == ATOMIC_CAS);
  if (!simt_operands(d, operands, operands)) return;
  uint32_t b = simt_source(d, simt_operand(d, 1 + returns), type), c = op == ATOMIC_CAS ? simt_source(d, simt_operand(d, 2 + returns), type) : SIMT_NONE;
  simt_instruction *i = simt_emit(d, simt_do_atomic, KIND_MEMORY);
  i->space = (uint8_t)space, i->op = (uint8_t)op, i->type = (uint8_t)type, i->strong = 1, i->b = b, i->c = c;
  i->d = returns ? simt_destination(d, simt_operand(d, 0), simt_type_bytes[type]) : SIMT_NONE;
  simt_address_operand(d, i, simt_operand(d, returns));
  if (space != SPACE_SHARED && (is_float || i->d != SIMT_NONE || op == ATOMIC_EXCHANGE || op == ATOMIC_CAS)) d->kernel->ordered = true;
}
static void decode_atom(simt_decoder *d, simt_spelling *sp) { atomic(d, sp, true); }
static void decode_red(simt_decoder *d, simt_spelling *sp) { atomic(d, sp, false); }

static void decode_membar(simt_decoder *d, simt_spelling *sp) {
  if (!simt_take(sp, "cta")) d->kernel->synchronises |= simt_take(sp, "gl") || simt_take(sp, "sys");
  simt_operands(d, 0, 0);
  simt_emit(d, simt_do_fence, KIND_PLAIN);
}
static void decode_fence(simt_decoder *d, simt_spelling *sp) {
  take_strength(d, sp, SPACE_GLOBAL);
  simt_operands(d, 0, 0);
  simt_emit(d, simt_do_fence, KIND_PLAIN);
}

static void decode_prefetch(simt_decoder *d, simt_spelling *sp) {
  static const char *const levels[] = {"L1", "L2", "L2::evict_last", "L2::evict_normal"};
  take_space(sp);
  simt_take_one(sp, levels, 4);
  simt_operands(d, 1, 1);
  simt_emit(d, simt_do_nothing, KIND_PLAIN);
}

// ---- generic addresses ------------------------------------------------------------------------------------------

static void decode_cvta(simt_decoder *d, simt_spelling *sp) {
  bool to = simt_take(sp, "to");
  simt_space space = take_space(sp);
  simt_type type = simt_take_type(d, sp);
  if (!simt_operands(d, 2, 2)) return;
  if (type != SIMT_U64) simt_decode_fail(d, d->statement->place, "%s: addresses have 64 bits", d->statement->word);
  ptx_operand *source = simt_operand(d, 1);
  const simt_symbol *named = source->kind == PTX_NAME ? simt_lookup(d, source->name) : NULL;
  if (named && named->kind == SYMBOL_VARIABLE && named->space == SPACE_LOCAL) space = SPACE_LOCAL;
  uint32_t a = simt_source(d, source, SIMT_B64);
  simt_instruction *i = simt_emit(d, to ? simt_do_address_to_space : simt_do_address_to_generic, KIND_PLAIN);
  i->d = simt_destination(d, simt_operand(d, 0), 8);
  i->a = a, i->space = (uint8_t)space;
}

static void decode_isspacep(simt_decoder *d, simt_spelling *sp) {
  simt_space space = take_space(sp);
  if (!simt_operands(d, 2, 2)) return;
  if (space == SPACE_GENERIC || space == SPACE_CONST) simt_decode_fail(d, d->statement->place, "%s is not supported", d->statement->word);
  uint32_t a = simt_source(d, simt_operand(d, 1), SIMT_B64);
  simt_instruction *i = simt_emit(d, simt_do_is_space, KIND_PLAIN);
  i->d = simt_predicate(d, simt_operand(d, 0), NULL);
  i->a = a, i->space = (uint8_t)space;
}

// ---- cp.async ---------------------------------------------------------------------------------------------------

static void copy_wait(simt_decoder *d, simt_spelling *sp, bool all) {
  int64_t pending = SIMT_NONE;
  if (!all) {
    if (!simt_operands(d, 1, 1)) return;
    pending = simt_operand(d, 0)->integer;
    if (simt_operand(d, 0)->kind != PTX_INTEGER || pending < 0 || pending > 1 << 20) simt_decode_fail(d, d->statement->place, "%s: a number of groups is asked", d->statement->word);
  } else {
    simt_operands(d, 0, 0);
  }
  simt_instruction *i = simt_emit(d, simt_do_copy_wait, KIND_MEMORY);
  i->offset = pending;
}

// cp.async.{ca,cg}.shared.global [to], [from], bytes {, source bytes | ignore predicate}: two instructions, the second of
// which only says where the source is (its run does nothing).
static void copy(simt_decoder *d, simt_spelling *sp) {
  take_cache_hints(sp);
  if (!simt_take(sp, "shared") && !simt_take(sp, "shared::cta")) simt_decode_fail(d, d->statement->place, "%s: .shared is missing", d->statement->word);
  if (!simt_take(sp, "global")) simt_decode_fail(d, d->statement->place, "%s: .global is missing", d->statement->word);
  if (!simt_operands(d, 3, 5)) return;
  int count = d->statement->operands.list.count;
  ptx_operand *size = simt_operand(d, 2), *fourth = count > 3 ? simt_operand(d, 3) : NULL;
  if (size->kind != PTX_INTEGER || (size->integer != 4 && size->integer != 8 && size->integer != 16) || count == 5)
    simt_decode_fail(d, d->statement->place, "%s: copies of 4, 8 or 16 bytes, with a source size or a predicate", d->statement->word);
  uint32_t bytes = SIMT_NONE, *ignore = NULL;
  if (fourth && fourth->kind == PTX_NAME && simt_register(d, fourth->name) && !simt_register(d, fourth->name)->bytes) {
    ignore = WF_NEW(d->module->arena, uint32_t);
    *ignore = simt_predicate(d, fourth, NULL);
  } else if (fourth) {
    bytes = simt_source(d, fourth, SIMT_U32);
  }
  simt_instruction *i = simt_emit(d, simt_do_copy_async, KIND_MEMORY);
  i->count = (uint8_t)size->integer, i->space = SPACE_SHARED, i->e = bytes, i->more = ignore;
  simt_address_operand(d, i, simt_operand(d, 0));
  i = simt_emit(d, simt_do_nothing, KIND_PLAIN);
  i->space = SPACE_GLOBAL;
  simt_address_operand(d, i, simt_operand(d, 1));
}

static void decode_cp(simt_decoder *d, simt_spelling *sp) {
  if (!simt_take(sp, "async")) simt_decode_fail(d, d->statement->place, "%s is not known to the PTX machine", d->statement->word);
  else if (simt_take(sp, "commit_group")) simt_operands(d, 0, 0), simt_emit(d, simt_do_copy_commit, KIND_PLAIN);
  else if (simt_take(sp, "wait_group")) copy_wait(d, sp, false);
  else if (simt_take(sp, "wait_all")) copy_wait(d, sp, true);
  else copy(d, sp);
}

const simt_decode_row simt_decode_memory[] = {
    {"ld", decode_ld}, {"ldu", decode_ldu}, {"st", decode_st}, {"atom", decode_atom}, {"red", decode_red}, {"membar", decode_membar},
    {"fence", decode_fence}, {"prefetch", decode_prefetch}, {"prefetchu", decode_prefetch}, {"cvta", decode_cvta},
    {"isspacep", decode_isspacep}, {"cp", decode_cp}, {NULL, NULL},
};
