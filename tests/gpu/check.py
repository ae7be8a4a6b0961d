"""What tests/gpu/run does once there is a GPU; see there. Needs Python alone; PyTorch and compute-sanitizer where they are found.

With --device simt the same checks run on the PTX machine, at reduced sizes, against `ref` too (ctest simt.examples)."""
import argparse
import ast
import datetime
import json
import math
import os
import platform
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import made_data

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUDGET = 450  # seconds for all; what does not fit is left out and said to be

# name, file, --input of run, --set that make it small for a dry run
EXAMPLES = [
    ("mlp", "examples/fashion/mlp.net", "test:0-7", ["hidden=32", "batch=4"]),
    ("cnn", "examples/fashion/cnn.net", "test:0-3", ["hidden=8", "batch=2"]),
    ("resnet", "examples/fashion/resnet.net", "test:0-3", ["width=2", "batch=2"]),
    ("cifar", "examples/cifar/cnn.net", "test:0-1", ["batch=1"]),
    ("gpt", "examples/text/gpt.net", "text:in the beginning", ["batch=1", "width=16", "layers=1"]),
]
SAFETENSORS = {"F64": "d", "F32": "f", "I64": "q", "I32": "i", "U8": "B"}


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


class Run:
    def __init__(self, options):
        self.options, self.started, self.failures = options, time.monotonic(), 0
        self.folder = tempfile.mkdtemp(prefix="weft-gpu-")
        made_data.make(self.folder, options.small)

    def left(self):
        return BUDGET - (time.monotonic() - self.started)

    def call(self, *command, timeout=120):
        if self.left() < 5:
            raise Skipped("no time left")
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=min(timeout, self.left()))
        except subprocess.TimeoutExpired:
            raise Failed(f"took more than {timeout} s: {' '.join(command)}")
        if done.returncode:
            raise Failed(f"exit {done.returncode}: {' '.join(command)}: {(done.stderr or done.stdout).strip()[-600:]}")
        return done.stdout

    def sets(self, example, *more):
        small = example[3] if self.options.small else []
        return [word for pair in [*small, *more] for word in ("--set", pair)]

    def train(self, example, device, steps, save=None):
        """The losses of the first steps."""
        out = self.call(self.options.weft, "train", os.path.join(TOP, example[1]), "--data", self.folder, "--device", device, "--json",
                        *self.sets(example, f"steps={steps}"), *(["--save", save] if save else []))
        return [json.loads(line)["loss"] for line in out.splitlines() if '"step"' in line]


# ---- reading what weft writes ------------------------------------------------------------------------------------------------


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        tensors[name] = memoryview(data)[begin:end].cast(SAFETENSORS[entry["dtype"]])
    return tensors


def read_npy(path):
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack("<H", data[8:10])[0]
    form = {"<f4": "f", "<f8": "d", "<i8": "q", "<i4": "i", "|u1": "B"}[ast.literal_eval(data[10:10 + size].decode())["descr"]]
    return memoryview(data)[10 + size:].cast(form)


def norm(a):
    return math.sqrt(math.fsum(x * x for x in a))


def distance(a, b, least=0.0):
    """|a - b| / |b| in the 2-norm, b counting as no smaller than `least`; inf where the shapes differ or a value is not finite."""
    difference = norm([x - y for x, y in zip(a, b)]) if len(a) == len(b) else math.inf
    size = max(norm(b), least)
    return math.inf if math.isnan(difference) else difference / size if size else difference


# ---- checks ------------------------------------------------------------------------------------------------------------------


def check_inference(run, example, other="cpu", bound=1e-5):
    """Results of `weft run` with the weights of a first step."""
    weights, results = f"{run.folder}/{example[0]}-cpu.safetensors", []
    for device in (other, run.options.device):
        path = f"{run.folder}/{example[0]}-{device}.npy"
        run.call(run.options.weft, "run", os.path.join(TOP, example[1]), "--data", run.folder, "--device", device, "--weights", weights, "--input",
                 example[2], "--output", f"out={path}", *run.sets(example))
        results.append(read_npy(path))
    return distance(results[1], results[0]), bound


