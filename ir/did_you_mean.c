#include "ir/did_you_mean.h"
#include <string.h>

enum { LONGEST_NAME = 64 };

static int least(int a, int b) { return a < b ? a : b; }

// Damerau-Levenshtein distance, adjacent transpositions only (optimal string alignment).
static int distance(const char *a, int a_length, const char *b, int b_length) {
  int rows[3][LONGEST_NAME + 1];
  for (int j = 0; j <= b_length; j++) rows[0][j] = j;
  for (int i = 1; i <= a_length; i++) {
    int *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
    row[0] = i;
    for (int j = 1; j <= b_length; j++) {
      int best = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) best = least(best, two_above[j - 2] + 1);
      row[j] = best;
    }
  }
  return rows[a_length % 3][b_length];
}

const char *wf_did_you_mean(const char *name, const char *const *candidates, int count) {
  size_t length = strlen(name);
  if (length > LONGEST_NAME) return NULL;
  int limit = (int)length / 3, best = limit + 1;
  const char *found = NULL;
  for (int i = 0; i < count; i++) {
    size_t other = strlen(candidates[i]);
    if (other > LONGEST_NAME || other > length + (size_t)limit || length > other + (size_t)limit) continue;
    int d = distance(name, (int)length, candidates[i], (int)other);
    if (d < best) best = d, found = candidates[i];
  }
  return found;
}
