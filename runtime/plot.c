// Charts as PNG: drawn at twice the size, then each 2x2 block is averaged, which smooths the lines.
#include "runtime/plot.h"

#include <ctype.h>
#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/file.h"
#include "runtime/memory.h"

enum { OVER = 2, GLYPH = 2 * OVER, ADVANCE = 4 * GLYPH, LEFT = 64 * OVER, RIGHT = 16 * OVER, TOP = 28 * OVER, BOTTOM = 36 * OVER };

typedef struct canvas { uint8_t *pixels; int width, height; } canvas;   // red, green, blue
typedef struct colour { uint8_t red, green, blue; } colour;

static const colour black = {40, 40, 40}, grey = {225, 225, 225};
static const colour palette[] = {{31, 119, 180}, {214, 96, 20}, {44, 140, 60}, {180, 40, 60}, {120, 80, 170}, {110, 110, 110}};
enum { PALETTE = sizeof palette / sizeof *palette };

// Glyphs of 3x5 dots, a row an octal digit from the top; letters have one form.
typedef struct glyph { char character; uint16_t rows; } glyph;
static const glyph font[] = {
    {'0', 075557}, {'1', 026227}, {'2', 071747}, {'3', 071717}, {'4', 055711}, {'5', 074717}, {'6', 074757}, {'7', 071122}, {'8', 075757},
    {'9', 075717}, {'a', 025755}, {'b', 065656}, {'c', 034443}, {'d', 065556}, {'e', 074647}, {'f', 074644}, {'g', 034553}, {'h', 055755},
    {'i', 072227}, {'j', 011152}, {'k', 055655}, {'l', 044447}, {'m', 057755}, {'n', 065555}, {'o', 025552}, {'p', 065644}, {'q', 025573},
    {'r', 065655}, {'s', 034216}, {'t', 072222}, {'u', 055557}, {'v', 055552}, {'w', 055775}, {'x', 055255}, {'y', 055222}, {'z', 071247},
    {'.', 000002}, {'-', 000700}, {'+', 002720}, {'_', 000007}, {'/', 011244}, {':', 002020}, {'(', 012221}, {')', 042224}, {'%', 051245},
    {',', 000024}, {'=', 007070}};

static void fill(canvas *c, int x, int y, int width, int height, colour ink) {
  for (int row = y < 0 ? 0 : y; row < y + height && row < c->height; row++)
    for (int column = x < 0 ? 0 : x; column < x + width && column < c->width; column++) {
      uint8_t *pixel = c->pixels + ((size_t)row * (size_t)c->width + (size_t)column) * 3;
      pixel[0] = ink.red;
      pixel[1] = ink.green;
      pixel[2] = ink.blue;
    }
}

static void write_text(canvas *c, int x, int y, const char *text, colour ink) {
  for (; *text; text++, x += ADVANCE)
    for (size_t g = 0; g < sizeof font / sizeof *font; g++) {
      if (font[g].character != tolower((unsigned char)*text)) continue;
      for (int bit = 0; bit < 15; bit++)
        if (font[g].rows >> (14 - bit) & 1) fill(c, x + bit % 3 * GLYPH, y + bit / 3 * GLYPH, GLYPH, GLYPH, ink);
    }
}

static int text_width(const char *text) { return (int)strlen(text) * ADVANCE - GLYPH; }

// A line two pixels wide, by steps of at most one dot.
static void draw_line(canvas *c, double x0, double y0, double x1, double y1, colour ink) {
  int steps = (int)ceil(fmax(fabs(x1 - x0), fabs(y1 - y0)));
  for (int i = 0; i <= steps; i++) {
    double part = steps ? (double)i / steps : 0;
    fill(c, (int)lround(x0 + (x1 - x0) * part) - OVER / 2, (int)lround(y0 + (y1 - y0) * part) - OVER / 2, 3 * OVER / 2, 3 * OVER / 2, ink);
  }
}

typedef struct frame { int left, top, width, height; weft_scale x, y; } frame;   // the plot's rectangle on the canvas

static double place_x(const frame *f, double x) { return f->left + (x - f->x.low) / (f->x.high - f->x.low) * f->width; }
static double place_y(const frame *f, double y) { return f->top + (f->y.high - y) / (f->y.high - f->y.low) * f->height; }

