"""Keras 3: a white box on PyTorch, a black box on its other backends.

Keras knows one backend a process and warns in its own way, so it gets a process of its own.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

from tiny import with_source

if importlib.util.find_spec("keras") is None:
    pytest.skip("the extra `keras` is not installed", allow_module_level=True)

HEAD = """
import numpy as np, torch, keras
import holdfast as hf
from holdfast.claims import model_digest
keras.utils.set_random_seed(0)
net = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(),
                        keras.layers.Dense(12, "tanh"), keras.layers.Dense(3)])
x = torch.rand(20, 4, 4, 1, generator=torch.Generator().manual_seed(0))
threat = hf.ThreatModel(hf.Linf(eps=0.2))
"""
WHITE = """
model = hf.wrap(net)
y = model(x).argmax(1).cpu()
assert model.offers == "gradient"
found = hf.attack(net, x, y, threat=threat, attack=hf.attacks.PGD(steps=20))
assert int(found.success.sum()) > 10, found.status
assert not bool(found.failed.any())
claim = hf.evaluate(net, (x, y), threat=threat, suite="quick", out=OUT, quiet=True)
assert claim.document["counts"]["failed"] == 0
hf.verify(OUT, model=net, data=(x, y))
before = model_digest(hf.wrap(net))
net.save(OUT + ".keras")
assert model_digest(hf.wrap(keras.saving.load_model(OUT + ".keras"))) == before
net.layers[-1].bias.assign(net.layers[-1].bias + 1)
assert model_digest(hf.wrap(net)) != before
assert claim.document["model"]["name"].startswith("Keras Sequential")
"""
BLACK = """
model = hf.wrap(hf.models.KerasModel(net, "logits"))  # as on a backend other than PyTorch
y = model(x).argmax(1)
assert model.offers == "score" and model.box.target.sealed
try:
    hf.attack(model, x, y, threat=threat)
except hf.Unsupported as error:
    assert "scores and no gradient" in str(error)
else:
    raise AssertionError("PGD ran")
found = hf.attack(model, x, y, threat=threat, attack=hf.attacks.Square(queries=60))
assert int(found.success.sum()) > 10, found.status
before = model_digest(model)
net.layers[-1].bias.assign(net.layers[-1].bias + 1)
assert model_digest(model) != before
class Mine(keras.layers.Layer):
    def call(self, x):
        return 2 * x
def twice(x):
    return 2 * x
given = keras.Input((4,))
for layer, sealed in ((Mine(), False), (keras.layers.Lambda(twice), False),
                      (keras.layers.Dense(2, activation=twice), False),
                      (keras.layers.Dense(2, "relu"), True)):
    nested = keras.Model(given, keras.Sequential([layer, keras.layers.Dense(3)])(given) * 2)
    assert hf.models.KerasModel(nested, "logits").sealed is sealed, layer
"""


def test_keras_models_as_white_and_as_black_boxes(tmp_path):
    program = f"OUT = {str(tmp_path / 'claim')!r}\n" + HEAD + WHITE + BLACK
    environment = {**os.environ, **with_source(), "KERAS_HOME": str(tmp_path)}
    environment["KERAS_BACKEND"] = "torch"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
