// Finds data files by name.
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "runtime/data/dataset.h"
#include "runtime/memory.h"

static const char system_folder[] = "/usr/share/datasets";

// What a person without the data has to do, by a part of the file's name.
static const struct { const char *part, *advice; } advices[] = {
    {"-ubyte", "Fashion-MNIST is the Debian package dataset-fashion-mnist (apt install dataset-fashion-mnist)"},
    {"cifar", "CIFAR-10: download the binary version from https://www.cs.toronto.edu/~kriz/cifar.html, unpack it, and name the "
              "folder that holds cifar-10-batches-bin with --data or WEFT_DATA"},
};

typedef struct search {
  const char *name;
  char *found, *places;   // places: what was looked through, for the message
  int hits;               // in sub-folders of system_folder
} search;

static weft_status *add_place(search *search, const char *folder) {
  char *places = NULL;
  TRY(weft_format_text(&places, "%s%s%s", search->places ? search->places : "", search->places ? ", " : "", folder));
  free(search->places);
  search->places = places;
  return NULL;
}

// Sets found where folder has the name, plain or with .gz.
static weft_status *try_folder(search *search, const char *folder) {
  static const char *const endings[] = {"", ".gz"};
  for (int i = 0; i < 2 && !search->found; i++) {
    char *path = NULL;
    TRY(weft_format_text(&path, "%s%s%s%s", folder, *folder ? "/" : "", search->name, endings[i]));
    if (access(path, F_OK) == 0) search->found = path;
    else free(path);
  }
  return NULL;
}

// /usr/share/datasets and its sub-folders. The same name in two sub-folders (MNIST and Fashion-MNIST) is not guessed at.
static weft_status *try_system(search *search) {
  TRY(add_place(search, "/usr/share/datasets and its sub-folders"));
  TRY(try_folder(search, system_folder));
  if (search->found) return NULL;
  struct dirent **entries = NULL;
  int count = scandir(system_folder, &entries, NULL, alphasort);
  weft_status *failed = NULL;
  char *first = NULL;
  for (int i = 0; i < count; i++) {
    char *folder = NULL;
    if (!failed && entries[i]->d_name[0] != '.') failed = weft_format_text(&folder, "%s/%s", system_folder, entries[i]->d_name);
    if (!failed && folder) failed = try_folder(search, folder);
    if (!failed && search->found && first)
      failed = weft_fail(WEFT_BAD_INPUT, "%s is both %s and %s; write the folder before the name", search->name, first, search->found);
    if (search->found && !first) {
      first = search->found;
      search->found = NULL;
    }
    free(folder);
    free(entries[i]);
  }
  free(entries);
  if (failed) free(first);
  else search->found = first;
  return failed;
}

static weft_status *try_places(search *search, const weft_data_paths *paths) {
  const char *environment = getenv("WEFT_DATA");
  const char *folders[] = {paths->data_folder, paths->net_folder, environment};
  for (size_t i = 0; i < sizeof folders / sizeof *folders && !search->found; i++) {
    if (!folders[i]) continue;
    TRY(add_place(search, *folders[i] ? folders[i] : "."));
    TRY(try_folder(search, folders[i]));
  }
  return search->found ? NULL : try_system(search);
}

static weft_status *not_found(const search *search, const char *places) {
  const char *advice = "put it there, or name its folder with --data DIR or WEFT_DATA";
  for (size_t i = 0; i < sizeof advices / sizeof *advices; i++)
    if (strstr(search->name, advices[i].part)) advice = advices[i].advice;
  return weft_fail(WEFT_ENVIRONMENT, "'%s' was not found; looked in %s; %s", search->name, places, advice);
}

weft_status *weft_data_locate(const weft_data_paths *paths, const char *name, char **out) {
  *out = NULL;
  search search = {.name = name};
  weft_status *failed;
  if (name[0] == '/') {
    failed = try_folder(&search, "");
    if (!failed && !search.found) failed = not_found(&search, "that place alone (it is absolute)");
  } else {
    failed = try_places(&search, paths);
    if (!failed && !search.found) failed = not_found(&search, search.places);
  }
  free(search.places);
  if (failed) free(search.found);
  else *out = search.found;
  return failed;
}
