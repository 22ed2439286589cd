"""Adversarial training in `fit` of Keras 3 on PyTorch: one method is overridden.

pip install keras
python examples/own_loop_keras.py
"""

from __future__ import annotations

import argparse
import os

os.environ["KERAS_BACKEND"] = "torch"  # before Keras is imported

import keras
import torch

import holdfast as hf

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--out", default="example")
parser.add_argument("--epochs", type=int, default=15)
parser.add_argument("--n", type=int, default=None, help="test examples; all by default")
options = parser.parse_args()

threat = hf.ThreatModel(hf.Linf(eps=0.1))
pgd = hf.attacks.PGD(steps=7, step_size=0.25)


class Adversarial(keras.Sequential):
    """Trains on where the attack ends; `fit`, callbacks and metrics are as they were."""

    def train_step(self, data):
        x, y = data
        return super().train_step((hf.perturb(self, x, y, threat=threat, attack=pgd), y))


# Images as this network wants them: (B, 8, 8, 1), in 0..1.
digits = hf.load_data("digits")
train = digits.train.batch(torch.arange(len(digits.train)))
test = digits.test.batch(torch.arange(len(digits.test)))
keras.utils.set_random_seed(0)
network = Adversarial(
    [
        keras.Input((8, 8, 1)),
        keras.layers.Flatten(),
        keras.layers.Dense(64, "relu"),
        keras.layers.Dense(10),  # logits
    ]
)
network.compile(
    optimizer=keras.optimizers.Adam(4e-3),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
)
network.fit(
    train.x.movedim(1, -1).numpy(),
    train.y.numpy(),
    batch_size=64,
    epochs=options.epochs,
    verbose=0,
)

claim = hf.evaluate(
    network,
    (test.x.movedim(1, -1), test.y),
    threat=threat,
    suite="quick",
    n=options.n,
    out=f"{options.out}/own_loop_keras",
    quiet=True,
)
print(claim)
