"""Training methods, one a file: what the attacker raises and what the learner lowers."""

from __future__ import annotations

from holdfast.training.methods.base import Learner, Method
from holdfast.training.methods.fast import FastAT
from holdfast.training.methods.madry import Madry
from holdfast.training.methods.mtl_ibp import MTLIBP
from holdfast.training.methods.nfgsm import NFGSM
from holdfast.training.methods.noise import NoiseAugmented
from holdfast.training.methods.standard import Standard
from holdfast.training.methods.trades import TRADES

__all__ = [
    "MTLIBP",
    "NFGSM",
    "TRADES",
    "FastAT",
    "Learner",
    "Madry",
    "Method",
    "NoiseAugmented",
    "Standard",
]
