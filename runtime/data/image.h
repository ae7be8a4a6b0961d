// Single pictures: PNG and JPEG in, planes of u8 out.
#ifndef WEFT_RUNTIME_IMAGE_H
#define WEFT_RUNTIME_IMAGE_H
#include <stdint.h>
#include "runtime/status.h"

typedef struct weft_image { int channels, height, width; uint8_t *pixels; } weft_image;   // [channels][height][width], heap

// Decides by the first bytes, not by the name. channels 1 (grey) or 3 (red, green, blue); transparency is put over black.
weft_status *weft_image_read(const char *path, int channels, weft_image *out);
// Bilinear with half-pixel centres; borders are clamped.
weft_status *weft_image_resize(const weft_image *image, int height, int width, weft_image *out);
void weft_image_deinit(weft_image *image);

#endif
