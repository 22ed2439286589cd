"""Adversarial training in the Trainer of Hugging Face: one method of it is overridden.

pip install transformers accelerate
python examples/own_loop_trainer.py
"""

from __future__ import annotations

import argparse

import torch
from torch import nn
from torch.nn import functional as F
from transformers import Trainer, TrainingArguments

import holdfast as hf

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--out", default="example")
parser.add_argument("--epochs", type=int, default=15)
parser.add_argument("--n", type=int, default=None, help="test examples; all by default")
options = parser.parse_args()

threat = hf.ThreatModel(hf.Linf(eps=0.1))
pgd = hf.attacks.PGD(steps=7, step_size=0.25)


class AdversarialTrainer(Trainer):
    """Trains on where the attack ends; `model` may be wrapped for several processes."""

    def training_step(self, model, inputs, *args, **kwargs):
        inputs = self._prepare_inputs(inputs)
        x, y = inputs["pixel_values"], inputs["labels"]
        network = self.accelerator.unwrap_model(model)
        inputs["pixel_values"] = hf.perturb(network, x, y, threat=threat, attack=pgd)
        return super().training_step(model, inputs, *args, **kwargs)


class Digits(nn.Module):
    """A network as the Trainer wants it; one of transformers itself will do, too."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, pixel_values, labels=None):
        logits = self.layers(pixel_values)
        if labels is None:
            return {"logits": logits}
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


digits = hf.load_data("digits")
train = digits.train.batch(torch.arange(len(digits.train)))
torch.manual_seed(0)
network = Digits()
trainer = AdversarialTrainer(
    model=network,
    args=TrainingArguments(
        output_dir=f"{options.out}/trainer",
        num_train_epochs=options.epochs,
        per_device_train_batch_size=64,
        learning_rate=4e-3,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
    ),
    train_dataset=[{"pixel_values": x, "labels": y} for x, y in zip(train.x, train.y, strict=True)],
)
trainer.train()

claim = hf.evaluate(
    network,
    digits,
    threat=threat,
    suite="quick",
    n=options.n,
    out=f"{options.out}/own_loop_trainer",
    quiet=True,
)
print(claim)
