"""The attacks by gradient that look for the nearest counterexample, which speed.py compares."""

from __future__ import annotations

from typing import Any

from pairs import (
    INF,
    LABELS,
    Pair,
    Rival,
    Run,
    Target,
    adv_lib,
    art,
    cleverhans,
    foolbox,
    named,
    ours,
)
from pairs import torchattacks as ta
from torch import Tensor

from holdfast.attacks import FAB

SEARCHES = 4  # values of the constant of Carlini and Wagner's attack and of the elastic net's
FEW = 8  # images for peers that attack one after the other
SOME = 16  # for peers whose line searches take ten times the passes


def nearest() -> list[Pair]:
    """Return the attacks that look for the nearest and that another library has, too."""

    def deepfool(norm: float, *more: Rival) -> Pair:
        return _nearest(
            "deepfool",
            norm,
            ours(named("deepfool"), norm),
            foolbox(lambda lib, k: getattr(lib, f"{LABELS[norm]}DeepFoolAttack")(steps=k)),
            adv_lib(lambda lib, t, k: lib.df(t.net, t.x, t.y, steps=k, norm=norm)),
            *more,
        )

    def fmn(norm: float) -> Pair:
        name = f"{LABELS[norm].replace('inf', 'Inf')}FMNAttack"
        return _nearest(
            "fmn",
            norm,
            ours(named("fmn"), norm),
            foolbox(lambda lib, k: getattr(lib, name)(steps=k)),
            adv_lib(lambda lib, t, k: lib.fmn(t.net, t.x, t.y, norm=norm, steps=k)),
        )

    def fab(norm: float) -> Pair:
        """Eighteen gradients for each step of nine classes: a quarter of the steps."""
        return _nearest(
            "fab",
            norm,
            ours(lambda k: FAB(steps=max(k // 4, 1)), norm),
            ta(lambda lib, t, k: lib.FAB(t.net, LABELS[norm], eps=1e6, steps=max(k // 4, 1))),
            adv_lib(lambda lib, t, k: lib.fab(t.net, t.x, t.y, norm=norm, n_iter=max(k // 4, 1))),
        )

    return [
        deepfool(
            2.0,
            ta(lambda lib, t, k: lib.DeepFool(t.net, k), images=FEW, alone=True),
            art(
                lambda lib, e, k, t: lib.DeepFool(
                    e, max_iter=k, epsilon=0.02, batch_size=len(t.x), verbose=False
                )
            ),
        ),
        deepfool(INF),
        _nearest(
            "ddn",
            2.0,
            ours(named("ddn"), 2.0),
            foolbox(lambda lib, k: lib.DDNAttack(steps=k)),
            adv_lib(lambda lib, t, k: lib.ddn(t.net, t.x, t.y, steps=k, levels=None)),
        ),
        *(fmn(norm) for norm in (0.0, 1.0, 2.0, INF)),
        *(fab(norm) for norm in (1.0, 2.0, INF)),
        _nearest(
            "sigma_zero",
            0.0,
            ours(named("sigma_zero"), 0.0),
            adv_lib(lambda lib, t, k: lib.sigma_zero(t.net, t.x, t.y, num_steps=k)),
        ),
        carlini_wagner(),
        *weighed(),
        *constrained(),
        _nearest(
            "superdeepfool",
            2.0,
            ours(named("superdeepfool"), 2.0),
            adv_lib(lambda lib, t, k: lib.sdf(t.net, t.x, t.y, steps=k)),
        ),
        *(trust_region(norm) for norm in (2.0, INF)),
        _nearest(
            "jsma",
            0.0,
            ours(named("jsma"), 0.0),
            ta(lambda lib, t, _: lib.JSMA(t.net, theta=1.0), images=FEW, alone=True),
            art(
                lambda lib, e, _, t: lib.SaliencyMapMethod(
                    e, theta=1.0, gamma=0.1, batch_size=len(t.x), verbose=False
                )
            ),
        ),
    ]


def weighed() -> list[Pair]:
    """Return what searches for a weight between margin and change."""
    return [
        _nearest(
            "ead",
            1.0,
            ours(named("ead", binary_search_steps=SEARCHES), 1.0),
            ta(lambda lib, t, k: lib.EADL1(t.net, binary_search_steps=SEARCHES, max_iterations=k)),
            foolbox(
                lambda lib, k: lib.EADAttack(
                    binary_search_steps=SEARCHES, steps=k, decision_rule="L1"
                )
            ),
            art(
                lambda lib, e, k, t: lib.ElasticNet(
                    e,
                    max_iter=k,
                    binary_search_steps=SEARCHES,
                    decision_rule="L1",
                    batch_size=len(t.x),
                    verbose=False,
                ),
                images=SOME,
            ),
        ),
        _nearest(
            "cw_linf",
            INF,
            ours(named("cw_linf", binary_search_steps=SEARCHES), INF),
            art(
                lambda lib, e, k, t: lib.CarliniLInfMethod(
                    e, max_iter=k, batch_size=len(t.x), verbose=False
                ),
                images=FEW,
            ),
            adv_lib(lambda lib, t, k: lib.carlini_wagner_linf(t.net, t.x, t.y, max_iterations=k)),
        ),
        _nearest(
            "cw_l0",
            0.0,
            ours(named("cw_l0", binary_search_steps=SEARCHES), 0.0),
            art(
                lambda lib, e, k, t: lib.CarliniL0Method(
                    e,
                    max_iter=max(k // 4, 1),
                    binary_search_steps=1,
                    batch_size=len(t.x),
                    verbose=False,
                ),
                images=FEW,
            ),
        ),
    ]


def constrained() -> list[Pair]:
    """Return what treats the boundary as a constraint with a multiplier."""

    def pdpgd(norm: float) -> Pair:
        theirs = adv_lib(lambda lib, t, k: lib.pdpgd(t.net, t.x, t.y, norm=norm, num_steps=k))
        return _nearest("pdpgd", norm, ours(named("pdpgd"), norm), theirs)

    def alma(norm: float) -> Pair:
        name = LABELS[norm].lower()
        theirs = adv_lib(lambda lib, t, k: lib.alma(t.net, t.x, t.y, num_steps=k, distance=name))
        return _nearest("alma", norm, ours(named("alma"), norm), theirs)

    return [*(pdpgd(norm) for norm in (1.0, 2.0, INF)), *(alma(norm) for norm in (1.0, 2.0))]


def trust_region(norm: float) -> Pair:
    theirs = adv_lib(lambda lib, t, k: lib.tr(t.net, t.x, t.y, iter=k, adaptive=True, p=norm))
    return _nearest("trust_region", norm, ours(named("trust_region"), norm), theirs)


def _nearest(name: str, norm: float, run: Run, *rivals: Rival) -> Pair:
    return Pair(name, norm, "gradient", "distance", run, rivals)


def carlini_wagner() -> Pair:
    def ch(t: Target, k: int) -> Tensor:
        from cleverhans.torch.attacks.carlini_wagner_l2 import carlini_wagner_l2

        limits: dict[str, Any] = {"binary_search_steps": SEARCHES, "max_iterations": k}
        return carlini_wagner_l2(t.net, t.x, 10, t.y, lr=1e-2, **limits).detach()

    return _nearest(
        "cw",
        2.0,
        ours(named("cw", binary_search_steps=SEARCHES), 2.0),
        ta(lambda lib, t, k: lib.CW(t.net, steps=SEARCHES * k)),
        foolbox(lambda lib, k: lib.L2CarliniWagnerAttack(binary_search_steps=SEARCHES, steps=k)),
        art(
            lambda lib, e, k, t: lib.CarliniL2Method(
                e, max_iter=k, binary_search_steps=SEARCHES, batch_size=len(t.x), verbose=False
            ),
            images=SOME,
        ),
        adv_lib(
            lambda lib, t, k: lib.carlini_wagner_l2(
                t.net, t.x, t.y, binary_search_steps=SEARCHES, max_iterations=k
            )
        ),
        cleverhans(ch),
    )
