// Reading of bundles (program_io.h). The checksums tell chance damage; that nothing is out of bounds is checked all the
// same, because a file may be made with the right checksum.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ir/arena.h"
#include "runtime/data/dataset.h"
#include "runtime/formula.h"
#include "runtime/memory.h"
#include "runtime/program_format.h"
#include "runtime/program_pack.h"

// Memory of a bundle: blocks that are released together.
struct weft_region { struct block { struct block *next; } *blocks; };

static void *take(struct weft_region *region, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2) return NULL;
  struct block *block = calloc(1, bytes + WEFT_ALIGNMENT);
  if (!block) return NULL;
  block->next = region->blocks;
  region->blocks = block;
  return (char *)block + 16;
}

static void free_region(struct weft_region *region) {
  for (struct block *block = region ? region->blocks : NULL, *next; block; block = next) {
    next = block->next;
    free(block);
  }
  free(region);
}

// A cursor that, once something is wrong, remembers the first complaint and gives zeros.
typedef struct reader {
  const uint8_t *data;
  size_t at, size;
  struct weft_region *region;
  const char *wrong;
  bool no_memory;
  const wf_program *program;   // for ranges of symbols and kernels
  const weft_part *constants;  // NULL: none
} reader;

static void complain(reader *r, const char *wrong) {
  if (!r->wrong) r->wrong = wrong;
}

static const uint8_t *get(reader *r, size_t size) {
  if (r->wrong || size > r->size - r->at) {
    complain(r, "it ends too early");
    return NULL;
  }
  r->at += size;
  return r->data + r->at - size;
}

static uint64_t get_number(reader *r, int bytes) {
  const uint8_t *word = get(r, (size_t)bytes);
  uint64_t value = 0;
  for (int i = bytes - 1; word && i >= 0; i--) value = value << 8 | word[i];
  return value;
}
static int get32(reader *r) { return (int)(uint32_t)get_number(r, 4); }
static int64_t get64(reader *r) { return (int64_t)get_number(r, 8); }

// An index in [0, bound).
static int get_index(reader *r, int bound, const char *wrong) {
  int value = get32(r);
  if (value >= 0 && value < bound) return value;
  complain(r, wrong);
  return 0;
}

// A count of things of which each takes at least `least` bytes of what is left.
static int get_count(reader *r, size_t least) {
  int count = get32(r);
  if (count >= 0 && (size_t)count <= (r->size - r->at) / least) return count;
  complain(r, "a count is larger than the file");
  return 0;
}

static void *get_room(reader *r, int count, size_t size) {
  void *room = take(r->region, count > 0 ? (size_t)count : 1, size);
  if (!room) {
    r->no_memory = true;
    complain(r, "out of memory");
  }
  return room;
}

static char *get_text(reader *r) {
  int length = get32(r);
  if (length == -1 || r->wrong) return NULL;
  const uint8_t *bytes = length < 0 ? NULL : get(r, (size_t)length);
  char *text = bytes ? get_room(r, length + 1, 1) : NULL;
  if (length < 0) complain(r, "a damaged text");
  if (text) memcpy(text, bytes, (size_t)length);
  if (text && strlen(text) != (size_t)length) complain(r, "a text with a zero byte");
  return text;
}

static char *get_name(reader *r) {
  char *name = get_text(r);
  if (!name) complain(r, "a name is missing");
  return name;
}

// optional: may be empty.
static wf_formula get_formula(reader *r, bool optional) {
  wf_formula formula = {.count = get_count(r, 9)};
  formula.code = formula.count ? get_room(r, formula.count, sizeof *formula.code) : NULL;
  for (int i = 0; i < formula.count && !r->wrong; i++) {
    formula.code[i].op = (wf_formula_op)get_number(r, 1);
    formula.code[i].value = get64(r);
  }
  if (!r->wrong && !(optional && formula.count == 0) && !weft_formula_valid(&formula, r->program->symbol_count)) complain(r, "a damaged formula");
  return r->wrong ? (wf_formula){0} : formula;
}

static void get_order(reader *r, wf_plan_buffer *buffer) {
  bool seen[WEFT_MAX_RANK] = {0};
  buffer->order = get_room(r, buffer->rank, sizeof *buffer->order);
  for (int i = 0; i < buffer->rank && !r->wrong; i++) {
    int axis = get_index(r, buffer->rank, "a damaged storage order");
    if (seen[axis]) complain(r, "a damaged storage order");
    seen[axis] = true;
    buffer->order[i] = axis;
  }
}

