// Curves and pictures as text.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/memory.h"
#include "runtime/plot.h"

// ---- curves: a character holds 2x4 dots ---------------------------------------------------------------------------

enum { MOST_COLUMNS = 400, MOST_ROWS = 100 };
static const int colours[] = {36, 33, 32, 35, 34, 31};   // ANSI foregrounds
enum { COLOURS = sizeof colours / sizeof *colours };

typedef struct dots {
  int columns, rows;
  uint8_t cells[MOST_ROWS][MOST_COLUMNS];    // bits as in Unicode's braille block
  uint8_t owners[MOST_ROWS][MOST_COLUMNS];   // 1 + the series that drew last
} dots;

static void set_dot(dots *d, int x, int y, int series) {
  static const uint8_t bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
  if (x < 0 || y < 0 || x >= d->columns * 2 || y >= d->rows * 4) return;
  d->cells[y / 4][x / 2] |= bits[y % 4][x % 2];
  d->owners[y / 4][x / 2] = (uint8_t)(series % COLOURS + 1);
}

static void draw_series(dots *d, const weft_series *series, int number, const weft_scale *sx, const weft_scale *sy) {
  bool open = false;
  double last_x = 0, last_y = 0;
  for (int i = 0; i < series->count; i++) {
    bool finite = isfinite(series->x[i]) && isfinite(series->y[i]);
    double x = (series->x[i] - sx->low) / (sx->high - sx->low) * (d->columns * 2 - 1);
    double y = (sy->high - series->y[i]) / (sy->high - sy->low) * (d->rows * 4 - 1);
    int steps = finite && open ? (int)ceil(fmax(fabs(x - last_x), fabs(y - last_y))) : 0;
    for (int s = 0; s <= steps && finite; s++) {
      double part = steps ? (double)s / steps : 1;
      set_dot(d, (int)lround(open ? last_x + (x - last_x) * part : x), (int)lround(open ? last_y + (y - last_y) * part : y), number);
    }
    open = finite;
    last_x = x;
    last_y = y;
  }
}

static void print_cell(FILE *stream, uint8_t bits, uint8_t owner, bool colour) {
  unsigned code = 0x2800u + bits;
  if (!bits) {
    fputc(' ', stream);
    return;
  }
  if (colour) fprintf(stream, "\x1b[%dm", colours[owner - 1]);
  fprintf(stream, "%c%c%c", (int)(0xE0 | code >> 12), (int)(0x80 | (code >> 6 & 0x3F)), (int)(0x80 | (code & 0x3F)));
  if (colour) fputs("\x1b[0m", stream);
}

static void print_legend(FILE *stream, const weft_chart *chart, int margin, bool colour) {
  fprintf(stream, "%*s %s", margin, "", chart->title ? chart->title : "");
  for (int s = 0; s < chart->series_count; s++) {
    if (!chart->series[s].name) continue;
    if (colour) fprintf(stream, "   \x1b[%dm%s\x1b[0m", colours[s % COLOURS], chart->series[s].name);
    else fprintf(stream, "   %s", chart->series[s].name);
  }
  fputc('\n', stream);
}

static int clamp(int value, int low, int high) { return value < low ? low : value > high ? high : value; }

void weft_chart_print(FILE *stream, const weft_chart *chart, int columns, int rows, bool colour) {
  char low[32], high[32];
  weft_scale sx = weft_chart_scale(chart, 0, 6), sy = weft_chart_scale(chart, 1, 10);
  int high_width = (int)strlen(weft_scale_label(&sy, sy.high, high)), low_width = (int)strlen(weft_scale_label(&sy, sy.low, low));
  int margin = high_width > low_width ? high_width : low_width;
  dots *d = calloc(1, sizeof *d);
  if (!d) return;   // a curve that is not drawn stops nothing
  d->columns = clamp(columns - margin - 1, 10, MOST_COLUMNS);
  d->rows = clamp(rows - 2, 2, MOST_ROWS);
  for (int s = chart->series_count - 1; s >= 0; s--) draw_series(d, &chart->series[s], s, &sx, &sy);
  print_legend(stream, chart, margin, colour);
  for (int row = 0; row < d->rows; row++) {
    fprintf(stream, "%*s|", margin, row == 0 ? high : row == d->rows - 1 ? low : "");
    for (int column = 0; column < d->columns; column++) print_cell(stream, d->cells[row][column], d->owners[row][column], colour);
    fputc('\n', stream);
  }
  weft_scale_label(&sx, sx.low, low);
  weft_scale_label(&sx, sx.high, high);
  const char *label = chart->x_label ? chart->x_label : "";
  int room = d->columns - (int)strlen(low) - (int)strlen(high) - (int)strlen(label);
  fprintf(stream, "%*s %s%*s%s%*s%s\n", margin, "", low, room > 1 ? room / 2 : 1, "", label, room > 1 ? room - room / 2 : 1, "", high);
  free(d);
}

// ---- pictures -----------------------------------------------------------------------------------------------------

int weft_picture_lines(const weft_image *image) { return (image->height + 1) / 2; }

static void pixel_at(const weft_image *image, int x, int y, int rgb[3]) {
  for (int c = 0; c < 3; c++) {
    int plane = image->channels == 3 ? c : 0;
    rgb[c] = y < image->height ? image->pixels[((size_t)plane * (size_t)image->height + (size_t)y) * (size_t)image->width + (size_t)x] : 0;
  }
}

static int brightness(const int rgb[3]) { return (299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2]) / 1000; }

void weft_picture_print_line(FILE *stream, const weft_image *image, int line, bool colour) {
  static const char ramp[] = " .:-=+*#%@";
  for (int x = 0; x < image->width; x++) {
    int top[3], bottom[3];
    pixel_at(image, x, 2 * line, top);
    pixel_at(image, x, 2 * line + 1, bottom);
    if (colour)
      fprintf(stream, "\x1b[38;2;%d;%d;%dm\x1b[48;2;%d;%d;%dm\xe2\x96\x80", top[0], top[1], top[2], bottom[0], bottom[1], bottom[2]);
    else fputc(ramp[(brightness(top) + brightness(bottom)) * 10 / 512], stream);
  }
  if (colour) fputs("\x1b[0m", stream);
}

weft_status *weft_picture_print(FILE *stream, const weft_image *image, int columns, bool colour) {
  weft_image shrunk = {0};
  if (image->width > columns && columns > 0) {
    int height = (int)((int64_t)image->height * columns / image->width);
    TRY(weft_image_resize(image, height > 0 ? height : 1, columns, &shrunk));
    image = &shrunk;
  }
  for (int line = 0; line < weft_picture_lines(image); line++) {
    weft_picture_print_line(stream, image, line, colour);
    fputc('\n', stream);
  }
  weft_image_deinit(&shrunk);
  return NULL;
}
