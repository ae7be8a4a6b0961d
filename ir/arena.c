// Arenas, interning, vectors, maps and text buffers.
#include "ir/arena.h"
#include <stdio.h>
#include <stdlib.h>

enum { ALIGNMENT = 16, FIRST_BLOCK = 16 << 10, LARGEST_BLOCK = 1 << 20 };

typedef struct block {
  struct block *previous;
  size_t used, size;
  _Alignas(ALIGNMENT) unsigned char bytes[];
} block;

struct wf_arena {
  block *current;
  size_t handed_out, next_size;
};

// The one place of the library that ends the process: callers are spared a check at every allocation.
static void out_of_memory(size_t wanted) {
  fprintf(stderr, "weft: out of memory (%zu bytes wanted)\n", wanted);
  exit(3);
}

static void *checked(void *memory, size_t size) {
  if (!memory) out_of_memory(size);
  return memory;
}

wf_arena *wf_arena_create(void) {
  wf_arena *arena = checked(calloc(1, sizeof *arena), sizeof *arena);
  arena->next_size = FIRST_BLOCK;
  return arena;
}

void wf_arena_destroy(wf_arena *arena) {
  if (!arena) return;
  for (block *b = arena->current; b;) {
    block *previous = b->previous;
    free(b);
    b = previous;
  }
  free(arena);
}

static block *new_block(size_t size) {
  if (size > SIZE_MAX - sizeof(block)) out_of_memory(size);
  block *b = checked(calloc(1, sizeof(block) + size), size);
  b->size = size;
  return b;
}

// An allocation that would waste most of a block gets one of its own, placed behind the current one.
static void *alloc_large(wf_arena *arena, size_t size) {
  block *b = new_block(size);
  b->used = size;
  if (arena->current) {
    b->previous = arena->current->previous;
    arena->current->previous = b;
  } else {
    arena->current = b;
  }
  return b->bytes;
}

void *wf_arena_alloc(wf_arena *arena, size_t size) {
  if (size > SIZE_MAX - ALIGNMENT) out_of_memory(size);
  size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
  if (size == 0) size = ALIGNMENT;
  arena->handed_out += size;
  block *b = arena->current;
  if (!b || b->size - b->used < size) {
    if (size > arena->next_size / 4) return alloc_large(arena, size);
    b = new_block(arena->next_size);
    b->previous = arena->current;
    arena->current = b;
    if (arena->next_size < LARGEST_BLOCK) arena->next_size *= 2;
  }
  void *memory = b->bytes + b->used;
  b->used += size;
  return memory;
}

size_t wf_arena_bytes(const wf_arena *arena) { return arena->handed_out; }

char *wf_arena_strndup(wf_arena *arena, const char *text, size_t length) {
  char *copy = wf_arena_alloc(arena, length + 1);
  memcpy(copy, text, length);
  return copy;
}

char *wf_arena_strdup(wf_arena *arena, const char *text) { return wf_arena_strndup(arena, text, strlen(text)); }

char *wf_arena_printf(wf_arena *arena, const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  char *text = wf_arena_alloc(arena, (size_t)(length < 0 ? 0 : length) + 1);
  if (length > 0) vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}

// ---- hashing: 8 bytes at a time, multiply and fold (the mixer of MurmurHash3's finaliser) ---------------------------
static uint64_t mix(uint64_t h) {
  h ^= h >> 33;
  h *= 0xff51afd7ed558ccdull;
  h ^= h >> 33;
  h *= 0xc4ceb9fe1a85ec53ull;
  return h ^ h >> 33;
}

uint64_t wf_hash_bytes(const void *bytes, size_t size, uint64_t seed) {
  const unsigned char *at = bytes;
  uint64_t h = mix(seed ^ (size * 0x9e3779b97f4a7c15ull));
  for (; size >= 8; at += 8, size -= 8) {
    uint64_t word;
    memcpy(&word, at, 8);
    h = mix(h ^ word) + 0x9e3779b97f4a7c15ull;
  }
  if (size) {
    uint64_t word = 0;
    memcpy(&word, at, size);
    h = mix(h ^ word);
  }
  return h;
}

// ---- interner --------------------------------------------------------------------------------------------------------
typedef struct interned { uint64_t hash; size_t length; const char *text; } interned;

struct wf_interner {
  wf_arena *arena;
  interned *slots;
  size_t slot_count, count;
};

wf_interner *wf_interner_create(wf_arena *arena) {
  wf_interner *interner = WF_NEW(arena, wf_interner);
  interner->arena = arena;
  interner->slot_count = 64;
  interner->slots = WF_NEW_ARRAY(arena, interned, interner->slot_count);
  return interner;
}

