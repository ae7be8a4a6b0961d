// Runs ptxas on a temporary file and reads what `-v` prints.
#include "codegen/ptxas.h"
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

// ---- where it is --------------------------------------------------------------------------------------------------------
static const char *in_folder(wf_arena *arena, const char *folder, size_t length) {
  const char *path = wf_arena_printf(arena, "%.*s/ptxas", (int)length, folder);
  return length && access(path, X_OK) == 0 ? path : NULL;
}

const char *wf_ptxas_find(wf_arena *arena) {
  const char *given = getenv("WEFT_PTXAS"), *home = getenv("CUDA_HOME"), *found = NULL;
  if (given) return access(given, X_OK) == 0 ? wf_arena_strdup(arena, given) : NULL;
  for (const char *at = getenv("PATH"); at && *at && !found;) {
    size_t length = strcspn(at, ":");
    found = in_folder(arena, at, length);
    at += length + (at[length] == ':');
  }
  const char *bin = home ? wf_arena_printf(arena, "%s/bin", home) : "";
  if (!found) found = in_folder(arena, bin, strlen(bin));
  static const char usual[] = "/usr/local/cuda/bin";
  return found ? found : in_folder(arena, usual, sizeof usual - 1);
}

// ---- files --------------------------------------------------------------------------------------------------------------
typedef struct workplace { char folder[4096]; const char *ptx, *cubin, *log; } workplace;

static bool fail(wf_diag *diag, const char *what, const char *path, int error) {
  wf_error(diag, WF_NOWHERE, "ptxas: cannot %s %s: %s", what, path, strerror(error));
  return false;
}

static bool open_workplace(wf_arena *arena, wf_diag *diag, workplace *w) {
  const char *temporary = getenv("TMPDIR");
  snprintf(w->folder, sizeof w->folder, "%s/weft-ptxas-XXXXXX", temporary && *temporary ? temporary : "/tmp");
  if (!mkdtemp(w->folder)) return fail(diag, "make the folder", w->folder, errno);
  w->ptx = wf_arena_printf(arena, "%s/kernels.ptx", w->folder);
  w->cubin = wf_arena_printf(arena, "%s/kernels.cubin", w->folder);
  w->log = wf_arena_printf(arena, "%s/log", w->folder);
  return true;
}

static void close_workplace(const workplace *w) {
  unlink(w->ptx);
  unlink(w->cubin);
  unlink(w->log);
  rmdir(w->folder);
}

static bool write_file(wf_diag *diag, const char *path, const wf_code *code) {
  FILE *file = fopen(path, "wb");
  bool good = file && fwrite(code->bytes, 1, code->size, file) == code->size;
  int error = errno;
  if (file && fclose(file) && good) good = false, error = errno;
  return good || fail(diag, "write", path, error);
}

static bool read_file(wf_arena *arena, const char *path, wf_code *out) {
  FILE *file = fopen(path, "rb");
  long size = -1;
  if (file && fseek(file, 0, SEEK_END) == 0) size = ftell(file);
  if (size < 0 || fseek(file, 0, SEEK_SET)) {
    if (file) fclose(file);
    return false;
  }
  *out = (wf_code){wf_arena_alloc(arena, (size_t)size + 1), (size_t)size};
  bool good = fread(out->bytes, 1, out->size, file) == out->size;
  fclose(file);
  return good;
}

// ---- running ------------------------------------------------------------------------------------------------------------
// The exit status; -1 with errno where it could not be started.
static int run(char *const *arguments, const char *log) {
  posix_spawn_file_actions_t files;
  pid_t child;
  int status = 0;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  int error = posix_spawn(&child, arguments[0], &files, NULL, arguments, environ);
  posix_spawn_file_actions_destroy(&files);
  if (error) return errno = error, -1;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

// ---- reading ------------------------------------------------------------------------------------------------------------
static int number_before(const char *line, const char *what) {
  const char *at = strstr(line, what);
  while (at && at > line && at[-1] == ' ') at--;
  while (at && at > line && at[-1] >= '0' && at[-1] <= '9') at--;
  return at ? atoi(at) : 0;
}

static const char *quoted(wf_arena *arena, const char *line) {
  const char *from = strchr(line, '\''), *to = from ? strchr(from + 1, '\'') : NULL;
  return to ? wf_arena_strndup(arena, from + 1, (size_t)(to - from - 1)) : "";
}

static int count_entries(const char *log) {
  int count = 0;
  for (const char *at = log; (at = strstr(at, "Compiling entry function")); at++) count++;
  return count;
}

static void read_line(wf_arena *arena, const char *line, wf_ptxas_report *report, wf_text *warnings) {
  if (strstr(line, "Compiling entry function")) report->kernels[report->count++].entry = quoted(arena, line);
  if (strstr(line, "(C7") || strstr(line, "warning")) wf_text_printf(warnings, "%s\n", line);
  wf_ptxas_kernel *kernel = report->count ? &report->kernels[report->count - 1] : NULL;
  if (!kernel) return;
  if (strstr(line, "bytes stack frame")) {
    kernel->stack_bytes = number_before(line, " bytes stack frame");
    kernel->spill_stores = number_before(line, " bytes spill stores");
    kernel->spill_loads = number_before(line, " bytes spill loads");
  }
  if (!strstr(line, "Used ")) return;
  kernel->registers = number_before(line, " registers");
  kernel->shared_bytes = number_before(line, " bytes smem");
}

static void read_log(wf_arena *arena, const char *log, wf_ptxas_report *report) {
  wf_text warnings;
  wf_text_init(&warnings);
  report->kernels = WF_NEW_ARRAY(arena, wf_ptxas_kernel, count_entries(log));
  for (const char *at = log; *at;) {
    size_t length = strcspn(at, "\n");
    read_line(arena, wf_arena_strndup(arena, at, length), report, &warnings);
    at += length + (at[length] == '\n');
  }
  report->warnings = wf_arena_strndup(arena, warnings.data ? warnings.data : "", warnings.length);
  wf_text_deinit(&warnings);
}

static bool assemble(wf_arena *arena, wf_diag *diag, const workplace *w, const char *ptxas, const char *level, wf_code *out_cubin, wf_ptxas_report *report) {
  char *architecture = wf_arena_printf(arena, "-arch=%s", level);
  char *arguments[] = {(char *)ptxas, "-v", architecture, (char *)w->ptx, "-o", (char *)w->cubin, NULL};
  wf_code log = {0};
  int status = run(arguments, w->log);
  if (status < 0) return fail(diag, "run", ptxas, errno);
  if (!read_file(arena, w->log, &log)) log = (wf_code){"", 0};
  if (status || !read_file(arena, w->cubin, out_cubin)) {
    wf_error(diag, WF_NOWHERE, "ptxas refuses what weft made (a bug of weft, or a ptxas too old for %s):\n%s", level, log.bytes);
    return false;
  }
  read_log(arena, log.bytes, report);
  return true;
}

bool wf_ptxas_run(wf_arena *arena, wf_diag *diag, const char *ptxas, const char *level, const wf_code *ptx, wf_code *out_cubin, wf_ptxas_report *out_report) {
  workplace w;
  *out_cubin = (wf_code){0};
  *out_report = (wf_ptxas_report){0};
  if (!open_workplace(arena, diag, &w)) return false;
  bool good = write_file(diag, w.ptx, ptx) && assemble(arena, diag, &w, ptxas, level, out_cubin, out_report);
  close_workplace(&w);
  return good;
}
