// A relocating loader for ELF64 x86-64 objects (System V ABI, AMD64 supplement, chapter 4). Sections are copied into one mapping
// in three page-aligned groups (code, constants, data), relocated, and protected as code R-X, constants R--, data RW-.
#include "runtime/load_object.h"
#include <elf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, STUB_BYTES = 16, MAX_SECTIONS = 4096 };
#define MAX_IMAGE ((uint64_t)1 << 30)
typedef enum group { GROUP_NONE, GROUP_CODE, GROUP_CONST, GROUP_DATA } group;

typedef struct exported { char *name; void *address; } exported;
struct wf_object {
  uint8_t *image; size_t image_size;
  exported *symbols; int symbol_count;
  wf_object *next;              // of the same set
};

typedef struct section { Elf64_Shdr header; group group; uint64_t at; } section;   // at: offset in the image

typedef struct loader {
  const uint8_t *bytes; size_t size;
  char *message; size_t message_size;
  Elf64_Ehdr header;
  section *sections; int count;
  section *symtab;
  const char *names; size_t names_size;
  uint64_t symbol_count;
  uint64_t stubs_at, got_at, got_used, got_size, end[4];   // end of each group
  wf_object *object;
} loader;

static const struct { const char *name; void *address; } allowed[] = {
    {"memcpy", (void *)memcpy}, {"memmove", (void *)memmove}, {"memset", (void *)memset}};
enum { ALLOWED = sizeof allowed / sizeof allowed[0] };

static bool refuse(loader *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(loader *l, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  if (l->message_size) vsnprintf(l->message, l->message_size, format, arguments);
  va_end(arguments);
  return false;
}

static bool inside(uint64_t offset, uint64_t length, uint64_t size) { return offset <= size && length <= size - offset; }

// ---- headers ----------------------------------------------------------------------------------------------------------
static bool read_header(loader *l) {
  if (l->size < sizeof l->header) return refuse(l, "object of %zu bytes is too short", l->size);
  memcpy(&l->header, l->bytes, sizeof l->header);
  const Elf64_Ehdr *h = &l->header;
  if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0) return refuse(l, "not an ELF object");
  if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB || h->e_machine != EM_X86_64)
    return refuse(l, "the object is not for x86-64");
  if (h->e_type != ET_REL) return refuse(l, "the object is not relocatable");
  if (h->e_shentsize != sizeof(Elf64_Shdr)) return refuse(l, "section headers of %u bytes", h->e_shentsize);
  if (h->e_shnum == 0 || h->e_shnum > MAX_SECTIONS) return refuse(l, "%u sections", h->e_shnum);
  if (!inside(h->e_shoff, (uint64_t)h->e_shnum * sizeof(Elf64_Shdr), l->size)) return refuse(l, "section headers lie outside the object");
  return true;
}

static bool classify(loader *l, section *s, int index) {
  const Elf64_Shdr *h = &s->header;
  if (h->sh_type != SHT_NOBITS && h->sh_type != SHT_NULL && !inside(h->sh_offset, h->sh_size, l->size))
    return refuse(l, "section %d lies outside the object", index);
  if (!(h->sh_flags & SHF_ALLOC) || h->sh_type == SHT_NULL) return true;
  if (h->sh_flags & (SHF_TLS | SHF_COMPRESSED)) return refuse(l, "section %d is of a kind that kernels do not use", index);
  if (h->sh_addralign > PAGE || (h->sh_addralign & (h->sh_addralign - 1))) return refuse(l, "section %d has a strange alignment", index);
  bool writes = h->sh_flags & SHF_WRITE, runs = h->sh_flags & SHF_EXECINSTR;
  if (writes && runs) return refuse(l, "section %d is both code and data", index);
  if (runs && h->sh_type == SHT_NOBITS) return refuse(l, "section %d is code without bytes", index);
  if (h->sh_size > MAX_IMAGE) return refuse(l, "section %d is too large", index);
  s->group = runs ? GROUP_CODE : writes ? GROUP_DATA : GROUP_CONST;
  return true;
}

static bool read_sections(loader *l) {
  l->count = l->header.e_shnum;
  l->sections = calloc((size_t)l->count, sizeof *l->sections);
  if (!l->sections) return refuse(l, "out of memory");
  for (int i = 0; i < l->count; i++) {
    memcpy(&l->sections[i].header, l->bytes + l->header.e_shoff + (size_t)i * sizeof(Elf64_Shdr), sizeof(Elf64_Shdr));
    if (!classify(l, &l->sections[i], i)) return false;
    if (l->sections[i].header.sh_type != SHT_SYMTAB) continue;
    if (l->symtab) return refuse(l, "two symbol tables");
    l->symtab = &l->sections[i];
  }
  return true;
}

