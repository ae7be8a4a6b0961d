#include "runtime/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "runtime/memory.h"

weft_status *weft_file_open(const char *path, weft_file *out) {
  *out = (weft_file){.descriptor = -1};
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return weft_fail_errno(errno, "cannot open %s", path);
  out->descriptor = descriptor;
  struct stat status;
  weft_status *failed = NULL;
  if (fstat(descriptor, &status) < 0) failed = weft_fail_errno(errno, "%s", path);
  else if (S_ISDIR(status.st_mode)) failed = weft_fail(WEFT_BAD_INPUT, "%s is a folder, not a file", path);
  else if (!S_ISREG(status.st_mode)) failed = weft_fail(WEFT_BAD_INPUT, "%s is not a regular file", path);
  if (!failed) failed = weft_copy_text(path, &out->path);
  if (failed) {
    close(descriptor);
    *out = (weft_file){.descriptor = -1};
  } else out->size = status.st_size;
  return failed;
}

weft_status *weft_file_from_memory(const char *name, const void *data, size_t size, weft_file *out) {
  *out = (weft_file){.descriptor = -1};
  TRY(weft_copy_text(name, &out->path));
  out->memory = data;
  out->size = (int64_t)size;
  return NULL;
}

static weft_status *memory_read_at(const weft_file *file, int64_t offset, void *to, size_t size) {
  if (offset < 0 || offset > file->size || size > (uint64_t)(file->size - offset))
    return weft_fail(WEFT_BAD_INPUT, "%s: byte %lld: it ends before that", file->path, (long long)offset);
  if (size) memcpy(to, file->memory + offset, size);
  return NULL;
}

void weft_file_close(weft_file *file) {
  if (file->path && file->descriptor >= 0) close(file->descriptor);
  free(file->path);
  *file = (weft_file){.descriptor = -1};
}

