"""Attack and evaluate a network that you wrote yourself, with your own data.

python examples/bring_your_own_model.py
"""

from __future__ import annotations

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn

import holdfast as hf

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--out", default="example")
parser.add_argument("--n", type=int, default=200, help="test examples")
options = parser.parse_args()

# Your data: x in 0..1, y integers. Tensors, arrays, a Dataset or a DataLoader will do.
digits = load_digits()
x = torch.from_numpy(digits.images).float().div(16)[:, None]
y = torch.from_numpy(digits.target)
test_x, test_y = x[1400:], y[1400:]

# Your network, trained your way, returning logits.
torch.manual_seed(0)
network = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
for _ in range(60):
    optimizer.zero_grad()
    nn.functional.cross_entropy(network((x[:1400] - 0.3) / 0.4), y[:1400]).backward()
    optimizer.step()

# It was trained on normalized inputs: the normalization goes inside, so that eps is in units of x.
model = hf.wrap(network, normalize=(0.3, 0.4))
threat = hf.ThreatModel(hf.L2(eps=1.0))

# One attack on one batch: everything comes back per example.
# Without `seed` every call draws its own random start; the result says from which seed.
found = hf.attack(model, test_x[:8], test_y[:8], threat=threat, attack=hf.attacks.PGD(steps=40))
print("seed   ", found.seed)
print("success", found.success.tolist())
print("size   ", [round(size, 2) for size in found.size.tolist()])

# The same towards a class of your choice.
targets = (test_y[:8] + 1) % 10
aimed = hf.attack(model, test_x[:8], test_y[:8], threat=threat, targets=targets)
print("reached", aimed.success.tolist())

# One attack is no evaluation. This is one:
print(
    hf.evaluate(
        model,
        (test_x, test_y),
        threat=threat,
        suite="quick",
        n=options.n,
        out=f"{options.out}/own",
    )
)
