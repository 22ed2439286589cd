"""What is compared in speed.py: one attack, ours and others', and how each is run.

Gradient attacks are here, attacks by queries in queries.py. A run is a function of a target and a
budget (steps, or queries) that returns the attacked images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from common import Counting
from torch import Tensor, nn

import holdfast as hf
from holdfast.attacks import Attack
from holdfast.components import known
from holdfast.threat import Knowledge, Space

INF = math.inf
LABELS = {0.0: "L0", 1.0: "L1", 2.0: "L2", INF: "Linf"}


@dataclass(frozen=True)
class Target:
    """A network that counts its passes, images that it classifies correctly, and radii by norm."""

    net: Counting
    x: Tensor
    y: Tensor
    eps: Mapping[float, float]

    @property
    def goals(self) -> Tensor:
        """Return (n,): the classes that targeted attacks shall reach."""
        return (self.y + 1) % 10

    def first(self, n: int) -> Target:
        """Return the first n images behind a counter of their own."""
        net = Counting(self.net.net).eval()
        return replace(self, net=net, x=self.x[:n].clone(), y=self.y[:n].clone())


Run = Callable[[Target, int], Tensor]


@dataclass(frozen=True)
class Rival:
    """The same attack in another library.

    images: how many it gets; None: as many as ours. alone: it attacks one image after the other.
    queries: how many ours may spend against it; None: as many as it was seen to spend.
    """

    library: str
    run: Run
    images: int | None = None
    alone: bool = False
    queries: Callable[[int], int] | None = None


@dataclass(frozen=True)
class Pair:
    """One of our attacks with its rivals.

    figure: what is shown of the results, "distance" (the median) or "success" (within the radius).
    """

    attack: str
    norm: float | None
    kind: str  # "gradient", "score" or "decision"
    figure: str
    ours: Run
    rivals: tuple[Rival, ...]
    targeted: bool = False

    @property
    def label(self) -> str:
        return self.attack if self.norm is None else f"{self.attack} {LABELS[self.norm]}"


def ours(
    make: Callable[[int], Attack],
    norm: float,
    knowledge: Knowledge = Knowledge.GRADIENT,
    *,
    targeted: bool = False,
) -> Run:
    """Return one of our attacks, called as a user would."""

    def run(t: Target, budget: int) -> Tensor:
        threat = hf.ThreatModel(space(norm, t.eps[norm]), knowledge=knowledge)
        targets = t.goals if targeted else None
        return hf.attack(
            t.net, t.x, t.y, threat=threat, attack=make(budget), targets=targets, seed=0
        ).x_adv

    return run


def space(norm: float, eps: float) -> Space:
    """Return our set of a norm."""
    kinds: dict[float, Any] = {0.0: hf.L0, 1.0: hf.L1, 2.0: hf.L2, INF: hf.Linf}
    return kinds[norm](eps=eps)  # type: ignore[no-any-return]


def named(name: str, **given: Any) -> Callable[[int], Attack]:
    """Return a maker of a registered attack that has a number of steps."""
    return lambda steps: known("attack")[name](steps=steps, **given)


class Single(nn.Module):
    """Makes single precision of what ART computes in double, as with NumPy 2 it does."""

    def forward(self, x: Tensor) -> Tensor:
        return x.float()


# How the other libraries are called.


def foolbox(make: Callable[[Any, int], Any], norm: float | None = None, **given: Any) -> Rival:
    """Return an attack of foolbox: within the radius of a norm, or without one the nearest."""

    def run(t: Target, budget: int) -> Tensor:
        import foolbox as library

        model = library.PyTorchModel(t.net, bounds=(0, 1), device="cpu")
        eps = None if norm is None else t.eps[norm]
        return make(library.attacks, budget)(model, t.x, t.y, epsilons=eps)[0 if eps is None else 1]

    return Rival("foolbox", run, **given)


def art(
    make: Callable[[Any, Any, int, Target], Any],
    *,
    probabilities: bool = False,
    one_hot: bool = False,
    **given: Any,
) -> Rival:
    """Return an attack of ART; some ask for a network of probabilities, or one-hot labels."""

    def run(t: Target, budget: int) -> Tensor:
        import art.attacks.evasion as library

        net = nn.Sequential(Single(), t.net, *[nn.Softmax(1)] * probabilities)
        attack = make(library, estimator(net, t.x), budget, t)
        labels = np.eye(10, dtype=np.float32)[t.y.numpy()] if one_hot else t.y.numpy()
        return torch.from_numpy(np.asarray(attack.generate(t.x.numpy().copy(), labels)))

    return Rival("ART", run, **given)


def estimator(net: nn.Module, x: Tensor) -> Any:
    """Return ART's wrapper of a network."""
    from art.estimators.classification import PyTorchClassifier

    return PyTorchClassifier(
        net,
        loss=nn.CrossEntropyLoss(),
        input_shape=tuple(x.shape[1:]),
        nb_classes=10,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )


def torchattacks(make: Callable[[Any, Target, int], Any], **given: Any) -> Rival:
    """Return an attack of torchattacks."""

    def run(t: Target, budget: int) -> Tensor:
        import torchattacks as library

        return make(library, t, budget)(t.x, t.y)  # type: ignore[no-any-return]

    return Rival("torchattacks", run, **given)


def adv_lib(call: Callable[[Any, Target, int], Tensor], **given: Any) -> Rival:
    """Return an attack of adv-lib."""

    def run(t: Target, budget: int) -> Tensor:
        import adv_lib.attacks as library

        return call(library, t, budget)

    return Rival("adv-lib", run, **given)


def cleverhans(call: Run, **given: Any) -> Rival:
    """Return an attack of CleverHans."""
    return Rival("cleverhans", call, **given)
