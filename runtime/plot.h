// Curves as a PNG file and as dots in a terminal; pictures in a terminal.
#ifndef WEFT_RUNTIME_PLOT_H
#define WEFT_RUNTIME_PLOT_H
#include <stdio.h>
#include "runtime/data/image.h"

typedef struct weft_series {
  const char *name;
  const double *x, *y;   // x ascending; points that are not finite interrupt the line
  int count;
} weft_series;

typedef struct weft_chart {
  const char *title;     // "loss"
  const char *x_label;   // "step"
  const weft_series *series;
  int series_count;
} weft_chart;

// The charts one below the other, `width` x `height` pixels each.
weft_status *weft_charts_write_png(const char *path, const weft_chart *charts, int chart_count, int width, int height);

// columns x rows characters in all, with the range of y at the left and of x below. Braille dots; colour: by ANSI codes.
void weft_chart_print(FILE *stream, const weft_chart *chart, int columns, int rows, bool colour);

// Lines of text that a picture takes, at one column a pixel.
int weft_picture_lines(const weft_image *image);
// One of them, without the line's end, so that pictures can stand side by side. colour: two pixels a character by half
// blocks in 24-bit colour; else one of ten characters by brightness.
void weft_picture_print_line(FILE *stream, const weft_image *image, int line, bool colour);
// The whole picture, shrunk to `columns` where it is wider.
weft_status *weft_picture_print(FILE *stream, const weft_image *image, int columns, bool colour);

// ---- scales, shared by both drawings --------------------------------------------------------------------------------

typedef struct weft_scale { double low, high, tick; } weft_scale;   // of an axis; ticks at multiples of tick
// The range of a chart's finite points along x (axis 0) or y (axis 1), widened to ticks where asked; 0 to 1 without any.
weft_scale weft_chart_scale(const weft_chart *chart, int axis, int ticks);
// A tick's label with as many digits as the scale needs; returns `text`.
const char *weft_scale_label(const weft_scale *scale, double value, char text[32]);

#endif
