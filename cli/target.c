#include "cli/target.h"
#include <cpuid.h>
#include <stdio.h>
#include <string.h>
#include "cli/program.h"
#include "codegen/target_host.h"
#include "runtime/cuda/cuda.h"

static const char *const device_names[] = {"auto", "cpu", "cuda", "simt", "ref"};
enum { DEVICES = 5 };

static int refuse(const char *verb, const char *option, const char *word, const char *hint, const char *there_is) {
  fprintf(stderr, "weft %s: unknown %s `%s`", verb, option, word);
  if (hint) fprintf(stderr, "; did you mean `%s`?", hint);
  fprintf(stderr, "\nthere is %s\n", there_is);
  return EXIT_USAGE;
}

static int check_device(const char *verb, const char *device) {
  for (int i = 0; i < DEVICES; i++)
    if (!strcmp(device, device_names[i])) return EXIT_DONE;
  return refuse(verb, "device", device, strcmp(device, "gpu") ? wf_did_you_mean(device, device_names, DEVICES) : "cuda",
                "auto, cpu, cuda, simt (GPU code in a machine that checks it), and ref (the net IR interpreted in f64)");
}

// ---- targets ----------------------------------------------------------------------------------------------------------

static const char *const gpu_targets[] = {"sm_80", "sm_90a", NULL};

bool cli_is_gpu_target(const char *target) { return !strncmp(target, "sm_", 3); }

static bool is_among(const char *word, const char *const *list) {
  for (; *list; list++)
    if (!strcmp(word, *list)) return true;
  return false;
}

// "cpu:x86-64-v3" -> "x86-64-v3", "cpu" -> "native", "cuda:sm_80" -> "sm_80", "cuda" -> "sm_80"; a name alone is itself. NULL: unknown.
static const char *target_of(const char *word) {
  if (!strcmp(word, "cpu")) return "native";
  if (!strcmp(word, "cuda")) return gpu_targets[0];
  const char *cpu = strncmp(word, "cpu:", 4) ? word : word + 4, *gpu = strncmp(word, "cuda:", 5) ? word : word + 5;
  if (is_among(cpu, wf_host_levels)) return cpu;
  return is_among(gpu, gpu_targets) ? gpu : NULL;
}

static int unknown_target(const char *verb, const char *word) {
  const char *names[8], *bare = strncmp(word, "cpu:", 4) == 0 ? word + 4 : strncmp(word, "cuda:", 5) == 0 ? word + 5 : word;
  int count = 0;
  for (int i = 0; wf_host_levels[i]; i++) names[count++] = wf_host_levels[i];
  for (int i = 0; gpu_targets[i]; i++) names[count++] = gpu_targets[i];
  return refuse(verb, "target", word, wf_did_you_mean(bare, names, count),
                "cpu, cpu:native, cpu:x86-64-v2, cpu:x86-64-v3, cpu:x86-64-v4, cuda:sm_80 and cuda:sm_90a");
}

static void add_target(cli *c, const char *target) {
  for (int i = 0; i < c->targets.count; i++)
    if (!strcmp(c->targets.items[i], target)) return;
  wf_vec_push(c->arena, &c->targets, target);
}

// What is taken elsewhere says for which machines it is: plain `cpu` means all levels, `cpu:native` the one of this machine.
static void add_portable(cli *c, const char *word, const char *target) {
  if (strcmp(target, "native")) add_target(c, target);
  else if (strcmp(word, "cpu")) add_target(c, weft_machine_level());
  else for (int i = 0; strcmp(wf_host_levels[i], "native"); i++) add_target(c, wf_host_levels[i]);
}

static bool is_portable(const cli *c, const char *verb) { return !strcmp(verb, "build") || (!strcmp(verb, "compile") && !c->options.emit); }

// Splits --target at its commas into c->targets.
static int read_targets(cli *c, const char *verb) {
  bool portable = is_portable(c, verb);
  const char *list = c->options.target ? c->options.target : portable ? "cpu" : "";
  for (const char *at = list; *at;) {
    size_t length = strcspn(at, ",");
    const char *word = wf_arena_strndup(c->arena, at, length), *target = target_of(word);
    if (!target) return unknown_target(verb, word);
    if (portable) add_portable(c, word, target);
    else wf_vec_push(c->arena, &c->targets, target);
    at += length + (at[length] == ',');
  }
  if (!portable && c->targets.count > 1) {
    fprintf(stderr, "weft %s: one target is enough here, `%s` lists %d\n", verb, c->options.target, c->targets.count);
    return EXIT_USAGE;
  }
  return EXIT_DONE;
}

// ---- the device and what is compiled for it ---------------------------------------------------------------------------------

static bool runs_programs(const char *verb) { return !strcmp(verb, "run") || !strcmp(verb, "train") || !strcmp(verb, "bench"); }

