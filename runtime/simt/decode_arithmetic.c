// Arithmetic, logic, compares, moves and conversions: from opcode words to handlers.
#include <string.h>
#include "runtime/simt/decode.h"

#define COUNT(names) ((int)(sizeof(names) / sizeof *(names)))

static bool is_narrow(simt_type type) {
  return type == SIMT_F16 || type == SIMT_BF16 || type == SIMT_F16X2 || type == SIMT_BF16X2 || type == SIMT_U16X2 || type == SIMT_S16X2;
}
static bool is_wide_float(simt_type type) { return type == SIMT_F32 || type == SIMT_F64; }

// d, and a b c of `sources` operands of one type.
static simt_instruction *plain(simt_decoder *d, simt_handler run, simt_type type, int sources) {
  if (!simt_operands(d, 1 + sources, 1 + sources)) return NULL;
  uint32_t from[3] = {0};
  for (int k = 0; k < sources; k++) from[k] = simt_source(d, simt_operand(d, 1 + k), type);
  simt_instruction *i = simt_emit(d, run, KIND_PLAIN);
  i->type = (uint8_t)type;
  i->d = simt_destination(d, simt_operand(d, 0), simt_type_bytes[type]);
  i->a = from[0], i->b = from[1], i->c = from[2];
  return i;
}

// Wraps the instruction where its modifiers ask for more than the plain loop does.
static void modes(simt_instruction *i, uint8_t rounding, bool flush, bool saturate) {
  i->rounding = rounding, i->flush = flush, i->saturate = saturate;
  if (rounding == SIMT_RN && !flush && !saturate) return;
  i->inner = i->run;
  i->run = saturate ? simt_do_saturated : simt_do_rounded;
  i->count = flush && i->type == SIMT_F32 && i->op != OP_COMPARE;   // the result itself is flushed too
}

static void float_operation(simt_decoder *d, simt_spelling *sp, simt_op op, simt_type type, int sources) {
  uint8_t rounding;
  simt_take_rounding(sp, &rounding);
  bool flush = simt_take(sp, "ftz"), saturate = simt_take(sp, "sat");
  if (is_narrow(type)) {
    simt_take(sp, "noftz"), simt_take(sp, "approx");
    simt_instruction *i = plain(d, simt_do_narrow, type, sources);
    if (!i) return;
    i->op = (uint8_t)op, i->rounding = rounding, i->flush = flush, i->saturate = saturate;
    i->combine = simt_take(sp, "relu");
    return;
  }
  simt_take(sp, "approx"), simt_take(sp, "full");
  if (flush && type == SIMT_F64) simt_decode_fail(d, d->statement->place, "%s: .ftz of .f64 is not supported", d->statement->word);
  simt_instruction *i = plain(d, simt_lane_handler(d, op, type), type, sources);
  if (i) modes(i, rounding, flush, saturate);
}

static simt_op with_nan(simt_spelling *sp, simt_op op) {
  if (!simt_take(sp, "NaN")) return op;
  return op == OP_MIN ? OP_MIN_NAN : OP_MAX_NAN;
}

// op.type d, a, b...: the same handler for any type.
static void simple(simt_decoder *d, simt_spelling *sp, simt_op op, int sources) {
  simt_type type = simt_take_type(d, sp);
  if (op == OP_MIN || op == OP_MAX) op = with_nan(sp, op);
  if (is_narrow(type) || is_wide_float(type)) float_operation(d, sp, op, type, sources);
  else plain(d, simt_lane_handler(d, op, type), type, sources);
}

static void carry(simt_decoder *d, simt_spelling *sp, simt_op op, bool in, bool out, int sources) {
  simt_type type = simt_take_type(d, sp);
  simt_instruction *i = plain(d, simt_lane_handler(d, op, type), type, sources);
  if (i) i->combine = (in ? CARRY_IN : 0) | (out ? CARRY_OUT : 0);
}