static bool read_symbol_table(loader *l) {
  if (!l->symtab) return refuse(l, "no symbol table");
  const Elf64_Shdr *h = &l->symtab->header;
  if (h->sh_entsize != sizeof(Elf64_Sym)) return refuse(l, "symbols of %llu bytes", (unsigned long long)h->sh_entsize);
  if (h->sh_link >= (uint64_t)l->count || l->sections[h->sh_link].header.sh_type != SHT_STRTAB) return refuse(l, "symbols without names");
  const Elf64_Shdr *strings = &l->sections[h->sh_link].header;
  l->names = (const char *)l->bytes + strings->sh_offset;
  l->names_size = strings->sh_size;
  if (!l->names_size || l->names[l->names_size - 1]) return refuse(l, "symbol names do not end");
  l->symbol_count = h->sh_size / sizeof(Elf64_Sym);
  return true;
}

static bool symbol_at(loader *l, uint64_t index, Elf64_Sym *out) {
  if (index >= l->symbol_count) return refuse(l, "a relocation names symbol %llu of %llu", (unsigned long long)index, (unsigned long long)l->symbol_count);
  memcpy(out, l->bytes + l->symtab->header.sh_offset + index * sizeof *out, sizeof *out);
  if (out->st_name >= l->names_size) return refuse(l, "a symbol's name lies outside the names");
  return true;
}

// ---- the image --------------------------------------------------------------------------------------------------------
static uint64_t align_up(uint64_t value, uint64_t to) { return to ? (value + to - 1) & ~(to - 1) : value; }

static bool uses_got(uint32_t type) { return type == R_X86_64_GOTPCREL || type == R_X86_64_GOTPCRELX || type == R_X86_64_REX_GOTPCRELX; }

static bool relocates(const loader *l, const section *s) {   // a RELA section of a section that is in the image
  return s->header.sh_type == SHT_RELA && s->header.sh_info < (uint64_t)l->count && l->sections[s->header.sh_info].group != GROUP_NONE;
}

static Elf64_Rela relocation_at(const loader *l, const section *s, uint64_t index) {
  Elf64_Rela r;
  memcpy(&r, l->bytes + s->header.sh_offset + index * sizeof r, sizeof r);
  return r;
}

static bool count_got(loader *l) {
  for (int i = 0; i < l->count; i++) {
    const section *s = &l->sections[i];
    if (s->header.sh_type == SHT_REL && s->header.sh_info < (uint64_t)l->count && l->sections[s->header.sh_info].group != GROUP_NONE)
      return refuse(l, "section %d holds relocations without addends", i);
    if (!relocates(l, s)) continue;
    if (s->header.sh_entsize != sizeof(Elf64_Rela) || s->header.sh_size % sizeof(Elf64_Rela)) return refuse(l, "section %d holds relocations of a strange size", i);
    for (uint64_t k = 0; k < s->header.sh_size / sizeof(Elf64_Rela); k++)
      l->got_size += uses_got(ELF64_R_TYPE(relocation_at(l, s, k).r_info)) ? 8 : 0;
  }
  return true;
}

static bool place_sections(loader *l) {
  uint64_t at = 0;
  for (group g = GROUP_CODE; g <= GROUP_DATA; g++) {
    at = align_up(at, PAGE);
    if (g == GROUP_CODE) l->stubs_at = at, at += ALLOWED * STUB_BYTES;
    if (g == GROUP_CONST) l->got_at = at, at += l->got_size;
    for (int i = 0; i < l->count; i++) {
      section *s = &l->sections[i];
      if (s->group != g) continue;
      s->at = at = align_up(at, s->header.sh_addralign);
      at += s->header.sh_size;
      if (at > MAX_IMAGE) return refuse(l, "the object is too large");
    }
    l->end[g] = align_up(at, PAGE);
  }
  l->object->image_size = align_up(at, PAGE);
  return true;
}

// jmp *[rip + 0], then the address: reaches any place in the process.
static void write_stubs(loader *l) {
  static const uint8_t jump[6] = {0xff, 0x25, 0, 0, 0, 0};
  for (int i = 0; i < ALLOWED; i++) {
    uint8_t *stub = l->object->image + l->stubs_at + (size_t)i * STUB_BYTES;
    memcpy(stub, jump, sizeof jump);
    memcpy(stub + sizeof jump, &allowed[i].address, 8);
  }
}

