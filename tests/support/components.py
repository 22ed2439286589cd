"""One small instance of every registered component, for tests that run over all of them."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

import pytest

import holdfast
from holdfast.attacks import (
    APGD,
    PGD,
    NoiseImages,
    ResizePad,
    ScaleCopies,
    Square,
    TranslationKernel,
)
from holdfast.components import kinds, known
from holdfast.losses import Margin
from holdfast.spaces import L0, L1, L2, Linf, PixelL0

# What components need in order to be built at all, by the name of the field.
REQUIRED: dict[str, Callable[[], Any]] = {
    "attack": PGD,
    "digest": lambda: 64 * "0",
    "eps": lambda: 1,
    "first": lambda: 0.1,
    "images": NoiseImages,
    "index": lambda: 1,
    "path": lambda: "a-folder",
    "members": tuple,
    "name": lambda: "a-name",
    "rank": lambda: 2,
    "space": lambda: Linf(eps="8/255"),
}

# Attacks at budgets that a test of two seconds can pay.
SMALL: dict[str, dict[str, Any]] = {
    "acg": {"steps": 12},
    "admix": {"steps": 5, "step_size": 0.25, "images": NoiseImages(), "mixed": 2, "copies": 2},
    "alma": {"steps": 40, "top": 3},
    "apgd": {"steps": 12},
    "bandits": {"queries": 61},
    "cw": {"steps": 20, "searches": 3, "step_size": 0.1, "weight": 0.1, "top": 3},
    "cw_linf": {"steps": 20, "searches": 6, "step_size": 0.1, "top": 3},
    "ead": {"steps": 20, "searches": 4, "top": 3},
    "cw_l0": {"steps": 20, "searches": 20},
    "jsma": {"steps": 20},
    "ddn": {"steps": 30},
    "deepfool": {"steps": 8, "top": 3},
    "fmn": {"steps": 25},
    "fab": {"steps": 8, "top": 3},
    "superdeepfool": {"steps": 12, "top": 3},
    "trust_region": {"steps": 12, "top": 3, "radius": 0.3},
    "sigma_zero": {"steps": 60},
    "bim": {"steps": 5, "step_size": 0.25},
    "difgsm": {"steps": 4, "step_size": 0.3},
    "diverse": {
        "steps": 4,
        "step_size": 0.3,
        "views": (ResizePad(), ScaleCopies(copies=2), TranslationKernel(kernel=3)),
    },
    "frank_wolfe": {"steps": 8},
    "gama": {"steps": 8},
    "leap": {"steps": 10},
    "malt": {"attack": PGD(steps=4), "top": 2, "among": 3},
    "md": {"steps": 4},
    "mifgsm": {"steps": 5, "step_size": 0.25},
    "multi_targeted": {"steps": 10, "top": 3},
    "nifgsm": {"steps": 5, "step_size": 0.25},
    "odi": {"attack": PGD(steps=6, step_size=0.3)},
    "place_search": {"attack": PGD(steps=4), "places": 1, "heats": 2, "probes": 3},
    "pdpgd": {"steps": 40, "top": 3},
    "pgd": {"steps": 6, "step_size": 0.25},
    "sinifgsm": {"steps": 4, "step_size": 0.3, "copies": 2},
    "square": {"queries": 30},
    "multi_eps": {"attack": APGD(steps=12)},
    "radius_search": {"attack": APGD(steps=6, loss=Margin()), "first": 0.3, "radii": 7},
    "stadv": {"steps": 10},
    "sparse_rs": {"queries": 100},
    "one_pixel": {"queries": 60, "population": 10},
    "tifgsm": {"steps": 4, "step_size": 0.3, "kernel": 3},
    "vmifgsm": {"steps": 5, "step_size": 0.25, "neighbors": 2},
    "vnifgsm": {"steps": 5, "step_size": 0.25, "neighbors": 2},
    "genattack": {"queries": 60},
    "nes": {"queries": 60, "samples": 10},
    "reinforce": {"queries": 60},
    "signhunter": {"queries": 40},
    "simba": {"queries": 60},
    "spsa": {"queries": 60, "samples": 10},
    "zoo": {"queries": 60, "coordinates": 8},
    "to_nearest": {"attack": PGD(steps=4), "among": 3},
    "boundary": {"queries": 50},
    "geoda": {"queries": 60, "probes": 10},
    "hopskipjump": {"queries": 60, "probes": 10},
    "rays": {"queries": 50},
    "sign_opt": {"queries": 60, "probes": 10},
    "surfree": {"queries": 50},
    "restart": {"attack": PGD(steps=3), "index": 1},
    "restarts": {"attack": PGD(steps=3), "restarts": 2},
    "target_rank": {"attack": PGD(steps=4), "rank": 1},
    "each_target": {"attack": PGD(steps=4), "top": 2},
    "quantized": {"attack": PGD(steps=3, step_size=0.4), "bits": 8},
    "eot": {"attack": PGD(steps=6, step_size=0.25), "samples": 3},
    "warm_start": {"first": Square(queries=12), "then": APGD(steps=8)},
}

SPACES = {
    "linf": Linf(eps=0.1),
    "l2": L2(eps=0.4),
    "l1": L1(eps=1.2),
    "l0": L0(eps=4),
    "pixel_l0": PixelL0(eps=3),
}
# Sets in which every target can be reached.
WIDE = {"linf": 0.6, "l2": 3.0, "l1": 12.0, "l0": 24, "pixel_l0": 14}


# Sets with tests of their own: tests/spaces/test_moves.py and those named after them.
OWN = {"common_corruptions", "flow", "masked", "patch", "recolor", "rotation_translation"}


def load_all() -> None:
    """Import every module of the library, so that every component is registered."""
    for module in pkgutil.walk_packages(holdfast.__path__, "holdfast."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def example(cls: type) -> Any:
    """Build a component with its defaults."""
    fields = dataclasses.fields(cls)
    needed = [f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING]
    return cls(**{name: REQUIRED[name]() for name in needed})


def every_component() -> list[Any]:
    """Return (kind, component) of everything registered that is a component."""
    load_all()
    return [
        pytest.param(kind, example(cls), id=f"{kind}-{name}")
        for kind in kinds()
        for name, cls in known(kind).items()
        if isinstance(cls, type) and dataclasses.is_dataclass(cls)
    ]


def small_attacks() -> list[Any]:
    """Return one small instance of every registered attack."""
    load_all()
    return [
        pytest.param(cls(**SMALL.get(name, {})), id=name) for name, cls in known("attack").items()
    ]
