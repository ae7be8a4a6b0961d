// Writing of bundles (program_io.h).
#include <stdlib.h>
#include <string.h>
#include "runtime/formula.h"
#include "runtime/memory.h"
#include "runtime/program_format.h"
#include "runtime/program_pack.h"

// A growing buffer; after a failed allocation it stays failed and takes nothing more.
typedef struct sink { uint8_t *data; size_t size, capacity; bool failed; } sink;

static void put(sink *s, const void *bytes, size_t size) {
  if (s->failed) return;
  if (size > s->capacity - s->size) {
    size_t capacity = s->capacity * 2 > s->size + size ? s->capacity * 2 : s->size + size + 4096;
    uint8_t *grown = realloc(s->data, capacity);
    s->failed = !grown;
    if (!grown) return;
    s->data = grown;
    s->capacity = capacity;
  }
  if (size) memcpy(s->data + s->size, bytes, size);
  s->size += size;
}

static void put_number(sink *s, uint64_t value, int bytes) {
  uint8_t word[8];
  for (int i = 0; i < bytes; i++) word[i] = (uint8_t)(value >> 8 * i);
  put(s, word, (size_t)bytes);
}
static void put32(sink *s, int64_t value) { put_number(s, (uint64_t)value, 4); }
static void put64(sink *s, int64_t value) { put_number(s, (uint64_t)value, 8); }

static void put_text(sink *s, const char *text) {   // NULL is told from ""
  size_t length = text ? strlen(text) : 0;
  put32(s, text ? (int64_t)length : -1);
  put(s, text, length);
}

static void put_formula(sink *s, const wf_formula *formula) {
  put32(s, formula->count);
  for (int i = 0; i < formula->count; i++) {
    put_number(s, (uint64_t)formula->code[i].op, 1);
    put64(s, formula->code[i].value);
  }
}

// ---- constants ------------------------------------------------------------------------------------------------------

typedef struct constant { uint64_t hash; size_t at, size; } constant;

// The bytes of all constants, each once, however many plans and targets read it.
typedef struct pool { sink bytes; constant *list; int count, capacity; } pool;

static void align(sink *s) {
  static const uint8_t zeros[WEFT_ALIGNMENT];
  put(s, zeros, (WEFT_ALIGNMENT - s->size % WEFT_ALIGNMENT) % WEFT_ALIGNMENT);
}

static constant *new_constant(pool *p) {
  if (p->count == p->capacity) {
    constant *grown = realloc(p->list, sizeof *grown * (size_t)(p->capacity * 2 + 16));
    if (!grown) return NULL;
    p->list = grown;
    p->capacity = p->capacity * 2 + 16;
  }
  return &p->list[p->count++];
}

// Where in the pool they lie.
static size_t pool_add(pool *p, const void *data, size_t size) {
  uint64_t hash = wf_hash_bytes(data, size, 0);
  for (int i = 0; i < p->count; i++)
    if (p->list[i].hash == hash && p->list[i].size == size && memcmp(p->bytes.data + p->list[i].at, data, size) == 0) return p->list[i].at;
  align(&p->bytes);
  size_t at = p->bytes.size;
  put(&p->bytes, data, size);
  constant *added = new_constant(p);
  if (added) *added = (constant){hash, at, size};
  else p->bytes.failed = true;
  if (p->bytes.failed) p->count = 0;
  return at;
}

// ---- the program ----------------------------------------------------------------------------------------------------

static void put_buffer(sink *s, pool *constants, const wf_plan_buffer *buffer) {
  put_text(s, buffer->name);
  put32(s, buffer->role);
  put32(s, buffer->dtype);
  put32(s, buffer->rank);
  for (int i = 0; i < buffer->rank; i++) put_formula(s, &buffer->extents[i]);
  put32(s, buffer->order != NULL);
  for (int i = 0; buffer->order && i < buffer->rank; i++) put32(s, buffer->order[i]);
  put_formula(s, &buffer->elements);
  put32(s, buffer->first_step);
  put32(s, buffer->last_step);
  put32(s, buffer->alias);
  if (buffer->role != WF_BUFFER_CONST) return;
  size_t bytes = (size_t)wf_formula_eval(&buffer->elements, NULL) * (size_t)wf_dtype_bytes(buffer->dtype);
  put64(s, (int64_t)bytes);
  put64(s, bytes ? (int64_t)pool_add(constants, buffer->data, bytes) : 0);
}

