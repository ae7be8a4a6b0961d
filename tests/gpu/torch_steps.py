"""PyTorch's side of tests/gpu/run: an example's training step on the GPU, driven over stdin.

A line "f32 N" or "tf32 N" on stdin runs N steps in that arithmetic; the answer is milliseconds a step. Batches lie on the GPU and
are not augmented. usage: torch_steps.py mlp|cnn|resnet|cifar|gpt"""
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


def mlp():
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    return net, pictures(128, 1, 28), lambda p: torch.optim.Adam(p, lr=1e-3, fused=True)


def cnn():
    net = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                        nn.Flatten(), nn.Linear(3136, 128), nn.ReLU(), nn.Dropout(0.25), nn.Linear(128, 10))
    return net, pictures(128, 1, 28), lambda p: torch.optim.AdamW(p, lr=3e-3, weight_decay=0.01, fused=True)


def cifar():
    net = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                        nn.Flatten(), nn.Linear(8192, 512), nn.ReLU(), nn.Linear(512, 10))
    return net, pictures(64, 3, 32), lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, fused=True)


class Residual(nn.Module):
    def __init__(self, channels, features, stride):
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(channels, features, 3, stride, 1, bias=False), nn.BatchNorm2d(features))
        self.b = nn.Sequential(nn.Conv2d(features, features, 3, 1, 1, bias=False), nn.BatchNorm2d(features))
        same = stride == 1 and channels == features
        self.shortcut = nn.Identity() if same else nn.Sequential(nn.Conv2d(channels, features, 1, stride, bias=False), nn.BatchNorm2d(features))

    def forward(self, x):
        return F.relu(self.b(F.relu(self.a(x))) + self.shortcut(x))


def resnet():
    net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), Residual(16, 16, 1), Residual(16, 32, 2),
                        Residual(32, 64, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    return net, pictures(128, 1, 28), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True)


class Layer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln1, self.ln2, self.heads = nn.LayerNorm(width), nn.LayerNorm(width), heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        n, t, c = x.shape
        q, k, v = (part.view(n, t, self.heads, -1).transpose(1, 2) for part in self.qkv(self.ln1(x)).split(c, 2))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(n, t, c))
        return x + self.mlp(self.ln2(x))


class Gpt(nn.Module):
    def __init__(self, vocab=128, width=128, heads=4, layers=4, context=128):
        super().__init__()
        self.token, self.position = nn.Parameter(torch.randn(vocab, width) * 0.02), nn.Parameter(torch.randn(context, width) * 0.02)
        self.layers, self.norm = nn.Sequential(*[Layer(width, heads) for _ in range(layers)]), nn.LayerNorm(width)

    def forward(self, x):
        return (self.norm(self.layers(self.token[x] + self.position)) @ self.token.T).flatten(0, 1)


def gpt():
    batch = (torch.randint(0, 128, (16, 128), device="cuda"), torch.randint(0, 128, (16 * 128,), device="cuda"))
    return Gpt(), batch, lambda p: torch.optim.AdamW(p, lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)


def pictures(count, channels, side):
    return torch.randn(count, channels, side, side, device="cuda"), torch.randint(0, 10, (count,), device="cuda")


def main():
    name = sys.argv[1]
    torch.manual_seed(1)
    net, (x, y), optimizer = {"mlp": mlp, "cnn": cnn, "resnet": resnet, "cifar": cifar, "gpt": gpt}[name]()
    net = net.cuda()
    if x.dim() == 4:
        net, x = net.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    optimizer = optimizer(net.parameters())

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(net(x), y).backward()
        if name == "gpt":
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()

    print("ready", torch.__version__, torch.version.cuda, flush=True)
    for line in sys.stdin:
        arithmetic, count = line.split()
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = arithmetic == "tf32"
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(int(count)):
            step()
        torch.cuda.synchronize()
        print(f"{(time.perf_counter() - start) / int(count) * 1000:.4f}", flush=True)


main()