static void add_or_sub(simt_decoder *d, simt_spelling *sp, simt_op op, simt_op with_carry, simt_op saturating, bool in) {
  bool out = simt_take(sp, "cc");
  if (in || out) {
    carry(d, sp, with_carry, in, out, 2);
    return;
  }
  simt_type type = simt_take_type(d, sp);
  if (type == SIMT_S32 && simt_take(sp, "sat")) plain(d, simt_lane_handler(d, saturating, type), type, 2);
  else if (type == SIMT_U16X2 || type == SIMT_S16X2 || is_narrow(type) || is_wide_float(type)) float_operation(d, sp, op, type, 2);
  else plain(d, simt_lane_handler(d, op, type), type, 2);
}
static void decode_add(simt_decoder *d, simt_spelling *sp) { add_or_sub(d, sp, OP_ADD, OP_CARRY_ADD, OP_ADD_SAT, false); }
static void decode_sub(simt_decoder *d, simt_spelling *sp) { add_or_sub(d, sp, OP_SUB, OP_CARRY_SUB, OP_SUB_SAT, false); }
static void decode_addc(simt_decoder *d, simt_spelling *sp) { add_or_sub(d, sp, OP_ADD, OP_CARRY_ADD, OP_ADD_SAT, true); }
static void decode_subc(simt_decoder *d, simt_spelling *sp) { add_or_sub(d, sp, OP_SUB, OP_CARRY_SUB, OP_SUB_SAT, true); }

// d twice as wide as a and b; c, where there is one, as wide as d.
static void widening(simt_decoder *d, simt_type type, simt_op op, int sources) {
  if (!simt_operands(d, 1 + sources, 1 + sources)) return;
  simt_type wide = simt_type_bytes[type] == 2 ? SIMT_B32 : SIMT_B64;
  uint32_t a = simt_source(d, simt_operand(d, 1), type), b = simt_source(d, simt_operand(d, 2), type);
  uint32_t c = sources == 3 ? simt_source(d, simt_operand(d, 3), wide) : 0;
  simt_instruction *i = simt_emit(d, simt_lane_handler(d, op, type), KIND_PLAIN);
  i->d = simt_destination(d, simt_operand(d, 0), simt_type_bytes[wide]);
  i->a = a, i->b = b, i->c = c;
}

static void decode_mul(simt_decoder *d, simt_spelling *sp) {
  bool wide = simt_take(sp, "wide"), high = simt_take(sp, "hi"), low = simt_take(sp, "lo");
  simt_type type = simt_take_type(d, sp);
  if (wide) widening(d, type, OP_MUL_WIDE, 2);
  else if (is_narrow(type) || is_wide_float(type)) float_operation(d, sp, OP_MUL, type, 2);
  else if (high || low) plain(d, simt_lane_handler(d, high ? OP_MUL_HI : OP_MUL_LO, type), type, 2);
  else simt_decode_fail(d, d->statement->place, "%s: .lo, .hi or .wide is missing", d->statement->word);
}

static void mad(simt_decoder *d, simt_spelling *sp, bool in) {
  bool wide = simt_take(sp, "wide"), high = simt_take(sp, "hi"), low = simt_take(sp, "lo"), out = simt_take(sp, "cc");
  if (in || out) {
    carry(d, sp, high ? OP_CARRY_MAD_HI : OP_CARRY_MAD_LO, in, out, 3);
    return;
  }
  simt_type type = simt_take_type(d, sp);
  if (wide) widening(d, type, OP_MAD_WIDE, 3);
  else if (is_wide_float(type)) float_operation(d, sp, OP_FMA, type, 3);
  else if (high && simt_take(sp, "sat")) plain(d, simt_lane_handler(d, OP_MAD_HI_SAT, type), type, 3);
  else if (high || low) plain(d, simt_lane_handler(d, high ? OP_MAD_HI : OP_MAD_LO, type), type, 3);
  else simt_decode_fail(d, d->statement->place, "%s: .lo, .hi or .wide is missing", d->statement->word);
}
static void decode_mad(simt_decoder *d, simt_spelling *sp) { mad(d, sp, false); }
static void decode_madc(simt_decoder *d, simt_spelling *sp) { mad(d, sp, true); }

