#include "runtime/arena_layout.h"

#include <stdint.h>
#include <stdlib.h>
#include "runtime/memory.h"

static size_t round_up(size_t bytes) { return (bytes + WEFT_ALIGNMENT - 1) / WEFT_ALIGNMENT * WEFT_ALIGNMENT; }

// Orders of placing. Each breaks ties by the given order, so that the layout is the same everywhere.
static int by_place(const void *a, const void *b) {
  const weft_lifetime *x = *(weft_lifetime *const *)a, *y = *(weft_lifetime *const *)b;
  return x < y ? -1 : x > y;
}

static int larger_first(const void *a, const void *b) {
  const weft_lifetime *x = *(weft_lifetime *const *)a, *y = *(weft_lifetime *const *)b;
  return x->bytes != y->bytes ? (x->bytes > y->bytes ? -1 : 1) : by_place(a, b);
}

static double area(const weft_lifetime *item) { return (double)item->bytes * (item->last - item->first + 1); }

static int larger_area_first(const void *a, const void *b) {
  double x = area(*(weft_lifetime *const *)a), y = area(*(weft_lifetime *const *)b);
  return x != y ? (x > y ? -1 : 1) : by_place(a, b);
}

static int longer_first(const void *a, const void *b) {
  const weft_lifetime *x = *(weft_lifetime *const *)a, *y = *(weft_lifetime *const *)b;
  int longer = (y->last - y->first) - (x->last - x->first);
  return longer ? longer : larger_first(a, b);
}

// placed: in the order of their offsets.
static size_t find_place(weft_lifetime *const *placed, int count, const weft_lifetime *item) {
  size_t end = 0, best = 0, best_gap = SIZE_MAX, need = round_up(item->bytes);
  for (int i = 0; i < count; i++) {
    const weft_lifetime *other = placed[i];
    if (other->last < item->first || item->last < other->first) continue;
    if (other->offset >= end && other->offset - end >= need && other->offset - end < best_gap) {
      best_gap = other->offset - end;
      best = end;
    }
    size_t other_end = other->offset + round_up(other->bytes);
    if (other_end > end) end = other_end;
  }
  return best_gap < SIZE_MAX ? best : end;
}

static size_t place_all(weft_lifetime **order, weft_lifetime **placed, int count) {
  size_t total = 0;
  for (int i = 0; i < count; i++) {
    weft_lifetime *item = order[i];
    item->offset = find_place(placed, i, item);
    int at = i;
    for (; at > 0 && placed[at - 1]->offset > item->offset; at--) placed[at] = placed[at - 1];
    placed[at] = item;
    size_t end = item->offset + round_up(item->bytes);
    if (end > total) total = end;
  }
  return total;
}

weft_status *weft_arena_lay_out(weft_lifetime *items, int count, size_t *out_total) {
  static int (*const orders[])(const void *, const void *) = {larger_first, larger_area_first, longer_first};
  enum { ORDERS = sizeof orders / sizeof *orders };
  *out_total = 0;
  if (count == 0) return NULL;
  weft_lifetime **order = NULL;
  TRY(weft_allocate((size_t)count * 2, sizeof *order, &order));
  size_t best = SIZE_MAX;
  int best_order = 0;
  for (int turn = 0; turn <= ORDERS; turn++) {   // the last turn places by the best order again
    int which = turn < ORDERS ? turn : best_order;
    for (int i = 0; i < count; i++) order[i] = &items[i];
    qsort(order, (size_t)count, sizeof *order, orders[which]);
    size_t total = place_all(order, order + count, count);
    if (total < best) {
      best = total;
      best_order = which;
    }
  }
  *out_total = best;
  free(order);
  return NULL;
}

size_t weft_arena_lower_bound(const weft_lifetime *items, int count) {
  size_t most = 0;
  for (int i = 0; i < count; i++) {   // the sum can only peak where something begins
    size_t alive = 0;
    for (int j = 0; j < count; j++)
      if (items[j].first <= items[i].first && items[i].first <= items[j].last) alive += round_up(items[j].bytes);
    if (alive > most) most = alive;
  }
  return most;
}
