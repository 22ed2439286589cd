"""The built-in set: 1,797 handwritten digits of 8x8 pixels that come with scikit-learn."""

from __future__ import annotations

import torch

from holdfast.data.examples import Examples, from_tensors

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def digits() -> Examples:
    """Return the digits as images (1, 8, 8) in 0..1; the id is the index in scikit-learn's set."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x = torch.from_numpy(bunch.images).float().div(16).unsqueeze(1)
    return from_tensors(x, torch.from_numpy(bunch.target), name="digits", classes=NAMES)
