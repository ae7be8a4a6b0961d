// Layouts as lists of mixed-radix modes: construction, offsets, composition, what a vector access may take.
#include "ir/layout.h"

static wf_layout *new_layout(wf_arena *arena, int rank, int mode_count, const wf_dim *size) {
  wf_layout *layout = WF_NEW(arena, wf_layout);
  layout->rank = rank;
  layout->mode_count = mode_count;
  layout->modes = WF_NEW_ARRAY(arena, wf_mode, mode_count);
  layout->size = size;
  return layout;
}

const wf_layout *wf_layout_permuted(wf_dims *dims, wf_arena *arena, int rank, const wf_dim *const *shape, const int *order) {
  const wf_dim *one = wf_dim_const(dims, 1), *stride = one;
  wf_mode *modes = WF_NEW_ARRAY(arena, wf_mode, rank);
  for (int i = rank - 1; i >= 0; i--) {
    modes[i] = (wf_mode){order[i], one, NULL, stride, WF_DEST_OFFSET};
    stride = wf_dim_mul(stride, shape[order[i]]);
  }
  wf_layout *layout = new_layout(arena, rank, rank, stride);
  layout->modes = modes;
  return layout;
}

const wf_layout *wf_layout_row_major(wf_dims *dims, wf_arena *arena, int rank, const wf_dim *const *shape) {
  int *order = WF_NEW_ARRAY(arena, int, rank);
  for (int i = 0; i < rank; i++) order[i] = i;
  return wf_layout_permuted(dims, arena, rank, shape, order);
}

const wf_dim *wf_layout_offset(wf_dims *dims, const wf_layout *layout, const wf_dim *const *coordinates) {
  const wf_dim *offset = wf_dim_const(dims, 0);
  for (int i = 0; i < layout->mode_count; i++) {
    const wf_mode *mode = &layout->modes[i];
    if (mode->destination != WF_DEST_OFFSET) continue;
    const wf_dim *digit = wf_dim_floordiv(coordinates[mode->axis], mode->divisor);
    if (mode->extent) digit = wf_dim_mod(digit, mode->extent);
    offset = wf_dim_add(offset, wf_dim_mul(digit, mode->stride));
  }
  return offset;
}

static bool is_plain(const wf_mode *mode) {
  return mode->destination == WF_DEST_OFFSET && !mode->extent && wf_dim_equals_const(mode->divisor, 1);
}

const wf_dim *wf_layout_stride(const wf_layout *layout, int axis) {
  const wf_dim *stride = wf_dim_const(layout->size->owner, 0);   // an axis without a mode does not move
  for (int i = 0, found = 0; i < layout->mode_count; i++) {
    if (layout->modes[i].axis != axis || layout->modes[i].destination != WF_DEST_OFFSET) continue;
    if (found++ || !is_plain(&layout->modes[i])) return NULL;
    stride = layout->modes[i].stride;
  }
  return stride;
}

bool wf_layout_is_row_major(const wf_layout *layout, const wf_dim *const *shape) {
  if (layout->swizzle_bits) return false;
  for (int i = 0; i < layout->mode_count; i++)
    if (layout->modes[i].destination != WF_DEST_OFFSET) return false;
  const wf_dim *stride = wf_dim_const(layout->size->owner, 1);
  for (int axis = layout->rank - 1; axis >= 0; axis--) {
    bool single = wf_dim_equals_const(shape[axis], 1);   // its stride is never used
    if (!single && wf_layout_stride(layout, axis) != stride) return false;
    stride = wf_dim_mul(stride, shape[axis]);
  }
  return layout->size == stride;
}

static bool same_mode(const wf_mode *a, const wf_mode *b) {
  return a->axis == b->axis && a->divisor == b->divisor && a->extent == b->extent && a->stride == b->stride &&
         a->destination == b->destination;
}

bool wf_layout_equal(const wf_layout *a, const wf_layout *b) {
  if (a->rank != b->rank || a->mode_count != b->mode_count || a->size != b->size || a->swizzle_bits != b->swizzle_bits) return false;
  if (a->swizzle_bits && (a->swizzle_base != b->swizzle_base || a->swizzle_shift != b->swizzle_shift)) return false;
  for (int i = 0; i < a->mode_count; i++)
    if (!same_mode(&a->modes[i], &b->modes[i])) return false;
  return true;
}

