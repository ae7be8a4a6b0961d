// Instructions of a whole warp or block: barriers, shuffles, votes, matrices.
#include <string.h>
#include "runtime/simt/decode.h"

static bool take_sync(simt_decoder *d, simt_spelling *sp) {
  if (simt_take(sp, "sync")) return true;
  simt_decode_fail(d, d->statement->place, "%s: without .sync it is not supported", d->statement->word);
  return false;
}

// d or d|p
static void result_pair(simt_decoder *d, simt_instruction *i, ptx_operand *result, uint32_t bytes) {
  i->e = SIMT_NONE;
  if (result->kind != PTX_PAIR) {
    i->d = simt_destination(d, result, bytes);
    return;
  }
  i->d = simt_destination(d, result->items.list.items[0], bytes);
  i->e = simt_destination(d, result->items.list.items[1], 0);
}

static void decode_shfl(simt_decoder *d, simt_spelling *sp) {
  static const char *const ways[] = {"up", "down", "bfly", "idx"};
  int way = simt_take_one(sp, ways, 4);
  simt_take_type(d, sp);
  if (!take_sync(d, sp) || !simt_operands(d, 5, 5)) return;
  uint32_t *clamp = WF_NEW(d->module->arena, uint32_t);
  uint32_t a = simt_source(d, simt_operand(d, 1), SIMT_B32), b = simt_source(d, simt_operand(d, 2), SIMT_B32), mask = simt_source(d, simt_operand(d, 4), SIMT_B32);
  *clamp = simt_source(d, simt_operand(d, 3), SIMT_B32);
  if (way < 0) simt_decode_fail(d, d->statement->place, "%s: .up, .down, .bfly or .idx is missing", d->statement->word);
  simt_instruction *i = simt_emit(d, simt_do_shuffle, KIND_WARP_SYNC);
  i->op = (uint8_t)way, i->a = a, i->b = b, i->c = mask, i->more = clamp;
  result_pair(d, i, simt_operand(d, 0), 4);
}

static void decode_vote(simt_decoder *d, simt_spelling *sp) {
  static const char *const ways[] = {"all", "any", "uni", "ballot"};
  int way = simt_take_one(sp, ways, 4);
  simt_type type = simt_take_type(d, sp);
  if (!take_sync(d, sp) || !simt_operands(d, 3, 3)) return;
  if (way < 0 || type != (way == VOTE_BALLOT ? SIMT_B32 : SIMT_PRED)) simt_decode_fail(d, d->statement->place, "%s is not supported", d->statement->word);
  bool negated;
  uint32_t a = simt_predicate(d, simt_operand(d, 1), &negated), mask = simt_source(d, simt_operand(d, 2), SIMT_B32);
  simt_instruction *i = simt_emit(d, simt_do_vote, KIND_WARP_SYNC);
  i->op = (uint8_t)way, i->a = a, i->c = mask, i->negated = negated;
  i->d = simt_destination(d, simt_operand(d, 0), way == VOTE_BALLOT ? 4 : 0);
}

static void decode_match(simt_decoder *d, simt_spelling *sp) {
  bool all = simt_take(sp, "all"), any = simt_take(sp, "any");
  simt_type type = simt_take_type(d, sp);
  if (!take_sync(d, sp) || !simt_operands(d, 3, 3)) return;
  if (all == any || (type != SIMT_B32 && type != SIMT_B64)) simt_decode_fail(d, d->statement->place, "%s is not supported", d->statement->word);
  uint32_t a = simt_source(d, simt_operand(d, 1), type), mask = simt_source(d, simt_operand(d, 2), SIMT_B32);
  simt_instruction *i = simt_emit(d, simt_do_match, KIND_WARP_SYNC);
  i->op = all ? VOTE_ALL : VOTE_ANY, i->type = (uint8_t)type, i->a = a, i->c = mask;
  result_pair(d, i, simt_operand(d, 0), 4);
}

static void decode_redux(simt_decoder *d, simt_spelling *sp) {
  static const char *const ops[] = {"add", "min", "max", "and", "or", "xor"};
  static const uint8_t codes[] = {ATOMIC_ADD, ATOMIC_MIN, ATOMIC_MAX, ATOMIC_AND, ATOMIC_OR, ATOMIC_XOR};
  int op = simt_take_one(sp, ops, 6);
  simt_type type = simt_take_type(d, sp);
  if (!take_sync(d, sp) || !simt_operands(d, 3, 3)) return;
  if (op < 0 || (type != SIMT_U32 && type != SIMT_S32 && type != SIMT_B32)) {
    simt_decode_fail(d, d->statement->place, "%s is not supported", d->statement->word);
    return;
  }
  uint32_t a = simt_source(d, simt_operand(d, 1), type), mask = simt_source(d, simt_operand(d, 2), SIMT_B32);
  simt_instruction *i = simt_emit(d, simt_do_reduce, KIND_WARP_SYNC);
  i->op = codes[op], i->type = (uint8_t)type, i->a = a, i->c = mask;
  i->d = simt_destination(d, simt_operand(d, 0), 4);
}

