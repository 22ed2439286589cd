"""Training methods, one a file: the loss of the attacker and the loss of the learner."""

from __future__ import annotations

from holdfast.training.methods.base import Learner as Learner
from holdfast.training.methods.base import Method as Method
from holdfast.training.methods.fast import FastAT as FastAT
from holdfast.training.methods.madry import Madry as Madry
from holdfast.training.methods.mtl_ibp import MTLIBP as MTLIBP
from holdfast.training.methods.nfgsm import NFGSM as NFGSM
from holdfast.training.methods.noise import NoiseAugmented as NoiseAugmented
from holdfast.training.methods.standard import Standard as Standard
from holdfast.training.methods.trades import TRADES as TRADES