static void put_step(sink *s, const wf_plan_step *step) {
  put32(s, step->kind);
  put32(s, step->kernel);
  put32(s, step->arg_count);
  for (int i = 0; i < step->arg_count; i++) put32(s, step->args[i]);
  put32(s, step->sort_axis);
  put32(s, step->descending);
  put32(s, step->symbol);
  put32(s, step->body_count);
  put32(s, step->reverse);
  put_formula(s, &step->trip);
  put_formula(s, &step->to_offset);
  put_formula(s, &step->from_offset);
  put_formula(s, &step->count);
}

static void put_kernel(sink *s, const wf_plan_kernel *kernel) {
  put_text(s, kernel->name);
  put_text(s, kernel->entry);
  put_text(s, kernel->place);
  put_formula(s, &kernel->tasks);
  put_formula(s, &kernel->scratch_bytes);
  put_formula(s, &kernel->flops);
  put_formula(s, &kernel->bytes);
  put32(s, kernel->threads);
  put32(s, kernel->shared_bytes);
  put32(s, kernel->symbol_count);
  for (int i = 0; i < kernel->symbol_count; i++) put32(s, kernel->symbols[i]);
}

static void put_plan(sink *s, pool *constants, const wf_plan *plan) {
  put_text(s, plan->name);
  put32(s, plan->buffer_count);
  for (int i = 0; i < plan->buffer_count; i++) put_buffer(s, constants, &plan->buffers[i]);
  put32(s, plan->step_count);
  for (int i = 0; i < plan->step_count; i++) put_step(s, &plan->steps[i]);
  put32(s, plan->variant_of);
  if (plan->variant_of) put_formula(s, &plan->condition);
}

static void put_program(sink *s, pool *constants, const wf_program *program) {
  put32(s, program->symbol_count);
  for (int i = 0; i < program->symbol_count; i++) put_text(s, program->symbols[i]);
  put32(s, program->fact_count);
  for (int i = 0; i < program->fact_count; i++) {
    put_formula(s, &program->facts[i].formula);
    put32(s, program->facts[i].zero);
    put_text(s, program->facts[i].text);
  }
  put32(s, program->kernel_count);
  for (int i = 0; i < program->kernel_count; i++) put_kernel(s, &program->kernels[i]);
  put32(s, program->plan_count);
  for (int i = 0; i < program->plan_count; i++) put_plan(s, constants, &program->plans[i]);
  put_text(s, program->schedule_hash);
  put_text(s, program->metadata);
}

// ---- the container ------------------------------------------------------------------------------------------------

static void put_entry(sink *s, const weft_part *part, size_t offset) {
  char target[WEFT_TARGET_BYTES] = {0};
  memcpy(target, part->target, strlen(part->target));
  put32(s, part->kind);
  put32(s, 0);
  put(s, target, sizeof target);
  put64(s, (int64_t)offset);
  put64(s, (int64_t)part->size);
  put64(s, 0);   // its checksum
}

// The checksums of the parts, then that of the table with them.
static void seal(sink *s, const weft_part *parts, int count, size_t first) {
  size_t at = first;
  for (int i = 0; i < count; i++) {
    sink entry = {.data = s->data + WEFT_HEADER_BYTES + WEFT_ENTRY_BYTES * (size_t)i + WEFT_ENTRY_BYTES - 8, .capacity = 8};
    put64(&entry, (int64_t)weft_part_checksum(s->data + at, parts[i].size, parts[i].kind));
    at += weft_padded(parts[i].size);
  }
  sink head = {.data = s->data + WEFT_SEALED_BYTES, .capacity = 8};
  put64(&head, (int64_t)weft_table_checksum(s->data, count));
}

