"""Small data sets in the formats that the examples read, so that no data needs to be at hand: pictures whose class shows in where
they are bright, text of a few words. The same bytes each time."""
import gzip
import os
import random
import struct


def picture(label, side, channels, noise):
    """Bright in a place that depends on the label."""
    row, column = divmod(label, 4)
    pixels = bytearray()
    for channel in range(channels):
        for y in range(side):
            for x in range(side):
                bright = 140 if y * 3 // side == row and x * 4 // side == column else 20
                pixels.append(min(255, bright + noise.randrange(100)))
    return bytes(pixels)


def write_idx(path, dims, data):
    with gzip.GzipFile(path, "wb", mtime=0) as file:
        file.write(struct.pack(">BBBB", 0, 0, 8, len(dims)) + struct.pack(f">{len(dims)}I", *dims) + data)


def fashion(folder, count):
    noise = random.Random(1)
    os.makedirs(f"{folder}/fashion-mnist", exist_ok=True)
    for name in ("train", "t10k"):
        labels = bytes(noise.randrange(10) for _ in range(count))
        write_idx(f"{folder}/fashion-mnist/{name}-images-idx3-ubyte.gz", (count, 28, 28), b"".join(picture(k, 28, 1, noise) for k in labels))
        write_idx(f"{folder}/fashion-mnist/{name}-labels-idx1-ubyte.gz", (count,), labels)


def cifar(folder, count):
    noise = random.Random(2)
    os.makedirs(f"{folder}/cifar-10-batches-bin", exist_ok=True)
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        with open(f"{folder}/cifar-10-batches-bin/{name}.bin", "wb") as file:
            for _ in range(count):
                label = noise.randrange(10)
                file.write(bytes([label]) + picture(label, 32, 3, noise))


def text(folder, words):
    choose = random.Random(3)
    with open(f"{folder}/bible.txt", "w") as file:
        file.write(" ".join(choose.choice("in the beginning was a word and light upon the face of deep waters".split()) for _ in range(words)))


def make(folder, small):
    fashion(folder, 16 if small else 512)
    cifar(folder, 4 if small else 128)
    text(folder, 400 if small else 8000)
