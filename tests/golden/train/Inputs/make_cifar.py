"""Writes a small folder in CIFAR-10's binary form: a label byte, then 3 x 32 x 32 bytes, which say the label.
usage: make_cifar.py FOLDER SAMPLES_PER_FILE"""
import os
import random
import sys

folder, count = os.path.join(sys.argv[1], "cifar-10-batches-bin"), int(sys.argv[2])
os.makedirs(folder, exist_ok=True)
draw = random.Random(1)
for name in [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]:
    with open(os.path.join(folder, name), "wb") as file:
        for _ in range(count):
            label = draw.randrange(10)
            file.write(bytes([label]) + bytes(min(255, 20 * label + draw.randrange(40)) for _ in range(3072)))
