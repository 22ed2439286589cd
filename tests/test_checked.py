"""A function that is marked checked."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from holdfast.arguments import checked
from holdfast.errors import InputError
from holdfast.units import BatchSize, Radii, Seed


@checked
def example(
    seed: Seed = 0, *, size: BatchSize | None = None, eps: Radii = (), share: float | None = None
) -> tuple:
    """Return what came."""
    return seed, size, eps, share


def test_a_function_gets_plain_values():
    assert example(np.int32(3), size=torch.tensor(4), eps=np.array([0.1, 0.2])) == (
        3, 4, (0.1, 0.2), None,
    )  # fmt: skip
    assert [type(part) for part in example(np.uint8(3), share=1)] == [int, type(None), tuple, float]
    for wrong in ({"sede": 1}, {"seed": "a"}, {"size": 0}, {"eps": "0.1"}, {"share": math.nan}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            example(**wrong)
    with pytest.raises(InputError, match="too many positional arguments"):
        example(1, 2)
