"""Attacks: one algorithm a file, all maximising a loss inside a set."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

from holdfast.attacks.core.base import Attack, first, last, worst
from holdfast.attacks.core.directions import Basis, Cosines, Pixels
from holdfast.attacks.core.result import Result, keep_nearest, keep_worst
from holdfast.attacks.core.starts import Gaussian, Scatter, Start, Unchanged, Uniform
from holdfast.attacks.decision_based.boundary import Boundary
from holdfast.attacks.decision_based.exhaustive import Exhaustive, Grid, WorstOf
from holdfast.attacks.decision_based.geoda import GeoDA
from holdfast.attacks.decision_based.hopskipjump import HopSkipJump
from holdfast.attacks.decision_based.rays import RayS
from holdfast.attacks.decision_based.sign_opt import SignOPT
from holdfast.attacks.decision_based.surfree import SurFree
from holdfast.attacks.gradient.acg import ACG
from holdfast.attacks.gradient.apgd import APGD
from holdfast.attacks.gradient.bim import BIM
from holdfast.attacks.gradient.fgsm import FGSM
from holdfast.attacks.gradient.frank_wolfe import FrankWolfe
from holdfast.attacks.gradient.gama import GAMA, Corner
from holdfast.attacks.gradient.leap import Leap
from holdfast.attacks.gradient.md import MD
from holdfast.attacks.gradient.pgd import PGD
from holdfast.attacks.gradient.rfgsm import RFGSM
from holdfast.attacks.gradient.stadv import StAdv
from holdfast.attacks.minimum_norm.alma import ALMA
from holdfast.attacks.minimum_norm.cw import CW
from holdfast.attacks.minimum_norm.cw_l0 import CWL0
from holdfast.attacks.minimum_norm.cw_linf import CWLinf
from holdfast.attacks.minimum_norm.ddn import DDN
from holdfast.attacks.minimum_norm.deepfool import DeepFool
from holdfast.attacks.minimum_norm.ead import EAD
from holdfast.attacks.minimum_norm.fab import FAB
from holdfast.attacks.minimum_norm.fmn import FMN
from holdfast.attacks.minimum_norm.jsma import JSMA
from holdfast.attacks.minimum_norm.pdpgd import PDPGD
from holdfast.attacks.minimum_norm.sigma_zero import SigmaZero
from holdfast.attacks.minimum_norm.superdeepfool import SuperDeepFool
from holdfast.attacks.minimum_norm.trust_region import TrustRegion
from holdfast.attacks.score_based.bandits import Bandits
from holdfast.attacks.score_based.genattack import GenAttack
from holdfast.attacks.score_based.nes import NES
from holdfast.attacks.score_based.one_pixel import OnePixel
from holdfast.attacks.score_based.reinforce import Reinforce
from holdfast.attacks.score_based.signhunter import SignHunter
from holdfast.attacks.score_based.simba import SimBA
from holdfast.attacks.score_based.sparse_rs import SparseRS
from holdfast.attacks.score_based.spsa import SPSA
from holdfast.attacks.score_based.square import Square
from holdfast.attacks.score_based.zoo import ZOO
from holdfast.attacks.transfer.admix import Admix
from holdfast.attacks.transfer.difgsm import DIFGSM
from holdfast.attacks.transfer.diverse import Diverse, Momentum, Neighbours, Nesterov, Running
from holdfast.attacks.transfer.mifgsm import MIFGSM
from holdfast.attacks.transfer.mix import ImagePool, Images, Mix, NoiseImages
from holdfast.attacks.transfer.nifgsm import NIFGSM
from holdfast.attacks.transfer.sinifgsm import SINIFGSM
from holdfast.attacks.transfer.tifgsm import TIFGSM
from holdfast.attacks.transfer.views import Blur, Scales, Shrink, View
from holdfast.attacks.transfer.vmifgsm import VMIFGSM
from holdfast.attacks.transfer.vnifgsm import VNIFGSM
from holdfast.attacks.universal.applied import Applied
from holdfast.attacks.universal.ascent import Ascent
from holdfast.attacks.universal.fitting import Universal, fit
from holdfast.attacks.universal.pasted import Pasted
from holdfast.attacks.universal.perturbation import Pattern, Perturbation, Waves
from holdfast.attacks.universal.uap import UAP
from holdfast.attacks.universal.universal_patch import UniversalPatch
from holdfast.attacks.wrappers.chain import Chain
from holdfast.attacks.wrappers.eot import EOT
from holdfast.attacks.wrappers.malt import MALT, ToNearest
from holdfast.attacks.wrappers.narrowing import Narrowing
from holdfast.attacks.wrappers.odi import ODI, MultiTargeted
from holdfast.attacks.wrappers.place_search import PlaceSearch
from holdfast.attacks.wrappers.quantised import Quantised
from holdfast.attacks.wrappers.radius_search import RadiusSearch
from holdfast.attacks.wrappers.restarts import EachTarget, Restart, Restarts, ToRank
from holdfast.translation import hint

__all__ = [
    "ACG",
    "ALMA",
    "APGD",
    "BIM",
    "CW",
    "CWL0",
    "DDN",
    "DIFGSM",
    "EAD",
    "EOT",
    "FAB",
    "FGSM",
    "FMN",
    "GAMA",
    "JSMA",
    "MALT",
    "MD",
    "MIFGSM",
    "NES",
    "NIFGSM",
    "ODI",
    "PDPGD",
    "PGD",
    "RFGSM",
    "SINIFGSM",
    "SPSA",
    "TIFGSM",
    "UAP",
    "VMIFGSM",
    "VNIFGSM",
    "ZOO",
    "Admix",
    "Applied",
    "Ascent",
    "Attack",
    "Bandits",
    "Basis",
    "Blur",
    "Boundary",
    "CWLinf",
    "Chain",
    "Corner",
    "Cosines",
    "DeepFool",
    "Diverse",
    "EachTarget",
    "Exhaustive",
    "FrankWolfe",
    "Gaussian",
    "GenAttack",
    "GeoDA",
    "Grid",
    "HopSkipJump",
    "ImagePool",
    "Images",
    "Leap",
    "Mix",
    "Momentum",
    "MultiTargeted",
    "Narrowing",
    "Neighbours",
    "Nesterov",
    "NoiseImages",
    "OnePixel",
    "Pasted",
    "Pattern",
    "Perturbation",
    "Pixels",
    "PlaceSearch",
    "Quantised",
    "RadiusSearch",
    "RayS",
    "Reinforce",
    "Restart",
    "Restarts",
    "Result",
    "Running",
    "Scales",
    "Scatter",
    "Shrink",
    "SigmaZero",
    "SignHunter",
    "SignOPT",
    "SimBA",
    "SparseRS",
    "Square",
    "StAdv",
    "Start",
    "SuperDeepFool",
    "SurFree",
    "ToNearest",
    "ToRank",
    "TrustRegion",
    "Unchanged",
    "Uniform",
    "Universal",
    "UniversalPatch",
    "View",
    "Waves",
    "WorstOf",
    "first",
    "fit",
    "keep_nearest",
    "keep_worst",
    "last",
    "worst",
]

if not TYPE_CHECKING:  # which would take any name for one of ours

    def __getattr__(name: str) -> NoReturn:
        """Say what a name of another library is here."""
        text = f"module {__name__!r} has no attribute {name!r}"
        tail = hint("attack", name)
        if tail:
            raise AttributeError(text + tail)
        raise AttributeError(text, name=name, obj=sys.modules[__name__])
