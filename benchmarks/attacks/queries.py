"""The attacks by scores and by labels alone that speed.py compares, and the grid of rotations.

Peers that attack one image after the other get `FEW` of them. Those that spend a number of queries
of their own making are run first, and ours may spend as many.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
from pairs import INF, LABELS, Pair, Rival, Target, art, cleverhans, foolbox, ours
from pairs import torchattacks as ta
from torch import Tensor

import holdfast as hf
from holdfast.attacks import Attack, Grid, OnePixel
from holdfast.components import known
from holdfast.threat import Knowledge

FEW = 8  # images for peers that attack one after the other
SAMPLES = 64  # pairs of probes of a step of SPSA
STEP = 0.3  # of the radius, for SPSA
FIRST = 100  # queries for the first normal of HopSkipJump
DEGREES, SHIFT, PLACES = 30.0, 3.0, 5  # of the grid, along each of its three axes


def by_queries() -> list[Pair]:
    """Return the attacks by scores or labels that another library has, too."""
    return [*by_scores(), *by_labels(), one_pixel(), grid()]


def spends(name: str, **given: Any) -> Callable[[int], Attack]:
    """Return a maker of a registered attack that has a number of queries."""
    return lambda queries: known("attack")[name](queries=queries, **given)


def all_of_them(queries: int) -> int:
    """Return what ours may spend against a peer that is told how much it may spend."""
    return queries


def by_scores() -> list[Pair]:
    alone: dict[str, Any] = {"images": FEW, "alone": True}

    def pair(name: str, norm: float, *rivals: Rival, targeted: bool = False) -> Pair:
        run = ours(spends(name), norm, Knowledge.SCORE, targeted=targeted)
        return Pair(name, norm, "score", "success", run, rivals, targeted)

    return [
        *(pair("square", norm, *_squares(norm)) for norm in (INF, 2.0)),
        pair(
            "spsa",
            INF,
            ta(
                lambda lib, t, q: lib.SPSA(
                    t.net,
                    eps=t.eps[INF],
                    lr=STEP * t.eps[INF],
                    nb_iter=max(q // (2 * SAMPLES), 1),
                    nb_sample=SAMPLES,
                )
            ),
            cleverhans(_spsa, **alone),
        ),
        pair(
            "simba",
            INF,
            art(
                lambda lib, e, q, t: lib.SimBA(
                    e, attack="px", epsilon=t.eps[INF], max_iter=max(q // 2, 1), verbose=False
                ),
                probabilities=True,
                one_hot=True,
                queries=all_of_them,
                **alone,
            ),
        ),
        pair(
            "zoo",
            2.0,
            art(
                lambda lib, e, q, _: lib.ZooAttack(
                    e,
                    learning_rate=0.1,
                    initial_const=10.0,
                    max_iter=max(q // 64, 1),
                    nb_parallel=32,
                    use_resize=False,
                    use_importance=False,
                    verbose=False,
                ),
                **alone,
            ),
        ),
        pair("genattack", INF, Rival("foolbox", _genattack, queries=all_of_them), targeted=True),
    ]


def _squares(norm: float) -> list[Rival]:
    return [
        ta(
            lambda lib, t, q: lib.Square(t.net, LABELS[norm], eps=t.eps[norm], n_queries=q),
            queries=all_of_them,
        ),
        art(
            lambda lib, e, q, t: lib.SquareAttack(
                e, norm=norm, eps=t.eps[norm], max_iter=q, batch_size=len(t.x), verbose=False
            ),
            queries=all_of_them,
        ),
    ]


def _spsa(t: Target, q: int) -> Tensor:
    from cleverhans.torch.attacks.spsa import spsa

    steps, eps = max(q // (2 * SAMPLES + 1), 1), t.eps[INF]
    given: dict[str, Any] = {"clip_min": 0.0, "clip_max": 1.0, "y": t.y, "spsa_samples": SAMPLES}
    return spsa(t.net, t.x, eps, steps, learning_rate=STEP * eps, **given).detach()


def _genattack(t: Target, q: int) -> Tensor:
    import foolbox as library

    population = 10
    attack = library.attacks.GenAttack(steps=max(q // population, 1), population=population)
    model = library.PyTorchModel(t.net, bounds=(0, 1), device="cpu")
    wanted = library.criteria.TargetedMisclassification(t.goals)
    return attack(model, t.x, wanted, epsilons=t.eps[INF])[1]


def by_labels() -> list[Pair]:
    def pair(name: str, norm: float, *rivals: Rival) -> Pair:
        run = ours(spends(name), norm, Knowledge.DECISION)
        return Pair(name, norm, "decision", "distance", run, rivals)

    def one(make: Callable[[Any, Any, int, Target], Any]) -> Rival:
        return art(make, images=FEW, alone=True)

    return [
        *(pair("hopskipjump", norm, *_hops(norm)) for norm in (2.0, INF)),
        pair(
            "boundary",
            2.0,
            one(
                lambda lib, e, q, _: lib.BoundaryAttack(
                    e, targeted=False, max_iter=max(q // 40, 1), verbose=False
                )
            ),
            foolbox(lambda lib, q: lib.BoundaryAttack(steps=max(q - 60, 10) * 10 // 11)),
        ),
        *(
            pair("geoda", norm, Rival("ART", _geoda(norm), images=FEW, alone=True))
            for norm in (2.0, INF)
        ),
        pair(
            "sign_opt",
            2.0,
            one(
                lambda lib, e, q, _: lib.SignOPTAttack(
                    e, targeted=False, query_limit=q, verbose=False
                )
            ),
        ),
    ]


def _hops(norm: float) -> list[Rival]:
    def ch(t: Target, q: int) -> Tensor:
        from cleverhans.torch.attacks.hop_skip_jump_attack import hop_skip_jump_attack

        given = {"initial_num_evals": FIRST, "num_iterations": rounds(q), "verbose": False}
        return hop_skip_jump_attack(t.net, t.x, norm, **given).detach()

    constraint = "l2" if norm == 2 else "linf"
    return [
        art(
            lambda lib, e, q, _: lib.HopSkipJump(
                e, norm=norm, max_iter=rounds(q), init_eval=FIRST, verbose=False
            ),
            images=FEW,
            alone=True,
        ),
        cleverhans(ch, images=FEW, alone=True),
        foolbox(
            lambda lib, q: lib.HopSkipJumpAttack(
                steps=rounds(q), initial_gradient_eval_steps=FIRST, constraint=constraint
            )
        ),
    ]


def rounds(queries: int) -> int:
    """Return how many rounds of HopSkipJump spend about so many queries."""
    count, spent = 0, 0.0
    while True:
        spent += FIRST * (count + 1) ** 0.5 + 25
        if spent > queries and count:
            return count
        count += 1


def _geoda(norm: float) -> Callable[[Target, int], Tensor]:
    """ART's GeoDA stores its basis in the working folder, and calls what NumPy 2 dropped."""

    rival = art(lambda lib, e, q, _: lib.GeoDA(e, norm=norm, max_iter=max(q, 500), verbose=False))

    def run(t: Target, q: int) -> Tensor:
        vars(np).setdefault("mat", np.asmatrix)
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            return rival.run(t, q)

    return run


