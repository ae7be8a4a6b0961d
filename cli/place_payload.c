#include "cli/place_payload.h"
#include <elf.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/memory.h"
#include "runtime/standalone/slot.h"

enum { PAGE = 4096 };
#define TEXT_OF(name) TEXT_OF_(name)
#define TEXT_OF_(name) #name

static uint64_t page_end(uint64_t at) { return (at + PAGE - 1) / PAGE * PAGE; }

// The stubs are ours, so whatever they lack is our mistake.
static weft_status *strange(const char *what) { return weft_fail(WEFT_INTERNAL, "the runtime stub in this weft has no %s", what); }

static Elf64_Phdr *headers_of(uint8_t *file, int *out_count) {
  Elf64_Ehdr *head = (Elf64_Ehdr *)file;
  *out_count = head->e_phnum;
  return (Elf64_Phdr *)(file + head->e_phoff);
}

// ---- the segment ------------------------------------------------------------------------------------------------------

// Loadable segments stand in the order of their addresses; notes follow them, so the last note may become the last segment.
static weft_status *add_segment(uint8_t *file, uint64_t offset, uint64_t bytes, uint64_t *out_address) {
  int count;
  Elf64_Phdr *headers = headers_of(file, &count), *note = NULL;
  uint64_t end = 0;
  for (int i = 0; i < count; i++) {
    if (headers[i].p_type == PT_NOTE) note = &headers[i];
    if (headers[i].p_type != PT_LOAD) continue;
    note = NULL;
    if (headers[i].p_vaddr + headers[i].p_memsz > end) end = headers[i].p_vaddr + headers[i].p_memsz;
  }
  if (!note) return strange("note behind its segments");
  *out_address = page_end(end);
  *note = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R, .p_offset = offset, .p_vaddr = *out_address, .p_paddr = *out_address,
                       .p_filesz = bytes, .p_memsz = bytes, .p_align = PAGE};
  return NULL;
}

weft_status *cli_place_payload(cli_embedded stub, const void *payload, size_t size, weft_bytes *out) {
  uint64_t offset = page_end(stub.size), whole = page_end(offset + size), address = 0;   // whole pages: nothing is left to be zeroed
  *out = (weft_bytes){0};
  TRY(weft_allocate(whole, 1, &out->data));
  out->size = whole;
  memcpy(out->data, stub.data, stub.size);
  memcpy(out->data + offset, payload, size);
  uint8_t *slot = memmem(out->data, stub.size, WEFT_SLOT_MARK, sizeof WEFT_SLOT_MARK);
  weft_status *failed = slot ? add_segment(out->data, offset, whole - offset, &address) : strange("slot");
  if (!failed) {
    weft_slot filled = {.address = address, .size = size, .file_bytes = whole};
    memcpy(slot + offsetof(weft_slot, address), &filled.address, sizeof filled - offsetof(weft_slot, address));
    return NULL;
  }
  free(out->data);
  *out = (weft_bytes){0};
  return failed;
}

// ---- names ------------------------------------------------------------------------------------------------------------

// What the dynamic section points at.
typedef struct tables { char *names; size_t name_bytes; Elf64_Sym *symbols; uint32_t *hash; } tables;

static void *at_address(uint8_t *file, uint64_t address) {
  int count;
  Elf64_Phdr *headers = headers_of(file, &count);
  for (int i = 0; i < count; i++)
    if (headers[i].p_type == PT_LOAD && address >= headers[i].p_vaddr && address < headers[i].p_vaddr + headers[i].p_filesz)
      return file + headers[i].p_offset + (address - headers[i].p_vaddr);
  return NULL;
}

static tables find_tables(uint8_t *file) {
  tables t = {0};
  int count;
  Elf64_Phdr *headers = headers_of(file, &count);
  for (int i = 0; i < count; i++) {
    if (headers[i].p_type != PT_DYNAMIC) continue;
    for (const Elf64_Dyn *entry = (const Elf64_Dyn *)(file + headers[i].p_offset); entry->d_tag != DT_NULL; entry++) {
      if (entry->d_tag == DT_STRTAB) t.names = at_address(file, entry->d_un.d_ptr);
      if (entry->d_tag == DT_STRSZ) t.name_bytes = entry->d_un.d_val;
      if (entry->d_tag == DT_SYMTAB) t.symbols = at_address(file, entry->d_un.d_ptr);
      if (entry->d_tag == DT_HASH) t.hash = at_address(file, entry->d_un.d_ptr);
    }
  }
  return t;
}

static uint32_t elf_hash(const char *name) {   // System V ABI, chapter 5
  uint32_t hash = 0;
  for (; *name; name++) {
    hash = (hash << 4) + (unsigned char)*name;
    uint32_t top = hash & 0xf0000000;
    hash = (hash ^ top >> 24) & ~top;
  }
  return hash;
}

// Moves a symbol from the chain of its old name to the head of the new one's. hash: bucket count, chain count, buckets, chains.
static void move_in_hash(uint32_t *hash, uint32_t symbol, uint32_t from, uint32_t to) {
  uint32_t buckets = hash[0], *heads = hash + 2, *next = heads + buckets;
  uint32_t *link = &heads[from % buckets];
  while (*link && *link != symbol) link = &next[*link];
  if (*link) *link = next[symbol];
  next[symbol] = heads[to % buckets];
  heads[to % buckets] = symbol;
}

static char *replace_name(const tables *t, const char *placeholder, const char *name) {
  char *at = memmem(t->names, t->name_bytes, placeholder, strlen(placeholder) + 1);
  if (!at) return NULL;
  memset(at, 0, strlen(placeholder));
  memcpy(at, name, strlen(name));
  return at;
}

weft_status *cli_name_library(weft_bytes *program, const char *function, const char *library) {
  static const char old[] = TEXT_OF(WEFT_SLOT_FUNCTION);
  tables t = find_tables(program->data);
  if (!t.names || !t.symbols || !t.hash) return strange("symbols");
  if (!replace_name(&t, WEFT_SLOT_LIBRARY, library)) return strange("name of a library");
  char *name = replace_name(&t, old, function);
  if (!name) return strange("name of a function");
  for (uint32_t i = 1; i < t.hash[1]; i++)
    if (t.names + t.symbols[i].st_name == name) move_in_hash(t.hash, i, elf_hash(old), elf_hash(function));
  return NULL;
}
