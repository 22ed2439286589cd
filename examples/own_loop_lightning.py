"""Adversarial training in Lightning: one line of the training step is Holdfast's.

pip install lightning
python examples/own_loop_lightning.py
"""

from __future__ import annotations

import argparse

import lightning
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

threat = hf.ThreatModel(hf.Linf(eps=0.1))
pgd = hf.attacks.PGD(steps=7, step_size=0.25)


class Digits(lightning.LightningModule):
    """A classifier as one writes it for Lightning."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))

    def training_step(self, batch, batch_idx):
        x, y = batch
        x = hf.perturb(self.network, x, y, threat=threat, attack=pgd)  # the line that is new
        return F.cross_entropy(self.network(x), y)

    def validation_step(self, batch, batch_idx):
        """Measure what ModelCheckpoint and EarlyStopping should monitor: "robust"."""
        x, y = batch
        found = hf.attack(self.network, x, y, threat=threat, seed=batch_idx)
        robust = found.status.count("unbroken") / len(y)
        self.log("robust", robust, batch_size=len(y), prog_bar=True)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=4e-3)


digits = hf.load_data("digits")
train = digits.train.batch(torch.arange(len(digits.train)))
held_out = digits.validation.batch(torch.arange(len(digits.validation)))
lightning.seed_everything(0, verbose=False)
module = Digits()
trainer = lightning.Trainer(
    max_epochs=options.epochs,
    accelerator="cpu",
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(
    module,
    DataLoader(TensorDataset(train.x, train.y), batch_size=64, shuffle=True),
    DataLoader(TensorDataset(held_out.x, held_out.y), batch_size=len(held_out.y)),
)
print(f"{float(trainer.callback_metrics['robust']):.1%} robust on the validation part")

claim = hf.evaluate(
    module.network,
    digits,
    threat=threat,
    suite="quick",
    n=options.n,
    out=f"{options.out}/own_loop_lightning",
    quiet=True,
)
print(claim)