// ---- composition -------------------------------------------------------------------------------------------------------
// a's offset is read as one number in mixed radix: digit i spans [stride_i, end_i), end_i being the next larger stride.
typedef struct span { const wf_mode *mode; const wf_dim *end; } span;

static bool divides(const wf_dim *a, const wf_dim *b) { return wf_dim_exact_div(b, a) != NULL; }

// The spans of a's offset modes; false where the strides do not divide one another.
static bool find_spans(const wf_layout *a, span *spans, int *out_count) {
  int count = 0;
  for (int i = 0; i < a->mode_count; i++) {
    const wf_mode *mode = &a->modes[i];
    if (mode->destination != WF_DEST_OFFSET) continue;
    int at = count++;
    for (; at > 0 && !divides(spans[at - 1].mode->stride, mode->stride); at--) {
      if (!divides(mode->stride, spans[at - 1].mode->stride)) return false;
      spans[at] = spans[at - 1];
    }
    spans[at].mode = mode;
  }
  for (int i = 0; i < count; i++) {
    const wf_mode *mode = spans[i].mode;
    spans[i].end = i + 1 < count ? spans[i + 1].mode->stride : mode->extent ? wf_dim_mul(mode->stride, mode->extent) : NULL;
  }
  *out_count = count;
  return true;
}

typedef enum overlap { OVERLAP_NONE, OVERLAP_SOME, OVERLAP_CROOKED } overlap;

// The part of a's digit that falls into b's digit [low, high) of the offset (high NULL: no end).
static overlap intersect(const span *digit, const wf_mode *b, wf_mode *out) {
  const wf_dim *low = b->divisor, *high = b->extent ? wf_dim_mul(b->divisor, b->extent) : NULL;
  const wf_dim *start = digit->mode->stride, *end = digit->end;
  if ((end && divides(end, low)) || (high && divides(high, start))) return OVERLAP_NONE;
  const wf_dim *from = divides(start, low) ? low : divides(low, start) ? start : NULL;
  const wf_dim *to = !end ? high : !high || divides(end, high) ? end : divides(high, end) ? high : NULL;
  if (!from || ((end || high) && !to)) return OVERLAP_CROOKED;
  const wf_dim *below = wf_dim_exact_div(from, start), *whole = digit->mode->extent;
  const wf_dim *extent = to == end ? whole ? wf_dim_exact_div(whole, below) : NULL : wf_dim_exact_div(to, from);
  if (to == end ? whole && !extent : !extent || (whole && !divides(wf_dim_mul(below, extent), whole))) return OVERLAP_CROOKED;
  *out = (wf_mode){digit->mode->axis, wf_dim_mul(digit->mode->divisor, below), extent,
                   wf_dim_mul(b->stride, wf_dim_exact_div(from, low)), b->destination};
  return OVERLAP_SOME;
}

const wf_layout *wf_layout_compose(wf_dims *dims, wf_arena *arena, const wf_layout *a, const wf_layout *b) {
  if (b->rank != 1 || a->swizzle_bits) return NULL;
  span *spans = WF_NEW_ARRAY(arena, span, a->mode_count);
  int span_count, count = 0, most = a->mode_count * (b->mode_count + 1);
  wf_mode *modes = WF_NEW_ARRAY(arena, wf_mode, most);
  if (!find_spans(a, spans, &span_count)) return NULL;
  for (int i = 0; i < b->mode_count; i++)
    for (int j = span_count - 1; j >= 0; j--) {
      overlap met = intersect(&spans[j], &b->modes[i], &modes[count]);
      if (met == OVERLAP_CROOKED) return NULL;
      count += met == OVERLAP_SOME;
    }
  for (int i = 0; i < a->mode_count; i++)
    if (a->modes[i].destination != WF_DEST_OFFSET) modes[count++] = a->modes[i];
  wf_layout *layout = new_layout(arena, a->rank, count, b->size);
  layout->modes = modes;
  layout->swizzle_bits = b->swizzle_bits;
  layout->swizzle_base = b->swizzle_base;
  layout->swizzle_shift = b->swizzle_shift;
  return layout;
}

