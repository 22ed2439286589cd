"""Holdfast: adversarial training and honest robustness evaluation.

Names are imported when they are first used, so that `import holdfast` and `holdfast --help` are
quick although PyTorch is not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast import attacks, data, losses, models
    from holdfast.api import (
        attack,
        evaluate,
        load,
        load_data,
        perturb,
        report,
        sign,
        train,
        verify,
    )
    from holdfast.attacks import Result
    from holdfast.claims import Accuracy, Claim
    from holdfast.data import Examples, FlipCrop, Splits
    from holdfast.errors import (
        ConfigError,
        HoldfastError,
        HoldfastWarning,
        InputError,
        StorageError,
        Unsupported,
        VerificationError,
    )
    from holdfast.evaluation import Suite, export_png
    from holdfast.models import wrap
    from holdfast.spaces import (
        L0,
        L1,
        L2,
        Circle,
        Corrupted,
        Flow,
        Frame,
        Linf,
        Masked,
        Patch,
        PixelL0,
        Recolor,
        Rectangle,
        RotationTranslation,
    )
    from holdfast.threat import Knowledge, Targeted, ThreatModel, Undetected, Untargeted
    from holdfast.training import (
        NFGSM,
        SGD,
        TRADES,
        Adam,
        AdamW,
        Cosine,
        Cyclic,
        FastAT,
        Madry,
        NoiseAugmented,
        OneCycle,
        Piecewise,
        Standard,
        TrainPlan,
        TrainResult,
    )

__version__ = "0.1.0"

_HOMES = {
    "api": "attack evaluate load load_data perturb report sign train verify",
    "attacks": "Result",
    "claims": "Accuracy Claim",
    "data": "Examples FlipCrop Splits",
    "errors": "ConfigError HoldfastError HoldfastWarning InputError StorageError Unsupported "
    "VerificationError",
    "evaluation": "Suite export_png",
    "models": "wrap",
    "spaces": "Circle Corrupted Flow Frame L0 L1 L2 Linf Masked Patch PixelL0 Recolor Rectangle "
    "RotationTranslation",
    "threat": "Knowledge Targeted ThreatModel Undetected Untargeted",
    "training": "MTLIBP NFGSM SGD TRADES Adam AdamW Cosine Cyclic FastAT Madry NoiseAugmented "
    "OneCycle Piecewise Standard TrainPlan TrainResult",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}
_ROOMS = ("attacks", "data", "losses", "models")

__all__ = [
    "L0",
    "L1",
    "L2",
    "MTLIBP",
    "NFGSM",
    "SGD",
    "TRADES",
    "Accuracy",
    "Adam",
    "AdamW",
    "Circle",
    "Claim",
    "ConfigError",
    "Corrupted",
    "Cosine",
    "Cyclic",
    "Examples",
    "FastAT",
    "FlipCrop",
    "Flow",
    "Frame",
    "HoldfastError",
    "HoldfastWarning",
    "InputError",
    "Knowledge",
    "Linf",
    "Madry",
    "Masked",
    "NoiseAugmented",
    "OneCycle",
    "Patch",
    "Piecewise",
    "PixelL0",
    "Recolor",
    "Rectangle",
    "Result",
    "RotationTranslation",
    "Splits",
    "Standard",
    "StorageError",
    "Suite",
    "Targeted",
    "ThreatModel",
    "TrainPlan",
    "TrainResult",
    "Undetected",
    "Unsupported",
    "Untargeted",
    "VerificationError",
    "attack",
    "attacks",
    "data",
    "evaluate",
    "export_png",
    "load",
    "load_data",
    "losses",
    "models",
    "perturb",
    "report",
    "sign",
    "train",
    "verify",
    "wrap",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"holdfast.{name}")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'holdfast' has no attribute {name!r}{_instead(name)}")
    value = getattr(import_module(f"holdfast.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def _instead(name: str) -> str:
    """Return where a name is, or what it is here if it is one of another library."""
    if name.startswith("_"):
        return ""
    for room in _ROOMS:
        found = getattr(import_module(f"holdfast.{room}"), name, None)
        if str(getattr(found, "__module__", "")).startswith(f"holdfast.{room}"):
            return f"; it is hf.{room}.{name}"
    translation = import_module("holdfast.translation")
    return str(translation.hint("method", name) or translation.hint("attack", name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
