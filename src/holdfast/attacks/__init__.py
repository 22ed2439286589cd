"""Attacks: one algorithm a file, all maximising a loss inside a set."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

from holdfast.attacks.acg import ACG
from holdfast.attacks.admix import Admix
from holdfast.attacks.alma import ALMA
from holdfast.attacks.apgd import APGD
from holdfast.attacks.applied import Applied
from holdfast.attacks.ascent import Ascent
from holdfast.attacks.bandits import Bandits
from holdfast.attacks.base import Attack, first, last, worst
from holdfast.attacks.bases import Basis, Cosines, Pixels
from holdfast.attacks.bim import BIM
from holdfast.attacks.boundary import Boundary
from holdfast.attacks.chain import Chain
from holdfast.attacks.compose import EachTarget, Restart, Restarts, ToRank
from holdfast.attacks.cw import CW
from holdfast.attacks.cw_l0 import CWL0
from holdfast.attacks.cw_linf import CWLinf
from holdfast.attacks.ddn import DDN
from holdfast.attacks.deepfool import DeepFool
from holdfast.attacks.difgsm import DIFGSM
from holdfast.attacks.diverse import Diverse, Momentum, Neighbours, Nesterov, Running
from holdfast.attacks.ead import EAD
from holdfast.attacks.eot import EOT
from holdfast.attacks.exhaustive import Exhaustive, Grid, WorstOf
from holdfast.attacks.fab import FAB
from holdfast.attacks.fgsm import FGSM
from holdfast.attacks.fmn import FMN
from holdfast.attacks.frank_wolfe import FrankWolfe
from holdfast.attacks.gama import GAMA, Corner
from holdfast.attacks.genattack import GenAttack
from holdfast.attacks.geoda import GeoDA
from holdfast.attacks.hopskipjump import HopSkipJump
from holdfast.attacks.jsma import JSMA
from holdfast.attacks.leap import Leap
from holdfast.attacks.malt import MALT, ToNearest
from holdfast.attacks.md import MD
from holdfast.attacks.mifgsm import MIFGSM
from holdfast.attacks.mix import ImagePool, Images, Mix, NoiseImages
from holdfast.attacks.narrowing import Narrowing
from holdfast.attacks.nes import NES
from holdfast.attacks.nifgsm import NIFGSM
from holdfast.attacks.odi import ODI, MultiTargeted
from holdfast.attacks.one_pixel import OnePixel
from holdfast.attacks.pasted import Pasted
from holdfast.attacks.pdpgd import PDPGD
from holdfast.attacks.perturbation import Pattern, Perturbation, Waves
from holdfast.attacks.pgd import PGD
from holdfast.attacks.place_search import PlaceSearch
from holdfast.attacks.quantised import Quantised
from holdfast.attacks.radius_search import RadiusSearch
from holdfast.attacks.rays import RayS
from holdfast.attacks.reinforce import Reinforce
from holdfast.attacks.result import Result, keep_nearest, keep_worst
from holdfast.attacks.rfgsm import RFGSM
from holdfast.attacks.sigma_zero import SigmaZero
from holdfast.attacks.sign_opt import SignOPT
from holdfast.attacks.signhunter import SignHunter
from holdfast.attacks.simba import SimBA
from holdfast.attacks.sinifgsm import SINIFGSM
from holdfast.attacks.sparse_rs import SparseRS
from holdfast.attacks.spsa import SPSA
from holdfast.attacks.square import Square
from holdfast.attacks.stadv import StAdv
from holdfast.attacks.starts import Gaussian, Scatter, Start, Unchanged, Uniform
from holdfast.attacks.superdeepfool import SuperDeepFool
from holdfast.attacks.surfree import SurFree
from holdfast.attacks.tifgsm import TIFGSM
from holdfast.attacks.trust_region import TrustRegion
from holdfast.attacks.uap import UAP
from holdfast.attacks.universal import Universal, fit
from holdfast.attacks.universal_patch import UniversalPatch
from holdfast.attacks.views import Blur, Scales, Shrink, View
from holdfast.attacks.vmifgsm import VMIFGSM
from holdfast.attacks.vnifgsm import VNIFGSM
from holdfast.attacks.zoo import ZOO
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
