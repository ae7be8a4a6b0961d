#include "runtime/checkpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/json.h"
#include "runtime/memory.h"
#include "runtime/safetensors.h"
#include "runtime/session_internal.h"

static const char format_name[] = "weft checkpoint 1";

void weft_progress_deinit(weft_progress *progress) {
  json_decref(progress->user);
  free(progress->schedule_hash);
  *progress = (weft_progress){0};
}

// ---- saving -------------------------------------------------------------------------------------------------------

static bool set_text(json_t *metadata, const char *key, const char *text) {
  return text && json_object_set_new(metadata, key, json_string(text)) == 0;
}

static bool set_number(json_t *metadata, const char *key, int64_t value) {
  char text[24];
  snprintf(text, sizeof text, "%lld", (long long)value);
  return set_text(metadata, key, text);
}

static bool set_user(json_t *metadata, const json_t *user) {
  char *text = json_dumps(user, JSON_COMPACT | JSON_REAL_PRECISION(17));
  bool set = set_text(metadata, "user", text);
  free(text);
  return set;
}

// False where memory ran out: half of the metadata would make a file that no run can go on from.
static bool fill_metadata(json_t *metadata, const char *hash, const weft_progress *progress) {
  return metadata && set_text(metadata, "format", format_name) && set_text(metadata, "schedule_hash", hash ? hash : "") &&
         set_number(metadata, "step", progress->step) && set_number(metadata, "epoch", progress->epoch) &&
         set_number(metadata, "position", progress->position) && set_number(metadata, "seed", progress->seed) &&
         set_number(metadata, "batch", progress->batch) && (!progress->user || set_user(metadata, progress->user));
}

weft_status *weft_checkpoint_save(weft_session *session, const char *path, const weft_progress *progress) {
  int count = weft_session_value_count(session);
  weft_named_tensor *tensors = NULL;
  TRY(weft_context(weft_session_fetch_values(session), "saving the checkpoint"));
  TRY(weft_allocate((size_t)count, sizeof *tensors, &tensors));
  for (int i = 0; i < count; i++) {
    const weft_value *value = weft_session_value(session, i);
    tensors[i] = (weft_named_tensor){value->name, value->tensor};
  }
  json_t *metadata = json_object();
  weft_status *failed = NULL;
  if (!fill_metadata(metadata, weft_session_program(session)->schedule_hash, progress)) failed = weft_fail(WEFT_ENVIRONMENT, "out of memory");
  if (!failed) failed = weft_safetensors_write(path, tensors, count, metadata);
  json_decref(metadata);
  free(tensors);
  return weft_context(failed, "saving the checkpoint");
}

// ---- misfits ------------------------------------------------------------------------------------------------------

enum { TOLD = 8 };   // misfits spelled out in a status; a report has all

typedef struct misfits { char *text; size_t size; FILE *stream; int count, limit; } misfits;

static weft_status *misfits_begin(misfits *m, int limit) {
  *m = (misfits){.limit = limit};
  m->stream = open_memstream(&m->text, &m->size);
  return m->stream ? NULL : weft_fail_errno(errno, "cannot collect what does not fit");
}

static void misfit(misfits *m, const char *name, const char *what) {
  if (m->count++ < m->limit) fprintf(m->stream, "%s'%s' %s", m->count > 1 ? "\n" : "", name, what);
}

// "is f32[3, 4] in the file, f32[4, 3] in the network"
static void shape_misfit(misfits *m, const weft_stored_tensor *stored, const weft_value *value) {
  char what[512], there[200], here[200];
  snprintf(what, sizeof what, "is %s%s in the file, %s%s in the network", wf_dtype_name(stored->dtype),
           weft_shape_text(stored->rank, stored->extents, there, sizeof there), weft_dtype_name(value->tensor.dtype),
           weft_shape_text(value->tensor.rank, value->tensor.extents, here, sizeof here));
  misfit(m, value->name, what);
}

