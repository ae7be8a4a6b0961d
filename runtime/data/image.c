#include "runtime/data/image.h"

#include <stdio.h>   // before jpeglib.h, which uses FILE
#include <jpeglib.h>
#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/file.h"
#include "runtime/memory.h"

enum { SIDE_LIMIT = 32768 };                       // pixels: a larger claim in a header is refused before memory is asked for
static const size_t picture_limit = (size_t)1 << 30;   // bytes of a picture file

void weft_image_deinit(weft_image *image) {
  free(image->pixels);
  *image = (weft_image){0};
}

static weft_status *make_image(const char *path, int channels, long height, long width, weft_image *out) {
  if (height < 1 || width < 1 || height > SIDE_LIMIT || width > SIDE_LIMIT)
    return weft_fail(WEFT_BAD_INPUT, "%s: %ld x %ld pixels; weft reads 1 to %d a side", path, width, height, SIDE_LIMIT);
  *out = (weft_image){channels, (int)height, (int)width, NULL};
  return weft_allocate((size_t)channels * (size_t)height, (size_t)width, &out->pixels);
}

// Interleaved rows to planes.
static void split_planes(const uint8_t *row, int y, weft_image *image) {
  for (int c = 0; c < image->channels; c++) {
    uint8_t *plane = image->pixels + ((size_t)c * (size_t)image->height + (size_t)y) * (size_t)image->width;
    for (int x = 0; x < image->width; x++) plane[x] = row[x * image->channels + c];
  }
}

// Interleaved red, green, blue to grey in place: Rec. 601 luma of the encoded values, as JPEG's Y and PIL's "L" are.
static void make_grey(uint8_t *row, int width) {
  for (int x = 0; x < width; x++) row[x] = (uint8_t)((299 * row[3 * x] + 587 * row[3 * x + 1] + 114 * row[3 * x + 2] + 500) / 1000);
}

// ---- PNG by libpng's simplified interface, which has no long jumps ---------------------------------------------------

static weft_status *read_png(const char *path, const weft_bytes *file, int channels, weft_image *out) {
  png_image png = {.version = PNG_IMAGE_VERSION};
  uint8_t *rows = NULL;
  weft_status *failed = NULL;
  if (!png_image_begin_read_from_memory(&png, file->data, file->size))
    return weft_fail(WEFT_BAD_INPUT, "%s: %s", path, png.message);
  png.format = PNG_FORMAT_RGB;   // libpng's own grey is of linear light
  png_color black = {0, 0, 0};
  failed = make_image(path, channels, png.height, png.width, out);
  if (!failed) failed = weft_allocate(PNG_IMAGE_SIZE(png), 1, &rows);
  if (!failed && !png_image_finish_read(&png, &black, rows, 0, NULL)) failed = weft_fail(WEFT_BAD_INPUT, "%s: %s", path, png.message);
  png_image_free(&png);
  for (int y = 0; y < out->height && !failed; y++) {
    uint8_t *row = rows + (size_t)y * PNG_IMAGE_ROW_STRIDE(png);
    if (channels == 1) make_grey(row, out->width);
    split_planes(row, y, out);
  }
  free(rows);
  return failed;
}

// ---- JPEG: libjpeg reports errors by a callback that must not return --------------------------------------------------

typedef struct jpeg_context {
  struct jpeg_error_mgr manager;
  jmp_buf escape;
  char message[JMSG_LENGTH_MAX];
} jpeg_context;

static void jpeg_failed(j_common_ptr codec) {
  jpeg_context *context = (jpeg_context *)codec->err;
  context->manager.format_message(codec, context->message);
  longjmp(context->escape, 1);
}

// Warnings (a truncated file is one) count as errors: training on half a picture helps nobody.
static void jpeg_warned(j_common_ptr codec, int level) {
  if (level < 0) jpeg_failed(codec);
}

