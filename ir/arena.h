// Arenas, interned strings, growing arrays and string buffers: the memory habits of the compiler.
// An arena is owned by one context (a module, a pass); nothing in it is freed one by one.
#ifndef WEFT_IR_ARENA_H
#define WEFT_IR_ARENA_H
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct wf_arena wf_arena;

wf_arena *wf_arena_create(void);
void wf_arena_destroy(wf_arena *arena);
// Zeroed memory, aligned to 16 bytes. Never NULL: on exhaustion the arena's out-of-memory handler ends the process
// with exit code 3 (the environment lacks memory).
void *wf_arena_alloc(wf_arena *arena, size_t size);
char *wf_arena_strdup(wf_arena *arena, const char *text);
char *wf_arena_strndup(wf_arena *arena, const char *text, size_t length);
char *wf_arena_printf(wf_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
size_t wf_arena_bytes(const wf_arena *arena);  // bytes handed out so far
#define WF_NEW(arena, type) ((type *)wf_arena_alloc((arena), sizeof(type)))
#define WF_NEW_ARRAY(arena, type, count) ((type *)wf_arena_alloc((arena), sizeof(type) * (size_t)((count) ? (count) : 1)))

// Interned strings: equal text is an equal pointer within one arena's interner.
typedef struct wf_interner wf_interner;
wf_interner *wf_interner_create(wf_arena *arena);
const char *wf_intern(wf_interner *interner, const char *text);
const char *wf_intern_n(wf_interner *interner, const char *text, size_t length);

// A growing array in an arena: struct { T *items; int count, capacity; }. Old storage stays until the arena goes.
#define WF_VEC(type) struct { type *items; int count, capacity; }
void *wf_vec_grow(wf_arena *arena, void *items, int count, int *capacity, size_t item_size);
#define wf_vec_push(arena, vec, item)                                                                         \
  ((vec)->items = (vec)->count < (vec)->capacity                                                              \
                      ? (vec)->items                                                                          \
                      : wf_vec_grow((arena), (vec)->items, (vec)->count, &(vec)->capacity, sizeof *(vec)->items), \
   (vec)->items[(vec)->count++] = (item))

// A hash map from const char * (by content) to void *; insertion order is kept in keys/values.
typedef struct wf_map { wf_arena *arena; const char **keys; void **values; int *slots; int count, capacity, slot_count; } wf_map;
void wf_map_init(wf_map *map, wf_arena *arena);
void *wf_map_get(const wf_map *map, const char *key);            // NULL where absent
int wf_map_index(const wf_map *map, const char *key);            // -1 where absent
void wf_map_set(wf_map *map, const char *key, void *value);      // the key is borrowed

// A text buffer on the heap.
typedef struct wf_text { char *data; size_t length, capacity; } wf_text;
void wf_text_init(wf_text *text);
void wf_text_deinit(wf_text *text);
void wf_text_add(wf_text *text, const char *string);
void wf_text_add_n(wf_text *text, const char *string, size_t length);
void wf_text_printf(wf_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void wf_text_vprintf(wf_text *text, const char *format, va_list arguments);

uint64_t wf_hash_bytes(const void *bytes, size_t size, uint64_t seed);
static inline uint64_t wf_hash_text(const char *text) { return wf_hash_bytes(text, strlen(text), 0); }
#endif