static void decode_mul24(simt_decoder *d, simt_spelling *sp) { simple(d, sp, simt_take(sp, "hi") ? OP_MUL24_HI : (simt_take(sp, "lo"), OP_MUL24_LO), 2); }
static void decode_mad24(simt_decoder *d, simt_spelling *sp) { simple(d, sp, simt_take(sp, "hi") ? OP_MAD24_HI : (simt_take(sp, "lo"), OP_MAD24_LO), 3); }

#define SIMPLE(name, op, sources) \
  static void decode_##name(simt_decoder *d, simt_spelling *sp) { simple(d, sp, op, sources); }
SIMPLE(fma, OP_FMA, 3) SIMPLE(div, OP_DIV, 2) SIMPLE(rem, OP_REM, 2) SIMPLE(min, OP_MIN, 2) SIMPLE(max, OP_MAX, 2)
SIMPLE(abs, OP_ABS, 1) SIMPLE(neg, OP_NEG, 1) SIMPLE(cnot, OP_CNOT, 1) SIMPLE(brev, OP_BREV, 1) SIMPLE(sad, OP_SAD, 3)
SIMPLE(rcp, OP_RCP, 1) SIMPLE(sqrt, OP_SQRT, 1) SIMPLE(rsqrt, OP_RSQRT, 1) SIMPLE(ex2, OP_EX2, 1) SIMPLE(lg2, OP_LG2, 1)
SIMPLE(sin, OP_SIN, 1) SIMPLE(cos, OP_COS, 1) SIMPLE(tanh, OP_TANH, 1) SIMPLE(copysign, OP_COPYSIGN, 2)

// ---- logic, on registers or predicates

void simt_do_predicate(simt_warp *w, const simt_instruction *i) {
  uint32_t a = *(const uint32_t *)simt_at(w->base, i->a), b = *(const uint32_t *)simt_at(w->base, i->b);
  simt_set_predicate(w, i->d, i->op == OP_AND ? a & b : i->op == OP_OR ? a | b : i->op == OP_XOR ? a ^ b : i->op == OP_NOT ? ~a : a);
}

static void logic(simt_decoder *d, simt_spelling *sp, simt_op op, int sources) {
  simt_type type = simt_take_type(d, sp);
  if (type != SIMT_PRED) {
    plain(d, simt_lane_handler(d, op, type), type, sources);
    return;
  }
  if (!simt_operands(d, 1 + sources, 1 + sources)) return;
  simt_instruction *i = simt_emit(d, simt_do_predicate, KIND_PLAIN);
  i->op = (uint8_t)op;
  i->d = simt_predicate(d, simt_operand(d, 0), NULL);
  i->a = simt_predicate(d, simt_operand(d, 1), NULL);
  i->b = sources > 1 ? simt_predicate(d, simt_operand(d, 2), NULL) : i->a;
}
static void decode_and(simt_decoder *d, simt_spelling *sp) { logic(d, sp, OP_AND, 2); }
static void decode_or(simt_decoder *d, simt_spelling *sp) { logic(d, sp, OP_OR, 2); }
static void decode_xor(simt_decoder *d, simt_spelling *sp) { logic(d, sp, OP_XOR, 2); }
static void decode_not(simt_decoder *d, simt_spelling *sp) { logic(d, sp, OP_NOT, 1); }

// Operands of given types: d, a, b, c, and one more.
static simt_instruction *typed(simt_decoder *d, simt_op op, simt_type type, simt_type to, simt_type ta, simt_type tb, simt_type tc, simt_type te) {
  int sources = te ? 4 : tc ? 3 : tb ? 2 : 1;
  if (!simt_operands(d, 1 + sources, 1 + sources)) return NULL;
  simt_type types[4] = {ta, tb, tc, te};
  uint32_t from[4] = {0};
  for (int k = 0; k < sources; k++) from[k] = simt_source(d, simt_operand(d, 1 + k), types[k]);
  simt_instruction *i = simt_emit(d, simt_lane_handler(d, op, type), KIND_PLAIN);
  i->type = (uint8_t)type;
  i->d = simt_destination(d, simt_operand(d, 0), simt_type_bytes[to]);
  i->a = from[0], i->b = from[1], i->c = from[2];
  if (te) {
    uint32_t *more = WF_NEW(d->module->arena, uint32_t);
    *more = from[3];
    i->more = more;
  }
  return i;
}

