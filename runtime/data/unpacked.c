#include "runtime/data/unpacked.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "ir/arena.h"

typedef struct trailer { char magic[8]; uint64_t size, checksum; } trailer;   // little-endian hosts
static const char MAGIC[8] = "weftunp1";

// Four sums side by side: one multiplication would wait for the other.
typedef struct sum { uint64_t lane[4]; uint8_t rest[32]; size_t rest_size; } sum;

static void sum_block(sum *s, const uint8_t *block) {
  for (int i = 0; i < 4; i++) {
    uint64_t word;
    memcpy(&word, block + 8 * i, 8);
    s->lane[i] = (s->lane[i] ^ word) * 0x9e3779b97f4a7c15u;
    s->lane[i] ^= s->lane[i] >> 32;
  }
}

static void sum_add(sum *s, const uint8_t *data, size_t size) {
  while (size && s->rest_size) {
    s->rest[s->rest_size++] = *data++;
    size--;
    if (s->rest_size < sizeof s->rest) continue;
    sum_block(s, s->rest);
    s->rest_size = 0;
  }
  for (; size >= sizeof s->rest; data += sizeof s->rest, size -= sizeof s->rest) sum_block(s, data);
  memcpy(s->rest, data, size);
  s->rest_size = size ? size : s->rest_size;
}

static uint64_t sum_end(const sum *s) {
  return wf_hash_bytes(s->rest, s->rest_size, wf_hash_bytes(s->lane, sizeof s->lane, 0));
}

char *weft_unpacked_path(const char *folder, const char *path) {
  struct stat status;
  char *real = folder ? realpath(path, NULL) : NULL, *out = NULL;
  if (real && stat(real, &status) == 0) {
    int64_t facts[3] = {status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
    uint64_t name = wf_hash_bytes(real, strlen(real), 0), version = wf_hash_bytes(facts, sizeof facts, 0);
    if (asprintf(&out, "%s/%016llx%016llx" WEFT_UNPACKED_SUFFIX, folder, (unsigned long long)name, (unsigned long long)version) < 0) out = NULL;
  }
  free(real);
  return out;
}

static bool read_all(const weft_file *file, int64_t offset, void *to, size_t size) {
  weft_status *failed = weft_file_read_at(file, offset, to, size);
  weft_status_free(failed);
  return !failed;
}

static bool is_whole(const weft_file *file, int64_t size) {
  enum { PART = 1 << 18 };   // stays in L2
  trailer end;
  sum s = {0};
  uint8_t *part = malloc(PART);
  bool whole = part && read_all(file, size, &end, sizeof end) && memcmp(end.magic, MAGIC, sizeof MAGIC) == 0 && end.size == (uint64_t)size;
  for (int64_t at = 0; whole && at < size; at += PART) {
    size_t count = size - at < PART ? (size_t)(size - at) : PART;
    whole = read_all(file, at, part, count);
    if (whole) sum_add(&s, part, count);
  }
  free(part);
  return whole && sum_end(&s) == end.checksum;
}

bool weft_unpacked_open(const char *copy, weft_file *out) {
  *out = (weft_file){.descriptor = -1};
  if (!copy) return false;
  weft_status *failed = weft_file_open(copy, out);
  if (failed) {
    weft_status_free(failed);
    *out = (weft_file){.descriptor = -1};
    return false;
  }
  int64_t size = out->size - (int64_t)sizeof(trailer);
  if (size > 0 && is_whole(out, size)) {
    futimens(out->descriptor, NULL);   // used last: the sweep keeps it
    out->size = size;
    return true;
  }
  weft_file_close(out);
  *out = (weft_file){.descriptor = -1};
  return false;
}

void weft_unpacked_store(const char *copy, const void *head, size_t head_size, const void *body, size_t body_size) {
  if (!copy) return;
  sum s = {0};
  sum_add(&s, head, head_size);
  sum_add(&s, body, body_size);
  trailer end = {.size = head_size + body_size, .checksum = sum_end(&s)};
  memcpy(end.magic, MAGIC, sizeof MAGIC);
  weft_writer writer;
  weft_status *failed = weft_writer_open(copy, &writer);
  if (!failed) {
    failed = weft_writer_add(&writer, head, head_size);
    if (!failed) failed = weft_writer_add(&writer, body, body_size);
    if (!failed) failed = weft_writer_add(&writer, &end, sizeof end);
    if (!failed) failed = weft_writer_commit(&writer);
    weft_writer_close(&writer);
  }
  weft_status_free(failed);
}
