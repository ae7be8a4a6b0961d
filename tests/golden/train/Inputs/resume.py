"""Trains STEPS steps in one go and, for each PLACE, in two parts with a checkpoint between; all losses must be equal.
usage: resume.py WEFT NET FOLDER STEPS PLACE..."""
import json
import os
import subprocess
import sys

weft, net, folder, steps, *places = sys.argv[1:]
os.makedirs(folder, exist_ok=True)


def train(steps, *options):
    command = [weft, "train", net, "--json", "--set", "batch=64", "--set", "hidden=32", "--set", f"steps={steps}", *options]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [(line["step"], line["loss"], line["accuracy"]) for line in map(json.loads, lines) if "loss" in line]


whole = train(steps, "--save", f"{folder}/whole.safetensors")
assert len(whole) == int(steps)
for place in places:
    saved = f"{folder}/{place}.safetensors"
    first = train(place, "--save", saved)
    rest = train(steps, "--resume", saved, "--save", saved)
    assert first + rest == whole, f"stopped at step {place}: {first + rest} is not {whole}"
    assert open(saved, "rb").read() == open(f"{folder}/whole.safetensors", "rb").read(), f"the last checkpoints differ (stopped at {place})"
print(len(places), "resumed trainings equal the whole one")
