// Operands: registers, constants, special registers, variables, addresses.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/simt/decode.h"

// ---- spelling ---------------------------------------------------------------------------------------------------

bool simt_take(simt_spelling *sp, const char *part) {
  for (int k = 0; k < sp->count; k++)
    if (!sp->taken[k] && !strcmp(sp->part[k], part)) return sp->taken[k] = true;
  return false;
}

simt_type simt_take_type(simt_decoder *d, simt_spelling *sp) {
  for (int k = 0; k < sp->count; k++) {
    simt_type type = sp->taken[k] ? SIMT_NO_TYPE : simt_type_of(sp->part[k]);
    if (!type) continue;
    sp->taken[k] = true;
    return type;
  }
  simt_decode_fail(d, d->statement->place, "%s: a type is missing", d->statement->word);
  return SIMT_B32;
}

bool simt_take_rounding(simt_spelling *sp, uint8_t *rounding) {
  static const char *const names[] = {"rn", "rz", "rm", "rp", "rna"};
  int found = simt_take_one(sp, names, 5);
  *rounding = found < 0 ? SIMT_RN : (uint8_t)found;
  return found >= 0;
}

int simt_take_one(simt_spelling *sp, const char *const *names, int count) {
  for (int k = 0; k < count; k++)
    if (simt_take(sp, names[k])) return k;
  return -1;
}

// ---- names ------------------------------------------------------------------------------------------------------

const simt_symbol *simt_lookup(simt_decoder *d, const char *name) {
  for (simt_scope *scope = d->scope; scope; scope = scope->outer) {
    simt_symbol *found = wf_map_get(&scope->names, name);
    if (found) return found;
  }
  simt_symbol *used = wf_map_get(&d->shared, name), *global = wf_map_get(d->globals, name);
  if (used || !global || global->space != SPACE_SHARED) return used ? used : global;
  used = WF_NEW(d->arena, simt_symbol);   // a place in this kernel's shared memory, at its first use
  *used = *global;
  if (!used->dynamic) {
    d->shared_bytes = (d->shared_bytes + used->stride - 1) / used->stride * used->stride;
    used->address = d->shared_bytes;
    d->shared_bytes += used->bytes;
  }
  wf_map_set(&d->shared, name, used);
  return used;
}

// %r12 of .reg .b32 %r<20>.
static const simt_symbol *in_range(simt_decoder *d, const char *name) {
  size_t length = strlen(name), digits = 0;
  while (digits < length && digits < 7 && name[length - digits - 1] >= '0' && name[length - digits - 1] <= '9') digits++;
  for (; digits > 0; digits--) {   // the longest number first: %r1<3> may hold %r12
    char prefix[256];
    if (length - digits + 2 > sizeof prefix) return NULL;
    memcpy(prefix, name, length - digits);
    strcpy(prefix + length - digits, "<");
    int number = atoi(name + length - digits);
    for (simt_scope *scope = d->scope; scope; scope = scope->outer) {
      simt_symbol *range = wf_map_get(&scope->names, prefix);
      if (!range || number >= range->count) continue;
      simt_symbol *found = WF_NEW(d->arena, simt_symbol);
      *found = (simt_symbol){.kind = SYMBOL_REGISTER, .bytes = range->bytes, .offset = range->offset + range->stride * (uint32_t)number};
      wf_map_set(&scope->names, name, found);
      return found;
    }
  }
  return NULL;
}

const simt_symbol *simt_register(simt_decoder *d, const char *name) {
  const simt_symbol *found = simt_lookup(d, name);
  if (!found) found = in_range(d, name);
  return found && found->kind == SYMBOL_REGISTER ? found : NULL;
}

uint32_t simt_register_bytes(simt_decoder *d, ptx_operand *operand) {
  const simt_symbol *found = operand->kind == PTX_NAME ? simt_register(d, operand->name) : NULL;
  return found ? found->bytes : 0;
}

// ---- constants --------------------------------------------------------------------------------------------------

