// The program: symbols, facts, plans, kernels that share code where they are the same, and the object.
#include "codegen/build_plan.h"
#include "codegen/build_internal.h"
#include "codegen/emit.h"

int wf_kernel_index(wf_builder *b, const wf_kernel *kernel) {
  for (int i = 0; i < b->kernels.count; i++)
    if (b->kernels.items[i].kernel == kernel) return i;
  bool *distinct = WF_NEW_ARRAY(b->arena, bool, kernel->params.count);
  for (int i = 0; i < kernel->params.count; i++) distinct[i] = true;
  wf_vec_push(b->arena, &b->kernels, ((wf_compile_kernel){.kernel = kernel, .distinct = distinct}));
  return b->kernels.count - 1;
}

// ---- symbols and facts --------------------------------------------------------------------------------------------------
static void add_symbols_of_function(wf_builder *b, const wf_function *function) {
  for (int i = 0; i < function->inputs.count; i++)
    for (int k = 0; k < function->inputs.items[i]->rank; k++) wf_add_symbols(b, function->inputs.items[i]->shape[k]);
  for (int i = 0; i < function->ops.count; i++) {
    const wf_op *op = function->ops.items[i];
    for (int r = 0; r < op->result_count; r++)
      for (int k = 0; k < op->results[r]->rank; k++) wf_add_symbols(b, op->results[r]->shape[k]);
    if (op->kind == WF_O_LAUNCH)
      for (int s = 0; s < op->kernel->symbols.count; s++) wf_add_symbols(b, op->kernel->symbols.items[s]->as_dim);
    if (op->kind == WF_O_LOOP) {
      wf_add_symbols(b, op->trip);
      add_symbols_of_function(b, op->region);
    }
  }
}

typedef WF_VEC(wf_fact_formula) fact_list;

static void add_fact(wf_builder *b, fact_list *facts, const wf_dim *dim, bool zero) {
  wf_text text;
  wf_text_init(&text);
  wf_dim_print(&text, dim, NULL, NULL);
  wf_fact_formula fact = {.formula = wf_build_formula(b, dim), .zero = zero, .text = wf_arena_printf(b->arena, "%s %s 0", text.data, zero ? "==" : ">=")};
  wf_text_deinit(&text);
  wf_vec_push(b->arena, facts, fact);
}

static bool knows_all_symbols(wf_builder *b, const wf_dim *dim) {
  wf_formula formula;
  return wf_formula_from_dim(b->arena, dim, b->symbols.list.items, b->symbols.list.count, &formula);
}

// What the module states, and what was assumed of each symbol's range and divisor.
static void add_facts(wf_builder *b, wf_program *program, int extents) {
  fact_list facts = {0};
  for (int i = 0; i < b->module->facts.count; i++)
    if (knows_all_symbols(b, b->module->facts.items[i].dim)) add_fact(b, &facts, b->module->facts.items[i].dim, b->module->facts.items[i].zero);
  for (int i = 0; i < extents; i++) {
    const wf_atom *s = b->symbols.list.items[i];
    if (s->low > 1) add_fact(b, &facts, wf_dim_offset(s->as_dim, -s->low), false);
    int64_t high = b->gpu && s->high > WF_GPU_EXTENT_LIMIT ? WF_GPU_EXTENT_LIMIT : s->high;
    if (high < INT32_MAX) add_fact(b, &facts, wf_dim_offset(wf_dim_scale(s->as_dim, -1), high), false);
    if (s->divisor > 1) {   // not by dims: they would fold it away
      wf_formula_code code[] = {{WF_F_SYMBOL, i}, {WF_F_SYMBOL, i}, {WF_F_CONST, s->divisor}, {WF_F_FLOORDIV, 0}, {WF_F_CONST, -s->divisor}, {WF_F_MUL, 0}, {WF_F_ADD, 0}};
      wf_formula_code *copy = WF_NEW_ARRAY(b->arena, wf_formula_code, 7);
      memcpy(copy, code, sizeof code);
      wf_fact_formula fact = {{copy, 7}, true, wf_arena_printf(b->arena, "%s %% %lld == 0", s->name, (long long)s->divisor)};
      wf_vec_push(b->arena, &facts, fact);
    }
  }
  program->facts = facts.items;
  program->fact_count = facts.count;
}