static interned *find_interned(const wf_interner *interner, const char *text, size_t length, uint64_t hash) {
  for (size_t at = hash;; at++) {
    interned *slot = &interner->slots[at & (interner->slot_count - 1)];
    if (!slot->text) return slot;
    if (slot->hash == hash && slot->length == length && memcmp(slot->text, text, length) == 0) return slot;
  }
}

static void grow_interner(wf_interner *interner) {
  interned *old = interner->slots;
  size_t old_count = interner->slot_count;
  interner->slot_count *= 2;
  interner->slots = WF_NEW_ARRAY(interner->arena, interned, interner->slot_count);
  for (size_t i = 0; i < old_count; i++)
    if (old[i].text) *find_interned(interner, old[i].text, old[i].length, old[i].hash) = old[i];
}

const char *wf_intern_n(wf_interner *interner, const char *text, size_t length) {
  uint64_t hash = wf_hash_bytes(text, length, 0);
  interned *slot = find_interned(interner, text, length, hash);
  if (slot->text) return slot->text;
  if (2 * ++interner->count > interner->slot_count) {
    grow_interner(interner);
    slot = find_interned(interner, text, length, hash);
  }
  *slot = (interned){hash, length, wf_arena_strndup(interner->arena, text, length)};
  return slot->text;
}

const char *wf_intern(wf_interner *interner, const char *text) { return wf_intern_n(interner, text, strlen(text)); }

// ---- vectors and maps ------------------------------------------------------------------------------------------------
void *wf_vec_grow(wf_arena *arena, void *items, int count, int *capacity, size_t item_size) {
  if (*capacity > INT32_MAX / 2) out_of_memory((size_t)*capacity * item_size);
  *capacity = *capacity ? *capacity * 2 : 8;
  void *grown = wf_arena_alloc(arena, (size_t)*capacity * item_size);
  if (count) memcpy(grown, items, (size_t)count * item_size);
  return grown;
}

void wf_map_init(wf_map *map, wf_arena *arena) { *map = (wf_map){.arena = arena}; }

// The slot holds index + 1; 0 is free.
static int *find_slot(const wf_map *map, const char *key) {
  for (size_t at = wf_hash_text(key);; at++) {
    int *slot = &map->slots[at & (size_t)(map->slot_count - 1)];
    if (!*slot || strcmp(map->keys[*slot - 1], key) == 0) return slot;
  }
}

int wf_map_index(const wf_map *map, const char *key) { return map->count ? *find_slot(map, key) - 1 : -1; }

void *wf_map_get(const wf_map *map, const char *key) {
  int index = wf_map_index(map, key);
  return index < 0 ? NULL : map->values[index];
}

static void grow_map(wf_map *map) {
  int capacity = map->capacity, values_capacity = map->capacity;
  map->keys = wf_vec_grow(map->arena, map->keys, map->count, &capacity, sizeof *map->keys);
  map->values = wf_vec_grow(map->arena, map->values, map->count, &values_capacity, sizeof *map->values);
  map->capacity = capacity;
  map->slot_count = 4 * capacity;
  map->slots = WF_NEW_ARRAY(map->arena, int, map->slot_count);
  for (int i = 0; i < map->count; i++) *find_slot(map, map->keys[i]) = i + 1;
}

void wf_map_set(wf_map *map, const char *key, void *value) {
  if (map->count == map->capacity) grow_map(map);
  int *slot = find_slot(map, key);
  if (!*slot) {
    map->keys[map->count] = key;
    *slot = ++map->count;
  }
  map->values[*slot - 1] = value;
}

// ---- text ------------------------------------------------------------------------------------------------------------
void wf_text_init(wf_text *text) { *text = (wf_text){checked(calloc(1, 64), 64), 0, 64}; }

void wf_text_deinit(wf_text *text) {
  free(text->data);
  *text = (wf_text){0};
}

static void reserve(wf_text *text, size_t more) {
  size_t needed = text->length + more + 1;
  if (needed <= text->capacity) return;
  size_t capacity = text->capacity ? text->capacity : 64;
  while (capacity < needed) capacity *= 2;
  text->data = checked(realloc(text->data, capacity), capacity);
  text->capacity = capacity;
}

void wf_text_add_n(wf_text *text, const char *string, size_t length) {
  reserve(text, length);
  memcpy(text->data + text->length, string, length);
  text->length += length;
  text->data[text->length] = 0;
}

void wf_text_add(wf_text *text, const char *string) { wf_text_add_n(text, string, strlen(string)); }

void wf_text_vprintf(wf_text *text, const char *format, va_list arguments) {
  va_list again;
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, arguments);
  if (length > 0) {
    reserve(text, (size_t)length);
    vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
    text->length += (size_t)length;
  }
  va_end(again);
}

void wf_text_printf(wf_text *text, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  wf_text_vprintf(text, format, arguments);
  va_end(arguments);
}