static void decode_shl(simt_decoder *d, simt_spelling *sp) { simt_type t = simt_take_type(d, sp); typed(d, OP_SHL, t, t, t, SIMT_U32, 0, 0); }
static void decode_shr(simt_decoder *d, simt_spelling *sp) { simt_type t = simt_take_type(d, sp); typed(d, OP_SHR, t, t, t, SIMT_U32, 0, 0); }
static void decode_bfe(simt_decoder *d, simt_spelling *sp) { simt_type t = simt_take_type(d, sp); typed(d, OP_BFE, t, t, t, SIMT_U32, SIMT_U32, 0); }
static void decode_bfi(simt_decoder *d, simt_spelling *sp) { simt_type t = simt_take_type(d, sp); typed(d, OP_BFI, t, t, t, t, SIMT_U32, SIMT_U32); }
static void decode_clz(simt_decoder *d, simt_spelling *sp) { simt_type t = simt_take_type(d, sp); typed(d, OP_CLZ, t, SIMT_U32, t, 0, 0, 0); }
static void decode_popc(simt_decoder *d, simt_spelling *sp) { simt_type t = simt_take_type(d, sp); typed(d, OP_POPC, t, SIMT_U32, t, 0, 0, 0); }

static void decode_bfind(simt_decoder *d, simt_spelling *sp) {
  bool shift = simt_take(sp, "shiftamt");
  simt_type t = simt_take_type(d, sp);
  simt_instruction *i = typed(d, OP_FFIND, t, SIMT_U32, t, 0, 0, 0);
  if (i) i->op = shift;
}

static void decode_prmt(simt_decoder *d, simt_spelling *sp) {
  static const char *const modes_of[] = {"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"};
  simt_type t = simt_take_type(d, sp);
  int mode = simt_take_one(sp, modes_of, COUNT(modes_of)) + 1;
  simt_instruction *i = typed(d, OP_PRMT, t, t, t, t, SIMT_U32, 0);
  if (i) i->op = (uint8_t)mode;
}

static void decode_lop3(simt_decoder *d, simt_spelling *sp) {
  simt_type t = simt_take_type(d, sp);
  if (!simt_operands(d, 5, 5)) return;
  ptx_operand *table = simt_operand(d, 4);
  uint32_t a = simt_source(d, simt_operand(d, 1), t), b = simt_source(d, simt_operand(d, 2), t), c = simt_source(d, simt_operand(d, 3), t);
  if (table->kind != PTX_INTEGER || (uint64_t)table->integer > 255) simt_decode_fail(d, table->place, "lop3: the table is a constant from 0 to 255");
  simt_instruction *i = simt_emit(d, simt_lane_handler(d, OP_LOP3, t), KIND_PLAIN);
  i->d = simt_destination(d, simt_operand(d, 0), 4);
  i->a = a, i->b = b, i->c = c;
  i->offset = table->integer;
}

static void decode_shf(simt_decoder *d, simt_spelling *sp) {
  bool left = simt_take(sp, "l"), right = simt_take(sp, "r"), wrap = simt_take(sp, "wrap"), clamp = simt_take(sp, "clamp");
  if (left == right || wrap == clamp) simt_decode_fail(d, d->statement->place, "%s: .l or .r, .wrap or .clamp", d->statement->word);
  simple(d, sp, left ? (wrap ? OP_SHF_L_WRAP : OP_SHF_L_CLAMP) : wrap ? OP_SHF_R_WRAP : OP_SHF_R_CLAMP, 3);
}

