// Modules: text in, variables placed and filled, every entry decoded.
#include <stdlib.h>
#include <string.h>
#include "runtime/memory.h"
#include "runtime/simt/decode.h"

// ---- variables --------------------------------------------------------------------------------------------------

static simt_type type_of(const ptx_variable *variable) { return variable->type ? simt_type_of(variable->type) : SIMT_NO_TYPE; }

static weft_status *place_variable(simt_decoder *d, const ptx_variable *variable) {
  weft_simt_module *module = d->module;
  simt_type type = type_of(variable);
  if (!type || type == SIMT_PRED) {
    ptx_fail(d->tree, variable->place, "%s has no type that memory can hold", variable->name);
    return NULL;
  }
  if (wf_map_get(d->globals, variable->name)) {
    ptx_fail(d->tree, variable->place, "%s is declared twice", variable->name);
    return NULL;
  }
  uint32_t element = simt_type_bytes[type] * (uint32_t)variable->vector;
  uint64_t bytes = element * (variable->elements > 0 ? (uint64_t)variable->elements : 1);
  simt_symbol *symbol = WF_NEW(d->arena, simt_symbol);
  symbol->kind = SYMBOL_VARIABLE;
  wf_map_set(d->globals, variable->name, symbol);
  if (!strcmp(variable->space, "shared")) {
    symbol->space = SPACE_SHARED;
    symbol->dynamic = variable->elements < 0;
    symbol->bytes = bytes <= SIMT_SHARED_LIMIT ? (uint32_t)bytes : SIMT_SHARED_LIMIT + 1;
    symbol->stride = variable->align > element ? variable->align : element;   // alignment
    return NULL;
  }
  if ((strcmp(variable->space, "global") && strcmp(variable->space, "const")) || variable->external || bytes > 1ull << 36) {
    ptx_fail(d->tree, variable->place, "%s: this variable is not supported at module scope", variable->name);
    return NULL;
  }
  void *address;
  TRY(simt_memory_add(&module->machine->memory, bytes, NULL, &address));
  memset(address, 0, bytes);
  symbol->space = SPACE_GLOBAL;
  symbol->address = (uint64_t)(uintptr_t)address;
  module->variables[module->variable_count++] = (simt_variable){wf_arena_strdup(module->arena, variable->name), address, bytes};
  simt_allocation *in = simt_memory_below(&module->machine->memory, symbol->address);
  in->name = module->variables[module->variable_count - 1].name;
  in->read_only = !strcmp(variable->space, "const");
  memset(in->initialised, 1, bytes);   // PTX: variables without initial values are zero
  return NULL;
}

static bool fill(simt_decoder *d, const ptx_variable *variable, const ptx_operand *value, uint8_t *to, uint64_t bytes, uint64_t *at) {
  uint32_t element = simt_type_bytes[type_of(variable)];
  if (value->kind == PTX_VECTOR) {
    for (int k = 0; k < value->items.list.count; k++)
      if (!fill(d, variable, value->items.list.items[k], to, bytes, at)) return false;
    return true;
  }
  uint64_t bits = (uint64_t)value->integer;
  if (value->kind == PTX_NAME) {
    const simt_symbol *symbol = wf_map_get(d->globals, value->name);
    if (!symbol || symbol->space != SPACE_GLOBAL || element != 8) {
      ptx_fail(d->tree, value->place, "%s: only 64-bit addresses of .global and .const variables can be initial values", value->name);
      return false;
    }
    bits = symbol->address + (uint64_t)value->integer;
  }
  if (value->kind == PTX_FLOAT64 && element == 4) {
    double x;
    memcpy(&x, &bits, 8);
    float f = (float)x;
    bits = 0;
    memcpy(&bits, &f, 4);
  }
  if (*at + element > bytes) {
    ptx_fail(d->tree, value->place, "%s has more initial values than elements", variable->name);
    return false;
  }
  memcpy(to + *at, &bits, element);
  *at += element;
  return true;
}

static weft_status *place_variables(simt_decoder *d) {
  const ptx_variables *all = &d->tree->variables;
  d->module->variables = WF_NEW_ARRAY(d->module->arena, simt_variable, all->list.count);
  for (int k = 0; k < all->list.count && !d->tree->error; k++) TRY(place_variable(d, all->list.items[k]));
  for (int k = 0; k < all->list.count && !d->tree->error; k++) {
    const ptx_variable *variable = all->list.items[k];
    const simt_symbol *symbol = wf_map_get(d->globals, variable->name);
    uint64_t at = 0, bytes = simt_type_bytes[type_of(variable)] * (uint64_t)variable->vector * (variable->elements > 0 ? (uint64_t)variable->elements : 1);
    if (!variable->initial) continue;
    if (symbol->space != SPACE_GLOBAL) ptx_fail(d->tree, variable->place, "%s: shared memory has no initial values", variable->name);
    else fill(d, variable, variable->initial, (uint8_t *)(uintptr_t)symbol->address, bytes, &at);
  }
  return NULL;
}