static weft_status *read_jpeg(const char *path, const weft_bytes *file, int channels, weft_image *out) {
  struct jpeg_decompress_struct codec;
  jpeg_context context;
  uint8_t *volatile row = NULL;
  weft_status *volatile failed = NULL;
  codec.err = jpeg_std_error(&context.manager);
  context.manager.error_exit = jpeg_failed;
  context.manager.emit_message = jpeg_warned;
  if (setjmp(context.escape)) {
    jpeg_destroy_decompress(&codec);
    free(row);
    return weft_fail(WEFT_BAD_INPUT, "%s: %s", path, context.message);
  }
  jpeg_create_decompress(&codec);
  jpeg_mem_src(&codec, file->data, file->size);
  jpeg_read_header(&codec, TRUE);
  codec.out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  codec.dct_method = JDCT_ISLOW;
  jpeg_start_decompress(&codec);
  failed = make_image(path, channels, codec.output_height, codec.output_width, out);
  uint8_t *memory = NULL;
  if (!failed) failed = weft_allocate(codec.output_width, (size_t)channels, &memory);
  row = memory;
  while (!failed && codec.output_scanline < codec.output_height) {
    JSAMPROW rows[1] = {row};
    int y = (int)codec.output_scanline;
    jpeg_read_scanlines(&codec, rows, 1);
    split_planes(row, y, out);
  }
  if (!failed) jpeg_finish_decompress(&codec);
  jpeg_destroy_decompress(&codec);
  free(row);
  return failed;
}

weft_status *weft_image_read(const char *path, int channels, weft_image *out) {
  *out = (weft_image){0};
  if (channels != 1 && channels != 3) return weft_fail(WEFT_BAD_INPUT, "%s: %d channels were asked for; weft reads 1 or 3", path, channels);
  weft_bytes file;
  TRY(weft_file_read(path, picture_limit, &file));
  weft_status *failed;
  if (file.size >= 8 && memcmp(file.data, "\x89PNG\r\n\x1a\n", 8) == 0) failed = read_png(path, &file, channels, out);
  else if (file.size >= 3 && memcmp(file.data, "\xff\xd8\xff", 3) == 0) failed = read_jpeg(path, &file, channels, out);
  else failed = weft_fail(WEFT_BAD_INPUT, "%s: byte 0: neither a PNG nor a JPEG picture", path);
  free(file.data);
  if (failed) weft_image_deinit(out);
  return failed;
}

// ---- resize -----------------------------------------------------------------------------------------------------------

typedef struct tap { int low, high; double weight; } tap;   // weight of high

static tap find_tap(int target, int target_size, int source_size) {
  double at = (target + 0.5) * source_size / target_size - 0.5;
  if (at < 0) at = 0;
  int low = (int)at;
  if (low > source_size - 1) low = source_size - 1;
  return (tap){low, low + 1 < source_size ? low + 1 : low, at - low};
}

weft_status *weft_image_resize(const weft_image *image, int height, int width, weft_image *out) {
  TRY(make_image("resize", image->channels, height, width, out));
  for (int c = 0; c < image->channels; c++)
    for (int y = 0; y < height; y++) {
      tap v = find_tap(y, height, image->height);
      const uint8_t *plane = image->pixels + (size_t)c * (size_t)image->height * (size_t)image->width;
      const uint8_t *top = plane + (size_t)v.low * (size_t)image->width, *bottom = plane + (size_t)v.high * (size_t)image->width;
      for (int x = 0; x < width; x++) {
        tap h = find_tap(x, width, image->width);
        double above = top[h.low] + (top[h.high] - top[h.low]) * h.weight;
        double below = bottom[h.low] + (bottom[h.high] - bottom[h.low]) * h.weight;
        out->pixels[((size_t)c * (size_t)height + (size_t)y) * (size_t)width + (size_t)x] = (uint8_t)(above + (below - above) * v.weight + 0.5);
      }
    }
  return NULL;
}
