# Small data for the tests of `weft run`: make_data.py FOLDER writes six pictures of 4x4 in two classes as IDX, the same pixels as
# .npy (u8 and f32), .npz and raw bytes, a PNG of the first one, and an .npy of another shape.
import io, os, struct, sys, zipfile, zlib

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
labels = [0, 1, 0, 1, 0, 1]
pictures = [[255 if (x >= 2) == bool(label) else 10 * i for y in range(4) for x in range(4)] for i, label in enumerate(labels)]


def write(name, data):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


def npy(code, shape, data):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }" % (code, "".join("%d, " % n for n in shape))
    head = head.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


flat = bytes(value for picture in pictures for value in picture)
write("images", struct.pack(">IIII", 0x803, 6, 4, 4) + flat)
write("labels", struct.pack(">II", 0x801, 6) + bytes(labels))
write("x.npy", npy("|u1", [6, 1, 4, 4], flat))
write("floats.npy", npy("<f4", [1, 1, 4, 4], struct.pack("<16f", *pictures[0])))
write("halves.npy", npy("<f4", [1, 1, 4, 4], struct.pack("<16f", *[0.5] * 16)))
write("wide.npy", npy("|u1", [1, 1, 4, 5], bytes(20)))
write("x.raw", flat)
write("short.raw", flat[:17])
rows = b"".join(b"\0" + bytes(pictures[0][4 * y:4 * y + 4]) for y in range(4))
write("x.png", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
archive = io.BytesIO()
with zipfile.ZipFile(archive, "w") as file:
    file.writestr("a.npy", npy("|u1", [6, 1, 4, 4], flat))
    file.writestr("b.npy", npy("|u1", [2], b"\1\2"))
write("x.npz", archive.getvalue())