static void get_constant(reader *r, wf_plan_buffer *buffer) {
  int64_t elements = -1, bytes = get64(r), wanted = -1;
  for (int i = 0; i < buffer->elements.count; i++)
    if (buffer->elements.code[i].op == WF_F_SYMBOL) complain(r, "a constant of run-time size");
  if (r->wrong) return;
  weft_status *status = weft_formula_checked(&buffer->elements, NULL, &elements);
  weft_status_free(status);
  if (status || elements < 0 || !weft_shape_bytes(buffer->dtype, 1, &elements, &wanted) || wanted != bytes) complain(r, "a constant of the wrong size");
  uint64_t at = (uint64_t)get64(r), size = r->constants ? r->constants->size : 0;
  if (at > size || (uint64_t)bytes > size - at) complain(r, "a constant that is not there");
  buffer->data = r->wrong ? NULL : r->constants ? (const uint8_t *)r->constants->data + at : (const void *)"";
}

static void get_buffer(reader *r, int buffer_count, wf_plan_buffer *buffer) {
  buffer->name = get_text(r);
  buffer->role = (wf_buffer_role)get_index(r, WF_BUFFER_TOTAL + 1, "an unknown role");
  buffer->dtype = (wf_dtype)get_index(r, WF_DTYPE_COUNT, "an unknown element type");
  buffer->rank = get_index(r, WEFT_MAX_RANK + 1, "too many axes");
  if (buffer->role != WF_BUFFER_TEMP && !buffer->name) complain(r, "a name is missing");
  buffer->extents = get_room(r, buffer->rank, sizeof *buffer->extents);
  for (int i = 0; i < buffer->rank && !r->wrong; i++) buffer->extents[i] = get_formula(r, false);
  if (get_index(r, 2, "a damaged flag")) get_order(r, buffer);
  buffer->elements = get_formula(r, false);
  buffer->first_step = get32(r);
  buffer->last_step = get32(r);
  buffer->alias = get32(r);
  if (buffer->alias < -1 || buffer->alias >= buffer_count) complain(r, "a damaged alias");
  if (buffer->role == WF_BUFFER_CONST && !r->wrong) get_constant(r, buffer);
}

static void get_step(reader *r, int buffer_count, wf_plan_step *step) {
  step->kind = (wf_step_kind)get_index(r, WF_STEP_LOOP + 1, "an unknown step");
  int kernel = get32(r);
  if (step->kind == WF_STEP_LAUNCH && (kernel < 0 || kernel >= r->program->kernel_count)) complain(r, "a step with an unknown kernel");
  step->kernel = kernel;
  step->arg_count = get_count(r, 4);
  step->args = get_room(r, step->arg_count, sizeof *step->args);
  for (int i = 0; i < step->arg_count && !r->wrong; i++) {
    step->args[i] = get32(r);
    if (step->args[i] < -1 || step->args[i] >= buffer_count) complain(r, "a step with an unknown buffer");
  }
  step->sort_axis = get32(r);
  step->descending = get32(r) != 0;
  step->symbol = get32(r);
  step->body_count = get32(r);
  step->reverse = get32(r) != 0;
  step->trip = get_formula(r, true);
  step->to_offset = get_formula(r, true);
  step->from_offset = get_formula(r, true);
  step->count = get_formula(r, true);
}

static void get_plan(reader *r, wf_plan *plan) {
  plan->name = get_name(r);
  plan->buffer_count = get_count(r, 32);
  plan->buffers = get_room(r, plan->buffer_count, sizeof *plan->buffers);
  for (int i = 0; i < plan->buffer_count && !r->wrong; i++) get_buffer(r, plan->buffer_count, &plan->buffers[i]);
  plan->step_count = get_count(r, 48);
  plan->steps = get_room(r, plan->step_count, sizeof *plan->steps);
  for (int i = 0; i < plan->step_count && !r->wrong; i++) get_step(r, plan->buffer_count, &plan->steps[i]);
  plan->variant_of = get_index(r, r->program->plan_count + 1, "a variant of an unknown plan");
  if (plan->variant_of) plan->condition = get_formula(r, false);
}