static void decode_szext(simt_decoder *d, simt_spelling *sp) { simple(d, sp, simt_take(sp, "wrap") ? OP_SZEXT_WRAP : (simt_take(sp, "clamp"), OP_SZEXT_CLAMP), 2); }
static void decode_bmsk(simt_decoder *d, simt_spelling *sp) { simple(d, sp, simt_take(sp, "wrap") ? OP_BMSK_WRAP : (simt_take(sp, "clamp"), OP_BMSK_CLAMP), 2); }
static void decode_fns(simt_decoder *d, simt_spelling *sp) { simple(d, sp, OP_FNS, 3); }

static void dot(simt_decoder *d, simt_spelling *sp, simt_op op) {
  simt_type a = simt_take_type(d, sp), b = simt_take_type(d, sp);
  simt_instruction *i = plain(d, simt_lane_handler(d, op, SIMT_B32), SIMT_B32, 3);
  if (i) i->op = (uint8_t)((a == SIMT_S32) | (b == SIMT_S32) << 1);
}
static void decode_dp4a(simt_decoder *d, simt_spelling *sp) { dot(d, sp, OP_DP4A); }
static void decode_dp2a(simt_decoder *d, simt_spelling *sp) { dot(d, sp, simt_take(sp, "hi") ? OP_DP2A_HI : (simt_take(sp, "lo"), OP_DP2A_LO)); }

// ---- choices and compares

static void decode_selp(simt_decoder *d, simt_spelling *sp) {
  simt_type t = simt_take_type(d, sp);
  if (!simt_operands(d, 4, 4)) return;
  bool negated;
  uint32_t a = simt_source(d, simt_operand(d, 1), t), b = simt_source(d, simt_operand(d, 2), t), p = simt_predicate(d, simt_operand(d, 3), &negated);
  simt_instruction *i = simt_emit(d, simt_lane_handler(d, OP_SELP, t), KIND_PLAIN);
  i->d = simt_destination(d, simt_operand(d, 0), simt_type_bytes[t]);
  i->a = a, i->b = b, i->c = p, i->negated = negated;
}

static void decode_slct(simt_decoder *d, simt_spelling *sp) {
  simt_type t = simt_take_type(d, sp), by = simt_take_type(d, sp);
  simt_take(sp, "ftz");   // -0 and denormals count as >= 0 or not by their sign alone
  typed(d, by == SIMT_F32 ? OP_SLCT_F32 : OP_SLCT_S32, t, t, t, t, by, 0);
}

static const char *const compares[] = {"eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan",
                                       "lo", "ls", "hi", "hs"};
static const uint8_t compare_codes[] = {CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE, CMP_EQU, CMP_NEU, CMP_LTU, CMP_LEU, CMP_GTU,
                                        CMP_GEU, CMP_NUM, CMP_NAN, CMP_LT, CMP_LE, CMP_GT, CMP_GE};

// setp (register_bytes 0) and set.
static void comparison(simt_decoder *d, simt_spelling *sp, bool is_set) {
  static const char *const combines[] = {"and", "or", "xor"};
  int compare = simt_take_one(sp, compares, COUNT(compares)), combine = simt_take_one(sp, combines, 3) + 1;
  simt_type to = is_set ? simt_take_type(d, sp) : SIMT_PRED, t = simt_take_type(d, sp);
  bool flush = simt_take(sp, "ftz"), negated = false;
  if (compare < 0) simt_decode_fail(d, d->statement->place, "%s: a comparison is missing", d->statement->word);
  if (!simt_operands(d, combine ? 4 : 3, combine ? 4 : 3) || d->failed) return;
  if (!is_narrow(t) && !is_wide_float(t) && compare_codes[compare] > CMP_GE) simt_decode_fail(d, d->statement->place, "%s: no such comparison of integers", d->statement->word);
  uint32_t a = simt_source(d, simt_operand(d, 1), t), b = simt_source(d, simt_operand(d, 2), t);
  uint32_t c = combine ? simt_predicate(d, simt_operand(d, 3), &negated) : SIMT_NONE;
  bool narrow = is_narrow(t), pack = t == SIMT_F16X2 || t == SIMT_BF16X2;
  if (pack && (combine || is_set)) simt_decode_fail(d, d->statement->place, "%s is not supported", d->statement->word);
  simt_instruction *i = simt_emit(d, narrow ? simt_do_narrow : simt_lane_handler(d, OP_COMPARE, t), KIND_PLAIN);
  i->type = (uint8_t)t, i->compare = compare_codes[compare], i->combine = (uint8_t)combine, i->negated = negated;
  i->a = a, i->b = b, i->c = c, i->flush = flush, i->e = SIMT_NONE;
  ptx_operand *result = simt_operand(d, 0);
  if (is_set) {
    i->d = simt_destination(d, result, simt_type_bytes[to]);
    i->register_bytes = simt_type_bytes[to];
    i->op = to == SIMT_F32 || to == SIMT_F16;
    if (narrow) simt_decode_fail(d, d->statement->place, "%s is not supported", d->statement->word);
  } else if (result->kind == PTX_PAIR) {
    i->d = simt_destination(d, result->items.list.items[0], 0);
    i->e = simt_destination(d, result->items.list.items[1], 0);
  } else {
    i->d = simt_destination(d, result, 0);
  }
  if (narrow) i->op = OP_COMPARE;
  else if (flush) i->inner = i->run, i->run = simt_do_rounded;
}
static void decode_setp(simt_decoder *d, simt_spelling *sp) { comparison(d, sp, false); }
static void decode_set(simt_decoder *d, simt_spelling *sp) { comparison(d, sp, true); }

