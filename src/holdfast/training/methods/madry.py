"""Adversarial training on the worst case that PGD finds."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.attacks import PGD, Attack
from holdfast.components import register
from holdfast.training.methods.base import Method


@register("method")
@dataclass(frozen=True, kw_only=True)
class Madry(Method):
    """Lower the cross-entropy where PGD raised it (Madry et al., 2018, arXiv:1706.06083, eq. 2.1).

    One step costs the attack's K forward and K input-only backward passes, then one of each.
    """

    attack: Attack = PGD(steps=10, step_size=0.25)