static void decode_activemask(simt_decoder *d, simt_spelling *sp) {
  simt_take_type(d, sp);
  if (!simt_operands(d, 1, 1)) return;
  simt_instruction *i = simt_emit(d, simt_do_active_mask, KIND_PLAIN);
  i->d = simt_destination(d, simt_operand(d, 0), 4);
}

static void decode_elect(simt_decoder *d, simt_spelling *sp) {
  if (!take_sync(d, sp) || !simt_operands(d, 2, 2)) return;
  uint32_t mask = simt_source(d, simt_operand(d, 1), SIMT_B32);
  simt_instruction *i = simt_emit(d, simt_do_elect, KIND_WARP_SYNC);
  i->c = mask;
  result_pair(d, i, simt_operand(d, 0), 4);
}

// ---- barriers of the block

// bar.* is barrier.*.aligned.
static void barrier(simt_decoder *d, simt_spelling *sp, bool aligned) {
  static const char *const reductions[] = {"popc", "and", "or"};
  simt_take(sp, "cta");
  aligned |= simt_take(sp, "aligned");
  bool arrive = simt_take(sp, "arrive"), red = simt_take(sp, "red"), negated = false;
  if (!arrive && !red && !take_sync(d, sp)) return;
  int how = red ? simt_take_one(sp, reductions, 3) + 1 : 0, count = d->statement->operands.list.count;
  if (red) simt_take_type(d, sp);
  if (!simt_operands(d, arrive ? 2 : red ? 3 : 1, red ? 4 : 2) || (red && !how)) {
    simt_decode_fail(d, d->statement->place, "%s is not supported", d->statement->word);
    return;
  }
  uint32_t id = simt_source(d, simt_operand(d, red), SIMT_U32), threads = SIMT_NONE, p = SIMT_NONE;
  if (red ? count == 4 : count == 2) threads = simt_source(d, simt_operand(d, red + 1), SIMT_U32);
  if (red) p = simt_predicate(d, simt_operand(d, count - 1), &negated);
  simt_instruction *i = simt_emit(d, simt_do_nothing, KIND_BARRIER);
  i->a = id, i->b = threads, i->c = aligned, i->target = arrive, i->op = (uint8_t)how, i->e = p, i->negated = negated;
  if (red) i->d = simt_destination(d, simt_operand(d, 0), how == 1 ? 4 : 0);
}

static void decode_barrier(simt_decoder *d, simt_spelling *sp) { barrier(d, sp, false); }
static void decode_bar(simt_decoder *d, simt_spelling *sp) {
  if (!simt_take(sp, "warp")) {
    barrier(d, sp, true);
    return;
  }
  if (!take_sync(d, sp) || !simt_operands(d, 1, 1)) return;
  uint32_t mask = simt_source(d, simt_operand(d, 0), SIMT_B32);
  simt_instruction *i = simt_emit(d, simt_do_warp_barrier, KIND_WARP_SYNC);
  i->c = mask;
}

// ---- matrices

static void matrix_access(simt_decoder *d, simt_spelling *sp, bool load) {
  static const char *const counts[] = {"x1", "x2", "x4"};
  simt_take(sp, "aligned"), simt_take(sp, "shared") || simt_take(sp, "shared::cta");
  bool shape = simt_take(sp, "m8n8"), transposed = simt_take(sp, "trans");
  int count = simt_take_one(sp, counts, 3);
  simt_type type = simt_take_type(d, sp);
  if (!take_sync(d, sp) || !simt_operands(d, 2, 2)) return;
  ptx_operand *list = simt_operand(d, load ? 0 : 1);
  if (!shape || count < 0 || type != SIMT_B16 || (list->kind == PTX_VECTOR ? list->items.list.count : 1) != 1 << count) {
    simt_decode_fail(d, d->statement->place, "%s is not supported", d->statement->word);
    return;
  }
  uint32_t *more = WF_NEW_ARRAY(d->module->arena, uint32_t, 4);
  for (int k = 0; k < 1 << count; k++) {
    ptx_operand *item = list->kind == PTX_VECTOR ? list->items.list.items[k] : list;
    more[k] = load ? simt_destination(d, item, 4) : simt_source(d, item, SIMT_B32);
    if (more[k] == SIMT_NONE) simt_decode_fail(d, d->statement->place, "%s: _ is no register", d->statement->word);
  }
  simt_instruction *i = simt_emit(d, load ? simt_do_load_matrix : simt_do_store_matrix, KIND_WARP_SYNC);
  i->c = SIMT_NONE, i->space = SPACE_SHARED, i->count = (uint8_t)(1 << count), i->op = transposed, i->more = more;
  simt_address_operand(d, i, simt_operand(d, load ? 1 : 0));
}
static void decode_ldmatrix(simt_decoder *d, simt_spelling *sp) { matrix_access(d, sp, true); }
static void decode_stmatrix(simt_decoder *d, simt_spelling *sp) { matrix_access(d, sp, false); }

