"""Trees of tensors: one `take` for batches, points and costs."""

from __future__ import annotations

from typing import NamedTuple

import torch

from holdfast.rng import Rng
from holdfast.tree import take


class Pair(NamedTuple):
    a: torch.Tensor
    b: torch.Tensor


def test_every_kind_of_branch_is_walked():
    x = torch.arange(6).reshape(3, 2)
    idx = torch.tensor([2, 0])
    found = take({"t": (x, [x, None]), "p": Pair(x, x), "r": Rng(0, torch.arange(3))}, idx)
    assert torch.equal(found["t"][0], x[idx])
    assert torch.equal(found["t"][1][0], x[idx])
    assert found["t"][1][1] is None
    assert isinstance(found["p"], Pair)
    assert torch.equal(found["p"].b, x[idx])
    assert found["r"].ids.tolist() == [2, 0]