// Takes over m; NULL where all fits.
static weft_status *misfits_status(misfits *m, const char *path) {
  fclose(m->stream);
  weft_status *status = NULL;
  for (char *at = m->text; m->count && at && (at = strchr(at, '\n'));) *at = ';';
  if (m->count > m->limit) status = weft_fail(WEFT_BAD_INPUT, "%s does not fit the network: %s; and %d more", path, m->text, m->count - m->limit);
  else if (m->count) status = weft_fail(WEFT_BAD_INPUT, "%s does not fit the network: %s", path, m->text);
  free(m->text);
  return status;
}

// ---- fitting ------------------------------------------------------------------------------------------------------

static bool same_shape(const weft_stored_tensor *stored, const weft_tensor *tensor) {
  return stored->rank == tensor->rank && memcmp(stored->extents, tensor->extents, (size_t)stored->rank * sizeof *stored->extents) == 0;
}

static bool same_type(wf_dtype stored, weft_dtype dtype) {
  return (int)stored == (int)dtype || (stored == WF_F32 && dtype == WEFT_TF32);
}

static bool convertible(const weft_stored_tensor *stored, const weft_tensor *tensor) {
  return same_shape(stored, tensor) &&
         (same_type(stored->dtype, tensor->dtype) || (wf_dtype_is_float(stored->dtype) && wf_dtype_is_float((wf_dtype)tensor->dtype)));
}

static weft_status *read_value(const weft_safetensors *file, const weft_stored_tensor *stored, weft_tensor *tensor) {
  if (same_type(stored->dtype, tensor->dtype)) return weft_safetensors_read(file, stored, tensor->data);
  void *raw = NULL;
  TRY(weft_allocate_aligned((size_t)stored->bytes, &raw));
  weft_status *failed = weft_safetensors_read(file, stored, raw);
  int64_t count = failed ? 0 : weft_tensor_elements(tensor);
  for (int64_t i = 0; i < count; i++) wf_store_element((wf_dtype)tensor->dtype, tensor->data, i, wf_load_element(stored->dtype, raw, i));
  free(raw);
  return failed;
}

typedef enum demand { ALL_EXACTLY, PARAMETERS, WHAT_FITS } demand;

// Finds the file's tensor of each value (NULL where it is not to be read) and collects what does not fit.
static void match_values(weft_session *session, const weft_safetensors *file, demand demand, const weft_stored_tensor **sources, misfits *m) {
  for (int i = 0; i < weft_session_value_count(session); i++) {
    const weft_value *value = weft_session_value(session, i);
    const weft_stored_tensor *stored = weft_safetensors_find(file, value->name);
    bool needed = demand == ALL_EXACTLY || !value->state || (demand == PARAMETERS && value->infers);
    if (!stored && needed) misfit(m, value->name, "is not in the file");
    else if (stored && !convertible(stored, &value->tensor)) shape_misfit(m, stored, value);
    else if (stored && demand == ALL_EXACTLY && !same_type(stored->dtype, value->tensor.dtype)) shape_misfit(m, stored, value);
    else sources[i] = stored;
  }
  for (int i = 0; i < file->count && demand != PARAMETERS; i++)
    if (!weft_session_find_value(session, file->tensors[i].name)) misfit(m, file->tensors[i].name, "is not in the network");
}

static weft_status *read_values(weft_session *session, const weft_safetensors *file, const weft_stored_tensor *const *sources, int *out_count) {
  for (int i = 0; i < weft_session_value_count(session); i++) {
    if (!sources[i]) continue;
    weft_value *value = weft_session_value(session, i);
    TRY(read_value(file, sources[i], &value->tensor));
    TRY(weft_session_store_value(session, value));
    ++*out_count;
  }
  return NULL;
}

