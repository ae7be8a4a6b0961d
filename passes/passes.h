// Passes: each takes and leaves a verified module. passes.def is the registry; pipeline.c runs a list of them.
#ifndef WEFT_PASSES_PASSES_H
#define WEFT_PASSES_PASSES_H
#include "ir/ir.h"
#include "ir/kir.h"

typedef struct wf_pass_option { const char *key, *value; } wf_pass_option;
typedef struct wf_pass_options { WF_VEC(wf_pass_option) list; } wf_pass_options;
const char *wf_pass_option_get(const wf_pass_options *options, const char *key, const char *otherwise);
int64_t wf_pass_option_int(const wf_pass_options *options, const char *key, int64_t otherwise);

// False with an error in module->diag.
typedef bool (*wf_pass_run)(wf_module *module, const wf_pass_options *options);
typedef struct wf_pass { const char *name, *help; wf_pass_run run; } wf_pass;
extern const wf_pass wf_pass_table[];   // ends with name NULL
const wf_pass *wf_pass_find(const char *name);
typedef struct wf_pass_option_info { const char *pass, *key, *type, *otherwise, *help; } wf_pass_option_info;   // passes.def
extern const wf_pass_option_info wf_pass_option_table[];   // ends with pass NULL

#define WF_PASS(name, function, help) bool function(wf_module *module, const wf_pass_options *options);
#include "passes/passes.def"

typedef struct wf_pipeline_hooks {   // all may be NULL
  void *context;
  void (*after)(void *context, const char *pass, wf_module *module, double seconds);   // dumps, timings, stats
  bool verify;                       // after each pass
  bool verify_end;                   // after the last one
  double *verify_seconds;            // grows by what that took
} wf_pipeline_hooks;
// "simplify,fuse{strategy=greedy,max-reads=8},tile". Unknown pass or option: an error with a suggestion, before any pass
// runs. Stops at the first pass that fails, or that leaves a module which does not verify.
bool wf_pipeline_run(wf_module *module, const char *passes, const wf_pipeline_hooks *hooks);
extern const char *const wf_default_passes;   // in the same form
#endif
