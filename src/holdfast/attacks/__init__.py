"""Attacks: one algorithm a file, all maximizing a loss inside a set."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

from holdfast.attacks.core.base import Attack as Attack
from holdfast.attacks.core.base import first as first
from holdfast.attacks.core.base import last as last
from holdfast.attacks.core.base import worst as worst
from holdfast.attacks.core.directions import Basis as Basis
from holdfast.attacks.core.directions import Cosines as Cosines
from holdfast.attacks.core.directions import Pixels as Pixels
from holdfast.attacks.core.passes import Passes as Passes
from holdfast.attacks.core.points import Point as Point
from holdfast.attacks.core.points import Scored as Scored
from holdfast.attacks.core.points import Unscored as Unscored
from holdfast.attacks.core.points import Walk as Walk
from holdfast.attacks.core.points import evaluate as evaluate
from holdfast.attacks.core.points import query as query
from holdfast.attacks.core.points import value_and_grad as value_and_grad
from holdfast.attacks.core.result import Result as Result
from holdfast.attacks.core.result import keep_nearest as keep_nearest
from holdfast.attacks.core.result import keep_worst as keep_worst
from holdfast.attacks.core.starts import Gaussian as Gaussian
from holdfast.attacks.core.starts import Scatter as Scatter
from holdfast.attacks.core.starts import Start as Start
from holdfast.attacks.core.starts import Unchanged as Unchanged
from holdfast.attacks.core.starts import Uniform as Uniform
from holdfast.attacks.decision_based.boundary import Boundary as Boundary
from holdfast.attacks.decision_based.exhaustive import Exhaustive as Exhaustive
from holdfast.attacks.decision_based.exhaustive import Grid as Grid
from holdfast.attacks.decision_based.exhaustive import RandomSearch as RandomSearch
from holdfast.attacks.decision_based.geoda import GeoDA as GeoDA
from holdfast.attacks.decision_based.hopskipjump import HopSkipJump as HopSkipJump
from holdfast.attacks.decision_based.rays import RayS as RayS
from holdfast.attacks.decision_based.sign_opt import SignOPT as SignOPT
from holdfast.attacks.decision_based.surfree import SurFree as SurFree
from holdfast.attacks.gradient.acg import ACG as ACG
from holdfast.attacks.gradient.apgd import APGD as APGD
from holdfast.attacks.gradient.bim import BIM as BIM
from holdfast.attacks.gradient.fgsm import FGSM as FGSM
from holdfast.attacks.gradient.frank_wolfe import FrankWolfe as FrankWolfe
from holdfast.attacks.gradient.gama import GAMA as GAMA
from holdfast.attacks.gradient.gama import Corner as Corner
from holdfast.attacks.gradient.leap import Leap as Leap
from holdfast.attacks.gradient.md import MD as MD
from holdfast.attacks.gradient.pgd import PGD as PGD
from holdfast.attacks.gradient.rfgsm import RFGSM as RFGSM
from holdfast.attacks.gradient.stadv import StAdv as StAdv
from holdfast.attacks.minimum_norm.alma import ALMA as ALMA
from holdfast.attacks.minimum_norm.cw import CW as CW
from holdfast.attacks.minimum_norm.cw_l0 import CWL0 as CWL0
from holdfast.attacks.minimum_norm.cw_linf import CWLinf as CWLinf
from holdfast.attacks.minimum_norm.ddn import DDN as DDN
from holdfast.attacks.minimum_norm.deepfool import DeepFool as DeepFool
from holdfast.attacks.minimum_norm.ead import EAD as EAD
from holdfast.attacks.minimum_norm.fab import FAB as FAB
from holdfast.attacks.minimum_norm.fmn import FMN as FMN
from holdfast.attacks.minimum_norm.jsma import JSMA as JSMA
from holdfast.attacks.minimum_norm.pdpgd import PDPGD as PDPGD
from holdfast.attacks.minimum_norm.sigma_zero import SigmaZero as SigmaZero
from holdfast.attacks.minimum_norm.superdeepfool import SuperDeepFool as SuperDeepFool
from holdfast.attacks.minimum_norm.trust_region import TrustRegion as TrustRegion
from holdfast.attacks.score_based.bandits import Bandits as Bandits
from holdfast.attacks.score_based.genattack import GenAttack as GenAttack
from holdfast.attacks.score_based.nes import NES as NES
from holdfast.attacks.score_based.one_pixel import OnePixel as OnePixel
from holdfast.attacks.score_based.reinforce import Reinforce as Reinforce
from holdfast.attacks.score_based.signhunter import SignHunter as SignHunter
from holdfast.attacks.score_based.simba import SimBA as SimBA
from holdfast.attacks.score_based.sparse_rs import SparseRS as SparseRS
from holdfast.attacks.score_based.spsa import SPSA as SPSA
from holdfast.attacks.score_based.square import Square as Square
from holdfast.attacks.score_based.zoo import ZOO as ZOO
from holdfast.attacks.transfer.admix import Admix as Admix
from holdfast.attacks.transfer.difgsm import DIFGSM as DIFGSM
from holdfast.attacks.transfer.diverse import ClassicMomentum as ClassicMomentum
from holdfast.attacks.transfer.diverse import Diverse as Diverse
from holdfast.attacks.transfer.diverse import Momentum as Momentum
from holdfast.attacks.transfer.diverse import Nesterov as Nesterov
from holdfast.attacks.transfer.diverse import VarianceTuning as VarianceTuning
from holdfast.attacks.transfer.mifgsm import MIFGSM as MIFGSM
from holdfast.attacks.transfer.mix import ImagePool as ImagePool
from holdfast.attacks.transfer.mix import Images as Images
from holdfast.attacks.transfer.mix import MixedCopies as MixedCopies
from holdfast.attacks.transfer.mix import NoiseImages as NoiseImages
from holdfast.attacks.transfer.nifgsm import NIFGSM as NIFGSM
from holdfast.attacks.transfer.sinifgsm import SINIFGSM as SINIFGSM
from holdfast.attacks.transfer.tifgsm import TIFGSM as TIFGSM
from holdfast.attacks.transfer.views import ResizePad as ResizePad
from holdfast.attacks.transfer.views import ScaleCopies as ScaleCopies
from holdfast.attacks.transfer.views import TranslationKernel as TranslationKernel
from holdfast.attacks.transfer.views import View as View
from holdfast.attacks.transfer.vmifgsm import VMIFGSM as VMIFGSM
from holdfast.attacks.transfer.vnifgsm import VNIFGSM as VNIFGSM
from holdfast.attacks.universal.apply_patch import ApplyPatch as ApplyPatch
from holdfast.attacks.universal.apply_perturbation import ApplyPerturbation as ApplyPerturbation
from holdfast.attacks.universal.ascent import Ascent as Ascent
from holdfast.attacks.universal.fitting import Universal as Universal
from holdfast.attacks.universal.fitting import fit as fit
from holdfast.attacks.universal.perturbation import Pattern as Pattern
from holdfast.attacks.universal.perturbation import Perturbation as Perturbation
from holdfast.attacks.universal.perturbation import ProceduralNoise as ProceduralNoise
from holdfast.attacks.universal.uap import UAP as UAP
from holdfast.attacks.universal.universal_patch import UniversalPatch as UniversalPatch
from holdfast.attacks.wrappers.eot import EOT as EOT
from holdfast.attacks.wrappers.malt import MALT as MALT
from holdfast.attacks.wrappers.malt import ToNearest as ToNearest
from holdfast.attacks.wrappers.multi_eps import MultiEps as MultiEps
from holdfast.attacks.wrappers.odi import ODI as ODI
from holdfast.attacks.wrappers.odi import MultiTargeted as MultiTargeted
from holdfast.attacks.wrappers.place_search import PlaceSearch as PlaceSearch
from holdfast.attacks.wrappers.quantized import Quantized as Quantized
from holdfast.attacks.wrappers.radius_search import RadiusSearch as RadiusSearch
from holdfast.attacks.wrappers.restarts import EachTarget as EachTarget
from holdfast.attacks.wrappers.restarts import Restart as Restart
from holdfast.attacks.wrappers.restarts import Restarts as Restarts
from holdfast.attacks.wrappers.restarts import TargetRank as TargetRank
from holdfast.attacks.wrappers.warm_start import WarmStart as WarmStart
from holdfast.translation import hint

if not TYPE_CHECKING:  # which would take any name for one of ours

    def __getattr__(name: str) -> NoReturn:
        """Say what a name of another library is here."""
        text = f"module {__name__!r} has no attribute {name!r}"
        tail = hint("attack", name)
        if tail:
            raise AttributeError(text + tail)
        raise AttributeError(text, name=name, obj=sys.modules[__name__])