static uint32_t constant_slot(simt_decoder *d, uint64_t bits, uint32_t bytes) {
  uint32_t size = bytes ? bytes * LANES : 64;
  if (d->constant_bytes + size > d->constant_capacity) {
    uint32_t capacity = d->constant_capacity ? d->constant_capacity * 2 : 4096;
    uint8_t *grown = wf_arena_alloc(d->arena, capacity);
    if (d->constant_bytes) memcpy(grown, d->constants, d->constant_bytes);
    d->constants = grown;
    d->constant_capacity = capacity;
  }
  uint32_t offset = d->constant_bytes;
  if (!bytes) memcpy(d->constants + offset, &bits, 4);
  else
    for (int lane = 0; lane < LANES; lane++) memcpy(d->constants + offset + bytes * (uint32_t)lane, &bits, bytes);
  d->constant_bytes += size;
  return offset | 0x80000000;
}

// bytes 0: a predicate, all ones or zero.
uint32_t simt_constant(simt_decoder *d, uint64_t bits, uint32_t bytes) {
  if (bytes && bytes < 8) bits &= (1ull << 8 * bytes) - 1;
  char key[40];
  snprintf(key, sizeof key, "%u:%llx", bytes, (unsigned long long)bits);
  uintptr_t found = (uintptr_t)wf_map_get(&d->constant_map, key);
  if (found) return (uint32_t)(found - 1);
  uint32_t offset = constant_slot(d, bits, bytes);
  wf_map_set(&d->constant_map, wf_arena_strdup(d->arena, key), (void *)((uintptr_t)offset + 1));
  return offset;
}

static uint64_t immediate_bits(simt_decoder *d, ptx_operand *operand, simt_type type) {
  double x;
  float f;
  uint64_t bits = (uint64_t)operand->integer;
  uint32_t word;
  if (operand->kind == PTX_INTEGER) {
    if (type == SIMT_F32 || type == SIMT_F64) simt_decode_fail(d, operand->place, "a float constant must be written 0f..., 0d... or with a point");
    return bits;
  }
  if (operand->kind == PTX_FLOAT32) {
    if (simt_type_bytes[type] == 4) return bits;
    word = (uint32_t)bits;
    memcpy(&f, &word, 4);
    x = f;
  } else {
    memcpy(&x, &bits, 8);
  }
  if (type == SIMT_F64 || type == SIMT_B64) {
    memcpy(&bits, &x, 8);
    return bits;
  }
  if (type == SIMT_F16 || type == SIMT_BF16) return simt_round_to(x, type, SIMT_RN, 0);
  if (type != SIMT_F32) simt_decode_fail(d, operand->place, "a float constant, where .%s is asked", simt_type_names[type]);
  f = (float)x;
  memcpy(&word, &f, 4);
  return word;
}

// ---- special registers ------------------------------------------------------------------------------------------

static const struct { const char *name; simt_special_kind kind; } specials[] = {
    {"%tid", SPECIAL_TID}, {"%ntid", SPECIAL_NTID}, {"%ctaid", SPECIAL_CTAID}, {"%nctaid", SPECIAL_NCTAID},
    {"%clusterid", SPECIAL_CTAID}, {"%nclusterid", SPECIAL_NCTAID}, {"%cluster_ctaid", SPECIAL_ZERO},
    {"%cluster_nctaid", SPECIAL_ONE}, {"%cluster_ctarank", SPECIAL_ZERO}, {"%cluster_nctarank", SPECIAL_ONE},
    {"%laneid", SPECIAL_LANEID}, {"%warpid", SPECIAL_WARPID}, {"%nwarpid", SPECIAL_NWARPID}, {"%smid", SPECIAL_ZERO},
    {"%nsmid", SPECIAL_ONE}, {"%gridid", SPECIAL_ZERO}, {"%lanemask_eq", SPECIAL_LANEMASK_EQ},
    {"%lanemask_le", SPECIAL_LANEMASK_LE}, {"%lanemask_lt", SPECIAL_LANEMASK_LT}, {"%lanemask_ge", SPECIAL_LANEMASK_GE},
    {"%lanemask_gt", SPECIAL_LANEMASK_GT}, {"%dynamic_smem_size", SPECIAL_DYNAMIC_SHARED},
    {"%total_smem_size", SPECIAL_TOTAL_SHARED}, {"%clock", SPECIAL_CLOCK}, {"%clock_hi", SPECIAL_CLOCK_HI},
    {"%clock64", SPECIAL_CLOCK64}, {"%globaltimer", SPECIAL_CLOCK64}, {"%globaltimer_lo", SPECIAL_CLOCK},
    {"%globaltimer_hi", SPECIAL_CLOCK_HI},
};

