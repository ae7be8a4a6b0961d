// Writing of bundles (program_io.h).
#include <stdlib.h>
#include <string.h>
#include "ir/arena.h"
#include "runtime/formula.h"
#include "runtime/memory.h"
#include "runtime/program_format.h"

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

static void put_buffer(sink *s, const wf_plan_buffer *buffer) {
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
  put(s, buffer->data, bytes);
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
}

static void put_plan(sink *s, const wf_plan *plan) {
  put_text(s, plan->name);
  put32(s, plan->buffer_count);
  for (int i = 0; i < plan->buffer_count; i++) put_buffer(s, &plan->buffers[i]);
  put32(s, plan->step_count);
  for (int i = 0; i < plan->step_count; i++) put_step(s, &plan->steps[i]);
}

static void put_program(sink *s, const wf_program *program) {
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
  for (int i = 0; i < program->plan_count; i++) put_plan(s, &program->plans[i]);
  put_text(s, program->schedule_hash);
  put_text(s, program->metadata);
}

// ---- the container ------------------------------------------------------------------------------------------------

static void put_entry(sink *s, const weft_part *part, size_t offset, size_t size) {
  char target[WEFT_TARGET_BYTES] = {0};
  memcpy(target, part->target, strlen(part->target));
  put32(s, part->kind);
  put32(s, 0);
  put(s, target, sizeof target);
  put64(s, (int64_t)offset);
  put64(s, (int64_t)size);
}

static size_t aligned(size_t at) { return (at + WEFT_ALIGNMENT - 1) / WEFT_ALIGNMENT * WEFT_ALIGNMENT; }

static void put_part(sink *s, const void *data, size_t size) {
  static const uint8_t zeros[WEFT_ALIGNMENT];
  put(s, zeros, aligned(s->size) - s->size);
  put(s, data, size);
}

static void put_container(sink *s, const sink *program, const weft_part *parts, int count) {
  size_t at = aligned(WEFT_HEADER_BYTES + WEFT_ENTRY_BYTES * (size_t)(count + 1));
  put(s, WEFT_BUNDLE_MAGIC, 8);
  put32(s, WEFT_BUNDLE_VERSION);
  put32(s, count + 1);
  put64(s, 0);   // size and checksum follow when they are known
  put64(s, 0);
  put_entry(s, &(weft_part){.kind = WEFT_PART_PROGRAM, .target = ""}, at, program->size);
  at = aligned(at + program->size);
  for (int i = 0; i < count; i++) {
    put_entry(s, &parts[i], at, parts[i].size);
    at = aligned(at + parts[i].size);
  }
  put_part(s, program->data, program->size);
  for (int i = 0; i < count; i++) put_part(s, parts[i].data, parts[i].size);
}

static void seal(sink *s) {
  sink head = {.data = s->data + 16, .capacity = 16};
  put64(&head, (int64_t)s->size);
  put64(&head, (int64_t)wf_hash_bytes(s->data + WEFT_HEADER_BYTES, s->size - WEFT_HEADER_BYTES, WEFT_BUNDLE_VERSION));
}

weft_status *weft_bundle_serialize(const wf_program *program, const weft_part *parts, int part_count, weft_bytes *out) {
  *out = (weft_bytes){0};
  for (int i = 0; i < part_count; i++)
    if (strlen(parts[i].target) >= WEFT_TARGET_BYTES) return weft_fail(WEFT_INTERNAL, "the target name '%s' is too long", parts[i].target);
  sink text = {0}, whole = {0};
  put_program(&text, program);
  if (!text.failed) put_container(&whole, &text, parts, part_count);
  bool failed = text.failed || whole.failed;
  free(text.data);
  if (failed) {
    free(whole.data);
    return weft_fail(WEFT_ENVIRONMENT, "out of memory while making a bundle");
  }
  seal(&whole);
  *out = (weft_bytes){whole.data, whole.size};
  return NULL;
}

weft_status *weft_bundle_write(const char *path, const wf_program *program, const weft_part *parts, int part_count) {
  weft_bytes bytes;
  TRY(weft_bundle_serialize(program, parts, part_count, &bytes));
  weft_status *failed = weft_file_write(path, bytes.data, bytes.size);
  free(bytes.data);
  return failed;
}
