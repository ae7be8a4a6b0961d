// Pictures, picture folders, the lookup of data names and sources as a train block writes them.
#include "rt_support.h"

#include <jpeglib.h>
#include <png.h>
#include "runtime/data/dataset.h"
#include "runtime/data/image.h"

static scratch s;
static int setup(void **state) { scratch_begin(&s); return 0; }
static int teardown(void **state) { scratch_end(&s); return 0; }

static const char *write_png(const char *name, int height, int width, const uint8_t *rgb) {
  const char *path = scratch_path(&s, name);
  png_image image = {.version = PNG_IMAGE_VERSION, .width = (unsigned)width, .height = (unsigned)height, .format = PNG_FORMAT_RGB};
  assert_true(png_image_write_to_file(&image, path, 0, rgb, 0, NULL));
  return path;
}

static const char *write_jpeg(const char *name, int height, int width, int value) {
  const char *path = scratch_path(&s, name);
  FILE *file = fopen(path, "wb");
  struct jpeg_compress_struct codec;
  struct jpeg_error_mgr errors;
  codec.err = jpeg_std_error(&errors);
  jpeg_create_compress(&codec);
  jpeg_stdio_dest(&codec, file);
  codec.image_width = (unsigned)width;
  codec.image_height = (unsigned)height;
  codec.input_components = 3;
  codec.in_color_space = JCS_RGB;
  jpeg_set_defaults(&codec);
  jpeg_start_compress(&codec, TRUE);
  uint8_t row[300];
  memset(row, value, sizeof row);
  for (int y = 0; y < height; y++) jpeg_write_scanlines(&codec, (JSAMPROW[]){row}, 1);
  jpeg_finish_compress(&codec);
  jpeg_destroy_compress(&codec);
  fclose(file);
  return path;
}

