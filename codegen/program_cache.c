#include "codegen/program_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char magic[8] = "weftc\n\0\1";   // the last byte is the version of the entry's head
static const char suffix[] = ".weftc";
enum { HEAD_BYTES = 32, ALIGNMENT = 64, MOST_ENTRY_BYTES = 1 << 30, TEMPORARY_SECONDS = 3600 };

// ---- keys -----------------------------------------------------------------------------------------------------------

void wf_cache_key_add(wf_cache_key *key, const void *bytes, size_t size) {
  uint64_t length = size;
  key->low = wf_hash_bytes(&length, sizeof length, key->low);
  key->high = wf_hash_bytes(&length, sizeof length, key->high ^ 0x9E3779B97F4A7C15ULL);
  key->low = wf_hash_bytes(bytes, size, key->low);
  key->high = wf_hash_bytes(bytes, size, key->high);
}

void wf_cache_key_add_text(wf_cache_key *key, const char *text) {
  wf_cache_key_add(key, text ? text : "\xff", text ? strlen(text) : 1);
}

static bool same_key(wf_cache_key a, wf_cache_key b) { return a.low == b.low && a.high == b.high; }

const char *wf_cache_folder(wf_arena *arena) {
  const char *own = getenv("WEFT_CACHE"), *shared = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  if (own && *own) return own;
  if (shared && *shared == '/') return wf_arena_printf(arena, "%s/weft", shared);
  return home && *home ? wf_arena_printf(arena, "%s/.cache/weft", home) : NULL;
}

static char *entry_path(wf_arena *arena, const char *folder, wf_cache_key key) {
  return wf_arena_printf(arena, "%s/%016llx%016llx%s", folder, (unsigned long long)key.high, (unsigned long long)key.low, suffix);
}

// ---- the head of an entry: magic, its size, the hash of the dependencies, their count; then each hash, length and path ----

typedef struct entry_head { char magic[8]; uint32_t size, count; wf_cache_key hash; } entry_head;
_Static_assert(sizeof(entry_head) == HEAD_BYTES, "the head is written as it lies");

static void write_head(wf_text *out, const wf_cache_dependencies *dependencies) {
  entry_head head = {.count = (uint32_t)dependencies->list.count};
  wf_text list;
  wf_text_init(&list);
  for (int i = 0; i < dependencies->list.count; i++) {
    const wf_cache_dependency *dependency = &dependencies->list.items[i];
    uint64_t length = strlen(dependency->path);
    wf_text_add_n(&list, (const char *)&dependency->hash, sizeof dependency->hash);
    wf_text_add_n(&list, (const char *)&length, sizeof length);
    wf_text_add_n(&list, dependency->path, length);
  }
  static const char zeros[ALIGNMENT];
  wf_text_add_n(&list, zeros, (ALIGNMENT - (HEAD_BYTES + list.length) % ALIGNMENT) % ALIGNMENT);
  memcpy(head.magic, magic, sizeof magic);
  head.size = (uint32_t)(HEAD_BYTES + list.length);
  wf_cache_key_add(&head.hash, list.data ? list.data : "", list.length);
  wf_text_add_n(out, (const char *)&head, sizeof head);
  wf_text_add_n(out, list.data ? list.data : "", list.length);
  wf_text_deinit(&list);
}

static bool file_has_hash(const char *path, wf_cache_key expected) {
  weft_bytes bytes;
  weft_status *failed = weft_file_read(path, MOST_ENTRY_BYTES, &bytes);
  if (failed) {
    weft_status_free(failed);
    return false;
  }
  wf_cache_key hash = {0};
  wf_cache_key_add(&hash, bytes.data, bytes.size);
  free(bytes.data);
  return same_key(hash, expected);
}

// The size of the head, 0 where it is damaged or a dependency changed.
static size_t check_head(wf_arena *arena, const weft_bytes *bytes) {
  entry_head head;
  if (bytes->size < HEAD_BYTES) return 0;
  memcpy(&head, bytes->data, sizeof head);
  if (memcmp(head.magic, magic, sizeof magic) != 0 || head.size < HEAD_BYTES || head.size > bytes->size) return 0;
  wf_cache_key hash = {0};
  wf_cache_key_add(&hash, bytes->data + HEAD_BYTES, head.size - HEAD_BYTES);
  if (!same_key(hash, head.hash)) return 0;
  size_t at = HEAD_BYTES;
  for (uint32_t i = 0; i < head.count; i++) {
    wf_cache_key expected;
    uint64_t length;
    if (head.size - at < sizeof expected + sizeof length) return 0;
    memcpy(&expected, bytes->data + at, sizeof expected);
    memcpy(&length, bytes->data + at + sizeof expected, sizeof length);
    at += sizeof expected + sizeof length;
    if (head.size - at < length) return 0;
    if (!file_has_hash(wf_arena_strndup(arena, (const char *)bytes->data + at, length), expected)) return 0;
    at += length;
  }
  return head.size;
}

// ---- loading --------------------------------------------------------------------------------------------------------

