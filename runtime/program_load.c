#include "runtime/program_load.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

// How good a target is for this machine; 0: it does not run here. Code without a level ("native" or no name) is not
// portable and comes last.
static int rank_of(const char *target) {
  for (int i = 0; i < LEVELS; i++)
    if (strcmp(target, levels[i]) == 0) return strcmp(target, weft_machine_level()) <= 0 ? 2 + i : 0;   // the names sort as the levels do
  return strcmp(target, "native") == 0 || !*target ? 1 : 0;
}

static bool fits(const char *target, const char *wanted) {
  if (!wanted || strcmp(wanted, "cpu") == 0) return true;
  return strcmp(target, strncmp(wanted, "cpu:", 4) == 0 ? wanted + 4 : wanted) == 0;
}

static void list_targets(const weft_bundle *bundle, char *text, size_t size) {
  size_t length = 0;
  snprintf(text, size, "nothing");
  for (int i = 0; i < bundle->part_count && length < size; i++)
    if (bundle->parts[i].kind == WEFT_PART_PROGRAM)
      length += (size_t)snprintf(text + length, size - length, "%s%s", length ? ", " : "", *bundle->parts[i].target ? bundle->parts[i].target : "code for one machine");
}

weft_status *weft_bundle_choose(const weft_bundle *bundle, const char *wanted, const char **out_target) {
  const char *named = getenv("WEFT_TARGET"), *best = NULL, *refused = NULL;
  if (!wanted && named && *named) wanted = named;
  for (int i = 0; i < bundle->part_count; i++) {
    const weft_part *part = &bundle->parts[i];
    if (part->kind != WEFT_PART_PROGRAM || !fits(part->target, wanted)) continue;
    if (!rank_of(part->target)) refused = part->target;
    else if (!best || rank_of(part->target) > rank_of(best)) best = part->target;
  }
  *out_target = best;
  if (best) return NULL;
  char there_is[256];
  list_targets(bundle, there_is, sizeof there_is);
  if (!refused && wanted) return weft_fail(WEFT_BAD_INPUT, "%s holds no code for %s; it has: %s", bundle->name, wanted, there_is);
  return weft_fail(WEFT_ENVIRONMENT, "%s holds no code that this machine (%s) runs; it has: %s", bundle->name, weft_machine_level(), there_is);
}

weft_status *weft_program_load(weft_bundle *bundle, const char *wanted, wf_object **out_object) {
  const char *target;
  const weft_part *code;
  char message[512];
  *out_object = NULL;
  TRY(weft_bundle_choose(bundle, wanted, &target));
  TRY(weft_bundle_select(bundle, target));
  TRY(weft_bundle_part(bundle, WEFT_PART_OBJECT, target, &code));
  if (!code) return weft_fail(WEFT_BAD_INPUT, "%s: a damaged bundle: the program for %s has no machine code", bundle->name, target);
  *out_object = wf_object_load(code->data, code->size, message, sizeof message);
  if (*out_object && wf_object_bind(*out_object, &bundle->program, message, sizeof message)) return NULL;
  wf_object_unload(*out_object);
  *out_object = NULL;
  return weft_fail(WEFT_BAD_INPUT, "%s: the machine code for %s: %s", bundle->name, target, message);
}