// Reads values from an open file. report NULL: what does not fit is a failure; else it is written there.
static weft_status *load_values(weft_session *session, const char *path, const weft_safetensors *file, demand demand, char **report) {
  const weft_stored_tensor **sources = NULL;
  misfits m;
  int count = 0;
  TRY(weft_allocate((size_t)weft_session_value_count(session), sizeof *sources, &sources));
  weft_status *failed = misfits_begin(&m, report ? INT32_MAX : TOLD);
  if (!failed) {
    match_values(session, file, demand, sources, &m);
    if (report) {
      fclose(m.stream);
      *report = m.text;
    } else failed = misfits_status(&m, path);
  }
  if (!failed) failed = read_values(session, file, sources, &count);
  if (!failed && report && count == 0) failed = weft_fail(WEFT_BAD_INPUT, "%s: no tensor fits the network by name and shape", path);
  free(sources);
  return failed;
}

static weft_status *load_from(weft_session *session, const char *path, demand demand, char **report) {
  weft_safetensors file;
  TRY(weft_safetensors_open(path, &file));
  weft_status *failed = load_values(session, path, &file, demand, report);
  weft_safetensors_close(&file);
  return failed;
}

weft_status *weft_weights_load(weft_session *session, const char *path) { return load_from(session, path, PARAMETERS, NULL); }

weft_status *weft_weights_load_memory(weft_session *session, const char *name, const void *data, size_t size) {
  weft_safetensors file;
  TRY(weft_safetensors_open_memory(name, data, size, &file));
  weft_status *failed = load_values(session, name, &file, PARAMETERS, NULL);
  weft_safetensors_close(&file);
  return failed;
}

weft_status *weft_weights_init(weft_session *session, const char *path, char **out_report) {
  *out_report = NULL;
  weft_status *failed = load_from(session, path, WHAT_FITS, out_report);
  if (failed) {
    free(*out_report);
    *out_report = NULL;
  }
  return failed;
}

// ---- resuming -----------------------------------------------------------------------------------------------------

static weft_status *get_number(const weft_safetensors *file, const char *key, int64_t *out) {
  const char *text = json_string_value(json_object_get(file->metadata, key));
  char *end = NULL;
  errno = 0;
  *out = text ? strtoll(text, &end, 10) : 0;
  if (text && end != text && !*end && errno == 0) return NULL;
  return weft_fail(WEFT_BAD_INPUT, "%s: no %s in its metadata", file->file.path, key);
}

static weft_status *get_progress(const weft_safetensors *file, weft_progress *out) {
  const char *format = json_string_value(json_object_get(file->metadata, "format"));
  const char *hash = json_string_value(json_object_get(file->metadata, "schedule_hash"));
  const char *user = json_string_value(json_object_get(file->metadata, "user"));
  if (!format || strcmp(format, format_name) != 0)
    return weft_fail(WEFT_BAD_INPUT, "%s: weights, but no checkpoint of a training run; start from it with --init", file->file.path);
  TRY(get_number(file, "step", &out->step));
  TRY(get_number(file, "epoch", &out->epoch));
  TRY(get_number(file, "position", &out->position));
  TRY(get_number(file, "seed", &out->seed));
  TRY(get_number(file, "batch", &out->batch));
  if (out->step < 0 || out->epoch < 0 || out->position < 0) return weft_fail(WEFT_BAD_INPUT, "%s: a negative step, epoch or position", file->file.path);
  TRY(weft_copy_text(hash ? hash : "", &out->schedule_hash));
  if (!user) return NULL;
  return weft_context(weft_json_parse(user, strlen(user), "'user' in its metadata", 0, &out->user), "%s", file->file.path);
}

weft_status *weft_checkpoint_load(weft_session *session, const char *path, weft_progress *out) {
  *out = (weft_progress){0};
  weft_safetensors file;
  TRY(weft_safetensors_open(path, &file));
  weft_status *failed = get_progress(&file, out);
  if (!failed) failed = load_values(session, path, &file, ALL_EXACTLY, NULL);
  weft_safetensors_close(&file);
  if (failed) weft_progress_deinit(out);
  return failed;
}