static void get_kernel(reader *r, wf_plan_kernel *kernel) {
  kernel->name = get_name(r);
  kernel->entry = get_name(r);
  kernel->place = get_text(r);
  kernel->tasks = get_formula(r, false);
  kernel->scratch_bytes = get_formula(r, true);
  kernel->flops = get_formula(r, true);
  kernel->bytes = get_formula(r, true);
  kernel->threads = get_index(r, WEFT_MOST_THREADS + 1, "too many threads in a block");
  kernel->shared_bytes = get_index(r, WEFT_MOST_SHARED_BYTES + 1, "too much shared memory");
  kernel->symbol_count = get_count(r, 4);
  kernel->symbols = get_room(r, kernel->symbol_count, sizeof *kernel->symbols);
  for (int i = 0; i < kernel->symbol_count && !r->wrong; i++) kernel->symbols[i] = get_index(r, r->program->symbol_count, "a kernel with an unknown symbol");
}

static void get_program(reader *r, wf_program *program) {
  int symbols = get_count(r, 4);
  program->symbols = get_room(r, symbols, sizeof *program->symbols);
  for (int i = 0; i < symbols && !r->wrong; i++) program->symbols[i] = get_name(r);
  program->symbol_count = symbols;
  program->fact_count = get_count(r, 12);
  program->facts = get_room(r, program->fact_count, sizeof *program->facts);
  for (int i = 0; i < program->fact_count && !r->wrong; i++) {
    program->facts[i].formula = get_formula(r, false);
    program->facts[i].zero = get32(r) != 0;
    program->facts[i].text = get_name(r);
  }
  program->kernel_count = get_count(r, 40);
  program->kernels = get_room(r, program->kernel_count, sizeof *program->kernels);
  for (int i = 0; i < program->kernel_count && !r->wrong; i++) get_kernel(r, &program->kernels[i]);
  program->plan_count = get_count(r, 12);
  program->plans = get_room(r, program->plan_count, sizeof *program->plans);
  for (int i = 0; i < program->plan_count && !r->wrong; i++) get_plan(r, &program->plans[i]);
  program->schedule_hash = get_text(r);
  program->metadata = get_text(r);
  if (r->at != r->size) complain(r, "something follows the program");
}

// ---- the container ------------------------------------------------------------------------------------------------

static weft_status *damaged(const char *name, const reader *r, size_t base) {
  if (r->no_memory) return weft_fail(WEFT_ENVIRONMENT, "%s: out of memory", name);
  return weft_fail(WEFT_BAD_INPUT, "%s: byte %zu: a damaged bundle: %s", name, base + r->at, r->wrong);
}

static weft_status *check_header(const char *name, reader *r, int *out_parts) {
  const uint8_t *magic = r->size >= WEFT_HEADER_BYTES ? get(r, 8) : NULL;
  if (!magic || memcmp(magic, WEFT_BUNDLE_MAGIC, 8) != 0) return weft_fail(WEFT_BAD_INPUT, "%s: byte 0: not a weft bundle", name);
  int version = get32(r);
  *out_parts = get32(r);
  uint64_t size = (uint64_t)get64(r), checksum = (uint64_t)get64(r);
  if (version != WEFT_BUNDLE_VERSION)
    return weft_fail(WEFT_BAD_INPUT, "%s: a bundle of version %d; this weft reads version %d: compile the network again", name, version, WEFT_BUNDLE_VERSION);
  if (size != r->size)
    return weft_fail(WEFT_BAD_INPUT, "%s: %zu bytes, it was written with %llu: %s", name, r->size, (unsigned long long)size,
                     size > r->size ? "cut short" : "something follows it");
  if (size % WEFT_ALIGNMENT || *out_parts < 1 || (size_t)*out_parts > (r->size - WEFT_HEADER_BYTES) / WEFT_ENTRY_BYTES)
    return weft_fail(WEFT_BAD_INPUT, "%s: byte 12: a damaged bundle: %d parts", name, *out_parts);
  if (checksum != weft_table_checksum(r->data, *out_parts))
    return weft_fail(WEFT_BAD_INPUT, "%s: the checksum of the table does not fit: a damaged bundle", name);
  return NULL;
}

static void get_entry(reader *r, weft_part *part) {
  part->kind = (weft_part_kind)get_index(r, WEFT_PART_CONSTANTS + 1, "an unknown part");
  get32(r);
  part->target = (const char *)get(r, WEFT_TARGET_BYTES);
  uint64_t offset = (uint64_t)get64(r), size = (uint64_t)get64(r);
  part->checksum = (uint64_t)get64(r);
  if (r->wrong) return;
  if (!memchr(part->target, 0, WEFT_TARGET_BYTES)) complain(r, "a damaged target name");
  if (offset % WEFT_ALIGNMENT || offset > r->size || size > r->size - offset)   // both multiples, so the padding is inside as well
    complain(r, "a part outside of the file");
  part->data = r->data + (r->wrong ? 0 : offset);
  part->size = (size_t)size;
}