static bool map_image(loader *l) {
  wf_object *o = l->object;
  void *image = mmap(NULL, o->image_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (image == MAP_FAILED) return refuse(l, "no memory for %zu bytes of code", o->image_size);
  o->image = image;
  for (int i = 0; i < l->count; i++) {
    const section *s = &l->sections[i];
    if (s->group != GROUP_NONE && s->header.sh_type != SHT_NOBITS) memcpy(o->image + s->at, l->bytes + s->header.sh_offset, s->header.sh_size);
  }
  write_stubs(l);
  return true;
}

// ---- symbols and relocations --------------------------------------------------------------------------------------------
static bool resolve_foreign(loader *l, const char *name, uint64_t *out) {
  for (int i = 0; i < ALLOWED; i++)
    if (strcmp(allowed[i].name, name) == 0) return *out = (uint64_t)(l->object->image + l->stubs_at + (size_t)i * STUB_BYTES), true;
  return refuse(l, "the object needs '%.60s', which kernels may not call", name);
}

static bool resolve(loader *l, uint64_t index, uint64_t *out) {
  Elf64_Sym symbol;
  if (!symbol_at(l, index, &symbol)) return false;
  const char *name = l->names + symbol.st_name;
  if (symbol.st_shndx == SHN_UNDEF) return resolve_foreign(l, name, out);
  if (symbol.st_shndx == SHN_ABS) return *out = symbol.st_value, true;
  if (symbol.st_shndx >= l->count) return refuse(l, "symbol '%.60s' is in no section", name);
  const section *s = &l->sections[symbol.st_shndx];
  if (s->group == GROUP_NONE || symbol.st_value > s->header.sh_size) return refuse(l, "symbol '%.60s' lies outside its section", name);
  *out = (uint64_t)(l->object->image + s->at + symbol.st_value);
  return true;
}

static bool put(loader *l, const section *s, const Elf64_Rela *r, uint64_t value, int width) {
  if (!inside(r->r_offset, (uint64_t)width, s->header.sh_size)) return refuse(l, "a relocation lies outside its section");
  memcpy(l->object->image + s->at + r->r_offset, &value, (size_t)width);
  return true;
}

static bool put_signed(loader *l, const section *s, const Elf64_Rela *r, uint64_t value) {
  if ((int64_t)value != (int32_t)value) return refuse(l, "a relocation reaches too far");
  return put(l, s, r, value, 4);
}

static uint64_t got_slot(loader *l, uint64_t address) {
  uint8_t *slot = l->object->image + l->got_at + l->got_used;
  l->got_used += 8;
  memcpy(slot, &address, 8);
  return (uint64_t)slot;
}

static bool apply(loader *l, const section *s, const Elf64_Rela *r) {
  uint64_t target = 0, place = (uint64_t)(l->object->image + s->at) + r->r_offset, addend = (uint64_t)r->r_addend;
  uint32_t type = ELF64_R_TYPE(r->r_info);
  if (type == R_X86_64_NONE) return true;
  if (!resolve(l, ELF64_R_SYM(r->r_info), &target)) return false;
  switch (type) {
    case R_X86_64_64: return put(l, s, r, target + addend, 8);
    case R_X86_64_PC64: return put(l, s, r, target + addend - place, 8);
    case R_X86_64_PC32: case R_X86_64_PLT32: return put_signed(l, s, r, target + addend - place);
    case R_X86_64_32S: return put_signed(l, s, r, target + addend);
    case R_X86_64_32:
      if (target + addend > UINT32_MAX) return refuse(l, "a relocation reaches too far");
      return put(l, s, r, target + addend, 4);
    case R_X86_64_GOTPCREL: case R_X86_64_GOTPCRELX: case R_X86_64_REX_GOTPCRELX:
      return put_signed(l, s, r, got_slot(l, target) + addend - place);
    default: return refuse(l, "relocation of kind %u", type);
  }
}

static bool relocate(loader *l) {
  for (int i = 0; i < l->count; i++) {
    const section *s = &l->sections[i];
    if (!relocates(l, s)) continue;
    for (uint64_t k = 0; k < s->header.sh_size / sizeof(Elf64_Rela); k++) {
      Elf64_Rela r = relocation_at(l, s, k);
      if (!apply(l, &l->sections[s->header.sh_info], &r)) return false;
    }
  }
  return true;
}

static bool protect(loader *l) {
  uint8_t *image = l->object->image;
  uint64_t code = l->end[GROUP_CODE], constants = l->end[GROUP_CONST];
  if (code && mprotect(image, code, PROT_READ | PROT_EXEC)) return refuse(l, "the system does not let new code run");
  if (constants > code && mprotect(image + code, constants - code, PROT_READ)) return refuse(l, "constants cannot be protected");
  return true;
}

static bool is_function(const loader *l, const Elf64_Sym *symbol) {
  if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || ELF64_ST_BIND(symbol->st_info) != STB_GLOBAL) return false;
  if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx >= l->count) return false;
  const section *s = &l->sections[symbol->st_shndx];
  return s->group == GROUP_CODE && symbol->st_value < s->header.sh_size;
}

