"""Names of other libraries for attacks, suites and training methods, with ours for each.

The one table behind the hints of errors about unknown names and behind the guide that compares
libraries. Ours is written as in Python, for attacks after `hf.attacks.`, for methods after `hf.`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

NEAR = "not here; nearest: "  # before another algorithm for the same purpose
NONE = "not here"


_LOSSES = ("CrossEntropy", "DLR", "KL", "Margin")  # those that the table names
_STANDARD = (
    "apgd-ce, apgd-t and square with the same budgets, apgd-dlr and square-apgd in place of fab-t; "
    "call its number standard-1, not AutoAttack"
)
_APGD_T = "EachTarget(attack=APGD(loss=DLR()), top=9)"

# library -> its name -> (ours, the set or the difference)
ATTACKS: dict[str, dict[str, tuple[str, str]]] = {
    "autoattack": {
        "AutoAttack": ("suite='standard'", _STANDARD),
        "aa": ("suite='standard'", _STANDARD),
        "plus": ("suite='standard'", "'plus' adds restarts: see hf.attacks.Restarts"),
        "rand": ("EOT(attack=APGD(loss=DLR()), samples=20)", "for a network that draws"),
        "apgd-ce": ("APGD(loss=CrossEntropy())", "a member of suite 'standard'"),
        "apgd-dlr": ("APGD(loss=DLR())", "a member of suite 'standard'"),
        "apgd-t": (_APGD_T, "a member of suite 'standard'"),
        "fab-t": ("EachTarget(attack=FAB(), top=9)", ""),
        "APGDAttack": ("APGD(loss=CrossEntropy())", ""),
        "APGDAttack_targeted": (_APGD_T, ""),
        "FABAttack": ("FAB()", ""),
        "FABAttack_PT": ("FAB()", ""),
        "SquareAttack": ("Square()", ""),
    },
    "torchattacks": {
        "FGSM": ("FGSM()", ""),
        "BIM": ("BIM()", ""),
        "RFGSM": (NEAR + "PGD(steps=10)", "hf.attacks.RFGSM is Wong et al.'s, their FFGSM"),
        "FFGSM": ("RFGSM()", ""),
        "PGD": ("PGD()", ""),
        "PGDL2": ("PGD()", "in the set L2"),
        "EOTPGD": ("EOT(attack=PGD())", ""),
        "TPGD": ("PGD(loss=KL())", ""),
        "UPGD": ("PGD()", ""),
        "PGDRS": ("EOT(attack=PGD())", "around a network that draws its noise itself"),
        "PGDRSL2": ("EOT(attack=PGD())", "in the set L2, around a network that draws its noise"),
        "APGD": ("APGD(loss=CrossEntropy())", ""),
        "APGDT": (_APGD_T, ""),
        "MIFGSM": ("MIFGSM()", ""),
        "NIFGSM": ("NIFGSM()", ""),
        "DIFGSM": ("DIFGSM()", ""),
        "TIFGSM": ("TIFGSM()", "ours does not also resize the input: Diverse has both"),
        "SINIFGSM": ("SINIFGSM()", ""),
        "VMIFGSM": ("VMIFGSM()", ""),
        "VNIFGSM": ("VNIFGSM()", ""),
        "PIFGSM": (NEAR + "VNIFGSM()", ""),
        "PIFGSMPP": (NEAR + "VNIFGSM()", ""),
        "Jitter": (NEAR + "APGD(loss=Margin())", ""),
        "SPSA": ("SPSA()", ""),
        "Square": ("Square()", ""),
        "FAB": ("FAB()", ""),
        "CW": ("CW()", "in the set L2"),
        "DeepFool": ("DeepFool()", "in the set L2"),
        "EADL1": ("EAD()", "in the set L1"),
        "EADEN": ("EAD()", "in the set L1"),
        "SparseFool": (NEAR + "SigmaZero()", "in the set L0"),
        "JSMA": ("JSMA()", "in the set L0"),
        "OnePixel": ("OnePixel()", "in the set PixelL0"),
        "Pixle": (NEAR + "SparseRS()", "in the set PixelL0"),
        "GN": (NEAR + "RandomSearch(queries=1)", "noise from the set; never an attack to report"),
        "VANILA": (NONE, "the clean accuracy is part of every claim"),
        "AutoAttack": (
            "suite='standard'",
            "theirs takes 10 steps of APGD where the original takes 100",
        ),
        "MultiAttack": ("suite='standard'", "or a Suite of your own"),
        "LGV": (NONE, "pass surrogate=hf.models.MeanLogits(networks), say of checkpoints"),
    },
    "foolbox": {
        "FGSM": ("FGSM()", ""),
        "FGM": ("FGSM()", "in the set L2"),
        "LinfFastGradientAttack": ("FGSM()", ""),
        "L2FastGradientAttack": ("FGSM()", "in the set L2"),
        "L1FastGradientAttack": ("FGSM()", "in the set L1"),
        "PGD": ("PGD()", ""),
        "LinfPGD": ("PGD()", ""),
        "L2PGD": ("PGD()", "in the set L2"),
        "L1PGD": ("PGD()", "in the set L1"),
        "LinfProjectedGradientDescentAttack": ("PGD()", ""),
        "L2ProjectedGradientDescentAttack": ("PGD()", "in the set L2"),
        "L1ProjectedGradientDescentAttack": ("PGD()", "in the set L1"),
        "AdamPGD": (NEAR + "APGD()", ""),
        "LinfAdamPGD": (NEAR + "APGD()", ""),
        "L2AdamPGD": (NEAR + "APGD()", "in the set L2"),
        "L1AdamPGD": (NEAR + "APGD()", "in the set L1"),
        "LinfBasicIterativeAttack": ("BIM()", ""),
        "L2BasicIterativeAttack": ("BIM()", "in the set L2"),
        "L1BasicIterativeAttack": ("BIM()", "in the set L1"),
        "MIFGSM": ("MIFGSM()", ""),
        "LinfMomentumIterativeFastGradientMethod": ("MIFGSM()", ""),
        "L2MomentumIterativeFastGradientMethod": ("MIFGSM()", "in the set L2"),
        "L1MomentumIterativeFastGradientMethod": ("MIFGSM()", "in the set L1"),
        "SparseL1DescentAttack": ("PGD()", "in the set L1"),
        "VirtualAdversarialAttack": (NEAR + "PGD(loss=KL())", "in the set L2"),
        "L2CarliniWagnerAttack": ("CW()", "in the set L2"),
        "EADAttack": ("EAD()", "in the set L1"),
        "DeepFoolAttack": ("DeepFool()", ""),
        "L2DeepFoolAttack": ("DeepFool()", "in the set L2"),
        "LinfDeepFoolAttack": ("DeepFool()", "in the set Linf"),
        "NewtonFoolAttack": (NEAR + "DeepFool()", "in the set L2"),
        "DDNAttack": ("DDN()", "in the set L2"),
        "L0FMNAttack": ("FMN()", "in the set L0"),
        "L1FMNAttack": ("FMN()", "in the set L1"),
        "L2FMNAttack": ("FMN()", "in the set L2"),
        "LInfFMNAttack": ("FMN()", "in the set Linf"),
        "L0BrendelBethgeAttack": (NEAR + "SigmaZero()", "in the set L0"),
        "L1BrendelBethgeAttack": (NEAR + "PDPGD()", "in the set L1"),
        "L2BrendelBethgeAttack": (NEAR + "FMN()", "in the set L2"),
        "LinfinityBrendelBethgeAttack": (NEAR + "FMN()", "in the set Linf"),
        "BoundaryAttack": ("Boundary()", "in the set L2"),
        "HopSkipJumpAttack": ("HopSkipJump()", "in the set L2 or Linf"),
        "GenAttack": ("GenAttack()", ""),
        "SpatialAttack": ("Grid()", "in the set RotationTranslation"),
        "GaussianBlurAttack": (NEAR + "Exhaustive()", "in the set CommonCorruptions"),
        "SaltAndPepperNoiseAttack": (NEAR + "SparseRS()", "in the set PixelL0"),
        "PointwiseAttack": (NEAR + "SparseRS()", "in the set L0"),
        "LinfRepeatedAdditiveUniformNoiseAttack": ("RandomSearch()", ""),
        "L2RepeatedAdditiveUniformNoiseAttack": ("RandomSearch()", "in the set L2"),
        "L2RepeatedAdditiveGaussianNoiseAttack": (NEAR + "RandomSearch()", "in the set L2"),
    },
    "ART": {
        "FastGradientMethod": ("FGSM()", ""),
        "BasicIterativeMethod": ("BIM()", ""),
        "MomentumIterativeMethod": ("MIFGSM()", ""),
        "ProjectedGradientDescent": ("PGD()", ""),
        "ProjectedGradientDescentPyTorch": ("PGD()", ""),
        "ProjectedGradientDescentNumpy": ("PGD()", ""),
        "AutoProjectedGradientDescent": ("APGD()", ""),
        "AutoConjugateGradient": ("ACG()", ""),
        "RescalingAutoConjugateGradient": (NEAR + "ACG()", ""),
        "AutoAttack": ("suite='standard'", "theirs has DeepFool in place of apgd-t and fab-t"),
        "CarliniL2Method": ("CW()", "in the set L2"),
        "CarliniLInfMethod": ("CWLinf()", "in the set Linf"),
        "CarliniL0Method": ("CWL0()", "in the set L0"),
        "DeepFool": ("DeepFool()", "in the set L2"),
        "NewtonFool": (NEAR + "DeepFool()", "in the set L2"),
        "ElasticNet": ("EAD()", "in the set L1"),
        "SaliencyMapMethod": ("JSMA()", "in the set L0"),
        "BrendelBethgeAttack": (NEAR + "FMN()", ""),
        "BoundaryAttack": ("Boundary()", "in the set L2"),
        "HopSkipJump": ("HopSkipJump()", "in the set L2 or Linf"),
        "GeoDA": ("GeoDA()", "in the set L2 or Linf"),
        "SignOPTAttack": ("SignOPT()", "in the set L2"),
        "SquareAttack": ("Square()", ""),
        "SimBA": ("SimBA()", ""),
        "ZooAttack": ("ZOO()", ""),
        "PixelAttack": ("OnePixel()", "in the set PixelL0"),
        "ThresholdAttack": (NEAR + "Square()", "in the set Linf"),
        "DecisionTreeAttack": (NEAR + "SignHunter()", "for a model that gives scores alone"),
        "SpatialTransformation": ("Grid()", "in the set RotationTranslation"),
        "UniversalPerturbation": ("UAP()", "fitted by hf.attacks.fit, attacks as Applied"),
        "AdversarialPatch": ("UniversalPatch()", "fitted by hf.attacks.fit, attacks as ApplyPatch"),
        "AdversarialPatchPyTorch": ("UniversalPatch()", "fitted by hf.attacks.fit"),
        "VirtualAdversarialMethod": (NEAR + "PGD(loss=KL())", "in the set L2"),
        "ShadowAttack": (NONE, ""),
        "Wasserstein": (NONE, ""),
    },
    "cleverhans": {
        "fast_gradient_method": ("FGSM()", ""),
        "projected_gradient_descent": ("PGD()", ""),
        "sparse_l1_descent": ("PGD()", "in the set L1"),
        "carlini_wagner_l2": ("CW()", "in the set L2"),
        "hop_skip_jump_attack": ("HopSkipJump()", "in the set L2 or Linf"),
        "spsa": ("SPSA()", ""),
        "noise": (NEAR + "RandomSearch(queries=1)", ""),
        "semantic": (NONE, ""),
    },
    "adv-lib": {
        "pgd_linf": ("PGD()", ""),
        "apgd": ("APGD(loss=DLR())", ""),
        "apgd_targeted": (_APGD_T, ""),
        "carlini_wagner_l2": ("CW()", "in the set L2"),
        "carlini_wagner_linf": ("CWLinf()", "in the set Linf"),
        "ddn": ("DDN()", "in the set L2"),
        "df": ("DeepFool()", "in the set L2 or Linf"),
        "sdf": ("SuperDeepFool()", "in the set L2"),
        "fab": ("FAB()", ""),
        "fmn": ("FMN()", ""),
        "alma": ("ALMA()", ""),
        "pdgd": (NEAR + "PDPGD()", "in the set L2"),
        "pdpgd": ("PDPGD()", ""),
        "sigma_zero": ("SigmaZero()", "in the set L0"),
        "tr": ("TrustRegion()", ""),
        "fga": (NEAR + "SigmaZero()", "in the set L0"),
        "vfga": (NEAR + "SigmaZero()", "in the set L0"),
        "str_attack": (NONE, ""),
        "perc_al": (NONE, ""),
    },
}
METHODS: dict[str, dict[str, tuple[str, str]]] = {
    "MAIR": {
        "Standard": ("Standard()", ""),
        "AT": ("Madry()", ""),
        "TRADES": ("TRADES()", ""),
        "MART": (NEAR + "TRADES()", ""),
        "AWP": (NONE, ""),
        "SAM": (NONE, ""),
    },
    "ART": {
        "AdversarialTrainer": ("Madry()", ""),
        "AdversarialTrainerMadryPGD": ("Madry()", ""),
        "AdversarialTrainerTRADES": ("TRADES()", ""),
        "AdversarialTrainerFBF": ("FastAT()", ""),
        "AdversarialTrainerAWP": (NONE, ""),
    },
}


class Row(NamedTuple):
    """One name of another library."""

    library: str
    theirs: str
    kind: str  # of ours: attack, suite or method
    ours: str  # in Python, without a home; "" where nothing is the same
    nearest: str  # the best substitute where nothing is the same
    remark: str  # the set, or the difference

    @property
    def written(self) -> str:
        """Return ours, or the nearest, as in a program that begins with `import holdfast as hf`."""
        homes = dict.fromkeys(_LOSSES, "hf.losses.")
        default = "hf." if self.kind == "method" else "hf.attacks."
        return re.sub(
            r"\b([A-Z]\w*)\(",
            lambda found: f"{homes.get(found[1], default)}{found[0]}",
            self.ours or self.nearest,
        )


@cache
def rows() -> tuple[Row, ...]:
    """Return the table, one library after another, attacks and suites first."""
    found = []
    for method, table in ((False, ATTACKS), (True, METHODS)):
        for library, names in table.items():
            for theirs, (ours, remark) in names.items():
                suite = ours.startswith("suite=")
                kind = "method" if method else "suite" if suite else "attack"
                near = ours.removeprefix(NEAR) if ours.startswith(NEAR) else ""
                same = "" if near or ours == NONE else ours
                found.append(Row(library, theirs, kind, same, near, remark))
    return tuple(found)


def hint(kind: str, name: str, labels: Mapping[str, str] | None = None) -> str:
    """Return the tail of an error about an unknown name of another library: our equivalent.

    kind: of the name looked up; attacks and suites are often taken for each other. labels: the
    names by which classes of ours are known in files and on the command line. Empty for a name that
    no other library has.
    """
    kinds = ("method",) if kind == "method" else ("attack", "suite")
    found = [row for row in rows() if row.kind in kinds and alike(row.theirs, name)]
    if not found:
        return ""
    row = found[0]
    libraries = [each.library for each in found if each.ours == row.ours]
    text = f"; {row.theirs} of {_listed(libraries)} {_said(row)}"
    label = (labels or {}).get((row.ours or row.nearest).partition("(")[0])
    text += f" ({label!r} by name)" if label else ""
    return f"{text}{', ' if row.remark.startswith('in the ') else ': '}{row.remark}".rstrip(": ")


def _said(row: Row) -> str:
    if row.kind == "suite":
        return f"corresponds to the suite {row.ours.partition('=')[2]}"
    if row.ours:
        return f"is {row.written} here"
    return f"is not here, the nearest is {row.written}" if row.nearest else "is not here"


def _listed(names: list[str]) -> str:
    *first, last = dict.fromkeys(names)
    return f"{', '.join(first)} and {last}" if first else last


def alike(one: str, other: str) -> bool:
    """Return True for names that differ in case and marks alone, as in DeepFool and deep_fool."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()
