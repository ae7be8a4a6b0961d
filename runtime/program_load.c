#include "runtime/program_load.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/cuda/cuda.h"
#include "runtime/status.h"

static const char *const levels[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
enum { LEVELS = 3 };

const char *weft_machine_level(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return "x86-64-v4";
  if (__builtin_cpu_supports("x86-64-v3")) return "x86-64-v3";
#endif
  return "x86-64-v2";
}

static bool is_gpu(const char *target) { return strncmp(target, "sm_", 3) == 0; }

// How good a target is here; 0: it does not run. Code without a level ("native" or no name) is not portable and comes last.
static int rank_of(const char *target, const weft_device_info *gpu) {
  if (is_gpu(target) != (gpu != NULL)) return 0;
  if (gpu) return weft_device_runs(gpu, target) ? 1 + atoi(target + 3) : 0;
  for (int i = 0; i < LEVELS; i++)
    if (strcmp(target, levels[i]) == 0) return strcmp(target, weft_machine_level()) <= 0 ? 2 + i : 0;   // the names sort as the levels do
  return strcmp(target, "native") == 0 || !*target ? 1 : 0;
}

static const char *wanted_or_environment(const char *wanted) {
  const char *named = getenv("WEFT_TARGET");
  return !wanted && named && *named ? named : wanted;
}

static bool fits(const char *target, const char *wanted) {
  if (!wanted) return true;
  if (strcmp(wanted, "cpu") == 0) return !is_gpu(target);
  if (strcmp(wanted, "cuda") == 0) return is_gpu(target);
  const char *name = strncmp(wanted, "cpu:", 4) == 0 ? wanted + 4 : strncmp(wanted, "cuda:", 5) == 0 ? wanted + 5 : wanted;
  return strcmp(target, name) == 0;
}

static void list_targets(const weft_bundle *bundle, char *text, size_t size) {
  size_t length = 0;
  snprintf(text, size, "nothing");
  for (int i = 0; i < bundle->part_count && length < size; i++)
    if (bundle->parts[i].kind == WEFT_PART_PROGRAM)
      length += (size_t)snprintf(text + length, size - length, "%s%s", length ? ", " : "", *bundle->parts[i].target ? bundle->parts[i].target : "code for one machine");
}

weft_status *weft_bundle_choose(const weft_bundle *bundle, const char *wanted, const weft_device_info *gpu, const char **out_target) {
  const char *best = NULL, *refused = NULL;
  char there_is[256];
  wanted = wanted_or_environment(wanted);
  for (int i = 0; i < bundle->part_count; i++) {
    const weft_part *part = &bundle->parts[i];
    if (part->kind != WEFT_PART_PROGRAM || !fits(part->target, wanted)) continue;
    if (!rank_of(part->target, gpu)) refused = part->target;
    else if (!best || rank_of(part->target, gpu) > rank_of(best, gpu)) best = part->target;
  }
  *out_target = best;
  if (best) return NULL;
  list_targets(bundle, there_is, sizeof there_is);
  if (!refused && wanted) return weft_fail(WEFT_BAD_INPUT, "%s holds no code for %s; it has: %s", bundle->name, wanted, there_is);
  if (!gpu) return weft_fail(WEFT_ENVIRONMENT, "%s holds no code that this machine (%s) runs; it has: %s", bundle->name, weft_machine_level(), there_is);
  return weft_fail(WEFT_ENVIRONMENT, "%s holds no code that %s (sm_%d%d) runs; it has: %s", bundle->name, gpu->name, gpu->major, gpu->minor, there_is);
}

// ---- opening ------------------------------------------------------------------------------------------------------------

static weft_status *load_part(weft_bundle *bundle, weft_part_kind kind, weft_code_form form, weft_loaded *out) {
  const weft_part *code;
  const char *target = bundle->program.target;
  TRY(weft_bundle_part(bundle, kind, target, &code));
  if (!code) return weft_fail(WEFT_BAD_INPUT, "%s: a damaged bundle: the program for %s has no machine code", bundle->name, target);
  return weft_context(weft_device_load(out->device, &bundle->program, form, code->data, code->size, &out->code), "%s: the machine code for %s", bundle->name, target);
}

// A cubin spares the driver the compiling, but runs on its own generation alone; where it is refused, PTX serves.
static weft_status *load_target(weft_bundle *bundle, const char *target, weft_loaded *out) {
  const weft_device *device = out->device;
  TRY(weft_bundle_select(bundle, target));
  if (device->on_host) return load_part(bundle, WEFT_PART_OBJECT, WEFT_CODE_HOST, out);
  if (atoi(target + 3) / 10 == device->info.major && strcmp(device->ops->kind, "cuda") == 0) {
    weft_status *refused = load_part(bundle, WEFT_PART_CUBIN, WEFT_CODE_CUBIN, out);
    if (!refused) return NULL;
    weft_status_free(refused);
  }
  return load_part(bundle, WEFT_PART_PTX, WEFT_CODE_PTX, out);
}

// The target to run on out->device, which is opened; a GPU that does not suit leaves out->device NULL.
static weft_status *try_gpu(const weft_bundle *bundle, const char *wanted, int threads, weft_loaded *out, const char **out_target) {
  TRY(weft_cuda_create(&(weft_cuda_options){.threads = threads}, &out->device));
  weft_status *failed = weft_bundle_choose(bundle, wanted, &out->device->info, out_target);
  if (failed) weft_loaded_close(out);
  return failed;
}

static bool has_target(const weft_bundle *bundle, const char *wanted, bool gpu) {
  for (int i = 0; i < bundle->part_count; i++)
    if (bundle->parts[i].kind == WEFT_PART_PROGRAM && is_gpu(bundle->parts[i].target) == gpu && fits(bundle->parts[i].target, wanted)) return true;
  return false;
}

static weft_status *choose_device(const weft_bundle *bundle, const char *wanted, int threads, weft_loaded *out, const char **out_target) {
  if (has_target(bundle, wanted, true)) {
    weft_status *failed = try_gpu(bundle, wanted, threads, out, out_target);
    if (!failed) return NULL;
    if (!has_target(bundle, wanted, false)) {
      char there_is[256];
      list_targets(bundle, there_is, sizeof there_is);
      return weft_context(failed, "%s holds no code that this machine's processor runs (it has: %s); for a GPU", bundle->name, there_is);
    }
    weft_status_free(failed);   // the host serves as well
  }
  TRY(weft_bundle_choose(bundle, wanted, NULL, out_target));
  return weft_cpu_create(threads, &out->device);
}

weft_status *weft_program_open(weft_bundle *bundle, const char *wanted, weft_device *given, int threads, weft_loaded *out) {
  const char *target;
  *out = (weft_loaded){.device = given};
  wanted = wanted_or_environment(wanted);
  if (given) TRY(weft_bundle_choose(bundle, wanted, given->on_host ? NULL : &given->info, &target));
  else TRY(choose_device(bundle, wanted, threads, out, &target));
  weft_status *failed = load_target(bundle, target, out);
  bool host_serves = !given && !out->device->on_host && has_target(bundle, NULL, false);
  return host_serves ? weft_context(failed, "the GPU does not take its code (WEFT_TARGET=cpu runs the network on the host)") : failed;
}

void weft_loaded_close(weft_loaded *loaded) {
  if (loaded->device) weft_device_unload(loaded->device, loaded->code);
  weft_device_destroy(loaded->device);
  *loaded = (weft_loaded){0};
}