static void decode_testp(simt_decoder *d, simt_spelling *sp) {
  static const char *const tests[] = {"finite", "infinite", "number", "notanumber", "normal", "subnormal"};
  int test = simt_take_one(sp, tests, COUNT(tests));
  simt_type t = simt_take_type(d, sp);
  if (test < 0) simt_decode_fail(d, d->statement->place, "%s: a test is missing", d->statement->word);
  if (!simt_operands(d, 2, 2)) return;
  uint32_t a = simt_source(d, simt_operand(d, 1), t);
  simt_instruction *i = simt_emit(d, simt_lane_handler(d, OP_TEST, t), KIND_PLAIN);
  i->d = simt_predicate(d, simt_operand(d, 0), NULL), i->a = a, i->type = (uint8_t)t, i->op = (uint8_t)test;
}

// ---- moves

static uint32_t *listed(simt_decoder *d, ptx_operand *vector, uint32_t bytes, bool results) {
  uint32_t *more = WF_NEW_ARRAY(d->module->arena, uint32_t, vector->items.list.count);
  simt_type type = bytes == 1 || bytes == 2 ? SIMT_B16 : bytes == 4 ? SIMT_B32 : SIMT_B64;
  for (int k = 0; k < vector->items.list.count; k++)
    more[k] = results ? simt_destination(d, vector->items.list.items[k], bytes) : simt_source(d, vector->items.list.items[k], type);
  return more;
}

static void move_pack(simt_decoder *d, simt_type type, ptx_operand *vector, bool unpack) {
  uint32_t bytes = simt_type_bytes[type], part = bytes / (uint32_t)vector->items.list.count;
  if ((vector->items.list.count != 2 && vector->items.list.count != 4) || part < 2) {
    simt_decode_fail(d, d->statement->place, "%s of %d parts is not supported", d->statement->word, vector->items.list.count);
    return;
  }
  uint32_t *more = listed(d, vector, part, unpack);
  uint32_t whole = unpack ? simt_source(d, simt_operand(d, 1), type) : simt_destination(d, simt_operand(d, 0), bytes);
  simt_instruction *i = simt_emit(d, unpack ? simt_do_unpack : simt_do_pack, KIND_PLAIN);
  i->register_bytes = (uint8_t)part, i->count = (uint8_t)vector->items.list.count, i->more = more;
  if (unpack) i->a = whole;
  else i->d = whole;
}