def check_first_step(run, example):
    """Parameters and optimizer states after one step (small: two, and their losses serve the check that follows): every kernel of forward, backward and optimizer leaves its trace there."""
    values = []
    for device in ("cpu", run.options.device):
        path = f"{run.folder}/{example[0]}-{device}.safetensors"
        run.losses[device] = run.train(example, device, 2 if run.options.small else 1, path)
        values.append(read_safetensors(path))
    if set(values[0]) != set(values[1]):
        raise Failed("the checkpoints hold different tensors")
    # A gradient that is zero but for rounding (a key's bias in attention) is measured against the others of its kind.
    kind = {name: name.rsplit(".layer", 1)[0] if ".layer" in name else ".".join(name.split(".")[:2]) for name in values[0]}
    largest = {}
    for name, tensor in values[0].items():
        largest[kind[name]] = max(largest.get(kind[name], 0.0), norm(tensor))
    return max(distance(values[1][name], values[0][name], 1e-5 * largest[kind[name]]) for name in values[0]), 1e-3


def check_losses(run, example):
    """The largest relative difference among the first losses; training amplifies rounding, so the bound is wider."""
    steps, devices = 2 if run.options.small else 8, ("cpu", run.options.device)
    cpu, other = (run.losses.get(device) if run.options.small else run.train(example, device, steps) for device in devices)
    if not cpu or not other or len(cpu) != steps or len(other) != steps:
        raise Failed(f"not {steps} losses on both devices")
    return max(abs(a - b) / max(abs(a), 1e-6) for a, b in zip(cpu, other)), 1e-4 if run.options.small else 5e-3


def check_sanitizer(run, example, tool):
    """One step under compute-sanitizer, which exits with 9 where it finds something; racecheck may be too slow to end in time."""
    try:
        run.call(run.options.sanitizer, "--tool", tool, "--error-exitcode", "9", run.options.weft, "train", os.path.join(TOP, example[1]), "--data",
                 run.folder, "--device", "cuda", *run.sets(example, "steps=1", "batch=8"), timeout=45)
    except Failed as failure:
        if "took more" in str(failure):
            raise Skipped(str(failure))
        raise
    return 0.0, 0.0


def check(run, example):
    checks = [("first step", check_first_step), ("inference", check_inference), ("losses", check_losses)]
    run.losses = {}
    if run.options.device == "simt":
        checks.append(("ref", lambda r, e: check_inference(r, e, "ref", 1e-4)))
    if run.options.sanitizer:
        for tool in ("memcheck", "racecheck"):
            checks.append((tool, lambda r, e, tool=tool: check_sanitizer(r, e, tool)))
    rows = []
    for name, function in checks:
        try:
            found, bound = function(run, example)
            row = {"check": name, "distance": found, "bound": bound, "passed": found <= bound}
        except Failed as failure:
            row = {"check": name, "passed": False, "message": str(failure)}
        except Skipped as why:
            row = {"check": name, "skipped": str(why)}
        rows.append(row)
        run.failures += row.get("passed") is False
        verdict = "skipped" if "skipped" in row else "ok" if row["passed"] else "FAILED"
        told = f"{row['distance']:.2e} (bound {row['bound']:.0e})" if row.get("bound") else row.get("message") or row.get("skipped") or ""
        print(f"{example[0]:<7} {name:<11} {verdict}  {told}", flush=True)
    return rows


# ---- timings -----------------------------------------------------------------------------------------------------------------


class Side:
    """A child process that runs N steps for each line."""

    def __init__(self, command):
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.hello = self.child.stdout.readline().split()
        if self.hello[:1] != ["ready"]:
            raise Failed(f"could not start: {' '.join(command)}")

    def ask(self, line):
        self.child.stdin.write(f"{line}\n")
        self.child.stdin.flush()
        answer = self.child.stdout.readline()
        if not answer:
            raise Failed("ended early")
        return float(answer)

    def close(self):
        self.child.stdin.close()
        self.child.wait(30)


def spread(samples):
    return {"min": min(samples), "median": statistics.median(samples), "max": max(samples), "samples": len(samples)}