weft_status *weft_file_read_at(const weft_file *file, int64_t offset, void *to, size_t size) {
  if (file->memory) return memory_read_at(file, offset, to, size);
  for (size_t done = 0; done < size;) {
    ssize_t got = pread(file->descriptor, (char *)to + done, size - done, offset + (int64_t)done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return weft_fail_errno(errno, "%s: byte %lld", file->path, (long long)offset + (long long)done);
    if (got == 0)
      return weft_fail(WEFT_BAD_INPUT, "%s: byte %lld: the file ends here, %zu bytes more were expected", file->path,
                       (long long)offset + (long long)done, size - done);
    done += (size_t)got;
  }
  return NULL;
}

weft_status *weft_file_read(const char *path, size_t limit, weft_bytes *out) {
  *out = (weft_bytes){0};
  weft_file file;
  TRY(weft_file_open(path, &file));
  weft_status *failed = NULL;
  size_t size = (size_t)file.size;
  uint8_t *data = NULL;
  if (size > limit) failed = weft_fail(WEFT_BAD_INPUT, "%s: %zu bytes, over the limit of %zu", path, size, limit);
  if (!failed) failed = weft_allocate(size + 1, 1, &data);
  if (!failed) failed = weft_file_read_at(&file, 0, data, size);
  weft_file_close(&file);
  if (failed) free(data);
  else *out = (weft_bytes){data, size};
  return failed;
}

// The folder that holds path, for the fsync that makes a rename last.
static weft_status *sync_folder(const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = NULL;
  if (!slash) TRY(weft_copy_text(".", &folder));
  else TRY(weft_format_text(&folder, "%.*s", slash == path ? 1 : (int)(slash - path), path));
  int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  weft_status *failed = NULL;
  // Some file systems refuse fsync of a folder with EINVAL; the rename is as durable there as it gets.
  if (descriptor < 0 || (fsync(descriptor) < 0 && errno != EINVAL)) failed = weft_fail_errno(errno, "cannot sync %s", folder);
  if (descriptor >= 0) close(descriptor);
  free(folder);
  return failed;
}

// A new file beside path; the name holds the process, so that two writers of one path do not share it.
static weft_status *make_temporary(weft_writer *writer) {
  for (int attempt = 0; attempt < 100; attempt++) {
    TRY(weft_format_text(&writer->temporary, "%s.%ld-%d.tmp", writer->path, (long)getpid(), attempt));
    writer->descriptor = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (writer->descriptor >= 0) return NULL;
    int error = errno;
    free(writer->temporary);   // nothing was made, so there is nothing to remove
    writer->temporary = NULL;
    if (error != EEXIST) return weft_fail_errno(error, "cannot write %s", writer->path);
  }
  return weft_fail(WEFT_ENVIRONMENT, "cannot write %s: too many temporary files beside it", writer->path);
}

// Where the path leads: a link to a file stays a link, and what it leads to is replaced.
static weft_status *resolve(const char *path, char **out) {
  struct stat status;
  char *target = lstat(path, &status) == 0 && S_ISLNK(status.st_mode) ? realpath(path, NULL) : NULL;
  weft_status *failed = weft_copy_text(target ? target : path, out);
  free(target);
  return failed;
}

static bool is_special(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

// A device or a pipe (/dev/null, /dev/stdout) is written to; a file put in its place would end it.
static weft_status *open_special(const char *path, weft_writer *writer) {
  TRY(weft_copy_text(path, &writer->path));
  writer->descriptor = open(path, O_WRONLY | O_CLOEXEC);
  return writer->descriptor < 0 ? weft_fail_errno(errno, "cannot write %s", path) : NULL;
}

weft_status *weft_writer_open(const char *path, weft_writer *out) {
  *out = (weft_writer){.descriptor = -1};
  bool special = is_special(path);
  weft_status *failed = special ? open_special(path, out) : resolve(path, &out->path);
  if (!failed && !special) failed = make_temporary(out);
  if (failed) weft_writer_close(out);
  return failed;
}

weft_status *weft_writer_add(weft_writer *writer, const void *data, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t put = write(writer->descriptor, (const char *)data + done, size - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return weft_fail_errno(errno, "cannot write %s", writer->path);
    done += (size_t)put;
  }
  return NULL;
}

weft_status *weft_writer_commit(weft_writer *writer) {
  bool special = !writer->temporary;
  if (!special && fsync(writer->descriptor) < 0) return weft_fail_errno(errno, "cannot write %s", writer->path);
  int closed = close(writer->descriptor);
  writer->descriptor = -1;
  if (closed < 0) return weft_fail_errno(errno, "cannot write %s", writer->path);
  if (special) return NULL;
  if (rename(writer->temporary, writer->path) < 0) return weft_fail_errno(errno, "cannot write %s", writer->path);
  free(writer->temporary);
  writer->temporary = NULL;
  return sync_folder(writer->path);
}

void weft_writer_close(weft_writer *writer) {
  if (writer->descriptor >= 0) close(writer->descriptor);
  if (writer->temporary) unlink(writer->temporary);
  free(writer->temporary);
  free(writer->path);
  *writer = (weft_writer){.descriptor = -1};
}

static weft_status *write_file(const char *path, const void *data, size_t size, bool executable) {
  weft_writer writer;
  TRY(weft_writer_open(path, &writer));
  weft_status *failed = weft_writer_add(&writer, data, size);
  if (!failed && executable && writer.temporary && fchmod(writer.descriptor, 0755) < 0) failed = weft_fail_errno(errno, "cannot make %s executable", path);
  if (!failed) failed = weft_writer_commit(&writer);
  weft_writer_close(&writer);
  return failed;
}

weft_status *weft_file_write(const char *path, const void *data, size_t size) { return write_file(path, data, size, false); }
weft_status *weft_file_write_executable(const char *path, const void *data, size_t size) { return write_file(path, data, size, true); }