static void decode_mov(simt_decoder *d, simt_spelling *sp) {
  simt_type t = simt_take_type(d, sp);
  if (!simt_operands(d, 2, 2)) return;
  if (simt_operand(d, 0)->kind == PTX_VECTOR) move_pack(d, t, simt_operand(d, 0), true);
  else if (simt_operand(d, 1)->kind == PTX_VECTOR) move_pack(d, t, simt_operand(d, 1), false);
  else if (t == SIMT_PRED) {
    simt_instruction *i = simt_emit(d, simt_do_predicate, KIND_PLAIN);
    i->op = OP_MOV;
    i->d = simt_predicate(d, simt_operand(d, 0), NULL);
    i->a = i->b = simt_predicate(d, simt_operand(d, 1), NULL);
  } else {
    plain(d, simt_lane_handler(d, OP_MOV, t), t, 1);
  }
}

// ---- conversions

// The plain loops for the commonest; NULL: the general one.
static simt_handler quick_convert(simt_decoder *d, simt_type to, simt_type from, uint32_t to_bytes, uint32_t from_bytes) {
  simt_op op;
  if ((to == SIMT_U64 || to == SIMT_S64) && (from == SIMT_U32 || from == SIMT_S32)) op = OP_CVT_U64;
  else if ((to == SIMT_U32 || to == SIMT_S32) && (from == SIMT_U64 || from == SIMT_S64)) op = OP_CVT_U32, from = SIMT_U64;
  else if ((to == SIMT_U32 || to == SIMT_S32) && from == SIMT_U16) op = OP_CVT_U32;
  else if ((to == SIMT_U32 || to == SIMT_S32) && from == SIMT_S16) op = OP_CVT_S32;
  else if ((to == SIMT_U16 || to == SIMT_S16) && (from == SIMT_U32 || from == SIMT_S32)) op = OP_CVT_U16, from = SIMT_U32;
  else if (to == SIMT_F32 && (from == SIMT_S32 || from == SIMT_U32 || from == SIMT_BF16)) op = OP_CVT_F32;
  else return NULL;
  return to_bytes == simt_type_bytes[to] && from_bytes == simt_type_bytes[from] ? (*d->lanes)[op][from] : NULL;
}

static bool is_pair(simt_type type) { return type == SIMT_F16X2 || type == SIMT_BF16X2 || type == SIMT_E4M3X2 || type == SIMT_E5M2X2; }
static simt_type half_of(simt_type type) {
  switch ((int)type) {
    case SIMT_F16X2: return SIMT_F16;
    case SIMT_BF16X2: return SIMT_BF16;
    case SIMT_E4M3X2: return SIMT_E4M3;
    default: return SIMT_E5M2;
  }
}

static void convert_pair(simt_decoder *d, simt_spelling *sp, simt_type to, simt_type from, uint8_t rounding) {
  int sources = is_pair(from) ? 1 : 2;
  bool saturate = simt_take(sp, "satfinite"), relu = simt_take(sp, "relu");
  if (!is_pair(to) || (saturate && to != SIMT_E4M3X2 && to != SIMT_E5M2X2)) simt_decode_fail(d, d->statement->place, "%s is not supported", d->statement->word);
  if (!simt_operands(d, 1 + sources, 1 + sources)) return;
  simt_type source = is_pair(from) ? (simt_type_bytes[from] == 2 ? SIMT_B16 : SIMT_B32) : from;
  uint32_t a = simt_source(d, simt_operand(d, 1), source), b = sources == 2 ? simt_source(d, simt_operand(d, 2), source) : SIMT_NONE;
  simt_instruction *i = simt_emit(d, simt_do_convert_pair, KIND_PLAIN);
  i->d = simt_destination(d, simt_operand(d, 0), simt_type_bytes[to]);
  i->a = a, i->b = b, i->rounding = rounding, i->combine = relu;
  i->type = (uint8_t)half_of(to), i->from = (uint8_t)(is_pair(from) ? half_of(from) : from);
  i->register_bytes = simt_type_bytes[to], i->address_bytes = simt_type_bytes[source];
}