// ---- accesses ------------------------------------------------------------------------------------------------------------
// `width` elements along the axis are neighbours, and every other step moves by multiples of width.
static bool allows_width(const wf_layout *layout, int axis, int width) {
  bool unit = false;
  if (layout->swizzle_bits && width > 1 << layout->swizzle_base) return false;
  for (int i = 0; i < layout->mode_count; i++) {
    const wf_mode *mode = &layout->modes[i];
    if (mode->destination != WF_DEST_OFFSET) continue;
    if (mode->axis == axis && wf_dim_equals_const(mode->divisor, 1)) {
      unit = wf_dim_equals_const(mode->stride, 1) && (!mode->extent || wf_dim_divisible(mode->extent, width));
      if (!unit) return false;
    } else if (!wf_dim_divisible(mode->stride, width)) {
      return false;
    }
  }
  return unit && wf_dim_divisible(layout->size, width);
}

int wf_layout_vector_width(const wf_layout *layout, int axis, int limit) {
  int width = 1;
  while (2 * width <= limit && allows_width(layout, axis, 2 * width)) width *= 2;
  return width;
}

// Distinct 4-byte words that the busiest bank must deliver to lanes [first, last).
static int busiest_bank(const int64_t *offsets, int first, int last, int element_bytes) {
  enum { BANKS = 32, MOST_WORDS = 32 };
  int64_t words[BANKS][MOST_WORDS];
  int counts[BANKS] = {0}, most = 0;
  for (int lane = first; lane < last; lane++) {
    if (offsets[lane] < 0) continue;
    int64_t start = offsets[lane] * element_bytes / 4, end = (offsets[lane] * element_bytes + element_bytes - 1) / 4;
    for (int64_t word = start; word <= end; word++) {
      int bank = (int)(word % BANKS), known = 0;
      while (known < counts[bank] && words[bank][known] != word) known++;
      if (known == counts[bank] && known < MOST_WORDS) words[bank][counts[bank]++] = word;
      if (counts[bank] > most) most = counts[bank];
    }
  }
  return most;
}

int wf_bank_conflicts(const int64_t *offsets, int lanes, int element_bytes) {
  int group = element_bytes > 4 ? 128 / element_bytes : 32, extra = 0;   // wide accesses go by half or quarter warps
  for (int first = 0; first < lanes; first += group) {
    int last = first + group < lanes ? first + group : lanes, cycles = busiest_bank(offsets, first, last, element_bytes);
    if (cycles > 1) extra += cycles - 1;
  }
  return extra;
}

// ---- text ----------------------------------------------------------------------------------------------------------------
static void print_mode(wf_text *out, const wf_mode *mode) {
  static const char *const destinations[] = {"", " lane", " warp", " register"};
  wf_text_printf(out, "%d", mode->axis);
  if (!wf_dim_equals_const(mode->divisor, 1)) wf_text_add(out, " div "), wf_dim_print(out, mode->divisor, NULL, NULL);
  if (mode->extent) wf_text_add(out, " mod "), wf_dim_print(out, mode->extent, NULL, NULL);
  wf_text_add(out, " @ ");
  wf_dim_print(out, mode->stride, NULL, NULL);
  wf_text_add(out, destinations[mode->destination]);
}

void wf_layout_print(wf_text *out, const wf_layout *layout) {
  wf_text_add(out, "(");
  for (int i = 0; i < layout->mode_count; i++) {
    if (i) wf_text_add(out, ", ");
    print_mode(out, &layout->modes[i]);
  }
  wf_text_add(out, "; size ");
  wf_dim_print(out, layout->size, NULL, NULL);
  if (layout->swizzle_bits) wf_text_printf(out, "; swizzle %d %d %d", layout->swizzle_bits, layout->swizzle_base, layout->swizzle_shift);
  wf_text_add(out, ")");
}
