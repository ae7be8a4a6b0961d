// weft build: an executable that runs (and with --train trains) the network, or a shared library with a header. Neither needs
// anything of weft where it is used, and making them needs no compiler and no linker: cli/place_payload.h.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli/bundle.h"
#include "cli/place_payload.h"
#include "cli/program.h"
#include "runtime/standalone/slot.h"

typedef struct library_names { const char *base, *function, *library, *header; } library_names;

// ---- names of a library -------------------------------------------------------------------------------------------------

static const char *file_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

// libcnn.so -> cnn, my-net.so -> my_net; empty where no name in C is left.
static const char *base_name(wf_arena *arena, const char *path) {
  const char *file = file_name(path);
  if (!strncmp(file, "lib", 3) && file[3] != '.') file += 3;
  char *base = wf_arena_strndup(arena, file, strcspn(file, "."));
  for (char *at = base; *at; at++)
    if (!isalnum((unsigned char)*at)) *at = '_';
  return isdigit((unsigned char)*base) ? "" : base;
}

// libcnn.so -> libcnn.h's neighbour cnn.h
static bool name_library(cli *c, library_names *out) {
  const char *path = c->options.output_file;
  out->base = base_name(c->arena, path);
  out->function = wf_arena_printf(c->arena, "%s_load", out->base);
  out->library = file_name(path);
  out->header = wf_arena_printf(c->arena, "%.*s%s.h", (int)(file_name(path) - path), path, out->base);
  if (*out->base && strlen(out->function) < WEFT_SLOT_NAME_BYTES && strlen(out->library) < WEFT_SLOT_NAME_BYTES) return true;
  fprintf(stderr, "weft build: `%s`: a library's file gives its function a name: letters, digits and _, not a digit first, at most %d bytes; libcnn.so gives cnn_load\n",
          path, WEFT_SLOT_NAME_BYTES - 7);
  return false;
}

// The public header, and what this library adds to it.
static weft_status *write_header(cli *c, const library_names *names) {
  cli_embedded public = cli_public_header();
  wf_text text;
  wf_text_init(&text);
  wf_text_add_n(&text, (const char *)public.data, public.size);
  wf_text_printf(&text, "\n// ---- %s ----\n#ifndef WEFT_LIBRARY_%s\n#define WEFT_LIBRARY_%s\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n", names->library, names->base, names->base);
  wf_text_printf(&text, "// The network in %s, compiled from %s. As weft_model_load.\n", names->library, file_name(c->options.file));
  wf_text_printf(&text, "weft_status *%s(const weft_model_options *options, weft_model **out);\n", names->function);
  wf_text_printf(&text, "\n#ifdef __cplusplus\n}\n#endif\n#endif\n");
  weft_status *failed = weft_file_write(names->header, text.data, text.length);
  wf_text_deinit(&text);
  return failed;
}

// ---- what comes out -------------------------------------------------------------------------------------------------------

static weft_status *write_program(cli *c, const weft_bytes *bundle, const library_names *names) {
  weft_bytes program;
  TRY(cli_place_payload(names ? cli_stub_library() : cli_stub_program(), bundle->data, bundle->size, &program));
  weft_status *failed = names ? cli_name_library(&program, names->function, names->library) : NULL;
  if (!failed) failed = weft_file_write_executable(c->options.output_file, program.data, program.size);
  if (!failed && names) failed = write_header(c, names);
  if (!failed && c->options.verbose) fprintf(stderr, "%s: %zu bytes, of these %zu for the network\n", c->options.output_file, program.size, bundle->size);
  free(program.data);
  return failed;
}

int cli_build(cli *c) {
  library_names names;
  weft_bytes bundle;
  if (cli_is_bundle(c->options.file)) {
    fprintf(stderr, "weft build: %s is compiled already; build from the .net that it came from\n", c->options.file);
    return EXIT_USAGE;
  }
  if (!c->options.output_file || !strcmp(c->options.output_file, "-")) {
    fprintf(stderr, "weft build: what to make? -o PROG\ntry: weft build --help\n");
    return EXIT_USAGE;
  }
  if (c->options.library && !name_library(c, &names)) return EXIT_USAGE;
  int failed = cli_bundle_make(c, !c->options.train, &bundle);
  if (failed) return failed;
  weft_status *status = write_program(c, &bundle, c->options.library ? &names : NULL);
  free(bundle.data);
  return cli_status(c, status);
}
