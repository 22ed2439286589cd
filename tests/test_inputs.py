from __future__ import annotations

import numpy as np
import pytest
import torch

import holdfast as hf
from holdfast.errors import InputError
from holdfast.inputs import check_input
from tiny import own_network

X = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(6) % 3


def test_good_examples_pass():
    check_input(X, Y, (0.0, 1.0), 3)
    check_input(X.double(), Y.int())
    check_input(X * 2 - 1, Y.to(torch.uint8), (-1.0, 1.0), 3)


SIXTEEN = torch.arange(17.0).repeat(2, 2).reshape(2, 34)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (SIXTEEN, "divide by 16, or state the range: .*range=.0, 16"),
        (SIXTEEN.long(), r"x\.float\(\) / 16$"),
        (SIXTEEN.byte(), r"x\.float\(\) / 16$"),
        (SIXTEEN / 16 * 255, "divide by 255, or state the range: "),
        (SIXTEEN / 16 * 254.7, "divide by 255, or state the range: "),
        ((SIXTEEN / 16 * 255).int(), r"x\.float\(\) / 255$"),
        (SIXTEEN / 16 * 100, "divide by 100, or state the range: "),
        (SIXTEEN / 16 * 4095, "divide by 4095, or state the range: "),
        (SIXTEEN / 16 * 65535, "divide by 65535, or state the range: "),
        (SIXTEEN / 16 * 1.2, "rescale or clamp x, or state the range"),
        (SIXTEEN / 16 * 7.3, "divide by the largest value that can occur$"),
        (SIXTEEN / 16 * 52, r"largest value that can occur \(255 of bytes\)$"),
        (SIXTEEN / 8 - 1, r"undo the normalization .*, or state the range: .*\(-1, 1\)"),
        (SIXTEEN - 8, r"undo the normalization .* wrap\(model, normalize=\(mean, std\)\)$"),
        (SIXTEEN - 30, "rescale or clamp x, or state the range"),
    ],
)  # fmt: skip
def test_the_divisor_is_the_one_of_the_values_seen(x, words):
    with pytest.raises(InputError, match=words) as caught:
        check_input(x, torch.zeros(2, dtype=torch.long))
    assert "\n" not in str(caught.value)
    assert "255" in words or "255" not in str(caught.value)


def test_text_labels_of_a_part_without_a_class_are_numbered_as_the_error_says():
    """`unique` of that part, which the error named before, would have numbered others."""
    names, y = np.array(["ant", "bee", "cat"]), np.array(["cat", "ant"])
    with pytest.raises(InputError, match=r"np\.searchsorted\(names, y\) .* sorted names") as caught:
        hf.attack(own_network(), X[:2], y, threat=hf.ThreatModel(hf.Linf(eps=0.1)))
    assert "unique" not in str(caught.value)
    assert np.searchsorted(names, y).tolist() == [2, 0]


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (X * 255, Y, r"x must be in \[0, 1\], got values up to 25[\d.]+: divide by 255"),
        (X * 2 - 1, Y, "undo the normalization"),
        (X * 1e6, Y, "rescale or clamp"),
        (X + torch.tensor([0.0, 0, 0, torch.nan]), Y, "NaN or infinite values in 6 of 6"),
        (torch.where(X.max() == X, torch.inf, X), Y, "in 1 of 6"),
        ((X * 255).byte(), Y, r"x\.float\(\) / 255"),
        (X.numpy(), Y, "torch.as_tensor"),
        (X, np.arange(6), "torch.as_tensor"),
        (X, Y.float(), r"y\.long\(\)"),
        (X, Y - 1, "number the classes from 0"),
        (X, Y % 3 + 1, r"labels must be in 0\.\.2, got 3: subtract 1"),
        (X, Y + 9, "the model's own classes"),
        (X, Y[:5], "got 6 examples and 5 labels"),
        (X, torch.eye(6, dtype=torch.long), r"one-hot labels pass y\.argmax"),
        (X, Y[:, None], r"shape \(6, 1\): pass y\[:, 0\]"),
        (X[:0], Y[:0], "empty"),
        (X[:, :, :0], Y, "empty"),
        (X[:, 0, 0, 0], Y, r"shape \(N, \.\.\.\)"),
    ],
)
def test_each_violation_is_one_line(x, y, words):
    with pytest.raises(InputError, match=words) as caught:
        check_input(x, y, (0.0, 1.0), 3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (X.numpy()[..., ::-1].copy()[..., ::-1], Y.numpy().astype(">i8")),
        (X.numpy().astype(">f8"), Y.numpy().astype(np.uint16)),
        (X.numpy().astype(object), Y.numpy()[::-1].copy()[::-1]),
    ],
)
def test_attacks_take_arrays_of_every_kind(x, y):
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
    threat, attack = hf.ThreatModel(hf.Linf(eps=0.1)), hf.attacks.PGD(steps=2)
    found, expected = (
        hf.attack(network, *pair, threat=threat, attack=attack, seed=0) for pair in ((x, y), (X, Y))
    )
    assert torch.equal(found.x_adv, expected.x_adv)
