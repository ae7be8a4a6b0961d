#include "cli/program.h"
#include <stdio.h>
#include "cli/cache.h"
#include "cli/module.h"
#include "cli/target.h"
#include "codegen/llvm/load_llvm.h"
#include "runtime/cuda/cuda.h"
#include "runtime/data/unpacked.h"
#include "runtime/simt/device_simt.h"

// Makes and sweeps the folder. NULL: nothing is kept.
static const char *unpacked_folder(cli *c) {
  enum { MOST_BYTES = 1 << 30 };
  const char *cache = c->options.no_cache ? NULL : wf_cache_folder(c->arena);
  const char *folder = cache ? wf_arena_printf(c->arena, "%s/data", cache) : NULL;
  weft_status *failed = folder ? wf_cache_make_folders(c->arena, folder) : NULL;
  if (failed) folder = NULL;
  weft_status_free(failed);
  if (folder) wf_cache_sweep(c->arena, folder, WEFT_UNPACKED_SUFFIX, MOST_BYTES);
  return folder;
}

weft_command cli_command(cli *c, const char *title) {
  const cli_options *o = &c->options;
  weft_command out = {.arena = c->arena, .title = title, .file = o->file, .net_folder = weft_command_folder(c->arena, o->file), .unpacked = unpacked_folder(c),
                      .weights = o->weights, .save = o->save, .resume = o->resume, .init = o->init, .log = o->log, .data = o->data,
                      .inputs = o->inputs, .outputs = o->outputs, .threads = o->threads, .save_every = o->save_every, .eval = o->eval,
                      .json = o->json, .verbose = o->verbose, .allow_nan = o->allow_nan};
  weft_command_look(&out);
  return out;
}

int cli_status(cli *c, weft_status *status) {
  weft_command command = {.colour_err = c->colour_err};
  return weft_command_status(&command, status);
}

// fuse,tile -> fuse{target=x86-64-v3},tile{target=x86-64-v3}
static const char *with_target(cli *c, const char *passes, const char *level) {
  static const char *const aware[] = {"specialise", "fuse", "layout", "tile"};
  wf_text out;
  wf_text_init(&out);
  for (const char *at = passes; *at;) {
    size_t length = strcspn(at, ",");
    wf_text_add_n(&out, at, length);
    for (int i = 0; i < 4; i++)
      if (strlen(aware[i]) == length && !strncmp(at, aware[i], length)) wf_text_printf(&out, "{target=%s}", level);
    at += length;
    if (*at == ',') wf_text_add_n(&out, at++, 1);
  }
  const char *text = wf_arena_strndup(c->arena, out.data, out.length);
  wf_text_deinit(&out);
  return text;
}

const char *cli_passes(cli *c, const char *precision) {
  if (c->options.passes) return c->options.passes;
  const char *passes = wf_default_passes, *level = c->target;
  if (strcmp(level, "native")) passes = with_target(c, passes, level);
  if (!precision || !strcmp(precision, "f32")) return passes;
  const char *option = !strcmp(precision, "f64") ? "to" : "compute", *fuse = strstr(passes, "fuse");
  return wf_arena_printf(c->arena, "%.*sprecision{%s=%s},%s", (int)(fuse - passes), passes, option, precision, fuse);
}

bool cli_is_bundle(const char *path) {
  size_t length = strlen(path);
  return length > 5 && !strcmp(path + length - 5, ".weft");
}

// What threads did at the same time is told by its CPU time; the plan is what is left of one thread's whole.
static void print_times(const cli *c, const wf_compile_times *times, double seconds) {
  if (!times) {
    cli_print_seconds(c, "plan", seconds);
    return;
  }
  cli_print_seconds(c, "plan", seconds - times->whole);
  cli_print_seconds(c, "code", times->whole);
  cli_print_seconds(c, "  emit", times->emit);
  cli_print_seconds(c, "  llvm verify", times->verify);
  cli_print_seconds(c, "  llvm passes", times->passes);
  cli_print_seconds(c, "  machine code", times->machine);
}

// What is printed names its entries after their order, not after their contents: it goes without the cache.
static const char *kernel_cache(cli *c) {
  const char *folder = c->options.no_cache || c->options.emit ? NULL : wf_cache_folder(c->arena);
  return folder ? wf_arena_printf(c->arena, "%s/kernels", folder) : NULL;
}

int cli_build_program(cli *c, wf_module *module, const wf_compiled *compiled, bool with_code, wf_code_form form, wf_program **out_program,
              wf_code *out_code) {
  const char *passes = cli_passes(c, compiled && compiled->train ? compiled->train->precision : NULL);
  if (!passes || !cli_run_passes(c, module, passes, NULL, false)) return cli_report(c);
  wf_compile_times times = {0};
  wf_build_options options = {.form = form, .times = &times, .threads = c->options.threads, .cache = kernel_cache(c),
                              .metadata = compiled && compiled->train ? wf_train_spec_json(c->arena, compiled->train) : NULL};
  double start = cli_now();
  const char *missing;
  if (with_code && !wf_llvm_load(&missing)) {
    fprintf(stderr, "weft: %s\n", missing);
    return EXIT_ENVIRONMENT;
  }
  wf_target *target = with_code ? wf_target_create(c->arena, c->diag, c->target) : NULL;
  if (with_code && !target) return cli_report(c);
  options.target = target;
  bool built = wf_build_program(c->arena, module, &options, out_program, out_code);
  wf_target_destroy(target);
  print_times(c, with_code ? &times : NULL, cli_now() - start);
  if (options.cache && c->options.verbose) fprintf(stderr, "kernels: %d of %d from %s\n", times.reused, times.kernels, options.cache);
  int code = cli_report(c);
  return built || code ? code : EXIT_OURS;
}

