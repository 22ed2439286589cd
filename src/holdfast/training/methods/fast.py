"""Adversarial training with a single step from a random start."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.attacks import RFGSM, Attack, Scatter
from holdfast.components import register
from holdfast.training.methods.base import Method


@register("method", name="fast")
@dataclass(frozen=True, kw_only=True)
class FastAT(Method):
    """Train on one R+FGSM step (Wong et al., 2020, arXiv:2001.03994, algorithm 3).

    Two forward, one input-only and one full backward pass. Long runs may overfit catastrophically:
    the network learns to fool the single step and PGD breaks it. The loop watches for that.
    """

    attack: Attack = RFGSM(step_size=1.25, start=Scatter())