static weft_status *read_table(reader *r, const char *name, weft_bundle *out) {
  int parts = 0;
  weft_status *failed = check_header(name, r, &parts);
  if (failed) return failed;
  out->parts = get_room(r, parts, sizeof *out->parts);
  char *copy = get_room(r, (int)strlen(name) + 1, 1);
  for (int i = 0; i < parts && !r->wrong; i++) get_entry(r, &out->parts[i]);
  if (r->wrong) return damaged(name, r, 0);
  strcpy(copy, name);
  out->name = copy;
  out->start = r->data;
  out->part_count = parts;
  return NULL;
}

weft_status *weft_bundle_open_memory(const char *name, const void *data, size_t size, weft_bundle *out) {
  *out = (weft_bundle){0};
  TRY(weft_allocate(1, sizeof *out->region, &out->region));
  reader r = {.data = data, .size = size, .region = out->region};
  weft_status *failed = read_table(&r, name, out);
  if (failed) weft_bundle_close(out);
  return failed;
}

weft_status *weft_bundle_open(const char *path, weft_bundle *out) {
  weft_bytes bytes;
  *out = (weft_bundle){0};
  TRY(weft_file_read(path, (size_t)1 << 40, &bytes));
  weft_status *failed = weft_bundle_open_memory(path, bytes.data, bytes.size, out);
  if (failed) free(bytes.data);
  else out->bytes = bytes;
  return failed;
}

void weft_bundle_close(weft_bundle *bundle) {
  free_region(bundle->region);
  free(bundle->bytes.data);
  *bundle = (weft_bundle){0};
}

// ---- parts ----------------------------------------------------------------------------------------------------------

static weft_status *unpack(const weft_bundle *bundle, weft_part *part) {
  size_t size = weft_unpacked_size(part->data, part->size);
  if (!size) return weft_fail(WEFT_BAD_INPUT, "%s: a damaged bundle: packed code of no size", bundle->name);
  void *room = take(bundle->region, size, 1);
  if (!room) return weft_fail(WEFT_ENVIRONMENT, "%s: out of memory", bundle->name);
  if (!weft_unpack(part->data, part->size, room)) return weft_fail(WEFT_BAD_INPUT, "%s: a damaged bundle: its code for %s does not unpack", bundle->name, part->target);
  part->data = room;
  part->size = size;
  return NULL;
}

static weft_status *make_ready(const weft_bundle *bundle, weft_part *part) {
  if (part->ready) return NULL;
  if (part->checksum != weft_part_checksum(part->data, part->size, part->kind))
    return weft_fail(WEFT_BAD_INPUT, "%s: the checksum of part %d%s%s does not fit: a damaged bundle", bundle->name, (int)(part - bundle->parts),
                     *part->target ? ", " : "", part->target);
  if (weft_is_packed(part->kind)) TRY(unpack(bundle, part));
  part->ready = true;
  return NULL;
}

weft_status *weft_bundle_part(const weft_bundle *bundle, weft_part_kind kind, const char *target, const weft_part **out) {
  *out = NULL;
  for (int i = 0; i < bundle->part_count; i++) {
    weft_part *part = &bundle->parts[i];
    if (part->kind != kind || strcmp(part->target, target) != 0) continue;
    TRY(make_ready(bundle, part));
    *out = part;
    return NULL;
  }
  return NULL;
}

weft_status *weft_bundle_select(weft_bundle *bundle, const char *target) {
  const weft_part *part, *constants;
  TRY(weft_bundle_part(bundle, WEFT_PART_PROGRAM, target, &part));
  TRY(weft_bundle_part(bundle, WEFT_PART_CONSTANTS, "", &constants));
  if (!part) return weft_fail(WEFT_BAD_INPUT, "%s holds no program%s%s", bundle->name, *target ? " for " : "", target);
  wf_program *program = &bundle->program;
  *program = (wf_program){.target = (char *)part->target};
  reader r = {.data = part->data, .size = part->size, .region = bundle->region, .program = program, .constants = constants};
  get_program(&r, program);
  if (!r.wrong) return NULL;
  weft_status *failed = damaged(bundle->name, &r, (size_t)((const uint8_t *)part->data - bundle->start));
  *program = (wf_program){0};
  return failed;
}
