// Curves as PNG and text, pictures as text.
#include "rt_support.h"

#include <math.h>
#include "runtime/plot.h"

enum { POINTS = 200 };
static double xs[POINTS], falling[POINTS], rising[POINTS];

static weft_chart make_chart(weft_series series[2]) {
  for (int i = 0; i < POINTS; i++) {
    xs[i] = i + 1;
    falling[i] = 2.3 * exp(-i / 40.0) + 0.2;
    rising[i] = 1 - 0.9 * exp(-i / 60.0);
  }
  series[0] = (weft_series){"train", xs, falling, POINTS};
  series[1] = (weft_series){"test", xs, rising, POINTS};
  return (weft_chart){"loss", "step", series, 2};
}

static int count_ink(const weft_image *image, int left, int top, int right, int bottom) {
  int count = 0;
  for (int y = top; y < bottom; y++)
    for (int x = left; x < right; x++) {
      uint8_t *pixel = image->pixels + (size_t)y * (size_t)image->width + (size_t)x;
      size_t plane = (size_t)image->height * (size_t)image->width;
      count += pixel[0] < 100 && pixel[plane] > 90 && pixel[2 * plane] > 140;   // the first series' blue
    }
  return count;
}

static void test_png_shows_the_curve(void **state) {
  scratch s;
  scratch_begin(&s);
  weft_series series[2];
  weft_chart chart = make_chart(series);
  const char *path = scratch_path(&s, "curve.png");
  const char *keep = getenv("WEFT_KEEP_PLOT");
  if (keep) path = keep;
  assert_ok(weft_charts_write_png(path, (weft_chart[]){chart, chart}, 2, 640, 360));
  weft_image image;
  assert_ok(weft_image_read(path, 3, &image));
  assert_true(image.width == 640 && image.height == 720);
  // The falling curve passes through the upper left and the lower right, not through the upper right.
  assert_true(count_ink(&image, 66, 30, 140, 150) > 20);
  assert_true(count_ink(&image, 500, 240, 620, 330) > 20);
  assert_int_equal(count_ink(&image, 300, 40, 620, 150), 0);
  weft_image_deinit(&image);
  assert_fails(weft_charts_write_png(path, &chart, 1, 10, 10), WEFT_BAD_INPUT, "a chart takes");
  assert_fails(weft_charts_write_png("/no/such/x.png", &chart, 1, 640, 360), WEFT_ENVIRONMENT, "/no/such/x.png");
  scratch_end(&s);
}

static void test_scales(void **state) {
  weft_series series[2];
  weft_chart chart = make_chart(series);
  weft_scale y = weft_chart_scale(&chart, 1, 5);
  char text[32];
  assert_true(y.low == 0 && fabs(y.high - 2.5) < 1e-12 && y.tick == 0.5);
  assert_string_equal(weft_scale_label(&y, 1.5, text), "1.5");
  weft_chart empty = {"none", "x", NULL, 0};
  y = weft_chart_scale(&empty, 1, 5);
  assert_true(y.low == 0 && y.high == 1);
  double bad[3] = {NAN, 7, INFINITY};
  weft_series odd = {"odd", xs, bad, 3};
  y = weft_chart_scale(&(weft_chart){"odd", "x", &odd, 1}, 1, 5);
  assert_true(y.low < 7 && y.high > 7 && isfinite(y.low) && isfinite(y.high));
}

static char *print_chart(const weft_chart *chart, bool colour) {
  char *text = NULL;
  size_t size;
  FILE *stream = open_memstream(&text, &size);
  weft_chart_print(stream, chart, 40, 8, colour);
  fclose(stream);
  return text;
}

static void test_terminal_curve(void **state) {
  weft_series series[2];
  weft_chart chart = make_chart(series);
  chart.series_count = 1;
  char *text = print_chart(&chart, false), *coloured = print_chart(&chart, true);
  int lines = 0;
  for (char *c = text; *c; c++) lines += *c == '\n';
  assert_int_equal(lines, 8);
  assert_non_null(strstr(text, "loss   train"));
  assert_non_null(strstr(text, "\n2.5|\xe2\xa0"));   // the curve starts at the upper left
  assert_null(strchr(text, '\x1b'));
  assert_non_null(strchr(coloured, '\x1b'));
  double nothing[3] = {NAN, NAN, NAN};
  weft_series bad = {"bad", xs, nothing, 3};
  free(print_chart(&(weft_chart){"bad", "x", &bad, 1}, true));
  free(text);
  free(coloured);
}

static void test_terminal_picture(void **state) {
  weft_image image = {1, 3, 2, (uint8_t[]){0, 255, 0, 255, 128, 0}};
  char *text = NULL;
  size_t size;
  FILE *stream = open_memstream(&text, &size);
  assert_ok(weft_picture_print(stream, &image, 80, false));
  fclose(stream);
  assert_string_equal(text, " @\n: \n");
  free(text);
  stream = open_memstream(&text, &size);
  weft_picture_print_line(stream, &image, 0, true);
  fclose(stream);
  assert_string_equal(text, "\x1b[38;2;0;0;0m\x1b[48;2;0;0;0m\xe2\x96\x80\x1b[38;2;255;255;255m\x1b[48;2;255;255;255m\xe2\x96\x80\x1b[0m");
  free(text);
  static uint8_t wide[3 * 10 * 200];
  stream = open_memstream(&text, &size);
  assert_ok(weft_picture_print(stream, &(weft_image){3, 10, 200, wide}, 40, false));
  fclose(stream);
  assert_int_equal(strcspn(text, "\n"), 40);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_png_shows_the_curve),
      cmocka_unit_test(test_scales),
      cmocka_unit_test(test_terminal_curve),
      cmocka_unit_test(test_terminal_picture),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
