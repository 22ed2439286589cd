"""Training, validation and test parts, drawn per class and independent of the order of a set."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from holdfast.arguments import checked
from holdfast.data.examples import Examples
from holdfast.data.order import KEYS
from holdfast.errors import InputError
from holdfast.rng import Rng
from holdfast.units import Seed


@dataclass(frozen=True, eq=False)
class Splits:
    """The three parts of a set. Validation chooses checkpoints; test is for claims only.

    Each is told which part it is, and says so in claims.
    """

    train: Examples
    validation: Examples
    test: Examples

    def __post_init__(self) -> None:
        for part in ("train", "validation", "test"):
            object.__setattr__(self, part, replace(getattr(self, part), part=part))


@checked
def split(examples: Examples, validation: float = 0.1, seed: Seed = 0) -> tuple[Examples, Examples]:
    """Return (train, validation), where `validation` is the fraction of each class held out.

    The held-out examples are a function of (seed, id); at least one example of every class that has
    two. Both parts keep the order and the ids of `examples`. Raises InputError unless 0 <
    validation < 1 and both parts have examples.
    """
    if not 0 < validation < 1:
        raise InputError(f"validation must be a fraction in (0, 1), got {validation}")
    keys = Rng(seed, examples.ids).fold("split").integers(0, KEYS)
    held = torch.zeros(len(examples), dtype=torch.bool)
    for label in examples.y.unique():
        members = (examples.y == label).nonzero().squeeze(1)
        held[_first(members, keys[members], validation)] = True
    if held.all() or not held.any():
        raise InputError(
            f"{examples.name} has {len(examples)} examples, too few to hold out {validation:.0%}"
        )
    return examples.take((~held).nonzero().squeeze(1)), examples.take(held.nonzero().squeeze(1))


def _first(members: Tensor, keys: Tensor, fraction: float) -> Tensor:
    """Return the fraction of `members` with the smallest keys: at least one of two, never all."""
    count = min(max(round(fraction * len(members)), 1), len(members) - 1)
    return members[keys.argsort(stable=True)[:count]]


def three_parts(examples: Examples, validation: float, seed: int) -> Splits:
    """Split a set that comes without a test part: a fifth is for the test, with any seed."""
    rest, test = split(examples, 0.2)
    train, held = split(rest, validation, seed)
    return Splits(train, held, test)
