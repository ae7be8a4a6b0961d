#include <math.h>
#include "runtime/plot.h"

// 1, 2 or 5 times a power of ten, at least `least`.
static double nice_step(double least) {
  double power = pow(10, floor(log10(least)));
  double ratio = least / power;
  return power * (ratio <= 1 ? 1 : ratio <= 2 ? 2 : ratio <= 5 ? 5 : 10);
}

weft_scale weft_chart_scale(const weft_chart *chart, int axis, int ticks) {
  double low = INFINITY, high = -INFINITY;
  for (int s = 0; s < chart->series_count; s++)
    for (int i = 0; i < chart->series[s].count; i++) {
      double x = chart->series[s].x[i], y = chart->series[s].y[i], value = axis ? y : x;
      if (!isfinite(x) || !isfinite(y)) continue;
      low = fmin(low, value);
      high = fmax(high, value);
    }
  if (!(low <= high)) low = 0, high = 1;
  if (high - low < 1e-12 * fmax(1, fabs(high))) {   // one value: some room around it
    double room = high == 0 ? 0.5 : fabs(high) * 0.1;
    low -= room;
    high += room;
  }
  weft_scale scale = {low, high, nice_step((high - low) / ticks)};
  if (axis) {   // y starts and ends on a tick; x keeps the data's range
    scale.low = floor(low / scale.tick) * scale.tick;
    scale.high = ceil(high / scale.tick) * scale.tick;
  }
  return scale;
}

const char *weft_scale_label(const weft_scale *scale, double value, char text[32]) {
  if (fabs(value) < scale->tick * 1e-6) value = 0;
  double largest = fmax(fabs(scale->low), fabs(scale->high));
  if (largest >= 1e6 || largest < 1e-3) snprintf(text, 32, "%.3g", value);
  else {
    int digits = (int)ceil(-log10(scale->tick) - 1e-9);
    snprintf(text, 32, "%.*f", digits > 0 ? digits : 0, value);
  }
  return text;
}