static weft_status *read_bundle(wf_cached *cached, size_t head) {
  const weft_part *code;
  TRY(weft_bundle_open_memory("cache", cached->bytes.data + head, cached->bytes.size - head, &cached->bundle));
  TRY(weft_bundle_select(&cached->bundle, ""));
  TRY(weft_bundle_part(&cached->bundle, WEFT_PART_OBJECT, "", &code));
  if (code) cached->code = (wf_code){(char *)code->data, code->size};
  return NULL;
}

static bool open_bundle(wf_cached *cached, size_t head) {
  weft_status *failed = read_bundle(cached, head);
  weft_status_free(failed);
  return !failed && cached->code.bytes != NULL;
}

bool wf_cache_load(wf_arena *arena, const char *folder, wf_cache_key key, wf_cached *out) {
  *out = (wf_cached){0};
  char *path = entry_path(arena, folder, key);
  weft_status *failed = weft_file_read(path, MOST_ENTRY_BYTES, &out->bytes);
  if (failed) {
    weft_status_free(failed);
    out->bytes = (weft_bytes){0};
    return false;
  }
  size_t head = check_head(arena, &out->bytes);
  if (!head || !open_bundle(out, head)) {
    wf_cached_close(out);
    return false;
  }
  utimensat(AT_FDCWD, path, NULL, 0);
  return true;
}

void wf_cached_close(wf_cached *cached) {
  weft_bundle_close(&cached->bundle);
  free(cached->bytes.data);
  *cached = (wf_cached){0};
}

// ---- storing --------------------------------------------------------------------------------------------------------

weft_status *wf_cache_make_folders(wf_arena *arena, const char *folder) {
  char *path = wf_arena_strdup(arena, folder);
  for (char *at = path + 1;; at++) {
    if (*at && *at != '/') continue;
    char kept = *at;
    *at = 0;
    if (mkdir(path, 0700) != 0 && errno != EEXIST) return weft_fail_errno(errno, "cannot make the cache folder %s", path);
    *at = kept;
    if (!kept) return NULL;
  }
}

typedef struct entry_file { char *path; int64_t size; struct timespec used; } entry_file;

static int newest_first(const void *a, const void *b) {
  const struct timespec *x = &((const entry_file *)a)->used, *y = &((const entry_file *)b)->used;
  if (x->tv_sec != y->tv_sec) return x->tv_sec < y->tv_sec ? 1 : -1;
  return (x->tv_nsec < y->tv_nsec) - (x->tv_nsec > y->tv_nsec);
}

static bool ends_with(const char *name, const char *end) {
  size_t length = strlen(name), tail = strlen(end);
  return length >= tail && !strcmp(name + length - tail, end);
}

// Keeps the entries that were used last, up to `limit` bytes together, and removes what killed writers left behind.
void wf_cache_sweep(wf_arena *arena, const char *folder, const char *suffix, int64_t limit) {
  WF_VEC(entry_file) files = {0};
  DIR *directory = opendir(folder);
  if (!directory) return;
  for (struct dirent *entry; (entry = readdir(directory));) {
    struct stat status;
    if (!strstr(entry->d_name, suffix)) continue;
    char *path = wf_arena_printf(arena, "%s/%s", folder, entry->d_name);
    if (lstat(path, &status) != 0 || !S_ISREG(status.st_mode)) continue;
    if (ends_with(entry->d_name, suffix)) wf_vec_push(arena, &files, ((entry_file){path, status.st_size, status.st_mtim}));
    else if (status.st_mtim.tv_sec + TEMPORARY_SECONDS < time(NULL)) unlink(path);
  }
  closedir(directory);
  if (files.count) qsort(files.items, (size_t)files.count, sizeof *files.items, newest_first);
  int64_t total = 0;
  for (int i = 0; i < files.count; i++) {
    total += files.items[i].size;
    if (total > limit) unlink(files.items[i].path);
  }
}

static weft_status *write_entry(const char *path, const wf_text *head, const weft_bytes *bundle) {
  weft_writer writer;
  weft_status *failed = weft_writer_open(path, &writer);
  if (failed) return failed;
  failed = weft_writer_add(&writer, head->data, head->length);
  if (!failed) failed = weft_writer_add(&writer, bundle->data, bundle->size);
  if (!failed) failed = weft_writer_commit(&writer);
  weft_writer_close(&writer);
  return failed;
}

weft_status *wf_cache_store(wf_arena *arena, const char *folder, wf_cache_key key, const wf_cache_dependencies *dependencies,
                            const wf_program *program, const wf_code *code, int64_t limit) {
  TRY(wf_cache_make_folders(arena, folder));
  weft_part part = {.kind = WEFT_PART_OBJECT, .target = "", .data = code->bytes, .size = code->size};
  weft_bytes bundle;
  wf_program unnamed = *program;   // the key says for which machine the code is
  unnamed.target = NULL;
  TRY(weft_bundle_serialize(&(const wf_program *){&unnamed}, 1, &part, 1, &bundle));
  wf_text head;
  wf_text_init(&head);
  write_head(&head, dependencies);
  weft_status *failed = write_entry(entry_path(arena, folder, key), &head, &bundle);
  wf_text_deinit(&head);
  free(bundle.data);
  if (!failed) wf_cache_sweep(arena, folder, suffix, limit);
  return failed;
}
