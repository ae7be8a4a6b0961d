// The front end: a .net file becomes a module of net IR functions and a description of its training.
// This is what the command line uses; frontend/lower.h is what the parts of the front end share.
#ifndef WEFT_FRONTEND_FRONTEND_H
#define WEFT_FRONTEND_FRONTEND_H
#include "frontend/ast.h"
#include "ir/ir.h"

// ---- the embedded library -----------------------------------------------------------------------------------------
#ifndef WEFT_EMBEDDED_DEFINED
#define WEFT_EMBEDDED_DEFINED
struct weft_embedded { const char *name, *text; size_t size; };
#endif
extern const struct weft_embedded weft_std_library[];   // ends with name NULL; text is not terminated

// ---- options ------------------------------------------------------------------------------------------------------
typedef struct wf_limits {      // passing one is a diagnostic; 0 takes the default
  int64_t statements;           // statements carried out when unrolling: default 100,000
  int64_t elements;             // of one tensor whose extents are known: default 2^40
  int64_t nesting;              // of expressions, blocks, and calls: default 200
  int64_t file;                 // bytes of one source: default 4 MiB
} wf_limits;
// Sets the limit of that name ("statements" ...); an unknown name or a bad number is an error.
bool wf_limits_set(wf_limits *limits, wf_diag *diag, const char *name, const char *value);

typedef struct wf_setting { const char *key, *value; } wf_setting;   // --set key=value
typedef struct wf_frontend_options {
  WF_VEC(wf_setting) sets;      // train fields (batch, optimizer.lr), compile-time parameters of the main net, net=NAME
  wf_limits limits;
} wf_frontend_options;

// ---- a loaded model: the file, what it imports, the library, by name ------------------------------------------------
typedef struct wf_net_model {
  wf_arena *arena;
  wf_diag *diag;
  const wf_frontend_options *options;
  wf_limits limits;             // with the defaults filled in
  wf_ast_file *main;
  WF_VEC(wf_ast_file *) files;  // main, imports, library
  wf_map decls;                 // name -> wf_ast_decl: op, net, optimizer, let. The main file's over imports' over the library's
  wf_ast_decl *train, *mesh;    // of the main file, or NULL
  wf_map applied;               // declarations that were carried out
  wf_ast_decl *net;             // the train block's net, or --set net=NAME, or the last net of the main file; NULL where none
} wf_net_model;
// NULL only where the source could not be parsed at all; check diag->errors.
wf_net_model *wf_model_load(wf_arena *arena, wf_diag *diag, const wf_source *source, const wf_frontend_options *options);

// ---- what a train block says ------------------------------------------------------------------------------------------
typedef struct wf_source_argument { const char *name, *text; double number; bool is_text; } wf_source_argument;
typedef struct wf_data_source {
  const char *kind;             // idx cifar10 npy npz safetensors tokens text folder
  wf_loc loc;
  WF_VEC(wf_source_argument) arguments;   // in order; name NULL where positional
} wf_data_source;

typedef struct wf_train_field {
  const char *name;
  wf_dtype dtype;
  bool target, picture;         // picture: u8 pixels
  int64_t range;                // integers: the values must lie in [0, range), since they index something of that extent; 0: any
} wf_train_field;

typedef struct wf_train_spec {
  bool has_train;               // false: only net, labels, top are filled
  const char *net;
  wf_data_source *data, *test;  // NULL where not given
  int64_t batch, microbatch, epochs, steps, seed;   // steps, microbatch: 0 where not given
  const char *precision;        // NULL where not given
  const char *optimizer;        // the optimizer's name
  WF_VEC(const char *) metrics; // result names of `eval` beside "loss"
  WF_VEC(const char *) labels;  // of classes
  int top;                      // 0: not asked
  WF_VEC(wf_train_field) fields;  // the data inputs of step and eval in order: the net's inputs, then targets
  int64_t classes;              // an integer target must lie in [0, classes); 0: not known
} wf_train_spec;
// The metadata of a program (docs/metadata.md), one line of JSON.
char *wf_train_spec_json(wf_arena *arena, const wf_train_spec *spec);

typedef struct wf_compiled {
  wf_module *module;            // with a train block: init, step, eval, infer; without: init, infer
  wf_train_spec *train;
  wf_net_model *model;
  double parse_seconds, lower_seconds;   // that reading all files, and lowering, took
} wf_compiled;
// The one entry. Symbolic dims stay symbolic unless bound. NULL with errors in diag. Functions and their interfaces:
//   init  (seed: SEED)                                          -> every parameter and state under its name
//   step  (data..., params, states, STEP, SEED, TOTAL)          -> loss, metrics; UPDATEs of params and states
//   eval  (data..., params, states)                             -> loss, metrics (means over the batch)
//   infer (the net's inputs as data, params, states)            -> the net's results by name
// Data inputs bear the net's argument names, then the target names of loss and metrics.
wf_compiled *wf_frontend_compile(wf_arena *arena, wf_diag *diag, const wf_source *source, const wf_frontend_options *options);
wf_compiled *wf_frontend_compile_model(wf_net_model *model);   // the same from a model that was loaded without errors
// Mistakes in ops and nets of the main file that the main net does not call, as far as they do not depend on extents
// (frontend/check.c). False with errors in the model's diag.
bool wf_frontend_check(wf_net_model *model);
#endif