// ---- plans --------------------------------------------------------------------------------------------------------------
static bool is_region(const wf_module *module, const wf_function *function) {
  for (int f = 0; f < module->functions.count; f++)
    for (int i = 0; i < module->functions.items[f]->ops.count; i++)
      if (module->functions.items[f]->ops.items[i]->region == function) return true;
  return false;
}

static bool is_lowered(const wf_function *function) {
  for (int i = 0; i < function->ops.count; i++) {
    wf_operation kind = function->ops.items[i]->kind;
    if (kind == WF_O_COMPUTE || kind == WF_O_SCATTER || kind == WF_O_CALL || kind == WF_O_GRAD || kind == WF_O_GROUP) return false;
  }
  return true;
}

static bool has_plan_name(const wf_function *function) {
  static const char *const names[] = {"init", "step", "eval", "infer"};
  for (int i = 0; i < 4; i++)
    if (strcmp(names[i], function->name) == 0) return true;
  return false;
}

static void collect_functions(wf_builder *b, wf_function **out, int *out_count) {
  for (int i = 0; i < b->module->functions.count; i++) {
    wf_function *function = b->module->functions.items[i];
    if (!is_region(b->module, function) && (is_lowered(function) || has_plan_name(function))) out[(*out_count)++] = function;
  }
  if (*out_count) return;
  wf_error(b->module->diag, WF_NOWHERE, "no function is lowered to kernels: run the passes up to tile first");
  b->failed = true;
}

// ---- kernels ------------------------------------------------------------------------------------------------------------
static const wf_dim *or_zero(wf_builder *b, const wf_dim *dim) { return dim ? dim : wf_dim_const(b->module->dims, 0); }

// Kernels of one key share the entry of the first. first_of: by kernel, the kernel that has its code.
static int share_code(wf_builder *b, int *first_of) {
  int unique = 0;
  wf_map_init(&b->entries, b->arena);
  for (int i = 0; i < b->kernels.count; i++) {
    wf_compile_kernel *kernel = &b->kernels.items[i];
    const char *key = wf_compile_key(b->arena, kernel, b->symbols.list.items, b->symbols.list.count);
    intptr_t known = (intptr_t)wf_map_get(&b->entries, key);
    if (!known) {
      known = i + 1;
      wf_map_set(&b->entries, key, (void *)known);
      kernel->entry = wf_arena_printf(b->arena, "wf_kernel_%d", unique++);
    }
    first_of[i] = (int)known - 1;
  }
  return unique;
}

static bool compile_unique(wf_builder *b, const wf_build_options *options, const int *first_of, int unique, wf_code *out_object) {
  wf_compile_kernel *list = WF_NEW_ARRAY(b->arena, wf_compile_kernel, unique);
  int count = 0;
  for (int i = 0; i < b->kernels.count; i++)
    if (first_of[i] == i) list[count++] = b->kernels.items[i];
  const wf_atom *const *symbols = b->symbols.list.items;
  int symbol_count = b->symbols.list.count;
  wf_compile_options how = {.threads = options->threads, .cache = options->cache, .times = options->times};
  bool good = options->form == WF_CODE_OBJECT
                  ? wf_compile_program(b->arena, b->module->diag, options->target, list, count, symbols, symbol_count, &how, out_object)
                  : wf_compile_kernels(b->arena, b->module->diag, options->target, list, count, symbols, symbol_count, options->form, out_object);
  if (!good) return false;
  for (int i = 0, at = 0; i < b->kernels.count; i++)
    if (first_of[i] == i) b->kernels.items[i] = list[at++];
  return true;
}

static char *place_of(wf_builder *b, wf_loc loc) {
  return loc.source ? wf_arena_printf(b->arena, "%s:%d", loc.source->path, loc.line) : NULL;
}

// A kernel that shares code has its own symbols in the same places, so formulas are its own as well.
static void describe_launch(wf_builder *b, const wf_kernel *kernel, wf_plan_kernel *out) {
  out->threads = wf_kernel_threads(kernel);
  out->shared_bytes = wf_kernel_shared_bytes(kernel);
  out->symbols = WF_NEW_ARRAY(b->arena, int, kernel->symbols.count);
  for (int i = 0; i < kernel->symbols.count; i++) out->symbols[out->symbol_count++] = wf_symbol_index(b, kernel->symbols.items[i]);
}