// ---- kernels ----------------------------------------------------------------------------------------------------

static void decode_entry(const simt_decoder *common, const ptx_function *function) {
  weft_simt_module *module = common->module;
  simt_decoder d = *common;
  weft_simt_kernel *kernel = WF_NEW(module->arena, weft_simt_kernel);
  kernel->name = wf_arena_strdup(module->arena, function->name);
  kernel->module = module;
  d.kernel = kernel;
  d.place = -1;
  wf_map_init(&d.shared, d.arena);
  wf_map_init(&d.constant_map, d.arena);
  wf_map_init(&d.special_map, d.arena);
  if (simt_decode_kernel(&d, function)) module->kernels[module->kernel_count++] = kernel;
}

static void keep_files(weft_simt_module *module, const ptx_tree *tree) {
  for (int k = 0; k < tree->files.count; k++)
    if (tree->files.items[k].number >= module->file_count && tree->files.items[k].number < 1 << 16) module->file_count = tree->files.items[k].number + 1;
  module->files = WF_NEW_ARRAY(module->arena, const char *, module->file_count);
  for (int k = 0; k < tree->files.count; k++)
    if (tree->files.items[k].number >= 0 && tree->files.items[k].number < module->file_count)
      module->files[tree->files.items[k].number] = wf_arena_strdup(module->arena, tree->files.items[k].name);
}

static weft_status *decode(weft_simt_module *module, wf_arena *scratch, ptx_tree *tree) {
  wf_map globals;
  wf_map_init(&globals, scratch);
  simt_decoder d = {.tree = tree, .arena = scratch, .module = module, .lanes = simt_lanes(), .globals = &globals};
  keep_files(module, tree);
  TRY(place_variables(&d));
  module->kernels = WF_NEW_ARRAY(module->arena, weft_simt_kernel *, tree->functions.count);
  for (int k = 0; k < tree->functions.count && !tree->error; k++)
    if (tree->functions.items[k]->entry && tree->functions.items[k]->body) decode_entry(&d, tree->functions.items[k]);
  if (tree->error)
    return weft_fail(WEFT_BAD_INPUT, "%s:%d:%d: %s", module->name, tree->error_place.line, tree->error_place.column, tree->error);
  return NULL;
}

weft_status *weft_simt_load(weft_simt *machine, const char *name, const char *text, uint64_t size, weft_simt_module **out) {
  *out = NULL;
  while (size && !text[size - 1]) size--;   // a terminator that was counted
  weft_simt_module *module;
  TRY(weft_allocate(1, sizeof *module, &module));
  module->machine = machine;
  module->arena = wf_arena_create();
  module->name = wf_arena_strdup(module->arena, name);
  module->next = machine->modules;
  machine->modules = module;
  wf_arena *scratch = wf_arena_create();
  ptx_tree *tree;
  weft_status *status = ptx_read(scratch, name, text, size, &tree);
  if (!status) status = decode(module, scratch, tree);
  wf_arena_destroy(scratch);
  if (status) weft_simt_unload(module);
  else *out = module;
  return status;
}

void weft_simt_unload(weft_simt_module *module) {
  if (!module) return;
  weft_simt_module **at = &module->machine->modules;
  while (*at && *at != module) at = &(*at)->next;
  if (*at) *at = module->next;
  for (int k = 0; k < module->variable_count; k++) weft_status_free(simt_memory_remove(&module->machine->memory, module->variables[k].address));
  wf_arena_destroy(module->arena);
  free(module);
}

// ---- what callers ask -------------------------------------------------------------------------------------------

int weft_simt_kernels(const weft_simt_module *module) { return module->kernel_count; }
const weft_simt_kernel *weft_simt_kernel_at(const weft_simt_module *module, int index) { return module->kernels[index]; }

const weft_simt_kernel *weft_simt_entry(const weft_simt_module *module, const char *name) {
  for (int k = 0; k < module->kernel_count; k++)
    if (!strcmp(module->kernels[k]->name, name)) return module->kernels[k];
  return NULL;
}

const char *weft_simt_kernel_name(const weft_simt_kernel *kernel) { return kernel->name; }
int weft_simt_parameters(const weft_simt_kernel *kernel) { return kernel->parameter_count; }
uint32_t weft_simt_parameter_size(const weft_simt_kernel *kernel, int index) { return kernel->parameters[index].bytes; }
uint32_t weft_simt_parameter_alignment(const weft_simt_kernel *kernel, int index) { return kernel->parameters[index].align; }
uint32_t weft_simt_static_shared(const weft_simt_kernel *kernel) { return kernel->shared_bytes; }

void *weft_simt_variable(const weft_simt_module *module, const char *name, uint64_t *bytes) {
  for (int k = 0; k < module->variable_count; k++)
    if (!strcmp(module->variables[k].name, name)) {
      if (bytes) *bytes = module->variables[k].bytes;
      return module->variables[k].address;
    }
  if (bytes) *bytes = 0;
  return NULL;
}