static void test_png_to_planes_and_grey(void **state) {
  uint8_t rgb[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  const char *path = write_png("a.png", 2, 2, rgb);
  weft_image image;
  assert_ok(weft_image_read(path, 3, &image));
  assert_true(image.channels == 3 && image.height == 2 && image.width == 2);
  assert_memory_equal(image.pixels, ((uint8_t[]){1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12}), 12);
  weft_image_deinit(&image);
  assert_ok(weft_image_read(path, 1, &image));
  assert_true(image.channels == 1 && image.pixels[3] == 11);
  weft_image_deinit(&image);
}

static void test_jpeg(void **state) {
  weft_image image;
  assert_ok(weft_image_read(write_jpeg("a.jpg", 9, 17, 200), 3, &image));
  assert_true(image.height == 9 && image.width == 17);
  for (int i = 0; i < 3 * 9 * 17; i++) assert_in_range(image.pixels[i], 198, 202);
  weft_image_deinit(&image);
}

static void test_damaged_pictures(void **state) {
  weft_image image;
  weft_bytes file;
  uint8_t rgb[300];
  for (int i = 0; i < 300; i++) rgb[i] = (uint8_t)(i * 37);
  const char *paths[2] = {write_png("a.png", 10, 10, rgb), write_jpeg("a.jpg", 64, 64, 9)};
  for (int i = 0; i < 2; i++) {
    assert_ok(weft_file_read(paths[i], 100000, &file));
    assert_fails(weft_image_read(scratch_write(&s, "cut", file.data, file.size / 2), 3, &image), WEFT_BAD_INPUT, "cut: ");
    for (size_t at = 8; at < file.size; at += 7) {   // never a crash
      file.data[at] ^= 0xff;
      weft_status *status = weft_image_read(scratch_write(&s, "flip", file.data, file.size), 3, &image);
      weft_status_free(status);
      weft_image_deinit(&image);
      file.data[at] ^= 0xff;
    }
    free(file.data);
  }
  assert_fails(weft_image_read(scratch_write(&s, "text", "hello", 5), 3, &image), WEFT_BAD_INPUT, "text: byte 0: neither");
}

static void test_resize_is_bilinear(void **state) {
  weft_image image = {1, 1, 2, (uint8_t[]){0, 100}}, out;
  assert_ok(weft_image_resize(&image, 2, 4, &out));   // centres at -0.25 0.25 0.75 1.25
  assert_memory_equal(out.pixels, ((uint8_t[]){0, 25, 75, 100, 0, 25, 75, 100}), 8);
  weft_image_deinit(&out);
}

static void make_folder(void) {
  uint8_t rgb[12];
  mkdir(scratch_path(&s, "pets"), 0777);
  mkdir(scratch_path(&s, "pets/dog"), 0777);
  mkdir(scratch_path(&s, "pets/cat"), 0777);
  memset(rgb, 10, sizeof rgb);
  write_png("pets/cat/b.png", 2, 2, rgb);
  write_jpeg("pets/cat/a.JPG", 2, 2, 99);
  memset(rgb, 30, sizeof rgb);
  write_png("pets/dog/1.png", 2, 2, rgb);
  scratch_write(&s, "pets/dog/readme.txt", "x", 1);
  scratch_write(&s, "pets/list.txt", "x", 1);
}

static void test_folders_are_classes(void **state) {
  make_folder();
  weft_dataset *data;
  assert_ok(weft_folder_open(scratch_path(&s, "pets"), 0, 0, 3, &data));
  assert_true(data->count == 3 && data->class_count == 2);
  assert_string_equal(data->classes[0], "cat");
  int32_t labels[3];
  uint8_t pixels[36];
  assert_ok(weft_dataset_read(data, 1, (int64_t[]){0, 1, 2}, 3, labels));
  assert_memory_equal(labels, ((int32_t[]){0, 0, 1}), sizeof labels);
  assert_ok(weft_dataset_read(data, 0, (int64_t[]){2, 1, 0}, 3, pixels));
  assert_true(pixels[0] == 30 && pixels[12] == 10 && pixels[24] > 90);
  weft_dataset_destroy(data);
  assert_ok(weft_folder_open(scratch_path(&s, "pets"), 4, 5, 1, &data));
  assert_true(data->fields[0].extents[0] == 1 && data->fields[0].extents[1] == 4 && data->fields[0].extents[2] == 5);
  assert_ok(weft_dataset_read(data, 0, (int64_t[]){1}, 1, pixels));
  assert_int_equal(pixels[19], 10);
  weft_dataset_destroy(data);
}

static void test_folder_mistakes(void **state) {
  make_folder();
  weft_dataset *data;
  uint8_t rgb[27] = {0}, pixels[64];
  write_png("pets/dog/0.png", 3, 3, rgb);
  assert_ok(weft_folder_open(scratch_path(&s, "pets"), 0, 0, 3, &data));
  assert_fails(weft_dataset_read(data, 0, (int64_t[]){2}, 1, pixels), WEFT_BAD_INPUT, "dog/0.png: 3 x 3 pixels|2 x 2");
  unlink(scratch_path(&s, "pets/dog/1.png"));   // vanishes while in use
  assert_fails(weft_dataset_read(data, 0, (int64_t[]){3}, 1, pixels), WEFT_ENVIRONMENT, "dog/1.png|No such file");
  weft_dataset_destroy(data);
  mkdir(scratch_path(&s, "pets/empty"), 0777);
  assert_fails(weft_folder_open(scratch_path(&s, "pets"), 0, 0, 3, &data), WEFT_BAD_INPUT, "pets/empty: a class folder without");
  mkdir(scratch_path(&s, "none"), 0777);
  assert_fails(weft_folder_open(scratch_path(&s, "none"), 0, 0, 3, &data), WEFT_BAD_INPUT, "none: no sub-folders");
}

// ---- names ------------------------------------------------------------------------------------------------------------

static void test_names_are_looked_up_in_order(void **state) {
  mkdir(scratch_path(&s, "a"), 0777);
  mkdir(scratch_path(&s, "b"), 0777);
  scratch_write(&s, "b/x.bin", "", 0);
  scratch_write(&s, "c.gz", "", 0);
  weft_data_paths paths = {.data_folder = scratch_path(&s, "a"), .net_folder = scratch_path(&s, "b")};
  char *found;
  assert_ok(weft_data_locate(&paths, "x.bin", &found));
  assert_string_equal(found, scratch_path(&s, "b/x.bin"));
  free(found);
  scratch_write(&s, "a/x.bin", "", 0);
  assert_ok(weft_data_locate(&paths, "x.bin", &found));
  assert_string_equal(found, scratch_path(&s, "a/x.bin"));
  free(found);
  setenv("WEFT_DATA", s.folder, 1);
  assert_ok(weft_data_locate(&paths, "c", &found));   // .gz is tried
  assert_string_equal(found, scratch_path(&s, "c.gz"));
  free(found);
  assert_fails(weft_data_locate(&paths, "cifar-10-batches-bin", &found), WEFT_ENVIRONMENT,
               "'cifar-10-batches-bin' was not found|/a, |/usr/share/datasets|https://www.cs.toronto.edu");
  unsetenv("WEFT_DATA");
  assert_fails(weft_data_locate(&paths, "c", &found), WEFT_ENVIRONMENT, "'c' was not found|--data DIR");
  assert_fails(weft_data_locate(&paths, "/no/train-images-idx3-ubyte.gz", &found), WEFT_ENVIRONMENT, "absolute|dataset-fashion-mnist");
}

static void test_fashion_mnist_of_the_package(void **state) {
  if (access("/usr/share/datasets/fashion-mnist", F_OK) != 0) {
    printf("skipped: Fashion-MNIST needs the package dataset-fashion-mnist\n");
    skip();
  }
  weft_source source = {.kind = "idx", .args = (char *[]){"t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"}, .arg_count = 2};
  weft_dataset *data;
  assert_ok(weft_dataset_open(&source, &(weft_data_paths){0}, &data));
  assert_int_equal(data->count, 10000);
  uint8_t label;
  assert_ok(weft_dataset_read(data, 1, (int64_t[]){0}, 1, &label));
  assert_int_equal(label, 9);   // the first test picture is an ankle boot
  weft_dataset_destroy(data);
}

static void test_sources_check_their_arguments(void **state) {
  scratch_write(&s, "t.txt", "hello world", 11);
  weft_data_paths paths = {.data_folder = s.folder};
  weft_dataset *data;
  weft_source text = {.kind = "text", .args = (char *[]){"t.txt", "2"}, .arg_count = 2,
                      .options = (weft_option[]){{"to", "0.5"}, {"ids", "characters"}}, .option_count = 2};
  assert_ok(weft_dataset_open(&text, &paths, &data));
  assert_int_equal(data->count, 2);
  assert_int_equal(data->vocabulary_count, 8);
  weft_dataset_destroy(data);
  text.options[0].value = "half";
  assert_fails(weft_dataset_open(&text, &paths, &data), WEFT_BAD_INPUT, "to should be a number, not 'half'");
  text.options[0].key = "form";
  assert_fails(weft_dataset_open(&text, &paths, &data), WEFT_BAD_INPUT, "text has no option 'form'|stride");
  assert_fails(weft_dataset_open(&(weft_source){.kind = "csv"}, &paths, &data), WEFT_BAD_INPUT, "no data source 'csv'|idx");
  assert_fails(weft_dataset_open(&(weft_source){.kind = "npz"}, &paths, &data), WEFT_BAD_INPUT, "npz takes 1 to 16 arguments, not 0");
  weft_source cifar = {.kind = "cifar10", .args = (char *[]){"t.txt", "dev"}, .arg_count = 2};
  assert_fails(weft_dataset_open(&cifar, &paths, &data), WEFT_BAD_INPUT, "\"train\" or \"test\", not \"dev\"");
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
      T(test_png_to_planes_and_grey), T(test_jpeg), T(test_damaged_pictures), T(test_resize_is_bilinear), T(test_folders_are_classes),
      T(test_folder_mistakes), T(test_names_are_looked_up_in_order), T(test_fashion_mnist_of_the_package),
      T(test_sources_check_their_arguments),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
