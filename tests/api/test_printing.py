"""What public functions return prints in a few lines: figures and shapes, not contents."""

from __future__ import annotations

import torch

import holdfast as hf
from holdfast import attacks, data, evaluation, models
from tiny import THREAT, in_short, own_network, some_digits

X, Y = some_digits(50)


def test_a_run_and_its_claim(run, claim):
    trained = hf.train(own_network(), (X, Y), threat=THREAT, method="standard", epochs=1,
                       out=claim.folder.parent / "own", validation=0.3, quiet=True)  # fmt: skip
    checked = hf.verify(claim.folder, model=hf.load(run), data="digits", replay=0)
    for value in (trained, trained.best, claim, claim.per_example, claim.cost, checked):
        assert in_short(value), repr(value)[:200]
    assert repr(trained).startswith(
        f"<TrainResult in {trained.out}, completed: best epoch 1, clean "
    )
    assert repr(checked).startswith(f"<Verification of {claim.folder}: Verified: clean accuracy")


def test_the_figures_are_said():
    found = hf.attack(own_network(), X, Y, threat=THREAT, attack="bim", seed=7)
    broken = int(found.success.sum())
    assert repr(found).startswith(f"<Result of 50 examples (1, 8, 8): {broken} broken")
    assert repr(found).endswith("backward passes each, seed 7>")
    assert repr(found.take(torch.arange(0))).startswith("<Result of 0 examples (1, 8, 8): none;")
    assert repr(found.cost) == (
        "Cost(forward=<int64 (50)>, backward=<int64 (50)>, queries=<int64 (50)>)"
    )
    digits = hf.load_data("digits")
    assert repr(digits.test) == (
        "<Examples digits, part 'test': 359 of shape (1, 8, 8), 10 classes, values in 0..1>"
    )
    assert repr(digits.test.batch(torch.arange(3))) == (
        "Batch(x=<float32 (3, 1, 8, 8)>, y=<int64 (3)>, ids=<int64 (3)>)"
    )
    model = hf.wrap(own_network(), normalize=(0.1, 0.3))
    said = "1,810 parameters, range=(0.0, 1.0), mean=0.1, std=0.3>"
    assert repr(model) == f"<Model of Sequential: {said}"
    seen = models.Transformed(model, (models.Rotation(),), looks=1, seed=0)
    assert repr(seen).startswith(
        "<Transformed of Sequential: 1,810 parameters, transforms=(Rotation("
    )
    assert "Linear(in_features=64" in repr(model.module)


def test_what_holds_many_values_says_how_many():
    held = data.from_tensors(X, Y).source
    assert repr(held) == "InMemory(x=<float32 (50, 1, 8, 8)>)"
    loud = data.from_tensors(X, Y, name="a\nb\x1b[31m" + "c" * 20)
    assert "\n" not in repr(loud)
    assert "\x1b" not in repr(loud)
    matrix = evaluation.transfer_matrix(
        attacks.FGSM(), THREAT, {"a": own_network(), "b": own_network()}, X, Y
    )
    assert repr(matrix).startswith("<TransferMatrix, n=50>\n| made on | a | b |\n")


def test_components_print_as_they_are_written():
    assert repr(attacks.FGSM()) == "FGSM(loss=None)"
    assert eval(repr(THREAT.space), {"Linf": hf.Linf}) == THREAT.space