static bool special_of(const char *name, simt_special *out) {
  for (size_t k = 0; k < sizeof specials / sizeof *specials; k++) {
    size_t length = strlen(specials[k].name);
    if (strncmp(name, specials[k].name, length) || (name[length] && name[length] != '.')) continue;
    char axis = name[length] ? name[length + 1] : 'x';
    *out = (simt_special){.kind = specials[k].kind, .axis = axis >= 'x' && axis <= 'z' ? axis - 'x' : -1};
    return true;
  }
  return false;
}

static uint32_t special_operand(simt_decoder *d, ptx_operand *operand, simt_special special, uint32_t bytes) {
  uint32_t own = special.kind == SPECIAL_CLOCK64 ? 8 : 4;
  if (special.axis < 0) {   // %tid.w and such
    return simt_constant(d, special.kind == SPECIAL_NTID || special.kind == SPECIAL_NCTAID ? 1 : 0, bytes);
  }
  if (own != bytes && !(own == 4 && bytes == 2)) simt_decode_fail(d, operand->place, "%s has %u bits, the instruction %u", operand->name, 8 * own, 8 * bytes);
  if (special.kind >= SPECIAL_CLOCK) {
    uint32_t offset = d->registers;
    d->registers += 256;
    simt_instruction *read = simt_emit(d, simt_do_clock, KIND_PLAIN);
    read->d = offset;
    read->op = (uint8_t)special.kind;
    return offset;
  }
  char key[40];
  snprintf(key, sizeof key, "%d.%d.%u", special.kind, special.axis, bytes);
  uintptr_t found = (uintptr_t)wf_map_get(&d->special_map, key);
  if (found) return (uint32_t)(found - 1);
  special.offset = d->registers;
  if (bytes == 2) {   // old code reads %tid into 16 bits
    simt_decode_fail(d, operand->place, "%s into 16 bits", operand->name);
    return 0;
  }
  d->registers += 128;
  wf_vec_push(d->arena, &d->specials, special);
  wf_map_set(&d->special_map, wf_arena_strdup(d->arena, key), (void *)((uintptr_t)special.offset + 1));
  return special.offset;
}

// ---- operands ---------------------------------------------------------------------------------------------------

bool simt_operands(simt_decoder *d, int least, int most) {
  int count = d->statement->operands.list.count;
  if (count >= least && count <= most) return true;
  if (least == most) simt_decode_fail(d, d->statement->place, "%s: %d operands, not %d", d->statement->word, least, count);
  else simt_decode_fail(d, d->statement->place, "%s: %d to %d operands, not %d", d->statement->word, least, most, count);
  return false;
}

ptx_operand *simt_operand(simt_decoder *d, int index) { return d->statement->operands.list.items[index]; }

static bool right_size(simt_decoder *d, ptx_operand *operand, const simt_symbol *found, uint32_t bytes) {
  if (found->bytes == bytes) return true;
  simt_decode_fail(d, operand->place, found->bytes ? "%s has %u bits, the instruction %u" : "%s is a predicate", operand->name, 8 * found->bytes, 8 * bytes);
  return false;
}

uint32_t simt_destination(simt_decoder *d, ptx_operand *operand, uint32_t bytes) {
  if (operand->kind == PTX_NAME && !strcmp(operand->name, "_")) return SIMT_NONE;
  const simt_symbol *found = operand->kind == PTX_NAME && !operand->negated && !operand->integer ? simt_register(d, operand->name) : NULL;
  if (!found) {
    simt_decode_fail(d, operand->place, "%s%s is no register", operand->name ? operand->name : "this", operand->negated ? " (negated)" : "");
    return 0;
  }
  right_size(d, operand, found, bytes);
  return found->offset;
}

