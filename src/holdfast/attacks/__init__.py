"""Attacks: one algorithm a file, all maximising a loss inside a set."""

from __future__ import annotations

from holdfast.attacks.apgd import APGD
from holdfast.attacks.base import Attack, first, last, worst
from holdfast.attacks.bim import BIM
from holdfast.attacks.chain import Chain
from holdfast.attacks.compose import EachTarget, Restart, Restarts, ToRank
from holdfast.attacks.fgsm import FGSM
from holdfast.attacks.mifgsm import MIFGSM
from holdfast.attacks.pgd import PGD
from holdfast.attacks.result import Result, keep_nearest, keep_worst
from holdfast.attacks.rfgsm import RFGSM
from holdfast.attacks.square import Square
from holdfast.attacks.starts import Gaussian, Scatter, Start, Unchanged, Uniform

__all__ = [
    "APGD",
    "BIM",
    "FGSM",
    "MIFGSM",
    "PGD",
    "RFGSM",
    "Attack",
    "Chain",
    "EachTarget",
    "Gaussian",
    "Restart",
    "Restarts",
    "Result",
    "Scatter",
    "Square",
    "Start",
    "ToRank",
    "Unchanged",
    "Uniform",
    "first",
    "keep_nearest",
    "keep_worst",
    "last",
    "worst",
]