// ---- where programs come from -----------------------------------------------------------------------------------------

static int compile(cli *c, const cli_cache *cache, cli_program *out) {
  wf_compiled *compiled = NULL;
  wf_module *module = cli_load_module(c, &compiled);
  if (!module) return cli_report(c);
  int code = cli_build_program(c, module, compiled, !cli_on_ref(c), WF_CODE_OBJECT, &out->program, &out->code);
  if (code == EXIT_DONE && out->code.bytes) cli_cache_store(c, cache, compiled, out->program, &out->code);
  return code;
}

static weft_status *open_device(cli *c, weft_device **out) {
  int threads = c->options.threads;
  if (!strcmp(c->device, "cuda")) return weft_cuda_create(&(weft_cuda_options){.threads = threads}, out);
  if (!strcmp(c->device, "simt")) return weft_simt_device_create(&(weft_simt_options){.threads = threads}, out);
  return weft_cpu_create(threads, out);
}

// Takes the best target of the bundle that this machine runs, or the one that --device and --target name.
static int open_bundle(cli *c, cli_program *out) {
  bool simt = !strcmp(c->device, "simt");
  const char *wanted = c->options.target ? c->options.target : simt ? "cuda" : strcmp(c->device, "auto") ? c->device : NULL;
  weft_device *given = NULL;
  weft_status *failed = weft_bundle_open(c->options.file, &out->bundle);
  if (!failed && simt) failed = open_device(c, &given);
  if (!failed) failed = weft_program_open(&out->bundle, wanted, given, c->options.threads, &out->loaded);
  if (!failed) failed = weft_bundle_part(&out->bundle, WEFT_PART_WEIGHTS, "", &out->weights);
  out->program = &out->bundle.program;
  return cli_status(c, failed);
}

static int load_code(cli *c, cli_program *out) {
  if (out->loaded.code) return EXIT_DONE;   // of a bundle
  weft_code_form form = cli_is_gpu_target(c->target) ? WEFT_CODE_PTX : WEFT_CODE_HOST;
  weft_status *failed = weft_device_load(out->loaded.device, out->program, form, out->code.bytes, out->code.size, &out->loaded.code);
  failed = weft_context(failed, "the code of this program does not load");
  return cli_status(c, failed);
}

// Stands in for kernels in a session that only keeps shapes and values and is never run.
static void never_run(void *const *buffers, const int64_t *symbols, int64_t begin, int64_t end, void *scratch) {}

void cli_leave_unbound(wf_program *program) {
  for (int i = 0; i < program->kernel_count; i++) program->kernels[i].function = never_run;
}

static int obtain(cli *c, cli_program *out) {
  if (cli_is_bundle(c->options.file)) {
    if (!cli_on_ref(c)) return open_bundle(c, out);
    fprintf(stderr, "weft: `--device ref` interprets the network's source; %s holds machine code\n", c->options.file);
    return EXIT_USAGE;
  }
  int code = cli_check_machine(c->target);
  if (code == EXIT_DONE && !cli_on_ref(c)) code = cli_status(c, open_device(c, &out->loaded.device));
  if (code) return code;
  cli_cache cache = cli_on_ref(c) ? (cli_cache){0} : cli_cache_begin(c);
  if (!cli_cache_load(c, &cache, &out->cached)) return compile(c, &cache, out);
  out->program = &out->cached.bundle.program;
  out->code = out->cached.code;
  return EXIT_DONE;
}

int cli_program_open(cli *c, bool profile, cli_program *out) {
  *out = (cli_program){0};
  double start = cli_now();
  int code = obtain(c, out);
  if (code) return code;
  if (cli_on_ref(c)) cli_leave_unbound(out->program);
  else if ((code = load_code(c, out))) return code;
  weft_session_options options = {.device = out->loaded.device, .code = out->loaded.code, .threads = c->options.threads, .profile = profile};
  code = cli_status(c, weft_session_create(out->program, &options, &out->session));
  if (c->options.verbose && out->session)
    fprintf(stderr, "program ready in %.1f ms on %s\n", (cli_now() - start) * 1e3, weft_session_device(out->session)->info.name);
  return code;
}

// What the PTX machine saw: the last line of what is printed.
static void tell_simt(const weft_device *device) {
  weft_simt_counts counts;
  weft_simt_statistics(weft_simt_device_machine(device), &counts);
  printf("simt kernels %llu faults %llu\n", (unsigned long long)counts.kernels_launched, (unsigned long long)counts.faults);
}

void cli_program_close(cli_program *program) {
  if (program->session && program->loaded.device && !strcmp(program->loaded.device->ops->kind, "simt")) tell_simt(program->loaded.device);
  weft_session_destroy(program->session);
  weft_loaded_close(&program->loaded);
  weft_bundle_close(&program->bundle);
  wf_cached_close(&program->cached);
}