// The best architecture for which there is code on this GPU; NULL: it is too old.
static const char *architecture_for(const weft_device_info *info) {
  const char *best = NULL;
  for (int i = 0; gpu_targets[i]; i++)
    if (weft_device_runs(info, gpu_targets[i])) best = gpu_targets[i];   // they stand in rising order
  return best;
}

// Sets out_target to the architecture of this machine's GPU.
static weft_status *find_gpu(const char **out_target) {
  weft_device_info info;
  int count;
  TRY(weft_cuda_list(NULL, &info, 1, &count));
  *out_target = architecture_for(&info);
  if (*out_target) return NULL;
  return weft_fail(WEFT_ENVIRONMENT, "%s has compute capability %d.%d; weft's code for GPUs needs 8.0 or later", info.name, info.major, info.minor);
}

// Where no device is named: a usable GPU, else the host. A bundle says itself what it has code for.
static void choose_device(cli *c) {
  if (c->targets.count) c->device = cli_is_gpu_target(c->targets.items[0]) ? "cuda" : "cpu";
  else if (cli_is_bundle(c->options.file)) c->device = "auto";
  else {
    weft_status *failed = find_gpu(&c->target);
    c->device = failed ? "cpu" : "cuda";
    weft_status_free(failed);
  }
}

static int mismatch(const cli *c, const char *verb) {
  fprintf(stderr, "weft %s: `--device %s` runs no code for %s\n", verb, c->device, c->target);
  return EXIT_USAGE;
}

// Where --target says nothing: what the device runs. PTX and cubins are for a GPU.
static int default_target(cli *c, const char *verb) {
  const char *emit = c->options.emit;
  if (c->target) return EXIT_DONE;
  if (!strcmp(c->device, "cuda") && runs_programs(verb)) return cli_status(c, find_gpu(&c->target));
  bool for_gpu = !strcmp(c->device, "cuda") || !strcmp(c->device, "simt") || (emit && (!strcmp(emit, "ptx") || !strcmp(emit, "cubin")));
  c->target = for_gpu ? gpu_targets[0] : "native";
  return EXIT_DONE;
}

int cli_check_target(cli *c, const char *verb) {
  const char *asked = c->options.device;
  int code = asked ? check_device(verb, asked) : EXIT_DONE;
  if (code == EXIT_DONE) code = read_targets(c, verb);
  if (code) return code;
  bool named = asked && strcmp(asked, "auto");
  c->device = named ? asked : "cpu";
  if (!named && runs_programs(verb)) choose_device(c);
  if (c->targets.count) c->target = c->targets.items[0];
  if ((code = default_target(c, verb))) return code;
  if (!c->targets.count) wf_vec_push(c->arena, &c->targets, c->target);
  bool host = !strcmp(c->device, "cpu") || cli_on_ref(c);
  if (runs_programs(verb) && strcmp(c->device, "auto") && host == cli_is_gpu_target(c->target)) return mismatch(c, verb);
  if (!cli_on_ref(c) || !strcmp(verb, "run")) return EXIT_DONE;
  fprintf(stderr, "weft %s: `--device ref` interprets `weft run` alone; %s runs on cpu, cuda and simt\n", verb, verb);
  return EXIT_USAGE;
}

bool cli_on_ref(const cli *c) { return c->options.device && !strcmp(c->options.device, "ref"); }

// ---- this machine -----------------------------------------------------------------------------------------------------

int cli_check_machine(const char *level) {
  const char *machine = weft_machine_level();
  if (cli_is_gpu_target(level)) return EXIT_DONE;   // the device tells
  if (!strcmp(level, "native") || strcmp(level, machine) <= 0) return EXIT_DONE;   // the names sort as the levels do
  fprintf(stderr, "weft: this machine has %s, so code for %s does not run here; it can be compiled here (weft compile)\n", machine, level);
  return EXIT_ENVIRONMENT;
}

// Family and feature words; leaf 1's EBX names the core that asks and is left out.
void cli_cpu_words(uint32_t *out) {
  uint32_t a = 0, b = 0, c = 0, d = 0;
  memset(out, 0, CLI_CPU_WORDS * sizeof *out);
  if (__get_cpuid(1, &a, &b, &c, &d)) memcpy(out, (uint32_t[]){a, c, d}, 12);
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) memcpy(out + 3, (uint32_t[]){b, c, d}, 12);
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d)) memcpy(out + 6, (uint32_t[]){a, d}, 8);
  if (__get_cpuid(0x80000001, &a, &b, &c, &d)) memcpy(out + 8, (uint32_t[]){c, d}, 8);
  __asm__ volatile("xgetbv" : "=a"(out[10]), "=d"(out[11]) : "c"(0));
}
