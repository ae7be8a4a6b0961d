"""PyTorch's side of bench/train: the CIFAR CNN training step, driven over stdin.

Each line N on stdin runs N steps; the answer is one line "MILLISECONDS_PER_STEP" on stdout. The line "memory" answers with the peak
resident set after three steps less the resident set before the model was built, in bytes.
usage: torch_step.py THREADS BATCH
"""
import os
import resource
import sys
import time

os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # else libgomp's idle workers spin beside the other side's threads
threads, batch = int(sys.argv[1]), int(sys.argv[2])
os.environ["OMP_NUM_THREADS"] = str(threads)
import torch  # noqa: E402
import torch.nn as nn  # noqa: E402

torch.set_num_threads(threads)
torch.manual_seed(1)
x = torch.randn(batch, 3, 32, 32).to(memory_format=torch.channels_last)
y = torch.randint(0, 10, (batch,))
before = int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

model = nn.Sequential(
    nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(8192, 512), nn.ReLU(), nn.Linear(512, 10),
).to(memory_format=torch.channels_last)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
criterion = nn.CrossEntropyLoss()


def step():
    optimizer.zero_grad(set_to_none=True)
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()


for _ in range(3):
    step()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print("ready", flush=True)
for line in sys.stdin:
    if line.strip() == "memory":
        print(peak - before, flush=True)
        continue
    count = int(line)
    start = time.perf_counter()
    for _ in range(count):
        step()
    print(f"{(time.perf_counter() - start) / count * 1000:.4f}", flush=True)