static void draw_axes(canvas *c, const frame *f, const weft_chart *chart) {
  char text[32];
  for (double tick = ceil(f->x.low / f->x.tick - 1e-9) * f->x.tick; tick <= f->x.high + f->x.tick * 1e-9; tick += f->x.tick) {
    int x = (int)lround(place_x(f, tick));
    fill(c, x, f->top, OVER / 2, f->height, grey);
    weft_scale_label(&f->x, tick, text);
    write_text(c, x - text_width(text) / 2, f->top + f->height + 6 * OVER, text, black);
  }
  for (double tick = f->y.low; tick <= f->y.high + f->y.tick * 1e-9; tick += f->y.tick) {
    int y = (int)lround(place_y(f, tick));
    fill(c, f->left, y, f->width, OVER / 2, grey);
    weft_scale_label(&f->y, tick, text);
    write_text(c, f->left - text_width(text) - 6 * OVER, y - 5 * GLYPH / 2, text, black);
  }
  fill(c, f->left, f->top, OVER, f->height, black);
  fill(c, f->left, f->top + f->height, f->width, OVER, black);
  write_text(c, f->left, f->top - 18 * OVER, chart->title ? chart->title : "", black);
  const char *label = chart->x_label ? chart->x_label : "";
  write_text(c, f->left + (f->width - text_width(label)) / 2, f->top + f->height + 21 * OVER, label, black);
}

static void draw_series(canvas *c, const frame *f, const weft_series *series, colour ink) {
  bool open = false;
  double last_x = 0, last_y = 0;
  for (int i = 0; i < series->count; i++) {
    bool finite = isfinite(series->x[i]) && isfinite(series->y[i]);
    double x = finite ? place_x(f, series->x[i]) : 0, y = finite ? place_y(f, series->y[i]) : 0;
    if (finite) draw_line(c, open ? last_x : x, open ? last_y : y, x, y, ink);
    open = finite;
    last_x = x;
    last_y = y;
  }
}

static void draw_chart(canvas *c, const weft_chart *chart, int top, int height) {
  frame f = {LEFT, top + TOP, c->width - LEFT - RIGHT, height - TOP - BOTTOM, weft_chart_scale(chart, 0, 6), weft_chart_scale(chart, 1, 5)};
  draw_axes(c, &f, chart);
  int legend = f.left + f.width;
  for (int s = chart->series_count - 1; s >= 0; s--) {   // the first series on top
    colour ink = palette[s % PALETTE];
    draw_series(c, &f, &chart->series[s], ink);
    if (!chart->series[s].name) continue;
    legend -= text_width(chart->series[s].name) + 4 * ADVANCE;
    fill(c, legend, f.top - 14 * OVER, 2 * ADVANCE, 2 * OVER, ink);
    write_text(c, legend + 5 * ADVANCE / 2, f.top - 18 * OVER, chart->series[s].name, ink);
  }
}

static void average_blocks(const canvas *from, canvas *to) {
  for (int y = 0; y < to->height; y++)
    for (int x = 0; x < to->width; x++)
      for (int channel = 0; channel < 3; channel++) {
        int sum = OVER * OVER / 2;
        for (int i = 0; i < OVER * OVER; i++)
          sum += from->pixels[(((size_t)y * OVER + (size_t)(i / OVER)) * (size_t)from->width + (size_t)x * OVER + (size_t)(i % OVER)) * 3 + (size_t)channel];
        to->pixels[((size_t)y * (size_t)to->width + (size_t)x) * 3 + (size_t)channel] = (uint8_t)(sum / (OVER * OVER));
      }
}

static weft_status *write_png(const char *path, const canvas *c) {
  png_image png = {.version = PNG_IMAGE_VERSION, .width = (unsigned)c->width, .height = (unsigned)c->height, .format = PNG_FORMAT_RGB};
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
  uint8_t *bytes = NULL;
  TRY(weft_allocate(size, 1, &bytes));
  weft_status *failed = NULL;
  if (!png_image_write_to_memory(&png, bytes, &size, 0, c->pixels, 0, NULL)) failed = weft_fail(WEFT_ENVIRONMENT, "%s: %s", path, png.message);
  if (!failed) failed = weft_file_write(path, bytes, size);
  free(bytes);
  return failed;
}

weft_status *weft_charts_write_png(const char *path, const weft_chart *charts, int chart_count, int width, int height) {
  if (width < 160 || height < 100 || width > 8192 || height > 8192 || chart_count < 1 || chart_count > 16)
    return weft_fail(WEFT_BAD_INPUT, "%s: a chart takes 160 x 100 to 8192 x 8192 pixels, and a file 1 to 16 charts", path);
  canvas small = {NULL, width, height * chart_count}, large = {NULL, width * OVER, height * chart_count * OVER};
  TRY(weft_allocate((size_t)small.width * (size_t)small.height, 3, &small.pixels));
  weft_status *failed = weft_allocate((size_t)large.width * (size_t)large.height, 3, &large.pixels);
  if (!failed) {
    memset(large.pixels, 255, (size_t)large.width * (size_t)large.height * 3);
    for (int i = 0; i < chart_count; i++) draw_chart(&large, &charts[i], i * height * OVER, height * OVER);
    average_blocks(&large, &small);
    failed = write_png(path, &small);
  }
  free(small.pixels);
  free(large.pixels);
  return failed;
}