typedef struct mma_shape { const char *shape; simt_type type; int registers; } mma_shape;   // of A
static const mma_shape mma_shapes[] = {
    {"m16n8k4", SIMT_TF32, 2}, {"m16n8k8", SIMT_TF32, 4}, {"m16n8k8", SIMT_F16, 2}, {"m16n8k8", SIMT_BF16, 2},
    {"m16n8k16", SIMT_F16, 4}, {"m16n8k16", SIMT_BF16, 4}, {"m16n8k16", SIMT_S8, 2}, {"m16n8k16", SIMT_U8, 2},
    {"m16n8k32", SIMT_S8, 4}, {"m16n8k32", SIMT_U8, 4}, {"m16n8k32", SIMT_E4M3, 4}, {"m16n8k32", SIMT_E5M2, 4},
};

static int mma_registers(simt_spelling *sp, simt_type type) {
  for (size_t k = 0; k < sizeof mma_shapes / sizeof *mma_shapes; k++)
    if (mma_shapes[k].type == type && simt_take(sp, mma_shapes[k].shape)) return mma_shapes[k].registers;
  return 0;
}

static bool list_into(simt_decoder *d, ptx_operand *list, int count, bool results, simt_type type, uint32_t *more) {
  int given = list->kind == PTX_VECTOR ? list->items.list.count : 1;
  if (given != count) {
    simt_decode_fail(d, list->place, "%s: %d registers, not %d", d->statement->word, count, given);
    return false;
  }
  for (int k = 0; k < count; k++) {
    ptx_operand *item = list->kind == PTX_VECTOR ? list->items.list.items[k] : list;
    more[k] = results ? simt_destination(d, item, 4) : simt_source(d, item, type);
    if (more[k] == SIMT_NONE) simt_decode_fail(d, item->place, "%s: _ is no register", d->statement->word);
  }
  return true;
}

static void decode_mma(simt_decoder *d, simt_spelling *sp) {
  bool sync = take_sync(d, sp), aligned = simt_take(sp, "aligned"), row = simt_take(sp, "row"), column = simt_take(sp, "col");
  bool saturate = simt_take(sp, "satfinite");
  simt_type to = simt_take_type(d, sp), ta = simt_take_type(d, sp), tb = simt_take_type(d, sp), tc = simt_take_type(d, sp);
  int registers = mma_registers(sp, ta), results = to == SIMT_F16 ? 2 : 4;
  bool integers = ta == SIMT_S8 || ta == SIMT_U8, fp8 = ta == SIMT_E4M3 || ta == SIMT_E5M2;
  bool second = integers ? tb == SIMT_S8 || tb == SIMT_U8 : fp8 ? tb == SIMT_E4M3 || tb == SIMT_E5M2 : tb == ta;
  bool sums = integers ? to == SIMT_S32 : to == SIMT_F32 || (to == SIMT_F16 && ta == SIMT_F16 && !saturate);
  if (!sync || !aligned || !row || !column || !registers || !second || !sums || to != tc || (saturate && !integers)) {
    simt_decode_fail(d, d->statement->place, "%s is not supported", d->statement->word);
    return;
  }
  if (!simt_operands(d, 4, 4)) return;
  uint32_t *more = WF_NEW_ARRAY(d->module->arena, uint32_t, 16);
  simt_type tsum = to == SIMT_F32 ? SIMT_F32 : SIMT_B32;
  if (!list_into(d, simt_operand(d, 0), results, true, tsum, more) || !list_into(d, simt_operand(d, 1), registers, false, SIMT_B32, more + results) ||
      !list_into(d, simt_operand(d, 2), registers / 2, false, SIMT_B32, more + results + registers) ||
      !list_into(d, simt_operand(d, 3), results, false, tsum, more + results + registers + registers / 2))
    return;
  simt_instruction *i = simt_emit(d, simt_do_mma, KIND_WARP_SYNC);
  i->c = SIMT_NONE, i->more = more, i->count = (uint8_t)registers, i->type = (uint8_t)ta, i->rounding = (uint8_t)tb, i->from = (uint8_t)to;
  i->width = (uint8_t)(2 * results + registers + registers / 2), i->saturate = saturate;
}

// ---- without effect here

static void decode_nothing(simt_decoder *d, simt_spelling *sp) {
  static const char *const parts[] = {"wait", "launch_dependents", "u32"};
  simt_take_one(sp, parts, 3);
  simt_emit(d, simt_do_nothing, KIND_PLAIN);
}

const simt_decode_row simt_decode_warp[] = {
    {"shfl", decode_shfl}, {"vote", decode_vote}, {"match", decode_match}, {"redux", decode_redux}, {"activemask", decode_activemask},
    {"elect", decode_elect}, {"bar", decode_bar}, {"barrier", decode_barrier}, {"ldmatrix", decode_ldmatrix},
    {"stmatrix", decode_stmatrix}, {"mma", decode_mma}, {"nanosleep", decode_nothing}, {"griddepcontrol", decode_nothing},
    {"pmevent", decode_nothing}, {NULL, NULL},
};