static void decode_cvt(simt_decoder *d, simt_spelling *sp) {
  static const char *const integral[] = {"rni", "rzi", "rmi", "rpi"};
  uint8_t rounding;
  bool fractional = simt_take_rounding(sp, &rounding);
  int to_integral = simt_take_one(sp, integral, 4);
  bool flush = simt_take(sp, "ftz"), saturate = simt_take(sp, "sat");
  simt_type to = simt_take_type(d, sp), from = simt_take_type(d, sp);
  if (d->failed) return;
  if (is_pair(to) || is_pair(from)) {
    convert_pair(d, sp, to, from, rounding);
    return;
  }
  bool relu = simt_take(sp, "relu");
  if (to == SIMT_TF32) saturate |= simt_take(sp, "satfinite");
  if (!simt_operands(d, 2, 2)) return;
  ptx_operand *source = simt_operand(d, 1), *result = simt_operand(d, 0);
  uint32_t to_bytes = simt_register_bytes(d, result), from_bytes = simt_register_bytes(d, source);   // may be wider than the types
  if (!from_bytes) from_bytes = simt_type_bytes[from] == 1 ? 2 : simt_type_bytes[from];
  if (!to_bytes) to_bytes = simt_type_bytes[to];
  if (from_bytes < simt_type_bytes[from] || to_bytes < simt_type_bytes[to]) simt_decode_fail(d, d->statement->place, "%s: a register is too narrow", d->statement->word);
  simt_type as = from_bytes == 2 ? (from == SIMT_F16 || from == SIMT_BF16 ? from : SIMT_B16) : from_bytes == 4 ? (from == SIMT_F32 ? from : SIMT_B32) : from == SIMT_F64 ? from : SIMT_B64;
  uint32_t a = simt_source(d, source, as);
  simt_handler quick = saturate || flush || (fractional && rounding) || relu ? NULL : quick_convert(d, to, from, to_bytes, from_bytes);
  simt_instruction *i = simt_emit(d, quick ? quick : simt_do_convert, KIND_PLAIN);
  i->d = simt_destination(d, result, to_bytes);
  i->a = a, i->type = (uint8_t)to, i->from = (uint8_t)from;
  i->register_bytes = (uint8_t)to_bytes, i->address_bytes = (uint8_t)from_bytes;
  i->rounding = to_integral >= 0 ? (uint8_t)to_integral : rounding;
  i->op = to_integral >= 0, i->flush = flush, i->saturate = saturate, i->combine = relu;
}

const simt_decode_row simt_decode_arithmetic[] = {
    {"add", decode_add}, {"sub", decode_sub}, {"addc", decode_addc}, {"subc", decode_subc}, {"mul", decode_mul}, {"mad", decode_mad},
    {"madc", decode_madc}, {"mul24", decode_mul24}, {"mad24", decode_mad24}, {"fma", decode_fma}, {"div", decode_div},
    {"rem", decode_rem}, {"min", decode_min}, {"max", decode_max}, {"abs", decode_abs}, {"neg", decode_neg}, {"cnot", decode_cnot},
    {"brev", decode_brev}, {"sad", decode_sad}, {"rcp", decode_rcp}, {"sqrt", decode_sqrt}, {"rsqrt", decode_rsqrt},
    {"ex2", decode_ex2}, {"lg2", decode_lg2}, {"sin", decode_sin}, {"cos", decode_cos}, {"tanh", decode_tanh},
    {"copysign", decode_copysign}, {"and", decode_and}, {"or", decode_or}, {"xor", decode_xor}, {"not", decode_not},
    {"shl", decode_shl}, {"shr", decode_shr}, {"bfe", decode_bfe}, {"bfi", decode_bfi}, {"clz", decode_clz}, {"popc", decode_popc},
    {"bfind", decode_bfind}, {"prmt", decode_prmt}, {"lop3", decode_lop3}, {"shf", decode_shf}, {"szext", decode_szext},
    {"bmsk", decode_bmsk}, {"fns", decode_fns}, {"dp4a", decode_dp4a}, {"dp2a", decode_dp2a}, {"selp", decode_selp},
    {"slct", decode_slct}, {"setp", decode_setp}, {"set", decode_set}, {"testp", decode_testp}, {"mov", decode_mov},
    {"cvt", decode_cvt}, {NULL, NULL},
};
