"""Kills trainings that save after every step, at different times; what lies on disk must be whole and lead to the same losses.
usage: kill.py WEFT NET FOLDER STEPS KILLS"""
import json
import os
import subprocess
import sys

weft, net, folder, steps, kills = sys.argv[1:4] + [int(v) for v in sys.argv[4:]]
os.makedirs(folder, exist_ok=True)
base = [weft, "train", net, "--json", "--set", "batch=64", "--set", "hidden=32", "--set", f"steps={steps}"]


def losses(text):
    return {line["step"]: line["loss"] for line in map(json.loads, text.splitlines()) if "loss" in line}


whole = losses(subprocess.run(base, check=True, capture_output=True, text=True).stdout)
for kill in range(kills):
    saved = f"{folder}/{kill}.safetensors"
    if os.path.exists(saved):
        os.remove(saved)
    child = subprocess.Popen(base + ["--save", saved, "--save-every", "1"], stdout=subprocess.PIPE, text=True)
    for _ in range(2 + 5 * kill):       # the kill falls somewhere into the following steps and saves
        child.stdout.readline()
    child.kill()
    child.wait()
    rest = losses(subprocess.run(base + ["--resume", saved], check=True, capture_output=True, text=True).stdout)
    assert all(whole[step] == loss for step, loss in rest.items()), f"kill {kill}: {rest} against {whole}"
    assert max(rest, default=steps) == steps
print(kills, "killed trainings went on to the losses of the whole one")