static void describe_kernel(wf_builder *b, const wf_compile_kernel *own, const wf_compile_kernel *code, wf_plan_kernel *out) {
  *out = (wf_plan_kernel){.name = wf_arena_strdup(b->arena, own->kernel->name), .entry = wf_arena_strdup(b->arena, code->entry), .place = place_of(b, own->kernel->loc)};
  out->tasks = wf_build_formula(b, wf_kernel_tasks(own->kernel));
  out->scratch_bytes = wf_build_formula(b, or_zero(b, code->scratch_bytes));
  out->flops = wf_build_formula(b, or_zero(b, own->kernel->flops));
  out->bytes = wf_build_formula(b, or_zero(b, own->kernel->bytes));
  if (b->gpu) describe_launch(b, own->kernel, out);
}

static char *schedule_hash(wf_builder *b) {
  uint64_t hash = 0;
  for (int i = 0; i < b->entries.count; i++) hash = wf_hash_bytes(b->entries.keys[i], strlen(b->entries.keys[i]), hash);
  return wf_arena_printf(b->arena, "%016llx", (unsigned long long)hash);
}

static bool build_kernels(wf_builder *b, const wf_build_options *options, wf_program *program, wf_code *out_object) {
  int *first_of = WF_NEW_ARRAY(b->arena, int, b->kernels.count), unique = share_code(b, first_of);
  if (options->target && !compile_unique(b, options, first_of, unique, out_object)) return false;
  program->kernels = WF_NEW_ARRAY(b->arena, wf_plan_kernel, b->kernels.count);
  program->kernel_count = b->kernels.count;
  for (int i = 0; i < b->kernels.count; i++) describe_kernel(b, &b->kernels.items[i], &b->kernels.items[first_of[i]], &program->kernels[i]);
  program->schedule_hash = schedule_hash(b);
  return !b->failed;
}

static bool has_thread_programs(const wf_module *module) {
  for (int i = 0; i < module->kernels.count; i++)
    if (wf_kernel_threads(module->kernels.items[i])) return true;
  return false;
}

// The index of the plan in whose place this one may run, and when.
static void build_variant(wf_builder *b, wf_function *const *functions, int count, int index, wf_plan *plan) {
  const wf_function *of = functions[index]->variant_of;
  for (int i = 0; of && i < count; i++)
    if (functions[i] == of) plan->variant_of = i + 1;
  if (plan->variant_of) plan->condition = wf_build_formula(b, functions[index]->condition);
}

bool wf_build_program(wf_arena *arena, wf_module *module, const wf_build_options *options, wf_program **out_program, wf_code *out_object) {
  wf_builder b = {.arena = arena, .module = module, .gpu = options->target ? options->target->gpu : has_thread_programs(module)};
  wf_program *program = WF_NEW(arena, wf_program);
  wf_function **functions = WF_NEW_ARRAY(arena, wf_function *, module->functions.count);
  int count = 0;
  *out_program = NULL;
  *out_object = (wf_code){0};
  collect_functions(&b, functions, &count);
  for (int i = 0; i < count; i++) add_symbols_of_function(&b, functions[i]);
  int extents = b.symbols.list.count;
  program->plans = WF_NEW_ARRAY(arena, wf_plan, count);
  for (int i = 0; i < count && !b.failed; i++) wf_build_plan(&b, functions[i], &program->plans[program->plan_count++]);
  for (int i = 0; i < count && !b.failed; i++) build_variant(&b, functions, count, i, &program->plans[i]);
  if (b.failed || !build_kernels(&b, options, program, out_object)) return false;
  add_facts(&b, program, extents);
  program->symbol_count = b.symbols.list.count;
  program->symbols = WF_NEW_ARRAY(arena, char *, program->symbol_count);
  for (int i = 0; i < program->symbol_count; i++) program->symbols[i] = wf_arena_strdup(arena, b.symbols.list.items[i]->name);
  program->target = options->target ? wf_arena_strdup(arena, options->target->level) : NULL;
  program->metadata = options->metadata ? wf_arena_strdup(arena, options->metadata) : NULL;
  *out_program = program;
  return !b.failed;
}
