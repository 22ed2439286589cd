"""Adversarial training in a PyTorch loop of your own: one line of it is Holdfast's.

python examples/own_loop_pytorch.py
"""

from __future__ import annotations

import argparse
import copy

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import holdfast as hf

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--out", default="example")
parser.add_argument("--epochs", type=int, default=15)
parser.add_argument("--n", type=int, default=None, help="test examples; all by default")
options = parser.parse_args()

# Your data, your network, your optimizer. Inputs are in 0..1.
digits = hf.load_data("digits")
train = digits.train.batch(torch.arange(len(digits.train)))
held_out = digits.validation.batch(torch.arange(len(digits.validation)))
torch.manual_seed(0)
loader = DataLoader(TensorDataset(train.x, train.y), batch_size=64, shuffle=True)
network = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.Adam(network.parameters(), lr=4e-3)

threat = hf.ThreatModel(hf.Linf(eps=0.1))
pgd = hf.attacks.PGD(steps=7, step_size=0.25)

best, best_robust = copy.deepcopy(network.state_dict()), 0.0
for epoch in range(options.epochs):
    network.train()
    for x, y in loader:
        x = hf.perturb(network, x, y, threat=threat, attack=pgd)  # the line that is new
        loss = F.cross_entropy(network(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    # The checkpoint: by robust accuracy on examples that are neither trained nor reported on.
    # A fixed seed gives every epoch the same random starts.
    found = hf.attack(network, held_out.x, held_out.y, threat=threat, seed=0)
    robust = found.status.count("unbroken") / len(found.status)
    print(f"epoch {epoch + 1}: {robust:.1%} robust on the validation part")
    if robust > best_robust:
        best, best_robust = copy.deepcopy(network.state_dict()), robust
network.load_state_dict(best)

# What is reported: a suite of attacks, on the test part, once.
claim = hf.evaluate(
    network,
    digits,
    threat=threat,
    suite="quick",
    n=options.n,
    out=f"{options.out}/own_loop_pytorch",
    quiet=True,
)
print(claim)
