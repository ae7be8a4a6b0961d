"""Writes the same pictures in several sizes: IDX files of 28 x 28, of 32 x 32 and 40 x 36 with those in the middle of noise, of
56 x 56 with every pixel doubled, and of 20 x 20; folders of PNG files, all of 28 x 28 and of several sizes.
usage: make_sizes.py FOLDER"""
import os
import random
import struct
import sys
import zlib

folder, draw, count = sys.argv[1], random.Random(1), 48
os.makedirs(folder, exist_ok=True)
labels = [draw.randrange(3) for _ in range(count)]
pictures = [[[min(255, 80 * label + draw.randrange(60)) for _ in range(28)] for _ in range(28)] for label in labels]


def framed(rows, height, width):
    top, left = (height - 28) // 2, (width - 28) // 2
    inside = lambda y, x: 0 <= y - top < 28 and 0 <= x - left < 28
    return [[rows[y - top][x - left] if inside(y, x) else draw.randrange(256) for x in range(width)] for y in range(height)]


def doubled(rows):
    return [[pixel for pixel in row for _ in range(2)] for row in rows for _ in range(2)]


def write_idx(name, all_rows):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(struct.pack(">HBBIII", 0, 8, 3, count, len(all_rows[0]), len(all_rows[0][0])))
        for rows in all_rows:
            for row in rows:
                file.write(bytes(row))


def write_png(path, rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0))
                   + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))) + chunk(b"IEND", b""))


write_idx("p28", pictures)
write_idx("p32", [framed(rows, 32, 32) for rows in pictures])
write_idx("p40", [framed(rows, 40, 36) for rows in pictures])
write_idx("p56", [doubled(rows) for rows in pictures])
write_idx("p20", [[row[:20] for row in rows[:20]] for rows in pictures])
with open(os.path.join(folder, "labels"), "wb") as file:
    file.write(struct.pack(">HBBI", 0, 8, 1, count) + bytes(labels))
for i, (label, rows) in enumerate(zip(labels, pictures)):
    write_png(os.path.join(folder, "same", str(label), f"{i:02}.png"), framed(rows, 32, 32))
    write_png(os.path.join(folder, "mixed", str(label), f"{i:02}.png"), framed(rows, 32 + i % 3, 32))