// The address of a variable as a value of `bytes`.
static uint32_t variable_operand(simt_decoder *d, ptx_operand *operand, const simt_symbol *variable, uint32_t bytes) {
  if (bytes < 4 || (bytes == 4 && variable->space == SPACE_GLOBAL))
    simt_decode_fail(d, operand->place, "the address of %s does not fit %u bits", operand->name, 8 * bytes);
  uint64_t address = variable->address + (uint64_t)operand->integer;
  if (!variable->dynamic) return simt_constant(d, address, bytes);
  uint32_t slot = constant_slot(d, address, bytes);
  wf_vec_push(d->arena, &d->dynamic_constants, (slot & 0x7fffffff) | (bytes == 8 ? 0x80000000 : 0));
  return slot;
}

uint32_t simt_source(simt_decoder *d, ptx_operand *operand, simt_type type) {
  uint32_t bytes = simt_type_bytes[type];
  if (type == SIMT_PRED) return simt_predicate(d, operand, NULL);
  if (bytes == 1) bytes = 2;
  if (operand->kind == PTX_INTEGER || operand->kind == PTX_FLOAT32 || operand->kind == PTX_FLOAT64)
    return simt_constant(d, immediate_bits(d, operand, type), bytes);
  if (operand->kind != PTX_NAME || operand->negated) {
    simt_decode_fail(d, operand->place, "this cannot be an operand of %s here", d->statement->word);
    return 0;
  }
  const simt_symbol *found = simt_register(d, operand->name);
  if (found && !operand->integer) {
    right_size(d, operand, found, bytes);
    return found->offset;
  }
  simt_special special;
  if (special_of(operand->name, &special)) return special_operand(d, operand, special, bytes);
  if (!strcmp(operand->name, "WARP_SZ")) return simt_constant(d, LANES, bytes);
  found = simt_lookup(d, operand->name);
  if (found && found->kind == SYMBOL_VARIABLE) return variable_operand(d, operand, found, bytes);
  simt_decode_fail(d, operand->place, "%s is not known here", operand->name);
  return 0;
}

uint32_t simt_predicate(simt_decoder *d, ptx_operand *operand, bool *negated) {
  if (negated) *negated = operand->negated;
  if (operand->kind == PTX_INTEGER) return simt_constant(d, operand->integer ? UINT32_MAX : 0, 0);
  const simt_symbol *found = operand->kind == PTX_NAME ? simt_register(d, operand->name) : NULL;
  if (!found || found->bytes || (operand->negated && !negated)) {
    simt_decode_fail(d, operand->place, "%s is no predicate", operand->name ? operand->name : "this");
    return 0;
  }
  return found->offset;
}

void simt_address_operand(simt_decoder *d, simt_instruction *i, ptx_operand *operand) {
  if (operand->kind != PTX_ADDRESS || operand->items.list.count) {
    simt_decode_fail(d, operand->place, "%s: an address is asked here", d->statement->word);
    return;
  }
  i->offset = operand->integer;
  if (!operand->name) return;
  const simt_symbol *found = simt_register(d, operand->name);
  if (found) {
    i->a = found->offset;
    i->address_bytes = (uint8_t)found->bytes;
    if (found->bytes < 4) simt_decode_fail(d, operand->place, "%s cannot hold an address", operand->name);
    if (found->bytes == 4 && i->space != SPACE_SHARED && i->space != SPACE_LOCAL && i->space != SPACE_PARAM && i->space != SPACE_CONST)
      simt_decode_fail(d, operand->place, "%s has 32 bits: too few for an address of this space", operand->name);
    return;
  }
  found = simt_lookup(d, operand->name);
  if (!found || found->kind != SYMBOL_VARIABLE) {
    simt_decode_fail(d, operand->place, "%s is not known here", operand->name);
    return;
  }
  if (i->space == SPACE_PARAM && found->space == SPACE_LOCAL) i->space = SPACE_LOCAL;   // a device function's parameter
  if (i->space == SPACE_CONST) i->space = SPACE_GLOBAL;
  if (i->space == SPACE_GENERIC) i->space = (uint8_t)found->space;
  if (i->space != found->space) simt_decode_fail(d, operand->place, "%s lies in another space", operand->name);
  i->offset += (int64_t)found->address;
  if (found->dynamic) wf_vec_push(d->arena, &d->dynamic_code, (int)(i - d->code.items));
}