def one_pixel() -> Pair:
    """One pixel of any color; its figure is success."""
    population = 50

    def mine(t: Target, q: int) -> Tensor:
        threat = hf.ThreatModel(hf.PixelL0(eps=1), knowledge=Knowledge.SCORE)
        attack = OnePixel(queries=q, population=population)
        return hf.attack(t.net, t.x, t.y, threat=threat, attack=attack, seed=0).x_adv

    rivals = (
        ta(
            lambda lib, t, q: lib.OnePixel(
                t.net, pixels=1, steps=max(q // population - 1, 1), popsize=population
            ),
            images=FEW,
            alone=True,
        ),
        art(
            lambda lib, e, q, _: lib.PixelAttack(
                e, th=1, es=1, max_iter=max(q // 400 - 1, 1), verbose=False
            ),
            images=FEW,
            alone=True,
        ),
    )
    return Pair("one_pixel", None, "score", "success", mine, rivals)


def grid() -> Pair:
    """The grid of rotations and shifts; its figure is success."""

    def mine(t: Target, _: int) -> Tensor:
        space = hf.RotationTranslation(degrees=DEGREES, shift=SHIFT)
        threat = hf.ThreatModel(space, knowledge=Knowledge.DECISION)
        attack = Grid(angles=PLACES, shifts=PLACES)
        return hf.attack(t.net, t.x, t.y, threat=threat, attack=attack, seed=0).x_adv

    def fb(t: Target, _: int) -> Tensor:
        import foolbox as library

        attack = library.attacks.SpatialAttack(
            max_translation=SHIFT,
            max_rotation=DEGREES,
            num_translations=PLACES,
            num_rotations=PLACES,
        )
        model = library.PyTorchModel(t.net, bounds=(0, 1), device="cpu")
        return attack(model, t.x, t.y)[0]

    def share(t: Target) -> float:
        return 100 * SHIFT / t.x.shape[2]

    theirs = art(
        lambda lib, e, _, t: lib.SpatialTransformation(
            e,
            max_translation=share(t),
            num_translations=PLACES,
            max_rotation=DEGREES,
            num_rotations=PLACES,
            verbose=False,
        )
    )
    fox = Rival("foolbox", fb, queries=all_of_them)
    return Pair("grid", None, "score", "success", mine, (fox, theirs))
