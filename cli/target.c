#include "cli/target.h"
#include <cpuid.h>
#include <stdio.h>
#include <string.h>
#include "codegen/target_host.h"

static const char *const device_names[] = {"auto", "cpu", "ref", "cuda", "simt"};
enum { DEVICES = 5, DEVICES_HERE = 3 };   // the first DEVICES_HERE run in this version

static int refuse(const char *verb, const char *option, const char *word, const char *hint, const char *there_is) {
  fprintf(stderr, "weft %s: unknown %s `%s`", verb, option, word);
  if (hint) fprintf(stderr, "; did you mean `%s`?", hint);
  fprintf(stderr, "\nthere is %s\n", there_is);
  return EXIT_USAGE;
}

static int check_device(const char *verb, const char *device) {
  for (int i = 0; i < DEVICES_HERE; i++)
    if (!strcmp(device, device_names[i])) return EXIT_DONE;
  for (int i = DEVICES_HERE; i < DEVICES; i++) {
    if (strcmp(device, device_names[i])) continue;
    fprintf(stderr, "weft %s: this version does not run on `%s`\nthere is auto, cpu, and ref (the net IR interpreted in f64)\n", verb, device);
    return EXIT_USAGE;
  }
  const char *hint = strcmp(device, "gpu") ? wf_did_you_mean(device, device_names, DEVICES_HERE) : NULL;
  return refuse(verb, "device", device, hint, "auto, cpu, and ref (the net IR interpreted in f64)");
}

static int check_level(const char *verb, const char *target) {
  static const char there_is[] = "cpu, cpu:native, cpu:x86-64-v2, cpu:x86-64-v3 and cpu:x86-64-v4";
  const char *level = strncmp(target, "cpu:", 4) ? target : target + 4;
  if (!strcmp(target, "cpu")) return EXIT_DONE;
  int count = 0;
  for (; wf_host_levels[count]; count++)
    if (!strcmp(level, wf_host_levels[count])) return EXIT_DONE;
  return refuse(verb, "target", target, wf_did_you_mean(level, wf_host_levels, count), there_is);
}

int cli_check_target(cli *c, const char *verb) {
  int code = c->options.device ? check_device(verb, c->options.device) : EXIT_DONE;
  if (code == EXIT_DONE && c->options.target) code = check_level(verb, c->options.target);
  if (code || !cli_on_ref(c) || !strcmp(verb, "run")) return code;
  fprintf(stderr, "weft %s: `--device ref` interprets `weft run` alone; %s runs on cpu\n", verb, verb);
  return EXIT_USAGE;
}

bool cli_on_ref(const cli *c) { return c->options.device && !strcmp(c->options.device, "ref"); }

const char *cli_host_level(cli *c) {
  const char *target = c->options.target;
  if (!target || !strcmp(target, "cpu")) return "native";
  return strncmp(target, "cpu:", 4) ? target : target + 4;
}

// ---- this machine -----------------------------------------------------------------------------------------------------

const char *cli_machine_level(void) {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return "x86-64-v4";
  return __builtin_cpu_supports("x86-64-v3") ? "x86-64-v3" : "x86-64-v2";
}

int cli_check_machine(const char *level) {
  const char *machine = cli_machine_level();
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