static void put_container(sink *s, const weft_part *parts, int count) {
  size_t first = weft_padded(WEFT_HEADER_BYTES + WEFT_ENTRY_BYTES * (size_t)count), at = first, size = first;
  for (int i = 0; i < count; i++) size += weft_padded(parts[i].size);
  put(s, WEFT_BUNDLE_MAGIC, 8);
  put32(s, WEFT_BUNDLE_VERSION);
  put32(s, count);
  put64(s, (int64_t)size);
  put64(s, 0);
  for (int i = 0; i < count; i++) {
    put_entry(s, &parts[i], at);
    at += weft_padded(parts[i].size);
  }
  for (int i = 0; i < count; i++) {
    align(s);
    put(s, parts[i].data, parts[i].size);
  }
  align(s);
  if (!s->failed) seal(s, parts, count, first);
}

static weft_status *check_targets(const wf_program *const *programs, int program_count, const weft_part *parts, int part_count) {
  for (int i = 0; i < program_count + part_count; i++) {
    const char *target = i < program_count ? programs[i]->target : parts[i - program_count].target;
    if (target && strlen(target) >= WEFT_TARGET_BYTES) return weft_fail(WEFT_INTERNAL, "the target name '%s' is too long", target);
  }
  return NULL;
}

// What a bundle is put together from.
typedef struct gathered {
  weft_part *all; int count;   // the programs, the parts, the constants
  sink *texts;                 // of the programs
  pool constants;
  weft_bytes *packed;          // by part; no data: it goes as it is
} gathered;

static weft_status *gather_parts(gathered *g, const weft_part *parts, int count) {
  for (int i = 0; i < count; i++) {
    weft_part part = parts[i];
    if (weft_is_packed(part.kind)) {
      TRY(weft_pack(part.data, part.size, &g->packed[i]));
      part.data = g->packed[i].data;
      part.size = g->packed[i].size;
    }
    g->all[g->count++] = part;
  }
  return NULL;
}

static weft_status *gather(gathered *g, const wf_program *const *programs, int program_count, const weft_part *parts, int part_count) {
  bool failed = false;
  TRY(weft_allocate((size_t)program_count, sizeof *g->texts, &g->texts));
  TRY(weft_allocate((size_t)part_count, sizeof *g->packed, &g->packed));
  TRY(weft_allocate((size_t)(program_count + part_count + 1), sizeof *g->all, &g->all));
  for (int i = 0; i < program_count; i++) {
    sink *text = &g->texts[i];
    put_program(text, &g->constants, programs[i]);
    failed = failed || text->failed;
    g->all[g->count++] = (weft_part){.kind = WEFT_PART_PROGRAM, .target = programs[i]->target ? programs[i]->target : "", .data = text->data, .size = text->size};
  }
  TRY(gather_parts(g, parts, part_count));
  const sink *bytes = &g->constants.bytes;
  if (bytes->size) g->all[g->count++] = (weft_part){.kind = WEFT_PART_CONSTANTS, .target = "", .data = bytes->data, .size = bytes->size};
  return failed || bytes->failed ? weft_fail(WEFT_ENVIRONMENT, "out of memory while making a bundle") : NULL;
}

static void release(gathered *g, int program_count, int part_count) {
  for (int i = 0; g->texts && i < program_count; i++) free(g->texts[i].data);
  for (int i = 0; g->packed && i < part_count; i++) free(g->packed[i].data);
  free(g->texts);
  free(g->packed);
  free(g->all);
  free(g->constants.list);
  free(g->constants.bytes.data);
}

weft_status *weft_bundle_serialize(const wf_program *const *programs, int program_count, const weft_part *parts, int part_count, weft_bytes *out) {
  sink whole = {0};
  gathered g = {0};
  *out = (weft_bytes){0};
  TRY(check_targets(programs, program_count, parts, part_count));
  weft_status *failed = gather(&g, programs, program_count, parts, part_count);
  if (!failed) put_container(&whole, g.all, g.count);
  if (!failed && whole.failed) failed = weft_fail(WEFT_ENVIRONMENT, "out of memory while making a bundle");
  release(&g, program_count, part_count);
  if (failed) free(whole.data);
  else *out = (weft_bytes){whole.data, whole.size};
  return failed;
}

weft_status *weft_bundle_write(const char *path, const wf_program *const *programs, int program_count, const weft_part *parts, int part_count) {
  weft_bytes bytes;
  TRY(weft_bundle_serialize(programs, program_count, parts, part_count, &bytes));
  weft_status *failed = weft_file_write(path, bytes.data, bytes.size);
  free(bytes.data);
  return failed;
}