def time_example(run, example, versions):
    """Milliseconds a training step; the sides take turns, so that clocks and heat are the same for all."""
    sides = {"weft": (Side([run.options.weft, "bench", os.path.join(TOP, example[1]), "--paced", "--device", "cuda", *run.sets(example)]), "")}
    if run.options.torch:
        torch = Side([sys.executable, os.path.join(HERE, "torch_steps.py"), example[0]])
        versions["torch"], versions["torch cuda"] = torch.hello[1:3]
        sides["torch f32"], sides["torch tf32"] = (torch, "f32 "), (torch, "tf32 ")
    warm = 1 if run.options.dry else 20
    counts = {}
    for name, (side, prefix) in sides.items():
        side.ask(f"{prefix}{warm}")
        counts[name] = 1 if run.options.dry else max(10, min(2000, int(200 / max(side.ask(f"{prefix}{warm}"), 0.01))))   # about 0.2 s a sample
    samples = {name: [] for name in sides}
    for _ in range(1 if run.options.dry else 9):
        for name, (side, prefix) in sides.items():
            samples[name].append(side.ask(f"{prefix}{counts[name]}"))
    for side in {id(side): side for side, _ in sides.values()}.values():
        side.close()
    if run.options.dry:   # the ways were gone; nothing was measured
        print(f"{example[0]:<7} step        ok  {', '.join(samples)}", flush=True)
        return {name: None for name in samples}
    rows = {name: spread(values) for name, values in samples.items()}
    for name, row in rows.items():
        print(f"{example[0]:<7} step, {name:<10} min {row['min']:8.3f}  median {row['median']:8.3f}  max {row['max']:8.3f} ms", flush=True)
    for name in rows:
        if name != "weft":
            print(f"ratio gpu-{example[0]}-step-{name.replace(' ', '-')} {rows[name]['median'] / rows['weft']['median']:.3f}", flush=True)
    return rows


# ---- the report --------------------------------------------------------------------------------------------------------------


def has_torch():
    try:
        import torch
        return torch.cuda.is_available()
    except ImportError:
        return False


def describe(run):
    devices = [json.loads(line) for line in run.call(run.options.weft, "devices", "--json").splitlines()]
    gpu = next(device for device in devices if device["name"] == "cuda")
    git = shutil.which("git")
    commit = subprocess.run([git, "-C", TOP, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip() if git else None
    sanitizer = subprocess.run([run.options.sanitizer, "--version"], capture_output=True, text=True).stdout.split("\n") if run.options.sanitizer else []
    versions = {"weft": run.call(run.options.weft, "--version").split()[-1], "commit": commit or None, "python": platform.python_version(),
                "compute-sanitizer": next((line for line in sanitizer if "Version" in line), None)}
    return gpu, versions


def time_row(run, example, row, versions):
    try:
        row["step_ms"] = time_example(run, example, versions) if run.left() > 30 else None
    except Failed as failure:
        row["step_ms"], row["message"] = None, str(failure)
        run.failures += 1
        print(f"{example[0]:<7} step time: FAILED {failure}", flush=True)


def write_report(run, rows, versions):
    gpu, known = describe(run)
    versions = {**known, **versions}
    date = datetime.datetime.now(datetime.timezone.utc)
    report = {
        "what": "tests/gpu/run", "measured": not run.options.dry, "date": date.isoformat(timespec="seconds"), "device": gpu, "versions": versions,
        "passed": run.failures == 0, "seconds": round(time.monotonic() - run.started, 1),
        "notes": ["weft's step takes its batch from host memory and augments it; PyTorch's batch lies on the GPU and is not augmented",
                  "weft computes in f32; torch f32 has TF32 off, torch tf32 has it on; torch is eager, with fused optimizers and channels_last pictures",
                  "checks: |cuda - cpu| / |cpu| in the 2-norm; losses: the largest relative difference"],
        "examples": rows}
    os.makedirs(run.options.out, exist_ok=True)
    slug = "-".join("".join(c if c.isalnum() else " " for c in gpu["device"].lower()).split())
    path = os.path.join(run.options.out, f"gpu-{'dry-' if run.options.dry else ''}{slug}-{date:%Y%m%d-%H%M}.json")
    with open(path, "w") as file:
        json.dump(report, file, indent=1)
        file.write("\n")
    print(path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weft", required=True)
    parser.add_argument("--device", default="cuda", choices=("cuda", "simt"))
    parser.add_argument("--out", help="without it, nothing is timed or written")
    parser.add_argument("--examples", default="")
    parser.add_argument("--dry", action="store_true")
    options = parser.parse_args()
    options.small = options.dry or options.device == "simt"
    options.sanitizer = None if options.small else shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")
    options.torch = not options.small and has_torch()
    signal.signal(signal.SIGALRM, lambda *_: sys.exit("tests/gpu/run: not done in 8 minutes"))
    signal.alarm(BUDGET + 25)
    run = Run(options)
    versions = {}
    wanted = [name for name in options.examples.split(",") if name]
    rows = []
    for example in EXAMPLES:
        if wanted and example[0] not in wanted:
            continue
        row = {"name": example[0], "file": example[1], "checks": check(run, example)}
        if options.out:
            time_row(run, example, row, versions)
        rows.append(row)
    if options.out:
        write_report(run, rows, versions)
    shutil.rmtree(run.folder)
    print(f"{options.device} checks {sum(len(row['checks']) for row in rows)} failures {run.failures}")
    return 4 if run.failures else 0


sys.exit(main())