static bool export_functions(loader *l) {
  wf_object *o = l->object;
  o->symbols = calloc(l->symbol_count ? l->symbol_count : 1, sizeof *o->symbols);
  if (!o->symbols) return refuse(l, "out of memory");
  for (uint64_t i = 0; i < l->symbol_count; i++) {
    Elf64_Sym symbol;
    if (!symbol_at(l, i, &symbol)) return false;
    if (!is_function(l, &symbol)) continue;
    exported *e = &o->symbols[o->symbol_count++];
    e->name = strdup(l->names + symbol.st_name);
    if (!e->name) return refuse(l, "out of memory");
    e->address = o->image + l->sections[symbol.st_shndx].at + symbol.st_value;
  }
  return true;
}

static wf_object *load_one(const void *bytes, size_t size, char *message, size_t message_size) {
  loader l = {.bytes = bytes, .size = size, .message = message, .message_size = message_size};
  l.object = calloc(1, sizeof *l.object);
  if (!l.object) return refuse(&l, "out of memory"), NULL;
  bool good = read_header(&l) && read_sections(&l) && read_symbol_table(&l) && count_got(&l) && place_sections(&l) && map_image(&l) &&
              relocate(&l) && protect(&l) && export_functions(&l);
  free(l.sections);
  if (good) return l.object;
  wf_object_unload(l.object);
  return NULL;
}

// ---- sets ---------------------------------------------------------------------------------------------------------------
static const char set_magic[8] = "WEFTOBJS";
enum { MAX_OBJECTS = 1 << 16 };

static uint64_t first_object_at(uint64_t count) { return align_up(sizeof set_magic + 8 * (1 + count), 16); }

size_t wf_object_set_size(const size_t *sizes, int count) {
  if (count == 1) return sizes[0];
  uint64_t at = first_object_at((uint64_t)count);
  for (int i = 0; i < count; i++) at = align_up(at + sizes[i], 16);
  return at;
}

void wf_object_set_write(const void *const *parts, const size_t *sizes, int count, void *out) {
  uint64_t number = (uint64_t)count, at = first_object_at(number);
  uint8_t *bytes = out;
  if (count == 1) { memcpy(out, parts[0], sizes[0]); return; }
  memset(out, 0, wf_object_set_size(sizes, count));
  memcpy(bytes, set_magic, sizeof set_magic);
  memcpy(bytes + 8, &number, 8);
  for (int i = 0; i < count; i++) {
    uint64_t size = sizes[i];
    memcpy(bytes + 16 + 8 * i, &size, 8);
    memcpy(bytes + at, parts[i], size);
    at = align_up(at + size, 16);
  }
}

static wf_object *load_set(loader *l) {
  uint64_t count;
  wf_object *all = NULL;
  memcpy(&count, l->bytes + 8, 8);
  if (count > MAX_OBJECTS || first_object_at(count) > l->size) return refuse(l, "a damaged set of objects"), NULL;
  uint64_t at = first_object_at(count);
  for (uint64_t i = 0; i < count; i++) {
    uint64_t size;
    memcpy(&size, l->bytes + 16 + 8 * i, 8);
    bool fits = inside(at, size, l->size);
    if (!fits) refuse(l, "a damaged set of objects");
    wf_object *one = fits ? load_one(l->bytes + at, size, l->message, l->message_size) : NULL;
    if (!one) return wf_object_unload(all), NULL;
    one->next = all;
    all = one;
    at = align_up(at + size, 16);
  }
  if (!all && !(all = calloc(1, sizeof *all))) refuse(l, "out of memory");   // a set of none: a program without kernels
  return all;
}

wf_object *wf_object_load(const void *bytes, size_t size, char *message, size_t message_size) {
  loader l = {.bytes = bytes, .size = size, .message = message, .message_size = message_size};
  if (message_size) message[0] = 0;
  if (size >= 16 && memcmp(bytes, set_magic, sizeof set_magic) == 0) return load_set(&l);
  return load_one(bytes, size, message, message_size);
}

void *wf_object_symbol(const wf_object *object, const char *name) {
  for (; object; object = object->next)
    for (int i = 0; i < object->symbol_count; i++)
      if (strcmp(object->symbols[i].name, name) == 0) return object->symbols[i].address;
  return NULL;
}

bool wf_object_bind(const wf_object *object, wf_program *program, char *message, size_t message_size) {
  for (int i = 0; i < program->kernel_count; i++) {
    wf_plan_kernel *kernel = &program->kernels[i];
    kernel->function = (wf_kernel_entry)wf_object_symbol(object, kernel->entry);
    if (kernel->function) continue;
    if (message_size) snprintf(message, message_size, "the object has no code for kernel '%s' (%s)", kernel->name, kernel->entry);
    return false;
  }
  return true;
}

void wf_object_unload(wf_object *object) {
  while (object) {
    wf_object *next = object->next;
    if (object->image) munmap(object->image, object->image_size);
    for (int i = 0; i < object->symbol_count; i++) free(object->symbols[i].name);
    free(object->symbols);
    free(object);
    object = next;
  }
}
